//! A whole sitting on the built-in keyed bank, without a model, and what the command says of its log.

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
use logs::{done, id, json};

/// A sitting of so many answers; `second` is the second of each answer's minute. Says what was asked.
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
}

#[test]
fn lines_of_a_file_say_nothing_of_a_persons_time() {
    let ask = |source: &str, seconds: i64| sit(tempfile::tempdir().unwrap().path(), 8, source, seconds);
    assert_eq!(ask("file:answers.txt", 1), ask("file:answers.txt", 55), "how long a program took changes nothing");
    assert_ne!(ask("terminal", 1), ask("terminal", 55), "a person's seconds count");
}
