//! SQLite's file format as far as one table of blobs needs it: pages, b-trees of tables, overflow, records (sqlite.org/fileformat2).

use linkward_evidence::Fault;

use super::{malformed, sized};

struct Pages<'a> {
    bytes: &'a [u8],
    size: usize,
    usable: usize,
    /// Visits that are left: a page that leads to itself must not be followed for ever.
    left: usize,
}

pub(super) fn headers(bytes: &[u8]) -> Result<Vec<Vec<u8>>, Fault> {
    if !bytes.starts_with(b"SQLite format 3\0") {
        return Err(malformed("$", "is no database of SQLite"));
    }
    let cut = || malformed("$", "is cut off");
    let size = match sized(bytes, 16, 2, true).ok_or_else(cut)? {
        1 => 65536,
        size @ 512..=32768 if size.is_power_of_two() => usize::try_from(size).unwrap_or(512),
        _ => return Err(malformed("$", "has pages of an impossible size")),
    };
    let reserved = usize::from(*bytes.get(20).ok_or_else(cut)?);
    let usable = size.saturating_sub(reserved);
    if usable < 480 {
        return Err(malformed("$", "has pages of an impossible size"));
    }
    let mut pages = Pages { bytes, size, usable, left: 4 * (bytes.len() / size + 1) };
    let mut root = None;
    pages.rows(1, 0, &mut |_, record| {
        let fields = fields(record)?;
        let text = |at: usize| fields.get(at).map(|(_, bytes)| *bytes);
        if text(0) == Some(b"table") && text(1) == Some(b"Packages") {
            root = fields.get(3).and_then(|(kind, bytes)| integer(*kind, bytes));
        }
        Some(())
    })?;
    let root = root.ok_or_else(|| malformed("$", "has no table `Packages`"))?;
    let root = usize::try_from(root).map_err(|_| cut())?;
    let mut found = Vec::new();
    pages.rows(root, 0, &mut |_, record| {
        let fields = fields(record)?;
        let blob = fields.iter().rev().find(|(kind, _)| *kind >= 12 && kind % 2 == 0)?;
        found.push(blob.1.to_vec());
        Some(())
    })?;
    Ok(found)
}

impl<'a> Pages<'a> {
    fn page(&mut self, number: usize) -> Result<&'a [u8], Fault> {
        let place = || format!("page {number}");
        self.left = self.left.checked_sub(1).ok_or_else(|| malformed(place(), "leads in circles"))?;
        let start = number.checked_sub(1).and_then(|index| index.checked_mul(self.size));
        let page = start.and_then(|start| self.bytes.get(start..start.checked_add(self.size)?));
        page.ok_or_else(|| malformed(place(), "is beyond the end"))
    }

    /// Calls for every record below a page; `None` of the visitor is a record that cannot be read.
    fn rows(
        &mut self,
        number: usize,
        depth: usize,
        visit: &mut dyn FnMut(u64, &[u8]) -> Option<()>,
    ) -> Result<(), Fault> {
        let place = || format!("page {number}");
        let wrong = || malformed(place(), "is no page of a table");
        if depth > 20 {
            return Err(malformed(place(), "is too deep"));
        }
        let page = self.page(number)?;
        // The first page begins with the file's header.
        let start = if number == 1 { 100 } else { 0 };
        let kind = *page.get(start).ok_or_else(wrong)?;
        let count = sized(page, start + 3, 2, true).ok_or_else(wrong)?;
        let cells = start + if kind == 5 { 12 } else { 8 };
        for index in 0..usize::try_from(count).map_err(|_| wrong())? {
            let at = sized(page, cells + 2 * index, 2, true).ok_or_else(wrong)?;
            let cell = usize::try_from(at).ok().and_then(|at| page.get(at..)).ok_or_else(wrong)?;
            match kind {
                5 => {
                    let child = sized(cell, 0, 4, true).ok_or_else(wrong)?;
                    self.rows(usize::try_from(child).map_err(|_| wrong())?, depth + 1, visit)?;
                }
                13 => {
                    let (length, rest) = varint(cell).ok_or_else(wrong)?;
                    let (row, rest) = varint(rest).ok_or_else(wrong)?;
                    let record =
                        self.payload(rest, length).map_err(|fault| malformed(place(), &fault.message))?;
                    visit(row, &record).ok_or_else(wrong)?;
                }
                _ => return Err(wrong()),
            }
        }
        if kind == 5 {
            let right = sized(page, start + 8, 4, true).ok_or_else(wrong)?;
            self.rows(usize::try_from(right).map_err(|_| wrong())?, depth + 1, visit)?;
        }
        Ok(())
    }

    /// What stands in the cell, and on the overflow pages that it leads to.
    fn payload(&mut self, cell: &[u8], length: u64) -> Result<Vec<u8>, Fault> {
        let cut = || malformed("$", "has a record that is cut off");
        let length =
            usize::try_from(length).ok().filter(|length| *length <= self.bytes.len()).ok_or_else(cut)?;
        let most = self.usable - 35;
        if length <= most {
            return cell.get(..length).map(<[u8]>::to_vec).ok_or_else(cut);
        }
        let least = (self.usable - 12) * 32 / 255 - 23;
        let fit = least + (length - least) % (self.usable - 4);
        let here = if fit <= most { fit } else { least };
        let mut record = cell.get(..here).ok_or_else(cut)?.to_vec();
        let mut next = sized(cell, here, 4, true).ok_or_else(cut)?;
        while record.len() < length {
            let page = self.page(usize::try_from(next).map_err(|_| cut())?)?;
            next = sized(page, 0, 4, true).ok_or_else(cut)?;
            let take = (length - record.len()).min(self.usable - 4);
            record.extend(page.get(4..4 + take).ok_or_else(cut)?);
        }
        Ok(record)
    }
}

/// Values of a record with their types.
fn fields(record: &[u8]) -> Option<Vec<(u64, &[u8])>> {
    let (head, _) = varint(record)?;
    let (mut types, mut values) = record.split_at_checked(usize::try_from(head).ok()?)?;
    (_, types) = varint(types)?;
    let mut found = Vec::new();
    while !types.is_empty() {
        let kind;
        (kind, types) = varint(types)?;
        let size = match kind {
            0 | 8 | 9 => 0,
            1..=4 => kind,
            5 => 6,
            6 | 7 => 8,
            10 | 11 => return None,
            kind => (kind - 12) / 2,
        };
        let value;
        (value, values) = values.split_at_checked(usize::try_from(size).ok()?)?;
        found.push((kind, value));
    }
    Some(found)
}

fn integer(kind: u64, bytes: &[u8]) -> Option<u64> {
    match kind {
        8 => Some(0),
        9 => Some(1),
        1..=6 => sized(bytes, 0, bytes.len(), true),
        _ => None,
    }
}

/// Seven bits a byte, the highest first; of a ninth byte all eight.
fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0u64;
    for (index, byte) in bytes.iter().take(9).enumerate() {
        if index == 8 {
            return Some((value << 8 | u64::from(*byte), bytes.get(9..)?));
        }
        value = value << 7 | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            return Some((value, bytes.get(index + 1..)?));
        }
    }
    None
}
