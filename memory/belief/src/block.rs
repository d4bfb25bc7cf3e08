//! A ranking's site: a Gaussian factor in the utilities of its alternatives (docs/belief.md, section 4).

use serde::{Deserialize, Serialize};

use super::dense;
use super::ranking;

/// A ranking's factor `C exp(nu . u - u' tau u / 2)` in the `n` utilities.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct BlockSite {
    pub(crate) tau: Vec<f64>,
    pub(crate) nu: Vec<f64>,
    pub(crate) ln_c: f64,
}

impl BlockSite {
    /// The site that turns the cavity `N(u, s)` into the tilted moments: `tau = (I - beta s)^-1 beta`,
    /// `nu = (I - beta s)^-1 (alpha + beta u)`.
    pub(crate) fn from_tilt(t: &ranking::RankingTilt, u: &[f64], s: &[f64]) -> Option<Self> {
        let n = u.len();
        let negative: Vec<f64> = t.beta.iter().map(|b| -b).collect();
        let left = dense::identity_plus(&negative, s, n);
        let pull: Vec<f64> = t.alpha.iter().zip(dense::apply(&t.beta, u)).map(|(a, b)| a + b).collect();
        let (mut tau, _) = dense::solve(&left, &t.beta, n, n)?;
        let (nu, _) = dense::solve(&left, &pull, n, 1)?;
        dense::symmetrise(&mut tau, n);
        let mut block = Self { tau, nu, ln_c: 0.0 };
        block.normalise(t.ln_z, u, s).then_some(block)
    }

    /// `ln C`, so that the site integrates to `Z` against its cavity.
    pub(crate) fn normalise(&mut self, ln_z: f64, u: &[f64], s: &[f64]) -> bool {
        let n = u.len();
        let grown = dense::identity_plus(&self.tau, s, n);
        let tau_u = dense::apply(&self.tau, u);
        let residual: Vec<f64> = self.nu.iter().zip(&tau_u).map(|(a, b)| a - b).collect();
        let Some((solved, ln_det)) = dense::solve(&grown, &residual, n, 1) else { return false };
        let s_solved = dense::apply(s, &solved);
        let exponent = dense::dot(&self.nu, u) - 0.5 * dense::dot(u, &tau_u) + 0.5 * dense::dot(&residual, &s_solved);
        self.ln_c = ln_z + 0.5 * ln_det - exponent;
        self.ln_c.is_finite()
    }

    /// The cavity left when this site is taken out of the marginal `N(u, s)`.
    pub(crate) fn remove(&self, u: &[f64], s: &[f64]) -> Option<(Vec<f64>, Vec<f64>)> {
        let n = u.len();
        let negative: Vec<f64> = self.tau.iter().map(|t| -t).collect();
        let left = dense::identity_plus(s, &negative, n);
        let (mut cavity, _) = dense::solve(&left, s, n, n)?;
        dense::symmetrise(&mut cavity, n);
        let pulled: Vec<f64> = u.iter().zip(dense::apply(s, &self.nu)).map(|(u, x)| u - x).collect();
        let (mean, _) = dense::solve(&left, &pulled, n, 1)?;
        let sound = (0..n).all(|i| cavity[i * n + i] >= 0.0) && cavity.iter().chain(&mean).all(|x| x.is_finite());
        sound.then_some((mean, cavity))
    }
}
