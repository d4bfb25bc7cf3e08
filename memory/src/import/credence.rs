//! Merging another Credence log: its descriptions and its surviving evidence, with where they came from.
//!
//! No evidence may come in twice, by whatever way round. Evidence keeps its time, or stays without one, and the log that it was first
//! written to, so what stands here already is found and left out, also when the other log has grown since, or came by way of a third one. What was
//! withdrawn there since is withdrawn here; what was changed there comes with its change, so that an older copy is known as such.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::lines::open;
use super::{CHANGED, Import, ImportError, Mark, OwnTimes, Report};
use crate::ids::{AlternativeId, Hash, PersonId, Seq, SourceId};
use crate::log::Reader;
use crate::record::{AlternativeDescribed, Origin, QuarantineSet, Record, Subject};
use crate::replay::ReplayError;
use crate::state::State;

pub(super) fn read(
    path: &Path,
    prefix: Option<&str>,
    into: &State,
    mut report: Report<'_>,
) -> Result<Import, ImportError> {
    let failed = |source: ReplayError| ImportError::Log { path: path.to_owned(), source: Box::new(source) };
    let mut other = State::new();
    let (mut entries, mut times) = (Vec::new(), OwnTimes::default());
    let mut reader = Reader::new(open(path, &mut report)?);
    for entry in &mut reader {
        let entry = entry.map_err(|e| failed(e.into()))?;
        other.note(&entry).map_err(|e| failed(e.into()))?;
        entries.push((times.of(&entry), entry));
    }
    let (Some(header), Some(ours)) = (other.header(), into.header()) else {
        return Err(ImportError::Empty(path.to_owned()));
    };
    let space = |state: &State| state.elicited().map(|p| p.feature_space_hash);
    let attributes = |state: &State| state.epoch().map(|e| e.layout.attributes().to_vec());
    let differs = |what| Err(ImportError::OtherSpace { path: path.to_owned(), what });
    if (header.schema_hash, &header.values) != (ours.schema_hash, &ours.values) {
        return differs("value schema");
    }
    if header.model.gguf_hash != ours.model.gguf_hash || header.text_features != ours.text_features {
        return differs("model");
    }
    if space(&other) != space(into) {
        return differs("feature space");
    }
    if attributes(&other) != attributes(into) {
        return differs("list of declared attributes");
    }
    let (own, theirs) = (log_source(&ours.log_id)?, log_source(&header.log_id)?);
    if own == theirs {
        return Err(ImportError::Again { path: path.to_owned(), what: "this log itself, or a copy of it (a copy that has grown can be brought in as CSV: `credence evidence export csv` there, then `import csv` here leaves out what stands already)".into() });
    }
    let survivors: BTreeSet<Seq> = other.people().values().flat_map(|p| p.evidence().iter().map(|e| e.seq)).collect();
    let retracted: BTreeMap<Seq, String> = entries
        .iter()
        .filter_map(|(_, e)| match &e.record {
            Record::Retracted(r) => Some((r.target, r.reason.clone())),
            _ => None,
        })
        .collect();
    let mut people = BTreeSet::new();
    let mut evidence = Vec::new();
    let mut withdrawn = BTreeMap::new();
    let mut came_from_us = 0;
    // Adapters stay in the log that they were trained for, and so do their judgements.
    let of_the_base = |description: &AlternativeDescribed| {
        let mut description = description.clone();
        description.judgement.retain(|generation, _| *generation == header.model.generation);
        description
    };
    let mut described_otherwise = 0;
    for description in other.descriptions().iter().map(of_the_base) {
        match into.description(&description.alternative).map(of_the_base) {
            Some(here) if here == description => {}
            // What is described here speaks for what was said there, unless theirs is the fuller description.
            Some(_) if !into.may_describe(&description) => described_otherwise += 1,
            _ => evidence.push((None, Record::AlternativeDescribed(description))),
        }
    }
    // What the exports that it imported marked, and not what somebody decided there.
    let mut marks: BTreeMap<AlternativeId, Mark> = BTreeMap::new();
    for (_, entry) in &entries {
        let Record::QuarantineSet(QuarantineSet { subject: Subject::Statement(statement), quarantined, reason }) =
            &entry.record
        else {
            continue;
        };
        match Mark::ALL.into_iter().find(|mark| *quarantined && mark.reason() == reason) {
            Some(mark) => marks.insert(*statement, mark),
            None => marks.remove(statement),
        };
    }
    let is_evidence = |seq: &Seq| survivors.contains(seq) || retracted.contains_key(seq);
    entries.retain(|(_, e)| is_evidence(&e.seq) && e.record.evidence_origin().is_some());
    for (time, entry) in entries {
        let mut record = entry.record;
        if let Some(from) = record.evidence_origin_mut() {
            let person = match prefix {
                Some(prefix) => PersonId::new(&format!("{prefix}{}", from.person))?,
                None => from.person.clone(),
            };
            if from.source == own {
                came_from_us += usize::from(survivors.contains(&entry.seq));
                continue;
            }
            if let Some(reason) = retracted.get(&entry.seq) {
                let reason = if reason == CHANGED { CHANGED } else { WITHDRAWN };
                withdrawn.insert(evidence.len(), reason.to_owned());
            }
            let source = if from.source.as_str().starts_with(MERGED) { from.source.clone() } else { theirs.clone() };
            people.insert(person.clone());
            *from = Origin { person, source, session: None };
        }
        evidence.push((time, record));
    }
    if people.is_empty() && came_from_us == 0 {
        return Err(ImportError::Empty(path.to_owned()));
    }
    let mut notes = vec![format!("{} of its records are evidence that still stands", survivors.len())];
    if described_otherwise > 0 {
        notes.push(format!(
            "{described_otherwise} alternatives are read or keyed otherwise there; what stands here counts"
        ));
    }
    if came_from_us > 0 {
        notes.push(format!("{came_from_us} of them were merged into it from this log, and are left out"));
    }
    // The last record's hash stands for the whole log.
    let content_hash: Hash = other.head().1;
    let new = Import::new("credence-log", theirs, content_hash, Vec::new(), evidence, people, notes);
    Ok(Import { withdrawn, marks: marks.into_iter().collect(), prefix: prefix.unwrap_or_default().to_owned(), ..new })
}

/// The reason that stands in the log for what somebody withdrew in the log it came from; their words stay there.
const WITHDRAWN: &str = "withdrawn in the log that it came from";

/// What sources of merged evidence begin with; the log's id follows.
const MERGED: &str = "import:credence:";

pub(super) fn log_source(id: &impl std::fmt::Display) -> Result<SourceId, ImportError> {
    Ok(SourceId::new(&format!("{MERGED}{id}"))?)
}
