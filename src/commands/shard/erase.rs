//! `credence shard erase`: a person erased from all shards, and not by accident.

use std::time::Duration;

use anyhow::Context;
use clap::Args;
use credence_cluster::erasing::{Whom, erase};
use credence_memory::ids::PersonId;
use serde::Serialize;
use utoipa::ToSchema;

use super::{ServerArgs, WorkArgs};
use crate::exit::WrongInput;
use crate::surroundings::{say, say_json};

/// Options of `credence shard erase`.
#[derive(Debug, Args)]
pub(crate) struct ShardEraseArgs {
    /// Person to erase
    #[arg(long, value_name = "NAME", required_unless_present = "go_on", requires = "yes_erase")]
    person: Option<String>,
    /// The name again, to confirm
    #[arg(long, value_name = "NAME")]
    yes_erase: Option<String>,
    /// Go on with an erasure that was cut off
    #[arg(long = "continue", conflicts_with_all = ["person", "yes_erase", "reason"])]
    go_on: bool,
    /// Why; it stays in the logs
    #[arg(long, value_name = "TEXT", default_value = "asked for by the person")]
    reason: String,
    /// Seconds that the writers may take to copy their logs anew
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    patience: u64,
    #[command(flatten)]
    work: WorkArgs,
    /// One JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: ServerArgs,
}

/// What is gone, as `credence shard erase --json` tells it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ErasedEverywhereJson {
    /// Number of the erasure.
    number: u64,
    /// Pieces of evidence that are gone from the logs.
    evidence: usize,
    /// Messages that are gone from the streams.
    messages: usize,
    /// Populations that were learned from the person too, which are gone from all shards, by the numbers of their fits.
    populations: Vec<u64>,
}

/// Erases.
pub(super) fn run(args: &ShardEraseArgs) -> anyhow::Result<()> {
    let person = args
        .person
        .as_ref()
        .map(|name| PersonId::new(name).with_context(|| WrongInput(format!("{name:?} cannot be a person's name"))));
    let person = person.transpose()?;
    let whom = match (&person, &args.yes_erase) {
        (Some(person), Some(confirmation)) => Whom::Named { person, confirmation },
        _ => Whom::Unfinished,
    };
    let (server, patience) = (args.server.server(), Duration::from_secs(args.patience));
    let gone = args.work.with(async |folder| erase(&server, whom, &args.reason, folder, patience).await)?;
    let evidence = gone.evidence.values().sum();
    if args.json {
        let populations = gone.fits.into_iter().collect();
        let (number, messages) = (gone.number, gone.messages);
        return say_json(&ErasedEverywhereJson { number, evidence, messages, populations });
    }
    say(format!(
        "Erased: {evidence} pieces of evidence from the logs of {} shards, and {} messages from their streams. Homes that follow a shard \
         erase them when they next run; backups are out of reach.",
        gone.evidence.len(),
        gone.messages
    ))?;
    if !gone.fits.is_empty() {
        say("What was learned from them with others is gone everywhere: credence shard population learns it again.")?;
    }
    Ok(())
}
