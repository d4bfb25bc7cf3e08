//! Whether this processor has the instructions llama.cpp was compiled with. Without this check an older machine ends
//! the program with SIGILL in the middle of the first prompt.

use crate::model::ModelError;

/// Instruction sets llama.cpp was compiled with, such as `AVX2`: set by `build.rs` from the `GGML_*` variables.
pub(crate) fn compiled_with() -> impl Iterator<Item = &'static str> {
    env!("CREDENCE_GGML_INSTRUCTIONS").split(',').filter(|name| !name.is_empty())
}

/// Checks that this processor can run the llama.cpp in this program.
///
/// # Errors
/// [`ModelError::Processor`] if instructions are missing.
pub(crate) fn check() -> Result<(), ModelError> {
    check_against(compiled_with(), has)
}

fn check_against<'a>(compiled: impl Iterator<Item = &'a str>, has: fn(&str) -> bool) -> Result<(), ModelError> {
    let compiled: Vec<String> = compiled.map(str::to_owned).collect();
    let missing: Vec<String> = compiled.iter().filter(|name| !has(name)).cloned().collect();
    if missing.is_empty() { Ok(()) } else { Err(ModelError::Processor { compiled, missing }) }
}

#[cfg(target_arch = "x86_64")]
fn has(name: &str) -> bool {
    match name {
        "SSE42" => is_x86_feature_detected!("sse4.2"),
        "AVX" => is_x86_feature_detected!("avx"),
        "AVX2" => is_x86_feature_detected!("avx2"),
        "FMA" => is_x86_feature_detected!("fma"),
        "F16C" => is_x86_feature_detected!("f16c"),
        "BMI2" => is_x86_feature_detected!("bmi2"),
        "AVX_VNNI" => is_x86_feature_detected!("avxvnni"),
        // ggml's AVX512 build assumes all of these.
        "AVX512" => {
            is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512cd")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512dq")
                && is_x86_feature_detected!("avx512vl")
        }
        "AVX512_VBMI" => is_x86_feature_detected!("avx512vbmi"),
        "AVX512_VNNI" => is_x86_feature_detected!("avx512vnni"),
        "AVX512_BF16" => is_x86_feature_detected!("avx512bf16"),
        // AMX and whatever comes: never switched on by our script, so a build that has it was made by hand.
        _ => false,
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn has(_: &str) -> bool {
    // Elsewhere llama-cpp-sys-2 compiles for the baseline of the target.
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_instructions_are_named() {
        let error = check_against(["AVX2", "AVX512"].into_iter(), |name| name == "AVX2").err();
        let message = error.map(|error| error.to_string()).unwrap_or_default();
        assert!(message.contains("AVX2, AVX512; this one lacks AVX512"), "{message}");
        assert!(message.contains("llama-settings.sh"), "{message}");
    }

    #[test]
    fn this_build_runs_here() {
        assert!(check().is_ok());
    }
}
