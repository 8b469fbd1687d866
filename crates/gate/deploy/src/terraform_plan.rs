//! Terraform plans (`terraform show -json`, format 1.x): what is about to be applied against what was approved, what has
//! drifted meanwhile, and modules that could be other code tomorrow.

use std::collections::{BTreeMap, BTreeSet};

use linkward_model::Code;
use serde::Serialize;
use serde_json::Value;

/// Deepest module and value that is followed.
const MAX_DEPTH: usize = 64;
/// Attributes of one resource that are named.
const MAX_NAMED: usize = 20;

/// Something about a plan that somebody has to look at.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct PlanIssue {
    /// Address of the resource, module or output.
    pub address: String,
    pub code: Code,
    /// A sentence. Values are never shown: they may be secrets.
    pub what: String,
}

/// A plan that was read whole.
#[derive(Debug)]
pub struct TerraformPlan {
    changes: BTreeMap<String, Change>,
    drift: BTreeMap<String, Vec<String>>,
    unpinned: Vec<PlanIssue>,
}

/// What happens to one resource or output.
#[derive(Debug, PartialEq)]
struct Change {
    actions: Vec<String>,
    provider: String,
    after: Value,
    /// What is known only once it is applied, as `true` in the place of the value.
    unknown: Value,
}

impl TerraformPlan {
    /// # Errors
    /// Not such a document, of another version, or a plan that is not whole: the code and a sentence with the place.
    pub fn parse(bytes: &[u8]) -> Result<Self, (Code, String)> {
        let malformed = |place: &str| (Code::PlanMalformed, format!("{place} is not as Terraform writes it"));
        let document: Value = serde_json::from_slice(bytes)
            .map_err(|error| (Code::PlanMalformed, format!("it is not JSON: {error}")))?;
        let version = document
            .get("format_version")
            .and_then(Value::as_str)
            .ok_or_else(|| malformed("format_version"))?;
        if !version.starts_with("1.") {
            let what = format!("format_version {version} is not read; there is 1.x");
            return Err((Code::UnsupportedVersion, what));
        }
        let flag = |name: &str| document.get(name).and_then(Value::as_bool);
        if flag("errored") == Some(true) {
            return Err((
                Code::PlanIncomplete,
                "planning ended with an error: not everything is in it".to_owned(),
            ));
        }
        if flag("complete") == Some(false) {
            return Err((
                Code::PlanIncomplete,
                "Terraform says that a further plan has to follow".to_owned(),
            ));
        }
        // A plan without a configuration says nothing of its modules.
        let configuration =
            document.pointer("/configuration/root_module").ok_or_else(|| malformed("configuration"))?;
        let mut unpinned = Vec::new();
        modules(configuration, "", 0, &mut unpinned).ok_or_else(|| malformed("configuration"))?;
        let mut changes = BTreeMap::new();
        for (number, resource) in list(&document, "resource_changes").iter().enumerate() {
            let place = format!("resource_changes[{number}]");
            let (address, change) = read(resource).ok_or_else(|| malformed(&place))?;
            if !change.is_nothing() && changes.insert(address.clone(), change).is_some() {
                return Err((Code::PlanMalformed, format!("{address} stands twice")));
            }
        }
        for (name, output) in document.get("output_changes").and_then(Value::as_object).into_iter().flatten()
        {
            let change =
                Change::read(output, "").ok_or_else(|| malformed(&format!("output_changes.{name}")))?;
            if !change.is_nothing() {
                changes.insert(format!("output.{name}"), change);
            }
        }
        let mut drift = BTreeMap::new();
        for (number, resource) in list(&document, "resource_drift").iter().enumerate() {
            let place = format!("resource_drift[{number}]");
            let (address, change) = read(resource).ok_or_else(|| malformed(&place))?;
            if !change.is_nothing() {
                let before = resource.pointer("/change/before").unwrap_or(&Value::Null);
                drift.insert(address, differing(before, &change.after, &Value::Null));
            }
        }
        Ok(Self { changes, drift, unpinned })
    }

    /// Resources and outputs that change.
    pub fn len(&self) -> usize {
        self.changes.len()
    }

    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// What speaks against the plan by itself.
    pub fn issues(&self) -> Vec<PlanIssue> {
        let mut found = self.unpinned.clone();
        found.extend(self.drift.iter().map(|(address, names)| PlanIssue {
            address: address.clone(),
            code: Code::PlanDrift,
            what: format!("it was changed outside of Terraform{}", listed(names)),
        }));
        found.sort();
        found
    }

    /// What it does that the approved plan did not say, and what that said and is no longer done.
    pub fn against(&self, approved: &Self) -> Vec<PlanIssue> {
        let names: BTreeSet<&String> = self.changes.keys().chain(approved.changes.keys()).collect();
        let issue = |address: &String, what: String| PlanIssue {
            address: address.clone(),
            code: Code::PlanDiffers,
            what,
        };
        let mut found = Vec::new();
        for address in names {
            match (approved.changes.get(address), self.changes.get(address)) {
                (None, Some(now)) => {
                    found.push(issue(address, format!("not approved: {}", now.actions.join(", "))))
                }
                (Some(then), None) => {
                    found.push(issue(
                        address,
                        format!("approved, and no longer planned: {}", then.actions.join(", ")),
                    ));
                }
                (Some(then), Some(now)) => {
                    found.extend(then.difference(now).map(|what| issue(address, what)))
                }
                (None, None) => {}
            }
        }
        found
    }
}

impl Change {
    fn read(change: &Value, provider: &str) -> Option<Self> {
        let actions = change.get("actions")?.as_array()?;
        Some(Self {
            actions: actions
                .iter()
                .map(|action| action.as_str().map(str::to_owned))
                .collect::<Option<_>>()?,
            provider: provider.to_owned(),
            after: change.get("after").cloned().unwrap_or_default(),
            unknown: change.get("after_unknown").cloned().unwrap_or_default(),
        })
    }

    fn is_nothing(&self) -> bool {
        matches!(self.actions.iter().map(String::as_str).collect::<Vec<_>>().as_slice(), ["no-op"] | ["read"])
    }

    fn difference(&self, now: &Self) -> Option<String> {
        if self.actions != now.actions {
            return Some(format!(
                "approved to {}, planned to {}",
                self.actions.join(", "),
                now.actions.join(", ")
            ));
        }
        if self.provider != now.provider {
            return Some(format!("approved with provider {}, planned with {}", self.provider, now.provider));
        }
        // What was unknown when it was approved may be known now, and the other way round.
        let mut names = differing(&self.after, &now.after, &self.unknown);
        names.retain(|name| !is_unknown(&now.unknown, name));
        (!names.is_empty()).then(|| format!("other values than approved{}", listed(&names)))
    }
}

fn read(resource: &Value) -> Option<(String, Change)> {
    let text = |name: &str| resource.get(name).and_then(Value::as_str);
    let mut address = text("address")?.to_owned();
    if let Some(deposed) = text("deposed") {
        address.push_str(&format!(" (deposed {deposed})"));
    }
    let provider = text("provider_name").unwrap_or_default();
    Some((address, Change::read(resource.get("change")?, provider)?))
}

fn list<'v>(document: &'v Value, name: &str) -> &'v [Value] {
    document.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn listed(names: &[String]) -> String {
    match names {
        [] => String::new(),
        names => format!(": {}", names.join(", ")),
    }
}

/// Attributes with different values, by their paths; those that were unknown then can be anything now.
fn differing(then: &Value, now: &Value, unknown: &Value) -> Vec<String> {
    let mut found = Vec::new();
    walk(then, now, unknown, "", 0, &mut found);
    found
}

fn walk(then: &Value, now: &Value, unknown: &Value, path: &str, depth: usize, found: &mut Vec<String>) {
    if then == now || unknown == &Value::Bool(true) || found.len() >= MAX_NAMED {
        return;
    }
    match (then, now) {
        (Value::Object(one), Value::Object(other)) if depth < MAX_DEPTH => {
            let names: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
            for name in names {
                let part = |value: &Value| value.get(name).cloned().unwrap_or_default();
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                walk(&part(then), &part(now), &part(unknown), &path, depth + 1, found);
            }
        }
        (Value::Array(one), Value::Array(other)) if depth < MAX_DEPTH && one.len() == other.len() => {
            for number in 0..one.len() {
                let part = |value: &Value| value.get(number).cloned().unwrap_or_default();
                walk(&part(then), &part(now), &part(unknown), &format!("{path}[{number}]"), depth + 1, found);
            }
        }
        _ => found.push(if path.is_empty() { "the whole".to_owned() } else { path.to_owned() }),
    }
}

/// Whether a path, or what it stands in, is known only later.
fn is_unknown(unknown: &Value, path: &str) -> bool {
    let mut at = unknown;
    for part in path.split(['.', '[']) {
        if at == &Value::Bool(true) {
            return true;
        }
        let part = part.trim_end_matches(']');
        let next = part.parse::<usize>().ok().and_then(|number| at.get(number)).or_else(|| at.get(part));
        match next {
            Some(next) => at = next,
            None => return false,
        }
    }
    at == &Value::Bool(true)
}

/// Module calls whose code is not the same tomorrow.
fn modules(module: &Value, above: &str, depth: usize, found: &mut Vec<PlanIssue>) -> Option<()> {
    if depth > MAX_DEPTH {
        return None;
    }
    let Some(calls) = module.get("module_calls") else { return Some(()) };
    for (name, call) in calls.as_object()? {
        let address = format!("{above}module.{name}");
        let source = call.get("source")?.as_str()?;
        let version = call.get("version_constraint").and_then(Value::as_str);
        if let Some(why) = unpinned(source, version) {
            found.push(PlanIssue { address: address.clone(), code: Code::PlanUnpinned, what: why });
        }
        if let Some(inner) = call.get("module") {
            modules(inner, &format!("{address}."), depth + 1, found)?;
        }
    }
    Some(())
}

fn unpinned(source: &str, version: Option<&str>) -> Option<String> {
    if source.starts_with("./") || source.starts_with("../") {
        return None;
    }
    if source.starts_with("git::")
        || source.starts_with("git@")
        || source.contains("?ref=")
        || source.ends_with(".git")
    {
        let reference = source.split_once("?ref=").map(|(_, rest)| rest.split('&').next().unwrap_or(rest));
        let commit =
            |text: &str| matches!(text.len(), 40 | 64) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        return match reference {
            Some(reference) if commit(reference) => None,
            Some(reference) => Some(format!("{source}: `{reference}` can be moved; name a commit")),
            None => Some(format!("{source}: no ?ref=; name a commit")),
        };
    }
    if source.contains("://") || source.contains("::") {
        let sum = source.contains("checksum=");
        return (!sum).then(|| format!("{source}: no checksum"));
    }
    // A registry's module: its versions are not changed by an honest registry, and the lock file does not cover them.
    let exact = |text: &str| {
        let text = text.trim().trim_start_matches('=').trim();
        let parts: Vec<&str> = text.split('.').collect();
        parts.len() == 3 && parts.iter().all(|part| part.starts_with(|c: char| c.is_ascii_digit()))
    };
    match version {
        Some(version) if exact(version) => None,
        Some(version) => Some(format!("{source}: `{version}` allows other versions; name one")),
        None => Some(format!("{source}: no version")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn plan(change: impl FnOnce(&mut Value)) -> Value {
        let mut plan = json!({
            "format_version": "1.2", "terraform_version": "1.9.0",
            "resource_changes": [
                {
                    "address": "aws_s3_bucket.logs", "mode": "managed", "type": "aws_s3_bucket", "name": "logs",
                    "provider_name": "registry.example/hashicorp/aws",
                    "change": {
                        "actions": ["create"], "before": null,
                        "after": { "bucket": "logs", "acl": "private", "tags": { "team": "a" }, "rules": [{ "days": 1 }] },
                        "after_unknown": { "id": true, "rules": [{ "arn": true }] },
                    },
                },
                { "address": "aws_iam_role.same", "provider_name": "p", "change": { "actions": ["no-op"], "before": {}, "after": {} } },
            ],
            "resource_drift": [],
            "output_changes": { "url": { "actions": ["update"], "before": "a", "after": "b" } },
            "configuration": { "root_module": { "module_calls": {} } },
        });
        change(&mut plan);
        plan
    }

    fn parsed(plan: &Value) -> TerraformPlan {
        TerraformPlan::parse(plan.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn the_same_plan_is_the_same_and_every_difference_is_named_without_values() {
        let approved = parsed(&plan(|_| {}));
        assert_eq!(approved.len(), 2);
        assert!(parsed(&plan(|_| {})).against(&approved).is_empty());
        let after = "/resource_changes/0/change/after";
        for (pointer, value, said) in [
            (format!("{after}/acl"), json!("public-read"), "other values than approved: acl"),
            (format!("{after}/tags/team"), json!("secret words"), "other values than approved: tags.team"),
            (format!("{after}/rules/0/days"), json!(2), "other values than approved: rules[0].days"),
            (
                "/resource_changes/0/change/actions".to_owned(),
                json!(["delete", "create"]),
                "approved to create, planned to delete, create",
            ),
            ("/resource_changes/0/provider_name".to_owned(), json!("evil.example/aws"), "provider"),
            ("/resource_changes/0/address".to_owned(), json!("aws_s3_bucket.other"), "not approved: create"),
            ("/resource_changes/1/change/actions".to_owned(), json!(["delete"]), "not approved: delete"),
            ("/output_changes/url/after".to_owned(), json!("c"), "the whole"),
        ] {
            let changed = parsed(&plan(|plan| *plan.pointer_mut(&pointer).unwrap() = value));
            let issues = changed.against(&approved);
            assert!(issues.iter().any(|issue| issue.what.contains(said)), "{pointer}: {issues:?}");
            assert!(
                issues
                    .iter()
                    .all(|issue| issue.code == Code::PlanDiffers && !issue.what.contains("secret words"))
            );
        }
        let fewer = parsed(&plan(|plan| drop(plan["resource_changes"].as_array_mut().unwrap().remove(0))));
        assert!(fewer.against(&approved)[0].what.contains("no longer planned"));
    }

    #[test]
    fn what_was_unknown_may_be_anything_and_nothing_else_may() {
        let approved = parsed(&plan(|_| {}));
        let with = |name: &str, value: Value| {
            parsed(&plan(|plan| plan["resource_changes"][0]["change"]["after"][name] = value))
                .against(&approved)
                .len()
        };
        assert_eq!((with("id", json!("i-1")), with("arn", json!("i-1"))), (0, 1));
        let later = parsed(&plan(|plan| {
            let change = &mut plan["resource_changes"][0]["change"];
            change["after"].as_object_mut().unwrap().remove("bucket");
            change["after_unknown"]["bucket"] = json!(true);
        }));
        assert!(later.against(&approved).is_empty(), "known then, and only later now");
    }

    #[test]
    fn drift_and_open_modules_speak_against_a_plan_by_themselves() {
        let commit = "1".repeat(40);
        let issues = |source: &str, version: Option<&str>| {
            parsed(&plan(|plan| {
                plan["configuration"]["root_module"]["module_calls"]["net"] = json!({
                    "source": "./net", "module": { "module_calls": { "deep": { "source": source, "version_constraint": version } } },
                });
            }))
            .issues()
        };
        for (source, version, pinned) in [
            ("./deep", None, true),
            ("org/net/aws", Some("1.2.3"), true),
            ("org/net/aws", Some("= 1.2.3"), true),
            ("org/net/aws", Some("~> 1.2"), false),
            ("org/net/aws", Some(">= 1.2.3"), false),
            ("org/net/aws", None, false),
            ("git::https://git.example/net.git", None, false),
            ("git::https://git.example/net.git?ref=v1.0", None, false),
            (&format!("git::https://git.example/net.git?ref={commit}"), None, true),
            ("https://files.example/net.zip", None, false),
            ("https://files.example/net.zip?checksum=sha256:00", None, true),
        ] {
            let found = issues(source, version);
            assert_eq!(found.is_empty(), pinned, "{source} {version:?}: {found:?}");
            if let Some(issue) = found.first() {
                assert_eq!(
                    (issue.address.as_str(), issue.code),
                    ("module.net.module.deep", Code::PlanUnpinned)
                );
            }
        }
        let drifted = parsed(&plan(|plan| {
            plan["resource_drift"] = json!([{ "address": "aws_security_group.web", "provider_name": "p",
                "change": { "actions": ["update"], "before": { "open": [22] }, "after": { "open": [22, 80] } } }]);
        }));
        let issues = drifted.issues();
        assert_eq!((issues.len(), issues[0].code), (1, Code::PlanDrift));
        assert!(issues[0].what.ends_with(": open"), "{issues:?}");
    }

    #[test]
    fn what_is_no_whole_plan_is_refused() {
        for (pointer, value, code) in [
            ("/format_version", json!("2.0"), Code::UnsupportedVersion),
            ("/format_version", json!(1), Code::PlanMalformed),
            ("/errored", json!(true), Code::PlanIncomplete),
            ("/complete", json!(false), Code::PlanIncomplete),
            ("/configuration", json!(null), Code::PlanMalformed),
            ("/resource_changes/0/address", json!(null), Code::PlanMalformed),
            ("/resource_changes/0/change/actions", json!("create"), Code::PlanMalformed),
            ("/resource_changes/1/address", json!("aws_s3_bucket.logs"), Code::PlanMalformed),
            ("/configuration/root_module/module_calls", json!({ "a": {} }), Code::PlanMalformed),
        ] {
            let mut changed = plan(|_| {});
            if pointer == "/resource_changes/1/address" {
                changed["resource_changes"][1]["change"]["actions"] = json!(["delete"]);
            }
            match changed.pointer_mut(pointer) {
                Some(place) => *place = value,
                None => changed[pointer.trim_start_matches('/')] = value,
            }
            let refused = TerraformPlan::parse(changed.to_string().as_bytes()).unwrap_err();
            assert_eq!(refused.0, code, "{pointer}: {refused:?}");
        }
        assert_eq!(TerraformPlan::parse(b"{").unwrap_err().0, Code::PlanMalformed);
    }
}
