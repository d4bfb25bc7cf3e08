//! `credence viewpoints`: how each person is expected to choose between two works, where they differ, and what works are like by
//! people's verdicts.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Args, Subcommand};
use credence_agent::bank::{Bank, BankQuestion};
use credence_agent::pack::Pack;
use credence_agent::viewpoints::{Expected, Inferred, Verdict, divided_by, expected, infer};
use credence_agent::{keyed, names};
use credence_memory::belief::Mixture;
use credence_memory::ids::PersonId;
use credence_memory::layout::Layout;
use credence_memory::observation::Features;
use credence_memory::state::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::cli::Global;
use crate::exit::WrongInput;
use crate::surroundings::{read_state, say, say_json};

/// Values named where people differ.
const NAMED: usize = 3;

/// `credence viewpoints ...`.
#[derive(Debug, Subcommand)]
pub(crate) enum ViewpointsCommand {
    /// From works to people: how each person is expected to choose between the two sides of a keyed question, and over which values
    /// they differ
    Predict(PredictArgs),
    /// From people to works: in which values two works differ, by the verdicts of people whose values are known
    Infer(InferArgs),
}

/// Which questions and people.
#[derive(Debug, Args)]
pub(crate) struct PredictArgs {
    /// Keyed questions of your own (JSON Lines, as in a bank) [default: those of the home's pack]
    #[arg(long, value_name = "FILE")]
    questions: Option<PathBuf>,
    /// Only this question, by its id; may be given several times
    #[arg(long = "question", value_name = "ID")]
    only: Vec<String>,
    /// Only this person; may be given several times [default: everybody who gave evidence]
    #[arg(long = "person", value_name = "NAME")]
    people: Vec<String>,
    /// The pack's name or folder [default: the home's own]
    #[arg(long, value_name = "NAME|DIR", env = "CREDENCE_PACK")]
    pack: Option<String>,
    /// One JSON object
    #[arg(long)]
    json: bool,
}

/// Whose verdicts.
#[derive(Debug, Args)]
pub(crate) struct InferArgs {
    /// Verdicts, one JSON object a line: {"works": NAME OF THE PAIR, "person": NAME, "better": "first", "second" or "neither"}
    #[arg(value_name = "FILE")]
    verdicts: PathBuf,
    /// The pack's name or folder [default: the home's own]
    #[arg(long, value_name = "NAME|DIR", env = "CREDENCE_PACK")]
    pack: Option<String>,
    /// Seed of the draws
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// One JSON object
    #[arg(long)]
    json: bool,
}

/// Runs `credence viewpoints ...`.
pub(crate) fn run(global: &Global, command: &ViewpointsCommand) -> anyhow::Result<()> {
    match command {
        ViewpointsCommand::Predict(args) => predict(global, args),
        ViewpointsCommand::Infer(args) => infer_works(global, args),
    }
}

/// What is expected of people, question by question.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PredictedJson {
    /// The questions.
    questions: Vec<PredictedQuestion>,
}

#[derive(Debug, Serialize, ToSchema)]
struct PredictedQuestion {
    /// The question's id.
    question: String,
    /// Its situation; may be empty.
    situation: String,
    /// The two sides.
    alternatives: [String; 2],
    /// What is expected of each person, those surest of the first side first.
    people: Vec<PredictedPerson>,
    /// Values over which these people differ most, the first most; none for one person.
    divided_by: Vec<String>,
}

#[derive(Debug, Serialize, ToSchema)]
struct PredictedPerson {
    /// Who.
    person: String,
    /// Probability of the first side, if one must be chosen.
    first: f64,
    /// 90% interval of that probability, as the person's values may be.
    interval: [f64; 2],
    /// What each value adds to the first side less the second, noise units, by the value's id; values that are not at stake are absent.
    by_value: BTreeMap<String, f64>,
}

fn predict(global: &Global, args: &PredictArgs) -> anyhow::Result<()> {
    let state = read_state(global)?;
    let home = Domain::of(&state, args.pack.as_deref())?;
    let bank = match &args.questions {
        Some(path) => {
            let bank = Bank::load(path)?;
            let values: Vec<&str> = home.layout.values().iter().map(|v| v.as_str()).collect();
            bank.check_values(&values, path)?;
            bank
        }
        None => home.pack.bank.clone(),
    };
    if let Some(unknown) = args.only.iter().find(|id| bank.questions.iter().all(|q| q.id != **id)) {
        anyhow::bail!(WrongInput(format!("there is no question {unknown:?} among these questions")));
    }
    let wanted = |q: &&BankQuestion| (args.only.is_empty() || args.only.contains(&q.id)) && q.alternatives.len() == 2;
    let people = home.people(&args.people)?;
    let mut questions = Vec::new();
    for question in bank.questions.iter().filter(wanted) {
        let Some(sides) = keyed::describe_question(&bank, home.layout.values(), question)? else {
            anyhow::bail!(WrongInput(format!(
                "question {:?} has no keys: write down what each side serves (docs/packs.md), or let a model read it with `credence decide`",
                question.id
            )));
        };
        let [first, second] = [&sides[0], &sides[1]].map(|side| Features::of(side, home.layout));
        let difference = first.minus(&second);
        questions.push(home.predicted(question, &difference, &people));
    }
    if questions.is_empty() {
        anyhow::bail!(WrongInput("there is no question with two sides among these".into()));
    }
    let predicted = PredictedJson { questions };
    if args.json {
        return say_json(&predicted);
    }
    for (k, question) in predicted.questions.iter().enumerate() {
        if k > 0 {
            say("")?;
        }
        print_question(question)?;
    }
    Ok(())
}

fn print_question(question: &PredictedQuestion) -> anyhow::Result<()> {
    say(format!("{}  {}", question.question, question.situation))?;
    for (k, text) in question.alternatives.iter().enumerate() {
        say(format!("  {}  {}", k + 1, text))?;
    }
    let width = question.people.iter().map(|p| p.person.chars().count()).max().unwrap_or(0);
    for person in &question.people {
        let [low, high] = person.interval.map(|p| 100.0 * p);
        say(format!("  {:width$}  takes 1 in {:>3.0}% [{low:.0}%, {high:.0}%]", person.person, 100.0 * person.first))?;
    }
    if let Some((first, rest)) = question.divided_by.split_first() {
        let others = rest.iter().take(NAMED - 1).map(|v| format!(", {v}")).collect::<String>();
        say(format!("  They differ most over {first}{others}."))?;
    }
    Ok(())
}

/// One line of a file of verdicts.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct VerdictLine {
    works: String,
    person: String,
    better: Better,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Better {
    First,
    Second,
    Neither,
}

/// What was found of works.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct InferredJson {
    /// The pairs of works, in the order in which the file names them.
    works: Vec<InferredWorks>,
}

#[derive(Debug, Serialize, ToSchema)]
struct InferredWorks {
    /// The pair's name.
    works: String,
    /// Verdicts it is inferred from.
    verdicts: usize,
    /// Every value, those in which the first work clearly has more first.
    values: Vec<InferredValue>,
}

#[derive(Debug, Serialize, ToSchema)]
struct InferredValue {
    /// The value's id.
    value: String,
    /// How much more of it the first work has, key points.
    mean: f64,
    /// 90% interval.
    interval: [f64; 2],
    /// Probability that the first has more.
    more: f64,
}

fn infer_works(global: &Global, args: &InferArgs) -> anyhow::Result<()> {
    let state = read_state(global)?;
    let home = Domain::of(&state, args.pack.as_deref())?;
    let mut said: Vec<(String, Vec<(String, Better)>)> = Vec::new();
    for (line, verdict) in lines(&args.verdicts)? {
        let all = match said.iter_mut().find(|(works, _)| *works == verdict.works) {
            Some((_, all)) => all,
            None => {
                said.push((verdict.works.clone(), Vec::new()));
                &mut said.last_mut().expect("it was just added").1
            }
        };
        if all.iter().any(|(person, _)| *person == verdict.person) {
            let told = format!(
                "{}, line {line}: {:?} gave a verdict on {:?} before; expected one of each person",
                args.verdicts.display(),
                verdict.person,
                verdict.works
            );
            anyhow::bail!(WrongInput(told));
        }
        all.push((verdict.person, verdict.better));
    }
    let names: Vec<String> = said.iter().flat_map(|(_, all)| all.iter().map(|(person, _)| person.clone())).collect();
    if names.is_empty() {
        anyhow::bail!(WrongInput(format!(
            "{} has no verdict; expected one JSON object a line",
            args.verdicts.display()
        )));
    }
    let people: BTreeMap<String, Mixture> =
        home.people(&names)?.into_iter().map(|(id, belief)| (id.to_string(), belief)).collect();
    let pairs = home.pack.bank.questions.iter().filter(|q| q.alternatives.len() == 2);
    let mut prior = Vec::new();
    for question in pairs {
        if let Some(sides) = keyed::describe_question(&home.pack.bank, home.layout.values(), question)? {
            let [first, second] = [&sides[0].schema, &sides[1].schema];
            prior.push(first.iter().zip(second).map(|(a, b)| a.get() - b.get()).collect::<Vec<f64>>());
        }
    }
    anyhow::ensure!(!prior.is_empty(), WrongInput(format!("the pack {:?} has no keyed pair", home.pack.name)));
    let works = said.into_iter().map(|(works, all)| {
        let verdicts: Vec<(&Mixture, Verdict)> = all
            .iter()
            .map(|(person, better)| {
                let verdict = match better {
                    Better::First => Verdict::First,
                    Better::Second => Verdict::Second,
                    Better::Neither => Verdict::Neither,
                };
                (&people[person], verdict)
            })
            .collect();
        home.inferred(works, all.len(), infer(&prior, home.layout.width(), &verdicts, args.seed))
    });
    let found = InferredJson { works: works.collect() };
    if args.json {
        return say_json(&found);
    }
    for (k, pair) in found.works.iter().enumerate() {
        if k > 0 {
            say("")?;
        }
        say(format!(
            "{}  ({} verdicts; key points by which the first has more, with 90% intervals)",
            pair.works, pair.verdicts
        ))?;
        for value in &pair.values {
            let [low, high] = value.interval;
            let name = names::value(&value.value);
            say(format!("  {name:24} {:+.1} [{low:+.1}, {high:+.1}]  more in {:.0}%", value.mean, 100.0 * value.more))?;
        }
    }
    Ok(())
}

/// The verdicts of a file, with the numbers of their lines.
fn lines(path: &Path) -> anyhow::Result<Vec<(usize, VerdictLine)>> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("failed to read {}", path.display()))
        .map_err(|e| WrongInput(format!("{e:#}")))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let filled = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    filled
        .map(|(k, line)| {
            serde_json::from_str(line).map(|verdict| (k + 1, verdict)).map_err(|e| {
                let expected = r#"{"works": "...", "person": "...", "better": "first"}"#;
                WrongInput(format!("{}, line {}: {e}; expected {expected}", path.display(), k + 1)).into()
            })
        })
        .collect()
}

/// What a home is about, where that is keyed.
struct Domain<'a> {
    state: &'a State,
    layout: &'a Layout,
    pack: Pack,
}

impl<'a> Domain<'a> {
    fn of(state: &'a State, pack: Option<&str>) -> anyhow::Result<Self> {
        let keyed = state.elicited().is_some_and(|prior| prior.in_key_points());
        let Some(epoch) = state.epoch().filter(|_| keyed) else {
            anyhow::bail!(WrongInput(
                "nothing is keyed in this home: begin one with `credence session`, without --unkeyed".into()
            ));
        };
        let pack = match pack {
            Some(named) => Pack::find(named)?,
            None => Pack::of_values(epoch.layout.values()).cloned().ok_or_else(|| {
                WrongInput(
                    "this home is about a pack in a folder, of which it keeps no copy: give it with --pack DIR".into(),
                )
            })?,
        };
        let same =
            pack.schema.values.iter().map(|v| v.id.as_str()).eq(epoch.layout.values().iter().map(|v| v.as_str()));
        anyhow::ensure!(same, WrongInput(format!("the pack {:?} has other values than this home", pack.name)));
        pack.adopt();
        Ok(Self { state, layout: &epoch.layout, pack })
    }

    /// Those named, or everybody, with what is believed of them.
    fn people(&self, wanted: &[String]) -> anyhow::Result<Vec<(PersonId, Mixture)>> {
        let known = self.state.people();
        let ids: Vec<PersonId> = match wanted {
            [] => known.keys().cloned().collect(),
            names => names.iter().map(|name| PersonId::new(name)).collect::<Result<_, _>>()?,
        };
        if let Some(unknown) = ids.iter().find(|id| !known.contains_key(id)) {
            anyhow::bail!(WrongInput(format!("nothing is known of {unknown}: nobody of that name gave evidence here")));
        }
        anyhow::ensure!(!ids.is_empty(), WrongInput("nobody gave evidence here yet".into()));
        ids.into_iter().map(|id| Ok((id.clone(), self.state.belief(&id)?))).collect()
    }

    fn predicted(
        &self,
        question: &BankQuestion,
        difference: &Features,
        people: &[(PersonId, Mixture)],
    ) -> PredictedQuestion {
        let values = self.layout.values();
        let all: Vec<Expected> = people.iter().map(|(_, belief)| expected(belief, difference, values.len())).collect();
        let divided = if all.len() > 1 { divided_by(&all) } else { Vec::new() };
        let mut rows: Vec<PredictedPerson> = people
            .iter()
            .zip(&all)
            .map(|((person, _), expected)| PredictedPerson {
                person: person.to_string(),
                first: expected.first,
                interval: [expected.low, expected.high],
                by_value: values
                    .iter()
                    .zip(&expected.by_value)
                    .zip(&difference.mean)
                    .filter(|(_, key)| **key != 0.0)
                    .map(|((value, adds), _)| (value.to_string(), *adds))
                    .collect(),
            })
            .collect();
        rows.sort_by(|a, b| b.first.total_cmp(&a.first));
        PredictedQuestion {
            question: question.id.clone(),
            situation: question.situation.clone(),
            alternatives: [0, 1].map(|k: usize| question.alternatives[k].text.clone()),
            people: rows,
            divided_by: divided.into_iter().map(|v| names::value(values[v].as_str())).collect(),
        }
    }

    fn inferred(&self, works: String, verdicts: usize, found: Inferred) -> InferredWorks {
        let value = |v: usize| InferredValue {
            value: self.layout.values()[v].to_string(),
            mean: found.mean[v],
            interval: [found.low[v], found.high[v]],
            more: found.more[v],
        };
        let mut values: Vec<InferredValue> = (0..self.layout.values().len()).map(value).collect();
        values.sort_by(|a, b| b.more.total_cmp(&a.more));
        InferredWorks { works, verdicts, values }
    }
}
