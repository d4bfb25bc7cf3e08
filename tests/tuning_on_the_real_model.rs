//! Learning in the weights over the real model, through the command alone: the loop closed in one home, a trainer that
//! is killed, adapters from elsewhere, and what cannot be used.
//!
//! The default model is fetched the way a user's is. One test at a time: two copies of llama.cpp spin against each other.
#![cfg(unix)]

mod described;
mod served;

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use described::{fits, schema};
use serde_json::Value;

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// A small training: four layers, few lessons, one pass.
const SMALL: &str = "\
[policy]
nats_min = -1000.0
answers_min = 12
load_max = 1000.0
[data]
held_out_share = 0.3
sureness_min = 0.0
pairs_max = 12
own_outputs = [1, 12]
[training]
epochs = 1
batch = 4
[training.lora]
rank = 4
alpha = 8.0
projections = [\"query\", \"value\", \"down\"]
top_layers = 4
";

struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Self {
        let home = Self(tempfile::tempdir().expect("a folder"));
        std::fs::write(home.0.path().join("tune.toml"), SMALL).expect("settings");
        home
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_credence"));
        command.env("CREDENCE_HOME", self.0.path()).env("CREDENCE_UNKEYED", "1").env_remove("RUST_LOG").args(args);
        command
    }

    fn run(&self, args: &[&str], input: &str) -> Output {
        let mut command = self.command(args);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the command starts");
        // A command that ends without reading closes the pipe: its exit code says why.
        let _ = child.stdin.take().expect("a pipe").write_all(input.as_bytes());
        child.wait_with_output().expect("the command ends")
    }

    fn ok(&self, args: &[&str], input: &str) -> String {
        let output = self.run(args, input);
        // 10 and 11 are decisions too: to ask, and to defer.
        assert!(
            matches!(output.status.code(), Some(0 | 10 | 11)),
            "{args:?}: {}\n{}",
            text(&output.stderr),
            text(&output.stdout)
        );
        text(&output.stdout)
    }

    /// The one object that a command prints, which must be what its schema says.
    fn json(&self, args: &[&str]) -> Value {
        let said = self.ok(args, "");
        let command = if args[0] == "tune" { args[..2].join(" ") } else { args[0].to_owned() };
        fits(&schema(&command), &said).swap_remove(0)
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.0.path().join("evidence/log.jsonl")).expect("a log")
    }

    fn answer(&self, count: usize) {
        let file = self.0.path().join("answers.txt");
        let lines: Vec<&str> = ["1", "2", "1", "1", "2"].into_iter().cycle().take(count).collect();
        std::fs::write(&file, lines.join("\n")).expect("a file");
        self.ok(&["session", "--person", "ada", "--seed", "3", "--answers", file.to_str().expect("a path")], "");
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn kinds(log: &str, kind: &str) -> usize {
    log.matches(&format!("\"kind\":\"{kind}\"")).count()
}

#[test]
fn real_model_the_loop_closes_and_a_killed_trainer_goes_on() {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let home = Home::new();
    // An unseen task: alternatives proposed by the model, a question or two, then act or defer.
    let task = ["agent", "--person", "ada", "--task", "A stray cat has moved into the office.", "--proposals", "2"];
    let steps = ["--steps", "2", "--alternative", "find the cat a home", "--alternative", "chase the cat away"];
    // Whatever it decides, asks or does: the person says stop, and what was decided stands in the log.
    home.ok(&[&task[..], &steps[..]].concat(), "q\n");
    assert!(kinds(&home.log(), "DecisionMade") > 0 && kinds(&home.log(), "AlternativesProposed") > 0);
    let waits = home.json(&["tune", "status", "--json"]);
    assert_eq!(waits["plan"]["decision"]["decision"], "wait", "{waits}");
    home.answer(24);

    let status = home.json(&["tune", "status", "--json"]);
    assert_eq!(status["plan"]["decision"]["decision"], "train", "{status}");
    assert_eq!(status["plan"]["decision"]["start"], "base");
    let before = home.json(&["replay", "--json"]);

    // The trainer is killed at its first checkpoint; session and log are unharmed, and the next run goes on.
    let mut trainer = home.command(&["tune", "run"]).stderr(Stdio::null()).spawn().expect("a trainer");
    let checkpoint = home.path("training/generation-1/checkpoint");
    while !checkpoint.exists() {
        assert!(trainer.try_wait().expect("a trainer").is_none(), "it ended before its first checkpoint");
        std::thread::sleep(Duration::from_millis(20));
    }
    trainer.kill().expect("killed");
    trainer.wait().expect("dead");
    assert_eq!(kinds(&home.log(), "AdapterTrained"), 0);
    assert_eq!(home.json(&["tune", "status", "--json"])["plan"]["decision"]["because"], "interrupted");
    home.ok(&["evidence", "verify"], "");

    let ran = home.json(&["tune", "run", "--json"]);
    assert_eq!(ran["generation"], 1, "{ran}");
    assert_eq!(ran["promoted"], false, "{ran}");
    assert_eq!(ran["judgement"]["verdict"]["verdict"], "not_enough", "so few answers cannot tell: {ran}");
    let losses = ran["losses"].as_array().expect("losses");
    assert!(losses.iter().all(|l| l.as_f64().is_some_and(f64::is_finite)), "{ran}");
    let log = home.log();
    assert_eq!((kinds(&log, "AdapterTrained"), kinds(&log, "GateJudged"), kinds(&log, "AdapterPromoted")), (1, 1, 0));
    assert!(home.ok(&["tune", "status", "--tests"], "").contains("not enough evidence"));
    let refused = home.run(&["tune", "promote", "1"], "");
    assert!(!refused.status.success(), "what the gate did not accept is not promoted");

    // A candidate changes no belief, and the whole log replays to the digests that it holds.
    let after = home.json(&["replay", "--json"]);
    assert_eq!(before["people"], after["people"]);
    assert!(home.ok(&["replay", "--verify"], "").contains("match"));
}

#[test]
fn real_model_data_sets_go_out_and_adapters_come_in_or_are_refused() {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let home = Home::new();
    home.answer(16);
    let nothing = home.json(&["tune", "status", "--json"]);
    assert_eq!(nothing["current"], 0);
    let (data, out) = (home.path("data"), home.path("data/data.json"));
    let shown = |path: &PathBuf| path.to_str().expect("a path").to_owned();
    home.ok(&["tune", "export", &shown(&data)], "");
    let rows = std::fs::read_to_string(data.join("preference.jsonl")).expect("rows");
    let row: Value = serde_json::from_str(rows.lines().next().expect("a row")).expect("JSON");
    assert!(row["prompt"].is_string() && row["chosen"].is_string() && row["rejected"].is_string(), "{row}");
    assert!(row["probability"].as_f64().is_some_and(|p| (0.5..=1.0).contains(&p)), "{row}");
    assert!(!row["provenance"].as_array().expect("pairs").is_empty());
    let tokens = std::fs::read_to_string(data.join("examples.jsonl")).expect("examples");
    let read = tokens.lines().map(serde_json::from_str::<credence_training::Example>);
    let examples: Vec<_> = read.collect::<Result<_, _>>().expect("examples as the trainer has them");
    // Two words that follow one prompt are one example with two targets.
    let prompts: std::collections::BTreeSet<String> =
        rows.lines().map(|r| serde_json::from_str::<Value>(r).expect("JSON")["prompt"].to_string()).collect();
    assert!(examples.len() >= prompts.len() && examples.iter().all(|e| !e.targets.is_empty()), "{}", examples.len());
    assert_eq!(kinds(&home.log(), "Exported"), 1);

    // An adapter for another model, half of one, and one that is none.
    let (model, other) = (home.path("tiny.gguf"), home.path("other.gguf"));
    use credence_training::{Adapter, Architecture, LoraSettings, Weights, tiny};
    tiny::write(&model, Architecture::Llama, 1).expect("a model");
    let tiny_weights = Weights::load(&model).expect("weights");
    Adapter::new(&tiny_weights, &LoraSettings::default(), 1).expect("an adapter").write(&other).expect("a file");
    let bytes = std::fs::read(&other).expect("bytes");
    let half = home.path("half.gguf");
    std::fs::write(&half, &bytes[..bytes.len() / 2]).expect("a file");
    let before = home.log();
    for (file, says) in [(&other, "another model"), (&half, "half.gguf"), (&out, "data.json")] {
        let refused = home.run(&["tune", "import", &shown(file)], "");
        assert_eq!(refused.status.code(), Some(3), "{}", text(&refused.stderr));
        assert!(text(&refused.stderr).contains(says), "{}", text(&refused.stderr));
    }
    assert_eq!(home.log(), before, "nothing was recorded of them");

    // One for this model, made elsewhere from the exported data: a candidate, judged, and not in force.
    let base = credence_priors::cache::ModelCache::of_user(false)
        .pull(&credence_priors::reference::ModelReference::default(), &mut ())
        .expect("the default model");
    let lora = LoraSettings { rank: 2, top_layers: Some(1), ..LoraSettings::default() };
    let weights = Weights::load(&base.path).expect("weights");
    let foreign = home.path("foreign.gguf");
    Adapter::new(&weights, &lora, 5).expect("an adapter").write(&foreign).expect("a file");
    drop(weights);
    let came = home.json(&["tune", "import", &shown(&foreign), "--data", &shown(&out), "--json"]);
    assert_eq!((&came["generation"], &came["promoted"]), (&1.into(), &false.into()), "{came}");
    assert_eq!(came["judgement"]["verdict"]["verdict"], "not_enough", "{came}");
    assert!(home.log().contains("\"how\":\"imported\""));
    assert!(home.ok(&["replay", "--verify"], "").contains("match"));
}
