//! Any bytes as a Notary Project signature: without anybody to trust nothing is accepted, and what is refused has a reason.
#![no_main]

use libfuzzer_sys::fuzz_target;
use linkward_model::{Digest, Instant};
use linkward_prove::{NotationTrust, notation};

fuzz_target!(|bytes: &[u8]| {
    match notation(bytes, &NotationTrust::default(), &[Digest::sha256(b"foo")], Instant::from_seconds(1_800_000_000)) {
        Ok(_) => panic!("accepted"),
        Err(refusal) => assert!(!refusal.message.is_empty(), "refused without a reason"),
    }
});
