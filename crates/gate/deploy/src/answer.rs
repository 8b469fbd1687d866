//! The answer to an AdmissionReview, as the API server passes it on.

use linkward_decide::{Mode as PolicyMode, Outcome};
use linkward_model::{Code, Instant};
use serde_json::json;

use crate::counters::Counters;
use crate::decision::{Basis, Decision, Unknown};
use crate::gate::{Gate, Mode};
use crate::review::{Review, read};
use crate::settings::mode_named;

/// The API server cuts warnings at this length.
const MAX_WARNING: usize = 256;

/// The answer to a review.
#[derive(Debug)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    pub json: Vec<u8>,
    pub decisions: Vec<Decision>,
    /// Whether something is being verified right now: the same review again may come out better.
    pub pending: bool,
    pub allowed: bool,
    /// The workload whose rollout was let pass, for the deployment ledger.
    pub rollout: Option<Rollout>,
}

/// A workload's images as they were admitted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rollout {
    pub workload: String,
    pub images: Vec<String>,
}

impl Gate {
    /// As [`review`](Self::review), for somebody who only wants to know: nothing is counted or remembered.
    pub fn peek(&self, path: &str, body: &[u8], now: Instant) -> Answer {
        self.answer(path, body, now, true)
    }

    /// Answers an AdmissionReview v1. The path's last segment may be a mode, so that a cluster's owner can choose by namespace
    /// label which webhook asks how strictly.
    pub fn review(&self, path: &str, body: &[u8], now: Instant) -> Answer {
        Counters::add(&self.counters.reviews);
        self.answer(path, body, now, false)
    }

    fn answer(&self, path: &str, body: &[u8], now: Instant, peek: bool) -> Answer {
        let review = match read(body, &self.settings.custom) {
            Ok(review) => review,
            Err(error) => return malformed(&error),
        };
        let asked = path.trim_end_matches('/').rsplit('/').next().and_then(mode_named);
        let scope = self.settings.mode(&review.namespace, asked, review.label);
        let decisions = self.judge(&review, now);
        let changes = matches!(&*review.operation, "CREATE" | "UPDATE") && !review.dry_run && !peek;
        if !peek {
            self.count(&decisions);
        }
        if changes {
            self.remember(&review, now);
        }
        let refused: Vec<&Decision> =
            decisions.iter().filter(|decision| self.refuses(decision, scope)).collect();
        let enforce = self.mode() == Mode::Enforce;
        let allowed = refused.is_empty() || !enforce;
        if !allowed && !peek {
            Counters::add(&self.counters.refused);
        }
        let pending = decisions.iter().any(|decision| decision.code() == Some(Code::VerificationPending));
        let rollout = (changes && allowed && !review.images.is_empty()).then(|| rollout(&review)).flatten();
        let json = self.compose(&review, scope, &decisions, &refused, allowed);
        Answer { status: 200, json, decisions, pending, allowed, rollout }
    }

    fn compose(
        &self,
        review: &Review<'_>,
        scope: PolicyMode,
        decisions: &[Decision],
        refused: &[&Decision],
        allowed: bool,
    ) -> Vec<u8> {
        let mut response = json!({ "uid": review.uid, "allowed": allowed });
        if allowed {
            let warnings: Vec<String> = decisions
                .iter()
                .filter_map(|decision| {
                    let would = self.refuses(decision, scope);
                    // Audit is written down and said to nobody; what observe would have refused is always said.
                    let silent = scope == PolicyMode::Audit && !would;
                    // A break-glass and an exception have a code although they let pass.
                    let worth = decision.outcome() != Outcome::Allow || decision.code().is_some();
                    let lead = if would { "would be denied: " } else { "" };
                    (worth && !silent).then(|| clip(&format!("{lead}{}", decision.message())))
                })
                .collect();
            if !warnings.is_empty() {
                response["warnings"] = warnings.into();
            }
        } else {
            let messages: Vec<String> = refused.iter().map(|decision| decision.message()).collect();
            response["status"] =
                json!({ "code": 403, "reason": "Forbidden", "message": messages.join("\n") });
        }
        if let Some(first) = refused.first().copied().or_else(|| decisions.first()) {
            let mut notes = json!({
                "decision": first.outcome().as_str(), "mode": self.mode().as_str(), "scope": scope.as_str(),
            });
            if let Some(code) = first.code() {
                notes["code"] = code.as_str().into();
            }
            if let Some(verdict) = first.verdict() {
                notes["verdict"] = verdict.to_string().into();
            }
            if let Some(policy) = first.policy() {
                notes["policy"] = policy.into();
            }
            response["auditAnnotations"] = notes;
        }
        let answer =
            json!({ "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response });
        answer.to_string().into_bytes()
    }

    fn count(&self, decisions: &[Decision]) {
        for decision in decisions {
            Counters::add(match (decision.basis(), decision.outcome()) {
                (Basis::BreakGlass, _) => &self.counters.broken_glass,
                (_, Outcome::Allow) => &self.counters.allowed,
                (_, Outcome::Deny) => &self.counters.denied,
                (_, Outcome::Unknown) => &self.counters.unknown,
            });
        }
    }

    fn judge(&self, review: &Review<'_>, now: Instant) -> Vec<Decision> {
        // Never in the way of a deletion; CONNECT has no images.
        if !matches!(&*review.operation, "CREATE" | "UPDATE") {
            return Vec::new();
        }
        if !review.known {
            let what = format!("{}/{}", review.kind, review.name);
            return vec![Decision::from_unknown(&what, &review.namespace, &Unknown::Kind, now)];
        }
        let update = &*review.operation == "UPDATE";
        review
            .images
            .iter()
            .map(|image| (image, self.decide(image, &review.namespace, now)))
            // An update that leaves an image as it was is not judged anew, unless it is revoked by now: a cluster full of
            // old workloads must still be able to scale and to be labelled.
            .filter(|(image, decision)| {
                !(update
                    && decision.basis() != Basis::Revocation
                    && review.old_images.binary_search(*image).is_ok())
            })
            .map(|(_, decision)| decision)
            .collect()
    }
}

/// Rollouts are what controllers keep revisions of; pods and jobs come and go.
fn rollout(review: &Review<'_>) -> Option<Rollout> {
    let kept = matches!(&*review.kind, "Deployment" | "StatefulSet" | "DaemonSet" | "Rollout");
    let changed = review.images != review.old_images;
    (kept && changed).then(|| Rollout {
        workload: format!("{}/{}/{}", review.namespace, review.kind, review.name),
        images: review.images.clone(),
    })
}

fn malformed(why: &str) -> Answer {
    let code = Code::ReviewMalformed;
    let json = json!({ "error": format!("not an AdmissionReview: {why}"), "code": code });
    Answer {
        status: 400,
        json: json.to_string().into_bytes(),
        decisions: Vec::new(),
        pending: false,
        allowed: false,
        rollout: None,
    }
}

/// Within the length that is passed on, on one line.
fn clip(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars().map(|c| if c.is_control() { ' ' } else { c }) {
        if out.len() + c.len_utf8() > MAX_WARNING {
            break;
        }
        out.push(c);
    }
    out
}
