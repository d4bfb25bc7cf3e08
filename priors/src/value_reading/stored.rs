//! A map in a file: a line of JSON, then numbers as they lie in memory, then a checksum.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::quantised::Quantised;
use super::{Calibration, MAP_VERSION, Overall, Projection, ValueMap, ValueValidity};
use crate::matrix::Matrix;

const MAGIC: &[u8] = b"credence value map\n";
const CHECKSUM: usize = 32;
/// More numbers than this are no map.
const NUMBERS_MAX: usize = 1 << 28;

/// Why a stored map cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoredMapError {
    /// The file cannot be read or written.
    #[error("failed to keep the map from states to values {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Damaged, or no map.
    #[error("expected a map from states to values, found {0}")]
    Damaged(&'static str),
    /// Written by another version.
    #[error("expected a map from states to values of version {MAP_VERSION}, found {0}")]
    Version(u32),
}

#[derive(Serialize, Deserialize)]
struct Header {
    version: u32,
    model_key: String,
    values: Vec<String>,
    acts_hash: String,
    validity: Vec<ValueValidity>,
    layers: Vec<usize>,
    context_weight: f32,
    calibration: Calibration,
    overall_slopes: [f64; 2],
    overall_weights: Vec<f64>,
    /// Width of the states.
    width: usize,
    /// Components of x, z and w.
    components: [usize; 3],
}

impl ValueMap {
    /// The map as bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let header = Header {
            version: MAP_VERSION,
            model_key: self.model_key.clone(),
            values: self.values.clone(),
            acts_hash: self.acts_hash.clone(),
            validity: self.validity.clone(),
            layers: self.layers.clone(),
            context_weight: self.context_weight,
            calibration: self.calibration.clone(),
            overall_slopes: self.overall.slopes,
            overall_weights: self.overall.weights.clone(),
            width: self.difference.scale.len(),
            components: [self.difference.basis.rows, self.sum.basis.rows, self.situation.basis.rows],
        };
        let mut bytes = MAGIC.to_vec();
        bytes.extend(serde_json::to_string(&header).unwrap_or_default().into_bytes());
        bytes.push(b'\n');
        for projection in [&self.difference, &self.sum, &self.situation] {
            put_numbers(&mut bytes, &projection.mean);
            put_numbers(&mut bytes, &projection.scale);
            put_quantised(&mut bytes, &projection.basis);
        }
        put_quantised(&mut bytes, &self.direction);
        put_quantised(&mut bytes, &self.overall.direct);
        put_numbers(&mut bytes, &self.stakes.data);
        let checksum = blake3::hash(&bytes);
        bytes.extend(checksum.as_bytes());
        bytes
    }

    /// Understands what [`Self::to_bytes`] wrote.
    ///
    /// # Errors
    /// If it is damaged, or of another version.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, StoredMapError> {
        let damaged = StoredMapError::Damaged;
        let Some(end) = bytes.len().checked_sub(CHECKSUM) else { return Err(damaged("too few bytes")) };
        let (body, checksum) = bytes.split_at(end);
        if blake3::hash(body).as_bytes() != checksum {
            return Err(damaged("another checksum"));
        }
        let rest = body.strip_prefix(MAGIC).ok_or(damaged("another kind of file"))?;
        let line = rest.iter().position(|byte| *byte == b'\n').ok_or(damaged("no header"))?;
        let header = &rest[..line];
        let version: serde_json::Value = serde_json::from_slice(header).map_err(|_| damaged("no header"))?;
        let version = version["version"].as_u64().and_then(|v| u32::try_from(v).ok()).unwrap_or_default();
        if version != MAP_VERSION {
            return Err(StoredMapError::Version(version));
        }
        let header: Header = serde_json::from_slice(header).map_err(|_| damaged("another header"))?;
        let mut reader = Reader { rest: &rest[line + 1..] };
        let [x, z, w] = header.components;
        let width = header.width;
        let values = header.values.len();
        let mut projection = |components: usize| -> Result<Projection, StoredMapError> {
            Ok(Projection {
                mean: reader.numbers(width)?,
                scale: reader.numbers(width)?,
                basis: reader.quantised(components, width)?,
            })
        };
        let (difference, sum, situation) = (projection(x)?, projection(z)?, projection(w)?);
        let columns = 1 + z + w;
        let direction = reader.quantised(values * x, columns)?;
        let direct = reader.quantised(x, columns)?;
        let stakes = Matrix { rows: values, columns, data: reader.numbers(values * columns)? };
        let c = &header.calibration;
        let lengths =
            [c.slope.len(), c.error_ratio.len(), c.unread.len(), header.validity.len(), header.overall_weights.len()];
        let is_whole = lengths == [values; 5];
        if !reader.rest.is_empty() || !is_whole {
            return Err(damaged("another shape"));
        }
        Ok(Self {
            model_key: header.model_key,
            values: header.values,
            acts_hash: header.acts_hash,
            validity: header.validity,
            layers: header.layers,
            context_weight: header.context_weight,
            difference,
            sum,
            situation,
            direction,
            stakes,
            calibration: header.calibration,
            overall: Overall { direct, slopes: header.overall_slopes, weights: header.overall_weights },
        })
    }
}

fn put_numbers(bytes: &mut Vec<u8>, numbers: &[f32]) {
    bytes.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
}

fn put_quantised(bytes: &mut Vec<u8>, matrix: &Quantised) {
    put_numbers(bytes, &matrix.scales);
    bytes.extend(matrix.entries.iter().map(|entry| entry.cast_unsigned()));
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl Reader<'_> {
    fn take(&mut self, count: usize) -> Result<&[u8], StoredMapError> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(StoredMapError::Damaged("too few bytes"))?;
        self.rest = rest;
        Ok(taken)
    }

    fn numbers(&mut self, count: usize) -> Result<Vec<f32>, StoredMapError> {
        if count > NUMBERS_MAX {
            return Err(StoredMapError::Damaged("another shape"));
        }
        let numbers: Vec<f32> =
            self.take(count * 4)?.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
        if numbers.iter().all(|number| number.is_finite()) {
            return Ok(numbers);
        }
        Err(StoredMapError::Damaged("numbers that are none"))
    }

    fn quantised(&mut self, rows: usize, columns: usize) -> Result<Quantised, StoredMapError> {
        let count = rows.checked_mul(columns).filter(|count| *count <= NUMBERS_MAX);
        let count = count.ok_or(StoredMapError::Damaged("another shape"))?;
        let scales = self.numbers(rows)?;
        let entries = self.take(count)?.iter().map(|byte| byte.cast_signed()).collect();
        Ok(Quantised { rows, columns, scales, entries })
    }
}
