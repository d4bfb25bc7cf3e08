//! How many connections and streams are held at once, and for how long one may say nothing.

use std::collections::HashMap;
use std::future::{Ready, ready};
use std::hash::Hash;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, BodyDataStream, Bytes, HttpBody};
use axum_server::Handle;
use axum_server::accept::Accept;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};
use tokio_stream::Stream;

/// Connections at once, at most.
const CONNECTIONS_MAX: usize = 8_192;
/// Files that the rest of the program may have open meanwhile.
const OTHER_FILES: usize = 256;
/// A request's head comes within this time; a connection that waits for its next request waits as long.
pub(super) const HEAD: Duration = Duration::from_secs(60);

/// Connections from one address, at most. This machine's own is not counted, nor is a proxy's: those who come by it are many.
const CONNECTIONS_OF_ONE_MAX: usize = 256;
/// Streams of events that a participant's token holds at once, at most, and another's.
pub(super) const STREAMS_OF_PARTICIPANTS_MAX: usize = 8;
pub(super) const STREAMS_MAX: usize = 64;
/// A request's body comes within this time, and a file of answers within the other.
const BODY: Duration = Duration::from_secs(60);
const FILE: Duration = Duration::from_secs(600);

/// How many of something each one holds: connections of an address, streams of a token.
pub(crate) struct Held<K>(Arc<Mutex<HashMap<K, usize>>>);

impl<K> Default for Held<K> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<K> Clone for Held<K> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

/// One of them, until it is dropped.
pub(super) struct Place<K: Eq + Hash> {
    held: Held<K>,
    of: K,
}

impl<K: Eq + Hash + Clone> Held<K> {
    /// Another one, unless that would be more than `most`.
    pub(super) fn take(&self, of: K, most: usize) -> Option<Place<K>> {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = held.entry(of.clone()).or_default();
        if *count >= most {
            return None;
        }
        *count += 1;
        drop(held);
        Some(Place { held: self.clone(), of })
    }
}

impl<K: Eq + Hash> Drop for Place<K> {
    fn drop(&mut self) {
        let mut held = self.held.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = held.get_mut(&self.of) {
            *count -= 1;
            if *count == 0 {
                held.remove(&self.of);
            }
        }
    }
}

/// A body that ends with an error when it does not come in time.
pub(super) struct InTime {
    body: BodyDataStream,
    end: Pin<Box<Sleep>>,
    is_late: Arc<AtomicBool>,
}

impl InTime {
    /// The body of a request to this path; the second says, once it was read, whether it was late.
    pub(super) fn of(path: &str, body: Body) -> (Body, Arc<AtomicBool>) {
        let is_file = ["/api/v1/imports", "/people/import"].iter().any(|start| path.starts_with(start));
        Self::within(if is_file { FILE } else { BODY }, body)
    }

    fn within(time: Duration, body: Body) -> (Body, Arc<AtomicBool>) {
        let is_late = Arc::new(AtomicBool::new(false));
        if body.is_end_stream() {
            return (body, is_late);
        }
        let (body, end) = (body.into_data_stream(), Box::pin(sleep(time)));
        (Body::from_stream(Self { body, end, is_late: Arc::clone(&is_late) }), is_late)
    }
}

impl Stream for InTime {
    type Item = Result<Bytes, axum::Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.end.as_mut().poll(context).is_ready() {
            self.is_late.store(true, Ordering::SeqCst);
            return Poll::Ready(Some(Err(axum::Error::new(io::Error::from(io::ErrorKind::TimedOut)))));
        }
        pin!(&mut self.body).poll_next(context)
    }
}

/// Takes connections while there is room; further ones are closed at once.
#[derive(Clone)]
pub(super) struct AtMost {
    handle: Handle<SocketAddr>,
    most: usize,
    /// By address; none behind a proxy, whose address all have.
    of_one: Option<Held<IpAddr>>,
}

impl AtMost {
    /// As many as the system gives files for, [`CONNECTIONS_MAX`] at most; its limit for this process is raised as far as it may be.
    pub(super) fn allowed(handle: Handle<SocketAddr>, behind_proxy: bool) -> Self {
        let most = files().saturating_sub(OTHER_FILES).clamp(16, CONNECTIONS_MAX);
        Self { handle, most, of_one: (!behind_proxy).then(Held::default) }
    }

    /// A place for a connection from this address; it is in none where they are not counted.
    fn place(&self, from: IpAddr) -> io::Result<Option<Place<IpAddr>>> {
        let from = from.to_canonical();
        match &self.of_one {
            Some(held) if !from.is_loopback() => {
                let place = held.take(from, CONNECTIONS_OF_ONE_MAX);
                place.map(Some).ok_or_else(|| io::Error::other("too many connections from one address"))
            }
            _ => Ok(None),
        }
    }
}

/// Files that this process may have open.
#[cfg(unix)]
fn files() -> usize {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let wanted = (CONNECTIONS_MAX + OTHER_FILES) as u64;
    let most = limit.maximum.map_or(wanted, |maximum| maximum.min(wanted));
    if limit.current.is_some_and(|current| current < most) {
        // Where it may not be raised, fewer connections are taken.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: Some(most), maximum: limit.maximum });
    }
    getrlimit(Resource::Nofile).current.map_or(usize::MAX, |current| usize::try_from(current).unwrap_or(usize::MAX))
}

#[cfg(not(unix))]
fn files() -> usize {
    usize::MAX
}

/// A connection, and its place among those of its address.
pub(super) struct Connection {
    stream: TcpStream,
    _place: Option<Place<IpAddr>>,
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, to: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, to)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

impl<S> Accept<TcpStream, S> for AtMost {
    type Stream = Connection;
    type Service = S;
    type Future = Ready<io::Result<(Connection, S)>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        // This one is counted already.
        if self.handle.connection_count() > self.most {
            return ready(Err(io::Error::other("too many connections")));
        }
        let taken = stream.peer_addr().and_then(|from| self.place(from.ip()));
        ready(taken.and_then(|place| {
            // Answers are short: they are not held back to be sent with others.
            stream.set_nodelay(true)?;
            Ok((Connection { stream, _place: place }, service))
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_holds_so_many_connections_and_this_machine_and_proxies_more() {
        let of = |address: &str, behind_proxy: bool| {
            let gate = AtMost::allowed(Handle::new(), behind_proxy);
            let places: Vec<_> = (0..300).map_while(|_| gate.place(address.parse().unwrap()).ok()).collect();
            (places.len(), gate, places)
        };
        let (count, gate, mut places) = of("192.0.2.7", false);
        assert_eq!(count, CONNECTIONS_OF_ONE_MAX);
        assert!(gate.place("::ffff:192.0.2.7".parse().unwrap()).is_err(), "the same address, written otherwise");
        assert!(gate.place("192.0.2.8".parse().unwrap()).is_ok());
        places.pop();
        assert!(gate.place("192.0.2.7".parse().unwrap()).is_ok(), "one that ended leaves its place");
        for (address, behind_proxy) in [("127.0.0.1", false), ("::1", false), ("192.0.2.7", true)] {
            assert_eq!(of(address, behind_proxy).0, 300, "{address}");
        }
    }

    #[tokio::test]
    async fn a_body_that_does_not_come_ends() {
        let never = || Body::from_stream(tokio_stream::pending::<Result<Bytes, io::Error>>());
        let (body, is_late) = InTime::within(Duration::from_millis(20), never());
        assert!(axum::body::to_bytes(body, 100).await.is_err() && is_late.load(Ordering::SeqCst));
        let (body, is_late) = InTime::within(Duration::from_secs(20), Body::from("all of it"));
        assert_eq!(axum::body::to_bytes(body, 100).await.unwrap(), "all of it");
        assert!(!is_late.load(Ordering::SeqCst));
    }
}
