//! Running an experiment's grid on all cores, with a journal from which an interrupted run goes on.

mod parquet;

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use rayon::prelude::*;
use serde_json::json;

use crate::experiment::{Cell, Experiment, ExperimentError, Provenance, Run};
use crate::figures::{self, Measured, Origin};

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
    /// A run of no cell of the grid.
    #[error("a result is of no cell of this experiment: {cell:?}")]
    NoCell {
        /// The cell.
        cell: Box<Cell>,
    },
    /// Two runs of one cell.
    #[error(
        "two machines found different results for {cell:?}: bits are promised for one version on one family of processors only"
    )]
    Differs {
        /// The cell.
        cell: Box<Cell>,
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

/// A folder of results while they are made: a journal of finished cells, from which an interrupted run goes on.
#[derive(Debug)]
pub struct Folder {
    dir: PathBuf,
    provenance: Provenance,
    cells: Vec<Cell>,
    /// Place of each cell in the grid.
    places: HashMap<String, usize>,
    /// Finished cells, by their places.
    finished: BTreeMap<usize, Run>,
    journal: File,
}

impl Folder {
    /// Opens a folder, or begins one.
    ///
    /// # Errors
    /// Files, or a folder of another experiment or version.
    pub fn open(experiment: &Experiment, file: &str, dir: &Path) -> Result<Self, ResultsError> {
        fs::create_dir_all(dir).map_err(files(dir))?;
        let path = dir.join(JOURNAL);
        let provenance = Provenance::of(file);
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
        let cells = experiment.cells();
        let places: HashMap<String, usize> = cells.iter().enumerate().map(|(i, cell)| (key(cell), i)).collect();
        let finished = earlier.into_iter().filter_map(|run| Some((*places.get(&key(&run.cell))?, run))).collect();
        let journal = OpenOptions::new().append(true).open(&path).map_err(files(&path))?;
        Ok(Self { dir: dir.to_owned(), provenance, cells, places, finished, journal })
    }

    /// What the runs depend on.
    pub fn provenance(&self) -> &Provenance {
        &self.provenance
    }

    /// The grid.
    pub fn cells(&self) -> &[Cell] {
        &self.cells
    }

    /// How many cells are finished.
    pub fn finished(&self) -> usize {
        self.finished.len()
    }

    /// Places of the cells of a part of the grid that are not finished.
    pub fn missing(&self, part: Part) -> Vec<usize> {
        (0..self.cells.len()).filter(|place| part.has(*place) && !self.finished.contains_key(place)).collect()
    }

    /// Adds a finished cell to the journal. Says whether it is news.
    ///
    /// # Errors
    /// Files; a cell of another grid; a run of a finished cell with other results, as of a machine whose arithmetic is not this one's.
    pub fn add(&mut self, run: Run) -> Result<bool, ResultsError> {
        let Some(&place) = self.places.get(&key(&run.cell)) else {
            return Err(ResultsError::NoCell { cell: Box::new(run.cell) });
        };
        if let Some(known) = self.finished.get(&place) {
            return if *known == run { Ok(false) } else { Err(ResultsError::Differs { cell: Box::new(run.cell) }) };
        }
        let path = self.dir.join(JOURNAL);
        let line = serde_json::to_string(&run).map_err(|e| files(&path)(e.into()))? + "\n";
        self.journal.write_all(line.as_bytes()).map_err(files(&path))?;
        self.finished.insert(place, run);
        Ok(true)
    }

    /// Writes the results of a whole grid, and their summary as figures beside them; nothing where cells are missing.
    ///
    /// # Errors
    /// Files; figures of something else in the folder.
    pub fn finish(self) -> Result<Option<Results>, ResultsError> {
        if self.finished.len() < self.cells.len() {
            return Ok(None);
        }
        let (provenance, runs) = (self.provenance, self.finished.into_values().collect::<Vec<Run>>());
        let results = self.dir.join(RESULTS);
        write(&results, &provenance, &runs).map_err(files(&results))?;
        let path = self.dir.join(RESULTS_PARQUET);
        parquet::write(&path, &provenance, &runs).map_err(|source| ResultsError::Parquet { path, source })?;
        let asked = json!({ "file": provenance.file, "file_blake3": provenance.file_blake3 });
        let origin = Origin::new("run", &asked).map_err(|e| files(&self.dir)(e.into()))?;
        let results = Results { provenance, runs };
        figures::write(&self.dir, &origin, &results.figures())?;
        Ok(Some(results))
    }
}

/// A part of a grid that one of several jobs runs: every so many-th cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// Which one, from 1.
    number: usize,
    /// Of how many.
    of: usize,
}

impl Part {
    /// The whole grid.
    pub const WHOLE: Self = Self { number: 1, of: 1 };

    /// Whether the cell at a place of the grid is in it.
    pub fn has(&self, place: usize) -> bool {
        place % self.of == self.number - 1
    }
}

impl std::fmt::Display for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.number, self.of)
    }
}

impl std::str::FromStr for Part {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is not a part of a grid such as 2/8: the second of eight");
        let (number, of) = text.split_once('/').ok_or_else(wrong)?;
        let part = Self { number: number.parse().map_err(|_| wrong())?, of: of.parse().map_err(|_| wrong())? };
        if (1..=part.of).contains(&part.number) { Ok(part) } else { Err(wrong()) }
    }
}

fn files(path: &Path) -> impl Fn(std::io::Error) -> ResultsError {
    let path = path.to_owned();
    move |source| ResultsError::Files { path: path.clone(), source }
}

/// Runs what a folder does not hold yet of a part of the grid, and writes `results.jsonl` and `results.parquet` once it holds the whole
/// grid. `progress` gets cells done and cells in all, of this part.
///
/// # Errors
/// Files, another experiment's folder, or the engine refusing a cell.
pub fn run(
    experiment: &Experiment,
    file: &str,
    dir: &Path,
    part: Part,
    progress: &(dyn Fn(usize, usize) + Sync),
) -> Result<Option<Results>, ResultsError> {
    let folder = Folder::open(experiment, file, dir)?;
    let missing: Vec<Cell> = folder.missing(part).into_iter().map(|place| folder.cells[place].clone()).collect();
    let of = (0..folder.cells.len()).filter(|place| part.has(*place)).count();
    let done = of - missing.len();
    progress(done, of);
    let folder = Mutex::new((folder, done));
    missing.par_iter().try_for_each(|cell| {
        let run = experiment.run(cell)?;
        // A poisoned lock means another cell's write panicked; the journal itself is whole lines still.
        let mut folder = folder.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        folder.0.add(run)?;
        folder.1 += 1;
        progress(folder.1, of);
        Ok::<(), ResultsError>(())
    })?;
    folder.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner).0.finish()
}

/// Puts the finished cells of several folders, which ran parts of one grid, into one more.
///
/// # Errors
/// Files, a folder of another experiment or version, and what [`Folder::add`] refuses.
pub fn merge(dirs: &[PathBuf], out: &Path) -> Result<Folder, ResultsError> {
    let parts =
        dirs.iter().map(|dir| Ok((dir, read(&dir.join(JOURNAL))?))).collect::<Result<Vec<_>, ResultsError>>()?;
    let (_, first) = parts.first().ok_or_else(|| ResultsError::Empty { path: out.to_owned() })?;
    let file = first.provenance.file.clone();
    let experiment = Experiment::parse(&file)?;
    let mut folder = Folder::open(&experiment, &file, out)?;
    for (dir, part) in parts {
        if part.provenance != folder.provenance {
            return Err(ResultsError::Another { path: dir.join(JOURNAL) });
        }
        part.runs.into_iter().try_for_each(|run| folder.add(run).map(drop))?;
    }
    Ok(folder)
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
        let results = run(&experiment, &file, dir.path(), Part::WHOLE, &|_, _| ())?.expect("the whole grid");
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
        let results =
            run(&experiment, &file, whole.path(), Part::WHOLE, &|_, _| ()).expect("a run").expect("the whole grid");
        assert_eq!(results.runs.len(), experiment.cells().len());
        let journal = fs::read(whole.path().join(JOURNAL)).expect("a journal");
        for length in [0, 40, journal.len() / 2, journal.len() - 1] {
            fs::write(cut.path().join(JOURNAL), &journal[..length]).expect("a cut journal");
            let resumed = run(&experiment, &file, cut.path(), Part::WHOLE, &|_, _| ()).expect("a resumed run");
            assert_eq!(resumed.as_ref(), Some(&results), "cut at {length}");
            assert_eq!(read(&cut.path().join(RESULTS)).expect("results"), results);
        }
        let kept = |dir: &Path| figures::read(dir).expect("figures of the summary");
        assert_eq!(kept(cut.path()), kept(whole.path()));
        assert_eq!(kept(whole.path()).1, results.figures());
        let error = run(&experiment, "name = 'other'", cut.path(), Part::WHOLE, &|_, _| ()).expect_err("another file");
        assert!(matches!(error, ResultsError::Another { .. }));
    }

    #[test]
    fn parts_of_a_grid_that_ran_apart_are_merged_to_the_same_bytes() {
        let (file, experiment) = tiny();
        let dir = tempfile::tempdir().expect("a folder");
        let at = |name: &str| dir.path().join(name);
        run(&experiment, &file, &at("whole"), Part::WHOLE, &|_, _| ()).expect("a run").expect("the whole grid");
        let parts = ["1/3", "2/3", "3/3"].map(|part| part.parse::<Part>().expect("a part"));
        let folders: Vec<PathBuf> = (0..3).map(|i| at(&format!("part-{i}"))).collect();
        for (part, folder) in parts.iter().zip(&folders) {
            assert_eq!(run(&experiment, &file, folder, *part, &|_, _| ()).expect("a part"), None);
        }
        let some = merge(&folders[1..], &at("merged")).expect("two parts");
        assert_eq!(some.missing(Part::WHOLE), some.missing(parts[0]));
        assert!(some.finish().expect("files").is_none());
        // In another order, and with a part that is there already.
        let all: Vec<PathBuf> = folders.iter().rev().cloned().collect();
        assert!(merge(&all, &at("merged")).expect("three parts").finish().expect("files").is_some());
        for name in [RESULTS, RESULTS_PARQUET] {
            assert_eq!(fs::read(at("merged").join(name)).ok(), fs::read(at("whole").join(name)).ok(), "{name}");
        }
        // A machine that reckons otherwise is noticed.
        let mut other = read(&folders[0].join(JOURNAL)).expect("a journal");
        other.runs[0].floor_nats += 1e-9;
        write(&at("part-0").join(JOURNAL), &other.provenance, &other.runs).expect("a journal");
        assert!(matches!(merge(&folders, &at("merged")), Err(ResultsError::Differs { .. })));
        for wrong in ["0/3", "4/3", "1", "a/b", "1/0", "-1/3"] {
            assert!(wrong.parse::<Part>().is_err(), "{wrong}");
        }
    }
}
