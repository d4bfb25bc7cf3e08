//! Whether a Polis conversation stands in a home already: under another name, or with another topic. Then its people and its
//! statements are those that stand there, or every vote would count again.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use jiff::Timestamp;

use super::known::to_millisecond;
use super::{Import, ImportError};
use crate::home::{Home, HomeError};
use crate::ids::{AlternativeId, PersonId, SourceId};
use crate::record::{Record, Subject};

/// A conversation of a home.
#[derive(Default)]
struct Here {
    votes: usize,
    /// Votes that the import has too: of the same voter, on the same words, of the same time.
    same: usize,
    /// The statements by their words; of several the one that was voted on last.
    words: HashMap<String, AlternativeId>,
}

/// Gives an import the names and statements that its conversation has in a home. Gives which statements the home has in
/// quarantine, or had, and why.
pub(super) fn recognise(
    import: &mut Import,
    home: &Home,
) -> Result<BTreeMap<AlternativeId, (bool, String)>, ImportError> {
    let own = import.source.as_str().trim_start_matches("import:polis:").to_owned();
    let texts: HashMap<AlternativeId, &str> =
        import.statements.iter().map(|s| (s.alternative, s.text.as_str())).collect();
    let state = home.state();
    let text_of = |alternative: &AlternativeId| match texts.get(alternative) {
        Some(text) => Some(*text),
        None => state.description(alternative).map(|d| d.text.as_str()),
    };
    let votes: HashSet<(&str, &str, Timestamp)> = import
        .evidence
        .iter()
        .filter_map(|(time, record)| match record {
            Record::VerdictGiven(r) => {
                let voter = r.from.person.as_str().strip_prefix(&format!("polis:{own}:"))?;
                Some((voter, text_of(&r.alternative)?, to_millisecond((*time)?)))
            }
            _ => None,
        })
        .collect();
    let mut marks = BTreeMap::new();
    let mut conversations: BTreeMap<String, Here> = BTreeMap::new();
    for entry in home.entries()? {
        let entry = entry.map_err(HomeError::from)?;
        match entry.record {
            Record::QuarantineSet(r) => {
                if let Subject::Statement(alternative) = r.subject {
                    marks.insert(alternative, (r.quarantined, r.reason));
                }
            }
            Record::VerdictGiven(r) => {
                let named = r.from.person.as_str().strip_prefix("polis:").and_then(|rest| rest.rsplit_once(':'));
                let (Some((name, voter)), Some(text)) = (named, text_of(&r.alternative)) else { continue };
                let here = conversations.entry(name.to_owned()).or_default();
                here.votes += 1;
                here.same += usize::from(votes.contains(&(voter, text, entry.time)));
                here.words.insert(text.to_owned(), r.alternative);
            }
            _ => {}
        }
    }
    let all = votes.len();
    let is_same = |here: &Here| here.same > 1 && 2 * here.same >= all.min(here.votes);
    let other = conversations.iter().filter(|(name, here)| **name != own && is_same(here)).max_by_key(|(_, h)| h.same);
    let mut name = own.clone();
    match other {
        Some((other, here)) if !conversations.contains_key(&own) => {
            let what = format!(
                "{} of {all} votes stand here already as those of the conversation {other:?}: the same voters' numbers, words and \
                 times",
                here.same
            );
            if import.any_name {
                import.notes.push(format!("{what}. It is taken for that one (--name gives it another name)"));
                name = other.clone();
            } else {
                import.notes.push(format!("{what}. As --name says otherwise, they count again as other people's"));
            }
        }
        _ => {}
    }
    if let Some(here) = conversations.get(&name) {
        if !import.statements.iter().any(|s| here.words.contains_key(&s.text)) {
            import.notes.push(format!(
                "none of its statements is one of the conversation {name:?} that stands here: if it is another conversation, its \
                 voters are other people; give it another --name"
            ));
        }
        let known: BTreeMap<AlternativeId, AlternativeId> = import
            .statements
            .iter()
            .filter(|s| state.description(&s.alternative).is_none())
            .filter_map(|s| Some((s.alternative, *here.words.get(&s.text)?)))
            .collect();
        if !known.is_empty() {
            import.notes.push(format!(
                "{} statements stand here with another topic of the same conversation, and keep it: their votes are the same votes",
                known.len()
            ));
            import.rename(&known);
        }
    }
    if name != own {
        import.move_to(&own, &name)?;
    }
    Ok(marks)
}

impl Import {
    /// Gives a conversation another name.
    fn move_to(&mut self, own: &str, name: &str) -> Result<(), ImportError> {
        let prefix = format!("polis:{own}:");
        self.source = SourceId::new(&format!("import:polis:{name}"))?;
        let mut people = BTreeSet::new();
        for (_, record) in &mut self.evidence {
            let Some(from) = record.evidence_origin_mut() else { continue };
            if let Some(voter) = from.person.as_str().strip_prefix(&prefix) {
                from.person = PersonId::new(&format!("polis:{name}:{voter}"))?;
            }
            from.source = self.source.clone();
            people.insert(from.person.clone());
        }
        self.people = people;
        Ok(())
    }
}
