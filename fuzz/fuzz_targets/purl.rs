//! A purl that is read is written in one way, and read again as the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use linkward_model::Purl;

fuzz_target!(|text: &str| {
    if let Ok(purl) = text.parse::<Purl>() {
        let again: Purl = purl.to_string().parse().expect("what was written can be read");
        assert_eq!(again.to_string(), purl.to_string());
    }
});
