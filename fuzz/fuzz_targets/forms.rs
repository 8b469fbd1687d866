//! Any bytes as evidence in each form, by the trust of the tests: nothing that was not signed is accepted.
#![no_main]

use libfuzzer_sys::fuzz_target;
use linkward_model::Instant;
use linkward_prove::{Folder, Form, FormTrust, evidence};

struct Nothing;

impl Folder for Nothing {
    fn read(&self, _: &str) -> Result<Option<Vec<u8>>, String> {
        Ok(None)
    }
}

fuzz_target!(|bytes: &[u8]| {
    let trust = FormTrust {
        notation_authorities: include_str!("../../crates/proof/prove/testdata/notation/root.pem").to_owned(),
        notation_identities: "*".to_owned(),
        layout_keys: include_str!("../../crates/proof/prove/testdata/in_toto/owner.pem").to_owned(),
        archive_keyring: include_bytes!("../../crates/proof/prove/testdata/openpgp/keyring.gpg").to_vec(),
        ..FormTrust::default()
    };
    let Some(form) = Form::of(bytes) else { return };
    let refused = evidence(form, bytes, &trust, &Nothing, Instant::from_seconds(1_800_000_000));
    assert!(
        refused.is_err_and(|refusal| !refusal.message.is_empty()),
        "accepted, or refused without a reason"
    );
});
