//! The words of preference data: a text, or a conversation of messages.

use serde_json::Value;

use super::super::Problem;

/// Text, or a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Words {
    Text(String),
    Messages(Vec<ChatTurn>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ChatTurn {
    role: String,
    content: String,
}

const WORDS: &str = "a text, or a list of messages, each with a role and a content of words";

impl Words {
    /// Reads the value of a key; what is wrong with it is said with its place.
    pub(super) fn read(key: &str, value: &Value) -> Result<Self, Problem> {
        match value {
            Value::String(text) => Ok(Words::Text(without_nul(key, text)?)),
            Value::Array(list) => {
                let message = |(at, value)| ChatTurn::read(&format!("{key}[{at}]"), value);
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
fn said(messages: &[ChatTurn]) -> String {
    match messages {
        // One message needs no name before it: the prompt's is the user's, the completion's the assistant's.
        [only] => only.content.trim().to_owned(),
        messages => {
            let lines: Vec<String> = messages.iter().map(|m| format!("{}: {}", m.role, m.content)).collect();
            lines.join("\n").trim().to_owned()
        }
    }
}

impl ChatTurn {
    fn read(place: &str, value: &Value) -> Result<Self, Problem> {
        let Value::Object(fields) = value else { return Err(unreadable(place, value, "a message, {role, content}")) };
        let role = match fields.get("role") {
            Some(Value::String(role)) => role.clone(),
            other => return Err(unreadable(&format!("{place}.role"), other.unwrap_or(&Value::Null), "a role's name")),
        };
        let content_at = format!("{place}.content");
        let content = match fields.get("content") {
            Some(Value::String(content)) => without_nul(&content_at, content)?,
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

/// A text, if it has no NUL: no file of text can have one, so it could not be exported.
fn without_nul(key: &str, text: &str) -> Result<String, Problem> {
    let nul = || Problem::Key { key: key.to_owned(), found: "a text with a NUL character".into(), expected: WORDS };
    if text.contains('\0') { Err(nul()) } else { Ok(text.to_owned()) }
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

/// A situation and an answer to it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Single {
    pub(super) situation: String,
    pub(super) text: String,
    /// Whether the situation was found before the answer.
    pub(super) was_implicit: bool,
}

/// What two answers are about: the prompt, and what both of them begin with.
pub(super) fn paired(prompt: Option<Words>, chosen: Words, rejected: Words) -> Pair {
    let asked = prompt.as_ref().map(Words::text).filter(|text| !text.is_empty());
    let part = |text: &str| text.trim().to_owned();
    let (common, chosen, rejected) = match (chosen, rejected) {
        (Words::Messages(mut chosen), Words::Messages(rejected)) => {
            let common = chosen.iter().zip(&rejected).take_while(|(a, b)| a == b).count();
            // An answer keeps its last message, whatever the two have in common.
            let common = common.min(chosen.len().saturating_sub(1)).min(rejected.len().saturating_sub(1));
            let answer = said(&chosen[common..]);
            chosen.truncate(common);
            (Words::Messages(chosen), answer, said(&rejected[common..]))
        }
        (Words::Text(chosen), Words::Text(rejected)) => {
            let common = match &asked {
                None => common_beginning(&chosen, &rejected),
                // Both repeat the prompt; whitespace may stand before it.
                Some(asked) => match (repeated(asked, &chosen), repeated(asked, &rejected)) {
                    (Some(one), Some(other)) => {
                        return Pair {
                            situation: asked.clone(),
                            chosen: part(one),
                            rejected: part(other),
                            was_implicit: false,
                        };
                    }
                    _ => 0,
                },
            };
            (Words::Text(chosen[..common].to_owned()), part(&chosen[common..]), part(&rejected[common..]))
        }
        // One of the two has the conversation, the other only the answer.
        (Words::Messages(messages), Words::Text(text)) => {
            let (before, answer) = last_of(messages);
            (before, answer, part(&text))
        }
        (Words::Text(text), Words::Messages(messages)) => {
            let (before, answer) = last_of(messages);
            (before, part(&text), answer)
        }
    };
    let (situation, was_implicit) = situation(asked, &common);
    Pair { situation, chosen, rejected, was_implicit }
}

/// What one answer is about: the prompt, and what precedes the answer.
pub(super) fn single(prompt: Option<Words>, completion: Words) -> Single {
    let asked = prompt.as_ref().map(Words::text).filter(|text| !text.is_empty());
    let (before, text) = match completion {
        Words::Messages(messages) => last_of(messages),
        Words::Text(text) => {
            let at = match &asked {
                None => last_turn(&text),
                Some(asked) => repeated(asked, &text).map_or(0, |rest| text.len() - rest.len()),
            };
            let before = if asked.is_some() { String::new() } else { text[..at].to_owned() };
            (Words::Text(before), text[at..].trim().to_owned())
        }
    };
    let (situation, was_implicit) = situation(asked, &before);
    Single { situation, text, was_implicit }
}

/// All messages but the last, and the last one's words.
fn last_of(mut messages: Vec<ChatTurn>) -> (Words, String) {
    let answer = messages.pop().map(|last| said(&[last])).unwrap_or_default();
    (Words::Messages(messages), answer)
}

/// The prompt with what precedes the answers, and whether there was no prompt but that.
fn situation(asked: Option<String>, before: &Words) -> (String, bool) {
    let beginning = before.text();
    let Some(asked) = asked else {
        let was_implicit = !beginning.is_empty();
        return (beginning, was_implicit);
    };
    if beginning.is_empty() {
        return (asked, false);
    }
    // The messages repeat the prompt: all of them, or with what precedes or follows it.
    let has_it = beginning.contains(&asked) && (beginning.starts_with(&asked) || beginning.ends_with(&asked));
    let messages = match before {
        Words::Messages(messages) => messages.as_slice(),
        Words::Text(_) => &[],
    };
    let repeats = has_it || messages.iter().any(|message| message.content.trim() == asked);
    (if repeats { beginning } else { format!("{asked}\n{beginning}") }, false)
}

/// What follows the prompt in an answer that repeats it; not where the prompt is but a word or two, as an answer may well begin
/// with those.
fn repeated<'t>(asked: &str, answer: &'t str) -> Option<&'t str> {
    let rest = answer.trim_start().strip_prefix(asked)?;
    let ends = asked.ends_with(|c: char| !c.is_alphanumeric()) || rest.starts_with(|c: char| !c.is_alphanumeric());
    (asked.split_whitespace().count() > 2 && ends && !rest.trim().is_empty()).then_some(rest)
}

/// Where the last answer of a transcript begins, after its speaker's name; 0 for what is no transcript.
fn last_turn(text: &str) -> usize {
    let begins = text.len() - text.trim_start().len();
    let mut speakers: Vec<(&str, usize)> = Vec::new();
    let mut line = 0;
    for part in text.split_inclusive('\n') {
        if let Some(colon) = part.find(':')
            && is_usual_speaker(part[..colon].trim())
        {
            speakers.push((part[..colon].trim(), line + colon + 1));
        }
        line += part.len();
    }
    match (speakers.first(), speakers.last()) {
        (Some((first, at)), Some((last, answer)))
            if first != last && text[begins..*at].lines().count() == 1 && !text[*answer..].trim().is_empty() =>
        {
            *answer
        }
        _ => 0,
    }
}

/// Names that transcripts give to those who speak; other words before a colon may be anything in a single text.
fn is_usual_speaker(name: &str) -> bool {
    const NAMES: [&str; 14] = [
        "human",
        "assistant",
        "user",
        "system",
        "ai",
        "bot",
        "q",
        "a",
        "question",
        "answer",
        "prompter",
        "customer",
        "agent",
        "model",
    ];
    NAMES.contains(&name.trim_matches(['#', '*', '<', '>', '|', '[', ']', ' ']).to_lowercase().as_str())
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
        // Turns before the prompt are part of the situation, and a prompt that both repeat is not.
        let long = |answer: &str| {
            let turns = [("user", "May I keep it?"), ("assistant", "No."), ("user", "Why?"), ("assistant", answer)];
            format!("[{}]", turns.map(|(role, content)| message(role, content)).join(","))
        };
        let expect = ["user: May I keep it?\nassistant: No.\nuser: Why?", "Not yours.", "You may be seen."];
        check(Some("Why?"), &long("Not yours."), &long("You may be seen."), expect);
        check(Some("May I keep it?"), &long("Not yours."), &long("You may be seen."), expect);
        check(None, &long("Not yours."), &long("You may be seen."), expect);
        check(Some("May I keep it?"), "May I keep it? No.", "May I keep it? Yes.", ["May I keep it?", "No.", "Yes."]);
    }

    #[test]
    fn what_precedes_one_answer_is_the_situation() {
        fn check(prompt: Option<&str>, completion: &str, expect: [&str; 2]) {
            let words = |json: &str| match json.starts_with('[') {
                true => read(json).unwrap(),
                false => Words::Text(json.to_owned()),
            };
            let found = single(prompt.map(words), words(completion));
            assert_eq!([&*found.situation, &*found.text], expect, "{completion}");
            assert_eq!(found.was_implicit, prompt.is_none() && !expect[0].is_empty(), "{completion}");
        }
        let asked = r#"{"role":"user","content":"Paint the shed?"}"#;
        let talk = format!(r#"[{asked},{{"role":"assistant","content":"Green."}}]"#);
        let expect = ["Paint the shed?", "Green."];
        check(None, &talk, expect);
        check(Some(&format!("[{asked}]")), &talk, expect);
        check(Some("Paint the shed?"), &talk, expect);
        check(Some("Paint the shed?"), "Green.", expect);
        check(Some("Paint the shed?"), "Paint the shed?\nGreen.", expect);
        check(
            None,
            "\n\nHuman: Paint it?\n\nAssistant: Green: yes.",
            ["Human: Paint it?\n\nAssistant:", "Green: yes."],
        );
        check(None, "Note: it is late.\nAnswer: later.", ["", "Note: it is late.\nAnswer: later."]);
        check(Some("Yes"), "Yes and no", ["Yes", "Yes and no"]);
        check(None, "Green.", ["", "Green."]);
    }
}
