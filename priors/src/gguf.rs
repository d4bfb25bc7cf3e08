//! The head of a GGUF file, read and checked before llama.cpp sees the file: llama.cpp answers some damaged files by
//! ending the process, and says little about the others.
//!
//! Format: <https://github.com/ggml-org/ggml/blob/master/docs/gguf.md>, versions 2 and 3, little-endian.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

/// A string longer than this is damage: chat templates have a few thousand bytes.
const STRING_BYTES_MAX: u64 = 16 << 20;
/// More entries than this is damage: vocabularies have a few hundred thousand.
const ENTRIES_MAX: u64 = 16 << 20;
/// Arrays in arrays are allowed by the format and used by nobody.
const NESTING_MAX: u32 = 4;

/// Metadata entry of an adapter that names its model, by the BLAKE3 of the model's file.
pub(crate) const ADAPTER_MODEL_KEY: &str = "credence.model.blake3";

/// What is wrong with a GGUF file.
#[derive(Debug, thiserror::Error)]
pub enum GgufError {
    /// The file ends, or cannot be read, in the middle of its head.
    #[error("failed to read its head at byte {at}")]
    Read {
        /// Where.
        at: u64,
        /// Why.
        source: io::Error,
    },
    /// Some other kind of file.
    #[error("it is not a GGUF file: it begins with {found:02x?} and not with \"GGUF\"")]
    Magic {
        /// The first four bytes.
        found: [u8; 4],
    },
    /// A version of the format we do not know.
    #[error("its GGUF version is {0}; versions 2 and 3 are known")]
    Version(u32),
    /// A number in the head makes no sense.
    #[error("damaged at byte {at}: {what}")]
    Damaged {
        /// Where.
        at: u64,
        /// What was found and what was expected.
        what: String,
    },
    /// A file of several that does not fit the others, or one that is missing.
    #[error("{0}")]
    Shard(String),
    /// Tensor data is missing.
    #[error("truncated: tensor {tensor} ends at byte {needed} and the file has {bytes}; download it again")]
    Truncated {
        /// The tensor that lies farthest back.
        tensor: String,
        /// Where it ends.
        needed: u64,
        /// Length of the file.
        bytes: u64,
    },
}

/// What the head of a GGUF file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GgufHead {
    /// Version of the format.
    pub version: u32,
    /// `general.architecture`.
    pub architecture: String,
    /// `general.name`.
    pub name: Option<String>,
    /// `general.file_type` (llama.cpp's `llama_ftype`).
    pub file_type: Option<u32>,
    /// In an adapter written by this program, BLAKE3 of the model's file that it was made for.
    pub adapter_of: Option<String>,
    /// `split.no` and `split.count`, where the model is in several files: this is file `no` of `count`, from 0.
    pub split: Option<(u64, u64)>,
    /// Whether the file brings a chat template.
    pub has_chat_template: bool,
    /// Whether it carries a vocabulary.
    pub has_vocabulary: bool,
    /// Number of weights in all tensors.
    pub parameters: u64,
    /// Number of tensors.
    pub tensors: u64,
    /// Bytes of tensor data by GGML type, most bytes first.
    pub types: Vec<(u32, u64)>,
}

impl GgufHead {
    /// Reads and checks the head of a file.
    ///
    /// # Errors
    /// If the file is not a GGUF file, is damaged, or is shorter than its head says.
    pub fn read_file(path: &Path) -> Result<Self, GgufError> {
        let at_start = |source| GgufError::Read { at: 0, source };
        let file = File::open(path).map_err(at_start)?;
        let bytes = file.metadata().map_err(at_start)?.len();
        Self::read(BufReader::with_capacity(1 << 16, file), bytes)
    }

    /// Reads and checks a head from `source`, which belongs to a file of `bytes` bytes.
    ///
    /// # Errors
    /// As [`Self::read_file`].
    pub fn read(source: impl Read, bytes: u64) -> Result<Self, GgufError> {
        let mut reader = HeadReader { source, at: 0, bytes };
        let found = reader.array::<4>()?;
        if &found != b"GGUF" {
            return Err(GgufError::Magic { found });
        }
        let version = reader.u32()?;
        if !(2..=3).contains(&version) {
            return Err(GgufError::Version(version));
        }
        let tensors = reader.count("tensors")?;
        let pairs = reader.count("metadata entries")?;
        let (mut architecture, mut name, mut file_type, mut adapter_of, mut alignment) = (None, None, None, None, 32);
        let (mut split_no, mut split_count, mut has_chat_template, mut has_vocabulary) = (None, None, false, false);
        for _ in 0..pairs {
            let key = reader.string()?;
            let kind = reader.u32()?;
            match (key.as_str(), kind) {
                ("general.architecture", STRING) => architecture = Some(reader.string()?),
                ("general.name", STRING) => name = Some(reader.string()?),
                (ADAPTER_MODEL_KEY, STRING) => adapter_of = Some(reader.string()?),
                ("general.file_type", UINT32) => file_type = Some(reader.u32()?),
                ("general.alignment", UINT32) => alignment = u64::from(reader.u32()?),
                ("split.no", kind) if is_integer(kind) => split_no = Some(reader.integer(kind)?),
                ("split.count", kind) if is_integer(kind) => split_count = Some(reader.integer(kind)?),
                ("tokenizer.ggml.model", STRING) => {
                    has_vocabulary = !matches!(reader.string()?.as_str(), "" | "none" | "no_vocab");
                }
                ("tokenizer.chat_template", STRING) => has_chat_template = !reader.string()?.trim().is_empty(),
                _ => reader.skip_value(kind, 0)?,
            }
        }
        if alignment == 0 || !alignment.is_power_of_two() {
            return Err(reader.damaged(format!("expected an alignment that is a power of two, found {alignment}")));
        }
        let split = split_count.filter(|count| *count > 1).map(|count| (split_no.unwrap_or(0), count));
        // Only the first of several files says what they are.
        let architecture = match architecture {
            Some(architecture) => architecture,
            None if split.is_some_and(|(no, _)| no > 0) => String::new(),
            None => return Err(reader.damaged("expected an entry general.architecture".to_owned())),
        };

        let mut parameters = 0_u64;
        let mut types: Vec<(u32, u64)> = Vec::new();
        let mut last: Option<(String, u64)> = None;
        for _ in 0..tensors {
            let tensor = reader.tensor()?;
            parameters = parameters.saturating_add(tensor.elements);
            match types.iter_mut().find(|(kind, _)| *kind == tensor.kind) {
                Some((_, bytes)) => *bytes = bytes.saturating_add(tensor.bytes),
                None => types.push((tensor.kind, tensor.bytes)),
            }
            let end = tensor.offset.saturating_add(tensor.bytes);
            if last.as_ref().is_none_or(|(_, farthest)| end > *farthest) {
                last = Some((tensor.name, end));
            }
        }
        types.sort_by_key(|&(kind, bytes)| (std::cmp::Reverse(bytes), kind));
        if let Some((tensor, end)) = last {
            let needed = reader.at.div_ceil(alignment).saturating_mul(alignment).saturating_add(end);
            if needed > bytes {
                return Err(GgufError::Truncated { tensor, needed, bytes });
            }
        }
        Ok(Self {
            version,
            architecture,
            name,
            file_type,
            adapter_of,
            split,
            has_chat_template,
            has_vocabulary,
            parameters,
            tensors,
            types,
        })
    }

    /// Adds what another file of the same model holds.
    pub(crate) fn add(&mut self, other: &Self) {
        self.parameters = self.parameters.saturating_add(other.parameters);
        self.tensors = self.tensors.saturating_add(other.tensors);
        for &(kind, bytes) in &other.types {
            match self.types.iter_mut().find(|(known, _)| *known == kind) {
                Some((_, sum)) => *sum = sum.saturating_add(bytes),
                None => self.types.push((kind, bytes)),
            }
        }
        self.types.sort_by_key(|&(kind, bytes)| (std::cmp::Reverse(bytes), kind));
    }

    /// Name of the type that most bytes are stored as, such as `Q4_1` or `F16`.
    pub fn precision(&self) -> String {
        self.types.first().map_or_else(|| "none".to_owned(), |&(kind, _)| type_name(kind))
    }

    /// Whether all weights are stored in a floating-point format that needs no copy for scoring.
    pub fn is_floating_point(&self) -> bool {
        self.types.iter().all(|&(kind, _)| matches!(kind, 0 | 1 | 30))
    }
}

/// Whether a value of this kind is a whole number.
fn is_integer(kind: u32) -> bool {
    matches!(kind, 0..=5 | 10 | 11)
}

const UINT32: u32 = 4;
const STRING: u32 = 8;
const ARRAY: u32 = 9;

struct Tensor {
    name: String,
    elements: u64,
    kind: u32,
    offset: u64,
    bytes: u64,
}

struct HeadReader<R> {
    source: R,
    at: u64,
    bytes: u64,
}

impl<R: Read> HeadReader<R> {
    fn damaged(&self, what: String) -> GgufError {
        GgufError::Damaged { at: self.at, what }
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], GgufError> {
        let mut buffer = [0; N];
        self.source.read_exact(&mut buffer).map_err(|source| GgufError::Read { at: self.at, source })?;
        self.at += N as u64;
        Ok(buffer)
    }

    fn u32(&mut self) -> Result<u32, GgufError> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    fn u64(&mut self) -> Result<u64, GgufError> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    /// A whole number of any width; a negative one is damage.
    fn integer(&mut self, kind: u32) -> Result<u64, GgufError> {
        let number = match kind {
            0 => i128::from(u8::from_le_bytes(self.array()?)),
            1 => i128::from(i8::from_le_bytes(self.array()?)),
            2 => i128::from(u16::from_le_bytes(self.array()?)),
            3 => i128::from(i16::from_le_bytes(self.array()?)),
            4 => i128::from(u32::from_le_bytes(self.array()?)),
            5 => i128::from(i32::from_le_bytes(self.array()?)),
            10 => i128::from(u64::from_le_bytes(self.array()?)),
            _ => i128::from(i64::from_le_bytes(self.array()?)),
        };
        u64::try_from(number)
            .map_err(|_| self.damaged(format!("expected a number that is not negative, found {number}")))
    }

    fn count(&mut self, what: &str) -> Result<u64, GgufError> {
        let count = self.u64()?;
        if count > ENTRIES_MAX {
            return Err(self.damaged(format!("expected at most {ENTRIES_MAX} {what}, found {count}")));
        }
        Ok(count)
    }

    fn string(&mut self) -> Result<String, GgufError> {
        let length = self.u64()?;
        if length > STRING_BYTES_MAX || length > self.bytes {
            return Err(self.damaged(format!("expected a string of at most {STRING_BYTES_MAX} bytes, found {length}")));
        }
        let mut buffer = Vec::new();
        let read = self
            .source
            .by_ref()
            .take(length)
            .read_to_end(&mut buffer)
            .map_err(|source| GgufError::Read { at: self.at, source })?;
        self.at += read as u64;
        if (read as u64) < length {
            return Err(GgufError::Read { at: self.at, source: io::ErrorKind::UnexpectedEof.into() });
        }
        // Vocabularies hold single bytes of UTF-8, so what cannot be decoded is not damage.
        Ok(String::from_utf8_lossy(&buffer).into_owned())
    }

    fn skip(&mut self, bytes: u64) -> Result<(), GgufError> {
        let skipped = io::copy(&mut self.source.by_ref().take(bytes), &mut io::sink())
            .map_err(|source| GgufError::Read { at: self.at, source })?;
        self.at += skipped;
        if skipped < bytes {
            return Err(GgufError::Read { at: self.at, source: io::ErrorKind::UnexpectedEof.into() });
        }
        Ok(())
    }

    fn skip_value(&mut self, kind: u32, nesting: u32) -> Result<(), GgufError> {
        match kind {
            STRING => self.string().map(drop),
            ARRAY if nesting < NESTING_MAX => {
                let kind = self.u32()?;
                let count = self.count("array entries")?;
                match scalar_bytes(kind) {
                    Some(bytes) => self.skip(bytes * count),
                    None => (0..count).try_for_each(|_| self.skip_value(kind, nesting + 1)),
                }
            }
            _ => match scalar_bytes(kind) {
                Some(bytes) => self.skip(bytes),
                None => Err(self.damaged(format!("expected a value type from 0 to 12, found {kind}"))),
            },
        }
    }

    fn tensor(&mut self) -> Result<Tensor, GgufError> {
        let name = self.string()?;
        let dimensions = self.u32()?;
        if dimensions == 0 || dimensions > 4 {
            return Err(self.damaged(format!("expected 1 to 4 dimensions of tensor {name}, found {dimensions}")));
        }
        let mut elements = 1_u64;
        let mut row = None;
        for _ in 0..dimensions {
            let size = self.u64()?;
            row.get_or_insert(size);
            elements = match elements.checked_mul(size) {
                Some(product) if size > 0 && product < 1 << 48 => product,
                _ => {
                    return Err(self.damaged(format!("expected a sensible size of tensor {name}, found {size}")));
                }
            };
        }
        let kind = self.u32()?;
        let offset = self.u64()?;
        let Some((block, block_bytes)) = type_size(kind) else {
            return Err(self.damaged(format!("tensor {name} has the unknown type {kind}")));
        };
        if !row.unwrap_or(0).is_multiple_of(block) {
            return Err(self.damaged(format!("rows of tensor {name} are no multiple of {block}")));
        }
        Ok(Tensor { name, elements, kind, offset, bytes: elements / block * block_bytes })
    }
}

fn scalar_bytes(kind: u32) -> Option<u64> {
    match kind {
        0 | 1 | 7 => Some(1),
        2 | 3 => Some(2),
        4..=6 => Some(4),
        10..=12 => Some(8),
        _ => None,
    }
}

/// Name, elements and bytes of one block of each GGML type (`ggml_type` in `ggml.h`).
const TYPES: &[(u32, &str, u64, u64)] = &[
    (0, "F32", 1, 4),
    (1, "F16", 1, 2),
    (2, "Q4_0", 32, 18),
    (3, "Q4_1", 32, 20),
    (6, "Q5_0", 32, 22),
    (7, "Q5_1", 32, 24),
    (8, "Q8_0", 32, 34),
    (9, "Q8_1", 32, 36),
    (10, "Q2_K", 256, 84),
    (11, "Q3_K", 256, 110),
    (12, "Q4_K", 256, 144),
    (13, "Q5_K", 256, 176),
    (14, "Q6_K", 256, 210),
    (15, "Q8_K", 256, 292),
    (16, "IQ2_XXS", 256, 66),
    (17, "IQ2_XS", 256, 74),
    (18, "IQ3_XXS", 256, 98),
    (19, "IQ1_S", 256, 50),
    (20, "IQ4_NL", 32, 18),
    (21, "IQ3_S", 256, 110),
    (22, "IQ2_S", 256, 82),
    (23, "IQ4_XS", 256, 136),
    (24, "I8", 1, 1),
    (25, "I16", 1, 2),
    (26, "I32", 1, 4),
    (27, "I64", 1, 8),
    (28, "F64", 1, 8),
    (29, "IQ1_M", 256, 56),
    (30, "BF16", 1, 2),
    (34, "TQ1_0", 256, 54),
    (35, "TQ2_0", 256, 66),
    (39, "MXFP4", 32, 17),
    (40, "NVFP4", 64, 36),
    (41, "Q1_0", 128, 18),
    (42, "Q2_0", 64, 18),
];

fn type_size(kind: u32) -> Option<(u64, u64)> {
    TYPES.iter().find(|row| row.0 == kind).map(|row| (row.2, row.3))
}

fn type_name(kind: u32) -> String {
    TYPES.iter().find(|row| row.0 == kind).map_or_else(|| format!("type {kind}"), |row| row.1.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A small, whole GGUF file: one F16 tensor of 8 numbers.
    fn small(architecture: &str) -> Vec<u8> {
        let mut file = Vec::new();
        let string = |file: &mut Vec<u8>, text: &str| {
            file.extend((text.len() as u64).to_le_bytes());
            file.extend(text.as_bytes());
        };
        file.extend(b"GGUF");
        file.extend(3_u32.to_le_bytes());
        file.extend(1_u64.to_le_bytes());
        file.extend(2_u64.to_le_bytes());
        string(&mut file, "general.architecture");
        file.extend(STRING.to_le_bytes());
        string(&mut file, architecture);
        string(&mut file, "some.array");
        file.extend(ARRAY.to_le_bytes());
        file.extend(UINT32.to_le_bytes());
        file.extend(2_u64.to_le_bytes());
        file.extend([0; 8]);
        string(&mut file, "weights");
        file.extend(1_u32.to_le_bytes());
        file.extend(8_u64.to_le_bytes());
        file.extend(1_u32.to_le_bytes());
        file.extend(0_u64.to_le_bytes());
        file.resize(file.len().div_ceil(32) * 32 + 16, 0);
        file
    }

    fn read(file: &[u8]) -> Result<GgufHead, GgufError> {
        GgufHead::read(file, file.len() as u64)
    }

    #[test]
    fn a_whole_file_is_read() -> Result<(), GgufError> {
        let head = read(&small("llama"))?;
        assert_eq!((head.architecture.as_str(), head.parameters, head.precision().as_str()), ("llama", 8, "F16"));
        assert!(head.is_floating_point());
        Ok(())
    }

    #[test]
    fn what_is_wrong_is_said() {
        let whole = small("llama");
        let says = |file: &[u8], words: &str| {
            let error = read(file).err().map(|error| error.to_string()).unwrap_or_default();
            assert!(error.contains(words), "{error:?} does not say {words:?}");
        };
        says(b"PK\x03\x04 a zip file", "not a GGUF file");
        says(b"", "byte 0");
        says(&whole[..20], "failed to read its head");
        says(&whole[..whole.len() - 1], "truncated: tensor weights");
        let mut newer = whole.clone();
        newer[4] = 9;
        says(&newer, "version is 9");
        let mut huge = whole.clone();
        huge[8..16].copy_from_slice(&u64::MAX.to_le_bytes());
        says(&huge, "at most");
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = read(&bytes);
        }

        #[test]
        fn no_damage_makes_the_reader_panic(
            changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
            keep in any::<prop::sample::Index>(),
        ) {
            let mut file = small("llama");
            for (at, byte) in changes {
                let at = at.index(file.len());
                file[at] = byte;
            }
            let _ = read(&file);
            file.truncate(keep.index(file.len()));
            let _ = read(&file);
        }
    }
}
