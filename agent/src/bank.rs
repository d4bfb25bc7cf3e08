//! The question bank: situations with alternatives that a person can be asked to choose between.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::{Path, PathBuf};

use serde::Deserialize;

/// The bank that ships with the program.
const DEFAULT_BANK: &str = include_str!("../../priors/data/questions.jsonl");

/// A bank's text may not be larger than this.
const BANK_BYTES_MAX: u64 = 64 << 20;
/// Nor one situation or alternative longer than this many characters; the model's context is checked when it is read.
const TEXT_CHARS_MAX: usize = 8_000;

/// One question of a bank.
#[derive(Debug, Clone, PartialEq)]
pub struct BankQuestion {
    /// Its name in the bank, such as `q017`.
    pub id: String,
    /// The situation's text; may be empty.
    pub situation: String,
    /// Two or more different alternatives.
    pub alternatives: Vec<BankAlternative>,
    /// Free labels: a domain, the values in play.
    pub tags: Vec<String>,
}

/// One alternative of a question.
#[derive(Debug, Clone, PartialEq)]
pub struct BankAlternative {
    /// A verb phrase, such as "return the wallet to its owner".
    pub text: String,
    /// Declared attributes in their own units.
    pub attributes: BTreeMap<String, f64>,
}

/// A list of questions, in file order, with distinct ids.
#[derive(Debug, Clone, PartialEq)]
pub struct Bank {
    /// The questions.
    pub questions: Vec<BankQuestion>,
}

/// Why a bank could not be read.
#[derive(Debug, thiserror::Error)]
pub enum BankError {
    /// The file could not be read at all.
    #[error("question bank {} cannot be read", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A line is not a question.
    #[error("question bank {}, line {line}: {problem}; expected {{\"id\": ..., \"situation\": ..., \"alternatives\": [\"...\", \"...\"]}}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// 1-based line number.
        line: usize,
        /// What is wrong with it.
        problem: String,
    },
    /// The bank has no question.
    #[error("question bank {} has no question; expected one JSON object a line", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    id: Option<String>,
    #[serde(default)]
    situation: String,
    alternatives: Vec<String>,
    #[serde(default)]
    attributes: Option<Vec<BTreeMap<String, f64>>>,
    #[serde(default)]
    tags: Vec<String>,
}

impl Bank {
    /// The bank that ships with the program.
    pub fn built_in() -> Self {
        Self::parse(DEFAULT_BANK, Path::new("questions.jsonl")).expect("the built-in bank is tested")
    }

    /// Reads a bank of JSON Lines from a file.
    pub fn load(path: &Path) -> Result<Self, BankError> {
        let unreadable = |source| BankError::Unreadable { path: path.to_owned(), source };
        let mut bytes = Vec::new();
        let file = std::fs::File::open(path).map_err(unreadable)?;
        file.take(BANK_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(unreadable)?;
        if bytes.len() as u64 > BANK_BYTES_MAX {
            return Err(unreadable(std::io::Error::other("the file is larger than 64 MiB")));
        }
        match String::from_utf8(bytes) {
            Ok(text) => Self::parse(&text, path),
            Err(e) => {
                let good = &e.as_bytes()[..e.utf8_error().valid_up_to()];
                let line = good.iter().filter(|b| **b == b'\n').count() + 1;
                Err(BankError::Line { path: path.to_owned(), line, problem: "the text is not UTF-8".into() })
            }
        }
    }

    /// Reads a bank from text; `path` only names it in errors.
    pub fn parse(text: &str, path: &Path) -> Result<Self, BankError> {
        let mut questions = Vec::new();
        let mut ids = BTreeSet::new();
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        for (index, raw) in text.lines().enumerate() {
            if raw.trim().is_empty() {
                continue;
            }
            let question = parse_line(raw, index + 1)
                .and_then(
                    |q| if ids.insert(q.id.clone()) { Ok(q) } else { Err(format!("id {:?} is used twice", q.id)) },
                )
                .map_err(|problem| BankError::Line { path: path.to_owned(), line: index + 1, problem })?;
            questions.push(question);
        }
        if questions.is_empty() { Err(BankError::Empty { path: path.to_owned() }) } else { Ok(Self { questions }) }
    }

    /// Names of all declared attributes, in alphabetic order.
    pub fn attribute_names(&self) -> BTreeSet<&str> {
        let alternatives = self.questions.iter().flat_map(|q| &q.alternatives);
        alternatives.flat_map(|a| a.attributes.keys().map(String::as_str)).collect()
    }
}

fn parse_line(raw: &str, number: usize) -> Result<BankQuestion, String> {
    let line: Line = serde_json::from_str(raw).map_err(|e| e.to_string())?;
    let texts: Vec<String> = line.alternatives.iter().map(|t| t.trim().to_owned()).collect();
    if texts.len() < 2 {
        return Err(format!("{} alternative(s); a question needs at least two", texts.len()));
    }
    if let Some(i) = texts.iter().position(String::is_empty) {
        return Err(format!("alternative {} is empty", i + 1));
    }
    let mut seen = BTreeSet::new();
    if let Some(twice) = texts.iter().find(|t| !seen.insert(t.to_lowercase())) {
        return Err(format!("the alternative {twice:?} stands twice"));
    }
    let longest = texts.iter().chain([&line.situation]).map(|t| t.chars().count()).max().unwrap_or(0);
    if longest > TEXT_CHARS_MAX {
        return Err(format!("a text of {longest} characters; the limit is {TEXT_CHARS_MAX}"));
    }
    let attributes = line.attributes.unwrap_or_else(|| vec![BTreeMap::new(); texts.len()]);
    if attributes.len() != texts.len() {
        return Err(format!("{} sets of attributes for {} alternatives", attributes.len(), texts.len()));
    }
    if attributes.windows(2).any(|w| !w[0].keys().eq(w[1].keys())) {
        return Err("the alternatives do not declare the same attributes".into());
    }
    if let Some((name, _)) = attributes.iter().flatten().find(|(_, v)| !v.is_finite()) {
        return Err(format!("attribute {name:?} is not a finite number"));
    }
    let alternatives =
        texts.into_iter().zip(attributes).map(|(text, attributes)| BankAlternative { text, attributes }).collect();
    Ok(BankQuestion {
        id: line.id.unwrap_or_else(|| format!("line-{number}")),
        situation: line.situation.trim().to_owned(),
        alternatives,
        tags: line.tags,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn problem(text: &str) -> String {
        Bank::parse(text, Path::new("mine.jsonl")).expect_err("a bad bank").to_string()
    }

    #[test]
    fn the_built_in_bank_is_large_and_varied() {
        let bank = Bank::built_in();
        assert!(bank.questions.len() >= 100, "{} questions", bank.questions.len());
        let assistant = bank.questions.iter().filter(|q| q.tags.iter().any(|t| t == "assistant")).count();
        assert!(assistant >= 20, "{assistant} questions about assistants");
    }

    #[test]
    fn errors_name_file_line_and_what_was_expected() {
        let good = r#"{"id":"a","situation":"s","alternatives":["x","y"]}"#;
        for (bad, says) in [
            (r#"{"id":"b","alternatives":["x"]}"#, "at least two"),
            (r#"{"id":"b","alternatives":["x","X "]}"#, "stands twice"),
            (r#"{"id":"b","alternatives":["x",""]}"#, "alternative 2 is empty"),
            (r#"{"id":"b","alternatives":["x","y"],"colour":1}"#, "unknown field `colour`"),
            (good, "used twice"),
            (r#"{"id":"b","alternatives":["x","y"],"attributes":[{"p":1}]}"#, "1 sets of attributes for 2"),
            ("not json", "expected"),
        ] {
            let message = problem(&format!("{good}\n\n{bad}\n"));
            assert!(message.contains("mine.jsonl, line 3") && message.contains(says), "{message}");
        }
        assert!(problem("\n").contains("has no question"));
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in ".{0,200}") {
            let _ = Bank::parse(&text, Path::new("any"));
        }
    }
}
