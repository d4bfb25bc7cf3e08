//! `credence sae`: sparse autoencoders of a model's states.

mod labels;
mod told;

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;
use clap::{Args, Subcommand, ValueEnum};
use credence_glass::written::{built_in, ordinary};
use credence_glass::{
    AuditOptions, Autoencoder, Codes, Data, Detector, Kind, Origin, Price, Settings, audit, basis, contrast, train,
};
use credence_priors::{LanguageModel, ModelHandle};

use crate::cli::{Global, ModelArgs};
use crate::exit::WrongInput;
use crate::probing::after_first;
use crate::progress::counting;
use crate::surroundings::{model_and_schema, say, say_json};
pub(crate) use labels::LabelledJson;
use labels::show_labels;
use told::DetectorJson;
pub(crate) use told::{AuditJson, AutoencoderJson, EntryJson, TrainedJson};

/// States that are kept at most, in numbers: 1 GB.
const NUMBERS_MAX: usize = 1 << 28;
/// An entry that fires in so large a share of rows is always on.
const ALWAYS: f64 = 0.95;
/// Texts shown of an entry.
const TEXTS_SHOWN: usize = 3;
/// Entries shown, at most, unless more are asked for.
const ENTRIES_SHOWN: usize = 10;

/// `credence sae ...`.
#[derive(Debug, Subcommand)]
pub(crate) enum SaeCommand {
    /// Train a sparse autoencoder on the states of a layer, one for each token but the first of each text
    Train(TrainArgs),
    /// Look in an autoencoder's weights for entries that may be absorbed by others; with texts also for entries that are dead or always on
    Audit {
        /// Its file
        file: PathBuf,
        /// Pairs shown of each detector
        #[arg(long, value_name = "N", default_value_t = ENTRIES_SHOWN)]
        top: usize,
        /// Look at what fires on these texts: the built-in ones
        #[arg(long, conflicts_with = "texts")]
        states: bool,
        /// Look at what fires on texts of your own, one a line
        #[arg(long, value_name = "FILE")]
        texts: Option<PathBuf>,
        /// One JSON object
        #[arg(long)]
        json: bool,
        /// Whose states are read.
        #[command(flatten)]
        model: ModelArgs,
    },
    /// Show what an autoencoder was made of; with an entry the texts where it fires most, with labels the entries that tell them apart
    Show {
        /// Its file
        file: PathBuf,
        /// The texts where this entry fires most
        #[arg(long, value_name = "N", conflicts_with = "labels")]
        entry: Option<usize>,
        /// Labelled texts (JSON Lines: text, label (true or false), topic)
        #[arg(long, value_name = "FILE")]
        labels: Option<PathBuf>,
        /// Texts of your own, one a line, for --entry [default: the built-in ones]
        #[arg(long, value_name = "FILE")]
        texts: Option<PathBuf>,
        /// Entries shown with --labels
        #[arg(long, value_name = "N", default_value_t = ENTRIES_SHOWN)]
        top: usize,
        /// One JSON object
        #[arg(long)]
        json: bool,
        /// Whose states are read.
        #[command(flatten)]
        model: ModelArgs,
    },
}

/// Kinds of autoencoders.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum KindArg {
    /// The k best entries of each row
    TopK,
    /// The best entries of a batch, k a row on average
    BatchTopK,
    /// A learned threshold for each entry
    JumpRelu,
    /// Batch top-k whose first eighth, quarter and half must explain the states alone
    Matryoshka,
}

/// Prices of an entry that fires.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum PriceArg {
    /// All the same
    Even,
    /// Minus the logarithm of its rate
    LogRate,
    /// One minus its rate
    Complement,
    /// Learned
    Learned,
}

/// `credence sae train`.
#[derive(Debug, Args)]
pub(crate) struct TrainArgs {
    /// Where it is written
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Texts of your own, one a line [default: the built-in ordinary texts and contrast sets]
    #[arg(long, value_name = "FILE")]
    texts: Option<PathBuf>,
    /// Only so many of them, evenly spread
    #[arg(long, value_name = "N")]
    texts_max: Option<usize>,
    /// The layer, from 0 [default: the middle one]
    #[arg(long)]
    layer: Option<usize>,
    /// The kind
    #[arg(long, value_enum, default_value_t = KindArg::BatchTopK)]
    kind: KindArg,
    /// Entries
    #[arg(long, default_value_t = 1024)]
    width: usize,
    /// Entries that fire in a row
    #[arg(long, default_value_t = 16)]
    k: usize,
    /// What an entry costs when it fires
    #[arg(long, value_enum, default_value_t = PriceArg::Even)]
    price: PriceArg,
    /// Strength of the price
    #[arg(long, default_value_t = 0.3)]
    strength: f32,
    /// Steps of 256 rows
    #[arg(long, default_value_t = 2000)]
    steps: usize,
    /// Seed of the start and of the order of rows
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// One JSON object
    #[arg(long)]
    json: bool,
    /// Whose states are read.
    #[command(flatten)]
    model: ModelArgs,
}

/// Runs `credence sae ...`.
pub(crate) fn run(global: &Global, command: SaeCommand) -> anyhow::Result<()> {
    match command {
        SaeCommand::Train(args) => train_one(global, &args),
        SaeCommand::Audit { file, top, states, texts, json, model } => {
            let autoencoder = Autoencoder::load(&file)?;
            let texts = (states || texts.is_some()).then(|| texts_of(texts.as_deref())).transpose()?;
            audit_one(global, &autoencoder, texts, top, &model, json)
        }
        SaeCommand::Show { file, entry, labels, texts, top, json, model } => {
            let autoencoder = Autoencoder::load(&file)?;
            match (entry, labels) {
                (Some(entry), _) => show_entry(global, &autoencoder, entry, texts_of(texts.as_deref())?, &model, json),
                (None, Some(labels)) => show_labels(global, &autoencoder, &labels, top, &model, json),
                (None, None) => show(&file, &autoencoder, json),
            }
        }
    }
}

fn texts_of(file: Option<&Path>) -> anyhow::Result<Vec<String>> {
    let Some(path) = file else {
        let pairs = contrast::MOTIVES.iter().filter_map(|motive| built_in(motive));
        let sides = pairs.flat_map(|set| set.examples().into_iter().map(|example| example.text));
        return Ok(ordinary().into_iter().chain(sides).collect());
    };
    let text = std::fs::read_to_string(path).with_context(|| format!("failed to read {}", path.display()))?;
    let texts: Vec<String> = text.lines().map(str::trim).filter(|t| !t.is_empty()).map(str::to_owned).collect();
    anyhow::ensure!(!texts.is_empty(), WrongInput(format!("{} has no text", path.display())));
    Ok(texts)
}

/// So many of them, evenly spread.
fn spread(texts: Vec<String>, most: Option<usize>) -> Vec<String> {
    let (count, most) = (texts.len(), most.unwrap_or(usize::MAX).max(1));
    if count <= most {
        return texts;
    }
    let mut texts = texts.into_iter().map(Some).collect::<Vec<_>>();
    (0..most).filter_map(|i| texts[i * count / most].take()).collect()
}

/// States of all tokens but the first of each text; a row's name is the number of its text.
fn states(model: &mut ModelHandle, layer: usize, texts: &[String]) -> anyhow::Result<Data> {
    let identity = model.describe();
    anyhow::ensure!(
        layer < identity.layers,
        WrongInput(format!("--layer {layer}: this model has the layers 0 to {}", identity.layers.saturating_sub(1)))
    );
    let (mut rows, mut names) = (Vec::new(), Vec::new());
    let bar = counting("reading states");
    bar.set_length(texts.len() as u64);
    for (n, text) in texts.iter().enumerate() {
        let read = model.token_states(std::slice::from_ref(text), &[layer])?;
        let found =
            read.first().and_then(|layers| layers.first()).map_or(&[][..], |rows| after_first(rows, identity.width));
        anyhow::ensure!(
            rows.len() + found.len() <= NUMBERS_MAX,
            WrongInput(format!("the states of {n} texts fill the memory that is granted; give fewer with --texts-max"))
        );
        rows.extend_from_slice(found);
        names.extend(std::iter::repeat_n(n.to_string(), found.len() / identity.width.max(1)));
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(Data::new(rows, identity.width, names, origin(model, layer))?)
}

fn origin(model: &ModelHandle, layer: usize) -> Origin {
    Origin { model: model.describe().key(), layer: layer.to_string() }
}

/// The layer that an autoencoder belongs to; an error that says so if it was made of another model's states.
fn layer_of(autoencoder: &Autoencoder, model: &ModelHandle) -> anyhow::Result<usize> {
    let making = autoencoder.parts().making.as_ref();
    let of = &making.context(WrongInput("the file does not say which states it was made of".into()))?.origin;
    let found = model.describe().key();
    anyhow::ensure!(
        of.model == found,
        WrongInput(format!("this autoencoder was made of states of the model {}, not of {found}", of.model))
    );
    of.layer.parse().with_context(|| format!("the file names the layer {:?}, which is no number", of.layer))
}

fn train_one(global: &Global, args: &TrainArgs) -> anyhow::Result<()> {
    let texts = spread(texts_of(args.texts.as_deref())?, args.texts_max);
    let kind = match args.kind {
        KindArg::TopK => Kind::TopK,
        KindArg::BatchTopK => Kind::BatchTopK,
        KindArg::JumpRelu => Kind::JumpRelu { bandwidth: 0.1, penalty: 0.1 },
        KindArg::Matryoshka => {
            anyhow::ensure!(args.width >= 8, WrongInput("--width: a Matryoshka autoencoder needs at least 8".into()));
            Kind::Matryoshka { prefixes: [8, 4, 2, 1].map(|part| args.width / part).to_vec() }
        }
    };
    let price = match args.price {
        PriceArg::Even => Price::Even,
        PriceArg::LogRate => Price::LogRate { strength: args.strength },
        PriceArg::Complement => Price::Complement { strength: args.strength },
        PriceArg::Learned => Price::Learned { strength: args.strength, learning_rate: 0.01 },
    };
    let settings = Settings { price, steps: args.steps, ..Settings::new(kind, args.width, args.k) };
    let (mut model, _, _) = model_and_schema(global, &args.model)?;
    let layer = args.layer.unwrap_or(model.describe().layers / 2);
    let data = states(&mut model, layer, &texts)?;
    let bar = counting("training");
    bar.set_length(args.steps as u64);
    let ended = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&ended);
    let _watch = crate::signals::watch_interrupt(move || flag.store(true, Ordering::SeqCst));
    let autoencoder = train(&data, &settings, args.seed, |progress| {
        bar.set_position(progress.step as u64);
        bar.set_message(format!(
            "training: loss {:.3}, {:.1} entries a row, {} dead",
            progress.loss, progress.l0, progress.dead
        ));
        if ended.load(Ordering::SeqCst) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    bar.finish_and_clear();
    autoencoder.save(&args.out)?;
    let codes = autoencoder.encode(&data)?;
    let explained = explained(&autoencoder, &data, &codes)?;
    let firing = Firing::of(&codes);
    let hash = hash_of(&args.out)?;
    if args.json {
        return say_json(&TrainedJson {
            file: args.out.clone(),
            blake3: hash,
            model: data.origin().model.clone(),
            layer,
            texts: texts.len(),
            rows: data.rows(),
            settings,
            seed: args.seed,
            explained,
            l0: codes.l0(),
            dead: firing.dead,
            always_on: firing.always_on,
        });
    }
    say(format!("{} entries at layer {layer}, from {} states of {} texts", args.width, data.rows(), texts.len()))?;
    say(format!("  {:.1}% of the variance explained by {:.1} entries a row", 100.0 * explained, codes.l0()))?;
    firing.say()?;
    say(format!("written to {}\n  blake3 {hash}", args.out.display()))
}

/// The share of the variance that the reconstruction explains.
fn explained(autoencoder: &Autoencoder, data: &Data, codes: &Codes) -> anyhow::Result<f64> {
    let back = autoencoder.decode(codes)?;
    let error: f64 = data.states().iter().zip(&back).map(|(x, y)| f64::from(x - y).powi(2)).sum();
    Ok(1.0 - error / (data.variance() * data.rows() as f64))
}

/// Which entries fire never, or nearly always.
struct Firing {
    dead: usize,
    always_on: Vec<(usize, f64)>,
}

impl Firing {
    fn of(codes: &Codes) -> Self {
        Self { dead: codes.rates().iter().filter(|r| **r == 0.0).count(), always_on: basis(codes, ALWAYS).always_on }
    }

    fn say(&self) -> anyhow::Result<()> {
        say(format!("  {} entries never fire here", self.dead))?;
        if self.always_on.is_empty() {
            return say("  no entry is always on");
        }
        let which: Vec<String> = self.always_on.iter().map(|(entry, rate)| format!("{entry} ({rate:.2})")).collect();
        say(format!("  always on, so they say nothing by firing: {}", which.join(", ")))
    }
}

fn hash_of(path: &Path) -> anyhow::Result<String> {
    let bytes = std::fs::read(path).with_context(|| format!("failed to read {}", path.display()))?;
    Ok(credence_memory::ids::Hash::of(&bytes).to_string())
}

fn show(file: &Path, autoencoder: &Autoencoder, json: bool) -> anyhow::Result<()> {
    let hash = hash_of(file)?;
    let making = autoencoder.parts().making.as_ref();
    if json {
        let (width, dimension) = (autoencoder.width(), autoencoder.dimension());
        return say_json(&AutoencoderJson { width, dimension, blake3: hash, making: making.cloned() });
    }
    say(format!("{} entries for states of {} numbers", autoencoder.width(), autoencoder.dimension()))?;
    if let Some(making) = making {
        say(format!("  model {}, layer {}", making.origin.model, making.origin.layer))?;
        say(format!("  {:?}, k {}, {:?}", making.settings.kind, making.settings.k, making.settings.price))?;
        say(format!("  {} steps, seed {}, data {}", making.steps, making.seed, making.data_hash))?;
    }
    say(format!("  blake3 {hash}"))
}

fn audit_one(
    global: &Global,
    autoencoder: &Autoencoder,
    texts: Option<Vec<String>>,
    top: usize,
    model: &ModelArgs,
    json: bool,
) -> anyhow::Result<()> {
    let mut options = AuditOptions::default();
    let mut firing = None;
    if let Some(texts) = texts {
        let (mut model, _, _) = model_and_schema(global, model)?;
        let layer = layer_of(autoencoder, &model)?;
        let codes = autoencoder.encode(&states(&mut model, layer, &texts)?)?;
        options.entries = codes.rates().iter().enumerate().filter(|(_, rate)| **rate > 0.0).map(|(i, _)| i).collect();
        firing = Some(Firing::of(&codes));
    }
    let found = audit(autoencoder, &options)?;
    let flagged = Detector::ALL.map(|detector| (detector, found.flagged(detector, detector.line())));
    if json {
        let detectors = flagged.iter().map(|(detector, pairs)| DetectorJson {
            detector: *detector,
            line: detector.line(),
            flagged: pairs.len(),
            worst: pairs.iter().take(top).cloned().collect(),
        });
        return say_json(&AuditJson {
            entries: if options.entries.is_empty() { autoencoder.width() } else { options.entries.len() },
            dead: firing.as_ref().map(|f| f.dead),
            detectors: detectors.collect(),
            always_on: firing.map(|f| f.always_on),
        });
    }
    if let Some(firing) = &firing {
        firing.say()?;
    }
    say(
        "pairs in which one entry may be silent where the other speaks (lines set on synthetic states; nothing says that they suit these)",
    )?;
    for (detector, pairs) in &flagged {
        let worst: Vec<String> =
            pairs.iter().take(top).map(|p| format!("{} by {} ({:.2})", p.parent, p.child, p.score)).collect();
        let count = pairs.len();
        say(format!(
            "  {detector:?}, line {}: {count} pairs{}{}",
            detector.line(),
            if count == 0 { "" } else { ": " },
            worst.join(", ")
        ))?;
    }
    Ok(())
}

/// The highest value of each entry in each text: texts x width.
fn highest(codes: &Codes, data: &Data, texts: usize) -> Vec<Vec<f32>> {
    let mut highest = vec![vec![0.0_f32; codes.width()]; texts];
    for (row, name) in data.names().iter().enumerate() {
        let Some(of_text) = name.parse::<usize>().ok().and_then(|n| highest.get_mut(n)) else { continue };
        codes.row(row).for_each(|(entry, value)| of_text[entry] = of_text[entry].max(value));
    }
    highest
}

fn show_entry(
    global: &Global,
    autoencoder: &Autoencoder,
    entry: usize,
    texts: Vec<String>,
    model: &ModelArgs,
    json: bool,
) -> anyhow::Result<()> {
    anyhow::ensure!(
        entry < autoencoder.width(),
        WrongInput(format!("--entry {entry}: there are the entries 0 to {}", autoencoder.width() - 1))
    );
    let (mut model, _, _) = model_and_schema(global, model)?;
    let layer = layer_of(autoencoder, &model)?;
    let data = states(&mut model, layer, &texts)?;
    let codes = autoencoder.encode(&data)?;
    let rate = codes.rates()[entry];
    let mut by_text: Vec<(f32, &String)> =
        highest(&codes, &data, texts.len()).iter().map(|of| of[entry]).zip(&texts).collect();
    by_text.sort_by(|a, b| b.0.total_cmp(&a.0));
    by_text.retain(|(value, _)| *value > 0.0);
    by_text.truncate(TEXTS_SHOWN);
    if json {
        let texts = by_text.into_iter().map(|(value, text)| (value, text.clone())).collect();
        return say_json(&EntryJson { entry, rate, texts });
    }
    say(format!("entry {entry} fires in {:.2}% of {} states", 100.0 * rate, data.rows()))?;
    by_text.iter().try_for_each(|(value, text)| say(format!("  {value:.2}  {text}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_spread_evenly() {
        let texts: Vec<String> = (0..10).map(|n| n.to_string()).collect();
        assert_eq!(spread(texts.clone(), Some(3)), ["0", "3", "6"]);
        assert_eq!(spread(texts.clone(), Some(99)), texts);
        assert_eq!(spread(texts.clone(), None), texts);
    }
}
