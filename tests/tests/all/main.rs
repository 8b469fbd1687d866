//! End to end: the real binary, as a person or an attacker would use it.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod admission;
mod advisories;
mod alerts;
mod attach;
mod backup;
mod chain;
mod cluster;
mod commits;
mod compile_fail;
mod conformance;
mod console;
mod daemon;
mod detect;
mod gates;
mod golden;
mod images;
mod kubernetes;
mod login;
mod lookups;
mod measures;
mod mirrors;
mod monitor;
mod offline;
mod pkcs11;
mod rebuild;
mod restart;
mod retention;
mod rollout;
mod run;
mod scan;
mod screens;
mod sigstore;
mod trust;
mod verify;
mod witness;
