//! Index, manifest and configuration of an image (OCI image specification 1.1, Docker schema 2), and `docker save`'s own.

use std::fmt;
use std::str::FromStr;

use linkward_evidence::Fault;
use linkward_model::{Algorithm, Code, Digest};
use serde_json::Value;

/// Most layers of one image; Docker itself stops at 127.
const MAX_LAYERS: usize = 1024;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Descriptor {
    pub media_type: String,
    pub digest: Digest,
    pub size: Option<u64>,
    /// Where it lies, in an archive that does not name blobs by digest.
    pub path: Option<String>,
}

impl Descriptor {
    pub fn of(digest: Digest) -> Self {
        Self { media_type: String::new(), digest, size: None, path: None }
    }

    fn read(value: &Value, place: &str) -> Result<Self, Fault> {
        let digest = value.get("digest").and_then(Value::as_str);
        let digest = digest.ok_or_else(|| malformed(place, "has no `digest`"))?;
        Ok(Self {
            media_type: text(value, "mediaType").unwrap_or_default(),
            digest: digest.parse().map_err(|_| malformed(place, &format!("`{digest}` is no digest")))?,
            size: value.get("size").and_then(Value::as_u64),
            path: None,
        })
    }

    /// The code of the reason why a layer of this type is not read.
    pub(super) fn unreadable(&self) -> Option<Code> {
        let kind = self.media_type.as_str();
        let foreign = kind.contains("nondistributable") || kind.contains("foreign");
        let known = kind.is_empty()
            || ["tar", "tar.gzip", "tar+gzip", "tar+zstd"].iter().any(|end| kind.ends_with(end));
        (foreign || !known).then_some(Code::UnsupportedFormat)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Platform {
    pub os: String,
    pub architecture: String,
    pub variant: Option<String>,
}

impl Platform {
    /// Linux on this machine's processor, as its images spell it.
    pub fn here() -> Self {
        let architecture = match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            "x86" => "386",
            other => other,
        };
        Self { os: "linux".to_owned(), architecture: architecture.to_owned(), variant: None }
    }

    fn fits(&self, wanted: &Self) -> bool {
        self.os == wanted.os
            && self.architecture == wanted.architecture
            && (wanted.variant.is_none() || self.variant == wanted.variant)
    }

    fn read(value: &Value) -> Option<Self> {
        Some(Self {
            os: text(value, "os")?,
            architecture: text(value, "architecture")?,
            variant: text(value, "variant"),
        })
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        self.variant.as_ref().map_or(Ok(()), |variant| write!(f, "/{variant}"))
    }
}

impl FromStr for Platform {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts: Vec<&str> = text.split('/').collect();
        let (os, architecture, variant) = match parts.as_slice() {
            [os, architecture] => (os, architecture, None),
            [os, architecture, variant] => (os, architecture, Some((*variant).to_owned())),
            _ => return Err(format!("`{text}` is no platform; write it as linux/amd64 or linux/arm64/v8")),
        };
        if os.is_empty() || architecture.is_empty() {
            return Err(format!("`{text}` is no platform; write it as linux/amd64"));
        }
        Ok(Self { os: (*os).to_owned(), architecture: (*architecture).to_owned(), variant })
    }
}

/// One image for one platform.
#[derive(Clone, Debug)]
pub struct Image {
    pub manifest: Digest,
    pub configuration: Digest,
    pub platform: Platform,
    /// The lowest first.
    pub layers: Vec<Descriptor>,
    /// Digests of the layers without their packing.
    pub diff_ids: Vec<Digest>,
    /// What it was built on, as its annotations or labels say.
    pub base: Option<String>,
    pub base_digest: Option<String>,
}

impl Image {
    /// Each layer with all below it, as one digest (ChainID, OCI image specification, config.md).
    pub(super) fn chain(&self) -> Vec<Digest> {
        let mut chain: Vec<Digest> = Vec::new();
        for id in &self.diff_ids {
            chain.push(match chain.last() {
                None => *id,
                Some(below) => Digest::sha256(format!("{below} {id}").as_bytes()),
            });
        }
        chain
    }

    /// The digest that the stored bytes of a layer must have; an archive of `docker save` names none.
    pub(super) fn names_stored(&self, index: usize) -> Option<&Digest> {
        self.layers.get(index).filter(|layer| layer.path.is_none()).map(|layer| &layer.digest)
    }
}

/// What an index or manifest leads to.
#[derive(Debug)]
pub enum Choice {
    /// Another document has to be read.
    Next(Descriptor),
    /// This is a manifest.
    Manifest,
}

const BASE_NAME: &str = "org.opencontainers.image.base.name";
const BASE_DIGEST: &str = "org.opencontainers.image.base.digest";

/// The one image of an index that is meant: of the platform, or by name where an archive holds several.
///
/// # Errors
/// No index or manifest; several that fit, or none.
pub fn choose(bytes: &[u8], platform: Option<&Platform>, place: &str) -> Result<Choice, Fault> {
    let document = json(bytes, place)?;
    let Some(entries) = document.get("manifests") else {
        if document.get("layers").is_some() || document.get("config").is_some() {
            return Ok(Choice::Manifest);
        }
        if document.get("fsLayers").is_some() {
            let what = "is of Docker's schema 1, which proves nothing of its layers; push the image again";
            return Err(Fault::new(Code::UnsupportedVersion, place, what));
        }
        return Err(malformed(place, "is neither an index nor a manifest of an image"));
    };
    let entries = entries.as_array().ok_or_else(|| malformed(place, "`manifests` must be a list"))?;
    // Attestations lie beside images, for the platform unknown/unknown.
    let images: Vec<(&Value, Option<Platform>)> = entries
        .iter()
        .filter(|entry| entry.pointer("/annotations/vnd.docker.reference.type").is_none())
        .map(|entry| (entry, entry.get("platform").and_then(Platform::read)))
        .filter(|(_, platform)| platform.as_ref().is_none_or(|platform| platform.os != "unknown"))
        .collect();
    let wanted = platform.cloned().unwrap_or_else(Platform::here);
    let offered = || {
        let names = images.iter().map(|(entry, platform)| match platform {
            Some(platform) => platform.to_string(),
            None => text(entry, "digest").unwrap_or_default(),
        });
        names.collect::<Vec<_>>().join(", ")
    };
    let fitting: Vec<&Value> = match images.as_slice() {
        [] => return Err(malformed(place, "lists no image")),
        // Without a wish, the only one is the one. Its configuration says what it is for.
        [(only, None)] => vec![only],
        [(only, Some(of))] if platform.is_none() || of.fits(&wanted) => vec![only],
        all => all
            .iter()
            .filter(|(_, of)| of.as_ref().is_some_and(|of| of.fits(&wanted)))
            .map(|(entry, _)| *entry)
            .collect(),
    };
    match fitting.as_slice() {
        // An index may name one image by several tags.
        [first, rest @ ..] if rest.iter().all(|other| other.get("digest") == first.get("digest")) => {
            Descriptor::read(first, place).map(Choice::Next)
        }
        [first, ..] if first.get("platform").is_some_and(|of| of.get("variant").is_some()) => {
            Descriptor::read(first, place).map(Choice::Next)
        }
        [] => Err(Fault::new(
            Code::PlatformMissing,
            place,
            format!("has no image for {wanted}, but {}", offered()),
        )),
        _ => Err(Fault::new(
            Code::PlatformMissing,
            place,
            format!("holds several images for {wanted} ({}); name one by its digest", offered()),
        )),
    }
}

/// The layers, and which configuration belongs to them.
///
/// # Errors
/// Not a manifest of an image of file systems.
pub fn manifest(bytes: &[u8], digest: &Digest) -> Result<(Descriptor, Vec<Descriptor>), Fault> {
    let place = format!("manifest {}", digest.short());
    let document = json(bytes, &place)?;
    let config = document.get("config").ok_or_else(|| malformed(&place, "has no `config`"))?;
    let config = Descriptor::read(config, &place)?;
    if !config.media_type.is_empty() && !config.media_type.contains("image") {
        let what = format!("is no image, but an artifact of type `{}`", config.media_type);
        return Err(Fault::new(Code::UnsupportedFormat, place, what));
    }
    let layers = document.get("layers").and_then(Value::as_array);
    let layers = layers.ok_or_else(|| malformed(&place, "has no `layers`"))?;
    if layers.len() > MAX_LAYERS {
        return Err(Fault::new(Code::TooLarge, place, format!("has more than {MAX_LAYERS} layers")));
    }
    let layers = layers.iter().map(|layer| Descriptor::read(layer, &place)).collect::<Result<_, _>>()?;
    Ok((config, layers))
}

/// An image of its manifest and configuration, both of which were compared with their digests.
///
/// # Errors
/// The configuration is not one of an image.
pub fn image(
    digest: Digest,
    manifest: &[u8],
    config: Descriptor,
    configuration: &[u8],
    layers: Vec<Descriptor>,
    platform: Option<&Platform>,
) -> Result<Image, Fault> {
    let place = format!("configuration {}", config.digest.short());
    let document = json(configuration, &place)?;
    let of = Platform::read(&document).ok_or_else(|| malformed(&place, "names no platform"))?;
    if let Some(wanted) = platform
        && !of.fits(wanted)
    {
        return Err(Fault::new(Code::PlatformMissing, place, format!("is for {of}, not {wanted}")));
    }
    let diff_ids = diff_ids(configuration)?;
    let known = |digest: &Digest| digest.algorithm() == Algorithm::Sha256;
    if diff_ids.len() != layers.len() {
        let what = format!("names {} layers, the manifest {}", diff_ids.len(), layers.len());
        return Err(malformed(&place, &what));
    }
    if !diff_ids.iter().all(known) || !layers.iter().all(|layer| known(&layer.digest)) {
        return Err(Fault::new(
            Code::UnsupportedVersion,
            place,
            "names layers by another function than sha256",
        ));
    }
    let annotations = json(manifest, &place).unwrap_or_default();
    let said = |name: &str| {
        let annotation = annotations.get("annotations").and_then(|all| text(all, name));
        annotation.or_else(|| document.pointer("/config/Labels").and_then(|all| text(all, name)))
    };
    Ok(Image {
        manifest: digest,
        configuration: config.digest,
        platform: of,
        layers,
        diff_ids,
        base: said(BASE_NAME),
        base_digest: said(BASE_DIGEST),
    })
}

/// Digests of the layers without their packing, the lowest first.
///
/// # Errors
/// The configuration names none.
pub fn diff_ids(configuration: &[u8]) -> Result<Vec<Digest>, Fault> {
    const PLACE: &str = "configuration";
    let document = json(configuration, PLACE)?;
    let ids = document.pointer("/rootfs/diff_ids").and_then(Value::as_array);
    let ids = ids.ok_or_else(|| malformed(PLACE, "has no `rootfs.diff_ids`"))?;
    let ids = ids.iter().map(|id| id.as_str().and_then(|id| id.parse().ok())).collect::<Option<_>>();
    ids.ok_or_else(|| malformed(PLACE, "`rootfs.diff_ids` must be digests"))
}

/// `manifest.json` of `docker save`: where configuration and layers lie, by path. The layers' digests are those that the
/// configuration names.
///
/// # Errors
/// Not one image, or not as Docker writes it.
pub fn docker_save(bytes: &[u8]) -> Result<(String, Vec<String>, Option<String>), Fault> {
    const PLACE: &str = "manifest.json";
    let document = json(bytes, PLACE)?;
    let images = document.as_array().ok_or_else(|| malformed(PLACE, "must be a list"))?;
    let [image] = images.as_slice() else {
        let what = format!("holds {} images; save one at a time", images.len());
        return Err(Fault::new(Code::PlatformMissing, PLACE, what));
    };
    let config = text(image, "Config").ok_or_else(|| malformed(PLACE, "has no `Config`"))?;
    let layers = image.get("Layers").and_then(Value::as_array);
    let layers = layers.ok_or_else(|| malformed(PLACE, "has no `Layers`"))?;
    if layers.len() > MAX_LAYERS {
        return Err(Fault::new(Code::TooLarge, PLACE, format!("has more than {MAX_LAYERS} layers")));
    }
    let layers = layers.iter().map(|layer| layer.as_str().map(str::to_owned)).collect::<Option<_>>();
    let layers = layers.ok_or_else(|| malformed(PLACE, "`Layers` must be paths"))?;
    let tag = image.pointer("/RepoTags/0").and_then(Value::as_str).map(str::to_owned);
    Ok((config, layers, tag))
}

fn json(bytes: &[u8], place: &str) -> Result<Value, Fault> {
    serde_json::from_slice(bytes)
        .map_err(|error| malformed(&format!("{place}, line {}", error.line()), &error.to_string()))
}

fn text(value: &Value, name: &str) -> Option<String> {
    value.get(name).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
}

fn malformed(place: &str, message: &str) -> Fault {
    Fault::new(Code::ImageUnreadable, place, message)
}
