//! What was answered to which key: a request that is sent again with the same `Idempotency-Key` is answered as before, to the letter, for
//! as long as the service runs. What outlives it is in [`super::done`].
//!
//! A key belongs to the token that it came with, which must hold, and to one request. Many have the token of a link to join by, so joining
//! is not remembered here: there the key is a secret of whoever joins, and the same person gets another token.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{FromRequestParts, Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use credence_memory::ids::Hash;

use super::access::{Caller, Role};
use super::done::Key;
use super::imports::FILE_BYTES_MAX;
use super::problem::Problem;
use super::{App, BODY_MAX};

/// What was answered to which key: a write that is sent again with the same `Idempotency-Key` is answered as before, and done once.
#[derive(Default)]
pub(crate) struct Answered(Mutex<Remembered>);

#[derive(Default)]
struct Remembered {
    answers: HashMap<Hash, Answer>,
    /// Their keys, the oldest first.
    order: VecDeque<Hash>,
    /// Keys of what is being done.
    under_way: HashSet<Hash>,
}

/// What was answered to a request.
#[derive(Clone)]
struct Answer {
    /// Digest of the request.
    asked: Hash,
    status: StatusCode,
    bytes: Bytes,
}

/// Something that is being done under a key, until it is dropped: also when its client goes away.
struct UnderWay<'a> {
    answered: &'a Answered,
    key: Hash,
}

impl Answered {
    fn lock(&self) -> MutexGuard<'_, Remembered> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.answered.lock().under_way.remove(&self.key);
    }
}

/// Answers remembered, and bytes of one.
const REMEMBERED: usize = 10_000;
const REMEMBERED_BYTES_MAX: usize = 256 * 1024;
/// Characters of a key, at most; and at least where it is a secret, which 128 random bits in base 64 have.
const KEY_CHARS_MAX: usize = 255;
const SECRET_CHARS_MIN: usize = 22;

/// Answers what was sent before with the same key as it was answered then.
pub(super) async fn once(State(app): State<App>, request: Request, next: Next) -> Response {
    let is_write = matches!(*request.method(), Method::POST | Method::DELETE);
    match named(request.headers()) {
        _ if !is_write => next.run(request).await,
        Ok(None) => next.run(request).await,
        Ok(Some(name)) => answered(&app, &name, request, next).await.unwrap_or_else(Problem::into_response),
        Err(problem) => problem.into_response(),
    }
}

/// The key that a request carries.
fn named(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let mut values = headers.get_all("idempotency-key").iter();
    let Some(value) = values.next() else { return Ok(None) };
    let is_usable = |name: &&[u8]| (1..=KEY_CHARS_MAX).contains(&name.len()) && name.iter().all(u8::is_ascii_graphic);
    let name = Some(value.as_bytes()).filter(|name| is_usable(name) && values.next().is_none());
    let name = name.and_then(|name| String::from_utf8(name.to_vec()).ok());
    let fault = "Idempotency-Key is one key of 1 to 255 visible ASCII characters, without spaces";
    name.map(Some).ok_or_else(|| Problem::malformed(fault))
}

async fn answered(app: &App, name: &str, request: Request, next: Next) -> Result<Response, Problem> {
    let (mut parts, body) = request.into_parts();
    // Nobody whose token does not hold is answered, whatever was answered to them before.
    let caller = Caller::from_request_parts(&mut parts, app).await?;
    if caller.role == Role::Join && name.len() < SECRET_CHARS_MIN {
        return Err(Problem::malformed(format!(
            "many have the token of a link, so a key to join with is a secret: {SECRET_CHARS_MIN} random characters or more"
        )));
    }
    let is_file = caller.sees_everybody() && parts.uri.path().starts_with("/api/v1/imports");
    let most = if is_file { FILE_BYTES_MAX } else { BODY_MAX };
    let too_large = |_| Problem::too_large(format!("a request has at most {most} bytes"));
    let sent = to_bytes(body, most).await.map_err(too_large)?;
    let (path, query) = (parts.uri.path(), parts.uri.query().unwrap_or_default());
    let asked = [parts.method.as_str().as_bytes(), path.as_bytes(), query.as_bytes(), &sent];
    let asked = Hash::of_parts("request with a key", asked);
    let key = Key::of(&caller, "", name);
    parts.extensions.insert(key.for_request(asked));
    let (before, is_first) = {
        let mut remembered = app.answered.lock();
        let before = remembered.answers.get(&key.id()).cloned();
        let is_first = before.is_some() || remembered.under_way.insert(key.id());
        (before, is_first)
    };
    if let Some(before) = before {
        if before.asked != asked {
            return Err(Problem::other_request());
        }
        return Ok((before.status, [(header::CONTENT_TYPE, "application/json")], before.bytes).into_response());
    }
    if !is_first {
        return Err(Problem::conflict("a request with this key is under way: ask again when it is done"));
    }
    let _under_way = UnderWay { answered: &app.answered, key: key.id() };
    let (parts, body) = next.run(Request::from_parts(parts, Body::from(sent))).await.into_parts();
    let too_long = |_| Problem::failed("the answer is too long to be remembered");
    let bytes = to_bytes(body, REMEMBERED_BYTES_MAX).await.map_err(too_long)?;
    if parts.status.is_success() && caller.role != Role::Join {
        let mut remembered = app.answered.lock();
        remembered.answers.insert(key.id(), Answer { asked, status: parts.status, bytes: bytes.clone() });
        remembered.order.push_back(key.id());
        if remembered.order.len() > REMEMBERED {
            let oldest = remembered.order.pop_front();
            oldest.map(|key| remembered.answers.remove(&key));
        }
    }
    Ok(Response::from_parts(parts, Body::from(bytes)))
}
