//! Prices of entries that follow how often they fire.

use crate::adam::Adam;
use crate::settings::Price;

/// Share of each new batch in the running rates.
const NEWEST: f32 = 0.02;

/// Running rates and the prices that follow from them. A price of 1 is that of an entry of average rate.
pub(crate) struct Prices {
    price: Price,
    average: f32,
    rates: Vec<f32>,
    logits: Vec<f32>,
    adam: Adam,
}

impl Prices {
    pub(crate) fn new(price: Price, width: usize, k: usize) -> Self {
        // An average rate of 1 would make every price infinite.
        let average = (k as f32 / width as f32).min(0.99);
        Self { price, average, rates: vec![average; width], logits: vec![0.0; width], adam: Adam::new(width) }
    }

    /// Prices in units of the average.
    pub(crate) fn relative(&self) -> Vec<f32> {
        let width = self.rates.len();
        match self.price {
            Price::Even => vec![1.0; width],
            Price::LogRate { .. } => {
                // An entry that never fires would otherwise never be affordable again.
                let floor = 0.01 * self.average;
                self.rates.iter().map(|p| libm::logf(p.max(floor)) / libm::logf(self.average)).collect()
            }
            Price::Complement { .. } => self.rates.iter().map(|p| (1.0 - p) / (1.0 - self.average)).collect(),
            Price::Learned { .. } => {
                let lengths = log_softmax(&self.logits);
                let average = libm::logf((width as f32).max(2.0));
                lengths.iter().map(|length| -length / average).collect()
            }
        }
    }

    /// What each entry adds to the ranking where activations square to `unit` on average.
    pub(crate) fn absolute(&self, unit: f32) -> Vec<f32> {
        let strength = self.price.strength();
        self.relative().iter().map(|price| 0.5 * unit * strength * price).collect()
    }

    /// Weights of the entries in a penalty; 1 for all where prices are even.
    pub(crate) fn weights(&self) -> Vec<f32> {
        let strength = self.price.strength();
        self.relative().iter().map(|price| (1.0 + strength * (price - 1.0)).max(0.0)).collect()
    }

    /// Learns from how many of `rows` rows each entry fired in.
    pub(crate) fn observe(&mut self, counts: &[u32], rows: usize) {
        for (rate, count) in self.rates.iter_mut().zip(counts) {
            *rate += NEWEST * (*count as f32 / rows as f32 - *rate);
        }
        if let Price::Learned { learning_rate, .. } = self.price {
            let all = counts.iter().sum::<u32>().max(1) as f32;
            let lengths = log_softmax(&self.logits);
            // The slope of the mean length by the logits.
            let slope: Vec<f32> = lengths.iter().zip(counts).map(|(l, c)| libm::expf(*l) - *c as f32 / all).collect();
            self.adam.step(learning_rate, &mut self.logits, &slope);
        }
    }
}

fn log_softmax(logits: &[f32]) -> Vec<f32> {
    let top = logits.iter().copied().fold(f32::MIN, f32::max);
    let log_sum = top + libm::logf(logits.iter().map(|l| libm::expf(l - top)).sum());
    logits.iter().map(|l| l - log_sum).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frequent_entries_cost_less_in_every_form() {
        let learned = Price::Learned { strength: 1.0, learning_rate: 0.02 };
        for price in [Price::LogRate { strength: 1.0 }, Price::Complement { strength: 1.0 }, learned] {
            let mut prices = Prices::new(price, 3, 1);
            (0..500).for_each(|_| prices.observe(&[90, 9, 1], 100));
            let relative = prices.relative();
            assert!(relative.windows(2).all(|w| w[0] < w[1]), "{price:?}: {relative:?}");
        }
    }

    #[test]
    fn an_entry_that_is_always_on_is_free() {
        for price in [Price::LogRate { strength: 1.0 }, Price::Complement { strength: 1.0 }] {
            let mut prices = Prices::new(price, 2, 1);
            (0..1000).for_each(|_| prices.observe(&[100, 1], 100));
            assert!(prices.relative()[0] < 1e-3);
        }
    }

    #[test]
    fn learned_lengths_approach_the_shannon_code() {
        let mut prices = Prices::new(Price::Learned { strength: 1.0, learning_rate: 0.01 }, 4, 1);
        (0..3000).for_each(|_| prices.observe(&[40, 20, 10, 10], 100));
        for (found, share) in log_softmax(&prices.logits).iter().zip([0.5_f32, 0.25, 0.125, 0.125]) {
            assert!((found - share.ln()).abs() < 0.05, "{found} {share}");
        }
    }

    #[test]
    fn even_prices_change_nothing() {
        let prices = Prices::new(Price::Even, 3, 1);
        assert_eq!((prices.absolute(5.0), prices.weights()), (vec![0.0; 3], vec![1.0; 3]));
    }
}
