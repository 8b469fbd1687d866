//! Alpine packages (apk, format 2): three gzip streams one after the other, of signatures, of control and of data.
//!
//! The signature is over the control stream's bytes, and the control stream names the data by digest.

use std::io::Read as _;

use flate2::bufread::GzDecoder;
use linkward_model::{Algorithm, Code, Digest};

use crate::Fault;
use crate::archive::tar::{Kind, Tar, TarError};

/// Largest size of signatures and of control, unpacked.
const MAX_STREAM: u64 = 16 << 20;
/// Most files of either.
const MAX_FILES: usize = 64;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Package<'a> {
    pub signatures: Vec<Signature>,
    /// The control stream as it stands in the file: what is signed.
    pub control: &'a [u8],
    pub information: Information,
    /// Where the data begins.
    pub data: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// The key's file name: a hint, never trusted.
    pub key: String,
    /// `None` for SHA-1.
    pub hash: Option<Algorithm>,
    pub sig: Vec<u8>,
}

/// `.PKGINFO`, as far as it says what the package is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Information {
    pub name: String,
    pub version: String,
    pub architecture: String,
    pub data: Option<Digest>,
}

impl<'a> Package<'a> {
    /// Reads the head of a package: its first two streams, or the first alone where it is not signed.
    ///
    /// # Errors
    /// Not such a package; the fault names the part.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Fault> {
        let (first, length) = stream(bytes, "signatures")?;
        let files = files(&first, "signatures")?;
        let signed = files.iter().all(|(name, _)| name.starts_with(".SIGN.")) && !files.is_empty();
        let (signatures, start) = if signed {
            (files.iter().map(|(name, sig)| signature(name, sig)).collect::<Result<_, _>>()?, length)
        } else {
            (Vec::new(), 0)
        };
        let rest = bytes.get(start..).unwrap_or_default();
        let (control, length) = stream(rest, "control")?;
        let files = self::files(&control, "control")?;
        let mut found = files.iter().filter(|(name, _)| name == ".PKGINFO");
        // Of two, one reader takes the first and another the last.
        let (Some((_, text)), None) = (found.next(), found.next()) else {
            return Err(Fault::field("control", "must hold one .PKGINFO"));
        };
        Ok(Self {
            signatures,
            control: rest.get(..length).unwrap_or_default(),
            information: information(text)?,
            data: start.saturating_add(length),
        })
    }
}

/// One gzip stream, unpacked, and how many bytes it takes in the file.
fn stream(bytes: &[u8], what: &str) -> Result<(Vec<u8>, usize), Fault> {
    let mut decoder = GzDecoder::new(bytes);
    let mut out = Vec::new();
    let read = (&mut decoder).take(MAX_STREAM + 1).read_to_end(&mut out);
    read.map_err(|error| Fault::field(what, format!("is no gzip stream: {error}")))?;
    if out.len() as u64 > MAX_STREAM {
        return Err(Fault::new(Code::TooLarge, what, format!("is larger than {MAX_STREAM} bytes")));
    }
    Ok((out, bytes.len() - decoder.get_ref().len()))
}

/// The plain files of a tar stream, which may lack its end.
fn files(stream: &[u8], what: &str) -> Result<Vec<(String, Vec<u8>)>, Fault> {
    let fault = |text: &str| Fault::field(what, text);
    let broken = |error: TarError| Fault::field(what, error.to_string());
    let mut tar = Tar::new(stream);
    let mut found = Vec::new();
    while let Some(entry) = tar.entry().map_err(broken)? {
        if found.len() >= MAX_FILES {
            return Err(Fault::new(Code::TooLarge, what, format!("has more than {MAX_FILES} files")));
        }
        if entry.kind != Kind::File {
            return Err(fault("holds something other than plain files"));
        }
        let name = String::from_utf8(entry.path).map_err(|_| fault("a name is not UTF-8"))?;
        found.push((name, tar.bytes(MAX_STREAM).map_err(broken)?));
    }
    Ok(found)
}

fn signature(name: &str, sig: &[u8]) -> Result<Signature, Fault> {
    let kinds = [
        (".SIGN.RSA.", None),
        (".SIGN.RSA256.", Some(Algorithm::Sha256)),
        (".SIGN.RSA512.", Some(Algorithm::Sha512)),
    ];
    let known = kinds.iter().find_map(|(begin, hash)| Some((name.strip_prefix(begin)?, hash)));
    let (key, hash) = known.ok_or_else(|| {
        let what = format!("`{}` is of a kind that is not known", name.escape_debug());
        Fault::new(Code::UnsupportedFormat, "signatures", what)
    })?;
    Ok(Signature { key: key.to_owned(), hash: *hash, sig: sig.to_vec() })
}

fn information(text: &[u8]) -> Result<Information, Fault> {
    let text = std::str::from_utf8(text).map_err(|_| Fault::field(".PKGINFO", "is not UTF-8"))?;
    let mut found = Information::default();
    let mut seen: Vec<&str> = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let Some((name, value)) = line.split_once(" = ") else { continue };
        let fault = |what: String| Fault::field(format!(".PKGINFO, line {number}"), what);
        if matches!(name, "pkgname" | "pkgver" | "arch" | "datahash") {
            if seen.contains(&name) {
                return Err(fault(format!("`{name}` stands twice")));
            }
            seen.push(name);
        }
        match name {
            "pkgname" => value.clone_into(&mut found.name),
            "pkgver" => value.clone_into(&mut found.version),
            "arch" => value.clone_into(&mut found.architecture),
            "datahash" => {
                let digest = Digest::from_hex(Algorithm::Sha256, value);
                found.data = Some(digest.map_err(|error| fault(error.to_string()))?);
            }
            _ => {}
        }
    }
    if found.name.is_empty() {
        return Err(Fault::field(".PKGINFO", "has no pkgname"));
    }
    Ok(found)
}
