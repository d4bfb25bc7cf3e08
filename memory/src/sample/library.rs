//! A library: a document added, one more, and one dropped.

use super::*;
use crate::ids::DocumentId;
use crate::number::Probability;
use crate::record::{DocumentAdded, DocumentDropped, DocumentKind, DocumentPassage, PassageReading, ReadBy};

/// A document of two passages, the first of which says this of values.
pub fn library_document(title: &str, keys: &[(&str, f64)]) -> DocumentAdded {
    let probability = |p| Probability::new(p).expect("a probability");
    let number = |x| Finite::new(x).expect("a finite number");
    let readings = keys.iter().map(|(about, key)| PassageReading {
        about: ValueId::new(about).expect("a name"),
        key: number(*key),
        error: number(0.5),
        misreading: probability(0.05),
        by: ReadBy::Author,
    });
    let passages = vec![
        DocumentPassage {
            heading: String::new(),
            text: format!("People in many places were asked of {title}. [1]"),
            readings: readings.collect(),
        },
        DocumentPassage { heading: "More".into(), text: format!("Nothing more of {title}."), readings: Vec::new() },
    ];
    DocumentAdded {
        document: DocumentId::of(passages.iter().map(|p| (p.heading.as_str(), p.text.as_str()))),
        title: title.into(),
        kind: DocumentKind::Findings,
        source: format!("{title}.md"),
        content_hash: Hash::of(title.as_bytes()),
        references: vec!["A. Author (2020), A survey".into()],
        reliability: probability(0.75),
        map: None,
        passages,
    }
}

/// One document that stays, and one that goes; answers between them.
pub fn library(scribe: &mut Scribe) {
    let (kept, gone) =
        (library_document("kindness", &[("care", 1.5)]), library_document("candour", &[("honesty", 1.0)]));
    let document = gone.document;
    scribe.expect(choice("ada", 0, 1, Some(0)));
    scribe.expect(Record::DocumentAdded(kept));
    scribe.record_belief("ada");
    scribe.expect(Record::DocumentAdded(gone));
    scribe.expect(choice("ada", 3, 1, None));
    scribe.record_belief("ada");
    scribe.expect(Record::DocumentDropped(DocumentDropped { document, reason: "out of date".into() }));
    scribe.record_belief("ada");
}
