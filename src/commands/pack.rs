//! `credence pack`: domains beside what people value.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Subcommand;
use credence_agent::bank::Bank;
use credence_agent::pack::{Finding, MANIFEST, Pack, PackReport, agreement};
use credence_evals::recovery::{self, RecoveryOptions};
use credence_memory::belief::Settings;
use credence_memory::ids::Hash;
use credence_priors::schema::Value;
use serde::Serialize;
use utoipa::ToSchema;

use crate::exit::{DidNotMatch, WrongInput};
use crate::progress::counting;
use crate::surroundings::{say, say_json};

/// Agreement of two readers below which it is usually called poor to fair.
const KAPPA_MIN: f64 = 0.4;

/// Files that a new pack begins with.
const BEGINNING: [(&str, &str); 4] = [
    (MANIFEST, include_str!("pack/new/pack.toml")),
    ("schema.toml", include_str!("pack/new/schema.toml")),
    ("questions.jsonl", include_str!("pack/new/questions.jsonl")),
    ("charter.md", include_str!("pack/new/charter.md")),
];

/// `credence pack ...`.
#[derive(Debug, Subcommand)]
pub(crate) enum PackCommand {
    /// List the built-in packs
    List {
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
    /// Show a pack's values and how much there is of it
    Show {
        /// Its name or folder
        pack: String,
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
    /// Check a pack as an instrument: enough questions for each value, balanced surfaces, and whether simulated people are found with it
    Check {
        /// Its name or folder
        pack: String,
        /// The same questions keyed by a second reader, to say how far the two agree
        #[arg(long, value_name = "FILE")]
        second: Option<PathBuf>,
        /// Simulated people who answer it; 0 leaves this out
        #[arg(long, value_name = "N", default_value_t = 10)]
        people: usize,
        /// Seed of the simulated people
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
    /// Begin a pack of your own in a new folder: a small working example to change
    New {
        /// The folder
        folder: PathBuf,
    },
}

/// Runs `credence pack ...`.
pub(crate) fn run(command: PackCommand) -> anyhow::Result<()> {
    match command {
        PackCommand::List { json } => list(json),
        PackCommand::Show { pack, json } => show(&Pack::find(&pack)?, json),
        PackCommand::Check { pack, second, people, seed, json } => {
            check(&Pack::find(&pack)?, second.as_deref(), people, seed, json)
        }
        PackCommand::New { folder } => new(&folder),
    }
}

fn list(json: bool) -> anyhow::Result<()> {
    let packs: Vec<Pack> = Pack::built_in_names().filter_map(Pack::built_in).collect();
    if json {
        return say_json(&packs.iter().map(summary).collect::<Vec<_>>());
    }
    packs.iter().try_for_each(|pack| {
        say(format!(
            "{:<10} {}: {} values, {} questions, {} portraits",
            pack.name,
            pack.title,
            pack.schema.values.len(),
            pack.bank.questions.len(),
            pack.bank.portraits.len()
        ))
    })
}

/// A pack, as `credence pack list` and `credence pack show` tell it with `--json`.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PackJson {
    name: String,
    title: String,
    /// Hash of all that is in it.
    #[schema(value_type = String)]
    hash: Hash,
    /// Where it was read from; nothing for one that is built in.
    #[schema(value_type = Option<String>)]
    folder: Option<PathBuf>,
    values: Vec<ValueJson>,
    /// How many questions it has.
    questions: usize,
    /// How many portraits it has.
    portraits: usize,
}

/// A value of a pack.
#[derive(Debug, Serialize, ToSchema)]
struct ValueJson {
    id: String,
    name: String,
    description: String,
}

fn summary(pack: &Pack) -> PackJson {
    let value = |v: &Value| ValueJson { id: v.id.clone(), name: v.name.clone(), description: v.description.clone() };
    PackJson {
        name: pack.name.clone(),
        title: pack.title.clone(),
        hash: pack.hash,
        folder: pack.folder.clone(),
        values: pack.schema.values.iter().map(value).collect(),
        questions: pack.bank.questions.len(),
        portraits: pack.bank.portraits.len(),
    }
}

/// What a pack is as an instrument, as `credence pack check --json` tells it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PackCheckJson {
    report: PackReport,
    /// How far a second reader agrees, by value; empty without one.
    kappa: Vec<KappaJson>,
    /// Whether simulated people were found with it; nothing where none were simulated.
    recovery: Option<recovery::RecoveryResult>,
    passed: bool,
}

/// How far two readers agree on a value.
#[derive(Debug, Serialize, ToSchema)]
struct KappaJson {
    value: String,
    /// Cohen's weighted kappa.
    kappa: f64,
    /// Alternatives that both keyed.
    alternatives: usize,
}

fn show(pack: &Pack, json: bool) -> anyhow::Result<()> {
    if json {
        return say_json(&summary(pack));
    }
    say(format!("{}: {}  ({})", pack.name, pack.title, pack.hash))?;
    say(format!("{} questions, {} portraits", pack.bank.questions.len(), pack.bank.portraits.len()))?;
    pack.schema
        .values
        .iter()
        .try_for_each(|value| say(format!("  {}  {}: {}", value.id, value.name, value.description)))
}

fn check(pack: &Pack, second: Option<&Path>, people: usize, seed: u64, json: bool) -> anyhow::Result<()> {
    let mut report = pack.check(seed);
    let values: Vec<&str> = pack.schema.values.iter().map(|v| v.id.as_str()).collect();
    let kappas = match second {
        Some(path) => {
            let other = Bank::load(path)?;
            other.check_values(&values, path)?;
            let kappas = agreement(&pack.bank, &other, &values);
            anyhow::ensure!(
                kappas.iter().any(|(_, _, n)| *n > 0),
                WrongInput(format!("{} has no question with an id of the pack's", path.display()))
            );
            kappas
        }
        None => Vec::new(),
    };
    if second.is_some() {
        report.findings.push(agreed(&kappas, pack.bank.questions.iter().map(|q| q.alternatives.len()).sum()));
    }
    let found = if people == 0 { None } else { Some(recovered(pack, &values, people, seed)?) };
    let passed = report.findings.iter().all(|f| f.passed);
    if json {
        let kappas = kappas.into_iter();
        let kappa = kappas.map(|(value, kappa, alternatives)| KappaJson { value, kappa, alternatives }).collect();
        say_json(&PackCheckJson { report, kappa, recovery: found, passed })?;
    } else {
        say_report(&report)?;
        for (value, kappa, n) in &kappas {
            say(format!("  kappa of {value}: {kappa:.2} over {n} alternatives"))?;
        }
        if let Some(result) = &found {
            let moments = &result.arms[0].moments;
            say(format!("{people} simulated people (seed {seed}), all kinds of question; 95% intervals over people"))?;
            for m in moments {
                say(format!(
                    "  {}: rank correlation {}   values sure {} of {}",
                    m.at,
                    m.rank_correlation,
                    m.sure,
                    values.len()
                ))?;
            }
        }
    }
    if passed { Ok(()) } else { Err(DidNotMatch("the pack does not pass".into()).into()) }
}

/// Whether a second reader keys the pack's alternatives alike: at least half of them, and every value with a kappa that is not poor.
fn agreed(kappas: &[(String, f64, usize)], alternatives: usize) -> Finding {
    let keyed = kappas.iter().map(|(_, _, n)| *n).max().unwrap_or(0);
    let worst = kappas.iter().filter(|(_, _, n)| *n > 0).min_by(|a, b| a.1.total_cmp(&b.1));
    let found = match worst {
        Some((value, kappa, _)) => {
            format!("{keyed} of {alternatives} alternatives, the least kappa is {kappa:.2} ({value})")
        }
        None => format!("{keyed} of {alternatives} alternatives"),
    };
    let passed = 2 * keyed >= alternatives && worst.is_some_and(|(_, kappa, _)| *kappa >= KAPPA_MIN);
    let what = format!(
        "a second reader keyed at least half of the alternatives, each value with a kappa of {KAPPA_MIN} or more"
    );
    Finding { what, found, passed }
}

fn say_report(report: &PackReport) -> anyhow::Result<()> {
    say(format!(
        "{}: {} values, {} questions, {} portraits",
        report.pack, report.values, report.questions, report.portraits
    ))?;
    report.findings.iter().try_for_each(|f| {
        let mark = if f.passed { "ok  " } else { "FAIL" };
        say(format!("  {mark} {}: {}", f.what, f.found))
    })
}

fn recovered(pack: &Pack, values: &[&str], people: usize, seed: u64) -> anyhow::Result<recovery::RecoveryResult> {
    let bar = counting("simulated people");
    bar.set_length(people as u64);
    let options = RecoveryOptions { people, answers: vec![10, 30], seed, ..RecoveryOptions::default() };
    let result = recovery::run(&pack.bank, values, &Settings::of_new_homes(), &options, None, &|| bar.inc(1))
        .map_err(|e| WrongInput(e.to_string()))?;
    bar.finish_and_clear();
    Ok(result)
}

fn new(folder: &Path) -> anyhow::Result<()> {
    if folder.join(MANIFEST).exists() {
        anyhow::bail!(WrongInput(format!("{} is a pack already", folder.display())));
    }
    std::fs::create_dir_all(folder).with_context(|| format!("failed to make {}", folder.display()))?;
    if let Some(there) =
        BEGINNING.iter().map(|(name, _)| folder.join(name)).find(|path| path.symlink_metadata().is_ok())
    {
        anyhow::bail!(WrongInput(format!("{} is there already", there.display())));
    }
    let called = folder.file_name().map(|name| name.to_string_lossy().into_owned());
    for (name, text) in BEGINNING {
        let path = folder.join(name);
        let text = match &called {
            Some(called) if name == MANIFEST => {
                text.replacen("name = \"tea\"", &format!("name = {}", toml::Value::from(called.as_str())), 1)
            }
            _ => text.to_owned(),
        };
        std::fs::write(&path, text).with_context(|| format!("failed to write {}", path.display()))?;
    }
    say(format!(
        "{} is a pack of two values and three questions; change it, then: credence pack check {}",
        folder.display(),
        folder.display()
    ))
}
