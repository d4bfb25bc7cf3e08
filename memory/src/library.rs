//! The library: what documents say of people in general, as one more prior location.
//!
//! For one value, let `z` be how far people in general hold it above the average of their values, in key points. Beforehand
//! `z ~ N(0, T)`. Passage `i` of document `d` says `y_i` with error variance `e_i`, and with probability `m_i` it says nothing
//! of the kind; all passages of a document err together by `b_d ~ N(0, B)`; and with probability `1 - r_d` (its reliability is
//! `r_d`) the whole document says nothing:
//!
//! ```text
//! L_d(z) = (1 - r_d) + r_d int N(b; 0, B) prod_i [ m_i + (1 - m_i) N(y_i; z + b, e_i) / N(y_i; 0, T + B + e_i) ] db
//! p(z) prop. to N(z; 0, T) prod_d L_d(z)
//! ```
//!
//! formed on a grid. So a document counts as at most `(B + e) / B` passages of its own, three where authors keyed them. Where
//! documents contradict each other, `p` has two bumps and a wide variance; nothing is averaged away. The location's weight of
//! the value is then
//!
//! ```text
//! N( level + k s E[z],  s^2 (1 - k^2 T) + (k s)^2 Var[z] )
//! ```
//!
//! with `s` the value's reference standard deviation, `k` what a key point is in it, and the level that of the published
//! location, if there is one: what all values have in common for people. A value of which nothing was read thus keeps the
//! spread of the prior, `s^2`. A declared attribute has no level.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::belief::{Location, LocationName};
use crate::ids::{DocumentId, Hash, Seq, ValueId};
use crate::layout::{Feature, Layout};
use crate::number::Finite;
use crate::record::{DocumentAdded, PassageReading, PriorElicited};

/// The most documents that stand at once.
pub const DOCUMENTS_MAX: usize = 200;
/// The most passages of a document.
pub const PASSAGES_MAX: usize = 5_000;
/// The least error variance of a reading, in key points squared: what the grid resolves.
pub const ERROR_MIN: f64 = 0.05;

/// Reference standard deviations of a weight to a key point.
const KEY_POINT: f64 = 0.5;
/// T: variance of what people in general hold of a value, in key points squared. It is .35 of a person's reference variance.
const GENERAL: f64 = 1.4;
/// B: variance of what the passages of one document have in common beside the truth.
const SHARED: f64 = 0.25;
/// Key points from 0 to the end of the grid, and between two of its points.
const REACH: f64 = 6.0;
const STEP: f64 = 0.05;

/// A passage by its document and its place in it, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct PassagePlace {
    /// The document.
    pub document: DocumentId,
    /// The place.
    pub passage: usize,
}

/// What is believed of people in general about one value, in key points above the average of their values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Opinion {
    /// Mean.
    pub mean: f64,
    /// Standard deviation.
    pub sd: f64,
    /// Passages that say something of it, those that stand elsewhere too counted once.
    pub passages: usize,
}

/// What one document says of a value, by its passages alone.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Statement {
    /// The document.
    pub document: DocumentId,
    /// Mean of its passages' readings by their precision, in key points.
    pub mean: f64,
    /// Standard deviation, with what the passages have in common.
    pub sd: f64,
    /// How many passages.
    pub passages: usize,
}

/// How much of what is believed hangs on one passage.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Share {
    /// The passage.
    pub place: PassagePlace,
    /// What was read of it, in key points.
    pub key: f64,
    /// The mean less the mean without the passage, in key points.
    pub change: f64,
}

/// Documents that stand, in the order in which they were added.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Library {
    documents: BTreeMap<Seq, Arc<DocumentAdded>>,
}

impl Library {
    /// Documents that stand, each with the record that added it.
    pub fn documents(&self) -> impl Iterator<Item = (Seq, &DocumentAdded)> {
        self.documents.iter().map(|(seq, document)| (*seq, document.as_ref()))
    }

    /// One document that stands.
    pub fn document(&self, id: &DocumentId) -> Option<(Seq, &DocumentAdded)> {
        self.documents().find(|(_, d)| d.document == *id)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.documents.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.documents.len()
    }

    /// With one more.
    pub fn with(&self, seq: Seq, document: DocumentAdded) -> Self {
        let mut documents = self.documents.clone();
        documents.insert(seq, Arc::new(document));
        Self { documents }
    }

    /// Without one.
    pub fn without(&self, id: &DocumentId) -> Self {
        let mut documents = self.documents.clone();
        documents.retain(|_, d| d.document != *id);
        Self { documents }
    }

    /// Every value and attribute that a passage says something of.
    pub fn spoken_of(&self) -> BTreeSet<&ValueId> {
        self.documents.values().flat_map(|d| &d.passages).flat_map(|p| &p.readings).map(|r| &r.about).collect()
    }

    /// Readings of one value by document; a passage that stands in an earlier document as well is passed over.
    fn readings(&self, about: &ValueId) -> Vec<(&DocumentAdded, Vec<(usize, &PassageReading)>)> {
        let mut seen: BTreeSet<Hash> = BTreeSet::new();
        self.documents
            .values()
            .map(|document| {
                let all = document.passages.iter().enumerate();
                let of_value = all.flat_map(|(place, passage)| {
                    let readings = passage.readings.iter().filter(|r| r.about == *about);
                    readings.map(move |r| (place, passage.text.as_str(), r))
                });
                let new = of_value.filter(|(_, text, _)| seen.insert(Hash::of(text.as_bytes())));
                (document.as_ref(), new.map(|(place, _, r)| (place, r)).collect::<Vec<_>>())
            })
            .filter(|(_, readings)| !readings.is_empty())
            .collect()
    }

    /// What the documents together say of a value; nothing where no passage speaks of it.
    pub fn opinion(&self, about: &ValueId) -> Option<Opinion> {
        let readings = self.readings(about);
        (!readings.is_empty()).then(|| opinion(&readings))
    }

    /// What each document says of a value.
    pub fn statements(&self, about: &ValueId) -> Vec<Statement> {
        let statement = |(document, readings): (&DocumentAdded, Vec<(usize, &PassageReading)>)| {
            let precision: f64 = readings.iter().map(|(_, r)| 1.0 / r.error.get()).sum();
            let mean = readings.iter().map(|(_, r)| r.key.get() / r.error.get()).sum::<f64>() / precision;
            let sd = (SHARED + 1.0 / precision).sqrt();
            Statement { document: document.document, mean, sd, passages: readings.len() }
        };
        self.readings(about).into_iter().map(statement).collect()
    }

    /// Pairs of documents that say the opposite of a value, each by more than its error.
    pub fn contradictions(&self, about: &ValueId) -> Vec<(Statement, Statement)> {
        let clear: Vec<Statement> = self.statements(about).into_iter().filter(|s| s.mean.abs() > s.sd).collect();
        let (above, below): (Vec<_>, Vec<_>) = clear.into_iter().partition(|s| s.mean > 0.0);
        above.iter().flat_map(|a| below.iter().map(move |b| (*a, *b))).collect()
    }

    /// How much of what is believed of a value hangs on each passage, the most first.
    pub fn shares(&self, about: &ValueId) -> Vec<Share> {
        let readings = self.readings(about);
        let grid = grid();
        // A passage only changes what its own document says, so each is left out of that alone.
        let together: Vec<Vec<f64>> =
            readings.iter().map(|(_, own)| together(&grid, own.iter().map(|(_, r)| *r))).collect();
        let said: Vec<Vec<f64>> =
            readings.iter().zip(&together).map(|((d, _), ln)| said(ln, d.reliability.get())).collect();
        let all = summed(&grid, said.iter());
        let all_mean = moments(&grid, &all).0;
        let mut shares = Vec::new();
        for (at, (document, own)) in readings.iter().enumerate() {
            let others: Vec<f64> = all.iter().zip(&said[at]).map(|(all, own)| all - own).collect();
            for (passage, reading) in own {
                let rest: Vec<f64> =
                    grid.iter().zip(&together[at]).map(|(u, ln)| ln - passage_ln(*u, reading)).collect();
                let without: Vec<f64> = match own.len() {
                    1 => others.clone(),
                    _ => others.iter().zip(self::said(&rest, document.reliability.get())).map(|(a, b)| a + b).collect(),
                };
                let place = PassagePlace { document: document.document, passage: *passage };
                shares.push(Share { place, key: reading.key.get(), change: all_mean - moments(&grid, &without).0 });
            }
        }
        shares.sort_by(|a, b| b.change.abs().total_cmp(&a.change.abs()).then(a.place.cmp(&b.place)));
        shares
    }

    /// The prior location, where any passage speaks of a feature of this layout.
    pub(crate) fn location(&self, layout: &Layout, elicited: Option<&PriorElicited>) -> Option<Location> {
        if self.is_empty() {
            return None;
        }
        let numbers = |v: &[Finite]| v.iter().map(|x| x.get()).collect::<Vec<f64>>();
        let mut variance =
            elicited.map_or_else(|| layout.default_reference_variance(), |p| numbers(&p.reference_variance));
        let mut mean = vec![0.0; variance.len()];
        let values = layout.values().len();
        if let Some(typical) = elicited.filter(|prior| prior.bank_size == 0) {
            mean = numbers(&typical.mean);
        }
        let level = elicited.and_then(|prior| prior.published.as_ref()).map_or(0.0, |published| {
            published.mean.iter().take(values).map(|m| m.get()).sum::<f64>() / values.max(1) as f64
        });
        mean[..values].iter_mut().for_each(|m| *m += level);
        let attributes = layout.attributes().iter().map(|a| a.reference_variance.get());
        variance.extend([crate::prior::CONSTANT_VARIANCE; 2].into_iter().chain(attributes));
        mean.resize(variance.len(), 0.0);
        let mut is_read = false;
        for (place, feature) in layout.features().iter().enumerate() {
            let about = match feature {
                Feature::Value(value) => value.clone(),
                Feature::Attribute(name) => match ValueId::new(name) {
                    Ok(name) if layout.value(&name).is_none() => name,
                    _ => continue,
                },
                _ => continue,
            };
            let Some(opinion) = self.opinion(&about) else { continue };
            is_read = true;
            let (shift, spread) = weight(variance[place], &opinion);
            mean[place] += shift;
            variance[place] = spread;
        }
        let covariance = crate::prior::diagonal(&variance);
        is_read.then_some(Location { name: LocationName::Library, mean, covariance })
    }
}

/// The mean that an opinion gives a weight of this reference variance, and the variance of a person's weight around it.
pub fn weight(reference_variance: f64, opinion: &Opinion) -> (f64, f64) {
    let point = KEY_POINT * reference_variance.sqrt();
    let left = 1.0 - KEY_POINT * KEY_POINT * GENERAL;
    (point * opinion.mean, reference_variance * left + point * point * opinion.sd * opinion.sd)
}

fn ln_normal(x: f64, variance: f64) -> f64 {
    -0.5 * (x * x / variance + libm::log(variance))
}

/// `ln(e^a + e^b)`.
fn ln_sum(a: f64, b: f64) -> f64 {
    let (high, low) = if a > b { (a, b) } else { (b, a) };
    high + libm::log1p(libm::exp(low - high))
}

/// What readings say of a value together.
fn opinion(readings: &[(&DocumentAdded, Vec<(usize, &PassageReading)>)]) -> Opinion {
    let grid = grid();
    let of = |(document, own): &(&DocumentAdded, Vec<(usize, &PassageReading)>)| {
        said(&together(&grid, own.iter().map(|(_, r)| *r)), document.reliability.get())
    };
    let said: Vec<Vec<f64>> = readings.iter().map(of).collect();
    let (mean, variance) = moments(&grid, &summed(&grid, said.iter()));
    Opinion { mean, sd: variance.sqrt(), passages: readings.iter().map(|(_, own)| own.len()).sum() }
}

/// Where a value may lie, in key points.
fn grid() -> Vec<f64> {
    let half = (REACH / STEP).round() as i32;
    (-half..=half).map(|i| f64::from(i) * STEP).collect()
}

/// The prior's logarithm with those of all documents, at each point of the grid.
fn summed<'a>(grid: &[f64], said: impl Iterator<Item = &'a Vec<f64>>) -> Vec<f64> {
    let mut ln_p: Vec<f64> = grid.iter().map(|z| ln_normal(*z, GENERAL)).collect();
    for said in said {
        ln_p.iter_mut().zip(said).for_each(|(ln, said)| *ln += said);
    }
    ln_p
}

/// Mean and variance of what is given by its logarithm on the grid.
fn moments(grid: &[f64], ln_p: &[f64]) -> (f64, f64) {
    let highest = ln_p.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let p: Vec<f64> = ln_p.iter().map(|ln| libm::exp(ln - highest)).collect();
    let total: f64 = p.iter().sum();
    let mean = grid.iter().zip(&p).map(|(z, p)| z * p).sum::<f64>() / total;
    let variance = grid.iter().zip(&p).map(|(z, p)| (z - mean) * (z - mean) * p).sum::<f64>() / total;
    (mean, variance)
}

/// What a passage says of a value that lies at `u`, beside saying it of anything.
fn passage_ln(u: f64, r: &PassageReading) -> f64 {
    let (key, error, misreading) = (r.key.get(), r.error.get(), r.misreading.get());
    let ratio = ln_normal(key - u, error) - ln_normal(key, GENERAL + SHARED + error);
    let said = libm::log(1.0 - misreading) + ratio;
    if misreading > 0.0 { ln_sum(libm::log(misreading), said) } else { said }
}

/// What the passages of a document say together, at each point of the grid.
fn together<'a>(grid: &[f64], readings: impl Iterator<Item = &'a PassageReading> + Clone) -> Vec<f64> {
    grid.iter().map(|u| readings.clone().map(|r| passage_ln(*u, r)).sum()).collect()
}

/// `ln L_d` at each point of the grid, from what a document's passages say together.
fn said(together: &[f64], reliability: f64) -> Vec<f64> {
    let highest = together.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let scaled: Vec<f64> = together.iter().map(|ln| libm::exp(ln - highest)).collect();
    // Four standard deviations of what the passages share.
    let reach = (4.0 * SHARED.sqrt() / STEP).round() as i32;
    let kernel: Vec<f64> = (-reach..=reach).map(|i| libm::exp(ln_normal(f64::from(i) * STEP, SHARED))).collect();
    let whole: f64 = kernel.iter().sum();
    (0..together.len() as i32)
        .map(|at| {
            let near = (-reach..=reach).zip(&kernel).map(|(i, weight)| {
                // Beyond the end of the grid the end stands for the rest.
                let from = (at + i).clamp(0, together.len() as i32 - 1) as usize;
                weight * scaled[from]
            });
            let blurred = near.sum::<f64>() / whole;
            let said = libm::log(reliability) + highest + libm::log(blurred.max(f64::MIN_POSITIVE));
            ln_sum(libm::log(1.0 - reliability), said)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::number::Probability;
    use crate::record::{DocumentKind, DocumentPassage, ReadBy};
    use proptest::prelude::*;

    fn reading(about: &str, key: f64, error: f64) -> PassageReading {
        PassageReading {
            about: ValueId::new(about).unwrap(),
            key: Finite::new(key).unwrap(),
            error: Finite::new(error).unwrap(),
            misreading: Probability::new(0.05).unwrap(),
            by: ReadBy::Author,
        }
    }

    /// A document with one passage for each key of care.
    fn document(name: &str, keys: &[f64], reliability: f64) -> DocumentAdded {
        let passages: Vec<DocumentPassage> = keys
            .iter()
            .enumerate()
            .map(|(i, key)| DocumentPassage {
                heading: String::new(),
                text: format!("{name}, passage {i}"),
                readings: vec![reading("care", *key, 0.5)],
            })
            .collect();
        DocumentAdded {
            document: DocumentId::of(passages.iter().map(|p| ("", p.text.as_str()))),
            title: name.into(),
            kind: DocumentKind::Findings,
            source: format!("{name}.md"),
            content_hash: Hash::of(name.as_bytes()),
            references: Vec::new(),
            reliability: Probability::new(reliability).unwrap(),
            map: None,
            passages,
        }
    }

    fn library(documents: Vec<DocumentAdded>) -> Library {
        documents.into_iter().enumerate().fold(Library::default(), |library, (i, d)| library.with(Seq(i as u64), d))
    }

    fn care(library: &Library) -> Opinion {
        library.opinion(&ValueId::new("care").unwrap()).unwrap()
    }

    /// With a document that is surely reliable and passages that are surely read, belief is a Gaussian's.
    #[test]
    fn without_outliers_it_is_the_closed_form() {
        let mut one = document("one", &[1.0, 2.0], 1.0);
        one.passages.iter_mut().for_each(|p| p.readings[0].misreading = Probability::new(0.0).unwrap());
        let found = care(&library(vec![one]));
        let measured = SHARED + 0.5 / 2.0;
        let expected = 1.5 * GENERAL / (GENERAL + measured);
        let sd = (GENERAL * measured / (GENERAL + measured)).sqrt();
        assert!((found.mean - expected).abs() < 2e-3, "{found:?} {expected}");
        assert!((found.sd - sd).abs() < 2e-3, "{found:?} {sd}");
    }

    #[test]
    fn one_document_never_counts_as_more_than_three_passages_and_a_copy_not_at_all() {
        let many = care(&library(vec![document("many", &[1.0; 200], 0.999)]));
        let three: Vec<DocumentAdded> = (0..4).map(|i| document(&format!("single {i}"), &[1.0], 0.999)).collect();
        let independent = care(&library(three));
        assert!(many.sd > independent.sd, "{many:?} {independent:?}");
        let one = document("one", &[1.0, 1.0], 0.8);
        let mut copy = one.clone();
        copy.title = "another name".into();
        assert_eq!(care(&library(vec![one.clone(), copy])), care(&library(vec![one])));
    }

    #[test]
    fn documents_that_contradict_each_other_make_belief_wide_and_are_both_named() {
        let (with, against) = (document("with", &[1.5; 3], 0.8), document("against", &[-1.5; 3], 0.8));
        let both = library(vec![with.clone(), against.clone()]);
        let agreeing = library(vec![with.clone(), document("too", &[1.5; 3], 0.8)]);
        let (wide, narrow) = (care(&both), care(&agreeing));
        assert!(wide.sd > 1.5 * narrow.sd, "{wide:?} {narrow:?}");
        assert!(wide.sd > 0.8 * GENERAL.sqrt(), "hardly surer than before: {wide:?}");
        let about = ValueId::new("care").unwrap();
        let found = both.contradictions(&about);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].0.document, found[0].1.document), (with.document, against.document));
        assert!(agreeing.contradictions(&about).is_empty());
    }

    #[test]
    fn a_passage_far_from_all_others_hardly_counts_and_shares_say_who_does() {
        let mut documents: Vec<DocumentAdded> =
            (0..4).map(|i| document(&format!("sound {i}"), &[1.0, 1.5], 0.8)).collect();
        let sound = care(&library(documents.clone()));
        documents.push(document("wild", &[-2.0], 0.5));
        let all = library(documents);
        let with_wild = care(&all);
        assert!((with_wild.mean - sound.mean).abs() < 0.25, "{with_wild:?} {sound:?}");
        let shares = all.shares(&ValueId::new("care").unwrap());
        assert_eq!(shares.len(), 9);
        assert!(shares.windows(2).all(|w| w[0].change.abs() >= w[1].change.abs()));
        assert!(shares.iter().any(|s| s.key == -2.0 && s.change < 0.0));
    }

    #[test]
    fn what_was_not_read_keeps_the_spread_of_the_prior() {
        let layout = Layout::of_values(["care", "honesty"].map(|v| ValueId::new(v).unwrap()).to_vec());
        let location = library(vec![document("one", &[1.0], 0.8)]).location(&layout, None).unwrap();
        let reference = layout.default_reference_variance();
        let at = |i: usize| location.covariance[i * (i + 1) / 2 + i];
        assert_eq!((location.mean[1], at(1)), (0.0, reference[1]));
        assert!(location.mean[0] > 0.0 && at(0) < reference[0] && at(0) > 0.5 * reference[0]);
        let nothing = library(vec![document("one", &[1.0], 0.8)]);
        let other = Layout::of_values(vec![ValueId::new("wit").unwrap()]);
        assert!(nothing.location(&other, None).is_none(), "no passage speaks of it");
    }

    proptest! {
        #[test]
        fn whatever_is_read_belief_is_finite_and_never_wider_than_two_opposite_ends(
            keys in proptest::collection::vec((-2.0..2.0f64, 0.05..4.0f64, 0.001..0.999f64), 1..12),
        ) {
            let documents = keys.iter().enumerate().map(|(i, (key, error, reliability))| {
                let mut d = document(&format!("{i}"), &[*key], *reliability);
                d.passages[0].readings[0].error = Finite::new(*error).unwrap();
                d
            });
            let found = care(&library(documents.collect()));
            prop_assert!(found.mean.is_finite() && found.mean.abs() < 3.0);
            prop_assert!(found.sd > 0.05 && found.sd < 2.5, "{:?}", found);
        }
    }
}
