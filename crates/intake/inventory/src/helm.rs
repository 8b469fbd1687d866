//! Helm charts: Chart.yaml (requirements.yaml before Helm 3) asks for charts, Chart.lock (requirements.lock) says which they are.

use linkward_evidence::{Fault, yaml};
use linkward_model::Code;
use serde_json::Value;

use crate::{Format, Lock, Open, Package, name, purl};

pub(crate) const CHART: Format =
    Format { kind: "Chart.yaml", named: |path| name(path) == "Chart.yaml", read: chart };
pub(crate) const LOCK: Format = Format {
    kind: "Chart.lock",
    named: |path| matches!(name(path), "Chart.lock" | "requirements.lock"),
    read: lock,
};

fn malformed(place: &str, what: impl Into<String>) -> Fault {
    Fault::new(Code::LockfileMalformed, place, what)
}

fn field<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    value.get(name).and_then(Value::as_str).filter(|text| !text.is_empty())
}

fn chart(text: &str) -> Result<Lock, Fault> {
    let document = yaml::read(text, Code::LockfileMalformed)?;
    let required =
        |name: &str| field(&document, name).ok_or_else(|| malformed("$", format!("has no `{name}`")));
    let (chart, version) = (required("name")?, required("version")?);
    let mut lock = Lock::default();
    let mut needs = Vec::new();
    for (place, entry) in dependencies(&document)? {
        let Some((chart, repository)) = elsewhere(&place, entry)? else { continue };
        let range = field(entry, "version").ok_or_else(|| malformed(&place, "has no `version`"))?;
        if is_exact(range) {
            let package = of(chart, range, repository)?;
            needs.push(package.purl.clone());
            lock.packages.push(package);
        } else {
            let what = format!("{place}: chart `{chart}` is asked for as `{range}`");
            lock.open.push(Open { what, settled_by: "Chart.lock" });
        }
    }
    let own = Package { own: true, needs, ..Package::named("helm", chart, Some(version))? };
    lock.packages.push(own);
    Ok(lock)
}

fn lock(text: &str) -> Result<Lock, Fault> {
    let document = yaml::read(text, Code::LockfileMalformed)?;
    if field(&document, "digest").is_none() {
        return Err(malformed("$", "has no `digest`"));
    }
    let mut lock = Lock::default();
    for (place, entry) in dependencies(&document)? {
        let Some((chart, repository)) = elsewhere(&place, entry)? else { continue };
        let version = field(entry, "version").ok_or_else(|| malformed(&place, "has no `version`"))?;
        lock.packages.push(of(chart, version, repository)?);
    }
    if lock.packages.is_empty() {
        lock.gaps.push("lists no chart from elsewhere".to_owned());
    }
    Ok(lock)
}

fn dependencies(document: &Value) -> Result<Vec<(String, &Value)>, Fault> {
    let Some(list) = document.get("dependencies").filter(|list| !list.is_null()) else {
        return Ok(Vec::new());
    };
    let list = list.as_array().ok_or_else(|| malformed("$.dependencies", "must be a list"))?;
    Ok(list.iter().enumerate().map(|(index, entry)| (format!("$.dependencies[{index}]"), entry)).collect())
}

/// Name and repository; `None` where the chart lies in the same tree, which is read anyway.
fn elsewhere<'a>(place: &str, entry: &'a Value) -> Result<Option<(&'a str, &'a str)>, Fault> {
    let chart = field(entry, "name").ok_or_else(|| malformed(place, "has no `name`"))?;
    Ok(field(entry, "repository").filter(|place| !place.starts_with("file://")).map(|place| (chart, place)))
}

fn of(chart: &str, version: &str, repository: &str) -> Result<Package, Fault> {
    let found = purl("helm", chart, Some(version))?.with_qualifier("repository_url", repository);
    Ok(Package::of(found, chart.to_owned(), Some(version.to_owned())))
}

/// One version, and no range: `1.2.3`, `v1.2.3-rc.1`.
fn is_exact(range: &str) -> bool {
    let numbers = range.trim_start_matches('v').split(['-', '+']).next().unwrap_or_default();
    let whole = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    numbers.split('.').count() == 3 && numbers.split('.').all(whole) && !range.contains([' ', '|', ','])
}
