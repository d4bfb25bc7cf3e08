//! Sessions as others follow them: another page of the same person, a facilitator's screen, a program.
//!
//! Whoever follows a session is woken when it may have changed, after what changed it is on the disk, and then looks for themselves.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use credence_memory::ids::SessionId;
use tokio::sync::{mpsc, watch};
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;

use super::App;
use super::access::Caller;
use super::desk::Turn;
use super::done::Key;
use super::problem::Problem;
use crate::surroundings::now;

/// Sessions that are followed, each with the key of the form that changed it last, if a form did.
type Followed = HashMap<SessionId, watch::Sender<Option<Key>>>;

/// Who follows which session.
#[derive(Debug, Default)]
pub(crate) struct Following(Mutex<Followed>);

impl Following {
    fn lock(&self) -> MutexGuard<'_, Followed> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Follows a session from now on.
    pub(crate) fn follow(&self, session: &SessionId) -> watch::Receiver<Option<Key>> {
        let mut followed = self.lock();
        // Those whom nobody follows any more are let go here, so that there are no more of them than there are connections.
        followed.retain(|_, waking| waking.receiver_count() > 0);
        followed.entry(session.clone()).or_insert_with(|| watch::Sender::new(None)).subscribe()
    }

    /// Wakes those who follow a session; `by` is the key of the form that changed it, if a form did.
    pub(crate) fn wake(&self, session: &SessionId, by: Option<Key>) {
        if let Some(waking) = self.lock().get(session) {
            waking.send_replace(by);
        }
    }

    /// Wakes everybody, after something that may have changed any session.
    pub(crate) fn everybody(&self) {
        for waking in self.lock().values() {
            waking.send_replace(None);
        }
    }
}

/// What is told to somebody who follows a session.
pub(crate) struct News {
    /// Where it stands.
    pub(crate) turn: Turn,
    /// Whether it is over: nothing comes after this.
    pub(crate) is_over: bool,
    /// The key of the form that changed it, if a form did.
    pub(crate) by: Option<Key>,
}

/// Where a session stands, now and whenever that changes, until it is over.
///
/// # Errors
/// There is no such session, or it is not theirs to see.
pub(crate) async fn turns(
    app: &App,
    caller: Caller,
    id: SessionId,
) -> Result<impl Stream<Item = News> + Send + use<>, Problem> {
    // Before the first look, so that nothing is missed between the two.
    let mut changes = app.following.follow(&id);
    let desk = app.desk.clone();
    let look = move || {
        let (desk, caller, id) = (desk.clone(), caller.clone(), id.clone());
        async move { desk.run(move |desk| desk.must_be_theirs(&caller, &id).and_then(|()| desk.stands(&id, now()))).await? }
    };
    // Whether there is such a session, and whether they may see it, is told before anything else.
    let mut told = look().await?;
    let (send, receive) = mpsc::channel(1);
    tokio::spawn(async move {
        let mut next = Some(News { is_over: told.ended.is_some(), turn: told.clone(), by: None });
        loop {
            let is_over = next.as_ref().is_some_and(|news| news.is_over);
            if let Some(news) = next.take()
                && (send.send(news).await.is_err() || is_over)
            {
                return;
            }
            tokio::select! {
                changed = changes.changed() => if changed.is_err() { return },
                () = send.closed() => return,
            }
            let by = *changes.borrow_and_update();
            match look().await {
                Ok(turn) if turn == told => {}
                Ok(turn) => {
                    next = Some(News { is_over: turn.ended.is_some(), turn: turn.clone(), by });
                    told = turn;
                }
                Err(_) => next = Some(News { turn: told.clone(), is_over: true, by }),
            }
        }
    });
    Ok(ReceiverStream::new(receive))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_follows_is_woken_and_whoever_is_gone_is_forgotten() {
        let id = |name: &str| SessionId::new(name).unwrap();
        let following = Following::default();
        let (mut ada, bo) = (following.follow(&id("ada-1")), following.follow(&id("bo-2")));
        following.wake(&id("ada-1"), None);
        following.wake(&id("cy-3"), None);
        assert!(ada.has_changed().unwrap() && !bo.has_changed().unwrap());
        ada.mark_unchanged();
        following.everybody();
        assert!(ada.has_changed().unwrap() && bo.has_changed().unwrap());
        drop(ada);
        let _again = following.follow(&id("bo-2"));
        assert_eq!(following.lock().len(), 1);
    }
}
