//! The library as JSON: what `credence library ... --json` prints.

use credence_memory::ids::{DocumentId, Seq, ValueId};
use credence_memory::number::{Finite, Probability};
use credence_memory::record::{DocumentAdded, DocumentKind, PassageReading, ReadBy};
use serde::Serialize;
use utoipa::ToSchema;

/// A document of the library.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DocumentJson {
    /// Its id.
    pub(super) document: DocumentId,
    pub(super) title: String,
    pub(super) kind: DocumentKind,
    /// The file it came from.
    pub(super) source: String,
    /// How likely it is that it speaks truly of people in general.
    pub(super) reliability: Probability,
    /// How many passages it has.
    pub(super) passages: usize,
    /// Of them, those that say something of values.
    pub(super) read: usize,
    /// How many works it cites.
    pub(super) references: usize,
}

/// What was added, as `credence library add --json` tells it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AddJson {
    pub(super) documents: Vec<AddedJson>,
    /// Why others were not taken.
    pub(super) refused: Vec<String>,
    /// Whether nothing was changed.
    pub(super) dry_run: bool,
}

/// A document that was added, or is there already.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AddedJson {
    #[serde(flatten)]
    pub(super) document: DocumentJson,
    /// Whether it was not there yet.
    pub(super) new: bool,
    /// What its owner should know of how it was read.
    pub(super) notes: Vec<String>,
}

/// A document that was dropped, as `credence library drop --json` tells it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DroppedJson {
    pub(super) dropped: DocumentId,
    pub(super) title: String,
    /// Answers that checked conclusions for which it was read: they are withdrawn with it.
    pub(super) withdrawn: Vec<Seq>,
}

/// The library, as `credence library list --json` tells it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LibraryJson {
    pub(super) documents: Vec<ListedJson>,
    /// Collections that ship and were not added whole.
    pub(super) not_added: Vec<CollectionJson>,
}

/// A document with its record.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ListedJson {
    #[serde(flatten)]
    pub(super) document: DocumentJson,
    /// Its record in the log.
    pub(super) record: Seq,
}

/// A collection of documents that ships.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CollectionJson {
    pub(super) name: String,
    pub(super) title: String,
    /// How many it has.
    pub(super) documents: usize,
}

/// A document with its passages, as `credence library show --json` tells it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ShownJson {
    /// Its id.
    pub(super) document: DocumentId,
    pub(super) title: String,
    pub(super) kind: DocumentKind,
    /// The file it came from.
    pub(super) source: String,
    /// How likely it is that it speaks truly of people in general.
    pub(super) reliability: Probability,
    pub(super) passages: Vec<PassageJson>,
    /// Of them, those that say something of values.
    pub(super) read: usize,
    /// The works that it cites.
    pub(super) references: Vec<String>,
    pub(super) contradicted_by: Vec<ContradictionJson>,
}

/// A passage, and what was read of it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PassageJson {
    /// From 1.
    pub(super) number: usize,
    pub(super) heading: String,
    pub(super) text: String,
    pub(super) readings: Vec<PassageReading>,
    /// The works that it cites.
    pub(super) references: Vec<String>,
}

/// A value of which another document says the opposite.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ContradictionJson {
    pub(super) about: ValueId,
    /// What this one says, key points.
    pub(super) here: f64,
    /// What the other says, key points.
    pub(super) there: f64,
    /// The other.
    pub(super) document: DocumentId,
}

/// What the library says of a value, as `credence library explain VALUE --json` tells it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SaidOfValueJson {
    pub(super) about: ValueId,
    /// What it says; nothing where no passage speaks of the value.
    pub(super) opinion: Option<OpinionJson>,
    /// What each document says; absent without an opinion.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) documents: Option<Vec<StatementJson>>,
    /// Documents that contradict each other; absent without an opinion.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) contradictions: Option<Vec<[DocumentId; 2]>>,
    /// Passages, those that change most first.
    pub(super) passages: Vec<ShareJson>,
}

/// What the library says of a value, key points from the average of people's values.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct OpinionJson {
    pub(super) mean: f64,
    pub(super) sd: f64,
    /// Passages that speak of it.
    pub(super) passages: usize,
}

/// What one document says of a value, key points.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct StatementJson {
    pub(super) document: DocumentId,
    pub(super) mean: f64,
    pub(super) sd: f64,
    /// Passages that speak of it.
    pub(super) passages: usize,
}

/// How much hangs on one passage.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ShareJson {
    pub(super) document: DocumentId,
    pub(super) title: String,
    /// The passage's number, from 1.
    pub(super) number: usize,
    /// What was read of it, key points.
    pub(super) key: f64,
    /// The mean less the mean without it, key points.
    pub(super) change: f64,
    pub(super) text: String,
    /// The works that it cites.
    pub(super) references: Vec<String>,
}

/// What one passage changes, as `credence library explain DOCUMENT:NUMBER --json` tells it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SaidByPassageJson {
    pub(super) document: DocumentId,
    pub(super) title: String,
    /// From 1.
    pub(super) number: usize,
    pub(super) text: String,
    /// The works that it cites.
    pub(super) references: Vec<String>,
    pub(super) readings: Vec<ReadingJson>,
}

/// What was read of a passage, and what it changes.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ReadingJson {
    pub(super) about: ValueId,
    /// Key points.
    pub(super) key: Finite,
    pub(super) by: ReadBy,
    /// The mean less the mean without it; nothing where an earlier document has the same passage.
    pub(super) change: Option<f64>,
    /// What the library says.
    pub(super) mean: Option<f64>,
}

pub(super) fn summary(d: &DocumentAdded) -> DocumentJson {
    DocumentJson {
        document: d.document,
        title: d.title.clone(),
        kind: d.kind,
        source: d.source.clone(),
        reliability: d.reliability,
        passages: d.passages.len(),
        read: read_passages(d),
        references: d.references.len(),
    }
}

/// How many passages say something of values.
pub(super) fn read_passages(d: &DocumentAdded) -> usize {
    d.passages.iter().filter(|p| !p.readings.is_empty()).count()
}
