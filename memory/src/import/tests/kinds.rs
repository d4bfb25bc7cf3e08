//! Faults of a kind: what rows swallow, what they are not, and who they are.

use super::again::{HEAD, WORDS, add, stands};
use super::*;
use crate::record::Origin;

fn csv_with(how: Reading, text: &str) -> Result<Import, ImportError> {
    how.pairwise_csv(&files(&[("p.csv", text)]).path().join("p.csv"), &mut |_| {})
}

fn csv(text: &str) -> Result<Import, ImportError> {
    csv_with(Reading::default(), text)
}

fn skipping() -> Reading {
    Reading { skip_bad: true, ..Reading::default() }
}

fn conversation(name: &str, comments: &str, votes: &str) -> Result<Import, ImportError> {
    let votes = format!("{HEAD}{votes}");
    Import::polis(files(&[("comments.csv", comments), ("votes.csv", &votes)]).path(), name, &mut |_| {})
}

fn has(notes: &[String], words: &str) -> bool {
    notes.iter().any(|note| note.contains(words))
}

#[test]
fn a_quotation_mark_costs_its_own_line_and_no_other() {
    let rows = |from: usize, to: usize| -> String { (from..to).map(|n| format!("p{n},a{n},b{n},first\n")).collect() };
    let head = "person,first,second,chosen\n";
    // So many good rows, the bad line; what the error says.
    #[track_caller]
    fn check(text: &str, good: usize, bad: &[u64], says: &str) {
        for text in [text.to_owned(), text.replace('\n', "\r\n"), text.replace('\n', "\r")] {
            let error = csv(&text).unwrap_err().to_string();
            assert!(error.contains(&format!("line {}: a quotation mark", bad[0])) && error.contains(says), "{error}");
            let import = csv_with(skipping(), &text).unwrap();
            let lines: Vec<u64> = import.left_out().iter().map(|row| row.line).collect();
            assert_eq!((import.records(), &*lines), (good, bad), "{:?}", import.left_out());
        }
    }
    let never = format!("{head}{}ada,tea,\"coffee,first\n{}", rows(0, 3), rows(3, 9));
    check(&never, 9, &[5], "never closed");
    check(never.trim_end(), 9, &[5], "never closed");
    check(&format!("{head}{}ada,tea,coffee,\"first", rows(0, 2)), 2, &[4], "never closed");
    let quoted = format!("{head}ada,tea,\"coffee,first\n{}bo,\"a, b\",c,first\n{}", rows(0, 4), rows(4, 6));
    check(&quoted, 7, &[2], "mark on line 7");
    let at_an_end = format!("{head}ada,tea,\"coffee,first\n{}bo,a,b\",first\n{}", rows(0, 2), rows(2, 4));
    check(&at_an_end, 5, &[2], "each of the lines is a row by itself");
    let in_the_last = "chosen,person,first,second\nfirst,ada,tea,\"coffee\nfirst,bo,a,b\"\nfirst,eve,a,b\n";
    check(in_the_last, 2, &[2], "each of the lines is a row by itself");
    let two = format!("{head}ada,\"tea\nor chai\",\"coffee,first\n{}", rows(0, 3));
    check(&two, 3, &[3], "never closed");
    let short = format!("{head}ada,\"tea\nor chai\",first\n{}", rows(0, 2));
    check(&short, 2, &[2, 3], "3 fields where the header has 4");
    // Words of several lines are no fault, nor are marks and commas in them.
    let words = "person,first,second,chosen\nada,\"Bread, milk, eggs,\n\n\"\"tea\"\", all, of it\nthen rest\",b,first\nbo,a,b,first\n";
    let import = csv(words).unwrap();
    assert_eq!(
        (import.records(), &*import.statements()[0].text),
        (2, "Bread, milk, eggs,\n\n\"tea\", all, of it\nthen rest")
    );
    // Nor are lines of a field that could be rows, where the line that begins the record could not.
    for field in ["1,500,more", "eve,x,y,first", "soup,or salad,z,w"] {
        let import =
            csv(&format!("person,first,second,chosen\n\"ada\",\"How much?\n{field}\",\"b\",\"first\"\n")).unwrap();
        assert_eq!(import.statements()[0].text, format!("How much?\n{field}"));
    }
    let comments = "comment-id,agrees,disagrees,comment-body\n0,1,0,\"Open\n1,1,0,Keep\n2,0,0,Close\n";
    let how = skipping();
    let dir = files(&[("comments.csv", comments), ("votes.csv", &format!("{HEAD}1700000000001,x,1,1,1\n"))]);
    let import = how.polis(dir.path(), "town", &mut |_| {}).unwrap();
    assert_eq!((import.records(), import.statements().len(), import.left_out().len()), (1, 2, 1));
}

#[test]
fn counts_are_read_as_programs_save_them_or_it_is_said() {
    let votes = |sign: i32| -> String {
        let rows = [(0, 1), (0, 1), (0, -1), (1, -1), (1, -1), (1, 1)];
        let row = |(n, (c, v)): (usize, &(i32, i32))| format!("17000000000{n:02},x,{c},{n},{}\n", sign * v);
        rows.iter().enumerate().map(row).collect()
    };
    let comments = |counts: [&str; 4]| {
        let [a, b, c, d] = counts.map(|count| format!("\"{count}\""));
        format!("comment-id,agrees,disagrees,comment-body\n0,{a},{b},Open on Sundays\n1,{c},{d},Keep the ferry\n")
    };
    for counts in [["2.0", "1.0", "1.0", "2.0"], ["2,000", "1,000", "1 000", "2 000"], ["2e0", "+1", " 1", "2 "]] {
        let read = conversation("town", &comments(counts), &votes(-1));
        assert!(matches!(read, Err(ImportError::Mirrored { .. })), "{counts:?}: {read:?}");
    }
    let notes = |comments: &str| conversation("town", comments, &votes(-1)).unwrap().notes().to_owned();
    for counts in [["", "", "", ""], ["nan", "1", "NaN", "2"], ["many", "1", "-1", "2"], ["1.5", "1", "1,2", "2"]] {
        let notes = notes(&comments(counts));
        assert!(has(&notes, "disagrees of 2 of 2 comments could not be read (the first is "), "{counts:?}: {notes:?}");
    }
    assert!(has(&notes(&comments(["0", "0", "0", "0"])), "are 0 for all 2 comments: which way round"));
    assert!(has(&notes(WORDS), "2 of 2 comments have no counts"));
}

#[test]
fn a_mark_is_news_by_itself_and_is_lifted_by_the_next_state_of_the_conversation() {
    let dir = tempfile::tempdir().unwrap();
    let mut home = home(dir.path());
    let rows = "1700000000001,x,0,1,1\n1700000000002,x,1,2,1\n";
    let state = |moderated: &str, votes: &str| {
        let comments =
            format!("comment-id,moderated,comment-body\n0,{moderated},Open on Sundays\n1,1,Keep the ferry\n");
        conversation("town", &comments, votes).unwrap()
    };
    let mut put = |import: Import, at: i64| {
        let import = import.compared(Some(&home)).unwrap();
        let found = import.compared_with();
        let is_empty = import.is_empty();
        if !is_empty {
            let draft = import.clone().draft(&home, time(at), vec![]).unwrap();
            home.commit(draft).unwrap();
        }
        ([found.marked(), found.unmarked()], is_empty, home.state().quarantined().len(), import.notes().to_owned())
    };
    assert_eq!(put(state("1", rows), 100).2, 0);
    let (counts, is_empty, out, _) = put(state("-1", rows), 200);
    assert_eq!((counts, is_empty, out), ([1, 0], false, 1));
    assert!(put(state("-1.0", rows), 300).1, "nothing new");
    let older = put(state("1", "1699999999000,x,0,1,-1\n"), 350);
    assert_eq!((older.0, older.2), ([0, 0], 1), "an older state lifts nothing");
    assert!(has(&older.3, "stay as they are"), "{:?}", older.3);
    assert_eq!(put(state("", rows), 400).0, [0, 1]);
    assert_eq!(put(state("-1", rows), 500).2, 1, "and out again");
    let subject = Subject::Statement(AlternativeId::of("a public consultation", "Open on Sundays"));
    let quarantine = QuarantineSet { subject, quarantined: false, reason: "it was right".into() };
    home.append(time(600), Record::QuarantineSet(quarantine)).unwrap();
    let import = state("-1", rows).compared(Some(&home)).unwrap();
    assert!(import.is_empty() && has(import.notes(), "as somebody decided here"), "{:?}", import.notes());
    let import = state("rejected", rows);
    assert!(has(
        import.notes(),
        "moderated of 1 comments could not be read and was ignored (the first is \"rejected\")"
    ));
}

#[test]
fn a_number_of_another_log_is_no_record_of_this_one() {
    let dir = tempfile::tempdir().unwrap();
    let said = |name: &str, month: &str, chosen: &str| {
        let mut home = Home::create(&dir.path().join(name), time(0), header(name)).unwrap();
        let row = format!("person,first,second,chosen,time\nada,tea,coffee,{chosen},2026-{month}-01T00:00:00Z\n");
        add(&mut home, csv(&row).unwrap(), 100);
        home
    };
    let x = said("x", "01", "first");
    let table = crate::export::table(x.entries().unwrap(), x.state()).unwrap();
    let mut exported = Vec::new();
    crate::export::write_csv(&table, &mut exported).unwrap();
    let exported = String::from_utf8(exported).unwrap();
    let older = exported.replace("seq,log,", "seq,").replace(",x,2026", ",2026");
    for (n, exported) in [&exported, &older].into_iter().enumerate() {
        for (other, chosen) in [("y", "second"), ("z", "first")] {
            let mut home = said(&format!("{other}{n}"), "02", chosen);
            assert_eq!(add(&mut home, csv(exported).unwrap(), 200), [1, 0, 0, 0, 0, 0], "{other}: {exported}");
            assert_eq!(stands(&home), 2);
        }
    }
    // Here it is the record, also when its answer was mended in the file.
    let mut x = x;
    assert_eq!(add(&mut x, csv(&exported).unwrap(), 200)[..2], [0, 1]);
    assert_eq!(add(&mut x, csv(&older).unwrap(), 200)[..2], [0, 1]);
    let mended = exported.replace("coffee,first", "coffee,second");
    assert_eq!(add(&mut x, csv(&mended).unwrap(), 300)[..3], [1, 0, 1]);
    assert_eq!(stands(&x), 1);
}

#[test]
fn what_was_exported_as_preference_data_is_read_to_the_letter() {
    let dir = tempfile::tempdir().unwrap();
    let mut home = home(dir.path());
    let rows = "person,first,second,chosen,time\nada,Keep the ferry running,Keep the ferry closed,first,2026-01-01T00:00:00Z\n\
                ada,Doctor: yes,Doctor: no,first,2026-01-02T00:00:00Z\n";
    add(&mut home, csv(rows).unwrap(), 100);
    let spaced = AlternativeDescribed {
        alternative: AlternativeId::of("", " as it was"),
        text: " as it was".into(),
        ..Statement::new("", "").bare()
    };
    let alternative = spaced.alternative;
    home.append(time(200), Record::AlternativeDescribed(spaced)).unwrap();
    let from = Origin { person: id("ada"), source: SourceId::new("test").unwrap(), session: None };
    let alternatives = vec![alternative, AlternativeId::of("", "Doctor: no")];
    let record =
        ChoiceMade { from: from.clone(), question: None, alternatives, chosen: Some(0), indifference_offered: false };
    home.append(time(300), Record::ChoiceMade(record)).unwrap();
    let verdict = VerdictGiven { from, alternative, verdict: Verdict::Agree };
    home.append(time(400), Record::VerdictGiven(verdict)).unwrap();
    let table = crate::export::table(home.entries().unwrap(), home.state()).unwrap();
    let (mut paired, mut single) = (Vec::new(), Vec::new());
    crate::export::write_trl_paired(&table, &mut paired).unwrap();
    crate::export::write_trl_unpaired(&table, &mut single).unwrap();
    for (lines, count) in [(paired, 3), (single, 1)] {
        let text = String::from_utf8(lines).unwrap();
        let import = Import::trl(&files(&[("t", &text)]).path().join("t"), &id("eve"), &mut |_| {}).unwrap();
        assert_eq!(add(&mut home, import, 500), [0, count, 0, 0, 0, 0], "{text}");
    }
}

#[test]
fn one_voter_is_one_however_the_id_is_written_and_nobody_is_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let mut home = home(dir.path());
    let read = |ids: [&str; 2]| {
        let [a, b] = ids;
        let rows = format!("1700000000001,x,0,{a},1\n1700000000002,x,0,{b},-1\n");
        conversation("town", WORDS, &rows).unwrap()
    };
    assert_eq!(read(["7e2", "700"]).people().len(), 2, "programs write the sign of an exponent");
    assert_eq!(read(["Jos\u{e9}", "Jose\u{301}"]).records(), 1, "the last one counts");
    assert_eq!(add(&mut home, read(["1", "2"]), 100)[0], 2);
    for ids in [[" 1", "2 "], ["1.00", "+2"], ["1e+00", "2.0"], ["\u{a0}1", "002"]] {
        assert_eq!(add(&mut home, read(ids), 200)[..2], [0, 2], "{ids:?}");
    }
    for nobody in ["", " ", "nan", "NULL"] {
        let rows = format!("1700000000001,x,0,{nobody},1\n1700000000002,x,0,{nobody},-1\n1700000000003,x,1,2,1\n");
        let error = conversation("town", WORDS, &rows).unwrap_err().to_string();
        assert!(error.contains("line 2: voter-id is"), "{error}");
        let dir = files(&[("comments.csv", WORDS), ("votes.csv", &format!("{HEAD}{rows}"))]);
        let import = skipping().polis(dir.path(), "town", &mut |_| {}).unwrap();
        assert_eq!((import.records(), import.left_out().len()), (1, 2), "{nobody:?}");
    }
    let import = csv("person,first,second,chosen\n ada ,a,b,first\nada,c,d,first\n").unwrap();
    assert_eq!(import.people().len(), 1);
}

#[test]
fn the_same_votes_are_known_whatever_the_topic_and_the_folder() {
    let dir = tempfile::tempdir().unwrap();
    let mut home = home(dir.path());
    let rows = "1700000000001,x,0,1,1\n1700000000002,x,0,2,-1\n1700000000004,x,1,2,1\n";
    let more = "1700000000005,x,1,1,-1\n";
    let read = |name: &str, summary: Option<&str>, rows: &str| {
        let votes = format!("{HEAD}{rows}");
        let mut all = vec![("comments.csv", WORDS), ("votes.csv", &*votes)];
        all.extend(summary.map(|summary| ("summary.csv", summary)));
        Import::polis(files(&all).path(), name, &mut |_| {}).unwrap()
    };
    assert_eq!(add(&mut home, read("t", None, rows), 100)[0], 3);
    for summary in
        ["topic,The town\n", "topic,Our town\n", "Topic;Our town, by the sea\nurl;x\n", "url,x\nTOPIC,Town\n"]
    {
        let import = read("t", Some(summary), rows);
        assert!(import.statements()[0].situation.contains("own"), "{summary}: {:?}", import.statements());
        assert_eq!(add(&mut home, import, 200)[..2], [0, 3], "{summary}");
    }
    assert!(has(read("t", Some("subject,Town\n"), rows).notes(), "no row \"topic\""));
    assert_eq!(add(&mut home, read("t", Some("topic,The town\n"), &format!("{rows}{more}")), 300)[..2], [1, 3]);
    // By another name: whoever gave none means the conversation that stands here.
    let other = read("download (1)", None, rows);
    let taken = other.clone().under_any_name().compared(Some(&home)).unwrap();
    assert!(taken.is_empty() && has(taken.notes(), "the conversation \"t\""), "{:?}", taken.notes());
    let named = other.compared(Some(&home)).unwrap();
    assert!(named.records() == 3 && has(named.notes(), "As --name says otherwise"), "{:?}", named.notes());
    let elsewhere = conversation("u", "comment-id,comment-body\n0,Ban cars\n", rows.lines().next().unwrap()).unwrap();
    let elsewhere = elsewhere.under_any_name().compared(Some(&home)).unwrap();
    assert_eq!((elsewhere.records(), elsewhere.people().first()), (1, Some(&id("polis:u:1"))));
    let mixed = conversation("t", "comment-id,comment-body\n0,Ban cars\n", rows.lines().next().unwrap()).unwrap();
    assert!(has(mixed.compared(Some(&home)).unwrap().notes(), "give it another --name"));
    let names = |votes: &str, comments: &str| conversation_id(files(&[(votes, ""), (comments, "")]).path());
    let id = names("2026-01-31-1200-3abc-votes.csv", "2026-01-31-1200-3abc-comments.csv");
    assert_eq!((id.as_deref(), names("votes.csv", "comments.csv")), (Some("3abc"), None));
}

#[test]
fn a_row_that_the_home_refuses_is_a_bad_row() {
    let dir = tempfile::tempdir().unwrap();
    let mut home = home(dir.path());
    let head = "seq,time,person,source,kind,situation,first,second,outcome,soft_label\n";
    let good = "7,2026-01-01T00:00:00Z,ada,s,ChoiceMade,sit,tea,coffee,first,0.5\n";
    for (n, bad) in [
        "8,2026-01-01T00:00:01Z,ada,s,ImportanceStated,,nonsense,,clear,\n",
        "8,2026-01-01T00:00:01Z,ada,s,RatingGiven,sit,tea,,9/5,\n",
        "8,2026-01-01T00:00:01Z,ada,s,ImportanceStated,,honesty,honesty,clear,\n",
        "8,2026-01-01T00:00:01Z,ada,s,RatingGiven,sit,tea,,3/255,\n",
    ]
    .into_iter()
    .enumerate()
    {
        let text = format!("{head}{good}{bad}{}", good.replace("tea", &format!("chai {n}")));
        let error = csv(&text).unwrap().compared(Some(&home)).unwrap_err().to_string();
        assert!(error.contains("p.csv, line 3: it does not fit this home: "), "{error}");
        let import = csv_with(skipping(), &text).unwrap().compared(Some(&home)).unwrap();
        assert_eq!((import.left_out().len(), import.left_out()[0].line), (1, 3));
        assert_eq!(add(&mut home, import, 100)[0], if n == 0 { 2 } else { 1 }, "{bad}");
        let without = csv(&text).unwrap().compared(None);
        match bad.contains("RatingGiven") {
            true => assert!(without.unwrap_err().to_string().contains("line 3: "), "wrong in any home"),
            false => assert!(has(without.unwrap().notes(), "there is no home yet")),
        }
    }
}

#[test]
fn the_right_thing_is_blamed() {
    let rows = "1700000000001,x,0,1,1\n";
    for name in ["x".repeat(300), "a\nb".into(), String::new(), " ".into()] {
        let error = conversation(&name, WORDS, rows).unwrap_err();
        assert!(matches!(error, ImportError::Conversation(_)), "{error}");
    }
    let error = csv_with(skipping(), "person,first,second,chosen\nada,x,y,zz\nbo,x,x,first\n").unwrap_err().to_string();
    for said in ["its 2 rows", "line 2: chosen is \"zz\"", "line 3: both"] {
        assert!(error.contains(said), "{error}");
    }
    let error = csv("person,first,second,chosen,first\nada,tea,coffee,first,WATER\n").unwrap_err().to_string();
    assert!(error.contains("line 1: there are two columns \"first\""), "{error}");
    let own = "seq,time,person,source,kind,situation,first,second,outcome,my notes\n1,,ada,s,ChoiceMade,,a,b,first,x\n";
    assert!(csv(own).unwrap_err().to_string().contains("column \"my notes\" is none of seq, log, time,"));
    let comments = "comment-id,comment-body\n0,Open on Sundays\n1,\n";
    let votes = format!("{HEAD}1700000000001,x,1,1,1\n1700000000002,x,0,1,1\n");
    let import = skipping().polis(files(&[("comments.csv", comments), ("votes.csv", &votes)]).path(), "t", &mut |_| {});
    let left_out: Vec<String> = import.unwrap().left_out().iter().map(ToString::to_string).collect();
    assert!(
        left_out[1].ends_with("\"1\", which is a comment that was left out (comments.csv, line 3)"),
        "{left_out:?}"
    );
    assert!(csv("[{\"person\":\"ada\"}]\n").unwrap_err().to_string().contains("as JSON does"));
    assert!(csv("person,first,second,chosen\nada,a\0,b,first\n").unwrap_err().to_string().contains("NUL"));
    let line = r#"{"prompt":"Q","chosen":"\u0000A","rejected":"B"}"#;
    let trl = Import::trl(&files(&[("t", line)]).path().join("t"), &id("ada"), &mut |_| {});
    assert!(trl.unwrap_err().to_string().contains("chosen is a text with a NUL character"));
    for time in ["45244.93", "28333333", "20231114", "0", "-1"] {
        let row = format!("person,first,second,chosen,time\na,x,y,first,{time}\n");
        assert!(csv(&row).unwrap_err().to_string().contains("line 2: time is"), "{time}");
        let rows = format!("{time},x,0,1,1\n");
        assert!(conversation("town", WORDS, &rows).unwrap_err().to_string().contains("line 2: timestamp is"), "{time}");
    }
}

#[test]
fn votes_and_ids_are_read_as_table_programs_save_them() {
    let plain = "1700000000001,x,0,1,1\n1700000000002,x,1,1,-1\n1700000000003,x,1,2,0\n";
    let as_read = |comments: &str, votes: &str| {
        let import = conversation("town", comments, votes).unwrap();
        import.evidence.into_iter().map(|(time, record)| (time, format!("{record:?}"))).collect::<Vec<_>>()
    };
    let expected = as_read(WORDS, plain);
    let floats = "1700000000001.0,x,0.0,1.0,1.0\n1700000000002.0,x,1.0,1.0,-1.0\n1700000000003.0,x,1.0,2.0,-0.0\n";
    let spaced = "1700000000001,x, 0,1, 1\n1700000000002,x,1 ,1,-1 \n1700000000003,x,+1,2,+0\n";
    let typeset = plain.replace(",-1\n", ",\u{2212}1\n");
    for votes in [floats, spaced, &typeset] {
        assert_eq!(as_read(WORDS, votes), expected, "{votes}");
        assert_eq!(as_read(&WORDS.replace("\n0,", "\n0.0,").replace("\n1,", "\n1.0,"), votes), expected);
    }
    let empty =
        format!("{HEAD}{floats}1700000000004.0,x,0.0,2.0,\n1700000000005.0,x,,3.0,1.0\n1700000000005,x,0,3,2.0\n");
    let dir = files(&[("comments.csv", WORDS), ("votes.csv", &empty)]);
    let import = skipping().polis(dir.path(), "town", &mut |_| {}).unwrap();
    let left_out: Vec<u64> = import.left_out().iter().map(|row| row.line).collect();
    assert_eq!((import.records(), left_out), (3, vec![5, 6, 7]), "each costs itself alone");
}

#[test]
fn a_colon_in_a_voter_makes_nobody_somebody_else() {
    let error = conversation("t", WORDS, "1700000000001,x,0,x:1,1\n").unwrap_err().to_string();
    assert!(error.contains("line 2: voter-id is \"x:1\", which is not a voter's id without a colon"), "{error}");
    let import = conversation("t:x", WORDS, "1700000000001,x,0,1,1\n").unwrap();
    assert_eq!(import.people().first(), Some(&id("polis:t:x:1")), "a conversation may have one");
}

#[test]
fn columns_without_a_name_say_nothing() {
    let own = "seq,log,time,person,source,kind,situation,first,second,outcome,soft_label\n\
               9,other,2026-01-01T00:00:00Z,bo,s,ChoiceMade,sit,tea,coffee,first,0.5\n";
    for (text, head) in [("person,first,second,chosen\nada,a,b,first\nbo,a,b,second\n", true), (own, false)] {
        let expected = csv(text).unwrap();
        let mend = |before: &dyn Fn(usize) -> String, after: &str| -> String {
            text.lines().enumerate().map(|(n, line)| format!("{}{line}{after}\n", before(n))).collect()
        };
        let none = |_: usize| String::new();
        let index = |n: usize| if n == 0 { ",".into() } else { format!("{},", n - 1) };
        let named = |n: usize| if n == 0 { "Unnamed: 0,".into() } else { format!("{}.0,", n - 1) };
        for text in [mend(&none, ",,"), mend(&index, ""), mend(&named, ""), mend(&index, ",")] {
            let import = csv(&text).unwrap();
            assert_eq!((import.evidence, import.format), (expected.evidence.clone(), expected.format), "{text}");
        }
        // A sheet whose rows are wider than its header.
        let wide: String =
            text.lines().enumerate().map(|(n, line)| format!("{line}{}\n", if n == 0 { "" } else { ",, " })).collect();
        assert_eq!(csv(&wide).unwrap().evidence, expected.evidence);
        let words = |n: usize| if n == 0 { ",".into() } else { format!("note {n},") };
        let error = csv(&mend(&words, "")).unwrap_err().to_string();
        assert!(error.contains("line 2: there is \"note 1\" in a column without a name"), "{error} {head}");
    }
}

#[test]
fn times_in_words_have_the_range_that_numbers_have() {
    for stamp in [
        "0001-01-01T00:00:00Z",
        "1970-01-01T00:00:00Z",
        "-009999-01-02T01:59:59Z",
        "2200-06-01T00:00:00Z",
        "9998-12-31T00:00:00Z",
    ] {
        let row = format!("person,first,second,chosen,time\na,x,y,first,{stamp}\n");
        assert!(csv(&row).unwrap_err().to_string().contains("line 2: time is"), "{stamp}");
        let line = format!(r#"{{"prompt":"p","chosen":"a","rejected":"b","time":"{stamp}"}}"#);
        let read = Import::trl(&files(&[("t", &line)]).path().join("t"), &id("ada"), &mut |_| {});
        assert!(read.unwrap_err().to_string().contains("line 1: time is"), "{stamp}");
        let rows = format!("{stamp},x,0,1,1\n");
        assert!(conversation("town", WORDS, &rows).unwrap_err().to_string().contains("timestamp is"), "{stamp}");
    }
}

#[test]
fn words_that_no_line_of_the_log_holds_cost_their_own_row() {
    let dir = tempfile::tempdir().unwrap();
    let mut home = home(dir.path());
    // Six bytes each in a line of the log.
    let long = "\u{1}".repeat(3 << 20);
    let text = format!("person,first,second,chosen\nada,tea,coffee,first\nbo,\"{long}\",coffee,first\n");
    let error = csv(&text).unwrap_err().to_string();
    assert!(error.contains("line 3: its words take 18874"), "{}", &error[..200]);
    let import = csv_with(skipping(), &text).unwrap();
    assert_eq!((import.left_out().len(), import.statements().len()), (1, 2));
    assert_eq!(add(&mut home, import, 100)[0], 1);
}

#[test]
fn only_the_conversation_that_marked_a_statement_lifts_the_mark() {
    let dir = tempfile::tempdir().unwrap();
    let mut home = home(dir.path());
    let state = |name: &str, moderated: &str, n: u64| {
        let comments = format!("comment-id,moderated,comment-body\n0,{moderated},Open on Sundays\n1,1,The {name}\n");
        conversation(name, &comments, &format!("17000000{n}0001,x,0,{n},1\n17000000{n}0002,x,1,{n},1\n")).unwrap()
    };
    let mut put = |import: Import, at: i64| {
        let import = import.compared(Some(&home)).unwrap();
        let found = import.compared_with();
        let notes = import.notes().to_owned();
        if !import.is_empty() {
            let draft = import.draft(&home, time(at), vec![]).unwrap();
            home.commit(draft).unwrap();
        }
        ([found.marked(), found.unmarked()], home.state().quarantined().len(), notes)
    };
    assert_eq!(put(state("a", "-1", 1), 100).0, [1, 0]);
    let b = put(state("b", "1", 2), 200);
    assert_eq!((b.0, b.1), ([0, 0], 1), "what a's moderators took out stays out");
    assert!(has(&b.2, "another conversation that stands here marked them"), "{:?}", b.2);
    assert_eq!(put(state("a", "-1", 1), 300).0, [0, 0]);
    assert_eq!(put(state("a", "1", 1), 400).0, [0, 1]);
}
