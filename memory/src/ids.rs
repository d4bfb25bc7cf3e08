//! Identities: of records, of content, of people and of what they do.

use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, LazyLock};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::text;

/// Position of a record in its log; the header is 1, so a record's number is also its line's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(transparent)]
pub struct Seq(pub u64);

impl Seq {
    /// The header's.
    pub const FIRST: Seq = Seq(1);

    /// The one after.
    pub fn next(self) -> Seq {
        Seq(self.0.saturating_add(1))
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Counter of the model's fine-tunings; 0 is the base model. A number names one adapter, once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(transparent)]
pub struct AdapterGeneration(pub u32);

impl AdapterGeneration {
    /// The model without any adapter.
    pub const BASE: AdapterGeneration = AdapterGeneration(0);

    /// The one after.
    pub fn next(self) -> AdapterGeneration {
        AdapterGeneration(self.0.saturating_add(1))
    }
}

impl fmt::Display for AdapterGeneration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Why an id was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// Nothing in it.
    #[error("an id may not be empty")]
    Empty,
    /// Longer than [`ID_BYTES_MAX`].
    #[error("an id may have at most {ID_BYTES_MAX} bytes, this one has {0}")]
    TooLong(usize),
    /// Characters that would hide or reorder what is shown, or space at the ends.
    #[error(
        "an id may not contain control, invisible or direction-changing characters, nor begin or end with a space: {0:?}"
    )]
    Unprintable(String),
    /// Not 64 lowercase hexadecimal digits.
    #[error("expected 64 lowercase hexadecimal digits, found {0:?}")]
    NotAHash(String),
}

/// The longest text id.
pub const ID_BYTES_MAX: usize = 256;

/// BLAKE3, written as 64 lowercase hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Hash(pub [u8; 32]);

impl Hash {
    /// What stands before the first record.
    pub const ZERO: Hash = Hash([0; 32]);

    /// The hash of some bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(*blake3::hash(bytes).as_bytes())
    }

    /// The hash of some parts under a purpose: parts cannot run into each other, nor purposes.
    pub fn of_parts<'a>(purpose: &str, parts: impl IntoIterator<Item = &'a [u8]>) -> Self {
        Self::of_parts_under(blake3::Hasher::new_derive_key(purpose), parts)
    }

    fn of_parts_under<'a>(mut hasher: blake3::Hasher, parts: impl IntoIterator<Item = &'a [u8]>) -> Self {
        for part in parts {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        Self(*hasher.finalize().as_bytes())
    }

    /// Its 64 digits.
    pub fn hex(&self) -> [u8; 64] {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut out = [0; 64];
        for (pair, byte) in out.chunks_exact_mut(2).zip(self.0) {
            pair[0] = DIGITS[usize::from(byte >> 4)];
            pair[1] = DIGITS[usize::from(byte & 15)];
        }
        out
    }

    /// Reads 64 lowercase digits.
    pub fn from_hex(digits: &[u8]) -> Option<Self> {
        /// What a digit stands for; anything else has a bit above the lowest four.
        const NIBBLES: [u8; 256] = {
            let mut table = [0xff; 256];
            let mut value = 0;
            while value < 16 {
                table[b"0123456789abcdef"[value] as usize] = value as u8;
                value += 1;
            }
            table
        };
        let digits: &[u8; 64] = digits.try_into().ok()?;
        let (mut out, mut seen) = ([0; 32], 0);
        for (byte, pair) in out.iter_mut().zip(digits.chunks_exact(2)) {
            let (high, low) = (NIBBLES[usize::from(pair[0])], NIBBLES[usize::from(pair[1])]);
            seen |= high | low;
            *byte = high << 4 | low & 15;
        }
        (seen < 16).then_some(Self(out))
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(str::from_utf8(&self.hex()).expect("hexadecimal digits are text"))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hash({self})")
    }
}

impl FromStr for Hash {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        Self::from_hex(text.as_bytes()).ok_or_else(|| IdError::NotAHash(text.chars().take(80).collect()))
    }
}

/// A schema of what is written as text.
macro_rules! schema_of_text {
    ($name:ident) => {
        #[cfg(feature = "schema")]
        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
                <String as utoipa::PartialSchema>::schema()
            }
        }

        #[cfg(feature = "schema")]
        impl utoipa::ToSchema for $name {}
    };
}

schema_of_text!(Hash);

impl Serialize for Hash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(str::from_utf8(&self.hex()).expect("hexadecimal digits are text"))
    }
}

impl<'de> Deserialize<'de> for Hash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Digits;
        impl de::Visitor<'_> for Digits {
            type Value = Hash;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("64 lowercase hexadecimal digits")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Hash, E> {
                text.parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Digits)
    }
}

/// Identity by content.
macro_rules! content_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Hash);

        schema_of_text!($name);

        impl $name {
            /// The hash itself.
            pub fn hash(&self) -> Hash {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                text.parse().map(Self)
            }
        }
    };
}

content_id! {
    /// An alternative: the hash of its situation and its text, so that the same words are the same alternative.
    AlternativeId
}
content_id! {
    /// A question: the hash of its alternatives, whatever their order.
    QuestionId
}
content_id! {
    /// A document of the library: the hash of its passages' headings and texts.
    DocumentId
}

impl DocumentId {
    /// The document of these passages, each a heading and a text.
    pub fn of<'a>(passages: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let parts = passages.into_iter().flat_map(|(heading, text)| [heading.as_bytes(), text.as_bytes()]);
        Self(Hash::of_parts("credence document 1", parts))
    }
}

impl AlternativeId {
    /// The alternative with this text in this situation, letter for letter: words that come in from outside are brought to
    /// their normal form first.
    pub fn of(situation: &str, text: &str) -> Self {
        Self(Hash::of_parts("credence alternative 1", [situation.as_bytes(), text.as_bytes()]))
    }
}

impl QuestionId {
    /// The question about these alternatives.
    pub fn of(alternatives: &[AlternativeId]) -> Self {
        // Made once: every choice in a log has its question's identity worked out.
        static PURPOSE: LazyLock<blake3::Hasher> =
            LazyLock::new(|| blake3::Hasher::new_derive_key("credence question 1"));
        let hash = |parts: &[&[u8]]| Self(Hash::of_parts_under(PURPOSE.clone(), parts.iter().copied()));
        if let [a, b] = alternatives {
            let (a, b) = if b < a { (b, a) } else { (a, b) };
            return hash(&[&a.0.0, &b.0.0]);
        }
        let mut sorted: Vec<&[u8]> = alternatives.iter().map(|a| a.0.0.as_slice()).collect();
        sorted.sort_unstable();
        hash(&sorted)
    }
}

/// Identity by name.
macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        schema_of_text!($name);

        impl $name {
            /// Takes a name of 1 to [`ID_BYTES_MAX`] bytes without control, invisible or direction-changing characters, in
            /// its one form ([`crate::text::name`]): names that differ only in that are one name, also in logs.
            ///
            /// # Errors
            /// The text is empty, too long, or has characters that a name may not have.
            pub fn new(text: &str) -> Result<Self, IdError> {
                check_text(text)?;
                let normal = text::name(text);
                // A few characters need more bytes in their normal form than they came in.
                Ok(Self(if normal.len() <= ID_BYTES_MAX { normal.as_ref().into() } else { text.into() }))
            }

            /// The name.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                Self::new(text)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Name;
                impl de::Visitor<'_> for Name {
                    type Value = $name;
                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str("a name")
                    }
                    fn visit_str<E: de::Error>(self, text: &str) -> Result<$name, E> {
                        $name::new(text).map_err(E::custom)
                    }
                }
                deserializer.deserialize_str(Name)
            }
        }
    };
}

text_id! {
    /// A person.
    PersonId
}
text_id! {
    /// The channel that evidence came through.
    SourceId
}
text_id! {
    /// A session with one person.
    SessionId
}
text_id! {
    /// A task given to the agent.
    TaskId
}
text_id! {
    /// A value of the schema.
    ValueId
}
text_id! {
    /// A document given to the agent as background.
    BriefingId
}

fn check_text(text: &str) -> Result<(), IdError> {
    if text.is_empty() {
        return Err(IdError::Empty);
    }
    if text.len() > ID_BYTES_MAX {
        return Err(IdError::TooLong(text.len()));
    }
    // Nearly every name is of visible ASCII; the bytes say so faster than the characters.
    if text.bytes().all(|b| b.is_ascii_graphic()) {
        return Ok(());
    }
    if text.starts_with(char::is_whitespace) || text.ends_with(char::is_whitespace) || text.chars().any(unprintable) {
        return Err(IdError::Unprintable(text.to_owned()));
    }
    Ok(())
}

/// Characters that change how other characters are shown, or cannot be seen: two ids that look alike should be alike.
fn unprintable(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffc}' | '\u{fdd0}'..='\u{fdef}' | '\u{16fe4}' | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
        // Of every plane the last two are no characters.
        || u32::from(c) & 0xfffe == 0xfffe
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_validated() {
        fn check(text: &str, good: bool) {
            assert_eq!(PersonId::new(text).is_ok(), good, "{text:?}");
            let json = serde_json::to_string(text).unwrap();
            assert_eq!(serde_json::from_str::<PersonId>(&json).is_ok(), good, "{json}");
        }
        check("ada", true);
        check("Zoë van der Berg", true);
        check("polis:vtaiwan:17", true);
        check("", false);
        check(" ada", false);
        check("ada\n", false);
        check("a\u{202e}da", false);
        check("a\u{200b}da", false);
        for hidden in ["\u{fffc}", "\u{ffff}", "\u{fdd0}", "\u{1fffe}", "\u{16fe4}"] {
            check(&format!("ada{hidden}"), false);
        }
        for hidden in ["\u{34f}", "\u{fe0f}", "\u{115f}", "\u{3164}", "\u{2800}"] {
            check(&format!("ada{hidden}"), false);
        }
        check(&"x".repeat(ID_BYTES_MAX), true);
        check(&"x".repeat(ID_BYTES_MAX + 1), false);
    }

    #[test]
    fn a_name_in_two_normal_forms_is_one_name() {
        for (composed, apart) in
            [("Jos\u{e9}", "Jose\u{301}"), ("\u{c5}sa", "\u{212b}sa"), ("\u{ac00}", "\u{1100}\u{1161}")]
        {
            let [composed, apart] = [composed, apart].map(|name| PersonId::new(name).unwrap());
            assert_eq!(composed, apart);
            let read: PersonId = serde_json::from_str(&serde_json::to_string(apart.as_str()).unwrap()).unwrap();
            assert_eq!(read, composed);
        }
        for spaced in ["mary\u{a0}ann", "mary  ann", "mary\u{202f}ann", "mary\u{3000}\u{2003}ann", "mary\u{1680}ann"] {
            assert_eq!(PersonId::new(spaced).unwrap().as_str(), "mary ann", "{spaced:?}");
        }
        let growing = "\u{1d160}".repeat(ID_BYTES_MAX / 4);
        assert_eq!(PersonId::new(&growing).unwrap().as_str(), growing, "what can be named can be read back");
    }

    #[test]
    fn parts_do_not_run_into_each_other() {
        assert_ne!(AlternativeId::of("ab", "c"), AlternativeId::of("a", "bc"));
        assert_ne!(AlternativeId::of("", "abc"), AlternativeId::of("abc", ""));
    }

    #[test]
    fn a_question_does_not_depend_on_the_order_shown() {
        let [a, b, c] = ["a", "b", "c"].map(|t| AlternativeId::of("s", t));
        assert_eq!(QuestionId::of(&[a, b, c]), QuestionId::of(&[c, a, b]));
        assert_ne!(QuestionId::of(&[a, b]), QuestionId::of(&[a, c]));
    }

    proptest! {
        #[test]
        fn hashes_survive_text(bytes in any::<[u8; 32]>()) {
            let hash = Hash(bytes);
            prop_assert_eq!(hash.to_string().parse::<Hash>(), Ok(hash));
            prop_assert_eq!(serde_json::from_str::<Hash>(&serde_json::to_string(&hash).unwrap()).unwrap(), hash);
        }

        /// Anything but 64 digits is refused: texts of any kind, and digits with one character too many, too few or wrong.
        #[test]
        fn anything_else_is_no_hash(
            text in "\\PC{0,80}",
            bytes in any::<[u8; 32]>(),
            at in 0..64usize,
            wrong in "[^0-9a-f]",
        ) {
            let is_one = |t: &str| t.len() == 64 && t.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
            prop_assert_eq!(text.parse::<Hash>().is_ok(), is_one(&text));
            let digits = Hash(bytes).to_string();
            prop_assert!(digits[..at].parse::<Hash>().is_err());
            let longer = format!("{digits}{}", &digits[..1]);
            prop_assert!(longer.parse::<Hash>().is_err());
            let replaced = format!("{}{wrong}{}", &digits[..at], &digits[at + 1..]);
            prop_assert!(replaced.parse::<Hash>().is_err(), "{}", replaced);
        }
    }
}
