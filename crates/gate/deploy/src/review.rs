//! AdmissionReview v1 in, the images of every built-in kind and of the configured ones out.
//!
//! Only the fields that matter are built; the rest of a large object (managed fields, annotations) is skipped over
//! without an allocation. A member that stands twice is an error: two readers could each believe another one.

use std::borrow::Cow;

use linkward_decide::Mode as PolicyMode;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::custom::CustomImages;
use crate::settings::mode_named;

/// The label by which an object asks for a stricter gate.
const MODE_LABEL: &str = "linkward.dev/mode";

/// What a review asks.
#[derive(Debug)]
pub(crate) struct Review<'a> {
    pub(crate) uid: Cow<'a, str>,
    pub(crate) operation: Cow<'a, str>,
    pub(crate) namespace: String,
    pub(crate) kind: String,
    pub(crate) name: String,
    pub(crate) label: Option<PolicyMode>,
    pub(crate) dry_run: bool,
    pub(crate) images: Vec<String>,
    pub(crate) old_images: Vec<String>,
    /// Whether it is known where this kind holds images.
    pub(crate) known: bool,
}

#[derive(Deserialize)]
struct Document<'a> {
    #[serde(borrow, rename = "apiVersion", default)]
    api_version: Cow<'a, str>,
    #[serde(borrow)]
    request: Option<Request<'a>>,
}

#[derive(Deserialize)]
struct Request<'a> {
    #[serde(borrow)]
    uid: Cow<'a, str>,
    #[serde(borrow)]
    operation: Cow<'a, str>,
    namespace: Option<String>,
    name: Option<String>,
    #[serde(rename = "dryRun")]
    dry_run: Option<bool>,
    kind: Option<GroupKind>,
    #[serde(borrow)]
    object: Option<&'a RawValue>,
    #[serde(borrow, rename = "oldObject")]
    old_object: Option<&'a RawValue>,
}

#[derive(Deserialize, Default)]
struct GroupKind {
    #[serde(default)]
    group: String,
    #[serde(default)]
    kind: String,
}

#[derive(Deserialize, Default)]
struct Object {
    metadata: Option<Metadata>,
    spec: Option<Specification>,
    template: Option<Template>,
}

#[derive(Deserialize, Default)]
struct Metadata {
    name: Option<String>,
    labels: Option<Labels>,
}

#[derive(Deserialize, Default)]
struct Labels {
    #[serde(rename = "linkward.dev/mode")]
    mode: Option<String>,
}

/// A pod's specification, and where the workload kinds hold one.
#[derive(Deserialize, Default)]
pub(crate) struct Specification {
    containers: Option<Vec<Container>>,
    #[serde(rename = "initContainers")]
    init_containers: Option<Vec<Container>>,
    #[serde(rename = "ephemeralContainers")]
    ephemeral_containers: Option<Vec<Container>>,
    volumes: Option<Vec<Volume>>,
    template: Option<Template>,
    #[serde(rename = "jobTemplate")]
    job_template: Option<JobTemplate>,
}

#[derive(Deserialize)]
pub(crate) struct Template {
    pub(crate) spec: Option<Box<Specification>>,
}

#[derive(Deserialize)]
struct JobTemplate {
    spec: Option<Box<Specification>>,
}

/// The API server demands an image; a template may leave it to a controller.
#[derive(Deserialize)]
struct Container {
    image: Option<String>,
}

#[derive(Deserialize)]
struct Volume {
    image: Option<VolumeImage>,
}

#[derive(Deserialize)]
struct VolumeImage {
    reference: Option<String>,
}

impl Specification {
    pub(crate) fn images(self, found: &mut Vec<String>) {
        for list in [self.containers, self.init_containers, self.ephemeral_containers].into_iter().flatten() {
            found.extend(list.into_iter().filter_map(|container| container.image));
        }
        let volumes = self.volumes.into_iter().flatten().filter_map(|volume| volume.image?.reference);
        found.extend(volumes);
        let templates = [self.template.and_then(|t| t.spec), self.job_template.and_then(|t| t.spec)];
        templates.into_iter().flatten().for_each(|spec| spec.images(found));
    }
}

/// What stands in an object.
#[derive(Default)]
struct Found {
    name: Option<String>,
    label: Option<PolicyMode>,
    images: Vec<String>,
}

/// Reads a review.
///
/// # Errors
/// What is missing or malformed.
pub(crate) fn read<'a>(body: &'a [u8], custom: &[CustomImages]) -> Result<Review<'a>, String> {
    let document: Document<'a> = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    if document.api_version != "admission.k8s.io/v1" {
        return Err(format!("$.apiVersion is `{}`, expected admission.k8s.io/v1", document.api_version));
    }
    let request = document.request.ok_or("$.request is missing")?;
    let GroupKind { group, kind } = request.kind.unwrap_or_default();
    if matches!(&*request.operation, "CREATE" | "UPDATE") && request.object.is_none() {
        return Err(format!("$.request.object is missing for {}", request.operation));
    }
    let paths: Vec<&CustomImages> = custom.iter().filter(|path| path.is_for(&group, &kind)).collect();
    let builtin = matches!(&*group, "" | "apps" | "batch");
    let read = |raw: Option<&RawValue>| match raw {
        None => Ok(Found::default()),
        Some(raw) if paths.is_empty() => object(raw, builtin),
        Some(raw) => configured(raw, &paths),
    };
    let new = read(request.object).map_err(|error| format!("$.request.object: {error}"))?;
    let old = read(request.old_object).map_err(|error| format!("$.request.oldObject: {error}"))?;
    Ok(Review {
        uid: request.uid,
        operation: request.operation,
        namespace: request.namespace.unwrap_or_default(),
        kind,
        name: request.name.filter(|name| !name.is_empty()).or(new.name).unwrap_or_default(),
        label: new.label,
        dry_run: request.dry_run.unwrap_or(false),
        images: new.images,
        old_images: old.images,
        known: builtin || !paths.is_empty(),
    })
}

fn object(raw: &RawValue, builtin: bool) -> Result<Found, String> {
    if !builtin {
        return Ok(Found::default());
    }
    let object: Option<Object> = serde_json::from_str(raw.get()).map_err(|error| error.to_string())?;
    let object = object.unwrap_or_default();
    let metadata = object.metadata.unwrap_or_default();
    let mut images = Vec::new();
    if let Some(spec) = object.spec {
        spec.images(&mut images);
    }
    if let Some(spec) = object.template.and_then(|template| template.spec) {
        spec.images(&mut images);
    }
    Ok(Found { name: metadata.name, label: label(metadata.labels), images: distinct(images) })
}

fn configured(raw: &RawValue, paths: &[&CustomImages]) -> Result<Found, String> {
    let object: Value = serde_json::from_str(raw.get()).map_err(|error| error.to_string())?;
    let mut images = Vec::new();
    for path in paths {
        for end in path.ends(&object)? {
            match end {
                Value::String(image) => images.push(image.clone()),
                Value::Object(_) => {
                    Specification::deserialize(end).map_err(|error| error.to_string())?.images(&mut images)
                }
                _ => return Err(format!("the path configured for {} ends at no image", path.kind())),
            }
        }
    }
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str);
    let label = object.get("metadata").and_then(|metadata| metadata.get("labels")?.get(MODE_LABEL)?.as_str());
    Ok(Found {
        name: text("/metadata/name").map(str::to_owned),
        label: label.and_then(mode_named),
        images: distinct(images),
    })
}

fn label(labels: Option<Labels>) -> Option<PolicyMode> {
    labels.and_then(|labels| labels.mode).as_deref().and_then(mode_named)
}

pub(crate) fn distinct(mut images: Vec<String>) -> Vec<String> {
    images.sort_unstable();
    images.dedup();
    images
}
