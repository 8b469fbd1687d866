//! OpenPGP: commits and tags that git and gpg signed, and what an attacker makes of keys and signatures. What gpg cannot
//! be made to write is written here, with keys that we have.

mod forge;

use std::path::PathBuf;

use linkward_model::{Code, Instant, Outcome};
use linkward_prove::{AllowedSigners, Keyring, ObjectId, commit, tag};

use crate::commits::forge::{Kind, id_of};
use forge::{Pair, Sub};

/// 2026-01-03, a day after the signatures.
const NOW: Instant = Instant::from_seconds(1_767_398_400);
/// 2026-01-02, when they were made.
const SIGNED: u32 = 1_767_312_000;
/// 2026-01-01, when the keys were made.
const BORN: u32 = 1_767_225_600;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("testdata/openpgp")
}

fn read(name: &str) -> Vec<u8> {
    std::fs::read(folder().join(name)).unwrap()
}

fn signers(keyring: &[u8]) -> AllowedSigners {
    AllowedSigners::parse(b"").unwrap().with_keyring(Keyring::parse(keyring).unwrap())
}

fn id(name: &str) -> ObjectId {
    let ids = String::from_utf8(read("ids")).unwrap();
    let line = ids.lines().find(|line| line.starts_with(&format!("{name} "))).unwrap();
    line.split_once(' ').unwrap().1.parse().unwrap()
}

/// Whose commit it is by which kind of key, or the code of the refusal.
fn judge(name: &str, signers: &AllowedSigners) -> Result<(String, String), Code> {
    judge_bytes(&id(name), &read(&format!("{name}.commit")), signers)
}

fn judge_bytes(id: &ObjectId, bytes: &[u8], signers: &AllowedSigners) -> Result<(String, String), Code> {
    let outcome = commit(id, bytes, signers, NOW);
    let checks = match &outcome {
        Ok(proven) => proven.checks(),
        Err(refusal) => &refusal.checks,
    };
    assert_eq!(checks.len(), 8, "every check is listed: {checks:?}");
    let passed = checks.iter().take_while(|check| check.outcome == Outcome::Passed).count();
    assert_eq!(passed == 8, outcome.is_ok(), "{checks:?}");
    outcome
        .map(|proven| {
            let signed = proven.claim().signed();
            (signed.address().to_owned(), signed.key_type().to_owned())
        })
        .map_err(|refusal| refusal.code)
}

#[test]
fn what_git_and_gpg_signed_holds_or_is_refused_as_it_should() {
    for keyring in ["keyring.asc", "keyring.gpg"] {
        let signers = signers(&read(keyring));
        for (name, expected) in [
            ("rsa3072", Ok("openpgp-rsa")),
            ("ed25519", Ok("openpgp-ed25519")),
            ("nistp256", Ok("openpgp-p256")),
            ("nistp384", Ok("openpgp-p384")),
            ("nistp521", Ok("openpgp-p521")),
            ("subkey", Ok("openpgp-ed25519")),
            ("sha512", Ok("openpgp-ed25519")),
            ("before-expiry", Ok("openpgp-ed25519")),
            ("rsa1024", Err(Code::CommitSignatureWeak)),
            ("dsa2048", Err(Code::CommitSignatureWeak)),
            ("sha1", Err(Code::CommitSignatureWeak)),
            ("text", Err(Code::CommitSignatureInvalid)),
            ("revoked", Err(Code::CommitSignerExpired)),
            ("unlisted", Err(Code::CommitSignerUnknown)),
            ("other-address", Err(Code::CommitSignerMismatch)),
        ] {
            let found = judge(name, &signers).map(|(_, kind)| kind);
            assert_eq!(found.as_deref().map_err(|code| *code), expected, "{name}");
        }
    }
}

#[test]
fn tags_too_and_never_without_a_keyring() {
    let signers = signers(&read("keyring.asc"));
    let proven = tag(&id("tag"), &read("tag.tag"), &signers, NOW).unwrap();
    assert_eq!((proven.claim().name(), proven.claim().signed().address()), ("v1.0.0", "ed25519@example.com"));
    assert_eq!(proven.roots(), signers.digest());
    let none = AllowedSigners::parse(b"").unwrap();
    assert_ne!(none.digest(), signers.digest());
    assert_eq!(judge("ed25519", &none), Err(Code::CommitSignerUnknown));
}

#[test]
fn no_bit_of_what_is_signed_may_change() {
    let signers = signers(&read("keyring.asc"));
    let bytes = read("ed25519.commit");
    let text = String::from_utf8(bytes.clone()).unwrap();
    let (start, end) = (text.find("gpgsig").unwrap(), text.find(" -----END PGP").unwrap());
    for at in (0..start).chain(end + 40..bytes.len()) {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        // The id goes with the bytes, as for an attacker who rewrites history.
        let changed_id = id_of(Kind::Commit, 40, &changed);
        assert!(judge_bytes(&changed_id, &changed, &signers).is_err(), "byte {at}");
    }
}

#[test]
fn keyrings_are_read_whole_or_not_at_all() {
    let whole = read("keyring.gpg");
    assert_eq!(Keyring::parse(&whole).unwrap().len(), 12);
    for length in [0, 1, 10, whole.len() - 1] {
        assert!(Keyring::parse(&whole[..length]).is_err(), "{length}");
    }
    let text = String::from_utf8(read("keyring.asc")).unwrap();
    for bad in [
        text.replace("-----END", "-----FIN"),
        text.replace("PUBLIC KEY BLOCK", "PRIVATE KEY BLOCK"),
        format!("x\n{text}"),
        String::new(),
    ] {
        assert!(Keyring::parse(bad.as_bytes()).is_err());
    }
    let twice = format!("{text}\n{text}");
    assert_eq!(Keyring::parse(twice.as_bytes()).unwrap().len(), 24);
}

/// What is done to a sound key of the given version, and how a commit signed with it must end.
struct Case {
    name: &'static str,
    make: fn(&mut Sub),
    expected: Option<Code>,
}

const fn case(name: &'static str, make: fn(&mut Sub), expected: Option<Code>) -> Case {
    Case { name, make, expected }
}

const CASES: &[Case] = &[
    case("nothing", |_| (), None),
    case(
        "the key was revoked without a reason, later",
        |s| s.revoke_primary(None, SIGNED + 1000),
        Some(Code::CommitSignerExpired),
    ),
    case(
        "the key was stolen, which was noticed later",
        |s| s.revoke_primary(Some(2), SIGNED + 1000),
        Some(Code::CommitSignerExpired),
    ),
    case("the key was retired later", |s| s.revoke_primary(Some(3), SIGNED + 1000), None),
    case(
        "the key was retired before",
        |s| s.revoke_primary(Some(3), SIGNED - 1000),
        Some(Code::CommitSignerExpired),
    ),
    case("somebody else revoked the key", |s| s.revoke_by_stranger(), None),
    case("the subkey was revoked", |s| s.revoke_subkey(None, SIGNED + 1000), Some(Code::CommitSignerExpired)),
    case("the subkey was retired later", |s| s.revoke_subkey(Some(3), SIGNED + 1000), None),
    case("the name was revoked", |s| s.revoke_name(), Some(Code::CommitSignerMismatch)),
    case("the primary key has expired", |s| s.primary_expires = Some(1000), Some(Code::CommitSignerExpired)),
    case("the subkey has expired", |s| s.subkey_expires = Some(1000), Some(Code::CommitSignerExpired)),
    case("the subkey expires later", |s| s.subkey_expires = Some(86_400 * 30), None),
    case("the subkey is for encryption", |s| s.subkey_flags = Some(0x0c), Some(Code::CommitSignerExpired)),
    case(
        "the subkey does not say what it is for",
        |s| s.subkey_flags = None,
        Some(Code::CommitSignerExpired),
    ),
    case("the subkey does not vouch for the primary key", |s| s.back = None, Some(Code::CommitSignerExpired)),
    case(
        "another key vouches in the subkey's place",
        |s| s.back = Some(Pair::new(9, s.version, BORN)),
        Some(Code::CommitSignerExpired),
    ),
    case(
        "the primary key does not vouch for the subkey",
        |s| s.bound_by = Some(Pair::new(9, s.version, BORN)),
        Some(Code::CommitSignerExpired),
    ),
    case("the key vouches for itself with SHA-1", |s| s.self_hash = 2, Some(Code::CommitSignerExpired)),
    case(
        "the name is vouched for by somebody else",
        |s| s.named_by = Some(Pair::new(9, s.version, BORN)),
        Some(Code::CommitSignerExpired),
    ),
    case("the signature is of before the key", |s| s.signed = BORN - 1000, Some(Code::CommitSignerExpired)),
    case(
        "the signature is of tomorrow",
        |s| s.signed = SIGNED + 86_400 * 10,
        Some(Code::CommitSignerExpired),
    ),
    case("the signature has expired", |s| s.signature_expires = Some(10), Some(Code::CommitSignerExpired)),
    case(
        "something critical that is not understood",
        |s| s.extra = vec![0x80 | 60, 1],
        Some(Code::CommitSignatureUnsupported),
    ),
    case(
        "a notation that must be understood",
        |s| s.extra = vec![0x80 | 20, 0, 0, 0, 0, 0, 1, 0, 1, b'a', b'b'],
        Some(Code::CommitSignatureUnsupported),
    ),
    case("the same, not critical", |s| s.extra = vec![20, 0, 0, 0, 0, 0, 1, 0, 1, b'a', b'b'], None),
    case("two times", |s| s.extra = vec![2, 0x69, 0x57, 0, 0], Some(Code::CommitSignatureInvalid)),
    case("SHA-1", |s| s.hash = 2, Some(Code::CommitSignatureWeak)),
    case("MD5", |s| s.hash = 1, Some(Code::CommitSignatureWeak)),
    case("a hash that nobody knows", |s| s.hash = 77, Some(Code::CommitSignatureUnsupported)),
    case(
        "a certification passes for a document's signature",
        |s| s.kind = 0x10,
        Some(Code::CommitSignatureUnsupported),
    ),
    case("over other content", |s| s.content = Some(b"other".to_vec()), Some(Code::CommitSignatureInvalid)),
    case(
        "another key of the same issuer",
        |s| s.signed_by = Some(Pair::new(9, s.version, BORN)),
        Some(Code::CommitSignatureInvalid),
    ),
    case("the subkey stands under another's primary key too", |s| s.adopt(), None),
];

#[test]
fn every_case_ends_as_the_table_says_for_both_versions() {
    let mut wrong = Vec::new();
    for version in [4, 6] {
        for Case { name, make, expected } in CASES {
            let mut sub = Sub::new(version);
            make(&mut sub);
            let (keyring, bytes) = sub.write();
            let id = id_of(Kind::Commit, 40, &bytes);
            let found = judge_bytes(&id, &bytes, &signers(&keyring)).err();
            if found != *expected {
                wrong.push(format!("version {version}, {name}: {found:?}, not {expected:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_signature_of_one_version_is_not_by_a_key_of_another() {
    for (key, signature) in [(4, 6), (6, 4)] {
        let mut sub = Sub::new(key);
        sub.signature_version = signature;
        let (keyring, bytes) = sub.write();
        let id = id_of(Kind::Commit, 40, &bytes);
        assert_eq!(judge_bytes(&id, &bytes, &signers(&keyring)), Err(Code::CommitSignatureInvalid), "{key}");
    }
}

#[test]
fn a_key_that_was_flooded_with_others_signatures_stays_usable() {
    let mut sub = Sub::new(4);
    sub.flood();
    let (keyring, bytes) = sub.write();
    let id = id_of(Kind::Commit, 40, &bytes);
    assert!(judge_bytes(&id, &bytes, &signers(&keyring)).is_ok());
}
