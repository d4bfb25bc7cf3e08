//! Convergence experiments: a grid over priors, people, strategies and learners, stated in one TOML file.

mod bound;
mod fault;
mod run;

use credence_memory::belief::{BeliefError, ENGINE_VERSION, Settings, Strategy};
use serde::{Deserialize, Serialize};

use crate::person::{Kind, PersonSpec};
pub use run::{Measure, Run};

/// Why an experiment could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ExperimentError {
    /// Not TOML, or not of this form.
    #[error("{0}")]
    Parse(#[from] toml::de::Error),
    /// A value out of range, with its line.
    #[error("{0}")]
    Value(String),
    /// A cell that is none of the experiment's.
    #[error("the experiment has no person {0:?}")]
    NoPerson(String),
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
    /// The map's boundary: where the bound promises an excess under the target, on average, within so many answers. Ten times
    /// `questions` when left out.
    #[serde(default)]
    pub bound_within: Option<usize>,
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

impl Cell {
    /// The strategy in words.
    pub fn strategy_name(&self) -> String {
        let name = match self.strategy {
            Strategy::InformationGain => "information gain",
            Strategy::Eubo => "EUBO",
            Strategy::ValueOfInformation => "value of information",
            Strategy::MaxUncertainty => "most uncertain answer",
            Strategy::Random => "chance",
        };
        name.to_owned()
    }
}

/// First line of a results file: all that the runs depend on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Provenance {
    /// The experiment's file, as it was.
    pub file: String,
    /// BLAKE3 of the file, in hex.
    pub file_blake3: String,
    /// Version of this package.
    pub version: String,
    /// Version of the engine.
    pub engine_version: u32,
    /// Form of the lines that follow; raised when a measure is added or changes its meaning.
    pub results_version: u32,
    /// Processor family and operating system: bits are promised on one family only.
    pub platform: String,
}

/// [`Provenance::results_version`] of this build.
pub const RESULTS_VERSION: u32 = 2;

impl Provenance {
    /// Of a file under this build.
    pub fn of(file: &str) -> Self {
        Self {
            file: file.to_owned(),
            file_blake3: blake3::hash(file.as_bytes()).to_hex().to_string(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            engine_version: ENGINE_VERSION,
            results_version: RESULTS_VERSION,
            platform: format!("{} {}", std::env::consts::ARCH, std::env::consts::OS),
        }
    }
}

/// The experiments that ship with the program: name and file.
pub const BUILT_IN: [(&str, &str); 4] = [
    ("first", include_str!("../experiments/first.toml")),
    ("starts", include_str!("../experiments/starts.toml")),
    ("region", include_str!("../experiments/region.toml")),
    ("failures", include_str!("../experiments/failures.toml")),
];

impl Experiment {
    /// Within how many answers the map's boundary asks the bound to hold.
    pub fn bound_within(&self) -> usize {
        self.bound_within.unwrap_or(10 * self.questions)
    }

    /// Reads and checks an experiment.
    ///
    /// # Errors
    /// Anything that does not parse or cannot be run; the message says which entry.
    pub fn parse(text: &str) -> Result<Self, ExperimentError> {
        let experiment: Self = toml::from_str(text)?;
        match fault::find(&experiment) {
            Some(fault) => Err(ExperimentError::Value(fault.located(text))),
            None => Ok(experiment),
        }
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
        let file = BUILT_IN[1].1;
        let check = |from: &str, to: &str, word: &str| {
            assert!(file.contains(from), "{from}");
            let error = Experiment::parse(&file.replace(from, to)).expect_err(to);
            assert!(error.to_string().contains(word), "{error}");
        };
        check("dimension = ", "dimensions = ", "line 3");
        check("target_nats = ", "target_nats = -", "line 6: target_nats");
        let line = |text: &str| file.lines().position(|l| l == text).expect(text) + 1;
        let flat = line("angle_degrees = [0.0]");
        check("angle_degrees = [0.0]", "angle_degrees = [200.0]", &format!("line {flat}: prior \"flat\""));
        let noisy = line("lapse_rate = 0.1");
        check("lapse_rate = 0.1", "lapse_rate = 1.1", &format!("line {noisy}: person \"noisy\""));
    }

    #[test]
    fn who_passes_over_a_kind_of_question_is_soon_asked_others() {
        let (_, file) = BUILT_IN.into_iter().find(|(name, _)| *name == "failures").expect("built in");
        let experiment = Experiment::parse(file).expect("built in");
        let cells = experiment.cells();
        let of = |person: &str| cells.iter().find(|c| c.person == person).expect("a cell of this person");
        let last = |person: &str| *experiment.run(of(person)).expect("a sound cell").measures.last().expect("measured");
        let quiet = last("answers only verdicts");
        assert_eq!(quiet.answers, 60);
        assert!((40..60).contains(&quiet.given), "{}", quiet.given);
        assert_eq!(last("plain").given, 60);
    }

    #[test]
    fn the_prior_stands_at_its_angle_and_a_good_one_converges_sooner_than_a_reversed_one() {
        let experiment = Experiment::parse(BUILT_IN[2].1).expect("built in");
        let mut cell = experiment.cells().remove(0);
        let mut excess = |angle: f64, learner: LearnerKind| {
            (cell.angle_degrees, cell.confidence, cell.learner) = (angle, 0.9, learner);
            let locations = run::start(&cell, &[2.0, 0.0, 0.0], &[0.3, 1.0, -2.0]);
            let mean = &locations.last().expect("elicited").0.mean;
            assert!((mean[0] - 0.9f64.sqrt() * angle.to_radians().cos()).abs() < 1e-12);
            let run = experiment.run(&cell).expect("a sound cell");
            assert_eq!(run, experiment.run(&cell).expect("a sound cell"), "the same run twice");
            for m in &run.measures {
                assert!(m.nats_so_far <= m.bound_nats + 1e-9, "the bound holds: {m:?}");
                assert!(m.nats_behind_best >= -0.5 && m.given == m.answers, "{m:?}");
            }
            run.measures.iter().map(|m| m.excess_nats).sum::<f64>()
        };
        let right = excess(0.0, LearnerKind::Mixture);
        let reversed = excess(180.0, LearnerKind::Mixture);
        let alone = excess(180.0, LearnerKind::SinglePrior);
        assert!(right < reversed && reversed < alone, "{right} {reversed} {alone}");
    }
}
