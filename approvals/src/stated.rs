//! A request as an agent states it, before what the owner declared is put in.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::paths::is_absolute;
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
    #[serde(default, deserialize_with = "super::unique::arguments")]
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
    /// What it costs at most, in units of the owner's choice. The argument that was declared as an amount counts where it is more.
    #[serde(default)]
    pub cost: Option<f64>,
    /// Whether it reaches outside the machine.
    #[serde(default)]
    pub outside: Option<bool>,
    /// Attributes that the owner declared, by name.
    #[serde(default)]
    pub declared: BTreeMap<String, f64>,
    /// The folder that relative paths begin in.
    #[serde(default)]
    pub cwd: Option<String>,
}

/// A sum that can be spent: a number of at least 0.
pub(crate) fn sum(value: Option<&Value>) -> Option<f64> {
    value.and_then(Value::as_f64).filter(|sum| sum.is_finite() && *sum >= 0.0)
}

impl Settings {
    /// The request to be judged. What the owner declared of the tool takes the place of what the agent says of it.
    pub fn request(&self, stated: Stated) -> Request {
        let tool = self.tools.iter().find(|tool| tool.name == stated.tool);
        let reversible = tool.and_then(|t| t.reversible).or(stated.reversible).unwrap_or(Reversible::Unknown);
        let affected = tool.and_then(|t| t.affected).or(stated.affected).unwrap_or(Affected::Others);
        let outside = tool.and_then(|t| t.outside).or(stated.outside).unwrap_or(true);
        let argument = |name: Option<&String>| name.and_then(|name| stated.arguments.get(name));
        let amount = sum(argument(tool.and_then(|tool| tool.amount.as_ref()))).unwrap_or(0.0);
        let said = stated.cost.unwrap_or(0.0);
        // What is no number is not hidden behind one: it is found when the request is checked.
        let cost = if said.is_nan() || said < 0.0 { said } else { said.max(amount) };
        let path = argument(tool.and_then(|tool| tool.path.as_ref())).and_then(Value::as_str);
        let cwd = stated.cwd.filter(|_| path.is_some_and(|path| !is_absolute(path))).unwrap_or_default();
        Request {
            tool: stated.tool,
            arguments: stated.arguments,
            task: stated.task,
            context: stated.context,
            reversible,
            affected,
            cost,
            outside,
            declared: stated.declared,
            cwd,
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
