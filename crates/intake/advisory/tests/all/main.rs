//! Everything that is tested from outside, in one binary.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod damage;
mod database;
mod order;
mod real;
