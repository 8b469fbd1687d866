//! One layer as a stream, with what the layers above it hide (OCI image specification, layer.md).

use std::collections::HashSet;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::io::Read;

use linkward_evidence::Fault;
use linkward_evidence::archive::inside;
use linkward_evidence::archive::tar::{Entry, Kind, Tar, TarError};
use linkward_model::Code;

use super::broken;
use crate::Catalogue;
use crate::installed::{HEAD, Interest, MAX_FILE, interest, is_program};

/// Most entries of all layers together.
const MAX_ENTRIES: usize = 2_000_000;
const MAX_DEPTH: usize = 128;
const WHITEOUT: &str = ".wh.";
const OPAQUE: &str = ".wh..wh..opq";

/// Paths that upper layers speak of, as keyed hashes: a million names would be a hundred megabytes, and with keys that are
/// drawn at the start nobody can make two names that meet.
#[derive(Debug, Default)]
pub(super) struct Above {
    keys: (RandomState, RandomState),
    /// Files, links and what is whited out: nothing at or below such a path shows from lower layers.
    covered: HashSet<u128>,
    /// Folders of which nothing below shows.
    emptied: HashSet<u128>,
    folders: HashSet<u128>,
    entries: usize,
}

impl Above {
    fn key(&self, path: &str) -> u128 {
        u128::from(self.keys.0.hash_one(path)) << 64 | u128::from(self.keys.1.hash_one(path))
    }

    fn hides(&self, path: &str) -> bool {
        if self.covered.is_empty() && self.emptied.is_empty() && self.folders.is_empty() {
            return false;
        }
        let own = self.key(path);
        if self.covered.contains(&own) || self.folders.contains(&own) {
            return true;
        }
        let mut at = path;
        while let Some((folder, _)) = at.rsplit_once('/') {
            let key = self.key(folder);
            if self.covered.contains(&key) || self.emptied.contains(&key) {
                return true;
            }
            at = folder;
        }
        // The root itself may be opaque.
        self.emptied.contains(&self.key(""))
    }
}

/// What one layer adds to what is above the next one.
#[derive(Default)]
struct Own {
    covered: Vec<u128>,
    emptied: Vec<u128>,
    folders: Vec<u128>,
}

pub(super) fn read(
    from: &mut impl Read,
    place: &str,
    digest: &str,
    above: &mut Above,
    catalogue: &mut Catalogue,
) -> Result<(), Fault> {
    let mut own = Own::default();
    let mut tar = Tar::new(from);
    while let Some(entry) = tar.entry().map_err(|error| of(place, error))? {
        above.entries += 1;
        if above.entries > MAX_ENTRIES {
            let what = format!("the image has more than {MAX_ENTRIES} entries");
            return Err(Fault::new(Code::TooLarge, place, what));
        }
        let Some(path) = inside(&entry.path) else {
            let shown = String::from_utf8_lossy(&entry.path).into_owned();
            catalogue.doubt(Code::ArchiveEscape, format!("{place}: `{shown}` leads out of the image"));
            continue;
        };
        if path.is_empty() {
            continue;
        }
        if path.split('/').count() > MAX_DEPTH {
            return Err(Fault::new(
                Code::TooLarge,
                place,
                format!("has a path of more than {MAX_DEPTH} parts"),
            ));
        }
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", &path));
        if name == OPAQUE {
            own.emptied.push(above.key(folder));
            continue;
        }
        if let Some(hidden) = name.strip_prefix(WHITEOUT) {
            // What else begins with .wh..wh. is bookkeeping of AUFS.
            if !name.starts_with(".wh..wh.") {
                let hidden = if folder.is_empty() { hidden.to_owned() } else { format!("{folder}/{hidden}") };
                own.covered.push(above.key(&hidden));
            }
            continue;
        }
        if entry.kind == Kind::Directory {
            own.folders.push(above.key(&path));
            continue;
        }
        own.covered.push(above.key(&path));
        if above.hides(&path) {
            continue;
        }
        look(&mut tar, &entry, &path, place, digest, above, catalogue)?;
    }
    above.covered.extend(own.covered);
    above.emptied.extend(own.emptied);
    above.folders.extend(own.folders);
    Ok(())
}

/// What catalogers make of an entry that shows.
fn look(
    tar: &mut Tar<impl Read>,
    entry: &Entry,
    path: &str,
    place: &str,
    digest: &str,
    above: &Above,
    catalogue: &mut Catalogue,
) -> Result<(), Fault> {
    // An entry that comes again takes the place of the first, as it does where the layer is unpacked.
    catalogue.forget(path);
    // Whose licence is not known is no package that is missing.
    if entry.kind == Kind::SymbolicLink {
        catalogue.link(path, &String::from_utf8_lossy(&entry.link));
    }
    if entry.kind != Kind::File && crate::installed::is_copyright(path) {
        return Ok(());
    }
    let interest = interest(path, entry.mode & 0o111 != 0);
    match entry.kind {
        Kind::File => {}
        Kind::Device | Kind::Fifo => {
            catalogue.doubt(Code::ArchiveDevice, format!("{place}: {path} is a device or pipe"));
            return Ok(());
        }
        Kind::HardLink => {
            // Its file is looked at under its first name, unless a layer above hides that one.
            let target = inside(&entry.link).unwrap_or_default();
            if interest != Interest::None && (target.is_empty() || above.hides(&target)) {
                let what =
                    format!("{place}: {path} is a second name of {target}, which is hidden or outside");
                catalogue.doubt(Code::SbomIncomplete, what);
            } else if interest == Interest::Named && crate::installed::interest(&target, false) != interest {
                let what = format!("{place}: {path} is a second name of {target}, and was not looked at");
                catalogue.doubt(Code::SbomIncomplete, what);
            }
            return Ok(());
        }
        Kind::SymbolicLink => {
            if interest == Interest::Named && !crate::installed::is_release(path) {
                let target = String::from_utf8_lossy(&entry.link).into_owned();
                let what = format!("{place}: {path} is a link to {target}, and was not looked at");
                catalogue.doubt(Code::SbomIncomplete, what);
            }
            return Ok(());
        }
        Kind::Directory => return Ok(()),
        Kind::Sparse | Kind::Other(_) => {
            if interest != Interest::None {
                let what = format!("{place}: {path} is an entry of a kind that is not read");
                catalogue.doubt(Code::UnsupportedFormat, what);
            }
            return Ok(());
        }
    }
    let head = match interest {
        Interest::None => return Ok(()),
        Interest::Named => Vec::new(),
        Interest::Program => {
            let head = tar.head(HEAD).map_err(|error| of(place, error))?;
            if !is_program(&head) {
                return Ok(());
            }
            head
        }
    };
    if entry.size > MAX_FILE {
        let what = format!("{place}: {path} has {} bytes, of which {MAX_FILE} at most are read", entry.size);
        catalogue.doubt(Code::TooLarge, what);
        return Ok(());
    }
    let bytes = tar.rest(head, MAX_FILE).map_err(|error| of(place, error))?;
    catalogue.add(path, Some(digest), &bytes);
    Ok(())
}

fn of(place: &str, error: TarError) -> Fault {
    match error {
        TarError::Read(error) => broken(place, &error),
        error @ TarError::Malformed { .. } => Fault::new(Code::ImageUnreadable, place, error.to_string()),
    }
}
