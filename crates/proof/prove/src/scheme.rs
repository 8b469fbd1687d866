//! Keys as TUF and in-toto documents list them: type, scheme and value become a key that can do one thing alone.

use aws_lc_rs::signature::{self, UnparsedPublicKey, VerificationAlgorithm};
use linkward_evidence::metadata::{ListedKey, unhex};
use linkward_model::Digest;

use crate::key::{Kind, P256, PublicKey};

/// A listed key that can be used.
#[derive(Clone, Debug)]
pub(crate) struct SchemeKey {
    pub(crate) key: PublicKey,
    scheme: Scheme,
}

#[derive(Clone, Copy)]
struct Scheme {
    algorithm: &'static dyn VerificationAlgorithm,
    name: &'static str,
}

impl std::fmt::Debug for Scheme {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

const fn scheme(name: &'static str, algorithm: &'static dyn VerificationAlgorithm) -> Scheme {
    Scheme { algorithm, name }
}

/// securesystemslib's schemes with the type of key that goes with each. The older spelling `ecdsa` names a curve only by the key.
const SCHEMES: &[(Kind, Scheme)] = &[
    (Kind::Rsa, scheme("rsassa-pss-sha256", &signature::RSA_PSS_2048_8192_SHA256)),
    (Kind::Rsa, scheme("rsassa-pss-sha384", &signature::RSA_PSS_2048_8192_SHA384)),
    (Kind::Rsa, scheme("rsassa-pss-sha512", &signature::RSA_PSS_2048_8192_SHA512)),
    (Kind::Rsa, scheme("rsa-pkcs1v15-sha256", &signature::RSA_PKCS1_2048_8192_SHA256)),
    (Kind::Rsa, scheme("rsa-pkcs1v15-sha384", &signature::RSA_PKCS1_2048_8192_SHA384)),
    (Kind::Rsa, scheme("rsa-pkcs1v15-sha512", &signature::RSA_PKCS1_2048_8192_SHA512)),
    (Kind::Ed25519, scheme("ed25519", &signature::ED25519)),
    (Kind::P256, scheme("ecdsa-sha2-nistp256", &signature::ECDSA_P256_SHA256_ASN1)),
    (Kind::P384, scheme("ecdsa-sha2-nistp384", &signature::ECDSA_P384_SHA384_ASN1)),
    (Kind::P521, scheme("ecdsa-sha2-nistp521", &signature::ECDSA_P521_SHA512_ASN1)),
    (Kind::P256, scheme("ecdsa", &signature::ECDSA_P256_SHA256_ASN1)),
    (Kind::P384, scheme("ecdsa", &signature::ECDSA_P384_SHA384_ASN1)),
    (Kind::P521, scheme("ecdsa", &signature::ECDSA_P521_SHA512_ASN1)),
];

impl SchemeKey {
    /// # Errors
    /// A sentence: the key cannot be read, or its scheme is not supported or is another type's.
    pub(crate) fn of(listed: &ListedKey) -> Result<Self, String> {
        let named = |what: &str| format!("key {}: {what}", short(&listed.id));
        let key = match unhex(&listed.public) {
            Some(raw) if raw.len() == 32 && listed.kind == "ed25519" => PublicKey::ed25519(&raw),
            // Sigstore's first roots have points of the curve.
            Some(point) if listed.kind == "ecdsa-sha2-nistp256" => PublicKey::ecdsa(P256, &point),
            _ => PublicKey::from_pem(&listed.public),
        };
        let key = key.map_err(|error| {
            let kind: String = listed.kind.escape_debug().take(32).collect();
            named(&format!("type `{kind}`: {error}"))
        })?;
        let known = SCHEMES.iter().find(|(kind, scheme)| *kind == key.kind() && scheme.name == listed.scheme);
        let Some((_, scheme)) = known else {
            let scheme: String = listed.scheme.escape_debug().take(32).collect();
            return Err(named(&format!("scheme `{scheme}` is not supported, or does not go with the key")));
        };
        Ok(Self { key, scheme: *scheme })
    }

    /// Which key it is, whatever it is called: one key under two ids is one signer.
    pub(crate) fn id(&self) -> Digest {
        self.key.id()
    }

    pub(crate) fn signed(&self, message: &[u8], sig: &[u8]) -> bool {
        UnparsedPublicKey::new(self.scheme.algorithm, self.key.raw()).verify(message, sig).is_ok()
    }
}

/// The first digits of a key id, as they name files of links.
pub(crate) fn short(id: &str) -> String {
    id.chars().take(8).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scheme_must_go_with_its_key() {
        let listed = |kind: &str, scheme: &str, public: &str| ListedKey {
            id: "00".repeat(32),
            kind: kind.to_owned(),
            scheme: scheme.to_owned(),
            public: public.to_owned(),
        };
        let key = "11".repeat(32);
        assert!(SchemeKey::of(&listed("ed25519", "ed25519", &key)).is_ok());
        for (kind, scheme, public) in [
            ("ed25519", "rsassa-pss-sha256", key.as_str()),
            ("ed25519", "", &key),
            ("ed25519", "ed25519", &key[2..]),
            ("rsa", "pgp+rsa-pkcsv1.5", ""),
            ("ecdsa", "ecdsa-sha2-nistp256", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"),
        ] {
            assert!(SchemeKey::of(&listed(kind, scheme, public)).is_err(), "{kind} {scheme}");
        }
    }
}
