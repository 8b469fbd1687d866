//! Two things that must be the same and are not: bytes that are served, rebuilt, booted.

use linkward_evidence::event::Event;

use super::first::entity;
use crate::Estate;
use crate::rule::{About, Hit, Rule};

/// A rule about a comparison that somebody made; the words are for people.
#[derive(Debug)]
pub(crate) struct Differs {
    pub(super) about: &'static About,
    pub(super) before: &'static str,
    pub(super) after: &'static str,
}

impl Rule for Differs {
    fn about(&self) -> &'static About {
        self.about
    }

    fn judge(&self, event: &Event, _: &Estate) -> Option<Hit> {
        let differs = match event.matches {
            Some(matches) => !matches,
            None => event.before.is_some() && event.after.is_some() && event.before != event.after,
        };
        differs.then(|| {
            Hit::new(event, &entity(event))
                .says("of", event.subject.as_deref())
                .says(self.before, event.before.as_deref())
                .says(self.after, event.after.as_deref())
        })
    }
}
