//! Act, ask or defer: the decision between alternatives, under the mixture, in the person's noise units.

use credence_memory::belief::{
    Assessment, Mixture, Question, assess, assess_read, value_of_information, worth_of_asking,
};
use credence_memory::evidence::Form;
use credence_memory::home::Home;
use credence_memory::ids::{AlternativeId, PersonId, QuestionId, Seq, TaskId};
use credence_memory::number::{Finite, Probability};
use credence_memory::record::{DecisionMade, Outcome, Reason, Record};
use credence_memory::state::State;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use crate::bars::Bars;
use crate::error::SessionError;
use crate::influence;
use crate::knowledge::Knowledge;
use crate::names;
use crate::protocol::Contribution;
use crate::said_here::SaidHere;
use crate::views;
use crate::wording::Reworded;

/// The most questions a run is thought ahead.
const RUN_MAX: usize = 3;
/// Reasons kept in a record, and evidence records named for each.
const REASONS_MAX: usize = 6;
const EVIDENCE_MAX: usize = 3;

/// An alternative that was deliberated on: it is judged as its features alone and those with its consequences, mixed by trust.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Considered {
    /// The deliberation.
    pub deliberation: Seq,
    /// The alternative in the situation with its consequences.
    pub with_consequences: AlternativeId,
    /// Share of the judgement with consequences, in [0, 1].
    pub trust: f64,
}

/// A pair among the alternatives that could be asked about.
#[derive(Debug, Clone, PartialEq)]
pub struct PairQuestion {
    /// Its identity.
    pub question: QuestionId,
    /// The pair.
    pub alternatives: [AlternativeId; 2],
    /// What one answer is expected to be worth to this decision.
    pub value: f64,
    /// What a short run of answers is expected to be worth, for each question.
    pub value_of_run: f64,
}

/// A decision with its grounds, not yet recorded.
#[derive(Debug, Clone, PartialEq)]
pub struct Decided {
    /// What to do.
    pub outcome: Outcome,
    /// Expected utilities, probabilities of being best, expected regret.
    pub assessment: Assessment,
    /// Places in `alternatives` of the best and the runner-up by expected utility.
    pub best: usize,
    /// The runner-up.
    pub second: usize,
    /// The parts of their difference, largest first.
    pub contributions: Vec<Contribution>,
    /// The question worth most, if any is worth its cost.
    pub question: Option<PairQuestion>,
    /// The reasons with the evidence behind them, for the record.
    pub reasons: Vec<Reason>,
    /// What was deliberated on, by alternative; empty if nothing was.
    pub considered: Vec<Option<Considered>>,
    /// Expected utilities judged alone, if anything was deliberated on.
    pub alone: Option<Assessment>,
    /// How far the difference of the two best moved under another wording, if that was tried.
    pub moved_by_wording: Option<f64>,
    /// The answers about these very alternatives that decided; empty if belief did.
    pub said: Vec<Seq>,
    /// What probes read of the best, as records.
    pub motives: Vec<Seq>,
}

impl Decided {
    /// Leaves an act to the person if wording the situation otherwise moves the judgement too far, or turns it.
    ///
    /// What the person said of these very alternatives hangs on no wording.
    pub fn guard(&mut self, reworded: Reworded, bars: Bars) {
        self.moved_by_wording = Some(reworded.moved);
        if matches!(self.outcome, Outcome::Act { .. }) && self.said.is_empty() && reworded.is_too_far(bars) {
            let how = match reworded.turned {
                true => "makes the other alternative better".to_owned(),
                false => format!("moves the judgement by {:.2}, the bar is {:.2}", reworded.moved, bars.wording_max),
            };
            self.outcome =
                Outcome::Defer { because: format!("the same situation in other words {how}: it hangs on the wording") };
        }
    }
}

/// Decides between described alternatives. An act of which probes read a motive above their bar is left to the person. `considered` has what was deliberated on of each, or nothing at all. `may_ask` is false
/// when the limit of questions is reached.
///
/// # Errors
/// If there are fewer than two alternatives, one is not described, or belief cannot be formed.
pub fn decide(
    state: &State,
    person: &PersonId,
    alternatives: &[AlternativeId],
    considered: &[Option<Considered>],
    bars: Bars,
    may_ask: bool,
) -> Result<Decided, SessionError> {
    if alternatives.len() < 2 {
        return Err(SessionError::TooFewAlternatives { found: alternatives.len() });
    }
    let belief = state.belief(person)?;
    let mut features = alternatives.iter().map(|a| state.vector(a)).collect::<Result<Vec<_>, _>>()?;
    let mut errors = alternatives.iter().map(|a| state.reading_error(a)).collect::<Result<Vec<_>, _>>()?;
    let mut alone = None;
    if considered.iter().any(Option::is_some) {
        alone = Some(assess_read(&belief, &features, &errors).map_err(SessionError::Belief)?);
        for (at, considered) in considered.iter().enumerate() {
            if let Some(c) = considered {
                let (with, error) = (state.vector(&c.with_consequences)?, state.reading_error(&c.with_consequences)?);
                let mix = |x: &mut f64, y: f64, power: i32| {
                    *x = (1.0 - c.trust).powi(power) * *x + c.trust.powi(power) * y;
                };
                features[at].iter_mut().zip(with).for_each(|(x, y)| mix(x, y, 1));
                errors[at].iter_mut().zip(error).for_each(|(x, y)| mix(x, y, 2));
            }
        }
    }
    let assessment = assess_read(&belief, &features, &errors).map_err(SessionError::Belief)?;
    let said = SaidHere::of(state, person, alternatives);
    let left = said.left(alternatives.len());
    let mut order: Vec<usize> = (0..alternatives.len()).collect();
    let utility = |at: &usize| assessment.expected_utility[*at];
    // What the person passed over comes last.
    order
        .sort_by(|a, b| left.contains(b).cmp(&left.contains(a)).then(utility(b).total_cmp(&utility(a))).then(a.cmp(b)));
    let (best, second) = (order[0], order[1]);
    let is_said = !said.records().is_empty() && said.are_alike(&left);
    let among = |rows: &[Vec<f64>]| left.iter().map(|at| rows[*at].clone()).collect::<Vec<_>>();
    let regret = if left.len() == alternatives.len() {
        assessment.expected_regret
    } else {
        assess_read(&belief, &among(&features), &among(&errors)).map_err(SessionError::Belief)?.expected_regret
    };
    let difference: Vec<f64> = features[best].iter().zip(&features[second]).map(|(a, b)| a - b).collect();
    let contributions = views::contributions(state, &belief, &difference, names::value);
    let question = if may_ask && !is_said {
        best_question(state, &belief, (alternatives, &left, &said), (&features, &errors), bars)?
    } else {
        None
    };
    let outcome = if is_said || regret <= bars.regret_max {
        Outcome::Act { alternative: alternatives[best] }
    } else if let Some(q) = &question {
        Outcome::Ask { question: q.question }
    } else {
        Outcome::Defer { because: unclear(regret, &contributions, bars) }
    };
    let mut reasons = reasons(state, person, &belief, &difference)?;
    let said = if is_said { said.records() } else { Vec::new() };
    if is_said {
        let reason =
            Reason { feature: names::ANSWERED.into(), contribution: Finite::new(0.0)?, evidence: said.clone() };
        reasons.insert(0, reason);
    }
    let considered = if alone.is_some() { considered.to_vec() } else { Vec::new() };
    let mut decided = Decided {
        outcome,
        assessment,
        best,
        second,
        contributions,
        question,
        reasons,
        considered,
        alone,
        moved_by_wording: None,
        said,
        motives: Vec::new(),
    };
    decided.hold(state, person, alternatives);
    Ok(decided)
}

/// Act, ask or defer between features alone, under one belief: what [`decide`] does without a log.
///
/// # Errors
/// Fewer than one alternative, or features of another length than the weights.
pub fn verdict(belief: &Mixture, features: &[Vec<f64>], bars: Bars) -> Result<(ActAskDefer, Assessment), SessionError> {
    let assessment = assess(belief, features).map_err(SessionError::Belief)?;
    if assessment.expected_regret <= bars.regret_max {
        return Ok((ActAskDefer::Act, assessment));
    }
    for i in 0..features.len() {
        for j in i + 1..features.len() {
            let difference: Vec<f64> = features[i].iter().zip(&features[j]).map(|(a, b)| a - b).collect();
            let question = Question::choice(difference, true);
            let (value, of_run) = worth(belief, &question, features);
            if value.max(of_run) > bars.question_cost {
                return Ok((ActAskDefer::Ask, assessment));
            }
        }
    }
    Ok((ActAskDefer::Defer, assessment))
}

/// The three outcomes of a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ActAskDefer {
    /// Carry out the best.
    Act,
    /// Put a question first.
    Ask,
    /// Leave it to the person.
    Defer,
}

/// What an answer is worth, and what each answer of a short run is.
fn worth(belief: &Mixture, question: &Question, features: &[Vec<f64>]) -> (f64, f64) {
    let value_of_run = value_of_information(belief, &run_of(question), features) / RUN_MAX as f64;
    (value_of_information(belief, question, features), value_of_run)
}

/// The pair to ask about among the alternatives that are `left`: an answer decides between the two, since it is about this very decision.
fn best_question(
    state: &State,
    belief: &Mixture,
    (alternatives, left, said): (&[AlternativeId], &[usize], &SaidHere),
    (features, errors): (&[Vec<f64>], &[Vec<f64>]),
    bars: Bars,
) -> Result<Option<PairQuestion>, SessionError> {
    let mut best: Option<PairQuestion> = None;
    for (at, &i) in left.iter().enumerate() {
        for &j in &left[at + 1..] {
            if said.has(i, j) {
                continue;
            }
            let pair = [alternatives[i], alternatives[j]];
            let id = QuestionId::of(&pair);
            let question = state.choice_question(&pair, true)?;
            let (through_values, value_of_run) = worth(belief, &question, features);
            let read = ([&*features[i], &features[j]], [&*errors[i], &errors[j]]);
            let value = worth_of_asking(belief, read.0, read.1).map_err(SessionError::Belief)?.max(through_values);
            if best.as_ref().is_none_or(|b| value.max(value_of_run) > b.value.max(b.value_of_run)) {
                best = Some(PairQuestion { question: id, alternatives: pair, value, value_of_run });
            }
        }
    }
    Ok(best.filter(|q| q.value.max(q.value_of_run) > bars.question_cost))
}

/// A short run of questions about one difference tells about as much as one question with that much less noise.
fn run_of(question: &Question) -> Question {
    let mut run = question.clone();
    if let Question::Comparison { difference, question, .. } = &mut run {
        difference.iter_mut().for_each(|d| *d *= (RUN_MAX as f64).sqrt());
        *question = None;
    }
    run
}

fn unclear(regret: f64, contributions: &[Contribution], bars: Bars) -> String {
    let mut open: Vec<&Contribution> = contributions.iter().filter(|c| c.sd > c.contribution.abs()).collect();
    open.sort_by(|a, b| b.sd.total_cmp(&a.sd));
    let names: Vec<&str> = open.iter().take(3).map(|c| c.name.as_str()).collect();
    let about = if names.is_empty() {
        "the alternatives are too close".to_owned()
    } else {
        format!("it is unclear how much these matter to you here: {}", names.join(", "))
    };
    format!(
        "acting now would lose {:.2} in expectation, the bar is {:.2}, and no question is worth its cost; {about}",
        regret, bars.regret_max
    )
}

fn reasons(
    state: &State,
    person: &PersonId,
    belief: &Mixture,
    difference: &[f64],
) -> Result<Vec<Reason>, SessionError> {
    let parts = (0..belief.dimension()).map(|i| (i, belief.part(difference, i).mean()));
    let mut parts: Vec<(usize, f64)> = parts.filter(|(_, c)| *c != 0.0).collect();
    parts.sort_by(|(_, a), (_, b)| b.abs().total_cmp(&a.abs()));
    parts.truncate(REASONS_MAX);
    let unit = |feature: usize| {
        let mut direction = vec![0.0; belief.dimension()];
        direction[feature] = 1.0;
        direction
    };
    let directions: Vec<Vec<f64>> = parts.iter().map(|(feature, _)| unit(*feature)).collect();
    let directions: Vec<&[f64]> = directions.iter().map(Vec::as_slice).collect();
    parts
        .into_iter()
        .zip(influence::ranked_each(state, person, belief, &directions))
        .map(|((feature, contribution), ranked)| {
            let moved = ranked.into_iter().map(|i| i.seq);
            // What a person said of this value in so many words is always a reason.
            let stated = stated(state, person, feature);
            let most = moved.take(EVIDENCE_MAX).filter(|seq| !stated.contains(seq)).collect::<Vec<_>>();
            let evidence: Vec<Seq> = stated.iter().copied().chain(most).collect();
            Ok(Reason { feature: state.feature_name(feature), contribution: Finite::new(contribution)?, evidence })
        })
        .collect()
}

/// What a person said of how much a value matters, the latest first.
fn stated(state: &State, person: &PersonId, feature: usize) -> Vec<Seq> {
    let evidence = state.person(person).into_iter().flat_map(|p| p.evidence());
    let is_about = |form: &Form| match form {
        Form::Importance { value, other, .. } => {
            usize::from(*value) == feature || other.is_some_and(|other| usize::from(other) == feature)
        }
        _ => false,
    };
    let mut said: Vec<Seq> = evidence.filter(|e| is_about(&e.form)).map(|e| e.seq).collect();
    said.reverse();
    said.truncate(EVIDENCE_MAX);
    said
}

/// Records a decision.
///
/// # Errors
/// The home would not take the record.
pub fn record(
    home: &mut Home,
    person: &PersonId,
    task: Option<&TaskId>,
    alternatives: &[AlternativeId],
    decided: &Decided,
    now: Timestamp,
) -> Result<Seq, SessionError> {
    let a = &decided.assessment;
    let record = DecisionMade {
        person: person.clone(),
        task: task.cloned(),
        alternatives: alternatives.to_vec(),
        expected_utility: Finite::vector(&a.expected_utility)?,
        probability_best: a
            .probability_best
            .iter()
            .map(|p| Probability::new(p.clamp(0.0, 1.0)))
            .collect::<Result<_, _>>()?,
        expected_regret: Finite::new(a.expected_regret.max(0.0))?,
        outcome: decided.outcome.clone(),
        reasons: decided.reasons.clone(),
        deliberations: decided.considered.iter().flatten().map(|c| c.deliberation).collect(),
        expected_utility_alone: match &decided.alone {
            Some(alone) => Finite::vector(&alone.expected_utility)?,
            None => Vec::new(),
        },
        moved_by_wording: decided.moved_by_wording.map(Finite::new).transpose()?,
        motives: decided.motives.clone(),
    };
    Ok(home.append(now, Record::DecisionMade(record))?.0.seq)
}
