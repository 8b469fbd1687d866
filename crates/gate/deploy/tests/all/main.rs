//! The gate against recorded verdicts of a real log.

#![allow(clippy::unwrap_used, reason = "a fixture that cannot be made fails its test")]

mod blackout;
mod cluster;
mod evasion;
mod fixture;
mod integrations;
mod ledger;
mod places;
mod revocation;
mod snapshot;
