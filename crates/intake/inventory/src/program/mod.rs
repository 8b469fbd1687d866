//! Compiled programs that say what they were built of, and where in them it stands: sections and addresses of ELF, PE and Mach-O.

mod cargo;
mod elf;
mod go;
mod macho;
mod pe;
#[cfg(test)]
mod tests;

use linkward_evidence::Fault;
use linkward_model::Code;

use crate::Lock;

/// Bytes of the beginning that tell a program from other files.
pub const HEAD: usize = 8;
/// Most sections or load commands of one program.
const MAX_SECTIONS: usize = 4096;
/// Programs for several processors in one file.
const MAX_SLICES: usize = 16;

/// A part of a program with what it is called and where it is loaded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Section<'a> {
    name: &'a [u8],
    address: u64,
    bytes: &'a [u8],
    /// Whether the program may write to it.
    writable: bool,
}

/// Which record a program carries, and how to read it.
struct Record {
    kind: &'static str,
    read: fn(&[Section<'_>], bool) -> Result<Option<Lock>, Fault>,
}

const RECORDS: &[Record] = &[
    Record { kind: "cargo-auditable", read: cargo::read },
    Record { kind: "Go build information", read: go::read },
];

/// ELF, PE, Mach-O or several of the last by the first bytes.
pub fn is_program(head: &[u8]) -> bool {
    // A class file begins like a Mach-O of several processors; a number beyond 40 there is its version.
    let fat =
        head.starts_with(&[0xca, 0xfe, 0xba, 0xbe]) && matches!(head.get(4..8), Some([0, 0, 0, 1..=40]));
    head.starts_with(b"\x7fELF")
        || head.starts_with(b"MZ")
        || matches!(head.get(..4), Some([0xcf | 0xce, 0xfa, 0xed, 0xfe]))
        || fat
}

/// What a program says of its parts: of each record its kind and packages. None where it says nothing.
///
/// # Errors
/// Cut off, or a record that cannot be read.
pub(crate) fn read(bytes: &[u8]) -> Result<Vec<(&'static str, Lock)>, Fault> {
    let mut found = Vec::new();
    for slice in macho::slices(bytes)? {
        let (sections, big) = match slice {
            slice if slice.starts_with(b"\x7fELF") => elf::sections(slice)?,
            slice if slice.starts_with(b"MZ") => match pe::sections(slice)? {
                Some(sections) => (sections, false),
                // A program of DOS has no sections.
                None => continue,
            },
            slice => macho::sections(slice)?,
        };
        for record in RECORDS {
            if let Some(lock) = (record.read)(&sections, big)? {
                found.push((record.kind, lock));
            }
        }
    }
    Ok(found)
}

fn malformed(place: &str, message: &str) -> Fault {
    Fault::new(Code::ProgramMalformed, place, message)
}

/// Numbers of one byte order, out of bytes that may end anywhere.
#[derive(Clone, Copy)]
struct Numbers<'a> {
    bytes: &'a [u8],
    big: bool,
}

impl<'a> Numbers<'a> {
    fn sized(self, at: u64, size: usize) -> Option<u64> {
        crate::number::sized(self.bytes, usize::try_from(at).ok()?, size, self.big)
    }

    fn u16(self, at: u64) -> Option<u64> {
        self.sized(at, 2)
    }

    fn u32(self, at: u64) -> Option<u64> {
        self.sized(at, 4)
    }

    fn u64(self, at: u64) -> Option<u64> {
        self.sized(at, 8)
    }

    fn range(self, at: u64, size: u64) -> Option<&'a [u8]> {
        let start = usize::try_from(at).ok()?;
        self.bytes.get(start..start.checked_add(usize::try_from(size).ok()?)?)
    }
}
