//! Any bytes as the CMS signature of a commit, and as the log's entry beside it: nothing is accepted, nothing panics.
#![no_main]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use libfuzzer_sys::fuzz_target;
use linkward_evidence::bundle::LogEntry;
use linkward_model::{Digest, Instant};
use linkward_prove::{AllowedSigners, CommitAuthorities, CommitIdentities, TrustRoots, commit};

const AUTHORITY: &[u8] = include_bytes!("../../crates/proof/prove/testdata/x509/ca.pem");
const TREE: &str = "4b825dc642cb6eb9a060e54bf8d69288fbee49044b825dc642cb6eb9a060e549";

fuzz_target!(|bytes: &[u8]| {
    let _ = LogEntry::from_protobuf(bytes);
    let _ = CommitAuthorities::parse(bytes);
    let identities = CommitIdentities::parse(b"* ** **").expect("a list");
    let signers = AllowedSigners::parse(b"")
        .expect("an empty list")
        .with_authorities(CommitAuthorities::parse(AUTHORITY).expect("an authority"))
        .with_identities(identities, TrustRoots::production());
    let object = format!(
        "tree {TREE}\nauthor T <own@example.com> 1767225600 +0000\ncommitter T <own@example.com> 1767225600 +0000\n\
         gpgsig-sha256 -----BEGIN SIGNED MESSAGE-----\n {}\n -----END SIGNED MESSAGE-----\n\nmessage\n",
        STANDARD.encode(bytes)
    );
    let whole = [format!("commit {}\0", object.len()).as_bytes(), object.as_bytes()].concat();
    let id = Digest::sha256(&whole).hex().parse().expect("an id");
    let refused = commit(&id, object.as_bytes(), &signers, Instant::from_seconds(1_800_000_000));
    assert!(refused.is_err_and(|refusal| !refusal.message.is_empty()), "accepted, or refused without a reason");
});
