//! What a question tells: expected information gain, and the strategies questions are chosen by (docs/belief.md, section 7).

use rand::Rng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::best_worst;
use super::candidates::Candidates;
use super::datum::{Answer, Datum, IntervalQuestion, Prepared, RankingQuestion};
use super::dense;
use super::finite::OrderTable;
use super::hypothesis::{Body, Hypothesis, Prior, retest_correlation};
use super::interval::IntervalLikelihood;
use super::logs::softmax;
use super::mixture::{Mixture, heaviest, representatives};
use super::points::normal_points;
use super::prediction::predict_into;
use super::question::Question;
use super::ranking::{self, Places};
use super::retest;
use super::symmetric::add_scaled;
use super::tabulated::{Nodes, Tables, entropy_term};
use super::triple;
use super::value_of_information::{expected_best, value_of_information};

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

/// Hypotheses that are looked at together, and questions that are worth a second thread.
const GROUP: usize = 4;
const PARALLEL_MIN: usize = 16;
/// Pairs of points for rankings; orders of many outcomes get fewer, at least eight.
const POINTS: usize = 48;
/// Pairs of points for the best and the worst of several.
const POINTS_OF_BEST_AND_WORST: usize = 8;
/// Pairs of points for the best of three without measurement error, where a point costs little.
const POINTS_OF_THREE: usize = 256;

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
        Strategy::Eubo => {
            questions.iter().enumerate().map(|(i, q)| expected_best(mixture, q, context.second.get(i))).collect()
        }
        Strategy::ValueOfInformation => {
            questions.iter().map(|q| value_of_information(mixture, q, context.decision)).collect()
        }
        Strategy::InformationGain => {
            expected_information(mixture, questions, &heaviest(mixture)).iter().map(Expected::gain).collect()
        }
        Strategy::MaxUncertainty => {
            expected_information(mixture, questions, &heaviest(mixture)).iter().map(|e| e.total).collect()
        }
    }
}

/// Equation (15) for each question: nats, between 0 and `ln` of the number of outcomes.
///
/// # Panics
/// If a question cannot be asked of this belief: see [`Question::check`].
pub fn expected_information_gain(mixture: &Mixture, questions: &[Question]) -> Vec<f64> {
    expected_information(mixture, questions, &heaviest(mixture)).iter().map(Expected::gain).collect()
}

/// Equation (15) under so many hypotheses that stand for all of them, at evenly spaced quantiles of their weights in their own
/// order: to tell at a fraction of the cost which of many questions are worth working out in full. Nats.
///
/// # Panics
/// As [`expected_information_gain`].
pub fn rough_information_gain(mixture: &Mixture, questions: &[Question], hypotheses: usize) -> Vec<f64> {
    expected_information(mixture, questions, &representatives(mixture, hypotheses)).iter().map(Expected::gain).collect()
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

fn expected_information(mixture: &Mixture, questions: &[Question], under: &[(usize, f64)]) -> Vec<Expected> {
    let (settings, priors, hypotheses, readings) = mixture.parts();
    // Questions as each reading has them.
    let mut asked: Vec<Vec<(Prepared, Option<usize>)>> = readings.iter().map(|_| Vec::new()).collect();
    for question in questions {
        assert!(question.check(mixture.width()).is_ok(), "questions are checked before they are scored");
        asked.iter_mut().zip(mixture.asked(question)).for_each(|(asked, question)| asked.push(question));
    }
    let fresh: Vec<Vec<(usize, &IntervalQuestion)>> = asked.iter().map(|asked| asked_first(asked)).collect();
    let candidates: Vec<Candidates> = fresh.iter().map(|fresh| Candidates::new(fresh, mixture.dimension())).collect();
    let nodes = Nodes::new();
    let nothing =
        || -> Vec<(Vec<f64>, f64)> { questions.iter().map(|q| (vec![0.0; q.outcome_count()], 0.0)).collect() };
    let of_group = |under: &[(usize, f64)]| {
        let mut sums = nothing();
        let mut tables = Tables::default();
        let mut points = Points::default();
        let mut orders: Vec<Option<OrderTable>> = questions.iter().map(|_| None).collect();
        for &(index, weight) in under {
            let h = &hypotheses[index];
            let prior = &priors[h.prior];
            let (asked, fresh, candidates) = (&asked[h.reading], &fresh[h.reading], &candidates[h.reading]);
            match h.body(prior) {
                Body::Gaussian { belief, .. } => {
                    candidates.each(&belief.mean, &belief.covariance, |k, mean, variance| {
                        let (i, q) = fresh[k];
                        let scale = h.attenuation(prior, &q.error);
                        let (mean, variance) = (mean * scale, variance * scale * scale);
                        predict_into(h, q, scale, mean, variance, weight, &mut sums[i].0);
                        sums[i].1 += weight * tables.expected_entropy(h, q, scale, mean, variance, &nodes);
                    });
                }
                Body::Finite { finite, atoms } => {
                    let masses = finite.masses();
                    for &(i, q) in fresh {
                        let scale = h.attenuation(prior, &q.error);
                        for (z, mass) in atoms.values(&q.direction).zip(&masses) {
                            let share = weight * mass;
                            predict_into(h, q, scale, z * scale, 0.0, share, &mut sums[i].0);
                            sums[i].1 += share * tables.expected_entropy(h, q, scale, z * scale, 0.0, &nodes);
                        }
                    }
                }
            }
            for (i, (q, repeated)) in asked.iter().enumerate() {
                match (q, *repeated) {
                    (Prepared::Ranking(q), _) => {
                        each_ranking(h, prior, q, &mut points, &mut orders[i], |share, p| {
                            add_scaled(&mut sums[i].0, weight * share, p);
                            sums[i].1 += weight * share * p.iter().map(|&p| entropy_term(p)).sum::<f64>();
                        });
                    }
                    (Prepared::Interval(q), Some(site)) => {
                        let rho = |scale: f64| retest_correlation(settings, scale);
                        each_answer_again(
                            h,
                            prior,
                            &readings[h.reading].history.records[site],
                            q,
                            rho,
                            &nodes,
                            |share, p| {
                                add_scaled(&mut sums[i].0, weight * share, p);
                                sums[i].1 += weight * share * p.iter().map(|&p| entropy_term(p)).sum::<f64>();
                            },
                        );
                    }
                    (Prepared::Interval(_), None) => {}
                }
            }
        }
        sums
    };
    // Hypotheses in groups of a fixed size, whose sums are added in order: the same bits with any number of threads. Lattices share
    // tables between hypotheses, so they stay together.
    let has_lattices = under.iter().any(|&(index, _)| hypotheses[index].finite().is_some());
    let size = if has_lattices { under.len().max(1) } else { GROUP };
    let groups: Vec<Vec<(Vec<f64>, f64)>> = if under.len() > size && questions.len() >= PARALLEL_MIN {
        under.par_chunks(size).map(of_group).collect()
    } else {
        under.chunks(size).map(of_group).collect()
    };
    let mut sums = nothing();
    for group in groups {
        for ((sum, noise), (p, more)) in sums.iter_mut().zip(group) {
            sum.iter_mut().zip(p).for_each(|(sum, p)| *sum += p);
            *noise += more;
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

/// The interval questions that were not asked before, each with its number.
fn asked_first(asked: &[(Prepared, Option<usize>)]) -> Vec<(usize, &IntervalQuestion)> {
    let numbered = asked.iter().enumerate();
    numbered
        .filter_map(|(i, asked)| match asked {
            (Prepared::Interval(q), None) => Some((i, q)),
            _ => None,
        })
        .collect()
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
    match h.body(prior) {
        Body::Gaussian { belief, .. } if n == 3 && q.places == Places::First(1) && noise.iter().all(|v| *v == 0.5) => {
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
        Body::Gaussian { belief, .. } if q.places == Places::BestAndWorst => {
            let (u, s) = h.utilities(belief, &q.features, n, &mut Vec::new());
            let l = dense::factor(&s, n);
            let points = points.get(POINTS_OF_BEST_AND_WORST, n);
            let share = n as f64 / points.len() as f64;
            let lapse = h.lapse_rate / q.places.count(n) as f64;
            for x in points.chunks_exact(n) {
                let y: Vec<f64> = u.iter().zip(dense::apply(&l, x)).map(|(u, d)| u + d).collect();
                let mut p = best_worst::probabilities(&y, &noise);
                p.iter_mut().for_each(|p| *p = (1.0 - h.lapse_rate) * *p + lapse);
                f(share, &p);
            }
        }
        Body::Gaussian { belief, .. } => {
            let k: Vec<f64> = (0..n * n).map(|i| if i % (n + 1) == 0 { noise[i / n] } else { 0.0 }).collect();
            let (u, s) = h.utilities(belief, &q.features, n, &mut Vec::new());
            let l = dense::factor(&s, n);
            let points = points.get((4 * POINTS / q.places.count(n)).clamp(8, POINTS), n);
            let share = n as f64 / points.len() as f64;
            for x in points.chunks_exact(n) {
                let y: Vec<f64> = u.iter().zip(dense::apply(&l, x)).map(|(u, d)| u + d).collect();
                f(share, &ranking::probabilities(q.places, &y, &k, h.lapse_rate));
            }
        }
        Body::Finite { finite, atoms } => {
            let shared = table.take().filter(|t| t.is_of(h.prior));
            let table = table.insert(shared.unwrap_or_else(|| OrderTable::new(h.prior, atoms, q, noise)));
            let mut p = vec![0.0; q.places.count(n)];
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
    }
}

/// Calls `f(share, probabilities of the answer given z and the earlier answers)` over `z`, for a question asked before.
fn each_answer_again(
    h: &Hypothesis,
    prior: &Prior,
    record: &Datum,
    q: &IntervalQuestion,
    rho: impl Fn(f64) -> f64,
    nodes: &Nodes,
    mut f: impl FnMut(f64, &[f64]),
) {
    let Datum::Interval { direction, error, answers, .. } = record else { return };
    let scale = h.attenuation(prior, error);
    let rho = rho(scale);
    let mut seen: Vec<IntervalLikelihood> = answers.iter().map(|&a| h.seen(a, scale)).collect();
    let mut given = |z: f64, share: f64| {
        let mut p: Vec<f64> = Vec::with_capacity(q.outcomes.count());
        for outcome in 0..q.outcomes.count() {
            seen.push(h.seen(Answer { outcomes: q.outcomes, outcome, misreading: q.misreading }, scale));
            p.push(retest::tilt(z, 0.0, rho, &seen).ln_z);
            seen.pop();
        }
        softmax(&mut p);
        f(share, &p);
    };
    match h.body(prior) {
        Body::Gaussian { belief, .. } => {
            let mut g = vec![0.0; direction.len()];
            let (mean, variance) = belief.functional(direction, &mut g);
            let sd = variance.sqrt();
            for (t, share) in nodes.iter() {
                given((mean + sd * t) * scale, share);
            }
        }
        Body::Finite { finite, atoms } => {
            for (z, mass) in atoms.values(direction).zip(finite.masses()) {
                given(z * scale, mass);
            }
        }
    }
}
