//! What many people said of the same things, gathered from a state: the answers that items, groups and influence are about.

use std::collections::BTreeMap;

use super::PopulationError;
use super::consolidation::{contributors, counted};
use super::influence::source_weights;
use super::items::{Answer, Answers};
use crate::evidence::{DescriptionIndex, Form};
use crate::ids::{PersonId, SourceId};
use crate::observation::Features;
use crate::record::Verdict;
use crate::state::State;

/// Something that several people can answer with one of two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Item {
    /// Agree or disagree with a statement.
    Statement(DescriptionIndex),
    /// The first or the second of a pair.
    Pair(DescriptionIndex, DescriptionIndex),
}

/// Everyone's answers, and what they count for.
#[derive(Clone, Debug)]
pub struct Survey {
    /// People whose evidence counts for others and who answered an item, in the order of their names.
    pub people: Vec<PersonId>,
    /// The source most of each person's evidence came through.
    pub sources: Vec<SourceId>,
    /// What each counts for.
    pub weights: Vec<f64>,
    /// The items, in the order of their descriptions.
    pub items: Vec<Item>,
    /// The answers.
    pub answers: Answers,
    /// Passes on each item, and "no preference" on a pair.
    pub passes: Vec<usize>,
}

impl Survey {
    /// Gathers the last answer of each person to each item.
    ///
    /// # Errors
    /// A source cap out of range.
    pub fn of(state: &State, source_cap: f64) -> Result<Self, PopulationError> {
        let mut given: BTreeMap<Item, BTreeMap<usize, Option<bool>>> = BTreeMap::new();
        let contributors = contributors(state);
        for (place, (_, person, _)) in contributors.iter().enumerate() {
            for evidence in counted(state, person) {
                let (item, answer) = match &evidence.form {
                    Form::Verdict { alternative, verdict } => {
                        let answer = match verdict {
                            Verdict::Agree => Some(true),
                            Verdict::Pass => None,
                            Verdict::Disagree => Some(false),
                        };
                        (Item::Statement(*alternative), answer)
                    }
                    Form::Choice { pair, chosen, .. } => (Item::Pair(pair[0], pair[1]), chosen.map(|c| c == 0)),
                    _ => continue,
                };
                given.entry(item).or_default().insert(place, answer);
            }
        }
        let mut seen: Vec<bool> = vec![false; contributors.len()];
        given.values().flat_map(|by| by.keys()).for_each(|place| seen[*place] = true);
        let mut renumbered = vec![0; contributors.len()];
        let mut people = Vec::new();
        let mut sources = Vec::new();
        for (place, (id, _, source)) in contributors.iter().enumerate().filter(|(place, _)| seen[*place]) {
            renumbered[place] = people.len() as u32;
            people.push((*id).clone());
            sources.push(source.clone());
        }
        let items: Vec<Item> = given.keys().copied().collect();
        let mut answers = Vec::new();
        let mut passes = vec![0; items.len()];
        for (item, by) in given.values().enumerate() {
            for (place, answer) in by {
                match answer {
                    Some(agrees) => {
                        answers.push(Answer { person: renumbered[*place], item: item as u32, agrees: *agrees });
                    }
                    None => passes[item] += 1,
                }
            }
        }
        let features = items.iter().map(|item| features(state, *item)).collect();
        let weights = source_weights(&sources, source_cap)?;
        let answers = Answers::new(people.len(), features, answers)?;
        Ok(Self { people, sources, weights, items, answers, passes })
    }
}

/// What the model reads in an item: the judgement first, then the rest; of a pair the difference.
fn features(state: &State, item: Item) -> Vec<f64> {
    let Some(epoch) = state.epoch() else { return Vec::new() };
    let (layout, read) = (&epoch.layout, epoch.layout.read_by_model());
    let row = |i: DescriptionIndex| -> Vec<f64> {
        let mut phi = Features::of(&state.descriptions()[i as usize], layout).mean;
        phi.truncate(read);
        let judgements = layout.judgements().min(phi.len());
        phi.rotate_right(judgements);
        phi
    };
    match item {
        Item::Statement(i) => row(i),
        Item::Pair(a, b) => row(a).iter().zip(row(b)).map(|(x, y)| x - y).collect(),
    }
}
