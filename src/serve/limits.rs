//! How many connections are held at once, and for how long one may say nothing.

use std::future::{Ready, ready};
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum_server::Handle;
use axum_server::accept::Accept;
use tokio::net::TcpStream;

/// Connections at once, at most.
const CONNECTIONS_MAX: usize = 8_192;
/// Files that the rest of the program may have open meanwhile.
const OTHER_FILES: usize = 256;
/// A request's head comes within this time; a connection that waits for its next request waits as long.
pub(super) const HEAD: Duration = Duration::from_secs(60);

/// Takes connections while there is room; further ones are closed at once.
#[derive(Clone)]
pub(super) struct AtMost {
    handle: Handle<SocketAddr>,
    most: usize,
}

impl AtMost {
    /// As many as the system gives files for, [`CONNECTIONS_MAX`] at most; its limit for this process is raised as far as it may be.
    pub(super) fn allowed(handle: Handle<SocketAddr>) -> Self {
        Self { handle, most: files().saturating_sub(OTHER_FILES).clamp(16, CONNECTIONS_MAX) }
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

impl<S> Accept<TcpStream, S> for AtMost {
    type Stream = TcpStream;
    type Service = S;
    type Future = Ready<io::Result<(TcpStream, S)>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        // This one is counted already.
        if self.handle.connection_count() > self.most {
            return ready(Err(io::Error::other("too many connections")));
        }
        // Answers are short: they are not held back to be sent with others.
        ready(stream.set_nodelay(true).map(|()| (stream, service)))
    }
}
