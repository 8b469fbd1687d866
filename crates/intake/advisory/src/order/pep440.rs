//! PEP 440; what does not follow it comes before everything that does, in the order that setuptools gave such versions.

use super::Unreadable;
use super::key::{Key, is_number, take, take_digits};

pub(super) fn encode(text: &str) -> Result<Vec<u8>, Unreadable> {
    let lower = text.trim().to_lowercase();
    if lower.is_empty() {
        return Err(Unreadable);
    }
    Ok(modern(&lower).unwrap_or_else(|| legacy(&lower)))
}

/// Marks: 0 is before, 1 the thing itself, 2 behind.
fn modern(text: &str) -> Option<Vec<u8>> {
    let mut key = Key::default();
    key.mark(1);
    let text = text.strip_prefix('v').unwrap_or(text);
    let (public, local) = match text.split_once('+') {
        Some((public, local)) => (public, Some(local)),
        None => (text, None),
    };
    let (epoch, rest) = match public.split_once('!') {
        Some((epoch, rest)) if is_number(epoch) => (epoch, rest),
        Some(_) => return None,
        None => ("", public),
    };
    key.number(epoch);
    let mut release = Vec::new();
    let mut rest = rest;
    loop {
        let (digits, behind) = take_digits(rest);
        if digits.is_empty() {
            return None;
        }
        release.push(digits);
        rest = behind;
        match rest.strip_prefix('.') {
            Some(next) if next.starts_with(|c: char| c.is_ascii_digit()) => rest = next,
            _ => break,
        }
    }
    while release.last().is_some_and(|part| part.bytes().all(|byte| byte == b'0')) {
        release.pop();
    }
    for part in release {
        key.mark(1);
        key.number(part);
    }
    key.mark(0);
    let pre;
    (pre, rest) = labelled(
        rest,
        &[("alpha", 1), ("a", 1), ("beta", 2), ("b", 2), ("preview", 3), ("pre", 3), ("rc", 3), ("c", 3)],
    );
    let post;
    (post, rest) = match rest.strip_prefix('-').map(take_digits) {
        // `1.0-1` is a post release too.
        Some((digits, behind)) if !digits.is_empty() => (Some((1, digits)), behind),
        _ => labelled(rest, &[("post", 1), ("rev", 1), ("r", 1)]),
    };
    let (dev, rest) = labelled(rest, &[("dev", 1)]);
    if !rest.is_empty() {
        return None;
    }
    match (pre, post, dev) {
        // A development release of nothing else comes before its pre-releases.
        (None, None, Some(_)) => key.mark(0),
        (None, ..) => key.mark(9),
        (Some((kind, digits)), ..) => {
            key.mark(kind);
            key.number(digits);
        }
    }
    match post {
        None => key.mark(0),
        Some((_, digits)) => {
            key.mark(1);
            key.number(digits);
        }
    }
    match dev {
        None => key.mark(9),
        Some((_, digits)) => {
            key.mark(1);
            key.number(digits);
        }
    }
    match local {
        None => key.mark(0),
        Some(local) => {
            key.mark(1);
            for part in local.split(['.', '-', '_']) {
                if part.is_empty() || !part.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
                    return None;
                }
                if is_number(part) {
                    key.mark(2);
                    key.number(part);
                } else {
                    key.mark(1);
                    key.text(part);
                }
            }
            key.mark(0);
        }
    }
    Some(key.done())
}

/// A label of the list with its number, with the separators that PEP 440 lets stand around it.
fn labelled<'a>(text: &'a str, labels: &[(&str, u8)]) -> (Option<(u8, &'a str)>, &'a str) {
    let bare = text.strip_prefix(['.', '-', '_']).unwrap_or(text);
    for (label, kind) in labels {
        if let Some(rest) = bare.strip_prefix(label) {
            let inner = rest.strip_prefix(['.', '-', '_']).unwrap_or(rest);
            let (digits, behind) = take_digits(inner);
            // A separator without a number belongs to what follows.
            let behind = if digits.is_empty() { rest } else { behind };
            if behind.starts_with(|c: char| c.is_ascii_alphabetic()) && digits.is_empty() {
                continue;
            }
            return (Some((*kind, digits)), behind);
        }
    }
    (None, text)
}

fn legacy(text: &str) -> Vec<u8> {
    let mut parts: Vec<String> = Vec::new();
    let mut rest = text;
    let mut push = |part: String| {
        if part.starts_with('*') {
            if part.as_str() < "*final" {
                while parts.last().is_some_and(|last| last == "*final-") {
                    parts.pop();
                }
            }
            while parts.last().is_some_and(|last| last == "00000000") {
                parts.pop();
            }
        }
        parts.push(part);
    };
    while let Some(first) = rest.chars().next() {
        let (part, behind) = match first {
            '0'..='9' => take_digits(rest),
            'a'..='z' => take(rest, |c| c.is_ascii_lowercase()),
            '.' | '-' => rest.split_at(1),
            _ => take(rest, |c| !c.is_ascii_lowercase() && !c.is_ascii_digit() && c != '.' && c != '-'),
        };
        rest = behind;
        match part {
            "." => {}
            "pre" | "preview" | "rc" => push("*c".to_owned()),
            "-" => push("*final-".to_owned()),
            "dev" => push("*@".to_owned()),
            part if first.is_ascii_digit() => push(format!("{part:0>8}")),
            part => push(format!("*{part}")),
        }
    }
    push("*final".to_owned());
    let mut key = Key::default();
    key.mark(0);
    for part in &parts {
        key.mark(1);
        key.text(part);
    }
    key.mark(0);
    key.done()
}
