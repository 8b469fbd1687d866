//! Any bytes as an in-toto layout, and the same bytes as every link: nothing that nobody signed is accepted, and what is
//! refused has a reason.
#![no_main]

use std::collections::BTreeMap;

use libfuzzer_sys::fuzz_target;
use linkward_model::{Digest, Instant};
use linkward_prove::{Folder, Inspections, LayoutQuestion, PublicKey, layout};

const KEY: &str = include_str!("../../crates/proof/prove/testdata/in_toto/owner.pem");

struct Same<'a>(&'a [u8]);

impl Folder for Same<'_> {
    fn read(&self, _: &str) -> Result<Option<Vec<u8>>, String> {
        Ok(Some(self.0.to_vec()))
    }
}

fuzz_target!(|bytes: &[u8]| {
    let Ok(key) = PublicKey::from_pem(KEY) else { return };
    let outcome = layout(LayoutQuestion {
        layout: bytes,
        keys: &[key],
        links: &Same(bytes),
        parameters: &BTreeMap::new(),
        inspections: Inspections::Skipped,
        artifact: &[Digest::sha256(b"")],
        now: Instant::from_seconds(1_800_000_000),
    });
    match outcome {
        Ok(_) => panic!("accepted"),
        Err(refusal) => assert!(!refusal.message.is_empty(), "refused without a reason"),
    }
});
