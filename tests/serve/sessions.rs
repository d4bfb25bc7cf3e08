//! Sessions by the API: answered, followed, taken up after a kill, many at once.

use std::time::Duration;

use crate::logs::{done, json as command_json};
use crate::served::{Service, coded, empty_home};
use crate::{events, reply, say};
use serde_json::{Value, json};

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
