//! Tar archives as a stream: ustar, GNU long names and base-256 sizes, PAX headers (POSIX.1-2008, pax).
//!
//! An attacker wants two readers to see two archives. Header checksums are compared, sizes of PAX records win over those of
//! the header as every current implementation has it, and what is not understood ends the reading.

use std::io::{self, Read};

const BLOCK: usize = 512;
/// Longest name and largest set of PAX records.
const MAX_HEADER: u64 = 1 << 20;

/// Why an archive is not read on.
#[derive(Debug, thiserror::Error)]
pub enum TarError {
    #[error("{0}")]
    Read(#[from] io::Error),
    #[error("at byte {at}: {what}")]
    Malformed { at: u64, what: &'static str },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    File,
    Directory,
    HardLink,
    SymbolicLink,
    /// A character or block device.
    Device,
    Fifo,
    /// A file with holes, of which only some formats are public.
    Sparse,
    Other(u8),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// As it is written: see [`super::inside`].
    pub path: Vec<u8>,
    pub kind: Kind,
    pub size: u64,
    pub mode: u32,
    /// What a link names.
    pub link: Vec<u8>,
    /// Where the entry's bytes begin in the archive.
    pub offset: u64,
}

/// An archive and what of the current entry was not read yet.
#[derive(Debug)]
pub struct Tar<R> {
    from: R,
    at: u64,
    body: u64,
    padding: u64,
    /// Records of a global PAX header.
    global: Pax,
}

#[derive(Clone, Debug, Default)]
struct Pax {
    path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    size: Option<u64>,
    sparse: bool,
}

impl<R: Read> Tar<R> {
    pub fn new(from: R) -> Self {
        Self { from, at: 0, body: 0, padding: 0, global: Pax::default() }
    }

    /// The next entry; what was left of the last one is passed over. `None` at the end, which two empty blocks say, or the end of
    /// the stream at the edge of a block.
    ///
    /// # Errors
    /// Truncated, or not a header.
    pub fn entry(&mut self) -> Result<Option<Entry>, TarError> {
        let (mut name, mut link) = (None, None);
        let mut own = self.global.clone();
        loop {
            self.pass_over()?;
            let Some(header) = self.block()? else { return Ok(None) };
            if header.iter().all(|byte| *byte == 0) {
                return Ok(None);
            }
            self.check(&header)?;
            let size = self.number(field(&header, 124, 12))?;
            let kind = header.get(156).copied().unwrap_or_default();
            match kind {
                b'L' => name = Some(self.text(size)?),
                b'K' => link = Some(self.text(size)?),
                b'x' => {
                    let records = self.text(size)?;
                    self.pax(&records, &mut own)?;
                }
                b'g' => {
                    let records = self.text(size)?;
                    let mut global = self.global.clone();
                    self.pax(&records, &mut global)?;
                    own = global.clone();
                    self.global = global;
                }
                _ => {
                    let kind = match kind {
                        b'0' | 0 | b'7' if own.sparse => Kind::Sparse,
                        b'0' | 0 | b'7' => Kind::File,
                        b'1' => Kind::HardLink,
                        b'2' => Kind::SymbolicLink,
                        b'3' | b'4' => Kind::Device,
                        b'5' => Kind::Directory,
                        b'6' => Kind::Fifo,
                        b'S' => Kind::Sparse,
                        other => Kind::Other(other),
                    };
                    let size = own.size.unwrap_or(size);
                    // Links and the like have no body, whatever their size says.
                    let bodiless = matches!(
                        kind,
                        Kind::HardLink | Kind::SymbolicLink | Kind::Device | Kind::Directory | Kind::Fifo
                    );
                    let size = if bodiless { 0 } else { size };
                    self.open(size)?;
                    let path = own.path.or(name).unwrap_or_else(|| ustar_name(&header));
                    // Before POSIX, a file whose name ends with a slash was a folder.
                    let kind =
                        if kind == Kind::File && path.ends_with(b"/") { Kind::Directory } else { kind };
                    return Ok(Some(Entry {
                        path,
                        kind,
                        size,
                        mode: u32::try_from(self.number(field(&header, 100, 8))?).unwrap_or_default(),
                        link: own.link.or(link).unwrap_or_else(|| cut(field(&header, 157, 100)).to_vec()),
                        offset: self.at,
                    }));
                }
            }
        }
    }

    /// The current entry whole.
    ///
    /// # Errors
    /// Truncated, or more than `limit` bytes.
    pub fn bytes(&mut self, limit: u64) -> Result<Vec<u8>, TarError> {
        self.rest(Vec::new(), limit)
    }

    /// The current entry whole, of which some bytes were read before.
    ///
    /// # Errors
    /// Truncated, or more than `limit` bytes.
    pub fn rest(&mut self, mut out: Vec<u8>, limit: u64) -> Result<Vec<u8>, TarError> {
        let size = self.body.saturating_add(out.len() as u64);
        if size > limit {
            return Err(self.malformed("the entry is larger than is read"));
        }
        // Exactly as much: a buffer that doubles would hold a large file three times while it grows.
        out.reserve_exact(usize::try_from(self.body).unwrap_or_default());
        self.take_body().read_to_end(&mut out)?;
        if out.len() as u64 != size {
            return Err(self.malformed("ends within an entry"));
        }
        Ok(out)
    }

    /// The stream behind the archive, for who has to read it to its end.
    pub fn into_inner(self) -> R {
        self.from
    }

    fn take_body(&mut self) -> impl Read + '_ {
        struct Body<'a, R>(&'a mut Tar<R>);
        impl<R: Read> Read for Body<'_, R> {
            fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
                let most = usize::try_from(self.0.body).unwrap_or(usize::MAX).min(to.len());
                let Some(to) = to.get_mut(..most).filter(|to| !to.is_empty()) else { return Ok(0) };
                let count = self.0.from.read(to)?;
                self.0.body -= count as u64;
                self.0.at += count as u64;
                Ok(count)
            }
        }
        Body(self)
    }

    /// The first bytes of the current entry.
    ///
    /// # Errors
    /// The stream cannot be read.
    pub fn head(&mut self, count: usize) -> Result<Vec<u8>, TarError> {
        let mut out = Vec::new();
        self.take_body().take(count as u64).read_to_end(&mut out)?;
        Ok(out)
    }

    fn open(&mut self, size: u64) -> Result<(), TarError> {
        if size > u64::MAX / 2 {
            return Err(self.malformed("has an entry of impossible size"));
        }
        self.body = size;
        self.padding = (BLOCK as u64 - size % BLOCK as u64) % BLOCK as u64;
        Ok(())
    }

    fn text(&mut self, size: u64) -> Result<Vec<u8>, TarError> {
        if size > MAX_HEADER {
            return Err(self.malformed("has a header that is too large"));
        }
        self.open(size)?;
        let bytes = self.bytes(MAX_HEADER)?;
        Ok(bytes.strip_suffix(b"\0").map_or_else(|| bytes.clone(), <[u8]>::to_vec))
    }

    fn pass_over(&mut self) -> Result<(), TarError> {
        let mut buffer = [0; 16 << 10];
        loop {
            let left = self.body + self.padding;
            if left == 0 {
                return Ok(());
            }
            let most = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
            let count = self.from.read(buffer.get_mut(..most).unwrap_or_default())? as u64;
            if count == 0 {
                // Some writers leave the last padding out; nothing is missing then.
                if self.body == 0 {
                    self.padding = 0;
                    return Ok(());
                }
                return Err(self.malformed("ends within an entry"));
            }
            let of_body = count.min(self.body);
            self.body -= of_body;
            self.padding -= count - of_body;
            self.at += count;
        }
    }

    fn block(&mut self) -> Result<Option<[u8; BLOCK]>, TarError> {
        let mut block = [0; BLOCK];
        let mut filled = 0;
        while filled < BLOCK {
            let count = self.from.read(block.get_mut(filled..).unwrap_or_default())?;
            if count == 0 {
                break;
            }
            filled += count;
            self.at += count as u64;
        }
        match filled {
            BLOCK => Ok(Some(block)),
            0 => Ok(None),
            _ => Err(self.malformed("ends within a header")),
        }
    }

    fn check(&self, header: &[u8; BLOCK]) -> Result<(), TarError> {
        let says = self.number(field(header, 148, 8))?;
        let sum = |signed: bool| -> i64 {
            let counted = header.iter().enumerate().map(|(at, byte)| match (148..156).contains(&at) {
                true => 32,
                false if signed => i64::from(byte.cast_signed()),
                false => i64::from(*byte),
            });
            counted.sum()
        };
        if [false, true].into_iter().any(|signed| u64::try_from(sum(signed)) == Ok(says)) {
            Ok(())
        } else {
            Err(self.malformed("is no header of a tar archive: its checksum differs"))
        }
    }

    /// Octal digits, or base 256 where the first bit is set.
    fn number(&self, field: &[u8]) -> Result<u64, TarError> {
        let wrong = || self.malformed("has a number that cannot be read");
        match field.split_first() {
            Some((0x80, rest)) => {
                let significant = rest.iter().skip_while(|byte| **byte == 0);
                let mut value = 0u64;
                for byte in significant {
                    value = value.checked_mul(256).ok_or_else(wrong)? | u64::from(*byte);
                }
                Ok(value)
            }
            Some((first, _)) if first & 0x80 != 0 => Err(wrong()),
            _ => {
                let digits = std::str::from_utf8(cut(field)).map_err(|_| wrong())?.trim();
                if digits.is_empty() { Ok(0) } else { u64::from_str_radix(digits, 8).map_err(|_| wrong()) }
            }
        }
    }

    /// `LENGTH KEY=VALUE\n`, the length counting itself.
    fn pax(&self, records: &[u8], into: &mut Pax) -> Result<(), TarError> {
        let wrong = || self.malformed("has PAX records that cannot be read");
        let mut rest = records;
        while !rest.is_empty() {
            let space = rest.iter().position(|byte| *byte == b' ').ok_or_else(wrong)?;
            let length: usize = rest
                .get(..space)
                .and_then(|digits| std::str::from_utf8(digits).ok())
                .and_then(|digits| digits.parse().ok())
                .ok_or_else(wrong)?;
            let record = rest.get(space + 1..length).ok_or_else(wrong)?;
            // The NUL that ends the block of records was taken off with its line feed in some writers.
            let record = record.strip_suffix(b"\n").ok_or_else(wrong)?;
            let equals = record.iter().position(|byte| *byte == b'=').ok_or_else(wrong)?;
            let (key, value) = (record.get(..equals).unwrap_or(&[]), record.get(equals + 1..).unwrap_or(&[]));
            match key {
                b"path" => into.path = Some(value.to_vec()),
                b"linkpath" => into.link = Some(value.to_vec()),
                b"size" => {
                    let digits = std::str::from_utf8(value).ok().and_then(|digits| digits.parse().ok());
                    into.size = Some(digits.ok_or_else(wrong)?);
                }
                key if key.starts_with(b"GNU.sparse.") => into.sparse = true,
                _ => {}
            }
            rest = rest.get(length..).unwrap_or(&[]);
        }
        Ok(())
    }

    fn malformed(&self, what: &'static str) -> TarError {
        TarError::Malformed { at: self.at, what }
    }
}

fn field(header: &[u8; BLOCK], at: usize, length: usize) -> &[u8] {
    header.get(at..at + length).unwrap_or(&[])
}

/// Up to the first NUL.
fn cut(field: &[u8]) -> &[u8] {
    field.split(|byte| *byte == 0).next().unwrap_or(&[])
}

fn ustar_name(header: &[u8; BLOCK]) -> Vec<u8> {
    let name = cut(field(header, 0, 100));
    // GNU's old format has other things where ustar has the prefix.
    let prefix = if field(header, 257, 6) == b"ustar\0" { cut(field(header, 345, 155)) } else { &[] };
    if prefix.is_empty() { name.to_vec() } else { [prefix, b"/", name].concat() }
}

#[cfg(test)]
mod tests {
    use super::super::inside;
    use super::*;

    fn header(name: &str, kind: u8, size: usize) -> Vec<u8> {
        let mut block = vec![0; BLOCK];
        block[..name.len()].copy_from_slice(name.as_bytes());
        block[100..107].copy_from_slice(b"0000755");
        block[124..135].copy_from_slice(format!("{size:011o}").as_bytes());
        block[156] = kind;
        block[257..263].copy_from_slice(b"ustar\0");
        block[148..156].fill(b' ');
        let sum: u64 = block.iter().map(|byte| u64::from(*byte)).sum();
        block[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        block
    }

    fn entry(name: &str, kind: u8, body: &[u8]) -> Vec<u8> {
        let mut out = header(name, kind, body.len());
        out.extend(body);
        out.resize(out.len().next_multiple_of(BLOCK), 0);
        out
    }

    fn read(bytes: &[u8]) -> Result<Vec<(String, Kind, Vec<u8>)>, TarError> {
        let mut tar = Tar::new(bytes);
        let mut found = Vec::new();
        while let Some(entry) = tar.entry()? {
            let body = tar.bytes(1 << 20)?;
            found.push((String::from_utf8_lossy(&entry.path).into_owned(), entry.kind, body));
        }
        Ok(found)
    }

    #[test]
    fn long_names_and_records_win_over_the_header() {
        let long = "d/".repeat(120) + "f";
        let record = |text: &str| {
            let length = (1..)
                .map(|digits: usize| text.len() + digits + 2)
                .find(|all| all.to_string().len() + text.len() + 2 == *all);
            format!("{} {text}\n", length.unwrap())
        };
        let mut bytes = entry("././@LongLink", b'L', format!("{long}\0").as_bytes());
        bytes.extend(entry("short", b'0', b"one"));
        bytes.extend(entry("pax", b'x', format!("{}{}", record("path=a/b"), record("size=2")).as_bytes()));
        let mut two = header("c", b'0', 0);
        two.extend(b"ok");
        two.resize(2 * BLOCK, 0);
        bytes.extend(two);
        bytes.extend([0; 2 * BLOCK]);
        let found = read(&bytes).unwrap();
        assert_eq!(
            found,
            [(long, Kind::File, b"one".to_vec()), ("a/b".to_owned(), Kind::File, b"ok".to_vec())]
        );
    }

    #[test]
    fn damage_and_impossible_sizes_are_faults() {
        let mut whole = entry("a", b'0', b"12345");
        whole.extend(entry("b", b'2', b""));
        assert_eq!(read(&whole).unwrap().len(), 2);
        for cut in [1, 511, 513, 516, 1025, 1535] {
            assert!(read(&whole[..cut]).is_err(), "{cut}");
        }
        let mut changed = whole.clone();
        changed[3] = b'x';
        assert!(read(&changed).is_err(), "the checksum covers the name");
        assert!(read(&entry("p", b'x', b"999 path=a\n")).is_err());
        assert!(read(&header("big", b'0', 1 << 30)).is_err());
    }

    #[test]
    fn paths_that_lead_outside_are_told() {
        assert_eq!(inside(b"./a//b/").as_deref(), Some("a/b"));
        assert_eq!(inside(b"/etc/passwd").as_deref(), Some("etc/passwd"));
        assert_eq!(inside(b"a/../../b"), None);
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..2048)) {
            let _ = read(&bytes);
        }

        #[test]
        fn damaged_archives_never_panic(at in 0usize..1536, byte in proptest::prelude::any::<u8>()) {
            let mut whole = entry("a", b'x', b"11 path=xy\n");
            whole.extend(entry("b", b'0', b"12345"));
            if let Some(place) = whole.get_mut(at) {
                *place = byte;
            }
            let _ = read(&whole);
        }
    }
}
