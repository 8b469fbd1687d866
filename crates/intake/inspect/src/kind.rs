//! What kind of file this is, by its path and, where that does not tell, by its text.

use linkward_evidence::dockerfile::is_dockerfile;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// GitHub Actions.
    Workflow,
    /// GitLab CI, Jenkins, Azure Pipelines, CircleCI.
    Pipeline,
    Dockerfile,
    Terraform,
    Kubernetes,
    CloudFormation,
    /// Source code of a language that packages are written in.
    Source,
}

pub(crate) fn by_name(path: &str) -> Option<Kind> {
    let name = path.rsplit('/').next().unwrap_or(path);
    let lower = name.to_ascii_lowercase();
    let yaml = lower.ends_with(".yml") || lower.ends_with(".yaml");
    if lower.ends_with(".gitlab-ci.yml")
        || (path.contains(".gitlab/ci/") && yaml)
        || (path.starts_with(".circleci/") || path.contains("/.circleci/")) && yaml
        || lower.starts_with("azure-pipelines") && yaml
        || lower == "jenkinsfile"
        || lower.starts_with("jenkinsfile.")
        || lower.ends_with(".jenkinsfile")
    {
        return Some(Kind::Pipeline);
    }
    if is_dockerfile(path) {
        return Some(Kind::Dockerfile);
    }
    if lower.ends_with(".tf") {
        return Some(Kind::Terraform);
    }
    let source = [".js", ".mjs", ".cjs", ".ts", ".jsx", ".tsx", ".py", ".rb", ".php", ".lua", ".ps1", ".pth"];
    source.iter().any(|end| lower.ends_with(end)).then_some(Kind::Source)
}

pub(crate) fn of(path: &str, text: &str) -> Option<Kind> {
    if let Some(kind) = by_name(path) {
        return Some(kind);
    }
    let lower = path.to_ascii_lowercase();
    if ![".yml", ".yaml", ".json", ".template"].iter().any(|end| lower.ends_with(end)) {
        return None;
    }
    let has = |key: &str| text.contains(&format!("{key}:")) || text.contains(&format!("\"{key}\""));
    if text.contains("AWSTemplateFormatVersion") || text.contains("AWS::") && has("Resources") {
        Some(Kind::CloudFormation)
    } else if has("apiVersion") && has("kind") {
        Some(Kind::Kubernetes)
    } else {
        None
    }
}

/// Files in which people keep what they should not.
pub(crate) fn may_hold_secrets(path: &str) -> bool {
    const NAMES: &[&str] =
        &[".env", ".npmrc", ".pypirc", ".netrc", ".git-credentials", "id_rsa", "id_ed25519", "credentials"];
    const ENDS: &[&str] = &[
        ".pem",
        ".env",
        ".properties",
        ".ini",
        ".cfg",
        ".conf",
        ".xml",
        ".gradle",
        ".tfvars",
        ".ipynb",
        ".txt",
        ".log",
        ".cjs",
        ".pth",
    ];
    let name = path.rsplit('/').next().unwrap_or(path);
    NAMES.contains(&name) || name.starts_with(".env.") || ENDS.iter().any(|end| name.ends_with(end))
}
