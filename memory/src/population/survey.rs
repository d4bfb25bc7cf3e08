//! What many people said of the same things, gathered from a state: the answers that items, groups and influence are about.

use std::collections::{BTreeMap, BTreeSet};

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

/// A part of what people said that is looked at by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// The conversation of this name.
    Conversation(String),
    /// What belongs to no conversation.
    Rest,
}

impl Part {
    /// Whether a person's evidence through this source belongs to it.
    pub fn has(&self, person: &PersonId, source: &SourceId) -> bool {
        match (self, conversation(person, source)) {
            (Part::Conversation(name), found) => found == Some(name),
            (Part::Rest, found) => found.is_none(),
        }
    }
}

/// The conversation that evidence belongs to, by its source, or by its person where another home's log was merged.
fn conversation<'a>(person: &'a PersonId, source: &'a SourceId) -> Option<&'a str> {
    if let Some(name) = source.as_str().strip_prefix("import:polis:") {
        return Some(name);
    }
    let voter = person.as_str().strip_prefix("polis:").filter(|_| source.as_str().starts_with("import:"))?;
    voter.rsplit_once(':').map(|(name, _)| name)
}

/// The conversations that a home has votes of, in the order of their names, and whether it has answers to other things.
pub fn conversations(state: &State) -> (Vec<String>, bool) {
    let (mut names, mut rest) = (BTreeSet::new(), false);
    for (id, person) in state.people() {
        for evidence in person.evidence() {
            match conversation(id, &evidence.source) {
                Some(name) => drop(names.insert(name.to_owned())),
                None => rest |= matches!(evidence.form, Form::Verdict { .. } | Form::Choice { .. }),
            }
        }
    }
    (names.into_iter().collect(), rest)
}

impl Survey {
    /// Gathers the last answer of each person to each item.
    ///
    /// # Errors
    /// A source cap out of range.
    pub fn of(state: &State, source_cap: f64) -> Result<Self, PopulationError> {
        Self::within(state, source_cap, None)
    }

    /// As [`Survey::of`], of one conversation that was imported, or of what belongs to none.
    ///
    /// # Errors
    /// A source cap out of range.
    pub fn within(state: &State, source_cap: f64, part: Option<&Part>) -> Result<Self, PopulationError> {
        let mut given: BTreeMap<Item, BTreeMap<usize, Option<bool>>> = BTreeMap::new();
        let contributors = contributors(state);
        for (place, (id, person, _)) in contributors.iter().enumerate() {
            for evidence in counted(state, person).filter(|e| part.is_none_or(|part| part.has(id, &e.source))) {
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
    fn a_statement_in_quarantine_is_no_item_and_conversations_are_kept_apart() {
        use crate::record::{Origin, QuarantineSet, Record, Subject, VerdictGiven};
        use crate::sample::alternative;
        let mut scribe = Scribe::begun();
        let vote = |conversation: &str, voter: u32, n: usize| {
            let person = id(&format!("polis:{conversation}:{voter}"));
            let source = SourceId::new(&format!("import:polis:{conversation}")).unwrap();
            let from = Origin { person, source, session: None };
            Record::VerdictGiven(VerdictGiven { from, alternative: alternative(n), verdict: Verdict::Agree })
        };
        for record in [vote("a", 1, 0), vote("a", 2, 1), vote("b", 1, 1), vote("b", 2, 2), choice("ada", 0, 1, Some(0))]
        {
            scribe.note(record).unwrap();
        }
        let state = &scribe.state;
        assert_eq!(conversations(state), (vec!["a".to_owned(), "b".to_owned()], true));
        let within = |state: &State, part: Part| Survey::within(state, 1.0, Some(&part)).unwrap();
        let a = within(state, Part::Conversation("a".into()));
        assert_eq!(
            (a.items, a.people),
            (vec![Item::Statement(0), Item::Statement(1)], vec![id("polis:a:1"), id("polis:a:2")])
        );
        assert_eq!(within(state, Part::Rest).items, [Item::Pair(0, 1)]);
        let subject = Subject::Statement(alternative(1));
        let mark = |quarantined| {
            let (subject, reason) = (subject.clone(), "a fact".to_owned());
            Record::QuarantineSet(QuarantineSet { subject, quarantined, reason })
        };
        scribe.note(mark(true)).unwrap();
        assert_eq!(Survey::of(&scribe.state, 1.0).unwrap().items, [Item::Statement(0), Item::Statement(2)]);
        assert!(scribe.note(mark(true)).is_err() && scribe.state.was_marked(&subject));
        scribe.note(mark(false)).unwrap();
        assert_eq!(Survey::of(&scribe.state, 1.0).unwrap().items.len(), 4);
        assert!(scribe.state.was_marked(&subject), "by somebody's decision it counts again");
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
