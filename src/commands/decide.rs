//! `credence decide`: act, ask or defer between given alternatives.

pub(crate) mod together;

use std::io::{BufRead, IsTerminal};

use anyhow::Context;
use credence_agent::bank::BankAlternative;
use credence_agent::decide::{Decided, decide, record};
use credence_agent::going_on::GoingOnError;
use credence_agent::keyed;
use credence_agent::knowledge::Knowledge;
use credence_agent::open_question::OpenQuestion;
use credence_agent::session::{Answer, record_described};
use credence_agent::{going_on, in_words, names};
use credence_memory::home::Home;
use credence_memory::ids::{AlternativeId, PersonId, Seq, SourceId};
use credence_memory::record::{AlternativeDescribed, Consequence, Outcome, Reason};
use credence_memory::state::State;
use credence_memory::text::normal;
use serde::Serialize;
use utoipa::ToSchema;

use crate::cli::{AnswerDecisionArgs, DecideAction, DecideArgs, Global, PreferredArg};
use crate::commands::approvals::handed::{self, Handed};
use crate::commands::consider::{consequences, deliberate, guard};
use crate::exit::{WrongInput, undecided};
use crate::front::text::counted;
use crate::hint::hint;
use crate::probing::{MotiveView, Watched, views};
use crate::progress::working;
use crate::surroundings::{Opened, now, person, read_state, say, say_json};

/// So many alternatives of a situation that were read before are compared with a new one.
const OTHERS_MAX: usize = 24;

/// Runs `credence decide`.
pub(crate) fn run(global: &Global, args: &DecideArgs) -> anyhow::Result<()> {
    if let Some(DecideAction::Answer(said)) = &args.action {
        return answer(global, said);
    }
    check(&args.alternatives)?;
    if let Some(whom) = &args.together.whom {
        return together::run(global, args, whom);
    }
    let person = person(&args.person)?;
    let mut opened = Opened::open(global, &args.model)?;
    let ids = opened.describe(&args.situation, &args.alternatives)?;
    // Formed once, and not anew for every reason.
    opened.home.believe(&person)?;
    let bars = args.bars.bars();
    let watch = opened.watch();
    let whose = Watched { person: person.clone(), task: None };
    let considered =
        deliberate(&mut opened, &args.consider, (watch.as_ref(), &whose), &args.situation, &ids, (0, args.json))?;
    let stdin = std::io::stdin();
    let mut answers = stdin.lock();
    loop {
        let mut decided = decide(opened.home.state(), &person, &ids, &considered, bars, true)?;
        guard(&mut opened, &person, &args.situation, &ids, &mut decided, bars)?;
        let seq = record(&mut opened.home, &person, None, &ids, &decided, now())?;
        if args.json {
            say_json(&as_json(&opened.home, seq, &ids, &decided))?;
        } else {
            print(&opened.home, seq, &ids, &decided)?;
        }
        let asked = match (&decided.outcome, &decided.question) {
            (Outcome::Ask { .. }, Some(question)) => question.alternatives,
            _ => return undecided(&decided.outcome),
        };
        if !answered(&mut opened.home, &person, asked, &mut answers, args.json)? {
            return undecided(&decided.outcome);
        }
    }
}

/// Runs `credence decide answer`.
fn answer(global: &Global, args: &AnswerDecisionArgs) -> anyhow::Result<()> {
    let (state, record) = (read_state(global)?, Seq(args.record));
    let stands = going_on::standing(&state, record).ok_or(GoingOnError::NoDecision(record))?;
    let pair = stands.question.ok_or(GoingOnError::NoQuestion(record))?;
    let Some(preferred) = args.preferred else {
        let [first, second] = pair.map(|id| text_of(&state, &id));
        let answer = hint(format_args!("decide answer {record} first"));
        return say(format!(
            "Which would you rather have?\n  first   {first}\n  second  {second}\n{answer} (or second, no-preference)"
        ));
    };
    let made = state.decisions().iter().find(|(seq, _)| *seq == record).map(|(_, made)| made);
    let person = made.ok_or(GoingOnError::NoDecision(record))?.person.clone();
    let preferred = match preferred {
        PreferredArg::First => Some(0),
        PreferredArg::Second => Some(1),
        PreferredArg::NoPreference => None,
    };
    handed::done(global, Handed::Decision { person, record, preferred })
}

/// Puts the question of a decision and takes a line as the answer, from a terminal or wherever lines come from. Says whether there was one.
fn answered(
    home: &mut Home,
    person: &PersonId,
    pair: [AlternativeId; 2],
    answers: &mut dyn BufRead,
    quiet: bool,
) -> anyhow::Result<bool> {
    let interactive = std::io::stdin().is_terminal();
    if !quiet {
        say(format!(
            "\nWhich would you rather have?\n  1  {}\n  2  {}\n  =  no preference    q  leave it open",
            text(home, &pair[0]),
            text(home, &pair[1])
        ))?;
    }
    let mut line = String::new();
    loop {
        line.clear();
        if answers.read_line(&mut line).context("failed to read standard input")? == 0 {
            return Ok(false);
        }
        let answer = match line.trim() {
            "" => continue,
            "q" | "quit" | "stop" => return Ok(false),
            "1" => Answer::Choose(0),
            "2" => Answer::Choose(1),
            "=" => Answer::NoPreference,
            other => {
                let problem = format!("{other:?} is none of 1, 2, = and q");
                anyhow::ensure!(interactive, WrongInput(format!("standard input: {problem}")));
                say(problem)?;
                continue;
            }
        };
        // It is put only once there is an answer: a question that nobody heard is no record.
        let question = OpenQuestion::put(home, person, &SourceId::new("decide")?, pair, now())?;
        question.answer(home, answer, now())?;
        return Ok(true);
    }
}

/// Refuses alternatives that leave nothing to decide.
pub(crate) fn check(alternatives: &[String]) -> anyhow::Result<()> {
    if alternatives.len() < 2 {
        anyhow::bail!(WrongInput(format!(
            "{} given; a decision needs at least two",
            counted(alternatives.len(), "alternative")
        )));
    }
    for (i, a) in alternatives.iter().enumerate() {
        if a.trim().is_empty() {
            anyhow::bail!(WrongInput(format!("alternative {} is empty", i + 1)));
        }
        if alternatives[..i].iter().any(|b| b.trim().eq_ignore_ascii_case(a.trim())) {
            anyhow::bail!(WrongInput(format!("the alternative {a:?} is given twice")));
        }
    }
    Ok(())
}

/// A decision, as `credence decide --json` and `credence agent --json` tell it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DecisionJson {
    /// Its record in the log.
    record: u64,
    /// What was decided.
    #[schema(value_type = OutcomeJson)]
    decision: Outcome,
    /// What was weighed.
    alternatives: Vec<AlternativeJson>,
    /// Expected regret of acting on the best, noise units.
    expected_regret: f64,
    /// What spoke for the best against the next, by feature.
    #[schema(value_type = Vec<ReasonJson>)]
    reasons: Vec<Reason>,
    /// The same in words.
    in_words: Vec<ReasonInWords>,
    /// The question that comes first, or would.
    question: Option<QuestionJson>,
    /// What was foreseen of each alternative; empty if nothing was deliberated on.
    deliberations: Vec<Option<DeliberationJson>>,
    /// Expected utilities without what was foreseen, noise units.
    expected_utility_alone: Option<Vec<f64>>,
    /// How far the difference of the two best moved when the situation was only worded otherwise, noise units.
    moved_by_wording: Option<f64>,
    /// What probes of the model's states read of the best; empty without probes.
    motives: Vec<MotiveView>,
}

/// What was decided.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase", tag = "verdict")]
#[allow(dead_code, reason = "describes a record's outcome")]
enum OutcomeJson {
    /// Do an alternative, by its id.
    Act { alternative: String },
    /// Put a question first, by its id.
    Ask { question: String },
    /// Leave it to the person.
    Defer { because: String },
}

/// A feature's part in the decision.
#[derive(Debug, Serialize, ToSchema)]
#[allow(dead_code, reason = "describes a record's reason")]
struct ReasonJson {
    /// A value's id, "judgement", "text:1", an attribute.
    feature: String,
    /// Expected contribution to the difference of utilities, noise units.
    contribution: f64,
    /// The evidence records that moved this weight most.
    evidence: Vec<u64>,
}

/// An alternative that was weighed.
#[derive(Debug, Serialize, ToSchema)]
struct AlternativeJson {
    text: String,
    /// Noise units.
    expected_utility: f64,
    probability_best: f64,
}

/// A question about two alternatives.
#[derive(Debug, Serialize, ToSchema)]
struct QuestionJson {
    /// The two.
    between: Vec<String>,
    /// What one answer is expected to be worth to this decision, noise units.
    value: f64,
    /// The same of a short run of answers, for each.
    value_of_run: f64,
}

/// What was foreseen of an alternative.
#[derive(Debug, Serialize, ToSchema)]
struct DeliberationJson {
    /// Its record.
    record: u64,
    /// What was foreseen: what it is about, and the text.
    #[schema(value_type = Vec<ConsequenceJson>)]
    consequences: Vec<Consequence>,
    /// Share of the judgement with consequences.
    trust: f64,
}

/// Something that was foreseen.
#[derive(Debug, Serialize, ToSchema)]
#[allow(dead_code, reason = "describes a record's consequence")]
struct ConsequenceJson {
    /// What it is about.
    kind: String,
    /// In the model's words.
    text: String,
}

/// A decision as one JSON object.
pub(crate) fn as_json(home: &Home, seq: Seq, ids: &[AlternativeId], decided: &Decided) -> DecisionJson {
    let a = &decided.assessment;
    let alternatives = ids.iter().enumerate().map(|(i, id)| AlternativeJson {
        text: text(home, id),
        expected_utility: a.expected_utility[i],
        probability_best: a.probability_best[i],
    });
    let question = decided.question.as_ref().map(|q| QuestionJson {
        between: q.alternatives.iter().map(|id| text(home, id)).collect(),
        value: q.value,
        value_of_run: q.value_of_run,
    });
    let deliberations = consequences(home, decided).into_iter().map(|c| {
        c.map(|(record, foreseen, trust)| DeliberationJson { record, consequences: foreseen.to_vec(), trust })
    });
    DecisionJson {
        record: seq.0,
        decision: decided.outcome.clone(),
        alternatives: alternatives.collect(),
        expected_regret: a.expected_regret,
        reasons: decided.reasons.clone(),
        in_words: reasons(home, ids, decided),
        question,
        deliberations: deliberations.collect(),
        expected_utility_alone: decided.alone.as_ref().map(|a| a.expected_utility.clone()),
        moved_by_wording: decided.moved_by_wording,
        motives: views(home.state(), &decided.motives),
    }
}

/// A decision in words.
pub(crate) fn print(home: &Home, seq: Seq, ids: &[AlternativeId], decided: &Decided) -> anyhow::Result<()> {
    let a = &decided.assessment;
    let verdict = match &decided.outcome {
        Outcome::Act { alternative } => format!("act: {}", text(home, alternative)),
        Outcome::Ask { .. } => match &decided.question {
            Some(q) => format!(
                "ask first: would you rather {} or {}?",
                text(home, &q.alternatives[0]),
                text(home, &q.alternatives[1])
            ),
            None => "ask first".into(),
        },
        Outcome::Defer { because } => format!("leave it to you: {because}"),
    };
    say(format!("{verdict}\n"))?;
    for (i, id) in ids.iter().enumerate() {
        say(format!(
            "  {:+.2} expected utility, best with probability {:.2}   {}",
            a.expected_utility[i],
            a.probability_best[i],
            text(home, id)
        ))?;
    }
    if let Some(alone) = &decided.alone {
        say("\nJudged alone, and what the foreseen consequences changed:")?;
        let foreseen = consequences(home, decided);
        for (i, id) in ids.iter().enumerate() {
            let (before, after) = (alone.expected_utility[i], a.expected_utility[i]);
            let of = foreseen[i].map_or_else(String::new, |(seq, _, trust)| {
                format!("  (record {seq}, counted for {:.0}%)", 100.0 * trust)
            });
            say(format!("  {before:+.2} alone, {:+.2} by consequences   {}{of}", after - before, text(home, id)))?;
        }
    }
    if let Some(moved) = decided.moved_by_wording {
        say(format!("\nIn other words the judgement moves by {moved:.2}."))?;
    }
    print_motives(&text(home, &ids[decided.best]), &views(home.state(), &decided.motives))?;
    say(format!(
        "\nExpected regret of acting now: {:.3} (1 is your own wavering between two alternatives)",
        a.expected_regret
    ))?;
    let rows = reasons(home, ids, decided);
    for at in [decided.best, decided.second] {
        let of: Vec<&ReasonInWords> = rows.iter().filter(|row| row.speaks_for == at).collect();
        if !of.is_empty() {
            say(format!("What speaks for {:?}:", text(home, &ids[at])))?;
        }
        for row in of {
            let because =
                if row.because.is_empty() { String::new() } else { format!("  ({})", row.because.join("; ")) };
            let size = if row.sd > 0.0 { format!("{:.2} ± {:.2}  ", row.size, row.sd) } else { String::new() };
            say(format!("  {size}{}{because}", row.name))?;
        }
    }
    say(format!("\nRecorded as {seq}; {} shows which evidence moved it.", hint(format_args!("explain {seq}"))))
}

/// What probes read of an act: the highest of each text, and what an alarm rests on.
fn print_motives(act: &str, motives: &[MotiveView]) -> anyhow::Result<()> {
    for read in motives {
        let Some(highest) = read.readings.first() else { continue };
        let of = match read.part {
            "proposed" => format!("{act:?}"),
            "foreseen" => format!("what was foreseen of {act:?}"),
            _ => format!("{act:?} with what was foreseen of it"),
        };
        if read.alarm {
            say(format!("\nAbove the bar: a probe of the model's states read {of} (record {})", read.record))?;
            say(format!("  {}\n  {}", highest.in_words, read.bar_in_words))?;
        } else {
            let (motive, found) = (credence_agent::motives::name(&highest.motive), highest.log_odds);
            say(format!(
                "\nProbes read {of}: below the bar (highest {motive}, log-odds {found:+.2}, bar {:+.2})",
                read.bar
            ))?;
        }
    }
    Ok(())
}

/// Reasons shown, at most.
const REASONS_SHOWN: usize = 6;

/// What speaks for one of the two best alternatives, in words.
#[derive(Debug, Serialize, ToSchema)]
struct ReasonInWords {
    /// What it is.
    name: String,
    /// Place of the alternative that it speaks for.
    #[serde(skip)]
    speaks_for: usize,
    /// That alternative.
    #[serde(rename = "for")]
    text: String,
    /// Its part in the difference of utilities, noise units.
    size: f64,
    /// How unsure that is.
    sd: f64,
    /// What the person said that it rests on; nothing if it was so beforehand.
    because: Vec<String>,
}

/// The reasons of a decision, in words: the largest part first.
fn reasons(home: &Home, ids: &[AlternativeId], decided: &Decided) -> Vec<ReasonInWords> {
    let last = home.state().decisions().last().map(|(_, made)| made.person.clone());
    let said = |seq: &Seq| {
        let words = in_words::evidence(home.state(), last.as_ref()?, *seq, names::value)?;
        Some(format!("you {words}, record {seq}"))
    };
    let because = |name: &str| -> Vec<String> {
        let of = decided.reasons.iter().filter(|r| names::of_id(&r.feature) == name);
        of.flat_map(|r| &r.evidence).filter_map(said).collect()
    };
    let answered = names::of_id(names::ANSWERED);
    let answer = (!decided.said.is_empty()).then(|| ReasonInWords {
        because: because(&answered),
        name: answered,
        speaks_for: decided.best,
        text: text(home, &ids[decided.best]),
        size: 0.0,
        sd: 0.0,
    });
    let parts = decided.contributions.iter().take(REASONS_SHOWN).map(|c| {
        let speaks_for = if c.contribution < 0.0 { decided.second } else { decided.best };
        ReasonInWords {
            name: c.name.clone(),
            speaks_for,
            text: text(home, &ids[speaks_for]),
            size: c.contribution.abs(),
            sd: c.sd,
            because: because(&c.name),
        }
    });
    answer.into_iter().chain(parts).collect()
}

/// The text of an alternative.
pub(crate) fn text(home: &Home, id: &AlternativeId) -> String {
    text_of(home.state(), id)
}

fn text_of(state: &State, id: &AlternativeId) -> String {
    state.description(id).map_or_else(|| id.to_string(), |d: &AlternativeDescribed| d.text.clone())
}

impl Opened {
    /// Describes alternatives in a situation, reading live what the log does not have yet; they are recorded.
    pub(crate) fn describe(&mut self, situation: &str, texts: &[String]) -> anyhow::Result<Vec<AlternativeId>> {
        let situation = &*normal(situation.trim());
        let texts: Vec<String> = texts.iter().map(|t| normal(t.trim()).into_owned()).collect();
        let is_missing = |home: &Home, t: &&String| !home.state().is_described(situation, t);
        let keyed = keyed::in_pack(self.home.state(), situation, &texts)?;
        record_described(&mut self.home, keyed, now())?;
        let missing: Vec<BankAlternative> =
            texts.iter().filter(|t| is_missing(&self.home, t)).map(|t| BankAlternative::unkeyed(t.clone())).collect();
        if !missing.is_empty() {
            let here = self.home.state().descriptions().iter().filter(|d| d.situation == situation);
            let others: Vec<AlternativeDescribed> = here.cloned().collect();
            let others = others.get(..OTHERS_MAX).unwrap_or(&others).to_vec();
            let reader = self.reader()?;
            let _working = working("reading what the model makes of the alternatives");
            let described = reader.describe_beside(situation, &missing, &others)?;
            record_described(&mut self.home, described, now())?;
        }
        Ok(texts.iter().map(|t| AlternativeId::of(situation, t)).collect())
    }
}
