//! How well a model reads what an act serves: signs, contrasts and calibration on keyed acts that nothing was fitted with.

pub mod taught;

use credence_memory::belief::simulate::below;
use credence_priors::acts::{KeyedPair, Split, keyed_bank};
use credence_priors::model::ModelError;
use credence_priors::readout::Alternative;
use credence_priors::schema::ValueSchema;
use credence_priors::share::Share;
use credence_priors::value_reading::{FitError, QuestionStates, ValueMap, read_states};
use credence_priors::{LanguageModel, ModelIdentity};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::estimate::Estimate;
use crate::figures::Figure;

/// A difference of keys from here on is central, in key points.
const CENTRAL: f64 = 2.0;
/// Half width of a 90% interval, in standard deviations.
const NINETY: f64 = 1.645;
/// Resamples of a bootstrap.
const RESAMPLES: usize = 1000;

/// Why validity could not be measured.
#[derive(Debug, thiserror::Error)]
pub enum ValidityError {
    /// The model failed.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// Nothing could be fitted.
    #[error(transparent)]
    Fit(#[from] FitError),
}

/// Keyed pairs that are tested on.
#[derive(Debug, Clone)]
pub struct TestSet {
    /// What it is called in tables.
    pub name: &'static str,
    /// The pairs.
    pub pairs: Vec<KeyedPair>,
}

/// The sets: the situations kept for testing of the acts at hand, plain and traps, and the built-in bank where it is keyed.
pub fn test_sets(acts: &[KeyedPair]) -> Vec<TestSet> {
    let kept = |trap: bool| -> Vec<KeyedPair> {
        acts.iter().filter(|pair| pair.split() == Split::Testing && pair.trap == trap).cloned().collect()
    };
    let sets = [
        TestSet { name: "kept aside, plain", pairs: kept(false) },
        TestSet { name: "kept aside, traps", pairs: kept(true) },
        TestSet { name: "built-in bank", pairs: keyed_bank() },
    ];
    sets.into_iter().filter(|set| !set.pairs.is_empty()).collect()
}

/// What was read of a pair: by value, the difference in key points and its error variance (absent: not calibrated).
#[derive(Debug, Clone, PartialEq)]
pub struct PairReading {
    /// First act less second.
    pub points: Vec<f64>,
    /// Error variance of each.
    pub error: Vec<f64>,
}

/// Figures on one set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ValidityRow {
    /// The set.
    pub set: String,
    /// Pairs in it.
    pub pairs: usize,
    /// Share of signs read right, of all key differences.
    pub sign: Estimate,
    /// The same where the difference is at least two points.
    pub central: Estimate,
    /// Of two values that are keyed with opposite signs, share whose difference is read with the right sign.
    pub contrast: Estimate,
    /// Share of differences within their 90% interval, over all values; should be .9.
    pub covered: Option<f64>,
    /// The same, of keyed values alone.
    pub covered_keyed: Option<f64>,
    /// Correlation of what is read with the keys, over all values of all pairs.
    pub correlation: f64,
    /// Signs by value.
    pub by_value: Vec<(String, Share)>,
}

impl ValidityRow {
    /// As figures: read so, after learning from so many pairs.
    pub fn figures(&self, reader: &str, at: &str) -> Vec<Figure> {
        let data = &self.set;
        let mut figures = vec![
            Figure::new(data, reader, at, "share of signs right", self.sign),
            Figure::new(data, reader, at, "share of signs right, of 2 key points or more", self.central),
            Figure::new(data, reader, at, "share of opposite values told apart", self.contrast),
            Figure::bare(data, reader, at, "correlation with keys", self.correlation),
        ];
        let mut covered = |measure: &str, share: Option<f64>| {
            figures.extend(share.map(|share| Figure::bare(data, reader, at, measure, share)));
        };
        covered("coverage of 90% intervals", self.covered);
        covered("coverage of 90% intervals, keyed values", self.covered_keyed);
        figures.extend(self.by_value.iter().filter(|(_, share)| share.of > 0).map(|(value, share)| {
            Figure::share(&format!("{data}, {value}"), reader, at, "share of signs right", *share)
        }));
        figures
    }
}

/// Right and all, for one pair.
type Counted = (f64, f64);

/// A ratio of sums, resampled by pair.
fn ratio(counted: &[Counted], seed: u64) -> Estimate {
    let of = |sums: Counted| if sums.1 > 0.0 { sums.0 / sums.1 } else { f64::NAN };
    let add = |a: Counted, b: &Counted| (a.0 + b.0, a.1 + b.1);
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let n = counted.len().max(1);
    let mut resampled: Vec<f64> = (0..RESAMPLES)
        .map(|_| of((0..counted.len()).fold((0.0, 0.0), |sums, _| add(sums, &counted[below(n, &mut rng)]))))
        .filter(|share| share.is_finite())
        .collect();
    resampled.sort_by(f64::total_cmp);
    let mean = of(counted.iter().fold((0.0, 0.0), add));
    let at = |p: f64| resampled.get((p * resampled.len() as f64) as usize).copied().unwrap_or(mean);
    Estimate { mean, low: at(0.025), high: at(0.975) }
}

/// Scores readings of a set against its keys. `is_calibrated`: whether their error variances mean anything.
pub fn score(
    set: &TestSet,
    values: &[String],
    readings: &[PairReading],
    is_calibrated: bool,
    seed: u64,
) -> ValidityRow {
    let keys: Vec<Vec<f64>> = set.pairs.iter().map(|pair| pair.difference(values)).collect();
    let signs = |least: f64| -> Vec<Counted> {
        let of_pair = |(key, read): (&Vec<f64>, &PairReading)| {
            let judged = key.iter().zip(&read.points).filter(|(key, _)| key.abs() >= least && **key != 0.0);
            judged.fold((0.0, 0.0), |(right, all), (key, read)| {
                (right + f64::from(u8::from(key * read > 0.0)), all + 1.0)
            })
        };
        keys.iter().zip(readings).map(of_pair).collect()
    };
    let contrasts = keys.iter().zip(readings).map(|(key, read)| {
        let mut counted = (0.0, 0.0);
        for up in (0..key.len()).filter(|v| key[*v] > 0.0) {
            for down in (0..key.len()).filter(|v| key[*v] < 0.0) {
                counted.0 += f64::from(u8::from(read.points[up] > read.points[down]));
                counted.1 += 1.0;
            }
        }
        counted
    });
    let contrasts: Vec<Counted> = contrasts.collect();
    let covered = |only_keyed: bool| {
        let all = keys.iter().zip(readings).flat_map(|(key, read)| key.iter().zip(read.points.iter().zip(&read.error)));
        let judged: Vec<bool> = all
            .filter(|(key, _)| !only_keyed || **key != 0.0)
            .map(|(key, (read, error))| (key - read).abs() <= NINETY * error.sqrt())
            .collect();
        let inside = judged.iter().filter(|inside| **inside).count();
        (is_calibrated && !judged.is_empty()).then(|| inside as f64 / judged.len() as f64)
    };
    let by_value = values
        .iter()
        .enumerate()
        .map(|(v, value)| {
            let judged = keys.iter().zip(readings).filter(|(key, _)| key[v] != 0.0);
            (value.clone(), Share::of(judged.map(|(key, read)| key[v] * read.points[v] > 0.0)))
        })
        .collect();
    ValidityRow {
        set: set.name.to_owned(),
        pairs: set.pairs.len(),
        sign: ratio(&signs(0.0), seed),
        central: ratio(&signs(CENTRAL), seed),
        contrast: ratio(&contrasts, seed),
        covered: covered(false),
        covered_keyed: covered(true),
        correlation: correlation(&keys, readings),
        by_value,
    }
}

fn correlation(keys: &[Vec<f64>], readings: &[PairReading]) -> f64 {
    // Differences have no order, so their mean is zero by right.
    let (mut kk, mut rr, mut kr) = (0.0, 0.0, 0.0);
    for (key, read) in keys.iter().zip(readings) {
        for (k, r) in key.iter().zip(&read.points) {
            kk += k * k;
            rr += r * r;
            kr += k * r;
        }
    }
    if kk * rr > 0.0 { kr / (kk * rr).sqrt() } else { 0.0 }
}

/// Reads pairs by a fitted map.
pub fn read_pairs(map: &ValueMap, states: &[QuestionStates]) -> Vec<PairReading> {
    let read = |states: &QuestionStates| {
        let acts = map.read(states);
        let both = |of: &dyn Fn(usize, usize) -> f64| (0..map.values.len()).map(|v| of(0, v) + of(1, v)).collect();
        PairReading {
            points: both(&|i, v| if i == 0 { acts[0].points[v] } else { -acts[1].points[v] }),
            error: both(&|i, v| acts[i].error[v]),
        }
    };
    states.iter().map(read).collect()
}

/// States of pairs.
///
/// # Errors
/// If the model fails.
pub fn states_of(
    model: &mut dyn LanguageModel,
    pairs: &[KeyedPair],
    on_progress: &mut dyn FnMut(usize, usize),
) -> Result<Vec<QuestionStates>, ModelError> {
    let alternatives: Vec<[Alternative; 2]> = pairs.iter().map(KeyedPair::alternatives).collect();
    let questions: Vec<&[Alternative]> = alternatives.iter().map(<[Alternative; 2]>::as_slice).collect();
    read_states(model, &questions, on_progress)
}

/// A point of the learning curve.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct CurvePoint {
    /// Pairs that were learned from.
    pub pairs: usize,
    /// Figures on each set.
    pub rows: Vec<ValidityRow>,
}

/// Fits with more and more pairs, and scores every fit on every set.
///
/// # Errors
/// If nothing can be fitted with the fewest.
pub fn learning_curve(
    model: &ModelIdentity,
    schema: &ValueSchema,
    acts: (&[KeyedPair], &[QuestionStates]),
    sets: &[(TestSet, Vec<QuestionStates>)],
    sizes: &[usize],
    seed: u64,
) -> Result<Vec<CurvePoint>, ValidityError> {
    let (pairs, states) = acts;
    let mut order: Vec<usize> = (0..pairs.len()).filter(|i| pairs[*i].split() != Split::Testing).collect();
    // By a hash, so that authors are mixed and more pairs are a superset of fewer.
    order.sort_by_key(|i| (pairs[*i].fold(1 << 20), *i));
    sizes
        .iter()
        .map(|size| {
            let taken = &order[..(*size).min(order.len())];
            let some: Vec<KeyedPair> = taken.iter().map(|i| pairs[*i].clone()).collect();
            let of_some: Vec<QuestionStates> = taken.iter().map(|i| states[*i].clone()).collect();
            let map = ValueMap::fit(model, schema, &some, &of_some)?;
            let row = |(set, states): &(TestSet, Vec<QuestionStates>)| {
                score(set, &map.values, &read_pairs(&map, states), true, seed)
            };
            Ok(CurvePoint { pairs: taken.len(), rows: sets.iter().map(row).collect() })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use credence_priors::acts::KeyedAct;

    use super::*;

    fn pair(situation: &str, keys: [(&str, f64); 2]) -> KeyedPair {
        let act = |text: &str, (value, key): (&str, f64)| KeyedAct {
            text: text.into(),
            keys: BTreeMap::from([(value.to_owned(), key)]),
            second: None,
        };
        KeyedPair {
            situation: situation.into(),
            acts: [act("go", keys[0]), act("stay", keys[1])],
            trap: false,
            nicer: None,
        }
    }

    #[test]
    fn signs_contrasts_and_coverage_are_counted_where_there_are_keys() {
        let values = ["care".to_owned(), "thrift".to_owned(), "nature".to_owned()];
        let pairs =
            vec![pair("One.", [("care", 2.0), ("thrift", 1.0)]), pair("Two.", [("nature", 1.0), ("thrift", 2.0)])];
        let set = TestSet { name: "test", pairs };
        let reading = |points: [f64; 3]| PairReading { points: points.to_vec(), error: vec![0.25; 3] };
        // Keys: (2, -1, 0) and (0, -2, 1).
        let readings = [reading([1.5, 0.5, 0.0]), reading([0.0, -2.0, 1.5])];
        let row = score(&set, &values, &readings, true, 1);
        assert_eq!((row.sign.mean, row.central.mean, row.contrast.mean), (0.75, 1.0, 1.0));
        assert_eq!((row.covered, row.covered_keyed), (Some(5.0 / 6.0), Some(0.75)));
        assert_eq!(row.by_value[1].1, Share::new(1, 2));
        assert!(row.correlation > 0.7 && row.correlation < 1.0);
        assert_eq!(score(&set, &values, &readings, false, 1).covered, None);
        let figures = crate::figures::kept(&row.figures("states", "2 pairs")[..]);
        let of = |data: &str, measure: &str| crate::figures::of(&figures, [data, "states", "2 pairs", measure]).mean;
        assert_eq!((of("test", "share of signs right"), of("test, thrift", "share of signs right")), (0.75, 0.5));
        assert_eq!(of("test", "coverage of 90% intervals, keyed values"), 0.75);
    }
}
