//! A score of how good a passage is, read from a model's states: does it tell a passage from the same made worse, and how far may one
//! choose by it?
//!
//! The score is a direction in the states, learned in two ways: from pairs of a passage and the same made worse, and from the keys that
//! readers gave to other passages. Beside it stand a bag of words that is learned from the same pairs, and the model's log-likelihood.
//! Authors, genres and defects are held out in turn, and all three at once. Then the best of n keyed passages is chosen by each score,
//! learned without their author, and judged by keys of a reader that the score has not seen, and by simulated readers of many tastes
//! (Gao, Schulman and Hilton 2023, *Scaling laws for reward model overoptimization*, draw the same curve for reward models).

mod best_of;
mod curve;
mod figures;
mod material;
mod ridge;
mod scores;

use std::collections::{BTreeMap, BTreeSet};

use credence_priors::passages::PassageReading;
use serde::{Deserialize, Serialize};

use crate::estimate::Estimate;
use crate::recovery::RecoveryError;

pub use curve::{BestOf, Curve};
pub use material::Material;
pub use scores::HeldOut;

use best_of::curves;
use scores::{Read, Score, tested_together};

/// How the experiment goes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct QualityOptions {
    /// Simulated readers who judge what was chosen.
    pub readers: usize,
    /// Seed of readers and intervals.
    pub seed: u64,
}

impl Default for QualityOptions {
    fn default() -> Self {
        Self { readers: 100, seed: 1 }
    }
}

/// Pairs that were told right among some.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct GroupRow {
    /// "author", "genre" or "defect".
    pub of: String,
    /// Which.
    pub name: String,
    /// Pairs of it.
    pub pairs: usize,
    /// Share told right.
    pub right: Estimate,
}

/// How well a score tells the better passage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct QualityRow {
    /// The score.
    pub score: String,
    /// What was held out.
    pub held_out: HeldOut,
    /// Share of pairs told right.
    pub right: Estimate,
    /// The same less the bag of words', pair by pair; nothing for that itself.
    pub less_words: Option<Estimate>,
    /// By author, genre and defect.
    pub groups: Vec<GroupRow>,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct QualityResult {
    /// What was asked for.
    pub options: QualityOptions,
    /// Whose states were read.
    pub model: String,
    /// Pairs made worse.
    pub pairs: usize,
    /// Different keyed passages.
    pub passages: usize,
    /// Scores by what was held out.
    pub rows: Vec<QualityRow>,
    /// The best of n by each score.
    pub curves: Vec<Curve>,
    /// Spearman's correlation of each score with the held-out reader's keys, over passages of an author that it has not seen; mean over
    /// authors.
    pub correlations: Vec<(String, f64)>,
}

/// Why it could not be measured.
#[derive(Debug, thiserror::Error)]
pub enum QualityError {
    /// Readers could not be simulated.
    #[error(transparent)]
    Readers(#[from] RecoveryError),
    /// Too little of something.
    #[error("{found} {what}; at least {needed} are needed")]
    TooFew {
        /// Of what.
        what: String,
        /// How many there are.
        found: usize,
        /// How many are needed.
        needed: usize,
    },
    /// A question of the second reader that is not as it should be.
    #[error("second reader's question {question:?} {problem}")]
    Second {
        /// The question.
        question: String,
        /// What is wrong.
        problem: &'static str,
    },
    /// A direction has no solution.
    #[error("what the model reads of these passages is no basis for a score")]
    States,
}

/// How many times `done` is called, for a bar.
pub fn steps(material: &Material<'_>) -> usize {
    let of =
        |held_out| Score::EVERY.map(|score| tested_together(material, score, held_out).len()).iter().sum::<usize>();
    HeldOut::EVERY.map(of).iter().sum()
}

/// Runs the experiment with what was read of [`Material::texts`]; `done` is called after each part.
///
/// # Errors
/// Too few pairs, authors, genres, defects or passages; states that are no basis for a score; readers that cannot be simulated.
pub fn run(
    material: &Material<'_>,
    readings: &[PassageReading],
    model: &str,
    options: &QualityOptions,
    done: &(dyn Fn() + Sync),
) -> Result<QualityResult, QualityError> {
    for (k, what) in ["authors", "genres", "defects"].into_iter().enumerate() {
        let found = (0..material.pairs.len()).map(|i| material.labels(i)[k]).collect::<BTreeSet<_>>().len();
        if found < 2 {
            return Err(QualityError::TooFew { what: format!("{what} of pairs made worse"), found, needed: 2 });
        }
    }
    if readings.len() != material.texts().len() {
        let (found, needed) = (readings.len(), material.texts().len());
        return Err(QualityError::TooFew { what: "passages were read".into(), found, needed });
    }
    let read = Read::new(material, readings);
    let mut rows = Vec::new();
    for held_out in HeldOut::EVERY {
        let words = read.told(Score::Words, held_out, done)?;
        for score in Score::EVERY {
            let told = if score == Score::Words { words.clone() } else { read.told(score, held_out, done)? };
            rows.push(QualityRow {
                score: score.name().to_owned(),
                held_out,
                right: Estimate::bootstrap(&told, options.seed),
                less_words: (score != Score::Words).then(|| Estimate::paired(&told, &words, options.seed)),
                groups: groups(material, &told, options.seed),
            });
        }
    }
    let (curves, correlations) = curves(&read, options)?;
    Ok(QualityResult {
        options: options.clone(),
        model: model.to_owned(),
        pairs: material.pairs.len(),
        passages: material.keyed.len(),
        rows,
        curves,
        correlations,
    })
}

fn groups(material: &Material<'_>, told: &[f64], seed: u64) -> Vec<GroupRow> {
    let mut rows = Vec::new();
    for (k, of) in ["author", "genre", "defect"].into_iter().enumerate() {
        let mut groups: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
        told.iter().enumerate().for_each(|(i, told)| groups.entry(material.labels(i)[k]).or_default().push(*told));
        rows.extend(groups.into_iter().map(|(name, told)| GroupRow {
            of: of.to_owned(),
            name: name.to_owned(),
            pairs: told.len(),
            right: Estimate::bootstrap(&told, seed),
        }));
    }
    rows
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::best_of::OTHER_READER;
    use super::scores::{FROM_KEYS, FROM_PAIRS, LIKELIHOOD, WORDS};
    use super::*;
    use credence_agent::bank::Bank;
    use credence_agent::pack::WorsePair;
    use credence_priors::passages::read_passages;
    use credence_priors::scripted::Scripted;

    /// Pairs by two authors in two genres and two ways, in which the worse one says "very" or "somehow"; and keyed passages in which
    /// "plain" is worth something.
    fn made() -> (Bank, Bank, Vec<WorsePair>) {
        let mut pairs = String::new();
        let (mut bank, mut second) = (String::new(), String::new());
        for i in 0..96 {
            let (author, genre, defect) = (["a", "b"][i % 2], ["x", "y"][i / 2 % 2], ["much", "vague"][i / 4 % 2]);
            let word = if defect == "much" { "very somehow" } else { "somehow very" };
            let text =
                |how: &str| format!("In case {i} the {} of number {} was {how}", ["clerk", "cook"][i % 2], i * 7);
            let line = serde_json::json!({ "id": i.to_string(), "author": author, "genre": genre, "defect": defect,
                "with": text(word), "without": text("plain") });
            pairs += &format!("{line}\n");
            let key = |worth: f64| serde_json::json!({ "clarity": worth });
            let of = |keys: [f64; 2]| {
                serde_json::json!({ "id": i.to_string(), "situation": "Two passages.",
                    "alternatives": [format!("Here {i} plain plain words"), format!("There {i} very somehow words")],
                    "keys": keys.map(key), "tags": [format!("author:{author}"), genre] })
            };
            bank += &format!("{}\n", of([1.0, -0.5]));
            second += &format!("{}\n", of([1.5, -1.0]));
        }
        let read = |text: &str| Bank::parse(text, Path::new("made")).expect("a bank");
        (read(&bank), read(&second), WorsePair::parse(&pairs, Path::new("made")).expect("pairs"))
    }

    #[test]
    fn a_difference_that_all_authors_share_is_told_and_chosen_by() {
        let (bank, second, pairs) = made();
        let material = Material::new(&bank, &second, &["clarity"], &pairs).expect("material");
        let folder = tempfile::tempdir().expect("a folder");
        let readings = read_passages(&mut Scripted::hashed(1), &material.texts(), folder.path(), &mut |_, _| ());
        let count = std::sync::atomic::AtomicUsize::new(0);
        let done = || {
            count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        };
        let options = QualityOptions { readers: 5, seed: 1 };
        let result = run(&material, &readings.expect("read"), "scripted", &options, &done).expect("measured");
        assert_eq!((result.pairs, result.passages, result.rows.len()), (96, 192, 16));
        assert_eq!(count.into_inner(), steps(&material));
        let row = |score: &str, held_out| {
            result.rows.iter().find(|r| r.score == score && r.held_out == held_out).expect("a row")
        };
        for held_out in HeldOut::EVERY {
            assert!(row(FROM_PAIRS, held_out).right.mean > 0.9, "{:?}", row(FROM_PAIRS, held_out));
            assert!(row(WORDS, held_out).right.mean > 0.9 && row(WORDS, held_out).less_words.is_none());
            // What learns nothing is the same whatever is held out.
            assert_eq!(row(LIKELIHOOD, held_out).right, row(LIKELIHOOD, HeldOut::Genre).right);
        }
        let groups = &row(FROM_PAIRS, HeldOut::AllThree).groups;
        assert_eq!(groups.iter().map(|g| (g.of.as_str(), g.pairs)).filter(|g| g.0 == "defect").count(), 2);
        let curve = |score: &str| result.curves.iter().find(|c| c.score == score).expect("a curve");
        let (keys, reader) = (curve(FROM_KEYS), curve(OTHER_READER));
        assert!(keys.helps_until > 1 && reader.helps_until > 1, "{keys:?} {reader:?}");
        // First and second reader: .5 and 1.5 for the good ones, 0 and -1 for the others, so the score promises less than is found.
        let last = reader.best_of.last().expect("a number");
        assert!((last.promised.mean - 0.25).abs() < 1e-9 && (last.found.mean - 1.25).abs() < 1e-9, "{last:?}");
        let figures = crate::figures::kept(&result);
        assert!(figures.len() > 100, "{}", figures.len());
    }

    #[test]
    fn one_author_is_too_few_and_what_is_wrong_with_the_second_reader_is_said() {
        let (bank, second, mut pairs) = made();
        pairs.iter_mut().for_each(|p| p.author = "a".into());
        let material = Material::new(&bank, &second, &["clarity"], &pairs).expect("material");
        let refused = run(&material, &[], "none", &QualityOptions::default(), &|| ()).expect_err("one author");
        assert_eq!(refused.to_string(), "1 authors of pairs made worse; at least 2 are needed");
        let mut untold = second.clone();
        untold.questions[3].tags.clear();
        let refused = Material::new(&bank, &untold, &["clarity"], &pairs).expect_err("no author");
        assert_eq!(refused.to_string(), "second reader's question \"3\" has no tag author:NAME");
        let mut other = second;
        other.questions[0].alternatives[0].text = "another".into();
        let refused = Material::new(&bank, &other, &["clarity"], &pairs).expect_err("other texts");
        assert!(refused.to_string().contains("other texts"), "{refused}");
    }
}
