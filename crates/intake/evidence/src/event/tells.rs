//! What each source can tell: which actions, and with which fields. A rule that needs more than any source that was heard
//! can tell is blind, however much is heard; a test holds every sample against this table.

use super::Action;

/// An action and the fields that come with it, where the source's document says them.
pub type Tell = (Action, &'static [&'static str]);

const PUSH: &[&str] =
    &["actor", "actor_kind", "repository", "ref", "before", "after", "commit", "forced", "protected"];
const RUN: &[&str] = &[
    "actor",
    "actor_kind",
    "repository",
    "run",
    "commit",
    "workflow",
    "conclusion",
    "started",
    "ref",
    "trust",
    "names",
];
const WHO: &[&str] = &["actor", "actor_kind", "repository", "subject", "key", "ref", "call"];
const AUDIT: &[&str] = &[
    "actor",
    "token",
    "network",
    "region",
    "agent",
    "repository",
    "actor_kind",
    "runner",
    "ref",
    "subject",
    "call",
];
const CLOUD: &[&str] =
    &["call", "role", "actor", "token", "network", "region", "agent", "conclusion", "repository", "subject"];
const IMAGE: &[&str] = &["repository", "package", "version", "ref", "digest", "actor", "agent", "network"];

const GITHUB: &[Tell] = &[
    (Action::RefUpdated, PUSH),
    (Action::RefCreated, PUSH),
    (Action::RefDeleted, PUSH),
    (
        Action::WorkflowChanged,
        &[
            "actor",
            "actor_kind",
            "repository",
            "ref",
            "before",
            "after",
            "commit",
            "forced",
            "protected",
            "workflow",
        ],
    ),
    (Action::RunStarted, RUN),
    (Action::RunFinished, RUN),
    (
        Action::StepFinished,
        &[
            "actor",
            "actor_kind",
            "repository",
            "run",
            "commit",
            "step",
            "conclusion",
            "started",
            "runner",
            "workflow",
            "names",
        ],
    ),
    (Action::Published, &["actor", "actor_kind", "repository", "package", "version", "digest", "commit"]),
    (Action::ProtectionChanged, WHO),
    (Action::MemberChanged, WHO),
    (Action::VisibilityChanged, WHO),
    (Action::SecretLeaked, WHO),
    (Action::IssueDeleted, WHO),
];
const GITHUB_AUDIT: &[Tell] = &[
    (Action::VisibilityChanged, AUDIT),
    (Action::IssueDeleted, AUDIT),
    (Action::MemberChanged, AUDIT),
    (Action::ProtectionChanged, AUDIT),
    (Action::RunnerRegistered, AUDIT),
];
const GITLAB: &[Tell] = &[
    (
        Action::RefUpdated,
        &["actor", "repository", "network", "ref", "before", "after", "commit", "protected"],
    ),
    (
        Action::RefCreated,
        &["actor", "repository", "network", "ref", "before", "after", "commit", "protected"],
    ),
    (
        Action::RefDeleted,
        &["actor", "repository", "network", "ref", "before", "after", "commit", "protected"],
    ),
    (
        Action::RunStarted,
        &["actor", "repository", "run", "commit", "conclusion", "started", "names", "trust"],
    ),
    (
        Action::RunFinished,
        &["actor", "repository", "run", "commit", "conclusion", "started", "names", "trust"],
    ),
    (Action::StepFinished, &["actor", "repository", "run", "commit", "step", "conclusion", "runner"]),
    (Action::ProtectionChanged, &["actor", "repository", "network", "call", "subject"]),
    (Action::MemberChanged, &["actor", "repository", "network", "subject"]),
    (Action::VisibilityChanged, &["actor", "repository", "network", "subject"]),
    (Action::RunnerRegistered, &["actor", "repository", "network", "subject"]),
];
const CI: &[Tell] = &[
    (Action::RunStarted, &["run", "workflow", "repository", "commit", "ref", "conclusion", "names"]),
    (Action::RunFinished, &["run", "workflow", "repository", "commit", "ref", "conclusion", "names"]),
    (Action::StepFinished, &["step", "run", "repository", "commit", "started", "conclusion"]),
    (Action::Built, &["step", "run", "repository", "commit", "started", "conclusion", "digest", "subject"]),
];
const CI_LOG: &[Tell] = &[
    (Action::SecretLeaked, &["run", "repository", "step", "commit", "subject", "token"]),
    (Action::BuildResolved, &["run", "repository", "step", "commit", "names", "expected"]),
];
const NPM: &[Tell] = &[
    (
        Action::Published,
        &[
            "package",
            "version",
            "actor",
            "commit",
            "digest",
            "install_script",
            "assurance",
            "repository",
            "names",
        ],
    ),
    (Action::Unpublished, &["package"]),
];
const PYPI: &[Tell] = &[
    (Action::Published, &["package", "version", "digest", "subject", "assurance"]),
    (Action::Unpublished, &["package", "version", "digest", "subject", "assurance"]),
];
const OCI: &[Tell] = &[(Action::Published, IMAGE), (Action::Pulled, IMAGE), (Action::Unpublished, IMAGE)];
const KUBERNETES: &[Tell] =
    &[(Action::ClusterCalled, &["actor", "network", "agent", "call", "subject", "conclusion", "names"])];
const CALLS: &[Tell] = &[(Action::CloudCalled, CLOUD), (Action::SessionStarted, CLOUD)];
const OKTA: &[Tell] = &[
    (
        Action::SessionStarted,
        &["call", "actor", "network", "region", "agent", "asn", "conclusion", "subject"],
    ),
    (Action::VendorCalled, &["call", "actor", "network", "region", "agent", "asn", "conclusion", "subject"]),
];
const CDEVENT: &[&str] =
    &["actor", "subject", "conclusion", "run", "commit", "repository", "package", "version", "digest", "key"];
const CLOUDEVENTS: &[Tell] = &[
    (Action::RunStarted, CDEVENT),
    (Action::RunFinished, CDEVENT),
    (Action::StepFinished, CDEVENT),
    (Action::Built, CDEVENT),
    (Action::Signed, CDEVENT),
    (Action::Published, CDEVENT),
    (Action::Pulled, CDEVENT),
    (Action::Unpublished, CDEVENT),
    (Action::RefCreated, CDEVENT),
    (Action::RefDeleted, CDEVENT),
];
/// What the watcher of a repository says; it speaks in our own shape.
const GIT: &[Tell] = &[
    (Action::RefUpdated, &["repository", "ref", "before", "after", "commit", "descends", "reachable"]),
    (Action::RefCreated, &["repository", "ref", "after", "commit", "reachable"]),
    (Action::RefDeleted, &["repository", "ref", "before"]),
    (Action::CommitSeen, &["repository", "ref", "commit", "signature", "key", "actor"]),
];

/// By source, what it can tell. Our own shape tells whatever its writer says, and is judged by what was heard.
pub const TELLS: &[(&str, &[Tell])] = &[
    ("github", GITHUB),
    ("github-audit", GITHUB_AUDIT),
    ("gitlab", GITLAB),
    ("ci", CI),
    ("ci-log", CI_LOG),
    ("npm", NPM),
    ("pypi", PYPI),
    ("oci", OCI),
    ("kubernetes", KUBERNETES),
    ("cloudtrail", CALLS),
    ("gcp-audit", CALLS),
    ("azure-audit", CALLS),
    ("okta", OKTA),
    ("cloudevents", CLOUDEVENTS),
    ("git", GIT),
];

/// Whether a source can tell this action with these fields.
pub fn can_tell(feed: &str, action: &Action, fields: &[&str]) -> bool {
    let known = TELLS.iter().filter(|(name, _)| *name == feed).flat_map(|(_, tells)| *tells);
    known.into_iter().any(|(known, with)| known == action && fields.iter().all(|field| with.contains(field)))
}
