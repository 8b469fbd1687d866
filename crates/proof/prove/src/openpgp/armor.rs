//! ASCII armour (RFC 9580, section 6).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The bytes inside one block of this kind, which must be all there is.
pub(crate) fn dearmor(text: &[u8], kind: &str) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(text).ok()?;
    let (bytes, rest) = block(text, kind)?;
    rest.trim().is_empty().then_some(bytes)
}

/// Every block of public keys, or the bytes themselves where they are not armoured.
pub(super) fn blocks(bytes: &[u8]) -> Result<Vec<Vec<u8>>, String> {
    // Every packet begins with its highest bit set, and no text does.
    if bytes.first().is_some_and(|first| first & 0x80 != 0) {
        return Ok(vec![bytes.to_vec()]);
    }
    let text = std::str::from_utf8(bytes).map_err(|_| "it is neither OpenPGP nor text".to_owned())?;
    let mut found = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let (bytes, after) = block(rest, "PUBLIC KEY BLOCK")
            .ok_or_else(|| format!("block {} cannot be read", found.len().saturating_add(1)))?;
        found.push(bytes);
        rest = after.trim_start();
    }
    Ok(found)
}

fn block<'t>(text: &'t str, kind: &str) -> Option<(Vec<u8>, &'t str)> {
    let inside = text.strip_prefix("-----BEGIN PGP ")?.strip_prefix(kind)?.strip_prefix("-----")?;
    let (inside, after) = inside.split_once("\n-----END PGP ")?;
    let after = after.strip_prefix(kind)?.strip_prefix("-----")?;
    let mut lines = inside.split('\n').map(str::trim_end);
    // Whatever stands on the line that begins it is no white space, and no OpenPGP.
    if !lines.next()?.is_empty() {
        return None;
    }
    // Headers end with an empty line; nothing in them is believed.
    let mut body = String::new();
    let mut within = false;
    for line in lines {
        if !within {
            within = line.is_empty();
            if !within && !line.contains(": ") {
                return None;
            }
        } else if line.starts_with('=') {
            // A checksum against accidents, which signatures make needless (RFC 9580, 6.1).
            break;
        } else {
            body.push_str(line);
        }
    }
    Some((STANDARD.decode(body).ok()?, after))
}
