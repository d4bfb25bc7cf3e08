//! Streamable HTTP under a router: hosts, origins, principals, sessions.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::common::scripted::ScriptedHost;
use crate::common::{mail, poem};
use axum::extract::Request;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use credence_mcp::{HttpOptions, Principal, streamable_http_service};
use serde_json::{Value, json};

/// Bearer tokens name their owners.
async fn authenticated(mut request: Request, next: Next) -> Response {
    let header = request.headers().get("authorization").and_then(|value| value.to_str().ok());
    match header.and_then(|value| value.strip_prefix("Bearer token-of-")).map(str::to_owned) {
        Some(name) => {
            request.extensions_mut().insert(Principal(name));
            next.run(request).await
        }
        None => axum::http::StatusCode::UNAUTHORIZED.into_response(),
    }
}

async fn serve(host: &Arc<ScriptedHost>, options: HttpOptions) -> SocketAddr {
    let router = axum::Router::new()
        .nest_service("/mcp", streamable_http_service(host.clone(), options))
        .layer(middleware::from_fn(authenticated));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("bound");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

/// Status, session and the last message of a POST.
async fn post(address: SocketAddr, headers: &[(&str, &str)], body: Value) -> (u16, Option<String>, Value) {
    post_text(address, headers, body.to_string()).await
}

async fn post_text(address: SocketAddr, headers: &[(&str, &str)], body: String) -> (u16, Option<String>, Value) {
    let headers: Vec<(String, String)> = headers.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    let sent = move || {
        let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
        let mut request = agent
            .post(format!("http://{address}/mcp"))
            .header("accept", "application/json, text/event-stream")
            .header("content-type", "application/json");
        for (name, value) in &headers {
            request = request.header(name, value);
        }
        let mut response = request.send(body).expect("a response");
        let session = response.headers().get("mcp-session-id").map(|id| id.to_str().expect("text").to_owned());
        let text = response.body_mut().read_to_string().expect("a body");
        let events = text.lines().filter_map(|line| line.strip_prefix("data:"));
        let message = events.chain([text.as_str()]).find_map(|json| serde_json::from_str(json.trim()).ok());
        (response.status().as_u16(), session, message.unwrap_or(Value::Null))
    };
    tokio::task::spawn_blocking(sent).await.expect("sent")
}

fn initialize() -> Value {
    json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "http-agent", "version": "1" } } })
}

fn tool(id: u64, name: &str, arguments: Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": { "name": name, "arguments": arguments } })
}

const ADA: (&str, &str) = ("authorization", "Bearer token-of-ada");
const GUEST: (&str, &str) = ("authorization", "Bearer token-of-guest");

#[tokio::test]
async fn a_session_serves_tools_and_names_the_principal_of_each_request() {
    let host = Arc::new(ScriptedHost::default());
    let address = serve(&host, HttpOptions::default()).await;
    let (status, _, _) = post(address, &[], initialize()).await;
    assert_eq!(status, 401, "the layer around it authenticates");
    let (status, session, begun) = post(address, &[ADA], initialize()).await;
    assert_eq!((status, &begun["result"]["serverInfo"]["name"]), (200, &json!("credence")), "{begun}");
    let session = session.expect("a session");
    let session = ("mcp-session-id", session.as_str());
    let version = ("mcp-protocol-version", "2025-11-25");
    let initialized = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
    assert_eq!(post(address, &[ADA, session, version], initialized).await.0, 202);

    let (_, _, asked) = post(address, &[ADA, session, version], tool(2, "request_approval", mail())).await;
    assert_eq!(asked["result"]["structuredContent"]["verdict"], "ask", "{asked}");
    let (_, _, asked) = post(address, &[ADA, session, version], tool(3, "decide", poem())).await;
    assert_eq!(asked["result"]["structuredContent"]["verdict"], "ask", "{asked}");
    // Another principal within the same session is another caller.
    let (_, _, denied) = post(address, &[GUEST, session, version], tool(4, "get_values", json!({}))).await;
    assert_eq!(denied["result"]["isError"], true, "{denied}");
    let callers = host.callers();
    let principals: Vec<_> = callers.iter().map(|caller| caller.principal.clone().expect("one").0).collect();
    assert_eq!(principals, ["ada", "ada", "guest"]);
    assert!(callers.iter().all(|caller| caller.agent.name == "http-agent"), "{callers:?}");
}

#[tokio::test]
async fn the_newest_version_needs_no_session() {
    let host = Arc::new(ScriptedHost::default());
    let address = serve(&host, HttpOptions::default()).await;
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": { "name": "stateless", "version": "1" },
        "io.modelcontextprotocol/clientCapabilities": { "elicitation": {} }
    });
    let headers =
        |name| [ADA, ("mcp-protocol-version", "2026-07-28"), ("mcp-method", "tools/call"), ("mcp-name", name)];
    let mut first = tool(1, "request_approval", mail());
    first["params"]["_meta"] = meta.clone();
    let (status, session, waits) = post(address, &headers("request_approval"), first.clone()).await;
    assert_eq!((status, session), (200, None), "{waits}");
    assert_eq!(waits["result"]["resultType"], "input_required", "{waits}");
    let state = waits["result"]["requestState"].clone();

    let mut second = first;
    second["id"] = json!(2);
    second["params"]["requestState"] = state;
    second["params"]["inputResponses"] = json!({ "person": { "action": "accept", "content": { "answer": "once" } } });
    // What one principal was shown, another cannot answer.
    let guest = [GUEST, headers("request_approval")[1], headers("request_approval")[2], headers("request_approval")[3]];
    let (_, _, refused) = post(address, &guest, second.clone()).await;
    assert_eq!(refused["result"]["isError"], true, "{refused}");
    let (_, _, allowed) = post(address, &headers("request_approval"), second).await;
    assert_eq!(allowed["result"]["structuredContent"]["verdict"], "allow", "{allowed}");
    assert_eq!(host.kinds(), ["approval_asked", "approval_answered", "act_allowed"]);
}

#[tokio::test]
async fn hosts_origins_and_sizes_are_held_to() {
    let host = Arc::new(ScriptedHost::default());
    let options = HttpOptions {
        allowed_hosts: vec!["127.0.0.1".to_owned(), "values.example.org".to_owned()],
        allowed_origins: vec!["https://values.example.org:443".to_owned()],
        body_bytes_max: 4_000,
        ..HttpOptions::default()
    };
    let address = serve(&host, options).await;
    for (headers, expected) in [
        (vec![ADA], 200),
        (vec![ADA, ("host", "values.example.org")], 200),
        (vec![ADA, ("host", "rebound.example.com")], 403),
        (vec![ADA, ("origin", "https://values.example.org")], 200),
        (vec![ADA, ("origin", "https://evil.example.com")], 403),
        (vec![ADA, ("origin", "null")], 403),
    ] {
        assert_eq!(post(address, &headers, initialize()).await.0, expected, "{headers:?}");
    }
    let mut large = initialize();
    large["params"]["clientInfo"]["title"] = json!("x".repeat(5_000));
    assert_eq!(post(address, &[ADA], large).await.0, 413);
    // Without a list, no browser is answered at all.
    let address = serve(&host, HttpOptions::default()).await;
    assert_eq!(post(address, &[ADA, ("origin", "http://localhost:7878")], initialize()).await.0, 403);
    let (status, _, _) = post(address, &[ADA], json!("no request")).await;
    assert!((400..500).contains(&status), "{status}");
}

#[tokio::test]
async fn a_key_that_stands_twice_is_refused_with_its_name() {
    let host = Arc::new(ScriptedHost::default());
    let address = serve(&host, HttpOptions::default()).await;
    let (_, session, _) = post(address, &[ADA], initialize()).await;
    let session = session.expect("a session");
    let headers = [ADA, ("mcp-session-id", session.as_str()), ("mcp-protocol-version", "2025-11-25")];
    let initialized = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
    assert_eq!(post(address, &headers, initialized).await.0, 202);

    let sound = tool(2, "request_approval", mail()).to_string();
    let twice = sound.replace("\"text\":", "\"to\":\"eve@example.org\",\"text\":");
    assert_ne!(sound, twice);
    let (status, _, refused) = post_text(address, &headers, twice).await;
    assert_eq!((status, &refused["id"], &refused["error"]["code"]), (200, &json!(2), &json!(-32600)), "{refused}");
    assert!(refused["error"]["message"].as_str().is_some_and(|m| m.contains("\"to\" stands twice")), "{refused}");
    assert!(host.kinds().is_empty(), "nothing reached the home");
    // What is no request, or no JSON, is refused by its status.
    for body in [r#"{"jsonrpc":"2.0","method":"notifications/initialized","method":"x"}"#, "no JSON", ""] {
        assert_eq!(post_text(address, &headers, body.to_owned()).await.0, 400, "{body}");
    }
    let (status, _, asked) = post_text(address, &headers, sound).await;
    assert_eq!((status, &asked["result"]["structuredContent"]["verdict"]), (200, &json!("ask")), "{asked}");
}
