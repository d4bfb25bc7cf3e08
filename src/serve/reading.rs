//! What is read from the log beside the desk: values at any record, records in words. The log is read as a file, so
//! nobody's answer waits for it.

use std::collections::BTreeSet;
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

/// Records that are somebody's own: those about them, and what withdraws them.
struct Own<'a> {
    person: &'a PersonId,
    seqs: BTreeSet<Seq>,
}

impl<'a> Own<'a> {
    fn of(person: &'a PersonId) -> Self {
        Self { person, seqs: BTreeSet::new() }
    }

    /// Takes note of a record; says whether it is theirs.
    fn note(&mut self, entry: &Entry) -> bool {
        let is_own = match &entry.record {
            Record::Retracted(withdrawn) => self.seqs.contains(&withdrawn.target),
            record => about(record) == Some(self.person.as_str()),
        };
        if is_own {
            self.seqs.insert(entry.seq);
        }
        is_own
    }
}

/// What matters to a person, through a record, or without one. Whoever sees themselves only is told of their own records, and not when
/// others were written, nor how many there are.
pub(super) async fn sheet(
    app: &App,
    caller: &Caller,
    person: PersonId,
    at: Option<u64>,
    without: Option<u64>,
) -> Result<Arc<Sheet>, Problem> {
    let paths = Paths::of(&app.home);
    let askable = Arc::clone(&app.askable);
    let sees_everybody = caller.sees_everybody();
    aside(move || {
        let (log, mut at) = (paths.log(), at.map(Seq));
        if sees_everybody {
            return sheet_of(&log, person, at, without.map(Seq), askable.bank()).map(Arc::new);
        }
        let (mut own, mut through, mut time) = (Own::of(&person), Seq(0), None);
        let mut is_last = true;
        for entry in paths.read_log()? {
            let entry = entry?;
            if own.note(&entry) {
                is_last = at.is_none_or(|at| entry.seq <= at);
                if is_last {
                    (through, time) = (entry.seq, time.max(Some(entry.time)));
                }
            }
        }
        if is_last {
            at = None;
        }
        if without.is_some_and(|without| !own.seqs.contains(&Seq(without))) {
            anyhow::bail!(WrongInput("only records of your own can be left out".into()));
        }
        let sheet = sheet_of(&log, person.clone(), at, without.map(Seq), askable.bank())?;
        Ok(Arc::new(Sheet { through, time, ..sheet }))
    })
    .await
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
    /// The last record of the log; for those who see themselves only, the last of their own.
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
    let only = person.clone().filter(|_| !caller.sees_everybody());
    aside(move || {
        let (mut own, mut own_head) = (only.as_ref().map(Own::of), 0);
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
            if own.as_mut().is_some_and(|own| own.note(&entry)) {
                own_head = entry.seq.0;
            }
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
        let head = if only.is_some() { own_head } else { state.head().0.0 };
        Ok(LogPage { records: found.iter().map(line).collect(), head, more_before })
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
