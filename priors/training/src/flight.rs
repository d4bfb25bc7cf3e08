//! The flight task of Bayesian teaching (Qiu et al. 2026): people with linear tastes choose among three flights, and
//! the exact posterior over their tastes says what a perfect learner would predict.

use rand::seq::SliceRandom;
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::loss::{Among, Example, Target};

/// Flights to choose from at a time, at most.
pub const FLIGHTS: usize = 3;
/// Features in the order in which smaller tasks have them: price, duration, departure, stops.
const ORDER: [usize; 4] = [3, 1, 0, 2];
/// What a feature's lower and upper half are called.
const NAMES: [[&str; 2]; 4] = [["early", "late"], ["fast", "slow"], ["direct", "indirect"], ["cheap", "dear"]];
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

/// Which task: the published one, or a smaller one of the same kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Task {
    /// Features that flights differ in and people care for, 1 to 4.
    pub features: usize,
    /// Flights to choose from at a time, 2 or 3.
    pub flights: usize,
    /// How flights are put.
    pub words: Words,
    /// Whether a round is a dialogue: a guess of the assistant's, then what the person says to it, with the flight that they chose.
    /// The guesses are drawn at random, so that nothing of any posterior stands in the context.
    pub dialogue: bool,
}

impl Task {
    /// The published task.
    pub fn published(words: Words) -> Self {
        Self { features: 4, flights: FLIGHTS, words, dialogue: false }
    }

    /// The features, in the order in which a flight is told.
    fn told(&self) -> Vec<usize> {
        let mut told = ORDER[..self.features.min(4)].to_vec();
        told.sort_unstable();
        told
    }
}

/// A flight, as levels of departure, duration, stops and price.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flight(pub [u8; 4]);

impl Flight {
    fn random(task: &Task, random: &mut impl Rng) -> Self {
        let mut levels = [0; 4];
        for feature in task.told() {
            let steps = STEPS[feature];
            levels[feature] = match task.words {
                Words::Named => steps * random.random_range(0..=1),
                Words::Full | Words::Levels => random.random_range(0..=steps),
            };
        }
        Self(levels)
    }

    /// The flight's features, each from 0 to 1.
    pub fn features(self) -> [f64; 4] {
        std::array::from_fn(|i| f64::from(self.0[i]) / f64::from(STEPS[i]))
    }

    /// The flight in the task's words.
    pub fn told(self, task: &Task) -> String {
        let word = |i: usize| NAMES[i][usize::from(self.0[i] > STEPS[i] / 2)].to_owned();
        let join = |of: &dyn Fn(usize) -> String| task.told().into_iter().map(of).collect::<Vec<_>>().join(" ");
        match task.words {
            Words::Named => join(&word),
            Words::Levels => join(&|i| self.0[i].to_string()),
            Words::Full => {
                let all = self.text(Words::Full);
                let parts: Vec<&str> = all.split(", ").collect();
                task.told().into_iter().map(|i| parts[i]).collect::<Vec<_>>().join(", ")
            }
        }
    }

    /// All four features in words, as in the paper.
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
            Words::Named => self.told(&Task::published(words)),
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
    /// Every feature as one of two words; there are two levels then.
    Named,
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

    /// Those of a task: who care for none of the features that it has not.
    pub fn of(task: &Task) -> Vec<Self> {
        let told = task.told();
        Self::all().into_iter().filter(|p| (0..4).all(|i| told.contains(&i) || p.0[i] == 0.0)).collect()
    }

    /// The direction of the weights, as the longest multiple among all people: who shares it chooses alike.
    fn direction(&self) -> [i32; 4] {
        let largest = self.0.iter().fold(0.0_f64, |m, w| m.max(w.abs()));
        self.0.map(|w| (w / largest * 1000.0).round() as i32)
    }

    /// Probability of each choice: the best flight, or any of those that are equally good. Places without a flight have none.
    pub fn choice(&self, flights: &[Flight]) -> [f64; FLIGHTS] {
        let mut utility = [f64::NEG_INFINITY; FLIGHTS];
        for (utility, flight) in utility.iter_mut().zip(flights) {
            *utility = flight.features().iter().zip(self.0).map(|(x, w)| x * w).sum();
        }
        let best = utility.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let ties = utility.map(|u| if u >= best - TIE { 1.0 } else { 0.0 });
        let n: f64 = ties.iter().sum();
        ties.map(|t| t / n)
    }

    fn choose(&self, flights: &[Flight], random: &mut impl Rng) -> usize {
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
    pub fn split(task: &Task, held_out: f64, seed: u64) -> (Vec<Self>, Vec<Self>) {
        let mut directions: Vec<[i32; 4]> = Self::of(task).iter().map(Self::direction).collect();
        directions.sort_unstable();
        directions.dedup();
        directions.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
        let out = &directions[..(held_out * directions.len() as f64).round() as usize];
        Self::of(task).into_iter().partition(|p| !out.contains(&p.direction()))
    }
}

/// The exact posterior over all people.
#[derive(Debug, Clone)]
pub struct Posterior {
    people: Vec<Person>,
    weights: Vec<f64>,
}

impl Posterior {
    /// Everybody of a task is equally likely.
    pub fn new(task: &Task) -> Self {
        let people = Person::of(task);
        Self { weights: vec![1.0 / people.len() as f64; people.len()], people }
    }

    /// Probability of each choice.
    pub fn predict(&self, flights: &[Flight]) -> [f64; FLIGHTS] {
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
    pub fn update(&mut self, flights: &[Flight], choice: usize) {
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
    pub flights: Vec<Flight>,
    /// What the person chose.
    pub choice: usize,
    /// Probability of each choice given the rounds before.
    pub posterior: [f64; FLIGHTS],
    /// What the assistant guesses in a dialogue, at random.
    pub guess: usize,
}

/// `rounds` rounds with one person, from the seed. Where two levels make it likely, flights are never all alike.
pub fn play(task: &Task, person: &Person, rounds: usize, random: &mut impl Rng) -> Vec<Round> {
    let mut posterior = Posterior::new(task);
    (0..rounds)
        .map(|_| {
            let mut draw = || -> Vec<Flight> { (0..task.flights).map(|_| Flight::random(task, random)).collect() };
            let mut flights = draw();
            while flights.iter().all(|flight| *flight == flights[0]) {
                flights = draw();
            }
            let choice = person.choose(&flights, random);
            let guess = if task.dialogue { random.random_range(0..task.flights) } else { choice };
            let round = Round { posterior: posterior.predict(&flights), choice, guess, flights };
            posterior.update(&round.flights, choice);
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

/// Rounds as one packed sequence, with a target before every answer, or before every guess in a dialogue. Outside the paper's
/// words a round is short, and says once more what the chosen flight was like.
pub fn example(rounds: &[Round], teacher: Teacher, task: &Task, tokenizer: &dyn Tokenizer) -> Example {
    let full = task.words == Words::Full;
    let letter = |k: usize| ["A", "B", "C"][k];
    let answers: Vec<u32> = (0..task.flights)
        .map(|k| if full { (k + 1).to_string() } else { format!(" {}", letter(k)) })
        .filter_map(|answer| tokenizer.tokens(&answer).last().copied())
        .collect();
    let mut tokens = Vec::new();
    let mut targets = Vec::new();
    for (i, round) in rounds.iter().enumerate() {
        let flight = |k: usize| {
            let told = round.flights[k].told(task);
            if full { format!("Flight {}: {told}\n", k + 1) } else { format!("{} {told}", letter(k)) }
        };
        let flights: Vec<String> = (0..round.flights.len()).map(flight).collect();
        let asked = match (full, task.dialogue) {
            (true, true) => format!(
                "User: Which flight is the best one for me?\n{}Assistant: The best option is flight #",
                flights.concat()
            ),
            (true, false) => format!("{}The person chose flight #", flights.concat()),
            (false, true) => format!("User: {}\nAssistant:", flights.join(", ")),
            (false, false) => format!("{}\n=", flights.join("\n")),
        };
        tokens.extend(tokenizer.tokens(&format!("{}{asked}", if i == 0 { "" } else { "\n" })));
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
        tokens.extend(answers.get(round.guess));
        let said = if round.guess == round.choice { "Yes" } else { "No" };
        let after = match (full, task.dialogue) {
            (_, true) => format!("\nUser: {said}, {}", flights[round.choice].trim_end()),
            (true, false) => String::new(),
            (false, false) => format!(" {}", round.flights[round.choice].told(task)),
        };
        tokens.extend(tokenizer.tokens(&after));
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
        let task = Task::published(Words::Full);
        let (learned, held_out) = Person::split(&task, 0.25, 1);
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
            for (n, round) in play(&Task::published(Words::Full), &person, 6, &mut random).iter().enumerate() {
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
        let task = Task::published(Words::Full);
        let rounds = play(&task, &Person([1.0, -0.5, 0.0, -1.0]), 4, &mut random);
        let bytes = |text: &str| text.bytes().map(u32::from).collect::<Vec<u32>>();
        let bayesian = example(&rounds, Teacher::Bayesian, &task, &bytes);
        let right = example(&rounds, Teacher::RightAnswer, &task, &bytes);
        assert_eq!(bayesian.tokens, right.tokens);
        assert_eq!(bayesian.targets.len(), 4);
        for (round, target) in rounds.iter().zip(&right.targets) {
            let answer = bayesian.tokens[target.position + 1];
            assert_eq!(answer, u32::from(b'1') + round.choice as u32);
            assert_eq!(bayesian.tokens[target.position], u32::from(b'#'));
            assert_eq!(target.distribution[round.choice], (answer, 1.0));
        }
    }

    #[test]
    fn a_small_task_has_the_same_kind_of_people_and_a_dialogue_says_what_was_chosen() {
        let task = Task { features: 2, flights: 2, words: Words::Named, dialogue: true };
        assert_eq!(Person::of(&task).len(), 24);
        let mut random = ChaCha8Rng::seed_from_u64(4);
        let rounds = play(&task, &Person([0.0, 1.0, 0.0, -0.5]), 30, &mut random);
        // Who likes it slow above all, and cheap.
        let slow = rounds.iter().filter(|r| r.flights[0].0[1] != r.flights[1].0[1]);
        assert!(slow.clone().count() > 5 && slow.clone().all(|r| r.flights[r.choice].0[1] == 10));
        assert!(rounds.iter().any(|r| r.guess != r.choice) && rounds.iter().all(|r| r.flights[0] != r.flights[1]));
        assert!(rounds.iter().all(|r| r.posterior[2] == 0.0 && (r.posterior.iter().sum::<f64>() - 1.0).abs() < 1e-9));
        let bytes = |text: &str| text.bytes().map(u32::from).collect::<Vec<u32>>();
        let lesson = example(&rounds, Teacher::RightAnswer, &task, &bytes);
        let text: String = lesson.tokens.iter().filter_map(|t| char::from_u32(*t)).collect();
        for (round, target) in rounds.iter().zip(&lesson.targets) {
            assert_eq!(lesson.tokens[target.position + 1], u32::from(b'A') + round.guess as u32);
            let said = if round.guess == round.choice { "Yes" } else { "No" };
            let chosen = round.flights[round.choice].told(&task);
            let answer = format!("\nUser: {said}, {} {chosen}", ["A", "B"][round.choice]);
            assert!(text[target.position + 2..].starts_with(&answer), "{text}");
            assert_eq!(target.distribution.len(), 2);
        }
        assert!(text.starts_with("User: A ") && (text.contains("fast cheap") || text.contains("slow dear")), "{text}");
    }
}
