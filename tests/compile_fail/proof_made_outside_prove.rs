//~ E0451
use linkward_model::{Digest, Identity, Instant};
use linkward_prove::Proven;

pub fn forge<T>(claim: T, roots: Digest, now: Instant) -> Proven<T> {
    Proven {
        claim,
        checks: Vec::new(),
        signer: Identity::Key { id: roots },
        proven_at: None,
        verified_at: now,
        roots,
        root_documents: Vec::new(),
        document: roots,
        key: None,
    }
}
