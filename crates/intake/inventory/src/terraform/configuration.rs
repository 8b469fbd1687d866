//! Files of Terraform's configuration: modules and required providers. What is asked for by a range is chosen elsewhere: in the
//! lock file, or in the list of installed modules.

use linkward_evidence::Fault;
use linkward_evidence::hcl::{self, Block, Value};
use linkward_model::Code;

use super::{exact, module, provider};
use crate::{Format, Lock, Open, name};

pub(super) const FORMAT: Format =
    Format { kind: "Terraform", named: |path| name(path).ends_with(".tf"), read };

fn read(text: &str) -> Result<Lock, Fault> {
    let mut lock = Lock::default();
    let root = hcl::read(text, Code::HclMalformed)?;
    for block in root.of("module") {
        asked(block, &mut lock)?;
    }
    for block in root.of("terraform").flat_map(|block| block.of("required_providers")) {
        for (short, value) in &block.attributes {
            required(short, value, block.line, &mut lock)?;
        }
    }
    Ok(lock)
}

fn asked(block: &Block, lock: &mut Lock) -> Result<(), Fault> {
    let place = format!("line {}", block.line);
    let called = block.labels.first().map_or("", String::as_str);
    let Some(source) = block.text("source") else {
        if block.attributes.contains_key("source") {
            lock.hide(format!("{place}: the source of module `{called}` is no plain text"));
            return Ok(());
        }
        return Err(Fault::new(Code::LockfileMalformed, place, format!("module `{called}` has no source")));
    };
    let version = block.text("version");
    match (version, version.and_then(exact)) {
        (Some(range), None) => {
            let what = format!("{place}: module `{source}` is asked for as `{range}`");
            lock.open.push(Open { what, settled_by: ".terraform/modules/modules.json" });
        }
        (_, version) => {
            let found = module(source, version, &place, lock)?;
            if let Some(package) = found
                .as_ref()
                .filter(|package| package.version.is_none() && package.purl.kind() == "terraform")
            {
                let what = format!("{place}: module `{}` is asked for in any version", package.name);
                lock.open.push(Open { what, settled_by: ".terraform/modules/modules.json" });
            }
            lock.packages.extend(found);
        }
    }
    Ok(())
}

/// `aws = { source = "hashicorp/aws", version = "~> 5.0" }`, or, before Terraform 0.13, the version alone.
fn required(short: &str, value: &Value, line: usize, lock: &mut Lock) -> Result<(), Fault> {
    let member = |name: &str| match value {
        Value::Object(members) => members.get(name).and_then(Value::text),
        _ => None,
    };
    let address = member("source").unwrap_or(short);
    let range = value.text().or_else(|| member("version")).unwrap_or("any version");
    match exact(range) {
        Some(version) => lock.packages.push(provider(address, version)?),
        None => {
            let what = format!("line {line}: provider `{address}` is asked for as `{range}`");
            lock.open.push(Open { what, settled_by: ".terraform.lock.hcl" });
        }
    }
    Ok(())
}
