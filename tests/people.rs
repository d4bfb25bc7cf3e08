//! `credence people`, end to end on a log made by the library and votes that are imported: no language model is needed.

mod logs;

use std::fmt::Write;
use std::fs;

use logs::{Scribe, done, fails, json, run, two_people};
use tempfile::TempDir;

/// Two camps of twelve who disagree about everything but the last two statements; one more says what the first says.
fn conversation() -> TempDir {
    let dir = tempfile::tempdir().expect("a directory");
    let mut comments =
        String::from("timestamp,datetime,comment-id,author-id,agrees,disagrees,moderated,comment-body\n");
    let mut votes = String::from("timestamp,datetime,comment-id,voter-id,vote\n");
    for item in 0..14 {
        writeln!(comments, "1,x,{item},0,1,0,1,Statement number {item}").expect("a line");
    }
    for voter in 0..25u32 {
        for item in 0..14u32 {
            let who = if voter == 24 { 0 } else { voter };
            let slip = (who * 7 + item * 5).is_multiple_of(13);
            let agrees = item >= 12 || (who % 2 == 0) == (item % 2 == 0);
            let vote = if agrees != slip { 1 } else { -1 };
            writeln!(votes, "17000000{:05},x,{item},{voter},{vote}", voter * 20 + item).expect("a line");
        }
    }
    fs::write(dir.path().join("comments.csv"), comments).expect("a file");
    fs::write(dir.path().join("votes.csv"), votes).expect("a file");
    dir
}

fn home() -> (TempDir, TempDir) {
    let (home, data) = (tempfile::tempdir().expect("a directory"), conversation());
    two_people(home.path());
    let path = data.path().to_str().expect("a path");
    done(home.path(), &["evidence", "import", "polis", path, "--name", "town"]);
    (home, data)
}

#[test]
fn groups_are_shown_with_what_unites_and_divides() {
    let (home, _data) = home();
    let view = json(home.path(), &["people"]);
    assert_eq!(view["groups"].as_array().map(Vec::len), Some(2), "{}", view["numbers"]);
    let probability: f64 =
        view["numbers"].as_array().expect("numbers").iter().map(|n| n["probability"].as_f64().expect("a number")).sum();
    assert!((probability - 1.0).abs() < 1e-6);
    let items = view["items"].as_array().expect("items");
    let find = |text: &str| items.iter().find(|i| i["text"] == text).unwrap_or_else(|| panic!("no {text}"));
    assert!(find("Statement number 12")["unites"].as_f64() > Some(0.7));
    assert!(find("Statement number 3")["divides"].as_f64() > Some(0.5));
    assert_eq!(view["people"].as_array().map(Vec::len), Some(27));
    let text = done(home.path(), &["people"]);
    for said in ["How many groups?", "Group 2", "What unites", "What divides", "polis:town:3"] {
        assert!(text.contains(said), "{said}: {text}");
    }
    assert_eq!(json(home.path(), &["people"]), view, "the same log is seen the same way");
}

#[test]
fn a_population_is_learned_asked_for_audited_and_left() {
    let (home, _data) = home();
    let learned = json(home.path(), &["people", "consolidate"]);
    assert_eq!((&learned["people"], &learned["parts"]), (&27.into(), &10.into()));
    let shares = learned["components"].as_array().expect("shares of people");
    assert!((shares.iter().filter_map(serde_json::Value::as_f64).sum::<f64>() - 1.0).abs() < 1e-9, "{shares:?}");
    assert!(done(home.path(), &["people", "consolidate"]).contains("Their values lie around "));
    done(home.path(), &["evidence", "verify"]);
    let replay = json(home.path(), &["replay", "--person", "ada"]);
    assert!(replay.to_string().contains("population"), "the location stands in ada's mixture: {replay}");
    let asks = json(home.path(), &["people", "ask", "--at-hand", "ada", "--at-hand", "bob"]);
    let asks = asks.as_array().expect("questions");
    assert!(!asks.is_empty() && asks.iter().all(|a| a["gain_nats"].as_f64() >= Some(0.0)), "{asks:?}");
    let influence = json(home.path(), &["people", "influence"]);
    assert_eq!(influence["sources"].as_array().map(Vec::len), Some(2));
    done(home.path(), &["people", "quarantine", "polis:town:24", "--reason", "a copy"]);
    assert_eq!(json(home.path(), &["people", "consolidate"])["people"], 26);
    done(home.path(), &["people", "quarantine", "polis:town:24", "--lift"]);
    assert_eq!(json(home.path(), &["people", "consolidate"])["people"], 27);
    done(home.path(), &["people", "quarantine", "--source", "import:polis:town", "--reason", "all of it"]);
    assert_eq!(json(home.path(), &["people", "consolidate"])["people"], 2);
    let (out, _, code) = run(home.path(), &["replay", "--verify"]);
    assert_eq!(code, 0, "{out}");
}

#[test]
fn erasing_somebody_reaches_the_population_that_was_learned_from_them() {
    let (home, _data) = home();
    done(home.path(), &["people", "consolidate"]);
    done(home.path(), &["evidence", "erase", "--person", "bob", "--yes-erase", "bob"]);
    let log = fs::read_to_string(home.path().join("evidence/log.jsonl")).expect("a log");
    assert!(!log.contains("\"bob\"") && !log.contains("PopulationConsolidated"), "bob is gone");
    done(home.path(), &["replay", "--verify"]);
}

#[test]
fn what_cannot_be_done_is_said() {
    let home = tempfile::tempdir().expect("a directory");
    fails(home.path(), &["people"], 3, "no evidence log");
    Scribe::begin(home.path(), "empty");
    fails(home.path(), &["people"], 3, "0 people have answered");
    fails(home.path(), &["people", "consolidate"], 3, "two people or more");
    fails(home.path(), &["people", "quarantine", "eve"], 3, "eve");
    fails(home.path(), &["people", "quarantine"], 2, "");
    let two = tempfile::tempdir().expect("a directory");
    two_people(two.path());
    fails(two.path(), &["people", "--source-cap", "0"], 2, "0.001 to 1");
    fails(two.path(), &["people", "ask", "--at-hand", "eve"], 3, "eve");
}
