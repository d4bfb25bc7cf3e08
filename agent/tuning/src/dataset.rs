//! What a generation is trained on: the belief's own predictions, with the (record, person) pairs behind each of them.
//!
//! A pure function of the log's state. Three parts:
//! - *lessons*: pairs of alternatives with the posterior's predictive probability as a soft label, weighted by how sure
//!   the posterior is. The posterior is folded from generation 0's own prior, a population learned from the training
//!   records, and these records alone, so neither a held-out answer nor an earlier generation can come in through a label;
//! - *held out*: records that are kept from training, for the gate. A hash of what was asked decides, so that a repeat,
//!   another order, or another person's answer to the same question lands on the same side;
//! - *rehearsal*: text that has nothing to do with anybody's values, and pairs that nobody disputes as the base model
//!   itself reads them, against forgetting.

use std::collections::{BTreeMap, BTreeSet};

use credence_agent::conclusion::with_what_was_foreseen;
use credence_memory::belief::{BeliefError, Channel, LocationName, Mixture, Priors, Question};
use credence_memory::evidence::{Evidence, Form};
use credence_memory::ids::{AlternativeId, Hash, PersonId, Seq};
use credence_memory::layout::Layout;
use credence_memory::observation::{Features, resolve};
use credence_memory::population::{ConsolidationError, SOURCE_CAP, counts_for_others, learned_from};
use credence_memory::record::{LibraryPassageUsed, Subject};
use credence_memory::state::{Epoch, Received, State};
use serde::{Deserialize, Serialize};

/// Whose belief is taught.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Whose {
    /// One person's.
    Person(PersonId),
    /// Everybody's with evidence, each person counting the same.
    Population,
}

impl Whose {
    /// Whether a person's evidence is learned from.
    pub fn includes(&self, person: &PersonId) -> bool {
        match self {
            Self::Person(one) => one == person,
            Self::Population => true,
        }
    }
}

impl std::fmt::Display for Whose {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Person(person) => person.fmt(f),
            Self::Population => f.write_str("the population"),
        }
    }
}

/// How a data set is made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DataSettings {
    /// Share of questions whose answers are kept for the gate, in [0, 1).
    pub held_out_share: f64,
    /// A pair is taught when the posterior is at least so sure which alternative is better: `|2 P(u1 > u2) - 1|`.
    pub sureness_min: f64,
    /// At most so many pairs, the surest first.
    pub pairs_max: usize,
    /// Judgements of the schema that are taught, by id; none for all of them.
    pub judgements: Option<Vec<String>>,
    /// Weight of a contrast readout of one alternative, of a pair prompt in one order, and of a token of rehearsal.
    pub weights: [f32; 3],
    /// Texts of the model's own, and tokens in each, that are rehearsed.
    pub own_outputs: (usize, usize),
    /// Weight of a contrast readout of an alternative of the obvious pairs that is rehearsed as the base model reads it;
    /// none are rehearsed at 0. The gate judges by other pairs.
    pub obvious_pairs: f32,
}

impl Default for DataSettings {
    fn default() -> Self {
        Self {
            held_out_share: 0.25,
            sureness_min: 0.1,
            pairs_max: 400,
            judgements: None,
            weights: [1.0, 0.5, 0.02],
            own_outputs: (6, 40),
            obvious_pairs: 0.5,
        }
    }
}

/// A pair of alternatives and what the posterior predicts of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Lesson {
    /// The situation; may be empty.
    pub situation: String,
    /// Ids of the two alternatives.
    pub alternatives: [AlternativeId; 2],
    /// Their texts.
    pub texts: [String; 2],
    /// Probability that the first is chosen, given that one of them is.
    pub probability: f64,
    /// How sure the posterior is which is better, `|2 P(u1 > u2) - 1|`.
    pub sureness: f64,
    /// Whose beliefs the label was made from: its provenance is all of [`DataSet::absorbed`] that is theirs.
    pub people: Vec<PersonId>,
    /// What deliberation concluded and a person checked, where the label is what is predicted of the two with what was foreseen of
    /// them; none where they are judged alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conclusion: Option<Conclusion>,
}

/// Where a conclusion that is taught comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conclusion {
    /// The record that says that it was checked.
    pub checked: Seq,
    /// The person's choice: the check itself.
    pub choice: Seq,
    /// The two deliberations.
    pub deliberated: [Seq; 2],
    /// Passages of the library that were before the model, by document and place.
    pub passages: Vec<LibraryPassageUsed>,
}

/// A record that is not trained on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct HeldOut {
    /// The record.
    pub seq: Seq,
    /// Whose it is.
    pub person: PersonId,
}

/// A data set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DataSet {
    /// Whose belief is taught.
    pub whose: Whose,
    /// The last record that was looked at.
    pub cutoff: Seq,
    /// How it was made.
    pub settings: DataSettings,
    /// Every (record, person) pair that entered a posterior which made a label.
    pub absorbed: BTreeMap<PersonId, Vec<Seq>>,
    /// Records kept for the gate.
    pub held_out: Vec<HeldOut>,
    /// The lessons, surest first.
    pub lessons: Vec<Lesson>,
}

/// Why there is no data set.
#[derive(Debug, thiserror::Error)]
pub enum DataSetError {
    /// The log has nothing to make one from.
    #[error("the log has no {0} to learn from")]
    Nothing(&'static str),
    /// A setting out of range.
    #[error("data settings: {0}")]
    Settings(String),
    /// The posterior is sure of no pair.
    #[error(
        "the posterior is sure of no pair of alternatives (the surest: {surest:.2}, at least {needed:.2} is needed)"
    )]
    Unsure {
        /// The greatest sureness.
        surest: f64,
        /// What is needed.
        needed: f64,
    },
    /// People could not be learned from together.
    #[error("what people receive from each other could not be learned")]
    Population(#[from] ConsolidationError),
    /// Belief could not be formed.
    #[error("belief about {person} could not be formed")]
    Belief {
        /// Whose.
        person: PersonId,
        /// Why.
        source: BeliefError,
    },
}

/// Which part of the data something belongs to.
#[derive(Debug, Clone, Copy)]
pub struct Split {
    log: Hash,
    held_out_share: f64,
}

impl Split {
    /// The split of a log; it never changes, so that what was held out once stays held out.
    pub fn of(state: &State, settings: &DataSettings) -> Self {
        let id = state.header().map_or("", |header| header.log_id.as_str());
        Self { log: Hash::of(id.as_bytes()), held_out_share: settings.held_out_share }
    }

    /// Whether what is asked about these alternatives, in this situation, is held out.
    pub fn holds_out(&self, situation: &str, alternatives: &[AlternativeId]) -> bool {
        let hash = if situation.trim().is_empty() {
            let mut ids: Vec<Hash> = alternatives.iter().map(|a| a.hash()).collect();
            ids.sort_unstable();
            Hash::of_parts("held-out", std::iter::once(&self.log.0[..]).chain(ids.iter().map(|h| &h.0[..])))
        } else {
            Hash::of_parts("held-out", [&self.log.0[..], situation.trim().as_bytes()])
        };
        let [a, b, c, d, ..] = hash.0;
        f64::from(u32::from_le_bytes([a, b, c, d])) / 2f64.powi(32) < self.held_out_share
    }

    /// Whether a piece of evidence is held out. Statements of importance, which ask about no alternatives, never are.
    pub fn holds_out_evidence(&self, state: &State, evidence: &Evidence) -> bool {
        let described: Vec<_> =
            evidence.form.descriptions().iter().map(|i| &state.descriptions()[*i as usize]).collect();
        let Some(first) = described.first() else { return false };
        let one_situation = described.iter().all(|d| d.situation == first.situation);
        let ids: Vec<AlternativeId> = described.iter().map(|d| d.alternative).collect();
        self.holds_out(if one_situation { &first.situation } else { "" }, &ids)
    }
}

/// The prior locations that no training has touched: all but generations and populations, so that a label rests on the
/// base model and the records named as its provenance, and on nothing else.
pub fn untrained_priors(priors: &Priors) -> Priors {
    let mut priors = priors.clone();
    priors.locations.retain(|l| matches!(l.name, LocationName::Zero | LocationName::Elicited));
    priors
}

/// The feature space without the judgements of promoted generations, as beliefs under [`untrained_priors`] read it.
pub fn untrained_layout(layout: &Layout) -> Layout {
    layout.with_generations(Vec::new())
}

/// Makes the data set of a log's state.
///
/// # Errors
/// If there is nothing to learn from, or nothing that the posterior is sure of.
pub fn build(state: &State, whose: &Whose, settings: &DataSettings) -> Result<DataSet, DataSetError> {
    if !(0.0..1.0).contains(&settings.held_out_share) || !(0.0..=1.0).contains(&settings.sureness_min) {
        return Err(DataSetError::Settings("held_out_share must lie in [0, 1), sureness_min in [0, 1]".to_owned()));
    }
    let epoch = state.epoch().ok_or(DataSetError::Nothing("header"))?;
    let split = Split::of(state, settings);
    let taught = |_: &PersonId, e: &Evidence| !split.holds_out_evidence(state, e);
    // With a prior learned from the others few answers of each of many people say what all of them say.
    let population = match whose {
        Whose::Person(_) => None,
        Whose::Population => match learned_from(state, SOURCE_CAP, &taught) {
            Err(ConsolidationError::TooFew(_)) => None,
            learned => Some(learned?),
        },
    };
    let mut absorbed = BTreeMap::new();
    let mut held_out = Vec::new();
    let mut beliefs = Vec::new();
    for (person, evidence) in counted(state, whose) {
        let (taught, out): (Vec<&Evidence>, Vec<&Evidence>) = evidence.into_iter().partition(|e| taught(person, e));
        held_out.extend(out.iter().map(|e| HeldOut { seq: e.seq, person: person.clone() }));
        if taught.is_empty() {
            continue;
        }
        let received = population.as_ref().map(|population| population.received_by(person));
        let belief = fold(state, epoch, &taught, received)
            .map_err(|source| DataSetError::Belief { person: person.clone(), source })?;
        absorbed.insert(person.clone(), taught.iter().map(|e| e.seq).collect());
        beliefs.push((person.clone(), belief));
    }
    if beliefs.is_empty() {
        return Err(DataSetError::Nothing("evidence outside the held-out part"));
    }
    held_out.sort_unstable();
    let mut lessons = lessons(state, epoch, &split, &beliefs);
    let surest = lessons.iter().map(|l| l.sureness).fold(0.0, f64::max);
    lessons.retain(|l| l.sureness >= settings.sureness_min);
    if lessons.is_empty() {
        return Err(DataSetError::Unsure { surest, needed: settings.sureness_min });
    }
    lessons.sort_by(|a, b| b.sureness.total_cmp(&a.sureness).then_with(|| a.alternatives.cmp(&b.alternatives)));
    lessons.truncate(settings.pairs_max);
    let cutoff = state.head().0;
    Ok(DataSet { whose: whose.clone(), cutoff, settings: settings.clone(), absorbed, held_out, lessons })
}

/// Evidence that is learned from, by person: of a population what is in quarantine is left out.
pub fn counted<'a>(state: &'a State, whose: &Whose) -> Vec<(&'a PersonId, Vec<&'a Evidence>)> {
    let quarantined = |subject: Subject| *whose == Whose::Population && state.quarantined().contains(&subject);
    let people = state.people().iter();
    let people =
        people.filter(|(person, _)| whose.includes(person) && !quarantined(Subject::Person((*person).clone())));
    let counts = |e: &&Evidence| *whose != Whose::Population || counts_for_others(state, e);
    people.map(|(person, known)| (person, known.evidence().iter().filter(counts).collect())).collect()
}

fn fold(
    state: &State,
    epoch: &Epoch,
    evidence: &[&Evidence],
    received: Option<&Received>,
) -> Result<Mixture, BeliefError> {
    let layout = untrained_layout(&epoch.layout);
    let observations: Vec<_> =
        evidence.iter().map(|e| resolve(e, |i| &state.descriptions()[i as usize], &layout)).collect();
    let mut priors = untrained_priors(&epoch.priors);
    if let Some(received) = received {
        priors.locations.extend_from_slice(&received.locations);
        priors.component_masses.clone_from(&received.masses);
    }
    Mixture::fold(&epoch.settings, &priors, &observations)
}

/// Every pair of described alternatives that share a situation and may be taught.
fn lessons(state: &State, epoch: &Epoch, split: &Split, beliefs: &[(PersonId, Mixture)]) -> Vec<Lesson> {
    let layout = untrained_layout(&epoch.layout);
    let mut situations: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (index, described) in state.descriptions().iter().enumerate() {
        situations.entry(&described.situation).or_default().push(index);
    }
    // Alternatives without a situation pair up only where a person was asked about the two together.
    let alone = situations.remove("").unwrap_or_default();
    let mut pairs: BTreeSet<[usize; 2]> = asked_together(state, &alone);
    for members in situations.values() {
        for (n, a) in members.iter().enumerate() {
            pairs.extend(members[n + 1..].iter().map(|b| [*a, *b]));
        }
    }
    let people: Vec<PersonId> = beliefs.iter().map(|(person, _)| person.clone()).collect();
    let checked = checked_conclusions(state, &people);
    let mut lessons = Vec::new();
    for pair in pairs {
        let [first, second] = pair.map(|i| &state.descriptions()[i]);
        if split.holds_out(&first.situation, &[first.alternative, second.alternative]) {
            continue;
        }
        let features = |d| Features::of(d, &layout);
        let alone = predicted(beliefs, features(first).minus(&features(second)));
        // Deliberation counts where the person came to the same.
        let concluded =
            checked.get(&[first.alternative, second.alternative]).and_then(|(conclusion, first_is_better)| {
                let difference = with_what_was_foreseen(state, &layout, conclusion.deliberated)?;
                let (probability, better) = predicted(beliefs, difference);
                ((better > 0.5) == *first_is_better).then_some((probability, better, conclusion.clone()))
            });
        let (probability, better, conclusion) = match concluded {
            Some((probability, better, conclusion)) => (probability, better, Some(conclusion)),
            None => (alone.0, alone.1, None),
        };
        lessons.push(Lesson {
            situation: first.situation.clone(),
            alternatives: [first.alternative, second.alternative],
            texts: [first.text.clone(), second.text.clone()],
            probability: probability.clamp(1e-6, 1.0 - 1e-6),
            sureness: (2.0 * better - 1.0).abs().min(1.0),
            people: people.clone(),
            conclusion,
        });
    }
    lessons
}

/// The probability that the first is chosen, given that one of the two is, and that it is better: means over people.
fn predicted(beliefs: &[(PersonId, Mixture)], Features { mean, error }: Features) -> (f64, f64) {
    let question = Question::Comparison {
        difference: mean.clone(),
        error,
        indifference_offered: false,
        channel: Channel::Choice,
        misreading: 0.0,
        question: None,
    };
    let (mut probability, mut better) = (0.0, 0.0);
    for (_, belief) in beliefs {
        let predicted = belief.predict(&question);
        probability += predicted[0] / (predicted[0] + predicted[1]) / beliefs.len() as f64;
        better += belief.functional(&mean).probability_positive() / beliefs.len() as f64;
    }
    (probability, better)
}

/// Conclusions that these people checked and that still stand, with whether the first is better, by the two alternatives in either
/// order; of one that was checked several times the last.
fn checked_conclusions(state: &State, people: &[PersonId]) -> BTreeMap<[AlternativeId; 2], (Conclusion, bool)> {
    let mut checked = BTreeMap::new();
    for (seq, conclusion) in state.standing_conclusions().filter(|(_, c)| people.contains(&c.person)) {
        let Some(Form::Choice { pair, chosen: Some(chosen), .. }) = state.choice_of(conclusion).map(|e| &e.form) else {
            continue;
        };
        let chosen = state.descriptions()[pair[usize::from(*chosen)] as usize].alternative;
        let of = |seq: Seq| state.deliberations().get(&seq).map(|d| d.made.alternative);
        let [first, second] = conclusion.deliberated;
        let mut passages: Vec<LibraryPassageUsed> =
            conclusion.deliberated.iter().flat_map(|seq| state.cited(*seq)).copied().collect();
        passages.sort_unstable();
        passages.dedup();
        for deliberated in [[first, second], [second, first]] {
            let [Some(a), Some(b)] = deliberated.map(of) else { continue };
            let source =
                Conclusion { checked: seq, choice: conclusion.choice, deliberated, passages: passages.clone() };
            checked.insert([a, b], (source, a == chosen));
        }
    }
    checked
}

/// Pairs among `alone` that some evidence is about.
fn asked_together(state: &State, alone: &[usize]) -> BTreeSet<[usize; 2]> {
    let evidence = state.people().values().flat_map(|p| p.evidence());
    let pairs = evidence.filter_map(|e| match e.form.descriptions() {
        [a, b] => Some([*a as usize, *b as usize]),
        _ => None,
    });
    pairs.filter(|pair| pair.iter().all(|i| alone.contains(i))).map(|[a, b]| [a.min(b), a.max(b)]).collect()
}

impl DataSet {
    /// BLAKE3 of the data set: the same state and settings give the same.
    #[allow(clippy::missing_panics_doc, reason = "maps are ordered, with names as keys")]
    pub fn hash(&self) -> Hash {
        let json =
            serde_json::to_string(self).expect("maps are ordered, with names as keys, so it has one form as JSON");
        Hash::of(json.as_bytes())
    }

    /// The (record, person) pairs behind a lesson's label.
    pub fn provenance<'a>(&'a self, lesson: &'a Lesson) -> impl Iterator<Item = (Seq, &'a PersonId)> {
        let of = |person| self.absorbed.get(person).into_iter().flatten();
        lesson.people.iter().flat_map(move |person| of(person).map(move |seq| (*seq, person)))
    }

    /// How many (record, person) pairs it absorbs.
    pub fn absorbed_len(&self) -> usize {
        self.absorbed.values().map(Vec::len).sum()
    }

    /// The same data set with every label given to another lesson: what a model learns from it is noise. The gate must
    /// refuse it; its tests say so.
    pub fn with_shuffled_labels(mut self, random: &mut impl rand::Rng) -> Self {
        use rand::RngExt;
        let mut labels: Vec<f64> = self.lessons.iter().map(|l| l.probability).collect();
        rand::seq::SliceRandom::shuffle(&mut labels[..], random);
        for (lesson, label) in self.lessons.iter_mut().zip(labels) {
            lesson.probability = if random.random_bool(0.5) { label } else { 1.0 - label };
        }
        self
    }
}
