//! Which CI system a step runs in, and what of it is recorded: variables on a list, by system. Nothing else of the
//! environment is looked at, so that no secret slips into a record.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// A system: how it is recognised, the address of a run, and what is recorded.
struct System {
    name: &'static str,
    /// A variable that the system sets, and its value where that matters.
    sign: (&'static str, Option<&'static str>),
    /// The address of the run: `{NAME}` stands for a variable.
    run: &'static str,
    recorded: &'static [&'static str],
}

const SYSTEMS: &[System] = &[
    System {
        name: "github-actions",
        sign: ("GITHUB_ACTIONS", Some("true")),
        run: "{GITHUB_SERVER_URL}/{GITHUB_REPOSITORY}/actions/runs/{GITHUB_RUN_ID}/attempts/{GITHUB_RUN_ATTEMPT}",
        recorded: &[
            "GITHUB_REPOSITORY",
            "GITHUB_REF",
            "GITHUB_SHA",
            "GITHUB_WORKFLOW_REF",
            "GITHUB_EVENT_NAME",
            "GITHUB_JOB",
            "RUNNER_ENVIRONMENT",
        ],
    },
    System {
        name: "gitlab-ci",
        sign: ("GITLAB_CI", Some("true")),
        run: "{CI_JOB_URL}",
        recorded: &[
            "CI_PROJECT_PATH",
            "CI_COMMIT_REF_NAME",
            "CI_COMMIT_SHA",
            "CI_CONFIG_PATH",
            "CI_PIPELINE_SOURCE",
            "CI_JOB_NAME",
            "CI_RUNNER_ID",
        ],
    },
    System {
        name: "jenkins",
        sign: ("JENKINS_URL", None),
        run: "{BUILD_URL}",
        recorded: &["JOB_NAME", "BUILD_NUMBER", "BRANCH_NAME", "GIT_COMMIT", "NODE_NAME"],
    },
    System {
        name: "buildkite",
        sign: ("BUILDKITE", Some("true")),
        run: "{BUILDKITE_BUILD_URL}#{BUILDKITE_JOB_ID}",
        recorded: &["BUILDKITE_PIPELINE_SLUG", "BUILDKITE_BRANCH", "BUILDKITE_COMMIT", "BUILDKITE_SOURCE"],
    },
];

/// Longest value that is recorded.
const MAX_VALUE: usize = 1024;

/// Where a step runs. Its words are the environment's: claimed, not proven.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ci {
    pub system: &'static str,
    /// The address of the run, where all its parts are known.
    pub run: Option<String>,
    pub recorded: BTreeMap<&'static str, String>,
}

impl Ci {
    /// Looks at the variables that systems set; `None` outside of those that are known.
    pub fn detect(variable: impl Fn(&str) -> Option<String>) -> Option<Self> {
        let plain = |name: &str| {
            variable(name).filter(|value| {
                !value.is_empty() && value.len() <= MAX_VALUE && !value.chars().any(char::is_control)
            })
        };
        let system = SYSTEMS.iter().find(|system| {
            let (name, value) = system.sign;
            plain(name).is_some_and(|found| value.is_none_or(|value| value == found))
        })?;
        let recorded = system.recorded.iter().filter_map(|name| Some((*name, plain(name)?))).collect();
        Some(Self { system: system.name, run: fill(system.run, &plain), recorded })
    }

    pub(crate) fn json(&self) -> Value {
        json!({ "system": self.system, "run": self.run, "variables": self.recorded })
    }
}

fn fill(template: &str, variable: &dyn Fn(&str) -> Option<String>) -> Option<String> {
    let mut out = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        let (name, after) = after.split_once('}')?;
        out.push_str(before);
        out.push_str(&variable(name)?);
        rest = after;
    }
    out.push_str(rest);
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn detect(variables: &[(&str, &str)]) -> Option<Ci> {
        Ci::detect(|name| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn systems_are_told_apart_and_only_what_is_listed_is_recorded() {
        let github = detect(&[
            ("GITHUB_ACTIONS", "true"),
            ("GITHUB_SERVER_URL", "https://github.com"),
            ("GITHUB_REPOSITORY", "org/app"),
            ("GITHUB_RUN_ID", "7"),
            ("GITHUB_RUN_ATTEMPT", "1"),
            ("GITHUB_TOKEN", "secret"),
            ("GITHUB_REF", "refs/heads/main"),
        ])
        .unwrap();
        assert_eq!(github.run.as_deref(), Some("https://github.com/org/app/actions/runs/7/attempts/1"));
        assert_eq!(github.recorded.len(), 2);
        assert!(!github.json().to_string().contains("secret"));
        let gitlab = detect(&[("GITLAB_CI", "true"), ("CI_JOB_URL", "https://gitlab.example/j/1")]).unwrap();
        assert_eq!((gitlab.system, gitlab.run.as_deref()), ("gitlab-ci", Some("https://gitlab.example/j/1")));
        let jenkins = detect(&[("JENKINS_URL", "https://ci.example/"), ("JOB_NAME", "a\u{1b}[2J")]).unwrap();
        assert_eq!((jenkins.system, jenkins.run, jenkins.recorded.len()), ("jenkins", None, 0));
        assert_eq!(detect(&[("GITHUB_ACTIONS", "false"), ("CI", "true")]), None);
    }

    #[test]
    fn no_list_names_what_holds_a_secret() {
        for system in SYSTEMS {
            for name in system.recorded {
                assert!(!crate::step::looks_secret(name), "{name}");
            }
        }
    }
}
