//! AdmissionReview v1 in, the images of every built-in kind out.

use serde_json::Value;

/// What a review asks.
#[derive(Debug)]
pub(crate) struct Review<'a> {
    pub(crate) uid: &'a str,
    pub(crate) operation: &'a str,
    pub(crate) namespace: &'a str,
    pub(crate) kind: &'a str,
    pub(crate) name: &'a str,
    pub(crate) dry_run: bool,
    pub(crate) images: Vec<&'a str>,
    pub(crate) old_images: Vec<&'a str>,
}

/// Reads a review.
///
/// # Errors
/// What is missing, by its place.
pub(crate) fn read(document: &Value) -> Result<Review<'_>, String> {
    let api = document.get("apiVersion").and_then(Value::as_str).unwrap_or("");
    if api != "admission.k8s.io/v1" {
        return Err(format!("$.apiVersion is `{api}`, expected admission.k8s.io/v1"));
    }
    let request = document.get("request").ok_or("$.request is missing")?;
    let text = |name: &str| request.get(name).and_then(Value::as_str);
    let uid = text("uid").ok_or("$.request.uid is missing")?;
    let operation = text("operation").ok_or("$.request.operation is missing")?;
    let object = request.get("object").unwrap_or(&Value::Null);
    if matches!(operation, "CREATE" | "UPDATE") && !object.is_object() {
        return Err(format!("$.request.object is missing for {operation}"));
    }
    Ok(Review {
        uid,
        operation,
        namespace: text("namespace").unwrap_or(""),
        kind: request.pointer("/kind/kind").and_then(Value::as_str).unwrap_or(""),
        name: text("name").or_else(|| object.pointer("/metadata/name").and_then(Value::as_str)).unwrap_or(""),
        dry_run: request.get("dryRun").and_then(Value::as_bool).unwrap_or(false),
        images: images(object)?,
        old_images: images(request.get("oldObject").unwrap_or(&Value::Null))?,
    })
}

/// Where a pod's specification stands: a Pod itself, a template of the workload kinds, a CronJob's job template.
const SPECS: &[&str] =
    &["/spec", "/spec/template/spec", "/spec/jobTemplate/spec/template/spec", "/template/spec"];

fn images(object: &Value) -> Result<Vec<&str>, String> {
    let mut found = Vec::new();
    for spec in SPECS {
        let Some(pod) = object.pointer(spec) else { continue };
        for list in ["containers", "initContainers", "ephemeralContainers"] {
            let place = format!("{spec}/{list}");
            let Some(containers) = pod.get(list).filter(|list| !list.is_null()) else { continue };
            let containers = containers.as_array().ok_or_else(|| format!("{place} is no list"))?;
            for container in containers {
                match container.get("image") {
                    Some(Value::String(image)) => found.push(image.as_str()),
                    // The API server demands an image; a template may leave it to a controller.
                    None | Some(Value::Null) => {}
                    Some(_) => return Err(format!("{place} has an image that is no text")),
                }
            }
        }
        let volumes = pod.get("volumes").and_then(Value::as_array);
        for volume in volumes.into_iter().flatten() {
            match volume.pointer("/image/reference") {
                Some(Value::String(image)) => found.push(image.as_str()),
                None | Some(Value::Null) => {}
                Some(_) => return Err(format!("{spec}/volumes has a reference that is no text")),
            }
        }
    }
    found.sort_unstable();
    found.dedup();
    Ok(found)
}
