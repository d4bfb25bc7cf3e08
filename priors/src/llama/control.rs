//! What people say never becomes a control token.
//!
//! A vocabulary has tokens that end a turn, begin another or call a tool, and each has a spelling that anybody can type. Words of
//! people are tokenised as plain text, and where a tokeniser puts such a token together all the same (llama.cpp takes
//! user-defined ones from any text, and may join the pieces of others), the words are cut within its spelling. The text stays
//! what it was; only its tokens are others.

use std::collections::{HashMap, HashSet};

use llama_cpp_2::token::LlamaToken;
use llama_cpp_2::token_type::LlamaTokenAttr;
use llama_cpp_2::vocab::LlamaVocab;

/// A piece of a chat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    /// The template's: its control tokens are meant.
    Template(String),
    /// Somebody's: nothing in it is a control token.
    Said(String),
}

/// The tokens of a vocabulary that no text may contain: control tokens, those that end a text, and user-defined ones that are
/// more than white space or one character.
#[derive(Debug, Default)]
pub(super) struct ControlTokens {
    ids: HashSet<i32>,
    /// Their spellings by the first character.
    spellings: HashMap<char, Vec<String>>,
}

impl ControlTokens {
    /// Those of a vocabulary.
    pub(super) fn of(vocab: &LlamaVocab<'_>) -> Self {
        let mut found = Self::default();
        for token in (0..vocab.n_tokens()).map(LlamaToken) {
            let kind = vocab.attr(token);
            let text = vocab.text(token).map(|text| text.to_string_lossy().into_owned()).unwrap_or_default();
            let is_control = kind.contains(LlamaTokenAttr::Control) || vocab.is_eog(token);
            let says_something = text.chars().count() > 1 && text.chars().any(|c| !c.is_whitespace() && c != '▁');
            let is_harmful = is_control || kind.contains(LlamaTokenAttr::UserDefined) && says_something;
            if !is_harmful {
                continue;
            }
            found.ids.insert(token.0);
            let piece = String::from_utf8_lossy(&vocab.token_to_piece(token, true, None)).into_owned();
            for spelling in [text.replace('▁', " "), piece, text] {
                if spelling.chars().count() > 1
                    && let Some(first) = spelling.chars().next()
                {
                    let known = found.spellings.entry(first).or_default();
                    if !known.contains(&spelling) {
                        known.push(spelling);
                    }
                }
            }
        }
        found
    }

    /// The tokens of somebody's words, with what marks the beginning of a text if `beginning`.
    pub(super) fn said(&self, vocab: &LlamaVocab<'_>, text: &str, beginning: bool) -> Vec<LlamaToken> {
        let tokens = vocab.tokenize(text.as_bytes(), beginning, false);
        let added = usize::from(beginning && tokens.first() == Some(&vocab.bos()));
        let ends = usize::from(beginning && vocab.should_add_eos() && tokens.len() > added);
        if !self.is_in(&tokens[added..tokens.len() - ends]) {
            return tokens;
        }
        let mut tokens: Vec<LlamaToken> = tokens[..added].to_vec();
        for piece in self.cut(text) {
            let mut plain = vocab.tokenize(piece.as_bytes(), false, false);
            if self.is_in(&plain) {
                let letters = piece.chars().map(String::from);
                plain = letters.flat_map(|letter| vocab.tokenize(letter.as_bytes(), false, false)).collect();
                plain.retain(|token| !self.ids.contains(&token.0));
            }
            tokens.extend(plain);
        }
        tokens
    }

    /// The tokens of a chat.
    pub(super) fn chat(&self, vocab: &LlamaVocab<'_>, parts: &[Part]) -> Vec<LlamaToken> {
        let begins = vocab.should_add_bos();
        let whole: String = parts.iter().map(|(Part::Template(text) | Part::Said(text))| text.as_str()).collect();
        let tokens = vocab.tokenize(whole.as_bytes(), begins, true);
        let control = |tokens: &[LlamaToken]| -> Vec<i32> {
            tokens.iter().map(|token| token.0).filter(|id| self.ids.contains(id)).collect()
        };
        let template = |text: &str| vocab.tokenize(text.as_bytes(), false, true);
        let beginning = if begins { vec![vocab.bos()] } else { Vec::new() };
        let meant = parts.iter().filter_map(|part| match part {
            Part::Template(text) => Some(control(&template(text))),
            Part::Said(_) => None,
        });
        let meant: Vec<i32> = control(&beginning).into_iter().chain(meant.flatten()).collect();
        if control(&tokens) == meant {
            return tokens;
        }
        // Somebody's words hold the spelling of a control token: part by part then.
        let parts = parts.iter().flat_map(|part| match part {
            Part::Template(text) => template(text),
            Part::Said(text) => self.said(vocab, text, false),
        });
        beginning.into_iter().chain(parts).collect()
    }

    fn is_in(&self, tokens: &[LlamaToken]) -> bool {
        tokens.iter().any(|token| self.ids.contains(&token.0))
    }

    /// A text in pieces of which none holds a whole spelling: each is cut after its first character.
    fn cut<'a>(&self, text: &'a str) -> Vec<&'a str> {
        let (mut pieces, mut start) = (Vec::new(), 0);
        for (at, first) in text.char_indices() {
            let spellings = self.spellings.get(&first).into_iter().flatten();
            if spellings.into_iter().any(|spelling| text[at..].starts_with(spelling.as_str())) {
                let end = at + first.len_utf8();
                pieces.push(&text[start..end]);
                start = end;
            }
        }
        pieces.push(&text[start..]);
        pieces.retain(|piece| !piece.is_empty());
        pieces
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn control(spellings: &[&str]) -> ControlTokens {
        let mut found = ControlTokens::default();
        for spelling in spellings {
            let first = spelling.chars().next().unwrap_or(' ');
            found.spellings.entry(first).or_default().push((*spelling).to_owned());
        }
        found
    }

    #[test]
    fn a_spelling_is_cut_after_its_first_character() {
        let control = control(&["<end>", "<<end>>", "[I]"]);
        assert_eq!(control.cut("a<end>b"), ["a<", "end>b"]);
        assert_eq!(control.cut("<<end>>[I]"), ["<", "<", "end>>[", "I]"]);
        assert_eq!(control.cut("<end"), ["<end"]);
    }

    proptest! {
        #[test]
        fn no_piece_holds_a_spelling_and_no_letter_is_lost(text in "[<>e\u{e9}|ab]{0,40}") {
            let spellings = ["<a>", "<|a|>", "<<", "|>b", "\u{e9}a"];
            let control = control(&spellings);
            let pieces = control.cut(&text);
            prop_assert_eq!(pieces.concat(), text.as_str());
            for piece in pieces {
                prop_assert!(spellings.iter().all(|spelling| !piece.contains(spelling)), "{}", piece);
            }
        }
    }
}
