//! `credence model`: fetch, list, describe and measure models.

use credence_priors::bench::bench;
use credence_priors::cache::PulledModel;
use credence_priors::reference::ModelReference;
use credence_priors::schema::ValueSchema;
use credence_priors::value_reading::{ValueMap, ValueValidity};
use credence_priors::{Llama, ModelIdentity};
use serde::Serialize;
use utoipa::ToSchema;

use crate::cli::{Global, ModelCommand};
use crate::commands::prior::read_in_words;
use crate::progress::PullBar;
use crate::surroundings::{cache, pull, say, say_json};

/// A model, as `credence model info --json` tells it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ModelJson {
    model: PulledModel,
    architecture: String,
    name: Option<String>,
    parameters: u64,
    /// What its weights are kept in.
    precision: String,
    /// Files that it is split into.
    files: u64,
    /// Whether it has a template of its own for conversations.
    chat_template: bool,
    /// How well it reads each value in acts that nobody keyed; nothing where that is not known yet.
    reads: Option<Vec<ValueValidity>>,
}

/// Runs `credence model ...`.
pub(crate) fn run(global: &Global, command: ModelCommand) -> anyhow::Result<()> {
    match command {
        ModelCommand::Pull { reference, sha256 } => {
            let parsed: ModelReference = reference.parse()?;
            let model = cache(global).pull(&parsed, &mut PullBar::default())?;
            if let Some(expected) = sha256.filter(|s| !s.eq_ignore_ascii_case(&model.sha256)) {
                anyhow::bail!("{reference} has the SHA-256 hash {}, expected {expected}", model.sha256);
            }
            say(format!(
                "{}\n  file     {}\n  size     {} bytes\n  sha256   {}",
                model.reference,
                model.path.display(),
                model.bytes,
                model.sha256
            ))
        }
        ModelCommand::List { json } => {
            let models = cache(global).list()?;
            if json {
                return say_json(&models);
            }
            if models.is_empty() {
                return say("no model is in the cache; `credence model pull` fetches the default one");
            }
            models.iter().try_for_each(|m| say(format!("{}  {:.0} MB", m.reference, m.bytes as f64 / 1e6)))
        }
        ModelCommand::Info { reference, json } => {
            let parsed: ModelReference = reference.parse()?;
            let info = cache(global).info(&parsed)?;
            let options = cache(global).llama_options_for(&info.model);
            let precision = Llama::scoring_precision(&info.model.path, &options)?;
            let schema = ValueSchema::embedded();
            let key = ModelIdentity::key_of(&info.model.blake3, &precision);
            let map = ValueMap::known_for(&key, &schema, Some(&cache(global).readings()));
            if json {
                return say_json(&ModelJson {
                    precision: info.head.precision(),
                    model: info.model,
                    architecture: info.head.architecture,
                    name: info.head.name,
                    parameters: info.head.parameters,
                    files: info.head.split.map_or(1, |(_, count)| count),
                    chat_template: info.head.has_chat_template,
                    reads: map.map(|map| map.validity),
                });
            }
            say(format!(
                "{}\n  file          {}\n  name          {}\n  architecture  {}\n  parameters    {:.1} million\n  precision     {}\n  files         {}\n  chats         {}\n  sha256        {}\n  blake3        {}",
                info.model.reference,
                info.model.path.display(),
                info.head.name.as_deref().unwrap_or("-"),
                info.head.architecture,
                info.head.parameters as f64 / 1e6,
                info.head.precision(),
                info.head.split.map_or(1, |(_, count)| count),
                if info.head.has_chat_template { "by its own template" } else { "no template: asked in plain text" },
                info.model.sha256,
                info.model.blake3,
            ))?;
            let Some(map) = map else {
                return say(
                    "  values        how well it reads them is not known before it has read the keyed acts: credence eval validity",
                );
            };
            say(
                "\nHow often the sign of a value is read right in acts that nobody keyed (cross-validated, 95% intervals)",
            )?;
            map.validity.iter().try_for_each(|validity| {
                let name = schema.values.iter().find(|v| v.id == validity.value).map_or("", |v| v.name.as_str());
                say(format!("  {name:<22} {}", read_in_words(validity)))
            })
        }
        ModelCommand::Bench { reference, rounds, json } => {
            let pulled = pull(global, &reference)?;
            let mut model = Llama::load(&pulled.path, &cache(global).llama_options_for(&pulled))?;
            let report = bench(&mut model, rounds)?;
            if json {
                return say_json(&report);
            }
            say(format!(
                "prompt tokens a second, median of {} rounds\n  raw decoding        {:.0}\n  unrelated prompts   {:.0}  ({:.2} of raw)\n  shared prefixes     {:.0}  ({:.2} of raw)",
                report.rounds,
                report.raw_rate,
                report.unrelated_rate,
                report.unrelated_ratio,
                report.shared_rate,
                report.shared_ratio,
            ))
        }
    }
}
