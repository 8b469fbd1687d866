//! Signing configurations and unlogged signatures: no input may end in a panic, and what is read is written alike.
#![no_main]

use libfuzzer_sys::fuzz_target;
use linkward_issue::client::{SigningConfig, Unlogged};
use linkward_model::Instant;

fuzz_target!(|data: &[u8]| {
    if let Ok(config) = SigningConfig::parse(data) {
        let _ = config.choose(Instant::from_seconds(1_700_000_000), true);
    }
    if let Ok(unlogged) = Unlogged::parse(data) {
        let again = Unlogged::parse(unlogged.to_json().as_bytes());
        assert_eq!(again.ok(), Some(unlogged));
    }
});
