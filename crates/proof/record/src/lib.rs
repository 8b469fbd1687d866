//! Logs, blobs, the rebuildable index, and state.
//!
//! A synchronous core: callers block until their record is durable, one sequencer thread commits in groups.
//! Acknowledgement comes after data, tile and checkpoint were synced, in that order.

mod backup;
mod blobs;
pub mod fault;
mod files;
pub mod fixture;
mod index;
mod journal;
mod kept;
mod log;
mod lookup;
pub mod outbox;
mod retention;
mod samples;
pub mod seen;
mod sequencer;
pub mod state;
mod store;
mod verify;
mod witness;
mod witnesses;

pub use backup::rename_log;
pub use files::{Files, RealFiles};
pub use index::{Filter, Row};
pub use journal::{Decisions, Journal};
pub use kept::{Kept, NotKept};
pub use log::{CheckpointSigner, LogError, SignError};
pub use lookup::LookupFailure;
pub use retention::{Deleted, Due, Plan};
pub use sequencer::Included;
pub use store::{Settings, Store, StoreError};
pub use verify::{Damage, Progress, RebuildError, Rebuilt, Verified, rebuild, verify, verify_with};
pub use witness::{Heard, Witness, WitnessError};
pub use witnesses::{Asked, Standing, WitnessClient, Witnesses};

/// What the `format` file of a home holds.
pub const FORMAT: &str = "linkward home 1\n";
