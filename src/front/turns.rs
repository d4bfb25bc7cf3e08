//! Turn by turn over lines: shows what arrives, and reads one line whenever it is the person's turn.

use std::io;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;

use anyhow::Context;
use credence_agent::protocol::{Said, Shown};
use tokio::sync::mpsc::UnboundedSender;

use super::Ending;
use super::lines::{AnswersError, Line, Numbered, Open, Source, expected, parse};

/// How things are put to whoever reads: plain words, or JSON.
pub(crate) trait Voice {
    /// Shows what the session sent.
    fn show(&mut self, shown: &Shown) -> io::Result<()>;
    /// It is the person's turn.
    fn prompt(&mut self) -> io::Result<()>;
    /// This line was taken.
    fn echo(&mut self, line: &str) -> io::Result<()>;
    /// A line could not be used.
    fn complain(&mut self, text: &str) -> io::Result<()>;
    /// The lines that would be.
    fn help(&mut self, text: &str) -> io::Result<()>;
}

/// What can happen next, from three sides.
pub(crate) enum Event {
    /// The session shows something.
    Shown(Shown),
    /// The session is gone.
    HungUp,
    /// A line that was asked for, or the end of the lines.
    Line(io::Result<Option<Numbered>>),
    /// A signal asks for an orderly end.
    Signal,
}

/// What a line that cannot be used leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnBadLine {
    /// It is reported, and another line is read.
    GoOn,
    /// The session is stopped, and the line is the error.
    End,
}

/// Takes turns until the session ends.
///
/// # Errors
/// An [`AnswersError`], and what reading and writing can fail with.
pub(crate) fn take_turns(
    source: Source,
    on_bad_line: OnBadLine,
    voice: &mut impl Voice,
    shown: Receiver<Shown>,
    said: UnboundedSender<Said>,
) -> anyhow::Result<Ending> {
    let (events, inbox) = mpsc::channel();
    let from_signals = events.clone();
    let _watch = crate::signals::watch(move || drop(from_signals.send(Event::Signal)));
    let wanted = read_on_demand(source, events.clone());
    forward(shown, events);
    let turns = Turns {
        on_bad_line,
        voice,
        said,
        wanted,
        reading: false,
        open: Open::Nothing,
        last: None,
        ending: Ending::Summarised,
    };
    turns.run(&inbox)
}

/// Passes on what is shown, from a thread of its own: a channel cannot be waited for together with a file.
fn forward(shown: Receiver<Shown>, events: Sender<Event>) {
    thread::spawn(move || {
        for shown in shown {
            if events.send(Event::Shown(shown)).is_err() {
                return;
            }
        }
        events.send(Event::HungUp).ok();
    });
}

/// Reads one line for each request, so that no line is taken before its turn. The thread may stay in a read when all is over.
fn read_on_demand(mut source: Source, events: Sender<Event>) -> Sender<()> {
    let (wanted, requests) = mpsc::channel();
    thread::spawn(move || {
        for () in requests {
            if events.send(Event::Line(source.next())).is_err() {
                return;
            }
        }
    });
    wanted
}

/// Where the turns stand.
struct Turns<'a, V> {
    on_bad_line: OnBadLine,
    voice: &'a mut V,
    said: UnboundedSender<Said>,
    wanted: Sender<()>,
    /// Whether a line has been asked for and has not come.
    reading: bool,
    open: Open,
    /// What was said last and where it stood.
    last: Option<(Said, String)>,
    ending: Ending,
}

impl<V: Voice> Turns<'_, V> {
    fn run(mut self, inbox: &Receiver<Event>) -> anyhow::Result<Ending> {
        let mut failed = None;
        for event in inbox {
            match event {
                Event::Shown(shown) => match self.shown(shown)? {
                    After::GoOn => {}
                    After::End => break,
                    After::Bad(error) => failed = Some(error),
                },
                Event::HungUp => {
                    self.ending = Ending::HungUp;
                    break;
                }
                Event::Line(line) => {
                    self.reading = false;
                    match line.context("failed to read answers")? {
                        // What is typed after the end was asked for answers nothing.
                        _ if self.stopping() => {}
                        None => self.say(Said::Stop, String::new()),
                        Some(line) => failed = self.line(line)?.or(failed),
                    }
                }
                Event::Signal => {
                    self.ending = Ending::Interrupted;
                    self.say(Said::Stop, String::new());
                }
            }
        }
        failed.map_or(Ok(self.ending), |error| Err(error.into()))
    }

    fn stopping(&self) -> bool {
        matches!(self.last, Some((Said::Stop, _)))
    }

    fn shown(&mut self, shown: Shown) -> anyhow::Result<After> {
        self.voice.show(&shown).context("failed to write")?;
        let turn = !self.stopping() && shown.gives_turn_after(self.last.as_ref().map(|(said, _)| said));
        match shown {
            Shown::Summary(_) => return Ok(After::End),
            Shown::Question(question) => self.open = Open::Question(question),
            Shown::Confirm(view) => self.open = Open::Confirm { others: view.others.len() },
            // A file cannot answer back: what the session could not use is an error of that line.
            Shown::Problem { text } if turn && self.on_bad_line == OnBadLine::End => {
                let place = self.last.as_ref().map_or_else(String::new, |(_, place)| place.clone());
                self.say(Said::Stop, String::new());
                return Ok(After::Bad(AnswersError { place, problem: text }));
            }
            _ => {}
        }
        if turn {
            self.want_line()?;
        }
        Ok(After::GoOn)
    }

    /// Takes a line; returns the error that it ends the session with.
    fn line(&mut self, line: Numbered) -> anyhow::Result<Option<AnswersError>> {
        let Numbered { place, text } = line;
        let parsed = text.map_err(|wrong| format!("{wrong}; expected {}", expected(&self.open)));
        match parsed.and_then(|text| parse(&text, &self.open).map(|line| (text, line))) {
            Ok((text, Line::Say(said))) => {
                self.voice.echo(&text).context("failed to write")?;
                self.say(said, place);
            }
            Ok((_, Line::Help)) => {
                self.voice.help(&expected(&self.open)).context("failed to write")?;
                self.want_line()?;
            }
            Err(problem) => {
                let error = AnswersError { place, problem };
                if self.on_bad_line == OnBadLine::End {
                    self.say(Said::Stop, String::new());
                    return Ok(Some(error));
                }
                self.voice.complain(&error.to_string()).context("failed to write")?;
                self.want_line()?;
            }
        }
        Ok(None)
    }

    fn want_line(&mut self) -> anyhow::Result<()> {
        if !self.reading {
            self.reading = true;
            self.voice.prompt().context("failed to write")?;
            // The reader only goes when we do.
            self.wanted.send(()).ok();
        }
        Ok(())
    }

    fn say(&mut self, said: Said, place: String) {
        // When nobody listens any more, the hang-up is on its way.
        self.said.send(said.clone()).ok();
        self.last = Some((said, place));
    }
}

/// What follows from something shown.
enum After {
    GoOn,
    End,
    Bad(AnswersError),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::front::json::Json;
    use crate::front::plain::Plain;
    use crate::front::samples;
    use credence_agent::protocol::QuestionView;
    use std::io::Cursor;
    use tokio::sync::mpsc::unbounded_channel;

    /// What came of a session over lines.
    struct Sat {
        ended: Result<Ending, String>,
        said: Vec<Said>,
        out: String,
        complaints: String,
    }

    /// Sits down with lines. The session knows one question, asks it again and again, and understands only one statement.
    fn sit(lines: &str, on_bad_line: OnBadLine, json: bool) -> Sat {
        let (show, shown) = mpsc::channel();
        let (said, mut heard) = unbounded_channel::<Said>();
        let session = thread::spawn(move || {
            let mut all = Vec::new();
            let ask = |number| Shown::Question(QuestionView { number, ..samples::question() });
            show.send(Shown::Opened(samples::opened())).expect("shown");
            show.send(Shown::Progress(samples::progress())).expect("shown");
            show.send(ask(1)).expect("shown");
            let mut number = 1;
            while let Some(said) = heard.blocking_recv() {
                all.push(said.clone());
                let replies = match said {
                    Said::Why => vec![Shown::Why(samples::why())],
                    Said::Values => vec![Shown::Values(samples::values())],
                    Said::Stop => vec![Shown::Summary(samples::summary())],
                    Said::Important { words } if words == "nonsense" => {
                        vec![Shown::Problem { text: "no value is named".to_owned() }]
                    }
                    Said::Important { .. } => vec![Shown::Confirm(samples::confirm())],
                    _ => {
                        number += 1;
                        vec![Shown::Moved(samples::moved()), ask(number)]
                    }
                };
                let over = said_stop(&all);
                for reply in replies {
                    show.send(reply).expect("shown");
                }
                if over {
                    return all;
                }
            }
            all
        });
        let source = Source::new("answers.txt", Cursor::new(lines.to_owned()));
        let (mut out, mut complaints) = (Vec::new(), Vec::new());
        let ended = if json {
            take_turns(source, on_bad_line, &mut Json { out: &mut out }, shown, said)
        } else {
            take_turns(source, on_bad_line, &mut Plain::new(&mut out, &mut complaints, false, 72), shown, said)
        };
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("what is shown is UTF-8");
        Sat {
            ended: ended.map_err(|error| format!("{error:#}")),
            said: session.join().expect("the session ends"),
            out: text(out),
            complaints: text(complaints),
        }
    }

    fn said_stop(said: &[Said]) -> bool {
        said.last() == Some(&Said::Stop)
    }

    #[test]
    fn lines_are_taken_in_turn_and_the_end_of_them_stops() {
        let sat = sit("# a comment\n1\n\n=\nw\nimportant: honesty > comfort\ny\n", OnBadLine::End, false);
        assert_eq!(sat.ended, Ok(Ending::Summarised));
        assert_eq!(
            sat.said,
            [
                Said::Choose { index: 0 },
                Said::NoPreference,
                Said::Why,
                Said::Important { words: "honesty > comfort".to_owned() },
                Said::Yes,
                Said::Stop
            ]
        );
        assert_eq!(sat.complaints, "");
        insta::assert_snapshot!(sat.out);
    }

    #[test]
    fn a_bad_line_of_a_file_ends_the_session_after_what_came_before() {
        let sat = sit("1\n2\nmaybe\n1\n", OnBadLine::End, false);
        assert_eq!(sat.said, [Said::Choose { index: 0 }, Said::Choose { index: 1 }, Said::Stop]);
        let error = sat.ended.expect_err("the file is wrong");
        assert!(error.starts_with("answers.txt, line 3: \"maybe\" is no answer; expected 1, 2,"), "{error}");
        assert!(sat.out.contains("The end:"), "the summary is shown all the same");
    }

    #[test]
    fn what_the_session_cannot_use_is_an_error_of_the_files_line() {
        let sat = sit("1\n\nimportant: nonsense\n1\n", OnBadLine::End, false);
        assert_eq!(sat.ended, Err("answers.txt, line 3: no value is named".to_owned()));
        assert!(said_stop(&sat.said));
    }

    #[test]
    fn typed_lines_may_be_wrong() {
        let sat = sit("maybe\n9\nimportant: nonsense\n?\n2\nq\n1\n", OnBadLine::GoOn, false);
        assert_eq!(sat.ended, Ok(Ending::Summarised));
        assert_eq!(sat.said, [Said::Important { words: "nonsense".to_owned() }, Said::Choose { index: 1 }, Said::Stop]);
        assert!(sat.complaints.starts_with("answers.txt, line 1: \"maybe\" is no answer;"), "{}", sat.complaints);
        assert!(sat.complaints.contains("answers.txt, line 2: \"9\" does not answer"), "{}", sat.complaints);
    }

    #[test]
    fn json_is_answered_with_json() {
        let sat = sit("{\"said\":\"choose\",\"index\":1}\nmaybe\n=\n", OnBadLine::GoOn, true);
        assert_eq!(sat.said, [Said::Choose { index: 1 }, Said::NoPreference, Said::Stop]);
        let shown: Vec<Shown> =
            sat.out.lines().map(|line| serde_json::from_str(line).expect("each line is JSON")).collect();
        assert!(matches!(shown.last(), Some(Shown::Summary(_))));
        assert_eq!(shown.iter().filter(|shown| matches!(shown, Shown::Problem { .. })).count(), 1);
    }

    #[test]
    fn a_session_that_hangs_up_is_no_summary() {
        let (show, shown) = mpsc::channel();
        drop(show);
        let (said, _heard) = unbounded_channel();
        let source = Source::new("answers.txt", Cursor::new("1\n"));
        let ended = take_turns(source, OnBadLine::End, &mut Json { out: Vec::new() }, shown, said);
        assert_eq!(ended.expect("nothing is wrong here"), Ending::HungUp);
    }
}
