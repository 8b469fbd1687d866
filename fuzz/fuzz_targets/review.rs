//! Any bytes as an admission review: an answer, and never one that allows where nothing was decided and enforcing.
#![no_main]

use libfuzzer_sys::fuzz_target;
use linkward_decide::Outcome;
use linkward_deploy::{Gate, ImageRef, Mode, Settings};
use linkward_model::{Environment, Instant};

fuzz_target!(|bytes: &[u8]| {
    let gate = Gate::new(Settings::strict(Environment::default()));
    gate.switch(Mode::Enforce);
    let answer = gate.review("/validate", bytes, Instant::now());
    assert!(answer.decisions.iter().all(|decision| decision.outcome() != Outcome::Allow), "nothing was decided");
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = ImageRef::parse(text);
    }
});
