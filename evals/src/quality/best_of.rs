//! The best of n of an author's passages, by scores that were learned without that author.

use std::collections::{BTreeMap, BTreeSet};

use super::curve::{Curve, Judged, curve};
use super::material::Material;
use super::scores::{Read, Score};
use super::{QualityError, QualityOptions};
use crate::recovery::RecoveryOptions;
use crate::recovery::baselines::rank_correlation;
use crate::recovery::learner::Instrument;
use crate::recovery::people::Simulated;

/// Each score's correlation with the held-out reader's keys, by its name.
type Correlations = Vec<(String, f64)>;

/// Passages of an author that are chosen from at least.
const POOL_MIN: usize = 8;
/// The score that is no model's.
pub(super) const OTHER_READER: &str = "another reader's keys";

/// The best of n of each author's passages by scores that were learned without that author.
pub(super) fn curves(read: &Read<'_>, options: &QualityOptions) -> Result<(Vec<Curve>, Correlations), QualityError> {
    let material = read.material;
    let authors: BTreeSet<&str> = material.keyed.iter().map(|k| k.author.as_str()).collect();
    if authors.len() < 2 {
        return Err(QualityError::TooFew { what: "authors of keyed passages".into(), found: authors.len(), needed: 2 });
    }
    let preferred = preferences(material, options)?;
    let mut pools: BTreeMap<&str, Vec<Vec<Judged>>> = BTreeMap::new();
    let mut correlations: BTreeMap<&str, f64> = BTreeMap::new();
    for author in &authors {
        let (own, others): (Vec<usize>, Vec<usize>) =
            (0..material.keyed.len()).partition(|i| material.keyed[*i].author == *author);
        if own.len() < POOL_MIN {
            let what = format!("keyed passages by {author} to choose from");
            return Err(QualityError::TooFew { what, found: own.len(), needed: POOL_MIN });
        }
        let mut add = |name: &'static str, promised: &dyn Fn(usize) -> f64| {
            let judged = |i: &usize| Judged {
                promised: promised(*i),
                found: material.keyed[*i].second,
                preferred: preferred[*i],
            };
            let pool: Vec<Judged> = own.iter().map(judged).collect();
            let of = |f: fn(&Judged) -> f64| pool.iter().map(f).collect::<Vec<f64>>();
            *correlations.entry(name).or_default() +=
                rank_correlation(&of(|j| j.promised), &of(|j| j.found)) / authors.len() as f64;
            pools.entry(name).or_default().push(pool);
        };
        for score in Score::EVERY {
            let scores = read.scores(score, &|i| material.pairs[i].author != *author, &|k| k.author != *author)?;
            let at = |i: usize| scores[material.place(i)];
            // A score that is not in key points is put into them by a line through the others' passages.
            let (level, slope) = match score {
                Score::FromKeys => (0.0, 1.0),
                _ => line(others.iter().map(|i| (at(*i), material.keyed[*i].first))),
            };
            add(score.name(), &|i| level + slope * at(i));
        }
        add(OTHER_READER, &|i| material.keyed[i].first);
    }
    let names = Score::EVERY.map(Score::name).into_iter().chain([OTHER_READER]);
    let curves = names.clone().filter_map(|name| Some(curve(name, pools.get(name)?, options.seed)));
    let correlations = names.clone().filter_map(|name| Some((name.to_owned(), *correlations.get(name)?)));
    Ok((curves.collect(), correlations.collect()))
}

/// Least squares through pairs of numbers: level and slope.
fn line(points: impl Iterator<Item = (f64, f64)> + Clone) -> (f64, f64) {
    let n = points.clone().count().max(1) as f64;
    let mean = |of: fn((f64, f64)) -> f64| points.clone().map(of).sum::<f64>() / n;
    let (x, y) = (mean(|p| p.0), mean(|p| p.1));
    let (xx, xy) = (mean(|p| p.0 * p.0) - x * x, mean(|p| p.0 * p.1) - x * y);
    let slope = if xx > 1e-12 { xy / xx } else { 0.0 };
    (y - slope * x, slope)
}

/// For each keyed passage the share of simulated readers, each with a taste of their own, who would rather have it than another of the
/// same author: the mean over readers of how many others they like less.
fn preferences(material: &Material<'_>, options: &QualityOptions) -> Result<Vec<f64>, QualityError> {
    let instrument = Instrument::new(material.bank, material.values)?;
    let drawn = RecoveryOptions { seed: options.seed, ..RecoveryOptions::default() };
    let mut preferred = vec![0.0; material.keyed.len()];
    for n in 0..options.readers as u64 {
        let reader = Simulated::draw(&instrument, &drawn, n);
        let utilities: Vec<f64> = material.keyed.iter().map(|k| reader.utility(&k.alternative)).collect();
        for (i, passage) in material.keyed.iter().enumerate() {
            let others = material.keyed.iter().zip(&utilities).enumerate();
            let others = others.filter(|(j, (k, _))| *j != i && k.author == passage.author);
            let (mut less, mut of) = (0.0, 0.0);
            for (_, (_, utility)) in others {
                less += match utilities[i].total_cmp(utility) {
                    std::cmp::Ordering::Greater => 1.0,
                    std::cmp::Ordering::Equal => 0.5,
                    std::cmp::Ordering::Less => 0.0,
                };
                of += 1.0;
            }
            preferred[i] += less / f64::max(of, 1.0) / options.readers.max(1) as f64;
        }
    }
    Ok(preferred)
}
