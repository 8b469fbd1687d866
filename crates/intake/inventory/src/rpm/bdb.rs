//! Hash tables of Berkeley DB, which RPM wrote until 2020: pages of keys and values, and chains of pages for what is larger.

use linkward_evidence::Fault;

use super::{malformed, sized};

const MAGIC: u64 = 0x0006_1561;
const HEAD: usize = 26;
const HASH_UNSORTED: u8 = 2;
const OVERFLOW: u8 = 7;
const HASH: u8 = 13;
/// Kinds of a value: beside its key, or on pages of its own.
const BESIDE: u8 = 1;
const APART: u8 = 3;

struct Pages<'a> {
    bytes: &'a [u8],
    size: usize,
    big: bool,
}

pub(super) fn headers(bytes: &[u8]) -> Result<Vec<Vec<u8>>, Fault> {
    let big = match (sized(bytes, 12, 4, false), sized(bytes, 12, 4, true)) {
        (Some(MAGIC), _) => false,
        (_, Some(MAGIC)) => true,
        _ => return Err(malformed("$", "is no hash table of Berkeley DB")),
    };
    if bytes.get(24).is_some_and(|algorithm| *algorithm != 0) {
        return Err(malformed("$", "is encrypted"));
    }
    let size = sized(bytes, 20, 4, big).and_then(|size| usize::try_from(size).ok());
    let size = size.filter(|size| (512..=65536).contains(size) && size.is_power_of_two());
    let size = size.ok_or_else(|| malformed("$", "has pages of an impossible size"))?;
    let pages = Pages { bytes, size, big };
    let last = sized(bytes, 32, 4, big).and_then(|last| usize::try_from(last).ok()).unwrap_or_default();
    if last.saturating_add(1).saturating_mul(size) > bytes.len() {
        return Err(malformed("$", "is cut off"));
    }
    let mut found = Vec::new();
    let mut total = 0usize;
    for number in 1..=last {
        let page = pages.page(number)?;
        if !matches!(page.get(25), Some(&HASH | &HASH_UNSORTED)) {
            continue;
        }
        for value in pages.values(number, page)? {
            total = total.saturating_add(value.len());
            if total > bytes.len() {
                return Err(malformed(format!("page {number}"), "shares values with other pages"));
            }
            found.push(value);
        }
    }
    Ok(found)
}

impl<'a> Pages<'a> {
    fn page(&self, number: usize) -> Result<&'a [u8], Fault> {
        let start = number.checked_mul(self.size);
        let page = start.and_then(|start| self.bytes.get(start..start.checked_add(self.size)?));
        page.ok_or_else(|| malformed(format!("page {number}"), "is beyond the end"))
    }

    /// Every second entry is a value; entries are laid down from the end of the page.
    fn values(&self, number: usize, page: &[u8]) -> Result<Vec<Vec<u8>>, Fault> {
        let wrong = || malformed(format!("page {number}"), "has entries that cannot be read");
        let count =
            sized(page, 20, 2, self.big).and_then(|count| usize::try_from(count).ok()).ok_or_else(wrong)?;
        let mut found = Vec::new();
        let mut end = self.size;
        for index in 0..count {
            let start = sized(page, HEAD + 2 * index, 2, self.big).and_then(|at| usize::try_from(at).ok());
            let entry = start.and_then(|start| page.get(start..end)).ok_or_else(wrong)?;
            end = start.unwrap_or_default();
            if index % 2 == 0 {
                continue;
            }
            match entry.split_first() {
                // Under the key zero RPM keeps a counter.
                Some((&BESIDE, value)) if value.len() > 8 => found.push(value.to_vec()),
                Some((&BESIDE, _)) => {}
                Some((&APART, _)) => {
                    let next = sized(entry, 4, 4, self.big).ok_or_else(wrong)?;
                    let length = sized(entry, 8, 4, self.big).and_then(|length| usize::try_from(length).ok());
                    found.push(self.chain(next, length.ok_or_else(wrong)?)?);
                }
                _ => return Err(wrong()),
            }
        }
        Ok(found)
    }

    fn chain(&self, first: u64, length: usize) -> Result<Vec<u8>, Fault> {
        let mut value = Vec::new();
        let mut next = first;
        while value.len() < length {
            let place = || format!("page {next}");
            let page = self.page(usize::try_from(next).unwrap_or(usize::MAX))?;
            let used = sized(page, 22, 2, self.big).and_then(|used| usize::try_from(used).ok());
            let part = used.filter(|used| *used > 0).and_then(|used| page.get(HEAD..HEAD.checked_add(used)?));
            let part = part.filter(|_| page.get(25) == Some(&OVERFLOW));
            value.extend(part.ok_or_else(|| malformed(place(), "is no part of a value"))?);
            if value.len() > self.bytes.len() {
                return Err(malformed(place(), "leads in circles"));
            }
            next = sized(page, 16, 4, self.big).unwrap_or_default();
        }
        value.truncate(length);
        Ok(value)
    }
}
