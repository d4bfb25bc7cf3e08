//! Considering alternatives before a decision: passages that bear on them, consequences, both judgements; all of it records.

use std::ops::ControlFlow;
use std::path::PathBuf;

use credence_memory::home::Home;
use credence_memory::ids::{AlternativeId, PersonId, TaskId};
use credence_memory::record::{Consequence, Deliberated, Record};
use credence_priors::ModelError;
use credence_priors::meaning::{MeaningError, States};
use jiff::Timestamp;

use crate::bank::BankAlternative;
use crate::briefing::{self, Cited, PASSAGES_MAX, Relevant};
use crate::decide::Considered;
use crate::deliberate;
use crate::reader::{Reader, ReaderError};
use crate::session::{SessionError, record_described};

/// What is considered, and how much may be written.
#[derive(Debug, Clone)]
pub struct Consideration {
    /// For whom.
    pub person: PersonId,
    /// For which task.
    pub task: Option<TaskId>,
    /// The situation.
    pub situation: String,
    /// The charter.
    pub charter: String,
    /// The most tokens to write, for all alternatives together.
    pub tokens_max: usize,
    /// Seed of the sampler.
    pub seed: u64,
    /// Folder where hidden states are kept.
    pub states: Option<PathBuf>,
}

/// What happens while considering.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// These passages are put into the context.
    Passages(Vec<Relevant>),
    /// An alternative's turn.
    Begun(String),
    /// The model wrote this.
    Text(String),
    /// What was finished about an alternative, and the share its judgement will have.
    Finished(Vec<Consequence>, f64),
    /// Nothing usable was written about an alternative; it is judged alone.
    Unusable,
}

/// Why considering failed.
#[derive(Debug, thiserror::Error)]
pub enum ConsiderError {
    /// The model failed.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// Passages could not be found.
    #[error("passages that bear on the situation could not be found")]
    Meaning(#[from] MeaningError),
    /// An alternative could not be read with its consequences.
    #[error(transparent)]
    Reader(#[from] ReaderError),
    /// The home would not take it.
    #[error(transparent)]
    Session(#[from] SessionError),
}

/// Writes consequences of described alternatives and describes each with them. The listener may break off: what is finished by then counts.
///
/// # Errors
/// If the model or the home fails.
pub fn consider(
    home: &mut Home,
    reader: &mut Reader,
    what: &Consideration,
    alternatives: &[AlternativeId],
    listen: &mut dyn FnMut(Event) -> ControlFlow<()>,
    now: Timestamp,
) -> Result<Vec<Option<Considered>>, ConsiderError> {
    let mut model = reader.model().clone();
    let mut states = States::open(what.states.as_deref(), &model);
    let standing = home.state().briefings().values().map(|(_, b)| b);
    let documents = home.state().library().documents().map(|(_, document)| document);
    let passages = briefing::relevant(standing, documents, &mut model, &mut states, &what.situation, PASSAGES_MAX)?;
    let mut stopped = !passages.is_empty() && listen(Event::Passages(passages.clone())).is_break();
    let mut considered = Vec::with_capacity(alternatives.len());
    let mut left = what.tokens_max;
    for (i, alternative) in alternatives.iter().enumerate() {
        let text = home.state().description(alternative).map_or_else(String::new, |d| d.text.clone());
        // What one alternative does not use, the later ones may.
        let share = left / (alternatives.len() - i);
        if stopped || share == 0 {
            considered.push(None);
            continue;
        }
        stopped |= listen(Event::Begun(text.clone())).is_break();
        let written = deliberate::write(
            &mut model,
            &what.charter,
            &passages,
            &what.situation,
            &text,
            deliberate::Budget { tokens_max: share, seed: what.seed },
            &mut |piece| listen(Event::Text(piece.to_owned())),
        )?;
        left -= written.tokens.min(left);
        stopped |= written.interrupted;
        if written.consequences.is_empty() {
            stopped |= listen(Event::Unusable).is_break();
            considered.push(None);
            continue;
        }
        let situation = deliberate::situation_with(&what.situation, &passages, &text, &written.consequences);
        let described = reader.describe(&situation, &[BankAlternative::unkeyed(text.clone())])?;
        record_described(home, described, now).map_err(SessionError::from)?;
        let with_consequences = AlternativeId::of(&situation, &text);
        let made = Deliberated {
            person: what.person.clone(),
            task: what.task.clone(),
            alternative: *alternative,
            with_consequences,
            consequences: written.consequences.clone(),
            passages: cited(&passages, |used| match used {
                Cited::Briefing(used) => Some(used.clone()),
                Cited::Library(_) => None,
            }),
            library: cited(&passages, |used| match used {
                Cited::Library(used) => Some(*used),
                Cited::Briefing(_) => None,
            }),
            tokens: written.tokens as u64,
            cut_short: written.cut_short,
        };
        let seq = home.append(now, Record::Deliberated(made)).map_err(SessionError::from)?.0.seq;
        let trust = deliberate::trust(home.state(), &written.consequences);
        considered.push(Some(Considered { deliberation: seq, with_consequences, trust }));
        stopped |= listen(Event::Finished(written.consequences, trust)).is_break();
    }
    Ok(considered)
}

fn cited<T>(passages: &[Relevant], of: impl Fn(&Cited) -> Option<T>) -> Vec<T> {
    passages.iter().filter_map(|passage| of(&passage.used)).collect()
}
