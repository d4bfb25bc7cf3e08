//! One linear probe at one site: standardised, fitted, and for a maximum fitted again on the pieces that it chose.

use serde::{Deserialize, Serialize};

use super::examples::Pieces;
use super::nested::Field;
use super::solve::{Dense, Fit, dot, logistic_regression, mean_difference, ridge_regression};

/// Rounds of choosing each text's highest piece and fitting again, as in multiple-instance learning (Andrews,
/// Tsochantaridis and Hofmann 2002).
const ROUNDS: usize = 3;

/// How the direction is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// The difference of the means of the two labels; its penalty shrinks the covariance, and at 1 plays no part.
    MeanDifference,
    /// Least squares against +1 and -1 with a squared penalty.
    Ridge,
    /// Logistic regression with a squared penalty.
    Logistic,
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.write_str(match self {
            Self::MeanDifference => "mean difference",
            Self::Ridge => "ridge",
            Self::Logistic => "logistic",
        })
    }
}

/// Mean and scale of each column, and weights of the standardised columns.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Linear {
    pub(crate) mean: Vec<f64>,
    pub(crate) scale: Vec<f64>,
    pub(crate) fit: Fit,
}

impl Linear {
    /// The same as weights of the states as they are.
    pub(crate) fn folded(&self) -> Fit {
        let weights: Vec<f64> = self.fit.weights.iter().zip(&self.scale).map(|(w, scale)| w / scale).collect();
        let intercept = self.fit.intercept - dot(&weights, &self.mean);
        Fit { weights, intercept }
    }
}

fn wide(row: &[f32]) -> Vec<f64> {
    row.iter().map(|x| f64::from(*x)).collect()
}

/// The score of each piece of an example.
fn piece_scores<'a>(pieces: &'a Pieces, example: usize, folded: &'a Fit) -> impl Iterator<Item = f64> + 'a {
    pieces.of(example).map(|row| dot(&wide(row), &folded.weights) + folded.intercept)
}

/// The score of an example: its highest piece.
pub(crate) fn score(pieces: &Pieces, example: usize, folded: &Fit) -> f64 {
    piece_scores(pieces, example, folded).fold(f64::NEG_INFINITY, f64::max)
}

/// Mean and standard deviation of each column over all pieces of `train`.
fn standard(pieces: &Pieces, train: &[usize]) -> (Vec<f64>, Vec<f64>) {
    let count = train.iter().map(|i| pieces.of(*i).len()).sum::<usize>() as f64;
    let mut mean = vec![0.0; pieces.width];
    for row in train.iter().flat_map(|i| pieces.of(*i)) {
        mean.iter_mut().zip(row).for_each(|(mean, x)| *mean += f64::from(*x) / count);
    }
    let mut variance = vec![0.0; pieces.width];
    for row in train.iter().flat_map(|i| pieces.of(*i)) {
        for ((variance, x), mean) in variance.iter_mut().zip(row).zip(&mean) {
            *variance += (f64::from(*x) - mean).powi(2) / count;
        }
    }
    // A column that does not vary says nothing: it keeps its scale, and gets no weight beyond rounding.
    let scale = variance.iter().zip(&mean).map(|(variance, mean)| {
        let sd = variance.sqrt();
        if sd > 1e-6 * mean.abs() && sd > 1e-30 { sd } else { 1.0 }
    });
    let scale = scale.collect();
    (mean, scale)
}

/// Fits one kind with each penalty on `train`, in the order given.
pub(crate) fn fit(pieces: &Pieces, labels: &[bool], train: &[usize], kind: Kind, penalties: &[f64]) -> Vec<Linear> {
    let (mean, scale) = standard(pieces, train);
    let labels: Vec<bool> = train.iter().map(|i| labels[*i]).collect();
    let standardised = |row: Vec<f64>| {
        row.into_iter().zip(&mean).zip(&scale).map(|((x, mean), scale)| (x - mean) / scale).collect::<Vec<f64>>()
    };
    let means = train.iter().flat_map(|i| {
        let mut mean = vec![0.0; pieces.width];
        let count = pieces.of(*i).len() as f64;
        pieces.of(*i).for_each(|row| mean.iter_mut().zip(row).for_each(|(m, x)| *m += f64::from(*x) / count));
        standardised(mean)
    });
    let design = Dense { entries: means.collect(), columns: pieces.width };
    let solve = |design: &Dense, penalty: f64, start: Fit| match kind {
        Kind::Logistic => logistic_regression(design, &labels, penalty, start),
        Kind::Ridge => ridge_regression(design, &labels, penalty),
        Kind::MeanDifference => mean_difference(design, &labels, penalty),
    };
    let several = train.iter().any(|i| pieces.of(*i).len() > 1);
    let mut start = Fit::zero(pieces.width);
    let mut out = Vec::with_capacity(penalties.len());
    for penalty in penalties {
        let found = solve(&design, *penalty, start);
        start = found.clone();
        let mut linear = Linear { mean: mean.clone(), scale: scale.clone(), fit: found };
        let mut chosen = Vec::new();
        for _ in 0..if several { ROUNDS } else { 0 } {
            let folded = linear.folded();
            let highest = |i: &usize| {
                let scores = piece_scores(pieces, *i, &folded).enumerate();
                scores.reduce(|a, b| if b.1 > a.1 { b } else { a }).map_or(0, |(at, _)| at)
            };
            let now: Vec<usize> = train.iter().map(highest).collect();
            if now == chosen {
                break;
            }
            chosen = now;
            let rows = train.iter().zip(&chosen).filter_map(|(i, at)| pieces.of(*i).nth(*at));
            let entries = rows.flat_map(|row| standardised(wide(row))).collect();
            linear.fit = solve(&Dense { entries, columns: pieces.width }, *penalty, linear.fit);
        }
        out.push(linear);
    }
    out
}

/// All sites and kinds, each with its penalties.
pub(crate) struct Sites<'a> {
    pub(crate) groups: Vec<(&'a Pieces, Kind, &'a [f64])>,
}

impl Field for Sites<'_> {
    fn groups(&self) -> usize {
        self.groups.len()
    }

    fn ways(&self, group: usize) -> usize {
        self.groups[group].2.len()
    }

    fn scores(&self, group: usize, labels: &[bool], train: &[usize], test: &[usize]) -> Vec<Vec<f64>> {
        let (pieces, kind, penalties) = self.groups[group];
        let fits = fit(pieces, labels, train, kind, penalties).into_iter().map(|linear| linear.folded());
        fits.map(|folded| test.iter().map(|i| score(pieces, *i, &folded)).collect()).collect()
    }
}
