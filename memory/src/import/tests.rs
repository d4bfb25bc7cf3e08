mod again;
mod kinds;
mod ways;

use std::fs;
use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::record::{ChoiceMade, LogOpened, Verdict, VerdictGiven};
use crate::sample::{choice, described, header, id, retraction};

fn time(n: i64) -> Timestamp {
    Timestamp::from_millisecond(n).unwrap()
}

fn home(root: &Path) -> Home {
    let mut home = Home::create(root, time(0), header("test")).unwrap();
    for n in 0..6 {
        home.append(time(1), described(n)).unwrap();
    }
    home
}

/// A directory with these files.
fn files(contents: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, content) in contents {
        fs::write(dir.path().join(name), content).unwrap();
    }
    dir
}

const COMMENTS: &str = "timestamp,datetime,comment-id,author-id,agrees,disagrees,moderated,comment-body\n\
                        1,x,7,0,0,1,0,\"Taxes, \"\"all\"\" of them,\nare fair\"\n2,x,9,0,0,1,0,More buses\n";
const VOTES: &str = "timestamp,datetime,comment-id,voter-id,vote\n1700000000030,x,7,0,1\n\
                     1700000000010,x,9,1,-1\n1700000000020,x,9,0,0\n1700000000040,x,7,0,-1\n";

fn polis(contents: &[(&str, &str)]) -> Result<Import, ImportError> {
    Import::polis(files(contents).path(), "town", &mut |_| {})
}

#[test]
fn a_polis_conversation_is_read_as_polis_counts_it() {
    let summary = "topic,The town\nurl,x\n";
    let import = polis(&[("comments.csv", COMMENTS), ("votes.csv", VOTES), ("summary.csv", summary)]).unwrap();
    assert_eq!(import.statements()[0].text, "Taxes, \"all\" of them,\nare fair");
    assert_eq!(import.statements()[0].situation, "The town");
    let found: Vec<(i64, String, Verdict)> = import
        .evidence
        .iter()
        .map(|(time, record)| match record {
            Record::VerdictGiven(VerdictGiven { from, verdict, .. }) => {
                (time.unwrap().as_millisecond() - 1_700_000_000_000, from.person.to_string(), *verdict)
            }
            other => panic!("{other:?}"),
        })
        .collect();
    let expected = [(10, "polis:town:1", Verdict::Disagree), (20, "polis:town:0", Verdict::Pass)];
    let expected = expected.into_iter().chain([(40, "polis:town:0", Verdict::Disagree)]);
    assert_eq!(found, expected.map(|(t, p, v)| (t, p.to_owned(), v)).collect::<Vec<_>>());
    assert_eq!(import.notes().len(), 1);
}

#[test]
fn errors_name_the_line() {
    fn check(result: Result<Import, ImportError>, expect: &str) {
        let error = result.expect_err(expect).to_string();
        assert!(error.ends_with(expect), "{error:?} should end with {expect:?}");
    }
    let votes = |line: &str| polis(&[("comments.csv", COMMENTS), ("votes.csv", &format!("{VOTES}{line}\n"))]);
    check(votes("1700000000001,x,8,0,1"), "votes.csv, line 6: comment-id is \"8\", which is not in comments.csv");
    check(votes("1700000000001,x,7,0,2"), "line 6: vote is \"2\", which is not 1 (agree), 0 (pass) or -1 (disagree)");
    check(
        votes("soon,x,7,0,1"),
        "line 6: timestamp is \"soon\", which is not a time in milliseconds since 1970, between 1989 and 2200",
    );
    check(votes("1,x,7"), "line 6: it is not CSV: 3 fields where the header has 5");
    check(
        polis(&[("comments.csv", "comment-id\n3\n"), ("votes.csv", VOTES)]),
        "line 1: there is no column \"comment-body\"",
    );
    assert!(matches!(polis(&[("comments.csv", COMMENTS)]), Err(ImportError::Read { .. })));

    let csv = |text: &str| Import::pairwise_csv(&files(&[("p.csv", text)]).path().join("p.csv"), &mut |_| {});
    check(csv("person,first,second,chosen\nada,a,b,first\nada,a,a,first\n"), "line 3: both alternatives are the same");
    check(
        csv("person,first,second,chosen\nada,a,b,third\n"),
        "chosen is \"third\", which is not first, second or neither",
    );
    check(
        csv("person,first,second,chosen,mood\nada,a,b,first,x\n"),
        "column \"mood\" is none of person, situation, first, second, chosen, time",
    );
    check(csv("person,first,second,chosen\n"), "holds no evidence");

    let trl = |text: &str| Import::trl(&files(&[("t.jsonl", text)]).path().join("t.jsonl"), &id("ada"), &mut |_| {});
    check(
        trl("{\"prompt\":\"p\",\"chosen\":\"a\",\"rejected\":\"b\"}\n\n{\"prompt\":\"p\",\"chosen\":\"a\"}\n"),
        "it has other fields",
    );
    assert!(trl("{}\n").unwrap_err().to_string().contains("line 1"));
    let nested = format!("{{\"prompt\":{}", "[".repeat(100_000));
    assert!(trl(&nested).unwrap_err().to_string().contains("line 1"));
    check(
        trl(
            "{\"prompt\":\"p\",\"chosen\":\"a\",\"rejected\":\"b\"}\n{\"prompt\":\"p\",\"completion\":\"a\",\"label\":true}\n",
        ),
        "it is trl-unpaired",
    );
}

#[test]
fn pairs_and_preference_data_become_evidence() {
    let csv = "person,situation,first,second,chosen,time\nada,s,a,b,neither,2026-01-31T12:00:00Z\nbob,s,b,a,first,\n";
    let import = Import::pairwise_csv(&files(&[("p.csv", csv)]).path().join("p.csv"), &mut |_| {}).unwrap();
    assert_eq!((import.records(), import.people().len(), import.statements().len()), (2, 2, 2));
    let lines = r#"{"prompt":[{"role":"user","content":"hi"}],"chosen":[{"role":"assistant","content":"hello"}],"rejected":"go","score":3}"#;
    let import = Import::trl(&files(&[("t", lines)]).path().join("t"), &id("ada"), &mut |_| {}).unwrap();
    let Record::ChoiceMade(ChoiceMade { alternatives, chosen, .. }) = &import.evidence[0].1 else { panic!() };
    assert_eq!((alternatives[0], *chosen), (AlternativeId::of("hi", "hello"), Some(0)));
}

#[test]
fn published_preferences_are_credited_to_their_annotators_and_bad_lines_are_named() {
    let read = |text: &str| Import::trl(&files(&[("t.jsonl", text)]).path().join("t.jsonl"), &id("ada"), &mut |_| {});
    let line = |annotator: &str| {
        format!(
            "{{\"prompt\":\"A storm at sea.\",\"chosen\":\"The mast went first.\",\"rejected\":\"It was bad.\",\"annotator\":{annotator}}}\n"
        )
    };
    let import = read(&[line("\"w7\""), line("12"), line("null")].concat()).unwrap();
    let people: Vec<&str> = import.people().iter().map(PersonId::as_str).collect();
    assert_eq!((import.records(), people), (3, vec!["12", "ada", "w7"]));
    assert!(import.notes.is_empty(), "{:?}", import.notes);
    let by_id = |annotator: &str| line(annotator).replace("\"annotator\"", "\"annotator_id\"");
    let import = read(&[by_id("18446744073709551615"), by_id("\"w8\"")].concat()).unwrap();
    let people: Vec<&str> = import.people().iter().map(PersonId::as_str).collect();
    assert_eq!((people, import.notes.is_empty()), (vec!["18446744073709551615", "w8"], true), "{:?}", import.notes);
    for (bad, says) in [
        (line("[1]"), "annotator"),
        // They differ in the last digit, and are one number to whoever rounds.
        (line("100000000000000000000001"), "in quotes"),
        (by_id("1.5"), "whole number"),
        (line("\"\""), "annotator"),
        (line("\"w7\"").replace("\"It was bad.\"", "\" \""), "rejected"),
        (line("\"w7\"").replace("\"rejected\"", "\"worse\""), "it has other fields"),
        (line("\"w7\"").replace("\"prompt\":\"A storm at sea.\"", "\"prompt\":4"), "prompt"),
        ("{\"prompt\": \"A\n".to_owned(), "it is not an object with prompt"),
    ] {
        let error = read(&(line("\"w7\"") + &bad)).unwrap_err().to_string();
        assert!(error.contains("line 2") && error.contains(says), "{error}: {says}");
    }
}

#[test]
fn an_import_is_committed_whole_dropped_without_trace_and_not_repeated() {
    let (dir, data) = (tempfile::tempdir().unwrap(), files(&[("comments.csv", COMMENTS), ("votes.csv", VOTES)]));
    let mut home = home(dir.path());
    let before = fs::read(home.paths().log()).unwrap();
    let mut reports = 0;
    let import = Import::polis(data.path(), "town", &mut |_| reports += 1).unwrap();
    assert!(reports >= 2);
    assert_eq!(import.undescribed(home.state()).count(), 2);
    drop(import.clone().draft(&home, time(9), vec![]).unwrap());
    assert_eq!(fs::read(home.paths().log()).unwrap(), before);
    let draft = import.clone().draft(&home, time(9), vec![]).unwrap();
    home.commit(draft).unwrap();
    assert_eq!(home.state().person(&id("polis:town:0")).unwrap().evidence().len(), 2);
    let again = import.compared(Some(&home)).unwrap();
    assert!(again.is_empty() && again.compared_with().known == 3, "{:?}", again.compared_with());
    drop(home);
    let (mut home, _) = Home::open(dir.path()).unwrap();
    home.believe(&id("polis:town:0")).unwrap();
}

#[test]
fn another_log_is_merged_with_its_survivors() {
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut theirs = home_of(other.path(), "theirs", 0);
    for record in [choice("ada", 0, 1, Some(0)), choice("ada", 2, 1, Some(0)), retraction(8), described(7)] {
        theirs.append(time(5), record).unwrap();
    }
    let log = theirs.paths().log();
    let mut ours = home(one.path());
    ours.append(time(2), choice("ada", 3, 4, None)).unwrap();
    let import = Import::credence_log(&log, Some("there:"), ours.state(), &mut |_| {}).unwrap();
    let draft = import.draft(&ours, time(9), vec![]).unwrap();
    ours.commit(draft).unwrap();
    let merged = ours.believe(&id("there:ada")).unwrap().digest();
    assert_eq!(merged, theirs.believe(&id("ada")).unwrap().digest());
    assert!(ours.state().description(&AlternativeId::of("at work", "do thing 7")).is_some());
    let header = LogOpened { schema_hash: Hash::of(b"another"), ..header("test") };
    let third = tempfile::tempdir().unwrap();
    let foreign = Home::create(third.path(), time(0), header).unwrap();
    let refused = Import::credence_log(&log, None, foreign.state(), &mut |_| {});
    assert!(matches!(refused, Err(ImportError::OtherSpace { what: "value schema", .. })));
}

#[test]
#[allow(clippy::print_stdout)]
fn the_public_conversations_can_be_imported() {
    let given = std::env::var_os("CREDENCE_DATA");
    let data = given.as_ref().map_or_else(|| Path::new("../../shared/data").to_owned(), Into::into).join("polis");
    let Ok(conversations) = fs::read_dir(&data) else {
        assert!(given.is_none(), "CREDENCE_DATA is set, and there is no {}", data.display());
        println!("SKIPPED: there is no {}; set CREDENCE_DATA to the folder of the public data", data.display());
        return;
    };
    for conversation in conversations.map(Result::unwrap).filter(|c| c.path().is_dir()) {
        let name = conversation.file_name().into_string().unwrap();
        let import = Import::polis(&conversation.path(), &name, &mut |_| {}).unwrap_or_else(|e| panic!("{name}: {e}"));
        let dir = tempfile::tempdir().unwrap();
        let mut home = home(dir.path());
        let (people, records) = (import.people().len(), import.records());
        let draft = import.draft(&home, time(1), vec![]).unwrap();
        home.commit(draft).unwrap();
        assert_eq!(home.state().people().len(), people, "{name}");
        assert_eq!(home.state().people().values().map(|p| p.evidence().len()).sum::<usize>(), records);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// Anything at all ends in an import or in an error, and in no other way.
    #[test]
    fn no_bytes_make_an_importer_panic(bytes in prop::collection::vec(any::<u8>(), 0..600), header in 0usize..3) {
        let dir = tempfile::tempdir().unwrap();
        let heads = ["", "timestamp,comment-id,voter-id,vote,comment-body\n", "person,first,second,chosen\n"];
        let content = [heads[header].as_bytes(), &bytes].concat();
        for name in ["comments.csv", "votes.csv", "summary.csv"] {
            fs::write(dir.path().join(name), &content).unwrap();
        }
        let file = dir.path().join("votes.csv");
        let _ = Import::polis(dir.path(), "x", &mut |_| {});
        let _ = Import::pairwise_csv(&file, &mut |_| {});
        let _ = Import::trl(&file, &id("ada"), &mut |_| {});
        let _ = Import::credence_log(&file, None, &State::new(), &mut |_| {});
    }

    #[test]
    fn no_json_makes_the_reader_of_preference_data_panic(text in "[\\[\\]{}\":,a-z0-9 promptchosenrejectedlabel\\n]{0,300}") {
        let dir = files(&[("t", &text)]);
        let _ = Import::trl(&dir.path().join("t"), &id("ada"), &mut |_| {});
    }
}

/// A home with this log id and so many answers of its person.
fn home_of(root: &Path, log_id: &str, answers: usize) -> Home {
    let mut home = Home::create(root, time(0), header(log_id)).unwrap();
    for n in 0..6 {
        home.append(time(1), described(n)).unwrap();
    }
    for n in 0..answers {
        home.append(time(2), choice(log_id, n % 5, 5, Some(0))).unwrap();
    }
    home
}

fn merge(from: &Home, into: &mut Home) -> Result<(), ImportError> {
    let import = Import::credence_log(&from.paths().log(), None, into.state(), &mut |_| {})?;
    let draft = import.draft(into, time(9), vec![])?;
    into.commit(draft).unwrap();
    Ok(())
}

fn answers(home: &Home, person: &str) -> usize {
    home.state().person(&id(person)).map_or(0, |p| p.evidence().len())
}

#[test]
fn a_log_is_not_merged_into_itself_and_brings_only_what_is_new_when_it_has_grown() {
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut ours = home_of(one.path(), "ours", 2);
    let import = Import::credence_log(&ours.paths().log(), None, ours.state(), &mut |_| {});
    assert!(matches!(import, Err(ImportError::Again { .. })), "{import:?}");
    let mut theirs = home_of(other.path(), "theirs", 3);
    merge(&theirs, &mut ours).unwrap();
    theirs.append(time(5), choice("theirs", 4, 5, Some(1))).unwrap();
    merge(&theirs, &mut ours).unwrap();
    assert_eq!((answers(&ours, "ours"), answers(&ours, "theirs")), (2, 4));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whatever is merged into whatever, in any order, nobody's answer is counted twice anywhere.
    #[test]
    fn no_way_round_of_merging_counts_twice(merges in prop::collection::vec((0..3usize, 0..3usize), 1..8)) {
        let names = ["a", "b", "c"];
        let dirs: Vec<_> = names.iter().map(|_| tempfile::tempdir().unwrap()).collect();
        let mut homes: Vec<Home> = names.iter().zip(&dirs).zip(1..).map(|((n, d), k)| home_of(d.path(), n, k)).collect();
        for (from, into) in merges.into_iter().filter(|(from, into)| from != into) {
            let (low, high) = homes.split_at_mut(from.max(into));
            let (low, high) = (&mut low[from.min(into)], &mut high[0]);
            let (from, into) = if from < into { (low, high) } else { (high, low) };
            // Refused, or merged: either is right as long as nothing counts twice.
            let _ = merge(from, into);
        }
        for (home, own) in homes.iter().zip(names) {
            for (name, given) in names.iter().zip(1..) {
                let counted = answers(home, name);
                prop_assert!(counted == 0 || counted == given, "{counted} of {name}'s {given} in {own}");
            }
            prop_assert!(answers(home, own) > 0);
        }
    }
}

#[test]
fn bad_rows_are_listed_and_left_out_only_if_that_is_asked_for() {
    let skip = Reading { skip_bad: true, ..Reading::default() };
    let votes = format!("{VOTES}1700000000001,x,8,0,1\n50,x,9\n1700000000060,x,9,5,2\n1700000000070,x,9,6,1\n");
    let dir = files(&[("comments.csv", &format!("{COMMENTS}3,x,10,0,0,0,-1,\n")), ("votes.csv", &votes)]);
    let import = skip.polis(dir.path(), "town", &mut |_| {}).unwrap();
    let lines: Vec<u64> = import.left_out().iter().map(|row| row.line).collect();
    assert_eq!((import.records(), lines), (4, vec![5, 6, 7, 8]));
    assert!(Import::polis(dir.path(), "town", &mut |_| {}).unwrap_err().to_string().contains("line 5"));
    let text =
        [b"person,first,second,chosen\r\n".as_slice(), b"ada,\xff,b,first\r\nada,a,b,third\r\nada,a,b,first\r\n"]
            .concat();
    fs::write(dir.path().join("p.csv"), text).unwrap();
    let import = skip.pairwise_csv(&dir.path().join("p.csv"), &mut |_| {}).unwrap();
    let lines: Vec<u64> = import.left_out().iter().map(|row| row.line).collect();
    assert_eq!((import.records(), lines), (1, vec![2, 3]));
    let lines = "{}\n{\"prompt\":\"p\",\"chosen\":\"a\",\"rejected\":\"b\"}\n\n[]\n";
    let file = files(&[("t", lines)]);
    let import = skip.trl(&file.path().join("t"), &id("ada"), &mut |_| {}).unwrap();
    assert_eq!((import.records(), import.left_out().len(), import.left_out()[1].line), (1, 2, 4));
    let many = format!("person,first,second,chosen\n{}bo,a,b,first\n", "x\n".repeat(3000));
    fs::write(dir.path().join("p.csv"), many).unwrap();
    let import = skip.pairwise_csv(&dir.path().join("p.csv"), &mut |_| {}).unwrap();
    assert_eq!((import.rows_left_out(), import.left_out().len()), (3000, 1000));
    // What all rows have is no bad row, and bad rows only are no import.
    let columns = files(&[("p.csv", "person,first,second\nada,a,b\n")]);
    assert!(
        skip.pairwise_csv(&columns.path().join("p.csv"), &mut |_| {}).unwrap_err().to_string().contains("no column")
    );
    let none = files(&[("p.csv", "person,first,second,chosen\nada,a,a,first\n")]);
    assert!(matches!(skip.pairwise_csv(&none.path().join("p.csv"), &mut |_| {}), Err(ImportError::NothingLeft { .. })));
}

#[test]
fn lines_are_counted_as_an_editor_does() {
    for ends in ["\n", "\r\n", "\r"] {
        for (bom, blank) in [("", ""), ("\u{feff}", ""), ("", "\n\n"), ("\u{feff}", "\n")] {
            let text = format!("{bom}person,first,second,chosen\n{blank}ada,\"a\nb\",c,first\nada,a,b,tea\n")
                .replace('\n', ends);
            let error =
                Import::pairwise_csv(&files(&[("p.csv", &text)]).path().join("p.csv"), &mut |_| {}).unwrap_err();
            let line = format!("line {}:", 4 + blank.len());
            assert!(error.to_string().contains(&line), "{text:?}: {error}");
        }
    }
}

#[test]
fn what_an_export_says_of_itself_is_read_or_said_to_be_left_out() {
    let comments = "timestamp,comment-id,agrees,disagrees,moderated,is-meta,comment-body,topic-area\n\
        1,0,2,1,1,false,Open on Sundays,parks\n1,1,0,3,-1,false,Buy watches,\n1,2,3,0,1,true,Too many questions,\n\
        1,3,1,0,1,false,Keep the ferry,\n1,4,0,1,1,false,Keep the ferry,\n";
    let votes = "timestamp,comment-id,voter-id,vote,important\n1700000001,0,1,1,1\n1700000002,0,2,1,0\n1700000003,0,3,-1,0\n\
        1700000004,1,1,-1,0\n1700000005,1,2,-1,0\n1700000006,1,3,-1,0\n1700000007,2,1,1,0\n1700000008,2,2,1,0\n\
        1700000009,2,3,1,0\n1700000010,3,1,1,0\n1700000011,4,1,-1,0\n";
    let dir = files(&[("comments.csv", comments), ("votes.csv", votes)]);
    let import = Import::polis(dir.path(), "town", &mut |_| {}).unwrap();
    let notes = import.notes().join("\n");
    for said in [
        "columns of comments.csv that are not used: \"topic-area\" (set in 1 rows)",
        "\"important\" (set in 1 rows)",
        "1 were moderated out, 1 are about the conversation itself",
        "the times of 11 votes are seconds",
        "comments with the same words are one statement (3 and 4); 1 votes",
        "the counts in comments.csv are not those of the votes for 1 of 4 statements (0 of them",
    ] {
        assert!(notes.contains(said), "{said} in {notes}");
    }
    assert_eq!(import.records(), 10, "one verdict on the statement that is there twice");
    assert_eq!(import.evidence[0].0.unwrap().as_millisecond(), 1_700_000_001_000);
    let home_dir = tempfile::tempdir().unwrap();
    let mut home = home(home_dir.path());
    let draft = import.draft(&home, time(9), vec![]).unwrap();
    home.commit(draft).unwrap();
    assert_eq!(home.state().quarantined().len(), 2);
    let survey = crate::population::Survey::of(home.state(), 1.0).unwrap();
    assert_eq!(survey.items.len(), 2, "neither of the two that are marked");
}

#[test]
fn votes_that_contradict_the_counts_are_refused_and_can_be_turned() {
    let votes = |sign: i32| -> String {
        let rows = [(0, 1), (0, 1), (0, -1), (1, -1), (1, -1), (1, 1)];
        let rows = rows.iter().enumerate().map(|(n, (c, v))| format!("17000000000{n:02},x,{c},{n},{}\n", sign * v));
        format!("timestamp,datetime,comment-id,voter-id,vote\n{}", rows.collect::<String>())
    };
    let comments = "comment-id,agrees,disagrees,comment-body\n0,2,1,Open on Sundays\n1,1,2,Keep the ferry\n";
    let read = |how: Reading, sign: i32| {
        how.polis(files(&[("comments.csv", comments), ("votes.csv", &votes(sign))]).path(), "town", &mut |_| {})
    };
    let how = |signs| Reading { signs, ..Reading::default() };
    let right = read(how(Signs::Checked), 1).unwrap();
    assert_eq!(right.notes(), &[] as &[String]);
    let refused = read(how(Signs::Checked), -1).unwrap_err();
    assert!(matches!(refused, ImportError::Mirrored { comments: 2, .. }), "{refused}");
    assert_eq!(read(how(Signs::Turned), -1).unwrap().evidence, right.evidence);
    let stands = read(how(Signs::AsTheyAre), -1).unwrap();
    assert!(stands.notes()[0].contains("2 of 2 statements (2 of them"), "{:?}", stands.notes());
}

#[test]
fn the_files_of_an_export_are_found_as_they_are_downloaded() {
    let name = |n: &str| format!("2026-01-01-1200-3abc-{n}");
    let [c, v, p, s] = ["comments.csv", "votes.csv", "participants-votes.csv", "summary.csv"].map(name);
    let dir = files(&[(&c, COMMENTS), (&v, VOTES), (&p, "participant\n1\n"), (&s, "topic,The town\nurl,x\n")]);
    let import = Import::polis(dir.path(), "town", &mut |_| {}).unwrap();
    assert_eq!((import.records(), &*import.statements()[0].situation), (3, "The town"));
    fs::write(dir.path().join("2026-02-01-comments.csv"), COMMENTS).unwrap();
    assert!(Import::polis(dir.path(), "town", &mut |_| {}).is_ok(), "comments without votes are no export");
    fs::write(dir.path().join("2026-02-01-votes.csv"), VOTES).unwrap();
    let error = Import::polis(dir.path(), "town", &mut |_| {}).unwrap_err().to_string();
    assert!(error.contains("it has several: those that begin with 2026-01-01-1200-3abc-, 2026-02-01-"), "{error}");
    let none = files(&[("votes.txt", "")]);
    let error = Import::polis(none.path(), "town", &mut |_| {}).unwrap_err().to_string();
    assert!(error.contains("comments.csv and votes.csv") && error.contains("it has no CSV file"), "{error}");
}
