//! Dockerfiles: the images that a build starts from, copies from and mounts, and the one that reads the file itself.

use linkward_evidence::Fault;
use linkward_evidence::dockerfile;
use linkward_evidence::image_name::ImageName;
use linkward_model::Code;

use crate::{Format, Lock, Package};

pub(crate) const FORMAT: Format = Format { kind: "Dockerfile", named: dockerfile::is_dockerfile, read };

fn read(text: &str) -> Result<Lock, Fault> {
    let file = dockerfile::read(text);
    if let Some((line, what)) = file.faults.first() {
        return Err(Fault::new(Code::LockfileMalformed, format!("line {line}"), what.clone()));
    }
    if !file.instructions.iter().any(|instruction| instruction.name == "FROM") {
        return Err(Fault::new(Code::LockfileMalformed, "$", "starts from nothing: it has no `FROM`"));
    }
    let mut lock = Lock::default();
    for used in file.images() {
        let place = format!("line {}", used.line);
        match &used.open {
            Some(variable) => lock.hide(format!(
                "{place}: `{variable}` has no default: which image it names is given at the build"
            )),
            None => image(&used.image, &place, &mut lock)?,
        }
    }
    if lock.packages.is_empty() && lock.gaps.is_empty() {
        lock.gaps.push("takes nothing from another image".to_owned());
    }
    Ok(lock)
}

/// An image as a component: by its digest, or by a tag, which says what was meant and not what it was.
pub(crate) fn image(text: &str, place: &str, lock: &mut Lock) -> Result<(), Fault> {
    let name = ImageName::parse(text);
    let found = name.as_ref().and_then(|name| Some((name, name.purl()?)));
    let Some((name, purl)) = found else {
        let shown: String = text.chars().take(80).collect();
        return Err(Fault::new(Code::LockfileMalformed, place, format!("`{shown}` is no name of an image")));
    };
    if name.digest.is_none() {
        lock.gaps.push(format!("{place}: `{text}` is named by a tag: which image it was is not said"));
    }
    let version = name.digest.map(|digest| digest.to_string()).or_else(|| name.tag.clone());
    let digests = name.digest.into_iter().collect();
    lock.packages.push(Package { digests, ..Package::of(purl, name.repository(), version) });
    Ok(())
}
