//! An OCI image layout in a folder (OCI image specification, image-layout.md).

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use linkward_evidence::Fault;
use linkward_inventory::Inventory;
use linkward_inventory::image::{Blobs, Descriptor, MAX_DOCUMENT, Platform, broken};
use linkward_model::Code;

use super::{blob_path, contents, resolve};
use crate::progress::Progress;

struct Folder(PathBuf);

impl Blobs for Folder {
    fn open<'a>(&'a mut self, blob: &Descriptor) -> Result<Box<dyn Read + 'a>, Fault> {
        let path = self.0.join(blob_path(blob));
        let fault =
            |error: io::Error| Fault::new(Code::ImageUnreachable, blob.digest.to_string(), error.to_string());
        let file = File::open(&path).map_err(fault)?;
        // A pipe would wait for ever.
        if !file.metadata().map_err(fault)?.is_file() {
            return Err(Fault::new(Code::ImageUnreadable, blob.digest.to_string(), "is no file"));
        }
        Ok(Box::new(file))
    }
}

pub(super) fn read(
    folder: &Path,
    platform: Option<&Platform>,
    progress: &Progress,
) -> Result<Inventory, Fault> {
    let mut index = Vec::new();
    File::open(folder.join("index.json"))
        .and_then(|file| file.take(MAX_DOCUMENT).read_to_end(&mut index))
        .map_err(|error| broken("index.json", &error))?;
    let mut blobs = Folder(folder.to_path_buf());
    let image = resolve(&mut blobs, &index, None, platform)?;
    contents(&crate::project::project_name(folder), &image, &mut blobs, progress)
}
