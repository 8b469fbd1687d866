//! Signed RPM packages: what rpmsign made, and what an attacker makes of it.

use std::path::PathBuf;

use linkward_model::{Code, Digest, Instant, Outcome};
use linkward_prove::{Keyring, Payload, rpm};

/// 2026-01-03
const NOW: Instant = Instant::from_seconds(1_767_398_400);

fn read(name: &str) -> Vec<u8> {
    std::fs::read(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("testdata/rpm").join(name)).unwrap()
}

struct Bytes<'a>(&'a [u8]);

impl Payload for Bytes<'_> {
    fn sha256(&self, from: u64) -> Result<Digest, String> {
        let rest = self.0.get(usize::try_from(from).unwrap()..).ok_or("cut off")?;
        Ok(Digest::sha256(rest))
    }
}

fn judge(bytes: &[u8]) -> Result<String, Code> {
    judge_by(bytes, &Keyring::parse(&read("keyring.asc")).unwrap())
}

fn judge_by(bytes: &[u8], keyring: &Keyring) -> Result<String, Code> {
    let outcome = rpm(bytes, &Bytes(bytes), keyring, NOW);
    let checks = match &outcome {
        Ok(proven) => proven.checks(),
        Err(refusal) => &refusal.checks,
    };
    assert_eq!(checks.len(), 5, "{checks:?}");
    let passed = checks.iter().take_while(|check| check.outcome == Outcome::Passed).count();
    assert_eq!(passed == 5, outcome.is_ok(), "{checks:?}");
    let name = |claim: &linkward_prove::SignedPackage| {
        format!("{} {} {}", claim.name(), claim.version(), claim.architecture())
    };
    outcome.map(|proven| name(proven.claim())).map_err(|refusal| refusal.code)
}

#[test]
fn what_rpmsign_made_holds() {
    for name in ["rsa3072.rpm", "ed25519.rpm"] {
        assert_eq!(judge(&read(name)), Ok("sample 1.2-3 noarch".to_owned()), "{name}");
        let others =
            std::fs::read(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("testdata/openpgp/keyring.asc"))
                .unwrap();
        assert_eq!(
            judge_by(&read(name), &Keyring::parse(&others).unwrap()),
            Err(Code::OpenpgpKeyUnknown),
            "{name}"
        );
    }
    assert_eq!(judge(&read("unsigned.rpm")), Err(Code::RpmUnsigned));
    assert_eq!(judge(b"PK\x03\x04"), Err(Code::RpmMalformed));
}

/// Where the main header begins, and where the payload.
fn places(bytes: &[u8]) -> (usize, usize) {
    let magic = [0x8e, 0xad, 0xe8, 0x01];
    let starts: Vec<_> = (96..bytes.len() - 4).filter(|at| bytes[*at..*at + 4] == magic).collect();
    let number = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
    let main = starts[1];
    (main, main + 16 + number(main + 8) * 16 + number(main + 12))
}

#[test]
fn no_bit_of_header_or_payload_may_change() {
    let bytes = read("ed25519.rpm");
    let (main, payload) = places(&bytes);
    for at in (main..bytes.len()).step_by(7) {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        let found = judge(&changed);
        assert!(found.is_err(), "byte {at}");
        if at >= payload {
            assert_eq!(found, Err(Code::DigestMismatch), "byte {at}");
        }
    }
    for length in [0, 50, 96, main, payload] {
        assert!(judge(&bytes[..length]).is_err(), "{length}");
    }
}

#[test]
fn what_is_added_behind_the_signed_region_is_refused() {
    let bytes = read("rsa3072.rpm");
    let (main, payload) = places(&bytes);
    let number = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap());
    let count = number(main + 8);
    // One more entry: a second name, pointing at the first byte of the store.
    let mut changed = bytes[..main + 8].to_vec();
    changed.extend((count + 1).to_be_bytes());
    changed.extend(&bytes[main + 12..main + 16 + count as usize * 16]);
    for word in [1000_u32, 6, 0, 1] {
        changed.extend(word.to_be_bytes());
    }
    changed.extend(&bytes[main + 16 + count as usize * 16..]);
    assert_eq!(judge(&changed), Err(Code::RpmMalformed));
    // More in the store than the region has.
    let length = number(main + 12);
    let mut changed = bytes[..main + 12].to_vec();
    changed.extend((length + 8).to_be_bytes());
    changed.extend(&bytes[main + 16..payload]);
    changed.extend([0; 8]);
    changed.extend(&bytes[payload..]);
    assert_eq!(judge(&changed), Err(Code::RpmMalformed));
}
