//! GitHub Actions: the actions, called workflows and images that workflows and composite actions use. They run with the
//! project's secrets, and stand in no lockfile.

use linkward_evidence::Fault;
use linkward_evidence::workflow::{self, Workflow};
use linkward_model::{Code, Parts, Purl};
use serde_json::Value;

use crate::base_image::image;
use crate::{Format, Lock, Package};

pub(crate) const FORMAT: Format = Format { kind: "GitHub Actions", named: workflow::is_workflow, read };

fn read(text: &str) -> Result<Lock, Fault> {
    let workflow = Workflow::read(text)?;
    let mut lock = Lock::default();
    for step in workflow.steps() {
        let Some(uses) = step.uses.map(str::trim) else { continue };
        let place = format!("line {}", step.line);
        // What lies in the same checkout is read anyway.
        if uses.starts_with("./") {
            continue;
        }
        match uses.strip_prefix("docker://") {
            Some(name) => image(name, &place, &mut lock)?,
            None => action(uses, &place, &mut lock)?,
        }
    }
    for name in images(&workflow) {
        if name.contains("${{") {
            lock.hide(format!("`{name}` is known at the run alone: which image it names is not said"));
        } else {
            image(name, "an image", &mut lock)?;
        }
    }
    Ok(lock)
}

/// `OWNER/REPOSITORY[/FOLDER]@REFERENCE`.
fn action(uses: &str, place: &str, lock: &mut Lock) -> Result<(), Fault> {
    let wrong = || {
        let shown: String = uses.chars().take(80).collect();
        Fault::new(Code::LockfileMalformed, place, format!("`{shown}` is no action: OWNER/NAME@REFERENCE"))
    };
    let (path, reference) =
        uses.split_once('@').filter(|(_, reference)| !reference.is_empty()).ok_or_else(wrong)?;
    let mut parts = path.splitn(3, '/');
    let (Some(owner), Some(name), folder) = (parts.next(), parts.next(), parts.next()) else {
        return Err(wrong());
    };
    let purl = Purl::from_parts(&Parts {
        kind: "github",
        namespace: Some(owner),
        name,
        version: Some(reference),
        qualifiers: &[],
        subpath: folder,
    });
    let purl = purl.map_err(|_| wrong())?;
    if !workflow::is_commit(reference) {
        lock.gaps
            .push(format!("{place}: `{uses}` is named by a tag or branch: which commit it was is not said"));
    }
    lock.packages.push(Package::of(purl, format!("{owner}/{name}"), Some(reference.to_owned())));
    Ok(())
}

/// Images that jobs run in, that run beside them, and that an action is.
fn images<'a>(workflow: &'a Workflow<'_>) -> Vec<&'a str> {
    let image = |value: &'a Value| value.as_str().or_else(|| value.get("image")?.as_str());
    let mut found = Vec::new();
    for (_, job) in workflow.jobs() {
        found.extend(job.get("container").and_then(image));
        let services = job.get("services").and_then(Value::as_object);
        found.extend(services.into_iter().flatten().filter_map(|(_, service)| image(service)));
    }
    let of_action = workflow.document.pointer("/runs/image").and_then(Value::as_str);
    // A Dockerfile beside it is read by itself.
    found.extend(of_action.and_then(|image| image.strip_prefix("docker://")));
    found.retain(|image| !image.is_empty());
    found
}
