//! What an owner says, done in the home: by this command, or by the server that holds the home.
//!
//! A server of agents (`credence mcp`, `credence serve`) holds the home as long as it runs, and an owner must be able to answer
//! meanwhile. What they say is then a file beside the log, which the server takes in; its reply is another.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context;
use credence_agent::approvals::{self, ApprovalAnswer, ApproveError};
use credence_approvals::{Limits, Settings, ShownHash};
use credence_memory::home::{Home, HomeError};
use credence_memory::ids::PersonId;
use rand::RngExt;
use serde::{Deserialize, Serialize};

use super::here;
use crate::cli::Global;
use crate::exit::WrongInput;
use crate::surroundings::{home as home_of, say};

/// What an owner says.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Handed {
    /// An answer to a question.
    Answer { person: PersonId, question: u64, shown: ShownHash, answer: ApprovalAnswer },
    /// An act is taken back.
    Undo { person: PersonId, act: u64 },
    /// A rule ends.
    Revoke { person: PersonId, rule: u64 },
    /// Limits.
    Limits { person: PersonId, limits: Limits },
    /// Tools. The seed of the audits is that of before, where there is one.
    Declare { person: PersonId, settings: Box<Settings> },
}

impl Handed {
    /// Does it, and says what was done.
    fn done(self, home: &mut Home) -> Result<String, ApproveError> {
        let now = here();
        Ok(match self {
            Self::Answer { person, question, shown, answer } => {
                let number = approvals::of(home, &person)?.records();
                let record = approvals::answer(home, &person, question, shown, answer, &now)?;
                let is_rule = approvals::of(home, &person)?.rules().iter().any(|rule| rule.record == number);
                let rule = if is_rule {
                    format!("; it is rule {number}, which `credence approvals revoke {number}` ends")
                } else {
                    String::new()
                };
                format!("question {question} is answered (record {record} of the log){rule}; the agent may ask again")
            }
            Self::Undo { person, act } => {
                let is_rule = approvals::of(home, &person)?.rules().iter().any(|rule| rule.record == act);
                let record = approvals::undo(home, &person, act, &now)?;
                if is_rule {
                    format!("rule {act} no longer holds (record {record} of the log)")
                } else {
                    format!("act {act} counts as refused (record {record} of the log)")
                }
            }
            Self::Revoke { person, rule } => {
                let record = approvals::revoke(home, &person, rule, &now)?;
                format!("rule {rule} no longer holds (record {record} of the log)")
            }
            Self::Limits { person, limits } => {
                let record = approvals::set_limits(home, &person, limits, &now)?;
                format!("the limits are set (record {record} of the log)")
            }
            Self::Declare { person, settings } => {
                let mut settings = *settings;
                if let Some(before) = home.state().approvals(&person) {
                    settings.audit_seed = before.settings().audit_seed;
                }
                let tools = settings.tools.len();
                let record = approvals::declare(home, &person, settings, &now)?;
                format!(
                    "{tools} tools declared (record {record} of the log); `credence approvals request` asks for an act"
                )
            }
        })
    }
}

/// What a server says of something that was handed to it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Reply {
    Done(String),
    Refused(String),
}

/// How long a server is waited for. It looks every second.
const PATIENCE: Duration = Duration::from_secs(10);

fn folder(root: &Path) -> PathBuf {
    root.join("handed")
}

/// Does what the owner says, or has the server do it that holds the home, and tells what was done.
///
/// # Errors
/// What cannot be done; a home that is held by something that takes nothing in.
pub(crate) fn done(global: &Global, handed: Handed) -> anyhow::Result<()> {
    let root = home_of(global)?;
    match Home::open(&root) {
        Ok((mut home, opened)) => {
            opened.notices().iter().for_each(|notice| tracing::warn!("{notice}"));
            say(handed.done(&mut home)?)
        }
        Err(held @ HomeError::InUse(_)) => say(hand(&root, &handed, held)?),
        Err(error) => Err(error).with_context(|| format!("failed to open the home {}", root.display())),
    }
}

fn hand(root: &Path, handed: &Handed, held: HomeError) -> anyhow::Result<String> {
    let folder = folder(root);
    let failed = || format!("failed to hand it to the process that has {}", root.display());
    fs::create_dir_all(&folder).with_context(failed)?;
    let number: u64 = rand::rng().random();
    let (unfinished, file) = (folder.join(format!("{number:016x}.new")), folder.join(format!("{number:016x}.json")));
    let reply = folder.join(format!("{number:016x}.reply"));
    write(&unfinished, &serde_json::to_vec(handed)?).with_context(failed)?;
    fs::rename(&unfinished, &file).with_context(failed)?;
    let since = Instant::now();
    while since.elapsed() < PATIENCE {
        if let Ok(text) = fs::read(&reply) {
            fs::remove_file(&reply).ok();
            return match serde_json::from_slice(&text).with_context(failed)? {
                Reply::Done(words) => Ok(words),
                Reply::Refused(why) => Err(WrongInput(why).into()),
            };
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    match fs::remove_file(&file) {
        // Nobody took it: nothing was done.
        Ok(()) => Err(held.into()),
        Err(_) => anyhow::bail!(
            "the process that has {} took it in and did not answer; `credence approvals list` says what holds",
            root.display()
        ),
    }
}

/// Takes in what was handed over. Whoever can write to the home's folder could write its log as well.
pub(crate) fn take_in(home: &mut Home) {
    let root = home.paths().root().to_owned();
    let Ok(files) = fs::read_dir(folder(&root)) else { return };
    let mut files: Vec<PathBuf> = files.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.retain(|file| file.extension().is_some_and(|end| end == "json"));
    files.sort();
    for file in files {
        let Ok(text) = fs::read(&file) else { continue };
        // Taken once, whatever comes of it; who handed it over may have given up meanwhile.
        if fs::remove_file(&file).is_err() {
            continue;
        }
        let reply = match serde_json::from_slice::<Handed>(&text) {
            Ok(handed) => handed.done(home).map_or_else(|e| Reply::Refused(words(&e)), Reply::Done),
            Err(error) => Reply::Refused(format!("it cannot be read: {error}")),
        };
        let (unfinished, last) = (file.with_extension("said"), file.with_extension("reply"));
        let told = serde_json::to_vec(&reply).map_err(std::io::Error::other);
        if let Err(error) =
            told.and_then(|text| write(&unfinished, &text)).and_then(|()| fs::rename(&unfinished, &last))
        {
            tracing::warn!(%error, "what was handed over was taken in, and nobody could be told");
        }
    }
}

fn words(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |e| e.source()).map(ToString::to_string);
    causes.collect::<Vec<_>>().join(": ")
}

fn write(file: &Path, text: &[u8]) -> std::io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(file)?.write_all(text)
}
