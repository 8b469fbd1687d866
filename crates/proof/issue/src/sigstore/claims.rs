//! From a token's claims to the certificate's name and extensions, by kind of issuer
//! (fulcio: docs/certificate-specification.md, docs/oidc.md).

use std::fmt;
use std::str::FromStr;

use linkward_model::Code;
use serde_json::Value;

use super::Refused;
use super::leaf::Name;
use super::token::Token;

/// Whose claims these are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    GitHub,
    GitLab,
    Kubernetes,
    Buildkite,
    /// A verified e-mail address, else a subject that is a URI, else a user name.
    Generic,
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Ok(match text {
            "github" => Self::GitHub,
            "gitlab" => Self::GitLab,
            "kubernetes" => Self::Kubernetes,
            "buildkite" => Self::Buildkite,
            "generic" => Self::Generic,
            other => {
                return Err(format!("`{other}` is none of github, gitlab, kubernetes, buildkite, generic"));
            }
        })
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::GitHub => "github",
            Self::GitLab => "gitlab",
            Self::Kubernetes => "kubernetes",
            Self::Buildkite => "buildkite",
            Self::Generic => "generic",
        })
    }
}

/// An extension's number, and its text: `{claim}` stands for the claim.
type Template = (u8, &'static str);

const GITHUB: &[Template] = &[
    (2, "{event_name}"),
    (3, "{sha}"),
    (4, "{workflow}"),
    (5, "{repository}"),
    (6, "{ref}"),
    (9, "https://github.com/{job_workflow_ref}"),
    (10, "{job_workflow_sha}"),
    (11, "{runner_environment}"),
    (12, "https://github.com/{repository}"),
    (13, "{sha}"),
    (14, "{ref}"),
    (15, "{repository_id}"),
    (16, "https://github.com/{repository_owner}"),
    (17, "{repository_owner_id}"),
    (18, "https://github.com/{workflow_ref}"),
    (19, "{workflow_sha}"),
    (20, "{event_name}"),
    (21, "https://github.com/{repository}/actions/runs/{run_id}/attempts/{run_attempt}"),
    (22, "{repository_visibility}"),
];

const GITLAB: &[Template] = &[
    (9, "https://{ci_config_ref_uri}"),
    (10, "{ci_config_sha}"),
    (11, "{runner_environment}"),
    (12, "{iss}/{project_path}"),
    (13, "{sha}"),
    (15, "{project_id}"),
    (16, "{iss}/{namespace_path}"),
    (17, "{namespace_id}"),
    (18, "https://{ci_config_ref_uri}"),
    (19, "{ci_config_sha}"),
    (20, "{pipeline_source}"),
    (21, "{iss}/{project_path}/-/jobs/{job_id}"),
    (22, "{project_visibility}"),
];

const BUILDKITE: &[Template] = &[
    (13, "{build_commit}"),
    (20, "{build_source}"),
    (21, "https://buildkite.com/{organization_slug}/{pipeline_slug}/builds/{build_number}#{job_id}"),
];

/// Whom a token speaks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    pub name: Name,
    /// Fulcio's extensions, ascending.
    pub claims: Vec<(u8, String)>,
    /// What a client may have signed to show that it holds its key.
    pub challenges: Vec<String>,
}

/// # Errors
/// The token lacks a claim that its kind of issuer gives.
pub fn subject(kind: Kind, issuer: &str, token: &Token) -> Result<Subject, Refused> {
    let (name, templates): (Name, &[Template]) = match kind {
        Kind::GitHub => (uri("https://github.com/{job_workflow_ref}", token)?, GITHUB),
        Kind::GitLab => (uri("https://{ci_config_ref_uri}", token)?, GITLAB),
        Kind::Buildkite => {
            (uri("https://buildkite.com/{organization_slug}/{pipeline_slug}", token)?, BUILDKITE)
        }
        Kind::Kubernetes => (kubernetes(token)?, &[]),
        Kind::Generic => (generic(issuer, token)?, &[]),
    };
    // The older extension holds the bare text, the newer one a UTF8String; verifiers want either.
    let mut claims = vec![(1, issuer.to_owned()), (8, issuer.to_owned())];
    // A claim that the issuer does not give is left out: an empty extension would look like an answer.
    claims.extend(templates.iter().filter_map(|(number, text)| Some((*number, fill(text, token)?))));
    if kind == Kind::GitLab {
        let refs = match token.text("ref_type") {
            Some("branch") => fill("refs/heads/{ref}", token),
            Some("tag") => fill("refs/tags/{ref}", token),
            _ => None,
        };
        claims.extend(refs.map(|text| (14, text)));
    }
    claims.sort();
    let email = token.text("email").filter(|_| matches!(name, Name::Email(_)));
    let challenges = token.text("sub").into_iter().chain(email).map(str::to_owned).collect();
    Ok(Subject { name, claims, challenges })
}

fn missing(claim: &str) -> Refused {
    Refused::new(
        Code::TokenClaims,
        format!("the token has no `{claim}`; is the issuer's kind the right one?"),
    )
}

fn uri(template: &str, token: &Token) -> Result<Name, Refused> {
    fill(template, token).map(Name::Uri).ok_or_else(|| missing(template))
}

fn kubernetes(token: &Token) -> Result<Name, Refused> {
    let claim = |path: &str| {
        let value = token.claims.pointer(path).and_then(Value::as_str);
        value.filter(|text| plain(text)).ok_or_else(|| missing(path))
    };
    let namespace = claim("/kubernetes.io/namespace")?;
    let account = claim("/kubernetes.io/serviceaccount/name")?;
    Ok(Name::Uri(format!("https://kubernetes.io/namespaces/{namespace}/serviceaccounts/{account}")))
}

fn generic(issuer: &str, token: &Token) -> Result<Name, Refused> {
    let verified = match token.claims.get("email_verified") {
        Some(Value::Bool(verified)) => *verified,
        Some(Value::String(text)) => text == "true",
        _ => false,
    };
    if let Some(email) = token.text("email") {
        // An address that its owner never confirmed is anybody's to claim.
        return if verified && email.contains('@') && email.is_ascii() && plain(email) {
            Ok(Name::Email(email.to_owned()))
        } else {
            Err(Refused::new(Code::TokenClaims, "the token's e-mail address is not verified by its issuer"))
        };
    }
    let subject = token.text("sub").filter(|text| plain(text)).ok_or_else(|| missing("sub"))?;
    if subject.contains("://") && subject.is_ascii() {
        return Ok(Name::Uri(subject.to_owned()));
    }
    let host = issuer.split("://").last().and_then(|rest| rest.split('/').next()).unwrap_or(issuer);
    Ok(Name::Username(format!("{subject}!{host}")))
}

/// Without control characters or spaces, and not empty.
fn plain(text: &str) -> bool {
    !text.is_empty() && !text.chars().any(|c| c.is_control() || c.is_whitespace())
}

/// The template with its claims; `None` where one is missing.
fn fill(template: &str, token: &Token) -> Option<String> {
    let mut out = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        let (name, after) = after.split_once('}')?;
        out.push_str(before);
        match token.claims.get(name)? {
            Value::String(text) if !text.is_empty() && !text.chars().any(char::is_control) => {
                out.push_str(text);
            }
            Value::Number(number) => out.push_str(&number.to_string()),
            _ => return None,
        }
        rest = after;
    }
    out.push_str(rest);
    Some(out)
}
