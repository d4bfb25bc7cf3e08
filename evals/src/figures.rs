//! The one form in which experiments give what they found: figures, each with its interval, as JSON Lines and as Parquet.
//!
//! A data set is measured ([`Figure::data`]) under a learner ([`Figure::learner`]) at a moment ([`Figure::at`]): an experiment
//! implements [`Measured`] and knows nothing of files, of tables or of the page.

mod parquet;

use std::fs;
use std::path::{Path, PathBuf};

use credence_memory::belief::ENGINE_VERSION;
use credence_priors::share::Share;
use serde::{Deserialize, Serialize};

use crate::estimate::Estimate;
use crate::results::ResultsError;

/// Where figures are in a folder: a line on their origin, then one a line.
pub const FIGURES: &str = "figures.jsonl";
/// The same as a table.
pub const FIGURES_PARQUET: &str = "figures.parquet";

/// One number that was measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Figure {
    /// What it was measured on: "real people", "bank", "random questions".
    pub data: String,
    /// What learned, read or answered.
    pub learner: String,
    /// When: "10 answers". Empty where there is one moment only.
    pub at: String,
    /// What was measured, with its unit: "log loss, nats".
    pub measure: String,
    /// The figure.
    pub mean: f64,
    /// Lower end of its 95% interval, where it has one.
    pub low: Option<f64>,
    /// Upper end.
    pub high: Option<f64>,
}

impl Figure {
    /// A figure with an interval.
    pub fn new(data: &str, learner: &str, at: &str, measure: &str, estimate: Estimate) -> Self {
        let Estimate { mean, low, high } = estimate;
        Self { low: Some(low), high: Some(high), ..Self::bare(data, learner, at, measure, mean) }
    }

    /// A figure without one.
    pub fn bare(data: &str, learner: &str, at: &str, measure: &str, mean: f64) -> Self {
        let [data, learner, at, measure] = [data, learner, at, measure].map(str::to_owned);
        Self { data, learner, at, measure, mean, low: None, high: None }
    }

    /// A share with its own interval.
    pub fn share(data: &str, learner: &str, at: &str, measure: &str, share: Share) -> Self {
        let Share { low, high, .. } = share;
        Self::new(data, learner, at, measure, Estimate { mean: share.value(), low, high })
    }

    /// A figure after each number of answers.
    pub fn by_answers(
        data: &str,
        learner: &str,
        measure: &str,
        answers: &[usize],
        estimates: &[Estimate],
    ) -> impl Iterator<Item = Self> {
        answers.iter().zip(estimates).map(move |(n, e)| Self::new(data, learner, &after(*n), measure, *e))
    }

    /// As it is kept: nothing where it is no number, as a share of none; without an interval where that is none.
    fn kept(&self) -> Option<Self> {
        let is_interval = self.low.is_some_and(f64::is_finite) && self.high.is_some_and(f64::is_finite);
        let (low, high) = if is_interval { (self.low, self.high) } else { (None, None) };
        self.mean.is_finite().then(|| Self { low, high, ..self.clone() })
    }
}

/// The moment after so many answers.
pub(crate) fn after(answers: usize) -> String {
    format!("{answers} answers")
}

/// What an experiment found, as figures.
pub trait Measured {
    /// All of them, in the order in which they are shown.
    fn figures(&self) -> Vec<Figure>;
}

/// A figure by itself, so that an experiment may give a list of them.
impl Measured for Figure {
    fn figures(&self) -> Vec<Figure> {
        vec![self.clone()]
    }
}

impl<T: Measured> Measured for [T] {
    fn figures(&self) -> Vec<Figure> {
        self.iter().flat_map(Measured::figures).collect()
    }
}

/// Where figures come from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Origin {
    /// The experiment, as `credence eval` names it.
    pub experiment: String,
    /// What was asked for, the seed included.
    pub options: serde_json::Value,
    /// Version of this package.
    pub version: String,
    /// Version of the engine.
    pub engine_version: u32,
    /// Processor family and operating system.
    pub platform: String,
}

impl Origin {
    /// Of an experiment under this build.
    ///
    /// # Errors
    /// Options that are no JSON.
    pub fn new(experiment: &str, options: &impl Serialize) -> Result<Self, serde_json::Error> {
        Ok(Self {
            experiment: experiment.to_owned(),
            options: serde_json::to_value(options)?,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            engine_version: ENGINE_VERSION,
            platform: format!("{} {}", std::env::consts::ARCH, std::env::consts::OS),
        })
    }
}

/// Writes figures into a folder, which is made; they take the place of earlier ones of the same origin. What is no number, such
/// as a share of none, is no figure and is left out.
///
/// # Errors
/// Files; a folder that holds figures of another origin.
pub fn write(dir: &Path, origin: &Origin, figures: &[Figure]) -> Result<(), ResultsError> {
    let path = dir.join(FIGURES);
    let files = |path: &Path| {
        let path = path.to_owned();
        move |source| ResultsError::Files { path, source }
    };
    fs::create_dir_all(dir).map_err(files(dir))?;
    if path.exists() && read(dir)?.0 != *origin {
        return Err(ResultsError::Another { path });
    }
    let figures: Vec<Figure> = figures.iter().filter_map(Figure::kept).collect();
    let json = |value: serde_json::Result<String>| value.map_err(|e| files(&path)(e.into()));
    let mut text = json(serde_json::to_string(origin))? + "\n";
    for figure in &figures {
        text += &json(serde_json::to_string(figure))?;
        text.push('\n');
    }
    let partial = dir.join("figures.jsonl.partial");
    fs::write(&partial, text).map_err(files(&partial))?;
    fs::rename(&partial, &path).map_err(files(&path))?;
    let path = dir.join(FIGURES_PARQUET);
    parquet::write(&path, origin, &figures).map_err(|source| ResultsError::Parquet { path, source })
}

/// Reads the figures of a folder.
///
/// # Errors
/// Files, and lines that are no figures.
pub fn read(dir: &Path) -> Result<(Origin, Vec<Figure>), ResultsError> {
    let path: PathBuf = dir.join(FIGURES);
    let text = fs::read_to_string(&path).map_err(|source| ResultsError::Files { path: path.clone(), source })?;
    let failed = |line: usize| {
        let path = path.clone();
        move |source| ResultsError::Line { path, line, source }
    };
    let mut lines = text.lines().enumerate();
    let (_, first) = lines.next().ok_or_else(|| ResultsError::Empty { path: path.clone() })?;
    let origin = serde_json::from_str(first).map_err(failed(1))?;
    let figures = lines.map(|(i, line)| serde_json::from_str(line).map_err(failed(i + 1)));
    Ok((origin, figures.collect::<Result<_, _>>()?))
}

/// Writes what an experiment found, reads it back, and gives it: each figure once, named, and within its interval's order.
#[cfg(test)]
pub(crate) fn kept(found: &(impl Measured + ?Sized)) -> Vec<Figure> {
    let dir = tempfile::tempdir().expect("a folder");
    let origin = Origin::new("test", &serde_json::json!({})).expect("options");
    let figures = found.figures();
    write(dir.path(), &origin, &figures).expect("figures are written");
    let (from, read) = read(dir.path()).expect("figures are read");
    assert_eq!(from, origin);
    assert_eq!(read, figures.iter().filter_map(Figure::kept).collect::<Vec<_>>());
    let mut cells = std::collections::BTreeSet::new();
    for figure in &read {
        let Figure { data, learner, at, measure, low, high, .. } = figure;
        assert!(![data, learner, measure].iter().any(|name| name.is_empty()), "{figure:?}");
        assert!(cells.insert([data, learner, at, measure]), "twice: {figure:?}");
        assert!(low.zip(*high).is_none_or(|(low, high)| low <= high), "{figure:?}");
    }
    assert!(!read.is_empty());
    read
}

/// The figure of these names.
#[cfg(test)]
pub(crate) fn of<'a>(figures: &'a [Figure], [data, learner, at, measure]: [&str; 4]) -> &'a Figure {
    let named = |f: &&Figure| [&f.data, &f.learner, &f.at, &f.measure] == [data, learner, at, measure];
    figures
        .iter()
        .find(named)
        .unwrap_or_else(|| panic!("no {measure:?} of {learner:?} on {data:?} at {at:?}: {figures:#?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_number_is_no_figure() -> Result<(), Box<dyn std::error::Error>> {
        let origin = Origin::new("validity", &serde_json::json!({}))?;
        let none = Share::new(0, 0);
        let open = Estimate { mean: 2.0, low: f64::NEG_INFINITY, high: 3.0 };
        let figures =
            [Figure::share("none", "states", "", "share", none), Figure::new("some", "states", "", "sum", open)];
        let dir = tempfile::tempdir()?;
        write(dir.path(), &origin, &figures)?;
        assert_eq!(read(dir.path())?.1, [Figure::bare("some", "states", "", "sum", 2.0)]);
        Ok(())
    }

    #[test]
    fn what_is_written_is_read_and_is_in_the_table() -> Result<(), Box<dyn std::error::Error>> {
        use ::parquet::file::reader::{FileReader, SerializedFileReader};
        use ::parquet::record::{Field, RowAccessor};
        let origin = Origin::new("flight", &serde_json::json!({ "seed": 1 }))?;
        let estimate = Estimate { mean: 0.1 + 0.2, low: -0.25, high: 1.0 };
        let figures = [
            Figure::new("random questions", "exact Bayes", "5 answers", "accuracy", estimate),
            Figure::bare("random questions", "mixture", "", "calibration", 0.05),
        ];
        let dir = tempfile::tempdir()?;
        write(dir.path(), &origin, &figures)?;
        assert_eq!(read(dir.path())?, (origin.clone(), figures.to_vec()));
        let reader = SerializedFileReader::new(fs::File::open(dir.path().join(FIGURES_PARQUET))?)?;
        let about = reader.metadata().file_metadata().key_value_metadata().expect("an origin");
        assert!(about.iter().any(|kv| kv.key == "options" && kv.value.as_deref() == Some("{\"seed\":1}")), "{about:?}");
        let rows: Vec<_> = reader.get_row_iter(None)?.collect::<Result<_, _>>()?;
        assert_eq!(rows.len(), figures.len());
        for (row, figure) in rows.iter().zip(&figures) {
            assert_eq!((row.get_string(1)?, row.get_double(4)?), (&figure.learner, figure.mean));
            let low = row.get_column_iter().nth(5).map(|(_, field)| field.clone());
            assert_eq!(low, Some(figure.low.map_or(Field::Null, Field::Double)));
        }
        // The same origin takes its own place; another one is refused, and nothing is lost.
        write(dir.path(), &origin, &figures[..1])?;
        let other = Origin::new("flight", &serde_json::json!({ "seed": 2 }))?;
        assert!(matches!(write(dir.path(), &other, &figures), Err(ResultsError::Another { .. })));
        assert_eq!(read(dir.path())?.1.len(), 1);
        Ok(())
    }
}
