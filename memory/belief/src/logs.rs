//! Sums of numbers that are given by their logarithms.

/// `ln sum exp`.
pub(crate) fn ln_sum_exp(ln: &[f64]) -> f64 {
    let top = ln.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if !top.is_finite() {
        return top;
    }
    top + libm::log(ln.iter().map(|x| libm::exp(x - top)).sum())
}

/// Turns logarithms into weights that sum to one; equal weights where nothing is finite.
pub(crate) fn softmax(ln: &mut [f64]) {
    let top = ln.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if !top.is_finite() {
        let even = 1.0 / ln.len() as f64;
        ln.fill(even);
        return;
    }
    let mut total = 0.0;
    for x in ln.iter_mut() {
        *x = libm::exp(*x - top);
        total += *x;
    }
    ln.iter_mut().for_each(|x| *x /= total);
}
