//! Logs, blobs, the rebuildable index, and state.
//!
//! A synchronous core: callers block until their record is durable, one sequencer thread commits in groups.
//! Acknowledgement comes after data, tile and checkpoint were synced, in that order.

mod blobs;
pub mod fault;
mod files;
pub mod fixture;
mod index;
mod journal;
mod log;
pub mod seen;
mod sequencer;
pub mod state;
mod store;
mod verify;

pub use files::{Files, RealFiles};
pub use index::{Filter, Row};
pub use journal::{Decisions, Journal};
pub use log::{CheckpointSigner, LogError, SignError};
pub use sequencer::Included;
pub use store::{Settings, Store, StoreError};
pub use verify::{Damage, Progress, RebuildError, Verified, rebuild, verify};

/// What the `format` file of a home holds.
pub const FORMAT: &str = "linkward home 1\n";
