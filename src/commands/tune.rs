//! `credence tune`: generations of the model, from a data set to a promotion, and back.

mod background;
mod files;
pub(crate) mod status;
pub(crate) mod work;

use anyhow::Context;
use credence_memory::ids::{AdapterGeneration, PersonId};
use credence_memory::record::{AdapterRolledBack, Record};
use credence_memory::state::State;
use credence_tuning::candidate::{CandidatePrior, Folder, Outcome, TuneSettings};
use credence_tuning::dataset::Whose;
use credence_tuning::plan;
use credence_tuning::records::{self, RecordError};

use crate::cli::{Global, TuneCommand, WhoseArgs};
use crate::exit::WrongInput;
use crate::surroundings::{home, now, open_home, say};

pub(crate) use background::learning;
pub(crate) use work::show;

/// Runs `credence tune ...`.
pub(crate) fn run(global: &Global, command: TuneCommand) -> anyhow::Result<()> {
    match command {
        TuneCommand::Run(args) => work::run(global, &args),
        TuneCommand::Work { generation, model } => work::in_background(global, generation, &model),
        TuneCommand::Status(args) => status::run(global, &args),
        TuneCommand::Promote { generation, force } => promote(global, generation, force),
        TuneCommand::Rollback { generation, reason } => rollback(global, generation, reason),
        TuneCommand::Export(args) => files::export(global, &args),
        TuneCommand::Import(args) => files::import(global, &args),
    }
}

/// How candidates are made and judged in this home.
pub(crate) fn settings(global: &Global) -> anyhow::Result<TuneSettings> {
    let path = home(global)?.join("tune.toml");
    match std::fs::read_to_string(&path) {
        Ok(text) => TuneSettings::parse(&text).map_err(|e| WrongInput(format!("{}: {e}", path.display())).into()),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(TuneSettings::default()),
        Err(e) => Err(e).with_context(|| format!("failed to read {}", path.display())),
    }
}

fn whose(state: &State, args: &WhoseArgs) -> anyhow::Result<Whose> {
    Ok(match &args.person {
        Some(name) => {
            Whose::Person(PersonId::new(name).with_context(|| format!("{name:?} cannot be a person's name"))?)
        }
        None if args.everyone => Whose::Population,
        None => plan::whose(state),
    })
}

fn promote(global: &Global, generation: u32, force: Option<String>) -> anyhow::Result<()> {
    let mut home = open_home(global)?;
    let known = home.state().generations().adapter(AdapterGeneration(generation)).is_some();
    if !known {
        anyhow::bail!(WrongInput(format!("the log has no generation {generation}; `credence tune status` lists them")));
    }
    let folder = Folder::of(home.paths().root(), generation);
    let outcome: Outcome = folder.read("outcome.json")?.ok_or(RecordError::NoFolder(generation))?;
    let prior: Option<&CandidatePrior> = outcome.prior.as_ref();
    records::promote(&mut home, AdapterGeneration(generation), prior, force, now())?;
    home.checkpoint();
    say(format!("generation {generation} is in force"))
}

fn rollback(global: &Global, generation: Option<u32>, reason: String) -> anyhow::Result<()> {
    let mut home = open_home(global)?;
    let current = home.state().ledger().current();
    let generation = generation.map_or(current, AdapterGeneration);
    if generation == AdapterGeneration::BASE {
        anyhow::bail!(WrongInput("no generation is in force: there is nothing to take back".to_owned()));
    }
    home.append(now(), Record::AdapterRolledBack(AdapterRolledBack { generation, reason }))?;
    home.checkpoint();
    let current = home.state().ledger().current();
    say(format!("generation {generation} is taken back; {} is in force", name(current)))
}

/// A generation in words.
pub(super) fn name(generation: AdapterGeneration) -> String {
    if generation == AdapterGeneration::BASE { "the base model".to_owned() } else { format!("generation {generation}") }
}
