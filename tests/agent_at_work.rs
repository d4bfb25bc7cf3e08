//! The agent at work on the real model: a task in words, what was considered and why, a correction in words, and its effect in the next decision and
//! in the replay.

mod real;

use real::{Bench, command, text};
use serde_json::Value;

/// Records of a kind, in the order of the log.
fn records(bench: &Bench, kind: &str) -> Vec<Value> {
    bench
        .log()
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON"))
        .filter(|record| record["kind"] == kind)
        .collect()
}

#[test]
fn real_model_a_task_is_considered_corrected_in_words_and_replayed() {
    let bench = Bench::new();
    let briefing = concat!(env!("CARGO_MANIFEST_DIR"), "/priors/data/briefings/fiduciary-duty.md");
    let task = "The treasurer of our savings club wants to borrow from the members' money for a week.";
    let given = [
        "agent",
        "--person",
        "ada",
        "--json",
        "--task",
        task,
        "--alternative",
        "refuse and keep the members' money apart",
        "--alternative",
        "lend it for a week and tell nobody",
        "--proposals",
        "2",
        "--steps",
        "0",
        "--regret-max",
        "0",
        "--brief",
        briefing,
        "--deliberation-tokens",
        "240",
    ];
    // A sentence in place of an answer, confirmed; then nothing more is said.
    let said = bench.json(&given, "Honesty is far more important to me than getting ahead.\ny\n");
    let decisions: Vec<&Value> = said.iter().filter(|line| line.get("decision").is_some()).collect();
    assert!(decisions.len() >= 2, "decided again after the words: {said:?}");
    let (before, after) = (decisions[0], decisions[decisions.len() - 1]);
    let utilities = |decision: &Value| -> Vec<f64> {
        decision["alternatives"]
            .as_array()
            .expect("alternatives")
            .iter()
            .map(|a| a["expected_utility"].as_f64().expect("a number"))
            .collect()
    };
    assert!(utilities(before).len() >= 4, "proposals, what is always weighed, and the person's own");
    assert_ne!(utilities(before), utilities(after), "the words are in the next decision");

    // What was considered, and where it came from.
    let deliberated = records(&bench, "Deliberated");
    assert!(!deliberated.is_empty());
    let passages = deliberated[0]["payload"]["passages"].as_array().expect("passages");
    assert_eq!(passages[0]["briefing"], "fiduciary-duty");
    assert_eq!(before["deliberations"].as_array().map(Vec::len), Some(utilities(before).len()));
    let proposed = records(&bench, "AlternativesProposed");
    let by: Vec<&str> = proposed.iter().filter_map(|r| r["payload"]["by"].as_str()).collect();
    assert!(by.contains(&"person") && by.contains(&"program"), "{by:?}");
    assert!(proposed.iter().all(|r| r["payload"]["why"].as_array().is_some_and(|why| !why.is_empty())));

    // What was said, read, and answered.
    let read = &records(&bench, "WordsRead")[0]["payload"];
    assert_eq!((&read["rows"][0]["more"], &read["rows"][0]["less"]), (&"honesty".into(), &"achievement".into()));
    assert_eq!(records(&bench, "ReadingAnswered")[0]["payload"]["answer"]["verdict"], "confirmed");
    let stated = &records(&bench, "ImportanceStated")[0];
    assert!(stated["payload"].get("misreading").is_none(), "confirmed");

    // A consequence that is checked is trusted otherwise.
    let record = deliberated[0]["seq"].to_string();
    let checked = bench.ok(&["deliberation", "check", &record, "1", "right"], "");
    assert!(checked.contains("trusted 33% (before: 0%)"), "{checked}");
    assert_eq!(bench.run(&["deliberation", "check", &record, "1", "wrong"], "").status.code(), Some(3));

    // The replay needs no model and has the correction; without it belief is another.
    let empty = tempfile::tempdir().expect("a folder");
    let replay = |args: &[&str]| {
        let output = command(bench.dir.path())
            .args(["replay", "--offline"])
            .args(args)
            .env("CREDENCE_CACHE", empty.path())
            .output()
            .expect("the command runs");
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stdout)
    };
    assert!(replay(&["--verify"]).contains("match"));
    let without = replay(&["--json", "--without", &stated["seq"].to_string()]);
    assert_ne!(without, replay(&["--json"]));

    // Nobody else goes on with the task, and after a stop nobody does.
    let task = records(&bench, "TaskGiven")[0]["payload"]["task"].as_str().expect("a name").to_owned();
    let resumed = |person: &str, input: &str| {
        let args = ["agent", "--resume", &task, "--person", person, "--steps", "0", "--regret-max", "0"];
        bench.run(&args, input)
    };
    let others = resumed("bob", "");
    assert_eq!(others.status.code(), Some(3));
    assert!(text(&others.stderr).contains("given by ada"), "{}", text(&others.stderr));
    assert!(text(&resumed("ada", "\n").stdout).contains("goes on later"));
    assert!(text(&resumed("ada", "stop\n").stdout).contains("does not go on"));
    let over = resumed("ada", "");
    assert_eq!(over.status.code(), Some(3));
    assert!(text(&over.stderr).contains("said stop"), "{}", text(&over.stderr));
}

/// What deliberation over the library concluded is checked, counts as an answer, and goes with the document that was before the model.
#[test]
fn real_model_a_conclusion_over_the_library_is_checked_and_goes_with_its_document() {
    let bench = Bench::new();
    bench.ok(&["library", "add", "duties"], "");
    let given = [
        "decide",
        "--person",
        "ada",
        "--json",
        "--deliberate",
        "--deliberation-tokens",
        "160",
        "--situation",
        "The treasurer of a savings club wants to borrow from the members' money for a week.",
        "--alternative",
        "refuse and keep the members' money apart",
        "--alternative",
        "lend it for a week and tell nobody",
    ];
    bench.json(&given, "");
    let deliberated = records(&bench, "Deliberated");
    assert_eq!(deliberated.len(), 2, "{deliberated:?}");
    let cited = deliberated[0]["payload"]["library"].as_array().expect("passages of the library");
    let document = cited[0]["document"].as_str().expect("a document").to_owned();
    let [first, second] = [0, 1].map(|at: usize| deliberated[at]["seq"].to_string());
    let told = bench.ok(&["deliberation", "conclude", &first, &second], "");
    assert!(told.contains("is your answer"), "{told}");
    let choice = &records(&bench, "ChoiceMade")[0];
    assert_eq!(
        (&choice["payload"]["from"]["source"], &choice["payload"]["chosen"]),
        (&"deliberation".into(), &0.into())
    );
    assert!(bench.ok(&["deliberation", "list"], "").contains("cites passage"));
    let stands =
        |bench: &Bench| bench.json(&["deliberation", "list", "--json"], "")[0]["conclusions"][0]["stands"].clone();
    assert_eq!(stands(&bench), true);
    // What was checked is checked, until its answer is withdrawn.
    for wrong in [["1", &second], [&first, &first], [&first, &second], [&second, &first]] {
        assert_eq!(bench.run(&["deliberation", "conclude", wrong[0], wrong[1]], "").status.code(), Some(3));
    }
    let dropped = &bench.json(&["library", "drop", &document, "--json"], "")[0];
    assert_eq!(dropped["withdrawn"], Value::Array(vec![choice["seq"].clone()]));
    assert_eq!(stands(&bench), false);
    let gone = bench.run(&["deliberation", "conclude", &first, &second], "");
    assert!(text(&gone.stderr).contains("no longer in the library"), "{}", text(&gone.stderr));
    assert!(bench.ok(&["replay", "--verify"], "").contains("match"));
}

#[test]
fn real_model_words_that_nobody_confirmed_count_less_and_bad_input_is_told() {
    let bench = Bench::new();
    let words = "I care more about my privacy than about a bargain.";
    let moved = |args: &[&str]| -> f64 {
        let all: Vec<&str> = ["tell", words, "--json", "--person"].into_iter().chain(args.iter().copied()).collect();
        let told = &bench.json(&all, "")[0];
        assert_eq!(told["reading"]["more"], "privacy", "{told}");
        let explained = &bench.json(&["explain", "privacy", "--person", args[0], "--json"], "")[0];
        explained["mean"].as_f64().expect("a number")
    };
    let (sure, unsure) = (moved(&["ada", "--yes"]), moved(&["bob", "--unconfirmed"]));
    assert!(sure > unsure, "{sure} {unsure}");
    assert_ne!(bench.digest("ada"), bench.digest("bob"));

    for (words, says) in [
        ("What time is it?", "VALUE > VALUE"),
        ("\u{6211}\u{89c9}\u{5f97}\u{8bda}\u{5b9e}\u{5f88}\u{91cd}\u{8981}", "Latin alphabet"),
        ("...", "no words"),
    ] {
        let output = bench.run(&["tell", words], "");
        assert_eq!(output.status.code(), Some(3), "{words}");
        assert!(text(&output.stderr).contains(says), "{}", text(&output.stderr));
    }
    let pdf = bench.dir.path().join("scan.pdf");
    std::fs::write(&pdf, b"%PDF-1.4\n%%EOF\n").expect("a file");
    let output = bench.run(&["brief", "add", pdf.to_str().expect("a path")], "");
    assert_eq!(output.status.code(), Some(3), "{}", text(&output.stderr));
    // A task in another script is worked on; the session goes on.
    let decided = bench.json(
        &[
            "decide",
            "--json",
            "--situation",
            "\u{91d1}\u{5eab}\u{306e}\u{9375}",
            "--alternative",
            "keep it",
            "--alternative",
            "return it",
        ],
        "",
    );
    assert_eq!(decided[0]["alternatives"].as_array().map(Vec::len), Some(2));
}

/// What says the same is nearer than what does not, nothing different is merged, and the passage that bears on a situation is found more
/// often than by chance (4 of 12; 8 in the figures of docs/deliberation.md).
#[test]
fn real_model_hidden_states_bring_together_what_says_the_same() {
    let bench = Bench::new();
    let report = &bench.json(&["eval", "meaning", "--json"], "")[0];
    let numbers = |key: &str| -> Vec<f64> {
        report[key].as_array().expect("numbers").iter().map(|x| x.as_f64().expect("a number")).collect()
    };
    let (same, different) = (numbers("same"), numbers("different"));
    let nearer = same.iter().zip(&different).filter(|(same, different)| same > different).count();
    assert!(same.len() == 16 && nearer >= 13, "{nearer} of {}: {report}", same.len());
    assert_eq!(report["wrongly_merged"]["right"], 0, "{report}");
    assert!(report["retrieved"]["right"].as_u64() >= Some(6), "{report}");
}
