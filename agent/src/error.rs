//! Why a step of a session, or of a task, could not be taken.

use credence_memory::belief::BeliefError;
use credence_memory::home::HomeError;
use credence_memory::ids::{IdError, PersonId, TaskId};
use credence_memory::number::NumberError;
use credence_memory::state::StateError;

use crate::importance::NotImportance;
use crate::words::WordsError;

/// Why a step could not be taken. Nothing was recorded, unless the message says so.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The home would not take a record.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// Belief or its parts could not be had from the state.
    #[error(transparent)]
    State(#[from] StateError),
    /// The belief engine refused.
    #[error(transparent)]
    Belief(#[from] BeliefError),
    /// A name that cannot be one.
    #[error(transparent)]
    Id(#[from] IdError),
    /// A number that is none.
    #[error(transparent)]
    Number(#[from] NumberError),
    /// Words that are no statement of importance.
    #[error(transparent)]
    Importance(#[from] NotImportance),
    /// Words that could not be read.
    #[error(transparent)]
    Words(#[from] WordsError),
    /// An answer without an open question.
    #[error("no question is open")]
    NothingAsked,
    /// An answer that the open question does not have.
    #[error("the open question has {alternatives} alternatives; there is no alternative {chosen}")]
    NoSuchAlternative {
        /// 1-based number that was given.
        chosen: usize,
        /// How many there are.
        alternatives: usize,
    },
    /// An answer of another kind than the question asks for.
    #[error("the open question asks for {expected}")]
    AnotherKind {
        /// What it asks for, in words.
        expected: &'static str,
    },
    /// The same alternative as the best and the worst.
    #[error("the best and the worst must be two different ones")]
    BestIsWorst,
    /// "No preference" where it was not offered.
    #[error("\"no preference\" is not an answer to this question")]
    NotOffered,
    /// A task that the log does not have.
    #[error("the log has no task {0}")]
    NoSuchTask(TaskId),
    /// A task of somebody else.
    #[error("{task} was given by {person}, and goes on for them alone")]
    AnothersTask {
        /// The task.
        task: TaskId,
        /// Who gave it.
        person: PersonId,
    },
    /// A task that is over.
    #[error("{task} is over: {how}; give it anew with --task if it is wanted again")]
    TaskOver {
        /// The task.
        task: TaskId,
        /// How it ended.
        how: String,
    },
    /// A task with nothing to decide between.
    #[error("a task needs at least two different alternatives, there are {found}; give some with --alternative")]
    TooFewAlternatives {
        /// How many there were.
        found: usize,
    },
    /// Nothing to undo.
    #[error("nothing was answered in this session that could be undone")]
    NothingToUndo,
}

impl SessionError {
    /// Whether it is about what the person said, so that they can say it otherwise and nothing else is wrong.
    pub fn is_the_persons(&self) -> bool {
        match self {
            // A model that cannot read words now does not end a session.
            Self::Importance(_)
            | Self::Words(_)
            | Self::NothingAsked
            | Self::NoSuchAlternative { .. }
            | Self::NotOffered
            | Self::AnotherKind { .. }
            | Self::BestIsWorst
            | Self::NoSuchTask(_)
            | Self::AnothersTask { .. }
            | Self::TaskOver { .. }
            | Self::TooFewAlternatives { .. }
            | Self::NothingToUndo => true,
            Self::Home(_) | Self::State(_) | Self::Belief(_) | Self::Id(_) | Self::Number(_) => false,
        }
    }
}
