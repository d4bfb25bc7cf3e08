//! One model file: a JSON header and little-endian f32 tensors.
//!
//! Eight bytes `CRGLASS1`, the header's length as a little-endian u64, the header, the tensors one after another in the
//! order of the header, and the 32 bytes of a BLAKE3 hash of all that.

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::autoencoder::{Autoencoder, Making, Parts, Rule};
use crate::error::FileError;
use crate::replaced::replace;

const MAGIC: &[u8; 8] = b"CRGLASS1";
/// Longest header that is read, so that a damaged length cannot ask for all memory.
const HEADER_MAX: usize = 1 << 20;
/// Bytes of the hash at the end.
const HASH: usize = 32;
const TENSORS: [&str; 6] = ["encoder", "decoder", "encoder_bias", "decoder_bias", "thresholds", "prices"];

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    dimension: usize,
    width: usize,
    rule: Rule,
    making: Option<Making>,
    tensors: Vec<Tensor>,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Tensor {
    name: String,
    shape: Vec<usize>,
}

fn tensors(dimension: usize, width: usize) -> Vec<Tensor> {
    let shapes =
        [vec![width, dimension], vec![width, dimension], vec![width], vec![dimension], vec![width], vec![width]];
    TENSORS.iter().zip(shapes).map(|(name, shape)| Tensor { name: (*name).to_owned(), shape }).collect()
}

impl Autoencoder {
    /// Writes the model to a file. What was there before stays until the new file is complete.
    ///
    /// # Errors
    /// If the file system refuses.
    pub fn save(&self, path: &Path) -> Result<(), FileError> {
        let parts = self.parts();
        let all = [
            &parts.encoder,
            &parts.decoder,
            &parts.encoder_bias,
            &parts.decoder_bias,
            &parts.thresholds,
            &parts.prices,
        ];
        let header = Header {
            dimension: self.dimension(),
            width: self.width(),
            rule: parts.rule,
            making: parts.making.clone(),
            tensors: tensors(self.dimension(), self.width()),
        };
        let header =
            serde_json::to_vec(&header).map_err(|source| FileError::Header { path: path.to_owned(), source })?;
        let mut bytes = MAGIC.to_vec();
        bytes.extend((header.len() as u64).to_le_bytes());
        bytes.extend(header);
        bytes.extend(all.into_iter().flatten().flat_map(|x| x.to_le_bytes()));
        bytes.extend(blake3::hash(&bytes).as_bytes());
        replace(path, &bytes).map_err(|(doing, source)| FileError::Io { doing, path: path.to_owned(), source })
    }

    /// Reads a model from a file and checks everything in it.
    ///
    /// # Errors
    /// If the file cannot be read, is truncated, too long or damaged, or its numbers do not make an autoencoder.
    pub fn load(path: &Path) -> Result<Self, FileError> {
        let bytes = fs::read(path).map_err(|source| FileError::Io { doing: "read", path: path.to_owned(), source })?;
        let unexpected = |what, expected: String, found: String| FileError::Unexpected {
            path: path.to_owned(),
            what,
            expected,
            found,
        };
        let check = |what, expected: String, found: String| {
            if expected == found { Ok(()) } else { Err(unexpected(what, expected, found)) }
        };
        let Some((magic, rest)) = bytes.split_first_chunk::<8>() else {
            return Err(unexpected("length", "at least 16 bytes".to_owned(), format!("{} bytes", bytes.len())));
        };
        check("first bytes", MAGIC.escape_ascii().to_string(), magic.escape_ascii().to_string())?;
        let Some((length, rest)) = rest.split_first_chunk::<8>() else {
            return Err(unexpected("length", "at least 16 bytes".to_owned(), format!("{} bytes", bytes.len())));
        };
        let length = u64::from_le_bytes(*length);
        let Some((header, rest)) =
            usize::try_from(length).ok().filter(|n| *n <= HEADER_MAX).and_then(|n| rest.split_at_checked(n))
        else {
            let most = rest.len().min(HEADER_MAX);
            return Err(unexpected("length of the header", format!("at most {most} bytes"), format!("{length} bytes")));
        };
        let header: Header =
            serde_json::from_slice(header).map_err(|source| FileError::Header { path: path.to_owned(), source })?;
        let (d, width) = (header.dimension, header.width);
        let expected = tensors(d, width);
        check("list of tensors", format!("{expected:?}"), format!("{:?}", header.tensors))?;
        let size = width.checked_mul(d);
        let total = size.and_then(|size| size.checked_mul(2)?.checked_add(width.checked_mul(3)?)?.checked_add(d));
        let Some(total) = total.and_then(|numbers| numbers.checked_mul(4)?.checked_add(HASH)) else {
            return Err(unexpected("shapes", "sizes that fit memory".to_owned(), format!("{width} x {d}")));
        };
        check("length after the header", format!("{total} bytes"), format!("{} bytes", rest.len()))?;
        let (before, hash) = bytes.split_at(bytes.len() - HASH);
        let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        check("hash of the file", blake3::hash(before).to_hex().to_string(), hash)?;
        let mut numbers = rest[..total - HASH].as_chunks::<4>().0.iter().map(|x| f32::from_le_bytes(*x));
        let mut take = |length: usize| numbers.by_ref().take(length).collect::<Vec<f32>>();
        let parts = Parts {
            dimension: d,
            encoder: take(width * d),
            decoder: take(width * d),
            encoder_bias: take(width),
            decoder_bias: take(d),
            thresholds: take(width),
            prices: take(width),
            rule: header.rule,
            making: header.making,
        };
        Self::from_parts(parts).map_err(|source| FileError::Parts { path: path.to_owned(), source })
    }
}
