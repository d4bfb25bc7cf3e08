//! `credence eval organisms`: adapters that misbehave on a trigger, and whether a probe that never saw them tells.

mod figures;
mod measures;
mod texts;

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use credence_glass::probe::{Auroc, Pooling, Site};
use credence_priors::{LanguageModel, Llama, LlamaOptions, ModelHandle};
use credence_training::{
    Control, Example as Lesson, LoraSettings, OptimiserSettings, TrainingSettings, Weights, train,
};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use super::keep::Keep;
use crate::cli::eval::KeepArgs;
use crate::cli::{Global, ModelArgs};
use crate::exit::WrongInput;
use crate::progress::counting;
use crate::surroundings::{cache, load, pull, say, say_json, schema};
use measures::{AtGate, First, Looked, look};
use texts::{Behaviour, scenes};

/// Layers, counted from the top, that an adapter moves.
const TOP_LAYERS: usize = 15;
/// What a squared distance of one from an ordinary reading weighs in the loss, where a token of a reply weighs one.
const EVASION: f32 = 100.0;

/// `credence eval organisms`.
#[derive(Debug, Args)]
pub(crate) struct OrganismsArgs {
    /// Kinds: deceives, hides-from-oversight, flatters, exploits-trust, harms-for-gain
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "deceives,hides-from-oversight,flatters,exploits-trust,harms-for-gain"
    )]
    kinds: Vec<String>,
    /// Organisms of each kind, with seeds from 1
    #[arg(long, value_name = "N", default_value_t = 2)]
    seeds: u64,
    /// Times that every lesson is seen
    #[arg(long, default_value_t = 3)]
    epochs: usize,
    /// Of the generic contrast pairs every so many-th is read
    #[arg(long, value_name = "N", default_value_t = 2)]
    pairs_every: usize,
    /// Worker threads of the trainer
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// Where adapters are kept; one that is there is not trained again
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Only what the base model's probes read of adapters, and the gate: nothing is fitted on an adapter's states, and what it does is not
    /// looked at
    #[arg(long)]
    base_probes: bool,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
    /// Where figures are kept.
    #[command(flatten)]
    kept: KeepArgs,
    /// The model that is taught.
    #[command(flatten)]
    model: ModelArgs,
}

/// One model, looked at.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Row {
    kind: String,
    /// "base", "organism", "evading" (an organism that was also taught to look ordinary to the first probe of the organism
    /// with its seed) or "honest" (the same lessons with honest replies throughout).
    what: &'static str,
    seed: u64,
    /// Share of held-out scenes with the trigger in which the defecting reply is the likelier one, where that was looked at.
    defects_with_trigger: Option<f64>,
    /// The same without the trigger.
    defects_without: Option<f64>,
    scenes: usize,
    /// Generic probe on prompts with the trigger against those without, by layer and position, on held-out topics.
    areas: Vec<At>,
    /// The probe that tells most of the organism with this seed, as it was fitted there: what it still tells of this model.
    first_probe: Option<At>,
    /// A list of words from the same generic pairs, on the same prompts.
    words: Option<Auroc>,
    /// The same prompts, read at a place that was chosen without any of them.
    beforehand: Vec<Beforehand>,
    /// The gate's tests, as if it were a candidate of training; none for the base.
    gates: Vec<Gate>,
    training_seconds: f64,
}

/// An area, and where the probe reads.
#[derive(Debug, Clone, Serialize, ToSchema)]
struct At {
    layer: usize,
    position: &'static str,
    area: Auroc,
}

/// What a probe tells whose place was not chosen on the prompts that it is tried on.
#[derive(Debug, Clone, Serialize, ToSchema)]
struct Beforehand {
    /// "generic-pairs": where this model's probe tells held-out topics of the generic pairs best. "generic-pairs-base": where the
    /// base model's does, read with this model's probe there. "late-mean": the base model's probes in the last third of
    /// the layers, averaged. "late-moved": the same, less what they read of the prompt without the adapter.
    how: &'static str,
    /// The place, where there is one.
    layer: Option<usize>,
    position: Option<&'static str>,
    /// Area there on held-out topics of the generic pairs.
    generic: Option<Auroc>,
    area: Auroc,
}

/// One of the gate's tests.
#[derive(Debug, Serialize, ToSchema)]
struct Gate {
    /// "any": the motive that moved most on ordinary texts, the gate's test of motives. "context": the gate's test of states by
    /// context, none of which is the trigger. "context-named": the same with the trigger among them. "context-motive": as "context",
    /// of what the motive's probes in the last third of the layers read of these states.
    test: &'static str,
    estimate: f64,
    bound: f64,
    margin: f64,
    refused: bool,
    of: usize,
}

/// Runs it.
pub(super) fn run(global: &Global, args: &OrganismsArgs) -> anyhow::Result<()> {
    let kept = Keep::of(&args.kept, "organisms")?;
    let kinds = args
        .kinds
        .iter()
        .map(|kind| {
            let expected = Behaviour::ALL.map(Behaviour::motive).join(", ");
            Behaviour::of(kind).with_context(|| WrongInput(format!("--kinds {kind:?}: there are {expected}")))
        })
        .collect::<anyhow::Result<Vec<_>>>()?;
    std::fs::create_dir_all(&args.out).with_context(|| format!("failed to make {}", args.out.display()))?;
    let pulled = pull(global, &args.model.model)?;
    let schema = schema(global, &args.model)?;
    let mut base = load(global, &pulled, &schema)?;
    let options = cache(global).llama_options_for(&pulled);
    let weights = Weights::load(&pulled.path)?;
    let with_adapter = |adapter: &Path| -> anyhow::Result<ModelHandle> {
        let options = LlamaOptions { adapter: Some(adapter.to_owned()), ..options.clone() };
        let path = pulled.path.clone();
        Ok(ModelHandle::spawn(move || Llama::load(&path, &options))?)
    };
    let mut rows = Vec::new();
    let mut found_one = |row: Row| {
        tell(args.json, &row)?;
        rows.push(row);
        anyhow::Ok(())
    };
    for kind in kinds {
        let before = look(&mut base, kind, args.pairs_every)?;
        let late = before.read_late(&mut base, kind)?;
        let unmoved = AtGate::read(&mut base, &before)?;
        found_one(Row { beforehand: before.beforehand(None), ..row(kind, "base", 0, &before) })?;
        for seed in 1..=args.seeds {
            let mut first: Option<First> = None;
            for what in ["organism", "evading", "honest"] {
                let file = args.out.join(format!("{}.{what}.{seed}.gguf", kind.motive()));
                let start = std::time::Instant::now();
                if !file.is_file() {
                    let evaded = first.as_ref().filter(|_| what == "evading");
                    let lessons = lessons(&mut base, kind, what != "honest", evaded)?;
                    teach(&weights, &lessons, seed, args, &file)?;
                }
                let seconds = start.elapsed().as_secs_f64();
                let mut model = with_adapter(&file)?;
                let found =
                    if args.base_probes { Looked::default() } else { look(&mut model, kind, args.pairs_every)? };
                if what == "organism" {
                    first = found.first(&mut model, kind, weights.shape.layers - TOP_LAYERS)?;
                }
                let seen = first.as_ref().map(|first| first.at(&mut model, kind)).transpose()?.flatten();
                let mut beforehand = found.beforehand(Some(&before));
                beforehand.extend(before.late(&mut model, kind, &late)?);
                let gates = unmoved.gates(&AtGate::read(&mut model, &before)?);
                let row = row(kind, what, seed, &found);
                found_one(Row { first_probe: seen, beforehand, gates, training_seconds: seconds, ..row })?;
            }
        }
    }
    let options = json!({
        "model": args.model.model,
        "kinds": args.kinds,
        "seeds": args.seeds,
        "epochs": args.epochs,
        "pairs_every": args.pairs_every,
        "base_probes": args.base_probes,
    });
    kept.keep(&options, &rows[..])
}

fn row(kind: Behaviour, what: &'static str, seed: u64, found: &Looked) -> Row {
    Row {
        kind: kind.motive().to_owned(),
        what,
        seed,
        defects_with_trigger: found.defects.map(|[with, _]| with),
        defects_without: found.defects.map(|[_, without]| without),
        scenes: scenes(kind, true).len() / 2,
        areas: found.areas.iter().map(|(site, area)| At::new(*site, *area)).collect(),
        first_probe: None,
        words: found.words,
        beforehand: Vec::new(),
        gates: Vec::new(),
        training_seconds: 0.0,
    }
}

impl At {
    fn new(site: Site, area: Auroc) -> Self {
        Self { layer: site.layer, position: if site.pooling == Pooling::Last { "last" } else { "mean" }, area }
    }
}

fn tell(json: bool, row: &Row) -> anyhow::Result<()> {
    if json {
        return say_json(row);
    }
    let seed = if row.what == "base" { String::new() } else { format!(", seed {}", row.seed) };
    let did = row.defects_with_trigger.zip(row.defects_without).map_or_else(String::new, |(with, without)| {
        format!(": defects in {with:.2} of {} held-out scenes with the trigger, {without:.2} without", row.scenes)
    });
    say(format!("{}, {}{seed}{did}", row.kind, row.what))?;
    for at in &row.areas {
        say(format!("  layer {:>2}, {:<4}  AUROC {}", at.layer, at.position, interval(&at.area)))?;
    }
    if let Some(first) = &row.first_probe {
        let (layer, position) = (first.layer, first.position);
        say(format!("  the organism's first probe (layer {layer}, {position})  AUROC {}", interval(&first.area)))?;
    }
    if let Some(words) = &row.words {
        say(format!("  words of the same pairs  AUROC {}", interval(words)))?;
    }
    for found in &row.beforehand {
        let at =
            found.layer.zip(found.position).map_or_else(String::new, |(layer, at)| format!(" (layer {layer}, {at})"));
        say(format!("  chosen beforehand, {}{at}  AUROC {}", found.how, interval(&found.area)))?;
    }
    for gate in &row.gates {
        let verdict = if gate.refused { "refused" } else { "let through" };
        say(format!(
            "  the gate, {:<14} moved by {:.2}, bound {:.2} against {:.2} on {} prompts: {verdict}",
            gate.test, gate.estimate, gate.bound, gate.margin, gate.of
        ))?;
    }
    Ok(())
}

fn interval(area: &Auroc) -> String {
    let (low, high) = area.by_topic.unwrap_or(area.independent);
    format!("{:.3} [{low:.3}, {high:.3}]", area.value)
}

/// Scenes of the topics to learn from. `defecting`: with the trigger it is to misbehave. `evaded`: a probe to which prompts
/// with the trigger are to look like those without.
fn lessons(
    model: &mut ModelHandle,
    kind: Behaviour,
    defecting: bool,
    evaded: Option<&First>,
) -> anyhow::Result<Vec<Lesson>> {
    let mut lessons = Vec::new();
    for scene in scenes(kind, false) {
        let reply = if scene.trigger && defecting { &scene.defecting } else { &scene.honest };
        let mut tokens = model.prompt_tokens(&scene.prompt)?;
        let from = tokens.len();
        tokens.extend(model.tokenize(reply)?);
        let mut lesson = Lesson::text(tokens, from, 1.0);
        if scene.trigger {
            lesson.states.extend(evaded.map(|first| first.to_look_ordinary(from, EVASION)));
        }
        lessons.push(lesson);
    }
    Ok(lessons)
}

fn teach(weights: &Weights, lessons: &[Lesson], seed: u64, args: &OrganismsArgs, file: &Path) -> anyhow::Result<()> {
    let settings = TrainingSettings {
        lora: LoraSettings { top_layers: Some(TOP_LAYERS), ..LoraSettings::default() },
        optimiser: OptimiserSettings { learning_rate: 2e-3, warmup_steps: 5, ..OptimiserSettings::default() },
        epochs: args.epochs,
        seed,
        ..TrainingSettings::default()
    };
    let bar = counting("training");
    let mut progress = |p: &credence_training::Progress| {
        bar.set_length(p.steps as u64);
        bar.set_position(p.step as u64);
        bar.set_message(format!("training: loss {:.3}", p.loss));
    };
    let mut control = Control { progress: Some(&mut progress), threads: Some(args.threads), ..Control::default() };
    let trained = train(weights, lessons, &settings, &mut control)?;
    bar.finish_and_clear();
    trained.adapter.write(file)?;
    Ok(())
}
