//! A question that a decision asked: which of two the person would rather have.

use credence_memory::belief::expected_information_gain;
use credence_memory::home::Home;
use credence_memory::ids::{AlternativeId, PersonId, QuestionId, SourceId};
use credence_memory::number::{Finite, Probability};
use credence_memory::record::{BeliefRecorded, ChoiceMade, Origin, QuestionAsked, QuestionKind, Record};
use jiff::Timestamp;

use crate::knowledge::Knowledge;
use crate::session::{Answer, SessionError};

/// A question that was put and is not answered yet.
#[derive(Debug, Clone)]
pub struct OpenQuestion {
    from: Origin,
    pair: [AlternativeId; 2],
}

impl OpenQuestion {
    /// Puts a question to a person; `source` is the channel through which they answer.
    ///
    /// # Errors
    /// Alternatives that are not described, or a home that cannot be written.
    pub fn put(
        home: &mut Home,
        person: &PersonId,
        source: &SourceId,
        pair: [AlternativeId; 2],
        now: Timestamp,
    ) -> Result<Self, SessionError> {
        let question = home.state().choice_question(&pair, true)?;
        let belief = home.state().belief(person)?;
        let predicted = home.state().predict_choice(&belief, &pair, true)?;
        let gain = expected_information_gain(&belief, std::slice::from_ref(&question))[0];
        let asked = QuestionAsked {
            person: person.clone(),
            session: None,
            question: QuestionId::of(&pair),
            kind: QuestionKind::Choice,
            alternatives: pair.to_vec(),
            indifference_offered: true,
            strategy: "value_of_information".into(),
            gain_nats: Finite::new(gain)?,
            predicted: predicted.iter().map(|p| Probability::new(p.clamp(0.0, 1.0))).collect::<Result<_, _>>()?,
            reask: false,
        };
        home.append(now, Record::QuestionAsked(asked))?;
        Ok(Self::asked(person, source, pair))
    }

    /// A question that was put before.
    pub fn asked(person: &PersonId, source: &SourceId, pair: [AlternativeId; 2]) -> Self {
        let from = Origin { person: person.clone(), source: source.clone(), session: None };
        Self { from, pair }
    }

    /// Records the answer.
    ///
    /// # Errors
    /// An answer that this question does not have, or a home that cannot be written.
    pub fn answer(&self, home: &mut Home, answer: Answer, now: Timestamp) -> Result<(), SessionError> {
        let chosen = match answer {
            Answer::Choose(i) if i < 2 => Some(i),
            Answer::Choose(i) => return Err(SessionError::NoSuchAlternative { chosen: i + 1, alternatives: 2 }),
            Answer::NoPreference => None,
            Answer::Rate(_) | Answer::BestAndWorst(..) => {
                return Err(SessionError::AnotherKind { expected: "one of its alternatives" });
            }
        };
        let made = ChoiceMade {
            from: self.from.clone(),
            question: Some(QuestionId::of(&self.pair)),
            alternatives: self.pair.to_vec(),
            chosen,
            indifference_offered: true,
        };
        home.append(now, Record::ChoiceMade(made))?;
        record_belief(home, &self.from.person, now)
    }
}

/// Records what is believed of a person by now.
pub(crate) fn record_belief(home: &mut Home, person: &PersonId, now: Timestamp) -> Result<(), SessionError> {
    let digest = home.state().belief_digest(person)?;
    let recorded = BeliefRecorded { person: person.clone(), through: home.state().head().0, digest };
    home.append(now, Record::BeliefRecorded(recorded))?;
    Ok(())
}
