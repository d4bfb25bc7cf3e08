//! Convergence experiments: a grid over priors, people, strategies and learners, stated in one TOML file.

use std::collections::BTreeSet;

use credence_memory::belief::information::{Context, score};
use credence_memory::belief::simulate::{normals, uniform};
use credence_memory::belief::{
    BeliefError, ENGINE_VERSION, Location, LocationName, Mixture, Priors, Question, Settings, Strategy,
};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::person::{Alternative, Kind, PersonSpec, Respondent, Simulated};

/// Pairs on which a belief is scored.
const HELD_OUT: usize = 120;
/// Alternatives of one decision, and decisions.
const DECISION: (usize, usize) = (5, 20);

/// Why an experiment could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ExperimentError {
    /// Not TOML, or not of this form.
    #[error("{0}")]
    Parse(#[from] toml::de::Error),
    /// A value out of range.
    #[error("{0}")]
    Value(String),
    /// The engine refused the settings or a prior.
    #[error("a belief could not be formed")]
    Belief(#[from] BeliefError),
}

/// A kind of start: the prior's mean stands at an angle to what the person values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PriorSpec {
    /// What it is called in tables.
    pub name: String,
    /// Angle between the prior's mean and the person's values: 0 is right, 90 knows nothing, 180 is reversed. Several make several.
    pub angle_degrees: Vec<f64>,
    /// Share of the prior's second moment that is in its mean, in [0, 1): 0 is flat, .95 is sure of itself. Several make several.
    pub confidence: Vec<f64>,
}

/// Who learns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LearnerKind {
    /// The mixture of hypotheses: the prior beside a flat one, signal and lapses inferred.
    Mixture,
    /// The prior alone, told the person's own signal and lapse rate.
    SinglePrior,
}

impl LearnerKind {
    /// Its name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mixture => "mixture",
            Self::SinglePrior => "single prior",
        }
    }
}

/// An experiment, as its file states it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Experiment {
    /// Its name.
    pub name: String,
    /// What it shows, in a sentence or two.
    pub about: String,
    /// Number of weights.
    pub dimension: usize,
    /// Answers each person is asked for.
    pub questions: usize,
    /// Candidates each question is chosen from.
    #[serde(default = "default_pool")]
    pub pool: usize,
    /// Kinds of questions among the candidates.
    #[serde(default = "choices_only")]
    pub kinds: Vec<Kind>,
    /// Numbers of answers at which belief is measured.
    pub measured_at: Vec<usize>,
    /// Converged: the excess log loss is at most this (nats an answer) from here on.
    pub target_nats: f64,
    /// Seeds: simulated people of each cell.
    pub seeds: Vec<u64>,
    /// How questions are chosen.
    pub strategies: Vec<Strategy>,
    /// Who learns.
    pub learners: Vec<LearnerKind>,
    /// The mixture's settings.
    #[serde(default)]
    pub settings: Settings,
    /// Starts.
    pub prior: Vec<PriorSpec>,
    /// People.
    pub person: Vec<PersonSpec>,
}

fn default_pool() -> usize {
    24
}

fn choices_only() -> Vec<Kind> {
    vec![Kind::Choice]
}

/// One point of the grid, for one seed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cell {
    /// The prior's name.
    pub prior: String,
    /// Its angle.
    pub angle_degrees: f64,
    /// Its confidence.
    pub confidence: f64,
    /// The person's name.
    pub person: String,
    /// The person's signal.
    pub signal: f64,
    /// Strategy.
    pub strategy: Strategy,
    /// Learner.
    pub learner: LearnerKind,
    /// Seed.
    pub seed: u64,
}

/// Belief against the truth at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measure {
    /// Answers so far.
    pub answers: usize,
    /// Expected log loss on held-out choices above that of who knows the person, nats.
    pub excess_nats: f64,
    /// Share of held-out pairs of which the likelier choice is predicted.
    pub accuracy: f64,
    /// Brier score above that of who knows the person.
    pub excess_brier: f64,
    /// Angle between the expected weights and the person's; nothing while the expectation is zero.
    pub angle_degrees: Option<f64>,
    /// Mean regret of deciding among five by expected utility, in units of the person's signal.
    pub regret: f64,
    /// Share of held-out utility differences inside their 90% interval.
    pub coverage: f64,
    /// Sum of log losses of the answers so far, each predicted before it came.
    pub nats_so_far: f64,
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
}

/// First line of a results file: all that the runs depend on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Provenance {
    /// The experiment's file, as it was.
    pub file: String,
    /// Version of this package.
    pub version: String,
    /// Version of the engine.
    pub engine_version: u32,
}

impl Provenance {
    /// Of a file under this build.
    pub fn of(file: &str) -> Self {
        Self { file: file.to_owned(), version: env!("CARGO_PKG_VERSION").to_owned(), engine_version: ENGINE_VERSION }
    }
}

/// The experiments that ship with the program: name and file.
pub const BUILT_IN: [(&str, &str); 3] = [
    ("starts", include_str!("../experiments/starts.toml")),
    ("region", include_str!("../experiments/region.toml")),
    ("failures", include_str!("../experiments/failures.toml")),
];

impl Experiment {
    /// Reads and checks an experiment.
    ///
    /// # Errors
    /// Anything that does not parse or cannot be run; the message says which entry.
    pub fn parse(text: &str) -> Result<Self, ExperimentError> {
        let experiment: Self = toml::from_str(text)?;
        match experiment.fault() {
            Some(fault) => Err(ExperimentError::Value(fault)),
            None => Ok(experiment),
        }
    }

    fn fault(&self) -> Option<String> {
        let empty = [
            ("kinds", self.kinds.is_empty()),
            ("measured_at", self.measured_at.is_empty()),
            ("seeds", self.seeds.is_empty()),
            ("strategies", self.strategies.is_empty()),
            ("learners", self.learners.is_empty()),
            ("prior", self.prior.is_empty()),
            ("person", self.person.is_empty()),
        ];
        if let Some((what, _)) = empty.iter().find(|(_, empty)| *empty) {
            return Some(format!("{what} must have at least one entry"));
        }
        if !(2..=500).contains(&self.dimension) || self.pool == 0 || self.questions == 0 {
            return Some("dimension must lie in 2 to 500; pool and questions must be at least 1".into());
        }
        if !self.measured_at.is_sorted() || self.measured_at.last().is_some_and(|n| *n > self.questions) {
            return Some("measured_at must ascend and not exceed questions".into());
        }
        if !(self.target_nats.is_finite() && self.target_nats > 0.0) {
            return Some("target_nats must be a positive number".into());
        }
        if self.strategies.contains(&Strategy::ValueOfInformation) {
            return Some("value_of_information needs a decision, which an experiment has not".into());
        }
        let mut names = BTreeSet::new();
        for name in self.prior.iter().map(|p| ("prior", &p.name)).chain(self.person.iter().map(|p| ("person", &p.name)))
        {
            if !names.insert(name) {
                return Some(format!("{} {:?} is given twice", name.0, name.1));
            }
        }
        for p in &self.prior {
            let angles = p.angle_degrees.iter().all(|a| (0.0..=180.0).contains(a)) && !p.angle_degrees.is_empty();
            let shares = p.confidence.iter().all(|c| (0.0..1.0).contains(c)) && !p.confidence.is_empty();
            if !angles || !shares {
                let name = &p.name;
                return Some(format!("prior {name:?}: angle_degrees must lie in [0, 180], confidence in [0, 1)"));
            }
        }
        self.person.iter().find_map(PersonSpec::fault)
    }

    /// The whole grid, in a fixed order.
    pub fn cells(&self) -> Vec<Cell> {
        let mut cells = Vec::new();
        for person in &self.person {
            for &signal in &person.signal {
                for prior in &self.prior {
                    for &confidence in &prior.confidence {
                        for &angle_degrees in &prior.angle_degrees {
                            for &strategy in &self.strategies {
                                for &learner in &self.learners {
                                    cells.extend(self.seeds.iter().map(|&seed| Cell {
                                        prior: prior.name.clone(),
                                        angle_degrees,
                                        confidence,
                                        person: person.name.clone(),
                                        signal,
                                        strategy,
                                        learner,
                                        seed,
                                    }));
                                }
                            }
                        }
                    }
                }
            }
        }
        cells
    }

    /// Runs one cell: a function of the experiment and the cell alone.
    ///
    /// # Errors
    /// Settings the engine refuses, or a cell of another experiment.
    pub fn run(&self, cell: &Cell) -> Result<Run, ExperimentError> {
        let spec = self.person.iter().find(|p| p.name == cell.person);
        let spec = spec.ok_or_else(|| ExperimentError::Value(format!("no person {:?}", cell.person)))?;
        // One stream each for the person, the questions, the answers and ties: priors, strategies and learners face the same people.
        let stream = |number: u64| {
            let mut rng = ChaCha8Rng::seed_from_u64(cell.seed);
            rng.set_stream(number);
            rng
        };
        let (mut world, mut questions, mut answers, mut ties) = (stream(1), stream(2), stream(3), stream(4));
        let mut person = Simulated::draw(spec, cell.signal, self.dimension, &mut world);
        let priors = start(cell, person.weights(), &normals(self.dimension, &mut world));
        let settings = match cell.learner {
            LearnerKind::Mixture => self.settings.clone(),
            LearnerKind::SinglePrior => Settings::single(cell.signal, spec.lapse_rate.clamp(0.001, 0.99), 0.3),
        };
        let mut belief = Mixture::new(&settings, &priors)?;
        let mut measures = Vec::new();
        let mut nats_so_far = 0.0;
        for asked in 0..=self.questions {
            if self.measured_at.contains(&asked) {
                measures.push(self.measure(&belief, &person, asked, nats_so_far, &mut stream(5)));
            }
            if asked == self.questions {
                break;
            }
            let pool: Vec<(Kind, Alternative, Alternative)> = (0..self.pool)
                .map(|i| {
                    let draw = |rng: &mut ChaCha8Rng| Alternative::draw(self.dimension, rng);
                    (self.kinds[i % self.kinds.len()], draw(&mut questions), draw(&mut questions))
                })
                .collect();
            let asked: Vec<Question> = pool.iter().map(|(kind, a, b)| question(*kind, a, b)).collect();
            let second: Vec<Vec<f64>> = pool
                .iter()
                .map(|(kind, _, b)| if *kind == Kind::Choice { b.seen.clone() } else { vec![0.0; self.dimension] })
                .collect();
            let context = Context { second: &second, ..Context::default() };
            let scores = score(&belief, &asked, cell.strategy, &context, &mut ties);
            let pick = (1..scores.len()).fold(0, |best, i| if scores[i] > scores[best] { i } else { best });
            let (kind, a, b) = &pool[pick];
            let said = match kind {
                Kind::Choice if uniform(&mut answers) < 0.5 => person.choose(a, b, &mut answers),
                Kind::Choice => person.choose(b, a, &mut answers).map(|k| 1 - k),
                Kind::Verdict => person.judge(a, &mut answers),
            };
            if let Some(outcome) = said {
                nats_so_far -= belief.observe(&asked[pick].answer(outcome))?.ln_predictive;
            }
        }
        let late = measures.iter().rposition(|m| m.excess_nats > self.target_nats);
        let answers_needed = measures.get(late.map_or(0, |i| i + 1)).map(|m| m.answers);
        Ok(Run { cell: cell.clone(), measures, answers_needed })
    }

    fn measure(
        &self,
        belief: &Mixture,
        person: &Simulated,
        answers: usize,
        nats_so_far: f64,
        rng: &mut ChaCha8Rng,
    ) -> Measure {
        let draw = |rng: &mut ChaCha8Rng| Alternative::draw(self.dimension, rng);
        let (mut nats, mut right, mut brier, mut covered) = (0.0, 0, 0.0, 0);
        for _ in 0..HELD_OUT {
            let (a, b) = (draw(rng), draw(rng));
            let truth = person.probability(&a, &b);
            let p = belief.predict(&question(Kind::Choice, &a, &b))[0].clamp(1e-12, 1.0 - 1e-12);
            nats += divergence(truth, p);
            right += usize::from((truth > 0.5) == (p > 0.5));
            brier += (truth - p) * (truth - p);
            let (low, high) = belief.functional(&a.less(&b)).interval(0.9);
            let seen: f64 = person.weights().iter().zip(a.less(&b)).map(|(w, x)| w * x).sum();
            covered += usize::from(low <= seen && seen <= high);
        }
        let mean = belief.mean();
        let dot = |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(a, b)| a * b).sum::<f64>();
        let lengths = (dot(&mean, &mean) * dot(person.weights(), person.weights())).sqrt();
        let cosine = (lengths > 1e-12).then(|| (dot(&mean, person.weights()) / lengths).clamp(-1.0, 1.0));
        let mut regret = 0.0;
        for _ in 0..DECISION.1 {
            let options: Vec<Alternative> = (0..DECISION.0).map(|_| draw(rng)).collect();
            let believed = options.iter().max_by(|a, b| dot(&mean, &a.seen).total_cmp(&dot(&mean, &b.seen)));
            let best = options.iter().map(|a| person.utility(a)).fold(f64::NEG_INFINITY, f64::max);
            regret += best - believed.map_or(best, |a| person.utility(a));
        }
        let n = HELD_OUT as f64;
        let signal = person.signal();
        Measure {
            answers,
            excess_nats: nats / n,
            accuracy: right as f64 / n,
            excess_brier: brier / n,
            angle_degrees: cosine.map(|c| c.acos().to_degrees()),
            regret: regret / DECISION.1 as f64 / signal,
            coverage: covered as f64 / n,
            nats_so_far,
        }
    }
}

fn question(kind: Kind, a: &Alternative, b: &Alternative) -> Question {
    match kind {
        Kind::Choice => Question::choice(a.less(b), false),
        Kind::Verdict => Question::Graded {
            features: a.seen.clone(),
            error: vec![0.0; a.seen.len()],
            levels: 2,
            misreading: 0.0,
            question: None,
        },
    }
}

/// Kullback-Leibler divergence of two coins, nats.
fn divergence(truth: f64, p: f64) -> f64 {
    let term = |t: f64, p: f64| if t > 0.0 { t * (t / p).ln() } else { 0.0 };
    (term(truth, p) + term(1.0 - truth, 1.0 - p)).max(0.0)
}

/// The priors of a cell: the mean turned from the person's values by the angle, in the plane that `other` spans with them.
fn start(cell: &Cell, weights: &[f64], other: &[f64]) -> Priors {
    let d = weights.len();
    let dot = |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(a, b)| a * b).sum::<f64>();
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
    let share = 1.0 / d as f64;
    let elicited =
        Location { name: LocationName::Elicited, mean, covariance: diagonal((1.0 - cell.confidence) * share) };
    let zero = Location { name: LocationName::Zero, mean: vec![0.0; d], covariance: diagonal(share) };
    let locations = match cell.learner {
        LearnerKind::Mixture => vec![zero, elicited],
        LearnerKind::SinglePrior => vec![elicited],
    };
    Priors { locations, scaled: vec![true; d], lattices: Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_experiments_parse_and_are_small() {
        for (name, file) in BUILT_IN {
            let experiment = Experiment::parse(file).unwrap_or_else(|e| panic!("{name}: {e}"));
            assert_eq!(experiment.name, name);
            assert!(experiment.cells().len() <= 4000, "{name}: {}", experiment.cells().len());
        }
    }

    #[test]
    fn faults_are_named() {
        let file = BUILT_IN[0].1;
        let check = |from: &str, to: &str, word: &str| {
            assert!(file.contains(from), "{from}");
            let error = Experiment::parse(&file.replace(from, to)).expect_err(to);
            assert!(error.to_string().contains(word), "{error}");
        };
        check("dimension = ", "dimensions = ", "dimensions");
        check("target_nats = ", "target_nats = -", "target_nats");
        check("angle_degrees = [0.0]", "angle_degrees = [200.0]", "angle_degrees");
    }

    #[test]
    fn the_prior_stands_at_its_angle_and_a_good_one_converges_sooner_than_a_reversed_one() {
        let experiment = Experiment::parse(BUILT_IN[1].1).expect("built in");
        let mut cell = experiment.cells().remove(0);
        let mut excess = |angle: f64, learner: LearnerKind| {
            (cell.angle_degrees, cell.confidence, cell.learner) = (angle, 0.9, learner);
            let priors = start(&cell, &[2.0, 0.0, 0.0], &[0.3, 1.0, -2.0]);
            let mean = &priors.locations.last().expect("elicited").mean;
            assert!((mean[0] - 0.9f64.sqrt() * angle.to_radians().cos()).abs() < 1e-12);
            let run = experiment.run(&cell).expect("a sound cell");
            assert_eq!(run, experiment.run(&cell).expect("a sound cell"), "the same run twice");
            run.measures.iter().map(|m| m.excess_nats).sum::<f64>()
        };
        let right = excess(0.0, LearnerKind::Mixture);
        let reversed = excess(180.0, LearnerKind::Mixture);
        let alone = excess(180.0, LearnerKind::SinglePrior);
        assert!(right < reversed && reversed < alone, "{right} {reversed} {alone}");
    }
}
