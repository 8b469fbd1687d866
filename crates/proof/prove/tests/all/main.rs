//! Proofs against published conformance data.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod attacks;
mod bundles;
mod commits;
mod conformance;
mod formats;
mod instance;
mod mutate;
mod repairs;
mod tamper;
mod thresholds;
