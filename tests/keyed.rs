//! A whole session on the built-in keyed bank, without a model, and what the command says of its log.

mod logs;

use std::collections::BTreeSet;
use std::path::Path;

use credence_agent::askable::Askable;
use credence_agent::bank::Bank;
use credence_agent::keyed;
use credence_agent::session::{Answer, Session, SessionOptions};
use credence_memory::belief::Settings;
use credence_memory::home::Home;
use credence_memory::ids::ValueId;
use credence_memory::record::{LogOpened, QuestionKind, Record};
use credence_memory::sample::header;
use credence_priors::schema::ValueSchema;
use logs::{done, fails, id, json};

/// A session of so many answers; `second` is the second of each answer's minute. Says what was asked.
fn sit(root: &Path, answers: usize, source: &str, seconds: i64) -> Vec<(QuestionKind, Vec<String>)> {
    let bank = Bank::built_in();
    let values: Vec<ValueId> = ValueSchema::embedded().values.iter().map(|v| ValueId::new(&v.id).unwrap()).collect();
    let opened =
        LogOpened { values: values.clone(), text_features: 0, belief: Settings::of_new_homes(), ..header("keyed") };
    let at = |second: i64| jiff::Timestamp::from_second(1_790_000_000 + second).unwrap();
    let mut home = Home::create(root, at(0), opened).unwrap();
    home.append(at(0), Record::PriorElicited(keyed::prior(&bank, &values).unwrap())).unwrap();
    let options = SessionOptions { seed: 7, source: source.into(), ..SessionOptions::default() };
    let askable = std::sync::Arc::new(Askable::new(bank, home.state()).unwrap());
    let mut session = Session::begin(&mut home, id("ada"), askable, options, at(1)).unwrap();
    let mut asked = Vec::new();
    let mut clock = 10;
    for n in 0..answers {
        let question = session.next_question(&mut home, at(clock)).unwrap().expect("a question");
        clock += seconds;
        let answer = match question.kind {
            QuestionKind::Choice => Answer::Choose(n % 2),
            QuestionKind::Portrait => Answer::Rate(1 + (n % 6) as u32),
            QuestionKind::BestAndWorst => Answer::BestAndWorst(0, 3),
        };
        session.answer(&mut home, answer, at(clock)).unwrap();
        asked.push((question.kind, question.alternatives));
    }
    session.end(&mut home, "the test is over", at(clock)).unwrap();
    asked
}

#[test]
fn several_kinds_are_asked_and_the_log_replays_compares_and_shows_itself() {
    let home = tempfile::tempdir().unwrap();
    let kinds: BTreeSet<String> = sit(home.path(), 10, "terminal", 9).iter().map(|(k, _)| format!("{k:?}")).collect();
    assert!(kinds.len() >= 2, "no way of asking carries a person alone: {kinds:?}");
    assert!(done(home.path(), &["replay", "--verify"]).contains("match"));
    // Every strategy at every question, whatever its kind; those that know choices only choose among choices.
    let strategies = ["replay", "--strategy", "gain", "--strategy", "eubo", "--strategy", "random"];
    let shown = done(home.path(), &strategies);
    assert!(shown.contains("10 questions were asked"), "{shown}");
    let page = json(home.path(), &["values", "--person", "ada"]);
    assert_eq!(page["values"]["values"].as_array().map(Vec::len), Some(18));
    let listed = done(home.path(), &["evidence", "list"]);
    assert!(listed.contains("the most important is"), "{listed}");
    done(home.path(), &["explain", "honesty", "--person", "ada"]);
    // No wait would ever help here, and that is what is said.
    let schedule = done(home.path(), &["tune", "status"]);
    assert!(schedule.contains("Schedule: never: this home's questions are keyed"), "{schedule}");
}

#[test]
fn lines_of_a_file_say_nothing_of_a_persons_time() {
    let ask = |source: &str, seconds: i64| sit(tempfile::tempdir().unwrap().path(), 8, source, seconds);
    assert_eq!(ask("file:answers.txt", 1), ask("file:answers.txt", 55), "how long a program took changes nothing");
    assert_ne!(ask("terminal", 1), ask("terminal", 55), "a person's seconds count");
}

/// The digest of what is believed of ada.
fn believed(home: &Path) -> String {
    let replay = json(home, &["replay", "--person", "ada"]);
    replay["people"][0]["digest"].as_str().expect("a digest").to_owned()
}

#[test]
fn documents_move_belief_name_their_passages_and_leave_no_trace() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    sit(home, 6, "terminal", 9);
    let log = || std::fs::read_to_string(home.join("evidence/log.jsonl")).unwrap();
    let (before, start) = (log(), believed(home));
    let dry = json(home, &["library", "add", "values-across-cultures", "--dry-run"]);
    assert_eq!((dry["documents"].as_array().unwrap().len(), log() == before), (13, true), "a dry run adds nothing");
    let added = json(home, &["library", "add", "values-across-cultures"]);
    assert!(added["documents"].as_array().unwrap().iter().all(|d| d["new"] == true), "{added}");
    let again = json(home, &["library", "add", "values-across-cultures"]);
    assert!(again["documents"].as_array().unwrap().iter().all(|d| d["new"] == false), "{again}");
    assert_ne!(believed(home), start, "belief takes the documents in");
    assert!(done(home, &["replay", "--verify"]).contains("match"));
    let why = done(home, &["explain", "tradition", "--person", "ada"]);
    assert!(why.contains("started from the library") && why.contains("Tradition, authority"), "{why}");
    let said = json(home, &["library", "explain", "Tradition"]);
    assert!(said["opinion"]["mean"].as_f64() < Some(-0.5), "{said}");
    assert!(said["passages"][0]["references"].as_array().is_some_and(|r| !r.is_empty()), "{said}");
    // A library that says the opposite is shown beside it, and belief becomes wide.
    let wrong = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/library/wrong/values-upside-down.md");
    done(home, &["library", "add", wrong]);
    // The same words, read otherwise: what counts already would go on counting, so that is said.
    let (told, _, code) = logs::run(home, &["library", "add", wrong, "--reliability", "0.2"]);
    assert!(code == 3 && told.contains("with other keys, kind or reliability"), "{told}");
    let both = json(home, &["library", "explain", "tradition"]);
    assert!(!both["contradictions"].as_array().unwrap().is_empty(), "{both}");
    assert!(both["opinion"]["sd"].as_f64() > said["opinion"]["sd"].as_f64(), "{both}");
    let shown = done(home, &["library", "show", "values-upside-down.md"]);
    assert!(shown.contains("Contradictions") && shown.contains("Tradition +2 (keyed)"), "{shown}");
    let passage = done(home, &["library", "explain", "values-upside-down.md:2"]);
    assert!(passage.contains("without it"), "{passage}");
    for document in json(home, &["library", "list"])["documents"].as_array().unwrap() {
        done(home, &["library", "drop", document["document"].as_str().unwrap()]);
    }
    assert_eq!(believed(home), start, "as if no document had ever been there");
    assert!(done(home, &["replay", "--verify"]).contains("match"));
    fails(home, &["library", "explain", "wit"], 3, "no value");
    fails(home, &["library", "drop", "nothing"], 3, "empty");
    fails(home, &["library", "add", "no-such-file.md"], 3, "no-such-file.md cannot be read");
    fails(home, &["library", "add", "duties", "--reliability", "1"], 2, "below 1");
}

/// A folder with whatever people put into folders: each file that cannot be used is named with what is wrong, the rest is taken, and the
/// exit code is 3 only where nothing could be.
#[test]
fn what_cannot_be_read_of_a_folder_is_said_and_the_rest_is_taken() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    sit(home, 3, "terminal", 9);
    let folder = tempfile::tempdir().unwrap();
    let put = |name: &str, text: &[u8]| std::fs::write(folder.path().join(name), text).unwrap();
    put("honesty.md", b"Honesty is rated high in most countries.\n{keys: honesty 1.5}\n");
    let german = "Die meisten Menschen halten Ehrlichkeit fuer wichtiger als Gehorsam, und sie sagen das auch, wenn man \
        sie danach fragt. Das gilt in vielen Laendern und fuer Junge wie Alte, auch wenn es nicht immer leicht ist.\n";
    put("ehrlichkeit.md", german.as_bytes());
    put("locked.pdf", b"%PDF-1.4\ntrailer << /Encrypt 5 0 R /Root 1 0 R >>\n%%EOF");
    put("empty.md", b" \n");
    std::fs::File::create(folder.path().join("huge.txt")).unwrap().set_len(50 << 20).unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink(folder.path(), folder.path().join("loop")).unwrap();
    let path = folder.path().to_str().unwrap();
    let added = json(home, &["library", "add", path]);
    let documents = added["documents"].as_array().unwrap();
    assert_eq!(documents.len(), 2, "{added}");
    let notes = documents.iter().find(|d| d["source"] == "ehrlichkeit.md").map(|d| d["notes"].to_string()).unwrap();
    assert!(notes.contains("English"), "{notes}");
    let refused = added["refused"].to_string();
    for (name, what) in [("locked.pdf", "encrypted"), ("empty.md", "no text"), ("huge.txt", "32 MiB")] {
        assert!(refused.contains(name) && refused.contains(what), "{name}: {refused}");
    }
    #[cfg(unix)]
    assert!(refused.contains("loop"), "{refused}");
    std::fs::remove_file(folder.path().join("honesty.md")).unwrap();
    std::fs::remove_file(folder.path().join("ehrlichkeit.md")).unwrap();
    fails(home, &["library", "add", path], 3, "locked.pdf");
}

/// Passages that give orders are text: belief with them is belief without them, to the last bit.
#[test]
fn nothing_in_a_document_commands() {
    let poisoned = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/library/poisoned/helping-neighbours.md");
    let text = std::fs::read_to_string(poisoned).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let clean = folder.path().join("clean.md");
    let kept: Vec<&str> = text.split("\n\n").filter(|p| p.starts_with("+++") || p.contains("{keys:")).collect();
    assert!(kept.len() < text.split("\n\n").count());
    std::fs::write(&clean, kept.join("\n\n")).unwrap();
    let with = |document: &str| {
        let home = tempfile::tempdir().unwrap();
        sit(home.path(), 3, "terminal", 9);
        done(home.path(), &["library", "add", "values-across-cultures"]);
        done(home.path(), &["library", "add", document]);
        believed(home.path())
    };
    assert_eq!(with(poisoned), with(clean.to_str().unwrap()));
}
