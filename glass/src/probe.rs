//! Linear probes: does a direction in a model's states tell texts with a motive from texts without it?
//!
//! A [`Collector`] takes texts with their states token by token and keeps a few rows of each. [`fit`] chooses layer,
//! pooling, kind and penalty, and measures the choice on topics that it never saw, beside a bag of words and shuffled
//! labels. A [`Bar`] is set on ordinary texts. A [`Probe`] is saved with all its figures, and reads nothing but the model
//! that it was fitted on. `docs/probes.md` says what each number means and what a probe cannot tell.
//!
//! ```
//! use std::ops::ControlFlow;
//! use credence_glass::probe::{FitOptions, Planted, Pooling, Site, fit};
//!
//! let plan = Planted { topics: 6, ..Planted::default() };
//! let examples = plan.draw(&[Site { layer: 2, pooling: Pooling::Mean }], 1, 2, 0)?;
//! let options = FitOptions { shuffles: 0, ..FitOptions::default() };
//! let fitted = fit("planted", &examples, &options, |_| ControlFlow::Continue(()))?;
//! let evidence = &fitted.probe.parts().evidence;
//! assert!(evidence.auroc.value > 0.9 && evidence.text_only.value < 0.7);
//! let mut reader = fitted.probe.reader();
//! reader.push(&[0.0; 3 * 32])?;
//! assert!(reader.reading()?.probability < 0.5);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod auroc;
mod bar;
mod calibration;
mod cascade;
mod error;
mod evaluate;
mod examples;
mod file;
mod fit;
mod linear;
mod nested;
mod parts;
mod planted;
mod pooling;
mod solve;
mod together;
mod words;

pub use auroc::{Auroc, Lead, auroc};
pub(crate) use auroc::{Layout, auroc_of};
pub use bar::{Bar, Share, ordinary_needed};
pub use calibration::{Bin, Calibration, Platt, calibration};
pub use cascade::{Account, Band, Case, Costs, Course, account};
pub use credence_words::words;
pub use error::{
    BarError, ExamplesError, FitError, MismatchError, PartsError, PoolError, ProbeFileError, TogetherError,
};
pub use evaluate::{Evaluation, evaluate};
pub use examples::{
    Collector, EACH_LABEL_MIN, Example, Examples, Gathering, RARER_SHARE_MIN, Site, Source, TOPICS_MIN,
};
pub use fit::{Evidence, FitOptions, FitProgress, Fitted, Fold, HeldOut, Shuffled, fit};
pub use linear::Kind;
pub(crate) use nested::{Setting, nested};
pub use parts::{Parts, Probe, Reader, Reading};
pub use planted::Planted;
pub use pooling::{PIECES_MAX, Pooler, Pooling};
pub use together::{Member, Together};
pub(crate) use words::{Bags, have_a_word_in_common};
