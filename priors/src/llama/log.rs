//! llama.cpp's own messages: to `tracing`, and the last errors kept, for they are the only reason it gives.

use std::ffi::{CStr, c_char, c_void};
use std::sync::{Mutex, Once, PoisonError};

/// Lines kept; one failure takes two or three.
const ERRORS_MAX: usize = 4;

static ERRORS: Mutex<Vec<String>> = Mutex::new(Vec::new());
static REDIRECT: Once = Once::new();

/// Sends everything llama.cpp says to `tracing`, target `llama.cpp`. Once for the process.
pub(super) fn redirect() {
    REDIRECT.call_once(|| {
        #[expect(unsafe_code, reason = "llama-cpp-2 can send logs to tracing but keeps no errors")]
        // SAFETY: `receive` has the signature asked for, outlives the process and keeps no pointer it is given.
        unsafe {
            llama_cpp_sys_2::llama_log_set(Some(receive), std::ptr::null_mut());
            llama_cpp_sys_2::ggml_log_set(Some(receive), std::ptr::null_mut());
        }
    });
}

/// Forgets the errors kept so far.
pub(super) fn forget_errors() {
    ERRORS.lock().unwrap_or_else(PoisonError::into_inner).clear();
}

/// The errors kept since they were last forgotten, or `otherwise`.
pub(super) fn errors_or(otherwise: &str) -> String {
    let errors = ERRORS.lock().unwrap_or_else(PoisonError::into_inner);
    if errors.is_empty() { otherwise.to_owned() } else { errors.join("; ") }
}

#[expect(unsafe_code, reason = "called by C")]
unsafe extern "C" fn receive(level: llama_cpp_sys_2::ggml_log_level, text: *const c_char, _: *mut c_void) {
    if text.is_null() {
        return;
    }
    #[expect(unsafe_code, reason = "C string")]
    // SAFETY: llama.cpp passes a string that ends in NUL and lives until we return.
    let text = unsafe { CStr::from_ptr(text) }.to_string_lossy();
    let text = text.trim();
    if text.is_empty() || text == "." {
        return;
    }
    match level {
        llama_cpp_sys_2::GGML_LOG_LEVEL_ERROR => {
            // Not an error to us: the caller turns it into one, or has reason to go on.
            tracing::warn!(target: "llama.cpp", "{text}");
            let mut errors = ERRORS.lock().unwrap_or_else(PoisonError::into_inner);
            if errors.len() < ERRORS_MAX {
                errors.push(text.to_owned());
            }
        }
        llama_cpp_sys_2::GGML_LOG_LEVEL_WARN => tracing::debug!(target: "llama.cpp", "{text}"),
        _ => tracing::trace!(target: "llama.cpp", "{text}"),
    }
}
