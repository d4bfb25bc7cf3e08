//! Training beside a session: started when the schedule says so, looked after from time to time, and taken up when done.
//!
//! The trainer is another process of the lowest priority with half of the processors, and it stands still while the person
//! waits for something: it works while they read and think. Whatever becomes of it, the session goes on and the generation
//! in use stays.

use std::io;
use std::path::Path;
use std::sync::Arc;

use credence_agent::beside::{Learning, Work};
use credence_memory::home::Home;
use credence_priors::error_chain;
use jiff::Timestamp;

use super::candidate::{Folder, Job, Outcome, TuneSettings};
use super::plan::{self, Machine};
use super::records::take_up;
use super::schedule::Decision;

/// Works on candidates beside a session. Two implementations: a process of its own, and an instant one in tests.
pub trait Trainer: Send + Sync {
    /// Begins the work on a candidate in a home, or goes on with it.
    ///
    /// # Errors
    /// If it cannot be started.
    fn start(&self, home: &Path, generation: u32) -> io::Result<Box<dyn Work>>;
}

/// Trains beside sessions when the schedule says so.
#[derive(Clone)]
pub struct Tuner {
    /// The policy, and how candidates are made.
    pub settings: TuneSettings,
    /// What works.
    pub trainer: Arc<dyn Trainer>,
    /// Looks at the machine.
    pub machine: Arc<dyn Fn(Timestamp) -> Machine + Send + Sync>,
}

impl Learning for Tuner {
    fn begin(&self, home: &mut Home, now: Timestamp) -> (Option<Box<dyn Work>>, Vec<String>) {
        let mut notices = Vec::new();
        let root = home.paths().root().to_owned();
        if let Some(folder) = Folder::pending(&root).filter(|folder| !folder.is_working()) {
            notices.extend(collect(home, &folder, now).unwrap_or_else(|why| Some(format!("not learned: {why}"))));
        }
        let work = match begin(home, self, &root, now) {
            Ok(Some(work)) => {
                notices.push("training in the background from what was said before".to_owned());
                Some(work)
            }
            Ok(None) => None,
            Err(why) => {
                notices.push(format!("no training in the background: {why}"));
                None
            }
        };
        (work, notices)
    }

    fn take_up(&self, home: &mut Home, now: Timestamp) -> Result<Option<String>, String> {
        match Folder::pending(home.paths().root()) {
            Some(folder) => collect(home, &folder, now),
            None => Ok(None),
        }
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

fn begin(home: &Home, tuner: &Tuner, root: &Path, now: Timestamp) -> Result<Option<Box<dyn Work>>, String> {
    let Tuner { settings, trainer, machine } = tuner;
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
    let generation = match Folder::pending(root) {
        Some(folder) => {
            let job: Option<Job> = folder.read("job.json").map_err(|e| error_chain(&e))?;
            let Some(job) = job else { return Ok(None) };
            job.generation
        }
        None => {
            let job = plan::job(state, &whose, settings, None).map_err(|e| error_chain(&e))?;
            let folder = Folder::of(root, job.generation);
            folder.make().and_then(|()| folder.write("job.json", &job)).map_err(|e| error_chain(&e))?;
            job.generation
        }
    };
    trainer.start(root, generation).map(Some).map_err(|e| error_chain(&e))
}
