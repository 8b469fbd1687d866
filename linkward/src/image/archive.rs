//! An archive of an OCI layout, or what `docker save` writes; packed or not. Blobs are found by one pass over the headers,
//! and read where they lie; a packed archive is unpacked once more for each.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use linkward_evidence::Fault;
use linkward_evidence::archive::inside;
use linkward_evidence::archive::packed::unpacked;
use linkward_evidence::archive::tar::{Kind, Tar};
use linkward_inventory::Inventory;
use linkward_inventory::image::{self, Blobs, Descriptor, Image, MAX_DOCUMENT, Platform, broken};
use linkward_model::{Code, Digest};

use super::{blob_path, contents, resolve};
use crate::progress::Progress;

const MAX_ENTRIES: usize = 100_000;
/// How many entries may come before the first that tells an image.
const HINTS: usize = 16;

struct Archive {
    file: PathBuf,
    packed: bool,
    /// Offset and size of each file.
    entries: BTreeMap<String, (u64, u64)>,
}

fn is_packed(file: &Path) -> io::Result<bool> {
    let mut head = [0; 4];
    let count = File::open(file)?.read(&mut head)?;
    Ok(count == 4 && (head.starts_with(&[0x1f, 0x8b]) || head == [0x28, 0xb5, 0x2f, 0xfd]))
}

pub(super) fn is_image(file: &Path) -> bool {
    if !std::fs::metadata(file).is_ok_and(|kind| kind.is_file()) {
        return false;
    }
    let Ok(stream) = File::open(file).and_then(unpacked) else { return false };
    let mut tar = Tar::new(stream);
    (0..HINTS).any(|_| {
        let entry = tar.entry().ok().flatten();
        entry.and_then(|entry| inside(&entry.path)).is_some_and(|path| {
            path == "oci-layout"
                || path == "manifest.json"
                || path == "index.json"
                || path == "blobs"
                || path.starts_with("blobs/sha256")
                || path.ends_with("/layer.tar")
        })
    })
}

impl Archive {
    fn open(file: &Path) -> Result<Self, Fault> {
        let fault = |error: &io::Error| broken("the archive", error);
        let packed = is_packed(file).map_err(|error| fault(&error))?;
        let mut archive = Self { file: file.to_path_buf(), packed, entries: BTreeMap::new() };
        let stream = File::open(file).and_then(unpacked).map_err(|error| fault(&error))?;
        let mut tar = Tar::new(stream);
        let mut links = Vec::new();
        loop {
            let entry = tar
                .entry()
                .map_err(|error| Fault::new(Code::ArchiveMalformed, "the archive", error.to_string()))?;
            let Some(entry) = entry else { break };
            if archive.entries.len() + links.len() >= MAX_ENTRIES {
                return Err(Fault::new(
                    Code::TooLarge,
                    "the archive",
                    format!("has more than {MAX_ENTRIES} entries"),
                ));
            }
            let shown = || String::from_utf8_lossy(&entry.path).into_owned();
            let path = inside(&entry.path)
                .ok_or_else(|| Fault::new(Code::ArchiveEscape, shown(), "leads out of the archive"))?;
            match entry.kind {
                Kind::File => {
                    archive.entries.insert(path, (entry.offset, entry.size));
                }
                // Older versions of `docker save` write a layer that comes twice as a link to the first.
                Kind::SymbolicLink | Kind::HardLink => {
                    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
                    links.push((resolved(folder, &entry.link, entry.kind), path));
                }
                Kind::Directory => {}
                _ => return Err(Fault::new(Code::ArchiveDevice, shown(), "is no file")),
            }
        }
        for (target, path) in links {
            if let Some(at) = target.and_then(|target| archive.entries.get(&target).copied()) {
                archive.entries.insert(path, at);
            }
        }
        Ok(archive)
    }

    fn stream(&self, path: &str) -> Result<Box<dyn Read>, Fault> {
        let missing = || Fault::new(Code::ImageUnreachable, path, "is not in the archive");
        let (offset, size) = self.entries.get(path).copied().ok_or_else(missing)?;
        let at = || -> io::Result<Box<dyn Read>> {
            let mut file = File::open(&self.file)?;
            if !self.packed {
                file.seek(SeekFrom::Start(offset))?;
                return Ok(Box::new(file.take(size)));
            }
            let mut stream = unpacked(file)?;
            io::copy(&mut (&mut stream).take(offset), &mut io::sink())?;
            Ok(Box::new(stream.take(size)))
        };
        at().map_err(|error| broken(path, &error))
    }

    fn whole(&self, path: &str) -> Result<Vec<u8>, Fault> {
        let mut bytes = Vec::new();
        let read = self.stream(path)?.take(MAX_DOCUMENT + 1).read_to_end(&mut bytes);
        read.map_err(|error| broken(path, &error))?;
        if bytes.len() as u64 > MAX_DOCUMENT {
            return Err(Fault::new(Code::TooLarge, path, format!("is larger than {MAX_DOCUMENT} bytes")));
        }
        Ok(bytes)
    }
}

/// Where a link leads, within the archive.
fn resolved(folder: &str, link: &[u8], kind: Kind) -> Option<String> {
    let link = String::from_utf8_lossy(link);
    if kind == Kind::HardLink {
        return inside(link.as_bytes());
    }
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in link.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

impl Blobs for Archive {
    fn open<'a>(&'a mut self, blob: &Descriptor) -> Result<Box<dyn Read + 'a>, Fault> {
        self.stream(&blob_path(blob))
    }
}

pub(super) fn read(
    file: &Path,
    platform: Option<&Platform>,
    progress: &Progress,
) -> Result<Inventory, Fault> {
    progress.say("reading the archive");
    let mut archive = Archive::open(file)?;
    let (name, image) = if archive.entries.contains_key("index.json") {
        let index = archive.whole("index.json")?;
        (None, resolve(&mut archive, &index, None, platform)?)
    } else {
        docker_save(&mut archive, platform)?
    };
    let name = name.unwrap_or_else(|| crate::project::project_name(file));
    contents(&name, &image, &mut archive, progress)
}

/// Before Docker 25 there are no digests in the archive but those that the configuration names, which is named by its own.
fn docker_save(archive: &mut Archive, platform: Option<&Platform>) -> Result<(Option<String>, Image), Fault> {
    let list = archive.whole("manifest.json")?;
    let (config, layers, tag) = image::docker_save(&list)?;
    let configuration = archive.whole(&config)?;
    let digest = Digest::sha256(&configuration);
    let stem = config.rsplit('/').next().unwrap_or(&config);
    let stem = stem.strip_suffix(".json").unwrap_or(stem);
    if stem.len() == 64 && stem != digest.hex() {
        return Err(Fault::new(Code::BlobMismatch, config, format!("the bytes are those of {digest}")));
    }
    // The configuration's digests stand for the layers until their bytes are there to be compared.
    let ids = image::diff_ids(&configuration)?;
    let layers =
        layers.into_iter().zip(&ids).map(|(path, id)| Descriptor { path: Some(path), ..Descriptor::of(*id) });
    let layers: Vec<Descriptor> = layers.collect();
    let config = Descriptor::of(digest);
    let image = image::image(digest, b"{}", config, &configuration, layers, platform)?;
    Ok((tag, image))
}
