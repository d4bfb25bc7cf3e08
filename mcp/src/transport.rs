//! The ways to a server: standard input and output, and streamable HTTP.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use rmcp::ServiceExt;
use rmcp::transport::stdio_pipes;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};

use super::host::Host;
use super::screen::{ScreenedLines, screen_body};
use super::server::{Options, Server};

/// Why serving ended badly.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The client did not begin as the protocol says.
    #[error("the client did not begin a session")]
    Begin {
        /// What it did.
        #[source]
        source: Box<rmcp::service::ServerInitializeError>,
    },
    /// The task that served ended by itself.
    #[error("serving ended")]
    Task {
        /// How.
        #[source]
        source: tokio::task::JoinError,
    },
}

/// Serves one client over standard input and output, until it goes. Nothing else may write to standard output
/// meanwhile.
///
/// # Errors
/// A client that does not begin a session. One that goes before is none.
pub async fn serve_stdio<H: Host>(host: Arc<H>, options: Options) -> Result<(), ServeError> {
    use rmcp::service::ServerInitializeError;

    let (input, output) = stdio_pipes();
    let running = match Server::new(host, options).serve(ScreenedLines::new(input, output)).await {
        Ok(running) => running,
        Err(ServerInitializeError::ConnectionClosed(_)) => return Ok(()),
        Err(source) => return Err(ServeError::Begin { source: Box::new(source) }),
    };
    running.waiting().await.map_err(|source| ServeError::Task { source })?;
    Ok(())
}

/// How the HTTP service protects itself, beside what it is nested in.
#[derive(Clone, Debug)]
pub struct HttpOptions {
    /// How the server behaves.
    pub server: Options,
    /// Values of `Host` that are answered, as `name` or `name:port`. An empty list answers all, which lets any web page
    /// that rebinds its name reach a service on this machine.
    pub allowed_hosts: Vec<String>,
    /// Values of `Origin` that are answered, as `scheme://name:port`. Requests without one pass, for only browsers send
    /// it; an empty list refuses every browser.
    pub allowed_origins: Vec<String>,
    /// A request's body, at most.
    pub body_bytes_max: usize,
}

impl Default for HttpOptions {
    fn default() -> Self {
        Self {
            server: Options::default(),
            allowed_hosts: ["localhost", "127.0.0.1", "::1"].map(str::to_owned).to_vec(),
            allowed_origins: Vec::new(),
            body_bytes_max: 1 << 20,
        }
    }
}

/// The service for `Router::nest_service("/mcp", ...)`.
///
/// It authenticates nobody. A layer around it does, and puts a [`Principal`](crate::Principal) into the extensions of
/// the request; the host gets it with every call.
pub fn streamable_http_service<H: Host>(host: Arc<H>, options: HttpOptions) -> Router {
    let HttpOptions { server, allowed_hosts, allowed_origins, body_bytes_max } = options;
    let mut sessions = LocalSessionManager::default();
    // A session sends nothing while a person thinks, and must not be closed for that.
    sessions.session_config.keep_alive = Some(server.patience + Duration::from_secs(300));
    let config = StreamableHttpServerConfig::default()
        .with_allowed_hosts(allowed_hosts)
        .with_allowed_origins(allowed_origins)
        .enforce_origin_validation()
        .with_max_request_body_bytes(body_bytes_max);
    // All sessions share what waits for a person: the second call of 2026-07-28 may come by any connection.
    let server = Server::new(host, server);
    let service = StreamableHttpService::new(move || Ok(server.clone()), Arc::new(sessions), config);
    let screened = from_fn(move |request: Request, next: Next| screen_body(body_bytes_max, request, next));
    Router::new().fallback_service(service).layer(screened)
}
