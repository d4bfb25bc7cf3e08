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
    let stem = crate::model_files::common_name(&stem);
    let version = LLAMA_CPP_VERSION.rsplit(' ').next().unwrap_or(LLAMA_CPP_VERSION);
    folder.join(format!("{stem}.{}.llama-{version}.F16.gguf", &blake3[..16]))
}

/// The file that holds a copy's BLAKE3 hash.
fn checksum_path(copy: &Path) -> PathBuf {
    let mut name = copy.file_name().unwrap_or_default().to_owned();
    name.push(".blake3");
    copy.with_file_name(name)
}

/// Whether a copy is there, whole, and the one that was made.
fn is_sound(copy: &Path) -> bool {
    if !copy.exists() {
        return false;
    }
    let Ok(expected) = fs::read_to_string(checksum_path(copy)) else {
        tracing::info!(copy = %copy.display(), "the F16 copy has no checksum; making it again");
        return false;
    };
    let whole = GgufHead::read_file(copy).is_ok_and(|head| head.is_floating_point());
    if whole && crate::cache::blake3_of(copy).is_ok_and(|found| found == expected.trim()) {
        return true;
    }
    tracing::warn!(copy = %copy.display(), "the F16 copy was changed or damaged; making it again");
    false
}

/// Makes the copy unless it is there and matches its checksum. It appears under its name only when complete.
pub(super) fn make(source: &Path, copy: &Path) -> Result<(), ModelError> {
    if is_sound(copy) {
        return Ok(());
    }
    let failed = |reason: String| ModelError::Copy { path: source.into(), copy: copy.into(), reason };
    let folder = copy.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder).map_err(|error| failed(error.to_string()))?;
    remove_leftovers(folder);
    // The process id: two programs that start together must not write into one file.
    let partial = copy.with_extension(format!("{}.partial", std::process::id()));
    let result = quantize(source, &partial).and_then(|()| {
        // llama.cpp does not look whether its writes succeed; a full disk shows only here.
        let head = GgufHead::read_file(&partial).map_err(|error| crate::error_chain(&error))?;
        if !head.is_floating_point() {
            return Err("llama.cpp left some tensors quantised".to_owned());
        }
        let finish = || {
            fs::File::open(&partial)?.sync_all()?;
            let checksum = checksum_path(&partial);
            fs::write(&checksum, crate::cache::blake3_of(&partial)?)?;
            fs::rename(&checksum, checksum_path(copy))?;
            fs::rename(&partial, copy)
        };
        finish().map_err(|error: std::io::Error| error.to_string())
    });
    result.map_err(|reason| {
        drop(fs::remove_file(&partial));
        drop(fs::remove_file(checksum_path(&partial)));
        failed(reason)
    })
}

/// Removes what programs left that were ended while they made a copy.
fn remove_leftovers(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for path in entries.flatten().map(|entry| entry.path()) {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let name = name.strip_suffix(".blake3").unwrap_or(&name);
        let process = name.strip_suffix(".partial").and_then(|name| name.rsplit_once('.')).map(|(_, id)| id.to_owned());
        let is_over = |id: &String| cfg!(target_os = "linux") && !Path::new("/proc").join(id).exists();
        if process.filter(|id| id.bytes().all(|b| b.is_ascii_digit())).as_ref().is_some_and(is_over) {
            drop(fs::remove_file(path));
        }
    }
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
