//! Bayesian teaching: a model fine-tuned on the exact posterior's predictions of the flight task, beside the same model
//! fine-tuned on right answers and the model as it is, on the same held-out people and flights.
//!
//! A run of hours may be cut into stretches: training is frozen every few steps, and what is done is not done again.

mod figures;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use credence_training::flight::{Teacher, Tokenizer, Words};
use credence_training::teaching::{Curve, TeachingSettings, examine, teach};
use credence_training::{Adapter, Control, Progress, TrainingError, Weights};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// Accuracies published for a 9B model, and that of the exact posterior: what the figures are shown beside (Qiu et al.
/// 2026; after five answers).
pub const PUBLISHED: [(&str, f64); 4] = [
    ("9B model, untuned", 0.37),
    ("9B model, right answers", 0.61),
    ("9B model, Bayesian", 0.76),
    ("exact Bayes", 0.807),
];

/// Steps from one checkpoint to the next.
const CHECKPOINT_STEPS: usize = 5;

/// Who was taught, by whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Pupil {
    /// Nobody taught it.
    Base,
    /// Right answers.
    RightAnswers,
    /// The exact posterior.
    Bayesian,
}

impl Pupil {
    /// All three, in the order of the report.
    pub const ALL: [Self; 3] = [Self::Base, Self::RightAnswers, Self::Bayesian];

    fn teacher(self) -> Option<Teacher> {
        match self {
            Self::Base => None,
            Self::RightAnswers => Some(Teacher::RightAnswer),
            Self::Bayesian => Some(Teacher::Bayesian),
        }
    }

    /// Its name in files and tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Base => "base",
            Self::RightAnswers => "right-answers",
            Self::Bayesian => "bayesian",
        }
    }
}

/// What a run found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct TeachingReport {
    /// How it was made.
    pub settings: TeachingSettings,
    /// By pupil.
    pub curves: Vec<(Pupil, Curve)>,
    /// By pupil, after so many sequences on the way.
    pub on_the_way: Vec<(Pupil, Vec<Look>)>,
}

/// An examination on the way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Look {
    /// Training sequences until then.
    pub sequences: usize,
    /// What the pupil predicted.
    #[schema(inline)]
    pub curve: Curve,
}

/// Why a run could not go on.
#[derive(Debug, thiserror::Error)]
pub enum TeachingError {
    /// Training or reading failed.
    #[error(transparent)]
    Training(#[from] TrainingError),
    /// The file system refused.
    #[error("failed to {doing} {}", path.display())]
    File {
        /// What was tried.
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The folder belongs to another run.
    #[error("{} holds a run with other settings: give another folder", .0.display())]
    Another(PathBuf),
    /// Stopped on request or because its time was up.
    #[error("stopped; the same command goes on where it was")]
    Stopped,
}

/// Teaches and examines, or does what is left of it in this folder.
///
/// # Errors
/// As [`TeachingError`] says; what was done stays in the folder.
pub fn run(
    dir: &Path,
    settings: &TeachingSettings,
    weights: &Weights,
    tokenizer: &(dyn Tokenizer + Sync),
    cancel: &AtomicBool,
    on_progress: &mut (dyn FnMut(Pupil, &Progress) + Send),
) -> Result<TeachingReport, TeachingError> {
    let file = |name: String| dir.join(name);
    std::fs::create_dir_all(dir).map_err(|source| failed("make", dir, source))?;
    let stated = file("settings.json".into());
    match read::<TeachingSettings>(&stated)? {
        Some(before) if before != *settings => return Err(TeachingError::Another(dir.to_owned())),
        Some(_) => {}
        None => write(&stated, settings)?,
    }
    let (mut curves, mut on_the_way) = (Vec::new(), Vec::new());
    for pupil in Pupil::ALL {
        let path = file(format!("{}.json", pupil.name()));
        let looks = file(format!("{}.on-the-way.json", pupil.name()));
        if let Some(curve) = read::<Curve>(&path)? {
            curves.push((pupil, curve));
            on_the_way.push((pupil, read(&looks)?.unwrap_or_default()));
            continue;
        }
        let adapter = match pupil.teacher() {
            None => None,
            Some(teacher) => {
                let path = file(format!("{}.gguf", pupil.name()));
                let mut looks = Looks { path: &looks, settings, weights, tokenizer };
                Some(taught(&path, settings, teacher, &mut looks, cancel, &mut |p| on_progress(pupil, p))?)
            }
        };
        let curve = examine(weights, adapter.as_ref(), settings, tokenizer)?;
        write(&path, &curve)?;
        curves.push((pupil, curve));
        on_the_way.push((pupil, read(&looks)?.unwrap_or_default()));
        if cancel.load(Ordering::Relaxed) && curves.len() < Pupil::ALL.len() {
            return Err(TeachingError::Stopped);
        }
    }
    let report = TeachingReport { settings: settings.clone(), curves, on_the_way };
    write(&file("report.json".into()), &report)?;
    Ok(report)
}

/// The examinations on the way of one pupil, kept in a file.
struct Looks<'a> {
    path: &'a Path,
    settings: &'a TeachingSettings,
    weights: &'a Weights,
    tokenizer: &'a (dyn Tokenizer + Sync),
}

impl Looks<'_> {
    fn look(&self, step: usize, adapter: &Adapter) -> Result<(), TeachingError> {
        let sequences = step * self.settings.training.batch;
        let every = self.settings.look_every.max(1).next_multiple_of(self.settings.training.batch);
        if self.settings.look_every == 0 || !sequences.is_multiple_of(every) {
            return Ok(());
        }
        // A run that was stopped takes steps again that it had taken.
        let mut looks: Vec<Look> = read(self.path)?.unwrap_or_default();
        if looks.iter().all(|look| look.sequences < sequences) {
            let curve = examine(self.weights, Some(adapter), self.settings, self.tokenizer)?;
            looks.push(Look { sequences, curve });
            write(self.path, &looks)?;
        }
        Ok(())
    }
}

fn taught(
    path: &Path,
    settings: &TeachingSettings,
    teacher: Teacher,
    looks: &mut Looks<'_>,
    cancel: &AtomicBool,
    on_progress: &mut (dyn FnMut(&Progress) + Send),
) -> Result<Adapter, TeachingError> {
    let (weights, tokenizer) = (looks.weights, looks.tokenizer);
    if path.is_file() {
        return Ok(Adapter::read(path, weights)?);
    }
    let checkpoint = path.with_extension("checkpoint");
    let mut looked = Ok(());
    let mut watch = |step: usize, adapter: &Adapter| {
        if looked.is_ok() {
            looked = looks.look(step, adapter);
        }
    };
    let mut control = Control {
        progress: Some(on_progress),
        watch: Some(&mut watch),
        cancel: Some(cancel),
        checkpoint: Some(&checkpoint),
        checkpoint_steps: CHECKPOINT_STEPS,
        ..Control::default()
    };
    let trained = teach(weights, settings, teacher, tokenizer, &mut control)?;
    looked?;
    if !trained.finished {
        return Err(TeachingError::Stopped);
    }
    trained.adapter.write(path)?;
    Ok(trained.adapter)
}

impl TeachingReport {
    /// The curve of a pupil.
    fn of(&self, pupil: Pupil) -> Option<&Curve> {
        self.curves.iter().find(|(p, _)| *p == pupil).map(|(_, curve)| curve)
    }

    /// The report in Markdown: accuracy after each number of answers with 95% intervals over people, the paired gain of
    /// Bayesian targets over right answers, the agreement with the posterior, and published figures.
    pub fn markdown(&self) -> String {
        let s = &self.settings;
        let mut text = format!(
            "# Bayesian teaching on the flight task\n\n{} training sequences of {} rounds, {} held-out people x {} \
             sequences, seed {}; {} features, {} flights, {:?} words{}; rank {}, {} epochs. Intervals are 95% over people. \
             Nobody examined chooses like anybody taught.\n",
            s.sequences,
            s.rounds,
            s.people,
            s.sequences_a_person,
            s.seed,
            s.task.features,
            s.task.flights,
            s.task.words,
            if s.task.dialogue { " in a dialogue" } else { "" },
            s.training.lora.rank,
            s.training.epochs
        );
        let answers: Vec<String> = (0..s.rounds).map(|n| n.to_string()).collect();
        let head = format!("\n| answers | {} |\n|---|{}\n", answers.join(" | "), "---|".repeat(s.rounds));
        let row = |name: &str, measure: &[Vec<f64>]| {
            let cells: Vec<String> =
                Curve::estimates(measure).iter().map(|e| format!("{:.3} +- {:.3}", e.mean, e.half_width)).collect();
            format!("| {name} | {} |\n", cells.join(" | "))
        };
        text += "\n## Right predictions\n";
        text += &head;
        for (pupil, curve) in &self.curves {
            text += &row(pupil.name(), &curve.right);
        }
        if let Some((_, curve)) = self.curves.first() {
            text += &row("exact posterior", &curve.ceiling);
        }
        if let (Some(bayesian), Some(right)) = (self.of(Pupil::Bayesian), self.of(Pupil::RightAnswers)) {
            let gains: Vec<String> =
                bayesian.gain_over(right).iter().map(|e| format!("{:+.3} +- {:.3}", e.mean, e.half_width)).collect();
            text += &format!("| bayesian less right-answers, paired | {} |\n", gains.join(" | "));
        }
        text += "\n## Agreement with the exact posterior's prediction\n";
        text += &head;
        for (pupil, curve) in &self.curves {
            text += &row(pupil.name(), &curve.agrees);
        }
        text += "\n## Divergence from the exact posterior, nats\n";
        text += &head;
        for (pupil, curve) in &self.curves {
            text += &row(pupil.name(), &curve.divergence);
        }
        for (pupil, looks) in self.on_the_way.iter().filter(|(_, looks)| !looks.is_empty()) {
            text += &format!("\n## Right predictions on the way, {}\n", pupil.name());
            text += &head.replace("answers", "sequences, then answers");
            for Look { sequences, curve } in looks {
                text += &row(&sequences.to_string(), &curve.right);
            }
        }
        if s.task.features == 4 && s.task.flights == 3 && s.task.words == Words::Full {
            text += "\nPublished, after five answers: ";
            text += &PUBLISHED.map(|(name, share)| format!("{name} {share}")).join(", ");
            text += ".\n";
        }
        text
    }
}

fn failed(doing: &'static str, path: &Path, source: std::io::Error) -> TeachingError {
    TeachingError::File { doing, path: path.to_owned(), source }
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, TeachingError> {
    match std::fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(|e| failed("read", path, e.into())),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(failed("read", path, source)),
    }
}

fn write<T: Serialize>(path: &Path, value: &T) -> Result<(), TeachingError> {
    let bytes = serde_json::to_vec_pretty(value).map_err(|e| failed("write", path, e.into()))?;
    let part = path.with_extension("part");
    std::fs::write(&part, bytes).and_then(|()| std::fs::rename(&part, path)).map_err(|e| failed("write", path, e))
}

#[cfg(test)]
mod tests {
    use credence_training::flight::Task;
    use credence_training::{Architecture, LoraSettings, TrainingSettings, tiny};

    use super::*;

    #[test]
    fn a_run_that_is_stopped_goes_on_to_the_same_report() -> Result<(), Box<dyn std::error::Error>> {
        let dir = tempfile::tempdir()?;
        let model = dir.path().join("tiny.gguf");
        tiny::write(&model, Architecture::Llama, 1)?;
        let weights = Weights::load(&model)?;
        let tokenizer = |text: &str| text.bytes().map(|b| u32::from(b.clamp(32, 127) - 32)).collect::<Vec<u32>>();
        let settings = TeachingSettings {
            task: Task::published(Words::Levels),
            look_every: 8,
            sequences: 16,
            rounds: 3,
            people: 6,
            sequences_a_person: 1,
            seed: 1,
            training: TrainingSettings {
                lora: LoraSettings { rank: 2, top_layers: Some(2), ..Default::default() },
                epochs: 1,
                batch: 4,
                ..Default::default()
            },
        };
        let never = AtomicBool::new(false);
        let whole = run(&dir.path().join("whole"), &settings, &weights, &tokenizer, &never, &mut |_, _| {})?;
        // Stopped after its second step, in each of the two trainings.
        let parts = dir.path().join("parts");
        let mut stops = 0;
        let report = loop {
            let cancel = AtomicBool::new(false);
            let mut steps = 0;
            let mut stop = |_: Pupil, _: &Progress| {
                steps += 1;
                cancel.store(steps == 2, Ordering::Relaxed);
            };
            match run(&parts, &settings, &weights, &tokenizer, &cancel, &mut stop) {
                Err(TeachingError::Stopped) => stops += 1,
                other => break other?,
            }
        };
        assert!(stops >= 2, "{stops}");
        assert_eq!(report, whole);
        let looks = &whole.on_the_way[1].1;
        assert_eq!(looks.iter().map(|look| look.sequences).collect::<Vec<_>>(), [8, 16]);
        assert_eq!(looks[1].curve, whole.curves[1].1, "the last look is at the pupil that is kept");
        let text = report.markdown();
        assert!(text.contains("| bayesian less right-answers, paired |") && text.contains("exact posterior"), "{text}");
        let figures = crate::figures::kept(&report);
        assert_eq!(figures.len(), 3 * (3 * 3 + 2) + 2 * 2 * 3);
        let kept = crate::figures::of(&figures, ["held-out people", "base", "2 answers", "share right"]);
        let base = Curve::estimates(&report.curves[0].1.right)[2];
        assert_eq!((kept.mean, kept.high), (base.mean, Some(base.mean + base.half_width)));
        let other = TeachingSettings { seed: 2, ..settings };
        let refused = run(&parts, &other, &weights, &tokenizer, &never, &mut |_, _| {});
        assert!(matches!(refused, Err(TeachingError::Another(_))));
        Ok(())
    }
}
