//! A moved tag puts other code under a name that everybody has pinned; a rewritten branch hides what was there.

use super::first::entity;
use crate::glob::any;
use linkward_evidence::event::{Action, Event, Source};

use crate::Estate;
use crate::rule::{About, Hit, Rule as Shape, Tier};

#[derive(Debug)]
pub(crate) struct Rule;

pub(crate) static ABOUT: About = About {
    id: "ref-rewritten",
    tier: Tier::Invariant,
    title: "A protected branch or a tag was rewritten or removed",
    why: "A moved tag puts other code under a name that everybody has pinned; a rewritten branch hides what was there.",
    benign: "The tag is meant to move (list it in moving-tags), or the branch is not meant to be protected.",
    response: "Restore the ref from a clone that has the old commit; stop builds that use it; find the credential that pushed.",
    fields: &["ref", "before", "after", "forced", "descends", "protected"],
    actions: &[Action::RefUpdated, Action::RefDeleted],
    sources: &[Source::Forge, Source::Git],
    covers: &["DS0021", "L1", "F4", "AP3", "T1195.002", "M1045"],
    weight: 0,
};

impl Shape for Rule {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn judge(&self, event: &Event, estate: &Estate) -> Option<Hit> {
        let reference = event.reference.as_deref()?;
        let tag = reference.strip_prefix("refs/tags/");
        let branch = reference.strip_prefix("refs/heads/").unwrap_or(reference);
        let protected = tag.is_none() && (event.protected == Some(true) || estate.is_protected(branch));
        if tag.is_some_and(|tag| any(&estate.moving_tags, tag)) || (tag.is_none() && !protected) {
            return None;
        }
        if event.action == Action::RefUpdated {
            let (before, after) = (event.before.as_deref()?, event.after.as_deref()?);
            // What the source does not say of a tag is no excuse; of a branch it is the usual push.
            let rewritten = match (event.descends, event.forced) {
                (Some(descends), _) => !descends,
                (None, Some(forced)) => forced || tag.is_some(),
                (None, None) => tag.is_some(),
            };
            if before == after || !rewritten {
                return None;
            }
        }
        Some(
            Hit::new(event, &entity(event))
                .fact("ref", reference)
                .says("before", event.before.as_deref())
                .says("after", event.after.as_deref())
                .says("by", event.actor.as_deref()),
        )
    }
}
