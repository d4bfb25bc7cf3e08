//! `credence eval` of the agent at work: sentences, pressure, what text can do to a judgement, the speed of decisions.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use clap::{Args, ValueEnum};
use credence_agent::decide::Bars;
use credence_agent::opening::Opening;
use credence_agent::words::{Listener, Reader, WordsError};
use credence_evals::decision_speed;
use credence_evals::figures::Measured;
use credence_evals::pressure::{
    Arm, ArmSummary, Effects, Pressure, PressureOptions, Row, by_arm, effects, flat_trust, read,
};
use credence_evals::sentences::{self, Score};
use credence_evals::text_safety::{InjectionReport, Judge, Moved, WordingReport, measure_injections, measure_wording};
use credence_memory::belief::Mixture;
use credence_memory::ids::PersonId;
use credence_priors::LanguageModel;
use credence_priors::meaning::States;
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use crate::cli::eval::KeepArgs;
use crate::cli::{Global, ModelArgs};
use crate::commands::eval::keep::Keep;
use crate::commands::tell::ReaderArg;
use crate::exit::WrongInput;
use crate::progress::counting;
use crate::surroundings::{Opened, opening, say, say_json, schema};

/// `credence eval sentences`.
#[derive(Debug, Args)]
pub(crate) struct SentencesArgs {
    /// How they are read
    #[arg(long, value_enum, default_value_t = ReaderArg::Plain)]
    pub(crate) reader: ReaderArg,
    /// Sentences to read instead of the built-in ones (JSON Lines of the same form)
    #[arg(long, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// Also the sentences kept aside; what is chosen must not be chosen by them
    #[arg(long)]
    pub(crate) frozen: bool,
    /// Show every sentence that is read wrong
    #[arg(long)]
    pub(crate) wrong: bool,
    /// One JSON object
    #[arg(long)]
    pub(crate) json: bool,
    /// Where figures are kept.
    #[command(flatten)]
    pub(crate) kept: KeepArgs,
    /// The model.
    #[command(flatten)]
    pub(crate) model: ModelArgs,
}

/// Runs `credence eval sentences`.
pub(crate) fn sentences(global: &Global, args: &SentencesArgs) -> anyhow::Result<()> {
    let kept = Keep::of(&args.kept, "sentences")?;
    let sentences = match &args.file {
        Some(path) => {
            let text = std::fs::read_to_string(path).with_context(|| format!("failed to read {}", path.display()))?;
            sentences::parse(&text)
                .map_err(|(line, why)| WrongInput(format!("{}, line {line}: {why}", path.display())))?
        }
        None => sentences::bank(),
    };
    let listener = match args.reader {
        // Rules need no model.
        ReaderArg::Plain => {
            Listener::new(&schema(global, &args.model)?, Reader::Plain, Arc::new(|| Err("rules need no model".into())))
        }
        ReaderArg::Completion => {
            let opening = Opening { unkeyed: true, ..opening(global, &args.model)? };
            Listener::new(&opening.schema, Reader::Completion, opening.load.clone())
        }
    };
    let bar = counting("sentences");
    let mut read = |text: &str| match listener.rows(text) {
        // Words that are refused are sentences of which nothing is read.
        Err(WordsError::Empty | WordsError::TooLong(_) | WordsError::Script | WordsError::UnknownValue(_)) => {
            Ok(Vec::new())
        }
        rows => rows,
    };
    let result = sentences::run(sentences, args.frozen, &mut read, &mut |done, of| {
        bar.set_length(of as u64);
        bar.set_position(done as u64);
    })?;
    bar.finish_and_clear();
    let reader = args.reader.to_possible_value().map_or_else(String::new, |reader| reader.get_name().to_owned());
    let model = (args.reader != ReaderArg::Plain).then_some(&args.model.model);
    let options = json!({ "reader": reader, "model": model, "file": args.file, "frozen": args.frozen });
    kept.keep(&options, &result.figures(&reader)[..])?;
    if args.json {
        return say_json(&result);
    }
    for (name, score) in [("open", &result.open), ("frozen", &result.frozen)] {
        let Some(score) = score else { continue };
        let Score { sentences, values, misread, unread, exact, conditions, rows, rows_right, rows_expected } = score;
        say(format!(
            "{name} sentences ({sentences})\n  values and direction  {values} ({misread} read wrongly, {unread} left unread)\n  and strength          {exact}\n  and conditions        {conditions}\n  rows read {rows}, right {rows_right}, expected {rows_expected}"
        ))?;
    }
    if args.wrong {
        for wrong in &result.wrong {
            say(format!(
                "{} {:?}\n    read     {}\n    expected {}",
                wrong.id, wrong.text, wrong.read, wrong.expected
            ))?;
        }
    }
    Ok(())
}

/// `credence eval pressure`.
#[derive(Debug, Args)]
pub(crate) struct PressureArgs {
    /// How many of the 2,187 settings
    #[arg(long, value_name = "N", default_value_t = 40, value_parser = crate::cli::numbers::count::<1, 2187>)]
    pub(crate) settings: usize,
    /// Seed of the choice of settings and of what is written
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// The most tokens to write about one setting
    #[arg(long, value_name = "N", default_value_t = 320, value_parser = crate::cli::numbers::count::<0, 100000>)]
    pub(crate) tokens: usize,
    /// Rows go into this file; one that is there is gone on with
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Decide for this person of the home [default: for someone of whom only the prior is known]
    #[arg(long, value_name = "NAME")]
    pub(crate) person: Option<String>,
    /// One JSON object
    #[arg(long)]
    pub(crate) json: bool,
    /// Where figures are kept.
    #[command(flatten)]
    pub(crate) kept: KeepArgs,
    /// The model: any that llama.cpp loads
    #[command(flatten)]
    pub(crate) model: ModelArgs,
}

impl Default for PressureArgs {
    fn default() -> Self {
        use clap::Parser;
        #[derive(Parser)]
        struct Only {
            #[command(flatten)]
            args: PressureArgs,
        }
        Only::parse_from(["pressure"]).args
    }
}

/// What is believed of a person of the home, or of someone unknown.
fn belief(opened: &Opened, person: Option<&str>) -> anyhow::Result<Mixture> {
    let name = person.unwrap_or("nobody in particular");
    let person = PersonId::new(name)?;
    if name != "nobody in particular" && opened.home.state().person(&person).is_none() {
        anyhow::bail!(WrongInput(format!("the home has no person {name:?}")));
    }
    Ok(opened.home.state().belief(&person)?)
}

/// What `credence eval pressure --json` prints.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PressureJson {
    /// Settings that were read.
    settings: usize,
    seed: u64,
    rows: Vec<Row>,
    effects: Vec<Effects>,
}

/// What `credence eval text --json` prints.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TextJson {
    /// Nothing where only wordings were measured.
    injections: Option<InjectionReport>,
    /// Nothing where only injections were measured.
    wording: Option<WordingReport>,
}

/// Runs `credence eval pressure`.
pub(crate) fn pressure(global: &Global, args: &PressureArgs) -> anyhow::Result<()> {
    let kept = Keep::of(&args.kept, "pressure")?;
    let pressure = Pressure::built_in();
    let mut rows = match &args.out {
        Some(path) if path.exists() => rows_of(path)?,
        _ => Vec::new(),
    };
    let mut opened = Opened::open(global, &args.model)?;
    let belief = belief(&opened, args.person.as_deref())?;
    let layout = opened.home.state().epoch().context("the log has a header")?.layout.clone();
    let options = PressureOptions {
        charter: opened.opening.charter.clone(),
        tokens_max: args.tokens,
        seed: args.seed,
        bars: Bars::default(),
        trust: flat_trust(),
    };
    let mut reader = opened.reader()?.clone();
    let mut states = States::open(opened.opening.readings.as_deref(), reader.model());
    let sample = pressure.sample(args.settings, args.seed);
    let bar = counting("settings read");
    bar.set_length((sample.len() * Arm::ALL.len()) as u64);
    let mut file = match &args.out {
        Some(path) => Some(
            std::fs::OpenOptions::new()
                .create(true)
                .append(true)
                .open(path)
                .with_context(|| format!("failed to open {}", path.display()))?,
        ),
        None => None,
    };
    for &setting in &sample {
        for arm in Arm::ALL {
            if !rows.iter().any(|r| (r.setting, r.arm) == (setting, arm)) {
                let row = read(&pressure, &mut reader, &mut states, (&belief, &layout), &options, (setting, arm))?;
                if let Some(file) = &mut file {
                    writeln!(file, "{}", serde_json::to_string(&row)?).context("failed to write a row")?;
                }
                rows.push(row);
            }
            bar.inc(1);
        }
    }
    bar.finish_and_clear();
    rows.retain(|r| sample.contains(&r.setting));
    let found = effects(&pressure, &rows, args.seed);
    let arms = by_arm(&rows, args.seed);
    let asked = json!({
        "model": reader.model().describe().name,
        "person": args.person,
        "settings": sample.len(),
        "tokens": args.tokens,
        "seed": args.seed,
    });
    kept.keep(&asked, &[arms[..].figures(), found[..].figures()].concat()[..])?;
    if args.json {
        return say_json(&PressureJson { settings: sample.len(), seed: args.seed, rows, effects: found });
    }
    say(format!(
        "{} of {} settings, seed {}; model {}; leaning: 0 leaves the deposits alone, 1 uses them",
        sample.len(),
        pressure.settings(),
        args.seed,
        args.model.model
    ))?;
    for ArmSummary { arm, readout, posterior, verdicts: [act, ask, defer], unusable } in &arms {
        say(format!(
            "  {:<20} readout {readout}  posterior {posterior}  act {act} ask {ask} defer {defer}  unusable {unusable}",
            arm.name()
        ))?;
    }
    for table in &found {
        say(format!("\neffects on {:?} (95% interval over settings; * away from 0)", table.outcome).to_lowercase())?;
        for e in &table.effects {
            let beyond = if e.estimate.low > 0.0 || e.estimate.high < 0.0 { "*" } else { " " };
            let expected = match e.expected {
                1 => "expected +",
                -1 => "expected -",
                _ => "",
            };
            say(format!(
                "  {:<20} {:+.4} [{:+.4}, {:+.4}] {beyond} {expected}",
                e.of, e.estimate.mean, e.estimate.low, e.estimate.high
            ))?;
        }
    }
    Ok(())
}

fn rows_of(path: &std::path::Path) -> anyhow::Result<Vec<Row>> {
    let file = std::fs::File::open(path).with_context(|| format!("failed to open {}", path.display()))?;
    BufReader::new(file)
        .lines()
        .enumerate()
        .map(|(i, line)| {
            let line = line.with_context(|| format!("failed to read {}", path.display()))?;
            serde_json::from_str(&line).map_err(|e| {
                WrongInput(format!("{}, line {}: {e}; expected a row of this experiment", path.display(), i + 1)).into()
            })
        })
        .collect()
}

/// What `credence eval text`, `meaning` and `decisions` have in common.
#[derive(Debug, Args)]
pub(crate) struct MeasureArgs {
    /// Judge for this person of the home [default: for someone of whom only the prior is known]
    #[arg(long, value_name = "NAME")]
    pub(crate) person: Option<String>,
    /// One JSON object
    #[arg(long)]
    pub(crate) json: bool,
    /// Where figures are kept.
    #[command(flatten)]
    pub(crate) kept: KeepArgs,
    /// The model.
    #[command(flatten)]
    pub(crate) model: ModelArgs,
}

/// What of texts is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum TextPart {
    /// What injected instructions move, beside harmless text in the same place
    Injections,
    /// What other words for the same situation move
    Wording,
}

/// `credence eval text`.
#[derive(Debug, Args)]
pub(crate) struct TextArgs {
    /// Measure only this
    #[arg(long, value_name = "PART")]
    pub(crate) only: Option<TextPart>,
    /// As the others.
    #[command(flatten)]
    pub(crate) measure: MeasureArgs,
}

/// Runs `credence eval text`.
pub(crate) fn text(global: &Global, args: &TextArgs) -> anyhow::Result<()> {
    let (only, args) = (args.only, &args.measure);
    let kept = Keep::of(&args.kept, "text")?;
    let mut opened = Opened::open(global, &args.model)?;
    let belief = belief(&opened, args.person.as_deref())?;
    let layout = opened.home.state().epoch().context("the log has a header")?.layout.clone();
    let listener = Listener::new(&opened.opening.schema, Reader::default(), opened.opening.load.clone());
    let mut reader = opened.reader()?.clone();
    let model = reader.model().describe().name;
    let mut judge = Judge { reader: &mut reader, belief: &belief, layout: &layout };
    let mut injected = None;
    if only != Some(TextPart::Wording) {
        let bar = counting("injections");
        injected = Some(measure_injections(&mut judge, &listener, &mut |done, of| {
            bar.set_length(of as u64);
            bar.set_position(done as u64);
        })?);
        bar.finish_and_clear();
    }
    let mut worded = None;
    if only != Some(TextPart::Injections) {
        let bar = counting("wordings");
        worded = Some(measure_wording(&mut judge, &mut |done, of| {
            bar.set_length(of as u64);
            bar.set_position(done as u64);
        })?);
        bar.finish_and_clear();
    }
    let figures = [injected.as_ref().map(Measured::figures), worded.as_ref().map(Measured::figures)];
    let figures = figures.into_iter().flatten().collect::<Vec<_>>().concat();
    kept.keep(&measured(args, &model), &figures[..])?;
    if args.json {
        return say_json(&TextJson { injections: injected, wording: worded });
    }
    let line = |m: &Moved| {
        say(format!(
            "  {:<24} {:>4} decisions  mean {:.3}  most {:.3}  turned {}",
            m.by, m.decisions, m.mean, m.most, m.turned
        ))
    };
    say("movement of the difference between two alternatives, noise units")?;
    if let Some(injected) = injected {
        say("injected instructions, each")?;
        injected.injections.iter().try_for_each(&line)?;
        say("by place, beside harmless text in the same place")?;
        injected.places.iter().try_for_each(&line)?;
        let read: Vec<String> = injected.free_text.iter().map(|(id, rows)| format!("{id}: {rows}")).collect();
        say(format!("statements read in injected sentences: {}", read.join(", ")))?;
    }
    if let Some(worded) = worded {
        say("the same in other words")?;
        line(&worded.paraphrases)?;
        line(&worded.framings)?;
        let ((caught, turned), (deferred, of)) = (worded.turned_and_deferred, worded.deferred);
        say(format!(
            "acts left to the person, where a framing moves by more than {} or turns: {deferred} of {of}, and {caught} of the {turned} that a paraphrase turns",
            Bars::default().wording_max
        ))?;
    }
    Ok(())
}

/// What figures of a judgement depend on.
fn measured(args: &MeasureArgs, model: &str) -> serde_json::Value {
    json!({ "model": model, "person": args.person })
}

/// Runs `credence eval decisions`.
pub(crate) fn decisions(global: &Global, args: &MeasureArgs) -> anyhow::Result<()> {
    let kept = Keep::of(&args.kept, "decisions")?;
    let mut opened = Opened::open(global, &args.model)?;
    let mut reader = opened.reader()?.clone();
    let bar = counting("decisions");
    let rows = decision_speed::measure(&mut reader, &mut |done, of| {
        bar.set_length(of as u64);
        bar.set_position(done as u64);
    })?;
    bar.finish_and_clear();
    kept.keep(&measured(args, &reader.model().describe().name), &rows[..])?;
    if args.json {
        return say_json(&rows);
    }
    say("a passage of a briefing and a situation before every prompt; medians")?;
    for r in rows {
        say(format!(
            "  {} alternatives, {:<5}  {:>6} tokens in prompts, {:>5} evaluated ({:.2})  {:.2} s",
            r.alternatives,
            r.call,
            r.in_prompts,
            r.evaluated,
            r.evaluated as f64 / r.in_prompts as f64,
            r.seconds
        ))?;
    }
    Ok(())
}

/// Runs `credence eval meaning`.
pub(crate) fn meaning(global: &Global, args: &MeasureArgs) -> anyhow::Result<()> {
    let kept = Keep::of(&args.kept, "meaning")?;
    let opening = Opening { unkeyed: true, ..opening(global, &args.model)? };
    let mut model = (opening.load)().map_err(|error| anyhow::anyhow!(error))?;
    let report = credence_evals::meaning::measure(&mut model)?;
    kept.keep(&measured(args, &model.describe().name), &report)?;
    if args.json {
        return say_json(&report);
    }
    let range = |values: &[f64]| {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let at = |p: f64| sorted[((sorted.len() - 1) as f64 * p).round() as usize];
        format!("{:.2} to {:.2}, median {:.2}", at(0.0), at(1.0), at(0.5))
    };
    say(format!(
        "proposals that say the same: nearness {}; merged {}\nproposals that differ: nearness {}; merged {}\npassages of the briefing that bears on a situation: {} (chance 1/3)",
        range(&report.same),
        report.merged,
        range(&report.different),
        report.wrongly_merged,
        report.retrieved
    ))
}
