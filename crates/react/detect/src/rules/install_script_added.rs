//! An install script runs on every machine that so much as installs the package.

use linkward_evidence::event::{Action, Event, Source};
use serde::{Deserialize, Serialize};

use super::by_package::ByPackage;
use crate::Estate;
use crate::rule::{About, Fold, Hit, Tier, memory};

pub(crate) static RULE: ByPackage<Script> = ByPackage::new(&ABOUT);

static ABOUT: About = About {
    id: "install-script-added",
    tier: Tier::FirstSight,
    title: "A package runs code at install that it did not run before",
    why: "An install script runs on every machine that so much as installs the package.",
    benign: "The package began to build native code: read the script.",
    response: "Hold the version back; read the script; do not install it outside a sandbox.",
    fields: &["package", "install_script"],
    actions: &[Action::Published],
    sources: &[Source::Registry],
    covers: &["L4", "F3", "AP2", "T1195.001", "MA0010"],
    weight: 4000,
};

#[derive(Clone, Default, Serialize, Deserialize)]
pub(crate) struct Script {
    /// Versions that were known to run nothing.
    without: u32,
}

impl Fold for Script {
    fn step(&mut self, event: &Event, _: &Estate, hits: &mut Vec<Hit>) {
        match event.install_script {
            Some(true) if self.without > 0 => hits.push(
                Hit::new(event, event.package.as_deref().unwrap_or(""))
                    .says("version", event.version.as_deref())
                    .fact("versions before without one", self.without)
                    .says("published by", event.actor.as_deref()),
            ),
            Some(false) => self.without = self.without.saturating_add(1),
            _ => {}
        }
    }

    memory!();
}
