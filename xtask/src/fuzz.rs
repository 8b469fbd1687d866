//! The fuzz command: mutated bundles, a bounded share for CI or a million of them.

use anyhow::Result;

/// The share that CI runs: so many mutations, or so many seconds, whichever ends first.
const SMOKE: [&str; 2] = ["1000000", "15"];
const FULL: [&str; 2] = ["1000000", "86400"];

pub(crate) fn fuzz(smoke: bool) -> Result<()> {
    let [most, seconds] = if smoke { SMOKE } else { FULL };
    // A million is worth an optimised build; a share is not. Overflow checks stay on in the latter.
    let profile: &[&str] = if smoke { &[] } else { &["--release"] };
    let example = ["run", "--quiet", "--package", "linkward-prove", "--example", "mutate"];
    crate::cargo(&[&example[..], profile, &["--", most, seconds]].concat())
}
