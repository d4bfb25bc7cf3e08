//! Statements of a public conversation, judged by the model, and people's votes on them.
//!
//! A vote is learned as a choice between the statement and nothing; its features are what the model made of the statement, and a
//! constant for how readily a person agrees at all. The model's judgement is its contrasts together, so its prior says: people agree
//! with what it takes for true, right and good.

use std::path::Path;

use credence_memory::belief::simulate::below;
use credence_priors::LanguageModel;
use credence_priors::statements::{CONTRAST_NAMES, read_statements};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::{Judged, StartError};
use crate::kidney::Choices;
use crate::polis::{Conversation, standardised};

/// Reads the model's judgement of all statements that have words. An export has no order of votes, so each person's votes are
/// put into one by `seed`.
///
/// # Errors
/// If a statement cannot be read.
pub fn judged_statements(
    model: &mut dyn LanguageModel,
    conversation: &Conversation,
    cache: &Path,
    seed: u64,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<Judged, StartError> {
    let read = read_statements(model, &conversation.statements, cache, progress)?;
    let rows: Vec<Vec<f64>> = read.iter().map(|r| r.to_vec()).collect();
    let things: Vec<Vec<f64>> =
        standardised(&rows).into_iter().map(|row| row.into_iter().chain([1.0]).collect()).collect();
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let people = conversation
        .votes
        .iter()
        .map(|votes| {
            let mut votes: Vec<_> = votes.iter().filter(|v| !conversation.statements[v.item].is_empty()).collect();
            for i in (1..votes.len()).rev() {
                votes.swap(i, below(i + 1, &mut rng));
            }
            votes.iter().map(|v| (things[v.item].clone(), v.agrees)).collect::<Choices>()
        })
        .collect();
    let with_words = |i: &usize| !conversation.statements[*i].is_empty();
    let judged: Vec<usize> = (0..things.len()).filter(with_words).collect();
    Ok(Judged {
        what: format!("votes on the statements of {}", conversation.name),
        features: CONTRAST_NAMES.into_iter().chain(["agrees readily"]).map(str::to_owned).collect(),
        judgement: judged.iter().map(|&i| things[i][..CONTRAST_NAMES.len()].iter().sum()).collect(),
        things: judged.iter().map(|&i| things[i].clone()).collect(),
        people,
    })
}
