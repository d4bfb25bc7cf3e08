//! Many people at a glance: groups, what unites and divides, where each stands, who influences what. Numbers only; the
//! command says them.

use std::collections::BTreeMap;

use credence_memory::ids::{PersonId, SourceId};
use credence_memory::population::{
    Flag, GroupNumber, GroupOptions, Groups, Item, ItemOptions, ItemPosterior, PopulationError, Survey, flags, groups,
};
use credence_memory::record::Subject;
use credence_memory::state::State;
use serde::Serialize;
use statrs::distribution::{Beta, ContinuousCDF};

/// A mean with its 90% interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Spread {
    /// Mean.
    pub mean: f64,
    /// 5% point.
    pub low: f64,
    /// 95% point.
    pub high: f64,
}

/// One statement, or a pair as "one rather than the other".
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ItemView {
    /// Its words.
    pub text: String,
    /// Agreements and disagreements.
    pub answers: usize,
    /// Agreements among them.
    pub agreements: usize,
    /// Passes.
    pub passes: usize,
    /// Probability that somebody agrees.
    pub agree: f64,
    /// The same by group.
    pub by_group: Vec<f64>,
    /// Least agreement of any group, or least disagreement, whichever is more.
    pub unites: f64,
    /// Whether the side on which it unites is agreement.
    pub on_agreeing: bool,
    /// Widest distance between groups; in one group, how near to half and half.
    pub divides: f64,
    /// How much it unites at least, given how many have answered.
    pub surely_unites: f64,
    /// How much it divides at least, given how many have answered.
    pub surely_divides: f64,
}

/// One group.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GroupView {
    /// Share of people.
    pub share: f64,
    /// People who most probably stand here.
    pub people: usize,
    /// Places in the list of items that set it apart from everyone, most first.
    pub apart: Vec<usize>,
}

/// One person.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PlaceView {
    /// Who.
    pub person: PersonId,
    /// The source most of their evidence came through.
    pub source: SourceId,
    /// Agreements and disagreements.
    pub answers: usize,
    /// What they count for.
    pub counts_for: f64,
    /// Probability of each group.
    pub groups: Vec<f64>,
    /// Share of answers that come about by chance rather than conviction.
    pub slips: Spread,
    /// The same answer to the same question asked again: how often, of how many times, and the rate behind it.
    pub asked_again: Option<(usize, usize, Spread)>,
    /// What is worth a look.
    pub flags: Vec<Flag>,
}

/// One source.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SourceView {
    /// Its name.
    pub source: SourceId,
    /// People whose evidence came mostly through it.
    pub people: usize,
    /// What they count for together, as a share of all.
    pub share: f64,
}

/// Where somebody stands in the two directions in which people's answers differ most.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Point {
    /// Along the direction in which they differ most, probits.
    pub x: f64,
    /// Along the next one.
    pub y: f64,
    /// Standard deviation of `x`.
    pub sd_x: f64,
    /// Standard deviation of `y`.
    pub sd_y: f64,
}

/// Everything at a glance.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PeopleView {
    /// Numbers of groups that were tried.
    pub numbers: Vec<GroupNumber>,
    /// The groups, largest first.
    pub groups: Vec<GroupView>,
    /// Every item, in the order of the log.
    pub items: Vec<ItemView>,
    /// Everyone, in the order of their names.
    pub people: Vec<PlaceView>,
    /// Where each of them stands, in the same order; empty where there is nothing to tell them apart by.
    pub map: Vec<Point>,
    /// Where evidence came through.
    pub sources: Vec<SourceView>,
    /// Who is left out.
    pub quarantined: Vec<Subject>,
}

/// How many people are gone through at once, and what for.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct PeopleOptions {
    /// How groups are looked for.
    pub groups: GroupOptions,
    /// How items are learned.
    pub items: ItemOptions,
}

/// Looks at everyone in a state.
///
/// # Errors
/// Options out of range.
pub fn overview(state: &State, survey: &Survey, options: &PeopleOptions) -> Result<PeopleView, PopulationError> {
    let found = groups(&survey.answers, &survey.weights, &options.groups)?;
    let posterior = ItemPosterior::sample(&survey.answers, &options.items)?;
    let mut flagged = flags(&survey.answers);
    let mut answers = vec![0; survey.people.len()];
    survey.answers.answers().iter().for_each(|a| answers[a.person as usize] += 1);
    let people = survey.people.iter().enumerate().map(|(i, person)| PlaceView {
        person: person.clone(),
        source: survey.sources[i].clone(),
        answers: answers[i],
        counts_for: survey.weights[i],
        groups: found.membership[i].clone(),
        slips: spread(posterior.draws().iter().map(|d| d.lapse_rates[i]).collect()),
        asked_again: asked_again(state, person),
        flags: flagged.remove(&i).unwrap_or_default(),
    });
    Ok(PeopleView {
        numbers: found.numbers.clone(),
        groups: group_views(&found),
        items: survey.items.iter().enumerate().map(|(j, item)| item_view(state, survey, &found, j, *item)).collect(),
        people: people.collect(),
        map: map(&posterior),
        sources: sources(survey),
        quarantined: state.quarantined().iter().cloned().collect(),
    })
}

/// Draws that a map is made from, at most: more would only smooth the regions.
const MAP_DRAWS_MAX: usize = 60;
/// Steps of the power iteration that finds a direction.
const MAP_STEPS: usize = 60;

/// Everybody's place: how they answer every item, as each draw has it (factors may turn from draw to draw, answers do not), along
/// the first two principal components of the mean over draws.
fn map(posterior: &ItemPosterior) -> Vec<Point> {
    let draws = posterior.draws();
    let step = draws.len().div_ceil(MAP_DRAWS_MAX).max(1);
    // By rows of people, each item less its mean over them.
    let answers: Vec<(usize, Vec<f64>)> = draws
        .iter()
        .step_by(step)
        .map(|draw| {
            let items = draw.intercepts.len();
            let factors = draw.loadings.len() / items.max(1);
            let mut rows = Vec::with_capacity(items * draw.lapse_rates.len());
            for person in draw.people.chunks_exact(factors + 1) {
                for (b, a) in draw.intercepts.iter().zip(draw.loadings.chunks_exact(factors.max(1))) {
                    let inner: f64 = a.iter().zip(&person[1..]).map(|(a, t)| a * t).sum();
                    rows.push(person[0] + b + if factors == 0 { 0.0 } else { inner });
                }
            }
            centre(&mut rows, items);
            (items, rows)
        })
        .collect();
    let Some((items, first)) = answers.first() else { return Vec::new() };
    let (items, n) = (*items, first.len() / (*items).max(1));
    if items == 0 || n < 3 {
        return Vec::new();
    }
    let mut mean = vec![0.0; first.len()];
    for (_, rows) in &answers {
        mean.iter_mut().zip(rows).for_each(|(m, r)| *m += r / answers.len() as f64);
    }
    let Some(one) = direction(&mean, items, None) else { return Vec::new() };
    let two = direction(&mean, items, Some(&one)).unwrap_or_else(|| vec![0.0; items]);
    let along = |rows: &[f64], axis: &[f64]| -> Vec<f64> {
        rows.chunks_exact(items).map(|row| row.iter().zip(axis).map(|(r, a)| r * a).sum()).collect()
    };
    let placed: Vec<[Vec<f64>; 2]> = answers.iter().map(|(_, rows)| [along(rows, &one), along(rows, &two)]).collect();
    let spread_of = |person: usize, axis: usize| {
        let mean = placed.iter().map(|p| p[axis][person]).sum::<f64>() / placed.len() as f64;
        let variance = placed.iter().map(|p| (p[axis][person] - mean).powi(2)).sum::<f64>() / placed.len() as f64;
        (mean, variance.sqrt())
    };
    let point = |person| {
        let ((x, sd_x), (y, sd_y)) = (spread_of(person, 0), spread_of(person, 1));
        Point { x, y, sd_x, sd_y }
    };
    (0..n).map(point).collect()
}

fn centre(rows: &mut [f64], items: usize) {
    let n = (rows.len() / items.max(1)).max(1) as f64;
    for item in 0..items {
        let mean = rows.iter().skip(item).step_by(items).sum::<f64>() / n;
        rows.iter_mut().skip(item).step_by(items).for_each(|x| *x -= mean);
    }
}

/// The unit vector over items along which rows vary most, at right angles to another; nothing where they do not vary.
fn direction(rows: &[f64], items: usize, but: Option<&[f64]>) -> Option<Vec<f64>> {
    let norm = |v: &[f64]| v.iter().map(|x| x * x).sum::<f64>().sqrt();
    let mut axis: Vec<f64> = (0..items).map(|i| 1.0 + 0.5 * ((i * 7 + 1) as f64).sin()).collect();
    for _ in 0..MAP_STEPS {
        if let Some(but) = but {
            let inner: f64 = axis.iter().zip(but).map(|(a, b)| a * b).sum();
            axis.iter_mut().zip(but).for_each(|(a, b)| *a -= inner * b);
        }
        let mut next = vec![0.0; items];
        for row in rows.chunks_exact(items) {
            let inner: f64 = row.iter().zip(&axis).map(|(r, a)| r * a).sum();
            next.iter_mut().zip(row).for_each(|(n, r)| *n += inner * r);
        }
        let length = norm(&next);
        if length.is_nan() || length <= 1e-12 {
            return None;
        }
        axis = next.into_iter().map(|x| x / length).collect();
    }
    if let Some(but) = but {
        let inner: f64 = axis.iter().zip(but).map(|(a, b)| a * b).sum();
        axis.iter_mut().zip(but).for_each(|(a, b)| *a -= inner * b);
    }
    Some(axis)
}

/// The words of an item.
pub fn words(state: &State, item: Item) -> String {
    let text = |i: u32| state.descriptions()[i as usize].text.clone();
    match item {
        Item::Statement(i) => text(i),
        Item::Pair(a, b) => format!("{} rather than {}", text(a), text(b)),
    }
}

fn item_view(state: &State, survey: &Survey, found: &Groups, j: usize, item: Item) -> ItemView {
    let (on_agreeing, unites) = found.unites(j);
    ItemView {
        text: words(state, item),
        answers: found.answers[j],
        agreements: found.agreements[j],
        passes: survey.passes[j],
        agree: found.overall[j],
        by_group: found.agreement.iter().map(|a| a[j]).collect(),
        unites,
        on_agreeing,
        divides: found.divides(j),
        surely_unites: found.sure[j].unites,
        surely_divides: found.sure[j].divides,
    }
}

fn group_views(found: &Groups) -> Vec<GroupView> {
    let most_probable = |m: &Vec<f64>| (0..m.len()).fold(0, |a, b| if m[b] > m[a] { b } else { a });
    (0..found.shares.len())
        .map(|g| {
            let distance = |j: &usize| (found.agreement[g][*j] - found.overall[*j]).abs();
            let mut apart: Vec<usize> = (0..found.overall.len()).collect();
            apart.sort_by(|a, b| distance(b).total_cmp(&distance(a)).then(a.cmp(b)));
            let people = found.membership.iter().filter(|m| most_probable(m) == g).count();
            GroupView { share: found.shares[g], people, apart }
        })
        .collect()
}

fn sources(survey: &Survey) -> Vec<SourceView> {
    let total: f64 = survey.weights.iter().sum();
    let mut by: BTreeMap<&SourceId, (usize, f64)> = BTreeMap::new();
    for (source, weight) in survey.sources.iter().zip(&survey.weights) {
        let entry = by.entry(source).or_default();
        entry.0 += 1;
        entry.1 += weight / total.max(1e-12);
    }
    by.into_iter().map(|(source, (people, share))| SourceView { source: source.clone(), people, share }).collect()
}

fn spread(mut values: Vec<f64>) -> Spread {
    values.sort_by(f64::total_cmp);
    let n = values.len();
    let at = |q: f64| values[((q * n as f64) as usize).min(n - 1)];
    Spread { mean: values.iter().sum::<f64>() / n as f64, low: at(0.05), high: at(0.95) }
}

/// How often the same question got the same answer again: the rate behind it with Jeffreys' interval.
fn asked_again(state: &State, person: &PersonId) -> Option<(usize, usize, Spread)> {
    let mut before = BTreeMap::new();
    let (mut same, mut again) = (0, 0);
    for evidence in state.person(person)?.evidence() {
        let Some(question) = evidence.question else { continue };
        if let Some(form) = before.insert(question, &evidence.form) {
            again += 1;
            same += usize::from(*form == evidence.form);
        }
    }
    if again == 0 {
        return None;
    }
    let beta = Beta::new(same as f64 + 0.5, (again - same) as f64 + 0.5).ok()?;
    let mean = (same as f64 + 0.5) / (again as f64 + 1.0);
    Some((same, again, Spread { mean, low: beta.inverse_cdf(0.05), high: beta.inverse_cdf(0.95) }))
}
