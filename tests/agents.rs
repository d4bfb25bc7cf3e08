//! Agents that come to a served home: approvals over the API and on the page, and the Model Context Protocol over HTTP.
#![cfg(unix)]

mod logs;
mod pythons;
mod served;

use std::process::Command;

use logs::{done, json as command_json};
use pythons::{all_is_well, python_with, root};
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
    assert_eq!(agent.get(&format!("/api/v1/approvals/questions/{}", asked["question"])).ok()["is_open"], true);
    // An agent answers nothing, and sees nothing.
    let (question, shown) = (asked["question"].to_string(), asked["shown_hash"].as_str().unwrap().to_owned());
    let path = format!("/api/v1/approvals/questions/{question}");
    let yes = json!({"answer": "always", "shown_hash": shown});
    assert_eq!(agent.post(&path, &yes).status, 403);
    assert_eq!(agent.get("/api/v1/approvals").status, 403);
    // Text of an agent is text on the page.
    let page = service.as_browser().get("/approvals");
    assert!(page.text.contains("&lt;b&gt;") && !page.text.contains("<b>The owner"), "{}", page.text);
    // Tool, arguments, and the hash that an answer is bound to.
    for part in ["<code>send_mail</code>", ">to</th>", "bob", &format!("whose hash is <code>{shown}</code>")] {
        assert!(page.text.contains(part), "{part}: {}", page.text);
    }
    // Another hash than was shown is no answer; nor is one without a secret of the form.
    let other = json!({"answer": "always", "shown_hash": "0".repeat(64)});
    assert_eq!(service.post(&path, &other).status, 422);
    let fields = [("person", "ada"), ("shown_hash", shown.as_str()), ("answer", "always"), ("csrf", "guessed")];
    assert_eq!(service.as_browser().form(&format!("/approvals/questions/{question}"), &fields).status, 403);
    let csrf = page.text.split("name=\"csrf\" value=\"").nth(1).unwrap().split('"').next().unwrap();
    let fields = [("person", "ada"), ("shown_hash", shown.as_str()), ("answer", "always"), ("csrf", csrf)];
    let sent = service.as_browser().form(&format!("/approvals/questions/{question}"), &fields);
    assert_eq!(sent.status, 303, "{}", sent.text);
    // Whoever waited learns what was said, and nothing of questions that nobody asked.
    assert_eq!(agent.get(&path).ok()["answer"], "approved");
    assert_eq!(agent.get("/api/v1/approvals/questions/999").status, 404);
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

/// Runs a client in Python with packages from PyPI and the one in integrations/, against a service in which ada declared tools.
fn python_client(script: &str, packages: &[&str]) {
    let packages = [&["flit_core==4.2.0"], packages].concat();
    let Some(python) = python_with("clients", &packages) else { return };
    let ours = root().join("integrations");
    pythons::pip(&python, &["--no-deps", "--no-build-isolation", ours.to_str().unwrap()]).unwrap();
    let home = declared();
    let service = Service::start(home.path(), &["--agents-of", "ada"]);
    let mut client = Command::new(python);
    client
        .arg(root().join("tests/clients").join(script))
        .env("CREDENCE_URL", &service.base)
        .env("CREDENCE_TOKEN", &agent(&service).token)
        .env("OWNER_TOKEN", &service.token)
        .env("NO_PROXY", "127.0.0.1");
    all_is_well(&mut client, 300);
    service.stop();
    done(home.path(), &["replay", "--verify"]);
}

#[test]
fn inspect_asks_before_a_tool_is_called() {
    python_client("inspect_client.py", &["inspect-ai==0.3.285"]);
}

#[test]
fn the_agents_sdk_asks_before_a_tool_is_called() {
    python_client("agents_client.py", &["openai-agents==0.24.0"]);
}

#[test]
fn the_official_python_client_speaks_to_the_service() {
    let Some(python) = python_with("clients", &["mcp==2.3.0"]) else { return };
    let home = declared();
    let service = Service::start(home.path(), &["--agents-of", "ada"]);
    for mode in ["auto", "legacy"] {
        let mut client = Command::new(&python);
        client
            .arg(root().join("mcp/peers/python_client.py"))
            .args(["--mode", mode, "--answer", "none", "--http", &format!("{}/mcp", service.base)])
            .env("CREDENCE_TOKEN", &agent(&service).token)
            .env("NO_PROXY", "127.0.0.1");
        let (output, said) = pythons::ended(&mut client, 200);
        assert!(output.status.success(), "{mode}: {said}");
    }
    service.stop();
    done(home.path(), &["replay", "--verify"]);
}

/// The official client works on a task with the page open beside it: asked at first, then as the person said; one act is taken
/// back, and the replay says why everything went as it did.
#[test]
fn a_task_of_twenty_calls_is_asked_learned_taken_back_and_explained_beside_the_page() {
    let Some(python) = python_with("clients", &["mcp==2.3.0"]) else { return };
    let home = declared();
    let service = Service::start(home.path(), &["--agents-of", "ada"]);
    let mut client = Command::new(python);
    client
        .arg(root().join("tests/clients/mcp_task.py"))
        .env("CREDENCE_URL", &service.base)
        .env("CREDENCE_TOKEN", &agent(&service).token)
        .env("OWNER_TOKEN", &service.token)
        .env("NO_PROXY", "127.0.0.1");
    let (output, said) = pythons::ended(&mut client, 200);
    assert!(output.status.success() && said.contains("all is well"), "{said}");
    service.stop();
    let told: Value = serde_json::from_str(said.lines().next().unwrap()).unwrap();
    let listed = done(home.path(), &["evidence", "list"]);
    assert!(listed.contains(&format!("act {} undone", told["act"])), "{listed}");
    // Before it was taken back, a rule let it pass; afterwards only the person did.
    let why = |record: &Value| done(home.path(), &["explain", &record.to_string()]);
    assert!(why(&told["record"]).contains("rule"), "{}", why(&told["record"]));
    assert!(why(&told["again"]).contains("approved"), "{}", why(&told["again"]));
    let replayed = done(home.path(), &["replay"]);
    for part in ["send_mail", "is refused", "It was read."] {
        assert!(replayed.contains(part), "{part}: {replayed}");
    }
    done(home.path(), &["replay", "--verify"]);
}

#[test]
fn what_an_agent_reports_is_a_record_and_no_evidence() {
    let home = declared();
    let service = Service::start(home.path(), &["--agents-of", "ada"]);
    let agent = agent(&service);
    let asked = agent.post("/api/v1/approvals/requests", &mail("bob")).ok();
    let (question, shown) = (asked["question"].to_string(), asked["shown_hash"].clone());
    // What was only asked can have no outcome.
    let report =
        |record: &Value, outcome: &str| json!({"record": record, "outcome": outcome, "observed": "<i>It arrived.</i>"});
    assert_eq!(agent.post("/api/v1/outcomes", &report(&asked["record"], "done")).status, 403);
    let yes = json!({"answer": "once", "shown_hash": shown});
    service.post(&format!("/api/v1/approvals/questions/{question}"), &yes).ok();
    let passed = agent.post("/api/v1/approvals/requests", &mail("bob")).ok();
    let before = service.get("/api/v1/approvals").ok();
    let reported = agent.post("/api/v1/outcomes", &report(&passed["record"], "failed")).ok();
    assert!(reported["said"][0].as_str().unwrap().contains("failed"), "{reported}");
    assert_eq!(agent.post("/api/v1/outcomes", &report(&json!(1), "done")).status, 403);
    assert_eq!(service.post("/api/v1/outcomes", &report(&json!(1), "done")).status, 404);
    assert_eq!(service.post("/api/v1/outcomes", &report(&passed["record"], "perhaps")).status, 400);
    let long = json!({"record": passed["record"], "outcome": "done", "observed": "x".repeat(9000)});
    assert_eq!(service.post("/api/v1/outcomes", &long).status, 422);
    let after = service.get("/api/v1/approvals").ok();
    assert_eq!((&after["answers"], &after["acts"][0]["record"]), (&before["answers"], &passed["record"]));
    assert!(after["acts"][0]["became"][0].as_str().unwrap().contains("an agent reports: failed"), "{after}");
    let page = service.as_browser().get("/approvals").text;
    assert!(page.contains("It arrived.") && !page.contains("<i>"), "{page}");
    let log = service.get("/api/v1/log?kind=OutcomeReported").ok();
    assert_eq!(log["records"].as_array().map(Vec::len), Some(1), "{log}");
    service.stop();
    assert!(done(home.path(), &["replay"]).contains("an agent reports: failed"));
    done(home.path(), &["replay", "--verify"]);
}

/// A command runs while a service opens the home: a stop there ends it, and what it came to gets into the service's log.
#[test]
fn a_services_stop_reaches_a_command_that_runs() {
    use std::io::Write;
    use std::process::{Command, Stdio};
    use std::time::{Duration, Instant};

    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().join("home");
    let model = served::tiny_model(dir.path());
    let model = model.to_str().unwrap();
    let bank = credence_agent::bank::Bank::built_in();
    let question = bank.questions.iter().find(|q| q.is_keyed() && q.alternatives.len() == 2).unwrap();
    std::fs::write(dir.path().join("tools.toml"), "[[tools]]\nname = \"send_mail\"\n").unwrap();
    let line = |act: &str| json!({"act": act, "tool": "send_mail", "arguments": {"to": "bob"}}).to_string();
    let lines: Vec<String> = question.alternatives.iter().map(|a| line(&a.text)).collect();
    std::fs::write(dir.path().join("calls.jsonl"), lines.join("\n")).unwrap();
    let command = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_credence"));
        command.env("CREDENCE_HOME", &home).current_dir(dir.path()).arg("--offline").args(args);
        command.stdin(Stdio::piped()).stdout(Stdio::null());
        command
    };
    let declare = ["approvals", "declare", "tools.toml", "--person", "ada", "--model", model];
    assert!(command(&declare).status().unwrap().success());
    let args = [
        "agent",
        "--person",
        "ada",
        "--regret-max",
        "100",
        "--wording-max",
        "inf",
        "--steps",
        "0",
        "--model",
        model,
        "--calls",
        "calls.jsonl",
        "--exec",
        "echo $$ > pid; sleep 60",
        "--carry-out",
        "--task",
        &question.situation,
    ];
    let mut agent = command(&args).spawn().unwrap();
    agent.stdin.take().unwrap().write_all(b"y\n").unwrap();
    let pid = dir.path().join("pid");
    let until = |what: &str, is: &mut dyn FnMut() -> bool| {
        let last = Instant::now() + Duration::from_secs(30);
        while !is() {
            assert!(Instant::now() < last, "{what}");
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    until("the command began", &mut || std::fs::read_to_string(&pid).is_ok_and(|text| text.ends_with('\n')));
    let service = Service::start(&home, &[]);
    let decision = service.get("/api/v1/decisions").ok()["decisions"][0].clone();
    assert!(decision["became"][0].as_str().unwrap().contains("no end is known yet"), "{decision}");
    service.post(&format!("/api/v1/decisions/{}/stop", decision["record"]), &json!({})).ok();
    let since = Instant::now();
    let pid = std::fs::read_to_string(&pid).unwrap();
    let process = std::path::PathBuf::from(format!("/proc/{}", pid.trim()));
    until("the command ended", &mut || !process.exists());
    assert!(since.elapsed() < Duration::from_secs(2), "{:?}", since.elapsed());
    // The service holds the home: it is the one that takes the end into the log, and the agent sees it there.
    let status = agent.wait().unwrap();
    assert_eq!(status.code(), Some(13));
    let became = service.get(&format!("/api/v1/decisions/{}", decision["record"])).ok()["became"][0].clone();
    assert!(became.as_str().unwrap().contains("said stop"), "{became}");
    service.stop();
    done(&home, &["evidence", "verify"]);
}

#[test]
fn a_service_carries_out_what_passed_once_and_an_undo_ends_it() {
    use std::time::{Duration, Instant};

    let home = declared();
    let ran = home.path().join("ran");
    let exec = format!(
        "cat >> {0}; grep -q slow {0} && {{ echo $$ > {0}.pid; sleep 60; }}; echo '{{\"status\": \"done\", \"result\": \"sent\"}}'",
        ran.display()
    );
    let service = Service::start(home.path(), &["--agents-of", "ada", "--exec", &exec, "--carry-out"]);
    let agent = agent(&service);
    let passed = |to: &str| {
        let asked = agent.post("/api/v1/approvals/requests", &mail(to)).ok();
        let yes = json!({"answer": "once", "shown_hash": asked["shown_hash"]});
        service.post(&format!("/api/v1/approvals/questions/{}", asked["question"]), &yes).ok();
        agent.post("/api/v1/approvals/requests", &mail(to)).ok()
    };
    let verdict = passed("bob");
    let path = format!("/api/v1/approvals/acts/{}/carry-out", verdict["act"]);
    let call = json!({"shown_hash": verdict["shown_hash"]});
    // Another call than was approved, and an act that never passed.
    assert_eq!(agent.post(&path, &json!({"shown_hash": "0".repeat(64)})).status, 409);
    assert_eq!(agent.post("/api/v1/approvals/acts/0/carry-out", &call).status, 409);
    assert!(!ran.exists());
    let done_once = agent.post(&path, &call).ok();
    assert_eq!((&done_once["outcome"], &done_once["result"]), (&json!("done"), &json!("sent")), "{done_once}");
    let read: Value = serde_json::from_str(&std::fs::read_to_string(&ran).unwrap()).unwrap();
    assert_eq!(read["arguments"], mail("bob")["request"]["arguments"]);
    assert_eq!(agent.post(&path, &call).status, 409, "an act is carried out once");
    // An undo ends what runs.
    let verdict = passed("slow");
    let path = format!("/api/v1/approvals/acts/{}/carry-out", verdict["act"]);
    let call = json!({"shown_hash": verdict["shown_hash"]});
    let ended = std::thread::scope(|scope| {
        let running = scope.spawn(|| agent.post(&path, &call).ok());
        let pid = home.path().join("ran.pid");
        let last = Instant::now() + Duration::from_secs(20);
        while !pid.exists() {
            assert!(Instant::now() < last);
            std::thread::sleep(Duration::from_millis(10));
        }
        let since = Instant::now();
        service.post(&format!("/api/v1/approvals/acts/{}/undo", verdict["act"]), &json!({})).ok();
        let ended = running.join().unwrap();
        assert!(since.elapsed() < Duration::from_secs(2), "{:?}", since.elapsed());
        ended
    });
    assert!(ended["said"].as_str().unwrap().contains("taken back"), "{ended}");
    service.stop();
    // Without a command it carries nothing out, and without --carry-out it says what it would run.
    let service = Service::start(home.path(), &["--agents-of", "ada"]);
    assert_eq!(service.post(&path, &call).status, 409);
    service.stop();
    done(home.path(), &["replay", "--verify"]);
}

/// Nobody approves on a page what the page does not show.
#[test]
fn a_call_that_is_too_long_for_the_page_can_only_be_refused_there() {
    let home = declared();
    let service = Service::start(home.path(), &["--agents-of", "ada"]);
    let long = json!({"request": {"tool": "send_mail", "arguments": {"to": "bob", "text": "x".repeat(30_000)}, "task": "lunch"}});
    let asked = agent(&service).post("/api/v1/approvals/requests", &long).ok();
    assert_eq!(asked["verdict"], "ask");
    let page = service.as_browser().get("/approvals").text;
    let offered = |answer: &str| page.contains(&format!("name=\"answer\" value=\"{answer}\""));
    assert_eq!(
        ["once", "task", "always", "ask_me", "no", "never"].map(offered),
        [false, false, false, false, true, true]
    );
    assert!(page.contains("more characters") && page.contains("cannot be approved here"), "{page}");
    service.stop();
}

/// Rules are seen and ended by API and page; a question is shown with all that is known of it.
#[test]
fn rules_and_reasons_are_shown_and_a_rule_is_revoked() {
    let home = declared();
    let service = Service::start(home.path(), &["--agents-of", "ada"]);
    let agent = agent(&service);
    let asked = agent.post("/api/v1/approvals/requests", &mail("bob")).ok();
    let path = format!("/api/v1/approvals/questions/{}", asked["question"]);
    let always = json!({"answer": "always", "shown_hash": asked["shown_hash"]});
    let view = service.post(&path, &always).ok();
    let rule = view["rules"][0]["number"].clone();
    assert!(view["rules"][0]["words"].as_str().unwrap().contains("send_mail("), "{view}");
    let revoke = format!("/api/v1/approvals/rules/{rule}/revoke");
    assert_eq!(agent.post(&revoke, &json!({})).status, 403, "an agent ends no rule");
    let other = agent.post("/api/v1/approvals/requests", &mail("eve")).ok();
    let page = service.as_browser().get("/approvals").text;
    for part in ["Revoke it", "you would be against it", "reaches outside", other["shown_hash"].as_str().unwrap()] {
        assert!(page.contains(part), "{part}: {page}");
    }
    let view = service.get("/api/v1/approvals").ok();
    let open = &view["open"][0];
    assert!(open["p_refuse"].is_number() && open["why"].as_str().unwrap().contains("too few answers"), "{open}");
    assert_eq!(service.post(&revoke, &json!({})).ok()["rules"].as_array().map(Vec::len), Some(0));
    assert_eq!(service.post(&revoke, &json!({})).status, 422);
    // A tool that nobody declared can be approved once only.
    let unknown = json!({"request": {"tool": "format", "arguments": {}, "task": "t"}});
    let unknown = agent.post("/api/v1/approvals/requests", &unknown).ok();
    let path = format!("/api/v1/approvals/questions/{}", unknown["question"]);
    for (answer, status) in [("always", 422), ("task", 422), ("once", 200)] {
        let said = json!({"answer": answer, "shown_hash": unknown["shown_hash"]});
        assert_eq!(service.post(&path, &said).status, status, "{answer}");
    }
    service.stop();
    done(home.path(), &["replay", "--verify"]);
}
