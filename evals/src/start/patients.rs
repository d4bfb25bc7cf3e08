//! Patients who could get a kidney, judged by the model, and people's choices between two of them.

use credence_priors::LanguageModel;
use credence_priors::reading_cache::ReadingCache;
use credence_priors::readout::{Alternative, read_alternatives};
use credence_priors::schema::ValueSchema;
use statrs::statistics::Statistics;

use super::{Judged, StartError};
use crate::kidney::{ATTRIBUTES, KidneyData};

const ATTRIBUTE_NAMES: [&str; ATTRIBUTES] = ["age", "drinks a day", "dependents"];
const SITUATION: &str = "A hospital has one kidney and several patients who would die without it.";

/// Reads the model's judgement of 54 patients.
///
/// # Errors
/// If a patient cannot be read.
pub fn judged_patients(
    model: &mut dyn LanguageModel,
    schema: &ValueSchema,
    cache: &mut dyn ReadingCache,
    data: KidneyData,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<Judged, StartError> {
    let mut patients = Vec::new();
    for age in [20.0, 30.0, 40.0, 50.0, 60.0, 70.0] {
        for drinks in [1.0, 3.0, 5.0] {
            for dependents in [0.0, 1.0, 2.0] {
                patients.push([age, drinks, dependents]);
            }
        }
    }
    let asked: Vec<Alternative> = patients.iter().map(|p| Alternative::new(Some(SITUATION), &text(p))).collect();
    let readings = read_alternatives(model, schema, &asked, cache, progress)?;
    let n = patients.len();
    let channels = readings.first().map_or(0, |r| r.judgement.len());
    // As in a session: all words together count as much as the contrast, which comes last.
    let share = |c: usize| if c + 1 == channels { 0.5 } else { 0.5 / (channels - 1).max(1) as f64 };
    let mut judgement = vec![0.0; n];
    for c in 0..channels {
        let sd = readings.iter().map(|r| r.judgement[c]).population_std_dev();
        for (sum, reading) in judgement.iter_mut().zip(&readings) {
            *sum += reading.judgement[c] * share(c) / sd.max(1e-9);
        }
    }
    Ok(Judged {
        what: "choices between two patients".into(),
        features: ATTRIBUTE_NAMES.map(str::to_owned).to_vec(),
        judgement,
        things: patients.iter().map(|p| data.patient(*p)).collect(),
        people: data.people,
    })
}

fn text([age, drinks, dependents]: &[f64; ATTRIBUTES]) -> String {
    let plural = |n: f64, one: &str| if n == 1.0 { format!("{n} {one}") } else { format!("{n} {one}s") };
    let family = if *dependents == 0.0 { "no dependents".to_owned() } else { plural(*dependents, "dependent") };
    format!("give the kidney to a patient of {age} years with {} a day and {family}", plural(*drinks, "drink"))
}
