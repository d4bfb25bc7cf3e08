//! A request as an agent states it, before what the owner declared is put in.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::request::{Affected, Request, Reversible};
use super::settings::Settings;

/// What an agent says of the act it asks for. What it leaves out, and the owner did not declare either, counts as the careful
/// answer: nobody knows whether it can be undone, others are affected, it reaches outside.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stated {
    /// Name of the tool.
    pub tool: String,
    /// Arguments by name.
    #[serde(default)]
    pub arguments: Map<String, Value>,
    /// The task it belongs to.
    #[serde(default)]
    pub task: String,
    /// A sentence for the person; shown, never read for the decision.
    #[serde(default)]
    pub context: String,
    /// Whether it can be taken back.
    #[serde(default)]
    pub reversible: Option<Reversible>,
    /// Whom it concerns at most.
    #[serde(default)]
    pub affected: Option<Affected>,
    /// What it costs at most, in units of the owner's choice.
    #[serde(default)]
    pub cost: Option<f64>,
    /// Whether it reaches outside the machine.
    #[serde(default)]
    pub outside: Option<bool>,
    /// Attributes that the owner declared, by name.
    #[serde(default)]
    pub declared: BTreeMap<String, f64>,
}

impl Settings {
    /// The request to be judged. What the owner declared of the tool takes the place of what the agent says of it.
    pub fn request(&self, stated: Stated) -> Request {
        let tool = self.tools.iter().find(|tool| tool.name == stated.tool);
        let reversible = tool.and_then(|t| t.reversible).or(stated.reversible).unwrap_or(Reversible::Unknown);
        let affected = tool.and_then(|t| t.affected).or(stated.affected).unwrap_or(Affected::Others);
        let outside = tool.and_then(|t| t.outside).or(stated.outside).unwrap_or(true);
        Request {
            tool: stated.tool,
            arguments: stated.arguments,
            task: stated.task,
            context: stated.context,
            reversible,
            affected,
            cost: stated.cost.unwrap_or(0.0),
            outside,
            declared: stated.declared,
            readings: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::ToolDeclaration;

    #[test]
    fn what_the_owner_declared_counts_and_what_nobody_said_is_taken_with_care() {
        let shell = ToolDeclaration {
            name: "shell".into(),
            reversible: Some(Reversible::No),
            outside: Some(true),
            ..ToolDeclaration::default()
        };
        let settings = Settings { tools: vec![shell], ..Settings::default() };
        let stated = r#"{"tool": "shell", "arguments": {"command": "ls"}, "reversible": "yes", "outside": false}"#;
        let request = settings.request(serde_json::from_str(stated).unwrap());
        assert_eq!((request.reversible, request.affected, request.outside), (Reversible::No, Affected::Others, true));
        let request = settings.request(serde_json::from_str(r#"{"tool": "other", "affected": "nobody"}"#).unwrap());
        assert_eq!(
            (request.reversible, request.affected, request.outside),
            (Reversible::Unknown, Affected::Nobody, true)
        );
        assert!(serde_json::from_str::<Stated>(r#"{"tool": "shell", "harmless": true}"#).is_err());
    }
}
