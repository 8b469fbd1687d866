<<<<<<< HEAD
//! Formats: golden and malformed documents, published ones, and any bytes at all.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod any;
mod documents;
=======
//! The formats against published documents, valid and invalid.
#![allow(clippy::unwrap_used, reason = "a test that meets the unexpected fails")]

mod cyclonedx;
>>>>>>> 41b60bb (evidence: CycloneDX 1.0 to 1.7, JSON and XML)
