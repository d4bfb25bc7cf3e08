//! How often free text is read right: a bank of 60 sentences with what they say, 20 of them kept aside.

use std::collections::BTreeSet;

use credence_memory::record::{ReadRow, Scope, Strength};
use credence_priors::share::Share;
use serde::{Deserialize, Serialize};

use crate::figures::Figure;

/// The bank.
const BANK: &str = include_str!("../../priors/data/sentences.jsonl");

/// A sentence with what it says.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sentence {
    /// Its name.
    pub id: String,
    /// The sentence.
    pub text: String,
    /// What it says; nothing for a sentence that is not about values.
    pub readings: Vec<Expected>,
    /// Whether it is kept aside.
    #[serde(default)]
    pub frozen: bool,
}

/// One statement of a sentence.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expected {
    /// The value that matters more.
    pub more: Option<String>,
    /// The value that matters less.
    pub less: Option<String>,
    /// How strongly.
    pub strength: Strength,
    /// Where it holds.
    #[serde(default)]
    pub when: Option<String>,
    /// Where it does not.
    #[serde(default)]
    pub except: Option<String>,
}

/// How well sentences were read. A sentence is right if all of its statements are read and no other.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Score {
    /// How many sentences.
    pub sentences: usize,
    /// Values and direction right.
    pub values: Share,
    /// Something was read, and it is not what was said: what a person would have to correct.
    pub misread: usize,
    /// Something was said about values, and nothing was read.
    pub unread: usize,
    /// Strength right too.
    pub exact: Share,
    /// Conditions found where there are any, and nowhere else, too; strength aside.
    pub conditions: Share,
    /// Rows read.
    pub rows: usize,
    /// Rows read whose values and direction are expected.
    pub rows_right: usize,
    /// Rows expected.
    pub rows_expected: usize,
}

/// A sentence read wrong.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Wrong {
    /// Its name.
    pub id: String,
    /// The sentence.
    pub text: String,
    /// What was read.
    pub read: String,
    /// What it says.
    pub expected: String,
}

/// What was measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Result {
    /// On the open sentences.
    pub open: Option<Score>,
    /// On those kept aside, if asked for.
    pub frozen: Option<Score>,
    /// Open sentences whose values or direction were read wrong.
    pub wrong: Vec<Wrong>,
}

impl Result {
    /// As figures of this reader.
    pub fn figures(&self, reader: &str) -> Vec<Figure> {
        let sets = [("open sentences", &self.open), ("frozen sentences", &self.frozen)];
        sets.into_iter().filter_map(|(name, score)| Some(score.as_ref()?.figures(name, reader))).flatten().collect()
    }
}

impl Score {
    fn figures(&self, data: &str, reader: &str) -> Vec<Figure> {
        let share = |measure: &str, share: Share| Figure::share(data, reader, "", measure, share);
        let count = |measure: &str, rows: usize| Figure::bare(data, reader, "", measure, rows as f64);
        vec![
            share("share with values and direction right", self.values),
            share("share read wrongly", Share::new(self.misread, self.sentences)),
            share("share left unread", Share::new(self.unread, self.sentences)),
            share("share with strength right too", self.exact),
            share("share with conditions right too", self.conditions),
            count("rows read", self.rows),
            count("rows right", self.rows_right),
            count("rows expected", self.rows_expected),
        ]
    }
}

/// The bank's sentences.
#[allow(clippy::missing_panics_doc, reason = "the bank is tested")]
pub fn bank() -> Vec<Sentence> {
    BANK.lines().map(|line| serde_json::from_str(line).expect("the bank is tested")).collect()
}

/// Sentences from JSON Lines of the bank's form.
///
/// # Errors
/// The number of the first line that is no sentence, and why.
pub fn parse(text: &str) -> std::result::Result<Vec<Sentence>, (usize, serde_json::Error)> {
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines.map(|(i, line)| serde_json::from_str(line).map_err(|e| (i + 1, e))).collect()
}

/// Reads the open sentences, and the others if asked for.
///
/// # Errors
/// Those of `read`.
pub fn run<E>(
    sentences: Vec<Sentence>,
    frozen: bool,
    read: &mut dyn FnMut(&str) -> std::result::Result<Vec<ReadRow>, E>,
    on_progress: &mut dyn FnMut(usize, usize),
) -> std::result::Result<Result, E> {
    let sentences: Vec<Sentence> = sentences.into_iter().filter(|s| frozen || !s.frozen).collect();
    let mut results = Vec::new();
    for (done, sentence) in sentences.iter().enumerate() {
        on_progress(done, sentences.len());
        results.push(read(&sentence.text)?);
    }
    let score = |aside: bool| {
        let pairs: Vec<(&Sentence, &Vec<ReadRow>)> =
            sentences.iter().zip(&results).filter(|(s, _)| s.frozen == aside).collect();
        (!pairs.is_empty()).then(|| score(&pairs))
    };
    let wrong = sentences
        .iter()
        .zip(&results)
        .filter(|(s, rows)| !s.frozen && !same(s, rows, values_of, expected_values))
        .map(|(s, rows)| Wrong {
            id: s.id.clone(),
            text: s.text.clone(),
            read: serde_json::to_string(rows).unwrap_or_default(),
            expected: format!("{:?}", s.readings.iter().map(expected_values).collect::<Vec<_>>()),
        })
        .collect();
    Ok(Result { open: score(false), frozen: score(true), wrong })
}

type Values = (Option<String>, Option<String>);

fn values_of(row: &ReadRow) -> Values {
    (row.more.as_ref().map(ToString::to_string), row.less.as_ref().map(ToString::to_string))
}

fn expected_values(row: &Expected) -> Values {
    (row.more.clone(), row.less.clone())
}

/// Whether the rows are those of the sentence, looked at through `seen` and `expected`.
fn same<T: Ord>(
    sentence: &Sentence,
    rows: &[ReadRow],
    seen: impl Fn(&ReadRow) -> T,
    expected: impl Fn(&Expected) -> T,
) -> bool {
    let read: BTreeSet<T> = rows.iter().map(seen).collect();
    let said: BTreeSet<T> = sentence.readings.iter().map(expected).collect();
    read == said
}

fn score(pairs: &[(&Sentence, &Vec<ReadRow>)]) -> Score {
    let share = |hit: &dyn Fn(&Sentence, &[ReadRow]) -> bool| {
        Share::new(pairs.iter().filter(|(s, rows)| hit(s, rows)).count(), pairs.len())
    };
    let scoped = |row: &ReadRow, scope: Scope| row.conditions.iter().any(|c| c.scope == scope);
    let rows_right = pairs
        .iter()
        .map(|(s, rows)| {
            let said: BTreeSet<Values> = s.readings.iter().map(expected_values).collect();
            rows.iter().filter(|r| said.contains(&values_of(r))).count()
        })
        .sum();
    Score {
        sentences: pairs.len(),
        values: share(&|s, rows| same(s, rows, values_of, expected_values)),
        misread: pairs
            .iter()
            .filter(|(s, rows)| !rows.is_empty() && !same(s, rows, values_of, expected_values))
            .count(),
        unread: pairs.iter().filter(|(s, rows)| rows.is_empty() && !s.readings.is_empty()).count(),
        exact: share(&|s, rows| {
            same(s, rows, |r| (values_of(r), r.strength as u8), |e| (expected_values(e), e.strength as u8))
        }),
        conditions: share(&|s, rows| {
            same(
                s,
                rows,
                |r| (values_of(r), scoped(r, Scope::When), scoped(r, Scope::Except)),
                |e| (expected_values(e), e.when.is_some(), e.except.is_some()),
            )
        }),
        rows: pairs.iter().map(|(_, rows)| rows.len()).sum(),
        rows_right,
        rows_expected: pairs.iter().map(|(s, _)| s.readings.len()).sum(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bank_is_what_it_should_be() {
        let bank = bank();
        assert_eq!((bank.len(), bank.iter().filter(|s| s.frozen).count()), (60, 20));
        let values: BTreeSet<String> =
            credence_priors::schema::ValueSchema::embedded().values.into_iter().map(|v| v.id).collect();
        let mut named = bank.iter().flat_map(|s| &s.readings).flat_map(|r| [&r.more, &r.less]).flatten();
        assert!(named.all(|v| values.contains(v)));
    }

    #[test]
    fn a_perfect_reader_scores_all_and_a_mute_one_the_sentences_without_values() {
        let mute = run::<()>(bank(), true, &mut |_| Ok(Vec::new()), &mut |_, _| {}).expect("it never fails");
        let silent = bank().iter().filter(|s| !s.frozen && s.readings.is_empty()).count();
        assert_eq!(mute.open.map(|s| s.values.right), Some(silent));
        let value = |v: &Option<String>| v.as_deref().map(|v| credence_memory::ids::ValueId::new(v).expect("an id"));
        let perfect = run::<()>(
            bank(),
            true,
            &mut |text| {
                let sentence = bank().into_iter().find(|s| s.text == text).expect("in the bank");
                let row = |e: &Expected| ReadRow {
                    more: value(&e.more),
                    less: value(&e.less),
                    strength: e.strength,
                    conditions: Vec::new(),
                };
                Ok(sentence.readings.iter().map(row).collect())
            },
            &mut |_, _| {},
        )
        .expect("it never fails");
        let figures = crate::figures::kept(&perfect.figures("perfect")[..]);
        assert_eq!(figures.len(), 2 * 8);
        let right = ["frozen sentences", "perfect", "", "share with values and direction right"];
        assert_eq!((figures[8].mean, &figures[8]), (1.0, crate::figures::of(&figures, right)));
        let frozen = perfect.frozen.expect("asked for");
        assert_eq!((frozen.values.right, frozen.exact.right), (20, 20));
    }
}
