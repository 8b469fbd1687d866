//! Tests of a policy: cases as files, each facts and what should come of them. A case's facts are invented and never
//! become a verdict; the same code judges them.

use linkward_model::{Code, Digest, Environment, Identity, Instant, Tenant};
use saphyr::{LoadableYamlNode as _, Scalar, Yaml};
use serde::Deserialize;
use serde_json::Value;

use crate::coverage::Coverage;
use crate::decide::{HistoryFact, Judgement, Question, RefusalFact, judge};
use crate::facts::{Facts, ProofFact, ProvenanceFact};
use crate::policy::Policy;
use crate::verdict::Outcome;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    now: Instant,
    artifact: Artifact,
    #[serde(default)]
    proofs: Vec<Proof>,
    #[serde(default)]
    refusals: Vec<Refusal>,
    #[serde(default)]
    history: Vec<History>,
    expect: Expected,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Artifact {
    name: String,
    /// Left out where no rule asks for it.
    digest: Option<Digest>,
    environment: Option<Environment>,
    tenant: Option<Tenant>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Signer {
    key: Option<Digest>,
    subject: Option<String>,
    issuer: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Proof {
    signer: Signer,
    form: Option<String>,
    predicate_type: Option<String>,
    predicate: Option<Value>,
    proven_at: Option<Instant>,
    #[serde(default)]
    logged: Vec<String>,
    #[serde(default)]
    extensions: std::collections::BTreeMap<String, String>,
    provenance: Option<Provenance>,
    sbom: Option<Sbom>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Provenance {
    builder: String,
    #[serde(default)]
    build_type: String,
    #[serde(default)]
    materials: Vec<String>,
    exit_code: Option<i64>,
    finished: Option<Instant>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sbom {
    components: usize,
    #[serde(default)]
    gaps: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Refusal {
    code: Code,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct History {
    builder: String,
    signer: Signer,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    outcome: Outcome,
    /// Every code of the verdict's reasons, in any order.
    #[serde(default)]
    codes: Vec<Code>,
    rule: Option<String>,
    /// The exceptions that decide.
    #[serde(default)]
    exceptions: Vec<String>,
}

/// How a case came out: empty where as expected.
#[derive(Debug)]
pub struct Tried {
    pub judgement: Judgement,
    pub differences: Vec<String>,
}

impl Case {
    /// # Errors
    /// Not YAML, or not a case; the message says where.
    pub fn parse(text: &str) -> Result<Self, String> {
        let documents = Yaml::load_from_str(text).map_err(|error| error.to_string())?;
        let [document] = documents.as_slice() else { return Err("a case is one YAML document".to_owned()) };
        serde_json::from_value(json(document)?).map_err(|error| error.to_string())
    }

    /// Judges the case's facts and compares; what was reached is added to the coverage.
    ///
    /// # Errors
    /// A signer that is none.
    pub fn try_on(&self, policy: &Policy, coverage: &mut Coverage) -> Result<Tried, String> {
        let question = Question {
            digest: self.artifact.digest.unwrap_or_else(|| Digest::sha256(self.artifact.name.as_bytes())),
            name: self.artifact.name.clone(),
            environment: self.artifact.environment.clone().unwrap_or_default(),
            tenant: self.artifact.tenant.clone().unwrap_or_default(),
        };
        let signers: Vec<Identity> =
            self.proofs.iter().map(|proof| proof.signer.identity()).collect::<Result<_, _>>()?;
        let proofs = self.proofs.iter().zip(&signers).enumerate();
        let history: Vec<HistoryFact> = self
            .history
            .iter()
            .map(|known| {
                let digest = Digest::sha256(known.builder.as_bytes());
                Ok(HistoryFact {
                    digest,
                    record: 0,
                    signer: known.signer.identity()?,
                    builder: known.builder.clone(),
                })
            })
            .collect::<Result<_, String>>()?;
        let refusals: Vec<RefusalFact> =
            self.refusals.iter().map(|refusal| RefusalFact { index: 0, code: refusal.code }).collect();
        let facts = Facts {
            proofs: proofs.map(|(index, (proof, signer))| proof.fact(index, signer)).collect(),
            refusals: &refusals,
            history: &history,
        };
        let judgement = judge(&question, &facts, policy, self.now);
        coverage.reached(policy, &question, &facts, &judgement, self.now);
        let differences = self.expect.differences(&judgement);
        Ok(Tried { judgement, differences })
    }
}

impl Signer {
    fn identity(&self) -> Result<Identity, String> {
        match (&self.key, &self.subject, &self.issuer) {
            (Some(id), None, None) => Ok(Identity::Key { id: *id }),
            (None, Some(subject), Some(issuer)) => {
                Ok(Identity::Certificate { subject: subject.clone(), issuer: issuer.clone() })
            }
            _ => Err("a signer is either a `key`, or a `subject` with an `issuer`".to_owned()),
        }
    }
}

impl Proof {
    fn fact<'a>(&'a self, index: usize, signer: &'a Identity) -> ProofFact<'a> {
        let number = |index: usize| u64::try_from(index).unwrap_or(u64::MAX);
        ProofFact {
            record: number(index),
            form: self.form.as_deref(),
            signer,
            predicate_type: self.predicate_type.as_deref(),
            predicate: self.predicate.as_ref(),
            proven_at: self.proven_at,
            logged: self
                .logged
                .iter()
                .enumerate()
                .map(|(index, name)| (name.as_str(), number(index)))
                .collect(),
            extensions: self.extensions.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect(),
            provenance: self.provenance.as_ref().map(|provenance| ProvenanceFact {
                builder: &provenance.builder,
                build_type: &provenance.build_type,
                materials: provenance.materials.iter().map(String::as_str).collect(),
                exit_code: provenance.exit_code,
                finished: provenance.finished,
            }),
            sbom: self.sbom.as_ref().map(|sbom| (sbom.components, sbom.gaps.as_slice())),
        }
    }
}

impl Expected {
    fn differences(&self, found: &Judgement) -> Vec<String> {
        let mut differences = Vec::new();
        let mut compare = |what: &str, expected: String, found: String| {
            if expected != found {
                differences.push(format!("{what}: expected {expected}, found {found}"));
            }
        };
        compare("outcome", self.outcome.as_str().to_owned(), found.outcome.as_str().to_owned());
        let codes = |codes: &mut Vec<&str>| {
            codes.sort_unstable();
            codes.dedup();
            codes.join(", ")
        };
        compare(
            "codes",
            codes(&mut self.codes.iter().map(|code| code.as_str()).collect()),
            codes(&mut found.reasons.iter().map(|reason| reason.code.as_str()).collect()),
        );
        if let Some(rule) = &self.rule {
            compare(
                "rule",
                rule.clone(),
                found.rule.as_ref().map_or("none".to_owned(), |(rule, _)| rule.clone()),
            );
        }
        compare("exceptions", self.exceptions.join(", "), found.exceptions.join(", "));
        differences
    }
}

pub(crate) fn json(node: &Yaml<'_>) -> Result<Value, String> {
    Ok(match node {
        Yaml::Value(Scalar::Null) => Value::Null,
        Yaml::Value(Scalar::Boolean(value)) => (*value).into(),
        Yaml::Value(Scalar::Integer(value)) => (*value).into(),
        Yaml::Value(Scalar::FloatingPoint(value)) => value.into_inner().into(),
        Yaml::Value(Scalar::String(value)) => value.as_ref().into(),
        Yaml::Representation(text, ..) => text.as_ref().into(),
        Yaml::Sequence(items) => items.iter().map(json).collect::<Result<_, _>>()?,
        Yaml::Mapping(members) => {
            let mut object = serde_json::Map::new();
            for (name, value) in members {
                let name = name.as_str().ok_or("a name must be text")?;
                object.insert(name.to_owned(), json(value)?);
            }
            object.into()
        }
        _ => return Err("aliases and tags are not read in cases".to_owned()),
    })
}
