#!/bin/sh
# Writes .cargo/config.toml so that llama.cpp is compiled for the vector instructions this machine has, and no others,
# and without what is not used of it (scripts/llama.cmake).
# One file rather than exported variables: a plain `cargo build` then agrees with `make` and nothing is compiled twice.
# AMX stays off: quantised weights crashed in it. FILE is /proc/cpuinfo unless given (the tests give one).
set -eu
cpuinfo=${1:-/proc/cpuinfo}
out=${2:-.cargo/config.toml}
has() { grep -m1 '^flags' "$cpuinfo" 2>/dev/null | grep -qw "$1"; }
on_off() { if has "$1"; then echo ON; else echo OFF; fi; }
{
  echo '# Written by scripts/llama-settings.sh for this machine; not committed.'
  echo '[env]'
  echo 'CMAKE_PROJECT_INCLUDE = { value = "scripts/llama.cmake", relative = true }'
  if grep -q '^flags' "$cpuinfo" 2>/dev/null; then
    for pair in SSE42:sse4_2 AVX:avx AVX2:avx2 FMA:fma F16C:f16c BMI2:bmi2; do
      echo "GGML_${pair%%:*} = \"$(on_off "${pair#*:}")\""
    done
    # ggml's AVX512 build assumes all of F, CD, BW, DQ and VL.
    if has avx512f && has avx512cd && has avx512bw && has avx512dq && has avx512vl; then
      echo 'GGML_AVX512 = "ON"'
      for pair in AVX512_VBMI:avx512vbmi AVX512_VNNI:avx512_vnni AVX512_BF16:avx512_bf16; do
        echo "GGML_${pair%%:*} = \"$(on_off "${pair#*:}")\""
      done
    fi
  fi
} > "$out.tmp.$$"
if [ -f "$out" ] && cmp -s "$out" "$out.tmp.$$"; then rm "$out.tmp.$$"; else mv "$out.tmp.$$" "$out"; fi
