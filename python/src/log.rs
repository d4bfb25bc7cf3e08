//! Reading a log, and replaying it into tables.

use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use arrow_array::builder::{StringBuilder, TimestampMicrosecondBuilder};
use arrow_array::{ArrayRef, BooleanArray, Float64Array, StringArray, UInt64Array};
use credence_belief::{Functional, Mixture, Settings};
use credence_memory::ids::{Hash, PersonId};
use credence_memory::layout::Layout;
use credence_memory::log::{Reader, Tail};
use credence_memory::observation::contrast;
use credence_memory::replay::{Ended, Options, PriorChoice, Replay as Replayed, Step, replay_keeping};
use credence_memory::sample::LargeLog;
use pyo3::prelude::*;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::belief::Belief;
use crate::errors::{self, LogError};
use crate::table::Table;

/// The level of every interval, as in `credence values`.
const LEVEL: f64 = 0.9;

/// The evidence log of a home. It is only read, so a session may go on meanwhile.
#[pyclass(frozen, module = "credence")]
pub(crate) struct Log {
    path: PathBuf,
}

/// What of a line is shown as it stands.
#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow)]
    payload: &'a RawValue,
}

#[pymethods]
impl Log {
    /// The log at this path: a home, or the file itself.
    #[new]
    fn new(path: PathBuf) -> PyResult<Self> {
        let path = if path.is_dir() { path.join("evidence").join("log.jsonl") } else { path };
        if !path.is_file() {
            return Err(LogError::new_err(format!("there is no evidence log at {}", path.display())));
        }
        Ok(Self { path })
    }

    /// The file.
    #[getter]
    fn path(&self) -> PathBuf {
        self.path.clone()
    }

    /// Every whole record: `seq`, `time`, `kind`, `person` and `source` of evidence, and `payload`, the content as JSON. The chain
    /// of hashes is checked on the way.
    fn records(&self, py: Python<'_>) -> PyResult<Table> {
        py.detach(|| self.read_records())
    }

    /// Everybody who said something, in the order of their names.
    fn people(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        let found = py.detach(|| credence_memory::replay::verify_chain(self.open()?).map_err(|e| self.failed(&e)));
        Ok(found?.0.people().keys().map(ToString::to_string).collect())
    }

    /// Folds the log again, as it was or as it might have been. No model is needed.
    ///
    /// `prior` is "logged", "flat" or "elicited". `without` leaves evidence out: a record's number, `person:NAME`, `kind:KIND` or
    /// `time:FROM..TO`. `until` is a record's number or a time. `hypotheses` narrows the grid ("sigma=0.4,1.5 eps=0.1"). With
    /// `verify`, recorded digests are compared, and one that differs is a `LogError`.
    #[pyo3(signature = (*, person = None, prior = "logged", without = Vec::new(), until = None, hypotheses = None, verify = false))]
    #[allow(clippy::too_many_arguments, reason = "they have names in Python")]
    fn replay(
        &self,
        py: Python<'_>,
        person: Option<&str>,
        prior: &str,
        without: Vec<String>,
        until: Option<&str>,
        hypotheses: Option<&str>,
        verify: bool,
    ) -> PyResult<Replay> {
        let wrong = |error: &dyn std::fmt::Display| LogError::new_err(error.to_string());
        let options = Options {
            person: person.map(named).transpose()?,
            prior: match prior {
                "logged" => PriorChoice::AsLogged,
                "flat" => PriorChoice::Flat,
                "elicited" => PriorChoice::Elicited,
                other => return Err(wrong(&format!("expected the prior logged, flat or elicited, found {other:?}"))),
            },
            without: without.iter().map(|given| given.parse().map_err(|e| wrong(&e))).collect::<PyResult<_>>()?,
            until: until.map(|given| given.parse().map_err(|e| wrong(&e))).transpose()?,
            hypotheses: hypotheses.map(|given| given.parse().map_err(|e| wrong(&e))).transpose()?.unwrap_or_default(),
            verify,
        };
        let found = py.detach(|| self.replayed(&options, |_| {}, summary))?;
        let differ: Vec<String> = found.disagreements().map(|(_, check)| check.seq.to_string()).collect();
        if !differ.is_empty() {
            return Err(errors::log(
                &self.path,
                &std::io::Error::other(format!("recorded beliefs do not match: records {}", differ.join(", "))),
            ));
        }
        Ok(Replay { found })
    }

    /// What is believed of a person at the log's end.
    fn belief(&self, py: Python<'_>, person: &str) -> PyResult<Belief> {
        let options = Options { person: Some(named(person)?), ..Options::default() };
        let mut found = py.detach(|| self.replayed(&options, |_| {}, |ended| ended.belief))?;
        let last = found.people.pop().ok_or_else(|| LogError::new_err(format!("nobody is called {person}")))?;
        Ok(Belief::from(last.belief))
    }

    /// How a person's values came to be believed: after each of their answers, `record`, `value`, `mean` and `sd`, in the unit of
    /// `Replay.values`.
    fn trajectory(&self, py: Python<'_>, person: &str) -> PyResult<Table> {
        let options = Options { person: Some(named(person)?), ..Options::default() };
        let rows: Mutex<Vec<(u64, String, f64, f64)>> = Mutex::default();
        let watch = |step: &Step<'_>| {
            let axes = axes(&step.epoch.layout, step.belief);
            let mut rows = rows.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            // As `Replay.values` tells it, with the skew that answers leave.
            for (value, marginal) in step.epoch.layout.values().iter().zip(step.belief.marginals(&axes)) {
                rows.push((step.evidence.seq.0, value.to_string(), marginal.mean(), marginal.sd()));
            }
        };
        py.detach(|| self.replayed(&options, watch, |_| ()))?;
        let rows = rows.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        Table::new(vec![
            ("record", counts(rows.iter().map(|r| r.0)), false),
            ("value", texts(rows.iter().map(|r| r.1.as_str())), false),
            ("mean", numbers(rows.iter().map(|r| r.2)), false),
            ("sd", numbers(rows.iter().map(|r| r.3)), false),
        ])
    }

    fn __repr__(&self) -> String {
        format!("Log({:?})", self.path.display().to_string())
    }
}

impl Log {
    fn open(&self) -> PyResult<File> {
        File::open(&self.path).map_err(|e| self.failed(&e))
    }

    fn failed(&self, error: &dyn std::error::Error) -> PyErr {
        errors::log(&self.path, error)
    }

    fn replayed<B: Send>(
        &self,
        options: &Options,
        watch: impl Fn(&Step<'_>) + Sync,
        keep: impl Fn(Ended<'_>) -> B + Sync,
    ) -> PyResult<Replayed<B>> {
        replay_keeping(self.open()?, options, watch, keep).map_err(|e| self.failed(&e))
    }

    fn read_records(&self) -> PyResult<Table> {
        let mut reader = Reader::new(self.open()?);
        let (mut seqs, mut times) = (Vec::new(), TimestampMicrosecondBuilder::new().with_timezone("UTC"));
        let [mut kinds, mut people, mut sources, mut payloads] = std::array::from_fn(|_| StringBuilder::new());
        while let Some(entry) = reader.next() {
            let entry = entry.map_err(|e| self.failed(&e))?;
            let origin = entry.record.evidence_origin();
            seqs.push(entry.seq.0);
            times.append_value(entry.time.as_microsecond());
            kinds.append_value(entry.record.kind());
            people.append_option(origin.map(|o| o.person.as_str()));
            sources.append_option(origin.map(|o| o.source.to_string()));
            let line: Line<'_> = serde_json::from_slice(reader.line()).map_err(|e| self.failed(&e))?;
            payloads.append_value(line.payload.get());
        }
        Table::new(vec![
            ("seq", Arc::new(UInt64Array::from(seqs)), false),
            ("time", Arc::new(times.finish()), false),
            ("kind", Arc::new(kinds.finish()), false),
            ("person", Arc::new(people.finish()), true),
            ("source", Arc::new(sources.finish()), true),
            ("payload", Arc::new(payloads.finish()), false),
        ])
    }
}

fn named(person: &str) -> PyResult<PersonId> {
    PersonId::new(person).map_err(|e| LogError::new_err(format!("{person:?} cannot be a person's name: {e}")))
}

/// What is kept of a belief: each value's id, mean, interval and probability of being above the person's average; and the digest.
struct Summary {
    values: Vec<(String, [f64; 4])>,
    records: usize,
    digest: Hash,
}

fn summary(ended: Ended<'_>) -> Summary {
    let Ended { belief, epoch, .. } = ended;
    let span = |f: &Functional| {
        let (low, high) = f.interval(LEVEL);
        [f.mean(), low, high, f.probability_positive()]
    };
    let marginals = belief.marginals(&axes(&epoch.layout, &belief));
    let names = epoch.layout.values().iter().map(ToString::to_string);
    Summary {
        values: names.zip(marginals.iter().map(span)).collect(),
        records: belief.record_count(),
        digest: Hash(belief.digest()),
    }
}

/// Each value less the person's average, in reference standard deviations of a weight.
fn axes(layout: &Layout, belief: &Mixture) -> Vec<Vec<f64>> {
    let axis = |i| {
        let mut axis = contrast(layout, i, None);
        axis.truncate(belief.dimension());
        axis
    };
    (0..layout.values().len()).map(axis).collect()
}

/// What a replay found.
#[pyclass(frozen, module = "credence")]
pub(crate) struct Replay {
    found: Replayed<Summary>,
}

#[pymethods]
impl Replay {
    /// What is believed of everybody: `person`, `value`, `mean`, `low`, `high` (a 90% interval) and `probability_above`, each value
    /// relative to the person's own average, in the unit of `credence values`.
    fn values(&self) -> PyResult<Table> {
        let people = || self.found.people.iter();
        let rows = || people().flat_map(|p| p.belief.values.iter().map(|(_, numbers)| numbers));
        let names = people().flat_map(|p| p.belief.values.iter().map(|_| p.person.as_str()));
        let values = people().flat_map(|p| p.belief.values.iter().map(|(value, _)| value.as_str()));
        Table::new(vec![
            ("person", texts(names), false),
            ("value", texts(values), false),
            ("mean", numbers(rows().map(|r| r[0])), false),
            ("low", numbers(rows().map(|r| r[1])), false),
            ("high", numbers(rows().map(|r| r[2])), false),
            ("probability_above", numbers(rows().map(|r| r[3])), false),
        ])
    }

    /// How well each answer had been predicted before it came: `person`, `record`, `ln_predictive` (nats).
    fn predictions(&self) -> PyResult<Table> {
        let rows = || self.found.people.iter().flat_map(|p| p.predictions.iter().map(move |row| (p, row)));
        Table::new(vec![
            ("person", texts(rows().map(|(p, _)| p.person.as_str())), false),
            ("record", counts(rows().map(|(_, row)| row.seq.0)), false),
            ("ln_predictive", numbers(rows().map(|(_, row)| row.ln_predictive)), false),
        ])
    }

    /// Everybody in one row: `person`, `evidence` that counts, `log_loss` (mean, nats; nothing where nothing was said), and the
    /// belief's `digest`.
    fn people(&self) -> PyResult<Table> {
        let people = || self.found.people.iter();
        let losses: Float64Array = people().map(|p| p.score.log_loss()).collect();
        let digests: Vec<String> = people().map(|p| p.belief.digest.to_string()).collect();
        Table::new(vec![
            ("person", texts(people().map(|p| p.person.as_str())), false),
            ("evidence", counts(people().map(|p| p.belief.records as u64)), false),
            ("log_loss", Arc::new(losses), true),
            ("digest", texts(digests.iter().map(String::as_str)), false),
        ])
    }

    /// Recorded digests beside those found: `person`, `record`, `through` (the last record in the belief), `agrees`. Empty without
    /// `verify`.
    fn digests(&self) -> PyResult<Table> {
        let rows = || self.found.people.iter().flat_map(|p| p.digests.iter().map(move |check| (p, check)));
        let agrees: BooleanArray = rows().map(|(_, check)| Some(check.agrees())).collect();
        Table::new(vec![
            ("person", texts(rows().map(|(p, _)| p.person.as_str())), false),
            ("record", counts(rows().map(|(_, check)| check.seq.0)), false),
            ("through", counts(rows().map(|(_, check)| check.through.0)), false),
            ("agrees", Arc::new(agrees), false),
        ])
    }

    /// Mean log loss of all predictions in nats; nothing where nothing was said.
    #[getter]
    fn log_loss(&self) -> Option<f64> {
        self.found.score().log_loss()
    }

    /// Mean Brier score; nothing where nothing was said.
    #[getter]
    fn brier(&self) -> Option<f64> {
        self.found.score().brier()
    }

    /// Records taken in.
    #[getter]
    fn records(&self) -> u64 {
        self.found.records
    }

    /// Evidence left out.
    #[getter]
    fn left_out(&self) -> u64 {
        self.found.left_out
    }

    /// Whether the last line was torn; it was not counted then.
    #[getter]
    fn is_torn(&self) -> bool {
        matches!(self.found.tail, Tail::Torn { .. })
    }

    fn __repr__(&self) -> String {
        format!("Replay({} records, {} people)", self.found.records, self.found.people.len())
    }
}

/// Writes a log of invented people to try things on: they take turns choosing between two of `alternatives`. The same
/// arguments give the same bytes.
#[pyfunction]
#[pyo3(signature = (path, *, choices = 1000, people = 10, alternatives = 100, values = 18, hypotheses = 12, seed = 1))]
#[allow(clippy::too_many_arguments, reason = "they have names in Python")]
pub(crate) fn write_sample_log(
    py: Python<'_>,
    path: PathBuf,
    choices: usize,
    people: usize,
    alternatives: usize,
    values: usize,
    hypotheses: usize,
    seed: u64,
) -> PyResult<Log> {
    let wrong = |words: &str| LogError::new_err(words.to_owned());
    if people == 0 || alternatives < 2 || values == 0 {
        return Err(wrong("a log needs a person, two alternatives and a value"));
    }
    let settings = match hypotheses {
        1 => LargeLog::one_hypothesis(),
        12 => LargeLog::twelve_hypotheses(),
        48 => Settings { slow_drift_weight: 0.1, bands: vec![0.3, 1.0], ..LargeLog::twelve_hypotheses() },
        _ => return Err(wrong("a sample log has 1, 12 or 48 hypotheses")),
    };
    let log = LargeLog { choices, people, alternatives, values, text: 0, settings, seed };
    py.detach(|| write(&log, &path)).map_err(|e| errors::log(&path, &e))?;
    Log::new(path)
}

fn write(log: &LargeLog, path: &Path) -> std::io::Result<()> {
    log.write(&mut BufWriter::new(File::create(path)?))
}

fn texts<'a>(rows: impl Iterator<Item = &'a str>) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(rows))
}

fn numbers(rows: impl Iterator<Item = f64>) -> ArrayRef {
    Arc::new(Float64Array::from_iter_values(rows))
}

fn counts(rows: impl Iterator<Item = u64>) -> ArrayRef {
    Arc::new(UInt64Array::from_iter_values(rows))
}
