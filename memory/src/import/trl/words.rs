//! The words of preference data: a text, or a conversation of messages.

use serde_json::Value;

use super::super::Problem;

/// Text, or a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Words {
    Text(String),
    Messages(Vec<Message>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Message {
    role: String,
    content: String,
}

const WORDS: &str = "a text, or a list of messages, each with a role and a content of words";

impl Words {
    /// Reads the value of a key; what is wrong with it is said with its place.
    pub(super) fn read(key: &str, value: &Value) -> Result<Self, Problem> {
        match value {
            Value::String(text) => Ok(Words::Text(text.clone())),
            Value::Array(list) => {
                let message = |(at, value)| Message::read(&format!("{key}[{at}]"), value);
                Ok(Words::Messages(list.iter().enumerate().map(message).collect::<Result<_, _>>()?))
            }
            other => Err(unreadable(key, other, WORDS)),
        }
    }

    pub(super) fn text(&self) -> String {
        match self {
            Words::Text(text) => text.trim().to_owned(),
            Words::Messages(messages) => said(messages),
        }
    }
}

/// What is said in some messages.
fn said(messages: &[Message]) -> String {
    match messages {
        // One message needs no name before it: the prompt's is the user's, the completion's the assistant's.
        [only] => only.content.trim().to_owned(),
        messages => {
            let lines: Vec<String> = messages.iter().map(|m| format!("{}: {}", m.role, m.content)).collect();
            lines.join("\n").trim().to_owned()
        }
    }
}

impl Message {
    fn read(place: &str, value: &Value) -> Result<Self, Problem> {
        let Value::Object(fields) = value else { return Err(unreadable(place, value, "a message, {role, content}")) };
        let role = match fields.get("role") {
            Some(Value::String(role)) => role.clone(),
            other => return Err(unreadable(&format!("{place}.role"), other.unwrap_or(&Value::Null), "a role's name")),
        };
        let content_at = format!("{place}.content");
        let content = match fields.get("content") {
            Some(Value::String(content)) => content.clone(),
            // Content in parts, as models that see use it: its texts, if it has nothing else.
            Some(Value::Array(parts)) => {
                let text = |(at, part): (usize, &Value)| match (part.get("type"), part.get("text")) {
                    (None, Some(Value::String(text))) => Ok(text.clone()),
                    (Some(Value::String(kind)), Some(Value::String(text))) if kind == "text" => Ok(text.clone()),
                    _ => {
                        Err(unreadable(&format!("{content_at}[{at}]"), part, "a part of words, {type: \"text\", text}"))
                    }
                };
                parts.iter().enumerate().map(text).collect::<Result<Vec<_>, _>>()?.join("\n")
            }
            other => {
                let calls = fields.contains_key("tool_calls") || fields.contains_key("function_call");
                let expected = if calls { "words: the message calls a tool" } else { "words" };
                return Err(unreadable(&content_at, other.unwrap_or(&Value::Null), expected));
            }
        };
        Ok(Self { role, content })
    }
}

fn unreadable(key: &str, value: &Value, expected: &'static str) -> Problem {
    let found = match value {
        Value::Null => "absent".to_owned(),
        Value::Array(list) => format!("a list of {}", list.len()),
        Value::Object(_) => "an object".to_owned(),
        other => other.to_string().chars().take(60).collect(),
    };
    Problem::Key { key: key.to_owned(), found, expected }
}

/// A situation and the two answers to it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Pair {
    pub(super) situation: String,
    pub(super) chosen: String,
    pub(super) rejected: String,
    /// Whether the situation was found at the beginning of the answers.
    pub(super) was_implicit: bool,
}

/// What two answers are about: the prompt, and what both of them begin with.
pub(super) fn paired(prompt: Option<Words>, chosen: Words, rejected: Words) -> Pair {
    let asked = prompt.as_ref().map(Words::text).filter(|text| !text.is_empty());
    let (beginning, chosen, rejected) = match (chosen, rejected) {
        (Words::Messages(chosen), Words::Messages(rejected)) => {
            let common = chosen.iter().zip(&rejected).take_while(|(a, b)| a == b).count();
            // An answer keeps its last message, whatever the two have in common.
            let common = common.min(chosen.len().saturating_sub(1)).min(rejected.len().saturating_sub(1));
            (said(&chosen[..common]), said(&chosen[common..]), said(&rejected[common..]))
        }
        (Words::Text(chosen), Words::Text(rejected)) => {
            let common = if asked.is_none() { common_beginning(&chosen, &rejected) } else { 0 };
            let part = |text: &str| text.trim().to_owned();
            (part(&chosen[..common]), part(&chosen[common..]), part(&rejected[common..]))
        }
        (chosen, rejected) => (String::new(), chosen.text(), rejected.text()),
    };
    let was_implicit = asked.is_none() && !beginning.is_empty();
    let situation = match asked {
        // The messages repeat the prompt, or go on from it.
        Some(asked) if beginning.is_empty() || beginning == asked || beginning.ends_with(&format!(": {asked}")) => {
            asked
        }
        Some(asked) => format!("{asked}\n{beginning}"),
        None => beginning,
    };
    Pair { situation, chosen, rejected, was_implicit }
}

/// How many bytes two texts have in common at their beginnings, up to where an answer can begin: after the last speaker's
/// name of a transcript ("Assistant:"), or else after a word. Nothing where one text would be left empty.
fn common_beginning(one: &str, other: &str) -> usize {
    let same = one.char_indices().zip(other.chars()).find(|((_, a), b)| a != b).map(|((at, _), _)| at);
    let same = same.unwrap_or(one.len().min(other.len()));
    let common = &one[..same];
    let speaker = common.rfind('\n').map_or(0, |at| at + 1);
    let named = common[speaker..].find(':').map(|at| speaker + at + 1).filter(|end| is_speaker(&common[speaker..*end]));
    // The speaker whose words differ may have begun lines before: go back to the last line that has a name.
    let begins = named.or_else(|| {
        common.match_indices('\n').rev().map(|(at, _)| at + 1).chain([0]).find_map(|line| {
            let end = line + common[line..].find(':')? + 1;
            is_speaker(&common[line..end]).then_some(end)
        })
    });
    let begins = begins.unwrap_or_else(|| {
        let at_word = |text: &str| text[same..].chars().next().is_none_or(char::is_whitespace);
        if common.ends_with(char::is_whitespace) || (at_word(one) && at_word(other)) {
            same
        } else {
            common.rfind(char::is_whitespace).map_or(0, |at| at + 1)
        }
    });
    if one[begins..].trim().is_empty() || other[begins..].trim().is_empty() { 0 } else { begins }
}

/// Whether the beginning of a line, up to a colon, names a speaker: one or two words.
fn is_speaker(text: &str) -> bool {
    let name = text.trim_end_matches(':').trim();
    !name.is_empty() && name.len() <= 24 && name.split_whitespace().count() <= 2 && name.starts_with(char::is_uppercase)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Words, String> {
        Words::read("chosen", &serde_json::from_str(json).unwrap()).map_err(|problem| problem.to_string())
    }

    #[test]
    fn what_is_no_words_is_named_by_its_key() {
        fn check(json: &str, says: &[&str]) {
            let error = read(json).expect_err(json);
            assert!(says.iter().all(|s| error.contains(s)), "{json}: {error}");
        }
        check(r#"["A"]"#, &["chosen[0]", "a message"]);
        check(r#"7"#, &["chosen is 7", "a text"]);
        check(
            r#"[{"role":"assistant","tool_calls":[]},{"role":"assistant","content":"A"}]"#,
            &["chosen[0].content", "tool"],
        );
        check(r#"[{"role":"assistant","content":null}]"#, &["chosen[0].content is absent"]);
        check(r#"[{"content":"A"}]"#, &["chosen[0].role"]);
        check(r#"[{"role":"user","content":[{"type":"image"}]}]"#, &["chosen[0].content[0]"]);
        let parts = read(r#"[{"role":"user","content":[{"type":"text","text":"A"}]}]"#).unwrap();
        assert_eq!(parts.text(), "A");
    }

    #[test]
    fn what_both_answers_begin_with_is_the_situation() {
        fn check(prompt: Option<&str>, chosen: &str, rejected: &str, expect: [&str; 3]) {
            let words = |json: &str| match json.starts_with('[') {
                true => read(json).unwrap(),
                false => Words::Text(json.to_owned()),
            };
            let found = paired(prompt.map(words), words(chosen), words(rejected));
            assert_eq!([&*found.situation, &*found.chosen, &*found.rejected], expect, "{chosen} / {rejected}");
        }
        let message = |role: &str, content: &str| format!(r#"{{"role":"{role}","content":"{content}"}}"#);
        let talk = |answer: &str| format!("[{},{}]", message("user", "Paint it?"), message("assistant", answer));
        let expect = ["Paint it?", "Green.", "Grey."];
        check(None, &talk("Green."), &talk("Grey."), expect);
        check(Some("Paint it?"), &talk("Green."), &talk("Grey."), expect);
        check(Some(&format!("[{}]", message("user", "Paint it?"))), "Green.", "Grey.", expect);
        check(Some("Paint it?"), "The same word", "The same", ["Paint it?", "The same word", "The same"]);
        let human = |answer: &str| format!("\n\nHuman: Paint it?\n\nAssistant: {answer}");
        let expect = ["Human: Paint it?\n\nAssistant:", "I would: green.", "I would not."];
        check(None, &human("I would: green."), &human("I would not."), expect);
        check(None, "The sky is blue.", "The sky is green.", ["The sky is", "blue.", "green."]);
        check(None, "Keep the cat", "Keep the car", ["Keep the", "cat", "car"]);
        check(None, "Wait", "Wait and see", ["", "Wait", "Wait and see"]);
        check(None, "Yes", "No", ["", "Yes", "No"]);
    }
}
