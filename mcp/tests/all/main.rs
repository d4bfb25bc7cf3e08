//! The server with scripted clients: one program, since each links the whole protocol.

mod bad_input;
mod common;
mod elicitation;
mod http;
mod stdio;
mod tools;
