//! .terraform.lock.hcl: the providers that are chosen. `zh:` hashes are SHA-256 of archives, `h1:` ones are of lists of files.

use linkward_evidence::Fault;
use linkward_evidence::hcl::{self, Value};
use linkward_model::{Algorithm, Code, Digest};

use super::provider;
use crate::{Format, Lock, Package, name};

pub(super) const FORMAT: Format =
    Format { kind: ".terraform.lock.hcl", named: |path| name(path) == ".terraform.lock.hcl", read };

fn read(text: &str) -> Result<Lock, Fault> {
    let mut lock = Lock::default();
    let root = hcl::read(text, Code::LockfileMalformed)?;
    for block in &root.blocks {
        let wrong =
            |what: &str| Fault::new(Code::LockfileMalformed, format!("line {}", block.line), what.to_owned());
        let ("provider", [address]) = (block.kind.as_str(), block.labels.as_slice()) else {
            return Err(wrong("is no provider with its address"));
        };
        let version = block.text("version").ok_or_else(|| wrong("is a provider without a version"))?;
        let mut digests = Vec::new();
        if let Some(Value::List(hashes)) = block.attributes.get("hashes") {
            for hex in hashes.iter().filter_map(Value::text).filter_map(|hash| hash.strip_prefix("zh:")) {
                digests.push(
                    Digest::from_hex(Algorithm::Sha256, hex).map_err(|error| wrong(&error.to_string()))?,
                );
            }
        }
        lock.packages.push(Package { digests, ..provider(address, version)? });
    }
    if lock.packages.is_empty() {
        lock.gaps.push("lists no provider".to_owned());
    }
    Ok(lock)
}
