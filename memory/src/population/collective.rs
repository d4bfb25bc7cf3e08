//! Deciding for several people by a stated rule, and who would object (docs/people.md, section 6).

use serde::{Deserialize, Serialize};

use super::PopulationError;
use crate::belief::normal::positive_part;

/// Whoever has settled less than this of what was unknown has said nothing that bears on the alternatives.
const KNOWN_MIN: f64 = 0.05;

/// How one alternative is chosen for several people.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// The greatest sum of everyone's expected relative utility.
    #[default]
    Utilitarian,
    /// The best for whoever, or whichever group, it is worst for.
    Maximin,
    /// The greatest product of gains over the fallback.
    Nash,
    /// The greatest sum among those that leave no group worse off than its fallback.
    NoGroupWorse,
}

impl Rule {
    /// All of them.
    pub const ALL: [Rule; 4] = [Rule::Utilitarian, Rule::Maximin, Rule::Nash, Rule::NoGroupWorse];
}

/// What one person makes of the alternatives: relative utility, 0 for their worst and 1 for their best.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Stake {
    /// Expected relative utility of each alternative, in [0, 1].
    pub expected: Vec<f64>,
    /// Covariance of the relative utilities, by rows: how unsure they are.
    pub covariance: Vec<f64>,
    /// What the person counts for, in (0, 1].
    pub weight: f64,
    /// The group they stand with.
    pub group: usize,
    /// How much of what was unknown of their utilities beforehand evidence has settled, from 0 (nothing links it to these
    /// alternatives) to 1.
    pub known: f64,
}

/// The bars of a decision for several people, in relative utility.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct CollectiveBars {
    /// Rules may differ by this much of what each is about.
    pub rules: f64,
    /// A group, or a person, objects when it loses more than this against what is best for it.
    pub objection: f64,
    /// Expected regret of acting on what is believed of these people.
    pub regret: f64,
}

impl Default for CollectiveBars {
    fn default() -> Self {
        Self { rules: 0.05, objection: 0.25, regret: 0.05 }
    }
}

/// What each rule makes of it, and whether to act.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Collective {
    /// The rule that decides.
    pub rule: Rule,
    /// Its choice, by place.
    pub chosen: usize,
    /// Every rule with its score of each alternative and its choice.
    pub rules: Vec<(Rule, Vec<f64>, usize)>,
    /// Mean relative utility of each group for each alternative.
    pub groups: Vec<Vec<f64>>,
    /// Expected regret of the choice against the runner-up by sum, relative utility.
    pub expected_regret: f64,
    /// People who would object, with what they lose; the greatest loss first.
    pub objectors: Vec<(usize, f64)>,
    /// Groups that would object, with what they lose.
    pub objecting_groups: Vec<(usize, f64)>,
    /// Why it is not acted on, if it is not.
    pub defers: Vec<String>,
}

/// Decides. `fallback` is the alternative that happens if nothing is decided; without one it is an even lottery over all.
///
/// # Errors
/// Nobody, fewer than two alternatives, or stakes of different shapes.
pub fn decide(
    stakes: &[Stake],
    rule: Rule,
    fallback: Option<usize>,
    bars: CollectiveBars,
) -> Result<Collective, PopulationError> {
    let k = stakes.first().map_or(0, |s| s.expected.len());
    let same = |s: &Stake| s.expected.len() == k && s.covariance.len() == k * k && s.weight > 0.0;
    if k < 2 || !stakes.iter().all(same) || fallback.is_some_and(|f| f >= k) {
        return Err(PopulationError::Options {
            what: "stakes of at least one person in the same two or more alternatives",
        });
    }
    let count = stakes.iter().map(|s| s.group + 1).max().unwrap_or(1);
    let mean_of = |of: &dyn Fn(&Stake) -> bool| -> Vec<f64> {
        let total: f64 = stakes.iter().filter(|s| of(s)).map(|s| s.weight).sum();
        let sum = |i: usize| stakes.iter().filter(|s| of(s)).map(|s| s.weight * s.expected[i]).sum::<f64>();
        (0..k).map(|i| sum(i) / total.max(1e-12)).collect()
    };
    let everyone = mean_of(&|_| true);
    let groups: Vec<Vec<f64>> = (0..count).map(|g| mean_of(&|s| s.group == g)).collect();
    let present: Vec<bool> = (0..count).map(|g| stakes.iter().any(|s| s.group == g)).collect();
    // Groups where there are several; where there is one, its people.
    let units: Vec<Vec<f64>> = if present.iter().filter(|p| **p).count() > 1 {
        groups.iter().zip(&present).filter(|(_, p)| **p).map(|(g, _)| g.clone()).collect()
    } else {
        stakes.iter().map(|s| s.expected.clone()).collect()
    };
    let floor = |u: &[f64]| fallback.map_or_else(|| u.iter().sum::<f64>() / k as f64, |f| u[f]);
    let score = |rule: Rule, i: usize| -> f64 {
        match rule {
            Rule::Utilitarian => everyone[i],
            Rule::Maximin => units.iter().map(|u| u[i]).fold(f64::INFINITY, f64::min),
            // A gain of nothing counts as a thousandth, so that alternatives are ordered even where all make somebody lose.
            Rule::Nash => libm::exp(
                units.iter().map(|u| libm::log((u[i] - floor(u)).max(1e-3))).sum::<f64>() / units.len() as f64,
            ),
            Rule::NoGroupWorse => {
                let worst = units.iter().map(|u| u[i] - floor(u)).fold(f64::INFINITY, f64::min);
                if worst >= -1e-9 { everyone[i] } else { worst }
            }
        }
    };
    let rules: Vec<(Rule, Vec<f64>, usize)> = Rule::ALL
        .iter()
        .map(|&rule| {
            let scores: Vec<f64> = (0..k).map(|i| score(rule, i)).collect();
            let best = first_max(&scores);
            (rule, scores, best)
        })
        .collect();
    let chosen = rules.iter().find(|(r, _, _)| *r == rule).map_or(0, |(_, _, best)| *best);
    let losses = |u: &[f64]| u.iter().copied().fold(0.0, f64::max) - u[chosen];
    let objecting = |all: &mut dyn Iterator<Item = (usize, f64)>| -> Vec<(usize, f64)> {
        let mut out: Vec<(usize, f64)> = all.filter(|(_, loss)| *loss > bars.objection).collect();
        out.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        out
    };
    let objectors = objecting(&mut stakes.iter().enumerate().map(|(i, s)| (i, losses(&s.expected))));
    let objecting_groups =
        objecting(&mut groups.iter().enumerate().filter(|(g, _)| present[*g]).map(|(g, u)| (g, losses(u))));
    let expected_regret = regret(stakes, &everyone, chosen);
    let mut defers = Vec::new();
    for (other, scores, best) in &rules {
        if *best != chosen && scores[*best] - scores[chosen] > bars.rules {
            defers.push(format!("{other:?} would choose alternative {}", best + 1));
        }
    }
    if present.iter().filter(|p| **p).count() > 1 {
        defers.extend(objecting_groups.iter().map(|(g, loss)| format!("group {} would lose {loss:.2}", g + 1)));
    }
    let total: f64 = stakes.iter().map(|s| s.weight).sum();
    let linked = stakes.iter().filter(|s| s.known > KNOWN_MIN).map(|s| s.weight).sum::<f64>() / total;
    if linked < 0.5 {
        defers.push(format!(
            "nothing that most of these people said bears on these alternatives ({:.0}% of them count as known)",
            100.0 * linked
        ));
    } else if expected_regret > bars.regret {
        defers.push(format!("too little is known of these people: expected regret {expected_regret:.3}"));
    }
    Ok(Collective { rule, chosen, rules, groups, expected_regret, objectors, objecting_groups, defers })
}

/// The greatest expected regret of `chosen` against any other alternative, by weighted mean relative utility.
///
/// What evidence has settled of each is independent of the others; what it has not is the same ignorance for all, and does not average
/// out over them.
fn regret(stakes: &[Stake], mean: &[f64], chosen: usize) -> f64 {
    let k = mean.len();
    let total: f64 = stakes.iter().map(|s| s.weight).sum();
    (0..k)
        .filter(|i| *i != chosen)
        .map(|i| {
            let (mut own, mut shared) = (0.0, 0.0);
            for s in stakes {
                let c = |a: usize, b: usize| s.covariance[a * k + b];
                let w = s.weight / total;
                let variance = (c(i, i) + c(chosen, chosen) - c(i, chosen) - c(chosen, i)).max(0.0);
                own += w * w * s.known * variance;
                shared += w * ((1.0 - s.known) * variance).sqrt();
            }
            positive_part(mean[i] - mean[chosen], own + shared * shared)
        })
        .fold(0.0, f64::max)
}

fn first_max(x: &[f64]) -> usize {
    (0..x.len()).fold(0, |best, i| if x[i] > x[best] { i } else { best })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stake(expected: &[f64], group: usize) -> Stake {
        let k = expected.len();
        Stake { expected: expected.to_vec(), covariance: vec![0.0; k * k], weight: 1.0, group, known: 1.0 }
    }

    #[test]
    fn rules_differ_where_they_should() {
        // Seven want the first, three want the second; the third is good for all.
        let mut stakes = vec![stake(&[1.0, 0.0, 0.65], 0); 7];
        stakes.extend(vec![stake(&[0.0, 1.0, 0.65], 1); 3]);
        let bars = CollectiveBars::default();
        let chosen = |rule, fallback| decide(&stakes, rule, fallback, bars).expect("sound stakes").chosen;
        assert_eq!(chosen(Rule::Utilitarian, None), 0);
        assert_eq!(chosen(Rule::Maximin, None), 2);
        assert_eq!(chosen(Rule::Nash, None), 2);
        assert_eq!(chosen(Rule::NoGroupWorse, None), 2);
        assert_eq!(chosen(Rule::NoGroupWorse, Some(0)), 0, "the fallback itself leaves nobody worse off");
        let decided = decide(&stakes, Rule::Utilitarian, None, bars).expect("sound stakes");
        assert_eq!(decided.objecting_groups, [(1, 1.0)]);
        assert_eq!(decided.objectors.len(), 3);
        assert!(
            decided.defers.iter().any(|d| d.contains("Maximin"))
                && decided.defers.iter().any(|d| d.contains("group 2"))
        );
    }

    #[test]
    fn agreement_is_acted_on_and_ignorance_is_not() {
        let sure = vec![stake(&[0.9, 0.1], 0); 4];
        let decided = decide(&sure, Rule::Utilitarian, None, CollectiveBars::default()).expect("sound stakes");
        assert!(decided.defers.is_empty() && decided.objectors.is_empty(), "{decided:?}");
        let unsure: Vec<Stake> =
            (0..2).map(|_| Stake { covariance: vec![0.25, -0.25, -0.25, 0.25], ..stake(&[0.52, 0.48], 0) }).collect();
        let decided = decide(&unsure, Rule::Utilitarian, None, CollectiveBars::default()).expect("sound stakes");
        assert!(decided.defers.iter().any(|d| d.contains("too little")), "{decided:?}");
        assert!(decide(&[], Rule::Nash, None, CollectiveBars::default()).is_err());
    }

    #[test]
    fn what_nothing_links_to_people_is_not_done_for_them_however_many_they_are() {
        let strangers = |known: f64| {
            vec![Stake { covariance: vec![0.24, -0.24, -0.24, 0.24], known, ..stake(&[0.6, 0.4], 0) }; 400]
        };
        let decided = |known| decide(&strangers(known), Rule::Utilitarian, None, CollectiveBars::default());
        let nothing = decided(0.0).expect("sound stakes");
        assert!(nothing.expected_regret > 0.2, "the same ignorance does not average out: {nothing:?}");
        assert!(nothing.defers.iter().any(|d| d.contains("nothing that most")), "{nothing:?}");
        assert!(decided(1.0).expect("sound stakes").defers.is_empty(), "each is known apart");
        let same = vec![Stake { known: 0.0, ..stake(&[0.5, 0.5], 0) }; 3];
        let same = decide(&same, Rule::Utilitarian, None, CollectiveBars::default()).expect("sound stakes");
        assert!(!same.defers.is_empty(), "no regret where nothing is known is no reason to act: {same:?}");
    }
}
