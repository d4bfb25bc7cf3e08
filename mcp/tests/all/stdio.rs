//! The example as a child process over standard input and output.

use std::io::{BufRead, BufReader, Write};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::common::{Does, Person, VERSIONS, begin, call, mail, structured};
use rmcp::model::ProtocolVersion;
use serde_json::{Value, json};
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

/// Raw lines: no client would send them.
#[test]
fn a_key_that_stands_twice_is_refused_and_the_session_goes_on() {
    let mut child = Command::new(example()).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("started");
    let mut input = child.stdin.take().expect("piped");
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let mut next = || serde_json::from_str::<Value>(&lines.next().expect("a line").expect("read")).expect("JSON");
    let mut send = |line: &str| writeln!(input, "{line}").expect("written");
    let call = |id: u64, arguments: &str| {
        format!(
            r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"request_approval","arguments":{arguments}}}}}"#
        )
    };
    // The first line of all is screened too.
    send(r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"1","protocolVersion":"2"}}"#);
    assert_eq!(next()["error"]["code"], -32600);
    let about = json!({
        "protocolVersion": "2025-11-25",
        "capabilities": { "elicitation": { "form": {} } },
        "clientInfo": { "name": "raw", "version": "0" }
    });
    send(&json!({ "jsonrpc": "2.0", "id": 2, "method": "initialize", "params": about }).to_string());
    assert_eq!(next()["result"]["serverInfo"]["name"], "credence");
    send(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#);
    for (id, arguments, key) in [
        (10, r#"{"tool":"write_file","arguments":{"path":"/home/ada/work/a","path":"/etc/passwd"}}"#, "path"),
        (11, r#"{"tool":"send_mail","tool":"delete_all","arguments":{}}"#, "tool"),
        (12, r#"{"tool":"t","arguments":{"a":[{"b":1},{"b":1,"\u0062":2}]}}"#, "b"),
    ] {
        send(&call(id, arguments));
        let refused = next();
        assert_eq!((&refused["id"], &refused["error"]["code"]), (&json!(id), &json!(-32600)), "{refused}");
        let words = refused["error"]["message"].as_str().expect("words");
        assert!(words.contains(&format!("the key {key:?} stands twice")), "{words}");
    }
    // The person's answer is one answer, or none: nothing passes, and nobody waits for long.
    send(&call(13, r#"{"tool":"send_mail","arguments":{"to":"bo@example.org"}}"#));
    let asked = next();
    assert_eq!(asked["method"], "elicitation/create", "{asked}");
    send(&format!(
        r#"{{"jsonrpc":"2.0","id":{},"result":{{"action":"accept","content":{{"answer":"no","answer":"always"}}}}}}"#,
        asked["id"]
    ));
    let result = next();
    assert_eq!(
        (&result["id"], &result["result"]["structuredContent"]["verdict"]),
        (&json!(13), &json!("ask")),
        "{result}"
    );
    // The same question with one answer.
    send(&call(14, r#"{"tool":"send_mail","arguments":{"to":"bo@example.org"}}"#));
    let asked = next();
    send(&format!(
        r#"{{"jsonrpc":"2.0","id":{},"result":{{"action":"accept","content":{{"answer":"once"}}}}}}"#,
        asked["id"]
    ));
    assert_eq!(next()["result"]["structuredContent"]["verdict"], "allow");
    // The last line's answer is given though the client says nothing more.
    send(&call(15, r#"{"tool":"t","tool":"t","arguments":{}}"#));
    drop(input);
    assert_eq!(next()["id"], 15);
    assert!(child.wait().expect("ended").success());
}

#[test]
fn a_client_that_says_nothing_is_no_error() {
    let ended = Command::new(example()).stdin(Stdio::null()).output().expect("started");
    assert!(ended.status.success() && ended.stdout.is_empty(), "{ended:?}");
    // The newest version that has a handshake is what a client of before meets.
    assert!(ProtocolVersion::V_2025_11_25.has_initialize());
}
