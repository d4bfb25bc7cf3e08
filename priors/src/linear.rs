//! The linear algebra that features and the elicited prior need, on plain vectors.

use nalgebra::{DMatrix, DVector, SymmetricEigen};

/// Mean and sample standard deviation.
pub(crate) fn mean_sd(values: impl Iterator<Item = f64> + Clone) -> (f64, f64) {
    let count = values.clone().count();
    if count == 0 {
        return (0.0, 0.0);
    }
    let mean = values.clone().sum::<f64>() / count as f64;
    if count == 1 {
        return (mean, 0.0);
    }
    let squares: f64 = values.map(|value| (value - mean) * (value - mean)).sum();
    (mean, (squares / (count - 1) as f64).sqrt())
}

/// Subtracts from each row the mean of the rows with the same group.
pub(crate) fn centre_within(rows: &[Vec<f64>], groups: &[usize]) -> Vec<Vec<f64>> {
    let width = rows.first().map_or(0, Vec::len);
    let count = groups.iter().max().map_or(0, |largest| largest + 1);
    let mut sums = vec![vec![0.0; width]; count];
    let mut sizes = vec![0.0; count];
    for (row, &group) in rows.iter().zip(groups) {
        sizes[group] += 1.0;
        sums[group].iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
    }
    rows.iter()
        .zip(groups)
        .map(|(row, &group)| row.iter().zip(&sums[group]).map(|(value, sum)| value - sum / sizes[group]).collect())
        .collect()
}

/// Posterior of `y = X b + noise` with `b ~ N(0, tau^2 I)` and noise `N(0, sigma^2)`.
#[derive(Debug, Clone)]
pub(crate) struct Regression {
    pub(crate) mean: DVector<f64>,
    pub(crate) covariance: DMatrix<f64>,
    /// sigma, chosen with tau by maximum marginal likelihood.
    pub(crate) noise_sd: f64,
    /// Share of the variance of y explained by the posterior mean.
    pub(crate) r2: f64,
}

/// Ratios sigma^2 / tau^2 tried, as powers of ten: from "the data decide" to "the prior decides".
const RATIO_EXPONENTS: std::ops::RangeInclusive<i32> = -8..=16;

/// Bayesian linear regression with both scales chosen by maximum marginal likelihood (type II; Bishop, Pattern
/// Recognition and Machine Learning, section 3.5), on a grid of their ratio: given the ratio the rest is closed form.
/// `lost` degrees of freedom were spent on centring.
pub(crate) fn regress(x: &DMatrix<f64>, y: &DVector<f64>, lost: usize) -> Regression {
    let width = x.ncols();
    let n = (x.nrows().saturating_sub(lost)).max(1) as f64;
    let eigen = SymmetricEigen::new(x.transpose() * x);
    let xty = eigen.eigenvectors.transpose() * (x.transpose() * y);
    let yty = y.norm_squared();
    let best = RATIO_EXPONENTS
        .map(|exponent| {
            // In half decades.
            let ratio = 10_f64.powf(f64::from(exponent) / 2.0);
            let mut fitted = 0.0;
            let mut ln_det = 0.0;
            for (eigenvalue, projection) in eigen.eigenvalues.iter().zip(xty.iter()) {
                let eigenvalue = eigenvalue.max(0.0);
                fitted += projection * projection / (eigenvalue + ratio);
                ln_det += (1.0 + eigenvalue / ratio).ln();
            }
            let noise_variance = ((yty - fitted) / n).max(f64::MIN_POSITIVE);
            let ln_likelihood = -0.5 * (n * noise_variance.ln() + ln_det);
            (ln_likelihood, ratio, noise_variance)
        })
        .fold((f64::NEG_INFINITY, 1.0, 1.0), |best, next| if next.0 > best.0 { next } else { best });
    let (_, ratio, noise_variance) = best;
    let inverse = DVector::from_iterator(width, eigen.eigenvalues.iter().map(|value| 1.0 / (value.max(0.0) + ratio)));
    let mean = &eigen.eigenvectors * inverse.component_mul(&xty);
    let covariance =
        &eigen.eigenvectors * DMatrix::from_diagonal(&(inverse * noise_variance)) * eigen.eigenvectors.transpose();
    let residual = (y - x * &mean).norm_squared();
    let r2 = if yty > 0.0 { 1.0 - residual / yty } else { 0.0 };
    Regression { mean, covariance, noise_sd: noise_variance.sqrt(), r2 }
}

/// The first `count` principal components of centred `rows`, as directions of length one, largest variance first. Each
/// points to where its largest entry is positive, so that signs are the same every time.
pub(crate) fn principal_components(rows: &[Vec<f64>], count: usize) -> Vec<Vec<f64>> {
    let width = rows.first().map_or(0, Vec::len);
    if rows.is_empty() || width == 0 {
        return Vec::new();
    }
    // Rows are fewer than columns, so their inner products make the smaller matrix.
    let matrix = DMatrix::from_fn(rows.len(), width, |row, column| rows[row][column]);
    let eigen = SymmetricEigen::new(&matrix * matrix.transpose());
    let mut order: Vec<usize> = (0..rows.len()).collect();
    order.sort_by(|&a, &b| eigen.eigenvalues[b].total_cmp(&eigen.eigenvalues[a]));
    order
        .into_iter()
        .take(count.min(width))
        .filter(|&index| eigen.eigenvalues[index] > 1e-9 * eigen.eigenvalues.max())
        .map(|index| {
            let direction = (matrix.transpose() * eigen.eigenvectors.column(index)).normalize();
            let sign = direction[direction.iamax()].signum();
            direction.iter().map(|entry| entry * sign).collect()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(i: usize) -> f64 {
        // Any fixed irregular numbers of mean about 0 and sd about 1 do.
        ((i as f64 * 12.9898).sin() * 43758.5453).fract() * 1.7
    }

    #[test]
    fn regression_finds_planted_weights() {
        let x = DMatrix::from_fn(200, 3, |row, column| noise(row * 3 + column));
        let y = DVector::from_fn(200, |row, _| 2.0 * x[(row, 0)] - x[(row, 1)] + 0.1 * noise(row + 5000));
        let fit = regress(&x, &y, 0);
        for (found, planted) in fit.mean.iter().zip([2.0, -1.0, 0.0]) {
            assert!((found - planted).abs() < 0.05, "{}", fit.mean);
        }
        assert!(fit.r2 > 0.99 && (fit.noise_sd - 0.1).abs() < 0.03, "{} {}", fit.r2, fit.noise_sd);
    }

    #[test]
    fn regression_on_noise_shrinks_to_nothing() {
        let x = DMatrix::from_fn(100, 5, |row, column| noise(row * 5 + column));
        let y = DVector::from_fn(100, |row, _| noise(row + 7000));
        let fit = regress(&x, &y, 0);
        assert!(fit.mean.norm() < 0.25, "{}", fit.mean);
    }

    #[test]
    fn the_first_component_is_the_planted_one() {
        let rows: Vec<Vec<f64>> =
            (0..50).map(|i| vec![3.0 * noise(i), 0.1 * noise(i + 100), -3.0 * noise(i)]).collect();
        let rows = centre_within(&rows, &[0; 50]);
        let components = principal_components(&rows, 2);
        let expected = [0.5_f64.sqrt(), 0.0, -(0.5_f64.sqrt())];
        for (found, planted) in components[0].iter().zip(expected) {
            assert!((found.abs() - planted.abs()).abs() < 0.02, "{components:?}");
        }
    }

    #[test]
    fn groups_are_centred_apart() {
        let rows = vec![vec![1.0], vec![3.0], vec![10.0], vec![30.0]];
        assert_eq!(centre_within(&rows, &[0, 0, 1, 1]), vec![vec![-1.0], vec![1.0], vec![-10.0], vec![10.0]]);
        assert_eq!(mean_sd([1.0, 3.0].into_iter()), (2.0, 2_f64.sqrt()));
    }
}
