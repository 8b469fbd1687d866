//! A tag is whatever its owner, or who took the owner's account, pushes next; a digest is one image for ever.

use linkward_evidence::dockerfile;
use linkward_model::Code;

use crate::{Kind, Look, Report, Rule, Weight};

pub(crate) const RULE: Rule = Rule {
    code: Code::UnpinnedImage,
    weight: Weight::Low,
    looks: &[Look::Of(&[Kind::Dockerfile], stages), Look::Of(&[Kind::Pipeline, Kind::Kubernetes], images)],
};

fn stages(text: &str, report: &mut Report<'_>) {
    for used in dockerfile::read(text).images() {
        if used.open.is_none() && !is_pinned(&used.image) {
            let image = &used.image;
            report.add(used.line, format!("`{image}` can be moved to other content; pin it to a digest"));
        }
    }
}

fn images(text: &str, report: &mut Report<'_>) {
    for (index, line) in text.lines().enumerate() {
        let line = line.trim().trim_start_matches("- ").replace(['"', '\''], "");
        let value = ["image:", "container:"].iter().find_map(|key| line.strip_prefix(key)).map(str::trim);
        let value = value.map(|value| value.split(" #").next().unwrap_or(value).trim_end_matches(','));
        let plain =
            value.filter(|value| !value.is_empty() && !value.starts_with(['{', '[', '&', '*', '|', '>']));
        if let Some(image) = plain.filter(|image| !is_pinned(image) && !image.contains(' ')) {
            report.add(index + 1, format!("`{image}` can be moved to other content; pin it to a digest"));
        }
    }
}

/// By digest, or by a variable that says nothing here.
fn is_pinned(image: &str) -> bool {
    let digest = image.split_once("@sha256:").map(|(_, hex)| hex);
    digest.is_some_and(|hex| hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit()))
        || image.contains('$')
}
