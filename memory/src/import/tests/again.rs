//! The same evidence comes in once, however the file was saved meanwhile.

use super::*;

/// What is new, known, changed, older, withdrawn and repeated of an import; it is then added.
#[track_caller]
pub(super) fn add(home: &mut Home, import: Import, at: i64) -> [u64; 6] {
    let import = import.compared(Some(home)).unwrap();
    let c = import.compared_with();
    let counts = [import.records() as u64, c.known, c.changed(), c.older, c.withdrawn, c.repeated];
    if !import.is_empty() {
        let draft = import.draft(home, time(at), vec![]).unwrap();
        home.commit(draft).unwrap();
    }
    counts
}

pub(super) fn stands(home: &Home) -> usize {
    home.state().people().values().map(|p| p.evidence().len()).sum()
}

pub(super) const HEAD: &str = "timestamp,datetime,comment-id,voter-id,vote\n";
pub(super) const WORDS: &str = "comment-id,comment-body\n0,Open on Sundays\n1,Keep the ferry\n";

fn votes(rows: &str) -> Import {
    polis(&[("comments.csv", WORDS), ("votes.csv", &format!("{HEAD}{rows}"))]).unwrap()
}

#[test]
fn a_conversation_a_week_later_brings_what_is_new_and_a_changed_vote_once() {
    let dir = tempfile::tempdir().unwrap();
    let mut home = home(dir.path());
    let week1 = "1700000100000,x,0,1,1\n1700000200000,x,0,2,1\n1700000300000,x,1,1,-1\n";
    assert_eq!(add(&mut home, votes(week1), 100), [3, 0, 0, 0, 0, 0]);
    let week2 = format!("{week1}1700600000000,x,1,3,1\n1700600000001,x,0,2,-1\n");
    assert_eq!(add(&mut home, votes(&week2), 200), [2, 3 - 1, 1, 0, 0, 0], "voter 2 changed their vote");
    let two = home.state().person(&id("polis:town:2")).unwrap();
    assert_eq!((two.evidence().len(), two.retracted().len(), stands(&home)), (1, 1, 4));
    assert_eq!(home.entries().unwrap().filter(|e| e.as_ref().unwrap().record.kind() == "Retracted").count(), 1);
    // The same in other line ends, in seconds, in another order, with the older week's file at last.
    assert_eq!(add(&mut home, votes(&week2.replace('\n', "\r\n")), 300)[0], 0);
    let seconds = "1700000100,x,0,1,1\n1700600000,x,1,3,1\n1700000300,x,1,1,-1\n";
    assert_eq!(add(&mut home, votes(seconds), 400)[..3], [0, 3, 0]);
    assert_eq!(add(&mut home, votes(&format!("\n{week1}")), 500), [0, 2, 0, 1, 0, 0]);
    assert_eq!(stands(&home), 4);
    // What was withdrawn here by somebody stays withdrawn.
    let one = home.state().person(&id("polis:town:1")).unwrap().evidence()[0].seq;
    home.append(time(600), retraction(one.0)).unwrap();
    assert_eq!(add(&mut home, votes(&format!("{week2}1700700000000,x,0,4,0\n")), 700), [1, 3, 0, 0, 1, 0]);
    home.believe(&id("polis:town:2")).unwrap();
}

#[test]
fn rows_without_times_are_matched_one_to_one() {
    let dir = tempfile::tempdir().unwrap();
    let mut home = home(dir.path());
    let csv = |rows: &str| {
        let text = format!("person,first,second,chosen\n{rows}");
        Import::pairwise_csv(&files(&[("p.csv", &text)]).path().join("p.csv"), &mut |_| {}).unwrap()
    };
    let first = "mara,tea,rum,first\nmara,tea,gin,first\nmara,tea,gin,first\n";
    assert_eq!(add(&mut home, csv(first), 100)[0], 3, "asked twice, answered twice");
    let quoted = "mara,\"gin\",\"tea\",second\nmara,tea,gin,first\nmara,rum,tea,second\nada,tea,gin,neither\n";
    assert_eq!(add(&mut home, csv(quoted), 200), [1, 3, 0, 0, 0, 0], "the other way round is the same");
    assert_eq!(add(&mut home, csv("mara,tea,rum,second\n"), 300), [1, 0, 1, 0, 0, 0], "corrected");
    assert_eq!(add(&mut home, csv("mara,tea,rum,second\nmara,tea,rum,first\n"), 400)[..3], [1, 1, 0], "asked again");
    let timed = |rows: &str| {
        let text = format!("person,first,second,chosen,time\n{rows}");
        Import::pairwise_csv(&files(&[("p.csv", &text)]).path().join("p.csv"), &mut |_| {}).unwrap()
    };
    let rows = "mara,tea,gin,first,2026-01-31T12:00:00Z\nbo,a,b,first,2026-01-31T12:00:00Z\n\
                bo,b,a,second,2026-01-31T12:00:00Z\nbo,a,b,first,2026-02-01T12:00:00Z\n";
    assert_eq!(
        add(&mut home, timed(rows), 500),
        [2, 1, 0, 0, 0, 1],
        "one row stands twice, another day is another answer"
    );
    assert_eq!(add(&mut home, timed(&rows.replace("12:00:00Z", "12:00:00.000+00:00")), 600)[..2], [0, 3]);
    let (before, corrected) = (stands(&home), rows.replace("first,2026-02-01", "second,2026-02-01"));
    assert_eq!(add(&mut home, timed(&corrected), 700)[..4], [1, 2, 1, 0], "another answer of the same time");
    assert_eq!(add(&mut home, timed(rows), 800)[..4], [0, 2, 0, 1], "the file as it was is the older one");
    assert_eq!(stands(&home), before);
}

#[test]
fn a_file_that_is_changed_and_changed_back_counts_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let mut home = home(dir.path());
    let trl = |chosen: &str, rejected: &str| {
        let line = format!(r#"{{"prompt":"p","chosen":"{chosen}","rejected":"{rejected}"}}"#);
        Import::trl(&files(&[("t", &line)]).path().join("t"), &id("ada"), &mut |_| {}).unwrap()
    };
    for (at, (import, added)) in
        (1..).zip([(trl("a", "b"), 1), (trl("b", "a"), 1), (trl("a", "b"), 1), (trl("a", "b"), 0)])
    {
        assert_eq!(add(&mut home, import, at * 100)[0], added, "{at}");
        assert_eq!(stands(&home), 1);
    }
    let Record::ChoiceMade(last) = home.entries().unwrap().last().unwrap().unwrap().record else { panic!() };
    assert_eq!(last.alternatives[0], AlternativeId::of("p", "a"));
}

#[test]
fn what_another_log_withdrew_or_changed_is_withdrawn_and_changed_here() {
    let dir = tempfile::tempdir().unwrap();
    let [mut ours, mut theirs] = ["ours", "theirs"].map(|name| home_of(&dir.path().join(name), name, 1));
    let csv = |rows: &str| {
        let text = format!("person,first,second,chosen\n{rows}");
        Import::pairwise_csv(&files(&[("p.csv", &text)]).path().join("p.csv"), &mut |_| {}).unwrap()
    };
    let (old, new) = ("mara,tea,rum,first\nmara,tea,gin,first\n", "mara,tea,rum,second\nmara,tea,gin,first\n");
    add(&mut theirs, csv(old), 100);
    let log =
        |from: &Home, into: &Home| Import::credence_log(&from.paths().log(), None, into.state(), &mut |_| {}).unwrap();
    let import = log(&theirs, &ours);
    assert_eq!(add(&mut ours, import, 200)[..3], [3, 0, 0]);
    add(&mut theirs, csv(new), 300);
    let withdrawn = theirs.state().person(&id("theirs")).unwrap().evidence()[0].seq;
    theirs.append(time(301), retraction(withdrawn.0)).unwrap();
    let import = log(&theirs, &ours);
    assert_eq!(add(&mut ours, import, 400)[..3], [1, 1, 0]);
    assert_eq!((answers(&ours, "mara"), answers(&ours, "theirs"), answers(&ours, "ours")), (2, 0, 1));
    let import = log(&theirs, &ours);
    assert_eq!(add(&mut ours, import, 500)[0], 0);
    assert_eq!(answers(&ours, "mara"), 2);
    // A third log that has only what stands, and then the file as it was.
    let mut third = home_of(&dir.path().join("third"), "third", 1);
    let timed = |rows: &str| {
        let text = format!("person,first,second,chosen,time\n{rows}");
        Import::pairwise_csv(&files(&[("p.csv", &text)]).path().join("p.csv"), &mut |_| {}).unwrap()
    };
    let (old, new) = ("bo,a,b,first,2026-01-31T12:00:00Z\n", "bo,a,b,second,2026-01-31T12:00:00Z\n");
    add(&mut theirs, timed(old), 600);
    add(&mut theirs, timed(new), 700);
    let import = log(&theirs, &third);
    add(&mut third, import, 800);
    assert_eq!(answers(&third, "bo"), 1);
    assert_eq!(add(&mut third, timed(old), 900)[..4], [0, 0, 0, 1]);
    assert_eq!((answers(&third, "bo"), answers(&third, "mara")), (1, 2));
}

#[test]
fn what_was_exported_here_is_known_here_and_elsewhere_comes_once() {
    let dir = tempfile::tempdir().unwrap();
    let mut ours = home(&dir.path().join("ours"));
    ours.append(time(2), choice("ada", 0, 1, Some(1))).unwrap();
    ours.append(time(3), crate::sample::verdict("ada", 2, Verdict::Agree)).unwrap();
    ours.append(time(4), crate::sample::importance("ada", Some("care"), None)).unwrap();
    let table = crate::export::table(ours.entries().unwrap(), ours.state()).unwrap();
    let mut made = [Vec::new(), Vec::new(), Vec::new()];
    crate::export::write_trl_paired(&table, &mut made[0]).unwrap();
    crate::export::write_trl_unpaired(&table, &mut made[1]).unwrap();
    crate::export::write_csv(&table, &mut made[2]).unwrap();
    let [paired, unpaired, csv] = made.map(|bytes| String::from_utf8(bytes).unwrap());
    let trl = |text: &str| Import::trl(&files(&[("t", text)]).path().join("t"), &id("eve"), &mut |_| {}).unwrap();
    let read = |text: &str| Import::pairwise_csv(&files(&[("t", text)]).path().join("t"), &mut |_| {}).unwrap();
    let mut other = Home::create(&dir.path().join("other"), time(0), header("other")).unwrap();
    for (import, records) in [(trl(&paired), 1), (trl(&unpaired), 1), (read(&csv), 3)] {
        assert_eq!(add(&mut ours, import.clone(), 100), [0, records, 0, 0, 0, 0]);
    }
    // As older versions exported them: only the record's number says that it is known.
    let line: serde_json::Value = serde_json::from_str(&paired).unwrap();
    let mut older = line.as_object().unwrap().clone();
    older.remove("time");
    older.remove("log");
    assert_eq!(add(&mut ours, trl(&serde_json::to_string(&older).unwrap()), 200)[..2], [0, 1]);
    assert_eq!(add(&mut other, read(&csv), 300)[..2], [3, 0]);
    assert_eq!(add(&mut other, trl(&paired), 400)[..2], [0, 1], "in another form it is the same");
    assert_eq!(add(&mut other, trl(&unpaired), 500)[..2], [0, 1]);
    let again = read(&csv.replace('\n', "\r\n"));
    assert_eq!(add(&mut other, again, 600)[..2], [0, 3]);
    let [a, b] = [&ours, &other].map(|h| h.state().person(&id("ada")).unwrap().evidence().len());
    assert_eq!((a, b), (3, 3));
}

#[test]
fn logs_that_imported_the_same_conversation_are_merged_without_counting_it_twice() {
    let dir = tempfile::tempdir().unwrap();
    let [mut ours, mut theirs] = ["ours", "theirs"].map(|name| home_of(&dir.path().join(name), name, 1));
    let week1 = "1700000100000,x,0,1,1\n1700000200000,x,0,2,1\n";
    add(&mut ours, votes(week1), 100);
    add(&mut theirs, votes(&format!("{week1}1700600000000,x,0,2,-1\n1700600000001,x,1,3,1\n")), 200);
    let import = Import::credence_log(&theirs.paths().log(), None, ours.state(), &mut |_| {}).unwrap();
    assert_eq!(add(&mut ours, import, 300)[1..3], [1, 1]);
    for (voter, votes) in [(1, 1), (2, 1), (3, 1)] {
        assert_eq!(answers(&ours, &format!("polis:town:{voter}")), votes, "voter {voter}");
    }
    assert_eq!(answers(&ours, "theirs"), 1);
}

#[test]
fn words_of_an_older_log_in_another_normal_form_are_the_same_words() {
    let dir = tempfile::tempdir().unwrap();
    let mut home = home(dir.path());
    let apart = "Open the cafe\u{301}";
    let alternative = AlternativeId::of("a public consultation", apart);
    let described = AlternativeDescribed {
        alternative,
        situation: "a public consultation".into(),
        text: apart.into(),
        ..Statement::new("", "").bare()
    };
    home.append(time(2), Record::AlternativeDescribed(described)).unwrap();
    let import = |words: &str| {
        let comments = format!("comment-id,comment-body\n0,{words}\n");
        polis(&[("comments.csv", &comments), ("votes.csv", &format!("{HEAD}1700000100000,x,0,1,1\n"))]).unwrap()
    };
    assert_eq!(add(&mut home, import("Open the caf\u{e9}"), 100)[0], 1);
    assert_eq!(add(&mut home, import("Open the cafe\u{301}"), 200)[..2], [0, 1]);
    assert_eq!(home.state().descriptions().len(), 7);
    let Record::VerdictGiven(verdict) = home.entries().unwrap().last().unwrap().unwrap().record else { panic!() };
    assert_eq!(verdict.alternative, alternative);
}

/// The newest vote wins in whatever order its files come, also where an older one lies between two that say the same.
#[test]
fn an_older_file_never_overrides_a_newer_vote() {
    let at = |t: i64, vote: i32| format!("{},x,0,1,{vote}\n", 1_700_000_000_000 + t);
    let (week1, week2) = (at(21, 1), at(21, 1) + &at(29, -1));
    let week3 = at(21, 1) + &at(29, -1) + &at(39, 1);
    let weeks = [&week1, &week2, &week3];
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let dir = tempfile::tempdir().unwrap();
        let mut home = home(dir.path());
        for (n, week) in order.into_iter().enumerate() {
            add(&mut home, votes(weeks[week]), 100 + n as i64);
        }
        assert_eq!(stands(&home), 1, "{order:?}");
        let said = home.state().person(&id("polis:town:1")).unwrap().evidence()[0].form.clone();
        assert!(format!("{said:?}").contains("Agree"), "{order:?}: {said:?}");
    }
}

#[test]
fn a_file_saved_by_another_program_is_the_same_file() {
    let dir = tempfile::tempdir().unwrap();
    let mut home = home(dir.path());
    let words = "comment-id,comment-body\n0,\"Open on Sundays,\nall year\"\n1,Keep the ferry\n";
    let rows = "1700000100000,x,0,1,1\n1700000200000,x,0,2,1\n1700000300000,x,1,1,-1\n";
    let read =
        |words: &str, rows: &str| polis(&[("comments.csv", words), ("votes.csv", &format!("{HEAD}{rows}"))]).unwrap();
    assert_eq!(add(&mut home, read(words, rows), 100)[0], 3);
    // Numbers as a table program keeps them, and line ends within a field.
    for voters in [["1.0", "2.0"], ["001", "002"]] {
        let rows =
            rows.replace(",1,1\n", &format!(",{},1\n", voters[0])).replace(",2,1\n", &format!(",{},1\n", voters[1]));
        let rows = rows.replace(",1,-1\n", &format!(",{},-1\n", voters[0]));
        assert_eq!(add(&mut home, read(words, &rows), 200)[..2], [0, 3], "{voters:?}");
    }
    assert_eq!(add(&mut home, read(&words.replace('\n', "\r\n"), rows), 300)[..2], [0, 3]);
    // Words that were mended are other words; the person is told that the votes are the same.
    let reworded = read(&words.replace("all year", "all the year"), rows).compared(Some(&home)).unwrap();
    assert_eq!(reworded.records(), 2);
    assert!(reworded.notes().iter().any(|note| note.starts_with("2 of the new votes")), "{:?}", reworded.notes());
}

/// A keyed act that came out as CSV, was read without its keys in another home, and comes back.
#[test]
fn what_is_described_otherwise_elsewhere_comes_back_as_the_evidence_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let [mut ours, mut theirs] = ["ours", "theirs"].map(|name| home_of(&dir.path().join(name), name, 1));
    let mut other = crate::sample::described(7);
    ours.append(time(2), other.clone()).unwrap();
    if let Record::AlternativeDescribed(d) = &mut other {
        d.schema[0] = crate::number::Finite::new(-0.75).unwrap();
    }
    theirs.append(time(2), other).unwrap();
    theirs.append(time(3), crate::sample::choice("bo", 7, 1, Some(0))).unwrap();
    let log = theirs.paths().log();
    drop(theirs);
    let merged = Import::credence_log(&log, None, ours.state(), &mut |_| {}).unwrap();
    assert!(merged.notes().iter().any(|note| note.contains("otherwise there")), "{:?}", merged.notes());
    assert_eq!(add(&mut ours, merged, 100)[0], 2, "bo's, and the one that they began with");
    ours.believe(&id("bo")).unwrap();
}

/// A home's own export in each of its forms: CSV, pairs, single answers.
fn exported(home: &Home) -> [String; 3] {
    let table = crate::export::table(home.entries().unwrap(), home.state()).unwrap();
    let mut made = [Vec::new(), Vec::new(), Vec::new()];
    crate::export::write_csv(&table, &mut made[0]).unwrap();
    crate::export::write_trl_paired(&table, &mut made[1]).unwrap();
    crate::export::write_trl_unpaired(&table, &mut made[2]).unwrap();
    made.map(|bytes| String::from_utf8(bytes).unwrap())
}

fn trl(text: &str) -> Import {
    Import::trl(&files(&[("t", text)]).path().join("t"), &id("eve"), &mut |_| {}).unwrap()
}

fn rows(text: &str) -> Import {
    Import::pairwise_csv(&files(&[("t", text)]).path().join("t"), &mut |_| {}).unwrap()
}

fn log(from: &Home, prefix: Option<&str>, into: &Home) -> Import {
    Import::credence_log(&from.paths().log(), prefix, into.state(), &mut |_| {}).unwrap()
}

/// What somebody's one answer is, in words.
#[track_caller]
fn answer(home: &Home, person: &str) -> String {
    let [only] = home.state().person(&id(person)).unwrap().evidence() else { panic!("{person} has several") };
    format!("{:?}", only.form)
}

#[test]
fn a_voter_has_one_vote_in_whatever_form_and_under_whatever_prefix_it_comes() {
    let dir = tempfile::tempdir().unwrap();
    let (agrees, disagrees) = ("1700000100000,x,0,1,1\n", "1700000200000,x,0,1,-1\n");
    let fresh = |name: &str, log_id: &str| home_of(&dir.path().join(name), log_id, 0);
    // A copy of the desk that went on.
    let (mut desk, mut laptop) = (fresh("desk", "one"), fresh("laptop", "one"));
    for home in [&mut desk, &mut laptop] {
        add(home, votes(agrees), 100);
    }
    add(&mut laptop, votes(&format!("{agrees}{disagrees}")), 200);
    let [csv, _, single] = exported(&laptop);
    let mut elsewhere = fresh("elsewhere", "two");
    add(&mut elsewhere, votes(agrees), 100);
    for (n, import) in [(0, rows(&csv)), (1, trl(&single)), (2, rows(&csv)), (3, trl(&single))] {
        let home = if n < 2 { &mut desk } else { &mut elsewhere };
        let counts = add(home, import, 300 + n);
        assert_eq!(counts[..3], if n % 2 == 0 { [1, 0, 1] } else { [0, 1, 0] }, "{n}");
        assert!(answer(home, "polis:town:1").contains("Disagree"), "{n}");
    }
    assert_eq!(add(&mut desk, votes(&format!("{agrees}{disagrees}")), 400)[..2], [0, 1]);
    assert_eq!(add(&mut desk, votes(agrees), 500)[3], 1, "the older one");
    // Both in one file, the older one last.
    let older = csv.lines().nth(1).unwrap().replace("disagree", "agree").replace("22:16", "22:14");
    assert_ne!(older, csv.lines().nth(1).unwrap());
    let mut both = fresh("both", "three");
    add(&mut both, rows(&format!("{csv}{older}\n")), 100);
    assert!(answer(&both, "polis:town:1").contains("Disagree"));
    // Two homes with the conversation, merged under a prefix, the newer one first.
    let (mut merged, mut older) = (fresh("merged", "four"), fresh("older", "five"));
    add(&mut older, votes(agrees), 100);
    for home in [&elsewhere, &older] {
        let import = log(home, Some("x-"), &merged);
        add(&mut merged, import, 600);
    }
    assert!(answer(&merged, "x-polis:town:1").contains("Disagree"));
}

#[test]
fn an_older_export_does_not_bring_back_what_the_last_vote_that_was_withdrawn_replaced() {
    let at = |t: i64, vote: i32| format!("{},x,0,1,{vote}\n", 1_700_000_000_000 + t);
    let (week1, week2) = (at(1000, 1), at(1000, 1) + &at(2000, -1));
    let week3 = week2.clone() + &at(3000, 1);
    let dir = tempfile::tempdir().unwrap();
    let mut home = home(dir.path());
    add(&mut home, votes(&week3), 100);
    let vote = home.state().person(&id("polis:town:1")).unwrap().evidence()[0].seq;
    home.append(time(101), retraction(vote.0)).unwrap();
    assert_eq!(add(&mut home, votes(&week3), 200), [0, 0, 0, 0, 1, 0]);
    for week in [&week1, &week2] {
        assert_eq!(add(&mut home, votes(week), 300), [0, 0, 0, 1, 0, 0]);
    }
    assert_eq!(answers(&home, "polis:town:1"), 0);
    assert_eq!(add(&mut home, votes(&(week3 + &at(4000, 1))), 400)[0], 1, "a new vote is one");
}

#[test]
fn a_time_that_was_saved_without_its_milliseconds_is_that_time() {
    let dir = tempfile::tempdir().unwrap();
    let mut home = home(dir.path());
    let head = "person,first,second,chosen,time\n";
    let fine = "ada,tea,coffee,first,2026-01-01T10:00:00.123Z\nbo,tea,coffee,second,1767261637456\n\
                cy,tea,coffee,first,2026-01-01T10:00:00.100Z\ncy,tea,coffee,first,2026-01-01T10:00:00.900Z\n";
    let coarse = "ada,tea,coffee,first,2026-01-01T10:00:00Z\nbo,tea,coffee,second,1767261637\n\
                  cy,tea,coffee,first,2026-01-01T10:00:00.9Z\ncy,tea,coffee,first,2026-01-01T10:00:00Z\n";
    assert_eq!(add(&mut home, rows(&format!("{head}{fine}")), 100)[0], 4);
    assert_eq!(add(&mut home, rows(&format!("{head}{coarse}")), 200)[..2], [0, 4]);
    let minutes = "ada,tea,coffee,first,2026-01-01T10:00Z\nbo,tea,coffee,second,2026-01-01T10:00Z\n";
    assert_eq!(add(&mut home, rows(&format!("{head}{minutes}")), 300)[..2], [0, 2]);
    let corrected = "ada,tea,coffee,second,2026-01-01T10:00:00Z\n";
    assert_eq!(add(&mut home, rows(&format!("{head}{corrected}")), 400)[..3], [1, 0, 1]);
    let another = "ada,tea,coffee,second,2026-01-01T10:01:00Z\n";
    assert_eq!(add(&mut home, rows(&format!("{head}{another}")), 500)[..3], [1, 0, 0]);
}

#[test]
fn a_record_that_an_export_names_is_that_record_in_every_form() {
    use crate::record::{CorrectionMade, DemonstrationGiven};
    use crate::sample::{alternative, from, importance};
    let dir = tempfile::tempdir().unwrap();
    let mut home = home(dir.path());
    let said = "person,first,second,chosen,time\nada,Keep the ferry,Keep the library,first,2026-01-01T10:00:00Z\n\
                bo,Keep the ferry,Keep the library,second,2026-01-02T10:00:00.5Z\n";
    add(&mut home, rows(said), 100);
    let [preferred, rejected, chosen] = [0, 1, 2].map(alternative);
    let correction = CorrectionMade { from: from("ada"), preferred, rejected };
    let demonstration = DemonstrationGiven { from: from("ada"), chosen, over: vec![rejected] };
    let mut least = importance("ada", Some("care"), None);
    if let Record::ImportanceStated(r) = &mut least {
        r.at_least = true;
    }
    for (n, record) in (0..).zip([Record::CorrectionMade(correction), Record::DemonstrationGiven(demonstration), least])
    {
        home.append(time(1_770_000_000_000 + n), record).unwrap();
    }
    let [csv, pairs, _] = exported(&home);
    assert_eq!(add(&mut home, rows(&csv), 200), [0, 5, 0, 0, 0, 0]);
    assert_eq!(add(&mut home, trl(&pairs), 200), [0, 4, 0, 0, 0, 0]);
    // As other programs save it.
    let resaved = csv.lines().enumerate().map(|(n, line)| match n {
        0 => format!(",{line},,\n"),
        _ => format!("{},{},,\n", n - 1, line.replacen(',', ".0,", 1)),
    });
    assert_eq!(add(&mut home, rows(&resaved.collect::<String>()), 300), [0, 5, 0, 0, 0, 0]);
    assert_eq!(add(&mut home, rows(&csv.replace(".5Z,", "Z,")), 300), [0, 5, 0, 0, 0, 0]);
    for pairs in [pairs.replace("\"prompt\":\"\",", ""), pairs.replace("\"prompt\":\"\"", "\"prompt\":null")] {
        assert_eq!(add(&mut home, trl(&pairs), 400), [0, 4, 0, 0, 0, 0], "{pairs}");
    }
    // Letters that were mended, and spaces.
    for mended in ["Keep the Ferry", "Keep the ferrry", " Keep the ferry "] {
        for import in [rows(&csv.replace("Keep the ferry", mended)), trl(&pairs.replace("Keep the ferry", mended))] {
            let found = import.clone().compared(Some(&home)).unwrap();
            assert!(found.is_empty(), "{mended:?}");
            assert!(found.notes().iter().any(|note| note.contains("in other words")), "{:?}", found.notes());
        }
    }
    // Another strength of the very statement is a change of it, and so is another answer to the very correction.
    let before = stands(&home);
    assert_eq!(add(&mut home, rows(&csv.replace(",clear,", ",strong,")), 500)[..3], [1, 4, 1]);
    let turned = pairs.lines().find(|line| line.contains("do thing 0")).unwrap();
    let turned = turned.replace("chosen\"", "x\"").replace("rejected\"", "chosen\"").replace("\"x\"", "\"rejected\"");
    assert_eq!(add(&mut home, trl(&turned), 600)[..3], [1, 0, 1], "{turned}");
    assert_eq!(stands(&home), before);
}

#[test]
fn the_same_number_of_a_copy_that_went_on_is_another_record() {
    let dir = tempfile::tempdir().unwrap();
    let said = |month: &str, chosen: &str| {
        rows(&format!("person,first,second,chosen,time\nada,tea,coffee,{chosen},2026-{month}-01T10:00:00Z\n"))
    };
    let desk_of = |name: String| {
        let mut desk = home(&dir.path().join(name));
        add(&mut desk, said("03", "first"), 100);
        desk
    };
    for (n, (month, chosen)) in [("04", "first"), ("02", "second")].into_iter().enumerate() {
        let mut copy = home(&dir.path().join(format!("copy{n}")));
        add(&mut copy, said(month, chosen), 100);
        let [csv, pairs, _] = exported(&copy);
        for (form, import) in [("csv", rows(&csv)), ("trl", trl(&pairs))] {
            let mut desk = desk_of(format!("desk-{n}-{form}"));
            assert_eq!(add(&mut desk, import.clone(), 200), [1, 0, 0, 0, 0, 0], "{month} {form}");
            assert_eq!(answers(&desk, "ada"), 2, "the desk's own stands");
            assert_eq!(add(&mut desk, import, 300)[..2], [0, 1]);
        }
    }
    // All at one time, as days are: other words are another record.
    let [csv, ..] = exported(&desk_of("day".into()));
    let mut desk = desk_of("day2".into());
    assert_eq!(add(&mut desk, rows(&csv.replace("tea,coffee", "Ban cars,Widen the bridge")), 200)[0], 1);
}

#[test]
fn a_conversation_is_known_in_whatever_form_it_comes_under_another_topic_or_name() {
    let dir = tempfile::tempdir().unwrap();
    let all = "1700000000001,x,0,1,1\n1700000000002,x,0,2,-1\n1700000000004,x,1,2,1\n";
    let read = |name: &str, topic: Option<&str>| {
        let votes = format!("{HEAD}{all}");
        let mut contents = vec![("comments.csv", WORDS), ("votes.csv", &*votes)];
        contents.extend(topic.map(|topic| ("summary.csv", topic)));
        Import::polis(files(&contents).path(), name, &mut |_| {}).unwrap()
    };
    for (n, (name, topic)) in
        [("t", Some("topic,The town\n")), ("download (1)", None), ("u", Some("topic,Town\n"))].into_iter().enumerate()
    {
        let mut theirs = home_of(&dir.path().join(format!("theirs{n}")), "theirs", 0);
        add(&mut theirs, read(name, topic), 100);
        let [csv, _, single] = exported(&theirs);
        for (form, has) in [("log", 3), ("csv", 3), ("trl", 3)] {
            let mut ours = home_of(&dir.path().join(format!("ours{n}{form}")), "ours", 0);
            add(&mut ours, read("t", None), 100);
            let import = match form {
                "log" => log(&theirs, None, &ours),
                "csv" => rows(&csv),
                _ => trl(&single),
            };
            let import = import.compared(Some(&ours)).unwrap();
            assert_eq!(import.compared_with().known, has, "{name} {form}: {:?}", import.notes());
            assert_eq!(add(&mut ours, import, 200)[0], 0, "{name} {form}");
            assert_eq!((stands(&ours), ours.state().people().len()), (3, 2));
            assert_eq!(ours.state().descriptions().len(), 6 + 2, "{name} {form}");
        }
    }
}

#[test]
fn what_a_statement_of_importance_says_besides_comes_through_the_csv() {
    use crate::number::Probability;
    use crate::record::{Condition, Scope};
    let dir = tempfile::tempdir().unwrap();
    let mut home = home(&dir.path().join("ours"));
    let mut said = Vec::new();
    for (n, (at_least, words, misreading, text)) in [
        (true, "", None, Some("at work, \"mostly\"")),
        (true, "", None, Some("at home")),
        (false, "=so", Some(0.11), None),
    ]
    .into_iter()
    .enumerate()
    {
        let Record::ImportanceStated(mut r) = crate::sample::importance("ada", Some("care"), None) else { panic!() };
        (r.at_least, r.words, r.misreading) =
            (at_least, words.into(), misreading.map(|p| Probability::new(p).unwrap()));
        r.conditions = text.map(|text| Condition { scope: Scope::Except, text: text.into() }).into_iter().collect();
        // Two of one sentence have one time.
        home.append(time(1_770_000_000_000 + n as i64 / 2), Record::ImportanceStated(r.clone())).unwrap();
        said.push(r);
    }
    let [csv, ..] = exported(&home);
    let mut other = Home::create(&dir.path().join("other"), time(0), header("other")).unwrap();
    assert_eq!(add(&mut other, rows(&csv), 100), [3, 0, 0, 0, 0, 0]);
    let came = other.entries().unwrap().map(|e| e.unwrap().record).filter(|record| record.evidence_origin().is_some());
    let came: Vec<Record> = came.collect();
    for (mut r, came) in said.into_iter().zip(came) {
        r.from.source = SourceId::new("import:credence-csv").unwrap();
        r.from.session = None;
        assert_eq!(came, Record::ImportanceStated(r));
    }
    assert_eq!(add(&mut other, rows(&csv), 200)[..2], [0, 3]);
    assert_eq!(add(&mut home, rows(&csv), 200)[..2], [0, 3]);
    let import = log(&home, None, &other);
    assert_eq!(add(&mut other, import, 300)[0], 0);
}
