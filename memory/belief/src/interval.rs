//! Interval observations: a noisy latent `y = z + n` was seen to lie in `(lo, hi]` (docs/belief.md, equations 4, 7 and 8).

use serde::{Deserialize, Serialize};

use super::normal::{SQRT_TAU, cdf, density, mills};

/// How much more important.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Strength {
    /// Slightly.
    Slight,
    /// Clearly.
    Clear,
    /// Strongly.
    Strong,
}

/// The outcomes of one kind of question: intervals that cover the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Outcomes {
    /// First or second.
    Two,
    /// First, second, neither.
    Band,
    /// Levels, lowest first; a verdict has three.
    Levels(u32),
    /// Slight, clear, strong; then the mirrors.
    Importance,
    /// At least so much, or not.
    AtLeast(Strength),
}

/// The least that "clearly more" and "much more" say, in noise units of the latent; "slightly more" says: more.
const CLEAR: f64 = 0.5;
const STRONG: f64 = 1.0;

impl Outcomes {
    /// How many there are.
    pub(crate) fn count(self) -> usize {
        match self {
            Self::Two => 2,
            Self::Band => 3,
            Self::Levels(levels) => levels as usize,
            Self::Importance => 6,
            Self::AtLeast(_) => 2,
        }
    }

    /// `(lo, hi)` of one outcome under half width `delta`.
    pub(crate) fn bounds(self, outcome: usize, delta: f64) -> (f64, f64) {
        const INF: f64 = f64::INFINITY;
        match (self, outcome) {
            (Self::Two, 0) => (0.0, INF),
            (Self::Two, _) => (-INF, 0.0),
            (Self::Band, 0) => (delta, INF),
            (Self::Band, 1) => (-INF, -delta),
            (Self::Band, _) => (-delta, delta),
            (Self::Levels(levels), k) => {
                let threshold = |k: usize| delta * (2.0 * k as f64 - f64::from(levels));
                (
                    if k == 0 { -INF } else { threshold(k) },
                    if k + 1 >= levels as usize { INF } else { threshold(k + 1) },
                )
            }
            (Self::Importance, k) => {
                let (lo, hi) = [(0.0, CLEAR), (CLEAR, STRONG), (STRONG, INF)][k % 3];
                if k < 3 { (lo, hi) } else { (-hi, -lo) }
            }
            (Self::AtLeast(strength), 0) => (least(strength), INF),
            (Self::AtLeast(strength), _) => (-INF, least(strength)),
        }
    }

    /// Whether the bounds depend on `delta`.
    pub(crate) fn uses_band(self) -> bool {
        matches!(self, Self::Band | Self::Levels(_))
    }

    /// The outermost finite thresholds.
    pub(crate) fn reach(self, delta: f64) -> f64 {
        match self {
            Self::Two => 0.0,
            Self::Band => delta,
            Self::Levels(levels) => delta * f64::from(levels.saturating_sub(2)),
            Self::Importance => STRONG,
            Self::AtLeast(strength) => least(strength),
        }
    }
}

/// What is at least said.
fn least(strength: Strength) -> f64 {
    match strength {
        Strength::Slight => 0.0,
        Strength::Clear => CLEAR,
        Strength::Strong => STRONG,
    }
}

/// One answer as an interval: the bounds in units of the latent noise, the lapse rate in force, the number of outcomes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct IntervalLikelihood {
    pub(crate) lo: f64,
    pub(crate) hi: f64,
    pub(crate) lapse: f64,
    pub(crate) outcomes: usize,
}

/// Mass, mean and variance of a standard normal cut to `(l, u]`, each formed without cancellation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Truncated {
    /// `ln P(l < x <= u)`.
    pub(crate) ln_mass: f64,
    pub(crate) mass: f64,
    pub(crate) mean: f64,
    pub(crate) variance: f64,
}

/// Moments of a standard normal on `(l, u]`.
pub(crate) fn truncated(l: f64, u: f64) -> Truncated {
    if l == f64::NEG_INFINITY {
        let t = above(-u);
        return Truncated { mean: -t.mean, ..t };
    }
    if u == f64::INFINITY {
        return above(l);
    }
    if l + u < 0.0 {
        let t = between(-u, -l);
        return Truncated { mean: -t.mean, ..t };
    }
    between(l, u)
}

/// `(l, inf)`.
fn above(l: f64) -> Truncated {
    if l < 0.0 {
        let mass = cdf(-l);
        let mean = density(l) / mass;
        return Truncated { ln_mass: libm::log(mass), mass, mean, variance: (1.0 - mean * (mean - l)).clamp(0.0, 1.0) };
    }
    let ratio = mills(l);
    let mean = 1.0 / ratio;
    let variance = if l < 25.0 {
        (1.0 - mean * (mean - l)).clamp(0.0, 1.0)
    } else {
        let r = 1.0 / (l * l);
        r * (1.0 - r * (6.0 - r * (50.0 - r * 518.0)))
    };
    let mass = density(l) * ratio;
    let ln_mass = if l < 30.0 { libm::log(mass) } else { -0.5 * l * l + libm::log(ratio / SQRT_TAU) };
    Truncated { ln_mass, mass, mean, variance }
}

/// `(l, u]`, both finite, `l + u >= 0`.
fn between(l: f64, u: f64) -> Truncated {
    let width = u - l;
    let centre = 0.5 * (l + u);
    if width * centre.max(1.0) < 1e-3 {
        // So narrow that the density is flat: midpoint with its first correction.
        let curve = 1.0 + (centre * centre - 1.0) * width * width / 24.0;
        return Truncated {
            ln_mass: -0.5 * centre * centre + libm::log((width * curve / SQRT_TAU).max(f64::MIN_POSITIVE)),
            mass: density(centre) * width * curve,
            mean: centre - centre * width * width / 12.0,
            variance: width * width / 12.0,
        };
    }
    if l < 0.0 {
        let mass = cdf(-l) - cdf(-u);
        let (fl, fu) = (density(l), density(u));
        let mean = (fl - fu) / mass;
        let variance = (1.0 + (l * fl - u * fu) / mass - mean * mean).clamp(0.0, 1.0);
        return Truncated { ln_mass: libm::log(mass), mass, mean, variance };
    }
    // Relative to the density at `l`: phi(u) / phi(l) = exp(-(u - l)(u + l) / 2).
    let fall = libm::exp(-width * centre);
    let ratio = mills(l) - fall * mills(u);
    let mean = (1.0 - fall) / ratio;
    let variance = if l < 25.0 {
        (1.0 + (l - u * fall) / ratio - mean * mean).clamp(0.0, 1.0)
    } else {
        // Nearly exponential with rate `l`, cut at `width`.
        let cut = width * libm::exp(-0.5 * l * width) / (1.0 - libm::exp(-l * width));
        (1.0 / (l * l) - cut * cut).clamp(0.0, 1.0)
    };
    let ln_mass = -0.5 * l * l + libm::log(ratio / SQRT_TAU);
    Truncated { ln_mass, mass: libm::exp(ln_mass), mean, variance }
}

/// Tilted moments of one site against a cavity `N(mu, v)`, without units: with `s^2 = v + noise`,
/// `gradient = s alpha`, `curvature = s^2 beta`, `rest = 1 - curvature` (kept apart because it may be tiny).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tilt {
    pub(crate) ln_z: f64,
    pub(crate) gradient: f64,
    pub(crate) curvature: f64,
    pub(crate) rest: f64,
    /// Variance of the latent given `z`.
    pub(crate) noise: f64,
}

/// Equation (7): the tilt of a lapsing interval observation. `v >= 0`; `noise > 0`, or `v > 0`.
pub(crate) fn tilt(mu: f64, v: f64, noise: f64, seen: IntervalLikelihood) -> Tilt {
    let s = (v + noise).sqrt();
    let t = truncated((seen.lo - mu) / s, (seen.hi - mu) / s);
    if seen.lapse == 0.0 {
        return Tilt { ln_z: t.ln_mass, gradient: t.mean, curvature: 1.0 - t.variance, rest: t.variance, noise };
    }
    let kept = (1.0 - seen.lapse) * t.mass;
    let z = kept + seen.lapse / seen.outcomes as f64;
    let k = kept / z;
    let spread = k * (1.0 - k) * t.mean * t.mean;
    Tilt {
        ln_z: libm::log(z),
        gradient: k * t.mean,
        curvature: k * (1.0 - t.variance) - spread,
        rest: (1.0 - k) + k * t.variance + spread,
        noise,
    }
}

/// Equation (4): probability of an interval given the latent's mean and variance.
pub(crate) fn probability(mu: f64, variance: f64, seen: IntervalLikelihood) -> f64 {
    let s = variance.sqrt();
    let (l, u) = ((seen.lo - mu) / s, (seen.hi - mu) / s);
    let inside = if l == f64::NEG_INFINITY {
        cdf(u)
    } else if u == f64::INFINITY {
        cdf(-l)
    } else if l + u > 0.0 {
        (cdf(-l) - cdf(-u)).max(0.0)
    } else {
        (cdf(u) - cdf(l)).max(0.0)
    };
    (1.0 - seen.lapse) * inside + seen.lapse / seen.outcomes as f64
}

/// One record's Gaussian factor `C exp(nu z - tau z^2 / 2)` in the attenuated functional `z`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct ScalarSite {
    pub(crate) tau: f64,
    pub(crate) nu: f64,
    pub(crate) ln_c: f64,
}

impl ScalarSite {
    /// Equation (8): the site that turns the cavity `N(mu, v)` into the tilted moments, `ln_c` left to [`ScalarSite::normalise`].
    pub(crate) fn from_tilt(tilt: &Tilt, mu: f64, v: f64) -> Self {
        let s = (v + tilt.noise).sqrt();
        let left = tilt.noise + v * tilt.rest;
        Self { tau: tilt.curvature / left, nu: (tilt.gradient * s + mu * tilt.curvature) / left, ln_c: 0.0 }
    }

    /// Equation (8): `ln C`, so that the site integrates to `Z` against its cavity.
    pub(crate) fn normalise(&mut self, ln_z: f64, mu: f64, v: f64) {
        let grown = 1.0 + v * self.tau;
        self.ln_c =
            ln_z + 0.5 * libm::log(grown) - (self.nu * (self.nu * v + 2.0 * mu) - self.tau * mu * mu) / (2.0 * grown);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `(ln Z, mean, variance)` of `z` by a plain Riemann sum.
    fn quadrature(mu: f64, v: f64, seen: IntervalLikelihood) -> (f64, f64, f64) {
        let (n, sd) = (40_000, v.sqrt());
        let (mut z0, mut z1, mut z2) = (0.0, 0.0, 0.0);
        for i in 0..n {
            let x = -12.0 + 24.0 * (f64::from(i) + 0.5) / f64::from(n);
            let z = mu + sd * x;
            let p = statrs::function::erf::erfc;
            let inside = 0.5 * (p((seen.lo - z) / 2f64.sqrt()) - p((seen.hi - z) / 2f64.sqrt()));
            let w = (-0.5 * x * x).exp() * ((1.0 - seen.lapse) * inside + seen.lapse / seen.outcomes as f64);
            z0 += w;
            z1 += w * x;
            z2 += w * x * x;
        }
        let (mean, square) = (z1 / z0, z2 / z0);
        ((z0 * 24.0 / f64::from(n) / SQRT_TAU).ln(), mu + sd * mean, v * (square - mean * mean))
    }

    #[test]
    fn tilted_moments_agree_with_quadrature() {
        let forms = [
            Outcomes::Two,
            Outcomes::Band,
            Outcomes::Levels(3),
            Outcomes::Levels(5),
            Outcomes::Importance,
            Outcomes::AtLeast(Strength::Clear),
        ];
        for form in forms {
            for outcome in 0..form.count() {
                for (mu, v) in [(0.0, 1.0), (1.3, 0.2), (-2.0, 4.0), (0.4, 25.0)] {
                    for lapse in [0.0, 0.02, 0.3] {
                        let (lo, hi) = form.bounds(outcome, 0.6);
                        let seen = IntervalLikelihood { lo, hi, lapse, outcomes: form.count() };
                        let t = tilt(mu, v, 1.0, seen);
                        let s = (1.0 + v).sqrt();
                        let (ln_z, mean, variance) = quadrature(mu, v, seen);
                        let got = (t.ln_z, mu + v * t.gradient / s, v * (1.0 + v * t.rest) / (1.0 + v));
                        let case = format!("{form:?} {outcome} N({mu}, {v}) lapse {lapse}");
                        assert!((got.0 - ln_z).abs() < 1e-6, "{case}: ln Z {} not {ln_z}", got.0);
                        assert!((got.1 - mean).abs() < 1e-6, "{case}: mean {} not {mean}", got.1);
                        assert!(
                            (got.2 - variance).abs() < 1e-5 * v.max(1.0),
                            "{case}: variance {} not {variance}",
                            got.2
                        );
                        // The site reproduces the tilted distribution.
                        let mut site = ScalarSite::from_tilt(&t, mu, v);
                        site.normalise(t.ln_z, mu, v);
                        let grown = 1.0 / v + site.tau;
                        assert!((1.0 / grown - got.2).abs() < 1e-9 * v.max(1.0));
                        assert!(((mu / v + site.nu) / grown - got.1).abs() < 1e-9);
                    }
                }
            }
        }
    }

    #[test]
    fn outcomes_cover_the_line() {
        for form in [
            Outcomes::Two,
            Outcomes::Band,
            Outcomes::Levels(2),
            Outcomes::Levels(7),
            Outcomes::Importance,
            Outcomes::AtLeast(Strength::Strong),
        ] {
            for mu in [-30.0, -1.0, 0.0, 0.4, 8.0] {
                let total: f64 = (0..form.count())
                    .map(|k| {
                        let (lo, hi) = form.bounds(k, 0.3);
                        probability(mu, 2.0, IntervalLikelihood { lo, hi, lapse: 0.1, outcomes: form.count() })
                    })
                    .sum();
                assert!((total - 1.0).abs() < 1e-12, "{form:?} at {mu}: {total}");
            }
        }
    }

    #[test]
    fn a_site_integrates_to_z_against_its_cavity() {
        let seen = IntervalLikelihood { lo: 0.3, hi: f64::INFINITY, lapse: 0.1, outcomes: 3 };
        let (mu, v) = (-1.1, 2.5);
        let t = tilt(mu, v, 1.0, seen);
        let mut site = ScalarSite::from_tilt(&t, mu, v);
        site.normalise(t.ln_z, mu, v);
        let n = 20_000;
        let sum: f64 = (0..n)
            .map(|i| {
                let x = -12.0 + 24.0 * (f64::from(i) + 0.5) / f64::from(n);
                let z = mu + v.sqrt() * x;
                density(x) * (site.ln_c + site.nu * z - 0.5 * site.tau * z * z).exp()
            })
            .sum();
        assert!(((sum * 24.0 / f64::from(n)).ln() - t.ln_z).abs() < 1e-9);
    }

    #[test]
    fn nothing_breaks_far_out() {
        let mut looked_at = 0;
        for l in [-1e300, -1e8, -40.0, -1e-9, 0.0, 1e-9, 24.999, 25.001, 37.0, 39.0, 1e4, 1e8] {
            for width in [1e-12, 1e-6, 1e-3, 0.1, 1.0, 50.0, f64::INFINITY] {
                let t = truncated(l, l + width);
                if l + width > l && t.mass.is_finite() {
                    assert!(!t.ln_mass.is_nan() && !t.mean.is_nan(), "({l}, {l} + {width}]: {t:?}");
                    assert!((0.0..=1.0).contains(&t.variance), "({l}, {l} + {width}]: {t:?}");
                    let rounding = 1e-9 * l.abs().max(1.0);
                    assert!(t.mean >= l - rounding && t.mean <= l + width + rounding, "({l}, {l} + {width}]: {t:?}");
                    looked_at += 1;
                }
            }
        }
        assert!(looked_at > 40, "{looked_at} of 84 have a finite mass");
        // Both sides of the change of formula.
        let (low, high) = (truncated(24.999_999, 25.699_999), truncated(25.000_001, 25.700_001));
        assert!((low.variance / high.variance - 1.0).abs() < 0.02, "{low:?} {high:?}");
    }
}
