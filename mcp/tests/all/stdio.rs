//! The example as a child process over standard input and output.

use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::common::{Does, Person, VERSIONS, begin, call, mail, structured};
use rmcp::model::ProtocolVersion;
use serde_json::json;
use tokio::net::unix::pipe::{Receiver, Sender};

/// `examples/scripted` beside this test's own file. Cargo builds it with the tests.
fn example() -> PathBuf {
    let own = std::env::current_exe().expect("a path");
    let path = own.parent().and_then(|deps| deps.parent()).expect("a folder").join("examples/scripted");
    assert!(path.exists(), "{} is not built: cargo build --release -p credence-mcp --examples", path.display());
    path
}

#[tokio::test]
async fn a_child_process_serves_and_ends_with_its_client() {
    for version in VERSIONS {
        let mut child = Command::new(example())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("started");
        let input = Sender::from_owned_fd(OwnedFd::from(child.stdin.take().expect("piped"))).expect("a pipe");
        let output = Receiver::from_owned_fd(OwnedFd::from(child.stdout.take().expect("piped"))).expect("a pipe");
        let client = begin((output, input), Person::who(Does::Chooses("once"), version)).await;
        let value = structured(client.call_tool(call("request_approval", mail())).await);
        assert_eq!(value["verdict"], "allow", "{value}");
        let values = structured(client.call_tool(call("get_values", json!({}))).await);
        assert_eq!(values["person"], "ada");
        client.cancel().await.expect("ended");
        let ended =
            tokio::task::spawn_blocking(move || child.wait_with_output()).await.expect("waited").expect("ended");
        assert!(ended.status.success(), "{ended:?}");
        assert!(ended.stderr.is_empty(), "{ended:?}");
    }
}

#[test]
fn a_client_that_says_nothing_is_no_error() {
    let ended = Command::new(example()).stdin(Stdio::null()).output().expect("started");
    assert!(ended.status.success() && ended.stdout.is_empty(), "{ended:?}");
    // The newest version that has a handshake is what a client of before meets.
    assert!(ProtocolVersion::V_2025_11_25.has_initialize());
}
