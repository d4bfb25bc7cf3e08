//! Who may do what: tokens and roles, and what every request is checked for before anything reads it.
//!
//! docs/threats.md says what each check is for.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context;
use axum::body::Body;
use axum::extract::{ConnectInfo, FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use credence_memory::ids::{Hash, PersonId};
use rand::RngExt;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio_stream::{Stream, StreamExt};

use super::App;
use super::done::Key;
use super::limits::{InTime, STREAMS_MAX, STREAMS_OF_PARTICIPANTS_MAX};
use super::lines;
use super::problem::Problem;

/// The cookie that holds a token.
pub(super) const COOKIE: &str = "credence";
/// A token is so many random bytes, written in hexadecimal.
const TOKEN_BYTES: usize = 24;
/// People who may join by one link, at most.
pub(super) const JOINED_MAX: usize = 5_000;

/// What somebody with a token may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Role {
    /// Everything.
    Owner,
    /// Sessions, people, the log and links to join by; no other people's tokens.
    Facilitator,
    /// Asking the model at `/v1`; nobody's data.
    Agent,
    /// Their own session, values and records.
    Participant,
    /// Becoming a participant: the token in a link to join by.
    Join,
}

/// A token as it is kept: by its hash.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    hash: Hash,
    role: Role,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    person: Option<PersonId>,
    /// Whether it holds no more.
    #[serde(default)]
    revoked: bool,
    /// The key that it was asked for with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<Key>,
}

/// Who asks.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Caller {
    pub(crate) role: Role,
    /// Whose data it is about, for those who may see one person's only.
    pub(crate) person: Option<PersonId>,
    /// A secret of this caller that every form carries, so that no other site can send one.
    pub(crate) csrf: String,
    /// Whether they came with a cookie, as browsers do.
    by_cookie: bool,
    /// Hash of their token.
    token: Hash,
}

impl Caller {
    /// Whose keys theirs are: those of their token, since others who have none of it must not be answered by one; an owner has another token
    /// in each run, and is who they were.
    pub(super) fn keys_of(&self) -> String {
        if self.role == Role::Owner { "owner".to_owned() } else { self.token.to_string() }
    }

    /// Whether they may see everybody's data.
    pub(crate) fn sees_everybody(&self) -> bool {
        matches!(self.role, Role::Owner | Role::Facilitator)
    }

    /// That they may see everybody's data.
    pub(crate) fn must_see_everybody(&self) -> Result<(), Problem> {
        if self.sees_everybody() {
            return Ok(());
        }
        Err(Problem::forbidden("only the owner and facilitators see this"))
    }

    /// That they may have the model write.
    pub(crate) fn may_ask_the_model(&self) -> Result<(), Problem> {
        if matches!(self.role, Role::Owner | Role::Facilitator | Role::Agent) {
            return Ok(());
        }
        Err(Problem::forbidden("only the owner, facilitators and agents ask the model"))
    }

    /// That they may see and add to what is known of a person.
    pub(crate) fn must_be(&self, person: &PersonId) -> Result<(), Problem> {
        if self.sees_everybody() || self.person.as_ref() == Some(person) {
            return Ok(());
        }
        Err(Problem::forbidden("a participant sees their own session and values only"))
    }

    /// The person that is meant: the one that was named, if they may name one, or themselves.
    pub(crate) fn person(&self, named: Option<&str>) -> Result<PersonId, Problem> {
        let person = match named.map(str::trim).filter(|name| !name.is_empty()) {
            Some(name) => PersonId::new(name).map_err(|e| Problem::unusable(e.to_string()))?,
            None if self.role == Role::Agent => {
                return Err(Problem::forbidden("an agent asks the model and sees nobody's data"));
            }
            None => self.person.clone().ok_or_else(|| Problem::malformed("say whose it is: person=NAME"))?,
        };
        self.must_be(&person)?;
        Ok(person)
    }
}

/// The tokens there are.
pub(crate) struct Tokens {
    file: PathBuf,
    known: Mutex<HashMap<Hash, Kept>>,
    /// Told whenever tokens are taken back.
    revoked: watch::Sender<()>,
}

impl Tokens {
    /// Reads the tokens of a home.
    pub(super) fn open(home: &Path) -> anyhow::Result<Self> {
        let folder = home.join("serve");
        let mut builder = std::fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&folder).with_context(|| format!("failed to create {}", folder.display()))?;
        let file = folder.join("tokens.jsonl");
        let mut known = HashMap::new();
        if file.exists() {
            let read = File::open(&file).with_context(|| format!("failed to read {}", file.display()))?;
            for (n, line) in BufReader::new(read).lines().enumerate() {
                // A line that a crash cut short was never handed out.
                let Ok(kept) = serde_json::from_str::<Kept>(&line?) else {
                    tracing::warn!("{}, line {}: no token, left out", file.display(), n + 1);
                    continue;
                };
                known.insert(kept.hash, kept);
            }
        }
        Ok(Self { file, known: Mutex::new(known), revoked: watch::Sender::new(()) })
    }

    /// A new token. It is on the disk, by its hash, before it is handed out; the owner's lives in memory only.
    ///
    /// A token is told once and kept by its hash, so whoever asks again with the same key gets another one, in whose favour the first is
    /// taken back: nobody can have heard of it, or they would not ask.
    ///
    /// # Errors
    /// The disk refuses; the key came with another request. Nothing is changed then.
    pub(super) fn make(&self, role: Role, person: Option<PersonId>, key: Option<Key>) -> Result<String, Problem> {
        let mut known = self.known();
        let replaced = sent_before(&known, role, key)?;
        let made = self.put(&mut known, replaced, role, person, key)?;
        drop(known);
        self.revoked.send_replace(());
        Ok(made)
    }

    /// A new token for somebody who joins; none where somebody else joined under this name. Whoever asks again with the same key is the
    /// same person, and gets another token.
    ///
    /// # Errors
    /// As of [`Tokens::make`].
    pub(super) fn join(&self, person: &PersonId, key: Option<Key>) -> Result<Option<String>, Problem> {
        // Looked at and taken under one lock: two people who come at once do not become one.
        let mut known = self.known();
        let replaced = sent_before(&known, Role::Participant, key)?;
        if replaced.iter().any(|hash| known.get(hash).is_some_and(|kept| kept.person.as_ref() != Some(person))) {
            return Err(Problem::other_request());
        }
        let is_another = |kept: &Kept| kept.person.as_ref() == Some(person) && !replaced.contains(&kept.hash);
        if known.values().any(is_another) {
            return Ok(None);
        }
        self.put(&mut known, replaced, Role::Participant, Some(person.clone()), key).map(Some)
    }

    /// Takes tokens back in favour of a new one: on the disk first, and in one piece.
    fn put(
        &self,
        known: &mut HashMap<Hash, Kept>,
        replaced: Vec<Hash>,
        role: Role,
        person: Option<PersonId>,
        key: Option<Key>,
    ) -> Result<String, Problem> {
        let token = secret();
        let made = Kept { hash: Hash::of(token.as_bytes()), role, person, revoked: false, key };
        let taken_back = replaced.iter().filter_map(|hash| known.get(hash)).filter(|kept| !kept.revoked);
        let mut changed: Vec<Kept> = taken_back.map(|kept| Kept { revoked: true, ..kept.clone() }).collect();
        if role != Role::Owner {
            changed.push(made.clone());
        }
        self.write(&changed).map_err(|e| Problem::disk(format!("{e:#}")))?;
        known.insert(made.hash, made);
        known.extend(changed.into_iter().map(|kept| (kept.hash, kept)));
        Ok(token)
    }

    /// Takes every token of this role back; says how many there were. What streams to their holders ends.
    ///
    /// # Errors
    /// The disk refuses: all of them hold on then.
    pub(super) fn revoke(&self, role: Role) -> Result<usize, Problem> {
        self.revoke_where(|kept| kept.role == role)
    }

    fn revoke_where(&self, which: impl Fn(&Kept) -> bool) -> Result<usize, Problem> {
        let mut known = self.known();
        let which = known.values().filter(|kept| !kept.revoked && which(kept));
        let changed: Vec<Kept> = which.map(|kept| Kept { revoked: true, ..kept.clone() }).collect();
        self.write(&changed).map_err(|e| Problem::disk(format!("no token was taken back, all of them hold: {e:#}")))?;
        let count = changed.len();
        known.extend(changed.into_iter().map(|kept| (kept.hash, kept)));
        drop(known);
        self.revoked.send_replace(());
        Ok(count)
    }

    /// Participants there are.
    pub(super) fn participants(&self) -> usize {
        self.known().values().filter(|k| k.role == Role::Participant && !k.revoked).count()
    }

    /// Links to join by that hold.
    pub(super) fn links(&self) -> usize {
        self.known().values().filter(|k| k.role == Role::Join && !k.revoked).count()
    }

    /// Whether this person joined with this key.
    ///
    /// # Errors
    /// The key came with another request.
    pub(super) fn joined_with(&self, person: &PersonId, key: Option<Key>) -> Result<bool, Problem> {
        let known = self.known();
        let before = sent_before(&known, Role::Participant, key)?;
        Ok(before.iter().filter_map(|hash| known.get(hash)).any(|kept| kept.person.as_ref() == Some(person)))
    }

    /// Whether somebody may answer here by a token under this name.
    pub(super) fn stands_for(&self, person: &PersonId) -> bool {
        self.known().values().any(|kept| !kept.revoked && kept.person.as_ref() == Some(person))
    }

    /// Who has a token.
    pub(super) fn caller(&self, token: &str) -> Option<Caller> {
        // Looked up by its hash, so how long it takes says nothing about any token.
        let kept = self.known().get(&Hash::of(token.as_bytes())).filter(|k| !k.revoked).cloned()?;
        let csrf = Hash::of_parts("csrf", [token.as_bytes()]).to_string();
        Some(Caller { role: kept.role, person: kept.person, csrf, by_cookie: false, token: kept.hash })
    }

    /// Waits until a caller's token holds no more.
    async fn taken_back(&self, caller: &Caller) {
        // Before the first look, so that nothing is missed between the two.
        let mut revoked = self.revoked.subscribe();
        let holds = || self.known().get(&caller.token).is_some_and(|kept| !kept.revoked);
        while holds() && revoked.changed().await.is_ok() {}
    }

    fn known(&self) -> MutexGuard<'_, HashMap<Hash, Kept>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, changed: &[Kept]) -> anyhow::Result<()> {
        if changed.is_empty() {
            return Ok(());
        }
        let mut text = String::new();
        for kept in changed {
            text += &serde_json::to_string(kept)?;
            text.push('\n');
        }
        lines::append(&self.file, &text).with_context(|| format!("failed to write {}", self.file.display()))
    }
}

/// Tokens of this role that were asked for with this key.
fn sent_before(known: &HashMap<Hash, Kept>, role: Role, key: Option<Key>) -> Result<Vec<Hash>, Problem> {
    let Some(key) = key else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for kept in known.values().filter(|kept| kept.role == role) {
        if let Some(before) = kept.key
            && key.is(before)?
        {
            found.push(kept.hash);
        }
    }
    Ok(found)
}

/// A new secret.
pub(super) fn secret() -> String {
    let bytes: [u8; TOKEN_BYTES] = rand::rng().random();
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

impl FromRequestParts<App> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let bearer = parts.headers.get(header::AUTHORIZATION).and_then(|v| v.to_str().ok());
        if let Some(token) = bearer.and_then(|v| v.strip_prefix("Bearer ")) {
            return app.tokens.caller(token.trim()).ok_or_else(Problem::who);
        }
        let token = cookie(&parts.headers).ok_or_else(Problem::who)?;
        let caller = app.tokens.caller(&token).ok_or_else(Problem::who)?;
        Ok(Self { by_cookie: true, ..caller })
    }
}

/// The token that a browser sends.
pub(super) fn cookie(headers: &HeaderMap) -> Option<String> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|v| v.to_str().ok());
    let mut pairs = cookies.flat_map(|v| v.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == COOKIE).map(|(_, value)| value.to_owned())
}

/// The header that keeps a token in a browser.
pub(super) fn set_cookie(token: &str, is_secure: bool) -> HeaderValue {
    let secure = if is_secure { "; Secure" } else { "" };
    let text = format!("{COOKIE}={token}; HttpOnly; SameSite=Lax; Path=/; Max-Age=31536000{secure}");
    HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// The header that forgets a token in a browser.
pub(super) fn no_cookie() -> HeaderValue {
    HeaderValue::from_static("credence=; HttpOnly; SameSite=Lax; Path=/; Max-Age=0")
}

/// That a form comes from a page of ours.
pub(super) fn check_csrf(caller: &Caller, sent: &str) -> Result<(), Problem> {
    if !caller.by_cookie || sent == caller.csrf {
        return Ok(());
    }
    Err(Problem::forbidden("this form is not from a page of this service, or is from before you joined: load it again"))
}

/// Requests a second that may be made with one token, on average, and at once: people behind one router share an address.
const RATE: f64 = 200.0;
const BURST: f64 = 1_000.0;
/// The same from one address without a token that is known: guessing gets nowhere.
const STRANGERS_RATE: f64 = 5.0;
const STRANGERS_BURST: f64 = 60.0;

/// What an address may still ask, and when it asked last.
struct Bucket {
    left: f64,
    last: Instant,
}

/// Who asks: somebody with a token, by a hash of it, or anybody at an address.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Asking {
    Known(String),
    Stranger(IpAddr),
}

/// Who asked how often: a bucket of allowances for each.
#[derive(Default)]
pub(crate) struct Rates(Mutex<HashMap<Asking, Bucket>>);

impl Rates {
    fn allows(&self, asking: Asking) -> bool {
        let (rate, burst) = match asking {
            Asking::Known(_) => (RATE, BURST),
            Asking::Stranger(_) => (STRANGERS_RATE, STRANGERS_BURST),
        };
        let now = Instant::now();
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() > 100_000 {
            buckets.retain(|_, bucket| now - bucket.last < Duration::from_secs(60));
        }
        let bucket = buckets.entry(asking).or_insert(Bucket { left: burst, last: now });
        bucket.left = (bucket.left + (now - bucket.last).as_secs_f64() * rate).min(burst);
        bucket.last = now;
        if bucket.left < 1.0 {
            return false;
        }
        bucket.left -= 1.0;
        true
    }
}

/// Checks that come before anything else: the name we are called by, where a change comes from, and how often somebody asks.
pub(super) async fn guard(State(app): State<App>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let caller = match admitted(&app, &parts) {
        Ok(caller) => caller,
        Err(problem) => return problem.into_response(),
    };
    let (body, is_late) = InTime::of(parts.uri.path(), body);
    let mut response = next.run(Request::from_parts(parts, body)).await;
    if is_late.load(Ordering::SeqCst) {
        response = Problem::too_slow().into_response();
    }
    let kind = response.headers().get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok());
    if kind.is_some_and(|kind| kind.starts_with("text/event-stream"))
        && let Some(caller) = caller
    {
        let is_one = matches!(caller.role, Role::Participant | Role::Join);
        let most = if is_one { STREAMS_OF_PARTICIPANTS_MAX } else { STREAMS_MAX };
        response = match app.streams.take(caller.token, most) {
            Some(place) => response.map(|body| {
                let stream = while_token_holds(app, caller, body.into_data_stream());
                Body::from_stream(stream.map(move |piece| {
                    let _held = &place;
                    piece
                }))
            }),
            None => Problem::too_many_streams(most).into_response(),
        };
    }
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "same-origin"),
        (header::X_FRAME_OPTIONS, "DENY"),
    ] {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// A stream that ends when its caller's token is taken back, wherever it comes from.
fn while_token_holds<S: Stream>(app: App, caller: Caller, stream: S) -> impl Stream<Item = S::Item> {
    let taken_back = tokio_stream::once(()).then(move |()| {
        let (app, caller) = (app.clone(), caller.clone());
        async move { app.tokens.taken_back(&caller).await }
    });
    let all = stream.map(Some).chain(tokio_stream::once(None));
    all.merge(taken_back.map(|()| None)).map_while(|item| item)
}

/// What a page may load and where it may send forms: from here, and here. No script or style stands in a page.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
                      form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// That a request may go on; gives who asks, where that is known.
fn admitted(app: &App, parts: &Parts) -> Result<Option<Caller>, Problem> {
    let host = parts.headers.get(header::HOST).and_then(|v| v.to_str().ok()).unwrap_or_default();
    // A page of another site whose name was made to point here would come with that name.
    if !app.hosts.iter().any(|known| known.eq_ignore_ascii_case(host)) {
        let detail = format!("this service is not called {host:?}; allow the name with --name");
        return Err(Problem::forbidden(detail));
    }
    let is_change = !matches!(parts.method, Method::GET | Method::HEAD | Method::OPTIONS);
    if is_change && let Some(origin) = parts.headers.get(header::ORIGIN) {
        let origin = origin.to_str().unwrap_or_default();
        let (scheme, name) = origin.split_once("://").unwrap_or_default();
        // What comes without TLS may have been changed on its way.
        if scheme != app.scheme() || !app.hosts.iter().any(|known| known.eq_ignore_ascii_case(name)) {
            return Err(Problem::forbidden(format!("a page of {origin:?} may not change anything here")));
        }
    }
    let site = parts.headers.get("sec-fetch-site").and_then(|v| v.to_str().ok());
    if is_change && site == Some("cross-site") {
        return Err(Problem::forbidden("another site's page may not change anything here"));
    }
    let address = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|c| c.0.ip());
    let bearer = parts.headers.get(header::AUTHORIZATION).and_then(|v| v.to_str().ok());
    let token = bearer.and_then(|v| v.strip_prefix("Bearer ")).map(str::to_owned).or_else(|| cookie(&parts.headers));
    // Whoever comes by a link that holds is no stranger: a whole room may do so at once.
    let by_link = || parts.uri.path().strip_prefix("/join/").and_then(|token| app.tokens.caller(token));
    let known = token.and_then(|token| app.tokens.caller(token.trim())).or_else(by_link);
    let asking = match (&known, address) {
        (Some(caller), _) => Asking::Known(caller.csrf.clone()),
        (None, Some(address)) => Asking::Stranger(address),
        (None, None) => return Ok(None),
    };
    if !app.rates.allows(asking) {
        return Err(Problem::too_many());
    }
    Ok(known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_kept_by_their_hashes_and_outlive_the_process() {
        let home = tempfile::tempdir().unwrap();
        let tokens = Tokens::open(home.path()).unwrap();
        let ada = PersonId::new("ada").unwrap();
        let token = tokens.make(Role::Participant, Some(ada.clone()), None).unwrap();
        let owner = tokens.make(Role::Owner, None, None).unwrap();
        let text = std::fs::read_to_string(home.path().join("serve/tokens.jsonl")).unwrap();
        assert!(!text.contains(&token) && text.lines().count() == 1);
        let again = Tokens::open(home.path()).unwrap();
        let caller = again.caller(&token).unwrap();
        assert_eq!((caller.role, caller.person.as_ref()), (Role::Participant, Some(&ada)));
        assert!(again.caller(&owner).is_none(), "an owner's token is good for one run");
        assert!(again.caller("").is_none() && again.join(&ada, None).unwrap().is_none());
        assert_eq!(again.revoke(Role::Participant).unwrap(), 1);
        assert!(again.caller(&token).is_none() && Tokens::open(home.path()).unwrap().caller(&token).is_none());
    }

    #[test]
    fn a_token_that_is_asked_for_again_takes_the_place_of_the_first() {
        let home = tempfile::tempdir().unwrap();
        let tokens = Tokens::open(home.path()).unwrap();
        let owner = tokens.caller(&tokens.make(Role::Owner, None, None).unwrap()).unwrap();
        let key = |name: &str| Some(Key::of(&owner, "/x", name));
        let [bo, ada] = ["bo", "ada"].map(|name| PersonId::new(name).unwrap());
        let make = |tokens: &Tokens, key| tokens.join(&ada, key).unwrap().unwrap();
        let (first, other) = (make(&tokens, key("k")), tokens.make(Role::Facilitator, None, key("l")).unwrap());
        // Also after a restart.
        let again = Tokens::open(home.path()).unwrap();
        assert!(
            again.joined_with(&ada, key("k")).unwrap()
                && !again.joined_with(&ada, key("l")).unwrap()
                && !again.joined_with(&ada, None).unwrap()
        );
        assert!(!again.joined_with(&bo, key("k")).unwrap());
        assert_eq!(again.join(&bo, key("k")).unwrap_err().status, 422, "nobody gets another's token by a key");
        let asked = |text: &str| key("k").map(|key| key.for_request(Hash::of(text.as_bytes())));
        let bound = again.make(Role::Agent, None, asked("a")).unwrap();
        assert_eq!(again.make(Role::Agent, None, asked("b")).unwrap_err().status, 422);
        let reopened = Tokens::open(home.path()).unwrap();
        assert_eq!(reopened.make(Role::Agent, None, asked("b")).unwrap_err().status, 422);
        assert!(again.caller(&bound).is_some());
        let second = make(&again, key("k"));
        let holds = |tokens: &Tokens| [&first, &second, &other].map(|token| tokens.caller(token).is_some());
        assert_eq!(
            (holds(&again), holds(&Tokens::open(home.path()).unwrap())),
            ([false, true, true], [false, true, true])
        );
        assert_eq!(again.participants(), 1);
        assert!(again.join(&ada, key("m")).unwrap().is_none(), "that name is taken");
        // A link likewise.
        let links = [(); 2].map(|()| again.make(Role::Join, None, key("n")).unwrap());
        assert_eq!(links.map(|link| again.caller(&link).is_some()), [false, true]);
    }

    #[test]
    fn a_participant_is_nobody_else() {
        let home = tempfile::tempdir().unwrap();
        let tokens = Tokens::open(home.path()).unwrap();
        let (ada, bo) = (PersonId::new("ada").unwrap(), PersonId::new("bo").unwrap());
        let token = tokens.make(Role::Participant, Some(ada.clone()), None).unwrap();
        let caller = tokens.caller(&token).unwrap();
        assert_eq!(caller.person(None).unwrap(), ada);
        assert_eq!(caller.person(Some("bo")).unwrap_err().status, 403);
        assert!(caller.must_be(&bo).is_err() && caller.must_see_everybody().is_err());
        assert!(caller.may_ask_the_model().is_err());
        let agent = tokens.caller(&tokens.make(Role::Agent, None, None).unwrap()).unwrap();
        assert!(agent.may_ask_the_model().is_ok() && agent.must_see_everybody().is_err());
        assert_eq!((agent.person(None).unwrap_err().status, agent.person(Some("ada")).unwrap_err().status), (403, 403));
    }

    #[test]
    fn who_asks_too_often_waits() {
        let rates = Rates::default();
        let address = IpAddr::from([10, 0, 0, 1]);
        let strangers = (0..200).filter(|_| rates.allows(Asking::Stranger(address))).count();
        assert!((60..70).contains(&strangers), "{strangers}");
        let known = |who: &str| (0..2_000).filter(|_| rates.allows(Asking::Known(who.into()))).count();
        assert!((1_000..1_400).contains(&known("ada")), "somebody with a token is not held up by strangers");
        assert!(known("bo") >= 1_000, "nor by others behind the same router");
    }
}
