//! ELF (System V gABI): sections by name, and segments for programs whose section headers were stripped.

use linkward_evidence::Fault;

use super::{MAX_SECTIONS, Numbers, Section, malformed};

pub(super) fn sections(bytes: &[u8]) -> Result<(Vec<Section<'_>>, bool), Fault> {
    let wide = match bytes.get(4) {
        Some(1) => false,
        Some(2) => true,
        _ => return Err(malformed("ELF header", "is of no known class")),
    };
    let big = bytes.get(5) == Some(&2);
    let of = Numbers { bytes, big };
    let cut = || malformed("ELF header", "is cut off");
    let word = |at: u64| if wide { of.u64(at) } else { of.u32(at) };
    let (segments, table) = if wide { (word(32), word(40)) } else { (word(28), word(32)) };
    let (segments, table) = (segments.ok_or_else(cut)?, table.ok_or_else(cut)?);
    let counts = if wide { 54 } else { 42 };
    let count = |index: u64| of.u16(counts + 2 * index).ok_or_else(cut);
    let (segment_size, segment_count) = (count(0)?, count(1)?);
    let (size, number, names) = (count(2)?, count(3)?, count(4)?);
    let mut found = Vec::new();
    if table != 0 && number != 0 {
        let header = |index: u64| table.checked_add(index * size);
        // name, flags, address, offset, size
        let fields: [u64; 4] = if wide { [8, 16, 24, 32] } else { [8, 12, 16, 20] };
        let at = |index: u64, field: usize| {
            header(index).and_then(|at| word(at.checked_add(*fields.get(field)?)?))
        };
        let strings = at(names, 2).zip(at(names, 3)).and_then(|(offset, size)| of.range(offset, size));
        let strings = strings.ok_or_else(|| malformed("ELF section names", "are cut off"))?;
        for index in 0..number.min(MAX_SECTIONS as u64) {
            let outside = || malformed(&format!("ELF section {index}"), "is cut off");
            let start = header(index).ok_or_else(outside)?;
            let name = of.u32(start).ok_or_else(outside)?;
            let kind = of.u32(start + 4).ok_or_else(outside)?;
            let values = [0, 1, 2, 3].map(|field| at(index, field));
            let [Some(flags), Some(address), Some(offset), Some(length)] = values else {
                return Err(outside());
            };
            // SHT_NULL and SHT_NOBITS occupy nothing in the file.
            if matches!(kind, 0 | 8) {
                continue;
            }
            let body = of.range(offset, length).ok_or_else(outside)?;
            let name = usize::try_from(name).ok().and_then(|at| strings.get(at..)).ok_or_else(outside)?;
            let name = name.split(|byte| *byte == 0).next().unwrap_or(&[]);
            found.push(Section { name, address, bytes: body, writable: flags & 1 != 0 });
        }
    }
    for index in 0..segment_count.min(MAX_SECTIONS as u64) {
        let outside = || malformed(&format!("ELF segment {index}"), "is cut off");
        let start = segments.checked_add(index * segment_size).ok_or_else(outside)?;
        let fields: [u64; 4] = if wide { [4, 8, 16, 32] } else { [24, 4, 8, 16] };
        let [flags, offset, address, length] = fields.map(|field| start.saturating_add(field));
        let values = (of.u32(start), of.u32(flags), word(offset), word(address), word(length));
        let (Some(kind), Some(flags), Some(offset), Some(address), Some(length)) = values else {
            return Err(outside());
        };
        // PT_LOAD alone is in memory.
        if kind == 1 {
            let body = of.range(offset, length).ok_or_else(outside)?;
            found.push(Section { name: b"", address, bytes: body, writable: flags & 2 != 0 });
        }
    }
    Ok((found, big))
}
