//! `credence tell`: free words as evidence.

use std::io::BufRead;

use anyhow::Context;
use clap::{Args, ValueEnum};
use credence_agent::importance::NamedValue;
use credence_agent::session::structured;
use credence_agent::views;
use credence_agent::words::rate::ReadingRate;
use credence_agent::words::telling::{Telling, ToReading};
use credence_agent::words::{Listener, Reader, RowRead, sentence};
use credence_memory::ids::{PersonId, Seq, SourceId};
use credence_memory::record::{Origin, ReadRow};
use serde::Serialize;
use utoipa::ToSchema;

use crate::cli::{Global, ModelArgs, PersonArgs};
use crate::hint::hint;
use crate::surroundings::{Opened, now, person, say, say_json};

/// `credence tell`.
#[derive(Debug, Args)]
pub(crate) struct TellArgs {
    /// What matters to you, in a sentence or a few
    pub(crate) words: String,
    /// Every reading is right: do not ask
    #[arg(long, conflicts_with = "unconfirmed")]
    pub(crate) yes: bool,
    /// Ask nobody: every reading counts, with the probability that it is right
    #[arg(long)]
    pub(crate) unconfirmed: bool,
    /// How the words are read
    #[arg(long, value_enum, default_value_t = ReaderArg::Plain)]
    pub(crate) reader: ReaderArg,
    /// One JSON object for each reading; answers come as lines on standard input
    #[arg(long)]
    pub(crate) json: bool,
    /// The person.
    #[command(flatten)]
    pub(crate) person: PersonArgs,
    /// The model.
    #[command(flatten)]
    pub(crate) model: ModelArgs,
}

/// How words are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ReaderArg {
    /// By a short grammar of plain statements
    #[value(alias = "grammar")]
    Plain,
    /// Written by the model: for larger models
    Completion,
}

impl From<ReaderArg> for Reader {
    fn from(arg: ReaderArg) -> Self {
        match arg {
            ReaderArg::Plain => Self::Plain,
            ReaderArg::Completion => Self::Completion,
        }
    }
}

/// What became of a reading, as `credence tell --json` tells it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ReadingJson {
    /// The record of the words.
    words: Seq,
    /// What they mean, as it counts.
    reading: ReadRow,
    /// The same in words.
    sentence: String,
    /// "confirmed", "corrected", "dropped", "left" or "unconfirmed".
    answer: &'static str,
    /// Of one that counts without being confirmed: the probability that it is misread.
    misreading: Option<f64>,
    /// The record of the evidence; nothing where nothing is concluded.
    record: Option<Seq>,
}

/// A reading that is to be answered by a line, as `credence tell --json` puts it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AskedJson {
    /// What the words are taken to mean.
    asked: String,
    /// What else they might mean: an answer by number takes one.
    others: Vec<String>,
}

/// Runs `credence tell`.
pub(crate) fn run(global: &Global, args: &TellArgs) -> anyhow::Result<()> {
    let person = person(&args.person)?;
    let mut opened = Opened::open(global, &args.model)?;
    let answer = match (args.yes, args.unconfirmed) {
        (true, _) => Answering::All(ToReading::Confirm),
        (_, true) => Answering::All(ToReading::Unconfirmed),
        _ => Answering::Lines(&mut std::io::stdin().lock()),
    };
    tell(&mut opened, &person, &args.words, args.reader.into(), answer, args.json)
}

/// Who answers readings.
pub(crate) enum Answering<'a> {
    /// The same for all.
    All(ToReading),
    /// Lines: y, n, s, the number of another reading, or structured words. No more lines: nothing is concluded.
    Lines(&'a mut dyn BufRead),
}

/// Reads words, has the readings answered, and says what moved.
pub(crate) fn tell(
    opened: &mut Opened,
    person: &PersonId,
    words: &str,
    reader: Reader,
    mut answering: Answering<'_>,
    json: bool,
) -> anyhow::Result<()> {
    let schema = opened.opening.schema.clone();
    let values: Vec<NamedValue> =
        schema.values.iter().map(|v| NamedValue { id: v.id.clone(), name: v.name.clone() }).collect();
    let name = |id: &str| values.iter().find(|v| v.id == id).map_or_else(|| id.to_owned(), |v| v.name.clone());
    let from = Origin { person: person.clone(), source: SourceId::new("tell")?, session: None };
    // Words in a structured form cannot be misread; they count once they are confirmed, like any others.
    let (rows, certain) = match structured(words, &values) {
        Ok(row) => (vec![RowRead { row, others: Vec::new() }], true),
        Err(_) => (Listener::new(&schema, reader, opened.opening.load.clone()).read(words)?, false),
    };
    if !certain
        && !json
        && let Some(warning) = ReadingRate::of(opened.home.state(), reader).warning()
    {
        say(warning)?;
    }
    let mut telling = Telling::begin(&mut opened.home, from, words, rows, reader, now())?;
    let mut evidence: Vec<Seq> = Vec::new();
    let before = views::values(opened.home.state(), person, name)?;
    while let Some(open) = telling.open().cloned() {
        let answer = answer(&mut answering, &open, &values, &name, json)?;
        let said = match &answer {
            ToReading::Confirm => "confirmed",
            ToReading::Correct(_) => "corrected",
            ToReading::Drop => "dropped",
            ToReading::Leave => "left",
            ToReading::Unconfirmed => "unconfirmed",
        };
        let meant = if let ToReading::Correct(to) = &answer { to.clone() } else { open.row.clone() };
        let misreading = (answer == ToReading::Unconfirmed).then(|| telling.misreading());
        let seq = telling.answer(&mut opened.home, answer, now())?;
        evidence.extend(seq);
        if json {
            let (words, sentence) = (telling.read(), sentence(&meant, name));
            say_json(&ReadingJson { words, reading: meant, sentence, answer: said, misreading, record: seq })?;
        } else {
            let how = misreading.map_or_else(String::new, |p| format!(", taken as misread with probability {p:.2}"));
            let record = seq.map_or_else(|| "; nothing is concluded from it".into(), |s| format!(" (record {s})"));
            say(format!("{}: {said}{how}{record}", sentence(&meant, name)))?;
        }
    }
    if !json && !evidence.is_empty() {
        let after = views::values(opened.home.state(), person, name)?;
        let moved: Vec<String> = views::changes(&before, &after)
            .iter()
            .filter(|c| c.mean_change.abs() >= 0.005)
            .map(|c| format!("{} {:+.2}", c.name, c.mean_change))
            .collect();
        say(format!("moved: {}", if moved.is_empty() { "hardly anything".into() } else { moved.join(", ") }))?;
        let retract = format!("evidence retract {}", evidence[evidence.len() - 1]);
        say(format!("{} takes it back.", hint(retract)))?;
    }
    Ok(())
}

fn answer(
    answering: &mut Answering<'_>,
    open: &RowRead,
    values: &[NamedValue],
    name: &dyn Fn(&str) -> String,
    json: bool,
) -> anyhow::Result<ToReading> {
    let lines = match answering {
        Answering::All(answer) => return Ok(answer.clone()),
        Answering::Lines(lines) => lines,
    };
    let others: Vec<String> = open.others.iter().map(|row| sentence(row, name)).collect();
    if json {
        say_json(&AskedJson { asked: sentence(&open.row, name), others })?;
    } else {
        say(format!("{}: right?", sentence(&open.row, name)))?;
        for (i, other) in others.iter().enumerate() {
            say(format!("  {}  rather: {other}", i + 1))?;
        }
        say("  y  yes, count it    n  no, drop it    s  leave it    or: VALUE > VALUE\nOnly yes counts.")?;
    }
    loop {
        let mut line = String::new();
        if lines.read_line(&mut line).context("failed to read standard input")? == 0 {
            return Ok(ToReading::Leave);
        }
        let number = line.trim().parse::<usize>().ok().and_then(|n| open.others.get(n.wrapping_sub(1)));
        match (line.trim(), number) {
            ("", _) => {}
            ("y" | "yes", _) => return Ok(ToReading::Confirm),
            ("n" | "no", _) => return Ok(ToReading::Drop),
            ("s" | "skip", _) => return Ok(ToReading::Leave),
            (_, Some(row)) => return Ok(ToReading::Correct(row.clone())),
            (words, None) => match structured(words, values) {
                Ok(row) => return Ok(ToReading::Correct(row)),
                Err(error) => say(format!("{words:?} is none of y, n, s and the numbers; {error}"))?,
            },
        }
    }
}
