//! Where custom resources hold images: a group, a kind, and a path that an operator configures.

use std::str::FromStr;

use serde_json::Value;

/// `argoproj.io/Rollout:spec.template.spec`, `tekton.dev/Task:spec.steps[].image`.
///
/// A path ends at an image's text, or at a pod's specification, of which every image counts. `[]` walks a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CustomImages {
    pub(crate) group: String,
    pub(crate) kind: String,
    pub(crate) path: Vec<Step>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Field(String),
    Each,
}

/// A text that is no such path.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` must be GROUP/KIND:PATH, such as argoproj.io/Rollout:spec.template.spec or tekton.dev/Task:spec.steps[].image"
)]
pub struct CustomError(String);

impl FromStr for CustomImages {
    type Err = CustomError;

    fn from_str(text: &str) -> Result<Self, CustomError> {
        let wrong = || CustomError(text.to_owned());
        let (name, path) = text.split_once(':').ok_or_else(wrong)?;
        let (group, kind) = name.split_once('/').ok_or_else(wrong)?;
        if group.is_empty() || kind.is_empty() || kind.contains('/') || path.is_empty() {
            return Err(wrong());
        }
        let mut steps = Vec::new();
        for part in path.split('.') {
            let field = part.trim_end_matches("[]");
            if field.is_empty() || field.contains(['[', ']']) {
                return Err(wrong());
            }
            steps.push(Step::Field(field.to_owned()));
            let lists = (part.len() - field.len()) / 2;
            steps.extend(std::iter::repeat_n(Step::Each, lists));
        }
        Ok(Self { group: group.to_owned(), kind: kind.to_owned(), path: steps })
    }
}

impl CustomImages {
    pub(crate) fn is_for(&self, group: &str, kind: &str) -> bool {
        self.group == group && self.kind == kind
    }

    /// The API group, for the webhook's rules.
    pub fn group(&self) -> &str {
        &self.group
    }

    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// What stands at the end of the path: texts and objects. Absent is nothing; another shape is an error, because a
    /// path that misses its images silently lets them pass.
    pub(crate) fn ends<'a>(&self, object: &'a Value) -> Result<Vec<&'a Value>, String> {
        let mut at = vec![object];
        for step in &self.path {
            let mut next = Vec::new();
            for value in at {
                match (step, value) {
                    (_, Value::Null) => {}
                    (Step::Field(name), Value::Object(fields)) => next.extend(fields.get(name)),
                    (Step::Each, Value::Array(items)) => next.extend(items),
                    _ => {
                        return Err(format!("the path configured for {} does not fit the object", self.kind));
                    }
                }
            }
            at = next;
        }
        Ok(at.into_iter().filter(|value| !value.is_null()).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn paths_walk_lists_and_refuse_other_shapes() {
        let path: CustomImages = "tekton.dev/Task:spec.steps[].image".parse().unwrap();
        assert!(path.is_for("tekton.dev", "Task") && !path.is_for("tekton.dev", "Pod"));
        let object = json!({ "spec": { "steps": [{ "image": "a" }, { "name": "x" }, { "image": "b" }] } });
        assert_eq!(path.ends(&object).unwrap(), [&json!("a"), &json!("b")]);
        assert_eq!(path.ends(&json!({ "spec": {} })).unwrap(), Vec::<&Value>::new());
        assert!(path.ends(&json!({ "spec": { "steps": { "image": "a" } } })).is_err());
        for bad in ["", "Task:spec", "a/B", "a/B:", "a/B:x..y", "a/B:x[0]", "/B:x", "a/:x", "a/b/C:x"] {
            assert!(bad.parse::<CustomImages>().is_err(), "{bad}");
        }
    }
}
