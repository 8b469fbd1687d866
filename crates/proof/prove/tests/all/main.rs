//! Proofs against published conformance data.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod apk;
mod attacks;
mod bundles;
mod commits;
mod conformance;
mod formats;
mod forms;
mod hostile;
mod in_toto;
mod instance;
mod mutate;
mod notation;
mod openpgp;
mod release;
mod repairs;
mod rpm;
mod tamper;
mod thresholds;
mod trust;
mod x509;
