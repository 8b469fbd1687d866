//! .terraform.lock.hcl: the providers that are chosen. `zh:` hashes are SHA-256 of archives, `h1:` ones are of lists of files.

use linkward_evidence::Fault;
use linkward_model::{Algorithm, Code, Digest};

use crate::{Format, Lock, Package, purl};

pub(crate) const FORMAT: Format =
    Format { kind: ".terraform.lock.hcl", named: |name| name == ".terraform.lock.hcl", read };

fn read(text: &str) -> Result<Lock, Fault> {
    let mut lock = Lock::default();
    let mut open: Option<(String, Option<String>, Vec<Digest>)> = None;
    for (index, line) in text.lines().enumerate() {
        let wrong =
            |what: &str| Fault::new(Code::LockfileMalformed, format!("line {}", index + 1), what.to_owned());
        let line = line.trim();
        if let Some(rest) = line.strip_prefix("provider ") {
            let name = rest.trim_end_matches('{').trim().trim_matches('"');
            if open.is_some() || name.is_empty() {
                return Err(wrong("opens a provider within another, or without a name"));
            }
            open = Some((name.to_owned(), None, Vec::new()));
        } else if let Some((_, version, digests)) = &mut open {
            if let Some(value) =
                line.strip_prefix("version").and_then(|rest| rest.trim_start().strip_prefix('='))
            {
                *version = Some(value.trim().trim_matches('"').to_owned());
            } else if let Some(hash) = line.strip_prefix("\"zh:") {
                let hex = hash.trim_end_matches(',').trim_end_matches('"');
                digests.push(
                    Digest::from_hex(Algorithm::Sha256, hex).map_err(|error| wrong(&error.to_string()))?,
                );
            }
        } else if !line.is_empty() && !line.starts_with('#') && !line.starts_with("//") && line != "}" {
            return Err(wrong("stands outside any provider"));
        }
        if line == "}" {
            let Some((name, version, digests)) = open.take() else { return Err(wrong("closes nothing")) };
            let version = version.ok_or_else(|| wrong("closes a provider without a version"))?;
            // The first part is the registry's host.
            let path = name.split_once('/').map_or(name.as_str(), |(_, path)| path);
            lock.packages.push(Package {
                purl: purl("terraform", path, Some(&version))?,
                name,
                version: Some(version),
                digests,
                scope: None,
                needs: Vec::new(),
                own: false,
            });
        }
    }
    if open.is_some() {
        return Err(Fault::new(Code::LockfileMalformed, "$", "ends within a provider"));
    }
    if lock.packages.is_empty() {
        lock.gaps.push("lists no provider".to_owned());
    }
    Ok(lock)
}
