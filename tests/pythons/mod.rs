//! Python with packages from PyPI, in a folder of the build: for tests against what others wrote.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// One installation at a time.
static INSTALLING: Mutex<()> = Mutex::new(());

/// The repository.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Python in `target/FOLDER` with these packages (`NAME==VERSION`). Nothing where it cannot be had, which is said; with
/// `CREDENCE_NEEDS_PYPI` set that is a failure.
#[allow(clippy::print_stderr, reason = "whoever runs the tests must see that this one did not")]
pub(crate) fn python_with(folder: &str, packages: &[&str]) -> Option<PathBuf> {
    let _one = INSTALLING.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let folder = root().join("target").join(folder);
    match made(&folder, packages) {
        Ok(python) => Some(python),
        Err(why) => {
            assert!(
                std::env::var_os("CREDENCE_NEEDS_PYPI").is_none(),
                "the Python packages {packages:?} cannot be had: {why}"
            );
            eprintln!("SKIPPED: the Python packages {packages:?} cannot be had: {why}");
            None
        }
    }
}

fn made(folder: &Path, packages: &[&str]) -> Result<PathBuf, String> {
    let python = folder.join("bin/python");
    let check = "import sys, importlib.metadata as m\n\
                 for p in sys.argv[1:]:\n    n, v = p.split('==')\n    assert m.version(n) == v, p";
    let has_them = || succeeded(Command::new(&python).args(["-c", check]).args(packages));
    if has_them().is_ok() {
        return Ok(python);
    }
    if !python.exists() {
        succeeded(Command::new("python3").args(["-m", "venv"]).arg(folder))?;
    }
    pip(&python, packages)?;
    has_them().map(|()| python)
}

/// `pip install` of these, packages or folders, with options.
pub(crate) fn pip(python: &Path, what: &[&str]) -> Result<(), String> {
    let quick = ["-m", "pip", "install", "--quiet", "--no-compile", "--timeout", "20", "--retries", "1"];
    succeeded(Command::new(python).env("PIP_DISABLE_PIP_VERSION_CHECK", "1").args(quick).args(what))
}

fn succeeded(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|e| e.to_string())?;
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()) }
}

/// Runs a command to its end, for so many seconds at most; gives everything that it said.
#[track_caller]
pub(crate) fn ended(command: &mut Command, seconds_max: u64) -> (Output, String) {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // Read beside each other, so that neither pipe fills up.
    let (mut out, mut err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    let out = std::thread::spawn(move || read(&mut out));
    let err = std::thread::spawn(move || read(&mut err));
    let begun = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if begun.elapsed() > Duration::from_secs(seconds_max) {
            let _ = child.kill();
            let said = [out.join().unwrap(), err.join().unwrap()].concat();
            panic!("it does not end: {}", String::from_utf8_lossy(&said));
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    let output = Output { status, stdout: out.join().unwrap(), stderr: err.join().unwrap() };
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output, said)
}

fn read(pipe: &mut impl Read) -> Vec<u8> {
    let mut bytes = Vec::new();
    let _ = pipe.read_to_end(&mut bytes);
    bytes
}

/// Runs a script that says "all is well" at its end.
#[track_caller]
pub(crate) fn all_is_well(command: &mut Command, seconds_max: u64) {
    let (output, said) = ended(command, seconds_max);
    assert!(output.status.success() && said.contains("all is well"), "{said}");
}
