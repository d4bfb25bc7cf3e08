//! What is asked of a person, and what they can answer.

use credence_belief::{Channel, Observation, Places, Question as Inner, Strength};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::errors::{belief, wrong};

/// A question, as vectors of features. Make one with a class method.
#[pyclass(frozen, module = "credence")]
#[derive(Clone)]
pub(crate) struct Question {
    pub(crate) inner: Inner,
}

/// An outcome: by its place or by its name, or for orders by the alternatives named.
#[derive(FromPyObject)]
pub(crate) enum Outcome {
    #[pyo3(transparent)]
    Place(usize),
    #[pyo3(transparent)]
    Name(String),
    #[pyo3(transparent)]
    Order(Vec<usize>),
}

/// A key of repeats: bytes or text of any length.
#[derive(FromPyObject)]
pub(crate) enum Key<'py> {
    #[pyo3(transparent)]
    Text(String),
    #[pyo3(transparent)]
    Bytes(Bound<'py, PyBytes>),
}

const IMPORTANCE: [&str; 6] =
    ["slightly more", "clearly more", "strongly more", "slightly less", "clearly less", "strongly less"];
/// Orders listed, at most: as many as the engine lists.
const ORDERS_MAX: usize = 24;

fn key(given: Option<Key<'_>>) -> Option<[u8; 32]> {
    given.map(|key| match key {
        Key::Text(text) => hashed(text.as_bytes()),
        Key::Bytes(bytes) => hashed(bytes.as_bytes()),
    })
}

fn hashed(bytes: &[u8]) -> [u8; 32] {
    credence_memory::ids::Hash::of(bytes).0
}

fn errors(given: Option<Vec<f64>>, features: &[f64]) -> Vec<f64> {
    given.unwrap_or_else(|| vec![0.0; features.len()])
}

#[pymethods]
impl Question {
    /// Which of two? `difference` is the features of the first less those of the second.
    #[classmethod]
    #[pyo3(signature = (difference, *, indifference = true, error = None, misreading = 0.0, key = None))]
    fn choice(
        _class: &Bound<'_, pyo3::types::PyType>,
        difference: Vec<f64>,
        indifference: bool,
        error: Option<Vec<f64>>,
        misreading: f64,
        key: Option<Key<'_>>,
    ) -> Self {
        Self::comparison(difference, indifference, error, misreading, self::key(key), Channel::Choice)
    }

    /// Not this, rather that: what was preferred less what was rejected. Observe it as "first".
    #[classmethod]
    #[pyo3(signature = (difference, *, error = None, misreading = 0.0))]
    fn correction(
        _class: &Bound<'_, pyo3::types::PyType>,
        difference: Vec<f64>,
        error: Option<Vec<f64>>,
        misreading: f64,
    ) -> Self {
        Self::comparison(difference, false, error, misreading, None, Channel::Correction)
    }

    /// What a person was seen to do, less what they could have done. Observe it as "first".
    #[classmethod]
    #[pyo3(signature = (difference, *, error = None, misreading = 0.0))]
    fn demonstration(
        _class: &Bound<'_, pyo3::types::PyType>,
        difference: Vec<f64>,
        error: Option<Vec<f64>>,
        misreading: f64,
    ) -> Self {
        Self::comparison(difference, false, error, misreading, None, Channel::Demonstration)
    }

    /// How good, on so many levels? Three levels are a verdict: disagree, pass, agree.
    #[classmethod]
    #[pyo3(signature = (features, *, levels = 6, error = None, misreading = 0.0, key = None))]
    fn rating(
        _class: &Bound<'_, pyo3::types::PyType>,
        features: Vec<f64>,
        levels: usize,
        error: Option<Vec<f64>>,
        misreading: f64,
        key: Option<Key<'_>>,
    ) -> Self {
        let error = errors(error, &features);
        Self { inner: Inner::Graded { features, error, levels, misreading, question: self::key(key) } }
    }

    /// The best so many of several alternatives, best first; 1 is a choice, all is a ranking.
    #[classmethod]
    #[pyo3(signature = (features, *, places = 1, error = None))]
    fn best_of(
        _class: &Bound<'_, pyo3::types::PyType>,
        features: Vec<Vec<f64>>,
        places: usize,
        error: Option<Vec<Vec<f64>>>,
    ) -> Self {
        Self::ranking(features, error, Places::First(places))
    }

    /// The best and the worst of three to five alternatives.
    #[classmethod]
    #[pyo3(signature = (features, *, error = None))]
    fn best_and_worst(
        _class: &Bound<'_, pyo3::types::PyType>,
        features: Vec<Vec<f64>>,
        error: Option<Vec<Vec<f64>>>,
    ) -> Self {
        Self::ranking(features, error, Places::BestAndWorst)
    }

    /// How much more does one value matter than another? `direction` is the one less the other.
    #[classmethod]
    #[pyo3(signature = (direction, *, misreading = 0.0))]
    fn importance(_class: &Bound<'_, pyo3::types::PyType>, direction: Vec<f64>, misreading: f64) -> Self {
        Self { inner: Inner::Importance { direction, misreading } }
    }

    /// Whether a person says that a contrast of values is at least so large: "slight", "clear" or "strong".
    #[classmethod]
    #[pyo3(signature = (direction, *, strength = "clear", misreading = 0.0))]
    fn statement(
        _class: &Bound<'_, pyo3::types::PyType>,
        direction: Vec<f64>,
        strength: &str,
        misreading: f64,
    ) -> PyResult<Self> {
        let strength = match strength {
            "slight" => Strength::Slight,
            "clear" => Strength::Clear,
            "strong" => Strength::Strong,
            other => return Err(wrong(format!("expected slight, clear or strong, found {other:?}"))),
        };
        Ok(Self { inner: Inner::Statement { direction, strength, misreading } })
    }

    /// Names of the outcomes, in the order of predictions; for orders, the alternatives named. At most 24 orders are listed.
    #[getter]
    fn outcomes(&self) -> PyResult<Vec<String>> {
        self.listed()?;
        let names = |names: &[&str]| names.iter().map(ToString::to_string).collect();
        Ok(match &self.inner {
            Inner::Comparison { .. } => names(&["first", "second", "neither"][..self.inner.outcome_count()]),
            Inner::Importance { .. } => names(&IMPORTANCE),
            Inner::Statement { .. } => names(&["affirmed", "not affirmed"]),
            Inner::Graded { levels: 3, .. } => names(&["disagree", "pass", "agree"]),
            Inner::Graded { levels, .. } => (1..=*levels).map(|level| format!("{level}/{levels}")).collect(),
            Inner::Ranking { .. } => {
                (0..self.inner.outcome_count()).filter_map(|i| self.inner.answer(i).outcome.order().map(said)).collect()
            }
        })
    }

    fn __len__(&self) -> usize {
        self.inner.outcome_count()
    }

    fn __repr__(&self) -> String {
        let kind = match &self.inner {
            Inner::Comparison { channel: Channel::Choice, .. } => "choice",
            Inner::Comparison { channel: Channel::Correction, .. } => "correction",
            Inner::Comparison { channel: Channel::Demonstration, .. } => "demonstration",
            Inner::Graded { .. } => "rating",
            Inner::Ranking { places: Places::BestAndWorst, .. } => "best_and_worst",
            Inner::Ranking { .. } => "best_of",
            Inner::Importance { .. } => "importance",
            Inner::Statement { .. } => "statement",
        };
        format!("Question.{kind}(<{} outcomes>)", self.inner.outcome_count())
    }
}

fn said(order: &[usize]) -> String {
    order.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

impl Question {
    fn comparison(
        difference: Vec<f64>,
        indifference_offered: bool,
        error: Option<Vec<f64>>,
        misreading: f64,
        question: Option<[u8; 32]>,
        channel: Channel,
    ) -> Self {
        let error = errors(error, &difference);
        Self { inner: Inner::Comparison { difference, error, indifference_offered, channel, misreading, question } }
    }

    fn ranking(features: Vec<Vec<f64>>, error: Option<Vec<Vec<f64>>>, places: Places) -> Self {
        let error = error.unwrap_or_else(|| features.iter().map(|phi| vec![0.0; phi.len()]).collect());
        Self { inner: Inner::Ranking { features, error, places, channel: Channel::Choice } }
    }

    /// That its outcomes can be listed, which is what predictions and gains are over. What no belief can be asked has none.
    pub(crate) fn listed(&self) -> PyResult<()> {
        let dimension = match &self.inner {
            Inner::Comparison { difference: vector, .. }
            | Inner::Importance { direction: vector, .. }
            | Inner::Statement { direction: vector, .. }
            | Inner::Graded { features: vector, .. } => vector.len(),
            Inner::Ranking { features, .. } => features.first().map_or(0, Vec::len),
        };
        self.inner.check(dimension).map_err(belief)?;
        match (&self.inner, self.inner.outcome_count()) {
            (Inner::Ranking { .. }, count) if count > ORDERS_MAX => {
                Err(wrong(format!("{count} orders are too many to list: ask for fewer places")))
            }
            _ => Ok(()),
        }
    }

    /// What an answer makes of it.
    pub(crate) fn answered(&self, outcome: Outcome) -> PyResult<Observation> {
        let count = self.inner.outcome_count();
        let place = match outcome {
            Outcome::Order(named) => return self.ordered(named),
            Outcome::Place(place) if place < count => place,
            Outcome::Place(place) => return Err(wrong(format!("there is no outcome {place}: there are {count}"))),
            Outcome::Name(name) => {
                let names = self.outcomes()?;
                let found = names.iter().position(|n| *n == name);
                found.ok_or_else(|| wrong(format!("{name:?} is none of the outcomes {}", names.join(", "))))?
            }
        };
        self.listed()?;
        Ok(self.inner.answer(place))
    }

    fn ordered(&self, order: Vec<usize>) -> PyResult<Observation> {
        match &self.inner {
            Inner::Ranking { .. } => Ok(self.inner.clone().answered(order)),
            _ => Err(wrong("an order answers best_of and best_and_worst only")),
        }
    }
}
