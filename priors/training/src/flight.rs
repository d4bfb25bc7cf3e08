//! The flight task of Bayesian teaching (Qiu et al. 2026): people with linear tastes choose among three flights, and
//! the exact posterior over their tastes says what a perfect learner would predict.

use rand::seq::SliceRandom;
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::loss::{Among, Example, Target};

/// Flights to choose from at a time.
pub const FLIGHTS: usize = 3;
/// Steps between the lowest and the highest level, for departure, duration, stops and price.
const STEPS: [u8; 4] = [10, 10, 2, 10];
/// Utilities closer than this are equal: levels are tenths, which binary numbers do not hold exactly.
const TIE: f64 = 1e-9;

/// Turns text into tokens, without adding any of its own.
pub trait Tokenizer {
    /// Tokens of `text`.
    fn tokens(&self, text: &str) -> Vec<u32>;
}

impl<F: Fn(&str) -> Vec<u32>> Tokenizer for F {
    fn tokens(&self, text: &str) -> Vec<u32> {
        self(text)
    }
}

/// A flight, as levels of departure, duration, stops and price.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flight(pub [u8; 4]);

impl Flight {
    fn random(random: &mut impl Rng) -> Self {
        Self(STEPS.map(|steps| random.random_range(0..=steps)))
    }

    /// The flight's features, each from 0 to 1.
    pub fn features(self) -> [f64; 4] {
        std::array::from_fn(|i| f64::from(self.0[i]) / f64::from(STEPS[i]))
    }

    /// The flight in words, as in the paper.
    pub fn text(self, words: Words) -> String {
        let [departure, duration, stops, price] = self.0.map(u32::from);
        let (departure, duration, price) = (360 + 96 * departure, 30 + 117 * duration, 100 + 90 * price);
        let half = if departure < 720 { "AM" } else { "PM" };
        let (hour, minute) = ((departure / 60 + 11) % 12 + 1, departure % 60);
        let (hours, minutes) = (duration / 60, duration % 60);
        match words {
            Words::Full => format!(
                "departure time: {hour:02}:{minute:02} {half}, duration: {hours} hr {minutes} min, number of stops: {stops}, price: ${price}"
            ),
            Words::Levels => format!("{} {} {stops} {}", self.0[0], self.0[1], self.0[3]),
        }
    }
}

/// How flights are put to the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Words {
    /// As in the paper.
    Full,
    /// Levels as bare numbers: a fifth of the tokens, for quick experiments. Not comparable with the paper.
    Levels,
}

/// A person's tastes: weights of the four features.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Person(pub [f64; 4]);

impl Person {
    /// All 624: weights in {-1, -.5, 0, .5, 1}, not all zero.
    pub fn all() -> Vec<Self> {
        let level = |i: usize| i as f64 / 2.0 - 1.0;
        let people = (0..625).map(|i| Self([i / 125, i / 25 % 5, i / 5 % 5, i % 5].map(level)));
        people.filter(|p| p.0 != [0.0; 4]).collect()
    }

    /// The direction of the weights, as the longest multiple among all people: who shares it chooses alike.
    fn direction(&self) -> [i32; 4] {
        let largest = self.0.iter().fold(0.0_f64, |m, w| m.max(w.abs()));
        self.0.map(|w| (w / largest * 1000.0).round() as i32)
    }

    /// Probability of each choice: the best flight, or any of those that are equally good.
    pub fn choice(&self, flights: &[Flight; FLIGHTS]) -> [f64; FLIGHTS] {
        let utility = flights.map(|f| f.features().iter().zip(self.0).map(|(x, w)| x * w).sum::<f64>());
        let best = utility.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let ties = utility.map(|u| if u >= best - TIE { 1.0 } else { 0.0 });
        let n: f64 = ties.iter().sum();
        ties.map(|t| t / n)
    }

    fn choose(&self, flights: &[Flight; FLIGHTS], random: &mut impl Rng) -> usize {
        let (p, mut u) = (self.choice(flights), random.random::<f64>());
        for (k, p) in p.iter().enumerate() {
            if u < *p {
                return k;
            }
            u -= p;
        }
        p.iter().rposition(|p| *p > 0.0).unwrap_or(0)
    }

    /// Splits everybody into those who are learned from and those who are held out, so that nobody held out chooses
    /// like somebody learned from. `held_out` is the share of directions.
    pub fn split(held_out: f64, seed: u64) -> (Vec<Self>, Vec<Self>) {
        let mut directions: Vec<[i32; 4]> = Self::all().iter().map(Self::direction).collect();
        directions.sort_unstable();
        directions.dedup();
        directions.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
        let out = &directions[..(held_out * directions.len() as f64).round() as usize];
        Self::all().into_iter().partition(|p| !out.contains(&p.direction()))
    }
}

/// The exact posterior over all people.
#[derive(Debug, Clone)]
pub struct Posterior {
    people: Vec<Person>,
    weights: Vec<f64>,
}

impl Default for Posterior {
    /// Everybody is equally likely.
    fn default() -> Self {
        let people = Person::all();
        Self { weights: vec![1.0 / people.len() as f64; people.len()], people }
    }
}

impl Posterior {
    /// Probability of each choice.
    pub fn predict(&self, flights: &[Flight; FLIGHTS]) -> [f64; FLIGHTS] {
        let mut p = [0.0; FLIGHTS];
        for (person, weight) in self.people.iter().zip(&self.weights).filter(|(_, w)| **w > 0.0) {
            for (p, q) in p.iter_mut().zip(person.choice(flights)) {
                *p += weight * q;
            }
        }
        let sum: f64 = p.iter().sum();
        p.map(|p| p / sum)
    }

    /// Takes a choice into account.
    pub fn update(&mut self, flights: &[Flight; FLIGHTS], choice: usize) {
        for (person, weight) in self.people.iter().zip(&mut self.weights) {
            *weight *= person.choice(flights)[choice];
        }
        let sum: f64 = self.weights.iter().sum();
        self.weights.iter_mut().for_each(|w| *w /= sum);
    }
}

/// One round: flights, the person's choice, and what the exact posterior predicted before it.
#[derive(Debug, Clone, PartialEq)]
pub struct Round {
    /// What there was to choose from.
    pub flights: [Flight; FLIGHTS],
    /// What the person chose.
    pub choice: usize,
    /// Probability of each choice given the rounds before.
    pub posterior: [f64; FLIGHTS],
}

/// `rounds` rounds with one person, from the seed.
pub fn play(person: &Person, rounds: usize, random: &mut impl Rng) -> Vec<Round> {
    let mut posterior = Posterior::default();
    (0..rounds)
        .map(|_| {
            let flights = std::array::from_fn(|_| Flight::random(random));
            let choice = person.choose(&flights, random);
            let round = Round { flights, choice, posterior: posterior.predict(&flights) };
            posterior.update(&flights, choice);
            round
        })
        .collect()
}

/// What the model is taught to predict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Teacher {
    /// The exact posterior's probabilities.
    Bayesian,
    /// What the person chose.
    RightAnswer,
}

/// Rounds as one packed sequence, with a target before every answer.
pub fn example(rounds: &[Round], teacher: Teacher, words: Words, tokenizer: &dyn Tokenizer) -> Example {
    let answers: Vec<u32> = ["1", "2", "3"].iter().filter_map(|a| tokenizer.tokens(a).last().copied()).collect();
    let mut tokens = Vec::new();
    let mut targets = Vec::new();
    for (i, round) in rounds.iter().enumerate() {
        let mut text = if i == 0 { String::new() } else { "\n".to_owned() };
        for (k, flight) in round.flights.iter().enumerate() {
            let label = if words == Words::Full { format!("Flight {}: ", k + 1) } else { format!("#{} ", k + 1) };
            text += &format!("{label}{}\n", flight.text(words));
        }
        text += if words == Words::Full { "The person chose flight #" } else { "=" };
        tokens.extend(tokenizer.tokens(&text));
        let p = match teacher {
            Teacher::Bayesian => round.posterior.map(|p| p as f32),
            Teacher::RightAnswer => std::array::from_fn(|k| f32::from(u8::from(k == round.choice))),
        };
        targets.push(Target {
            position: tokens.len() - 1,
            distribution: answers.iter().copied().zip(p).collect(),
            among: Among::Candidates,
            weight: 1.0,
        });
        tokens.extend(answers.get(round.choice));
    }
    Example::new(tokens, targets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_paper_s_flight_reads_as_in_the_paper() {
        let text = Flight([5, 2, 0, 7]).text(Words::Full);
        assert_eq!(text, "departure time: 02:00 PM, duration: 4 hr 24 min, number of stops: 0, price: $730");
        assert!(Flight([0, 0, 2, 0]).text(Words::Full).starts_with("departure time: 06:00 AM, duration: 0 hr 30 min"));
        assert!(Flight([10, 10, 2, 10]).text(Words::Full).contains("10:00 PM, duration: 20 hr 0 min"));
    }

    #[test]
    fn people_of_one_direction_stay_together() {
        let (learned, held_out) = Person::split(0.25, 1);
        assert_eq!(learned.len() + held_out.len(), 624);
        assert!(held_out.len() > 130 && held_out.len() < 180);
        assert!(learned.iter().all(|a| held_out.iter().all(|b| a.direction() != b.direction())));
        let mut directions: Vec<_> = Person::all().iter().map(Person::direction).collect();
        directions.sort_unstable();
        directions.dedup();
        assert_eq!(directions.len(), 544);
    }

    #[test]
    fn the_exact_posterior_is_as_good_as_published() {
        // .807 over all 624 people and many sets (design, section 9); here 624 sequences, so +-.032 at two sd.
        let mut random = ChaCha8Rng::seed_from_u64(2);
        let mut right = [0.0; 6];
        for person in Person::all() {
            for (n, round) in play(&person, 6, &mut random).iter().enumerate() {
                let best = (0..FLIGHTS).max_by(|a, b| round.posterior[*a].total_cmp(&round.posterior[*b])).unwrap();
                right[n] += person.choice(&round.flights)[best];
            }
        }
        let right = right.map(|r| r / 624.0);
        // Before any answer it is still better than a third: a flight in the middle is seldom anybody's best.
        assert!((0.38..0.48).contains(&right[0]), "{right:?}");
        assert!((0.775..0.84).contains(&right[5]), "{right:?}");
    }

    #[test]
    fn rounds_are_packed_with_a_target_before_every_answer() {
        let mut random = ChaCha8Rng::seed_from_u64(3);
        let rounds = play(&Person([1.0, -0.5, 0.0, -1.0]), 4, &mut random);
        let bytes = |text: &str| text.bytes().map(u32::from).collect::<Vec<u32>>();
        let bayesian = example(&rounds, Teacher::Bayesian, Words::Full, &bytes);
        let right = example(&rounds, Teacher::RightAnswer, Words::Full, &bytes);
        assert_eq!(bayesian.tokens, right.tokens);
        assert_eq!(bayesian.targets.len(), 4);
        for (round, target) in rounds.iter().zip(&right.targets) {
            let answer = bayesian.tokens[target.position + 1];
            assert_eq!(answer, u32::from(b'1') + round.choice as u32);
            assert_eq!(bayesian.tokens[target.position], u32::from(b'#'));
            assert_eq!(target.distribution[round.choice], (answer, 1.0));
        }
    }
}
