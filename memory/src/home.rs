//! A home: one directory with one log, what follows from it, and the lock that keeps it to one writer.

mod fed;
mod paths;
#[cfg(test)]
mod tests;

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use crate::belief::Mixture;
use crate::ids::{Hash, PersonId, Seq};
use crate::lock::Lock;
use crate::log::{Batch, End, Entry, LogError, Reader, Torn, Writer};
use crate::record::{LogOpened, Record};
use crate::state::{Applied, State, StateError};
use crate::storage::{Change, Files, Storage, is_at};
use crate::store::{Condition, Store, Unusable};
pub use paths::Paths;
use paths::lost_records;

/// Beliefs are kept in the store at least this often, in records.
const RECORDS_BETWEEN_SNAPSHOTS: u32 = 32;

/// A home, open for writing. There is one at a time.
#[derive(Debug)]
pub struct Home {
    paths: Paths,
    store: Option<Store>,
    writer: Writer<Files>,
    state: State,
    since_snapshot: u32,
    /// Whether records are written ahead of being synced.
    ahead: bool,
    /// Whether what is written comes from a stream.
    fed: bool,
    /// Dropped last, so that no other process opens the store before this one has closed it.
    _lock: Held,
}

/// What was found on opening.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenReport {
    /// A last line that had not been written whole, and was cut off.
    pub torn: Option<Torn>,
    /// The store.
    pub store: Condition,
    /// Up to which record the log once went, if it ends before that now.
    pub lost: Option<Seq>,
}

impl OpenReport {
    /// What the person has to be told, whoever opens the home.
    pub fn notices(&self) -> Vec<String> {
        let torn = self.torn.map(|torn| {
            // Only what the log once went up to says whether a torn line had been acknowledged.
            let never = if self.lost.is_some() { "" } else { ", never acknowledged" };
            format!("the log's last line was torn ({} bytes{never}) and has been cut off", torn.bytes)
        });
        let lost = self.lost.map(lost_records);
        torn.into_iter().chain(lost).collect()
    }
}

/// Why a home cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum HomeError {
    /// Nothing there.
    #[error("there is no evidence log in {}", .0.display())]
    Missing(PathBuf),
    /// Something there.
    #[error("there is an evidence log in {} already", .0.display())]
    Exists(PathBuf),
    /// Nothing there, where there was something.
    #[error(
        "the evidence log of {} is empty or gone, but it once went up to record {once}, all of them acknowledged: put it back from a backup. \
         To begin anew all the same, delete {}", root.display(), Paths::of(root).head().display()
    )]
    Gone {
        /// The home.
        root: PathBuf,
        /// Up to which record the log went.
        once: Seq,
    },
    /// Another process has it.
    #[error("another process is using {}: end it, or choose another home", .0.display())]
    InUse(PathBuf),
    /// Its records come from a stream, and from nowhere else.
    #[error(
        "this home follows shard {shard} of a stream: say it at a front end of the shard (credence serve --stream); to erase a person, use \
         credence shard erase"
    )]
    Fed {
        /// The shard.
        shard: u32,
    },
    /// The file system refuses.
    #[error("failed to {operation} {}", path.display())]
    Files {
        /// What was tried.
        operation: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The log.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The state.
    #[error(transparent)]
    State(#[from] StateError),
}

impl Home {
    /// Makes a home with a log that holds its header only.
    ///
    /// # Errors
    /// There is a log already, or there was one once; another process has the home; the file system refuses.
    #[allow(clippy::missing_panics_doc, reason = "a log has a folder above it")]
    pub fn create(root: &Path, time: Timestamp, header: LogOpened) -> Result<Self, HomeError> {
        let paths = Paths::of(root);
        let lock = locked(&paths)?;
        paths.not_gone()?;
        let path = paths.log();
        private_directory(path.parent().expect("the log is in a directory"))?;
        let (writer, _) = Writer::open::<HomeError>(files(&path)?, |_| Err(HomeError::Exists(root.to_owned())))?;
        // A store without a log is of a log that is gone.
        let (store, _) = open_store(&paths);
        let store = match store {
            Some(store) if !matches!(store.head(), Ok(None)) => store.rebuild(&paths.store(), Unusable::OtherLog).0,
            store => store,
        };
        let mut home = Self {
            paths,
            store,
            writer,
            state: State::new(),
            since_snapshot: 0,
            ahead: false,
            fed: false,
            _lock: lock,
        };
        home.append(time, Record::LogOpened(header))?;
        Ok(home)
    }

    /// Opens a home: reads its log, cuts off a torn last line, and records what a retraction made stale where that was left
    /// out. Beliefs are formed when they are asked for.
    ///
    /// # Errors
    /// There is no log, or there was one once; another process has the home; the log is damaged, newer than this program, or holds a
    /// record that may not be there; the file system refuses.
    #[allow(clippy::missing_panics_doc, reason = "a stored head comes from a store")]
    pub fn open(root: &Path) -> Result<(Self, OpenReport), HomeError> {
        let (paths, lock) = locked_with_a_log(root)?;
        Self::open_locked(paths, lock)
    }

    fn open_locked(paths: Paths, lock: Held) -> Result<(Self, OpenReport), HomeError> {
        let lost = paths.lost();
        let (store, mut condition) = open_store(&paths);
        let stored_head = store.as_ref().and_then(|s| s.head().ok().flatten());
        let mut state = State::new();
        let mut in_log = stored_head.is_none();
        let mut last = None;
        let (writer, torn) = Writer::open::<HomeError>(files(&paths.log())?, |entry| {
            in_log |= stored_head == Some((entry.seq, entry.hash));
            last = Some(entry.time);
            Ok(state.note(&entry)?)
        })?;
        if state.header().is_none() {
            return Err(HomeError::Missing(paths.root().to_owned()));
        }
        let mut store = store;
        if let (false, Some((seq, _))) = (in_log, stored_head) {
            let why = if seq > state.head().0 { Unusable::AheadOfLog(seq) } else { Unusable::OtherLog };
            (store, condition) = store.take().expect("it has a head").rebuild(&paths.store(), why);
        }
        let lost = match &condition {
            Condition::Rebuilt(Unusable::AheadOfLog(seq)) => lost.max(Some(*seq)),
            _ => lost,
        };
        let mut home = Self { paths, store, writer, state, since_snapshot: 0, ahead: false, fed: false, _lock: lock };
        home.note_head();
        // What a crash, or a full disk, left out.
        if let Some(time) = last {
            home.tell_stale(time);
        }
        Ok((home, OpenReport { torn, store: condition, lost }))
    }

    /// Appends a record: checked, learned from, written and synced, in this order, then done. After [`Home::write_ahead`] it is not
    /// synced.
    ///
    /// # Errors
    /// The record does not fit, or could not be written: neither the log nor the state has it.
    pub fn append(&mut self, time: Timestamp, record: Record) -> Result<(Entry, Applied), HomeError> {
        self.may_write(Some(&record))?;
        if let Some(from) = record.evidence_origin() {
            self.believe(&from.person)?;
        }
        crate::moment!("fold");
        let prepared = self.state.prepare(&record)?;
        let entry = match self.ahead {
            true => self.writer.append_unsynced(time, record)?,
            false => self.writer.append(time, record)?,
        };
        let applied = self.state.install(&entry, prepared);
        if !self.ahead {
            self.note_head();
            self.since_snapshot += 1;
            if self.since_snapshot >= RECORDS_BETWEEN_SNAPSHOTS {
                self.checkpoint();
            }
        }
        if matches!(entry.record, Record::Retracted(_)) {
            self.tell_stale(time);
        }
        Ok((entry, applied))
    }

    /// Appends a record without forming anybody's belief, for whoever only keeps the log: belief is formed later, to the same bits.
    ///
    /// # Errors
    /// As [`Home::append`].
    pub fn note(&mut self, time: Timestamp, record: Record) -> Result<Entry, HomeError> {
        self.may_write(Some(&record))?;
        self.state.may_follow(&record)?;
        let entry = match self.ahead {
            true => self.writer.append_unsynced(time, record)?,
            false => self.writer.append(time, record)?,
        };
        self.state.note(&entry)?;
        Ok(entry)
    }

    /// From now on records are written and not synced, so that one sync serves many of them. Whoever appends must not tell anybody
    /// before [`Home::unsynced`] was synced, which another thread may do, and must tell how that went: [`Home::known_safe`] or
    /// [`Home::take_back`]. Beliefs are kept in the store when [`Home::keep`] says so, and at the end.
    pub fn write_ahead(&mut self) {
        self.ahead = true;
    }

    /// What was written and is not known to be on the medium, if anything.
    ///
    /// # Errors
    /// The system has no more handles.
    pub fn unsynced(&self) -> io::Result<Option<Unsynced>> {
        let end = self.writer.end();
        if end == self.writer.safe() {
            return Ok(None);
        }
        let storage = self.writer.storage();
        Ok(Some(Unsynced { file: storage.handle()?, path: storage.path().to_owned(), end }))
    }

    /// Takes note that what was written up to this end is on the medium.
    pub fn known_safe(&mut self, end: End) {
        self.writer.known_safe(end);
        self.note_head();
    }

    /// Takes back what was written and could not be synced: nobody was told of it. The state is then read from the log.
    ///
    /// # Errors
    /// It could not be taken back, or the log not be read: this home is of no use any more.
    pub fn take_back(&mut self, source: io::Error) -> Result<(), HomeError> {
        self.writer.take_back(source)?;
        self.read_again()
    }

    /// From now on records are checked and learned from, and wait, until [`Home::release`] writes them in one piece or [`Home::let_go`]
    /// forgets them: a crash leaves all of them or none. For a home that writes ahead ([`Home::write_ahead`]). What is held while others
    /// hold is released to them, or forgotten alone.
    ///
    /// # Errors
    /// Nothing can be appended to the log.
    pub fn hold(&mut self) -> Result<(), HomeError> {
        Ok(self.writer.hold()?)
    }

    /// What waits since [`Home::hold`], in order.
    ///
    /// # Errors
    /// It cannot be read back.
    pub fn held(&self) -> Result<Vec<Entry>, HomeError> {
        Ok(self.writer.held().map_or(Ok(Vec::new()), Iterator::collect)?)
    }

    /// Number and hash of the last record, also of one that waits.
    pub fn head(&self) -> (Seq, Hash) {
        self.writer.head()
    }

    /// Writes what waits. It is not synced.
    ///
    /// # Errors
    /// It could not be written: neither the log nor the state has it.
    pub fn release(&mut self) -> Result<(), HomeError> {
        let Err(error) = self.writer.release() else { return Ok(()) };
        if let Err(again) = self.read_again() {
            tracing::error!(error = &again as &dyn std::error::Error, "the log cannot be read again");
        }
        Err(error.into())
    }

    /// Forgets what waits: neither the log nor the state has it.
    ///
    /// # Errors
    /// The log cannot be read again: nothing more is written.
    pub fn let_go(&mut self) -> Result<(), HomeError> {
        if self.writer.let_go() { self.read_again() } else { Ok(()) }
    }

    /// Forms the state from the log anew, where it went further than the log.
    fn read_again(&mut self) -> Result<(), HomeError> {
        match self.folded() {
            Ok(state) => {
                self.state = state;
                Ok(())
            }
            Err(error) => {
                self.writer.poison();
                Err(error)
            }
        }
    }

    fn folded(&self) -> Result<State, HomeError> {
        let mut state = State::new();
        for entry in self.entries()? {
            state.note(&entry?)?;
        }
        for entry in self.held()? {
            state.note(&entry)?;
        }
        Ok(state)
    }

    /// Records which adapters a retraction made stale, where no record says so yet. That has taken effect with the retraction,
    /// which stands: these only say so, and what cannot be written now is written when the home is next opened.
    fn tell_stale(&mut self, time: Timestamp) {
        for stale in self.state.ledger().untold() {
            let generation = stale.generation;
            if let Err(error) = self.append(time, Record::AdapterStale(stale)) {
                tracing::warn!(
                    %generation, error = &error as &dyn std::error::Error,
                    "the retraction is recorded; that this adapter had absorbed it is recorded at the next opening"
                );
                return;
            }
        }
    }

    /// Begins adding many records at once.
    pub fn draft(&self) -> Draft {
        Draft { state: self.state.clone(), batch: self.writer.batch(), last: None }
    }

    /// Adds a draft's records: all of them or none.
    ///
    /// # Errors
    /// The log cannot be written. Then it holds none of the records, and the state is as before.
    pub fn commit(&mut self, draft: Draft) -> Result<(), HomeError> {
        self.may_write(None)?;
        let Draft { state, batch, last } = draft;
        self.writer.commit(batch)?;
        self.state = state;
        match self.ahead {
            true => self.note_head(),
            false => self.checkpoint(),
        }
        if let Some(time) = last {
            self.tell_stale(time);
        }
        Ok(())
    }

    /// Brings a person's belief up to date, from the store if it has it, and gives it; for someone unknown, the prior.
    ///
    /// # Errors
    /// A record of theirs cannot be learned from, or no belief can be formed from the header and the prior.
    pub fn believe(&mut self, person: &PersonId) -> Result<Mixture, HomeError> {
        let known = self.state.person(person);
        if known.is_some_and(|p| p.belief().is_none())
            && let Some((touched, belief)) = self.store.as_ref().and_then(|store| store.load(person))
        {
            self.state.restore(person, touched, belief);
        }
        self.state.believe(person)?;
        Ok(self.state.belief(person)?)
    }

    /// Keeps what is believed of one person in the store, if that was asked for.
    pub fn keep(&self, id: &PersonId) {
        let Some((store, person)) = self.store.as_ref().zip(self.state.person(id)) else { return };
        if let (Some(touched), Some(belief)) = (person.touched(), person.belief())
            && !store.has(id, touched)
        {
            store.save(id, touched, belief);
        }
    }

    /// Keeps the beliefs that were asked for in the store.
    pub fn checkpoint(&mut self) {
        self.since_snapshot = 0;
        self.note_head();
        self.state.people().keys().for_each(|person| self.keep(person));
    }

    /// Notes up to which record the log goes, where a lost end will show. It helps and nothing rests on it, so a failure is
    /// no harm.
    fn note_head(&self) {
        let End { seq, hash, .. } = self.writer.safe();
        if let Some(store) = &self.store {
            store.set_head((seq, hash));
        }
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let noted = options.open(self.paths.head()).and_then(|mut file| writeln!(file, "{seq}"));
        if let Err(error) = noted {
            tracing::debug!(%error, "where the log ends was not noted");
        }
    }

    /// What follows from the log.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The store, where there can be one.
    pub fn store(&self) -> Option<&Store> {
        self.store.as_ref()
    }

    /// Where things are.
    pub fn paths(&self) -> &Paths {
        &self.paths
    }

    /// Entries of the log from its beginning.
    ///
    /// # Errors
    /// The log cannot be read.
    pub fn entries(&self) -> Result<Reader<Box<dyn io::Read + Send + '_>>, HomeError> {
        let read = |source: io::Error| match source.kind() {
            io::ErrorKind::NotFound => LogError::Changed { how: Change::Removed },
            _ => LogError::Storage { operation: "read", source },
        };
        Ok(Reader::new(self.writer.storage().read_from(0).map_err(read)?))
    }

    /// Replaces the log by one with other content: for erasure only. The new log is checked as any log is, record by
    /// record, before it takes the old one's place.
    ///
    /// # Errors
    /// A record does not fit, or the new log could not be written: the old one stands.
    pub(crate) fn rewrite(&mut self, records: Vec<(Timestamp, Record)>) -> Result<(), HomeError> {
        let mut draft = Draft { state: State::new(), batch: Batch::of_a_new_log(), last: None };
        for (time, record) in records {
            draft.push(time, record)?;
        }
        if draft.state.header().is_none() {
            return Err(LogError::Empty.into());
        }
        self.writer.rewrite(draft.batch)?;
        self.state = draft.state;
        if let Some(store) = self.store.take() {
            self.store = store.rebuild(&self.paths.store(), Unusable::Rewritten).0;
        }
        self.checkpoint();
        Ok(())
    }
}

/// What was written to a log and is not known to be on the medium.
#[derive(Debug)]
pub struct Unsynced {
    file: File,
    path: PathBuf,
    end: End,
}

impl Unsynced {
    /// Returns where the log ends that is on the medium then, with all before it.
    ///
    /// # Errors
    /// The disk refuses: none of it may be relied on.
    pub fn sync(&self) -> io::Result<End> {
        crate::moment!("sync");
        self.file.sync_data()?;
        match is_at(&self.file, &self.path) {
            Ok(true) => Ok(self.end),
            // What was written is in a file that nobody will read.
            Ok(false) => Err(io::Error::other("another file stands in the log's place")),
            Err(error) => Err(error),
        }
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        if let Ok(Some(unsynced)) = self.unsynced()
            && let Ok(end) = unsynced.sync()
        {
            self.writer.known_safe(end);
        }
        self.checkpoint();
        if let Some(store) = &self.store {
            store.flush();
        }
    }
}

/// Records to be added together, checked as they come.
#[derive(Debug)]
pub struct Draft {
    state: State,
    batch: Batch,
    /// The time of the last record added.
    last: Option<Timestamp>,
}

impl Draft {
    /// Adds a record, if it fits.
    ///
    /// # Errors
    /// The record does not fit; the draft is as before.
    pub fn push(&mut self, time: Timestamp, record: Record) -> Result<Entry, HomeError> {
        let entry = self.batch.push(time, record)?;
        self.state.note(&entry)?;
        self.last = Some(entry.time);
        Ok(entry)
    }

    /// The state with everything added so far, without its beliefs.
    pub fn state(&self) -> &State {
        &self.state
    }
}

/// A home that has a log, locked.
fn locked_with_a_log(root: &Path) -> Result<(Paths, Held), HomeError> {
    let paths = Paths::of(root);
    paths.not_gone()?;
    if !paths.has_log() {
        return Err(HomeError::Missing(root.to_owned()));
    }
    let lock = locked(&paths)?;
    Ok((paths, lock))
}

fn files(path: &Path) -> Result<Files, HomeError> {
    Files::open(path).map_err(|source| HomeError::Files { operation: "open", path: path.to_owned(), source })
}

fn open_store(paths: &Paths) -> (Option<Store>, Condition) {
    match private_directory(&paths.store()) {
        Ok(()) => Store::open(&paths.store()),
        Err(why) => (None, Condition::Unavailable(why.to_string())),
    }
}

/// What keeps a home to one writer: the lock's file, and the home's own folder, which is the same one whatever becomes of the
/// file. Folders can be locked on most systems.
#[derive(Debug)]
struct Held {
    _file: Lock,
    _folder: Option<Lock>,
}

fn locked(paths: &Paths) -> Result<Held, HomeError> {
    private_directory(paths.root())?;
    let path = paths.lock();
    let failed = |operation, source| HomeError::Files { operation, path: path.clone(), source };
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(&path).map_err(|e| failed("open", e))?;
    let in_use = || HomeError::InUse(paths.root().to_owned());
    let same = file.try_clone().map_err(|e| failed("open", e))?;
    let file = Lock::take(file).map_err(|error| match error {
        TryLockError::WouldBlock => in_use(),
        TryLockError::Error(e) => failed("lock", e),
    })?;
    // Whoever else comes locks what stands there now.
    if !is_at(&same, &path).unwrap_or(false) {
        return Err(in_use());
    }
    let folder = match File::open(paths.root()).map(Lock::take) {
        Ok(Ok(lock)) => Some(lock),
        Ok(Err(TryLockError::WouldBlock)) => return Err(in_use()),
        Ok(Err(TryLockError::Error(_))) | Err(_) => None,
    };
    Ok(Held { _file: file, _folder: folder })
}

/// Makes a directory that only its owner can look into; one that is there is left as it is.
fn private_directory(path: &Path) -> Result<(), HomeError> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(|source| HomeError::Files { operation: "create", path: path.to_owned(), source })
}
