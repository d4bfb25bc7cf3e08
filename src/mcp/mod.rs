//! `credence mcp`: agents ask over the Model Context Protocol. A desk owns the home, as in the service.

mod explained;
mod host;
mod reading;
mod terms;

use std::sync::Arc;

use anyhow::Context;
use clap::Args;
use credence_agent::askable::Askable;
use credence_agent::words::{self, Listener};
use credence_mcp::{AnswerAt, Options, serve_stdio};

use crate::cli::{BarArgs, Global, ModelArgs, PersonArgs};
use crate::hint::{command, command_of};
use crate::serve::desk::{DeskHandle, Keeps};
use crate::serve::done::Done;
use crate::surroundings::{Opened, bank, pack, person, schema};

pub(crate) use host::{AGENT, DeskHost, Elsewhere, OWNER};
pub(crate) use reading::LiveReading;

/// `credence mcp`.
#[derive(Debug, Args)]
pub(crate) struct McpArgs {
    /// Never put a question through the client, only say where it can be answered: for a client that is agent and person at once
    #[arg(long)]
    no_elicitation: bool,
    /// The owner, whose approvals count and whose values are meant where nobody is named.
    #[command(flatten)]
    person: PersonArgs,
    /// When to act and when to ask.
    #[command(flatten)]
    bars: BarArgs,
    /// What a new home is begun with, and what reads new situations.
    #[command(flatten)]
    model: ModelArgs,
}

/// Runs `credence mcp`: one client over standard input and output, until it goes.
pub(crate) fn run(global: &Global, args: &McpArgs) -> anyhow::Result<()> {
    let owner = person(&args.person)?;
    let pack = pack(global, &args.model)?;
    let schema = schema(global, &args.model)?;
    let mut opened = Opened::open(global, &args.model)?;
    let found = crate::carrying::settle(&mut opened.home)?;
    crate::carrying::tell(&opened.home, &found);
    let Opened { home, opening, .. } = opened;
    let askable = Arc::new(Askable::new(bank(None, pack.as_ref())?, home.state())?);
    let names = schema.values.iter().map(|v| (v.id.clone(), v.name.clone())).collect();
    let no_model = || Err("sentences are read by their grammar here".into());
    let listener = Listener::new(&schema, words::Reader::Plain, Arc::new(no_model));
    let (desk, thread) = DeskHandle::start(home, Keeps::Disk, Done::default(), askable, listener, names, || {})?;
    let reading = LiveReading::new(move || Ok(opening.clone()), crate::probing::folder(global));
    let watched = desk.clone();
    // This process holds the home: what is said in another is handed to it.
    let whose = owner.clone();
    let host = DeskHost::new(desk, owner, Arc::new(reading), args.bars.bars(), move |what| AnswerAt {
        url: None,
        command: Some(match what {
            Elsewhere::Call(question) => command_of(&whose, format_args!("approvals answer {question} approve")),
            Elsewhere::Decision(record) => command(format_args!("decide answer {record} first")),
            Elsewhere::Act(act) => command_of(&whose, format_args!("approvals undo {act}")),
        }),
    });
    let options = Options { elicitation: !args.no_elicitation, ..Options::default() };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    // The handle is let go of with the task, so that the desk ends.
    let looking = runtime.spawn(crate::carrying::look_after(watched));
    let served = runtime.block_on(serve_stdio(Arc::new(host), options)).context("the client's session ended badly");
    looking.abort();
    drop(runtime);
    thread.join().map_err(|_| anyhow::anyhow!("the desk's thread failed"))?.map_err(anyhow::Error::msg)?;
    served
}
