//! `credence tune export` and `credence tune import`: data sets for other trainers, adapters from them.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::atomic::AtomicBool;

use anyhow::Context;
use credence_memory::ids::Hash;
use credence_memory::record::{Exported, Record};
use credence_training::{Adapter, TrainingError, Weights, peft};
use credence_tuning::candidate::{Folder, Imported};
use credence_tuning::dataset::{self, DataSet};
use credence_tuning::lessons::{examples, rehearsal};
use credence_tuning::plan;
use credence_tuning::records::{adapter_file, take_up};
use credence_tuning::trl::{write_examples, write_preferences, write_texts};

use super::work::{report, show, unfinished, with_workshop, work};
use super::{settings, whose};
use crate::cli::{Global, TuneExportArgs, TuneImportArgs};
use crate::exit::WrongInput;
use crate::hint::hint;
use crate::progress::counting;
use crate::surroundings::{Opened, now, open_home, pull, say};

/// Runs `credence tune export`.
pub(super) fn export(global: &Global, args: &TuneExportArgs) -> anyhow::Result<()> {
    if args.to.exists() {
        anyhow::bail!(WrongInput(format!("{} is there already", args.to.display())));
    }
    if let Some(generation) = args.adapter {
        let mut home = open_home(global)?;
        let from = adapter_file(home.paths().root(), home.state(), generation)
            .with_context(|| WrongInput(format!("the log has no generation {generation}")))?;
        let bytes = fs::read(&from).with_context(|| format!("failed to read {}", from.display()))?;
        record(&mut home, "adapter", &args.to, &bytes, 1)?;
        fs::write(&args.to, &bytes).with_context(|| format!("failed to write {}", args.to.display()))?;
        return say(format!("generation {generation} in {}", args.to.display()));
    }
    let mut home = Opened::open(global, &args.model)?.home;
    let settings = settings(global)?;
    let data = dataset::build(home.state(), &whose(home.state(), &args.whose)?, &settings.data)?;
    let (bar, cancel) = (counting(""), AtomicBool::new(false));
    let root = home.paths().root().to_owned();
    let seed = settings.training.seed;
    let (teachings, texts, examples) =
        with_workshop(global, &args.model, home.state(), &root, None, &cancel, |workshop| {
            let teachings = workshop.teachings(&data, &mut |progress| show(&bar, &progress))?;
            let texts = rehearsal(&mut workshop.base, settings.data.own_outputs, seed)?;
            let examples = examples(&teachings, &texts, settings.data.weights[2], &mut workshop.base)?;
            Ok((teachings, texts, examples))
        })?;
    bar.finish_and_clear();
    let failed = || format!("failed to write into {}", args.to.display());
    let json = serde_json::to_vec_pretty(&data)?;
    // The log names the folder before it is there, so that no erasure can miss it.
    record(&mut home, "dataset", &args.to, &json, teachings.len() as u64)?;
    fs::create_dir_all(&args.to).with_context(failed)?;
    fs::write(args.to.join("data.json"), &json).with_context(failed)?;
    let write = |name: &str, rows: &mut dyn FnMut(&mut dyn Write) -> std::io::Result<u64>| {
        let mut out = BufWriter::new(File::create(args.to.join(name))?);
        let count = rows(&mut out)?;
        out.flush()?;
        Ok::<u64, std::io::Error>(count)
    };
    let prompts =
        write("preference.jsonl", &mut |out| write_preferences(&data, &teachings, out)).with_context(failed)?;
    let rehearsed = write("text.jsonl", &mut |out| write_texts(&texts, out)).with_context(failed)?;
    write("examples.jsonl", &mut |out| write_examples(&examples, out)).with_context(failed)?;
    say(format!(
        "{} lessons of {} as {prompts} prompts, {rehearsed} texts to rehearse, {} answers held out: {}",
        data.lessons.len(),
        data.whose,
        data.held_out.len(),
        args.to.display()
    ))
}

fn record(
    home: &mut credence_memory::home::Home,
    format: &str,
    to: &Path,
    bytes: &[u8],
    rows: u64,
) -> anyhow::Result<()> {
    let path = std::path::absolute(to).with_context(|| format!("failed to find {}", to.display()))?;
    let exported =
        Exported { format: format.to_owned(), path: path.display().to_string(), content_hash: Hash::of(bytes), rows };
    home.append(now(), Record::Exported(exported))?;
    Ok(())
}

/// Runs `credence tune import`.
pub(super) fn import(global: &Global, args: &TuneImportArgs) -> anyhow::Result<()> {
    let mut home = Opened::open(global, &args.model)?.home;
    let root = home.paths().root().to_owned();
    if unfinished(&root)?.is_some() {
        anyhow::bail!("a candidate was begun and is not finished: `credence tune run` goes on with it");
    }
    let taught: Option<DataSet> = match &args.data {
        None => None,
        Some(path) => {
            let bytes = fs::read(path).map_err(|e| WrongInput(format!("failed to read {}: {e}", path.display())))?;
            let data = serde_json::from_slice(&bytes)
                .map_err(|e| WrongInput(format!("{} is no data set of `tune export`: {e}", path.display())))?;
            Some(data)
        }
    };
    let weights = Weights::load(&pull(global, &args.model.model)?.path)?;
    let is_peft = args.from.is_dir();
    let adapter = if is_peft { peft::import(&args.from, &weights) } else { Adapter::read(&args.from, &weights) };
    let adapter = adapter.map_err(wrong_adapter)?;
    drop(weights);
    let imported = Imported {
        format: if is_peft { "peft-safetensors" } else { "gguf" }.to_owned(),
        name: args.from.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned()),
    };
    let job = plan::import_job(home.state(), &settings(global)?, taught, imported);
    let folder = Folder::of(&root, job.generation);
    folder.make()?;
    adapter.write(&folder.adapter())?;
    folder.write("job.json", &job)?;
    let outcome = work(global, &args.model, home.state(), &root, &folder, &job)?;
    // A stranger's adapter is never put into force without a word from a person.
    let promoted = take_up(&mut home, &folder, &job, &outcome, false, now())?;
    home.checkpoint();
    report(&job, &outcome, promoted, args.json)?;
    if !args.json {
        let promote = hint(format_args!("tune promote {}", job.generation));
        say(format!("candidate {}; {promote} puts it into force if the gate accepts it", job.generation))?;
    }
    Ok(())
}

/// An adapter that cannot be used is wrong input; anything else stays what it is.
fn wrong_adapter(error: TrainingError) -> anyhow::Error {
    match error {
        TrainingError::Adapter { .. } | TrainingError::OtherModel { .. } | TrainingError::Tensor { .. } => {
            WrongInput(error.to_string()).into()
        }
        other => other.into(),
    }
}
