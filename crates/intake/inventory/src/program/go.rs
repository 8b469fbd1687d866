//! Go: version of the toolchain and modules, written into every program since Go 1.13 (debug/buildinfo). Before 1.18 two
//! pointers lead to the texts; since then they stand behind the header with their lengths.

use linkward_evidence::Fault;

use super::{Numbers, Section, malformed};
use crate::{Lock, Package, purl};

const MAGIC: &[u8] = b"\xff Go buildinf:";
const PLACE: &str = "Go build information";
const MAX_TEXT: u64 = 16 << 20;

pub(super) fn read(sections: &[Section<'_>], _: bool) -> Result<Option<Lock>, Fault> {
    let Some((version, modules)) = find(sections)? else { return Ok(None) };
    let mut lock = Lock::default();
    // Standard library and toolchain are one version; experiments stand behind a space.
    let word = version.split_whitespace().next().unwrap_or_default();
    match word.strip_prefix("go").filter(|number| number.starts_with(|c: char| c.is_ascii_digit())) {
        Some(number) => lock.packages.push(package("stdlib", number, false)?),
        None => lock.hide(format!("was built by Go `{version}`, which is no release")),
    }
    if modules.is_empty() {
        lock.hide("names no modules: it was built without them".to_owned());
    }
    let (mut main, mut needs): (Option<Package>, Vec<Package>) = (None, Vec::new());
    for line in modules.lines() {
        let fields: Vec<&str> = line.split('\t').collect();
        match fields.as_slice() {
            ["mod", name, version, ..] if is_release(version) => main = Some(package(name, version, true)?),
            ["dep", name, version, ..] => {
                if is_release(version) {
                    needs.push(package(name, version, false)?);
                } else {
                    lock.hide(format!("{name} is of no released version, `{version}`"));
                    // What replaces it may follow, and replaces nothing else.
                    needs.push(package(name, "", false)?);
                }
            }
            ["=>", name, version, ..] => {
                needs.pop().ok_or_else(|| malformed(PLACE, "replaces a module before it names one"))?;
                if is_release(version) {
                    needs.push(package(name, version, false)?);
                } else {
                    lock.hide(format!("a module is replaced by {name}, which has no version"));
                }
            }
            _ => {}
        }
    }
    needs.retain(|package| package.version.as_deref() != Some(""));
    if let Some(mut main) = main {
        main.needs = needs.iter().chain(&lock.packages).map(|package| package.purl.clone()).collect();
        lock.packages.push(main);
    }
    lock.packages.extend(needs);
    Ok(Some(lock))
}

fn is_release(version: &str) -> bool {
    version.starts_with('v')
}

fn package(name: &str, version: &str, own: bool) -> Result<Package, Fault> {
    let found = purl("golang", name, Some(version).filter(|version| !version.is_empty()));
    Ok(Package {
        own,
        ..Package::of(
            found.map_err(|fault| malformed(PLACE, &fault.message))?,
            name.to_owned(),
            Some(version.to_owned()),
        )
    })
}

/// The two texts. Tools of Go itself hold the magic among their constants too: it counts in the section of that name, or else
/// in data that the program may write to, at a multiple of 16.
fn find(sections: &[Section<'_>]) -> Result<Option<(String, String)>, Fault> {
    let named =
        |section: &&Section<'_>| section.name == b".go.buildinfo" || section.name == b"__go_buildinfo";
    let named: Vec<_> = sections.iter().filter(named).collect();
    let places =
        if named.is_empty() { sections.iter().filter(|section| section.writable).collect() } else { named };
    for section in places {
        let mut blocks = section.bytes.chunks(16).enumerate();
        let Some((index, _)) = blocks.find(|(_, block)| block.starts_with(MAGIC)) else { continue };
        let header = section.bytes.get(16 * index..).unwrap_or(&[]);
        let cut = || malformed(PLACE, "is cut off");
        let size = header.get(14).copied().ok_or_else(cut)?;
        let flags = header.get(15).copied().ok_or_else(cut)?;
        let (version, modules) = if flags & 2 != 0 {
            let rest = header.get(32..).ok_or_else(cut)?;
            let (version, rest) = counted(rest).ok_or_else(cut)?;
            (version, counted(rest).ok_or_else(cut)?.0)
        } else {
            if !matches!(size, 4 | 8) {
                return Err(malformed(PLACE, "has pointers of an unknown size"));
            }
            let big = flags & 1 != 0;
            let pointer =
                |at: u64| Numbers { bytes: header, big }.sized(at, usize::from(size)).ok_or_else(cut);
            let text = |at| text(sections, pointer(at)?, size, big).ok_or_else(cut);
            (text(16)?, text(16 + u64::from(size))?)
        };
        // Sixteen bytes on either side mark the text for who looks for it in memory.
        let modules = match modules.len().checked_sub(17).and_then(|at| modules.get(at)) {
            Some(b'\n') => modules.get(16..modules.len() - 16).unwrap_or(&[]),
            _ => &[],
        };
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        return Ok(Some((text(version), text(modules))));
    }
    Ok(None)
}

/// A length as a varint, and that many bytes.
fn counted(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (mut length, mut shift) = (0u64, 0);
    let mut rest = bytes.iter();
    loop {
        let byte = *rest.next()?;
        length |= u64::from(byte & 0x7f).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            break;
        }
        shift += 7;
    }
    if length > MAX_TEXT {
        return None;
    }
    rest.as_slice().split_at_checked(usize::try_from(length).ok()?)
}

/// A string of Go: a pointer and a length, at an address.
fn text<'a>(sections: &[Section<'a>], address: u64, size: u8, big: bool) -> Option<&'a [u8]> {
    if address == 0 {
        return Some(&[]);
    }
    let header = at(sections, address, 2 * u64::from(size))?;
    let numbers = Numbers { bytes: header, big };
    let (start, length) = (numbers.sized(0, size.into())?, numbers.sized(size.into(), size.into())?);
    if length > MAX_TEXT {
        return None;
    }
    if length == 0 { Some(&[]) } else { at(sections, start, length) }
}

fn at<'a>(sections: &[Section<'a>], address: u64, length: u64) -> Option<&'a [u8]> {
    sections.iter().find_map(|section| {
        let offset = address.checked_sub(section.address)?;
        Numbers { bytes: section.bytes, big: false }.range(offset, length)
    })
}
