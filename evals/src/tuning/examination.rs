//! What the prior alone predicts after training: on situations, wordings and readouts that were not trained.

use std::collections::BTreeMap;
use std::path::Path;

use credence_agent::bank::BankAlternative;
use credence_agent::opening::{Opening, OpeningError};
use credence_agent::reader::Reader;
use credence_agent::session::record_described;
use credence_memory::belief::simulate::normal;
use credence_memory::home::{Home, Paths};
use credence_memory::ids::PersonId;
use credence_memory::record::Record;
use credence_memory::state::State;
use credence_priors::features::FeatureSpace;
use credence_priors::generation::BaseBank;
use credence_priors::readout::{Alternative, read_judgements};
use credence_priors::schema::ValueSchema;
use credence_tuning::candidate::Folder;
use credence_tuning::measure::{MeasureError, Sight, Trial};
use credence_tuning::work::Progress;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::{TuningError, TuningExperiment, choice, create, epoch, name, readings};
use crate::estimate::Estimate;

/// Templates that judgements are read by here, and are not taught by.
const WORDINGS: [&str; 2] =
    ["{situation} If somebody were to {alternative}, most people would find that", "{situation} To {alternative} is"];

const PARAPHRASES: &str = include_str!("../../../priors/data/paraphrases.jsonl");

/// Mean log score of the prior alone on held-out questions, candidate less base model, nats an answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Examined {
    /// Over people who gave the evidence.
    pub known: Estimate,
    /// Over people who gave none.
    pub newcomers: Estimate,
    /// The base model's mean log score over all of them.
    pub base: f64,
    /// Share of the answers to which the base model and the candidate gave more than a half.
    pub right: [f64; 2],
}

/// A situation that is examined, and the one of which it is the paraphrase.
#[derive(Debug, Clone, Deserialize)]
struct Paraphrase {
    situation: String,
    paraphrase: String,
    alternatives: [String; 2],
}

/// A log of its own with everybody's answers to the paraphrased situations. People answer what the situation means, so by
/// the features of the original wording; the model will read the paraphrase.
pub(super) fn written(
    root: &Path,
    experiment: &TuningExperiment,
    home: &Home,
    reader: &mut Reader,
    people: &[Vec<f64>],
    on_progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<State, TuningError> {
    if Paths::of(root).has_log() {
        return Ok(Home::open(root)?.0.state().clone());
    }
    let state = home.state();
    let header = state.header().ok_or(MeasureError::NoPrior)?.clone();
    let prior = state.elicited().ok_or(MeasureError::NoPrior)?.clone();
    let making = root.with_extension("making");
    let _ = std::fs::remove_dir_all(&making);
    let mut exam = create(&making, header, format!("examination-{}", experiment.seed))?;
    exam.append(epoch(), Record::PriorElicited(prior))?;
    let mut random = ChaCha8Rng::seed_from_u64(experiment.seed);
    random.set_stream(7);
    let paraphrases: Vec<Paraphrase> =
        PARAPHRASES.lines().map(|line| serde_json::from_str(line).expect("every embedded paraphrase is one")).collect();
    for (done, case) in paraphrases.iter().enumerate() {
        on_progress(Progress::Reading { what: "the examination", done, total: paraphrases.len() });
        let plain = |text: &String| BankAlternative::unkeyed(text.clone());
        let alternatives = case.alternatives.each_ref().map(plain);
        let original = reader.describe(&case.situation, &alternatives)?;
        let differences: Vec<f64> =
            original[0].schema.iter().zip(&original[1].schema).map(|(a, b)| a.get() - b.get()).collect();
        let described = reader.describe(&case.paraphrase, &alternatives)?;
        let pair = [described[0].alternative, described[1].alternative];
        record_described(&mut exam, described, epoch()).map_err(TuningError::Home)?;
        for (person, weights) in people.iter().enumerate() {
            let known = person < experiment.people;
            let id = if known { name("known", person)? } else { name("new", person - experiment.people)? };
            let advantage: f64 = weights.iter().zip(&differences).map(|(w, x)| w * x).sum();
            let chosen = usize::from(advantage + normal(&mut random) < 0.0);
            exam.append(epoch(), choice(&id, pair, chosen)?)?;
        }
    }
    drop(exam);
    std::fs::rename(&making, root).map_err(|source| TuningError::File {
        doing: "make",
        path: root.to_owned(),
        source,
    })?;
    Ok(Home::open(root)?.0.state().clone())
}

/// The prior alone of base model and candidate on the examination, by readouts that were not taught.
pub(super) fn examine(
    opening: &Opening,
    state: &State,
    exam: &State,
    folder: &Folder,
    seed: u64,
    on_progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<Examined, TuningError> {
    let mut base = (opening.load)().map_err(OpeningError::Load)?;
    let mut candidate = (opening.load_adapter)(&folder.adapter()).map_err(TuningError::Load)?;
    let elicited = state.elicited().ok_or(MeasureError::NoPrior)?;
    let space: FeatureSpace = serde_json::from_value(elicited.feature_space.clone()).map_err(TuningError::Space)?;
    let asked: Vec<Alternative> = state.descriptions().iter().take(128).map(|d| read(&d.situation, &d.text)).collect();
    let mut cache = readings(opening, &base)?;
    let schema = &opening.schema;
    let other = reworded(schema);
    let mut quiet = |_, _| {};
    let bank = BaseBank::read(&mut base, schema, &space, &asked, &mut cache, &mut quiet)?;
    let trials = trials(exam);
    let mut sights = Vec::new();
    for (what, model) in [("examination, base model", &mut base), ("examination, candidate", &mut candidate)] {
        let mut all: Vec<Alternative> =
            schema.reference.alternatives.iter().map(|text| Alternative::new(None, text)).collect();
        let references = all.len();
        all.extend(bank.alternatives().iter().cloned());
        let banked = all.len();
        all.extend(exam.descriptions().iter().map(|d| read(&d.situation, &d.text)));
        let mut progress = |done, total| on_progress(Progress::Reading { what, done, total });
        let mut read = read_judgements(model, &other, &all, &mut progress)?;
        let examined = read.split_off(banked);
        let in_bank = read.split_off(references);
        let generation = bank.fit(&read, &in_bank)?;
        let width = generation.prior.mean.len();
        let covariance = &generation.prior.covariance;
        let judgements = exam.descriptions().iter().zip(&examined).filter_map(|(d, judgement)| {
            let schema: Vec<f64> = d.schema.iter().map(|x| x.get()).collect();
            Some((d.alternative, generation.reading.residual(&schema, judgement)?))
        });
        let sight = Sight {
            mean: generation.prior.mean.clone(),
            covariance: (0..width).flat_map(|r| covariance[r * width..=r * width + r].to_vec()).collect(),
            judgements: judgements.collect(),
        };
        sights.push(sight.foresee(exam, &trials)?);
    }
    let by_person = |which: usize, prefix: &str| -> Vec<f64> {
        let mut sums: BTreeMap<&PersonId, (f64, f64)> = BTreeMap::new();
        for (trial, foreseen) in trials.iter().zip(&sights[which]) {
            if trial.person.as_str().starts_with(prefix) {
                let (sum, n) = sums.entry(&trial.person).or_default();
                *sum += foreseen.ln_p;
                *n += 1.0;
            }
        }
        sums.values().map(|(sum, n)| sum / n).collect()
    };
    let mean = |v: &[f64]| v.iter().sum::<f64>() / v.len().max(1) as f64;
    let paired = |prefix: &str| Estimate::paired(&by_person(1, prefix), &by_person(0, prefix), seed);
    let right = [0, 1].map(|which: usize| {
        let shares: Vec<f64> = sights[which].iter().map(|f| f64::from(u8::from(f.ln_p > 0.5_f64.ln()))).collect();
        mean(&shares)
    });
    Ok(Examined { known: paired("known"), newcomers: paired("new"), base: mean(&by_person(0, "")), right })
}

fn trials(state: &State) -> Vec<Trial> {
    let of = |(person, known): (&PersonId, &credence_memory::state::Person)| {
        let trial = |e: &credence_memory::evidence::Evidence| Trial { person: person.clone(), evidence: e.clone() };
        known.evidence().iter().map(trial).collect::<Vec<_>>()
    };
    state.people().iter().flat_map(of).collect()
}

fn read(situation: &str, text: &str) -> Alternative {
    Alternative::new((!situation.trim().is_empty()).then_some(situation), text)
}

/// The schema with its judgements asked for in other words than training has.
fn reworded(schema: &ValueSchema) -> ValueSchema {
    let mut other = schema.clone();
    for (judgement, text) in other.judgements.iter_mut().zip(WORDINGS.iter().cycle()) {
        judgement.text = (*text).to_owned();
    }
    other
}
