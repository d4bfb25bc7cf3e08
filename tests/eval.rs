//! `credence eval run` end to end on a tiny experiment.

mod nats;

use std::path::Path;
use std::process::{Child, Command as Process, Stdio};
use std::time::{Duration, Instant};

use assert_cmd::Command;
use nats::Nats;
use predicates::str::contains;

const TINY: &str = r#"
name = "tiny"
about = "A right and a reversed start."
dimension = 3
questions = 8
measured_at = [0, 4, 8]
target_nats = 0.1
seeds = [1, 2]
strategies = ["information_gain"]
learners = ["mixture", "single_prior"]

[[prior]]
name = "start"
angle_degrees = [0.0, 180.0]
confidence = [0.5]

[[person]]
name = "<plain>"
signal = [4.0]
"#;

fn credence() -> Command {
    Command::cargo_bin("credence").expect("the command is built")
}

#[test]
fn a_tiny_experiment_runs_resumes_and_reports() {
    let dir = tempfile::tempdir().expect("a folder");
    let (file, out) = (dir.path().join("tiny.toml"), dir.path().join("out"));
    std::fs::write(&file, TINY).expect("a file");
    let run = || credence().args(["eval", "run"]).arg(&file).arg("--out").arg(&out).assert();
    run().success().stdout(contains("8 runs"));
    let results = std::fs::read_to_string(out.join("results.jsonl")).expect("results");
    assert_eq!(results.lines().count(), 9, "provenance and eight runs");
    run().success();
    assert_eq!(std::fs::read_to_string(out.join("results.jsonl")).expect("results"), results);
    credence().args(["eval", "report"]).arg(&out).assert().success();
    let page = std::fs::read_to_string(out.join("report.html")).expect("a report");
    for part in
        ["<svg", "&lt;plain&gt;", "single prior", "engine version", "angle_degrees", "lang=\"en\"", "aria-label"]
    {
        assert!(page.contains(part), "{part}");
    }
    assert!(out.join("results.parquet").is_file());
    // The summary is beside the runs, one figure a row; the page stays that of the map.
    let figures = std::fs::read_to_string(out.join("figures.jsonl")).expect("figures");
    assert!(figures.contains("\"learner\":\"mixture, start: 180°, confidence 0.5\""), "{figures}");
    assert!(figures.contains("excess log loss less the single prior's, nats") && out.join("figures.parquet").is_file());
    assert!(!page.contains("http://") || page.matches("http://").count() == page.matches("http://www.w3.org").count());
    // Another experiment does not mix with these results.
    std::fs::write(&file, TINY.replace("[1, 2]", "[3]")).expect("a file");
    run().code(3).stderr(contains("another experiment"));
    std::fs::write(&file, TINY.replace("seeds", "seed")).expect("a file");
    run().code(3).stderr(contains("tiny.toml")).stderr(contains("line 8")).stderr(contains("`seed`"));
    std::fs::write(&file, TINY.replace("confidence = [0.5]", "confidence = [1.5]")).expect("a file");
    run().code(3).stderr(contains("line 15: prior \"start\": confidence must lie in [0, 1)"));
}

/// What stands in the cells of the maps of a page, in order.
fn cells(page: &str) -> Vec<&str> {
    page.split("class=\"big\"").skip(1).filter_map(|piece| piece.split('>').nth(1)?.split('<').next()).collect()
}

#[test]
fn a_newcomer_runs_a_map_changes_a_line_and_sees_the_map_change() {
    let dir = tempfile::tempdir().expect("a folder");
    let here = || {
        let mut command = credence();
        command.current_dir(dir.path());
        command
    };
    here().args(["eval", "run", "first"]).assert().success().stdout(contains("next: credence eval report eval-first"));
    here().args(["eval", "report", "eval-first"]).assert().success().stdout(contains("report.html"));
    let shown = here().args(["eval", "list", "first"]).output().expect("the file");
    let file = String::from_utf8(shown.stdout).expect("text");
    let line = "lapse_rate = 0.02";
    assert!(file.contains(line));
    std::fs::write(dir.path().join("mine.toml"), file.replace(line, "lapse_rate = 0.5")).expect("a file");
    here().args(["eval", "run", "mine.toml"]).assert().success().stdout(contains("eval-first-2"));
    here().args(["eval", "report", "eval-first-2"]).assert().success();
    let page = |folder: &str| std::fs::read_to_string(dir.path().join(folder).join("report.html")).expect("a page");
    let (before, after) = (page("eval-first"), page("eval-first-2"));
    // Two learners, four confidences, five angles.
    assert_eq!(cells(&before).len(), 40);
    assert_eq!(cells(&after).len(), 40);
    assert_ne!(cells(&before), cells(&after));
    // A second time nothing is left to do, and the same folder is found again.
    here().args(["eval", "run", "mine.toml"]).assert().success().stdout(contains("eval-first-2"));
}

#[test]
fn built_in_experiments_are_listed_and_absent_data_is_said_to_be() {
    credence().args(["eval", "list"]).assert().success().stdout(contains("region"));
    credence().args(["eval", "list", "starts"]).assert().success().stdout(contains("[[prior]]"));
    credence().args(["eval", "kidney", "--data", "no-such-folder"]).assert().code(3).stderr(contains("CREDENCE_DATA"));
}

#[test]
fn nothing_is_learned_beforehand_from_a_conversation_that_is_tested() {
    let polis =
        |args: &[&str]| credence().args(["eval", "polis", "--learned-from", "vtaiwan.uberx"]).args(args).assert();
    polis(&[]).code(3).stderr(contains("vtaiwan.uberx is tested"));
    polis(&["--conversation", "town", "--no-features"]).failure().stderr(contains("--no-features"));
}

#[test]
fn calibration_is_a_command() {
    let calibration = |args: &[&str]| credence().args(["eval", "calibration"]).args(args).assert();
    let small = ["--simulations", "80", "--answers", "8,3", "--evidence", "choice,best-of-three", "--grid", "one"];
    let out = calibration(&[&small[..], &["--json"]].concat()).success().get_output().stdout.clone();
    let found: serde_json::Value = serde_json::from_slice(&out).expect("one JSON object");
    let rows = found["rows"].as_array().expect("rows");
    let asked: Vec<(&str, u64)> =
        rows.iter().map(|r| (r["evidence"].as_str().unwrap_or(""), r["answers"].as_u64().unwrap_or(0))).collect();
    assert_eq!(asked, [("choice", 3), ("choice", 8), ("best_of_three", 3), ("best_of_three", 8)]);
    for row in rows {
        // Seed 1, 80 people: a calibrated engine's coverage lies below .74 less than once in 10,000 runs.
        let coverage = row["coverage"]["share"].as_f64().expect("a share");
        assert!(coverage >= 0.74, "{row}");
        assert!(row["distance"].as_f64() < row["band"].as_f64(), "{row}");
    }
    let kept = tempfile::tempdir().expect("a folder");
    let dir = kept.path().to_str().expect("a name");
    let keeping = [&small[..], &["--figures", dir]].concat();
    calibration(&keeping).success().stdout(contains("| one | best-of-three | 8 |"));
    // The same figures once more, as rows and on a page; figures that are there are not written over.
    credence().args(["eval", "report", dir]).assert().success().stdout(contains("report.html"));
    let page = std::fs::read_to_string(kept.path().join("report.html")).expect("a page");
    let share = format!("<td>{:.3} [", rows[0]["coverage"]["share"].as_f64().expect("a share"));
    assert!(page.contains("coverage of 90% intervals, choice") && page.contains(&share), "{share} in {page}");
    assert!(kept.path().join("figures.parquet").exists());
    calibration(&keeping).code(3).stderr(contains("holds figures already"));
    calibration(&["--evidence", "tea-leaves"]).failure().stderr(contains("ranking-of-five"));
    calibration(&["--grid", "tea-leaves"]).failure().stderr(contains("drifting"));
    calibration(&["--dimension", "1"]).code(3).stderr(contains("--dimension"));
}

/// What of `credence eval` measures nothing (`list`, `report`, `worker`), or keeps figures in the folder of its run anyway (`run`,
/// `merge`).
const WITHOUT_FIGURES: [&str; 5] = ["list", "merge", "report", "run", "worker"];

/// What `--help` says after these words.
fn help(words: &[&str]) -> String {
    let output = credence().args(words).arg("--help").output().expect("it runs");
    assert!(output.status.success(), "{words:?}");
    String::from_utf8(output.stdout).expect("text")
}

/// Names in the list of commands of a help, none where there is no such list.
fn commands(help: &str) -> Vec<&str> {
    let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let named = listed.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    named.filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help").collect()
}

#[test]
fn every_experiment_keeps_figures() {
    let all = help(&["eval"]);
    assert!(commands(&all).len() > 20, "{all}");
    let mut without = Vec::new();
    for name in commands(&all) {
        let own = help(&["eval", name]);
        let parts = commands(&own);
        if parts.is_empty() && !own.contains("--figures <DIR>") {
            without.push(name);
        }
        for part in parts {
            assert!(help(&["eval", name, part]).contains("--figures <DIR>"), "eval {name} {part} keeps no figures");
        }
    }
    without.sort_unstable();
    assert_eq!(without, WITHOUT_FIGURES);
}

#[test]
fn figures_are_kept_and_a_place_that_is_taken_is_refused_before_the_work() {
    let dir = tempfile::tempdir().expect("a folder");
    let kept = |name: &str| dir.path().join(name);
    let run = |args: &[&str], to: &Path| credence().arg("eval").args(args).arg("--figures").arg(to).assert();
    let small = ["crowd", "attack", "--people", "20", "--trials", "2", "--json"];
    let output = run(&small, &kept("attack")).success().get_output().stdout.clone();
    let said: serde_json::Value = serde_json::from_slice(&output).expect("JSON");
    let lines = std::fs::read_to_string(kept("attack").join("figures.jsonl")).expect("figures");
    let lines: Vec<serde_json::Value> = lines.lines().map(|l| serde_json::from_str(l).expect("a line")).collect();
    assert_eq!(lines[0]["experiment"], "crowd attack");
    assert_eq!(lines[0]["options"], said["options"]);
    let of = |learner: &str| lines.iter().find(|l| l["learner"] == learner).expect("a figure");
    assert_eq!(of("sybils of one source")["mean"], said["sybils"]["decision"]["mean"]);
    assert_eq!(of("bound for one source")["low"], serde_json::Value::Null);
    // Rules read sentences without a model.
    run(&["sentences"], &kept("sentences")).success();
    credence().args(["eval", "report"]).arg(kept("sentences")).assert().success();
    let page = std::fs::read_to_string(kept("sentences").join("report.html")).expect("a page");
    assert!(page.contains("share with values and direction right, open sentences"), "{page}");
    run(&["approvals", "--owners", "2", "--acts", "40"], &kept("approvals"))
        .success()
        .stdout(contains("| always ask |"));
    assert!(kept("approvals").join("figures.parquet").is_file());
    std::fs::write(kept("file"), "").expect("a file");
    run(&["sentences"], &kept("file")).code(3).stderr(contains("is not a folder"));
    // Before the model is looked for.
    run(&["meaning", "--model", "nobody/nothing"], &kept("attack")).code(3).stderr(contains("holds figures already"));
}

#[test]
fn parts_of_a_grid_are_run_apart_and_merged_to_the_same_bytes() {
    let dir = tempfile::tempdir().expect("a folder");
    let at = |name: &str| dir.path().join(name);
    std::fs::write(at("tiny.toml"), TINY).expect("a file");
    let eval = |args: &[&str]| credence().current_dir(dir.path()).arg("eval").args(args).assert();
    eval(&["run", "tiny.toml", "--out", "whole"]).success();
    for (part, out) in [("1/3", "a"), ("2/3", "b"), ("3/3", "c")] {
        eval(&["run", "tiny.toml", "--shard", part, "--out", out]).success().stdout(contains("credence eval merge"));
    }
    eval(&["merge", "c", "a", "--out", "m"]).code(3).stderr(contains("3 of 8 runs are missing (those of part 2/3)"));
    eval(&["merge", "b", "--out", "m"]).success().stdout(contains("8 runs"));
    for name in ["results.jsonl", "results.parquet"] {
        assert_eq!(std::fs::read(at("m").join(name)).ok(), std::fs::read(at("whole").join(name)).ok(), "{name}");
    }
    eval(&["run", "tiny.toml", "--shard", "4/3", "--out", "d"]).code(2).stderr(contains("2/8"));
    eval(&["merge", "nowhere", "--out", "m"]).failure().stderr(contains("nowhere"));
}

/// `credence eval ...` in the background.
fn begin(dir: &Path, args: &[&str]) -> Child {
    let mut command = Process::new(env!("CARGO_BIN_EXE_credence"));
    command.current_dir(dir).arg("eval").args(args).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().expect("the command starts")
}

/// Waits until so many lines are in a file.
fn lines(path: &Path, at_least: usize) {
    let since = Instant::now();
    while std::fs::read_to_string(path).map_or(0, |text| text.lines().count()) < at_least {
        assert!(since.elapsed() < Duration::from_secs(120), "{} has not {at_least} lines", path.display());
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn workers_that_are_killed_and_a_run_that_is_interrupted_leave_the_same_bytes() {
    let Some(nats) = Nats::start() else { return };
    let dir = tempfile::tempdir().expect("a folder");
    let at = |name: &str| dir.path().join(name);
    let many: Vec<String> = (1..=12).map(|seed| seed.to_string()).collect();
    let file = TINY.replace("seeds = [1, 2]", &format!("seeds = [{}]", many.join(", ")));
    let file = file.replace("questions = 8", "questions = 40");
    std::fs::write(at("tiny.toml"), file).expect("a file");
    let on = nats.url.as_str();
    let run = ["run", "tiny.toml", "--out", "far", "--on", on];
    // A collector and a worker that are both killed in the middle.
    let mut collector = begin(dir.path(), &run);
    let mut worker = begin(dir.path(), &["worker", "--on", on, "--threads", "1"]);
    lines(&at("far/cells.jsonl"), 4);
    collector.kill().and_then(|()| collector.wait()).expect("it was there");
    // What comes in meanwhile waits in the stream.
    std::thread::sleep(Duration::from_millis(200));
    worker.kill().and_then(|()| worker.wait()).expect("it was there");
    let mut other = begin(dir.path(), &["worker", "--on", on, "--threads", "2"]);
    let far = || credence().current_dir(dir.path()).arg("eval").args(run).timeout(Duration::from_secs(150)).assert();
    far().success().stdout(contains("48 runs"));
    credence().current_dir(dir.path()).args(["eval", "run", "tiny.toml", "--out", "here"]).assert().success();
    for name in ["results.jsonl", "results.parquet"] {
        assert_eq!(std::fs::read(at("far").join(name)).ok(), std::fs::read(at("here").join(name)).ok(), "{name}");
    }
    // Nothing is left to do, and nobody is needed to see that.
    other.kill().and_then(|()| other.wait()).expect("it was there");
    far().success().stdout(contains("48 runs"));
    let nobody = "nats://127.0.0.1:1";
    credence()
        .args(["eval", "worker", "--on", nobody])
        .assert()
        .code(1)
        .stderr(contains("no NATS server at nats://127.0.0.1:1"));
    credence().args(["eval", "worker"]).env_remove("CREDENCE_NATS").assert().code(3).stderr(contains("--on nats://"));
}
