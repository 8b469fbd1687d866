//! Rules against their cases, findings against shuffled time, incidents against the clock.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod cases;
mod order;
