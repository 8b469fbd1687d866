//! What an API server shows of its workloads: read from lists and watches, folded into the deployment ledger.
//!
//! Nothing here speaks to anybody: whoever does hands over pages and lines as they come.

mod kind;
mod object;
mod stream;
mod watched;

pub use kind::ClusterKind;
pub use object::{ClusterError, Observed, Page, State, observed};
pub use stream::{Change, change};
pub use watched::{Happening, Watched};
