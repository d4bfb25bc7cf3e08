//! Importing evidence from elsewhere: read whole and checked first, then added to a home all or nothing.
//!
//! What stands in the home already (who said what about what, and when) is left out, however the file was saved meanwhile, and a
//! vote that was changed takes the place of the old one ([`Import::compared`]). So the same export may be imported every week.
//!
//! An import holds words and who said them; features are read by a model, or left out: a bare description stands in, and a
//! fuller one later speaks for what was said before.

mod conversations;
mod credence;
mod known;
mod lines;
mod own_csv;
mod pairwise;
mod people;
mod polis;
mod problem;
mod records;
mod statement;
#[cfg(test)]
mod tests;
mod times;
mod trl;
mod whole;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use crate::home::{Draft, Home};
use crate::ids::{AlternativeId, Hash, PersonId, Seq, SourceId};
use crate::record::{AlternativeDescribed, Imported, QuarantineSet, Record, Retracted, Subject};
use crate::state::State;

pub use known::Compared;
pub use lines::Progress;
/// The id in the names of the files of a Polis export as they were downloaded, if they have one.
pub use polis::conversation_id;
use problem::BadRows;
pub use problem::{ImportError, LeftOut, Problem};
pub use statement::Statement;
use statement::Statements;
pub(crate) use times::OwnTimes;

/// The reason that stands in the log where a later import changed what an earlier one brought.
pub const CHANGED: &str = "changed by a later import";

/// How files are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reading {
    /// Rows that cannot be read are left out and listed; otherwise the first one is an error.
    pub skip_bad: bool,
    /// Which way round the signs of Polis votes are.
    pub signs: Signs,
}

/// Which way round the signs of Polis votes are: Polis itself has had both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Signs {
    /// 1 agrees; an export whose own counts say the contrary is refused.
    #[default]
    Checked,
    /// 1 agrees, whatever the counts say.
    AsTheyAre,
    /// -1 agrees.
    Turned,
}

/// Why a statement is no opinion that others are compared by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// Moderators took it out.
    ModeratedOut,
    /// It is about the conversation itself.
    AboutTheConversation,
}

impl Mark {
    const ALL: [Mark; 2] = [Mark::ModeratedOut, Mark::AboutTheConversation];

    fn reason(self) -> &'static str {
        match self {
            Mark::ModeratedOut => "moderated out, says the import",
            Mark::AboutTheConversation => "about the conversation itself, says the import",
        }
    }

    /// The reason that stands in the log where a later import has it no more.
    fn lifted(self) -> &'static str {
        match self {
            Mark::ModeratedOut => "no longer moderated out, says the import",
            Mark::AboutTheConversation => "no longer about the conversation itself, says the import",
        }
    }
}

/// Which record a piece of evidence was when it was exported.
#[derive(Debug, Clone, PartialEq, Eq)]
struct ExportedAs {
    /// The log, where the export says it.
    log: Option<String>,
    seq: Seq,
}

/// Evidence read from elsewhere.
#[derive(Debug, Clone, PartialEq)]
pub struct Import {
    format: &'static str,
    source: SourceId,
    content_hash: Hash,
    statements: Vec<Statement>,
    evidence: Vec<(Option<Timestamp>, Record)>,
    people: BTreeSet<PersonId>,
    notes: Vec<String>,
    /// What pieces of evidence were in the log they were exported from, by their place in `evidence`.
    exported: BTreeMap<usize, ExportedAs>,
    /// Whether a person has one verdict on a statement, the last one.
    one_vote_each: bool,
    /// Why pieces of evidence were withdrawn in the log they come from, by their place in `evidence`.
    withdrawn: BTreeMap<usize, String>,
    marks: Vec<(AlternativeId, Mark)>,
    left_out: BadRows,
    /// Statements that the import says are not, or no longer, of these kinds.
    unmarked: Vec<(AlternativeId, Vec<Mark>)>,
    /// Where the rows of a file stand whose evidence a home may refuse: the line of each piece.
    lines: Option<(PathBuf, Vec<u64>)>,
    /// Whether rows that a home refuses are left out.
    skip_bad: bool,
    /// Whether the people of a conversation take the name that it has in a home.
    any_name: bool,
    /// What the names of people of a log were given to begin with.
    prefix: String,
    compared: Option<Compared>,
}

/// How often an import reports where it is.
pub type Report<'a> = &'a mut dyn FnMut(Progress);

impl Reading {
    /// A Polis export: a directory with `comments.csv`, `votes.csv` and, for the topic, `summary.csv`, or the same three with the
    /// beginning that they are downloaded with. People are `polis:NAME:VOTER`. Of several votes by one person on one statement the
    /// last counts, as in Polis.
    ///
    /// # Errors
    /// A file or a row cannot be read, or the votes contradict the export's counts.
    pub fn polis(self, directory: &Path, name: &str, report: Report<'_>) -> Result<Import, ImportError> {
        polis::read(directory, name, self, report)
    }

    /// Pairwise choices as CSV: columns `person`, `first`, `second`, `chosen` (`first`, `second` or `neither`), and
    /// optionally `situation` and `time`; or a CSV that this program exported.
    ///
    /// # Errors
    /// The file or a row cannot be read.
    pub fn pairwise_csv(self, path: &Path, report: Report<'_>) -> Result<Import, ImportError> {
        pairwise::read(path, self, report)
    }

    /// TRL preference data as JSON Lines, paired (`prompt`, `chosen`, `rejected`) or unpaired (`prompt`, `completion`,
    /// `label`), by this person where a line names none. Without a prompt, what both answers begin with is the situation.
    ///
    /// # Errors
    /// The file or a line cannot be read.
    pub fn trl(self, path: &Path, person: &PersonId, report: Report<'_>) -> Result<Import, ImportError> {
        trl::read(path, person, self, report)
    }
}

impl Import {
    fn new(
        format: &'static str,
        source: SourceId,
        content_hash: Hash,
        statements: Vec<Statement>,
        evidence: Vec<(Option<Timestamp>, Record)>,
        people: BTreeSet<PersonId>,
        notes: Vec<String>,
    ) -> Self {
        Self {
            format,
            source,
            content_hash,
            statements,
            evidence,
            people,
            notes,
            exported: BTreeMap::new(),
            one_vote_each: false,
            withdrawn: BTreeMap::new(),
            marks: Vec::new(),
            left_out: BadRows::default(),
            unmarked: Vec::new(),
            lines: None,
            skip_bad: false,
            any_name: false,
            prefix: String::new(),
            compared: None,
        }
    }

    /// As [`Reading::polis`], with everything as it is by default.
    ///
    /// # Errors
    /// As [`Reading::polis`].
    pub fn polis(directory: &Path, name: &str, report: Report<'_>) -> Result<Self, ImportError> {
        Reading::default().polis(directory, name, report)
    }

    /// As [`Reading::pairwise_csv`], with everything as it is by default.
    ///
    /// # Errors
    /// As [`Reading::pairwise_csv`].
    pub fn pairwise_csv(path: &Path, report: Report<'_>) -> Result<Self, ImportError> {
        Reading::default().pairwise_csv(path, report)
    }

    /// As [`Reading::trl`], with everything as it is by default.
    ///
    /// # Errors
    /// As [`Reading::trl`].
    pub fn trl(path: &Path, person: &PersonId, report: Report<'_>) -> Result<Self, ImportError> {
        Reading::default().trl(path, person, report)
    }

    /// Adds the surviving evidence of another log to a home of the same feature space: descriptions and evidence keep
    /// their content, people are prefixed if `prefix` is given, and the origin's source says where they came from.
    ///
    /// # Errors
    /// The log cannot be read, has another feature space, or has parts that are in the home already.
    pub fn credence_log(
        path: &Path,
        prefix: Option<&str>,
        into: &State,
        report: Report<'_>,
    ) -> Result<Self, ImportError> {
        credence::read(path, prefix, into, report)
    }

    /// The alternatives, each once.
    pub fn statements(&self) -> &[Statement] {
        &self.statements
    }

    /// Number of evidence records that will stand.
    pub fn records(&self) -> usize {
        let stands = |(place, (_, record)): &(usize, &(_, Record))| {
            record.evidence_origin().is_some() && !self.withdrawn.contains_key(place)
        };
        self.evidence.iter().enumerate().filter(stands).count()
    }

    /// The people.
    pub fn people(&self) -> &BTreeSet<PersonId> {
        &self.people
    }

    /// What a person should know about it: votes that were superseded, and the like.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Rows that were left out because they cannot be read: the first of them, 1,000 at most.
    pub fn left_out(&self) -> &[LeftOut] {
        &self.left_out.first
    }

    /// How many rows were left out because they cannot be read.
    pub fn rows_left_out(&self) -> u64 {
        self.left_out.count
    }

    /// What was found to stand in the home already, or to have changed; nothing before [`Import::compared`].
    pub fn compared_with(&self) -> Compared {
        self.compared.clone().unwrap_or_default()
    }

    /// Whether there is anything to add.
    pub fn is_empty(&self) -> bool {
        let nothing = |c: &Compared| c.withdrawals.is_empty() && c.marks.is_empty();
        self.evidence.is_empty() && self.compared.as_ref().is_none_or(nothing)
    }

    /// A conversation whose name nobody gave: where most of its votes stand in a home under another name, it is that one.
    pub fn under_any_name(self) -> Self {
        Self { any_name: true, ..self }
    }

    /// What is new or changed beside what a home holds, or beside nothing. The rest is left out and counted.
    ///
    /// # Errors
    /// The home's log cannot be read.
    pub fn compared(self, home: Option<&Home>) -> Result<Self, ImportError> {
        if self.compared.is_some() { Ok(self) } else { known::compare(self, home) }
    }

    /// Everything that the import is about: what its evidence is about, and statements that a home has not described yet.
    pub fn about(&self, state: Option<&State>) -> BTreeSet<AlternativeId> {
        let is_new = |a: &AlternativeId| state.is_none_or(|state| state.description(a).is_none());
        let statements = self.statements.iter().map(|s| s.alternative).filter(is_new);
        statements.chain(self.evidence.iter().flat_map(|(_, record)| known::evidence_about(record))).collect()
    }

    /// The words of a statement, where the import has them.
    pub fn words(&self, alternative: &AlternativeId) -> Option<&str> {
        let own = self.statements.iter().find(|s| s.alternative == *alternative).map(|s| s.text.as_str());
        own.or_else(|| {
            self.evidence.iter().find_map(|(_, record)| match record {
                Record::AlternativeDescribed(d) if d.alternative == *alternative => Some(d.text.as_str()),
                _ => None,
            })
        })
    }

    /// How many of the statements that it is about a home has not described yet, and how many of these come without features.
    pub fn new_and_bare(&self, state: Option<&State>) -> (usize, usize) {
        let is_new = |a: &AlternativeId| state.is_none_or(|state| state.description(a).is_none());
        let featured = self.evidence.iter().filter_map(|(_, record)| match record {
            Record::AlternativeDescribed(d) if !d.schema.is_empty() || !d.text_block.is_empty() => Some(d.alternative),
            _ => None,
        });
        let featured: BTreeSet<AlternativeId> = featured.collect();
        let new: Vec<AlternativeId> = self.about(state).into_iter().filter(is_new).collect();
        (new.len(), new.iter().filter(|a| !featured.contains(a)).count())
    }

    /// Statements that a home has not described yet, and the import does not describe either.
    pub fn undescribed<'a>(&'a self, state: &'a State) -> impl Iterator<Item = &'a Statement> {
        self.statements.iter().filter(|s| state.description(&s.alternative).is_none())
    }

    /// Drafts the import: descriptions of what is not described yet (bare where `descriptions` has none), then a record
    /// that says where it came from, then the withdrawal of what was withdrawn in the log that it came from, then the evidence
    /// that is new, each piece after the withdrawal of what it changes. Every record is checked against the home; nothing is
    /// written until the draft is committed, so dropping it is the dry run.
    ///
    /// # Errors
    /// Something does not fit the home.
    pub fn draft(
        self,
        home: &Home,
        now: Timestamp,
        descriptions: Vec<AlternativeDescribed>,
    ) -> Result<Draft, ImportError> {
        let import = self.compared(Some(home))?;
        let mut draft = home.draft();
        for description in descriptions {
            draft.push(now, Record::AlternativeDescribed(description))?;
        }
        let imported = Imported {
            source: import.source.clone(),
            format: import.format.to_owned(),
            content_hash: import.content_hash,
            records: import.records() as u64,
            people: import.people.len() as u64,
        };
        draft.push(now, Record::Imported(imported))?;
        for statement in &import.statements {
            if draft.state().description(&statement.alternative).is_none() {
                draft.push(now, Record::AlternativeDescribed(statement.bare()))?;
            }
        }
        let Compared { changes, withdrawals, marks, .. } = import.compared.unwrap_or_default();
        mark(&mut draft, now, &marks)?;
        let retracted = |target, reason: &str| Record::Retracted(Retracted { target, reason: reason.to_owned() });
        for (target, reason) in &withdrawals {
            draft.push(now, retracted(*target, reason))?;
        }
        for (place, (time, record)) in import.evidence.into_iter().enumerate() {
            if let Some(target) = changes.get(&place) {
                draft.push(now, retracted(*target, CHANGED))?;
            }
            let added = draft.push(time.unwrap_or(now), record)?;
            if let Some(reason) = import.withdrawn.get(&place) {
                draft.push(now, retracted(added.seq, reason))?;
            }
        }
        // Those of a log are of statements that came with its evidence.
        mark(&mut draft, now, &marks)?;
        Ok(draft)
    }
}

/// Has statements that the home knows change sides, if they have not yet.
fn mark(draft: &mut Draft, now: Timestamp, marks: &[(AlternativeId, bool, String)]) -> Result<(), ImportError> {
    for (alternative, quarantined, reason) in marks {
        let (subject, quarantined) = (Subject::Statement(*alternative), *quarantined);
        if draft.state().description(alternative).is_some()
            && draft.state().quarantined().contains(&subject) != quarantined
        {
            let reason = reason.clone();
            draft.push(now, Record::QuarantineSet(QuarantineSet { subject, quarantined, reason }))?;
        }
    }
    Ok(())
}
