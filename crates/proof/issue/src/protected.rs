//! Private keys under a passphrase: PKCS#8 EncryptedPrivateKeyInfo (RFC 5958) with PBES2 (RFC 8018), scrypt (RFC 7914)
//! and AES-256-CBC, as openssl writes and reads it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, OnceLock, PoisonError};

use aws_lc_rs::cipher::{
    AES_256, DecryptionContext, EncryptionContext, PaddedBlockDecryptingKey, PaddedBlockEncryptingKey,
    UnboundCipherKey,
};
use linkward_model::Digest;
use yasna::models::ObjectIdentifier;

const PBES2: &[u64] = &[1, 2, 840, 113_549, 1, 5, 13];
const SCRYPT: &[u64] = &[1, 3, 6, 1, 4, 1, 11591, 4, 11];
const AES_256_CBC: &[u64] = &[2, 16, 840, 1, 101, 3, 4, 1, 42];
/// Cost of what we write, as OWASP's list has it. With a larger one OpenSSL's limit of 32 MiB would keep it from reading.
const N: u64 = 1 << 14;
const R: u64 = 8;
const P: u64 = 5;
/// Most memory that a key file may make us use.
const MAX_MEMORY: u64 = 256 << 20;
/// Opened keys that are remembered, so that each is derived once.
const MAX_OPENED: usize = 256;
pub(crate) const LABEL: &str = "ENCRYPTED PRIVATE KEY";

/// What opens encrypted keys.
#[derive(Clone)]
pub struct Passphrase(String);

impl Passphrase {
    pub fn new(text: String) -> Self {
        Self(text)
    }
}

impl std::fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Passphrase")
    }
}

/// Where a passphrase for this file comes from, or why there is none.
pub type PassphraseSource = fn(&Path) -> Result<Passphrase, String>;

static SOURCE: OnceLock<PassphraseSource> = OnceLock::new();
static GIVEN: Mutex<Option<Passphrase>> = Mutex::new(None);
static OPENED: Mutex<BTreeMap<Digest, Vec<u8>>> = Mutex::new(BTreeMap::new());

/// Says where passphrases come from; said once, by the program. It is asked at most once for all keys.
pub fn passphrases_from(source: PassphraseSource) {
    let _ = SOURCE.set(source);
}

/// Why a key was not opened or sealed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProtectedError {
    #[error("the key is encrypted, and there is no passphrase: {0}")]
    NoPassphrase(String),
    #[error("the passphrase is wrong, or the file is damaged")]
    Wrong,
    #[error("the key is encrypted in a way that is not read: use PBES2 with scrypt and AES-256-CBC")]
    Unsupported,
    #[error("the key's scrypt parameters ask for more than {} MiB", MAX_MEMORY >> 20)]
    Costly,
    #[error("the system gave no randomness")]
    Random,
}

pub(crate) fn passphrase(path: &Path) -> Result<Passphrase, ProtectedError> {
    let mut given = GIVEN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = given.as_ref() {
        return Ok(known.clone());
    }
    let source = SOURCE.get().ok_or_else(|| ProtectedError::NoPassphrase("none was set up".to_owned()))?;
    let fresh = source(path).map_err(ProtectedError::NoPassphrase)?;
    *given = Some(fresh.clone());
    Ok(fresh)
}

/// The key in the file's bytes, opened with the passphrase that the program has.
pub(crate) fn opened(sealed: &[u8], path: &Path) -> Result<Vec<u8>, ProtectedError> {
    let id = Digest::sha256(sealed);
    if let Some(known) = OPENED.lock().unwrap_or_else(PoisonError::into_inner).get(&id) {
        return Ok(known.clone());
    }
    let plain = open(sealed, &passphrase(path)?)?;
    let mut opened = OPENED.lock().unwrap_or_else(PoisonError::into_inner);
    if opened.len() >= MAX_OPENED {
        opened.pop_first();
    }
    opened.insert(id, plain.clone());
    Ok(plain)
}

/// What the file says of how it was sealed.
struct Parameters {
    salt: Vec<u8>,
    n: u64,
    r: u64,
    p: u64,
    iv: Vec<u8>,
    sealed: Vec<u8>,
}

fn derive(passphrase: &Passphrase, salt: &[u8], n: u64, r: u64, p: u64) -> Result<[u8; 32], ProtectedError> {
    let memory = n.checked_mul(r).and_then(|product| product.checked_mul(128));
    if memory.is_none_or(|memory| memory > MAX_MEMORY) || p > 16 {
        return Err(ProtectedError::Costly);
    }
    let (r, p) = (u32::try_from(r).unwrap_or(u32::MAX), u32::try_from(p).unwrap_or(u32::MAX));
    if !n.is_power_of_two() || n < 2 {
        return Err(ProtectedError::Unsupported);
    }
    let cost = u8::try_from(n.ilog2()).map_err(|_| ProtectedError::Costly)?;
    let parameters = scrypt::Params::new(cost, r, p, 32).map_err(|_| ProtectedError::Unsupported)?;
    let mut key = [0; 32];
    scrypt::scrypt(passphrase.0.as_bytes(), salt, &parameters, &mut key)
        .map_err(|_| ProtectedError::Unsupported)?;
    Ok(key)
}

/// PKCS#8 under a passphrase.
///
/// # Errors
/// The system gives no randomness.
pub fn seal(plain: &[u8], passphrase: &Passphrase) -> Result<Vec<u8>, ProtectedError> {
    let random = |bytes: &mut [u8]| aws_lc_rs::rand::fill(bytes).map_err(|_| ProtectedError::Random);
    let (mut salt, mut iv) = ([0; 16], [0; 16]);
    random(&mut salt)?;
    random(&mut iv)?;
    let key = derive(passphrase, &salt, N, R, P)?;
    let mut sealed = plain.to_vec();
    let cipher = UnboundCipherKey::new(&AES_256, &key)
        .and_then(PaddedBlockEncryptingKey::cbc_pkcs7)
        .map_err(|_| ProtectedError::Unsupported)?;
    cipher
        .less_safe_encrypt(&mut sealed, EncryptionContext::Iv128((&iv).into()))
        .map_err(|_| ProtectedError::Unsupported)?;
    let oid = ObjectIdentifier::from_slice;
    Ok(yasna::construct_der(|writer| {
        writer.write_sequence(|writer| {
            writer.next().write_sequence(|writer| {
                writer.next().write_oid(&oid(PBES2));
                writer.next().write_sequence(|writer| {
                    writer.next().write_sequence(|writer| {
                        writer.next().write_oid(&oid(SCRYPT));
                        writer.next().write_sequence(|writer| {
                            writer.next().write_bytes(&salt);
                            writer.next().write_u64(N);
                            writer.next().write_u64(R);
                            writer.next().write_u64(P);
                        });
                    });
                    writer.next().write_sequence(|writer| {
                        writer.next().write_oid(&oid(AES_256_CBC));
                        writer.next().write_bytes(&iv);
                    });
                });
            });
            writer.next().write_bytes(&sealed);
        });
    }))
}

/// The PKCS#8 within.
///
/// # Errors
/// Another scheme, too costly, or the passphrase does not fit.
pub fn open(sealed: &[u8], passphrase: &Passphrase) -> Result<Vec<u8>, ProtectedError> {
    let read = parameters(sealed).ok_or(ProtectedError::Unsupported)?;
    let key = derive(passphrase, &read.salt, read.n, read.r, read.p)?;
    let iv: [u8; 16] = read.iv.try_into().map_err(|_| ProtectedError::Unsupported)?;
    let cipher = UnboundCipherKey::new(&AES_256, &key)
        .and_then(PaddedBlockDecryptingKey::cbc_pkcs7)
        .map_err(|_| ProtectedError::Unsupported)?;
    let mut bytes = read.sealed;
    let plain = cipher
        .decrypt(&mut bytes, DecryptionContext::Iv128((&iv).into()))
        .map_err(|_| ProtectedError::Wrong)?;
    // The mode proves nothing: one wrong passphrase in 256 leaves a padding that looks right. A key is a SEQUENCE that
    // ends where the bytes do.
    yasna::parse_der(plain, |reader| reader.read_der()).map_err(|_| ProtectedError::Wrong)?;
    if plain.first() != Some(&0x30) {
        return Err(ProtectedError::Wrong);
    }
    Ok(plain.to_vec())
}

fn parameters(sealed: &[u8]) -> Option<Parameters> {
    let expect = |found: ObjectIdentifier, arc: &[u64]| {
        if found.components().as_slice() == arc {
            Ok(())
        } else {
            Err(yasna::ASN1Error::new(yasna::ASN1ErrorKind::Invalid))
        }
    };
    yasna::parse_der(sealed, |reader| {
        reader.read_sequence(|reader| {
            let (salt, n, r, p, iv) = reader.next().read_sequence(|reader| {
                expect(reader.next().read_oid()?, PBES2)?;
                reader.next().read_sequence(|reader| {
                    let (salt, n, r, p) = reader.next().read_sequence(|reader| {
                        expect(reader.next().read_oid()?, SCRYPT)?;
                        reader.next().read_sequence(|reader| {
                            let salt = reader.next().read_bytes()?;
                            let n = reader.next().read_u64()?;
                            let (r, p) = (reader.next().read_u64()?, reader.next().read_u64()?);
                            // The key's length, where it stands, is that of the cipher.
                            reader.read_optional(|length| length.read_u64())?;
                            Ok((salt, n, r, p))
                        })
                    })?;
                    let iv = reader.next().read_sequence(|reader| {
                        expect(reader.next().read_oid()?, AES_256_CBC)?;
                        reader.next().read_bytes()
                    })?;
                    Ok((salt, n, r, p, iv))
                })
            })?;
            Ok(Parameters { salt, n, r, p, iv, sealed: reader.next().read_bytes()? })
        })
    })
    .ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    fn pass(text: &str) -> Passphrase {
        Passphrase::new(text.to_owned())
    }

    fn key() -> Vec<u8> {
        let random = aws_lc_rs::rand::SystemRandom::new();
        aws_lc_rs::signature::Ed25519KeyPair::generate_pkcs8v1(&random).unwrap().as_ref().to_vec()
    }

    #[test]
    fn what_was_sealed_opens_with_its_passphrase_alone() {
        let key = key();
        let sealed = seal(&key, &pass("correct")).unwrap();
        assert_eq!(open(&sealed, &pass("correct")).unwrap(), key);
        assert_ne!(seal(&key, &pass("correct")).unwrap(), sealed, "salted");
        for wrong in 0..8 {
            assert_eq!(open(&sealed, &pass(&format!("wrong {wrong}"))), Err(ProtectedError::Wrong));
        }
        for length in [0, 10, sealed.len() - 1] {
            assert!(open(&sealed[..length], &pass("correct")).is_err(), "{length}");
        }
    }

    #[test]
    fn a_file_cannot_ask_for_all_memory() {
        for (n, r, p) in
            [(1 << 30, 8, 1), (1 << 14, 1 << 20, 1), (1 << 14, 8, 1 << 20), (u64::MAX, u64::MAX, 1)]
        {
            assert_eq!(derive(&pass("x"), b"salt", n, r, p), Err(ProtectedError::Costly), "{n} {r} {p}");
        }
        for n in [0, 1, 3, 1000] {
            assert_eq!(derive(&pass("x"), b"salt", n, 8, 1), Err(ProtectedError::Unsupported), "{n}");
        }
    }

    #[test]
    fn openssl_reads_ours_and_we_read_its() {
        let scratch = linkward_testkit::scratch();
        let path = |name: &str| scratch.path().join(name);
        let plain = key();
        let sealed = crate::keys::pem(LABEL, &seal(&plain, &pass("secret")).unwrap());
        std::fs::write(path("ours.pem"), sealed).unwrap();
        let openssl =
            |arguments: &[&str]| Command::new("openssl").args(arguments).current_dir(scratch.path()).output();
        let Ok(read) = openssl(&["pkey", "-in", "ours.pem", "-passin", "pass:secret", "-out", "plain.pem"])
        else {
            linkward_testkit::skipped("openssl is not installed");
            return;
        };
        assert!(read.status.success(), "{read:?}");
        let arguments =
            ["pkcs8", "-topk8", "-scrypt", "-in", "plain.pem", "-out", "its.pem", "-passout", "pass:other"];
        assert!(openssl(&arguments).unwrap().status.success());
        let text = std::fs::read_to_string(path("its.pem")).unwrap();
        let its = linkward_evidence::rekor::from_pem(&text).unwrap();
        let opened = open(&its, &pass("other")).unwrap();
        let text = std::fs::read_to_string(path("plain.pem")).unwrap();
        assert_eq!(opened, linkward_evidence::rekor::from_pem(&text).unwrap());
        let arguments = [
            "pkcs8",
            "-topk8",
            "-v2",
            "aes-128-cbc",
            "-in",
            "plain.pem",
            "-out",
            "weak.pem",
            "-passout",
            "pass:x",
        ];
        assert!(openssl(&arguments).unwrap().status.success());
        let text = std::fs::read_to_string(path("weak.pem")).unwrap();
        let weak = linkward_evidence::rekor::from_pem(&text).unwrap();
        assert_eq!(open(&weak, &pass("x")), Err(ProtectedError::Unsupported));
    }
}
