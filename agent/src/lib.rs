//! What an agent does with belief: it asks, decides, proposes and explains. It joins the log and the language model, and is the lowest crate that knows an async runtime.
//!
//! # Where to begin
//!
//! | for | items |
//! |---|---|
//! | a session with a person | [`live::run`] runs one over [`protocol`]; [`session::Session`] is its steps |
//! | opening a home with what it needs | [`opening::Opening`], [`pack::Pack`], [`bank::Bank`] |
//! | which question comes next | [`instrument`], [`askable`], [`ask`], [`pace`] |
//! | describing acts | [`keyed`] (from a bank's keys), [`reader::Reader`] (by a model) |
//! | a decision | [`decide`], [`wording`], [`motives`], [`consider`], [`deliberate`], [`together`] for many people |
//! | a task | [`task::TaskRun`], [`propose`], [`going_on`], [`briefing`] |
//! | words of a person | [`importance`], [`words`], [`in_words`] |
//! | what is shown of belief | [`views`], [`influence`], [`page`], [`names`], [`people`] |
//! | approvals of tool calls | [`approvals`] |
//! | what learns in the background of a session | [`beside`]; `credence-tuning` trains weights there |
//!
//! ```
//! use credence_agent::pack::{DEFAULT, Pack};
//!
//! let pack = Pack::built_in(DEFAULT).ok_or("it is built in")?;
//! let keyed = pack.bank.questions.iter().filter(|question| question.is_keyed()).count();
//! assert!(pack.schema.values.len() > 10 && keyed > 100);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod approvals;
pub mod ask;
pub mod askable;
pub mod bank;
mod bars;
pub mod beside;
pub mod briefing;
pub mod calls;
pub mod conclusion;
pub mod consider;
pub mod decide;
pub mod deliberate;
pub mod document;
mod error;
pub mod gains;
pub mod going_on;
pub mod importance;
pub mod in_words;
pub mod influence;
pub mod instrument;
pub mod keyed;
pub mod knowledge;
pub mod library;
pub mod live;
mod loader;
pub mod motives;
pub mod names;
pub mod open_question;
pub mod opening;
pub mod pace;
pub mod pack;
pub mod page;
pub mod people;
pub mod propose;
pub mod protocol;
pub mod reader;
mod said_here;
pub mod session;
pub mod task;
pub mod together;
pub mod viewpoints;
pub mod views;
pub mod wording;
pub mod words;
