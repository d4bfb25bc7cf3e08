//! Signals from outside: the first asks for an orderly end, the second ends at once.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

/// Signals are watched until the process ends; dropping this says that nobody waits for an orderly end any more.
pub(crate) struct Watch {
    caught: Arc<AtomicUsize>,
}

impl Drop for Watch {
    fn drop(&mut self) {
        // From now on the first signal is one too many: it ends the process, as it would without us.
        self.caught.fetch_add(1, Ordering::SeqCst);
    }
}

/// Calls `on_first` at the first interrupt, termination or hang-up; a second one restores the terminal and exits with code 130.
///
/// # Errors
/// The system's, when signals cannot be watched.
pub(crate) fn watch(mut on_first: impl FnMut() + Send + 'static) -> io::Result<Watch> {
    let caught = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&caught);
    let (ready, registered) = mpsc::channel();
    thread::Builder::new().name("signals".to_owned()).spawn(move || {
        let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => return ready.send(Err(error)).unwrap_or(()),
        };
        runtime.block_on(async move {
            let mut signals = match Signals::register() {
                Ok(signals) => signals,
                Err(error) => return ready.send(Err(error)).unwrap_or(()),
            };
            ready.send(Ok(())).unwrap_or(());
            while signals.next().await.is_some() {
                if counter.fetch_add(1, Ordering::SeqCst) > 0 {
                    super::screen::restore_terminal();
                    crate::exit::at_once(130);
                }
                on_first();
            }
        });
    })?;
    registered.recv().unwrap_or_else(|_| Err(io::Error::other("the signal thread ended")))?;
    Ok(Watch { caught })
}

#[cfg(unix)]
struct Signals([tokio::signal::unix::Signal; 3]);

#[cfg(unix)]
impl Signals {
    fn register() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self([signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?, signal(SignalKind::hangup())?]))
    }

    async fn next(&mut self) -> Option<()> {
        let [interrupt, terminate, hangup] = &mut self.0;
        tokio::select! {
            caught = interrupt.recv() => caught,
            caught = terminate.recv() => caught,
            caught = hangup.recv() => caught,
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn register() -> io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) -> Option<()> {
        tokio::signal::ctrl_c().await.ok()
    }
}
