//! The proof of a signed RPM package (format 4): an OpenPGP signature over the header, and the header's digest of the payload.
//!
//! The header can be longer than what is signed of it: entries behind the immutable region are refused. Signatures over
//! header and payload together, of before 2000, are not read; they never stand alone.

use linkward_model::{Check, Code, Digest, Identity, Instant};

use crate::openpgp::{Keyring, Lack, Signature, Text};
use crate::proven::{Proven, Refusal};

/// Largest headers that are read, both together.
pub const MAX_RPM_HEAD: usize = 64 << 20;

/// The checks, in order; those behind a failed one are listed as skipped.
const ORDER: &[&str] = &["package", "header-region", "signature-present", "signature", "payload"];

const LEAD: &[u8] = &[0xed, 0xab, 0xee, 0xdb];
const LEAD_LENGTH: usize = 96;
const HEADER: &[u8] = &[0x8e, 0xad, 0xe8, 0x01, 0, 0, 0, 0];
const MAX_ENTRIES: usize = 65_536;

const REGION: u32 = 63;
const SIGNED_DSA: u32 = 267;
const SIGNED_RSA: u32 = 268;
const NAME: u32 = 1000;
const VERSION: u32 = 1001;
const RELEASE: u32 = 1002;
const ARCHITECTURE: u32 = 1022;
const PAYLOAD_DIGEST: u32 = 5092;
const PAYLOAD_ALGORITHM: u32 = 5093;
const INT32: u32 = 4;
const STRING: u32 = 6;
const BINARY: u32 = 7;
const STRINGS: u32 = 8;

/// The part of a package behind its headers.
pub trait Payload {
    /// SHA-256 of everything from there to the end of the file.
    ///
    /// # Errors
    /// It cannot be read: a sentence.
    fn sha256(&self, from: u64) -> Result<Digest, String>;
}

/// A package whose signer is proven.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedPackage {
    name: String,
    version: String,
    architecture: String,
    fingerprint: String,
}

impl SignedPackage {
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Version and release.
    pub fn version(&self) -> &str {
        &self.version
    }

    pub fn architecture(&self) -> &str {
        &self.architecture
    }

    /// Of the primary key, as `gpg --fingerprint` prints it.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }
}

/// Proves who signed a package, from its beginning (all of it, or the first [`MAX_RPM_HEAD`] bytes) and its payload.
///
/// # Errors
/// The first check that fails, with those before it.
pub fn rpm(
    head: &[u8],
    payload: &dyn Payload,
    keyring: &Keyring,
    now: Instant,
) -> Result<Proven<SignedPackage>, Box<Refusal>> {
    let mut checks = Vec::new();
    match run(head, payload, keyring, now, &mut checks) {
        Ok((claim, key, document)) => Ok(Proven {
            claim,
            checks,
            signer: Identity::Key { id: key },
            proven_at: None,
            verified_at: now,
            roots: keyring.digest(),
            root_documents: vec![keyring.digest()],
            document,
            key: None,
        }),
        Err(fault) => Err(Refusal::after(checks, ORDER, fault, Digest::sha256(head), Vec::new())),
    }
}

fn run(
    head: &[u8],
    payload: &dyn Payload,
    keyring: &Keyring,
    now: Instant,
    checks: &mut Vec<Check>,
) -> Result<(SignedPackage, Digest, Digest), (Code, String)> {
    let mut passed = |detail: String| {
        let name = ORDER.get(checks.len()).copied().unwrap_or("payload");
        checks.push(Check::passed(name, detail));
    };
    let malformed = |why: &str| (Code::RpmMalformed, why.to_owned());
    if !head.starts_with(LEAD) {
        return Err(malformed("it does not begin as an RPM package"));
    }
    let cut = || malformed("a header is cut off, or not one");
    let rest = head.get(LEAD_LENGTH..).ok_or_else(cut)?;
    let signatures = Header::read(rest).ok_or_else(cut)?;
    // Only the signature's header is filled up to eight bytes.
    let start = signatures.raw.len().checked_next_multiple_of(8).ok_or_else(cut)?;
    let header = Header::read(rest.get(start..).ok_or_else(cut)?).ok_or_else(cut)?;
    let text =
        |tag| header.text(tag).ok_or_else(|| malformed(&format!("the header has no readable tag {tag}")));
    let (name, architecture) = (text(NAME)?, text(ARCHITECTURE)?);
    let version = format!("{}-{}", text(VERSION)?, text(RELEASE)?);
    passed(format!("{} {} {}", name.escape_debug(), version.escape_debug(), architecture.escape_debug()));

    if !header.is_one_region() {
        return Err(malformed("the header holds more than the region that is signed"));
    }
    passed(format!("{} entries, all signed", header.entries.len()));

    let found: Vec<&[u8]> =
        [SIGNED_RSA, SIGNED_DSA].iter().filter_map(|tag| signatures.binary(*tag)).collect();
    let blob = match found.as_slice() {
        [] => return Err((Code::RpmUnsigned, "its header carries no signature".to_owned())),
        [one] => *one,
        _ => return Err(malformed("its header carries two signatures")),
    };
    let signature = Signature::binary(blob).map_err(refused)?;
    if signature.text().map_err(refused)? != Text::Binary {
        return Err(malformed("its signature is over a text"));
    }
    passed(format!("of {}", signature.created));

    let usable = keyring.verify(&signature, header.raw, now).map_err(refused)?;
    let key = usable.key.public_key().map(crate::PublicKey::id).ok_or_else(cut)?;
    let fingerprint = usable.fingerprint();
    passed(format!("by {fingerprint}"));

    let unproven = || {
        let why =
            "the header names no SHA-256 of the payload: what would be installed is not signed".to_owned();
        (Code::RpmPayloadUnproven, why)
    };
    let named = header
        .text(PAYLOAD_DIGEST)
        .filter(|_| header.number(PAYLOAD_ALGORITHM) == Some(8))
        .ok_or_else(unproven)?;
    let named = Digest::from_hex(linkward_model::Algorithm::Sha256, &named).map_err(|_| unproven())?;
    let from =
        LEAD_LENGTH.checked_add(start).and_then(|from| from.checked_add(header.raw.len())).ok_or_else(cut)?;
    let actual = payload.sha256(from as u64).map_err(|why| (Code::RpmMalformed, why))?;
    if actual != named {
        return Err((Code::DigestMismatch, format!("the payload is {actual}, and {named} was signed")));
    }
    passed(named.to_string());
    Ok((SignedPackage { name, version, architecture, fingerprint }, key, Digest::sha256(header.raw)))
}

struct Entry {
    tag: u32,
    kind: u32,
    offset: usize,
    count: usize,
}

struct Header<'a> {
    raw: &'a [u8],
    entries: Vec<Entry>,
    store: &'a [u8],
}

impl<'a> Header<'a> {
    fn read(bytes: &'a [u8]) -> Option<Self> {
        let rest = bytes.strip_prefix(HEADER)?;
        let (count, length) = (number(rest.get(..4)?)?, number(rest.get(4..8)?)?);
        let (count, length) = (usize::try_from(count).ok()?, usize::try_from(length).ok()?);
        if count == 0 || count > MAX_ENTRIES || length > MAX_RPM_HEAD {
            return None;
        }
        let index = count.checked_mul(16)?;
        let end = index.checked_add(length)?.checked_add(16)?;
        let raw = bytes.get(..end)?;
        let (index, store) = raw.get(16..)?.split_at_checked(index)?;
        let mut entries: Vec<Entry> = Vec::new();
        for entry in index.chunks_exact(16) {
            let word = |place: usize| number(entry.get(place..place.checked_add(4)?)?);
            let (tag, kind) = (word(0)?, word(4)?);
            let (offset, count) = (usize::try_from(word(8)?).ok()?, usize::try_from(word(12)?).ok()?);
            entries.push(Entry { tag, kind, offset, count });
        }
        Some(Self { raw, entries, store })
    }

    /// The one entry of a tag; of two, readers take one or the other.
    fn entry(&self, tag: u32, kinds: &[u32]) -> Option<&Entry> {
        let mut found = self.entries.iter().filter(|entry| entry.tag == tag);
        let one = found.next().filter(|entry| kinds.contains(&entry.kind))?;
        found.next().is_none().then_some(one)
    }

    fn binary(&self, tag: u32) -> Option<&'a [u8]> {
        let entry = self.entry(tag, &[BINARY])?;
        self.store.get(entry.offset..entry.offset.checked_add(entry.count)?)
    }

    fn text(&self, tag: u32) -> Option<String> {
        let entry = self.entry(tag, &[STRING, STRINGS]).filter(|entry| entry.count == 1)?;
        let rest = self.store.get(entry.offset..)?;
        let end = rest.iter().position(|byte| *byte == 0)?;
        String::from_utf8(rest.get(..end)?.to_vec()).ok()
    }

    fn number(&self, tag: u32) -> Option<u32> {
        let entry = self.entry(tag, &[INT32]).filter(|entry| entry.count == 1)?;
        number(self.store.get(entry.offset..entry.offset.checked_add(4)?)?)
    }

    /// Whether the immutable region covers every entry and the whole store: rpm adds what it learns behind it, and a
    /// package that arrives so was changed after it was signed.
    fn is_one_region(&self) -> bool {
        let check = || {
            let first = self.entries.first().filter(|entry| entry.tag == REGION && entry.kind == BINARY)?;
            let end = self.store.len().checked_sub(16)?;
            let trailer = self.store.get(end..)?;
            let back = number(trailer.get(8..12)?)?;
            let length = u32::try_from(self.entries.len().checked_mul(16)?).ok()?;
            let whole = first.offset == end && first.count == 16 && back == 0u32.wrapping_sub(length);
            Some(whole && number(trailer.get(..4)?)? == REGION)
        };
        check().unwrap_or(false)
    }
}

fn number(bytes: &[u8]) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.try_into().ok()?))
}

fn refused(lack: Lack) -> (Code, String) {
    lack.code("the package's header")
}
