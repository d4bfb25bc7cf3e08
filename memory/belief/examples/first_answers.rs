//! What four answers tell of somebody's values: a prior, the next question, its prediction, the answer, what is believed then.
//!
//! `cargo run --release -p credence-belief --example first_answers`

#![allow(clippy::print_stdout, reason = "it prints what is believed")]

use credence_belief::{BeliefError, Mixture, Priors, Question, Settings, expected_information_gain};

const VALUES: [&str; 3] = ["honesty", "comfort", "tradition"];

fn main() -> Result<(), BeliefError> {
    // The prior: every weight normal around zero, with variance 1 at signal scale 1.
    let mut belief = Mixture::new(&Settings::default(), &Priors::isotropic(VALUES.len(), 1.0))?;

    // A question is a choice between two acts: how far the first serves each value, minus how far the second does.
    let questions: Vec<Question> = [[1.0, -1.0, 0.0], [0.0, 1.0, -1.0], [-1.0, 0.0, 1.0]]
        .map(|difference| Question::choice(difference.to_vec(), true))
        .into();
    // The answers: 0 for the first act, 1 for the second, 2 for no preference.
    let answers = [0, 0, 1];

    for number in 1..=4 {
        let gains = expected_information_gain(&belief, &questions);
        let next = (0..questions.len()).max_by(|a, b| gains[*a].total_cmp(&gains[*b])).unwrap_or(0);
        let probabilities = belief.predict(&questions[next]);
        let surprise = belief.observe(&questions[next].answer(answers[next]))?;
        println!(
            "{number}. question {next}: {:.2} nats expected; the answer had probability {:.2} and surprised by {:.2} nats",
            gains[next], probabilities[answers[next]], -surprise.ln_predictive
        );
    }

    for (i, value) in VALUES.iter().enumerate() {
        let axis: Vec<f64> = (0..VALUES.len()).map(|k| f64::from(u8::from(k == i))).collect();
        let weight = belief.functional(&axis);
        let (low, high) = weight.interval(0.9);
        println!("{value:<10} {:+.2}  90% [{low:+.2}, {high:+.2}]", weight.mean());
    }
    Ok(())
}
