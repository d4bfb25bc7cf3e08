//! People learned from answers to keyed questions, then their choices in situations that nobody keyed.

use std::path::Path;

use credence_memory::belief::normal::cdf;
use credence_memory::belief::simulate::{below, normal};
use credence_memory::belief::{
    BeliefError, Channel, Location, LocationName, Mixture, Preference, Priors, Question, Settings,
};
use credence_priors::acts::KeyedPair;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::estimate::Estimate;
use crate::figures::{Figure, Measured};
use crate::validity::PairReading;

/// Bins of the calibration error.
const BINS: usize = 10;

/// How people are drawn and asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct UnseenOptions {
    /// Simulated people.
    pub people: usize,
    /// Keyed questions each answers.
    pub answers: usize,
    /// Standard deviation of a typical utility difference of theirs, in units of their noise.
    pub signal: f64,
    /// Seed of every draw.
    pub seed: u64,
}

/// Somebody whose answers are known.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KnownPerson {
    /// What they are called.
    #[serde(rename = "person", alias = "name")]
    pub name: String,
    /// What they value, by value; absent values weigh nothing.
    #[serde(default)]
    pub profile: std::collections::BTreeMap<String, f64>,
    /// What they chose.
    pub answers: Vec<KnownAnswer>,
}

/// What somebody chose, by the alternatives' words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownAnswer {
    /// The situation's words.
    pub situation: String,
    /// The words of all that they chose among; absent, the situation alone says which question it was.
    #[serde(default)]
    pub alternatives: Vec<String>,
    /// The words of what they chose.
    pub chosen: String,
}

/// Why people could not be learned.
#[derive(Debug, thiserror::Error)]
pub enum UnseenError {
    /// The engine refused something.
    #[error(transparent)]
    Belief(#[from] BeliefError),
    /// The file of people.
    #[error("failed to read the people in {path}")]
    File {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// A line of it.
    #[error("people in {path}, line {line}: {problem}")]
    Person {
        /// The file.
        path: String,
        /// From 1.
        line: usize,
        /// What is wrong.
        problem: String,
    },
}

/// People from JSON Lines: a name, a profile, and answers by the alternatives' words.
///
/// # Errors
/// If the file cannot be read, or a line is no person.
pub fn load_people(path: &Path) -> Result<Vec<KnownPerson>, UnseenError> {
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|source| UnseenError::File { path: name.clone(), source })?;
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(i, line)| {
            serde_json::from_str(line).map_err(|error| UnseenError::Person {
                path: name.clone(),
                line: i + 1,
                problem: error.to_string(),
            })
        })
        .collect()
}

/// Figures of one way to learn and predict.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct UnseenRow {
    /// What is known of the asked questions and of the unseen ones.
    pub reader: String,
    /// Share of unseen choices predicted.
    pub accuracy: Estimate,
    /// Mean log loss of an unseen choice, in nats.
    pub log_loss: Estimate,
    /// Mean regret of choosing for them what is predicted, in units of their noise; absent where only answers are known.
    pub regret: Option<Estimate>,
    /// Mean distance between predicted shares and what happened, in ten bins.
    pub calibration: f64,
    /// Share of unseen questions that are predicted at .8 or above, and how often those are right.
    pub sure: Share2,
}

impl Measured for UnseenRow {
    fn figures(&self) -> Vec<Figure> {
        let data = "unseen choices";
        let mut figures = vec![
            Figure::new(data, &self.reader, "", "share predicted", self.accuracy),
            Figure::new(data, &self.reader, "", "log loss, nats", self.log_loss),
        ];
        figures.extend(self.regret.map(|regret| Figure::new(data, &self.reader, "", "regret, units of noise", regret)));
        figures.push(Figure::bare(data, &self.reader, "", "calibration error", self.calibration));
        figures.push(Figure::bare(data, &self.reader, "", "share predicted at .8 or above", self.sure.share));
        // Of nothing there is no share.
        if self.sure.share > 0.0 {
            figures.push(Figure::bare(data, &self.reader, "", "of these right", self.sure.right));
        }
        figures
    }
}

/// A share, and a share within it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Share2 {
    /// How many of all.
    pub share: f64,
    /// How many of these are right.
    pub right: f64,
}

/// What is known of every question to somebody who learns: of a question asked, and of one that was not.
#[derive(Debug, Clone)]
pub struct Learner {
    /// Its name in tables.
    pub reader: String,
    /// By question, when it is asked.
    pub asked: Vec<PairReading>,
    /// By question, when it is predicted.
    pub unseen: Vec<PairReading>,
}

/// Keys as readings without error.
pub fn by_keys(pairs: &[KeyedPair], values: &[String]) -> Vec<PairReading> {
    let read = |pair: &KeyedPair| PairReading { points: pair.difference(values), error: vec![0.0; values.len()] };
    pairs.iter().map(read).collect()
}

/// One person's session: what they were asked, what they chose of everything, and what they truly prefer.
struct Session {
    asked: Vec<usize>,
    unseen: Vec<usize>,
    /// Whether the first is chosen, by question.
    first: Vec<bool>,
    /// True utility of the first less the second, by question.
    utility: Option<Vec<f64>>,
}

/// Runs simulated people, the same for every learner.
///
/// # Errors
/// If the engine refuses what it is given.
pub fn simulate(
    pairs: &[KeyedPair],
    values: &[String],
    learners: &[Learner],
    options: &UnseenOptions,
    on_progress: &mut dyn FnMut(usize, usize),
) -> Result<Vec<UnseenRow>, UnseenError> {
    let keys: Vec<Vec<f64>> = pairs.iter().map(|pair| pair.difference(values)).collect();
    let scale = options.signal / mean_square(&keys).sqrt();
    let mut rng = ChaCha8Rng::seed_from_u64(options.seed);
    let sessions: Vec<Session> = (0..options.people)
        .map(|_| {
            let weights: Vec<f64> = values.iter().map(|_| scale * normal(&mut rng)).collect();
            let utility: Vec<f64> = keys.iter().map(|key| dot(key, &weights)).collect();
            let first = utility.iter().map(|u| u + normal(&mut rng) > 0.0).collect();
            let (asked, unseen) = drawn(0..keys.len(), options.answers, &mut rng);
            Session { asked, unseen, first, utility: Some(utility) }
        })
        .collect();
    rows(&keys, learners, &sessions, options.seed, on_progress)
}

/// Runs people whose answers are known: `options.answers` of them at random are learned from, the others predicted.
///
/// # Errors
/// If the engine refuses what it is given.
pub fn known(
    pairs: &[KeyedPair],
    values: &[String],
    learners: &[Learner],
    people: &[KnownPerson],
    options: &UnseenOptions,
    on_progress: &mut dyn FnMut(usize, usize),
) -> Result<Vec<UnseenRow>, UnseenError> {
    let keys: Vec<Vec<f64>> = pairs.iter().map(|pair| pair.difference(values)).collect();
    let mut rng = ChaCha8Rng::seed_from_u64(options.seed);
    let same = |a: &str, b: &str| a.trim().trim_end_matches('.').eq_ignore_ascii_case(b.trim().trim_end_matches('.'));
    let mut sessions = Vec::new();
    for person in people {
        let mut first = vec![false; pairs.len()];
        let mut answered = Vec::new();
        for answer in &person.answers {
            let chosen = pairs.iter().enumerate().find_map(|(i, pair)| {
                let has_both = |pair: &KeyedPair| {
                    pair.acts.iter().all(|act| answer.alternatives.iter().any(|text| same(text, &act.text)))
                };
                let is_asked =
                    same(&pair.situation, &answer.situation) && (answer.alternatives.is_empty() || has_both(pair));
                let place = pair.acts.iter().position(|act| same(&act.text, &answer.chosen))?;
                is_asked.then_some((i, place))
            });
            if let Some((i, place)) = chosen {
                first[i] = place == 0;
                answered.push(i);
            }
        }
        answered.sort_unstable();
        answered.dedup();
        // Several draws of what is asked: few people make one draw a lottery.
        for _ in 0..options.people.div_ceil(people.len().max(1)) {
            let (asked, unseen) = drawn(answered.iter().copied(), options.answers, &mut rng);
            if !unseen.is_empty() {
                sessions.push(Session { asked, unseen, first: first.clone(), utility: None });
            }
        }
    }
    rows(&keys, learners, &sessions, options.seed, on_progress)
}

/// So many at random, and the others.
fn drawn(all: impl Iterator<Item = usize>, count: usize, rng: &mut ChaCha8Rng) -> (Vec<usize>, Vec<usize>) {
    let mut order: Vec<usize> = all.collect();
    for i in (1..order.len()).rev() {
        order.swap(i, below(i + 1, rng));
    }
    let unseen = order.split_off(count.min(order.len()));
    (order, unseen)
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn mean_square(rows: &[Vec<f64>]) -> f64 {
    rows.iter().map(|row| dot(row, row)).sum::<f64>() / rows.len().max(1) as f64
}

fn rows(
    keys: &[Vec<f64>],
    learners: &[Learner],
    sessions: &[Session],
    seed: u64,
    on_progress: &mut dyn FnMut(usize, usize),
) -> Result<Vec<UnseenRow>, UnseenError> {
    let mut rows = Vec::new();
    for (n, learner) in learners.iter().enumerate() {
        let mut told = Told::default();
        for (i, session) in sessions.iter().enumerate() {
            on_progress(n * sessions.len() + i, learners.len() * sessions.len());
            told.person(keys, learner, session)?;
        }
        rows.push(told.row(learner.reader.clone(), seed));
    }
    Ok(rows)
}

/// Everything that was predicted.
#[derive(Default)]
struct Told {
    accuracy: Vec<f64>,
    log_loss: Vec<f64>,
    regret: Vec<f64>,
    /// Probability of what was thought likelier, and whether it happened.
    predictions: Vec<(f64, bool)>,
}

impl Told {
    fn person(&mut self, keys: &[Vec<f64>], learner: &Learner, session: &Session) -> Result<(), BeliefError> {
        let mut mixture = beginning(keys, &learner.asked)?;
        for &i in &session.asked {
            let PairReading { points, error } = &learner.asked[i];
            let asked = Question::Comparison {
                difference: points.clone(),
                error: error.clone(),
                indifference_offered: false,
                channel: Channel::Choice,
                misreading: 0.0,
                question: None,
            };
            let answer = if session.first[i] { Preference::First } else { Preference::Second };
            mixture.observe(&asked.answered(answer))?;
        }
        let (mut right, mut loss, mut regret) = (0.0, 0.0, 0.0);
        for &i in &session.unseen {
            let PairReading { points, error } = &learner.unseen[i];
            let p = mixture.predict(&Question::Comparison {
                difference: points.clone(),
                error: error.clone(),
                indifference_offered: false,
                channel: Channel::Choice,
                misreading: 0.0,
                question: None,
            });
            let first = p[0].clamp(1e-6, 1.0 - 1e-6);
            let happened = if session.first[i] { first } else { 1.0 - first };
            // Nothing read is a coin, not a choice of the first.
            right += if (first - 0.5).abs() < 1e-9 { 0.5 } else { f64::from(u8::from(happened > 0.5)) };
            loss -= happened.ln();
            let takes_first = first >= 0.5;
            self.predictions.push((first.max(1.0 - first), takes_first == session.first[i]));
            if let Some(utility) = &session.utility {
                regret += if takes_first { (-utility[i]).max(0.0) } else { utility[i].max(0.0) };
            }
        }
        let count = session.unseen.len() as f64;
        self.accuracy.push(right / count);
        self.log_loss.push(loss / count);
        if session.utility.is_some() {
            self.regret.push(regret / count);
        }
        Ok(())
    }

    fn row(&self, reader: String, seed: u64) -> UnseenRow {
        let mut bins = [(0.0, 0.0, 0.0); BINS];
        for (p, happened) in &self.predictions {
            let bin = &mut bins[(((p - 0.5) * 2.0 * BINS as f64) as usize).min(BINS - 1)];
            *bin = (bin.0 + 1.0, bin.1 + p, bin.2 + f64::from(u8::from(*happened)));
        }
        let all = self.predictions.len().max(1) as f64;
        let sure: Vec<bool> =
            self.predictions.iter().filter(|(p, _)| *p >= 0.8).map(|(_, happened)| *happened).collect();
        let right = sure.iter().filter(|right| **right).count() as f64 / sure.len().max(1) as f64;
        UnseenRow {
            reader,
            accuracy: Estimate::bootstrap(&self.accuracy, seed),
            log_loss: Estimate::bootstrap(&self.log_loss, seed),
            regret: (!self.regret.is_empty()).then(|| Estimate::bootstrap(&self.regret, seed)),
            calibration: bins.iter().map(|(_, p, happened)| (p - happened).abs()).sum::<f64>() / all,
            sure: Share2 { share: sure.len() as f64 / all, right },
        }
    }
}

/// Nothing known of the person: zero mean, one variance for every value, such that a typical difference is 1.
fn beginning(keys: &[Vec<f64>], asked: &[PairReading]) -> Result<Mixture, BeliefError> {
    let width = keys.first().map_or(0, Vec::len);
    let points: Vec<Vec<f64>> = asked.iter().map(|reading| reading.points.clone()).collect();
    let variance = 1.0 / mean_square(&points).max(1e-9);
    let covariance = (0..width).flat_map(|i| (0..=i).map(move |j| if i == j { variance } else { 0.0 })).collect();
    let location = Location { name: LocationName::Zero, mean: vec![0.0; width], covariance };
    let priors = Priors { locations: vec![location], scaled: vec![true; width], ..Priors::default() };
    Mixture::new(&Settings { slow_drift_weight: 0.0, ..Settings::default() }, &priors)
}

/// Probability that a person with these weights chooses the first: for tests and reports.
pub fn choice_probability(difference: &[f64], weights: &[f64]) -> f64 {
    cdf(dot(difference, weights))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use credence_priors::acts::KeyedAct;

    use super::*;

    fn pairs() -> (Vec<KeyedPair>, Vec<String>) {
        let values: Vec<String> = ["care", "thrift", "nature"].map(str::to_owned).to_vec();
        let act = |text: &str, value: &str| KeyedAct {
            text: text.to_owned(),
            keys: BTreeMap::from([(value.to_owned(), 1.5)]),
            second: None,
        };
        let pairs = (0..40)
            .map(|i| KeyedPair {
                situation: format!("Situation {i}."),
                acts: [act("go", &values[i % 3]), act("stay", &values[(i + 1 + i % 2) % 3])],
                trap: false,
                nicer: None,
            })
            .collect();
        (pairs, values)
    }

    #[test]
    fn keys_predict_and_readings_of_nothing_are_a_coin() -> Result<(), UnseenError> {
        let (pairs, values) = pairs();
        let keys = by_keys(&pairs, &values);
        let nothing = vec![PairReading { points: vec![0.0; 3], error: vec![1.0; 3] }; pairs.len()];
        let learners = [
            Learner { reader: "keys".into(), asked: keys.clone(), unseen: keys.clone() },
            Learner { reader: "nothing".into(), asked: keys, unseen: nothing },
        ];
        let options = UnseenOptions { people: 20, answers: 12, signal: 2.5, seed: 3 };
        let rows = simulate(&pairs, &values, &learners, &options, &mut |_, _| ())?;
        assert!(rows[0].accuracy.mean > 0.75, "{:?}", rows[0]);
        assert!((rows[1].accuracy.mean - 0.5).abs() < 1e-9, "{:?}", rows[1]);
        let figures = crate::figures::kept(&rows[..]);
        let of = |reader: &str, measure: &str| figures.iter().find(|f| f.learner == reader && f.measure == measure);
        assert_eq!(of("keys", "share predicted").map(|f| f.mean), Some(rows[0].accuracy.mean));
        // Who reads nothing is sure of nothing.
        assert!(of("nothing", "of these right").is_none() && of("keys", "of these right").is_some());
        assert!(rows[0].regret.is_some_and(|regret| regret.mean < rows[1].regret.map_or(0.0, |r| r.mean)));
        Ok(())
    }

    #[test]
    fn a_line_of_people_is_as_documented() -> Result<(), Box<dyn std::error::Error>> {
        let file = tempfile::NamedTempFile::new()?;
        let line = r#"{"person":"ada","profile":{"care":2},"answers":[{"situation":"It rains.","alternatives":["go","stay"],"chosen":"go"}]}"#;
        std::fs::write(file.path(), format!("{line}\n\n{}\n", line.replace("person", "name")))?;
        let people = load_people(file.path())?;
        assert_eq!((people.len(), people[0].answers[0].alternatives.len()), (2, 2));
        assert_eq!(people[0], people[1]);
        std::fs::write(file.path(), "{\"person\":\"ada\"}\n")?;
        let error = load_people(file.path()).err().map(|error| error.to_string());
        assert!(error.is_some_and(|error| error.contains("line 1")));
        Ok(())
    }

    #[test]
    fn people_from_a_file_are_matched_by_words() -> Result<(), UnseenError> {
        let (pairs, values) = pairs();
        let answers = pairs
            .iter()
            .map(|pair| {
                let act = pair.acts.iter().find(|act| act.keys.contains_key("care")).unwrap_or(&pair.acts[0]);
                KnownAnswer {
                    situation: pair.situation.clone(),
                    alternatives: pair.acts.iter().map(|act| act.text.clone()).collect(),
                    chosen: format!("{}.", act.text.to_uppercase()),
                }
            })
            .collect();
        let people = [KnownPerson { name: "ada".into(), profile: BTreeMap::new(), answers }];
        let keys = by_keys(&pairs, &values);
        let learners = [Learner { reader: "keys".into(), asked: keys.clone(), unseen: keys }];
        let options = UnseenOptions { people: 2, answers: 20, signal: 2.5, seed: 3 };
        let rows = known(&pairs, &values, &learners, &people, &options, &mut |_, _| ())?;
        assert!(rows[0].accuracy.mean > 0.8 && rows[0].regret.is_none(), "{:?}", rows[0]);
        Ok(())
    }
}
