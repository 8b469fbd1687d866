//! The published cases of the standards that these types implement.
#![allow(clippy::unwrap_used, reason = "a test that meets the unexpected fails")]

mod purl;
