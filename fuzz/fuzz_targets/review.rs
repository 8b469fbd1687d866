//! Any bytes as an admission review: an answer, and never one that allows where nothing was decided and enforcing.
#![no_main]

use libfuzzer_sys::fuzz_target;
use linkward_deploy::{Gate, ImageRef, OnUnknown};
use linkward_model::{Environment, Instant};

fuzz_target!(|bytes: &[u8]| {
    let gate = Gate::new(Environment::default(), OnUnknown::Deny);
    let _ = gate.review(bytes, Instant::now());
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = ImageRef::parse(text);
    }
});
