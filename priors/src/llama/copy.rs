//! The F16 copy of a quantised file, made once: quantised logits move by 0.3 nats with the batch layout alone.

use std::ffi::CString;
use std::fs;
use std::path::{Path, PathBuf};

use super::{LLAMA_CPP_VERSION, log};
use crate::gguf::GgufHead;
use crate::model::ModelError;

/// `LLAMA_FTYPE_MOSTLY_F16`.
const MOSTLY_F16: llama_cpp_sys_2::llama_ftype = 1;

/// Where the F16 copy of a file with this hash belongs. llama.cpp's version is in the name, for another version may
/// dequantise differently.
pub(super) fn path_in(folder: &Path, source: &Path, blake3: &str) -> PathBuf {
    let stem = source.file_stem().map_or_else(|| "model".into(), |stem| stem.to_string_lossy());
    let version = LLAMA_CPP_VERSION.rsplit(' ').next().unwrap_or(LLAMA_CPP_VERSION);
    folder.join(format!("{stem}.{}.llama-{version}.F16.gguf", &blake3[..16]))
}

/// Makes the copy unless it is there and whole. It appears under its name only when complete.
pub(super) fn make(source: &Path, copy: &Path) -> Result<(), ModelError> {
    if copy.exists() {
        match GgufHead::read_file(copy) {
            Ok(head) if head.is_floating_point() => return Ok(()),
            _ => tracing::warn!(copy = %copy.display(), "the F16 copy is damaged; making it again"),
        }
    }
    let failed = |reason: String| ModelError::Copy { path: source.into(), copy: copy.into(), reason };
    let folder = copy.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder).map_err(|error| failed(error.to_string()))?;
    // The process id: two programs that start together must not write into one file.
    let partial = copy.with_extension(format!("{}.partial", std::process::id()));
    let result = quantize(source, &partial).and_then(|()| {
        // llama.cpp does not look whether its writes succeed; a full disk shows only here.
        let head = GgufHead::read_file(&partial).map_err(|error| crate::error_chain(&error))?;
        if !head.is_floating_point() {
            return Err("llama.cpp left some tensors quantised".to_owned());
        }
        fs::File::open(&partial).and_then(|file| file.sync_all()).map_err(|error| error.to_string())?;
        fs::rename(&partial, copy).map_err(|error| error.to_string())
    });
    result.map_err(|reason| {
        drop(fs::remove_file(&partial));
        failed(reason)
    })
}

fn quantize(source: &Path, to: &Path) -> Result<(), String> {
    let c_path = |path: &Path| {
        let text = path.to_str().ok_or_else(|| format!("{} is not valid UTF-8", path.display()))?;
        CString::new(text).map_err(|error| error.to_string())
    };
    let (from, to) = (c_path(source)?, c_path(to)?);
    log::forget_errors();
    #[expect(unsafe_code, reason = "llama-cpp-2 does not wrap quantising")]
    // SAFETY: both strings outlive the call; the parameters are llama.cpp's own defaults with plain fields changed.
    let status = unsafe {
        let mut parameters = llama_cpp_sys_2::llama_model_quantize_default_params();
        parameters.ftype = MOSTLY_F16;
        parameters.allow_requantize = true;
        llama_cpp_sys_2::llama_model_quantize(from.as_ptr(), to.as_ptr(), &raw const parameters)
    };
    if status == 0 { Ok(()) } else { Err(log::errors_or("llama.cpp gave no reason")) }
}
