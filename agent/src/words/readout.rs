//! Which value a phrase is about, by the model: how much likelier the phrase makes each value's name at the next token.

use credence_priors::{LanguageModel, ModelError, Reading};

use super::Cues;

/// Beginnings after which a value's name is read; `{}` is the phrase.
const TEMPLATES: [&str; 2] =
    ["\"{}\" The value that this is about is", "Someone speaks of {}. What matters to them is"];
/// Phrases without meaning, against which likelihoods are centred.
const NEUTRAL: [&str; 3] = ["it", "something", "the thing"];
/// The best value must be ahead of the second by so many nats; else nothing is said.
const MARGIN_NATS: f64 = 0.5;

/// The value that a phrase is about, if the model tells one from all others.
///
/// # Errors
/// If the model fails.
pub fn value_of(model: &mut dyn LanguageModel, cues: &Cues, phrase: &str) -> Result<Option<usize>, ModelError> {
    let scores = scores(model, cues, phrase)?;
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
    Ok(match order[..] {
        [only] => Some(only),
        [first, second, ..] if scores[first] - scores[second] >= MARGIN_NATS => Some(first),
        _ => None,
    })
}

/// For each value, ln p of its name after the phrase less that after phrases without meaning, averaged over templates; nats.
///
/// # Errors
/// If the model fails.
pub fn scores(model: &mut dyn LanguageModel, cues: &Cues, phrase: &str) -> Result<Vec<f64>, ModelError> {
    let names: Vec<String> = (0..cues.len()).map(|v| format!(" {}", key_word(cues.name(v)))).collect();
    let phrases = std::iter::once(phrase).chain(NEUTRAL);
    let readings: Vec<Reading> = phrases
        .flat_map(|p| TEMPLATES.map(|t| Reading { prompt: t.replace("{}", p), continuations: names.clone() }))
        .collect();
    let read = model.read(&readings)?;
    let (said, neutral) = read.split_at(TEMPLATES.len());
    let mean = |rows: &[credence_priors::Readout], v: usize| {
        rows.iter().map(|row| row.ln_p[v]).sum::<f64>() / rows.len() as f64
    };
    Ok((0..names.len()).map(|v| mean(said, v) - mean(neutral, v)).collect())
}

/// The word of a name that says what it is about: "authority" of "respect for authority".
fn key_word(name: &str) -> &str {
    name.rsplit(' ').next().unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use credence_priors::schema::ValueSchema;
    use credence_priors::scripted::Scripted;

    #[test]
    fn a_phrase_goes_to_the_value_it_makes_likelier_or_to_none() {
        let cues = Cues::of(&ValueSchema::embedded());
        let mut model = Scripted::hashed(1).with_noise(0.01).with_tilt("the hives", "nature", 3.0);
        let found = value_of(&mut model, &cues, "the hives").expect("scripted");
        assert_eq!(found.map(|v| cues.id(v)), Some("nature"));
        assert_eq!(value_of(&mut model, &cues, "the parcel").expect("scripted"), None);
    }
}
