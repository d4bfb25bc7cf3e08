//! What a decision takes into account: consequences, and several people.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use credence_memory::population::{CollectiveBars, SOURCE_CAP};

/// How much is considered before a decision.
#[derive(Debug, Args, Clone)]
pub(crate) struct ConsiderArgs {
    /// Write the consequences of each alternative and judge it with and without them; Ctrl-C ends the writing
    #[arg(long)]
    pub(crate) deliberate: bool,
    /// Write consequences only of alternatives of which probes (`credence probe`) are unsure whether a bad motive is in them
    #[arg(long)]
    pub(crate) deliberate_if_unsure: bool,
    /// The most tokens to write, for all alternatives together
    #[arg(long, value_name = "N", default_value_t = 480, value_parser = crate::cli::numbers::count::<0, 100000>)]
    pub(crate) deliberation_tokens: usize,
    /// A document as background (text, Markdown or PDF), used with --deliberate, which it implies; kept until `credence brief drop`
    #[arg(long = "brief", value_name = "FILE")]
    pub(crate) briefs: Vec<PathBuf>,
}

/// What a source may count for.
#[derive(Debug, Args, Clone)]
pub(crate) struct CapArgs {
    /// The share of all people that one source counts for at most, unless it is the only one; 1 caps nobody
    #[arg(long, value_name = "SHARE", default_value_t = SOURCE_CAP, value_parser = crate::cli::numbers::cap)]
    pub(crate) source_cap: f64,
}

/// How several people are decided for.
#[derive(Debug, Args, Clone)]
pub(crate) struct TogetherArgs {
    /// Decide for several people: all, group:N (credence people shows the groups), or names with commas between
    #[arg(long = "for", value_name = "PEOPLE", conflicts_with = "person")]
    pub(crate) whom: Option<String>,
    /// The rule, with --for
    #[arg(long, value_enum, default_value_t = RuleArg::Utilitarian)]
    pub(crate) rule: RuleArg,
    /// Which alternative happens if nothing is decided, from 1 [default: each as likely as any other]
    #[arg(long, value_name = "N")]
    pub(crate) fallback: Option<usize>,
    /// Leave it open when rules differ by more than this, in relative utility (0 each person's worst, 1 their best)
    #[arg(long, value_name = "UNITS", default_value_t = CollectiveBars::default().rules, value_parser = super::bar)]
    pub(crate) rules_bar: f64,
    /// A group or a person objects when it loses more than this against its own best
    #[arg(long, value_name = "UNITS", default_value_t = CollectiveBars::default().objection, value_parser = super::bar)]
    pub(crate) objection_bar: f64,
    /// The cap.
    #[command(flatten)]
    pub(crate) cap: CapArgs,
}

/// A rule, in words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum RuleArg {
    /// The greatest sum of relative utilities
    Utilitarian,
    /// Maximise the utility of the worst-off group (within one group, of the worst-off person)
    Maximin,
    /// The greatest product of gains over the fallback
    Nash,
    /// The greatest sum that leaves no group below its fallback
    NoGroupWorse,
}
