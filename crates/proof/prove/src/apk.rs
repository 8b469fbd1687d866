//! The proof of an Alpine package (apk, format 2): an RSA signature over the control stream, and that stream's digest of
//! the data. Signatures with SHA-1, which Alpine's own archive still has, are refused.

use linkward_evidence::apk::Package;
use linkward_model::{Check, Code, Digest, Identity, Instant};

use crate::key::{Kind, PublicKey};
use crate::proven::{Proven, Refusal};
use crate::rpm::Payload;

/// Largest beginning of a package that is read: signatures and control.
pub const MAX_APK_HEAD: usize = 32 << 20;

/// The checks, in order; those behind a failed one are listed as skipped.
const ORDER: &[&str] = &["package", "signature-present", "signature", "data"];

/// A package whose signer is proven.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedApk {
    name: String,
    version: String,
    architecture: String,
}

impl SignedApk {
    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn version(&self) -> &str {
        &self.version
    }

    pub fn architecture(&self) -> &str {
        &self.architecture
    }
}

/// Proves who signed a package, from its beginning (all of it, or the first [`MAX_APK_HEAD`] bytes) and its data.
///
/// # Errors
/// The first check that fails, with those before it.
pub fn apk(
    head: &[u8],
    data: &dyn Payload,
    keys: &[PublicKey],
    now: Instant,
) -> Result<Proven<SignedApk>, Box<Refusal>> {
    let mut checks = Vec::new();
    match run(head, data, keys, &mut checks) {
        Ok((claim, key, document)) => Ok(Proven {
            claim,
            checks,
            signer: Identity::Key { id: key.id() },
            proven_at: None,
            verified_at: now,
            roots: key.id(),
            root_documents: vec![key.id()],
            document,
            key: Some(key.spki().to_vec()),
        }),
        Err(fault) => Err(Refusal::after(checks, ORDER, fault, Digest::sha256(head), Vec::new())),
    }
}

fn run<'k>(
    head: &[u8],
    data: &dyn Payload,
    keys: &'k [PublicKey],
    checks: &mut Vec<Check>,
) -> Result<(SignedApk, &'k PublicKey, Digest), (Code, String)> {
    let mut passed = |detail: String| {
        let name = ORDER.get(checks.len()).copied().unwrap_or("data");
        checks.push(Check::passed(name, detail));
    };
    let package = Package::parse(head).map_err(|fault| (Code::ApkMalformed, fault.to_string()))?;
    let information = package.information;
    passed(format!(
        "{} {} {}",
        information.name.escape_debug(),
        information.version.escape_debug(),
        information.architecture.escape_debug()
    ));

    let strong: Vec<_> = package.signatures.iter().filter_map(|one| Some((one, one.hash?))).collect();
    if strong.is_empty() {
        return Err(match package.signatures.first() {
            None => (Code::ApkUnsigned, "it carries no signature".to_owned()),
            Some(one) => {
                (Code::ApkWeak, format!("its signature by `{}` is with SHA-1", one.key.escape_debug()))
            }
        });
    }
    passed(strong.iter().map(|(one, _)| one.key.escape_debug().to_string()).collect::<Vec<_>>().join(", "));

    let fits = |key: &&PublicKey| {
        key.kind() == Kind::Rsa
            && strong.iter().any(|(one, hash)| key.signed_with(*hash, package.control, &one.sig))
    };
    let Some(key) = keys.iter().find(fits) else {
        return Err((
            Code::KeyMismatch,
            format!("none of the {} keys signed its control stream", keys.len()),
        ));
    };
    passed(format!("by key {}", key.id().short()));

    let unproven = || {
        let why =
            "the control stream does not name the data by SHA-256: what would be installed is not signed"
                .to_owned();
        (Code::ApkDataUnproven, why)
    };
    let named = information.data.ok_or_else(unproven)?;
    let actual = data.sha256(package.data as u64).map_err(|why| (Code::ApkMalformed, why))?;
    if actual != named {
        return Err((Code::DigestMismatch, format!("the data is {actual}, and {named} was signed")));
    }
    passed(named.to_string());
    let claim = SignedApk {
        name: information.name,
        version: information.version,
        architecture: information.architecture,
    };
    Ok((claim, key, Digest::sha256(package.control)))
}
