//! Transferable public keys (RFC 9580, 10.1): what a primary key vouches for of names and subkeys, and until when.

use linkward_model::Instant;

use super::key::Key;
use super::packet::Packet;
use super::signature::Signature;

/// Most signatures of one key that are looked at: keys were flooded with others' signatures before (CVE-2019-13050).
const MAX_SIGNATURES: usize = 1000;
/// How far clocks may differ.
const SKEW: i64 = 5 * 60 * 1000;

const MAY_SIGN: u8 = 0x02;
const DIRECT: u8 = 0x1f;
const SUBKEY_BINDING: u8 = 0x18;
const PRIMARY_BINDING: u8 = 0x19;
const KEY_REVOCATION: u8 = 0x20;
const SUBKEY_REVOCATION: u8 = 0x28;
const CERTIFICATION_REVOCATION: u8 = 0x30;

/// A key with its names and subkeys, of which nothing is believed that it did not sign.
#[derive(Clone, Debug)]
pub(crate) struct Certificate {
    primary: Key,
    /// Over the primary key itself.
    direct: Vec<Signature>,
    names: Vec<(String, Vec<Signature>)>,
    subkeys: Vec<(Key, Vec<Signature>)>,
}

/// A key that a signature holds by.
#[derive(Debug)]
pub(crate) struct Usable<'a> {
    /// Where it stands in the keyring, counted from one.
    pub(crate) place: usize,
    pub(crate) certificate: &'a Certificate,
    pub(crate) key: &'a Key,
    /// Names that hold.
    pub(crate) identity: Vec<&'a str>,
}

impl Usable<'_> {
    /// The primary key's fingerprint: the one that people compare.
    pub(crate) fn fingerprint(&self) -> String {
        self.certificate.primary.fingerprint()
    }
}

/// Reads one key after the other. What stands between them and is of no use here is left out; a key of another version
/// too, with everything that belongs to it.
pub(super) fn read(packets: &[Packet<'_>]) -> Result<Vec<Certificate>, String> {
    let mut found: Vec<Certificate> = Vec::new();
    let mut place = Place::Nowhere;
    for packet in packets {
        match packet.kind {
            6 => {
                place = match Key::parse(packet.body) {
                    Some(primary) => {
                        found.push(Certificate {
                            primary,
                            direct: Vec::new(),
                            names: Vec::new(),
                            subkeys: Vec::new(),
                        });
                        Place::Primary
                    }
                    None => Place::Nowhere,
                }
            }
            5 | 7 => return Err("it holds a private key: export public keys alone".to_owned()),
            _ if matches!(place, Place::Nowhere) => {}
            13 => {
                let name = std::str::from_utf8(packet.body).map(str::to_owned);
                if let (Some(last), Ok(name)) = (found.last_mut(), name) {
                    last.names.push((name, Vec::new()));
                    place = Place::Name;
                } else {
                    place = Place::Passed;
                }
            }
            // Pictures are no names.
            17 => place = Place::Passed,
            14 => {
                place = match (found.last_mut(), Key::parse(packet.body)) {
                    (Some(last), Some(subkey)) => {
                        last.subkeys.push((subkey, Vec::new()));
                        Place::Subkey
                    }
                    _ => Place::Passed,
                }
            }
            2 => {
                // A signature that cannot be read proves nothing, and must not make the key unreadable.
                let Ok(signature) = Signature::parse(packet.body, 0) else { continue };
                let Some(last) = found.last_mut() else { continue };
                let list = match place {
                    Place::Primary => Some(&mut last.direct),
                    Place::Name => last.names.last_mut().map(|(_, list)| list),
                    Place::Subkey => last.subkeys.last_mut().map(|(_, list)| list),
                    Place::Passed | Place::Nowhere => None,
                };
                // Others' signatures are not looked at: nobody vouches for a key here but itself.
                if let Some(list) = list.filter(|list| list.len() < MAX_SIGNATURES)
                    && signature.may_be_by(&last.primary)
                {
                    list.push(signature);
                }
            }
            _ => {}
        }
    }
    Ok(found)
}

#[derive(Clone, Copy)]
enum Place {
    Nowhere,
    Primary,
    Name,
    Subkey,
    Passed,
}

impl Certificate {
    pub(super) fn keys(&self) -> impl Iterator<Item = &Key> {
        std::iter::once(&self.primary).chain(self.subkeys.iter().map(|(key, _)| key))
    }

    /// Whether one of the keys could make this signature at its time, and the names that held then.
    pub(super) fn usable(&self, key: &Key, signature: &Signature, now: Instant) -> Result<Vec<&str>, String> {
        let at = signature.created;
        if at > now.plus_millis(SKEW) {
            return Err(format!("the signature is of {at}, and now is {now}"));
        }
        if !signature.holds_at(now) {
            return Err("the signature has expired by its own word".to_owned());
        }
        if at < key.created {
            return Err(format!("the signature is of {at}, before the key was made"));
        }
        if self.revoked(&self.direct, KEY_REVOCATION, &self.primary.hashed, at) {
            return Err(format!("key {} was revoked", self.primary.fingerprint()));
        }
        let names: Vec<&str> = self
            .names
            .iter()
            .filter(|(name, list)| self.named(name, list, at))
            .map(|(name, _)| name.as_str())
            .collect();
        let own = self.own(at).ok_or_else(|| {
            "the key vouches for nothing of itself with a hash that counts (SHA-1 does not)".to_owned()
        })?;
        alive(&self.primary, own, at)?;
        if std::ptr::eq(key, &self.primary) {
            return if own.flags.is_some_and(|flags| flags & MAY_SIGN != 0) {
                Ok(names)
            } else {
                Err("the key does not say that it may sign".to_owned())
            };
        }
        let list = self.subkeys.iter().find(|(subkey, _)| std::ptr::eq(subkey, key)).map(|(_, list)| list);
        let list = list.ok_or_else(|| "the key is no subkey".to_owned())?;
        let both = [self.primary.hashed.as_slice(), &key.hashed].concat();
        if self.revoked(list, SUBKEY_REVOCATION, &both, at) {
            return Err(format!("subkey {} was revoked", key.fingerprint()));
        }
        let binding = newest(list.iter().filter(|one| one.kind == SUBKEY_BINDING), at, |one| {
            one.check(&self.primary, &both).is_ok()
        });
        let binding = binding.ok_or_else(|| "the primary key does not vouch for the subkey".to_owned())?;
        if binding.flags.is_none_or(|flags| flags & MAY_SIGN == 0) {
            return Err("the subkey is not for signatures".to_owned());
        }
        // Without the subkey's own word anybody could adopt another's subkey and with it what that signed.
        let back = binding.embedded.as_ref().filter(|back| back.kind == PRIMARY_BINDING);
        if !back.is_some_and(|back| back.created <= at.plus_millis(SKEW) && back.check(key, &both).is_ok()) {
            return Err("the subkey does not vouch for the primary key".to_owned());
        }
        alive(key, binding, at)?;
        Ok(names)
    }

    /// What the primary key says of itself, newest at that time.
    fn own(&self, at: Instant) -> Option<&Signature> {
        let direct = newest(self.direct.iter().filter(|one| one.kind == DIRECT), at, |one| {
            one.check(&self.primary, &self.primary.hashed).is_ok()
        });
        let by_name = self.names.iter().filter_map(|(name, list)| {
            let content = self.over_name(name);
            newest(list.iter().filter(|one| is_certification(one)), at, |one| {
                one.check(&self.primary, &content).is_ok()
            })
        });
        let by_name = by_name.max_by_key(|one| one.created);
        // A version 6 key says it over itself; an older one mostly over its name.
        match (direct, by_name) {
            (Some(direct), Some(name)) if name.created > direct.created && direct.flags.is_none() => {
                Some(name)
            }
            (Some(direct), _) if direct.flags.is_some() => Some(direct),
            (direct, name) => name.or(direct),
        }
    }

    fn over_name(&self, name: &str) -> Vec<u8> {
        let length = u32::try_from(name.len()).unwrap_or(u32::MAX);
        [&self.primary.hashed, &[0xb4][..], &length.to_be_bytes(), name.as_bytes()].concat()
    }

    fn named(&self, name: &str, list: &[Signature], at: Instant) -> bool {
        let content = self.over_name(name);
        let holds = newest(list.iter().filter(|one| is_certification(one)), at, |one| {
            one.check(&self.primary, &content).is_ok()
        });
        holds.is_some() && !self.revoked(list, CERTIFICATION_REVOCATION, &content, at)
    }

    /// A key that was stolen, or for no stated reason, was never good; one that was retired was until then.
    fn revoked(&self, list: &[Signature], kind: u8, content: &[u8], at: Instant) -> bool {
        list.iter().any(|one| {
            let soft = matches!(one.reason, Some(1 | 3 | 32));
            one.kind == kind && (!soft || one.created <= at) && one.check(&self.primary, content).is_ok()
        })
    }
}

fn is_certification(signature: &Signature) -> bool {
    (0x10..=0x13).contains(&signature.kind)
}

/// The newest that holds and had been made by then.
fn newest<'a>(
    list: impl Iterator<Item = &'a Signature>,
    at: Instant,
    holds: impl Fn(&Signature) -> bool,
) -> Option<&'a Signature> {
    let mut candidates: Vec<&Signature> =
        list.filter(|one| one.created <= at.plus_millis(SKEW) && one.holds_at(at)).collect();
    candidates.sort_by_key(|one| std::cmp::Reverse(one.created));
    candidates.into_iter().find(|one| holds(one))
}

fn alive(key: &Key, own: &Signature, at: Instant) -> Result<(), String> {
    let end = own.key_expires_after.map(|after| key.created.plus_millis(after.saturating_mul(1000)));
    match end {
        Some(end) if end <= at => {
            Err(format!("key {} expired at {end}, and the signature is of {at}", key.fingerprint()))
        }
        _ => Ok(()),
    }
}
