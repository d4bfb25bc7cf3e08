//! What can go wrong with probes, located.

use std::io;
use std::path::PathBuf;

use super::examples::Site;

/// Why states of tokens cannot be pooled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PoolError {
    /// Not whole rows.
    #[error("{found} numbers are not rows of {width}")]
    Width {
        /// Numbers that came.
        found: usize,
        /// Numbers in a row.
        width: usize,
    },
    /// NaN or infinite.
    #[error("token {token}, column {column} is not a finite number")]
    NotFinite {
        /// The token, from 0.
        token: usize,
        /// The column, from 0.
        column: usize,
    },
    /// Nothing to pool.
    #[error("no token came")]
    NoTokens,
    /// A window without tokens.
    #[error("a window must hold at least one token")]
    Window,
    /// A text with more pieces than are kept.
    #[error("the text has {most} pieces or more; a longer window has fewer")]
    TooLong {
        /// Pieces that are kept at most.
        most: usize,
    },
}

/// Why examples cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExamplesError {
    /// No site, or states without numbers.
    #[error("at least one site is needed, and states of at least one number")]
    NoSites,
    /// The model has no such layer.
    #[error("there is no layer {layer}; the model has {layers}, from 0")]
    NoSuchLayer {
        /// The layer that was asked for.
        layer: usize,
        /// How many there are.
        layers: usize,
    },
    /// A site is listed twice.
    #[error("{site} is listed twice")]
    SiteTwice {
        /// Which one.
        site: Site,
    },
    /// States of a layer that nobody asked for.
    #[error("nobody asked for states of layer {layer}")]
    Layer {
        /// The layer they came from.
        layer: usize,
    },
    /// The states of a layer cannot be used.
    #[error("states of layer {layer} cannot be used")]
    States {
        /// The layer.
        layer: usize,
        /// What is wrong with them.
        source: PoolError,
    },
    /// A field is empty.
    #[error("example {id:?}: its {field} is empty")]
    Blank {
        /// The example.
        id: String,
        /// The field.
        field: &'static str,
    },
    /// Two examples with one name.
    #[error("example {id:?} is there twice")]
    IdTwice {
        /// The name.
        id: String,
    },
    /// Two examples with one text: one could be fitted on and the other held out.
    #[error("examples {other:?} and {id:?} have the same text")]
    TextTwice {
        /// The later one.
        id: String,
        /// The earlier one.
        other: String,
    },
    /// Layers disagree about the number of tokens.
    #[error("example {id:?}: one layer has {expected} tokens, another {found}")]
    Tokens {
        /// The example.
        id: String,
        /// Tokens of the lowest layer.
        expected: usize,
        /// Tokens of another.
        found: usize,
    },
    /// More rows than the memory that was granted.
    #[error(
        "the states take {bytes} bytes, more than the {most} that were granted; fewer layers or longer windows take less"
    )]
    TooLarge {
        /// Bytes they would take.
        bytes: usize,
        /// Bytes they may take.
        most: usize,
    },
    /// No example at all.
    #[error("there are no examples")]
    None,
    /// Every example has the same label.
    #[error("all {found} examples have the label {label}; there is nothing to tell apart")]
    OneLabel {
        /// The label.
        label: bool,
        /// Number of examples.
        found: usize,
    },
    /// Too few of a label.
    #[error("{found} examples with the label {label} are too few; at least {needed} are needed")]
    TooFew {
        /// The label.
        label: bool,
        /// How many there are.
        found: usize,
        /// How many are needed.
        needed: usize,
    },
    /// Nearly all examples have the same label.
    #[error(
        "{with} examples with the motive and {without} without it are too one-sided; the rarer must be a tenth at least"
    )]
    OneSided {
        /// Examples with the motive.
        with: usize,
        /// Examples without it.
        without: usize,
    },
    /// Too few topics to hold some out.
    #[error(
        "{found} topics are too few; at least {needed} are needed, because a probe is only as good as on topics it never saw"
    )]
    TooFewTopics {
        /// How many there are.
        found: usize,
        /// How many are needed.
        needed: usize,
    },
    /// The states at a site are all the same.
    #[error("at {site}, all states are the same")]
    ConstantStates {
        /// Which one.
        site: Site,
    },
    /// The states are not where the probe reads.
    #[error("no states at {site}, where the probe reads")]
    NoStatesAt {
        /// Where it reads.
        site: Site,
    },
    /// Another model, adapter, width or frame.
    #[error("the probe does not fit these states")]
    Mismatch(#[from] MismatchError),
}

/// The probe belongs to other states.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("it was fitted for {what} {expected:?}, not {found:?}")]
pub struct MismatchError {
    /// What differs.
    pub what: &'static str,
    /// What the probe was fitted for.
    pub expected: String,
    /// What is there.
    pub found: String,
}

/// Why a probe cannot be fitted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FitError {
    /// The examples cannot be used.
    #[error("no probe can be fitted on these examples")]
    Examples(#[from] ExamplesError),
    /// An option makes no sense.
    #[error("option {name}: {problem}")]
    Option {
        /// Which one.
        name: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// Without some topics, one label is gone.
    #[error(
        "without the topics {topics}, all examples that are left have the label {label}; spread labels over topics"
    )]
    Fold {
        /// The topics that are held out.
        topics: String,
        /// The label that is left.
        label: bool,
    },
    /// There is no word to fit on.
    #[error("no word is in two texts, so nothing can be fitted on words")]
    NoWords,
    /// The caller ended it.
    #[error("the fit was stopped")]
    Stopped,
}

/// Why parts do not make a probe.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{part}: expected {expected}, found {found}")]
pub struct PartsError {
    /// Which part.
    pub part: &'static str,
    /// What it should be.
    pub expected: String,
    /// What it is.
    pub found: String,
}

/// Why a bar cannot be set.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum BarError {
    /// A rate or a confidence outside (0, 1).
    #[error("{name} is {found}; it must be above 0 and below 1")]
    Share {
        /// Which one.
        name: &'static str,
        /// What it is.
        found: f64,
    },
    /// Too few ordinary texts to promise anything.
    #[error(
        "{found} ordinary texts cannot show that at most {rate_max} of them raise a false alarm; {needed} are needed"
    )]
    TooFew {
        /// How many there are.
        found: usize,
        /// How many are needed.
        needed: usize,
        /// The rate that is to be promised.
        rate_max: f64,
    },
    /// A score is not finite.
    #[error("score {at} of the ordinary texts is not a finite number")]
    NotFinite {
        /// Which one, from 0.
        at: usize,
    },
}

/// Why probes cannot share a bar.
#[derive(Debug, thiserror::Error)]
pub enum TogetherError {
    /// There is none.
    #[error("there is no probe to set a bar for")]
    NoProbes,
    /// Two for one motive.
    #[error("there are two probes for {motive}; one of them must go")]
    Twice {
        /// The motive.
        motive: String,
    },
    /// Probes of different models.
    #[error("the probes do not read the same states")]
    Mismatch(#[source] MismatchError),
    /// Not every probe read every text.
    #[error("{probes} probes read {found:?} ordinary texts; each must read the same ones")]
    Uneven {
        /// How many probes there are.
        probes: usize,
        /// How many texts each read.
        found: Vec<usize>,
    },
    /// No bar can be set on these texts.
    #[error(transparent)]
    Bar(#[from] BarError),
}

/// Why a probe's file cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum ProbeFileError {
    /// The file system refused.
    #[error("failed to {doing} {path}")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// With which file.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// Not the JSON that was expected.
    #[error("{path} is not the JSON of a probe")]
    Json {
        /// The file.
        path: PathBuf,
        /// What the reader said.
        source: serde_json::Error,
    },
    /// Something in the file is not what it should be.
    #[error("{path}: {what}: expected {expected}, found {found}")]
    Unexpected {
        /// The file.
        path: PathBuf,
        /// Which part of it.
        what: &'static str,
        /// What should be there.
        expected: String,
        /// What is there.
        found: String,
    },
    /// The numbers do not make a probe.
    #[error("{path}: what it holds does not make a probe")]
    Parts {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: PartsError,
    },
    /// A probe for another model.
    #[error("{path}: the probe belongs to another model")]
    Mismatch {
        /// The file.
        path: PathBuf,
        /// What differs.
        source: MismatchError,
    },
}
