//! Findings in their newest state, and how long they took.

use std::collections::{BTreeMap, HashMap, VecDeque};

use linkward_model::Instant;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::kept::pairs;
use super::{digest, text};
use crate::count::{Durations, REGISTRY, RUNNER, WEEK};

type Key = (String, String, String);

#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Findings {
    #[serde(skip)]
    pub(super) newest: HashMap<u128, Key>,
    #[serde(with = "pairs")]
    pub(super) by_state: BTreeMap<Key, u64>,
    pub(super) runner: u64,
    pub(super) registry: u64,
    /// When the anomalies of the last week happened.
    week: VecDeque<(Instant, u128)>,
    pub(super) latencies: Durations,
}

impl Findings {
    pub(super) fn take(&mut self, recorded: Instant, says: &Value) {
        let Some(id) = digest(says, "/finding/id") else { return };
        let word = |pointer: &str| text(says, pointer).unwrap_or("").to_owned();
        let key = (word("/finding/rule"), word("/finding/alert"), word("/finding/state"));
        let at = text(says, "/finding/at").and_then(|at| at.parse::<Instant>().ok());
        let before = self.newest.insert(id, key.clone());
        if let Some(before) = &before {
            self.count(before, id, None, false);
        } else if let Some(at) = at
            && says.get("live").and_then(Value::as_bool) != Some(false)
        {
            // The first time that it was noticed. What is replayed from a file happened long ago, and proves nothing of how
            // fast we are.
            let noticed = text(says, "/noticed").and_then(|at| at.parse().ok()).unwrap_or(recorded);
            self.latencies.take(noticed.since(at).max(0) as f64 / 1000.0);
        }
        self.count(&key, id, at, true);
    }

    fn count(&mut self, key: &Key, id: u128, at: Option<Instant>, stands: bool) {
        let change = |number: &mut u64| *number = if stands { *number + 1 } else { number.saturating_sub(1) };
        change(self.by_state.entry(key.clone()).or_default());
        if key.2 == "withdrawn" {
            return;
        }
        if REGISTRY.contains(&key.0.as_str()) {
            change(&mut self.registry);
        }
        if RUNNER.contains(&key.0.as_str()) {
            change(&mut self.runner);
            match at {
                Some(at) => self.week.push_back((at, id)),
                None => self.week.retain(|(_, known)| *known != id),
            }
        }
        if let Some((newest, _)) = self.week.iter().max() {
            let from = newest.plus_millis(-2 * WEEK);
            self.week.retain(|(at, _)| *at >= from);
        }
    }

    pub(super) fn runner_week(&self, now: Instant) -> u64 {
        self.week.iter().filter(|(at, _)| now.since(*at) < WEEK).count() as u64
    }
}

#[cfg(test)]
mod tests {
    use linkward_model::Digest;
    use linkward_testkit::noon;
    use serde_json::json;

    use super::*;

    fn says(name: &str, rule: &str, state: &str, more: Value) -> Value {
        let mut says = json!({
            "noticed": noon().plus_millis(3000),
            "finding": { "id": Digest::sha256(name.as_bytes()), "rule": rule, "alert": "page", "state": state, "at": noon() },
        });
        says.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap_or_default());
        says
    }

    #[test]
    fn each_finding_counts_once_in_its_newest_state() {
        let mut findings = Findings::default();
        findings.take(noon(), &says("a", "steps-altered", "provisional", json!({})));
        findings.take(noon(), &says("a", "steps-altered", "confirmed", json!({})));
        assert_eq!((findings.runner, findings.runner_week(noon())), (1, 1));
        assert_eq!((findings.latencies.count, findings.latencies.quantile(0.5)), (1, Some(3.0)));
        findings.take(noon(), &says("a", "steps-altered", "withdrawn", json!({})));
        assert_eq!((findings.runner, findings.runner_week(noon())), (0, 0));
        let stands: u64 = findings.by_state.values().sum();
        assert_eq!(stands, 1);
    }

    #[test]
    fn what_is_replayed_says_nothing_of_how_fast_we_are() {
        let mut findings = Findings::default();
        findings.take(noon(), &says("old", "tag-moved", "confirmed", json!({ "live": false })));
        assert_eq!((findings.latencies.count, findings.registry), (0, 1));
        findings.take(noon(), &says("new", "tag-moved", "confirmed", json!({ "live": true })));
        assert_eq!((findings.latencies.count, findings.registry), (1, 2));
    }
}
