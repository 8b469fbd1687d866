//! Formats: golden and malformed documents, published ones, and any bytes at all.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod any;
mod collections;
mod convert;
mod cyclonedx;
mod documents;
mod spdx;
mod vex;
