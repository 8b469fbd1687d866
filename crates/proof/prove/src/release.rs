//! The proof of Debian's InRelease: an archive's index, signed by a key that the operator lists, and not an old one.
//!
//! A mirror can hold an older InRelease back as long as its signature holds; `Valid-Until` is what ends that. Where an
//! archive states none, the check is listed as skipped.

use linkward_evidence::release::Release;
use linkward_model::{Check, Code, Digest, Identity, Instant};

use crate::openpgp::{Clearsigned, Keyring, Lack};
use crate::proven::{Proven, Refusal};

/// The checks, in order; those behind a failed one are listed as skipped.
const ORDER: &[&str] = &["document", "signature", "release", "date", "valid-until", "listed"];
/// How far the archive's clock may be ahead.
const SKEW: i64 = 5 * 60 * 1000;

/// An archive's index that a key of the keyring signed, and the file that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedRelease {
    release: Release,
    path: String,
    fingerprint: String,
}

impl SignedRelease {
    pub const fn release(&self) -> &Release {
        &self.release
    }

    /// Under which path the artifact is listed.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Of the primary key, as `gpg --fingerprint` prints it.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }
}

/// Proves that an artifact is one of an archive's files, by the archive's InRelease.
///
/// # Errors
/// The first check that fails, with those before it.
pub fn in_release(
    bytes: &[u8],
    keyring: &Keyring,
    artifact: &[Digest],
    now: Instant,
) -> Result<Proven<SignedRelease>, Box<Refusal>> {
    prove(bytes, keyring, Some(artifact), now)
}

/// As [`in_release`], of all the files that it lists; its path is the first one's.
pub(crate) fn any_of(
    bytes: &[u8],
    keyring: &Keyring,
    now: Instant,
) -> Result<Proven<SignedRelease>, Box<Refusal>> {
    prove(bytes, keyring, None, now)
}

fn prove(
    bytes: &[u8],
    keyring: &Keyring,
    artifact: Option<&[Digest]>,
    now: Instant,
) -> Result<Proven<SignedRelease>, Box<Refusal>> {
    let document = Digest::sha256(bytes);
    let mut checks = Vec::new();
    match run(bytes, keyring, artifact, now, &mut checks) {
        Ok((claim, key)) => Ok(Proven {
            claim,
            checks,
            signer: Identity::Key { id: key },
            proven_at: None,
            verified_at: now,
            roots: keyring.digest(),
            root_documents: vec![keyring.digest()],
            document,
            key: None,
        }),
        Err(fault) => {
            Err(Refusal::after(checks, ORDER, fault, document, artifact.unwrap_or_default().to_vec()))
        }
    }
}

fn run(
    bytes: &[u8],
    keyring: &Keyring,
    artifact: Option<&[Digest]>,
    now: Instant,
    checks: &mut Vec<Check>,
) -> Result<(SignedRelease, Digest), (Code, String)> {
    let signed = Clearsigned::parse(bytes).map_err(refused)?;
    checks.push(Check::passed("document", format!("{} signatures", signed.signatures.len())));

    // Archives sign with the keys of two releases; one that is listed is enough. What a listed key did not sign is not
    // made good by another's signature.
    let mut held = None;
    let mut closest: Option<Lack> = None;
    for signature in &signed.signatures {
        let outcome = signature.as_ref().map_err(Clone::clone);
        match outcome.and_then(|signature| keyring.verify(signature, &signed.canonical, now)) {
            Ok(usable) => {
                let key = usable.key.public_key().map(crate::PublicKey::id);
                held = held.or(key.map(|key| (usable.fingerprint(), key)));
            }
            Err(Lack::Mismatch) => return Err(refused(Lack::Mismatch)),
            // That a key is listed and lacks something says more than that another is not listed.
            Err(lack) if closest.is_none() || !matches!(lack, Lack::UnknownKey(_)) => closest = Some(lack),
            Err(_) => {}
        }
    }
    let none = || refused(closest.unwrap_or_else(|| Lack::Malformed("it has no signature".to_owned())));
    let (fingerprint, key) = held.ok_or_else(none)?;
    checks.push(Check::passed("signature", format!("by {fingerprint}")));

    let release =
        Release::parse(&signed.text).map_err(|fault| (Code::OpenpgpMalformed, fault.to_string()))?;
    let what =
        format!("{} {} ({}), {} files", release.origin, release.suite, release.codename, release.files.len());
    checks.push(Check::passed("release", what));

    match release.date {
        Some(date) if date > now.plus_millis(SKEW) => {
            return Err((Code::ReleaseNotYet, format!("it is of {date}, and now is {now}")));
        }
        Some(date) => checks.push(Check::passed("date", date.to_string())),
        None => checks.push(Check::skipped("date", "the archive states none")),
    }
    match release.valid_until {
        Some(end) if end <= now => {
            return Err((Code::ReleaseExpired, format!("it held until {end}, and now is {now}")));
        }
        Some(end) => checks.push(Check::passed("valid-until", end.to_string())),
        None => {
            checks.push(Check::skipped("valid-until", "the archive states none: an older one cannot be told"))
        }
    }
    let Some(file) =
        release.files.iter().find(|file| artifact.is_none_or(|artifact| artifact.contains(&file.digest)))
    else {
        return Err((Code::SubjectMissing, format!("it is not among the {} files", release.files.len())));
    };
    checks.push(Check::passed("listed", format!("{}, {} bytes", file.path.escape_debug(), file.size)));
    let path = file.path.clone();
    Ok((SignedRelease { release, path, fingerprint }, key))
}

fn refused(lack: Lack) -> (Code, String) {
    lack.code("this text")
}
