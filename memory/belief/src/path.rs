//! A drifting person's values as one path, for what is shown (docs/belief.md, section 6).
//!
//! The filter believes about the weights at the time of the next record; its sites belong to earlier ones. What the records are about,
//! `z_i = a_i . w(t_i)`, is jointly normal before any answer, so a belief over all `z` at once has every site at its own time: it is
//! one more Gaussian belief, with a unit vector for each direction, and is refined and given its shape like any other.

use super::datum::Datum;
use super::gaussian::{Gaussian, PriorMoments};
use super::history::History;
use super::hypothesis::{Hypothesis, Posterior, Prior};
use super::settings::Settings;
use super::symmetric::{add_scaled, dot, multiply};

/// With more functionals than this the filter is shown as it is: a sweep costs their third power.
const FUNCTIONALS_MAX: usize = 128;
/// Share of a functional's variance that is its own, so that alternatives which depend on one another have a factorisation.
const OWN: f64 = 1e-9;

/// A belief over the functionals of all records, each at its own time.
pub(crate) struct Path {
    pub(crate) hypothesis: Hypothesis,
    pub(crate) prior: Prior,
    pub(crate) history: History,
    /// `r^(T - t_i) V_0 a_i` of each, `T` the time of the next record.
    ahead: Vec<Vec<f64>>,
}

impl Hypothesis {
    /// The path of a drifting hypothesis; nothing for others, without records and with too many.
    pub(crate) fn path(&self, settings: &Settings, prior: &Prior, history: &History) -> Option<Path> {
        let Prior::Gaussian(moments) = prior else { return None };
        let d = moments.mean.len();
        let size: usize = history.records.iter().map(|record| functionals(record).len() / d).sum();
        if !self.drifts() || size == 0 || size > FUNCTIONALS_MAX {
            return None;
        }
        // A record's place in time: answers to one question share the first one's.
        let clock = history.clock();
        let time = |index: usize| history.timeline.iter().position(|i| *i as usize == index).map(|at| clock[at]);
        let (mut mean, mut covariance, mut ahead, mut rows, mut times) =
            (Vec::new(), Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut records = Vec::new();
        let kept = |ticks: usize| libm::pow(self.retention, ticks as f64);
        for (index, record) in history.records.iter().enumerate() {
            let (at, start) = (time(index)?, rows.len());
            for a in functionals(record).chunks_exact(d) {
                let mut pulled = vec![0.0; d];
                multiply(&moments.covariance, a, &mut pulled);
                rows.push(a);
                times.push(at);
                mean.push(dot(a, &moments.mean));
                covariance.extend(rows.iter().zip(&times).map(|(b, t)| kept(at - t) * dot(b, &pulled)));
                if let Some(own) = covariance.last_mut() {
                    *own = (*own * (1.0 + OWN)).max(OWN);
                }
                let mut later = vec![0.0; d];
                add_scaled(&mut later, kept(clock[history.timeline.len()] - at), &pulled);
                ahead.push(later);
            }
            records.push((start, record));
        }
        let path = PriorMoments::new(&mean, &covariance, &vec![false; size], 1.0)?;
        // The error that (3) expects, as one of the functional's own.
        let unit = |at: usize, size_of: f64| (0..size).map(move |i| if i == at { size_of } else { 0.0 });
        let error = |at: usize, error: &[f64]| unit(at, self.error_variance(prior, error) / path.second[at]);
        let records = records.into_iter().map(|(start, record)| match record {
            Datum::Interval { error: e, answers, key, .. } => Datum::Interval {
                direction: unit(start, 1.0).collect(),
                error: if e.is_empty() { Vec::new() } else { error(start, e).collect() },
                answers: answers.clone(),
                key: *key,
            },
            Datum::Ranking { n, error: e, places, order, .. } => Datum::Ranking {
                n: *n,
                features: (0..*n).flat_map(|k| unit(start + k, 1.0)).collect(),
                error: e.chunks_exact(d).enumerate().flat_map(|(k, e)| error(start + k, e)).collect(),
                places: *places,
                order: order.clone(),
            },
        });
        let history = History { records: records.collect(), timeline: (0..history.records.len() as u32).collect() };
        let mut hypothesis = Self {
            retention: 1.0,
            ln_marginal: 0.0,
            posterior: Posterior::Gaussian { belief: Gaussian::prior(&path), sites: Vec::new() },
            ..self.clone()
        };
        let (prior, mut g) = (Prior::Gaussian(path), Vec::new());
        for record in &history.records {
            hypothesis.append(settings, &prior, record, &mut g);
        }
        hypothesis.refine(settings, &prior, &history, &mut g);
        Some(Path { hypothesis, prior, history, ahead })
    }
}

impl Path {
    /// Functionals of the path.
    pub(crate) fn size(&self) -> usize {
        self.ahead.len()
    }

    /// Mean and variance of `a . w` at the time of the next record, and its covariance with the functionals of the path.
    pub(crate) fn ahead(&self, start: &PriorMoments, a: &[f64], along: &mut [f64]) -> Option<(f64, f64)> {
        let (Some(belief), Prior::Gaussian(prior)) = (self.hypothesis.gaussian(), &self.prior) else { return None };
        let with: Vec<f64> = self.ahead.iter().map(|v| dot(a, v)).collect();
        let pull = prior.solve(&with);
        multiply(&belief.covariance, &pull, along);
        let apart: Vec<f64> = belief.mean.iter().zip(&prior.mean).map(|(m, p)| m - p).collect();
        let mut g = vec![0.0; a.len()];
        multiply(&start.covariance, a, &mut g);
        let variance = dot(a, &g) - dot(&with, &pull) + dot(&pull, along);
        Some((dot(a, &start.mean) + dot(&pull, &apart), variance))
    }
}

/// What a record is about, in rows.
fn functionals(record: &Datum) -> &[f64] {
    match record {
        Datum::Interval { direction, .. } => direction,
        Datum::Ranking { features, .. } => features,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulate::flat_priors;
    use crate::{Channel, Mixture, Observation, Places, Question};

    const D: usize = 3;

    fn drifting(observations: &[Observation]) -> Mixture {
        let settings = Settings { slow_drift_weight: 0.9, drift_records: 20.0, ..Settings::single(1.5, 0.1, 0.5) };
        Mixture::fold(&settings, &flat_priors(D), observations).expect("sound")
    }

    /// The drifting hypothesis, its prior and its records.
    fn with_drift<T>(mixture: &Mixture, f: impl FnOnce(&Hypothesis, &Prior, &History, &Settings) -> T) -> T {
        let (settings, priors, hypotheses, readings) = mixture.parts();
        let h = hypotheses.iter().find(|h| h.drifts()).expect("drift is among the hypotheses");
        f(h, &priors[h.prior], &readings[h.reading].history, settings)
    }

    #[test]
    fn of_one_answer_path_and_filter_know_the_same() {
        let mixture = drifting(&[Question::choice(vec![1.0, -0.5, 0.2], true).answer(0)]);
        with_drift(&mixture, |h, prior, history, settings| {
            let (Prior::Gaussian(moments), Some(filter)) = (prior, h.gaussian()) else { panic!("a Gaussian") };
            let path = h.path(settings, prior, history).expect("a path");
            for a in [[1.0, 0.0, 0.0], [0.3, 2.0, -1.0]] {
                let (mean, variance) = path.ahead(moments, &a, &mut [0.0]).expect("a place");
                let (m, v) = filter.functional(&a, &mut [0.0; D]);
                assert!((mean - m).abs() < 1e-6 && (variance / v - 1.0).abs() < 1e-6, "{mean} {variance}: {m} {v}");
            }
        });
    }

    #[test]
    fn dependent_alternatives_are_sound_and_too_many_records_are_left_to_the_filter() {
        let same = vec![vec![0.5, 0.1, 0.0]; 5];
        let ranking = Question::Ranking {
            features: same,
            error: vec![vec![0.1; D]; 5],
            places: Places::First(5),
            channel: Channel::Choice,
        };
        let mixture = drifting(&[ranking.answer(0), Question::choice(vec![0.0; D], false).answer(1)]);
        with_drift(&mixture, |h, prior, history, settings| {
            assert!(h.path(settings, prior, history).is_some());
        });
        let axes: Vec<Vec<f64>> = (0..D).map(|i| (0..D).map(|j| f64::from(u8::from(i == j))).collect()).collect();
        for shown in mixture.marginals(&axes) {
            assert!(shown.mean().is_finite() && shown.sd() > 0.0, "{} {}", shown.mean(), shown.sd());
        }
        let many = vec![Question::choice(vec![1.0, 0.3, 0.0], false).answer(0); FUNCTIONALS_MAX + 1];
        with_drift(&drifting(&many), |h, prior, history, settings| {
            assert!(h.path(settings, prior, history).is_none());
        });
    }
}
