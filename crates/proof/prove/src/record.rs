//! Proofs and refusals as records, and the way back: what is read from the log is proven again.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use linkward_ledger::{Body, Kind, Opaque, Recordable, Recorded, RecordedError, Term, TermKind};
use linkward_model::{Code, Digest, Identity, Instant};
use serde_json::{Value, json};

use crate::attestation::Attestation;
use crate::bundle::{Artifact, Signer, bundle};
use crate::forms::{Form, FormTrust, evidence};
use crate::in_toto::Folder;
use crate::key::PublicKey;
use crate::proven::{Proven, Refusal};
use crate::roots::{RootsError, TrustRoots};

impl Recordable for Proven<Attestation> {
    fn body(&self) -> Body {
        let claim = &self.claim;
        let mut terms = vec![Term::digest(&self.document)];
        for subject in &claim.subjects {
            terms.extend(subject.digests.iter().map(Term::digest));
            if !subject.name.is_empty() {
                terms.push(Term::new(TermKind::Name, &subject.name));
            }
        }
        match &self.signer {
            Identity::Certificate { subject, issuer } => {
                terms.push(Term::new(TermKind::Identity, subject));
                terms.push(Term::new(TermKind::Identity, issuer));
            }
            Identity::Key { id } => terms.push(Term::new(TermKind::Identity, id.to_string())),
        }
        let repository = |name: &str| matches!(name, "source-repository-uri" | "github-workflow-repository");
        let named = claim.extensions.iter().filter(|(name, _)| repository(name.as_str()));
        terms.extend(named.map(|(_, value)| Term::new(TermKind::Repository, value)));
        if let Some(provenance) = claim.provenance() {
            terms.push(Term::new(TermKind::Builder, &provenance.builder));
            terms.extend(
                provenance.revisions().map(|hex| Term::new(TermKind::Revision, format!("git:{hex}"))),
            );
        }
        let subjects: Vec<Value> = claim
            .subjects
            .iter()
            .take(1000)
            .map(|subject| json!({ "name": subject.name, "digests": subject.digests }))
            .collect();
        let logged: Vec<Value> = claim
            .logged
            .iter()
            .map(|logged| json!({ "origin": logged.origin, "index": logged.index }))
            .collect();
        let mut says = json!({
            "document": self.document,
            "roots": self.root_documents,
            "key": self.key.as_ref().map(|key| STANDARD.encode(key)),
            "verified_at": self.verified_at,
            "proven_at": self.proven_at,
            "signer": self.signer,
            "checks": self.checks,
            "subjects": subjects,
            "predicate_type": claim.statement.as_ref().map(|statement| &statement.predicate_type),
            "builder": claim.provenance().map(|provenance| &provenance.builder),
            "components": claim.sbom.as_ref().map(|sbom| sbom.components),
            "logged": logged,
            "extensions": claim.extensions.iter().map(|(name, value)| json!({ "name": name.as_str(), "value": value })).collect::<Vec<_>>(),
            "grade": "proven",
        });
        if let (Some(form), Some(said)) = (claim.form(), says.as_object_mut()) {
            said.insert("form".to_owned(), form.name().into());
            said.insert("beside".to_owned(), json!(claim.beside()));
        }
        let beside: Vec<Digest> = claim.beside().values().copied().collect();
        let documents = [vec![self.document], self.root_documents.clone(), beside].concat();
        Body::new(Kind::Proof, terms, documents, says)
    }

    fn claimed(&self) -> Option<Instant> {
        self.claim.provenance().and_then(|provenance| provenance.finished.or(provenance.started))
    }

    fn proven(&self) -> Option<Instant> {
        self.proven_at
    }

    /// Who signed what, when, shown by which documents. How the checks are worded, what else is read from the signed
    /// statement and what it can be found by may grow from version to version.
    fn conclusion(body: Body) -> Body {
        const KEPT: &[&str] = &[
            "document",
            "form",
            "beside",
            "roots",
            "key",
            "verified_at",
            "proven_at",
            "signer",
            "subjects",
            "predicate_type",
            "builder",
            "logged",
            "grade",
        ];
        let mut says = body.says;
        if let Value::Object(fields) = &mut says {
            fields.retain(|name, _| KEPT.contains(&name.as_str()));
        }
        Body { terms: Vec::new(), says, ..body }
    }
}

impl Recordable for Refusal {
    fn body(&self) -> Body {
        let mut terms = vec![Term::digest(&self.document), Term::new(TermKind::Code, self.code.as_str())];
        terms.extend(self.subjects.iter().take(1000).map(Term::digest));
        let says = json!({
            "document": self.document, "code": self.code, "message": self.message, "checks": self.checks,
        });
        Body::new(Kind::Refusal, terms, vec![self.document], says)
    }
}

/// Why a recorded proof was not believed again.
#[derive(Debug, thiserror::Error)]
pub enum ReopenError {
    #[error(transparent)]
    Record(#[from] RecordedError),
    #[error("the record is a {0}, not a proof")]
    Kind(Kind),
    #[error("the record's field `{0}` is missing or malformed")]
    Field(&'static str),
    #[error("document {0} is not in the record")]
    Document(Digest),
    #[error("recorded trust root")]
    Roots(#[from] RootsError),
    #[error("{code}: {message}")]
    Refused { code: Code, message: String },
}

/// Proves a recorded proof again, from the bundle, the trust roots and the time that it was made with. The result
/// must come to the recorded conclusion.
///
/// # Errors
/// Something is missing, or the proof does not hold any more: the record was tampered with.
pub fn reopen(
    record: Recorded<Opaque>,
    documents: &dyn Fn(&Digest) -> Option<Vec<u8>>,
) -> Result<Recorded<Proven<Attestation>>, ReopenError> {
    let body = record.body()?;
    if body.kind != Kind::Proof {
        return Err(ReopenError::Kind(body.kind));
    }
    let digest = |value: &Value, name| {
        value.as_str().and_then(|text| text.parse::<Digest>().ok()).ok_or(ReopenError::Field(name))
    };
    let fetch = |digest: Digest| documents(&digest).ok_or(ReopenError::Document(digest));
    let says = &body.says;
    let document = fetch(digest(says.get("document").unwrap_or(&Value::Null), "document")?)?;
    let time = says
        .get("verified_at")
        .and_then(Value::as_str)
        .and_then(|text| text.parse().ok())
        .ok_or(ReopenError::Field("verified_at"))?;
    let refused =
        |refusal: Box<Refusal>| ReopenError::Refused { code: refusal.code, message: refusal.message };
    if let Some(name) = says.get("form") {
        let form = name.as_str().and_then(Form::named).ok_or(ReopenError::Field("form"))?;
        let [kept] = says.get("roots").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
        else {
            return Err(ReopenError::Field("roots"));
        };
        let trust = FormTrust::from_document(form, &fetch(digest(kept, "roots")?)?);
        let trust = trust.ok_or(ReopenError::Field("roots"))?;
        let mut beside = BTreeMap::new();
        for (path, value) in
            says.get("beside").and_then(Value::as_object).ok_or(ReopenError::Field("beside"))?
        {
            beside.insert(path.clone(), fetch(digest(value, "beside")?)?);
        }
        let proven = evidence(form, &document, &trust, &Kept(beside), time).map_err(refused)?;
        return Ok(record.reopen(proven)?);
    }
    let mut roots = Vec::new();
    for value in says.get("roots").and_then(Value::as_array).ok_or(ReopenError::Field("roots"))? {
        roots.push(TrustRoots::parse(&fetch(digest(value, "roots")?)?)?);
    }
    let roots = TrustRoots::join(&roots.iter().collect::<Vec<_>>());
    let keyring = match says.get("key").and_then(Value::as_str) {
        None => Vec::new(),
        Some(text) => {
            let spki = STANDARD.decode(text).map_err(|_| ReopenError::Field("key"))?;
            vec![PublicKey::from_spki(&spki).map_err(|_| ReopenError::Field("key"))?]
        }
    };
    let signer = Signer::LeftToPolicy { keyring: &keyring };
    let proven = bundle(&document, &roots, signer, Artifact::AnySubject, time).map_err(refused)?;
    Ok(record.reopen(proven)?)
}

/// Documents that a record keeps beside another.
struct Kept(BTreeMap<String, Vec<u8>>);

impl Folder for Kept {
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, String> {
        Ok(self.0.get(path).cloned())
    }
}
