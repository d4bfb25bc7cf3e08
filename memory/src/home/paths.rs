//! Where things are in a home, and what can be told of its log without opening it.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::HomeError;
use crate::ids::Seq;
use crate::log::Reader;

/// Where things are in a home.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths {
    root: PathBuf,
}

impl Paths {
    /// The paths of a home in this directory.
    pub fn of(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    /// The directory itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The evidence log.
    pub fn log(&self) -> PathBuf {
        self.root.join("evidence").join("log.jsonl")
    }

    /// Up to which record the log went when it was last open for writing. The log is the truth; this shows whoever only
    /// reads it that it lost something.
    pub fn head(&self) -> PathBuf {
        self.root.join("evidence").join("head")
    }

    /// What a person has to be told who reads the log without opening the home: that it once went further than it does.
    /// Nothing where it did not, or nobody knows.
    pub fn lost_records(&self) -> Option<String> {
        self.lost().map(lost_records)
    }

    /// Up to which record the log once went, if it ends before that now.
    pub fn lost(&self) -> Option<Seq> {
        // In this order: the log may grow meanwhile.
        let once: u64 = std::fs::read_to_string(self.head()).ok()?.trim().parse().ok()?;
        let last = match last_record(&self.log()) {
            Ok(last) => last.unwrap_or(0),
            Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
            // Whatever it is, it is said by whoever reads the log.
            Err(_) => return None,
        };
        (once > last).then_some(Seq(once))
    }

    /// Why there is no log, if there was one once.
    ///
    /// # Errors
    /// [`HomeError::Gone`] where it is empty or missing, but was not.
    pub fn not_gone(&self) -> Result<(), HomeError> {
        match self.lost().filter(|_| !self.has_log()) {
            Some(once) => Err(HomeError::Gone { root: self.root.clone(), once }),
            None => Ok(()),
        }
    }

    /// The store.
    pub fn store(&self) -> PathBuf {
        crate::store::path_in(&self.root)
    }

    /// Where adapters are kept.
    pub fn adapters(&self) -> PathBuf {
        self.root.join("adapters")
    }

    /// Where trainings keep data sets and checkpoints while they run: nothing here outlives a training for a reason, and an
    /// erasure removes what saw the person.
    pub fn training(&self) -> PathBuf {
        self.root.join("training")
    }

    /// The lock of the one writer.
    pub fn lock(&self) -> PathBuf {
        self.root.join("lock")
    }

    /// Whether there is a log.
    pub fn has_log(&self) -> bool {
        self.log().metadata().is_ok_and(|m| m.len() > 0)
    }

    /// Reads the log without a lock, while another process may be appending to it: its end may be a line that is being
    /// written, which shows as [`crate::log::Tail::Torn`].
    ///
    /// # Errors
    /// There is no log, or it cannot be opened.
    pub fn read_log(&self) -> Result<Reader<File>, HomeError> {
        match File::open(self.log()) {
            Ok(file) => Ok(Reader::new(file)),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Err(HomeError::Missing(self.root.clone())),
            Err(source) => Err(HomeError::Files { operation: "read", path: self.log(), source }),
        }
    }
}

/// The number of the last whole line of a log, read from its end.
fn last_record(log: &Path) -> io::Result<Option<u64>> {
    let mut file = File::open(log)?;
    let length = file.metadata()?.len();
    let mut reach = 1 << 16;
    loop {
        let start = length.saturating_sub(reach);
        file.seek(SeekFrom::Start(start))?;
        let mut last = None;
        for (n, line) in BufReader::new(&file).split(b'\n').enumerate() {
            let line = line?;
            // The first one may be the end of a line that began before, and the last one the beginning of one that was not written whole.
            if (n > 0 || start == 0) && line.ends_with(b"}") {
                let digits = line.strip_prefix(b"{\"seq\":").map(|rest| rest.split(|b| *b == b',').next());
                let seq = digits.flatten().and_then(|d| str::from_utf8(d).ok()).and_then(|d| d.parse().ok());
                last = seq.or(last);
            }
        }
        if last.is_some() || start == 0 {
            return Ok(last);
        }
        reach *= 16;
    }
}

pub(super) fn lost_records(once: Seq) -> String {
    format!(
        "the log has lost records: it once went up to record {once}, all of them acknowledged, and ends before that now. If a \
         backup has a longer log, stop here and put it back"
    )
}
