//! A disk that is full, refuses or fails is exit code 8, and nothing that was there is lost; an interrupt is 130.

mod logs;

use std::fs;
use std::path::Path;

use credence_memory::record::{Record, StopRequested};
use logs::{Scribe, done, fails, id, json, two_people};
use tempfile::TempDir;

fn home() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    two_people(dir.path());
    dir
}

fn log(home: &Path) -> Vec<u8> {
    fs::read(home.join("evidence/log.jsonl")).unwrap()
}

#[test]
fn something_in_the_way_is_named() {
    let dir = tempfile::tempdir().unwrap();
    // No home at all is the same to those that write and to those that read.
    for command in [&["evidence", "retract", "1"][..], &["people", "consolidate"], &["people"], &["replay"]] {
        fails(dir.path(), command, 3, "there is no evidence log at");
    }
    // The log is a directory.
    fs::create_dir_all(dir.path().join("evidence/log.jsonl")).unwrap();
    fs::write(dir.path().join("evidence/log.jsonl/x"), "x").unwrap();
    fails(dir.path(), &["evidence", "retract", "1"], 8, "log.jsonl");
    // The lock is a directory.
    let home = home();
    let before = log(home.path());
    fs::remove_file(home.path().join("lock")).unwrap();
    fs::create_dir(home.path().join("lock")).unwrap();
    fails(home.path(), &["evidence", "retract", "12"], 8, "lock");
    // Readers need none, and what could be read before is read.
    done(home.path(), &["evidence", "verify"]);
    assert_eq!(log(home.path()), before);
}

/// Fills a log so that it ends `room` bytes before a multiple of 1,024; gives that multiple.
#[cfg(unix)]
fn filled_to(root: &Path, room: usize) -> usize {
    let mut scribe = Scribe(credence_memory::home::Home::open(root).unwrap().0);
    let mut stop = |words: usize| {
        scribe.write(Record::StopRequested(StopRequested { person: id("ada"), words: "x".repeat(words), task: None }));
        log(root).len()
    };
    let (one, two) = (stop(0), stop(0));
    // Every record with so many words is as long as the last one and that, as long as numbers do not get longer.
    let next = two + (two - one);
    let full = (next + room).next_multiple_of(1024);
    assert_eq!(stop(full - room - next), full - room);
    full
}

/// Runs the command where no file may become longer than so many bytes: as on a full disk, writes come back short or fail.
#[cfg(unix)]
fn with_room(home: &Path, bytes: usize, args: &[&str]) -> (String, i32) {
    // 512 bytes is the unit of a POSIX shell. The signal that would end the process is ignored, so that it sees the error.
    let output = std::process::Command::new("sh")
        .args(["-c", &format!("trap '' XFSZ; ulimit -f {} && exec \"$0\" \"$@\"", bytes / 512)])
        .arg(env!("CARGO_BIN_EXE_credence"))
        .args(["--offline", "--home"])
        .arg(home)
        .args(args)
        .env_remove("CREDENCE_HOME")
        .output()
        .unwrap();
    (String::from_utf8(output.stderr).unwrap(), output.status.code().expect("it exits"))
}

#[cfg(unix)]
#[test]
fn a_full_disk_is_said_and_loses_nothing() {
    let home = home();
    let full = filled_to(home.path(), 100);
    let before = log(home.path());
    // One record, of which a part fits.
    let (err, code) = with_room(home.path(), full, &["evidence", "retract", "12"]);
    assert!(code == 8 && err.contains("nothing was recorded"), "{code}: {err}");
    assert_eq!(log(home.path()), before);
    // An import, which makes the log anew beside the old one; and an erasure.
    let dir = tempfile::tempdir().unwrap();
    let csv = dir.path().join("pairs.csv");
    let rows: String = (0..50).map(|n| format!("eve,a{n},b{n},first\n")).collect();
    fs::write(&csv, format!("person,first,second,chosen\n{rows}")).unwrap();
    let import = ["evidence", "import", "csv", csv.to_str().unwrap()];
    let (err, code) = with_room(home.path(), full, &import);
    assert!(code == 8 && err.contains("nothing was recorded"), "{code}: {err}");
    let (err, code) = with_room(home.path(), 4096, &["evidence", "erase", "--person", "ada", "--yes-erase", "ada"]);
    assert!(code == 8, "{code}: {err}");
    assert_eq!(log(home.path()), before);
    let mut left: Vec<_> =
        fs::read_dir(home.path().join("evidence")).unwrap().map(|f| f.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["head", "log.jsonl"], "nothing unfinished is left");
    // With room again everything works, and belief is that of the log.
    let belief = json(home.path(), &["replay", "--verify", "--person", "bob"])["people"][0]["digest"].clone();
    done(home.path(), &["evidence", "retract", "12"]);
    done(home.path(), &import);
    done(home.path(), &["evidence", "verify"]);
    assert_eq!(json(home.path(), &["replay", "--person", "bob"])["people"][0]["digest"], belief);
}

/// A file system of its own, if this process may mount one.
#[cfg(target_os = "linux")]
struct Mounted(TempDir);

#[cfg(target_os = "linux")]
impl Mounted {
    fn small() -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let mount = std::process::Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=3m", "credence-test"])
            .arg(dir.path())
            .output();
        mount.is_ok_and(|m| m.status.success()).then(|| Self(dir))
    }

    fn read_only(&self, yes: bool) -> bool {
        let option = if yes { "remount,ro" } else { "remount,rw" };
        let mount = std::process::Command::new("mount").args(["-o", option]).arg(self.0.path()).output();
        mount.is_ok_and(|m| m.status.success())
    }
}

#[cfg(target_os = "linux")]
impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg(self.0.path()).output();
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_small_and_a_read_only_file_system() {
    let Some(disk) = Mounted::small() else {
        eprintln_skipped("mounting a file system is for root");
        return;
    };
    let root = disk.0.path().join("home");
    two_people(&root);
    let before = log(&root);
    // The store of beliefs is given up and made anew where it cannot be written, which would free room.
    fs::remove_dir_all(root.join("store")).unwrap();
    // Full: what is left is taken up by something else.
    let filler = disk.0.path().join("filler");
    let mut size = 3 << 20;
    while size > 16 {
        let more = fs::read(&filler).unwrap_or_default().len() + size;
        if fs::write(&filler, vec![7; more]).is_err() {
            size /= 2;
        }
    }
    let (_, err, code) = logs::run(&root, &["evidence", "retract", "12"]);
    assert!(code == 8 || code == 0, "there was room or there was none: {code}: {err}");
    let long = "x".repeat(100_000);
    fails(&root, &["evidence", "retract", "15", "--reason", &long], 8, "");
    fs::remove_file(&filler).unwrap();
    done(&root, &["evidence", "verify"]);
    assert!(log(&root).starts_with(&before));
    // Read-only: reading works, writing says so.
    let before = log(&root);
    if disk.read_only(true) {
        fails(&root, &["evidence", "retract", "21"], 8, "");
        done(&root, &["evidence", "verify"]);
        done(&root, &["replay"]);
        assert!(disk.read_only(false));
    }
    assert_eq!(log(&root), before);
    done(&root, &["evidence", "retract", "21"]);
}

#[cfg(target_os = "linux")]
#[allow(clippy::print_stderr, reason = "a test that could not run says so")]
fn eprintln_skipped(why: &str) {
    eprintln!("skipped: {why}");
}

#[cfg(unix)]
#[test]
fn an_interrupt_is_130() {
    use std::io::{BufRead, BufReader};
    let home = home();
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_credence"))
        .arg("--home")
        .arg(home.path())
        .args(["replay", "--follow"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    // Once it has shown something it watches for signals.
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    let kill = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(kill.success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    assert!(String::from_utf8_lossy(&output.stderr).contains("interrupted"));
}
