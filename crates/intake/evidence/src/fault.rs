//! A fault in a document: what is wrong, and where.

use linkward_model::Code;

/// Why a document was not read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {message}")]
pub struct Fault {
    pub code: Code,
    /// A JSON path such as `$.dsseEnvelope.payload`, or a line and column.
    pub place: String,
    pub message: String,
}

impl Fault {
    pub fn new(code: Code, place: impl Into<String>, message: impl Into<String>) -> Self {
        Self { code, place: place.into(), message: message.into() }
    }

    pub(crate) fn field(place: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(Code::MalformedField, place, message)
    }
}
