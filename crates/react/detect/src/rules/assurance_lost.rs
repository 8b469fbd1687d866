//! A package that had a trusted publisher or provenance and suddenly has none was published from elsewhere, with a token.

use linkward_evidence::event::{Action, Event, Source};
use serde::{Deserialize, Serialize};

use super::by_package::ByPackage;
use crate::Estate;
use crate::rule::{About, Fold, Hit, Tier, memory};

pub(crate) static RULE: ByPackage<Best> = ByPackage::new(&ABOUT);

static ABOUT: About = About {
    id: "assurance-lost",
    tier: Tier::Invariant,
    title: "A version came with less proof than those before it",
    why: "A package that had a trusted publisher or provenance and suddenly has none was published from elsewhere, with a token.",
    benign: "The project left its pipeline on purpose: ask it before using the version.",
    response: "Hold the version back at the gateway; ask the maintainers by another way than the registry.",
    fields: &["package", "assurance"],
    actions: &[Action::Published],
    sources: &[Source::Registry],
    covers: &["DS0050", "L4", "F3", "AP2", "T1195.002", "M1045"],
    weight: 0,
};

#[derive(Clone, Default, Serialize, Deserialize)]
pub(crate) struct Best {
    rank: u8,
    name: Box<str>,
}

fn rank(assurance: &str) -> Option<u8> {
    match assurance {
        "none" => Some(0),
        "provenance" => Some(1),
        "trusted" => Some(2),
        "staged" => Some(3),
        _ => None,
    }
}

impl Fold for Best {
    fn step(&mut self, event: &Event, _: &Estate, hits: &mut Vec<Hit>) {
        let Some(assurance) = &event.assurance else { return };
        let Some(now) = rank(assurance) else { return };
        if now < self.rank {
            hits.push(
                Hit::new(event, event.package.as_deref().unwrap_or(""))
                    .says("version", event.version.as_deref())
                    .fact("came with", assurance)
                    .fact("had before", &self.name)
                    .says("published by", event.actor.as_deref()),
            );
        } else {
            self.rank = now;
            self.name.clone_from(assurance);
        }
    }

    memory!();
}
