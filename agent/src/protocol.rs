//! What passes between a session and the person's side of it: the screen, plain lines, a file of answers, a simulated person.
//!
//! The session sends [`Shown`], the person's side sends [`Said`]. Both are data, so `--json` prints exactly what the screen draws.
//!
//! # Turns
//!
//! A session opens with [`Shown::Opened`]. [`Shown::Question`] and [`Shown::Confirm`] give the person the turn. One [`Said`] takes it back, except
//! that [`Said::Why`] and [`Said::Values`] leave open what was open; [`Shown::gives_turn_after`] says what gives it again. So after every answer,
//! statement and undo the session sends, after whatever it moved, the question that now stands, even when it is the same one: an answer can then
//! never fall on a question that the person has not seen. [`Said::Stop`] may come at any time, and the person's side hanging up means the same.

use credence_memory::record::QuestionKind;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a session shows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "shown", rename_all = "snake_case")]
pub enum Shown {
    /// The session begins: who sits down, and what is believed so far.
    Opened(OpenedView),
    /// Something slow goes on in the background or before the first question.
    Progress(Progress),
    /// A question to answer.
    Question(QuestionView),
    /// What the last evidence moved.
    Moved(MovedView),
    /// Why the open question was chosen.
    Why(WhyView),
    /// The values as now believed.
    Values(ValuesView),
    /// A line of plain information.
    Notice {
        /// The line.
        text: String,
    },
    /// Something that was said could not be used; nothing was recorded. The open question stays open.
    Problem {
        /// What was wrong and what was expected.
        text: String,
    },
    /// A reading of free words, to be confirmed.
    Confirm(ConfirmView),
    /// The end of the session.
    Summary(SummaryView),
}

impl Shown {
    /// Whether this gives the turn to the person, who last said `said` (`None`: nothing yet).
    pub fn gives_turn_after(&self, said: Option<&Said>) -> bool {
        match self {
            Self::Question(_) | Self::Confirm(_) => true,
            Self::Problem { .. } => said.is_some(),
            Self::Why(_) => said == Some(&Said::Why),
            Self::Values(_) => said == Some(&Said::Values),
            Self::Opened(_) | Self::Progress(_) | Self::Moved(_) | Self::Notice { .. } | Self::Summary(_) => false,
        }
    }
}

/// Who sits down, and what is believed before the first question.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct OpenedView {
    /// The person's name or id.
    pub name: String,
    /// The values as believed now, earlier sessions included.
    pub values: ValuesView,
    /// What is believed about the person beyond the values.
    pub person: PersonView,
}

/// Progress of something slow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Progress {
    /// What is being done: "reading alternatives".
    pub what: String,
    /// How many are done.
    pub done: u64,
    /// Of how many.
    pub total: u64,
}

/// A question as shown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct QuestionView {
    /// 1 for the first question of the session.
    pub number: usize,
    /// What kind of answer it asks for.
    #[schema(value_type = String)]
    pub kind: QuestionKind,
    /// The situation's text; may be empty.
    pub situation: String,
    /// The alternatives in the order shown.
    pub alternatives: Vec<String>,
    /// What the levels of a portrait are called, the lowest first; empty for other kinds.
    pub levels: Vec<String>,
    /// Whether "no preference" may be answered.
    pub indifference_offered: bool,
    /// Expected information gain, nats.
    pub gain_nats: f64,
    /// Whether it is asked again on purpose.
    pub reask: bool,
    /// The most questions that can come after this one; nothing where there is no end to them.
    pub remaining: Option<usize>,
}

impl QuestionView {
    /// What a number answers with: an alternative, or the level of a portrait.
    pub fn choices(&self) -> &[String] {
        if self.kind == QuestionKind::Portrait { &self.levels } else { &self.alternatives }
    }

    /// What is asked about the alternatives, where a situation does not say it: a sentence before them, and one after.
    pub fn words(&self) -> (&'static str, &'static str) {
        match self.kind {
            QuestionKind::Choice => ("", ""),
            QuestionKind::Portrait => ("Think of someone for whom it matters to", "How much is that person like you?"),
            QuestionKind::BestAndWorst => ("Which of these matters most to you, and which matters least?", ""),
        }
    }
}

/// A value as believed: its weight less the mean weight of the schema's values, under the mixture, in reference standard
/// deviations of a weight. 0 is the person's own average; the unit is fixed by the log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ValueView {
    /// The value's id.
    pub id: String,
    /// Its name for people.
    pub name: String,
    /// Posterior mean.
    pub mean: f64,
    /// Lower end of the 90% interval.
    pub low: f64,
    /// Upper end of the 90% interval.
    pub high: f64,
    /// Mean before this person's first evidence.
    pub prior_mean: f64,
    /// Lower end of the 90% interval before.
    pub prior_low: f64,
    /// Upper end of the 90% interval before.
    pub prior_high: f64,
    /// Probability that it matters more to the person than their values do on average.
    pub probability_above: f64,
    /// Its place among the person's values by the mean; 1 is the first.
    pub rank: usize,
    /// Whether the 90% interval excludes the person's average.
    pub sure: bool,
}

/// All values, in the schema's order.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ValuesView {
    /// The values.
    pub values: Vec<ValueView>,
    /// Answers of this person that count.
    pub answers: usize,
    /// Statements of this person about what matters that count.
    pub statements: usize,
}

/// What one piece of evidence moved.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct MovedView {
    /// Sequence number of the evidence record, or of the retraction.
    pub seq: u64,
    /// In words: "you chose: return the wallet".
    pub said: String,
    /// Probability that had been given to this answer; absent for retractions.
    pub predicted: Option<f64>,
    /// The values that moved most, largest first: id, name, change of the mean, change of the interval's width.
    pub changes: Vec<ValueChange>,
    /// All values after it.
    pub values: ValuesView,
    /// How consistent this person is believed to be.
    pub person: PersonView,
}

/// How one value moved.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ValueChange {
    /// The value's id.
    pub id: String,
    /// Its name for people.
    pub name: String,
    /// Change of the posterior mean.
    pub mean_change: f64,
    /// Change of the 90% interval's width; negative when surer.
    pub width_change: f64,
}

/// What is believed about the person beyond the values.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PersonView {
    /// Predicted probability of giving the same answer again to a typical question; absent until two alternatives are described that could
    /// be asked about.
    pub consistency: Option<f64>,
    /// Posterior mass on low signal: answers that values hardly explain.
    pub low_signal: f64,
    /// Expected lapse rate.
    pub lapse_rate: f64,
    /// Posterior mass on the model's prior.
    pub trust_in_model: f64,
    /// Posterior mass on what the library's documents say of people in general; absent without documents.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_documents: Option<f64>,
}

/// Why a question was chosen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct WhyView {
    /// One or two sentences.
    pub text: String,
    /// Expected information gain, nats.
    pub gain_nats: f64,
    /// Predicted probability of each answer: first, [no preference,] second; each level of a portrait; each of several to matter most.
    pub predicted: Vec<f64>,
    /// Values whose weights decide between the alternatives: name and contribution to the utility difference, largest first.
    pub values: Vec<Contribution>,
    /// Its rank among how many candidates.
    pub candidates: usize,
}

/// A value's part in a difference of utility.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Contribution {
    /// The feature's name.
    pub name: String,
    /// Expected contribution, noise units; positive speaks for the first alternative.
    pub contribution: f64,
    /// Its standard deviation.
    pub sd: f64,
}

/// A reading of free words.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ConfirmView {
    /// The reading in one sentence: "honesty matters more to you than comfort: right?"
    pub text: String,
    /// What else the words might mean; [`Said::Choose`] picks one of these instead.
    pub others: Vec<String>,
}

/// The end of a session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SummaryView {
    /// Why it ended.
    pub reason: String,
    /// Answers given in this session that still count.
    pub answers: usize,
    /// Statements about what matters, made in this session, that still count.
    pub statements: usize,
    /// The values.
    pub values: ValuesView,
    /// Names of the values of which it is not sure that they matter more, or less, than the person's average.
    pub unsure: Vec<String>,
    /// The person beyond the values.
    pub person: PersonView,
    /// Mean log loss of the predictions made before each answer, nats; absent without answers.
    pub log_loss: Option<f64>,
    /// What can be said of the person after all their sessions.
    pub page: Box<PageView>,
    /// Where the log stands.
    pub log: String,
}

/// What surprised, what is open, how well the person was predicted: after all their sessions.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PageView {
    /// How well answers were predicted before they came; absent without answers.
    pub predicted: Option<PredictedView>,
    /// Answers that were predicted least, the least likely first.
    pub surprises: Vec<SurpriseView>,
    /// Values of which it is not sure yet whether they matter more or less than the person's average, the most open first.
    pub open: Vec<OpenView>,
}

/// Predictions made before each answer, beside guesses.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PredictedView {
    /// Answers that were predicted.
    pub answers: usize,
    /// Mean log loss, nats.
    pub log_loss: f64,
    /// The same of all answers being equally likely.
    pub log_loss_uniform: f64,
    /// The same of the best constant in hindsight: how often each level was given, and how often "no preference".
    pub log_loss_constant: f64,
    /// What the predictions gained over the best constant, in standard errors; absent with fewer than eight answers.
    pub gain_in_errors: Option<f64>,
}

impl PredictedView {
    /// Whether the predictions were better than the best constant (`Some(true)`), worse, or neither as far as can be told.
    pub fn is_better(&self) -> Option<bool> {
        self.gain_in_errors.filter(|errors| errors.abs() > 1.64).map(|errors| errors > 0.0)
    }
}

/// An answer that was predicted little.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SurpriseView {
    /// The evidence record.
    pub seq: u64,
    /// In words.
    pub said: String,
    /// Probability that had been given to it.
    pub predicted: f64,
}

/// A value that is still open.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct OpenView {
    /// Its id.
    pub id: String,
    /// Its name for people.
    pub name: String,
    /// Questions not asked yet that would tell most about it, in words.
    pub questions: Vec<String>,
}

/// What the person's side says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "said", rename_all = "snake_case")]
pub enum Said {
    /// The alternative at this 0-based index of the question shown.
    Choose {
        /// Which.
        index: usize,
    },
    /// No preference.
    NoPreference,
    /// How much a portrait is like the person.
    Rate {
        /// From 1, not at all, to the number of levels.
        level: u32,
    },
    /// What matters most and what matters least of several.
    BestAndWorst {
        /// 0-based index of the one that matters most.
        best: usize,
        /// 0-based index of the one that matters least.
        worst: usize,
    },
    /// Pass over the question.
    Skip,
    /// What matters, in words. Such as "honesty > privacy" or "honesty matters a lot" count at once; any other sentence is read and shown back with
    /// [`Shown::Confirm`]. Said to a [`Shown::Confirm`], structured words are what was meant instead.
    Important {
        /// The words.
        words: String,
    },
    /// Yes to a [`Shown::Confirm`].
    Yes,
    /// No to a [`Shown::Confirm`]: the reading is dropped. [`Said::Skip`] leaves it unconfirmed.
    No,
    /// Why this question?
    Why,
    /// Withdraw the last evidence.
    Undo,
    /// Show the values.
    Values,
    /// End the session.
    Stop,
}
