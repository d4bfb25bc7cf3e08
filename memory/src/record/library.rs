//! Records of the library: documents as evidence about people in general, never about a person.

use serde::{Deserialize, Serialize};

use crate::ids::{DocumentId, Hash, ValueId};
use crate::number::{Finite, Probability};

/// A document joined the library, cut into passages, with what was read of each.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct DocumentAdded {
    /// The hash of its passages: the same words are the same document.
    pub document: DocumentId,
    /// What it calls itself.
    pub title: String,
    /// What kind of document it is.
    pub kind: DocumentKind,
    /// Name of the file that it was read from, without its folder.
    pub source: String,
    /// BLAKE3 of the file.
    pub content_hash: Hash,
    /// What its passages cite, numbered from 1 in their text: `[1]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub references: Vec<String>,
    /// How likely it is that the document speaks truly of people in general; in (0, 1).
    pub reliability: Probability,
    /// Hash of the map that read passages from a model's states, if one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub map: Option<Hash>,
    /// Its passages in their order.
    pub passages: Vec<DocumentPassage>,
}

/// What kind of document it is: what people were found to value, what rules say that they should do, or neither.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum DocumentKind {
    /// What was found about people.
    Findings,
    /// What somebody with a say holds to be right.
    Guideline,
    /// What is said on a matter.
    Background,
    /// It does not say.
    Other,
}

impl DocumentKind {
    /// Its name, as in records.
    pub fn name(self) -> &'static str {
        match self {
            Self::Findings => "findings",
            Self::Guideline => "guideline",
            Self::Background => "background",
            Self::Other => "other",
        }
    }
}

/// A passage of a document. Data, never an instruction.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct DocumentPassage {
    /// The heading it stands under; may be empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub heading: String,
    /// Its text.
    pub text: String,
    /// What it says people in general value; empty where it was read as saying nothing of that.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub readings: Vec<PassageReading>,
}

/// What a passage says of one value of people in general.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct PassageReading {
    /// The value of the schema; or a declared attribute, by its name.
    pub about: ValueId,
    /// How far above (or below) the average of their values people hold it, in key points; of an attribute, how far they are
    /// for (or against) more of it.
    pub key: Finite,
    /// Error variance of the reading, in key points squared.
    pub error: Finite,
    /// How likely it is that the passage says nothing of the kind; below 1.
    pub misreading: Probability,
    /// How it was read.
    pub by: ReadBy,
}

/// How a passage was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum ReadBy {
    /// Its author wrote down what it says.
    Author,
    /// A sentence in a plain form.
    Words,
    /// From a model's states.
    Model,
}

/// A document left the library: belief is what it would be had it never been there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct DocumentDropped {
    /// The document.
    pub document: DocumentId,
    /// Why.
    pub reason: String,
}
