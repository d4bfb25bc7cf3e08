//! `credence schema`: what commands print with `--json` is what their schemas say.
#![cfg(unix)]

mod described;
mod logs;
mod nats;
mod served;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use credence_agent::bank::{Bank, BankQuestion};
use described::{fits, schema};
use logs::done;
use nats::Nats;
use serde_json::{Value, json};
use served::{cache_of_model_with_words, model_with_words, tiny_model};
use tempfile::TempDir;

/// Choices of three people, and a row that cannot be read.
const CHOICES: &str = "person,first,second,chosen\nxi,walk,cycle,first\nyo,walk,cycle,second\nzed,walk,cycle,first\nxi,read,sing,first\nyo,a,a,first\n";

/// Commands that need more than this test has: weights that learn for an hour, or a model that holds long texts.
const ELSEWHERE: [&str; 6] =
    ["eval organisms", "eval pressure", "eval system-one", "eval teaching", "eval tuning", "tune import"];
/// Commands that need a NATS server.
const WITH_NATS: [&str; 3] = ["shard erase", "shard move", "shard population"];
/// Commands that need data which do not ship.
const WITH_DATA: [&str; 3] = ["eval kidney", "eval polis", "eval start"];

/// A folder, with a home, a cache and a model of its own, in which commands are run; what they print is held against their schemas.
struct Bench {
    dir: TempDir,
    model: String,
    cache: PathBuf,
    held: Mutex<BTreeSet<String>>,
}

impl Bench {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let model = model_with_words(dir.path()).to_str().unwrap().to_owned();
        let cache = dir.path().join("cache");
        Self { dir, model, cache, held: Mutex::default() }
    }

    fn home(&self) -> PathBuf {
        self.dir.path().join("home")
    }

    /// A file with this content; gives its path.
    fn file(&self, name: &str, content: &str) -> String {
        let path = self.dir.path().join(name);
        std::fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    }

    fn run(&self, args: &[&str], input: &str) -> (String, String, i32) {
        let mut command = logs::credence(&self.home(), args);
        command.env("OMP_THREAD_LIMIT", "1").env("CREDENCE_CACHE", &self.cache).current_dir(self.dir.path());
        let output = command.write_stdin(input).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let code = output.status.code().unwrap_or_else(|| panic!("{args:?}: {}", output.status));
        (text(output.stdout), text(output.stderr), code)
    }

    /// Runs a command with `--json`; what it prints must be what its schema says. Gives the lines.
    #[track_caller]
    fn ends(&self, command: &str, more: &[&str], input: &str, code: i32) -> Vec<Value> {
        let args: Vec<&str> = command.split(' ').chain(more.iter().copied()).chain(["--json"]).collect();
        let (out, err, found) = self.run(&args, input);
        assert_eq!(found, code, "{args:?}: {err}");
        self.held.lock().unwrap().insert(command.to_owned());
        fits(&schema(command), &out)
    }

    #[track_caller]
    fn prints(&self, command: &str, more: &[&str]) -> Vec<Value> {
        self.ends(command, more, "", 0)
    }

    /// The same of a command that has a model.
    #[track_caller]
    fn prints_by_model(&self, command: &str, more: &[&str]) -> Vec<Value> {
        self.prints(command, &[more, &["--model", &self.model]].concat())
    }

    /// Runs a command for what it does.
    #[track_caller]
    fn does(&self, args: &[&str]) {
        let (_, err, code) = self.run(args, "");
        assert_eq!(code, 0, "{args:?}: {err}");
    }

    fn held(self) -> BTreeSet<String> {
        self.held.into_inner().unwrap()
    }
}

/// A keyed question between two acts.
fn question() -> BankQuestion {
    let questions = Bank::built_in().questions;
    questions.into_iter().find(|q| q.is_keyed() && q.alternatives.len() == 2).unwrap()
}

/// A person in a session: what is asked, said, believed, decided and explained, and the log of it.
fn of_a_person() -> BTreeSet<String> {
    let bench = Bench::new();
    // A session: what it prints, and what it takes.
    let said = [
        "{\"said\":\"why\"}",
        "{\"said\":\"values\"}",
        "{\"said\":\"skip\"}",
        "{\"said\":\"choose\",\"index\":77}",
        "{\"said\":\"important\",\"words\":\"I think honesty is more important than loyalty.\"}",
        "{\"said\":\"yes\"}",
        "{\"said\":\"undo\"}",
        "{\"said\":\"stop\"}",
    ]
    .join("\n");
    fits(&schema("session-answer"), &said);
    let model = ["--model", &*bench.model];
    let shown = bench.ends("session", &[&["--person", "ada", "--seed", "3"][..], &model].concat(), &said, 0);
    for kind in ["opened", "question", "why", "values", "confirm", "moved", "summary"] {
        assert!(shown.iter().any(|line| line["shown"] == kind), "{kind} in {shown:?}");
    }
    let told = bench.ends(
        "tell",
        &[&["I think honesty is more important than loyalty.", "--person", "ada"][..], &model].concat(),
        "y\n",
        0,
    );
    assert!(told.iter().any(|line| line["asked"].is_string()) && told.iter().any(|line| line["answer"] == "confirmed"));
    bench.prints("values", &["--person", "ada"]);
    bench.prints("explain", &["honesty", "--person", "ada"]);
    bench.prints("viewpoints predict", &["--question", &question().id]);
    let verdicts = bench.file("verdicts.jsonl", r#"{"works": "acts", "person": "ada", "better": "second"}"#);
    bench.prints("viewpoints infer", &[&verdicts]);

    // A decision between two acts of the bank, which needs no reading; for one person, and for two.
    let question = question();
    let (a, b) = (&*question.alternatives[0].text, &*question.alternatives[1].text);
    let situation = ["--situation", &*question.situation];
    let between = [&["--alternative", a, "--alternative", b][..], &model].concat();
    let decided = bench.ends("decide", &[&situation[..], &between, &["--person", "bo"]].concat(), "", 10);
    assert_eq!(decided[0]["decision"]["verdict"], "ask");
    let asked =
        bench.ends("agent", &[&["--task", &*question.situation, "--person", "bo"][..], &between].concat(), "", 10);
    assert_eq!(asked[0]["decision"]["verdict"], "ask");

    // What comes in, and goes out.
    let choices = bench.file("choices.csv", CHOICES);
    bench.prints("evidence import", &["csv", &choices, "--skip-bad", "--dry-run"]);
    bench.prints("evidence import", &["csv", &choices, "--skip-bad"]);
    bench.prints("evidence export", &["csv", "out.csv"]);
    assert!(bench.prints("evidence list", &["--all"]).len() > 5);
    let together = bench.prints("decide", &[&situation[..], &between, &["--for", "ada,yo"]].concat());
    assert!(together[0]["stakes"].is_array(), "{together:?}");
    let asks = bench.prints("people ask", &[]);
    assert!(asks[0].as_array().is_some_and(|asks| !asks.is_empty()), "{asks:?}");
    bench.prints("evidence erase", &["--person", "xi", "--yes-erase", "xi"]);

    // Documents, as background and as evidence.
    let passages = bench.file("ferry.md", "# The ferry\n\nThe old ferry is loved, and it costs much.\n");
    bench.does(&["brief", "add", &passages]);
    bench.prints("brief list", &[]);
    bench.prints("deliberation list", &[]);
    let keyed = "# On honesty\n\nHonesty is rated high in most countries. [1]\n{keys: honesty 1.5, loyalty -0.5}\n\nThe sky is wide.\n{keys: none}\n";
    let keyed = bench.file("honesty.md", keyed);
    bench.prints("library add", &[&*keyed, "--dry-run"]);
    bench.prints_by_model("library add", &[&keyed]);
    let listed = bench.prints("library list", &[]);
    let id = listed[0]["documents"][0]["document"].as_str().unwrap().to_owned();
    bench.prints("library show", &[&id]);
    let of_value = bench.prints("library explain", &["honesty"]);
    assert!(of_value[0]["passages"].as_array().is_some_and(|all| !all.is_empty()), "{of_value:?}");
    bench.prints("library explain", &[&format!("{id}:1")]);
    bench.prints("library drop", &[&id]);
    assert_eq!(bench.prints("library explain", &["honesty"])[0]["opinion"], Value::Null);
    bench.prints("tune status", &[]);
    bench.held()
}

/// What agents ask before they act, and what is carried out.
fn of_agents() -> BTreeSet<String> {
    let bench = Bench::new();
    let question = question();
    let model = ["--model", &*bench.model];
    let tools = bench.file("tools.toml", "[[tools]]\nname = \"send_mail\"\namount = \"cost\"\n");
    bench.does(&[&["approvals", "declare", &tools, "--person", "ada"][..], &model].concat());
    let mail = json!({ "tool": "send_mail", "arguments": { "to": "bob" } }).to_string();
    let asked = bench.ends("approvals request", &["-", "--person", "ada"], &mail, 10);
    let number = asked[0]["question"].to_string();
    bench.prints("approvals show", &[&number, "--person", "ada"]);
    bench.does(&["approvals", "answer", &number, "approve", "--for", "always", "--person", "ada"]);
    let passed = bench.ends("approvals request", &["-", "--person", "ada"], &mail, 0);
    bench.prints("explain", &[&passed[0]["record"].to_string()]);
    bench.prints("approvals show", &["--person", "ada"]);

    // An act is chosen: a dry run, then the call.
    let call = |act: &str| json!({ "act": act, "tool": "send_mail", "arguments": { "to": "bob" } }).to_string();
    let calls: Vec<String> = question.alternatives.iter().map(|a| call(&a.text)).collect();
    let calls = bench.file("calls.jsonl", &calls.join("\n"));
    let task = ["--task", &*question.situation, "--person", "ada", "--wording-max", "inf", "--steps", "0"];
    let sure = [
        &["--regret-max", "100", "--exec", "echo '{\"status\": \"done\", \"result\": 7}'", "--calls", &*calls][..],
        &model,
    ];
    let sure = sure.concat();
    let dry = bench.ends("agent", &[&task[..], &sure].concat(), "\n", 0);
    assert_eq!(dry[1]["because"], "dry run", "{dry:?}");
    let done = bench.ends("agent", &[&task[..], &sure, &["--carry-out"]].concat(), "\n", 0);
    assert!(done[1]["approval"].is_object() && done[2]["answer"] == 7, "{done:?}");
    let listed = bench.prints("approvals list", &["--person", "ada"]);
    assert!(
        listed[0]["acts"].as_array().is_some_and(|acts| acts.iter().any(|act| act["call"].is_object())),
        "{listed:?}"
    );
    bench.prints("replay", &[]);
    bench.held()
}

/// Many people, and logs folded again.
fn of_many_people() -> BTreeSet<String> {
    let bench = Bench::new();
    logs::two_people(&bench.home());
    bench.prints("replay", &["--verify"]);
    bench.prints("replay", &["--compare=flat"]);
    let strategies = bench.prints("replay", &["--strategy", "gain", "--strategy", "random"]);
    assert!(strategies.len() > 2 && strategies[0]["chosen"].is_array(), "{strategies:?}");
    let followed = bench.prints("replay", &["--follow", "--until", "15"]);
    assert!(
        followed.iter().any(|line| line["moved"].as_array().is_some_and(|moved| !moved.is_empty())),
        "{followed:?}"
    );
    bench.prints("people", &[]);
    for name in ["town", "village"] {
        let folder = bench.dir.path().join(name);
        conversation(&folder);
        bench.does(&["evidence", "import", "polis", folder.to_str().unwrap(), "--name", name]);
    }
    let parts = bench.prints("people", &[]);
    assert_eq!(parts[0]["parts"].as_array().map(Vec::len), Some(3), "{parts:?}");
    let whole = bench.prints("people", &["--conversation", "town"]);
    assert!(whole[0]["groups"].is_array());
    bench.prints("people consolidate", &[]);
    bench.prints("people influence", &[]);
    bench.held()
}

/// Votes of eight people on four statements.
fn conversation(folder: &Path) {
    std::fs::create_dir(folder).unwrap();
    let mut comments =
        String::from("timestamp,datetime,comment-id,author-id,agrees,disagrees,moderated,comment-body\n");
    let mut votes = String::from("timestamp,datetime,comment-id,voter-id,vote\n");
    for item in 0..4_u32 {
        let vote = |voter: u32| if (voter + item).is_multiple_of(2) { 1 } else { -1 };
        comments.push_str(&format!("1,x,{item},0,4,4,1,Statement number {item}\n"));
        (0..8).for_each(|voter| {
            votes.push_str(&format!("17000000{:05},x,{item},{voter},{}\n", voter * 9 + item, vote(voter)))
        });
    }
    std::fs::write(folder.join("comments.csv"), comments).unwrap();
    std::fs::write(folder.join("votes.csv"), votes).unwrap();
}

/// Packs, and experiments that need no model.
fn of_simulations() -> BTreeSet<String> {
    let bench = Bench::new();
    bench.prints("pack list", &[]);
    bench.prints("pack show", &["values"]);
    bench.prints("pack check", &["values", "--people", "2"]);
    let small = ["--people", "4", "--pool", "2", "--gaussian", "20", "--lattice", "--figures", "figures"];
    bench.prints("eval flight", &small);
    let figures = std::fs::read_to_string(bench.dir.path().join("figures/figures.jsonl")).unwrap();
    assert!(fits(&schema("figures"), &figures).len() > 10);
    bench.prints("eval approvals", &["--owners", "2", "--acts", "20"]);
    bench.prints("eval viewpoints", &["--readers", "3", "--answers", "3", "--works", "2", "--verdicts", "2"]);
    let one = ["--simulations", "20", "--answers", "3", "--evidence", "choice", "--grid", "one"];
    bench.prints("eval calibration", &one);
    let few = ["--number", "2", "--answers", "3", "--minutes", "0.5", "--quick", "--compare-starts"];
    bench.prints("eval recovery", &[&few[..], &["--compare-settings", "{\"refined_at_first\": 4}"]].concat());
    let question = question();
    let answer = json!({ "situation": question.situation, "alternatives": [question.alternatives[0].text, question.alternatives[1].text],
        "chosen": question.alternatives[0].text });
    let people: Vec<String> = ["a", "b"]
        .map(|name| {
            json!({ "person": name, "profile": { "honesty": 1.0, "loyalty": 0.5 }, "answers": [answer] }).to_string()
        })
        .into();
    let people = bench.file("people.jsonl", &people.join("\n"));
    bench.prints("eval recovery", &["--people", &people, "--answers", "1", "--quick"]);
    bench.prints("eval crowd attack", &["--people", "10", "--trials", "2"]);
    bench.prints(
        "eval crowd kinds",
        &["--people", "10", "--trials", "2", "--apart", "1", "--answers", "4", "--dimension", "3"],
    );
    bench.prints("eval crowd growth", &["--people", "10", "--answers", "4", "--dimension", "3", "--items", "6"]);
    bench.prints("eval sentences", &["--wrong"]);
    bench.held()
}

/// A model: what it is, and what it believes and reads.
fn of_a_model() -> BTreeSet<String> {
    let bench = Bench { cache: cache_of_model_with_words(), ..Bench::new() };
    let model = bench.model.clone();
    bench.prints("model info", &[&model]);
    bench.prints("model bench", &[&model, "--rounds", "1"]);
    let small = bench.dir.path().join("small");
    std::fs::create_dir(&small).unwrap();
    let (_, err, code) = bench.run(&["model", "bench", tiny_model(&small).to_str().unwrap()], "");
    assert!(code == 6 && err.contains("512 tokens"), "{code}: {err}");
    bench.prints("model list", &[]);
    bench.prints_by_model("prior show", &[]);
    bench.prints_by_model("prior show", &["--check"]);
    bench.prints("prior compare", &[&model, &model]);
    let two = "{\"situation\": \"It rains.\", \"better\": \"share the umbrella\", \"worse\": \"run off with it\"}\n\
               {\"situation\": \"It snows.\", \"better\": \"clear the path\", \"worse\": \"throw stones\"}\n";
    bench.prints_by_model("eval pairs", &["--pairs", &bench.file("two.jsonl", two)]);
    bench.prints_by_model("eval validity", &["--by-value"]);
    bench.prints_by_model("eval unseen", &["--simulated", "4", "--answers", "4"]);
    let (few, out) =
        (["--people", "3", "--answers", "4", "--questions", "8", "--newcomers", "3"], bench.dir.path().join("weights"));
    let untaught = ["--population-only", "--out", out.to_str().unwrap()];
    bench.prints_by_model("eval weights", &[&few[..], &untaught].concat());
    bench.prints_by_model("eval library", &[]);
    bench.prints_by_model("eval flight-model", &["--people", "2", "--held-out", "2", "--answered", "0,1"]);
    let pack = pack_with_pairs(&bench);
    bench.prints_by_model("eval quality", &["--readers", "2", "--pack", &pack]);
    bench.prints_by_model("eval text", &[]);
    bench.prints_by_model("eval meaning", &[]);
    bench.prints_by_model("eval decisions", &[]);
    bench.held()
}

/// A small pack with what a score of quality is measured on; gives its folder.
fn pack_with_pairs(bench: &Bench) -> String {
    let folder = bench.dir.path().join("tea");
    let path = folder.to_str().unwrap().to_owned();
    bench.does(&["pack", "new", &path]);
    let (mut questions, mut pairs) = (String::new(), String::new());
    for n in 0..96 {
        let (author, genre, defect) = (["a", "b"][n % 2], ["x", "y"][n / 2 % 2], ["much", "vague"][n / 4 % 2]);
        let text = |how: &str| format!("Cup {n} is {how}.");
        let pair = json!({ "id": n.to_string(), "author": author, "genre": genre, "defect": defect, "with": text("so-so"), "without": text("hot") });
        pairs.push_str(&format!("{pair}\n"));
        if n < 32 {
            let key = |x: f64| json!({ "strength": x });
            let question = json!({ "id": n.to_string(), "situation": "Tea.", "alternatives": [text("strong"), text("weak")],
                "keys": [key(1.0), key(-1.0)], "tags": [format!("author:{author}"), genre] });
            questions.push_str(&format!("{question}\n"));
        }
    }
    for (name, text) in [("questions.jsonl", &questions), ("second.jsonl", &questions), ("worse.jsonl", &pairs)] {
        std::fs::write(folder.join(name), text).unwrap();
    }
    path
}

/// Probes and autoencoders.
fn of_states() -> BTreeSet<String> {
    let bench = Bench::new();
    let mut pairs = String::new();
    for (n, place) in ["kitchen", "cellar", "office", "garage"].into_iter().cycle().take(24).enumerate() {
        let text = |how: &str| format!("In the {place} the lamp {n} is {how}.");
        let pair = json!({ "id": n.to_string(), "motive": "lit", "topic": place, "with": text("bright"), "without": text("dark") });
        pairs.push_str(&format!("{pair}\n"));
    }
    let contrasts = bench.file("pairs.jsonl", &pairs);
    bench.prints_by_model("probe fit", &["--contrasts", &contrasts, "--shuffles", "1"]);
    bench.prints("probe list", &[]);
    bench.prints("probe show", &["lit"]);
    bench.prints_by_model("probe eval", &["lit", "--contrasts", &contrasts]);
    bench.prints_by_model("probe bar", &[]);
    let acts = bench.file("acts.jsonl", "{\"situation\": \"It is dark.\", \"acts\": [\"light the lamp\", \"wait\"]}\n");
    bench.prints_by_model("probe held-back", &["--acts", &acts]);
    bench.prints_by_model("probe cost", &["--texts", "2"]);
    bench.prints_by_model("probe ask", &["--contrasts", &contrasts]);
    let watched = bench.ends("probe watch", &["--model", &bench.model], "The lamp is bright.\n\nIt is dark.\n", 0);
    assert_eq!(watched.len(), 2);

    let train =
        ["--out", "lamps.sae", "--texts-max", "40", "--width", "32", "--k", "4", "--steps", "20", "--price", "learned"];
    bench.prints_by_model("sae train", &train);
    bench.prints("sae show", &["lamps.sae"]);
    bench.prints_by_model("sae audit", &["lamps.sae", "--states", "--top", "2"]);
    let labels = pairs.lines().flat_map(|line| {
        let pair: Value = serde_json::from_str(line).unwrap();
        ["with", "without"]
            .map(|side| json!({ "text": pair[side], "label": side == "with", "topic": pair["topic"] }).to_string())
    });
    let labels = bench.file("labels.jsonl", &labels.collect::<Vec<_>>().join("\n"));
    bench.prints_by_model("sae show", &["lamps.sae", "--labels", &labels, "--top", "2"]);
    bench.held()
}

/// A home whose questions a model reads, where weights may be tuned.
fn of_tuning() -> BTreeSet<String> {
    let bench = Bench::new();
    let model = ["--model", &*bench.model];
    bench.does(&[&["session", "--person", "ada", "--unkeyed", "--answers", "/dev/null"][..], &model].concat());
    let waits = bench.prints_by_model("tune run", &["--person", "ada"]);
    assert_eq!(waits[0]["trained"], false, "{waits:?}");
    bench.held()
}

/// What is measured on data that do not ship, where they are.
fn of_data() -> BTreeSet<String> {
    let bench = Bench::new();
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data");
    let data = std::env::var_os("CREDENCE_DATA").map_or(data, PathBuf::from);
    if !data.join("kidney/study_2_strict.csv").exists() {
        return WITH_DATA.map(str::to_owned).into();
    }
    let data = data.to_str().unwrap().to_owned();
    bench.prints("eval kidney", &["--data", &data, "--splits", "1"]);
    bench.prints_by_model("eval start", &["--data", &data]);
    let conversation = [
        "--conversation",
        "scoop-hivemind.taxes",
        "--splits",
        "1",
        "--others",
        "20",
        "--answers",
        "0",
        "--no-features",
    ];
    bench.prints("eval polis", &[&["--data", &data][..], &conversation].concat());
    bench.held()
}

/// Shards over a server of their own, where there is one.
fn of_shards() -> BTreeSet<String> {
    let Some(nats) = Nats::start() else { return WITH_NATS.map(str::to_owned).into() };
    let bench = Bench::new();
    logs::two_people(&bench.home());
    let on = ["--on", &*nats.url];
    let writer = |shard: &'static str, home: PathBuf| {
        let on = nats.url.clone();
        Writing::begin(move || {
            let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_credence"));
            command.args(["shard", "write", "--shard", shard, "--on", &on, "--home"]).arg(&home);
            command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
            command
        })
    };
    let _first = writer("1/1", bench.home());
    let since = std::time::Instant::now();
    while bench.run(&[&["shard", "population", "--patience", "5"][..], &on].concat(), "").2 != 0 {
        assert!(since.elapsed().as_secs() < 60, "the writer does not begin");
    }
    let learned = bench.prints("shard population", &on);
    assert_eq!(learned[0]["people"], 2, "{learned:?}");
    let moved = bench.prints("shard move", &[&["--from", "1", "--to", "2"][..], &on].concat());
    assert_eq!(moved[0]["is_new"], true, "{moved:?}");
    let _second = writer("2/2", bench.dir.path().join("other"));
    let gone = bench.prints("shard erase", &[&["--person", "bob", "--yes-erase", "bob"][..], &on].concat());
    let populations = gone[0]["populations"].as_array().unwrap();
    assert!(gone[0]["evidence"] == 1 && populations.contains(&learned[0]["fit"]), "{gone:?}");
    bench.held()
}

/// A process that runs until the test ends, and again where it ends before.
struct Writing(std::sync::Arc<std::sync::atomic::AtomicBool>, Option<std::thread::JoinHandle<()>>);

impl Writing {
    fn begin(command: impl Fn() -> std::process::Command + Send + 'static) -> Self {
        let ended = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        let seen = ended.clone();
        let thread = std::thread::spawn(move || {
            while !seen.load(std::sync::atomic::Ordering::SeqCst) {
                let mut child = command().spawn().unwrap();
                while child.try_wait().unwrap().is_none() {
                    if seen.load(std::sync::atomic::Ordering::SeqCst) {
                        child.kill().unwrap();
                    }
                    std::thread::sleep(std::time::Duration::from_millis(50));
                }
            }
        });
        Self(ended, Some(thread))
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        self.0.store(true, std::sync::atomic::Ordering::SeqCst);
        self.1.take().map(std::thread::JoinHandle::join);
    }
}

/// Runs commands; gives those whose output was held against a schema.
type Part = fn() -> BTreeSet<String>;

#[test]
fn commands_print_what_their_schemas_say() {
    // Two at a time: copies of llama.cpp on the same cores spin against each other.
    let parts: [&[Part]; 2] = [
        &[of_a_model, of_tuning],
        &[of_states, of_a_person, of_agents, of_simulations, of_many_people, of_shards, of_data],
    ];
    let held: BTreeSet<String> = std::thread::scope(|scope| {
        let running = parts.map(|parts| scope.spawn(|| parts.iter().flat_map(|part| part()).collect::<Vec<_>>()));
        running.into_iter().flat_map(|parts| parts.join().unwrap()).collect()
    });
    let home = tempfile::tempdir().unwrap();
    let listed = done(home.path(), &["schema"]);
    let commands = listed.lines().filter_map(|line| line.split("`credence ").nth(1)?.strip_suffix(" --json`"));
    let missing: Vec<&str> =
        commands.filter(|command| !held.contains(*command) && !ELSEWHERE.contains(command)).collect();
    assert!(held.len() > 50 && missing.is_empty(), "nothing is held to the schemas of {missing:?}");
}
