//! Hands the engine's source hash to the code: what keeps beliefs by it forgets them when the engine changes.

mod source_hash;

use std::path::PathBuf;
use std::{env, io};

fn main() -> io::Result<()> {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").ok_or(io::ErrorKind::NotFound)?);
    let hash = source_hash::source_hash(&root, Vec::new(), vec![root.join("src")])?;
    println!("cargo::rustc-env=CREDENCE_BELIEF_SOURCE={hash}");
    Ok(())
}
