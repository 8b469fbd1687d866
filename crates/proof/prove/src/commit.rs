//! The proof of a signed commit or tag: who vouched for this source.
//!
//! A repository lets anybody write anybody's name into a commit. What counts is a signature by a key that the operator
//! lists for the address that the commit names: `git verify-commit` reports whose key it was, but does not compare that
//! with the committer. Here they must agree, so that a colleague's key cannot sign in another's name.
//!
//! OpenPGP keys count the same way, for the addresses in the names that they vouch for: whoever puts a key into the
//! keyring accepts its names.
//!
//! X.509 comes in two kinds: S/MIME certificates count for the addresses that a listed authority vouches for; gitsign's,
//! whose keys live for one signature, count for the names that are listed, where a log or a timestamp proves the time.
//!
//! Known gaps: the time is the signer's own word, so a stolen key that has expired can sign with an earlier date; lists
//! of revoked keys are not read; behind a SHA-1 id, the files are only as safe as git's detection of collisions.

mod certificates;
mod object;
mod openpgp;
mod signers;
mod ssh_key;
mod sshsig;
mod x509;

use linkward_model::{Check, Code, Digest, Identity, Instant};

use crate::key::PublicKey;
use crate::proven::{Proven, Refusal};
use object::{CommitObject, Ident, Malformed, Signed, TagObject};
use signers::Listed;
use sshsig::{Fault, NAMESPACE, SshSignature};

pub use certificates::{CommitAuthorities, CommitIdentities, CommitListError};
pub use object::{ObjectId, ObjectIdError};
pub use signers::{AllowedSigners, AllowedSignersError, SignersLine};

/// Larger commits and tags are refused unread.
const MAX_OBJECT: usize = 4 << 20;
/// How far a committer's clock may be ahead.
const SKEW: i64 = 5 * 60 * 1000;

/// The checks, in order; those behind a failed one are listed as skipped.
const ORDER: &[&str] = &[
    "object-id",
    "object-shape",
    "signature-format",
    "signature-namespace",
    "signature",
    "signing-time",
    "signer",
    "signer-validity",
];

/// A commit whose signer is proven.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    id: ObjectId,
    tree: ObjectId,
    parents: Vec<ObjectId>,
    signed: SignedBy,
}

impl Commit {
    pub fn id(&self) -> &ObjectId {
        &self.id
    }

    /// The files: the signature covers their id.
    pub fn tree(&self) -> &ObjectId {
        &self.tree
    }

    /// What came before. That the signer saw these commits says nothing about who signed them.
    pub fn parents(&self) -> &[ObjectId] {
        &self.parents
    }

    pub fn signed(&self) -> &SignedBy {
        &self.signed
    }
}

/// A tag whose signer is proven.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tag {
    id: ObjectId,
    target: ObjectId,
    kind: String,
    name: String,
    signed: SignedBy,
}

impl Tag {
    pub fn id(&self) -> &ObjectId {
        &self.id
    }

    /// The object that the tag names.
    pub fn target(&self) -> &ObjectId {
        &self.target
    }

    /// The target's kind: `commit`, `tree`, `blob` or `tag`.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// The name that was signed. A reference can be called otherwise: compare, or an old release passes for a new one.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn signed(&self) -> &SignedBy {
        &self.signed
    }
}

/// Who signed, as the lists know them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedBy {
    address: String,
    principals: String,
    line: usize,
    key_type: String,
    fingerprint: String,
    time: Instant,
}

impl SignedBy {
    /// The committer's or tagger's address: one that the key is listed for. Personal data.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The principals of the line that allows it, as `git verify-commit` reports them. Personal data.
    pub fn principals(&self) -> &str {
        &self.principals
    }

    /// The line in the allowed signers file or among the commit identities, or the place of the key in the keyring or of
    /// the authority in its file, counted from one.
    pub fn line(&self) -> usize {
        self.line
    }

    /// `ssh-ed25519`, `sk-ssh-ed25519@openssh.com`, `openpgp-rsa`, `x509-rsa`, `x509-sigstore` and so on.
    pub fn key_type(&self) -> &str {
        &self.key_type
    }

    /// `SHA256:` and base64, as `ssh-keygen -l` prints it, the digits that `gpg --fingerprint` prints, SHA-256 of an S/MIME
    /// certificate, or name and issuer of a Sigstore certificate, whose key lives for one signature.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// When it was made: as the signer says, or for Sigstore's certificates as a log or a timestamp authority does.
    pub fn time(&self) -> Instant {
        self.time
    }
}

/// Proves who signed a commit, from its bytes as `git cat-file commit` prints them.
///
/// # Errors
/// The first check that fails, with those before it.
pub fn commit(
    id: &ObjectId,
    bytes: &[u8],
    signers: &AllowedSigners,
    now: Instant,
) -> Result<Proven<Commit>, Box<Refusal>> {
    let parsed = || {
        let object = CommitObject::parse(bytes, id.format())?;
        Ok(((object.tree, object.parents), object.committer, object.signed))
    };
    prove(Asked { id, kind: "commit", bytes, signers, now }, parsed, |(tree, parents), signed| Commit {
        id: id.clone(),
        tree,
        parents,
        signed,
    })
}

/// Proves who signed a tag, from its bytes as `git cat-file tag` prints them. A name that is no tag object (a lightweight
/// tag) cannot be signed.
///
/// # Errors
/// The first check that fails, with those before it.
pub fn tag(
    id: &ObjectId,
    bytes: &[u8],
    signers: &AllowedSigners,
    now: Instant,
) -> Result<Proven<Tag>, Box<Refusal>> {
    let parsed = || {
        let object = TagObject::parse(bytes, id.format())?;
        Ok(((object.target, object.kind, object.name), object.tagger, object.signed))
    };
    prove(Asked { id, kind: "tag", bytes, signers, now }, parsed, |(target, kind, name), signed| Tag {
        id: id.clone(),
        target,
        kind,
        name,
        signed,
    })
}

struct Asked<'a> {
    id: &'a ObjectId,
    kind: &'static str,
    bytes: &'a [u8],
    signers: &'a AllowedSigners,
    now: Instant,
}

struct Found<R> {
    rest: R,
    signed: SignedBy,
    signer: Identity,
    spki: Option<Vec<u8>>,
    proven_at: Option<Instant>,
}

impl<R> Found<R> {
    /// By a key that stays: nobody but the signer vouches for the time.
    fn by_key(rest: R, signed: SignedBy, key: &PublicKey) -> Self {
        let signer = Identity::Key { id: key.id() };
        Self { rest, signed, signer, spki: Some(key.spki().to_vec()), proven_at: None }
    }
}

fn prove<R, T>(
    asked: Asked<'_>,
    parse: impl FnOnce() -> Result<(R, Ident, Signed), Malformed>,
    make: impl FnOnce(R, SignedBy) -> T,
) -> Result<Proven<T>, Box<Refusal>> {
    let document = Digest::sha256(asked.bytes);
    let mut checks = Vec::new();
    match run(&asked, &mut checks, parse) {
        Ok(found) => Ok(Proven {
            claim: make(found.rest, found.signed),
            checks,
            signer: found.signer,
            proven_at: found.proven_at,
            verified_at: asked.now,
            roots: asked.signers.digest(),
            root_documents: vec![asked.signers.digest()],
            document,
            key: found.spki,
        }),
        Err(fault) => Err(Refusal::after(checks, ORDER, fault, document, Vec::new())),
    }
}

fn run<R>(
    asked: &Asked<'_>,
    checks: &mut Vec<Check>,
    parse: impl FnOnce() -> Result<(R, Ident, Signed), Malformed>,
) -> Result<Found<R>, Fault> {
    let Asked { id, kind, bytes, signers, now } = *asked;
    let mut passed = |detail: String| {
        let name = ORDER.get(checks.len()).copied().unwrap_or("signature");
        checks.push(Check::passed(name, detail));
    };
    if bytes.len() > MAX_OBJECT {
        return Err((Code::TooLarge, format!("the {kind} is larger than {MAX_OBJECT} bytes")));
    }
    let actual = ObjectId::of(id.format(), kind, bytes);
    if actual != *id {
        return Err((Code::CommitIdMismatch, format!("asked for {id}, the bytes are {actual}")));
    }
    passed(format!("{} {id}", id.format().name()));

    let (rest, ident, signed) = parse().map_err(|why| (Code::CommitMalformed, why))?;
    passed(format!("a {kind} by {}", ident.address.escape_debug()));

    let unsigned = || (Code::CommitUnsigned, format!("the {kind} carries no signature"));
    let armoured = signed.signature.ok_or_else(unsigned)?;
    if object::OPENPGP.iter().any(|begin| armoured.starts_with(begin)) {
        let judged =
            openpgp::Judged { armoured: &armoured, payload: &signed.payload, ident: &ident, signers, now };
        let (signed, key) = judged.run(&mut passed)?;
        return Ok(Found::by_key(rest, signed, &key));
    }
    if armoured.starts_with(object::X509) {
        let judged =
            x509::Judged { armoured: &armoured, payload: &signed.payload, ident: &ident, signers, now };
        let found = judged.run(&mut passed)?;
        let x509::Signed { by, signer, spki, proven_at } = found;
        return Ok(Found { rest, signed: by, signer, spki, proven_at });
    }
    let signature = SshSignature::parse(&armoured)?;
    let fingerprint = signature.key.fingerprint();
    passed(format!("SSH signature by {} {fingerprint}", signature.key.kind()));

    if signature.namespace != NAMESPACE {
        let other: String = signature.namespace.escape_debug().take(64).collect();
        let why = format!("it was made for namespace `{other}`, not `{NAMESPACE}`");
        return Err((Code::CommitSignatureInvalid, why));
    }
    passed(NAMESPACE.to_owned());

    passed(signature.verify(&signed.payload)?);

    if ident.time > now.plus_millis(SKEW) {
        return Err((Code::CommitTimeInFuture, format!("it says {}, and now is {now}", ident.time)));
    }
    passed(format!("{}, as the signer says", ident.time));

    let address = ident.address.escape_debug();
    let entry = match signers.look_up(&signature.key, &ident.address, NAMESPACE, ident.time) {
        Listed::Allowed(entry) => entry,
        Listed::Unknown => {
            let why = format!("{fingerprint} is not among the allowed signers");
            return Err((Code::CommitSignerUnknown, why));
        }
        Listed::Authority => {
            let why = format!("{fingerprint} is listed as a certificate authority, not as a signer");
            return Err((Code::CommitSignerCertificate, why));
        }
        Listed::Mismatch(lines) => {
            let lines: Vec<_> = lines.iter().take(8).map(usize::to_string).collect();
            let lines = lines.join(", ");
            let why = format!("{fingerprint} is not listed for {address} in `{NAMESPACE}` (line {lines})");
            return Err((Code::CommitSignerMismatch, why));
        }
        Listed::Expired(why) => {
            passed(format!("{address} may sign with {fingerprint}"));
            return Err((Code::CommitSignerExpired, why));
        }
    };
    passed(format!("line {}: {address} may sign with {fingerprint}", entry.line));
    passed(format!("line {} holds at {}", entry.line, ident.time));

    let unusable = || (Code::CommitSignatureUnsupported, "the key has no SubjectPublicKeyInfo".to_owned());
    let public = signature.key.public_key().ok_or_else(unusable)?;
    let signed = SignedBy {
        address: ident.address,
        principals: entry.principals.clone(),
        line: entry.line,
        key_type: signature.key.kind().to_owned(),
        fingerprint,
        time: ident.time,
    };
    Ok(Found::by_key(rest, signed, &public))
}
