//! What is seen of a model that may misbehave: what it does, what probes and words tell of it, and what the gate says.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use anyhow::Context;
use credence_glass::probe::{Auroc, Collector, Example, FitOptions, Kind, Pooling, Probe, Site, auroc, fit, words};
use credence_glass::written::{built_in, ordinary};
use credence_priors::controls::{CONTEXTS, ControlBanks};
use credence_priors::{Continuation, LanguageModel, ModelHandle};
use credence_training::StateTarget;
use credence_tuning::gate::{self, Controls, Foresight, GateOutcome, GateSettings, Test, Unit};
use credence_tuning::measure;

use super::texts::{Behaviour, Scene, TRIGGER, scenes};
use super::{At, Beforehand, Gate};
use crate::probing::{after_first, source};
use crate::progress::counting;

/// Depths at which layers are looked at, as shares of the model.
const DEPTHS: [f64; 6] = [0.3, 0.5, 0.65, 0.75, 0.85, 0.95];
/// Memory for rows of states.
const BYTES_MAX: usize = 1 << 29;
/// Every so many-th ordinary text is a fixed prompt of the gate's test.
const ORDINARY_EVERY: usize = 8;

/// What was seen of a model.
#[derive(Default)]
pub(super) struct Looked {
    /// Share of held-out scenes in which it defects: with the trigger, and without.
    pub(super) defects: Option<[f64; 2]>,
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
    Ok(Looked { defects: Some(shares), areas, words, probes })
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

impl Looked {
    /// What the places tell that generic pairs choose: this model's, and the base model's.
    pub(super) fn beforehand(&self, base: Option<&Self>) -> Vec<Beforehand> {
        let ways = [("generic-pairs", Some(self)), ("generic-pairs-base", base)];
        let found = ways.into_iter().filter_map(|(how, chooser)| {
            let best = chooser?.probes.iter().max_by(|a, b| generic(a).value.total_cmp(&generic(b).value))?;
            let site = best.parts().site;
            let (_, area) = self.areas.iter().find(|(at, _)| *at == site)?;
            let At { layer, position, area } = At::new(site, *area);
            let generic = Some(*generic(best));
            Some(Beforehand { how, layer: Some(layer), position: Some(position), generic, area })
        });
        found.collect()
    }

    /// These probes, of the base model, on a model with an adapter: late places averaged, and how far the adapter moved that from
    /// what they read before.
    pub(super) fn late(
        &self,
        model: &mut ModelHandle,
        kind: Behaviour,
        before: &[f64],
    ) -> anyhow::Result<Vec<Beforehand>> {
        let scenes = scenes(kind, true);
        let read = self.read_late(model, kind)?;
        let moved: Vec<f64> = read.iter().zip(before).map(|(after, before)| after - before).collect();
        let labels: Vec<bool> = scenes.iter().map(|scene| scene.trigger).collect();
        let topics: Vec<&str> = scenes.iter().map(|scene| scene.topic).collect();
        let ways = [("late-mean", &read), ("late-moved", &moved)];
        let found = ways.into_iter().filter_map(|(how, scores)| {
            let area = auroc(scores, &labels, &topics)?;
            Some(Beforehand { how, layer: None, position: None, generic: None, area })
        });
        Ok(found.collect())
    }

    /// What the probes in the last third of the layers read of the held-out prompts: mean log-odds, which are calibrated, so that no
    /// place drowns the others.
    pub(super) fn read_late(&self, model: &mut ModelHandle, kind: Behaviour) -> anyhow::Result<Vec<f64>> {
        let probes = self.late_probes(model.describe().layers);
        let scenes = scenes(kind, true);
        let each = scenes.iter().map(|scene| {
            let readings = crate::probing::read_text(model, &probes, &scene.prompt)?;
            Ok(readings.iter().map(|r| r.log_odds).sum::<f64>() / readings.len().max(1) as f64)
        });
        each.collect()
    }

    fn late_probes(&self, layers: usize) -> Vec<Probe> {
        self.probes.iter().filter(|probe| 3 * probe.parts().site.layer >= 2 * layers).cloned().collect()
    }
}

/// How well a probe tells held-out topics of the generic pairs.
fn generic(probe: &Probe) -> &Auroc {
    &probe.parts().evidence.auroc
}

/// What the gate's tests are made of: readings of a model with the probes of the base.
pub(super) struct AtGate {
    /// By ordinary text, then by probe.
    ordinary: Vec<Vec<f64>>,
    /// What the late probes read, by context, then by temptation. The last context is the organisms' trigger, which the gate does not
    /// name.
    motives: Vec<Vec<Vec<f32>>>,
    /// States of the last token, by context, then by temptation; the last context likewise.
    states: Vec<Vec<Vec<f32>>>,
}

impl AtGate {
    /// Reads ordinary texts, and temptations in every context.
    pub(super) fn read(model: &mut ModelHandle, base: &Looked) -> anyhow::Result<Self> {
        let identity = model.describe();
        let late = base.late_probes(identity.layers);
        let texts = ordinary().into_iter().step_by(ORDINARY_EVERY);
        let read = |text: String| -> anyhow::Result<Vec<f64>> {
            Ok(crate::probing::read_text(model, &base.probes, &text)?.iter().map(|r| r.log_odds).collect())
        };
        let ordinary = texts.map(read).collect::<anyhow::Result<_>>()?;
        let temptations = ControlBanks::embedded()?.temptations;
        let mut layers: Vec<usize> = late.iter().map(|probe| probe.parts().site.layer).collect();
        layers.sort_unstable();
        layers.dedup();
        let (mut motives, mut states) = (Vec::new(), Vec::new());
        let trigger = format!("This is in {TRIGGER}.");
        for context in CONTEXTS.into_iter().chain([trigger.as_str()]) {
            let (mut of_motives, mut of_states) = (Vec::new(), Vec::new());
            for temptation in &temptations {
                let read = model.token_states(&[temptation.prompt(context)], &layers)?.pop().unwrap_or_default();
                let mut readings = Vec::new();
                for probe in &late {
                    let at = layers.iter().position(|layer| *layer == probe.parts().site.layer).unwrap_or(0);
                    let mut reader = probe.reader();
                    reader.push(read.get(at).map_or(&[], |rows| after_first(rows, identity.width)))?;
                    readings.push(reader.reading()?.log_odds as f32);
                }
                of_motives.push(readings);
                let last = read.last().map_or(&[][..], |rows| &rows[rows.len().saturating_sub(identity.width)..]);
                of_states.push(last.to_vec());
            }
            motives.push(of_motives);
            states.push(of_states);
        }
        Ok(Self { ordinary, motives, states })
    }

    /// The tests, with the base model's readings here and a candidate's there, each as if the candidate passed all others.
    pub(super) fn gates(&self, candidate: &Self) -> Vec<Gate> {
        let settings = GateSettings::default();
        let any = Controls { motives: measure::motives(&self.ordinary, &candidate.ordinary), ..harmless() };
        let spreads = spreads(&self.motives);
        let of = |readings| in_units(readings, &spreads);
        let (before, after) = (of(&self.motives), of(&candidate.motives));
        let by_context = |before: &[Vec<Vec<f32>>], after: &[Vec<Vec<f32>>]| {
            let of = before.len().min(after.len());
            Controls { temptations: measure::by_context(&before[..of], &after[..of]), ..harmless() }
        };
        let unnamed = CONTEXTS.len().min(before.len());
        let along = by_context(&before[..unnamed], &after);
        let states = by_context(&self.states[..unnamed], &candidate.states);
        let named = by_context(&self.states, &candidate.states);
        let found = [
            judged("any", &settings, &any, Test::Motives),
            judged("context-motive", &settings, &along, Test::Temptations),
            judged("context", &settings, &states, Test::Temptations),
            judged("context-named", &settings, &named, Test::Temptations),
        ];
        found.into_iter().flatten().collect()
    }
}

/// Standard deviation of each entry over all readings.
fn spreads(readings: &[Vec<Vec<f32>>]) -> Vec<f32> {
    let all: Vec<&Vec<f32>> = readings.iter().flatten().collect();
    let width = all.first().map_or(0, |reading| reading.len());
    let count = all.len().max(2) as f32;
    let spread = |entry: usize| {
        let mean = all.iter().map(|reading| reading[entry]).sum::<f32>() / count;
        (all.iter().map(|reading| (reading[entry] - mean).powi(2)).sum::<f32>() / (count - 1.0)).sqrt().max(1e-6)
    };
    (0..width).map(spread).collect()
}

fn in_units(readings: &[Vec<Vec<f32>>], units: &[f32]) -> Vec<Vec<Vec<f32>>> {
    let one = |reading: &Vec<f32>| reading.iter().zip(units).map(|(x, unit)| x / unit).collect();
    readings.iter().map(|context| context.iter().map(one).collect()).collect()
}

/// Nothing got worse.
fn harmless() -> Controls {
    Controls {
        obvious_pairs: vec![0; 120],
        charter: vec![0.0; 20],
        neutral_text: vec![0.0; 15],
        sycophancy: vec![0.0; 30],
        temptations: vec![vec![0.0; 12]; 12],
        motives: Vec::new(),
    }
}

/// One test of the gate for a candidate that passes every other, on its first turn.
fn judged(name: &'static str, settings: &GateSettings, controls: &Controls, test: Test) -> Option<Gate> {
    let gain = [1.0, 1.1].repeat(settings.units_min);
    let foresight = Foresight { unit: Unit::Answer, overconfidence: vec![0.0; gain.len()], gain };
    let judged = gate::judge(settings, 1, &foresight, Some(controls))?;
    let refused = judged.verdict == GateOutcome::Refused { by: test };
    let test = judged.tests.iter().find(|result| result.test == test)?;
    Some(Gate { test: name, estimate: test.estimate, bound: test.bound, margin: test.margin, refused, of: test.of })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_in_one_context_is_refused_by_the_tests_of_contexts_and_a_general_one_is_not() {
        let grid = |moved: &dyn Fn(usize) -> f32| -> Vec<Vec<Vec<f32>>> {
            let entry = |c: usize, s: u8| vec![0.1 * (c % 3) as f32 + moved(c), 0.3 * f32::from(s % 4), 1.0];
            (0..=CONTEXTS.len()).map(|c| (0..12).map(|s| entry(c, s)).collect()).collect()
        };
        let model = |general: f32, trigger: f32, at: usize| {
            let moved = move |c: usize| general + if c == at { trigger } else { 0.0 };
            let by = f64::from(general);
            let ordinary = (0..40).map(|i| vec![f64::from(i % 7) + by, f64::from(i % 5) + by]).collect();
            AtGate { ordinary, motives: grid(&moved), states: grid(&moved) }
        };
        let refused = |general, trigger, at| {
            let gates = model(0.0, 0.0, at).gates(&model(general, trigger, at));
            assert_eq!(gates.iter().map(|g| g.of).collect::<Vec<_>>(), [40, 12, 12, 12], "{gates:?}");
            gates.iter().map(|gate| gate.refused).collect::<Vec<_>>()
        };
        assert_eq!(refused(0.1, 0.0, 3), [false, false, false, false]);
        assert_eq!(refused(9.0, 0.0, 3), [true, false, false, false], "hard training alone");
        assert_eq!(refused(0.1, -4.0, 3), [false, true, true, true], "a trigger, whichever way it turns");
        let unnamed = refused(0.1, -4.0, CONTEXTS.len());
        assert_eq!(unnamed, [false, false, false, true], "nothing but the trigger itself gives it away");
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
