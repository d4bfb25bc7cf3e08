//! `credence pack`, and homes that are about something else than what people value.

mod logs;

use logs::{credence, done, fails, json, run};

#[test]
fn a_new_pack_works_and_is_checked() {
    let dir = tempfile::tempdir().unwrap();
    let (home, folder) = (dir.path().join("home"), dir.path().join("tea"));
    let pack = folder.to_str().unwrap();
    assert!(done(&home, &["pack", "new", pack]).contains("pack check"));
    fails(&home, &["pack", "new", pack], 3, "is a pack already");
    let shown = json(&home, &["pack", "show", pack]);
    assert_eq!((&shown["name"], shown["values"].as_array().unwrap().len()), (&"tea".into(), 2));
    // Three questions are no instrument, and it says so.
    fails(&home, &["pack", "check", pack, "--people", "0"], 9, "does not pass");
    fails(&home, &["pack", "show", "nothing"], 3, "values");
}

/// What a score of quality is measured on is checked before any model is loaded.
#[test]
fn pairs_made_worse_that_are_not_whole_are_refused_by_their_line() {
    let dir = tempfile::tempdir().unwrap();
    let pairs = dir.path().join("pairs.jsonl");
    let good = r#"{"id": "1", "author": "a", "genre": "x", "defect": "d", "with": "It was very dark.", "without": "It was dark."}"#;
    std::fs::write(&pairs, format!("{good}\n{}\n", good.replace("\"author\": \"a\", ", "").replace("\"1\"", "\"2\"")))
        .unwrap();
    let pairs = pairs.to_str().unwrap();
    fails(dir.path(), &["eval", "quality", "--pairs", pairs], 3, "line 2: missing field `author`");
    fails(dir.path(), &["eval", "quality", "--pairs", "no-such-file"], 3, "cannot be read");
    fails(dir.path(), &["eval", "quality", "--pack", "values"], 3, "has no second.jsonl");
    fails(dir.path(), &["eval", "quality", "--pack", "nothing"], 3, "there is no pack");
}

#[test]
fn the_built_in_packs_pass() {
    let dir = tempfile::tempdir().unwrap();
    let listed = json(dir.path(), &["pack", "list"]);
    for pack in listed.as_array().unwrap() {
        let name = pack["name"].as_str().unwrap();
        let checked = done(dir.path(), &["pack", "check", name, "--people", "2"]);
        assert!(checked.contains("rank correlation"), "{checked}");
    }
}

/// The real model's file is found for the header; nothing is read with it.
#[test]
fn real_model_a_home_about_tea_is_about_tea_from_then_on() {
    let dir = tempfile::tempdir().unwrap();
    let (home, folder) = (dir.path().join("home"), dir.path().join("tea"));
    done(&home, &["pack", "new", folder.to_str().unwrap()]);
    let answers = dir.path().join("answers");
    std::fs::write(&answers, "1\n1\n1\n1\n1\nq\n").unwrap();
    let session =
        ["session", "--person", "ada", "--pack", folder.to_str().unwrap(), "--answers", answers.to_str().unwrap()];
    let said = done(&home, &[&session[..], &["--seed", "1"]].concat());
    assert!(said.contains("Strength"), "{said}");
    let header = std::fs::read_to_string(home.join("evidence/log.jsonl")).unwrap();
    assert!(header.lines().next().unwrap().contains("\"pack\":{\"name\":\"tea\""), "the home names its pack");
    // The home keeps a copy, so the folder need not be given again.
    let again = ["session", "--person", "ada", "--answers", answers.to_str().unwrap()];
    done(&home, &again);
    assert!(done(&home, &["values", "--person", "ada"]).contains("Strength"));
    assert!(done(&home, &["values", "--person", "ada", "--pack", folder.to_str().unwrap()]).contains("Strength"));
    std::fs::remove_dir_all(home.join("pack")).unwrap();
    fails(&home, &again, 3, "--pack DIR");
    done(&home, &[&again[..], &["--pack", folder.to_str().unwrap()]].concat());
    // Weights of another pack mean something else, whatever their names.
    let other = dir.path().join("chess");
    done(&home, &["pack", "new", other.to_str().unwrap()]);
    for pack in ["values", other.to_str().unwrap()] {
        let refused = ["session", "--pack", pack, "--answers", answers.to_str().unwrap()];
        fails(&home, &refused, 3, "this home is about the pack \"tea\"");
    }
    let manifest = other.join("pack.toml");
    let text = std::fs::read_to_string(&manifest).unwrap();
    assert!(text.contains("name = \"chess\""), "{text}");
    std::fs::write(&manifest, text.replace("\"chess\"", "\"values\"")).unwrap();
    let begun = ["session", "--pack", other.to_str().unwrap(), "--answers", answers.to_str().unwrap()];
    fails(&dir.path().join("another"), &begun, 3, "calls itself \"values\"");
}

/// A second reader who keys everything the other way round, or next to nothing, is no second reader.
#[test]
fn a_pack_that_two_readers_key_differently_does_not_pass() {
    let dir = tempfile::tempdir().unwrap();
    let second = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("agent/data/taste/second.jsonl");
    let text = std::fs::read_to_string(second).unwrap();
    let (turned, few) = (dir.path().join("turned.jsonl"), dir.path().join("few.jsonl"));
    let turn = |line: &str| -> String {
        let mut question: serde_json::Value = serde_json::from_str(line).unwrap();
        for keys in question["keys"].as_array_mut().expect("keys of both passages") {
            for key in keys.as_object_mut().expect("keys by value").values_mut() {
                *key = serde_json::json!(-key.as_f64().unwrap());
            }
        }
        question.to_string()
    };
    std::fs::write(&turned, text.lines().map(|line| turn(line) + "\n").collect::<String>()).unwrap();
    std::fs::write(&few, text.lines().take(3).map(|line| format!("{line}\n")).collect::<String>()).unwrap();
    for (file, expected) in [(&turned, "the least kappa is -"), (&few, "of 420 alternatives")] {
        let check = ["pack", "check", "taste", "--people", "0", "--second", file.to_str().unwrap()];
        let (told, _, code) = run(dir.path(), &check);
        assert!(code == 9 && told.contains(expected), "{told}");
    }
    // The name of a built-in pack, where a folder of that name is: neither is taken for the other.
    let mut new = credence(dir.path(), &["pack", "new", "taste"]);
    new.current_dir(dir.path()).assert().success();
    let mut check = credence(dir.path(), &["pack", "check", "taste", "--people", "0"]);
    let said = check.current_dir(dir.path()).assert().code(3);
    assert!(String::from_utf8_lossy(&said.get_output().stderr).contains("write ./taste for the folder"));
}

/// The real model's file is found for the header; nothing is read with it.
#[test]
fn real_model_readers_are_foreseen_and_a_work_is_found_from_their_verdicts() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().join("home");
    let write = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    fails(&home, &["viewpoints", "predict"], 3, "no evidence log");
    for (person, answer) in [("ada", "1\n"), ("bob", "2\n")] {
        let answers = write("answers", &answer.repeat(8));
        done(&home, &["session", "--person", person, "--pack", "taste", "--kinds", "choice", "--answers", &answers]);
    }
    let all = json(&home, &["viewpoints", "predict"]);
    let questions = all["questions"].as_array().unwrap();
    assert!(questions.len() >= 200, "{}", questions.len());
    for question in questions {
        let people = question["people"].as_array().unwrap();
        assert_eq!(people.len(), 2);
        for person in people {
            let [first, low, high] =
                [&person["first"], &person["interval"][0], &person["interval"][1]].map(|x| x.as_f64().unwrap());
            assert!(0.0 < first && first < 1.0 && low < high, "{person}");
        }
        assert!(!question["divided_by"].as_array().unwrap().is_empty());
    }
    let id = questions[0]["question"].as_str().unwrap();
    let said = done(&home, &["viewpoints", "predict", "--question", id, "--person", "ada"]);
    assert!(said.contains("ada  takes 1 in") && !said.contains("bob") && !said.contains("differ most"), "{said}");
    fails(&home, &["viewpoints", "predict", "--question", "none"], 3, "no question \"none\"");
    fails(&home, &["viewpoints", "predict", "--person", "carol"], 3, "nothing is known of carol");
    let bare = write("bare.jsonl", r#"{"id": "a", "situation": "", "alternatives": ["one", "two"]}"#);
    fails(&home, &["viewpoints", "predict", "--questions", &bare], 3, "has no keys");

    let verdicts = write(
        "verdicts.jsonl",
        "{\"works\": \"drafts\", \"person\": \"ada\", \"better\": \"first\"}\n\n{\"works\": \"drafts\", \"person\": \"bob\", \"better\": \"neither\"}\n",
    );
    let found = json(&home, &["viewpoints", "infer", &verdicts]);
    let values = found["works"][0]["values"].as_array().unwrap();
    assert_eq!((values.len(), &found["works"][0]["verdicts"]), (12, &2.into()));
    assert!(values[0]["more"].as_f64().unwrap() > values[11]["more"].as_f64().unwrap());
    assert_eq!(found, json(&home, &["viewpoints", "infer", &verdicts]), "the same seed, the same numbers");
    assert!(done(&home, &["viewpoints", "infer", &verdicts]).contains("drafts  (2 verdicts"));
    let line = "{\"works\": \"drafts\", \"person\": \"ada\", \"better\": \"first\"}\n";
    let twice = write("twice.jsonl", &line.repeat(2));
    fails(&home, &["viewpoints", "infer", &twice], 3, "line 2: \"ada\" gave a verdict");
    let wrong = write("wrong.jsonl", "{\"works\": \"drafts\", \"person\": \"ada\", \"better\": \"best\"}\n");
    fails(&home, &["viewpoints", "infer", &wrong], 3, "line 1");
    fails(&home, &["viewpoints", "infer", &write("empty.jsonl", "")], 3, "no verdict");
}

/// The real model's file is found for the header; nothing is read with it.
#[test]
fn real_model_values_of_a_pack_in_a_folder_are_called_by_their_names_everywhere() {
    let dir = tempfile::tempdir().unwrap();
    let (home, folder) = (dir.path().join("home"), dir.path().join("tea"));
    let pack = folder.to_str().unwrap();
    done(&home, &["pack", "new", pack]);
    let schema = folder.join("schema.toml");
    let text = std::fs::read_to_string(&schema).unwrap();
    // Names that no id could be made into.
    let named = text.replace("\"Strength\"", "\"How dark it is\"").replace("\"Sweetness\"", "\"What is stirred in\"");
    assert_ne!(named, text);
    std::fs::write(&schema, &named).unwrap();
    let answers = dir.path().join("answers");
    std::fs::write(&answers, "1\n2\n1\n1\n2\nq\n").unwrap();
    let answers = answers.to_str().unwrap();
    done(&home, &["session", "--person", "ada", "--pack", pack, "--answers", answers, "--seed", "1"]);
    done(&home, &["session", "--person", "bob", "--answers", answers, "--seed", "2"]);
    // What the home keeps is enough.
    std::fs::rename(&folder, dir.path().join("elsewhere")).unwrap();
    let document = dir.path().join("dark.md");
    std::fs::write(
        &document,
        "Most people like it dark. [1]\n{keys: strength 1.5}\n\nHow dark it is matters more than what is stirred in.\n",
    )
    .unwrap();
    let added = done(&home, &["library", "add", document.to_str().unwrap()]);
    assert!(added.contains("2 of them read"), "{added}");
    let log = home.join("evidence/log.jsonl");
    for (told, expected) in [
        (&["values", "--person", "ada"][..], "How dark it is"),
        (&["values", "--person", "ada", "--html"], "What is stirred in"),
        (&["values", "--person", "ada", "--markdown"], "How dark it is"),
        (&["explain", "how dark it is", "--person", "ada"], "How dark it is"),
        (&["library", "explain", "How dark it is"], "How dark it is"),
        (&["library", "show", "dark.md"], "What is stirred in"),
        (&["viewpoints", "predict"], "They differ most over"),
        (&["evidence", "list"], "ada"),
        (&["replay"], "How dark it is"),
    ] {
        let said = done(&home, told);
        assert!(said.contains(expected), "{told:?}: {said}");
        assert!(!said.contains("Strength") && !said.contains("Sweetness"), "{told:?}: {said}");
    }
    let predicted = done(&home, &["viewpoints", "predict"]);
    let line = predicted.lines().find(|line| line.contains("differ most over")).unwrap();
    assert!(line.contains("How dark it is") || line.contains("What is stirred in"), "{line}");
    // Another process's log, given by its path.
    let elsewhere = done(&dir.path().join("none"), &["replay", log.to_str().unwrap()]);
    assert!(elsewhere.contains("How dark it is"), "{elsewhere}");
    let sheet = json(&home, &["values", "--person", "ada"]);
    assert!(sheet.to_string().contains("What is stirred in"), "{sheet}");
    done(&home, &["replay", "--verify"]);
}

/// A pack may be corrected; what changes the meaning of weights is told in words, with what it is.
#[test]
fn real_model_a_changed_description_is_said_to_be_the_packs() {
    let dir = tempfile::tempdir().unwrap();
    let (home, folder) = (dir.path().join("home"), dir.path().join("tea"));
    let pack = folder.to_str().unwrap();
    done(&home, &["pack", "new", pack]);
    let answers = dir.path().join("answers");
    std::fs::write(&answers, "1\nq\n").unwrap();
    let session = ["session", "--person", "ada", "--answers", answers.to_str().unwrap(), "--pack", pack];
    done(&home, &session);
    let (questions, schema) = (folder.join("questions.jsonl"), folder.join("schema.toml"));
    let text = std::fs::read_to_string(&questions).unwrap();
    std::fs::write(&questions, text.replace("{\"strength\": 1.5}", "{\"strength\": 1}")).unwrap();
    let (_, told, code) = run(&home, &session);
    assert!(code == 0 && told.contains("the pack \"tea\" has changed"), "{told}");
    let (_, told, code) = run(&home, &session);
    assert!(code == 0 && !told.contains("has changed"), "it is said once: {told}");
    let text = std::fs::read_to_string(&schema).unwrap();
    std::fs::write(&schema, text.replace("brewed long", "brewed very long")).unwrap();
    fails(&home, &session, 7, "the pack \"tea\" has changed in what weights mean");
    fails(&home, &session, 7, "(strength)");
    // Without it, the home goes by the copy that it keeps.
    done(&home, &session[..5]);
    let manifest = folder.join("pack.toml");
    let text = std::fs::read_to_string(&manifest).unwrap();
    std::fs::write(&manifest, text.replace("name = \"tea\"", "name = \"\"")).unwrap();
    fails(&home, &["pack", "show", pack], 3, "expected a name of 1 to 120 characters");
}

/// What may never end is refused at once, and what is passed over in a folder is told.
#[test]
#[cfg(unix)]
fn pipes_are_refused_and_what_a_folder_has_beside_documents_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().join("home");
    logs::two_people(&home);
    let folder = dir.path().join("documents");
    std::fs::create_dir_all(folder.join(".git")).unwrap();
    std::fs::write(folder.join(".git/config"), "x").unwrap();
    std::fs::write(folder.join("good.md"), "+++\nkind = \"finding\"\ntitel = \"A\"\n+++\nMost people like tea.\n")
        .unwrap();
    let pipe = folder.join("pipe.md");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    std::os::unix::fs::symlink("gone.md", folder.join("link.md")).unwrap();
    let said = done(&home, &["library", "add", folder.to_str().unwrap(), "--dry-run"]);
    for expected in [
        "pipe.md is passed over: it is a named pipe",
        ".git is passed over: its name begins with a dot",
        "link.md is passed over: it is a link to nothing",
        "its kind \"finding\" is taken for other",
        "\"titel\" in its header is not used",
    ] {
        assert!(said.contains(expected), "{expected}: {said}");
    }
    let pipe = pipe.to_str().unwrap();
    for command in [
        &["library", "add", pipe, "--dry-run"][..],
        &["brief", "add", pipe],
        &["evidence", "import", "trl", pipe, "--person", "ada"],
        &["evidence", "import", "csv", pipe],
        &["evidence", "import", "log", pipe],
        &["viewpoints", "predict", "--questions", pipe],
    ] {
        let started = std::time::Instant::now();
        let mut waited = credence(&home, command);
        let output = waited.timeout(std::time::Duration::from_secs(30)).output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(told.contains("named pipe") || told.contains("nothing is keyed"), "{command:?}: {told}");
        assert!(started.elapsed().as_secs() < 30, "{command:?} waited");
    }
    // Standard input is open already.
    let line = "{\"prompt\":\"At sea.\",\"chosen\":\"The mast went first.\",\"rejected\":\"It was bad.\",\"annotator_id\":7}\n";
    let mut import = credence(&home, &["evidence", "import", "trl", "/dev/stdin", "--dry-run", "--person", "ada"]);
    import.write_stdin(line).assert().success();
}
