//! A command as a process of its own group: what it reads, what is kept of what it prints, and its end.

use std::time::Duration;

use credence_memory::record::{Ending, StoppedBy};

/// More of what a command prints is counted and not kept.
pub(crate) const OUTPUT_BYTES_MAX: usize = 64 * 1024;
/// Of its errors, the last so many are kept.
const ERROR_BYTES_MAX: usize = 8 * 1024;
/// A command that is told to end has so long to do it in order.
#[cfg(unix)]
const GRACE: Duration = Duration::from_millis(500);
/// How often a running command is looked at.
#[cfg(unix)]
const BETWEEN_LOOKS: Duration = Duration::from_millis(25);
/// What it printed is waited for so long after its end: a process that it left may hold the pipe open.
#[cfg(unix)]
const LAST_WORDS: Duration = Duration::from_millis(300);
/// The variable in the environment of every process of a call.
#[cfg(unix)]
const MARK: &str = "CREDENCE_CALL";

/// What is run.
pub(super) struct What<'a> {
    /// A line for the shell; it comes from whoever started this program, and nothing of an act is put into it.
    pub(super) command: &'a str,
    /// What it reads.
    pub(super) input: &'a [u8],
    /// What marks its processes.
    pub(super) mark: &'a str,
    /// It is ended after this.
    pub(super) limit: Duration,
}

/// What came of it.
pub(super) struct Ran {
    pub(super) ending: Ending,
    /// The beginning of what it printed.
    pub(super) output: String,
    /// Bytes that it printed in all.
    pub(super) output_bytes: u64,
    /// The end of its errors.
    pub(super) errors: String,
    pub(super) milliseconds: u64,
}

/// The beginning or the end of a stream.
#[derive(Default)]
struct Kept {
    bytes: Vec<u8>,
    all: u64,
}

impl Kept {
    fn beginning(&mut self, new: &[u8]) {
        let room = OUTPUT_BYTES_MAX.saturating_sub(self.bytes.len()).min(new.len());
        self.bytes.extend_from_slice(&new[..room]);
        self.all += new.len() as u64;
    }

    fn end(&mut self, new: &[u8]) {
        self.bytes.extend_from_slice(new);
        let over = self.bytes.len().saturating_sub(ERROR_BYTES_MAX);
        self.bytes.drain(..over);
        self.all += new.len() as u64;
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }
}

#[cfg(unix)]
pub(super) use unix::run;
#[cfg(unix)]
pub(crate) use unix::{end_all, end_left};

#[cfg(not(unix))]
pub(crate) fn end_all() {}

#[cfg(not(unix))]
pub(crate) fn end_left(_: &str) -> usize {
    0
}

#[cfg(not(unix))]
pub(super) fn run(_: &What<'_>, _: &mut dyn FnMut() -> Option<StoppedBy>) -> Ran {
    let because = "commands are carried out on Unix only, so far".to_owned();
    Ran {
        ending: Ending::NotStarted { because },
        output: String::new(),
        output_bytes: 0,
        errors: String::new(),
        milliseconds: 0,
    }
}

#[cfg(unix)]
mod unix {
    use std::io::{Read, Write};
    use std::os::unix::process::{CommandExt, ExitStatusExt};
    use std::process::{Child, Command, ExitStatus, Stdio};
    use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
    use std::thread;
    use std::time::Instant;

    use rustix::process::{Pid, Signal, kill_process, kill_process_group, test_kill_process_group};

    use super::*;

    /// Groups of commands that run now, for an end of this process that waits for nothing.
    static GROUPS: Mutex<Vec<i32>> = Mutex::new(Vec::new());

    fn held<T>(what: &Mutex<T>) -> MutexGuard<'_, T> {
        what.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs a command to its end, or until `should_end` says who wants it ended.
    pub(in super::super) fn run(what: &What<'_>, should_end: &mut dyn FnMut() -> Option<StoppedBy>) -> Ran {
        let began = Instant::now();
        let nothing = |ending| Ran {
            ending,
            output: String::new(),
            output_bytes: 0,
            errors: String::new(),
            milliseconds: milliseconds(began),
        };
        // The person may have said so before there was anything to end.
        if let Some(by) = should_end() {
            return nothing(Ending::NotStarted { because: stopped_before(by).into() });
        }
        let spawned = Command::new("/bin/sh")
            .args(["-c", what.command])
            .env(MARK, what.mark)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn();
        let mut child = match spawned {
            Ok(child) => child,
            Err(error) => return nothing(Ending::NotStarted { because: error.to_string() }),
        };
        let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        if let Some(group) = group {
            held(&GROUPS).push(group.as_raw_nonzero().get());
        }
        let (done, is_done) = mpsc::channel();
        let (output, errors) = (Arc::<Mutex<Kept>>::default(), Arc::<Mutex<Kept>>::default());
        feed(child.stdin.take(), what.input.to_vec());
        gather(child.stdout.take(), &output, Kept::beginning, done.clone());
        gather(child.stderr.take(), &errors, Kept::end, done);
        let ending = wait(&mut child, group, began, what, should_end);
        if let Some(group) = group {
            held(&GROUPS).retain(|other| *other != group.as_raw_nonzero().get());
        }
        let last = Instant::now() + LAST_WORDS;
        for _ in 0..2 {
            let _ = is_done.recv_timeout(last.saturating_duration_since(Instant::now()));
        }
        let (output, errors) = (held(&output), held(&errors));
        Ran {
            ending,
            output: output.text(),
            output_bytes: output.all,
            errors: errors.text(),
            milliseconds: milliseconds(began),
        }
    }

    fn milliseconds(began: Instant) -> u64 {
        u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn stopped_before(by: StoppedBy) -> &'static str {
        match by {
            StoppedBy::Stop => "the person said stop before it began",
            StoppedBy::Undo => "the act was taken back before it began",
            StoppedBy::Signal => "the program was told to end before it began",
        }
    }

    fn feed(stdin: Option<std::process::ChildStdin>, input: Vec<u8>) {
        let Some(mut stdin) = stdin else { return };
        // A command that does not read must not hold us up; one that reads half of it is its own affair.
        let _ = thread::Builder::new().name("call's input".into()).spawn(move || stdin.write_all(&input));
    }

    fn gather<R: Read + Send + 'static>(
        stream: Option<R>,
        into: &Arc<Mutex<Kept>>,
        keep: fn(&mut Kept, &[u8]),
        done: mpsc::Sender<()>,
    ) {
        let Some(mut stream) = stream else { return };
        let into = Arc::clone(into);
        let _ = thread::Builder::new().name("call's output".into()).spawn(move || {
            let mut buffer = [0; 8192];
            loop {
                match stream.read(&mut buffer) {
                    Ok(0) => break,
                    Ok(read) => keep(&mut held(&into), &buffer[..read]),
                    Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                    Err(_) => break,
                }
            }
            let _ = done.send(());
        });
    }

    fn wait(
        child: &mut Child,
        group: Option<Pid>,
        began: Instant,
        what: &What<'_>,
        should_end: &mut dyn FnMut() -> Option<StoppedBy>,
    ) -> Ending {
        loop {
            match child.try_wait() {
                Ok(Some(status)) => return ended(status),
                Ok(None) => {}
                Err(error) => {
                    end(child, group, what.mark);
                    return Ending::NotStarted { because: format!("it could not be watched: {error}") };
                }
            }
            let too_long = (began.elapsed() >= what.limit).then_some(Ending::TimedOut);
            if let Some(ending) = should_end().map(|by| Ending::Stopped { by }).or(too_long) {
                end(child, group, what.mark);
                return ending;
            }
            thread::sleep(BETWEEN_LOOKS);
        }
    }

    fn ended(status: ExitStatus) -> Ending {
        match (status.code(), status.signal()) {
            (Some(code), _) => Ending::Exited { code },
            (None, Some(signal)) => Ending::Signalled { signal },
            (None, None) => Ending::Exited { code: -1 },
        }
    }

    /// Ends a command with everything it started: in order if it does that in time, else at once.
    fn end(child: &mut Child, group: Option<Pid>, mark: &str) {
        if let Some(group) = group {
            let _ = kill_process_group(group, Signal::TERM);
            // One that stands still does not hear it.
            let _ = kill_process_group(group, Signal::CONT);
            let last = Instant::now() + GRACE;
            while Instant::now() < last {
                let gone = !matches!(child.try_wait(), Ok(None));
                if gone && test_kill_process_group(group).is_err() {
                    break;
                }
                thread::sleep(BETWEEN_LOOKS);
            }
            if test_kill_process_group(group).is_ok() {
                let _ = kill_process_group(group, Signal::KILL);
            }
        }
        let _ = child.kill();
        let _ = child.wait();
        end_left(mark);
    }

    /// Ends every command that runs, at once.
    pub(crate) fn end_all() {
        for group in held(&GROUPS).drain(..).filter_map(Pid::from_raw) {
            let _ = kill_process_group(group, Signal::KILL);
        }
    }

    /// Ends what is left of a call's processes, wherever they went, as far as the system tells; says how many there were.
    pub(crate) fn end_left(mark: &str) -> usize {
        let Ok(processes) = std::fs::read_dir("/proc") else { return 0 };
        let wanted = format!("{MARK}={mark}");
        let me = std::process::id();
        let mut ended = 0;
        for process in processes.flatten() {
            let id = process.file_name().to_str().and_then(|name| name.parse::<i32>().ok());
            let Some(id) = id.filter(|id| u32::try_from(*id) != Ok(me)).and_then(Pid::from_raw) else { continue };
            // Those of others cannot be read, and are not ours.
            let Ok(environment) = std::fs::read(process.path().join("environ")) else { continue };
            if environment.split(|byte| *byte == 0).any(|variable| variable == wanted.as_bytes()) {
                ended += usize::from(kill_process(id, Signal::KILL).is_ok());
            }
        }
        ended
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        fn ran(command: &str, input: &str, limit_ms: u64, stop_after_ms: Option<u64>) -> Ran {
            let began = Instant::now();
            let mark = format!("test-{}-{}", std::process::id(), command.len());
            let limit = Duration::from_millis(limit_ms);
            let what = What { command, input: input.as_bytes(), mark: &mark, limit };
            run(&what, &mut || {
                stop_after_ms.filter(|ms| began.elapsed().as_millis() >= u128::from(*ms)).map(|_| StoppedBy::Stop)
            })
        }

        #[test]
        fn a_command_reads_its_input_and_what_it_prints_is_kept() {
            let ran = ran("cat; echo wrong >&2; exit 3", "{\"to\": \"$(touch x); bob\"}\n", 10_000, None);
            assert_eq!(ran.ending, Ending::Exited { code: 3 });
            assert_eq!((ran.output.as_str(), ran.output_bytes), ("{\"to\": \"$(touch x); bob\"}\n", 26));
            assert_eq!(ran.errors, "wrong\n");
        }

        #[test]
        fn one_that_reads_nothing_and_prints_much_ends_all_the_same() {
            let input = "x".repeat(1 << 20);
            let ran = ran("head -c 300000 /dev/zero; head -c 20000 /dev/zero >&2; kill -9 $$", &input, 10_000, None);
            assert_eq!(ran.ending, Ending::Signalled { signal: 9 });
            assert_eq!((ran.output.len(), ran.output_bytes), (OUTPUT_BYTES_MAX, 300_000));
            assert_eq!(ran.errors.len(), ERROR_BYTES_MAX);
        }

        /// Whoever ignores the polite signal, and a child that left the group, are gone too.
        #[test]
        fn time_and_a_stop_end_it_with_its_children() {
            let dir = tempfile::tempdir().unwrap();
            let file = dir.path().join("pids");
            let command = format!(
                "trap '' TERM; sleep 47 & echo $! > {0}; setsid sleep 47 & echo $! >> {0}; while :; do sleep 1; done",
                file.display()
            );
            for (limit, stop, expected) in
                [(60_000, Some(400), Ending::Stopped { by: StoppedBy::Stop }), (400, None, Ending::TimedOut)]
            {
                let began = Instant::now();
                let ran = ran(&command, "", limit, stop);
                assert_eq!(ran.ending, expected);
                assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
                let pids = std::fs::read_to_string(&file).unwrap();
                assert_eq!(pids.lines().count(), 2);
                thread::sleep(Duration::from_millis(50));
                for pid in pids.lines() {
                    let state = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
                    assert!(state.is_empty() || state.contains(") Z "), "{pid} still runs: {state}");
                }
            }
        }

        #[test]
        fn what_was_stopped_before_is_never_started() {
            let dir = tempfile::tempdir().unwrap();
            let file = dir.path().join("ran");
            let ran = ran(&format!("touch {}", file.display()), "", 1000, Some(0));
            assert!(matches!(ran.ending, Ending::NotStarted { .. }));
            assert!(!file.exists());
        }
    }
}
