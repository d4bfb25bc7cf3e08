//! Who sits down: people with known values who perceive every key in their own way, and people from a file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use credence_agent::instrument::Item;
use credence_memory::belief::simulate::{below, normal, uniform};
use credence_memory::ids::{AlternativeId, QuestionId};
use credence_memory::record::QuestionKind;
use credence_priors::published::PublishedValues;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Deserialize;

use super::learner::Instrument;
use super::{Population, RecoveryOptions};

/// Half width of indifference of the simulated people, units of their noise.
const BAND: f64 = 0.3;
/// Range from which the step between a person's rating thresholds is drawn, units of their noise.
const STEP: (f64, f64) = (0.6, 1.6);
/// Standard deviation of the centre of a person's ratings.
const CENTRE_SD: f64 = 0.5;

/// A simulated person.
#[derive(Debug, Clone)]
pub(crate) struct Simulated {
    /// True weights, units of the person's noise per key point.
    pub(crate) weights: Vec<f64>,
    perceived: BTreeMap<AlternativeId, Vec<f64>>,
    lapse_rate: f64,
    order_effect: f64,
    centre: f64,
    step: f64,
    rng: ChaCha8Rng,
}

impl Simulated {
    /// Draws person number `n`: weights of unit mean square, scaled to the signal; each key is perceived with noise that belongs to
    /// this person and this alternative.
    pub(crate) fn draw(instrument: &Instrument, options: &RecoveryOptions, n: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(options.seed);
        rng.set_stream(2 * n);
        let scale = options.signal * instrument.weight_variance.sqrt();
        let standard: Vec<f64> = (0..instrument.values).map(|_| normal(&mut rng)).collect();
        let weights = match options.population {
            Population::Independent => standard.iter().map(|w| scale * w).collect(),
            Population::Published => around_the_published(instrument, &standard).iter().map(|w| scale * w).collect(),
        };
        let perceive = |key: f64, rng: &mut ChaCha8Rng| {
            let noise = options.perception_noise * normal(rng);
            if key == 0.0 { 0.0 } else { key + noise }
        };
        let keys = instrument.keys.iter();
        let perceived = keys.map(|(id, keys)| (*id, keys.iter().map(|k| perceive(*k, &mut rng)).collect())).collect();
        let step = STEP.0 + (STEP.1 - STEP.0) * uniform(&mut rng);
        let centre = CENTRE_SD * normal(&mut rng);
        let (lapse_rate, order_effect) = (options.lapse_rate, options.order_effect);
        Self { weights, perceived, lapse_rate, order_effect, centre, step, rng }
    }

    /// Keys as this person perceives them.
    pub(crate) fn perceived(&self, alternative: &AlternativeId) -> Option<&[f64]> {
        self.perceived.get(alternative).map(Vec::as_slice)
    }

    /// Utility of an alternative, units of their noise.
    pub(crate) fn utility(&self, alternative: &AlternativeId) -> f64 {
        let keys = self.perceived.get(alternative).map(Vec::as_slice).unwrap_or_default();
        keys.iter().zip(&self.weights).map(|(k, w)| k * w).sum()
    }

    /// The number of the outcome this person answers with, in the order of the question that belief is asked: for a choice that of the
    /// ids, for others that of `item`.
    pub(crate) fn answer(&mut self, item: &Item, outcomes: usize) -> usize {
        let half = 0.5f64.sqrt();
        let mut utilities: Vec<f64> = item.alternatives.iter().map(|a| self.utility(a)).collect();
        let meant = match item.kind {
            QuestionKind::Choice => {
                let first_is_shown_first = self.rng.random_bool(0.5);
                let effect = if first_is_shown_first { self.order_effect } else { -self.order_effect };
                let latent = utilities[0] - utilities[1] + effect + normal(&mut self.rng);
                match latent {
                    x if x.abs() < BAND => 2,
                    x if x > 0.0 => 0,
                    _ => 1,
                }
            }
            QuestionKind::Portrait => {
                let latent = (utilities[0] + self.centre + normal(&mut self.rng)) / self.step;
                (latent + outcomes as f64 / 2.0).floor().clamp(0.0, outcomes as f64 - 1.0) as usize
            }
            QuestionKind::BestAndWorst => {
                utilities.iter_mut().for_each(|u| *u += half * normal(&mut self.rng));
                let n = utilities.len();
                let by = |sign: f64| (0..n).max_by(|i, j| (sign * utilities[*i]).total_cmp(&(sign * utilities[*j])));
                let (best, worst) = (by(1.0).unwrap_or(0), by(-1.0).unwrap_or(1));
                best * (n - 1) + worst - usize::from(worst > best)
            }
        };
        if uniform(&mut self.rng) < self.lapse_rate { below(outcomes, &mut self.rng) } else { meant }
    }
}

/// Turns standard normals into weights around the published order, with the published correlations, of unit mean square.
fn around_the_published(instrument: &Instrument, standard: &[f64]) -> Vec<f64> {
    let ids: Vec<&str> = instrument.names.iter().map(String::as_str).collect();
    let (mean, correlation) = PublishedValues::embedded().of(&ids);
    let n = ids.len();
    let factor = nalgebra::DMatrix::from_row_slice(n, n, &correlation).cholesky().map(|c| c.l());
    let factor = factor.unwrap_or_else(|| nalgebra::DMatrix::identity(n, n));
    let drawn = nalgebra::DVector::from_column_slice(&mean) + factor * nalgebra::DVector::from_column_slice(standard);
    let size = (1.0 + mean.iter().map(|m| m * m).sum::<f64>() / n as f64).sqrt();
    drawn.iter().map(|w| w / size).collect()
}

/// A person from a file: what they value, and how they answered.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct PersonFile {
    /// Who.
    #[serde(alias = "id", alias = "name")]
    pub person: String,
    /// Weights of values, in any one unit; values that are absent count as 0.
    pub profile: BTreeMap<String, f64>,
    /// Answers, by the words of the alternatives.
    pub answers: Vec<AnswerFile>,
}

/// One answer in words.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct AnswerFile {
    /// The situation.
    #[serde(default)]
    pub situation: String,
    /// The two alternatives.
    pub alternatives: Vec<String>,
    /// The one chosen: its words, or its place from 0; absent for no preference.
    #[serde(default)]
    pub chosen: Option<Chosen>,
}

/// What was chosen, by its words or its place.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(untagged)]
pub enum Chosen {
    /// Place from 0.
    Place(usize),
    /// The words.
    Words(String),
}

/// Why people could not be read.
#[derive(Debug, thiserror::Error)]
pub enum PersonFileError {
    /// The file could not be read.
    #[error("people's file {} cannot be read", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A line is nobody.
    #[error("people's file {}, line {line}: {problem}; expected {{\"person\": ..., \"profile\": {{\"honesty\": 1.2, ...}}, \"answers\": [{{\"situation\": ..., \"alternatives\": [\"...\", \"...\"], \"chosen\": \"...\"}}, ...]}}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// 1-based line.
        line: usize,
        /// What is wrong.
        problem: String,
    },
}

/// Reads people, one JSON object a line.
///
/// # Errors
/// A file that cannot be read, a line that is nobody, or a profile with a value that is not in `values`.
pub fn load_people(path: &Path, values: &[&str]) -> Result<Vec<PersonFile>, PersonFileError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| PersonFileError::Unreadable { path: path.to_owned(), source })?;
    let wrong = |line: usize, problem: String| PersonFileError::Line { path: path.to_owned(), line, problem };
    let mut people = Vec::new();
    for (index, raw) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        if raw.trim().is_empty() {
            continue;
        }
        let person: PersonFile = serde_json::from_str(raw).map_err(|e| wrong(index + 1, e.to_string()))?;
        if let Some(value) = person.profile.keys().find(|value| !values.contains(&value.as_str())) {
            return Err(wrong(index + 1, format!("there is no value {value:?}; there are {}", values.join(", "))));
        }
        if let Some(answer) = person.answers.iter().find(|a| a.alternatives.len() != 2) {
            return Err(wrong(
                index + 1,
                format!("{} alternatives in an answer; expected 2", answer.alternatives.len()),
            ));
        }
        people.push(person);
    }
    match people.is_empty() {
        true => Err(wrong(1, "there is nobody".into())),
        false => Ok(people),
    }
}

impl PersonFile {
    /// The profile over the instrument's values.
    pub(crate) fn weights(&self, instrument: &Instrument) -> Vec<f64> {
        instrument.names.iter().map(|id| self.profile.get(id).copied().unwrap_or(0.0)).collect()
    }

    /// Outcomes by question, in the order that belief is asked, and how many answers are to nothing that the bank has.
    pub(crate) fn answered(&self, instrument: &Instrument) -> (BTreeMap<QuestionId, usize>, usize) {
        let mut answers = BTreeMap::new();
        let mut unknown = 0;
        for answer in &self.answers {
            let ids: Vec<AlternativeId> = answer
                .alternatives
                .iter()
                .map(|text| AlternativeId::of(answer.situation.trim(), text.trim()))
                .collect();
            let known = ids.iter().all(|id| instrument.keys.contains_key(id));
            let chosen = match &answer.chosen {
                None => Some(None),
                Some(Chosen::Place(place)) => ids.get(*place).map(Some),
                Some(Chosen::Words(words)) => {
                    let place = answer.alternatives.iter().position(|text| text.trim() == words.trim());
                    place.map(|place| Some(&ids[place]))
                }
            };
            match chosen {
                Some(chosen) if known => {
                    let first = ids.iter().min();
                    let outcome = chosen.map_or(2, |chosen| usize::from(Some(chosen) != first));
                    answers.insert(QuestionId::of(&ids), outcome);
                }
                _ => unknown += 1,
            }
        }
        (answers, unknown)
    }
}
