//! Pairs of a passage and the same passage made worse in one known way at equal length: what a score of quality is measured on.
//!
//! A line is `{"id": ..., "author": ..., "genre": ..., "defect": ..., "with": text, "without": text}`, the defect being in the first of
//! the two texts. The names of a contrast set (`motive`, `topic`) may stand beside them, so that one file serves both.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::Deserialize;

/// A passage, and the same made worse.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorsePair {
    /// Its name; each is there once.
    pub id: String,
    /// Who wrote both.
    pub author: String,
    /// What kind of prose it is.
    pub genre: String,
    /// How it was made worse.
    pub defect: String,
    /// The passage made worse.
    #[serde(rename = "with")]
    pub worse: String,
    /// The passage.
    #[serde(rename = "without")]
    pub better: String,
    /// As in a contrast set; not used here.
    #[serde(default)]
    motive: Option<String>,
    /// As in a contrast set; not used here.
    #[serde(default)]
    topic: Option<String>,
}

/// Why pairs could not be read.
#[derive(Debug, thiserror::Error)]
pub enum WorseError {
    /// The file cannot be read at all.
    #[error("pairs made worse: {} cannot be read", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A line is no pair.
    #[error(
        "{}, line {line}: {problem}; expected {{\"id\": ..., \"author\": ..., \"genre\": ..., \"defect\": ..., \"with\": the passage made worse, \"without\": the passage}}",
        path.display()
    )]
    Line {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// What is wrong with it.
        problem: String,
    },
    /// There is no pair.
    #[error("{} has no pair; expected one JSON object a line", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
}

impl WorsePair {
    /// Reads a file of pairs.
    ///
    /// # Errors
    /// A file that cannot be read, or a line that is no pair, with its number.
    pub fn load(path: &Path) -> Result<Vec<Self>, WorseError> {
        let unreadable = |source| WorseError::Unreadable { path: path.to_owned(), source };
        Self::parse(&std::fs::read_to_string(path).map_err(unreadable)?, path)
    }

    /// Reads pairs from text; `path` only names it in errors. Blank lines are passed over.
    ///
    /// # Errors
    /// As [`WorsePair::load`].
    pub fn parse(text: &str, path: &Path) -> Result<Vec<Self>, WorseError> {
        let mut pairs: Vec<Self> = Vec::new();
        let mut seen: BTreeSet<String> = BTreeSet::new();
        for (index, raw) in text.lines().enumerate().filter(|(_, raw)| !raw.trim().is_empty()) {
            let wrong = |problem: String| WorseError::Line { path: path.to_owned(), line: index + 1, problem };
            let pair: Self = serde_json::from_str(raw).map_err(|e| wrong(e.to_string()))?;
            let fields = [
                ("id", &pair.id),
                ("author", &pair.author),
                ("genre", &pair.genre),
                ("defect", &pair.defect),
                ("with", &pair.worse),
                ("without", &pair.better),
            ];
            if let Some((name, _)) = fields.iter().find(|(_, field)| field.trim().is_empty()) {
                return Err(wrong(format!("its {name} is empty")));
            }
            if pair.worse == pair.better {
                return Err(wrong("both passages are the same".to_owned()));
            }
            for unique in [&pair.id, &pair.worse, &pair.better] {
                if !seen.insert(unique.clone()) {
                    return Err(wrong(format!("{:?} was there before", unique.chars().take(60).collect::<String>())));
                }
            }
            pairs.push(pair);
        }
        if pairs.is_empty() { Err(WorseError::Empty { path: path.to_owned() }) } else { Ok(pairs) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> String {
        WorsePair::parse(text, Path::new("worse.jsonl")).expect_err("refused").to_string()
    }

    #[test]
    fn every_field_is_demanded_and_a_bad_line_is_named() {
        let good =
            r#"{"id": "1", "author": "a", "genre": "memoir", "defect": "padding", "with": "x y", "without": "x"}"#;
        let pairs = WorsePair::parse(&format!("\n{good}\n"), Path::new("w")).expect("a pair");
        assert_eq!((pairs[0].worse.as_str(), pairs[0].better.as_str()), ("x y", "x"));
        for field in ["author", "genre", "defect"] {
            let without = good.replace(&format!("\"{field}\""), "\"topic\"").replacen("\"topic\"", "\"motive\"", 1);
            assert!(told(&without).contains(&format!("line 1: missing field `{field}`")), "{}", told(&without));
        }
        assert!(told(&good.replace("\"padding\"", "\" \"")).contains("line 1: its defect is empty"));
        assert!(told(&format!("{good}\n{good}")).contains("line 2: \"1\" was there before"));
        assert!(told(&good.replace("x y", "x")).contains("both passages are the same"));
        assert!(told("\n").contains("has no pair"));
        assert!(told("{").contains("line 1") && told("{").contains("expected {\"id\""));
    }
}
