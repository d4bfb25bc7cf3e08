//! Values of metadata entries.

use std::fmt;

pub(super) const STRING: u32 = 8;
pub(super) const ARRAY: u32 = 9;

/// A value of a metadata entry.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// An unsigned number of 8 bits.
    U8(u8),
    /// A signed number of 8 bits.
    I8(i8),
    /// An unsigned number of 16 bits.
    U16(u16),
    /// A signed number of 16 bits.
    I16(i16),
    /// An unsigned number of 32 bits.
    U32(u32),
    /// A signed number of 32 bits.
    I32(i32),
    /// A floating-point number of 32 bits.
    F32(f32),
    /// Yes or no.
    Bool(bool),
    /// Text.
    String(String),
    /// Many values of one type.
    Array(Array),
    /// An unsigned number of 64 bits.
    U64(u64),
    /// A signed number of 64 bits.
    I64(i64),
    /// A floating-point number of 64 bits.
    F64(f64),
}

/// Many values of one type, as the file has them: nobody looks at them here, and vocabularies are long.
#[derive(Clone, PartialEq, Eq)]
pub struct Array {
    pub(super) kind: u32,
    pub(super) count: u64,
    pub(super) bytes: Vec<u8>,
}

impl fmt::Debug for Array {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} values of type {}", self.count, self.kind)
    }
}

impl Value {
    /// An array of values of one type.
    pub fn array(values: &[Self]) -> Self {
        let kind = values.first().map_or(4, Self::kind);
        debug_assert!(values.iter().all(|value| value.kind() == kind));
        let mut bytes = Vec::new();
        values.iter().for_each(|value| value.encode(&mut bytes));
        Self::Array(Array { kind, count: values.len() as u64, bytes })
    }

    /// The number of its type.
    pub(super) fn kind(&self) -> u32 {
        match self {
            Self::U8(_) => 0,
            Self::I8(_) => 1,
            Self::U16(_) => 2,
            Self::I16(_) => 3,
            Self::U32(_) => 4,
            Self::I32(_) => 5,
            Self::F32(_) => 6,
            Self::Bool(_) => 7,
            Self::String(_) => STRING,
            Self::Array(_) => ARRAY,
            Self::U64(_) => 10,
            Self::I64(_) => 11,
            Self::F64(_) => 12,
        }
    }

    /// Appends it as files have it.
    pub(super) fn encode(&self, to: &mut Vec<u8>) {
        match self {
            Self::U8(x) => to.extend(x.to_le_bytes()),
            Self::I8(x) => to.extend(x.to_le_bytes()),
            Self::U16(x) => to.extend(x.to_le_bytes()),
            Self::I16(x) => to.extend(x.to_le_bytes()),
            Self::U32(x) => to.extend(x.to_le_bytes()),
            Self::I32(x) => to.extend(x.to_le_bytes()),
            Self::F32(x) => to.extend(x.to_le_bytes()),
            Self::Bool(x) => to.push(u8::from(*x)),
            Self::String(text) => encode_string(text, to),
            Self::Array(array) => {
                to.extend(array.kind.to_le_bytes());
                to.extend(array.count.to_le_bytes());
                to.extend(&array.bytes);
            }
            Self::U64(x) => to.extend(x.to_le_bytes()),
            Self::I64(x) => to.extend(x.to_le_bytes()),
            Self::F64(x) => to.extend(x.to_le_bytes()),
        }
    }

    /// It, if it is text.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// It, if it is a whole number.
    pub fn integer(&self) -> Option<i128> {
        Some(match self {
            Self::U8(x) => i128::from(*x),
            Self::I8(x) => i128::from(*x),
            Self::U16(x) => i128::from(*x),
            Self::I16(x) => i128::from(*x),
            Self::U32(x) => i128::from(*x),
            Self::I32(x) => i128::from(*x),
            Self::U64(x) => i128::from(*x),
            Self::I64(x) => i128::from(*x),
            _ => return None,
        })
    }

    /// It, if it is a floating-point number.
    pub fn float(&self) -> Option<f64> {
        match self {
            Self::F32(x) => Some(f64::from(*x)),
            Self::F64(x) => Some(*x),
            _ => None,
        }
    }
}

/// Appends a string as files have it.
pub(super) fn encode_string(text: &str, to: &mut Vec<u8>) {
    to.extend((text.len() as u64).to_le_bytes());
    to.extend(text.as_bytes());
}

/// Bytes of a value of this type, where all have the same length.
pub(super) fn scalar_bytes(kind: u32) -> Option<u64> {
    match kind {
        0 | 1 | 7 => Some(1),
        2 | 3 => Some(2),
        4..=6 => Some(4),
        10..=12 => Some(8),
        _ => None,
    }
}
