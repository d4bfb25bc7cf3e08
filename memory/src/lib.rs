//! The evidence log, and everything that follows from it. It knows no language model and no async runtime.
//!
//! State is a fold of an append-only log. [`Home::append`] checks a [`Record`] against the [`State`], works out what it does,
//! writes and syncs it, and only then lets it change what is believed. The same log gives the same beliefs, bit for bit.
//!
//! # Where to begin
//!
//! | for | items |
//! |---|---|
//! | keeping a log in a directory | [`Home`], [`Paths`], [`HomeError`] |
//! | what can be recorded | [`Record`]; [`record`] has a type for each kind, [`ids`] and [`number`] the values in them |
//! | what follows from records | [`State`], [`Person`], [`Epoch`], [`StateError`] |
//! | reading logs, and folding them otherwise | [`Reader`], [`Entry`], [`replay::replay`], [`replay::Options`] |
//! | data in and out | [`import`], [`export`], [`erase`] |
//! | many people | [`population`] |
//! | what was trained on what | [`ledger`] |
//! | the belief engine, a crate of its own | [`belief`] |
//!
//! `examples/log_fold_replay.rs` is a first program; the same in short:
//!
//! ```
//! use credence_memory::replay::{Options, replay};
//! use credence_memory::sample::{choice, described, header, id};
//! use credence_memory::Home;
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let (directory, time) = (tempfile::tempdir()?, jiff::Timestamp::UNIX_EPOCH);
//!
//! let mut home = Home::create(directory.path(), time, header("first"))?;
//! for record in [described(0), described(1), choice("ada", 0, 1, Some(0))] {
//!     home.append(time, record)?;
//! }
//! let belief = home.believe(&id("ada"))?;
//!
//! let again = replay(std::fs::File::open(home.paths().log())?, &Options::default())?;
//! assert_eq!(again.people[0].belief.digest(), belief.digest());
//! # Ok(())
//! # }
//! ```

pub mod erase;
pub mod evidence;
pub mod export;
pub mod file;
pub mod home;
pub mod ids;
pub mod import;
pub mod layout;
pub mod ledger;
pub mod library;
pub mod lock;
pub mod log;
pub mod moving;
pub mod number;
pub mod observation;
pub mod population;
pub mod prior;
pub mod provenance;
pub mod record;
pub mod replay;
#[cfg(any(test, feature = "test-support"))]
pub mod sample;
pub mod state;
pub mod storage;
pub mod store;
pub mod text;

pub use home::{Home, HomeError, Paths};
pub use log::{Entry, LogError, Reader};
pub use record::Record;
pub use state::{Epoch, Person, State, StateError};

/// The belief engine, a crate of its own.
#[cfg(feature = "schema")]
pub use credence_approvals::schema::EngineSettings;
pub use credence_belief as belief;

/// Traces a moment at which a kill would hurt, for the test that kills there.
macro_rules! moment {
    ($name:literal) => {
        tracing::trace!(name: $name, target: "credence_memory::moment", "")
    };
}
pub(crate) use moment;
