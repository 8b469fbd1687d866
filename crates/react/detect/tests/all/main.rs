//! Rules against their cases, findings against shuffled time, incidents against the clock.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

#[path = "../../examples/benign/mod.rs"]
mod benign;
mod cases;
mod incidents;
mod kept;
mod order;
mod quiet;
mod sigma;
