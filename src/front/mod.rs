//! The person's side of a session: a screen, plain lines, or JSON.
//!
//! A front runs on a thread of its own, shows what arrives and says what the person says, until [`Shown::Summary`] or until the session hangs up. It
//! keeps nothing: whatever was said is the session's to record, so a front may end at any moment.

mod clean;
mod json;
mod lines;
mod plain;
pub(crate) mod profile;
pub(crate) mod report;
#[cfg(test)]
pub(crate) mod samples;
pub(crate) mod screen;
pub(crate) mod text;
mod turns;

use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::sync::mpsc::Receiver;

use anyhow::Context;
use credence_agent::protocol::{Said, Shown};
use tokio::sync::mpsc::UnboundedSender;

pub(crate) use lines::{Answers, AnswersError};
pub(crate) use screen::axis_of_picture;
pub(crate) use text::clean as clean_text;

/// How a session meets its person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum FrontKind {
    /// The whole terminal.
    Screen,
    /// Lines of text.
    Plain(Answers),
    /// One JSON object a line.
    Json(Answers),
}

impl FrontKind {
    /// JSON when asked for; the screen when a person sits at a terminal that can hold one; else plain lines.
    pub(crate) fn pick(json: bool, answers: Option<PathBuf>) -> Self {
        let capable = std::env::var_os("TERM").is_none_or(|term| term != "dumb");
        let terminal = capable && io::stdin().is_terminal() && io::stdout().is_terminal();
        match (json, answers) {
            (true, answers) => Self::Json(answers.map_or(Answers::StandardInput, Answers::File)),
            (false, Some(path)) => Self::Plain(Answers::File(path)),
            (false, None) if terminal => Self::Screen,
            (false, None) => Self::Plain(Answers::StandardInput),
        }
    }
}

/// How a front ended, when nothing was wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The summary was shown.
    Summarised,
    /// A signal, a second Ctrl-C or a closed pipe ended it; the session was told to stop but need not have answered.
    Interrupted,
    /// The session hung up without a summary: whoever ran it knows why.
    HungUp,
}

/// Runs a front to its end; blocks, so give it a thread.
///
/// The session is told [`Said::Stop`] before this returns an error.
///
/// # Errors
/// An answers file that cannot be read, or holds a line that cannot be used (an [`AnswersError`] in the chain), and a terminal or a pipe that fails.
pub(crate) fn run(kind: FrontKind, shown: Receiver<Shown>, said: UnboundedSender<Said>) -> anyhow::Result<Ending> {
    let hang_up = said.clone();
    let ended = match kind {
        FrontKind::Screen => screen::run(&shown, &said).context("the screen failed"),
        FrontKind::Plain(answers) => plain::run(answers, shown, said),
        FrontKind::Json(answers) => json::run(answers, shown, said),
    };
    if !matches!(ended, Ok(Ending::Summarised)) {
        // Nobody may be listening any more, and then there is nothing to stop.
        hang_up.send(Said::Stop).ok();
    }
    match ended {
        Err(error) if is_broken_pipe(&error) => Ok(Ending::Interrupted),
        ended => ended,
    }
}

/// Whether the reader of our output went away, as `head` does.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .any(|cause| cause.kind() == io::ErrorKind::BrokenPipe)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_and_answer_files_never_take_the_screen() {
        let file = PathBuf::from("answers.txt");
        assert_eq!(FrontKind::pick(true, None), FrontKind::Json(Answers::StandardInput));
        assert_eq!(FrontKind::pick(true, Some(file.clone())), FrontKind::Json(Answers::File(file.clone())));
        assert_eq!(FrontKind::pick(false, Some(file.clone())), FrontKind::Plain(Answers::File(file)));
    }

    #[test]
    fn a_closed_pipe_is_no_error_and_stops_the_session() {
        let error = anyhow::Error::from(io::Error::from(io::ErrorKind::BrokenPipe)).context("writing");
        assert!(is_broken_pipe(&error));
    }
}
