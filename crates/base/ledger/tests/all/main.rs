//! The log's arithmetic against published vectors, against a log that another implementation wrote, and against itself.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod cosigned;
mod merkle;
mod tessera;
mod vectors;
