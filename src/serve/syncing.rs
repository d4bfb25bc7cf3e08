//! Syncing of a served home's log beside the desk: while one sync is under way the desk goes on writing, and the next sync is for all
//! that was written meanwhile. Whoever waits hears what came of their work when it is on the disk, or that it is not.

use std::io;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use credence_memory::home::Unsynced;
use credence_memory::log::End;
use tokio::sync::broadcast;

use super::problem::Problem;

/// Tells somebody what came of their work, or that it is not on the disk.
pub(super) type Heard = Box<dyn FnOnce(Result<(), Problem>) + Send>;

/// Somebody who waits for what was written so far.
struct Waiting {
    unsynced: io::Result<Unsynced>,
    heard: Heard,
    /// How often records had been taken back when it was written.
    round: u64,
}

/// What the syncing thread found, for the desk.
#[derive(Default)]
struct Found {
    /// What is on the disk.
    safe: Option<End>,
    /// Why the last sync failed; until the desk has taken back what was written, nothing of it is acknowledged.
    failed: Option<String>,
    /// How often records were taken back.
    round: u64,
}

/// The way to the syncing thread.
pub(super) struct Syncing {
    waiting: Sender<Waiting>,
    found: Arc<Mutex<Found>>,
    thread: JoinHandle<()>,
}

impl Syncing {
    /// Starts the thread; `changed` hears the number of the last record that is safe.
    pub(super) fn start(changed: broadcast::Sender<u64>) -> io::Result<Self> {
        let (waiting, come) = channel();
        let found: Arc<Mutex<Found>> = Arc::default();
        let shared = Arc::clone(&found);
        let thread = std::thread::Builder::new()
            .name("syncing".into())
            .spawn(move || sync_all(&come, &shared, |end| drop(changed.send(end.seq.0))))?;
        Ok(Self { waiting, found, thread })
    }

    /// Has somebody told, once what was written so far is safe: at once, where nothing was.
    pub(super) fn tell(&self, unsynced: io::Result<Option<Unsynced>>, heard: Heard) {
        let Some(unsynced) = unsynced.transpose() else { return heard(Ok(())) };
        let round = lock(&self.found).round;
        if let Err(gone) = self.waiting.send(Waiting { unsynced, heard, round }) {
            (gone.0.heard)(Err(Problem::stopping()));
        }
    }

    /// What was synced since this was asked last, and why a sync failed, if one did.
    pub(super) fn found(&self) -> (Option<End>, Option<String>) {
        let mut found = lock(&self.found);
        (found.safe.take(), found.failed.clone())
    }

    /// Takes note that what could not be synced was taken back: what is written from now on is synced again.
    pub(super) fn taken_back(&self) {
        let mut found = lock(&self.found);
        (found.failed, found.safe) = (None, None);
        found.round += 1;
    }

    /// Waits until everybody was told, and says what [`Syncing::found`] says.
    pub(super) fn end(self) -> (Option<End>, Option<String>) {
        drop(self.waiting);
        let _ = self.thread.join();
        let mut found = lock(&self.found);
        (found.safe.take(), found.failed.take())
    }
}

fn lock(found: &Mutex<Found>) -> MutexGuard<'_, Found> {
    found.lock().unwrap_or_else(PoisonError::into_inner)
}

fn sync_all(come: &Receiver<Waiting>, found: &Mutex<Found>, safe: impl Fn(End)) {
    while let Ok(first) = come.recv() {
        let mut all = vec![first];
        all.extend(come.try_iter());
        let standing = {
            let found = lock(found);
            // What was written before something was taken back went with it.
            if found.failed.is_some() { None } else { Some(found.round) }
        };
        let is_current = |waiting: &Waiting| Some(waiting.round) == standing;
        let synced = match all.iter().rev().find(|waiting| is_current(waiting)).map(|last| &last.unsynced) {
            Some(Ok(unsynced)) => unsynced.sync(),
            Some(Err(error)) => Err(io::Error::other(error.to_string())),
            None => Err(io::Error::other("what was written before could not be synced")),
        };
        match &synced {
            Ok(end) => {
                lock(found).safe = Some(*end);
                safe(*end);
            }
            Err(error) if standing.is_some() => lock(found).failed = Some(error.to_string()),
            Err(_) => {}
        }
        for waiting in all {
            let told = match &synced {
                Ok(_) if Some(waiting.round) == standing => Ok(()),
                Ok(_) => Err(Problem::disk("it was taken back, since what was written before it could not be synced")),
                Err(error) => Err(Problem::disk(error.to_string())),
            };
            (waiting.heard)(told);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use credence_memory::home::Home;
    use credence_memory::ids::{PersonId, SessionId};
    use credence_memory::record::{Record, SessionStarted};
    use credence_memory::sample::header;
    use jiff::Timestamp;

    /// Writes a record and says whom to tell; what they hear comes out of the channel.
    fn write(home: &mut Home, n: u64, to: &Sender<Result<u64, String>>) -> Heard {
        let started = SessionStarted {
            session: SessionId::new(&format!("s-{n}")).unwrap(),
            person: PersonId::new("ada").unwrap(),
            seed: n,
            strategy: "random".into(),
        };
        home.append(Timestamp::UNIX_EPOCH, Record::SessionStarted(started)).unwrap();
        let to = to.clone();
        Box::new(move |safe| drop(to.send(safe.map(|()| n).map_err(|p| p.code.to_owned()))))
    }

    #[test]
    fn everybody_hears_when_it_is_safe_and_what_is_not_is_taken_back() {
        let dir = tempfile::tempdir().unwrap();
        let mut home = Home::create(dir.path(), Timestamp::UNIX_EPOCH, header("test")).unwrap();
        home.write_ahead();
        let (changed, mut changes) = broadcast::channel(64);
        let syncing = Syncing::start(changed).unwrap();
        let (to, heard) = channel();
        for n in 1..=3 {
            let told = write(&mut home, n, &to);
            syncing.tell(home.unsynced(), told);
        }
        assert_eq!((0..3).map(|_| heard.recv().unwrap()).collect::<Vec<_>>(), [Ok(1), Ok(2), Ok(3)]);
        let (safe, failed) = syncing.found();
        assert_eq!((safe.unwrap().seq.0, failed), (4, None));
        home.known_safe(safe.unwrap());
        assert!(home.unsynced().unwrap().is_none());
        assert!((0..3).any(|_| changes.try_recv() == Ok(4)));
        // A handle that cannot be had stands for a disk that fails.
        let told = write(&mut home, 4, &to);
        syncing.tell(Err(io::Error::other("broken")), told);
        assert_eq!(heard.recv().unwrap(), Err("disk".to_owned()));
        let told = write(&mut home, 5, &to);
        syncing.tell(home.unsynced(), told);
        assert_eq!(heard.recv().unwrap(), Err("disk".to_owned()), "what came after it is as little safe");
        let (safe, failed) = syncing.found();
        assert_eq!((safe, failed.as_deref()), (None, Some("broken")));
        home.take_back(io::Error::other("broken")).unwrap();
        syncing.taken_back();
        assert_eq!((home.state().head().0.0, home.state().sessions().len()), (4, 3));
        let told = write(&mut home, 6, &to);
        syncing.tell(home.unsynced(), told);
        assert_eq!(heard.recv().unwrap(), Ok(6));
        let (safe, failed) = syncing.end();
        assert_eq!((safe.map(|end| end.seq.0), failed), (Some(5), None));
        drop(home);
        let (home, _) = Home::open(dir.path()).unwrap();
        assert_eq!((home.state().head().0.0, home.state().sessions().len()), (5, 4));
    }
}
