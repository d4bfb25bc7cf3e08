//! What a session shows of belief: why a question is asked, and the values as they are now.

use credence_memory::belief::Mixture;
use credence_memory::home::Home;
use credence_memory::ids::{AlternativeId, Hash};
use credence_memory::record::QuestionKind;

use super::{Session, SessionError};
use crate::instrument::Effort;
use crate::knowledge::Knowledge;
use crate::protocol::{Contribution, OpenedView, ValuesView, WhyView};
use crate::views::{self, Contrasts};

/// Values named when a person asks why a question was chosen, at most.
const WHY_MAX: usize = 8;

impl Session {
    /// Why the open question was chosen.
    ///
    /// # Errors
    /// No question is open.
    pub fn why(&self, home: &Home) -> Result<WhyView, SessionError> {
        let open = self.open.as_ref().ok_or(SessionError::NothingAsked)?;
        let belief = home.state().belief(&self.person)?;
        let values = if open.item.kind == QuestionKind::Choice && open.shown.len() == 2 {
            let difference = home.state().difference(&open.shown[0], &open.shown[1])?;
            let mut parts = self.contributions(home, &belief, &difference);
            parts.truncate(WHY_MAX);
            parts
        } else {
            Vec::new()
        };
        // On the screen "no preference" stands between the two.
        let mut predicted = open.predicted.clone();
        if open.item.kind == QuestionKind::Choice && open.shown.len() == 2 && predicted.len() == 3 {
            predicted.swap(1, 2);
        }
        let answers = predicted.len();
        if open.item.kind == QuestionKind::BestAndWorst {
            predicted = predicted.chunks(open.shown.len() - 1).map(|worst| worst.iter().sum()).collect();
        }
        let undecided: Vec<String> = if values.is_empty() {
            self.most_open(home, &belief, &open.shown)?
        } else {
            values.iter().filter(|c| c.sd > c.contribution.abs()).map(|c| c.name.clone()).take(3).collect()
        };
        let about = match undecided.as_slice() {
            [] => "how consistent your answers are".to_owned(),
            [one] => format!("how much {one} matters to you"),
            [first @ .., last] => format!("how much {} and {last} matter to you", first.join(", ")),
        };
        let text = format!(
            "Of {} questions, your answer to this one is expected to tell most for the time it takes ({:.2} nats, where an answer \
             that could as well be any of {answers} tells {:.2}). It turns on {about}.",
            open.candidates,
            open.gain_nats,
            (answers.max(1) as f64).ln()
        );
        Ok(WhyView { text, gain_nats: open.gain_nats, predicted, values, candidates: open.candidates })
    }

    /// Names of the values that these alternatives bear on and of which least is known, at most three.
    fn most_open(&self, home: &Home, belief: &Mixture, shown: &[AlternativeId]) -> Result<Vec<String>, SessionError> {
        let layout = self.layout(home.state())?;
        let mut open: Vec<Contribution> = Vec::new();
        for alternative in shown {
            let features = self.features(home.state(), &layout, alternative)?;
            for found in self.contributions(home, belief, &features.mean) {
                if !open.iter().any(|known| known.name == found.name) {
                    open.push(found);
                }
            }
        }
        open.sort_by(|a, b| b.sd.total_cmp(&a.sd));
        Ok(open.into_iter().map(|c| c.name).take(3).collect())
    }

    /// Contributions of the features to a utility difference, largest first.
    fn contributions(&self, home: &Home, belief: &Mixture, difference: &[f64]) -> Vec<Contribution> {
        views::contributions(home.state(), belief, difference, |feature| self.name(feature))
    }

    /// The values as now believed, beside what was believed before this person's first evidence.
    ///
    /// # Errors
    /// No belief can be formed of the person.
    pub fn values(&mut self, home: &Home) -> Result<ValuesView, SessionError> {
        let state = home.state();
        let Some(epoch) = state.epoch() else { return Ok(ValuesView::default()) };
        let belief = state.belief(&self.person)?;
        let now = Hash(belief.digest());
        if let (Some((of, view)), Some((since, _))) = (&self.shown, &self.prior)
            && (*of, *since) == (now, epoch.since)
        {
            return Ok(view.clone());
        }
        let contrasts = match self.options.effort {
            Effort::Full => Contrasts::of,
            Effort::Quick => Contrasts::roughly,
        };
        if self.prior.as_ref().is_none_or(|(since, _)| *since != epoch.since) {
            self.prior = Some((epoch.since, contrasts(&epoch.layout, &state.prior_belief(&self.person)?)));
        }
        let prior = self.prior.as_ref().map(|(_, prior)| prior).cloned().unwrap_or_default();
        let now_believed = contrasts(&epoch.layout, &belief);
        let view = views::values_beside(&epoch.layout, &belief, now_believed, &prior, |id| self.name(id));
        self.shown = Some((now, view.clone()));
        Ok(view)
    }

    /// Who sits down, and what is believed so far.
    ///
    /// # Errors
    /// As [`Session::values`].
    pub fn opened(&mut self, home: &Home) -> Result<OpenedView, SessionError> {
        Ok(OpenedView {
            name: self.person.to_string(),
            values: self.values(home)?,
            person: views::person(home.state(), &self.person)?,
        })
    }
}
