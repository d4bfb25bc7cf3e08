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
    /// One or the other of a pair, the first described first.
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
                    // Which of the two was shown first makes it no other question.
                    Form::Choice { pair: [a, b], chosen, .. } => {
                        (Item::Pair(*a.min(b), *a.max(b)), chosen.map(|c| (c == 0) == (a <= b)))
                    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{Scribe, choice, id};

    #[test]
    fn a_pair_is_one_item_whichever_was_shown_first_and_the_last_answer_counts() {
        let mut scribe = Scribe::begun();
        for record in [
            choice("ada", 0, 1, Some(1)),
            choice("bo", 1, 0, Some(1)),
            choice("bo", 2, 1, Some(0)),
            choice("ada", 1, 0, Some(1)),
        ] {
            scribe.note(record).unwrap();
        }
        let survey = Survey::of(&scribe.state, 1.0).unwrap();
        assert_eq!(survey.items, [Item::Pair(0, 1), Item::Pair(1, 2)]);
        assert_eq!(survey.people, [id("ada"), id("bo")]);
        let given: Vec<(u32, u32, bool)> =
            survey.answers.answers().iter().map(|a| (a.person, a.item, a.agrees)).collect();
        assert_eq!(given, [(0, 0, true), (1, 0, true), (1, 1, false)]);
    }

    #[test]
    fn a_second_answer_of_a_person_to_an_item_is_refused() {
        let answer = |person, item| Answer { person, item, agrees: true };
        let given = |answers| Answers::new(2, vec![Vec::new(); 2], answers);
        assert!(given(vec![answer(0, 0), answer(1, 0), answer(0, 1)]).is_ok());
        let error = given(vec![answer(1, 0), answer(0, 0), answer(1, 0)]).unwrap_err();
        assert_eq!(error, PopulationError::Twice { person: 1, item: 0 });
    }
}
