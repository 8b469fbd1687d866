//! What a scan comes to: every component judged, what was ignored, what could not be said, and the exit code.

use std::collections::{BTreeMap, BTreeSet};

use linkward_evidence::sbom::{Component, Sbom, Scope};
use linkward_evidence::vex::{Status, Thing, Vex};
use linkward_model::{Code, Digest, Exit, Instant, Purl};
use serde::Serialize;

use crate::assess::{Assessment, Doubt, Finding, Fix, Freshness};
use crate::file::{Database, DatabaseError};
use crate::ignore::{Ignore, Ignores};
use crate::meta::{Coverage, Source};
use crate::severity::Severity;

/// Raised when a field changes its meaning or goes away; new fields may come without.
const VERSION: u32 = 1;

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    pub version: u32,
    pub target: String,
    pub at: Instant,
    /// The data that was compared with; none means that nothing is known to be unaffected.
    pub database: Option<Data>,
    pub components: Vec<Judged>,
    /// Facts of the target: of an image its platform, distribution, and what it was built on.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub facts: BTreeMap<String, String>,
    /// What concerns the target as a whole: a lockfile that could not be read, an SBOM that says it is incomplete.
    pub doubts: Vec<Doubt>,
    pub totals: Totals,
}

/// Which data, and how fresh.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Data {
    pub digest: Digest,
    pub sources: Vec<Source>,
    /// The ecosystems that the target touches.
    pub coverage: Vec<Covered>,
    pub max_age_days: i64,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Covered {
    pub ecosystem: String,
    pub components: usize,
    #[serde(flatten)]
    pub coverage: Option<Coverage>,
    pub age_days: Option<i64>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Judged {
    pub id: String,
    pub name: String,
    pub version: Option<String>,
    pub purl: Option<Purl>,
    pub relation: Relation,
    #[serde(flatten)]
    pub assessment: Assessment,
    pub ignored: Vec<Ignored>,
    /// What a VEX statement about this very component says not to hold.
    pub excused: Vec<Excused>,
    /// Files that say that the component is there.
    pub locations: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Relation {
    Direct,
    Transitive,
    /// The target itself or a member of it.
    Own,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Ignored {
    pub finding: Finding,
    pub rule: Ignore,
}

/// A finding that a statement takes away, and who states it. Nothing proves it but who gave the document.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Excused {
    pub finding: Finding,
    pub status: Status,
    pub justification: Option<String>,
    pub author: Option<String>,
    pub document: String,
}

/// A VEX document and what it is called.
#[derive(Clone, Debug)]
pub struct Statements {
    pub name: String,
    pub vex: Vex,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Totals {
    pub components: usize,
    pub affected: usize,
    pub not_affected: usize,
    pub unknown: usize,
    pub findings: usize,
    pub ignored: usize,
    pub excused: usize,
    /// M10: vulnerable components of all components.
    pub vulnerable_ratio: f64,
    pub vulnerable_transitive: usize,
}

/// What the caller lets pass.
#[derive(Clone, Copy, Debug)]
pub struct Threshold {
    pub fail_on: Severity,
    pub allow_unknown: bool,
}

/// What is to be judged.
#[derive(Debug)]
pub struct Subject<'a> {
    pub target: &'a str,
    pub sbom: &'a Sbom,
    /// What is known to be missing from the SBOM or unreadable in the target.
    pub doubts: Vec<Doubt>,
    pub statements: &'a [Statements],
}

impl Report {
    /// # Errors
    /// The database is damaged.
    pub fn make(
        subject: Subject<'_>,
        database: Option<&Database>,
        ignores: &Ignores,
        freshness: Freshness,
    ) -> Result<Self, DatabaseError> {
        let Subject { target, sbom, mut doubts, statements } = subject;
        if sbom.components.is_empty() {
            doubts.push(Doubt::new(Code::NothingFound, format!("no component was found in {target}")));
        }
        let direct = direct(sbom);
        let mut components = Vec::new();
        let mut touched: std::collections::BTreeMap<String, usize> = std::collections::BTreeMap::new();
        for component in &sbom.components {
            // What the target builds itself is in no advisory under its own name.
            let own = component.kind == "application" && component.digests.is_empty();
            let assessment = match (&component.purl, database) {
                (None, _) if own => continue,
                (None, _) => unknown(Code::PackageUnidentified, format!("{} has no purl", component.name)),
                (Some(_), None) => unknown(Code::AdvisoryMissing, "there is no advisory database".to_owned()),
                (Some(purl), Some(database)) => {
                    let with_version =
                        purl.version().is_none().then_some(component.version.as_deref()).flatten();
                    if let Ok(mut query) = crate::query(purl) {
                        *touched.entry(query.ecosystem.clone()).or_default() += 1;
                        query.version = query.version.or(with_version.map(str::to_owned));
                        database.assess_query(&query, freshness)?
                    } else {
                        database.assess(purl, freshness)?
                    }
                }
            };
            let mut judged = Judged {
                id: component.id.clone(),
                name: component.name.clone(),
                version: component.version.clone(),
                purl: component.purl.clone(),
                relation: match () {
                    () if own => Relation::Own,
                    // Without relations everything is named by the target itself.
                    () if sbom.relations.is_empty() || direct.contains(component.id.as_str()) => {
                        Relation::Direct
                    }
                    () => Relation::Transitive,
                },
                assessment,
                ignored: Vec::new(),
                excused: Vec::new(),
                locations: component.occurrences.iter().map(|at| at.location.clone()).collect(),
            };
            excuse(&mut judged, sbom.subject.as_ref(), component, statements);
            apply(&mut judged, ignores, freshness.now, &mut doubts);
            components.push(judged);
        }
        components.sort_by(|a, b| a.id.cmp(&b.id));
        let totals = totals(&components);
        Ok(Self {
            version: VERSION,
            target: target.to_owned(),
            at: freshness.now,
            database: database.map(|database| data(database, &touched, freshness)),
            components,
            facts: sbom.notes.clone(),
            doubts,
            totals,
        })
    }

    /// Denied before unknown before allowed; malicious packages always deny.
    pub fn exit(&self, threshold: Threshold) -> Exit {
        let denied = self.findings().any(|(_, finding)| finding.severity.reaches(threshold.fail_on));
        // A rule past its end is told, but what it covered is a finding again and needs no second reason.
        let doubted = self.doubts.iter().any(|doubt| doubt.code != Code::IgnoreExpired)
            || self.components.iter().any(|judged| !judged.doubts().is_empty());
        match (denied, doubted && !threshold.allow_unknown) {
            (true, _) => Exit::Denied,
            (false, true) => Exit::Unknown,
            (false, false) => Exit::Allowed,
        }
    }

    pub fn findings(&self) -> impl Iterator<Item = (&Judged, &Finding)> {
        self.components
            .iter()
            .flat_map(|judged| judged.findings().iter().map(move |finding| (judged, finding)))
    }
}

impl Judged {
    pub fn findings(&self) -> &[Finding] {
        match &self.assessment {
            Assessment::Affected { findings, .. } => findings,
            _ => &[],
        }
    }

    pub fn doubts(&self) -> &[Doubt] {
        match &self.assessment {
            Assessment::Affected { doubts, .. } | Assessment::Unknown { doubts } => doubts,
            Assessment::NotAffected => &[],
        }
    }

    pub fn fix(&self) -> Option<&Fix> {
        match &self.assessment {
            Assessment::Affected { fix, .. } => Some(fix),
            _ => None,
        }
    }

    /// Whether a vulnerability or worse holds; a notice does not make a component vulnerable.
    pub fn is_vulnerable(&self) -> bool {
        self.findings().iter().any(|finding| finding.severity != Severity::Notice)
    }
}

fn unknown(code: Code, detail: String) -> Assessment {
    Assessment::Unknown { doubts: vec![Doubt { code, detail }] }
}

/// What the document's subject, or a member of the project, depends on itself.
fn direct(sbom: &Sbom) -> BTreeSet<&str> {
    let mut roots: BTreeSet<&str> = sbom
        .components
        .iter()
        .filter(|component| component.kind == "application" && component.scope != Some(Scope::Excluded))
        .map(|component| component.id.as_str())
        .collect();
    roots.extend(sbom.subject.iter().map(|subject| subject.id.as_str()));
    let from_roots = sbom.relations.iter().filter(|relation| roots.contains(relation.from.as_str()));
    from_roots.flat_map(|relation| relation.to.iter().map(String::as_str)).collect()
}

/// Takes away what a rule covers, and says where one is past its end.
fn apply(judged: &mut Judged, ignores: &Ignores, now: Instant, doubts: &mut Vec<Doubt>) {
    let Some(purl) = &judged.purl else { return };
    let Assessment::Affected { findings, doubts: own, .. } = &mut judged.assessment else { return };
    let mut kept = Vec::new();
    for finding in findings.drain(..) {
        if let Some(rule) = ignores.covering(purl, &finding, now) {
            judged.ignored.push(Ignored { rule: rule.clone(), finding });
            continue;
        }
        if let Some(rule) = ignores.expired(purl, &finding, now) {
            let detail =
                format!("the rule of {} for {} in {purl} ended on {}", rule.owner, rule.id, rule.until);
            doubts.push(Doubt::new(Code::IgnoreExpired, detail));
        }
        kept.push(finding);
    }
    *findings = kept;
    let own = std::mem::take(own);
    settle(judged, own);
}

/// What is left where findings were taken away.
fn settle(judged: &mut Judged, own: Vec<Doubt>) {
    let Assessment::Affected { findings, doubts, .. } = &mut judged.assessment else { return };
    if !findings.is_empty() {
        *doubts = own;
        return;
    }
    judged.assessment = match own {
        own if own.is_empty() => Assessment::NotAffected,
        doubts => Assessment::Unknown { doubts },
    };
}

/// Takes away what a statement about this component, in this product or by itself, says not to hold. Malicious packages stay.
fn excuse(
    judged: &mut Judged,
    product: Option<&Component>,
    component: &Component,
    statements: &[Statements],
) {
    let Assessment::Affected { findings, doubts: own, .. } = &mut judged.assessment else { return };
    let product = product.map(|product| Thing { purl: product.purl.as_ref(), digests: &product.digests });
    let product = product.unwrap_or_default();
    let thing = Thing { purl: component.purl.as_ref(), digests: &component.digests };
    let mut kept = Vec::new();
    for finding in findings.drain(..) {
        let ids = || std::iter::once(&finding.id).chain(&finding.aliases);
        let said = statements.iter().flat_map(|document| {
            ids()
                .filter_map(|id| document.vex.about(id, &product, &thing))
                .map(move |about| (document, about))
        });
        // The newest counts; of one time, the one that forbids more.
        let last = said.max_by_key(|(document, about)| (about.at.or(document.vex.issued), about.status));
        match last.filter(|(_, about)| matches!(about.status, Status::NotAffected | Status::Fixed)) {
            Some((document, about)) if finding.severity != Severity::Malicious => {
                judged.excused.push(Excused {
                    status: about.status,
                    justification: about.justification.clone().or_else(|| about.impact.clone()),
                    author: document.vex.author.clone(),
                    document: document.name.clone(),
                    finding,
                })
            }
            _ => kept.push(finding),
        }
    }
    *findings = kept;
    let own = std::mem::take(own);
    settle(judged, own);
}

fn totals(components: &[Judged]) -> Totals {
    let count = |fits: &dyn Fn(&Judged) -> bool| components.iter().filter(|judged| fits(judged)).count();
    let vulnerable = count(&|judged| judged.is_vulnerable());
    Totals {
        components: components.len(),
        affected: count(&|judged| matches!(judged.assessment, Assessment::Affected { .. })),
        not_affected: count(&|judged| matches!(judged.assessment, Assessment::NotAffected)),
        unknown: count(&|judged| matches!(judged.assessment, Assessment::Unknown { .. })),
        findings: components.iter().map(|judged| judged.findings().len()).sum(),
        ignored: components.iter().map(|judged| judged.ignored.len()).sum(),
        excused: components.iter().map(|judged| judged.excused.len()).sum(),
        vulnerable_ratio: if components.is_empty() {
            0.0
        } else {
            vulnerable as f64 / components.len() as f64
        },
        vulnerable_transitive: count(&|judged| {
            judged.is_vulnerable() && judged.relation == Relation::Transitive
        }),
    }
}

fn data(
    database: &Database,
    touched: &std::collections::BTreeMap<String, usize>,
    freshness: Freshness,
) -> Data {
    let coverage = touched.iter().map(|(ecosystem, components)| {
        let coverage = database.meta().coverage.get(ecosystem).cloned();
        let as_of = coverage.as_ref().and_then(|coverage| coverage.as_of);
        Covered {
            ecosystem: ecosystem.clone(),
            components: *components,
            age_days: as_of.map(|as_of| freshness.now.since(as_of) / 86_400_000),
            coverage,
        }
    });
    Data {
        digest: database.digest(),
        sources: database.meta().sources.clone(),
        coverage: coverage.collect(),
        max_age_days: freshness.max_age_days,
    }
}
