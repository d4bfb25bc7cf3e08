//! Whether the people of a log stand in a home already under other names, because the log was merged with another prefix or with
//! none. Then they keep these names, or all that they said would count again.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::Timestamp;

use super::conversations::voter;
use super::credence::log_source;
use super::known::{Said, said};
use super::{Import, ImportError, OwnTimes, times};
use crate::home::{Home, HomeError};
use crate::ids::{PersonId, SourceId};

/// Whose names begin alike: the voters of one conversation in a log, or everybody else in it.
type Group = (SourceId, Option<String>);

/// Somebody who said something, and when, where that is known.
type Timed = (Option<Timestamp>, PersonId);

/// What names begin with instead of what: the first in an import, the second in a home.
type Beginnings = (String, String);

/// Gives the people of each log the beginning of their names under which most of its records stand in a home: of the same log, with
/// the same words and answer, of the same time.
pub(super) fn recognise(import: &mut Import, home: &Home) -> Result<(), ImportError> {
    let mut groups: Vec<Option<Group>> = Vec::with_capacity(import.evidence.len());
    for (place, (_, record)) in import.evidence.iter().enumerate() {
        let named = import.exported.get(&place).and_then(|e| e.log.as_ref());
        let log = match (record.evidence_origin(), named) {
            (Some(from), Some(log)) => Some((from, log_source(log)?)),
            (Some(from), None) if import.format == "credence-log" => Some((from, from.source.clone())),
            _ => None,
        };
        groups.push(log.map(|(from, log)| (log, voter(&from.person).map(|(conversation, _)| conversation.to_owned()))));
    }
    let wanted: BTreeSet<&SourceId> = groups.iter().flatten().map(|(log, _)| log).collect();
    if wanted.is_empty() {
        return Ok(());
    }
    let mut here: HashMap<(SourceId, Said), Vec<Timed>> = HashMap::new();
    let mut own_times = OwnTimes::default();
    for entry in home.entries()? {
        let entry = entry.map_err(HomeError::from)?;
        let time = own_times.of(&entry);
        if let Some((from, said)) = said(&entry.record).filter(|(from, _)| wanted.contains(&from.source)) {
            here.entry((from.source.clone(), said)).or_default().push((time, from.person.clone()));
        }
    }
    let mut found: BTreeMap<&Group, BTreeMap<Beginnings, usize>> = BTreeMap::new();
    for ((time, record), group) in import.evidence.iter().zip(&groups) {
        let (Some((from, said)), Some(group)) = (said(record), group) else { continue };
        let Some(here) = here.get(&(group.0.clone(), said)) else { continue };
        // Older versions kept the time of the first import for what had none of its own.
        let is_same = |then: Option<Timestamp>| time.is_none() || times::same(then, *time);
        let people: BTreeSet<&PersonId> =
            here.iter().filter(|(then, _)| is_same(*then)).map(|(_, person)| person).collect();
        for beginnings in people.into_iter().filter_map(|person| beginnings(import, &from.person, person)) {
            *found.entry(group).or_default().entry(beginnings).or_default() += 1;
        }
    }
    let as_they_are = Beginnings::default();
    let renamed: BTreeMap<&Group, Beginnings> = found
        .into_iter()
        .filter_map(|(group, found)| {
            let here = found.get(&as_they_are).copied().unwrap_or(0);
            let (beginnings, count) = found.into_iter().max_by_key(|(_, count)| *count)?;
            (count > here).then_some((group, beginnings))
        })
        .collect();
    let mut moved = BTreeMap::new();
    for ((_, record), group) in import.evidence.iter_mut().zip(&groups) {
        let Some((own, here)) = group.as_ref().and_then(|group| renamed.get(group)) else { continue };
        let Some(from) = record.evidence_origin_mut() else { continue };
        let Some(rest) = from.person.as_str().strip_prefix(own.as_str()) else { continue };
        let name = PersonId::new(&format!("{here}{rest}"))?;
        moved.insert(std::mem::replace(&mut from.person, name.clone()), name);
    }
    if let Some((own, here)) = moved.first_key_value().map(|(own, here)| (own.as_str(), here.as_str())) {
        import.notes.push(format!(
            "{} people stand here already under other names with what they said, as it was merged with another prefix, and keep these \
             names: {own:?} is {here:?}",
            moved.len()
        ));
        let people = import.evidence.iter().filter_map(|(_, record)| Some(record.evidence_origin()?.person.clone()));
        import.people = people.collect();
    }
    Ok(())
}

/// What the names of one person begin with in an import and in a home, beside what they have in common; nothing where neither is
/// the other with a prefix.
fn beginnings(import: &Import, own: &PersonId, here: &PersonId) -> Option<Beginnings> {
    let (own, here) = (own.as_str(), here.as_str());
    let name = own.strip_prefix(&import.prefix).unwrap_or(own);
    let own_beginning = own.len() - name.len();
    let begins = |length: usize| own[..own_beginning + length].to_owned();
    match (here.strip_suffix(name), name.strip_suffix(here)) {
        (Some(prefix), _) if prefix == &own[..own_beginning] => Some(Beginnings::default()),
        (Some(prefix), _) => Some((begins(0), prefix.to_owned())),
        (None, Some(prefix)) => Some((begins(prefix.len()), String::new())),
        (None, None) => None,
    }
}
