//! One SBOM format to the other, with a list of what did not come along.

use std::collections::BTreeMap;

use linkward_model::Instant;

use crate::sbom::Sbom;
use crate::{cyclonedx, spdx};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// CycloneDX 1.6 JSON.
    CycloneDx,
    /// SPDX 2.3 JSON.
    Spdx,
}

#[derive(Clone, Debug)]
pub struct Converted {
    pub bytes: Vec<u8>,
    /// What the source says and the result does not: what, and how often.
    pub lost: BTreeMap<String, usize>,
}

/// Components, digests, purls, licences and relations come along; `lost` names everything else. `now` is the time of
/// creation where the source does not say one.
pub fn convert(sbom: &Sbom, target: Target, now: Instant) -> Converted {
    let (bytes, losses) = match target {
        Target::CycloneDx => (cyclonedx::write(sbom), cyclonedx::losses(sbom)),
        Target::Spdx => (spdx::write(sbom, now), spdx::losses(sbom)),
    };
    let mut lost = sbom.unread.clone();
    for (what, times) in losses {
        *lost.entry(what).or_default() += times;
    }
    Converted { bytes, lost }
}
