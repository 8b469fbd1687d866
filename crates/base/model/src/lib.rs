//! Words of the field as types: digests, purls, identities, times, reason codes.
//!
//! Parse once at the edge; behind these types invalid values do not exist. No I/O, no async.

mod check;
mod code;
mod digest;
mod identity;
mod instant;
mod name;
mod outcome;
mod purl;

pub use check::{Check, Grade, Outcome};
pub use code::{Blame, Code};
pub use digest::{Algorithm, Digest, DigestError, DigestsStream, Sha256Stream};
pub use identity::Identity;
pub use instant::{Instant, InstantError};
pub use name::{Environment, NameError, Tenant};
pub use outcome::Exit;
pub use purl::{Parts, Purl, PurlError};
