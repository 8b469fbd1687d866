//! The recorded past judged again by the rules of today, beside what people said about its findings: how often each rule was
//! right, as far as anybody said.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use linkward_detect::{Alert, Estate, Tier};
use linkward_ledger::Kind;
use linkward_model::Instant;
use serde_json::{Value, json};

use super::Engine;
use crate::wire::VERSION;

/// One rule over the recorded past.
#[derive(Debug, Default)]
struct Line {
    /// Findings that it makes today, those among them that nobody was told of then, and recorded ones that it no longer makes.
    found: u64,
    new: u64,
    gone: u64,
    /// What the newest disposition of each recorded finding says.
    right: u64,
    benign: u64,
    expected: u64,
    open: u64,
}

impl Line {
    /// The share of what was said to be true among all of which anything was said; absent where nobody said anything.
    fn precision(&self) -> Option<f64> {
        let said = self.right + self.benign + self.expected;
        (said > 0).then(|| self.right as f64 / said as f64)
    }
}

impl Engine {
    /// Folds every recorded event again, with this estate, and records nothing.
    pub(super) fn backtest(&self, estate: Estate, now: Instant) -> Result<Value> {
        let mut state = self.folded_with(estate)?;
        state.engine.advance(now);
        let mut recorded: BTreeMap<String, (String, bool)> = BTreeMap::new();
        let mut said: BTreeMap<String, String> = BTreeMap::new();
        let text = |says: &Value, pointer: &str| {
            says.pointer(pointer).and_then(Value::as_str).unwrap_or("").to_owned()
        };
        // Newest first: the first that is met of each counts.
        self.each(Kind::Finding, |_, says, _| {
            let stands =
                text(says, "/finding/state") != "withdrawn" && text(says, "/finding/alert") != "none";
            recorded.entry(text(says, "/finding/id")).or_insert((text(says, "/finding/rule"), stands));
            Ok(())
        })?;
        self.each(Kind::Action, |_, says, _| {
            if text(says, "/what") == "disposition" {
                said.entry(text(says, "/finding")).or_insert(text(says, "/disposition"));
            }
            Ok(())
        })?;
        let mut lines: BTreeMap<String, Line> = BTreeMap::new();
        let mut today = BTreeSet::new();
        for finding in state.engine.findings().into_iter().filter(|finding| finding.alert != Alert::None) {
            let id = finding.id.digest().to_string();
            let line = lines.entry(finding.rule.to_owned()).or_default();
            line.found += 1;
            line.new += u64::from(!recorded.get(&id).is_some_and(|(_, stands)| *stands));
            today.insert(id);
        }
        for (id, (rule, stands)) in &recorded {
            let line = lines.entry(rule.clone()).or_default();
            line.gone += u64::from(*stands && !today.contains(id));
            match said.get(id).map(String::as_str) {
                Some("true") => line.right += 1,
                Some("benign") => line.benign += 1,
                Some("expected") => line.expected += 1,
                _ => line.open += u64::from(*stands),
            }
        }
        let rules: Vec<Value> = lines
            .iter()
            .map(|(rule, line)| {
                let tier = linkward_detect::rule(rule).map(|rule| rule.about().tier).unwrap_or(Tier::Weight);
                json!({
                    "rule": rule, "tier": tier, "found": line.found, "new": line.new, "gone": line.gone, "true": line.right,
                    "benign": line.benign, "expected": line.expected, "unsaid": line.open, "precision": line.precision(),
                })
            })
            .collect();
        Ok(json!({ "version": VERSION, "events": state.engine.load().events, "rules": rules }))
    }
}
