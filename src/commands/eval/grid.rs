//! `credence eval run --on` and `eval worker`: an experiment's grid on many machines.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use clap::Args;
use credence_cluster::worker::{Ends, work};
use credence_cluster::{ClusterError, Server, grid};
use credence_evals::experiment::Experiment;
use credence_evals::results::{Part, Results};

use super::experiment::wrong_folder;
use crate::exit::WrongInput;
use crate::progress::counting;
use crate::surroundings::say;

/// Options of `credence eval run`.
#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// The experiment (TOML), or the name of a built-in one
    #[arg(value_name = "FILE|NAME")]
    pub(super) experiment: PathBuf,
    /// Where results go [default: eval-NAME, or eval-NAME-2 and so on after a change of the file]
    #[arg(long, value_name = "DIR")]
    pub(super) out: Option<PathBuf>,
    /// Run one part of the grid only, such as 2/8: the second of eight jobs (then: credence eval merge)
    #[arg(long, value_name = "I/N", conflicts_with = "on", requires = "out")]
    pub(super) shard: Option<Part>,
    #[command(flatten)]
    pub(super) on: OnArgs,
}

impl RunArgs {
    /// An experiment that reads the model runs as one piece, here.
    ///
    /// # Errors
    /// `--shard` or `--on`.
    pub(super) fn whole_and_here(&self) -> anyhow::Result<()> {
        match self.shard.is_some() || self.on.on.is_some() {
            true => Err(WrongInput("this experiment reads the model: --shard and --on are not for it".into()).into()),
            false => Ok(()),
        }
    }
}

/// Where the stream is.
#[derive(Debug, Args)]
pub(crate) struct OnArgs {
    /// Have workers run it (credence eval worker), through NATS JetStream at this address
    #[arg(long, value_name = "nats://HOST:PORT", env = "CREDENCE_NATS")]
    pub(super) on: Option<String>,
    /// A NATS credentials file
    #[arg(long, value_name = "FILE", requires = "on")]
    credentials: Option<PathBuf>,
    /// Certificates of authorities to trust with tls:// (PEM)
    #[arg(long, value_name = "FILE", requires = "on")]
    ca: Option<PathBuf>,
    /// On how many servers of a cluster the streams are kept, where they are made anew
    #[arg(long, value_name = "N", default_value = "1", requires = "on", value_parser = clap::value_parser!(u8).range(1..=5))]
    replicas: u8,
}

impl OnArgs {
    fn server(&self) -> Option<Server> {
        let (credentials, ca, replicas) = (self.credentials.clone(), self.ca.clone(), usize::from(self.replicas));
        self.on.clone().map(|url| Server { url, credentials, ca, replicas })
    }
}

/// Options of `credence eval worker`.
#[derive(Debug, Args)]
pub(crate) struct WorkerArgs {
    #[command(flatten)]
    on: OnArgs,
    /// Cells at a time [default: one a core]
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,
    /// End after so many seconds with nothing to do; otherwise it goes on until it is stopped
    #[arg(long, value_name = "SECONDS")]
    until_idle: Option<u32>,
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()
}

fn failed(error: ClusterError) -> anyhow::Error {
    match error {
        ClusterError::Results(error) => wrong_folder(error),
        other => other.into(),
    }
}

/// Has workers run an experiment.
pub(super) fn collect(
    on: &OnArgs,
    experiment: &Experiment,
    file: &str,
    dir: &Path,
    progress: &(dyn Fn(usize, usize) + Sync),
) -> anyhow::Result<Results> {
    let server = on.server().ok_or_else(|| WrongInput("--on names the server".into()))?;
    runtime()?.block_on(grid::run(&server, experiment, file, dir, progress)).map_err(failed)
}

/// Runs cells.
pub(super) fn worker(args: &WorkerArgs) -> anyhow::Result<()> {
    let server = args
        .on
        .server()
        .ok_or_else(|| WrongInput("--on nats://HOST:PORT (or CREDENCE_NATS) names the server".into()))?;
    let cores = || std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let threads = args.threads.unwrap_or_else(cores).get();
    let ends = args.until_idle.map_or(Ends::Never, |seconds| Ends::Idle(Duration::from_secs(seconds.into())));
    let (bar, ran) = (counting("cells"), Arc::new(AtomicUsize::new(0)));
    let done = {
        let (bar, ran) = (bar.clone(), ran.clone());
        Arc::new(move || {
            bar.inc(1);
            ran.fetch_add(1, Ordering::Relaxed);
        })
    };
    let worked = runtime()?.block_on(work(&server, threads, ends, done)).map_err(failed);
    bar.finish_and_clear();
    worked?;
    say(format!("{} cells run, and nothing left to do", ran.load(Ordering::Relaxed)))
}
