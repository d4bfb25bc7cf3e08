//! What a session asks next, and what it expects to hear.

use std::collections::BTreeSet;
use std::sync::Arc;

use credence_memory::home::Home;
use credence_memory::ids::{AlternativeId, QuestionId, Seq};
use credence_memory::layout::Layout;
use credence_memory::observation::Features;
use credence_memory::record::QuestionKind;
use credence_memory::state::{Illegal, State, StateError};
use rand::RngExt;

use super::{Session, SessionError};
use crate::ask::Strategy;
use crate::gains::Remembered;
use crate::instrument::{self, Chosen, Effort, Item, Member, Pool};
use crate::knowledge::Knowledge;
use crate::pace::Pace;

/// Hypotheses that stand for all of them where the best and the worst are predicted for many people at once.
const PREDICTING: usize = 24;

impl Session {
    /// Probabilities of the answers, for alternatives in the order shown.
    pub(super) fn predict(&self, home: &Home, item: &Item, shown: &[AlternativeId]) -> Result<Vec<f64>, SessionError> {
        let state = home.state();
        let belief = state.belief(&self.person)?;
        if item.kind == QuestionKind::Choice {
            return Ok(state.predict_choice(&belief, shown, item.offers_indifference())?);
        }
        let shown = Item { alternatives: shown.to_vec(), ..item.clone() };
        let layout = self.layout(state)?;
        let question = shown.question(&layout, |a| self.features(state, &layout, a))?;
        // Every hypothesis has a small integral for each of twelve outcomes.
        let roughly = self.options.effort == Effort::Quick && item.kind == QuestionKind::BestAndWorst;
        Ok(if roughly { belief.predict_roughly(&question, PREDICTING) } else { belief.predict(&question) })
    }

    pub(super) fn layout(&self, state: &State) -> Result<Arc<Layout>, SessionError> {
        let epoch = state.epoch().ok_or(StateError::Illegal { seq: state.next_seq(), source: Illegal::NoHeader })?;
        Ok(Arc::clone(&epoch.layout))
    }

    pub(super) fn features(
        &self,
        state: &State,
        layout: &Layout,
        alternative: &AlternativeId,
    ) -> Result<Features, StateError> {
        let described = state.description(alternative).or_else(|| self.askable.keyed(alternative));
        described.map(|d| Features::of(d, layout)).ok_or_else(|| StateError::Illegal {
            seq: state.next_seq(),
            source: Illegal::Unknown { what: "alternative", name: alternative.to_string() },
        })
    }

    /// How many answers may still come: questions that were not asked, portraits that were not rated, and no more than were asked for;
    /// nothing where there is no end to them, since sets of portraits can always be formed.
    pub(super) fn remaining(&self, home: &Home) -> Option<usize> {
        let answered = home.state().answered(&self.person);
        let open = self.items.iter().filter(|item| {
            let answered = item.key().is_some_and(|key| answered.contains(&key));
            !answered && !self.skipped.contains(&item.id)
        });
        let fresh = open.count().saturating_sub(1);
        let asked_for = self.options.answers_max.map(|most| most.saturating_sub(self.answers() + 1));
        // Sets of portraits do not run out before a person does.
        let endless = self.forms_sets() && self.options.strategy == Strategy::InformationGain;
        match asked_for {
            Some(most) => Some(if endless { most } else { most.min(fresh) }),
            None => (!endless).then_some(fresh),
        }
    }

    pub(super) fn forms_sets(&self) -> bool {
        self.options.kinds.contains(&QuestionKind::BestAndWorst)
            && self.askable.portraits().len() >= instrument::SET_SIZE
    }

    pub(super) fn choose(&mut self, home: &Home) -> Result<Option<(Chosen, bool)>, SessionError> {
        let state = home.state();
        let belief = state.belief(&self.person)?;
        let layout = self.layout(state)?;
        let answered = state.answered(&self.person);
        let is_answered = |item: &Item| item.key().is_some_and(|key| answered.contains(&key));
        let items = || self.items.iter().map(Arc::as_ref);
        let fresh: Vec<&Item> = items().filter(|item| !is_answered(item) && !self.skipped.contains(&item.id)).collect();
        let mut again: Vec<&Item> = Vec::new();
        if self.given.len() > self.options.reask_distance {
            let recent: BTreeSet<QuestionId> =
                self.given.iter().rev().take(self.options.reask_distance).filter_map(|g| g.question).collect();
            let once = |item: &Item| state.answers_to(&self.person, &item.id) == 1;
            let decent = |item: &&Item| item.offers_indifference() && !recent.contains(&item.id) && once(item);
            again = items().filter(decent).collect();
        }
        let reask = !again.is_empty() && (self.rng.random_bool(self.options.reask_share) && !fresh.is_empty());
        let person = state.person(&self.person);
        let asked = person.map(|p| p.asked()).unwrap_or_default();
        let members = if reask || !self.forms_sets() {
            Vec::new()
        } else {
            let seen = |a: &AlternativeId| asked.iter().filter(|asked| asked.alternatives.contains(a)).count();
            let member = |(item, value): &(Arc<Item>, usize)| {
                let alternative = item.alternatives[0];
                Member { alternative, value: *value, seen: seen(&alternative) }
            };
            self.askable.portraits().iter().map(member).collect()
        };
        let pool = Pool {
            items: if reask { again } else { fresh },
            members,
            asked_sets: asked.iter().filter(|a| a.kind == QuestionKind::BestAndWorst).map(|a| a.question).collect(),
            kinds: self.kinds.clone(),
            // Fewer hypotheses found less of people (docs/results/service-load.md).
            effort: Effort::Full,
            remembered: Some(Remembered {
                gains: self.askable.gains(),
                since: state.epoch().map_or(Seq::FIRST, |epoch| epoch.since),
                redescribed: state.redescribed(),
            }),
        };
        let pace = person.map(|p| Pace::of(p.answer_seconds())).unwrap_or_default();
        let features = |a: &AlternativeId| self.features(state, &layout, a);
        let mut rng = self.rng.clone();
        let chosen = instrument::next(self.options.strategy, &belief, &layout, &pool, &pace, features, &mut rng)?;
        self.rng = rng;
        Ok(chosen.map(|chosen| (chosen, reask)))
    }
}
