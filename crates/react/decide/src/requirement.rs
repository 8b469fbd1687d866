//! What a rule asks for, and how each is checked against proven evidence. One name, one code for its absence.

use linkward_ledger::Recorded;
use linkward_model::{Code, Digest, Identity, Instant};
use linkward_prove::{Attestation, Pattern, Proven};

use crate::decide::{Evidence, Question};
use crate::verdict::{Finding, Outcome};

type Proof = Recorded<Proven<Attestation>>;

#[derive(Clone, Debug)]
pub enum Requirement {
    Signed {
        by: Vec<Accepted>,
        count: usize,
    },
    /// Hosts of the accepted logs; any log that the trust roots name where empty.
    Logged {
        origins: Vec<Pattern>,
    },
    Provenance {
        builders: Vec<Pattern>,
        sources: Vec<Pattern>,
    },
    Sbom {
        complete: Completeness,
    },
    MaxAge {
        millis: i64,
    },
}

/// A signer that a rule accepts.
#[derive(Clone, Debug)]
pub enum Accepted {
    Key(Digest),
    Certificate { subject: Pattern, issuer: Pattern },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Completeness {
    Present,
    Complete,
}

impl Accepted {
    fn matches(&self, signer: &Identity) -> bool {
        match (self, signer) {
            (Self::Key(key), Identity::Key { id }) => key == id,
            (Self::Certificate { subject, issuer }, Identity::Certificate { subject: name, issuer: by }) => {
                subject.matches(name) && issuer.matches(by)
            }
            _ => false,
        }
    }
}

impl Requirement {
    /// The name in the file, by which exceptions refer to it.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Signed { .. } => "signed",
            Self::Logged { .. } => "logged",
            Self::Provenance { .. } => "provenance",
            Self::Sbom { .. } => "sbom",
            Self::MaxAge { .. } => "max_age",
        }
    }

    /// How it comes out. Only evidence by an accepted signer counts for anything: a stranger's provenance is noise.
    pub(crate) fn check(
        &self,
        question: &Question,
        evidence: &Evidence<'_>,
        accepted: &[Accepted],
        now: Instant,
    ) -> Finding {
        let about: Vec<&Proof> = evidence
            .proofs
            .iter()
            .filter(|proof| {
                let subjects = proof.value().claim().subjects();
                subjects.iter().any(|subject| subject.digests.contains(&question.digest))
            })
            .collect();
        let trusted: Vec<&Proof> = about
            .iter()
            .copied()
            .filter(|proof| {
                accepted.is_empty() || accepted.iter().any(|by| by.matches(proof.value().signer()))
            })
            .collect();
        match self {
            Self::Signed { by, count } => self.signed(&about, by, *count),
            Self::Logged { origins } => self.logged(&trusted, origins),
            Self::Provenance { builders, sources } => self.provenance(&about, &trusted, builders, sources),
            Self::Sbom { complete } => self.sbom(&trusted, *complete),
            Self::MaxAge { millis } => self.age(&trusted, *millis, now),
        }
    }

    fn finding(&self, outcome: Outcome, code: Option<Code>, detail: String, records: Vec<u64>) -> Finding {
        Finding { requirement: self.name().to_owned(), outcome, code, detail, records }
    }

    fn met(&self, detail: String, records: Vec<u64>) -> Finding {
        self.finding(Outcome::Allow, None, detail, records)
    }

    fn missing(&self, code: Code, detail: impl Into<String>) -> Finding {
        self.finding(Outcome::Unknown, Some(code), detail.into(), Vec::new())
    }

    fn refused(&self, code: Code, detail: String, records: Vec<u64>) -> Finding {
        self.finding(Outcome::Deny, Some(code), detail, records)
    }

    fn signed(&self, about: &[&Proof], by: &[Accepted], count: usize) -> Finding {
        let mut signers: Vec<(&Identity, u64)> = Vec::new();
        for proof in about {
            let signer = proof.value().signer();
            let accepted = by.iter().any(|accepted| accepted.matches(signer));
            if accepted && !signers.iter().any(|(known, _)| *known == signer) {
                signers.push((signer, proof.index()));
            }
        }
        let records: Vec<u64> = signers.iter().map(|(_, index)| *index).collect();
        if signers.len() >= count {
            let names: Vec<String> = signers.iter().map(|(signer, _)| signer.to_string()).collect();
            return self.met(format!("signed by {}", names.join(", ")), records);
        }
        match about.first() {
            None => self.missing(Code::NoSignature, "no proven signature covers this digest"),
            Some(_) if !signers.is_empty() => self.missing(
                Code::NoSignature,
                format!("{} of {count} accepted signers have signed", signers.len()),
            ),
            Some(first) => {
                let detail = format!("signed by {}, whom the rule does not accept", first.value().signer());
                self.refused(Code::SignerRefused, detail, about.iter().map(|proof| proof.index()).collect())
            }
        }
    }

    fn logged(&self, trusted: &[&Proof], origins: &[Pattern]) -> Finding {
        for proof in trusted {
            for logged in proof.value().claim().logged() {
                if origins.is_empty() || origins.iter().any(|origin| origin.matches(&logged.origin)) {
                    return self
                        .met(format!("entry {} of {}", logged.index, logged.origin), vec![proof.index()]);
                }
            }
        }
        self.missing(Code::NotLogged, "no accepted log is proven to hold its evidence")
    }

    fn provenance(
        &self,
        about: &[&Proof],
        trusted: &[&Proof],
        builders: &[Pattern],
        sources: &[Pattern],
    ) -> Finding {
        let mut worst: Option<Finding> = None;
        let any = |patterns: &[Pattern], text: &str| {
            patterns.is_empty() || patterns.iter().any(|pattern| pattern.matches(text))
        };
        for proof in trusted {
            let Some(provenance) = proof.value().claim().provenance() else { continue };
            let records = vec![proof.index()];
            if !any(builders, &provenance.builder) {
                let detail = format!("built by {}, which the rule does not accept", provenance.builder);
                worst = worst.or(Some(self.refused(Code::BuilderRefused, detail, records)));
            } else if !sources.is_empty() && !provenance.materials.iter().any(|m| any(sources, &m.uri)) {
                let detail = "built from a source that the rule does not accept".to_owned();
                worst = worst.or(Some(self.refused(Code::SourceRefused, detail, records)));
            } else if provenance.exit_code().is_some_and(|exit| exit != 0) {
                let detail =
                    format!("the build step ended with exit code {}", provenance.exit_code().unwrap_or(-1));
                worst = worst.or(Some(self.refused(Code::StepFailed, detail, records)));
            } else {
                return self.met(format!("built by {}", provenance.builder), records);
            }
        }
        let strange = about.iter().any(|proof| proof.value().claim().provenance().is_some());
        worst.unwrap_or_else(|| {
            let detail = if strange {
                "provenance exists, but by no signer that the rule accepts"
            } else {
                "no proven provenance says how it was built"
            };
            self.missing(Code::NoProvenance, detail)
        })
    }

    fn sbom(&self, trusted: &[&Proof], complete: Completeness) -> Finding {
        let mut gaps = None;
        for proof in trusted {
            let Some(sbom) = proof.value().claim().sbom() else { continue };
            if complete == Completeness::Present || sbom.gaps.is_empty() {
                let noun = if sbom.components == 1 { "component" } else { "components" };
                return self.met(format!("SBOM of {} {noun}", sbom.components), vec![proof.index()]);
            }
            gaps = gaps.or(sbom.gaps.first());
        }
        match gaps {
            Some(gap) => self.missing(Code::SbomIncomplete, format!("the SBOM is not complete: {gap}")),
            None => self.missing(Code::NoSbom, "no attested SBOM covers this digest"),
        }
    }

    fn age(&self, trusted: &[&Proof], millis: i64, now: Instant) -> Finding {
        let made = |proof: &&Proof| {
            let value = proof.value();
            let claimed = value.claim().provenance().and_then(|provenance| provenance.finished);
            Some((value.proven_at().or(claimed)?, proof.index()))
        };
        match trusted.iter().filter_map(made).max() {
            None => self.missing(Code::TooOld, "nothing says when it was made"),
            Some((time, index)) if now.since(time) > millis => self.refused(
                Code::TooOld,
                format!("made at {time}, longer ago than the rule allows"),
                vec![index],
            ),
            Some((time, index)) => self.met(format!("made at {time}"), vec![index]),
        }
    }
}
