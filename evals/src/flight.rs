//! The flight task: how close the mixture comes to exact Bayes where exact Bayes can be computed.
//!
//! 624 people with weights on a lattice pick the best of three flights. After each round a learner predicts the person's pick
//! on held-out sets. Exact Bayes sums over all 624; it is the ceiling.

mod learners;
pub mod model;

use credence_memory::belief::simulate::{below, normals, uniform};
use credence_memory::belief::{BeliefError, Lattice, Location, LocationName, Mixture, Priors, Settings};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::estimate::Estimate;
use crate::figures::{Figure, Measured};
use learners::{Exact, Learner, Pairs};

/// Departure time, duration, stops, price.
pub const FEATURES: usize = 4;
/// Flights in a set.
pub const FLIGHTS: usize = 3;
/// Levels of each feature, evenly spaced over [0, 1].
const LEVELS: [usize; FEATURES] = [11, 11, 3, 11];
/// Variance of a weight over the lattice.
const VARIANCE: f64 = 0.5;
/// Utilities this close are ties: the grid's steps are .025 and more.
const TIE: f64 = 1e-9;

/// Three flights.
pub type FlightSet = [[f64; FEATURES]; FLIGHTS];

/// What to run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FlightOptions {
    /// How many of the 624 people, evenly spread; all when 624 or more.
    pub people: usize,
    /// Seed of every draw.
    pub seed: u64,
    /// Questions each person answers.
    pub rounds: usize,
    /// Held-out sets of each person.
    pub held_out: usize,
    /// Candidate sets to choose each question from by information gain; 1 asks at random.
    pub pool: usize,
    /// Share of answers that are random. The exact learner is told it, the mixture is not.
    pub random_answers: f64,
    /// Also run the mixture with the lattice among its hypotheses.
    pub lattice: bool,
    /// Also run exact Bayes under the mixture's Gaussian prior, by so many draws; 0 leaves it out. It shows what not knowing the
    /// lattice costs, whoever does the sums.
    pub gaussian_draws: usize,
}

impl Default for FlightOptions {
    fn default() -> Self {
        Self {
            people: 624,
            seed: 1,
            rounds: 5,
            held_out: 100,
            pool: 1,
            random_answers: 0.0,
            lattice: false,
            gaussian_draws: 0,
        }
    }
}

/// One learner's accuracy over rounds, beside the ceiling's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct LearnerResult {
    /// Which learner.
    pub learner: String,
    /// Accuracy after 0, 1, ... answers.
    pub accuracy: Vec<Estimate>,
    /// Accuracy less exact Bayes's, person by person.
    pub difference: Vec<Estimate>,
}

/// The task's results.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct FlightResult {
    /// What was run.
    pub options: FlightOptions,
    /// The mixture's settings.
    #[schema(value_type = credence_memory::EngineSettings)]
    pub settings: Settings,
    /// People.
    pub people: usize,
    /// Exact Bayes (the ceiling) first, then the baseline, then ours.
    pub learners: Vec<LearnerResult>,
}

impl Measured for FlightResult {
    fn figures(&self) -> Vec<Figure> {
        let options = &self.options;
        let questions = if options.pool > 1 { "chosen questions" } else { "random questions" };
        let data = if options.random_answers > 0.0 {
            format!("{questions}, {:.0}% of answers random", 100.0 * options.random_answers)
        } else {
            questions.to_owned()
        };
        let answers: Vec<usize> = (0..=options.rounds).collect();
        let of = |l: &LearnerResult| beside_exact(&data, &l.learner, &answers, &l.accuracy, &l.difference);
        self.learners.iter().flat_map(of).collect()
    }
}

/// A learner's accuracy, and how far it is from exact Bayes's.
fn beside_exact(
    data: &str,
    learner: &str,
    answers: &[usize],
    accuracy: &[Estimate],
    difference: &[Estimate],
) -> Vec<Figure> {
    let less = "accuracy less exact Bayes's";
    Figure::by_answers(data, learner, "accuracy", answers, accuracy)
        .chain(Figure::by_answers(data, learner, less, answers, difference))
        .collect()
}

/// All 624 weight vectors.
pub fn people() -> Vec<[f64; FEATURES]> {
    let level = |i: usize| (i as f64 - 2.0) / 2.0;
    (0..5usize.pow(FEATURES as u32))
        .map(|i| [level(i / 125), level(i / 25 % 5), level(i / 5 % 5), level(i % 5)])
        .filter(|w| w.iter().any(|x| *x != 0.0))
        .collect()
}

/// The mixture's settings on this task: people here are nearly noiseless, so the grid of scales reaches far up, and the true
/// rate of random answers is none of the rates in it.
pub fn settings() -> Settings {
    Settings {
        signal_scales: vec![4.0, 16.0, 64.0],
        lapse_rates: vec![0.001, 0.1, 0.3],
        bands: vec![0.3],
        slow_drift_weight: 0.0,
        ..Settings::default()
    }
}

/// Independent weights of the lattice's own variance, one half; with the lattice itself where asked for.
fn priors(lattice: bool) -> Priors {
    let covariance = (0..FEATURES).flat_map(|i| (0..=i).map(move |j| if i == j { VARIANCE } else { 0.0 })).collect();
    let zero = Location { name: LocationName::Zero, mean: vec![0.0; FEATURES], covariance };
    let atoms: Vec<Vec<f64>> = people().iter().map(|w| w.to_vec()).collect();
    let masses = vec![1.0; atoms.len()];
    let lattices = if lattice { vec![Lattice { name: LocationName::Lattice(0), atoms, masses }] } else { Vec::new() };
    Priors { locations: vec![zero], scaled: vec![true; FEATURES], lattices, component_masses: Vec::new() }
}

fn draw_set(rng: &mut impl Rng) -> FlightSet {
    std::array::from_fn(|_| std::array::from_fn(|k| below(LEVELS[k], rng) as f64 / (LEVELS[k] - 1) as f64))
}

/// Probability of each pick by a person without noise: ties are split.
fn picks(w: &[f64; FEATURES], set: &FlightSet) -> [f64; FLIGHTS] {
    let u = set.map(|flight| flight.iter().zip(w).map(|(x, w)| x * w).sum::<f64>());
    let top = u.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let best = u.map(|u| f64::from(u8::from(u >= top - TIE)));
    let count: f64 = best.iter().sum();
    best.map(|b| b / count)
}

fn draw_pick(p: &[f64; FLIGHTS], u: f64) -> usize {
    let mut sum = 0.0;
    p.iter()
        .position(|p| {
            sum += p;
            u < sum
        })
        .unwrap_or(FLIGHTS - 1)
}

/// Everything random about one person's run, drawn before any learner starts, so that all face the same.
struct Draws {
    held_out: Vec<(FlightSet, usize)>,
    rounds: Vec<Round>,
}

struct Round {
    pool: Vec<FlightSet>,
    tie: f64,
    lapse: f64,
    random_pick: usize,
}

impl Draws {
    fn new(w: &[f64; FEATURES], number: usize, options: &FlightOptions) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(options.seed);
        rng.set_stream(number as u64);
        let held_out = (0..options.held_out)
            .map(|_| {
                let set = draw_set(&mut rng);
                (set, draw_pick(&picks(w, &set), uniform(&mut rng)))
            })
            .collect();
        let rounds = (0..options.rounds)
            .map(|_| Round {
                pool: (0..options.pool.max(1)).map(|_| draw_set(&mut rng)).collect(),
                tie: uniform(&mut rng),
                lapse: uniform(&mut rng),
                random_pick: below(FLIGHTS, &mut rng),
            })
            .collect();
        Self { held_out, rounds }
    }
}

impl Round {
    fn answer(&self, w: &[f64; FEATURES], set: &FlightSet, random_answers: f64) -> usize {
        if self.lapse < random_answers { self.random_pick } else { draw_pick(&picks(w, set), self.tie) }
    }
}

fn first_max(x: &[f64]) -> usize {
    x.iter().enumerate().fold(0, |best, (i, v)| if *v > x[best] { i } else { best })
}

/// Accuracy after each number of answers.
fn run_one(
    learner: &mut dyn Learner,
    w: &[f64; FEATURES],
    draws: &Draws,
    random_answers: f64,
) -> Result<Vec<f64>, BeliefError> {
    let accuracy = |learner: &dyn Learner| {
        let right = draws.held_out.iter().filter(|(set, pick)| first_max(&learner.predict(set)) == *pick).count();
        right as f64 / draws.held_out.len() as f64
    };
    let mut out = vec![accuracy(learner)];
    for round in &draws.rounds {
        let set = &round.pool[if round.pool.len() > 1 { learner.choose(&round.pool) } else { 0 }];
        learner.learn(set, round.answer(w, set, random_answers))?;
        out.push(accuracy(learner));
    }
    Ok(out)
}

/// Runs the task; `done` is called once for each person that is through.
///
/// # Errors
/// None that is expected: the engine refusing a set of flights.
pub fn run(
    options: &FlightOptions,
    settings: &Settings,
    done: &(dyn Fn() + Sync),
) -> Result<FlightResult, BeliefError> {
    let everyone = people();
    let count = options.people.clamp(1, everyone.len());
    let plain = Mixture::new(settings, &priors(false))?;
    let with_lattice = options.lattice.then(|| Mixture::new(settings, &priors(true))).transpose()?;
    let mut rng = ChaCha8Rng::seed_from_u64(options.seed);
    rng.set_stream(u64::MAX);
    let drawn: Vec<[f64; FEATURES]> = (0..options.gaussian_draws)
        .map(|_| {
            let z = normals(FEATURES, &mut rng);
            std::array::from_fn(|k| VARIANCE.sqrt() * z[k])
        })
        .collect();
    let rows: Vec<Vec<Vec<f64>>> = (0..count)
        .into_par_iter()
        .map(|i| {
            let number = i * everyone.len() / count;
            let w = &everyone[number];
            let draws = Draws::new(w, number, options);
            let learn = |learner: &mut dyn Learner| run_one(learner, w, &draws, options.random_answers);
            let mut row = vec![
                learn(&mut Exact::new(&everyone, options.random_answers))?,
                learn(&mut Pairs::new(options.random_answers)?)?,
                learn(&mut plain.clone())?,
            ];
            if let Some(start) = &with_lattice {
                row.push(learn(&mut start.clone())?);
            }
            if !drawn.is_empty() {
                row.push(learn(&mut Exact::new(&drawn, options.random_answers))?);
            }
            done();
            Ok(row)
        })
        .collect::<Result<_, BeliefError>>()?;
    let mut names = vec!["exact Bayes", "one Gaussian, pairs, random questions", "mixture"];
    names.extend(with_lattice.is_some().then_some("mixture with the lattice"));
    names.extend((!drawn.is_empty()).then_some("exact Bayes, Gaussian prior"));
    let column = |learner: usize, round: usize| rows.iter().map(|row| row[learner][round]).collect::<Vec<f64>>();
    let learners = (0..rows[0].len())
        .map(|l| LearnerResult {
            learner: names[l].to_owned(),
            accuracy: (0..=options.rounds).map(|r| Estimate::bootstrap(&column(l, r), options.seed)).collect(),
            difference: (0..=options.rounds)
                .map(|r| Estimate::paired(&column(l, r), &column(0, r), options.seed))
                .collect(),
        })
        .collect();
    Ok(FlightResult { options: options.clone(), settings: settings.clone(), people: count, learners })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_624_people_and_ties_are_split() {
        assert_eq!(people().len(), 624);
        let set = [[0.5, 0.0, 0.0, 0.0], [0.5, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0]];
        assert_eq!(picks(&[1.0, 0.0, 0.0, 0.0], &set), [0.5, 0.5, 0.0]);
        assert_eq!(picks(&[0.0, 0.0, 1.0, 0.0], &set), [0.0, 0.0, 1.0]);
    }

    #[test]
    fn a_few_people_give_the_same_figures_twice_and_learning_helps() {
        let options = FlightOptions { people: 24, rounds: 3, held_out: 40, ..FlightOptions::default() };
        let one = run(&options, &settings(), &|| ()).expect("sound sets");
        let two = run(&options, &settings(), &|| ()).expect("sound sets");
        assert_eq!(one, two, "a function of its options, whatever the number of threads");
        for learner in &one.learners {
            assert!(learner.accuracy[3].mean > learner.accuracy[0].mean + 0.1, "{learner:?}");
        }
        assert_eq!(one.learners[0].difference[3].mean, 0.0);
        let figures = crate::figures::kept(&one);
        let last = &one.learners[one.learners.len() - 1];
        let kept = crate::figures::of(&figures, ["random questions", &last.learner, "3 answers", "accuracy"]);
        assert_eq!((figures.len(), kept.mean), (one.learners.len() * 4 * 2, last.accuracy[3].mean));
    }
}
