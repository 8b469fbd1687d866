//! A package's header (RPM file format, version 4): an index of tags, then the values.

use linkward_evidence::Fault;

use super::{malformed, sized};
use crate::{Lock, Package, licence, purl};

/// As much as RPM itself takes.
const MAX_TAGS: u64 = 0xffff;

struct Header<'a> {
    index: &'a [u8],
    values: &'a [u8],
}

const NAME: u64 = 1000;
const VERSION: u64 = 1001;
const RELEASE: u64 = 1002;
const EPOCH: u64 = 1003;
const LICENCE: u64 = 1014;
const ARCHITECTURE: u64 = 1022;
const SOURCE: u64 = 1044;
const FOLDER_OF_FILE: u64 = 1116;
const FILES: u64 = 1117;
const FOLDERS: u64 = 1118;
const MODULE: u64 = 5096;

impl<'a> Header<'a> {
    fn new(bytes: &'a [u8]) -> Option<Self> {
        let tags = sized(bytes, 0, 4, true).filter(|tags| (1..=MAX_TAGS).contains(tags))?;
        let size = usize::try_from(sized(bytes, 4, 4, true)?).ok()?;
        let start = 8 + 16 * usize::try_from(tags).ok()?;
        Some(Self { index: bytes.get(8..start)?, values: bytes.get(start..start.checked_add(size)?)? })
    }

    /// Type, count and where the values begin.
    fn tag(&self, wanted: u64) -> Option<(u64, usize, &'a [u8])> {
        let entry = self.index.chunks_exact(16).find(|entry| sized(entry, 0, 4, true) == Some(wanted))?;
        let offset = usize::try_from(sized(entry, 8, 4, true)?).ok()?;
        let count = usize::try_from(sized(entry, 12, 4, true)?).ok()?;
        Some((sized(entry, 4, 4, true)?, count, self.values.get(offset..)?))
    }

    fn text(&self, wanted: u64) -> Option<String> {
        // STRING and I18NSTRING end with NUL.
        let (6 | 9, _, values) = self.tag(wanted)? else { return None };
        let text = values.split(|byte| *byte == 0).next()?;
        Some(String::from_utf8_lossy(text).into_owned()).filter(|text| !text.is_empty())
    }

    fn texts(&self, wanted: u64) -> Vec<&'a [u8]> {
        match self.tag(wanted) {
            Some((8, count, values)) => values.split(|byte| *byte == 0).take(count).collect(),
            _ => Vec::new(),
        }
    }

    fn numbers(&self, wanted: u64) -> Vec<u64> {
        match self.tag(wanted) {
            Some((4, count, values)) => {
                values.chunks_exact(4).take(count).filter_map(|word| sized(word, 0, 4, true)).collect()
            }
            _ => Vec::new(),
        }
    }
}

pub(super) fn read(bytes: &[u8], number: usize, lock: &mut Lock) -> Result<(), Fault> {
    let place = format!("header {number}");
    let header = Header::new(bytes).ok_or_else(|| malformed(&place, "is cut off or no header"))?;
    let name = header.text(NAME).ok_or_else(|| malformed(&place, "names no package"))?;
    // Keys that packages are signed with are kept as if they were packages.
    if name == "gpg-pubkey" {
        return Ok(());
    }
    let (Some(version), Some(release)) = (header.text(VERSION), header.text(RELEASE)) else {
        lock.hide(format!("{name} has no version"));
        return Ok(());
    };
    let version = format!("{version}-{release}");
    let mut found = purl("rpm", &name, Some(&version)).map_err(|fault| malformed(&place, &fault.message))?;
    let source = header.text(SOURCE).and_then(|file| of_source(&file).map(str::to_owned));
    let epoch = header.numbers(EPOCH).first().filter(|epoch| **epoch > 0).map(u64::to_string);
    for (key, value) in [
        ("arch", header.text(ARCHITECTURE)),
        ("epoch", epoch),
        ("upstream", source.filter(|source| *source != name)),
        ("rpmmod", header.text(MODULE)),
    ] {
        if let Some(value) = value {
            found = found.with_qualifier(key, &value);
        }
    }
    let folders = header.texts(FOLDERS);
    for (file, folder) in header.texts(FILES).iter().zip(header.numbers(FOLDER_OF_FILE)) {
        let folder = usize::try_from(folder).ok().and_then(|at| folders.get(at).copied()).unwrap_or_default();
        lock.owns.push(String::from_utf8_lossy(&[folder, file].concat()).into_owned());
    }
    let licences = header.text(LICENCE).as_deref().and_then(licence::declared).into_iter().collect();
    lock.packages.push(Package { licences, ..Package::of(found, name, Some(version)) });
    Ok(())
}

/// `openssl` of `openssl-3.0.7-24.el9.src.rpm`.
fn of_source(file: &str) -> Option<&str> {
    let stem = file.strip_suffix(".src.rpm").or_else(|| file.strip_suffix(".nosrc.rpm"))?;
    let (rest, _) = stem.rsplit_once('-')?;
    rest.rsplit_once('-').map(|(name, _)| name)
}
