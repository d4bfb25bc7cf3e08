//! Simulated crowds: what an attack moves, what an honest minority moves, and how work grows with the number of people.

mod figures;

use std::time::Instant;

use credence_memory::belief::simulate::{Person, below, normal, normals, uniform};
use credence_memory::belief::{
    BeliefError, Location, LocationName, Mixture, Observation, Priors, Question, Settings, expected_information_gain,
};
use credence_memory::belief::{RelativeUtility, relative_utility};
use credence_memory::population::{
    Answer, Answers, COMPONENTS_MAX, Collective, CollectiveBars, Component, Contribution, EvidenceFactor, ItemOptions,
    ItemPosterior, ItemStrategy, Moments, Place, PopulationError, Rule, Stake, consolidate, decide, learn,
    learn_components, movement_bound, source_weights,
};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::estimate::Estimate;

/// Why a simulation failed.
#[derive(Debug, thiserror::Error)]
pub enum CrowdError {
    /// The engine refused something.
    #[error("a belief could not be formed")]
    Belief(#[from] BeliefError),
    /// The population refused something.
    #[error(transparent)]
    Population(#[from] PopulationError),
    /// Nobody to simulate.
    #[error("a crowd needs at least ten people, some of either mind, one trial, and something to answer about")]
    TooFew,
}

/// An attack, or a minority, among others.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AttackOptions {
    /// Everyone.
    pub people: usize,
    /// Share of them that is of the other mind.
    pub share: f64,
    /// Answers of each.
    pub answers: usize,
    /// Weights.
    pub dimension: usize,
    /// Crowds simulated.
    pub trials: usize,
    /// Most that one source counts for.
    pub source_cap: f64,
    /// Seed.
    pub seed: u64,
}

impl Default for AttackOptions {
    fn default() -> Self {
        Self { people: 100, share: 0.2, answers: 20, dimension: 6, trials: 20, source_cap: 0.03, seed: 1 }
    }
}

/// How far the others' scores are moved, as a share of what the same people move a plain mean.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Movement {
    /// Of a decision's scores (relative utility, utilitarian rule): ours over the plain mean's, per trial.
    pub decision: Estimate,
    /// Of the population's mean, in its own standard deviations, over what it moves without caps.
    pub population: Estimate,
    /// What the plain mean is moved by, in relative utility.
    pub plain: Estimate,
}

/// An attack beside an honest minority of the same size and mind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct AttackResult {
    /// What was run.
    pub options: AttackOptions,
    /// The bound that holds for sybils of one source.
    pub bound: f64,
    /// Sybils of one source.
    pub sybils: Movement,
    /// The same people, each of a source of their own.
    pub honest_minority: Movement,
}

fn zero(dimension: usize) -> Priors {
    let covariance =
        (0..dimension).flat_map(|i| (0..=i).map(move |j| if i == j { 1.0 / dimension as f64 } else { 0.0 })).collect();
    let location = Location { name: LocationName::Zero, mean: vec![0.0; dimension], covariance };
    Priors {
        locations: vec![location],
        scaled: vec![true; dimension],
        lattices: Vec::new(),
        component_masses: Vec::new(),
    }
}

/// Somebody of these weights, by what they answered to random questions.
fn answered(
    weights: Vec<f64>,
    answers: usize,
    settings: &Settings,
    rng: &mut ChaCha8Rng,
) -> Result<Vec<Observation>, BeliefError> {
    let dimension = weights.len();
    let mut person = Person::new(weights, 0.02, 0.3, settings);
    (0..answers)
        .map(|_| {
            let question = Question::choice(normals(dimension, rng), false);
            let outcome = person.answer(&question, rng)?;
            Ok(question.answer(outcome))
        })
        .collect()
}

/// What one person contributes to decisions and to the population.
fn contribution(
    observations: &[Observation],
    alternatives: &[Vec<f64>],
    settings: &Settings,
    priors: &Priors,
) -> Result<(Stake, EvidenceFactor), BeliefError> {
    let belief = Mixture::fold(settings, priors, observations)?;
    let RelativeUtility { expected, covariance } = relative_utility(&belief, alternatives)?;
    Ok((
        Stake { expected, covariance, weight: 1.0, group: 0, known: 1.0 },
        EvidenceFactor::of(settings, priors, observations)?,
    ))
}

fn scores(stakes: &[Stake], weights: &[f64]) -> Result<Vec<f64>, PopulationError> {
    let weighted: Vec<Stake> = stakes.iter().zip(weights).map(|(s, &weight)| Stake { weight, ..s.clone() }).collect();
    let Collective { rules, .. } = decide(&weighted, Rule::Utilitarian, None, CollectiveBars::default())?;
    Ok(rules.into_iter().find(|(rule, _, _)| *rule == Rule::Utilitarian).map(|(_, s, _)| s).unwrap_or_default())
}

fn distance(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| (x - y).abs()).fold(0.0, f64::max)
}

/// Distance of means in the standard deviations of the first.
fn apart(from: &Moments, to: &Moments) -> f64 {
    let d = from.mean.len();
    let variance = |i: usize| from.covariance[i * (i + 1) / 2 + i];
    (0..d).map(|i| (to.mean[i] - from.mean[i]).powi(2) / variance(i)).sum::<f64>().sqrt()
}

/// Simulates attacks: the others lean one way, each from one of forty sources; a share of all leans strongly the other way,
/// as sybils of one source and then as an honest minority from as many sources as people. `done` is called once a trial.
///
/// # Errors
/// Too few people.
pub fn attack(options: &AttackOptions, done: &(dyn Fn() + Sync)) -> Result<AttackResult, CrowdError> {
    // A share that is no number rounds to nobody.
    let rest = (options.share * options.people as f64).round() as usize;
    let others = options.people.saturating_sub(rest);
    let nothing_to_do = options.trials == 0 || options.dimension == 0 || !(0.0..1.0).contains(&options.share);
    if options.people < 10 || rest == 0 || others == 0 || nothing_to_do {
        return Err(CrowdError::TooFew);
    }
    let settings = Settings::single(1.5, 0.02, 0.3);
    let settings = Settings { signal_scales: vec![0.4, 1.5, 5.0], ..settings };
    let d = options.dimension;
    let priors = zero(d);
    let trials: Vec<[[f64; 3]; 2]> = (0..options.trials as u64)
        .into_par_iter()
        .map(|trial| {
            let mut rng = ChaCha8Rng::seed_from_u64(options.seed);
            rng.set_stream(trial);
            let lean = normals(d, &mut rng);
            let alternatives: Vec<Vec<f64>> = (0..3).map(|_| normals(d, &mut rng)).collect();
            let mut people = Vec::with_capacity(options.people);
            for i in 0..options.people {
                let weights = if i < others {
                    lean.iter().map(|l| 2.0 * (l + 0.7 * normal(&mut rng)) / (d as f64).sqrt()).collect()
                } else {
                    lean.iter().map(|l| -4.0 * l / (d as f64).sqrt()).collect()
                };
                let observations = answered(weights, options.answers, &settings, &mut rng)?;
                people.push(contribution(&observations, &alternatives, &settings, &priors)?);
            }
            let (stakes, messages): (Vec<Stake>, Vec<EvidenceFactor>) = people.into_iter().unzip();
            let variances = vec![1.0 / d as f64; d];
            let learned = |n: usize, weights: &[f64]| {
                let pairs = messages[..n].iter().zip(weights);
                learn(&pairs.map(|(message, &weight)| Contribution { message, weight }).collect::<Vec<_>>(), &variances)
            };
            let plain_weights = vec![1.0; options.people];
            let honest_sources: Vec<usize> = (0..others).map(|i| i % 40).collect();
            let alone = scores(&stakes[..others], &plain_weights[..others])?;
            let plain = distance(&scores(&stakes, &plain_weights)?, &alone);
            let learned_alone = learned(others, &plain_weights);
            let plain_population = apart(&learned_alone, &learned(options.people, &plain_weights));
            let mut out = [[0.0; 3]; 2];
            for (which, of_source) in [(0, 0usize), (1, 1)] {
                let sources: Vec<usize> =
                    honest_sources.iter().copied().chain((0..rest).map(|i| 1000 + of_source * i)).collect();
                let weights = source_weights(&sources, options.source_cap)?;
                let honest = scores(&stakes[..others], &weights[..others])?;
                let moved = distance(&scores(&stakes, &weights)?, &honest);
                let population = apart(&learned(others, &weights), &learned(options.people, &weights));
                out[which] = [moved / plain.max(1e-9), population / plain_population.max(1e-9), plain];
            }
            done();
            Ok(out)
        })
        .collect::<Result<_, CrowdError>>()?;
    let movement = |which: usize| {
        let of =
            |part: usize| Estimate::bootstrap(&trials.iter().map(|t| t[which][part]).collect::<Vec<_>>(), options.seed);
        Movement { decision: of(0), population: of(1), plain: of(2) }
    };
    Ok(AttackResult {
        options: options.clone(),
        bound: movement_bound(rest as f64, options.people as f64, options.source_cap),
        sybils: movement(0),
        honest_minority: movement(1),
    })
}

/// A crowd of two kinds of people, and new people of both.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct KindsOptions {
    /// People that the population is learned from.
    pub people: usize,
    /// How far the centres are from the middle, in standard deviations of the people around them; 0 is one kind.
    pub apart: f64,
    /// Share of the second kind.
    pub share: f64,
    /// Answers of each.
    pub answers: usize,
    /// Weights.
    pub dimension: usize,
    /// Crowds simulated.
    pub trials: usize,
    /// Answers that a new person has revealed when the next are predicted.
    pub revealed: Vec<usize>,
    /// Seed.
    pub seed: u64,
}

impl Default for KindsOptions {
    fn default() -> Self {
        Self {
            people: 100,
            apart: 1.0,
            share: 0.5,
            answers: 30,
            dimension: 6,
            trials: 20,
            revealed: vec![0, 5, 10, 20],
            seed: 1,
        }
    }
}

/// What several components are worth.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct KindsResult {
    /// What was run.
    pub options: KindsOptions,
    /// Crowds in which one, two, ... components were chosen.
    pub chosen: Vec<usize>,
    /// Log loss of new people's answers with one component, after each number of revealed answers; nats, over crowds.
    pub one: Vec<Estimate>,
    /// That with as many as were chosen, less that with one.
    pub difference: Vec<Estimate>,
}

/// New people in each crowd, and answers of each that are predicted.
const NEW_PEOPLE: usize = 20;
const PREDICTED: usize = 20;

/// Learns populations of two kinds of people with one component and with as many as their messages want, and predicts new people
/// under zero and the population. `done` is called once a trial.
///
/// # Errors
/// Too few people.
pub fn kinds(options: &KindsOptions, done: &(dyn Fn() + Sync)) -> Result<KindsResult, CrowdError> {
    if options.people < 10 || options.trials == 0 || options.revealed.is_empty() {
        return Err(CrowdError::TooFew);
    }
    let settings = Settings { signal_scales: vec![0.4, 1.5, 5.0], ..Settings::single(1.5, 0.02, 0.3) };
    let d = options.dimension;
    let priors = zero(d);
    let most = options.revealed.iter().max().copied().unwrap_or(0);
    // By crowd: components, and losses with one and with those.
    let trials: Vec<(usize, [Vec<f64>; 2])> = (0..options.trials as u64)
        .into_par_iter()
        .map(|trial| {
            let mut rng = ChaCha8Rng::seed_from_u64(options.seed);
            rng.set_stream(trial);
            let (middle, axis) = (normals(d, &mut rng), normals(d, &mut rng));
            let mut somebody = |answers: usize| {
                let side = if uniform(&mut rng) < options.share { -options.apart } else { options.apart };
                let centre = middle.iter().zip(&axis).map(|(m, a)| m + 0.7 * side * a);
                let weights = centre.map(|c| 2.0 * (c + 0.7 * normal(&mut rng)) / (d as f64).sqrt()).collect();
                answered(weights, answers, &settings, &mut rng)
            };
            let messages: Vec<EvidenceFactor> = (0..options.people)
                .map(|_| EvidenceFactor::of(&settings, &priors, &somebody(options.answers)?))
                .collect::<Result<_, BeliefError>>()?;
            let new: Vec<Vec<Observation>> =
                (0..NEW_PEOPLE).map(|_| somebody(most + PREDICTED)).collect::<Result<_, BeliefError>>()?;
            let from: Vec<Contribution<'_>> =
                messages.iter().map(|message| Contribution { message, weight: 1.0 }).collect();
            let variances = vec![1.0 / d as f64; d];
            let several = learn_components(&from, &variances);
            let one = [Component { mass: 1.0, moments: learn(&from, &variances) }];
            let losses = |learned: &[Component]| -> Result<Vec<f64>, BeliefError> {
                let priors = with_population(&priors, learned);
                let mut losses = vec![0.0; options.revealed.len()];
                for said in &new {
                    for (loss, n) in losses.iter_mut().zip(&options.revealed) {
                        let belief = Mixture::fold(&settings, &priors, &said[..*n])?;
                        for next in &said[most..] {
                            *loss -= belief.predict(&next.question)[next.number()?].ln();
                        }
                    }
                }
                Ok(losses.into_iter().map(|loss| loss / (NEW_PEOPLE * PREDICTED) as f64).collect())
            };
            let losses = [losses(&one)?, losses(&several)?];
            done();
            Ok((several.len(), losses))
        })
        .collect::<Result<_, CrowdError>>()?;
    let mut chosen = vec![0; COMPONENTS_MAX];
    trials.iter().for_each(|(count, _)| chosen[count - 1] += 1);
    let of = |which: usize, n: usize| trials.iter().map(|(_, losses)| losses[which][n]).collect::<Vec<f64>>();
    let numbers = 0..options.revealed.len();
    Ok(KindsResult {
        options: options.clone(),
        chosen,
        one: numbers.clone().map(|n| Estimate::bootstrap(&of(0, n), options.seed)).collect(),
        difference: numbers.map(|n| Estimate::paired(&of(1, n), &of(0, n), options.seed)).collect(),
    })
}

/// Priors with a population beside them.
fn with_population(priors: &Priors, learned: &[Component]) -> Priors {
    let mut priors = priors.clone();
    let locations = learned.iter().enumerate().map(|(place, component)| {
        let Moments { mean, covariance } = component.moments.clone();
        Location { name: LocationName::component(place), mean, covariance }
    });
    priors.locations.extend(locations);
    priors.component_masses = learned.iter().map(|c| c.mass).collect();
    priors
}

/// How much work a number of people is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Growth {
    /// People.
    pub people: usize,
    /// Seconds to make everybody's message.
    pub messages_s: f64,
    /// Seconds to learn the population, all parts.
    pub consolidate_s: f64,
    /// Seconds to learn the items.
    pub items_s: f64,
    /// Milliseconds to choose one more question for a new person, and take in the answer, with the population in the mixture.
    pub question_ms: f64,
    /// The same among items that everyone answered.
    pub item_question_ms: f64,
    /// The most memory the process has used so far, megabytes; nothing where the system does not say.
    pub peak_mb: Option<f64>,
}

/// Measures one size of a crowd: so many answers of each, so many weights and items.
///
/// # Errors
/// Too few people.
pub fn growth(people: usize, answers: usize, dimension: usize, items: usize, seed: u64) -> Result<Growth, CrowdError> {
    if people < 2 || dimension == 0 || items == 0 || u32::try_from(people.max(items)).is_err() {
        return Err(CrowdError::TooFew);
    }
    let settings = Settings::default();
    let priors = zero(dimension);
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let lean = normals(dimension, &mut rng);
    let given: Vec<Vec<Observation>> = (0..people as u64)
        .into_par_iter()
        .map(|i| {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            rng.set_stream(i + 1);
            let weights = lean.iter().map(|l| 2.0 * (l + normal(&mut rng)) / (dimension as f64).sqrt()).collect();
            answered(weights, answers, &settings, &mut rng)
        })
        .collect::<Result<_, BeliefError>>()?;
    let start = Instant::now();
    let messages: Vec<EvidenceFactor> =
        given.par_iter().map(|own| EvidenceFactor::of(&settings, &priors, own)).collect::<Result<_, BeliefError>>()?;
    let messages_s = start.elapsed().as_secs_f64();
    drop(given);
    let from: Vec<&EvidenceFactor> = messages.iter().collect();
    let variances = vec![1.0 / dimension as f64; dimension];
    let start = Instant::now();
    let learned = consolidate(&from, &|places| vec![1.0; places.len()], &variances, &mut || ());
    let consolidate_s = start.elapsed().as_secs_f64();
    let question_ms = question(&settings, &priors, &learned.all, dimension, &mut rng)?;
    drop(messages);
    let voted = (0..people as u32)
        .flat_map(|person| {
            let mut rng = ChaCha8Rng::seed_from_u64(seed ^ 0xb0);
            rng.set_stream(u64::from(person));
            let first = below(items, &mut rng);
            let votes: Vec<Answer> = (0..answers.min(items))
                .map(|k| Answer {
                    person,
                    item: ((first + k) % items) as u32,
                    agrees: uniform(&mut rng) < if (first + k).is_multiple_of(3) { 0.3 } else { 0.7 },
                })
                .collect();
            votes
        })
        .collect();
    let voted = Answers::new(people, vec![Vec::new(); items], voted)?;
    let start = Instant::now();
    let posterior = ItemPosterior::sample(&voted, &ItemOptions { seed, ..ItemOptions::default() })?;
    let items_s = start.elapsed().as_secs_f64();
    let mut place = Place::new(&posterior);
    let all: Vec<usize> = (0..items).collect();
    let start = Instant::now();
    for _ in 0..QUESTIONS {
        if let Some(item) = place.choose(&all, ItemStrategy::Predictions) {
            place.observe(item, uniform(&mut rng) < 0.6);
        }
    }
    let item_question_ms = 1e3 * start.elapsed().as_secs_f64() / QUESTIONS as f64;
    Ok(Growth { people, messages_s, consolidate_s, items_s, question_ms, item_question_ms, peak_mb: peak_mb() })
}

/// Questions over which a time is averaged.
const QUESTIONS: usize = 20;

/// Milliseconds to choose among 200 pairs by information gain and take in the answer, population in the mixture.
fn question(
    settings: &Settings,
    priors: &Priors,
    learned: &[Component],
    dimension: usize,
    rng: &mut ChaCha8Rng,
) -> Result<f64, CrowdError> {
    let priors = with_population(priors, learned);
    let mut belief = Mixture::new(settings, &priors)?;
    let questions: Vec<Question> = (0..200).map(|_| Question::choice(normals(dimension, rng), false)).collect();
    let start = Instant::now();
    for _ in 0..QUESTIONS {
        let gains = expected_information_gain(&belief, &questions);
        let best = (0..gains.len()).fold(0, |a, b| if gains[b] > gains[a] { b } else { a });
        belief.observe(&questions[best].answer(below(2, rng)))?;
    }
    Ok(1e3 * start.elapsed().as_secs_f64() / QUESTIONS as f64)
}

/// Peak resident memory, where the system says.
fn peak_mb() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|l| l.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse::<f64>().ok().map(|kb| kb / 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crowds_that_make_no_sense_are_errors() {
        let base = AttackOptions { people: 20, trials: 1, ..AttackOptions::default() };
        for options in [
            AttackOptions { share: 1.5, ..base.clone() },
            AttackOptions { share: -0.5, ..base.clone() },
            AttackOptions { share: f64::NAN, ..base.clone() },
            AttackOptions { share: f64::INFINITY, ..base.clone() },
            AttackOptions { share: 0.0, ..base.clone() },
            AttackOptions { people: 0, ..base.clone() },
            AttackOptions { trials: 0, ..base.clone() },
            AttackOptions { dimension: 0, ..base.clone() },
        ] {
            assert!(matches!(attack(&options, &|| ()), Err(CrowdError::TooFew)), "{options:?}");
        }
        for (people, dimension, items) in [(0, 2, 2), (5, 0, 2), (5, 2, 0), (usize::MAX, 2, 2)] {
            let found = growth(people, 2, dimension, items, 1);
            assert!(matches!(found, Err(CrowdError::TooFew)), "{people} {dimension} {items}");
        }
    }

    #[test]
    fn sybils_move_little_and_an_honest_minority_is_heard() {
        // Seed 3, 4 crowds. The ratio is arithmetic for a given crowd: no false alarms.
        let options = AttackOptions { trials: 4, seed: 3, ..AttackOptions::default() };
        let result = attack(&options, &|| ()).expect("a sound crowd");
        assert!(result.bound < 0.2);
        assert!(result.sybils.decision.high <= 0.2, "{result:?}");
        assert!(result.sybils.decision.mean <= result.bound + 0.02, "{result:?}");
        assert!(result.honest_minority.decision.low > 0.8, "{result:?}");
        assert!(result.honest_minority.plain.mean > 0.02, "the others would be moved: {result:?}");
        assert!(result.sybils.population.mean < 0.5 * result.honest_minority.population.mean, "{result:?}");
        let figures = crate::figures::kept(&result);
        let decision = "movement of a decision's scores, of a plain mean's";
        let kept = |who: &str| crate::figures::of(&figures, ["simulated crowds", who, "", decision]);
        assert_eq!(kept("sybils of one source").high, Some(result.sybils.decision.high));
        assert_eq!((kept("bound for one source").mean, kept("bound for one source").high), (result.bound, None));
    }

    #[test]
    fn kinds_far_apart_are_told_apart_and_one_kind_is_not() {
        // Seed 2, 4 crowds.
        let of = |apart: f64| {
            let options =
                KindsOptions { people: 60, apart, trials: 4, revealed: vec![0, 5], seed: 2, ..KindsOptions::default() };
            kinds(&options, &|| ()).expect("a sound crowd")
        };
        let far = of(3.0);
        assert_eq!(far.chosen, [0, 4, 0], "{far:?}");
        assert!(far.difference[1].high < 0.0, "{far:?}");
        let same = of(0.0);
        assert_eq!(same.chosen[0], 4, "{same:?}");
        assert!(same.difference.iter().all(|d| d.mean == 0.0), "one component is what there was");
        let figures = crate::figures::kept(&[far.clone(), same][..]);
        let two = ["3 standard deviations apart", "components: 2", "", "crowds in which so many were chosen"];
        assert_eq!(crate::figures::of(&figures, two).mean, 4.0);
        let less = ["3 standard deviations apart", "components chosen, less one component", "5 answers"];
        let [data, learner, at] = less;
        let kept = crate::figures::of(&figures, [data, learner, at, "difference of log loss, nats"]);
        assert_eq!(kept.high, Some(far.difference[1].high));
    }

    #[test]
    fn growth_is_measured() {
        let small = growth(10, 5, 4, 12, 1).expect("a sound crowd");
        assert!(small.people == 10 && small.question_ms > 0.0 && small.items_s > 0.0);
        let figures = crate::figures::kept(&small);
        let kept = crate::figures::of(&figures, ["simulated crowds", "population", "10 people", "a question, ms"]);
        assert_eq!(kept.mean, small.question_ms);
    }
}
