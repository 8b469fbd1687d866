//! Images as targets: an OCI layout in a folder, an archive of one or of `docker save`, or a reference to a registry.

mod archive;
mod attach;
mod credentials;
mod layout;
mod registry;

use std::path::Path;

use anyhow::Result;
use linkward_evidence::Fault;
use linkward_inventory::Inventory;
use linkward_inventory::image::{self, Blobs, Descriptor, Image, Platform};
use linkward_model::Digest;

pub(crate) use self::attach::{attach, attached};
use crate::progress::Progress;
use crate::wire::Failure;

/// What `skopeo` and `podman` write before a reference to a registry.
const REGISTRY: &str = "docker://";

pub(crate) fn is_reference(target: &str) -> bool {
    target.starts_with(REGISTRY)
}

pub(crate) fn is_layout(folder: &Path) -> bool {
    folder.join("oci-layout").is_file()
}

/// Whether a file is an archive of an image: its first entries say so.
pub(crate) fn is_archive(file: &Path) -> bool {
    archive::is_image(file)
}

/// What is in an image.
pub(crate) fn inventory(target: &str, platform: Option<&Platform>, progress: &Progress) -> Result<Inventory> {
    let read = match target.strip_prefix(REGISTRY) {
        Some(reference) => registry::read(reference, platform, progress)?,
        None if Path::new(target).is_dir() => layout::read(Path::new(target), platform, progress),
        None => archive::read(Path::new(target), platform, progress),
    };
    read.map_err(|fault| Failure::new(fault.code, format!("{target}: {fault}")).into())
}

/// From an index or manifest to the layers: every document is compared with the digest that leads to it.
fn resolve(
    blobs: &mut dyn Blobs,
    top: &[u8],
    top_digest: Option<Digest>,
    platform: Option<&Platform>,
) -> Result<Image, Fault> {
    /// An index may lead to indexes.
    const DEEPEST: usize = 4;
    let mut bytes = top.to_vec();
    let mut digest = top_digest.unwrap_or_else(|| Digest::sha256(top));
    for depth in 0..DEEPEST {
        let place = if depth == 0 { "index".to_owned() } else { format!("index {}", digest.short()) };
        match image::choose(&bytes, platform, &place)? {
            image::Choice::Manifest => break,
            image::Choice::Next(next) => {
                bytes = image::document(blobs, &next)?;
                digest = next.digest;
            }
        }
    }
    let (config, layers) = image::manifest(&bytes, &digest)?;
    let configuration = image::document(blobs, &config)?;
    image::image(digest, &bytes, config, &configuration, layers, platform)
}

fn contents(
    name: &str,
    image: &Image,
    blobs: &mut dyn Blobs,
    progress: &Progress,
) -> Result<Inventory, Fault> {
    image::contents(name, image, blobs, |layer, of| progress.say(&format!("reading layer {layer} of {of}")))
}

/// `sha256/HEX`, as layouts name the file of a blob.
fn blob_path(blob: &Descriptor) -> String {
    blob.path
        .clone()
        .unwrap_or_else(|| format!("blobs/{}/{}", blob.digest.algorithm().name(), blob.digest.hex()))
}
