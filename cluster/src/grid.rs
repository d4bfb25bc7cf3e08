//! Deals the cells of an experiment out to workers and collects the results in a folder.

use std::path::Path;

use async_nats::jetstream::Context;
use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, pull};
use async_nats::jetstream::context::PublishErrorKind;
use async_nats::jetstream::message::PublishMessage;
use credence_evals::experiment::Experiment;
use credence_evals::results::{Folder, Part, Results};
use tokio_stream::StreamExt;

use crate::{Answer, ClusterError, RUNS, Server, Subjects, refused};

/// Cells that are on their way to the server at once.
const BATCH: usize = 256;

/// Has workers run what a folder does not hold yet of an experiment, and writes the results. `progress` gets cells done and cells in all.
/// Interrupted, it goes on where it was: workers go on meanwhile, and their results wait in the stream.
///
/// # Errors
/// No server, a stream that refuses, a cell that no worker can run, and what the folder refuses ([`Folder`]).
///
/// # Panics
/// Never: a folder whose cells are all there writes results.
pub async fn run(
    server: &Server,
    experiment: &Experiment,
    file: &str,
    dir: &Path,
    progress: &(dyn Fn(usize, usize) + Sync),
) -> Result<Results, ClusterError> {
    let mut folder = Folder::open(experiment, file, dir)?;
    let of = folder.cells().len();
    progress(folder.finished(), of);
    if folder.finished() < of {
        let context = server.connect().await?;
        let subjects = Subjects::of(folder.provenance());
        let about = serde_json::to_vec(folder.provenance()).map_err(refused("say what the experiment is"))?;
        publish(&context, subjects.experiment(), PublishMessage::build().payload(about.into())).await?;
        collect(&context, &subjects, &mut folder, progress).await?;
        let results = folder.finish()?;
        // Only now: what is in the files need not be in the stream.
        let runs = context.get_stream(RUNS).await.map_err(refused("open the stream of results"))?;
        for subject in [subjects.runs(), subjects.experiment()] {
            runs.purge().filter(subject).await.map_err(refused("clear the stream of results"))?;
        }
        return Ok(results.expect("all cells are there"));
    }
    Ok(folder.finish()?.expect("all cells are there"))
}

async fn publish(context: &Context, subject: String, message: PublishMessage) -> Result<(), ClusterError> {
    let sent = context.send_publish(subject, message).await.map_err(refused("publish"))?;
    sent.await.map_err(refused("publish"))?;
    Ok(())
}

/// Takes results as they come, after dealing out the cells that have none, until the folder is whole.
async fn collect(
    context: &Context,
    subjects: &Subjects,
    folder: &mut Folder,
    progress: &(dyn Fn(usize, usize) + Sync),
) -> Result<(), ClusterError> {
    let doing = "follow the stream of results";
    let stream = context.get_stream(RUNS).await.map_err(refused(doing))?;
    let consumer = stream
        .create_consumer(pull::OrderedConfig {
            filter_subject: subjects.runs(),
            deliver_policy: DeliverPolicy::All,
            ..Default::default()
        })
        .await
        .map_err(refused(doing))?;
    let mut waiting = consumer.cached_info().num_pending;
    let mut results = consumer.messages().await.map_err(refused(doing))?;
    // What came while nobody collected is not dealt out again.
    let mut dealt = false;
    loop {
        if waiting == 0 && !dealt {
            deal(context, subjects, &folder.missing(Part::WHOLE)).await?;
            dealt = true;
        }
        if folder.finished() == folder.cells().len() {
            return Ok(());
        }
        let Some(message) = results.next().await else {
            return Err(ClusterError::Stream { doing, why: "it ended".to_owned() });
        };
        let message = message.map_err(refused(doing))?;
        waiting = waiting.saturating_sub(1);
        let foreign = |why: String| ClusterError::Foreign { subject: message.subject.to_string(), why };
        let (_, place) = Subjects::read(&message.subject).ok_or_else(|| foreign("no place in a grid".to_owned()))?;
        match serde_json::from_slice(&message.payload).map_err(|e| foreign(e.to_string()))? {
            Answer::Run(run) => drop(folder.add(*run)?),
            Answer::Failed(why) => return Err(ClusterError::Cell { place, why }),
        }
        progress(folder.finished(), folder.cells().len());
    }
}

/// Publishes cells, but for those that wait in the queue already.
async fn deal(context: &Context, subjects: &Subjects, places: &[usize]) -> Result<(), ClusterError> {
    let doing = "deal the cells out";
    for places in places.chunks(BATCH) {
        let mut sent = Vec::with_capacity(places.len());
        for place in places {
            let message = PublishMessage::build().expected_last_subject_sequence(0);
            sent.push(context.send_publish(subjects.cell(*place), message).await.map_err(refused(doing))?);
        }
        for sent in sent {
            match sent.await {
                Err(error) if error.kind() == PublishErrorKind::WrongLastSequence => {}
                Err(error) => return Err(refused(doing)(error)),
                Ok(_) => {}
            }
        }
    }
    Ok(())
}

/// How the workers of a build share its cells: each cell goes to one of them, and to another if that one says nothing for a while.
pub(crate) fn shared(build: &str) -> pull::Config {
    pull::Config {
        durable_name: Some(format!("workers-{build}")),
        filter_subject: format!("credence.cells.{build}.>"),
        ack_policy: AckPolicy::Explicit,
        ack_wait: crate::worker::SILENCE,
        ..Default::default()
    }
}
