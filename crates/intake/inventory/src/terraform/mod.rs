//! Terraform: providers and modules, as they are chosen (the lock file, the list of installed modules) and as they are asked for.

mod configuration;
mod lock;
mod modules;

use linkward_evidence::Fault;

use crate::{Format, Lock, Package, purl};

pub(crate) const LOCK: Format = lock::FORMAT;
pub(crate) const MODULES: Format = modules::FORMAT;
pub(crate) const CONFIGURATION: Format = configuration::FORMAT;

/// A provider by its address; the first of three parts is the registry's host.
fn provider(address: &str, version: &str) -> Result<Package, Fault> {
    let path = match address.matches('/').count() {
        0 => format!("hashicorp/{address}"),
        1 => address.to_owned(),
        _ => address.split_once('/').map_or(address, |(_, path)| path).to_owned(),
    };
    Ok(Package { name: address.to_owned(), ..Package::named("terraform", &path, Some(version))? })
}

/// A module by where it is taken from. `None` where it lies in the same tree, which is read anyway.
fn module(
    source: &str,
    version: Option<&str>,
    place: &str,
    lock: &mut Lock,
) -> Result<Option<Package>, Fault> {
    if source.starts_with("./") || source.starts_with("../") || source.is_empty() {
        return Ok(None);
    }
    let (bare, query) = source.split_once('?').unwrap_or((source, ""));
    let reference = query.split('&').find_map(|part| part.strip_prefix("ref="));
    let scheme = bare.split_once("://").map(|(scheme, _)| scheme);
    let fetched = bare.contains("::") || scheme.is_some() || bare.starts_with("git@");
    let hosted = ["github.com/", "bitbucket.org/", "gitlab.com/"].iter().any(|host| bare.starts_with(host));
    // Behind two slashes stands a folder within it.
    let from = scheme.map_or(0, |scheme| scheme.len() + 3);
    let (head, rest) = bare.split_at_checked(from).unwrap_or(("", bare));
    let whole = format!("{head}{}", rest.split("//").next().unwrap_or(rest));
    let version = version.or(reference);
    if !fetched && !hosted {
        let path = match whole.matches('/').count() {
            2 => whole.as_str(),
            _ => whole.split_once('/').map_or(whole.as_str(), |(_, path)| path),
        };
        let package = Package::named("terraform", path, version)?;
        return Ok(Some(Package { name: whole.clone(), ..package }));
    }
    if reference.is_none() {
        lock.gaps.push(format!("{place}: `{source}` names no revision: what it is can change"));
    }
    let last = whole.trim_end_matches('/').rsplit(['/', ':']).next().unwrap_or(&whole);
    let name = last.trim_end_matches(".git");
    let found = purl("generic", name, version)?;
    let address = match hosted {
        true => format!("https://{whole}"),
        false => whole.strip_prefix("git::").unwrap_or(&whole).to_owned(),
    };
    let key = if whole.starts_with("git::") || hosted || bare.starts_with("git@") {
        "vcs_url"
    } else {
        "download_url"
    };
    let address =
        if key == "vcs_url" && !address.starts_with("git") { format!("git+{address}") } else { address };
    Ok(Some(Package::of(found.with_qualifier(key, &address), name.to_owned(), version.map(str::to_owned))))
}

/// A constraint that leaves no choice: `1.2.3`, `= 1.2.3`.
fn exact(constraint: &str) -> Option<&str> {
    let version = constraint.trim().trim_start_matches('=').trim();
    let whole = version.split('.').count() >= 3 && version.starts_with(|c: char| c.is_ascii_digit());
    (whole && !version.contains([' ', ',', '<', '>', '~', '!'])).then_some(version)
}
