//! Patterns of artifact rules: those of Python's fnmatch, as the reference implementation matches them. `*` crosses folders.

/// One step of a pattern.
enum Token {
    Any,
    Many,
    Literal(char),
    Set { negated: bool, ranges: Vec<(char, char)> },
}

impl Token {
    fn takes(&self, c: char) -> bool {
        match self {
            Self::Any | Self::Many => true,
            Self::Literal(own) => *own == c,
            Self::Set { negated, ranges } => {
                ranges.iter().any(|(from, to)| (*from..=*to).contains(&c)) != *negated
            }
        }
    }
}

/// A pattern, read once for all paths.
pub(super) struct Glob(Vec<Token>);

impl Glob {
    pub(super) fn new(pattern: &str) -> Self {
        let chars: Vec<char> = pattern.chars().collect();
        let mut tokens = Vec::new();
        let mut rest = chars.as_slice();
        while let [first, after @ ..] = rest {
            rest = after;
            tokens.push(match first {
                // Several stars in a row are one.
                '*' if matches!(tokens.last(), Some(Token::Many)) => continue,
                '*' => Token::Many,
                '?' => Token::Any,
                '[' => match set(after) {
                    Some((token, after)) => {
                        rest = after;
                        token
                    }
                    None => Token::Literal('['),
                },
                other => Token::Literal(*other),
            });
        }
        Self(tokens)
    }

    /// The whole path, always. Goes back to the last star alone, so that no pattern takes exponential time.
    pub(super) fn matches(&self, path: &str) -> bool {
        let chars: Vec<char> = path.chars().collect();
        let (mut token, mut at) = (0usize, 0usize);
        let mut star: Option<(usize, usize)> = None;
        while let Some(c) = chars.get(at) {
            match self.0.get(token) {
                Some(Token::Many) => {
                    star = Some((token, at));
                    token = token.saturating_add(1);
                    continue;
                }
                Some(one) if one.takes(*c) => {
                    token = token.saturating_add(1);
                    at = at.saturating_add(1);
                    continue;
                }
                _ => {}
            }
            let Some((many, from)) = star else { return false };
            let from = from.saturating_add(1);
            star = Some((many, from));
            token = many.saturating_add(1);
            at = from;
        }
        self.0.get(token..).unwrap_or_default().iter().all(|rest| matches!(rest, Token::Many))
    }
}

/// What stands between brackets, and what follows; `None` where they are not closed.
fn set(chars: &[char]) -> Option<(Token, &[char])> {
    let (negated, body) = match chars {
        ['!', body @ ..] => (true, body),
        body => (false, body),
    };
    // A bracket right at the start belongs to the set.
    let end = body.iter().skip(1).position(|c| *c == ']')?.saturating_add(1);
    let (mut inside, after) = (body.get(..end)?, body.get(end.saturating_add(1)..)?);
    let mut ranges = Vec::new();
    loop {
        inside = match inside {
            [] => break,
            [from, '-', to, rest @ ..] => {
                ranges.push((*from, *to));
                rest
            }
            [one, rest @ ..] => {
                ranges.push((*one, *one));
                rest
            }
        };
    }
    Some((Token::Set { negated, ranges }, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_fnmatch_does() {
        // What Python 3.11 answers to fnmatch.fnmatchcase(path, pattern).
        for (pattern, path, expected) in [
            ("*", "a/b", true),
            ("*.py", "a/b.py", true),
            ("*.py", "a/b.pyc", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("[ab]c", "bc", true),
            ("[!ab]c", "bc", false),
            ("[!ab]c", "dc", true),
            ("[a-c]x", "bx", true),
            ("[]]x", "]x", true),
            ("[!]]x", "]x", false),
            ("[ax", "[ax", true),
            ("[]", "[]", true),
            ("a**b", "a--b", true),
            ("", "", true),
            ("", "a", false),
            ("a*", "a", true),
            ("*a*a*a*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false),
            ("{a}", "a", false),
        ] {
            assert_eq!(Glob::new(pattern).matches(path), expected, "{pattern} {path}");
        }
    }
}
