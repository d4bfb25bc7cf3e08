//! The authored acts.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::request::{Affected, Request, Reversible};
use crate::settings::{DeclaredAttribute, Settings, ToolDeclaration};

/// What owners care about, in the order of their weights.
pub const CONCERNS: [&str; 7] =
    ["privacy", "money", "irreversibility", "others_affected", "reputation", "security", "time"];

/// Whether an act may be used to choose anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Split {
    /// It may.
    Train,
    /// It is for the last measurement only.
    Test,
}

/// One authored act. `concerns` are latent: owners see them, features do not.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Act {
    /// Its name.
    pub id: String,
    /// Tool.
    pub tool: String,
    /// What the agent was told to do.
    pub task: String,
    /// Arguments.
    pub arguments: Map<String, Value>,
    /// A sentence.
    pub context: String,
    /// Whether it can be taken back.
    pub reversible: Reversible,
    /// Whom it concerns.
    pub affected: Affected,
    /// What it costs.
    pub cost: f64,
    /// Whether it reaches outside the machine.
    pub outside: bool,
    /// Declared attributes.
    pub declared: BTreeMap<String, f64>,
    /// How far it goes against each concern, from -2 (serves it) to 2.
    pub concerns: BTreeMap<String, f64>,
    /// Whether any sensible owner would want to be asked, though the task is ordinary.
    pub planted_blocker: bool,
    /// Which part it belongs to.
    pub split: Split,
    /// A model's own yes (it may pass) or no, where one was read: the hook for that baseline.
    #[serde(default)]
    pub model_says: Option<bool>,
    /// What a model reads of the act in its context, key points a value; empty if none did.
    #[serde(default)]
    pub readings: Vec<f64>,
}

impl Act {
    /// As a request. Number `n` is one more argument, so that no two calls of a run are the same call.
    pub fn request(&self, n: usize) -> Request {
        let mut arguments = self.arguments.clone();
        arguments.insert("n".to_owned(), n.into());
        Request {
            tool: self.tool.clone(),
            arguments,
            task: self.task.clone(),
            context: self.context.clone(),
            reversible: self.reversible,
            affected: self.affected,
            cost: self.cost,
            outside: self.outside,
            declared: self.declared.clone(),
            cwd: String::new(),
            readings: self.readings.clone(),
        }
    }

    /// Strengths in the order of [`CONCERNS`].
    pub(crate) fn strengths(&self) -> [f64; 7] {
        CONCERNS.map(|name| self.concerns.get(name).copied().unwrap_or(0.0))
    }
}

/// Acts from JSON lines.
///
/// # Errors
/// A line that is no act.
pub fn parse_acts(lines: &str) -> Result<Vec<Act>, serde_json::Error> {
    lines.lines().map(serde_json::from_str).collect()
}

/// Settings with the tools, attributes and people that the authored acts speak of.
pub fn settings_of_acts() -> Settings {
    let tool = |name: &str, path: &str, recipient: &str, amount: &str| {
        let argument = |name: &str| (!name.is_empty()).then(|| name.to_owned());
        ToolDeclaration {
            name: name.to_owned(),
            path: argument(path),
            recipient: argument(recipient),
            amount: argument(amount),
            ..ToolDeclaration::default()
        }
    };
    let paths = ["file.read", "file.write", "file.delete", "file.move"].map(|name| tool(name, "path", "", ""));
    let people = ["mail.draft", "mail.send", "message.send"].map(|name| tool(name, "", "to", ""));
    let shared = [tool("account.share", "", "with", ""), tool("calendar.create", "", "invite", "")];
    let money = [tool("pay.transfer", "", "to", "amount"), tool("shop.buy", "", "", "amount")];
    let plain = "mail.read mail.delete calendar.read calendar.delete code.run code.commit code.push code.install \
                 web.fetch web.post web.form message.read device.set device.lock";
    let plain = plain.split(' ').map(|name| tool(name, "", "", ""));
    let known = "ana@studio.example clara@studio.example ben@family.example team@work.example chief@work.example \
                 hr@work.example helpdesk@work.example office@landlord.example client@big.example \
                 support@shop.example doctor@clinic.example teacher@school.example bank@bank.example \
                 tax@state.example ana ben clara family partner team chief doctor neighbour landlord club customer \
                 DE-landlord DE-power DE-ben DE-tax DE-savings DE-clara DE-phone DE-school DE-charity DE-gym DE-ana";
    let flag = |name: &str| DeclaredAttribute { name: name.to_owned(), centre: 0.0, scale: 1.0 };
    Settings {
        // As the published figures were measured: a class that is absent is nobody and nothing, and acts have many arguments.
        version: 1,
        tools: paths.into_iter().chain(people).chain(shared).chain(money).chain(plain).collect(),
        declared: ["personal", "secret", "bulk"].map(flag).into(),
        workspace: "/project".to_owned(),
        known_recipients: known.split_whitespace().map(str::to_owned).collect(),
        ..Settings::default()
    }
}
