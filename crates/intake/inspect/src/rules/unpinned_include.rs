//! Configuration that is included from elsewhere runs with this project's secrets: whoever can move the branch, tag or version
//! that it is named by runs code here.

use linkward_evidence::hcl::Block;
use linkward_evidence::workflow;
use linkward_model::Code;

use crate::{Kind, Look, Report, Rule, Weight};

pub(crate) const RULE: Rule = Rule {
    code: Code::UnpinnedInclude,
    weight: Weight::Medium,
    looks: &[Look::Of(&[Kind::Pipeline], pipeline), Look::Terraform(modules)],
};

fn pipeline(text: &str, report: &mut Report<'_>) {
    let lines: Vec<&str> = text.lines().collect();
    let mut orbs = None;
    for (index, raw) in lines.iter().enumerate() {
        let indent = raw.len() - raw.trim_start().len();
        let line = raw.trim().trim_start_matches("- ").replace(['"', '\''], "");
        if line.starts_with('#') || line.is_empty() {
            continue;
        }
        // GitLab: a file of any server.
        if let Some(url) = line.strip_prefix("remote:").map(str::trim) {
            let around = lines.get(index..lines.len().min(index + 4)).unwrap_or_default();
            if url.starts_with("http") && !around.iter().any(|line| line.trim().starts_with("integrity:")) {
                report.add(index + 1, format!("includes `{url}` without `integrity`"));
            }
        }
        // GitLab: a file of another project, at a branch or tag.
        if line.starts_with("project:") && text.contains("include:") {
            let from = index.saturating_sub(2);
            let around = lines.get(from..lines.len().min(index + 4)).unwrap_or_default();
            let reference = around
                .iter()
                .find_map(|line| line.trim().trim_start_matches("- ").strip_prefix("ref:"))
                .map(|value| value.trim().trim_matches(['"', '\'']));
            if !reference.is_some_and(is_commit) {
                let what = reference.unwrap_or("its default branch");
                report.add(
                    index + 1,
                    format!("includes a file of another project at `{what}`; name a full commit"),
                );
            }
        }
        // CircleCI: orbs by a version that moves.
        match orbs {
            Some(at) if indent > at => {
                if let Some((_, version)) = line.split_once('@').filter(|(before, _)| before.contains('/')) {
                    let whole = version
                        .split('.')
                        .filter(|part| part.bytes().all(|byte| byte.is_ascii_digit()))
                        .count()
                        == 3;
                    if !whole {
                        report.add(
                            index + 1,
                            format!("the orb `{line}` is of a version that moves; name all three numbers"),
                        );
                    }
                }
            }
            Some(_) => orbs = None,
            None => {}
        }
        if line == "orbs:" {
            orbs = Some(indent);
        }
        // Jenkins: a shared library.
        if let Some(rest) = line.strip_prefix("@Library(") {
            let name = rest.split(')').next().unwrap_or(rest).trim_matches(['[', ']']);
            if !name.split_once('@').is_some_and(|(_, version)| is_commit(version)) {
                report.add(index + 1, format!("the library `{name}` is not named by a full commit"));
            }
        }
    }
}

fn modules(root: &Block, report: &mut Report<'_>) {
    for block in root.of("module") {
        let source = block.text("source").unwrap_or_default();
        // A version is exact without an operator.
        let version = block.text("version").is_some_and(|value| !value.contains(['>', '<', '~', '*', '!']));
        let local = source.starts_with("./") || source.starts_with("../");
        let commit = source.split_once("ref=").is_some_and(|(_, reference)| is_commit(reference));
        let git = source.contains("git::") || source.contains("://") || source.starts_with("github.com/");
        if !source.is_empty() && !local && !(if git { commit } else { version }) {
            let what = format!("the module `{source}` is not pinned; name an exact version or a full commit");
            report.add(block.line, what);
        }
    }
}

fn is_commit(text: &str) -> bool {
    workflow::is_commit(text.split(['&', '"', '\'']).next().unwrap_or(text))
}
