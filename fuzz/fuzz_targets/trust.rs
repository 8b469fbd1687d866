//! Any bytes as every file of a trust repository: nothing that nobody signed is accepted.
#![no_main]

use libfuzzer_sys::fuzz_target;
use linkward_model::Instant;
use linkward_prove::{Fetcher, Kept, root_version, update_trust};

const ROOT: &[u8] = include_bytes!("../../crates/proof/prove/testdata/tuf/1.root.json");

struct Same<'a>(&'a [u8]);

impl Fetcher for Same<'_> {
    fn fetch(&self, path: &str, _: u64) -> Result<Option<Vec<u8>>, String> {
        Ok((!path.ends_with("root.json")).then(|| self.0.to_vec()))
    }
}

fuzz_target!(|bytes: &[u8]| {
    let _ = root_version(bytes);
    let now = Instant::from_seconds(1_800_000_000);
    let update = update_trust(&Kept::pinned(ROOT), &Same(bytes), "trusted_root.json", now);
    match update.outcome {
        Ok(_) => panic!("accepted"),
        Err(refusal) => assert!(!refusal.message.is_empty(), "refused without a reason"),
    }
});
