//! A session that goes on after a restart: all that is needed is in the log.

use std::sync::Arc;

use credence_memory::belief::expected_information_gain;
use credence_memory::evidence::Form;
use credence_memory::home::Home;
use credence_memory::ids::SessionId;
use jiff::Timestamp;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::{Given, Open, Session, SessionError, SessionOptions};
use crate::askable::Askable;

impl Session {
    /// Takes up a session that the log has and that is not over, as after a restart: what was answered counts, and a question that
    /// was put and not answered is put again as it was. `None` where there is no such session.
    ///
    /// # Errors
    /// Belief cannot be formed.
    pub fn resume(
        home: &Home,
        id: &SessionId,
        askable: Arc<Askable>,
        options: SessionOptions,
    ) -> Result<Option<Self>, SessionError> {
        let state = home.state();
        let Some(session) = state.sessions().get(id).filter(|s| s.ended.is_none()) else { return Ok(None) };
        let person = session.started.person.clone();
        let Some(known) = state.person(&person) else {
            let began = Timestamp::UNIX_EPOCH;
            return Ok(Some(Self::sat_down(home, person, id.clone(), askable, options, began)));
        };
        let asked: Vec<_> = known.asked().iter().filter(|a| a.session.as_ref() == Some(id)).collect();
        let began = asked.first().map_or(Timestamp::UNIX_EPOCH, |a| a.time);
        let mut session = Self::sat_down(home, person.clone(), id.clone(), askable, options, began);
        session.asked_count = asked.len();
        session.kinds = asked.iter().map(|a| a.kind).collect();
        // Other draws than those that were used up before.
        session.rng = ChaCha8Rng::seed_from_u64(session.options.seed ^ (asked.len() as u64) << 32);
        session.skipped = known.skipped().iter().map(|(_, question)| *question).collect();
        for evidence in known.evidence().iter().filter(|e| asked.first().is_some_and(|a| e.seq > a.seq)) {
            let open = asked.iter().rev().find(|a| a.seq < evidence.seq);
            let is_answer = !matches!(evidence.form, Form::Importance { .. });
            let question = open.filter(|_| is_answer).map(|a| a.question);
            session.given.push(Given { seq: evidence.seq, question, said: None, open: None, predicted_ln: None });
        }
        let last = asked.last().filter(|a| {
            let answered = session.given.iter().any(|g| g.question.is_some() && g.seq > a.seq);
            let skipped = known.skipped().iter().any(|(seq, _)| *seq > a.seq);
            !answered && !skipped
        });
        if let Some(last) = last {
            let item = session.askable.item(last.kind, &last.question, &last.alternatives);
            let shown = last.alternatives.to_vec();
            let (candidates, reask) = (session.items.len(), last.reask);
            let predicted = session.predict(home, &item, &shown)?;
            let layout = session.layout(state)?;
            let question = item.question(&layout, |a| session.features(state, &layout, a))?;
            let gain_nats = expected_information_gain(&state.belief(&person)?, &[question])[0];
            session.open = Some(Open { item, shown, predicted, gain_nats, candidates, reask });
        }
        Ok(Some(session))
    }
}
