//! The loop: propose, ask, decide, learn, schedule.

pub mod ask;
pub mod bank;
pub mod decide;
pub mod importance;
pub mod influence;
pub mod knowledge;
pub mod opening;
pub mod propose;
pub mod protocol;
pub mod reader;
pub mod session;
pub mod sitting;
pub mod task;
pub mod tuning;
pub mod views;
