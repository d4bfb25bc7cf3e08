//! A probe: its parts, checked once, and what it says about states.

use serde::{Deserialize, Serialize};

use super::auroc::Auroc;
use super::bar::Bar;
use super::calibration::Platt;
use super::error::{ExamplesError, MismatchError, PartsError, PoolError};
use super::examples::{Examples, Site, Source};
use super::fit::Evidence;
use super::linear::Kind;
use super::pooling::{Pooling, Windows};
use crate::product::dot;

/// Everything that a probe is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Parts {
    /// Which motive it reads.
    pub motive: String,
    /// Whose states, and of which part of which prompt.
    pub source: Source,
    /// Where it reads.
    pub site: Site,
    /// How the direction was found.
    pub kind: Kind,
    /// The penalty, or the shrinkage of a mean difference.
    pub penalty: f64,
    /// Mean of each column, `width` numbers.
    pub mean: Vec<f64>,
    /// What each column is divided by, `width` numbers above 0.
    pub scale: Vec<f64>,
    /// Weights of the standardised columns, `width` numbers.
    pub weights: Vec<f64>,
    /// Added to the weighted sum.
    pub intercept: f64,
    /// From scores to probabilities.
    pub calibration: Platt,
    /// Above it, a reading is an alarm. Nothing until it was set on ordinary texts.
    pub bar: Option<Bar>,
    /// What it rests on.
    pub evidence: Evidence,
}

/// What a probe says about a text.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Reading {
    /// The score, in the probe's own unit.
    pub score: f64,
    /// Probability of the motive where it is as frequent as in the examples.
    pub probability: f64,
    /// Its log-odds: what readings of different probes are compared by.
    pub log_odds: f64,
    /// Whether the score is above the bar; nothing where the probe has none.
    pub alarm: Option<bool>,
}

/// A checked probe.
#[derive(Debug, Clone, PartialEq)]
pub struct Probe {
    parts: Parts,
    /// Weights of the states as they are, and what is added.
    direction: Vec<f32>,
    offset: f64,
}

fn unexpected(part: &'static str, expected: &str, found: impl std::fmt::Display) -> PartsError {
    PartsError { part, expected: expected.to_owned(), found: found.to_string() }
}

impl Probe {
    /// Checks the parts.
    ///
    /// # Errors
    /// If widths differ, a number is not finite or out of its range, or something is empty.
    pub fn from_parts(parts: Parts) -> Result<Self, PartsError> {
        let width = parts.source.width;
        if parts.motive.trim().is_empty() || parts.source.model.trim().is_empty() {
            return Err(unexpected("motive and model", "names", "an empty one"));
        }
        if width == 0 || parts.site.layer >= parts.source.layers || parts.site.pooling.check().is_err() {
            let found = format!("{} of {} layers, {width} numbers", parts.site, parts.source.layers);
            return Err(unexpected("site", "a layer that the model has, of states that are not empty", found));
        }
        for (part, numbers) in [("mean", &parts.mean), ("scale", &parts.scale), ("weights", &parts.weights)] {
            if numbers.len() != width {
                return Err(unexpected(part, &format!("{width} numbers"), numbers.len()));
            }
            if let Some(at) = numbers.iter().position(|x| !x.is_finite()) {
                return Err(unexpected(part, "finite numbers", format!("{} at {at}", numbers[at])));
            }
        }
        if let Some(scale) = parts.scale.iter().find(|x| **x <= 0.0) {
            return Err(unexpected("scale", "numbers above 0", scale));
        }
        let calibration = &parts.calibration;
        if !parts.intercept.is_finite() || !calibration.intercept.is_finite() {
            return Err(unexpected("intercepts", "finite numbers", "another"));
        }
        if !(calibration.slope.is_finite() && calibration.slope >= 0.0) {
            return Err(unexpected("calibration", "a slope that is not negative", calibration.slope));
        }
        if !(parts.penalty.is_finite() && parts.penalty > 0.0) {
            return Err(unexpected("penalty", "a number above 0", parts.penalty));
        }
        if let Some(bar) = &parts.bar {
            let share = |x: f64| x > 0.0 && x < 1.0;
            if !(bar.score.is_finite() && share(bar.rate_max) && share(bar.confidence) && bar.above < bar.ordinary) {
                return Err(unexpected("bar", "a score, a rate and a confidence", format!("{bar:?}")));
            }
        }
        check_evidence(&parts.evidence)?;
        let direction: Vec<f32> = parts.weights.iter().zip(&parts.scale).map(|(w, scale)| (w / scale) as f32).collect();
        // From the rounded direction, so that the mean state keeps its score.
        let offset = parts.intercept - direction.iter().zip(&parts.mean).map(|(v, m)| f64::from(*v) * m).sum::<f64>();
        if !offset.is_finite() || direction.iter().any(|x| !x.is_finite()) {
            return Err(unexpected("weights over scale", "numbers that fit 32 bits", "larger ones"));
        }
        Ok(Self { parts, direction, offset })
    }

    /// The direction in the states as they are, and what is added to the product: what a score is made of.
    pub fn direction(&self) -> (&[f32], f64) {
        (&self.direction, self.offset)
    }

    /// The parts.
    pub fn parts(&self) -> &Parts {
        &self.parts
    }

    /// The same probe with a bar.
    ///
    /// # Errors
    /// If the bar's numbers make no sense.
    pub fn with_bar(self, bar: Bar) -> Result<Self, PartsError> {
        Self::from_parts(Parts { bar: Some(bar), ..self.parts })
    }

    /// The probe with what the model's own answer reaches on the same examples.
    ///
    /// # Errors
    /// If the area is none.
    pub fn with_own_answer(mut self, own_answer: Auroc) -> Result<Self, PartsError> {
        self.parts.evidence.own_answer = Some(own_answer);
        Self::from_parts(self.parts)
    }

    /// Whether states of this source may be read by this probe.
    ///
    /// # Errors
    /// If model, width, number of layers or frame differ.
    pub fn check_source(&self, source: &Source) -> Result<(), MismatchError> {
        let own = &self.parts.source;
        let text = |n: usize| n.to_string();
        for (what, expected, found) in [
            ("model", own.model.clone(), source.model.clone()),
            ("states of width", text(own.width), text(source.width)),
            ("a number of layers of", text(own.layers), text(source.layers)),
            ("texts framed as", own.frame.clone(), source.frame.clone()),
        ] {
            if expected != found {
                return Err(MismatchError { what, expected, found });
            }
        }
        Ok(())
    }

    /// Begins to read a text, whose states must be of the probe's layer and source.
    pub fn reader(&self) -> Reader<'_> {
        let windows = self.parts.site.pooling.window().map(|window| Windows::new(1, window));
        Reader { probe: self, tokens: 0, last: 0.0, sum: 0.0, highest: f64::NEG_INFINITY, windows }
    }

    /// What a score means.
    pub fn reading(&self, score: f64) -> Reading {
        let alarm = self.parts.bar.as_ref().map(|bar| score > bar.score);
        let line = &self.parts.calibration;
        let log_odds = line.slope * score + line.intercept;
        Reading { score, probability: line.probability(score), log_odds, alarm }
    }

    /// Score of one state.
    fn score(&self, row: &[f32]) -> f64 {
        f64::from(dot(row, &self.direction)) + self.offset
    }

    /// Reads examples that have states where this probe reads.
    ///
    /// # Errors
    /// If they are of another source, or have no states at its site.
    pub fn read(&self, examples: &Examples) -> Result<Vec<Reading>, ExamplesError> {
        self.check_source(examples.source())?;
        let site = self.parts.site;
        let at = examples.sites().iter().position(|other| *other == site);
        let pieces = examples.pieces(at.ok_or(ExamplesError::NoStatesAt { site })?);
        let score = |i: usize| pieces.of(i).map(|row| self.score(row)).fold(f64::NEG_INFINITY, f64::max);
        Ok((0..examples.examples().len()).map(|i| self.reading(score(i))).collect())
    }
}

fn check_evidence(evidence: &Evidence) -> Result<(), PartsError> {
    let area = |x: f64| (0.0..=1.0).contains(&x);
    let sound = |auroc: &Auroc| {
        let ends = [Some(auroc.independent), auroc.by_topic];
        area(auroc.value) && ends.into_iter().flatten().all(|(low, high)| area(low) && area(high) && low <= high)
    };
    if !sound(&evidence.auroc) || !sound(&evidence.text_only) || !evidence.own_answer.as_ref().is_none_or(sound) {
        return Err(unexpected("evidence", "areas from 0 to 1 within their intervals", "others"));
    }
    if evidence.with == 0 || evidence.without == 0 || evidence.topics.is_empty() {
        return Err(unexpected("evidence", "examples of both labels, and topics", "none of some"));
    }
    let rest = [evidence.calibration.error, evidence.calibration.error_if_right, evidence.calibration.brier];
    if !rest.into_iter().all(area) || !evidence.lead.value.is_finite() {
        return Err(unexpected("evidence", "calibration errors from 0 to 1", format!("{rest:?}")));
    }
    Ok(())
}

/// Scores a text token by token. Its memory does not grow with the text.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    probe: &'a Probe,
    tokens: usize,
    last: f64,
    sum: f64,
    highest: f64,
    windows: Option<Windows>,
}

impl Reader<'_> {
    /// Takes the next tokens, `tokens x width`.
    ///
    /// # Errors
    /// If the numbers are not whole rows, or a score is not finite because some of them are not.
    pub fn push(&mut self, rows: &[f32]) -> Result<(), PoolError> {
        let width = self.probe.direction.len();
        if !rows.len().is_multiple_of(width) {
            return Err(PoolError::Width { found: rows.len(), width });
        }
        for row in rows.chunks_exact(width) {
            let score = self.probe.score(row);
            // A number that is not finite makes a score that is not, whatever its weight.
            if !score.is_finite() {
                let column = row.iter().position(|x| !x.is_finite()).unwrap_or_default();
                return Err(PoolError::NotFinite { token: self.tokens, column });
            }
            self.tokens += 1;
            (self.last, self.sum) = (score, self.sum + score);
            if let Some(windows) = &mut self.windows {
                let highest = &mut self.highest;
                windows.push(&[score], |mean| *highest = highest.max(mean[0]));
            }
        }
        Ok(())
    }

    /// What the probe says of a text that ends here.
    ///
    /// # Errors
    /// If no token came.
    pub fn reading(&self) -> Result<Reading, PoolError> {
        if self.tokens == 0 {
            return Err(PoolError::NoTokens);
        }
        let rest = || self.windows.as_ref().and_then(Windows::rest).map_or(f64::NEG_INFINITY, |mean| mean[0]);
        let score = match self.probe.parts.site.pooling {
            Pooling::Last => self.last,
            Pooling::Mean => self.sum / self.tokens as f64,
            Pooling::RollingMax { .. } | Pooling::HardMax => self.highest.max(rest()),
        };
        Ok(self.probe.reading(score))
    }
}
