//! Sessions as others follow them: another page of the same person, a facilitator's screen, a program.
//!
//! Whoever follows a session is woken when it may have changed, after what changed it is on the disk, and then looks for themselves.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use credence_memory::ids::SessionId;
use tokio::sync::watch;

/// Who follows which session.
#[derive(Debug, Default)]
pub(crate) struct Following(Mutex<HashMap<SessionId, watch::Sender<()>>>);

impl Following {
    fn lock(&self) -> MutexGuard<'_, HashMap<SessionId, watch::Sender<()>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Follows a session from now on.
    pub(crate) fn follow(&self, session: &SessionId) -> watch::Receiver<()> {
        let mut followed = self.lock();
        // Those whom nobody follows any more are let go here, so that there are no more of them than there are connections.
        followed.retain(|_, waking| waking.receiver_count() > 0);
        followed.entry(session.clone()).or_insert_with(|| watch::Sender::new(())).subscribe()
    }

    /// Wakes those who follow a session.
    pub(crate) fn wake(&self, session: &SessionId) {
        if let Some(waking) = self.lock().get(session) {
            waking.send_replace(());
        }
    }

    /// Wakes everybody, after something that may have changed any session.
    pub(crate) fn everybody(&self) {
        self.lock().values().for_each(|waking| waking.send_replace(()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_follows_is_woken_and_whoever_is_gone_is_forgotten() {
        let id = |name: &str| SessionId::new(name).unwrap();
        let following = Following::default();
        let (mut ada, bo) = (following.follow(&id("ada-1")), following.follow(&id("bo-2")));
        following.wake(&id("ada-1"));
        following.wake(&id("cy-3"));
        assert!(ada.has_changed().unwrap() && !bo.has_changed().unwrap());
        ada.mark_unchanged();
        following.everybody();
        assert!(ada.has_changed().unwrap() && bo.has_changed().unwrap());
        drop(ada);
        let _again = following.follow(&id("bo-2"));
        assert_eq!(following.lock().len(), 1);
    }
}
