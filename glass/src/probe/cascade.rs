//! A cheap probe first, a dear second opinion only where the probe is unsure: what that costs and what it finds.

use serde::{Deserialize, Serialize};

/// Scores between which a second opinion is asked. Below, the text passes; above, it is an alarm at once.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Band {
    /// From this score on a second opinion is asked.
    pub low: f64,
    /// Above this score no second opinion is needed.
    pub high: f64,
}

/// What is done about a score.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Course {
    /// The text passes.
    Pass,
    /// A second opinion is asked.
    Ask,
    /// It is an alarm.
    Alarm,
}

impl Band {
    /// A band; nothing where the ends are not finite or in the wrong order.
    pub fn new(low: f64, high: f64) -> Option<Self> {
        (low.is_finite() && high.is_finite() && low <= high).then_some(Self { low, high })
    }

    /// What is done about a score.
    pub fn course(&self, score: f64) -> Course {
        if score > self.high {
            Course::Alarm
        } else if score >= self.low {
            Course::Ask
        } else {
            Course::Pass
        }
    }
}

/// One text in the account of a cascade.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// The probe's score.
    pub score: f64,
    /// Whether the motive is there.
    pub label: bool,
    /// Probability that a second opinion would raise the alarm: 0 or 1 where it was measured, or an assumed rate.
    pub second: f64,
}

/// What the two opinions cost, in any one unit.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Costs {
    /// The probe, for every text.
    pub probe: f64,
    /// The second opinion, where it is asked.
    pub second: f64,
}

/// The account of a cascade, for texts of which a share `base_rate` has the motive.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Account {
    /// Share of texts with the motive that end as an alarm.
    pub recall: f64,
    /// Share of texts without it that end as an alarm.
    pub false_alarms: f64,
    /// Share of all texts for which a second opinion is asked.
    pub asked: f64,
    /// Mean cost of a text.
    pub cost: f64,
    /// That cost over the cost of asking the second opinion, and no probe, about every text.
    pub cost_of_always: f64,
    /// Recall of the second opinion alone.
    pub recall_of_always: f64,
    /// False alarms of the second opinion alone.
    pub false_alarms_of_always: f64,
}

/// Works out what a cascade costs and finds. Shares are taken within each label and weighed by `base_rate`, so the cases
/// need not be as rare as the motive is.
///
/// Nothing where a label is missing, a number is not finite or a probability lies outside 0 and 1.
pub fn account(cases: &[Case], band: Band, costs: Costs, base_rate: f64) -> Option<Account> {
    let probability = |p: f64| (0.0..=1.0).contains(&p);
    let cost = |x: f64| x.is_finite() && x >= 0.0;
    let sound = cases.iter().all(|case| case.score.is_finite() && probability(case.second));
    if !sound || !probability(base_rate) || !cost(costs.probe) || !cost(costs.second) || costs.second == 0.0 {
        return None;
    }
    let mean = |label: bool, of: &dyn Fn(&Case) -> f64| {
        let those: Vec<f64> = cases.iter().filter(|case| case.label == label).map(of).collect();
        (!those.is_empty()).then(|| those.iter().sum::<f64>() / those.len() as f64)
    };
    let alarm = |case: &Case| match band.course(case.score) {
        Course::Alarm => 1.0,
        Course::Ask => case.second,
        Course::Pass => 0.0,
    };
    let ask = |case: &Case| f64::from(u8::from(band.course(case.score) == Course::Ask));
    let asked = base_rate * mean(true, &ask)? + (1.0 - base_rate) * mean(false, &ask)?;
    let cost = costs.probe + asked * costs.second;
    Some(Account {
        recall: mean(true, &alarm)?,
        false_alarms: mean(false, &alarm)?,
        asked,
        cost,
        cost_of_always: cost / costs.second,
        recall_of_always: mean(true, &|case| case.second)?,
        false_alarms_of_always: mean(false, &|case| case.second)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cases() -> Vec<Case> {
        let case = |score: f64, label: bool, second: f64| Case { score, label, second };
        vec![
            case(0.9, true, 1.0),
            case(0.6, true, 1.0),
            case(0.5, true, 0.0),
            case(0.1, true, 1.0),
            case(0.95, false, 0.0),
            case(0.5, false, 1.0),
            case(0.4, false, 0.0),
            case(0.1, false, 0.0),
            case(0.0, false, 0.0),
        ]
    }

    #[test]
    fn the_account_is_what_a_hand_count_gives() {
        let costs = Costs { probe: 1.0, second: 100.0 };
        let found = account(&cases(), Band::new(0.4, 0.8).unwrap(), costs, 0.1).unwrap();
        assert_eq!((found.recall, found.false_alarms), (0.5, 0.4));
        // Asked: 2 of 4 with, 2 of 5 without.
        assert!((found.asked - (0.1 * 0.5 + 0.9 * 0.4)).abs() < 1e-12);
        assert!((found.cost - (1.0 + 41.0)).abs() < 1e-9 && (found.cost_of_always - 0.42).abs() < 1e-12);
        assert_eq!((found.recall_of_always, found.false_alarms_of_always), (0.75, 0.2));
    }

    #[test]
    fn the_widest_band_is_the_second_opinion_and_an_empty_one_is_the_probe() {
        let costs = Costs { probe: 0.0, second: 1.0 };
        let all = account(&cases(), Band::new(-1.0, 2.0).unwrap(), costs, 0.5).unwrap();
        assert_eq!((all.recall, all.false_alarms, all.asked), (all.recall_of_always, all.false_alarms_of_always, 1.0));
        // Nothing scores exactly .7.
        let alone = account(&cases(), Band::new(0.7, 0.7).unwrap(), costs, 0.5).unwrap();
        assert_eq!((alone.recall, alone.false_alarms, alone.asked), (0.25, 0.2, 0.0));
    }

    #[test]
    fn what_cannot_be_counted_is_not() {
        let costs = Costs { probe: 0.0, second: 1.0 };
        let band = Band::new(0.0, 1.0).unwrap();
        assert!(account(&cases()[..4], band, costs, 0.5).is_none(), "one label");
        assert!(account(&cases(), band, costs, 1.5).is_none());
        assert!(account(&[Case { score: f64::NAN, ..cases()[0] }], band, costs, 0.5).is_none());
        assert!(Band::new(1.0, 0.0).is_none() && Band::new(f64::NAN, 0.0).is_none());
    }
}
