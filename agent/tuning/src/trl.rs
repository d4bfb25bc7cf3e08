//! A data set for other trainers, in the forms of TRL: `preference.jsonl` (prompt, chosen, rejected) and `text.jsonl`.
//!
//! What TRL does not know stands in columns of its own, which its trainers pass over: the soft label, its weight, and
//! the (record, person) pairs behind it.

use std::io::{self, Write};

use credence_memory::ids::{PersonId, Seq};
use credence_training::Example;
use serde::Serialize;

use super::dataset::DataSet;
use super::lessons::{Rehearsal, Teaching};

#[derive(Serialize)]
struct Preference<'a> {
    prompt: &'a str,
    chosen: &'a str,
    rejected: &'a str,
    probability: f64,
    weight: f32,
    provenance: Vec<(Seq, &'a PersonId)>,
}

#[derive(Serialize)]
struct Text<'a> {
    text: &'a str,
}

/// Writes the prompts of a data set; the likelier word is `chosen` with `probability`. Returns how many rows there are.
///
/// # Errors
/// If it cannot be written.
pub fn write_preferences(data: &DataSet, teachings: &[Teaching], out: &mut dyn Write) -> io::Result<u64> {
    for teaching in teachings {
        let first = teaching.probability >= 0.5;
        let [a, b] = &teaching.words;
        let (chosen, rejected) = if first { (a, b) } else { (b, a) };
        let row = Preference {
            prompt: &teaching.prompt,
            chosen,
            rejected,
            probability: teaching.probability.max(1.0 - teaching.probability),
            weight: teaching.weight,
            provenance: teaching
                .lesson
                .and_then(|index| data.lessons.get(index))
                .map_or_else(Vec::new, |lesson| data.provenance(lesson).collect()),
        };
        serde_json::to_writer(&mut *out, &row)?;
        out.write_all(b"\n")?;
    }
    Ok(teachings.len() as u64)
}

/// Writes the text to rehearse. Returns how many rows there are.
///
/// # Errors
/// If it cannot be written.
pub fn write_texts(rehearsal: &[Rehearsal], out: &mut dyn Write) -> io::Result<u64> {
    for Rehearsal { text, .. } in rehearsal {
        serde_json::to_writer(&mut *out, &Text { text })?;
        out.write_all(b"\n")?;
    }
    Ok(rehearsal.len() as u64)
}

/// Writes what this program's own trainer is given, in tokens: a row an example, with its targets. Returns how many.
///
/// # Errors
/// If it cannot be written.
pub fn write_examples(examples: &[Example], out: &mut dyn Write) -> io::Result<u64> {
    for example in examples {
        serde_json::to_writer(&mut *out, example)?;
        out.write_all(b"\n")?;
    }
    Ok(examples.len() as u64)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use credence_memory::ids::AlternativeId;

    use super::super::dataset::{DataSettings, Lesson, Whose};
    use super::*;

    #[test]
    fn the_likelier_word_is_chosen_and_its_records_are_named() -> Result<(), Box<dyn std::error::Error>> {
        let ada = PersonId::new("ada")?;
        let lesson = Lesson {
            situation: String::new(),
            alternatives: [AlternativeId::of("", "a"), AlternativeId::of("", "b")],
            texts: ["a".to_owned(), "b".to_owned()],
            probability: 0.3,
            sureness: 1.0,
            people: vec![ada.clone()],
            conclusion: None,
        };
        let data = DataSet {
            whose: Whose::Population,
            cutoff: Seq(9),
            settings: DataSettings::default(),
            absorbed: BTreeMap::from([(ada, vec![Seq(4)])]),
            held_out: Vec::new(),
            lessons: vec![lesson],
        };
        let teaching = Teaching {
            prompt: "Is \"a\" better?".to_owned(),
            words: [" A".to_owned(), " B".to_owned()],
            probability: 0.3,
            weight: 0.5,
            lesson: Some(0),
        };
        let mut out = Vec::new();
        assert_eq!(write_preferences(&data, &[teaching], &mut out)?, 1);
        let row: serde_json::Value = serde_json::from_slice(&out)?;
        assert_eq!((&row["chosen"], &row["rejected"]), (&" B".into(), &" A".into()));
        assert_eq!(row["probability"], 0.7);
        assert_eq!(row["provenance"], serde_json::json!([[4, "ada"]]));
        let mut out = Vec::new();
        let rehearsal = Rehearsal { text: "Bread\nrises".to_owned(), given: 0 };
        assert_eq!(write_texts(&[rehearsal], &mut out)?, 1);
        assert_eq!(out, b"{\"text\":\"Bread\\nrises\"}\n");
        Ok(())
    }
}
