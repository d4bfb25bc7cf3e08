//! `credence brief`: documents as background for deliberations.

use std::path::PathBuf;

use clap::Subcommand;
use credence_memory::ids::{BriefingId, Seq};
use credence_memory::record::{BriefingDropped, Record};
use serde::Serialize;
use utoipa::ToSchema;

use crate::cli::Global;
use crate::commands::consider::add_briefing;
use crate::exit::WrongInput;
use crate::front::clean_text;
use crate::hint::hint;
use crate::surroundings::{now, open_home, read_state, say, say_json};

/// `credence brief ...`.
#[derive(Debug, Subcommand)]
pub(crate) enum BriefCommand {
    /// Add a document: text, Markdown or PDF
    Add {
        /// The file
        file: PathBuf,
        /// Its name here [default: the file's, without its ending]
        #[arg(long)]
        name: Option<String>,
    },
    /// List the briefings
    List {
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
    /// Show a briefing's passages
    Show {
        /// Its name
        name: String,
    },
    /// Stop using a briefing; what it was used for stays on record
    Drop {
        /// Its name
        name: String,
        /// Why
        #[arg(long, default_value = "dropped by the person")]
        reason: String,
    },
}

/// A briefing, as `credence brief list --json` tells it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BriefingJson {
    /// Its name.
    briefing: BriefingId,
    /// The file it came from.
    source: String,
    /// How many passages it has.
    passages: usize,
    /// Its record in the log.
    record: Seq,
}

/// Runs `credence brief ...`.
pub(crate) fn run(global: &Global, command: BriefCommand) -> anyhow::Result<()> {
    match command {
        BriefCommand::Add { file, name } => {
            let mut home = open_home(global)?;
            let (name, new) = add_briefing(&mut home, &file, name.as_deref())?;
            let passages = home.state().briefings()[&name].1.passages.len();
            say(if new {
                format!("{name}: {passages} passages")
            } else {
                format!("{name} has the same content already")
            })
        }
        BriefCommand::List { json } => {
            let state = read_state(global)?;
            if json {
                let all = state.briefings().values().map(|(seq, b)| BriefingJson {
                    briefing: b.briefing.clone(),
                    source: b.source.clone(),
                    passages: b.passages.len(),
                    record: *seq,
                });
                return say_json(&all.collect::<Vec<_>>());
            }
            if state.briefings().is_empty() {
                return say(format!("no briefing; {} adds one", hint("brief add FILE")));
            }
            state.briefings().values().try_for_each(|(_, b)| {
                say(format!("{}  {} passages  from {}", b.briefing, b.passages.len(), clean_text(&b.source)))
            })
        }
        BriefCommand::Show { name } => {
            let state = read_state(global)?;
            let (_, briefing) = BriefingId::new(&name)
                .ok()
                .and_then(|id| state.briefings().get(&id))
                .ok_or_else(|| WrongInput(format!("there is no briefing {name:?}")))?;
            briefing.passages.iter().enumerate().try_for_each(|(i, p)| {
                let heading = if p.heading.is_empty() { String::new() } else { format!(" {}", clean_text(&p.heading)) };
                say(format!("{}.{heading}\n   {}", i + 1, clean_text(&p.text)))
            })
        }
        BriefCommand::Drop { name, reason } => {
            let mut home = open_home(global)?;
            let briefing = BriefingId::new(&name)?;
            if !home.state().briefings().contains_key(&briefing) {
                anyhow::bail!(WrongInput(format!("there is no briefing {name:?}")));
            }
            home.append(now(), Record::BriefingDropped(BriefingDropped { briefing, reason }))?;
            say(format!("{name} is dropped"))
        }
    }
}
