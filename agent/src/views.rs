//! What belief looks like to a person: values with intervals, what moved, how consistent they are.

use credence_memory::belief::consistency as same_answer_again;
use credence_memory::belief::{Mixture, Question};
use credence_memory::ids::{PersonId, ValueId};
use credence_memory::state::{State, StateError};

use crate::knowledge::Knowledge;
use crate::protocol::{Contribution, PersonView, ValueChange, ValueView, ValuesView};

/// The level of every interval shown.
pub const LEVEL: f64 = 0.9;

/// Values that `what moved` names, at most.
const CHANGES_MAX: usize = 5;

/// The schema's values as believed of a person, beside the belief before their first evidence.
///
/// Weights are shown in units of the person's typical weight (the root mean square over the schema's values, under the same
/// belief): a decided person's weights are larger in noise units, and what a reader wants to compare is one value with another.
pub fn values(state: &State, person: &PersonId, name: impl Fn(&str) -> String) -> Result<ValuesView, StateError> {
    let schema = state.epoch().map(|e| e.layout.values().to_vec()).unwrap_or_default();
    Ok(values_of(&state.belief(person)?, &state.prior_belief(person)?, &schema, name))
}

/// The schema's values under one belief, beside another from before; in the units of [`values`].
pub fn values_of(now: &Mixture, before: &Mixture, schema: &[ValueId], name: impl Fn(&str) -> String) -> ValuesView {
    let (unit_now, unit_before) = (typical_weight(now, schema.len()), typical_weight(before, schema.len()));
    let axes: Vec<Vec<f64>> =
        (0..schema.len()).map(|i| (0..now.dimension()).map(|j| f64::from(u8::from(i == j))).collect()).collect();
    let values = schema
        .iter()
        .zip(now.marginals(&axes).into_iter().zip(before.marginals(&axes)))
        .map(|(id, (posterior, prior))| {
            let ((low, high), (prior_low, prior_high)) = (posterior.interval(LEVEL), prior.interval(LEVEL));
            ValueView {
                id: id.to_string(),
                name: name(id.as_str()),
                mean: posterior.mean() / unit_now,
                low: low / unit_now,
                high: high / unit_now,
                prior_mean: prior.mean() / unit_before,
                prior_low: prior_low / unit_before,
                prior_high: prior_high / unit_before,
                probability_positive: posterior.probability_positive(),
            }
        })
        .collect();
    ValuesView { values, answers: now.record_count() }
}

/// Root mean square of the first `values` weights under a belief, in noise units.
fn typical_weight(belief: &Mixture, values: usize) -> f64 {
    let squares = (0..values).map(|i| {
        let weight = belief.weight(i);
        weight.mean() * weight.mean() + weight.variance()
    });
    (squares.sum::<f64>() / values.max(1) as f64).sqrt().max(f64::MIN_POSITIVE)
}

/// How the values moved most, the largest first; movement is measured in the earlier interval's half width, so that a small
/// step of a sure value counts as much as a large one of an unsure value.
pub fn changes(before: &ValuesView, after: &ValuesView) -> Vec<ValueChange> {
    let mut rows: Vec<(f64, ValueChange)> = before
        .values
        .iter()
        .zip(&after.values)
        .map(|(b, a)| {
            let half_width = ((b.high - b.low) / 2.0).max(1e-12);
            let change = ValueChange {
                id: a.id.clone(),
                name: a.name.clone(),
                mean_change: a.mean - b.mean,
                width_change: (a.high - a.low) - (b.high - b.low),
            };
            (change.mean_change.abs() / half_width, change)
        })
        .collect();
    rows.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    rows.into_iter().map(|(_, change)| change).take(CHANGES_MAX).collect()
}

/// The person beyond the values.
pub fn person(state: &State, person: &PersonId) -> Result<PersonView, StateError> {
    Ok(person_of(state, &state.belief(person)?))
}

/// A person beyond the values, under one belief.
pub fn person_of(state: &State, belief: &Mixture) -> PersonView {
    PersonView {
        consistency: consistency(state, belief),
        low_signal: belief.low_signal_mass(),
        lapse_rate: belief.lapse_rates().iter().map(|(rate, mass)| rate * mass).sum(),
        // The sum of no numbers is -0.
        trust_in_model: belief.model_mass() + 0.0,
    }
}

/// How many typical questions consistency is averaged over.
const TYPICAL_PAIRS: usize = 12;

/// Predicted probability of the same answer again to a typical question; docs/belief.md, section 8.
fn consistency(state: &State, belief: &Mixture) -> f64 {
    let typical: Vec<Question> =
        state.typical_pairs(TYPICAL_PAIRS).into_iter().map(|difference| Question::choice(difference, true)).collect();
    same_answer_again(belief, &typical)
}

/// Each feature's part in a utility difference, the largest first; parts that are zero are left out.
pub fn contributions(
    state: &State,
    belief: &Mixture,
    difference: &[f64],
    name: impl Fn(&str) -> String,
) -> Vec<Contribution> {
    let parts = (0..belief.dimension()).map(|i| (i, belief.part(difference, i)));
    let mut rows: Vec<Contribution> = parts
        .filter(|(_, part)| part.mean() != 0.0 || part.sd() != 0.0)
        .map(|(i, part)| Contribution { name: name(&state.feature_name(i)), contribution: part.mean(), sd: part.sd() })
        .collect();
    let size = |c: &Contribution| c.contribution.abs() + c.sd;
    rows.sort_by(|a, b| size(b).total_cmp(&size(a)));
    rows
}
