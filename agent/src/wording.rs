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

/// How far the expected utility difference of two alternatives moves, at most, when the same two are read under other wordings; noise
/// units.
///
/// # Errors
/// Something that the log does not describe.
pub fn moved(
    state: &State,
    person: &PersonId,
    pair: [AlternativeId; 2],
    reworded: &[[AlternativeId; 2]],
) -> Result<f64, SessionError> {
    let belief = state.belief(person)?;
    let mean = |pair: &[AlternativeId; 2]| -> Result<f64, SessionError> {
        Ok(belief.functional(&state.difference(&pair[0], &pair[1])?).mean())
    };
    let as_given = mean(&pair)?;
    reworded.iter().try_fold(0.0, |most: f64, other| Ok(most.max((mean(other)? - as_given).abs())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_framing_keeps_every_word() {
        for situation in ["", "The kettle leaks. It is new."] {
            for other in reworded(situation) {
                assert!(other.ends_with(situation) && other != situation, "{other}");
            }
        }
    }
}
