//! Debian's InRelease: what gpg signed, and what a mirror makes of it.

use std::path::PathBuf;

use linkward_model::{Code, Digest, Instant, Outcome};
use linkward_prove::{Keyring, in_release};

/// 2026-01-03T12:00:00Z
const NOW: Instant = Instant::from_seconds(1_767_441_600);

fn read(name: &str) -> Vec<u8> {
    std::fs::read(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("testdata/openpgp").join(name)).unwrap()
}

fn judge(bytes: &[u8], artifact: &[u8], now: Instant) -> Result<String, Code> {
    let keyring = Keyring::parse(&read("keyring.asc")).unwrap();
    let outcome = in_release(bytes, &keyring, &[Digest::sha256(artifact)], now);
    let checks = match &outcome {
        Ok(proven) => proven.checks(),
        Err(refusal) => &refusal.checks,
    };
    assert_eq!(checks.len(), 6, "{checks:?}");
    let failed = checks.iter().filter(|check| matches!(check.outcome, Outcome::Failed { .. })).count();
    assert_eq!(failed, usize::from(outcome.is_err()));
    outcome.map(|proven| proven.claim().path().to_owned()).map_err(|refusal| refusal.code)
}

#[test]
fn what_gpg_signed_holds_or_is_refused_as_it_should() {
    for (name, artifact, now, expected) in [
        ("inrelease", &b"foo"[..], NOW, Ok("main/Packages")),
        ("inrelease", b"bar", NOW, Ok("main/Contents")),
        ("inrelease-two", b"foo", NOW, Ok("main/Packages")),
        ("inrelease", b"other", NOW, Err(Code::SubjectMissing)),
        ("inrelease-unlisted", b"foo", NOW, Err(Code::OpenpgpKeyUnknown)),
        ("inrelease-expired", b"foo", NOW, Err(Code::ReleaseExpired)),
        ("inrelease", b"foo", Instant::from_seconds(1_767_300_000), Err(Code::OpenpgpKeyNotValid)),
        // It holds, and is no Release file.
        ("clearsigned", b"foo", NOW, Err(Code::OpenpgpMalformed)),
    ] {
        let found = judge(&read(&format!("{name}.asc")), artifact, now);
        assert_eq!(found.as_deref().map_err(|code| *code), expected, "{name}");
    }
}

#[test]
fn nothing_stands_around_or_within_it_that_nobody_signed() {
    let text = String::from_utf8(read("inrelease.asc")).unwrap();
    let line = " 2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae 3 main/Packages\n";
    assert!(text.contains(line));
    for (name, changed, code) in [
        ("a digest", text.replace("2c26", "2c27"), Code::OpenpgpMismatch),
        ("a file less", text.replace(line, ""), Code::OpenpgpMismatch),
        ("a longer validity", text.replace("2040", "2041"), Code::OpenpgpMismatch),
        ("text before it", format!("Origin: Evil\n{text}"), Code::OpenpgpMalformed),
        ("text behind it", format!("{text}SHA256:\n"), Code::OpenpgpMalformed),
        (
            "text in its headers",
            text.replacen("Hash: SHA512", "Hash: SHA512\nOrigin: Evil", 1),
            Code::OpenpgpMalformed,
        ),
        (
            "a line that is not escaped",
            text.replacen("Origin: Example", "-Origin: Example", 1),
            Code::OpenpgpMalformed,
        ),
        (
            "no signature",
            text.split("\n-----BEGIN PGP SIG").next().unwrap().to_owned(),
            Code::OpenpgpMalformed,
        ),
        ("cut off", text[..text.len() - 60].to_owned(), Code::OpenpgpMalformed),
    ] {
        assert_ne!(changed, text, "{name}");
        assert_eq!(judge(changed.as_bytes(), b"foo", NOW), Err(code), "{name}");
    }
    // Line ends and spaces at the end of lines are not signed, and not read.
    let spaced = text.replacen("Suite: stable", "Suite: stable \t", 1).replace('\n', "\r\n");
    assert_eq!(judge(spaced.as_bytes(), b"foo", NOW), Ok("main/Packages".to_owned()));
}

#[test]
fn one_listed_key_is_enough_and_a_false_signature_of_a_listed_one_is_not_passed_over() {
    let two = String::from_utf8(read("inrelease-two.asc")).unwrap();
    // The second signature's key is not listed: the first still counts.
    let only = Keyring::parse(&read("keyring.gpg")).unwrap();
    assert!(in_release(two.as_bytes(), &only, &[Digest::sha256(b"foo")], NOW).is_ok());
    let other = String::from_utf8(read("clearsigned.asc")).unwrap();
    let block = |text: &str| {
        let start = text.find("-----BEGIN PGP SIGNATURE").unwrap();
        text[start..].to_owned()
    };
    // Ed25519's true signature of another text, beside nothing else.
    let swapped = two.replace(&block(&two), &block(&other));
    assert_eq!(judge(swapped.as_bytes(), b"foo", NOW), Err(Code::OpenpgpMismatch));
}

/// What Debian's own archive signed, where this machine has fetched it: as it was on the day that it states.
#[test]
fn debians_own_archive_holds_on_its_day() {
    let lists = std::fs::read_dir("/var/lib/apt/lists").into_iter().flatten().flatten();
    let mut found: Vec<_> = lists
        .map(|entry| entry.path())
        .filter(|path| {
            path.to_string_lossy().contains("debian.org") && path.to_string_lossy().ends_with("_InRelease")
        })
        .collect();
    found.sort();
    let keyring = std::fs::read("/usr/share/keyrings/debian-archive-keyring.gpg");
    let (Ok(keyring), false) = (keyring, found.is_empty()) else {
        linkward_testkit::skipped("no Debian archive was fetched on this machine");
        return;
    };
    let keyring = Keyring::parse(&keyring).unwrap();
    for path in found {
        let bytes = std::fs::read(&path).unwrap();
        let text = String::from_utf8(bytes.clone()).unwrap();
        let body =
            text.split_once("\n\n").unwrap().1.split("\n-----BEGIN PGP").next().unwrap().to_owned() + "\n";
        let release = linkward_evidence::release::Release::parse(&body).unwrap();
        let day = release.date.unwrap().plus_millis(3_600_000);
        let file = release.files.last().unwrap();
        let proven = in_release(&bytes, &keyring, &[file.digest], day);
        let proven = proven.unwrap_or_else(|refusal| panic!("{}: {:?}", path.display(), refusal.checks));
        assert!(proven.claim().release().files.len() > 100);
        let cut = text.replacen(&file.digest.hex(), &"0".repeat(file.digest.hex().len()), 1);
        let refused = in_release(cut.as_bytes(), &keyring, &[file.digest], day).unwrap_err();
        assert_eq!(refused.code, Code::OpenpgpMismatch);
    }
}
