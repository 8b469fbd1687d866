//! Signed commits and tags: what git and ssh-keygen made, and what an attacker makes of it. Every case also says what
//! `git verify-commit` does with it; where git accepts more, the case says so.

mod cases;
pub(crate) mod forge;
mod git;

use linkward_model::{Code, Instant, Outcome};
use linkward_prove::{AllowedSigners, ObjectId, commit, tag};

use cases::{Case, cases};
use forge::{Kind, fixture, id_of, listed};

/// 2026-01-02: a day after the fixtures were signed.
const NOW: Instant = Instant::from_seconds(1_767_312_000);

/// What the proof says: the principals and the line, or the code of the refusal.
fn outcome(
    kind: Kind,
    id: &ObjectId,
    bytes: &[u8],
    signers: &AllowedSigners,
) -> Result<(String, usize), Code> {
    let (checks, result) = match kind {
        Kind::Commit => match commit(id, bytes, signers, NOW) {
            Ok(proven) => {
                let signed = proven.claim().signed();
                let said = (signed.principals().to_owned(), signed.line());
                assert_eq!(proven.roots(), signers.digest());
                (proven.checks().to_vec(), Ok(said))
            }
            Err(refusal) => (refusal.checks.clone(), Err(refusal.code)),
        },
        Kind::Tag => match tag(id, bytes, signers, NOW) {
            Ok(proven) => {
                let signed = proven.claim().signed();
                (proven.checks().to_vec(), Ok((signed.principals().to_owned(), signed.line())))
            }
            Err(refusal) => (refusal.checks.clone(), Err(refusal.code)),
        },
    };
    assert_eq!(checks.len(), 8, "every check is listed, done or not: {checks:?}");
    let failed = checks.iter().filter(|check| matches!(check.outcome, Outcome::Failed { .. })).count();
    assert_eq!(failed, usize::from(result.is_err()), "{checks:?}");
    let passed = checks.iter().take_while(|check| check.outcome == Outcome::Passed).count();
    assert_eq!(passed == 8, result.is_ok(), "{checks:?}");
    result
}

fn judge(case: &Case) -> Result<(String, usize), Code> {
    judge_by(case, &AllowedSigners::parse(case.signers.as_bytes()).unwrap())
}

fn judge_by(case: &Case, signers: &AllowedSigners) -> Result<(String, usize), Code> {
    outcome(case.kind, &id_of(case.kind, case.format, &case.bytes), &case.bytes, signers)
}

#[test]
fn every_case_ends_as_the_table_says() {
    let mut wrong = Vec::new();
    for case in cases() {
        let found = judge(&case).err();
        if found != case.refused {
            wrong.push(format!("{}: {found:?}, not {:?}", case.name, case.refused));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn what_git_kept_has_the_id_that_git_gave_it() {
    let ids = std::fs::read_to_string(forge::folder().join("ids")).unwrap();
    let mut count = 0;
    for line in ids.lines() {
        let (name, id) = line.split_once(' ').unwrap();
        let (kind, bytes) = fixture(name);
        let id: ObjectId = id.parse().unwrap();
        let refusal = outcome(kind, &id, &bytes, &AllowedSigners::parse(listed().as_bytes()).unwrap());
        assert_ne!(refusal, Err(Code::CommitIdMismatch), "{name}");
        let other: ObjectId = "1".repeat(id.as_str().len()).parse().unwrap();
        let refusal = outcome(kind, &other, &bytes, &AllowedSigners::parse(listed().as_bytes()).unwrap());
        assert_eq!(refusal, Err(Code::CommitIdMismatch), "{name}");
        count += 1;
    }
    assert_eq!(count, 17);
    for bad in ["", "1234567", &"A".repeat(40), &"g".repeat(64), &"0".repeat(41)] {
        assert!(bad.parse::<ObjectId>().is_err(), "{bad}");
    }
}

#[test]
fn a_proof_says_who_when_and_what() {
    let signers = AllowedSigners::parse(listed().as_bytes()).unwrap();
    let (_, bytes) = fixture("mergetag");
    let proven = commit(&id_of(Kind::Commit, 40, &bytes), &bytes, &signers, NOW).unwrap();
    let commit = proven.claim();
    assert_eq!(commit.parents().len(), 2);
    assert_eq!(commit.tree().as_str(), "4b825dc642cb6eb9a060e54bf8d69288fbee4904");
    let signed = commit.signed();
    assert_eq!((signed.address(), signed.line()), ("ed25519@example.com", 1));
    assert_eq!(signed.time(), Instant::from_seconds(1_767_229_200));
    assert_eq!((signed.key_type(), signed.fingerprint().len()), ("ssh-ed25519", 50));
    assert_eq!(proven.proven_at(), None, "nobody but the signer vouches for the time");
    let (_, bytes) = fixture("tag");
    let proven = tag(&id_of(Kind::Tag, 40, &bytes), &bytes, &signers, NOW).unwrap();
    let tag = proven.claim();
    assert_eq!((tag.name(), tag.kind()), ("v1.0.0", "commit"));
}

/// Cuts every good object at every byte: never a panic, never a yes.
#[test]
fn nothing_truncated_is_accepted() {
    for case in cases().iter().filter(|case| case.refused.is_none()) {
        let signers = AllowedSigners::parse(case.signers.as_bytes()).unwrap();
        for length in 0..case.bytes.len() {
            let mut cut = case.clone();
            cut.bytes.truncate(length);
            assert!(judge_by(&cut, &signers).is_err(), "{} cut to {length} bytes", case.name);
        }
    }
}

/// Flips every bit, with the id made anew, so that the signature alone stands in the way.
#[test]
fn nothing_with_a_flipped_bit_is_accepted() {
    for name in ["ed25519", "ecdsa256", "ecdsa521", "encoding", "tag", "sha256", "tag-sha256"] {
        let case = cases().into_iter().find(|case| case.name == name).unwrap();
        let signers = AllowedSigners::parse(case.signers.as_bytes()).unwrap();
        let mut flipped = case.clone();
        for at in 0..case.bytes.len() {
            for bit in 0..8 {
                flipped.bytes[at] = case.bytes[at] ^ (1 << bit);
                assert!(judge_by(&flipped, &signers).is_err(), "{name}: bit {bit} of byte {at}");
            }
            flipped.bytes[at] = case.bytes[at];
        }
    }
}

#[test]
fn allowed_signers_survive_whatever_they_are_given() {
    let whole = cases().into_iter().map(|case| case.signers).collect::<String>();
    let (_, bytes) = fixture("ed25519");
    let id = id_of(Kind::Commit, 40, &bytes);
    for length in 0..whole.len().min(4000) {
        if let Ok(signers) = AllowedSigners::parse(&whole.as_bytes()[..length]) {
            let _ = outcome(Kind::Commit, &id, &bytes, &signers);
        }
    }
    assert!(AllowedSigners::parse(&[0xff, 0xfe]).is_err());
    assert!(AllowedSigners::parse(&vec![b'\n'; 5 << 20]).is_err());
}
