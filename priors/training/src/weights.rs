//! The frozen weights, read from the GGUF file that llama.cpp serves and dequantised to f32.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use credence_priors::cache::blake3_of;
use credence_priors::gguf::{Content, TensorInfo, Value, dequantise, type_name};
use credence_priors::matrix::Matrix;
use credence_priors::model_files::ModelFiles;

use super::error::TrainingError;
use super::projection::Projection;
use super::shape::{Architecture, ModelShape};

/// One block's weights. A matrix has a row for each output.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Layer {
    pub(crate) attention_norm: Vec<f32>,
    pub(crate) query: Matrix,
    pub(crate) key: Matrix,
    pub(crate) value: Matrix,
    pub(crate) query_bias: Option<Vec<f32>>,
    pub(crate) key_bias: Option<Vec<f32>>,
    pub(crate) value_bias: Option<Vec<f32>>,
    pub(crate) query_norm: Option<Vec<f32>>,
    pub(crate) key_norm: Option<Vec<f32>>,
    pub(crate) output: Matrix,
    pub(crate) attention_post_norm: Option<Vec<f32>>,
    pub(crate) feed_forward_norm: Vec<f32>,
    pub(crate) gate: Matrix,
    pub(crate) up: Matrix,
    pub(crate) down: Matrix,
    pub(crate) feed_forward_post_norm: Option<Vec<f32>>,
}

impl Layer {
    pub(crate) fn matrix(&self, projection: Projection) -> &Matrix {
        match projection {
            Projection::Query => &self.query,
            Projection::Key => &self.key,
            Projection::Value => &self.value,
            Projection::Output => &self.output,
            Projection::Gate => &self.gate,
            Projection::Up => &self.up,
            Projection::Down => &self.down,
        }
    }
}

/// A model as the trainer sees it: frozen.
#[derive(Debug, Clone, PartialEq)]
pub struct Weights {
    /// Its numbers.
    pub shape: ModelShape,
    /// BLAKE3 of the GGUF file, or of all files of the model, in hexadecimal: the identity that adapters and checkpoints refer to.
    pub hash: String,
    pub(crate) embeddings: Matrix,
    pub(crate) layers: Vec<Layer>,
    pub(crate) output_norm: Vec<f32>,
    /// `None` where the output matrix is the embedding matrix.
    pub(crate) output: Option<Matrix>,
    pub(crate) rotary_factors: Option<Vec<f32>>,
}

/// BLAKE3 of a file, in hexadecimal.
///
/// # Errors
/// If the file cannot be read.
pub fn file_hash(path: &Path) -> Result<String, TrainingError> {
    blake3_of(path).map_err(|source| TrainingError::io("read", path, source))
}

/// Tensors of an open GGUF file, or of all files of a model, by name.
pub(crate) struct Tensors<'a> {
    pub(crate) path: &'a Path,
    pub(crate) file: BufReader<File>,
    pub(crate) content: Content,
    /// The second file of a model and those after it.
    others: Vec<(BufReader<File>, Content)>,
}

pub(super) fn open(path: &Path) -> Result<(BufReader<File>, Content), TrainingError> {
    let fail = |e| TrainingError::io("open", path, e);
    let file = File::open(path).map_err(fail)?;
    let bytes = file.metadata().map_err(fail)?.len();
    let mut file = BufReader::new(file);
    let content = Content::read(&mut file, bytes).map_err(|e| TrainingError::gguf(path, e))?;
    Ok((file, content))
}

impl<'a> Tensors<'a> {
    pub(crate) fn open(path: &'a Path) -> Result<Self, TrainingError> {
        let (file, content) = open(path)?;
        Ok(Self { path, file, content, others: Vec::new() })
    }

    /// Opens all files of a model.
    fn open_all(files: &'a ModelFiles) -> Result<Self, TrainingError> {
        let others = files.all()[1..].iter().map(|path| open(path)).collect::<Result<_, _>>()?;
        Ok(Self { others, ..Self::open(files.first())? })
    }

    fn has(&self, name: &str) -> bool {
        self.info(name).is_some()
    }

    fn info(&self, name: &str) -> Option<&TensorInfo> {
        let mut all = std::iter::once(&self.content).chain(self.others.iter().map(|(_, content)| content));
        all.find_map(|content| content.tensors.get(name))
    }

    pub(crate) fn dims(&self, name: &str) -> Result<Vec<usize>, TrainingError> {
        match self.info(name) {
            Some(info) => Ok(info.dims.clone()),
            None => Err(TrainingError::Tensor { name: name.to_owned(), problem: "is missing".to_owned() }),
        }
    }

    /// The tensor as f32, checked for shape and for NaN and infinity.
    pub(crate) fn read(&mut self, name: &str, dims: &[usize]) -> Result<Vec<f32>, TrainingError> {
        let odd = |problem: String| TrainingError::Tensor { name: name.to_owned(), problem };
        let all = std::iter::once((&mut self.file, &self.content));
        let mut all = all.chain(self.others.iter_mut().map(|(file, content)| (file, &*content)));
        let found = all.find_map(|(file, content)| Some((file, content, content.tensors.get(name)?)));
        let (file, content, info) = found.ok_or_else(|| odd("is missing".to_owned()))?;
        if info.dims != dims {
            return Err(odd(format!("has shape {:?} and not {dims:?}", info.dims)));
        }
        let bytes = content.read_tensor(file, info).map_err(|e| TrainingError::io("read", self.path, e))?;
        let data = dequantise(info.kind, &bytes)
            .ok_or_else(|| odd(format!("is of type {}, which cannot be read", type_name(info.kind))))?;
        match data.iter().position(|x| !x.is_finite()) {
            Some(at) => Err(odd(format!("entry {at} is {}", data[at]))),
            None => Ok(data),
        }
    }

    fn matrix(&mut self, name: &str, rows: usize, columns: usize) -> Result<Matrix, TrainingError> {
        Ok(Matrix { rows, columns, data: self.read(name, &[rows, columns])? })
    }

    /// Several matrices that the file holds as one, row after row.
    fn fused<const N: usize>(
        &mut self,
        name: &str,
        rows: [usize; N],
        columns: usize,
    ) -> Result<[Matrix; N], TrainingError> {
        let whole = self.read(name, &[rows.iter().sum(), columns])?;
        let mut start = 0;
        Ok(rows.map(|rows| {
            let data = whole[start..start + rows * columns].to_vec();
            start += rows * columns;
            Matrix { rows, columns, data }
        }))
    }

    fn maybe(&mut self, name: &str, length: usize) -> Result<Option<Vec<f32>>, TrainingError> {
        if self.has(name) { self.read(name, &[length]).map(Some) } else { Ok(None) }
    }

    fn layer(&mut self, shape: &ModelShape, index: usize) -> Result<Layer, TrainingError> {
        let (width, q, k, ff) = (shape.width, shape.query_width(), shape.key_width(), shape.feed_forward);
        let name = |part: &str| format!("blk.{index}.{part}");
        for unknown in ["attn_output.bias", "ffn_gate.bias", "ffn_up.bias", "ffn_down.bias"] {
            if self.has(&name(unknown)) {
                let problem = "is a bias where this family has none".to_owned();
                return Err(TrainingError::Tensor { name: name(unknown), problem });
            }
        }
        let [query, key, value] = if shape.architecture == Architecture::Phi3 {
            self.fused(&name("attn_qkv.weight"), [q, k, k], width)?
        } else {
            [
                self.matrix(&name("attn_q.weight"), q, width)?,
                self.matrix(&name("attn_k.weight"), k, width)?,
                self.matrix(&name("attn_v.weight"), k, width)?,
            ]
        };
        let [gate, up] = if shape.architecture == Architecture::Phi3 {
            self.fused(&name("ffn_up.weight"), [ff, ff], width)?
        } else {
            [self.matrix(&name("ffn_gate.weight"), ff, width)?, self.matrix(&name("ffn_up.weight"), ff, width)?]
        };
        let layer = Layer {
            attention_norm: self.read(&name("attn_norm.weight"), &[width])?,
            query,
            key,
            value,
            query_bias: self.maybe(&name("attn_q.bias"), q)?,
            key_bias: self.maybe(&name("attn_k.bias"), k)?,
            value_bias: self.maybe(&name("attn_v.bias"), k)?,
            query_norm: self.maybe(&name("attn_q_norm.weight"), shape.head)?,
            key_norm: self.maybe(&name("attn_k_norm.weight"), shape.head)?,
            output: self.matrix(&name("attn_output.weight"), width, q)?,
            attention_post_norm: self.maybe(&name("post_attention_norm.weight"), width)?,
            feed_forward_norm: self.read(&name("ffn_norm.weight"), &[width])?,
            gate,
            up,
            down: self.matrix(&name("ffn_down.weight"), width, ff)?,
            feed_forward_post_norm: self.maybe(&name("post_ffw_norm.weight"), width)?,
        };
        let normed = matches!(shape.architecture, Architecture::Qwen3 | Architecture::Gemma3);
        if normed != layer.query_norm.is_some() || normed != layer.key_norm.is_some() {
            let problem = format!("norms on queries and keys do not go with {}", shape.architecture.name());
            return Err(TrainingError::Tensor { name: name("attn_q_norm.weight"), problem });
        }
        Ok(layer)
    }
}

/// All files of the model in `path`.
fn files_of(path: &Path) -> Result<ModelFiles, TrainingError> {
    ModelFiles::find(path).map_err(|error| match open(path) {
        // The trainer's own reader says what is wrong with one file; what is left are files that do not belong together.
        Err(damaged) => damaged,
        Ok(_) => {
            TrainingError::Metadata { key: "split.count".to_owned(), problem: credence_priors::error_chain(&error) }
        }
    })
}

impl Weights {
    /// Reads and dequantises a model; of several files (`NAME-00001-of-00003.gguf`) any may be named.
    ///
    /// # Errors
    /// If the file cannot be read or is damaged, the family is not supported, or a tensor is missing, misshapen or
    /// not finite.
    pub fn load(path: &Path) -> Result<Self, TrainingError> {
        let files = files_of(path)?;
        let mut tensors = Tensors::open_all(&files)?;
        let vocabulary = tensors.dims("token_embd.weight").ok().and_then(|d| d.first().copied()).unwrap_or(0);
        let shape = ModelShape::from_metadata(&tensors.content.metadata, vocabulary)?;
        if tensors.has("rope_factors_long.weight") {
            let reason = "its rotary embedding has factors for long contexts".to_owned();
            return Err(TrainingError::Unsupported { name: shape.architecture.name().to_owned(), reason });
        }
        let layers = (0..shape.layers).map(|i| tensors.layer(&shape, i)).collect::<Result<_, _>>()?;
        let tied = !tensors.has("output.weight");
        Ok(Self {
            embeddings: tensors.matrix("token_embd.weight", vocabulary, shape.width)?,
            output_norm: tensors.read("output_norm.weight", &[shape.width])?,
            output: if tied { None } else { Some(tensors.matrix("output.weight", vocabulary, shape.width)?) },
            rotary_factors: tensors.maybe("rope_freqs.weight", shape.rotary_dims / 2)?,
            hash: files.blake3().map_err(|source| TrainingError::io("read", path, source))?,
            layers,
            shape,
        })
    }

    /// The matrix that turns the last hidden state into logits.
    pub(crate) fn output(&self) -> &Matrix {
        self.output.as_ref().unwrap_or(&self.embeddings)
    }

    /// Bytes that the weights take in memory, as f32.
    pub fn bytes(&self) -> usize {
        let layer = |l: &Layer| Projection::ALL.iter().map(|p| l.matrix(*p).data.len()).sum::<usize>();
        let matrices = self.embeddings.data.len() + self.output.as_ref().map_or(0, |o| o.data.len());
        4 * (matrices + self.layers.iter().map(layer).sum::<usize>())
    }
}

/// A metadata entry as text, where there is one.
pub(crate) fn text<'a>(entries: &'a BTreeMap<String, Value>, key: &str) -> Option<&'a str> {
    entries.get(key).and_then(Value::text)
}
