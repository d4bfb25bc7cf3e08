//! Runs cells of whatever experiments there are in the stream.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::consumer::{Consumer, pull};
use async_nats::jetstream::stream::{LastRawMessageErrorKind, Stream};
use async_nats::jetstream::{AckKind, Context, Message};
use credence_evals::experiment::{Cell, Experiment, Provenance};
use tokio::sync::Mutex;
use tokio::time::Instant;
use tokio_stream::StreamExt;

use crate::{Answer, CELLS, ClusterError, RUNS, Server, Subjects, build, grid, refused};

/// A worker that says nothing of a cell for so long is taken to be dead, and another gets the cell.
pub(crate) const SILENCE: Duration = Duration::from_secs(20);
/// How often a worker says that it is still at a cell.
const BREATH: Duration = Duration::from_secs(5);
/// How long one request for a cell waits.
const FETCH: Duration = Duration::from_secs(2);

/// When a worker ends by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ends {
    /// Never.
    Never,
    /// After there was nothing to do for so long.
    Idle(Duration),
}

/// An experiment that a worker knows.
struct Known {
    experiment: Experiment,
    cells: Vec<Cell>,
}

struct Worker {
    context: Context,
    cells: Consumer<pull::Config>,
    runs: Stream,
    known: Mutex<HashMap<String, Arc<Known>>>,
}

/// Runs cells, `threads` at a time, until told to end. `done` is called after each.
///
/// # Errors
/// No server, or a stream that refuses. A server that goes away for a while is waited for.
pub async fn work(
    server: &Server,
    threads: usize,
    ends: Ends,
    done: Arc<dyn Fn() + Send + Sync>,
) -> Result<(), ClusterError> {
    let context = server.connect().await?;
    let own = build(&Provenance::of(""));
    let doing = "join the workers";
    let stream = context.get_stream(CELLS).await.map_err(refused(doing))?;
    let shared = grid::shared(&own);
    let name = shared.durable_name.clone().unwrap_or_default();
    let cells = stream.get_or_create_consumer(&name, shared).await.map_err(refused(doing))?;
    let runs = context.get_stream(RUNS).await.map_err(refused(doing))?;
    let worker = Arc::new(Worker { context, cells, runs, known: Mutex::default() });
    let mut hands = tokio::task::JoinSet::new();
    for _ in 0..threads.max(1) {
        let (worker, done) = (worker.clone(), done.clone());
        hands.spawn(async move { worker.hand(ends, &*done).await });
    }
    while let Some(ended) = hands.join_next().await {
        ended.map_err(refused("work"))??;
    }
    Ok(())
}

impl Worker {
    /// One cell after another.
    async fn hand(&self, ends: Ends, done: &(dyn Fn() + Send + Sync)) -> Result<(), ClusterError> {
        let mut idle_since = Instant::now();
        loop {
            match self.next().await {
                Ok(Some(message)) => {
                    // What fails here is delivered again, to whoever is there.
                    if self.cell(&message).await.is_ok_and(|ran| ran) {
                        done();
                    }
                    idle_since = Instant::now();
                }
                Ok(None) => {}
                // The connection is taken up again by itself.
                Err(_) => tokio::time::sleep(FETCH).await,
            }
            if let Ends::Idle(patience) = ends
                && idle_since.elapsed() >= patience
            {
                return Ok(());
            }
        }
    }

    async fn next(&self) -> Result<Option<Message>, ClusterError> {
        let doing = "ask for a cell";
        let mut batch = self.cells.fetch().max_messages(1).expires(FETCH).messages().await.map_err(refused(doing))?;
        batch.next().await.transpose().map_err(refused(doing))
    }

    /// Runs a cell, publishes the result, and then acknowledges the cell. Says whether it ran.
    async fn cell(&self, message: &Message) -> Result<bool, ClusterError> {
        let doing = "answer for a cell";
        let known = match Subjects::read(&message.subject) {
            Some((subjects, place)) => self.known(&subjects).await?.map(|known| (subjects, place, known)),
            None => None,
        };
        let Some((subjects, place, known)) = known else {
            // Nobody waits for it any more.
            message.ack_with(AckKind::Term).await.map_err(refused(doing))?;
            return Ok(false);
        };
        let mut running = tokio::task::spawn_blocking(move || match known.cells.get(place) {
            Some(cell) => match known.experiment.run(cell) {
                Ok(run) => Answer::Run(Box::new(run)),
                Err(error) => Answer::Failed(error.to_string()),
            },
            None => Answer::Failed(format!("the grid has {} cells", known.cells.len())),
        });
        let answer = loop {
            tokio::select! {
                answer = &mut running => break answer.unwrap_or_else(|e| Answer::Failed(e.to_string())),
                () = tokio::time::sleep(BREATH) => {
                    // If this does not arrive another worker runs the cell too, to the same bits.
                    let _ = message.ack_with(AckKind::Progress).await;
                }
            }
        };
        let answer = serde_json::to_vec(&answer).map_err(refused(doing))?;
        let sent = self.context.publish(subjects.run(place), answer.into()).await.map_err(refused(doing))?;
        sent.await.map_err(refused(doing))?;
        message.double_ack().await.map_err(refused(doing))?;
        Ok(true)
    }

    /// The experiment of a grid; nothing where it is over.
    async fn known(&self, subjects: &Subjects) -> Result<Option<Arc<Known>>, ClusterError> {
        let mut known = self.known.lock().await;
        if let Some(found) = known.get(&subjects.grid) {
            return Ok(Some(found.clone()));
        }
        let subject = subjects.experiment();
        let about = match self.runs.get_last_raw_message_by_subject(&subject).await {
            Ok(about) => about,
            Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => return Ok(None),
            Err(error) => return Err(refused("read the experiment")(error)),
        };
        let foreign = |why: String| ClusterError::Foreign { subject: subject.clone(), why };
        let provenance: Provenance = serde_json::from_slice(&about.payload).map_err(|e| foreign(e.to_string()))?;
        let experiment = Experiment::parse(&provenance.file)?;
        let found = Arc::new(Known { cells: experiment.cells(), experiment });
        known.insert(subjects.grid.clone(), found.clone());
        Ok(Some(found))
    }
}
