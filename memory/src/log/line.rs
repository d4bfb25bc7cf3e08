//! One line: `{"seq":N,"time":"…","kind":"…","payload":{…},"prev":"…","hash":"…"}`.
//!
//! The hash is BLAKE3 over the exact bytes before `,"hash":`, so that a line is checked without being understood, and
//! understood in one pass: the keys stand in this order and no other. Lines as this program writes them take the short way
//! through `written`; the reader here takes any spelling and says what is wrong.

use std::fmt;
use std::io::Write;

use jiff::Timestamp;
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, DeserializeSeed, MapAccess};
use serde::{Deserialize, Deserializer};

use super::{Damage, Entry, FORMAT, LINE_BYTES_MAX, LogError, written};
use crate::ids::{Hash, Seq};
use crate::record::Record;

/// `,"hash":"` + 64 digits + `"}`.
const TAIL_BYTES: usize = 9 + 64 + 2;

/// The line of a record, newline included, and its hash.
///
/// # Errors
/// The record cannot be written as JSON.
#[allow(clippy::missing_panics_doc, reason = "a vector takes every write")]
pub fn encode(seq: Seq, time: Timestamp, record: &Record, prev: Hash) -> Result<(Vec<u8>, Hash), LogError> {
    let unwritable = |source| LogError::Unwritable { seq, source };
    let mut line = Vec::with_capacity(512);
    let content = serde_json::to_vec(record).map_err(unwritable)?;
    // `{"kind":…,"payload":…}` without its braces.
    let content = &content[1..content.len() - 1];
    write!(line, "{{\"seq\":{seq},\"time\":\"{time:.3}\",").expect("a vector takes every write");
    line.extend_from_slice(content);
    write!(line, ",\"prev\":\"{prev}\"").expect("a vector takes every write");
    let hash = Hash::of(&line);
    line.extend_from_slice(b",\"hash\":\"");
    line.extend_from_slice(&hash.hex());
    line.extend_from_slice(b"\"}\n");
    if line.len() > LINE_BYTES_MAX {
        return Err(LogError::TooLong { seq, bytes: line.len() });
    }
    // What cannot be read back (JSON nested too deep, say) must not be written.
    serde_json::from_slice::<Parts>(&line[..line.len() - 1]).map_err(unwritable)?;
    Ok((line, hash))
}

/// Reads one line without its newline: its hash is checked against its bytes, not against the line before.
/// `seq` is the place where it stands, for errors.
///
/// # Errors
/// The line is not one of a log, is newer than this program, or does not match its hash; each names `seq`.
pub fn decode(line: &[u8], seq: Seq) -> Result<Entry, LogError> {
    let damaged = |reason| LogError::Damaged { seq, reason };
    let hash = check_hash(line).map_err(damaged)?;
    let entry = match written::read(&line[..line.len() - TAIL_BYTES], hash) {
        Some(entry) => entry,
        None => decode_any(line, seq, hash)?,
    };
    if let Record::LogOpened(header) = &entry.record
        && header.format > FORMAT
    {
        return Err(LogError::NewerFormat { found: header.format });
    }
    Ok(entry)
}

/// Reads a line however its JSON is spelt.
pub(super) fn decode_any(line: &[u8], seq: Seq, hash: Hash) -> Result<Entry, LogError> {
    let parts: Parts = serde_json::from_slice(line).map_err(|source| not_a_record(line, seq, source))?;
    if parts.hash != hash {
        return Err(LogError::Damaged { seq, reason: Damage::WrongHash });
    }
    Ok(Entry { seq: parts.seq, time: parts.time, record: parts.record, prev: parts.prev, hash })
}

/// The hash that a line ends in, if it is the hash of what is before it.
pub(super) fn check_hash(line: &[u8]) -> Result<Hash, Damage> {
    let content = line.len().checked_sub(TAIL_BYTES).ok_or(Damage::NoHash)?;
    let (content, tail) = line.split_at(content);
    let digits = tail.strip_prefix(b",\"hash\":\"").and_then(|t| t.strip_suffix(b"\"}")).ok_or(Damage::NoHash)?;
    let hash = Hash::from_hex(digits).ok_or(Damage::NoHash)?;
    if Hash::of(content) == hash { Ok(hash) } else { Err(Damage::WrongHash) }
}

/// Says why a line with the right hash is no record of this format: a newer format, an unknown kind, or neither.
fn not_a_record(line: &[u8], seq: Seq, source: serde_json::Error) -> LogError {
    #[derive(Deserialize)]
    struct Loose<'a> {
        #[serde(borrow)]
        kind: std::borrow::Cow<'a, str>,
        #[serde(borrow)]
        payload: &'a serde_json::value::RawValue,
    }
    #[derive(Deserialize)]
    struct Header {
        format: u32,
    }
    if let Ok(loose) = serde_json::from_slice::<Loose<'_>>(line) {
        if loose.kind == "LogOpened"
            && let Ok(Header { format }) = serde_json::from_str(loose.payload.get())
            && format > FORMAT
        {
            return LogError::NewerFormat { found: format };
        }
        if !Record::KINDS.contains(&loose.kind.as_ref()) {
            return LogError::UnknownKind { seq, kind: loose.kind.chars().take(80).collect() };
        }
    }
    LogError::Damaged { seq, reason: Damage::NotARecord(source.to_string()) }
}

/// A line's content.
struct Parts {
    seq: Seq,
    time: Timestamp,
    record: Record,
    prev: Hash,
    hash: Hash,
}

impl<'de> Deserialize<'de> for Parts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Line;
        impl<'de> de::Visitor<'de> for Line {
            type Value = Parts;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a line of the log")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Parts, A::Error> {
                let seq = expect(&mut map, "seq")?;
                let time = expect(&mut map, "time")?;
                let record = Record::deserialize(MapAccessDeserializer::new(Pair { map: &mut map, left: 2 }))?;
                let prev = expect(&mut map, "prev")?;
                let hash = expect(&mut map, "hash")?;
                Ok(Parts { seq, time, record, prev, hash })
            }
        }
        deserializer.deserialize_map(Line)
    }
}

fn expect<'de, A: MapAccess<'de>, T: Deserialize<'de>>(map: &mut A, key: &'static str) -> Result<T, A::Error> {
    match map.next_key_seed(Key(key))? {
        Some(()) => map.next_value(),
        None => Err(de::Error::missing_field(key)),
    }
}

/// Takes one key and no other.
struct Key(&'static str);

impl<'de> DeserializeSeed<'de> for Key {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_identifier(self)
    }
}

impl de::Visitor<'_> for Key {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the key {:?}", self.0)
    }
    fn visit_str<E: de::Error>(self, found: &str) -> Result<(), E> {
        if found == self.0 { Ok(()) } else { Err(E::invalid_value(de::Unexpected::Str(found), &self)) }
    }
}

/// The next two entries of a map as a map of their own: `kind` and `payload`.
struct Pair<'a, A> {
    map: &'a mut A,
    left: usize,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Pair<'_, A> {
    type Error = A::Error;
    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, A::Error> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        self.map.next_key_seed(seed)
    }
    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, A::Error> {
        self.map.next_value_seed(seed)
    }
}
