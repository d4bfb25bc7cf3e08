//! What a question is worth: information gain, expected utility of the best option, value of information (docs/belief.md, section 7).

use rand::Rng;
use serde::{Deserialize, Serialize};

use super::decision::{first_max, positive_part};
use super::dense;
use super::finite::OrderTable;
use super::hypothesis::{Hypothesis, Prior, shared_share};
use super::interval::{Outcomes, Seen, probability};
use super::mixture::Mixture;
use super::observation::{Answer, IntervalQuestion, Prepared, Question, RankingQuestion, Record, lapse};
use super::points::normal_points;
use super::ranking;
use super::retest;
use super::symmetric::{add_scaled, dot, rows};
use super::tabulated::{Nodes, Tabulated, entropy_term};
use super::triple;

/// How the next question is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// Equation (15): nats about values and hypotheses together.
    InformationGain,
    /// Equation (16): expected utility of the better alternative.
    Eubo,
    /// Equation (17): how much a decision is expected to improve.
    ValueOfInformation,
    /// Entropy of the predicted answer: a baseline that also likes noise.
    MaxUncertainty,
    /// A number from the generator: a baseline.
    Random,
}

/// What some strategies need beside the questions.
#[derive(Clone, Copy, Debug, Default)]
pub struct Context<'a> {
    /// Raw features of the alternatives a decision is to be made among, for the value of information.
    pub decision: &'a [Vec<f64>],
    /// Raw features of the second alternative of each question, for [`Strategy::Eubo`]; empty counts them as zero.
    pub second: &'a [Vec<f64>],
}

/// Weight of hypotheses that may be left out of scores.
const NEGLIGIBLE: f64 = 1e-3;
/// Candidates scored side by side, so that one pass over a covariance serves them all.
const LANES: usize = 8;
/// Pairs of points for rankings; orders of many outcomes get fewer, at least eight.
const POINTS: usize = 48;
/// Pairs of points for the best of three without measurement error, where a point costs little.
const POINTS_OF_THREE: usize = 256;
/// Tables of entropies are made for this many attenuations and interpolated between.
const SCALES: f64 = 32.0;

/// Scores questions; greater is better. Information in nats, utilities in noise units.
///
/// # Panics
/// When a question does not pass [`Question::check`], or the lengths in `context` do not fit.
pub fn score(
    mixture: &Mixture,
    questions: &[Question],
    strategy: Strategy,
    context: &Context<'_>,
    rng: &mut impl Rng,
) -> Vec<f64> {
    match strategy {
        Strategy::Random => questions.iter().map(|_| (rng.next_u64() >> 11) as f64 / (1u64 << 53) as f64).collect(),
        Strategy::Eubo => questions.iter().enumerate().map(|(i, q)| eubo(mixture, q, context.second.get(i))).collect(),
        Strategy::ValueOfInformation => {
            questions.iter().map(|q| value_of_information(mixture, q, context.decision)).collect()
        }
        Strategy::InformationGain => expected_information(mixture, questions).iter().map(Expected::gain).collect(),
        Strategy::MaxUncertainty => expected_information(mixture, questions).iter().map(|e| e.total).collect(),
    }
}

/// Equation (15) for each question: nats, between 0 and `ln` of the number of outcomes.
pub fn expected_information_gain(mixture: &Mixture, questions: &[Question]) -> Vec<f64> {
    expected_information(mixture, questions).iter().map(Expected::gain).collect()
}

/// Entropy of the answer as predicted, and what of it would remain if everything were known.
struct Expected {
    total: f64,
    noise: f64,
}

impl Expected {
    fn gain(&self) -> f64 {
        (self.total - self.noise).clamp(0.0, self.total)
    }
}

/// The heaviest hypotheses, with weights that sum to 1, in their own order.
fn heaviest(mixture: &Mixture) -> Vec<(usize, f64)> {
    let weights = mixture.weights();
    let mut order: Vec<usize> = (0..weights.len()).collect();
    order.sort_by(|&a, &b| weights[a].total_cmp(&weights[b]).then(b.cmp(&a)));
    let mut left_out = 0.0;
    let light = order.iter().take_while(|&&i| {
        left_out += weights[i];
        left_out < NEGLIGIBLE
    });
    let mut keep: Vec<usize> = order[light.count()..].to_vec();
    keep.sort_unstable();
    let total: f64 = keep.iter().map(|&i| weights[i]).sum();
    keep.into_iter().map(|i| (i, weights[i] / total)).collect()
}

fn expected_information(mixture: &Mixture, questions: &[Question]) -> Vec<Expected> {
    let (settings, priors, hypotheses, history) = mixture.parts();
    let prepared: Vec<Prepared> = questions
        .iter()
        .map(|q| {
            assert!(q.check(mixture.dimension()).is_ok(), "questions are checked before they are scored");
            q.prepare(settings)
        })
        .collect();
    let repeats: Vec<Option<usize>> = prepared.iter().map(|q| mixture.repeated(q)).collect();
    let nodes = Nodes::new();
    let mut sums: Vec<(Vec<f64>, f64)> = questions.iter().map(|q| (vec![0.0; q.outcome_count()], 0.0)).collect();
    let fresh: Vec<(usize, &IntervalQuestion)> = prepared
        .iter()
        .enumerate()
        .filter_map(|(i, q)| match q {
            Prepared::Interval(q) if repeats[i].is_none() => Some((i, q)),
            _ => None,
        })
        .collect();
    let blocks = Blocks::new(&fresh, mixture.dimension());
    let mut tables = Tables::default();
    let mut points = Points::default();
    let mut orders: Vec<Option<OrderTable>> = questions.iter().map(|_| None).collect();
    for (index, weight) in heaviest(mixture) {
        let h = &hypotheses[index];
        let prior = &priors[h.prior];
        match (h.gaussian(), h.finite(), prior) {
            (Some(belief), _, _) => {
                blocks.each(&belief.mean, &belief.covariance, |k, mean, variance| {
                    let (i, q) = fresh[k];
                    let scale = h.attenuation(prior, &q.error);
                    let (mean, variance) = (mean * scale, variance * scale * scale);
                    predict_into(h, q, scale, mean, variance, weight, &mut sums[i].0);
                    sums[i].1 += weight * tables.expected_entropy(h, q, scale, mean, variance, &nodes);
                });
            }
            (_, Some(finite), Prior::Finite(atoms)) => {
                let masses = finite.masses();
                for &(i, q) in &fresh {
                    let scale = h.attenuation(prior, &q.error);
                    for (z, mass) in atoms.values(&q.direction).zip(&masses) {
                        let share = weight * mass;
                        predict_into(h, q, scale, z * scale, 0.0, share, &mut sums[i].0);
                        sums[i].1 += share * tables.expected_entropy(h, q, scale, z * scale, 0.0, &nodes);
                    }
                }
            }
            _ => unreachable!("a hypothesis is Gaussian or finite"),
        }
        for (i, q) in prepared.iter().enumerate() {
            match (q, repeats[i]) {
                (Prepared::Ranking(q), _) => {
                    each_ranking(h, prior, q, &mut points, &mut orders[i], |share, p| {
                        add_scaled(&mut sums[i].0, weight * share, p);
                        sums[i].1 += weight * share * p.iter().map(|&p| entropy_term(p)).sum::<f64>();
                    });
                }
                (Prepared::Interval(q), Some(site)) => {
                    let rho = |scale: f64| shared_share(settings, scale);
                    each_answer_again(h, prior, &history.records[site], q, rho, &nodes, |share, p| {
                        add_scaled(&mut sums[i].0, weight * share, p);
                        sums[i].1 += weight * share * p.iter().map(|&p| entropy_term(p)).sum::<f64>();
                    });
                }
                (Prepared::Interval(_), None) => {}
            }
        }
    }
    sums.into_iter()
        .map(|(mut p, noise)| {
            let total: f64 = p.iter().sum();
            p.iter_mut().for_each(|p| *p /= total);
            Expected { total: p.iter().map(|&p| entropy_term(p)).sum(), noise }
        })
        .collect()
}

/// Adds `weight` times the probabilities of all outcomes.
fn predict_into(
    h: &Hypothesis,
    q: &IntervalQuestion,
    scale: f64,
    mean: f64,
    variance: f64,
    weight: f64,
    out: &mut [f64],
) {
    let seen = |outcome| h.seen(Answer { outcomes: q.outcomes, outcome, misreading: q.misreading }, scale);
    let mut rest = 1.0;
    let last = out.len() - 1;
    for (k, sum) in out[..last].iter_mut().enumerate() {
        let p = probability(mean, 1.0 + variance, seen(k));
        rest -= p;
        *sum += weight * p;
    }
    out[last] += weight * rest.max(0.0);
}

/// Entropy tables by outcomes, band, lapse and attenuation, made when first needed.
#[derive(Default)]
struct Tables(Vec<(Outcomes, [u64; 3], Tabulated)>);

impl Tables {
    fn expected_entropy(
        &mut self,
        h: &Hypothesis,
        q: &IntervalQuestion,
        scale: f64,
        mean: f64,
        variance: f64,
        nodes: &Nodes,
    ) -> f64 {
        let lapse = lapse(h.lapse_rate, q.misreading);
        let band = if q.outcomes.uses_band() { h.band } else { 0.0 };
        if !q.outcomes.uses_band() || scale == 1.0 {
            return self.table(q.outcomes, band, 1.0, lapse).expectation(mean, variance, nodes);
        }
        let step = (scale * SCALES).floor();
        let part = scale * SCALES - step;
        let low = self.table(q.outcomes, band, step / SCALES, lapse).expectation(mean, variance, nodes);
        let high = self.table(q.outcomes, band, (step + 1.0) / SCALES, lapse).expectation(mean, variance, nodes);
        low + part * (high - low)
    }

    fn table(&mut self, outcomes: Outcomes, band: f64, scale: f64, lapse: f64) -> &Tabulated {
        let key = [band.to_bits(), scale.to_bits(), lapse.to_bits()];
        let found = self.0.iter().position(|(o, k, _)| *o == outcomes && *k == key);
        let index = found.unwrap_or_else(|| {
            self.0.push((outcomes, key, Tabulated::new(outcomes, band, scale, lapse, entropy_term)));
            self.0.len() - 1
        });
        &self.0[index].2
    }
}

/// Directions of many candidates in lanes: entry `j` of eight candidates stands together.
struct Blocks {
    lanes: Vec<f64>,
    count: usize,
    dimension: usize,
}

impl Blocks {
    fn new(questions: &[(usize, &IntervalQuestion)], dimension: usize) -> Self {
        let mut lanes = vec![0.0; questions.len().div_ceil(LANES) * LANES * dimension];
        for (k, (_, q)) in questions.iter().enumerate() {
            let block = &mut lanes[k / LANES * LANES * dimension..];
            for (j, x) in q.direction.iter().enumerate() {
                block[j * LANES + k % LANES] = *x;
            }
        }
        Self { lanes, count: questions.len(), dimension }
    }

    /// Calls `f(candidate, mean, variance)` of every candidate's functional under `N(mean, covariance)`.
    fn each(&self, mean: &[f64], covariance: &[f64], mut f: impl FnMut(usize, f64, f64)) {
        for (b, block) in self.lanes.chunks_exact(LANES * self.dimension).enumerate() {
            let mut means = [0.0; LANES];
            let mut variances = [0.0; LANES];
            for (i, row) in rows(covariance).enumerate() {
                let mut sums = [0.0; LANES];
                for (v, lane) in row[..i].iter().zip(block.chunks_exact(LANES)) {
                    for k in 0..LANES {
                        sums[k] += v * lane[k];
                    }
                }
                let here = &block[i * LANES..(i + 1) * LANES];
                for k in 0..LANES {
                    variances[k] += here[k] * (2.0 * sums[k] + row[i] * here[k]);
                    means[k] += mean[i] * here[k];
                }
            }
            for k in 0..LANES.min(self.count - b * LANES) {
                f(b * LANES + k, means[k], variances[k].max(0.0));
            }
        }
    }
}

/// Sets of normal points by count and dimension, made when first needed.
#[derive(Default)]
struct Points(Vec<(usize, usize, Vec<f64>)>);

impl Points {
    fn get(&mut self, count: usize, dimension: usize) -> &[f64] {
        let found = self.0.iter().position(|(c, d, _)| (*c, *d) == (count, dimension));
        let index = found.unwrap_or_else(|| {
            self.0.push((count, dimension, normal_points(count, dimension)));
            self.0.len() - 1
        });
        &self.0[index].2
    }
}

/// Calls `f(share, probabilities of all orders)` over the utilities of a ranking's alternatives: points of a Gaussian
/// belief, the atoms of a finite one.
fn each_ranking(
    h: &Hypothesis,
    prior: &Prior,
    q: &RankingQuestion,
    points: &mut Points,
    table: &mut Option<OrderTable>,
    mut f: impl FnMut(f64, &[f64]),
) {
    let n = q.n;
    let noise = h.ranking_noise(prior, n, &q.error);
    match (h.gaussian(), h.finite(), prior) {
        (Some(belief), _, _) if n == 3 && q.ranked == 1 && noise.iter().all(|v| *v == 0.5) => {
            // Only differences matter, so that points of two dimensions do.
            let (u, s) = h.utilities(belief, &q.features, n, &mut Vec::new());
            let apart = |i: usize, j: usize| s[3 * i + j] - s[3 * i + 2] - s[6 + j] + s[8];
            let l = dense::factor(&[apart(0, 0), apart(0, 1), apart(1, 0), apart(1, 1)], 2);
            let points = points.get(POINTS_OF_THREE, 2);
            let share = 2.0 / points.len() as f64;
            let lapse = h.lapse_rate / 3.0;
            for x in points.chunks_exact(2) {
                let y = [u[0] - u[2] + l[0] * x[0], u[1] - u[2] + l[2] * x[0] + l[3] * x[1], 0.0];
                f(share, &triple::probabilities_tabulated(&y).map(|p| (1.0 - h.lapse_rate) * p + lapse));
            }
        }
        (Some(belief), _, _) => {
            let k: Vec<f64> = (0..n * n).map(|i| if i % (n + 1) == 0 { noise[i / n] } else { 0.0 }).collect();
            let (u, s) = h.utilities(belief, &q.features, n, &mut Vec::new());
            let l = dense::factor(&s, n);
            let points = points.get((4 * POINTS / ranking::outcome_count(n, q.ranked)).clamp(8, POINTS), n);
            let share = n as f64 / points.len() as f64;
            for x in points.chunks_exact(n) {
                let y: Vec<f64> = u.iter().zip(dense::apply(&l, x)).map(|(u, d)| u + d).collect();
                f(share, &ranking::probabilities(q.ranked, &y, &k, h.lapse_rate));
            }
        }
        (_, Some(finite), Prior::Finite(atoms)) => {
            let shared = table.take().filter(|t| t.is_of(h.prior));
            let table = table.insert(shared.unwrap_or_else(|| OrderTable::new(h.prior, atoms, q, noise)));
            let mut p = vec![0.0; ranking::outcome_count(n, q.ranked)];
            let lapse = h.lapse_rate / p.len() as f64;
            for (atom, mass) in finite.masses().into_iter().enumerate() {
                if mass > 1e-9 {
                    for (p, x) in p.iter_mut().zip(table.row(atoms, q, atom)) {
                        *p = (1.0 - h.lapse_rate) * x + lapse;
                    }
                    f(mass, &p);
                }
            }
        }
        _ => unreachable!("a hypothesis is Gaussian or finite"),
    }
}

/// Calls `f(share, probabilities of the answer given z and the earlier answers)` over `z`, for a question asked before.
#[allow(clippy::too_many_arguments)]
fn each_answer_again(
    h: &Hypothesis,
    prior: &Prior,
    record: &Record,
    q: &IntervalQuestion,
    rho: impl Fn(f64) -> f64,
    nodes: &Nodes,
    mut f: impl FnMut(f64, &[f64]),
) {
    let Record::Interval { direction, error, answers, .. } = record else { return };
    let scale = h.attenuation(prior, error);
    let rho = rho(scale);
    let mut seen: Vec<Seen> = answers.iter().map(|&a| h.seen(a, scale)).collect();
    let mut given = |z: f64, share: f64| {
        let mut p: Vec<f64> = Vec::with_capacity(q.outcomes.count());
        for outcome in 0..q.outcomes.count() {
            seen.push(h.seen(Answer { outcomes: q.outcomes, outcome, misreading: q.misreading }, scale));
            p.push(retest::tilt(z, 0.0, rho, &seen).ln_z);
            seen.pop();
        }
        super::finite::softmax(&mut p);
        f(share, &p);
    };
    match (h.gaussian(), h.finite(), prior) {
        (Some(belief), _, _) => {
            let mut g = vec![0.0; direction.len()];
            let (mean, variance) = belief.functional(direction, &mut g);
            let sd = variance.sqrt();
            for (t, share) in nodes.iter() {
                given((mean + sd * t) * scale, share);
            }
        }
        (_, Some(finite), Prior::Finite(atoms)) => {
            for (z, mass) in atoms.values(direction).zip(finite.masses()) {
                given(z * scale, mass);
            }
        }
        _ => unreachable!("a hypothesis is Gaussian or finite"),
    }
}

/// Equation (16).
fn eubo(mixture: &Mixture, question: &Question, second: Option<&Vec<f64>>) -> f64 {
    let at = |a: &[f64], floor: f64| {
        floor + mixture.functional(a).parts().iter().map(|(w, m, s)| w * positive_part(*m, s * s)).sum::<f64>()
    };
    match question {
        Question::Comparison { difference, .. } => {
            at(difference, second.map_or(0.0, |phi| mixture.functional(phi).mean()))
        }
        Question::Importance { direction, .. } => at(direction, 0.0),
        Question::Graded { features, .. } => at(features, 0.0),
        Question::Ranking { features, .. } => super::decision::assess(mixture, features)
            .map_or(f64::NEG_INFINITY, |a| a.expected_utility[a.best] + a.expected_regret),
    }
}

/// Equation (17): expected gain in `max_k E[u_k]` from an answer; at least 0.
///
/// # Panics
/// As [`score`].
pub fn value_of_information(mixture: &Mixture, question: &Question, decision: &[Vec<f64>]) -> f64 {
    assert!(question.check(mixture.dimension()).is_ok(), "questions are checked before they are scored");
    if decision.len() < 2 {
        return 0.0;
    }
    let (settings, priors, hypotheses, _) = mixture.parts();
    let prepared = question.prepare(settings);
    let (count, k) = (question.outcome_count(), decision.len());
    // Joint expectation of utility and outcome, and without the outcome.
    let mut with = vec![0.0; count * k];
    let mut without = vec![0.0; k];
    let mut g = Vec::new();
    for (index, weight) in heaviest(mixture) {
        let h = &hypotheses[index];
        let prior = &priors[h.prior];
        match (&prepared, h.gaussian(), h.finite(), prior) {
            (Prepared::Interval(q), Some(belief), _, _) => {
                let scale = h.attenuation(prior, &q.error);
                g.resize(q.direction.len(), 0.0);
                let (mean, variance) = belief.functional(&q.direction, &mut g);
                let (mu, v) = (mean * scale, variance * scale * scale);
                let s = (1.0 + v).sqrt();
                for y in 0..count {
                    let seen = h.seen(Answer { outcomes: q.outcomes, outcome: y, misreading: q.misreading }, scale);
                    let t = super::interval::tilt(mu, v, 1.0, seen);
                    let share = weight * libm::exp(t.ln_z);
                    for (j, phi) in decision.iter().enumerate() {
                        with[y * k + j] += share * (dot(phi, &belief.mean) + dot(phi, &g) * scale * t.slope / s);
                    }
                }
                for (j, phi) in decision.iter().enumerate() {
                    without[j] += weight * dot(phi, &belief.mean);
                }
            }
            (Prepared::Ranking(q), Some(belief), _, _) => {
                let noise = h.ranking_noise(prior, q.n, &q.error);
                let (u, s) = h.utilities(belief, &q.features, q.n, &mut g);
                let d = belief.mean.len();
                for (y, order) in ranking::orders(q.n, q.ranked).iter().enumerate() {
                    let t = ranking::tilt(order, &u, &s, &noise, h.lapse_rate);
                    let share = weight * libm::exp(t.ln_z);
                    for (j, phi) in decision.iter().enumerate() {
                        let moved: f64 =
                            t.alpha.iter().enumerate().map(|(i, a)| a * dot(&g[i * d..(i + 1) * d], phi)).sum();
                        with[y * k + j] += share * (dot(phi, &belief.mean) + moved);
                    }
                }
                for (j, phi) in decision.iter().enumerate() {
                    without[j] += weight * dot(phi, &belief.mean);
                }
            }
            (_, _, Some(finite), Prior::Finite(atoms)) => {
                let masses = finite.masses();
                for (w, mass) in atoms.weights.chunks_exact(mixture.dimension()).zip(&masses) {
                    let p: Vec<f64> = match &prepared {
                        Prepared::Interval(q) => {
                            let scale = h.attenuation(prior, &q.error);
                            let z = dot(w, &q.direction) * scale;
                            let mut p = vec![0.0; count];
                            predict_into(h, q, scale, z, 0.0, 1.0, &mut p);
                            p
                        }
                        Prepared::Ranking(q) => {
                            let noise = h.ranking_noise(prior, q.n, &q.error);
                            let n = q.n;
                            let cov: Vec<f64> =
                                (0..n * n).map(|i| if i % (n + 1) == 0 { noise[i / n] } else { 0.0 }).collect();
                            let u: Vec<f64> = q.features.chunks_exact(w.len()).map(|phi| dot(w, phi)).collect();
                            ranking::probabilities(q.ranked, &u, &cov, h.lapse_rate)
                        }
                    };
                    for (j, phi) in decision.iter().enumerate() {
                        let u = weight * mass * dot(phi, w);
                        without[j] += u;
                        for y in 0..count {
                            with[y * k + j] += p[y] * u;
                        }
                    }
                }
            }
            _ => unreachable!("a hypothesis is Gaussian or finite"),
        }
    }
    let after: f64 = with.chunks_exact(k).map(|u| u[first_max(u)]).sum();
    (after - without[first_max(&without)]).max(0.0)
}

/// Chooses several questions to ask at once: greedily by information gain for its cost, each time as if the questions already
/// chosen had been answered as informatively as expected, so that near-copies lose their worth. Returns their numbers in
/// the order chosen; the sum of their costs is at most `budget`.
///
/// # Panics
/// When `costs` has another length than `questions`, a cost is not positive, or as [`score`].
pub fn choose_batch(mixture: &Mixture, questions: &[Question], costs: &[f64], budget: f64, most: usize) -> Vec<usize> {
    assert_eq!(questions.len(), costs.len(), "one cost for each question");
    assert!(costs.iter().all(|c| *c > 0.0), "costs are positive");
    let gains = expected_information_gain(mixture, questions);
    let mut pool: Vec<usize> = (0..questions.len()).filter(|&i| costs[i] <= budget).collect();
    let rate = |gain: f64, i: usize| gain / costs[i];
    pool.sort_by(|&a, &b| rate(gains[b], b).total_cmp(&rate(gains[a], a)).then(a.cmp(&b)));
    pool.truncate((8 * most).max(64));
    let mut imagined = mixture.clone();
    let (mut chosen, mut left) = (Vec::new(), budget);
    while chosen.len() < most {
        pool.retain(|&i| costs[i] <= left && !chosen.contains(&i));
        if pool.is_empty() {
            break;
        }
        let asked: Vec<Question> = pool.iter().map(|&i| questions[i].clone()).collect();
        let gains = expected_information_gain(&imagined, &asked);
        let mut best = 0;
        for k in 1..pool.len() {
            if rate(gains[k], pool[k]) > rate(gains[best], pool[best]) {
                best = k;
            }
        }
        let pick = pool[best];
        left -= costs[pick];
        imagined.imagine(&questions[pick]);
        chosen.push(pick);
    }
    chosen
}

/// The expected curvature of an answer under one hypothesis: all that imagining needs.
pub(crate) fn expected_bend(h: &Hypothesis, q: &IntervalQuestion, scale: f64, mu: f64, v: f64) -> f64 {
    (0..q.outcomes.count())
        .map(|outcome| {
            let seen = h.seen(Answer { outcomes: q.outcomes, outcome, misreading: q.misreading }, scale);
            let t = super::interval::tilt(mu, v, 1.0, seen);
            libm::exp(t.ln_z) * t.bend
        })
        .sum::<f64>()
        .clamp(0.0, 1.0)
}

/// The same for a ranking: the expected curvature in the utilities.
pub(crate) fn expected_curvature(h: &Hypothesis, q: &RankingQuestion, u: &[f64], s: &[f64], noise: &[f64]) -> Vec<f64> {
    let mut beta = vec![0.0; q.n * q.n];
    for order in ranking::orders(q.n, q.ranked) {
        let t = ranking::tilt(&order, u, s, noise, h.lapse_rate);
        add_scaled(&mut beta, libm::exp(t.ln_z), &t.beta);
    }
    beta
}

/// Probability of giving the same answer again, averaged over questions: how consistent the person is, by equation (5).
///
/// # Panics
/// As [`score`]; rankings are not asked twice.
pub fn consistency(mixture: &Mixture, questions: &[Question]) -> f64 {
    let (settings, priors, hypotheses, _) = mixture.parts();
    let nodes = Nodes::new();
    let mut tables: Vec<(Outcomes, [u64; 4], Tabulated)> = Vec::new();
    let (mut sum, mut count) = (0.0, 0usize);
    for question in questions {
        assert!(question.check(mixture.dimension()).is_ok(), "questions are checked before they are scored");
        let Prepared::Interval(q) = question.prepare(settings) else { continue };
        count += 1;
        let mut g = vec![0.0; q.direction.len()];
        for (index, weight) in heaviest(mixture) {
            let h = &hypotheses[index];
            let prior = &priors[h.prior];
            let scale = h.attenuation(prior, &q.error);
            let rho = shared_share(settings, scale);
            // In units of the own noise the latent t = z + r is tabulated: P(y | t)^2 summed over outcomes.
            let own = (1.0 - rho).max(1e-6).sqrt();
            let lapse = lapse(h.lapse_rate, q.misreading);
            let key = [h.band.to_bits(), scale.to_bits(), lapse.to_bits(), own.to_bits()];
            let found = tables.iter().position(|(o, k, _)| *o == q.outcomes && *k == key);
            let at = found.unwrap_or_else(|| {
                tables.push((q.outcomes, key, Tabulated::new(q.outcomes, h.band, scale / own, lapse, |p| p * p)));
                tables.len() - 1
            });
            let table = &tables[at].2;
            let mut add = |z: f64, v: f64, share: f64| {
                sum += share * table.expectation(z * scale / own, (v * scale * scale + rho) / (own * own), &nodes);
            };
            match (h.gaussian(), h.finite(), prior) {
                (Some(belief), _, _) => {
                    let (mean, variance) = belief.functional(&q.direction, &mut g);
                    add(mean, variance, weight);
                }
                (_, Some(finite), Prior::Finite(atoms)) => {
                    atoms.values(&q.direction).zip(finite.masses()).for_each(|(z, mass)| add(z, 0.0, weight * mass));
                }
                _ => unreachable!("a hypothesis is Gaussian or finite"),
            }
        }
    }
    if count == 0 { f64::NAN } else { sum / count as f64 }
}
