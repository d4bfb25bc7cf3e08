//! `credence values` and evidence in words, end to end on logs made by the library.

mod logs;

use std::fs;

use credence_memory::ids::{Seq, ValueId};
use credence_memory::record::{ImportanceStated, Record, Retracted, Strength};
use logs::{Scribe, done, fails, from, json, two_people};
use tempfile::TempDir;

fn home() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    two_people(dir.path());
    dir
}

#[test]
fn the_page_comes_in_every_form() {
    let home = home();
    let args = |form: &'static str| ["values", "--person", "ada", form];
    let text = done(home.path(), &args("--person")[..3]);
    for part in ["What matters to ada", "What matters most to you", "What is still open", "How well you were predicted"]
    {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(done(home.path(), &args("--markdown")).starts_with("# What matters to ada"));
    assert!(done(home.path(), &args("--svg")).starts_with("<svg"));
    let page = done(home.path(), &args("--html"));
    assert!(page.starts_with("<!DOCTYPE html>") && page.contains("<svg") && !page.contains("<script"), "{page}");
    let file = home.path().join("page.html");
    done(home.path(), &["values", "--person", "ada", "--html", "--output", file.to_str().unwrap()]);
    assert_eq!(fs::read_to_string(&file).unwrap().trim_end(), page.trim_end());
    for (form, hidden) in [("--html", "text:"), ("--markdown", "judgement"), ("--svg", "text:")] {
        assert!(!done(home.path(), &args(form)).contains(hidden), "{form}");
    }
    // At most one form.
    assert_eq!(logs::run(home.path(), &["values", "--html", "--svg"]).2, 2);
}

#[test]
fn values_are_one_number_everywhere_and_relative_to_the_average() {
    let home = home();
    let page = json(home.path(), &["values", "--person", "ada"]);
    let values = page["values"]["values"].as_array().unwrap();
    let mean = |v: &serde_json::Value| v["mean"].as_f64().unwrap();
    assert!(values.iter().map(mean).sum::<f64>().abs() < 0.02, "contrasts to the average sum to nothing: {values:?}");
    let mut ranks: Vec<u64> = values.iter().map(|v| v["rank"].as_u64().unwrap()).collect();
    ranks.sort_unstable();
    assert!(ranks.iter().zip(1..).all(|(rank, n)| *rank == n));
    let replay = json(home.path(), &["replay", "--person", "ada"]);
    for value in values {
        let id = value["id"].as_str().unwrap();
        let explained = json(home.path(), &["explain", id, "--person", "ada"]);
        assert!((mean(&explained) - mean(value)).abs() < 1e-9, "{id}");
        assert_eq!(value["sure"], value["low"].as_f64() > Some(0.0) || value["high"].as_f64() < Some(0.0));
        let replayed = replay["people"][0]["values"]["values"].as_array().unwrap();
        let same = replayed.iter().find(|v| v["id"] == id).unwrap();
        assert!((mean(same) - mean(value)).abs() < 1e-9, "{id}");
    }
}

#[test]
fn an_earlier_day_and_nobody_yet() {
    let home = home();
    let early = json(home.path(), &["values", "--person", "ada", "--at", "12"]);
    assert_eq!((&early["through"], &early["values"]["answers"]), (&12.into(), &1.into()));
    assert!(done(home.path(), &["values", "--person", "eve"]).contains("Nothing is known of you yet"));
    fails(home.path(), &["values", "--at", "99"], 3, "the log has no record 99");
    let empty = tempfile::tempdir().unwrap();
    fails(empty.path(), &["values"], 3, "no evidence log");
}

#[test]
fn evidence_is_told_in_words() {
    let dir = tempfile::tempdir().unwrap();
    let mut scribe = Scribe::begin(dir.path(), "in-words");
    let answer = scribe.ask("ada", 0, 1, Some(0));
    let stated = scribe.write(Record::ImportanceStated(ImportanceStated {
        from: from("ada"),
        more: Some(ValueId::new("honesty").unwrap()),
        less: None,
        strength: Strength::Strong,
        words: "honesty >> all".into(),
        misreading: None,
        conditions: Vec::new(),
        at_least: true,
    }));
    let text = scribe.0.state().descriptions()[0].text.clone();
    scribe.write(Record::Retracted(Retracted { target: Seq(answer), reason: "a slip".into() }));
    drop(scribe);
    let list = done(dir.path(), &["evidence", "list"]);
    assert!(list.contains(&format!("chose {text:?} over ")), "{list}");
    assert!(list.contains("said that Honesty matters much more than values in general"), "{list}");
    let shown: serde_json::Value =
        serde_json::from_str(&done(dir.path(), &["evidence", "show", &answer.to_string()])).unwrap();
    assert_eq!(shown["withdrawn"], true);
    assert!(shown["in_words"].as_str().unwrap().contains(&text));
    let why = done(dir.path(), &["explain", "Honesty", "--person", "ada"]);
    assert!(why.contains(&format!("record {stated}")) && why.contains("said that Honesty"), "{why}");
    let page = json(dir.path(), &["values", "--person", "ada"]);
    assert_eq!((&page["values"]["answers"], &page["values"]["statements"]), (&0.into(), &1.into()));
}

#[test]
fn somebody_the_log_does_not_know_is_said_to_be_unknown() {
    let (_, said, code) = logs::run(home().path(), &["values", "--person", "eve"]);
    assert!(code == 0 && said.contains("nothing of eve (it has of ada, bob)"), "{said}");
}
