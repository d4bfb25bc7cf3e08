//! Simulated people: what they value, and how their answers depart from it.
//!
//! Nobody's values are drawn from a learner's prior, and part of what moves a person may lie in features that no learner sees.

use credence_memory::belief::normal::cdf;
use credence_memory::belief::simulate::{below, normal, normals, uniform};
use rand::Rng;
use serde::{Deserialize, Serialize};

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Which of two.
    Choice,
    /// Whether one is approved of: no or yes.
    Verdict,
    /// How good one is, on five levels.
    Rating,
}

/// Levels of a rating.
pub const LEVELS: usize = 5;
/// Step between the plain person's rating thresholds, in units of the noise: that of a band of 1.
const RATING_STEP: f64 = 2.0;

/// How a person's values are drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Values {
    /// Every weight matters, independent normals.
    #[default]
    Normal,
    /// One weight in three matters.
    Sparse,
}

/// A kind of person. Whatever is left out is absent: the plain person is the model's own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PersonSpec {
    /// What they are called in tables.
    pub name: String,
    /// Standard deviation of a typical utility difference, in units of the noise: several make several people.
    pub signal: Vec<f64>,
    /// How values are drawn.
    #[serde(default)]
    pub values: Values,
    /// Probability of an answer at random.
    #[serde(default)]
    pub lapse_rate: f64,
    /// Added to the utility of what is shown first, in units of the signal.
    #[serde(default)]
    pub order_effect: f64,
    /// How a question is worded, as a gain or as a loss by turns no learner sees: by how much the first feature's weight is
    /// raised in one and lowered in the other, in units of the signal.
    #[serde(default)]
    pub framing_effect: f64,
    /// Angle in degrees between the values that verdicts and ratings express and those that choices do.
    #[serde(default)]
    pub grades_differ: f64,
    /// Step between the thresholds of ratings, in units of the noise: twice a band; learners know those of their settings.
    #[serde(default = "rating_step")]
    pub rating_step: f64,
    /// Size of the random step the values make after each answer, relative to their length.
    #[serde(default)]
    pub drift: f64,
    /// Share of the utility's variance that lies in features no learner sees.
    #[serde(default)]
    pub hidden: f64,
    /// Curvature of the person's own feature map, which no learner sees: what they value are the features and products of
    /// neighbouring ones, in this proportion.
    #[serde(default)]
    pub own_map: f64,
    /// Strength of a rotating preference that no utility expresses, in units of the signal.
    #[serde(default)]
    pub cycles: f64,
    /// Probability of answering the opposite of what they want.
    #[serde(default)]
    pub poison: f64,
    /// Kinds of questions they answer; the others they pass over.
    #[serde(default = "every_kind")]
    pub answers: Vec<Kind>,
    /// Why learning from them is as it is, for the report.
    #[serde(default)]
    pub note: String,
}

fn every_kind() -> Vec<Kind> {
    vec![Kind::Choice, Kind::Verdict, Kind::Rating]
}

fn rating_step() -> f64 {
    RATING_STEP
}

impl PersonSpec {
    /// Why it cannot be drawn, if it cannot: the key, and what was expected of it.
    pub fn fault(&self) -> Option<(&'static str, &'static str)> {
        if self.signal.is_empty() || !self.signal.iter().all(|s| s.is_finite() && *s > 0.0) {
            return Some(("signal", "signal must be positive numbers, at least one"));
        }
        if !(self.rating_step.is_finite() && self.rating_step > 0.0) {
            return Some(("rating_step", "rating_step must be a positive number"));
        }
        let shares = [("lapse_rate", self.lapse_rate), ("hidden", self.hidden), ("poison", self.poison)];
        if let Some((key, _)) = shares.into_iter().find(|(_, v)| !(0.0..=1.0).contains(v)) {
            return Some((key, "lapse_rate, hidden and poison must lie in [0, 1]"));
        }
        let sizes = [
            ("drift", self.drift),
            ("cycles", self.cycles),
            ("own_map", self.own_map),
            ("framing_effect", self.framing_effect),
        ];
        if let Some((key, _)) = sizes.into_iter().find(|(_, v)| !(v.is_finite() && *v >= 0.0)) {
            return Some((key, "drift, cycles, own_map and framing_effect must be at least 0"));
        }
        if !self.order_effect.is_finite() {
            return Some(("order_effect", "order_effect must be a number"));
        }
        if !(0.0..=180.0).contains(&self.grades_differ) {
            return Some(("grades_differ", "grades_differ must lie in [0, 180] degrees"));
        }
        None
    }
}

/// An alternative: what learners see of it and what they do not.
#[derive(Clone, Debug, PartialEq)]
pub struct Alternative {
    /// Features.
    pub seen: Vec<f64>,
    /// The rest.
    pub unseen: f64,
}

impl Alternative {
    /// Independent features of variance one half, so that differences have variance one.
    pub fn draw(dimension: usize, rng: &mut impl Rng) -> Self {
        let half = 0.5f64.sqrt();
        Self { seen: normals(dimension, rng).iter().map(|x| x * half).collect(), unseen: half * normal(rng) }
    }

    /// Features of this one less those of another.
    pub fn less(&self, other: &Self) -> Vec<f64> {
        self.seen.iter().zip(&other.seen).map(|(a, b)| a - b).collect()
    }
}

/// One simulated person.
#[derive(Clone, Debug, PartialEq)]
pub struct Simulated {
    spec: PersonSpec,
    signal: f64,
    weights: Vec<f64>,
    /// A direction across the weights, into which grades turn.
    across: Vec<f64>,
}

impl Simulated {
    /// Draws someone of this kind with this signal; values have length `signal`.
    pub fn draw(spec: &PersonSpec, signal: f64, dimension: usize, rng: &mut impl Rng) -> Self {
        let mut weights = normals(dimension, rng);
        if spec.values == Values::Sparse {
            let keep = below(dimension, rng);
            let kept = |i: usize| (i + dimension - keep) % dimension < dimension.div_ceil(3);
            weights.iter_mut().enumerate().filter(|(i, _)| !kept(*i)).for_each(|(_, w)| *w = 0.0);
        }
        let mut person = Self { spec: spec.clone(), signal, weights, across: Vec::new() };
        person.set_length();
        if spec.grades_differ > 0.0 {
            let other = normals(dimension, rng);
            let square: f64 = person.weights.iter().map(|w| w * w).sum::<f64>().max(1e-12);
            let along = person.weights.iter().zip(&other).map(|(w, o)| w * o).sum::<f64>() / square;
            let mut across: Vec<f64> = other.iter().zip(&person.weights).map(|(o, w)| o - along * w).collect();
            let length = across.iter().map(|x| x * x).sum::<f64>().max(1e-12);
            across.iter_mut().for_each(|x| *x *= (square / length).sqrt());
            person.across = across;
        }
        person
    }

    fn set_length(&mut self) {
        let length = self.weights.iter().map(|w| w * w).sum::<f64>().sqrt();
        let scale = self.signal * (1.0 - self.spec.hidden).sqrt() / length.max(1e-12);
        self.weights.iter_mut().for_each(|w| *w *= scale);
    }

    /// What they value now, in units of their noise, as far as features express it.
    pub fn weights(&self) -> &[f64] {
        &self.weights
    }

    /// Standard deviation of a typical utility difference, in units of the noise.
    pub fn signal(&self) -> f64 {
        self.signal
    }

    /// Utility, with what no learner sees.
    pub fn utility(&self, a: &Alternative) -> f64 {
        self.valued(&self.weights, a)
    }

    fn valued(&self, weights: &[f64], a: &Alternative) -> f64 {
        let curvature = self.spec.own_map;
        let own = 1.0 / (1.0 + curvature * curvature).sqrt();
        let d = a.seen.len();
        // Products of two features of variance 1/2 have variance 1/4.
        let feature = |i: usize| own * (a.seen[i] + curvature * 2f64.sqrt() * a.seen[i] * a.seen[(i + 1) % d]);
        let expressed: f64 = if curvature > 0.0 {
            weights.iter().enumerate().map(|(i, w)| w * feature(i)).sum()
        } else {
            weights.iter().zip(&a.seen).map(|(w, x)| w * x).sum()
        };
        expressed + self.signal * self.spec.hidden.sqrt() * a.unseen
    }

    /// Utility as verdicts and ratings express it.
    fn graded(&self, a: &Alternative) -> f64 {
        if self.across.is_empty() {
            return self.utility(a);
        }
        let (sin, cos) = self.spec.grades_differ.to_radians().sin_cos();
        let turned: Vec<f64> = self.weights.iter().zip(&self.across).map(|(w, x)| cos * w + sin * x).collect();
        self.valued(&turned, a)
    }

    /// What a person says who grades: with their noise, lapses and poison. `levels` is 2 for a verdict.
    fn grade(&mut self, a: &Alternative, levels: usize, rng: &mut dyn Rng) -> usize {
        let utility = self.graded(a);
        if levels == 2 {
            return self.say(utility, rng);
        }
        let mut rng = rng;
        let noisy = utility + normal(&mut rng);
        let step = self.spec.rating_step;
        let level = (noisy / step + levels as f64 / 2.0).floor().clamp(0.0, (levels - 1) as f64) as usize;
        let meant = if uniform(&mut rng) < self.spec.lapse_rate { below(levels, &mut rng) } else { level };
        let said = if uniform(&mut rng) < self.spec.poison { levels - 1 - meant } else { meant };
        self.moves_on(&mut rng);
        said
    }

    fn moves_on(&mut self, rng: &mut impl Rng) {
        if self.spec.drift > 0.0 {
            let step = self.spec.drift * self.signal / (self.weights.len() as f64).sqrt();
            self.weights.iter_mut().for_each(|w| *w += step * normal(rng));
            self.set_length();
        }
    }

    /// Noise-free advantage of the first: utilities, and what no utility expresses.
    fn advantage(&self, first: &Alternative, second: &Alternative) -> f64 {
        let turn = match (&first.seen[..], &second.seen[..]) {
            ([a0, a1, ..], [b0, b1, ..]) => a0 * b1 - a1 * b0,
            _ => 0.0,
        };
        self.utility(first) - self.utility(second) + 2.0 * self.signal * self.spec.cycles * turn
    }

    /// Probability of the first, lapses included, order effect and poison not: what a learner is scored against.
    pub fn probability(&self, first: &Alternative, second: &Alternative) -> f64 {
        (1.0 - self.spec.lapse_rate) * cdf(self.advantage(first, second)) + 0.5 * self.spec.lapse_rate
    }

    /// Probability of an answer by what they value, lapses included and every other departure not: nobody who knew their
    /// values could predict better.
    pub fn answer_probability(&self, kind: Kind, a: &Alternative, b: &Alternative, outcome: usize) -> f64 {
        let lapsed =
            |p: f64, outcomes: usize| (1.0 - self.spec.lapse_rate) * p + self.spec.lapse_rate / outcomes as f64;
        match kind {
            Kind::Choice => {
                let first = self.probability(a, b);
                if outcome == 0 { first } else { 1.0 - first }
            }
            Kind::Verdict => {
                let yes = cdf(self.utility(a));
                lapsed(if outcome == 1 { yes } else { 1.0 - yes }, 2)
            }
            Kind::Rating => {
                let step = self.spec.rating_step;
                let below = |level: usize| match level {
                    0 => 0.0,
                    LEVELS => 1.0,
                    k => cdf((k as f64 - LEVELS as f64 / 2.0) * step - self.utility(a)),
                };
                lapsed((below(outcome + 1) - below(outcome)).max(1e-12), LEVELS)
            }
        }
    }

    fn say(&mut self, latent: f64, rng: &mut dyn Rng) -> usize {
        let mut rng = rng;
        let noisy = latent + normal(&mut rng);
        let meant = if uniform(&mut rng) < self.spec.lapse_rate { uniform(&mut rng) < 0.5 } else { noisy > 0.0 };
        let said = meant != (uniform(&mut rng) < self.spec.poison);
        self.moves_on(&mut rng);
        usize::from(said)
    }
}

impl Simulated {
    /// 0 for the first of two, 1 for the second; nothing when they pass the question over.
    pub fn choose(&mut self, first: &Alternative, second: &Alternative, rng: &mut dyn Rng) -> Option<usize> {
        if !self.spec.answers.contains(&Kind::Choice) {
            return None;
        }
        let mut latent = self.advantage(first, second) + self.signal * self.spec.order_effect;
        let mut rng = rng;
        if self.spec.framing_effect > 0.0 {
            let frame = if uniform(&mut rng) < 0.5 { 1.0 } else { -1.0 };
            latent += frame * self.signal * self.spec.framing_effect * (first.seen[0] - second.seen[0]);
        }
        Some(1 - self.say(latent, rng))
    }

    /// 0 for disapproval, 1 for approval; nothing when they pass the question over.
    pub fn judge(&mut self, alternative: &Alternative, rng: &mut dyn Rng) -> Option<usize> {
        if !self.spec.answers.contains(&Kind::Verdict) {
            return None;
        }
        Some(self.grade(alternative, 2, rng))
    }

    /// A level from 0, worst, to [`LEVELS`] less one; nothing when they pass the question over.
    pub fn rate(&mut self, alternative: &Alternative, rng: &mut dyn Rng) -> Option<usize> {
        if !self.spec.answers.contains(&Kind::Rating) {
            return None;
        }
        Some(self.grade(alternative, LEVELS, rng))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    fn plain(signal: f64) -> PersonSpec {
        PersonSpec {
            name: "plain".into(),
            signal: vec![signal],
            values: Values::Normal,
            lapse_rate: 0.0,
            order_effect: 0.0,
            framing_effect: 0.0,
            grades_differ: 0.0,
            rating_step: RATING_STEP,
            own_map: 0.0,
            note: String::new(),
            drift: 0.0,
            hidden: 0.0,
            cycles: 0.0,
            poison: 0.0,
            answers: every_kind(),
        }
    }

    /// Share of choices that favour the alternative of greater seen utility.
    fn agreement(spec: &PersonSpec) -> f64 {
        let mut rng = ChaCha8Rng::seed_from_u64(9);
        let mut person = Simulated::draw(spec, spec.signal[0], 5, &mut rng);
        let mut right = 0;
        for _ in 0..2000 {
            let (a, b) = (Alternative::draw(5, &mut rng), Alternative::draw(5, &mut rng));
            let better = person.weights().iter().zip(a.less(&b)).map(|(w, x)| w * x).sum::<f64>() > 0.0;
            right += usize::from(person.choose(&a, &b, &mut rng) == Some(usize::from(!better)));
        }
        right as f64 / 2000.0
    }

    #[test]
    fn each_departure_does_what_it_says() {
        // With signal s a plain choice is right with probability 1/2 + atan(s)/pi; within four standard errors.
        let close = |spec: &PersonSpec, p: f64| {
            let seen = agreement(spec);
            assert!((seen - p).abs() < 4.0 * 0.5 / 2000f64.sqrt(), "{spec:?}: {seen} for {p}");
        };
        let right = 0.5 + 3f64.atan() / std::f64::consts::PI;
        close(&plain(3.0), right);
        close(&PersonSpec { lapse_rate: 0.4, ..plain(3.0) }, 0.6 * right + 0.2);
        close(&PersonSpec { poison: 1.0, ..plain(3.0) }, 1.0 - right);
        let seen = 3.0 * 0.5f64.sqrt() / (1.0 + 4.5f64).sqrt();
        close(&PersonSpec { hidden: 0.5, ..plain(3.0) }, 0.5 + seen.atan() / std::f64::consts::PI);
        assert!(agreement(&PersonSpec { cycles: 2.0, ..plain(3.0) }) < right - 0.05);
        assert!(agreement(&PersonSpec { order_effect: 1.0, ..plain(3.0) }) < right - 0.03);
        assert!(agreement(&PersonSpec { framing_effect: 2.0, ..plain(3.0) }) < right - 0.05);
        assert!(agreement(&PersonSpec { own_map: 1.0, ..plain(3.0) }) < right - 0.05);
        close(&PersonSpec { grades_differ: 90.0, ..plain(3.0) }, right); // choices are as they were
        let silent = PersonSpec { answers: vec![Kind::Verdict], ..plain(3.0) };
        assert_eq!(agreement(&silent), 0.0);
    }

    #[test]
    fn ratings_rise_with_utility_and_turn_away_from_choices_where_they_differ() {
        // Correlation of ratings with the utility that choices follow; 2,000 ratings, standard error about .02.
        let correlation = |spec: &PersonSpec| {
            let mut rng = ChaCha8Rng::seed_from_u64(5);
            let mut person = Simulated::draw(spec, 4.0, 5, &mut rng);
            let pairs: Vec<(f64, f64)> = (0..2000)
                .map(|_| {
                    let a = Alternative::draw(5, &mut rng);
                    let level = person.rate(&a, &mut rng).expect("rates") as f64;
                    (level, person.utility(&a))
                })
                .collect();
            let mean = |f: fn(&(f64, f64)) -> f64| pairs.iter().map(f).sum::<f64>() / pairs.len() as f64;
            let (x, y) = (mean(|p| p.0), mean(|p| p.1));
            let of = |f: &dyn Fn(&(f64, f64)) -> f64| pairs.iter().map(f).sum::<f64>();
            of(&|p| (p.0 - x) * (p.1 - y)) / (of(&|p| (p.0 - x).powi(2)) * of(&|p| (p.1 - y).powi(2))).sqrt()
        };
        assert!(correlation(&plain(4.0)) > 0.85);
        assert!(correlation(&PersonSpec { grades_differ: 90.0, ..plain(4.0) }).abs() < 0.1);
        assert!(correlation(&PersonSpec { grades_differ: 180.0, ..plain(4.0) }) < -0.85);
    }

    #[test]
    fn drift_turns_values_and_keeps_their_length() {
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        let spec = PersonSpec { drift: 0.1, ..plain(2.0) };
        let mut person = Simulated::draw(&spec, 2.0, 6, &mut rng);
        let before = person.weights().to_vec();
        for _ in 0..200 {
            let a = Alternative::draw(6, &mut rng);
            person.judge(&a, &mut rng);
        }
        let cosine: f64 = before.iter().zip(person.weights()).map(|(a, b)| a * b).sum::<f64>() / 4.0;
        assert!(cosine < 0.9, "{cosine}");
        assert!((person.weights().iter().map(|w| w * w).sum::<f64>() - 4.0).abs() < 1e-9);
    }
}
