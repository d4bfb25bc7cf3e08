//! `credence serve`: a page and an API for one home, which many people use at once.

mod access;
mod answered;
mod api;
mod approvals;
mod carry;
mod decisions;
pub(crate) mod desk;
pub(crate) mod done;
mod experiments;
mod following;
mod front;
mod imports;
mod joining;
mod limits;
mod lines;
mod metrics;
mod model;
mod openai;
mod pages;
mod people;
pub(crate) mod problem;
mod reading;
mod runs;
mod syncing;
mod writer;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use axum::extract::{DefaultBodyLimit, FromRequestParts, Request, State};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum_server::Handle;
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use clap::Args;
use credence_agent::askable::Askable;
use credence_agent::decide::Bars;
use credence_agent::words::{self, Listener};
use credence_cluster::front::Link;
use credence_mcp::{AnswerAt, HttpOptions, Principal, streamable_http_service};
use credence_memory::home::{Home, Paths};
use credence_memory::ids::{Hash, PersonId};
use credence_priors::ModelIdentity;
use credence_priors::schema::ValueSchema;
use credence_priors::value_reading::ValueMap;
use utoipa_axum::routes;

use crate::cli::{EXEC_SECONDS, Global, ModelArgs, PersonArgs};
use crate::commands::prior::read_in_words;
use crate::exit::WrongInput;
use crate::mcp::{DeskHost, Elsewhere, LiveReading};
use crate::signals;
use crate::surroundings::{Loaded, cache, home, now, opening_with, person, say, schema};
use access::{Caller, Rates, Role, Tokens};
use answered::Answered;
use desk::{DeskHandle, Keeps};
use done::Done;
use following::Following;
use limits::{AtMost, Held};
use metrics::Metrics;
use problem::Problem;
use runs::Runs;
use writer::Writer;

/// Bytes of a request, at most.
const BODY_MAX: usize = 64 * 1024;
/// Answers under way get so long to be given when the service stops.
const STOPPING: Duration = Duration::from_millis(800);

/// `credence serve`.
#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// Where to listen; 0.0.0.0:7878 is reached from other machines, such as phones in the same network
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:7878", env = "CREDENCE_LISTEN")]
    pub(crate) listen: SocketAddr,
    /// A name that browsers reach the service by, such as values.example.org; may be given several times
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Vec<String>,
    /// A certificate chain (PEM): the service then speaks TLS
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// Its key (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,
    /// A proxy before the service speaks TLS
    #[arg(long)]
    pub(crate) behind_proxy: bool,
    /// Whose approvals and values agents mean that come over MCP (at /mcp, with an agent's token) [default: your login name]
    #[arg(long, value_name = "NAME")]
    pub(crate) agents_of: Option<String>,
    /// Carry out acts that passed, when an agent or the owner asks for it (/api/v1/approvals/acts/ACT/carry-out), by this command: it
    /// reads one JSON object on standard input. A dry run, unless --carry-out is given
    #[arg(long, value_name = "COMMAND", conflicts_with = "stream")]
    pub(crate) exec: Option<String>,
    /// Run the command of --exec
    #[arg(long, requires = "exec")]
    pub(crate) carry_out: bool,
    /// End the command after this many seconds
    #[arg(long, value_name = "SECONDS", default_value_t = EXEC_SECONDS, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub(crate) exec_timeout: u64,
    /// People's answers go into streams instead of a log here.
    #[command(flatten)]
    pub(crate) stream: front::StreamArgs,
    /// A question bank of your own (JSON Lines) [default: the built-in one]
    #[arg(long, value_name = "FILE")]
    pub(crate) questions: Option<PathBuf>,
    /// The model and schema, for a home that is begun here.
    #[command(flatten)]
    pub(crate) model: ModelArgs,
}

/// What handlers share.
#[derive(Clone)]
pub(crate) struct App(Arc<Shared>);

impl std::ops::Deref for App {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

/// Everything that a request may need.
pub(crate) struct Shared {
    desk: DeskHandle,
    /// What agents come to over MCP; none where nobody knows whose they would be.
    agents: Option<Arc<DeskHost>>,
    /// Whose approvals and values they mean: nobody joins under that name.
    agents_of: Option<PersonId>,
    /// How acts are carried out, if they are.
    exec: Option<carry::Exec>,
    /// Whether the service is to end, and commands with it.
    is_ending: Arc<AtomicBool>,
    writer: Arc<Writer>,
    loaded: Loaded,
    following: Following,
    runs: Runs,
    /// How well the home's model reads each value of acts that nobody keyed; empty where that is not known.
    reads: Vec<(String, String)>,
    home: PathBuf,
    askable: Arc<Askable>,
    tokens: Arc<Tokens>,
    /// At a front end, whose records are in a stream, the connection to its server.
    link: Option<Link>,
    rates: Rates,
    /// Streams of events, by the tokens that hold them.
    streams: Held<Hash>,
    answered: Answered,
    metrics: Metrics,
    /// Names, with ports, that requests may come by.
    hosts: Vec<String>,
    is_secure: bool,
    is_loopback: bool,
}

impl Shared {
    /// How browsers speak to it.
    fn scheme(&self) -> &'static str {
        if self.is_secure { "https" } else { "http" }
    }

    /// An address of this service as others reach it.
    fn address(&self, path: &str) -> String {
        format!("{}://{}{path}", self.scheme(), self.hosts.first().map_or("localhost", String::as_str))
    }

    /// The channel that a caller's answers come through.
    fn source(&self, caller: &Caller) -> String {
        match caller.role {
            Role::Participant => "web".into(),
            Role::Owner | Role::Facilitator | Role::Agent | Role::Join => "web:here".into(),
        }
    }
}

/// One home, with who works at it.
struct Seat {
    root: PathBuf,
    /// Which shard it is, at a front end.
    shard: Option<u32>,
    desk: DeskHandle,
    askable: Arc<Askable>,
    reads: Vec<(String, String)>,
    link: Option<Link>,
}

/// Runs `credence serve`.
pub(crate) fn run(global: &Global, args: &ServeArgs) -> anyhow::Result<()> {
    let is_loopback = args.listen.ip().is_loopback();
    let pack = crate::surroundings::pack(global, &args.model)?;
    let bank = crate::surroundings::bank(args.questions.as_deref(), pack.as_ref())?;
    let schema = schema(global, &args.model)?;
    let values: Vec<&str> = schema.values.iter().map(|v| v.id.as_str()).collect();
    bank.check_values(&values, args.questions.as_deref().unwrap_or(Path::new("built-in")))?;
    let root = home(global)?;
    let loaded = Loaded::default();
    let fronts = args.stream.open(&root, &schema)?;
    let tokens = Arc::new(Tokens::open(&root)?);
    let is_front = !fronts.is_empty();
    let map = is_front.then(|| front::Map::of(Arc::clone(&tokens), &fronts)).transpose()?;
    let homes: Vec<(PathBuf, Option<u32>, Home, Keeps)> = if is_front {
        fronts
            .into_iter()
            .map(|one| (one.root, Some(one.front.shard()), one.home, Keeps::Stream(Box::new(one.front))))
            .collect()
    } else {
        let mut home = open(global, args, &schema, &root, &loaded)?;
        let found = crate::carrying::settle(&mut home)?;
        crate::carrying::tell(&home, &found);
        vec![(root.clone(), None, home, Keeps::Disk)]
    };
    let names: BTreeMap<String, String> = schema.values.iter().map(|v| (v.id.clone(), v.name.clone())).collect();
    let is_secure = args.tls_cert.is_some() || args.behind_proxy;
    let handle = Handle::new();
    let is_ending = Arc::new(AtomicBool::new(false));
    let home_of = homes.first().and_then(|(_, _, home, _)| home.state().header()).map(|header| header.model.gguf_hash);
    let home_of = home_of.context("the log has no header")?;
    let (mut seats, mut threads) = (Vec::new(), Vec::new());
    for (root, shard, home, keeps) in homes {
        let askable = Arc::new(Askable::new(bank.clone(), home.state())?);
        let no_model = || Err("the service reads sentences by its grammar, without a model".into());
        let listener = Listener::new(&schema, words::Reader::Plain, Arc::new(no_model));
        let link = match &keeps {
            Keeps::Stream(front) => Some(front.link()),
            Keeps::Disk => None,
        };
        let stop = handle.clone();
        // Without its desk the service is of no use: it stops, and says so by the thread's result.
        let on_end = move || stop.graceful_shutdown(Some(STOPPING));
        let (reads, done) = (reads(global, &home, &schema), Done::open(&home)?);
        let (desk, thread) =
            DeskHandle::start(home, keeps, done, Arc::clone(&askable), listener, names.clone(), on_end)?;
        threads.push(thread);
        seats.push(Seat { root, shard, desk, askable, reads, link });
    }
    let agents_of = person(&PersonArgs { person: args.agents_of.clone() }).ok();
    let (for_agents, with, shared) = (global.clone(), args.model.clone(), loaded.clone());
    let reading = LiveReading::new(move || opening_with(&for_agents, &with, &shared), crate::probing::folder(global));
    let reading = Arc::new(reading);
    let (writer, writing) = Writer::start(global.clone(), args.model.model.clone(), home_of, loaded.clone())?;
    let writer = Arc::new(writer);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let served = runtime.block_on(async {
        let socket = std::net::TcpListener::bind(args.listen)
            .with_context(|| format!("failed to listen on {}: choose another address with --listen", args.listen))?;
        socket.set_nonblocking(true)?;
        let at = socket.local_addr()?;
        let known = hosts(at, &args.name, args.behind_proxy);
        let token = tokens.make(Role::Owner, None, None).map_err(|problem| anyhow::anyhow!(problem.detail))?;
        let app_of = |seat: Seat| App(Arc::new(Shared {
            agents_of: agents_of.clone(),
            agents: agents_of.clone().map(|owner| {
                let scheme = if is_secure { "https" } else { "http" };
                let base = format!("{scheme}://{}", known.first().map_or("localhost", String::as_str));
                let place = move |what: Elsewhere| AnswerAt {
                    url: Some(match what {
                        Elsewhere::Call(question) => format!("{base}/approvals#question-{question}"),
                        Elsewhere::Decision(record) => format!("{base}/decisions#record-{record}"),
                        Elsewhere::Act(_) => format!("{base}/approvals"),
                    }),
                    command: None,
                };
                Arc::new(DeskHost::new(seat.desk.clone(), owner, Arc::clone(&reading), Bars::default(), place))
            }),
            desk: seat.desk,
            exec: args.exec.clone().map(|command| carry::Exec {
                command,
                carries_out: args.carry_out,
                seconds_max: args.exec_timeout,
            }),
            is_ending: Arc::clone(&is_ending),
            writer: Arc::clone(&writer),
            loaded: loaded.clone(),
            following: Following::default(),
            runs: Runs::open(&seat.root),
            reads: seat.reads,
            home: seat.root,
            askable: seat.askable,
            tokens: Arc::clone(&tokens),

            link: seat.link,
            rates: Rates::default(),
            streams: Held::default(),
            answered: Answered::default(),
            metrics: Metrics::default(),
            hosts: known.clone(),
            is_secure,
            is_loopback,
        }));
        let apps: Vec<(Option<u32>, App)> = seats.into_iter().map(|seat| (seat.shard, app_of(seat))).collect();
        let first = apps.first().map(|(_, app)| app.clone()).context("a service has a home")?;
        say(format!(
            "Open {}\nAnybody with this address may see and change everything. Ctrl-C stops the service; what was answered is kept.",
            first.address(&format!("/open?token={token}"))
        ))?;
        if args.exec.is_some() && !args.carry_out {
            say("A dry run: without --carry-out the command of --exec is not run, and agents are told what would be.")?;
        }
        if !is_loopback && !is_secure {
            say("Without TLS, whoever is in the same network can read answers and tokens on their way: give --tls-cert and --tls-key, or \
                 --behind-proxy, where that matters.")?;
        }
        let (stop, ending) = (handle.clone(), Arc::clone(&is_ending));
        let _watch = signals::watch(move || {
            ending.store(true, Ordering::SeqCst);
            stop.graceful_shutdown(Some(STOPPING));
        });
        // Acts that are carried out are looked after where the log is; others' answers wake those who follow here.
        let looking: Vec<_> = match is_front {
            false => vec![tokio::spawn(crate::carrying::look_after(first.desk.clone()))],
            true => apps.iter().map(|(_, app)| tokio::spawn(front::wake(app.clone()))).collect(),
        };
        drop(first);
        let service = match map {
            None => apps.into_iter().map(|(_, app)| router(app)).next().context("a service has a home")??,
            Some(map) => {
                let routed = |(shard, app): (Option<u32>, App)| router(app).map(|router| (shard.unwrap_or_default(), router));
                front::dispatch(map, apps.into_iter().map(routed).collect::<anyhow::Result<_>>()?)
            }
        };
        let service = service.into_make_service_with_connect_info::<SocketAddr>();
        match (&args.tls_cert, &args.tls_key) {
            (Some(certificate), Some(key)) => {
                let tls = RustlsConfig::from_pem_file(certificate, key)
                    .await
                    .with_context(|| format!("failed to use {} and {}", certificate.display(), key.display()))?;
                // Whom a request is meant for stands in its `Host`, which every check here reads; HTTP/2 has none.
                let mut config = (*tls.get_inner()).clone();
                config.alpn_protocols = vec![b"http/1.1".to_vec()];
                tls.reload_from_config(Arc::new(config));
                let taking = RustlsAcceptor::new(tls).acceptor(AtMost::allowed(handle.clone(), args.behind_proxy));
                let mut server = axum_server::from_tcp(socket)?.acceptor(taking).handle(handle);
                server.http_builder().http1().header_read_timeout(limits::HEAD);
                server.first_request_timeout(limits::HEAD).serve(service).await?;
            }
            _ => {
                let mut server =
                    axum_server::from_tcp(socket)?.acceptor(AtMost::allowed(handle.clone(), args.behind_proxy)).handle(handle);
                server.http_builder().http1().header_read_timeout(limits::HEAD);
                server.first_request_timeout(limits::HEAD).serve(service).await?;
            }
        }
        looking.iter().for_each(tokio::task::JoinHandle::abort);
        anyhow::Ok(())
    });
    drop(runtime);
    // The desk ends when nobody can come to it any more: everything is on the disk then.
    let mut ended = Ok(());
    for thread in threads {
        let this = thread.join().map_err(|_| anyhow::anyhow!("the desk's thread failed"))?;
        ended = ended.and(this);
    }
    drop(writer);
    // A process that ends while a model computes tears down what it computes with.
    writing.join().map_err(|_| anyhow::anyhow!("the model's thread failed"))?;
    served?;
    ended.map_err(anyhow::Error::msg)
}

/// How well the home's model reads each value, in words, where that was measured.
fn reads(global: &Global, home: &Home, schema: &ValueSchema) -> Vec<(String, String)> {
    let Some(model) = home.state().header().map(|header| &header.model) else { return Vec::new() };
    let key = ModelIdentity::key_of(&model.gguf_hash.to_string(), &model.scoring_precision);
    let map = ValueMap::known_for(&key, schema, Some(&cache(global).readings()));
    let name = |id: &str| schema.values.iter().find(|v| v.id == id).map_or_else(|| id.to_owned(), |v| v.name.clone());
    map.iter().flat_map(|map| &map.validity).map(|v| (name(&v.value), read_in_words(v))).collect()
}

/// Opens the home. What is there already needs no model: its questions are keyed, or were read before.
fn open(global: &Global, args: &ServeArgs, schema: &ValueSchema, root: &Path, loaded: &Loaded) -> anyhow::Result<Home> {
    if Paths::of(root).has_log() {
        let (home, opened) = Home::open(root).with_context(|| format!("failed to open the home {}", root.display()))?;
        for notice in opened.notices() {
            tracing::warn!("{notice}");
        }
        let is_of_schema = home.state().header().is_some_and(|h| h.schema_hash == Hash::of(schema.hash().as_bytes()));
        if !is_of_schema {
            anyhow::bail!(WrongInput("this home was begun with another value schema: give it with --schema".into()));
        }
        if home.state().elicited().is_some() {
            return Ok(home);
        }
    }
    let opened = opening_with(global, &args.model, loaded)?.open(root, now(), &mut |_| {})?;
    opened.notices.iter().for_each(|notice| tracing::warn!("{notice}"));
    Ok(opened.home)
}

/// Every name that a browser may reach us by, the one for links first.
fn hosts(at: SocketAddr, names: &[String], behind_proxy: bool) -> Vec<String> {
    let port = at.port();
    let mut hosts = Vec::new();
    for name in names {
        if name.contains(':') || behind_proxy {
            hosts.push(name.clone());
        }
        if !name.contains(':') {
            hosts.push(format!("{name}:{port}"));
        }
    }
    match at.ip().is_unspecified() {
        false => hosts.push(at.to_string()),
        true => hosts.extend(own_address().map(|ip| SocketAddr::new(ip, port).to_string())),
    }
    hosts.extend(["localhost", "127.0.0.1", "[::1]"].map(|name| format!("{name}:{port}")));
    hosts
}

/// The address by which this machine reaches others, so that others may reach it: nothing is sent to find it.
fn own_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    // An address that is kept for documentation.
    socket.connect("192.0.2.1:9").ok()?;
    socket.local_addr().ok().map(|at| at.ip()).filter(|ip| !ip.is_unspecified())
}

/// All routes, with what comes before them.
fn router(app: App) -> anyhow::Result<Router> {
    let (api, mut document) = api::router().routes(routes!(metrics_text)).split_for_parts();
    let (openai, theirs) = openai::router().split_for_parts();
    document.merge(theirs);
    let document = api::document(&document);
    let api = api
        .route(
            "/api/v1/openapi.json",
            get(
                move || async move { ([(axum::http::header::CONTENT_TYPE, "application/json")], document.to_string()) },
            ),
        )
        .layer(from_fn_with_state(app.clone(), front::again))
        .layer(from_fn_with_state(app.clone(), answered::once));
    Ok(Router::new()
        .merge(api)
        .merge(openai)
        .merge(agents(&app)?)
        .merge(pages::router().layer(from_fn_with_state(app.clone(), front::again)))
        .fallback(|uri: axum::http::Uri| async move { Problem::no_such("page", &uri.path()) })
        .method_not_allowed_fallback(|| async { Problem::no_such_method() })
        .layer(from_fn_with_state(app.clone(), metrics::count))
        .layer(from_fn_with_state(app.clone(), access::guard))
        .layer(from_fn(pages::problems))
        .layer(from_fn(openai::in_their_form))
        .layer(DefaultBodyLimit::max(BODY_MAX))
        .with_state(app))
}

/// The Model Context Protocol at `/mcp`, for agents with a token.
fn agents(app: &App) -> anyhow::Result<Router<App>> {
    let Some(host) = app.agents.clone() else { return Ok(Router::new()) };
    let scheme = if app.is_secure { "https" } else { "http" };
    let options = HttpOptions {
        allowed_hosts: app.hosts.clone(),
        allowed_origins: app.hosts.iter().map(|host| format!("{scheme}://{host}")).collect(),
        body_bytes_max: BODY_MAX,
        ..HttpOptions::default()
    };
    let service = streamable_http_service(host, options);
    Ok(Router::new().nest_service("/mcp", service).layer(from_fn_with_state(app.clone(), only_agents)))
}

/// That the caller is an agent, or the owner; which of them is told to the host.
async fn only_agents(State(app): State<App>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let principal = match Caller::from_request_parts(&mut parts, &app).await {
        Ok(caller) if caller.role == Role::Agent => Principal(crate::mcp::AGENT.into()),
        Ok(caller) if caller.role == Role::Owner => Principal(crate::mcp::OWNER.into()),
        Ok(_) => return Problem::forbidden("only agents and the owner come this way").into_response(),
        Err(problem) => return problem.into_response(),
    };
    parts.extensions.insert(principal);
    next.run(Request::from_parts(parts, body)).await
}

/// Figures for Prometheus.
#[utoipa::path(get, path = "/metrics", responses((status = 200, body = String, content_type = "text/plain"),
    (status = "default", body = Problem, content_type = "application/problem+json")))]
async fn metrics_text(State(app): State<App>, caller: Caller) -> Result<impl IntoResponse, Problem> {
    caller.must_see_everybody()?;
    let head = app.desk.run(|desk| desk.home.state().head().0.0).await?;
    Ok((
        [(axum::http::header::CONTENT_TYPE, "text/plain; version=0.0.4")],
        app.metrics.text(head, (app.writer.tokens(), app.writer.waiting(), app.loaded.count())),
    ))
}
