//! Inputs that once went wrong, each with what is right, through the command: imports, people, erasure, lists and followers. The
//! small files are in `tests/cases/`; no language model is needed.

mod logs;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use credence_memory::home::Home;
use logs::{credence, done, fails, json, run, two_people};
use serde_json::Value;
use tempfile::TempDir;

fn home() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    two_people(dir.path());
    dir
}

/// A file or folder of a case.
fn case(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases").join(path);
    assert!(path.exists(), "{}", path.display());
    path.to_str().unwrap().to_owned()
}

fn import(home: &TempDir, format: &str, path: &str, more: &[&str]) -> Value {
    let path = case(path);
    json(home.path(), &[&["evidence", "import", format, &path], more].concat())
}

#[track_caller]
fn refused(home: &TempDir, format: &str, path: &str, says: &[&str]) {
    let path = case(path);
    let before = log(home);
    let args = ["evidence", "import", format, &path, "--person", "mara"];
    says.iter().for_each(|say| fails(home.path(), &args, 3, say));
    assert_eq!(log(home), before, "{path}");
}

fn notes(imported: &Value) -> String {
    imported["notes"].as_array().unwrap().iter().map(|n| n.as_str().unwrap()).collect::<Vec<_>>().join("\n")
}

fn log(home: &TempDir) -> String {
    fs::read_to_string(home.path().join("evidence/log.jsonl")).unwrap()
}

#[test]
fn a1_times_in_seconds_are_read_as_such() {
    let home = home();
    let imported = import(&home, "polis", "A1/conv", &[]);
    assert!(notes(&imported).contains("6 votes are seconds"), "{imported}");
    let listed = done(home.path(), &["evidence", "list", "--kind", "VerdictGiven"]);
    assert_eq!(listed.matches("2023-11-14T22:").count(), 6, "{listed}");
}

#[test]
fn a2_votes_turned_round_against_the_counts_are_refused() {
    let home = home();
    refused(&home, "polis", "A2/conv", &["signs the other way round", "--signs turned"]);
    let turned = import(&home, "polis", "A2/conv", &["--signs", "turned"]);
    assert_eq!((&turned["evidence"], notes(&turned)), (&6.into(), String::new()));
}

#[test]
fn a4_a5_one_bad_row_does_not_refuse_the_rest() {
    for (name, left_out) in [("A4", 1), ("A5", 2)] {
        let home = home();
        refused(&home, "polis", &format!("{name}/conv"), &["--skip-bad"]);
        let imported = import(&home, "polis", &format!("{name}/conv"), &["--skip-bad"]);
        assert_eq!(
            (&imported["evidence"], imported["left_out"].as_array().unwrap().len()),
            (&2.into(), left_out),
            "{name}"
        );
    }
}

#[test]
fn a6_moderated_and_meta_statements_head_nothing() {
    let home = home();
    let imported = import(&home, "polis", "A6/conv", &[]);
    assert!(notes(&imported).contains("2 statements are left out"), "{imported}");
    let shown = done(home.path(), &["people", "--conversation", "conv"]);
    assert!(
        shown.contains("The library should open") && shown.contains("2 statements that are no opinions"),
        "{shown}"
    );
    assert!(!shown.contains("watches") && !shown.contains("too many questions"), "{shown}");
    let lift = ["people", "quarantine", "--statement", "this survey has too many questions.", "--lift"];
    done(home.path(), &lift);
    assert!(done(home.path(), &["people", "--conversation", "conv"]).contains("too many questions"));
}

#[test]
fn a7_a_column_that_is_not_used_is_named_with_its_count() {
    let imported = import(&home(), "polis", "A7/conv", &[]);
    assert!(notes(&imported).contains("\"important\" (set in 3 rows)"), "{imported}");
}

#[test]
fn a8_an_export_is_found_as_it_was_downloaded_and_otherwise_its_names_are_said() {
    assert_eq!(import(&home(), "polis", "A8/dl", &[])["evidence"], 6);
    refused(&home(), "polis", "A10", &["comments.csv and votes.csv"]);
}

#[test]
fn a9_commas_and_line_ends_in_words_are_a_matter_of_quotes() {
    for name in ["A9/conv", "A9b/conv"] {
        refused(&home(), "polis", name, &["comments.csv, line ", "fields where the header has"]);
    }
}

#[test]
fn a10_the_same_conversation_a_week_later_brings_one_vote() {
    let home = home();
    assert_eq!(import(&home, "polis", "A10/week1", &["--name", "town"])["evidence"], 6);
    let later = import(&home, "polis", "A10/week2", &["--name", "town"]);
    assert_eq!((&later["evidence"], &later["known"], &later["changed"]), (&1.into(), &6.into(), &0.into()));
    let one = done(home.path(), &["evidence", "list", "--person", "polis:town:1"]);
    assert_eq!(one.matches("VerdictGiven").count(), 2, "{one}");
    assert!(!done(home.path(), &["people"]).contains(", again "), "nobody was asked twice");
    done(home.path(), &["evidence", "verify"]);
}

#[test]
fn a11_comments_with_the_same_words_are_said_to_be_one_statement() {
    let imported = import(&home(), "polis", "A11/conv", &[]);
    assert!(notes(&imported).contains("the same words are one statement (0 and 1); 1 votes"), "{imported}");
    assert_eq!(imported["evidence"], 1, "no two verdicts that contradict each other");
}

#[test]
fn a12_files_saved_anew_are_read_or_refused_in_words() {
    for (name, says) in
        [("sci", "timestamp is \"1.7E+12\""), ("utf16", "it is not UTF-8 text"), ("cp1252", "it is not UTF-8 text")]
    {
        refused(&home(), "polis", &format!("A12/{name}"), &[says]);
    }
    // Whole numbers as floats, and columns without a name, are what table programs make of a file.
    for name in ["emptycol", "pandas_float"] {
        assert_eq!(import(&home(), "polis", &format!("A12/{name}"), &[])["evidence"], 6, "{name}");
    }
    for (name, says) in [("nochosen", "chosen is \"\""), ("one", "chosen is \"1\""), ("u16", "it is not UTF-8 text")] {
        refused(&home(), "csv", &format!("A12/{name}.csv"), &[says]);
    }
    for name in ["ok", "bom", "index", "unnamed"] {
        refused(&home(), "csv", &format!("A12/{name}.csv"), &[&format!("{name}.csv, line 2: chosen is \"tea\"")]);
    }
}

#[test]
fn a12b_lines_are_counted_as_an_editor_does() {
    for (name, line) in [("lf3", 4), ("crlf3", 4), ("blank3", 6), ("bomlf", 2), ("crlf", 2)] {
        refused(&home(), "csv", &format!("A12b/{name}.csv"), &[&format!("{name}.csv, line {line}: chosen is \"tea\"")]);
    }
}

#[test]
fn a13_what_was_exported_can_be_imported() {
    let (home, dir) = (home(), tempfile::tempdir().unwrap());
    let csv = dir.path().join("o.csv");
    let csv = csv.to_str().unwrap();
    done(home.path(), &["evidence", "export", "csv", csv]);
    let known = json(home.path(), &["evidence", "import", "csv", csv]);
    assert_eq!((&known["evidence"], &known["known"]), (&0.into(), &5.into()));
    let other = tempfile::tempdir().unwrap();
    drop(logs::Scribe::begin(other.path(), "other"));
    assert_eq!(json(other.path(), &["evidence", "import", "csv", csv])["evidence"], 5);
    assert_eq!(json(other.path(), &["replay", "--person", "ada"])["evidence"], 4);
}

#[test]
fn a14_no_cell_is_a_formula() {
    let (home, dir) = (home(), tempfile::tempdir().unwrap());
    import(&home, "trl", "A14/f.jsonl", &["--person", "mara"]);
    let csv = dir.path().join("o.csv");
    let csv = csv.to_str().unwrap();
    done(home.path(), &["evidence", "export", "csv", csv, "--person", "mara"]);
    let text = fs::read_to_string(csv).unwrap();
    assert!(text.contains("\"'=HYPERLINK(") && text.contains(",'+1+1,"), "{text}");
    let again = json(home.path(), &["evidence", "import", "csv", csv]);
    assert_eq!((&again["evidence"], &again["known"]), (&0.into(), &1.into()));
}

#[test]
fn a15_what_both_answers_begin_with_is_the_situation() {
    let home = home();
    for (name, known) in [("plain", 0), ("explicit", 1), ("implicit", 1)] {
        let imported = import(&home, "trl", &format!("A15/{name}.jsonl"), &["--person", "mara"]);
        assert_eq!((&imported["evidence"], &imported["known"]), (&(1 - known).into(), &known.into()), "{name}");
    }
    let described = done(home.path(), &["evidence", "list", "--all"]);
    assert_eq!(described.matches("AlternativeDescribed \"Paint it green.\"").count(), 1, "{described}");
    assert!(log(&home).contains("\"situation\":\"Should I repaint the shed?\""));
}

#[test]
fn a16_a17_a18_what_is_no_words_is_named_by_its_key() {
    let home = home();
    refused(
        &home,
        "trl",
        "A16/tool.jsonl",
        &["line 1: chosen[0].content is absent, which is not words: the message calls a tool"],
    );
    refused(&home, "trl", "A17/arr.jsonl", &["line 1: chosen[0] is \"A\", which is not a message", "--skip-bad"]);
    refused(&home, "trl", "A18/sur.jsonl", &["line 1: "]);
}

#[test]
fn a_dry_run_needs_no_home_and_makes_none() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().join("home");
    let path = case("A10/week1");
    let import = ["evidence", "import", "polis", &path, "--dry-run"];
    assert_eq!(json(&home, &import)["evidence"], 6);
    assert!(done(&home, &import).contains("an import without --dry-run begins one"));
    assert!(!home.exists());
    fails(&home, &["evidence", "import", "polis", &case("A4/conv"), "--dry-run"], 3, "--skip-bad");
}

#[test]
fn the_fault_is_said_of_what_is_at_fault() {
    let (home, dir) = (home(), tempfile::tempdir().unwrap());
    let path = |name: &str| dir.path().join(name);
    fs::write(path("pairs.csv"), "person,first,second,chosen\nada,tea,rum,first\n").unwrap();
    fs::write(path("bad.csv"), "person,first,second,chosen\nada,tea,rum,third\n").unwrap();
    let (pairs, bad) = (path("pairs.csv"), path("bad.csv"));
    let csv = ["evidence", "import", "csv", pairs.to_str().unwrap(), "--dry-run"];
    fails(&path("pairs.csv"), &csv, 3, "is a file; a home is a directory");
    let bad = ["evidence", "import", "csv", bad.to_str().unwrap(), "--skip-bad"];
    fails(home.path(), &bad, 3, "line 2: chosen is \"third\"");
    let conversation = case("A10/week1");
    let polis = ["evidence", "import", "polis", &conversation, "--name", "a\nb"];
    fails(home.path(), &polis, 3, "the conversation's name is \"a\\nb\" (--name");
    fails(home.path(), &["replay", "--until", "0"], 3, "before the first record");
    // A conversation bears the id of its files, and is known again in another folder under any name.
    import(&home, "polis", "A8/dl", &[]);
    assert!(done(home.path(), &["evidence", "list"]).contains("polis:3abc:"));
    let again = path("download (1)");
    fs::create_dir(&again).unwrap();
    for name in ["comments.csv", "votes.csv"] {
        fs::copy(case(&format!("A8/dl/2026-01-01-1200-3abc-{name}")), again.join(name)).unwrap();
    }
    let again = json(home.path(), &["evidence", "import", "polis", again.to_str().unwrap()]);
    assert_eq!((&again["evidence"], &again["known"]), (&0.into(), &6.into()), "{again}");
    assert!(notes(&again).contains("the conversation \"3abc\""), "{again}");
}

#[test]
fn b1_one_name_in_two_normal_forms_is_one_person_also_in_an_older_log() {
    let (home, dir) = (home(), tempfile::tempdir().unwrap());
    let (composed, apart) = ("Jos\u{e9}", "Jose\u{301}");
    let csv = dir.path().join("p.csv");
    let rows = format!("person,first,second,chosen\n{composed},a,b,first\n{apart},c,d,first\n{apart},b,a,first\n");
    fs::write(&csv, rows).unwrap();
    done(home.path(), &["evidence", "import", "csv", csv.to_str().unwrap()]);
    // As an older version wrote it: the name's accent apart, in a chain that is whole.
    let entries: Vec<_> = Home::open(home.path()).unwrap().0.entries().unwrap().map(Result::unwrap).collect();
    let mut text = String::new();
    let mut prev = "0".repeat(64);
    for (entry, line) in entries.iter().zip(log(&home).lines()) {
        let line = if entry.seq.0 % 2 == 0 { line.replace(composed, apart) } else { line.to_owned() };
        let content = line.split(",\"prev\":").next().unwrap();
        let content = format!("{content},\"prev\":\"{prev}\"");
        prev = credence_memory::ids::Hash::of(content.as_bytes()).to_string();
        text += &format!("{content},\"hash\":\"{prev}\"}}\n");
    }
    assert!(text.contains(apart) && text.contains(composed));
    fs::write(home.path().join("evidence/log.jsonl"), text).unwrap();
    for name in [composed, apart] {
        let listed = done(home.path(), &["evidence", "list", "--person", name]);
        assert_eq!(listed.matches("ChoiceMade").count(), 3, "{listed}");
    }
    done(home.path(), &["evidence", "erase", "--person", apart, "--yes-erase", composed]);
    let left = log(&home);
    assert!(!left.contains(composed) && !left.contains(apart));
    done(home.path(), &["evidence", "verify"]);
}

#[test]
fn b2_x3_the_name_is_gone_what_bears_it_is_named_and_others_trainings_stay() {
    let (home, dir) = (home(), tempfile::tempdir().unwrap());
    let folder = dir.path().join("zzqxada");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("b.md"), "# Notes\n\nAsk zzqxada before painting.\n").unwrap();
    fs::write(folder.join("in.csv"), "person,first,second,chosen\nzzqxada,a,b,first\n").unwrap();
    let path = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    done(home.path(), &["brief", "add", &path("b.md")]);
    done(home.path(), &["evidence", "import", "csv", &path("in.csv")]);
    done(home.path(), &["evidence", "export", "csv", &path("out.csv")]);
    let training = |n: u32, who: &str| {
        let folder = home.path().join(format!("training/generation-{n}"));
        fs::create_dir_all(&folder).unwrap();
        let job = format!("{{\"generation\":{n},\"in_use\":0,\"data\":{{\"absorbed\":{{\"{who}\":[12]}}}}}}");
        fs::write(folder.join("job.json"), job).unwrap();
        folder
    };
    let (stays, goes) = (training(1, "ada"), training(2, "zzqxada"));
    let erased = done(home.path(), &["evidence", "erase", "--person", "zzqxada", "--yes-erase", "zzqxada"]);
    assert!(erased.contains("BriefingAdded of record 26 bears the name"), "{erased}");
    assert!(erased.contains(&format!("{} goes too", goes.display())), "{erased}");
    assert!(stays.join("job.json").exists() && !goes.exists());
    let left = log(&home);
    let with_name: Vec<&str> = left.lines().filter(|line| line.contains("zzqxada")).collect();
    let [briefing] = with_name[..] else { panic!("{with_name:?}") };
    assert!(briefing.contains("BriefingAdded") && !briefing.contains("/zzqxada"), "{briefing}");
    done(home.path(), &["evidence", "verify"]);
}

#[test]
fn c3_a_follower_goes_on_through_an_import_and_an_erasure() {
    let home = home();
    let path = case("A10/week1");
    done(home.path(), &["evidence", "import", "polis", &path, "--name", "town"]);
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_credence"));
    let (out, err) = (home.path().join("out.txt"), home.path().join("err.txt"));
    let files = [&out, &err].map(|path| fs::File::create(path).unwrap());
    let [out_file, err_file] = files;
    command.env_remove("CREDENCE_HOME").env_remove("RUST_LOG").arg("replay").arg(home.path()).arg("--follow");
    let mut child = command.stdin(Stdio::null()).stdout(out_file).stderr(err_file).spawn().unwrap();
    let wait_for = |path: &PathBuf, what: &str, child: &mut std::process::Child| {
        let until = Instant::now() + Duration::from_secs(60);
        loop {
            let text = fs::read_to_string(path).unwrap();
            if text.contains(what) {
                return;
            }
            assert!(Instant::now() < until, "waited for {what}: {text}");
            assert!(child.try_wait().unwrap().is_none(), "it ended: {}", fs::read_to_string(&err).unwrap());
            std::thread::sleep(Duration::from_millis(100));
        }
    };
    wait_for(&out, "polis:town:3: agree", &mut child);
    done(home.path(), &["evidence", "erase", "--person", "polis:town:3", "--yes-erase", "polis:town:3"]);
    wait_for(&out, "one person emptied", &mut child);
    wait_for(&err, "the log was rewritten while it was followed", &mut child);
    done(home.path(), &["evidence", "import", "polis", &case("A10/week2"), "--name", "other"]);
    wait_for(&out, "polis:other:4: agree", &mut child);
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn e1b_a_statement_with_one_vote_does_not_head_what_unites() {
    let home = home();
    import(&home, "polis", "E1b/conv", &[]);
    let shown = done(home.path(), &["people", "--conversation", "conv", "--all"]);
    let from = shown.find("What unites").unwrap();
    let unites = &shown[from..shown.find("What divides").unwrap()];
    let lines: Vec<&str> = unites.lines().filter(|l| l.contains("% agree (")).collect();
    assert_eq!(lines.len(), 9);
    assert!(lines[8].contains("1 of 1   Nobody but one has seen this statement."), "{unites}");
    assert!(lines[..8].iter().all(|l| l.contains(" of 60   ")), "{unites}");
}

#[test]
fn conversations_of_one_home_are_kept_apart_and_facts_can_be_marked() {
    let home = home();
    import(&home, "polis", "A10/week1", &["--name", "one"]);
    import(&home, "polis", "A7/conv", &["--name", "two"]);
    let shown = done(home.path(), &["people"]);
    for said in ["=== Conversation one ===", "=== Conversation two ===", "=== What belongs to no conversation ==="] {
        assert!(shown.contains(said), "{said}: {shown}");
    }
    assert_eq!(json(home.path(), &["people"])["parts"].as_array().unwrap().len(), 3);
    let one = json(home.path(), &["people", "--conversation", "one"]);
    assert_eq!(one["people"].as_array().unwrap().len(), 3);
    fails(home.path(), &["people", "--conversation", "three"], 3, "it has one, two");
    fails(home.path(), &["people", "ask"], 3, "--conversation");
    let words = "The old ferry should be kept running.";
    done(home.path(), &["people", "quarantine", "--statement", words, "--reason", "a fact"]);
    let one = json(home.path(), &["people", "--conversation", "one"]);
    assert_eq!(one["items"].as_array().unwrap().len(), 1);
    fails(home.path(), &["people", "quarantine", "--statement", "nobody said so"], 3, "no statement here");
}

#[test]
fn x5_withdrawn_answers_are_marked() {
    let home = home();
    done(home.path(), &["evidence", "retract", "12", "--reason", "a slip"]);
    let listed = done(home.path(), &["evidence", "list", "--person", "ada"]);
    let line = listed.lines().find(|l| l.trim_start().starts_with("12 ")).unwrap();
    assert!(line.ends_with("[withdrawn: record 26]"), "{line}");
    assert_eq!(listed.matches("[withdrawn").count(), 1);
    assert!(listed.contains("record 12 withdrawn: a slip"), "{listed}");
}

/// The log lost its end: every command that opens or reads it says so; once it was opened as it is, none does.
#[test]
fn a_log_that_lost_records_is_told_by_whatever_opens_the_home() {
    for args in [["people", "influence"], ["evidence", "erase"], ["evidence", "retract"], ["people", "consolidate"]] {
        let home = home();
        let path = home.path().join("evidence/log.jsonl");
        let text = log(&home);
        let cut = text[..text.len() - 1].rfind('\n').unwrap() + 1;
        fs::write(&path, &text[..cut]).unwrap();
        for reads in [
            &["evidence", "list"][..],
            &["evidence", "verify"],
            &["values", "--person", "ada"],
            &["replay"],
            &["explain", "care", "--person", "ada"],
        ] {
            let (_, err, _) = run(home.path(), reads);
            assert!(err.contains("the log has lost records: it once went up to record 25"), "{reads:?}: {err}");
        }
        let more: &[&str] = match args[1] {
            "erase" => &["--person", "ada", "--yes-erase", "nobody"],
            "retract" => &["12", "--reason", "x"],
            _ => &[],
        };
        let (_, err, _) = run(home.path(), &[&args[..], more].concat());
        assert!(err.contains("the log has lost records: it once went up to record 25"), "{args:?}: {err}");
        let (_, err, _) = run(home.path(), &["people", "influence"]);
        assert!(!err.contains("lost records"), "{err}");
    }
}

#[cfg(unix)]
#[allow(clippy::print_stdout)]
#[test]
fn c7_whoever_has_no_login_name_is_asked_who_it_is() {
    // Only root can be somebody without a name.
    if !rustix_is_root() {
        println!("SKIPPED: only root can run a command as a user without a name");
        return;
    }
    use std::os::unix::process::CommandExt;
    let dir = tempfile::tempdir().unwrap();
    let copy = dir.path().join("credence");
    fs::copy(env!("CARGO_BIN_EXE_credence"), &copy).unwrap();
    let file = dir.path().join("t.jsonl");
    fs::write(&file, "{\"prompt\":\"p\",\"chosen\":\"a\",\"rejected\":\"b\"}\n").unwrap();
    fs::set_permissions(dir.path(), std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    let output = std::process::Command::new(&copy)
        .args(["evidence", "import", "trl"])
        .arg(&file)
        .args(["--dry-run", "--home"])
        .arg(dir.path().join("home"))
        .env_clear()
        .uid(54321)
        .gid(54321)
        .output()
        .unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(3) && err.contains("--person"), "{err}");
}

#[cfg(unix)]
fn rustix_is_root() -> bool {
    std::process::Command::new("id").arg("-u").output().is_ok_and(|o| o.stdout == b"0\n")
}

/// The command exists and takes what the cases give it.
#[test]
fn the_options_of_the_cases_are_in_the_help() {
    let dir = tempfile::tempdir().unwrap();
    let help =
        String::from_utf8(credence(dir.path(), &["evidence", "import", "--help"]).output().unwrap().stdout).unwrap();
    for option in ["--skip-bad", "--signs", "--dry-run", "--describe"] {
        assert!(help.contains(option), "{option}: {help}");
    }
}
