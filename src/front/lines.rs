//! Answers as lines: the short ones that people type, and the JSON that programs send.

use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::PathBuf;

use anyhow::Context;
use credence_agent::protocol::{QuestionView, Said};
use credence_memory::record::QuestionKind;

/// A line of so many words that is no answer is taken for a sentence about what matters.
const SENTENCE_WORDS: usize = 3;
/// A longer line is refused; statements of importance are sentences.
const LINE_BYTES_MAX: usize = 64 * 1024;

/// Where answers come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answers {
    /// Lines on standard input. A line that cannot be used is reported, and the session goes on.
    StandardInput,
    /// Lines of a file. A line that cannot be used ends the session.
    File(PathBuf),
}

/// A line of answers that could not be used; everything before it was.
#[derive(Debug)]
pub(crate) struct AnswersError {
    /// The file and the line: "answers.txt, line 3".
    pub(crate) place: String,
    /// What was wrong, and what was expected.
    pub(crate) problem: String,
}

impl fmt::Display for AnswersError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.problem)
    }
}

impl std::error::Error for AnswersError {}

/// What stands open for the person.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Open {
    /// Nothing yet.
    Nothing,
    /// A question.
    Question(QuestionView),
    /// A reading to confirm, with so many others to pick from.
    Confirm {
        /// How many.
        others: usize,
    },
}

/// What a line asks for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Line {
    /// Something for the session.
    Say(Said),
    /// The list of lines.
    Help,
}

/// Reads a line, given what stands open.
///
/// # Errors
/// In words: what was wrong and what was expected.
pub(crate) fn parse(line: &str, open: &Open) -> Result<Line, String> {
    let wrong = |what: String| format!("{what}; expected {}", expected(open));
    let line = line.trim();
    let kind = if let Open::Question(question) = open { Some(question.kind) } else { None };
    let said = if line.starts_with('{') {
        serde_json::from_str(line).map_err(|error| wrong(format!("not an answer in JSON ({error})")))?
    } else {
        match line.to_lowercase().as_str() {
            "?" | "help" => return Ok(Line::Help),
            "=" => Said::NoPreference,
            "s" | "skip" => Said::Skip,
            "u" | "undo" => Said::Undo,
            "v" | "values" => Said::Values,
            "w" | "why" => Said::Why,
            "q" | "quit" | "stop" => Said::Stop,
            "y" | "yes" => Said::Yes,
            "n" | "no" => Said::No,
            _ => match (numbers(line).as_deref(), words_of_importance(line)) {
                (Some([level]), _) if kind == Some(QuestionKind::Portrait) => {
                    Said::Rate { level: u32::try_from(*level).unwrap_or(u32::MAX) }
                }
                (Some([number]), _) => Said::Choose { index: number - 1 },
                (Some([best, worst]), _) => Said::BestAndWorst { best: best - 1, worst: worst - 1 },
                (_, Some("")) => return Err(wrong("no words after \"important:\"".to_owned())),
                (_, Some(words)) => Said::Important { words: words.to_owned() },
                _ if line.split_whitespace().count() >= SENTENCE_WORDS => Said::Important { words: line.to_owned() },
                _ => return Err(wrong(format!("{:?} is no answer", super::text::truncate(line, 60)))),
            },
        }
    };
    let fits = match (&said, open) {
        (Said::Choose { index }, Open::Question(question)) => {
            question.kind == QuestionKind::Choice && *index < question.alternatives.len()
        }
        (Said::Rate { level }, Open::Question(question)) => {
            question.kind == QuestionKind::Portrait && (1..=question.levels.len()).contains(&(*level as usize))
        }
        (Said::BestAndWorst { best, worst }, Open::Question(question)) => {
            let n = question.alternatives.len();
            question.kind == QuestionKind::BestAndWorst && *best < n && *worst < n && best != worst
        }
        (Said::NoPreference, Open::Question(question)) => question.indifference_offered,
        (Said::Choose { index }, Open::Confirm { others }) => index < others,
        (Said::NoPreference | Said::Rate { .. } | Said::BestAndWorst { .. }, Open::Confirm { .. }) => false,
        (Said::Yes | Said::No, open) => matches!(open, Open::Confirm { .. }),
        _ => true,
    };
    if fits {
        Ok(Line::Say(said))
    } else {
        Err(wrong(format!("{:?} does not answer what is asked", super::text::truncate(line, 60))))
    }
}

/// One number or two, from 1: "3", "2 4", "2,4".
fn numbers(line: &str) -> Option<Vec<usize>> {
    let parts = line.split(|c: char| c.is_whitespace() || c == ',').filter(|part| !part.is_empty());
    let numbers: Vec<usize> = parts.map(|part| part.parse().ok().filter(|n| *n > 0)).collect::<Option<_>>()?;
    (1..=2).contains(&numbers.len()).then_some(numbers)
}

fn words_of_importance(line: &str) -> Option<&str> {
    let (keyword, words) = line.split_once(':')?;
    keyword.trim().eq_ignore_ascii_case("important").then(|| words.trim())
}

/// The lines that fit what stands open.
pub(crate) fn expected(open: &Open) -> String {
    let answers = match open {
        Open::Confirm { others } => {
            let numbers: String = (1..=*others).map(|number| format!("{number}, ")).collect();
            return format!(
                "y (yes), {numbers}n (drop it), s (leave it), u (undo), v (values), q (stop) or important: WORDS"
            );
        }
        Open::Nothing => "the number of an alternative".to_owned(),
        Open::Question(question) if question.kind == QuestionKind::Portrait => {
            format!("1 (not me at all) to {} (very much like me)", question.levels.len())
        }
        Open::Question(question) if question.kind == QuestionKind::BestAndWorst => {
            "two numbers, the one that matters most and then the one that matters least (such as 2 4)".to_owned()
        }
        Open::Question(question) => {
            let numbers: Vec<String> = (1..=question.alternatives.len()).map(|number| number.to_string()).collect();
            let indifference = if question.indifference_offered { ", = (no preference)" } else { "" };
            format!("{}{indifference}", numbers.join(", "))
        }
    };
    format!(
        "{answers}, s (skip), u (undo), v (values), w (why this question), q (stop) or what matters to you in a sentence"
    )
}

/// Lines with their numbers; blank lines and lines that begin with `#` are passed over.
pub(crate) struct Source {
    name: String,
    input: Box<dyn BufRead + Send>,
    number: u64,
}

/// A line as read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Numbered {
    /// Where it stands.
    pub(crate) place: String,
    /// Its text, or what is wrong with it.
    pub(crate) text: Result<String, String>,
}

impl Source {
    /// Opens the answers.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub(crate) fn open(answers: &Answers) -> anyhow::Result<Self> {
        Ok(match answers {
            Answers::StandardInput => Self::new("standard input", BufReader::new(io::stdin())),
            Answers::File(path) => {
                let cannot = || format!("failed to read answers from {}", path.display());
                let file = File::open(path).with_context(cannot)?;
                if file.metadata().with_context(cannot)?.is_dir() {
                    return Err(io::Error::from(io::ErrorKind::IsADirectory)).with_context(cannot);
                }
                Self::new(&path.display().to_string(), BufReader::new(file))
            }
        })
    }

    /// Lines of `input`, called `name` in messages.
    pub(crate) fn new(name: &str, input: impl BufRead + Send + 'static) -> Self {
        Self { name: super::text::clean(name), input: Box::new(input), number: 0 }
    }

    /// The next line with something on it; `None` at the end.
    ///
    /// # Errors
    /// The input's own.
    pub(crate) fn next(&mut self) -> io::Result<Option<Numbered>> {
        loop {
            let mut bytes = Vec::new();
            // One byte more than allowed tells a full line from one that goes on.
            self.input.by_ref().take(LINE_BYTES_MAX as u64 + 1).read_until(b'\n', &mut bytes)?;
            if bytes.is_empty() {
                return Ok(None);
            }
            self.number += 1;
            let place = format!("{}, line {}", self.name, self.number);
            if bytes.len() > LINE_BYTES_MAX {
                if bytes.last() != Some(&b'\n') {
                    self.input.skip_until(b'\n')?;
                }
                return Ok(Some(Numbered { place, text: Err(format!("a line longer than {LINE_BYTES_MAX} bytes")) }));
            }
            match String::from_utf8(bytes) {
                Err(_) => return Ok(Some(Numbered { place, text: Err("a line that is not UTF-8".to_owned()) })),
                Ok(text) => {
                    let text = text.trim_start_matches('\u{feff}').trim();
                    if !text.is_empty() && !text.starts_with('#') {
                        return Ok(Some(Numbered { place, text: Ok(text.to_owned()) }));
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::front::samples;

    #[test]
    fn lines_say_what_they_should() {
        let question = Open::Question(samples::question());
        let confirm = Open::Confirm { others: 1 };
        let portrait = Open::Question(samples::portrait());
        let set = Open::Question(samples::best_and_worst());
        let important = |words: &str| Said::Important { words: words.to_owned() };
        for (line, open, said) in [
            ("1", &question, Some(Said::Choose { index: 0 })),
            (" 2 ", &question, Some(Said::Choose { index: 1 })),
            ("3", &question, None),
            ("0", &question, None),
            ("-1", &question, None),
            ("=", &question, Some(Said::NoPreference)),
            ("s", &question, Some(Said::Skip)),
            ("U", &question, Some(Said::Undo)),
            ("why", &question, Some(Said::Why)),
            ("q", &question, Some(Said::Stop)),
            ("y", &question, None),
            ("both", &question, None),
            ("important: honesty > privacy", &question, Some(important("honesty > privacy"))),
            ("IMPORTANT : care", &question, Some(important("care"))),
            ("important:", &question, None),
            ("5", &portrait, Some(Said::Rate { level: 5 })),
            ("7", &portrait, None),
            ("=", &portrait, None),
            ("2 4", &set, Some(Said::BestAndWorst { best: 1, worst: 3 })),
            ("4,1", &set, Some(Said::BestAndWorst { best: 3, worst: 0 })),
            ("2", &set, None),
            ("2 2", &set, None),
            ("2 5", &set, None),
            ("1 2", &question, None),
            (r#"{"said":"best_and_worst","best":0,"worst":2}"#, &set, Some(Said::BestAndWorst { best: 0, worst: 2 })),
            (r#"{"said":"choose","index":1}"#, &question, Some(Said::Choose { index: 1 })),
            (r#"{"said":"choose","index":7}"#, &question, None),
            (r#"{"said":"shout"}"#, &question, None),
            ("I need quiet", &question, Some(important("I need quiet"))),
            ("y", &confirm, Some(Said::Yes)),
            ("n", &confirm, Some(Said::No)),
            ("s", &confirm, Some(Said::Skip)),
            ("1", &confirm, Some(Said::Choose { index: 0 })),
            ("2", &confirm, None),
            ("=", &confirm, None),
            ("q", &Open::Nothing, Some(Said::Stop)),
        ] {
            assert_eq!(parse(line, open).ok(), said.map(Line::Say), "{line}");
        }
    }

    #[test]
    fn an_error_says_what_was_expected() {
        let error = parse("maybe", &Open::Question(samples::question())).expect_err("no answer");
        assert_eq!(
            error,
            "\"maybe\" is no answer; expected 1, 2, = (no preference), s (skip), u (undo), v (values), w (why this question), \
             q (stop) or what matters to you in a sentence"
        );
    }

    #[test]
    fn blank_lines_and_comments_count_but_say_nothing() {
        let long = "x".repeat(LINE_BYTES_MAX + 10);
        let bytes = [b"\n# first\n1\r\n".as_slice(), b"\xff\n", long.as_bytes(), b"\n2"].concat();
        let mut source = Source::new("a.txt", io::Cursor::new(bytes));
        let mut read = || source.next().expect("memory can be read").map(|line| (line.place, line.text));
        assert_eq!(read(), Some(("a.txt, line 3".to_owned(), Ok("1".to_owned()))));
        assert_eq!(read(), Some(("a.txt, line 4".to_owned(), Err("a line that is not UTF-8".to_owned()))));
        assert_eq!(read(), Some(("a.txt, line 5".to_owned(), Err("a line longer than 65536 bytes".to_owned()))));
        assert_eq!(read(), Some(("a.txt, line 6".to_owned(), Ok("2".to_owned()))));
        assert_eq!(read(), None);
    }
}
