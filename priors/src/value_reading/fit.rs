//! Fitting a map from states to key points.

use crate::acts::{KeyedPair, Split, hash};
use crate::matrix::{Matrix, Put, View, multiply};
use crate::model::ModelIdentity;
use crate::published::PublishedValues;
use crate::schema::ValueSchema;
use crate::share::Share;

use super::quantised::Quantised;
use super::solve::{components, product, ridge};
use super::states::{QuestionStates, layers};
use super::{Calibration, Overall, Projection, STAKE_MIN, ValueMap, ValueValidity};

/// Components of the difference of two acts' states that are kept. A hundred read a little worse, all no better.
const DIFFERENCE_COMPONENTS: usize = 200;
/// Components of what the pair is about, from the acts and from the situation.
const CONTEXT_COMPONENTS: usize = 80;
/// Penalties tried for which way, where a typical row of the kernel has length one.
const DIRECTION_PENALTIES: [f32; 4] = [0.5, 1.0, 2.0, 4.0];
/// Squares of the weight of the context that are tried.
const CONTEXT_WEIGHTS: [f32; 3] = [3.0, 6.0, 12.0];
/// Penalties tried for what is at stake.
const STAKE_PENALTIES: [f32; 4] = [1.0, 2.0, 4.0, 8.0];
/// Powers of the stakes that are tried.
const POWERS: [f64; 4] = [0.5, 1.0, 1.5, 2.0];
/// Parts of the cross-validation.
const FOLDS: u64 = 5;
/// The fewest pairs a map is fitted with.
const PAIRS_MIN: usize = 60;
/// How much a value's own slope is drawn to that of all, in typical values' worth of data.
const SLOPE_SHRINKAGE: f64 = 0.5;
/// Acts that differ by less, in weighted key points, are not told apart by most people.
const WORTH_MIN: f32 = 1.0;
/// Shrinkage of the slopes of the overall judgement.
const SLOPE_RIDGE: f64 = 1.0;
/// A value's errors are taken to be at most so many times larger or smaller than those of all.
const ERROR_RATIO: std::ops::RangeInclusive<f64> = 0.5..=2.0;

/// Why no map could be fitted.
#[derive(Debug, thiserror::Error)]
pub enum FitError {
    /// Too few acts.
    #[error("expected at least {PAIRS_MIN} pairs of keyed acts to learn from, found {found}")]
    TooFew {
        /// How many there were.
        found: usize,
    },
    /// States of another shape.
    #[error("expected states of one width for every act, found others")]
    Shape,
}

/// Everything that is fitted on, in matrices with a row for each pair.
struct Data {
    /// Components of x, z and w.
    x: Matrix,
    z: Matrix,
    w: Matrix,
    /// Their inner products: of x, and of z and w together.
    directions: Matrix,
    contexts: Matrix,
    /// Differences of keys, and whether they are keyed at all.
    keys: Matrix,
    keyed: Matrix,
    /// What the keys are worth to most people: a column of one.
    overall: Matrix,
    folds: Vec<u64>,
    is_choosing: Vec<bool>,
}

/// What was read of pairs, by pair and value.
struct Predicted {
    direction: Matrix,
    stakes: Matrix,
    /// The overall judgement, directly.
    overall: Matrix,
}

impl ValueMap {
    /// Fits a map on pairs and their states, in the same order. Pairs kept for testing are left out.
    ///
    /// # Errors
    /// If there are too few pairs, or their states have other widths.
    pub fn fit(
        model: &ModelIdentity,
        schema: &ValueSchema,
        pairs: &[KeyedPair],
        states: &[QuestionStates],
    ) -> Result<Self, FitError> {
        let used: Vec<(&KeyedPair, &QuestionStates)> =
            pairs.iter().zip(states).filter(|(pair, _)| pair.split() != Split::Testing).collect();
        if used.len() < PAIRS_MIN {
            return Err(FitError::TooFew { found: used.len() });
        }
        let width = used[0].1.alternatives.first().map_or(0, Vec::len);
        let has_shape = |states: &QuestionStates| {
            states.alternatives.len() == 2
                && states.alternatives.iter().chain(&states.situation).all(|state| state.len() == width)
        };
        if width == 0 || !used.iter().all(|(_, states)| has_shape(states)) {
            return Err(FitError::Shape);
        }
        let values: Vec<String> = schema.values.iter().map(|value| value.id.clone()).collect();
        let rows = |of: &dyn Fn(&QuestionStates) -> Vec<f32>| Matrix {
            rows: used.len(),
            columns: width,
            data: used.iter().flat_map(|(_, states)| of(states)).collect(),
        };
        let both = |states: &QuestionStates, sign: f32| -> Vec<f32> {
            states.alternatives[0].iter().zip(&states.alternatives[1]).map(|(a, b)| a + sign * b).collect()
        };
        let (difference, x) = project(&rows(&|s| both(s, -1.0)), false, DIFFERENCE_COMPONENTS);
        let (sum, z) = project(&rows(&|s| both(s, 1.0)), true, CONTEXT_COMPONENTS);
        let nothing = mean_of(used.iter().filter_map(|(_, states)| states.situation.as_deref()), width);
        let about = rows(&|s| s.situation.clone().unwrap_or_else(|| nothing.clone()));
        let (situation, w) = project(&about, true, CONTEXT_COMPONENTS);

        let keys: Vec<f64> = used.iter().flat_map(|(pair, _)| pair.difference(&values)).collect();
        let table = |of: &dyn Fn(f64) -> f32| Matrix {
            rows: used.len(),
            columns: values.len(),
            data: keys.iter().map(|key| of(*key)).collect(),
        };
        let published = PublishedValues::embedded();
        let weights: Vec<f64> = values.iter().map(|value| published.worth(value)).collect();
        let total = |row: &[f64]| row.iter().zip(&weights).map(|(key, weight)| key * weight).sum::<f64>() as f32;
        let overall = keys.chunks(values.len()).map(total).collect();
        let mut contexts = product(View::from(&z), View::from(&z).t());
        multiply(&mut contexts.data, Put::Add, 1.0, View::from(&w), View::from(&w).t());
        let data = Data {
            directions: product(View::from(&x), View::from(&x).t()),
            x,
            z,
            w,
            contexts,
            keys: table(&|key| key as f32),
            keyed: table(&|key| f32::from(u8::from(key != 0.0))),
            overall: Matrix { rows: used.len(), columns: 1, data: overall },
            folds: used.iter().map(|(pair, _)| pair.fold(FOLDS)).collect(),
            is_choosing: used.iter().map(|(pair, _)| pair.split() == Split::Choosing).collect(),
        };
        let choice = data.choose();
        let predicted = data.cross_validate(&choice);
        let (calibration, validity) = calibrate(&values, &data.keys, &predicted, choice.power);
        let slopes = overall_slopes(&calibration, &weights, &predicted, &data.overall);
        let all = vec![1.0; used.len()];
        let direct = Quantised::of(&data.by_component(&all, &choice, &data.overall));
        let used: Vec<KeyedPair> = used.iter().map(|(pair, _)| (*pair).clone()).collect();
        Ok(Self {
            model_key: model.key(),
            acts_hash: hash(&used),
            validity,
            layers: layers(model),
            context_weight: choice.context.sqrt(),
            direction: Quantised::of(&data.by_component(&all, &choice, &data.keys)),
            stakes: data.stakes_by_component(&all, choice.stake_penalty),
            values,
            difference,
            sum,
            situation,
            calibration,
            overall: Overall { direct, slopes, weights },
        })
    }
}

fn mean_of<'a>(states: impl Iterator<Item = &'a [f32]>, width: usize) -> Vec<f32> {
    let (mut sums, mut count) = (vec![0.0_f64; width], 0.0);
    for state in states {
        sums.iter_mut().zip(state).for_each(|(sum, entry)| *sum += f64::from(*entry));
        count += 1.0;
    }
    sums.iter().map(|sum| if count > 0.0 { (sum / count) as f32 } else { 0.0 }).collect()
}

/// Standardises rows so that a typical one has length one, and projects them on their first components.
fn project(rows: &Matrix, is_centred: bool, count: usize) -> (Projection, Matrix) {
    let width = rows.columns;
    let mean = if is_centred { mean_of(rows.data.chunks(width), width) } else { vec![0.0; width] };
    let mut squares = vec![0.0_f64; width];
    for row in rows.data.chunks(width) {
        let centred = row.iter().zip(&mean).map(|(entry, mean)| f64::from(entry - mean));
        squares.iter_mut().zip(centred).for_each(|(square, entry)| *square += entry * entry);
    }
    let scale: Vec<f32> = squares
        .iter()
        .map(|square| {
            let sd = (square / rows.rows as f64).sqrt();
            // An entry that never moves says nothing.
            if sd > 1e-6 { (1.0 / (sd * (width as f64).sqrt())) as f32 } else { 0.0 }
        })
        .collect();
    let standardised = Matrix {
        data: rows
            .data
            .chunks(width)
            .flat_map(|row| row.iter().zip(&mean).zip(&scale).map(|((entry, mean), scale)| (entry - mean) * scale))
            .collect(),
        ..*rows
    };
    let basis = Quantised::of(&components(&standardised, count));
    let projection = Projection { mean, scale, basis };
    // By the quantised components, as everything that is read later.
    let found: Vec<f32> = rows.data.chunks(width).flat_map(|row| projection.apply(row)).collect();
    let columns = projection.basis.rows;
    (projection, Matrix { rows: rows.rows, columns, data: found })
}

/// What was chosen among the ways to fit.
#[derive(Debug, Clone, Copy)]
struct Choice {
    stake_penalty: f32,
    direction_penalty: f32,
    /// Square of the weight of the context.
    context: f32,
    power: f64,
}

impl Data {
    fn kernel(&self, context: f32) -> Matrix {
        let data = self.directions.data.iter().zip(&self.contexts.data).map(|(x, c)| x * (1.0 + context * c));
        Matrix { data: data.collect(), ..self.directions }
    }

    /// Weights of ones for the rows that are learned from.
    fn learned(&self, is_held_out: impl Fn(usize) -> bool) -> Vec<f32> {
        (0..self.keys.rows).map(|row| f32::from(u8::from(!is_held_out(row)))).collect()
    }

    /// How likely each value is to be at stake in every pair, learned from the weighted rows.
    fn stakes(&self, weights: &[f32], penalty: f32) -> Matrix {
        let (base, coefficients) = self.stake_coefficients(weights, penalty);
        let mut stakes = product(View::from(&self.contexts), View::from(&coefficients));
        for row in stakes.data.chunks_mut(base.len()) {
            row.iter_mut().zip(&base).for_each(|(stake, base)| *stake = (*stake + base).clamp(STAKE_MIN as f32, 1.0));
        }
        stakes
    }

    /// Share of pairs that each value is keyed in, and what is learned beyond it.
    fn stake_coefficients(&self, weights: &[f32], penalty: f32) -> (Vec<f32>, Matrix) {
        let values = self.keyed.columns;
        let count: f32 = weights.iter().sum();
        let mut base = vec![0.0_f32; values];
        for (row, weight) in self.keyed.data.chunks(values).zip(weights) {
            base.iter_mut().zip(row).for_each(|(sum, keyed)| *sum += weight * keyed / count.max(1.0));
        }
        let mut y = self.keyed.clone();
        y.data.chunks_mut(values).for_each(|row| row.iter_mut().zip(&base).for_each(|(y, base)| *y -= base));
        (base, ridge(&self.contexts, weights, penalty, &y))
    }

    fn directions(&self, kernel: &Matrix, weights: &[f32], penalty: f32) -> Matrix {
        predict(kernel, weights, penalty, &self.keys)
    }

    /// Learns from what is for training, and takes what has the least squared error on what is for choosing.
    fn choose(&self) -> Choice {
        let weights = self.learned(|row| self.is_choosing[row]);
        let judged: Vec<usize> = (0..self.keys.rows).filter(|row| self.is_choosing[*row]).collect();
        let stake_error = |stakes: &Matrix| -> f64 {
            let of_row = |row: &usize| {
                let pairs = stakes.row(*row).iter().zip(self.keyed.row(*row));
                pairs.map(|(stake, keyed)| f64::from(stake - keyed).powi(2)).sum::<f64>()
            };
            judged.iter().map(of_row).sum()
        };
        let (stakes, stake_penalty) = least(STAKE_PENALTIES.iter().map(|penalty| {
            let stakes = self.stakes(&weights, *penalty);
            (stake_error(&stakes), (stakes, *penalty))
        }));
        let candidates = CONTEXT_WEIGHTS.iter().flat_map(|context| {
            let kernel = self.kernel(*context);
            let weights = &weights;
            let (stakes, judged) = (&stakes, &judged);
            DIRECTION_PENALTIES.iter().flat_map(move |penalty| {
                let direction = self.directions(&kernel, weights, *penalty);
                POWERS.map(|power| {
                    let choice = Choice { stake_penalty, direction_penalty: *penalty, context: *context, power };
                    (self.unexplained(&direction, stakes, judged, power), choice)
                })
            })
        });
        least(candidates)
    }

    /// Squared error that is left after the best common slope.
    fn unexplained(&self, direction: &Matrix, stakes: &Matrix, rows: &[usize], power: f64) -> f64 {
        let (mut uu, mut ud, mut dd) = (0.0, 0.0, 0.0);
        for row in rows {
            for ((r, s), d) in direction.row(*row).iter().zip(stakes.row(*row)).zip(self.keys.row(*row)) {
                let (u, d) = (f64::from(*s).powf(power) * f64::from(*r), f64::from(*d));
                uu += u * u;
                ud += u * d;
                dd += d * d;
            }
        }
        if uu > 0.0 { dd - ud * ud.max(0.0) / uu } else { dd }
    }

    /// Every pair as read by what was learned from the other parts.
    fn cross_validate(&self, choice: &Choice) -> Predicted {
        let kernel = self.kernel(choice.context);
        let (direction, stakes) = (self.keys.clone(), self.keys.clone());
        let mut predicted = Predicted { direction, stakes, overall: self.overall.clone() };
        let values = self.keys.columns;
        for fold in 0..FOLDS {
            let weights = self.learned(|row| self.folds[row] == fold);
            let direction = self.directions(&kernel, &weights, choice.direction_penalty);
            let stakes = self.stakes(&weights, choice.stake_penalty);
            let overall = predict(&kernel, &weights, choice.direction_penalty, &self.overall);
            for row in (0..self.keys.rows).filter(|row| self.folds[*row] == fold) {
                let at = row * values..(row + 1) * values;
                predicted.direction.data[at.clone()].copy_from_slice(direction.row(row));
                predicted.stakes.data[at].copy_from_slice(stakes.row(row));
                predicted.overall.data[row] = overall.data[row];
            }
        }
        predicted
    }

    /// W: columns of y x components of x (rows) by entries of c (columns).
    fn by_component(&self, weights: &[f32], choice: &Choice, y: &Matrix) -> Matrix {
        let coefficients = ridge(&self.kernel(choice.context), weights, choice.direction_penalty, y);
        let values = y.columns;
        let k = choice.context.sqrt();
        let context = |row: usize| {
            std::iter::once(1.0).chain(self.z.row(row).iter().chain(self.w.row(row)).map(move |entry| k * entry))
        };
        let rows = self.keys.rows;
        let columns = 1 + self.z.columns + self.w.columns;
        let contexts = Matrix { rows, columns, data: (0..rows).flat_map(context).collect() };
        let mut data = Vec::with_capacity(values * self.x.columns * columns);
        for value in 0..values {
            let mut weighted = self.x.clone();
            for (row, entries) in weighted.data.chunks_mut(self.x.columns).enumerate() {
                let coefficient = coefficients.row(row)[value];
                entries.iter_mut().for_each(|entry| *entry *= coefficient);
            }
            data.extend(product(View::from(&weighted).t(), View::from(&contexts)).data);
        }
        Matrix { rows: values * self.x.columns, columns, data }
    }

    /// b: values x (1 + components of z and w).
    fn stakes_by_component(&self, weights: &[f32], penalty: f32) -> Matrix {
        let (base, coefficients) = self.stake_coefficients(weights, penalty);
        let z = product(View::from(&coefficients).t(), View::from(&self.z));
        let w = product(View::from(&coefficients).t(), View::from(&self.w));
        let row = |value: usize| std::iter::once(base[value]).chain(z.row(value).iter().chain(w.row(value)).copied());
        Matrix { rows: base.len(), columns: 1 + z.columns + w.columns, data: (0..base.len()).flat_map(row).collect() }
    }
}

/// Every row as it is read by what is learned from the weighted ones.
fn predict(kernel: &Matrix, weights: &[f32], penalty: f32, y: &Matrix) -> Matrix {
    product(View::from(kernel), View::from(&ridge(kernel, weights, penalty, y)))
}

/// What has the least error; the first of equals.
fn least<T>(candidates: impl Iterator<Item = (f64, T)>) -> T {
    candidates
        .reduce(|best, next| if next.0 < best.0 { next } else { best })
        .map(|(_, chosen)| chosen)
        .expect("something is tried")
}

/// Slopes, error variances and validity from cross-validated readings.
fn calibrate(values: &[String], keys: &Matrix, predicted: &Predicted, power: f64) -> (Calibration, Vec<ValueValidity>) {
    let rows = keys.rows;
    // By value, for each pair: what is read before its slope, what is at stake, the key.
    let columns: Vec<Vec<[f64; 3]>> = (0..values.len())
        .map(|value| {
            (0..rows)
                .map(|row| {
                    let stake = f64::from(predicted.stakes.row(row)[value]);
                    let read = stake.powf(power) * f64::from(predicted.direction.row(row)[value]);
                    [read, stake, f64::from(keys.row(row)[value])]
                })
                .collect()
        })
        .collect();
    let validity: Vec<ValueValidity> = values
        .iter()
        .zip(&columns)
        .map(|(value, column)| {
            let keyed = column.iter().filter(|[_, _, key]| *key != 0.0);
            let sign = Share::of(keyed.map(|[read, _, key]| read * key > 0.0));
            ValueValidity { value: value.clone(), sign, is_readable: sign.low > 0.5 }
        })
        .collect();
    let moments =
        |column: &Vec<[f64; 3]>| column.iter().fold([0.0, 0.0], |[uu, ud], [u, _, d]| [uu + u * u, ud + u * d]);
    let by_value: Vec<[f64; 2]> = columns.iter().map(moments).collect();
    let [uu, ud] = by_value.iter().fold([0.0, 0.0], |[a, b], [c, d]| [a + c, b + d]);
    let common = if uu > 0.0 { (ud / uu).max(0.0) } else { 0.0 };
    let weight = SLOPE_SHRINKAGE * uu / values.len() as f64;
    let slope: Vec<f64> = by_value
        .iter()
        .zip(&validity)
        .map(|([uu, ud], validity)| {
            if validity.is_readable && uu + weight > 0.0 {
                ((ud + weight * common) / (uu + weight)).max(0.0)
            } else {
                0.0
            }
        })
        .collect();

    let read = |value: usize| {
        let slope = slope[value];
        columns[value].iter().map(move |[u, stake, d]| {
            let points = slope * u;
            ([1.0, *stake, points * points], (d - points).powi(2))
        })
    };
    let readable: Vec<usize> = (0..values.len()).filter(|value| slope[*value] > 0.0).collect();
    let error = error_model(readable.iter().flat_map(|value| read(*value)));
    let expected = |[a, b, c]: [f64; 3]| error[0] * a + error[1] * b + error[2] * c;
    let error_ratio = (0..values.len())
        .map(|value| {
            let (found, foreseen) =
                read(value).fold((0.0, 0.0), |(f, e), (row, square)| (f + square, e + expected(row)));
            if foreseen > 0.0 { (found / foreseen).clamp(*ERROR_RATIO.start(), *ERROR_RATIO.end()) } else { 1.0 }
        })
        .collect();
    let unread =
        columns.iter().map(|column| column.iter().map(|[_, _, d]| d * d).sum::<f64>() / rows.max(1) as f64).collect();
    (Calibration { power, slope, error, error_ratio, unread }, validity)
}

/// Logistic regression of which act is worth more to most people on both cross-validated readings of it; no intercept, since
/// acts have no order.
fn overall_slopes(calibration: &Calibration, weights: &[f64], predicted: &Predicted, overall: &Matrix) -> [f64; 2] {
    let cases: Vec<([f64; 2], f64)> = (0..overall.rows)
        .filter(|row| overall.data[*row].abs() >= WORTH_MIN)
        .map(|row| {
            let by_values = |(value, weight): (usize, &f64)| {
                let stake = f64::from(predicted.stakes.row(row)[value]);
                let direction = f64::from(predicted.direction.row(row)[value]);
                weight * calibration.slope[value] * stake.powf(calibration.power) * direction
            };
            let by_values: f64 = weights.iter().enumerate().map(by_values).sum();
            ([f64::from(predicted.overall.data[row]), by_values], f64::from(overall.data[row].signum()))
        })
        .collect();
    let mut slopes = [0.0_f64; 2];
    for _ in 0..50 {
        // Newton's steps, with a little shrinkage so that two readings that agree cannot run away from each other.
        let (mut gradient, mut curvature) =
            ([-SLOPE_RIDGE * slopes[0], -SLOPE_RIDGE * slopes[1]], [[SLOPE_RIDGE, 0.0], [0.0, SLOPE_RIDGE]]);
        for (read, sign) in &cases {
            let p = 1.0 / (1.0 + libm::exp(sign * (slopes[0] * read[0] + slopes[1] * read[1])));
            for (i, x) in read.iter().enumerate() {
                gradient[i] += sign * x * p;
                read.iter().enumerate().for_each(|(j, other)| curvature[i][j] += x * other * p * (1.0 - p));
            }
        }
        let determinant = curvature[0][0] * curvature[1][1] - curvature[0][1] * curvature[1][0];
        if determinant <= 0.0 {
            break;
        }
        slopes[0] += (curvature[1][1] * gradient[0] - curvature[0][1] * gradient[1]) / determinant;
        slopes[1] += (curvature[0][0] * gradient[1] - curvature[1][0] * gradient[0]) / determinant;
    }
    slopes
}

/// Non-negative least squares of squared errors on (1, stake, square of what is read), each relative to how large errors
/// are where so much is at stake.
fn error_model(rows: impl Iterator<Item = ([f64; 3], f64)>) -> [f64; 3] {
    let (mut xx, mut xy) = ([[0.0_f64; 3]; 3], [0.0_f64; 3]);
    for (row, square) in rows {
        let weight = 1.0 / (0.05 + row[1]).powi(2);
        for (i, x) in row.iter().enumerate() {
            xy[i] += weight * x * square;
            row.iter().enumerate().for_each(|(j, other)| xx[i][j] += weight * x * other);
        }
    }
    let mut error = [0.0_f64; 3];
    // Coordinate descent on three numbers.
    for _ in 0..2000 {
        for i in 0..3 {
            let others: f64 = (0..3).filter(|j| *j != i).map(|j| xx[i][j] * error[j]).sum();
            error[i] = if xx[i][i] > 0.0 { ((xy[i] - others) / xx[i][i]).max(0.0) } else { 0.0 };
        }
    }
    // Nobody's keys are exact.
    error[0] = error[0].max(1e-3);
    error
}
