//! Learning beside a session: begun when it is time, looked after from time to time, and taken up when done.
//!
//! What learns stands still while the person waits for something: it works while they read and think. Whatever becomes of it,
//! the session goes on. What is learned, and how, is no business of this crate: `credence-tuning` trains weights.

use std::sync::Arc;
use std::time::Duration;

use credence_memory::home::Home;
use jiff::Timestamp;

/// Time between two looks at what is at work.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Learns beside sessions from what a log has.
pub trait Learning: Send + Sync {
    /// Takes up what an earlier session left, and begins new work if it is time. Returns the work and what to tell the person.
    /// Nothing that goes wrong here is more than a line for them.
    fn begin(&self, home: &mut Home, now: Timestamp) -> (Option<Box<dyn Work>>, Vec<String>);

    /// Takes up what came of work that ended well. Returns what to tell the person.
    ///
    /// # Errors
    /// Says why not.
    fn take_up(&self, home: &mut Home, now: Timestamp) -> Result<Option<String>, String>;
}

/// What goes on beside a session.
pub trait Work: Send {
    /// Whether it has ended: if so, whether all is well.
    fn ended(&mut self) -> Option<Result<(), String>>;
    /// Ends it; what it did can be taken up later.
    fn stop(&mut self);
    /// Stands still until [`Self::go_on`], or goes on where it cannot.
    fn hold(&mut self);
    /// Works again.
    fn go_on(&mut self);
}

/// What is at work beside a session, if anything is.
#[derive(Default)]
pub struct Beside {
    learning: Option<Arc<dyn Learning>>,
    at_work: Option<Box<dyn Work>>,
    held: bool,
}

impl Beside {
    /// Begins the work if it is time. Returns what to tell the person.
    pub fn start(home: &mut Home, learning: Option<Arc<dyn Learning>>, now: Timestamp) -> (Self, Vec<String>) {
        let (at_work, notices) = learning.as_ref().map_or_else(Default::default, |learning| learning.begin(home, now));
        (Self { learning, at_work, held: false }, notices)
    }

    /// Waits until the work has ended; waits for ever if there is none.
    ///
    /// # Errors
    /// It failed: its last words.
    pub async fn ended(&mut self) -> Result<(), String> {
        loop {
            let Some(work) = &mut self.at_work else { return std::future::pending().await };
            if let Some(ended) = work.ended() {
                self.at_work = None;
                return ended;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Takes up what came of work that ended well. Returns what to tell the person.
    ///
    /// # Errors
    /// Says why not.
    pub fn take_up(&self, home: &mut Home, now: Timestamp) -> Result<Option<String>, String> {
        self.learning.as_ref().map_or(Ok(None), |learning| learning.take_up(home, now))
    }

    /// The person waits: all processors are the session's until [`Self::go_on`].
    pub fn hold(&mut self) {
        if let (Some(work), false) = (&mut self.at_work, self.held) {
            work.hold();
            self.held = true;
        }
    }

    /// The person reads or thinks: the work may go on.
    pub fn go_on(&mut self) {
        if let (Some(work), true) = (&mut self.at_work, self.held) {
            work.go_on();
            self.held = false;
        }
    }

    /// Ends the work. The next session goes on where it was.
    pub fn stop(&mut self) {
        if let Some(mut work) = self.at_work.take() {
            work.stop();
        }
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        self.stop();
    }
}
