//! `credence sae show --labels`: which entries tell labelled texts apart.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::Context;
use credence_glass::Autoencoder;
use credence_glass::probe::{Auroc, EACH_LABEL_MIN, auroc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{highest, layer_of, states};
use crate::cli::{Global, ModelArgs};
use crate::exit::WrongInput;
use crate::surroundings::{model_and_schema, say, say_json};

/// Entries that tell labelled texts apart, as `credence sae show --labels --json` tells them.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LabelledJson {
    /// Entries that were tried.
    tried: usize,
    /// The best of them.
    entries: Vec<LabelledEntryJson>,
}

/// How well one entry tells them apart.
#[derive(Debug, Serialize, ToSchema)]
struct LabelledEntryJson {
    entry: usize,
    auroc: Auroc,
}

/// A text with a label.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Labelled {
    text: String,
    label: bool,
    topic: String,
}

/// Reads labelled texts; refuses what tells nothing.
fn labelled(path: &Path) -> anyhow::Result<Vec<Labelled>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("failed to read {}", path.display()))?;
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let texts = lines
        .map(|(n, line)| {
            let expected = r#"expected {"text": TEXT, "label": true or false, "topic": NAME}"#;
            serde_json::from_str(line)
                .map_err(|e| WrongInput(format!("{}, line {}: {e}; {expected}", path.display(), n + 1)).into())
        })
        .collect::<anyhow::Result<Vec<Labelled>>>()?;
    let with = texts.iter().filter(|t| t.label).count();
    let without = texts.len() - with;
    anyhow::ensure!(
        with > 0 && without > 0,
        WrongInput(format!("{}: all {} labels are the same; nothing can be told apart", path.display(), texts.len()))
    );
    anyhow::ensure!(
        with.min(without) >= EACH_LABEL_MIN,
        WrongInput(format!(
            "{}: {with} texts with the label and {without} without; {EACH_LABEL_MIN} of each are needed",
            path.display()
        ))
    );
    let topics: BTreeSet<&str> = texts.iter().map(|t| t.topic.as_str()).collect();
    anyhow::ensure!(
        topics.len() >= 2,
        WrongInput(format!("{}: one topic only; an interval needs several", path.display()))
    );
    Ok(texts)
}

/// The entries that tell labelled texts apart best.
pub(super) fn show_labels(
    global: &Global,
    autoencoder: &Autoencoder,
    labels: &Path,
    top: usize,
    model: &ModelArgs,
    json: bool,
) -> anyhow::Result<()> {
    let labelled = labelled(labels)?;
    let (mut model, _, _) = model_and_schema(global, model)?;
    let layer = layer_of(autoencoder, &model)?;
    let texts: Vec<String> = labelled.iter().map(|t| t.text.clone()).collect();
    let data = states(&mut model, layer, &texts)?;
    let codes = autoencoder.encode(&data)?;
    let by_text = highest(&codes, &data, texts.len());
    let is: Vec<bool> = labelled.iter().map(|t| t.label).collect();
    let topics: Vec<&str> = labelled.iter().map(|t| t.topic.as_str()).collect();
    let mut found: Vec<_> = (0..autoencoder.width())
        .filter_map(|entry| {
            let values: Vec<f64> = by_text.iter().map(|of| f64::from(of[entry])).collect();
            Some((entry, auroc(&values, &is, &topics)?))
        })
        .collect();
    found.sort_by(|(_, a), (_, b)| (b.value - 0.5).abs().total_cmp(&(a.value - 0.5).abs()));
    let tried = found.len();
    found.truncate(top);
    if json {
        let entries = found.into_iter().map(|(entry, auroc)| LabelledEntryJson { entry, auroc }).collect();
        return say_json(&LabelledJson { tried, entries });
    }
    say(format!("the best of {tried} entries; the best of so many looks good by chance, so try it on other texts"))?;
    found.iter().try_for_each(|(entry, area)| {
        let (low, high) = area.by_topic.unwrap_or(area.independent);
        say(format!("  entry {entry:<6} AUROC {:.3} [{low:.3}, {high:.3}]", area.value))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_that_tell_nothing_apart_are_refused_with_the_reason() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("labels.jsonl");
        let line = |n: usize, label: bool, topic: &str| {
            format!(r#"{{"text": "text {n}", "label": {label}, "topic": "{topic}"}}"#)
        };
        let refused = |lines: &[String]| {
            std::fs::write(&path, lines.join("\n")).unwrap();
            labelled(&path).map(|found| found.len()).map_err(|e| e.to_string())
        };
        let many = |label: fn(usize) -> bool, count: usize, topics: usize| -> Vec<String> {
            (0..count).map(|n| line(n, label(n), &format!("t{}", n % topics))).collect()
        };
        assert!(refused(&many(|_| true, 50, 2)).unwrap_err().contains("all 50 labels are the same"));
        assert!(refused(&many(|n| n < 3, 50, 2)).unwrap_err().contains("3 texts with the label"));
        assert!(refused(&many(|n| n % 2 == 0, 50, 1)).unwrap_err().contains("one topic"));
        assert!(refused(&["{\"text\": 1}".to_owned()]).unwrap_err().contains("line 1"));
        assert_eq!(refused(&many(|n| n % 2 == 0, 50, 3)), Ok(50));
    }
}
