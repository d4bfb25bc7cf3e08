//! The whole loop over the real model, through the command alone.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::Value;

mod real;

use real::{Bench, command, text};

fn answers(dir: &Path, lines: &[&str]) -> PathBuf {
    let path = dir.join("answers.txt");
    std::fs::write(&path, lines.join("\n")).expect("a file");
    path
}

#[test]
fn real_model_twenty_answers_are_asked_learned_from_and_replayed() {
    let bench = Bench::new();
    let lines =
        ["1", "2", "1", "=", "2", "1", "1", "2", "s", "2", "1", "2", "=", "1", "1", "2", "2", "1", "2", "1", "1"];
    let file = answers(bench.dir.path(), &lines);
    let shown = bench.json(
        &["session", "--person", "ada", "--seed", "3", "--json", "--answers", file.to_str().expect("a path")],
        "",
    );
    let kind = |kind: &str| shown.iter().filter(|s| s["shown"] == kind).count();
    assert_eq!(kind("moved"), 20);
    assert_eq!(kind("summary"), 1);
    let summary = shown.last().expect("a summary");
    assert_eq!(summary["answers"], 20);
    assert!(summary["values"]["values"].as_array().expect("values").len() >= 12);
    for question in shown.iter().filter(|s| s["shown"] == "question") {
        let gain = question["gain_nats"].as_f64().expect("a gain");
        assert!((0.0..=3f64.ln()).contains(&gain), "{gain}");
    }
    assert!(bench.ok(&["evidence", "verify"], "").contains("20 of them evidence"));
    assert!(bench.ok(&["replay", "--verify"], "").contains("match"));
    // Without any model: an empty cache and no network.
    let empty = tempfile::tempdir().expect("a folder");
    let output = command(bench.dir.path())
        .args(["replay", "--verify", "--offline"])
        .env("CREDENCE_CACHE", empty.path())
        .output()
        .expect("the command runs");
    assert!(output.status.success(), "{}", text(&output.stderr));
}

#[test]
fn real_model_undo_leaves_the_belief_of_a_log_that_never_had_the_record() {
    let bench = Bench::new();
    bench.ok(&["session", "--person", "ada", "--seed", "1"], "1\n2\n");
    let before = bench.digest("ada");
    bench.ok(&["session", "--person", "ada", "--seed", "2"], "1\nu\n");
    assert_eq!(bench.digest("ada"), before);
    bench.ok(&["session", "--person", "ada", "--seed", "2"], "important: honesty > privacy\n");
    assert_ne!(bench.digest("ada"), before);
    let last = bench.log().lines().rev().find(|l| l.contains("\"kind\":\"ImportanceStated\"")).expect("it").to_owned();
    let seq = serde_json::from_str::<Value>(&last).expect("JSON")["seq"].to_string();
    bench.ok(&["evidence", "retract", &seq], "");
    assert_eq!(bench.digest("ada"), before);
    assert_eq!(bench.run(&["evidence", "retract", &seq], "").status.code(), Some(3), "it is withdrawn already");
}

#[test]
fn real_model_reads_an_unseen_situation_live_and_cannot_without_the_model() {
    let bench = Bench::new();
    let unseen = [
        "decide",
        "--person",
        "ada",
        "--json",
        "--situation",
        "The lighthouse keeper finds a crate of smuggled oranges after the storm.",
        "--alternative",
        "hand the crate over to the harbour master",
        "--alternative",
        "sell the oranges and keep the money",
    ];
    // Taken away first: nothing can be read, and nothing is recorded.
    let before = bench.log();
    let empty = tempfile::tempdir().expect("a folder");
    let output = command(bench.dir.path())
        .args(unseen)
        .arg("--offline")
        .env("CREDENCE_CACHE", empty.path())
        .output()
        .expect("the command runs");
    assert_eq!(output.status.code(), Some(6), "{}", text(&output.stderr));
    assert_eq!(bench.log(), before);

    let decided = &bench.json(&unseen, "")[0];
    let verdict = decided["decision"]["verdict"].as_str().expect("a verdict");
    assert!(["act", "ask", "defer"].contains(&verdict), "{verdict}");
    let best: f64 = decided["alternatives"]
        .as_array()
        .expect("alternatives")
        .iter()
        .map(|a| a["probability_best"].as_f64().expect("a probability"))
        .sum();
    assert!((best - 1.0).abs() < 1e-9);
    // Read live: two different alternatives have different features.
    let log = bench.log();
    let described: Vec<Value> = log
        .lines()
        .filter(|l| l.contains("smuggled oranges"))
        .map(|l| serde_json::from_str(l).expect("JSON"))
        .filter(|v: &Value| v["kind"] == "AlternativeDescribed")
        .collect();
    assert_eq!(described.len(), 2);
    assert_ne!(described[0]["payload"]["schema"], described[1]["payload"]["schema"]);

    let record = decided["record"].to_string();
    assert!(bench.ok(&["explain", &record, "--person", "ada"], "").contains("decision"));
    assert!(bench.ok(&["explain", "honesty", "--person", "ada"], "").contains("Honesty"));
    assert_eq!(bench.run(&["explain", "wisdom"], "").status.code(), Some(3));
}

#[test]
fn real_model_works_on_a_task_from_proposal_to_reaction_and_resumes() {
    let bench = Bench::new();
    let task = [
        "agent",
        "--person",
        "ada",
        "--task",
        "My neighbour's dog barks every night and I cannot sleep.",
        "--alternative",
        "talk to the neighbour in a friendly way",
        "--alternative",
        "call the police at once",
        "--proposals",
        "2",
        "--steps",
        "2",
        "--regret-max",
        "0.05",
        "--wording-max",
        "inf",
    ];
    let said = bench.ok(&task, "1\n");
    assert!(said.contains("talk to the neighbour in a friendly way  (yours)"), "{said}");
    let log = bench.log();
    assert!(log.contains("\"kind\":\"TaskGiven\"") && log.contains("\"kind\":\"AlternativesProposed\""));
    assert!(log.contains("\"kind\":\"DecisionMade\""));
    let line = log.lines().find(|l| l.contains("\"kind\":\"TaskGiven\"")).expect("a task");
    let id = serde_json::from_str::<Value>(line).expect("JSON")["payload"]["task"].as_str().expect("an id").to_owned();
    // A bar that everything is under: the resumed task acts, and the reaction is a correction, so evidence.
    let resumed =
        bench.ok(&["agent", "--person", "ada", "--resume", &id, "--regret-max", "1000", "--wording-max", "inf"], "2\n");
    assert!(resumed.contains("Chosen: "), "{resumed}");
    assert!(bench.log().contains("\"kind\":\"ActionTaken\""));
    assert!(bench.ok(&["replay", "--verify"], "").contains("match"));
}

#[test]
fn real_model_a_second_process_and_another_schema_are_refused() {
    let bench = Bench::new();
    let mut first = command(bench.dir.path())
        .args(["session", "--person", "ada", "--seed", "1", "--json"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("a session");
    let mut out = std::io::BufReader::new(first.stdout.take().expect("a pipe"));
    let mut line = String::new();
    while !line.contains("\"shown\":\"question\"") {
        line.clear();
        assert!(std::io::BufRead::read_line(&mut out, &mut line).expect("output") > 0, "no question came");
    }
    let second = bench.run(&["evidence", "retract", "1"], "");
    assert_eq!(second.status.code(), Some(4), "{}", text(&second.stderr));
    // Readers need no lock.
    assert!(bench.run(&["evidence", "verify"], "").status.success());
    drop(first.stdin.take());
    drop(out);
    first.wait().expect("the session ends");

    let schema = bench.dir.path().join("other.toml");
    let other = include_str!("../priors/data/schema.toml").replace("credence-default", "another");
    std::fs::write(&schema, other).expect("a file");
    let refused = bench.run(&["session", "--schema", schema.to_str().expect("a path")], "");
    assert_eq!(refused.status.code(), Some(7), "{}", text(&refused.stderr));
}

#[test]
fn real_model_an_interrupt_from_outside_ends_in_order_with_its_code() {
    let bench = Bench::new();
    let mut session = command(bench.dir.path())
        .args(["session", "--person", "ada", "--seed", "1", "--json"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("a session");
    let mut out = std::io::BufReader::new(session.stdout.take().expect("a pipe"));
    let mut line = String::new();
    while !line.contains("\"shown\":\"question\"") {
        line.clear();
        assert!(std::io::BufRead::read_line(&mut out, &mut line).expect("output") > 0, "no question came");
    }
    let id = session.id().to_string();
    let sent = std::process::Command::new("kill").args(["-INT", &id]).status().expect("`kill` runs");
    assert!(sent.success());
    let mut rest = String::new();
    std::io::Read::read_to_string(&mut out, &mut rest).expect("output");
    assert!(rest.contains("\"shown\":\"summary\""), "{rest}");
    let ended = session.wait_with_output().expect("the session ends");
    assert_eq!(ended.status.code(), Some(130), "{}", text(&ended.stderr));
    assert!(bench.log().contains("\"kind\":\"SessionEnded\""));
}

#[test]
fn real_model_a_killed_session_keeps_what_was_acknowledged() {
    let bench = Bench::new();
    let mut session = command(bench.dir.path())
        .args(["session", "--person", "ada", "--seed", "1", "--json"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("a session");
    let mut out = std::io::BufReader::new(session.stdout.take().expect("a pipe"));
    let mut input = session.stdin.take().expect("a pipe");
    let mut acknowledged = Vec::new();
    let mut line = String::new();
    while acknowledged.len() < 3 {
        line.clear();
        assert!(std::io::BufRead::read_line(&mut out, &mut line).expect("output") > 0, "the session ended");
        let shown: Value = serde_json::from_str(&line).expect("JSON");
        if shown["shown"] == "question" {
            writeln!(input, "1").expect("an answer");
        } else if shown["shown"] == "moved" {
            acknowledged.push(shown["seq"].as_u64().expect("a number"));
        }
    }
    session.kill().expect("killed");
    session.wait().expect("dead");
    let log = bench.log();
    for seq in acknowledged {
        assert!(log.lines().any(|l| l.starts_with(&format!("{{\"seq\":{seq},")) && l.contains("ChoiceMade")), "{seq}");
    }
    bench.ok(&["session", "--person", "ada", "--seed", "2"], "2\n");
    assert!(bench.ok(&["replay", "--verify"], "").contains("match"));
}
