//! Kubernetes admission: decisions from recorded verdicts, out of memory, without a call to anybody.

mod decision;
mod gate;
mod image;
mod manifest;
mod review;

pub use decision::{BreakGlass, Decision, Unknown};
pub use gate::{Answer, Break, Gate, Mode, OnUnknown, Seen};
pub use image::{ImageError, ImageRef};
pub use manifest::{ManifestInput, manifest};
