//! `credence eval library`: how well a model's states tell what passages say of values.

use std::path::{Path, PathBuf};

use clap::Args;
use credence_agent::library::{self, Document, built_in};
use credence_evals::library::{PassageRow, passages_by_states};
use credence_priors::LanguageModel;
use credence_priors::value_reading::KeptReadings;
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use super::keep::Keep;
use crate::cli::eval::KeepArgs;
use crate::cli::{Global, ModelArgs};
use crate::exit::WrongInput;
use crate::progress::counting;
use crate::surroundings::{model_and_schema, say, say_json};

/// `credence eval library`.
#[derive(Debug, Args)]
pub(crate) struct LibraryEvalArgs {
    /// Keyed documents, a file or a folder [default: those that ship]
    #[arg(long, value_name = "FILE|DIR")]
    documents: Option<PathBuf>,
    /// One JSON object
    #[arg(long)]
    json: bool,
    /// Where figures are kept.
    #[command(flatten)]
    kept: KeepArgs,
    /// The model: any that llama.cpp loads
    #[command(flatten)]
    model: ModelArgs,
}

/// The documents of a path, with the name of its last part.
pub(super) fn documents(path: &Path) -> anyhow::Result<(String, Vec<Document>)> {
    let (files, _) = library::find(path);
    let documents = files.iter().map(|file| library::load(file)).collect::<Result<Vec<_>, _>>()?;
    if documents.is_empty() {
        anyhow::bail!(WrongInput(format!("there is no document in {}", path.display())));
    }
    let name = path.file_stem().map_or_else(|| "library".into(), |n| n.to_string_lossy().into_owned());
    Ok((name, documents))
}

/// What `--json` prints.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LibraryEvalJson {
    model: String,
    /// Hash of the map from its states to values.
    map: String,
    rows: Vec<PassageRow>,
}

/// Reads the passages and prints how often the sign is right.
pub(super) fn run(global: &Global, args: &LibraryEvalArgs) -> anyhow::Result<()> {
    let kept = Keep::of(&args.kept, "library")?;
    let documents: Vec<Document> = match &args.documents {
        Some(path) => documents(path)?.1,
        None => built_in().iter().flat_map(|c| c.documents()).collect(),
    };
    let (mut model, schema, readings) = model_and_schema(global, &args.model)?;
    let map = super::reading::fitted(&mut model, &schema, &readings)?;
    let mut cached = KeptReadings::open(Some(&readings), &map);
    let bar = counting("reading passages");
    let rows = passages_by_states(&mut model, &map, &mut cached, &documents, &mut |done, of| {
        bar.set_length(of as u64);
        bar.set_position(done as u64);
    })?;
    bar.finish_and_clear();
    let options = json!({ "model": model.describe().name, "map": map.hash(), "documents": args.documents });
    kept.keep(&options, &rows[..])?;
    if args.json {
        return say_json(&LibraryEvalJson { model: model.describe().name, map: map.hash(), rows });
    }
    say("What the model's states say of keyed passages: signs right where a value is keyed")?;
    rows.iter().filter(|row| row.sign.of > 0).try_for_each(|PassageRow { value, sign, correlation }| {
        let r = correlation.map_or_else(|| "-".into(), |r| format!("{r:+.2}"));
        say(format!("  {value:<16} {sign}   correlation {r}"))
    })
}
