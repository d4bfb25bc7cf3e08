//! What a replay found, as text and as JSON.

use std::path::Path;

use credence_agent::protocol::{PersonView, ValuesView};
use credence_agent::{approvals, calls, motives, names, views};
use credence_approvals::Request;
use credence_memory::belief::{BeliefError, LocationName};
use credence_memory::ids::{Hash, PersonId, Seq};
use credence_memory::record::{CallEnded, MotiveRead, Outcome, OutcomeReported, Record};
use credence_memory::replay::{Bin, Ended, Replay, Replayed, Score};
use credence_memory::state::State;
use serde::Serialize;
use utoipa::ToSchema;

use crate::front::report;
use crate::hint::hint;
use crate::surroundings::{say, say_json};

/// More people than this get a line each instead of a table each.
const TABLES_MAX: usize = 10;

/// Lines of text are as wide as this.
const COLUMNS: usize = 88;

/// What is printed of one person's belief, and kept of it.
pub(crate) struct Summary {
    pub(crate) values: ValuesView,
    pub(crate) beyond: PersonView,
    pub(crate) hypotheses: Marginals,
    pub(crate) digest: Hash,
}

/// Weights of hypotheses, by each of the things they differ in.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Marginals {
    /// By where the prior comes from: its name, with a number where there are several.
    #[schema(value_type = Vec<(serde_json::Value, f64)>)]
    pub(crate) location: Vec<(LocationName, f64)>,
    pub(crate) signal_scale: Vec<(f64, f64)>,
    pub(crate) lapse_rate: Vec<(f64, f64)>,
    pub(crate) band: Vec<(f64, f64)>,
    pub(crate) drift: f64,
}

/// Everyone's summary, or why it could not be made.
pub(crate) type Summarised = Replay<Result<Summary, BeliefError>>;

/// One person's.
pub(crate) type SummarisedPerson = Replayed<Result<Summary, BeliefError>>;

/// What is printed of a belief.
pub(crate) fn summary(ended: Ended<'_>) -> Result<Summary, BeliefError> {
    let Ended { person, belief, epoch, state } = ended;
    let before = epoch.prior_belief(person)?;
    Ok(Summary {
        values: views::values_of(&epoch.layout, &belief, &before, names::value),
        beyond: views::person_of(state, &belief),
        hypotheses: Marginals {
            location: belief.locations(),
            signal_scale: belief.signal_scales(),
            lapse_rate: belief.lapse_rates(),
            band: belief.bands(),
            drift: belief.drift_mass(),
        },
        digest: Hash(belief.digest()),
    })
}

/// A person's summary.
pub(crate) fn summary_of(person: &SummarisedPerson) -> Result<&Summary, BeliefError> {
    person.belief.as_ref().map_err(Clone::clone)
}

/// Prints it as text.
pub(crate) fn text(path: &Path, found: &Summarised) -> anyhow::Result<()> {
    let left_out = match found.left_out {
        0 => String::new(),
        n => format!(", {n} left out"),
    };
    say(format!("{} through record {}{left_out}", path.display(), found.state.head().0))?;
    for replayed in &found.people {
        if found.people.len() <= TABLES_MAX { table(replayed)? } else { line(replayed)? }
    }
    approvals_of(found)?;
    carried_out(found)?;
    held_back(found)?;
    let score = found.score();
    let Some(loss) = score.log_loss() else { return say("\nno evidence: everything is as the prior has it") };
    say(format!(
        "\n{} pieces of evidence, predicted before they came with a mean log loss of {loss:.3} nats",
        score.answers
    ))?;
    if let (Some(brier), Some(accuracy), Some(error)) =
        (score.brier(), score.accuracy(), score.calibration.expected_error())
    {
        say(format!(
            "Brier score {brier:.3}; the likeliest outcome happened in {:.0}%; calibration error {error:.3}",
            100.0 * accuracy
        ))?;
        say("  predicted   happened   95% interval    outcomes")?;
        for bin in score.calibration.bins() {
            let (low, high) = bin.interval;
            say(format!(
                "  {:>9.2}   {:>8.2}   [{low:.2}, {high:.2}]   {:>9}",
                bin.predicted, bin.happened, bin.count
            ))?;
        }
    }
    Ok(())
}

/// Everything that was reported of decisions and acts.
fn outcomes(state: &State) -> Vec<&(Seq, OutcomeReported)> {
    let decisions = state.decisions().iter().map(|(seq, _)| *seq);
    let acts = state
        .all_approvals()
        .iter()
        .flat_map(|(owner, approvals)| (0..approvals.records()).filter_map(move |act| state.record_of_act(owner, act)));
    decisions.chain(acts).flat_map(|of| state.outcomes(of)).collect()
}

/// More calls and reports than this are not listed.
const CALLS_MAX: usize = 20;

/// What agents may do for the people of this replay: answers, rules, and acts that passed.
fn approvals_of(found: &Summarised) -> anyhow::Result<()> {
    for replayed in &found.people {
        let Some(theirs) = found.state.approvals(&replayed.person) else { continue };
        let open = theirs.open_questions().count();
        say(format!(
            "\nApprovals of {}: {} answers and undone acts, {open} open questions",
            replayed.person,
            theirs.answered_count()
        ))?;
        for rule in theirs.rules() {
            say(format!("  rule {}: {}", rule.record, approvals::rule_in_words(rule)))?;
        }
        let acts = theirs.acts().rev().take(CALLS_MAX);
        for (act, request, by) in acts {
            let by = approvals::by_in_words(by);
            say(format!("  act {act}: {} passed, {by}", approvals::call_in_words(request)))?;
        }
    }
    Ok(())
}

/// What was carried out for the people of this replay, and what was reported.
fn carried_out(found: &Summarised) -> anyhow::Result<()> {
    let state = &found.state;
    let theirs = |person: &PersonId| found.people.iter().any(|replayed| replayed.person == *person);
    let calls = state.calls().iter().filter(|(_, call)| theirs(&call.begun.person)).map(|(seq, call)| {
        let (request, person) = (approvals::call_in_words(&call.request), &call.begun.person);
        (*seq, format!("{person}: {request}: {}", calls::end_in_words(call)))
    });
    let reported = outcomes(state).into_iter().filter(|(_, r)| theirs(&r.person)).filter_map(|(seq, r)| {
        let words = calls::record_in_words(state, &Record::OutcomeReported(r.clone()))?;
        Some((*seq, format!("{}: {words}", r.person)))
    });
    let mut all: Vec<(Seq, String)> = calls.chain(reported).collect();
    if all.is_empty() {
        return Ok(());
    }
    all.sort();
    say("\nCarried out, and reported (no evidence of what anybody wants)")?;
    let (left_out, shown) = all.split_at(all.len().saturating_sub(CALLS_MAX));
    if !left_out.is_empty() {
        say(format!("  {} earlier; {} has them", left_out.len(), hint("evidence list")))?;
    }
    shown.iter().try_for_each(|(seq, words)| say(format!("  {:>6}  {words}", seq.0)))
}

/// Acts that were left to the person because of what probes read.
fn held_back(found: &Summarised) -> anyhow::Result<()> {
    let state = &found.state;
    // Whoever has said nothing yet may have had acts decided all the same.
    let theirs =
        |person: &PersonId| found.people.is_empty() || found.people.iter().any(|replayed| replayed.person == *person);
    let left = state.decisions().iter().filter(|(_, made)| theirs(&made.person));
    let left = left.filter(|(_, made)| matches!(made.outcome, Outcome::Defer { .. }));
    let mut alarms = left.flat_map(|(seq, made)| {
        let read =
            made.motives.iter().filter_map(|read| state.motives().get(read)).filter(|read| read.alarm().is_some());
        read.map(move |read| (seq, read))
    });
    let Some(first) = alarms.next() else { return Ok(()) };
    say("\nActs left to the person, and what probes read of them (no evidence of what anybody wants)")?;
    std::iter::once(first)
        .chain(alarms)
        .take(CALLS_MAX)
        .try_for_each(|(seq, read)| say(format!("  {:>6}  {}: {}", seq.0, read.person, motives::in_words(state, read))))
}

fn line<B>(replayed: &Replayed<B>) -> anyhow::Result<()> {
    let loss = replayed.score.log_loss().map_or_else(String::new, |l| format!(", mean log loss {l:.3} nats"));
    say(format!("  {}: {} pieces of evidence{loss}", replayed.person, replayed.evidence))
}

fn table(replayed: &SummarisedPerson) -> anyhow::Result<()> {
    let Summary { values, beyond, digest, .. } = summary_of(replayed)?;
    say(format!("\n{}: {}", replayed.person, report::given(values.answers, values.statements)))?;
    for line in report::values(values, COLUMNS) {
        say(format!("  {line}"))?;
    }
    // Nobody who said nothing can say the same again.
    let again = beyond.consistency.map_or_else(|| "unknown".to_owned(), |p| format!("{p:.2}"));
    say(format!(
        "  same answer again {again}, answers hardly explained by values {:.2}, trust in the model's prior {:.2}\n  digest {digest}",
        beyond.low_signal, beyond.trust_in_model,
    ))
}

/// A log folded again, as `credence replay --json` tells it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ReplayJson {
    /// The last record that was taken in.
    through: Seq,
    /// Records taken in.
    records: u64,
    /// Pieces of evidence that were left out.
    left_out: u64,
    people: Vec<ReplayedJson>,
    /// Pieces of evidence that were predicted.
    evidence: u64,
    /// Mean log loss of those predictions, nats; nothing without evidence.
    log_loss: Option<f64>,
    score: ScoreJson,
    /// What was carried out.
    calls: Vec<CallJson>,
    /// What was reported of decisions and acts.
    outcomes: Vec<OutcomeReported>,
    /// What probes read of acts.
    motives: Vec<MotiveJson>,
    /// Recorded beliefs that were compared.
    digests_checked: usize,
    /// Of them, the records that do not match.
    digests_wrong: Vec<Seq>,
}

/// One person's belief at the end, and how well they were predicted.
#[derive(Debug, Serialize, ToSchema)]
struct ReplayedJson {
    person: PersonId,
    values: ValuesView,
    beyond: PersonView,
    /// Weights of hypotheses, by each of the things they differ in.
    hypotheses: Marginals,
    score: ScoreJson,
    predictions: Vec<PredictionJson>,
    digest: Hash,
}

/// How an answer had been predicted.
#[derive(Debug, Serialize, ToSchema)]
struct PredictionJson {
    record: Seq,
    /// Natural logarithm of the probability of what was said.
    ln_predictive: f64,
}

/// A command that carried an act out, or tried.
#[derive(Debug, Serialize, ToSchema)]
struct CallJson {
    record: Seq,
    person: PersonId,
    /// The act's number.
    act: u64,
    request: Request,
    /// How it ended; nothing where no end is known.
    ended: Option<CallEnded>,
}

/// What probes read of an act.
#[derive(Debug, Serialize, ToSchema)]
struct MotiveJson {
    record: Seq,
    read: MotiveRead,
}

/// How well answers were predicted before they came.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ScoreJson {
    answers: u64,
    /// Nats.
    log_loss: Option<f64>,
    brier: Option<f64>,
    /// How often the likeliest outcome happened.
    accuracy: Option<f64>,
    calibration_error: Option<f64>,
    calibration: Vec<Bin>,
}

/// Prints it as one JSON object.
pub(crate) fn json(found: &Summarised) -> anyhow::Result<()> {
    let person = |p: &SummarisedPerson| -> anyhow::Result<ReplayedJson> {
        let Summary { values, beyond, hypotheses, digest } = summary_of(p)?;
        let predictions = p.predictions.iter();
        Ok(ReplayedJson {
            person: p.person.clone(),
            values: values.clone(),
            beyond: beyond.clone(),
            hypotheses: hypotheses.clone(),
            score: score(&p.score),
            predictions: predictions
                .map(|q| PredictionJson { record: q.seq, ln_predictive: q.ln_predictive })
                .collect(),
            digest: *digest,
        })
    };
    let all = found.score();
    let calls = found.state.calls().iter().map(|(seq, call)| CallJson {
        record: *seq,
        person: call.begun.person.clone(),
        act: call.begun.act,
        request: call.request.clone(),
        ended: call.ended.as_ref().map(|(_, ended)| ended.clone()),
    });
    let motives = found.state.motives().iter().map(|(seq, read)| MotiveJson { record: *seq, read: read.clone() });
    say_json(&ReplayJson {
        through: found.state.head().0,
        records: found.records,
        left_out: found.left_out,
        people: found.people.iter().map(person).collect::<anyhow::Result<_>>()?,
        evidence: all.answers,
        log_loss: all.log_loss(),
        score: score(&all),
        calls: calls.collect(),
        outcomes: outcomes(&found.state).into_iter().map(|(_, report)| report.clone()).collect(),
        motives: motives.collect(),
        digests_checked: found.people.iter().map(|p| p.digests.len()).sum(),
        digests_wrong: found.disagreements().map(|(_, check)| check.seq).collect(),
    })
}

/// A score in numbers that can be read off.
pub(crate) fn score(score: &Score) -> ScoreJson {
    ScoreJson {
        answers: score.answers,
        log_loss: score.log_loss(),
        brier: score.brier(),
        accuracy: score.accuracy(),
        calibration_error: score.calibration.expected_error(),
        calibration: score.calibration.bins(),
    }
}
