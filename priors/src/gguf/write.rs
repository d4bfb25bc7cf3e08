//! Writing GGUF files.

use std::io::{self, Write};

use super::types::F32;
use super::value::{Value, encode_string};

/// Tensors begin at multiples of this, unless a file says otherwise.
pub(super) const ALIGNMENT: u64 = 32;
/// Versions 2 and 3 differ in nothing that is written here.
const VERSION: u32 = 2;

/// A tensor with its data.
pub struct TensorData {
    /// Its name.
    pub name: String,
    /// Its dimensions, the outermost first: rows, then columns.
    pub dims: Vec<usize>,
    /// Its type, as in `ggml.h`.
    pub kind: u32,
    /// Its data, as files have them.
    pub bytes: Vec<u8>,
}

impl TensorData {
    /// A tensor of 32-bit numbers.
    pub fn f32(name: String, dims: Vec<usize>, numbers: &[f32]) -> Self {
        let bytes = numbers.iter().flat_map(|x| x.to_le_bytes()).collect();
        Self { name, dims, kind: F32, bytes }
    }
}

/// Writes a file.
///
/// # Errors
/// If `to` refuses.
pub fn write(to: &mut impl Write, metadata: &[(impl AsRef<str>, Value)], tensors: &[TensorData]) -> io::Result<()> {
    let mut head = b"GGUF".to_vec();
    head.extend(VERSION.to_le_bytes());
    head.extend((tensors.len() as u64).to_le_bytes());
    head.extend((metadata.len() as u64).to_le_bytes());
    for (key, value) in metadata {
        encode_string(key.as_ref(), &mut head);
        head.extend(value.kind().to_le_bytes());
        value.encode(&mut head);
    }
    let mut offset = 0_u64;
    for tensor in tensors {
        encode_string(&tensor.name, &mut head);
        head.extend((tensor.dims.len() as u32).to_le_bytes());
        tensor.dims.iter().rev().for_each(|dim| head.extend((*dim as u64).to_le_bytes()));
        head.extend(tensor.kind.to_le_bytes());
        head.extend(offset.to_le_bytes());
        offset += (tensor.bytes.len() as u64).next_multiple_of(ALIGNMENT);
    }
    for part in std::iter::once(&head).chain(tensors.iter().map(|tensor| &tensor.bytes)) {
        to.write_all(part)?;
        let padding = part.len().next_multiple_of(ALIGNMENT as usize) - part.len();
        to.write_all(&[0; ALIGNMENT as usize][..padding])?;
    }
    to.flush()
}
