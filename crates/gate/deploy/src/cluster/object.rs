//! One object of a workload kind: its images, and how far its rollout is by its own status.
//!
//! A status is about the generation that it names. One that speaks of an older generation says nothing of the images that
//! stand in the specification now: taking it for them would call a rollout ready that has not begun.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::kind::ClusterKind;
use crate::image::ImageRef;
use crate::review::{Specification, Template, distinct};

/// Why an answer of the API server could not be used.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    #[error("the API server sent what is no {0}")]
    Malformed(&'static str, #[source] serde_json::Error),
    #[error("the API server sent a {0} without {1}")]
    Missing(&'static str, &'static str),
    #[error("the API server answered {code} {reason}: {message}")]
    Status { code: u16, reason: String, message: String },
}

/// How far a rollout is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// On its way, or not known.
    Progressing,
    /// Every replica runs the images of the specification, and is available.
    Ready,
    /// The API server's controllers have given it up.
    Failed(String),
}

/// An object as it was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observed {
    pub kind: ClusterKind,
    pub namespace: String,
    pub name: String,
    pub uid: String,
    pub version: String,
    /// As they are written, sorted.
    pub images: Vec<String>,
    /// Of a pod: what its containers run, as the node resolved it.
    pub running: Vec<String>,
    /// Whether a controller made it, and so answers for it.
    pub owned: bool,
    pub state: State,
}

impl Observed {
    /// `namespace/Kind/name`.
    pub fn workload(&self) -> String {
        format!("{}/{}/{}", self.namespace, self.kind.as_str(), self.name)
    }
}

/// A page of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    pub version: String,
    /// Where the next page begins.
    pub next: Option<String>,
    pub items: Vec<Observed>,
}

#[derive(Deserialize)]
struct List<'a> {
    metadata: ListMeta,
    #[serde(borrow)]
    items: Option<Vec<&'a RawValue>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ListMeta {
    resource_version: Option<String>,
    #[serde(rename = "continue")]
    next: Option<String>,
}

#[derive(Deserialize)]
struct Object {
    metadata: Metadata,
    #[serde(default)]
    spec: Option<Spec>,
    template: Option<Template>,
    status: Option<Status>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    name: String,
    namespace: Option<String>,
    uid: Option<String>,
    resource_version: Option<String>,
    generation: Option<i64>,
    owner_references: Option<Vec<Owner>>,
}

#[derive(Deserialize)]
struct Owner {
    controller: Option<bool>,
}

#[derive(Deserialize)]
struct Spec {
    replicas: Option<i64>,
    #[serde(flatten)]
    images: Specification,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct Status {
    observed_generation: Option<i64>,
    replicas: Option<i64>,
    updated_replicas: Option<i64>,
    available_replicas: Option<i64>,
    desired_number_scheduled: Option<i64>,
    updated_number_scheduled: Option<i64>,
    number_available: Option<i64>,
    current_revision: Option<String>,
    update_revision: Option<String>,
    conditions: Option<Vec<Condition>>,
    container_statuses: Option<Vec<ContainerStatus>>,
    init_container_statuses: Option<Vec<ContainerStatus>>,
    ephemeral_container_statuses: Option<Vec<ContainerStatus>>,
}

#[derive(Deserialize)]
struct Condition {
    #[serde(rename = "type")]
    kind: String,
    status: String,
    reason: Option<String>,
    message: Option<String>,
}

#[derive(Deserialize)]
struct ContainerStatus {
    #[serde(rename = "imageID")]
    image_id: Option<String>,
}

impl Page {
    /// # Errors
    /// The answer is no list of this kind.
    pub fn read(kind: ClusterKind, body: &[u8]) -> Result<Self, ClusterError> {
        let list: List<'_> =
            serde_json::from_slice(body).map_err(|error| ClusterError::Malformed("list", error))?;
        let items = list.items.unwrap_or_default();
        Ok(Self {
            version: list
                .metadata
                .resource_version
                .ok_or(ClusterError::Missing("list", "resourceVersion"))?,
            next: list.metadata.next.filter(|next| !next.is_empty()),
            items: items.into_iter().map(|item| observed(kind, item.get())).collect::<Result<_, _>>()?,
        })
    }
}

/// Reads one object.
///
/// # Errors
/// It is no object of this kind.
pub fn observed(kind: ClusterKind, text: &str) -> Result<Observed, ClusterError> {
    let object: Object =
        serde_json::from_str(text).map_err(|error| ClusterError::Malformed(kind.as_str(), error))?;
    let Metadata { name, namespace, uid, resource_version, generation, owner_references } = object.metadata;
    let status = object.status.unwrap_or_default();
    let mut images = Vec::new();
    let mut replicas = None;
    if let Some(spec) = object.spec {
        replicas = spec.replicas;
        spec.images.images(&mut images);
    }
    if let Some(spec) = object.template.and_then(|template| template.spec) {
        spec.images(&mut images);
    }
    let state = state(kind, generation, replicas.unwrap_or(1), &status);
    let statuses =
        [status.container_statuses, status.init_container_statuses, status.ephemeral_container_statuses];
    let running =
        statuses.into_iter().flatten().flatten().filter_map(|container| resolved(container.image_id?));
    Ok(Observed {
        kind,
        namespace: namespace.unwrap_or_default(),
        name,
        uid: uid.unwrap_or_default(),
        version: resource_version.ok_or(ClusterError::Missing(kind.as_str(), "resourceVersion"))?,
        images: distinct(images),
        running: distinct(running.collect()),
        owned: owner_references.unwrap_or_default().iter().any(|owner| owner.controller == Some(true)),
        state,
    })
}

/// An image as a node resolved it; an id of the runtime's own is no digest of a registry.
fn resolved(id: String) -> Option<String> {
    let plain = id.split_once("://").map_or(id.as_str(), |(_, rest)| rest);
    let parsed = ImageRef::parse(plain).ok()?;
    parsed.digest.is_some().then(|| plain.to_owned())
}

fn state(kind: ClusterKind, generation: Option<i64>, wanted: i64, status: &Status) -> State {
    let current = status.observed_generation.zip(generation).is_some_and(|(seen, now)| seen >= now);
    if !kind.keeps_revisions() || !current {
        return State::Progressing;
    }
    let stuck = status.conditions.iter().flatten().find(|condition| {
        condition.kind == "Progressing"
            && condition.status == "False"
            && condition.reason.as_deref() == Some("ProgressDeadlineExceeded")
    });
    if let Some(condition) = stuck {
        let why = condition.message.clone().unwrap_or_else(|| "ProgressDeadlineExceeded".to_owned());
        return State::Failed(why);
    }
    let all = |count: Option<i64>, of: i64| count.unwrap_or(0) == of;
    let ready = match kind {
        ClusterKind::DaemonSet => {
            let wanted = status.desired_number_scheduled.unwrap_or(0);
            wanted > 0 && all(status.updated_number_scheduled, wanted) && all(status.number_available, wanted)
        }
        // Scaled to nothing, nothing was shown to run.
        _ => {
            wanted > 0
                && all(status.replicas, wanted)
                && all(status.updated_replicas, wanted)
                && all(status.available_replicas, wanted)
                && (kind != ClusterKind::StatefulSet || status.current_revision == status.update_revision)
        }
    };
    if ready { State::Ready } else { State::Progressing }
}
