//! RPM's own database, which SUSE uses: a table of slots that lead to blobs.

use linkward_evidence::Fault;

use super::{malformed, sized};

const SLOT: usize = 16;
const PAGE: usize = 4096;
/// Blobs begin at multiples of this.
const BLOCK: usize = 16;

pub(super) fn headers(bytes: &[u8]) -> Result<Vec<Vec<u8>>, Fault> {
    if !bytes.starts_with(b"RpmP") {
        return Err(malformed("$", "is no Packages.db of RPM"));
    }
    if sized(bytes, 4, 4, false) != Some(0) {
        return Err(malformed("$", "is of a version that is not read"));
    }
    let cut = || malformed("$", "is cut off");
    let pages = sized(bytes, 12, 4, false).and_then(|pages| usize::try_from(pages).ok()).ok_or_else(cut)?;
    let slots = pages.checked_mul(PAGE).and_then(|end| bytes.get(2 * SLOT..end)).ok_or_else(cut)?;
    let mut found = Vec::new();
    let mut total = 0usize;
    for (index, slot) in slots.chunks_exact(SLOT).enumerate() {
        let place = || format!("slot {}", index + 1);
        if !slot.starts_with(b"Slot") {
            return Err(malformed(place(), "is no slot"));
        }
        let number = sized(slot, 4, 4, false);
        // Free slots have no number.
        if number == Some(0) {
            continue;
        }
        let offset =
            sized(slot, 8, 4, false).and_then(|blocks| usize::try_from(blocks).ok()?.checked_mul(BLOCK));
        let blob = offset
            .and_then(|offset| bytes.get(offset..))
            .ok_or_else(|| malformed(place(), "leads outside"))?;
        if !blob.starts_with(b"BlbS") || sized(blob, 4, 4, false) != number {
            return Err(malformed(place(), "leads to what is not its blob"));
        }
        let length = sized(blob, 12, 4, false).and_then(|length| usize::try_from(length).ok());
        let blob = length.and_then(|length| blob.get(16..length.checked_add(16)?));
        let blob = blob.ok_or_else(|| malformed(place(), "leads to a blob that is cut off"))?;
        // Slots that share a blob would make more of the file than there is.
        total = total.saturating_add(blob.len());
        if total > bytes.len() {
            return Err(malformed(place(), "leads to a blob of another slot"));
        }
        found.push(blob.to_vec());
    }
    Ok(found)
}
