//! Words read by the model itself: it writes statements under a grammar that has nothing but the schema's values in it.

use std::ops::ControlFlow;

use credence_memory::record::{Condition, ReadRow, Scope, Strength};
use credence_priors::{CompletionRequest, LanguageModel, Message, ModelError, Prompt};

use super::{Cues, row_of};

/// The most statements that one text is read into.
const ROWS_MAX: usize = 3;
/// Enough for three statements with a condition each.
const TOKENS_MAX: usize = 96;

/// Sentences with what they say, for values that the default schema has; a value of another schema is put in its place.
const EXAMPLES: [(&str, &str); 6] = [
    ("I'd give up any luxury to keep my word.", "responsibility > enjoyment, strongly"),
    ("Where is the nearest post office?", "nothing"),
    ("Old customs don't mean much to me.", "tradition low, clearly"),
    (
        "I care a bit more about people than about the law, except in traffic.",
        "care > lawfulness, slightly, except: in traffic",
    ),
    ("A forest is worth more than a factory.", "nature > achievement, clearly"),
    ("At home nobody may know what I earn.", "privacy high, strongly, when: at home"),
];

/// What the model reads in a text.
///
/// # Errors
/// If the model fails.
pub fn read(model: &mut dyn LanguageModel, cues: &Cues, words: &str) -> Result<Vec<ReadRow>, ModelError> {
    let names: Vec<&str> = (0..cues.len()).map(|v| cues.id(v)).collect();
    let ask = |text: &str| format!("Sentence: {}\nWhat does it say about values?", text.replace('\n', " "));
    let mut messages = Vec::new();
    for (text, reading) in EXAMPLES.iter().filter(|(_, reading)| knows(cues, reading)) {
        messages.push(Message::user(ask(text)));
        messages.push(Message::assistant(*reading));
    }
    messages.push(Message::user(ask(words)));
    let request = CompletionRequest {
        system: Some(format!(
            "You note down what a sentence says about which values matter to the speaker. The values are: {}.",
            names.join(", ")
        )),
        prompt: Prompt::Chat(messages),
        grammar: Some(grammar(&names)),
        tokens_max: TOKENS_MAX,
        temperature: 0.0,
        seed: 0,
        ..CompletionRequest::ask("")
    };
    let completion = model.complete(&request, &mut |_| ControlFlow::Continue(()))?;
    Ok(parse(cues, &completion.text))
}

fn knows(cues: &Cues, reading: &str) -> bool {
    parse(cues, reading).len() == reading.split("; ").filter(|r| *r != "nothing").count()
}

fn grammar(names: &[&str]) -> String {
    let names: Vec<String> = names.iter().map(|n| format!("{n:?}")).collect();
    let more = "(\"; \" row)? ".repeat(ROWS_MAX - 1);
    format!(
        "root ::= \"nothing\" | row {more}\n\
         row ::= value (\" > \" value | \" high\" | \" low\") \", \" strength condition?\n\
         value ::= {}\n\
         strength ::= \"slightly\" | \"clearly\" | \"strongly\"\n\
         condition ::= \", \" (\"when: \" | \"except: \") [a-zA-Z0-9 ']{{3,40}}\n",
        names.join(" | ")
    )
}

/// Reads what was written. What a model cut short left half done, or wrote against the grammar, is left out.
fn parse(cues: &Cues, text: &str) -> Vec<ReadRow> {
    text.trim().split("; ").filter_map(|row| parse_row(cues, row)).take(ROWS_MAX).collect()
}

fn parse_row(cues: &Cues, text: &str) -> Option<ReadRow> {
    let mut fields = text.trim().splitn(3, ", ");
    let (what, how) = (fields.next()?, fields.next()?);
    let (more, less) = if let Some((more, less)) = what.split_once(" > ") {
        (Some(cues.place(more)?), Some(cues.place(less)?))
    } else if let Some(value) = what.strip_suffix(" high") {
        (Some(cues.place(value)?), None)
    } else {
        (None, Some(cues.place(what.strip_suffix(" low")?)?))
    };
    let strength = match how {
        "slightly" => Strength::Slight,
        "clearly" => Strength::Clear,
        "strongly" => Strength::Strong,
        _ => return None,
    };
    let condition = match fields.next().and_then(|c| c.split_once(": ")) {
        Some(("when", place)) => Some(Condition { scope: Scope::When, text: place.trim().to_owned() }),
        Some(("except", place)) => Some(Condition { scope: Scope::Except, text: place.trim().to_owned() }),
        _ => None,
    };
    row_of(cues, more, less, strength, condition.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use credence_priors::schema::ValueSchema;
    use credence_priors::scripted::Scripted;
    use proptest::prelude::*;

    #[test]
    fn every_example_is_in_the_grammars_form() {
        let cues = Cues::of(&ValueSchema::embedded());
        assert!(EXAMPLES.iter().all(|(_, reading)| knows(&cues, reading)));
    }

    #[test]
    fn a_reply_that_breaks_the_grammar_is_read_as_far_as_it_goes() {
        let cues = Cues::of(&ValueSchema::embedded());
        let mut model =
            Scripted::hashed(1).with_completion("honesty > care, strongly, except: health; wisdom high, cle");
        let rows = read(&mut model, &cues, "the truth, please").expect("scripted");
        assert_eq!(rows.len(), 1);
        assert_eq!(rows[0].more.as_ref().map(ToString::to_string).as_deref(), Some("honesty"));
        assert_eq!(rows[0].conditions[0].text, "health");
    }

    proptest! {
        #[test]
        fn no_reply_makes_it_panic(text in ".{0,120}") {
            let cues = Cues::of(&ValueSchema::embedded());
            prop_assert!(parse(&cues, &text).len() <= ROWS_MAX);
        }
    }
}
