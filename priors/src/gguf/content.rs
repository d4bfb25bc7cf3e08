//! Everything a GGUF file says before its tensor data, and the data of one tensor.

use std::collections::BTreeMap;
use std::io::{self, Read, Seek, SeekFrom};

use super::GgufError;
use super::types::type_size;
use super::value::{ARRAY, Array, STRING, Value, scalar_bytes};

/// A string longer than this is damage: chat templates have a few thousand bytes.
const STRING_BYTES_MAX: u64 = 16 << 20;
/// More entries than this is damage: vocabularies have a few hundred thousand.
const ENTRIES_MAX: u64 = 16 << 20;
/// A longer head is damage: large vocabularies take some ten million bytes.
const HEAD_BYTES_MAX: u64 = 256 << 20;
/// Arrays in arrays are allowed by the format and used by nobody.
const NESTING_MAX: u32 = 4;

/// Where a tensor lies and what it looks like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorInfo {
    /// Its dimensions, the outermost first: rows, then columns. The file has them the other way round.
    pub dims: Vec<usize>,
    /// Its type, as in `ggml.h`.
    pub kind: u32,
    /// Where it begins, counted from the beginning of the tensor data.
    offset: u64,
    /// How long it is.
    pub bytes: u64,
}

impl TensorInfo {
    /// How many numbers it has.
    pub fn elements(&self) -> u64 {
        self.dims.iter().map(|dim| *dim as u64).product()
    }
}

/// The head of a GGUF file.
#[derive(Debug)]
pub struct Content {
    /// Version of the format.
    pub version: u32,
    /// Metadata entries by key.
    pub metadata: BTreeMap<String, Value>,
    /// Tensors by name. All lie within the file.
    pub tensors: BTreeMap<String, TensorInfo>,
    /// Where tensor data begins.
    pub data: u64,
}

impl Content {
    /// Reads and checks the head of a file of `bytes` bytes.
    ///
    /// # Errors
    /// If it is not a GGUF file, is damaged, or is shorter than its head says.
    pub fn read(source: impl Read, bytes: u64) -> Result<Self, GgufError> {
        let mut reader = Reader { source, at: 0, bytes };
        let found = reader.array::<4>()?;
        if &found != b"GGUF" {
            return Err(GgufError::Magic { found });
        }
        let version = reader.u32()?;
        if !(2..=3).contains(&version) {
            return Err(GgufError::Version(version));
        }
        let tensor_count = reader.count("tensors")?;
        let pairs = reader.count("metadata entries")?;
        let mut metadata = BTreeMap::new();
        for _ in 0..pairs {
            let key = reader.string()?;
            let kind = reader.u32()?;
            let value = reader.value(kind)?;
            if metadata.contains_key(&key) {
                return Err(reader.damaged(format!("expected one entry {key}, found two")));
            }
            metadata.insert(key, value);
        }
        let alignment = match metadata.get("general.alignment") {
            Some(Value::U32(alignment)) => u64::from(*alignment),
            _ => super::write::ALIGNMENT,
        };
        if !alignment.is_power_of_two() {
            return Err(reader.damaged(format!("expected an alignment that is a power of two, found {alignment}")));
        }
        let mut tensors = BTreeMap::new();
        for _ in 0..tensor_count {
            let (name, tensor) = reader.tensor()?;
            if tensors.contains_key(&name) {
                return Err(reader.damaged(format!("expected one tensor {name}, found two")));
            }
            tensors.insert(name, tensor);
        }
        let data = reader.at.next_multiple_of(alignment);
        let end = |tensor: &TensorInfo| data.saturating_add(tensor.offset).saturating_add(tensor.bytes);
        if let Some((name, last)) = tensors.iter().max_by_key(|(_, tensor)| end(tensor))
            && end(last) > bytes
        {
            return Err(GgufError::Truncated { tensor: name.clone(), needed: end(last), bytes });
        }
        Ok(Self { version, metadata, tensors, data })
    }

    /// The data of a tensor, as the file has it.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn read_tensor(&self, file: &mut (impl Read + Seek), tensor: &TensorInfo) -> io::Result<Vec<u8>> {
        file.seek(SeekFrom::Start(self.data + tensor.offset))?;
        let mut data = Vec::new();
        file.take(tensor.bytes).read_to_end(&mut data)?;
        if data.len() as u64 == tensor.bytes { Ok(data) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }
}

struct Reader<R> {
    source: R,
    at: u64,
    bytes: u64,
}

impl<R: Read> Reader<R> {
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

    fn count(&mut self, what: &str) -> Result<u64, GgufError> {
        let count = self.u64()?;
        if count > ENTRIES_MAX {
            return Err(self.damaged(format!("expected at most {ENTRIES_MAX} {what}, found {count}")));
        }
        Ok(count)
    }

    /// Appends the next bytes.
    fn copy(&mut self, bytes: u64, to: &mut Vec<u8>) -> Result<(), GgufError> {
        if self.at.saturating_add(bytes) > HEAD_BYTES_MAX {
            return Err(self.damaged(format!("expected a head of at most {HEAD_BYTES_MAX} bytes")));
        }
        let failed = |source| GgufError::Read { at: self.at, source };
        if bytes > self.bytes.saturating_sub(self.at) {
            return Err(failed(io::ErrorKind::UnexpectedEof.into()));
        }
        let read = self.source.by_ref().take(bytes).read_to_end(to).map_err(failed)? as u64;
        if read < bytes {
            return Err(failed(io::ErrorKind::UnexpectedEof.into()));
        }
        self.at += read;
        Ok(())
    }

    fn string_length(&mut self) -> Result<u64, GgufError> {
        let length = self.u64()?;
        if length > STRING_BYTES_MAX || length > self.bytes {
            return Err(self.damaged(format!("expected a string of at most {STRING_BYTES_MAX} bytes, found {length}")));
        }
        Ok(length)
    }

    fn string(&mut self) -> Result<String, GgufError> {
        let length = self.string_length()?;
        let mut buffer = Vec::new();
        self.copy(length, &mut buffer)?;
        // Some files end their strings with NUL, as C does.
        buffer.truncate(buffer.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1));
        // What cannot be decoded is not damage.
        Ok(String::from_utf8_lossy(&buffer).into_owned())
    }

    fn value(&mut self, kind: u32) -> Result<Value, GgufError> {
        Ok(match kind {
            0 => Value::U8(u8::from_le_bytes(self.array()?)),
            1 => Value::I8(i8::from_le_bytes(self.array()?)),
            2 => Value::U16(u16::from_le_bytes(self.array()?)),
            3 => Value::I16(i16::from_le_bytes(self.array()?)),
            4 => Value::U32(self.u32()?),
            5 => Value::I32(i32::from_le_bytes(self.array()?)),
            6 => Value::F32(f32::from_le_bytes(self.array()?)),
            7 => Value::Bool(self.array()? != [0]),
            STRING => Value::String(self.string()?),
            ARRAY => {
                let (kind, count) = self.array_head()?;
                let mut bytes = Vec::new();
                self.array_entries(kind, count, 1, &mut bytes)?;
                Value::Array(Array { kind, count, bytes })
            }
            10 => Value::U64(self.u64()?),
            11 => Value::I64(i64::from_le_bytes(self.array()?)),
            12 => Value::F64(f64::from_le_bytes(self.array()?)),
            _ => return Err(self.unknown_kind(kind)),
        })
    }

    fn unknown_kind(&self, kind: u32) -> GgufError {
        self.damaged(format!("expected a value type from 0 to 12, found {kind}"))
    }

    /// Type and number of the entries of an array.
    fn array_head(&mut self) -> Result<(u32, u64), GgufError> {
        Ok((self.u32()?, self.count("array entries")?))
    }

    fn array_entries(&mut self, kind: u32, count: u64, nesting: u32, to: &mut Vec<u8>) -> Result<(), GgufError> {
        match (kind, scalar_bytes(kind)) {
            (_, Some(bytes)) => self.copy(bytes * count, to),
            (STRING, _) => (0..count).try_for_each(|_| {
                let length = self.string_length()?;
                to.extend(length.to_le_bytes());
                self.copy(length, to)
            }),
            (ARRAY, _) if nesting < NESTING_MAX => (0..count).try_for_each(|_| {
                let (kind, count) = self.array_head()?;
                to.extend(kind.to_le_bytes());
                to.extend(count.to_le_bytes());
                self.array_entries(kind, count, nesting + 1, to)
            }),
            _ => Err(self.unknown_kind(kind)),
        }
    }

    fn tensor(&mut self) -> Result<(String, TensorInfo), GgufError> {
        let name = self.string()?;
        let dimensions = self.u32()?;
        if dimensions == 0 || dimensions > 4 {
            return Err(self.damaged(format!("expected 1 to 4 dimensions of tensor {name}, found {dimensions}")));
        }
        let mut elements = 1_u64;
        let mut dims = Vec::new();
        for _ in 0..dimensions {
            let size = self.u64()?;
            elements = match elements.checked_mul(size) {
                Some(product) if size > 0 && product < 1 << 48 => product,
                _ => {
                    return Err(self.damaged(format!("expected a sensible size of tensor {name}, found {size}")));
                }
            };
            dims.push(size as usize);
        }
        let kind = self.u32()?;
        let offset = self.u64()?;
        let Some((block, block_bytes)) = type_size(kind) else {
            return Err(self.damaged(format!("tensor {name} has the unknown type {kind}")));
        };
        if !(dims[0] as u64).is_multiple_of(block) {
            return Err(self.damaged(format!("rows of tensor {name} are no multiple of {block}")));
        }
        dims.reverse();
        Ok((name, TensorInfo { dims, kind, offset, bytes: elements / block * block_bytes }))
    }
}
