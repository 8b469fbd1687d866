//! What a policy sees of the evidence. Requirements, native and in Rego, look at facts alone: of recorded proofs when a
//! verdict is made, of a case file when a policy is tested. Only the former becomes a verdict.

use linkward_ledger::Recorded;
use linkward_model::{Code, Digest, Identity, Instant};
use linkward_prove::{Attestation, Proven};
use serde_json::{Value, json};

use crate::decide::{Evidence, HistoryFact, Question, RefusalFact};

#[derive(Debug, Default)]
pub(crate) struct Facts<'a> {
    /// Proofs about the digest in question.
    pub(crate) proofs: Vec<ProofFact<'a>>,
    pub(crate) refusals: &'a [RefusalFact],
    pub(crate) history: &'a [HistoryFact],
}

#[derive(Debug)]
pub(crate) struct ProofFact<'a> {
    pub(crate) record: u64,
    /// Which form of evidence it came in, where it is no bundle.
    pub(crate) form: Option<&'a str>,
    pub(crate) signer: &'a Identity,
    pub(crate) predicate_type: Option<&'a str>,
    pub(crate) predicate: Option<&'a Value>,
    pub(crate) proven_at: Option<Instant>,
    /// Host names and indices of the logs that are proven to hold it.
    pub(crate) logged: Vec<(&'a str, u64)>,
    pub(crate) extensions: Vec<(&'a str, &'a str)>,
    pub(crate) provenance: Option<ProvenanceFact<'a>>,
    pub(crate) sbom: Option<(usize, &'a [String])>,
}

#[derive(Debug)]
pub(crate) struct ProvenanceFact<'a> {
    pub(crate) builder: &'a str,
    pub(crate) build_type: &'a str,
    pub(crate) materials: Vec<&'a str>,
    pub(crate) exit_code: Option<i64>,
    pub(crate) finished: Option<Instant>,
}

impl<'a> Facts<'a> {
    pub(crate) fn of(question: &Question, evidence: &Evidence<'a>) -> Self {
        let about = evidence.proofs.iter().filter(|proof| {
            let subjects = proof.value().claim().subjects();
            subjects.iter().any(|subject| subject.digests.contains(&question.digest))
        });
        Self {
            proofs: about.map(ProofFact::of).collect(),
            refusals: evidence.refusals,
            history: evidence.history,
        }
    }
}

impl<'a> ProofFact<'a> {
    fn of(proof: &'a Recorded<Proven<Attestation>>) -> Self {
        let value = proof.value();
        let claim = value.claim();
        let statement = claim.statement();
        Self {
            record: proof.index(),
            form: claim.form().map(linkward_prove::Form::name),
            signer: value.signer(),
            predicate_type: statement.map(|statement| statement.predicate_type.as_str()),
            predicate: statement.map(|statement| &statement.predicate),
            proven_at: value.proven_at(),
            logged: claim.logged().iter().map(|logged| (logged.origin.as_str(), logged.index)).collect(),
            extensions: claim
                .extensions()
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_str()))
                .collect(),
            provenance: claim.provenance().map(|provenance| ProvenanceFact {
                builder: &provenance.builder,
                build_type: &provenance.build_type,
                materials: provenance.materials.iter().map(|material| material.uri.as_str()).collect(),
                exit_code: provenance.exit_code(),
                finished: provenance.finished,
            }),
            sbom: claim.sbom().map(|sbom| (sbom.components, sbom.gaps.as_slice())),
        }
    }

    /// As Rego sees it. An SBOM's own text stays out: it can be a hundred megabytes, and its sum is there.
    pub(crate) fn to_value(&self) -> Value {
        let logged: Vec<Value> =
            self.logged.iter().map(|(origin, index)| json!({ "origin": origin, "index": index })).collect();
        let extensions: serde_json::Map<String, Value> =
            self.extensions.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())).collect();
        let mut value = json!({
            "record": self.record,
            "form": self.form,
            "signer": self.signer,
            "predicate_type": self.predicate_type,
            "predicate": self.predicate.filter(|_| self.sbom.is_none()),
            "proven_at": self.proven_at.map(Instant::millis),
            "logged": logged,
            "extensions": extensions,
            "provenance": self.provenance.as_ref().map(|provenance| json!({
                "builder": provenance.builder,
                "build_type": provenance.build_type,
                "materials": provenance.materials,
                "exit_code": provenance.exit_code,
                "finished": provenance.finished.map(Instant::millis),
            })),
            "sbom": self.sbom.map(|(components, gaps)| json!({ "components": components, "gaps": gaps })),
        });
        undefined(&mut value);
        if let Some(provenance) = value.get_mut("provenance") {
            undefined(provenance);
        }
        value
    }
}

/// What is absent is undefined in Rego; a null would be a value that functions stumble over.
fn undefined(value: &mut Value) {
    if let Some(object) = value.as_object_mut() {
        object.retain(|_, value| !value.is_null());
    }
}

/// Everything that Rego sees: the question, the time, and the facts by accepted signers.
pub(crate) fn input(
    question: &Question,
    facts: &Facts<'_>,
    trusted: &[&ProofFact<'_>],
    now: Instant,
) -> Value {
    let codes: Vec<Code> = facts.refusals.iter().map(|refusal| refusal.code).collect();
    let digest: Digest = question.digest;
    json!({
        "artifact": { "digest": digest, "name": question.name, "environment": question.environment, "tenant": question.tenant },
        "now": now.millis(),
        "proofs": trusted.iter().map(|proof| proof.to_value()).collect::<Vec<_>>(),
        "refusals": codes,
    })
}
