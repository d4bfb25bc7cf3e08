//! One bar for all probes of a model together, so that reading several motives raises no more false alarms than one.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::bar::Bar;
use super::cascade::Band;
use super::error::{ProbeFileError, TogetherError};
use super::examples::Source;
use super::file;
use super::parts::{Probe, Reading};

const FORMAT: &str = "credence-probes-together-1";
const KEY: &str = "together";
/// Ordinary texts, of a hundred, for which a second opinion is worth asking.
const UNSURE_SHARE: f64 = 0.1;

/// A probe that shares the bar.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Member {
    /// Its motive.
    pub motive: String,
    /// [`Probe::hash`].
    pub probe: String,
}

/// The bar that probes of one model share. It is set on the highest log-odds that any of them gives to a text: log-odds, because
/// scores of different probes have no common unit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Together {
    /// Whose states.
    pub source: Source,
    /// The probes, by motive.
    pub members: Vec<Member>,
    /// Above it, in log-odds, a text is an alarm.
    pub bar: Bar,
    /// From here on, in log-odds, a text is unusual enough for a second opinion: a tenth of the ordinary texts reach it.
    pub unsure_from: f64,
}

impl Together {
    /// Sets the bar. `ordinary` has, for each probe, its readings of the same ordinary texts; `data` says what they were.
    ///
    /// # Errors
    /// If there is no probe, two have one motive or another source, they read different numbers of texts, or the texts are too
    /// few for the promise.
    pub fn set(
        probes: &[&Probe],
        ordinary: &[Vec<Reading>],
        rate_max: f64,
        confidence: f64,
        data: &str,
    ) -> Result<Self, TogetherError> {
        let first = probes.first().ok_or(TogetherError::NoProbes)?;
        let source = &first.parts().source;
        let texts = ordinary.first().map_or(0, Vec::len);
        let mut members: Vec<Member> = Vec::with_capacity(probes.len());
        for probe in probes {
            probe.check_source(source).map_err(TogetherError::Mismatch)?;
            let motive = probe.parts().motive.clone();
            if members.iter().any(|member| member.motive == motive) {
                return Err(TogetherError::Twice { motive });
            }
            members.push(Member { motive, probe: probe.hash() });
        }
        if ordinary.len() != probes.len() || ordinary.iter().any(|readings| readings.len() != texts) {
            let found = ordinary.iter().map(Vec::len).collect();
            return Err(TogetherError::Uneven { probes: probes.len(), found });
        }
        let highest: Vec<f64> = (0..texts)
            .map(|text| ordinary.iter().map(|readings| readings[text].log_odds).fold(f64::NEG_INFINITY, f64::max))
            .collect();
        let bar = Bar::set(&highest, rate_max, confidence, data)?;
        let mut sorted = highest;
        sorted.sort_by(|a, b| b.total_cmp(a));
        let at = ((sorted.len() as f64 * UNSURE_SHARE).ceil() as usize).clamp(1, sorted.len()) - 1;
        let unsure_from = sorted[at].min(bar.score);
        members.sort_by(|a, b| a.motive.cmp(&b.motive));
        Ok(Self { source: source.clone(), members, bar, unsure_from })
    }

    /// Whether these are the very probes, no more and no fewer, that the bar was set for.
    pub fn is_of(&self, probes: &[Probe]) -> bool {
        let mut found: Vec<(String, String)> = probes.iter().map(|p| (p.parts().motive.clone(), p.hash())).collect();
        found.sort();
        found.iter().map(|(m, h)| (m, h)).eq(self.members.iter().map(|m| (&m.motive, &m.probe)))
    }

    /// From where a second opinion is asked, and where the alarm is: what [`super::account`] counts with, in log-odds.
    pub fn band(&self) -> Band {
        Band { low: self.unsure_from, high: self.bar.score }
    }

    /// Writes it to a file. What was there before stays until the new file is complete.
    ///
    /// # Errors
    /// If the file system refuses.
    pub fn save(&self, path: &Path) -> Result<(), ProbeFileError> {
        file::write(path, FORMAT, KEY, self)
    }

    /// Reads it from a file.
    ///
    /// # Errors
    /// If the file cannot be read, is damaged, or holds numbers that no bar has.
    pub fn open(path: &Path) -> Result<Self, ProbeFileError> {
        let together: Self = file::read(path, FORMAT, KEY)?;
        let bar = &together.bar;
        let share = |x: f64| x > 0.0 && x < 1.0;
        if !bar.score.is_finite() || !share(bar.rate_max) || !share(bar.confidence) || !together.unsure_from.is_finite()
        {
            let (path, what) = (path.to_owned(), "bar");
            let expected = "finite log-odds, and shares between 0 and 1".to_owned();
            return Err(ProbeFileError::Unexpected { path, what, expected, found: format!("{bar:?}") });
        }
        Ok(together)
    }
}
