//! A session in plain lines: standard input or a file of answers, wrapped text, no colour codes.

use std::io::{self, IsTerminal, Write};
use std::sync::mpsc::Receiver;

use anyhow::Context;
use credence_agent::protocol::{Said, Shown, SummaryView};
use tokio::sync::mpsc::UnboundedSender;

use super::clean::cleaned;
use super::lines::{Answers, Source};
use super::text::{clean, wrap};
use super::turns::{OnBadLine, Voice, take_turns};
use super::{Ending, report};

/// Text is wrapped at this many columns where the terminal does not say less.
const COLUMNS_MAX: usize = 88;

/// Runs a session in plain lines.
///
/// # Errors
/// See [`super::run`].
pub(crate) fn run(answers: Answers, shown: Receiver<Shown>, said: UnboundedSender<Said>) -> anyhow::Result<Ending> {
    let source = Source::open(&answers)?;
    let typed = answers == Answers::StandardInput && io::stdin().is_terminal();
    let on_bad_line = if answers == Answers::StandardInput { OnBadLine::GoOn } else { OnBadLine::End };
    let mut voice = Plain::new(io::stdout(), io::stderr(), typed, columns());
    take_turns(source, on_bad_line, &mut voice, shown, said)
}

/// Prints a summary where it stays, after a screen has gone.
///
/// # Errors
/// When standard output cannot be written.
pub(crate) fn print_summary(summary: &SummaryView) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    write_lines(&mut out, &report::summary(summary, columns())).and_then(|()| out.flush()).context("failed to write")
}

fn columns() -> usize {
    let of_terminal = || ratatui::crossterm::terminal::size().ok().map(|(columns, _)| usize::from(columns));
    let known = if io::stdout().is_terminal() { of_terminal() } else { None };
    known.unwrap_or(COLUMNS_MAX).clamp(20, COLUMNS_MAX)
}

fn write_lines(out: &mut impl Write, lines: &[String]) -> io::Result<()> {
    lines.iter().try_for_each(|line| writeln!(out, "{}", line.trim_end()))
}

/// Plain words on one stream, complaints on another.
pub(crate) struct Plain<O, E> {
    out: O,
    complaints: E,
    /// Whether a person types: then there is a prompt, and no need for an echo.
    typed: bool,
    columns: usize,
    /// What was last reported to be going on.
    going_on: Option<String>,
    asked: bool,
}

impl<O: Write, E: Write> Plain<O, E> {
    /// A voice on these streams.
    pub(crate) fn new(out: O, complaints: E, typed: bool, columns: usize) -> Self {
        Self { out, complaints, typed, columns, going_on: None, asked: false }
    }
}

impl<O: Write, E: Write> Voice for Plain<O, E> {
    fn show(&mut self, shown: &Shown) -> io::Result<()> {
        let columns = self.columns;
        let lines = match cleaned(shown.clone()) {
            Shown::Opened(view) => report::opened(&view, columns),
            Shown::Progress(progress) => {
                // One line for each thing that has to be waited for; none once there is a question to think about.
                if self.asked || self.going_on.as_ref() == Some(&progress.what) {
                    return Ok(());
                }
                self.going_on = Some(progress.what.clone());
                vec![format!("{} ...", report::sentence(&progress.what))]
            }
            Shown::Question(view) => {
                self.asked = true;
                report::question(&view, columns)
            }
            Shown::Moved(view) => report::moved(&view, columns),
            Shown::Why(view) => report::why(&view, columns),
            Shown::Values(view) => report::values(&view, columns),
            Shown::Notice { text } => wrap(&text, columns),
            Shown::Problem { text } => wrap(&format!("Not recorded: {text}"), columns),
            Shown::Confirm(view) => report::confirm(&view, columns),
            Shown::Summary(view) => report::summary(&view, columns),
        };
        write_lines(&mut self.out, &lines)?;
        self.out.flush()
    }

    fn prompt(&mut self) -> io::Result<()> {
        if self.typed {
            write!(self.out, "> ")?;
        }
        self.out.flush()
    }

    fn echo(&mut self, line: &str) -> io::Result<()> {
        if !self.typed {
            writeln!(self.out, "> {}", clean(line))?;
        }
        Ok(())
    }

    fn complain(&mut self, text: &str) -> io::Result<()> {
        self.out.flush()?;
        write_lines(&mut self.complaints, &wrap(&clean(text), self.columns))?;
        self.complaints.flush()
    }

    fn help(&mut self, text: &str) -> io::Result<()> {
        write_lines(&mut self.out, &wrap(&format!("Answer with {text}."), self.columns))
    }
}
