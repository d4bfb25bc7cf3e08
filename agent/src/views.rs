//! What belief looks like to a person: values with intervals, what moved, how consistent they are.

use credence_memory::belief::{
    Functional, LocationName, Mixture, Question, consistency as same_answer_again, rough_consistency,
};
use credence_memory::ids::PersonId;
use credence_memory::layout::Layout;
use credence_memory::observation::contrast;
use credence_memory::state::{State, StateError};

use crate::knowledge::Knowledge;
use crate::names::{WORDING, feature};
use crate::protocol::{Contribution, PersonView, ValueChange, ValueView, ValuesView};

/// The level of every interval shown.
pub const LEVEL: f64 = 0.9;

/// Values that `what moved` names, at most.
const CHANGES_MAX: usize = 5;

/// The schema's values as believed of a person, beside the belief before their first evidence.
///
/// Every value is shown relative to the person's own average: its weight less the mean weight of the schema's values, in
/// reference standard deviations of a weight, which the log fixes (docs/belief.md, section 8).
///
/// # Errors
/// No belief can be formed of the person.
pub fn values(state: &State, person: &PersonId, name: impl Fn(&str) -> String) -> Result<ValuesView, StateError> {
    let Some(epoch) = state.epoch() else { return Ok(ValuesView::default()) };
    Ok(values_of(&epoch.layout, &state.belief(person)?, &state.prior_belief(person)?, name))
}

/// Every value of a schema less the mean of all under one belief, in the unit of [`values`]: mean, 90% interval, and the
/// probability that it is above zero.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Contrasts(Vec<[f64; 4]>);

impl Contrasts {
    /// Under this belief.
    pub fn of(layout: &Layout, belief: &Mixture) -> Self {
        Self::by(layout, belief, |axes| belief.marginals(axes), |f| f.interval(LEVEL))
    }

    /// The same without the skew that answers leave, which takes most of the time, and to fewer digits.
    pub fn roughly(layout: &Layout, belief: &Mixture) -> Self {
        Self::by(
            layout,
            belief,
            |axes| axes.iter().map(|axis| belief.functional(axis)).collect(),
            |f| f.interval_roughly(LEVEL),
        )
    }

    fn by(
        layout: &Layout,
        belief: &Mixture,
        marginals: impl Fn(&[Vec<f64>]) -> Vec<Functional>,
        interval: impl Fn(&Functional) -> (f64, f64),
    ) -> Self {
        let axis = |i| {
            let mut axis = contrast(layout, i, None);
            axis.truncate(belief.dimension());
            axis
        };
        let axes: Vec<Vec<f64>> = (0..layout.values().len()).map(axis).collect();
        let span = |f: &Functional| {
            let (low, high) = interval(f);
            [f.mean(), low, high, f.probability_positive()]
        };
        Self(marginals(&axes).iter().map(span).collect())
    }
}

/// The schema's values under one belief, beside another from before; in the unit of [`values`].
pub fn values_of(layout: &Layout, now: &Mixture, before: &Mixture, name: impl Fn(&str) -> String) -> ValuesView {
    values_beside(layout, now, Contrasts::of(layout, now), &Contrasts::of(layout, before), name)
}

/// As [`values_of`], from what was worked out before.
pub fn values_beside(
    layout: &Layout,
    now: &Mixture,
    contrasts: Contrasts,
    before: &Contrasts,
    name: impl Fn(&str) -> String,
) -> ValuesView {
    let mut values: Vec<ValueView> = layout
        .values()
        .iter()
        .zip(contrasts.0.into_iter().zip(&before.0))
        .map(|(id, ([mean, low, high, probability_above], [prior_mean, prior_low, prior_high, _]))| ValueView {
            id: id.to_string(),
            name: name(id.as_str()),
            mean,
            low,
            high,
            prior_mean: *prior_mean,
            prior_low: *prior_low,
            prior_high: *prior_high,
            probability_above,
            rank: 0,
            sure: low > 0.0 || high < 0.0,
        })
        .collect();
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[b].mean.total_cmp(&values[a].mean).then(a.cmp(&b)));
    for (rank, at) in order.into_iter().enumerate() {
        values[at].rank = rank + 1;
    }
    let statements = now.statement_count();
    ValuesView { values, answers: now.record_count().saturating_sub(statements), statements }
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
///
/// # Errors
/// As [`values`].
pub fn person(state: &State, person: &PersonId) -> Result<PersonView, StateError> {
    Ok(person_of(state, &state.belief(person)?))
}

/// The same, consistency under a few hypotheses that stand for all.
///
/// # Errors
/// As [`values`].
pub fn person_roughly(state: &State, person: &PersonId) -> Result<PersonView, StateError> {
    let belief = state.belief(person)?;
    Ok(with_consistency(&belief, consistency(state, |typical| rough_consistency(&belief, typical, ROUGHLY))))
}

/// A person beyond the values, under one belief.
pub fn person_of(state: &State, belief: &Mixture) -> PersonView {
    with_consistency(belief, consistency(state, |typical| same_answer_again(belief, typical)))
}

fn with_consistency(belief: &Mixture, consistency: Option<f64>) -> PersonView {
    PersonView {
        consistency,
        low_signal: belief.low_signal_mass(),
        lapse_rate: belief.lapse_rates().iter().map(|(rate, mass)| rate * mass).sum(),
        // The sum of no numbers is -0.
        trust_in_model: belief.model_mass() + 0.0,
        from_documents: belief.locations().iter().find(|(l, _)| *l == LocationName::Library).map(|(_, mass)| *mass),
    }
}

/// How many typical questions consistency is averaged over.
const TYPICAL_PAIRS: usize = 12;
/// Hypotheses that stand for all where consistency is told roughly.
const ROUGHLY: usize = 8;

/// Predicted probability of the same answer again to a typical question, if there is one; docs/belief.md, section 8.
fn consistency(state: &State, again: impl Fn(&[Question]) -> f64) -> Option<f64> {
    let typical: Vec<Question> =
        state.typical_pairs(TYPICAL_PAIRS).into_iter().map(|difference| Question::choice(difference, true)).collect();
    Some(again(&typical)).filter(|p| p.is_finite())
}

/// What speaks for the first of two alternatives and what for the second, in words, the largest part first; parts that are zero
/// are left out. Each value and each declared attribute has its own; what the words of an alternative tell is one part.
pub fn contributions(
    state: &State,
    belief: &Mixture,
    difference: &[f64],
    name: impl Fn(&str) -> String,
) -> Vec<Contribution> {
    let Some(epoch) = state.epoch() else { return Vec::new() };
    let layout = &epoch.layout;
    let (values, text) = (layout.values().len(), layout.text());
    let wording = (text > 0).then(|| values..values + text);
    let alone = (0..belief.dimension()).filter(|i| !wording.as_ref().is_some_and(|block| block.contains(i)));
    let features = layout.features();
    let blocks =
        alone.map(|i| (feature(&features[i], &name), i..i + 1)).chain(wording.clone().map(|b| (WORDING.to_owned(), b)));
    let mut rows: Vec<Contribution> = blocks
        .map(|(name, block)| (name, belief.parts_together(difference, block)))
        .filter(|(_, part)| part.mean() != 0.0 || part.sd() != 0.0)
        .map(|(name, part)| Contribution { name, contribution: part.mean(), sd: part.sd() })
        .collect();
    let size = |c: &Contribution| c.contribution.abs() + c.sd;
    rows.sort_by(|a, b| size(b).total_cmp(&size(a)));
    rows
}
