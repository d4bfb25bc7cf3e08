//! A bank as it can be asked in a home: made once, shared by every session there.

use std::collections::BTreeMap;
use std::sync::Arc;

use credence_memory::ids::{AlternativeId, QuestionId};
use credence_memory::number::NumberError;
use credence_memory::record::{AlternativeDescribed, QuestionKind};
use credence_memory::state::State;

use crate::bank::Bank;
use crate::gains::Gains;
use crate::instrument::Item;
use crate::keyed;

/// A bank's questions and portraits as items, and what its authors keyed.
#[derive(Debug, Default)]
pub struct Askable {
    bank: Bank,
    /// What keys say of alternatives, where the log's features are in key points; empty elsewhere.
    keyed: BTreeMap<AlternativeId, AlternativeDescribed>,
    choices: Vec<Arc<Item>>,
    portraits: Vec<(Arc<Item>, usize)>,
    gains: Gains,
}

impl Askable {
    /// A bank in a home with this state.
    ///
    /// # Errors
    /// A key that is no number; a bank that was read has none.
    pub fn new(bank: Bank, state: &State) -> Result<Self, NumberError> {
        let choices = bank
            .questions
            .iter()
            .map(|question| {
                let ids = question.alternatives.iter().map(|a| AlternativeId::of(&question.situation, &a.text));
                Arc::new(Item::new(QuestionKind::Choice, &question.situation, ids.collect()))
            })
            .collect();
        let mut askable = Self { bank, choices, ..Self::default() };
        if let Some(epoch) = state.epoch().filter(|_| state.elicited().is_some_and(|prior| prior.in_key_points())) {
            askable.take_keys(epoch.layout.values())?;
        }
        Ok(askable)
    }

    /// What was worked out before under beliefs that many people share.
    pub fn gains(&self) -> &Gains {
        &self.gains
    }

    fn take_keys(&mut self, values: &[credence_memory::ids::ValueId]) -> Result<(), NumberError> {
        let mut keyed = Vec::new();
        for question in &self.bank.questions {
            keyed.extend(keyed::describe_question(&self.bank, values, question)?.unwrap_or_default());
        }
        for portrait in &self.bank.portraits {
            let described = keyed::describe_portrait(&self.bank, values, portrait)?;
            let item = Item::new(QuestionKind::Portrait, "", vec![described.alternative]);
            self.portraits.push((Arc::new(item), keyed::main_value(&described)));
            keyed.push(described);
        }
        self.keyed = keyed.into_iter().map(|d| (d.alternative, d)).collect();
        Ok(())
    }

    /// The bank.
    pub fn bank(&self) -> &Bank {
        &self.bank
    }

    /// What keys say of an alternative.
    pub fn keyed(&self, alternative: &AlternativeId) -> Option<&AlternativeDescribed> {
        self.keyed.get(alternative)
    }

    /// Choices between acts, keyed or not, in the bank's order.
    pub fn choices(&self) -> &[Arc<Item>] {
        &self.choices
    }

    /// Portraits, each with the place of its main value in the schema.
    pub fn portraits(&self) -> &[(Arc<Item>, usize)] {
        &self.portraits
    }

    /// The item of a question that was put before, with its alternatives in the bank's order.
    pub fn item(&self, kind: QuestionKind, id: &QuestionId, shown: &[AlternativeId]) -> Arc<Item> {
        let known = match kind {
            QuestionKind::Choice => self.choices.iter().find(|item| item.id == *id),
            QuestionKind::Portrait => self.portraits.iter().map(|(item, _)| item).find(|item| item.id == *id),
            QuestionKind::BestAndWorst => None,
        };
        known.cloned().unwrap_or_else(|| {
            let mut alternatives = shown.to_vec();
            alternatives.sort_unstable();
            Arc::new(Item::new(kind, "", alternatives))
        })
    }
}
