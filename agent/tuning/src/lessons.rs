//! A data set in the trainer's terms: prompts as the model is read, soft labels, tokens.
//!
//! A lesson says that the first of two alternatives is preferred with probability `p`. It is taught in two ways:
//! - by *contrast readout*: after each judgement template the log-odds of the approving word are to be
//!   `lean + logit(p) / 2` for the first alternative and `lean - logit(p) / 2` for the second, so that they differ by
//!   `logit(p)`; `lean` is what the base model reads on average over the two, so its own lean towards a word stays;
//! - by *pair prompt*, "which is better, A or B?", in both orders, so that no letter is taught.

use credence_priors::controls::neutral_passages;
use credence_priors::readout::Alternative;
use credence_priors::schema::{ValueSchema, fill};
use credence_priors::{Completion, CompletionRequest, LanguageModel, ModelError, Prompt};
use credence_training::{Among, Example, Target};
use serde::{Deserialize, Serialize};

use super::dataset::DataSet;

/// Log-odds that a label may ask for, in nats, at most.
const LOGIT_MAX: f64 = 4.0;
/// Words of a passage that the base model goes on from when it writes text to rehearse.
const GIVEN_WORDS: usize = 8;

/// One prompt and the two words that may follow it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Teaching {
    /// What the model reads.
    pub prompt: String,
    /// The two words, each with its leading space.
    pub words: [String; 2],
    /// Probability of the first word, given one of them.
    pub probability: f64,
    /// Weight in the loss: how sure the posterior is, times the weight of this kind of prompt.
    pub weight: f32,
    /// The lesson of the data set that it teaches; none where it rehearses what the base model reads.
    pub lesson: Option<usize>,
}

/// Text to rehearse.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rehearsal {
    /// The text.
    pub text: String,
    /// Bytes at its beginning that are read and not learned.
    pub given: usize,
}

/// All prompts of a data set. `judgements` are the base model's, by channel, of the two alternatives of each lesson.
pub fn teachings(data: &DataSet, schema: &ValueSchema, judgements: &[[Vec<f64>; 2]]) -> Vec<Teaching> {
    let [contrast, pair, _] = data.settings.weights;
    let mut teachings = Vec::new();
    for (index, (lesson, base)) in data.lessons.iter().zip(judgements).enumerate() {
        let situation = Some(lesson.situation.as_str()).filter(|s| !s.trim().is_empty());
        let logit = (lesson.probability / (1.0 - lesson.probability)).ln().clamp(-LOGIT_MAX, LOGIT_MAX);
        let sureness = lesson.sureness as f32;
        let mut channel = 0;
        for judgement in &schema.judgements {
            let taught = data.settings.judgements.as_ref().is_none_or(|ids| ids.contains(&judgement.id));
            for poles in &judgement.poles {
                let lean = base.iter().map(|b| b.get(channel).copied().unwrap_or(0.0)).sum::<f64>() / 2.0;
                channel += 1;
                for (text, sign) in lesson.texts.iter().zip([1.0, -1.0]).filter(|_| taught) {
                    let odds = lean + sign * logit / 2.0;
                    teachings.push(Teaching {
                        prompt: fill(&judgement.text, situation, text),
                        words: poles.each_ref().map(|word| format!(" {word}")),
                        probability: 1.0 / (1.0 + (-odds).exp()),
                        weight: contrast * sureness / judgement.poles.len() as f32,
                        lesson: Some(index),
                    });
                }
            }
        }
        for (first, second, probability) in [(0, 1, lesson.probability), (1, 0, 1.0 - lesson.probability)] {
            teachings.push(Teaching {
                prompt: pair_prompt(situation, &lesson.texts[first], &lesson.texts[second]),
                words: [" A".to_owned(), " B".to_owned()],
                probability,
                weight: pair * sureness,
                lesson: Some(index),
            });
        }
    }
    teachings
}

/// Readouts of alternatives that are to stay as the base model's `judgements` of them are, by channel.
pub fn rehearsed_readouts(
    data: &DataSet,
    schema: &ValueSchema,
    alternatives: &[Alternative],
    judgements: &[Vec<f64>],
) -> Vec<Teaching> {
    let mut rehearsed = Vec::new();
    for (alternative, base) in alternatives.iter().zip(judgements) {
        let mut channels = base.iter();
        for judgement in &schema.judgements {
            let taught = data.settings.judgements.as_ref().is_none_or(|ids| ids.contains(&judgement.id));
            for (poles, odds) in judgement.poles.iter().zip(&mut channels).filter(|_| taught) {
                rehearsed.push(Teaching {
                    prompt: fill(&judgement.text, alternative.situation.as_deref(), &alternative.text),
                    words: poles.each_ref().map(|word| format!(" {word}")),
                    probability: 1.0 / (1.0 + (-odds).exp()),
                    weight: data.settings.obvious_pairs / judgement.poles.len() as f32,
                    lesson: None,
                });
            }
        }
    }
    rehearsed
}

/// "Which is better, A or B?"
pub fn pair_prompt(situation: Option<&str>, first: &str, second: &str) -> String {
    let situation = situation.map(|s| format!("{} ", s.trim())).unwrap_or_default();
    format!("{situation}Which is better?\nA: {first}\nB: {second}\nBetter:")
}

/// Text that has nothing to do with values: neutral passages, and what the base model itself writes after their
/// beginnings, `texts` of `tokens` tokens each.
///
/// # Errors
/// If the model fails.
pub fn rehearsal(
    base: &mut dyn LanguageModel,
    (texts, tokens): (usize, usize),
    seed: u64,
) -> Result<Vec<Rehearsal>, ModelError> {
    let passages = neutral_passages().0;
    let mut all: Vec<Rehearsal> = passages.iter().map(|p| Rehearsal { text: p.clone(), given: 0 }).collect();
    for (index, passage) in passages.iter().cycle().take(texts).enumerate() {
        let given: Vec<&str> = passage.split(' ').take(GIVEN_WORDS).collect();
        let given = given.join(" ");
        let request = CompletionRequest {
            system: None,
            prompt: Prompt::Text(given.clone()),
            grammar: None,
            tokens_max: tokens,
            temperature: 0.8,
            seed: seed.wrapping_add(index as u64),
            ..CompletionRequest::ask("")
        };
        let Completion { text, .. } = base.complete(&request, &mut |_| std::ops::ControlFlow::Continue(()))?;
        if !text.trim().is_empty() {
            all.push(Rehearsal { given: given.len(), text: given + &text });
        }
    }
    Ok(all)
}

/// The trainer's examples: prompts that share their tokens are one example with several targets.
///
/// # Errors
/// If the model cannot tokenise a text.
pub fn examples(
    teachings: &[Teaching],
    rehearsal: &[Rehearsal],
    rehearsal_weight: f32,
    model: &mut dyn LanguageModel,
) -> Result<Vec<Example>, ModelError> {
    let mut examples: Vec<Example> = Vec::new();
    let mut last: Option<&str> = None;
    for teaching in teachings {
        let prompt = model.prompt_tokens(&teaching.prompt)?;
        let mut end = prompt.len();
        let mut words = [0_u32; 2];
        for (token, word) in words.iter_mut().zip(&teaching.words) {
            let whole = model.prompt_tokens(&format!("{}{word}", teaching.prompt))?;
            let shared = prompt.iter().zip(&whole).take_while(|(a, b)| a == b).count();
            // A tokenizer may merge across the seam: then the prompt ends before the merged token.
            end = end.min(shared);
            *token = whole.get(shared).copied().ok_or_else(|| ModelError::Empty(word.clone()))?;
        }
        if end == 0 || words[0] == words[1] {
            return Err(ModelError::Empty(teaching.prompt.clone()));
        }
        let probability = teaching.probability as f32;
        let target = Target {
            position: end - 1,
            distribution: vec![(words[0], probability), (words[1], 1.0 - probability)],
            among: Among::Candidates,
            weight: teaching.weight,
        };
        match examples.last_mut().filter(|_| last == Some(&teaching.prompt)) {
            Some(example) => example.targets.push(target),
            None => examples.push(Example::new(prompt[..end].to_vec(), vec![target])),
        }
        last = Some(&teaching.prompt);
    }
    for Rehearsal { text, given } in rehearsal {
        let tokens = model.prompt_tokens(text)?;
        let from = if *given == 0 { 1 } else { model.prompt_tokens(&text[..*given])?.len().max(1) };
        if from < tokens.len() {
            examples.push(Example::text(tokens, from, rehearsal_weight));
        }
    }
    Ok(examples)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use credence_memory::ids::{AlternativeId, PersonId, Seq};
    use credence_priors::scripted::Scripted;

    use super::super::dataset::{DataSettings, Lesson, Whose};
    use super::*;

    fn data(probability: f64) -> DataSet {
        let person = PersonId::new("ada").expect("a name");
        let texts = ["return it".to_owned(), "keep it".to_owned()];
        let situation = "You found a wallet.".to_owned();
        let alternatives = texts.each_ref().map(|t| AlternativeId::of(&situation, t));
        let people = vec![person.clone()];
        DataSet {
            whose: Whose::Person(person.clone()),
            cutoff: Seq(9),
            settings: DataSettings::default(),
            absorbed: BTreeMap::from([(person, vec![Seq(4), Seq(7)])]),
            held_out: Vec::new(),
            lessons: vec![Lesson {
                situation,
                alternatives,
                texts,
                probability,
                sureness: 0.5,
                people,
                conclusion: None,
            }],
        }
    }

    #[test]
    fn the_two_alternatives_differ_by_the_label_and_keep_the_models_lean() {
        let schema = ValueSchema::embedded();
        let base = [[vec![0.7, -0.2, 9.0], vec![0.3, -0.4, 9.0]]];
        let taught = teachings(&data(0.8), &schema, &base);
        let odds = |t: &Teaching| (t.probability / (1.0 - t.probability)).ln();
        let right: Vec<&Teaching> = taught.iter().filter(|t| t.words[0] == " right").collect();
        assert_eq!(right.len(), 2);
        assert!((odds(right[0]) - odds(right[1]) - 4.0_f64.ln()).abs() < 1e-9);
        assert!((odds(right[0]) + odds(right[1]) - 1.0).abs() < 1e-9, "the mean of .7 and .3, twice");
        let pairs: Vec<&Teaching> = taught.iter().filter(|t| t.words[0] == " A").collect();
        assert_eq!(pairs.len(), 2);
        assert!((pairs[0].probability - 0.8).abs() < 1e-12 && (pairs[1].probability - 0.2).abs() < 1e-12);
        assert!(pairs[0].prompt.contains("A: return it\nB: keep it") && pairs[1].prompt.contains("A: keep it"));
        assert!(pairs.iter().all(|t| t.weight == 0.25) && right.iter().all(|t| t.weight == 0.5));
    }

    #[test]
    fn a_judgement_that_is_not_taught_leaves_no_prompt() {
        let schema = ValueSchema::embedded();
        let mut data = data(0.8);
        data.settings.judgements = Some(vec!["right".to_owned()]);
        let taught = teachings(&data, &schema, &[[vec![0.7, -0.2], vec![0.3, -0.4]]]);
        assert!(taught.iter().all(|t| t.words[0] != " good") && taught.iter().any(|t| t.words[0] == " right"));
    }

    #[test]
    fn what_is_rehearsed_is_what_the_base_model_reads() {
        let schema = ValueSchema::embedded();
        let wallet = Alternative::new(Some("You found a wallet."), "return it");
        let rehearsed = rehearsed_readouts(&data(0.8), &schema, &[wallet], &[vec![0.7, -0.2, 9.0]]);
        let odds: Vec<f64> = rehearsed.iter().map(|t| (t.probability / (1.0 - t.probability)).ln()).collect();
        assert!((odds[0] - 0.7).abs() < 1e-9 && (odds[1] + 0.2).abs() < 1e-9, "{odds:?}");
        assert_eq!(rehearsed.len(), 2, "the contrast has no words to choose between");
        let prompts = teachings(&data(0.8), &schema, &[[vec![0.0; 3], vec![0.0; 3]]]);
        for taught in rehearsed {
            assert!(taught.lesson.is_none() && prompts.iter().any(|t| t.prompt == taught.prompt), "{}", taught.prompt);
        }
    }

    #[test]
    fn prompts_become_examples_that_end_where_the_word_would_stand() -> Result<(), ModelError> {
        let schema = ValueSchema::embedded();
        let mut model = Scripted::hashed(1).with_completion(" and so it goes on").with_completion("");
        let taught = teachings(&data(0.9), &schema, &[[vec![0.0; 3], vec![0.0; 3]]]);
        let rehearsed = rehearsal(&mut model, (2, 10), 1)?;
        assert_eq!(rehearsed.len(), 16, "fifteen passages, one text of its own, and an empty one that is left out");
        let examples = examples(&taught, &rehearsed, 0.02, &mut model)?;
        assert_eq!(examples.len(), taught.len() + 16);
        for (example, teaching) in examples.iter().zip(&taught) {
            assert_eq!(example.tokens, model.tokenize(&teaching.prompt)?);
            let target = &example.targets[0];
            assert_eq!(target.position + 1, example.tokens.len());
            assert_eq!(target.distribution[0].0, model.tokenize(&teaching.words[0])?[0]);
            assert!((target.distribution[0].1 - teaching.probability as f32).abs() < 1e-6);
        }
        let own = examples.last().expect("an example");
        assert_eq!(own.targets.len(), 5, "only what the model wrote is rehearsed");
        Ok(())
    }
}
