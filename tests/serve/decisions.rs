//! Decisions: answered, corrected, stopped, gone on with.

use crate::logs::done;
use crate::served::{Service, empty_home, with_decisions};
use serde_json::{Value, json};

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
        "a probe reads the motive",
        "above the bar",
        "deceives: 0.99",
        "AUROC 0.75 [0.62, 0.88]",
        "words alone 0.50",
        "from 320 texts",
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
