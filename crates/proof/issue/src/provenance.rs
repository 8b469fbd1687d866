//! A recorded step as SLSA v1 provenance, and the SBOM of its products, both as in-toto statements.

use linkward_model::Digest;
use serde_json::{Value, json};

use crate::ci::Ci;
use crate::step::Step;

/// The DSSE payload type of in-toto statements.
pub const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";
const BUILD_TYPE: &str = "https://linkward.dev/buildtypes/step/v1";
/// Beyond this many materials one digest over all of them stands in their place.
const MAX_MATERIALS: usize = 1000;

/// The source that a step was run on.
#[derive(Clone, Debug, Default)]
pub struct Source {
    /// Without credentials.
    pub remote: Option<String>,
    pub revision: Option<String>,
    /// Whether the working tree was that of the revision.
    pub clean: bool,
}

/// The statement that a step made its products; the builder's id says which home vouches for it.
pub fn provenance(step: &Step, source: &Source, builder: &str, ci: Option<&Ci>) -> String {
    let mut materials = Vec::new();
    if let Some(revision) = &source.revision {
        let uri = format!("git+{}", source.remote.as_deref().unwrap_or("file:."));
        materials.push(json!({
            "uri": uri, "digest": { "gitCommit": revision }, "annotations": { "clean": source.clean },
        }));
    }
    if step.materials.len() > MAX_MATERIALS {
        let list: String =
            step.materials.iter().map(|(name, digest)| format!("{} {name}\n", digest.hex())).collect();
        materials.push(json!({
            "name": "files", "uri": "file:.", "digest": { "sha256": Digest::sha256(list.as_bytes()).hex() },
            "annotations": { "files": step.materials.len() },
        }));
    } else {
        for (name, digest) in &step.materials {
            materials.push(json!({ "uri": format!("file:{name}"), "digest": { "sha256": digest.hex() } }));
        }
    }
    let predicate = json!({
        "buildDefinition": {
            "buildType": BUILD_TYPE,
            "externalParameters": {
                "step": step.name, "command": step.command, "directory": step.directory,
                "environment": step.environment,
            },
            "internalParameters": {
                "exitCode": step.exit_code, "unchanged": step.unchanged, "ci": ci.map(Ci::json),
            },
            "resolvedDependencies": materials,
        },
        "runDetails": {
            "builder": { "id": builder, "version": { "linkward": env!("CARGO_PKG_VERSION") } },
            "metadata": {
                "invocationId": step.invocation, "startedOn": step.started, "finishedOn": step.finished,
            },
        },
    });
    statement(step, "https://slsa.dev/provenance/v1", &predicate)
}

/// The statement that an SBOM describes the step's products.
pub fn sbom(step: &Step, document: &Value) -> String {
    statement(step, "https://cyclonedx.org/bom", document)
}

pub(crate) fn statement(step: &Step, predicate_type: &str, predicate: &Value) -> String {
    let subjects: Vec<Value> = step
        .products
        .iter()
        .map(|(name, digest)| json!({ "name": name, "digest": { "sha256": digest.hex() } }))
        .collect();
    json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": subjects,
        "predicateType": predicate_type,
        "predicate": predicate,
    })
    .to_string()
}
