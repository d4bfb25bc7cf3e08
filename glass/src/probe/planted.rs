//! Labelled states whose truth is known: a planted direction, topics with directions of their own, and words that leak.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::error::ExamplesError;
use super::examples::{Collector, Example, Examples, Site, Source};
use crate::product::normalise;
use crate::synthetic::gaussian;

/// What a planted world is like. Noise has a standard deviation of 1 in every number of a state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Planted {
    /// Numbers in a state.
    pub width: usize,
    /// Topics.
    pub topics: usize,
    /// Examples of each topic.
    pub each: usize,
    /// Tokens of a text.
    pub tokens: usize,
    /// How far a token with the motive is moved along the planted direction.
    pub signal: f64,
    /// Tokens of a text with the motive that are moved, one after another; all where there are fewer.
    pub signal_tokens: usize,
    /// How far a topic's texts are moved along a direction that is the topic's own, whatever the label.
    pub topic_shift: f64,
    /// Share of a topic's examples that have its own prevailing label: .5 is balanced, 1 makes the topic tell the label.
    pub topic_bias: f64,
    /// Probability that a text with the motive has the word that leaks.
    pub leak: f64,
}

impl Default for Planted {
    fn default() -> Self {
        Self {
            width: 32,
            topics: 12,
            each: 20,
            tokens: 12,
            signal: 1.0,
            signal_tokens: usize::MAX,
            topic_shift: 2.0,
            topic_bias: 0.5,
            leak: 0.0,
        }
    }
}

impl Planted {
    /// Whose states these claim to be.
    pub fn source(&self) -> Source {
        Source { model: "planted".to_owned(), width: self.width, layers: 4, frame: "as it is".to_owned() }
    }

    /// Draws examples at some sites. The direction depends on `world` alone, so that examples of another `seed` and other
    /// topics (`first_topic` on) can be held out. Layer 2 has the signal, the others have noise and topics.
    ///
    /// # Errors
    /// If the sites or the numbers make no examples.
    pub fn draw(&self, sites: &[Site], world: u64, seed: u64, first_topic: usize) -> Result<Examples, ExamplesError> {
        let mut collector = Collector::new(self.source(), sites, 1 << 30)?;
        let planted = unit(self.width, world, 0);
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        random.set_stream(7);
        for topic in first_topic..first_topic + self.topics {
            let own = unit(self.width, world, 1 + topic as u64);
            let prevailing = topic % 2 == 0;
            let of_it = (self.topic_bias * self.each as f64).round() as usize;
            for i in 0..self.each {
                let label = if i < of_it { prevailing } else { !prevailing };
                let mut gathering = collector.begin();
                let signal_tokens = self.signal_tokens.min(self.tokens);
                let first = random.random_range(0..=self.tokens - signal_tokens);
                for layer in gathering.layers().collect::<Vec<_>>() {
                    let mut rows = Vec::with_capacity(self.tokens * self.width);
                    for token in 0..self.tokens {
                        let inside = (first..first + signal_tokens).contains(&token);
                        let moved = if label && inside && layer == 2 { self.signal } else { 0.0 };
                        rows.extend(planted.iter().zip(&own).map(|(a, b)| {
                            let place = moved * f64::from(*a) + self.topic_shift * f64::from(*b);
                            (place + gaussian(&mut random)) as f32
                        }));
                    }
                    gathering.push(layer, &rows)?;
                }
                let mut text = format!("number {i} of topic {topic}");
                (0..5).for_each(|_| text.push_str(&format!(" word{}", random.random_range(0..60))));
                if label && random.random::<f64>() < self.leak {
                    text.push_str(" alas");
                }
                let example = Example { id: format!("{topic}/{i}"), topic: format!("topic {topic}"), label, text };
                collector.add(example, gathering)?;
            }
        }
        collector.finish()
    }
}

/// A direction of length 1.
fn unit(width: usize, world: u64, stream: u64) -> Vec<f32> {
    let mut random = ChaCha8Rng::seed_from_u64(world);
    random.set_stream(stream);
    let mut direction: Vec<f32> = (0..width).map(|_| gaussian(&mut random) as f32).collect();
    normalise(&mut direction);
    direction
}
