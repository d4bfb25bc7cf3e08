//! `credence eval run` end to end on a tiny experiment.

use assert_cmd::Command;
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
    calibration(&small).success().stdout(contains("| one | best-of-three | 8 |"));
    calibration(&["--evidence", "tea-leaves"]).failure().stderr(contains("ranking-of-five"));
    calibration(&["--grid", "tea-leaves"]).failure().stderr(contains("drifting"));
    calibration(&["--dimension", "1"]).code(3).stderr(contains("--dimension"));
}
