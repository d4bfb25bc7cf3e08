//! What documents are worth on real people's answers, and how well a model's states tell what a passage says.
//!
//! The attributes that people in an experiment choose by are read of documents as values are: a passage keyed `age -1` says that
//! people are for less of it. What the documents together say becomes a start, by the rule of the `library` location.

use std::collections::BTreeMap;

use credence_agent::library::{Document, Keys, LibraryError, read, reliability};
use credence_memory::ids::{IdError, Seq, ValueId};
use credence_memory::layout::Layout;
use credence_memory::library::{Library, weight};
use credence_memory::number::Finite;
use credence_memory::record::AttributeScale;
use credence_priors::readout::Alternative;
use credence_priors::share::Share;
use credence_priors::value_reading::{KeptReadings, ValueMap};
use credence_priors::{LanguageModel, ModelError};
use serde::{Deserialize, Serialize};

use crate::figures::{Figure, Measured};

/// Where documents let belief start: the mean and variance of each feature's weight at signal scale 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct LibraryStart {
    /// Which documents.
    pub name: String,
    /// How many of them speak of a feature.
    pub documents: usize,
    /// Mean of each weight.
    pub mean: Vec<f64>,
    /// Its variance.
    pub variance: Vec<f64>,
}

/// Why documents are no start.
#[derive(Debug, thiserror::Error)]
pub enum LibraryStartError {
    /// A document could not be read.
    #[error(transparent)]
    Document(#[from] LibraryError),
    /// A feature's name cannot be one.
    #[error("a feature cannot have this name")]
    Name(#[from] IdError),
    /// No passage is about these features.
    #[error("no passage of {name} is keyed for any of {features}")]
    Silent {
        /// Which documents.
        name: String,
        /// The features.
        features: String,
    },
}

/// The start that documents give the weights of these features, each of reference variance `1 / features`; a passage names a
/// feature by its first word.
///
/// # Errors
/// A document that cannot be read, or none that speaks of a feature.
pub fn start_of(name: &str, documents: &[Document], features: &[String]) -> Result<LibraryStart, LibraryStartError> {
    let reference = 1.0 / features.len().max(1) as f64;
    let words: Vec<&str> = features.iter().map(|f| f.split(' ').next().unwrap_or(f)).collect();
    let one = Finite::new(1.0).map_err(LibraryError::from)?;
    let zero = Finite::new(0.0).map_err(LibraryError::from)?;
    let attributes: Vec<AttributeScale> = words
        .iter()
        .map(|word| AttributeScale { name: (*word).to_owned(), centre: zero, scale: one, reference_variance: one })
        .collect();
    let layout = Layout::of_values(Vec::new()).with_attributes(&attributes);
    let mut library = Library::default();
    for (seq, document) in documents.iter().enumerate() {
        let added = read(document, &layout, &[], reliability(document.kind))?.added;
        if added.passages.iter().any(|p| !p.readings.is_empty()) {
            library = library.with(Seq(seq as u64), added);
        }
    }
    if library.is_empty() {
        return Err(LibraryStartError::Silent { name: name.to_owned(), features: words.join(", ") });
    }
    let (mut mean, mut variance) = (Vec::new(), Vec::new());
    for word in words {
        let opinion = library.opinion(&ValueId::new(word)?);
        let (m, v) = opinion.map_or((0.0, reference), |opinion| weight(reference, &opinion));
        mean.push(m);
        variance.push(v);
    }
    Ok(LibraryStart { name: name.to_owned(), documents: library.len(), mean, variance })
}

/// How well a model's states tell what keyed passages say of one value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct PassageRow {
    /// The value.
    pub value: String,
    /// Passages whose sign is read right, where the key is not zero.
    pub sign: Share,
    /// Correlation of what is read with the keys over those passages; none where either is the same throughout.
    pub correlation: Option<f64>,
}

impl Measured for PassageRow {
    fn figures(&self) -> Vec<Figure> {
        let data = format!("passages on {}", self.value);
        let mut figures = vec![Figure::share(&data, "states", "", "share of signs right", self.sign)];
        figures.extend(self.correlation.map(|r| Figure::bare(&data, "states", "", "correlation with keys", r)));
        figures
    }
}

/// Reads every keyed passage with the map, sentence by sentence, and compares the sum with the keys: the values one by one,
/// then all of them.
///
/// # Errors
/// If the model fails.
pub fn passages_by_states(
    model: &mut dyn LanguageModel,
    map: &ValueMap,
    kept: &mut KeptReadings,
    documents: &[Document],
    progress: &mut dyn FnMut(usize, usize),
) -> Result<Vec<PassageRow>, ModelError> {
    let passages: Vec<(&str, &BTreeMap<String, f64>)> = documents
        .iter()
        .flat_map(|d| &d.passages)
        .filter_map(|p| match &p.keys {
            Some(Keys::Written(keys)) if !keys.is_empty() => Some((p.text.as_str(), keys)),
            _ => None,
        })
        .collect();
    let mut pairs: Vec<Vec<(f64, f64)>> = vec![Vec::new(); map.values.len()];
    for (at, (text, keys)) in passages.iter().enumerate() {
        let mut points = vec![0.0; map.values.len()];
        for sentence in sentences(text) {
            let read = kept.read(model, map, &[Alternative::new(None, &sentence)])?;
            points.iter_mut().zip(&read[0].points).for_each(|(sum, p)| *sum += p);
        }
        for (v, value) in map.values.iter().enumerate() {
            if let Some(key) = keys.get(value).filter(|key| **key != 0.0) {
                pairs[v].push((*key, points[v]));
            }
        }
        progress(at + 1, passages.len());
    }
    let mut rows: Vec<PassageRow> = map.values.iter().zip(&pairs).map(|(v, pairs)| row(v, pairs)).collect();
    rows.push(row("all", &pairs.concat()));
    Ok(rows)
}

/// Sentences without the numbers of what they cite.
fn sentences(text: &str) -> Vec<String> {
    let cited = |word: &&str| !(word.starts_with('[') && word.ends_with(']'));
    let words: Vec<&str> = text.split_whitespace().filter(cited).collect();
    let ends = |word: &&str| word.ends_with(['.', '!', '?']);
    words.split_inclusive(ends).map(|s| s.join(" ")).collect()
}

fn row(value: &str, pairs: &[(f64, f64)]) -> PassageRow {
    let sign = Share::of(pairs.iter().map(|(key, read)| key * read > 0.0));
    let n = pairs.len().max(1) as f64;
    let mean = |of: &dyn Fn(&(f64, f64)) -> f64| pairs.iter().map(of).sum::<f64>() / n;
    let (a, b) = (mean(&|p| p.0), mean(&|p| p.1));
    let (aa, bb) = (mean(&|p| (p.0 - a) * (p.0 - a)), mean(&|p| (p.1 - b) * (p.1 - b)));
    let ab = mean(&|p| (p.0 - a) * (p.1 - b));
    let correlation = (aa > 1e-12 && bb > 1e-12).then(|| ab / (aa * bb).sqrt());
    PassageRow { value: value.to_owned(), sign, correlation }
}

#[cfg(test)]
mod tests {
    use super::*;
    use credence_agent::library::{built_in, load};
    use std::path::Path;

    fn documents(folder: &str) -> Vec<Document> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        let (files, refused) = credence_agent::library::find(&folder);
        assert!(refused.is_empty(), "{refused:?}");
        files.iter().map(|file| load(file).expect("a document")).collect()
    }

    fn features() -> Vec<String> {
        ["age", "drinks a day", "dependents"].map(str::to_owned).to_vec()
    }

    /// What the second reader, who had not seen the keys, read in a passage.
    #[derive(serde::Deserialize)]
    struct SecondReading {
        document: String,
        /// From 1.
        passage: usize,
        keys: BTreeMap<String, f64>,
    }

    #[test]
    fn two_readers_agree_on_what_passages_say() {
        let mut found: Vec<Document> =
            built_in().iter().flat_map(credence_agent::library::Collection::documents).collect();
        found.extend(documents("data/library/allocation"));
        let read: Vec<SecondReading> = include_str!("../data/library/second_reader.jsonl")
            .lines()
            .map(|line| serde_json::from_str(line).expect("a reading"))
            .collect();
        assert_eq!(found.iter().map(|d| d.passages.len()).sum::<usize>(), read.len());
        let (mut pairs, mut both) = (Vec::new(), 0);
        for second in &read {
            let document = found.iter().find(|d| d.source == second.document).expect("a document");
            let first = match &document.passages[second.passage - 1].keys {
                Some(Keys::Written(keys)) => keys.clone(),
                _ => Default::default(),
            };
            let names: std::collections::BTreeSet<&String> = first.keys().chain(second.keys.keys()).collect();
            for name in names {
                let of = |keys: &BTreeMap<String, f64>| keys.get(name).copied().unwrap_or(0.0);
                let (a, b) = (of(&first), of(&second.keys));
                // Wherever both see a value at stake they see it on the same side.
                assert!(a * b >= 0.0, "{} {}: {name}", second.document, second.passage);
                both += usize::from(a * b > 0.0);
                pairs.push((a, b));
            }
        }
        assert!(both > 200, "{both}");
        // Only passages in which one of them saw the value count here, so this is less than the agreement in the results.
        let agreement = credence_agent::pack::kappa(&pairs);
        assert!(agreement > 0.8, "{agreement}");
    }

    #[test]
    fn documents_on_transplants_place_a_start_and_one_upside_down_the_opposite() {
        let sound =
            start_of("transplants", &documents("data/library/allocation/transplants"), &features()).expect("a start");
        assert_eq!(sound.documents, 4);
        assert!(sound.mean[0] < 0.0 && sound.mean[1] < 0.0 && sound.mean[2] > 0.0, "{sound:?}");
        assert!(sound.variance.iter().all(|v| *v > 0.0 && *v < 1.0 / 3.0), "{sound:?}");
        let wrong = documents("../tests/library/wrong");
        let wrong = start_of("wrong", &wrong, &features()).expect("a start");
        assert!(sound.mean.iter().zip(&wrong.mean).all(|(a, b)| a * b < 0.0), "{sound:?} {wrong:?}");
        let silent = start_of("duties", &documents("../agent/data/library/duties"), &features());
        assert!(matches!(silent, Err(LibraryStartError::Silent { .. })));
    }

    /// What they are worth to real people is in docs/results/library.md; here they are read, and disagree with none of the four.
    #[test]
    fn ten_documents_on_transplants_are_one_library_and_surer_than_four() {
        let ten = documents("data/library/allocation");
        assert_eq!(ten.len(), 10);
        for document in &ten {
            assert!(document.notes.is_empty(), "{}: {:?}", document.source, document.notes);
            assert!(document.passages.iter().all(|p| matches!(p.keys, Some(Keys::Written(_)))), "{}", document.source);
            assert!(!document.references.is_empty(), "{} cites nothing", document.source);
        }
        let four = start_of("four", &documents("data/library/allocation/transplants"), &features()).expect("a start");
        let ten = start_of("ten", &ten, &features()).expect("a start");
        assert_eq!(ten.documents, 10);
        assert!(ten.mean.iter().zip(&four.mean).all(|(a, b)| a * b > 0.0), "{ten:?} {four:?}");
        assert!(ten.variance.iter().zip(&four.variance).all(|(a, b)| a < b), "{ten:?} {four:?}");
    }

    #[test]
    fn rows_are_figures_where_something_is_keyed() {
        let rows =
            [row("care", &[(1.0, 0.5), (-1.0, 0.5)]), row("all", &[]), row("thrift", &[(1.0, 0.5), (-2.0, -1.0)])];
        let figures = crate::figures::kept(&rows[..]);
        let named: Vec<(&str, f64)> = figures.iter().map(|f| (f.data.as_str(), f.mean)).collect();
        assert_eq!(named.len(), 3, "{named:?}");
        assert_eq!(named[..2], [("passages on care", 0.5), ("passages on thrift", 1.0)]);
        assert!((named[2].1 - 1.0).abs() < 1e-12, "{named:?}");
    }

    #[test]
    fn sentences_come_without_citations() {
        assert_eq!(sentences("People help. [1] They share! [2] [3]"), ["People help.", "They share!"]);
    }
}
