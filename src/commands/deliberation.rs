//! `credence deliberation`: what was foreseen, and whether it came true.

use std::collections::BTreeMap;

use clap::{Subcommand, ValueEnum};
use credence_agent::conclusion;
use credence_agent::deliberate::reliability;
use credence_memory::ids::Seq;
use credence_memory::record::{ConsequenceChecked, ConsequenceKind, Deliberated, Record};
use serde::Serialize;
use utoipa::ToSchema;

use crate::cli::Global;
use crate::exit::WrongInput;
use crate::front::clean_text;
use crate::surroundings::{now, open_home, read_state, say, say_json};

/// `credence deliberation ...`.
#[derive(Debug, Subcommand)]
pub(crate) enum DeliberationCommand {
    /// List deliberations and how far each kind of consequence is trusted
    List {
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
    /// Check what deliberation on two alternatives of one situation concluded: say which you hold to be better. It counts as an answer of
    /// yours; where deliberation came to the same, `tune` may teach it to the weights
    Conclude {
        /// The deliberation on the better one: its record
        better: u64,
        /// The deliberation on the other
        other: u64,
    },
    /// Say whether a foreseen consequence was right: that decides how far its kind is trusted from now on
    Check {
        /// The deliberation's record
        record: u64,
        /// Which of its consequences, from 1
        consequence: usize,
        /// What became of it
        found: Found,
    },
}

/// What became of a consequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Found {
    /// It came true, or was to the point
    Right,
    /// It did not, or was not
    Wrong,
}

/// What was foreseen, as `credence deliberation list --json` tells it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DeliberationsJson {
    kinds: Vec<KindJson>,
    deliberations: Vec<DeliberationJson>,
    /// Conclusions that a person checked.
    conclusions: Vec<ConclusionJson>,
}

/// A conclusion that was checked.
#[derive(Debug, Serialize, ToSchema)]
struct ConclusionJson {
    /// The record of the check.
    record: Seq,
    /// The person's choice.
    choice: Seq,
    /// The two deliberations.
    deliberated: [Seq; 2],
    /// Whether the choice, and every passage of the library that was before the model, still stands.
    stands: bool,
}

/// How far a kind of consequence is trusted.
#[derive(Debug, Serialize, ToSchema)]
struct KindJson {
    kind: &'static str,
    /// Consequences of it that were found right.
    right: u64,
    /// And wrong.
    wrong: u64,
    /// Share of the judgement with consequences, 0 to 1.
    trust: f64,
}

/// What was foreseen of an alternative.
#[derive(Debug, Serialize, ToSchema)]
struct DeliberationJson {
    /// Its record in the log.
    record: Seq,
    made: Deliberated,
    /// Consequences that were checked, by their place from 0: whether they were right.
    checked: BTreeMap<usize, bool>,
}

/// Runs `credence deliberation ...`.
pub(crate) fn run(global: &Global, command: DeliberationCommand) -> anyhow::Result<()> {
    match command {
        DeliberationCommand::List { json } => {
            let state = read_state(global)?;
            let kinds: Vec<_> = ConsequenceKind::ALL
                .iter()
                .map(|k| (k.name(), state.consequences_checked(*k), reliability(&state, *k)))
                .collect();
            if json {
                let kinds = kinds.into_iter();
                let kinds = kinds.map(|(kind, (right, wrong), trust)| KindJson { kind, right, wrong, trust }).collect();
                let all = state.deliberations().iter().map(|(seq, d)| DeliberationJson {
                    record: *seq,
                    made: d.made.clone(),
                    checked: d.checked.clone(),
                });
                let standing: Vec<Seq> = state.standing_conclusions().map(|(seq, _)| seq).collect();
                let conclusions = state.conclusions().iter().map(|(record, checked)| ConclusionJson {
                    record: *record,
                    choice: checked.choice,
                    deliberated: checked.deliberated,
                    stands: standing.contains(record),
                });
                let conclusions = conclusions.collect();
                return say_json(&DeliberationsJson { kinds, deliberations: all.collect(), conclusions });
            }
            for (kind, (right, wrong), trust) in kinds {
                say(format!("{kind:<9} {right} right, {wrong} wrong: trusted {:.0}%", 100.0 * trust))?;
            }
            for (seq, d) in state.deliberations() {
                let text = state.description(&d.made.alternative).map_or_else(String::new, |a| a.text.clone());
                say(format!("\nrecord {seq}  {}", clean_text(&text)))?;
                for (i, c) in d.made.consequences.iter().enumerate() {
                    let found = match d.checked.get(&i) {
                        Some(true) => "  [right]",
                        Some(false) => "  [wrong]",
                        None => "",
                    };
                    say(format!("  {}  {:<9} {}{found}", i + 1, c.kind.name(), clean_text(&c.text)))?;
                }
                for used in state.cited(*seq) {
                    let document = state.library().document(&used.document);
                    let title = document.map_or("a document that was dropped", |(_, document)| &document.title);
                    say(format!("  cites passage {} of {}", used.passage + 1, clean_text(title)))?;
                }
            }
            for (seq, checked) in state.standing_conclusions() {
                let [first, second] = checked.deliberated;
                say(format!(
                    "\nrecord {seq}  conclusion of records {first} and {second}, checked by record {}",
                    checked.choice
                ))?;
            }
            Ok(())
        }
        DeliberationCommand::Conclude { better, other } => {
            let mut home = open_home(global)?;
            let found = conclusion::check(&mut home, Seq(better), Seq(other), now());
            let checked = found.map_err(|error| match error {
                conclusion::ConclusionError::Session(error) => anyhow::Error::from(error),
                wrong => WrongInput(wrong.to_string()).into(),
            })?;
            let taught = match checked.agreed {
                true => "deliberation had come to the same: it may be taught",
                false => "deliberation had not come to the same: nothing of it is taught",
            };
            say(format!("record {} is your answer; {taught}", checked.choice))
        }
        DeliberationCommand::Check { record, consequence, found } => {
            let mut home = open_home(global)?;
            let deliberated = Seq(record);
            let Some(made) = home.state().deliberations().get(&deliberated).map(|d| d.made.clone()) else {
                anyhow::bail!(WrongInput(format!("record {record} is no deliberation")));
            };
            let index = consequence.wrapping_sub(1);
            let Some(kind) = made.consequences.get(index).map(|c| c.kind) else {
                anyhow::bail!(WrongInput(format!("record {record} has {} consequences", made.consequences.len())));
            };
            if home.state().deliberations()[&deliberated].checked.contains_key(&index) {
                anyhow::bail!(WrongInput(format!("consequence {consequence} of record {record} was checked before")));
            }
            let before = reliability(home.state(), kind);
            let checked = ConsequenceChecked {
                person: made.person,
                deliberated,
                consequence: index,
                right: found == Found::Right,
            };
            home.append(now(), Record::ConsequenceChecked(checked))?;
            let after = reliability(home.state(), kind);
            say(format!(
                "consequences of kind {} are now trusted {:.0}% (before: {:.0}%)",
                kind.name(),
                100.0 * after,
                100.0 * before
            ))
        }
    }
}
