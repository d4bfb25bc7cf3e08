//! A session for programs: every [`Shown`] as one JSON object a line; answers as JSON or as short lines.

use std::io::{self, Write};
use std::sync::mpsc::Receiver;

use credence_agent::protocol::{Said, Shown};
use tokio::sync::mpsc::UnboundedSender;

use super::Ending;
use super::lines::{Answers, Source};
use super::text::harmless_json;
use super::turns::{OnBadLine, Voice, take_turns};

/// Runs a session in JSON lines.
///
/// # Errors
/// See [`super::run`].
pub(crate) fn run(answers: Answers, shown: Receiver<Shown>, said: UnboundedSender<Said>) -> anyhow::Result<Ending> {
    let source = Source::open(&answers)?;
    let on_bad_line = if answers == Answers::StandardInput { OnBadLine::GoOn } else { OnBadLine::End };
    take_turns(source, on_bad_line, &mut Json { out: io::stdout() }, shown, said)
}

/// JSON lines on one stream.
pub(crate) struct Json<O> {
    /// Where they go.
    pub(crate) out: O,
}

impl<O: Write> Voice for Json<O> {
    fn show(&mut self, shown: &Shown) -> io::Result<()> {
        let json = serde_json::to_string(shown).map_err(io::Error::other)?;
        writeln!(self.out, "{}", harmless_json(&json))?;
        self.out.flush()
    }

    fn prompt(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn echo(&mut self, _line: &str) -> io::Result<()> {
        Ok(())
    }

    fn complain(&mut self, text: &str) -> io::Result<()> {
        self.show(&Shown::Problem { text: text.to_owned() })
    }

    fn help(&mut self, text: &str) -> io::Result<()> {
        self.show(&Shown::Notice {
            text: format!("answer with {text}, or with an object such as {{\"said\":\"choose\",\"index\":0}}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::front::samples;
    use crate::front::text::is_hazard;

    #[test]
    fn json_survives_a_terminal_and_reads_back_the_same() {
        for shown in samples::one_of_each()
            .into_iter()
            .chain([Shown::Notice { text: "\u{202e}\u{9b}31m\u{e0041}\x1b\"".to_owned() }])
        {
            let mut json = Json { out: Vec::new() };
            json.show(&shown).expect("memory can be written");
            let line = String::from_utf8(json.out).expect("JSON is UTF-8");
            assert_eq!(line.matches('\n').count(), 1);
            assert!(!line.trim_end().chars().any(is_hazard), "{line}");
            assert_eq!(serde_json::from_str::<Shown>(&line).expect("JSON"), shown);
        }
    }
}
