//! What can be said of a person in plain sentences: what surprised, what is open, how well they were predicted.

use std::collections::BTreeMap;

use credence_memory::belief::Surprise;
use credence_memory::evidence::{Evidence, Form};
use credence_memory::ids::{AlternativeId, PersonId, QuestionId, Seq};
use credence_memory::observation::{Features, resolve};
use credence_memory::record::AlternativeDescribed;
use credence_memory::state::{State, StateError};

use crate::bank::{Bank, BankQuestion};
use crate::in_words;
use crate::keyed;
use crate::knowledge::Knowledge;
use crate::protocol::{OpenView, PageView, PredictedView, SurpriseView, ValuesView};

/// Surprises that are named, at most.
const SURPRISES_MAX: usize = 3;
/// An answer surprises if it had less than this share of what guessing gives it.
const SURPRISING: f64 = 0.75;
/// Open values that are named, at most, and questions for each.
const OPEN_MAX: usize = 5;
const QUESTIONS_MAX: usize = 2;
/// With fewer answers nothing is said about how the predictions compare.
const COMPARED_MIN: usize = 8;

/// The page of one person. `bank` has the questions that could be asked; those answered are left out.
///
/// # Errors
/// Belief cannot be formed.
pub fn of(
    state: &State,
    person: &PersonId,
    values: &ValuesView,
    bank: &Bank,
    name: impl Fn(&str) -> String,
) -> Result<PageView, StateError> {
    let answers = predicted_answers(state, person)?;
    let mut surprises: Vec<SurpriseView> = answers
        .iter()
        .filter(|a| a.ln_predicted < a.ln_uniform + SURPRISING.ln())
        .filter_map(|a| {
            let said = in_words::evidence(state, person, a.seq, &name)?;
            Some(SurpriseView { seq: a.seq.0, said, predicted: a.ln_predicted.exp() })
        })
        .collect();
    surprises.sort_by(|a, b| a.predicted.total_cmp(&b.predicted).then(a.seq.cmp(&b.seq)));
    surprises.truncate(SURPRISES_MAX);
    Ok(PageView { predicted: compared(&answers), surprises, open: open(state, person, values, bank) })
}

/// An answer and what had been expected of it.
struct Predicted {
    seq: Seq,
    ln_predicted: f64,
    ln_uniform: f64,
    /// Kind of question, and which of its interchangeable outcomes this is: sides of a choice are interchangeable.
    kind: (u8, usize),
    class: usize,
    /// How many outcomes the class has.
    in_class: usize,
}

/// Every answer, folded anew so that each is predicted before it came. Statements are no answers.
fn predicted_answers(state: &State, person: &PersonId) -> Result<Vec<Predicted>, StateError> {
    let (Some(epoch), Some(known)) = (state.epoch(), state.person(person)) else { return Ok(Vec::new()) };
    let mut belief = state.prior_belief(person)?;
    let mut answers = Vec::new();
    for evidence in known.evidence() {
        let observation = resolve(evidence, |i| &state.descriptions()[i as usize], &epoch.layout);
        let expected = epoch
            .observe(&mut belief, evidence.seq, &observation)
            .map_err(|source| StateError::Belief { seq: evidence.seq, source })?;
        answers.extend(predicted(evidence, &expected));
    }
    Ok(answers)
}

fn predicted(evidence: &Evidence, expected: &Surprise) -> Option<Predicted> {
    let count = expected.probabilities.len();
    let outcome = expected.outcome.filter(|_| count >= 2)?;
    let (kind, class, in_class) = match &evidence.form {
        Form::Choice { .. } | Form::Indirect { .. } => {
            let neither = outcome == 2;
            ((0, count), usize::from(neither), if neither { 1 } else { 2 })
        }
        Form::Order { .. } => ((1, count), 0, count),
        Form::Verdict { .. } => ((2, count), outcome, 1),
        Form::Rating { .. } => ((3, count), outcome, 1),
        Form::Importance { .. } => return None,
    };
    let ln_uniform = -(count as f64).ln();
    Some(Predicted { seq: evidence.seq, ln_predicted: expected.ln_predictive, ln_uniform, kind, class, in_class })
}

/// Predictions beside the best constant in hindsight and beside all outcomes being alike.
fn compared(answers: &[Predicted]) -> Option<PredictedView> {
    if answers.is_empty() {
        return None;
    }
    let mut kinds: BTreeMap<(u8, usize), (f64, BTreeMap<usize, f64>)> = BTreeMap::new();
    for answer in answers {
        let (all, classes) = kinds.entry(answer.kind).or_default();
        *all += 1.0;
        *classes.entry(answer.class).or_default() += 1.0;
    }
    let constant = |a: &Predicted| {
        let (all, classes) = &kinds[&a.kind];
        (classes[&a.class] / all / a.in_class as f64).ln()
    };
    let n = answers.len() as f64;
    let mean = |part: &dyn Fn(&Predicted) -> f64| answers.iter().map(part).sum::<f64>() / n;
    let gain = mean(&|a| a.ln_predicted - constant(a));
    let spread = mean(&|a| (a.ln_predicted - constant(a) - gain).powi(2));
    let error = (spread / (n - 1.0).max(1.0)).sqrt();
    Some(PredictedView {
        answers: answers.len(),
        log_loss: -mean(&|a| a.ln_predicted),
        log_loss_uniform: -mean(&|a| a.ln_uniform),
        log_loss_constant: -mean(&constant),
        gain_in_errors: (answers.len() >= COMPARED_MIN && error > 0.0).then(|| gain / error),
    })
}

/// Values that are not sure, the widest beside their distance from the average first, with the questions that set each apart most.
fn open(state: &State, person: &PersonId, values: &ValuesView, bank: &Bank) -> Vec<OpenView> {
    let answered = state.answered(person);
    let unasked: Vec<(&BankQuestion, Vec<f64>)> = bank
        .questions
        .iter()
        .filter_map(|question| {
            let pair = described(state, bank, question)?;
            let ids = pair.each_ref().map(|d| d.alternative);
            let layout = &state.epoch()?.layout;
            let difference = Features::of(&pair[0], layout).minus(&Features::of(&pair[1], layout)).mean;
            (!answered.contains(&QuestionId::of(&ids).hash())).then_some((question, difference))
        })
        .collect();
    let mut places: Vec<usize> = (0..values.values.len()).filter(|i| !values.values[*i].sure).collect();
    let openness = |i: &usize| {
        let v = &values.values[*i];
        (v.high - v.low) / (v.mean.abs() + 0.25 * (v.high - v.low)).max(f64::MIN_POSITIVE)
    };
    places.sort_by(|a, b| openness(b).total_cmp(&openness(a)).then(a.cmp(b)));
    places
        .into_iter()
        .take(OPEN_MAX)
        .map(|i| {
            // How much of the difference between the alternatives is this value's.
            let share = |difference: &[f64]| {
                let all: f64 = difference[..values.values.len()].iter().map(|d| d * d).sum();
                if all > 0.0 { difference[i] * difference[i].abs() / (all + 1.0) } else { 0.0 }
            };
            let mut about: Vec<(f64, &BankQuestion)> =
                unasked.iter().map(|(question, d)| (share(d).abs(), *question)).filter(|(s, _)| *s > 0.0).collect();
            about.sort_by(|(a, _), (b, _)| b.total_cmp(a));
            let questions = about
                .into_iter()
                .take(QUESTIONS_MAX)
                .map(|(_, BankQuestion { situation, alternatives, .. })| {
                    let space = if situation.is_empty() { "" } else { " " };
                    format!(
                        "{situation}{space}Would you rather {:?} or {:?}?",
                        alternatives[0].text, alternatives[1].text
                    )
                })
                .collect();
            let value = &values.values[i];
            OpenView { id: value.id.clone(), name: value.name.clone(), questions }
        })
        .collect()
}

/// The two alternatives of a question, as the log describes them or as the bank's authors keyed them.
fn described(state: &State, bank: &Bank, question: &BankQuestion) -> Option<[AlternativeDescribed; 2]> {
    let [first, second] = question.alternatives.as_slice() else { return None };
    let logged = |text: &str| state.description(&AlternativeId::of(&question.situation, text)).cloned();
    if let (Some(first), Some(second)) = (logged(&first.text), logged(&second.text)) {
        return Some([first, second]);
    }
    if !state.elicited().is_some_and(|prior| prior.in_key_points()) {
        return None;
    }
    let keyed = keyed::describe_question(bank, state.epoch()?.layout.values(), question).ok()??;
    keyed.try_into().ok()
}
