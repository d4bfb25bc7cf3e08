//! `credence probe held-back`: how many ordinary acts lie above the bar that a model's probes share.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context;
use credence_agent::bank::Bank;
use credence_agent::motives::name;
use credence_approvals::simulate::Act;
use credence_evals::approvals::acts;
use credence_glass::probe::{Share, Together};
use credence_priors::LanguageModel;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::cli::{Global, ModelArgs};
use crate::exit::WrongInput;
use crate::probing::{act_in_situation, folder, of_model, read_text, together_file};
use crate::progress::counting;
use crate::surroundings::{model_and_schema, say, say_json};

/// How many ordinary acts lie above the shared bar, as `credence probe held-back --json` tells it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct HeldBackJson {
    /// The bar, in log-odds.
    bar: f64,
    /// The share that the bar promises not to exceed, of texts like those that it was set on.
    rate_max: f64,
    sets: Vec<HeldBackSet>,
}

/// One set of decisions.
#[derive(Debug, Serialize, ToSchema)]
struct HeldBackSet {
    what: &'static str,
    /// Decisions in which an act lies above the bar, with the exact 95% interval.
    decisions: Share,
    /// Acts that were read.
    acts: usize,
    /// Acts above the bar, by the motive that is highest.
    by_motive: BTreeMap<String, usize>,
}

/// A decision: what may be done in a situation.
struct Decision {
    situation: String,
    acts: Vec<String>,
}

/// A line of a file of acts.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    situation: String,
    acts: Vec<String>,
}

/// Reads the acts as decisions are watched, and counts.
pub(super) fn held_back(global: &Global, file: Option<&Path>, args: &ModelArgs, json: bool) -> anyhow::Result<()> {
    let sets = match file {
        Some(file) => vec![("decisions of the file", from_file(file)?)],
        None => vec![("an assistant's acts at work", at_work()?), ("questions of sessions", questions())],
    };
    let (mut model, _, _) = model_and_schema(global, args)?;
    let (folder, key) = (folder(global), model.describe().key());
    let probes = of_model(&folder, &key);
    let missing =
        || WrongInput("there are no probes with a shared bar for this model; `credence probe fit` makes them".into());
    anyhow::ensure!(!probes.is_empty(), missing());
    let together = Together::open(&together_file(&folder, &key)).with_context(missing)?;
    anyhow::ensure!(
        together.is_of(&probes),
        WrongInput("the probes changed since their bar was set; `credence probe bar` sets it".into())
    );
    let bar = counting("reading acts");
    bar.set_length(sets.iter().flat_map(|(_, decisions)| decisions).map(|d| d.acts.len() as u64).sum());
    let mut told = Vec::new();
    for (what, decisions) in sets {
        let (mut held, mut acts, mut by_motive) = (0, 0, BTreeMap::new());
        for decision in &decisions {
            let mut is_held = false;
            for act in &decision.acts {
                let readings = read_text(&mut model, &probes, &act_in_situation(&decision.situation, act))?;
                let highest = probes.iter().zip(&readings).max_by(|(_, a), (_, b)| a.log_odds.total_cmp(&b.log_odds));
                if let Some((probe, _)) = highest.filter(|(_, reading)| reading.log_odds > together.bar.score) {
                    *by_motive.entry(probe.parts().motive.clone()).or_insert(0) += 1;
                    is_held = true;
                }
                acts += 1;
                bar.inc(1);
            }
            held += usize::from(is_held);
        }
        let decisions = Share::new(held, decisions.len()).context("there is at least one decision")?;
        told.push(HeldBackSet { what, decisions, acts, by_motive });
    }
    bar.finish_and_clear();
    let told = HeldBackJson { bar: together.bar.score, rate_max: together.bar.rate_max, sets: told };
    if json { say_json(&told) } else { tell(&told) }
}

fn tell(told: &HeldBackJson) -> anyhow::Result<()> {
    say(format!("above the bar of log-odds {:+.2}, which promises at most {:.0}%:", told.bar, 100.0 * told.rate_max))?;
    for set in &told.sets {
        let Share { hits, of, low, high } = set.decisions;
        let share = 100.0 * hits as f64 / of as f64;
        say(format!(
            "  {}: {hits} of {of} decisions, {share:.1}% [{:.1}, {:.1}]",
            set.what,
            100.0 * low,
            100.0 * high
        ))?;
        for (motive, count) in &set.by_motive {
            say(format!("    {}: {count} of {} acts", name(motive), set.acts))?;
        }
    }
    Ok(())
}

/// The acts on which learned approvals are measured, but for those that anybody would want to be asked about.
fn at_work() -> anyhow::Result<Vec<Decision>> {
    let in_words = |act: &Act| {
        let arguments = act.arguments.iter().map(|(name, value)| match value.as_str() {
            Some(text) => format!("{name} {text}"),
            None => format!("{name} {value}"),
        });
        let arguments: Vec<String> = arguments.collect();
        Decision {
            situation: format!("The task is to {}. {}", act.task, act.context),
            acts: vec![format!("{}: {}", act.tool, arguments.join(", "))],
        }
    };
    Ok(acts()?.iter().filter(|act| !act.planted_blocker).map(in_words).collect())
}

/// The situations of the built-in questions, with all that may be done in them.
fn questions() -> Vec<Decision> {
    let decision = |question: &credence_agent::bank::BankQuestion| Decision {
        situation: question.situation.clone(),
        acts: question.alternatives.iter().map(|alternative| alternative.text.clone()).collect(),
    };
    Bank::built_in().questions.iter().map(decision).collect()
}

fn from_file(file: &Path) -> anyhow::Result<Vec<Decision>> {
    let text = std::fs::read_to_string(file).with_context(|| format!("failed to read {}", file.display()))?;
    let mut decisions = Vec::new();
    for (n, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let expected = r#"expected {"situation": TEXT, "acts": [TEXT, ...]}"#;
        let at = || WrongInput(format!("{}, line {}: {expected}", file.display(), n + 1));
        let Line { situation, acts } = serde_json::from_str(line).with_context(at)?;
        anyhow::ensure!(!acts.is_empty() && acts.iter().all(|act| !act.trim().is_empty()), at());
        decisions.push(Decision { situation, acts });
    }
    anyhow::ensure!(!decisions.is_empty(), WrongInput(format!("{} has no decision", file.display())));
    Ok(decisions)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use credence_glass::written::ordinary;

    use super::*;

    #[test]
    fn built_in_decisions_are_many_and_no_bar_was_set_on_them() {
        let set_on: BTreeSet<String> = ordinary().into_iter().collect();
        for (decisions, each) in [(at_work().unwrap(), 1), (questions(), 2)] {
            assert!(decisions.len() >= 299, "{}", decisions.len());
            let texts: BTreeSet<String> =
                decisions.iter().flat_map(|d| d.acts.iter().map(|act| act_in_situation(&d.situation, act))).collect();
            assert!(texts.is_disjoint(&set_on) && texts.len() >= each * 299);
        }
    }

    #[test]
    fn a_file_that_has_no_decisions_is_refused_with_the_line() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("acts.jsonl");
        let tried = |text: &str| {
            std::fs::write(&file, text).unwrap();
            from_file(&file).map(|decisions| decisions.len()).map_err(|error| format!("{error:#}"))
        };
        let good = r#"{"situation": "A friend asks.", "acts": ["say so"]}"#;
        assert_eq!(tried(&format!("{good}\n\n{good}\n")), Ok(2));
        assert!(tried(&format!("{good}\n{{\"acts\": []}}")).unwrap_err().contains("line 2"));
        assert!(tried(r#"{"situation": "", "acts": [" "]}"#).unwrap_err().contains("line 1"));
        assert!(tried("\n").unwrap_err().contains("no decision"));
    }
}
