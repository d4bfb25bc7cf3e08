//! One run: a person is asked, a learner learns, and belief is measured against the truth.

use std::collections::BTreeMap;

use credence_memory::belief::normal::cdf;
use credence_memory::belief::simulate::{normals, uniform};
use credence_memory::belief::{
    Context, Location, LocationName, Mixture, Observation, Priors, Question, Settings, regret_bound, score,
};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::bound::{Promise, divergence};
use super::{Cell, Experiment, ExperimentError, LearnerKind};
use crate::person::{Alternative, Kind, LEVELS, PersonSpec, Simulated};

/// Pairs on which a belief is scored.
const HELD_OUT: usize = 120;
/// Alternatives of one decision, and decisions.
const DECISION: (usize, usize) = (5, 20);
/// Bins of predicted probability for calibration.
const BINS: usize = 10;

/// Belief against the truth at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measure {
    /// Questions asked so far.
    pub answers: usize,
    /// Questions answered so far: fewer where the person passes some over.
    pub given: usize,
    /// Expected log loss on held-out choices above that of who knows the person, nats.
    pub excess_nats: f64,
    /// Share of held-out pairs of which the likelier choice is predicted.
    pub accuracy: f64,
    /// Brier score above that of who knows the person.
    pub excess_brier: f64,
    /// Calibration: mean distance of predicted from true probability over ten bins of the predicted one.
    pub calibration_error: f64,
    /// Angle between the expected weights and the person's; nothing while the expectation is zero.
    pub angle_degrees: Option<f64>,
    /// Mean regret of deciding among five by expected utility, in units of the person's signal.
    pub regret: f64,
    /// Share of held-out utility differences inside their 90% interval.
    pub coverage: f64,
    /// Sum of log losses of the answers so far, each predicted before it came.
    pub nats_so_far: f64,
    /// The same for who knows what the person values, and none of their departures from it.
    pub nats_of_truth: f64,
    /// Nats lost so far against the hypothesis that did best in hindsight.
    pub nats_behind_best: f64,
    /// The bound on `nats_so_far`: equation (14) for the person's weights at the start.
    pub bound_nats: f64,
}

/// A finished run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// Where in the grid.
    pub cell: Cell,
    /// Curve.
    pub measures: Vec<Measure>,
    /// Answers needed to converge; nothing when it did not within the questions asked (a censored run).
    pub answers_needed: Option<usize>,
    /// The least excess that weights along the person's own reach, at whatever scale: what a learner of this form cannot do
    /// without, by one-dimensional search.
    pub floor_nats: f64,
    /// From how many answers on the bound promises the target, on average; nothing when it never does.
    pub bound_answers: Option<usize>,
}

/// What is asked: a question and what it is about.
struct Asked {
    kind: Kind,
    first: Alternative,
    second: Alternative,
}

impl Asked {
    fn question(&self) -> Question {
        match self.kind {
            Kind::Choice => Question::choice(self.first.less(&self.second), false),
            Kind::Verdict => graded(&self.first, 2),
            Kind::Rating => graded(&self.first, LEVELS),
        }
    }

    /// Features of what is compared with, for the expected utility of the better.
    fn second(&self, dimension: usize) -> Vec<f64> {
        if self.kind == Kind::Choice { self.second.seen.clone() } else { vec![0.0; dimension] }
    }

    fn ask(&self, person: &mut Simulated, rng: &mut ChaCha8Rng) -> Option<usize> {
        match self.kind {
            Kind::Choice if uniform(rng) < 0.5 => person.choose(&self.first, &self.second, rng),
            Kind::Choice => person.choose(&self.second, &self.first, rng).map(|k| 1 - k),
            Kind::Verdict => person.judge(&self.first, rng),
            Kind::Rating => person.rate(&self.first, rng),
        }
    }
}

/// How readily a person answers each kind of question: who passes one over is offered fewer of its kind.
#[derive(Default)]
struct Willing(BTreeMap<Kind, (usize, usize)>);

impl Willing {
    fn saw(&mut self, kind: Kind, answered: bool) {
        let (asked, given) = self.0.entry(kind).or_default();
        *asked += 1;
        *given += usize::from(answered);
    }

    /// Places in the pool from which the next question is chosen: a kind is offered with the chance that it is answered, estimated
    /// as (given + 1) / (asked + 1), so always for who answers everything. All of them where none would be offered.
    fn offered(&self, pool: &[Asked], rng: &mut ChaCha8Rng) -> Vec<usize> {
        let away: Vec<Kind> = self
            .0
            .iter()
            .filter(|(_, (asked, given))| given < asked && uniform(rng) * (asked + 1) as f64 > (given + 1) as f64)
            .map(|(kind, _)| *kind)
            .collect();
        let offered: Vec<usize> = (0..pool.len()).filter(|&i| !away.contains(&pool[i].kind)).collect();
        if offered.is_empty() { (0..pool.len()).collect() } else { offered }
    }
}

fn graded(alternative: &Alternative, levels: usize) -> Question {
    let features = alternative.seen.clone();
    Question::Graded { error: vec![0.0; features.len()], features, levels, misreading: 0.0, question: None }
}

impl Experiment {
    /// Runs one cell: a function of the experiment and the cell alone.
    ///
    /// # Errors
    /// Settings the engine refuses, or a cell of another experiment.
    pub fn run(&self, cell: &Cell) -> Result<Run, ExperimentError> {
        let spec = self.person.iter().find(|p| p.name == cell.person);
        let spec = spec.ok_or_else(|| ExperimentError::NoPerson(cell.person.clone()))?;
        // One stream each for the person, the questions, the answers and ties: priors, strategies and learners face the same people.
        let stream = |number: u64| {
            let mut rng = ChaCha8Rng::seed_from_u64(cell.seed);
            rng.set_stream(number);
            rng
        };
        let (mut world, mut questions, mut answers, mut ties) = (stream(1), stream(2), stream(3), stream(4));
        let mut person = Simulated::draw(spec, cell.signal, self.dimension, &mut world);
        let valued_at_first = person.weights().to_vec();
        let locations = start(cell, &valued_at_first, &normals(self.dimension, &mut world));
        let priors = Priors {
            locations: locations.iter().map(|(location, _)| location.clone()).collect(),
            scaled: vec![true; self.dimension],
            lattices: Vec::new(),
            component_masses: Vec::new(),
        };
        let settings = match cell.learner {
            LearnerKind::Mixture => self.settings.clone(),
            LearnerKind::SinglePrior => {
                Settings::single(cell.signal, spec.lapse_rate.clamp(0.001, 0.99), self.settings.bands[0])
            }
        };
        let mut belief = Mixture::new(&settings, &priors)?;
        let (mut measures, mut seen): (Vec<Measure>, Vec<Observation>) = (Vec::new(), Vec::new());
        let (mut nats_so_far, mut nats_of_truth, mut square) = (0.0, 0.0, 0.0);
        let mut willing = Willing::default();
        for asked in 0..=self.questions {
            if self.measured_at.contains(&asked) {
                let bound_nats = regret_bound(&settings, &priors, &seen, &valued_at_first)?;
                let lost = Lost { asked, given: seen.len(), nats_so_far, nats_of_truth, bound_nats };
                measures.push(self.measure(&belief, &person, &lost, &mut stream(5)));
            }
            if asked == self.questions {
                break;
            }
            let pool: Vec<Asked> = (0..self.pool)
                .map(|i| Asked {
                    kind: self.kinds[i % self.kinds.len()],
                    first: Alternative::draw(self.dimension, &mut questions),
                    second: Alternative::draw(self.dimension, &mut questions),
                })
                .collect();
            let candidates: Vec<Question> = pool.iter().map(Asked::question).collect();
            let second: Vec<Vec<f64>> = pool.iter().map(|a| a.second(self.dimension)).collect();
            let context = Context { second: &second, ..Context::default() };
            let scores = score(&belief, &candidates, cell.strategy, &context, &mut ties);
            let offered = willing.offered(&pool, &mut ties);
            let pick =
                offered.iter().copied().reduce(|best, i| if scores[i] > scores[best] { i } else { best }).unwrap_or(0);
            let chosen = &pool[pick];
            let known: Vec<f64> = (0..candidates[pick].outcome_count())
                .map(|k| person.answer_probability(chosen.kind, &chosen.first, &chosen.second, k))
                .collect();
            let outcome = chosen.ask(&mut person, &mut answers);
            willing.saw(chosen.kind, outcome.is_some());
            if let Some(outcome) = outcome {
                let observation = candidates[pick].answer(outcome);
                nats_so_far -= belief.observe(&observation)?.ln_predictive;
                nats_of_truth -= known[outcome].max(f64::MIN_POSITIVE).ln();
                let direction = if chosen.kind == Kind::Choice {
                    chosen.first.less(&chosen.second)
                } else {
                    chosen.first.seen.clone()
                };
                square += direction.iter().map(|x| x * x).sum::<f64>();
                seen.push(observation);
            }
        }
        let late = measures.iter().rposition(|m| m.excess_nats > self.target_nats);
        let answers_needed = measures.get(late.map_or(0, |i| i + 1)).map(|m| m.answers);
        let held_out = self.held_out(&person, &mut stream(5));
        let values: Vec<f64> = held_out.iter().map(|pair| pair.valued).collect();
        let promise = Promise {
            settings: &settings,
            locations: &locations,
            w: &valued_at_first,
            lapse_rate: spec.lapse_rate,
            // Differences of features have variance one.
            square: if seen.is_empty() { self.dimension as f64 } else { square / seen.len() as f64 },
            pairs: &values,
            bands_matter: self.kinds.contains(&Kind::Rating),
        };
        Ok(Run {
            cell: cell.clone(),
            measures,
            answers_needed,
            floor_nats: floor(spec, &held_out),
            bound_answers: promise.answers(self.target_nats),
        })
    }

    fn held_out(&self, person: &Simulated, rng: &mut ChaCha8Rng) -> Vec<Pair> {
        let draw = |rng: &mut ChaCha8Rng| Alternative::draw(self.dimension, rng);
        (0..HELD_OUT)
            .map(|_| {
                let (a, b) = (draw(rng), draw(rng));
                let direction = a.less(&b);
                let valued = direction.iter().zip(person.weights()).map(|(x, w)| x * w).sum();
                Pair { truth: person.probability(&a, &b), direction, valued }
            })
            .collect()
    }

    fn measure(&self, belief: &Mixture, person: &Simulated, lost: &Lost, rng: &mut ChaCha8Rng) -> Measure {
        let (mut nats, mut right, mut brier, mut covered) = (0.0, 0, 0.0, 0);
        let mut bins = [(0.0, 0.0); BINS];
        for pair in self.held_out(person, rng) {
            let p = belief.predict(&Question::choice(pair.direction.clone(), false))[0].clamp(1e-12, 1.0 - 1e-12);
            nats += divergence(pair.truth, p);
            right += usize::from((pair.truth > 0.5) == (p > 0.5));
            brier += (pair.truth - p) * (pair.truth - p);
            let bin = &mut bins[((p * BINS as f64) as usize).min(BINS - 1)];
            *bin = (bin.0 + p, bin.1 + pair.truth);
            let (low, high) = belief.functional(&pair.direction).interval(0.9);
            covered += usize::from(low <= pair.valued && pair.valued <= high);
        }
        let mean = belief.mean();
        let lengths = (dot(&mean, &mean) * dot(person.weights(), person.weights())).sqrt();
        let cosine = (lengths > 1e-12).then(|| (dot(&mean, person.weights()) / lengths).clamp(-1.0, 1.0));
        let mut regret = 0.0;
        for _ in 0..DECISION.1 {
            let options: Vec<Alternative> = (0..DECISION.0).map(|_| Alternative::draw(self.dimension, rng)).collect();
            let believed = options.iter().max_by(|a, b| dot(&mean, &a.seen).total_cmp(&dot(&mean, &b.seen)));
            let best = options.iter().map(|a| person.utility(a)).fold(f64::NEG_INFINITY, f64::max);
            regret += best - believed.map_or(best, |a| person.utility(a));
        }
        let n = HELD_OUT as f64;
        let hypotheses = belief.hypotheses();
        let best = hypotheses.iter().map(|h| h.log_marginal_likelihood).fold(f64::NEG_INFINITY, f64::max);
        Measure {
            answers: lost.asked,
            given: lost.given,
            excess_nats: nats / n,
            accuracy: right as f64 / n,
            excess_brier: brier / n,
            calibration_error: bins.iter().map(|(p, truth)| (p - truth).abs()).sum::<f64>() / n,
            angle_degrees: cosine.map(|c| c.acos().to_degrees()),
            regret: regret / DECISION.1 as f64 / person.signal(),
            coverage: covered as f64 / n,
            nats_so_far: lost.nats_so_far,
            nats_of_truth: lost.nats_of_truth,
            nats_behind_best: best + lost.nats_so_far,
            bound_nats: lost.bound_nats,
        }
    }
}

/// What was lost on the way.
struct Lost {
    asked: usize,
    given: usize,
    nats_so_far: f64,
    nats_of_truth: f64,
    bound_nats: f64,
}

/// A held-out choice.
struct Pair {
    /// Probability of the first by who knows the person.
    truth: f64,
    direction: Vec<f64>,
    /// Utility difference as far as features express it.
    valued: f64,
}

fn dot(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(a, b)| a * b).sum()
}

/// Least mean excess of predictions `(1 - eps) Phi(c z) + eps / 2` over scales `c`, the person's own lapse rate known.
fn floor(spec: &PersonSpec, pairs: &[Pair]) -> f64 {
    let excess = |c: f64| {
        let predicted =
            |z: f64| ((1.0 - spec.lapse_rate) * cdf(c * z) + 0.5 * spec.lapse_rate).clamp(1e-12, 1.0 - 1e-12);
        pairs.iter().map(|p| divergence(p.truth, predicted(p.valued))).sum::<f64>() / pairs.len().max(1) as f64
    };
    (0..=60).map(|k| excess(0.025 * f64::from(k))).fold(f64::INFINITY, f64::min)
}

/// The priors of a cell with their variances: the mean turned from the person's values by the angle, in the plane that `other`
/// spans with them.
pub(super) fn start(cell: &Cell, weights: &[f64], other: &[f64]) -> Vec<(Location, f64)> {
    let d = weights.len();
    let unit = |x: Vec<f64>| {
        let length = dot(&x, &x).sqrt().max(1e-12);
        x.into_iter().map(|v| v / length).collect::<Vec<f64>>()
    };
    let own = unit(weights.to_vec());
    let along = dot(&own, other);
    let across = unit(other.iter().zip(&own).map(|(o, w)| o - along * w).collect());
    let (sin, cos) = cell.angle_degrees.to_radians().sin_cos();
    let length = cell.confidence.sqrt();
    let mean = own.iter().zip(&across).map(|(w, o)| length * (cos * w + sin * o)).collect();
    let diagonal = |variance: f64| {
        (0..d).flat_map(|i| (0..=i).map(move |j| if i == j { variance } else { 0.0 })).collect::<Vec<f64>>()
    };
    let flat = 1.0 / d as f64;
    let sure = (1.0 - cell.confidence) * flat;
    let elicited = (Location { name: LocationName::Elicited, mean, covariance: diagonal(sure) }, sure);
    let zero = (Location { name: LocationName::Zero, mean: vec![0.0; d], covariance: diagonal(flat) }, flat);
    match cell.learner {
        LearnerKind::Mixture => vec![zero, elicited],
        LearnerKind::SinglePrior => vec![elicited],
    }
}
