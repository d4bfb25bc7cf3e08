//! The language model on the flight task: alone, with the rounds so far in its context, and as the mixture's prior.

use credence_memory::belief::{BeliefError, Location, LocationName, Mixture, Settings};
use credence_priors::{LanguageModel, ModelError, Reading};
use credence_training::flight::{Flight, Words};
use nalgebra::{DMatrix, DVector};
use serde::{Deserialize, Serialize};

use super::learners::{Exact, Learner};
use super::{
    Draws, FEATURES, FLIGHTS, FlightOptions, FlightSet, LEVELS, VARIANCE, draw_set, first_max, people, priors,
};
use crate::estimate::Estimate;
use crate::figures::{Figure, Measured};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// Single flights from which the model's own values are read.
const BANK: usize = 48;

/// Why it could not be run.
#[derive(Debug, thiserror::Error)]
pub enum FlightModelError {
    /// The model.
    #[error("the model could not be asked about flights")]
    Model(#[from] ModelError),
    /// The engine.
    #[error("a belief could not be formed")]
    Belief(#[from] BeliefError),
}

/// What the model seems to value in flights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct FlightPrior {
    /// Mean of the prior over weights: departure, duration, stops, price.
    pub mean: Vec<f64>,
    /// Share of the model's judgement of single flights that the four features explain.
    pub r2: f64,
}

/// One learner's accuracy after each number of answers in [`FlightModelResult::answers`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct FlightModelRow {
    /// Which learner.
    pub learner: String,
    /// Accuracy.
    pub accuracy: Vec<Estimate>,
    /// Accuracy less exact Bayes's, person by person.
    pub difference: Vec<Estimate>,
}

/// The table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct FlightModelResult {
    /// What was run.
    pub options: FlightOptions,
    /// Numbers of answers.
    pub answers: Vec<usize>,
    /// The model's own values.
    pub prior: FlightPrior,
    /// Exact Bayes (the ceiling) first, then the model alone (the baseline), then ours.
    pub rows: Vec<FlightModelRow>,
}

impl Measured for FlightModelResult {
    fn figures(&self) -> Vec<Figure> {
        let of = |row: &FlightModelRow| {
            super::beside_exact("random questions", &row.learner, &self.answers, &row.accuracy, &row.difference)
        };
        let mut figures: Vec<Figure> = self.rows.iter().flat_map(of).collect();
        let mut own =
            |measure: &str, value| figures.push(Figure::bare("single flights", "the model", "", measure, value));
        for (feature, mean) in ["departure", "duration", "stops", "price"].iter().zip(&self.prior.mean) {
            own(&format!("prior weight of {feature}"), *mean);
        }
        own("share of its judgement that features explain", self.prior.r2);
        figures
    }
}

fn text(flight: &[f64; FEATURES]) -> String {
    let levels = std::array::from_fn(|k| (flight[k] * (LEVELS[k] - 1) as f64).round() as u8);
    Flight(levels).text(Words::Full)
}

fn show(set: &FlightSet) -> String {
    let lines: Vec<String> =
        set.iter().enumerate().map(|(k, flight)| format!("Flight {}: {}\n", k + 1, text(flight))).collect();
    lines.concat() + "The person chose flight #"
}

/// Reads what the model makes of single flights, and regresses it on their features.
fn elicit(model: &mut dyn LanguageModel, seed: u64) -> Result<FlightPrior, ModelError> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(u64::MAX - 1);
    let flights: Vec<[f64; FEATURES]> = (0..BANK).map(|_| draw_set(&mut rng)[0]).collect();
    let poles = [[" good", " bad"], [" great", " terrible"], [" convenient", " inconvenient"]];
    let readings: Vec<Reading> = flights
        .iter()
        .map(|f| Reading {
            prompt: format!("Flight: {}\nThis flight is", text(f)),
            continuations: poles.iter().flatten().map(|s| (*s).to_owned()).collect(),
        })
        .collect();
    let said = model.read(&readings)?;
    let y = DVector::from_iterator(
        BANK,
        said.iter().map(|r| r.ln_p.chunks_exact(2).map(|p| p[0] - p[1]).sum::<f64>() / poles.len() as f64),
    );
    let y = &y - DVector::repeat(BANK, y.mean());
    let mut x = DMatrix::from_fn(BANK, FEATURES, |i, k| flights[i][k]);
    for k in 0..FEATURES {
        let mean = x.column(k).mean();
        x.column_mut(k).add_scalar_mut(-mean);
    }
    let b = (x.transpose() * &x + DMatrix::identity(FEATURES, FEATURES) * 1e-3)
        .try_inverse()
        .map_or_else(|| DVector::zeros(FEATURES), |inverse| inverse * x.transpose() * &y);
    let left = (&y - &x * &b).norm_squared();
    let r2 = if y.norm_squared() > 0.0 { (1.0 - left / y.norm_squared()).max(0.0) } else { 0.0 };
    // People's weights have this mean square; the model gets half of it, times what it is itself sure of.
    let length = (0.5 * r2 * VARIANCE * FEATURES as f64).sqrt();
    let norm = b.norm().max(1e-12);
    Ok(FlightPrior { mean: b.iter().map(|b| length * b / norm).collect(), r2 })
}

/// Runs the task with random questions; `done` is told people done and people in all. The model reads, for each person and
/// number of answers, every held-out set after the rounds so far.
///
/// # Errors
/// If the model cannot be asked.
pub fn run(
    model: &mut dyn LanguageModel,
    options: &FlightOptions,
    settings: &Settings,
    answers: &[usize],
    done: &mut dyn FnMut(usize, usize),
) -> Result<FlightModelResult, FlightModelError> {
    let everyone = people();
    let count = options.people.clamp(1, everyone.len());
    let prior = elicit(model, options.seed)?;
    let mut with_prior = priors(false);
    let spared = 1.0 - prior.mean.iter().map(|m| m * m).sum::<f64>() / (VARIANCE * FEATURES as f64);
    let covariance = with_prior.locations[0].covariance.iter().map(|v| v * spared).collect();
    with_prior.locations.push(Location { name: LocationName::Elicited, mean: prior.mean.clone(), covariance });
    let flat = Mixture::new(settings, &priors(false))?;
    let informed = Mixture::new(settings, &with_prior)?;
    let names = ["exact Bayes", "the model alone", "mixture, flat", "mixture, the model's prior beside a flat one"];
    let mut right: Vec<Vec<Vec<f64>>> = vec![vec![Vec::new(); answers.len()]; names.len()];
    for i in 0..count {
        let number = i * everyone.len() / count;
        let w = &everyone[number];
        let draws = Draws::new(w, number, options);
        let mut learners: [Box<dyn Learner>; 3] = [
            Box::new(Exact::new(&everyone, options.random_answers)),
            Box::new(flat.clone()),
            Box::new(informed.clone()),
        ];
        let mut so_far = String::new();
        for asked in 0..=options.rounds {
            if let Some(column) = answers.iter().position(|n| *n == asked) {
                let share = |hits: usize| hits as f64 / draws.held_out.len() as f64;
                for (row, learner) in [0, 2, 3].into_iter().zip(&learners) {
                    let hits = draws.held_out.iter().filter(|(set, pick)| first_max(&learner.predict(set)) == *pick);
                    right[row][column].push(share(hits.count()));
                }
                let readings: Vec<Reading> = draws
                    .held_out
                    .iter()
                    .map(|(set, _)| Reading {
                        prompt: format!("{so_far}{}", show(set)),
                        continuations: (1..=FLIGHTS).map(|k| k.to_string()).collect(),
                    })
                    .collect();
                let said = model.read(&readings)?;
                let hits = said.iter().zip(&draws.held_out).filter(|(r, (_, pick))| first_max(&r.ln_p) == *pick);
                right[1][column].push(share(hits.count()));
            }
            if let Some(round) = draws.rounds.get(asked) {
                let set = &round.pool[0];
                let pick = round.answer(w, set, options.random_answers);
                for learner in &mut learners {
                    learner.learn(set, pick)?;
                }
                so_far += &format!("{}{}\n", show(set), pick + 1);
            }
        }
        done(i + 1, count);
    }
    let rows = names
        .iter()
        .zip(&right)
        .map(|(name, columns)| FlightModelRow {
            learner: (*name).to_owned(),
            accuracy: columns.iter().map(|c| Estimate::bootstrap(c, options.seed)).collect(),
            difference: columns
                .iter()
                .zip(&right[0])
                .map(|(c, exact)| Estimate::paired(c, exact, options.seed))
                .collect(),
        })
        .collect();
    Ok(FlightModelResult { options: options.clone(), answers: answers.to_vec(), prior, rows })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figures;
    use credence_priors::scripted::Scripted;

    #[test]
    fn a_model_that_likes_cheap_flights_is_read_and_one_that_guesses_guesses() -> Result<(), FlightModelError> {
        // Prices that begin with $1 or $2 are cheap: "price: $1" is 100, 190 and 1000, so one in four of those is wrong.
        let mut model = Scripted::hashed(2).with_noise(0.05);
        for phrase in ["price: $2", "price: $3"] {
            model = model.with_tilt(phrase, "good", 2.0).with_tilt(phrase, "great", 2.0);
        }
        let prior = elicit(&mut model, 1)?;
        assert!(prior.mean[3] < -0.1, "{prior:?}");
        let options = FlightOptions { people: 12, rounds: 2, held_out: 8, ..FlightOptions::default() };
        let settings = Settings { signal_scales: vec![16.0], ..super::super::settings() };
        let result = run(&mut model, &options, &settings, &[0, 2], &mut |_, _| ())?;
        assert_eq!(result, run(&mut model, &options, &settings, &[0, 2], &mut |_, _| ())?);
        let alone = result.rows[1].accuracy[1];
        // 96 guesses among three: .333, standard deviation .048; ties make some sets easier.
        assert!((0.12..0.6).contains(&alone.mean), "{alone}");
        assert!(result.rows[0].accuracy[1].mean > alone.mean);
        let figures = figures::kept(&result);
        assert_eq!(figures.len(), 4 * 2 * 2 + 4 + 1);
        let kept = figures::of(&figures, ["random questions", "the model alone", "2 answers", "accuracy"]);
        assert_eq!((kept.mean, kept.low, kept.high), (alone.mean, Some(alone.low), Some(alone.high)));
        Ok(())
    }
}
