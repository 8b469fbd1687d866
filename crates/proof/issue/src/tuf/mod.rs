//! The TUF repository of a private Sigstore: how clients learn of trust roots and of their rotation.
//!
//! Metadata names the trust root and the signing configuration by digest; a client that once had a root walks from
//! there to today's. Files appear in an order in which every moment is whole: what is named is there before it is named.

mod metadata;
mod repository;
#[cfg(test)]
mod tests;

pub(crate) use metadata::described;
pub use metadata::{Key, Role};
pub use repository::{Published, Repository, RepositoryError, Sign};
