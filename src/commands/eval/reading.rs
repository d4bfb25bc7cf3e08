//! `credence eval validity` and `credence eval unseen`: how well a model reads what an act serves.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use credence_evals::figures::{Figure, Measured};
use credence_evals::unseen::{self, Learner, UnseenOptions, UnseenRow};
use credence_evals::validity::taught::{self, TeachingOptions};
use credence_evals::validity::{self, CurvePoint, PairReading, TestSet, ValidityRow};
use credence_priors::acts::{KeyedPair, Split, embedded, keyed_bank};
use credence_priors::features::FittedBank;
use credence_priors::reading_cache::FileReadingCache;
use credence_priors::readout::Alternative;
use credence_priors::schema::ValueSchema;
use credence_priors::value_reading::{QuestionStates, ValueMap, layers};
use credence_priors::{LanguageModel, Llama, LlamaOptions, ModelHandle};
use credence_training::{Control, Weights, train};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use super::keep::Keep;
use crate::cli::eval::KeepArgs;
use crate::cli::{Global, ModelArgs};
use crate::exit::WrongInput;
use crate::progress::counting;
use crate::surroundings::{cache, model_and_schema, pull, say, say_json};

/// `credence eval validity`.
#[derive(Debug, Args)]
pub(crate) struct ValidityArgs {
    /// Also fit with so many pairs of keyed acts, to see how reading grows with them
    #[arg(long, value_name = "N,...", value_delimiter = ',')]
    pub(crate) curve: Vec<usize>,
    /// Also read by pairs of opposite words
    #[arg(long)]
    pub(crate) pole_words: bool,
    /// Also teach a LoRA adapter to show keys along one direction a value, keep it in this folder, and read with it; an adapter that is
    /// there is not taught again
    #[arg(long, value_name = "DIR")]
    pub(crate) taught: Option<PathBuf>,
    /// Times that every act is seen in teaching
    #[arg(long, default_value_t = 2, requires = "taught", value_parser = crate::cli::numbers::count::<1, 100>)]
    pub(crate) epochs: usize,
    /// Highest step size of teaching
    #[arg(long, default_value_t = 5e-4, requires = "taught")]
    pub(crate) learning_rate: f64,
    /// Show every value
    #[arg(long)]
    pub(crate) by_value: bool,
    /// Seed of the intervals
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Keep the fitted map in this file
    #[arg(long, value_name = "FILE", hide = true)]
    pub(crate) map_out: Option<PathBuf>,
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

/// `credence eval unseen`.
#[derive(Debug, Args)]
pub(crate) struct UnseenArgs {
    /// Number of simulated people; with --people, sessions for each person in the file
    #[arg(long, value_name = "N", default_value_t = 200)]
    pub(crate) simulated: usize,
    /// People from a file instead, JSON Lines: {"person", "profile": {value: weight}, "answers": [{"situation", "alternatives", "chosen"}]}
    #[arg(long, value_name = "FILE")]
    pub(crate) people: Option<PathBuf>,
    /// Keyed questions each answers before unseen choices are predicted
    #[arg(long, value_name = "N", default_value_t = 30)]
    pub(crate) answers: usize,
    /// Standard deviation of a typical utility difference, in units of a person's noise
    #[arg(long, default_value_t = 2.5)]
    pub(crate) signal: f64,
    /// Also read by pairs of opposite words
    #[arg(long)]
    pub(crate) pole_words: bool,
    /// Seed of every draw
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
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

/// What `credence eval validity --json` prints.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ValidityReport {
    model: String,
    map: String,
    learned_from: usize,
    seed: u64,
    rows: Vec<ValidityRow>,
    pole_words: Vec<ValidityRow>,
    /// Read with an adapter that was taught to show keys.
    taught: Vec<ValidityRow>,
    curve: Vec<CurvePoint>,
}

impl Measured for ValidityReport {
    fn figures(&self) -> Vec<Figure> {
        let states = |rows: &[ValidityRow], pairs: usize| -> Vec<Figure> {
            rows.iter().flat_map(|row| row.figures("states", &format!("{pairs} pairs"))).collect()
        };
        let mut figures = states(&self.rows, self.learned_from);
        figures.extend(self.pole_words.iter().flat_map(|row| row.figures("pole words", "")));
        figures.extend(self.taught.iter().flat_map(|row| row.figures("states, taught", "")));
        // The whole set may be a point of the curve, too.
        let others = self.curve.iter().filter(|point| point.pairs != self.learned_from);
        figures.extend(others.flat_map(|point| states(&point.rows, point.pairs)));
        figures
    }
}

/// Runs `credence eval validity`.
pub(super) fn validity(global: &Global, args: &ValidityArgs) -> anyhow::Result<()> {
    let kept = Keep::of(&args.kept, "validity")?;
    let (mut model, schema, readings) = model_and_schema(global, &args.model)?;
    let acts = embedded();
    let map = fitted(&mut model, &schema, &readings)?;
    if let Some(path) = &args.map_out {
        std::fs::write(path, map.to_bytes())?;
    }
    let mut sets: Vec<(TestSet, Vec<QuestionStates>)> = Vec::new();
    for set in validity::test_sets(&acts) {
        let states = states(&mut model, &set.pairs, set.name)?;
        sets.push((set, states));
    }
    let row = |(set, states): &(TestSet, Vec<QuestionStates>)| {
        validity::score(set, &map.values, &validity::read_pairs(&map, states), true, args.seed)
    };
    let rows: Vec<ValidityRow> = sets.iter().map(row).collect();
    let pole_words = if args.pole_words {
        let mut rows = Vec::new();
        for (set, _) in &sets {
            let read = by_pole_words(&mut model, &schema, &readings, &set.pairs)?;
            rows.push(validity::score(set, &map.values, &read, false, args.seed));
        }
        rows
    } else {
        Vec::new()
    };
    let taught = match &args.taught {
        Some(folder) => taught(global, args, folder, &mut model, &schema, &acts)?,
        None => Vec::new(),
    };
    let curve = if args.curve.is_empty() {
        Vec::new()
    } else {
        let states = states(&mut model, &acts, "keyed acts")?;
        validity::learning_curve(&model.describe(), &schema, (&acts, &states), &sets, &args.curve, args.seed)?
    };
    let report = ValidityReport {
        model: model.describe().name,
        map: map.hash(),
        learned_from: acts.iter().filter(|pair| pair.split() != Split::Testing).count(),
        seed: args.seed,
        rows,
        pole_words,
        taught,
        curve,
    };
    kept.keep(&json!({ "model": report.model, "map": report.map, "seed": report.seed }), &report)?;
    if args.json {
        return say_json(&report);
    }
    say(format!(
        "What {} reads of acts that nothing was learned from; learned from {} pairs; 95% intervals over pairs",
        report.model, report.learned_from
    ))?;
    print_rows("states", &report.rows, &schema, args.by_value)?;
    if args.pole_words {
        print_rows("pole words", &report.pole_words, &schema, args.by_value)?;
    }
    if !report.taught.is_empty() {
        print_rows("states, taught", &report.taught, &schema, args.by_value)?;
    }
    for point in &report.curve {
        print_rows(&format!("states, {} pairs", point.pairs), &point.rows, &schema, false)?;
    }
    let unreadable: Vec<&str> = map.validity.iter().filter(|v| !v.is_readable).map(|v| v.value.as_str()).collect();
    if unreadable.is_empty() {
        return say("\nEvery value is read better than by chance.");
    }
    say(format!("\nNot read better than by chance, and so not claimed: {}", unreadable.join(", ")))
}

/// Teaches an adapter, unless it is there, and measures the map that is learned from its states.
fn taught(
    global: &Global,
    args: &ValidityArgs,
    folder: &Path,
    model: &mut ModelHandle,
    schema: &ValueSchema,
    acts: &[KeyedPair],
) -> anyhow::Result<Vec<ValidityRow>> {
    let pulled = pull(global, &args.model.model)?;
    let options = TeachingOptions { epochs: args.epochs, learning_rate: args.learning_rate, seed: args.seed };
    let file = folder.join(format!("keys.{}.{}.{}.gguf", options.epochs, options.learning_rate, options.seed));
    if !file.is_file() {
        std::fs::create_dir_all(folder).with_context(|| format!("failed to make {}", folder.display()))?;
        let values: Vec<String> = schema.values.iter().map(|value| value.id.clone()).collect();
        let untaught = states(model, acts, "keyed acts")?;
        let lessons = taught::lessons(model, &values, acts, &untaught)?;
        let weights = Weights::load(&pulled.path)?;
        let last = layers(&model.describe()).last().copied().unwrap_or(0);
        let bar = counting("teaching");
        let mut progress = |p: &credence_training::Progress| {
            bar.set_length(p.steps as u64);
            bar.set_position(p.step as u64);
            bar.set_message(format!("teaching: loss {:.3}", p.loss));
        };
        let mut control = Control { progress: Some(&mut progress), ..Control::default() };
        let trained = train(&weights, &lessons, &options.settings(weights.shape.layers, last), &mut control)?;
        bar.finish_and_clear();
        trained.adapter.write(&file)?;
    }
    let options = LlamaOptions { adapter: Some(file), ..cache(global).llama_options_for(&pulled) };
    let mut model = ModelHandle::spawn(move || Llama::load(&pulled.path, &options))?;
    let learned = states(&mut model, acts, "keyed acts, taught")?;
    let map = ValueMap::fit(&model.describe(), schema, acts, &learned)?;
    let mut rows = Vec::new();
    for set in validity::test_sets(acts) {
        let states = states(&mut model, &set.pairs, set.name)?;
        rows.push(validity::score(&set, &map.values, &validity::read_pairs(&map, &states), true, args.seed));
    }
    Ok(rows)
}

fn print_rows(reader: &str, rows: &[ValidityRow], schema: &ValueSchema, by_value: bool) -> anyhow::Result<()> {
    say(format!(
        "\n{reader:<22} {:>5}  {:<21} {:<21} {:<21} r     within 90% (at stake)",
        "pairs", "sign", "sign, central", "contrast"
    ))?;
    for row in rows {
        let (sign, central, contrast) = (row.sign.to_string(), row.central.to_string(), row.contrast.to_string());
        let covered = match (row.covered, row.covered_keyed) {
            (Some(all), Some(keyed)) => format!("{all:.2} ({keyed:.2})"),
            _ => String::new(),
        };
        say(format!(
            "{:<22} {:>5}  {sign:<21} {central:<21} {contrast:<21} {:.2}  {covered}",
            row.set, row.pairs, row.correlation
        ))?;
        if by_value {
            for (value, share) in row.by_value.iter().filter(|(_, share)| share.of > 0) {
                let name = schema.values.iter().find(|v| v.id == *value).map_or(value.as_str(), |v| v.name.as_str());
                say(format!("    {name:<24} {share}"))?;
            }
        }
    }
    Ok(())
}

pub(super) fn fitted(model: &mut ModelHandle, schema: &ValueSchema, readings: &Path) -> anyhow::Result<ValueMap> {
    let bar = counting("keyed acts");
    let map = ValueMap::provided(model, schema, Some(readings), &mut |done, of| {
        bar.set_length(of as u64);
        bar.set_position(done as u64);
    })?;
    bar.finish_and_clear();
    Ok(map)
}

fn states(model: &mut ModelHandle, pairs: &[KeyedPair], what: &'static str) -> anyhow::Result<Vec<QuestionStates>> {
    let bar = counting(what);
    let states = validity::states_of(model, pairs, &mut |done, of| {
        bar.set_length(of as u64);
        bar.set_position(done as u64);
    })?;
    bar.finish_and_clear();
    Ok(states)
}

/// Pairs as pole words read them, standardised on the pairs themselves.
fn by_pole_words(
    model: &mut ModelHandle,
    schema: &ValueSchema,
    readings: &Path,
    pairs: &[KeyedPair],
) -> anyhow::Result<Vec<PairReading>> {
    let mut cache = FileReadingCache::open(readings, &model.describe(), schema)?;
    let alternatives: Vec<[Alternative; 2]> = pairs.iter().map(KeyedPair::alternatives).collect();
    let bar = counting("pole words");
    let fit = FittedBank::read_and_fit(model, schema, &alternatives.concat(), &mut cache, &mut |done, of| {
        bar.set_length(of as u64);
        bar.set_position(done as u64);
    })?;
    bar.finish_and_clear();
    let place = |alternative: &Alternative| fit.alternatives.iter().position(|known| known == alternative);
    let read = alternatives.iter().map(|[first, second]| {
        let described = [first, second].map(|alternative| place(alternative).map(|at| &fit.described[at]));
        let [Some(first), Some(second)] = described else { anyhow::bail!("an act was not read") };
        let sum = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a + b).collect();
        let less = first.schema.iter().zip(&second.schema).map(|(a, b)| a - b).collect();
        Ok(PairReading { points: less, error: sum(&first.schema_error, &second.schema_error) })
    });
    read.collect()
}

/// What `credence eval unseen --json` prints.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct UnseenReport {
    model: String,
    questions: usize,
    options: UnseenOptions,
    rows: Vec<UnseenRow>,
}

/// Runs `credence eval unseen`.
pub(super) fn unseen(global: &Global, args: &UnseenArgs) -> anyhow::Result<()> {
    let kept = Keep::of(&args.kept, "unseen")?;
    let people = args.people.as_deref().map(unseen::load_people).transpose()?;
    if args.signal.is_nan() || args.signal <= 0.0 {
        return Err(WrongInput("--signal must be a positive number".into()).into());
    }
    let (mut model, schema, readings) = model_and_schema(global, &args.model)?;
    // The bank where it is keyed, else what is kept for testing of the acts at hand.
    let bank = keyed_bank();
    let pairs = if bank.is_empty() {
        embedded().into_iter().filter(|pair| pair.split() == Split::Testing).collect()
    } else {
        bank
    };
    let map = fitted(&mut model, &schema, &readings)?;
    let read = validity::read_pairs(&map, &states(&mut model, &pairs, "questions")?);
    let keys = unseen::by_keys(&pairs, &map.values);
    let exact: Vec<PairReading> =
        read.iter().map(|r| PairReading { points: r.points.clone(), error: vec![0.0; r.error.len()] }).collect();
    let learner = |reader: &str, asked: &[PairReading], unseen: &[PairReading]| Learner {
        reader: reader.to_owned(),
        asked: asked.to_vec(),
        unseen: unseen.to_vec(),
    };
    let mut learners = vec![
        learner("keys, then keys (ceiling)", &keys, &keys),
        learner("keys, then states", &keys, &read),
        learner("keys, then states as if exact", &keys, &exact),
        learner("states, then states", &read, &read),
    ];
    if args.pole_words {
        let words = by_pole_words(&mut model, &schema, &readings, &pairs)?;
        learners.push(learner("pole words, then pole words", &words, &words));
    }
    let options = UnseenOptions { people: args.simulated, answers: args.answers, signal: args.signal, seed: args.seed };
    let bar = counting("people");
    let mut progress = |done: usize, of: usize| {
        bar.set_length(of as u64);
        bar.set_position(done as u64);
    };
    let rows = match &people {
        Some(people) => unseen::known(&pairs, &map.values, &learners, people, &options, &mut progress)?,
        None => unseen::simulate(&pairs, &map.values, &learners, &options, &mut progress)?,
    };
    bar.finish_and_clear();
    kept.keep(&(model.describe().name, &options), &rows[..])?;
    if args.json {
        return say_json(&UnseenReport { model: model.describe().name, questions: pairs.len(), options, rows });
    }
    say(format!(
        "Choices in situations nobody keyed, after {} keyed answers; {} questions; 95% intervals over people",
        options.answers,
        pairs.len()
    ))?;
    say(format!(
        "{:<30} {:<21} {:<21} {:<21} calibration  sure (right)",
        "learned, then predicted by", "predicted", "log loss", "regret"
    ))?;
    for row in rows {
        let (accuracy, loss) = (row.accuracy.to_string(), row.log_loss.to_string());
        let regret = row.regret.map(|regret| regret.to_string()).unwrap_or_default();
        say(format!(
            "{:<30} {accuracy:<21} {loss:<21} {regret:<21} {:.3}        {:.2} ({:.2})",
            row.reader, row.calibration, row.sure.share, row.sure.right
        ))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use credence_evals::estimate::Estimate;
    use credence_priors::share::Share;

    #[test]
    fn readers_and_numbers_of_pairs_are_told_apart_and_no_figure_comes_twice() {
        let row = |mean: f64| {
            let sign = Estimate { mean, low: mean - 0.1, high: mean + 0.1 };
            ValidityRow {
                set: "built-in bank".into(),
                pairs: 2,
                sign,
                central: sign,
                contrast: sign,
                covered: None,
                covered_keyed: None,
                correlation: 0.5,
                by_value: vec![("care".into(), Share::new(1, 2)), ("thrift".into(), Share::new(0, 0))],
            }
        };
        let report = ValidityReport {
            model: "scripted".into(),
            map: String::new(),
            learned_from: 40,
            seed: 1,
            rows: vec![row(0.9)],
            pole_words: vec![row(0.6)],
            taught: Vec::new(),
            curve: vec![CurvePoint { pairs: 20, rows: vec![row(0.8)] }, CurvePoint { pairs: 40, rows: vec![row(0.9)] }],
        };
        let signs: Vec<(String, String, f64)> = report
            .figures()
            .into_iter()
            .filter(|f| f.data == "built-in bank" && f.measure == "share of signs right")
            .map(|f| (f.learner, f.at, f.mean))
            .collect();
        let expected = [("states", "40 pairs", 0.9), ("pole words", "", 0.6), ("states", "20 pairs", 0.8)];
        assert_eq!(signs, expected.map(|(learner, at, mean)| (learner.to_owned(), at.to_owned(), mean)));
        // Four of a set, and one of the value that is keyed.
        assert_eq!(report.figures().len(), 3 * 5);
    }
}
