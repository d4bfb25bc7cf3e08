//! Polis votes: how soon a new person's votes are predicted from others' and a few of their own.
//!
//! Statements are learned from training people only; a new person reveals N answers; the same ten held-out answers are scored
//! at every N. Passes neither score nor count. "Chosen" questions are picked among those that the person really answered.

mod agreement;
mod data;
mod figures;
mod logistic;
mod table;

use std::path::Path;

use credence_memory::belief::simulate::below;
use credence_memory::population::{Answer, Answers, ItemOptions, ItemPosterior, ItemStrategy, Place, PopulationError};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

pub use agreement::Agreement;
pub use data::{Conversation, OUTSIDE, PolisError, SEVEN, THREE, Vote, load};
pub use table::{Cell, Comparison, PolisResult, PolisRow};

use logistic::Logistic;
use table::Scores;

/// Predictions are clipped here before they are scored, as the baseline's script does.
const CLIP: f64 = 1e-4;
/// A training person has at least this many votes.
const TRAINING_MIN: usize = 3;
/// Pseudo-votes of the statement's rate that is not tuned.
const RATE_SHRINKAGE: f64 = 4.0;
/// Pseudo-votes among which the tuned one is found, on training votes.
const SHRINKAGES: [f64; 9] = [0.5, 1.0, 2.0, 3.0, 4.0, 6.0, 10.0, 20.0, 50.0];
/// Factors of the baseline.
const BASELINE_FACTORS: usize = 2;

/// The methods, in the order of the table.
pub const METHODS: [&str; 11] = [
    "global rate",
    "statement's rate",
    "statement's rate, shrinkage tuned",
    "logistic factors, random questions",
    "logistic factors, chosen questions",
    "item factors without features, random questions",
    "item factors without features, chosen questions",
    "item factors, random questions",
    "item factors, chosen questions",
    "item factors with the library, random questions",
    "item factors with the library, chosen questions",
];
/// How many of them need no features.
const WITHOUT_FEATURES: usize = 7;
/// And no background.
const WITHOUT_LIBRARY: usize = 9;
/// Pairs that are compared: ours, theirs.
const COMPARED: [(usize, usize); 9] = [(8, 4), (7, 3), (6, 4), (5, 3), (7, 5), (7, 2), (9, 7), (10, 8), (9, 5)];

/// What to run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PolisOptions {
    /// Splits into training and tested people.
    pub splits: usize,
    /// Seed of splits, orders and samplers.
    pub seed: u64,
    /// Numbers of revealed answers.
    pub answers: Vec<usize>,
    /// Answers scored of each person.
    pub held_out: usize,
    /// Share of people tested in a split, from 0 to 1.
    pub tested_share: f64,
    /// The most people tested in a split.
    pub tested_max: usize,
    /// Only this many other people to learn from.
    pub others: Option<usize>,
    /// How items are learned.
    pub items: ItemOptions,
    /// How questions are chosen.
    pub strategy: ItemStrategy,
}

impl Default for PolisOptions {
    fn default() -> Self {
        Self {
            splits: 3,
            seed: 1,
            answers: vec![0, 5, 10, 20],
            held_out: 10,
            tested_share: 0.3,
            tested_max: 150,
            others: None,
            items: ItemOptions::default(),
            strategy: ItemStrategy::Predictions,
        }
    }
}

impl PolisOptions {
    /// The small-group protocol: five splits of at most 40 tested people, and this many others.
    pub fn small_group(others: usize) -> Self {
        Self { splits: 5, tested_share: 0.3, tested_max: 40, others: Some(others), ..Self::default() }
    }
}

/// What is expected of slopes on so many contrasts and, where it is learned, on what words foretell ([`Agreement`]), all
/// standardised. The constants were looked at on the conversations of [`OUTSIDE`].
pub fn slopes(contrasts: usize, with_agreement: bool) -> Vec<[f64; 2]> {
    let mut slopes = vec![[0.1, 0.1]; contrasts];
    slopes.extend(with_agreement.then_some([0.25, 0.1]));
    slopes
}

/// A conversation with what a model read in its statements: one row each, of one length, or no rows at all.
#[derive(Clone, Debug, PartialEq)]
pub struct Read {
    /// The conversation.
    pub conversation: Conversation,
    /// What was read of each statement alone.
    pub features: Vec<Vec<f64>>,
    /// What was read of each with a page of background before it.
    pub with_library: Vec<Vec<f64>>,
}

/// Runs the table; `done` is called once for each split of each conversation.
///
/// # Errors
/// Too few people, or options out of range.
pub fn run(read: &[Read], options: &PolisOptions, done: &(dyn Fn() + Sync)) -> Result<PolisResult, PolisError> {
    if read.is_empty() || options.splits == 0 || options.answers.is_empty() {
        return Err(PolisError::Nothing);
    }
    let mut scores = Scores::new(METHODS.len(), options.answers.len());
    for one in read {
        scores.begin(&one.conversation.name);
        for split in 0..options.splits {
            for (person, tested) in one_split(one, options, split as u64)? {
                scores.add(person, &tested);
            }
            done();
        }
    }
    // Without any features there is one item model, not two.
    let bare = read.iter().all(|one| one.features.is_empty());
    let without_library = read.iter().all(|one| one.with_library.is_empty());
    let methods = &METHODS[..match (bare, without_library) {
        (true, _) => WITHOUT_FEATURES,
        (_, true) => WITHOUT_LIBRARY,
        _ => METHODS.len(),
    }];
    let compared: Vec<_> = COMPARED.into_iter().filter(|(a, b)| *a.max(b) < methods.len()).collect();
    Ok(scores.result(options, methods, &compared))
}

/// Predictions and answers of one tested person: by method, by number of answers.
type Tested = Vec<Vec<Vec<(f64, bool)>>>;

fn one_split(read: &Read, options: &PolisOptions, split: u64) -> Result<Vec<(usize, Tested)>, PolisError> {
    let conversation = &read.conversation;
    let most = options.answers.iter().max().copied().unwrap_or(0);
    let needed = most + options.held_out;
    let mut rng = ChaCha8Rng::seed_from_u64(options.seed);
    rng.set_stream(split);
    let mut eligible: Vec<usize> =
        (0..conversation.votes.len()).filter(|&p| conversation.votes[p].len() >= needed).collect();
    shuffle(&mut eligible, &mut rng);
    let tested = options.tested_max.min((eligible.len() as f64 * options.tested_share) as usize);
    let too_few =
        || PolisError::TooFew { conversation: conversation.name.clone(), people: eligible.len(), answers: needed };
    if tested == 0 {
        return Err(too_few());
    }
    let test = &eligible[..tested];
    let mut training: Vec<usize> = (0..conversation.votes.len())
        .filter(|p| conversation.votes[*p].len() >= TRAINING_MIN && !test.contains(p))
        .collect();
    if let Some(others) = options.others {
        shuffle(&mut training, &mut rng);
        training.truncate(others);
    }
    // Nobody else at all is a case of its own; one other would be no crowd to learn factors from.
    if training.len() < 2 && options.others != Some(0) {
        return Err(too_few());
    }
    let votes: Vec<Vote> = training
        .iter()
        .enumerate()
        .flat_map(|(person, &p)| conversation.votes[p].iter().map(move |v| Vote { person, ..*v }))
        .collect();
    let learned = Learned::from(read, &votes, training.len(), options, split)?;
    let seeds: Vec<(usize, u64)> = test.iter().map(|&p| (p, split << 32 | p as u64)).collect();
    Ok(seeds
        .into_par_iter()
        .map(|(p, stream)| {
            let mut rng = ChaCha8Rng::seed_from_u64(options.seed ^ 0x5eed);
            rng.set_stream(stream);
            (p, learned.test(&conversation.votes[p], options, most, &mut rng))
        })
        .collect())
}

fn shuffle<T>(items: &mut [T], rng: &mut ChaCha8Rng) {
    for i in (1..items.len()).rev() {
        items.swap(i, below(i + 1, rng));
    }
}

/// Everything that training people teach.
struct Learned {
    global: f64,
    rate: Vec<f64>,
    tuned: Vec<f64>,
    logistic: Logistic,
    bare: ItemPosterior,
    full: ItemPosterior,
    with_library: ItemPosterior,
}

impl Learned {
    fn from(
        Read { conversation, features, with_library }: &Read,
        votes: &[Vote],
        people: usize,
        options: &PolisOptions,
        split: u64,
    ) -> Result<Self, PolisError> {
        let items = conversation.statements.len();
        // Where nobody has voted nothing is known of anything.
        let global = match votes.len() {
            0 => 0.5,
            n => votes.iter().filter(|v| v.agrees).count() as f64 / n as f64,
        };
        let mut counts = vec![(0.0, 0.0); items];
        for v in votes {
            counts[v.item].0 += f64::from(u8::from(v.agrees));
            counts[v.item].1 += 1.0;
        }
        let shrunk = |a: f64| counts.iter().map(|(yes, n)| (yes + a * global) / (n + a)).collect::<Vec<f64>>();
        let seed = options.seed.wrapping_add(split);
        let sampled = |features: Vec<Vec<f64>>| -> Result<ItemPosterior, PopulationError> {
            let answers = votes
                .iter()
                .map(|v| Answer { person: v.person as u32, item: v.item as u32, agrees: v.agrees })
                .collect();
            let answers = Answers::new(people, features, answers)?;
            ItemPosterior::sample(&answers, &ItemOptions { seed, ..options.items.clone() })
        };
        let (logistic, (bare, full)) = rayon::join(
            || Logistic::fit(votes, people, items, BASELINE_FACTORS, seed),
            || {
                rayon::join(
                    || sampled(vec![Vec::new(); items]),
                    || (!features.is_empty()).then(|| sampled(features.to_vec())),
                )
            },
        );
        let failed = |source| PolisError::Population { conversation: conversation.name.clone(), source };
        let bare = bare.map_err(failed)?;
        let full = full.transpose().map_err(failed)?.unwrap_or_else(|| bare.clone());
        let with_library = match with_library.is_empty() {
            true => full.clone(),
            false => sampled(with_library.clone()).map_err(failed)?,
        };
        let (rate, tuned) = (shrunk(RATE_SHRINKAGE), shrunk(tuned(&counts, global)));
        Ok(Self { global, rate, tuned, logistic, bare, full, with_library })
    }

    fn test(&self, votes: &[Vote], options: &PolisOptions, most: usize, rng: &mut ChaCha8Rng) -> Tested {
        let mut votes = votes.to_vec();
        shuffle(&mut votes, rng);
        let (held_out, pool) = votes.split_at(options.held_out);
        let scored = |p: &dyn Fn(usize) -> f64| -> Vec<(f64, bool)> {
            held_out.iter().map(|v| (p(v.item).clamp(CLIP, 1.0 - CLIP), v.agrees)).collect()
        };
        let mut all: Tested = vec![Vec::new(); METHODS.len()];
        for _ in &options.answers {
            all[0].push(scored(&|_| self.global));
            all[1].push(scored(&|j| self.rate[j]));
            all[2].push(scored(&|j| self.tuned[j]));
        }
        for (method, chosen) in [(3, false), (4, true)] {
            let mut got: Vec<Vote> = Vec::new();
            let mut left = pool.to_vec();
            for n in 0..=most {
                let stand = self.logistic.stand(&got);
                for _ in options.answers.iter().filter(|a| **a == n) {
                    all[method].push(scored(&|j| self.logistic.predict(&stand, j)));
                }
                if n < most {
                    let candidates: Vec<usize> = left.iter().map(|v| v.item).collect();
                    let picked = if chosen { self.logistic.choose(&stand, &candidates, rng) } else { None };
                    got.push(take(&mut left, picked));
                }
            }
        }
        for (method, posterior, chosen) in [
            (5, &self.bare, false),
            (6, &self.bare, true),
            (7, &self.full, false),
            (8, &self.full, true),
            (9, &self.with_library, false),
            (10, &self.with_library, true),
        ] {
            let mut place = Place::new(posterior);
            let mut left = pool.to_vec();
            for n in 0..=most {
                for _ in options.answers.iter().filter(|a| **a == n) {
                    all[method].push(scored(&|j| place.predict(j)));
                }
                if n < most {
                    let candidates: Vec<usize> = left.iter().map(|v| v.item).collect();
                    let picked = if chosen { place.choose(&candidates, options.strategy) } else { None };
                    let vote = take(&mut left, picked);
                    place.observe(vote.item, vote.agrees);
                }
            }
        }
        all
    }
}

/// Takes the vote on an item, or else the first.
fn take(left: &mut Vec<Vote>, item: Option<usize>) -> Vote {
    let at = item.and_then(|item| left.iter().position(|v| v.item == item)).unwrap_or(0);
    left.remove(at)
}

/// The number of pseudo-votes under which each training vote is best predicted by the others on its statement.
fn tuned(counts: &[(f64, f64)], global: f64) -> f64 {
    let loss = |a: f64| -> f64 {
        counts
            .iter()
            .map(|&(yes, n)| {
                let rest = (n - 1.0 + a).max(1e-9);
                let yes_p = ((yes - 1.0 + a * global) / rest).clamp(CLIP, 1.0 - CLIP);
                let no_p = (1.0 - (yes + a * global) / rest).clamp(CLIP, 1.0 - CLIP);
                -(yes * yes_p.ln() + (n - yes) * no_p.ln())
            })
            .sum()
    };
    SHRINKAGES.into_iter().reduce(|a, b| if loss(b) < loss(a) { b } else { a }).unwrap_or(RATE_SHRINKAGE)
}

/// What reads a conversation's statements: features of each, in its order, alone and with background; either may be empty.
pub type ReadStatements<'a, E> = dyn FnMut(&Conversation) -> Result<[Vec<Vec<f64>>; 2], E> + 'a;

/// Reads several conversations, each with the features that `features` gives for its statements.
///
/// # Errors
/// As [`load`], and whatever `features` fails with.
pub fn load_all<E: From<PolisError>>(
    data: &Path,
    names: &[String],
    features: &mut ReadStatements<'_, E>,
) -> Result<Vec<Read>, E> {
    names
        .iter()
        .map(|name| {
            let conversation = load(data, name)?;
            let [features, with_library] = features(&conversation)?.map(|rows| standardised(&rows));
            Ok(Read { conversation, features, with_library })
        })
        .collect()
}

/// Every column with mean 0 and standard deviation 1 over the statements of a conversation.
pub(crate) fn standardised(rows: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let (n, width) = (rows.len() as f64, rows.first().map_or(0, Vec::len));
    let mut rows = rows.to_vec();
    for f in 0..width {
        let mean = rows.iter().map(|r| r[f]).sum::<f64>() / n;
        let sd = (rows.iter().map(|r| (r[f] - mean).powi(2)).sum::<f64>() / n).sqrt().max(1e-9);
        rows.iter_mut().for_each(|r| r[f] = (r[f] - mean) / sd);
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use credence_memory::belief::simulate::{normal, uniform};

    /// People in two camps about most of 40 statements; a feature says how many agree.
    fn conversation(people: usize) -> Read {
        let mut rng = ChaCha8Rng::seed_from_u64(9);
        let items: Vec<(f64, f64)> = (0..40).map(|_| (normal(&mut rng), 1.5 * normal(&mut rng))).collect();
        let votes = (0..people)
            .map(|person| {
                let side = normal(&mut rng);
                let vote = |(item, (b, a)): (usize, &(f64, f64))| {
                    let agrees = b + a * side + normal(&mut rng) > 0.0;
                    (uniform(&mut rng) < 0.8).then_some(Vote { person, item, agrees })
                };
                items.iter().enumerate().filter_map(vote).collect()
            })
            .collect();
        let features: Vec<Vec<f64>> = items.iter().map(|(b, _)| vec![*b]).collect();
        Read {
            conversation: Conversation { name: "made".into(), statements: vec![String::new(); 40], votes },
            features: standardised(&features),
            with_library: Vec::new(),
        }
    }

    fn options() -> PolisOptions {
        let items = ItemOptions { factors: 2, warm_up: 60, draws: 24, thinning: 1, ..ItemOptions::default() };
        PolisOptions { splits: 1, answers: vec![0, 10], items, ..PolisOptions::default() }
    }

    #[test]
    fn factors_beat_rates_and_features_help_where_few_have_voted() {
        // Seed 1; differences are several standard errors wide, false alarms far below 1 in 1,000.
        let read = [conversation(80)];
        let result = run(&read, &options(), &|| ()).expect("enough people");
        let loss = |m: usize, n: usize| result.rows[m].cells[n].log_loss.mean;
        assert!(loss(7, 1) < loss(1, 1) - 0.05 && loss(3, 1) < loss(1, 1) - 0.05, "factors of either kind: {result:?}");
        assert!((loss(7, 1) - loss(3, 1)).abs() < 0.1, "the baseline and ours learn the same structure");
        assert!(loss(1, 0) < loss(0, 0));
        assert_eq!(result.comparisons.len(), 6);
        let figures = crate::figures::kept(&result);
        assert_eq!(figures.len(), WITHOUT_LIBRARY * 2 * (4 + 1) + 6 * 2);
        let kept = |data: &str| crate::figures::of(&figures, [data, METHODS[7], "10 answers", "log loss, nats"]).mean;
        assert_eq!((kept("all conversations"), kept("made")), (loss(7, 1), loss(7, 1)), "there is one conversation");
        let few = PolisOptions { others: Some(3), ..options() };
        let result = run(&read, &few, &|| ()).expect("enough people");
        let gain = result.comparisons.iter().find(|c| c.theirs.contains("without features") && c.ours == METHODS[7]);
        assert!(gain.expect("it is compared").differences[0].mean < 0.0, "{result:?}");
    }

    #[test]
    fn background_that_tells_more_helps_before_anybody_has_voted() {
        // Alone nothing is read that bears on the votes; with background what is read is how many agree.
        let told = conversation(60);
        let noise: Vec<Vec<f64>> = {
            let mut rng = ChaCha8Rng::seed_from_u64(3);
            (0..40).map(|_| vec![normal(&mut rng)]).collect()
        };
        let with_library = told.features.clone();
        let read = [Read { features: standardised(&noise), with_library, ..told }];
        let mut nobody = PolisOptions { others: Some(0), ..options() };
        nobody.items.prior.slopes = vec![[0.5, 0.2]];
        let result = run(&read, &nobody, &|| ()).expect("nobody else");
        let gain = result.comparisons.iter().find(|c| c.ours == METHODS[9] && c.theirs == METHODS[7]);
        assert!(gain.expect("it is compared").differences[0].high < 0.0, "{result:?}");
        let losses = result.rows.iter().flat_map(|row| &row.cells).map(|cell| cell.log_loss.mean);
        assert!(losses.clone().count() == 2 * METHODS.len() && losses.clone().all(|loss| loss < 1.0), "{result:?}");
    }

    #[test]
    fn too_little_is_refused() {
        let mut read = conversation(20);
        read.conversation.votes.truncate(3);
        let refused = run(&[read], &options(), &|| ());
        assert!(matches!(refused, Err(PolisError::TooFew { .. })), "{refused:?}");
        assert!(matches!(run(&[], &options(), &|| ()), Err(PolisError::Nothing)));
        let absent = load(Path::new("no-such-folder"), "town").expect_err("nothing there");
        assert!(absent.to_string().contains("CREDENCE_DATA"));
    }

    #[expect(clippy::print_stderr, reason = "the only place that a test can say that it tried nothing")]
    fn skipped(why: &str) {
        eprintln!("SKIPPED: {why}");
    }

    #[test]
    fn a_public_conversation_is_read_as_it_was_exported() {
        let data = std::env::var_os("CREDENCE_DATA")
            .map_or_else(|| Path::new("../../shared/data").into(), std::path::PathBuf::from);
        match load(&data, "brexit-consensus") {
            Ok(conversation) => {
                assert_eq!((conversation.votes.len(), conversation.statements.len()), (204, 50));
                assert!(conversation.statements.iter().filter(|s| !s.is_empty()).count() >= 49);
                assert!(conversation.votes.iter().flatten().filter(|v| v.agrees).count() > 1000);
            }
            Err(PolisError::Absent { path }) => {
                assert!(!path.exists(), "it is there and was not read");
                assert!(
                    std::env::var_os("CREDENCE_DATA").is_none(),
                    "CREDENCE_DATA is set and has not {}",
                    path.display()
                );
                skipped("there is no ../shared/data, and CREDENCE_DATA is not set");
            }
            Err(other) => panic!("{other}"),
        }
    }
}
