//! Many people at a glance: groups, what unites and divides, where each stands, who influences what. Numbers only; the
//! command says them.
//!
//! Where people answered about the same things, a map shows who answered alike. Where they did not, since each was asked what tells most
//! about them, it shows whose values are believed to be alike.

use std::collections::BTreeMap;

use credence_memory::belief::Mixture;
use credence_memory::ids::{PersonId, SourceId};
use credence_memory::layout::Layout;
use credence_memory::population::{
    Flag, GroupNumber, GroupOptions, Groups, Item, ItemOptions, ItemPosterior, PopulationError, Survey, flags, groups,
};
use credence_memory::record::Subject;
use credence_memory::state::State;
use serde::Serialize;
use statrs::distribution::{Beta, ContinuousCDF};
use utoipa::ToSchema;

/// A mean with its 90% interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, ToSchema)]
pub struct Spread {
    /// Mean.
    pub mean: f64,
    /// 5% point.
    pub low: f64,
    /// 95% point.
    pub high: f64,
}

/// One statement, or a pair as "one rather than the other".
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
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
    /// Answers in each group, each by the probability that who gave it is of the group.
    pub answers_by_group: Vec<f64>,
    /// Agreements among them.
    pub agreements_by_group: Vec<f64>,
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
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct GroupView {
    /// Share of people.
    pub share: f64,
    /// People who most probably stand here.
    pub people: usize,
    /// Places in the list of items that set it apart from all others beyond doubt, the surest first.
    pub apart: Vec<usize>,
}

/// One person.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
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
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct SourceView {
    /// Its name.
    pub source: SourceId,
    /// People whose evidence came mostly through it.
    pub people: usize,
    /// What they count for together, as a share of all.
    pub share: f64,
}

/// Where somebody stands in the two directions in which people differ most.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, ToSchema)]
pub struct Point {
    /// Along the direction in which they differ most: probits of an answer, or the unit of values.
    pub x: f64,
    /// Along the next one.
    pub y: f64,
    /// Standard deviation of `x`.
    pub sd_x: f64,
    /// Standard deviation of `y`.
    pub sd_y: f64,
}

/// Everything at a glance.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
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

/// Fewer answers a person to what at least two others answered too are no ground for a map.
const COMMON_MIN: f64 = 3.0;

/// Whether people have answered enough of the same things to be placed by their answers: on average three to what at least two others
/// answered too.
pub fn have_common_answers(survey: &Survey) -> bool {
    let mut by_item = vec![0_usize; survey.items.len()];
    survey.answers.answers().iter().for_each(|answer| by_item[answer.item as usize] += 1);
    let common: usize = by_item.into_iter().filter(|people| *people >= 3).sum();
    !survey.people.is_empty() && common as f64 >= COMMON_MIN * survey.people.len() as f64
}

/// How much a value leans along a direction.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Leaning {
    /// The value's id.
    pub value: String,
    /// Its part in the direction, whose parts have squares that sum to 1.
    pub part: f64,
}

/// Where people stand by what is believed of their values.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ValuesMap {
    /// Who.
    #[schema(value_type = Vec<String>)]
    pub people: Vec<PersonId>,
    /// Where each of them stands, in the same order, in reference standard deviations of a weight.
    pub points: Vec<Point>,
    /// What somebody further to the right cares about more, or less, the most telling first.
    pub right: Vec<Leaning>,
    /// What somebody further up does.
    pub up: Vec<Leaning>,
}

/// Values that tell what a direction is about, at most.
const LEANINGS_MAX: usize = 3;

/// People's places by the values that are believed of them, each less the person's own average: along the two directions in which
/// their means differ most, with the standard deviations of belief along them. Nothing for fewer than three people, and where nothing
/// tells them apart.
pub fn map_of_values(layout: &Layout, believed: &[(PersonId, Mixture)]) -> Option<ValuesMap> {
    let values = layout.values().len();
    if believed.len() < 3 || values < 2 {
        return None;
    }
    let unit = layout.weight_sd();
    let mut rows: Vec<f64> = Vec::with_capacity(values * believed.len());
    for (_, belief) in believed {
        let mean = belief.mean();
        let own = mean[..values].iter().sum::<f64>() / values as f64;
        rows.extend(mean[..values].iter().map(|weight| (weight - own) / unit));
    }
    let mut centred = rows.clone();
    centre(&mut centred, values);
    let one = direction(&centred, values, None)?;
    let two = direction(&centred, values, Some(&one)).unwrap_or_else(|| vec![0.0; values]);
    let middle: Vec<f64> = (0..values).map(|v| rows[v] - centred[v]).collect();
    // What stands along a direction is a functional of the weights: each value less the average, times its part.
    let functional = |axis: &[f64], belief: &Mixture| {
        let average = axis.iter().sum::<f64>() / values as f64;
        let mut along = vec![0.0; belief.dimension()];
        along.iter_mut().zip(axis).for_each(|(to, part)| *to = (part - average) / unit);
        belief.functional(&along)
    };
    let place = |axis: &[f64], belief: &Mixture| {
        let found = functional(axis, belief);
        let zero: f64 = axis.iter().zip(&middle).map(|(a, m)| a * m).sum();
        (found.mean() - zero, found.sd())
    };
    let point = |(_, belief): &(PersonId, Mixture)| {
        let ((x, sd_x), (y, sd_y)) = (place(&one, belief), place(&two, belief));
        Point { x, y, sd_x, sd_y }
    };
    let leanings = |axis: &[f64]| {
        let all =
            layout.values().iter().zip(axis).map(|(value, part)| Leaning { value: value.to_string(), part: *part });
        let mut all: Vec<Leaning> = all.collect();
        all.sort_by(|a, b| b.part.abs().total_cmp(&a.part.abs()).then(a.value.cmp(&b.value)));
        all.truncate(LEANINGS_MAX);
        all.retain(|leaning| leaning.part != 0.0);
        all
    };
    Some(ValuesMap {
        people: believed.iter().map(|(person, _)| person.clone()).collect(),
        points: believed.iter().map(point).collect(),
        right: leanings(&one),
        up: leanings(&two),
    })
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
        answers_by_group: found.counted.iter().map(|counted| counted[j][0] + counted[j][1]).collect(),
        agreements_by_group: found.counted.iter().map(|counted| counted[j][0]).collect(),
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
            let distance = |j: &usize| found.apart.get(g).map_or(0.0, |sure| sure[*j]);
            let mut apart: Vec<usize> = (0..found.overall.len()).filter(|j| distance(j) > 0.0).collect();
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

#[cfg(test)]
mod tests {
    use credence_memory::belief::{LocationName, Priors, Question, Settings};
    use credence_memory::ids::ValueId;
    use credence_memory::prior::priors;

    use super::*;

    #[test]
    fn people_who_care_about_the_same_stand_together_and_who_said_more_stands_surer() {
        let values: Vec<ValueId> = ["care", "honesty", "tradition"].iter().map(|v| ValueId::new(v).unwrap()).collect();
        let layout = Layout::of_values(values);
        let priors: Priors = priors(&layout, None, &[]);
        assert!(priors.locations.iter().all(|l| l.name == LocationName::Zero));
        let believed = |name: &str, value: usize, answers: usize| {
            let mut belief = Mixture::new(&Settings::single(1.5, 0.01, 0.3), &priors).unwrap();
            for _ in 0..answers {
                let mut difference = vec![0.0; layout.width()];
                difference[value] = 1.0;
                difference[(value + 1) % 3] = -1.0;
                belief.observe(&Question::choice(difference, false).answer(0)).unwrap();
            }
            (PersonId::new(name).unwrap(), belief)
        };
        let people = [believed("a", 0, 9), believed("b", 0, 8), believed("c", 1, 9), believed("d", 1, 2)];
        let map = map_of_values(&layout, &people).unwrap();
        let apart = |i: usize, j: usize| (map.points[i].x - map.points[j].x).hypot(map.points[i].y - map.points[j].y);
        assert!(apart(0, 1) < 0.5 * apart(0, 2) && apart(2, 3) < apart(0, 3), "{map:?}");
        assert!(map.points[3].sd_x > map.points[2].sd_x, "{map:?}");
        let centre: f64 = map.points.iter().map(|p| p.x).sum();
        assert!(centre.abs() < 1e-9, "{centre}");
        let parts: f64 = map.right.iter().map(|leaning| leaning.part * leaning.part).sum();
        assert!(!map.right.is_empty() && parts <= 1.0 + 1e-9, "{map:?}");
        assert!(map_of_values(&layout, &people[..2]).is_none(), "two people are no map");
        let same = [believed("a", 0, 3), believed("b", 0, 3), believed("c", 0, 3)];
        assert!(map_of_values(&layout, &same).is_none(), "nothing tells them apart");
    }
}
