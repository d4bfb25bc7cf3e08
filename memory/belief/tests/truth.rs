//! Belief against the truth: quadrature in one and two dimensions, stored NUTS posteriors, simulated people.
#![allow(clippy::print_stdout)]

use credence_belief::bank::{Answers, converge_many, mean_and_interval};
use credence_belief::simulate::{CalibrationPlan, Evidence, calibrate, flat_priors};
use credence_belief::{Channel, Functional, Mixture, Observation, Question, Settings};
use serde::Deserialize;

fn phi_cdf(x: f64) -> f64 {
    0.5 * statrs::function::erf::erfc(-x / std::f64::consts::SQRT_2)
}

/// The flat prior of two weights, both scaled, on a grid; the exact mixture over three hypotheses with different lapses and scales.
#[test]
fn the_mixture_agrees_with_a_grid_over_weights_and_hypotheses() {
    let settings = Settings {
        signal_scales: vec![0.4, 2.0],
        lapse_rates: vec![0.02, 0.2],
        bands: vec![0.3, 1.0],
        slow_drift_weight: 0.0,
        ..Settings::default()
    };
    let mut priors = flat_priors(2);
    priors.scaled = vec![true; 2];
    let asked = [[1.0, 0.2], [0.3, -1.0], [1.5, 0.7], [-0.4, 0.9], [0.8, 0.8], [-1.2, 0.1], [0.1, 1.4], [2.0, -0.5]];
    let answered = [0, 1, 0, 2, 0, 1, 0, 0];
    let records: Vec<Observation> =
        asked.iter().zip(answered).map(|(a, o)| Question::choice(a.to_vec(), true).answer(o)).collect();
    let belief = Mixture::fold(&settings, &priors, &records).expect("sound");
    let (mut evidence, mut moments) = (Vec::new(), Vec::new());
    for h in belief.hypotheses() {
        let (n, reach) = (240, 7.0);
        let (mut z, mut first, mut second) = (0.0, [0.0; 2], [0.0; 2]);
        for i in 0..n {
            for j in 0..n {
                let x = [0, 1].map(|k| -reach + 2.0 * reach * (f64::from([i, j][k]) + 0.5) / f64::from(n));
                let w = [h.signal_scale * x[0], h.signal_scale * x[1]];
                let mut p = (-0.5 * (x[0] * x[0] + x[1] * x[1])).exp();
                for (a, o) in asked.iter().zip(answered) {
                    let u = a[0] * w[0] + a[1] * w[1];
                    let inside = match o {
                        0 => 1.0 - phi_cdf(h.band - u),
                        1 => phi_cdf(-h.band - u),
                        _ => phi_cdf(h.band - u) - phi_cdf(-h.band - u),
                    };
                    p *= (1.0 - h.lapse_rate) * inside + h.lapse_rate / 3.0;
                }
                z += p;
                for k in 0..2 {
                    first[k] += p * w[k];
                    second[k] += p * w[k] * w[k];
                }
            }
        }
        let cell = (2.0 * reach / f64::from(n)).powi(2) / (2.0 * std::f64::consts::PI);
        evidence.push(z * cell);
        moments.push([0, 1].map(|k| (first[k] / z, second[k] / z)));
        let off = h.log_marginal_likelihood - (z * cell).ln();
        assert!(off.abs() < 0.1, "ln Z of {h:?} is off by {off}");
    }
    let total: f64 = evidence.iter().sum();
    for (h, z) in belief.hypotheses().iter().zip(&evidence) {
        assert!((h.weight - z / total).abs() < 0.01, "{h:?} not {}", z / total);
    }
    for k in 0..2 {
        let mean: f64 = evidence.iter().zip(&moments).map(|(z, m)| z / total * m[k].0).sum();
        let square: f64 = evidence.iter().zip(&moments).map(|(z, m)| z / total * m[k].1).sum();
        let sd = (square - mean * mean).sqrt();
        let a: Vec<f64> = (0..2).map(|i| f64::from(u8::from(i == k))).collect();
        // Eight answers leave a skewed posterior, whose standard deviation a Gaussian undershoots and the shape shown does not.
        for (f, mean_off, sd_off) in [(&belief.weight(k), 0.05, 0.08), (&belief.marginals(&[a])[0], 0.02, 0.02)] {
            assert!((f.mean() - mean).abs() < mean_off * sd, "mean {k}: {} not {mean}", f.mean());
            assert!((f.sd() / sd - 1.0).abs() < sd_off, "sd {k}: {} not {sd}", f.sd());
        }
    }
}

/// Noise that depends on the weights, on a grid: what is shown is the posterior under the noise people have, not under its expectation.
#[test]
fn what_is_shown_agrees_with_a_grid_under_the_noise_that_people_have() {
    let (sigma, lapse) = (2.0, 0.05);
    let mut priors = flat_priors(2);
    priors.scaled = vec![true; 2];
    let asked = [[1.0, 0.2], [0.3, -1.0], [1.5, 0.7], [-0.4, 0.9], [0.8, 0.8], [-1.2, 0.1], [0.1, 1.4], [2.0, -0.5]];
    let error = [0.3, 0.8];
    let records: Vec<Observation> = asked
        .iter()
        .map(|a| {
            let question = Question::Comparison {
                difference: a.to_vec(),
                error: error.to_vec(),
                indifference_offered: false,
                channel: Channel::Choice,
                misreading: 0.0,
                question: None,
            };
            question.answer(usize::from(a[0] + 0.2 * a[1] < 0.0))
        })
        .collect();
    let belief = Mixture::fold(&Settings::single(sigma, lapse, 0.3), &priors, &records).expect("sound");
    let (n, reach) = (400, 7.0);
    let at = |i: i32| sigma * (-reach + 2.0 * reach * (f64::from(i) + 0.5) / f64::from(n));
    let mut sums = [[0.0; 3]; 2];
    for i in 0..n {
        for j in 0..n {
            let w = [at(i), at(j)];
            let noise = 1.0 + error[0] * w[0] * w[0] + error[1] * w[1] * w[1];
            let mut p = (-0.5 * (w[0] * w[0] + w[1] * w[1]) / (sigma * sigma)).exp();
            for a in &asked {
                let z = (a[0] * w[0] + a[1] * w[1]) / noise.sqrt();
                let right = phi_cdf(if a[0] + 0.2 * a[1] < 0.0 { -z } else { z });
                p *= (1.0 - lapse) * right + lapse / 2.0;
            }
            for (sums, w) in sums.iter_mut().zip(w) {
                [1.0, w, w * w].iter().zip(sums).for_each(|(x, sum)| *sum += p * x);
            }
        }
    }
    for (k, [mass, first, second]) in sums.into_iter().enumerate() {
        let (mean, sd) = (first / mass, (second / mass - (first / mass).powi(2)).sqrt());
        let axis: Vec<f64> = (0..2).map(|i| f64::from(u8::from(i == k))).collect();
        let (shown, gaussian) = (&belief.marginals(&[axis])[0], belief.weight(k));
        println!(
            "{k}: {mean:.3} {sd:.3}, shown {:.3} {:.3}, Gaussian {:.3} {:.3}",
            shown.mean(),
            shown.sd(),
            gaussian.mean(),
            gaussian.sd()
        );
        assert!((shown.mean() - mean).abs() < 0.1 * sd, "mean {k}: {} not {mean}", shown.mean());
        assert!((shown.sd() / sd - 1.0).abs() < 0.05, "sd {k}: {} not {sd}", shown.sd());
    }
}

#[derive(Deserialize)]
struct References {
    problems: Vec<Reference>,
}

#[derive(Deserialize)]
struct Reference {
    evidence: Evidence,
    /// Of the people's own noise `sum e_i w_i^2` rather than its expectation by equation (3).
    exact_error: bool,
    lapse: f64,
    band: f64,
    signal_scale: f64,
    dimension: usize,
    drift_records: Option<f64>,
    observations: Vec<Observation>,
    mean: Vec<f64>,
    sd: Vec<f64>,
    r_hat_max: f64,
    ess_bulk_min: f64,
    divergences: u64,
}

/// The promise of docs/belief.md: means within a tenth of a standard deviation, standard deviations within a twentieth. It is kept
/// by what people are shown; the Gaussians that belief is kept in miss the latter twice (5.3%, at the fixed point itself, and 6.2% by a
/// drift filter).
#[test]
fn moments_agree_with_stored_nuts_posteriors() {
    let text = include_str!("data/reference_posteriors.json");
    let references: References = serde_json::from_str(text).expect("the stored table");
    let mut misses = Vec::new();
    println!("| evidence | lapse | mean off (sd), Gaussian | sd off, Gaussian | R-hat | bulk ESS |");
    for reference in references.problems {
        assert!(reference.r_hat_max < 1.01 && reference.ess_bulk_min >= 10_000.0, "a reference must be one");
        assert!(reference.divergences < 100);
        let settings = Settings::single(reference.signal_scale, reference.lapse, reference.band);
        let settings = match reference.drift_records {
            Some(drift_records) => Settings { slow_drift_weight: 0.999, drift_records, ..settings },
            None => settings,
        };
        let d = reference.dimension;
        let belief = Mixture::fold(&settings, &flat_priors(d), &reference.observations).expect("sound");
        let axes: Vec<Vec<f64>> = (0..d).map(|i| (0..d).map(|j| f64::from(u8::from(i == j))).collect()).collect();
        let off = |marginals: Vec<Functional>| {
            marginals.iter().zip(reference.mean.iter().zip(&reference.sd)).fold(
                (0.0f64, 0.0f64),
                |worst, (f, (mean, sd))| {
                    (worst.0.max((f.mean() - mean).abs() / sd), worst.1.max((f.sd() / sd - 1.0).abs()))
                },
            )
        };
        let (shown, gaussian) = (off(belief.marginals(&axes)), off((0..d).map(|i| belief.weight(i)).collect()));
        let row = format!(
            "{}{}{} | {} | {:.3}, {:.3} | {:.3}, {:.3}",
            reference.evidence,
            if reference.exact_error { ", exact noise" } else { "" },
            if reference.drift_records.is_some() { ", drift" } else { "" },
            reference.lapse,
            shown.0,
            gaussian.0,
            shown.1,
            gaussian.1
        );
        println!("| {row} | {:.4} | {:.0} |", reference.r_hat_max, reference.ess_bulk_min);
        // The filter of a drifting hypothesis is held to 7% (6.2% once), what is shown of it as all else.
        let own_off = if reference.drift_records.is_some() { 0.07 } else { 0.055 };
        // Of measurement error there are two problems with the same answers. The Gaussian is to reproduce that with the noise of
        // equation (3); what is shown, by (19) and (21), that with the noise that people have.
        let exact = reference.exact_error;
        let (own, theirs) = (!exact, exact || reference.evidence != Evidence::Error);
        if theirs && (shown.0 > 0.1 || shown.1 > 0.05) || own && (gaussian.0 > 0.1 || gaussian.1 > own_off) {
            misses.push(row);
        }
    }
    assert!(misses.is_empty(), "outside .1 sd or 5%: {misses:#?}");
}

/// Short simulation-based calibration. The distance of 250 ranks from uniform stays inside Massart's band but for one run in
/// 10,000; coverage of 90% intervals within four standard errors (one in 16,000). The long form is `credence eval calibration`.
#[test]
fn beliefs_are_calibrated() {
    let seed = 11;
    println!("seed {seed}");
    let check = |settings: &Settings, evidence, answers, simulations| {
        let priors = &flat_priors(4);
        let plan = CalibrationPlan { settings, priors, evidence, answers: &[answers], simulations, seed };
        let c = &calibrate(&plan, &|| ()).expect("sound")[0];
        let (coverage, distance, band) = (c.coverage(0.9), c.distance(), c.band(1e-4));
        println!("{evidence} after {answers}: 90% intervals cover {coverage:.3}, distance {distance:.3} of {band:.3}");
        let four = 4.0 * (0.09 / simulations as f64).sqrt();
        assert!(distance < band && (coverage - 0.9).abs() < four, "{evidence}: {coverage} {distance} {band}");
    };
    for evidence in Evidence::ALL {
        check(&Settings::single(1.5, 0.1, 0.5), evidence, 12, 250);
    }
    let drifting = Settings { slow_drift_weight: 0.999, drift_records: 40.0, ..Settings::single(1.5, 0.1, 0.5) };
    check(&drifting, Evidence::Choice, 20, 250);
    let mixture = Settings { signal_scales: vec![0.4, 1.5, 5.0], lapse_rates: vec![0.02, 0.2], ..Settings::default() };
    for evidence in [Evidence::Choice, Evidence::ChoiceOrNeither, Evidence::Verdict] {
        check(&mixture, evidence, 20, 250);
    }
}

/// For one who answers at random the mean mass on low signal is at least .8 after 60 chosen questions, over 200 seeds.
#[test]
fn random_answers_are_recognised() {
    for offered in [false, true] {
        let runs =
            converge_many(&Settings::default(), Answers::AtRandom, offered, 120, &[20, 60], 0..200).expect("sound");
        for k in 0..2 {
            let low: Vec<f64> = runs.iter().map(|run| run[k].low_signal).collect();
            let (mean, lo, hi) = mean_and_interval(&low);
            println!(
                "no preference offered: {offered}; {} answers: {mean:.3} ({lo:.3} to {hi:.3})",
                runs[0][k].answers
            );
            assert!(k == 0 || lo >= 0.8, "mean mass on low signal {mean:.3} ({lo:.3} to {hi:.3})");
        }
    }
}

/// For one who answers by values the believed values approach the true ones and the intervals shrink; and is not taken for random.
#[test]
fn consistent_people_are_understood() {
    let runs =
        converge_many(&Settings::default(), Answers::Consistent(5.0), true, 120, &[0, 10, 60], 0..24).expect("sound");
    let mean = |k: usize, f: fn(&credence_belief::bank::Moment) -> f64| {
        runs.iter().map(|run| f(&run[k])).sum::<f64>() / runs.len() as f64
    };
    let agreement: Vec<f64> = (0..3).map(|k| mean(k, |m| m.agreement)).collect();
    let width: Vec<f64> = (0..3).map(|k| mean(k, |m| m.width)).collect();
    println!("agreement {agreement:?}, width {width:?}, low signal {:.3}", mean(2, |m| m.low_signal));
    assert!(agreement[0] < agreement[1] && agreement[1] < agreement[2] && agreement[2] > 0.8, "{agreement:?}");
    assert!(width[2] < width[0], "{width:?}");
    assert!(mean(2, |m| m.low_signal) < 0.05);
}
