//! End to end: the real binary, as a person or an attacker would use it.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod admission;
mod chain;
mod commits;
mod compile_fail;
mod conformance;
mod console;
mod daemon;
mod detect;
mod gates;
mod golden;
mod monitor;
mod scan;
mod screens;
mod sigstore;
mod verify;
