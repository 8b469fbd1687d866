//! Allowed signers files, and commits proven against them.
#![no_main]

use libfuzzer_sys::fuzz_target;
use linkward_model::Instant;
use linkward_prove::{AllowedSigners, ObjectId, commit};

fuzz_target!(|input: (&[u8], &[u8])| {
    let (signers, object) = input;
    let Ok(signers) = AllowedSigners::parse(signers) else { return };
    let id: ObjectId = "0000000000000000000000000000000000000000".parse().expect("an id");
    assert!(commit(&id, object, &signers, Instant::now()).is_err(), "no bytes have this id");
});
