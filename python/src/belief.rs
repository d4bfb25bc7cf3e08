//! Belief about one person's weights.

use credence_belief::simulate::flat_priors;
use credence_belief::{
    Functional, Location, LocationName, Mixture, Priors, Question as Inner, Settings, Surprise as Expected,
    expected_information_gain,
};
use pyo3::prelude::*;

use crate::errors::{belief, wrong};
use crate::question::{Outcome, Question};

/// What was expected of an answer before it came.
#[pyclass(frozen, get_all, module = "credence")]
pub(crate) struct Surprise {
    /// `ln p` of the answer, in nats.
    ln_predictive: f64,
    /// Probabilities of all outcomes; empty where they are too many to list.
    probabilities: Vec<f64>,
    /// Which of them was seen; nothing where they are not listed.
    outcome: Option<usize>,
}

#[pymethods]
impl Surprise {
    fn __repr__(&self) -> String {
        format!("Surprise(ln_predictive={:.4})", self.ln_predictive)
    }
}

impl From<Expected> for Surprise {
    fn from(Expected { ln_predictive, probabilities, outcome }: Expected) -> Self {
        Self { ln_predictive, probabilities, outcome }
    }
}

/// The distribution of a weighted sum of the weights, in noise units.
#[pyclass(frozen, module = "credence")]
pub(crate) struct Marginal {
    inner: Functional,
}

#[pymethods]
impl Marginal {
    /// The mean.
    #[getter]
    fn mean(&self) -> f64 {
        self.inner.mean()
    }

    /// The standard deviation.
    #[getter]
    fn sd(&self) -> f64 {
        self.inner.sd()
    }

    /// The probability that it is above zero.
    #[getter]
    fn probability_positive(&self) -> f64 {
        self.inner.probability_positive()
    }

    /// The central interval that holds `level` of the mass, `level` in (0, 1).
    #[pyo3(signature = (level = 0.9))]
    fn interval(&self, level: f64) -> PyResult<(f64, f64)> {
        within(level, "an interval's level")?;
        Ok(self.inner.interval(level))
    }

    /// Where a share `p` of the mass lies below, `p` in (0, 1).
    fn quantile(&self, p: f64) -> PyResult<f64> {
        within(p, "a quantile's p")?;
        Ok(self.inner.quantile(p))
    }

    /// `P(sum <= x)`.
    fn cdf(&self, x: f64) -> f64 {
        self.inner.cdf(x)
    }

    fn __repr__(&self) -> String {
        let (low, high) = self.inner.interval(0.9);
        format!("Marginal(mean={:.3}, 90% [{low:.3}, {high:.3}])", self.inner.mean())
    }
}

fn within(p: f64, what: &str) -> PyResult<()> {
    if p > 0.0 && p < 1.0 { Ok(()) } else { Err(wrong(format!("{what} must lie between 0 and 1, found {p}"))) }
}

/// Belief about one person's weights: a mixture over how noisy answers are, how often they slip, and priors.
#[pyclass(module = "credence")]
#[derive(Clone)]
pub(crate) struct Belief {
    inner: Mixture,
}

#[pymethods]
impl Belief {
    /// A belief before any evidence.
    ///
    /// With `weights` alone, the flat prior of that many weights. `mean` and `covariance` state a prior of your own, at signal
    /// scale 1. `settings` are the engine's (docs/belief.md); what is left out is as in `Settings::default()`.
    #[new]
    #[pyo3(signature = (weights = None, *, mean = None, covariance = None, settings = None))]
    fn new(
        weights: Option<usize>,
        mean: Option<Vec<f64>>,
        covariance: Option<Vec<Vec<f64>>>,
        settings: Option<&str>,
    ) -> PyResult<Self> {
        let settings: Settings = match settings {
            Some(json) => serde_json::from_str(json).map_err(|e| wrong(format!("settings: {e}")))?,
            None => Settings::default(),
        };
        let priors = match (weights, mean, covariance) {
            (Some(weights), None, None) if weights > 0 => flat_priors(weights),
            (weights, Some(mean), Some(covariance)) => {
                if weights.is_some_and(|n| n != mean.len()) {
                    return Err(wrong("weights and the length of mean differ"));
                }
                stated(mean, &covariance)?
            }
            _ => return Err(wrong("a belief needs a number of weights, or a mean with a covariance")),
        };
        Ok(Self { inner: Mixture::new(&settings, &priors).map_err(belief)? })
    }

    /// Takes in an answer and says what had been expected of it. `outcome` is a place or name from `question.outcomes`; for
    /// `best_of` and `best_and_worst` it may be the order itself.
    fn observe(&mut self, py: Python<'_>, question: &Question, outcome: Outcome) -> PyResult<Surprise> {
        self.check(&question.inner)?;
        let observation = question.answered(outcome)?;
        let inner = &mut self.inner;
        py.detach(|| inner.observe(&observation)).map(Surprise::from).map_err(belief)
    }

    /// The probability of each outcome, in the order of `question.outcomes`.
    fn predict(&self, py: Python<'_>, question: &Question) -> PyResult<Vec<f64>> {
        self.check(&question.inner)?;
        question.listed()?;
        Ok(py.detach(|| self.inner.predict(&question.inner)))
    }

    /// How much each question is expected to tell: nats, between 0 and `ln` of the number of its outcomes.
    fn expected_information_gain(&self, py: Python<'_>, questions: Vec<Py<Question>>) -> PyResult<Vec<f64>> {
        let mut asked = Vec::with_capacity(questions.len());
        for question in questions.iter().map(Py::get) {
            self.check(&question.inner)?;
            question.listed()?;
            asked.push(question.inner.clone());
        }
        Ok(py.detach(|| expected_information_gain(&self.inner, &asked)))
    }

    /// The distribution of `a . w`, the sum of the weights times the entries of `a`.
    fn contrast(&self, a: Vec<f64>) -> PyResult<Marginal> {
        if a.len() != self.inner.dimension() {
            let (expected, found) = (self.inner.dimension(), a.len());
            return Err(belief(credence_belief::BeliefError::Dimension { expected, found }));
        }
        if a.iter().any(|x| !x.is_finite()) {
            return Err(belief(credence_belief::BeliefError::Number { what: "a contrast" }));
        }
        Ok(Marginal { inner: self.inner.functional(&a) })
    }

    /// The distribution of one weight.
    fn weight(&self, index: usize) -> PyResult<Marginal> {
        if index >= self.inner.dimension() {
            return Err(pyo3::exceptions::PyIndexError::new_err(format!(
                "there is no weight {index}: there are {}",
                self.inner.dimension()
            )));
        }
        Ok(Marginal { inner: self.inner.weight(index) })
    }

    /// Mean of all weights.
    #[getter]
    fn mean(&self) -> Vec<f64> {
        self.inner.mean()
    }

    /// Number of weights.
    #[getter]
    fn dimension(&self) -> usize {
        self.inner.dimension()
    }

    /// Answers and statements taken in.
    #[getter]
    fn records(&self) -> usize {
        self.inner.record_count()
    }

    /// `ln p` of all evidence so far, in nats.
    #[getter]
    fn log_marginal_likelihood(&self) -> f64 {
        self.inner.log_marginal_likelihood()
    }

    /// Mass of each signal scale.
    #[getter]
    fn signal_scales(&self) -> Vec<(f64, f64)> {
        self.inner.signal_scales()
    }

    /// Mass of each lapse rate.
    #[getter]
    fn lapse_rates(&self) -> Vec<(f64, f64)> {
        self.inner.lapse_rates()
    }

    /// The settings, as JSON.
    #[getter]
    fn settings(&self) -> PyResult<String> {
        serde_json::to_string(self.inner.settings()).map_err(|e| wrong(e.to_string()))
    }

    /// BLAKE3 over the bits of the belief, in hexadecimal: equal digests, equal beliefs.
    #[getter]
    fn digest(&self) -> String {
        credence_memory::ids::Hash(self.inner.digest()).to_string()
    }

    /// A belief of its own that begins as this one stands.
    fn copy(&self) -> Self {
        self.clone()
    }

    fn __copy__(&self) -> Self {
        self.clone()
    }

    fn __deepcopy__(&self, _memo: &Bound<'_, PyAny>) -> Self {
        self.clone()
    }

    fn __repr__(&self) -> String {
        format!("Belief({} weights, {} records)", self.inner.dimension(), self.inner.record_count())
    }
}

impl Belief {
    fn check(&self, question: &Inner) -> PyResult<()> {
        question.check(self.inner.width()).map_err(belief)
    }
}

/// A prior of the caller's own, all weights under the signal scale.
fn stated(mean: Vec<f64>, covariance: &[Vec<f64>]) -> PyResult<Priors> {
    let n = mean.len();
    if covariance.len() != n || covariance.iter().any(|row| row.len() != n) {
        return Err(wrong(format!("the covariance of {n} weights has {n} rows of {n} entries")));
    }
    let symmetric = (0..n).all(|i| (0..i).all(|j| covariance[i][j] == covariance[j][i]));
    if !symmetric {
        return Err(wrong("the covariance is not symmetric"));
    }
    let covariance = (0..n).flat_map(|i| covariance[i][..=i].to_vec()).collect();
    Ok(Priors {
        locations: vec![Location { name: LocationName::Zero, mean, covariance }],
        scaled: vec![true; n],
        lattices: Vec::new(),
        component_masses: Vec::new(),
    })
}

impl From<Mixture> for Belief {
    fn from(inner: Mixture) -> Self {
        Self { inner }
    }
}
