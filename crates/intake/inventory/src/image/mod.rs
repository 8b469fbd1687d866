//! OCI and Docker images: what is in the file system that a container would see, which layer says so, and what the image was
//! built on. Layers are streams: nothing of them is kept but what catalogers make of files of interest.

mod layer;
mod manifest;
#[cfg(test)]
mod tests;

use std::io::Read;

use linkward_evidence::Fault;
use linkward_evidence::archive::packed::unpacked;
use linkward_evidence::sbom::Component;
use linkward_model::{Code, Digest, Instant, Purl, Sha256Stream};

use crate::{Catalogue, Inventory};

pub use manifest::{Choice, Descriptor, Image, Platform, choose, diff_ids, docker_save, image, manifest};

/// Where blobs of an image are: a folder, an archive, a registry.
pub trait Blobs {
    /// The bytes of a blob as a stream. Whether they are what the digest says is for the reader to find out.
    ///
    /// # Errors
    /// The blob is not there or cannot be reached: with a code of its own.
    fn open<'a>(&'a mut self, blob: &Descriptor) -> Result<Box<dyn Read + 'a>, Fault>;
}

/// Largest index, manifest or configuration.
pub const MAX_DOCUMENT: u64 = 4 << 20;

/// A small blob whole, compared with its digest.
///
/// # Errors
/// Not there, too large, or not what its digest says.
pub fn document(blobs: &mut dyn Blobs, blob: &Descriptor) -> Result<Vec<u8>, Fault> {
    let mut bytes = Vec::new();
    let read = blobs.open(blob)?.take(MAX_DOCUMENT + 1).read_to_end(&mut bytes);
    read.map_err(|error| broken(&blob.digest.to_string(), &error))?;
    if bytes.len() as u64 > MAX_DOCUMENT {
        let what = format!("is larger than {MAX_DOCUMENT} bytes");
        return Err(Fault::new(Code::TooLarge, blob.digest.to_string(), what));
    }
    if Digest::of(blob.digest.algorithm(), &bytes) != blob.digest {
        return Err(differs(&blob.digest, &Digest::sha256(&bytes)));
    }
    Ok(bytes)
}

/// Reads every layer, the uppermost first: what an upper one holds or whites out is not there below it.
///
/// # Errors
/// A layer cannot be read to its end, or is not what its digest says: of such an image nothing is believed.
pub fn contents(
    name: &str,
    image: &Image,
    blobs: &mut dyn Blobs,
    mut say: impl FnMut(usize, usize),
) -> Result<Inventory, Fault> {
    let mut catalogue = Catalogue::default();
    let mut above = layer::Above::default();
    for (index, blob) in image.layers.iter().enumerate().rev() {
        say(image.layers.len() - index, image.layers.len());
        let place = format!("layer {} ({})", index + 1, blob.digest.short());
        if let Some(code) = blob.unreadable() {
            let kind = &blob.media_type;
            catalogue.doubt(code, format!("{place} is of type `{kind}`, which is not read"));
            continue;
        }
        let mut packed = Hashed { from: blobs.open(blob)?, stream: Sha256Stream::new() };
        let plain = {
            let stream = unpacked(&mut packed).map_err(|error| broken(&place, &error))?;
            let mut plain = Hashed { from: stream, stream: Sha256Stream::new() };
            layer::read(&mut plain, &place, &blob.digest.to_string(), &mut above, &mut catalogue)?;
            drain(&mut plain, &place)?;
            plain.stream.finish()
        };
        drain(&mut packed, &place)?;
        let stored = packed.stream.finish();
        if let Some(named) = image.names_stored(index)
            && *named != stored
        {
            return Err(differs(named, &stored));
        }
        match image.diff_ids.get(index) {
            Some(expected) if *expected != plain => return Err(differs(expected, &plain)),
            Some(_) => {}
            None => {
                let what = "its configuration names fewer layers than its manifest";
                return Err(Fault::new(Code::ImageUnreadable, place, what));
            }
        }
    }
    let release = catalogue.release().cloned();
    let mut inventory = catalogue.finish(name);
    describe(name, image, &mut inventory);
    inventory.chain = image.chain();
    if let Some(release) = release {
        inventory.sbom.notes.insert("image:distribution".to_owned(), release.qualifier());
    }
    Ok(inventory)
}

/// The image itself as what the document is about.
fn describe(name: &str, image: &Image, inventory: &mut Inventory) {
    let sbom = &mut inventory.sbom;
    if let Some(subject) = &mut sbom.subject {
        let version = image.manifest.to_string();
        let short = name.rsplit('/').next().unwrap_or(name);
        let short = short.split(['@', ':']).next().unwrap_or(short);
        *subject = Component {
            id: subject.id.clone(),
            kind: "container".to_owned(),
            name: name.to_owned(),
            purl: Purl::new("oci", short, Some(&version)).ok(),
            version: Some(version),
            digests: vec![image.manifest],
            ..Component::default()
        };
    }
    sbom.created = None::<Instant>;
    let notes = [
        ("image:platform", Some(image.platform.to_string())),
        ("image:configuration", Some(image.configuration.to_string())),
        ("image:base", image.base.clone()),
        ("image:base-digest", image.base_digest.clone()),
    ];
    for (name, value) in notes {
        if let Some(value) = value {
            sbom.notes.insert(name.to_owned(), value);
        }
    }
    for (index, blob) in image.layers.iter().enumerate() {
        sbom.notes.insert(format!("image:layer-{:03}", index + 1), blob.digest.to_string());
    }
}

struct Hashed<R> {
    from: R,
    stream: Sha256Stream,
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, to: &mut [u8]) -> std::io::Result<usize> {
        let count = self.from.read(to)?;
        self.stream.update(to.get(..count).unwrap_or(&[]));
        Ok(count)
    }
}

/// To the end: a digest covers what stands behind the archive as well.
fn drain(from: &mut impl Read, place: &str) -> Result<(), Fault> {
    std::io::copy(from, &mut std::io::sink()).map(drop).map_err(|error| broken(place, &error))
}

fn differs(named: &Digest, found: &Digest) -> Fault {
    Fault::new(Code::BlobMismatch, named.to_string(), format!("the bytes are those of {found}"))
}

/// What went wrong while a blob was read: a limit, a broken archive, or its source.
pub fn broken(place: &str, error: &std::io::Error) -> Fault {
    use std::io::ErrorKind as Kind;
    let code = match error.kind() {
        Kind::FileTooLarge => Code::TooLarge,
        Kind::InvalidData | Kind::InvalidInput | Kind::UnexpectedEof | Kind::Other => Code::ImageUnreadable,
        _ => Code::ImageUnreachable,
    };
    Fault::new(code, place, error.to_string())
}
