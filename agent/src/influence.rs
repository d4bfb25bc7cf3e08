//! Which evidence moved a belief: leave-one-out influence on a linear functional of the weights.
//!
//! Ranked fast under the most probable hypothesis alone, a fold of one hypothesis for each record; what is shown is folded anew
//! under the whole mixture without the record ([`exact`]).

use std::sync::Arc;

use credence_memory::belief::{BeliefError, Mixture, Settings};
use credence_memory::ids::{PersonId, Seq};
use credence_memory::state::{Epoch, State};

/// One record's influence.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Influence {
    /// The record.
    pub seq: Seq,
    /// Mean of the functional with the record minus without it.
    pub mean_change: f64,
}

/// All evidence of a person that counts, by influence on the functional `direction`, the largest first.
pub fn ranked(state: &State, person: &PersonId, direction: &[f64]) -> Result<Vec<Influence>, BeliefError> {
    let (Some(epoch), Some(known)) = (state.epoch(), state.person(person)) else { return Ok(Vec::new()) };
    let observations = known.observations(epoch, state.descriptions());
    let belief = epoch.fold(observations.iter().map(|(seq, o)| (*seq, o)))?;
    let reduced = most_probable(&belief, epoch);
    let mean = |without: Option<Seq>| -> Result<f64, BeliefError> {
        let kept = observations.iter().filter(|(seq, _)| Some(*seq) != without).map(|(seq, o)| (*seq, o));
        Ok(reduced.fold(kept)?.functional(direction).mean())
    };
    let all = mean(None)?;
    let mut rows = observations
        .iter()
        .map(|(seq, _)| Ok(Influence { seq: *seq, mean_change: all - mean(Some(*seq))? }))
        .collect::<Result<Vec<_>, BeliefError>>()?;
    rows.sort_by(|a, b| b.mean_change.abs().total_cmp(&a.mean_change.abs()).then(a.seq.cmp(&b.seq)));
    Ok(rows)
}

/// A record's influence under the whole mixture, folded anew without it.
pub fn exact(state: &State, person: &PersonId, direction: &[f64], seq: Seq) -> Result<Influence, BeliefError> {
    let (Some(epoch), Some(known)) = (state.epoch(), state.person(person)) else {
        return Ok(Influence { seq, mean_change: 0.0 });
    };
    let observations = known.observations(epoch, state.descriptions());
    let kept = observations.iter().filter(|(s, _)| *s != seq).map(|(s, o)| (*s, o));
    let without = epoch.fold(kept)?.functional(direction).mean();
    let with = match known.belief() {
        Some(belief) => belief.functional(direction).mean(),
        None => epoch.fold(observations.iter().map(|(s, o)| (*s, o)))?.functional(direction).mean(),
    };
    Ok(Influence { seq, mean_change: with - without })
}

/// The epoch with the most probable hypothesis alone.
fn most_probable(belief: &Mixture, epoch: &Epoch) -> Epoch {
    let hypotheses = belief.hypotheses();
    let Some(best) = hypotheses.iter().max_by(|a, b| a.weight.total_cmp(&b.weight)) else {
        return epoch.clone();
    };
    let settings = Settings {
        signal_scales: vec![best.signal_scale],
        lapse_rates: vec![best.lapse_rate],
        bands: vec![best.band],
        slow_drift_weight: 0.0,
        ..(*epoch.settings).clone()
    };
    let mut priors = (*epoch.priors).clone();
    priors.locations.retain(|l| l.name == best.location);
    priors.lattices.retain(|l| l.name == best.location);
    Epoch { settings: Arc::new(settings), priors: Arc::new(priors), ..epoch.clone() }
}
