//! Keys and signatures of our own, version 4 or 6, where gpg would not make them.

use aws_lc_rs::digest::{self, digest};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{BORN, SIGNED};

/// An Ed25519 key: EdDSA of RFC 4880bis in version 4, Ed25519 of RFC 9580 in version 6.
pub(super) struct Pair {
    seed: u8,
    version: u8,
    born: u32,
}

impl Pair {
    pub(super) fn new(seed: u8, version: u8, born: u32) -> Self {
        Self { seed, version, born }
    }

    fn pair(&self) -> Ed25519KeyPair {
        Ed25519KeyPair::from_seed_unchecked(&[self.seed; 32]).unwrap()
    }

    fn body(&self) -> Vec<u8> {
        let pair = self.pair();
        let raw = pair.public_key().as_ref();
        let head = [&[self.version][..], &self.born.to_be_bytes()].concat();
        if self.version == 6 {
            return [&head[..], &[27], &32_u32.to_be_bytes(), raw].concat();
        }
        let curve = [9, 0x2b, 0x06, 0x01, 0x04, 0x01, 0xda, 0x47, 0x0f, 0x01];
        [&head[..], &[22], &curve, &mpi(&[&[0x40], raw].concat())].concat()
    }

    fn hashed(&self) -> Vec<u8> {
        let body = self.body();
        if self.version == 6 {
            return [&[0x9b][..], &(body.len() as u32).to_be_bytes(), &body].concat();
        }
        [&[0x99][..], &(body.len() as u16).to_be_bytes(), &body].concat()
    }

    fn fingerprint(&self) -> Vec<u8> {
        let algorithm = if self.version == 6 { &digest::SHA256 } else { &digest::SHA1_FOR_LEGACY_USE_ONLY };
        digest(algorithm, &self.hashed()).as_ref().to_vec()
    }
}

fn mpi(bytes: &[u8]) -> Vec<u8> {
    let bytes: Vec<u8> = bytes.iter().copied().skip_while(|byte| *byte == 0).collect();
    let bits = bytes.len() * 8 - bytes.first().map_or(0, |first| first.leading_zeros() as usize);
    [&(bits as u16).to_be_bytes()[..], &bytes].concat()
}

pub(super) fn packet(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[0xc0 | kind, 255][..], &(body.len() as u32).to_be_bytes(), body].concat()
}

/// A subpacket, from its type and body.
fn sub(body: &[u8]) -> Vec<u8> {
    match body.len() {
        0 => Vec::new(),
        length @ 1..192 => [&[length as u8][..], body].concat(),
        length => [&[255][..], &(length as u32).to_be_bytes(), body].concat(),
    }
}

fn number(kind: u8, value: Option<u32>) -> Vec<u8> {
    value.map_or_else(Vec::new, |value| sub(&[&[kind][..], &value.to_be_bytes()].concat()))
}

/// What a signature is made of.
struct Made<'a> {
    by: &'a Pair,
    /// Whose it says it is.
    claims: &'a Pair,
    version: u8,
    kind: u8,
    hash: u8,
    content: &'a [u8],
    subpackets: Vec<u8>,
}

fn sign(made: &Made<'_>) -> Vec<u8> {
    let claimed = made.claims.fingerprint();
    let issuer = sub(&[&[33, made.claims.version][..], &claimed].concat());
    let inside = [made.subpackets.clone(), issuer].concat();
    let length = |length: usize| match made.version {
        6 => (length as u32).to_be_bytes().to_vec(),
        _ => (length as u16).to_be_bytes().to_vec(),
    };
    let algorithm = if made.by.version == 6 { 27 } else { 22 };
    let head =
        [&[made.version, made.kind, algorithm, made.hash][..], &length(inside.len()), &inside].concat();
    let salt = if made.version == 6 { vec![7; if made.hash == 10 { 32 } else { 16 }] } else { Vec::new() };
    let trailer = [&[made.version, 0xff][..], &(head.len() as u32).to_be_bytes()].concat();
    let message = [&salt, made.content, &head, &trailer].concat();
    let hash = match made.hash {
        2 => digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, &message),
        10 => digest(&digest::SHA512, &message),
        _ => digest(&digest::SHA256, &message),
    };
    let signature = made.by.pair().sign(hash.as_ref());
    let raw = signature.as_ref();
    let material =
        if made.by.version == 6 { raw.to_vec() } else { [mpi(&raw[..32]), mpi(&raw[32..])].concat() };
    let salt = if made.version == 6 { [&[salt.len() as u8][..], &salt].concat() } else { salt };
    [&head[..], &length(0), &hash.as_ref()[..2], &salt, &material].concat()
}

fn over_name(primary: &Pair, name: &str) -> Vec<u8> {
    [&primary.hashed(), &[0xb4][..], &(name.len() as u32).to_be_bytes(), name.as_bytes()].concat()
}

/// A key with a subkey that signs, and a commit that it signed; each part can be made wrong.
pub(super) struct Sub {
    pub(super) version: u8,
    pub(super) signature_version: u8,
    pub(super) primary: Pair,
    pub(super) subkey: Pair,
    pub(super) name: String,
    pub(super) primary_expires: Option<u32>,
    pub(super) subkey_expires: Option<u32>,
    pub(super) subkey_flags: Option<u8>,
    /// Who vouches for the primary key as the subkey should.
    pub(super) back: Option<Pair>,
    pub(super) bound_by: Option<Pair>,
    pub(super) named_by: Option<Pair>,
    pub(super) self_hash: u8,
    pub(super) signed: u32,
    pub(super) signature_expires: Option<u32>,
    /// A further subpacket of the commit's signature, from its type on.
    pub(super) extra: Vec<u8>,
    pub(super) hash: u8,
    pub(super) kind: u8,
    pub(super) content: Option<Vec<u8>>,
    pub(super) signed_by: Option<Pair>,
    on_primary: Vec<u8>,
    on_name: Vec<u8>,
    on_subkey: Vec<u8>,
    before: Vec<u8>,
}

impl Sub {
    pub(super) fn new(version: u8) -> Self {
        Self {
            version,
            signature_version: version,
            primary: Pair::new(1, version, BORN),
            subkey: Pair::new(2, version, BORN),
            name: "Test <test@example.com>".to_owned(),
            primary_expires: None,
            subkey_expires: None,
            subkey_flags: Some(0x02),
            back: Some(Pair::new(2, version, BORN)),
            bound_by: None,
            named_by: None,
            self_hash: 8,
            signed: SIGNED,
            signature_expires: None,
            extra: Vec::new(),
            hash: 10,
            kind: 0,
            content: None,
            signed_by: None,
            on_primary: Vec::new(),
            on_name: Vec::new(),
            on_subkey: Vec::new(),
            before: Vec::new(),
        }
    }

    fn made(&self, by: &Pair, claims: &Pair, kind: u8, content: &[u8], subpackets: Vec<u8>) -> Vec<u8> {
        let (version, hash) = (self.version, self.self_hash);
        packet(2, &sign(&Made { by, claims, version, kind, hash, content, subpackets }))
    }

    fn both(&self) -> Vec<u8> {
        [self.primary.hashed(), self.subkey.hashed()].concat()
    }

    fn revocation(&self, by: &Pair, kind: u8, content: &[u8], reason: Option<u8>, time: u32) -> Vec<u8> {
        let why = reason.map_or_else(Vec::new, |reason| sub(&[29, reason]));
        self.made(by, &self.primary, kind, content, [number(2, Some(time)), why].concat())
    }

    pub(super) fn revoke_primary(&mut self, reason: Option<u8>, time: u32) {
        let one = self.revocation(&self.primary, 0x20, &self.primary.hashed(), reason, time);
        self.on_primary.extend(one);
    }

    pub(super) fn revoke_by_stranger(&mut self) {
        let one =
            self.revocation(&Pair::new(9, self.version, BORN), 0x20, &self.primary.hashed(), None, SIGNED);
        self.on_primary.extend(one);
    }

    pub(super) fn revoke_subkey(&mut self, reason: Option<u8>, time: u32) {
        let one = self.revocation(&self.primary, 0x28, &self.both(), reason, time);
        self.on_subkey.extend(one);
    }

    pub(super) fn revoke_name(&mut self) {
        let one =
            self.revocation(&self.primary, 0x30, &over_name(&self.primary, &self.name), None, SIGNED + 10);
        self.on_name.extend(one);
    }

    /// Another's primary key claims the subkey, with the word that the subkey gave to the first.
    pub(super) fn adopt(&mut self) {
        let stranger = Pair::new(9, self.version, BORN);
        let mut theirs = Self::new(self.version);
        theirs.primary = stranger;
        theirs.back = None;
        self.before = theirs.write().0;
    }

    /// Signatures by a stranger, as many as others have put on people's keys.
    pub(super) fn flood(&mut self) {
        let stranger = Pair::new(9, self.version, BORN);
        let content = over_name(&self.primary, &self.name);
        let one = self.made(&stranger, &stranger, 0x10, &content, number(2, Some(BORN + 5)));
        self.on_name.extend(one.repeat(3000));
    }

    /// The keyring, and the commit.
    pub(super) fn write(&self) -> (Vec<u8>, Vec<u8>) {
        let by = self.named_by.as_ref().unwrap_or(&self.primary);
        let own = [number(2, Some(BORN + 1)), sub(&[27, 1]), number(9, self.primary_expires)].concat();
        let named = self.made(by, &self.primary, 0x13, &over_name(&self.primary, &self.name), own);
        let back = self.back.as_ref().map_or_else(Vec::new, |back| {
            let made = self.made(back, &self.subkey, 0x19, &self.both(), number(2, Some(BORN + 1)));
            // Without the head of the packet.
            sub(&[&[32][..], &made[6..]].concat())
        });
        let flags = self.subkey_flags.map_or_else(Vec::new, |flags| sub(&[27, flags]));
        let about = [number(2, Some(BORN + 1)), flags, number(9, self.subkey_expires), back].concat();
        let bound = self.made(
            self.bound_by.as_ref().unwrap_or(&self.primary),
            &self.primary,
            0x18,
            &self.both(),
            about,
        );
        let keyring = [
            self.before.clone(),
            packet(6, &self.primary.body()),
            self.on_primary.clone(),
            packet(13, self.name.as_bytes()),
            named,
            self.on_name.clone(),
            packet(14, &self.subkey.body()),
            bound,
            self.on_subkey.clone(),
        ];
        (keyring.concat(), self.commit())
    }

    fn commit(&self) -> Vec<u8> {
        let head = format!(
            "tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\nauthor A <a@example.com> {SIGNED} +0000\n\
             committer Test <test@example.com> {SIGNED} +0000\n"
        );
        let body = "\na change\n";
        let payload = format!("{head}{body}").into_bytes();
        let signature = packet(
            2,
            &sign(&Made {
                by: self.signed_by.as_ref().unwrap_or(&self.subkey),
                claims: &self.subkey,
                version: self.signature_version,
                kind: self.kind,
                hash: self.hash,
                content: self.content.as_ref().unwrap_or(&payload),
                subpackets: [
                    number(2, Some(self.signed)),
                    number(3, self.signature_expires),
                    sub(&self.extra),
                ]
                .concat(),
            }),
        );
        let text = STANDARD.encode(signature);
        let lines: Vec<_> =
            text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
        let armour = format!(
            "gpgsig -----BEGIN PGP SIGNATURE-----\n \n {}\n -----END PGP SIGNATURE-----\n",
            lines.join("\n ")
        );
        format!("{head}{armour}{body}").into_bytes()
    }
}
