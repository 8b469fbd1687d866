//! Semantic Versioning 2.0.0, as OSV uses it: a leading `v` is allowed, and whatever stands behind the third number
//! is build metadata. pub.dev orders by build metadata too; Semantic Versioning does not.

use super::Unreadable;
use super::key::{Key, is_number, take_digits};

pub(super) fn semver(text: &str) -> Result<Vec<u8>, Unreadable> {
    encode(text, false)
}

pub(super) fn publication(text: &str) -> Result<Vec<u8>, Unreadable> {
    encode(text, true)
}

fn encode(text: &str, with_build: bool) -> Result<Vec<u8>, Unreadable> {
    let mut rest = text.strip_prefix(['v', 'V']).unwrap_or(text);
    let mut key = Key::default();
    for place in 0..3 {
        let (digits, behind) = take_digits(rest);
        if place == 0 && digits.is_empty() {
            return Err(Unreadable);
        }
        key.number(digits);
        rest = behind;
        if place < 2 {
            match rest.strip_prefix('.').filter(|next| next.starts_with(|c: char| c.is_ascii_digit())) {
                Some(next) => rest = next,
                // `1` and `1.2` are read as `1.0.0` and `1.2.0`.
                None => {
                    (place..2).for_each(|_| key.number(""));
                    break;
                }
            }
        }
    }
    let (front, build) = match rest.split_once('+') {
        Some((front, build)) => (front, build),
        None => (rest, ""),
    };
    match front.strip_prefix('-') {
        Some(pre) => {
            key.mark(1);
            identifiers(&mut key, pre);
        }
        // A fourth number is build metadata; other text is not a version at all.
        None if front.is_empty() || front.starts_with('.') => key.mark(2),
        None => return Err(Unreadable),
    }
    if with_build {
        if build.is_empty() {
            key.mark(0);
        } else {
            key.mark(1);
            identifiers(&mut key, build);
        }
    }
    Ok(key.done())
}

/// Numbers before words, more identifiers after fewer.
pub(super) fn identifiers(key: &mut Key, text: &str) {
    for identifier in text.split('.') {
        if is_number(identifier) {
            key.mark(1);
            key.number(identifier);
        } else {
            key.mark(2);
            key.text(identifier);
        }
    }
    key.mark(0);
}

/// NuGet: like Semantic Versioning with four numbers, without regard to case.
pub(super) fn nuget(text: &str) -> Result<Vec<u8>, Unreadable> {
    let lower = text.to_lowercase();
    let bare = lower.split('+').next().unwrap_or_default();
    let bare = bare.strip_prefix('v').unwrap_or(bare);
    let (numbers, pre) = match bare.split_once('-') {
        Some((numbers, pre)) => (numbers, Some(pre)),
        None => (bare, None),
    };
    let mut parts: Vec<&str> = numbers.split('.').collect();
    if !parts.iter().all(|part| is_number(part)) {
        return Err(Unreadable);
    }
    while parts.last().is_some_and(|part| part.bytes().all(|byte| byte == b'0')) {
        parts.pop();
    }
    let mut key = Key::default();
    for part in parts {
        key.mark(1);
        key.number(part);
    }
    key.mark(0);
    match pre {
        Some(pre) => {
            key.mark(1);
            identifiers(&mut key, pre);
        }
        None => key.mark(2),
    }
    Ok(key.done())
}
