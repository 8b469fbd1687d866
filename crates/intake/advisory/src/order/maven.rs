//! Maven: the version order of the POM reference. It is not transitive (`1.sp < 1.0.alpha < 1`, yet `1 < 1.sp`),
//! so no byte key can carry it: versions are compared token by token.

use std::cmp::Ordering;

use super::key::{is_number, take, take_digits};

#[derive(Clone, Debug, PartialEq, Eq)]
struct Token {
    /// Whether a hyphen, or the change between digits and letters, stands before it.
    hyphen: bool,
    value: String,
}

pub(super) fn compare(a: &str, b: &str) -> Ordering {
    let (a, b) = (tokens(a), tokens(b));
    for index in 0..a.len().max(b.len()) {
        let order = match (a.get(index), b.get(index)) {
            (Some(a), Some(b)) => token(a, b),
            (Some(a), None) => token(a, &padding(a)),
            (None, Some(b)) => token(&padding(b), b),
            (None, None) => Ordering::Equal,
        };
        if order != Ordering::Equal {
            return order;
        }
    }
    Ordering::Equal
}

/// The shorter version is filled up with nothing: zero where the other has a number behind a dot, an empty qualifier elsewhere.
fn padding(other: &Token) -> Token {
    let zero = !other.hyphen && is_number(&other.value);
    Token { hyphen: other.hyphen, value: if zero { "0".to_owned() } else { String::new() } }
}

fn tokens(text: &str) -> Vec<Token> {
    let lower = text.trim().to_lowercase();
    let mut found: Vec<Token> = Vec::new();
    let mut rest = lower.as_str();
    let mut hyphen = false;
    loop {
        let digits = rest.starts_with(|c: char| c.is_ascii_digit());
        let (value, behind) = if digits {
            take_digits(rest)
        } else {
            take(rest, |c| !c.is_ascii_digit() && c != '.' && c != '-')
        };
        let turns = !behind.is_empty() && !behind.starts_with(['.', '-']);
        let short = if turns && !digits { full_name(value) } else { value };
        let value = match short {
            "" => "0",
            "cr" => "rc",
            "ga" | "final" | "release" => "",
            other => other,
        };
        found.push(Token { hyphen, value: value.to_owned() });
        let Some(next) = behind.chars().next() else { break };
        hyphen = turns || next != '.';
        rest = if turns { behind } else { behind.split_at(1).1 };
    }
    trim(found)
}

/// `a`, `b` and `m` are short for these where a number follows at once.
fn full_name(word: &str) -> &str {
    match word {
        "a" => "alpha",
        "b" => "beta",
        "m" => "milestone",
        other => other,
    }
}

/// Drops what means nothing from the end, and again before each hyphen from the end to the start.
fn trim(tokens: Vec<Token>) -> Vec<Token> {
    let mut kept: Vec<Token> = Vec::new();
    for token in tokens.into_iter().rev() {
        let nothing = token.value.is_empty() || token.value.bytes().all(|byte| byte == b'0');
        let at_the_end = kept.last().is_none_or(|behind| behind.hyphen);
        if !(nothing && at_the_end) {
            kept.push(token);
        }
    }
    kept.reverse();
    // The first token stands without a separator; a version of nothing is zero.
    if let Some(first) = kept.first_mut()
        && first.hyphen
    {
        kept.insert(0, Token { hyphen: false, value: "0".to_owned() });
    }
    kept
}

fn token(a: &Token, b: &Token) -> Ordering {
    match (is_number(&a.value), is_number(&b.value)) {
        (true, true) if a.hyphen == b.hyphen => number(&a.value, &b.value),
        // A number behind a hyphen comes before one behind a dot.
        (true, true) => b.hyphen.cmp(&a.hyphen),
        (true, false) => Ordering::Greater,
        (false, true) => Ordering::Less,
        // Written `.qualifier = -qualifier` in the reference; published pairs put the dot first.
        (false, false) if a.hyphen != b.hyphen => a.hyphen.cmp(&b.hyphen),
        (false, false) => rank(&a.value).cmp(&rank(&b.value)).then_with(|| a.value.cmp(&b.value)),
    }
}

fn number(a: &str, b: &str) -> Ordering {
    let (a, b) = (a.trim_start_matches('0'), b.trim_start_matches('0'));
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

fn rank(word: &str) -> u8 {
    let known = ["alpha", "beta", "milestone", "rc", "snapshot", "", "sp"];
    known.iter().position(|name| *name == word).map_or(7, |rank| u8::try_from(rank).unwrap_or(7))
}
