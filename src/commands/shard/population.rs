//! `credence shard population`: one population from the people of all shards.

use std::time::Duration;

use clap::Args;
use credence_cluster::population::learn;
use serde::Serialize;
use utoipa::ToSchema;

use super::{ServerArgs, runtime};
use crate::cli::CapArgs;
use crate::surroundings::{say, say_json};

/// Options of `credence shard population`.
#[derive(Debug, Args)]
pub(crate) struct PopulationArgs {
    /// The cap.
    #[command(flatten)]
    cap: CapArgs,
    /// Seconds that a shard's writer may take to publish its people's messages, and to take the result in
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    patience: u64,
    /// One JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: ServerArgs,
}

/// What was learned, as `credence shard population --json` tells it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PopulationOverShardsJson {
    /// Number of the fit, which stands in every shard's log.
    fit: u64,
    /// People that it was learned from.
    people: usize,
    /// By shard.
    shards: Vec<OneShardJson>,
    /// Share of people around each centre, to a thousandth.
    components: Vec<f64>,
}

/// What a shard had to do with it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OneShardJson {
    /// Which.
    shard: u32,
    /// Its people that it was learned from.
    people: usize,
    /// The message of its stream that brought the result.
    message: u64,
}

/// Learns it.
pub(super) fn run(args: &PopulationArgs) -> anyhow::Result<()> {
    let tell = |came: &str| {
        if !args.json
            && let Err(error) = say(came)
        {
            tracing::debug!("{error:#}");
        }
    };
    let (server, patience) = (args.server.server(), Duration::from_secs(args.patience));
    let learned = runtime()?.block_on(learn(&server, args.cap.source_cap, patience, &tell))?;
    let people: usize = learned.people.values().sum();
    let components: Vec<f64> = learned.components.iter().map(|share| f64::from(*share) / 1000.0).collect();
    if args.json {
        let one = |(shard, people): (&u32, &usize)| OneShardJson {
            shard: *shard,
            people: *people,
            message: learned.at.get(shard).copied().unwrap_or(0),
        };
        let shards = learned.people.iter().map(one).collect();
        return say_json(&PopulationOverShardsJson { fit: learned.fit, people, shards, components });
    }
    let shards = learned.at.len();
    say(format!(
        "Learned from {people} people in {shards} shards, around {} centres. Every shard has it as fit {}; each person receives what was \
         learned without them.",
        components.len(),
        learned.fit
    ))
}
