//! `credence serve` as its clients meet it: sessions by the API and by forms, restarts, and what is refused.
#![cfg(unix)]

mod logs;
mod served;

use std::fs;
use std::time::Duration;

use logs::{done, json as command_json};
use serde_json::{Value, json};
use served::{Answer, Service, coded, empty_home, with_decisions};

/// What to answer to a question, always the same.
fn reply(turn: &Value) -> Value {
    match turn["question"]["kind"].as_str().unwrap() {
        "choice" => json!({ "said": "choose", "index": 0 }),
        "portrait" => json!({ "said": "rate", "level": 5 }),
        _ => json!({ "said": "best_and_worst", "best": 0, "worst": 1 }),
    }
}

fn say(service: &Service, turn: &Value, say: &Value) -> Answer {
    let path = format!("/api/v1/sessions/{}/said", coded(turn["session"].as_str().unwrap()));
    service.post(&path, &json!({ "question": turn["question"]["number"], "say": say }))
}

#[test]
fn a_whole_session_by_the_api_is_in_the_log() {
    let home = empty_home();
    let service = Service::start(home.path(), &[]);
    let mut turn = service.post("/api/v1/sessions", &json!({ "person": "ada" })).ok();
    for n in 1..=8 {
        assert_eq!(turn["question"]["number"], n);
        turn = say(&service, &turn, &reply(&turn)).ok();
        assert!(turn["moved"]["values"]["values"].as_array().is_some_and(|values| values.len() == 18), "{turn}");
    }
    assert_eq!(turn["answers"], 8);
    let session = turn["session"].as_str().unwrap().to_owned();
    let why = service.get(&format!("/api/v1/sessions/{session}/why")).ok();
    assert!(why["text"].as_str().unwrap().contains("expected to tell most"), "{why}");
    turn = say(&service, &turn, &json!({ "said": "undo" })).ok();
    assert_eq!((&turn["answers"], &turn["question"]["number"]), (&json!(7), &json!(10)), "the same question again");
    // A sentence counts after a yes, and the open question stays.
    turn = say(
        &service,
        &turn,
        &json!({ "said": "important", "words": "I think honesty is more important than loyalty." }),
    )
    .ok();
    let read = turn["confirm"]["text"].as_str().unwrap_or_default().to_lowercase();
    assert!(read.contains("honesty") && read.contains("loyalty"), "{turn}");
    turn = say(&service, &turn, &json!({ "said": "yes" })).ok();
    assert_eq!((&turn["confirm"], &turn["question"]["number"]), (&Value::Null, &json!(10)));
    let nonsense = say(&service, &turn, &json!({ "said": "choose", "index": 77 })).ok();
    assert!(nonsense["problem"].is_string() && nonsense["answers"] == 7, "{nonsense}");
    turn = say(&service, &turn, &json!({ "said": "stop" })).ok();
    assert_eq!((&turn["ended"]["answers"], &turn["ended"]["statements"]), (&json!(7), &json!(1)));
    assert_eq!(say(&service, &turn, &json!({ "said": "undo" })).status, 410);
    let values = service.get("/api/v1/values?person=ada").ok();
    let before = service.get("/api/v1/values?person=ada&at=3").ok();
    assert_eq!((&values["values"]["answers"], &before["values"]["answers"]), (&json!(7), &json!(0)));
    let log = service.get("/api/v1/log?person=ada&limit=5").ok();
    assert_eq!(log["records"].as_array().unwrap().len(), 5);
    service.stop();
    assert!(done(home.path(), &["evidence", "verify"]).contains("recorded beliefs match"));
    assert_eq!(command_json(home.path(), &["values", "--person", "ada"])["values"], values["values"]);
}

#[test]
fn an_answer_that_is_sent_again_counts_once_also_after_a_kill() {
    let home = empty_home();
    let service = Service::start(home.path(), &[]);
    let first = service.post("/api/v1/sessions", &json!({ "person": "ada" })).ok();
    let second = say(&service, &first, &reply(&first)).ok();
    let again = say(&service, &first, &reply(&first)).ok();
    assert_eq!((&again["question"], &again["answers"]), (&second["question"], &json!(1)));
    assert!(again["notice"].as_str().unwrap().contains("answered already"));
    let ahead = service.post(
        &format!("/api/v1/sessions/{}/said", first["session"].as_str().unwrap()),
        &json!({ "question": 9, "say": { "said": "skip" } }),
    );
    assert_eq!((ahead.status, ahead.problem()), (409, "conflict".into()));
    service.kill();
    // The session is taken up from the log, with the question that was open; an answer to the first is known.
    let service = Service::start(home.path(), &[]);
    let again = say(&service, &first, &reply(&first)).ok();
    assert_eq!((&again["question"]["number"], &again["answers"]), (&json!(2), &json!(1)));
    assert_eq!(again["question"]["alternatives"], second["question"]["alternatives"]);
    assert_eq!(service.post("/api/v1/sessions", &json!({ "person": "ada" })).ok()["session"], first["session"]);
    let third = say(&service, &again, &reply(&again)).ok();
    assert_eq!((&third["question"]["number"], &third["answers"]), (&json!(3), &json!(2)));
    // Taken back after the restart: the same question, and nothing else.
    let back = say(&service, &third, &json!({ "said": "undo" })).ok();
    assert_eq!(back["answers"], 1);
    service.stop();
    assert!(done(home.path(), &["evidence", "verify"]).contains("recorded beliefs match"));
}

/// The events of a stream, each with its data.
fn events(text: &str) -> Vec<(String, Value)> {
    let mut found = Vec::new();
    let mut name = String::new();
    for line in text.lines() {
        if let Some(event) = line.strip_prefix("event: ") {
            event.clone_into(&mut name);
        } else if let Some(data) = line.strip_prefix("data: ") {
            found.push((name.clone(), serde_json::from_str(data).unwrap()));
        }
    }
    found
}

#[test]
fn a_session_is_followed_until_it_is_over_by_whom_it_is_and_by_nobody_else() {
    let home = empty_home();
    let service = Service::start(home.path(), &[]);
    let link = service.post("/api/v1/join-links", &json!({})).ok()["link"].as_str().unwrap().to_owned();
    let path = link.strip_prefix(&service.base).unwrap();
    let (ada, bo) = (service.join(path, "ada"), service.join(path, "bo"));
    let mut turn = ada.post("/api/v1/sessions", &json!({})).ok();
    let session = turn["session"].as_str().unwrap().to_owned();
    let events_of = format!("/api/v1/sessions/{}/events", coded(&session));
    assert_eq!(bo.get(&events_of).status, 403);
    assert_eq!(service.get("/api/v1/sessions/none-1/events").status, 404);
    let told = std::thread::scope(|scope| {
        // A facilitator follows what a participant answers.
        let following = scope.spawn(|| service.get(&events_of));
        std::thread::sleep(Duration::from_millis(300));
        for _ in 0..3 {
            turn = say(&ada, &turn, &reply(&turn)).ok();
            std::thread::sleep(Duration::from_millis(300));
        }
        // Nothing of another's session is told.
        let other = bo.post("/api/v1/sessions", &json!({})).ok();
        say(&bo, &other, &reply(&other)).ok();
        say(&ada, &turn, &json!({ "said": "undo" })).ok();
        std::thread::sleep(Duration::from_millis(300));
        say(&ada, &turn, &json!({ "said": "stop" })).ok();
        following.join().unwrap()
    });
    let told = events(&told.text);
    let stood: Vec<(&str, u64)> =
        told.iter().map(|(event, turn)| (event.as_str(), turn["answers"].as_u64().unwrap())).collect();
    // On a slow machine two changes may be told as one.
    assert_eq!((stood.first(), stood.last()), (Some(&("turn", 0)), Some(&("over", 2))), "{stood:?}");
    let before = &stood[..stood.len() - 1];
    assert!(before.len() >= 3 && before.iter().all(|(event, _)| *event == "turn"), "{stood:?}");
    let third = told.iter().find(|(_, turn)| turn["answers"] == 3).unwrap_or_else(|| panic!("{stood:?}"));
    assert!(told.iter().all(|(_, turn)| turn["person"] == "ada"), "{told:?}");
    assert_eq!(third.1["question"]["number"], turn["question"]["number"]);
    assert!(third.1["moved"]["values"]["values"].as_array().is_some_and(|values| values.len() == 18));
    service.stop();
}

#[test]
fn a_stream_ends_when_its_token_is_taken_back() {
    let home = empty_home();
    let service = Service::start(home.path(), &[]);
    let token_of = |who: Value| service.post("/api/v1/tokens", &who).ok()["token"].as_str().unwrap().to_owned();
    let ada = service.with_token(&token_of(json!({ "role": "participant", "person": "ada" })));
    let facilitator = service.with_token(&token_of(json!({ "role": "facilitator" })));
    let turn = ada.post("/api/v1/sessions", &json!({})).ok();
    let events_of = format!("/api/v1/sessions/{}/events", coded(turn["session"].as_str().unwrap()));
    std::thread::scope(|scope| {
        let theirs = [scope.spawn(|| ada.get(&events_of)), scope.spawn(|| ada.get("/api/v1/events"))];
        let anothers = scope.spawn(|| facilitator.get(&events_of));
        std::thread::sleep(Duration::from_millis(300));
        assert!(theirs.iter().all(|stream| !stream.is_finished()) && !anothers.is_finished());
        assert_eq!(service.send("DELETE", "/api/v1/tokens/participant", None, &[]).status, 204);
        // The session goes on, and nothing of it is told to whom the token was taken from.
        let answered = service.post(&events_of.replace("/events", "/said"), &json!({ "say": reply(&turn) }));
        let seen = theirs.map(|stream| stream.join().unwrap());
        assert_eq!(seen[0].status, 200);
        let told = events(&seen[0].text);
        assert_eq!(
            told.iter().map(|(event, turn)| (event.as_str(), &turn["answers"])).collect::<Vec<_>>(),
            [("turn", &json!(0))]
        );
        assert_eq!(ada.get(&events_of).status, 401);
        // Another's stream is not touched: it ends with the session.
        assert!(!anothers.is_finished());
        let turn = answered.ok();
        say(&service, &turn, &json!({ "said": "stop" })).ok();
        let told = events(&anothers.join().unwrap().text);
        assert_eq!(told.last().map(|(event, _)| event.as_str()), Some("over"), "{told:?}");
    });
    service.stop();
}

#[test]
fn writes_with_a_key_are_done_once() {
    let home = empty_home();
    let service = Service::start(home.path(), &[]);
    let turn = service.post("/api/v1/sessions", &json!({ "person": "ada" })).ok();
    say(&service, &turn, &reply(&turn)).ok();
    let log = service.get("/api/v1/log?person=ada").ok();
    let seq = log["records"].as_array().unwrap().iter().find(|r| r["is_evidence"] == true).unwrap()["seq"].clone();
    let path = format!("/api/v1/log/{seq}/retract");
    let retract = || service.post_with(&path, &json!({ "reason": "a slip" }), &[("Idempotency-Key", "k1")]);
    let (first, second) = (retract().ok(), retract().ok());
    assert_eq!(first, second);
    let other = service.post(&path, &json!({ "reason": "a slip" }));
    assert_eq!((other.status, other.problem()), (409, "conflict".into()), "without the key it is another request");
    let empty = service.post(&path, &json!({ "reason": " " }));
    assert_eq!((empty.status, empty.problem()), (422, "wrong-input".into()));
}

#[test]
fn participants_join_by_a_link_and_see_themselves_only() {
    let home = empty_home();
    let service = Service::start(home.path(), &[]);
    let link = service.post("/api/v1/join-links", &json!({})).ok()["link"].as_str().unwrap().to_owned();
    let path = link.strip_prefix(&service.base).unwrap().to_owned();
    assert!(service.as_nobody().get(&path).text.contains("Pseudonym"));
    let [ada, bo] = ["ada", "bo"].map(|name| service.join(&path, name));
    let taken = service.as_nobody().form(&path, &[("pseudonym", "ada")]);
    assert_eq!(taken.status, 409);
    let turn = ada.post("/api/v1/sessions", &json!({})).ok();
    assert_eq!(turn["person"], "ada");
    say(&ada, &turn, &reply(&turn)).ok();
    for path in
        ["/api/v1/people", "/people", "/model", "/metrics", "/api/v1/values?person=ada", "/api/v1/log?person=ada"]
    {
        let answer = bo.get(path);
        assert_eq!((answer.status, answer.problem()), (403, "forbidden".into()), "{path}");
    }
    assert_eq!(say(&bo, &turn, &reply(&turn)).status, 403, "somebody else's session");
    let log = bo.get("/api/v1/log").ok();
    assert!(log["records"].as_array().unwrap().iter().all(|r| r["person"] == "bo"), "{log}");
    let retract = bo.post("/api/v1/log/8/retract", &json!({ "reason": "mine?" }));
    assert_eq!(retract.status, 403);
    // A facilitator sees everybody, and hands out no tokens.
    let made = service.post("/api/v1/tokens", &json!({ "role": "facilitator" })).ok();
    let facilitator = service.with_token(made["token"].as_str().unwrap());
    assert_eq!(facilitator.get("/api/v1/people").ok()[0]["person"], "ada");
    let refused = facilitator.post("/api/v1/tokens", &json!({ "role": "facilitator" }));
    assert_eq!((refused.status, refused.problem()), (403, "forbidden".into()));
    assert_eq!(service.post("/api/v1/tokens", &json!({ "role": "owner" })).status, 422);
    assert_eq!(service.send("DELETE", "/api/v1/tokens/facilitator", None, &[]).status, 204);
    assert_eq!(facilitator.get("/api/v1/people").status, 401);
    assert_eq!(service.send("DELETE", "/api/v1/join-links", None, &[]).status, 204);
    assert_eq!(service.as_nobody().get(&path).status, 410, "the link is taken back");
    assert_eq!(ada.get("/api/v1/values").ok()["values"]["answers"], 1, "those who joined stay, with what they said");
}

#[test]
fn what_comes_from_elsewhere_is_refused() {
    let home = empty_home();
    let service = Service::start(home.path(), &[]);
    let nobody = service.as_nobody();
    let answer = nobody.get("/api/v1/people");
    assert_eq!((answer.status, answer.problem()), (401, "unauthorized".into()));
    assert_eq!(answer.kind, "application/problem+json");
    assert_eq!(service.with_token("0123456789abcdef").get("/api/v1/people").status, 401);
    // A name that was made to point here, and a page of another site.
    let sat = json!({ "person": "ada" });
    for headers in [&[("Host", "evil.example")][..], &[("Host", "127.0.0.1:1")]] {
        assert_eq!(service.send("POST", "/api/v1/sessions", Some(&sat), headers).status, 403, "{headers:?}");
    }
    for headers in
        [&[("Origin", "http://evil.example")][..], &[("Origin", "null")], &[("Sec-Fetch-Site", "cross-site")]]
    {
        assert_eq!(service.send("POST", "/api/v1/sessions", Some(&sat), headers).status, 403, "{headers:?}");
    }
    for (body, says) in [("{", "EOF"), ("7", "invalid type"), ("{\"who\":1}", "unknown field")] {
        let answer = service.raw("POST", "/api/v1/sessions", body);
        assert_eq!((answer.status, answer.problem()), (400, "wrong-input".into()), "{body}");
        assert!(answer.text.contains(says), "{}", answer.text);
    }
    let long = format!("{{\"person\":\"{}\"}}", "x".repeat(100_000));
    assert!(matches!(service.raw("POST", "/api/v1/sessions", &long).status, 400 | 413));
    assert_eq!(service.get("/api/v1/sessions/nobody-7").status, 404);
    assert_eq!(service.get("/nowhere").status, 404);
    let no_number = service.post("/api/v1/log/seven/retract", &json!({ "reason": "x" }));
    assert_eq!((no_number.status, no_number.problem()), (400, "wrong-input".into()));
    let page = service.get("/");
    assert!(page.policy.contains("default-src 'none'") && !page.policy.contains("unsafe"), "{}", page.policy);
    assert!(page.policy.contains("frame-ancestors 'none'"), "{}", page.policy);
    // A form without its secret.
    let cookie = service.as_browser();
    let turn = service.post("/api/v1/sessions", &sat).ok();
    let fields = [("csrf", "0"), ("session", turn["session"].as_str().unwrap()), ("say", "{\"said\":\"skip\"}")];
    assert_eq!(cookie.form("/session/say", &fields).status, 403);
    assert_eq!(service.get("/api/v1/log?person=ada&kind=QuestionSkipped").ok()["records"], json!([]));
}

#[test]
fn nobodys_text_becomes_a_page_of_its_own() {
    let home = empty_home();
    let service = Service::start(home.path(), &[]);
    let name = "<script>alert(1)</script>";
    let turn = service.post("/api/v1/sessions", &json!({ "person": name })).ok();
    say(&service, &turn, &reply(&turn)).ok();
    let seq = service.get("/api/v1/log").ok()["records"].as_array().unwrap().last().unwrap()["seq"].clone();
    service
        .post(&format!("/api/v1/log/{seq}/retract"), &json!({ "reason": "<img src=x onerror=alert(2)>\u{202e}" }))
        .ok();
    let name = coded(name);
    for path in [
        "/",
        "/log",
        &format!("/log?person={name}"),
        &format!("/values?person={name}"),
        &format!("/session?person={name}"),
        "/people",
        "/decisions",
    ] {
        let page = service.get(path);
        assert_eq!(page.status, 200, "{path}: {}", page.text);
        assert!(
            !page.text.contains("<script>") && !page.text.contains("<img") && !page.text.contains('\u{202e}'),
            "{path}"
        );
    }
}

#[test]
fn the_document_describes_what_is_there() {
    let home = empty_home();
    let service = Service::start(home.path(), &[]);
    let document = service.get("/api/v1/openapi.json").ok();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"), "{}", document["openapi"]);
    let paths: Vec<&String> = document["paths"].as_object().unwrap().keys().collect();
    for path in ["/api/v1/sessions", "/api/v1/sessions/{session}/said", "/api/v1/values", "/api/v1/log", "/health"] {
        assert!(paths.iter().any(|p| *p == path), "{path} in {paths:?}");
    }
    assert_eq!(service.get("/health").ok()["status"], "ok");
    let metrics = service.get("/metrics").text;
    assert!(
        metrics.contains("credence_request_seconds_bucket") && metrics.contains("credence_log_records 2"),
        "{metrics}"
    );
    // Another process has no way in meanwhile.
    let (_, err, code) = logs::run(home.path(), &["evidence", "retract", "2", "--reason", "x"]);
    assert_eq!(code, 4, "{err}");
}

#[test]
fn beyond_this_machine_a_token_is_asked_for_and_a_certificate_must_be_one() {
    let home = empty_home();
    let service = Service::start(home.path(), &["--listen", "0.0.0.0:0"]);
    assert_eq!(service.as_nobody().get("/api/v1/people").status, 401);
    assert_eq!(service.get("/api/v1/people").status, 200);
    service.stop();
    let wrong = home.path().join("wrong.pem");
    std::fs::write(&wrong, "no certificate").unwrap();
    let wrong = wrong.to_str().unwrap();
    let (_, err, code) =
        logs::run(home.path(), &["serve", "--listen", "127.0.0.1:0", "--tls-cert", wrong, "--tls-key", wrong]);
    assert!(code != 0 && err.contains("failed to use"), "{code}: {err}");
}

#[test]
fn many_people_answer_at_once_and_everything_is_kept() {
    let home = empty_home();
    let service = Service::start(home.path(), &[]);
    std::thread::scope(|scope| {
        for n in 0..12 {
            let service = &service;
            scope.spawn(move || {
                let mut turn = service.post("/api/v1/sessions", &json!({ "person": format!("p{n}") })).ok();
                for _ in 0..4 {
                    turn = say(service, &turn, &reply(&turn)).ok();
                }
                assert_eq!(turn["answers"], 4);
            });
        }
    });
    service.stop();
    std::thread::sleep(Duration::from_millis(10));
    assert!(done(home.path(), &["evidence", "verify"]).contains("48 of them evidence"));
}

#[test]
fn an_open_decision_is_answered_corrected_and_stopped() {
    let home = empty_home();
    let (asked, of_task) = with_decisions(home.path(), "ada");
    let service = Service::start(home.path(), &[]);
    let path = |record: u64, what: &str| format!("/api/v1/decisions/{record}{what}");
    let page = service.get("/api/v1/decisions").ok();
    let records: Vec<u64> =
        page["decisions"].as_array().unwrap().iter().map(|d| d["record"].as_u64().unwrap()).collect();
    assert_eq!((records, &page["more_before"]), (vec![of_task, asked], &json!(false)));
    let first = service.get("/api/v1/decisions?limit=1").ok();
    assert_eq!((&first["decisions"][0]["record"], &first["more_before"]), (&json!(of_task), &json!(true)));
    let before = service.get(&path(asked, "")).ok();
    assert_eq!((&before["outcome"], &before["may_stop"]), (&json!("ask"), &json!(false)));
    let pair = before["question"].as_array().unwrap().clone();
    assert_eq!(pair.len(), 2);

    // Others see none of it and do nothing.
    let made = service.post("/api/v1/tokens", &json!({ "role": "participant", "person": "bo" })).ok();
    let bo = service.with_token(made["token"].as_str().unwrap());
    assert_eq!(bo.get(&path(asked, "")).status, 403);
    assert_eq!(bo.get("/api/v1/decisions?person=ada").status, 403);
    assert_eq!(bo.get("/api/v1/decisions").ok()["decisions"], json!([]));
    for (what, body) in
        [("/answer", json!({ "answer": "first" })), ("/correct", json!({ "rather": 0 })), ("/stop", json!({}))]
    {
        assert_eq!(bo.post(&path(asked, what), &body).status, 403, "{what}");
    }

    // The answer decides.
    let decided = service.post(&path(asked, "/answer"), &json!({ "answer": "second" })).ok();
    assert_eq!(decided["outcome"], "act");
    let chosen = decided["chosen"].as_u64().unwrap() as usize;
    assert_eq!(decided["alternatives"][chosen]["text"], pair[1]);
    assert_eq!(decided["reasons"][0]["because"].as_array().map(Vec::len), Some(1), "{}", decided["reasons"]);
    let now = service.get(&path(asked, "")).ok();
    assert_eq!((&now["question"], &now["is_superseded"]), (&Value::Null, &json!(true)));
    assert_eq!(now["since"].as_array().map(Vec::len), Some(1));
    let again = service.post(&path(asked, "/answer"), &json!({ "answer": "second" }));
    assert_eq!((again.status, again.problem()), (409, "conflict".into()));

    // What was chosen is corrected by what was not.
    let act = decided["record"].as_u64().unwrap();
    let same = service.post(&path(act, "/correct"), &json!({ "rather": chosen }));
    assert_eq!((same.status, same.problem()), (422, "wrong-input".into()));
    let corrected = service.post(&path(act, "/correct"), &json!({ "rather": 1 - chosen })).ok();
    assert_eq!(corrected["since"].as_array().map(Vec::len), Some(1), "{}", corrected["since"]);
    assert_eq!(service.post(&path(asked, "/correct"), &json!({ "rather": 0 })).status, 409, "it chose nothing");
    assert_eq!(service.post(&path(act, "/stop"), &json!({})).status, 409, "it belongs to no task");

    // A task whose question is open is stopped: nothing more is asked, and it cannot be answered.
    let task = service.get(&path(of_task, "")).ok();
    assert_eq!((&task["may_stop"], task["question"].is_array()), (&json!(true), true), "{task}");
    assert_eq!(task["alternatives"][0]["by"], "person");
    let stopped = service.post(&path(of_task, "/stop"), &json!({})).ok();
    assert_eq!((&stopped["is_stopped"], &stopped["question"]), (&json!(true), &Value::Null));
    assert_eq!(service.post(&path(of_task, "/answer"), &json!({ "answer": "first" })).status, 409);
    assert_eq!(service.post(&path(of_task, "/stop"), &json!({})).status, 409);
    for record in [1, 99_999] {
        assert_eq!(service.get(&path(record, "")).status, 404);
    }
    assert_eq!(service.post(&path(asked, "/answer"), &json!({ "answer": "third" })).status, 400);
    service.stop();
    assert!(done(home.path(), &["evidence", "verify"]).contains("recorded beliefs match"));
}

#[test]
fn the_answer_to_a_tasks_question_is_acted_on_and_recorded() {
    let home = empty_home();
    let (_, of_task) = with_decisions(home.path(), "ada");
    let service = Service::start(home.path(), &[]);
    let path = format!("/decisions/{of_task}/answer");
    let browser = service.as_browser();
    assert_eq!(browser.form(&path, &[("csrf", "0"), ("answer", "first")]).status, 403, "a form of another page");
    let page = browser.get("/decisions").text;
    let csrf = page.split("name=\"csrf\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let answered = browser.form(&path, &[("csrf", &csrf), ("answer", "first")]);
    assert_eq!(answered.status, 303, "{}", answered.text);
    let log = service.get("/api/v1/log?kind=ActionTaken").ok();
    assert_eq!(log["records"].as_array().map(Vec::len), Some(1));
    let latest = service.get("/api/v1/decisions?limit=1").ok()["decisions"][0].clone();
    assert_eq!((&latest["outcome"], latest["task"].is_string()), (&json!("act"), true));
}

/// Describes two more alternatives for a task's situation, with the features of those that it has: no model is needed to add them.
fn describe_others(home: &std::path::Path, decision: u64) -> [String; 2] {
    use credence_memory::ids::AlternativeId;
    use credence_memory::record::{AlternativeDescribed, Record};
    let (mut home, _) = credence_memory::home::Home::open(home).unwrap();
    let at = jiff::Timestamp::from_second(1_790_000_200).unwrap();
    let made = home.state().decisions().iter().find(|(seq, _)| seq.0 == decision).unwrap().1.clone();
    let texts = ["wait a day", "ask somebody else to do it"].map(str::to_owned);
    for (text, like) in texts.iter().zip(&made.alternatives) {
        let like = home.state().description(like).unwrap().clone();
        let alternative = AlternativeId::of(&like.situation, text);
        let described = AlternativeDescribed { alternative, text: text.clone(), ..like };
        home.append(at, Record::AlternativeDescribed(described)).unwrap();
    }
    texts
}

#[test]
fn a_task_that_waits_goes_on_with_other_alternatives() {
    let home = empty_home();
    let (asked, of_task) = with_decisions(home.path(), "ada");
    let [wait, other] = describe_others(home.path(), of_task);
    let service = Service::start(home.path(), &["--agents-of", "ada"]);
    let path = |record: u64| format!("/api/v1/decisions/{record}/alternatives");
    let before = service.get(&format!("/api/v1/decisions/{of_task}")).ok();
    assert_eq!(before["may_reconsider"], true);
    let texts = |decision: &Value| -> Vec<Value> {
        decision["alternatives"].as_array().unwrap().iter().map(|a| a["text"].clone()).collect()
    };
    let [first, second] = <[Value; 2]>::try_from(texts(&before)).unwrap();
    let head = || service.get("/health").ok()["head"].clone();
    let untouched = head();

    // What cannot be done is told, and nothing is recorded.
    for (record, body, status) in [
        (of_task, json!({}), 422),
        (of_task, json!({ "strike": [0] }), 422),
        (of_task, json!({ "add": [" "] }), 422),
        (of_task, json!({ "add": [first] }), 422),
        (of_task, json!({ "add": [wait], "strike": [9] }), 422),
        (of_task, json!({ "more": [wait] }), 400),
        (asked, json!({ "add": [wait] }), 409),
        (99_999, json!({ "add": [wait] }), 404),
    ] {
        let answer = service.post(&path(record), &body);
        assert_eq!(answer.status, status, "{body}: {}", answer.text);
    }
    let token_of = |who: Value| service.post("/api/v1/tokens", &who).ok()["token"].as_str().unwrap().to_owned();
    let as_who = |who: Value| service.with_token(&token_of(who));
    let (ada, bo, agent) = (
        as_who(json!({ "role": "participant", "person": "ada" })),
        as_who(json!({ "role": "participant", "person": "bo" })),
        as_who(json!({ "role": "agent" })),
    );
    for (who, body) in
        [(&bo, json!({ "strike": [0] })), (&agent, json!({ "add": [wait] })), (&ada, json!({ "add": [wait] }))]
    {
        assert_eq!(who.post(&path(of_task), &body).status, 403, "{body}");
    }
    assert_eq!(head(), untouched);

    // One more is weighed with the two; the decision before is superseded.
    let wider = service.post(&path(of_task), &json!({ "add": [wait] })).ok();
    assert_eq!(texts(&wider), [first.clone(), second.clone(), json!(wait)]);
    assert_eq!((&wider["alternatives"][2]["by"], &wider["task"]), (&json!("person"), &before["task"]));
    assert_eq!(service.get(&format!("/api/v1/decisions/{of_task}")).ok()["may_reconsider"], false);
    let again = service.post(&path(of_task), &json!({ "add": [other] }));
    assert_eq!((again.status, again.problem()), (409, "conflict".into()));
    // Whose task it is may strike one themselves.
    let record = wider["record"].as_u64().unwrap();
    let fewer = ada.post(&path(record), &json!({ "strike": [1] })).ok();
    assert_eq!(texts(&fewer), [first, json!(wait)]);

    // From the page: none of these, but others.
    let record = fewer["record"].as_u64().unwrap();
    let browser = service.as_browser();
    let page = browser.get("/decisions").text;
    assert!(page.contains("None of these, or not all of them"), "{page}");
    let csrf = page.split("name=\"csrf\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let form = format!("/decisions/{record}/alternatives");
    assert_eq!(browser.form(&form, &[("csrf", "0"), ("strike", "0")]).status, 403, "a form of another page");
    assert_eq!(browser.form(&form, &[("csrf", &csrf), ("strike", "x")]).status, 400);
    let lines = format!("{other}\r\n\r\n{}\r\n", second.as_str().unwrap());
    let sent = browser.form(&form, &[("csrf", &csrf), ("add", &lines), ("strike", "all")]);
    assert_eq!(sent.status, 303, "{}", sent.text);
    let last = service.get("/api/v1/decisions?limit=1").ok()["decisions"][0].clone();
    assert_eq!(texts(&last), [json!(other), second]);

    // It goes on: its question is answered and acted on.
    assert_eq!(last["outcome"], "ask", "{last}");
    let answer = format!("/api/v1/decisions/{}/answer", last["record"]);
    let done_then = service.post(&answer, &json!({ "answer": "first" })).ok();
    assert_eq!((&done_then["outcome"], &done_then["may_reconsider"]), (&json!("act"), &json!(false)));
    let late = service.post(&path(done_then["record"].as_u64().unwrap()), &json!({ "add": [wait] }));
    assert_eq!(late.status, 409, "it is done");
    service.stop();
    assert!(done(home.path(), &["evidence", "verify"]).contains("recorded beliefs match"));
    done(home.path(), &["replay", "--verify"]);
}

/// A run, once it does not work any more.
fn rested(service: &Service, run: &str) -> Value {
    for _ in 0..1_200 {
        let view = service.get(&format!("/api/v1/experiments/{run}")).ok();
        if view["standing"] != "running" {
            return view;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("the run {run} does not end");
}

/// An experiment of so many cells.
fn experiment(seeds: usize) -> String {
    format!(
        r#"name = "mine"
about = "A few cells."
dimension = 3
questions = 10
measured_at = [0, 10]
target_nats = 0.08
seeds = {:?}
strategies = ["random"]
learners = ["single_prior"]
[settings]
signal_scales = [1.5]
bands = [0.3]
slow_drift_weight = 0.0
[[prior]]
name = "start"
angle_degrees = [0.0]
confidence = [0.2]
[[person]]
name = "plain"
signal = [4.0]
lapse_rate = 0.02
"#,
        (1..=seeds).collect::<Vec<_>>()
    )
}

#[test]
fn experiments_run_beside_the_service_stop_go_on_and_outlive_it() {
    let home = empty_home();
    let service = Service::start(home.path(), &[]);
    let given = service.get("/api/v1/experiments").ok();
    assert!(given["given"].as_array().unwrap().iter().any(|g| g["name"] == "first"), "{given}");
    for (body, status) in [
        (json!({ "toml": "name = 7" }), 422),
        (json!({ "given": "nothing" }), 404),
        (json!({}), 422),
        (json!({ "given": "first", "toml": experiment(1) }), 422),
    ] {
        assert_eq!(service.post("/api/v1/experiments", &body).status, status, "{body}");
    }
    let short = service.post("/api/v1/experiments", &json!({ "toml": experiment(3) })).ok();
    assert_eq!((&short["run"], &short["cells"]), (&json!("mine-1"), &json!(3)));
    let followed = service.get("/api/v1/experiments/mine-1/events");
    let events: Vec<&str> = followed.text.lines().filter_map(|line| line.strip_prefix("data: ")).collect();
    let last: Value = serde_json::from_str(events.last().unwrap()).unwrap();
    assert_eq!((&last["standing"], &last["done"]), (&json!("done"), &json!(3)), "{}", followed.text);
    let done = rested(&service, "mine-1");
    assert_eq!(
        (&done["standing"], &done["done"], &done["has_report"]),
        (&json!("done"), &json!(3), &json!(true)),
        "{done}"
    );
    let report = service.get("/api/v1/experiments/mine-1/report");
    assert!(report.text.starts_with("<!") && report.policy.contains("sandbox"), "{}", report.policy);

    // A long one is stopped, goes on, and is cut short with the service.
    let long = service.post("/api/v1/experiments", &json!({ "toml": experiment(8_000) })).ok();
    assert_eq!((&long["run"], &long["standing"]), (&json!("mine-2"), &json!("running")));
    let second = service.post("/api/v1/experiments", &json!({ "given": "first" }));
    assert_eq!((second.status, second.problem()), (409, "conflict".into()), "one at a time");
    let turn = service.post("/api/v1/sessions", &json!({ "person": "ada" })).ok();
    assert_eq!(turn["question"]["number"], 1, "people answer meanwhile");
    let stopped = service.post("/api/v1/experiments/mine-2/stop", &json!({})).ok();
    assert_eq!(stopped["standing"], "stopped");
    assert_eq!(service.post("/api/v1/experiments/mine-2/stop", &json!({})).status, 409);
    assert_eq!(service.post("/api/v1/experiments/mine-2/go-on", &json!({})).ok()["standing"], "running");
    assert_eq!(service.post("/api/v1/experiments/mine-1/go-on", &json!({})).status, 409, "that one is at work");
    service.kill();
    let service = Service::start(home.path(), &[]);
    let runs = service.get("/api/v1/experiments").ok()["runs"].clone();
    let found: Vec<(&str, &str)> = runs
        .as_array()
        .unwrap()
        .iter()
        .map(|r| (r["run"].as_str().unwrap(), r["standing"].as_str().unwrap()))
        .collect();
    assert_eq!(found, [("mine-2", "stopped"), ("mine-1", "done")]);
    assert_eq!(service.post("/api/v1/experiments/mine-1/go-on", &json!({})).status, 409, "it is done");
    // A folder that another program damaged fails, and says why.
    std::fs::create_dir_all(home.path().join("experiments/mine-2/out")).unwrap();
    std::fs::write(home.path().join("experiments/mine-2/out/cells.jsonl"), "no journal\n").unwrap();
    service.post("/api/v1/experiments/mine-2/go-on", &json!({})).ok();
    let failed = rested(&service, "mine-2");
    assert_eq!(failed["standing"], "failed");
    assert!(failed["said"].as_str().unwrap().contains("cells.jsonl"), "{failed}");
    // The owner's only.
    let made = service.post("/api/v1/tokens", &json!({ "role": "facilitator" })).ok();
    let facilitator = service.with_token(made["token"].as_str().unwrap());
    for path in ["/api/v1/experiments", "/experiments", "/api/v1/experiments/mine-1/report", "/experiments/mine-1"] {
        assert_eq!(facilitator.get(path).status, 403, "{path}");
    }
    assert_eq!(facilitator.post("/api/v1/experiments", &json!({ "given": "first" })).status, 403);
    for name in ["..", "%2e%2e%2fevidence", "mine-9"] {
        assert_eq!(service.get(&format!("/api/v1/experiments/{name}")).status, 404, "{name}");
    }
    service.stop();
}

/// Choices of two people between two things, as a file.
const CHOICES: &str = "person,first,second,chosen\nada,walk,cycle,first\nbo,walk,cycle,second\nada,read,sing,neither\n";

/// What was acknowledged is not said to be there where somebody took it away.
#[test]
fn a_log_that_was_cut_or_removed_under_the_service_is_said_to_be_that() {
    for is_removed in [true, false] {
        let home = empty_home();
        let service = Service::start(home.path(), &[]);
        let looked_at = service.file("/api/v1/imports?format=csv", CHOICES).ok();
        let log = home.path().join("evidence/log.jsonl");
        match is_removed {
            true => fs::remove_file(&log).unwrap(),
            false => {
                let file = fs::OpenOptions::new().write(true).open(&log).unwrap();
                file.set_len(file.metadata().unwrap().len() - 9).unwrap();
            }
        }
        let commit = format!("/api/v1/imports/{}/commit?format=csv", looked_at["import"].as_str().unwrap());
        let answer = service.post(&commit, &json!({}));
        assert!(
            answer.text.contains("\"log-changed\"") && answer.text.contains("records are gone from it"),
            "{}",
            answer.text
        );
        assert!(!answer.text.contains("nothing that was acknowledged is lost"), "{}", answer.text);
    }
}

#[test]
fn a_file_is_looked_at_first_and_then_brought_in_once() {
    let home = empty_home();
    let service = Service::start(home.path(), &[]);
    let records = |service: &Service| service.get("/health").ok()["head"].as_u64().unwrap();
    let before = records(&service);
    let looked_at = service.file("/api/v1/imports?format=csv", CHOICES).ok();
    let found = &looked_at["found"];
    assert_eq!((&found["dry_run"], &found["evidence"], &found["people"]), (&json!(true), &json!(3), &json!(2)));
    assert_eq!((&found["new_statements"], &found["records"]), (&json!(4), &Value::Null));
    assert_eq!(records(&service), before, "nothing was changed");
    let commit = format!("/api/v1/imports/{}/commit?format=csv", looked_at["import"].as_str().unwrap());
    let brought_in = service.post(&commit, &json!({})).ok()["found"].clone();
    let [first, last] = [0, 1].map(|n| brought_in["records"][n].as_u64().unwrap());
    assert_eq!((first, last, &brought_in["evidence"]), (before + 1, records(&service), &json!(3)));
    let again = service.post(&commit, &json!({})).ok()["found"].clone();
    assert_eq!((&again["evidence"], &again["known"], &again["records"]), (&json!(0), &json!(3), &Value::Null));
    assert_eq!(records(&service), last, "the same again brings nothing");

    // What the command says of a file, the service says of it.
    for (content, says) in [
        ("person,first,second\nada,a,b\n", "no column"),
        ("person,first,second,chosen\nada,a,b,third\n", "line 2"),
        ("person,first,second,chosen\nada,a,a,first\n", "both alternatives are the same"),
        ("", "holds no evidence"),
    ] {
        let refused = service.file("/api/v1/imports?format=csv", content);
        assert_eq!((refused.status, refused.problem()), (422, "wrong-input".into()), "{content}");
        assert!(refused.text.contains(says) && !refused.text.contains("serve/imports"), "{}", refused.text);
    }
    let left_out = service.file("/api/v1/imports?format=csv&skip_bad=true", &format!("{CHOICES}ada,a,a,first\n")).ok();
    assert_eq!(left_out["found"]["left_out"].as_array().map(Vec::len), Some(1), "{left_out}");
    let trl = "{\"prompt\":\"p\",\"chosen\":\"a\",\"rejected\":\"b\"}\n";
    assert!(service.file("/api/v1/imports?format=trl", trl).text.contains("say whose they are"));
    assert_eq!(service.file("/api/v1/imports?format=trl&person=cy", trl).ok()["found"]["people"], 1);
    for path in ["/api/v1/imports?format=xml", "/api/v1/imports", "/api/v1/imports?format=csv&dry=1"] {
        assert_eq!(service.file(path, CHOICES).status, 400, "{path}");
    }
    for name in ["..%2Ftokens.jsonl", &"0".repeat(64)] {
        assert_eq!(service.post(&format!("/api/v1/imports/{name}/commit?format=csv"), &json!({})).status, 404);
    }
    let too_large = service.file("/api/v1/imports?format=csv", &"x".repeat((32 << 20) + 1));
    assert_eq!((too_large.status, too_large.problem()), (413, "too-large".into()));

    // Facilitators do so too, others do not.
    let token = |body: Value| service.post("/api/v1/tokens", &body).ok()["token"].as_str().unwrap().to_owned();
    let facilitator = service.with_token(&token(json!({ "role": "facilitator" })));
    facilitator.file("/api/v1/imports?format=csv", CHOICES).ok();
    for body in [json!({ "role": "participant", "person": "ada" }), json!({ "role": "agent" })] {
        let other = service.with_token(&token(body));
        assert_eq!(other.file("/api/v1/imports?format=csv", CHOICES).status, 403);
        assert_eq!(other.post(&commit, &json!({})).status, 403);
    }
    service.stop();
    // By the command it is the same file still.
    let path = home.path().join("choices.csv");
    std::fs::write(&path, CHOICES).unwrap();
    let known = command_json(home.path(), &["evidence", "import", "csv", path.to_str().unwrap()]);
    assert_eq!((&known["known"], &known["records"]), (&json!(3), &Value::Null), "{known}");
    assert!(done(home.path(), &["evidence", "verify"]).contains("3 of them evidence"));
}

#[test]
fn who_was_asked_different_things_is_placed_by_values() {
    let home = empty_home();
    let service = Service::start(home.path(), &[]);
    for (n, person) in ["ada", "bo", "cy", "di"].into_iter().enumerate() {
        let mut turn = service.post("/api/v1/sessions", &json!({ "person": person })).ok();
        for k in 0..5 {
            let say_this = match turn["question"]["kind"].as_str().unwrap() {
                "choice" => json!({ "said": "choose", "index": (n + k) % 2 }),
                "portrait" => json!({ "said": "rate", "level": if (n + k) % 2 == 0 { 6 } else { 1 } }),
                _ => json!({ "said": "best_and_worst", "best": n % 4, "worst": (n + 1) % 4 }),
            };
            turn = say(&service, &turn, &say_this).ok();
        }
    }
    let page = service.get("/people").text;
    for says in ["Where people stand by their values", "not of who answered alike", "Further to the right: "] {
        assert!(page.contains(says), "{says}: {page}");
    }
    assert_eq!(page.matches("<circle").count(), 4, "{page}");
    let shared = service.get("/people/page.html").text;
    assert!(shared.contains("Where people stand by their values"));
    assert!(["ada", "bo", "cy", "di"].iter().all(|name| !shared.contains(&format!(">{name}<"))), "{shared}");
    // The same by the API, and to the same people only.
    let together = service.get("/api/v1/people/together").ok();
    assert_eq!(together["values"]["points"].as_array().map(Vec::len), Some(4), "{together}");
    assert_eq!(together["conversations"], json!([]));
    let csv = service.get("/api/v1/people/answers.csv");
    assert!(csv.kind.starts_with("text/csv") && csv.text.lines().count() > 10, "{}", csv.text);
    let model = service.get("/api/v1/model").ok();
    assert_eq!((&model["header"]["values"], &model["generations"]), (&json!(18), &json!([])), "{model}");
    assert!(model["prior"]["values"].as_array().is_some_and(|values| values.len() == 18));
    let made = service.post("/api/v1/tokens", &json!({ "role": "participant", "person": "ada" })).ok();
    let ada = service.with_token(made["token"].as_str().unwrap());
    for path in ["/api/v1/people/together", "/api/v1/people/answers.csv", "/api/v1/model"] {
        assert_eq!(ada.get(path).status, 403, "{path}");
    }
    service.stop();
}

/// A Polis export of a conversation, as its files are downloaded.
fn polis(comments: &str, votes: &str) -> Vec<u8> {
    use std::io::Write;
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, content) in [("comments.csv", comments), ("votes.csv", votes)] {
        let name = format!("town/2026-01-31-1200-7town-{name}");
        zip.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(content.as_bytes()).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

#[test]
fn a_polis_export_comes_in_as_an_archive_or_as_files_and_says_what_it_marks() {
    const COMMENTS: &str = "timestamp,datetime,comment-id,author-id,agrees,disagrees,moderated,comment-body\n\
        1700000000,,0,1,2,1,1,Buses should run at night.\n\
        1700000001,,1,1,1,2,-1,This is no opinion.\n";
    const VOTES: &str = "timestamp,datetime,comment-id,voter-id,vote\n\
        1700000010,,0,1,1\n1700000011,,0,2,1\n1700000012,,0,3,-1\n\
        1700000013,,1,1,1\n1700000014,,1,2,-1\n1700000015,,1,3,-1\n";
    let home = empty_home();
    let service = Service::start(home.path(), &[]);
    let send = |bytes: &[u8], how: &str| {
        service.bytes(&format!("/api/v1/imports?format=polis{how}"), "application/zip", bytes)
    };
    let looked_at = send(&polis(COMMENTS, VOTES), "").ok();
    let found = &looked_at["found"];
    assert_eq!((&found["evidence"], &found["people"], &found["marked"]), (&json!(6), &json!(3), &json!(1)), "{found}");
    assert_eq!(found["marks"][0]["statement"], "This is no opinion.");
    assert_eq!(found["marks"][0]["counts"], false);
    let commit = format!("/api/v1/imports/{}/commit?format=polis", looked_at["import"].as_str().unwrap());
    service.post(&commit, &json!({})).ok();
    assert!(service.get("/api/v1/people").text.contains("polis:7town:1"));
    let town = service.get("/api/v1/people/together?conversation=7town").ok();
    assert_eq!(town["view"]["items"][0]["text"], "Buses should run at night.", "{town}");
    assert!(service.get("/people?conversation=7town").text.contains("2 of 3"), "how many of a group agree");
    // The next state of the conversation counts it again, and has a row that cannot be read.
    let (comments, votes) = (COMMENTS.replace(",-1,This", ",1,This"), format!("{VOTES}1700000016,,1,4,7\n"));
    let refused = send(&polis(&comments, &votes), "");
    assert_eq!(refused.status, 422, "{}", refused.text);
    let again = send(&polis(&comments, &votes), "&skip_bad=true").ok();
    assert_eq!((&again["found"]["known"], &again["found"]["unmarked"]), (&json!(6), &json!(1)), "{again}");
    assert_eq!(again["found"]["marks"][0]["counts"], true);
    let row = again["found"]["left_out"][0].as_str().unwrap();
    assert!(row.starts_with("2026-01-31-1200-7town-votes.csv, line 8"), "{row}");
    // On the page: several files at once.
    let home_page = service.get("/people").text;
    let csrf = home_page.split("name=\"csrf\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let part = |disposition: &str, content: &str| {
        format!("--xyz\r\nContent-Disposition: form-data; {disposition}\r\n\r\n{content}\r\n")
    };
    let form = [
        part("name=\"csrf\"", &csrf),
        part("name=\"format\"", "polis"),
        part("name=\"skip_bad\"", "true"),
        part("name=\"file\"; filename=\"2026-01-31-1200-7town-comments.csv\"", &comments),
        part("name=\"file\"; filename=\"2026-01-31-1200-7town-votes.csv\"", &votes),
        "--xyz--\r\n".to_owned(),
    ]
    .concat();
    let page = service.as_it_is("/people/import", "multipart/form-data; boundary=xyz", &form);
    assert_eq!(page.status, 200, "{}", page.text);
    for says in ["Statements that count again", "This is no opinion.", "votes.csv, line 8", "Bring it in"] {
        assert!(page.text.contains(says), "{says}: {}", page.text);
    }
    for (bytes, says) in [(&b"comment-id"[..], "no zip archive"), (&polis("", "")[..], "votes.csv holds no evidence")] {
        let refused = send(bytes, "");
        assert_eq!(refused.status, 422, "{}", refused.text);
        assert!(refused.text.contains(says) && !refused.text.contains("serve/imports"), "{}", refused.text);
    }
    service.stop();
}

#[test]
fn a_full_disk_is_told_and_loses_nothing() {
    use rustix::process::{Resource, Rlimit, prlimit};
    let home = empty_home();
    let service = Service::start_under("trap '' XFSZ", home.path(), &[]);
    let log = home.path().join("evidence/log.jsonl");
    let mut turn = service.post("/api/v1/sessions", &json!({ "person": "ada" })).ok();
    turn = say(&service, &turn, &reply(&turn)).ok();
    let room = |bytes: Option<u64>| {
        let limit = Rlimit { current: bytes, maximum: None };
        prlimit(Some(service.process()), Resource::Fsize, limit).unwrap();
    };
    // Room for part of a record, then for the answer and not for the next question, then for all.
    let records = || std::fs::read_to_string(&log).unwrap().lines().count();
    let before = records();
    room(Some(std::fs::metadata(&log).unwrap().len() + 100));
    let refused = say(&service, &turn, &reply(&turn));
    assert_eq!((refused.status, refused.problem()), (507, "disk".into()), "{}", refused.text);
    assert_eq!(records(), before, "nothing half written stands in the log");
    assert_eq!(service.get("/health").status, 200);
    room(Some(std::fs::metadata(&log).unwrap().len() + 1_000));
    let halfway = say(&service, &turn, &reply(&turn));
    assert!(matches!(halfway.status, 200 | 507), "{}", halfway.text);
    room(None);
    let after = say(&service, &turn, &reply(&turn)).ok();
    assert_eq!((&after["answers"], &after["question"]["number"]), (&json!(2), &json!(3)), "{after}");
    let next = say(&service, &after, &reply(&after)).ok();
    assert_eq!(next["answers"], 3);
    service.stop();
    assert!(done(home.path(), &["evidence", "verify"]).contains("3 of them evidence"));
}

#[test]
fn connections_are_bounded_and_whoever_says_nothing_holds_up_nobody() {
    let home = empty_home();
    let service = Service::start_under("ulimit -n 300", home.path(), &[]);
    let address = service.base.strip_prefix("http://").unwrap().to_owned();
    let connect = || std::net::TcpStream::connect(&address).unwrap();
    // 300 files, of which 256 are kept for other things: 44 connections.
    let mut silent: Vec<_> = (0..60).map(|_| connect()).collect();
    std::thread::sleep(Duration::from_millis(500));
    let is_closed = |stream: &mut std::net::TcpStream| {
        stream.set_nonblocking(true).unwrap();
        let read = std::io::Read::read(stream, &mut [0]);
        !read.is_err_and(|e| e.kind() == std::io::ErrorKind::WouldBlock)
    };
    let closed = silent.iter_mut().map(is_closed).filter(|closed| *closed).count();
    assert!((10..=55).contains(&closed), "{closed} of 60 were closed");
    drop(silent);
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(service.get("/health").status, 200);
}

#[test]
fn a_decision_that_probes_held_back_shows_what_was_read_and_what_that_rests_on() {
    use credence_memory::home::Home;
    use credence_memory::record::{DecisionMade, MotivePart, Outcome, Record};
    use credence_memory::sample::motive_read;
    let home = empty_home();
    let (asked, _) = with_decisions(home.path(), "ada");
    let held = {
        let (mut home, _) = Home::open(home.path()).unwrap();
        let at = jiff::Timestamp::from_second(1_790_000_200).unwrap();
        let made = home.state().decisions().iter().find(|(seq, _)| seq.0 == asked).unwrap().1.clone();
        let read =
            motive_read("ada", made.alternatives[0], MotivePart::Proposed, &[("flatters", 1.5), ("deceives", 4.5)]);
        let read = home.append(at, Record::MotiveRead(read)).unwrap().0.seq;
        let outcome = Outcome::Defer { because: "a probe reads the motive \"deceives\" in it".into() };
        home.append(at, Record::DecisionMade(DecisionMade { outcome, motives: vec![read], ..made })).unwrap().0.seq.0
    };
    let service = Service::start(home.path(), &[]);
    let told = service.get(&format!("/api/v1/decisions/{held}")).ok();
    let read = &told["motives"][0];
    assert_eq!((&told["outcome"], &read["part"], &read["alarm"]), (&json!("defer"), &json!("proposed"), &json!(true)));
    assert_eq!((&read["readings"][0]["motive"], &read["readings"][0]["auroc"]), (&json!("deceives"), &json!(0.75)));
    assert_eq!(service.get(&format!("/api/v1/decisions/{asked}")).ok()["motives"], json!([]));
    let page = service.as_browser().get("/decisions").text;
    for part in [
        "above the bar",
        "deceives: 0.99",
        "AUROC 0.75 [0.62, 0.88]",
        "words alone 0.50",
        "at most 1% of ordinary texts",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    let log = service.get("/api/v1/log?kind=MotiveRead").ok();
    assert!(log["records"][0]["said"].as_str().unwrap().contains("above the bar for deceives"), "{log}");
    service.stop();
    // Nothing of it needs a model, and it says nothing about anybody's values.
    assert!(done(home.path(), &["replay", "--person", "ada"]).contains("left to the person"));
    assert!(done(home.path(), &["explain", &held.to_string()]).contains("above the bar"));
}
