//! When a workload may go back without a person: by policy, in chosen environments, not too often, and only while somebody is there.
//!
//! An attacker who can revoke could otherwise roll a whole estate back, again and again, at night. The rate limit bounds the damage;
//! the dead man's switch stops the automation when nobody has said for a while that they are watching it.

use linkward_ledger::{Body, Kind, Recordable, Term, TermKind};
use linkward_model::{Environment, Instant};
use serde::{Deserialize, Serialize};

/// What the operator allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Automatic {
    pub on: bool,
    pub environments: Vec<Environment>,
    pub most_per_hour: usize,
    /// For how long one "I am here" counts.
    pub presence_millis: i64,
}

/// Why nothing is done by itself.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Hold {
    #[error("automatic rollback is off; turn it on with `auto` in [rollback] of linkward.toml")]
    Off,
    #[error("automatic rollback is not allowed in {0}; see `environments` in [rollback] of linkward.toml")]
    Environment(Environment),
    #[error("{0} automatic rollbacks in the last hour, no more are allowed")]
    Often(usize),
    #[error("nobody has said to be there since {}; say so with `linkward rollback --present`", .0.map_or_else(|| "ever".to_owned(), |at| at.to_string()))]
    Nobody(Option<Instant>),
}

impl Automatic {
    /// Whether one more may be done now, after those of `before`, with the newest sign of presence.
    ///
    /// # Errors
    /// What holds it.
    pub fn may(
        &self,
        environment: &Environment,
        before: &[Instant],
        present: Option<Instant>,
        now: Instant,
    ) -> Result<(), Hold> {
        if !self.on {
            return Err(Hold::Off);
        }
        if !self.environments.contains(environment) {
            return Err(Hold::Environment(environment.clone()));
        }
        // A presence of the future is a clock that was set back: it must not hold for ever.
        let there = present.is_some_and(|at| (0..=self.presence_millis).contains(&now.since(at)));
        if !there {
            return Err(Hold::Nobody(present));
        }
        let recent = before.iter().filter(|at| now.since(**at) < 3_600_000).count();
        if recent >= self.most_per_hour { Err(Hold::Often(recent)) } else { Ok(()) }
    }
}

/// Records about going back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "what", deny_unknown_fields)]
pub enum RollbackRecord {
    /// It was decided that a workload goes back.
    Rollback { workload: String, from: u64, to: u64, automatic: bool, author: String, reason: String },
    /// Somebody is there.
    Presence { author: String },
}

impl RollbackRecord {
    /// The term that records of either sort are found by.
    pub fn term(automatic: bool) -> Term {
        Term::new(TermKind::Name, if automatic { "rollback:automatic" } else { "rollback:presence" })
    }
}

impl Recordable for RollbackRecord {
    fn body(&self) -> Body {
        let terms = match self {
            Self::Rollback { workload, automatic, .. } => {
                let mut terms = vec![Term::new(TermKind::Name, format!("rollback:of:{workload}"))];
                terms.extend(automatic.then(|| Self::term(true)));
                terms
            }
            Self::Presence { .. } => vec![Self::term(false)],
        };
        Body::new(Kind::Action, terms, Vec::new(), serde_json::to_value(self).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_where_it_is_wanted_while_somebody_watches_and_not_too_often() {
        let now = linkward_testkit::noon();
        let production: Environment = "production".parse().unwrap();
        let automatic = Automatic {
            on: true,
            environments: vec![production.clone()],
            most_per_hour: 2,
            presence_millis: 60_000,
        };
        let ago = |minutes: i64| now.plus_millis(-minutes * 60_000);
        let may = |before: &[Instant], present| automatic.may(&production, before, present, now);
        assert_eq!(may(&[], Some(ago(1))), Ok(()));
        assert_eq!(may(&[], None), Err(Hold::Nobody(None)));
        assert!(matches!(may(&[], Some(ago(2))), Err(Hold::Nobody(_))));
        assert!(matches!(may(&[], Some(ago(-5))), Err(Hold::Nobody(_))), "a clock that was set back");
        assert_eq!(may(&[ago(5), ago(61)], Some(now)), Ok(()));
        assert_eq!(may(&[ago(5), ago(59)], Some(now)), Err(Hold::Often(2)));
        assert!(matches!(
            automatic.may(&Environment::default(), &[], Some(now), now),
            Err(Hold::Environment(_))
        ));
        let off = Automatic { on: false, ..automatic };
        assert_eq!(off.may(&production, &[], Some(now), now), Err(Hold::Off));
    }
}
