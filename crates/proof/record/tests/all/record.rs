//! A record for tests.

use linkward_ledger::{Body, Kind, Recordable, Term, TermKind};
use linkward_model::Digest;
use serde_json::json;

#[derive(Debug, Clone)]
pub(crate) struct Note {
    pub(crate) name: String,
    pub(crate) documents: Vec<Vec<u8>>,
}

impl Note {
    pub(crate) fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), documents: Vec::new() }
    }
}

impl Recordable for Note {
    fn body(&self) -> Body {
        let terms = vec![Term::new(TermKind::Name, &self.name)];
        let documents = self.documents.iter().map(|document| Digest::sha256(document)).collect();
        Body::new(Kind::Observation, terms, documents, json!({ "name": self.name }))
    }
}
