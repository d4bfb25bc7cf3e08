//! A probe on examples that it was not fitted on.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::auroc::{Auroc, auroc};
use super::bar::Share;
use super::calibration::{Calibration, calibration};
use super::error::ExamplesError;
use super::examples::Examples;
use super::parts::{Probe, Reading};

/// What was measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Evaluation {
    /// Hash of the examples.
    pub data: String,
    /// Whether these are the very examples that the probe was fitted on; then every figure flatters.
    pub fitted_on: bool,
    /// Area on all examples; nothing where they have one label.
    pub auroc: Option<Auroc>,
    /// Area on topics that the fit never saw; nothing where none of these has both labels between them.
    pub unseen: Option<Auroc>,
    /// Topics of these examples that the fit has seen.
    pub topics_seen: Vec<String>,
    /// Probabilities against frequencies.
    pub calibration: Calibration,
    /// Share of examples with the motive above the bar; nothing without a bar or without such examples.
    pub recall: Option<Share>,
    /// Share of examples without the motive above the bar.
    pub false_alarms: Option<Share>,
}

/// Measures a probe on examples with states where it reads. `seed` is for the simulated calibration.
///
/// # Errors
/// If the examples are of another source, or have no states at the probe's site.
#[allow(clippy::missing_panics_doc, reason = "there is one probability for each example")]
pub fn evaluate(probe: &Probe, examples: &Examples, seed: u64) -> Result<(Evaluation, Vec<Reading>), ExamplesError> {
    let readings = probe.read(examples)?;
    let evidence = &probe.parts().evidence;
    let seen: BTreeSet<&str> = evidence.topics.iter().map(String::as_str).collect();
    let all = || readings.iter().zip(examples.examples());
    let area = |unseen_only: bool| {
        let those = all().filter(|(_, example)| !unseen_only || !seen.contains(example.topic.as_str()));
        let (mut scores, mut labels, mut topics) = (Vec::new(), Vec::new(), Vec::new());
        for (reading, example) in those {
            scores.push(reading.score);
            labels.push(example.label);
            topics.push(example.topic.as_str());
        }
        auroc(&scores, &labels, &topics)
    };
    let alarms = |label: bool| {
        let alarms: Option<Vec<bool>> =
            all().filter(|(_, example)| example.label == label).map(|(reading, _)| reading.alarm).collect();
        alarms.and_then(|alarms| Share::new(alarms.iter().filter(|alarm| **alarm).count(), alarms.len()))
    };
    let topics_seen: BTreeSet<&str> =
        examples.examples().iter().map(|e| e.topic.as_str()).filter(|topic| seen.contains(topic)).collect();
    let probabilities: Vec<f64> = readings.iter().map(|reading| reading.probability).collect();
    let data = examples.hash();
    let evaluation = Evaluation {
        fitted_on: data == evidence.data,
        data,
        auroc: area(false),
        unseen: area(true),
        topics_seen: topics_seen.into_iter().map(str::to_owned).collect(),
        calibration: calibration(&probabilities, &examples.labels(), seed).expect("one probability an example"),
        recall: alarms(true),
        false_alarms: alarms(false),
    };
    Ok((evaluation, readings))
}
