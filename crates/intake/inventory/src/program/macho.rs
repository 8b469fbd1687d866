//! Mach-O: programs of macOS, for one processor or for several in one file.

use linkward_evidence::Fault;

use super::{MAX_SECTIONS, MAX_SLICES, Numbers, Section, malformed};

/// The programs in a file: itself, or one for each processor.
pub(super) fn slices(bytes: &[u8]) -> Result<Vec<&[u8]>, Fault> {
    if !bytes.starts_with(&[0xca, 0xfe, 0xba, 0xbe]) {
        return Ok(vec![bytes]);
    }
    let of = Numbers { bytes, big: true };
    let cut = || malformed("Mach-O of several processors", "is cut off");
    let count = of.u32(4).ok_or_else(cut)?;
    if count > MAX_SLICES as u64 {
        return Err(malformed("Mach-O of several processors", "is for more than are known"));
    }
    let slice = |index: u64| {
        let at = 8 + 20 * index;
        of.range(of.u32(at + 8)?, of.u32(at + 12)?)
    };
    (0..count).map(|index| slice(index).ok_or_else(cut)).collect()
}

pub(super) fn sections(bytes: &[u8]) -> Result<(Vec<Section<'_>>, bool), Fault> {
    let wide = match bytes.get(..4) {
        Some([0xcf, 0xfa, 0xed, 0xfe]) => true,
        Some([0xce, 0xfa, 0xed, 0xfe]) => false,
        _ => return Err(malformed("$", "is no program of a kind that is read")),
    };
    let of = Numbers { bytes, big: false };
    let cut = || malformed("Mach-O load commands", "are cut off");
    let count = of.u32(16).ok_or_else(cut)?;
    let mut at = if wide { 32 } else { 28 };
    let mut found = Vec::new();
    for _ in 0..count.min(MAX_SECTIONS as u64) {
        let kind = of.u32(at).ok_or_else(cut)?;
        let size = of.u32(at + 4).filter(|size| *size >= 8).ok_or_else(cut)?;
        // LC_SEGMENT_64, LC_SEGMENT
        let shape = match kind {
            0x19 if wide => Some((64, 72, 80)),
            1 if !wide => Some((48, 56, 68)),
            _ => None,
        };
        if let Some((counted, first, each)) = shape {
            let name = of.range(at + 8, 16).ok_or_else(cut)?;
            let sections = of.u32(at + counted).ok_or_else(cut)?;
            for index in 0..sections.min(MAX_SECTIONS as u64) {
                let header = at + first + each * index;
                let name_of = of.range(header, 16).ok_or_else(cut)?;
                let (address, length, offset, flags) = if wide {
                    (of.u64(header + 32), of.u64(header + 40), of.u32(header + 48), of.u32(header + 64))
                } else {
                    (of.u32(header + 32), of.u32(header + 36), of.u32(header + 40), of.u32(header + 56))
                };
                let all = address.zip(length).zip(offset).zip(flags);
                let (((address, length), offset), flags) = all.ok_or_else(cut)?;
                // S_ZEROFILL and its like are not in the file.
                if found.len() >= MAX_SECTIONS || matches!(flags & 0xff, 1 | 12 | 18) {
                    continue;
                }
                let body = of.range(offset, length);
                let body = body.ok_or_else(|| malformed("Mach-O section", "is cut off"))?;
                let trimmed = name_of.split(|byte| *byte == 0).next().unwrap_or(name_of);
                let writable = name.starts_with(b"__DATA");
                found.push(Section { name: trimmed, address, bytes: body, writable });
            }
        }
        at += size;
    }
    Ok((found, false))
}
