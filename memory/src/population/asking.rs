//! Whom to ask what next, with several people at hand (docs/people.md, section 8).

use serde::{Deserialize, Serialize};

use super::items::{Answers, ItemPosterior};
use crate::belief::normal::cdf;

/// A question to one person and what the answer is worth.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ask {
    /// The person's place.
    pub person: usize,
    /// The item's place.
    pub item: usize,
    /// Information about the items, the population and the person together, nats: equation (19).
    pub gain_nats: f64,
    /// Probability that they agree.
    pub agrees: f64,
}

/// The best question for each person at hand who has given no more than `fair_share` times the mean number of answers of
/// those at hand, the most worth first. Nobody is asked what they answered before.
pub fn whom_to_ask(answers: &Answers, posterior: &ItemPosterior, at_hand: &[usize], fair_share: f64) -> Vec<Ask> {
    let items = posterior.items();
    let mut answered = vec![Vec::new(); answers.people()];
    answers.answers().iter().for_each(|a| answered[a.person as usize].push(a.item as usize));
    let mean = at_hand.iter().map(|p| answered[*p].len() as f64).sum::<f64>() / at_hand.len().max(1) as f64;
    let fair = |person: &&usize| answered[**person].len() as f64 <= (fair_share * mean).max(1.0);
    let mut asks: Vec<Ask> = at_hand
        .iter()
        .filter(fair)
        .filter_map(|&person| {
            let open = (0..items).filter(|item| !answered[person].contains(item));
            let scored = open.map(|item| {
                let (gain_nats, agrees) = gain(posterior, person, item);
                Ask { person, item, gain_nats, agrees }
            });
            scored.reduce(|a, b| if b.gain_nats > a.gain_nats { b } else { a })
        })
        .collect();
    asks.sort_by(|a, b| b.gain_nats.total_cmp(&a.gain_nats).then(a.person.cmp(&b.person)));
    asks
}

/// Mutual information between the answer and the draw, and the probability of agreement.
fn gain(posterior: &ItemPosterior, person: usize, item: usize) -> (f64, f64) {
    let k = posterior.factors();
    let n = posterior.draws().len() as f64;
    let (mut mean, mut left) = (0.0, 0.0);
    for draw in posterior.draws() {
        let v = &draw.people[person * (k + 1)..(person + 1) * (k + 1)];
        let loadings = &draw.loadings[item * k..(item + 1) * k];
        let z = draw.intercepts[item] + v[0] + loadings.iter().zip(&v[1..]).map(|(a, t)| a * t).sum::<f64>();
        let rate = draw.lapse_rates[person];
        let p = (1.0 - rate) * cdf(z) + 0.5 * rate;
        mean += p / n;
        left += entropy(p) / n;
    }
    ((entropy(mean) - left).max(0.0), mean)
}

/// Entropy of a probability, nats.
pub(super) fn entropy(p: f64) -> f64 {
    let part = |p: f64| if p > 0.0 { -p * libm::log(p) } else { 0.0 };
    part(p) + part(1.0 - p)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::population::{Answer, ItemOptions};

    #[test]
    fn the_item_nobody_answered_is_asked_and_nobody_is_asked_beyond_their_share() {
        // Six people answered items 0 to 5 alike; nobody answered item 6; person 0 answered nothing but one item.
        let mut given: Vec<Answer> =
            (1..6).flat_map(|person| (0..6).map(move |item| Answer { person, item, agrees: item % 2 == 0 })).collect();
        given.push(Answer { person: 0, item: 0, agrees: true });
        let answers = Answers::new(6, vec![Vec::new(); 7], given).expect("sound answers");
        let options = ItemOptions { factors: 1, warm_up: 50, draws: 100, thinning: 1, ..ItemOptions::default() };
        let posterior = ItemPosterior::sample(&answers, &options).expect("sound options");
        let asks = whom_to_ask(&answers, &posterior, &[0, 1, 2], 2.0);
        assert_eq!(asks.len(), 3);
        assert!(asks.iter().filter(|a| a.person > 0).all(|a| a.item == 6), "{asks:?}");
        assert!(asks.windows(2).all(|w| w[0].gain_nats >= w[1].gain_nats));
        let fair = whom_to_ask(&answers, &posterior, &[0, 1, 2], 1.0);
        assert_eq!(fair.iter().map(|a| a.person).collect::<Vec<_>>(), [0], "the others gave more than the mean");
    }
}
