//! Does what deliberation over the library concluded, once a person checked it, become what the model judges without deliberation?
//!
//! Questions of the bank are deliberated on with documents of the library at hand. A simulated person, whose values are known, checks
//! what was concluded of one part of them, and a candidate is trained on the conclusions that were checked and agreed with. On the other
//! part nothing is checked. There, each conclusion is compared with how the model judges the two acts alone, before and after, in the
//! words that are taught. The control learns the same answers of the same person, as they are, without what was foreseen.
//!
//! A run goes on where it was broken off: deliberations and checks stand in a log, adapters in their folder.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use credence_agent::bank::{Bank, BankQuestion};
use credence_agent::conclusion::{self, ConclusionError, with_what_was_foreseen};
use credence_agent::consider::{ConsiderError, Consideration, consider};
use credence_agent::library::{Document, LibraryError, read, reliability};
use credence_agent::opening::{Opening, OpeningError};
use credence_agent::session::record_described;
use credence_agent::wording::reworded;
use credence_memory::belief::Mixture;
use credence_memory::home::{Home, HomeError};
use credence_memory::ids::{AlternativeId, Hash, PersonId, Seq};
use credence_memory::record::Record;
use credence_memory::state::State;
use credence_priors::readout::{Alternative, read_judgements};
use credence_priors::{LanguageModel, ModelHandle};
use credence_training::{Control, TrainingSettings, Weights, train};
use credence_tuning::candidate::TuneSettings;
use credence_tuning::dataset::{DataSet, DataSettings, Lesson, Split, Whose, build};
use credence_tuning::lessons;
use credence_tuning::work::{CandidateBuilder, Progress, WorkError};
use serde::{Deserialize, Serialize};

use crate::estimate::Estimate;
use crate::figures::{Figure, Measured};
use crate::recovery::learner::Instrument;
use crate::recovery::people::Simulated;
use crate::recovery::{RecoveryError, RecoveryOptions};
use crate::tuning::{TuningError, opened_as, readings, time};

/// The person who checks.
const PERSON: &str = "checker";

/// How the experiment goes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct SystemOneOptions {
    /// Questions that are deliberated on.
    pub questions: usize,
    /// Share of them that nothing is taught of.
    pub held_out_share: f64,
    /// Tokens of a deliberation, for both acts together.
    pub tokens: usize,
    /// Passes over what is taught.
    pub epochs: usize,
    /// Seed of the person, of what is written and of training.
    pub seed: u64,
    /// Whether conclusions are taught firmly, and turned round as the control: see [`firm`].
    #[serde(default)]
    pub firm: bool,
}

impl Default for SystemOneOptions {
    fn default() -> Self {
        Self { questions: 60, held_out_share: 0.5, tokens: 120, epochs: 4, seed: 1, firm: false }
    }
}

/// How a model judges acts alone, beside what deliberation concluded; figures over questions of which nothing was taught.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct SystemOneRow {
    /// What was taught.
    pub taught: String,
    /// Lessons.
    pub lessons: usize,
    /// Log-odds by which the model holds the act that deliberation puts first to be better, alone; nats.
    pub lean: Estimate,
    /// The same less the base model's, question by question.
    pub moved: Estimate,
    /// Share of questions in which the model alone puts the same act first.
    pub agrees: Estimate,
    /// Share in which it puts first what the person holds to be better.
    pub right: Estimate,
    /// Log-odds towards the conclusion on the questions that were taught, less the base model's.
    pub moved_on_taught: Option<Estimate>,
    /// Log-odds towards the conclusion less those after the control, question by question: what the labels did, apart from what training
    /// does whatever it teaches.
    #[serde(default)]
    pub less_control: Option<Estimate>,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct SystemOneResult {
    /// What was asked for.
    pub options: SystemOneOptions,
    /// Which model.
    pub model: String,
    /// Documents at hand.
    pub documents: usize,
    /// Questions of which both acts were deliberated on.
    pub deliberated: usize,
    /// Deliberations that had a passage of the library before the model.
    pub citing: usize,
    /// Conclusions that the person checked.
    pub checked: usize,
    /// Of them, those that agreed and were taught.
    pub taught: usize,
    /// Questions that are measured.
    pub held_out: usize,
    /// Share of held-out conclusions that the person agrees with.
    pub conclusions_right: Estimate,
    /// The base model, and the model after each way of teaching.
    pub rows: Vec<SystemOneRow>,
}

impl Measured for SystemOneResult {
    fn figures(&self) -> Vec<Figure> {
        let data = "held-out questions";
        let mut figures =
            vec![Figure::new(data, "deliberation", "", "share of conclusions agreed with", self.conclusions_right)];
        for row in &self.rows {
            let mut add = |measure, estimate| figures.push(Figure::new(data, &row.taught, "", measure, estimate));
            add("log-odds towards the conclusion, nats", row.lean);
            add("log-odds towards the conclusion less the base model's, nats", row.moved);
            add("share that agrees with the conclusion", row.agrees);
            add("share that agrees with the person", row.right);
            figures.extend(row.less_control.map(|less| {
                let measure = "log-odds towards the conclusion less the control's, nats";
                Figure::new(data, &row.taught, "", measure, less)
            }));
            figures.extend(row.moved_on_taught.map(|moved| {
                let measure = "log-odds towards the conclusion less the base model's, nats";
                Figure::new("taught questions", &row.taught, "", measure, moved)
            }));
        }
        figures
    }
}

/// Why the experiment could not go on.
#[derive(Debug, thiserror::Error)]
pub enum SystemOneError {
    /// As the experiment on tuning.
    #[error(transparent)]
    Tuning(#[from] TuningError),
    /// The person could not be simulated.
    #[error(transparent)]
    Person(#[from] RecoveryError),
    /// Deliberation failed.
    #[error(transparent)]
    Consider(#[from] ConsiderError),
    /// A conclusion could not be checked.
    #[error(transparent)]
    Conclusion(#[from] ConclusionError),
    /// A document could not be read.
    #[error(transparent)]
    Library(#[from] LibraryError),
    /// Too few questions on a side.
    #[error("{found} {what}; at least {needed} are needed: give more --questions")]
    TooFew {
        /// Of what.
        what: &'static str,
        /// How many there are.
        found: usize,
        /// How many are needed.
        needed: usize,
    },
}

/// What goes through the error of tuning.
fn tuning<E>(error: E) -> SystemOneError
where
    TuningError: From<E>,
{
    SystemOneError::Tuning(TuningError::from(error))
}

/// A question that was deliberated on.
struct Case {
    situation: String,
    texts: [String; 2],
    pair: [AlternativeId; 2],
    deliberated: [Seq; 2],
    /// Whether the person holds the first to be better.
    first_is_better: bool,
}

/// Runs the experiment in a folder, or what is left of it.
///
/// # Errors
/// As [`SystemOneError`] says; what was done stays in the folder.
pub fn run(
    dir: &Path,
    options: &SystemOneOptions,
    documents: &[Document],
    opening: &Opening,
    model_file: &Path,
    cancel: &AtomicBool,
    on_progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<SystemOneResult, SystemOneError> {
    let identity = format!("system-one-{}", options.seed);
    let mut home = opened_as(&dir.join("home"), identity, opening, on_progress)?;
    let now = time(home.state());
    let layout =
        home.state().epoch().ok_or(credence_tuning::measure::MeasureError::NoPrior).map_err(tuning)?.layout.clone();
    for document in documents {
        let added = read(document, &layout, &[], reliability(document.kind))?.added;
        if home.state().library().document(&added.document).is_none() {
            home.append(now, Record::DocumentAdded(added)).map_err(tuning)?;
        }
    }
    let settings = DataSettings { held_out_share: options.held_out_share, ..DataSettings::default() };
    let split = Split::of(home.state(), &settings);
    let cases = deliberate(&mut home, options, opening, cancel, on_progress)?;
    let (held_out, taught): (Vec<Case>, Vec<Case>) =
        cases.into_iter().partition(|case| split.holds_out(&case.situation, &case.pair));
    let known: Vec<[Seq; 2]> = home.state().conclusions().values().map(|c| c.deliberated).collect();
    for case in &taught {
        let better = usize::from(!case.first_is_better);
        let [better, other] = [case.deliberated[better], case.deliberated[1 - better]];
        if !known.contains(&[better, other]) {
            let now = time(home.state());
            conclusion::check(&mut home, better, other, now)?;
        }
    }
    for (what, found) in [("questions are held out", held_out.len()), ("questions are taught", taught.len())] {
        if found < 4 {
            return Err(SystemOneError::TooFew { what, found, needed: 4 });
        }
    }
    let state = home.state();
    let person = PersonId::new(PERSON).map_err(tuning)?;
    let data = build(state, &Whose::Person(person.clone()), &settings).map_err(tuning)?;
    let with =
        DataSet { lessons: data.lessons.iter().filter(|l| l.conclusion.is_some()).cloned().collect(), ..data.clone() };
    // The same pairs by the same answers, judged alone.
    let mut alone = build(&without_conclusions(&home)?, &Whose::Person(person.clone()), &settings).map_err(tuning)?;
    alone.lessons.retain(|l| with.lessons.iter().any(|other| other.alternatives == l.alternatives));
    if with.lessons.len() < 4 {
        let (what, found) = ("checked conclusions agree", with.lessons.len());
        return Err(SystemOneError::TooFew { what, found, needed: 4 });
    }
    let belief = state.belief(&person).map_err(tuning)?;
    let concluded = |cases: &[Case]| -> Vec<f64> { cases.iter().map(|case| sign(state, &belief, case)).collect() };
    let (signs, taught_signs) = (concluded(&held_out), concluded(&taught));
    let mut base = (opening.load)().map_err(|e| tuning(OpeningError::Load(e)))?;
    let model = base.describe().name;
    let before = judged(&mut base, opening, &held_out, "held-out questions, base model", on_progress)?;
    let before_taught = judged(&mut base, opening, &taught, "taught questions, base model", on_progress)?;
    drop(base);
    let agreed: Vec<f64> =
        held_out.iter().zip(&signs).map(|(c, sign)| one((*sign > 0.0) == c.first_is_better)).collect();
    let row = |taught: &str, lessons: usize, after: &[f64], on_taught: Option<&[f64]>| {
        let towards =
            |judged: &[f64], signs: &[f64]| -> Vec<f64> { judged.iter().zip(signs).map(|(d, s)| d * s).collect() };
        let lean = towards(after, &signs);
        let right: Vec<f64> = held_out.iter().zip(after).map(|(c, d)| one((*d > 0.0) == c.first_is_better)).collect();
        let agrees: Vec<f64> = lean.iter().map(|lean| one(*lean > 0.0)).collect();
        SystemOneRow {
            taught: taught.to_owned(),
            lessons,
            lean: Estimate::bootstrap(&lean, options.seed),
            moved: Estimate::paired(&lean, &towards(&before, &signs), options.seed),
            agrees: Estimate::bootstrap(&agrees, options.seed),
            right: Estimate::bootstrap(&right, options.seed),
            moved_on_taught: on_taught.map(|after| {
                let (after, before) = (towards(after, &taught_signs), towards(&before_taught, &taught_signs));
                Estimate::paired(&after, &before, options.seed)
            }),
            less_control: None,
        }
    };
    let mut rows = vec![row("nothing: the base model", 0, &before, None)];
    let ways = if options.firm {
        [
            ("checked conclusions, firmly", "firm", firm(&with, false)),
            ("the same turned round", "turned", firm(&with, true)),
        ]
    } else {
        [
            ("checked conclusions", "conclusions", with.clone()),
            ("the same answers, without deliberation", "answers", alone),
        ]
    };
    let training = training(options);
    let mut leans = Vec::new();
    for (name, file, data) in &ways {
        // What was taught is in the name: other lessons, or other training, are another adapter.
        let lessons = Hash::of(format!("{} {training:?}", data.hash()).as_bytes()).to_string();
        let adapter = dir.join(format!("{file}-{}.gguf", &lessons[..12]));
        if !adapter.exists() {
            teach(&adapter, state, data, &training, opening, model_file, cancel, on_progress)?;
        }
        let mut model = (opening.load_adapter)(&adapter).map_err(|e| tuning(OpeningError::Load(e)))?;
        let after = judged(&mut model, opening, &held_out, "held-out questions, after", on_progress)?;
        let on_taught = judged(&mut model, opening, &taught, "taught questions, after", on_progress)?;
        rows.push(row(name, data.lessons.len(), &after, Some(&on_taught)));
        leans.push(after.iter().zip(&signs).map(|(d, s)| d * s).collect::<Vec<f64>>());
    }
    rows[1].less_control = Some(Estimate::paired(&leans[0], &leans[1], options.seed));
    Ok(SystemOneResult {
        options: options.clone(),
        model,
        documents: state.library().len(),
        deliberated: held_out.len() + taught.len(),
        citing: state.deliberations().values().filter(|d| !d.made.library.is_empty()).count(),
        checked: taught.len(),
        taught: with.lessons.len(),
        held_out: held_out.len(),
        conclusions_right: Estimate::bootstrap(&agreed, options.seed),
        rows,
    })
}

/// Probability of what a person checked, where it is taught firmly: they may have slipped.
const FIRM: f64 = 0.9;
/// The rate at which that is taught, beside that of fine-tuning.
const FIRM_RATE: f64 = 2.0;
/// Weight of obvious pairs that are to stay as they are judged: twice that of fine-tuning.
const FIRM_OBVIOUS: f32 = 1.0;

/// Lessons as a person's word, and not as what the posterior predicts: the conclusion that was checked has probability [`FIRM`] and
/// full weight, in the situation's own words and framed in the others that the agent uses to see whether a judgement depends on them.
/// Turned round, each says the opposite; how far the two move a judgement apart is what the labels did.
fn firm(data: &DataSet, turned: bool) -> DataSet {
    let said = |lesson: &Lesson| {
        let first = (lesson.probability > 0.5) != turned;
        let probability = if first { FIRM } else { 1.0 - FIRM };
        let framed = std::iter::once(lesson.situation.clone()).chain(reworded(&lesson.situation));
        let framed = framed.map(|situation| Lesson { situation, probability, sureness: 1.0, ..lesson.clone() });
        framed.collect::<Vec<_>>()
    };
    let mut firm = DataSet { lessons: data.lessons.iter().flat_map(said).collect(), ..data.clone() };
    firm.settings.obvious_pairs = firm.settings.obvious_pairs.max(FIRM_OBVIOUS);
    firm
}

/// How an adapter is trained: as fine-tuning does, and faster where conclusions are taught firmly.
fn training(options: &SystemOneOptions) -> TrainingSettings {
    let mut training =
        TrainingSettings { seed: options.seed, epochs: options.epochs, ..TuneSettings::default().training };
    if options.firm {
        training.optimiser.learning_rate *= FIRM_RATE;
    }
    training
}

fn one(holds: bool) -> f64 {
    f64::from(u8::from(holds))
}

/// 1 if the first act is better with what was foreseen of both, else -1.
fn sign(state: &State, belief: &Mixture, case: &Case) -> f64 {
    let layout = state.epoch().map(|epoch| &epoch.layout);
    let difference = layout.and_then(|layout| with_what_was_foreseen(state, layout, case.deliberated));
    if difference.is_some_and(|d| belief.functional(&d.mean).probability_positive() > 0.5) { 1.0 } else { -1.0 }
}

/// The log as it would be had nobody said on which deliberations their answers rest.
fn without_conclusions(home: &Home) -> Result<State, SystemOneError> {
    let mut state = State::new();
    for entry in home.entries().map_err(tuning)? {
        let entry = entry.map_err(HomeError::from).map_err(tuning)?;
        if !matches!(entry.record, Record::ConclusionChecked(_)) {
            state.note(&entry).map_err(tuning)?;
        }
    }
    Ok(state)
}

/// Deliberates on both acts of the first questions of the bank, as far as that was not done; gives those of which both were.
fn deliberate(
    home: &mut Home,
    options: &SystemOneOptions,
    opening: &Opening,
    cancel: &AtomicBool,
    on_progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<Vec<Case>, SystemOneError> {
    let bank = Bank::built_in();
    let values: Vec<&str> = opening.schema.values.iter().map(|v| v.id.as_str()).collect();
    let instrument = Instrument::new(&bank, &values)?;
    let person = Simulated::draw(&instrument, &RecoveryOptions { seed: options.seed, ..RecoveryOptions::default() }, 0);
    let of_two = |q: &&BankQuestion| q.alternatives.len() == 2 && q.is_keyed() && !q.situation.trim().is_empty();
    let questions: Vec<BankQuestion> = bank.questions.iter().filter(of_two).take(options.questions).cloned().collect();
    let prior = home.state().elicited().ok_or(credence_tuning::measure::MeasureError::NoPrior).map_err(tuning)?.clone();
    let mut reader = opening.reader(&(&prior).into(), &[], &mut |_| {}).map_err(tuning)?;
    let who = PersonId::new(PERSON).map_err(tuning)?;
    let mut cases = Vec::new();
    for (done, question) in questions.iter().enumerate() {
        on_progress(Progress::Reading { what: "deliberating", done, total: questions.len() });
        if cancel.load(std::sync::atomic::Ordering::Relaxed) {
            return Err(tuning(WorkError::Cancelled));
        }
        let texts = [0, 1].map(|i: usize| question.alternatives[i].text.clone());
        let pair = texts.each_ref().map(|text| AlternativeId::of(&question.situation, text));
        let written = |state: &State| -> Option<[Seq; 2]> {
            let of = |id: &AlternativeId| {
                state.deliberations().iter().find(|(_, d)| d.made.alternative == *id).map(|(seq, _)| *seq)
            };
            Some([of(&pair[0])?, of(&pair[1])?])
        };
        if written(home.state()).is_none() {
            let plain: Vec<_> = texts.iter().map(credence_agent::bank::BankAlternative::unkeyed).collect();
            let described = reader.describe(&question.situation, &plain).map_err(tuning)?;
            let now = time(home.state());
            record_described(home, described, now).map_err(tuning)?;
            let what = Consideration {
                person: who.clone(),
                task: None,
                situation: question.situation.clone(),
                charter: opening.charter.clone(),
                tokens_max: options.tokens,
                seed: options.seed,
                states: opening.readings.clone(),
            };
            let now = time(home.state());
            let go_on = &mut |_| std::ops::ControlFlow::Continue(());
            consider(home, &mut reader, &what, &pair, go_on, now)?;
        }
        // A reply of which nothing was usable is no deliberation.
        if let Some(deliberated) = written(home.state()) {
            let first_is_better = person.utility(&pair[0]) > person.utility(&pair[1]);
            cases.push(Case { situation: question.situation.clone(), texts, pair, deliberated, first_is_better });
        }
    }
    Ok(cases)
}

/// By question, how much better the first act is judged than the second, alone: the mean over judgements in words of the difference of
/// their log-odds. The contrast, which comes last, is left out: it is not taught.
fn judged(
    model: &mut ModelHandle,
    opening: &Opening,
    cases: &[Case],
    what: &'static str,
    on_progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<Vec<f64>, SystemOneError> {
    let both = |c: &Case| c.texts.each_ref().map(|text| Alternative::new(Some(&c.situation), text));
    let asked: Vec<Alternative> = cases.iter().flat_map(both).collect();
    let mut progress = |done, total| on_progress(Progress::Reading { what, done, total });
    let read = read_judgements(model, &opening.schema, &asked, &mut progress).map_err(tuning)?;
    let words: usize = opening.schema.judgements.iter().map(|j| j.poles.len()).sum();
    let mean = |judgement: &[f64]| judgement.iter().take(words).sum::<f64>() / words.max(1) as f64;
    Ok(read.chunks_exact(2).map(|pair| mean(&pair[0]) - mean(&pair[1])).collect())
}

/// Trains an adapter on lessons, with what `tune` rehearses beside them.
#[allow(clippy::too_many_arguments, reason = "all of it is what training takes")]
fn teach(
    adapter: &Path,
    state: &State,
    data: &DataSet,
    settings: &TrainingSettings,
    opening: &Opening,
    model_file: &Path,
    cancel: &AtomicBool,
    on_progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<(), SystemOneError> {
    let mut base = (opening.load)().map_err(|e| tuning(OpeningError::Load(e)))?;
    let mut cache = readings(opening, &base)?;
    let load = |path: PathBuf| (opening.load_adapter)(&path);
    let mut builder = CandidateBuilder {
        state,
        schema: &opening.schema,
        model_file,
        base: base.clone(),
        load: &load,
        readings: &mut cache,
        adapter_of: &|_| None,
        threads: None,
        cancel,
        motives: None,
    };
    let teachings = builder.teachings(data, on_progress).map_err(tuning)?;
    let failed = |error: credence_priors::ModelError| tuning(WorkError::Model(error));
    let rehearsal = lessons::rehearsal(&mut base, data.settings.own_outputs, settings.seed).map_err(failed)?;
    let examples = lessons::examples(&teachings, &rehearsal, data.settings.weights[2], &mut base).map_err(failed)?;
    drop((builder, base));
    let failed = |error| tuning(WorkError::Training(error));
    let weights = Weights::load(model_file).map_err(failed)?;
    let mut progress = |p: &credence_training::Progress| {
        on_progress(Progress::Training {
            step: p.step,
            steps: p.steps,
            loss: p.loss,
            tokens_per_second: p.tokens_per_second,
        });
    };
    let mut control = Control { progress: Some(&mut progress), cancel: Some(cancel), ..Control::default() };
    let trained = train(&weights, &examples, settings, &mut control).map_err(failed)?;
    if !trained.finished {
        return Err(tuning(WorkError::Cancelled));
    }
    trained.adapter.write(adapter).map_err(failed)
}
