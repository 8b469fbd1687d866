//! Evidence formats: bytes to claims. Parses and never fetches; what it returns is claimed, not proven.
//!
//! Each format is one file and one line in [`FORMATS`].

pub mod apk;
pub mod archive;
pub mod bundle;
pub mod canonical;
mod cbor;
pub mod collection;
pub mod convert;
mod cosign;
pub mod cyclonedx;
pub mod dockerfile;
pub mod dsse;
pub mod event;
mod fault;
mod field;
pub mod hcl;
pub mod image_name;
pub mod in_toto;
pub mod integrity;
pub mod key_list;
pub mod large;
pub mod line;
mod log_entry;
pub mod metadata;
pub mod notation;
pub mod predicate;
mod pypi;
pub mod quality;
pub mod rekor;
pub mod release;
pub mod sbom;
pub mod simple_signing;
pub mod slsa;
pub mod spdx;
pub mod statement;
mod strict;
pub mod trusted_root;
pub mod tuf;
pub mod vex;
pub mod workflow;
pub mod yaml;

use serde_json::Value;

pub use fault::Fault;
use linkward_model::Code;

/// Largest document that is read.
pub const MAX_DOCUMENT: usize = 128 << 20;

/// A parsed document. Parsing proves nothing about who wrote it.
#[derive(Clone, Debug)]
pub enum Claim {
    Bundle(Box<bundle::Bundle>),
    Envelope(dsse::Envelope),
    Statement(statement::Statement),
    Sbom(sbom::Sbom),
    Vex(vex::Vex),
}

/// One format: how to tell it from the others, and how to read it.
///
/// Contract: `parse` never panics, whatever the bytes, and names the place of the first fault.
pub trait Format: Sync {
    fn name(&self) -> &'static str;

    /// Whether a document of this shape is meant to be of this format.
    fn recognise(&self, document: &Value) -> bool;

    /// # Errors
    /// The document is not valid; the fault says where.
    fn parse(&self, document: &Value) -> Result<Claim, Fault>;
}

/// Every format that is read, the most specific first.
pub const FORMATS: &[&dyn Format] = &[
    &bundle::Format,
    &pypi::Format,
    &cosign::Blob,
    &cosign::Layer,
    &dsse::Format,
    &statement::Format,
    &cyclonedx::Format,
    &spdx::Format,
    &vex::openvex::Format,
    &vex::csaf::Format,
];

/// Recognises a document by its content and reads it.
///
/// # Errors
/// Not JSON, of no known format, or not valid in its format.
pub fn parse(bytes: &[u8]) -> Result<Claim, Fault> {
    // A byte order mark is usual before XML, and no JSON.
    if bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes).trim_ascii_start().starts_with(b"<") {
        return cyclonedx::xml::read(bytes).map(Claim::Sbom);
    }
    if spdx::tag_value::recognise(bytes) {
        return spdx::tag_value::read(bytes).map(Claim::Sbom);
    }
    let document = json(bytes)?;
    match FORMATS.iter().find(|format| format.recognise(&document)) {
        Some(format) => format.parse(&document),
        None => Err(Fault::new(
            Code::UnsupportedFormat,
            "$",
            format!("none of {}", FORMATS.iter().map(|format| format.name()).collect::<Vec<_>>().join(", ")),
        )),
    }
}

/// Reads JSON within the limits, no name twice in an object; serde_json bounds the depth at 128.
pub(crate) fn json(bytes: &[u8]) -> Result<Value, Fault> {
    if bytes.len() > MAX_DOCUMENT {
        return Err(Fault::new(Code::TooLarge, "$", format!("document is larger than {MAX_DOCUMENT} bytes")));
    }
    serde_json::from_slice::<strict::Strict>(bytes).map(|document| document.0).map_err(|error| {
        let place = format!("line {}, column {}", error.line(), error.column());
        Fault::new(Code::MalformedJson, place, error.to_string())
    })
}
