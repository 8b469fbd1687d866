//! OpenSSH's signature format (PROTOCOL.sshsig), from its armour to the signed bytes.
//!
//! The namespace stands inside what is signed: without it a signature over a file, or a login, could be passed off as one
//! over a commit.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use linkward_model::{Algorithm, Code, Digest};

use super::object::{SSH, X509};
use super::ssh_key::{KeyFault, SignatureFault, SshKey, Wire};

const MAGIC: &[u8] = b"SSHSIG";
const END: &[u8] = b"-----END SSH SIGNATURE-----\n";
/// RSA with 8192 bits makes some 3 kB.
const MAX_ARMOUR: usize = 64 << 10;
pub(super) const NAMESPACE: &str = "git";

/// Why a signature cannot be checked, or does not hold.
pub(super) type Fault = (Code, String);

/// A signature that was read: nothing is checked yet.
#[derive(Debug)]
pub(super) struct SshSignature {
    pub(super) key: SshKey,
    pub(super) namespace: String,
    hash: Algorithm,
    signature: Vec<u8>,
}

impl SshSignature {
    /// Reads the armoured form, to its last byte.
    pub(super) fn parse(armoured: &[u8]) -> Result<Self, Fault> {
        let invalid = |why: &str| (Code::CommitSignatureInvalid, why.to_owned());
        let unsupported = |why: String| (Code::CommitSignatureUnsupported, why);
        if armoured.starts_with(X509) {
            return Err(unsupported(
                "an X.509 signature (gitsign, S/MIME), which is not supported".to_owned(),
            ));
        }
        let rest = armoured.strip_prefix(SSH).and_then(|rest| rest.strip_prefix(b"\n"));
        let rest = rest.ok_or_else(|| invalid("it does not begin as an SSH signature"))?;
        if armoured.len() > MAX_ARMOUR {
            return Err(invalid("it is larger than 64 KiB"));
        }
        let body = rest.strip_suffix(END).ok_or_else(|| invalid("it does not end as an SSH signature"))?;
        // Other white space, and empty lines, nobody writes.
        let body: Vec<u8> = body.iter().copied().filter(|byte| *byte != b'\n').collect();
        let blob = STANDARD.decode(body).map_err(|_| invalid("it is not base64"))?;
        Self::parse_blob(&blob)
    }

    fn parse_blob(blob: &[u8]) -> Result<Self, Fault> {
        let invalid = |why: &str| (Code::CommitSignatureInvalid, why.to_owned());
        let unsupported = |why: String| (Code::CommitSignatureUnsupported, why);
        let cut = || invalid("it is cut off");
        let mut wire = Wire::new(blob);
        if wire.take(MAGIC.len()) != Some(MAGIC) {
            return Err(invalid("it does not begin with SSHSIG"));
        }
        let version = wire.u32().ok_or_else(cut)?;
        if version != 1 {
            return Err(unsupported(format!("version {version} of the SSH signature format")));
        }
        let key = wire.string().ok_or_else(cut)?;
        let namespace = wire.name().ok_or_else(cut)?.to_owned();
        let reserved = wire.string().ok_or_else(cut)?;
        let hash = wire.string().ok_or_else(cut)?;
        let signature = wire.string().ok_or_else(cut)?.to_vec();
        if !wire.is_empty() {
            return Err(invalid("bytes follow it"));
        }
        // To be ignored, says the format; but then bytes that nobody signed could differ unseen.
        if !reserved.is_empty() {
            return Err(unsupported("it uses the reserved field".to_owned()));
        }
        let hash = match hash {
            b"sha256" => Algorithm::Sha256,
            b"sha512" => Algorithm::Sha512,
            other => {
                let other = String::from_utf8_lossy(other).escape_debug().take(32).collect::<String>();
                return Err(unsupported(format!("hash function `{other}`")));
            }
        };
        let key = SshKey::parse(key).map_err(|fault| match fault {
            KeyFault::Malformed(why) => invalid(why),
            KeyFault::Weak(why) => (Code::CommitSignatureWeak, why),
            KeyFault::Unsupported(kind) => unsupported(format!("key of type {kind}")),
            KeyFault::Certificate(kind) => {
                (Code::CommitSignerCertificate, format!("signed with a certificate ({kind})"))
            }
        })?;
        Ok(Self { key, namespace, hash, signature })
    }

    /// Checks it over a message, and says which algorithm and hash were used.
    pub(super) fn verify(&self, message: &[u8]) -> Result<String, Fault> {
        let mut signed = MAGIC.to_vec();
        let digest = Digest::of(self.hash, message);
        let parts: [&[u8]; 4] =
            [self.namespace.as_bytes(), b"", self.hash.name().as_bytes(), digest.as_bytes()];
        for part in parts {
            let length = u32::try_from(part.len()).unwrap_or(u32::MAX);
            signed.extend(length.to_be_bytes());
            signed.extend_from_slice(part);
        }
        match self.key.verify(&signed, &self.signature) {
            Ok(algorithm) => Ok(format!("{algorithm} over {}", self.hash.name())),
            Err(SignatureFault::Malformed(why)) => Err((Code::CommitSignatureInvalid, why.to_owned())),
            Err(SignatureFault::Weak(why)) => Err((Code::CommitSignatureWeak, why.to_owned())),
            Err(SignatureFault::Unsupported(algorithm)) => {
                let why = format!("algorithm {algorithm} with a {} key", self.key.kind());
                Err((Code::CommitSignatureUnsupported, why))
            }
            Err(SignatureFault::NobodyPresent) => {
                let why = "the security key signed without a touch: nobody may have been there";
                Err((Code::CommitSignatureInvalid, why.to_owned()))
            }
            Err(SignatureFault::Mismatch) => {
                let why = format!("the signature of {} is not over this content", self.key.fingerprint());
                Err((Code::CommitSignatureInvalid, why))
            }
        }
    }
}
