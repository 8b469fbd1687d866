//! Any bytes as evidence: read or refused with a place, never a panic; what is read as an SBOM can be written and read again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use linkward_evidence::{Claim, cyclonedx, parse};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(Claim::Sbom(sbom)) = parse(bytes) {
        assert!(parse(&cyclonedx::write(&sbom)).is_ok());
    }
});
