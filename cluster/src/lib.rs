//! Experiments and people past one machine, over NATS JetStream.
//!
//! People: [`shard::write`] writes the log of a shard, [`front::Front`] takes in what people say; [`evidence`] says what both fold.
//!
//! Experiments:
//!
//! [`grid::run`] deals the cells of an experiment out and collects the results; [`worker::work`] runs cells, on any number of machines.
//! Both only know the server. A cell is acknowledged once its result is in the stream, so whoever dies is made up for, and as a run is
//! a function of its cell, the files at the end have the same bytes as on one machine.
//!
//! | stream | subjects | keeps |
//! |---|---|---|
//! | `CREDENCE_CELLS` | `credence.cells.BUILD.GRID.PLACE` | a cell until a worker has acknowledged it (a work queue) |
//! | `CREDENCE_RUNS` | `credence.runs.BUILD.GRID.PLACE` | its result, the last for each place, until the grid is whole |
//! | `CREDENCE_RUNS` | `credence.grids.BUILD.GRID` | the experiment, until the grid is whole |
//!
//! `BUILD` names what bits depend on (version, engine, form of results, processor family), so a worker only gets cells that it runs to
//! the same bits; `GRID` is a hash of the experiment's file.

use std::path::PathBuf;
use std::time::Duration;

use async_nats::ConnectOptions;
use async_nats::jetstream::context::ContextBuilder;
use async_nats::jetstream::{Context, stream};
use credence_evals::experiment::{ExperimentError, Provenance};
use credence_evals::results::ResultsError;

pub mod control;
pub mod copy;
pub mod erasing;
pub mod evidence;
pub mod follow;
pub mod front;
pub mod grid;
pub mod lease;
pub mod moving;
pub mod population;
mod replica;
pub mod shard;
pub mod worker;

const CELLS: &str = "CREDENCE_CELLS";
const RUNS: &str = "CREDENCE_RUNS";
/// How long the first connection may take, and an answer of the server.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where the stream is, and how to be let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// `nats://HOST:PORT`, or `tls://`; several with commas between them.
    pub url: String,
    /// A NATS credentials file.
    pub credentials: Option<PathBuf>,
    /// Certificates of authorities to trust, PEM.
    pub ca: Option<PathBuf>,
    /// On how many servers of a cluster streams are kept, where they are made anew.
    pub replicas: usize,
}

/// Why work past one machine failed.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// No server.
    #[error("there is no NATS server at {url}, or it does not let us in: {why}")]
    Connect {
        /// Its address.
        url: String,
        /// Why.
        why: String,
    },
    /// A file of credentials.
    #[error("failed to read the credentials {}", path.display())]
    Credentials {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The stream refused or did not answer.
    #[error("failed to {doing}: {why}{}", hint(why))]
    Stream {
        /// What was done.
        doing: &'static str,
        /// What the server said.
        why: String,
    },
    /// A worker could not run a cell.
    #[error("a worker could not run cell {place} of the grid: {why}")]
    Cell {
        /// Place in the grid, from 0.
        place: usize,
        /// What it said.
        why: String,
    },
    /// What is in the stream is not what this program puts there.
    #[error("{subject} in the stream is not of this program: {why}")]
    Foreign {
        /// The subject.
        subject: String,
        /// What was wrong.
        why: String,
    },
    /// Messages are not in the stream any more that a log does not have.
    #[error(
        "the log has the messages of shard {shard} up to {last}, and the next one in the stream is {next}: the copy of the log has what is between"
    )]
    Gap {
        /// The shard.
        shard: u32,
        /// The last one in the log.
        last: u64,
        /// The next one in the stream.
        next: u64,
    },
    /// The stream does not go on from what a log has.
    #[error(
        "the log has message {last} of shard {shard}, and {why}: the server has lost what it had taken, or this home is of another server; \
         nothing is appended"
    )]
    OtherStream {
        /// The shard.
        shard: u32,
        /// The last message in the log.
        last: u64,
        /// What the stream has instead.
        why: String,
    },
    /// A shard that nobody has begun.
    #[error(
        "shard {shard} has no log yet, neither in a home here nor as a copy on the server: start its writer first (credence shard write)"
    )]
    NoLog {
        /// The shard.
        shard: u32,
    },
    /// A log that is no beginning of the shard's.
    #[error("the log in {} is not the one of shard {shard}: {why}", path.display())]
    OtherLog {
        /// The home.
        path: PathBuf,
        /// The shard.
        shard: u32,
        /// How it shows.
        why: String,
    },
    /// A file of a home.
    #[error("failed to {doing} {}", path.display())]
    Files {
        /// What was done.
        doing: &'static str,
        /// To what.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// What is done to several shards.
    #[error("failed to {doing}: {why}")]
    Shards {
        /// What was done.
        doing: &'static str,
        /// Why it was not.
        why: String,
    },
    /// Something that was cut off, and is to be finished first.
    #[error("{what} is not finished: {next}")]
    Unfinished {
        /// What.
        what: String,
        /// What finishes it.
        next: &'static str,
    },
    /// The home of a shard.
    #[error(transparent)]
    Home(#[from] credence_memory::HomeError),
    /// The experiment.
    #[error(transparent)]
    Experiment(#[from] ExperimentError),
    /// The folder of results.
    #[error(transparent)]
    Results(#[from] ResultsError),
}

/// Why something is not done to shards.
fn not_done(doing: &'static str, why: impl Into<String>) -> ClusterError {
    ClusterError::Shards { doing, why: why.into() }
}

/// What there is to do, where nothing answers that a server with JetStream would.
fn hint(why: &str) -> &'static str {
    let is_silent =
        ["no responders", "timed out", "not enabled", "no stream found"].iter().any(|sign| why.contains(sign));
    if is_silent { " (is JetStream on? `nats-server -js`)" } else { "" }
}

/// What fails in the stream while something is done.
fn refused<E: std::fmt::Display>(doing: &'static str) -> impl Fn(E) -> ClusterError {
    move |error| ClusterError::Stream { doing, why: error.to_string() }
}

/// The stream of this configuration, made where it is not there yet.
///
/// Where two make one at the same moment, the server tells one of them that subjects overlap: then it is there a moment later.
async fn made(context: &Context, config: stream::Config, doing: &'static str) -> Result<stream::Stream, ClusterError> {
    const ATTEMPTS: u32 = 10;
    let mut attempt = 0;
    loop {
        attempt += 1;
        match context.get_or_create_stream(config.clone()).await {
            Err(error) if attempt < ATTEMPTS && error.to_string().contains(OVERLAPS) => {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            made => return made.map_err(refused(doing)),
        }
    }
}

/// What the server says of a stream whose subjects another one has.
const OVERLAPS: &str = "error code 10065";

impl Server {
    /// A connection that is taken up again by itself whenever it breaks.
    async fn context(&self) -> Result<Context, ClusterError> {
        let mut options = ConnectOptions::new().name("credence").connection_timeout(PATIENCE);
        if let Some(path) = &self.credentials {
            let failed = |source| ClusterError::Credentials { path: path.clone(), source };
            options = options.credentials_file(path).await.map_err(failed)?;
        }
        if let Some(path) = &self.ca {
            options = options.add_root_certificates(path.clone());
        }
        let addresses: Vec<&str> = self.url.split(',').map(str::trim).collect();
        // What it was caused by is in what it says already.
        let failed =
            |error: async_nats::ConnectError| ClusterError::Connect { url: self.url.clone(), why: error.to_string() };
        let client = options.connect(addresses).await.map_err(failed)?;
        Ok(ContextBuilder::new().timeout(PATIENCE).build(client))
    }

    /// A connection, where the streams of experiments are.
    async fn connect(&self) -> Result<Context, ClusterError> {
        let context = self.context().await?;
        let common = stream::Config { num_replicas: self.replicas, ..Default::default() };
        let cells = stream::Config {
            name: CELLS.to_owned(),
            subjects: vec!["credence.cells.>".to_owned()],
            retention: stream::RetentionPolicy::WorkQueue,
            ..common.clone()
        };
        let runs = stream::Config {
            name: RUNS.to_owned(),
            subjects: vec!["credence.runs.>".to_owned(), "credence.grids.>".to_owned()],
            max_messages_per_subject: 1,
            ..common
        };
        made(&context, cells, "open the stream of cells").await?;
        made(&context, runs, "open the stream of results").await?;
        Ok(context)
    }
}

/// The first half of a BLAKE3 hash, in hex: enough to tell builds and experiments apart, and fit for a subject.
fn short(text: &str) -> String {
    blake3::hash(text.as_bytes()).to_hex()[..32].to_owned()
}

/// All that bits depend on but the experiment itself.
fn build(provenance: &Provenance) -> String {
    let Provenance { file: _, file_blake3: _, version, engine_version, results_version, platform } = provenance;
    short(&format!("{version} {engine_version} {results_version} {platform}"))
}

/// Subjects of one grid.
#[derive(Clone, Debug)]
struct Subjects {
    build: String,
    grid: String,
}

impl Subjects {
    fn of(provenance: &Provenance) -> Self {
        Self {
            build: build(provenance),
            grid: provenance.file_blake3[..32.min(provenance.file_blake3.len())].to_owned(),
        }
    }

    /// Grid and place of a cell's subject.
    fn read(subject: &str) -> Option<(Self, usize)> {
        let mut parts = subject.split('.').skip(2);
        let (build, grid, place) = (parts.next()?.to_owned(), parts.next()?.to_owned(), parts.next()?.parse().ok()?);
        Some((Self { build, grid }, place))
    }

    fn cell(&self, place: usize) -> String {
        format!("credence.cells.{}.{}.{place}", self.build, self.grid)
    }

    fn run(&self, place: usize) -> String {
        format!("credence.runs.{}.{}.{place}", self.build, self.grid)
    }

    fn runs(&self) -> String {
        format!("credence.runs.{}.{}.*", self.build, self.grid)
    }

    fn experiment(&self) -> String {
        format!("credence.grids.{}.{}", self.build, self.grid)
    }
}

/// What a worker says of a cell.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
enum Answer {
    Run(Box<credence_evals::experiment::Run>),
    Failed(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cells_subject_says_where_it_belongs() {
        let subjects = Subjects::of(&Provenance::of("name = \"x\""));
        let (read, place) = Subjects::read(&subjects.cell(17)).expect("a cell");
        assert_eq!((read.experiment(), place), (subjects.experiment(), 17));
        assert!(Subjects::read("credence.cells.a.b").is_none() && Subjects::read("credence.cells.a.b.c").is_none());
        // Bits are promised for one version only, so another one's cells are others.
        let mut later = Provenance::of("name = \"x\"");
        later.engine_version += 1;
        assert_ne!(Subjects::of(&later).cell(17), subjects.cell(17));
    }
}
