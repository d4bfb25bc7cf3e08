//! Prior locations in the whole feature space: what the log says of the model's part, continued to all of it.

use crate::belief::{Location, LocationName, Priors};
use crate::layout::Layout;
use crate::number::Finite;
use crate::record::{AdapterPromoted, PriorElicited};

/// Prior variance of the centre of approval in verdicts and in ratings; not scaled by the signal.
pub(crate) const CONSTANT_VARIANCE: f64 = 1.0;

/// The zero location, the elicited one if the model's prior was read, and those of promoted generations.
///
/// A prior from no alternatives was not elicited from the model: it says what is typical and what is published. Its mean is then that of
/// the zero location: zero for every value, but not for the judgement of what nearly everybody would do, where acts are read.
pub fn priors(layout: &Layout, elicited: Option<&PriorElicited>, promoted: &[&AdapterPromoted]) -> Priors {
    let numbers = |v: &[Finite]| v.iter().map(|x| x.get()).collect::<Vec<f64>>();
    let reference: Vec<f64> = match elicited {
        Some(prior) => prior.reference_variance.iter().map(|v| v.get()).collect(),
        None => layout.default_reference_variance(),
    };
    let mean = match elicited.filter(|prior| prior.bank_size == 0) {
        Some(typical) => numbers(&typical.mean),
        None => vec![0.0; reference.len()],
    };
    let mut locations = vec![continued(layout, LocationName::Zero, mean, diagonal(&reference))];
    if let Some(prior) = elicited.filter(|prior| prior.bank_size > 0) {
        let (mean, covariance) = (numbers(&prior.mean), numbers(&prior.covariance));
        locations.push(continued(layout, LocationName::Elicited, mean, covariance));
    }
    if let Some(published) = elicited.and_then(|prior| prior.published.as_ref()) {
        let (mean, covariance) = (numbers(&published.mean), numbers(&published.covariance));
        locations.push(continued(layout, LocationName::Published, mean, covariance));
    }
    for promoted in promoted {
        let scale = promoted.variance_scale.get();
        let covariance = numbers(&promoted.prior.covariance).into_iter().map(|v| scale * v).collect();
        let name = LocationName::Generation(promoted.generation.0);
        locations.push(continued(layout, name, numbers(&promoted.prior.mean), covariance));
    }
    Priors { locations, lattices: Vec::new(), component_masses: Vec::new(), scaled: layout.scaled() }
}

/// Continues a mean with zeros, and a covariance (lower triangle by rows) with the variances of constants and attributes.
fn continued(layout: &Layout, name: LocationName, mut mean: Vec<f64>, mut covariance: Vec<f64>) -> Location {
    let attributes = layout.attributes().iter().map(|a| a.reference_variance.get());
    for variance in [CONSTANT_VARIANCE; 2].into_iter().chain(attributes) {
        covariance.resize(covariance.len() + mean.len(), 0.0);
        covariance.push(variance);
        mean.push(0.0);
    }
    Location { name, mean, covariance }
}

/// The lower triangle, by rows, of a diagonal matrix.
pub(crate) fn diagonal(variances: &[f64]) -> Vec<f64> {
    let rows = variances.iter().enumerate();
    rows.flat_map(|(i, variance)| std::iter::repeat_n(0.0, i).chain([*variance])).collect()
}
