//! Tenants and environments: short names that appear in every record.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};

/// A name that does not fit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} `{name}` must be 1 to 63 characters of a-z, 0-9 and -, and start with a letter")]
pub struct NameError {
    what: &'static str,
    name: String,
}

macro_rules! name {
    ($type:ident, $what:literal, $default:literal, $doc:literal) => {
        #[doc = $doc]
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(transparent)]
        pub struct $type(String);

        impl $type {
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl Default for $type {
            fn default() -> Self {
                Self($default.to_owned())
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl FromStr for $type {
            type Err = NameError;

            fn from_str(name: &str) -> Result<Self, NameError> {
                if is_label(name) {
                    Ok(Self(name.to_owned()))
                } else {
                    Err(NameError { what: $what, name: name.to_owned() })
                }
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

name!(Tenant, "tenant", "default", "Whose evidence this is. One home may hold several tenants.");
name!(Environment, "environment", "development", "Where an artifact is meant to run: policy differs by it.");

fn is_label(name: &str) -> bool {
    (1..=63).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        assert!("production".parse::<Environment>().is_ok());
        for bad in ["", "Prod", "1st", "a b", "../x", "ä"] {
            assert!(bad.parse::<Environment>().is_err(), "{bad}");
        }
        let message = "Prod".parse::<Tenant>().unwrap_err().to_string();
        assert!(message.starts_with("tenant `Prod`"), "{message}");
    }
}
