//! Runs of experiments: each a folder in the home, the one at work a process of this program.
//!
//! A folder holds `experiment.toml`, `run.json` (how it stands), `output.txt` (what the process said) and `out/` (its journal, its
//! results, its report). So a run outlives the service: one that was cut short goes on where it stood.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use credence_evals::experiment::{BUILT_IN, Experiment};
use credence_evals::results::JOURNAL;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::done::Key;
use super::problem::Problem;
use crate::surroundings::now;

/// How often the process at work is looked at.
const LOOK: Duration = Duration::from_millis(150);
/// Runs kept, at most.
const RUNS_MAX: usize = 1_000;
/// What a process said last, in characters.
const SAID_MAX: usize = 2_000;

/// How a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Standing {
    /// At work.
    Running,
    /// Stopped before it was done, or cut short with the service; it can go on.
    Stopped,
    /// Done; there is a report.
    Done,
    /// It failed; `said` tells why.
    Failed,
}

/// A run as its folder keeps it.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Kept {
    name: String,
    standing: Standing,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    process: Option<u32>,
    began: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ended: Option<Timestamp>,
    /// The key that it was started with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<Key>,
}

/// A run of an experiment.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct RunView {
    /// Its name, by which it is asked for.
    pub(super) run: String,
    /// The experiment's name.
    pub(super) experiment: String,
    /// What the experiment shows.
    pub(super) about: String,
    /// How it stands.
    pub(super) standing: Standing,
    /// Cells of the experiment's grid that are done.
    pub(super) done: usize,
    /// Of how many.
    pub(super) cells: usize,
    /// When it was started, or went on, last.
    #[schema(value_type = String)]
    pub(super) began: Timestamp,
    /// When it ended.
    #[schema(value_type = Option<String>)]
    pub(super) ended: Option<Timestamp>,
    /// Whether there is a report.
    pub(super) has_report: bool,
    /// What the process said last, of a run that failed.
    pub(super) said: Option<String>,
}

/// The runs of a home.
pub(super) struct Runs {
    folder: PathBuf,
    at_work: Arc<Mutex<Option<AtWork>>>,
}

struct AtWork {
    run: String,
    child: Child,
    /// Whether somebody asked it to stop.
    is_stopped: bool,
}

impl Runs {
    /// The runs of a home. One that was at work when the service ended is stopped, in case its process is still there.
    pub(super) fn open(home: &Path) -> Self {
        // Absolute, so that a process that outlived its service is known by the file that it was started with.
        let home = std::path::absolute(home).unwrap_or_else(|_| home.to_owned());
        let runs = Self { folder: home.join("experiments"), at_work: Arc::default() };
        for name in runs.names() {
            if let Ok(mut kept) = runs.kept(&name)
                && kept.standing == Standing::Running
            {
                if let Some(process) = kept.process {
                    end_stray(process, &runs.folder.join(&name));
                }
                kept.standing = Standing::Stopped;
                kept.process = None;
                if let Err(error) = keep(&runs.folder.join(&name), &kept) {
                    tracing::warn!(run = name, %error, "a run's folder cannot be written");
                }
            }
        }
        runs
    }

    /// All runs, the latest first.
    pub(super) fn all(&self) -> Vec<RunView> {
        let mut all: Vec<RunView> = self.names().iter().filter_map(|name| self.view(name).ok()).collect();
        all.sort_by(|a, b| b.began.cmp(&a.began).then_with(|| b.run.cmp(&a.run)));
        all
    }

    /// A run by its name.
    pub(super) fn view(&self, name: &str) -> Result<RunView, Problem> {
        let kept = self.kept(name)?;
        let folder = self.folder.join(name);
        let text = fs::read_to_string(folder.join("experiment.toml")).map_err(|e| disk(&folder, &e))?;
        let experiment = Experiment::parse(&text).map_err(|e| Problem::failed(e.to_string()))?;
        // The first line of a journal says what it is of.
        let journal = fs::read_to_string(folder.join("out").join(JOURNAL)).unwrap_or_default();
        let said = (kept.standing == Standing::Failed).then(|| said_last(&folder));
        Ok(RunView {
            run: name.to_owned(),
            experiment: kept.name,
            about: experiment.about.clone(),
            standing: kept.standing,
            done: journal.bytes().filter(|byte| *byte == b'\n').count().saturating_sub(1),
            cells: experiment.cells().len(),
            began: kept.began,
            ended: kept.ended,
            has_report: folder.join("out").join("report.html").is_file(),
            said,
        })
    }

    /// The report of a run, a page.
    pub(super) fn report(&self, name: &str) -> Result<String, Problem> {
        self.kept(name)?;
        let path = self.folder.join(name).join("out").join("report.html");
        fs::read_to_string(path).map_err(|_| Problem::no_such("report of the run", &name))
    }

    /// Starts a run of an experiment that is built in.
    pub(super) fn start_built_in(&self, name: &str, key: Option<Key>) -> Result<RunView, Problem> {
        let found = BUILT_IN.iter().find(|(known, _)| *known == name);
        let (_, text) = found.ok_or_else(|| Problem::no_such("built-in experiment", &name))?;
        self.start(text, key)
    }

    /// Starts a run of the experiment that a text states, or tells of the one that was started with the same key.
    pub(super) fn start(&self, text: &str, key: Option<Key>) -> Result<RunView, Problem> {
        let experiment = Experiment::parse(text).map_err(|e| Problem::unusable(e.to_string()))?;
        // Held until the process runs, so that two requests do not start two.
        let mut at_work = self.at_work();
        if let Some(key) = key {
            for name in self.names() {
                if let Some(before) = self.kept(&name).ok().and_then(|kept| kept.key)
                    && key.is(before)?
                {
                    drop(at_work);
                    return self.view(&name);
                }
            }
        }
        free(&at_work)?;
        if self.names().len() >= RUNS_MAX {
            return Err(Problem::conflict(format!(
                "the home keeps {RUNS_MAX} runs already: remove some of its folder experiments"
            )));
        }
        let (name, folder) = self.new_folder(&experiment.name)?;
        fs::write(folder.join("experiment.toml"), text).map_err(|e| disk(&folder, &e))?;
        self.launch(&mut at_work, &name, &experiment.name, key)?;
        drop(at_work);
        self.view(&name)
    }

    /// Goes on with a run that was stopped or failed.
    pub(super) fn go_on(&self, name: &str) -> Result<RunView, Problem> {
        let kept = self.kept(name)?;
        let mut at_work = self.at_work();
        free(&at_work)?;
        if kept.standing == Standing::Done {
            return Err(Problem::conflict(format!("the run {name} is done")));
        }
        self.launch(&mut at_work, name, &kept.name, kept.key)?;
        drop(at_work);
        self.view(name)
    }

    /// Stops the run at work, if it is this one. What it finished is kept.
    pub(super) fn stop(&self, name: &str) -> Result<RunView, Problem> {
        self.kept(name)?;
        let mut at_work = self.at_work();
        let Some(running) = at_work.as_mut().filter(|running| running.run == name) else {
            return Err(Problem::conflict(format!("the run {name} is not at work")));
        };
        running.is_stopped = true;
        // Its journal is whole to the last line that ends.
        let _ = running.child.kill();
        let _ = running.child.wait();
        end(&self.folder.join(name), Standing::Stopped);
        *at_work = None;
        drop(at_work);
        self.view(name)
    }

    fn at_work(&self) -> MutexGuard<'_, Option<AtWork>> {
        self.at_work.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn names(&self) -> Vec<String> {
        let Ok(entries) = fs::read_dir(&self.folder) else { return Vec::new() };
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        names.filter(|name| is_name(name)).collect()
    }

    fn kept(&self, name: &str) -> Result<Kept, Problem> {
        let no_such = || Problem::no_such("run", &name);
        if !is_name(name) {
            return Err(no_such());
        }
        let bytes = fs::read(self.folder.join(name).join("run.json")).map_err(|_| no_such())?;
        serde_json::from_slice(&bytes)
            .map_err(|e| Problem::failed(format!("run.json of the run {name} is damaged: {e}")))
    }

    /// A folder for another run of an experiment: its name with a number.
    fn new_folder(&self, experiment: &str) -> Result<(String, PathBuf), Problem> {
        let letters = experiment.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' });
        let stem: String = letters.take(40).collect();
        let stem = Some(stem.trim_matches('-')).filter(|stem| !stem.is_empty()).unwrap_or("run");
        fs::create_dir_all(&self.folder).map_err(|e| disk(&self.folder, &e))?;
        for number in 1..=RUNS_MAX + 1 {
            let name = format!("{stem}-{number}");
            let folder = self.folder.join(&name);
            match fs::create_dir(&folder) {
                Ok(()) => return Ok((name, folder)),
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(disk(&folder, &error)),
            }
        }
        Err(Problem::conflict(format!("there are too many runs called {stem}")))
    }

    /// Starts the process of a run, and a thread that waits for its end.
    fn launch(
        &self,
        at_work: &mut Option<AtWork>,
        name: &str,
        experiment: &str,
        key: Option<Key>,
    ) -> Result<(), Problem> {
        let folder = self.folder.join(name);
        let (name_of, standing) = (experiment.to_owned(), Standing::Running);
        let mut kept = Kept { name: name_of, standing, process: None, began: now(), ended: None, key };
        keep(&folder, &kept).map_err(|e| disk(&folder, &e))?;
        let mut command = of_this_program(&["eval", "run"]);
        command.arg(folder.join("experiment.toml")).arg("--out").arg(folder.join("out"));
        let started = File::create(folder.join("output.txt")).and_then(|output| {
            let copy = output.try_clone()?;
            command.stdin(Stdio::null()).stdout(output).stderr(copy).spawn()
        });
        let child = started.map_err(|e| {
            end(&folder, Standing::Failed);
            Problem::failed(format!("the process of the run could not be started: {e}"))
        })?;
        kept.process = Some(child.id());
        if let Err(error) = keep(&folder, &kept) {
            tracing::warn!(run = name, %error, "a run's folder cannot be written");
        }
        *at_work = Some(AtWork { run: name.to_owned(), child, is_stopped: false });
        let (shared, run) = (Arc::clone(&self.at_work), name.to_owned());
        let waiting = std::thread::Builder::new().name("experiment".into()).spawn(move || wait(&shared, &run, &folder));
        if let Err(error) = waiting {
            tracing::warn!(%error, "nobody waits for the end of a run");
        }
        Ok(())
    }
}

impl Drop for Runs {
    /// Nothing works on unattended when the service ends.
    fn drop(&mut self) {
        if let Some(mut running) = self.at_work().take() {
            let _ = running.child.kill();
            let _ = running.child.wait();
            end(&self.folder.join(&running.run), Standing::Stopped);
        }
    }
}

/// Waits for the end of a run's process, and has its report written.
fn wait(at_work: &Mutex<Option<AtWork>>, run: &str, folder: &Path) {
    loop {
        std::thread::sleep(LOOK);
        let mut at_work = at_work.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(running) = at_work.as_mut().filter(|running| running.run == run && !running.is_stopped) else {
            return;
        };
        let ended = match running.child.try_wait() {
            Ok(None) => continue,
            Ok(Some(status)) => status.success(),
            Err(_) => false,
        };
        // Held while the report is written, which takes a moment: the run is at work until then.
        let is_done = ended && write_report(folder);
        end(folder, if is_done { Standing::Done } else { Standing::Failed });
        *at_work = None;
        return;
    }
}

fn write_report(folder: &Path) -> bool {
    let output = of_this_program(&["eval", "report"]).arg(folder.join("out")).stdin(Stdio::null()).output();
    match output {
        Ok(output) if output.status.success() => true,
        Ok(output) => {
            let _ = fs::write(folder.join("output.txt"), output.stderr);
            false
        }
        Err(error) => {
            let _ = fs::write(folder.join("output.txt"), error.to_string());
            false
        }
    }
}

/// A command of this program, at the lowest priority: people who answer come first.
fn of_this_program(args: &[&str]) -> Command {
    let program = std::env::current_exe().unwrap_or_else(|_| PathBuf::from("credence"));
    let mut command = if cfg!(unix) {
        let mut nice = Command::new("nice");
        nice.args(["-n", "19"]).arg(program);
        nice
    } else {
        Command::new(program)
    };
    command.args(args);
    command
}

/// Ends the process of a run that outlived its service, if it is that process and no other.
fn end_stray(process: u32, folder: &Path) {
    let line = fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
    let named = folder.join("experiment.toml");
    let is_ours = line.split(|byte| *byte == 0).any(|part| part == named.as_os_str().as_encoded_bytes());
    #[cfg(unix)]
    if let Some(process) = rustix::process::Pid::from_raw(process.cast_signed()).filter(|_| is_ours) {
        let _ = rustix::process::kill_process(process, rustix::process::Signal::KILL);
    }
    #[cfg(not(unix))]
    let _ = is_ours;
}

fn free(at_work: &Option<AtWork>) -> Result<(), Problem> {
    match at_work {
        Some(running) => Err(Problem::conflict(format!("the run {} is at work, and one runs at a time", running.run))),
        None => Ok(()),
    }
}

/// Keeps how a run ended.
fn end(folder: &Path, standing: Standing) {
    let kept = fs::read(folder.join("run.json")).ok().and_then(|bytes| serde_json::from_slice::<Kept>(&bytes).ok());
    if let Some(kept) = kept {
        let kept = Kept { standing, process: None, ended: Some(now()), ..kept };
        if let Err(error) = keep(folder, &kept) {
            tracing::warn!(folder = %folder.display(), %error, "a run's folder cannot be written");
        }
    }
}

/// Written beside and renamed: a crash leaves the one or the other.
fn keep(folder: &Path, kept: &Kept) -> std::io::Result<()> {
    let partial = folder.join("run.json.partial");
    fs::write(&partial, serde_json::to_vec_pretty(kept)?)?;
    fs::rename(&partial, folder.join("run.json"))
}

fn said_last(folder: &Path) -> String {
    let bytes = fs::read(folder.join("output.txt")).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let skipped = text.chars().count().saturating_sub(SAID_MAX);
    text.chars().skip(skipped).collect::<String>().trim().to_owned()
}

/// Names of runs are made here; nothing else is looked for in the file system.
fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 80
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

fn disk(path: &Path, error: &std::io::Error) -> Problem {
    Problem::disk(format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_nowhere_else() {
        let home = tempfile::tempdir().unwrap();
        let runs = Runs::open(home.path());
        for name in ["../evidence", "a/b", "", ".", "A", "run.json"] {
            assert!(!is_name(name), "{name}");
            assert_eq!(runs.view(name).unwrap_err().status, 404);
        }
        let (name, folder) = runs.new_folder("Ünder ../way").unwrap();
        assert_eq!((name.as_str(), folder), ("nder----way-1", home.path().join("experiments/nder----way-1")));
        assert_eq!(runs.new_folder("??").unwrap().0, "run-1");
        assert_eq!(runs.new_folder("").unwrap().0, "run-2");
    }

    #[test]
    fn what_was_at_work_when_the_service_ended_is_stopped() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("experiments/first-1");
        fs::create_dir_all(&folder).unwrap();
        let began = Timestamp::UNIX_EPOCH;
        // A process that is somebody else's: our own.
        let process = Some(std::process::id());
        keep(
            &folder,
            &Kept { name: "first".into(), standing: Standing::Running, process, began, ended: None, key: None },
        )
        .unwrap();
        fs::write(folder.join("experiment.toml"), BUILT_IN[0].1).unwrap();
        let view = Runs::open(home.path()).view("first-1").unwrap();
        assert_eq!((view.standing, view.done, view.has_report), (Standing::Stopped, 0, false));
    }
}
