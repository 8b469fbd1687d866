//! Zip archives in memory: the central directory, stored and deflated members.

use std::io::Read as _;

use flate2::read::DeflateDecoder;

const MAX_MEMBERS: usize = 2_000_000;
/// Largest sum of members: an export unpacks to gigabytes, a bomb to more.
const MAX_TOTAL: u64 = 16 << 30;

/// Why an archive is not read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ZipError {
    #[error("is no zip archive")]
    NotZip,
    #[error("is truncated or malformed at byte {0}")]
    Malformed(usize),
    #[error("member `{0}` is encrypted or of a compression that is not read")]
    Unsupported(String),
    #[error("is beyond a limit: {0}")]
    TooLarge(String),
}

/// Calls for each wanted member's name and bytes, in the order of the central directory; none may be larger than `limit`.
///
/// # Errors
/// The archive is malformed or beyond a limit; nothing is skipped in silence.
pub fn each(
    archive: &[u8],
    limit: u64,
    wanted: impl Fn(&str) -> bool,
    mut visit: impl FnMut(&str, &[u8]),
) -> Result<(), ZipError> {
    let (count, mut at) = directory(archive)?;
    if count > MAX_MEMBERS {
        return Err(ZipError::TooLarge(format!("more than {MAX_MEMBERS} members")));
    }
    let mut total = 0u64;
    for _ in 0..count {
        let entry = archive.get(at..).ok_or(ZipError::Malformed(at))?;
        if entry.get(..4) != Some(b"PK\x01\x02") {
            return Err(ZipError::Malformed(at));
        }
        let (flags, method) = (u16_at(entry, 8), u16_at(entry, 10));
        let (packed, size) = (u32_at(entry, 20), u32_at(entry, 24));
        let (name_length, extra, comment) = (u16_at(entry, 28), u16_at(entry, 30), u16_at(entry, 32));
        let start = u32_at(entry, 42) as usize;
        let name = entry.get(46..46 + usize::from(name_length)).ok_or(ZipError::Malformed(at))?;
        let name = String::from_utf8_lossy(name).into_owned();
        at += 46 + usize::from(name_length) + usize::from(extra) + usize::from(comment);
        if name.ends_with('/') || !wanted(&name) {
            continue;
        }
        if u64::from(size) > limit {
            return Err(ZipError::TooLarge(format!("`{name}` has {size} bytes")));
        }
        total = total.saturating_add(u64::from(size));
        if total > MAX_TOTAL {
            return Err(ZipError::TooLarge(format!("members of more than {MAX_TOTAL} bytes together")));
        }
        let local = archive.get(start..).filter(|local| local.get(..4) == Some(b"PK\x03\x04"));
        let local = local.ok_or(ZipError::Malformed(start))?;
        let behind = 30 + usize::from(u16_at(local, 26)) + usize::from(u16_at(local, 28));
        let data =
            local.get(behind..behind.saturating_add(packed as usize)).ok_or(ZipError::Malformed(start))?;
        let bytes = match (method, flags & 1) {
            (0, 0) => data.to_vec(),
            (8, 0) => {
                let mut out = Vec::new();
                let read = DeflateDecoder::new(data).take(u64::from(size) + 1).read_to_end(&mut out);
                read.map_err(|_| ZipError::Malformed(start))?;
                out
            }
            _ => return Err(ZipError::Unsupported(name)),
        };
        // What unpacks to another size than it says is cut off, or a bomb.
        if bytes.len() as u64 != u64::from(size) {
            return Err(ZipError::Malformed(start));
        }
        visit(&name, &bytes);
    }
    Ok(())
}

/// Members and where the central directory begins; zip64 where the archive says so.
fn directory(archive: &[u8]) -> Result<(usize, usize), ZipError> {
    let tail = archive.len().saturating_sub(66_000);
    let window = archive.get(tail..).unwrap_or(&[]);
    let end = window.windows(4).rposition(|four| four == b"PK\x05\x06").ok_or(ZipError::NotZip)? + tail;
    let record = archive.get(end..).filter(|record| record.len() >= 22).ok_or(ZipError::Malformed(end))?;
    let (count, start) = (usize::from(u16_at(record, 10)), u32_at(record, 16));
    if count < usize::from(u16::MAX) && start != u32::MAX {
        return Ok((count, start as usize));
    }
    let locator = end.checked_sub(20).and_then(|at| archive.get(at..)).unwrap_or(&[]);
    if locator.get(..4) != Some(b"PK\x06\x07") {
        return Ok((count, start as usize));
    }
    let at = usize::try_from(u64_at(locator, 8)).unwrap_or(usize::MAX);
    let record = archive.get(at..).filter(|record| record.get(..4) == Some(b"PK\x06\x06"));
    let record = record.ok_or(ZipError::Malformed(at))?;
    let number = |at| usize::try_from(u64_at(record, at)).unwrap_or(usize::MAX);
    Ok((number(32), number(48)))
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    bytes.get(at..at + 2).and_then(|two| two.try_into().ok()).map_or(0, u16::from_le_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).and_then(|four| four.try_into().ok()).map_or(0, u32::from_le_bytes)
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..at + 8).and_then(|eight| eight.try_into().ok()).map_or(0, u64::from_le_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A stored member and an archive of it.
    fn archive(name: &str, data: &[u8], says: u32) -> Vec<u8> {
        let mut out = b"PK\x03\x04".to_vec();
        out.extend([0; 22]);
        out.extend((name.len() as u16).to_le_bytes());
        out.extend([0; 2]);
        out.extend(name.as_bytes());
        out.extend(data);
        let directory = out.len() as u32;
        out.extend(b"PK\x01\x02");
        out.extend([0; 16]);
        out.extend((data.len() as u32).to_le_bytes());
        out.extend(says.to_le_bytes());
        out.extend((name.len() as u16).to_le_bytes());
        out.extend([0; 16]);
        out.extend(name.as_bytes());
        out.extend(b"PK\x05\x06");
        out.extend([0, 0, 0, 0, 1, 0, 1, 0]);
        out.extend([0; 4]);
        out.extend(directory.to_le_bytes());
        out.extend([0; 2]);
        out
    }

    fn names(bytes: &[u8]) -> Result<Vec<String>, ZipError> {
        let mut found = Vec::new();
        each(bytes, 1 << 20, |_| true, |name, data| found.push(format!("{name} {}", data.len())))
            .map(|()| found)
    }

    #[test]
    fn members_are_read_and_damage_is_told() {
        let whole = archive("a.json", b"{}", 2);
        assert_eq!(names(&whole), Ok(vec!["a.json 2".to_owned()]));
        assert_eq!(names(b"hello"), Err(ZipError::NotZip));
        assert!(matches!(names(&archive("a.json", b"{}", 3)), Err(ZipError::Malformed(_))));
        assert!(matches!(names(&archive("a.json", b"{}", u32::MAX)), Err(ZipError::TooLarge(_))));
        for cut in 1..whole.len() {
            assert!(names(&whole[..cut]).is_err() && names(&whole[cut..]).is_err(), "{cut}");
        }
    }
}
