//! Seconds of a person's time that each kind of question takes.

use credence_memory::record::QuestionKind;

/// Starting figures, seconds: reading a situation and two acts, rating one sentence, comparing four.
const START: [(QuestionKind, f64); 3] =
    [(QuestionKind::Choice, 14.0), (QuestionKind::Portrait, 6.0), (QuestionKind::BestAndWorst, 15.0)];
/// The starting figure weighs as much as so many answers.
const START_WEIGHT: f64 = 5.0;
/// A longer answer was interrupted by something else; it counts as this many times the starting figure.
const LONG: f64 = 4.0;
/// A faster one was not read by a person (a file, a program): it says nothing of time.
const SHORT: f64 = 0.1;

/// What each kind of question costs a person.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Pace {
    seen: Vec<(QuestionKind, f64)>,
}

impl Pace {
    /// From answers seen, each with its kind and its seconds; starting figures where there are none.
    pub fn of(seen: &[(QuestionKind, f64)]) -> Self {
        Self { seen: seen.to_vec() }
    }

    /// Expected seconds of a question of this kind: the mean of what was seen and the starting figure.
    pub fn seconds(&self, kind: QuestionKind) -> f64 {
        let start = START.iter().find(|(k, _)| *k == kind).map_or(14.0, |(_, seconds)| *seconds);
        let human = self.seen.iter().filter(|(k, seconds)| *k == kind && *seconds >= SHORT * start);
        let (sum, count) = human.fold((0.0, 0.0), |(sum, count), (_, s)| (sum + s.min(LONG * start), count + 1.0));
        (START_WEIGHT * start + sum) / (START_WEIGHT + count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_move_the_figure_and_interruptions_and_files_do_not() {
        let none = Pace::default().seconds(QuestionKind::Portrait);
        assert_eq!(none, 6.0);
        let slow = Pace::of(&[(QuestionKind::Portrait, 12.0); 5]).seconds(QuestionKind::Portrait);
        assert_eq!(slow, 9.0);
        let away = Pace::of(&[(QuestionKind::Portrait, 5_000.0)]).seconds(QuestionKind::Portrait);
        assert_eq!(away, (30.0 + 24.0) / 6.0);
        assert_eq!(Pace::of(&[(QuestionKind::Portrait, 0.001); 9]).seconds(QuestionKind::Portrait), 6.0);
    }
}
