//! SLSA provenance v0.1, v0.2 and v1 (which v1.1 kept): who built what, from which source, how.

use linkward_model::Instant;
use serde_json::Value;

use crate::Fault;
use crate::field::Field;
use crate::predicate::Predicate;
use crate::statement::Statement;

/// Most materials that are kept.
const MAX_MATERIALS: usize = 100_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    V0_1,
    V0_2,
    V1,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Provenance {
    pub version: Version,
    /// The builder's id, a URI.
    pub builder: String,
    pub build_type: String,
    pub invocation: Option<String>,
    pub materials: Vec<Material>,
    pub started: Option<Instant>,
    pub finished: Option<Instant>,
    pub parameters: Value,
    /// What the builder adds beyond the caller's control; holds our recorder's exit code.
    pub internal: Value,
}

/// Something that went into the build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Material {
    pub uri: String,
    /// Function and hexadecimal digits as written; `gitCommit` and `sha1` name source revisions.
    pub digests: Vec<(String, String)>,
}

impl Provenance {
    /// The provenance in a statement; `None` where the predicate is something else.
    ///
    /// # Errors
    /// The predicate says that it is provenance but is not.
    pub fn from_statement(statement: &Statement) -> Result<Option<Self>, Fault> {
        Ok(match Predicate::read(statement)? {
            Predicate::Provenance(provenance) => Some(provenance),
            _ => None,
        })
    }

    /// The exit code of a step that our recorder ran.
    pub fn exit_code(&self) -> Option<i64> {
        self.internal.get("exitCode").and_then(Value::as_i64)
    }

    /// Source revisions among the materials.
    pub fn revisions(&self) -> impl Iterator<Item = &str> {
        let source = |material: &Material| {
            material.uri.starts_with("git+") || material.digests.iter().any(|(name, _)| name == "gitCommit")
        };
        self.materials.iter().filter(move |material| source(material)).flat_map(|material| {
            material
                .digests
                .iter()
                .filter(|(name, _)| matches!(name.as_str(), "gitCommit" | "sha1"))
                .map(|(_, hex)| hex.as_str())
        })
    }
}

pub(crate) fn v1(field: &Field<'_>) -> Result<Provenance, Fault> {
    let definition = field.required("buildDefinition")?;
    let run = field.required("runDetails")?;
    let metadata = run.optional("metadata");
    Ok(Provenance {
        version: Version::V1,
        builder: run.required("builder")?.required("id")?.text()?.to_owned(),
        build_type: definition.required("buildType")?.text()?.to_owned(),
        invocation: text(metadata.as_ref(), "invocationId")?,
        materials: materials(&definition, "resolvedDependencies")?,
        started: time(metadata.as_ref(), "startedOn")?,
        finished: time(metadata.as_ref(), "finishedOn")?,
        parameters: member(&definition, "externalParameters"),
        internal: member(&definition, "internalParameters"),
    })
}

pub(crate) fn v0_2(field: &Field<'_>) -> Result<Provenance, Fault> {
    let metadata = field.optional("metadata");
    Ok(Provenance {
        version: Version::V0_2,
        builder: field.required("builder")?.required("id")?.text()?.to_owned(),
        build_type: field.required("buildType")?.text()?.to_owned(),
        invocation: text(metadata.as_ref(), "buildInvocationId")?,
        materials: materials(field, "materials")?,
        started: time(metadata.as_ref(), "buildStartedOn")?,
        finished: time(metadata.as_ref(), "buildFinishedOn")?,
        parameters: member(field, "invocation"),
        internal: Value::Null,
    })
}

/// The recipe of v0.1 is what later versions call build type and parameters.
pub(crate) fn v0_1(field: &Field<'_>) -> Result<Provenance, Fault> {
    let metadata = field.optional("metadata");
    let recipe = field.required("recipe")?;
    Ok(Provenance {
        version: Version::V0_1,
        builder: field.required("builder")?.required("id")?.text()?.to_owned(),
        build_type: recipe.required("type")?.text()?.to_owned(),
        invocation: text(metadata.as_ref(), "buildInvocationId")?,
        materials: materials(field, "materials")?,
        started: time(metadata.as_ref(), "buildStartedOn")?,
        finished: time(metadata.as_ref(), "buildFinishedOn")?,
        parameters: recipe.value().clone(),
        internal: Value::Null,
    })
}

fn member(field: &Field<'_>, name: &str) -> Value {
    field.optional(name).map_or(Value::Null, |field| field.value().clone())
}

fn text(field: Option<&Field<'_>>, name: &str) -> Result<Option<String>, Fault> {
    Ok(field.map(|field| field.optional_text(name)).transpose()?.flatten().map(str::to_owned))
}

fn time(field: Option<&Field<'_>>, name: &str) -> Result<Option<Instant>, Fault> {
    let Some(field) = field.and_then(|field| field.optional(name)) else { return Ok(None) };
    field.text()?.parse().map(Some).map_err(|error| field.fault(format!("{error}")))
}

fn materials(field: &Field<'_>, name: &str) -> Result<Vec<Material>, Fault> {
    let items = field.list(name)?;
    if items.len() > MAX_MATERIALS {
        return Err(field.fault(format!("`{name}` has more than {MAX_MATERIALS} items")));
    }
    items
        .iter()
        .map(|item| {
            let mut digests = Vec::new();
            if let Some(set) = item.optional("digest") {
                for (name, value) in set.object()? {
                    let hex =
                        value.as_str().ok_or_else(|| set.fault(format!("`{name}` must be a string")))?;
                    digests.push((name.clone(), hex.to_owned()));
                }
            }
            Ok(Material { uri: item.optional_text("uri")?.unwrap_or("").to_owned(), digests })
        })
        .collect()
}
