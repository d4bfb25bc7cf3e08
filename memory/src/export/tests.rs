use ::parquet::file::reader::{FileReader, SerializedFileReader};

use super::*;
use crate::sample::{Scribe, choice, id, importance, retraction, verdict};

fn said() -> (Scribe, Table) {
    let mut scribe = Scribe::begun();
    for record in [
        choice("ada", 0, 1, Some(1)),
        choice("ada", 2, 3, None),
        choice("bob", 1, 0, Some(0)),
        verdict("bob", 4, Verdict::Agree),
        verdict("bob", 5, Verdict::Pass),
        importance("ada", Some("care"), None),
        choice("bob", 2, 4, Some(0)),
        retraction(14),
    ] {
        scribe.write(record).unwrap();
    }
    let table = table(scribe.entries().into_iter().map(Ok), &scribe.state).unwrap();
    (scribe, table)
}

#[test]
fn rows_are_the_survivors_with_what_is_believed_of_them() {
    let (scribe, table) = said();
    assert_eq!(table.rows.iter().map(|r| r.seq.0).collect::<Vec<_>>(), [8, 9, 10, 11, 12, 13]);
    let belief = scribe.state.belief(&id("ada")).unwrap();
    let [a, b] = [0, 1].map(|n| scribe.state.features(&crate::sample::alternative(n)).unwrap());
    let expected = belief.predict(&Question::choice(a.minus(&b).mean, false))[0];
    assert_eq!(table.rows[0].soft_label, Some(expected));
    assert!(expected < 0.5, "ada chose the second");
}

#[test]
fn trl_data_can_be_imported_again() {
    let (_, table) = said();
    let (mut paired, mut unpaired) = (Vec::new(), Vec::new());
    assert_eq!(write_trl_paired(&table, &mut paired).unwrap(), 2);
    assert_eq!(write_trl_unpaired(&table, &mut unpaired).unwrap(), 1);
    let first: serde_json::Value = serde_json::from_slice(paired.split(|b| *b == b'\n').next().unwrap()).unwrap();
    assert_eq!((&first["chosen"], &first["person"]), (&"do thing 1".into(), &"ada".into()));
    assert!(first["chosen_probability"].as_f64().unwrap() > 0.5);
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("t"), paired).unwrap();
    let import = crate::import::Import::trl(&dir.path().join("t"), &id("eve"), &mut |_| {}).unwrap();
    assert_eq!((import.records(), import.people().contains(&id("ada"))), (2, true));
}

#[test]
fn csv_and_parquet_hold_every_row() {
    let (_, table) = said();
    let mut text = Vec::new();
    assert_eq!(write_csv(&table, &mut text).unwrap(), 6);
    let mut reader = csv::Reader::from_reader(text.as_slice());
    assert_eq!(reader.headers().unwrap(), &csv::StringRecord::from(CSV_COLUMNS.to_vec()));
    assert_eq!(reader.records().next().unwrap().unwrap().get(1), Some(&*table.log), "whose numbers these are");
    let mut reader = csv::Reader::from_reader(text.as_slice());
    assert_eq!(reader.records().map(Result::unwrap).count(), 6);
    let mut bytes = Vec::new();
    assert_eq!(write_parquet(&table, &mut bytes).unwrap(), 6);
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("p"), bytes).unwrap();
    let reader = SerializedFileReader::new(std::fs::File::open(dir.path().join("p")).unwrap()).unwrap();
    let rows: Vec<String> = reader.get_row_iter(None).unwrap().map(|r| r.unwrap().to_string()).collect();
    assert_eq!(rows.len(), 6);
    assert!(rows[0].contains("\"ada\"") && rows[5].contains("second: null"), "{rows:?}");
}

#[test]
fn no_cell_is_a_formula_and_every_cell_is_read_back() {
    for text in ["=1+1", "+1", "-1", "@x", "\t=1", "'=1", "''=1", "'tis", "plain", "\u{ff1d}1", ""] {
        let cell = guarded(text);
        assert!(!cell.starts_with(['=', '+', '-', '@', '\t', '\u{ff1d}']), "{cell}");
        assert_eq!(unguarded(&cell), text);
    }
    assert_eq!((&*guarded("'tis"), &*guarded("plain")), ("'tis", "plain"), "nothing else is changed");
}
