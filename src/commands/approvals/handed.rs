//! What an owner says, done in the home: by this command, or by the server that holds the home.
//!
//! A server of agents (`credence mcp`, `credence serve`) holds the home as long as it runs, and an owner must be able to answer
//! meanwhile. What they say is then a file beside the log, which the server takes in; its reply is another.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context;
use credence_agent::approvals::{self, ApprovalAnswer};
use credence_agent::decide::Bars;
use credence_agent::session::Answer;
use credence_agent::{calls, going_on};
use credence_approvals::{Limits, Settings, ShownHash};
use credence_memory::home::{Home, HomeError};
use credence_memory::ids::{PersonId, Seq, SourceId, TaskId};
use credence_memory::record::Outcome;
use rand::RngExt;
use serde::{Deserialize, Serialize};

use super::here;
use crate::cli::Global;
use crate::commands::decide::text;
use crate::exit::WrongInput;
use crate::hint::{hint, hint_of};
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
    /// An answer to the question of a decision: which of the two, or neither more than the other.
    Decision { person: PersonId, record: Seq, preferred: Option<usize> },
    /// A task is stopped: this one, or what is being carried out, or the latest.
    Stop { person: PersonId, task: Option<TaskId> },
}

impl Handed {
    /// Does it, and says what was done.
    fn done(self, home: &mut Home) -> anyhow::Result<String> {
        let now = here();
        Ok(match self {
            Self::Answer { person, question, shown, answer } => {
                let number = approvals::of(home, &person)?.records();
                let record = approvals::answer(home, &person, question, shown, answer, &now)?;
                let is_rule = approvals::of(home, &person)?.rules().iter().any(|rule| rule.record == number);
                let rule = if is_rule {
                    let revoke = hint_of(&person, format_args!("approvals revoke {number}"));
                    format!("; it is rule {number}, which {revoke} ends")
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
                let request = hint_of(&person, "approvals request FILE");
                format!("{tools} tools declared (record {record} of the log); {request} asks for an act")
            }
            Self::Decision { person, record, preferred } => {
                let answer = preferred.map_or(Answer::NoPreference, Answer::Choose);
                let source = SourceId::new("decide")?;
                home.believe(&person)?;
                let made = going_on::answer(home, record, answer, &source, Bars::default(), now.timestamp)?;
                let outcome = home.state().decisions().last().map(|(_, made)| made.outcome.clone());
                let decided = match outcome {
                    Some(Outcome::Act { alternative }) => format!("to act: {}", text(home, &alternative)),
                    Some(Outcome::Ask { .. }) => {
                        format!("to ask once more: {}", hint(format_args!("decide answer {made}")))
                    }
                    Some(Outcome::Defer { because }) => format!("to leave it to you: {because}"),
                    None => "nothing".to_owned(),
                };
                format!(
                    "the question of decision {record} is answered; decided now (record {made} of the log): {decided}"
                )
            }
            Self::Stop { person, task } => {
                let stopped = calls::stop(home, &person, task.as_ref(), now.timestamp)?;
                if stopped.is_empty() {
                    let which = task.map_or_else(|| "no task".to_owned(), |task| format!("no task {task}"));
                    anyhow::bail!(WrongInput(format!("there is {which} of {person} that could be stopped")));
                }
                let said =
                    stopped.iter().map(|task| format!("{task} is stopped; what is being carried out for it is ended"));
                said.collect::<Vec<_>>().join("\n")
            }
        })
    }

    /// Whose evidence it is, where it is evidence of what somebody values.
    fn evidence_of(&self) -> Option<PersonId> {
        match self {
            Self::Decision { person, .. } => Some(person.clone()),
            _ => None,
        }
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
/// How often its answer is looked for.
const BETWEEN_TRIES: Duration = Duration::from_millis(50);

fn folder(root: &Path) -> PathBuf {
    root.join("handed")
}

/// Does what the owner says, or has the server do it that holds the home, and tells what was done. A home that another process
/// has for a moment is waited for.
///
/// # Errors
/// What cannot be done; a home that is held by something that takes nothing in.
pub(crate) fn done(global: &Global, handed: Handed) -> anyhow::Result<()> {
    let root = home_of(global)?;
    let held = match Home::open(&root) {
        Ok((mut home, opened)) => {
            opened.notices().iter().for_each(|notice| tracing::warn!("{notice}"));
            return say(handed.done(&mut home)?);
        }
        Err(held @ HomeError::InUse(_)) => held,
        Err(error) => return Err(error).with_context(|| format!("failed to open the home {}", root.display())),
    };
    let failed = || format!("failed to hand it to the process that has {}", root.display());
    let slip = Slip::new(&root, &handed).with_context(failed)?;
    let last = Instant::now() + PATIENCE;
    loop {
        match slip.reply().with_context(failed)? {
            Some(Reply::Done(words)) => return say(words),
            Some(Reply::Refused(why)) => return Err(WrongInput(why).into()),
            None => {}
        }
        match Home::open(&root) {
            Ok((mut home, _)) if slip.withdraw() => return say(handed.done(&mut home)?),
            _ => {}
        }
        if Instant::now() >= last {
            // Where nobody took it, nothing was done.
            if slip.withdraw() {
                return Err(held.into());
            }
            anyhow::bail!(
                "the process that has {} took it in and did not answer; `credence evidence list` says what holds",
                root.display()
            );
        }
        std::thread::sleep(BETWEEN_TRIES);
    }
}

/// What was handed over, until somebody takes it.
struct Slip {
    file: PathBuf,
    reply: PathBuf,
}

impl Slip {
    fn new(root: &Path, handed: &Handed) -> anyhow::Result<Self> {
        let folder = folder(root);
        fs::create_dir_all(&folder)?;
        let number: u64 = rand::rng().random();
        let named = |end: &str| folder.join(format!("{number:016x}.{end}"));
        let (unfinished, file) = (named("new"), named("json"));
        write(&unfinished, &serde_json::to_vec(handed)?)?;
        fs::rename(&unfinished, &file)?;
        Ok(Self { file, reply: named("reply") })
    }

    /// What the server says, once it says something.
    fn reply(&self) -> anyhow::Result<Option<Reply>> {
        let Ok(text) = fs::read(&self.reply) else { return Ok(None) };
        fs::remove_file(&self.reply).ok();
        Ok(Some(serde_json::from_slice(&text)?))
    }

    /// Takes it back; says whether nobody had taken it.
    fn withdraw(&self) -> bool {
        fs::remove_file(&self.file).is_ok()
    }
}

/// What was taken in. Whoever handed it over is told once it is on the disk.
pub(crate) struct Taken {
    file: PathBuf,
    reply: Reply,
    /// Whose evidence it is, where it is evidence of what somebody values.
    pub(crate) evidence_of: Option<PersonId>,
}

/// Takes in what was handed over. Whoever can write to the home's folder could write its log as well.
pub(crate) fn take_in(home: &mut Home) -> Vec<Taken> {
    let root = home.paths().root().to_owned();
    let Ok(files) = fs::read_dir(folder(&root)) else { return Vec::new() };
    let mut files: Vec<PathBuf> = files.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.retain(|file| file.extension().is_some_and(|end| end == "json"));
    files.sort();
    let mut taken = Vec::new();
    for file in files {
        let Ok(text) = fs::read(&file) else { continue };
        // Taken once, whatever comes of it; who handed it over may have given up meanwhile.
        if fs::remove_file(&file).is_err() {
            continue;
        }
        let (evidence_of, reply) = match serde_json::from_slice::<Handed>(&text) {
            Ok(handed) => {
                let evidence_of = handed.evidence_of();
                let done = handed.done(home);
                (evidence_of, done.map_or_else(|error| Reply::Refused(format!("{error:#}")), Reply::Done))
            }
            Err(error) => (None, Reply::Refused(format!("it cannot be read: {error}"))),
        };
        taken.push(Taken { file, reply, evidence_of });
    }
    taken
}

impl Taken {
    /// Tells whoever handed it over.
    pub(crate) fn tell(self) {
        let (unfinished, last) = (self.file.with_extension("said"), self.file.with_extension("reply"));
        let told = serde_json::to_vec(&self.reply).map_err(std::io::Error::other);
        if let Err(error) =
            told.and_then(|text| write(&unfinished, &text)).and_then(|()| fs::rename(&unfinished, &last))
        {
            tracing::warn!(%error, "what was handed over was taken in, and nobody could be told");
        }
    }
}

fn write(file: &Path, text: &[u8]) -> std::io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(file)?.write_all(text)
}
