//! Whether a judgement hangs on the wording: the same situation, framed in other words that add nothing.

use credence_memory::belief::assess_read;
use credence_memory::ids::{AlternativeId, PersonId};
use credence_memory::state::State;

use crate::bars::Bars;
use crate::error::SessionError;
use crate::knowledge::Knowledge;

/// What may be put before a situation without changing it.
const FRAMINGS: [&str; 2] = ["This is how things stand.", "Think of the following."];

/// The situation in other words, with nothing added and nothing left out.
pub fn reworded(situation: &str) -> Vec<String> {
    FRAMINGS.iter().map(|framing| format!("{framing} {}", situation.trim()).trim().to_owned()).collect()
}

/// What other wordings do to the difference of two alternatives.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reworded {
    /// How far it moves at most, noise units.
    pub moved: f64,
    /// Whether under one of them the other alternative is better.
    pub turned: bool,
    /// The most that acting on the judgement is expected to be regretted under one of them, noise units.
    pub regret: f64,
}

impl Reworded {
    /// Of the difference as given, and those under other wordings with the regret expected there.
    pub fn of(as_given: f64, others: impl IntoIterator<Item = (f64, f64)>) -> Self {
        let start = Self { moved: 0.0, turned: false, regret: 0.0 };
        others.into_iter().fold(start, |so_far, (other, regret)| Self {
            moved: so_far.moved.max((other - as_given).abs()),
            turned: so_far.turned || (other > 0.0) != (as_given > 0.0),
            regret: so_far.regret.max(regret),
        })
    }

    /// Whether the judgement hangs on the wording: it turns, or it moves by more than the bar to where it would not be acted on. A large
    /// difference may move far and still be large.
    pub fn is_too_far(&self, bars: Bars) -> bool {
        self.turned || (self.moved > bars.wording_max && self.regret > bars.regret_max)
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
    let judged = |pair: &[AlternativeId; 2]| -> Result<(f64, f64), SessionError> {
        let features = [state.vector(&pair[0])?, state.vector(&pair[1])?];
        let errors = [state.reading_error(&pair[0])?, state.reading_error(&pair[1])?];
        let assessed = assess_read(&belief, &features, &errors).map_err(SessionError::Belief)?;
        Ok((assessed.expected_utility[0] - assessed.expected_utility[1], assessed.expected_regret))
    };
    let others = reworded.iter().map(judged).collect::<Result<Vec<_>, _>>()?;
    Ok(Reworded::of(judged(&pair)?.0, others))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_judgement_hangs_on_the_wording_if_it_moves_far_or_turns() {
        let bars = Bars { wording_max: 0.5, ..Bars::default() };
        for (as_given, others, expected) in
            [(1.0, [0.9, 1.2], false), (1.0, [1.0, 1.6], true), (0.1, [0.2, -0.05], true), (-0.1, [-0.2, -0.4], false)]
        {
            let unsure = others.map(|other| (other, 0.2));
            assert_eq!(Reworded::of(as_given, unsure).is_too_far(bars), expected, "{as_given} {others:?}");
        }
        assert!(!Reworded::of(4.0, [(2.5, 0.01)]).is_too_far(bars), "it would be acted on in those words too");
        assert!(Reworded::of(4.0, [(-0.1, 0.01)]).is_too_far(bars), "turned");
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
