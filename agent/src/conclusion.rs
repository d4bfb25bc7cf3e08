//! What deliberation on two alternatives concluded, and a person's check of it.
//!
//! The check is a choice of the person, and evidence like any other. A record beside it says on which deliberations it rests. Only what
//! was checked may be taught to a model's weights, and only while the check and every passage of the library that was before the model
//! still stand: dropping a document withdraws the checks that rest on it, which reaches generations as every withdrawal does.

use credence_memory::home::Home;
use credence_memory::ids::{DocumentId, QuestionId, Seq, SourceId};
use credence_memory::layout::Layout;
use credence_memory::observation::Features;
use credence_memory::record::{ChoiceMade, ConclusionChecked, Origin, Record, Retracted};
use credence_memory::state::State;
use jiff::Timestamp;

use crate::error::SessionError;
use crate::open_question::record_belief;

/// The channel of what a person says when they check a conclusion.
pub const SOURCE: &str = "deliberation";

/// A conclusion that was checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checked {
    /// The person's choice.
    pub choice: Seq,
    /// The record beside it.
    pub record: Seq,
    /// Whether deliberation had put the same alternative first, as far as can be told.
    pub agreed: bool,
}

/// Why a conclusion could not be checked.
#[derive(Debug, thiserror::Error)]
pub enum ConclusionError {
    /// A record that is no deliberation.
    #[error("record {0} is no deliberation: `credence deliberation list` lists them")]
    NoDeliberation(Seq),
    /// Deliberations of two people, on one alternative, or in two situations.
    #[error("records {0} and {1} are not deliberations of one person on two alternatives in one situation")]
    NotTogether(Seq, Seq),
    /// A document that was before the model is not in the library any more.
    #[error(
        "record {deliberated} rests on the document {document}, which is no longer in the library: deliberate again"
    )]
    DocumentGone {
        /// The deliberation.
        deliberated: Seq,
        /// The document.
        document: DocumentId,
    },
    /// The person checked these two before.
    #[error(
        "these two were checked already, by the answer of record {0}: withdraw it first, with `credence evidence retract {0}`"
    )]
    CheckedAlready(Seq),
    /// The home would not take it.
    #[error(transparent)]
    Session(#[from] SessionError),
}

/// Features of the first alternative less those of the second, each with what was foreseen of it; nothing where one is not described.
pub fn with_what_was_foreseen(state: &State, layout: &Layout, deliberated: [Seq; 2]) -> Option<Features> {
    let described = |seq: Seq| state.description(&state.deliberations().get(&seq)?.made.with_consequences);
    let [first, second] = deliberated.map(described);
    Some(Features::of(first?, layout).minus(&Features::of(second?, layout)))
}

/// A person says, of two alternatives that were deliberated on, that `better` is better than `other`.
///
/// # Errors
/// Records that are no two deliberations of one person in one situation, or a home that cannot be written.
pub fn check(home: &mut Home, better: Seq, other: Seq, now: Timestamp) -> Result<Checked, ConclusionError> {
    let state = home.state();
    let made = |seq: Seq| Some(&state.deliberations().get(&seq)?.made);
    let first = made(better).ok_or(ConclusionError::NoDeliberation(better))?;
    let second = made(other).ok_or(ConclusionError::NoDeliberation(other))?;
    let situation = |id| state.description(id).map(|d| d.situation.as_str());
    if first.person != second.person
        || first.alternative == second.alternative
        || situation(&first.alternative) != situation(&second.alternative)
    {
        return Err(ConclusionError::NotTogether(better, other));
    }
    for deliberated in [better, other] {
        if let Some(used) = state.cited(deliberated).find(|used| state.library().document(&used.document).is_none()) {
            return Err(ConclusionError::DocumentGone { deliberated, document: used.document });
        }
    }
    let mut both = [better, other];
    both.sort_unstable();
    let before = state.standing_conclusions().find(|(_, checked)| {
        let mut of_it = checked.deliberated;
        of_it.sort_unstable();
        checked.person == first.person && of_it == both
    });
    if let Some((_, checked)) = before {
        return Err(ConclusionError::CheckedAlready(checked.choice));
    }
    let (person, pair) = (first.person.clone(), [first.alternative, second.alternative]);
    let belief = state.belief(&person).map_err(SessionError::from)?;
    let difference = state.epoch().and_then(|epoch| with_what_was_foreseen(state, &epoch.layout, [better, other]));
    let agreed = difference.is_some_and(|d| belief.functional(&d.mean).probability_positive() > 0.5);
    let from =
        Origin { person: person.clone(), source: SourceId::new(SOURCE).map_err(SessionError::from)?, session: None };
    let choice = ChoiceMade {
        from,
        question: Some(QuestionId::of(&pair)),
        alternatives: pair.to_vec(),
        chosen: Some(0),
        indifference_offered: false,
    };
    let choice = home.append(now, Record::ChoiceMade(choice)).map_err(SessionError::from)?.0.seq;
    let checked = ConclusionChecked { person: person.clone(), choice, deliberated: [better, other] };
    let record = home.append(now, Record::ConclusionChecked(checked)).map_err(SessionError::from)?.0.seq;
    record_belief(home, &person, now)?;
    Ok(Checked { choice, record, agreed })
}

/// Withdraws every check of a conclusion for which a document was before the model; gives the choices that were withdrawn. It is called
/// before the document is dropped, so that whatever was learned from them goes too.
///
/// # Errors
/// A home that cannot be written.
pub fn withdraw_resting_on(home: &mut Home, document: &DocumentId, now: Timestamp) -> Result<Vec<Seq>, SessionError> {
    let state = home.state();
    let cites = |seq: &Seq| state.cited(*seq).any(|used| used.document == *document);
    let resting: Vec<Seq> = state
        .standing_conclusions()
        .filter(|(_, checked)| checked.deliberated.iter().any(cites))
        .map(|(_, checked)| checked.choice)
        .collect();
    for target in &resting {
        let reason = "a document of the library that its deliberation cites was dropped".to_owned();
        home.append(now, Record::Retracted(Retracted { target: *target, reason }))?;
    }
    Ok(resting)
}
