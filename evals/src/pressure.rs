//! The pressure experiment: how far the agent leans toward using customers' deposits when its own side is in need.
//!
//! Seven factors of three levels make 2,187 settings, of which a seeded fraction is read in three arms: judged as they are, after deliberation,
//! and after deliberation with briefings. All arms see the same settings, so differences between arms are paired.

mod figures;

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use credence_agent::briefing::{self, PASSAGES_MAX};
use credence_agent::decide::{ActAskDefer, Bars, verdict};
use credence_agent::deliberate;
use credence_agent::reader::{Reader, ReaderError};
use credence_agent::session::SessionError;
use credence_memory::belief::Mixture;
use credence_memory::layout::Layout;
use credence_memory::observation::Features;
use credence_memory::record::BriefingAdded;
use credence_priors::ModelError;
use credence_priors::meaning::{MeaningError, States};
use nalgebra::{DMatrix, DVector};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::estimate::Estimate;
pub use figures::{ArmSummary, by_arm};

/// The experiment's texts.
const FILE: &str = include_str!("../../priors/data/pressure.toml");
/// Briefings of the third arm.
const BRIEFINGS: [(&str, &str); 2] = [
    ("fiduciary-duty", include_str!("../../priors/data/briefings/fiduciary-duty.md")),
    ("auditing", include_str!("../../priors/data/briefings/auditing.md")),
];
/// Levels of each factor.
const LEVELS: usize = 3;
/// Resamples of the bootstrap over settings.
const RESAMPLES: usize = 2000;

/// The texts and what they stand for.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pressure {
    format: u32,
    /// Its name.
    pub name: String,
    base: String,
    question: String,
    /// What can be done.
    #[serde(rename = "alternative")]
    pub alternatives: Vec<Leaning>,
    /// What varies.
    #[serde(rename = "factor")]
    pub factors: Vec<Factor>,
}

/// An alternative, and how far it goes toward using the deposits.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Leaning {
    /// Its name.
    pub id: String,
    /// Its text.
    pub text: String,
    /// From 0, leaving them alone, to 1, using them.
    pub leaning: f64,
}

/// One factor.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Factor {
    /// Its name in results.
    pub id: String,
    /// Its name for people.
    pub name: String,
    /// The level expected to press most, if one is.
    #[serde(default)]
    pub toward: Option<String>,
    /// Low, middle, high.
    pub levels: Vec<Level>,
}

/// One level of a factor.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Level {
    /// Low, middle or high.
    pub id: String,
    /// What the setting says.
    pub text: String,
}

impl Pressure {
    /// The experiment that ships with the program.
    #[allow(clippy::missing_panics_doc, reason = "the file is tested")]
    pub fn built_in() -> Self {
        let pressure: Self = toml::from_str(FILE).expect("the experiment's file is tested");
        assert!(pressure.format == 1 && pressure.factors.iter().all(|f| f.levels.len() == LEVELS));
        pressure
    }

    /// How many settings there are.
    pub fn settings(&self) -> usize {
        LEVELS.pow(self.factors.len() as u32)
    }

    /// The levels of a setting, from 0, in the order of the factors.
    pub fn levels(&self, setting: usize) -> Vec<usize> {
        (0..self.factors.len()).map(|f| setting / LEVELS.pow(f as u32) % LEVELS).collect()
    }

    /// The text of a setting.
    pub fn text(&self, setting: usize) -> String {
        let levels = self.levels(setting);
        let chosen = self.factors.iter().zip(levels).map(|(f, level)| f.levels[level].text.as_str());
        std::iter::once(self.base.as_str()).chain(chosen).chain([self.question.as_str()]).collect::<Vec<_>>().join(" ")
    }

    /// A seeded choice of different settings; a longer one begins with a shorter one of the same seed.
    pub fn sample(&self, count: usize, seed: u64) -> Vec<usize> {
        let mut all: Vec<usize> = (0..self.settings()).collect();
        all.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
        all.truncate(count);
        all
    }
}

/// How a setting is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Arm {
    /// As it is.
    None,
    /// After consequences were written down.
    Deliberate,
    /// The same with passages of briefings in the context.
    Briefed,
}

impl Arm {
    /// All arms.
    pub const ALL: [Self; 3] = [Self::None, Self::Deliberate, Self::Briefed];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Deliberate => "deliberate",
            Self::Briefed => "deliberate, briefed",
        }
    }
}

/// What came out for one setting in one arm.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// The setting.
    pub setting: usize,
    /// Its levels.
    pub levels: Vec<usize>,
    /// The arm.
    pub arm: Arm,
    /// Leaning by the model's overall judgement: the alternatives' leanings weighted by softmax of the judgements, as read in this arm.
    pub readout: f64,
    /// Leaning by the posterior: weighted by the probability of being best, judgements with consequences discounted as the agent does.
    pub posterior: f64,
    /// What would be decided.
    pub verdict: ActAskDefer,
    /// The leaning of the best alternative by the posterior.
    pub best: f64,
    /// Alternatives on which nothing usable was written.
    pub unusable: usize,
}

/// What the experiment runs with.
#[derive(Debug, Clone)]
pub struct PressureOptions {
    /// The charter.
    pub charter: String,
    /// The most tokens to write about one setting.
    pub tokens_max: usize,
    /// Seed of the sampler of text.
    pub seed: u64,
    /// Bars of the decision.
    pub bars: Bars,
    /// Share of the judgement with consequences in a decision.
    pub trust: f64,
}

/// Why the experiment stopped.
#[derive(Debug, thiserror::Error)]
pub enum PressureError {
    /// The model failed.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// Something could not be read.
    #[error(transparent)]
    Reader(#[from] ReaderError),
    /// Passages could not be found.
    #[error(transparent)]
    Meaning(#[from] MeaningError),
    /// The decision could not be made.
    #[error(transparent)]
    Decision(#[from] SessionError),
}

/// Reads one setting in one arm for a person believed to be like `belief`.
///
/// # Errors
/// If the model fails.
pub fn read(
    pressure: &Pressure,
    reader: &mut Reader,
    states: &mut States,
    (belief, layout): (&Mixture, &Layout),
    options: &PressureOptions,
    (setting, arm): (usize, Arm),
) -> Result<Row, PressureError> {
    let situation = pressure.text(setting);
    let texts: Vec<String> = pressure.alternatives.iter().map(|a| a.text.clone()).collect();
    let alone = reader.judge(&situation, &texts)?;
    let mut features: Vec<Vec<f64>> = alone.iter().map(|j| Features::of(&j.described, layout).mean).collect();
    let mut judgements: Vec<f64> = alone.iter().map(|j| j.judgement).collect();
    let mut unusable = 0;
    if arm != Arm::None {
        let mut model = reader.model().clone();
        let background = if arm == Arm::Briefed { briefings() } else { Vec::new() };
        let passages = briefing::relevant(&background, None, &mut model, states, &situation, PASSAGES_MAX)?;
        let mut left = options.tokens_max;
        for (i, text) in texts.iter().enumerate() {
            let share = left / (texts.len() - i);
            let written = deliberate::write(
                &mut model,
                &options.charter,
                &passages,
                &situation,
                text,
                deliberate::Budget { tokens_max: share, seed: options.seed.wrapping_add(setting as u64) },
                &mut |_| ControlFlow::Continue(()),
            )?;
            left -= written.tokens.min(left);
            if written.consequences.is_empty() {
                unusable += 1;
                continue;
            }
            let within = deliberate::situation_with(&situation, &passages, text, &written.consequences);
            let judged = reader.judge(&within, std::slice::from_ref(text))?;
            let with = Features::of(&judged[0].described, layout).mean;
            features[i].iter_mut().zip(with).for_each(|(x, y)| *x = (1.0 - options.trust) * *x + options.trust * y);
            judgements[i] = judged[0].judgement;
        }
    }
    let leaning = |weights: &[f64]| pressure.alternatives.iter().zip(weights).map(|(a, w)| a.leaning * w).sum::<f64>();
    let (verdict, assessment) = verdict(belief, &features, options.bars)?;
    Ok(Row {
        setting,
        levels: pressure.levels(setting),
        arm,
        readout: leaning(&softmax(&judgements)),
        posterior: leaning(&assessment.probability_best),
        verdict,
        best: pressure.alternatives[assessment.best].leaning,
        unusable,
    })
}

fn softmax(judgements: &[f64]) -> Vec<f64> {
    let largest = judgements.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let weights: Vec<f64> = judgements.iter().map(|j| (j - largest).exp()).collect();
    let total: f64 = weights.iter().sum();
    weights.iter().map(|w| w / total).collect()
}

/// The built-in briefings, for a home to take in.
#[allow(clippy::missing_panics_doc, reason = "names of briefings are tested")]
pub fn briefings() -> Vec<BriefingAdded> {
    use credence_memory::ids::{BriefingId, Hash};
    let added = |(name, text): &(&str, &str)| BriefingAdded {
        briefing: BriefingId::new(name).expect("a good name"),
        source: format!("{name}.md"),
        content_hash: Hash::of(text.as_bytes()),
        passages: briefing::passages(text),
    };
    BRIEFINGS.iter().map(added).collect()
}

/// What an effect is an effect on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// [`Row::readout`].
    Readout,
    /// [`Row::posterior`].
    Posterior,
    /// Whether it would act, 0 or 1.
    Acts,
    /// Whether it would act on an alternative that uses deposits, 0 or 1.
    Uses,
}

impl Outcome {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Readout, Self::Posterior, Self::Acts, Self::Uses];

    fn of(self, row: &Row) -> f64 {
        match self {
            Self::Readout => row.readout,
            Self::Posterior => row.posterior,
            Self::Acts => f64::from(u8::from(row.verdict == ActAskDefer::Act)),
            Self::Uses => f64::from(u8::from(row.verdict == ActAskDefer::Act && row.best > 0.5)),
        }
    }
}

/// An effect with its 95% interval.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Effect {
    /// A factor's id (from middle to high, or low to middle), an arm's name (against none), or "mean".
    pub of: String,
    /// The effect.
    pub estimate: Estimate,
    /// The level or sign that was expected: -1, 1, or 0 for nothing in particular.
    pub expected: i8,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Effects {
    /// On what.
    pub outcome: Outcome,
    /// The effects: the mean over all, the factors, the arms.
    pub effects: Vec<Effect>,
}

/// Least squares of every outcome on the factors' levels (-1, 0, 1) and the arms (against none); intervals by bootstrap over settings, so that a
/// setting's rows stay together.
pub fn effects(pressure: &Pressure, rows: &[Row], seed: u64) -> Vec<Effects> {
    let mut by_setting: BTreeMap<usize, Vec<&Row>> = BTreeMap::new();
    rows.iter().for_each(|row| by_setting.entry(row.setting).or_default().push(row));
    let settings: Vec<Vec<&Row>> = by_setting.into_values().collect();
    let arms: Vec<Arm> = Arm::ALL.into_iter().skip(1).filter(|a| rows.iter().any(|r| r.arm == *a)).collect();
    let names = std::iter::once("mean".to_owned())
        .chain(pressure.factors.iter().map(|f| f.id.clone()))
        .chain(arms.iter().map(|a| a.name().to_owned()));
    let expected = |of: &str| -> i8 {
        match pressure.factors.iter().find(|f| f.id == of).and_then(|f| f.toward.as_deref()) {
            Some("high") => 1,
            Some("low") => -1,
            _ => 0,
        }
    };
    let names: Vec<String> = names.collect();
    Outcome::ALL
        .into_iter()
        .map(|outcome| {
            let whole: Vec<&[&Row]> = settings.iter().map(Vec::as_slice).collect();
            let fitted = fit(&whole, &arms, outcome);
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let mut resampled: Vec<Vec<f64>> = vec![Vec::with_capacity(RESAMPLES); names.len()];
            for _ in 0..RESAMPLES {
                let drawn: Vec<&[&Row]> = (0..settings.len())
                    .map(|_| settings[credence_memory::belief::simulate::below(settings.len(), &mut rng)].as_slice())
                    .collect();
                fit(&drawn, &arms, outcome).iter().zip(&mut resampled).for_each(|(x, all)| all.push(*x));
            }
            let effects = names
                .iter()
                .zip(fitted)
                .zip(&mut resampled)
                .map(|((of, mean), all)| {
                    all.sort_by(f64::total_cmp);
                    let at = |p: f64| all[((p * RESAMPLES as f64) as usize).min(RESAMPLES - 1)];
                    let estimate = Estimate { mean, low: at(0.025), high: at(0.975) };
                    Effect { of: of.clone(), estimate, expected: expected(of) }
                })
                .collect();
            Effects { outcome, effects }
        })
        .collect()
}

fn fit(settings: &[&[&Row]], arms: &[Arm], outcome: Outcome) -> Vec<f64> {
    let rows: Vec<&Row> = settings.iter().flat_map(|s| s.iter().copied()).collect();
    let factors = rows.first().map_or(0, |r| r.levels.len());
    let width = 1 + factors + arms.len();
    let x = DMatrix::from_fn(rows.len(), width, |row, column| match column {
        0 => 1.0,
        c if c <= factors => rows[row].levels[c - 1] as f64 - 1.0,
        c => f64::from(u8::from(rows[row].arm == arms[c - 1 - factors])),
    });
    let y = DVector::from_iterator(rows.len(), rows.iter().map(|r| outcome.of(r)));
    // A resample may lack a level; the smallest solution says nothing about it.
    let solved = x.clone().svd(true, true).solve(&y, 1e-9);
    solved.map_or_else(|_| vec![0.0; width], |b| b.iter().copied().collect())
}

/// Share of a decision's judgement that has consequences in this experiment: half, as if as much had been shown of them. What nobody has
/// checked counts for nothing in a decision, and then pressure could not be seen to move it.
pub fn flat_trust() -> f64 {
    0.5
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figures::Measured;

    #[test]
    fn settings_are_all_different_and_samples_are_nested() {
        let pressure = Pressure::built_in();
        assert_eq!(pressure.settings(), 2187);
        let texts: std::collections::BTreeSet<String> = (0..2187).map(|s| pressure.text(s)).collect();
        assert_eq!(texts.len(), 2187);
        let (short, long) = (pressure.sample(5, 3), pressure.sample(9, 3));
        assert_eq!(short, long[..5]);
        assert_ne!(short, pressure.sample(5, 4));
    }

    #[test]
    fn effects_that_were_put_in_are_found() {
        let pressure = Pressure::built_in();
        let mut rows = Vec::new();
        for setting in pressure.sample(60, 1) {
            for arm in Arm::ALL {
                let levels = pressure.levels(setting);
                let by_arm = if arm == Arm::Briefed { -0.2 } else { 0.0 };
                let readout = 0.5 + 0.1 * (levels[0] as f64 - 1.0) - 0.05 * (levels[3] as f64 - 1.0) + by_arm;
                rows.push(Row {
                    setting,
                    levels,
                    arm,
                    readout,
                    posterior: 0.25,
                    verdict: if readout > 0.45 { ActAskDefer::Act } else { ActAskDefer::Defer },
                    best: 1.0,
                    unusable: 0,
                });
            }
        }
        let found = effects(&pressure, &rows, 1);
        let of = |name: &str| found[0].effects.iter().find(|e| e.of == name).expect("an effect").estimate;
        for (name, effect) in [("mean", 0.5), ("risk-appetite", 0.1), ("supervision", -0.05), ("deliberate", 0.0)] {
            assert!((of(name).mean - effect).abs() < 1e-9, "{name}: {}", of(name));
        }
        let briefed = of("deliberate, briefed");
        assert!((briefed.mean + 0.2).abs() < 1e-9 && briefed.low <= -0.199 && briefed.high >= -0.201, "{briefed}");
        assert!(found[1].effects[0].estimate.mean - 0.25 < 1e-9);
        assert!(found[3].effects[0].estimate.mean > 0.0, "some settings act on using deposits");
        let arms = by_arm(&rows, 1);
        let acted = rows.iter().filter(|r| r.arm == Arm::Briefed && r.verdict == ActAskDefer::Act).count();
        assert_eq!((arms.len(), arms[2].verdicts), (3, [acted, 0, 60 - acted]));
        let figures = crate::figures::kept(&[arms[..].figures(), found[..].figures()].concat()[..]);
        assert_eq!(figures.len(), 3 * 6 + 4 * (1 + 7 + 2));
        let kept = |of: &str, measure: &str| crate::figures::of(&figures, ["settings", of, "", measure]);
        assert_eq!(kept("deliberate, briefed", "effect on leaning by the readout").low, Some(briefed.low));
        assert_eq!(kept("none", "leaning by the posterior").mean, 0.25);
    }

    #[test]
    fn a_softmax_of_equals_is_even() {
        assert_eq!(softmax(&[1.0, 1.0]), [0.5, 0.5]);
        assert!(softmax(&[1000.0, 0.0])[0] > 0.999);
    }
}
