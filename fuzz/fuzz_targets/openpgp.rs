//! Any bytes as a keyring, and as an InRelease: what nobody signed is not accepted, and what is refused has a reason.
#![no_main]

use libfuzzer_sys::fuzz_target;
use linkward_model::{Digest, Instant};
use linkward_prove::{Keyring, in_release};

const KEYS: &[u8] = include_bytes!("../../crates/proof/prove/testdata/openpgp/keyring.gpg");

fuzz_target!(|bytes: &[u8]| {
    let now = Instant::from_seconds(1_800_000_000);
    let known = Keyring::parse(KEYS).into_iter();
    for keyring in known.chain(Keyring::parse(bytes)) {
        match in_release(bytes, &keyring, &[Digest::sha256(b"fuzz")], now) {
            Ok(_) => panic!("accepted"),
            Err(refusal) => assert!(!refusal.message.is_empty(), "refused without a reason"),
        }
    }
});
