//! The store: derived state in sled, so that opening a home need not form every belief anew.
//!
//! sled calls itself beta, so nothing in it is the only copy and nothing in it is trusted: every value carries its own hash,
//! beliefs name the record they were formed through, and whatever does not fit the log is thrown away and made again.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::belief::Mixture;
use crate::ids::{Hash, PersonId, Seq};

/// Version of what is stored: hashes of the source of what makes it (`build.rs`, and the engine's own), so that no changed
/// structure or result is taken for what it was; another one is thrown away.
const STORE_FORMAT: (&str, &str) = (crate::belief::SOURCE_HASH, env!("CREDENCE_ENGINE_HASH"));

fn format() -> String {
    format!("{}-{}", STORE_FORMAT.0, STORE_FORMAT.1)
}

/// What the operating system says of a disk or a quota that is full.
const FULL: [&str; 2] = ["(os error 28)", "(os error 122)"];

/// An open store.
#[derive(Debug)]
pub struct Store {
    db: sled::Db,
    beliefs: sled::Tree,
    cache: sled::Tree,
    /// Whether something could not be written.
    is_failing: AtomicBool,
}

impl Drop for Store {
    fn drop(&mut self) {
        // sled waits for ever for what it cannot write (a full disk), so that it is left to the end of the process. Nothing is lost:
        // what the store holds is made again from the log.
        if self.is_failing.load(Ordering::Relaxed) {
            std::mem::forget((self.db.clone(), self.beliefs.clone(), self.cache.clone()));
        }
    }
}

/// How the store was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// There was none.
    Missing,
    /// It was of this log, and had folded so many records of it.
    Folded(Seq),
    /// It could not be used and was made anew.
    Rebuilt(Unusable),
    /// There can be none here; beliefs are formed anew at every opening.
    Unavailable(String),
}

/// Why a store was thrown away.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// It cannot be read.
    #[error("the store is damaged: {0}")]
    Damaged(String),
    /// It was made by another version.
    #[error("the store was written by another version of this program")]
    OtherFormat,
    /// It is of another log, or of this log before it was erased from or replaced.
    #[error("the store is of another log")]
    OtherLog,
    /// The log was just rewritten, by this program and on purpose.
    #[error("the log was rewritten")]
    Rewritten,
    /// It has folded records that the log no longer has: the log lost acknowledged records.
    #[error("the store has seen records up to {0}, which the log no longer has")]
    AheadOfLog(Seq),
}

#[derive(Debug, Serialize, Deserialize)]
struct Head {
    format: String,
    seq: Seq,
    hash: Hash,
}

#[derive(Debug, Serialize, Deserialize)]
struct Snapshot<B> {
    seq: Seq,
    hash: Hash,
    belief: B,
}

impl Store {
    /// Opens the store in a directory; what cannot be read is thrown away and made anew.
    pub fn open(path: &Path) -> (Option<Self>, Condition) {
        let existed = path.exists();
        match Self::try_open(path) {
            Ok(store) if !existed => (Some(store), Condition::Missing),
            Ok(store) => match store.head() {
                Ok(Some((seq, _))) => (Some(store), Condition::Folded(seq)),
                Ok(None) => (Some(store), Condition::Missing),
                Err(why) => {
                    drop(store);
                    Self::anew(path, why)
                }
            },
            // A full disk damages nothing, and a store that was removed could not be made anew on it.
            Err(why) if FULL.iter().any(|error| why.contains(error)) => (None, Condition::Unavailable(why)),
            Err(why) => Self::anew(path, Unusable::Damaged(why)),
        }
    }

    /// Throws the store away and begins another.
    pub fn rebuild(self, path: &Path, why: Unusable) -> (Option<Self>, Condition) {
        drop(self);
        Self::anew(path, why)
    }

    fn anew(path: &Path, why: Unusable) -> (Option<Self>, Condition) {
        if why == Unusable::Rewritten {
            tracing::info!(%why, path = %path.display(), "making the store anew");
        } else {
            tracing::warn!(%why, path = %path.display(), "making the store anew");
        }
        let cleared = match std::fs::remove_dir_all(path) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(e.to_string()),
            _ => Ok(()),
        };
        match cleared.and_then(|()| Self::try_open(path)) {
            Ok(store) => (Some(store), Condition::Rebuilt(why)),
            Err(why) => (None, Condition::Unavailable(why)),
        }
    }

    fn try_open(path: &Path) -> Result<Self, String> {
        guarded(|| {
            let db = sled::Config::new().path(path).cache_capacity(64 << 20).open()?;
            let (beliefs, cache) = (db.open_tree("beliefs")?, db.open_tree("cache")?);
            Ok(Self { db, beliefs, cache, is_failing: AtomicBool::new(false) })
        })
    }

    /// The last record folded, with its hash.
    ///
    /// # Errors
    /// The store cannot be read, or what it says is not a record number with a hash.
    pub fn head(&self) -> Result<Option<(Seq, Hash)>, Unusable> {
        let bytes = guarded(|| self.db.get("head")).map_err(Unusable::Damaged)?;
        let Some(bytes) = bytes else { return Ok(None) };
        let content = sound(b"head", &bytes).ok_or_else(|| Unusable::Damaged("its head is unreadable".into()))?;
        // A head of another form is another version's, and no damage.
        let head: Head = postcard::from_bytes(content).map_err(|_| Unusable::OtherFormat)?;
        if head.format != format() {
            return Err(Unusable::OtherFormat);
        }
        Ok(Some((head.seq, head.hash)))
    }

    /// Notes the last record folded. Failures are logged and otherwise harmless.
    pub fn set_head(&self, (seq, hash): (Seq, Hash)) {
        let head = Head { format: format(), seq, hash };
        self.put(&self.db, b"head", &head);
    }

    /// Keeps a belief.
    pub fn save(&self, person: &PersonId, (seq, hash): (Seq, Hash), belief: &Mixture) {
        self.put(&self.beliefs, person.as_str().as_bytes(), &Snapshot { seq, hash, belief });
    }

    /// Whether a belief formed through this record is kept already.
    pub fn has(&self, person: &PersonId, (seq, hash): (Seq, Hash)) -> bool {
        // Its place and hash stand at the beginning, behind the seal.
        let Ok(start) = postcard::to_stdvec(&(seq, hash)) else { return false };
        let found = guarded(|| self.beliefs.get(person.as_str()));
        found.is_ok_and(|bytes| bytes.is_some_and(|b| b.get(32..).is_some_and(|content| content.starts_with(&start))))
    }

    /// The belief kept of a person, with the record through which it was formed. Whether it fits the log is for
    /// [`crate::state::State::restore`] to say.
    pub fn load(&self, person: &PersonId) -> Option<((Seq, Hash), Mixture)> {
        let key = person.as_str().as_bytes();
        let bytes = guarded(|| self.beliefs.get(key)).ok().flatten()?;
        let Some(Snapshot { seq, hash, belief }) = unsealed(key, &bytes) else {
            tracing::warn!(%person, "a belief in the store is damaged: it is formed anew from the log");
            return None;
        };
        Some(((seq, hash), belief))
    }

    /// Something cached under a hash of everything it depends on.
    pub fn cached(&self, key: Hash) -> Option<Vec<u8>> {
        let bytes = guarded(|| self.cache.get(key.0)).ok().flatten()?;
        unsealed(&key.0, &bytes)
    }

    /// Caches something under a hash of everything it depends on.
    pub fn cache(&self, key: Hash, bytes: &[u8]) {
        self.put(&self.cache, &key.0, &bytes);
    }

    /// Returns when everything kept is on the medium.
    pub fn flush(&self) {
        if self.is_failing.load(Ordering::Relaxed) {
            return;
        }
        if let Err(why) = guarded(|| self.db.flush()) {
            self.is_failing.store(true, Ordering::Relaxed);
            tracing::warn!(why, "the store could not be flushed");
        }
    }

    fn put(&self, tree: &sled::Tree, key: &[u8], value: &impl Serialize) {
        if self.is_failing.load(Ordering::Relaxed) {
            return;
        }
        let Some(bytes) = sealed(key, value) else { return };
        crate::moment!("store");
        if let Err(why) = guarded(|| tree.insert(key, bytes)) {
            self.is_failing.store(true, Ordering::Relaxed);
            tracing::warn!(why, "the store could not be written; it will be behind");
        }
    }
}

/// Where a home keeps its store.
pub fn path_in(home: &Path) -> PathBuf {
    home.join("store")
}

/// sled may panic on files that were changed under it.
fn guarded<T>(work: impl FnOnce() -> Result<T, sled::Error>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(result) => result.map_err(|e| e.to_string()),
        Err(_) => Err("sled gave up on it".into()),
    }
}

/// Content behind its hash, which covers the key too.
fn sealed(key: &[u8], value: &impl Serialize) -> Option<Vec<u8>> {
    let content = postcard::to_stdvec(value).ok()?;
    let mut bytes = seal(key, &content).0.to_vec();
    bytes.extend_from_slice(&content);
    Some(bytes)
}

fn unsealed<T: DeserializeOwned>(key: &[u8], bytes: &[u8]) -> Option<T> {
    postcard::from_bytes(sound(key, bytes)?).ok()
}

/// The content, if it is what was sealed.
fn sound<'a>(key: &[u8], bytes: &'a [u8]) -> Option<&'a [u8]> {
    let (hash, content) = bytes.split_at_checked(32)?;
    (seal(key, content).0 == *hash).then_some(content)
}

fn seal(key: &[u8], content: &[u8]) -> Hash {
    Hash::of_parts("credence store 1", [key, content])
}

#[cfg(test)]
mod tests {
    use super::*;
    use credence_belief::{Mixture, Priors, Settings};

    #[test]
    fn a_belief_comes_back_as_it_was_whatever_its_settings_leave_out_of_a_header() {
        let seldom = Settings { refined_at_first: 4, ..Settings::default() };
        for settings in [Settings::default(), Settings::of_new_homes(), seldom] {
            let belief = Mixture::new(&settings, &Priors::isotropic(2, 1.0)).expect("sound settings");
            let bytes = sealed(b"ada", &belief).expect("bytes");
            assert_eq!(unsealed::<Mixture>(b"ada", &bytes), Some(belief));
        }
    }

    #[test]
    fn a_store_of_another_version_is_thrown_away_and_not_called_damaged() {
        #[derive(Serialize)]
        struct Before {
            format: u32,
            seq: Seq,
            hash: Hash,
        }
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("store");
        let head = (Seq(7), Hash::of(b"seven"));
        for older in [true, false] {
            let (store, _) = Store::open(&path);
            let store = store.unwrap();
            let format = "another engine".to_owned();
            match older {
                true => store.put(&store.db, b"head", &Before { format: 2, seq: head.0, hash: head.1 }),
                false => store.put(&store.db, b"head", &Head { format, seq: head.0, hash: head.1 }),
            }
            drop(store);
            let (store, condition) = Store::open(&path);
            assert_eq!(condition, Condition::Rebuilt(Unusable::OtherFormat), "{older}");
            store.unwrap().set_head(head);
            assert_eq!(Store::open(&path).1, Condition::Folded(Seq(7)));
        }
    }
}
