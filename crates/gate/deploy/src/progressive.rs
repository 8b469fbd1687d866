//! Answers to controllers that roll out step by step: Argo Rollouts' web metric, and Flagger's webhooks.
//!
//! Argo takes anything but 2xx for an error of the measurement, so a verdict always comes with 200. Flagger reads the status
//! alone: 2xx advances, anything else halts and counts a failed check; only its `rollback` hook is the other way round,
//! where 2xx rolls back. Without an answer of ours neither goes on and neither rolls back.

use linkward_decide::Outcome;
use linkward_model::Code;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::decision::{Basis, Decision};
use crate::image::ImageRef;

/// What a web metric of an AnalysisTemplate posts.
#[derive(Debug, Deserialize, PartialEq, Eq)]
pub struct ArgoQuestion {
    pub namespace: String,
    /// Name of the Rollout.
    pub workload: String,
    pub image: String,
    #[serde(default)]
    pub stable: Option<String>,
}

/// What Flagger posts to a webhook.
#[derive(Debug, Deserialize, PartialEq, Eq)]
pub struct FlaggerQuestion {
    pub name: String,
    pub namespace: String,
    #[serde(default)]
    pub phase: String,
    #[serde(default)]
    pub checksum: String,
    #[serde(default)]
    pub metadata: std::collections::BTreeMap<String, String>,
}

impl FlaggerQuestion {
    /// The image that the canary's owner wrote into the webhook's metadata: Flagger itself sends none.
    pub fn image(&self) -> Option<&str> {
        self.metadata.get("image").map(String::as_str).filter(|image| !image.is_empty())
    }

    pub fn message(&self) -> &str {
        self.metadata.get("eventMessage").map_or("", String::as_str)
    }
}

/// The word for a decision: what is unknown pauses, it neither passes nor fails.
pub fn word(decision: &Decision) -> &'static str {
    match decision.outcome() {
        Outcome::Allow => "pass",
        Outcome::Deny => "fail",
        Outcome::Unknown => match decision.code() {
            // Wrong, not unknown: waiting does not mend it.
            Some(Code::DigestMalformed | Code::ImageMalformed | Code::NotDigest) => "fail",
            _ => "inconclusive",
        },
    }
}

/// The body for Argo, at `{$.data}`.
pub fn argo(decision: &Decision, last_known_good: Option<&str>) -> Value {
    let digest = ImageRef::parse(decision.image()).ok().and_then(|parsed| parsed.digest);
    let verdict = word(decision);
    json!({ "data": {
        "verdict": verdict,
        "ok": verdict == "pass",
        "digest": digest,
        "score": if verdict == "pass" { 1.0 } else { 0.0 },
        "reasons": if verdict == "pass" { Vec::new() } else { vec![decision.message()] },
        "code": decision.code(),
        "policy": decision.policy(),
        "evidence": decision.verdict().map(|record| record.to_string()),
        "lastKnownGood": last_known_good,
    }})
}

/// Status and body for Flagger's gates: the worst of the images counts, and no image is no yes.
pub fn flagger_gate(decisions: &[Decision]) -> (u16, String) {
    if decisions.is_empty() {
        return (
            403,
            "no image: write it into the webhook's metadata, or record the deployment\n".to_owned(),
        );
    }
    let against: Vec<String> =
        decisions.iter().filter(|decision| word(decision) != "pass").map(Decision::message).collect();
    if against.is_empty() { (200, "pass\n".to_owned()) } else { (403, format!("{}\n", against.join("\n"))) }
}

/// Status and body for Flagger's `rollback` hook: 200 rolls back, and only what is revoked is rolled back.
pub fn flagger_rollback(decisions: &[Decision]) -> (u16, String) {
    let revoked: Vec<String> = decisions
        .iter()
        .filter(|decision| decision.basis() == Basis::Revocation)
        .map(Decision::message)
        .collect();
    if revoked.is_empty() {
        (403, "nothing that runs is revoked\n".to_owned())
    } else {
        (200, format!("roll back: {}\n", revoked.join("\n")))
    }
}

/// What a canary's measurements come to, beside its integrity.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ErrorRates {
    pub canary: f64,
    pub stable: f64,
    /// How much worse the canary may be.
    pub tolerance: f64,
}

impl ErrorRates {
    /// Whether the canary fails by its errors; `None` where the numbers are none.
    pub fn fails(&self) -> Option<bool> {
        let rate = |value: f64| value.is_finite() && (0.0..=1.0).contains(&value);
        (rate(self.canary) && rate(self.stable) && rate(self.tolerance))
            .then_some(self.canary > self.stable + self.tolerance)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decision::Unknown;

    #[test]
    fn unknown_pauses_wrong_fails_and_nothing_rolls_back_by_itself() {
        let now = linkward_testkit::noon();
        let unknown = |why| Decision::from_unknown("app@x", "shop", &why, now);
        assert_eq!(word(&unknown(Unknown::NoVerdict)), "inconclusive");
        assert_eq!(word(&unknown(Unknown::Stale)), "inconclusive");
        assert_eq!(word(&unknown(Unknown::NotDigest)), "fail");
        assert_eq!(argo(&unknown(Unknown::Pending), None)["data"]["ok"], false);
        assert_eq!(flagger_gate(&[]).0, 403);
        assert_eq!(flagger_gate(&[unknown(Unknown::NoVerdict)]).0, 403);
        assert_eq!(flagger_rollback(&[unknown(Unknown::NoVerdict)]).0, 403);
        assert_eq!(flagger_rollback(&[]).0, 403);
    }

    #[test]
    fn error_rates_that_are_no_numbers_decide_nothing() {
        let rates = |canary, stable| ErrorRates { canary, stable, tolerance: 0.01 }.fails();
        assert_eq!(rates(0.02, 0.02), Some(false));
        assert_eq!(rates(0.05, 0.02), Some(true));
        for bad in [f64::NAN, f64::INFINITY, -0.1, 1.5] {
            assert_eq!(rates(bad, 0.0), None);
            assert_eq!(rates(0.0, bad), None);
        }
    }
}
