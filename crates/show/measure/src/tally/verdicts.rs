//! The newest verdict of each artifact by environment.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{digest, text};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Newest {
    outcome: u8,
    whole: bool,
}

const OUTCOMES: [&str; 3] = ["allow", "deny", "unknown"];

#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Verdicts {
    environments: Vec<String>,
    #[serde(skip)]
    pub(super) newest: HashMap<(usize, u128), Newest>,
    /// By environment: artifacts, and those with everything.
    #[serde(skip)]
    pub(super) provenance: BTreeMap<String, (u64, u64)>,
    #[serde(skip)]
    pub(super) outcomes: BTreeMap<&'static str, u64>,
}

impl Verdicts {
    /// Complete where nothing that is asked for is missing.
    pub(super) fn take(&mut self, says: &Value) {
        let name = text(says, "/question/environment").unwrap_or("");
        let Some(digest) = digest(says, "/question/digest") else { return };
        let requirements = says.get("requirements").and_then(Value::as_array);
        let met = |name: &str| {
            requirements.into_iter().flatten().any(|requirement| {
                text(requirement, "/requirement") == Some(name)
                    && text(requirement, "/outcome") == Some("allow")
            })
        };
        let outcome = OUTCOMES.iter().position(|known| text(says, "/outcome") == Some(known)).unwrap_or(2);
        let fresh = Newest {
            outcome: outcome as u8,
            whole: ["provenance", "sbom", "signed"].iter().all(|name| met(name)),
        };
        let environment = match self.environments.iter().position(|known| known == name) {
            Some(position) => position,
            None => {
                self.environments.push(name.to_owned());
                self.environments.len() - 1
            }
        };
        let before = self.newest.insert((environment, digest), fresh);
        let (all, whole) = self.provenance.entry(name.to_owned()).or_default();
        match before {
            None => *all += 1,
            Some(before) => {
                *whole -= u64::from(before.whole);
                if let Some(count) = self.outcomes.get_mut(word(before)) {
                    *count = count.saturating_sub(1);
                }
            }
        }
        *whole += u64::from(fresh.whole);
        *self.outcomes.entry(word(fresh)).or_default() += 1;
    }

    /// The sums of what is known.
    pub(super) fn count_again(&mut self) {
        for ((environment, _), newest) in &self.newest {
            let name = self.environments.get(*environment).cloned().unwrap_or_default();
            let (all, whole) = self.provenance.entry(name).or_default();
            *all += 1;
            *whole += u64::from(newest.whole);
            *self.outcomes.entry(word(*newest)).or_default() += 1;
        }
    }

    /// Whether the newest verdict in any environment is that it may.
    pub(super) fn allows(&self, digest: u128) -> bool {
        let mut known =
            (0..self.environments.len()).filter_map(|at| self.newest.get(&(at, digest))).peekable();
        known.peek().is_some() && known.all(|newest| word(*newest) == "allow")
    }
}

fn word(newest: Newest) -> &'static str {
    OUTCOMES.get(usize::from(newest.outcome)).copied().unwrap_or("unknown")
}

#[cfg(test)]
mod tests {
    use linkward_model::Digest;
    use serde_json::json;

    use super::super::mark;
    use super::*;

    #[test]
    fn the_newest_counts() {
        let mut verdicts = Verdicts::default();
        let digest = Digest::sha256(b"x");
        let says = |outcome: &str, signed: &str| {
            let requirements: Vec<Value> = [("provenance", "allow"), ("sbom", "allow"), ("signed", signed)]
                .iter()
                .map(|(name, outcome)| json!({ "requirement": name, "outcome": outcome }))
                .collect();
            json!({ "question": { "environment": "production", "digest": digest }, "outcome": outcome, "requirements": requirements })
        };
        assert!(!verdicts.allows(mark(&digest)), "what nobody asked about is not allowed");
        verdicts.take(&says("unknown", "unknown"));
        verdicts.take(&says("allow", "allow"));
        assert_eq!(verdicts.provenance["production"], (1, 1));
        assert!(verdicts.allows(mark(&digest)));
        verdicts.take(&says("deny", "deny"));
        assert_eq!(verdicts.provenance["production"], (1, 0));
        assert_eq!((verdicts.outcomes["allow"], verdicts.outcomes["deny"]), (0, 1));
        assert!(!verdicts.allows(mark(&digest)));
    }
}
