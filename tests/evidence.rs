//! `credence evidence import|export|erase`, end to end on logs made by the library.

mod logs;

use std::fs;
use std::path::Path;

use logs::{Scribe, done, fails, json, two_people};
use serde_json::Value;
use tempfile::TempDir;

const COMMENTS: &str = "timestamp,datetime,comment-id,author-id,agrees,disagrees,moderated,comment-body\n\
    1,x,3,0,1,0,1,\"Plant trees, everywhere\"\n1,x,7,0,1,0,1,Close the road\n";
const VOTES: &str = "timestamp,datetime,comment-id,voter-id,vote\n1700000000000,x,3,0,1\n1700000001000,x,7,0,-1\n\
    1700000002000,x,3,1,0\n";

fn home() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    two_people(dir.path());
    dir
}

fn log(home: &TempDir) -> String {
    fs::read_to_string(home.path().join("evidence/log.jsonl")).unwrap()
}

/// A file with this content; its path lives as long as the directory.
fn file(dir: &TempDir, name: &str, content: &str) -> String {
    let path = dir.path().join(name);
    fs::write(&path, content).unwrap();
    path.to_str().unwrap().to_owned()
}

fn polis() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    file(&dir, "comments.csv", COMMENTS);
    file(&dir, "votes.csv", VOTES);
    dir
}

#[test]
fn a_polis_conversation_is_imported_once_and_replayed() {
    let (home, data) = (home(), polis());
    let path = data.path().to_str().unwrap();
    let before = log(&home);
    let import = ["evidence", "import", "polis", path, "--name", "town"];
    let dry = json(home.path(), &[&import[..], &["--dry-run"]].concat());
    assert_eq!(log(&home), before, "a dry run changes nothing");
    let imported = json(home.path(), &import);
    for key in ["evidence", "people", "statements", "new_statements", "bare"] {
        assert_eq!(dry[key], imported[key], "{key}");
    }
    assert_eq!((&imported["evidence"], &imported["people"], &imported["bare"]), (&3.into(), &2.into(), &2.into()));
    assert!(log(&home).starts_with(&before));
    let replay = json(home.path(), &["replay", "--verify", "--person", "polis:town:0"]);
    assert_eq!(replay["evidence"], 2);
    done(home.path(), &["evidence", "verify"]);
    assert!(done(home.path(), &["evidence", "list"]).contains("3 records of 2 people as polis"));
    let after = log(&home);
    assert!(done(home.path(), &import).contains("nothing new: nothing was changed"));
    assert_eq!(log(&home), after);
}

#[test]
fn errors_name_the_line_and_nothing_is_added() {
    let (home, dir) = (home(), tempfile::tempdir().unwrap());
    let before = log(&home);
    let csv = file(&dir, "pairs.csv", "person,first,second,chosen\neve,a,b,first\neve,a,a,first\n");
    fails(home.path(), &["evidence", "import", "csv", &csv], 3, "pairs.csv, line 3: both alternatives are the same");
    let trl = file(&dir, "t.jsonl", "{\"prompt\":\"p\",\"chosen\":\"a\",\"rejected\":\"b\"}\n{\"prompt\":1}\n");
    fails(home.path(), &["evidence", "import", "trl", &trl, "--person", "eve"], 3, "t.jsonl, line 2: ");
    let (data, empty) = (polis(), tempfile::tempdir().unwrap());
    let votes = file(&data, "votes.csv", &format!("{VOTES}1700000000001,x,8,0,1\n"));
    let path = data.path().to_str().unwrap();
    fails(
        home.path(),
        &["evidence", "import", "polis", path, "--name", "x"],
        3,
        &format!("{votes}, line 5: comment-id is \"8\""),
    );
    let nothing = empty.path().to_str().unwrap();
    fails(home.path(), &["evidence", "import", "polis", nothing, "--name", "x"], 3, "comments.csv");
    assert_eq!(log(&home), before);
}

#[test]
fn pairs_and_preference_data_are_imported() {
    let (home, dir) = (home(), tempfile::tempdir().unwrap());
    let csv = "person,situation,first,second,chosen\neve,at work,do thing 0,do thing 1,first\n";
    let pairs = json(home.path(), &["evidence", "import", "csv", &file(&dir, "p.csv", csv)]);
    assert_eq!((&pairs["evidence"], &pairs["new_statements"]), (&1.into(), &0.into()), "both were described before");
    let lines = "{\"prompt\":\"p\",\"completion\":\"a\",\"label\":true}\n{\"prompt\":\"p\",\"completion\":\"b\",\"label\":false}\n";
    let trl = file(&dir, "t.jsonl", lines);
    let text = done(home.path(), &["evidence", "import", "trl", &trl, "--person", "finn"]);
    assert!(
        text.contains("2 pieces of evidence of 1 people") && text.contains("2 statements have no features"),
        "{text}"
    );
    let replay = json(home.path(), &["replay"]);
    let people: Vec<&str> =
        replay["people"].as_array().unwrap().iter().map(|p| p["person"].as_str().unwrap()).collect();
    assert_eq!(people, ["ada", "bob", "eve", "finn"]);
}

#[test]
fn another_log_is_merged_if_its_features_mean_the_same() {
    let home = home();
    let dir = tempfile::tempdir().unwrap();
    let mut other = Scribe::begin(dir.path(), "another");
    other.ask("ada", 0, 3, Some(0));
    drop(other);
    let path = dir.path().to_str().unwrap();
    let merged = json(home.path(), &["evidence", "import", "log", path, "--prefix", "there:"]);
    assert_eq!((&merged["evidence"], &merged["people"]), (&1.into(), &1.into()));
    let replay = json(home.path(), &["replay", "--verify", "--person", "there:ada"]);
    assert_eq!(replay["evidence"], 1);
    let text = fs::read_to_string(dir.path().join("evidence/log.jsonl")).unwrap();
    fs::write(dir.path().join("evidence/log.jsonl"), text.replacen("do thing 3", "do thing 9", 1)).unwrap();
    fails(home.path(), &["evidence", "import", "log", path], 5, "is damaged");
}

#[test]
fn exports_hold_soft_labels_and_are_named_in_the_log() {
    let (home, dir) = (home(), tempfile::tempdir().unwrap());
    let out = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let trl = json(home.path(), &["evidence", "export", "trl", &out("pairs.jsonl")]);
    assert_eq!((&trl["rows"], &trl["other_rows"]), (&4.into(), &1.into()), "one answer was no preference");
    let text = fs::read_to_string(out("pairs.jsonl")).unwrap();
    let first: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    assert_eq!((&first["chosen"], &first["rejected"]), (&"do thing 0".into(), &"do thing 1".into()));
    let p = first["chosen_probability"].as_f64().unwrap();
    assert!(0.0 < p && p < 1.0);
    assert!(log(&home).contains("pairs.jsonl"));

    fails(home.path(), &["evidence", "export", "csv", &out("pairs.jsonl")], 3, "is there already");
    assert_eq!(fs::read_to_string(out("pairs.jsonl")).unwrap(), text);
    done(home.path(), &["evidence", "export", "csv", &out("pairs.jsonl"), "--force", "--person", "bob"]);
    assert_eq!(fs::read_to_string(out("pairs.jsonl")).unwrap().lines().count(), 2);
    fails(
        home.path(),
        &["evidence", "export", "csv", &out("none.csv"), "--person", "eve"],
        3,
        "no evidence of \"eve\"",
    );
    assert!(!Path::new(&out("none.csv")).exists());

    done(home.path(), &["evidence", "export", "parquet", &out("rows.parquet")]);
    assert!(fs::read(out("rows.parquet")).unwrap().starts_with(b"PAR1"));
    assert_eq!(json(home.path(), &["evidence", "export", "trl-unpaired", &out("u.jsonl")])["rows"], 0);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 3, "no unfinished files");
    done(home.path(), &["evidence", "verify"]);

    // What was exported can be imported elsewhere.
    let pairs = out("again.jsonl");
    done(home.path(), &["evidence", "export", "trl", &pairs]);
    let there = tempfile::tempdir().unwrap();
    drop(Scribe::begin(there.path(), "there"));
    let back = json(there.path(), &["evidence", "import", "trl", &pairs]);
    assert_eq!((&back["evidence"], &back["people"], &back["bare"]), (&4.into(), &2.into(), &0.into()));
}

#[test]
fn an_import_takes_no_option_that_it_has_no_use_for_and_tells_what_it_brings() {
    let (home, dir) = (home(), tempfile::tempdir().unwrap());
    let file = |name: &str, text: &str| {
        fs::write(dir.path().join(name), text).unwrap();
        dir.path().join(name).to_str().unwrap().to_owned()
    };
    let csv = file("a.csv", "person,first,second,chosen\nada,tea,rum,first\nada,tea,gin,first\n");
    for (option, value) in [("--prefix", "office-"), ("--name", "town"), ("--signs", "turned")] {
        fails(home.path(), &["evidence", "import", "csv", &csv, option, value], 2, &format!("{option} is for a "));
    }
    let there = tempfile::tempdir().unwrap();
    drop(Scribe::begin(there.path(), "there"));
    done(there.path(), &["evidence", "import", "csv", &csv]);
    let merged = json(home.path(), &["evidence", "import", "log", there.path().to_str().unwrap(), "--dry-run"]);
    assert_eq!([&merged["statements"], &merged["new_statements"], &merged["bare"]], [&Value::from(3); 3], "{merged}");
    // What is wrong in any home is wrong before there is one.
    let own = "person,kind,situation,first,second,outcome\nada,RatingGiven,s,tea,,9/5\n";
    let none = dir.path().join("none");
    fails(&none, &["evidence", "import", "csv", &file("own.csv", own), "--dry-run"], 3, "line 2: it does not fit");
    assert!(!none.exists());
    fails(&none, &["evidence", "import", "csv", &file("own.csv", own)], 3, "line 2: it does not fit");
    assert!(!none.exists(), "what is refused begins no home");
    fails(
        home.path(),
        &["evidence", "import", "trl", &file("a.json", "[{}\n]"), "--skip-bad"],
        3,
        "begins a JSON array",
    );
}

#[cfg(unix)]
#[test]
fn exports_are_readable_by_their_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let (home, dir) = (home(), tempfile::tempdir().unwrap());
    let path = dir.path().join("rows.csv");
    done(home.path(), &["evidence", "export", "csv", path.to_str().unwrap()]);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_person_is_not_erased_by_accident() {
    let home = home();
    let before = log(&home);
    fails(home.path(), &["evidence", "erase", "--person", "ada"], 3, "has to be confirmed at a terminal");
    fails(home.path(), &["evidence", "erase", "--person", "ada", "--yes-erase", "bob"], 2, "nothing was erased");
    fails(home.path(), &["evidence", "erase", "--person", "eve", "--yes-erase", "eve"], 3, "no person \"eve\"");
    assert_eq!(log(&home), before);
}

#[test]
fn an_erased_person_is_gone_and_nobody_else_changes() {
    let (home, dir) = (home(), tempfile::tempdir().unwrap());
    let export = dir.path().join("pairs.jsonl");
    done(home.path(), &["evidence", "export", "trl", export.to_str().unwrap()]);
    let notes = home.path().join("notes.txt");
    fs::write(&notes, "about ada").unwrap();
    let bob = |home: &TempDir| json(home.path(), &["replay", "--person", "bob"])["people"][0]["digest"].clone();
    let before = bob(&home);
    let text = done(home.path(), &["evidence", "erase", "--person", "ada", "--yes-erase", "ada"]);
    for part in ["12 records (4 of them evidence)", export.to_str().unwrap(), notes.to_str().unwrap(), "out of reach"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!log(&home).contains("\"ada\""));
    assert_eq!(bob(&home), before);
    done(home.path(), &["evidence", "verify"]);
    fails(home.path(), &["replay", "--person", "ada"], 3, "no person \"ada\"");
}

/// A whole chain with a record that cannot follow is damaged, as one with a wrong hash is.
#[test]
fn a_record_that_cannot_follow_is_exit_code_5() {
    use credence_memory::ids::Seq;
    use credence_memory::log::{LogError, Writer};
    use credence_memory::record::{Record, Retracted};
    let home = home();
    let storage = credence_memory::storage::Files::open(&home.path().join("evidence/log.jsonl")).unwrap();
    let (mut writer, _) = Writer::open(storage, |_| Ok::<_, LogError>(())).unwrap();
    let record = Record::Retracted(Retracted { target: Seq(999), reason: "never given".into() });
    writer.append("2026-01-01T10:00:00Z".parse().unwrap(), record).unwrap();
    drop(writer);
    for command in
        [&["evidence", "verify"][..], &["replay"], &["people"], &["evidence", "retract", "3", "--reason", "x"]]
    {
        fails(home.path(), command, 5, "does not fit the log");
    }
}

#[test]
fn a_home_in_use_is_exit_code_4() {
    let home = home();
    let (_held, _) = credence_memory::home::Home::open(home.path()).unwrap();
    let file = home.path().join("rows.csv");
    fails(home.path(), &["evidence", "export", "csv", file.to_str().unwrap()], 4, "another process is using");
    done(home.path(), &["replay"]);
}

/// Says that a test tried nothing: what is silent would pass for a success.
#[expect(clippy::print_stderr, reason = "the only place that a test can say it")]
fn skipped(why: &str) {
    eprintln!("SKIPPED: {why}");
}

/// A public Polis conversation, through the command: needs CREDENCE_DATA (../shared/data beside the repository otherwise).
#[test]
fn a_public_conversation_is_imported_replayed_and_verified() {
    let given = std::env::var_os("CREDENCE_DATA");
    let data = given.as_ref().map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data"), Into::into);
    let conversation = data.join("polis/15-per-hour-seattle");
    if !conversation.exists() {
        assert!(
            std::env::var_os("CREDENCE_DATA").is_none(),
            "CREDENCE_DATA is set and has not {}",
            conversation.display()
        );
        return skipped("there is no ../shared/data, and CREDENCE_DATA is not set");
    }
    // The last vote of a person on a statement counts.
    let votes = fs::read_to_string(conversation.join("votes.csv")).unwrap();
    let last: std::collections::BTreeSet<(&str, &str)> = votes
        .lines()
        .skip(1)
        .map(|line| {
            let fields: Vec<&str> = line.split(',').collect();
            (fields[3], fields[2])
        })
        .collect();
    let voters: std::collections::BTreeSet<&str> = last.iter().map(|(voter, _)| *voter).collect();
    let home = home();
    let path = conversation.to_str().unwrap();
    let imported = json(home.path(), &["evidence", "import", "polis", path]);
    assert_eq!((&imported["evidence"], &imported["people"]), (&last.len().into(), &voters.len().into()));
    let one = format!("polis:15-per-hour-seattle:{}", voters.iter().next().unwrap());
    let replay = json(home.path(), &["replay", "--verify", "--person", &one]);
    let theirs = last.iter().filter(|(voter, _)| Some(voter) == voters.iter().next()).count();
    assert_eq!(replay["evidence"], theirs);
    let everyone = json(home.path(), &["replay"]);
    assert_eq!(everyone["evidence"], last.len() + 5, "and the five answers of the two who were there before");
    let both = json(home.path(), &["replay", "--person", &one, "--without", "kind:ChoiceMade", "--compare"]);
    assert_eq!(both["variants"][0]["left_out"], 5);
    done(home.path(), &["evidence", "verify"]);
}

#[test]
fn nothing_is_written_over_what_any_home_keeps() {
    let (home, other) = (home(), home());
    let path = |home: &TempDir, name: &str| home.path().join(name).to_str().unwrap().to_owned();
    fs::create_dir(home.path().join("adapters")).unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let copy = path(&elsewhere, "log");
    fs::copy(path(&other, "evidence/log.jsonl"), &copy).unwrap();
    let taken = [
        path(&home, "lock"),
        path(&home, "adapters/1.gguf"),
        path(&other, "lock"),
        path(&other, "evidence/log.jsonl"),
        path(&other, "store/x"),
        copy,
    ];
    let before = log(&other);
    for taken in &taken {
        let there = fs::read(taken).ok();
        for command in [
            &["values", "--person", "bob", "--output"][..],
            &["replay", "--person", "bob", "--plot"],
            &["evidence", "export", "csv", "--force"],
        ] {
            fails(home.path(), &[command, &[taken]].concat(), 3, "choose another name");
            assert_eq!(fs::read(taken).ok(), there, "{command:?} {taken}");
        }
    }
    assert_eq!(log(&other), before);
    let page = path(&home, "page.html");
    done(home.path(), &["values", "--person", "bob", "--output", &page]);
}

/// Others are believed by a population that was learned from whoever is erased, and that is said before it is done.
#[test]
fn an_erasure_says_that_the_population_goes_too() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path();
    for person in ["ada", "bo", "cy"] {
        done(home, &["tell", "--yes", "--person", person, "Honesty > Thrift"]);
    }
    let erase = ["evidence", "erase", "--person", "ada", "--yes-erase", "ada"];
    done(home, &["people", "consolidate"]);
    let said = done(home, &erase);
    assert!(said.contains("was learned from them too") && !said.contains("No one else's belief changes"), "{said}");
    let said = done(home, &["evidence", "erase", "--person", "bo", "--yes-erase", "bo"]);
    assert!(said.contains("No one else's belief changes"), "{said}");
}

#[test]
fn an_empty_variable_for_the_home_is_none() {
    let dir = tempfile::tempdir().unwrap();
    let output = logs::credence(dir.path(), &["evidence", "list"]).output().unwrap();
    let mut bare = assert_cmd::Command::new(env!("CARGO_BIN_EXE_credence"));
    bare.env("CREDENCE_HOME", "").env("XDG_DATA_HOME", dir.path()).env("HOME", dir.path());
    let bare = bare.args(["--offline", "evidence", "list"]).output().unwrap();
    assert_eq!(bare.status.code(), output.status.code(), "{}", String::from_utf8_lossy(&bare.stderr));
    assert!(String::from_utf8_lossy(&bare.stderr).contains("there is no evidence log"), "{bare:?}");
}
