//! The records that the wiring itself makes: what was observed, which policy and trust came into force.

use linkward_ledger::{Body, Kind, Recordable, Term, TermKind};
use linkward_model::{Digest, Environment, Instant};
use serde_json::{Value, json};

use crate::engine::CommitSignature;
use crate::wire::{Found, Quality, Source};

/// Any record of the wiring. Every one is plain data: what it claims is only that we saw it.
#[derive(Debug, Clone)]
pub(crate) struct Note {
    kind: Kind,
    environment: Environment,
    claimed: Option<Instant>,
    terms: Vec<Term>,
    documents: Vec<Digest>,
    says: Value,
}

impl Recordable for Note {
    fn body(&self) -> Body {
        Body::new(self.kind, self.terms.clone(), self.documents.clone(), self.says.clone())
    }

    fn environment(&self) -> Environment {
        self.environment.clone()
    }

    fn claimed(&self) -> Option<Instant> {
        self.claimed
    }
}

impl Note {
    fn new(
        kind: Kind,
        environment: &Environment,
        terms: Vec<Term>,
        documents: Vec<Digest>,
        says: Value,
    ) -> Self {
        Self { kind, environment: environment.clone(), claimed: None, terms, documents, says }
    }

    /// An artifact that was found: observed, not attested.
    pub(crate) fn artifact(
        project: &str,
        found: &Found,
        revision: Option<&str>,
        environment: &Environment,
    ) -> Self {
        let mut terms = vec![
            Term::digest(&found.digest),
            Term::new(TermKind::Name, &found.name),
            Term::new(TermKind::Name, project),
        ];
        terms.extend(revision.map(|revision| Term::new(TermKind::Revision, format!("git:{revision}"))));
        let says = json!({
            "what": "artifact", "project": project, "name": found.name, "digest": found.digest,
            "size": found.size, "grade": "observed",
        });
        Self::new(Kind::Observation, environment, terms, Vec::new(), says)
    }

    /// A source revision as the checkout shows it.
    pub(crate) fn source(
        project: &str,
        source: &Source,
        signature: &CommitSignature,
        environment: &Environment,
    ) -> Self {
        let mut terms = vec![Term::new(TermKind::Name, project)];
        terms.extend(
            source.revision.iter().map(|revision| Term::new(TermKind::Revision, format!("git:{revision}"))),
        );
        let source = Source { commit: None, signers_hint: None, ..source.clone() };
        let says = json!({
            "what": "source", "project": project, "source": source, "grade": "observed",
            "signature": signature.says(),
        });
        Self::new(Kind::Observation, environment, terms, signature.documents(), says)
    }

    /// An SBOM that we made from lockfiles.
    pub(crate) fn sbom(ingest: &crate::wire::Ingest, document: Digest, environment: &Environment) -> Self {
        let mut terms = vec![Term::new(TermKind::Name, &ingest.project), Term::digest(&document)];
        terms.extend(ingest.packages.iter().map(|purl| Term::new(TermKind::Package, purl)));
        terms.extend(ingest.artifacts.iter().map(|found| Term::digest(&found.digest)));
        terms.extend(
            ingest
                .source
                .revision
                .iter()
                .map(|revision| Term::new(TermKind::Revision, format!("git:{revision}"))),
        );
        let says = json!({
            "quality": ingest.quality,
            "name": ingest.project, "document": document, "format": "CycloneDX 1.6",
            "components": ingest.components, "lockfiles": ingest.lockfiles, "left_out": ingest.left_out, "gaps": ingest.gaps,
            "artifacts": ingest.artifacts.iter().map(|found| json!({
                "name": found.name, "digest": found.digest })).collect::<Vec<_>>(),
            "grade": "observed",
        });
        Self::new(Kind::Sbom, environment, terms, vec![document], says)
    }

    /// An SBOM that a scan made of what it saw; of an image with what all its layers come to.
    pub(crate) fn scanned(
        name: &str,
        document: Digest,
        sbom: &linkward_evidence::sbom::Sbom,
        chain: Option<Digest>,
        environment: &Environment,
    ) -> Self {
        let manifest = sbom.subject.as_ref().and_then(|subject| subject.digests.first());
        let mut terms = vec![Term::new(TermKind::Name, name), Term::digest(&document)];
        terms.extend(manifest.iter().copied().chain(&chain).map(Term::digest));
        let image = chain.map(|chain| json!({ "manifest": manifest, "chain": chain }));
        let says = json!({
            "quality": Quality::of(sbom),
            "name": name, "document": document, "format": "CycloneDX 1.6", "components": sbom.components.len(),
            "lockfiles": [], "left_out": [], "gaps": sbom.gaps, "artifacts": [], "image": image, "grade": "observed",
        });
        Self::new(Kind::Sbom, environment, terms, vec![document], says).with_packages(sbom)
    }

    /// What the signing services refused, by service and code.
    pub(crate) fn refusals(rows: &Value, environment: &Environment) -> Self {
        let terms = vec![Term::new(TermKind::Name, "signing-services")];
        let says = json!({ "what": "signing-refusals", "refused": rows, "grade": "observed" });
        Self::new(Kind::Observation, environment, terms, Vec::new(), says)
    }

    /// A document that somebody else wrote.
    pub(crate) fn claim(name: &str, format: &str, document: Digest, environment: &Environment) -> Self {
        let terms = vec![Term::digest(&document), Term::new(TermKind::Name, name)];
        let says = json!({ "name": name, "format": format, "document": document, "grade": "claimed" });
        Self::new(Kind::Claim, environment, terms, vec![document], says)
    }

    /// The packages that an SBOM of somebody else names, so that they are found again.
    pub(crate) fn with_packages(mut self, sbom: &linkward_evidence::sbom::Sbom) -> Self {
        let purls = sbom.components.iter().filter_map(|component| component.purl.as_ref());
        self.terms.extend(purls.map(|purl| Term::new(TermKind::Package, purl.to_string())));
        self
    }

    /// A document that no format reads: refused before any proof.
    pub(crate) fn unreadable(
        name: &str,
        document: Digest,
        code: linkward_model::Code,
        message: &str,
        environment: &Environment,
    ) -> Self {
        let terms = vec![
            Term::digest(&document),
            Term::new(TermKind::Name, name),
            Term::new(TermKind::Code, code.as_str()),
        ];
        let says =
            json!({ "name": name, "code": code, "message": message, "document": document, "checks": [] });
        Self::new(Kind::Refusal, environment, terms, vec![document], says)
    }

    /// A build step that we ran.
    pub(crate) fn step(step: Value, products: &[Digest], environment: &Environment) -> Self {
        let terms = products.iter().map(Term::digest).collect();
        Self::new(Kind::Step, environment, terms, Vec::new(), step)
    }

    /// A policy that came into force.
    pub(crate) fn policy(document: Digest, by: &str, environment: &Environment) -> Self {
        let says = json!({ "document": document, "policy": document, "changed_by": by });
        Self::new(Kind::Policy, environment, vec![Term::digest(&document)], vec![document], says)
    }

    /// A policy came into force, and what that changed.
    pub(crate) fn rollout(says: Value, policies: &[Digest]) -> Self {
        let mut terms: Vec<Term> = policies.iter().map(Term::digest).collect();
        terms.push(Term::new(TermKind::Name, "policy-rollout"));
        Self::new(Kind::Observation, &Environment::default(), terms, Vec::new(), says)
    }

    /// Recorded events were written to a file.
    pub(crate) fn exported(says: Value, digest: Digest, name: &str) -> Self {
        let terms = vec![Term::digest(&digest), Term::new(TermKind::Name, name)];
        Self::new(Kind::Observation, &Environment::default(), terms, Vec::new(), says)
    }

    /// A policy went on trial, or its trial ended.
    pub(crate) fn trial(says: Value, policy: Digest, documents: Vec<Digest>) -> Self {
        let terms = vec![Term::digest(&policy), Term::new(TermKind::Name, "policy-trial")];
        Self::new(Kind::Observation, &Environment::default(), terms, documents, says)
    }

    /// Whose keys and roots are trusted.
    pub(crate) fn trust(says: Value, documents: Vec<Digest>, environment: &Environment) -> Self {
        let terms = documents.iter().map(Term::digest).collect();
        Self::new(Kind::Trust, environment, terms, documents, says)
    }

    /// Events as they were read, one a line.
    pub(crate) fn events(
        document: Digest,
        events: &[linkward_evidence::event::Event],
        (feed, live): (&str, bool),
        environment: &Environment,
    ) -> Self {
        let times = events.iter().map(linkward_evidence::event::Event::at);
        let says = json!({
            "what": "events", "feed": feed, "live": live, "document": document, "count": events.len(),
            "from": times.clone().min(), "until": times.max(),
            "source": events.first().map(|event| event.source), "grade": "claimed",
        });
        Self::new(Kind::Events, environment, Vec::new(), vec![document], says)
    }

    /// What a person said: a disposition, an exception, maintenance.
    pub(crate) fn said(says: Value, terms: Vec<Term>, environment: &Environment) -> Self {
        Self::new(Kind::Action, environment, terms, Vec::new(), says)
    }

    /// A gate's mode was changed.
    pub(crate) fn mode(mode: &str, environment: &Environment) -> Self {
        Self::new(
            Kind::Mode,
            environment,
            Vec::new(),
            Vec::new(),
            json!({ "gate": "admission", "mode": mode }),
        )
    }
}
