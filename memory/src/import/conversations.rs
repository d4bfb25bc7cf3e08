//! Whether a Polis conversation stands in a home already: under another name, with another topic, with a prefix. Then its people and
//! its statements are those that stand there, or every vote would count again.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::Timestamp;

use super::known::{MarkHere, evidence_about};
use super::{Import, ImportError, OwnTimes, times};
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
    /// The statements that were voted on.
    voted: BTreeSet<AlternativeId>,
    /// When the last vote was given.
    newest: Option<Timestamp>,
}

/// What a home holds of the conversations of an import.
#[derive(Default)]
pub(super) struct Recognised {
    /// Statements that the home has in quarantine, or had, and why.
    pub(super) marks: BTreeMap<AlternativeId, MarkHere>,
    /// Statements that the import marks and that have votes in another conversation here.
    pub(super) elsewhere: BTreeSet<AlternativeId>,
    /// Whether an export is an older state of a conversation than that which stands here: its newest vote is older.
    pub(super) is_older: bool,
    /// Statements of the import that are known here under another id, and nobody's any more under their own.
    pub(super) renamed: BTreeSet<AlternativeId>,
}

/// Gives the conversations of an import the names and statements that they have in a home, in whatever form they come. Votes say
/// which conversation it is, before any name does.
pub(super) fn recognise(import: &mut Import, home: &Home) -> Result<Recognised, ImportError> {
    let names: BTreeSet<String> = import.people.iter().filter_map(|p| Some(voter(p)?.0.to_owned())).collect();
    let mut recognised = Recognised::default();
    if names.is_empty() {
        return Ok(recognised);
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
    let mut votes: HashMap<&str, HashMap<(&str, &str), Vec<Timestamp>>> = HashMap::new();
    let mut own_words: HashMap<&str, BTreeMap<AlternativeId, &str>> = HashMap::new();
    for (time, record) in &import.evidence {
        let Record::VerdictGiven(r) = record else { continue };
        let (Some((name, voter)), Some(text)) = (voter(&r.from.person), text_of(&r.alternative)) else { continue };
        let Some(name) = names.get(name) else { continue };
        own_words.entry(name).or_default().insert(r.alternative, text);
        if let Some(time) = time {
            votes.entry(name).or_default().entry((voter, text)).or_default().push(*time);
        }
    }
    // Of an export also those that nobody voted on.
    if let (true, Some(own)) = (import.one_vote_each, names.first()) {
        let all = import.statements.iter().filter_map(|s| Some((s.alternative, texts.get(&s.alternative)?.as_str())));
        own_words.entry(own).or_default().extend(all);
    }
    let mut conversations: BTreeMap<String, Here> = BTreeMap::new();
    let (mut by, mut times) = (None, OwnTimes::default());
    for entry in home.entries()? {
        let entry = entry.map_err(HomeError::from)?;
        let time = times.of(&entry);
        match entry.record {
            Record::Imported(r) => by = Some(r.source),
            Record::QuarantineSet(r) => {
                if let Subject::Statement(alternative) = r.subject {
                    let (quarantined, reason, by) = (r.quarantined, r.reason, by.clone());
                    recognised.marks.insert(alternative, MarkHere { quarantined, reason, by });
                }
            }
            Record::VerdictGiven(r) => {
                let (Some((name, voter)), Some(text)) = (voter(&r.from.person), text_of(&r.alternative)) else {
                    continue;
                };
                let here = conversations.entry(name.to_owned()).or_default();
                here.votes += 1;
                for (own, votes) in &votes {
                    let is_same = |all: &Vec<Timestamp>| all.iter().any(|t| times::same(Some(*t), time));
                    if votes.get(&(voter, text)).is_some_and(is_same) {
                        *here.same.entry((*own).to_owned()).or_default() += 1;
                    }
                }
                here.words.insert(text.to_owned(), r.alternative);
                here.voted.insert(r.alternative);
                here.newest = here.newest.max(time);
            }
            _ => {}
        }
    }
    let mut notes = Vec::new();
    let mut moves: Vec<(String, String)> = Vec::new();
    let mut known: Vec<(String, BTreeMap<AlternativeId, AlternativeId>)> = Vec::new();
    for own in &names {
        let all = votes.get(own.as_str()).map_or(0, HashMap::len);
        let same = |here: &Here| here.same.get(own).copied().unwrap_or(0);
        let under_own = conversations.get(own).map_or(0, same);
        let is_same = |here: &Here| same(here) > under_own.max(1) && 2 * same(here) >= all.min(here.votes);
        let other =
            conversations.iter().filter(|(name, here)| *name != own && is_same(here)).max_by_key(|(_, h)| same(h));
        let mut name = own;
        let words = own_words.get(own.as_str());
        let shared = |here: &Here| {
            words.map_or(0, |words| words.values().filter(|text| here.words.contains_key(**text)).count())
        };
        let statements = words.map_or(0, BTreeMap::len);
        // Two conversations may have one name, and a statement or two: folders are called alike.
        let another = conversations.get(own).filter(|here| {
            import.any_name && under_own == 0 && all > 0 && 2 * shared(here) <= statements.min(here.words.len())
        });
        let free: String;
        if let (Some(here), None) = (another, other) {
            free =
                (2..).map(|n| format!("{own}-{n}")).find(|name| !conversations.contains_key(name)).unwrap_or_default();
            notes.push(format!(
                "none of its votes and {} of its {statements} statements stand here as those of the conversation {:?}: it is taken for \
                 another one and named {:?} (--name gives it another name)",
                shared(here),
                shown(own),
                shown(&free)
            ));
            name = &free;
        } else if let Some((other, here)) = other {
            let what = format!(
                "{} of {all} votes{} stand here already as those of the conversation {:?}: the same voters' numbers, words and times",
                same(here),
                if import.one_vote_each { String::new() } else { format!(" of the conversation {:?}", shown(own)) },
                shown(other),
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
        if let (Some(here), Some(words)) = (conversations.get(name), words) {
            if name == own && under_own == 0 && (all > 0 || shared(here) == 0) {
                notes.push(format!(
                    "none of its votes is one of the {} that stand here as those of the conversation {:?}: if it is another \
                     conversation, its voters are other people; give it another --name",
                    here.votes,
                    shown(name)
                ));
            }
            // What stands here without a vote hides none that stand on the same words.
            let found: BTreeMap<AlternativeId, AlternativeId> = words
                .iter()
                .filter(|(alternative, _)| !here.voted.contains(alternative))
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
    let known = known.iter().flat_map(|(_, names)| names.keys().copied());
    recognised.renamed = known.filter(|a| !left.contains(a)).collect();
    for (own, name) in moves {
        import.move_to(&own, &name)?;
    }
    // An export is of one conversation. What a log says of statements does not overrule any that stands here.
    let name = import.people.first().filter(|_| import.one_vote_each).and_then(|p| Some(voter(p)?.0));
    let marked: BTreeSet<AlternativeId> = import.marks.iter().map(|(alternative, _)| *alternative).collect();
    let others = conversations.iter().filter(|(other, _)| Some(other.as_str()) != name);
    recognised.elsewhere = others.flat_map(|(_, here)| here.voted.intersection(&marked).copied()).collect();
    let newest = import.evidence.iter().filter_map(|(time, _)| *time).max();
    let here = name.and_then(|name| conversations.get(name)?.newest);
    recognised.is_older = newest.zip(here).is_some_and(|(file, here)| times::is_before(file, here));
    Ok(recognised)
}

/// The conversation and the voter of a person of a conversation: `polis:NAME` and `VOTER` of `polis:NAME:VOTER`, as it came or with
/// a prefix, which stays before the conversation.
pub(super) fn voter(person: &PersonId) -> Option<(&str, &str)> {
    let (_, rest) = person.as_str().split_once("polis:")?;
    if rest.contains(':') { person.as_str().rsplit_once(':') } else { None }
}

/// A conversation's name as people know it.
fn shown(conversation: &str) -> &str {
    conversation.strip_prefix("polis:").unwrap_or(conversation)
}

impl Import {
    /// Gives a conversation another name.
    fn move_to(&mut self, own: &str, name: &str) -> Result<(), ImportError> {
        if self.one_vote_each {
            self.source = SourceId::new(&format!("import:polis:{}", shown(name)))?;
        }
        let mut people = BTreeSet::new();
        for (_, record) in &mut self.evidence {
            let Some(from) = record.evidence_origin_mut() else { continue };
            if let Some((_, voter)) = voter(&from.person).filter(|(conversation, _)| *conversation == own) {
                from.person = PersonId::new(&format!("{name}:{voter}"))?;
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
