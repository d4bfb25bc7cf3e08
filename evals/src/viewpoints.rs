//! From works to readers and back: how far readers' choices between works, and their differences, are foreseen after a few answers;
//! and how far the qualities of works are found from readers' verdicts.
//!
//! Simulated readers perceive each key in their own way. Half of a bank's choices are answered, the works of the other half are those
//! that nobody has seen; what a pair of works may be like is known from the first half alone.

use credence_agent::bank::Bank;
use credence_agent::instrument::Item;
use credence_agent::viewpoints::{Expected, Verdict, expected, infer};
use credence_memory::belief::{Mixture, Settings, normal::cdf, simulate::below};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::estimate::Estimate;
use crate::figures::{Figure, Measured};
use crate::recovery::baselines::rank_correlation;
use crate::recovery::learner::Instrument;
use crate::recovery::people::Simulated;
use crate::recovery::{RecoveryError, RecoveryOptions};

/// A key difference from which a value is clearly at stake between two works, key points.
const AT_STAKE: f64 = 1.0;
/// Probabilities are kept this far from 0 and 1 in a log loss.
const CLIP: f64 = 1e-6;

/// How the experiment goes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ViewpointsOptions {
    /// Simulated readers.
    pub readers: usize,
    /// Choices that each has answered.
    pub answers: usize,
    /// Pairs of works that nobody has seen, at most.
    pub works: usize,
    /// Numbers of readers whose verdicts a work is inferred from.
    pub verdicts: Vec<usize>,
    /// Seed of readers, answers and draws.
    pub seed: u64,
}

impl Default for ViewpointsOptions {
    fn default() -> Self {
        Self { readers: 36, answers: 30, works: 40, verdicts: vec![3, 10, 30], seed: 1 }
    }
}

/// What is found of works from the verdicts of so many readers; figures over works.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct FromVerdicts {
    /// Readers.
    pub readers: usize,
    /// Spearman's correlation, over values, of the differences found with the keys.
    pub rank_correlation: Estimate,
    /// The same with each verdict put to another reader's account.
    pub readers_exchanged: Estimate,
    /// The first less the second, work by work.
    pub knowing_readers_adds: Estimate,
    /// Share of the values clearly at stake whose sign is right; works with none are left out.
    pub signs: Option<Estimate>,
    /// Share of values whose 90% interval holds the key.
    pub coverage: Estimate,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ViewpointsResult {
    /// What was asked for.
    pub options: ViewpointsOptions,
    /// Pairs of works that nobody had seen.
    pub works: usize,
    /// Share of the readers' choices that were foreseen, over readers; answers of "neither" are left out.
    pub right: Estimate,
    /// Log loss of the same, nats; a guess has .693.
    pub log_loss: Estimate,
    /// Spearman's correlation over readers of what is expected with what is true, over pairs of works: who would differ from whom.
    pub differences: Estimate,
    /// Share of the 90% intervals that hold the reader's true probability, over readers.
    pub coverage: Estimate,
    /// From verdicts to works.
    pub from_verdicts: Vec<FromVerdicts>,
}

impl Measured for ViewpointsResult {
    fn figures(&self) -> Vec<Figure> {
        let (data, learner) = ("simulated readers", "belief");
        let at = format!("{} answers", self.options.answers);
        let mut figures = vec![
            Figure::new(data, learner, &at, "share right", self.right),
            Figure::new(data, learner, &at, "log loss, nats", self.log_loss),
            Figure::new(data, learner, &at, "rank correlation over readers", self.differences),
            Figure::new(data, learner, &at, "coverage of 90% intervals", self.coverage),
        ];
        for found in &self.from_verdicts {
            let at = format!("{} verdicts", found.readers);
            let over_values = "rank correlation over values";
            figures.push(Figure::new(data, learner, &at, over_values, found.rank_correlation));
            figures.push(Figure::new(data, "readers exchanged", &at, over_values, found.readers_exchanged));
            figures.push(Figure::new(data, learner, &at, "less readers exchanged", found.knowing_readers_adds));
            figures.extend(found.signs.map(|signs| Figure::new(data, learner, &at, "signs right", signs)));
            figures.push(Figure::new(data, learner, &at, "coverage of 90% intervals of works", found.coverage));
        }
        figures
    }
}

/// A reader, with what is believed of them and how they judge each pair of works that nobody has seen.
struct Reader {
    belief: Mixture,
    expected: Vec<Expected>,
    /// Probability that they truly take the first, slips left out.
    truth: Vec<f64>,
    verdicts: Vec<Verdict>,
}

/// Runs the experiment with a keyed bank; `done` is called after each reader and each pair of works.
///
/// # Errors
/// Options out of range, a bank with too few choices, and what belief refuses.
pub fn run(
    bank: &Bank,
    values: &[&str],
    settings: &Settings,
    options: &ViewpointsOptions,
    done: &(dyn Fn() + Sync),
) -> Result<ViewpointsResult, RecoveryError> {
    check(options)?;
    let instrument = Instrument::new(bank, values)?;
    let mut rng = ChaCha8Rng::seed_from_u64(options.seed);
    let mut items: Vec<Item> = instrument.choices().cloned().collect();
    items.iter_mut().for_each(|item| item.alternatives.sort_unstable());
    items.shuffle(&mut rng);
    let (answered, unseen) = items.split_at(items.len() / 2);
    if answered.len() < options.answers {
        let found = format!("{} (half of the bank's choices)", answered.len());
        return Err(RecoveryError::Option {
            what: "the number of choices to answer",
            found,
            expected: "at least as many as `answers`",
        });
    }
    let unseen = &unseen[..options.works.min(unseen.len())];
    let readers = (0..options.readers as u64)
        .into_par_iter()
        .map(|n| {
            let reader = sit(&instrument, settings, options, answered, unseen, n);
            done();
            reader
        })
        .collect::<Result<Vec<_>, _>>()?;
    let prior: Vec<Vec<f64>> = answered.iter().map(|item| instrument.difference(item)).collect();
    let found: Vec<Vec<Found>> = (0..unseen.len())
        .into_par_iter()
        .map(|work| {
            let of =
                |readers_count: &usize| from(&instrument, &prior, &readers, unseen, work, *readers_count, options.seed);
            let found = options.verdicts.iter().map(of).collect();
            done();
            found
        })
        .collect();
    Ok(summed(options, unseen.len(), &readers, &found))
}

fn check(options: &ViewpointsOptions) -> Result<(), RecoveryError> {
    let wrong = |what, found: usize, expected| Err(RecoveryError::Option { what, found: found.to_string(), expected });
    if !(2..=10_000).contains(&options.readers) {
        return wrong("the number of readers", options.readers, "2 to 10,000");
    }
    if options.works == 0 {
        return wrong("the number of works", 0, "at least 1");
    }
    match options.verdicts.iter().find(|n| !(1..=options.readers).contains(*n)) {
        Some(n) => wrong("a number of verdicts", *n, "1 to the number of readers"),
        None => Ok(()),
    }
}

fn sit(
    instrument: &Instrument,
    settings: &Settings,
    options: &ViewpointsOptions,
    answered: &[Item],
    unseen: &[Item],
    n: u64,
) -> Result<Reader, RecoveryError> {
    let drawn = RecoveryOptions { seed: options.seed, ..RecoveryOptions::default() };
    let mut person = Simulated::draw(instrument, &drawn, n);
    let mut rng = ChaCha8Rng::seed_from_u64(options.seed);
    rng.set_stream(1_000_000 + n);
    let mut asked: Vec<&Item> = answered.iter().collect();
    asked.shuffle(&mut rng);
    let mut belief = Mixture::new(settings, &instrument.priors)?;
    for item in &asked[..options.answers] {
        let question = item.question(&instrument.layout, |a| Ok::<_, RecoveryError>(instrument.features(a)))?;
        let outcome = person.answer(item, question.outcome_count());
        belief.learn([(&question.answer(outcome), Vec::new())])?;
    }
    let differences = unseen.iter().map(|item| {
        let [first, second] = [0, 1].map(|k: usize| instrument.features(&item.alternatives[k]));
        first.minus(&second)
    });
    Ok(Reader {
        expected: differences.map(|difference| expected(&belief, &difference, instrument.values)).collect(),
        truth: unseen
            .iter()
            .map(|item| cdf(person.utility(&item.alternatives[0]) - person.utility(&item.alternatives[1])))
            .collect(),
        verdicts: unseen
            .iter()
            .map(|item| [Verdict::First, Verdict::Second, Verdict::Neither][person.answer(item, 3)])
            .collect(),
        belief,
    })
}

/// What was found of one pair of works.
struct Found {
    rank_correlation: f64,
    exchanged: f64,
    signs: Option<f64>,
    coverage: f64,
}

fn from(
    instrument: &Instrument,
    prior: &[Vec<f64>],
    readers: &[Reader],
    unseen: &[Item],
    work: usize,
    count: usize,
    seed: u64,
) -> Found {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(2_000_000 + work as u64);
    let mut order: Vec<usize> = (0..readers.len()).collect();
    order.shuffle(&mut rng);
    let width = instrument.layout.width();
    let said = |reader: usize| readers[reader].verdicts[work];
    let verdicts: Vec<_> = order[..count].iter().map(|r| (&readers[*r].belief, said(*r))).collect();
    let inferred = infer(prior, width, &verdicts, seed);
    // Each verdict is put to the account of somebody else, whoever it may be.
    let other = |r: usize| (r + 1 + below(readers.len() - 1, &mut rng)) % readers.len();
    let others: Vec<usize> = order[..count].iter().copied().map(other).collect();
    let exchanged: Vec<_> =
        order[..count].iter().zip(&others).map(|(r, other)| (&readers[*other].belief, said(*r))).collect();
    let exchanged = infer(prior, width, &exchanged, seed);
    let truth = instrument.difference(&unseen[work]);
    let at_stake: Vec<usize> = (0..truth.len()).filter(|v| truth[*v].abs() >= AT_STAKE).collect();
    let right = at_stake.iter().filter(|v| (inferred.more[**v] > 0.5) == (truth[**v] > 0.0)).count();
    let held = (0..truth.len()).filter(|v| (inferred.low[*v]..=inferred.high[*v]).contains(&truth[*v])).count();
    Found {
        rank_correlation: rank_correlation(&inferred.mean, &truth),
        exchanged: rank_correlation(&exchanged.mean, &truth),
        signs: (!at_stake.is_empty()).then(|| right as f64 / at_stake.len() as f64),
        coverage: held as f64 / truth.len() as f64,
    }
}

fn summed(options: &ViewpointsOptions, works: usize, readers: &[Reader], found: &[Vec<Found>]) -> ViewpointsResult {
    let seed = options.seed;
    let over = |of: &dyn Fn(&Reader) -> f64| Estimate::bootstrap(&readers.iter().map(of).collect::<Vec<_>>(), seed);
    // Probability that was given to each choice a reader made.
    let chosen = |reader: &Reader| -> Vec<f64> {
        let of = |(expected, verdict): (&Expected, &Verdict)| match verdict {
            Verdict::First => Some(expected.first),
            Verdict::Second => Some(1.0 - expected.first),
            Verdict::Neither => None,
        };
        reader.expected.iter().zip(&reader.verdicts).filter_map(of).collect()
    };
    let mean = |of: Vec<f64>| if of.is_empty() { f64::NAN } else { of.iter().sum::<f64>() / of.len() as f64 };
    let share = |hits: Vec<bool>| mean(hits.into_iter().map(|hit| f64::from(u8::from(hit))).collect());
    let differences: Vec<f64> = (0..works)
        .map(|work| {
            let expected: Vec<f64> = readers.iter().map(|r| r.expected[work].first).collect();
            let truth: Vec<f64> = readers.iter().map(|r| r.truth[work]).collect();
            rank_correlation(&expected, &truth)
        })
        .collect();
    let from_verdicts = options.verdicts.iter().enumerate().map(|(k, count)| {
        let over = |of: &dyn Fn(&Found) -> f64| found.iter().map(|work| of(&work[k])).collect::<Vec<f64>>();
        let (ours, exchanged) = (over(&|f| f.rank_correlation), over(&|f| f.exchanged));
        let signs: Vec<f64> = found.iter().filter_map(|work| work[k].signs).collect();
        FromVerdicts {
            readers: *count,
            rank_correlation: Estimate::bootstrap(&ours, seed),
            readers_exchanged: Estimate::bootstrap(&exchanged, seed),
            knowing_readers_adds: Estimate::paired(&ours, &exchanged, seed),
            signs: (!signs.is_empty()).then(|| Estimate::bootstrap(&signs, seed)),
            coverage: Estimate::bootstrap(&over(&|f| f.coverage), seed),
        }
    });
    ViewpointsResult {
        options: options.clone(),
        works,
        right: over(&|r| share(chosen(r).into_iter().map(|p| p > 0.5).collect())),
        log_loss: over(&|r| mean(chosen(r).into_iter().map(|p| -p.clamp(CLIP, 1.0 - CLIP).ln()).collect())),
        differences: Estimate::bootstrap(&differences, seed),
        coverage: over(&|r| {
            share(r.expected.iter().zip(&r.truth).map(|(e, p)| (e.low..=e.high).contains(p)).collect())
        }),
        from_verdicts: from_verdicts.collect(),
    }
}

#[cfg(test)]
mod tests {
    use credence_agent::pack::Pack;

    use super::*;

    #[test]
    fn readers_are_foreseen_and_works_are_found_better_by_those_who_are_known() {
        let pack = Pack::built_in("taste").unwrap();
        let values: Vec<&str> = pack.schema.values.iter().map(|v| v.id.as_str()).collect();
        let options = ViewpointsOptions { readers: 10, answers: 20, works: 8, verdicts: vec![8], ..Default::default() };
        let result = run(&pack.bank, &values, &Settings::default(), &options, &|| {}).unwrap();
        assert!(result.right.mean > 0.6 && result.log_loss.mean < 0.69, "{result:?}");
        assert!(result.differences.mean > 0.2, "{result:?}");
        assert!(result.from_verdicts[0].knowing_readers_adds.mean > 0.0, "{result:?}");
        assert_eq!(result.figures().len(), 9);
        let too_many = ViewpointsOptions { verdicts: vec![11], ..options };
        let told = run(&pack.bank, &values, &Settings::default(), &too_many, &|| {}).unwrap_err().to_string();
        assert_eq!(told, "a number of verdicts is 11; expected 1 to the number of readers");
    }
}
