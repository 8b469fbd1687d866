//! One component against the file: affected, not affected, or unknown with the reason.

use std::cmp::Ordering;

use linkward_model::{Code, Instant, Purl};
use serde::Serialize;
use serde_json::Value;

use crate::ecosystem::{self, Query};
use crate::file::{Database, DatabaseError};
use crate::order::{Scheme, Version};
use crate::rows::{Row, Stretch, Until, read};
use crate::severity::Severity;

/// What is known of one component.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "state")]
pub enum Assessment {
    Affected {
        findings: Vec<Finding>,
        fix: Fix,
        doubts: Vec<Doubt>,
    },
    NotAffected,
    /// Never the same as not affected.
    Unknown {
        doubts: Vec<Doubt>,
    },
}

/// One advisory that holds for the component.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Finding {
    pub id: String,
    pub aliases: Vec<String>,
    pub severity: Severity,
    pub code: Code,
    pub summary: String,
    pub reference: Option<String>,
    /// The version in which this one is fixed, as its source spells it.
    pub fixed: Option<String>,
    /// The day since when it is known to be exploited.
    pub exploited: Option<String>,
    /// How likely it is to be exploited within thirty days.
    pub epss: Option<f64>,
}

impl Finding {
    /// Severity, and what makes it urgent.
    pub fn priority(&self) -> String {
        let mut text = self.severity.as_str().to_owned();
        if self.exploited.is_some() {
            text.push_str(", exploited");
        } else if let Some(epss) = self.epss.filter(|epss| *epss >= 0.1) {
            text.push_str(&format!(", {:.0} % likely", epss * 100.0));
        }
        text
    }
}

/// The smallest version that clears everything that is known of the package.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "advice")]
pub enum Fix {
    Update {
        version: String,
    },
    /// No version that any advisory names is free of all of them.
    NoneKnown,
    Remove,
}

/// Why nothing certain can be said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Doubt {
    pub code: Code,
    pub detail: String,
}

impl Doubt {
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into() }
    }
}

/// How old data may be before it proves nothing.
#[derive(Clone, Copy, Debug)]
pub struct Freshness {
    pub now: Instant,
    pub max_age_days: i64,
}

impl Database {
    /// # Errors
    /// The file is damaged.
    pub fn assess(&self, purl: &Purl, freshness: Freshness) -> Result<Assessment, DatabaseError> {
        match ecosystem::query(purl) {
            Ok(query) => self.assess_query(&query, freshness),
            Err((code, detail)) => Ok(Assessment::Unknown { doubts: vec![Doubt { code, detail }] }),
        }
    }

    /// # Errors
    /// The file is damaged.
    pub fn assess_query(&self, query: &Query, freshness: Freshness) -> Result<Assessment, DatabaseError> {
        let mut doubts = self.doubts(&query.ecosystem, freshness);
        let bytes = self.package(&query.ecosystem, &query.name)?;
        let rows = match bytes.as_deref().map(read) {
            None => Vec::new(),
            Some(Some(rows)) => rows,
            Some(None) => return Err(DatabaseError::Damaged("a package's rows cannot be read".to_owned())),
        };
        let Some(version) = &query.version else {
            doubts.push(Doubt::new(Code::VersionMissing, format!("{} has no version", query.name)));
            // Where everything that the package ever was is bad, no version is needed to say so.
            let all: Vec<&Row<'_>> = rows.iter().filter(|row| row.is_total()).collect();
            return self.answer(&all, None, &rows, doubts);
        };
        let mut hits = Vec::new();
        for row in &rows {
            match row.holds(version) {
                Some(true) => hits.push(row),
                Some(false) => {}
                None => {
                    let code = if row.scheme.read(version).is_err() {
                        Code::VersionUnreadable
                    } else {
                        Code::AdvisoryUnordered
                    };
                    let detail = self.detail(row.advisory)?;
                    let id = detail.get("id").and_then(Value::as_str).unwrap_or("an advisory");
                    doubts.push(Doubt::new(code, format!("{id} cannot be compared with `{version}`")));
                }
            }
        }
        self.answer(&hits, Some(version), &rows, doubts)
    }

    fn answer(
        &self,
        hits: &[&Row<'_>],
        version: Option<&str>,
        rows: &[Row<'_>],
        doubts: Vec<Doubt>,
    ) -> Result<Assessment, DatabaseError> {
        if hits.is_empty() {
            return Ok(if doubts.is_empty() {
                Assessment::NotAffected
            } else {
                Assessment::Unknown { doubts }
            });
        }
        let mut findings = Vec::new();
        for row in hits {
            let detail = self.detail(row.advisory)?;
            findings.push(row.finding(&detail, version));
        }
        findings.sort_by(|a, b| {
            let order = |finding: &Finding| (finding.exploited.is_some(), finding.severity);
            order(b).cmp(&order(a)).then_with(|| a.id.cmp(&b.id))
        });
        findings.dedup_by(|a, b| a.id == b.id);
        let fix = if findings.iter().any(|finding| finding.severity == Severity::Malicious) {
            Fix::Remove
        } else {
            fix(version, rows)
        };
        Ok(Assessment::Affected { findings, fix, doubts })
    }

    /// What keeps the file from vouching for an ecosystem.
    fn doubts(&self, ecosystem: &str, freshness: Freshness) -> Vec<Doubt> {
        let covered = self.meta().coverage.get(ecosystem).filter(|coverage| coverage.advisories > 0);
        let Some(coverage) = covered else {
            let known = self.meta().coverage.get(ecosystem).map_or(0, |coverage| coverage.malicious);
            let detail = match known {
                0 => format!("nothing is known of {ecosystem}"),
                _ => format!("only malicious packages are known of {ecosystem}, no vulnerabilities"),
            };
            return vec![Doubt::new(Code::AdvisoryNoData, detail)];
        };
        let day = 86_400_000;
        let limit = freshness.max_age_days.saturating_mul(day);
        match coverage.as_of.map(|as_of| freshness.now.since(as_of)) {
            Some(age) if age <= limit => Vec::new(),
            Some(age) => {
                let (age, limit) = (age / day, freshness.max_age_days);
                let detail = format!("the data on {ecosystem} is {age} days old, more than {limit}");
                vec![Doubt::new(Code::AdvisoryStale, detail)]
            }
            None => vec![Doubt::new(Code::AdvisoryStale, format!("the data on {ecosystem} has no date"))],
        }
    }
}

impl Row<'_> {
    /// Whether the version is affected; `None` where that cannot be said.
    fn holds(&self, text: &str) -> Option<bool> {
        if self.versions.contains(&text) || self.is_total() {
            return Some(true);
        }
        let Ok(version) = self.scheme.read(text) else {
            // Listed versions compare as texts; ranges need an order.
            return (self.intervals.is_empty() && !self.open_question).then_some(false);
        };
        if self.contains(&version) {
            return Some(true);
        }
        (!self.open_question).then_some(false)
    }

    fn contains(&self, version: &Version) -> bool {
        let key = version.as_bytes();
        let listed = self.versions.iter().any(|other| {
            self.scheme
                .read(other)
                .is_ok_and(|other| self.scheme.compare(key, other.as_bytes()) == Ordering::Equal)
        });
        listed || self.intervals.iter().any(|stretch| stretch.holds(self.scheme, key))
    }

    /// Every version, whatever its spelling.
    fn is_total(&self) -> bool {
        self.intervals.iter().any(|stretch| stretch.from.is_empty() && matches!(stretch.to, Until::Open))
    }

    fn finding(&self, detail: &Value, version: Option<&str>) -> Finding {
        let text = |name: &str| detail.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let listed = |name: &str| {
            let all = detail.get(name).and_then(Value::as_array).into_iter().flatten();
            all.filter_map(Value::as_str).map(str::to_owned).collect::<Vec<_>>()
        };
        let key = version.and_then(|version| self.scheme.read(version).ok());
        let fixed = self.intervals.iter().find_map(|stretch| match stretch.to {
            Until::Before(_, text) if stretch.holds(self.scheme, key.as_ref()?.as_bytes()) => {
                Some(text.to_owned())
            }
            _ => None,
        });
        Finding {
            id: text("id"),
            aliases: listed("aliases"),
            severity: self.severity,
            code: match self.severity {
                Severity::Malicious => Code::MaliciousPackage,
                Severity::Notice => Code::AdvisoryNotice,
                _ => Code::Vulnerable,
            },
            summary: text("summary"),
            reference: listed("references").into_iter().next(),
            fixed,
            exploited: detail.get("exploited").and_then(Value::as_str).map(str::to_owned),
            epss: detail.get("epss").and_then(Value::as_f64),
        }
    }
}

impl Stretch<'_> {
    fn holds(&self, scheme: Scheme, version: &[u8]) -> bool {
        let not_before = self.from.is_empty() || scheme.compare(version, self.from) != Ordering::Less;
        not_before
            && match self.to {
                Until::Open => true,
                Until::Before(to, _) => scheme.compare(version, to) == Ordering::Less,
                Until::UpTo(to) => scheme.compare(version, to) != Ordering::Greater,
            }
    }
}

/// Of the versions in which something was fixed, the smallest above this one that nothing known holds for.
///
/// Whatever holds for a candidate says how far it reaches, and the search goes on from there: packages with thousands of
/// advisories are answered in a few steps.
fn fix(version: Option<&str>, rows: &[Row<'_>]) -> Fix {
    let rows: Vec<&Row<'_>> = rows.iter().filter(|row| row.severity != Severity::Notice).collect();
    let Some(scheme) = rows.first().map(|row| row.scheme) else { return Fix::NoneKnown };
    // Where a range cannot be evaluated no version is known to be free of it.
    if rows.iter().any(|row| row.open_question || row.scheme != scheme) {
        return Fix::NoneKnown;
    }
    let current = version.and_then(|version| scheme.read(version).ok());
    let listed: Vec<Version> =
        rows.iter().flat_map(|row| &row.versions).filter_map(|version| scheme.read(version).ok()).collect();
    let stretches: Vec<&Stretch<'_>> = rows.iter().flat_map(|row| &row.intervals).collect();
    let mut candidates: Vec<(&[u8], &str)> = stretches
        .iter()
        .filter_map(|stretch| match stretch.to {
            Until::Before(to, text) => Some((to, text)),
            _ => None,
        })
        .collect();
    candidates.sort_by(|(a, _), (b, _)| scheme.compare(a, b));
    let above = |a: &[u8], b: &[u8]| scheme.compare(a, b) == Ordering::Greater;
    let mut at = match &current {
        Some(current) => candidates.partition_point(|(candidate, _)| !above(candidate, current.as_bytes())),
        None => 0,
    };
    while let Some((candidate, text)) = candidates.get(at) {
        let mut next = at;
        for stretch in stretches.iter().filter(|stretch| stretch.holds(scheme, candidate)) {
            let reach = match stretch.to {
                Until::Open => return Fix::NoneKnown,
                Until::Before(to, _) => candidates.partition_point(|(other, _)| above(to, other)),
                Until::UpTo(to) => candidates.partition_point(|(other, _)| !above(other, to)),
            };
            next = next.max(reach);
        }
        let named =
            listed.iter().any(|version| scheme.compare(version.as_bytes(), candidate) == Ordering::Equal);
        if next == at && !named {
            return Fix::Update { version: (*text).to_owned() };
        }
        at = next.max(at + 1);
    }
    Fix::NoneKnown
}
