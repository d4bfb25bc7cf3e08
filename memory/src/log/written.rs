//! Lines that stand byte for byte as [`super::encode`] lays them out: their frame is taken apart by position, and only the
//! payload goes through the JSON parser, once. Anything else is left to the general reader in `line`, which also words the errors.

use jiff::Timestamp;
use serde::de::value::BorrowedStrDeserializer;
use serde::de::{DeserializeSeed, MapAccess};
use serde::{Deserialize, de};

use super::Entry;
use crate::ids::{Hash, Seq};
use crate::record::Record;

/// `,"prev":"` + 64 digits + `"`.
const PREV_BYTES: usize = 9 + 64 + 1;

/// The entry of a line without its `,"hash":"…"}`, whose hash is `hash`; nothing if the line is laid out in any other way,
/// which need not be wrong.
pub(super) fn read(content: &[u8], hash: Hash) -> Option<Entry> {
    let (rest, prev) = content.split_at_checked(content.len().checked_sub(PREV_BYTES)?)?;
    let prev = Hash::from_hex(prev.strip_prefix(b",\"prev\":\"")?.strip_suffix(b"\"")?)?;
    let (seq, rest) = number(rest.strip_prefix(b"{\"seq\":")?)?;
    let (time, rest) = plain_text(rest.strip_prefix(b",\"time\":\"")?)?;
    let (kind, rest) = plain_text(rest.strip_prefix(b",\"kind\":\"")?)?;
    let payload = rest.strip_prefix(b",\"payload\":")?;
    let time: Timestamp = time.parse().ok()?;
    let record =
        Record::deserialize(de::value::MapAccessDeserializer::new(Content { kind, payload, given: 0 })).ok()?;
    Some(Entry { seq: Seq(seq), time, record, prev, hash })
}

/// A whole number as JSON writes it, and what follows.
fn number(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let digits = bytes.iter().position(|b| !b.is_ascii_digit())?;
    let (digits, rest) = bytes.split_at(digits);
    // No leading zero, and no overflow.
    if digits.is_empty() || digits.len() > 19 || (digits[0] == b'0' && digits.len() > 1) {
        return None;
    }
    Some((digits.iter().fold(0, |n, d| 10 * n + u64::from(d - b'0')), rest))
}

/// The text up to the closing quote, which is passed over, if it is printable ASCII without escapes; and what follows.
fn plain_text(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let end = bytes.iter().position(|b| !matches!(b, b' ' | b'!' | b'#'..=b'[' | b']'..=b'~'))?;
    let (text, rest) = bytes.split_at(end);
    Some((str::from_utf8(text).ok()?, rest.strip_prefix(b"\"")?))
}

/// `{"kind":…,"payload":…}`, of which the kind is known already.
struct Content<'a> {
    kind: &'a str,
    payload: &'a [u8],
    given: u8,
}

impl<'de> MapAccess<'de> for Content<'de> {
    type Error = serde_json::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Self::Error> {
        let key = match self.given {
            0 => "kind",
            1 => "payload",
            _ => return Ok(None),
        };
        seed.deserialize(BorrowedStrDeserializer::new(key)).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Self::Error> {
        self.given += 1;
        if self.given == 1 {
            return seed.deserialize(BorrowedStrDeserializer::new(self.kind));
        }
        let mut payload = serde_json::Deserializer::from_slice(self.payload);
        let value = seed.deserialize(&mut payload)?;
        payload.end()?;
        Ok(value)
    }
}
