//! Training beside a sitting: started when the schedule says so, looked after from time to time, and taken up when done.
//!
//! The trainer is another process of the lowest priority with half of the processors, and it stands still while the person
//! waits for something: it works while they read and think. Whatever becomes of it, the sitting goes on and the generation
//! in use stays.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use credence_memory::home::Home;
use jiff::Timestamp;

use super::candidate::{Folder, Job, Outcome, TuneSettings};
use super::plan::{self, Machine};
use super::records::take_up;
use super::schedule::Decision;
use crate::error::error_chain;

/// Time between two looks at the trainer.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Works on candidates beside a sitting. Two implementations: a process of its own, and an instant one in tests.
pub trait Trainer: Send + Sync {
    /// Begins the work on a candidate in a home, or goes on with it.
    ///
    /// # Errors
    /// If it cannot be started.
    fn start(&self, home: &Path, generation: u32) -> io::Result<Box<dyn Work>>;
}

/// A trainer at work.
pub trait Work: Send {
    /// Whether it has ended: if so, whether all is well.
    fn ended(&mut self) -> Option<Result<(), String>>;
    /// Ends it; what it did can be taken up later.
    fn stop(&mut self);
    /// Stands still until [`Self::go_on`], or goes on where it cannot.
    fn hold(&mut self);
    /// Works again.
    fn go_on(&mut self);
}

/// What a sitting needs to train in the background.
#[derive(Clone)]
pub struct Learning {
    /// The policy, and how candidates are made.
    pub settings: TuneSettings,
    /// What works.
    pub trainer: Arc<dyn Trainer>,
    /// Looks at the machine.
    pub machine: Arc<dyn Fn(Timestamp) -> Machine + Send + Sync>,
}

/// A trainer beside a sitting, if one is at work.
#[derive(Default)]
pub struct Beside {
    at_work: Option<AtWork>,
    held: bool,
}

impl Beside {
    /// Takes up what an earlier sitting left, and starts a trainer if the schedule says so. Returns what to tell the
    /// person. Nothing that goes wrong here is more than a line for them.
    pub fn start(home: &mut Home, learning: Option<&Learning>, now: Timestamp) -> (Self, Vec<String>) {
        let Some(learning) = learning else { return (Self::default(), Vec::new()) };
        let mut notices = Vec::new();
        let root = home.paths().root().to_owned();
        if let Some(folder) = Folder::pending(&root).filter(|folder| !folder.is_working()) {
            notices.extend(collect(home, &folder, now).unwrap_or_else(|why| Some(format!("not learned: {why}"))));
        }
        match begin(home, learning, &root, now) {
            Ok(Some((folder, work))) => {
                notices.push("training in the background from what was said before".to_owned());
                (Self { at_work: Some((folder, work)), held: false }, notices)
            }
            Ok(None) => (Self::default(), notices),
            Err(why) => {
                notices.push(format!("no training in the background: {why}"));
                (Self::default(), notices)
            }
        }
    }

    /// Waits until the trainer ends, and says what came of it; waits for ever if none is at work.
    ///
    /// # Errors
    /// The trainer failed: its last words.
    pub async fn ended(&mut self) -> Result<Folder, String> {
        loop {
            let Some((folder, work)) = &mut self.at_work else { return std::future::pending().await };
            if let Some(ended) = work.ended() {
                let folder = folder.clone();
                self.at_work = None;
                return ended.map(|()| folder);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// The person waits: all processors are the sitting's until [`Self::go_on`].
    pub fn hold(&mut self) {
        if let (Some((_, work)), false) = (&mut self.at_work, self.held) {
            work.hold();
            self.held = true;
        }
    }

    /// The person reads or thinks: the trainer may work.
    pub fn go_on(&mut self) {
        if let (Some((_, work)), true) = (&mut self.at_work, self.held) {
            work.go_on();
            self.held = false;
        }
    }

    /// Ends the trainer. The next sitting, or `credence tune run`, goes on where it was.
    pub fn stop(&mut self) {
        if let Some((_, mut work)) = self.at_work.take() {
            work.stop();
        }
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Takes up the outcome in a folder, if there is one. Returns what to tell the person.
///
/// # Errors
/// Says why not.
pub fn collect(home: &mut Home, folder: &Folder, now: Timestamp) -> Result<Option<String>, String> {
    let read = |error: super::candidate::FolderError| error_chain(&error);
    let job: Option<Job> = folder.read("job.json").map_err(read)?;
    let outcome: Option<Outcome> = folder.read("outcome.json").map_err(read)?;
    let (Some(job), Some(outcome)) = (job, outcome) else { return Ok(None) };
    let promoted = take_up(home, folder, &job, &outcome, job.imported.is_none(), now).map_err(|e| error_chain(&e))?;
    let verdict = outcome.judgement.map_or_else(String::new, |j| j.to_string());
    let after = if promoted { "; it is in force from now on" } else { "" };
    Ok(Some(format!("generation {} was trained in the background: {verdict}{after}", job.generation)))
}

/// A candidate's folder and who works in it.
type AtWork = (Folder, Box<dyn Work>);

fn begin(home: &Home, learning: &Learning, root: &Path, now: Timestamp) -> Result<Option<AtWork>, String> {
    let Learning { settings, trainer, machine } = learning;
    if !settings.policy.background {
        return Ok(None);
    }
    let state = home.state();
    let whose = plan::whose(state);
    let plan = plan::plan(state, root, &whose, settings, machine(now), None).map_err(|e| error_chain(&e))?;
    if let Decision::Wait { because } = plan.decision {
        tracing::debug!(%because, "not training");
        return Ok(None);
    }
    let (folder, generation) = match Folder::pending(root) {
        Some(folder) => {
            let job: Option<Job> = folder.read("job.json").map_err(|e| error_chain(&e))?;
            let Some(job) = job else { return Ok(None) };
            (folder, job.generation)
        }
        None => {
            let job = plan::job(state, &whose, settings, None).map_err(|e| error_chain(&e))?;
            let folder = Folder::of(root, job.generation);
            folder.make().and_then(|()| folder.write("job.json", &job)).map_err(|e| error_chain(&e))?;
            (folder, job.generation)
        }
    };
    let work = trainer.start(root, generation).map_err(|e| error_chain(&e))?;
    Ok(Some((folder, work)))
}
