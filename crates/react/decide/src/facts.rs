//! What a policy sees of the evidence. Requirements, native and in Rego, look at facts alone: of recorded proofs when a
//! verdict is made, of a case file when a policy is tested. Only the former becomes a verdict.

use linkward_ledger::Recorded;
use linkward_model::{Identity, Instant};
use linkward_prove::{Attestation, Proven};
use regorus::Value;
use serde_json::{Value as Json, json};

use crate::decide::{Evidence, HistoryFact, Question, RefusalFact};
use crate::rego::Room;

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
    pub(crate) predicate: Option<&'a Json>,
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
    fn to_value(&self, room: &mut Room) -> Option<Value> {
        let signer = serde_json::to_value(self.signer).ok()?;
        let predicate = match self.predicate.filter(|_| self.sbom.is_none()) {
            Some(predicate) => Some(room.value(predicate)?),
            None => None,
        };
        let extensions: Option<Vec<(&str, Option<Value>)>> =
            self.extensions.iter().map(|(name, value)| Some((*name, Some(room.text(value)?)))).collect();
        let provenance = match &self.provenance {
            Some(provenance) => Some(provenance.to_value(room)?),
            None => None,
        };
        let sbom = match self.sbom {
            Some((components, gaps)) => {
                let gaps = room.list(gaps, |room, gap| room.text(gap))?;
                let components = room.number(components)?;
                Some(room.object([("components", Some(components)), ("gaps", Some(gaps))])?)
            }
            None => None,
        };
        let logged = room.list(&self.logged, |room, (origin, index)| {
            let (origin, index) = (room.text(origin)?, room.number(*index)?);
            room.object([("origin", Some(origin)), ("index", Some(index))])
        })?;
        let mut text = |text: Option<&str>| {
            Some(match text {
                Some(text) => Some(room.text(text)?),
                None => None,
            })
        };
        let (form, kind) = (text(self.form)?, text(self.predicate_type)?);
        let proven_at = match self.proven_at {
            Some(at) => Some(room.number(at.millis())?),
            None => None,
        };
        let record = room.number(self.record)?;
        let signer = room.value(&signer)?;
        let extensions = room.object(extensions?)?;
        room.object([
            ("record", Some(record)),
            ("form", form),
            ("signer", Some(signer)),
            ("predicate_type", kind),
            ("predicate", predicate),
            ("proven_at", proven_at),
            ("logged", Some(logged)),
            ("extensions", Some(extensions)),
            ("provenance", provenance),
            ("sbom", sbom),
        ])
    }
}

impl ProvenanceFact<'_> {
    fn to_value(&self, room: &mut Room) -> Option<Value> {
        let builder = room.text(self.builder)?;
        let build_type = room.text(self.build_type)?;
        let materials = room.list(&self.materials, |room, material| room.text(material))?;
        let exit_code = match self.exit_code {
            Some(code) => Some(room.number(code)?),
            None => None,
        };
        let finished = match self.finished {
            Some(at) => Some(room.number(at.millis())?),
            None => None,
        };
        room.object([
            ("builder", Some(builder)),
            ("build_type", Some(build_type)),
            ("materials", Some(materials)),
            ("exit_code", exit_code),
            ("finished", finished),
        ])
    }
}

/// Everything that Rego sees: the question, the time, and the facts by accepted signers. Made as Rego holds it, in one pass:
/// facts are most of what an evaluation costs.
pub(crate) fn input(
    question: &Question,
    facts: &Facts<'_>,
    trusted: &[&ProofFact<'_>],
    now: Instant,
) -> Option<Value> {
    let mut room = Room::default();
    let asked = json!({
        "digest": question.digest, "name": question.name, "environment": question.environment, "tenant": question.tenant,
    });
    let artifact = room.value(&asked)?;
    let proofs = room.list(trusted, |room, proof| proof.to_value(room))?;
    let refusals = room.list(facts.refusals, |room, refusal| room.text(&refusal.code.to_string()))?;
    let now = room.number(now.millis())?;
    room.object([
        ("artifact", Some(artifact)),
        ("now", Some(now)),
        ("proofs", Some(proofs)),
        ("refusals", Some(refusals)),
    ])
}
