//! Any bytes as an Alpine package: what nobody signed is not accepted, and what is refused has a reason.
#![no_main]

use libfuzzer_sys::fuzz_target;
use linkward_model::{Digest, Instant};
use linkward_prove::{Payload, PublicKey, apk};

const KEY: &str = include_str!("../../crates/proof/prove/testdata/apk/key.rsa.pub");

struct Bytes<'a>(&'a [u8]);

impl Payload for Bytes<'_> {
    fn sha256(&self, from: u64) -> Result<Digest, String> {
        let rest = usize::try_from(from).ok().and_then(|from| self.0.get(from..));
        rest.map(Digest::sha256).ok_or_else(|| "cut off".to_owned())
    }
}

fuzz_target!(|bytes: &[u8]| {
    let Ok(key) = PublicKey::from_pem(KEY) else { return };
    // A seed may be a package of the corpus: what is accepted names it.
    match apk(bytes, &Bytes(bytes), &[key], Instant::from_seconds(1_800_000_000)) {
        Ok(proven) => assert_eq!(proven.claim().name(), "sample"),
        Err(refusal) => assert!(!refusal.message.is_empty(), "refused without a reason"),
    }
});
