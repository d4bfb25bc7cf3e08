//! What was done under which key: a write that is sent again with the same key is done once, also after the service ended in between.
//!
//! The log is the truth. Before the records of such a write go into it, a line of `HOME/serve/done.jsonl` says what the write gives and
//! with which record, and which hash, the log ends then. The line counts only where the log holds that record: a service that ended
//! before it was written has done nothing, and does it when it is asked again. So nothing has to be kept in the log itself, whose format
//! stays as it is, and a line without its record is no more than a line that can be deleted.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::PathBuf;

use anyhow::Context;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use credence_memory::home::Home;
use credence_memory::ids::{Hash, IdError, Seq};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::App;
use super::access::Caller;
use super::lines;
use super::problem::Problem;
use crate::surroundings::done_under_keys;

/// Keys that are remembered, at most.
const KEYS_MAX: usize = 10_000;

/// The key of a write: the same write, sent again by the same caller, has the same one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Key {
    /// Of the token that it was sent with, and its name.
    id: Hash,
    /// Of the request; none where nothing else can be asked with it, as of most forms.
    asked: Option<Hash>,
}

impl Key {
    /// Of what is sent with a caller's token under this name: another token has other keys. An owner's are those of every run.
    pub(crate) fn of(caller: &Caller, place: &str, name: &str) -> Self {
        let id = Hash::of_parts("key of a write", [caller.keys_of().as_bytes(), place.as_bytes(), name.as_bytes()]);
        Self { id, asked: None }
    }

    /// The same, good for one request only.
    pub(crate) fn for_request(self, asked: Hash) -> Self {
        Self { asked: Some(asked), ..self }
    }

    /// By what it is known.
    pub(super) fn id(self) -> Hash {
        self.id
    }

    /// Whether this is the key of a write that was sent before.
    ///
    /// # Errors
    /// It is, and comes with another request.
    pub(super) fn is(self, before: Self) -> Result<bool, Problem> {
        match (self.id == before.id, self.asked, before.asked) {
            (false, ..) => Ok(false),
            (true, Some(now), Some(then)) if now != then => Err(Problem::other_request()),
            (true, ..) => Ok(true),
        }
    }

    /// Of a form's hidden one-time key; none where there is none, as in a form that was made by hand.
    pub(crate) fn of_form(caller: &Caller, path: &str, once: &str) -> Option<Self> {
        (!once.is_empty()).then(|| Self::of(caller, path, once))
    }
}

impl From<Key> for String {
    fn from(key: Key) -> Self {
        key.asked.map_or_else(|| key.id.to_string(), |asked| format!("{} {asked}", key.id))
    }
}

impl TryFrom<String> for Key {
    type Error = IdError;

    fn try_from(text: String) -> Result<Self, IdError> {
        let (id, asked) = text.split_once(' ').map_or((text.as_str(), None), |(id, asked)| (id, Some(asked)));
        Ok(Self { id: id.parse()?, asked: asked.map(str::parse).transpose()? })
    }
}

/// The key that a request carries as `Idempotency-Key`, if it does; [`super::answered::once`] read it.
pub(crate) struct Sending(pub(crate) Option<Key>);

impl FromRequestParts<App> for Sending {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Problem> {
        Ok(Self(parts.extensions.get::<Key>().copied()))
    }
}

/// One write.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Line {
    key: Key,
    /// The last record of the log once it is done, and its hash.
    seq: Seq,
    hash: Hash,
    /// What it gives.
    gave: Value,
}

/// The writes that were done.
#[derive(Debug, Default)]
pub(crate) struct Done {
    /// None where nothing outlives the process.
    file: Option<PathBuf>,
    known: HashMap<Hash, Line>,
    /// Their keys, the oldest first.
    order: VecDeque<Hash>,
}

impl Done {
    /// Reads what was done in a home. What its log does not hold was not, and is left out of the file.
    ///
    /// # Errors
    /// The file or the log cannot be read, or the file not be written.
    pub(crate) fn open(home: &Home) -> anyhow::Result<Self> {
        let path = done_under_keys(home.paths().root());
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(error).with_context(|| format!("failed to read {}", path.display())),
        };
        // A line that a crash cut short is of a write that was not done.
        let lines: Vec<Line> = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        let lines = lines.split_at(lines.len().saturating_sub(KEYS_MAX)).1;
        let wanted: BTreeMap<Seq, Hash> = lines.iter().map(|line| (line.seq, Hash::ZERO)).collect();
        let held = if wanted.is_empty() { wanted } else { hashes(home, wanted)? };
        let mut done = Self { file: Some(path.clone()), ..Self::default() };
        for line in lines.iter().filter(|line| held.get(&line.seq) == Some(&line.hash)) {
            done.know(line.clone());
        }
        let text: String = done.order.iter().map(|key| written(&done.known[key])).collect();
        if !text.is_empty() || path.exists() {
            replace(&path, &text).with_context(|| format!("failed to write {}", path.display()))?;
        }
        Ok(done)
    }

    /// What the write with this key gave, if it was done.
    ///
    /// # Errors
    /// The key came with another request.
    pub(super) fn gave<T: DeserializeOwned>(&self, key: Key) -> Result<Option<T>, Problem> {
        match self.known.get(&key.id) {
            Some(line) if key.is(line.key)? => Ok(serde_json::from_value(line.gave.clone()).ok()),
            _ => Ok(None),
        }
    }

    /// Ends a write whose records wait in the home ([`Home::hold`]): they go into the log together if it worked, and not at all if it did
    /// not.
    ///
    /// # Errors
    /// What it failed with; the disk refuses. Nothing is recorded then.
    pub(super) fn end<T: Serialize>(
        &mut self,
        home: &mut Home,
        key: Key,
        worked: Result<T, Problem>,
    ) -> Result<T, Problem> {
        let (seq, hash) = home.head();
        let said = worked.and_then(|gave| {
            let value = serde_json::to_value(&gave).map_err(|e| Problem::failed(e.to_string()))?;
            let line = Line { key, seq, hash, gave: value };
            self.say(&line).map_err(|e| Problem::disk(e.to_string()))?;
            Ok((gave, line))
        });
        match said {
            Ok((gave, line)) => {
                home.release()?;
                self.know(line);
                Ok(gave)
            }
            Err(problem) => {
                home.let_go()?;
                Err(problem)
            }
        }
    }

    /// Says that a write is done once the log ends with this record. It is on the disk when this returns, and known from
    /// [`Done::know`] on.
    fn say(&self, line: &Line) -> io::Result<()> {
        let Some(path) = &self.file else { return Ok(()) };
        lines::append(path, &written(line))
    }

    fn know(&mut self, line: Line) {
        self.order.push_back(line.key.id);
        self.known.insert(line.key.id, line);
        if self.order.len() > KEYS_MAX {
            let oldest = self.order.pop_front();
            oldest.map(|key| self.known.remove(&key));
        }
    }

    /// Forgets what was done with records after this one: they were taken back.
    pub(super) fn forget_after(&mut self, seq: Seq) {
        self.known.retain(|_, line| line.seq <= seq);
        self.order.retain(|key| self.known.contains_key(key));
    }

    /// Forgets everything, as somebody was erased whose words may be in it.
    pub(super) fn forget_all(&mut self) {
        self.known.clear();
        self.order.clear();
        let removed = self.file.as_ref().map_or(Ok(()), fs::remove_file);
        if let Err(error) = removed
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(%error, "what was given for keys could not be removed, and goes when the service is started again");
        }
    }
}

/// A line as it stands in the file.
fn written(line: &Line) -> String {
    serde_json::to_string(line).map(|line| line + "\n").unwrap_or_default()
}

fn replace(path: &std::path::Path, text: &str) -> io::Result<()> {
    let beside = path.with_extension("new");
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&beside)?;
    file.write_all(text.as_bytes())?;
    file.sync_data()?;
    fs::rename(beside, path)
}

/// The hashes of these records in a home's log.
fn hashes(home: &Home, mut wanted: BTreeMap<Seq, Hash>) -> anyhow::Result<BTreeMap<Seq, Hash>> {
    for entry in home.entries()? {
        let entry = entry?;
        if let Some(hash) = wanted.get_mut(&entry.seq) {
            *hash = entry.hash;
        }
    }
    Ok(wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    use credence_memory::ids::{PersonId, SessionId};
    use credence_memory::record::{Record, SessionStarted};
    use credence_memory::sample::header;
    use jiff::Timestamp;

    use crate::serve::access::{Role, Tokens};

    struct Place(Home, Done);

    fn write(home: &mut Home, name: &str) -> Result<String, Problem> {
        let session = SessionId::new(name).unwrap();
        let person = PersonId::new("ada").unwrap();
        let started = SessionStarted { session, person, seed: 1, strategy: "random".into() };
        let entry = home.append(Timestamp::UNIX_EPOCH, Record::SessionStarted(started))?.0;
        Ok(format!("{name} is record {}", entry.seq))
    }

    fn sent(place: &mut Place, key: Key, name: &str) -> Result<String, Problem> {
        let Place(home, done) = place;
        if let Some(gave) = done.gave(key)? {
            return Ok(gave);
        }
        home.hold()?;
        let worked = write(home, name);
        done.end(home, key, worked)
    }

    #[test]
    fn a_write_counts_where_the_log_holds_it_and_is_done_again_where_it_does_not() {
        let dir = tempfile::tempdir().unwrap();
        let tokens = Tokens::open(dir.path()).unwrap();
        let caller = |role| tokens.caller(&tokens.make(role, None, None).unwrap()).unwrap();
        // Another token of the same owner, as after a restart.
        let [key, again] = [caller(Role::Owner), caller(Role::Owner)].map(|owner| Key::of(&owner, "/x", "k"));
        assert_eq!(key, again);
        let others = [Key::of(&caller(Role::Facilitator), "/x", "k"), Key::of(&caller(Role::Owner), "/y", "k")];
        assert!(!others.contains(&key) && Key::of(&caller(Role::Facilitator), "/x", "k") != others[0]);

        let open = || {
            let (mut home, _) = Home::open(dir.path()).unwrap();
            home.write_ahead();
            let done = Done::open(&home).unwrap();
            Place(home, done)
        };
        Home::create(dir.path(), Timestamp::UNIX_EPOCH, header("test")).unwrap();
        let mut place = open();
        let first = sent(&mut place, key, "s-1").unwrap();
        assert_eq!(sent(&mut place, key, "s-2").unwrap(), first, "not done again");
        // What fails leaves nothing.
        let Place(home, done) = &mut place;
        home.hold().unwrap();
        write(home, "s-3").unwrap();
        let failed = done.end(home, others[0], Err::<String, _>(Problem::unusable("no")));
        assert_eq!((failed.unwrap_err().status, home.state().sessions().len()), (422, 1));
        drop(place);
        let mut place = open();
        assert_eq!(sent(&mut place, key, "s-4").unwrap(), first, "nor after a restart");
        let second = sent(&mut place, others[1], "s-5").unwrap();
        drop(place);

        // A service that ended after the line and before the record: it is done when it is asked again, and no line stays.
        let log = dir.path().join("evidence/log.jsonl");
        let text = fs::read_to_string(&log).unwrap();
        let cut: Vec<&str> = text.lines().collect();
        fs::write(&log, cut[..cut.len() - 1].join("\n") + "\n").unwrap();
        let mut place = open();
        assert_eq!(fs::read_to_string(done_under_keys(dir.path())).unwrap().lines().count(), 1);
        assert_eq!(sent(&mut place, key, "s-6").unwrap(), first);
        assert_eq!(sent(&mut place, others[1], "s-7").unwrap(), second.replace("s-5", "s-7"));
    }

    #[test]
    fn what_is_taken_back_is_done_again() {
        let dir = tempfile::tempdir().unwrap();
        let mut home = Home::create(dir.path(), Timestamp::UNIX_EPOCH, header("test")).unwrap();
        home.write_ahead();
        fs::create_dir_all(dir.path().join("serve")).unwrap();
        let done = Done::open(&home).unwrap();
        let key = Key { id: Hash::of(b"k"), asked: None };
        let mut place = Place(home, done);
        sent(&mut place, key, "s-1").unwrap();
        place.0.take_back(io::Error::other("the disk failed")).unwrap();
        place.1.forget_after(place.0.head().0);
        assert_eq!(place.0.state().sessions().len(), 0);
        assert_eq!(sent(&mut place, key, "s-2").unwrap(), "s-2 is record 2");
        drop(place);
        let (home, _) = Home::open(dir.path()).unwrap();
        assert_eq!(Done::open(&home).unwrap().gave::<String>(key).unwrap().as_deref(), Some("s-2 is record 2"));
    }
}
