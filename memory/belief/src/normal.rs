//! The standard normal distribution: density, tails of any size, quantiles, and two correlated variables.
//!
//! Everything goes through the crate `libm`, so the same build gives the same bits whatever the platform's own library does.

use std::f64::consts::{FRAC_1_SQRT_2, PI};

/// `sqrt(2 pi)`.
pub(crate) const SQRT_TAU: f64 = 2.506_628_274_631_000_5;
/// `ln sqrt(2 pi)`.
pub(crate) const LN_SQRT_TAU: f64 = 0.918_938_533_204_672_8;

/// Density `phi(x)`.
pub fn density(x: f64) -> f64 {
    libm::exp(-0.5 * x * x) / SQRT_TAU
}

/// Distribution function `Phi(x)`, with full relative precision in the lower tail.
pub fn cdf(x: f64) -> f64 {
    0.5 * libm::erfc(-x * FRAC_1_SQRT_2)
}

/// `P(x > 0)`, `x ~ N(mu, v)`; a half where it is exactly nothing.
pub(crate) fn above_zero(mu: f64, v: f64) -> f64 {
    if v > 0.0 {
        cdf(mu / v.sqrt())
    } else if mu == 0.0 {
        0.5
    } else {
        f64::from(u8::from(mu > 0.0))
    }
}

/// `E[max(x, 0)]`, `x ~ N(mu, v)`: equation (16).
pub fn positive_part(mu: f64, v: f64) -> f64 {
    if v <= 0.0 {
        return mu.max(0.0);
    }
    let s = v.sqrt();
    let t = mu / s;
    (s * (density(t) + t * cdf(t))).max(mu.max(0.0))
}

/// `ln Phi(x)` for `x` of any size.
pub fn ln_cdf(x: f64) -> f64 {
    if x > 0.0 {
        libm::log1p(-cdf(-x))
    } else if x > -10.0 {
        libm::log(cdf(x))
    } else {
        -0.5 * x * x - LN_SQRT_TAU + libm::log(mills(-x))
    }
}

/// Mills ratio `(1 - Phi(x)) / phi(x)` for `x >= 0` (below zero it grows like `1 / phi`).
pub fn mills(x: f64) -> f64 {
    if x < 25.0 {
        0.5 * libm::erfc(x * FRAC_1_SQRT_2) * SQRT_TAU * libm::exp(0.5 * x * x)
    } else {
        let r = 1.0 / (x * x);
        (1.0 - r * (1.0 - 3.0 * r * (1.0 - 5.0 * r * (1.0 - 7.0 * r * (1.0 - 9.0 * r))))) / x
    }
}

/// Quantile of the standard normal, `p` in (0, 1): Wichura's AS 241, relative error below 1e-15.
pub fn quantile(p: f64) -> f64 {
    let q = p - 0.5;
    if q.abs() <= 0.425 {
        let r = 0.180_625 - q * q;
        return q * horner(&CENTRAL_NUMERATOR, r) / horner(&CENTRAL_DENOMINATOR, r);
    }
    let tail = if q < 0.0 { p } else { 1.0 - p };
    if tail <= 0.0 {
        return if q < 0.0 { f64::NEG_INFINITY } else { f64::INFINITY };
    }
    let r = (-libm::log(tail)).sqrt();
    let x = if r <= 5.0 {
        horner(&MIDDLE_NUMERATOR, r - 1.6) / horner(&MIDDLE_DENOMINATOR, r - 1.6)
    } else {
        horner(&FAR_NUMERATOR, r - 5.0) / horner(&FAR_DENOMINATOR, r - 5.0)
    };
    if q < 0.0 { -x } else { x }
}

fn horner(coefficients: &[f64; 8], x: f64) -> f64 {
    coefficients.iter().rev().fold(0.0, |sum, &c| sum * x + c)
}

const CENTRAL_NUMERATOR: [f64; 8] = [
    3.387_132_872_796_366_5,
    1.331_416_678_917_843_8e2,
    1.971_590_950_306_551_3e3,
    1.373_169_376_550_946e4,
    4.592_195_393_154_987e4,
    6.726_577_092_700_87e4,
    3.343_057_558_358_813e4,
    2.509_080_928_730_122_7e3,
];
const CENTRAL_DENOMINATOR: [f64; 8] = [
    1.0,
    4.231_333_070_160_091e1,
    6.871_870_074_920_579e2,
    5.394_196_021_424_751e3,
    2.121_379_430_158_659_7e4,
    3.930_789_580_009_271e4,
    2.872_908_573_572_194_3e4,
    5.226_495_278_852_545e3,
];
const MIDDLE_NUMERATOR: [f64; 8] = [
    1.423_437_110_749_683_5,
    4.630_337_846_156_546,
    5.769_497_221_460_691,
    3.647_848_324_763_204_5,
    1.270_458_252_452_368_4,
    2.417_807_251_774_506e-1,
    2.272_384_498_926_918_4e-2,
    7.745_450_142_783_414e-4,
];
const MIDDLE_DENOMINATOR: [f64; 8] = [
    1.0,
    2.053_191_626_637_759,
    1.676_384_830_183_803_8,
    6.897_673_349_851e-1,
    1.481_039_764_274_800_8e-1,
    1.519_866_656_361_645_7e-2,
    5.475_938_084_995_345e-4,
    1.050_750_071_644_416_9e-9,
];
const FAR_NUMERATOR: [f64; 8] = [
    6.657_904_643_501_103,
    5.463_784_911_164_114,
    1.784_826_539_917_291_3,
    2.965_605_718_285_048_7e-1,
    2.653_218_952_657_612_4e-2,
    1.242_660_947_388_078_4e-3,
    2.711_555_568_743_487_6e-5,
    2.010_334_399_292_288_1e-7,
];
const FAR_DENOMINATOR: [f64; 8] = [
    1.0,
    5.998_322_065_558_88e-1,
    1.369_298_809_227_358e-1,
    1.487_536_129_085_061_5e-2,
    7.868_691_311_456_133e-4,
    1.846_318_317_510_054_8e-5,
    1.421_511_758_316_446e-7,
    2.044_263_103_389_939_8e-15,
];

/// Positive halves of Gauss-Legendre rules on `[-1, 1]`: (node, weight).
pub(crate) const LEGENDRE_6: [(f64, f64); 3] = [
    (0.932_469_514_203_152, 0.171_324_492_379_170_36),
    (0.661_209_386_466_264_5, 0.360_761_573_048_138_6),
    (0.238_619_186_083_196_9, 0.467_913_934_572_691),
];
pub(crate) const LEGENDRE_12: [(f64, f64); 6] = [
    (0.981_560_634_246_719_3, 0.047_175_336_386_511_83),
    (0.904_117_256_370_474_9, 0.106_939_325_995_318_43),
    (0.769_902_674_194_304_7, 0.160_078_328_543_346_2),
    (0.587_317_954_286_617_5, 0.203_167_426_723_065_92),
    (0.367_831_498_998_180_2, 0.233_492_536_538_354_8),
    (0.125_233_408_511_468_9, 0.249_147_045_813_402_8),
];
pub(crate) const LEGENDRE_20: [(f64, f64); 10] = [
    (0.993_128_599_185_094_9, 0.017_614_007_139_152_118),
    (0.963_971_927_277_913_8, 0.040_601_429_800_386_94),
    (0.912_234_428_251_326, 0.062_672_048_334_109_06),
    (0.839_116_971_822_218_8, 0.083_276_741_576_704_75),
    (0.746_331_906_460_150_8, 0.101_930_119_817_240_44),
    (0.636_053_680_726_515, 0.118_194_531_961_518_42),
    (0.510_867_001_950_827_1, 0.131_688_638_449_176_63),
    (0.373_706_088_715_419_56, 0.142_096_109_318_382_05),
    (0.227_785_851_141_645_08, 0.149_172_986_472_603_75),
    (0.076_526_521_133_497_33, 0.152_753_387_130_725_85),
];

/// Nodes of the longest rule.
const NODES_MAX: usize = 20;

/// Two standard normals of one correlation, whose tails are wanted at many places: what depends on the correlation alone is worked out
/// once. Genz's improvement (2004) of Drezner and Wesolowsky, absolute error about 1e-15.
pub(crate) struct Correlated {
    r: f64,
    angle: f64,
    /// Sine, 1 less its square, and weight of each node; none for correlations so strong that another formula holds.
    nodes: [(f64, f64, f64); NODES_MAX],
    count: usize,
}

impl Correlated {
    /// With this correlation.
    pub(crate) fn new(r: f64) -> Self {
        let mut found = Self { r, angle: 0.0, nodes: [(0.0, 1.0, 0.0); NODES_MAX], count: 0 };
        if r.abs() < 0.925 {
            found.angle = libm::asin(r);
            for &(x, w) in rule(r) {
                for side in [-x, x] {
                    let sine = libm::sin(0.5 * found.angle * (side + 1.0));
                    found.nodes[found.count] = (sine, 1.0 - sine * sine, w);
                    found.count += 1;
                }
            }
        }
        found
    }

    /// `P(X > h, Y > k)`.
    pub(crate) fn upper(&self, h: f64, k: f64) -> f64 {
        if self.r.abs() < 1e-300 {
            return cdf(-h) * cdf(-k);
        }
        if self.count == 0 {
            return nearly_one(h, k, self.r);
        }
        let half_square = 0.5 * (h * h + k * k);
        let mut sum = 0.0;
        for &(sine, rest, w) in &self.nodes[..self.count] {
            sum += w * libm::exp((sine * h * k - half_square) / rest);
        }
        (sum * self.angle / (4.0 * PI) + cdf(-h) * cdf(-k)).clamp(0.0, 1.0)
    }
}

fn rule(r: f64) -> &'static [(f64, f64)] {
    if r.abs() < 0.3 {
        &LEGENDRE_6
    } else if r.abs() < 0.75 {
        &LEGENDRE_12
    } else {
        &LEGENDRE_20
    }
}

/// `P(X > h, Y > k)` of two standard normals with correlation `r`.
pub fn bivariate_upper(h: f64, k: f64, r: f64) -> f64 {
    Correlated::new(r).upper(h, k)
}

/// The same where the correlation is near 1 or -1.
fn nearly_one(h: f64, k: f64, r: f64) -> f64 {
    let (k, product) = if r < 0.0 { (-k, -h * k) } else { (k, h * k) };
    let mut p = 0.0;
    if r.abs() < 1.0 {
        let square = (1.0 - r) * (1.0 + r);
        let mut a = square.sqrt();
        let gap = (h - k) * (h - k);
        let c = (4.0 - product) / 8.0;
        let d = (12.0 - product) / 16.0;
        let exponent = -0.5 * (gap / square + product);
        if exponent > -100.0 {
            p = a
                * libm::exp(exponent)
                * (1.0 - c * (gap - square) * (1.0 - d * gap / 5.0) / 3.0 + c * d * square * square / 5.0);
        }
        if product > -100.0 {
            let b = gap.sqrt();
            p -= libm::exp(-0.5 * product) * SQRT_TAU * cdf(-b / a) * b * (1.0 - c * gap * (1.0 - d * gap / 5.0) / 3.0);
        }
        a *= 0.5;
        for &(x, w) in rule(r) {
            for side in [-x, x] {
                let xs = (a * (side + 1.0)) * (a * (side + 1.0));
                let rs = (1.0 - xs).sqrt();
                let exponent = -0.5 * (gap / xs + product);
                if exponent > -100.0 {
                    p += a
                        * w
                        * libm::exp(exponent)
                        * (libm::exp(-product * xs / (2.0 * (1.0 + rs) * (1.0 + rs))) / rs
                            - (1.0 + c * xs * (1.0 + d * xs)));
                }
            }
        }
        p /= -2.0 * PI;
    }
    if r > 0.0 {
        p += cdf(-h.max(k));
    } else {
        p = -p;
        if k > h {
            p += if h < 0.0 { cdf(k) - cdf(h) } else { cdf(-h) - cdf(-k) };
        }
    }
    p.clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use statrs::distribution::{ContinuousCDF, Normal};

    #[test]
    fn agrees_with_statrs_in_the_middle_and_with_the_tail_expansion_outside() {
        let reference = Normal::standard();
        for i in -60..=60 {
            let x = f64::from(i) / 10.0;
            assert!((cdf(x) - reference.cdf(x)).abs() < 1e-9, "Phi({x})");
        }
        // Abramowitz and Stegun table 26.2: -log10 of the upper tail.
        for (x, minus_log10) in [(10.0, 23.118_05), (20.0, 88.560_10), (50.0, 544.966_34), (500.0, 54_289.908_30)] {
            let got = -ln_cdf(-x) / std::f64::consts::LN_10;
            assert!((got - minus_log10).abs() < 1e-5, "{x}: {got}");
        }
        for x in [24.999_999, 25.000_001, 9.999_999, 10.000_001] {
            let slope = (ln_cdf(-x - 1e-4) - ln_cdf(-x + 1e-4)) / 2e-4;
            assert!((slope + 1.0 / mills(x)).abs() < 1e-6 * x, "the derivative of ln Phi at -{x}");
        }
        assert!(ln_cdf(-1e8).is_finite() && ln_cdf(40.0) <= 0.0);
    }

    #[test]
    fn quantiles_invert() {
        for p in [1e-300, 1e-20, 1e-5, 0.02, 0.3, 0.5, 0.7, 0.999, 1.0 - 1e-12] {
            let back = cdf(quantile(p));
            assert!((back / p - 1.0).abs() < 1e-10, "{p} came back as {back}");
        }
    }

    #[test]
    fn two_variables() {
        // P(X > 0, Y > 0) = 1/4 + asin(r) / 2 pi.
        for r in [-0.999, -0.95, -0.5, -0.1, 0.0, 0.2, 0.5, 0.8, 0.93, 0.9999] {
            let expected = 0.25 + libm::asin(r) / (2.0 * PI);
            assert!((bivariate_upper(0.0, 0.0, r) - expected).abs() < 1e-14, "r = {r}");
        }
        // Against one-dimensional quadrature of phi(x) Phi((r x - k) / sqrt(1 - r^2)).
        for (h, k, r) in [(0.5, -1.2, 0.6), (-2.0, 1.0, -0.97), (1.5, 1.4, 0.97), (-3.0, -0.2, 0.3), (2.0, 2.5, -0.6)] {
            let n = 40_000;
            let step = (9.0 - h) / f64::from(n);
            let sum: f64 = (0..n)
                .map(|i| {
                    let x: f64 = h + (f64::from(i) + 0.5) * step;
                    density(x) * cdf((r * x - k) / f64::sqrt(1.0 - r * r))
                })
                .sum();
            assert!((bivariate_upper(h, k, r) - sum * step).abs() < 1e-8, "{h} {k} {r}");
        }
    }
}
