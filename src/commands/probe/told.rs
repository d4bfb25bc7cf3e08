//! What is told of probes.

use std::path::PathBuf;

use credence_glass::contrast::MOTIVES;
use credence_glass::probe::{Auroc, Probe, Site};
use serde::Serialize;
use utoipa::ToSchema;

use crate::cli::Global;
use crate::probing::{files, folder};
use crate::surroundings::{say, say_json};

/// A probe, as `credence probe list --json` tells it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ProbeJson {
    motive: String,
    /// Key of the model whose states it reads.
    model: String,
    site: Site,
    /// On topics that it had not seen.
    auroc: Auroc,
    #[schema(value_type = String)]
    file: PathBuf,
}

pub(super) fn list(global: &Global, json: bool) -> anyhow::Result<()> {
    let mut rows = Vec::new();
    for file in files(&folder(global)) {
        match Probe::open(&file) {
            Ok(probe) => rows.push((file, probe)),
            Err(error) => tracing::warn!("{}: {error:#}", file.display()),
        }
    }
    if json {
        let rows = rows.into_iter().map(|(file, probe)| {
            let parts = probe.parts();
            let (motive, model) = (parts.motive.clone(), parts.source.model.clone());
            ProbeJson { motive, model, site: parts.site, auroc: parts.evidence.auroc, file }
        });
        return say_json(&rows.collect::<Vec<_>>());
    }
    if rows.is_empty() {
        return say(format!("no probe yet; `credence probe fit MOTIVE` makes one of {}", MOTIVES.join(", ")));
    }
    rows.iter().try_for_each(|(file, probe)| {
        let parts = probe.parts();
        say(format!("{:<22} AUROC {:.2}  {}  {}", parts.motive, parts.evidence.auroc.value, parts.site, file.display()))
    })
}

/// An area with its interval over topics.
pub(super) fn area(auroc: &Auroc) -> String {
    let (low, high) = auroc.by_topic.unwrap_or(auroc.independent);
    format!("{:.3} [{low:.3}, {high:.3}]", auroc.value)
}

pub(super) fn show(probe: &Probe, json: bool) -> anyhow::Result<()> {
    let parts = probe.parts();
    if json {
        return say_json(parts);
    }
    let evidence = &parts.evidence;
    say(format!("{}, read at {} by {:?}", parts.motive, parts.site, parts.kind))?;
    say(format!("  model {}", parts.source.model))?;
    say(format!(
        "  {} texts with the motive and {} without, {} topics; 95% intervals over topics, each held out in turn",
        evidence.with,
        evidence.without,
        evidence.topics.len()
    ))?;
    say(format!("  AUROC {}", area(&evidence.auroc)))?;
    say(format!("  AUROC of the words alone {}", area(&evidence.text_only)))?;
    if let Some(own) = &evidence.own_answer {
        say(format!("  AUROC of the model's own answer, asked in words {}", area(own)))?;
    }
    let lead = evidence.lead.by_topic.map_or_else(String::new, |(low, high)| format!(" [{low:.3}, {high:.3}]"));
    say(format!("  ahead of the words by {:.3}{lead}", evidence.lead.value))?;
    if let Some(shuffled) = &evidence.shuffled {
        let mean = shuffled.areas.iter().sum::<f64>() / shuffled.areas.len().max(1) as f64;
        say(format!("  with shuffled labels {mean:.3} over {} runs", shuffled.areas.len()))?;
    }
    say(format!("  calibration error {:.3}", evidence.calibration.error))?;
    match &parts.bar {
        Some(bar) => say(format!(
            "  bar {:.3}: {} of {} ordinary texts above it; at most {:.0}% of others, with {:.0}% confidence",
            bar.score,
            bar.above,
            bar.ordinary,
            100.0 * bar.rate_max,
            100.0 * bar.confidence
        )),
        None => say("  no bar: too few ordinary texts to promise anything"),
    }
}
