//! A front end: the service over the streams of shards (`--stream`). What people say is in a stream before they are told that it was
//! taken; the log of each shard is here as everywhere else where the shard is followed.
//!
//! Each shard has a desk and a home of its own, and so a service of its own, under `/shard-N`. What comes in is handed to the shard of
//! the person whom it is about ([`dispatch`]); an owner who looks at what is of nobody alone sees one shard, which `?shard=N` chooses.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::Context;
use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use clap::Args;
use credence_cluster::Server;
use credence_cluster::evidence::NameKey;
use credence_cluster::front::{Front, NotTaken, Slots, shards};
use credence_memory::home::Home;
use credence_memory::ids::{Hash, PersonId};
use credence_priors::schema::ValueSchema;
use serde::Deserialize;
use serde_json::Value;
use tokio::time::sleep;

use super::access::{Role, Tokens, cookie};
use super::limits::InTime;
use super::problem::{ELSEWHERE, Problem};
use super::{App, BODY_MAX};
use crate::exit::WrongInput;

/// Where the streams are, if people's answers go there.
#[derive(Debug, Args)]
pub(crate) struct StreamArgs {
    /// Be a front end: put what people say into the streams of their shards, on NATS servers at this address (credence shard write has
    /// the logs)
    #[arg(long, value_name = "nats://HOST:PORT", env = "CREDENCE_STREAM")]
    stream: Option<String>,
    /// Be a front end of this shard only; may be given several times [default: all there are]
    #[arg(long, value_name = "K", requires = "stream")]
    shard: Vec<u32>,
    /// A NATS credentials file
    #[arg(long, value_name = "FILE", requires = "stream")]
    stream_credentials: Option<PathBuf>,
    /// Certificates of authorities to trust with tls:// (PEM)
    #[arg(long, value_name = "FILE", requires = "stream")]
    stream_ca: Option<PathBuf>,
}

/// A shard as a front end has it.
pub(super) struct Opened {
    pub(super) root: PathBuf,
    pub(super) home: Home,
    pub(super) front: Front,
}

impl StreamArgs {
    /// The shards, each with its home; none where this is no front end.
    pub(super) fn open(&self, root: &Path, schema: &ValueSchema) -> anyhow::Result<Vec<Opened>> {
        let Some(url) = self.stream.clone() else { return Ok(Vec::new()) };
        // It makes no streams.
        let server =
            Server { url, credentials: self.stream_credentials.clone(), ca: self.stream_ca.clone(), replicas: 1 };
        let known = shards(&server)?;
        let wanted = if self.shard.is_empty() { known.clone() } else { self.shard.clone() };
        if let Some(missing) = wanted.iter().find(|shard| !known.contains(shard)) {
            let known = known.iter().map(u32::to_string).collect::<Vec<_>>().join(", ");
            anyhow::bail!(WrongInput(format!("there is no shard {missing} on this server; there are: {known}")));
        }
        if wanted.is_empty() {
            anyhow::bail!(WrongInput("there are no shards on this server yet: credence shard write makes them".into()));
        }
        wanted.into_iter().map(|shard| opened(&server, shard, root, schema)).collect()
    }
}

fn opened(server: &Server, shard: u32, root: &Path, schema: &ValueSchema) -> anyhow::Result<Opened> {
    let root = root.join(format!("shard-{shard}"));
    let (front, home) = Front::open(server, shard, &root).with_context(|| format!("failed to follow shard {shard}"))?;
    let is_of_schema = home.state().header().is_some_and(|h| h.schema_hash == Hash::of(schema.hash().as_bytes()));
    if !is_of_schema {
        anyhow::bail!(WrongInput(format!(
            "shard {shard} was begun with another value schema: give it with --schema or --pack"
        )));
    }
    if home.state().elicited().is_none() {
        anyhow::bail!(WrongInput(format!("the log of shard {shard} has no prior: begin it with a home that has one")));
    }
    tracing::info!(shard, records = home.state().head().0.0, home = %root.display(), "follows");
    Ok(Opened { root, home, front })
}

impl From<NotTaken> for Problem {
    fn from(error: NotTaken) -> Self {
        match error {
            NotTaken::Overtaken => Self::overtaken(),
            NotTaken::Elsewhere { slot, to } => Self::of_another_shard(slot, to),
            NotTaken::Moving => Self::moving(),
            NotTaken::Away => Self::stream(
                "stream-away",
                "the server of the stream cannot be reached, so this was not taken: neither it nor this front end has it. Answers that were \
                 taken before are in the stream. Send it again in a few seconds",
            ),
            NotTaken::Silent => Self::stream(
                "stream-silent",
                "the server of the stream does not answer, so whether this was taken is not known yet: if it was, it stands in the stream \
                 and counts once. Load the page or ask again before you repeat it: a question that is answered is not asked again",
            ),
            NotTaken::Refused(why) => Self::stream(
                "stream-refused",
                &format!(
                    "the stream did not take this ({why}): nothing of it was recorded. Answers that were taken before are in the stream"
                ),
            ),
            NotTaken::Home(error) => error.into(),
        }
    }
}

impl Problem {
    /// What a person says belongs to a shard that this front end does not have, or whose slots are just being moved.
    fn of_another_shard(slot: u32, to: Option<u32>) -> Self {
        let shard = to.map_or_else(|| "another shard".to_owned(), |to| format!("shard {to} now"));
        Self::elsewhere(format!(
            "this person's answers go to {shard} (slot {slot}), which this front end does not have: nothing was recorded. Ask one that has \
             it; if the shard was made after this one was started, start it again"
        ))
    }

    /// A person's slot is on its way to another shard.
    fn moving() -> Self {
        let detail =
            "this person is just being moved to another shard: nothing was recorded. Send it again in a few seconds";
        Self::stream(MOVING, detail)
    }
}

/// How often a piece of work is done again on what came first.
const TRIES: usize = 8;
const MOVING: &str = "slot-moving";
/// How long a person's move to another shard is waited for.
const MOVED: Duration = Duration::from_secs(5);

/// Does again what something else overtook: nothing of it was recorded. Only what is one piece of work is done again.
pub(super) async fn again(State(app): State<App>, request: Request, next: Next) -> Response {
    let is_one_piece = |path: &str| path.starts_with("/api/v1/sessions") || path.starts_with("/session");
    if app.link.is_none() || request.method() != Method::POST || !is_one_piece(request.uri().path()) {
        return next.run(request).await;
    }
    let (parts, body) = request.into_parts();
    let body = match to_bytes(body, BODY_MAX).await {
        Ok(body) => body,
        Err(_) => return Problem::too_large(format!("a request has at most {BODY_MAX} bytes")).into_response(),
    };
    let mut tries = 1;
    loop {
        let response = next.clone().run(Request::from_parts(parts.clone(), Body::from(body.clone()))).await;
        let was_overtaken = response.extensions().get::<Problem>().is_some_and(|problem| problem.code == "overtaken");
        if !was_overtaken || tries == TRIES {
            return response;
        }
        tries += 1;
    }
}

/// Wakes those who follow a session here when something came, which may be from another front end.
pub(super) async fn wake(app: App) {
    let mut changes = app.desk.changes();
    loop {
        match changes.recv().await {
            Ok(_) | Err(tokio::sync::broadcast::error::RecvError::Lagged(_)) => app.following.everybody(),
            Err(tokio::sync::broadcast::error::RecvError::Closed) => return,
        }
    }
}

/// Shards, and who is where.
pub(super) struct Map {
    tokens: Arc<Tokens>,
    key: NameKey,
    /// Each shard with its slots; the first is for what is of nobody alone.
    shards: Vec<(u32, Slots)>,
}

impl Map {
    /// The shards of a front end.
    pub(super) fn of(tokens: Arc<Tokens>, opened: &[Opened]) -> anyhow::Result<Self> {
        let key = opened.first().context("a front end has a shard")?.front.key().clone();
        if opened.iter().any(|one| *one.front.key() != key) {
            anyhow::bail!(WrongInput(
                "the shards on this server began with different logs, so they are not of one population: remove all streams whose names begin \
                 with CREDENCE_ or KV_credence from the server and begin again, with one writer first"
                    .into()
            ));
        }
        let shards = opened.iter().map(|one| (one.front.shard(), one.front.slots())).collect();
        Ok(Self { tokens, key, shards })
    }

    /// The shard that has a person, or why none here has; nothing where this is nobody's name.
    fn shard_of(&self, person: &str) -> Option<Result<u32, Problem>> {
        let slot = self.key.place(&PersonId::new(person.trim()).ok()?).slot;
        if let Some((shard, _)) = self.shards.iter().find(|(_, slots)| slots.has(slot)) {
            return Some(Ok(*shard));
        }
        // It may have been moved on, more than once.
        let left = |shard: u32| self.shards.iter().find(|(known, _)| *known == shard)?.1.left_for(slot);
        let mut to = self.shards.iter().find_map(|(_, slots)| slots.left_for(slot));
        for _ in &self.shards {
            to = to.and_then(|to| left(to).or(Some(to)));
        }
        Some(Err(match to.filter(|to| self.has(*to).is_some()) {
            Some(_) => Problem::moving(),
            None => Problem::of_another_shard(slot, to),
        }))
    }

    fn has(&self, shard: u32) -> Option<u32> {
        self.shards.iter().find(|(known, _)| *known == shard).map(|(known, _)| *known)
    }

    /// Whose shard a request is for.
    fn shard(&self, parts: &Parts, body: &[u8]) -> Result<u32, Problem> {
        let bearer = parts.headers.get(header::AUTHORIZATION).and_then(|v| v.to_str().ok());
        let token = bearer.and_then(|v| v.strip_prefix("Bearer ")).map(|v| v.trim().to_owned());
        let caller = token.or_else(|| cookie(&parts.headers)).and_then(|token| self.tokens.caller(&token));
        let own = caller.filter(|c| c.role == Role::Participant).and_then(|c| c.person).map(|p| p.to_string());
        let named = own.or_else(|| of_session(parts.uri.path())).or_else(|| in_query(&parts.uri, "person"));
        let named = named.or_else(|| in_body(parts, body));
        let chosen =
            || in_query(&parts.uri, "shard").or_else(|| in_cookie(parts)).and_then(|n| self.has(n.parse().ok()?));
        match named.and_then(|person| self.shard_of(&person)) {
            Some(found) => found,
            None => Ok(chosen().or_else(|| Some(self.shards.first()?.0)).unwrap_or(1)),
        }
    }
}

/// The cookie that says which shard an owner looks at.
const CHOSEN: &str = "credence-shard";

fn in_cookie(parts: &Parts) -> Option<String> {
    let cookies = parts.headers.get_all(header::COOKIE).iter().filter_map(|v| v.to_str().ok());
    let mut pairs = cookies.flat_map(|v| v.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == CHOSEN).map(|(_, value)| value.to_owned())
}

/// The person in the name of a session that a path names: a session is named after its person, with the number of its first record.
fn of_session(path: &str) -> Option<String> {
    let session = path.strip_prefix("/api/v1/sessions/")?.split('/').next()?;
    let session = percent_decoded(session)?;
    session.rsplit_once('-').map(|(person, _)| person.to_owned())
}

fn percent_decoded(text: &str) -> Option<String> {
    // A query of one value, which is read as forms are; a plus sign is itself in a path.
    in_form(format!("x={}", text.replace('+', "%2B")).as_bytes(), "x")
}

fn in_query(uri: &Uri, name: &str) -> Option<String> {
    in_form(uri.query()?.as_bytes(), name)
}

fn in_form(bytes: &[u8], name: &str) -> Option<String> {
    let uri: Uri = format!("/?{}", std::str::from_utf8(bytes).ok()?).parse().ok()?;
    let axum::extract::Query(pairs) = axum::extract::Query::<Vec<(String, String)>>::try_from_uri(&uri).ok()?;
    pairs.into_iter().find(|(key, value)| key == name && !value.is_empty()).map(|(_, value)| value)
}

/// Who is named in what was sent.
fn in_body(parts: &Parts, body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Named {
        #[serde(alias = "pseudonym")]
        person: Option<Value>,
        session: Option<Value>,
    }
    let kind = parts.headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    if kind.starts_with("application/json") {
        let named: Named = serde_json::from_slice(body).ok()?;
        let session = named.session.as_ref().and_then(Value::as_str).and_then(|s| s.rsplit_once('-')).map(|(p, _)| p);
        return named.person.as_ref().and_then(Value::as_str).or(session).map(str::to_owned);
    }
    let field = |name| in_form(body, name);
    field("person")
        .or_else(|| field("pseudonym"))
        .or_else(|| field("session").and_then(|session| session.rsplit_once('-').map(|(person, _)| person.to_owned())))
}

/// One service for all shards: each request goes to the shard of the person whom it is about.
pub(super) fn dispatch(map: Map, shards: Vec<(u32, Router)>) -> Router {
    let inner = shards.into_iter().fold(Router::new(), |all, (n, one)| all.nest_service(&format!("/shard-{n}"), one));
    Router::new().fallback_service(inner).layer(from_fn_with_state(Arc::new(map), to_shard))
}

async fn to_shard(State(map): State<Arc<Map>>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let is_small = parts.method == Method::POST && !parts.uri.path().contains("/import");
    let (known, body) = match is_small {
        true => {
            // What each service checks before it reads anything is checked after this.
            let (body, is_late) = InTime::of(parts.uri.path(), body);
            match to_bytes(body, BODY_MAX).await {
                Ok(bytes) => (bytes, Body::empty()),
                Err(_) if is_late.load(Ordering::SeqCst) => return Problem::too_slow().into_response(),
                Err(_) => return Problem::too_large(format!("a request has at most {BODY_MAX} bytes")).into_response(),
            }
        }
        false => (Bytes::new(), body),
    };
    // What can be sent again waits until a move is over.
    let is_whole = is_small || matches!(parts.method, Method::GET | Method::HEAD);
    let (since, mut body) = (Instant::now(), Some(body));
    let mut response = loop {
        let body = if is_whole { Body::from(known.clone()) } else { body.take().unwrap_or_default() };
        let shard = map.shard(&parts, &known);
        let had = shard.as_ref().ok().copied();
        let response = match shard {
            Ok(shard) => handed(shard, &parts, body, next.clone()).await,
            Err(problem) => problem.into_response(),
        };
        let code = response.extensions().get::<Problem>().map(|problem| problem.code);
        // Whoever moved while this was on its way is somewhere else now.
        let has_moved = || map.shard(&parts, &known).ok() != had;
        let is_moving = match code {
            Some(MOVING) => true,
            Some(ELSEWHERE) => had.is_some() && has_moved(),
            _ => response.status() == StatusCode::NOT_FOUND && has_moved(),
        };
        if !is_moving || !is_whole || since.elapsed() >= MOVED {
            break response;
        }
        sleep(Duration::from_millis(100)).await;
    };
    let chosen = in_query(&parts.uri, "shard").and_then(|n| map.has(n.parse().ok()?));
    if let Some(chosen) = chosen
        && let Ok(value) = HeaderValue::from_str(&format!("{CHOSEN}={chosen}; HttpOnly; SameSite=Lax; Path=/"))
    {
        response.headers_mut().append(header::SET_COOKIE, value);
    }
    response
}

/// What a shard's own service says.
async fn handed(shard: u32, parts: &Parts, body: Body, next: Next) -> Response {
    let mut parts = parts.clone();
    // No handler knows of shards.
    let rest = parts.uri.query().unwrap_or_default().split('&').filter(|pair| !pair.starts_with("shard="));
    let rest = rest.filter(|pair| !pair.is_empty()).collect::<Vec<_>>().join("&");
    let query = if rest.is_empty() { rest } else { format!("?{rest}") };
    match format!("/shard-{shard}{}{query}", parts.uri.path()).parse() {
        Ok(uri) => parts.uri = uri,
        Err(_) => return Problem::malformed("the address is too long").into_response(),
    }
    next.run(Request::from_parts(parts, body)).await
}
