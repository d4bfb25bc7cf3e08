//! The loop: propose, ask, decide, learn, schedule.

pub mod bank;
pub mod protocol;
