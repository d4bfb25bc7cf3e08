//! Deciding for several people: what each makes of the alternatives, the group they stand with, and what they count for.

use credence_memory::belief::{BeliefError, Mixture, RelativeUtility, relative_utility};
use credence_memory::home::{Home, HomeError};
use credence_memory::ids::{AlternativeId, PersonId, Seq};
use credence_memory::number::{Finite, NumberError};
use credence_memory::population::{
    Collective, CollectiveBars, GroupOptions, PopulationError, Rule, Stake, Survey, counted_people, decide, groups,
    source_weights,
};
use credence_memory::record::{CollectiveDecisionMade, Record};
use credence_memory::state::{State, StateError};
use jiff::Timestamp;

/// For whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ForWhom {
    /// Everyone who gave evidence and is not in quarantine.
    All,
    /// The people who most probably stand in this group, from 1.
    Group(usize),
    /// These.
    Named(Vec<PersonId>),
}

/// Why several people could not be decided for.
#[derive(Debug, thiserror::Error)]
pub enum TogetherError {
    /// Somebody the log does not know.
    #[error("the log knows nobody of the name {0:?}")]
    Unknown(PersonId),
    /// No such group.
    #[error("there is no group {asked}: {found} found (credence people shows them)")]
    NoGroup {
        /// The group asked for, from 1.
        asked: usize,
        /// How many there are.
        found: usize,
    },
    /// Nobody at all.
    #[error("there is nobody to decide for: nobody who is not in quarantine has given evidence")]
    Nobody,
    /// An alternative that was not described.
    #[error("alternative {0} is not described in this log")]
    NotDescribed(AlternativeId),
    /// The population's part.
    #[error(transparent)]
    Population(#[from] PopulationError),
    /// A belief could not be formed.
    #[error(transparent)]
    State(#[from] StateError),
    /// A belief could not be used.
    #[error(transparent)]
    Belief(#[from] BeliefError),
    /// The home.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// A number that is none.
    #[error(transparent)]
    Number(#[from] NumberError),
}

/// A decision for several people with its grounds, not yet recorded.
#[derive(Debug, Clone, PartialEq)]
pub struct Together {
    /// For whom, in the order of their names.
    pub people: Vec<PersonId>,
    /// What each makes of the alternatives.
    pub stakes: Vec<Stake>,
    /// What the rules make of that.
    pub collective: Collective,
}

/// The group, from 0, of everyone who answered a statement or a pair; empty where people are too few to have groups.
fn standing(state: &State, source_cap: f64) -> Result<(Vec<(PersonId, usize)>, usize), TogetherError> {
    let survey = Survey::of(state, source_cap)?;
    if survey.people.is_empty() {
        return Ok((Vec::new(), 1));
    }
    let found = groups(&survey.answers, &survey.weights, &GroupOptions::default())?;
    let most_probable = |m: &Vec<f64>| (0..m.len()).fold(0, |a, b| if m[b] > m[a] { b } else { a });
    let of = survey.people.into_iter().zip(found.membership.iter().map(most_probable)).collect();
    Ok((of, found.shares.len()))
}

/// How one alternative is chosen for several people.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Choosing {
    /// The rule.
    pub rule: Rule,
    /// Place of the alternative that happens if nothing is decided.
    pub fallback: Option<usize>,
    /// When to act and when to ask.
    pub bars: CollectiveBars,
}

/// Decides for several people.
/// `on_progress` is told how many people of how many are gone through.
///
/// # Errors
/// Nobody to decide for, or alternatives that are not described.
pub fn decide_together(
    state: &State,
    whom: &ForWhom,
    alternatives: &[AlternativeId],
    Choosing { rule, fallback, bars }: Choosing,
    source_cap: f64,
    on_progress: &mut dyn FnMut(usize, usize),
) -> Result<Together, TogetherError> {
    let (groups, count) = standing(state, source_cap)?;
    let group_of = |person: &PersonId| groups.binary_search_by(|(p, _)| p.cmp(person)).map(|at| groups[at].1).ok();
    let everyone = counted_people(state);
    let people: Vec<PersonId> = match whom {
        ForWhom::All => everyone.iter().map(|(p, _)| p.clone()).collect(),
        ForWhom::Group(asked) => {
            if *asked == 0 || *asked > count {
                return Err(TogetherError::NoGroup { asked: *asked, found: count });
            }
            groups.iter().filter(|(_, g)| g + 1 == *asked).map(|(p, _)| p.clone()).collect()
        }
        ForWhom::Named(names) => {
            let mut names = names.clone();
            names.sort();
            names.dedup();
            if let Some(unknown) = names.iter().find(|p| state.person(p).is_none()) {
                return Err(TogetherError::Unknown((*unknown).clone()));
            }
            names
        }
    };
    if people.is_empty() {
        return Err(TogetherError::Nobody);
    }
    let features: Vec<Vec<f64>> = alternatives
        .iter()
        .map(|a| state.features(a).map(|f| f.mean).ok_or(TogetherError::NotDescribed(*a)))
        .collect::<Result<_, _>>()?;
    // Somebody named who gave no evidence has no source, and is a source of their own.
    let sources: Vec<String> = people
        .iter()
        .map(|person| match everyone.binary_search_by(|(p, _)| p.cmp(person)) {
            Ok(at) => format!("source {}", everyone[at].1),
            Err(_) => format!("person {person}"),
        })
        .collect();
    let weights = match whom {
        ForWhom::Named(_) => vec![1.0; people.len()],
        ForWhom::All | ForWhom::Group(_) => source_weights(&sources, source_cap)?,
    };
    let before = spread(&relative_utility(&strangers(state)?, &features)?.covariance);
    let mut stakes = Vec::with_capacity(people.len());
    for (i, person) in people.iter().enumerate() {
        let RelativeUtility { expected, covariance } = relative_utility(&state.belief(person)?, &features)?;
        let known = if before > 0.0 { (1.0 - spread(&covariance) / before).clamp(0.0, 1.0) } else { 0.0 };
        stakes.push(Stake { expected, covariance, weight: weights[i], group: group_of(person).unwrap_or(0), known });
        on_progress(i + 1, people.len());
    }
    let collective = decide(&stakes, rule, fallback, bars)?;
    Ok(Together { people, stakes, collective })
}

/// What is believed of somebody of whom nothing is known, not even what others said.
fn strangers(state: &State) -> Result<Mixture, TogetherError> {
    let epoch = state.epoch().ok_or(TogetherError::Nobody)?;
    Ok(Mixture::new(&epoch.settings, &epoch.priors)?)
}

/// Sum of the variances of a covariance by rows.
fn spread(covariance: &[f64]) -> f64 {
    let k = covariance.len().isqrt();
    (0..k).map(|i| covariance[i * k + i]).sum()
}

/// Records a decision for several people.
///
/// # Errors
/// The home cannot be written.
pub fn record_together(
    home: &mut Home,
    together: &Together,
    alternatives: &[AlternativeId],
    now: Timestamp,
) -> Result<Seq, TogetherError> {
    let c = &together.collective;
    let scores = c.rules.iter().find(|(rule, _, _)| *rule == c.rule).map(|(_, scores, _)| scores.as_slice());
    let record = CollectiveDecisionMade {
        people: together.people.clone(),
        rule: c.rule,
        alternatives: alternatives.to_vec(),
        scores: Finite::vector(scores.unwrap_or_default())?,
        chosen: c.defers.is_empty().then(|| alternatives[c.chosen]),
        deferred_because: c.defers.clone(),
        objectors: c.objectors.iter().map(|(i, _)| together.people[*i].clone()).collect(),
    };
    Ok(home.append(now, Record::CollectiveDecisionMade(record))?.0.seq)
}
