//! Records of what a log begins with: its header, priors, attributes, and what alternatives are like.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::belief::Settings;
use crate::ids::{AlternativeId, Hash, PersonId, SessionId, SourceId, ValueId};
use crate::number::Finite;

/// Who said it, through what, in which session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Origin {
    /// The person whose evidence this is.
    pub person: PersonId,
    /// The channel it came through ("terminal", "file:answers.txt", "import:polis", ...).
    pub source: SourceId,
    /// The session, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionId>,
}

/// The log's header.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct LogOpened {
    /// Format version, [`crate::log::FORMAT`] when written by this build.
    pub format: u32,
    /// Random identity of this log.
    pub log_id: String,
    /// Program and version that opened the log.
    pub software: String,
    /// The model whose readings stand in the log.
    pub model: ModelRecord,
    /// BLAKE3 of the value schema's text.
    pub schema_hash: Hash,
    /// BLAKE3 of the charter's text.
    pub charter_hash: Hash,
    /// The values of the schema, in the order of the schema block.
    pub values: Vec<ValueId>,
    /// Number of text features.
    pub text_features: usize,
    /// The belief engine's settings: the grid of hypotheses and the likelihoods' constants.
    #[cfg_attr(feature = "schema", schema(value_type = credence_approvals::schema::EngineSettings))]
    pub belief: Settings,
    /// The pack that the home is about; absent: what people value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pack: Option<PackNamed>,
}

/// A pack, by its name and what was in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct PackNamed {
    /// Its name.
    pub name: String,
    /// BLAKE3 of its schema, bank and charter.
    pub hash: Hash,
}

/// Identity of the language model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ModelRecord {
    /// The reference it was loaded by.
    pub reference: String,
    /// BLAKE3 of the GGUF file.
    pub gguf_hash: Hash,
    /// Precision of the weights that score, such as "F16".
    pub scoring_precision: String,
    /// Version of llama.cpp's binding.
    pub llama_cpp: String,
    /// Generation of the model's fine-tunings at creation; 0 is the base model.
    pub generation: u32,
}

/// A change of the belief engine's settings; people are folded anew from here.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ConfigurationChanged {
    /// The new settings.
    #[cfg_attr(feature = "schema", schema(value_type = credence_approvals::schema::EngineSettings))]
    pub belief: Settings,
    /// Why.
    pub reason: String,
}

/// The prior `N(m, V)` over `[schema | text | judgement]`, at signal scale 1 (docs/belief.md, section 2).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct PriorElicited {
    /// Hash of the fitted feature space.
    pub feature_space_hash: Hash,
    /// The fitted feature space itself, as `priors` wrote it: enough to describe a new alternative the same way.
    pub feature_space: serde_json::Value,
    /// Alternatives in the bank the regression was fitted on.
    pub bank_size: usize,
    /// Mean of the elicited prior, length D.
    pub mean: Vec<Finite>,
    /// Covariance of the elicited prior: lower triangle by rows, length D (D + 1) / 2.
    pub covariance: Vec<Finite>,
    /// Diagonal of the zero-mean reference covariance V0, length D.
    pub reference_variance: Vec<Finite>,
    /// Share of the judgement's variance explained by the schema features.
    pub r_squared: Finite,
    /// A further prior location: what is published of people's values in general.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published: Option<PublishedPrior>,
}

/// What a feature space says of itself when its schema features are in key points.
const KEY_POINTS: &str = "key_points";

impl PriorElicited {
    /// Whether schema features of this log are in key points, so that keyed alternatives and read ones are of one unit.
    pub fn in_key_points(&self) -> bool {
        self.feature_space.get("units").is_some_and(|units| units == KEY_POINTS)
    }
}

/// A prior location from published findings, at signal scale 1: which values people hold with, and which go together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct PublishedPrior {
    /// Mean, length D.
    pub mean: Vec<Finite>,
    /// Covariance: lower triangle by rows, length D (D + 1) / 2.
    pub covariance: Vec<Finite>,
}

/// New declared attributes; appended to the feature space in this order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct AttributesDeclared {
    /// The attributes.
    pub attributes: Vec<AttributeScale>,
}

/// How one declared attribute is standardised: `(x - centre) / scale`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct AttributeScale {
    /// Its name in the source.
    pub name: String,
    /// Centre, in the attribute's unit.
    pub centre: Finite,
    /// Scale, positive, in the attribute's unit.
    pub scale: Finite,
    /// Prior variance of its weight at signal scale 1.
    pub reference_variance: Finite,
}

/// Where the schema features of an alternative come from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum FeatureSource {
    /// Read by the model.
    #[default]
    Read,
    /// Keyed by the authors of the question, in key points. Nothing else was read of it: its other blocks are zeros without error.
    Keyed,
}

impl FeatureSource {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// Features of one alternative in one situation. An empty block stands for zeros.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct AlternativeDescribed {
    /// Content hash of situation and text.
    pub alternative: AlternativeId,
    /// The situation's text; may be empty.
    pub situation: String,
    /// The alternative's text.
    pub text: String,
    /// Whether it was keyed or read.
    #[serde(default, skip_serializing_if = "FeatureSource::is_default")]
    pub source: FeatureSource,
    /// Hash of the map that the model's states were read with, where features are in key points.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub map: Option<Hash>,
    /// Schema features: key points if keyed; else as the log's feature space has them.
    #[serde(default)]
    pub schema: Vec<Finite>,
    /// Measurement error variances of the schema features.
    #[serde(default)]
    pub schema_error: Vec<Finite>,
    /// Text features, standardised.
    #[serde(default, rename = "text_features")]
    pub text_block: Vec<Finite>,
    /// The model's overall judgement, residual after the schema features, by generation.
    #[serde(default)]
    pub judgement: BTreeMap<u32, Finite>,
    /// Declared attributes in their own units.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, Finite>,
}
