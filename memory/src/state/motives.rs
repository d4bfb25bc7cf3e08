//! What probes read of acts, as state. It moves no belief.

use std::collections::BTreeMap;

use super::State;
use super::illegal::{Illegal, between};
use super::work::same_person;
use crate::ids::{AlternativeId, PersonId, Seq};
use crate::record::{MotivePart, MotiveRead};

/// The most probes that read one text.
const PROBES_MAX: usize = 64;

impl State {
    /// What probes read, by record.
    pub fn motives(&self) -> &BTreeMap<Seq, MotiveRead> {
        &self.motives
    }

    /// What was read last of each kind of words about an act, for a person.
    pub fn motives_of(&self, person: &PersonId, alternative: &AlternativeId) -> Vec<(Seq, &MotiveRead)> {
        let of_it = self.motives.iter().filter(|(_, r)| r.person == *person && r.alternative == *alternative);
        let last: BTreeMap<MotivePart, (Seq, &MotiveRead)> = of_it.map(|(seq, r)| (r.part, (*seq, r))).collect();
        last.into_values().collect()
    }

    pub(super) fn motive_read(&self, r: &MotiveRead) -> Result<(), Illegal> {
        self.known_task(r.task.as_ref())?;
        self.index(&r.alternative)?;
        between("probes that read a text", r.readings.len(), 1, PROBES_MAX)?;
        for (at, reading) in r.readings.iter().enumerate() {
            if r.readings[..at].iter().any(|other| other.motive == reading.motive) {
                return Err(Illegal::Duplicate { what: "motive", name: reading.motive.clone() });
            }
        }
        let Some(seq) = r.deliberated else { return Ok(()) };
        let unknown = || Illegal::Unknown { what: "deliberation", name: seq.to_string() };
        let deliberation = self.deliberations.get(&seq).ok_or_else(unknown)?;
        same_person(&deliberation.made.person, &r.person, seq)
    }

    /// Readings that a decision rests on are of the person that it is for.
    pub(super) fn decided_by_motives(&self, person: &PersonId, motives: &[Seq]) -> Result<(), Illegal> {
        motives.iter().try_for_each(|seq| {
            let unknown = || Illegal::Unknown { what: "reading of motives", name: seq.to_string() };
            same_person(&self.motives.get(seq).ok_or_else(unknown)?.person, person, *seq)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Record;
    use crate::sample::{Scribe, alternative, id, motive_read};

    fn refusal(scribe: &mut Scribe, read: MotiveRead) -> String {
        let refused = scribe.write(Record::MotiveRead(read)).unwrap_err();
        std::error::Error::source(&refused).map_or_else(String::new, ToString::to_string)
    }

    #[test]
    fn readings_name_what_is_known_and_the_last_of_each_kind_counts() {
        let mut scribe = Scribe::begun();
        let read =
            |part, log_odds| motive_read("ada", alternative(0), part, &[("deceives", log_odds), ("flatters", -1.0)]);
        let proposed = |log_odds| read(MotivePart::Proposed, log_odds);
        let twice = motive_read("ada", alternative(0), MotivePart::Proposed, &[("deceives", 1.0), ("deceives", 2.0)]);
        assert!(refusal(&mut scribe, twice).contains("deceives"));
        assert!(refusal(&mut scribe, MotiveRead { readings: Vec::new(), ..proposed(1.0) }).contains("probes"));
        assert!(
            refusal(&mut scribe, MotiveRead { deliberated: Some(Seq(3)), ..proposed(1.0) }).contains("deliberation")
        );
        let nowhere = crate::ids::AlternativeId::of("nowhere", "nothing");
        assert!(refusal(&mut scribe, MotiveRead { alternative: nowhere, ..proposed(1.0) }).contains("alternative"));
        let digest = |scribe: &Scribe| scribe.state.belief(&id("ada")).unwrap().digest();
        let before = digest(&scribe);
        for read in [proposed(1.0), read(MotivePart::Foreseen, 0.5), proposed(4.5)] {
            scribe.expect(Record::MotiveRead(read));
        }
        assert_eq!(digest(&scribe), before, "it is no evidence");
        let of_it = scribe.state.motives_of(&id("ada"), &alternative(0));
        let parts: Vec<_> = of_it.iter().map(|(_, r)| (r.part, r.alarm().map(|reading| &*reading.motive))).collect();
        assert_eq!(parts, [(MotivePart::Proposed, Some("deceives")), (MotivePart::Foreseen, None)]);
        assert!(scribe.state.motives_of(&id("bob"), &alternative(0)).is_empty());
    }
}
