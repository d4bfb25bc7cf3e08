//! Ways by which the same evidence comes again: cut times, other prefixes, other logs, older states.

use super::again::{HEAD, WORDS, add, stands};
use super::*;

fn town(name: &str, comments: &str, topic: Option<&str>, votes: &str) -> Import {
    let votes = format!("{HEAD}{votes}");
    let mut all = vec![("comments.csv", comments), ("votes.csv", &*votes)];
    all.extend(topic.map(|topic| ("summary.csv", topic)));
    Import::polis(files(&all).path(), name, &mut |_| {}).unwrap()
}

fn csv(text: &str) -> Import {
    Import::pairwise_csv(&files(&[("t", text)]).path().join("t"), &mut |_| {}).unwrap()
}

fn log(from: &Home, prefix: Option<&str>, into: &Home) -> Import {
    Import::credence_log(&from.paths().log(), prefix, into.state(), &mut |_| {}).unwrap()
}

const FINE: &str = "1700000100123,x,0,1,1\n1700000207456,x,0,2,-1\n1700000307789,x,1,2,1\n";
const SECONDS: &str = "1700000100,x,0,1,1\n1700000207,x,0,2,-1\n1700000307,x,1,2,1\n";

#[test]
fn a_conversation_is_known_and_put_right_by_times_that_were_cut() {
    let dir = tempfile::tempdir().unwrap();
    let mut home = home(dir.path());
    assert_eq!(add(&mut home, town("t", WORDS, None, FINE), 100)[0], 3);
    let import = town("download", WORDS, None, SECONDS).under_any_name();
    assert_eq!(add(&mut home, import, 200)[..2], [0, 3]);
    let turned = SECONDS.replace(",-1\n", ",?\n").replace(",1\n", ",-1\n").replace(",?\n", ",1\n");
    assert_eq!(add(&mut home, town("t", WORDS, None, &turned), 300)[..4], [3, 0, 3, 0], "not older: read otherwise");
}

#[test]
fn votes_say_which_conversation_it_is_before_its_name_does() {
    let dir = tempfile::tempdir().unwrap();
    let mut home = home(dir.path());
    add(&mut home, town("alpha", WORDS, None, FINE), 100);
    let words = "comment-id,comment-body\n0,Ban cars\n1,Plant trees\n";
    add(&mut home, town("export", words, None, &FINE.replace("17000", "17001")), 200);
    assert_eq!(add(&mut home, town("export", WORDS, None, FINE).under_any_name(), 300)[..2], [0, 3]);
    // One of the same folder's name that is another one, though a statement stands in both.
    let other =
        town("alpha", "comment-id,comment-body\n0,Open on Sundays\n1,Dig\n2,Swim\n", None, "1710000000123,x,0,1,-1\n");
    assert_eq!(add(&mut home, other.under_any_name(), 350)[..3], [1, 0, 0]);
    assert_eq!((answers(&home, "polis:alpha:1"), answers(&home, "polis:alpha-2:1")), (1, 1));
    // Statements that stood here without a vote under no topic, and were voted on under one.
    let more = "1700000407789,x,0,3,1\n";
    let all = format!("{FINE}{more}").replace(",x,0,", ",x,2,");
    let words = format!("{WORDS}2,Dig\n");
    add(&mut home, town("alpha", &words, None, FINE), 400);
    assert_eq!(add(&mut home, town("alpha", &words, Some("topic,Town\n"), &all), 500)[..2], [3, 1]);
    assert_eq!(add(&mut home, town("alpha", &words, None, &all), 600)[..2], [0, 4]);
}

#[test]
fn a_log_counts_once_under_whatever_prefix_it_comes() {
    let dir = tempfile::tempdir().unwrap();
    let fresh = |name: &str| home_of(&dir.path().join(name), name, 0);
    let (mut theirs, mut ours, mut third) = (fresh("theirs"), fresh("ours"), fresh("third"));
    add(&mut theirs, csv("person,first,second,chosen\nada,a,b,first\nbo,a,b,first\nada,c,d,second\n"), 100);
    add(&mut theirs, town("t", WORDS, None, FINE), 200);
    let import = log(&theirs, Some("office-"), &ours);
    assert_eq!(add(&mut ours, import, 300)[0], 6);
    theirs.append(time(400), choice("cy", 0, 1, Some(0))).unwrap();
    for (prefix, new) in [(None, 1), (Some("Office-"), 0), (Some("office-"), 0)] {
        let import = log(&theirs, prefix, &ours);
        assert_eq!(add(&mut ours, import, 500)[..2], [new, 7 - new], "{prefix:?}");
    }
    assert_eq!((stands(&ours), answers(&ours, "office-cy"), answers(&ours, "office-bo")), (7, 1, 1));
    // The conversation that came with it, from its own files.
    assert_eq!(add(&mut ours, town("t", WORDS, None, FINE).under_any_name(), 600)[..2], [0, 3]);
    // By way of another log, and then as it is.
    let import = log(&ours, Some("x-"), &third);
    assert_eq!(add(&mut third, import, 700)[0], 7);
    let import = log(&theirs, None, &third);
    assert_eq!(add(&mut third, import, 800)[..2], [0, 7]);
}

#[test]
fn one_conversation_of_two_logs_is_one_also_under_a_prefix() {
    let dir = tempfile::tempdir().unwrap();
    let fresh = |name: &str| home_of(&dir.path().join(name), name, 0);
    let (mut one, mut other) = (fresh("one"), fresh("other"));
    add(&mut one, town("t", WORDS, Some("topic,T1\n"), FINE), 100);
    add(&mut other, town("t", WORDS, Some("topic,T2\n"), &format!("{FINE}1700000407789,x,1,3,1\n")), 100);
    for prefix in [None, Some("z-")] {
        let mut ours = fresh(prefix.unwrap_or("none"));
        for (n, (from, new)) in [(&one, 3), (&other, 1), (&other, 0)].into_iter().enumerate() {
            let import = log(from, prefix, &ours);
            assert_eq!(add(&mut ours, import, 200 + n as i64)[0], new, "{prefix:?} {n}");
        }
        assert_eq!(stands(&ours), 4);
    }
}

#[test]
fn what_has_no_time_of_its_own_stays_without_one() {
    let dir = tempfile::tempdir().unwrap();
    let fresh = |name: &str| home_of(&dir.path().join(name), name, 0);
    let survey = "person,first,second,chosen\nada,a,b,first\nada,c,d,second\nbo,a,b,neither\n";
    let timed = "person,first,second,chosen,time\nada,a,b,first,2026-01-01T10:00:00.123Z\n\
                 ada,c,d,second,2026-01-01T10:00:07.123Z\nbo,a,b,neither,2026-01-01T10:00:09.123Z\n";
    let mut homes = [fresh("one"), fresh("two")];
    let exported = [100, 200].map(|at| {
        let home = &mut homes[at / 100 - 1];
        add(home, csv(survey), at as i64);
        let table = crate::export::table(home.entries().unwrap(), home.state()).unwrap();
        let (mut rows, mut pairs) = (Vec::new(), Vec::new());
        crate::export::write_csv(&table, &mut rows).unwrap();
        crate::export::write_trl_paired(&table, &mut pairs).unwrap();
        [rows, pairs].map(|bytes| String::from_utf8(bytes).unwrap())
    });
    let trl = |text: &str| Import::trl(&files(&[("t", text)]).path().join("t"), &id("eve"), &mut |_| {}).unwrap();
    let (mut merged, mut read, mut knows) = (fresh("merged"), fresh("read"), fresh("knows"));
    add(&mut knows, csv(timed), 300);
    for ((home, [rows, pairs]), at) in homes.iter().zip(&exported).zip([400, 450]) {
        let import = log(home, None, &merged);
        add(&mut merged, import, at);
        add(&mut read, csv(rows), at);
        add(&mut read, trl(pairs), 500);
        assert_eq!(add(&mut knows, csv(rows), 600)[..2], [0, 3]);
    }
    assert_eq!([stands(&merged), stands(&read), stands(&knows)], [3, 3, 3]);
    // What is withdrawn there is withdrawn here.
    let withdrawn = homes[0].state().person(&id("bo")).unwrap().evidence()[0].seq;
    homes[0].append(time(700), retraction(withdrawn.0)).unwrap();
    let import = log(&homes[0], None, &merged);
    add(&mut merged, import, 800);
    assert_eq!((stands(&merged), answers(&merged, "bo")), (2, 0));
}

#[test]
fn marks_are_those_of_the_newest_state_and_of_every_comment_and_conversation_that_has_the_words() {
    let dir = tempfile::tempdir().unwrap();
    let mut home = home(dir.path());
    let state = |name: &str, moderated: &str, votes: &str| {
        let comments = format!("comment-id,moderated,comment-body\n0,{moderated},Open on Sundays\n1,1,The {name}\n");
        town(name, &comments, None, votes)
    };
    let mut put = |import: Import, at: i64| {
        let import = import.compared(Some(&home)).unwrap();
        let notes = import.notes().join("; ");
        if !import.is_empty() {
            let draft = import.draft(&home, time(at), vec![]).unwrap();
            home.commit(draft).unwrap();
        }
        (home.state().quarantined().len(), notes)
    };
    let later = format!("{FINE}1700000407789,x,1,3,1\n");
    assert_eq!(put(state("a", "-1", &later), 100).0, 1);
    assert_eq!(put(state("a", "1", FINE), 200).0, 1, "the older state lifts nothing, though no vote of it was changed");
    let latest = format!("{later}1700000507789,x,1,4,1\n");
    assert_eq!(put(state("a", "1", &latest), 300).0, 0);
    assert_eq!(put(state("a", "-1", &later), 400).0, 0, "and marks nothing");
    let (out, notes) = put(state("b", "-1", "1700900000123,x,0,7,-1\n1700900000999,x,1,8,1\n"), 500);
    assert!(out == 0 && notes.contains("here and in another conversation"), "{notes}");
    // A duplicate that was taken out takes nothing else out.
    let twins = "comment-id,moderated,comment-body\n0,1,More trees\n1,-1,More trees\n2,-1,Spam\n3,-1,Spam\n";
    let import = town("c", twins, None, "1700910000123,x,0,7,1\n1700910000999,x,2,8,1\n");
    assert!(import.notes().join("; ").contains("1 were moderated out"), "{:?}", import.notes());
    assert_eq!(put(import, 600).0, 1);
}

#[test]
fn what_a_log_marks_comes_with_it_and_no_record_is_withdrawn_twice() {
    let dir = tempfile::tempdir().unwrap();
    let fresh = |name: &str| home_of(&dir.path().join(name), name, 0);
    let (mut office, mut archive, mut school) = (fresh("office"), fresh("archive"), fresh("school"));
    let words = WORDS.replace("comment-body\n0,", "moderated,comment-body\n0,-1,").replace("\n1,", "\n1,1,");
    let changed = format!("{FINE}1700000500123,x,0,1,-1\n");
    add(&mut office, town("t", &words, None, FINE), 100);
    let import = log(&office, None, &archive);
    assert_eq!((add(&mut archive, import, 200)[0], archive.state().quarantined().len()), (3, 1));
    add(&mut office, town("t", &words, None, &changed), 300);
    add(&mut school, town("t", &words, None, &changed), 400);
    let import = log(&office, None, &school);
    add(&mut school, import, 500);
    let import = log(&school, None, &archive);
    assert_eq!(add(&mut archive, import, 600)[2], 1);
    assert_eq!(stands(&archive), 3);
}

#[test]
fn who_was_erased_does_not_come_back_with_an_export() {
    let dir = tempfile::tempdir().unwrap();
    let mut home = home(dir.path());
    add(
        &mut home,
        csv(
            "person,first,second,chosen,time\nada,a,b,first,2026-01-01T10:00:00.5Z\nbo,a,b,first,2026-01-01T10:00:00Z\n",
        ),
        100,
    );
    let table = crate::export::table(home.entries().unwrap(), home.state()).unwrap();
    let mut rows = Vec::new();
    crate::export::write_csv(&table, &mut rows).unwrap();
    let rows = String::from_utf8(rows).unwrap();
    // To the millisecond it is the record that it says it was, in whatever words.
    assert!(csv(&rows.replace(",a,b,", ",Gruenzeug,Suppe,")).compared(Some(&home)).unwrap().records() == 1, "bo's");
    let erasure = crate::erase::Erasure::of(&home, &id("ada")).unwrap();
    erasure.carry_out(&mut home, "ada", time(200), "asked to", false, vec![]).unwrap();
    let import = csv(&rows).compared(Some(&home)).unwrap();
    assert_eq!((import.records(), import.compared_with().erased, import.compared_with().known), (0, 1, 1));
}
