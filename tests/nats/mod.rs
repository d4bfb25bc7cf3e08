//! A NATS server for tests of what goes over its streams.

use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A NATS server with JetStream of its own, ended with the test.
pub(crate) struct Nats {
    child: Child,
    pub(crate) url: String,
    _store: tempfile::TempDir,
}

impl Nats {
    /// None where there is no server; `make test` installs one and demands it.
    pub(crate) fn start() -> Option<Self> {
        let store = tempfile::tempdir().expect("a folder");
        let port = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address").port();
        let demanded = std::env::var_os("CREDENCE_NATS_SERVER").filter(|path| !path.is_empty());
        let mut server = Command::new(demanded.clone().unwrap_or("nats-server".into()));
        server.args(["-js", "-a", "127.0.0.1", "-p", &port.to_string(), "-sd"]).arg(store.path());
        match server.stdout(Stdio::null()).stderr(Stdio::null()).spawn() {
            Ok(child) => {
                let since = Instant::now();
                while TcpStream::connect(("127.0.0.1", port)).is_err() {
                    assert!(since.elapsed() < Duration::from_secs(30), "nats-server does not listen");
                    std::thread::sleep(Duration::from_millis(20));
                }
                Some(Self { child, url: format!("nats://127.0.0.1:{port}"), _store: store })
            }
            Err(error) => {
                eprintln!("SKIPPED: there is no nats-server ({error})");
                assert!(demanded.is_none(), "a server was demanded");
                None
            }
        }
    }
}

impl Drop for Nats {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
