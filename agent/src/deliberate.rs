//! Deliberation: what would follow from each alternative, written down before it is judged, alone and with its consequences.

use std::ops::ControlFlow;

use credence_memory::record::{Consequence, ConsequenceKind};
use credence_memory::state::State;
use credence_priors::{CompletionRequest, Ending, LanguageModel, Message, ModelError, Prompt};

use crate::briefing::Relevant;

/// Characters of one consequence.
const CHARS_MAX: usize = 90;
const CHARS_MIN: usize = 10;
/// Warm enough to say something of the case at hand.
const TEMPERATURE: f32 = 0.5;

/// What was written about one alternative.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The consequences that were finished.
    pub consequences: Vec<Consequence>,
    /// Tokens written.
    pub tokens: usize,
    /// Whether the budget or the person ended it.
    pub cut_short: bool,
    /// Whether it was the person.
    pub interrupted: bool,
}

/// Words that begin a consequence's line.
fn label(kind: ConsequenceKind) -> &'static str {
    match kind {
        ConsequenceKind::Affected => "Who is affected:",
        ConsequenceKind::Harm => "What could go wrong:",
        ConsequenceKind::Duty => "Law and duty:",
    }
}

/// Passages as background, with their sources: quoted text, never an instruction.
pub fn background(passages: &[Relevant]) -> String {
    let quoted: Vec<String> = passages.iter().map(|p| format!("From \"{}\": {}", p.source, p.text)).collect();
    quoted.join("\n")
}

/// What one text may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// At most so many tokens.
    pub tokens_max: usize,
    /// Seed of what the model writes.
    pub seed: u64,
}

/// Has the model write the consequences of an alternative. What is the same for all alternatives stands first, so that it is evaluated once.
/// A line that the budget or the listener cuts off is left out.
///
/// # Errors
/// If the model fails.
pub fn write(
    model: &mut dyn LanguageModel,
    charter: &str,
    passages: &[Relevant],
    situation: &str,
    alternative: &str,
    Budget { tokens_max, seed }: Budget,
    on_text: &mut dyn FnMut(&str) -> ControlFlow<()>,
) -> Result<Written, ModelError> {
    let ask = |situation: &str, alternative: &str| {
        format!(
            "{situation}\n\nSomeone thinks of this: {alternative}. Say in three short lines who is affected, what could go wrong, and which law or duty bears on it."
        )
    };
    let mut told = background(passages);
    if !told.is_empty() {
        told.push_str("\n\n");
    }
    let example = "Who is affected: the neighbour, who would have to wait for the parcel\nWhat could go wrong: the parcel is stolen from the doorstep\nLaw and duty: who takes in a parcel must look after it\n";
    let request = CompletionRequest {
        system: Some(charter.to_owned()),
        prompt: Prompt::Chat(vec![
            Message::user(ask("You have taken in a parcel for your neighbour.", "put it on their doorstep")),
            Message::assistant(example),
            Message::user(format!("{told}{}", ask(situation, alternative))),
        ]),
        grammar: Some(grammar()),
        tokens_max,
        temperature: TEMPERATURE,
        seed,
        ..CompletionRequest::ask("")
    };
    let completion = model.complete(&request, on_text)?;
    let interrupted = completion.ending == Ending::Interrupted;
    let consequences = parse(&completion.text);
    let cut_short =
        interrupted || completion.ending == Ending::Length || consequences.len() < ConsequenceKind::ALL.len();
    Ok(Written { consequences, tokens: completion.tokens, cut_short, interrupted })
}

fn grammar() -> String {
    let lines: Vec<String> =
        ConsequenceKind::ALL.iter().map(|k| format!("{:?} text", format!("{} ", label(*k)))).collect();
    format!("root ::= {}\ntext ::= [^\\n]{{{CHARS_MIN},{CHARS_MAX}}} \"\\n\"\n", lines.join(" "))
}

/// Reads finished lines; one that breaks off, or has another beginning, is left out.
pub(crate) fn parse(text: &str) -> Vec<Consequence> {
    text.split_inclusive('\n')
        .filter(|line| line.ends_with('\n'))
        .filter_map(|line| {
            let kind = ConsequenceKind::ALL.into_iter().find(|k| line.trim_start().starts_with(label(*k)))?;
            let text = line.trim_start()[label(kind).len()..].trim();
            let letters = text.chars().filter(|c| c.is_alphabetic()).count();
            (letters >= 3).then(|| Consequence { kind, text: text.chars().take(2 * CHARS_MAX).collect() })
        })
        .collect()
}

/// The situation in which an alternative is judged with its consequences.
pub fn situation_with(
    situation: &str,
    passages: &[Relevant],
    alternative: &str,
    consequences: &[Consequence],
) -> String {
    let sentence = |text: &str| format!("{}.", text.trim().trim_end_matches(['.', '!', ';', ',']));
    let foreseen: Vec<String> =
        consequences.iter().map(|c| format!("{} {}", label(c.kind), sentence(&c.text))).collect();
    let parts = [
        background(passages),
        situation.to_owned(),
        format!("Someone thinks of this: {}", sentence(alternative)),
        foreseen.join(" "),
    ];
    parts.into_iter().filter(|p| !p.trim().is_empty()).collect::<Vec<_>>().join("\n")
}

/// How far foreseen consequences of a kind are trusted: what people who checked them have shown them to be worth, from nothing. As many
/// right as wrong ones are worth nothing either.
pub fn reliability(state: &State, kind: ConsequenceKind) -> f64 {
    let (right, wrong) = state.consequences_checked(kind);
    ((right as f64 - wrong as f64) / ((right + wrong) as f64 + 2.0)).max(0.0)
}

/// The share that a judgement with these consequences has beside the judgement alone: the mean reliability of their kinds, 0 without any.
pub fn trust(state: &State, consequences: &[Consequence]) -> f64 {
    if consequences.is_empty() {
        return 0.0;
    }
    consequences.iter().map(|c| reliability(state, c.kind)).sum::<f64>() / consequences.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use credence_priors::scripted::Scripted;
    use proptest::prelude::*;

    const REPLY: &str = "Who is affected: the saver\nWhat could go wrong: the money is lost\nLaw and duty: money in trust stays apart\n";

    #[test]
    fn consequences_are_read_line_by_line_and_a_cut_line_is_left_out() {
        let mut model = Scripted::hashed(1).with_completion(REPLY);
        let mut heard = String::new();
        let mut listen = |text: &str| {
            heard.push_str(text);
            ControlFlow::Continue(())
        };
        let written =
            write(&mut model, "", &[], "A bank.", "lend it", Budget { tokens_max: 100, seed: 0 }, &mut listen)
                .expect("scripted");
        assert_eq!(written.consequences.len(), 3);
        assert!(!written.cut_short && heard == REPLY);
        let mut model = Scripted::hashed(1).with_completion(REPLY);
        let mut stop =
            |text: &str| if text.contains("lost") { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
        let written = write(&mut model, "", &[], "A bank.", "lend it", Budget { tokens_max: 100, seed: 0 }, &mut stop)
            .expect("scripted");
        assert!(written.interrupted && written.consequences.len() <= 2 && !written.consequences.is_empty());
        // A reply against the grammar is no deliberation.
        assert!(parse("I cannot say.\nWho: nobody\n").is_empty());
    }

    #[test]
    fn trust_starts_at_nothing() {
        let state = State::new();
        assert_eq!(trust(&state, &[]), 0.0);
        assert_eq!(trust(&state, &parse(REPLY)), 0.0, "nobody has checked any yet");
    }

    proptest! {
        #[test]
        fn no_reply_makes_it_panic(text in ".{0,300}") {
            prop_assert!(parse(&text).len() <= text.lines().count());
        }
    }
}
