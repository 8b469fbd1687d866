//! Roles, each with all that those before it may.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What somebody may do on the console.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Role {
    /// Reads every page.
    Viewer,
    /// Takes findings up, says what they were, announces work.
    Responder,
    /// Takes tokens back and ends logins.
    Admin,
}

impl Role {
    const ALL: [Self; 3] = [Self::Viewer, Self::Responder, Self::Admin];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Responder => "responder",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|role| role.as_str() == text)
            .ok_or_else(|| format!("`{text}` is no role; there are viewer, responder and admin"))
    }
}

/// One line of `[login] roles`: who shows this value in this claim has this role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RoleRule {
    claim: String,
    value: String,
    role: Role,
}

impl FromStr for RoleRule {
    type Err = String;

    /// `groups=platform:responder`.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` must be CLAIM=VALUE:ROLE, such as groups=oncall:responder");
        let (left, role) = text.rsplit_once(':').ok_or_else(wrong)?;
        let (claim, value) = left.split_once('=').ok_or_else(wrong)?;
        if claim.trim().is_empty() || value.trim().is_empty() {
            return Err(wrong());
        }
        Ok(Self {
            claim: claim.trim().to_owned(),
            value: value.trim().to_owned(),
            role: role.trim().parse()?,
        })
    }
}

impl RoleRule {
    /// The highest role that the rules give to these claims.
    pub(crate) fn highest(rules: &[Self], claims: &serde_json::Value) -> Option<Role> {
        rules.iter().filter(|rule| rule.holds(claims)).map(|rule| rule.role).max()
    }

    fn holds(&self, claims: &serde_json::Value) -> bool {
        use serde_json::Value;
        // An address that the provider has not verified is whatever somebody typed.
        if self.claim == "email" && claims.get("email_verified") != Some(&Value::Bool(true)) {
            return false;
        }
        match claims.get(&self.claim) {
            Some(Value::String(one)) => *one == self.value,
            Some(Value::Bool(one)) => one.to_string() == self.value,
            Some(Value::Array(many)) => many.iter().any(|one| one.as_str() == Some(&self.value)),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_highest_role_counts_and_an_unverified_address_none() {
        let rules: Vec<RoleRule> =
            ["groups=staff:viewer", "groups=oncall:responder", "email=ann@example.com:admin"]
                .iter()
                .map(|text| text.parse().unwrap())
                .collect();
        let highest = |claims| RoleRule::highest(&rules, &claims);
        assert_eq!(highest(json!({ "groups": ["staff", "oncall"] })), Some(Role::Responder));
        assert_eq!(highest(json!({ "groups": "staff" })), Some(Role::Viewer));
        assert_eq!(highest(json!({ "groups": ["staffs"], "sub": "staff" })), None);
        assert_eq!(highest(json!({ "email": "ann@example.com" })), None);
        assert_eq!(highest(json!({ "email": "ann@example.com", "email_verified": "true" })), None);
        assert_eq!(highest(json!({ "email": "ann@example.com", "email_verified": true })), Some(Role::Admin));
        for wrong in ["groups=staff", "groups:viewer", "=a:viewer", "a=:viewer", "a=b:owner", ""] {
            assert!(wrong.parse::<RoleRule>().is_err(), "{wrong}");
        }
        assert!(Role::Viewer < Role::Responder && Role::Responder < Role::Admin);
    }
}
