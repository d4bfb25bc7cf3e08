//! An owner at a terminal, while a server holds the home.

use super::*;

/// A server holds the home; what the owner says at a terminal reaches it.
#[test]
fn an_owner_answers_while_a_server_holds_the_home() {
    use std::io::{BufRead, BufReader};

    // A home of its own: the server opens it with the default model.
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("tools.toml");
    std::fs::write(&file, done(home.path(), &["approvals", "declare", "--example"])).unwrap();
    done(home.path(), &["approvals", "declare", file.to_str().unwrap(), "--person", "ada"]);
    let mut server = Command::new(env!("CARGO_BIN_EXE_credence"))
        .args(["mcp", "--person", "ada", "--offline"])
        .env("CREDENCE_HOME", home.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut input = server.stdin.take().unwrap();
    let mut lines = BufReader::new(server.stdout.take().unwrap()).lines();
    let mut call = |message: String, answers: bool| -> Value {
        writeln!(input, "{message}").unwrap();
        if answers { serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap() } else { Value::Null }
    };
    let begin =
        json!({"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}});
    call(json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": begin}).to_string(), true);
    call(json!({"jsonrpc": "2.0", "method": "notifications/initialized"}).to_string(), false);
    // A key that stands twice reaches nobody.
    let twice = r#"{"jsonrpc":"2.0","id":9,"method":"tools/call","params":{"name":"request_approval","arguments":{"tool":"send_mail","arguments":{"to":"bob","to":"eve"}}}}"#;
    let refused = call(twice.into(), true);
    assert_eq!((&refused["id"], &refused["error"]["code"]), (&json!(9), &json!(-32600)), "{refused}");
    assert!(refused["error"]["message"].as_str().unwrap().contains("the key \"to\" stands twice"), "{refused}");
    let mut ask = |id: u64| {
        let arguments = json!({"tool": "send_mail", "arguments": {"to": "bob"}});
        let params = json!({"name": "request_approval", "arguments": arguments});
        let message = json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params});
        call(message.to_string(), true)["result"]["structuredContent"].clone()
    };
    let asked = ask(2);
    let command = asked["question"]["answer_at"]["command"].as_str().unwrap().to_owned();
    assert!(command.contains("--person ada") && command.contains("--home "), "{command}");
    let words: Vec<&str> = command.split(' ').skip(1).collect();
    assert!(done(home.path(), &words).contains("is answered"));
    let passed = ask(3);
    assert_eq!(passed["verdict"], "allow", "{passed}");
    let act = passed["act"].to_string();
    assert!(done(home.path(), &["approvals", "undo", &act, "--person", "ada"]).contains("counts as refused"));
    fails(home.path(), &["approvals", "undo", &act, "--person", "ada"], 3, "can be undone");
    let message =
        json!({"jsonrpc": "2.0", "id": 4, "method": "resources/read", "params": {"uri": "credence://log?limit=500"}});
    let log = call(message.to_string(), true).to_string();
    assert!(log.contains("kept from agents") && log.contains("send_mail"), "the seed of the audits stays secret");
    drop(input);
    server.wait().unwrap();
    done(home.path(), &["replay", "--verify"]);
}
