//! Which image goes where, when a workload goes back: each place of the live object gets the recorded image of the same repository.
//!
//! The ledger knows images, not whole templates. Where it cannot be told which image belongs to which container nothing is
//! changed: a guess would run one program with the settings of another.

use serde_json::{Value, json};

use crate::image::ImageRef;

/// One place that changes.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Pin {
    /// JSON pointer of the image.
    pub place: String,
    pub old: String,
    pub new: String,
}

/// Why the images cannot be put back.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PinError {
    #[error("`{0}` is no image reference")]
    Reference(String),
    #[error("`{0}` has no digest, so nobody can say what it was")]
    Bare(String),
    #[error("the object has no pod template")]
    Template,
    #[error("{place} runs `{image}`, of which the recorded revision has no image")]
    Unknown { place: String, image: String },
    #[error("the recorded revision has several images of the repository of `{0}`")]
    Ambiguous(String),
    #[error("no container takes the recorded image `{0}`")]
    Unused(String),
}

/// The places of a workload's pod template that change to bring these images back; none where they are there already.
///
/// # Errors
/// It cannot be told which image goes where.
pub fn pins(object: &Value, images: &[String]) -> Result<Vec<Pin>, PinError> {
    let mut recorded = Vec::new();
    for image in images {
        let parsed = ImageRef::parse(image).map_err(|_| PinError::Reference(image.clone()))?;
        if parsed.digest.is_none() {
            return Err(PinError::Bare(image.clone()));
        }
        recorded.push((parsed, image));
    }
    let mut used = vec![false; recorded.len()];
    let mut found = Vec::new();
    for (place, old) in places(object)? {
        let live = ImageRef::parse(old).map_err(|_| PinError::Reference(old.to_owned()))?;
        let same = |image: &ImageRef| image.registry == live.registry && image.repository == live.repository;
        let candidates: Vec<usize> =
            recorded.iter().enumerate().filter(|(_, (image, _))| same(image)).map(|(at, _)| at).collect();
        let exact = candidates
            .iter()
            .find(|at| recorded.get(**at).is_some_and(|(image, _)| image.digest == live.digest));
        let chosen = match (exact, candidates.as_slice()) {
            (Some(at), _) => *at,
            (None, [at]) => *at,
            (None, []) => return Err(PinError::Unknown { place, image: old.to_owned() }),
            (None, _) => return Err(PinError::Ambiguous(old.to_owned())),
        };
        let Some((_, new)) = recorded.get(chosen) else { continue };
        if let Some(used) = used.get_mut(chosen) {
            *used = true;
        }
        if new.as_str() != old {
            found.push(Pin { place, old: old.to_owned(), new: (*new).clone() });
        }
    }
    match used.iter().zip(&recorded).find(|(used, _)| !**used) {
        Some((_, (_, image))) => Err(PinError::Unused((*image).clone())),
        None => Ok(found),
    }
}

/// Where the pod template of a workload holds images.
fn places(object: &Value) -> Result<Vec<(String, &str)>, PinError> {
    let spec = object.pointer("/spec/template/spec").and_then(Value::as_object).ok_or(PinError::Template)?;
    let mut found = Vec::new();
    for (list, field) in
        [("initContainers", "image"), ("containers", "image"), ("volumes", "image/reference")]
    {
        for (number, item) in spec.get(list).and_then(Value::as_array).into_iter().flatten().enumerate() {
            if let Some(image) = item.pointer(&format!("/{field}")).and_then(Value::as_str) {
                found.push((format!("/spec/template/spec/{list}/{number}/{field}"), image));
            }
        }
    }
    Ok(found)
}

/// A JSON patch (RFC 6902) that changes these places, if nobody has changed the object since: each old image is tested, and the
/// version makes the API server answer with a conflict.
pub fn patch(pins: &[Pin], version: &str) -> Value {
    let mut steps = Vec::new();
    for pin in pins {
        steps.push(json!({ "op": "test", "path": pin.place, "value": pin.old }));
        steps.push(json!({ "op": "replace", "path": pin.place, "value": pin.new }));
    }
    steps.push(json!({ "op": "replace", "path": "/metadata/resourceVersion", "value": version }));
    steps.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(repository: &str, digit: &str) -> String {
        format!("registry.example/{repository}@sha256:{}", digit.repeat(64))
    }

    fn object(containers: &[&str], volume: Option<&str>) -> Value {
        let list: Vec<Value> =
            containers.iter().map(|image| json!({ "name": "c", "image": image })).collect();
        let volumes: Vec<Value> =
            volume.iter().map(|image| json!({ "name": "v", "image": { "reference": image } })).collect();
        json!({ "spec": { "template": { "spec": { "containers": list, "volumes": volumes } } } })
    }

    #[test]
    fn each_place_gets_the_image_of_its_repository() {
        let (old, new, side) = (image("app", "a"), image("app", "b"), image("side", "c"));
        let found = pins(
            &object(&[&side, &new], Some("registry.example/model:v2")),
            &[old.clone(), side.clone(), image("model", "d")],
        );
        let found = found.unwrap();
        assert_eq!(found.len(), 2);
        assert_eq!(
            (found[0].place.as_str(), &found[0].new),
            ("/spec/template/spec/containers/1/image", &old)
        );
        assert_eq!(found[1].place, "/spec/template/spec/volumes/0/image/reference");
        let steps = patch(&found, "41");
        assert_eq!(steps.as_array().unwrap().len(), 5);
        assert_eq!(steps[0], json!({ "op": "test", "path": found[0].place, "value": new }));
        assert_eq!(steps[4]["value"], "41");
        assert_eq!(pins(&object(&[&old], None), std::slice::from_ref(&old)), Ok(Vec::new()), "there already");
    }

    #[test]
    fn what_cannot_be_told_apart_is_left_alone() {
        let (one, two, three) = (image("app", "a"), image("app", "b"), image("app", "c"));
        let other = image("other", "d");
        let pin = |live: &[&str], recorded: &[&String]| {
            let recorded: Vec<String> = recorded.iter().map(|image| (*image).clone()).collect();
            pins(&object(live, None), &recorded).unwrap_err()
        };
        assert!(matches!(pin(&[&three], &[&one, &two]), PinError::Ambiguous(_)));
        assert!(matches!(pin(&[&one, &other], &[&two]), PinError::Unknown { .. }));
        assert!(matches!(pin(&[&one], &[&one, &other]), PinError::Unused(_)));
        assert!(matches!(pin(&[&one], &[&"registry.example/app:v1".to_owned()]), PinError::Bare(_)));
        assert!(matches!(pin(&["A B"], &[&one]), PinError::Reference(_)));
        assert_eq!(pins(&json!({}), &[one]), Err(PinError::Template));
    }
}
