//! TRL preference data: JSON Lines, paired or unpaired, plain text or messages.

use std::collections::BTreeSet;
use std::path::Path;

use serde::Deserialize;

use super::lines::each_line;
use super::{Import, ImportError, Problem, Report, Statements};
use crate::ids::{PersonId, SourceId};
use crate::record::{ChoiceMade, Origin, Record, Verdict, VerdictGiven};

/// A line of either form; datasets carry other columns, which are left alone.
#[derive(Deserialize)]
struct Line {
    prompt: Option<Words>,
    chosen: Option<Words>,
    rejected: Option<Words>,
    completion: Option<Words>,
    label: Option<bool>,
    person: Option<PersonId>,
}

/// Text, or a conversation.
#[derive(Deserialize)]
#[serde(untagged)]
enum Words {
    Text(String),
    Messages(Vec<Message>),
}

#[derive(Deserialize)]
struct Message {
    role: String,
    content: String,
}

impl Words {
    fn text(self) -> String {
        match self {
            Words::Text(text) => text.trim().to_owned(),
            // One message needs no name before it: the prompt's is the user's, the completion's the assistant's.
            Words::Messages(messages) => match <[Message; 1]>::try_from(messages) {
                Ok([only]) => only.content.trim().to_owned(),
                Err(messages) => {
                    let lines: Vec<String> = messages.iter().map(|m| format!("{}: {}", m.role, m.content)).collect();
                    lines.join("\n").trim().to_owned()
                }
            },
        }
    }
}

const PAIRED: &str = "an object with prompt, chosen and rejected, or prompt, completion and label";

pub(super) fn read(path: &Path, person: &PersonId, report: Report<'_>) -> Result<Import, ImportError> {
    let source = SourceId::new("import:trl")?;
    let mut statements = Statements::default();
    let mut people = BTreeSet::new();
    let mut evidence = Vec::new();
    let mut format = None;
    let content_hash = each_line(path, report, |text| {
        let line: Line =
            serde_json::from_str(text).map_err(|e| Problem::Json { expected: PAIRED, why: e.to_string() })?;
        let person = line.person.unwrap_or_else(|| person.clone());
        people.insert(person.clone());
        let from = Origin { person, source: source.clone(), session: None };
        let prompt = line.prompt.map(Words::text).unwrap_or_default();
        let mut statement = |field, words: Words| {
            let text = words.text();
            if text.is_empty() { Err(Problem::field(field, "", "words")) } else { Ok(statements.add(&prompt, &text)) }
        };
        let (form, record) = match (line.chosen, line.rejected, line.completion, line.label) {
            (Some(chosen), Some(rejected), None, None) => {
                let alternatives = vec![statement("chosen", chosen)?, statement("rejected", rejected)?];
                if alternatives[0] == alternatives[1] {
                    return Err(Problem::SameTwice);
                }
                let (chosen, question) = (Some(0), None);
                let choice = ChoiceMade { from, question, alternatives, chosen, indifference_offered: false };
                ("trl-paired", Record::ChoiceMade(choice))
            }
            (None, None, Some(completion), Some(label)) => {
                let verdict = if label { Verdict::Agree } else { Verdict::Disagree };
                let alternative = statement("completion", completion)?;
                ("trl-unpaired", Record::VerdictGiven(VerdictGiven { from, alternative, verdict }))
            }
            _ => return Err(Problem::Json { expected: PAIRED, why: "it has other fields".into() }),
        };
        if *format.get_or_insert(form) != form {
            return Err(Problem::Json { expected: "of the form of the lines before it", why: format!("it is {form}") });
        }
        evidence.push((None, record));
        Ok(())
    })?;
    let Some(format) = format else { return Err(ImportError::Empty(path.to_owned())) };
    let notes = Vec::new();
    Ok(Import { format, source, content_hash, statements: statements.all, evidence, people, notes })
}
