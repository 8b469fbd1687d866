//! Artifact rules (specification 4.3.3): a list that is gone through like that of a firewall.

use crate::Fault;
use crate::field::Field;

/// One rule, its words as they stand in the layout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rule {
    Create(String),
    Delete(String),
    Modify(String),
    Allow(String),
    Disallow(String),
    /// A path, not a pattern.
    Require(String),
    Match(Match),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Match {
    pub pattern: String,
    /// Empty where there is none.
    pub source_prefix: String,
    pub side: Side,
    /// Empty where there is none.
    pub destination_prefix: String,
    pub step: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Materials,
    Products,
}

impl Side {
    fn parse(word: &str) -> Option<Self> {
        match word.to_ascii_lowercase().as_str() {
            "materials" => Some(Self::Materials),
            "products" => Some(Self::Products),
            _ => None,
        }
    }

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Materials => "materials",
            Self::Products => "products",
        }
    }
}

impl Rule {
    pub(super) fn read(field: &Field<'_>) -> Result<Self, Fault> {
        let words: Vec<&str> = field.items()?.iter().map(Field::text).collect::<Result<_, _>>()?;
        Self::parse(&words).ok_or_else(|| {
            field.fault(
                "must be CREATE, MODIFY, DELETE, ALLOW, DISALLOW or REQUIRE and a pattern, or \
                 MATCH <pattern> [IN <prefix>] WITH MATERIALS|PRODUCTS [IN <prefix>] FROM <step>",
            )
        })
    }

    pub fn parse(words: &[&str]) -> Option<Self> {
        let is = |word: &str, name: &str| word.eq_ignore_ascii_case(name);
        match words {
            [verb, pattern] => {
                let pattern = (*pattern).to_owned();
                Some(match verb.to_ascii_lowercase().as_str() {
                    "create" => Self::Create(pattern),
                    "delete" => Self::Delete(pattern),
                    "modify" => Self::Modify(pattern),
                    "allow" => Self::Allow(pattern),
                    "disallow" => Self::Disallow(pattern),
                    "require" => Self::Require(pattern),
                    _ => return None,
                })
            }
            [verb, pattern, rest @ ..] if is(verb, "match") => {
                let (source_prefix, rest) = match rest {
                    [word, prefix, rest @ ..] if is(word, "in") => (*prefix, rest),
                    rest => ("", rest),
                };
                let [with, side, rest @ ..] = rest else { return None };
                let (destination_prefix, rest) = match rest {
                    [word, prefix, rest @ ..] if is(word, "in") => (*prefix, rest),
                    rest => ("", rest),
                };
                let [from, step] = rest else { return None };
                if !is(with, "with") || !is(from, "from") {
                    return None;
                }
                Some(Self::Match(Match {
                    pattern: (*pattern).to_owned(),
                    source_prefix: source_prefix.to_owned(),
                    side: Side::parse(side)?,
                    destination_prefix: destination_prefix.to_owned(),
                    step: (*step).to_owned(),
                }))
            }
            _ => None,
        }
    }

    /// Every word of it that a parameter may stand in.
    pub fn words_mut(&mut self) -> Vec<&mut String> {
        match self {
            Self::Create(text)
            | Self::Delete(text)
            | Self::Modify(text)
            | Self::Allow(text)
            | Self::Disallow(text)
            | Self::Require(text) => vec![text],
            Self::Match(Match { pattern, source_prefix, destination_prefix, step, .. }) => {
                vec![pattern, source_prefix, destination_prefix, step]
            }
        }
    }
}

impl std::fmt::Display for Rule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Create(pattern) => write!(f, "CREATE {pattern}"),
            Self::Delete(pattern) => write!(f, "DELETE {pattern}"),
            Self::Modify(pattern) => write!(f, "MODIFY {pattern}"),
            Self::Allow(pattern) => write!(f, "ALLOW {pattern}"),
            Self::Disallow(pattern) => write!(f, "DISALLOW {pattern}"),
            Self::Require(path) => write!(f, "REQUIRE {path}"),
            Self::Match(rule) => {
                write!(f, "MATCH {}", rule.pattern)?;
                if !rule.source_prefix.is_empty() {
                    write!(f, " IN {}", rule.source_prefix)?;
                }
                write!(f, " WITH {}", rule.side.as_str().to_uppercase())?;
                if !rule.destination_prefix.is_empty() {
                    write!(f, " IN {}", rule.destination_prefix)?;
                }
                write!(f, " FROM {}", rule.step)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<Rule> {
        Rule::parse(&text.split(' ').collect::<Vec<_>>())
    }

    #[test]
    fn every_form_is_read_and_written() {
        for text in [
            "CREATE a*",
            "DELETE a",
            "MODIFY a",
            "ALLOW *",
            "DISALLOW *",
            "REQUIRE x",
            "MATCH * WITH PRODUCTS FROM build",
            "MATCH * IN src WITH MATERIALS FROM build",
            "MATCH * WITH PRODUCTS IN out FROM build",
            "MATCH * IN src WITH PRODUCTS IN out FROM build",
        ] {
            assert_eq!(read(text).map(|rule| rule.to_string()).as_deref(), Some(text));
            assert!(read(&text.to_lowercase()).is_some(), "{text}");
        }
    }

    #[test]
    fn anything_else_is_none() {
        for text in [
            "",
            "ALLOW",
            "PERMIT *",
            "ALLOW a b",
            "MATCH *",
            "MATCH * WITH PRODUCTS",
            "MATCH * WITH ARTIFACTS FROM build",
            "MATCH * FROM build WITH PRODUCTS",
            "MATCH * IN WITH PRODUCTS FROM build",
            "MATCH * WITH PRODUCTS FROM build now",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
