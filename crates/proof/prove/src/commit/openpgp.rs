//! The OpenPGP half: a key of the keyring that vouches for a name with the committer's address.

use linkward_model::{Code, Instant};

use super::object::Ident;
use super::{AllowedSigners, SKEW, SignedBy};
use crate::key::PublicKey;
use crate::openpgp::{Keyring, Lack, Signature, Text};

pub(super) struct Judged<'a> {
    pub(super) armoured: &'a [u8],
    pub(super) payload: &'a [u8],
    pub(super) ident: &'a Ident,
    pub(super) signers: &'a AllowedSigners,
    pub(super) now: Instant,
}

impl Judged<'_> {
    /// The same checks as for SSH, in the same order.
    pub(super) fn run(
        &self,
        passed: &mut impl FnMut(String),
    ) -> Result<(SignedBy, PublicKey), (Code, String)> {
        let signature = Signature::armoured(self.armoured).map_err(refused)?;
        // RFC 9580, 5.2.1: git signs the bytes as they are; a signature over text would also be one over other bytes.
        match signature.text().map_err(refused)? {
            Text::Binary => {}
            Text::Canonical => {
                let why = "it is over a text, whose line ends and spaces could differ".to_owned();
                return Err((Code::CommitSignatureInvalid, why));
            }
        }
        passed("OpenPGP signature".to_owned());
        passed("over a binary document: OpenPGP has no namespaces".to_owned());
        let none = || (Code::CommitSignerUnknown, "no OpenPGP keys are listed".to_owned());
        let keyring: &Keyring = self.signers.keyring().ok_or_else(none)?;
        let usable = match keyring.verify(&signature, self.payload, self.now) {
            Ok(usable) => usable,
            // It holds: what is wrong is the key, and that is the last check.
            Err(Lack::NotValid(why)) => {
                passed("by a key of the keyring".to_owned());
                passed(format!("{}, as the signer says", signature.created));
                passed("the key is listed".to_owned());
                return Err((Code::CommitSignerExpired, why));
            }
            Err(lack) => return Err(refused(lack)),
        };
        let fingerprint = usable.fingerprint();
        passed(format!("{} {}", usable.key.kind(), usable.key.fingerprint()));
        let (now, time) = (self.now, self.ident.time);
        if time > now.plus_millis(SKEW) {
            return Err((Code::CommitTimeInFuture, format!("it says {time}, and now is {now}")));
        }
        passed(format!("{time}, as the signer says"));
        let address = self.ident.address.escape_debug();
        let name =
            usable.identity.iter().find(|name| address_of(name).is_some_and(|own| own == self.ident.address));
        let Some(name) = name else {
            let why = format!("key {fingerprint} vouches for no name with the address {address}");
            return Err((Code::CommitSignerMismatch, why));
        };
        passed(format!("key {}: {address} may sign with {fingerprint}", usable.place));
        passed(format!("neither expired nor revoked at {}", signature.created));
        let unusable =
            || (Code::CommitSignatureUnsupported, "the key has no SubjectPublicKeyInfo".to_owned());
        let public = usable.key.public_key().ok_or_else(unusable)?.clone();
        let signed = SignedBy {
            address: self.ident.address.clone(),
            principals: (*name).to_owned(),
            line: usable.place,
            key_type: usable.key.kind().to_owned(),
            fingerprint,
            time,
        };
        Ok((signed, public))
    }
}

fn refused(lack: Lack) -> (Code, String) {
    match lack {
        Lack::Malformed(why) => (Code::CommitSignatureInvalid, why),
        Lack::Weak(why) => (Code::CommitSignatureWeak, why),
        Lack::Unsupported(why) => (Code::CommitSignatureUnsupported, why),
        Lack::Mismatch => {
            (Code::CommitSignatureInvalid, "it was not made over this content by this key".to_owned())
        }
        Lack::UnknownKey(key) => (Code::CommitSignerUnknown, format!("{key} is not in the keyring")),
        Lack::NotValid(why) => (Code::CommitSignerExpired, why),
    }
}

/// `NAME <ADDRESS>`, or an address alone.
fn address_of(name: &str) -> Option<&str> {
    match name.strip_suffix('>') {
        Some(rest) => rest.rsplit_once('<').map(|(_, address)| address),
        None => (!name.contains(['<', ' '])).then_some(name),
    }
}
