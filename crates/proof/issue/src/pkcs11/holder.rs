//! The process that loads a vendor's library: it finds one key, and signs digests with it until its input ends.

use std::io::{BufRead as _, Write as _};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::slot::{Slot, TokenInfo};
use cryptoki::types::AuthPin;
use linkward_model::{Algorithm, Code, Digest};

use super::{Answer, Ask, Pkcs11Error, Pkcs11Uri};

/// Answers what is asked on standard input, one line each.
///
/// # Errors
/// Standard input or output is gone.
pub fn serve() -> std::io::Result<()> {
    let mut opened = None;
    for line in std::io::stdin().lock().lines() {
        let answer = match serde_json::from_str(&line?) {
            Ok(Ask::Open { uri, pin }) => Opened::open(&uri, pin).map(|key| {
                let spki = STANDARD.encode(&key.spki);
                opened = Some(key);
                Answer::Key { spki }
            }),
            Ok(Ask::Sign { digest }) => match (&opened, digest.parse::<Digest>()) {
                (Some(key), Ok(digest)) => {
                    key.sign(&digest).map(|made| Answer::Signature { signature: STANDARD.encode(made) })
                }
                _ => Err(Pkcs11Error::new(Code::Pkcs11Module, "there is nothing to sign with, or to sign")),
            },
            Err(error) => Err(Pkcs11Error::new(Code::Pkcs11Module, error.to_string())),
        };
        let answer = answer.unwrap_or_else(|error| Answer::Refused {
            code: error.code.as_str().to_owned(),
            message: error.message,
        });
        let mut out = std::io::stdout().lock();
        serde_json::to_writer(&mut out, &answer)?;
        out.write_all(b"\n")?;
        out.flush()?;
    }
    Ok(())
}

struct Opened {
    session: Session,
    key: ObjectHandle,
    kind: KeyType,
    spki: Vec<u8>,
    // Behind the session, which ends first.
    _module: Pkcs11,
}

fn module_error(error: Error) -> Pkcs11Error {
    let code = match &error {
        Error::Pkcs11(RvError::PinIncorrect | RvError::PinLocked | RvError::PinExpired, _) => Code::Pkcs11Pin,
        Error::Pkcs11(RvError::UserNotLoggedIn, _) | Error::PinNotSet => Code::Pkcs11Pin,
        Error::Pkcs11(RvError::MechanismInvalid, _) | Error::NotSupported => Code::Pkcs11Unsupported,
        _ => Code::Pkcs11Module,
    };
    let hint = match &error {
        Error::Pkcs11(RvError::PinIncorrect, _) => ": it was tried once; tokens lock after a few",
        _ => "",
    };
    Pkcs11Error::new(code, format!("{error}{hint}"))
}

impl Opened {
    fn open(uri: &Pkcs11Uri, pin: Option<String>) -> Result<Self, Pkcs11Error> {
        let path = uri.module();
        let module = Pkcs11::new(path).map_err(|error| {
            Pkcs11Error::new(Code::Pkcs11Module, format!("{} is no module: {error}", path.display()))
        })?;
        module.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)).map_err(module_error)?;
        let (slot, info) = token(&module, uri)?;
        let session = module.open_ro_session(slot).map_err(module_error)?;
        if info.login_required() {
            log_in(&session, &info, pin)?;
        }
        let (key, kind) = private(&session, uri)?;
        let spki = match kind {
            KeyType::EC => ec_spki(&session, key)?,
            KeyType::RSA => rsa_spki(&session, key)?,
            other => {
                let message = format!("a key of type {other} signs no digests here: take EC or RSA");
                return Err(Pkcs11Error::new(Code::Pkcs11Unsupported, message));
            }
        };
        Ok(Self { session, key, kind, spki, _module: module })
    }

    fn sign(&self, digest: &Digest) -> Result<Vec<u8>, Pkcs11Error> {
        if self.kind == KeyType::EC {
            let raw =
                self.session.sign(&Mechanism::Ecdsa, self.key, digest.as_bytes()).map_err(module_error)?;
            return ecdsa_der(&raw)
                .ok_or_else(|| Pkcs11Error::new(Code::Pkcs11Module, "the token made no ECDSA signature"));
        }
        // PKCS#1 v1.5 signs the DigestInfo (RFC 8017, 9.2).
        let prefix: &[u8] = match digest.algorithm() {
            Algorithm::Sha256 => &[
                0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01,
                0x05, 0x00, 0x04, 0x20,
            ],
            other => {
                let message = format!("an RSA key signs SHA-256 here, not {}", other.name());
                return Err(Pkcs11Error::new(Code::Pkcs11Unsupported, message));
            }
        };
        let info = [prefix, digest.as_bytes()].concat();
        self.session.sign(&Mechanism::RsaPkcs, self.key, &info).map_err(module_error)
    }
}

/// The one token that fits.
fn token(module: &Pkcs11, uri: &Pkcs11Uri) -> Result<(Slot, TokenInfo), Pkcs11Error> {
    let mut found = Vec::new();
    let mut labels = Vec::new();
    for slot in module.get_slots_with_token().map_err(module_error)? {
        let info = module.get_token_info(slot).map_err(module_error)?;
        if !info.token_initialized() {
            continue;
        }
        let same = |wanted: &Option<String>, is: &str| wanted.as_deref().is_none_or(|wanted| wanted == is);
        let fits = same(&uri.token, info.label())
            && same(&uri.manufacturer, info.manufacturer_id())
            && same(&uri.model, info.model())
            && same(&uri.serial, info.serial_number())
            && uri.slot.is_none_or(|wanted| wanted == slot.id());
        labels.push(format!("`{}`", info.label()));
        if fits {
            found.push((slot, info));
        }
    }
    let listed = if labels.is_empty() { "none".to_owned() } else { labels.join(", ") };
    match found.len() {
        1 => found.pop().ok_or_else(|| Pkcs11Error::new(Code::Pkcs11TokenMissing, "no token")),
        0 => Err(Pkcs11Error::new(
            Code::Pkcs11TokenMissing,
            format!("no token of the module fits; its tokens: {listed}"),
        )),
        count => Err(Pkcs11Error::new(
            Code::Pkcs11TokenMissing,
            format!("{count} tokens fit; say which with token= or serial=: {listed}"),
        )),
    }
}

/// Once: a token that has counted enough wrong PINs locks itself.
fn log_in(session: &Session, info: &TokenInfo, pin: Option<String>) -> Result<(), Pkcs11Error> {
    if info.user_pin_locked() {
        return Err(Pkcs11Error::new(Code::Pkcs11Pin, "the token's PIN is locked"));
    }
    if pin.is_none() && !info.protected_authentication_path() {
        let message = format!(
            "the token wants a PIN: pin-source=FILE in the URI, or {} in the environment",
            super::PIN
        );
        return Err(Pkcs11Error::new(Code::Pkcs11Pin, message));
    }
    if pin.is_some() && info.user_pin_final_try() {
        let message = "one more wrong PIN locks the token: not tried. Log in by other means first";
        return Err(Pkcs11Error::new(Code::Pkcs11Pin, message));
    }
    let pin = pin.map(AuthPin::from);
    match session.login(UserType::User, pin.as_ref()) {
        Ok(()) | Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => Ok(()),
        Err(error) => Err(module_error(error)),
    }
}

/// The one private key that fits, and its type.
fn private(session: &Session, uri: &Pkcs11Uri) -> Result<(ObjectHandle, KeyType), Pkcs11Error> {
    let mut wanted = vec![Attribute::Class(ObjectClass::PRIVATE_KEY), Attribute::Sign(true)];
    wanted.extend(uri.object.iter().map(|label| Attribute::Label(label.clone().into_bytes())));
    wanted.extend(uri.id.iter().map(|id| Attribute::Id(id.clone())));
    let found = session.find_objects(&wanted).map_err(module_error)?;
    let [key] = found.as_slice() else {
        return Err(match found.len() {
            0 => {
                Pkcs11Error::new(Code::Pkcs11KeyMissing, "no private key for signatures fits object= and id=")
            }
            count => Pkcs11Error::new(
                Code::Pkcs11KeyAmbiguous,
                format!("{count} private keys fit; say which with object= or id="),
            ),
        });
    };
    let kind = session.get_attributes(*key, &[AttributeType::KeyType]).map_err(module_error)?;
    let kind =
        kind.into_iter().find_map(|one| if let Attribute::KeyType(kind) = one { Some(kind) } else { None });
    let kind =
        kind.ok_or_else(|| Pkcs11Error::new(Code::Pkcs11Unsupported, "the key does not say its type"))?;
    Ok((*key, kind))
}

/// The public half beside a private key: the object with the same identifier or label.
fn public(session: &Session, key: ObjectHandle) -> Result<ObjectHandle, Pkcs11Error> {
    let own =
        session.get_attributes(key, &[AttributeType::Id, AttributeType::Label]).map_err(module_error)?;
    let id = own.iter().find(|one| matches!(one, Attribute::Id(id) if !id.is_empty()));
    let by = id.or_else(|| own.iter().find(|one| matches!(one, Attribute::Label(_))));
    let missing = || {
        let message = "no public key object has the private key's id: import it beside the private key";
        Pkcs11Error::new(Code::Pkcs11KeyMissing, message)
    };
    let wanted = [Attribute::Class(ObjectClass::PUBLIC_KEY), by.cloned().ok_or_else(missing)?];
    let found = session.find_objects(&wanted).map_err(module_error)?;
    match found.as_slice() {
        [one] => Ok(*one),
        _ => Err(missing()),
    }
}

fn ec_spki(session: &Session, key: ObjectHandle) -> Result<Vec<u8>, Pkcs11Error> {
    let public = public(session, key)?;
    let read = session
        .get_attributes(public, &[AttributeType::EcParams, AttributeType::EcPoint])
        .map_err(module_error)?;
    let curve = read.iter().find_map(|one| if let Attribute::EcParams(der) = one { Some(der) } else { None });
    let point = read.iter().find_map(|one| if let Attribute::EcPoint(der) = one { Some(der) } else { None });
    let (Some(curve), Some(point)) = (curve, point) else {
        return Err(Pkcs11Error::new(
            Code::Pkcs11Unsupported,
            "the public key does not say its curve and point",
        ));
    };
    // An OCTET STRING around the point by the letter, the point itself with some tokens.
    let inner = match point.as_slice() {
        [0x04, length, rest @ ..] if usize::from(*length) == rest.len() => rest,
        [0x04, 0x81, length, rest @ ..] if usize::from(*length) == rest.len() => rest,
        whole => whole,
    };
    let algorithm = [&[0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01][..], curve].concat();
    Ok(spki(&algorithm, inner))
}

fn rsa_spki(session: &Session, key: ObjectHandle) -> Result<Vec<u8>, Pkcs11Error> {
    let wanted = [AttributeType::Modulus, AttributeType::PublicExponent];
    let read = session.get_attributes(key, &wanted).map_err(module_error)?;
    let modulus =
        read.iter().find_map(|one| if let Attribute::Modulus(bytes) = one { Some(bytes) } else { None });
    let exponent = read
        .iter()
        .find_map(|one| if let Attribute::PublicExponent(bytes) = one { Some(bytes) } else { None });
    let (Some(modulus), Some(exponent)) = (modulus, exponent) else {
        return Err(Pkcs11Error::new(
            Code::Pkcs11Unsupported,
            "the key does not say its modulus and exponent",
        ));
    };
    let numbers = [integer(modulus), integer(exponent)].concat();
    let algorithm = [0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00];
    Ok(spki(&algorithm, &element(0x30, &numbers)))
}

fn spki(algorithm: &[u8], key: &[u8]) -> Vec<u8> {
    let bits = element(0x03, &[&[0], key].concat());
    element(0x30, &[element(0x30, algorithm), bits].concat())
}

/// r and s, of equal length, as the DER sequence that everybody else writes.
fn ecdsa_der(raw: &[u8]) -> Option<Vec<u8>> {
    let (r, s) = raw.split_at_checked(raw.len().checked_div(2)?)?;
    let fits = !r.is_empty() && r.len() == s.len();
    fits.then(|| element(0x30, &[integer(r), integer(s)].concat()))
}

fn integer(bytes: &[u8]) -> Vec<u8> {
    let start = bytes.iter().position(|byte| *byte != 0).unwrap_or(bytes.len().saturating_sub(1));
    let bytes = bytes.get(start..).unwrap_or_default();
    let sign: &[u8] = if bytes.first().is_none_or(|byte| *byte >= 0x80) { &[0] } else { &[] };
    element(0x02, &[sign, bytes].concat())
}

fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    match u8::try_from(content.len()) {
        Ok(short) if short < 0x80 => out.push(short),
        Ok(byte) => out.extend([0x81, byte]),
        Err(_) => {
            out.push(0x82);
            out.extend(u16::try_from(content.len()).unwrap_or(u16::MAX).to_be_bytes());
        }
    }
    out.extend_from_slice(content);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_der_wants_them() {
        let raw = [[0, 0, 0x80].as_slice(), &[0, 0, 1]].concat();
        assert_eq!(ecdsa_der(&raw).unwrap(), [0x30, 7, 0x02, 2, 0, 0x80, 0x02, 1, 1]);
        assert_eq!(ecdsa_der(&[0, 0, 0, 0]).unwrap(), [0x30, 6, 0x02, 1, 0, 0x02, 1, 0]);
        assert_eq!((ecdsa_der(&[]), ecdsa_der(&[1, 2, 3])), (None, None));
        assert_eq!(element(0x04, &[7; 0x90])[..3], [0x04, 0x81, 0x90]);
        assert_eq!(element(0x04, &[7; 0x200])[..4], [0x04, 0x82, 0x02, 0x00]);
    }
}
