//! `credence evidence`: list, show, verify, retract, import, export and erase.

pub(crate) mod erase;
pub(crate) mod export;
pub(crate) mod import;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context;
use credence_agent::knowledge::Knowledge;
use credence_agent::{approvals, calls, in_words, motives, names};
use credence_approvals::ApprovalRecord;
use credence_memory::home::Paths;
use credence_memory::ids::{PersonId, Seq};
use credence_memory::log::{Entry, Reader, Tail};
use credence_memory::record::{BeliefRecorded, ReadingVerdict, Record, Retracted, Whose};
use credence_memory::state::State;
use credence_memory::text;
use serde::Serialize;
use utoipa::ToSchema;

use crate::cli::{EvidenceCommand, Global};
use crate::commands::replay::verified;
use crate::exit::{DidNotMatch, WrongInput};
use crate::front::text::counted;
use crate::surroundings::{log_path, now, open_home, open_log, read_state, say, say_json_text};

/// A line of the log, as `credence evidence list --json` passes it on.
#[derive(Debug, Serialize, ToSchema)]
#[allow(dead_code, reason = "describes a line of the log")]
pub(crate) struct LineJson {
    /// The record's number, from 1.
    seq: u64,
    /// When it was written (RFC 3339).
    time: String,
    /// What kind of record it is, and what it holds.
    #[serde(flatten)]
    record: Record,
    /// Hash of the line before; 64 zeros in the first line.
    prev: String,
    /// Hash of this line.
    hash: String,
}

/// Runs `credence evidence ...`.
pub(crate) fn run(global: &Global, command: EvidenceCommand) -> anyhow::Result<()> {
    match command {
        EvidenceCommand::List { kind, all, json, person } => {
            if let Some(kind) = kind.as_deref().filter(|k| !Record::KINDS.contains(k)) {
                anyhow::bail!(WrongInput(format!(
                    "{kind:?} is no kind of record; kinds are {}",
                    Record::KINDS.join(", ")
                )));
            }
            let person = person.map(|p| text::name(&p).into_owned());
            let withdrawals = Withdrawals::of(global)?;
            let state = known(global);
            let mut numbers = Numbers::default();
            each(global, |entry, line| {
                let whose = match &entry.record {
                    Record::Retracted(r) => withdrawals.whose.get(&r.target).map(PersonId::as_str),
                    record => about(record),
                };
                let of_person = person.as_deref().is_none_or(|p| whose.is_some_and(|q| q == p));
                let wanted = match &kind {
                    Some(kind) => entry.record.kind() == kind,
                    None => all || is_telling(&entry.record),
                };
                let number = numbers.of(&entry.record);
                match (wanted && of_person, json) {
                    (false, _) => Ok(()),
                    (true, true) => say_json_text(line.trim_end()),
                    (true, false) => say(format!(
                        "{:>6}  {}  {:<20} {}{}",
                        entry.seq.0,
                        entry.time,
                        entry.record.kind(),
                        number.unwrap_or_else(|| outline(&state, &entry.record)),
                        withdrawals
                            .by
                            .get(&entry.seq)
                            .map_or_else(String::new, |by| format!("   [withdrawn: record {by}]"))
                    )),
                }
            })
        }
        EvidenceCommand::Show { seq } => {
            let state = known(global);
            let mut found = false;
            each(global, |entry, line| {
                if entry.seq.0 == seq {
                    found = true;
                    let mut value: serde_json::Value = serde_json::from_str(line)?;
                    // Beside what stands in the log: what it says, with texts and names in place of hashes and ids.
                    let said = in_words::record(&state, &entry.record, names::value);
                    let is_evidence = said.is_some();
                    let said = said.or_else(|| calls::record_in_words(&state, &entry.record));
                    if let (Some(fields), Some(said)) = (value.as_object_mut(), said) {
                        fields.insert("in_words".into(), said.into());
                        if is_evidence {
                            fields.insert("withdrawn".into(), is_withdrawn(&state, entry.seq).into());
                        }
                    }
                    // What became of it since.
                    let became = became(&state, entry);
                    if let (Some(fields), false) = (value.as_object_mut(), became.is_empty()) {
                        fields.insert("became".into(), became.into());
                    }
                    say_json_text(&serde_json::to_string_pretty(&value)?)?;
                }
                Ok(())
            })?;
            if found { Ok(()) } else { anyhow::bail!(WrongInput(format!("the log has no record {seq}"))) }
        }
        EvidenceCommand::Verify => verify(global),
        EvidenceCommand::Import(args) => import::run(global, &args),
        EvidenceCommand::Export(args) => export::run(global, &args),
        EvidenceCommand::Erase(args) => erase::run(global, &args),
        EvidenceCommand::Retract { seq, reason } => {
            let mut home = open_home(global)?;
            let target = Seq(seq);
            let person = home
                .state()
                .people()
                .iter()
                .find(|(_, p)| p.evidence().iter().any(|e| e.seq == target))
                .map(|(id, _)| id.clone())
                .with_context(|| WrongInput(format!("record {seq} is not evidence that counts")))?;
            let (retracted, _) = home.append(now(), Record::Retracted(Retracted { target, reason }))?;
            let noted = home.state().belief_digest(&person).map_err(anyhow::Error::from).and_then(|digest| {
                let (person, through) = (person.clone(), home.state().head().0);
                home.append(now(), Record::BeliefRecorded(BeliefRecorded { person, through, digest }))?;
                Ok(())
            });
            if let Err(error) = noted {
                // The retraction stands: what is believed without it is only not noted for a later check.
                tracing::warn!("what is believed now could not be recorded: {error:#}");
            }
            say(format!(
                "record {seq} is withdrawn (record {}); {person}'s belief was folded anew without it",
                retracted.seq
            ))
        }
    }
}

/// Numbers of entries of approvals, as their records come.
#[derive(Default)]
struct Numbers {
    /// Of each owner, whether each entry made a rule.
    rules: BTreeMap<PersonId, Vec<bool>>,
}

impl Numbers {
    /// An entry of approvals in words, with its number among its owner's; nothing for other records.
    fn of(&mut self, record: &Record) -> Option<String> {
        let Record::ApprovalNoted(noted) = record else { return None };
        let rules = self.rules.entry(noted.person.clone()).or_default();
        let number = approvals::numbered(&noted.entry, rules.len() as u64);
        let words = match noted.entry {
            ApprovalRecord::ActUndone { act, .. } if rules.get(act as usize) == Some(&true) => {
                format!("rule {act} revoked")
            }
            _ => approvals::entry_in_words(&noted.entry),
        };
        rules.push(number.starts_with("rule"));
        Some(format!("{}: {number}: {words}", noted.person))
    }
}

/// What became of the act or decision that a record is about, in words.
fn became(state: &State, entry: &Entry) -> Vec<String> {
    let act = match &entry.record {
        Record::ApprovalNoted(r) => {
            let entries = state.approvals(&r.person).map_or(0, credence_approvals::Approvals::records);
            let act = (0..entries).find(|act| state.record_of_act(&r.person, *act) == Some(entry.seq));
            act.map(|act| (r.person.clone(), act))
        }
        _ => None,
    };
    match act {
        Some((owner, act)) => calls::became(state, &owner, act),
        None => calls::reports(state, entry.seq),
    }
}

/// What a log withdraws.
#[derive(Default)]
struct Withdrawals {
    /// The record that withdraws each.
    by: BTreeMap<Seq, Seq>,
    /// Whose the withdrawn ones are.
    whose: BTreeMap<Seq, PersonId>,
}

impl Withdrawals {
    fn of(global: &Global) -> anyhow::Result<Self> {
        let mut found = Self::default();
        each(global, |entry, _| {
            if let Record::Retracted(r) = &entry.record {
                found.by.insert(r.target, entry.seq);
            }
            Ok(())
        })?;
        if !found.by.is_empty() {
            each(global, |entry, _| {
                if let Some(from) = entry.record.evidence_origin().filter(|_| found.by.contains_key(&entry.seq)) {
                    found.whose.insert(entry.seq, from.person.clone());
                }
                Ok(())
            })?;
        }
        Ok(found)
    }
}

/// Calls `f` with every record and its line.
pub(crate) fn each(global: &Global, mut f: impl FnMut(&Entry, &str) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let mut reader = Reader::new(open_log(&log_path(global)?)?);
    while let Some(entry) = reader.next() {
        let entry = entry?;
        f(&entry, &String::from_utf8_lossy(reader.line()))?;
    }
    Ok(())
}

/// Reads the whole chain, forms every belief again and compares it with what was recorded.
fn verify(global: &Global) -> anyhow::Result<()> {
    let path = log_path(global)?;
    let found = verified(&path)?;
    if let Tail::Torn { bytes } = found.tail {
        let never = if was_acknowledged(&path) { "" } else { ", never acknowledged" };
        say(format!("the last line is torn ({bytes} bytes{never}); the next writer cuts it off"))?;
    }
    let mut wrong: Vec<u64> = found.disagreements().map(|(_, check)| check.seq.0).collect();
    wrong.sort_unstable();
    if !wrong.is_empty() {
        let wrong: Vec<String> = wrong.iter().map(u64::to_string).collect();
        anyhow::bail!(DidNotMatch(format!(
            "the beliefs recorded in records {} are not those of the log",
            wrong.join(", ")
        )));
    }
    let (head, hash) = found.state.head();
    let evidence = found.score().answers;
    let digests: usize = found.people.iter().map(|p| p.digests.len()).sum();
    say(format!(
        "{head} records, {evidence} of them evidence; the chain is whole ({hash}); {digests} recorded beliefs match"
    ))
}

/// Whether a torn last line of a home's log was acknowledged once: what the log went up to says so.
pub(crate) fn was_acknowledged(log: &Path) -> bool {
    log.ancestors().nth(2).is_some_and(|home| Paths::of(home).lost().is_some())
}

/// What the log says as a whole; nothing where it cannot be read as one, so that its lines can still be looked at.
fn known(global: &Global) -> State {
    read_state(global).unwrap_or_else(|_| State::new())
}

/// Whether an evidence record was withdrawn.
pub(crate) fn is_withdrawn(state: &State, seq: Seq) -> bool {
    state.people().values().any(|person| person.retracted().iter().any(|(_, evidence)| evidence.seq == seq))
}

/// Whom a record names as the one that it is about, if it does. That somebody is left out is said to those who look after people.
pub(crate) fn about(record: &Record) -> Option<&str> {
    match record.whose() {
        Whose::Person(person) if !matches!(record, Record::QuarantineSet(_)) => Some(person.as_str()),
        _ => None,
    }
}

/// Whether a record is shown without `--all`: evidence, withdrawals, decisions and what was done.
pub(crate) fn is_telling(record: &Record) -> bool {
    record.evidence_origin().is_some()
        || matches!(
            record,
            Record::Retracted(_)
                | Record::DecisionMade(_)
                | Record::ActionTaken(_)
                | Record::StopRequested(_)
                | Record::TaskGiven(_)
                | Record::Imported(_)
                | Record::Exported(_)
                | Record::PersonErased(_)
                | Record::AdapterPromoted(_)
                | Record::AdapterRolledBack(_)
                | Record::AdapterStale(_)
                | Record::WordsRead(_)
                | Record::ReadingAnswered(_)
                | Record::BriefingAdded(_)
                | Record::BriefingDropped(_)
                | Record::DocumentAdded(_)
                | Record::DocumentDropped(_)
                | Record::Deliberated(_)
                | Record::ConsequenceChecked(_)
                | Record::ConclusionChecked(_)
                | Record::ApprovalsDeclared(_)
                | Record::ApprovalNoted(_)
                | Record::CallBegun(_)
                | Record::CallEnded(_)
                | Record::OutcomeReported(_)
                | Record::MotiveRead(_)
        )
}

/// More of a text is not shown where it is one of many.
const BRIEF_CHARS_MAX: usize = 200;

/// The beginning of a text, for where it is one of many.
pub(crate) fn brief(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(BRIEF_CHARS_MAX) {
        Some((at, _)) => Cow::Owned(format!("{} [...]", &text[..at])),
        None => Cow::Borrowed(text),
    }
}

/// One line about a record; what people said in words, by the texts that the state knows.
pub(crate) fn outline(state: &State, record: &Record) -> String {
    let who = about(record).map_or_else(String::new, |p| format!("{p}: "));
    if let Some(said) = in_words::record(state, record, names::value) {
        return format!("{who}{said}");
    }
    if let Some(said) = calls::record_in_words(state, record) {
        return format!("{who}{said}");
    }
    let what = match record {
        Record::Retracted(r) => format!("record {} withdrawn: {}", r.target, brief(&r.reason)),
        Record::DecisionMade(r) => match &r.outcome {
            credence_memory::record::Outcome::Act { .. } => "act".into(),
            credence_memory::record::Outcome::Ask { .. } => "ask".into(),
            credence_memory::record::Outcome::Defer { .. } => "defer".into(),
        },
        Record::TaskGiven(r) => format!("{} {:?}", r.task, brief(&r.text)),
        Record::AlternativeDescribed(r) => format!("{:?}", brief(&r.text)),
        Record::QuestionAsked(r) => format!(
            "{} alternatives, {:.3} nats{}",
            r.alternatives.len(),
            r.gain_nats.get(),
            if r.reask { ", again" } else { "" }
        ),
        Record::BeliefRecorded(r) => r.digest.to_string().chars().take(16).collect(),
        Record::StopRequested(r) => format!("{:?}", brief(&r.words)),
        Record::Imported(r) => {
            format!("{} records of {} people as {} from {}", r.records, r.people, r.format, r.source)
        }
        Record::Exported(r) => format!("{} rows as {} to {:?}", r.rows, r.format, r.path),
        Record::MessageReceived(r) => match &r.refused {
            None => format!("message {} of shard {}, {} records", r.sequence, r.shard, r.records),
            Some(why) => format!("message {} of shard {} was refused: {}", r.sequence, r.shard, brief(why)),
        },
        Record::PeopleLeft(r) => {
            format!("move {}: {} people in {} slots left for shard {}", r.number, r.people.len(), r.slots.len(), r.to)
        }
        Record::PeopleJoined(r) => format!(
            "move {}, piece {} of {}: {} records of people from shard {}",
            r.number,
            r.piece,
            r.pieces,
            r.numbers.len(),
            r.from
        ),
        Record::PopulationWithdrawn(r) => format!("fit {}: {}", r.fit, brief(&r.reason)),
        Record::PersonErased(r) => format!("{} records of one person emptied: {}", r.records, brief(&r.reason)),
        Record::AdapterTrained(r) => {
            format!(
                "generation {} on top of {}, from {} people through {}",
                r.generation,
                r.parent,
                r.absorbed.people().count(),
                r.cutoff
            )
        }
        Record::JudgementsRead(r) => format!("generation {}: {} alternatives", r.generation, r.judgements.len()),
        Record::GateJudged(r) => format!("generation {}: {:?} by {:?}", r.generation, r.verdict, r.decided_by),
        Record::AdapterPromoted(r) => match &r.forced {
            None => format!("generation {}", r.generation),
            Some(reason) => format!("generation {}, forced: {}", r.generation, brief(reason)),
        },
        Record::AdapterRolledBack(r) => format!("generation {}: {}", r.generation, brief(&r.reason)),
        Record::AdapterStale(r) => format!("generation {} had absorbed record {}", r.generation, r.withdrawn),
        Record::WordsRead(r) => {
            format!("said {:?}, read as {}", brief(&r.words), counted(r.rows.len(), "statement"))
        }
        Record::ReadingAnswered(r) => {
            let answer = match &r.answer {
                ReadingVerdict::Confirmed => "right",
                ReadingVerdict::Corrected { .. } => "corrected",
                ReadingVerdict::Dropped => "dropped",
            };
            format!("reading {} of record {}: {answer}", r.row + 1, r.read)
        }
        Record::BriefingAdded(r) => {
            format!("{} from {:?}, {} passages", r.briefing, brief(&r.source), r.passages.len())
        }
        Record::DocumentAdded(r) => {
            format!("{} from {:?}, {} passages", brief(&r.title), brief(&r.source), r.passages.len())
        }
        Record::DocumentDropped(r) => format!("document {}: {}", r.document, brief(&r.reason)),
        Record::BriefingDropped(r) => format!("{}: {}", r.briefing, brief(&r.reason)),
        Record::Deliberated(r) => {
            format!("{} consequences in {} tokens", r.consequences.len(), r.tokens)
        }
        Record::ConsequenceChecked(r) => format!(
            "consequence {} of record {} was {}",
            r.consequence + 1,
            r.deliberated,
            if r.right { "right" } else { "wrong" }
        ),
        Record::ConclusionChecked(r) => {
            let [first, second] = r.deliberated;
            format!("record {} says which alternative of records {first} and {second} is better", r.choice)
        }
        Record::AlternativesStruck(r) => {
            format!("{}: {} taken off", r.task, counted(r.alternatives.len(), "alternative"))
        }
        Record::ApprovalsDeclared(r) => {
            let tools = r.settings.tools.iter().map(|tool| tool.name.as_str()).collect::<Vec<_>>();
            format!(
                "agents may ask for {}",
                if tools.is_empty() { "no declared tool".to_owned() } else { tools.join(", ") }
            )
        }
        Record::ApprovalNoted(r) => approvals::entry_in_words(&r.entry),
        Record::MotiveRead(r) => brief(&motives::in_words(state, r)).into_owned(),
        _ => String::new(),
    };
    format!("{who}{what}")
}
