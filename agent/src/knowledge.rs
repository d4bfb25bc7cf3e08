//! What the loop asks of a log's state, in the loop's own terms.

use std::collections::BTreeSet;

use credence_memory::belief::{Channel, Mixture, Places, Question};
use credence_memory::ids::{AlternativeId, Hash, PersonId, QuestionId, Seq};
use credence_memory::observation::Features;
use credence_memory::state::{Illegal, State, StateError};

/// What the loop asks of a state.
pub trait Knowledge {
    /// The number that the next record will have.
    fn next_seq(&self) -> Seq;
    /// Whether these words in this situation have been read.
    fn is_described(&self, situation: &str, text: &str) -> bool;
    /// Features of an alternative.
    ///
    /// # Errors
    /// It is not described.
    fn vector(&self, alternative: &AlternativeId) -> Result<Vec<f64>, StateError>;
    /// Error variance of each feature of an alternative: how far it may have been misread.
    ///
    /// # Errors
    /// It is not described.
    fn reading_error(&self, alternative: &AlternativeId) -> Result<Vec<f64>, StateError>;
    /// Features of the first minus those of the second.
    ///
    /// # Errors
    /// One of them is not described.
    fn difference(&self, first: &AlternativeId, second: &AlternativeId) -> Result<Vec<f64>, StateError>;
    /// The question of choosing among alternatives. Two are put in the order of their ids, whatever the order given, so that repeats of
    /// a question meet; see [`Knowledge::predict_choice`] for probabilities in the order shown.
    ///
    /// # Errors
    /// One of them is not described.
    fn choice_question(&self, shown: &[AlternativeId], indifference_offered: bool) -> Result<Question, StateError>;
    /// Probabilities of choosing each alternative in the order shown, then of "neither" if offered.
    ///
    /// # Errors
    /// One of them is not described.
    fn predict_choice(
        &self,
        belief: &Mixture,
        shown: &[AlternativeId],
        indifference_offered: bool,
    ) -> Result<Vec<f64>, StateError>;
    /// Keys of the questions that a person has answered, by answers that count.
    fn answered(&self, person: &PersonId) -> BTreeSet<Hash>;
    /// How many answers of a person to a question count.
    fn answers_to(&self, person: &PersonId, question: &QuestionId) -> usize;
    /// The order in which a question was last shown to a person.
    fn last_order(&self, person: &PersonId, question: &QuestionId) -> Option<Vec<AlternativeId>>;
    /// The name of a feature: a value's id, `text:1`, `judgement`, an attribute.
    fn feature_name(&self, index: usize) -> String;
    /// Belief about somebody before their first evidence: what they receive from others included.
    ///
    /// # Errors
    /// No belief can be formed from the header and the prior.
    fn prior_belief(&self, person: &PersonId) -> Result<Mixture, StateError>;
    /// BLAKE3 over the bits of the belief about a person.
    ///
    /// # Errors
    /// No belief can be formed of the person.
    fn belief_digest(&self, person: &PersonId) -> Result<Hash, StateError>;
    /// The alternatives that stand for typical questions: the first described ones that share a situation, in the order of the log.
    fn typical_pairs(&self, most: usize) -> Vec<Vec<f64>>;
}

impl Knowledge for State {
    fn next_seq(&self) -> Seq {
        self.head().0.next()
    }

    fn is_described(&self, situation: &str, text: &str) -> bool {
        self.description(&AlternativeId::of(situation, text)).is_some()
    }

    fn vector(&self, alternative: &AlternativeId) -> Result<Vec<f64>, StateError> {
        Ok(features(self, alternative)?.mean)
    }

    fn reading_error(&self, alternative: &AlternativeId) -> Result<Vec<f64>, StateError> {
        Ok(features(self, alternative)?.error)
    }

    fn difference(&self, first: &AlternativeId, second: &AlternativeId) -> Result<Vec<f64>, StateError> {
        Ok(features(self, first)?.minus(&features(self, second)?).mean)
    }

    fn choice_question(&self, shown: &[AlternativeId], indifference_offered: bool) -> Result<Question, StateError> {
        let mut shown = shown.to_vec();
        if shown.len() == 2 {
            shown.sort_unstable();
        }
        let features = shown.iter().map(|a| features(self, a)).collect::<Result<Vec<_>, _>>()?;
        Ok(match features.as_slice() {
            [first, second] => {
                let Features { mean, error } = first.minus(second);
                Question::Comparison {
                    difference: mean,
                    error,
                    indifference_offered,
                    channel: Channel::Choice,
                    misreading: 0.0,
                    question: Some(QuestionId::of(&shown).hash().0),
                }
            }
            _ => {
                let (features, error) = features.into_iter().map(|f| (f.mean, f.error)).unzip();
                Question::Ranking { features, error, places: Places::First(1), channel: Channel::Choice }
            }
        })
    }

    fn predict_choice(
        &self,
        belief: &Mixture,
        shown: &[AlternativeId],
        indifference_offered: bool,
    ) -> Result<Vec<f64>, StateError> {
        let mut predicted = belief.predict(&self.choice_question(shown, indifference_offered)?);
        if shown.len() == 2 && shown[1] < shown[0] {
            predicted.swap(0, 1);
        }
        Ok(predicted)
    }

    fn answered(&self, person: &PersonId) -> BTreeSet<Hash> {
        self.person(person).into_iter().flat_map(|p| p.evidence()).filter_map(|e| e.question).collect()
    }

    fn answers_to(&self, person: &PersonId, question: &QuestionId) -> usize {
        let evidence = self.person(person).into_iter().flat_map(|p| p.evidence());
        evidence.filter(|e| e.question == Some(question.hash())).count()
    }

    fn last_order(&self, person: &PersonId, question: &QuestionId) -> Option<Vec<AlternativeId>> {
        let asked = self.person(person)?.asked().iter().rev().find(|a| a.question == *question)?;
        Some(asked.alternatives.to_vec())
    }

    fn feature_name(&self, index: usize) -> String {
        let features = self.epoch().map(|e| e.layout.features()).unwrap_or_default();
        features.get(index).map_or_else(|| format!("feature:{index}"), ToString::to_string)
    }

    fn prior_belief(&self, person: &PersonId) -> Result<Mixture, StateError> {
        let seq = self.head().0;
        let epoch = self.epoch().ok_or(StateError::Illegal { seq: seq.next(), source: Illegal::NoHeader })?;
        epoch.prior_belief(person).map_err(|source| StateError::Belief { seq, source })
    }

    fn belief_digest(&self, person: &PersonId) -> Result<Hash, StateError> {
        Ok(Hash(self.belief(person)?.digest()))
    }

    fn typical_pairs(&self, most: usize) -> Vec<Vec<f64>> {
        let Some(epoch) = self.epoch() else { return Vec::new() };
        self.descriptions()
            .windows(2)
            .filter(|w| w[0].situation == w[1].situation && w[0].alternative != w[1].alternative)
            .take(most)
            .map(|w| Features::of(&w[0], &epoch.layout).minus(&Features::of(&w[1], &epoch.layout)).mean)
            .collect()
    }
}

fn features(state: &State, alternative: &AlternativeId) -> Result<Features, StateError> {
    state.features(alternative).ok_or_else(|| StateError::Illegal {
        seq: state.next_seq(),
        source: Illegal::Unknown { what: "alternative", name: alternative.to_string() },
    })
}
