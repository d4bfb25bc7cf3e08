//! Proposals: alternatives for a task, written by the model under a grammar.

use std::ops::ControlFlow;

use credence_priors::{CompletionRequest, LanguageModel, Message, ModelError, Prompt};

/// The most tokens of one list of proposals, for each alternative.
const TOKENS_EACH: usize = 28;
/// Warm enough that a list is varied; the grammar keeps it a list.
const TEMPERATURE: f32 = 0.7;
/// A proposal has at most this many characters.
const CHARS_MAX: usize = 120;

/// Asks the model for up to `count` different alternatives for a task, as verb phrases. What does not come out as one is dropped, so
/// there may be fewer, or none.
pub fn propose(
    model: &mut dyn LanguageModel,
    charter: &str,
    task: &str,
    count: usize,
    seed: u32,
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
        temperature: TEMPERATURE,
        seed,
        stop: Vec::new(),
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
    use proptest::prelude::*;

    #[test]
    fn a_list_is_read_and_repeats_are_dropped() {
        let text = "1. write to the landlord\n2. Write to your landlord.\n3. to fix it oneself\n4. call a frie";
        assert_eq!(parse(text, 4), ["write to the landlord", "fix it oneself"]);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in ".{0,300}") {
            prop_assert!(parse(&text, 4).len() <= 4);
        }
    }
}
