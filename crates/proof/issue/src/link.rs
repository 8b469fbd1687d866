//! A recorded step as an in-toto link (attestation predicate link/v0.3), beside its provenance: what layouts ask for.

use serde_json::{Value, json};

use crate::step::Step;

/// The statement that a step ran: its products are the subjects.
pub fn link(step: &Step) -> String {
    let materials: Vec<Value> = step
        .materials
        .iter()
        .map(|(name, digest)| json!({ "name": name, "digest": { "sha256": digest.hex() } }))
        .collect();
    let predicate = json!({
        "name": step.name,
        "command": step.command,
        "materials": materials,
        "byproducts": { "return-value": step.exit_code },
        "environment": step.environment,
    });
    crate::provenance::statement(step, "https://in-toto.io/attestation/link/v0.3", &predicate)
}
