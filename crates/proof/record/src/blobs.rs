//! Content-addressed blobs: small ones in append-only packs, one sync a batch; large ones as files.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use linkward_model::{Algorithm, Digest};

use crate::Files;

/// Blobs up to this size go into packs.
pub(crate) const SMALL: usize = 256 << 10;
/// A pack beyond this size is closed and the next one begun.
const PACK: u64 = 64 << 20;
const MAGIC: &[u8; 4] = b"LWB1";
/// Begins a frame whose blob was deleted: digest and length stay, the content is zeros.
const ERASED: &[u8; 4] = b"LWD1";
/// Magic, SHA-256, length.
pub(crate) const HEADER: usize = 4 + 32 + 4;

/// Where a blob lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Pack { pack: u32, offset: u64, length: u32 },
    File,
}

/// The packs of a home, with the end of the one being written.
#[derive(Debug)]
pub(crate) struct Packs {
    folder: PathBuf,
    pack: u32,
    end: u64,
}

pub(crate) fn pack_path(folder: &Path, pack: u32) -> PathBuf {
    folder.join(format!("{pack:06}.pack"))
}

pub(crate) fn file_path(blobs: &Path, digest: &Digest) -> PathBuf {
    let hex = digest.hex();
    blobs.join(digest.algorithm().name()).join(hex.get(..2).unwrap_or("00")).join(&hex)
}

impl Packs {
    /// Opens the packs for appending. A torn end is never cut, since what looks torn may be damage behind which
    /// good blobs lie: writing goes on in a new pack instead.
    pub(crate) fn open(blobs: &Path, files: &dyn Files) -> io::Result<Self> {
        let folder = blobs.join("packs");
        files.create_dir_all(&folder)?;
        let last = numbers(&folder, files)?.last().copied();
        let Some(last) = last else { return Ok(Self { folder, pack: 1, end: 0 }) };
        let path = pack_path(&folder, last);
        let length = files.length(&path)?.unwrap_or(0);
        let mut scan = Scan::new(&path, files, 0);
        while scan.next().transpose()?.is_some() {}
        if scan.offset() == length && length < PACK {
            Ok(Self { folder, pack: last, end: length })
        } else {
            Ok(Self { folder, pack: last + 1, end: 0 })
        }
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Appends blobs and syncs them; places are in the order of the blobs.
    pub(crate) fn append(
        &mut self,
        blobs: &[(Digest, Vec<u8>)],
        files: &dyn Files,
    ) -> io::Result<Vec<Place>> {
        if blobs.is_empty() {
            return Ok(Vec::new());
        }
        if self.end >= PACK {
            self.pack += 1;
            self.end = 0;
        }
        let mut bytes = Vec::new();
        let mut places = Vec::with_capacity(blobs.len());
        for (digest, blob) in blobs {
            bytes.extend_from_slice(MAGIC);
            bytes.extend_from_slice(digest.as_bytes());
            let length = u32::try_from(blob.len()).map_err(io::Error::other)?;
            bytes.extend_from_slice(&length.to_be_bytes());
            places.push(Place::Pack { pack: self.pack, offset: self.end + bytes.len() as u64, length });
            bytes.extend_from_slice(blob);
        }
        let path = pack_path(&self.folder, self.pack);
        let result = files
            .append(&path, &bytes)
            .and_then(|()| files.sync(&path))
            .and_then(|()| if self.end == 0 { files.sync_dir(&self.folder) } else { Ok(()) });
        match result {
            Ok(()) => {
                self.end += bytes.len() as u64;
                Ok(places)
            }
            Err(error) => {
                // What the pack holds now is unknown: leave it and go on in the next.
                self.pack += 1;
                self.end = 0;
                Err(error)
            }
        }
    }
}

/// Numbers of the packs in a folder, ascending.
pub(crate) fn numbers(folder: &Path, files: &dyn Files) -> io::Result<Vec<u32>> {
    let mut found: Vec<u32> = files
        .list(folder)?
        .iter()
        .filter_map(|name| name.strip_suffix(".pack").and_then(|number| number.parse().ok()))
        .collect();
    found.sort_unstable();
    Ok(found)
}

/// Reads the frames of a pack one by one, checking each digest; ends at the first that is not whole.
pub(crate) struct Scan<'a> {
    path: &'a Path,
    files: &'a dyn Files,
    offset: u64,
    /// A piece of the file, and where it begins: a pack has thousands of frames, and each would open it again.
    piece: Vec<u8>,
    from: u64,
}

/// Bytes that are read ahead; more than any frame.
const AHEAD: usize = 2 * SMALL;

/// One frame: its blob's digest, where the blob starts, its length, and whether it was erased.
pub(crate) struct Frame {
    pub(crate) digest: Digest,
    pub(crate) offset: u64,
    pub(crate) length: u32,
    pub(crate) erased: bool,
}

impl<'a> Scan<'a> {
    pub(crate) fn new(path: &'a Path, files: &'a dyn Files, offset: u64) -> Self {
        Self { path, files, offset, piece: Vec::new(), from: 0 }
    }

    /// Bytes of the file; fewer where it ends.
    fn bytes(&mut self, offset: u64, length: usize) -> io::Result<&[u8]> {
        let within = |from: u64, piece: &[u8]| {
            let start = usize::try_from(offset.checked_sub(from)?).ok()?;
            let end = start.checked_add(length)?;
            (end <= piece.len()).then_some(start..end)
        };
        if within(self.from, &self.piece).is_none() {
            self.piece = self.files.read_at(self.path, offset, length.max(AHEAD))?;
            self.from = offset;
        }
        let range = within(self.from, &self.piece).unwrap_or(0..self.piece.len().min(length));
        Ok(self.piece.get(range).unwrap_or_default())
    }

    /// Where the next frame would start.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    fn frame(&mut self) -> io::Result<Option<Frame>> {
        let header = self.bytes(self.offset, HEADER)?;
        let parts =
            header.split_at_checked(4).and_then(|(magic, rest)| Some((magic, rest.split_at_checked(32)?)));
        let Some((magic, (digest, length))) = parts else { return Ok(None) };
        let erased = magic == ERASED;
        let known = erased || magic == MAGIC;
        let (Ok(length), true) = (<[u8; 4]>::try_from(length), known) else { return Ok(None) };
        let length = u32::from_be_bytes(length);
        if length as usize > SMALL {
            return Ok(None);
        }
        let Some(digest) = Digest::from_bytes(Algorithm::Sha256, digest) else { return Ok(None) };
        let offset = self.offset + HEADER as u64;
        let blob = self.bytes(offset, length as usize)?;
        let whole = if erased { blob.iter().all(|byte| *byte == 0) } else { Digest::sha256(blob) == digest };
        if blob.len() != length as usize || !whole {
            return Ok(None);
        }
        self.offset = offset + u64::from(length);
        Ok(Some(Frame { digest, offset, length, erased }))
    }
}

impl Iterator for Scan<'_> {
    type Item = io::Result<Frame>;

    fn next(&mut self) -> Option<Self::Item> {
        self.frame().transpose()
    }
}

/// Overwrites blobs of a pack with zeros; durable when this returns. Every other blob stays where it is, and whoever
/// reads meanwhile has the old pack or the new one, never a torn one.
pub(crate) fn erase(path: &Path, gone: &BTreeSet<Digest>, files: &dyn Files) -> io::Result<()> {
    let mut bytes = None;
    for frame in Scan::new(path, files, 0) {
        let frame = frame?;
        if frame.erased || !gone.contains(&frame.digest) {
            continue;
        }
        let bytes = match &mut bytes {
            Some(bytes) => bytes,
            empty => empty.insert(files.read(path)?),
        };
        let start = usize::try_from(frame.offset).map_err(io::Error::other)?;
        let (head, content) = (start - HEADER, start..start + frame.length as usize);
        let cut = || io::Error::new(io::ErrorKind::UnexpectedEof, "the pack became shorter");
        bytes.get_mut(head..head + 4).ok_or_else(cut)?.copy_from_slice(ERASED);
        bytes.get_mut(content).ok_or_else(cut)?.fill(0);
    }
    let (Some(bytes), Some(folder)) = (bytes, path.parent()) else { return Ok(()) };
    let draft = path.with_extension("new");
    files.create_sparse(&draft, &bytes)?;
    files.sync(&draft)?;
    files.rename(&draft, path)?;
    files.sync_dir(folder)
}

/// Removes a large blob; durable when this returns.
pub(crate) fn remove_large(blobs: &Path, digest: &Digest, files: &dyn Files) -> io::Result<()> {
    let path = file_path(blobs, digest);
    let Some(folder) = path.parent() else { return Ok(()) };
    if files.length(&path)?.is_none() {
        return Ok(());
    }
    files.remove(&path)?;
    files.sync_dir(folder)
}

/// Writes a large blob as a file of its own, durable when this returns.
pub(crate) fn write_large(blobs: &Path, digest: &Digest, blob: &[u8], files: &dyn Files) -> io::Result<()> {
    let path = file_path(blobs, digest);
    let Some(folder) = path.parent() else { return Ok(()) };
    if files.length(&path)? == Some(blob.len() as u64) {
        return Ok(());
    }
    files.create_dir_all(folder)?;
    let draft = path.with_extension("new");
    files.create(&draft, blob)?;
    files.sync(&draft)?;
    files.rename(&draft, &path)?;
    files.sync_dir(folder)
}
