//! The agent at work, as state: words read and answered, briefings that stand, deliberations and what became of them.

use std::collections::{BTreeMap, BTreeSet};

use super::State;
use super::illegal::{Illegal, between, distinct};
use crate::evidence::{Evidence, Form};
use crate::ids::{BriefingId, PersonId, Seq, ValueId};
use crate::layout::Layout;
use crate::log::Entry;
use crate::record::{
    AlternativesStruck, BriefingAdded, ConclusionChecked, Condition, ConsequenceChecked, ConsequenceKind, Deliberated,
    LibraryPassageUsed, ReadRow, ReadingAnswered, ReadingVerdict, Record, Scope, WordsRead,
};

/// The most rows that one reading has.
const ROWS_MAX: usize = 16;
/// The most passages of one briefing.
const PASSAGES_MAX: usize = 10_000;
/// The most consequences of one alternative.
const CONSEQUENCES_MAX: usize = 32;

/// How likely a statement about some situations only says nothing about situations in general.
const LOCAL: f64 = 0.5;

/// Words that were read, with the person's answers to the reading.
#[derive(Debug, Clone, PartialEq)]
pub struct ReadWords {
    /// What was said and read.
    pub read: WordsRead,
    /// The answers, by row.
    pub answers: BTreeMap<usize, ReadingVerdict>,
}

/// A deliberation, with what was found out about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Deliberation {
    /// What was written.
    pub made: Deliberated,
    /// Whether consequences were right, by their place.
    pub checked: BTreeMap<usize, bool>,
}

/// The probability that an importance statement says nothing about weights in general: misread, or (independently) about some
/// situations only. A statement that holds "except" somewhere holds in general.
pub fn beside_the_point(misreading: f64, conditions: &[Condition]) -> f64 {
    if conditions.iter().any(|c| c.scope == Scope::When) {
        1.0 - (1.0 - misreading) * (1.0 - LOCAL)
    } else {
        misreading
    }
}

impl State {
    /// Words that were read, by record.
    pub fn read_words(&self) -> &BTreeMap<Seq, ReadWords> {
        &self.read_words
    }

    /// How many rows of a reader that people answered were right, and how many were not.
    pub fn readings_answered(&self, reader: &str) -> (u64, u64) {
        let answers = self.read_words.values().filter(|w| w.read.reader == reader).flat_map(|w| w.answers.values());
        answers.fold((0, 0), |(right, wrong), answer| match answer {
            ReadingVerdict::Confirmed => (right + 1, wrong),
            ReadingVerdict::Corrected { .. } | ReadingVerdict::Dropped => (right, wrong + 1),
        })
    }

    /// Briefings that stand, by name, with the record that added each.
    pub fn briefings(&self) -> &BTreeMap<BriefingId, (Seq, BriefingAdded)> {
        &self.briefings
    }

    /// Deliberations, by record.
    pub fn deliberations(&self) -> &BTreeMap<Seq, Deliberation> {
        &self.deliberations
    }

    /// What people said of conclusions, by record; whether their choice still stands is not looked at.
    pub fn conclusions(&self) -> &BTreeMap<Seq, ConclusionChecked> {
        &self.conclusions
    }

    /// Conclusions whose check stands, and of which every passage of the library that was in the context still stands.
    pub fn standing_conclusions(&self) -> impl Iterator<Item = (Seq, &ConclusionChecked)> {
        self.conclusions.iter().map(|(seq, checked)| (*seq, checked)).filter(|(_, checked)| {
            let stands = |seq: &Seq| self.cited(*seq).all(|used| self.library().document(&used.document).is_some());
            self.choice_of(checked).is_some() && checked.deliberated.iter().all(stands)
        })
    }

    /// The choice that a check is, as far as it was not withdrawn.
    pub fn choice_of(&self, checked: &ConclusionChecked) -> Option<&Evidence> {
        let evidence = self.person(&checked.person)?.evidence();
        evidence.binary_search_by_key(&checked.choice, |e| e.seq).ok().map(|at| &evidence[at])
    }

    /// The passages of the library that a deliberation had in its context.
    pub fn cited(&self, deliberated: Seq) -> impl Iterator<Item = &LibraryPassageUsed> {
        self.deliberations.get(&deliberated).into_iter().flat_map(|d| &d.made.library)
    }

    /// How many foreseen consequences of a kind were right, and how many wrong.
    pub fn consequences_checked(&self, kind: ConsequenceKind) -> (u64, u64) {
        let checked = self
            .deliberations
            .values()
            .flat_map(|d| d.checked.iter().filter(|(i, _)| d.made.consequences[**i].kind == kind));
        checked.fold((0, 0), |(right, wrong), (_, held)| if *held { (right + 1, wrong) } else { (right, wrong + 1) })
    }

    pub(super) fn note_work(&mut self, entry: &Entry) {
        let seq = entry.seq;
        match &entry.record {
            Record::WordsRead(r) => {
                self.people.entry(r.person.clone()).or_default();
                self.read_words.insert(seq, ReadWords { read: r.clone(), answers: BTreeMap::new() });
            }
            Record::ReadingAnswered(r) => {
                if let Some(words) = self.read_words.get_mut(&r.read) {
                    words.answers.insert(r.row, r.answer.clone());
                }
            }
            Record::BriefingAdded(r) => {
                self.briefings.insert(r.briefing.clone(), (seq, r.clone()));
            }
            Record::BriefingDropped(r) => {
                self.briefings.remove(&r.briefing);
            }
            Record::Deliberated(r) => {
                self.people.entry(r.person.clone()).or_default();
                self.deliberations.insert(seq, Deliberation { made: r.clone(), checked: BTreeMap::new() });
            }
            Record::ConsequenceChecked(r) => {
                if let Some(deliberation) = self.deliberations.get_mut(&r.deliberated) {
                    deliberation.checked.insert(r.consequence, r.right);
                }
            }
            Record::ConclusionChecked(r) => {
                self.conclusions.insert(seq, r.clone());
            }
            Record::AlternativesStruck(r) => {
                if let Some(task) = self.tasks.get_mut(&r.task) {
                    task.proposed.retain(|(a, _)| !r.alternatives.contains(a));
                }
            }
            _ => unreachable!("only records of the agent at work come here"),
        }
    }

    pub(super) fn words_read(&self, layout: &Layout, r: &WordsRead) -> Result<(), Illegal> {
        between("rows of a reading", r.rows.len(), 0, ROWS_MAX)?;
        r.rows.iter().try_for_each(|row| known_row(layout, row))?;
        self.in_session(&r.person, r.session.as_ref())
    }

    pub(super) fn reading_answered(&self, layout: &Layout, r: &ReadingAnswered) -> Result<(), Illegal> {
        let unknown = || Illegal::Unknown { what: "reading", name: r.read.to_string() };
        let words = self.read_words.get(&r.read).ok_or_else(unknown)?;
        same_person(&words.read.person, &r.person, r.read)?;
        place("row of the reading", r.row, words.read.rows.len())?;
        if words.answers.contains_key(&r.row) {
            return Err(Illegal::AnsweredBefore { what: "that row", of: r.read });
        }
        match &r.answer {
            ReadingVerdict::Corrected { to } => known_row(layout, to),
            ReadingVerdict::Confirmed | ReadingVerdict::Dropped => Ok(()),
        }
    }

    pub(super) fn standing_briefing(&self, name: &BriefingId) -> Result<&BriefingAdded, Illegal> {
        let unknown = || Illegal::Unknown { what: "briefing", name: name.to_string() };
        self.briefings.get(name).map(|(_, briefing)| briefing).ok_or_else(unknown)
    }

    pub(super) fn briefing_added(&self, r: &BriefingAdded) -> Result<(), Illegal> {
        if self.briefings.contains_key(&r.briefing) {
            return Err(Illegal::Duplicate { what: "briefing", name: r.briefing.to_string() });
        }
        between("passages of a briefing", r.passages.len(), 1, PASSAGES_MAX)
    }

    pub(super) fn deliberated(&self, r: &Deliberated) -> Result<(), Illegal> {
        self.known_task(r.task.as_ref())?;
        distinct(&[r.alternative, r.with_consequences])?;
        self.all_described(&[r.alternative, r.with_consequences])?;
        between("consequences", r.consequences.len(), 1, CONSEQUENCES_MAX)?;
        r.passages.iter().try_for_each(|used| {
            let briefing = self.standing_briefing(&used.briefing)?;
            place("passage of the briefing", used.passage, briefing.passages.len())
        })?;
        r.library.iter().try_for_each(|used| {
            let unknown = || Illegal::Unknown { what: "document", name: used.document.to_string() };
            let (_, document) = self.library().document(&used.document).ok_or_else(unknown)?;
            place("passage of the document", used.passage, document.passages.len())
        })
    }

    pub(super) fn conclusion_checked(&self, r: &ConclusionChecked) -> Result<(), Illegal> {
        let unknown = |what, seq: Seq| Illegal::Unknown { what, name: seq.to_string() };
        let mut alternatives = Vec::new();
        for seq in r.deliberated {
            let deliberation = self.deliberations.get(&seq).ok_or_else(|| unknown("deliberation", seq))?;
            same_person(&deliberation.made.person, &r.person, seq)?;
            alternatives.push(deliberation.made.alternative);
        }
        let choice = self.choice_of(r).ok_or_else(|| unknown("choice of this person", r.choice))?;
        let mut chosen: Vec<_> =
            choice.form.descriptions().iter().map(|at| self.descriptions()[*at as usize].alternative).collect();
        distinct(&alternatives)?;
        alternatives.sort_unstable();
        chosen.sort_unstable();
        if !matches!(choice.form, Form::Choice { .. }) || alternatives != chosen {
            return Err(unknown("choice between what was deliberated on", r.choice));
        }
        if self.conclusions.values().any(|before| before.choice == r.choice) {
            return Err(Illegal::AnsweredBefore { what: "that conclusion", of: r.choice });
        }
        Ok(())
    }

    pub(super) fn consequence_checked(&self, r: &ConsequenceChecked) -> Result<(), Illegal> {
        let unknown = || Illegal::Unknown { what: "deliberation", name: r.deliberated.to_string() };
        let deliberation = self.deliberations.get(&r.deliberated).ok_or_else(unknown)?;
        same_person(&deliberation.made.person, &r.person, r.deliberated)?;
        place("consequence", r.consequence, deliberation.made.consequences.len())?;
        if deliberation.checked.contains_key(&r.consequence) {
            return Err(Illegal::AnsweredBefore { what: "that consequence", of: r.deliberated });
        }
        Ok(())
    }

    pub(super) fn struck(&self, r: &AlternativesStruck) -> Result<(), Illegal> {
        self.known_task(Some(&r.task))?;
        let proposed: BTreeSet<_> = self.tasks[&r.task].proposed.iter().map(|(a, _)| *a).collect();
        match r.alternatives.iter().find(|a| !proposed.contains(a)) {
            Some(other) => Err(Illegal::Unknown { what: "alternative of this task", name: other.to_string() }),
            None => Ok(()),
        }
    }
}

pub(super) fn same_person(expected: &PersonId, found: &PersonId, of: Seq) -> Result<(), Illegal> {
    if expected == found { Ok(()) } else { Err(Illegal::OthersRecord { of, person: found.clone() }) }
}

fn place(what: &'static str, found: usize, of: usize) -> Result<(), Illegal> {
    if found < of { Ok(()) } else { Err(Illegal::Unknown { what, name: found.to_string() }) }
}

/// A row names one value of the schema, or two different ones.
fn known_row(layout: &Layout, row: &ReadRow) -> Result<(), Illegal> {
    let known = |value: &Option<ValueId>| match value {
        Some(value) if layout.value(value).is_none() => {
            Err(Illegal::Unknown { what: "value", name: value.to_string() })
        }
        _ => Ok(()),
    };
    known(&row.more)?;
    known(&row.less)?;
    if row.more == row.less { Err(Illegal::ImportanceOfNothing) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{Hash, TaskId};
    use crate::record::{
        AlternativesProposed, BriefingDropped, Consequence, ImportanceStated, Passage, PassageUsed, Strength, TaskGiven,
    };
    use crate::sample::{Scribe, alternative, id, importance};

    fn row(more: Option<&str>, less: Option<&str>) -> ReadRow {
        let value = |v: &str| ValueId::new(v).unwrap();
        ReadRow { more: more.map(value), less: less.map(value), strength: Strength::Clear, conditions: Vec::new() }
    }

    fn read(person: &str, rows: Vec<ReadRow>) -> Record {
        Record::WordsRead(WordsRead {
            person: id(person),
            session: None,
            words: "care over honesty".into(),
            rows,
            reader: "grammar".into(),
        })
    }

    fn answered(person: &str, read: u64, row: usize, answer: ReadingVerdict) -> Record {
        Record::ReadingAnswered(ReadingAnswered { person: id(person), read: Seq(read), row, answer })
    }

    fn briefing(name: &str) -> Record {
        Record::BriefingAdded(BriefingAdded {
            briefing: BriefingId::new(name).unwrap(),
            source: "a.md".into(),
            content_hash: Hash::of(name.as_bytes()),
            passages: vec![Passage { heading: String::new(), text: "Keep money apart.".into() }],
        })
    }

    fn deliberated(consequences: usize, passage: usize) -> Record {
        let consequence = Consequence { kind: ConsequenceKind::Harm, text: "someone is hurt".into() };
        Record::Deliberated(Deliberated {
            person: id("ada"),
            task: None,
            alternative: alternative(0),
            with_consequences: alternative(1),
            consequences: vec![consequence; consequences],
            passages: vec![PassageUsed { briefing: BriefingId::new("audit").unwrap(), passage }],
            library: Vec::new(),
            tokens: 12,
            cut_short: false,
        })
    }

    fn checked(person: &str, deliberated: u64, consequence: usize, right: bool) -> Record {
        Record::ConsequenceChecked(ConsequenceChecked {
            person: id(person),
            deliberated: Seq(deliberated),
            consequence,
            right,
        })
    }

    /// Writes a record that must be legal; its number.
    fn wrote(scribe: &mut Scribe, record: Record) -> u64 {
        scribe.write(record).unwrap();
        scribe.state.head().0.0
    }

    /// What is wrong with a record, or nothing.
    fn refusal(scribe: &mut Scribe, record: Record) -> Option<String> {
        scribe.write(record).err().map(|e| std::error::Error::source(&e).map_or_else(String::new, ToString::to_string))
    }

    #[test]
    fn a_conclusion_is_checked_by_a_choice_and_stands_with_it_and_with_what_it_cites() {
        use crate::record::{ConclusionChecked, DocumentDropped, LibraryPassageUsed, Retracted};
        use crate::sample::{choice, deliberation, library_document};
        let mut scribe = Scribe::begun();
        let added = library_document("duties", &[("honesty", 1.0)]);
        let document = added.document;
        let used = |passage| [LibraryPassageUsed { document, passage }];
        scribe.expect(Record::DocumentAdded(added));
        let first = deliberation(&mut scribe, "ada", 0, &used(1));
        let second = deliberation(&mut scribe, "ada", 1, &[]);
        let other = deliberation(&mut scribe, "ada", 2, &[]);
        let pair = Seq(wrote(&mut scribe, choice("ada", 1, 0, Some(0))));
        let of_bob = Seq(wrote(&mut scribe, choice("bob", 1, 0, Some(0))));
        let checked = |person: &str, choice, deliberated| {
            Record::ConclusionChecked(ConclusionChecked { person: id(person), choice, deliberated })
        };
        for (record, says) in [
            (checked("ada", pair, [first, other]), "no choice between what was deliberated on"),
            (checked("ada", pair, [first, Seq(99)]), "no deliberation"),
            (checked("ada", of_bob, [first, second]), "no choice of this person"),
            (checked("bob", of_bob, [first, second]), "not about bob"),
            (checked("ada", pair, [first, first]), "twice"),
        ] {
            let told = refusal(&mut scribe, record).expect("refused");
            assert!(told.contains(says), "{told}: {says}");
        }
        scribe.expect(checked("ada", pair, [second, first]));
        let again = refusal(&mut scribe, checked("ada", pair, [second, first])).expect("refused");
        assert!(again.contains("that conclusion"), "{again}");
        assert_eq!(scribe.state.standing_conclusions().count(), 1);
        // Dropped and added again, the same words are the same document.
        scribe.expect(Record::DocumentDropped(DocumentDropped { document, reason: "old".into() }));
        assert_eq!(scribe.state.standing_conclusions().count(), 0);
        scribe.expect(Record::DocumentAdded(library_document("duties", &[("honesty", 1.0)])));
        assert_eq!(scribe.state.standing_conclusions().count(), 1);
        scribe.expect(Record::Retracted(Retracted { target: pair, reason: "a slip".into() }));
        assert_eq!(scribe.state.standing_conclusions().count(), 0);
        let mut wrong = |passage| {
            let record = Record::Deliberated(Deliberated {
                person: id("ada"),
                task: None,
                alternative: alternative(0),
                with_consequences: alternative(2),
                consequences: vec![Consequence { kind: ConsequenceKind::Harm, text: "harm".into() }],
                passages: Vec::new(),
                library: vec![LibraryPassageUsed { document, passage }],
                tokens: 1,
                cut_short: false,
            });
            refusal(&mut scribe, record)
        };
        assert!(wrong(2).expect("refused").contains("passage of the document"));
        assert_eq!(wrong(1), None);
    }

    #[test]
    fn readings_are_answered_once_by_who_spoke_and_counted() {
        let mut scribe = Scribe::begun();
        let rows = vec![row(Some("care"), Some("honesty")), row(None, Some("honesty"))];
        let at = wrote(&mut scribe, read("ada", rows));
        let confirmed = || ReadingVerdict::Confirmed;
        for (record, says) in [
            (read("ada", vec![row(None, None)]), "one value"),
            (read("ada", vec![row(Some("wit"), None)]), "no value"),
            (answered("bob", at, 0, confirmed()), "not about bob"),
            (answered("ada", at, 2, confirmed()), "no row"),
            (answered("ada", at + 9, 0, confirmed()), "no reading"),
        ] {
            let said = refusal(&mut scribe, record);
            assert!(said.as_ref().is_some_and(|s| s.contains(says)), "{says}: {said:?}");
        }
        scribe.write(answered("ada", at, 0, confirmed())).unwrap();
        assert!(refusal(&mut scribe, answered("ada", at, 0, ReadingVerdict::Dropped)).unwrap().contains("before"));
        let to = row(Some("honesty"), None);
        scribe.write(answered("ada", at, 1, ReadingVerdict::Corrected { to })).unwrap();
        assert_eq!(scribe.state.readings_answered("grammar"), (1, 1));
    }

    #[test]
    fn briefings_deliberations_and_their_checks_hang_together() {
        let mut scribe = Scribe::begun();
        assert!(refusal(&mut scribe, deliberated(1, 0)).unwrap().contains("no briefing"));
        scribe.write(briefing("audit")).unwrap();
        assert!(refusal(&mut scribe, briefing("audit")).unwrap().contains("already"));
        assert!(refusal(&mut scribe, deliberated(1, 1)).unwrap().contains("passage"));
        assert!(refusal(&mut scribe, deliberated(0, 0)).unwrap().contains("consequences"));
        let at = wrote(&mut scribe, deliberated(2, 0));
        assert!(refusal(&mut scribe, checked("bob", at, 0, true)).unwrap().contains("not about bob"));
        scribe.write(checked("ada", at, 0, true)).unwrap();
        assert!(refusal(&mut scribe, checked("ada", at, 0, false)).unwrap().contains("before"));
        scribe.write(checked("ada", at, 1, false)).unwrap();
        assert_eq!(scribe.state.consequences_checked(ConsequenceKind::Harm), (1, 1));
        assert_eq!(scribe.state.consequences_checked(ConsequenceKind::Duty), (0, 0));
        let name = BriefingId::new("audit").unwrap();
        let dropped = BriefingDropped { briefing: name, reason: "old".into() };
        scribe.write(Record::BriefingDropped(dropped.clone())).unwrap();
        assert!(refusal(&mut scribe, Record::BriefingDropped(dropped)).unwrap().contains("no briefing"));
        scribe.write(briefing("audit")).unwrap();
    }

    #[test]
    fn what_is_struck_is_off_the_task() {
        let mut scribe = Scribe::begun();
        let task: TaskId = "t".parse().unwrap();
        let given = TaskGiven { task: task.clone(), person: id("ada"), text: "tidy up".into() };
        scribe.write(Record::TaskGiven(given)).unwrap();
        let strike = |n: usize| {
            let struck = AlternativesStruck {
                task: "t".parse().unwrap(),
                alternatives: vec![alternative(n)],
                by: "person".into(),
            };
            Record::AlternativesStruck(struck)
        };
        let proposed = AlternativesProposed {
            task: task.clone(),
            alternatives: vec![alternative(0), alternative(1)],
            by: "model".into(),
            why: vec!["one".into(), "two".into()],
        };
        scribe.write(Record::AlternativesProposed(proposed)).unwrap();
        assert!(refusal(&mut scribe, strike(2)).unwrap().contains("of this task"));
        scribe.write(strike(0)).unwrap();
        let left: Vec<_> = scribe.state.tasks()[&task].proposed.iter().map(|(a, _)| *a).collect();
        assert_eq!(left, [alternative(1)]);
        assert!(refusal(&mut scribe, strike(0)).is_some(), "it is struck already");
    }

    #[test]
    fn a_statement_about_some_situations_moves_belief_less() {
        let weight = |condition: Option<Scope>, misreading: f64| {
            let mut scribe = Scribe::begun();
            let Record::ImportanceStated(said) = importance("ada", Some("care"), Some("honesty")) else {
                unreachable!()
            };
            let conditions = condition.map(|scope| Condition { scope, text: "at work".into() }).into_iter().collect();
            let misreading = Some(crate::number::Probability::new(misreading).unwrap());
            scribe.write(Record::ImportanceStated(ImportanceStated { conditions, misreading, ..said })).unwrap();
            let belief = scribe.state.belief(&id("ada")).unwrap();
            belief.weight(0).mean() - belief.weight(1).mean()
        };
        let plain = weight(None, 0.0);
        assert!(plain > 0.0);
        assert_eq!(weight(Some(Scope::Except), 0.0), plain);
        assert!(weight(Some(Scope::When), 0.0) < plain);
        assert_eq!(weight(Some(Scope::When), 0.0), weight(None, LOCAL));
        assert!(weight(None, 0.9) < weight(None, 0.2));
    }
}
