//! One person: what they said that still stands, what they were asked, what is believed of them.

use crate::belief::{BeliefError, Mixture, Observation};
use crate::evidence::{DescriptionIndex, Evidence};
use crate::ids::{AlternativeId, Hash, PersonId, QuestionId, Seq, SessionId};
use crate::observation::resolve;
use crate::record::{AlternativeDescribed, BeliefRecorded, QuestionAsked, QuestionKind};
use jiff::Timestamp;

use super::{Epoch, StateError};

/// One person's part of the state.
#[derive(Debug, Clone, Default)]
pub struct Person {
    evidence: Vec<Evidence>,
    retracted: Vec<(Seq, Evidence)>,
    asked: Vec<Asked>,
    skipped: Vec<(Seq, QuestionId)>,
    digests: Vec<(Seq, BeliefRecorded)>,
    answer_seconds: Vec<(QuestionKind, f64)>,
    touched: Option<(Seq, Hash)>,
    belief: Option<Belief>,
}

/// A question that was put.
#[derive(Debug, Clone, PartialEq)]
pub struct Asked {
    /// The record.
    pub seq: Seq,
    /// When it was put.
    pub time: Timestamp,
    /// The question.
    pub question: QuestionId,
    /// What kind of answer it asked for.
    pub kind: QuestionKind,
    /// In which session.
    pub session: Option<SessionId>,
    /// The alternatives in the order shown.
    pub alternatives: Box<[AlternativeId]>,
    /// Whether it was asked again on purpose.
    pub reask: bool,
}

/// A belief and how many of the surviving records are in it.
#[derive(Debug, Clone)]
struct Belief {
    mixture: Mixture,
    folded: usize,
}

impl Person {
    /// Surviving evidence, in the order of the log.
    pub fn evidence(&self) -> &[Evidence] {
        &self.evidence
    }

    /// Evidence withdrawn, each with the record that withdrew it.
    pub fn retracted(&self) -> &[(Seq, Evidence)] {
        &self.retracted
    }

    /// All evidence ever given, in the order of the log, each record with the one that withdrew it, if one did.
    pub fn given(&self) -> Vec<(Seq, Option<Seq>)> {
        let surviving = self.evidence.iter().map(|e| (e.seq, None));
        let mut given: Vec<_> = surviving.chain(self.retracted.iter().map(|(by, e)| (e.seq, Some(*by)))).collect();
        given.sort_unstable();
        given
    }

    /// Questions put, in the order of the log.
    pub fn asked(&self) -> &[Asked] {
        &self.asked
    }

    /// Seconds from each question of a session to the answer that came next in it, in the order of the log.
    pub fn answer_seconds(&self) -> &[(QuestionKind, f64)] {
        &self.answer_seconds
    }

    /// Questions passed over, in the order of the log.
    pub fn skipped(&self) -> &[(Seq, QuestionId)] {
        &self.skipped
    }

    /// Digests recorded of this person's belief, with the records that hold them.
    pub fn digests(&self) -> &[(Seq, BeliefRecorded)] {
        &self.digests
    }

    /// The last record that changed what is believed, with its hash, which stands for all records before it.
    pub fn touched(&self) -> Option<(Seq, Hash)> {
        self.touched
    }

    /// What is believed, if it was asked for and is up to date: see [`super::State::believe`].
    pub fn belief(&self) -> Option<&Mixture> {
        self.belief.as_ref().filter(|b| b.folded == self.evidence.len()).map(|b| &b.mixture)
    }

    /// Surviving evidence as the engine observes it.
    pub fn observations(&self, epoch: &Epoch, descriptions: &[AlternativeDescribed]) -> Vec<(Seq, Observation)> {
        self.evidence.iter().map(|e| (e.seq, resolve(e, |i| &descriptions[i as usize], &epoch.layout))).collect()
    }

    /// What is believed when all surviving evidence is in.
    pub(super) fn caught_up(
        &self,
        id: &PersonId,
        epoch: &Epoch,
        descriptions: &[AlternativeDescribed],
    ) -> Result<Mixture, BeliefError> {
        match &self.belief {
            Some(Belief { mixture, folded }) => {
                let mut mixture = mixture.clone();
                for evidence in &self.evidence[*folded..] {
                    let observation = resolve(evidence, |i| &descriptions[i as usize], &epoch.layout);
                    epoch.learn(&mut mixture, evidence.seq, &observation)?;
                }
                Ok(mixture)
            }
            None => fold(id, epoch, |i| &descriptions[i as usize], &self.evidence),
        }
    }

    /// Forms what is believed, if it is not up to date.
    pub(super) fn catch_up(
        &mut self,
        id: &PersonId,
        epoch: &Epoch,
        descriptions: &[AlternativeDescribed],
    ) -> Result<(), StateError> {
        if self.belief().is_none() {
            let seq = self.touched.map_or(epoch.since, |(seq, _)| seq);
            let belief =
                self.caught_up(id, epoch, descriptions).map_err(|source| StateError::Belief { seq, source })?;
            self.believe(belief);
        }
        Ok(())
    }

    /// Whether somebody has asked what is believed, even if that is not up to date.
    pub(super) fn is_believed(&self) -> bool {
        self.belief.is_some()
    }

    pub(super) fn believe(&mut self, mixture: Mixture) {
        self.belief = Some(Belief { mixture, folded: self.evidence.len() });
    }

    pub(super) fn start_anew(&mut self, touched: (Seq, Hash)) {
        self.belief = None;
        self.touched = Some(touched);
    }

    pub(super) fn learn(&mut self, mut evidence: Evidence, touched: (Seq, Hash)) {
        // A person's evidence comes through few channels: one name is kept of each run.
        if let Some(last) = self.evidence.last()
            && last.source == evidence.source
        {
            evidence.source = last.source.clone();
        }
        self.evidence.push(evidence);
        self.touched = Some(touched);
    }

    pub(super) fn retract(&mut self, target: Seq, touched: (Seq, Hash)) {
        if let Ok(at) = self.evidence.binary_search_by_key(&target, |e| e.seq) {
            let evidence = self.evidence.remove(at);
            self.retracted.push((touched.0, evidence));
        }
        self.start_anew(touched);
    }

    pub(super) fn ask(&mut self, seq: Seq, time: Timestamp, asked: &QuestionAsked) {
        self.asked.push(Asked {
            seq,
            time,
            question: asked.question,
            kind: asked.kind,
            session: asked.session.clone(),
            alternatives: asked.alternatives.as_slice().into(),
            reask: asked.reask,
        });
    }

    /// Notes how long the last question of this session took, when its answer has come: `answer` is the time of the answer.
    pub(super) fn answered(&mut self, session: &SessionId, answer: Timestamp) {
        let Some(asked) = self.asked.last().filter(|asked| asked.session.as_ref() == Some(session)) else { return };
        let seconds = answer.duration_since(asked.time).as_secs_f64();
        if seconds > 0.0 {
            self.answer_seconds.push((asked.kind, seconds));
        }
    }

    pub(super) fn skip(&mut self, seq: Seq, question: QuestionId) {
        self.skipped.push((seq, question));
    }

    pub(super) fn record_digest(&mut self, seq: Seq, recorded: &BeliefRecorded) {
        self.digests.push((seq, recorded.clone()));
    }
}

/// Belief from the prior on.
pub(crate) fn fold<'a, 'd>(
    person: &PersonId,
    epoch: &Epoch,
    description: impl Fn(DescriptionIndex) -> &'d AlternativeDescribed,
    evidence: impl IntoIterator<Item = &'a Evidence>,
) -> Result<Mixture, BeliefError> {
    let observations: Vec<(Seq, Observation)> =
        evidence.into_iter().map(|e| (e.seq, resolve(e, &description, &epoch.layout))).collect();
    epoch.fold(person, observations.iter().map(|(seq, observation)| (*seq, observation)))
}
