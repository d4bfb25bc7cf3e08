//! Gives the store a version that changes with what it holds, with the belief engine's own: a hash of the source that resolves
//! records and learns from people.

#[path = "belief/source_hash.rs"]
mod source_hash;

use std::path::PathBuf;
use std::{env, io};

fn main() -> io::Result<()> {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").ok_or(io::ErrorKind::NotFound)?);
    let files = ["src/layout.rs", "src/observation.rs", "src/number.rs"].map(|file| root.join(file)).to_vec();
    let hash = source_hash::source_hash(&root, files, vec![root.join("src/population")])?;
    println!("cargo::rustc-env=CREDENCE_ENGINE_HASH={hash}");
    Ok(())
}
