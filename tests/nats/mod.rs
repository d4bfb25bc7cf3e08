//! NATS servers for tests of what goes over their streams.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// NATS servers with JetStream of their own, ended with the test.
pub(crate) struct Nats {
    servers: Vec<Server>,
    pub(crate) url: String,
    pub(crate) store: tempfile::TempDir,
}

struct Server {
    child: Option<Child>,
    port: u16,
    arguments: Vec<String>,
}

fn port() -> u16 {
    TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address").port()
}

/// The server that `make test` installed, and then demands.
fn demanded() -> Option<std::ffi::OsString> {
    std::env::var_os("CREDENCE_NATS_SERVER").filter(|path| !path.is_empty())
}

impl Server {
    /// Starts it and waits until it listens; says whether there is such a program.
    #[allow(clippy::print_stderr, reason = "whoever runs the tests must see that these did not")]
    fn start(&mut self) -> bool {
        let mut server = Command::new(demanded().unwrap_or("nats-server".into()));
        match server.args(&self.arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn() {
            Ok(child) => {
                self.child = Some(child);
                let since = Instant::now();
                while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
                    assert!(since.elapsed() < Duration::from_secs(30), "nats-server does not listen");
                    std::thread::sleep(Duration::from_millis(20));
                }
                true
            }
            Err(error) => {
                eprintln!("SKIPPED: there is no nats-server ({error})");
                assert!(demanded().is_none(), "a server was demanded");
                false
            }
        }
    }

    fn end(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Nats {
    /// One server. None where there is no program; `make test` installs one and demands it.
    pub(crate) fn start() -> Option<Self> {
        Self::of(1)
    }

    /// Servers of one cluster, where they are several.
    pub(crate) fn of(number: usize) -> Option<Self> {
        let store = tempfile::tempdir().expect("a folder");
        let ports: Vec<(u16, u16)> = (0..number).map(|_| (port(), port())).collect();
        let urls = |which: fn(&(u16, u16)) -> u16| {
            ports.iter().map(|both| format!("nats://127.0.0.1:{}", which(both))).collect::<Vec<_>>().join(",")
        };
        let (url, routes) = (urls(|both| both.0), urls(|both| both.1));
        let server = |(n, (port, route)): (usize, &(u16, u16))| {
            let folder = store.path().join(n.to_string()).display().to_string();
            let mut arguments = vec!["-js".to_owned(), "-a".into(), "127.0.0.1".into(), "-p".into(), port.to_string()];
            arguments.extend(["-sd".to_owned(), folder]);
            if number > 1 {
                let (name, own) = (format!("n{n}"), format!("nats://127.0.0.1:{route}"));
                arguments.extend(
                    ["-n", &name, "--cluster_name", "test", "--cluster", &own, "--routes", &routes].map(str::to_owned),
                );
            }
            Server { child: None, port: *port, arguments }
        };
        let mut servers: Vec<Server> = ports.iter().enumerate().map(server).collect();
        servers.iter_mut().all(Server::start).then_some(Self { servers, url, store })
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.servers.len()
    }

    /// Ends one at once, as a power cut of its machine does.
    pub(crate) fn kill(&mut self, which: usize) {
        self.servers[which].end();
    }

    /// Starts it again, with what it had.
    pub(crate) fn again(&mut self, which: usize) {
        assert!(self.servers[which].start());
    }
}

impl Drop for Nats {
    fn drop(&mut self) {
        self.servers.iter_mut().for_each(Server::end);
    }
}
