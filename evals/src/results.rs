//! Running an experiment's grid on all cores, with a journal from which an interrupted run goes on.

mod parquet;

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use rayon::prelude::*;

use crate::experiment::{Cell, Experiment, ExperimentError, Provenance, Run};

/// Finished cells, in the order in which they finished.
pub const JOURNAL: &str = "cells.jsonl";
/// All cells, in the order of the grid: the same bytes whenever and however often it was interrupted.
pub const RESULTS: &str = "results.jsonl";
/// The same as a table: one row for each measurement of each run.
pub const RESULTS_PARQUET: &str = "results.parquet";

/// Why results could not be made or read.
#[derive(Debug, thiserror::Error)]
pub enum ResultsError {
    /// The experiment.
    #[error("the experiment cannot be run")]
    Experiment(#[from] ExperimentError),
    /// The file system.
    #[error("failed to use {path}")]
    Files {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The table.
    #[error("failed to write {path}")]
    Parquet {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: ::parquet::errors::ParquetError,
    },
    /// A line that is not what it should be.
    #[error("{path} line {line} is not a result")]
    Line {
        /// Which file.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// Why.
        source: serde_json::Error,
    },
    /// The folder holds something else.
    #[error("{path} is of another experiment or version: choose another folder, or remove it to start anew")]
    Another {
        /// Which file.
        path: PathBuf,
    },
    /// Nothing there.
    #[error("{path} holds no provenance line")]
    Empty {
        /// Which file.
        path: PathBuf,
    },
}

/// Provenance and runs of a results file.
#[derive(Clone, Debug, PartialEq)]
pub struct Results {
    /// First line.
    pub provenance: Provenance,
    /// The rest.
    pub runs: Vec<Run>,
}

/// Reads a results file or a journal. A last line without its end, as a kill leaves it, is left out.
///
/// # Errors
/// Files, and lines that are no results.
pub fn read(path: &Path) -> Result<Results, ResultsError> {
    let text = fs::read_to_string(path).map_err(|source| ResultsError::Files { path: path.to_owned(), source })?;
    let whole = text.rfind('\n').map_or("", |end| &text[..=end]);
    let failed = |line: usize| move |source| ResultsError::Line { path: path.to_owned(), line, source };
    let mut lines = whole.lines().enumerate();
    let (_, first) = lines.next().ok_or_else(|| ResultsError::Empty { path: path.to_owned() })?;
    let provenance = serde_json::from_str(first).map_err(failed(1))?;
    let runs = lines
        .map(|(i, line)| serde_json::from_str(line).map_err(failed(i + 1)))
        .collect::<Result<Vec<Run>, ResultsError>>()?;
    Ok(Results { provenance, runs })
}

/// The folder to use when none was named: `eval-NAME`, or `eval-NAME-2` and so on when the former holds another experiment, as
/// after a line of the file was changed.
///
/// # Errors
/// A folder whose journal cannot be read.
pub fn folder(name: &str, file: &str) -> Result<PathBuf, ResultsError> {
    let provenance = Provenance::of(file);
    for number in 1.. {
        let dir = PathBuf::from(if number == 1 { format!("eval-{name}") } else { format!("eval-{name}-{number}") });
        match provenance_of(&dir.join(JOURNAL)) {
            Ok(found) if found != provenance => {}
            // What is no journal is left to the run, which says what is wrong with it.
            Ok(_) | Err(_) => return Ok(dir),
        }
    }
    unreachable!("some folder is free")
}

fn provenance_of(path: &Path) -> Result<Provenance, ResultsError> {
    let text = fs::read_to_string(path).map_err(|source| ResultsError::Files { path: path.to_owned(), source })?;
    let first = text.lines().next().ok_or_else(|| ResultsError::Empty { path: path.to_owned() })?;
    serde_json::from_str(first).map_err(|source| ResultsError::Line { path: path.to_owned(), line: 1, source })
}

fn key(cell: &Cell) -> String {
    format!("{cell:?}")
}

/// Runs what a folder does not hold yet, and writes `results.jsonl`. `progress` gets cells done and cells in all.
///
/// # Errors
/// Files, another experiment's folder, or the engine refusing a cell.
pub fn run(
    experiment: &Experiment,
    file: &str,
    dir: &Path,
    progress: &(dyn Fn(usize, usize) + Sync),
) -> Result<Results, ResultsError> {
    let files = |path: &Path| {
        let path = path.to_owned();
        move |source| ResultsError::Files { path, source }
    };
    fs::create_dir_all(dir).map_err(files(dir))?;
    let path = dir.join(JOURNAL);
    let provenance = Provenance::of(file);
    let mut finished: HashMap<String, Run> = HashMap::new();
    let earlier = match read(&path) {
        Ok(earlier) if earlier.provenance != provenance => return Err(ResultsError::Another { path }),
        Ok(earlier) => earlier.runs,
        Err(ResultsError::Empty { .. }) => Vec::new(),
        Err(ResultsError::Files { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(error),
    };
    // Written anew, so that a torn last line does not stay in the middle.
    let partial = dir.join("cells.jsonl.partial");
    write(&partial, &provenance, &earlier).map_err(files(&partial))?;
    fs::rename(&partial, &path).map_err(files(&path))?;
    finished.extend(earlier.into_iter().map(|run| (key(&run.cell), run)));
    let cells = experiment.cells();
    let missing: Vec<&Cell> = cells.iter().filter(|cell| !finished.contains_key(&key(cell))).collect();
    let done = cells.len() - missing.len();
    progress(done, cells.len());
    let journal = OpenOptions::new().append(true).open(&path).map_err(files(&path))?;
    let journal = Mutex::new((journal, done));
    let fresh = missing
        .into_par_iter()
        .map(|cell| {
            let run = experiment.run(cell)?;
            let line = serde_json::to_string(&run).map_err(|e| files(&path)(e.into()))? + "\n";
            // A poisoned lock means another cell's write panicked; the journal itself is whole lines still.
            let mut journal = journal.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            journal.0.write_all(line.as_bytes()).map_err(files(&path))?;
            journal.1 += 1;
            progress(journal.1, cells.len());
            Ok(run)
        })
        .collect::<Result<Vec<Run>, ResultsError>>()?;
    finished.extend(fresh.into_iter().map(|run| (key(&run.cell), run)));
    let runs: Vec<Run> = cells.iter().filter_map(|cell| finished.remove(&key(cell))).collect();
    let results = dir.join(RESULTS);
    write(&results, &provenance, &runs).map_err(files(&results))?;
    let path = dir.join(RESULTS_PARQUET);
    parquet::write(&path, &provenance, &runs).map_err(|source| ResultsError::Parquet { path, source })?;
    Ok(Results { provenance, runs })
}

fn write(path: &Path, provenance: &Provenance, runs: &[Run]) -> std::io::Result<()> {
    let mut out = std::io::BufWriter::new(File::create(path)?);
    serde_json::to_writer(&mut out, provenance)?;
    out.write_all(b"\n")?;
    for run in runs {
        serde_json::to_writer(&mut out, run)?;
        out.write_all(b"\n")?;
    }
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::BUILT_IN;

    #[test]
    fn the_table_holds_what_the_lines_hold() -> Result<(), Box<dyn std::error::Error>> {
        use ::parquet::file::reader::{FileReader, SerializedFileReader};
        use ::parquet::record::{Field, RowAccessor};
        let (file, experiment) = tiny();
        let dir = tempfile::tempdir()?;
        let results = run(&experiment, &file, dir.path(), &|_, _| ())?;
        let reader = SerializedFileReader::new(File::open(dir.path().join(RESULTS_PARQUET))?)?;
        let about = reader.metadata().file_metadata().key_value_metadata().expect("provenance");
        let stated = about.iter().find(|kv| kv.key == "experiment").and_then(|kv| kv.value.as_deref());
        assert_eq!(stated, Some(file.as_str()));
        let mut rows = reader.get_row_iter(None)?;
        for run in &results.runs {
            for measure in &run.measures {
                let row = rows.next().expect("a row for each measurement")?;
                assert_eq!(row.get_string(0)?, &run.cell.prior);
                assert_eq!(row.get_long(8)?, measure.answers as i64);
                assert_eq!(row.get_double(10)?, measure.excess_nats);
                let null = |k: usize| row.get_column_iter().nth(k).is_some_and(|(_, field)| *field == Field::Null);
                assert_eq!(null(14), measure.angle_degrees.is_none());
                assert_eq!(null(21), run.answers_needed.is_none());
            }
        }
        assert!(rows.next().is_none());
        Ok(())
    }

    fn tiny() -> (String, Experiment) {
        let mut experiment = Experiment::parse(BUILT_IN[1].1).expect("built in");
        experiment.questions = 5;
        experiment.measured_at = vec![0, 5];
        experiment.seeds = vec![1];
        experiment.prior.truncate(2);
        experiment.person.truncate(1);
        let file = toml::to_string(&experiment).expect("an experiment is TOML");
        let experiment = Experiment::parse(&file).expect("what was written");
        (file, experiment)
    }

    #[test]
    fn an_interrupted_run_goes_on_and_ends_the_same() {
        let (file, experiment) = tiny();
        let (whole, cut) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
        let results = run(&experiment, &file, whole.path(), &|_, _| ()).expect("a run");
        assert_eq!(results.runs.len(), experiment.cells().len());
        let journal = fs::read(whole.path().join(JOURNAL)).expect("a journal");
        for length in [0, 40, journal.len() / 2, journal.len() - 1] {
            fs::write(cut.path().join(JOURNAL), &journal[..length]).expect("a cut journal");
            let resumed = run(&experiment, &file, cut.path(), &|_, _| ()).expect("a resumed run");
            assert_eq!(resumed, results, "cut at {length}");
            assert_eq!(read(&cut.path().join(RESULTS)).expect("results"), results);
        }
        let error = run(&experiment, "name = 'other'", cut.path(), &|_, _| ()).expect_err("another file");
        assert!(matches!(error, ResultsError::Another { .. }));
    }
}
