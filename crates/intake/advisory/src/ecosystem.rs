//! Which ecosystem of the OSV schema a component belongs to, by its purl, and how names are spelled there.

use linkward_model::{Code, Purl};

use crate::order::Scheme;

/// What the advisory file is asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// As the file spells it: `PyPI`, `Debian:12`.
    pub ecosystem: String,
    pub name: String,
    pub version: Option<String>,
}

/// purl type, ecosystem, version rules.
const TYPES: &[(&str, &str, Scheme)] = &[
    ("cargo", "crates.io", Scheme::SemVer),
    ("npm", "npm", Scheme::SemVer),
    ("pypi", "PyPI", Scheme::Pep440),
    ("golang", "Go", Scheme::SemVer),
    ("maven", "Maven", Scheme::Maven),
    ("nuget", "NuGet", Scheme::NuGet),
    ("gem", "RubyGems", Scheme::RubyGems),
    ("composer", "Packagist", Scheme::Packagist),
    ("pub", "Pub", Scheme::Pub),
    ("hex", "Hex", Scheme::SemVer),
    ("hackage", "Hackage", Scheme::Hackage),
    ("cran", "CRAN", Scheme::Cran),
    ("swift", "SwiftURL", Scheme::SemVer),
    ("githubactions", "GitHub Actions", Scheme::SemVer),
];

/// Distributions: namespace of the purl, ecosystem, version rules.
const DISTRIBUTIONS: &[(&str, &str, Scheme)] = &[
    ("debian", "Debian", Scheme::Debian),
    ("ubuntu", "Ubuntu", Scheme::Debian),
    ("alpine", "Alpine", Scheme::Alpine),
    ("wolfi", "Wolfi", Scheme::Alpine),
    ("chainguard", "Chainguard", Scheme::Alpine),
    ("redhat", "Red Hat", Scheme::Rpm),
    ("rocky", "Rocky Linux", Scheme::Rpm),
    ("almalinux", "AlmaLinux", Scheme::Rpm),
    ("opensuse", "openSUSE", Scheme::Rpm),
    ("suse", "SUSE", Scheme::Rpm),
    ("mageia", "Mageia", Scheme::Rpm),
];

/// The version rules of an ecosystem, with or without its release; `None` where only exact versions can be compared.
pub fn scheme(ecosystem: &str) -> Option<Scheme> {
    let base = base(ecosystem);
    TYPES.iter().chain(DISTRIBUTIONS).find(|(_, known, _)| *known == base).map(|(.., scheme)| *scheme)
}

/// `Debian` of `Debian:12`.
pub fn base(ecosystem: &str) -> &str {
    ecosystem.split(':').next().unwrap_or(ecosystem)
}

/// The spelling under which names are filed.
pub(crate) fn normal(ecosystem: &str, name: &str) -> String {
    match base(ecosystem) {
        "PyPI" => {
            let mut out = String::with_capacity(name.len());
            for c in name.chars().flat_map(char::to_lowercase) {
                let c = if matches!(c, '_' | '.') { '-' } else { c };
                if c != '-' || !out.ends_with('-') {
                    out.push(c);
                }
            }
            out
        }
        "NuGet" | "Packagist" | "GitHub Actions" => name.to_lowercase(),
        _ => name.to_owned(),
    }
}

/// # Errors
/// The ecosystem, or the distribution's release, cannot be told.
pub fn query(purl: &Purl) -> Result<Query, (Code, String)> {
    let qualifier = |name: &str| purl.qualifiers().get(name).map(String::as_str);
    let joined = |separator: &str| match purl.namespace() {
        Some(namespace) => format!("{namespace}{separator}{}", purl.name()),
        None => purl.name().to_owned(),
    };
    let version = purl.version().map(str::to_owned);
    let kind = purl.kind();
    if matches!(kind, "deb" | "apk" | "rpm") {
        let namespace = purl.namespace().unwrap_or_default();
        let Some((_, ecosystem, _)) = DISTRIBUTIONS.iter().find(|(known, ..)| *known == namespace) else {
            return Err((Code::AdvisoryNoData, format!("no advisories are read for `{namespace}`")));
        };
        let release = release(ecosystem, qualifier("distro").unwrap_or_default());
        let release = release.ok_or_else(|| {
            (
                Code::DistributionUnknown,
                format!("{purl} does not name its release: `distro` is missing or unknown"),
            )
        })?;
        // Distributions file advisories under the source package; `upstream` names it where it differs.
        let (name, version) =
            match qualifier("upstream").map(|upstream| upstream.split_once('@').unwrap_or((upstream, ""))) {
                Some((name, "")) => (name.to_owned(), version),
                Some((name, of_source)) => (name.to_owned(), Some(of_source.to_owned())),
                None => (purl.name().to_owned(), version),
            };
        let version = match (kind, qualifier("epoch")) {
            ("rpm", Some(epoch)) => version.map(|version| format!("{epoch}:{version}")),
            _ => version,
        };
        return Ok(Query { ecosystem: format!("{ecosystem}{release}"), name, version });
    }
    let kind = if kind == "github" { "githubactions" } else { kind };
    let Some((_, ecosystem, _)) = TYPES.iter().find(|(known, ..)| *known == kind) else {
        return Err((Code::AdvisoryNoData, format!("no advisories are read for purls of type `{kind}`")));
    };
    // `v4` is whatever was released last below 5: taken for 4.0.0 it would be called clean of what came later.
    let moves = |version: &String| {
        let mut numbers = version.trim_start_matches('v').split('.');
        numbers.clone().count() < 3 && numbers.all(|part| part.parse::<u32>().is_ok())
    };
    let version = match version {
        Some(version) if kind == "githubactions" && moves(&version) => {
            Some(format!("{version} (a tag that moves)"))
        }
        other => other,
    };
    let name = match kind {
        "maven" => joined(":"),
        _ => joined("/"),
    };
    Ok(Query { ecosystem: (*ecosystem).to_owned(), name: normal(ecosystem, &name), version })
}

/// How the purls of a package begin: without version, and without name where a distribution files under source packages.
pub fn purls(ecosystem: &str, name: &str) -> Option<String> {
    let base = base(ecosystem);
    if let Some((namespace, _, scheme)) = DISTRIBUTIONS.iter().find(|(_, known, _)| *known == base) {
        let kind = match scheme {
            Scheme::Debian => "deb",
            Scheme::Alpine => "apk",
            _ => "rpm",
        };
        return Some(format!("pkg:{kind}/{namespace}/"));
    }
    let (kind, ..) = TYPES.iter().find(|(_, known, _)| *known == base)?;
    let name = if *kind == "maven" { name.replacen(':', "/", 1) } else { name.to_owned() };
    Some(Purl::new(kind, &name, None).ok()?.to_string())
}

/// The release as the ecosystem's suffix: `:12` of `debian-12`, `:v3.18` of `alpine-3.18.4`.
fn release(ecosystem: &str, distro: &str) -> Option<String> {
    let number = distro.rsplit_once('-').map_or(distro, |(_, number)| number);
    let parts: Vec<&str> = number.split('.').collect();
    let numeric = |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    match (ecosystem, parts.as_slice()) {
        ("Wolfi" | "Chainguard", _) => Some(String::new()),
        ("Alpine", [major, minor, ..]) if numeric(major) && numeric(minor) => {
            Some(format!(":v{major}.{minor}"))
        }
        ("Ubuntu", [year, month, ..]) if numeric(year) && numeric(month) => {
            let even = year.parse::<u32>().is_ok_and(|year| year % 2 == 0);
            Some(format!(":{year}.{month}{}", if even && *month == "04" { ":LTS" } else { "" }))
        }
        ("Debian" | "Rocky Linux" | "AlmaLinux" | "Mageia", [major, ..]) if numeric(major) => {
            Some(format!(":{major}"))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn purls_lead_to_ecosystems() {
        for (purl, ecosystem, name, version) in [
            ("pkg:npm/%40angular/cli@1.0.0", "npm", "@angular/cli", "1.0.0"),
            ("pkg:pypi/Django_x@1", "PyPI", "django-x", "1"),
            ("pkg:maven/org.x/y@1", "Maven", "org.x:y", "1"),
            ("pkg:golang/example.com/a/b@v1.2.3", "Go", "example.com/a/b", "v1.2.3"),
            (
                "pkg:deb/debian/libssl3@3.0.1?distro=debian-12&upstream=openssl%403.0",
                "Debian:12",
                "openssl",
                "3.0",
            ),
            ("pkg:deb/ubuntu/bash@5?distro=ubuntu-22.04", "Ubuntu:22.04:LTS", "bash", "5"),
            ("pkg:deb/ubuntu/bash@5?distro=ubuntu-23.10", "Ubuntu:23.10", "bash", "5"),
            ("pkg:apk/alpine/musl@1.2-r0?distro=alpine-3.18.4", "Alpine:v3.18", "musl", "1.2-r0"),
            ("pkg:rpm/rocky/bash@5-1?epoch=2&distro=rocky-9.3", "Rocky Linux:9", "bash", "2:5-1"),
            ("pkg:github/actions/Checkout@v4.2.2", "GitHub Actions", "actions/checkout", "v4.2.2"),
            ("pkg:github/a/b@v4#folder", "GitHub Actions", "a/b", "v4 (a tag that moves)"),
        ] {
            let found = query(&purl.parse().unwrap()).unwrap();
            assert_eq!(
                (found.ecosystem.as_str(), found.name.as_str(), found.version.as_deref()),
                (ecosystem, name, Some(version))
            );
            assert!(scheme(&found.ecosystem).is_some(), "{ecosystem}");
        }
    }

    #[test]
    fn what_cannot_be_told_is_said() {
        for (purl, code) in [
            ("pkg:deb/debian/bash@5", Code::DistributionUnknown),
            ("pkg:apk/alpine/musl@1?distro=edge", Code::DistributionUnknown),
            ("pkg:rpm/fedora/bash@5?distro=fedora-39", Code::AdvisoryNoData),
            ("pkg:generic/thing@1", Code::AdvisoryNoData),
        ] {
            assert_eq!(query(&purl.parse().unwrap()).map_err(|(code, _)| code), Err(code), "{purl}");
        }
    }
}
