//! When to train: a pure function of the policy and the situation.
//!
//! Besides small steps on top of the generation in use there is the retraining from the base model on everything, which
//! replaces the stack of small steps: after so many of them, and whenever a retraction has made the generation stale.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What must hold before a candidate is trained.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Policy {
    /// Whether a session may train in the background. `credence tune run` may always.
    pub background: bool,
    /// What the prior alone missed of the evidence since the generation in use, in nats (`Ledger::information_since`), at
    /// least. Every candidate refused since the last promotion doubles it, up to eightfold: a gate asked too often lets
    /// chance in.
    pub nats_min: f64,
    /// Pieces of evidence since the last candidate, at least.
    pub answers_min: u64,
    /// Rest between two candidates, in seconds.
    pub rest_seconds_min: u64,
    /// Processes waiting for each processor, at most.
    pub load_max: f64,
    /// Room on the disk, in bytes, at least.
    pub room_bytes_min: u64,
    /// Small steps before the next candidate is trained from the base model again.
    pub small_steps_max: u32,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            background: false,
            nats_min: 3.0,
            answers_min: 30,
            rest_seconds_min: 3600,
            load_max: 1.5,
            room_bytes_min: 500 << 20,
            small_steps_max: 3,
        }
    }
}

/// The generation in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct InUse {
    /// Its number; above 0.
    pub generation: u32,
    /// Trainings in a row since the base model; 1 for a generation trained from it.
    pub steps: u32,
    /// Whether a retraction touched what it absorbed.
    pub stale: bool,
}

/// Everything the decision looks at.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Situation {
    /// What the prior alone missed of the evidence since the generation in use, in nats.
    pub nats: f64,
    /// Pieces of evidence since the last candidate.
    pub answers: u64,
    /// Seconds since the last candidate was judged; none if there was none.
    pub rested_seconds: Option<u64>,
    /// Processes waiting for each processor; none where it is not known.
    pub load: Option<f64>,
    /// Room on the disk, in bytes; none where it is not known.
    pub room_bytes: Option<u64>,
    /// The generation in use; none for the base model.
    pub in_use: Option<InUse>,
    /// Candidates refused since the last promotion.
    pub refused: u32,
    /// Whether a candidate is being trained now.
    pub training: bool,
    /// Whether a training was broken off and can be taken up.
    pub interrupted: bool,
    /// Whether models of this architecture can be trained.
    pub trainable: bool,
}

/// From where a candidate starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Start {
    /// A small step on top of the generation in use.
    Parent,
    /// From the base model, on everything.
    Base,
}

/// Train or wait, and why.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case", tag = "decision")]
pub enum Decision {
    /// Train.
    Train {
        /// From where.
        start: Start,
        /// Why now, and why from there.
        because: Why,
    },
    /// Wait.
    Wait {
        /// Until when, or for what.
        because: NotYet,
    },
}

/// Why to train.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// Enough is new.
    News,
    /// Enough is new, and the small steps since the base model have added up.
    StepsAddedUp,
    /// The generation in use is stale.
    Stale,
    /// A training was broken off.
    Interrupted,
}

/// Why to wait.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case", tag = "for")]
pub enum NotYet {
    /// This model cannot be trained.
    NotTrainable,
    /// A candidate is being trained.
    Training,
    /// The last candidate is too recent.
    Rest {
        /// Seconds to go.
        missing_seconds: u64,
    },
    /// Other work needs the processors.
    Load {
        /// Processes waiting for each of them.
        load: f64,
    },
    /// The disk is too full.
    Room {
        /// Bytes to be freed.
        missing_bytes: u64,
    },
    /// Too few answers.
    Answers {
        /// So many more.
        missing: u64,
    },
    /// Too little information.
    Information {
        /// So many nats more.
        missing_nats: f64,
    },
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::News => "enough is new",
            Self::StepsAddedUp => "enough is new, and small steps have added up: from the base model on everything",
            Self::Stale => "a retraction touched the generation in use: from the base model on everything that is left",
            Self::Interrupted => "a training was broken off",
        })
    }
}

impl fmt::Display for NotYet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotTrainable => f.write_str("models of this architecture cannot be trained here"),
            Self::Training => f.write_str("a candidate is being trained"),
            Self::Rest { missing_seconds } => write!(f, "the last candidate is too recent: {missing_seconds} s to go"),
            Self::Load { load } => write!(f, "the machine is busy: {load:.1} processes wait for each processor"),
            Self::Room { missing_bytes } => write!(f, "the disk is too full: {} MB missing", missing_bytes >> 20),
            Self::Answers { missing } => write!(f, "too few answers: {missing} more"),
            Self::Information { missing_nats } => write!(f, "too little is new: {missing_nats:.2} nats more"),
        }
    }
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Train { start: Start::Parent, because } => write!(f, "train a small step: {because}"),
            Self::Train { start: Start::Base, because } => write!(f, "train from the base model: {because}"),
            Self::Wait { because } => write!(f, "wait: {because}"),
        }
    }
}

/// Decides whether to train now. What cannot be helped comes first, then what passes by itself, then what people give.
pub fn decide(policy: &Policy, situation: &Situation) -> Decision {
    let wait = |because| Decision::Wait { because };
    if !situation.trainable {
        return wait(NotYet::NotTrainable);
    }
    if situation.training {
        return wait(NotYet::Training);
    }
    if let Some(load) = situation.load.filter(|load| *load > policy.load_max) {
        return wait(NotYet::Load { load });
    }
    if let Some(room) = situation.room_bytes.filter(|room| *room < policy.room_bytes_min) {
        return wait(NotYet::Room { missing_bytes: policy.room_bytes_min - room });
    }
    let start = start(policy, situation.in_use);
    if situation.interrupted {
        return Decision::Train { start, because: Why::Interrupted };
    }
    if let Some(rested) = situation.rested_seconds.filter(|rested| *rested < policy.rest_seconds_min) {
        return wait(NotYet::Rest { missing_seconds: policy.rest_seconds_min - rested });
    }
    if situation.in_use.is_some_and(|g| g.stale) {
        return Decision::Train { start, because: Why::Stale };
    }
    if situation.answers < policy.answers_min {
        return wait(NotYet::Answers { missing: policy.answers_min - situation.answers });
    }
    let needed = policy.nats_min * f64::from(1_u32 << situation.refused.min(3));
    if situation.nats < needed {
        return wait(NotYet::Information { missing_nats: needed - situation.nats });
    }
    let because = match (start, situation.in_use) {
        (Start::Base, Some(_)) => Why::StepsAddedUp,
        _ => Why::News,
    };
    Decision::Train { start, because }
}

/// From where the next candidate starts, whenever it is trained.
pub fn start(policy: &Policy, in_use: Option<InUse>) -> Start {
    match in_use {
        Some(g) if !g.stale && g.steps < policy.small_steps_max => Start::Parent,
        _ => Start::Base,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Everything is in favour.
    fn ready() -> Situation {
        Situation {
            nats: 5.0,
            answers: 40,
            rested_seconds: None,
            load: Some(0.5),
            room_bytes: Some(10 << 30),
            in_use: None,
            refused: 0,
            training: false,
            interrupted: false,
            trainable: true,
        }
    }

    fn in_use(steps: u32, stale: bool) -> Option<InUse> {
        Some(InUse { generation: 2, steps, stale })
    }

    fn train(start: Start, because: Why) -> Decision {
        Decision::Train { start, because }
    }

    fn wait(because: NotYet) -> Decision {
        Decision::Wait { because }
    }

    #[test]
    fn every_reason_has_its_case() {
        let table = [
            (ready(), train(Start::Base, Why::News)),
            (Situation { in_use: in_use(1, false), ..ready() }, train(Start::Parent, Why::News)),
            (Situation { in_use: in_use(3, false), ..ready() }, train(Start::Base, Why::StepsAddedUp)),
            (Situation { in_use: in_use(1, true), nats: 0.0, answers: 0, ..ready() }, train(Start::Base, Why::Stale)),
            (Situation { interrupted: true, rested_seconds: Some(1), ..ready() }, train(Start::Base, Why::Interrupted)),
            (Situation { trainable: false, ..ready() }, wait(NotYet::NotTrainable)),
            (Situation { training: true, interrupted: true, ..ready() }, wait(NotYet::Training)),
            (Situation { load: Some(2.0), ..ready() }, wait(NotYet::Load { load: 2.0 })),
            (Situation { load: None, ..ready() }, train(Start::Base, Why::News)),
            (Situation { room_bytes: Some(400 << 20), ..ready() }, wait(NotYet::Room { missing_bytes: 100 << 20 })),
            (Situation { room_bytes: None, ..ready() }, train(Start::Base, Why::News)),
            (Situation { rested_seconds: Some(3000), ..ready() }, wait(NotYet::Rest { missing_seconds: 600 })),
            (
                Situation { rested_seconds: Some(3000), in_use: in_use(1, true), ..ready() },
                wait(NotYet::Rest { missing_seconds: 600 }),
            ),
            (Situation { rested_seconds: Some(3600), ..ready() }, train(Start::Base, Why::News)),
            (Situation { answers: 29, ..ready() }, wait(NotYet::Answers { missing: 1 })),
            (Situation { nats: 2.5, ..ready() }, wait(NotYet::Information { missing_nats: 0.5 })),
            (Situation { refused: 1, ..ready() }, wait(NotYet::Information { missing_nats: 1.0 })),
            (Situation { refused: 40, ..ready() }, wait(NotYet::Information { missing_nats: 19.0 })),
            (Situation { refused: 40, nats: 24.0, ..ready() }, train(Start::Base, Why::News)),
        ];
        for (situation, expected) in table {
            assert_eq!(decide(&Policy::default(), &situation), expected, "{situation:?}");
            assert!(!decide(&Policy::default(), &situation).to_string().is_empty());
        }
    }

    #[test]
    fn over_the_whole_grid_training_needs_every_condition_and_waiting_names_one_that_fails() {
        let policy = Policy::default();
        let mut counted = [0; 2];
        for bits in 0..1_u32 << 10 {
            let on = |bit: u32| bits >> bit & 1 == 1;
            let situation = Situation {
                nats: if on(0) { 5.0 } else { 1.0 },
                answers: if on(1) { 40 } else { 4 },
                rested_seconds: if on(2) { None } else { Some(10) },
                load: Some(if on(3) { 0.2 } else { 3.0 }),
                room_bytes: Some(if on(4) { 1 << 40 } else { 0 }),
                in_use: [None, in_use(1, on(6)), in_use(3, on(6))][bits as usize / 128 % 3],
                refused: 0,
                training: !on(5),
                interrupted: on(7),
                trainable: on(8) || on(9),
            };
            let stale = situation.in_use.is_some_and(|g| g.stale);
            let possible = situation.trainable && !situation.training && on(3) && on(4);
            let due = situation.interrupted || (on(2) && (stale || (on(0) && on(1))));
            match decide(&policy, &situation) {
                Decision::Train { start, because } => {
                    counted[0] += 1;
                    assert!(possible && due, "{situation:?}");
                    let small = situation.in_use.is_some_and(|g| !g.stale && g.steps < policy.small_steps_max);
                    assert_eq!(start == Start::Parent, small, "{situation:?}");
                    assert_eq!(because == Why::Interrupted, situation.interrupted);
                }
                Decision::Wait { because } => {
                    counted[1] += 1;
                    assert!(!(possible && due), "{situation:?}");
                    assert!(match because {
                        NotYet::NotTrainable => !situation.trainable,
                        NotYet::Training => situation.training,
                        NotYet::Load { .. } => !on(3),
                        NotYet::Room { .. } => !on(4),
                        NotYet::Rest { .. } => !on(2),
                        NotYet::Answers { .. } => !on(1),
                        NotYet::Information { .. } => !on(0),
                    });
                }
            }
        }
        assert!(counted.iter().all(|n| *n > 50), "{counted:?}");
    }
}
