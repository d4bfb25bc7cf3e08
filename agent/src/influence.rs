//! Which evidence moved a belief: leave-one-out influence on a linear functional of the weights.
//!
//! Every record is ranked fast, its site taken out under the whole mixture ([`Mixture::without_each`]); what is shown is
//! folded anew without the record ([`explained`]), which also says how far the fast ranking was from the truth.

use credence_memory::belief::{Functional, Mixture};
use credence_memory::ids::{PersonId, Seq};
use credence_memory::state::{State, StateError};

/// One record's influence.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Influence {
    /// The record.
    pub seq: Seq,
    /// Mean of the functional with the record minus without it.
    pub mean_change: f64,
    /// Probability that the functional is positive, with the record minus without it.
    pub positive_change: f64,
}

/// A record's influence as ranked and as folded anew.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Explained {
    /// By taking out its site.
    pub fast: Influence,
    /// Folded anew without it.
    pub exact: Influence,
}

/// How well the fast ranking did on the records that were folded anew.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RankingError {
    /// The largest difference between a fast change of the mean and the true one.
    pub largest: f64,
    /// Spearman's correlation of the sizes of fast and true changes; nothing with fewer than three records.
    pub rank_correlation: Option<f64>,
    /// How many of the ten most influential by the truth are among the fast ranking's ten; known only where everything was
    /// folded anew.
    pub of_ten: Option<usize>,
}

/// All evidence of a person that counts, by fast influence on the functional `direction`, the largest first.
///
/// # Errors
/// No belief can be formed of the person.
pub fn ranked(state: &State, person: &PersonId, direction: &[f64]) -> Result<Vec<Influence>, StateError> {
    if state.person(person).is_none() {
        return Ok(Vec::new());
    }
    Ok(ranked_each(state, person, &state.belief(person)?, &[direction]).pop().unwrap_or_default())
}

/// [`ranked`] for several functionals, under the person's belief as it was formed already.
pub(crate) fn ranked_each(
    state: &State,
    person: &PersonId,
    belief: &Mixture,
    directions: &[&[f64]],
) -> Vec<Vec<Influence>> {
    let Some(known) = state.person(person) else { return directions.iter().map(|_| Vec::new()).collect() };
    let of = |(direction, without): (&&[f64], Vec<Functional>)| {
        let whole = belief.functional(direction);
        let mut rows: Vec<Influence> =
            known.evidence().iter().zip(without).map(|(e, without)| change(e.seq, &whole, &without)).collect();
        rows.sort_by(|a, b| b.mean_change.abs().total_cmp(&a.mean_change.abs()).then(a.seq.cmp(&b.seq)));
        rows
    };
    directions.iter().zip(belief.without_each_of(directions)).map(of).collect()
}

fn change(seq: Seq, with: &Functional, without: &Functional) -> Influence {
    Influence {
        seq,
        mean_change: with.mean() - without.mean(),
        positive_change: with.probability_positive() - without.probability_positive(),
    }
}

/// The `top` most influential records of a [`ranked`] list folded anew without each, the truly largest first.
///
/// # Errors
/// Belief cannot be formed without one of them.
pub fn explained(
    state: &State,
    person: &PersonId,
    direction: &[f64],
    ranked: &[Influence],
    top: usize,
) -> Result<(Vec<Explained>, RankingError), StateError> {
    let mut rows = Vec::new();
    if let (Some(epoch), Some(known)) = (state.epoch(), state.person(person)) {
        let observations = known.observations(epoch, state.descriptions());
        let whole = state.belief(person)?.functional(direction);
        for fast in ranked.iter().take(top) {
            let kept = observations.iter().filter(|(seq, _)| *seq != fast.seq).map(|(seq, o)| (*seq, o));
            let without = epoch.fold(person, kept).map_err(|source| StateError::Belief { seq: fast.seq, source })?;
            let exact = change(fast.seq, &whole, &without.functional(direction));
            rows.push(Explained { fast: *fast, exact });
        }
    }
    let error = ranking_error(&rows, rows.len() == ranked.len());
    rows.sort_by(|a, b| {
        b.exact.mean_change.abs().total_cmp(&a.exact.mean_change.abs()).then(a.exact.seq.cmp(&b.exact.seq))
    });
    Ok((rows, error))
}

/// `rows` in the order of the fast ranking.
fn ranking_error(rows: &[Explained], complete: bool) -> RankingError {
    let largest = rows.iter().map(|r| (r.fast.mean_change - r.exact.mean_change).abs()).fold(0.0, f64::max);
    let places = |size: &dyn Fn(&Explained) -> f64| {
        let mut order: Vec<usize> = (0..rows.len()).collect();
        order.sort_by(|&a, &b| size(&rows[b]).total_cmp(&size(&rows[a])).then(a.cmp(&b)));
        order
    };
    let fast = places(&|r| r.fast.mean_change.abs());
    let exact = places(&|r| r.exact.mean_change.abs());
    let n = rows.len();
    let place_of = |order: &[usize], row: usize| order.iter().position(|r| *r == row).unwrap_or(n) as f64;
    let rank_correlation = (n >= 3).then(|| {
        let squares: f64 = (0..n).map(|row| (place_of(&fast, row) - place_of(&exact, row)).powi(2)).sum();
        let n = n as f64;
        1.0 - 6.0 * squares / (n * (n * n - 1.0))
    });
    let of_ten = complete.then(|| {
        let ten = n.min(10);
        exact[..ten].iter().filter(|row| fast[..ten].contains(row)).count()
    });
    RankingError { largest, rank_correlation, of_ten }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_of_a_ranking_is_that_of_its_places_and_sizes() {
        let influence = |mean_change: f64| Influence { seq: Seq(1), mean_change, positive_change: 0.0 };
        let row = |fast, exact| Explained { fast: influence(fast), exact: influence(exact) };
        let right = ranking_error(&[row(3.0, 3.1), row(-2.0, -2.0), row(1.0, 0.9)], true);
        assert!((right.largest - 0.1).abs() < 1e-12);
        assert_eq!((right.rank_correlation, right.of_ten), (Some(1.0), Some(3)));
        let reversed = ranking_error(&[row(3.0, 1.0), row(2.0, 2.0), row(1.0, -3.0)], false);
        assert_eq!((reversed.rank_correlation, reversed.of_ten), (Some(-1.0), None));
        assert_eq!(ranking_error(&[], true).rank_correlation, None);
    }
}
