//! What a rule asks for, and how each is checked against proven evidence. One name, one code for its absence.

use linkward_model::{Code, Digest, Identity, Instant};
use linkward_prove::Pattern;

use crate::decide::Question;
use crate::facts::{Facts, ProofFact, input};
use crate::family::family;
use crate::rego::{Answer, Rego};
use crate::verdict::{Finding, Outcome};

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
    /// SLSA build level: what a builder is worth is for the policy to say.
    Slsa {
        level: u8,
        builders: Vec<(Pattern, u8)>,
    },
    /// Nothing less than what the same name carried before.
    NoDowngrade {
        builders: Vec<(Pattern, u8)>,
    },
    Rego(Box<Rego>),
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
            Self::Slsa { .. } => "slsa",
            Self::NoDowngrade { .. } => "no_downgrade",
            Self::Rego(_) => "rego",
        }
    }

    /// How it comes out. Only evidence by an accepted signer counts for anything: a stranger's provenance is noise.
    pub(crate) fn check(
        &self,
        question: &Question,
        facts: &Facts<'_>,
        accepted: &[Accepted],
        now: Instant,
    ) -> Finding {
        let about: Vec<&ProofFact<'_>> = facts.proofs.iter().collect();
        let trusted: Vec<&ProofFact<'_>> =
            about.iter().copied().filter(|proof| is_accepted(accepted, proof.signer)).collect();
        match self {
            Self::Signed { by, count } => self.signed(&about, by, *count),
            Self::Logged { origins } => self.logged(&trusted, origins),
            Self::Provenance { builders, sources } => self.provenance(&about, &trusted, builders, sources),
            Self::Sbom { complete } => self.sbom(&trusted, *complete),
            Self::MaxAge { millis } => self.age(&trusted, *millis, now),
            Self::Slsa { level, builders } => self.slsa(&trusted, *level, builders),
            Self::NoDowngrade { builders } => {
                self.no_downgrade(question, facts, &trusted, accepted, builders)
            }
            Self::Rego(rego) => self.rego(rego, question, facts, &trusted, now),
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

    fn signed(&self, about: &[&ProofFact<'_>], by: &[Accepted], count: usize) -> Finding {
        let mut signers: Vec<(&Identity, u64)> = Vec::new();
        for proof in about {
            let signer = proof.signer;
            let accepted = by.iter().any(|accepted| accepted.matches(signer));
            if accepted && !signers.iter().any(|(known, _)| *known == signer) {
                signers.push((signer, proof.record));
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
                let detail = format!("signed by {}, whom the rule does not accept", first.signer);
                self.refused(Code::SignerRefused, detail, about.iter().map(|proof| proof.record).collect())
            }
        }
    }

    fn logged(&self, trusted: &[&ProofFact<'_>], origins: &[Pattern]) -> Finding {
        for proof in trusted {
            for (name, index) in &proof.logged {
                if origins.is_empty() || origins.iter().any(|origin| origin.matches(name)) {
                    return self.met(format!("entry {index} of {name}"), vec![proof.record]);
                }
            }
        }
        self.missing(Code::NotLogged, "no accepted log is proven to hold its evidence")
    }

    fn provenance(
        &self,
        about: &[&ProofFact<'_>],
        trusted: &[&ProofFact<'_>],
        builders: &[Pattern],
        sources: &[Pattern],
    ) -> Finding {
        let mut worst: Option<Finding> = None;
        let any = |patterns: &[Pattern], text: &str| {
            patterns.is_empty() || patterns.iter().any(|pattern| pattern.matches(text))
        };
        for proof in trusted {
            let Some(provenance) = &proof.provenance else { continue };
            let records = vec![proof.record];
            if !any(builders, provenance.builder) {
                let detail = format!("built by {}, which the rule does not accept", provenance.builder);
                worst = worst.or(Some(self.refused(Code::BuilderRefused, detail, records)));
            } else if !sources.is_empty() && !provenance.materials.iter().any(|uri| any(sources, uri)) {
                let detail = "built from a source that the rule does not accept".to_owned();
                worst = worst.or(Some(self.refused(Code::SourceRefused, detail, records)));
            } else if provenance.exit_code.is_some_and(|exit| exit != 0) {
                let detail =
                    format!("the build step ended with exit code {}", provenance.exit_code.unwrap_or(-1));
                worst = worst.or(Some(self.refused(Code::StepFailed, detail, records)));
            } else {
                return self.met(format!("built by {}", provenance.builder), records);
            }
        }
        let strange = about.iter().any(|proof| proof.provenance.is_some());
        worst.unwrap_or_else(|| {
            let detail = if strange {
                "provenance exists, but by no signer that the rule accepts"
            } else {
                "no proven provenance says how it was built"
            };
            self.missing(Code::NoProvenance, detail)
        })
    }

    fn sbom(&self, trusted: &[&ProofFact<'_>], complete: Completeness) -> Finding {
        let mut gaps = None;
        for proof in trusted {
            let Some((components, found)) = proof.sbom else { continue };
            if complete == Completeness::Present || found.is_empty() {
                let noun = if components == 1 { "component" } else { "components" };
                return self.met(format!("SBOM of {components} {noun}"), vec![proof.record]);
            }
            gaps = gaps.or(found.first());
        }
        match gaps {
            Some(gap) => self.missing(Code::SbomIncomplete, format!("the SBOM is not complete: {gap}")),
            None => self.missing(Code::NoSbom, "no attested SBOM covers this digest"),
        }
    }

    fn age(&self, trusted: &[&ProofFact<'_>], millis: i64, now: Instant) -> Finding {
        let made = |proof: &&ProofFact<'_>| {
            let claimed = proof.provenance.as_ref().and_then(|provenance| provenance.finished);
            Some((proof.proven_at.or(claimed)?, proof.record))
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

    fn slsa(&self, trusted: &[&ProofFact<'_>], level: u8, builders: &[(Pattern, u8)]) -> Finding {
        let mut best: Option<(u8, &ProofFact<'_>, &str)> = None;
        for proof in trusted {
            if let Some(provenance) = &proof.provenance {
                let found = level_of(builders, provenance.builder);
                if best.is_none_or(|(known, ..)| found > known)
                    && provenance.exit_code.is_none_or(|exit| exit == 0)
                {
                    best = Some((found, proof, provenance.builder));
                }
            }
        }
        match best {
            None => self.missing(Code::NoProvenance, "no proven provenance of a step that succeeded"),
            Some((found, proof, builder)) if found >= level => {
                self.met(format!("SLSA build level {found}: built by {builder}"), vec![proof.record])
            }
            Some((found, proof, builder)) => {
                let detail =
                    format!("SLSA build level {found} (built by {builder}), the rule asks for {level}");
                self.refused(Code::LevelTooLow, detail, vec![proof.record])
            }
        }
    }

    /// An attacker who cannot forge provenance leaves it out: what never needed any is then let through.
    fn no_downgrade(
        &self,
        question: &Question,
        facts: &Facts<'_>,
        trusted: &[&ProofFact<'_>],
        accepted: &[Accepted],
        builders: &[(Pattern, u8)],
    ) -> Finding {
        let before = facts.history.iter().filter(|known| is_accepted(accepted, &known.signer));
        let before =
            before.map(|known| (level_of(builders, &known.builder), known)).max_by_key(|(level, _)| *level);
        let now = trusted.iter().filter_map(|proof| proof.provenance.as_ref());
        let now = now.map(|provenance| level_of(builders, provenance.builder)).max().unwrap_or(0);
        match before {
            Some((level, known)) if level > now => {
                let carried = if now == 0 { "no provenance".to_owned() } else { format!("level {now}") };
                let detail = format!(
                    "`{}` carried provenance of level {level} ({}, record {}), this one carries {carried}",
                    family(&question.name),
                    known.digest.short(),
                    known.record
                );
                self.refused(Code::AttestationDowngrade, detail, vec![known.record])
            }
            // What was deleted may have been of a higher level, unless there is none.
            _ if facts.refusals.iter().any(|refusal| refusal.code == Code::DeletedByRetention)
                && builders.iter().any(|(_, level)| *level > now) =>
            {
                self.missing(
                    Code::DeletedByRetention,
                    format!("what earlier releases carried is gone; this one carries level {now}"),
                )
            }
            Some((level, known)) => self.met(format!("level {now}, before {level}"), vec![known.record]),
            None => self.met("no earlier release carried provenance".to_owned(), Vec::new()),
        }
    }

    fn rego(
        &self,
        rego: &Rego,
        question: &Question,
        facts: &Facts<'_>,
        trusted: &[&ProofFact<'_>],
        now: Instant,
    ) -> Finding {
        let records: Vec<u64> = trusted.iter().map(|proof| proof.record).collect();
        match rego.answer(input(question, facts, trusted, now)) {
            Answer::Allow => self.met("the module allows it".to_owned(), records),
            Answer::Deny(messages) => self.refused(Code::RegoDenied, messages.join("; "), records),
            Answer::Unknown(messages) if messages.is_empty() => {
                self.missing(Code::RegoUndecided, "the module neither allows nor denies it")
            }
            Answer::Unknown(messages) => self.missing(Code::RegoUndecided, messages.join("; ")),
            Answer::Failed(message) => self.missing(Code::RegoFailed, message),
        }
    }
}

pub(crate) fn is_accepted(accepted: &[Accepted], signer: &Identity) -> bool {
    accepted.is_empty() || accepted.iter().any(|by| by.matches(signer))
}

/// Provenance is level 1 at least; more where the policy says so of the builder.
fn level_of(builders: &[(Pattern, u8)], builder: &str) -> u8 {
    builders
        .iter()
        .filter(|(pattern, _)| pattern.matches(builder))
        .map(|(_, level)| *level)
        .max()
        .unwrap_or(1)
}
