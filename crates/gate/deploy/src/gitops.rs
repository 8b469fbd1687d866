//! The way back where Git says what runs: the images in a manifest are replaced, and nothing else of the file changes.
//!
//! A patch of the cluster alone would be undone by the next synchronisation. The text is edited line by line, so that comments and
//! order stay; then it is read again, and anything but the intended change is an error.

use saphyr::{LoadableYamlNode as _, Scalar, Yaml};
use serde_json::Value;

use crate::pin::{Pin, PinError, pins};

/// Why a manifest is not changed.
#[derive(Debug, thiserror::Error)]
pub enum GitopsError {
    #[error("line {line}: not YAML: {message}")]
    Malformed { line: usize, message: String },
    #[error("no document of it is {0}")]
    Absent(String),
    #[error(transparent)]
    Pin(#[from] PinError),
    #[error("`{0}` does not stand on a line of its own as `image: ...`; change the file by hand")]
    Form(String),
}

/// The text with the images of one workload put back, and what changed. `workload` is `namespace/Kind/name`; a document without a
/// namespace is in whichever the synchronisation puts it.
///
/// # Errors
/// The workload is not in it, or its images cannot be put back.
pub fn repin(text: &str, workload: &str, images: &[String]) -> Result<(String, Vec<Pin>), GitopsError> {
    let mut out = String::with_capacity(text.len());
    let mut changed = None;
    let mut line = 1;
    for document in documents(text) {
        let object = read(document, line)?;
        line += document.matches('\n').count();
        if !object.as_ref().is_some_and(|object| is(object, workload)) {
            out.push_str(document);
            continue;
        }
        let Some(object) = object else { continue };
        let found = pins(&object, images)?;
        let edited = edit(document, &object, &found)?;
        out.push_str(&edited);
        changed.get_or_insert_with(Vec::new).extend(found);
    }
    changed.map(|pins| (out, pins)).ok_or_else(|| GitopsError::Absent(workload.to_owned()))
}

/// The documents of a stream, separators included.
fn documents(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let (mut start, mut at) = (0, 0);
    for line in text.split_inclusive('\n') {
        if at > start && line.trim_end() == "---" {
            found.extend(text.get(start..at));
            start = at;
        }
        at += line.len();
    }
    found.extend(text.get(start..));
    found
}

fn read(document: &str, first: usize) -> Result<Option<Value>, GitopsError> {
    let parsed = Yaml::load_from_str(document).map_err(|error| GitopsError::Malformed {
        line: first + error.marker().line().saturating_sub(1),
        message: error.info().to_owned(),
    })?;
    Ok(parsed.first().map(json))
}

fn json(yaml: &Yaml<'_>) -> Value {
    match yaml {
        Yaml::Value(Scalar::String(text)) => text.as_ref().into(),
        Yaml::Value(Scalar::Integer(number)) => (*number).into(),
        Yaml::Value(Scalar::Boolean(value)) => (*value).into(),
        Yaml::Value(Scalar::FloatingPoint(number)) => number.into_inner().into(),
        Yaml::Sequence(items) => items.iter().map(json).collect(),
        Yaml::Mapping(fields) => {
            fields.iter().map(|(name, value)| (name.as_str().unwrap_or("").to_owned(), json(value))).collect()
        }
        Yaml::Tagged(_, inner) => json(inner),
        _ => Value::Null,
    }
}

fn is(object: &Value, workload: &str) -> bool {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str);
    let mut parts = workload.split('/');
    let (namespace, kind, name) = (parts.next(), parts.next(), parts.next());
    text("/kind") == kind
        && text("/metadata/name") == name
        && text("/metadata/namespace").is_none_or(|own| Some(own) == namespace)
}

fn edit(document: &str, object: &Value, pins: &[Pin]) -> Result<String, GitopsError> {
    let mut text = document.to_owned();
    for pin in pins {
        text = text.split_inclusive('\n').map(|line| replaced(line, pin)).collect();
    }
    let mut expected = object.clone();
    for pin in pins {
        if let Some(place) = expected.pointer_mut(&pin.place) {
            *place = pin.new.as_str().into();
        }
    }
    // Whatever the lines looked like: the file now says what was meant, and nothing else.
    match read(&text, 1) {
        Ok(Some(now)) if now == expected => Ok(text),
        _ => Err(GitopsError::Form(pins.first().map(|pin| pin.old.clone()).unwrap_or_default())),
    }
}

/// `- image: "OLD" # why` with the new image; any other line as it is.
fn replaced(line: &str, pin: &Pin) -> String {
    let start = line.trim_start().trim_start_matches("- ").trim_start();
    let value = ["image:", "reference:"].iter().find_map(|name| start.strip_prefix(name));
    let Some(value) = value.map(str::trim) else { return line.to_owned() };
    let bare = value.split(" #").next().unwrap_or("").trim();
    let bare = bare.trim_matches(|c| matches!(c, '"' | '\''));
    if bare == pin.old { line.replacen(&pin.old, &pin.new, 1) } else { line.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "\
# what shop runs
apiVersion: v1
kind: Service
metadata: { name: cart }
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: cart # the basket
  namespace: shop
spec:
  replicas: 2
  template:
    spec:
      initContainers:
        - image: 'registry.example/tool:1'
          name: init
      containers:
        - name: app
          image: \"registry.example/app:v2\"   # by the pipeline
          env:
            - { name: IMAGE, value: \"registry.example/app:v2\" }
---
apiVersion: apps/v1
kind: Deployment
metadata: { name: cart, namespace: bank }
spec: { template: { spec: { containers: [ { name: app, image: \"registry.example/app:v2\" } ] } } }
";

    fn images() -> Vec<String> {
        ["app:v1", "tool"]
            .iter()
            .map(|name| format!("registry.example/{name}@sha256:{}", "a".repeat(64)))
            .collect()
    }

    #[test]
    fn two_lines_change_and_no_other() {
        let (text, pins) = repin(FILE, "shop/Deployment/cart", &images()).unwrap();
        assert_eq!(pins.len(), 2);
        let differ: Vec<_> = FILE.lines().zip(text.lines()).filter(|(old, new)| old != new).collect();
        assert_eq!(differ.len(), 2, "{text}");
        assert!(differ[1].1.ends_with("\"   # by the pipeline"), "{text}");
        assert!(text.contains("value: \"registry.example/app:v2\""), "an environment variable is no image");
        assert_eq!(FILE.lines().count(), text.lines().count());
        let (again, none) = repin(&text, "shop/Deployment/cart", &images()).unwrap();
        assert_eq!((again, none), (text, Vec::new()));
    }

    #[test]
    fn what_is_not_there_or_not_plain_is_said() {
        assert!(matches!(repin(FILE, "shop/Deployment/till", &images()), Err(GitopsError::Absent(_))));
        let flow = vec![images()[0].clone()];
        assert!(matches!(repin(FILE, "bank/Deployment/cart", &flow), Err(GitopsError::Form(_))));
        let broken = format!("{FILE}---\na: [\n");
        match repin(&broken, "shop/Deployment/cart", &images()) {
            Err(GitopsError::Malformed { line, .. }) => assert!(line > FILE.lines().count(), "{line}"),
            other => panic!("{other:?}"),
        }
        assert!(matches!(repin(FILE, "shop/Deployment/cart", &flow), Err(GitopsError::Pin(_))));
    }
}
