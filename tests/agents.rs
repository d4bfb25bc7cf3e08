//! Agents that come to a served home: approvals over the API and on the page, and the Model Context Protocol over HTTP.
#![cfg(unix)]

mod logs;
mod served;

use logs::{done, json as command_json};
use serde_json::{Value, json};
use served::{Answer, Service, empty_home};
use tempfile::TempDir;

/// A home in which ada has declared the tools of the example.
fn declared() -> TempDir {
    let home = empty_home();
    let example = done(home.path(), &["approvals", "declare", "--example"]);
    let file = home.path().join("tools.toml");
    std::fs::write(&file, example).unwrap();
    done(home.path(), &["approvals", "declare", file.to_str().unwrap(), "--person", "ada"]);
    home
}

fn agent(service: &Service) -> Service {
    let made = service.post("/api/v1/tokens", &json!({"role": "agent"})).ok();
    service.with_token(made["token"].as_str().unwrap())
}

fn mail(to: &str) -> Value {
    json!({"request": {"tool": "send_mail", "arguments": {"to": to, "text": "<b>The owner approved this</b>"}, "task": "lunch"}})
}

#[test]
fn an_agent_asks_its_owner_answers_on_the_page_and_takes_an_act_back() {
    let home = declared();
    let service = Service::start(home.path(), &["--agents-of", "ada"]);
    let agent = agent(&service);
    let asked = agent.post("/api/v1/approvals/requests", &mail("bob")).ok();
    assert_eq!(asked["verdict"], "ask", "{asked}");
    // An agent answers nothing, and sees nothing.
    let (question, shown) = (asked["question"].to_string(), asked["shown_hash"].as_str().unwrap().to_owned());
    let path = format!("/api/v1/approvals/questions/{question}");
    let yes = json!({"answer": "always", "shown_hash": shown});
    assert_eq!(agent.post(&path, &yes).status, 403);
    assert_eq!(agent.get("/api/v1/approvals").status, 403);
    // Text of an agent is text on the page.
    let page = service.as_browser().get("/approvals");
    assert!(page.text.contains("&lt;b&gt;") && !page.text.contains("<b>The owner"), "{}", page.text);
    // Another hash than was shown is no answer; nor is one without a secret of the form.
    let other = json!({"answer": "always", "shown_hash": "0".repeat(64)});
    assert_eq!(service.post(&path, &other).status, 422);
    let fields = [("person", "ada"), ("shown_hash", shown.as_str()), ("answer", "always"), ("csrf", "guessed")];
    assert_eq!(service.as_browser().form(&format!("/approvals/questions/{question}"), &fields).status, 403);
    let csrf = page.text.split("name=\"csrf\" value=\"").nth(1).unwrap().split('"').next().unwrap();
    let fields = [("person", "ada"), ("shown_hash", shown.as_str()), ("answer", "always"), ("csrf", csrf)];
    let sent = service.as_browser().form(&format!("/approvals/questions/{question}"), &fields);
    assert_eq!(sent.status, 303, "{}", sent.text);
    let passed = agent.post("/api/v1/approvals/requests", &mail("bob")).ok();
    assert_eq!((&passed["verdict"], &passed["explanation"]["decision"]["reason"]), (&json!("allow"), &json!("rule")));
    let act = passed["act"].to_string();
    let after = service.post(&format!("/api/v1/approvals/acts/{act}/undo"), &json!({})).ok();
    assert_eq!((&after["answers"], after["acts"].as_array().map(Vec::len)), (&json!(2), Some(0)), "{after}");
    assert_eq!(service.post(&format!("/api/v1/approvals/acts/{act}/undo"), &json!({})).status, 422);
    assert_eq!(agent.post("/api/v1/approvals/requests", &json!({"request": {"arguments": {}}})).status, 400);
    service.stop();
    let listed = command_json(home.path(), &["approvals", "list", "--person", "ada"]);
    assert_eq!(listed["acts"].as_array().map(Vec::len), Some(0));
    assert!(done(home.path(), &["evidence", "verify"]).contains("chain is whole"));
}

/// What a server said over streamable HTTP: the last message of its event stream, or the body itself.
fn message(answer: &Answer) -> Value {
    assert_eq!(answer.status, 200, "{}", answer.text);
    let data =
        answer.text.lines().filter_map(|line| line.strip_prefix("data:")).map(str::trim).rfind(|d| !d.is_empty());
    let text = data.unwrap_or(&answer.text);
    serde_json::from_str(text).unwrap_or_else(|e| panic!("{e}: {}", answer.text))
}

#[test]
fn the_protocol_is_served_to_agents_with_a_token_and_to_nobody_else() {
    let home = declared();
    let service = Service::start(home.path(), &["--agents-of", "ada"]);
    let agent = agent(&service);
    let accept = [("accept", "application/json, text/event-stream")];
    let begin = json!({
        "jsonrpc": "2.0", "id": 1, "method": "initialize",
        "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}},
    });
    assert_eq!(service.as_nobody().post_with("/mcp", &begin, &accept).status, 401);
    let made = service.post("/api/v1/tokens", &json!({"role": "participant", "person": "bo"})).ok();
    let participant = service.with_token(made["token"].as_str().unwrap());
    assert_eq!(participant.post_with("/mcp", &begin, &accept).status, 403);
    let begun = agent.post_with("/mcp", &begin, &accept);
    assert!(message(&begun)["result"]["capabilities"]["tools"].is_object(), "{}", begun.text);
    let session = begun.session.clone().expect("a session");
    let with = [("accept", "application/json, text/event-stream"), ("mcp-session-id", session.as_str())];
    agent.post_with("/mcp", &json!({"jsonrpc": "2.0", "method": "notifications/initialized"}), &with);
    let call = |id: u64, name: &str, arguments: Value| {
        let call = json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {"name": name, "arguments": arguments}});
        message(&agent.post_with("/mcp", &call, &with))["result"].clone()
    };
    let asked = call(2, "request_approval", json!({"tool": "send_mail", "arguments": {"to": "bob"}}));
    assert_eq!(asked["structuredContent"]["verdict"], "ask", "{asked}");
    // Without elicitation it is told where the person can answer.
    assert!(asked.to_string().contains("/approvals"), "{asked}");
    let values = call(3, "get_values", json!({}));
    assert_eq!(values["structuredContent"]["person"], "ada", "{values}");
    let others = call(4, "get_values", json!({"person": "bo"}));
    assert_eq!(others["isError"], true, "an agent speaks of its owner: {others}");
    service.stop();
}
