//! The `credence` command.

#[allow(dead_code, unused_imports, reason = "until `credence session` sits people down")]
mod front;

fn main() {}
