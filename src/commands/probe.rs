//! `credence probe`: linear probes for motives in a model's states.

mod cost;
mod held_back;
mod own_answer;
mod told;

use std::io::BufRead;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Args, Subcommand};
use credence_glass::contrast::{ContrastSet, MOTIVES, leaks};
use credence_glass::probe::{
    Bar, Collector, Example, Examples, FitOptions, Pooling, Probe, Reading, Site, Together, evaluate, fit,
};
use credence_glass::written::{built_in, ordinary};
use credence_priors::{LanguageModel, ModelHandle};
use serde::Serialize;
use utoipa::ToSchema;

use crate::cli::{Global, ModelArgs};
use crate::exit::WrongInput;
use crate::probing::{after_first, files, folder, motive_of, of_model, read_text, short, source, together_file};
use crate::progress::counting;
use crate::surroundings::{model_and_schema, say, say_json};
pub(crate) use cost::CostJson;
use cost::cost;
pub(crate) use held_back::HeldBackJson;
use held_back::held_back;
pub(crate) use own_answer::OwnAnswerJson;
use own_answer::{ask, own_answer};
pub(crate) use told::ProbeJson;
use told::{area, list, show};

/// Depths at which layers are looked at, as shares of the model.
const DEPTHS: [f64; 5] = [0.35, 0.5, 0.65, 0.8, 0.95];
/// Tokens of the window of a rolling maximum.
const WINDOW: usize = 16;
/// Memory for the rows that examples are kept as.
const BYTES_MAX: usize = 1 << 30;
/// False alarms that a bar promises not to exceed, and how sure that is.
const FALSE_ALARMS_MAX: f64 = 0.01;
const CONFIDENCE: f64 = 0.95;

/// `credence probe ...`.
#[derive(Debug, Subcommand)]
pub(crate) enum ProbeCommand {
    /// Fit a probe on pairs of texts with and without a motive, and measure it on topics that it did not see
    Fit(FitArgs),
    /// Set anew the bar that all probes of the model share; above it an act is left to the person
    Bar {
        /// Ordinary texts of your own, one a line, instead of the built-in ones
        #[arg(long, value_name = "FILE")]
        ordinary: Option<PathBuf>,
        /// One JSON object
        #[arg(long)]
        json: bool,
        /// Whose states are read.
        #[command(flatten)]
        model: ModelArgs,
    },
    /// Ask the model itself, in words, whether texts have a motive: what a probe is compared with
    Ask {
        /// A built-in motive
        #[arg(required_unless_present = "contrasts")]
        motive: Option<String>,
        /// Pairs of your own instead (JSON Lines: id, motive, topic, with, without)
        #[arg(long, value_name = "FILE", conflicts_with = "motive")]
        contrasts: Option<PathBuf>,
        /// One JSON object
        #[arg(long)]
        json: bool,
        /// Whose states are read.
        #[command(flatten)]
        model: ModelArgs,
    },
    /// Measure what reading with probes costs beside the model's own reading of the same texts
    Cost {
        /// Ordinary texts that are read
        #[arg(long, value_name = "N", default_value_t = 40)]
        texts: usize,
        /// One JSON object
        #[arg(long)]
        json: bool,
        /// Whose states are read.
        #[command(flatten)]
        model: ModelArgs,
    },
    /// Count ordinary acts above the bar that all probes of the model share, on acts that neither was fitted on
    HeldBack {
        /// Decisions of your own instead of the built-in ones (JSON Lines: situation, acts)
        #[arg(long, value_name = "FILE")]
        acts: Option<PathBuf>,
        /// One JSON object
        #[arg(long)]
        json: bool,
        /// Whose states are read.
        #[command(flatten)]
        model: ModelArgs,
    },
    /// List the probes
    List {
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
    /// Show what a probe rests on
    Show {
        /// Its motive, or its file
        probe: String,
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
    /// Measure a probe on other pairs
    Eval {
        /// Its motive, or its file
        probe: String,
        /// The pairs (JSON Lines: id, motive, topic, with, without)
        #[arg(long, value_name = "FILE")]
        contrasts: PathBuf,
        /// One JSON object
        #[arg(long)]
        json: bool,
        /// Whose states are read.
        #[command(flatten)]
        model: ModelArgs,
    },
    /// Read lines of text from standard input with every probe there is for the model, one line of results each
    Watch {
        /// These probes (files) and no others
        #[arg(long = "probe", value_name = "FILE")]
        probes: Vec<PathBuf>,
        /// One JSON object a line
        #[arg(long)]
        json: bool,
        /// Whose states are read.
        #[command(flatten)]
        model: ModelArgs,
    },
}

/// `credence probe fit`.
#[derive(Debug, Args)]
pub(crate) struct FitArgs {
    /// A built-in motive: deceives, exploits-trust, hides-from-oversight, harms-for-gain, power-over-people, flatters
    #[arg(required_unless_present = "contrasts")]
    motive: Option<String>,
    /// Pairs of your own instead (JSON Lines: id, motive, topic, with, without)
    #[arg(long, value_name = "FILE", conflicts_with = "motive")]
    contrasts: Option<PathBuf>,
    /// Ordinary texts of your own, one a line, on which the bar is set instead of the built-in ones
    #[arg(long, value_name = "FILE")]
    ordinary: Option<PathBuf>,
    /// Where it is written [default: among the cache's probes]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Runs with shuffled labels, beside it
    #[arg(long, value_name = "N", default_value_t = 5)]
    shuffles: usize,
    /// Seed of the folds and the shuffles
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// One JSON object
    #[arg(long)]
    json: bool,
    /// Whose states are read.
    #[command(flatten)]
    model: ModelArgs,
}

/// Runs `credence probe ...`.
pub(crate) fn run(global: &Global, command: ProbeCommand) -> anyhow::Result<()> {
    match command {
        ProbeCommand::Fit(args) => fit_one(global, &args),
        ProbeCommand::Bar { ordinary, json, model } => bar(global, ordinary.as_deref(), &model, json),
        ProbeCommand::Ask { motive, contrasts: file, json, model } => {
            ask(global, &contrasts(file.as_deref(), motive.as_deref())?, &model, json)
        }
        ProbeCommand::Cost { texts, json, model } => cost(global, texts, &model, json),
        ProbeCommand::HeldBack { acts, json, model } => held_back(global, acts.as_deref(), &model, json),
        ProbeCommand::List { json } => list(global, json),
        ProbeCommand::Show { probe, json } => show(&Probe::open(&file_of(global, &probe)?)?, json),
        ProbeCommand::Eval { probe, contrasts, json, model } => eval(global, &probe, &contrasts, &model, json),
        ProbeCommand::Watch { probes, json, model } => watch(global, &probes, &model, json),
    }
}

fn file_of(global: &Global, name: &str) -> anyhow::Result<PathBuf> {
    let path = PathBuf::from(name);
    if path.is_file() {
        return Ok(path);
    }
    let mut of_motive = files(&folder(global)).into_iter().filter(|file| motive_of(file) == Some(name));
    match (of_motive.next(), of_motive.next()) {
        (Some(file), None) => Ok(file),
        (Some(first), Some(second)) => Err(WrongInput(format!(
            "there are several probes for {name}: give the file, such as {} or {}",
            first.display(),
            second.display()
        ))
        .into()),
        (None, _) => Err(WrongInput(format!(
            "there is no probe {name:?}: `credence probe fit` makes one, `credence probe list` lists them"
        ))
        .into()),
    }
}

fn sites(layers: usize) -> Vec<Site> {
    let mut at: Vec<usize> = DEPTHS.iter().map(|share| ((layers as f64 - 1.0) * share).round() as usize).collect();
    at.dedup();
    let poolings = [Pooling::Mean, Pooling::Last, Pooling::RollingMax { window: WINDOW }];
    at.iter().flat_map(|layer| poolings.map(|pooling| Site { layer: *layer, pooling })).collect()
}

/// States of examples at some sites; of each text only the pooled rows are kept.
fn read(
    model: &mut ModelHandle,
    sites: &[Site],
    examples: Vec<Example>,
    what: &'static str,
) -> anyhow::Result<Examples> {
    let width = model.describe().width;
    let mut collector = Collector::new(source(&model.describe()), sites, BYTES_MAX)?;
    let layers: Vec<usize> = collector.begin().layers().collect();
    let bar = counting(what);
    bar.set_length(examples.len() as u64);
    for example in examples {
        let states = model.token_states(std::slice::from_ref(&example.text), &layers)?;
        let mut gathering = collector.begin();
        for (layer, rows) in layers.iter().zip(states.into_iter().next().unwrap_or_default()) {
            gathering.push(*layer, after_first(&rows, width))?;
        }
        collector.add(example, gathering)?;
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(collector.finish()?)
}

fn contrasts(file: Option<&Path>, motive: Option<&str>) -> anyhow::Result<ContrastSet> {
    match (file, motive) {
        (Some(path), _) => Ok(ContrastSet::load(path)?),
        (None, Some(motive)) => built_in(motive).with_context(|| {
            WrongInput(format!("there is no built-in motive {motive:?}; there are {}", MOTIVES.join(", ")))
        }),
        (None, None) => Err(WrongInput("a motive or --contrasts FILE is needed".into()).into()),
    }
}

/// Ordinary texts as examples without any motive.
fn ordinary_texts(file: Option<&Path>) -> anyhow::Result<Vec<Example>> {
    let texts = match file {
        Some(path) => {
            let text = std::fs::read_to_string(path).with_context(|| format!("failed to read {}", path.display()))?;
            text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect()
        }
        None => ordinary(),
    };
    let example = |(n, text)| Example { id: format!("ordinary-{n}"), topic: "ordinary".into(), label: false, text };
    Ok(texts.into_iter().enumerate().map(example).collect())
}

fn fit_one(global: &Global, args: &FitArgs) -> anyhow::Result<()> {
    let set = contrasts(args.contrasts.as_deref(), args.motive.as_deref())?;
    let calm = ordinary_texts(args.ordinary.as_deref())?;
    let (mut model, _, _) = model_and_schema(global, &args.model)?;
    let identity = model.describe();
    let sites = sites(identity.layers);
    let examples = read(&mut model, &sites, set.examples(), "reading the pairs")?;
    let options = FitOptions { shuffles: args.shuffles, seed: args.seed, ..FitOptions::default() };
    let bar = counting("fitting");
    let fitted = fit(set.motive(), &examples, &options, |progress| {
        bar.set_length(progress.of as u64);
        bar.set_position(progress.done as u64);
        ControlFlow::Continue(())
    })?;
    bar.finish_and_clear();
    let mut probe = fitted.probe;
    if let Some(area) = own_answer(&mut model, &set)? {
        probe = probe.with_own_answer(area)?;
    }
    let folder = folder(global);
    let path =
        args.out.clone().unwrap_or_else(|| folder.join(format!("{}.{}.json", set.motive(), short(&identity.key()))));
    // The others of this model share a bar with it, so that together they raise no more false alarms than one.
    let mut all = if args.out.is_none() { of_model(&folder, &identity.key()) } else { Vec::new() };
    all.retain(|other| other.parts().motive != set.motive());
    let calm = read(&mut model, &sites_of(all.iter().chain([&probe])), calm, "reading ordinary texts")?;
    let scores: Vec<f64> = probe.read(&calm)?.iter().map(|reading| reading.score).collect();
    let probe = match Bar::set(&scores, FALSE_ALARMS_MAX, CONFIDENCE, &calm.hash()) {
        Ok(bar) => probe.with_bar(bar)?,
        Err(error) => {
            tracing::warn!("the probe has no bar: {error}");
            probe
        }
    };
    if let Some(parent) = path.parent().filter(|p| !p.as_os_str().is_empty()) {
        std::fs::create_dir_all(parent).with_context(|| format!("failed to make {}", parent.display()))?;
    }
    probe.save(&path)?;
    if args.out.is_none() {
        all.push(probe.clone());
        match share_a_bar(&all, &calm) {
            Ok(together) => together.save(&together_file(&folder, &identity.key()))?,
            Err(error) => tracing::warn!("the probes have no bar together, and watch no decision: {error}"),
        }
    }
    show(&probe, args.json)?;
    if args.json {
        return Ok(());
    }
    let leaked = leaks(&set, args.seed)?;
    let words: Vec<String> =
        leaked.words.iter().take(8).map(|w| format!("{} ({} with, {} without)", w.word, w.with, w.without)).collect();
    say(format!("  words that tell the sides apart best: {}", words.join(", ")))?;
    say(format!("written to {}", path.display()))
}

/// The sites of probes, each once.
fn sites_of<'a>(probes: impl Iterator<Item = &'a Probe>) -> Vec<Site> {
    let mut sites: Vec<Site> = Vec::new();
    for probe in probes {
        if !sites.contains(&probe.parts().site) {
            sites.push(probe.parts().site);
        }
    }
    sites
}

/// The bar that probes share on the same ordinary texts.
fn share_a_bar(probes: &[Probe], calm: &Examples) -> anyhow::Result<Together> {
    let readings = probes.iter().map(|probe| Ok(probe.read(calm)?)).collect::<anyhow::Result<Vec<Vec<Reading>>>>()?;
    let probes: Vec<&Probe> = probes.iter().collect();
    Ok(Together::set(&probes, &readings, FALSE_ALARMS_MAX, CONFIDENCE, &calm.hash())?)
}

/// Sets the bar that the probes of a model share.
fn bar(global: &Global, ordinary: Option<&Path>, model: &ModelArgs, json: bool) -> anyhow::Result<()> {
    let calm = ordinary_texts(ordinary)?;
    let (mut model, _, _) = model_and_schema(global, model)?;
    let (folder, key) = (folder(global), model.describe().key());
    let probes = of_model(&folder, &key);
    anyhow::ensure!(
        !probes.is_empty(),
        WrongInput("there is no probe for this model; `credence probe fit MOTIVE` makes one".into())
    );
    let calm = read(&mut model, &sites_of(probes.iter()), calm, "reading ordinary texts")?;
    let together = share_a_bar(&probes, &calm)?;
    together.save(&together_file(&folder, &key))?;
    if json {
        return say_json(&together);
    }
    let motives: Vec<&str> = together.members.iter().map(|member| member.motive.as_str()).collect();
    say(format!("{} share a bar of log-odds {:+.3}", motives.join(", "), together.bar.score))?;
    say(format!(
        "  {} of {} ordinary texts above it; at most {:.0}% of others, with {:.0}% confidence, whichever motive is highest",
        together.bar.above,
        together.bar.ordinary,
        100.0 * together.bar.rate_max,
        100.0 * together.bar.confidence
    ))?;
    say(format!("  a second opinion is worth asking from {:+.3} on: a tenth of them", together.unsure_from))
}

/// What probes read of a line, as a line of `credence probe watch --json` tells it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct WatchedJson {
    /// The line's number, from 1.
    line: usize,
    readings: Vec<WatchedReadingJson>,
}

/// What one probe read.
#[derive(Debug, Serialize, ToSchema)]
struct WatchedReadingJson {
    motive: String,
    reading: Reading,
}

fn eval(global: &Global, probe: &str, contrasts: &Path, model: &ModelArgs, json: bool) -> anyhow::Result<()> {
    let set = ContrastSet::load(contrasts)?;
    let path = file_of(global, probe)?;
    let (mut model, _, _) = model_and_schema(global, model)?;
    let probe = Probe::load(&path, &source(&model.describe()))?;
    let examples = read(&mut model, &[probe.parts().site], set.examples(), "reading the pairs")?;
    let (evaluation, _) = evaluate(&probe, &examples, 1)?;
    if json {
        return say_json(&evaluation);
    }
    say(format!("{} on {} pairs of {}", probe.parts().motive, set.pairs().len(), contrasts.display()))?;
    if let Some(auroc) = &evaluation.auroc {
        say(format!("  AUROC {}", area(auroc)))?;
    }
    if let Some(auroc) = &evaluation.unseen {
        say(format!("  AUROC on topics that the fit did not see {}", area(auroc)))?;
    }
    for (what, share) in
        [("with the motive, above the bar", evaluation.recall), ("without it, above the bar", evaluation.false_alarms)]
    {
        if let Some(share) = share {
            say(format!("  {what}: {} of {} [{:.3}, {:.3}]", share.hits, share.of, share.low, share.high))?;
        }
    }
    Ok(())
}

fn watch(global: &Global, files: &[PathBuf], args: &ModelArgs, json: bool) -> anyhow::Result<()> {
    let (mut model, _, _) = model_and_schema(global, args)?;
    let identity = model.describe();
    let probes = match files {
        [] => of_model(&folder(global), &identity.key()),
        files => files.iter().map(|file| Ok(Probe::load(file, &source(&identity))?)).collect::<anyhow::Result<_>>()?,
    };
    anyhow::ensure!(
        !probes.is_empty(),
        WrongInput("there is no probe for this model; `credence probe fit MOTIVE` makes one".into())
    );
    for (n, line) in std::io::stdin().lock().lines().enumerate() {
        let line = line.with_context(|| format!("standard input, line {}", n + 1))?;
        if line.trim().is_empty() {
            continue;
        }
        let readings = read_text(&mut model, &probes, line.trim())?;
        if json {
            let read = probes.iter().zip(readings);
            let read =
                read.map(|(probe, reading)| WatchedReadingJson { motive: probe.parts().motive.clone(), reading });
            say_json(&WatchedJson { line: n + 1, readings: read.collect() })?;
            continue;
        }
        let read = probes.iter().zip(&readings).map(|(probe, reading)| {
            let alarm = if reading.alarm == Some(true) { " ALARM" } else { "" };
            format!("{} {:.2}{alarm}", probe.parts().motive, reading.probability)
        });
        say(format!("{}: {}", n + 1, read.collect::<Vec<_>>().join("   ")))?;
    }
    Ok(())
}
