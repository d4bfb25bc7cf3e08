//! TRL preference data: JSON Lines, paired or unpaired, plain text or messages, with the prompt beside the answers or at the
//! beginning of both.

mod words;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::lines::{Desk, each_line};
use super::whole::whole;
use super::{ExportedAs, Import, ImportError, Problem, Reading, Report, Statements, times};
use crate::ids::{PersonId, Seq, SourceId};
use crate::record::{ChoiceMade, Origin, Record, Verdict, VerdictGiven};

use words::Words;

const PAIRED: &str = "an object with prompt, chosen and rejected, or prompt, completion and label";

/// Fields that are read, and those of the program's own exports that are not evidence.
const KNOWN: [&str; 13] = [
    "prompt",
    "chosen",
    "rejected",
    "completion",
    "label",
    "person",
    "annotator",
    "annotator_id",
    "time",
    "seq",
    "log",
    "probability",
    "chosen_probability",
];

pub(super) fn read(path: &Path, person: &PersonId, how: Reading, report: Report<'_>) -> Result<Import, ImportError> {
    let source = SourceId::new("import:trl")?;
    let mut desk = Desk::new(report, how.skip_bad);
    let mut statements = Statements::default();
    let mut people = BTreeSet::new();
    let mut evidence: Vec<(Option<Timestamp>, Record)> = Vec::new();
    let mut exported = BTreeMap::new();
    let mut unread: BTreeMap<String, usize> = BTreeMap::new();
    let (mut implicit, mut unprompted) = (0, 0);
    let (mut format, mut is_first) = (None, true);
    let content_hash = each_line(path, &mut desk, |text| {
        if std::mem::take(&mut is_first) && text.trim_start().starts_with('[') {
            return Err(Problem::JsonArray);
        }
        let json = |why: String| Problem::Json { expected: PAIRED, why };
        let line: Value = serde_json::from_str(text).map_err(|e| json(e.to_string()))?;
        let Value::Object(line) = line else { return Err(json("it is no object".into())) };
        let get = |key: &str| line.get(key).filter(|value| !value.is_null());
        let form = match (get("chosen"), get("rejected"), get("completion"), get("label")) {
            (Some(_), Some(_), None, None) => "trl-paired",
            (None, None, Some(_), Some(_)) => "trl-unpaired",
            _ => return Err(json(format!("its keys are {}: it has other fields", keys(&line)))),
        };
        if format.is_some_and(|before| before != form) {
            return Err(Problem::Json { expected: "of the form of the lines before it", why: format!("it is {form}") });
        }
        // Published preference data calls whoever preferred an annotator, by a name or a number.
        let named = ["person", "annotator", "annotator_id"].into_iter().find_map(|field| Some((field, get(field)?)));
        let person = match named {
            None => person.clone(),
            Some((field, Value::String(name))) => {
                PersonId::new(name.trim()).map_err(|_| Problem::field(field, name, "a name"))?
            }
            // A number with a point, or of more than 64 bits, was rounded when it was read: two annotators could become one.
            Some((field @ ("annotator" | "annotator_id"), Value::Number(number))) if number.is_f64() => {
                let expected = "a name, or a whole number of at most 64 bits; a longer one in quotes";
                return Err(Problem::field(field, &number.to_string(), expected));
            }
            Some((field @ ("annotator" | "annotator_id"), Value::Number(number))) => {
                let name = number.to_string();
                PersonId::new(&name).map_err(|_| Problem::field(field, &name, "a name, or a number"))?
            }
            Some((field, other)) => return Err(Problem::field(field, &other.to_string(), "a name")),
        };
        // A line that this program exported has a prompt, and words to the letter. Other programs leave an empty one out.
        let own =
            ["seq", "person"].iter().all(|key| get(key).is_some()) && get("time").or_else(|| get("log")).is_some();
        let time = get("time").map(|value| time(value, own)).transpose()?;
        let prompt = get("prompt").map(|value| Words::read("prompt", value)).transpose()?;
        let prompt = if own { prompt.or_else(|| Some(Words::Text(String::new()))) } else { prompt };
        let words = |key: &'static str| Words::read(key, get(key).unwrap_or(&Value::Null));
        let from = Origin { person: person.clone(), source: source.clone(), session: None };
        let record = if form == "trl-paired" {
            let (chosen, rejected) = (words("chosen")?, words("rejected")?);
            let read = match (own, prompt, chosen, rejected) {
                (true, Some(Words::Text(situation)), Words::Text(chosen), Words::Text(rejected)) => {
                    words::Pair { situation, chosen, rejected, was_implicit: false }
                }
                (_, prompt, chosen, rejected) => words::paired(prompt, chosen, rejected),
            };
            implicit += usize::from(read.was_implicit);
            for (field, text) in [("chosen", &read.chosen), ("rejected", &read.rejected)] {
                if text.trim().is_empty() {
                    return Err(Problem::field(field, "", "words"));
                }
            }
            let alternatives = statements.pair(&read.situation, &read.chosen, &read.rejected)?;
            let (chosen, question) = (Some(0), None);
            Record::ChoiceMade(ChoiceMade { from, question, alternatives, chosen, indifference_offered: false })
        } else {
            let verdict = match get("label") {
                Some(Value::Bool(true)) => Verdict::Agree,
                Some(Value::Bool(false)) => Verdict::Disagree,
                other => {
                    let found = other.map(ToString::to_string).unwrap_or_default();
                    return Err(Problem::field("label", &found, "true or false"));
                }
            };
            let read = match (own, prompt, words("completion")?) {
                (true, Some(Words::Text(situation)), Words::Text(text)) => {
                    words::Single { situation, text, was_implicit: false }
                }
                (_, prompt, completion) => words::single(prompt, completion),
            };
            if read.text.trim().is_empty() {
                return Err(Problem::field("completion", "", "words"));
            }
            implicit += usize::from(read.was_implicit);
            unprompted += usize::from(!read.was_implicit && read.situation.is_empty() && !own);
            let alternative = statements.add(&read.situation, &read.text)?;
            Record::VerdictGiven(VerdictGiven { from, alternative, verdict })
        };
        format = Some(form);
        let seq = get("seq").and_then(|seq| whole(&seq.as_str().map_or_else(|| seq.to_string(), str::to_owned)));
        if let Some(seq) = seq {
            let log = get("log").and_then(Value::as_str).map(str::to_owned);
            exported.insert(evidence.len(), ExportedAs { log, seq: Seq(seq) });
        }
        for (key, _) in line.iter().filter(|(key, value)| !KNOWN.contains(&key.as_str()) && !value.is_null()) {
            *unread.entry(key.clone()).or_default() += 1;
        }
        people.insert(person);
        evidence.push((time, record));
        Ok(())
    })?;
    let Some(format) = format else { return Err(ImportError::nothing(path.to_owned(), desk.left_out())) };
    let mut notes = Vec::new();
    if implicit > 0 {
        let begins =
            if format == "trl-paired" { "what both answers begin with" } else { "what precedes the last answer" };
        notes.push(format!("{implicit} lines have no prompt: {begins} is the situation"));
    }
    if unprompted > 0 {
        notes.push(format!(
            "{unprompted} lines have no prompt, and none was found in them: all of the completion is the statement"
        ));
    }
    if !unread.is_empty() {
        let fields: Vec<String> = unread.iter().map(|(key, lines)| format!("{key:?} ({lines} lines)")).collect();
        notes.push(format!("fields that are not used: {}", fields.join(", ")));
    }
    let new = Import::new(format, source, content_hash, statements.all, evidence, people, notes);
    Ok(Import { exported, left_out: desk.left_out(), ..new })
}

fn time(value: &Value, own: bool) -> Result<Timestamp, Problem> {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let time = if own { times::of_a_log(&text) } else { times::parse(&text).map(|(time, _)| time) };
    time.ok_or_else(|| Problem::field("time", &text, times::TIME))
}

fn keys(line: &Map<String, Value>) -> String {
    let keys: Vec<String> = line.keys().take(12).map(|key| key.chars().take(40).collect()).collect();
    if keys.is_empty() { "none".into() } else { keys.join(", ") }
}
