//! Any bytes as a bundle against the production root. What is proven keeps its bytes: a document that differs in more
//! than white space from a bundle that somebody signed must not get here.
#![no_main]

use libfuzzer_sys::fuzz_target;
use linkward_model::{Digest, Instant};
use linkward_prove::{Artifact, Signer, TrustRoots, bundle};

fuzz_target!(|bytes: &[u8]| {
    let signer = Signer::LeftToPolicy { keyring: &[] };
    match bundle(bytes, &TrustRoots::production(), signer, Artifact::AnySubject, Instant::now()) {
        Ok(proven) => assert_eq!(proven.document(), Digest::sha256(bytes)),
        Err(refusal) => assert!(!refusal.message.is_empty(), "refused without a reason"),
    }
});
