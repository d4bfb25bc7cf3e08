//! Acts by tool and arguments: what rules and limits speak of.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::request::Request;

/// What one argument may be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Match {
    /// This value and no other.
    Is(Value),
    /// A text with this beginning. A text that steps upward (`..`) never matches.
    StartsWith(String),
    /// A number of at most this size.
    AtMost(f64),
    /// Anything.
    Any,
}

impl Match {
    fn fits(&self, value: &Value) -> bool {
        match self {
            Self::Is(expected) => expected == value,
            Self::StartsWith(start) => value.as_str().is_some_and(|text| text.starts_with(start) && !climbs(text)),
            Self::AtMost(most) => value.as_f64().is_some_and(|number| number <= *most),
            Self::Any => true,
        }
    }
}

/// Whether a path-like text has a step upward, so that its beginning says nothing of where it leads.
pub(crate) fn climbs(text: &str) -> bool {
    text.split(['/', '\\']).any(|part| part == "..")
}

/// A tool and what its arguments may be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ActPattern {
    /// Name of the tool, or `*` for every tool.
    pub tool: String,
    /// Conditions by argument; all must hold. An argument without a condition fits only where `others` is true.
    #[serde(default)]
    pub arguments: BTreeMap<String, Match>,
    /// Whether arguments without a condition may be anything.
    #[serde(default)]
    pub others: bool,
}

impl ActPattern {
    /// Every call of a tool, or of all tools where it is `*`.
    pub fn tool(tool: &str) -> Self {
        Self { tool: tool.to_owned(), arguments: BTreeMap::new(), others: true }
    }

    /// Exactly these arguments.
    pub fn exact(request: &Request) -> Self {
        let is = |(key, value): (&String, &Value)| (key.clone(), Match::Is(value.clone()));
        Self { tool: request.tool.clone(), arguments: request.arguments.iter().map(is).collect(), others: false }
    }

    /// Whether a request is one of these acts.
    pub fn fits(&self, request: &Request) -> bool {
        self.fits_call(&request.tool, &request.arguments)
    }

    fn fits_call(&self, tool: &str, arguments: &Map<String, Value>) -> bool {
        (self.tool == "*" || self.tool == tool)
            && self.arguments.iter().all(|(key, what)| arguments.get(key).is_some_and(|value| what.fits(value)))
            && (self.others || arguments.keys().all(|key| self.arguments.contains_key(key)))
    }
}
