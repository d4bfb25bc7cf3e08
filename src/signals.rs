//! Signals from outside: the first asks for an end, which comes within two seconds; the second ends at once.
//!
//! A command that can end in order says so with [`watch`], and has [`PATIENCE`] for it; every other ends at the first signal.
//! Either way the log holds what was acknowledged, the cache what was read, and the home's lock goes with the process.

use std::io;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

/// How long an orderly end may take. With what ends the process it is below two seconds.
const PATIENCE: Duration = Duration::from_millis(1500);
/// What the command exits with after a signal.
const INTERRUPTED: i32 = 130;

/// Which signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Caught {
    /// Ctrl-C, or what it sends.
    Interrupt,
    /// Somebody wants the process gone, or its terminal is.
    End,
}

/// What is called at a signal; says whether the process goes on after it.
type OnSignal = Box<dyn FnMut(Caught) -> bool + Send>;

/// Who waits for signals now. Signals are the process's, which is why this is global.
static WATCHERS: Mutex<Vec<(u64, OnSignal)>> = Mutex::new(Vec::new());
static NEXT: AtomicU64 = AtomicU64::new(0);
/// Signals that asked for an end.
static CAUGHT: AtomicUsize = AtomicUsize::new(0);

fn watchers() -> MutexGuard<'static, Vec<(u64, OnSignal)>> {
    WATCHERS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Dropping this says that nobody waits for an orderly end any more: then the first signal ends the process.
pub(crate) struct Watch(u64);

impl Drop for Watch {
    fn drop(&mut self) {
        watchers().retain(|(id, _)| *id != self.0);
    }
}

fn add(on_signal: OnSignal) -> Watch {
    let id = NEXT.fetch_add(1, Ordering::SeqCst);
    watchers().push((id, on_signal));
    Watch(id)
}

/// Calls `on_first` at an interrupt, termination or hang-up; the process ends soon after, in order or not.
pub(crate) fn watch(mut on_first: impl FnMut() + Send + 'static) -> Watch {
    add(Box::new(move |_| {
        on_first();
        false
    }))
}

/// Calls `on_interrupt` at Ctrl-C, which only breaks off what goes on now; any other signal ends the process.
pub(crate) fn watch_interrupt(mut on_interrupt: impl FnMut() + Send + 'static) -> Watch {
    let mut before = false;
    add(Box::new(move |caught| {
        on_interrupt();
        // Whoever presses it twice wants out.
        !std::mem::replace(&mut before, true) && caught == Caught::Interrupt
    }))
}

/// Takes the signals of the process, on a thread of its own, until it ends.
///
/// # Errors
/// The system's, when signals cannot be watched.
pub(crate) fn start() -> io::Result<()> {
    too_large_is_an_error();
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
            while let Some(caught) = signals.next().await {
                handle(caught);
            }
        });
    })?;
    registered.recv().unwrap_or_else(|_| Err(io::Error::other("the signal thread ended")))
}

fn handle(caught: Caught) {
    let mut goes_on = false;
    let in_order = {
        let mut watchers = watchers();
        for (_, on_signal) in watchers.iter_mut() {
            goes_on |= on_signal(caught);
        }
        !watchers.is_empty()
    };
    if goes_on {
        return;
    }
    if !in_order || CAUGHT.fetch_add(1, Ordering::SeqCst) > 0 {
        end();
    }
    // The end in order is under way; it is not waited for longer than a person would.
    let waiting = thread::Builder::new().name("patience".to_owned()).spawn(|| {
        thread::sleep(PATIENCE);
        end();
    });
    if waiting.is_err() {
        end();
    }
}

/// A file that may not grow further is an error of the write, like a full disk, and not the end of the process.
#[cfg(unix)]
fn too_large_is_an_error() {
    #[expect(unsafe_code, reason = "no library that is here ignores a signal")]
    // SAFETY: ignoring a signal calls nothing.
    unsafe {
        libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
    }
}

#[cfg(not(unix))]
fn too_large_is_an_error() {}

fn end() -> ! {
    crate::ending::at_once(INTERRUPTED)
}

#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
    /// None where whoever started the command wants it to outlive the terminal, as `nohup` does.
    hangup: Option<tokio::signal::unix::Signal>,
}

#[cfg(unix)]
impl Signals {
    fn register() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let hangup = if hangups_are_ignored() { None } else { Some(signal(SignalKind::hangup())?) };
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())?, hangup })
    }

    async fn next(&mut self) -> Option<Caught> {
        let Self { interrupt, terminate, hangup } = self;
        let hung_up = async {
            match hangup {
                Some(signal) => signal.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            caught = interrupt.recv() => caught.map(|()| Caught::Interrupt),
            caught = terminate.recv() => caught.map(|()| Caught::End),
            caught = hung_up => caught.map(|()| Caught::End),
        }
    }
}

#[cfg(unix)]
fn hangups_are_ignored() -> bool {
    #[expect(unsafe_code, reason = "the standard library does not tell how a signal is handled")]
    // SAFETY: asks for the present action and changes none; `action` is plain data that the call fills in.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        libc::sigaction(libc::SIGHUP, std::ptr::null(), &raw mut action) == 0 && action.sa_sigaction == libc::SIG_IGN
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn register() -> io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) -> Option<Caught> {
        tokio::signal::ctrl_c().await.ok().map(|()| Caught::Interrupt)
    }
}
