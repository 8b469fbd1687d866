//! Any bytes as the documents and the one layer of an image.
#![no_main]

use std::io::Read;

use libfuzzer_sys::fuzz_target;
use linkward_evidence::Fault;
use linkward_inventory::image::{Blobs, Descriptor, Image, Platform, choose, contents, diff_ids, docker_save, manifest};
use linkward_model::Digest;

struct One<'a>(&'a [u8]);

impl Blobs for One<'_> {
    fn open<'a>(&'a mut self, _: &Descriptor) -> Result<Box<dyn Read + 'a>, Fault> {
        Ok(Box::new(self.0))
    }
}

fuzz_target!(|bytes: &[u8]| {
    let digest = Digest::sha256(bytes);
    let _ = choose(bytes, None, "index");
    let _ = manifest(bytes, &digest);
    let _ = docker_save(bytes);
    let _ = diff_ids(bytes);
    let image = Image {
        manifest: digest,
        configuration: digest,
        platform: Platform::here(),
        layers: vec![Descriptor::of(digest)],
        diff_ids: vec![digest],
        base: None,
        base_digest: None,
    };
    // Packed or not, a layer is read to its end or refused.
    let _ = contents("fuzz", &image, &mut One(bytes), |_, _| ());
});
