//! What an agent asks: a tool, its arguments, and what the act can change.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use serde_json::{Map, Value};

/// Whether the act can be taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Reversible {
    /// It can.
    Yes,
    /// It cannot.
    No,
    /// Nobody said.
    Unknown,
}

/// Whom the act concerns at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Affected {
    /// Nobody notices.
    Nobody,
    /// The owner alone.
    Owner,
    /// Some other people.
    Others,
    /// Anyone.
    Public,
}

/// "May I call this tool with these arguments?"
///
/// The typed attributes should come from whoever declared the tool. `context` and the texts in `arguments` are shown to
/// the person and never read for a decision.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// Name of the tool.
    pub tool: String,
    /// Arguments by name.
    #[cfg_attr(feature = "schema", schema(value_type = Object))]
    pub arguments: Map<String, Value>,
    /// The task the act belongs to: the key of scope "this task".
    #[serde(default)]
    pub task: String,
    /// A sentence for the person.
    #[serde(default)]
    pub context: String,
    /// Whether it can be taken back.
    pub reversible: Reversible,
    /// Whom it concerns.
    pub affected: Affected,
    /// What it costs at most, in units of the owner's choice; finite, at least 0.
    #[serde(default)]
    pub cost: f64,
    /// Whether it reaches outside the machine.
    pub outside: bool,
    /// Attributes that the owner declared, by name; one that is absent is at its centre.
    #[serde(default)]
    pub declared: BTreeMap<String, f64>,
    /// The folder that a relative path begins in; empty where that was not said, or no path is relative.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub cwd: String,
    /// Readings of values from outside, standardised; empty, or as many as the settings say.
    #[serde(default)]
    pub readings: Vec<f64>,
}

/// Why a request cannot be judged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// A number that is infinite, too large, or negative where it may not be.
    #[error("{what} is not a number in range")]
    Number {
        /// Which number.
        what: String,
    },
    /// An attribute nobody declared.
    #[error("attribute {name:?} is not declared")]
    Undeclared {
        /// Its name.
        name: String,
    },
    /// Too many or too few readings.
    #[error("{found} readings where {expected} were expected")]
    Readings {
        /// As the settings say.
        expected: usize,
        /// As the request has it.
        found: usize,
    },
}

impl Request {
    /// The hash that binds an approval to what was shown: tool and arguments, independent of the order of keys, and
    /// the folder that a relative path begins in.
    ///
    /// `1` and `1.0` are different: an approval that does not carry over costs a question, the contrary could cost
    /// more.
    pub fn shown_hash(&self) -> ShownHash {
        let mut text = String::new();
        canonical(&Value::String(self.tool.clone()), &mut text);
        canonical_map(&self.arguments, &mut text);
        // The same relative path is another file elsewhere.
        if !self.cwd.is_empty() {
            canonical(&Value::String(self.cwd.clone()), &mut text);
        }
        ShownHash(*blake3::hash(text.as_bytes()).as_bytes())
    }
}

/// JSON without spaces, keys in the order of their bytes: `serde_json` keeps another order under one of its features.
fn canonical(value: &Value, out: &mut String) {
    match value {
        Value::Object(map) => canonical_map(map, out),
        Value::Array(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                canonical(item, out);
            }
            out.push(']');
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => out.push_str(&value.to_string()),
    }
}

fn canonical_map(map: &Map<String, Value>, out: &mut String) {
    let sorted: BTreeMap<&String, &Value> = map.iter().collect();
    out.push('{');
    for (i, (key, value)) in sorted.into_iter().enumerate() {
        if i > 0 {
            out.push(',');
        }
        canonical(&Value::String(key.clone()), out);
        out.push(':');
        canonical(value, out);
    }
    out.push('}');
}

/// BLAKE3 of a tool and its arguments; 64 hexadecimal digits in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShownHash(pub [u8; 32]);

#[cfg(feature = "schema")]
impl utoipa::PartialSchema for ShownHash {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
        <String as utoipa::PartialSchema>::schema()
    }
}

#[cfg(feature = "schema")]
impl utoipa::ToSchema for ShownHash {}

/// Bytes of a hash that a person is shown.
const SHORT_BYTES: usize = 6;

impl ShownHash {
    /// The beginning of it: enough for a person to see that two calls are the same. An answer is bound to the whole.
    pub fn short(&self) -> String {
        hexadecimal(&self.0[..SHORT_BYTES])
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

impl Serialize for ShownHash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hexadecimal(&self.0))
    }
}

impl<'de> Deserialize<'de> for ShownHash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let hex = String::deserialize(deserializer)?;
        if hex.len() != 64 || !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(D::Error::custom("a hash has 64 hexadecimal digits"));
        }
        let mut bytes = [0; 32];
        for (i, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).map_err(D::Error::custom)?;
        }
        Ok(Self(bytes))
    }
}
