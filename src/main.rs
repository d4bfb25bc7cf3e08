//! The `credence` command.
fn main() {}
