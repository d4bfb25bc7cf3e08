//! Probes at work: which there are for a model, what they read of a text, and which acts they read before a decision.

use std::path::{Path, PathBuf};

use anyhow::Context;
use credence_agent::in_words::brief;
use credence_agent::motives::{bar_in_words, reading_in_words};
use credence_glass::probe::{Band, Probe, Reading, Source, Together};
use credence_glass::written::{built_in, ordinary};
use credence_memory::home::Home;
use credence_memory::ids::{AlternativeId, PersonId, Seq, TaskId};
use credence_memory::number::{Finite, NumberError, Probability};
use credence_memory::record::{MotiveBar, MotivePart, MotiveRead, MotiveReading, Record};
use credence_memory::state::State;
use credence_priors::{LanguageModel, ModelHandle, ModelIdentity};
use serde::Serialize;
use utoipa::ToSchema;

use crate::cli::Global;
use crate::progress::working;
use crate::surroundings::{Opened, cache, now};

/// How a text is put before the model. The first token's state is many times larger than any other, whatever the token is
/// (it takes the attention that nothing else needs), so it says nothing of the text and would rule every maximum.
pub(crate) const FRAME: &str = "the text alone, all tokens but the first";
/// The end of the name of the file with the bar that the probes of a model share.
const TOGETHER: &str = "together";

/// Where states come from.
pub(crate) fn source(identity: &ModelIdentity) -> Source {
    Source { model: identity.key(), width: identity.width, layers: identity.layers, frame: FRAME.to_owned() }
}

/// The states that are read of a text: of `tokens x width` numbers those after the first token's.
pub(crate) fn after_first(rows: &[f32], width: usize) -> &[f32] {
    rows.get(width..).unwrap_or_default()
}

/// Where probes are kept that nobody put elsewhere.
pub(crate) fn folder(global: &Global) -> PathBuf {
    cache(global).readings().with_file_name("probes")
}

/// A model's key as it stands in names of files.
pub(crate) fn short(key: &str) -> String {
    key.chars().filter(char::is_ascii_alphanumeric).take(12).collect()
}

/// The file of the bar that the probes of a model share.
pub(crate) fn together_file(folder: &Path, key: &str) -> PathBuf {
    folder.join(format!("{TOGETHER}.{}.json", short(key)))
}

/// The files of probes in a folder; none where there is no folder.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut files: Vec<PathBuf> = entries.filter_map(Result::ok).map(|entry| entry.path()).collect();
    let is_bar = |path: &PathBuf| motive_of(path) == Some(TOGETHER);
    files.retain(|path| path.extension().is_some_and(|e| e == "json") && !is_bar(path));
    files.sort();
    files
}

/// The motive in the name of a probe's file, which is `MOTIVE.MODEL.json`.
pub(crate) fn motive_of(file: &Path) -> Option<&str> {
    file.file_name()?.to_str()?.split('.').next()
}

/// The probes of a folder that were fitted for the model with this key. A file that is no probe is passed over with a warning.
pub(crate) fn of_model(folder: &Path, key: &str) -> Vec<Probe> {
    let mut probes = Vec::new();
    for file in files(folder) {
        match Probe::open(&file) {
            Ok(probe) if probe.parts().source.model == key && probe.parts().source.frame == FRAME => probes.push(probe),
            Ok(_) => {}
            Err(error) => tracing::warn!("{error}"),
        }
    }
    probes
}

/// What each probe says of a text.
pub(crate) fn read_text(model: &mut ModelHandle, probes: &[Probe], text: &str) -> anyhow::Result<Vec<Reading>> {
    let mut layers: Vec<usize> = probes.iter().map(|probe| probe.parts().site.layer).collect();
    layers.sort_unstable();
    layers.dedup();
    let states = model.token_states(&[text.to_owned()], &layers)?.pop().unwrap_or_default();
    probes
        .iter()
        .map(|probe| {
            let at = layers.iter().position(|layer| *layer == probe.parts().site.layer).unwrap_or(0);
            let mut reader = probe.reader();
            reader.push(states.get(at).map_or(&[], |rows| after_first(rows, probe.parts().source.width)))?;
            Ok(reader.reading()?)
        })
        .collect()
}

/// Every so many-th ordinary text is a fixed prompt of the gate, and every so many-th pair of a contrast set.
const ORDINARY_EVERY: usize = 12;
const PAIRS_EVERY: usize = 16;

/// Log-odds that probes read of prompts that never change, by prompt and then by probe: what a candidate of training is held against. The
/// model may be one with an adapter of the model that the probes were fitted for; its states are read as if they were that model's.
pub(crate) fn fixed_prompts(model: &mut ModelHandle, probes: &[Probe]) -> anyhow::Result<Vec<Vec<f64>>> {
    let pairs = probes.iter().filter_map(|probe| built_in(&probe.parts().motive));
    let with =
        pairs.flat_map(|set| set.pairs().iter().step_by(PAIRS_EVERY).map(|pair| pair.with.clone()).collect::<Vec<_>>());
    let texts = ordinary().into_iter().step_by(ORDINARY_EVERY).chain(with);
    texts.map(|text| Ok(read_text(model, probes, &text)?.iter().map(|reading| reading.log_odds).collect())).collect()
}

/// The probes of a model with the bar that they share: what watches decisions.
pub(crate) struct Watch {
    probes: Vec<Probe>,
    hashes: Vec<String>,
    together: Together,
}

/// What is to be read before a decision, or of it.
pub(crate) struct ToWatch {
    alternative: AlternativeId,
    part: MotivePart,
    deliberated: Option<Seq>,
    text: String,
}

/// Whose decision is watched.
#[derive(Clone)]
pub(crate) struct Watched {
    pub(crate) person: PersonId,
    pub(crate) task: Option<TaskId>,
}

impl Watch {
    /// The probes in a folder for the model of a home; nothing where there are none, or no bar for just these.
    pub(crate) fn of(folder: &Path, state: &State) -> Option<Self> {
        let key = key_of(state)?;
        let probes = of_model(folder, &key);
        if probes.is_empty() {
            return None;
        }
        let together = match Together::open(&together_file(folder, &key)) {
            Ok(together) if together.is_of(&probes) => together,
            Ok(_) => {
                tracing::warn!(
                    "the probes changed since their bar was set, so none of them is used; `credence probe bar` sets it"
                );
                return None;
            }
            Err(error) => {
                tracing::warn!(
                    "the probes have no bar together, so none is used; `credence probe bar` sets it ({error})"
                );
                return None;
            }
        };
        let hashes = probes.iter().map(Probe::hash).collect();
        Some(Self { probes, hashes, together })
    }

    /// The shared bar as a record has it.
    fn bar(&self) -> Result<MotiveBar, NumberError> {
        let bar = &self.together.bar;
        Ok(MotiveBar {
            log_odds: Finite::new(bar.score)?,
            false_alarms_max: Probability::new(bar.rate_max)?,
            confidence: Probability::new(bar.confidence)?,
            ordinary: bar.ordinary as u64,
        })
    }

    /// From where a second opinion is asked, and where the alarm is, in log-odds.
    pub(crate) fn band(&self) -> Band {
        self.together.band()
    }

    /// What was not read yet by these very probes with this bar: the alternatives as proposed, and what was foreseen of them.
    pub(crate) fn wanted(
        &self,
        state: &State,
        whose: &Watched,
        alternatives: &[AlternativeId],
        deliberations: &[Seq],
    ) -> Vec<ToWatch> {
        let of = |alternative: &AlternativeId| {
            state.description(alternative).map(|d| act_in_situation(&d.situation, &d.text)).unwrap_or_default()
        };
        let proposed = alternatives.iter().map(|alternative| ToWatch {
            alternative: *alternative,
            part: MotivePart::Proposed,
            deliberated: None,
            text: of(alternative),
        });
        let written = deliberations.iter().filter_map(|seq| Some((*seq, &state.deliberations().get(seq)?.made)));
        let foreseen = written.flat_map(|(seq, made)| {
            let words: Vec<&str> = made.consequences.iter().map(|c| c.text.trim()).collect();
            let words = words.join(" ");
            let with = format!("{} {words}", of(&made.alternative));
            [(MotivePart::Foreseen, words), (MotivePart::Chosen, with)].map(|(part, text)| ToWatch {
                alternative: made.alternative,
                part,
                deliberated: Some(seq),
                text,
            })
        });
        let bar = self.bar().ok();
        let is_missing = |wanted: &ToWatch| {
            let read = state.motives_of(&whose.person, &wanted.alternative);
            !read.iter().any(|(_, r)| {
                r.part == wanted.part
                    && r.deliberated == wanted.deliberated
                    && bar.as_ref() == Some(&r.bar)
                    && r.readings.iter().map(|reading| &reading.probe).eq(&self.hashes)
            })
        };
        proposed.chain(foreseen).filter(|w| !w.text.trim().is_empty()).filter(is_missing).collect()
    }

    /// Reads one of them.
    pub(crate) fn read(
        &self,
        model: &mut ModelHandle,
        whose: &Watched,
        wanted: &ToWatch,
    ) -> anyhow::Result<MotiveRead> {
        let found = read_text(model, &self.probes, &wanted.text)?;
        let share = |p: f64| Probability::new(p.clamp(0.0, 1.0));
        let readings = self.probes.iter().zip(&self.hashes).zip(found).map(
            |((probe, hash), reading)| -> anyhow::Result<MotiveReading> {
                let evidence = &probe.parts().evidence;
                let (low, high) = evidence.auroc.by_topic.unwrap_or(evidence.auroc.independent);
                Ok(MotiveReading {
                    motive: probe.parts().motive.clone(),
                    probe: hash.clone(),
                    log_odds: Finite::new(reading.log_odds)?,
                    auroc: share(evidence.auroc.value)?,
                    auroc_interval: [share(low)?, share(high)?],
                    text_only: share(evidence.text_only.value)?,
                    examples: (evidence.with + evidence.without) as u64,
                })
            },
        );
        Ok(MotiveRead {
            person: whose.person.clone(),
            task: whose.task.clone(),
            alternative: wanted.alternative,
            part: wanted.part,
            deliberated: wanted.deliberated,
            bar: self.bar()?,
            readings: readings.collect::<anyhow::Result<_>>()?,
        })
    }
}

/// An act as a plan in its situation: what probes read. They were fitted on texts of a few sentences.
pub(crate) fn act_in_situation(situation: &str, act: &str) -> String {
    let ended = |text: &str| {
        let text = text.trim();
        if text.is_empty() || text.ends_with(['.', '!', '?', '"']) { text.to_owned() } else { format!("{text}.") }
    };
    format!("{} Plan: {}", ended(situation), ended(act)).trim().to_owned()
}

impl Opened {
    /// Probes of the home's model; nothing where there are none.
    pub(crate) fn watch(&self) -> Option<Watch> {
        let folder = self.opening.readings.as_deref()?.with_file_name("probes");
        Watch::of(&folder, self.home.state())
    }

    /// Reads the alternatives of a decision, and what was foreseen of them, with the probes there are; readings are recorded.
    pub(crate) fn read_motives(
        &mut self,
        watch: Option<&Watch>,
        whose: &Watched,
        alternatives: &[AlternativeId],
        deliberations: &[Seq],
    ) -> anyhow::Result<()> {
        let Some(watch) = watch else { return Ok(()) };
        let wanted = watch.wanted(self.home.state(), whose, alternatives, deliberations);
        if wanted.is_empty() {
            return Ok(());
        }
        let mut model = self.reader()?.model().clone();
        let _working = working("reading motives");
        for wanted in &wanted {
            let read = watch
                .read(&mut model, whose, wanted)
                .with_context(|| format!("motives could not be read of {:?}", brief(&wanted.text)))?;
            note(&mut self.home, read)?;
        }
        Ok(())
    }
}

/// The key of the model that a home belongs to; nothing where the log has no header.
fn key_of(state: &State) -> Option<String> {
    let model = &state.header()?.model;
    Some(ModelIdentity::key_of(&model.gguf_hash.to_string(), &model.scoring_precision))
}

/// What probes read of an act.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct MotiveView {
    /// Its record.
    pub(crate) record: u64,
    /// Which words were read: "proposed" (the act in its situation), "foreseen" (what was foreseen of it), "chosen" (both).
    pub(crate) part: &'static str,
    /// Whether it is above the bar.
    pub(crate) alarm: bool,
    /// The bar, in log-odds.
    pub(crate) bar: f64,
    /// The bar in words, with what it promises.
    pub(crate) bar_in_words: String,
    /// By motive, the highest first.
    pub(crate) readings: Vec<MotiveReadingView>,
}

/// What one probe read.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct MotiveReadingView {
    /// The motive.
    pub(crate) motive: String,
    /// The log-odds where every second text has the motive.
    pub(crate) log_odds: f64,
    /// The same as a probability.
    pub(crate) probability: f64,
    /// Area under the curve of this probe on topics that it had not seen.
    pub(crate) auroc: f64,
    /// Its 95% interval.
    pub(crate) auroc_interval: [f64; 2],
    /// The same area of a bag of words.
    pub(crate) text_only: f64,
    /// All of it in words.
    pub(crate) in_words: String,
}

/// Readings of motives, as they are shown.
pub(crate) fn views(state: &State, motives: &[Seq]) -> Vec<MotiveView> {
    let found = motives.iter().filter_map(|seq| Some((seq, state.motives().get(seq)?)));
    found
        .map(|(seq, read)| {
            let mut readings: Vec<MotiveReadingView> = read
                .readings
                .iter()
                .map(|reading| MotiveReadingView {
                    motive: reading.motive.clone(),
                    log_odds: reading.log_odds.get(),
                    probability: reading.probability(),
                    auroc: reading.auroc.get(),
                    auroc_interval: reading.auroc_interval.map(|p| p.get()),
                    text_only: reading.text_only.get(),
                    in_words: reading_in_words(reading),
                })
                .collect();
            readings.sort_by(|a, b| b.log_odds.total_cmp(&a.log_odds));
            MotiveView {
                record: seq.0,
                part: read.part.name(),
                alarm: read.alarm().is_some(),
                bar: read.bar.log_odds.get(),
                bar_in_words: bar_in_words(read),
                readings,
            }
        })
        .collect()
}

/// Records a reading.
pub(crate) fn note(home: &mut Home, read: MotiveRead) -> anyhow::Result<()> {
    home.append(now(), Record::MotiveRead(read))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_act_is_read_as_a_plan_in_its_situation() {
        assert_eq!(act_in_situation("A friend asks.", "say so"), "A friend asks. Plan: say so.");
        assert_eq!(act_in_situation(" ", "say so!"), "Plan: say so!");
        assert_eq!(act_in_situation("What now", "go"), "What now. Plan: go.");
    }
}
