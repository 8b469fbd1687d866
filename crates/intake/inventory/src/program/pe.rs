//! PE (Microsoft's PE/COFF specification): programs of Windows.

use linkward_evidence::Fault;

use super::{MAX_SECTIONS, Numbers, Section, malformed};

/// `None` for a program of DOS.
pub(super) fn sections(bytes: &[u8]) -> Result<Option<Vec<Section<'_>>>, Fault> {
    let of = Numbers { bytes, big: false };
    let cut = || malformed("PE header", "is cut off");
    let Some(start) = of.u32(0x3c) else { return Ok(None) };
    if of.range(start, 4) != Some(b"PE\0\0") {
        return Ok(None);
    }
    let count = of.u16(start + 6).ok_or_else(cut)?;
    let optional = of.u16(start + 20).ok_or_else(cut)?;
    let base = match of.u16(start + 24) {
        Some(0x20b) => of.u64(start + 48),
        _ => of.u32(start + 52),
    };
    let base = base.ok_or_else(cut)?;
    let mut found = Vec::new();
    for index in 0..count.min(MAX_SECTIONS as u64) {
        let outside = || malformed(&format!("PE section {index}"), "is cut off");
        let header = start + 24 + optional + 40 * index;
        let name = of.range(header, 8).ok_or_else(outside)?;
        let name = name.split(|byte| *byte == 0).next().unwrap_or(name);
        let fields = [8, 12, 16, 20, 36].map(|field| of.u32(header + field));
        let [Some(size), Some(address), Some(stored), Some(offset), Some(flags)] = fields else {
            return Err(outside());
        };
        let body = of.range(offset, stored).ok_or_else(outside)?;
        // What is stored is rounded up to blocks.
        let used = usize::try_from(size).unwrap_or(usize::MAX).min(body.len());
        found.push(Section {
            name,
            address: base.wrapping_add(address),
            bytes: if size == 0 { body } else { body.get(..used).unwrap_or(body) },
            writable: flags & 0x8000_0000 != 0,
        });
    }
    Ok(Some(found))
}
