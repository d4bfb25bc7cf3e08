//! The linear layers of a block.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::shape::ModelShape;

/// A linear layer of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Projection {
    /// Queries of attention.
    Query,
    /// Keys.
    Key,
    /// Values.
    Value,
    /// What attention puts back into the stream.
    Output,
    /// Gate of the feed-forward half.
    Gate,
    /// What the gate multiplies.
    Up,
    /// What the feed-forward half puts back into the stream.
    Down,
}

impl Projection {
    /// All seven, in the order of computation.
    pub const ALL: [Self; 7] = [Self::Query, Self::Key, Self::Value, Self::Output, Self::Gate, Self::Up, Self::Down];

    /// The tensor's name in a GGUF file.
    pub fn gguf_name(self) -> &'static str {
        match self {
            Self::Query => "attn_q",
            Self::Key => "attn_k",
            Self::Value => "attn_v",
            Self::Output => "attn_output",
            Self::Gate => "ffn_gate",
            Self::Up => "ffn_up",
            Self::Down => "ffn_down",
        }
    }

    /// (outputs, inputs) in a model of this shape.
    pub fn dims(self, shape: &ModelShape) -> (usize, usize) {
        match self {
            Self::Query => (shape.query_width(), shape.width),
            Self::Key | Self::Value => (shape.key_width(), shape.width),
            Self::Output => (shape.width, shape.query_width()),
            Self::Gate | Self::Up => (shape.feed_forward, shape.width),
            Self::Down => (shape.width, shape.feed_forward),
        }
    }
}

impl fmt::Display for Projection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.gguf_name())
    }
}
