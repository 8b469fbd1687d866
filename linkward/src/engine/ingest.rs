//! A project in: source, dependencies and artifacts observed, evidence beside them proven, verdicts decided.

use anyhow::Result;
use linkward_decide::Question;
use linkward_ledger::{Kind, Recorded, Term, TermKind};
use linkward_model::{Code, Digest, Environment, Instant};
use linkward_prove::{Attestation, Proven};

use crate::records::Note;
use crate::wire::{Chain, Found, Ingest, Line, Outcome, Reason, VERSION};

use super::Engine;
use super::verdicts::{next, outcome, reasons};

impl Engine {
    pub(super) fn ingest(&self, ingest: &Ingest) -> Result<Chain> {
        let now = Instant::now();
        let environment = self.environment(ingest.environment.clone());
        let policy = self.policy()?.digest;
        let mut lines = vec![self.source(ingest, &environment, now)?];
        lines.push(self.dependencies(ingest, &environment, now)?);
        let refused = self
            .submit(&ingest.documents, &environment)?
            .into_iter()
            .filter(|submitted| !submitted.proven)
            .collect();
        for found in &ingest.artifacts {
            lines.push(self.artifact(ingest, found, &environment, now)?);
        }
        Ok(Chain {
            version: VERSION,
            project: ingest.project.clone(),
            environment,
            policy,
            log: self.log_state()?,
            lines,
            refused,
        })
    }

    fn source(&self, ingest: &Ingest, environment: &Environment, now: Instant) -> Result<Line> {
        let source = &ingest.source;
        let signature = self.commit_signature(source, now);
        let note = Note::source(&ingest.project, source, &signature, environment);
        let term = source.revision.as_ref().map_or_else(
            || Term::new(TermKind::Name, &ingest.project),
            |r| Term::new(TermKind::Revision, format!("git:{r}")),
        );
        let record = self.note_once(Kind::Observation, Some(term), note, signature.bytes(), now)?;
        let mut reasons: Vec<Reason> = source.reason.iter().cloned().collect();
        if source.revision.is_some() {
            reasons.extend(signature.reason(source));
        }
        if source.revision.is_some() && !source.clean {
            let detail = source.tree.clone().unwrap_or_default();
            let code = Code::TreeDirty;
            reasons.push(Reason { code, detail, next: code.fix().to_owned() });
        }
        let revision = source.revision.as_deref();
        let thing = match (&source.remote, &source.branch) {
            (Some(remote), Some(branch)) => format!("source {remote} {branch}"),
            (Some(remote), None) => format!("source {remote}"),
            (None, Some(branch)) => format!("source {branch}"),
            (None, None) => "source".to_owned(),
        };
        Ok(Line {
            kind: "source".to_owned(),
            thing,
            digest: revision.map(|revision| format!("git:{}", revision.get(..12).unwrap_or(revision))),
            sbom: "-".to_owned(),
            provenance: source.tree.clone().unwrap_or_else(|| "-".to_owned()),
            signature: signature.cell(),
            log: format!("#{record}"),
            verdict: Outcome::Noted,
            record: Some(record),
            reasons,
        })
    }

    fn dependencies(&self, ingest: &Ingest, environment: &Environment, now: Instant) -> Result<Line> {
        let mut line = Line {
            kind: "dependencies".to_owned(),
            thing: "dependencies".to_owned(),
            digest: None,
            sbom: "none".to_owned(),
            provenance: "-".to_owned(),
            signature: "-".to_owned(),
            log: "-".to_owned(),
            verdict: Outcome::Noted,
            record: None,
            reasons: Vec::new(),
        };
        let Some(sbom) = &ingest.sbom else {
            line.reasons.push(Reason {
                code: Code::NoSbom,
                detail: "no lockfile was found in the project".to_owned(),
                next: "commit a lockfile: cargo generate-lockfile, npm install --package-lock-only, uv lock"
                    .to_owned(),
            });
            return Ok(line);
        };
        let document = Digest::sha256(sbom.text.as_bytes());
        let note = Note::sbom(ingest, document, environment);
        let record = self.note_once(
            Kind::Sbom,
            Some(Term::digest(&document)),
            note,
            vec![sbom.text.clone().into_bytes()],
            now,
        )?;
        line.thing = lockfiles(ingest);
        line.digest = Some(document.short());
        line.sbom = crate::table::counted(ingest.components, "component");
        line.log = format!("#{record}");
        line.record = Some(record);
        line.reasons = ingest
            .gaps
            .iter()
            .take(5)
            .map(|gap| Reason {
                code: Code::SbomIncomplete,
                detail: gap.clone(),
                next: next(Code::SbomIncomplete),
            })
            .collect();
        Ok(line)
    }

    fn artifact(
        &self,
        ingest: &Ingest,
        found: &Found,
        environment: &Environment,
        now: Instant,
    ) -> Result<Line> {
        let note = Note::artifact(&ingest.project, found, ingest.source.revision.as_deref(), environment);
        self.note_once(Kind::Observation, Some(Term::digest(&found.digest)), note, Vec::new(), now)?;
        let question = Question {
            digest: found.digest,
            name: found.name.clone(),
            environment: environment.clone(),
            tenant: self.config.tenant.clone(),
        };
        let verdict = self.judge(question, now)?;
        let size = self.log_state()?.size;
        let mut proofs = Vec::new();
        let filter = linkward_record::Filter {
            kind: Some(Kind::Proof),
            term: Some(Term::digest(&found.digest)),
            before: Some(size),
            limit: 64,
        };
        for row in self.store.rows(&filter)? {
            // What retention deleted is among the verdict's reasons.
            proofs.extend(self.proof_there(row.index)?);
        }
        let about = Attested::of(&proofs);
        Ok(Line {
            kind: "artifact".to_owned(),
            thing: found.name.clone(),
            digest: Some(found.digest.short()),
            sbom: about.sbom.unwrap_or_else(|| "observed".to_owned()),
            provenance: about.provenance.unwrap_or_else(|| "none".to_owned()),
            signature: about.signature.unwrap_or_else(|| "none".to_owned()),
            log: about.log.unwrap_or_else(|| "none".to_owned()),
            verdict: outcome(verdict.value()),
            record: Some(verdict.index()),
            reasons: reasons(verdict.value()),
        })
    }
}

/// The first lockfiles by name; a monorepo has hundreds.
fn lockfiles(ingest: &Ingest) -> String {
    const NAMED: usize = 3;
    let mut text = format!(
        "dependencies {}",
        ingest.lockfiles.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ")
    );
    if let Some(more) = ingest.lockfiles.len().checked_sub(NAMED).filter(|more| *more > 0) {
        text.push_str(&format!(" and {more} more"));
    }
    if !ingest.left_out.is_empty() {
        text.push_str(&format!(" ({} left out)", ingest.left_out.len()));
    }
    text
}

/// What the proofs of an artifact say, in table cells.
#[derive(Default)]
struct Attested {
    sbom: Option<String>,
    provenance: Option<String>,
    signature: Option<String>,
    log: Option<String>,
}

impl Attested {
    fn of(proofs: &[Recorded<Proven<Attestation>>]) -> Self {
        let mut about = Self::default();
        for proof in proofs {
            let claim = proof.value().claim();
            about.signature.get_or_insert_with(|| proof.value().signer().to_string());
            if let Some(logged) = claim.logged().first() {
                about.log.get_or_insert_with(|| {
                    let log = logged.origin.split('.').nth(1).unwrap_or(&logged.origin).to_owned();
                    format!("{log} #{}", logged.index)
                });
            }
            if claim.provenance().is_some() {
                about.provenance.get_or_insert_with(|| "SLSA, proven".to_owned());
            }
            if let Some(summary) = claim.sbom() {
                about.sbom.get_or_insert_with(|| crate::table::counted(summary.components, "component"));
            }
        }
        about
    }
}
