//! A thief copies everything; a worm clones hundreds of repositories in an hour.

use linkward_evidence::event::{Action, Event, Source};
use serde::{Deserialize, Serialize};

use crate::Estate;
use crate::rule::{About, Fold, Hit, Rule as Shape, Tier, memory};

#[derive(Debug)]
pub(crate) struct Rule;

pub(crate) static ABOUT: About = About {
    id: "pulls-unusual",
    tier: Tier::Weight,
    title: "A package or image is pulled far more than ever",
    why: "A thief copies everything; a worm clones hundreds of repositories in an hour.",
    benign: "A cluster was rebuilt, a new service rolled out.",
    response: "Look at who pulls, and from where.",
    fields: &["package"],
    actions: &[Action::Pulled],
    sources: &[Source::Registry, Source::Gateway],
    covers: &["L3", "L4", "AP1", "T1213.003"],
    weight: 2000,
};

impl Shape for Rule {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn key(&self, event: &Event, _: &Estate) -> Option<Box<str>> {
        event.package.clone()
    }

    fn fold(&self) -> Option<Box<dyn Fold>> {
        Some(Box::<Pulls>::default())
    }
}

const FLOOR: f64 = 50.0;
/// Hours after which the usual rate is known.
const LEARNED: u32 = 24;

#[derive(Clone, Default, Serialize, Deserialize)]
struct Pulls {
    hour: i64,
    count: u32,
    /// Moving average by hour.
    #[serde(with = "crate::kept::bits")]
    usual: f64,
    hours: u32,
    said: bool,
}

impl Fold for Pulls {
    fn step(&mut self, event: &Event, _: &Estate, hits: &mut Vec<Hit>) {
        let hour = event.at().seconds().div_euclid(3600);
        if hour != self.hour {
            if self.hour != 0 {
                let passed = u32::try_from((hour - self.hour).clamp(1, 168)).unwrap_or(1);
                self.usual =
                    (0.9 * self.usual + 0.1 * f64::from(self.count)) * 0.9_f64.powi(passed as i32 - 1);
                self.hours = self.hours.saturating_add(passed);
            }
            self.hour = hour;
            self.count = 0;
            self.said = false;
        }
        self.count = self.count.saturating_add(1);
        let bound = FLOOR.max(6.0 * self.usual);
        if !self.said && self.hours >= LEARNED && f64::from(self.count) > bound {
            self.said = true;
            hits.push(
                Hit::new(event, event.package.as_deref().unwrap_or(""))
                    .fact("pulls this hour", self.count)
                    .fact("usual", format!("{:.1}", self.usual)),
            );
        }
    }

    memory!();
}
