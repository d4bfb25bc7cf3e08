//! Something that can be chosen, and what the model said of it.

use serde::{Deserialize, Serialize};

/// Something that can be chosen, in the situation it can be chosen in.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Alternative {
    /// The situation, in whole sentences; none for a neutral alternative.
    pub situation: Option<String>,
    /// The alternative: a verb phrase in the base form ("return the wallet to its owner").
    pub text: String,
}

impl Alternative {
    /// Tidies what a person or a model wrote: single spaces, no full stop, no leading "to", no capital at the beginning.
    pub fn new(situation: Option<&str>, text: &str) -> Self {
        let situation = situation.map(|text| text.split_whitespace().collect::<Vec<_>>().join(" "));
        Self { situation: situation.filter(|text| !text.is_empty()), text: verb_phrase(text) }
    }

    /// BLAKE3 hash, in hex, of its two texts.
    pub fn key(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        let situation = self.situation.as_deref().unwrap_or_default();
        hasher.update(&(situation.len() as u64).to_le_bytes());
        hasher.update(situation.as_bytes());
        hasher.update(self.text.as_bytes());
        hasher.finalize().to_hex().to_string()
    }
}

fn verb_phrase(text: &str) -> String {
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let words = words.trim_end_matches(['.', ';', ',', ' ']);
    let words = words.strip_prefix("to ").or_else(|| words.strip_prefix("To ")).unwrap_or(words);
    let mut letters = words.chars();
    match (letters.next(), letters.next()) {
        // "Return it", but not "DIY" or "I".
        (Some(first), Some(second)) if first.is_uppercase() && second.is_lowercase() => {
            first.to_lowercase().chain(words.chars().skip(1)).collect()
        }
        _ => words.to_owned(),
    }
}

/// What the model said of one alternative; all numbers finite, log-odds in nats.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RawReading {
    /// ln p(for) - ln p(against), by template (outer) and by pair of poles, values in order (inner).
    pub log_odds: Vec<Vec<f64>>,
    /// Overall judgement by channel: the pairs of each `[[judgement]]` in order, then the contrast.
    pub judgement: Vec<f64>,
    /// Hidden state of the text-feature template.
    pub hidden: Vec<f32>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_write_becomes_a_verb_phrase() {
        for (written, expected) in [
            ("Return the wallet.", "return the wallet"),
            ("  to  give\nit back ", "give it back"),
            ("DIY the shelf", "DIY the shelf"),
            ("I would go", "I would go"),
            ("\u{c9}crire", "\u{e9}crire"),
        ] {
            assert_eq!(verb_phrase(written), expected);
        }
    }
}
