//! Alpine packages: signed as abuild-sign signs, and what an attacker makes of them.

use std::path::PathBuf;

use linkward_model::{Code, Digest, Instant, Outcome};
use linkward_prove::{Payload, PublicKey, apk};

fn read(name: &str) -> Vec<u8> {
    std::fs::read(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("testdata/apk").join(name)).unwrap()
}

fn key(name: &str) -> PublicKey {
    PublicKey::from_pem(&String::from_utf8(read(&format!("{name}.rsa.pub"))).unwrap()).unwrap()
}

struct Bytes<'a>(&'a [u8]);

impl Payload for Bytes<'_> {
    fn sha256(&self, from: u64) -> Result<Digest, String> {
        let rest = self.0.get(usize::try_from(from).unwrap()..).ok_or("cut off")?;
        Ok(Digest::sha256(rest))
    }
}

fn judge(bytes: &[u8], keys: &[PublicKey]) -> Result<String, Code> {
    let outcome = apk(bytes, &Bytes(bytes), keys, Instant::from_seconds(1_800_000_000));
    let checks = match &outcome {
        Ok(proven) => proven.checks(),
        Err(refusal) => &refusal.checks,
    };
    assert_eq!(checks.len(), 4, "{checks:?}");
    let passed = checks.iter().take_while(|check| check.outcome == Outcome::Passed).count();
    assert_eq!(passed == 4, outcome.is_ok(), "{checks:?}");
    outcome
        .map(|proven| format!("{} {}", proven.claim().name(), proven.claim().version()))
        .map_err(|refusal| refusal.code)
}

#[test]
fn signed_packages_hold_by_their_key_alone() {
    for name in ["rsa256.apk", "rsa512.apk"] {
        assert_eq!(judge(&read(name), &[key("other"), key("key")]), Ok("sample 1.2-r3".to_owned()), "{name}");
        assert_eq!(judge(&read(name), &[key("other")]), Err(Code::KeyMismatch), "{name}");
        assert_eq!(judge(&read(name), &[]), Err(Code::KeyMismatch), "{name}");
    }
    for (name, code) in [
        ("sha1.apk", Code::ApkWeak),
        ("unsigned.apk", Code::ApkUnsigned),
        ("no-data.apk", Code::ApkDataUnproven),
        ("make.sh", Code::ApkMalformed),
    ] {
        assert_eq!(judge(&read(name), &[key("key")]), Err(code), "{name}");
    }
}

/// Where each gzip stream begins.
fn streams(bytes: &[u8]) -> Vec<usize> {
    (0..bytes.len() - 4).filter(|at| bytes[*at..*at + 4] == [0x1f, 0x8b, 8, 0]).collect()
}

#[test]
fn nothing_of_control_and_data_may_change() {
    let bytes = read("rsa256.apk");
    let [_, control, data] = streams(&bytes)[..] else { panic!("three streams") };
    for at in control..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        let found = judge(&changed, &[key("key")]);
        assert!(found.is_err(), "byte {at}");
        if at >= data {
            assert_eq!(found, Err(Code::DigestMismatch), "byte {at}");
        }
    }
    for length in [0, 10, control, data, bytes.len() - 1] {
        assert!(judge(&bytes[..length], &[key("key")]).is_err(), "{length}");
    }
    // More data behind the data is other data.
    assert_eq!(
        judge(&[bytes.clone(), bytes[data..].to_vec()].concat(), &[key("key")]),
        Err(Code::DigestMismatch)
    );
    // Another package's data behind this one's signature and control.
    let other = read("no-data.apk");
    let swapped = [&bytes[..control], &other[streams(&other)[1]..]].concat();
    assert_eq!(judge(&swapped, &[key("key")]), Err(Code::KeyMismatch));
}
