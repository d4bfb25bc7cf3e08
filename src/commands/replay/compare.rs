//! Two variants of a replay side by side: values, weights of hypotheses, and how each predicted every next answer.

use std::collections::BTreeMap;
use std::path::Path;

use credence_agent::protocol::{PersonView, ValuesView};
use credence_memory::ids::{PersonId, Seq};
use credence_memory::replay::{Options, PriorChoice};
use serde::Serialize;
use utoipa::ToSchema;

use super::print::{Marginals, ScoreJson, Summarised, SummarisedPerson, Summary, score, summary_of};
use crate::cli::ReplayArgs;
use crate::surroundings::{say, say_json};

/// Next answers that are listed as text, those that differ most; JSON has them all.
const ANSWERS_MAX: usize = 12;

/// Replays the log as asked, and beside it as it was but for the prior given.
pub(super) fn run(path: &Path, args: &ReplayArgs, asked: &Options, prior: PriorChoice) -> anyhow::Result<()> {
    let (until, person) = (asked.until, asked.person.clone());
    let other = Options { until, person, prior, ..Options::default() };
    let variants = [asked, &other];
    let names = [described(args), other_described(args)];
    let found = [super::summarised(path, variants[0])?, super::summarised(path, variants[1])?];
    if args.json { json_of(&names, &found) } else { text_of(path, &names, &found) }
}

fn described(args: &ReplayArgs) -> String {
    let mut parts = Vec::new();
    parts.extend(args.prior.as_ref().map(|p| format!("--prior {p}")));
    parts.extend(args.without.iter().map(|given| format!("--without {}", given.text)));
    parts.extend(args.hypotheses.as_ref().map(|given| format!("--hypotheses {:?}", given.text)));
    if parts.is_empty() { "as it was".into() } else { parts.join(" ") }
}

fn other_described(args: &ReplayArgs) -> String {
    match args.compare.as_deref() {
        None | Some("logged") => "as it was".into(),
        Some(prior) => format!("--prior {prior}"),
    }
}

/// What each variant had expected of each answer, `ln p`; nothing where it left the answer out.
fn next_answers(people: [Option<&SummarisedPerson>; 2]) -> BTreeMap<Seq, [Option<f64>; 2]> {
    let mut answers: BTreeMap<Seq, [Option<f64>; 2]> = BTreeMap::new();
    for (k, person) in people.iter().enumerate() {
        for p in person.iter().flat_map(|p| &p.predictions) {
            answers.entry(p.seq).or_default()[k] = Some(p.ln_predictive);
        }
    }
    answers
}

/// Everyone in either variant, with both.
fn pairs(found: &[Summarised; 2]) -> Vec<[Option<&SummarisedPerson>; 2]> {
    let mut people: BTreeMap<_, [Option<&SummarisedPerson>; 2]> = BTreeMap::new();
    for (k, replay) in found.iter().enumerate() {
        for person in &replay.people {
            people.entry(&person.person).or_default()[k] = Some(person);
        }
    }
    people.into_values().collect()
}

/// Two variants side by side, as `credence replay --compare --json` tells them.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ComparisonJson {
    /// The two.
    variants: Vec<VariantJson>,
    people: Vec<ComparedJson>,
}

/// A variant of a replay.
#[derive(Debug, Serialize, ToSchema)]
struct VariantJson {
    /// What was asked for.
    name: String,
    /// Pieces of evidence that were left out.
    left_out: u64,
    score: ScoreJson,
}

/// One person in both.
#[derive(Debug, Serialize, ToSchema)]
struct ComparedJson {
    person: Option<PersonId>,
    /// What each variant believes, of those that have the person.
    variants: Vec<SideJson>,
    next_answers: Vec<NextAnswerJson>,
}

/// What one variant believes of a person.
#[derive(Debug, Serialize, ToSchema)]
struct SideJson {
    values: ValuesView,
    beyond: PersonView,
    /// Weights of hypotheses, by each of the things they differ in.
    hypotheses: Marginals,
    score: ScoreJson,
}

/// How each variant had predicted an answer.
#[derive(Debug, Serialize, ToSchema)]
struct NextAnswerJson {
    record: Seq,
    /// Log loss in each, nats; nothing where it left the answer out.
    log_loss: [Option<f64>; 2],
}

fn json_of(names: &[String; 2], found: &[Summarised; 2]) -> anyhow::Result<()> {
    let variant =
        |k: usize| VariantJson { name: names[k].clone(), left_out: found[k].left_out, score: score(&found[k].score()) };
    let mut people = Vec::new();
    for pair in pairs(found) {
        let mut sides = Vec::new();
        for person in pair.into_iter().flatten() {
            let Summary { values, beyond, hypotheses, .. } = summary_of(person)?;
            sides.push(SideJson {
                values: values.clone(),
                beyond: beyond.clone(),
                hypotheses: hypotheses.clone(),
                score: score(&person.score),
            });
        }
        let next_answers = next_answers(pair)
            .into_iter()
            .map(|(record, ln)| NextAnswerJson { record, log_loss: ln.map(|l| l.map(|l| -l)) })
            .collect();
        let person = pair.iter().flatten().next().map(|p| p.person.clone());
        people.push(ComparedJson { person, variants: sides, next_answers });
    }
    say_json(&ComparisonJson { variants: vec![variant(0), variant(1)], people })
}

fn text_of(path: &Path, names: &[String; 2], found: &[Summarised; 2]) -> anyhow::Result<()> {
    say(format!("{} through record {}", path.display(), found[0].state.head().0))?;
    say(format!("  A: {}\n  B: {}", names[0], names[1]))?;
    for pair in pairs(found) {
        let [Some(a), Some(b)] = pair else { continue };
        say(format!("\n{}", a.person))?;
        let (of_a, of_b) = (summary_of(a)?, summary_of(b)?);
        say("                  A                        B                        B - A")?;
        for (x, y) in of_a.values.values.iter().zip(&of_b.values.values) {
            say(format!(
                "  {:<14}  {:+.2} [{:+.2}, {:+.2}]     {:+.2} [{:+.2}, {:+.2}]     {:+.2}",
                x.id,
                x.mean,
                x.low,
                x.high,
                y.mean,
                y.low,
                y.high,
                y.mean - x.mean
            ))?;
        }
        loss("same answer again", [of_a.beyond.consistency, of_b.beyond.consistency])?;
        beside("trust in the model's prior", [of_a.beyond.trust_in_model, of_b.beyond.trust_in_model])?;
        hypotheses([&of_a.hypotheses, &of_b.hypotheses])?;
        answers(pair)?;
        loss("mean log loss", [a.score.log_loss(), b.score.log_loss()])?;
    }
    say("")?;
    let scores = [found[0].score(), found[1].score()];
    loss("mean log loss of all", [scores[0].log_loss(), scores[1].log_loss()])?;
    let error = [0, 1].map(|k| scores[k].calibration.expected_error());
    loss("calibration error", error)
}

fn beside(what: &str, [a, b]: [f64; 2]) -> anyhow::Result<()> {
    say(format!("  {what:<32} A {a:.3}   B {b:.3}   B - A {:+.3}", b - a))
}

fn loss(what: &str, both: [Option<f64>; 2]) -> anyhow::Result<()> {
    match both {
        [Some(a), Some(b)] => beside(what, [a, b]),
        [a, b] => say(format!("  {what:<32} A {}   B {}", number(a), number(b))),
    }
}

fn number(x: Option<f64>) -> String {
    x.map_or_else(|| "-".into(), |x| format!("{x:.3}"))
}

/// Weights of hypotheses by each of the things they differ in.
fn hypotheses(both: [&Marginals; 2]) -> anyhow::Result<()> {
    let mut rows: BTreeMap<(usize, String), [f64; 2]> = BTreeMap::new();
    for (k, marginals) in both.iter().enumerate() {
        let mut put = |part: usize, name: String, mass: f64| rows.entry((part, name)).or_default()[k] += mass;
        for (name, mass) in &marginals.location {
            put(0, format!("location {name:?}").to_lowercase(), *mass);
        }
        for (part, name, marginal) in [
            (1, "signal scale", &marginals.signal_scale),
            (2, "lapse rate", &marginals.lapse_rate),
            (3, "band", &marginals.band),
        ] {
            for (at, mass) in marginal {
                put(part, format!("{name} {at}"), *mass);
            }
        }
        put(4, "drift".into(), marginals.drift);
    }
    rows.into_iter().try_for_each(|((_, name), both)| beside(&name, both))
}

/// The answers that the two predicted most differently.
fn answers(pair: [Option<&SummarisedPerson>; 2]) -> anyhow::Result<()> {
    let all = next_answers(pair);
    let differ = |ln: &[Option<f64>; 2]| match ln {
        [Some(a), Some(b)] => (a - b).abs(),
        _ => f64::INFINITY,
    };
    let mut rows: Vec<_> = all.iter().collect();
    rows.sort_by(|(s, x), (t, y)| differ(y).total_cmp(&differ(x)).then(s.cmp(t)));
    rows.truncate(ANSWERS_MAX);
    rows.sort_by_key(|(seq, _)| **seq);
    for (seq, ln) in &rows {
        loss(&format!("log loss of record {seq}"), ln.map(|l| l.map(|l| -l)))?;
    }
    if all.len() > rows.len() {
        say(format!("  (those of {} answers that differ most; --json has all)", all.len()))?;
    }
    Ok(())
}
