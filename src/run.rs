//! The whole command line, and which subcommand runs what.

use clap::{Parser, Subcommand};

use crate::cli::{
    AgentArgs, DecideArgs, EvidenceCommand, ExplainArgs, Global, ModelCommand, PriorCommand, ReplayArgs, SessionArgs,
    TuneCommand,
};
use crate::commands::{
    agent, approvals, brief, decide, deliberation, eval, evidence, explain, model, pack, people, prior, probe, replay,
    sae, session, shard, tell, tune, values, viewpoints,
};
use crate::{mcp, serve};

/// Learns people's values from their answers, and acts, asks or defers for them.
#[derive(Debug, Parser)]
#[command(name = "credence", version, about, after_help = crate::exit::CODES)]
pub(crate) struct Cli {
    /// Options every command takes.
    #[command(flatten)]
    pub(crate) global: Global,
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The subcommands, one file each in `src/commands/`.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Interview a person: ask questions and update beliefs after each answer
    Session(SessionArgs),
    /// Work on a task: propose, ask, then act or leave it to the person
    Agent(AgentArgs),
    /// Decide between alternatives: act, ask or defer, with the reasons
    Decide(DecideArgs),
    /// Write a page about a person's values: text, Markdown, SVG or HTML
    Values(values::ValuesArgs),
    /// Show the evidence that moved a value or a decision, and by how much
    Explain(ExplainArgs),
    /// Let agents ask before they act, and learn from the answers what may pass
    Approvals {
        /// What to do with approvals.
        #[command(subcommand)]
        action: approvals::ApprovalsCommand,
    },
    /// Enter a sentence about values; it counts after you confirm how it was read
    Tell(tell::TellArgs),
    /// Manage background documents for deliberation
    Brief {
        /// What to do with briefings.
        #[command(subcommand)]
        action: brief::BriefCommand,
    },
    /// Manage documents as evidence about people in general
    Library {
        /// What to do with the library.
        #[command(subcommand)]
        action: crate::commands::library::LibraryCommand,
    },
    /// List foreseen consequences and mark them right or wrong
    Deliberation {
        /// What to do with deliberations.
        #[command(subcommand)]
        action: deliberation::DeliberationCommand,
    },
    /// List, show, check and begin packs: other domains than what people value
    Pack {
        /// What to do with packs.
        #[command(subcommand)]
        action: pack::PackCommand,
    },
    /// Predict how each person chooses between two works, or infer what works are like from people's verdicts
    Viewpoints {
        /// Which way.
        #[command(subcommand)]
        action: viewpoints::ViewpointsCommand,
    },
    /// Show the prior that the model gives before any answers
    Prior {
        /// What to do with the prior.
        #[command(subcommand)]
        action: PriorCommand,
    },
    /// Fit and use probes: is there a motive in a model's states, such as to deceive?
    Probe {
        /// What to do with probes.
        #[command(subcommand)]
        action: probe::ProbeCommand,
    },
    /// Train, audit and show sparse autoencoders of a model's states: features without labels
    Sae {
        /// What to do with autoencoders.
        #[command(subcommand)]
        action: sae::SaeCommand,
    },
    /// Fetch, list, describe and measure models
    Model {
        /// What to do with models.
        #[command(subcommand)]
        action: ModelCommand,
    },
    /// List, show, verify, retract, import, export and erase evidence
    Evidence {
        /// What to do with the log.
        #[command(subcommand)]
        action: EvidenceCommand,
    },
    /// Recompute beliefs from a log (no model needed)
    Replay(ReplayArgs),
    /// Serve a home to browsers and programs: sessions by link, values, the log, an API
    Serve(serve::ServeArgs),
    /// Keep people past one machine: shards over NATS JetStream, each with one writer
    Shard {
        /// What to do with a shard.
        #[command(subcommand)]
        action: shard::ShardCommand,
    },
    /// Let agents ask over the Model Context Protocol (standard input and output): decisions, approvals, values, reasons
    Mcp(mcp::McpArgs),
    /// Print JSON Schemas of what commands print with --json
    Schema(crate::commands::schema::SchemaArgs),
    /// Analyse several people: groups, agreement and disagreement, whose answers to ask for next, influence
    People(people::PeopleArgs),
    /// Measure how well and how fast people's values are learned
    Eval {
        /// What to measure.
        #[command(subcommand)]
        action: eval::EvalCommand,
    },
    /// Fine-tune: train, evaluate, promote and roll back LoRA adapters
    Tune {
        /// What to do with generations.
        #[command(subcommand)]
        action: TuneCommand,
    },
}

/// Runs what was asked for.
pub(crate) fn run(cli: Cli) -> anyhow::Result<()> {
    let global = &cli.global;
    crate::hint::note(global);
    if let Ok(log) = crate::surroundings::log_path(global) {
        crate::surroundings::adopt_pack_of(&log);
    }
    match cli.command {
        Command::Session(args) => session::run(global, args),
        Command::Agent(args) => agent::run(global, &args),
        Command::Decide(args) => decide::run(global, &args),
        Command::Explain(args) => explain::run(global, &args),
        Command::Brief { action } => brief::run(global, action),
        Command::Library { action } => crate::commands::library::run(global, action),
        Command::Deliberation { action } => deliberation::run(global, action),
        Command::Approvals { action } => approvals::run(global, action),
        Command::Tell(args) => tell::run(global, &args),
        Command::Pack { action } => pack::run(action),
        Command::Viewpoints { action } => viewpoints::run(global, &action),
        Command::Probe { action } => probe::run(global, action),
        Command::Sae { action } => sae::run(global, action),
        Command::Prior { action } => prior::run(global, action),
        Command::Model { action } => model::run(global, action),
        Command::Evidence { action } => evidence::run(global, action),
        Command::Replay(args) => replay::run(global, &args),
        Command::People(args) => people::run(global, args),
        Command::Mcp(args) => mcp::run(global, &args),
        Command::Serve(args) => serve::run(global, &args),
        Command::Schema(args) => crate::commands::schema::run(&args),
        Command::Values(args) => values::run(global, &args),
        Command::Shard { action } => shard::run(global, action),
        Command::Eval { action } => eval::run(global, action),
        Command::Tune { action } => tune::run(global, action),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use clap::CommandFactory;

    use super::*;
    use crate::commands::schema::printed;

    /// The words of every command at or under this one that has `--json`.
    fn with_json(command: &clap::Command, words: &str, found: &mut BTreeSet<String>) {
        if command.get_arguments().any(|argument| argument.get_long() == Some("json")) {
            found.insert(words.trim().to_owned());
        }
        for sub in command.get_subcommands() {
            with_json(sub, &format!("{words} {}", sub.get_name()), found);
        }
    }

    /// Whether every command at or under this one that has a model by `--model` has a pack by `--pack` too; those that have not.
    fn without_pack(command: &clap::Command, words: &str, found: &mut Vec<String>) {
        let has = |long: &str| command.get_arguments().any(|argument| argument.get_long() == Some(long));
        if has("model") && !has("pack") {
            found.push(words.trim().to_owned());
        }
        for sub in command.get_subcommands() {
            without_pack(sub, &format!("{words} {}", sub.get_name()), found);
        }
    }

    #[test]
    fn every_command_with_a_model_may_be_about_any_pack() {
        let mut found = Vec::new();
        without_pack(&Cli::command(), "", &mut found);
        assert!(found.is_empty(), "{found:?}");
    }

    #[test]
    fn every_command_with_json_has_a_schema() {
        let mut found = BTreeSet::new();
        with_json(&Cli::command(), "", &mut found);
        assert!(found.len() > 60, "{found:?}");
        assert_eq!(found, printed().map(str::to_owned).collect());
    }
}
