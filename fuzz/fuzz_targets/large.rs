//! Any bytes as a bundle that is read a piece at a time: it says what reading it whole says, or refuses more.
#![no_main]

use std::io::Cursor;

use libfuzzer_sys::fuzz_target;
use linkward_evidence::bundle::Bundle;
use linkward_evidence::large;
use linkward_model::Digest;

fuzz_target!(|bytes: &[u8]| {
    if let Ok((_, digest)) = large::read(&mut Cursor::new(bytes)) {
        assert_eq!(digest, Digest::sha256(bytes));
        assert!(Bundle::parse(bytes).is_ok(), "only the piecewise reader takes it");
    }
});
