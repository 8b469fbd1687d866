//! Artifact rules applied: what they consume is accounted for, and DISALLOW looks at what is left.

use std::collections::{BTreeMap, BTreeSet};

use linkward_evidence::in_toto::link::strong;
use linkward_evidence::in_toto::{Artifacts, Link, Match, Rule, Side};
use linkward_model::Code;

use super::glob::Glob;

/// Goes through the rules of one side of a step or inspection.
///
/// Returns how many artifacts no rule spoke of: they pass, as the specification has it, and people should see the number.
pub(super) fn apply(
    rules: &[Rule],
    side: Side,
    own: &Link,
    links: &BTreeMap<String, Link>,
) -> Result<usize, (Code, String)> {
    let artifacts = of(own, side);
    let mut queue: BTreeSet<&str> = artifacts.keys().map(String::as_str).collect();
    for rule in rules {
        let consumed: Vec<&str> = match rule {
            Rule::Allow(pattern) => matching(&queue, pattern),
            Rule::Create(pattern) => keep(matching(&queue, pattern), |path| {
                own.products.contains_key(path) && !own.materials.contains_key(path)
            }),
            Rule::Delete(pattern) => keep(matching(&queue, pattern), |path| {
                own.materials.contains_key(path) && !own.products.contains_key(path)
            }),
            Rule::Modify(pattern) => keep(matching(&queue, pattern), |path| {
                let both = own.materials.get(path).zip(own.products.get(path));
                both.is_some_and(|(before, after)| same(before, after) == Some(false))
            }),
            Rule::Match(rule) => matched(rule, artifacts, &queue, links),
            Rule::Disallow(pattern) => {
                let found = matching(&queue, pattern);
                if !found.is_empty() {
                    let shown: Vec<_> =
                        found.iter().take(5).map(|path| path.escape_debug().to_string()).collect();
                    let why = format!(
                        "`{rule}` of the {} of `{}` meets {} artifact(s) that no rule before accounts for: {}",
                        side.as_str(),
                        own.name,
                        found.len(),
                        shown.join(", ")
                    );
                    return Err((Code::LayoutRuleDisallow, why));
                }
                Vec::new()
            }
            Rule::Require(path) => {
                if !queue.contains(path.as_str()) {
                    let why = format!(
                        "`{rule}`: it is not among the {} of `{}`, or a rule before accounted for it",
                        side.as_str(),
                        own.name
                    );
                    return Err((Code::LayoutRuleRequire, why));
                }
                Vec::new()
            }
        };
        for path in consumed {
            queue.remove(path);
        }
    }
    Ok(queue.len())
}

fn of(link: &Link, side: Side) -> &Artifacts {
    match side {
        Side::Materials => &link.materials,
        Side::Products => &link.products,
    }
}

fn matching<'a>(queue: &BTreeSet<&'a str>, pattern: &str) -> Vec<&'a str> {
    let glob = Glob::new(pattern);
    queue.iter().copied().filter(|path| glob.matches(path)).collect()
}

fn keep(paths: Vec<&str>, wanted: impl Fn(&str) -> bool) -> Vec<&str> {
    paths.into_iter().filter(|path| wanted(path)).collect()
}

fn matched<'a>(
    rule: &Match,
    artifacts: &Artifacts,
    queue: &BTreeSet<&'a str>,
    links: &BTreeMap<String, Link>,
) -> Vec<&'a str> {
    let Some(destination) = links.get(&rule.step) else { return Vec::new() };
    let destination = of(destination, rule.side);
    let glob = Glob::new(&rule.pattern);
    let (source, target) = (folder(&rule.source_prefix), folder(&rule.destination_prefix));
    let agrees = |path: &&str| {
        let Some(below) = path.strip_prefix(source.as_str()).filter(|below| glob.matches(below)) else {
            return false;
        };
        let there = destination.get(&format!("{target}{below}"));
        artifacts.get(*path).zip(there).is_some_and(|(here, there)| same(here, there) == Some(true))
    };
    queue.iter().copied().filter(agrees).collect()
}

/// A prefix always ends at the end of a path segment: `src` is not the beginning of `src-evil/`.
fn folder(prefix: &str) -> String {
    if prefix.is_empty() || prefix.ends_with('/') { prefix.to_owned() } else { format!("{prefix}/") }
}

/// Whether two artifacts are the same content; `None` where no function that identifies content was used for both.
pub(super) fn same(one: &BTreeMap<String, String>, other: &BTreeMap<String, String>) -> Option<bool> {
    let (one, other) = (strong(one), strong(other));
    let both = one.iter().filter_map(|digest| {
        let twin = other.iter().find(|twin| twin.algorithm() == digest.algorithm())?;
        Some(twin == digest)
    });
    both.fold(None, |all, equal| Some(all.unwrap_or(true) && equal))
}
