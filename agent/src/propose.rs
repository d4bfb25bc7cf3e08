//! Proposals: alternatives for a task, written by the model under a grammar.

use std::ops::ControlFlow;

use credence_priors::meaning::{MeaningError, States, nearness, standardised};
use credence_priors::{CompletionRequest, LanguageModel, Message, ModelError, Prompt};

/// The most tokens of one list of proposals, for each alternative.
const TOKENS_EACH: usize = 28;
/// Warmer from list to list, until there are enough of different meaning; the grammar keeps each a list.
const TEMPERATURES: [f32; 3] = [0.7, 0.9, 1.1];
/// A proposal has at most this many characters.
const CHARS_MAX: usize = 120;

/// Two proposals whose meanings are at least this near are one: none of 16 that differ, 4 of 16 that say the same (`credence eval meaning`).
pub const SAME_MEANING: f64 = 0.55;
/// Texts that proposals are compared among: of two alone, nothing could be said about how near they are.
const LANDMARKS: [&str; 12] = [
    "write a letter to the landlord",
    "wait a few days and see what happens",
    "pay for the repair oneself",
    "talk it over with a friend",
    "take the matter to court",
    "throw the old thing away",
    "go for a walk in the park",
    "apologise and make up for it",
    "look for information on the internet",
    "tell the whole family about it",
    "save money for a year",
    "move to another town",
];

/// What every task has, where nothing proposed or given means the same: putting it off until the person was asked, and leaving things as they are.
pub const STANDING: [(&str, &str); 2] = [
    ("ask the person concerned before doing anything", "always weighed: asking first"),
    ("do nothing for now and leave things as they are", "always weighed: doing nothing"),
];

/// An alternative with why it is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    /// A verb phrase.
    pub text: String,
    /// Who thought of it and what it was merged with.
    pub why: String,
}

/// How many alternatives are wanted of the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    /// At most so many.
    pub count: usize,
    /// Seed of what the model writes.
    pub seed: u64,
}

/// Asks the model for up to `count` alternatives of different meaning, in lists of growing temperature until there are enough; `given` are there
/// already. What does not come out as a verb phrase is dropped, so there may be fewer, or none.
///
/// # Errors
/// If the model fails.
pub fn propose(
    model: &mut dyn LanguageModel,
    states: &mut States,
    charter: &str,
    task: &str,
    given: &[String],
    Wanted { count, seed }: Wanted,
) -> Result<Vec<Proposal>, MeaningError> {
    let mut found: Vec<Proposal> = Vec::new();
    for (attempt, temperature) in TEMPERATURES.into_iter().enumerate() {
        let listed = list(model, charter, task, count, temperature, seed.wrapping_add(attempt as u64))?;
        for text in listed {
            if found.len() == count {
                return Ok(found);
            }
            if given.iter().any(|g| same(g, &text)) {
                continue;
            }
            let known: Vec<String> = given.iter().cloned().chain(found.iter().map(|p| p.text.clone())).collect();
            match same_meaning(model, states, &known, &text)? {
                Some(twin) if twin >= given.len() => {
                    found[twin - given.len()].why.push_str(&format!("; merged with \"{text}\""));
                }
                Some(_) => {}
                None => found.push(Proposal { text, why: format!("written by the model (temperature {temperature})") }),
            }
        }
        if found.len() == count {
            break;
        }
    }
    Ok(found)
}

/// [`STANDING`] alternatives that nothing known means already.
///
/// # Errors
/// If the model fails.
pub fn standing(
    model: &mut dyn LanguageModel,
    states: &mut States,
    known: &[String],
) -> Result<Vec<Proposal>, MeaningError> {
    let mut found = Vec::new();
    for (text, why) in STANDING {
        if same_meaning(model, states, known, text)?.is_none() {
            found.push(Proposal { text: text.into(), why: why.into() });
        }
    }
    Ok(found)
}

/// Which of the known texts means the same as `text`, if one does.
///
/// # Errors
/// If the model fails.
pub fn same_meaning(
    model: &mut dyn LanguageModel,
    states: &mut States,
    known: &[String],
    text: &str,
) -> Result<Option<usize>, MeaningError> {
    if let Some(twin) = known.iter().position(|k| same(k, text)) {
        return Ok(Some(twin));
    }
    let near = nearness_of(model, states, known, text)?;
    let nearest = near.into_iter().enumerate().max_by(|a, b| a.1.total_cmp(&b.1));
    Ok(nearest.filter(|(_, near)| *near >= SAME_MEANING).map(|(i, _)| i))
}

/// How near the meaning of `text` is to that of each known text, in [-1, 1].
///
/// # Errors
/// If the model fails.
pub fn nearness_of(
    model: &mut dyn LanguageModel,
    states: &mut States,
    known: &[String],
    text: &str,
) -> Result<Vec<f64>, MeaningError> {
    let texts: Vec<String> =
        known.iter().cloned().chain(std::iter::once(text.to_owned())).chain(LANDMARKS.map(str::to_owned)).collect();
    let rows = standardised(&states.of(model, &texts)?);
    Ok((0..known.len()).map(|i| nearness(&rows[i], &rows[known.len()])).collect())
}

/// One list from the model.
fn list(
    model: &mut dyn LanguageModel,
    charter: &str,
    task: &str,
    count: usize,
    temperature: f32,
    seed: u64,
) -> Result<Vec<String>, ModelError> {
    let ask = |task: &str| {
        format!(
            "Task: {task}\n\nList {count} quite different things one could do about it. Each is one short phrase that begins with a verb."
        )
    };
    let example = "1. call the shop and ask for a refund\n2. wait a week and see\n3. write a friendly letter to the owner\n4. ask a neighbour for advice\n";
    let request = CompletionRequest {
        system: Some(charter.to_owned()),
        prompt: Prompt::Chat(vec![
            Message::user(ask("The new kettle leaks.").replace(&format!("List {count}"), "List 4")),
            Message::assistant(example),
            Message::user(ask(task)),
        ]),
        grammar: Some(grammar(count)),
        tokens_max: count * TOKENS_EACH,
        temperature,
        seed,
        ..CompletionRequest::ask("")
    };
    let completion = model.complete(&request, &mut |_| ControlFlow::Continue(()))?;
    Ok(parse(&completion.text, count))
}

/// A numbered list of `count` lines in lower-case words.
fn grammar(count: usize) -> String {
    let items: Vec<String> = (1..=count).map(|i| format!("\"{i}. \" phrase")).collect();
    format!("root ::= {}\nphrase ::= [a-z] [a-zA-Z0-9 ,'-]{{3,{CHARS_MAX}}} \"\\n\"\n", items.join(" "))
}

/// Reads a numbered list; the last line counts only if it was finished.
pub(crate) fn parse(text: &str, count: usize) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let whole = text.ends_with('\n');
    let lines: Vec<&str> = text.lines().collect();
    let usable = if whole { lines.len() } else { lines.len().saturating_sub(1) };
    for line in &lines[..usable] {
        let Some((number, phrase)) = line.trim().split_once(". ") else { continue };
        if number.parse::<usize>().is_err() {
            continue;
        }
        let phrase = clean(phrase).filter(|p| found.len() < count && !found.iter().any(|f| same(f, p)));
        found.extend(phrase);
    }
    found
}

/// A verb phrase without "to", full stop or surrounding space; `None` if nothing is left.
pub(crate) fn clean(phrase: &str) -> Option<String> {
    let phrase = phrase.trim().trim_end_matches(['.', ',', ';', '!']).trim();
    let phrase = phrase.strip_prefix("to ").unwrap_or(phrase).trim();
    (phrase.chars().filter(|c| c.is_alphabetic()).count() >= 3).then(|| phrase.chars().take(CHARS_MAX).collect())
}

/// Whether two phrases differ only in case, articles or punctuation.
pub(crate) fn same(a: &str, b: &str) -> bool {
    let words = |s: &str| -> Vec<String> {
        s.to_lowercase()
            .split(|c: char| !c.is_alphanumeric())
            .filter(|w| !w.is_empty() && !["a", "an", "the", "your", "my", "their"].contains(w))
            .map(str::to_owned)
            .collect()
    };
    words(a) == words(b)
}

#[cfg(test)]
mod tests {
    use super::*;
    use credence_priors::scripted::Scripted;
    use proptest::prelude::*;

    #[test]
    fn a_list_is_read_and_repeats_are_dropped() {
        let text = "1. write to the landlord\n2. Write to your landlord.\n3. to fix it oneself\n4. call a frie";
        assert_eq!(parse(text, 4), ["write to the landlord", "fix it oneself"]);
    }

    #[test]
    fn proposals_differ_from_each_other_and_from_what_is_given() {
        let mut model = Scripted::hashed(2)
            .with_completion("1. write to the landlord\n2. fix it oneself\n")
            .with_completion("1. write to your landlord\n2. move away from there\n");
        let mut states = States::default();
        let given = ["fix it oneself".to_owned()];
        let found = propose(&mut model, &mut states, "", "The tap drips.", &given, Wanted { count: 2, seed: 0 })
            .expect("scripted");
        let texts: Vec<&str> = found.iter().map(|p| p.text.as_str()).collect();
        assert_eq!(texts, ["write to the landlord", "move away from there"]);
        assert!(found[0].why.contains("merged with \"write to your landlord\""), "{}", found[0].why);
        let known = [STANDING[1].0.to_uppercase()];
        let always = standing(&mut model, &mut states, &known).expect("scripted");
        assert_eq!(always.iter().map(|p| p.text.as_str()).collect::<Vec<_>>(), [STANDING[0].0]);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in ".{0,300}") {
            prop_assert!(parse(&text, 4).len() <= 4);
        }
    }
}
