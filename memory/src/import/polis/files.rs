//! Finding the files of a Polis export in a folder, by their plain names or as they are downloaded.

use std::path::{Path, PathBuf};

use super::super::ImportError;

/// The files of one export.
pub(super) struct Files {
    pub(super) comments: PathBuf,
    pub(super) votes: PathBuf,
    pub(super) summary: Option<PathBuf>,
}

impl Files {
    /// `comments.csv`, `votes.csv` and, if it is there, `summary.csv`; or the same with one beginning, such as
    /// `2026-01-01-1200-abc-votes.csv`.
    pub(super) fn find(directory: &Path) -> Result<Self, ImportError> {
        if directory.is_file() {
            let problem = "it is a file: an archive has to be unpacked, and the folder given".to_owned();
            return Err(ImportError::NotPolis { path: directory.to_owned(), problem });
        }
        let plain = |name: &str| Some(directory.join(name)).filter(|path| path.is_file());
        if let (Some(comments), Some(votes)) = (plain("comments.csv"), plain("votes.csv")) {
            return Ok(Self { comments, votes, summary: plain("summary.csv") });
        }
        let failed = |source| ImportError::Read { path: directory.to_owned(), source };
        let mut names = Vec::new();
        for entry in std::fs::read_dir(directory).map_err(failed)? {
            names.extend(entry.map_err(failed)?.file_name().into_string());
        }
        names.sort();
        let mut beginnings: Vec<&str> =
            names.iter().filter_map(|n| beginning(n, "votes.csv")).filter(|b| !is_of_participants(b)).collect();
        beginnings.retain(|b| names.iter().any(|n| beginning(n, "comments.csv") == Some(*b)));
        let not_found = |problem: String| ImportError::NotPolis { path: directory.to_owned(), problem };
        match beginnings[..] {
            [one] => {
                let named = |name: &str| directory.join(format!("{one}{name}"));
                let summary = Some(named("summary.csv")).filter(|path| path.is_file());
                Ok(Self { comments: named("comments.csv"), votes: named("votes.csv"), summary })
            }
            // One of the two is there by its plain name: reading the other says that it is not.
            [] if plain("comments.csv").or(plain("votes.csv")).is_some() => Ok(Self {
                comments: directory.join("comments.csv"),
                votes: directory.join("votes.csv"),
                summary: plain("summary.csv"),
            }),
            [] => {
                let csv: Vec<&str> = names.iter().map(String::as_str).filter(|n| n.ends_with(".csv")).take(8).collect();
                let there = if csv.is_empty() { "no CSV file".to_owned() } else { csv.join(", ") };
                Err(not_found(format!("it has {there}")))
            }
            _ => Err(not_found(format!("it has several: those that begin with {}", beginnings.join(", ")))),
        }
    }
}

/// The id of the conversation whose files are in a folder as they were downloaded: `3abc` of `2026-01-31-1200-3abc-votes.csv`.
pub fn conversation_id(directory: &Path) -> Option<String> {
    let votes = Files::find(directory).ok()?.votes;
    let beginning = beginning(votes.file_name()?.to_str()?, "votes.csv")?.strip_suffix('-')?.to_owned();
    let is_number = |part: &&str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let parts: Vec<&str> = beginning.split('-').collect();
    // Year, month, day, and most often the time.
    let date = parts.iter().take(4).take_while(|part| is_number(part)).count();
    let id = parts[date..].join("-");
    (date >= 3 && !id.is_empty()).then_some(id)
}

/// What stands before a name that a file has as its own or after a hyphen.
fn beginning<'a>(file: &'a str, name: &str) -> Option<&'a str> {
    file.strip_suffix(name).filter(|b| b.is_empty() || b.ends_with('-'))
}

/// The table of participants has a name that ends as that of the votes does.
fn is_of_participants(beginning: &str) -> bool {
    ["participants-", "participant-"].iter().any(|b| beginning.ends_with(b))
}
