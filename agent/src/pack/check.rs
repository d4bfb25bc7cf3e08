//! What a good pack passes: enough questions for every value, and nothing on their surface that goes with one value's side.

use std::collections::{BTreeMap, BTreeSet};

use credence_memory::belief::normal::cdf;
use credence_memory::belief::simulate::normals;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::Pack;
use crate::bank::{Bank, BankQuestion};
use crate::keyed::weight_variance;

/// Questions in which a value should be at stake, at least.
const AT_STAKE_MIN: usize = 15;
/// Portraits that each value should have, at least.
const PORTRAITS_MIN: usize = 3;
/// A key of a portrait that makes it one of the value.
const PORTRAIT_KEY_MIN: f64 = 1.5;
/// Share of the pairs of values that should be traded off directly, at least.
const PAIRS_MIN: f64 = 0.6;
/// Share of simulated people who should choose each side of a question, at least.
const SIDE_MIN: f64 = 0.1;
/// A difference of two counts may be this many standard errors from nothing, over the whole pack.
const Z_MAX: f64 = 3.0;
/// Simulated people.
const PEOPLE: usize = 2000;
/// Words that negate.
const NEGATIONS: [&str; 7] = ["not", "no", "never", "nothing", "nobody", "without", "refuse"];

/// One thing that a pack should be, and whether it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Finding {
    /// What should be.
    pub what: String,
    /// What is.
    pub found: String,
    /// Whether it is so.
    pub passed: bool,
}

/// Everything that can be said of a pack without a model or people.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct PackReport {
    /// The pack.
    pub pack: String,
    /// Questions.
    pub questions: usize,
    /// Portraits.
    pub portraits: usize,
    /// Values.
    pub values: usize,
    /// What was looked at.
    pub findings: Vec<Finding>,
}

impl Pack {
    /// Looks at it. Simulated people are drawn with `seed`.
    pub fn check(&self, seed: u64) -> PackReport {
        let values: Vec<&str> = self.schema.values.iter().map(|v| v.id.as_str()).collect();
        let mut findings = vec![at_stake(&self.bank, &values), portraits(&self.bank, &values)];
        findings.push(traded_off(&self.bank, &values));
        findings.push(same_situation(&self.bank));
        findings.extend(surface(&self.bank, &values));
        findings.push(sides(&self.bank, &values, seed));
        PackReport {
            pack: self.name.clone(),
            questions: self.bank.questions.len(),
            portraits: self.bank.portraits.len(),
            values: values.len(),
            findings,
        }
    }
}

fn key(question: &BankQuestion, alternative: usize, value: &str) -> f64 {
    let keys = question.alternatives.get(alternative).and_then(|a| a.keys.as_ref());
    keys.and_then(|keys| keys.get(value)).copied().unwrap_or(0.0)
}

fn difference(question: &BankQuestion, value: &str) -> f64 {
    key(question, 0, value) - key(question, 1, value)
}

/// The least of several counts, with what it is of.
fn least<'a>(counts: impl Iterator<Item = (&'a str, usize)>) -> (&'a str, usize) {
    counts.min_by_key(|(_, count)| *count).unwrap_or(("no value", 0))
}

fn at_stake(bank: &Bank, values: &[&str]) -> Finding {
    let counts = values.iter().map(|value| {
        let has = |q: &&BankQuestion| (0..q.alternatives.len()).any(|k| key(q, k, value) != 0.0);
        (*value, bank.questions.iter().filter(has).count())
    });
    let (value, count) = least(counts);
    Finding {
        what: format!("every value is at stake in {AT_STAKE_MIN} questions or more"),
        found: format!("{value} in {count}"),
        passed: count >= AT_STAKE_MIN,
    }
}

fn portraits(bank: &Bank, values: &[&str]) -> Finding {
    let counts = values.iter().map(|value| {
        let is = |p: &&crate::bank::Portrait| p.keys.get(*value).is_some_and(|key| *key >= PORTRAIT_KEY_MIN);
        (*value, bank.portraits.iter().filter(is).count())
    });
    let (value, count) = least(counts);
    Finding {
        what: format!("every value has {PORTRAITS_MIN} portraits or more"),
        found: format!("{value} has {count}"),
        passed: count >= PORTRAITS_MIN,
    }
}

fn traded_off(bank: &Bank, values: &[&str]) -> Finding {
    let mut traded = BTreeSet::new();
    for question in &bank.questions {
        let d: Vec<f64> = values.iter().map(|v| difference(question, v)).collect();
        for i in 0..d.len() {
            for j in i + 1..d.len() {
                if d[i] * d[j] < 0.0 && d[i].abs().min(d[j].abs()) >= 1.0 {
                    traded.insert((i, j));
                }
            }
        }
    }
    let pairs = values.len() * values.len().saturating_sub(1) / 2;
    Finding {
        what: format!("{:.0}% of the pairs of values, or more, are traded off directly", 100.0 * PAIRS_MIN),
        found: format!("{} of {pairs}", traded.len()),
        passed: traded.len() as f64 >= PAIRS_MIN * pairs as f64,
    }
}

fn same_situation(bank: &Bank) -> Finding {
    let mut seen = BTreeSet::new();
    let texts = |q: &BankQuestion| q.alternatives.iter().map(|a| a.text.clone()).collect::<Vec<_>>();
    let again = bank.questions.iter().find(|q| !seen.insert((q.situation.clone(), texts(q))));
    Finding {
        what: "no question is there twice".into(),
        found: again.map_or_else(|| "none is".into(), |q| format!("{} is", q.id)),
        passed: again.is_none(),
    }
}

/// Length, place and negation, over all values: the one that goes with a value the most.
fn surface(bank: &Bank, values: &[&str]) -> Vec<Finding> {
    let negated = |text: &str| text.split(|c: char| !c.is_alphabetic()).any(|w| NEGATIONS.contains(&w));
    let mut counts: BTreeMap<(&str, &str), (f64, f64)> = BTreeMap::new();
    for question in bank.questions.iter().filter(|q| q.alternatives.len() == 2) {
        let text = |k: usize| question.alternatives[k].text.as_str();
        let length = |k: usize| text(k).chars().count();
        let longer = (length(0) != length(1)).then(|| usize::from(length(1) > length(0)));
        let negations = (negated(text(0)), negated(text(1)));
        let negation = (negations.0 != negations.1).then(|| usize::from(negations.1));
        for value in values {
            let d = difference(question, value);
            if d == 0.0 {
                continue;
            }
            let serving = usize::from(d < 0.0);
            for (what, place) in [("is longer", longer), ("comes first", Some(0)), ("is negated", negation)] {
                let Some(place) = place else { continue };
                let entry = counts.entry((what, value)).or_default();
                if place == serving { entry.0 += 1.0 } else { entry.1 += 1.0 }
            }
        }
    }
    ["is longer", "comes first", "is negated"]
        .into_iter()
        .map(|what| {
            let z = |(a, b): &(f64, f64)| (a - b) / f64::max(a + b, 1.0).sqrt();
            let of = counts.iter().filter(|((w, _), _)| *w == what);
            let worst = of.max_by(|(_, a), (_, b)| z(a).abs().total_cmp(&z(b).abs()));
            let (found, passed) = match worst {
                Some(((_, value), count)) => {
                    let found = format!(
                        "most for {value}: {} times against {} ({:+.1} standard errors)",
                        count.0,
                        count.1,
                        z(count)
                    );
                    (found, z(count).abs() < Z_MAX)
                }
                None => ("never".into(), true),
            };
            Finding { what: format!("the side that serves a value {what} about as often as the other"), found, passed }
        })
        .collect()
}

/// Whether each side of every question is chosen by some of the simulated people who perceive the keys as they are.
fn sides(bank: &Bank, values: &[&str], seed: u64) -> Finding {
    let scale = 2.5 * weight_variance(bank).sqrt();
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let people: Vec<Vec<f64>> = (0..PEOPLE).map(|_| normals(values.len(), &mut rng)).collect();
    let pairs = bank.questions.iter().filter(|q| q.alternatives.len() == 2);
    let shares = pairs.map(|question| {
        let d: Vec<f64> = values.iter().map(|v| difference(question, v)).collect();
        let first: f64 = people.iter().map(|w| cdf(scale * w.iter().zip(&d).map(|(w, d)| w * d).sum::<f64>())).sum();
        let share = first / PEOPLE as f64;
        (question.id.as_str(), share.min(1.0 - share))
    });
    let (question, share) = shares.min_by(|a, b| a.1.total_cmp(&b.1)).unwrap_or(("no question", 0.0));
    Finding {
        what: format!("each side of every question is chosen by {:.0}% of simulated people or more", 100.0 * SIDE_MIN),
        found: format!("{question}: {:.0}%", 100.0 * share),
        passed: share >= SIDE_MIN,
    }
}

/// How far two banks of the same questions, keyed by two readers, agree on each value: Cohen's kappa with quadratic weights over all
/// alternatives, and over how many alternatives. Questions that only one of them has are left out.
pub fn agreement(first: &Bank, second: &Bank, values: &[&str]) -> Vec<(String, f64, usize)> {
    let by_id: BTreeMap<&str, &BankQuestion> = second.questions.iter().map(|q| (q.id.as_str(), q)).collect();
    values
        .iter()
        .map(|value| {
            let pairs: Vec<(f64, f64)> = first
                .questions
                .iter()
                .filter_map(|q| Some((q, *by_id.get(q.id.as_str())?)))
                .flat_map(|(a, b)| (0..a.alternatives.len()).map(move |k| (key(a, k, value), key(b, k, value))))
                .collect();
            (value.to_string(), kappa(&pairs), pairs.len())
        })
        .collect()
}

/// Cohen's kappa of pairs of ratings with quadratic weights: one less the mean squared difference of two ratings over what it would be
/// if they were independent; 1 where both never vary.
pub fn kappa(pairs: &[(f64, f64)]) -> f64 {
    let n = pairs.len() as f64;
    let mean = |f: &dyn Fn(&(f64, f64)) -> f64| pairs.iter().map(f).sum::<f64>() / n.max(1.0);
    let observed = mean(&|(a, b)| (a - b) * (a - b));
    let (first, second) = (mean(&|(a, _)| *a), mean(&|(_, b)| *b));
    let expected = mean(&|(a, _)| a * a) + mean(&|(_, b)| b * b) - 2.0 * first * second;
    if expected > 0.0 { 1.0 - observed / expected } else { 1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_values_pass_and_a_lopsided_bank_does_not() {
        let mut pack = Pack::built_in(super::super::DEFAULT).unwrap();
        let report = pack.check(1);
        assert!(report.findings.iter().all(|f| f.passed), "{:#?}", report.findings);
        // Every side that serves honesty now comes first.
        for question in &mut pack.bank.questions {
            if difference(question, "honesty") < 0.0 {
                question.alternatives.swap(0, 1);
            }
        }
        let failed: Vec<String> = pack.check(1).findings.into_iter().filter(|f| !f.passed).map(|f| f.found).collect();
        assert!(failed.iter().any(|found| found.contains("honesty")), "{failed:?}");
    }

    #[test]
    fn kappa_is_one_of_the_same_and_about_zero_of_unrelated_ratings() {
        assert_eq!(kappa(&[(1.0, 1.0), (-2.0, -2.0), (0.0, 0.0)]), 1.0);
        assert!(kappa(&[(1.0, 1.0), (1.0, -1.0), (-1.0, 1.0), (-1.0, -1.0)]).abs() < 1e-12);
        assert!(kappa(&[(1.0, -1.0), (-1.0, 1.0)]) < 0.0);
    }
}
