//! The X.509 half: S/MIME certificates of listed authorities, and gitsign's certificates that live for one signature.
//!
//! What gitsign makes is a Sigstore bundle in another spelling: the signed attributes are the artifact, and the log's
//! entry stands beside the signature. It is proven as every bundle is, and that the attributes are of this very commit
//! is checked besides.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use linkward_evidence::bundle::{Bundle, Content, LogEntry, Material, Version};
use linkward_model::{Code, Digest, Identity, Instant};

use super::certificates::{CommitAuthorities, CommitIdentities};
use super::object::Ident;
use super::{AllowedSigners, Fault, SKEW, SignedBy};
use crate::bundle::{Artifact, Signer, parsed_bundle};
use crate::certificate::{Certificate, EMAIL_PROTECTION, PathError, path};
use crate::cms::{self, SignedData};
use crate::der;
use crate::key::Kind;

/// 1.3.6.1.4.1.57264.3.1: a log's entry, in protobuf's spelling.
const LOG_ENTRY: &[u8] = &[0x2b, 0x06, 0x01, 0x04, 0x01, 0x83, 0xbf, 0x30, 0x03, 0x01];
/// 1.2.840.113549.1.9.16.2.14: an RFC 3161 token over the signature.
const TIMESTAMP: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x10, 0x02, 0x0e];
/// 1.2.840.113549.1.9.5
const SIGNING_TIME: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x05];
const MAX_SIGNATURE: usize = 256 << 10;

pub(super) struct Judged<'a> {
    pub(super) armoured: &'a [u8],
    pub(super) payload: &'a [u8],
    pub(super) ident: &'a Ident,
    pub(super) signers: &'a AllowedSigners,
    pub(super) now: Instant,
}

/// Who signed, and what a log or a timestamp authority says of the time.
pub(super) struct Signed {
    pub(super) by: SignedBy,
    pub(super) signer: Identity,
    pub(super) spki: Option<Vec<u8>>,
    pub(super) proven_at: Option<Instant>,
}

impl Judged<'_> {
    /// The same checks as for SSH, in the same order.
    pub(super) fn run(&self, passed: &mut impl FnMut(String)) -> Result<Signed, Fault> {
        let der = dearmor(self.armoured).ok_or_else(|| invalid("it is no CMS message in PEM"))?;
        let data = SignedData::parse(&der)
            .ok_or_else(|| invalid("it is no CMS SignedData with signed attributes by one signer"))?;
        let leaf = data.certificate().ok_or_else(|| {
            let why =
                "the certificate that the signature names does not stand in it, or its key is not supported";
            (Code::CommitSignatureUnsupported, why.to_owned())
        })?;
        passed(format!("CMS signature by {}", describe(leaf)));
        if data.content_type != cms::DATA || data.content.is_some() {
            return Err(invalid("it is not a detached signature over data"));
        }
        passed("detached, over data: CMS has no namespaces".to_owned());
        let hash = data.signer.hash().ok_or_else(|| {
            (Code::CommitSignatureWeak, "its hash is none of SHA-256, SHA-384 and SHA-512".to_owned())
        })?;
        if !data.signer.is_over(cms::DATA, self.payload) {
            return Err(invalid("the signed attributes are of other content"));
        }
        let message = data.signer.message();
        let over = data.signer.signature_hash().unwrap_or(hash);
        if !leaf.key.signed_with(over, &message, data.signer.signature) {
            return Err(invalid("the signature does not match, or its algorithm is not supported"));
        }
        passed(format!("over the commit's {}, by the certificate's key", hash.name()));
        if leaf.oidc_issuer().is_some() {
            self.logged(&data, leaf, &message, passed)
        } else {
            self.mail(&data, leaf, passed)
        }
    }

    /// A certificate that names an OIDC issuer lives for minutes: only a log or a timestamp proves that it was used then.
    fn logged(
        &self,
        data: &SignedData<'_>,
        leaf: &Certificate,
        message: &[u8],
        passed: &mut impl FnMut(String),
    ) -> Result<Signed, Fault> {
        let none = || (Code::CommitSignerUnknown, "no commit identities are listed".to_owned());
        let (identities, roots) = self.signers.identities().ok_or_else(none)?;
        let bundle = bundle_of(data, leaf, message)?;
        if bundle.entries.is_empty() && bundle.timestamps.is_empty() {
            let why = "neither a log's entry nor a timestamp stands beside the signature".to_owned();
            return Err((Code::CommitUnlogged, why));
        }
        let signer = Signer::LeftToPolicy { keyring: &[] };
        let digest = Digest::sha256(data.signer.signature);
        let proven = parsed_bundle(&bundle, digest, roots, signer, Artifact::Bytes(message), self.now)
            .map_err(|refusal| (refusal.code, refusal.message.clone()))?;
        let (Identity::Certificate { subject, issuer }, Some(time)) = (&proven.signer, proven.proven_at)
        else {
            return Err((Code::CertificateMalformed, "the certificate names nobody".to_owned()));
        };
        passed(format!("{time}, as the log or a timestamp authority says"));
        let line = self.listed(identities, subject, issuer)?;
        let address = self.ident.address.escape_debug();
        passed(format!("line {line}: {address} may sign as {subject} (by {issuer})"));
        passed(format!("the certificate holds from {} to {}", leaf.not_before, leaf.not_after));
        let by = SignedBy {
            address: self.ident.address.clone(),
            principals: subject.clone(),
            line,
            key_type: "x509-sigstore".to_owned(),
            // Its key lives for one signature: what stays the same is the name.
            fingerprint: format!("{subject} (by {issuer})"),
            time,
        };
        Ok(Signed { by, signer: proven.signer.clone(), spki: None, proven_at: Some(time) })
    }

    fn listed(&self, identities: &CommitIdentities, subject: &str, issuer: &str) -> Result<usize, Fault> {
        let address = self.ident.address.as_str();
        let own: Vec<usize> = identities.of(subject, issuer).map(|identity| identity.line()).collect();
        let fits = identities.of(subject, issuer).find(|one| one.allows(subject, address));
        let said = || format!("{} (by {})", subject.escape_debug(), issuer.escape_debug());
        match fits {
            Some(identity) => Ok(identity.line()),
            None if own.is_empty() => {
                Err((Code::CommitSignerUnknown, format!("{} is not among the commit identities", said())))
            }
            None => {
                let lines: Vec<_> = own.iter().take(8).map(usize::to_string).collect();
                let (lines, address) = (lines.join(", "), address.escape_debug());
                let why = format!("{} is not listed for {address} (line {lines})", said());
                Err((Code::CommitSignerMismatch, why))
            }
        }
    }

    /// An S/MIME certificate counts for the addresses that its authority vouches for.
    fn mail(
        &self,
        data: &SignedData<'_>,
        leaf: &Certificate,
        passed: &mut impl FnMut(String),
    ) -> Result<Signed, Fault> {
        let none = || (Code::CommitSignerUnknown, "no certificate authorities are listed".to_owned());
        let authorities: &CommitAuthorities = self.signers.authorities().ok_or_else(none)?;
        let time = data.signer.attribute(SIGNING_TIME).and_then(|value| value.time());
        let time = time.unwrap_or(self.ident.time);
        for said in [time, self.ident.time] {
            if said > self.now.plus_millis(SKEW) {
                return Err((Code::CommitTimeInFuture, format!("it says {said}, and now is {}", self.now)));
            }
        }
        passed(format!("{time}, as the signer says"));
        let fingerprint: String = Digest::sha256(&leaf.der).hex().to_ascii_uppercase();
        let times = [time, self.ident.time];
        let mut expired = false;
        let mut found = None;
        for (place, authority) in authorities.roots() {
            match path(leaf, &data.certificates, authority, EMAIL_PROTECTION, &times) {
                Ok(_) => found = found.or(Some(place)),
                Err(PathError::Expired) => expired = true,
                Err(PathError::Untrusted) => {}
            }
        }
        if found.is_none() && !expired {
            let why = format!("{fingerprint} was not issued by a listed certificate authority");
            return Err((Code::CommitSignerUnknown, why));
        }
        leaf.signs_mail().map_err(|why| (Code::CertificateUsage, format!("the certificate: {why}")))?;
        let address = self.ident.address.as_str();
        if !leaf.addresses().iter().any(|name| name == address) {
            let why = format!("the certificate does not name {}", address.escape_debug());
            return Err((Code::CommitSignerMismatch, why));
        }
        passed(format!("the certificate names {}", address.escape_debug()));
        let Some(line) = found else {
            let (from, to) = (leaf.not_before, leaf.not_after);
            let why = format!("at {time} the certificate ({from} to {to}) or one above it was not valid");
            return Err((Code::CommitSignerExpired, why));
        };
        passed(format!("authority {line} issued it, and it holds at {time}"));
        let by = SignedBy {
            address: address.to_owned(),
            principals: address.to_owned(),
            line,
            key_type: format!("x509-{}", key_name(leaf)),
            fingerprint,
            time,
        };
        let signer = Identity::Key { id: leaf.key.id() };
        Ok(Signed { by, signer, spki: Some(leaf.key.spki().to_vec()), proven_at: None })
    }
}

fn invalid(why: &str) -> Fault {
    (Code::CommitSignatureInvalid, why.to_owned())
}

/// The one PEM block that is all there is; gpgsm's indefinite lengths become definite.
fn dearmor(armoured: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(armoured).ok().filter(|text| text.len() <= MAX_SIGNATURE)?;
    let inside = text.strip_prefix("-----BEGIN SIGNED MESSAGE-----\n")?;
    let (inside, after) = inside.split_once("-----END SIGNED MESSAGE-----")?;
    let body: String = inside.split_ascii_whitespace().collect();
    let bytes = STANDARD.decode(body).ok().filter(|_| after.trim().is_empty())?;
    der::definite(&bytes)
}

fn describe(leaf: &Certificate) -> String {
    match leaf.names().as_slice() {
        [] => "a certificate without a name".to_owned(),
        names => {
            names.iter().take(4).map(|name| name.escape_debug().to_string()).collect::<Vec<_>>().join(", ")
        }
    }
}

fn key_name(leaf: &Certificate) -> &'static str {
    match leaf.key.kind() {
        Kind::P256 => "ecdsa-p256",
        Kind::P384 => "ecdsa-p384",
        Kind::P521 => "ecdsa-p521",
        Kind::Ed25519 => "ed25519",
        Kind::Rsa => "rsa",
    }
}

/// The signature as a bundle: the log's entry is stored without its body, which follows from the signature.
fn bundle_of(data: &SignedData<'_>, leaf: &Certificate, message: &[u8]) -> Result<Bundle, Fault> {
    let octets = |name: &[u8]| {
        let value = data.signer.unsigned_attribute(name)?;
        (value.tag == der::OCTET_STRING).then_some(value.content)
    };
    let mut entries = Vec::new();
    if let Some(bytes) = octets(LOG_ENTRY) {
        let mut entry = LogEntry::from_protobuf(bytes)
            .map_err(|fault| (fault.code, format!("the log's entry: {fault}")))?;
        entry.body = body(leaf, &Digest::sha256(message), data.signer.signature);
        entries.push(entry);
    }
    let timestamps = data.signer.unsigned_attribute(TIMESTAMP).map(|token| {
        let granted = der::element(der::SEQUENCE, &der::integer(&[0]));
        der::element(der::SEQUENCE, &[&granted, token.raw].concat())
    });
    let between = data.certificates.iter().filter(|one| one.der != leaf.der && !one.is_self_issued());
    let certificates = std::iter::once(leaf).chain(between).map(|certificate| certificate.der.clone());
    Ok(Bundle {
        version: Version::V0_1,
        material: Material::Certificates(certificates.collect()),
        entries,
        timestamps: timestamps.into_iter().collect(),
        content: Content::Message {
            digest: Some(Digest::sha256(message)),
            signature: data.signer.signature.to_vec(),
        },
    })
}

/// The canonical body of a hashedrekord 0.0.1 (RFC 8785).
fn body(leaf: &Certificate, digest: &Digest, signature: &[u8]) -> Vec<u8> {
    let encoded = STANDARD.encode(&leaf.der);
    let mut pem = String::from("-----BEGIN CERTIFICATE-----\n");
    for line in encoded.as_bytes().chunks(64) {
        let _ = writeln!(pem, "{}", String::from_utf8_lossy(line));
    }
    pem.push_str("-----END CERTIFICATE-----\n");
    format!(
        r#"{{"apiVersion":"0.0.1","kind":"hashedrekord","spec":{{"data":{{"hash":{{"algorithm":"sha256","value":"{}"}}}},"signature":{{"content":"{}","publicKey":{{"content":"{}"}}}}}}}}"#,
        digest.hex(),
        STANDARD.encode(signature),
        STANDARD.encode(pem),
    )
    .into_bytes()
}
