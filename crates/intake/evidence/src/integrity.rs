//! Subresource Integrity (W3C), as npm's registry and lockfiles write digests: `sha512-BASE64`, several apart by spaces.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use linkward_model::{Algorithm, Digest};

/// The digests of a text; weaker functions than SHA-256 give none.
pub fn digests(text: &str) -> impl Iterator<Item = Digest> {
    text.split_ascii_whitespace().filter_map(|part| {
        let (name, encoded) = part.split_once('-')?;
        Digest::from_bytes(Algorithm::from_name(name)?, &STANDARD.decode(encoded).ok()?)
    })
}
