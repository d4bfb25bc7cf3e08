//! What an adapter is taught, and what a model judges with it or without: the prompts of lessons.

use std::collections::BTreeMap;

use credence_memory::ids::{AlternativeId, Seq};
use credence_priors::acts::KeyedPair;
use credence_priors::model::ModelError;
use credence_training::{
    Adapter, Example, LoraSettings, OptimiserSettings, TrainingError, TrainingSettings, Weights, predict,
};
use credence_tuning::dataset::{DataSet, DataSettings, Lesson, Whose};
use credence_tuning::lessons::{self, Teaching};

use super::{Taken, Taught, WeightsError};

impl Taught {
    pub(super) fn settings(&self, seed: u64) -> TrainingSettings {
        TrainingSettings {
            lora: LoraSettings { top_layers: Some(self.layers), ..LoraSettings::default() },
            optimiser: OptimiserSettings { learning_rate: 1e-3, warmup_steps: 5, ..OptimiserSettings::default() },
            epochs: self.epochs,
            seed,
            ..TrainingSettings::default()
        }
    }
}

pub(super) fn lesson(pair: &KeyedPair, probability: f64, sureness: f64) -> Lesson {
    let texts = [0, 1].map(|i: usize| pair.acts[i].text.clone());
    Lesson {
        situation: pair.situation.clone(),
        alternatives: texts.each_ref().map(|text| AlternativeId::of(&pair.situation, text)),
        texts,
        probability,
        sureness,
        people: Vec::new(),
        conclusion: None,
    }
}

/// The prompts of lessons, as `tune` makes them.
pub(super) struct Prompts {
    data: DataSet,
    teachings: Vec<Teaching>,
    examples: Vec<Example>,
}

/// What a model says of each lesson: log-odds that the first act is the better one.
pub(super) struct Judged {
    pub(super) judgement: Vec<f64>,
    pub(super) pair: Vec<f64>,
}

impl Prompts {
    pub(super) fn of(lessons: Vec<Lesson>, taken: &mut Taken<'_>) -> Result<Self, ModelError> {
        let first = taken.schema.judgements.first().map(|judgement| judgement.id.clone());
        let data = DataSet {
            whose: Whose::Population,
            cutoff: Seq(0),
            settings: DataSettings { judgements: Some(first.into_iter().collect()), ..DataSettings::default() },
            absorbed: BTreeMap::new(),
            held_out: Vec::new(),
            lessons,
        };
        let none = vec![[Vec::new(), Vec::new()]; data.lessons.len()];
        let teachings = lessons::teachings(&data, taken.schema, &none);
        let examples = lessons::examples(&teachings, &[], 0.0, taken.model)?;
        Ok(Self { data, teachings, examples })
    }

    /// Log-odds of the first word of every prompt.
    fn odds(&self, weights: &Weights, adapter: Option<&Adapter>) -> Result<Vec<f64>, TrainingError> {
        let read = predict(weights, adapter, &self.examples, TrainingSettings::default().part_tokens, None)?;
        let odds = read.examples.iter().flat_map(|example| &example.probabilities);
        Ok(odds.map(|p| (f64::from(p[0]).max(1e-9) / f64::from(p[1]).max(1e-9)).ln()).collect())
    }

    /// Every lesson's prompts are about its first and its second act in turn, or in both orders.
    fn signs(&self) -> Vec<f64> {
        let mut at = (None, 0);
        self.teachings
            .iter()
            .map(|teaching| {
                at = if at.0 == teaching.lesson { (at.0, at.1 + 1) } else { (teaching.lesson, 0) };
                if at.1 % 2 == 0 { 1.0 } else { -1.0 }
            })
            .collect()
    }

    pub(super) fn read(&self, weights: &Weights, adapter: Option<&Adapter>) -> Result<Judged, TrainingError> {
        let mut judged =
            Judged { judgement: vec![0.0; self.data.lessons.len()], pair: vec![0.0; self.data.lessons.len()] };
        for ((teaching, odds), sign) in self.teachings.iter().zip(self.odds(weights, adapter)?).zip(self.signs()) {
            let Some(lesson) = teaching.lesson else { continue };
            let of = if teaching.words[0] == " A" { &mut judged.pair } else { &mut judged.judgement };
            of[lesson] += sign * odds;
        }
        Ok(judged)
    }

    /// What an adapter is taught: the labels, about the model's own lean.
    pub(super) fn towards_labels(&self, taken: &mut Taken<'_>) -> Result<Vec<Example>, WeightsError> {
        let mut judgements = vec![[Vec::new(), Vec::new()]; self.data.lessons.len()];
        for ((teaching, odds), sign) in self.teachings.iter().zip(self.odds(taken.weights, None)?).zip(self.signs()) {
            let Some(lesson) = teaching.lesson.filter(|_| teaching.words[0] != " A") else { continue };
            judgements[lesson][usize::from(sign < 0.0)].push(odds);
        }
        let teachings = lessons::teachings(&self.data, taken.schema, &judgements);
        Ok(lessons::examples(&teachings, &[], 0.0, taken.model)?)
    }
}
