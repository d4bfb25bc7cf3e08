//! A session without a log: the same questions, chosen in the same way, the same belief.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use credence_agent::bank::Bank;
use credence_agent::instrument::{self, Effort, Item, Member, Pool};
use credence_agent::keyed;
use credence_agent::pace::Pace;
use credence_memory::belief::{Mixture, Priors, Question, Settings, Strategy};
use credence_memory::ids::{AlternativeId, QuestionId, ValueId};
use credence_memory::layout::Layout;
use credence_memory::observation::Features;
use credence_memory::prior::priors;
use credence_memory::record::{AlternativeDescribed, PriorElicited, QuestionKind};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::baselines::{LogisticFit, rank_correlation};
use super::people::{PersonFile, Simulated};
use super::{Moment, RecoveryError, RecoveryOptions};
use crate::estimate::Estimate;

/// Level of the intervals.
const LEVEL: f64 = 0.9;
/// Reading levels and keys apart in count scoring: a rating counts by how far it is from the middle level.
const MIDDLE_LEVEL: f64 = (instrument::LEVELS as f64 - 1.0) / 2.0;

/// The keyed bank, as belief has it.
#[derive(Debug, Clone)]
pub(crate) struct Instrument {
    pub(crate) names: Vec<String>,
    pub(crate) values: usize,
    pub(crate) weight_variance: f64,
    /// Keys by alternative.
    pub(crate) keys: BTreeMap<AlternativeId, Vec<f64>>,
    pub(crate) layout: Arc<Layout>,
    pub(crate) priors: Priors,
    /// Without the published location.
    pub(super) flat: Priors,
    pub(super) described: BTreeMap<AlternativeId, AlternativeDescribed>,
    items: Vec<Item>,
    portraits: Vec<(AlternativeId, usize)>,
}

impl Instrument {
    /// From a bank and the ids of a schema's values.
    pub(crate) fn new(bank: &Bank, values: &[&str]) -> Result<Self, RecoveryError> {
        let ids: Vec<ValueId> = values.iter().map(|v| ValueId::new(v)).collect::<Result<_, _>>()?;
        let layout = Layout::of_values(ids.clone());
        let mut described = BTreeMap::new();
        let mut items = Vec::new();
        for question in &bank.questions {
            let Some(all) = keyed::describe_question(bank, &ids, question)? else { continue };
            let alternatives: Vec<AlternativeId> = all.iter().map(|d| d.alternative).collect();
            if alternatives.len() == 2 {
                items.push(Item::new(QuestionKind::Choice, &question.situation, alternatives));
            }
            described.extend(all.into_iter().map(|d| (d.alternative, d)));
        }
        let mut portraits = Vec::new();
        for portrait in &bank.portraits {
            let d = keyed::describe_portrait(bank, &ids, portrait)?;
            portraits.push((d.alternative, keyed::main_value(&d)));
            items.push(Item::new(QuestionKind::Portrait, "", vec![d.alternative]));
            described.insert(d.alternative, d);
        }
        let prior = keyed::prior(bank, &ids)?;
        let keys = described.iter().map(|(id, d)| (*id, d.schema.iter().map(|x| x.get()).collect())).collect();
        Ok(Self {
            names: values.iter().map(ToString::to_string).collect(),
            values: values.len(),
            weight_variance: keyed::weight_variance(bank),
            keys,
            priors: priors(&layout, Some(&prior), &[]),
            flat: priors(&layout, Some(&PriorElicited { published: None, ..prior.clone() }), &[]),
            layout: Arc::new(layout),
            described,
            items,
            portraits,
        })
    }

    /// Choices between two alternatives.
    pub(crate) fn choices(&self) -> impl Iterator<Item = &Item> {
        self.items.iter().filter(|item| item.kind == QuestionKind::Choice)
    }

    pub(crate) fn features(&self, alternative: &AlternativeId) -> Features {
        Features::of(&self.described[alternative], &self.layout)
    }

    /// Features with the keys as a person perceives them, and no error.
    fn perceived(&self, alternative: &AlternativeId, keys: &[f64]) -> Features {
        let mut features = self.features(alternative);
        features.mean[..keys.len()].copy_from_slice(keys);
        features.error.iter_mut().for_each(|e| *e = 0.0);
        features
    }

    pub(crate) fn difference(&self, item: &Item) -> Vec<f64> {
        let (a, b) = (&self.keys[&item.alternatives[0]], &self.keys[&item.alternatives[1]]);
        a.iter().zip(b).map(|(a, b)| a - b).collect()
    }
}

/// One way of learning people.
#[derive(Clone, Copy)]
pub(crate) struct Arm<'a> {
    pub(crate) name: &'a str,
    /// What belief has of the bank.
    pub(crate) instrument: &'a Instrument,
    pub(crate) kinds: &'a [QuestionKind],
    /// Whether it is told the keys as the person perceives them.
    pub(crate) perceived: bool,
    /// Whether the published order of values is among the starts.
    pub(crate) published: bool,
    /// What belief is formed under.
    pub(crate) settings: &'a Settings,
}

/// What was found of one person at one moment.
#[derive(Debug, Clone, Default)]
pub(crate) struct Found {
    answers: f64,
    minutes: f64,
    pub(crate) rank_correlation: f64,
    top_three: f64,
    pub(crate) sure: f64,
    sure_right: Option<f64>,
    pub(crate) coverage: f64,
    log_loss: f64,
    constant: f64,
    pub(crate) count_scoring: f64,
    pub(crate) plain_fit: f64,
}

impl Found {
    /// Beside the best constant for the same questions, nats an answer.
    pub(crate) fn log_loss_less_constant(&self) -> f64 {
        self.log_loss - self.constant
    }
}

/// One person's session.
pub(crate) struct Sat {
    pub(crate) moments: Vec<Found>,
}

/// Names of the moments.
pub(crate) fn moments(options: &RecoveryOptions) -> Vec<String> {
    let answers = options.answers.iter().map(|n| format!("{n} answers"));
    answers.chain([format!("{} minutes", options.minutes)]).collect()
}

/// What was answered so far, for the simpler ways of scoring.
#[derive(Default)]
struct Answered {
    count: Vec<f64>,
    rows: Vec<Vec<f64>>,
    outcomes: Vec<f64>,
    ln_losses: Vec<f64>,
    constants: Vec<f64>,
    seconds: f64,
}

/// Sits down with a simulated person.
pub(crate) fn sit(
    options: &RecoveryOptions,
    arm: &Arm<'_>,
    person: &mut Simulated,
    n: u64,
) -> Result<Sat, RecoveryError> {
    let instrument = arm.instrument;
    let mut rng = ChaCha8Rng::seed_from_u64(options.seed);
    rng.set_stream(2 * n + 1);
    let mut belief = Mixture::new(arm.settings, if arm.published { &instrument.priors } else { &instrument.flat })?;
    let pace = Pace::default();
    let last = options.answers.iter().copied().max().unwrap_or(0);
    let mut asked = Asked::default();
    let mut answered = Answered { count: vec![0.0; instrument.values], ..Answered::default() };
    let mut found: Vec<Option<Found>> = vec![None; options.answers.len() + 1];
    let seen_as = |person: &Simulated, a: &AlternativeId| match person.perceived(a).filter(|_| arm.perceived) {
        Some(keys) => instrument.perceived(a, keys),
        None => instrument.features(a),
    };
    loop {
        let given = answered.ln_losses.len();
        let pool = asked.pool(instrument, arm.kinds, options.effort);
        let features = |a: &AlternativeId| Ok::<_, RecoveryError>(seen_as(person, a));
        let layout = &instrument.layout;
        let chosen = instrument::next(Strategy::InformationGain, &belief, layout, &pool, &pace, features, &mut rng)?;
        // The clock is looked at before a question that would run past the minutes.
        let seconds = chosen.as_ref().map_or(f64::INFINITY, |c| pace.seconds(c.item.kind));
        if answered.seconds + seconds > 60.0 * options.minutes && found[options.answers.len()].is_none() {
            found[options.answers.len()] = Some(look(instrument, &belief, &person.weights, &answered));
        }
        let Some(chosen) = chosen else { break };
        if given >= last && found[options.answers.len()].is_some() {
            break;
        }
        let mut item = chosen.item;
        if item.kind == QuestionKind::Choice {
            item.alternatives.sort_unstable();
        }
        let question = item.question(layout, |a| Ok::<_, RecoveryError>(seen_as(person, a)))?;
        let outcome = person.answer(&item, question.outcome_count());
        // What had been expected of the answer is what it adds to the log marginal likelihood: no other outcome is worked out.
        let before = belief.log_marginal_likelihood();
        belief.learn([(&question.answer(outcome), Vec::new())])?;
        let ln_predictive = belief.log_marginal_likelihood() - before;
        answered.take(instrument, &item, &question, outcome, ln_predictive, seconds);
        asked.take(&item);
        let given = given + 1;
        if let Some(at) = options.answers.iter().position(|n| *n == given) {
            found[at] = Some(look(instrument, &belief, &person.weights, &answered));
        }
    }
    let end = look(instrument, &belief, &person.weights, &answered);
    Ok(Sat { moments: found.into_iter().map(|f| f.unwrap_or_else(|| end.clone())).collect() })
}

/// What a person has been asked.
#[derive(Default)]
struct Asked {
    answered: BTreeSet<QuestionId>,
    sets: BTreeSet<QuestionId>,
    seen: BTreeMap<AlternativeId, usize>,
    kinds: Vec<QuestionKind>,
}

impl Asked {
    fn pool<'a>(&self, instrument: &'a Instrument, kinds: &[QuestionKind], effort: Effort) -> Pool<'a> {
        let open = |item: &&Item| kinds.contains(&item.kind) && !self.answered.contains(&item.id);
        let member = |(alternative, value): &(AlternativeId, usize)| Member {
            alternative: *alternative,
            value: *value,
            seen: self.seen.get(alternative).copied().unwrap_or(0),
        };
        let sets = kinds.contains(&QuestionKind::BestAndWorst);
        Pool {
            items: instrument.items.iter().filter(open).collect(),
            members: if sets { instrument.portraits.iter().map(member).collect() } else { Vec::new() },
            asked_sets: self.sets.clone(),
            kinds: self.kinds.clone(),
            effort,
            remembered: None,
        }
    }

    fn take(&mut self, item: &Item) {
        let list = if item.kind == QuestionKind::BestAndWorst { &mut self.sets } else { &mut self.answered };
        list.insert(item.id);
        item.alternatives.iter().for_each(|a| *self.seen.entry(*a).or_default() += 1);
        self.kinds.push(item.kind);
    }
}

impl Answered {
    fn take(
        &mut self,
        instrument: &Instrument,
        item: &Item,
        question: &Question,
        outcome: usize,
        ln_predictive: f64,
        seconds: f64,
    ) {
        let mut add = |alternative: &AlternativeId, times: f64| {
            for (sum, key) in self.count.iter_mut().zip(&instrument.keys[alternative]) {
                *sum += times * key;
            }
        };
        match item.kind {
            QuestionKind::Choice => {
                let sign = [1.0, -1.0, 0.0][outcome];
                add(&item.alternatives[0], sign);
                add(&item.alternatives[1], -sign);
                self.rows.push(instrument.difference(item));
                self.outcomes.push([1.0, 0.0, 0.5][outcome]);
            }
            QuestionKind::Portrait => add(&item.alternatives[0], outcome as f64 - MIDDLE_LEVEL),
            QuestionKind::BestAndWorst => {
                let n = item.alternatives.len();
                let (best, rest) = (outcome / (n - 1), outcome % (n - 1));
                let worst = rest + usize::from(rest >= best);
                add(&item.alternatives[best], 1.0);
                add(&item.alternatives[worst], -1.0);
            }
        }
        self.ln_losses.push(-ln_predictive);
        self.constants.push(constant(item.kind, question, outcome));
        self.seconds += seconds;
    }
}

/// Log loss of the best constant prediction for a kind: sides of a choice are alike by symmetry, and so are the ways to answer a set.
/// Shares of "no preference" and of levels are those of the simulated people on the whole bank.
fn constant(kind: QuestionKind, question: &Question, outcome: usize) -> f64 {
    const NEITHER: f64 = 0.10;
    const LEVELS: [f64; 6] = [0.12, 0.14, 0.22, 0.24, 0.15, 0.13];
    let p = match kind {
        QuestionKind::Choice if outcome == 2 => NEITHER,
        QuestionKind::Choice => (1.0 - NEITHER) / 2.0,
        QuestionKind::Portrait => LEVELS[outcome.min(5)],
        QuestionKind::BestAndWorst => 1.0 / question.outcome_count() as f64,
    };
    -libm::log(p)
}

/// Contrasts of each value with the person's average, as functionals of the weights.
fn contrasts(instrument: &Instrument) -> Vec<Vec<f64>> {
    let n = instrument.values;
    let share = 1.0 / n as f64;
    (0..n)
        .map(|i| {
            let mut a = vec![0.0; instrument.layout.dimension()];
            a[..n].fill(-share);
            a[i] += 1.0;
            a
        })
        .collect()
}

/// Holds what is believed against what is true.
fn look(instrument: &Instrument, belief: &Mixture, weights: &[f64], answered: &Answered) -> Found {
    let n = instrument.values;
    let average = weights.iter().sum::<f64>() / n as f64;
    let truth: Vec<f64> = weights.iter().map(|w| w - average).collect();
    let marginals = belief.marginals(&contrasts(instrument));
    let means: Vec<f64> = marginals.iter().map(|m| m.mean()).collect();
    let intervals: Vec<(f64, f64)> = marginals.iter().map(|m| m.interval(LEVEL)).collect();
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|i, j| truth[*j].total_cmp(&truth[*i]));
    let top = order.iter().take(3).filter(|i| means[**i] > 0.0).count() as f64 / 3.0;
    let sure: Vec<usize> = (0..n).filter(|i| intervals[*i].0 > 0.0 || intervals[*i].1 < 0.0).collect();
    let right = sure.iter().filter(|i| (intervals[**i].0 > 0.0) == (truth[**i] > 0.0)).count();
    let held = (0..n).filter(|i| intervals[*i].0 <= truth[*i] && truth[*i] <= intervals[*i].1).count();
    let mean = |x: &[f64]| x.iter().sum::<f64>() / x.len().max(1) as f64;
    let fit = LogisticFit::new(&answered.rows, &answered.outcomes, n, plain_variance(instrument));
    Found {
        answers: answered.ln_losses.len() as f64,
        minutes: answered.seconds / 60.0,
        rank_correlation: rank_correlation(&means, weights),
        top_three: top,
        sure: sure.len() as f64,
        sure_right: (!sure.is_empty()).then(|| right as f64 / sure.len() as f64),
        coverage: held as f64 / n as f64,
        log_loss: mean(&answered.ln_losses),
        constant: mean(&answered.constants),
        count_scoring: rank_correlation(&answered.count, weights),
        plain_fit: rank_correlation(fit.weights.as_slice(), weights),
    }
}

/// A weight's variance in the plain fit: that of a signal of 2.5, in units of logistic noise.
fn plain_variance(instrument: &Instrument) -> f64 {
    let logistic_sd = std::f64::consts::PI / 3f64.sqrt();
    instrument.weight_variance * (2.5 * logistic_sd) * (2.5 * logistic_sd)
}

/// Figures over people.
pub(crate) fn over_people(sat: &[&Sat], names: &[String], seed: u64) -> Vec<Moment> {
    let at = |k: usize, f: &dyn Fn(&Found) -> f64| sat.iter().map(|s| f(&s.moments[k])).collect::<Vec<f64>>();
    let mean = |x: Vec<f64>| x.iter().sum::<f64>() / x.len() as f64;
    names
        .iter()
        .enumerate()
        .map(|(k, name)| {
            let right: Vec<f64> = sat.iter().filter_map(|s| s.moments[k].sure_right).collect();
            let estimate = |f: &dyn Fn(&Found) -> f64| Estimate::bootstrap(&at(k, f), seed);
            Moment {
                at: name.clone(),
                answers: mean(at(k, &|f| f.answers)),
                minutes: mean(at(k, &|f| f.minutes)),
                rank_correlation: estimate(&|f| f.rank_correlation),
                top_three: estimate(&|f| f.top_three),
                sure: estimate(&|f| f.sure),
                sure_right: (!right.is_empty()).then(|| Estimate::bootstrap(&right, seed)),
                coverage: estimate(&|f| f.coverage),
                log_loss: estimate(&|f| f.log_loss),
                log_loss_less_constant: estimate(&|f| f.log_loss_less_constant()),
            }
        })
        .collect()
}

/// What was found of one person from a file, at one number of answers.
#[derive(Debug, Clone)]
pub(crate) struct FileSat {
    pub(crate) rank_correlation: f64,
    pub(crate) plain_rank_correlation: f64,
    pub(crate) predicted: f64,
    pub(crate) plain_predicted: f64,
    pub(crate) log_loss: f64,
}

/// Sits down with somebody whose answers to choices are known; the plain fit chooses its own questions by variance.
pub(crate) fn sit_with_file(
    instrument: &Instrument,
    settings: &Settings,
    options: &RecoveryOptions,
    person: &PersonFile,
    answers: &BTreeMap<QuestionId, usize>,
    n: u64,
) -> Result<Vec<FileSat>, RecoveryError> {
    let mut rng = ChaCha8Rng::seed_from_u64(options.seed);
    rng.set_stream(n);
    let weights = person.weights(instrument);
    let ordered = |item: &Item| {
        let mut item = item.clone();
        item.alternatives.sort_unstable();
        item
    };
    let items: Vec<Item> = instrument.items.iter().filter(|i| answers.contains_key(&i.id)).map(ordered).collect();
    let mut belief = Mixture::new(settings, &instrument.priors)?;
    let mut asked = Asked::default();
    let mut plain = Plain::new(instrument, &items, answers);
    let mut found = Vec::new();
    let features = |a: &AlternativeId| Ok::<_, RecoveryError>(instrument.features(a));
    for count in 1..=options.answers.iter().copied().max().unwrap_or(0) {
        let open: Vec<&Item> = items.iter().filter(|i| !asked.answered.contains(&i.id)).collect();
        let pool = Pool { items: open, ..Pool::default() };
        let chosen = instrument::next(
            Strategy::InformationGain,
            &belief,
            &instrument.layout,
            &pool,
            &Pace::default(),
            features,
            &mut rng,
        )?;
        let Some(chosen) = chosen else { break };
        let question = chosen.item.question(&instrument.layout, features)?;
        belief.observe(&question.answer(answers[&chosen.item.id]))?;
        asked.take(&chosen.item);
        plain.next();
        if options.answers.contains(&count) {
            found.push(held_against(instrument, &belief, &weights, &items, answers, &asked, &plain)?);
        }
    }
    Ok(found)
}

fn held_against(
    instrument: &Instrument,
    belief: &Mixture,
    weights: &[f64],
    items: &[Item],
    answers: &BTreeMap<QuestionId, usize>,
    asked: &Asked,
    plain: &Plain<'_>,
) -> Result<FileSat, RecoveryError> {
    let means: Vec<f64> = belief.marginals(&contrasts(instrument)).iter().map(|m| m.mean()).collect();
    let fit = plain.fit();
    let features = |a: &AlternativeId| Ok::<_, RecoveryError>(instrument.features(a));
    let (mut right, mut loss, mut count) = (0.0, 0.0, 0.0);
    for item in items.iter().filter(|i| !asked.answered.contains(&i.id)) {
        let outcome = answers[&item.id];
        let p = belief.predict(&item.question(&instrument.layout, features)?);
        if outcome < 2 {
            let first = p[0] / (p[0] + p[1]);
            right += f64::from(u8::from((first > 0.5) == (outcome == 0)));
            loss -= libm::log(if outcome == 0 { first } else { 1.0 - first }.max(1e-12));
            count += 1.0;
        }
    }
    let rest = plain.rest();
    let plain_right: f64 = rest
        .iter()
        .map(|(item, outcome)| {
            f64::from(u8::from((fit.predict(&instrument.difference(item)) > 0.5) == (*outcome == 0)))
        })
        .sum();
    Ok(FileSat {
        rank_correlation: rank_correlation(&means, weights),
        plain_rank_correlation: rank_correlation(fit.weights.as_slice(), weights),
        predicted: right / f64::max(count, 1.0),
        plain_predicted: plain_right / rest.len().max(1) as f64,
        log_loss: loss / f64::max(count, 1.0),
    })
}

/// The plain fit with questions of its own.
struct Plain<'a> {
    instrument: &'a Instrument,
    items: &'a [Item],
    answers: &'a BTreeMap<QuestionId, usize>,
    asked: Vec<usize>,
}

impl<'a> Plain<'a> {
    fn new(instrument: &'a Instrument, items: &'a [Item], answers: &'a BTreeMap<QuestionId, usize>) -> Self {
        Self { instrument, items, answers, asked: Vec::new() }
    }

    fn fit(&self) -> LogisticFit {
        let rows: Vec<Vec<f64>> = self.asked.iter().map(|&k| self.instrument.difference(&self.items[k])).collect();
        let outcome = |k: &usize| [1.0, 0.0, 0.5][self.answers[&self.items[*k].id]];
        let outcomes: Vec<f64> = self.asked.iter().map(outcome).collect();
        LogisticFit::new(&rows, &outcomes, self.instrument.values, plain_variance(self.instrument))
    }

    /// Asks the question whose utility difference is least known.
    fn next(&mut self) {
        let fit = self.fit();
        let open = (0..self.items.len()).filter(|k| !self.asked.contains(k));
        let variance = |k: &usize| fit.variance(&self.instrument.difference(&self.items[*k]));
        if let Some(next) = open.max_by(|i, j| variance(i).total_cmp(&variance(j)).then(j.cmp(i))) {
            self.asked.push(next);
        }
    }

    /// Questions not asked that were answered one way or the other.
    fn rest(&self) -> Vec<(&'a Item, usize)> {
        let open = self.items.iter().enumerate().filter(|(k, _)| !self.asked.contains(k));
        open.map(|(_, item)| (item, self.answers[&item.id])).filter(|(_, outcome)| *outcome < 2).collect()
    }
}
