//! Simulated people who are alike in part, and the population that their answers to keyed questions make.

use credence_memory::belief::simulate::{below, normal, normals};
use credence_memory::belief::{
    BeliefError, Channel, Location, LocationName, Observation, Preference, Priors, Question, Settings,
};
use credence_memory::population::{self, Contribution, EvidenceFactor, Moments};
use credence_priors::published::PublishedValues;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::foreseen::factors;
use super::{WeightsOptions, dot};

/// Weights of everybody, by value.
pub(super) struct People {
    pub(super) known: Vec<Vec<f64>>,
    pub(super) newcomers: Vec<Vec<f64>>,
    /// What those who are known were asked, and whether they chose the first.
    answered: Vec<Vec<(usize, bool)>>,
}

impl People {
    pub(super) fn drawn(options: &WeightsOptions, asked: &[Vec<f64>], values: &[String]) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(options.seed);
        let unit = |weights: Vec<f64>| -> Vec<f64> {
            let squares = asked.iter().map(|d| dot(d, &weights).powi(2)).sum::<f64>() / asked.len().max(1) as f64;
            weights.iter().map(|w| w / squares.sqrt().max(1e-9)).collect()
        };
        let mix = |a: &[f64], b: &[f64], share: f64| {
            unit(a.iter().zip(b).map(|(a, b)| (1.0 - share).sqrt() * a + share.sqrt() * b).collect())
        };
        let table = PublishedValues::embedded();
        let worth = unit(values.iter().map(|value| table.worth(value)).collect());
        let common = mix(&unit(normals(values.len(), &mut random)), &worth, options.sense);
        let mut draw = |_| -> Vec<f64> {
            let own = unit(normals(values.len(), &mut random));
            mix(&common, &own, options.spread).into_iter().map(|w| options.signal * w).collect()
        };
        let known: Vec<Vec<f64>> = (0..options.people).map(&mut draw).collect();
        let newcomers = (0..options.newcomers).map(&mut draw).collect();
        let answered = known
            .iter()
            .map(|weights| {
                let mut answer = |_| {
                    let question = below(asked.len(), &mut random);
                    (question, dot(&asked[question], weights) + normal(&mut random) > 0.0)
                };
                (0..options.answers).map(&mut answer).collect()
            })
            .collect();
        Self { known, newcomers, answered }
    }

    /// What those who answered have in common, and how they differ.
    pub(super) fn population(&self, asked: &[Vec<f64>], options: &WeightsOptions) -> Result<Moments, BeliefError> {
        let width = asked.first().map_or(0, Vec::len);
        let square = asked.iter().map(|d| dot(d, d)).sum::<f64>() / asked.len().max(1) as f64;
        let variances = vec![options.signal.powi(2) / square.max(1e-9); width];
        let covariance =
            (0..width).flat_map(|i| (0..=i).map(move |j| (i, j))).map(|(i, j)| if i == j { variances[i] } else { 0.0 });
        let zero =
            Location { name: LocationName::Zero, mean: vec![0.0; width], covariance: covariance.clone().collect() };
        let priors = Priors { locations: vec![zero], scaled: vec![true; width], ..Priors::default() };
        let settings = Settings::default();
        let mut messages = Vec::with_capacity(self.answered.len());
        for answers in &self.answered {
            let observations: Vec<Observation> = answers
                .iter()
                .map(|(question, first)| {
                    let comparison = Question::Comparison {
                        difference: asked[*question].clone(),
                        error: vec![0.0; width],
                        indifference_offered: false,
                        channel: Channel::Choice,
                        misreading: 0.0,
                        question: None,
                    };
                    comparison.answered(if *first { Preference::First } else { Preference::Second })
                })
                .collect();
            messages.push(EvidenceFactor::of(&settings, &priors, &observations)?);
        }
        let from: Vec<Contribution<'_>> =
            messages.iter().map(|message| Contribution { message, weight: 1.0 }).collect();
        Ok(population::learn(&from, &variances))
    }

    /// Log-odds of an answer for each unit of the population's utility, from the answers that were given.
    pub(super) fn slope(&self, asked: &[Vec<f64>], population: &Moments) -> f64 {
        let given: Vec<(Vec<f64>, f64)> = self
            .answered
            .iter()
            .flatten()
            .map(|(question, first)| (vec![dot(&asked[*question], &population.mean)], f64::from(u8::from(*first))))
            .collect();
        factors(&given)[0]
    }
}

/// Standard deviation of the utility of a difference among the population's people.
pub(super) fn spread_of(population: &Moments, difference: &[f64]) -> f64 {
    let width = difference.len();
    let at = |i: usize, j: usize| population.covariance[i.max(j) * (i.max(j) + 1) / 2 + i.min(j)];
    let variance: f64 = (0..width)
        .flat_map(|i| (0..width).map(move |j| (i, j)))
        .map(|(i, j)| difference[i] * at(i, j) * difference[j])
        .sum();
    variance.max(1e-12).sqrt()
}
