//! How an expected name is spelled: exact, a glob, or an anchored regular expression.

use regex::Regex;

/// A name, `*` within a path segment, `**` across them, or `regex:` and an expression for the whole name.
#[derive(Clone, Debug)]
pub enum Pattern {
    Exact(String),
    Expression { text: String, regex: Regex },
}

#[derive(Clone, Debug, thiserror::Error)]
#[error("`{0}` is not a pattern: the expression does not compile")]
pub struct PatternError(String);

impl Pattern {
    pub fn exact(text: &str) -> Self {
        Self::Exact(text.to_owned())
    }

    /// # Errors
    /// The regular expression does not compile, or would be too large.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        let expression = match text.strip_prefix("regex:") {
            Some(expression) => expression.to_owned(),
            None if text.contains('*') => glob(text),
            None => return Ok(Self::exact(text)),
        };
        // On its own first: `a)|(?:b` would close the group below and leave both of its halves unanchored.
        if Regex::new(&expression).is_err() {
            return Err(PatternError(text.to_owned()));
        }
        // Never unanchored: `evil.example/github.com/org` must not match `github.com/org`.
        regex::RegexBuilder::new(&format!(r"\A(?:{expression})\z"))
            .size_limit(1 << 20)
            .build()
            .map(|regex| Self::Expression { text: text.to_owned(), regex })
            .map_err(|_| PatternError(text.to_owned()))
    }

    pub fn matches(&self, name: &str) -> bool {
        match self {
            Self::Exact(text) => text == name,
            Self::Expression { regex, .. } => regex.is_match(name),
        }
    }

    pub fn as_str(&self) -> &str {
        match self {
            Self::Exact(text) | Self::Expression { text, .. } => text,
        }
    }
}

fn glob(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((literal, after)) = rest.split_once('*') {
        out.push_str(&regex::escape(literal));
        rest = match after.strip_prefix('*') {
            Some(after) => {
                out.push_str(".*");
                after
            }
            None => {
                out.push_str("[^/]*");
                after
            }
        };
    }
    out.push_str(&regex::escape(rest));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matching_is_always_of_the_whole_name() {
        for (pattern, name, expected) in [
            ("a.b", "a.b", true),
            ("a.b", "axb", false),
            ("https://github.com/org/*", "https://github.com/org/repo", true),
            ("https://github.com/org/*", "https://github.com/org/repo/x", false),
            ("https://github.com/org/**", "https://github.com/org/repo/x", true),
            ("https://github.com/org/**", "https://evil.example/https://github.com/org/x", false),
            ("regex:a|b", "ab", false),
            ("regex:a+", "aaa", true),
            ("**", "anything/at all", true),
        ] {
            assert_eq!(Pattern::parse(pattern).unwrap().matches(name), expected, "{pattern} {name}");
        }
        assert!(Pattern::parse("regex:(").is_err());
    }
}
