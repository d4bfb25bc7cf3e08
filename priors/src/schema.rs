//! The value schema: which values there are and how they are read out of a language model.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::model::{LanguageModel, ModelError};

/// The version of the file format this program reads.
pub const SCHEMA_FORMAT: u32 = 1;

const DEFAULT_SCHEMA: &str = include_str!("../data/schema.toml");
const SITUATION: &str = "{situation}";
const ALTERNATIVE: &str = "{alternative}";
/// Scales are standard deviations over the reference set; from fewer alternatives they would be guesses.
const REFERENCE_MIN: usize = 8;

/// Two opposite words: first the one that speaks for the value, then the one that speaks against it.
pub type Poles = [String; 2];

/// A text with a gap, read up to its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Template {
    /// Its name in errors and reports.
    pub id: String,
    /// Text with `{alternative}` and, if wanted, `{situation}`.
    pub text: String,
}

/// Something that people hold dear, and the words it is read by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Value {
    /// Its name in records and on the command line.
    pub id: String,
    /// Its name on the screen.
    pub name: String,
    /// One sentence a person can agree or disagree with.
    pub description: String,
    /// Pairs of words it is read by; each counts the same.
    pub poles: Vec<Poles>,
}

/// One way to ask for the overall judgement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Judgement {
    /// Its name in reports.
    pub id: String,
    /// Text with `{alternative}` and, if wanted, `{situation}`.
    pub text: String,
    /// Pairs of words, first the approving one.
    pub poles: Vec<Poles>,
}

/// Two beginnings after which the alternative itself is scored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JudgementContrast {
    /// Beginning after which good alternatives are likely.
    pub good: String,
    /// Beginning after which bad alternatives are likely.
    pub bad: String,
}

/// Where text features come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TextFeatures {
    /// Text whose last token's hidden state is taken.
    pub template: String,
    /// How many principal components are kept.
    #[serde(default = "four")]
    pub components: usize,
}

fn four() -> usize {
    4
}

/// Neutral alternatives that everything is centred and scaled on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reference {
    /// The alternatives, read without a situation.
    pub alternatives: Vec<String>,
}

/// Values, templates, poles and a reference set. Made by [`ValueSchema::parse`], so always valid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ValueSchema {
    /// Version of the file format.
    pub format: u32,
    /// Name of the schema.
    pub name: String,
    /// Templates that every value is read through.
    #[serde(rename = "template")]
    pub templates: Vec<Template>,
    /// The values, in the order of their features.
    #[serde(rename = "value")]
    pub values: Vec<Value>,
    /// Ways to ask for the overall judgement.
    #[serde(rename = "judgement")]
    pub judgements: Vec<Judgement>,
    /// One more way: the alternative's own likelihood.
    pub judgement_contrast: JudgementContrast,
    /// Where text features come from.
    pub text_features: TextFeatures,
    /// Neutral alternatives.
    pub reference: Reference,
}

/// What is wrong with a schema.
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    /// The file cannot be read (or is not UTF-8).
    #[error("failed to read the value schema {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Not TOML, a key that is unknown, or one that is missing.
    #[error("the value schema {origin} cannot be understood")]
    Toml {
        /// The file, or what stands for it.
        origin: String,
        /// Why, with line and column.
        source: Box<toml::de::Error>,
    },
    /// TOML, but not a schema.
    #[error("the value schema {origin} is invalid: {what}")]
    Invalid {
        /// The file, or what stands for it.
        origin: String,
        /// What was expected and what was found, naming the entry.
        what: String,
    },
    /// The words of a pair begin with the same token of this model, so they cannot be told apart by one.
    #[error(
        "the poles \"{first}\" and \"{second}\" of {entry} in the value schema {schema} begin with the same token of the \
         model {model}; expected words that differ at once: choose another pair"
    )]
    SameToken {
        /// Name of the schema.
        schema: String,
        /// The value or judgement.
        entry: String,
        /// The word for.
        first: String,
        /// The word against.
        second: String,
        /// The model.
        model: String,
    },
    /// The model failed while it was asked.
    #[error("the value schema {schema} cannot be checked against the model")]
    Model {
        /// Name of the schema.
        schema: String,
        /// Why.
        source: ModelError,
    },
}

impl ValueSchema {
    /// The schema that comes with the program.
    ///
    /// # Panics
    /// If the embedded file is invalid, which a test excludes.
    pub fn embedded() -> Self {
        match Self::parse(DEFAULT_SCHEMA, "schema.toml (embedded)") {
            Ok(schema) => schema,
            Err(error) => panic!("{}", crate::error_chain(&error)),
        }
    }

    /// Reads a schema file.
    ///
    /// # Errors
    /// If the file cannot be read or is not a valid schema.
    pub fn load(path: &Path) -> Result<Self, SchemaError> {
        let text = std::fs::read_to_string(path).map_err(|source| SchemaError::File { path: path.into(), source })?;
        Self::parse(&text, &path.display().to_string())
    }

    /// Understands and checks the text of a schema; `origin` stands for it in errors.
    ///
    /// # Errors
    /// If it is not TOML, has unknown or missing keys, repeats an id, or leaves something empty.
    pub fn parse(text: &str, origin: &str) -> Result<Self, SchemaError> {
        let schema: Self = toml::from_str(text)
            .map_err(|source| SchemaError::Toml { origin: origin.to_owned(), source: Box::new(source) })?;
        schema.check().map_err(|what| SchemaError::Invalid { origin: origin.to_owned(), what })?;
        Ok(schema)
    }

    /// BLAKE3 hash, in hex, of everything the schema says; comments and layout do not count.
    #[allow(clippy::missing_panics_doc, reason = "a struct of strings and numbers always serialises")]
    pub fn hash(&self) -> String {
        // A struct of strings always serialises, and in a fixed order of fields.
        let text = serde_json::to_string(self).unwrap_or_else(|error| panic!("a schema serialises: {error}"));
        blake3::hash(text.as_bytes()).to_hex().to_string()
    }

    /// Checks that the words of each pair begin with different tokens of `model`.
    ///
    /// # Errors
    /// [`SchemaError::SameToken`] if not, [`SchemaError::Model`] if the model fails.
    pub fn check_against(&self, model: &mut dyn LanguageModel) -> Result<(), SchemaError> {
        let values = self.values.iter().map(|value| (format!("value {}", value.id), &value.poles));
        let judgements =
            self.judgements.iter().map(|judgement| (format!("judgement {}", judgement.id), &judgement.poles));
        for (entry, poles) in values.chain(judgements) {
            for [first, second] in poles {
                let mut first_token = |word: &str| {
                    let tokens = model.tokenize(&format!(" {word}"));
                    tokens
                        .map(|tokens| tokens.first().copied())
                        .map_err(|source| SchemaError::Model { schema: self.name.clone(), source })
                };
                if first_token(first)? == first_token(second)? {
                    return Err(SchemaError::SameToken {
                        schema: self.name.clone(),
                        entry,
                        first: first.clone(),
                        second: second.clone(),
                        model: model.describe().name,
                    });
                }
            }
        }
        Ok(())
    }

    /// Index of the value with this id.
    pub fn value_index(&self, id: &str) -> Option<usize> {
        self.values.iter().position(|value| value.id == id)
    }

    fn check(&self) -> Result<(), String> {
        if self.format != SCHEMA_FORMAT {
            return Err(format!("expected format = {SCHEMA_FORMAT}, found {}", self.format));
        }
        let expect = |good: bool, what: &str| if good { Ok(()) } else { Err(format!("expected {what}")) };
        expect(!self.name.trim().is_empty(), "a name")?;
        expect(!self.templates.is_empty(), "at least one [[template]]")?;
        expect(!self.values.is_empty(), "at least one [[value]]")?;
        expect(!self.judgements.is_empty(), "at least one [[judgement]]")?;
        distinct("template", self.templates.iter().map(|template| &template.id))?;
        distinct("value", self.values.iter().map(|value| &value.id))?;
        distinct("judgement", self.judgements.iter().map(|judgement| &judgement.id))?;
        for template in &self.templates {
            check_template(&format!("template {}", template.id), &template.text, true)?;
        }
        for value in &self.values {
            let entry = format!("value {}", value.id);
            expect(!value.name.trim().is_empty(), &format!("a name of {entry}"))?;
            check_poles(&entry, &value.poles)?;
        }
        for judgement in &self.judgements {
            let entry = format!("judgement {}", judgement.id);
            check_template(&entry, &judgement.text, true)?;
            check_poles(&entry, &judgement.poles)?;
        }
        check_template("judgement_contrast good", &self.judgement_contrast.good, false)?;
        check_template("judgement_contrast bad", &self.judgement_contrast.bad, false)?;
        check_template("text_features", &self.text_features.template, true)?;
        let reference = &self.reference.alternatives;
        expect(self.text_features.components <= 16, "at most 16 components in text_features")?;
        if reference.len() < REFERENCE_MIN {
            let found = reference.len();
            return Err(format!("expected at least {REFERENCE_MIN} alternatives in [reference], found {found}"));
        }
        distinct("alternative in [reference],", reference.iter())
    }
}

fn distinct<'a>(kind: &str, ids: impl Iterator<Item = &'a String>) -> Result<(), String> {
    let mut seen = HashSet::new();
    for id in ids {
        if id.trim().is_empty() {
            return Err(format!("expected every {kind} to have a text, found an empty one"));
        }
        if !seen.insert(id) {
            return Err(format!("expected every {kind} once, found \"{id}\" twice"));
        }
    }
    Ok(())
}

fn check_template(entry: &str, text: &str, needs_alternative: bool) -> Result<(), String> {
    let alternatives = text.matches(ALTERNATIVE).count();
    if alternatives != usize::from(needs_alternative) {
        let expected = if needs_alternative { "exactly one" } else { "no" };
        return Err(format!("expected {expected} {ALTERNATIVE} in {entry}, found {alternatives} in {text:?}"));
    }
    let rest = text.replace(ALTERNATIVE, "").replacen(SITUATION, "", 1);
    if rest.contains(['{', '}']) {
        return Err(format!("expected no gaps but {SITUATION} (once) and {ALTERNATIVE} in {entry}, found {text:?}"));
    }
    if rest.trim().is_empty() || text.ends_with(char::is_whitespace) {
        return Err(format!("expected words in {entry}, and no space at the end, found {text:?}"));
    }
    Ok(())
}

fn check_poles(entry: &str, poles: &[Poles]) -> Result<(), String> {
    if poles.is_empty() {
        return Err(format!("expected at least one pair of poles in {entry}"));
    }
    for [first, second] in poles {
        for word in [first, second] {
            if word.is_empty() || word.trim() != word {
                return Err(format!("expected words without spaces around them in {entry}, found {word:?}"));
            }
        }
        if first == second {
            return Err(format!("expected two different words in {entry}, found \"{first}\" twice"));
        }
    }
    distinct(&format!("pair of poles in {entry}"), poles.iter().map(|pair| pair.join("/")).collect::<Vec<_>>().iter())
}

/// Fills a template's gaps. Without a situation its gap goes, with the space after it.
pub fn fill(template: &str, situation: Option<&str>, alternative: &str) -> String {
    let with_situation = match situation {
        Some(situation) => template.replacen(SITUATION, situation, 1),
        None => template.replacen(&format!("{SITUATION} "), "", 1).replacen(SITUATION, "", 1),
    };
    // The alternative last, and once: a situation may itself contain braces.
    match template.find(ALTERNATIVE) {
        Some(_) => match with_situation.rfind(ALTERNATIVE) {
            Some(at) => {
                format!("{}{}{}", &with_situation[..at], alternative, &with_situation[at + ALTERNATIVE.len()..])
            }
            None => with_situation,
        },
        None => with_situation,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scripted::Scripted;

    #[test]
    fn the_embedded_schema_is_valid_and_large_enough() {
        let schema = ValueSchema::embedded();
        assert!((12..=20).contains(&schema.values.len()), "{}", schema.values.len());
        assert!(schema.check_against(&mut Scripted::hashed(0)).is_ok());
    }

    #[test]
    fn comments_do_not_change_the_hash_and_words_do() -> Result<(), SchemaError> {
        let schema = ValueSchema::embedded();
        let commented = ValueSchema::parse(&format!("# more\n{DEFAULT_SCHEMA}"), "test")?;
        assert_eq!(schema.hash(), commented.hash());
        let changed = ValueSchema::parse(&DEFAULT_SCHEMA.replace("\"cruel\"", "\"nasty\""), "test")?;
        assert_ne!(schema.hash(), changed.hash());
        Ok(())
    }

    #[test]
    fn what_is_wrong_is_named() {
        let check = |from: &str, to: &str, expect: &str| {
            assert!(DEFAULT_SCHEMA.contains(from), "{from}");
            let message = match ValueSchema::parse(&DEFAULT_SCHEMA.replacen(from, to, 1), "test.toml") {
                Ok(_) => "accepted".to_owned(),
                Err(error) => crate::error_chain(&error),
            };
            assert!(message.contains(expect) && message.contains("test.toml"), "{message}");
        };
        check("format = 1", "format = 2", "expected format = 1, found 2");
        check("format = 1", "format = 1\ncolour = 3", "unknown field `colour`");
        check("id = \"care\"", "id = \"honesty\"", "\"honesty\" twice");
        check("[\"fun\", \"boring\"]", "[\"fun\"]", "poles");
        check("[\"fun\", \"boring\"]", "[\"fun\", \"fun\"]", "\"fun\" twice");
        check("{situation} A person who chooses to {alternative} is", "A person is", "exactly one {alternative}");
        check("{situation} A good person would", "A {kind} person would", "no gaps but");
        check("\"take the earlier bus\"", "\"order soup for lunch\"", "twice");
    }

    #[test]
    fn words_with_a_common_first_token_are_refused() -> Result<(), SchemaError> {
        // A scripted model's tokens are words.
        let text = DEFAULT_SCHEMA.replace("[\"fun\", \"boring\"]", "[\"very fun\", \"very boring\"]");
        let error = ValueSchema::parse(&text, "test")?.check_against(&mut Scripted::hashed(0)).err();
        assert!(
            matches!(error, Some(SchemaError::SameToken { ref entry, .. }) if entry == "value enjoyment"),
            "{error:?}"
        );
        Ok(())
    }

    #[test]
    fn gaps_are_filled_once() {
        let template = "{situation} To {alternative} is";
        assert_eq!(fill(template, None, "go"), "To go is");
        assert_eq!(fill(template, Some("It rains."), "go"), "It rains. To go is");
        assert_eq!(fill(template, Some("About {alternative}."), "go"), "About {alternative}. To go is");
        assert_eq!(fill("{situation} A good person would", None, ""), "A good person would");
    }
}
