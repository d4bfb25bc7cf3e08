//! Deliberations over the library, and a person's checks of what they concluded.

use super::*;
use crate::record::{
    ConclusionChecked, Consequence, ConsequenceKind, Deliberated, DocumentDropped, LibraryPassageUsed, Retracted,
};

/// A deliberation on alternative `n` with the passage of a document in its context; gives its record.
pub fn deliberation(scribe: &mut Scribe, person: &str, n: usize, used: &[LibraryPassageUsed]) -> Seq {
    scribe.expect(Record::Deliberated(Deliberated {
        person: id(person),
        task: None,
        alternative: alternative(n),
        with_consequences: alternative((n + 2) % 4),
        consequences: vec![Consequence { kind: ConsequenceKind::Duty, text: "accounts must be true".into() }],
        passages: Vec::new(),
        library: used.to_vec(),
        tokens: 9,
        cut_short: false,
    }))
}

/// A document, two deliberations that cite it, and a check of what they concluded; another check that is withdrawn; the document goes.
pub fn conclusions(scribe: &mut Scribe) {
    let added = library_document("duties", &[("honesty", 1.0)]);
    let document = added.document;
    scribe.expect(Record::DocumentAdded(added));
    let used = [LibraryPassageUsed { document, passage: 0 }];
    let first = deliberation(scribe, "ada", 0, &used);
    let second = deliberation(scribe, "ada", 1, &used);
    let checked = |scribe: &mut Scribe, chosen| {
        let choice = scribe.expect(choice("ada", 0, 1, Some(chosen)));
        scribe.expect(Record::ConclusionChecked(ConclusionChecked {
            person: id("ada"),
            choice,
            deliberated: [first, second],
        }));
        choice
    };
    checked(scribe, 1);
    let withdrawn = checked(scribe, 0);
    scribe.expect(Record::Retracted(Retracted { target: withdrawn, reason: "a slip".into() }));
    scribe.record_belief("ada");
    scribe.expect(Record::DocumentDropped(DocumentDropped { document, reason: "out of date".into() }));
    scribe.record_belief("ada");
}
