//! Scores by conversation and person, and the table made of them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{PolisOptions, Tested};
use crate::estimate::Estimate;

/// Bins of predicted probability for calibration.
const BINS: usize = 10;

/// One method after one number of answers: means over conversations of means over people.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Cell {
    /// Log loss, nats.
    pub log_loss: Estimate,
    /// Share of votes predicted right.
    pub accuracy: Estimate,
    /// Brier score.
    pub brier: Estimate,
    /// Expected calibration error over ten bins of predicted probability, all votes together.
    pub calibration_error: f64,
}

/// One method.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct PolisRow {
    /// Its name.
    pub method: String,
    /// After each number of answers.
    pub cells: Vec<Cell>,
    /// Mean log loss in each conversation, by number of answers.
    pub conversations: BTreeMap<String, Vec<f64>>,
}

/// Log loss of one method less that of another, person by person, on the same held-out answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Comparison {
    /// Ours.
    pub ours: String,
    /// Theirs.
    pub theirs: String,
    /// After each number of answers.
    pub differences: Vec<Estimate>,
}

/// The table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct PolisResult {
    /// What was run.
    pub options: PolisOptions,
    /// People tested at least once, all conversations together.
    pub people: usize,
    /// The methods.
    pub rows: Vec<PolisRow>,
    /// The comparisons.
    pub comparisons: Vec<Comparison>,
}

/// Sums of log loss, right answers and squared errors of one person under one method at one number of answers.
#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    loss: f64,
    right: f64,
    squares: f64,
    votes: f64,
}

/// Everything scored so far.
pub(super) struct Scores {
    methods: usize,
    numbers: usize,
    /// By conversation, then person: a sum for each method and number of answers.
    conversations: Vec<(String, BTreeMap<usize, Vec<Sum>>)>,
    /// Predicted, seen and counted by method, number and bin.
    bins: Vec<[[f64; 3]; BINS]>,
}

impl Scores {
    pub(super) fn new(methods: usize, numbers: usize) -> Self {
        Self { methods, numbers, conversations: Vec::new(), bins: vec![[[0.0; 3]; BINS]; methods * numbers] }
    }

    pub(super) fn begin(&mut self, conversation: &str) {
        self.conversations.push((conversation.to_owned(), BTreeMap::new()));
    }

    pub(super) fn add(&mut self, person: usize, tested: &Tested) {
        let Some((_, people)) = self.conversations.last_mut() else { return };
        let sums = people.entry(person).or_insert_with(|| vec![Sum::default(); self.methods * self.numbers]);
        for (m, numbers) in tested.iter().enumerate() {
            for (n, scored) in numbers.iter().enumerate() {
                let at = m * self.numbers + n;
                for &(p, agrees) in scored {
                    let y = f64::from(u8::from(agrees));
                    let sum = &mut sums[at];
                    sum.loss -= if agrees { p.ln() } else { (1.0 - p).ln() };
                    sum.right += f64::from(u8::from((p > 0.5) == agrees));
                    sum.squares += (p - y) * (p - y);
                    sum.votes += 1.0;
                    let bin = &mut self.bins[at][((p * BINS as f64) as usize).min(BINS - 1)];
                    bin[0] += p;
                    bin[1] += y;
                    bin[2] += 1.0;
                }
            }
        }
    }

    /// One number for each person, by conversation.
    fn people(&self, value: impl Fn(&[Sum]) -> f64) -> Vec<Vec<f64>> {
        self.conversations.iter().map(|(_, people)| people.values().map(|sums| value(sums)).collect()).collect()
    }

    pub(super) fn result(&self, options: &PolisOptions, methods: &[&str], compared: &[(usize, usize)]) -> PolisResult {
        let seed = options.seed;
        let mean = |at: usize, part: fn(&Sum) -> f64| self.people(|sums| part(&sums[at]) / sums[at].votes);
        let cell = |at: usize| {
            let votes: f64 = self.bins[at].iter().map(|b| b[2]).sum();
            Cell {
                log_loss: Estimate::stratified(&mean(at, |s| s.loss), seed),
                accuracy: Estimate::stratified(&mean(at, |s| s.right), seed),
                brier: Estimate::stratified(&mean(at, |s| s.squares), seed),
                calibration_error: self.bins[at].iter().map(|[p, y, _]| (p - y).abs()).sum::<f64>() / votes.max(1.0),
            }
        };
        let rows = methods.iter().enumerate().map(|(m, method)| {
            let each = |people: &BTreeMap<usize, Vec<Sum>>, n: usize| {
                let losses = people.values().map(|s| s[m * self.numbers + n]).map(|s| s.loss / s.votes);
                losses.sum::<f64>() / people.len().max(1) as f64
            };
            PolisRow {
                method: (*method).to_owned(),
                cells: (0..self.numbers).map(|n| cell(m * self.numbers + n)).collect(),
                conversations: self
                    .conversations
                    .iter()
                    .map(|(name, people)| (name.clone(), (0..self.numbers).map(|n| each(people, n)).collect()))
                    .collect(),
            }
        });
        let comparisons = compared.iter().map(|&(ours, theirs)| Comparison {
            ours: methods[ours].to_owned(),
            theirs: methods[theirs].to_owned(),
            differences: (0..self.numbers)
                .map(|n| {
                    let (a, b) = (ours * self.numbers + n, theirs * self.numbers + n);
                    Estimate::stratified(&self.people(|s| (s[a].loss - s[b].loss) / s[a].votes), seed)
                })
                .collect(),
        });
        PolisResult {
            options: options.clone(),
            people: self.conversations.iter().map(|(_, people)| people.len()).sum(),
            rows: rows.collect(),
            comparisons: comparisons.collect(),
        }
    }
}
