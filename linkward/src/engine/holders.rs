//! Which recorded SBOMs hold which packages, out of the index alone.

use anyhow::Result;
use linkward_ledger::{Kind, Term, TermKind};
use linkward_model::{Code, Purl};
use serde_json::{Value, json};

use super::Engine;

/// Most purls of one answer, and most SBOMs of one purl.
const MAX_PURLS: usize = 100_000;
const MAX_SBOMS: usize = 10_000;
/// SBOMs whose project is read from their record; the others are counted.
const NAMED: usize = 100;

impl Engine {
    /// Purls of recorded SBOMs under any of these packages, given without versions.
    pub(super) fn packages(&self, prefixes: &[String]) -> Result<Value> {
        let mut found = Vec::new();
        for prefix in prefixes {
            let asked: Option<Purl> = prefix.parse().ok();
            for text in self.store.terms(TermKind::Package, prefix, MAX_PURLS)? {
                // `pkg:npm/left` is also how `pkg:npm/left-pad` begins.
                let same = match (&asked, text.parse::<Purl>()) {
                    (Some(asked), Ok(purl)) => {
                        purl.kind() == asked.kind()
                            && purl.namespace() == asked.namespace()
                            && purl.name() == asked.name()
                    }
                    _ => true,
                };
                if same {
                    found.push(text);
                }
            }
        }
        found.sort();
        found.dedup();
        Ok(found.into())
    }

    /// The newest SBOMs that hold each of these purls.
    pub(super) fn holders(&self, purls: &[String]) -> Result<Value> {
        let mut found = Vec::new();
        for purl in purls {
            let mut rows = self.rows(None, Some(Term::new(TermKind::Package, purl)), MAX_SBOMS)?;
            // Ours and those that others claim; findings and revocations name packages too.
            rows.retain(|row| matches!(row.kind, Kind::Sbom | Kind::Claim));
            let mut projects = Vec::new();
            for row in rows.iter().take(NAMED) {
                let body = self.store.body(row.index)?;
                let name = body.says.get("name").and_then(Value::as_str).unwrap_or_default();
                let mut project = json!({ "record": row.index, "project": name });
                // Its packages are found all the same; what more it said is gone.
                for digest in &body.documents {
                    if let Some(tombstone) = self.store.tombstone(digest)? {
                        project["code"] = json!(Code::DeletedByRetention);
                        project["tombstone"] = json!(tombstone);
                    }
                }
                projects.push(project);
            }
            found.push(json!({ "purl": purl, "sboms": rows.len(), "newest": projects }));
        }
        Ok(found.into())
    }
}
