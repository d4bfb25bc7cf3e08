//! The evidence of one person in the order it came.

use serde::{Deserialize, Serialize};

use super::datum::Datum;

/// In a timeline: a record that is not counted, though time passes with it.
pub(crate) const NOT_COUNTED: u32 = u32::MAX;
/// The same of a statement, with which no time passes.
pub(crate) const NOT_COUNTED_STILL: u32 = u32::MAX - 1;

/// Whether an entry of a timeline is a site.
pub(crate) fn is_counted(site: u32) -> bool {
    site < NOT_COUNTED_STILL
}

/// The evidence of one person as sites, and the order in which records came: `timeline[k]` is the site of record `k`, or
/// [`NOT_COUNTED`] or [`NOT_COUNTED_STILL`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct History {
    pub(crate) records: Vec<Datum>,
    pub(crate) timeline: Vec<u32>,
}

impl History {
    /// Ticks of the clock of drift before each record, and after the last: statements take no time.
    pub(crate) fn clock(&self) -> Vec<usize> {
        let mut clock = vec![0];
        for site in &self.timeline {
            clock.push(clock[clock.len() - 1] + usize::from(self.ticks(*site)));
        }
        clock
    }

    /// Whether time passes with an entry of the timeline.
    pub(crate) fn ticks(&self, site: u32) -> bool {
        site != NOT_COUNTED_STILL && !self.records.get(site as usize).is_some_and(Datum::is_statement)
    }
}
