//! The hook that coding agents run before they use a tool: JSON in, a permission decision out.

use std::io::Read;

use clap::Args;
use credence_agent::approvals;
use credence_approvals::{Stated, Verdict};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::here;
use crate::cli::{Global, PersonArgs};
use crate::hint::command_of;
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
    #[serde(default, deserialize_with = "credence_approvals::unique_arguments")]
    tool_input: Map<String, Value>,
    #[serde(default)]
    session_id: String,
    #[serde(default)]
    cwd: Option<String>,
}

/// The one event that there is something to decide about.
const EVENT: &str = "PreToolUse";

/// More is not read.
const INPUT_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Answers one hook. Whatever goes wrong, the decision is "ask": the agent then puts the question itself.
pub(super) fn run(global: &Global, args: &HookArgs) -> anyhow::Result<()> {
    let mut input = Vec::new();
    let read = std::io::stdin().take(INPUT_BYTES_MAX + 1).read_to_end(&mut input);
    // A byte order mark says nothing.
    let input = input.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&input);
    if let Some(other) = other_event(input) {
        tracing::debug!("nothing to decide about {other}");
        return say_json(&json!({}));
    }
    let used = match read {
        Err(error) => Err(anyhow::anyhow!("failed to read standard input: {error}")),
        Ok(_) if input.len() as u64 > INPUT_BYTES_MAX => Err(anyhow::anyhow!("the call is too long to be judged")),
        Ok(_) if !input.trim_ascii_start().starts_with(b"{") => {
            Err(anyhow::anyhow!("standard input: a JSON object is expected"))
        }
        Ok(_) => serde_json::from_slice::<ToolUse>(input).map_err(|e| {
            anyhow::anyhow!("standard input: {e}; expected {{\"tool_name\": \"...\", \"tool_input\": {{...}}, ...}}")
        }),
    };
    let (decision, reason) = match used.and_then(|used| decided(global, args, used)) {
        Ok(decided) => decided,
        Err(error) => ("ask", format!("Credence could not decide: {error:#}")),
    };
    say_json(&json!({
        "hookSpecificOutput": {
            "hookEventName": EVENT,
            "permissionDecision": decision,
            "permissionDecisionReason": reason,
        }
    }))
}

/// The event of a hook, where it is another than [`EVENT`].
fn other_event(input: &[u8]) -> Option<String> {
    let said: Map<String, Value> = serde_json::from_slice(input).ok()?;
    let event = said.get("hook_event_name")?.as_str()?;
    (event != EVENT).then(|| event.to_owned())
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
        cwd: used.cwd,
    };
    let verdict = approvals::request(&mut home, &whose, stated, &here())?;
    let mut reason = verdict.explanation.summary;
    if let Some(question) = verdict.question {
        // What the person says to the agent itself does not reach the log: this does.
        reason.push_str(&format!(
            " To have it remembered: {} (or refuse).",
            command_of(&whose, format_args!("approvals answer {question} approve"))
        ));
    }
    let decision = match verdict.verdict {
        Verdict::Allow => "allow",
        Verdict::Ask => "ask",
        Verdict::Refuse => "deny",
    };
    Ok((decision, reason))
}
