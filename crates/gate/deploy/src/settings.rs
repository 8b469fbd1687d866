//! What the operator sets: how strict the gate is, where, and what it does when it cannot know.

use linkward_decide::{Mode as PolicyMode, Pattern};
use linkward_ledger::key::NoteKey;
use linkward_ledger::note::Note;
use linkward_model::Environment;

use crate::custom::CustomImages;

/// What to do with what could not be decided, or with what a gate that is cut off cannot know any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnUnknown {
    Deny,
    Warn,
}

/// What the webhook does with an image that is named by a tag alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnTag {
    Deny,
    /// Lets it pass with a warning: the node verifier sees the digest that the tag was resolved to, and decides. Only for
    /// clusters whose every node has the verifier.
    Node,
}

/// How strict the gate is in some namespaces; the first one that matches counts.
#[derive(Clone, Debug)]
pub struct Scope {
    pub namespaces: Pattern,
    pub mode: PolicyMode,
}

/// Who may break the glass, and how many of them it takes.
#[derive(Clone, Debug)]
pub struct GlassKeys {
    pub keys: Vec<NoteKey>,
    pub people: usize,
}

impl GlassKeys {
    /// The people who signed a note, by name. One person with two names is one person: keys count, not names.
    pub(crate) fn signers(&self, note: &Note) -> Vec<String> {
        let mut signers: Vec<_> = self.keys.iter().filter(|key| note.signed_by(key)).collect();
        signers.sort_by_key(|key| *key.public());
        signers.dedup_by_key(|key| *key.public());
        let mut names: Vec<String> = signers.iter().map(|key| key.name().to_owned()).collect();
        names.sort();
        names
    }
}

#[derive(Clone, Debug)]
pub struct Settings {
    pub environment: Environment,
    pub on_unknown: OnUnknown,
    pub on_stale: OnUnknown,
    pub on_tag: OnTag,
    /// How long a gate that tails a feed trusts what it heard last. `None`: this gate is beside the record itself.
    pub lease_millis: Option<i64>,
    pub scopes: Vec<Scope>,
    /// Where custom resources hold images.
    pub custom: Vec<CustomImages>,
    pub glass: GlassKeys,
}

impl Settings {
    /// The strictest settings for an environment.
    pub fn strict(environment: Environment) -> Self {
        Self {
            environment,
            on_unknown: OnUnknown::Deny,
            on_stale: OnUnknown::Deny,
            on_tag: OnTag::Deny,
            lease_millis: None,
            scopes: Vec::new(),
            custom: Vec::new(),
            glass: GlassKeys { keys: Vec::new(), people: 1 },
        }
    }

    /// How strict the gate is for a namespace; `asked` is what the webhook's path or the object's label asks for.
    pub(crate) fn mode(
        &self,
        namespace: &str,
        path: Option<PolicyMode>,
        label: Option<PolicyMode>,
    ) -> PolicyMode {
        let set = self.scopes.iter().find(|scope| scope.namespaces.matches(namespace));
        let set = set.map(|scope| scope.mode).or(path).unwrap_or(PolicyMode::Enforce);
        // Whoever deploys writes the labels of an object: they can make the gate stricter, never laxer.
        label.map_or(set, |label| stricter(set, label))
    }
}

const fn rank(mode: PolicyMode) -> u8 {
    match mode {
        PolicyMode::Audit => 0,
        PolicyMode::Warn => 1,
        PolicyMode::Enforce => 2,
    }
}

pub(crate) const fn stricter(one: PolicyMode, two: PolicyMode) -> PolicyMode {
    if rank(one) >= rank(two) { one } else { two }
}

pub(crate) const fn laxer(one: PolicyMode, two: PolicyMode) -> PolicyMode {
    if rank(one) <= rank(two) { one } else { two }
}

/// A mode by its name.
pub(crate) fn mode_named(name: &str) -> Option<PolicyMode> {
    [PolicyMode::Enforce, PolicyMode::Warn, PolicyMode::Audit].into_iter().find(|mode| mode.as_str() == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_tighten_and_never_loosen() {
        let mut settings = Settings::strict(Environment::default());
        settings.scopes =
            vec![Scope { namespaces: Pattern::parse("dev-*").unwrap(), mode: PolicyMode::Audit }];
        for (namespace, path, label, expected) in [
            ("shop", None, None, PolicyMode::Enforce),
            ("shop", Some(PolicyMode::Warn), None, PolicyMode::Warn),
            ("shop", None, Some(PolicyMode::Audit), PolicyMode::Enforce),
            ("shop", Some(PolicyMode::Audit), Some(PolicyMode::Warn), PolicyMode::Warn),
            ("dev-1", None, None, PolicyMode::Audit),
            ("dev-1", Some(PolicyMode::Enforce), None, PolicyMode::Audit),
            ("dev-1", None, Some(PolicyMode::Enforce), PolicyMode::Enforce),
            ("my-dev-1", None, None, PolicyMode::Enforce),
        ] {
            assert_eq!(settings.mode(namespace, path, label), expected, "{namespace} {path:?} {label:?}");
        }
        assert_eq!(laxer(PolicyMode::Warn, PolicyMode::Enforce), PolicyMode::Warn);
        assert_eq!(mode_named("off"), None);
    }
}
