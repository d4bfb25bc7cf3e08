//! What is read from the log beside the desk: values at any record, records in words. The log is read as a file, so
//! nobody's answer waits for it.

use std::sync::Arc;

use credence_memory::home::Paths;
use credence_memory::ids::{PersonId, Seq};
use credence_memory::log::Entry;
use credence_memory::record::Record;
use credence_memory::state::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::App;
use super::access::Caller;
use super::desk::Desk;
use super::done::Key;
use super::problem::Problem;
use crate::commands::evidence::{about, is_telling, is_withdrawn, outline};
use crate::commands::values::{Sheet, sheet_of};
use crate::exit::WrongInput;
use crate::surroundings::now;

/// Records on a page of the log, at most.
const PAGE_MAX: usize = 500;

/// Runs what takes long away from the threads that answer requests.
pub(super) async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> anyhow::Result<T> + Send + 'static,
) -> Result<T, Problem> {
    let done = tokio::task::spawn_blocking(work).await;
    match done {
        Ok(Ok(result)) => Ok(result),
        Ok(Err(error)) => Err(of(&error)),
        Err(_) => Err(Problem::failed("it had to be given up")),
    }
}

fn of(error: &anyhow::Error) -> Problem {
    match error.downcast_ref::<WrongInput>() {
        Some(wrong) => Problem::unusable(wrong.to_string()),
        None => Problem::failed(format!("{error:#}")),
    }
}

/// What matters to a person, through a record, or without one.
pub(super) async fn sheet(
    app: &App,
    person: PersonId,
    at: Option<u64>,
    without: Option<u64>,
) -> Result<Arc<Sheet>, Problem> {
    let log = Paths::of(&app.home).log();
    let askable = Arc::clone(&app.askable);
    aside(move || sheet_of(&log, person, at.map(Seq), without.map(Seq), askable.bank()).map(Arc::new)).await
}

/// Which records are wanted.
#[derive(Debug, Default, Clone, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct LogQuery {
    /// Only those about this person.
    pub(super) person: Option<String>,
    /// Only those of this kind.
    pub(super) kind: Option<String>,
    /// Only those after this one.
    pub(super) after: Option<u64>,
    /// Only those before this one. Without `after` the latest come.
    pub(super) before: Option<u64>,
    /// So many at most.
    pub(super) limit: Option<usize>,
    /// Also those that only keep the books: descriptions, questions, digests.
    pub(super) all: Option<bool>,
}

/// Records in words.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LogPage {
    /// They, the earliest first.
    pub(super) records: Vec<Line>,
    /// The last record of the log.
    pub(super) head: u64,
    /// Whether there are earlier ones that were asked for.
    pub(super) more_before: bool,
}

/// One record.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Line {
    /// Its number.
    pub(super) seq: u64,
    /// When it was written.
    pub(super) time: String,
    /// Its kind.
    pub(super) kind: &'static str,
    /// Whom it is about.
    pub(super) person: Option<String>,
    /// In words.
    pub(super) said: String,
    /// Whether it is evidence.
    pub(super) is_evidence: bool,
    /// Whether it was withdrawn.
    pub(super) withdrawn: bool,
}

/// Records of the log.
pub(super) async fn log(app: &App, caller: &Caller, query: LogQuery) -> Result<LogPage, Problem> {
    let person = match &query.person {
        Some(name) if !name.trim().is_empty() => Some(caller.person(Some(name))?),
        _ if caller.sees_everybody() => None,
        _ => Some(caller.person(None)?),
    };
    if let Some(kind) = query.kind.as_deref().filter(|kind| !kind.is_empty())
        && !Record::KINDS.contains(&kind)
    {
        return Err(Problem::unusable(format!("there is no kind of record called {kind:?}")));
    }
    let paths = Paths::of(&app.home);
    aside(move || {
        let mut state = State::new();
        let mut found: Vec<Entry> = Vec::new();
        let limit = query.limit.unwrap_or(100).clamp(1, PAGE_MAX);
        let wanted = |entry: &Entry| {
            person.as_ref().is_none_or(|p| about(&entry.record) == Some(p.as_str()))
                && query.kind.as_deref().filter(|k| !k.is_empty()).is_none_or(|k| entry.record.kind() == k)
                && query.after.is_none_or(|after| entry.seq.0 > after)
                && query.before.is_none_or(|before| entry.seq.0 < before)
                && (query.all == Some(true) || query.kind.is_some() || is_telling(&entry.record))
        };
        let mut more_before = false;
        for entry in paths.read_log()? {
            let entry = entry?;
            state.note(&entry)?;
            if !wanted(&entry) || query.after.is_some() && found.len() == limit {
                continue;
            }
            found.push(entry);
            if found.len() > limit {
                found.remove(0);
                more_before = true;
            }
        }
        let line = |entry: &Entry| Line {
            seq: entry.seq.0,
            time: entry.time.strftime("%Y-%m-%d %H:%M:%S").to_string(),
            kind: entry.record.kind(),
            person: about(&entry.record).map(str::to_owned),
            said: outline(&state, &entry.record),
            is_evidence: entry.record.evidence_origin().is_some(),
            withdrawn: is_withdrawn(&state, entry.seq),
        };
        Ok(LogPage { records: found.iter().map(line).collect(), head: state.head().0.0, more_before })
    })
    .await
}

/// Withdraws a record, if it is theirs; once, where it is sent again with the same key.
pub(super) async fn retract(
    app: &App,
    caller: &Caller,
    key: Option<Key>,
    seq: Seq,
    reason: String,
) -> Result<u64, Problem> {
    let reason = reason.trim().to_owned();
    if reason.is_empty() {
        return Err(Problem::unusable("say why it is withdrawn: the reason stands in the log"));
    }
    let caller = caller.clone();
    let withdraw = move |desk: &mut Desk| -> Result<u64, Problem> {
        let owner = desk.home.state().people().iter().find_map(|(id, person)| {
            let is_theirs = person.evidence().iter().any(|e| e.seq == seq);
            is_theirs.then(|| id.clone())
        });
        match owner {
            Some(person) => caller.must_be(&person)?,
            None => caller.must_see_everybody()?,
        }
        Ok(desk.retract(seq, reason, now())?.0)
    };
    let by = app.desk.run(move |desk| desk.once(key, withdraw)).await??;
    app.following.everybody();
    Ok(by)
}
