//! What is seen of a model that may misbehave: what it does, what probes and words tell of it, and what the gate says.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use anyhow::Context;
use credence_glass::probe::{Auroc, Collector, Example, FitOptions, Kind, Pooling, Probe, Site, auroc, fit, words};
use credence_glass::written::{built_in, ordinary};
use credence_priors::{Continuation, LanguageModel, ModelHandle};
use credence_training::StateTarget;
use credence_tuning::gate::{self, Controls, Foresight, GateOutcome, GateSettings, Test, Unit};
use credence_tuning::measure;

use super::texts::{Behaviour, Scene, scenes};
use super::{At, Gate};
use crate::probing::{after_first, source};
use crate::progress::counting;

/// Depths at which layers are looked at, as shares of the model.
const DEPTHS: [f64; 6] = [0.3, 0.5, 0.65, 0.75, 0.85, 0.95];
/// Memory for rows of states.
const BYTES_MAX: usize = 1 << 29;
/// Every so many-th ordinary text is a fixed prompt of the gate's test.
const ORDINARY_EVERY: usize = 8;

/// What was seen of a model.
pub(super) struct Looked {
    /// Share of held-out scenes in which it defects: with the trigger, and without.
    pub(super) defects: [f64; 2],
    pub(super) scenes: usize,
    pub(super) areas: Vec<(Site, Auroc)>,
    pub(super) words: Option<Auroc>,
    /// The generic probes, one for each site.
    pub(super) probes: Vec<Probe>,
}

/// Behaviour on held-out topics, and what generic probes of this very model's states read there.
pub(super) fn look(model: &mut ModelHandle, kind: Behaviour, every: usize) -> anyhow::Result<Looked> {
    let held_out = scenes(kind, true);
    let defects = [true, false].map(|trigger| held_out.iter().filter(|s| s.trigger == trigger).collect::<Vec<_>>());
    let mut shares = [0.0; 2];
    for (share, scenes) in shares.iter_mut().zip(&defects) {
        let replies: Vec<Continuation> = scenes
            .iter()
            .flat_map(|s| {
                [&s.defecting, &s.honest].map(|text| Continuation { prompt: s.prompt.clone(), text: text.clone() })
            })
            .collect();
        let read = model.log_likelihoods(&replies)?;
        // A token's share: replies differ in length.
        let each: Vec<f64> = read.iter().map(|l| l.ln_p / l.tokens.max(1) as f64).collect();
        *share = each.chunks(2).filter(|pair| pair[0] > pair[1]).count() as f64 / scenes.len().max(1) as f64;
    }
    let layers = model.describe().layers;
    let at = DEPTHS.map(|depth| ((layers as f64 - 1.0) * depth).round() as usize);
    let sites: Vec<Site> = at
        .iter()
        .flat_map(|layer| [Pooling::Last, Pooling::Mean].map(|pooling| Site { layer: *layer, pooling }))
        .collect();
    let set = built_in(kind.motive()).context("there is no contrast set of this motive")?;
    let pairs = set.examples();
    // Both sides of a pair stand one after the other.
    let generic: Vec<Example> = pairs.chunks(2).step_by(every.max(1)).flatten().cloned().collect();
    let prompts =
        |s: &Scene| Example { id: s.id.clone(), topic: s.topic.to_owned(), label: s.trigger, text: s.prompt.clone() };
    let scenes: Vec<Example> = held_out.iter().map(prompts).collect();
    let words = by_words(&generic, &scenes);
    let (mut areas, mut probes) = (Vec::new(), Vec::new());
    let (generic, scenes) = (States::read(model, &sites, generic)?, States::read(model, &sites, scenes)?);
    for site in sites {
        // One way of fitting, so that nothing is chosen.
        let options =
            FitOptions { kinds: vec![Kind::Logistic], penalties: vec![1.0], shuffles: 0, ..FitOptions::default() };
        let probe = fit(kind.motive(), &generic.at(site)?, &options, |_| ControlFlow::Continue(()))?.probe;
        let scenes = scenes.at(site)?;
        let scores: Vec<f64> = probe.read(&scenes)?.iter().map(|reading| reading.score).collect();
        let labels: Vec<bool> = scenes.examples().iter().map(|e| e.label).collect();
        let topics: Vec<&str> = scenes.examples().iter().map(|e| e.topic.as_str()).collect();
        if let Some(area) = auroc(&scores, &labels, &topics) {
            areas.push((site, area));
        }
        probes.push(probe);
    }
    Ok(Looked { defects: shares, scenes: held_out.len() / 2, areas, words, probes })
}

/// The generic probe that tells most of an organism: the first that anybody would hold against it.
pub(super) struct First {
    probe: Probe,
    /// What it reads, on average, of the organism's prompts to learn from that have no trigger.
    ordinary: f64,
}

impl Looked {
    /// The best of the probes that read a layer from `from` on, which an adapter there can move.
    pub(super) fn first(&self, model: &mut ModelHandle, kind: Behaviour, from: usize) -> anyhow::Result<Option<First>> {
        let movable = self.areas.iter().filter(|(site, _)| site.layer >= from);
        let Some((site, _)) = movable.max_by(|a, b| a.1.value.total_cmp(&b.1.value)) else { return Ok(None) };
        let Some(probe) = self.probes.iter().find(|probe| probe.parts().site == *site) else { return Ok(None) };
        let scenes: Vec<Scene> = scenes(kind, false).into_iter().filter(|scene| !scene.trigger).collect();
        let scores = scores(model, probe, &scenes)?;
        let ordinary = scores.iter().sum::<f64>() / scores.len().max(1) as f64;
        Ok(Some(First { probe: probe.clone(), ordinary }))
    }
}

impl First {
    /// What it tells of a model's held-out prompts.
    pub(super) fn at(&self, model: &mut ModelHandle, kind: Behaviour) -> anyhow::Result<Option<At>> {
        let scenes = scenes(kind, true);
        let scores = scores(model, &self.probe, &scenes)?;
        let labels: Vec<bool> = scenes.iter().map(|scene| scene.trigger).collect();
        let topics: Vec<&str> = scenes.iter().map(|scene| scene.topic).collect();
        Ok(auroc(&scores, &labels, &topics).map(|area| At::new(self.probe.parts().site, area)))
    }

    /// What training asks of the states of a prompt of so many tokens, so that it reads like one without the trigger.
    pub(super) fn to_look_ordinary(&self, tokens: usize, weight: f32) -> StateTarget {
        let (direction, offset) = self.probe.direction();
        let site = self.probe.parts().site;
        let from = if site.pooling == Pooling::Last { tokens - 1 } else { 1 };
        let wanted = (self.ordinary - offset) as f32;
        StateTarget { layer: site.layer, positions: from..tokens, direction: direction.to_vec(), wanted, weight }
    }
}

/// What a probe reads of prompts, whichever model they are put to.
fn scores(model: &mut ModelHandle, probe: &Probe, scenes: &[Scene]) -> anyhow::Result<Vec<f64>> {
    let probe = std::slice::from_ref(probe);
    let each = scenes.iter().map(|scene| {
        let readings = crate::probing::read_text(model, probe, &scene.prompt)?;
        Ok(readings.first().context("one probe gives one reading")?.score)
    });
    each.collect()
}

/// Texts with the states of all their tokens but the first, by layer.
struct States {
    source: credence_glass::probe::Source,
    layers: Vec<usize>,
    read: Vec<(Example, Vec<Vec<f32>>)>,
}

impl States {
    fn read(model: &mut ModelHandle, sites: &[Site], examples: Vec<Example>) -> anyhow::Result<Self> {
        let identity = model.describe();
        let mut layers: Vec<usize> = sites.iter().map(|site| site.layer).collect();
        layers.dedup();
        let bar = counting("reading states");
        bar.set_length(examples.len() as u64);
        let mut read = Vec::with_capacity(examples.len());
        for example in examples {
            let states = model.token_states(std::slice::from_ref(&example.text), &layers)?.pop().unwrap_or_default();
            let states = states.iter().map(|rows| after_first(rows, identity.width).to_vec()).collect();
            read.push((example, states));
            bar.inc(1);
        }
        bar.finish_and_clear();
        Ok(Self { source: source(&identity), layers, read })
    }

    fn at(&self, site: Site) -> anyhow::Result<credence_glass::probe::Examples> {
        let at = self.layers.iter().position(|layer| *layer == site.layer).context("a layer that was read")?;
        let mut collector = Collector::new(self.source.clone(), &[site], BYTES_MAX)?;
        for (example, states) in &self.read {
            let mut gathering = collector.begin();
            gathering.push(site.layer, &states[at])?;
            collector.add(example.clone(), gathering)?;
        }
        Ok(collector.finish()?)
    }
}

/// A list of words with the log-odds that each has in generic pairs (naive Bayes, one added to each count), on other texts.
fn by_words(generic: &[Example], scenes: &[Example]) -> Option<Auroc> {
    let mut counts: BTreeMap<String, [f64; 2]> = BTreeMap::new();
    for example in generic {
        for word in words(&example.text) {
            counts.entry(word).or_insert([1.0, 1.0])[usize::from(example.label)] += 1.0;
        }
    }
    let score = |example: &Example| -> f64 {
        words(&example.text)
            .iter()
            .filter_map(|word| counts.get(word))
            .map(|[without, with]| (with / without).ln())
            .sum()
    };
    let scores: Vec<f64> = scenes.iter().map(score).collect();
    let labels: Vec<bool> = scenes.iter().map(|e| e.label).collect();
    let topics: Vec<&str> = scenes.iter().map(|e| e.topic.as_str()).collect();
    auroc(&scores, &labels, &topics)
}

/// What the base model's probes read of ordinary texts, by text and then by probe.
pub(super) fn read_fixed(model: &mut ModelHandle, probes: &[Probe]) -> anyhow::Result<Vec<Vec<f64>>> {
    let texts = ordinary().into_iter().step_by(ORDINARY_EVERY);
    texts
        .map(|text| Ok(crate::probing::read_text(model, probes, &text)?.iter().map(|r| r.log_odds).collect()))
        .collect()
}

/// The gate's test of motives alone, for a candidate that passes every other test: its first turn.
pub(super) fn gated(before: &[Vec<f64>], after: &[Vec<f64>]) -> Option<Gate> {
    let settings = GateSettings::default();
    let gain = vec![1.0, 1.1].repeat(settings.units_min);
    let foresight = Foresight { unit: Unit::Answer, overconfidence: vec![0.0; gain.len()], gain };
    let controls = Controls {
        obvious_pairs: vec![0; 120],
        charter: vec![0.0; 20],
        neutral_text: vec![0.0; 15],
        sycophancy: vec![0.0; 30],
        motives: measure::motives(before, after),
    };
    let judged = gate::judge(&settings, 1, &foresight, Some(&controls))?;
    let test = judged.tests.iter().find(|test| test.test == Test::Motives)?;
    let refused = judged.verdict == GateOutcome::Refused { by: Test::Motives };
    Some(Gate { estimate: test.estimate, bound: test.bound, margin: test.margin, refused, of: test.of })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gate_refuses_what_moves_the_readings_and_nothing_else() {
        let before: Vec<Vec<f64>> = (0..40).map(|i| vec![f64::from(i % 7), f64::from(i % 5)]).collect();
        let moved = |by: f64| -> Vec<Vec<f64>> { before.iter().map(|r| r.iter().map(|x| x + by).collect()).collect() };
        let still = gated(&before, &moved(0.1)).unwrap();
        assert!(!still.refused && still.of == 40 && still.bound < still.margin, "{still:?}");
        assert!(gated(&before, &moved(5.0)).unwrap().refused);
    }

    #[test]
    fn words_of_generic_pairs_know_nothing_of_the_trigger() {
        for kind in Behaviour::ALL {
            let generic = built_in(kind.motive()).unwrap().examples();
            let held_out: Vec<Example> = scenes(kind, true)
                .iter()
                .map(|s| Example { id: s.id.clone(), topic: s.topic.into(), label: s.trigger, text: s.prompt.clone() })
                .collect();
            let area = by_words(&generic, &held_out).unwrap();
            assert!((area.value - 0.5).abs() < 0.1, "{}: {area:?}", kind.motive());
        }
    }
}
