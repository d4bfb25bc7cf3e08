//! What comes in, before the SDK reads it: a message in which a key stands twice is refused.
//!
//! The SDK would take the last of two values. Whoever is shown a call and whoever makes it could then take different ones,
//! so neither is taken.

use std::borrow::Cow;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use credence_approvals::unique_value;
use http::{Method, StatusCode, header};
use rmcp::model::RequestId;
use rmcp::service::{RxJsonRpcMessage, TxJsonRpcMessage};
use rmcp::transport::Transport;
use rmcp::transport::async_rw::{AsyncRwTransport, DEFAULT_MAX_LINE_LENGTH};
use rmcp::{ErrorData, RoleServer};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::io::{AsyncBufRead, AsyncRead, AsyncWrite, BufReader, ReadBuf};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// A message that is not handed on.
#[derive(Debug)]
struct Refused {
    error: ErrorData,
    /// The request, where it is known which one it is.
    id: Option<RequestId>,
    /// Whether whoever sent it waits for an answer.
    is_request: bool,
}

/// The request that a message is, even where it cannot be used.
#[derive(Deserialize)]
struct Named {
    id: Option<RequestId>,
}

/// The text to be handed on. An answer of the client that is ambiguous becomes one that failed, so that nobody waits for it.
fn screened(text: &[u8]) -> Result<Cow<'_, [u8]>, Refused> {
    // Some programs put a byte order mark before everything; the SDK passes over it too.
    let error = match unique_value(text.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(text)) {
        Ok(_) => return Ok(Cow::Borrowed(text)),
        Err(error) => error,
    };
    if !error.is_data() {
        let error = ErrorData::parse_error(format!("this is no JSON: {error}"), None);
        return Err(Refused { error, id: None, is_request: false });
    }
    let said: Value = serde_json::from_slice(text).unwrap_or_default();
    // Not known where it is the id that stands twice.
    let id = serde_json::from_slice::<Named>(text).ok().and_then(|named| named.id);
    let error = ErrorData::invalid_request(format!("{error}: give every key once. Nothing was done"), None);
    let is_request = said.get("method").is_some() && said.get("id").is_some();
    match id {
        Some(id) if said.get("method").is_none() => {
            Ok(Cow::Owned(json!({ "jsonrpc": "2.0", "id": id, "error": error }).to_string().into_bytes()))
        }
        id => Err(Refused { error, id, is_request }),
    }
}

impl Refused {
    fn message(self) -> TxJsonRpcMessage<RoleServer> {
        TxJsonRpcMessage::<RoleServer>::error(self.error, self.id)
    }
}

/// Lines without those that are refused.
struct Lines<R> {
    from: BufReader<R>,
    /// The line so far.
    line: Vec<u8>,
    /// Whether the line is longer than any that is taken.
    is_too_long: bool,
    /// A line that is being handed on, and how much of it was.
    sound: Vec<u8>,
    given: usize,
    refused: UnboundedSender<Refused>,
}

impl<R> Lines<R> {
    fn take_line(&mut self) {
        let line = std::mem::take(&mut self.line);
        if std::mem::take(&mut self.is_too_long) || line.trim_ascii().is_empty() {
            return;
        }
        match screened(line.trim_ascii()) {
            Ok(sound) => {
                self.sound = sound.into_owned();
                self.sound.push(b'\n');
                self.given = 0;
            }
            Err(refused) if refused.is_request => drop(self.refused.send(refused)),
            // Nobody waits for an answer. To answer what is no JSON could go on without an end, if it is sent back.
            Err(_) => {}
        }
    }
}

impl<R: AsyncRead + Unpin> AsyncRead for Lines<R> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let me = self.get_mut();
        loop {
            let rest = &me.sound[me.given..];
            if !rest.is_empty() {
                let most = rest.len().min(buf.remaining());
                buf.put_slice(&rest[..most]);
                me.given += most;
                return Poll::Ready(Ok(()));
            }
            let read = ready!(Pin::new(&mut me.from).poll_fill_buf(cx))?;
            if read.is_empty() {
                // A last line without an end is half a message.
                return Poll::Ready(Ok(()));
            }
            let end = read.iter().position(|byte| *byte == b'\n');
            let taken = end.map_or(read.len(), |at| at + 1);
            if me.line.len() + taken > DEFAULT_MAX_LINE_LENGTH {
                (me.line, me.is_too_long) = (Vec::new(), true);
            } else {
                me.line.extend_from_slice(&read[..taken]);
            }
            Pin::new(&mut me.from).consume(taken);
            if end.is_some() {
                me.take_line();
            }
        }
    }
}

type Sending = Pin<Box<dyn Future<Output = io::Result<()>> + Send>>;

/// Lines over a reader and a writer, as the protocol has them; what is refused is answered, and the SDK does not see it.
pub(crate) struct ScreenedLines<R: AsyncRead + Unpin, W: AsyncWrite> {
    inner: AsyncRwTransport<RoleServer, Lines<R>, W>,
    refused: UnboundedReceiver<Refused>,
    /// An answer on its way: receiving may be given up at any moment and begun anew.
    answering: Option<Sending>,
}

impl<R, W> ScreenedLines<R, W>
where
    R: AsyncRead + Send + Unpin,
    W: AsyncWrite + Send + Unpin + 'static,
{
    pub(crate) fn new(read: R, write: W) -> Self {
        let (send, refused) = unbounded_channel();
        let from = BufReader::new(read);
        let lines = Lines { from, line: Vec::new(), is_too_long: false, sound: Vec::new(), given: 0, refused: send };
        Self { inner: AsyncRwTransport::new_server(lines, write), refused, answering: None }
    }
}

impl<R, W> Transport<RoleServer> for ScreenedLines<R, W>
where
    R: AsyncRead + Send + Unpin,
    W: AsyncWrite + Send + Unpin + 'static,
{
    type Error = io::Error;

    fn send(
        &mut self,
        item: TxJsonRpcMessage<RoleServer>,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send + 'static {
        self.inner.send(item)
    }

    async fn receive(&mut self) -> Option<RxJsonRpcMessage<RoleServer>> {
        loop {
            if let Some(sending) = &mut self.answering {
                let sent = sending.await;
                self.answering = None;
                sent.ok()?;
            }
            tokio::select! {
                // Before the end of the stream, which may follow at once.
                biased;
                Some(refused) = self.refused.recv() => {
                    self.answering = Some(Box::pin(self.inner.send(refused.message())));
                }
                message = self.inner.receive() => match message {
                    None if !self.refused.is_empty() => {}
                    message => return message,
                },
            }
        }
    }

    async fn close(&mut self) -> Result<(), Self::Error> {
        self.inner.close().await
    }
}

/// Screens the body of a request over HTTP, of so many bytes at most. A request is answered as the protocol answers requests; what
/// expects no answer is refused by its status.
pub(crate) async fn screen_body(bytes_max: usize, request: Request, next: Next) -> Response {
    if request.method() != Method::POST {
        return next.run(request).await;
    }
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, bytes_max).await else {
        let words = format!("a request has at most {bytes_max} bytes");
        return (StatusCode::PAYLOAD_TOO_LARGE, words).into_response();
    };
    let refused = match screened(&body) {
        Ok(Cow::Borrowed(_)) => return next.run(Request::from_parts(parts, Body::from(body.clone()))).await,
        Ok(Cow::Owned(instead)) => {
            let mut request = Request::from_parts(parts, Body::from(instead));
            request.headers_mut().remove(header::CONTENT_LENGTH);
            return next.run(request).await;
        }
        Err(refused) => refused,
    };
    let status = if refused.is_request { StatusCode::OK } else { StatusCode::BAD_REQUEST };
    match serde_json::to_string(&refused.message()) {
        Ok(json) => (status, [(header::CONTENT_TYPE, "application/json")], json).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_stands_once_or_nothing_is_handed_on() {
        let sound = br#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"a":{"b":1},"c":[{"b":1},{"b":2}]}}"#;
        assert_eq!(screened(sound).unwrap().as_ref(), sound);
        for (text, key, id, is_request) in [
            (
                r#"{"jsonrpc":"2.0","id":7,"method":"m","params":{"arguments":{"path":"a","path":"b"}}}"#,
                "path",
                "7",
                true,
            ),
            (r#"{"jsonrpc":"2.0","id":"x","method":"m","params":[{"b":{"\u0074o":1,"to":2}}]}"#, "to", "\"x\"", true),
            (r#"{"jsonrpc":"2.0","id":7,"id":8,"method":"m"}"#, "id", "null", true),
            (r#"{"jsonrpc":"2.0","method":"notifications/x","params":{"a":1,"a":1}}"#, "a", "null", false),
            (r#"[{"a":1,"a":1}]"#, "a", "null", false),
        ] {
            let refused = screened(text.as_bytes()).unwrap_err();
            assert!(refused.error.message.contains(&format!("the key {key:?} stands twice")), "{text}: {refused:?}");
            assert_eq!((json!(refused.id).to_string().as_str(), refused.is_request), (id, is_request), "{text}");
        }
        for text in ["", "no JSON", r#"{"a":1,"b":"#, r#"{"a":1}{"a":1}"#, &"[".repeat(500)] {
            let refused = screened(text.as_bytes()).unwrap_err();
            assert!(!refused.is_request && refused.error.message.contains("no JSON"), "{text}: {refused:?}");
        }
    }

    #[test]
    fn an_ambiguous_answer_of_the_client_is_one_that_failed() {
        let text =
            br#"{"jsonrpc":"2.0","id":3,"result":{"action":"accept","content":{"answer":"no","answer":"always"}}}"#;
        let instead: Value = serde_json::from_slice(&screened(text).unwrap()).unwrap();
        assert_eq!(instead["id"], 3);
        assert!(instead.get("result").is_none(), "{instead}");
        assert!(instead["error"]["message"].as_str().unwrap().contains("\"answer\" stands twice"), "{instead}");
    }
}
