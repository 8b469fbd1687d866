//! in-toto layouts and links, specification 0.9 and 1.0: who may do which step of a build, and what they say they did.
//!
//! A layout is what the project's owner demands; a link is what one functionary reports of one step.

pub mod layout;
pub mod link;
pub mod rule;

use serde_json::Value;

use crate::Fault;
use crate::dsse::{self, Envelope};
use crate::field::Field;
use crate::metadata::{KeyedSignature, Metablock};
use crate::statement::Statement;

pub use layout::{Inspection, Layout, Step};
pub use link::{Artifacts, Link};
pub use rule::{Match, Rule, Side};

/// Media type of layouts and links in DSSE envelopes, and of attestations.
const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";

/// A layout or a link with its signatures, none of them checked.
#[derive(Clone, Debug)]
pub struct Signed {
    pub content: Content,
    /// The bytes that are signed.
    pub message: Vec<u8>,
    pub signatures: Vec<KeyedSignature>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    Layout(Layout),
    Link(Link),
}

impl Signed {
    /// Reads either envelope: `signed` and `signatures` (0.9), or DSSE (1.0).
    ///
    /// # Errors
    /// Not JSON, neither envelope, or neither layout nor link inside; the fault says where.
    pub fn parse(bytes: &[u8]) -> Result<Self, Fault> {
        let document = crate::json(bytes)?;
        let root = Field::root(&document);
        if document.get("signed").is_some() {
            let Metablock { signed, message, signatures } = Metablock::read(&root)?;
            return Ok(Self { content: read(&Field::at("$.signed", &signed))?, message, signatures });
        }
        let envelope = Envelope::read(&root)?;
        if envelope.payload_type != PAYLOAD_TYPE {
            let what = format!("`{}` is not {PAYLOAD_TYPE}", envelope.payload_type);
            return Err(Fault::field("$.payloadType", what));
        }
        let payload = crate::json(&envelope.payload)?;
        let content = read(&Field::at("$.payload", &payload))?;
        let message = dsse::pae(&envelope.payload_type, &envelope.payload);
        let keyed = |one: dsse::Signature| KeyedSignature {
            key_id: one.key_id.unwrap_or_default(),
            sig: Some(one.sig),
        };
        Ok(Self { content, message, signatures: envelope.signatures.into_iter().map(keyed).collect() })
    }
}

fn read(field: &Field<'_>) -> Result<Content, Fault> {
    let kind = field.required("_type")?;
    match kind.text()? {
        "layout" => Layout::read(field).map(Content::Layout),
        "link" => Link::read(field).map(Content::Link),
        other if other.contains("in-toto.io/Statement") => {
            Link::of_statement(&Statement::read(field)?).map(Content::Link)
        }
        other => Err(kind.fault(format!("`{}` is neither layout nor link", other.escape_debug()))),
    }
}

/// A list of strings.
fn words(field: &Field<'_>, name: &str) -> Result<Vec<String>, Fault> {
    // Some clients write a command as one string.
    match field.optional(name) {
        Some(one) if matches!(one.value(), Value::String(_)) => Ok(vec![one.text()?.to_owned()]),
        _ => field.list(name)?.iter().map(|word| Ok(word.text()?.to_owned())).collect(),
    }
}
