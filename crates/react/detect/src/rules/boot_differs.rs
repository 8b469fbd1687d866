//! Firmware that was changed starts before everything that could notice it.

use super::differs::Differs;
use linkward_evidence::event::{Action, Source};

use crate::rule::{About, Tier};

pub(crate) static RULE: Differs = Differs { about: &ABOUT, before: "should be", after: "is" };

static ABOUT: About = About {
    id: "boot-differs",
    tier: Tier::Invariant,
    title: "A device booted something else than its known good measurement",
    why: "Firmware that was changed starts before everything that could notice it.",
    benign: "A firmware update was rolled out and its measurements are not listed yet.",
    response: "Take the device out of service; keep its log; compare with the vendor's reference values.",
    fields: &["matches", "before", "after"],
    actions: &[Action::BootMeasured],
    sources: &[Source::Device],
    covers: &["L8", "F6", "AP5", "T1542.001", "T1195.003"],
    weight: 0,
};
