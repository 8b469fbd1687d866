//! The rules: one file each, one line each.

mod assurance_lost;
mod boot_differs;
mod by_package;
mod cache_crossed;
mod canary_touched;
pub(crate) mod combined;
mod commit_key_unknown;
mod commit_orphaned;
mod dependency_young;
mod differs;
mod digest_differs;
mod first;
mod first_call;
mod first_egress;
mod first_key;
mod first_maintainer;
mod first_network;
mod first_region;
mod first_runner;
mod first_token;
mod flight;
mod install_script_added;
mod lockfile_differs;
mod log_forked;
mod log_unproven;
mod made_public;
mod namespace_confused;
mod off_hours;
mod protection_weakened;
mod publish_run_failed;
mod publish_without_run;
mod publish_without_tag;
mod publishing;
mod pulls_unusual;
mod rebuild_differs;
mod ref_rewritten;
mod registry_write_unauthorised;
mod release_burst;
mod reports_deleted;
mod role_without_run;
mod sbom_missing;
mod secret_leaked;
mod signer_changed;
mod source_differs;
pub(crate) mod source_silent;
mod steps_altered;
mod tag_moved;
mod verification_failed;

use crate::Rule;

/// Every rule, invariants first.
pub const RULES: &[&dyn Rule] = &[
    &ref_rewritten::Rule,
    &commit_key_unknown::Rule,
    &commit_orphaned::Rule,
    &publish_without_run::Rule,
    &publish_run_failed::Rule,
    &publish_without_tag::Rule,
    &assurance_lost::RULE,
    &digest_differs::Rule,
    &source_differs::RULE,
    &rebuild_differs::RULE,
    &boot_differs::RULE,
    &tag_moved::Rule,
    &signer_changed::RULE,
    &role_without_run::Rule,
    &cache_crossed::Rule,
    &lockfile_differs::Rule,
    &canary_touched::Rule,
    &verification_failed::Rule,
    &log_forked::Rule,
    &registry_write_unauthorised::Rule,
    &namespace_confused::Rule,
    &install_script_added::RULE,
    &dependency_young::Rule,
    &protection_weakened::Rule,
    &secret_leaked::Rule,
    &made_public::Rule,
    &steps_altered::Rule,
    &sbom_missing::Rule,
    &log_unproven::Rule,
    &first_token::RULE,
    &first_network::RULE,
    &first_region::RULE,
    &first_call::RULE,
    &first_key::RULE,
    &first_runner::RULE,
    &first_maintainer::RULE,
    &first_egress::RULE,
    &source_silent::Rule,
    &combined::Rule,
    &reports_deleted::Rule,
    &off_hours::RULE,
    &release_burst::Rule,
    &pulls_unusual::Rule,
];

/// The rule of that name.
pub fn rule(id: &str) -> Option<&'static dyn Rule> {
    RULES.iter().copied().find(|rule| rule.about().id == id)
}

macro_rules! cases {
    ($($id:literal,)*) => {
        /// The cases that a rule was made against.
        pub fn cases_of(id: &str) -> Option<&'static [u8]> {
            match id {
                $($id => Some(include_bytes!(concat!("../../cases/", $id, ".json"))),)*
                _ => None,
            }
        }
    };
}

cases! {
    "ref-rewritten",
    "commit-key-unknown",
    "commit-orphaned",
    "publish-without-run",
    "publish-run-failed",
    "publish-without-tag",
    "assurance-lost",
    "digest-differs",
    "source-differs",
    "rebuild-differs",
    "boot-differs",
    "tag-moved",
    "signer-changed",
    "role-without-run",
    "cache-crossed",
    "lockfile-differs",
    "canary-touched",
    "verification-failed",
    "log-forked",
    "registry-write-unauthorised",
    "namespace-confused",
    "install-script-added",
    "dependency-young",
    "protection-weakened",
    "secret-leaked",
    "made-public",
    "steps-altered",
    "sbom-missing",
    "log-unproven",
    "first-token",
    "first-network",
    "first-region",
    "first-call",
    "first-key",
    "first-runner",
    "first-maintainer",
    "first-egress",
    "source-silent",
    "combined",
    "reports-deleted",
    "off-hours",
    "release-burst",
    "pulls-unusual",
}
