//! `credence probe`: linear probes for motives in a model's states.

use std::io::BufRead;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Args, Subcommand};
use credence_glass::contrast::{ContrastSet, MOTIVES, leaks};
use credence_glass::probe::{
    Bar, Collector, Example, Examples, FitOptions, Pooling, Probe, Reading, Site, Source, evaluate, fit,
};
use credence_glass::written::{built_in, ordinary};
use credence_priors::{LanguageModel, ModelHandle, ModelIdentity};

use crate::cli::{Global, ModelArgs};
use crate::exit::WrongInput;
use crate::progress::counting;
use crate::surroundings::{cache, model_and_schema, say, say_json};

/// How a text is put before the model. The first token's state is many times larger than any other, whatever the token is
/// (it takes the attention that nothing else needs), so it says nothing of the text and would rule every maximum.
const FRAME: &str = "the text alone, all tokens but the first";
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
        ProbeCommand::List { json } => list(global, json),
        ProbeCommand::Show { probe, json } => show(&Probe::open(&file_of(global, &probe)?)?, json),
        ProbeCommand::Eval { probe, contrasts, json, model } => eval(global, &probe, &contrasts, &model, json),
        ProbeCommand::Watch { probes, json, model } => watch(global, &probes, &model, json),
    }
}

/// Where probes are kept that nobody put elsewhere.
fn folder(global: &Global) -> PathBuf {
    cache(global).readings().with_file_name("probes")
}

fn file_of(global: &Global, name: &str) -> anyhow::Result<PathBuf> {
    let path = PathBuf::from(name);
    if path.is_file() {
        return Ok(path);
    }
    let mut of_motive = files(global)?.into_iter().filter(|file| motive_of(file) == Some(name));
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

/// The motive in the name of a probe's file, which is `MOTIVE.MODEL.json`.
fn motive_of(file: &Path) -> Option<&str> {
    file.file_name()?.to_str()?.split('.').next()
}

fn files(global: &Global) -> anyhow::Result<Vec<PathBuf>> {
    let folder = folder(global);
    let Ok(entries) = std::fs::read_dir(&folder) else { return Ok(Vec::new()) };
    let mut files: Vec<PathBuf> = entries.filter_map(Result::ok).map(|entry| entry.path()).collect();
    files.retain(|path| path.extension().is_some_and(|e| e == "json"));
    files.sort();
    Ok(files)
}

fn source(identity: &ModelIdentity) -> Source {
    Source { model: identity.key(), width: identity.width, layers: identity.layers, frame: FRAME.to_owned() }
}

fn sites(layers: usize) -> Vec<Site> {
    let mut at: Vec<usize> = DEPTHS.iter().map(|share| ((layers as f64 - 1.0) * share).round() as usize).collect();
    at.dedup();
    let poolings = [Pooling::Mean, Pooling::Last, Pooling::RollingMax { window: WINDOW }];
    at.iter().flat_map(|layer| poolings.map(|pooling| Site { layer: *layer, pooling })).collect()
}

/// The states that are read of a text: of `tokens x width` numbers those after the first token's.
fn after_first(rows: &[f32], width: usize) -> &[f32] {
    rows.get(width..).unwrap_or_default()
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

fn contrasts(args: &FitArgs) -> anyhow::Result<ContrastSet> {
    match (&args.contrasts, &args.motive) {
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
    let set = contrasts(args)?;
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
    let probe = fitted.probe;
    let site = probe.parts().site;
    let calm = read(&mut model, &[site], calm, "reading ordinary texts")?;
    let scores: Vec<f64> = probe.read(&calm)?.iter().map(|reading| reading.score).collect();
    let probe = match Bar::set(&scores, FALSE_ALARMS_MAX, CONFIDENCE, &calm.hash()) {
        Ok(bar) => probe.with_bar(bar)?,
        Err(error) => {
            tracing::warn!("the probe has no bar: {error}");
            probe
        }
    };
    let key: String = identity.key().chars().filter(char::is_ascii_alphanumeric).take(12).collect();
    let path = args.out.clone().unwrap_or_else(|| folder(global).join(format!("{}.{key}.json", set.motive())));
    if let Some(parent) = path.parent().filter(|p| !p.as_os_str().is_empty()) {
        std::fs::create_dir_all(parent).with_context(|| format!("failed to make {}", parent.display()))?;
    }
    probe.save(&path)?;
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

fn list(global: &Global, json: bool) -> anyhow::Result<()> {
    let mut rows = Vec::new();
    for file in files(global)? {
        match Probe::open(&file) {
            Ok(probe) => rows.push((file, probe)),
            Err(error) => tracing::warn!("{}: {error:#}", file.display()),
        }
    }
    if json {
        let rows = rows.iter().map(|(file, probe)| {
            let parts = probe.parts();
            serde_json::json!({"motive": parts.motive, "model": parts.source.model, "site": parts.site, "auroc": parts.evidence.auroc, "file": file})
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
fn area(auroc: &credence_glass::probe::Auroc) -> String {
    let (low, high) = auroc.by_topic.unwrap_or(auroc.independent);
    format!("{:.3} [{low:.3}, {high:.3}]", auroc.value)
}

fn show(probe: &Probe, json: bool) -> anyhow::Result<()> {
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

/// The probes for this model.
pub(crate) fn for_model(global: &Global, identity: &ModelIdentity) -> anyhow::Result<Vec<Probe>> {
    let source = source(identity);
    Ok(files(global)?.iter().filter_map(|file| Probe::load(file, &source).ok()).collect())
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

fn watch(global: &Global, files: &[PathBuf], args: &ModelArgs, json: bool) -> anyhow::Result<()> {
    let (mut model, _, _) = model_and_schema(global, args)?;
    let identity = model.describe();
    let probes = match files {
        [] => for_model(global, &identity)?,
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
            let read = probes
                .iter()
                .zip(&readings)
                .map(|(probe, reading)| serde_json::json!({"motive": probe.parts().motive, "reading": reading}));
            say_json(&serde_json::json!({"line": n + 1, "readings": read.collect::<Vec<_>>()}))?;
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
