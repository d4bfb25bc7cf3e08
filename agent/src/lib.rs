//! The loop: propose, ask, decide, learn, schedule.

pub mod ask;
pub mod bank;
pub mod briefing;
pub mod consider;
pub mod decide;
pub mod deliberate;
pub mod importance;
pub mod influence;
pub mod knowledge;
pub mod opening;
pub mod people;
pub mod propose;
pub mod protocol;
pub mod reader;
pub mod session;
pub mod sitting;
pub mod task;
pub mod together;
pub mod tuning;
pub mod views;
pub mod wording;
pub mod words;
