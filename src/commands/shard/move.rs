//! `credence shard move`: slots from one shard to another, or to a new one.

use std::collections::BTreeSet;

use clap::Args;
use credence_cluster::moving::{Wanted, move_slots};
use serde::Serialize;
use utoipa::ToSchema;

use super::{ServerArgs, WorkArgs};
use crate::surroundings::{say, say_json};

/// Options of `credence shard move`.
#[derive(Debug, Args)]
pub(crate) struct MoveArgs {
    /// The shard that the slots leave
    #[arg(long, value_name = "K", required_unless_present = "go_on", value_parser = clap::value_parser!(u32).range(1..=64))]
    from: Option<u32>,
    /// The shard that they come to, 1 to 64; one that is not there yet is made
    #[arg(long, value_name = "K", required_unless_present = "go_on", value_parser = clap::value_parser!(u32).range(1..=64))]
    to: Option<u32>,
    /// The slots, 0 to 63 [default: half of those that the shard has]
    #[arg(long, value_delimiter = ',', value_name = "SLOTS", value_parser = clap::value_parser!(u32).range(0..=63))]
    slots: Vec<u32>,
    /// Go on with a move that was cut off
    #[arg(long = "continue", conflicts_with_all = ["from", "to", "slots"])]
    go_on: bool,
    #[command(flatten)]
    work: WorkArgs,
    /// One JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: ServerArgs,
}

/// What was moved, as `credence shard move --json` tells it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MovedJson {
    /// Number of the move, which stands in both logs.
    number: u64,
    /// The shard that the slots left.
    from: u32,
    /// The shard that they came to.
    to: u32,
    /// Whether that shard was made.
    is_new: bool,
    /// The slots.
    slots: Vec<u32>,
    /// People who moved.
    people: usize,
    /// Records of theirs.
    records: usize,
    /// Messages that these went in.
    messages: usize,
    /// Seconds for which the streams took nothing for these slots.
    refused_seconds: f64,
}

/// Moves them.
pub(super) fn run(args: &MoveArgs) -> anyhow::Result<()> {
    let slots = |slots: &[u32]| (!slots.is_empty()).then(|| slots.iter().copied().collect::<BTreeSet<u32>>());
    let wanted = args.from.zip(args.to).map(|(from, to)| Wanted { from, to, slots: slots(&args.slots) });
    let server = args.server.server();
    let moved = args.work.with(async |folder| move_slots(&server, wanted.as_ref(), folder).await)?;
    if args.json {
        return say_json(&MovedJson {
            number: moved.number,
            from: moved.from,
            to: moved.to,
            is_new: moved.is_new,
            slots: moved.slots.into_iter().collect(),
            people: moved.people,
            records: moved.records,
            messages: moved.pieces,
            refused_seconds: moved.refused_for.as_secs_f64(),
        });
    }
    say(format!(
        "Move {}: {} slots with {} people ({} records) from shard {} to {}. For {:.1} seconds nothing was taken for them.",
        moved.number,
        moved.slots.len(),
        moved.people,
        moved.records,
        moved.from,
        moved.to,
        moved.refused_for.as_secs_f64()
    ))?;
    if moved.is_new {
        say(format!(
            "Shard {} is new: credence shard write --shard {} writes it. Front ends that run do not know it until they are started again.",
            moved.to, moved.to
        ))?;
    }
    Ok(())
}
