//! Archives and images as a registry would keep them, in memory.

use std::collections::BTreeMap;

use linkward_model::Digest;
use serde_json::{Value, json};

/// An entry of a tar archive: path, type, mode, what a link names, bytes.
pub type TarEntry<'a> = (&'a str, u8, u32, &'a str, &'a [u8]);

/// How a layer is packed.
pub type Pack = fn(&[u8]) -> Vec<u8>;

/// A plain file.
pub const fn file<'a>(path: &'a str, bytes: &'a [u8]) -> TarEntry<'a> {
    (path, b'0', 0o644, "", bytes)
}

/// A tar archive (ustar) of these entries.
pub fn tar(entries: &[TarEntry<'_>]) -> Vec<u8> {
    let mut out = Vec::new();
    for (path, kind, mode, link, bytes) in entries {
        let mut block = [0u8; 512];
        let mut put = |at: usize, text: &[u8]| {
            block.iter_mut().skip(at).zip(text).for_each(|(to, byte)| *to = *byte);
        };
        put(0, path.as_bytes());
        put(100, format!("{mode:07o}").as_bytes());
        put(124, format!("{:011o}", bytes.len()).as_bytes());
        put(148, b"        ");
        put(156, &[*kind]);
        put(157, link.as_bytes());
        put(257, b"ustar\x0000");
        let sum: u64 = block.iter().map(|byte| u64::from(*byte)).sum();
        let digits = format!("{sum:06o}\0");
        block.iter_mut().skip(148).zip(digits.as_bytes()).for_each(|(to, byte)| *to = *byte);
        out.extend(block);
        out.extend(*bytes);
        out.resize(out.len().next_multiple_of(512), 0);
    }
    out.resize(out.len() + 1024, 0);
    out
}

/// Packed by gzip without making it smaller (RFC 1951, stored blocks).
pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
    let mut pieces = bytes.chunks(0xffff).peekable();
    while let Some(piece) = pieces.next() {
        let length = u16::try_from(piece.len()).unwrap_or_default();
        out.push(u8::from(pieces.peek().is_none()));
        out.extend(length.to_le_bytes());
        out.extend((!length).to_le_bytes());
        out.extend(piece);
    }
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
        }
    }
    out.extend((!crc).to_le_bytes());
    out.extend(u32::try_from(bytes.len()).unwrap_or_default().to_le_bytes());
    out
}

/// As Zstandard with raw blocks, behind a frame that has to be skipped (RFC 8878).
pub fn zstd(bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3];
    out.extend([0x28, 0xb5, 0x2f, 0xfd, 0xa0]);
    out.extend(u32::try_from(bytes.len()).unwrap_or_default().to_le_bytes());
    let mut pieces = bytes.chunks(100_000).peekable();
    while let Some(piece) = pieces.next() {
        let size = u32::try_from(piece.len()).unwrap_or_default() << 3;
        let header = size | u32::from(pieces.peek().is_none());
        out.extend(header.to_le_bytes().iter().take(3));
        out.extend(piece);
    }
    out
}

/// A zip archive whose members are stored as they are.
pub fn zip(members: &[(&str, &[u8])]) -> Vec<u8> {
    let (mut out, mut directory) = (Vec::new(), Vec::new());
    let words = |to: &mut Vec<u8>, words: &[usize], size: usize| {
        words.iter().for_each(|word| to.extend(word.to_le_bytes().iter().take(size)));
    };
    for (name, bytes) in members {
        let start = out.len();
        out.extend(b"PK\x03\x04");
        out.extend([0; 14]);
        words(&mut out, &[bytes.len(), bytes.len()], 4);
        words(&mut out, &[name.len(), 0], 2);
        out.extend(name.as_bytes());
        out.extend(*bytes);
        directory.extend(b"PK\x01\x02");
        directory.extend([0; 16]);
        words(&mut directory, &[bytes.len(), bytes.len()], 4);
        words(&mut directory, &[name.len(), 0, 0, 0, 0, 0, 0], 2);
        words(&mut directory, &[start], 4);
        directory.extend(name.as_bytes());
    }
    let start = out.len();
    out.extend(&directory);
    out.extend(b"PK\x05\x06");
    words(&mut out, &[0, 0, members.len(), members.len()], 2);
    words(&mut out, &[directory.len(), start], 4);
    words(&mut out, &[0], 2);
    out
}

/// Blobs of an image by digest, and what leads to them.
#[derive(Clone, Debug, Default)]
pub struct Layout {
    pub blobs: BTreeMap<String, Vec<u8>>,
    /// Entries of the index.
    pub manifests: Vec<Value>,
}

impl Layout {
    pub fn blob(&mut self, bytes: Vec<u8>) -> String {
        let digest = Digest::sha256(&bytes).to_string();
        self.blobs.insert(digest.clone(), bytes);
        digest
    }

    /// Adds an image of these layers, the lowest first: how each is packed, and its archive. Its manifest's digest.
    pub fn image(&mut self, architecture: &str, labels: &Value, layers: &[(Pack, Vec<u8>)]) -> String {
        let ids: Vec<String> = layers.iter().map(|(_, tar)| Digest::sha256(tar).to_string()).collect();
        let config = json!({ "os": "linux", "architecture": architecture, "config": { "Labels": labels },
            "rootfs": { "type": "layers", "diff_ids": ids } });
        let config = self.described("application/vnd.oci.image.config.v1+json", config.to_string().into());
        let kind = "application/vnd.oci.image.layer.v1.tar+gzip";
        let layers: Vec<Value> = layers.iter().map(|(pack, tar)| self.described(kind, pack(tar))).collect();
        let kind = "application/vnd.oci.image.manifest.v1+json";
        let manifest = json!({ "schemaVersion": 2, "mediaType": kind, "config": config, "layers": layers });
        let mut entry = self.described(kind, manifest.to_string().into());
        if let Some(entry) = entry.as_object_mut() {
            entry.insert("platform".to_owned(), json!({ "os": "linux", "architecture": architecture }));
        }
        let digest = entry.get("digest").and_then(Value::as_str).unwrap_or_default().to_owned();
        self.manifests.push(entry);
        digest
    }

    fn described(&mut self, kind: &str, bytes: Vec<u8>) -> Value {
        let size = bytes.len();
        json!({ "mediaType": kind, "digest": self.blob(bytes), "size": size })
    }

    pub fn index(&self) -> Vec<u8> {
        let kind = "application/vnd.oci.image.index.v1+json";
        json!({ "schemaVersion": 2, "mediaType": kind, "manifests": self.manifests }).to_string().into_bytes()
    }

    /// Files of an OCI layout.
    pub fn files(&self) -> BTreeMap<String, Vec<u8>> {
        let blobs = self.blobs.iter().map(|(digest, bytes)| {
            let hex = digest.split_once(':').map_or(digest.as_str(), |(_, hex)| hex);
            (format!("blobs/sha256/{hex}"), bytes.clone())
        });
        let mut files: BTreeMap<_, _> = blobs.collect();
        files.insert("index.json".to_owned(), self.index());
        files.insert("oci-layout".to_owned(), br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec());
        files
    }

    /// The layout as one archive.
    pub fn archive(&self) -> Vec<u8> {
        let files = self.files();
        let entries: Vec<TarEntry<'_>> = files.iter().map(|(path, bytes)| file(path, bytes)).collect();
        tar(&entries)
    }
}
