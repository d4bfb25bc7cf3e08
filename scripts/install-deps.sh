#!/bin/sh
# Installs what llama.cpp's build needs and is missing: cmake, a C++ compiler, clang and libclang; with "for-tests" also a browser
# with its driver and a NATS server, where the system's package manager has them. Does nothing where all is there.
set -eu

missing=""
need() { missing="$missing $1"; }
have_libclang() {
  [ -n "${LIBCLANG_PATH:-}" ] && return 0
  for f in /usr/lib/llvm-*/lib/libclang*.so* /usr/lib/*/libclang*.so* /usr/lib*/libclang*.so* /usr/local/lib/libclang*.so* \
           /Library/Developer/CommandLineTools/usr/lib/libclang.dylib; do
    [ -e "$f" ] && return 0
  done
  return 1
}

command -v cargo >/dev/null 2>&1 || { echo "cargo was not found: install Rust (rustup) first, then run this again" >&2; exit 1; }
command -v cmake >/dev/null 2>&1 || need cmake
command -v c++ >/dev/null 2>&1 || need g++
command -v clang >/dev/null 2>&1 || need clang
have_libclang || need libclang-dev
python3 -m pip --version >/dev/null 2>&1 || command -v pip3 >/dev/null 2>&1 || command -v pip >/dev/null 2>&1 || need python3-pip

if [ "$(id -u)" -eq 0 ]; then sudo=""; else sudo="sudo"; fi
has_browser() { apt-cache policy chromium-driver 2>/dev/null | grep -q 'Candidate: [0-9]'; }
if [ "${1:-}" = for-tests ] && ! command -v chromedriver >/dev/null 2>&1 && command -v apt-get >/dev/null 2>&1; then
  has_browser || $sudo apt-get update -q >/dev/null 2>&1 || true
  # Ubuntu's package of this name only points to a snap: there the tests of pages say SKIPPED.
  if has_browser && ! grep -qi '^ID=ubuntu' /etc/os-release; then missing="$missing chromium chromium-driver"; fi
fi
if [ "${1:-}" = for-tests ] && ! command -v nats-server >/dev/null 2>&1 && command -v apt-get >/dev/null 2>&1; then
  has_nats() { apt-cache policy nats-server 2>/dev/null | grep -q 'Candidate: [0-9]'; }
  has_nats || $sudo apt-get update -q >/dev/null 2>&1 || true
  if has_nats; then missing="$missing nats-server"; fi
fi

[ -z "$missing" ] && exit 0

if ! command -v apt-get >/dev/null 2>&1; then
  echo "these are missing:$missing" >&2
  echo "there is no apt here: install with your system's package manager cmake, a C++17 compiler, clang, libclang (with headers) and pip, then run this again" >&2
  exit 1
fi
if [ -n "$sudo" ] && ! command -v sudo >/dev/null 2>&1; then
  echo "not root and no sudo: ask an administrator to run: apt-get install -y$missing" >&2
  exit 1
fi
echo "installing:$missing"
# shellcheck disable=SC2086 -- a list of words on purpose
$sudo apt-get install -y $missing >/dev/null 2>&1 || { $sudo apt-get update -q && $sudo apt-get install -y $missing; }
