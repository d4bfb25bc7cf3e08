//! `credence shard`: people past one machine. A shard is some of the people, with one stream and one log. One file a subcommand.

pub(crate) mod erase;
pub(crate) mod r#move;
pub(crate) mod population;
mod write;

use std::path::{Path, PathBuf};

use anyhow::{Context, Error};
use clap::{Args, Subcommand};
use credence_cluster::shard::Shard;
use credence_cluster::{ClusterError, Server};
use tempfile::TempDir;
use tokio::sync::oneshot;

use crate::cli::Global;
use crate::exit::Interrupted;
use crate::signals;

/// `credence shard ...`.
#[derive(Debug, Subcommand)]
pub(crate) enum ShardCommand {
    /// Write a shard's log from its stream, until stopped; stand by where another writer has the shard
    Write(write::WriteArgs),
    /// Learn one population from the people of all shards; each person then receives what was learned without them
    Population(population::PopulationArgs),
    /// Move slots, with the people in them, from one shard to another, or split a shard
    Move(r#move::MoveArgs),
    /// Erase a person from all shards: logs, their copies, and streams
    Erase(erase::ShardEraseArgs),
}

/// Where the streams are, and how to be let in.
#[derive(Debug, Args)]
pub(crate) struct ServerArgs {
    /// The NATS servers with JetStream; several with commas between them
    #[arg(long, value_name = "nats://HOST:PORT", env = "CREDENCE_NATS")]
    on: String,
    /// A NATS credentials file
    #[arg(long, value_name = "FILE")]
    credentials: Option<PathBuf>,
    /// Certificates of authorities to trust with tls:// (PEM)
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// On how many servers of a cluster the streams are kept, where they are made anew
    #[arg(long, value_name = "N", default_value = "1", value_parser = clap::value_parser!(u8).range(1..=5))]
    replicas: u8,
}

impl ServerArgs {
    /// The server.
    pub(crate) fn server(&self) -> Server {
        let (credentials, ca, replicas) = (self.credentials.clone(), self.ca.clone(), usize::from(self.replicas));
        Server { url: self.on.clone(), credentials, ca, replicas }
    }
}

/// Where logs are read for a while. They are what people said: only a process that is killed leaves them in a folder of our own.
#[derive(Debug, Args)]
pub(crate) struct WorkArgs {
    /// Folder in which the logs of shards are read meanwhile, and removed again [default: one of its own for temporary files]
    #[arg(long, value_name = "DIR")]
    work: Option<PathBuf>,
}

impl WorkArgs {
    /// Does something with the logs of whole shards in that folder, until it is done or a signal comes.
    fn with<T>(&self, work: impl AsyncFnOnce(&Path) -> Result<T, ClusterError>) -> anyhow::Result<T> {
        let own = || tempfile::Builder::new().prefix("credence-shards-").tempdir();
        let own = self.work.is_none().then(own).transpose().context("failed to make a folder for temporary files")?;
        let folder = self.work.as_deref().or(own.as_ref().map(TempDir::path)).unwrap_or(Path::new(""));
        let (stop, stopped) = oneshot::channel();
        let mut stop = Some(stop);
        let _watch = signals::watch(move || {
            if let Some(stop) = stop.take() {
                let _ = stop.send(());
            }
        });
        runtime()?.block_on(async {
            tokio::select! {
                done = work(folder) => Ok(done?),
                _ = stopped => Err(Error::new(Interrupted).context("broken off: --continue does what is missing")),
            }
        })
    }
}

/// Runs `credence shard ...`.
pub(crate) fn run(global: &Global, command: ShardCommand) -> anyhow::Result<()> {
    match command {
        ShardCommand::Write(args) => write::run(global, &args),
        ShardCommand::Population(args) => population::run(&args),
        ShardCommand::Move(args) => r#move::run(&args),
        ShardCommand::Erase(args) => erase::run(&args),
    }
}

/// What talks to the server.
fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()
}

/// A shard as it is given on the command line: `2/8`.
fn shard(text: &str) -> Result<Shard, String> {
    text.parse().map_err(|error: credence_cluster::shard::NotAShard| error.to_string())
}
