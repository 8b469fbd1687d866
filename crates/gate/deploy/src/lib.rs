//! The deploy gate: decisions from recorded verdicts, out of memory, without a call to anybody.
//!
//! The same decision is given to the Kubernetes API server, to containerd on a node, to a pipeline and to a controller
//! that rolls out step by step.

mod answer;
mod automatic;
mod break_glass;
mod carried;
mod cluster;
mod cold;
mod counters;
mod custom;
mod decision;
mod deployment;
mod feed;
mod gate;
mod gitops;
mod held;
mod image;
mod manifest;
mod node;
mod pin;
mod progressive;
mod proposal;
mod rebuild;
mod review;
mod roles;
mod settings;
mod snapshot;
mod static_manifest;
mod strike;
mod terraform_plan;

pub use answer::{Answer, Rollout};
pub use automatic::{Automatic, Hold, RollbackRecord};
pub use break_glass::{BreakGlass, GlassError, GlassRequest, Permit};
pub use carried::{Carried, CarriedError};
pub use cluster::{
    Change, ClusterError, ClusterKind, Happening, Observed, Page, State, Watched, change, observed,
};
pub use counters::Counters;
pub use custom::{CustomError, CustomImages};
pub use decision::{Basis, Decision, Unknown};
pub use deployment::{Candidate, Deployment, Event, History, Plan, Revision};
pub use feed::{FeedError, Head, Item, Message, Tail, gate_key};
pub use gate::{Break, Gate, Mode, Prepared, Seen};
pub use gitops::{GitopsError, repin};
pub use held::Held;
pub use image::{ImageError, ImageRef};
pub use manifest::{InCluster, ManifestInput, files, manifest, secret};
pub use node::{MAX_DESCRIPTOR, NodeError, NodeQuestion, node_reason};
pub use pin::{Pin, PinError, patch, pins};
pub use progressive::{
    ArgoQuestion, ErrorRates, FlaggerQuestion, argo, flagger_gate, flagger_rollback, word,
};
pub use proposal::{Proposal, ProposalError, Proposed, Signed};
pub use rebuild::{Built, RebuildItem, RebuildPlan};
pub use roles::roles;
pub use settings::{GlassKeys, OnTag, OnUnknown, Scope, Settings};
pub use snapshot::{Floor, Position, Snapshot, SnapshotError, SnapshotRecord, file as snapshot_file};
pub use static_manifest::static_files;
pub use terraform_plan::{PlanIssue, TerraformPlan};
