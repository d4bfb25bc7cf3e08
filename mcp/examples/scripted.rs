//! A scripted home over standard input and output: what clients are tried against.
//!
//!     cargo run --release -p credence-mcp --example scripted

#[allow(dead_code, reason = "the tests use the rest")]
#[path = "../tests/all/common/scripted.rs"]
mod scripted;

use std::sync::Arc;

#[tokio::main]
async fn main() -> Result<(), credence_mcp::ServeError> {
    let host = Arc::new(scripted::ScriptedHost::default());
    credence_mcp::serve_stdio(host, credence_mcp::Options::default()).await
}
