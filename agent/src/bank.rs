//! The question bank: situations with alternatives that a person can be asked to choose between.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::{Path, PathBuf};

use credence_memory::file::open_regular;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};

/// The bank that ships with the program.
const DEFAULT_BANK: &str = include_str!("../../priors/data/questions.jsonl");

/// A bank's text may not be larger than this.
const BANK_BYTES_MAX: u64 = 64 << 20;
/// Nor one situation or alternative longer than this many characters; the model's context is checked when it is read.
const TEXT_CHARS_MAX: usize = 8_000;

/// The limits of a question: the engine lists no more answers, and nobody weighs more at once.
pub const ALTERNATIVES_MAX: usize = 24;
/// The longest bank.
const QUESTIONS_MAX: usize = 100_000;
/// Keys lie between the negative of this and this, in halves.
pub const KEY_MAX: f64 = 2.0;
/// Error variance of a key, key points squared, where a bank does not say better: that of two readers half a point apart.
pub const KEY_ERROR: f64 = 0.25;

/// What an alternative serves (+) or goes against (-), in key points, by the ids of values; values that are not at stake are absent.
pub type Keys = BTreeMap<String, f64>;

/// One question of a bank.
#[derive(Debug, Clone, PartialEq)]
pub struct BankQuestion {
    /// Its name in the bank, such as `q017`.
    pub id: String,
    /// The situation's text; may be empty.
    pub situation: String,
    /// Two to [`ALTERNATIVES_MAX`] different alternatives.
    pub alternatives: Vec<BankAlternative>,
    /// Free labels: a domain, the values in play.
    pub tags: Vec<String>,
}

impl BankQuestion {
    /// Whether its authors said what each alternative serves, so that no model need read it.
    pub fn is_keyed(&self) -> bool {
        self.alternatives.iter().all(|a| a.keys.is_some())
    }
}

/// One alternative of a question.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct BankAlternative {
    /// A verb phrase, such as "return the wallet to its owner".
    pub text: String,
    /// Its keys, if it is keyed: then all alternatives of the question are.
    pub keys: Option<Keys>,
}

impl BankAlternative {
    /// An alternative that nobody keyed.
    pub fn unkeyed(text: impl Into<String>) -> Self {
        Self { text: text.into(), keys: None }
    }
}

/// A short description of somebody, by what matters to them; rated for likeness, or one of several of which the one that
/// matters most and the one that matters least are chosen.
#[derive(Debug, Clone, PartialEq)]
pub struct Portrait {
    /// Its name in the bank.
    pub id: String,
    /// What matters to them: a verb phrase, "tell people the truth even when it is awkward".
    pub text: String,
    /// What caring about it says of the values, key points.
    pub keys: Keys,
}

/// Questions and portraits, in file order, with distinct ids.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Bank {
    /// The questions.
    pub questions: Vec<BankQuestion>,
    /// The portraits; always keyed.
    pub portraits: Vec<Portrait>,
    /// Error variance of a key of each value, key points squared, from the disagreement of those who keyed it; [`KEY_ERROR`] for
    /// a value that is not in it.
    pub key_error: BTreeMap<String, f64>,
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
    #[error("question bank {}, line {line}: {problem}; expected {{\"id\": ..., \"situation\": ..., \"alternatives\": [\"...\", \"...\"]}}, with or without \"keys\", or {{\"id\": ..., \"portrait\": \"...\", \"keys\": {{...}}}}", path.display())]
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
    /// A key is for a value that the schema does not have.
    #[error("question bank {}, question {question:?}: there is no value {value:?} to key; the schema has {}", path.display(), known.join(", "))]
    UnknownValue {
        /// The file.
        path: PathBuf,
        /// The question or portrait.
        question: String,
        /// The value.
        value: String,
        /// The values there are.
        known: Vec<String>,
    },
}

enum Line {
    Question(QuestionLine),
    Portrait(PortraitLine),
    Header(HeaderLine),
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct QuestionLine {
    id: Option<String>,
    #[serde(default)]
    situation: String,
    alternatives: Vec<String>,
    #[serde(default)]
    keys: Option<Vec<EachOnce>>,
    #[serde(default)]
    tags: Vec<String>,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct PortraitLine {
    id: Option<String>,
    portrait: String,
    keys: EachOnce,
    /// Free labels, as those of a question; nobody asks for them yet.
    #[serde(default, rename = "tags")]
    _tags: Vec<String>,
}

/// What holds for the whole bank.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct HeaderLine {
    key_error: EachOnce,
}

/// Numbers by the ids of values, none of which is named twice.
struct EachOnce(Keys);

impl<'de> Deserialize<'de> for EachOnce {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ByValue;
        impl<'de> Visitor<'de> for ByValue {
            type Value = EachOnce;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object from values to numbers")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<EachOnce, A::Error> {
                let mut keys = Keys::new();
                while let Some((value, number)) = map.next_entry::<String, f64>()? {
                    if let Some(before) = keys.insert(value.clone(), number) {
                        return Err(A::Error::custom(format!("{value:?} is named twice, with {before} and {number}")));
                    }
                }
                Ok(EachOnce(keys))
            }
        }
        deserializer.deserialize_map(ByValue)
    }
}

impl Bank {
    /// The bank that ships with the program.
    #[allow(clippy::missing_panics_doc, reason = "the built-in bank is tested")]
    pub fn built_in() -> Self {
        Self::parse(DEFAULT_BANK, Path::new("questions.jsonl")).expect("the built-in bank is tested")
    }

    /// Reads a bank of JSON Lines from a file.
    ///
    /// # Errors
    /// A file that cannot be read, or a line that is no question, with its number and what was expected.
    pub fn load(path: &Path) -> Result<Self, BankError> {
        let unreadable = |source| BankError::Unreadable { path: path.to_owned(), source };
        let mut bytes = Vec::new();
        let file = open_regular(path).map_err(unreadable)?;
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
    ///
    /// # Errors
    /// As [`Bank::load`].
    pub fn parse(text: &str, path: &Path) -> Result<Self, BankError> {
        // The same words are the same alternative, however their accents were typed.
        let text = &*credence_memory::text::normal(text);
        let mut bank = Self::default();
        let mut ids = BTreeSet::new();
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        for (index, raw) in text.lines().enumerate() {
            if raw.trim().is_empty() {
                continue;
            }
            bank.take(raw, index + 1, &mut ids).map_err(|problem| BankError::Line {
                path: path.to_owned(),
                line: index + 1,
                problem,
            })?;
        }
        if bank.questions.is_empty() && bank.portraits.is_empty() {
            return Err(BankError::Empty { path: path.to_owned() });
        }
        Ok(bank)
    }

    fn take(&mut self, raw: &str, number: usize, ids: &mut BTreeSet<String>) -> Result<(), String> {
        if self.questions.len() + self.portraits.len() == QUESTIONS_MAX {
            return Err(format!("a bank may have {QUESTIONS_MAX} questions"));
        }
        let id = match parse_line(raw)? {
            Line::Question(line) => {
                let question = question(line, number)?;
                self.questions.push(question);
                &self.questions[self.questions.len() - 1].id
            }
            Line::Portrait(line) => {
                let portrait = portrait(line, number)?;
                self.portraits.push(portrait);
                &self.portraits[self.portraits.len() - 1].id
            }
            Line::Header(line) => {
                if let Some((value, error)) = line.key_error.0.iter().find(|(_, e)| !(**e >= 0.0 && **e <= 4.0)) {
                    return Err(format!("the key error of {value:?} is {error}; expected a variance from 0 to 4"));
                }
                self.key_error.extend(line.key_error.0);
                return Ok(());
            }
        };
        if ids.insert(id.clone()) { Ok(()) } else { Err(format!("id {id:?} is used twice")) }
    }

    /// Refuses keys for values that are not in `known`, the ids of a schema's values.
    ///
    /// # Errors
    /// The first unknown value, with its question; `path` only names the bank.
    pub fn check_values(&self, known: &[&str], path: &Path) -> Result<(), BankError> {
        let of_questions = self
            .questions
            .iter()
            .flat_map(|q| q.alternatives.iter().filter_map(|a| a.keys.as_ref()).map(|k| (&q.id, k)));
        let of_portraits = self.portraits.iter().map(|p| (&p.id, &p.keys));
        for (question, keys) in of_questions.chain(of_portraits) {
            if let Some(value) = keys.keys().find(|value| !known.contains(&value.as_str())) {
                return Err(BankError::UnknownValue {
                    path: path.to_owned(),
                    question: question.clone(),
                    value: value.clone(),
                    known: known.iter().map(ToString::to_string).collect(),
                });
            }
        }
        Ok(())
    }

    /// Error variance of a key of this value, key points squared.
    pub fn key_error(&self, value: &str) -> f64 {
        self.key_error.get(value).copied().unwrap_or(KEY_ERROR)
    }
}

/// The kind of a line is told by its fields, so that an error can say what is wrong with a line of that kind.
fn parse_line(raw: &str) -> Result<Line, String> {
    let fields: BTreeMap<String, serde_json::Value> = serde_json::from_str(raw).map_err(|e| e.to_string())?;
    let said = |e: serde_json::Error| e.to_string();
    if fields.contains_key("portrait") {
        serde_json::from_str(raw).map(Line::Portrait).map_err(said)
    } else if fields.contains_key("key_error") {
        serde_json::from_str(raw).map(Line::Header).map_err(said)
    } else {
        serde_json::from_str(raw).map(Line::Question).map_err(said)
    }
}

fn question(line: QuestionLine, number: usize) -> Result<BankQuestion, String> {
    let texts: Vec<String> = line.alternatives.iter().map(|t| t.trim().to_owned()).collect();
    if !(2..=ALTERNATIVES_MAX).contains(&texts.len()) {
        let limits = format!("a question needs at least two and may have {ALTERNATIVES_MAX}");
        return Err(format!("{} alternative(s); {limits}", texts.len()));
    }
    if let Some(i) = texts.iter().position(String::is_empty) {
        return Err(format!("alternative {} is empty", i + 1));
    }
    let mut seen = BTreeSet::new();
    if let Some(twice) = texts.iter().find(|t| !seen.insert(t.to_lowercase())) {
        return Err(format!("the alternative {twice:?} is there twice"));
    }
    for text in texts.iter().chain([&line.situation]) {
        check_length(text)?;
    }
    let keys: Vec<Option<Keys>> = match line.keys {
        None => vec![None; texts.len()],
        Some(keys) if keys.len() != texts.len() => {
            return Err(format!("{} sets of keys for {} alternatives; expected one for each", keys.len(), texts.len()));
        }
        Some(keys) => keys.into_iter().map(|keys| Some(keys.0)).collect(),
    };
    keys.iter().flatten().try_for_each(check_keys)?;
    if keys.iter().flatten().next().is_some() && keys.iter().flatten().all(BTreeMap::is_empty) {
        return Err("no alternative has a key; leave \"keys\" out if nobody keyed it".into());
    }
    let keyed: Vec<usize> = (0..keys.len()).filter(|i| keys[*i].as_ref().is_some_and(|k| !k.is_empty())).collect();
    if let [only] = keyed[..] {
        let only = only + 1;
        return Err(format!(
            "only alternative {only} has a key; key the others too, with 0 for a value that one leaves alone"
        ));
    }
    Ok(BankQuestion {
        id: line.id.unwrap_or_else(|| format!("line-{number}")),
        situation: line.situation.trim().to_owned(),
        alternatives: texts.into_iter().zip(keys).map(|(text, keys)| BankAlternative { text, keys }).collect(),
        tags: line.tags,
    })
}

fn portrait(line: PortraitLine, number: usize) -> Result<Portrait, String> {
    let text = line.portrait.trim().to_owned();
    if text.is_empty() {
        return Err("the portrait is empty".into());
    }
    check_length(&text)?;
    check_keys(&line.keys.0)?;
    if line.keys.0.is_empty() {
        return Err("the portrait has no key".into());
    }
    Ok(Portrait { id: line.id.unwrap_or_else(|| format!("line-{number}")), text, keys: line.keys.0 })
}

fn check_length(text: &str) -> Result<(), String> {
    match text.chars().count() {
        length if length > TEXT_CHARS_MAX => {
            Err(format!("a text of {length} characters; the limit is {TEXT_CHARS_MAX}"))
        }
        _ => Ok(()),
    }
}

fn check_keys(keys: &Keys) -> Result<(), String> {
    match keys.iter().find(|(_, key)| !(key.abs() <= KEY_MAX && (**key * 2.0).fract() == 0.0)) {
        Some((value, key)) => Err(format!("the key of {value:?} is {key}; expected -2 to 2 in halves")),
        None => Ok(()),
    }
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
            (r#"{"id":"b","alternatives":["x","X "]}"#, "is there twice"),
            (r#"{"id":"b","alternatives":["x",""]}"#, "alternative 2 is empty"),
            (r#"{"id":"b","alternatives":["x","y"],"colour":1}"#, "unknown field `colour`"),
            (good, "used twice"),
            (r#"{"id":"b","alternatives":["x","y"],"attributes":[{"p":1}]}"#, "unknown field `attributes`"),
            (r#"{"id":"b","alternatives":["x","y"],"keys":[{"care":1}]}"#, "1 sets of keys for 2"),
            (r#"{"id":"b","alternatives":["x","y"],"keys":[{"care":2.5},{}]}"#, "expected -2 to 2 in halves"),
            (r#"{"id":"b","alternatives":["x","y"],"keys":[{"care":0.3},{}]}"#, "expected -2 to 2 in halves"),
            (r#"{"id":"b","alternatives":["x","y"],"keys":[{},{}]}"#, "no alternative has a key"),
            (r#"{"id":"b","alternatives":["x","y"],"keys":[{},{"care":1}]}"#, "only alternative 2 has a key"),
            (r#"{"id":"b","portrait":" ","keys":{"care":1}}"#, "the portrait is empty"),
            (r#"{"id":"b","portrait":"help","keys":{}}"#, "has no key"),
            (
                r#"{"id":"b","alternatives":["x","y"],"keys":[{"care":1,"care":-1},{}]}"#,
                "\"care\" is named twice, with 1 and -1",
            ),
            (r#"{"key_error":{"care":-1}}"#, "expected a variance"),
            ("not json", "expected"),
        ] {
            let message = problem(&format!("{good}\n\n{bad}\n"));
            assert!(message.contains("mine.jsonl, line 3") && message.contains(says), "{message}");
        }
        assert!(problem("\n").contains("has no question"));
    }

    #[test]
    fn more_alternatives_than_can_be_listed_are_refused() {
        let line = |n: usize| {
            let all: Vec<String> = (0..n).map(|i| format!("\"act {i}\"")).collect();
            format!("{{\"id\":\"a\",\"alternatives\":[{}]}}", all.join(","))
        };
        assert!(Bank::parse(&line(ALTERNATIVES_MAX), Path::new("mine.jsonl")).is_ok());
        assert!(problem(&line(ALTERNATIVES_MAX + 1)).contains("25 alternative(s)"));
    }

    #[test]
    fn keys_for_unknown_values_are_named() {
        let text = r#"{"id":"a","alternatives":["x","y"],"keys":[{"bravery":1},{"care":0}]}"#;
        let bank = Bank::parse(text, Path::new("mine.jsonl")).expect("well formed");
        let error = bank.check_values(&["care", "honesty"], Path::new("mine.jsonl")).expect_err("an unknown value");
        assert!(error.to_string().contains("\"bravery\"") && error.to_string().contains("care, honesty"), "{error}");
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in ".{0,200}") {
            let _ = Bank::parse(&text, Path::new("any"));
        }
    }
}
