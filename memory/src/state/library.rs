//! The library as state: which documents stand.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::check::Change;
use super::illegal::{FEATURE_MAX, Illegal, between, bounded};
use super::{Epoch, State};
use crate::ids::{DocumentId, Seq, ValueId};
use crate::layout::Layout;
use crate::library::{DOCUMENTS_MAX, ERROR_MIN, Library, PASSAGES_MAX};
use crate::record::{DocumentAdded, DocumentDropped, PassageReading};

/// A key goes from -2 to 2.
const KEY_MAX: f64 = 2.0;

impl State {
    pub(super) fn document_added(&self, seq: Seq, epoch: &Epoch, r: &DocumentAdded) -> Result<Change, Illegal> {
        let actual = DocumentId::of(r.passages.iter().map(|p| (p.heading.as_str(), p.text.as_str())));
        if r.document != actual {
            let (stated, actual) = (r.document.hash(), actual.hash());
            return Err(Illegal::WrongIdentity { what: "document", stated, actual });
        }
        if self.library.document(&r.document).is_some() {
            return Err(Illegal::Duplicate { what: "document", name: r.document.to_string() });
        }
        between("documents in the library", self.library.len() + 1, 1, DOCUMENTS_MAX)?;
        between("passages of a document", r.passages.len(), 1, PASSAGES_MAX)?;
        let reliability = r.reliability.get();
        if !(reliability > 0.0 && reliability < 1.0) {
            let expected = "a probability above 0 and below 1";
            return Err(Illegal::Range { what: "the reliability of a document", found: reliability, expected });
        }
        for passage in &r.passages {
            let mut seen: BTreeSet<&ValueId> = BTreeSet::new();
            for reading in &passage.readings {
                legal_reading(&epoch.layout, reading)?;
                if !seen.insert(&reading.about) {
                    let name = reading.about.to_string();
                    return Err(Illegal::Duplicate { what: "reading of one passage about", name });
                }
            }
        }
        Ok(self.library_change(seq, epoch, self.library.with(seq, r.clone())))
    }

    pub(super) fn document_dropped(&self, seq: Seq, epoch: &Epoch, r: &DocumentDropped) -> Result<Change, Illegal> {
        if self.library.document(&r.document).is_none() {
            return Err(Illegal::Unknown { what: "document", name: r.document.to_string() });
        }
        Ok(self.library_change(seq, epoch, self.library.without(&r.document)))
    }

    /// The weights keep their meaning, so what people receive from others still holds.
    fn library_change(&self, seq: Seq, epoch: &Epoch, library: Library) -> Change {
        let elicited = self.elicited.as_deref();
        let anew = Epoch::new(seq, epoch.settings.clone(), &epoch.layout, elicited, &self.generations, &library);
        let anew = Epoch { population: epoch.population.clone(), ..anew };
        Change::Library { library: Arc::new(library), epoch: Arc::new(anew) }
    }
}

fn legal_reading(layout: &Layout, r: &PassageReading) -> Result<(), Illegal> {
    let is_attribute = layout.attributes().iter().any(|a| a.name == r.about.as_str());
    if layout.value(&r.about).is_none() && !is_attribute {
        return Err(Illegal::Unknown { what: "value or declared attribute", name: r.about.to_string() });
    }
    let key = r.key.get();
    if key.abs() > KEY_MAX {
        return Err(Illegal::Range { what: "a key", found: key, expected: "between -2 and 2" });
    }
    bounded("a reading's error", &[r.error])?;
    let error = r.error.get();
    if !(ERROR_MIN..=FEATURE_MAX).contains(&error) {
        return Err(Illegal::Range { what: "a reading's error variance", found: error, expected: "at least 0.05" });
    }
    let misreading = r.misreading.get();
    if misreading >= 1.0 {
        return Err(Illegal::Range { what: "the misreading probability", found: misreading, expected: "below 1" });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::belief::LocationName;
    use crate::ids::DocumentId;
    use crate::record::{DocumentDropped, Record};
    use crate::sample::{Scribe, choice, id, library_document, prior};

    fn dropped(document: DocumentId) -> Record {
        Record::DocumentDropped(DocumentDropped { document, reason: "old".into() })
    }

    /// Answers before, between and after the document; the elicited prior there or not.
    fn log(elicited: bool, with_document: bool, dropped_at_the_end: bool) -> Scribe {
        let mut scribe = Scribe::begun();
        if elicited {
            scribe.expect(Record::PriorElicited(prior()));
        }
        scribe.expect(choice("ada", 0, 1, Some(0)));
        let document = library_document("kindness", &[("care", 1.5), ("honesty", -0.5)]);
        let other = library_document("other", &[("honesty", 1.0)]);
        scribe.expect(Record::DocumentAdded(other));
        if with_document {
            scribe.expect(Record::DocumentAdded(document.clone()));
        }
        scribe.expect(choice("ada", 3, 1, None));
        scribe.digest("ada");
        scribe.expect(choice("bob", 2, 4, Some(1)));
        if dropped_at_the_end {
            scribe.expect(dropped(document.document));
        }
        scribe.expect(choice("ada", 4, 2, Some(1)));
        scribe
    }

    #[test]
    fn what_is_dropped_leaves_the_bits_of_a_log_that_never_had_it() {
        for elicited in [false, true] {
            let never = log(elicited, false, false);
            let kept = log(elicited, true, false);
            let gone = log(elicited, true, true);
            for person in ["ada", "bob", "somebody new"] {
                assert_eq!(gone.digest(person), never.digest(person), "{person}");
                assert_ne!(kept.digest(person), never.digest(person), "{person}");
            }
        }
    }

    #[test]
    fn it_is_one_location_more_and_zero_keeps_its_share() {
        let mut scribe = Scribe::begun();
        scribe.expect(Record::PriorElicited(prior()));
        let before = scribe.digest("ada");
        let document = library_document("kindness", &[("care", 1.5)]);
        scribe.expect(Record::DocumentAdded(document.clone()));
        let shares = scribe.state.belief(&id("ada")).unwrap().locations();
        let mass = |name: LocationName| shares.iter().find(|(n, _)| *n == name).unwrap().1;
        assert!((mass(LocationName::Zero) - 0.25).abs() < 1e-9, "{shares:?}");
        assert!((mass(LocationName::Library) - 0.5).abs() < 1e-9, "{shares:?}");
        scribe.expect(dropped(document.document));
        assert_eq!(scribe.digest("ada"), before);
        // A document that says nothing of any value changes nothing.
        scribe.expect(Record::DocumentAdded(library_document("silent", &[])));
        assert_eq!(scribe.digest("ada"), before);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let mut scribe = Scribe::begun();
        let sound = library_document("kindness", &[("care", 1.5)]);
        let check = |scribe: &mut Scribe, record: Record, says: &str| {
            let error = scribe.write(record).unwrap_err();
            let error = std::error::Error::source(&error).unwrap().to_string();
            assert!(error.contains(says), "{error}");
        };
        let mut other = sound.clone();
        other.passages[0].text = "something else".into();
        check(&mut scribe, Record::DocumentAdded(other), "identity");
        let unknown = library_document("wit", &[("wit", 1.0)]);
        check(&mut scribe, Record::DocumentAdded(unknown), "no value or declared attribute \"wit\"");
        check(&mut scribe, Record::DocumentAdded(library_document("far", &[("care", 2.5)])), "a key is 2.5");
        let twice = library_document("twice", &[("care", 1.0), ("care", 1.0)]);
        check(&mut scribe, Record::DocumentAdded(twice), "there already");
        let mut certain = sound.clone();
        certain.reliability = crate::number::Probability::new(1.0).unwrap();
        check(&mut scribe, Record::DocumentAdded(certain), "reliability");
        check(&mut scribe, dropped(sound.document), "no document");
        scribe.expect(Record::DocumentAdded(sound.clone()));
        check(&mut scribe, Record::DocumentAdded(sound), "there already");
    }
}
