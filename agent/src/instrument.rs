//! What can be asked, and what to ask next: choices between acts, portraits to rate, the best and the worst of four portraits.
//!
//! Pure: features come from the caller, randomness is an argument. A session and an experiment ask by the same code.

use std::collections::{BTreeMap, BTreeSet};

use credence_memory::belief::{Channel, Mixture, Places, Question, Strategy};
use credence_memory::ids::{AlternativeId, QuestionId};
use credence_memory::layout::Layout;
use credence_memory::observation::{Features, graded_key};
use credence_memory::record::QuestionKind;
use rand::Rng;
use rand::seq::{IndexedRandom, SliceRandom};
use serde::{Deserialize, Serialize};

use crate::ask::{self, Scored};
use crate::gains::{Known, Remembered, gains};
use crate::pace::Pace;

/// Levels on which a portrait is rated.
pub const LEVELS: u32 = 6;
/// What the levels are called, the lowest first.
pub const LEVEL_NAMES: [&str; LEVELS as usize] =
    ["not me at all", "not much like me", "a little like me", "fairly like me", "like me", "very much like me"];
/// Portraits in a question for the best and the worst.
pub const SET_SIZE: usize = 4;
/// After so many questions of one kind in a row another kind comes first: one way of asking must not carry a person alone.
const RUN_MAX: usize = 4;

/// How much is worked out to choose a question.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Effort {
    /// One person at a time.
    #[default]
    Full,
    /// For many people at once. In a choice of questions fewer hypotheses stand for all, and fewer questions are looked at closely: it
    /// finds less of people (docs/results/service-load.md), so a session never chooses so. What a session predicts and shows may be quick.
    Quick,
}

impl Effort {
    /// Hypotheses under which every question is looked at, and pairs of portraits are.
    fn glance(self) -> usize {
        self.of(8, 4)
    }

    /// Questions that are looked at more closely, of those that promise most.
    fn weighed(self) -> usize {
        self.of(24, 12)
    }

    /// Hypotheses under which they are.
    fn close(self) -> usize {
        self.of(32, 8)
    }

    /// Sets whose information is worked out in full, of those whose pairs promise most.
    fn sets(self) -> usize {
        self.of(3, 1)
    }

    fn of<T>(self, full: T, quick: T) -> T {
        match self {
            Effort::Full => full,
            Effort::Quick => quick,
        }
    }
}

/// Something that can be asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    /// What kind of answer it asks for.
    pub kind: QuestionKind,
    /// Its identity, whatever the order of its alternatives.
    pub id: QuestionId,
    /// The situation's text; may be empty.
    pub situation: String,
    /// Its alternatives; one for a portrait.
    pub alternatives: Vec<AlternativeId>,
}

impl Item {
    /// A question of this kind.
    pub fn new(kind: QuestionKind, situation: &str, alternatives: Vec<AlternativeId>) -> Self {
        let id = QuestionId::of(&alternatives);
        Self { kind, id, situation: situation.to_owned(), alternatives }
    }

    /// The key under which belief knows an answer to it again; the best and the worst of a set are never asked twice.
    pub fn key(&self) -> Option<credence_memory::ids::Hash> {
        match self.kind {
            QuestionKind::Choice => Some(self.id.hash()),
            QuestionKind::Portrait => Some(graded_key(self.alternatives[0], Some(LEVELS))),
            QuestionKind::BestAndWorst => None,
        }
    }

    /// How it is known again among questions.
    fn known(&self) -> Known {
        (self.id, self.offers_indifference())
    }

    /// Whether "no preference" is an answer.
    pub fn offers_indifference(&self) -> bool {
        self.kind == QuestionKind::Choice && self.alternatives.len() == 2
    }

    /// The question as belief understands it. Two acts are put in the order of their ids, so that repeats of a choice meet; the
    /// outcomes of the best and the worst are in the order of [`Item::alternatives`].
    ///
    /// # Errors
    /// An alternative of the item has no features.
    pub fn question<E>(
        &self,
        layout: &Layout,
        features: impl Fn(&AlternativeId) -> Result<Features, E>,
    ) -> Result<Question, E> {
        let mut order = self.alternatives.clone();
        if self.kind == QuestionKind::Choice && order.len() == 2 {
            order.sort_unstable();
        }
        let mut described = order.iter().map(&features).collect::<Result<Vec<_>, _>>()?;
        let several = |described: Vec<Features>, places| {
            let (features, error) = described.into_iter().map(|f| (f.mean, f.error)).unzip();
            Question::Ranking { features, error, places, channel: Channel::Choice }
        };
        Ok(match self.kind {
            QuestionKind::Portrait => {
                let Features { mean, error } = described.swap_remove(0).with_constant(layout.rating_centre());
                let question = self.key().map(|key| key.0);
                Question::Graded { features: mean, error, levels: LEVELS as usize, misreading: 0.0, question }
            }
            QuestionKind::BestAndWorst => several(described, Places::BestAndWorst),
            QuestionKind::Choice if described.len() == 2 => {
                let Features { mean, error } = described[0].minus(&described[1]);
                Question::Comparison {
                    difference: mean,
                    error,
                    indifference_offered: true,
                    channel: Channel::Choice,
                    misreading: 0.0,
                    question: self.key().map(|key| key.0),
                }
            }
            QuestionKind::Choice => several(described, Places::First(1)),
        })
    }
}

/// A portrait that may stand in a set: the value it is mostly about, and how often this person has seen it.
#[derive(Debug, Clone, PartialEq)]
pub struct Member {
    /// The portrait.
    pub alternative: AlternativeId,
    /// Place of its main value in the schema.
    pub value: usize,
    /// How often the person was asked about it.
    pub seen: usize,
}

/// What may be asked now.
#[derive(Debug, Clone, Default)]
pub struct Pool<'a> {
    /// Choices and portraits that were not asked, or that may be asked again.
    pub items: Vec<&'a Item>,
    /// Portraits that sets may be made of; empty where the best and the worst are not to be asked for.
    pub members: Vec<Member>,
    /// Sets that were asked.
    pub asked_sets: BTreeSet<QuestionId>,
    /// The kinds of the questions before, the latest last.
    pub kinds: Vec<QuestionKind>,
    /// How much is worked out.
    pub effort: Effort,
    /// What was worked out before, under beliefs that many people share; nothing where none is.
    pub remembered: Option<Remembered<'a>>,
}

/// What was chosen.
#[derive(Debug, Clone, PartialEq)]
pub struct Chosen {
    /// The question.
    pub item: Item,
    /// Its expected information gain, nats; under a few hypotheses that stand for all where it was chosen by it.
    pub gain_nats: f64,
    /// Among how many.
    pub candidates: usize,
}

/// The question with the most expected information for a second of the person's time. Strategies other than information gain know
/// choices only, and compare them whatever their time.
///
/// # Errors
/// Those of `features`.
pub fn next<E>(
    strategy: Strategy,
    belief: &Mixture,
    layout: &Layout,
    pool: &Pool<'_>,
    pace: &Pace,
    features: impl Fn(&AlternativeId) -> Result<Features, E>,
    rng: &mut impl Rng,
) -> Result<Option<Chosen>, E> {
    if strategy != Strategy::InformationGain {
        return choice_by(strategy, belief, layout, pool, features, rng);
    }
    let sets = best_sets(belief, pool, &features, rng)?;
    let mut items: Vec<&Item> = pool.items.iter().copied().chain(&sets).collect();
    if let Some(worn) = worn_out(&pool.kinds)
        && items.iter().any(|item| item.kind != worn)
    {
        items.retain(|item| item.kind != worn);
    }
    if items.is_empty() {
        return Ok(None);
    }
    let candidates = items.len();
    let mut questions = items.iter().map(|item| item.question(layout, &features)).collect::<Result<Vec<_>, _>>()?;
    if candidates > pool.effort.weighed() {
        let known: Vec<Known> = items.iter().map(|item| item.known()).collect();
        let rough = gains(pool.remembered, belief, &known, &questions, pool.effort.glance());
        let rate = |i: usize| rough[i] / pace.seconds(items[i].kind);
        let mut order: Vec<usize> = (0..candidates).collect();
        order.sort_by(|&i, &j| rate(j).total_cmp(&rate(i)).then(i.cmp(&j)));
        order.truncate(pool.effort.weighed());
        order.sort_unstable();
        items = order.iter().map(|&i| items[i]).collect();
        questions = order.iter().map(|&i| questions[i].clone()).collect();
    }
    let known: Vec<Known> = items.iter().map(|item| item.known()).collect();
    let gains = gains(pool.remembered, belief, &known, &questions, pool.effort.close());
    let rates: Vec<f64> = gains.iter().zip(&items).map(|(gain, item)| gain / pace.seconds(item.kind)).collect();
    let index = ask::near_best(&rates, rng);
    Ok(Some(Chosen { item: items[index].clone(), gain_nats: gains[index], candidates }))
}

fn choice_by<E>(
    strategy: Strategy,
    belief: &Mixture,
    layout: &Layout,
    pool: &Pool<'_>,
    features: impl Fn(&AlternativeId) -> Result<Features, E>,
    rng: &mut impl Rng,
) -> Result<Option<Chosen>, E> {
    let items: Vec<&Item> = pool.items.iter().copied().filter(|item| item.kind == QuestionKind::Choice).collect();
    if items.is_empty() {
        return Ok(None);
    }
    let questions = items.iter().map(|item| item.question(layout, &features)).collect::<Result<Vec<_>, _>>()?;
    // EUBO is told the second alternative in the order in which the question was put: that of the ids.
    let second = items
        .iter()
        .map(|item| item.alternatives.iter().max().map_or_else(|| Ok(Vec::new()), |a| features(a).map(|f| f.mean)))
        .collect::<Result<Vec<_>, _>>()?;
    let Scored { index, gain_nats } = ask::best(strategy, belief, &questions, &second, rng);
    Ok(Some(Chosen { item: items[index].clone(), gain_nats, candidates: items.len() }))
}

/// The kind that has been asked often enough in a row.
fn worn_out(kinds: &[QuestionKind]) -> Option<QuestionKind> {
    let last = *kinds.last()?;
    let run = kinds.iter().rev().take_while(|kind| **kind == last).count();
    (run >= RUN_MAX).then_some(last)
}

/// Sets of portraits of different values whose pairs together would tell the most, each value by the portrait that the person has
/// seen least.
fn best_sets<E>(
    belief: &Mixture,
    pool: &Pool<'_>,
    features: &impl Fn(&AlternativeId) -> Result<Features, E>,
    rng: &mut impl Rng,
) -> Result<Vec<Item>, E> {
    let mut by_value: BTreeMap<usize, Vec<&Member>> = BTreeMap::new();
    for member in &pool.members {
        by_value.entry(member.value).or_default().push(member);
    }
    if by_value.len() < SET_SIZE {
        return Ok(Vec::new());
    }
    let members: Vec<AlternativeId> = by_value
        .values()
        .filter_map(|members| {
            let least = members.iter().map(|m| m.seen).min()?;
            let fresh: Vec<AlternativeId> = members.iter().filter(|m| m.seen == least).map(|m| m.alternative).collect();
            fresh.choose(rng).copied()
        })
        .collect();
    let n = members.len();
    let pairs: Vec<(usize, usize)> = (0..n).flat_map(|i| (i + 1..n).map(move |j| (i, j))).collect();
    let described = members.iter().map(features).collect::<Result<Vec<_>, _>>()?;
    let questions: Vec<Question> = pairs
        .iter()
        .map(|&(i, j)| {
            let Features { mean, error } = described[i].minus(&described[j]);
            Question::Comparison {
                difference: mean,
                error,
                indifference_offered: false,
                channel: Channel::Choice,
                misreading: 0.0,
                question: None,
            }
        })
        .collect();
    let known: Vec<Known> = pairs.iter().map(|&(i, j)| (QuestionId::of(&[members[i], members[j]]), false)).collect();
    let mut gain = vec![0.0; n * n];
    let found = gains(pool.remembered, belief, &known, &questions, pool.effort.glance());
    for (&(i, j), g) in pairs.iter().zip(found) {
        gain[i * n + j] = g;
        gain[j * n + i] = g;
    }
    let mut sets: Vec<(f64, [usize; SET_SIZE])> = Vec::new();
    for a in 0..n {
        for b in a + 1..n {
            for c in b + 1..n {
                for d in c + 1..n {
                    let all = [a, b, c, d];
                    let sum =
                        all.iter().flat_map(|i| all.iter().map(move |j| (i, j))).map(|(i, j)| gain[i * n + j]).sum();
                    sets.push((sum, all));
                }
            }
        }
    }
    sets.sort_by(|(x, p), (y, q)| y.total_cmp(x).then(p.cmp(q)));
    let item = |set: &[usize; SET_SIZE]| {
        let mut alternatives: Vec<AlternativeId> = set.iter().map(|&k| members[k]).collect();
        alternatives.sort_unstable();
        Item::new(QuestionKind::BestAndWorst, "", alternatives)
    };
    let fresh = sets.iter().map(|(_, set)| item(set)).filter(|item| !pool.asked_sets.contains(&item.id));
    Ok(fresh.take(pool.effort.sets()).collect())
}

/// The order in which an item is shown: a random one.
pub fn shuffled(item: &Item, rng: &mut impl Rng) -> Vec<AlternativeId> {
    let mut shown = item.alternatives.clone();
    shown.shuffle(rng);
    shown
}
