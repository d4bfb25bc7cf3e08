//! Records and values as agents may see them: what was recorded, why it is as it is, and what would change it.

use credence_agent::{approvals, in_words, influence, names, views};
use credence_mcp::{Explained, HostError, LogEntry, Reason};
use credence_memory::home::Home;
use credence_memory::ids::{PersonId, Seq};
use credence_memory::observation::contrast;
use credence_memory::record::{Outcome, Record};

use super::host::failed;
use crate::commands::evidence::outline;

/// People named where somebody is not found.
const KNOWN_MAX: usize = 8;
/// Records of evidence named for a value, at most.
const EVIDENCE_MAX: usize = 8;

pub(super) fn known(home: &Home, person: &PersonId) -> Result<(), HostError> {
    if home.state().people().contains_key(person) {
        return Ok(());
    }
    let known = home.state().people().keys().take(KNOWN_MAX).map(ToString::to_string).collect();
    Err(HostError::UnknownPerson { person: person.to_string(), known })
}

pub(super) fn in_log(home: &Home, seq: Seq, record: &Record) -> Result<LogEntry, HostError> {
    let mut value = serde_json::to_value(record).map_err(failed)?;
    // Whoever knows the seed of the audits can tell which of their acts will be asked.
    redact(&mut value);
    Ok(LogEntry { seq: seq.0, kind: record.kind().to_owned(), words: outline(home.state(), record), record: value })
}

/// Puts words in the place of the audit seed, wherever it stands.
pub(super) fn redact(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::Object(fields) => {
            for (name, field) in fields {
                if name == "audit_seed" { *field = "kept from agents".into() } else { redact(field) }
            }
        }
        serde_json::Value::Array(items) => items.iter_mut().for_each(redact),
        _ => {}
    }
}

/// Why a record is as it is; where `only_of` is given, of that person's decisions and approvals only.
pub(super) fn explained_record(home: &Home, seq: Seq, only_of: Option<&PersonId>) -> Result<Explained, HostError> {
    let entry = home.entries().map_err(failed)?.find_map(|e| e.ok().filter(|e| e.seq == seq));
    let Some(entry) = entry else { return Err(HostError::NotFound { what: format!("record {seq}") }) };
    let whose = match &entry.record {
        Record::DecisionMade(made) => Some(&made.person),
        Record::ApprovalNoted(noted) => Some(&noted.person),
        Record::CallBegun(begun) => Some(&begun.person),
        Record::CallEnded(ended) => Some(&ended.person),
        Record::OutcomeReported(reported) => Some(&reported.person),
        Record::MotiveRead(read) => Some(&read.person),
        _ => None,
    };
    if only_of.is_some_and(|owner| whose != Some(owner)) {
        return Err(HostError::NotAllowed { what: format!("see record {seq}") });
    }
    let mut reasons = Vec::new();
    if let Record::DecisionMade(made) = &entry.record {
        reasons.extend(made.reasons.iter().map(|reason| Reason {
            words: format!("{} counted for {:+.2}", names::of_id(&reason.feature), reason.contribution.get()),
            records: reason.evidence.iter().map(|seq| seq.0).collect(),
        }));
    }
    let mut summary = outline(home.state(), &entry.record);
    if matches!(entry.record, Record::ApprovalNoted(_)) {
        let records = home.entries().map_err(failed)?.filter_map(|e| e.ok().map(|e| (e.seq, e.record)));
        let was = approvals::as_it_was(records, seq);
        if let Some((_, said, before)) = &was {
            summary = format!("{} ({})", summary, approvals::numbered(said, before.records()));
        }
        if let Some(why) = was.and_then(|(_, said, before)| approvals::entry_explained(&said, &before)) {
            let lines = approvals::explanation_in_words(&why);
            let words = |line: &String| Reason { words: line.trim().to_owned(), records: Vec::new() };
            let changes = why.would_change.len();
            reasons.extend(lines[..lines.len() - changes].iter().map(words));
            return Ok(Explained { summary, reasons, would_change: why.would_change });
        }
    }
    let would_change = match &entry.record {
        Record::DecisionMade(made) if matches!(made.outcome, Outcome::Ask { .. }) => {
            vec!["An answer to its question.".to_owned()]
        }
        Record::DecisionMade(_) => vec!["Answers to questions about the values that counted.".to_owned()],
        _ => Vec::new(),
    };
    Ok(Explained { summary, reasons, would_change })
}

pub(super) fn explained_value(home: &Home, person: &PersonId, value: &str) -> Result<Explained, HostError> {
    known(home, person)?;
    let state = home.state();
    let view = views::values(state, person, names::value).map_err(failed)?;
    let same = |name: &str| name.eq_ignore_ascii_case(value.trim());
    let Some(at) = view.values.iter().position(|v| same(&v.id) || same(&v.name)) else {
        let known: Vec<&str> = view.values.iter().map(|v| v.name.as_str()).collect();
        return Err(HostError::BadInput { what: "value".into(), expected: format!("one of {}", known.join(", ")) });
    };
    let v = &view.values[at];
    let layout = &state.epoch().ok_or_else(|| HostError::NotFound { what: "prior".into() })?.layout;
    let mut direction = contrast(layout, at, None);
    direction.truncate(layout.dimension());
    let ranked = influence::ranked(state, person, &direction).map_err(failed)?;
    let reasons = ranked.iter().take(EVIDENCE_MAX).map(|moved| {
        let said = in_words::evidence(state, person, moved.seq, names::value).unwrap_or_default();
        Reason { words: format!("{said} ({:+.2})", moved.mean_change), records: vec![moved.seq.0] }
    });
    let side = match (v.sure, v.mean > 0.0) {
        (true, true) => "counts for more than the average of their values",
        (true, false) => "counts for less than the average of their values",
        (false, _) => "is still open",
    };
    Ok(Explained {
        summary: format!(
            "{} {side}: {:+.2}, 90% interval [{:+.2}, {:+.2}], place {} of {}.",
            v.name,
            v.mean,
            v.low,
            v.high,
            v.rank,
            view.values.len()
        ),
        reasons: reasons.collect(),
        would_change: vec![format!("Answers to questions in which {} is at stake; a session asks them.", v.name)],
    })
}
