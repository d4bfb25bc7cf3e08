//! Fitting a probe: what is chosen how, what is measured, and the controls beside it.

use std::ops::ControlFlow;

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::auroc::{Auroc, Layout, Lead, area, auroc_of, lead_of};
use super::calibration::{Calibration, calibration};
use super::error::FitError;
use super::examples::{Examples, Site};
use super::linear::{self, Kind, Sites};
use super::nested::{Nested, Setting, choose, line, nested, splits};
use super::parts::{Parts, Probe};
use super::words::{Bags, have_a_word_in_common};
use crate::ranking::{Interval, interval};

/// What to choose from, and how to measure it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FitOptions {
    /// Kinds to choose from.
    pub kinds: Vec<Kind>,
    /// Penalties of logistic regression and ridge to choose from, strongest first: of equals the first is taken. The
    /// penalty is weighed against the mean loss of an example, so it means the same for any number of them.
    pub penalties: Vec<f64>,
    /// Shrinkages of the mean difference to choose from, 1 first.
    pub shrinkages: Vec<f64>,
    /// Outer folds over topics.
    pub outer: usize,
    /// Inner folds over topics, on which site, kind and penalty are chosen.
    pub inner: usize,
    /// Runs of the whole with shuffled labels.
    pub shuffles: usize,
    /// For the folds, the shuffles and the simulated calibration.
    pub seed: u64,
}

impl Default for FitOptions {
    fn default() -> Self {
        Self {
            kinds: vec![Kind::MeanDifference, Kind::Ridge, Kind::Logistic],
            penalties: vec![10.0, 1.0, 0.1, 0.01],
            shrinkages: vec![1.0, 0.3, 0.1],
            outer: 5,
            inner: 4,
            shuffles: 5,
            seed: 0,
        }
    }
}

impl FitOptions {
    fn check(&self) -> Result<(), FitError> {
        let fail = |name, problem: &str| Err(FitError::Option { name, problem: problem.to_owned() });
        if self.kinds.is_empty() {
            return fail("kinds", "at least one is needed");
        }
        if self.penalties.is_empty() || self.penalties.iter().any(|x| !(x.is_finite() && *x > 0.0)) {
            return fail("penalties", "at least one is needed, and each must be a number above 0");
        }
        if self.shrinkages.is_empty() || self.shrinkages.iter().any(|x| !(*x > 0.0 && *x <= 1.0)) {
            return fail("shrinkages", "at least one is needed, and each must be above 0 and at most 1");
        }
        if self.outer < 2 || self.inner < 2 {
            return fail("outer and inner", "there must be at least 2 folds of each");
        }
        Ok(())
    }

    fn strengths(&self, kind: Kind) -> &[f64] {
        if kind == Kind::MeanDifference { &self.shrinkages } else { &self.penalties }
    }
}

/// What was chosen and found with some topics held out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Fold {
    /// Topics that were held out.
    pub topics: Vec<String>,
    /// Area on them; nothing where they have one label only.
    pub area: Option<f64>,
    /// The site that was chosen without them.
    pub site: Site,
    /// The kind that was chosen without them.
    pub kind: Kind,
    /// The penalty that was chosen without them.
    pub penalty: f64,
}

/// The same procedure on labels that mean nothing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Shuffled {
    /// The area of each run; .5 is expected.
    pub areas: Vec<f64>,
    /// Their mean with its interval.
    pub interval: Option<Interval>,
    /// Share of runs, the real one among them, whose area is at least the real one.
    pub p: f64,
}

/// Everything that was measured, all of it on topics that the fit had not seen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    /// Hash of the examples: [`Examples::hash`].
    pub data: String,
    /// Examples with the motive.
    pub with: usize,
    /// Examples without it.
    pub without: usize,
    /// Topics, in alphabetical order.
    pub topics: Vec<String>,
    /// Area on topics never seen, with everything chosen without them.
    pub auroc: Auroc,
    /// The outer folds.
    pub folds: Vec<Fold>,
    /// Probabilities against frequencies, on the same held-out examples.
    pub calibration: Calibration,
    /// A bag of words in the same folds.
    pub text_only: Auroc,
    /// How far the probe exceeds the bag of words.
    pub lead: Lead,
    /// Shuffled labels, if any were run.
    pub shuffled: Option<Shuffled>,
    /// What was chosen from, and the seed.
    pub options: FitOptions,
    /// The model's own answer, asked in words whether the motive is there, if it was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub own_answer: Option<Auroc>,
}

/// An example as the fold that held it out saw it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HeldOut {
    /// Its name.
    pub id: String,
    /// The outer fold.
    pub fold: usize,
    /// Its score there; scores of different folds are not comparable.
    pub score: f64,
    /// Its probability.
    pub probability: f64,
    /// The score of the bag of words.
    pub words: f64,
}

/// A probe and the readings that its figures rest on.
#[derive(Debug, Clone, PartialEq)]
pub struct Fitted {
    /// The probe, fitted on all examples, without a bar yet.
    pub probe: Probe,
    /// For each example, in their order.
    pub held_out: Vec<HeldOut>,
}

/// How far a fit has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FitProgress {
    /// Outer folds that are done, controls among them.
    pub done: usize,
    /// Outer folds in all, and one for the probe itself.
    pub of: usize,
}

/// Fits a probe for `motive`, and measures it on topics it has not seen. The same examples and options give the same
/// bits, whatever the number of threads.
///
/// # Errors
/// If the examples are too few, one-sided, of too few topics or the same throughout, an option makes no sense, or
/// `progress` ended it.
#[allow(clippy::missing_panics_doc, reason = "there is one probability for each label")]
pub fn fit(
    motive: &str,
    examples: &Examples,
    options: &FitOptions,
    mut progress: impl FnMut(FitProgress) -> ControlFlow<()>,
) -> Result<Fitted, FitError> {
    options.check()?;
    examples.check_for_fit()?;
    let bags = Bags::new(examples.examples().iter().map(|example| example.text.as_str()));
    if !have_a_word_in_common(&bags) {
        return Err(FitError::NoWords);
    }
    let labels = examples.labels();
    let (topics, names) = examples.topics();
    let FitOptions { outer, inner, seed, .. } = *options;
    let setting = Setting { labels: &labels, topics: &topics, names: &names, outer, inner, seed };
    let mut sites = Vec::new();
    for site in 0..examples.sites().len() {
        sites.extend(options.kinds.iter().map(|kind| (site, *kind)));
    }
    let groups = sites.iter().map(|(site, kind)| (examples.pieces(*site), *kind, options.strengths(*kind)));
    let field = Sites { groups: groups.collect() };

    let of = outer.min(names.len()) * (2 + options.shuffles) + 1;
    let mut done = 0;
    let mut step = || {
        done += 1;
        if progress(FitProgress { done, of }).is_break() { Err(FitError::Stopped) } else { Ok(()) }
    };
    let found = nested(&field, setting, &mut step)?;
    let by_words = nested(&bags, setting, &mut step)?;
    let layout = Layout { labels: &labels, folds: &found.folds, topics: &topics };
    let one_sided = || FitError::Option { name: "outer", problem: "no fold holds out both labels".to_owned() };
    let auroc = auroc_of(&found.scores, layout).ok_or_else(one_sided)?;
    let text_only = auroc_of(&by_words.scores, layout).ok_or_else(one_sided)?;
    let lead = lead_of(&found.scores, &by_words.scores, layout).ok_or_else(one_sided)?;

    let mut areas = Vec::with_capacity(options.shuffles);
    for run in 0..options.shuffles {
        let shuffled = shuffle(&labels, &topics, seed, run);
        let setting = Setting { labels: &shuffled, ..setting };
        let found = nested(&field, setting, &mut step)?;
        areas.extend(area(&found.scores, Layout { labels: &shuffled, folds: &found.folds, topics: &topics }));
    }
    let shuffled = (!areas.is_empty()).then(|| Shuffled {
        interval: interval(&areas),
        p: (1 + areas.iter().filter(|area| **area >= auroc.value).count()) as f64 / (1 + areas.len()) as f64,
        areas,
    });

    // The probe itself: chosen on all topics, and its line from scores that its own fit had no part in.
    let all: Vec<usize> = (0..labels.len()).collect();
    let choice = choose(&field, setting, &splits(setting, &all, outer)?);
    let (group, way) = choice.way;
    let (pieces, kind, strengths) = field.groups[group];
    let chosen = linear::fit(pieces, &labels, &all, kind, &strengths[..=way]).swap_remove(way);
    step()?;

    let folds = (0..found.chosen.len()).map(|fold| {
        let of_fold: Vec<usize> = (0..labels.len()).filter(|i| found.folds[*i] == fold).collect();
        let (group, way) = found.chosen[fold];
        let (site, kind) = sites[group];
        Fold {
            topics: (0..names.len())
                .filter(|topic| of_fold.iter().any(|i| topics[*i] == *topic))
                .map(|topic| names[topic].clone())
                .collect(),
            area: area_of(&found, &labels, &topics, &of_fold),
            site: examples.sites()[site],
            kind,
            penalty: options.strengths(kind)[way],
        }
    });
    let folds = folds.collect();
    let evidence = Evidence {
        data: examples.hash(),
        with: auroc.with,
        without: auroc.without,
        auroc,
        folds,
        calibration: calibration(&found.probabilities, &labels, seed).expect("probabilities, one for each label"),
        text_only,
        lead,
        shuffled,
        options: options.clone(),
        topics: names.clone(),
        own_answer: None,
    };
    let parts = Parts {
        motive: motive.to_owned(),
        source: examples.source().clone(),
        site: examples.sites()[sites[group].0],
        kind,
        penalty: strengths[way],
        mean: chosen.mean,
        scale: chosen.scale,
        weights: chosen.fit.weights,
        intercept: chosen.fit.intercept,
        calibration: line(&choice, &labels),
        bar: None,
        evidence,
    };
    let probe = Probe::from_parts(parts)
        .map_err(|error| FitError::Option { name: "motive or states", problem: error.to_string() })?;
    let held_out = examples.examples().iter().enumerate().map(|(i, example)| HeldOut {
        id: example.id.clone(),
        fold: found.folds[i],
        score: found.scores[i],
        probability: found.probabilities[i],
        words: by_words.scores[i],
    });
    Ok(Fitted { probe, held_out: held_out.collect() })
}

fn area_of(found: &Nested, labels: &[bool], topics: &[usize], of: &[usize]) -> Option<f64> {
    let scores: Vec<f64> = of.iter().map(|i| found.scores[*i]).collect();
    let labels: Vec<bool> = of.iter().map(|i| labels[*i]).collect();
    let topics: Vec<usize> = of.iter().map(|i| topics[*i]).collect();
    area(&scores, Layout { labels: &labels, folds: &vec![0; of.len()], topics: &topics })
}

/// Labels in another order: within topics where every topic has both, so that topics stay as balanced as they were, else
/// over all examples.
fn shuffle(labels: &[bool], topics: &[usize], seed: u64, run: usize) -> Vec<bool> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    random.set_stream(1 + run as u64);
    let count = topics.iter().max().map_or(0, |most| most + 1);
    let mut members = vec![Vec::new(); count];
    topics.iter().enumerate().for_each(|(i, topic)| members[*topic].push(i));
    let mixed = |members: &Vec<usize>| members.iter().any(|i| labels[*i]) && members.iter().any(|i| !labels[*i]);
    if !members.iter().all(mixed) {
        members = vec![(0..labels.len()).collect()];
    }
    let mut out = labels.to_vec();
    for members in members {
        let mut order = members.clone();
        order.shuffle(&mut random);
        members.iter().zip(order).for_each(|(to, from)| out[*to] = labels[from]);
    }
    out
}
