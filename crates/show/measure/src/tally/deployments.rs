//! What runs where, and how long it took from a failed revision to a good one.

use std::collections::BTreeMap;

use linkward_model::{Digest, Instant};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{mark, text};
use crate::count::Durations;

#[derive(Debug, Default, Serialize, Deserialize)]
struct Workload {
    revision: u64,
    /// Images of the revision in force, with their digests where they have some.
    images: Vec<(String, Option<u128>)>,
    failed: Option<Instant>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Deployments {
    running: BTreeMap<String, Workload>,
    pub(super) rollbacks: Durations,
}

impl Deployments {
    pub(super) fn take(&mut self, says: &Value) {
        if text(says, "/what") != Some("deployment") {
            return;
        }
        let at = text(says, "/deployment/at").and_then(|at| at.parse::<Instant>().ok());
        let (Some(at), Some(name)) = (at, text(says, "/deployment/workload")) else { return };
        let revision = says.pointer("/deployment/revision").and_then(Value::as_u64).unwrap_or(0);
        let workload = self.running.entry(name.to_owned()).or_default();
        match text(says, "/deployment/happened/event") {
            Some("deployed") => {
                let images = says.pointer("/deployment/happened/images").and_then(Value::as_array);
                let images = images.into_iter().flatten().filter_map(Value::as_str);
                workload.images = images
                    .map(|image| {
                        let digest =
                            image.split_once('@').and_then(|(_, digest)| digest.parse::<Digest>().ok());
                        (image.to_owned(), digest.map(|digest| mark(&digest)))
                    })
                    .collect();
                workload.revision = revision;
            }
            Some("failed") => workload.failed = workload.failed.or(Some(at)),
            Some("ready") => {
                if let Some(failed) = workload.failed.take() {
                    self.rollbacks.take(at.since(failed).max(0) as f64 / 1000.0);
                }
            }
            Some("ended") if workload.revision == revision => workload.images.clear(),
            _ => {}
        }
    }

    pub(super) fn workloads(&self) -> usize {
        self.running.values().filter(|workload| !workload.images.is_empty()).count()
    }

    /// Workloads that run an image whose newest verdict is not that it may: without a digest none can be.
    pub(super) fn unverified(&self, allows: impl Fn(u128) -> bool) -> Vec<String> {
        let open =
            |workload: &Workload| workload.images.iter().any(|(_, digest)| !digest.is_some_and(&allows));
        self.running.iter().filter(|(_, workload)| open(workload)).map(|(name, _)| name.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn line(at: &str, revision: u64, happened: &Value) -> Value {
        json!({ "what": "deployment", "deployment": { "workload": "shop/Deployment/cart", "revision": revision, "at": at, "happened": happened } })
    }

    #[test]
    fn from_failed_to_ready_is_a_rollback_and_what_ended_runs_no_more() {
        let mut deployments = Deployments::default();
        let image = format!("reg/cart@sha256:{}", "a".repeat(64));
        deployments.take(&line(
            "2026-01-01T00:00:00Z",
            1,
            &json!({ "event": "deployed", "images": [image] }),
        ));
        assert_eq!(deployments.unverified(|_| false), ["shop/Deployment/cart"]);
        assert!(deployments.unverified(|_| true).is_empty());
        for (at, event) in
            [("00:01:00", "failed"), ("00:02:00", "failed"), ("00:03:00", "ready"), ("00:09:00", "ready")]
        {
            deployments.take(&line(&format!("2026-01-01T{at}Z"), 1, &json!({ "event": event })));
        }
        assert_eq!((deployments.rollbacks.count, deployments.rollbacks.quantile(0.95)), (1, Some(120.0)));
        deployments.take(&line("2026-01-01T01:00:00Z", 0, &json!({ "event": "ended" })));
        assert_eq!(deployments.workloads(), 1, "an older revision ended");
        deployments.take(&line("2026-01-01T01:00:00Z", 1, &json!({ "event": "ended" })));
        assert_eq!(deployments.workloads(), 0);
        deployments.take(&line(
            "2026-01-01T01:00:00Z",
            2,
            &json!({ "event": "deployed", "images": ["reg/cart:latest"] }),
        ));
        assert_eq!(deployments.unverified(|_| true).len(), 1, "a tag proves nothing");
    }
}
