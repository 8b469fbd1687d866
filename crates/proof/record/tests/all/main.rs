//! Tests of the record as a whole.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod append;
mod damage;
mod faults;
mod kept;
mod lookups;
mod record;
mod retention;
mod witnessed;
