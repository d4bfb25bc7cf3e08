//! Measuring the other crates: on simulated people whose values are known, and on data of real people.
//!
//! Each experiment is a function of its options and seed. Differences between learners are paired, and come with intervals.
//!
//! | for | items |
//! |---|---|
//! | where value learning converges | [`experiment`], [`survival`], [`results`], [`report`] |
//! | whether a session finds values | [`recovery`], [`person`] |
//! | from works to readers' choices, and back | [`viewpoints`] |
//! | how good a passage is | [`quality`] |
//! | whether belief is calibrated | [`calibration`] |
//! | reading acts with a model | [`unseen`], [`validity`], [`pairs`], [`pressure`], [`meaning`], [`start`], [`text_safety`] |
//! | sentences | [`sentences`], [`teaching`] |
//! | data of people, and tasks of others | [`polis`], [`kidney`], [`flight`], [`crowd`] |
//! | whether agents' acts may pass | [`approvals`] |
//! | fine-tuning | [`tuning`], [`system_one`] |
//! | means and their intervals; the one form of results | [`estimate`], [`figures`] |

pub mod approvals;
pub mod calibration;
mod columns;
pub mod crowd;
pub mod decision_speed;
pub mod estimate;
pub mod experiment;
pub mod figures;
pub mod flight;
pub mod kidney;
pub mod library;
pub mod meaning;
pub mod pairs;
pub mod person;
pub mod polis;
pub mod pressure;
pub mod quality;
pub mod recovery;
pub mod report;
pub mod results;
pub mod sentences;
pub mod start;
pub mod survival;
pub mod system_one;
pub mod teaching;
pub mod text_safety;
pub mod tuning;
pub mod unseen;
pub mod validity;
pub mod viewpoints;
pub mod weights;
