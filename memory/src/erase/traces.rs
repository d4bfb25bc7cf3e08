//! Where a name is left in what others' records say.

use serde_json::Value;

use crate::record::Record;
use crate::text;

/// What stands where a name was.
pub(super) const ERASED: &str = "[erased]";

/// Keys whose values are somebody's identity, which is theirs alone however it is spelt.
const IDENTITIES: [&str; 5] = ["person", "people", "objectors", "session", "kind"];

/// Whether a record bears a name in its words.
pub(super) fn bears(record: &Record, name: &str) -> bool {
    serde_json::to_value(record).is_ok_and(|value| in_words(&value, name))
}

fn in_words(value: &Value, name: &str) -> bool {
    match value {
        Value::String(said) => !text::mentions(said, name).is_empty(),
        Value::Array(list) => list.iter().any(|value| in_words(value, name)),
        Value::Object(map) => map.iter().any(|(key, v)| !IDENTITIES.contains(&key.as_str()) && in_words(v, name)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// Whether a name stands anywhere in some JSON, as a key or as a value.
pub(super) fn value_names(value: &Value, name: &str) -> bool {
    match value {
        Value::String(said) => text::name(said) == name,
        Value::Array(list) => list.iter().any(|value| value_names(value, name)),
        Value::Object(map) => map.iter().any(|(key, value)| text::name(key) == name || value_names(value, name)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}
