//! What the words of a statement foretell of its votes: a direction in a model's hidden states, learned from other
//! conversations.
//!
//! Ridge regression, in its dual form, of each statement's smoothed log-odds of agreement on the model's state after a
//! question about it. Both are taken less their mean within the conversation, so that only what tells the statements of one
//! conversation apart is learned. How strong the ridge is, ten-fold cross-validation says.

use nalgebra::{DMatrix, DVector};

use super::data::{Conversation, PolisError};

/// Votes that a statement has at least to be learned from.
const VOTES_MIN: usize = 5;
/// Statements that are learned from at least.
const STATEMENTS_MIN: usize = 40;
/// Votes for and votes against that every statement is given beforehand.
const SMOOTHING: f64 = 0.7;
/// Ridges, in units of the mean squared length of a state.
const RIDGES: [f64; 6] = [0.3, 1.0, 3.0, 10.0, 30.0, 100.0];
/// Parts of the cross-validation.
const FOLDS: usize = 10;

/// A direction in a model's states along which statements are agreed with.
#[derive(Clone, Debug, PartialEq)]
pub struct Agreement {
    /// What each dimension is divided by.
    scale: Vec<f64>,
    direction: DVector<f64>,
    /// Correlation of what was foretold of left-out statements with their log-odds.
    pub correlation: f64,
}

impl Agreement {
    /// Learns from conversations with the model's state for each statement; an empty state is of a statement without words.
    ///
    /// # Errors
    /// Too few statements with enough votes, or states that are not finite.
    pub fn learn(conversations: &[(Conversation, Vec<Vec<f32>>)]) -> Result<Self, PolisError> {
        let (mut rows, mut targets) = (Vec::new(), Vec::new());
        for (conversation, states) in conversations {
            let mut votes = vec![[0_usize; 2]; states.len()];
            conversation.votes.iter().flatten().for_each(|v| votes[v.item][usize::from(v.agrees)] += 1);
            let enough = |j: &usize| !states[*j].is_empty() && votes[*j][0] + votes[*j][1] >= VOTES_MIN;
            let used: Vec<usize> = (0..states.len()).filter(enough).collect();
            rows.extend(centred(&used.iter().map(|&j| &states[j][..]).collect::<Vec<_>>()));
            let odds = |&j: &usize| ((votes[j][1] as f64 + SMOOTHING) / (votes[j][0] as f64 + SMOOTHING)).ln();
            let odds: Vec<f64> = used.iter().map(odds).collect();
            let mean = odds.iter().sum::<f64>() / odds.len().max(1) as f64;
            targets.extend(odds.iter().map(|x| x - mean));
        }
        let n = rows.len();
        if n < STATEMENTS_MIN {
            return Err(PolisError::TooFewStatements { statements: n, needed: STATEMENTS_MIN });
        }
        let width = rows[0].len();
        let square = |k: usize| rows.iter().map(|x| x[k] * x[k]).sum::<f64>() / n as f64;
        let scale: Vec<f64> = (0..width).map(|k| square(k).sqrt().max(1e-9)).collect();
        let x = DMatrix::from_fn(n, width, |i, k| rows[i][k] / scale[k]);
        let y = DVector::from_vec(targets);
        let gram = &x * x.transpose();
        let unit = gram.trace() / n as f64;
        let weights = |of: &[usize], ridge: f64| -> Option<DVector<f64>> {
            let part = DMatrix::from_fn(of.len(), of.len(), |a, b| {
                gram[(of[a], of[b])] + if a == b { ridge * unit } else { 0.0 }
            });
            Some(part.cholesky()?.solve(&DVector::from_fn(of.len(), |a, _| y[of[a]])))
        };
        let foretold = |ridge: f64| -> Option<DVector<f64>> {
            let mut all = DVector::zeros(n);
            for fold in 0..FOLDS {
                let rest: Vec<usize> = (0..n).filter(|i| i % FOLDS != fold).collect();
                let alpha = weights(&rest, ridge)?;
                for i in (fold..n).step_by(FOLDS) {
                    all[i] = rest.iter().zip(alpha.iter()).map(|(j, a)| gram[(i, *j)] * a).sum();
                }
            }
            Some(all)
        };
        let tried = RIDGES.iter().filter_map(|ridge| {
            let all = foretold(*ridge)?;
            Some((*ridge, (&y - &all).norm_squared(), correlation(&all, &y)))
        });
        // With states that are numbers, a kernel with a ridge has a Cholesky factor.
        let best = tried.min_by(|a, b| a.1.total_cmp(&b.1));
        let (ridge, _, correlation) = best.ok_or(PolisError::States)?;
        let everyone: Vec<usize> = (0..n).collect();
        let direction = x.transpose() * weights(&everyone, ridge).ok_or(PolisError::States)?;
        Ok(Self { scale, direction, correlation })
    }

    /// What the states of a conversation's statements foretell, in nats of log-odds less their mean; 0 for an empty state.
    pub fn foretell(&self, states: &[Vec<f32>]) -> Vec<f64> {
        let read: Vec<&[f32]> = states.iter().filter(|s| !s.is_empty()).map(|s| &s[..]).collect();
        let along =
            |x: &Vec<f64>| x.iter().zip(&self.scale).zip(self.direction.iter()).map(|((x, s), d)| x / s * d).sum();
        let mut foretold = centred(&read).iter().map(along).collect::<Vec<f64>>().into_iter();
        states.iter().map(|s| if s.is_empty() { 0.0 } else { foretold.next().unwrap_or(0.0) }).collect()
    }
}

/// States less their mean.
fn centred(states: &[&[f32]]) -> Vec<Vec<f64>> {
    let width = states.first().map_or(0, |s| s.len());
    let mean = |k: usize| states.iter().map(|s| f64::from(s[k])).sum::<f64>() / states.len() as f64;
    let mean: Vec<f64> = (0..width).map(mean).collect();
    states.iter().map(|s| s.iter().zip(&mean).map(|(x, m)| f64::from(*x) - m).collect()).collect()
}

fn correlation(a: &DVector<f64>, b: &DVector<f64>) -> f64 {
    let (a, b) = (a.add_scalar(-a.mean()), b.add_scalar(-b.mean()));
    let norms = a.norm() * b.norm();
    if norms > 0.0 { a.dot(&b) / norms } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::polis::Vote;
    use credence_memory::belief::simulate::{normal, normals, uniform};
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    /// Statements whose log-odds of agreement are the first of eight dimensions, moved as the conversation is.
    fn talk(statements: usize, people: usize, moved: f32, seed: u64) -> (Conversation, Vec<Vec<f32>>) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let state = |_| normals(8, &mut rng).iter().map(|x| *x as f32 + moved).collect();
        let states: Vec<Vec<f32>> = (0..statements).map(state).collect();
        let vote = |person, item: usize, rng: &mut ChaCha8Rng| {
            let odds = f64::from(states[item][0] - moved) + 0.3 * normal(rng);
            Vote { person, item, agrees: uniform(rng) < 1.0 / (1.0 + (-odds).exp()) }
        };
        let votes = (0..people).map(|p| (0..statements).map(|j| vote(p, j, &mut rng)).collect()).collect();
        (Conversation { name: "made".into(), statements: vec!["words".into(); statements], votes }, states)
    }

    #[test]
    fn what_one_conversation_teaches_is_foretold_in_another() {
        let learned = Agreement::learn(&[talk(80, 30, 5.0, 1)]).expect("enough");
        let (_, mut states) = talk(60, 1, -3.0, 2);
        let truth = DVector::from_iterator(60, states.iter().map(|s| f64::from(s[0])));
        let found = correlation(&DVector::from_vec(learned.foretell(&states)), &truth);
        assert!(found > 0.95 && learned.correlation > 0.8, "{found} and {}", learned.correlation);
        states[7].clear();
        let foretold = learned.foretell(&states);
        assert!(foretold[7] == 0.0 && foretold.iter().sum::<f64>().abs() < 1e-9);
    }

    #[test]
    fn nothing_is_learned_from_votes_that_words_say_nothing_about() {
        let (mut talk, states) = talk(80, 30, 0.0, 3);
        let mut rng = ChaCha8Rng::seed_from_u64(4);
        talk.votes.iter_mut().flatten().for_each(|v| v.agrees = uniform(&mut rng) < 0.5);
        let learned = Agreement::learn(&[(talk, states)]).expect("enough");
        let largest = learned.direction.amax();
        assert!(largest < 0.1 && learned.correlation < 0.3, "{largest}, {}", learned.correlation);
    }

    #[test]
    fn too_few_statements_and_states_that_are_no_numbers_are_refused() {
        let refused = Agreement::learn(&[talk(20, 30, 0.0, 5)]);
        assert!(matches!(refused, Err(PolisError::TooFewStatements { statements: 20, .. })), "{refused:?}");
        let (talk, mut states) = talk(80, 30, 0.0, 6);
        states[3][2] = f32::NAN;
        let refused = Agreement::learn(&[(talk, states)]);
        assert!(matches!(refused, Err(PolisError::States)), "{refused:?}");
    }
}
