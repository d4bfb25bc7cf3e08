//! `credence replay` and `credence explain`, end to end on logs made by the library.

mod logs;

use std::fs;
use std::path::Path;

use logs::{Scribe, done, fails, json, prior, run, two_people};
use serde_json::Value;
use tempfile::TempDir;

fn home() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    two_people(dir.path());
    dir
}

fn person<'a>(replay: &'a Value, name: &str) -> &'a Value {
    replay["people"].as_array().unwrap().iter().find(|p| p["person"] == name).unwrap()
}

#[test]
fn a_replay_finds_what_was_believed() {
    let home = home();
    let all = json(home.path(), &["replay", "--verify"]);
    assert_eq!((&all["through"], &all["evidence"], &all["digests_checked"]), (&25.into(), &5.into(), &5.into()));
    assert_eq!(all["digests_wrong"], Value::Array(vec![]));
    assert_eq!(person(&all, "ada")["score"]["answers"], 4);
    assert!(all["log_loss"].as_f64().unwrap() > 0.0);
    let bins = all["score"]["calibration"].as_array().unwrap();
    assert_eq!(bins.iter().map(|b| b["count"].as_u64().unwrap()).sum::<u64>(), 15, "three outcomes for each answer");
    let text = done(home.path(), &["replay", "--verify"]);
    for part in ["ada: 4 answers", "bob: 1 answer", "mean log loss", "calibration error", "5 recorded beliefs match"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    // A file, a home and the default are the same log.
    let log = home.path().join("evidence/log.jsonl");
    let by_file = json(Path::new("/nonexistent"), &["replay", log.to_str().unwrap(), "--verify"]);
    assert_eq!(by_file, all);
    assert_eq!(json(Path::new("/nonexistent"), &["replay", home.path().to_str().unwrap(), "--verify"]), all);
}

#[test]
fn a_false_digest_is_exit_code_9() {
    let dir = tempfile::tempdir().unwrap();
    let mut scribe = Scribe::begin(dir.path(), "false-digest");
    scribe.ask("ada", 0, 1, Some(0));
    let through = scribe.0.state().head().0;
    let digest = credence_memory::ids::Hash::of(b"something else");
    let record = credence_memory::record::BeliefRecorded { person: logs::id("ada"), through, digest };
    let wrong = scribe.write(credence_memory::record::Record::BeliefRecorded(record));
    drop(scribe);
    fails(dir.path(), &["replay", "--verify"], 9, &format!("1 of 2 recorded beliefs do not match: records {wrong}"));
    fails(dir.path(), &["evidence", "verify"], 9, &wrong.to_string());
    done(dir.path(), &["replay"]);
}

#[test]
fn it_stops_where_it_is_told_to() {
    let home = home();
    let by_seq = json(home.path(), &["replay", "--until", "15"]);
    assert_eq!((&by_seq["through"], &by_seq["evidence"]), (&15.into(), &2.into()));
    assert_eq!(json(home.path(), &["replay", "--until", "2026-01-01T00:15:30Z"]), by_seq);
    let bob = json(home.path(), &["replay", "--person", "bob"]);
    assert_eq!(bob["people"].as_array().unwrap().len(), 1);
    fails(home.path(), &["replay", "--person", "eve"], 3, "no person \"eve\"");
    fails(home.path(), &["replay", "--until", "yesterday"], 2, "expected a record's number or a time");
    fails(home.path(), &["replay", "--without", "colour:red"], 2, "expected a record's number, person:NAME");
    fails(home.path(), &["replay", "--verify", "--prior", "flat"], 2, "cannot be used with");
}

#[test]
fn another_past_gives_another_belief() {
    let home = home();
    let digest = |args: &[&str], name: &str| {
        let replay = json(home.path(), &[&["replay"], args].concat());
        (person(&replay, name)["digest"].as_str().unwrap().to_owned(), replay["left_out"].as_u64().unwrap())
    };
    let (ada, none) = digest(&[], "ada");
    assert_eq!(none, 0);
    let (without, one) = digest(&["--without", "12"], "ada");
    assert!(without != ada && one == 1);
    assert_eq!(digest(&["--without", "12"], "bob").0, digest(&[], "bob").0);
    let selected = &["--without", "kind:ChoiceMade", "--without", "person:bob"];
    assert_eq!(digest(selected, "ada").1, 5);
    assert_eq!(digest(&["--without", "time:2026-01-01T00:12:00Z..2026-01-01T00:13:00Z"], "ada"), (without, 1));
    assert_ne!(digest(&["--prior", "flat"], "ada").0, ada);
    assert_ne!(digest(&["--hypotheses", "sigma=1.5 drift=0"], "ada").0, ada);
}

#[test]
fn a_prior_can_come_from_a_file() {
    let home = home();
    let file = home.path().join("prior.json");
    let name = file.to_str().unwrap();
    fs::write(&file, serde_json::to_string(&prior()).unwrap()).unwrap();
    let logged = json(home.path(), &["replay"]);
    assert_eq!(
        person(&json(home.path(), &["replay", "--prior", name]), "ada")["digest"],
        person(&logged, "ada")["digest"]
    );
    // As a line of a log.
    let log = fs::read_to_string(home.path().join("evidence/log.jsonl")).unwrap();
    fs::write(&file, log.lines().nth(1).unwrap()).unwrap();
    done(home.path(), &["replay", "--prior", name]);
    let mut short = prior();
    short.mean.pop();
    fs::write(&file, serde_json::to_string(&short).unwrap()).unwrap();
    fails(home.path(), &["replay", "--prior", name], 3, "the log's prior has 4 weights; here are 3 means");
    fs::write(&file, "{").unwrap();
    fails(home.path(), &["replay", "--prior", name], 3, "not JSON");
    fails(home.path(), &["replay", "--prior", "elicitde"], 3, "neither flat nor elicited");
}

#[test]
fn two_variants_stand_side_by_side() {
    let home = home();
    let both = json(home.path(), &["replay", "--without", "12", "--compare"]);
    let names: Vec<&Value> = both["variants"].as_array().unwrap().iter().map(|v| &v["name"]).collect();
    assert_eq!(names, ["--without 12", "as it was"]);
    let ada = person(&both, "ada");
    let answers = ada["next_answers"].as_array().unwrap();
    assert_eq!(answers.len(), 4);
    assert!(answers[0]["log_loss"][0].is_null() && answers[0]["log_loss"][1].is_number());
    assert!(answers[1]["log_loss"][0].is_number());
    assert!(ada["variants"][0]["hypotheses"]["location"].is_array());
    let text = done(home.path(), &["replay", "--prior", "flat", "--compare=elicited", "--person", "ada"]);
    for part in ["A: --prior flat", "B: --prior elicited", "care", "location zero", "log loss of record 12", "B - A"] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn values_are_drawn() {
    let home = home();
    let file = home.path().join("values.svg");
    let name = file.to_str().unwrap();
    fails(home.path(), &["replay", "--plot", name], 3, "choose one with --person");
    done(home.path(), &["replay", "--person", "ada", "--plot", name]);
    let svg = fs::read_to_string(&file).unwrap();
    assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"));
    for part in ["Honesty", "Care", "polygon", "polyline"] {
        assert!(svg.contains(part), "{part}");
    }
}

#[test]
fn a_growing_log_is_followed() {
    let home = home();
    let text = done(home.path(), &["replay", "--follow", "--until", "18", "--person", "ada"]);
    assert_eq!(text.matches("ada: chose").count(), 2, "{text}");
    assert!(text.contains("expected with probability") && text.contains("moved: ") && !text.contains("bob"));
    // What is appended later is shown later.
    let log = home.path().join("evidence/log.jsonl");
    let whole = fs::read(&log).unwrap();
    let cut = whole.len() - 700;
    fs::write(&log, &whole[..cut]).unwrap();
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_credence"))
        .args(["replay", "--follow", "--until", "25", "--json"])
        .arg(&log)
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    std::thread::sleep(std::time::Duration::from_millis(200));
    let mut rest = fs::OpenOptions::new().append(true).open(&log).unwrap();
    std::io::Write::write_all(&mut rest, &whole[cut..]).unwrap();
    let mut out = String::new();
    std::io::Read::read_to_string(child.stdout.as_mut().unwrap(), &mut out).unwrap();
    assert!(child.wait().unwrap().success());
    let records: Vec<u64> =
        out.lines().map(|l| serde_json::from_str::<Value>(l).unwrap()["record"].as_u64().unwrap()).collect();
    assert_eq!(records, [12, 15, 18, 21, 24]);
}

#[test]
fn strategies_choose_among_the_questions_of_the_log() {
    let home = home();
    let args = ["replay", "--strategy", "gain", "--strategy", "random", "--person", "ada", "--json"];
    let lines: Vec<Value> = done(home.path(), &args).lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(lines.len(), 5, "four questions and the sum");
    let candidates: Vec<u64> = lines[..4].iter().map(|l| l["candidates"].as_u64().unwrap()).collect();
    assert_eq!(candidates, [4, 3, 2, 1]);
    assert_eq!(lines[3]["chosen"][0]["same"], true, "nothing else was left to ask");
    assert_eq!(lines[4]["asked"], 4);
    let text = done(home.path(), &["replay", "--strategy", "eubo"]);
    assert!(text.contains("5 questions were asked") && text.contains("eubo"), "{text}");
}

#[test]
fn damage_is_exit_code_5() {
    let home = home();
    let log = home.path().join("evidence/log.jsonl");
    let text = fs::read_to_string(&log).unwrap();
    fs::write(&log, text.replacen("do thing 3", "do thing 9", 1)).unwrap();
    fails(home.path(), &["replay"], 5, "record 6 (line 6 of the log) is damaged");
    fs::write(&log, &text.as_bytes()[..text.len() - 9]).unwrap();
    assert!(done(home.path(), &["replay"]).contains("the last line is torn"));
    fs::write(&log, "").unwrap();
    let (_, err, code) = run(home.path(), &["replay"]);
    assert!(code != 0 && err.contains("empty"), "{err}");
}

#[test]
fn explaining_says_how_wrong_the_fast_ranking_is() {
    let home = home();
    let why = json(home.path(), &["explain", "care", "--person", "ada"]);
    assert_eq!((why["records"].as_u64(), why["evidence"].as_array().unwrap().len()), (Some(4), 4));
    assert!(why["fast_ranking"]["largest_error"].as_f64().unwrap() >= 0.0);
    assert_eq!(why["fast_ranking"]["of_ten"], 4, "everything was folded anew");
    // The truly most influential come first, and one is what a replay without it finds.
    let change = |n: usize| why["evidence"][n]["change"].as_f64().unwrap();
    assert!((1..4).all(|n| change(n - 1).abs() >= change(n).abs()), "{why}");
    let text = done(home.path(), &["explain", "care", "--person", "ada", "--top", "2"]);
    assert!(text.contains("2 of 4 records") && text.contains("it is wrong by at most"), "{text}");
    fails(home.path(), &["explain", "thrift", "--person", "ada"], 3, "nor is it the number of a decision");
}
