//! How often readings are wrong: a Beta distribution that starts from what was measured on a bank of sentences and learns from what
//! people say to readings.

use credence_memory::number::{NumberError, Probability};
use credence_memory::state::State;

use super::Reader;

/// Of 60 sentences by somebody who had not seen the rules, those of which something was read: right and wrong in values and direction.
/// docs/free-text.md.
const MEASURED_PLAIN: (f64, f64) = (12.0, 2.0);
/// What a model writes depends on the model: nothing is known before people answer.
const MEASURED_COMPLETION: (f64, f64) = (1.0, 1.0);

/// The bank's sentences are not this person's: they count as so many answers at most.
const BANK_WEIGHT: f64 = 20.0;

/// Above this misreading rate a person is told, and offered the structured forms.
const TOO_OFTEN: f64 = 0.4;

/// Counts of a Beta distribution over the rate of right readings.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ReadingRate {
    /// Right, the prior included.
    pub right: f64,
    /// Wrong, the prior included.
    pub wrong: f64,
}

impl ReadingRate {
    /// What is known before anyone has answered a reading.
    pub fn prior(reader: Reader) -> Self {
        let (right, wrong) = match reader {
            Reader::Plain => MEASURED_PLAIN,
            Reader::Completion => MEASURED_COMPLETION,
        };
        let scale = (BANK_WEIGHT / (right + wrong)).min(1.0);
        Self { right: right * scale, wrong: wrong * scale }
    }

    /// With all answers to readings in a log, whoever gave them: it is the reader that is judged.
    pub fn of(state: &State, reader: Reader) -> Self {
        let prior = Self::prior(reader);
        let (right, wrong) = state.readings_answered(reader.name());
        Self { right: prior.right + right as f64, wrong: prior.wrong + wrong as f64 }
    }

    /// The probability that a reading is wrong: the posterior mean.
    pub fn misreading(&self) -> f64 {
        self.wrong / (self.right + self.wrong)
    }

    /// The same, as it stands in a record.
    ///
    /// # Errors
    /// Never: both counts are positive.
    pub fn probability(&self) -> Result<Probability, NumberError> {
        Probability::new(self.misreading())
    }

    /// A line for the person, if readings are wrong so often that they should know.
    pub fn warning(&self) -> Option<String> {
        (self.misreading() > TOO_OFTEN).then(|| {
            format!(
                "this model reads sentences right about {:.0} times in 100, so check each reading. {}",
                100.0 * (1.0 - self.misreading()),
                super::FORMS
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_move_the_rate_from_what_the_bank_says() {
        let prior = ReadingRate::prior(Reader::Plain);
        assert!(prior.right + prior.wrong <= BANK_WEIGHT + 1e-9 && prior.wrong > 0.0);
        let after = ReadingRate { right: prior.right, wrong: prior.wrong + 100.0 };
        assert!(after.misreading() > 0.8 && after.warning().is_some());
        let good = ReadingRate { right: prior.right + 1000.0, wrong: prior.wrong };
        assert!(good.misreading() < 0.02 && good.warning().is_none());
    }
}
