//! Whether a Polis conversation stands in a home already: under another name, or with another topic. Then its people and its
//! statements are those that stand there, or every vote would count again.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use jiff::Timestamp;

use super::known::{MarkHere, evidence_about, to_millisecond};
use super::{Import, ImportError};
use crate::home::{Home, HomeError};
use crate::ids::{AlternativeId, PersonId, SourceId};
use crate::record::{Record, Subject};

/// A conversation of a home.
#[derive(Default)]
struct Here {
    votes: usize,
    /// Votes that conversations of the import have too: of the same voter, on the same words, of the same time.
    same: HashMap<String, usize>,
    /// The statements by their words; of several the one that was voted on last.
    words: HashMap<String, AlternativeId>,
}

/// Where a home has marked statements, and statements of the import that are known here under another id.
type Recognised = (BTreeMap<AlternativeId, MarkHere>, BTreeSet<AlternativeId>);

/// Gives the conversations of an import the names and statements that they have in a home, in whatever form they come. Gives which
/// statements the home has in quarantine, or had, and why; and which of the import's own are nobody's any more.
pub(super) fn recognise(import: &mut Import, home: &Home) -> Result<Recognised, ImportError> {
    let names: BTreeSet<String> = import.people.iter().filter_map(|p| Some(voter(p)?.0.to_owned())).collect();
    if names.is_empty() {
        return Ok(Default::default());
    }
    let state = home.state();
    let mut texts: HashMap<AlternativeId, String> =
        import.statements.iter().map(|s| (s.alternative, s.text.clone())).collect();
    for (_, record) in &import.evidence {
        if let Record::AlternativeDescribed(d) = record {
            texts.insert(d.alternative, d.text.clone());
        }
    }
    let text_of = |alternative: &AlternativeId| match texts.get(alternative) {
        Some(text) => Some(text.as_str()),
        None => state.description(alternative).map(|d| d.text.as_str()),
    };
    let mut votes: HashMap<&str, HashMap<&str, HashSet<(&str, Timestamp)>>> = HashMap::new();
    let mut own_words: HashMap<&str, BTreeMap<AlternativeId, &str>> = HashMap::new();
    for (time, record) in &import.evidence {
        let Record::VerdictGiven(r) = record else { continue };
        let (Some((name, voter)), Some(text)) = (voter(&r.from.person), text_of(&r.alternative)) else { continue };
        let Some(name) = names.get(name) else { continue };
        own_words.entry(name).or_default().insert(r.alternative, text);
        if let Some(time) = time {
            votes.entry(name).or_default().entry(voter).or_default().insert((text, to_millisecond(*time)));
        }
    }
    // Of an export also those that nobody voted on.
    if let (true, Some(own)) = (import.one_vote_each, names.first()) {
        let all = import.statements.iter().filter_map(|s| Some((s.alternative, texts.get(&s.alternative)?.as_str())));
        own_words.entry(own).or_default().extend(all);
    }
    let mut marks = BTreeMap::new();
    let mut conversations: BTreeMap<String, Here> = BTreeMap::new();
    let mut by = None;
    for entry in home.entries()? {
        let entry = entry.map_err(HomeError::from)?;
        match entry.record {
            Record::Imported(r) => by = Some(r.source),
            Record::QuarantineSet(r) => {
                if let Subject::Statement(alternative) = r.subject {
                    let (quarantined, reason, by) = (r.quarantined, r.reason, by.clone());
                    marks.insert(alternative, MarkHere { quarantined, reason, by });
                }
            }
            Record::VerdictGiven(r) => {
                let (Some((name, voter)), Some(text)) = (voter(&r.from.person), text_of(&r.alternative)) else {
                    continue;
                };
                let here = conversations.entry(name.to_owned()).or_default();
                here.votes += 1;
                for (own, votes) in &votes {
                    if votes.get(voter).is_some_and(|of| of.contains(&(text, entry.time))) {
                        *here.same.entry((*own).to_owned()).or_default() += 1;
                    }
                }
                here.words.insert(text.to_owned(), r.alternative);
            }
            _ => {}
        }
    }
    let mut notes = Vec::new();
    let mut moves: Vec<(String, String)> = Vec::new();
    let mut known: Vec<(String, BTreeMap<AlternativeId, AlternativeId>)> = Vec::new();
    for own in &names {
        let all: usize = votes.get(own.as_str()).map_or(0, |voters| voters.values().map(HashSet::len).sum());
        let same = |here: &Here| here.same.get(own).copied().unwrap_or(0);
        let is_same = |here: &Here| same(here) > 1 && 2 * same(here) >= all.min(here.votes);
        let other =
            conversations.iter().filter(|(name, here)| *name != own && is_same(here)).max_by_key(|(_, h)| same(h));
        let mut name = own;
        if let Some((other, here)) = other.filter(|_| !conversations.contains_key(own)) {
            let what = format!(
                "{} of {all} votes{} stand here already as those of the conversation {other:?}: the same voters' numbers, words and \
                 times",
                same(here),
                if import.one_vote_each { String::new() } else { format!(" of the conversation {own:?}") },
            );
            if !import.one_vote_each {
                notes.push(format!("{what}. It is taken for that one"));
                name = other;
            } else if import.any_name {
                notes.push(format!("{what}. It is taken for that one (--name gives it another name)"));
                name = other;
            } else {
                notes.push(format!("{what}. As --name says otherwise, they count again as other people's"));
            }
        }
        let words = own_words.get(own.as_str());
        if let (Some(here), Some(words)) = (conversations.get(name), words) {
            if !words.values().any(|text| here.words.contains_key(*text)) {
                notes.push(format!(
                    "none of its statements is one of the conversation {name:?} that stands here: if it is another conversation, its \
                     voters are other people; give it another --name"
                ));
            }
            let found: BTreeMap<AlternativeId, AlternativeId> = words
                .iter()
                .filter(|(alternative, _)| state.description(alternative).is_none())
                .filter_map(|(alternative, text)| Some((*alternative, *here.words.get(*text)?)))
                .collect();
            if !found.is_empty() {
                notes.push(format!(
                    "{} statements stand here with another topic of the same conversation, and keep it: their votes are the same votes",
                    found.len()
                ));
                known.push((own.clone(), found));
            }
        }
        if name != own {
            moves.push((own.clone(), name.clone()));
        }
    }
    import.notes.extend(notes);
    for (own, names) in &known {
        import.rename(names, &|person| voter(person).is_some_and(|(name, _)| name == own));
    }
    let left: BTreeSet<AlternativeId> = import.evidence.iter().flat_map(|(_, record)| evidence_about(record)).collect();
    let gone = known.iter().flat_map(|(_, names)| names.keys().copied()).filter(|a| !left.contains(a)).collect();
    for (own, name) in moves {
        import.move_to(&own, &name)?;
    }
    Ok((marks, gone))
}

/// The conversation and the voter of a person of a conversation: `polis:NAME:VOTER`.
fn voter(person: &PersonId) -> Option<(&str, &str)> {
    person.as_str().strip_prefix("polis:").and_then(|rest| rest.rsplit_once(':'))
}

impl Import {
    /// Gives a conversation another name.
    fn move_to(&mut self, own: &str, name: &str) -> Result<(), ImportError> {
        let prefix = format!("polis:{own}:");
        if self.one_vote_each {
            self.source = SourceId::new(&format!("import:polis:{name}"))?;
        }
        let mut people = BTreeSet::new();
        for (_, record) in &mut self.evidence {
            let Some(from) = record.evidence_origin_mut() else { continue };
            if let Some(voter) = from.person.as_str().strip_prefix(&prefix) {
                from.person = PersonId::new(&format!("polis:{name}:{voter}"))?;
            }
            if self.one_vote_each {
                from.source = self.source.clone();
            }
            people.insert(from.person.clone());
        }
        self.people = people;
        Ok(())
    }
}
