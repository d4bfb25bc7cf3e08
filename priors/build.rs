//! Tells the crate which vector instructions llama.cpp is compiled with, so that it can refuse to run without them.

/// Switch and what llama.cpp's CMake takes it to be when nobody sets it (for x86-64, without `GGML_NATIVE`).
const SWITCHES: &[(&str, bool)] = &[
    ("SSE42", true),
    ("AVX", true),
    ("AVX2", true),
    ("FMA", true),
    ("F16C", true),
    ("BMI2", true),
    ("AVX_VNNI", false),
    ("AVX512", false),
    ("AVX512_VBMI", false),
    ("AVX512_VNNI", false),
    ("AVX512_BF16", false),
    ("AMX_TILE", false),
    ("AMX_INT8", false),
    ("AMX_BF16", false),
];

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let x86 = std::env::var("CARGO_CFG_TARGET_ARCH").is_ok_and(|arch| arch == "x86_64");
    let mut instructions = Vec::new();
    for &(name, default) in SWITCHES {
        let variable = format!("GGML_{name}");
        println!("cargo:rerun-if-env-changed={variable}");
        let on = match std::env::var(&variable) {
            Ok(value) => matches!(value.to_uppercase().as_str(), "ON" | "1" | "TRUE" | "YES"),
            Err(_) => default,
        };
        if x86 && on {
            instructions.push(name);
        }
    }
    println!("cargo:rustc-env=CREDENCE_GGML_INSTRUCTIONS={}", instructions.join(","));
}
