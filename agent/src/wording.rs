//! Whether a judgement hangs on the wording: the same situation, framed in other words that add nothing.

use credence_memory::ids::{AlternativeId, PersonId};
use credence_memory::state::State;

use crate::knowledge::Knowledge;
use crate::session::SessionError;

/// What may be put before a situation without changing it.
const FRAMINGS: [&str; 2] = ["This is how things stand.", "Think of the following."];

/// The situation in other words, with nothing added and nothing left out.
pub fn reworded(situation: &str) -> Vec<String> {
    FRAMINGS.iter().map(|framing| format!("{framing} {}", situation.trim()).trim().to_owned()).collect()
}

/// What other wordings do to the difference of two alternatives.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Reworded {
    /// How far it moves at most, noise units.
    pub moved: f64,
    /// Whether under one of them the other alternative is better.
    pub turned: bool,
}

impl Reworded {
    /// Of the difference as given, and those under other wordings.
    pub fn of(as_given: f64, others: impl IntoIterator<Item = f64>) -> Self {
        others.into_iter().fold(Self::default(), |so_far, other| Self {
            moved: so_far.moved.max((other - as_given).abs()),
            turned: so_far.turned || (other > 0.0) != (as_given > 0.0),
        })
    }

    /// Whether the judgement hangs on the wording: it moves by more than the bar, or turns.
    pub fn is_too_far(&self, wording_max: f64) -> bool {
        self.moved > wording_max || self.turned
    }
}

/// What the other wordings do to the expected utility difference of two alternatives.
///
/// # Errors
/// Something that the log does not describe.
pub fn moved(
    state: &State,
    person: &PersonId,
    pair: [AlternativeId; 2],
    reworded: &[[AlternativeId; 2]],
) -> Result<Reworded, SessionError> {
    let belief = state.belief(person)?;
    let mean = |pair: &[AlternativeId; 2]| -> Result<f64, SessionError> {
        Ok(belief.functional(&state.difference(&pair[0], &pair[1])?).mean())
    };
    let others = reworded.iter().map(mean).collect::<Result<Vec<f64>, _>>()?;
    Ok(Reworded::of(mean(&pair)?, others))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_judgement_hangs_on_the_wording_if_it_moves_far_or_turns() {
        for (as_given, others, expected) in
            [(1.0, [0.9, 1.2], false), (1.0, [1.0, 1.6], true), (0.1, [0.2, -0.05], true), (-0.1, [-0.2, -0.4], false)]
        {
            assert_eq!(Reworded::of(as_given, others).is_too_far(0.5), expected, "{as_given} {others:?}");
        }
    }

    #[test]
    fn a_framing_keeps_every_word() {
        for situation in ["", "The kettle leaks. It is new."] {
            for other in reworded(situation) {
                assert!(other.ends_with(situation) && other != situation, "{other}");
            }
        }
    }
}
