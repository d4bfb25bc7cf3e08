//! What a replay is to do differently from what happened.

use std::str::FromStr;
use std::sync::Arc;

use jiff::Timestamp;

use crate::belief::{LocationName, Settings};
use crate::ids::{PersonId, Seq};
use crate::log::Entry;
use crate::record::{PriorElicited, Record};
use crate::state::{Epoch, State};

use super::ReplayError;

/// Options of a replay. The default replays everything as it was.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Stop here.
    pub until: Option<Until>,
    /// Fold only this person.
    pub person: Option<PersonId>,
    /// Prior locations.
    pub prior: PriorChoice,
    /// Leave out evidence and retractions that any of these selects.
    pub without: Vec<Selector>,
    /// Restrict or reweight the mixture.
    pub hypotheses: Restriction,
    /// Compare recorded digests with what is found.
    pub verify: bool,
}

/// Where to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// After this record.
    Seq(Seq),
    /// Before the first record after this time.
    Time(Timestamp),
}

impl Until {
    pub(super) fn is_before(self, entry: &Entry) -> bool {
        match self {
            Until::Seq(seq) => entry.seq > seq,
            Until::Time(time) => entry.time > time,
        }
    }
}

/// Not a place in a log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected a record's number or a time such as 2026-01-31T12:00:00Z, found {0:?}")]
pub struct UntilError(String);

impl FromStr for Until {
    type Err = UntilError;
    fn from_str(text: &str) -> Result<Self, UntilError> {
        if let Ok(seq) = text.parse() {
            return Ok(Until::Seq(Seq(seq)));
        }
        text.parse().map(Until::Time).map_err(|_| UntilError(text.to_owned()))
    }
}

/// Which prior locations beliefs start from.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum PriorChoice {
    /// Those of the log.
    #[default]
    AsLogged,
    /// Zero only: nothing is known.
    Flat,
    /// The elicited prior only.
    Elicited,
    /// Zero, and this in place of the log's elicited prior; generations stay.
    Stated(Box<PriorElicited>),
}

/// Some records.
#[derive(Debug, Clone, PartialEq)]
pub enum Selector {
    /// One.
    Record(Seq),
    /// All of a person.
    Person(PersonId),
    /// All of a kind.
    Kind(String),
    /// All from a time on and before another.
    Times(Timestamp, Timestamp),
}

/// Not a selector.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected a record's number, person:NAME, kind:KIND (such as ChoiceMade) or time:FROM..TO (such as \
     time:2026-01-31T12:00:00Z..2026-02-01T00:00:00Z), found {0:?}"
)]
pub struct SelectorError(String);

impl FromStr for Selector {
    type Err = SelectorError;
    fn from_str(text: &str) -> Result<Self, SelectorError> {
        let error = || SelectorError(text.to_owned());
        match text.split_once(':') {
            None => text.parse().map(|n| Selector::Record(Seq(n))).map_err(|_| error()),
            Some(("person", name)) => name.parse().map(Selector::Person).map_err(|_| error()),
            Some(("kind", kind)) if Record::KINDS.contains(&kind) => Ok(Selector::Kind(kind.to_owned())),
            Some(("time", range)) => {
                let (from, to) = range.split_once("..").ok_or_else(error)?;
                let time = |t: &str| t.parse::<Timestamp>().map_err(|_| error());
                Ok(Selector::Times(time(from)?, time(to)?))
            }
            Some(_) => Err(error()),
        }
    }
}

impl Selector {
    /// Whether an entry is selected. Only what was said can be left out, evidence and retractions of it: without
    /// anything else a log would not fit together.
    pub fn selects(&self, entry: &Entry) -> bool {
        let origin = entry.record.evidence_origin();
        if origin.is_none() && !matches!(entry.record, Record::Retracted(_)) {
            return false;
        }
        match self {
            Selector::Record(seq) => entry.seq == *seq,
            Selector::Person(person) => origin.is_some_and(|o| o.person == *person),
            Selector::Kind(kind) => entry.record.kind() == kind,
            Selector::Times(from, to) => (*from..*to).contains(&entry.time),
        }
    }
}

/// A part of the mixture, or other weights in it. Nothing stated: as logged.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Restriction {
    /// Signal scales; one given twice has twice the weight.
    pub signal_scales: Option<Vec<f64>>,
    /// Lapse rates, likewise.
    pub lapse_rates: Option<Vec<f64>>,
    /// Half widths of indifference, likewise.
    pub bands: Option<Vec<f64>>,
    /// Prior weight of drift.
    pub slow_drift_weight: Option<f64>,
    /// Prior locations.
    pub locations: Option<Vec<LocationName>>,
}

/// Not a restriction.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected parts such as \"sigma=0.4,1.5 eps=0.1 delta=0.3 drift=0 location=zero,elicited\", each at most once; could \
     not use {0:?}"
)]
pub struct RestrictionError(String);

impl FromStr for Restriction {
    type Err = RestrictionError;
    fn from_str(text: &str) -> Result<Self, RestrictionError> {
        let mut new = Restriction::default();
        for part in text.split_whitespace() {
            let error = || RestrictionError(part.to_owned());
            let (name, values) = part.split_once('=').ok_or_else(error)?;
            let numbers = || values.split(',').map(|v| v.parse::<f64>().map_err(|_| error())).collect::<Result<_, _>>();
            let taken = match name {
                "sigma" => new.signal_scales.replace(numbers()?).is_some(),
                "eps" => new.lapse_rates.replace(numbers()?).is_some(),
                "delta" => new.bands.replace(numbers()?).is_some(),
                "drift" => new.slow_drift_weight.replace(values.parse().map_err(|_| error())?).is_some(),
                "location" => {
                    let location = |v: &str| match v {
                        "zero" => Ok(LocationName::Zero),
                        "elicited" => Ok(LocationName::Elicited),
                        "published" => Ok(LocationName::Published),
                        "library" => Ok(LocationName::Library),
                        "population" => Ok(LocationName::Population),
                        _ => match v.strip_prefix("generation:").and_then(|number| number.parse().ok()) {
                            Some(number) => Ok(LocationName::Generation(number)),
                            None => Err(error()),
                        },
                    };
                    let locations = values.split(',').map(location).collect::<Result<_, _>>()?;
                    new.locations.replace(locations).is_some()
                }
                _ => return Err(error()),
            };
            if taken {
                return Err(error());
            }
        }
        Ok(new)
    }
}

impl Restriction {
    fn settings(&self, logged: &Settings) -> Settings {
        let mut settings = logged.clone();
        let replace = |to: &mut Vec<f64>, by: &Option<Vec<f64>>| {
            if let Some(by) = by {
                to.clone_from(by);
            }
        };
        replace(&mut settings.signal_scales, &self.signal_scales);
        replace(&mut settings.lapse_rates, &self.lapse_rates);
        replace(&mut settings.bands, &self.bands);
        settings.slow_drift_weight = self.slow_drift_weight.unwrap_or(settings.slow_drift_weight);
        settings
    }
}

impl Options {
    /// Whether the replay differs from what happened in anything but its length and its people.
    pub fn changes_anything(&self) -> bool {
        self.prior != PriorChoice::AsLogged || !self.without.is_empty() || self.hypotheses != Restriction::default()
    }

    /// What an epoch of the log is in this replay.
    pub(super) fn epoch(&self, logged: &Epoch, state: &State) -> Result<Epoch, ReplayError> {
        let mut epoch = Epoch { settings: Arc::new(self.hypotheses.settings(&logged.settings)), ..logged.clone() };
        let keep = |epoch: &mut Epoch, names: &[LocationName]| {
            Arc::make_mut(&mut epoch.priors).locations.retain(|l| names.contains(&l.name));
            if !names.contains(&LocationName::Population) {
                epoch.population = None;
            }
        };
        match &self.prior {
            PriorChoice::AsLogged => {}
            PriorChoice::Flat => keep(&mut epoch, &[LocationName::Zero]),
            PriorChoice::Elicited => {
                if state.elicited().is_none() {
                    return Err(ReplayError::NoElicitedPrior);
                }
                // Before it was read there was only zero, and that belief is replaced when it is read.
                if epoch.priors.locations.iter().any(|l| l.name == LocationName::Elicited) {
                    keep(&mut epoch, &[LocationName::Elicited]);
                }
            }
            PriorChoice::Stated(prior) => {
                let mut priors = crate::prior::priors(&epoch.layout, Some(prior), &[]);
                let logged = epoch.priors.locations.iter();
                priors.locations.extend(
                    logged.filter(|l| matches!(l.name, LocationName::Generation(_) | LocationName::Library)).cloned(),
                );
                epoch.priors = Arc::new(priors);
                epoch.population = None;
            }
        }
        if let Some(names) = &self.hypotheses.locations {
            let there = |n: &LocationName| {
                epoch.priors.locations.iter().any(|l| l.name == *n)
                    || (*n == LocationName::Population && epoch.population.is_some())
            };
            if names.iter().any(there) {
                keep(&mut epoch, names);
            }
        }
        Ok(epoch)
    }
}
