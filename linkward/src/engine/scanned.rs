//! What was scanned, as it was seen; and which recorded image another was built on.

use anyhow::{Context as _, Result};
use linkward_evidence::Claim;
use linkward_ledger::{Kind, Term};
use linkward_model::{Digest, Instant};
use serde_json::{Value, json};

use crate::records::Note;

use super::Engine;

impl Engine {
    /// Records an SBOM that a scan made; the same one is recorded once.
    pub(super) fn scanned(&self, name: &str, text: &str, chain: Option<Digest>) -> Result<u64> {
        let document = Digest::sha256(text.as_bytes());
        let Claim::Sbom(sbom) = linkward_evidence::parse(text.as_bytes())? else {
            anyhow::bail!("what was scanned is no SBOM");
        };
        let note = Note::scanned(name, document, &sbom, chain, &self.environment(None));
        let term = Some(Term::digest(&document));
        self.note_once(Kind::Sbom, term, note, vec![text.as_bytes().to_vec()], Instant::now())
    }

    /// The recorded image that has the most of the layers, each of which stands for itself and all below it.
    pub(super) fn base(&self, chain: &[Digest]) -> Result<Value> {
        for (index, digest) in chain.iter().enumerate().rev() {
            // A handful is enough: all that carry the digest as their whole chain are the same layers.
            for row in self.rows(Some(Kind::Sbom), Some(Term::digest(digest)), 8)? {
                let says = self.store.body(row.index)?.says;
                let image = says.get("image").filter(|image| !image.is_null());
                let Some(image) = image.filter(|image| image["chain"] == json!(digest)) else { continue };
                let name = says.get("name").and_then(Value::as_str).context("an SBOM has a name")?;
                return Ok(json!({
                    "name": name, "digest": image["manifest"], "layers": index + 1, "record": row.index,
                }));
            }
        }
        Ok(Value::Null)
    }
}
