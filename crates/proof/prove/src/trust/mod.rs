//! A TUF client for trust roots (specification 1.0, section 5): from a root that is trusted once, step by step to the file
//! that the repository means today.
//!
//! What an attacker may control is everything that the fetcher brings. Roots are followed one by one, each by the
//! threshold of the one before and its own. A delegated role is not followed: no instance of Sigstore keeps its trust
//! root under one.

mod role;
mod update;

use linkward_evidence::tuf::{Document, Role};
use linkward_model::{Code, Digest, Identity, Instant};

use crate::proven::{Proven, Refusal};
use role::Keys;

/// The checks, in order; those behind a failed one are listed as skipped.
const ORDER: &[&str] =
    &["pinned-root", "root-chain", "root-expiry", "timestamp", "snapshot", "targets", "target"];

/// Brings files of a repository. What it brings is believed in nothing.
pub trait Fetcher {
    /// `None` where the repository says that there is no such file.
    ///
    /// # Errors
    /// It could not be asked, or the file is longer than `limit`: a sentence. Never taken for absence: who cuts the
    /// line could otherwise freeze the client on an old root.
    fn fetch(&self, path: &str, limit: u64) -> Result<Option<Vec<u8>>, String>;
}

/// What a client keeps between updates. The root is what it was given; the rest is what it has seen, so that an older
/// state is noticed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    pub root: Vec<u8>,
    pub timestamp: Option<Vec<u8>>,
    pub snapshot: Option<Vec<u8>>,
    pub targets: Option<Vec<u8>>,
}

impl Kept {
    /// A client that knows a root and nothing else.
    pub fn pinned(root: &[u8]) -> Self {
        Self { root: root.to_vec(), timestamp: None, snapshot: None, targets: None }
    }
}

/// A file as the repository means it, and by which versions of its documents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedTarget {
    pub(crate) name: String,
    pub(crate) content: Vec<u8>,
    pub(crate) versions: Versions,
    /// When the first of the documents expires.
    pub(crate) expires: Instant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Versions {
    pub root: u64,
    pub timestamp: u64,
    pub snapshot: u64,
    pub targets: u64,
}

impl TrustedTarget {
    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn content(&self) -> &[u8] {
        &self.content
    }

    pub fn digest(&self) -> Digest {
        Digest::sha256(&self.content)
    }

    pub const fn versions(&self) -> Versions {
        self.versions
    }

    pub const fn expires(&self) -> Instant {
        self.expires
    }
}

/// What became of an update. What was verified before it failed is kept all the same: to forget a newer root because a
/// later file was missing would let an attacker undo a rotation.
#[derive(Debug)]
pub struct Update {
    pub kept: Kept,
    pub outcome: Result<Proven<TrustedTarget>, Box<Refusal>>,
}

/// Asks a repository for a file, by its documents.
pub fn update_trust(kept: &Kept, fetcher: &dyn Fetcher, target: &str, now: Instant) -> Update {
    let mut run = update::Run::new(kept.clone(), fetcher, now);
    let outcome = run.whole(target);
    finish(run, outcome, now)
}

/// Proves again what was kept, without asking anybody: a file on disk is not believed because it lies there.
///
/// How old it may be is the caller's to say: expiry is not looked at, because offline nothing newer could be had.
pub fn reopen_trust(kept: &Kept, target: &str, content: &[u8], now: Instant) -> Update {
    let mut run = update::Run::new(kept.clone(), &update::Nobody, now);
    let outcome = run.offline(target, content);
    finish(run, outcome, now)
}

/// Whether a root is the next of another, by the thresholds of both: for those who carry one over by hand.
///
/// # Errors
/// It is not.
pub fn next_root(kept: &Kept, root: &[u8], now: Instant) -> Result<Kept, (Code, String)> {
    let mut run = update::Run::new(kept.clone(), &update::Nobody, now);
    run.root()?;
    run.next(root)?;
    Ok(run.kept)
}

/// The version of a root, and SHA-256 of its bytes: what people compare over another line.
///
/// # Errors
/// It is not a root that holds by its own threshold.
pub fn root_version(root: &[u8]) -> Result<u64, (Code, String)> {
    let document = Document::root(root).map_err(|fault| (Code::TrustMetadataMalformed, fault.to_string()))?;
    Keys::of(&document.content, Role::Root)?.met(&document.message, &document.signatures, "itself")?;
    Ok(document.version)
}

fn finish(run: update::Run<'_>, outcome: Result<update::Found, (Code, String)>, now: Instant) -> Update {
    let update::Run { kept, checks, .. } = run;
    let document = Digest::sha256(&kept.root);
    let outcome = match outcome {
        Ok(found) => Ok(Proven {
            signer: Identity::Key { id: found.signer },
            claim: found.target,
            checks,
            proven_at: None,
            verified_at: now,
            roots: document,
            root_documents: vec![document],
            document: found.document,
            key: None,
        }),
        Err(fault) => Err(Refusal::after(checks, ORDER, fault, document, Vec::new())),
    };
    Update { kept, outcome }
}
