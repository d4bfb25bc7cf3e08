//! The end of the process, here and now.

use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Time to write what is left to write.
const FLUSHING_MAX: Duration = Duration::from_millis(200);

/// Asks the processes that this one started (pip, a trainer) to end: nobody would look after them any more.
#[cfg(target_os = "linux")]
fn end_children() {
    use rustix::process::{Pid, Signal, kill_process};
    let me = std::process::id();
    let Ok(processes) = std::fs::read_dir("/proc") else { return };
    for process in processes.flatten() {
        let Some(id) = process.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        let stat = std::fs::read_to_string(process.path().join("stat")).unwrap_or_default();
        // `id (name) state parent ...`, where the name may hold anything.
        let parent = stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(1)?.parse::<u32>().ok());
        if let Some(child) = Pid::from_raw(id).filter(|_| parent == Some(me)) {
            let _ = kill_process(child, Signal::TERM);
            // One that stands still does not hear it.
            let _ = kill_process(child, Signal::CONT);
        }
    }
}

#[cfg(not(target_os = "linux"))]
fn end_children() {}

/// Whether the process is ending already, on whichever thread.
static UNDER_WAY: AtomicBool = AtomicBool::new(false);

/// Does not come back where the process is ending already: what fails because its children were ended is not what it ended of.
pub(crate) fn wait_where_under_way() {
    while UNDER_WAY.load(Ordering::SeqCst) {
        std::thread::park();
    }
}

/// Ends the process here and now, whatever other threads do. What C++ would run at an ordinary exit is left out: it would
/// take llama.cpp's globals away from a thread that may be computing with them.
pub(crate) fn at_once(code: i32) -> ! {
    UNDER_WAY.store(true, Ordering::SeqCst);
    crate::carrying::process::end_all();
    end_children();
    // Whoever reads our output may have stopped reading, and the terminal may be gone: neither is waited for long.
    let (done, is_done) = std::sync::mpsc::channel();
    let flush = move || {
        crate::terminal::restore();
        let _ = std::io::stdout().flush();
        let _ = done.send(());
    };
    if std::thread::Builder::new().spawn(flush).is_ok() {
        let _ = is_done.recv_timeout(FLUSHING_MAX);
    }
    #[cfg(unix)]
    #[expect(unsafe_code, reason = "the standard library has no exit without handlers")]
    // SAFETY: `_exit` takes any number, touches no memory of ours and does not return.
    unsafe {
        libc::_exit(code)
    }
    #[cfg(not(unix))]
    std::process::exit(code)
}
