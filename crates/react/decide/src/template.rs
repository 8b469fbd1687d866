//! Policies for the cases that people have, shipped under `policies/`, each with the cases that show what it does.

#[derive(Clone, Copy, Debug)]
pub struct Template {
    pub name: &'static str,
    pub text: &'static str,
}

pub const TEMPLATES: &[Template] = &[
    Template { name: "ci-images", text: include_str!("../../../../policies/ci-images/policy.yaml") },
    Template { name: "firmware", text: include_str!("../../../../policies/firmware/policy.yaml") },
    Template { name: "legacy", text: include_str!("../../../../policies/legacy/policy.yaml") },
    Template {
        name: "notation-images",
        text: include_str!("../../../../policies/notation-images/policy.yaml"),
    },
    Template {
        name: "npm-trusted-publisher",
        text: include_str!("../../../../policies/npm-trusted-publisher/policy.yaml"),
    },
    Template {
        name: "production-and-development",
        text: include_str!("../../../../policies/production-and-development/policy.yaml"),
    },
    Template {
        name: "pypi-trusted-publisher",
        text: include_str!("../../../../policies/pypi-trusted-publisher/policy.yaml"),
    },
    Template { name: "reproducible", text: include_str!("../../../../policies/reproducible/policy.yaml") },
    Template { name: "slsa-2", text: include_str!("../../../../policies/slsa-2/policy.yaml") },
    Template { name: "slsa-3", text: include_str!("../../../../policies/slsa-3/policy.yaml") },
    Template { name: "two-reviewers", text: include_str!("../../../../policies/two-reviewers/policy.yaml") },
    Template { name: "vendor-agents", text: include_str!("../../../../policies/vendor-agents/policy.yaml") },
    Template { name: "vendor-images", text: include_str!("../../../../policies/vendor-images/policy.yaml") },
];

impl Template {
    /// The comment at its head: what it is for.
    pub fn about(&self) -> String {
        let lines = self.text.lines().take_while(|line| line.starts_with('#'));
        lines.map(|line| line.trim_start_matches(['#', ' '])).collect::<Vec<_>>().join(" ")
    }
}
