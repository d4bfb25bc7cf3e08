//! The hook that coding agents run before they use a tool: JSON in, a permission decision out.

use std::io::Read;

use anyhow::Context;
use clap::Args;
use credence_agent::approvals;
use credence_approvals::{Stated, Verdict};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::here;
use crate::cli::{Global, PersonArgs};
use crate::exit::WrongInput;
use crate::surroundings::{open_home, person, say_json};

/// `credence approvals hook`.
#[derive(Debug, Args)]
pub(crate) struct HookArgs {
    /// Whose agent it is.
    #[command(flatten)]
    person: PersonArgs,
}

/// What the agent sends. It sends more, which is of no interest here.
#[derive(Debug, Deserialize)]
struct ToolUse {
    tool_name: String,
    #[serde(default)]
    tool_input: Map<String, Value>,
    #[serde(default)]
    session_id: String,
}

/// Answers one hook. Where anything goes wrong the decision is "ask": the agent then puts the question itself.
pub(super) fn run(global: &Global, args: &HookArgs) -> anyhow::Result<()> {
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text).context("failed to read standard input")?;
    let used: ToolUse = serde_json::from_str(&text).map_err(|e| {
        WrongInput(format!("standard input: {e}; expected {{\"tool_name\": \"...\", \"tool_input\": {{...}}, ...}}"))
    })?;
    let (decision, reason) = match decided(global, args, used) {
        Ok(decided) => decided,
        Err(error) => ("ask", format!("Credence could not decide: {error:#}")),
    };
    say_json(&json!({
        "hookSpecificOutput": {
            "hookEventName": "PreToolUse",
            "permissionDecision": decision,
            "permissionDecisionReason": reason,
        }
    }))
}

fn decided(global: &Global, args: &HookArgs, used: ToolUse) -> anyhow::Result<(&'static str, String)> {
    let whose = person(&args.person)?;
    let mut home = open_home(global)?;
    let stated = Stated {
        tool: used.tool_name,
        arguments: used.tool_input,
        task: used.session_id,
        context: String::new(),
        reversible: None,
        affected: None,
        cost: None,
        outside: None,
        declared: Default::default(),
    };
    let verdict = approvals::request(&mut home, &whose, stated, &here())?;
    let mut reason = verdict.explanation.summary;
    if let Some(question) = verdict.question {
        // What the person says to the agent itself does not reach the log: this does.
        reason.push_str(&format!(" To have it remembered: credence approvals answer {question} approve|refuse."));
    }
    let decision = match verdict.verdict {
        Verdict::Allow => "allow",
        Verdict::Ask => "ask",
        Verdict::Refuse => "deny",
    };
    Ok((decision, reason))
}
