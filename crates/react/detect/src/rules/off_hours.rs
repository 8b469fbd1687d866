//! Attackers like nights and weekends; so do maintainers. It never counts for more than one bit.

use linkward_evidence::event::{Action, Event, Source};
use serde::{Deserialize, Serialize};

use super::by_package::ByPackage;
use crate::Estate;
use crate::rule::{About, Fold, Hit, Tier, memory};

pub(crate) static RULE: ByPackage<Hours> = ByPackage::new(&ABOUT);

static ABOUT: About = About {
    id: "off-hours",
    tier: Tier::Weight,
    title: "A version was published at an hour that is unusual for it",
    why: "Attackers like nights and weekends; so do maintainers. It never counts for more than one bit.",
    benign: "The maintainer worked late.",
    response: "Nothing by itself.",
    fields: &["package"],
    actions: &[Action::Published],
    sources: &[Source::Registry],
    covers: &["DS0050", "L4", "AP2"],
    weight: 1000,
};

/// Versions after which the habit is known.
const LEARNED: u32 = 20;

#[derive(Clone, Default, Serialize, Deserialize)]
pub(crate) struct Hours {
    counts: [u32; 24],
    total: u32,
}

impl Hours {
    /// How many times rarer than by chance a version at this hour is, smoothed over neighbouring hours: a circular
    /// kernel of an hour and a half, with two even pseudo-counts so that silence is not certainty.
    fn rarity(&self, hour: usize) -> f64 {
        const KERNEL: [f64; 5] = [0.11, 0.21, 0.27, 0.21, 0.11];
        let near: f64 = KERNEL
            .iter()
            .enumerate()
            .map(|(offset, weight)| {
                let at = (hour + 24 + offset - 2) % 24;
                weight * f64::from(self.counts.get(at).copied().unwrap_or(0))
            })
            .sum();
        let even = 1.0 / 24.0;
        let density = (near / 0.91 + 2.0 * even) / (f64::from(self.total) + 2.0);
        even / density
    }
}

impl Fold for Hours {
    fn step(&mut self, event: &Event, _: &Estate, hits: &mut Vec<Hit>) {
        let hour = usize::try_from(event.at().seconds().div_euclid(3600).rem_euclid(24)).unwrap_or(0);
        if self.total >= LEARNED {
            let rarity = self.rarity(hour);
            if rarity > 4.0 {
                hits.push(
                    Hit::new(event, event.package.as_deref().unwrap_or(""))
                        .says("version", event.version.as_deref())
                        .fact("hour", format!("{hour:02} UTC"))
                        .fact("rarer than by chance", format!("{rarity:.1} times")),
                );
            }
        }
        if let Some(count) = self.counts.get_mut(hour) {
            *count = count.saturating_add(1);
        }
        self.total = self.total.saturating_add(1);
    }

    memory!();
}
