//! The file's layout, shared by writer and reader.
//!
//! header | digests of the blocks | data in blocks. The header holds a digest of itself and one of the block digests,
//! so that a reader trusts what it reads after checking only the blocks that it touches. Numbers are little-endian.
//!
//! Data sections: `meta` (JSON), `buckets` (where hashes of equal leading bits begin), `keys` (hash, place of a package),
//! `packages` (name and rows), `ids` (hash, advisory), `advisories` (block, place), `blocks` (place, length), `details` (deflated).

use linkward_model::Digest;

pub(crate) const MAGIC: &[u8; 8] = b"LWADVISE";
/// Raised whenever a reader of the version before would misread the file.
pub(crate) const VERSION: u32 = 1;
pub(crate) const BLOCK: usize = 4 << 10;
pub(crate) const DIGEST: usize = 32;
pub(crate) const SECTIONS: usize = 8;
/// magic, version, block size, data length, digest of the block digests, sections, digest of all that.
pub(crate) const HEADER: usize = 8 + 4 + 4 + 8 + DIGEST + SECTIONS * 16 + DIGEST;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Section {
    Meta,
    Buckets,
    Keys,
    Packages,
    Ids,
    Advisories,
    Blocks,
    Details,
}

/// Bytes of an entry of `keys`, and of `ids`.
pub(crate) const ENTRY: usize = 12;
/// Uncompressed size at which a block of details is closed.
pub(crate) const DETAIL_BLOCK: usize = 8 << 10;

/// Where a package is filed. The name is compared as well: equal hashes alone prove nothing.
pub(crate) fn hash(parts: &[&str]) -> u64 {
    let mut text = Vec::new();
    for part in parts {
        text.extend(part.as_bytes());
        text.push(0);
    }
    let digest = Digest::sha256(&text);
    digest.as_bytes().iter().take(8).fold(0, |value, byte| (value << 8) | u64::from(*byte))
}

/// Variable-length numbers, seven bits a byte.
pub(crate) fn put_number(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value as u8 & 0x7f) | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

pub(crate) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_number(out, bytes.len() as u64);
    out.extend(bytes);
}

/// Reads what the `put_` functions wrote; `None` at the end or on nonsense.
#[derive(Debug)]
pub(crate) struct Cursor<'a>(pub(crate) &'a [u8]);

impl<'a> Cursor<'a> {
    pub(crate) fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    pub(crate) fn number(&mut self) -> Option<u64> {
        let mut value = 0u64;
        for shift in (0..63).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    pub(crate) fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.number()?).ok()?;
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(bytes)
    }

    pub(crate) fn text(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.bytes()?).ok()
    }
}
