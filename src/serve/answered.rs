//! What was answered to which key: a request that is sent again with the same `Idempotency-Key` is answered as before, to the letter, for
//! as long as the service runs. What outlives it is in [`super::done`].

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use credence_memory::ids::Hash;

use super::App;
use super::problem::Problem;

/// What was answered to which key: a write that is sent again with the same `Idempotency-Key` is answered as before, and done once.
#[derive(Default)]
pub(crate) struct Answered(Mutex<Remembered>);

#[derive(Default)]
struct Remembered {
    answers: HashMap<Hash, (StatusCode, Bytes)>,
    /// Their keys, the oldest first.
    order: VecDeque<Hash>,
    /// Keys of what is being done.
    under_way: HashSet<Hash>,
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

/// Answers what was sent before with the same key as it was answered then.
pub(super) async fn once(State(app): State<App>, request: Request, next: Next) -> Response {
    let key = request.headers().get("idempotency-key").and_then(|v| v.to_str().ok()).map(str::to_owned);
    let Some(key) = key.filter(|_| matches!(*request.method(), Method::POST | Method::DELETE)) else {
        return next.run(request).await;
    };
    let who = request.headers().get(header::AUTHORIZATION).or(request.headers().get(header::COOKIE));
    let who = who.map(|v| v.as_bytes().to_vec()).unwrap_or_default();
    let path = request.uri().path().to_owned();
    let key = Hash::of_parts("idempotency", [key.as_bytes(), &who, path.as_bytes()]);
    let (before, is_first) = {
        let mut remembered = app.answered.lock();
        let before = remembered.answers.get(&key).cloned();
        let is_first = before.is_some() || remembered.under_way.insert(key);
        (before, is_first)
    };
    if let Some((status, bytes)) = before {
        return (status, [(header::CONTENT_TYPE, "application/json")], bytes).into_response();
    }
    if !is_first {
        return Problem::conflict("a request with this key is under way: ask again when it is done").into_response();
    }
    let _under_way = UnderWay { answered: &app.answered, key };
    let (parts, body) = next.run(request).await.into_parts();
    let Ok(bytes) = to_bytes(body, REMEMBERED_BYTES_MAX).await else {
        return Problem::failed("the answer is too long to be remembered").into_response();
    };
    if parts.status.is_success() {
        let mut remembered = app.answered.lock();
        remembered.answers.insert(key, (parts.status, bytes.clone()));
        remembered.order.push_back(key);
        if remembered.order.len() > REMEMBERED {
            let oldest = remembered.order.pop_front();
            oldest.map(|key| remembered.answers.remove(&key));
        }
    }
    Response::from_parts(parts, Body::from(bytes))
}
