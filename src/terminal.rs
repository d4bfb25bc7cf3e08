//! The terminal, taken and given back: on return, error, panic and signal.

use std::io::{self, IsTerminal, Stdout, stdout};
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ratatui::Frame;
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::cursor::Show;
use ratatui::crossterm::event::{DisableBracketedPaste, EnableBracketedPaste};
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode};

/// Whether the terminal is ours. A process has one terminal, which is why this is global.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// The terminal while it is ours.
pub(crate) struct Terminal {
    inner: ratatui::Terminal<CrosstermBackend<Stdout>>,
}

impl Terminal {
    /// Takes the terminal: raw keys, a screen of our own that leaves what stood there before untouched.
    ///
    /// # Errors
    /// The terminal's own; it is restored first.
    pub(crate) fn open() -> io::Result<Self> {
        restore_on_panic();
        TAKEN.store(true, Ordering::SeqCst);
        crate::diagnostics::hold();
        let opened = || {
            enable_raw_mode()?;
            execute!(stdout(), EnterAlternateScreen, EnableBracketedPaste)?;
            ratatui::Terminal::new(CrosstermBackend::new(stdout()))
        };
        opened().map(|inner| Self { inner }).inspect_err(|_| restore())
    }

    /// Draws a frame and returns what `draw` returns.
    ///
    /// # Errors
    /// The terminal's own.
    pub(crate) fn draw<T: Default>(&mut self, draw: impl FnOnce(&mut Frame) -> T) -> io::Result<T> {
        let mut result = T::default();
        self.inner.draw(|frame| result = draw(frame))?;
        Ok(result)
    }

    /// Whether it was given back behind our back, by a panic elsewhere; nothing may be drawn then.
    pub(crate) fn is_lost(&self) -> bool {
        !TAKEN.load(Ordering::SeqCst)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        restore();
    }
}

/// Waits for a key, at most so long; says whether the terminal is still there.
#[cfg(unix)]
pub(crate) fn wait(most: Duration) -> bool {
    use std::os::fd::AsRawFd;
    let mut keys = libc::pollfd { fd: io::stdin().as_raw_fd(), events: libc::POLLIN, revents: 0 };
    let millis = i32::try_from(most.as_millis()).unwrap_or(i32::MAX);
    #[expect(unsafe_code, reason = "the standard library cannot wait for input")]
    // SAFETY: `keys` is one entry that outlives the call.
    let found = unsafe { libc::poll(&raw mut keys, 1, millis) };
    let gone = found > 0 && keys.revents & (libc::POLLHUP | libc::POLLERR | libc::POLLNVAL) != 0;
    !gone && io::stdin().is_terminal()
}

/// Waits as long as it takes to draw again; says whether the terminal is still there.
#[cfg(not(unix))]
pub(crate) fn wait(most: Duration) -> bool {
    std::thread::sleep(most);
    io::stdin().is_terminal()
}

/// Gives the terminal back, if it is ours. What fails here cannot be helped.
pub(crate) fn restore() {
    if TAKEN.swap(false, Ordering::SeqCst) {
        execute!(stdout(), DisableBracketedPaste, LeaveAlternateScreen, Show).ok();
        disable_raw_mode().ok();
        crate::diagnostics::release();
    }
}

/// A panic on any thread gives the terminal back before its message is printed.
fn restore_on_panic() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            restore();
            before(panic);
        }));
    });
}
