//! Alpine: `number{.number}{letter}{_suffix{number}}{~hash}{-r#}`. What does not fit stands below what does.

use super::Unreadable;
use super::key::{Key, take, take_digits};

/// Suffixes and their marks: those of pre-releases below the end, the others above it.
const SUFFIXES: &[(&str, u8)] = &[
    ("_alpha", 1),
    ("_beta", 2),
    ("_pre", 3),
    ("_rc", 4),
    ("_cvs", 6),
    ("_svn", 7),
    ("_git", 8),
    ("_hg", 9),
    ("_p", 10),
];
const END: u8 = 5;

pub(super) fn encode(text: &str) -> Result<Vec<u8>, Unreadable> {
    if text.is_empty() {
        return Err(Unreadable);
    }
    let mut key = Key::default();
    let (first, mut rest) = take_digits(text);
    key.number(first);
    while let Some(next) =
        rest.strip_prefix('.').filter(|next| next.starts_with(|c: char| c.is_ascii_digit()))
    {
        let (digits, behind) = take_digits(next);
        rest = behind;
        // A leading zero makes it a fraction: compared as text, and below every number without one.
        if digits.starts_with('0') {
            key.mark(1);
            key.text(digits);
        } else {
            key.mark(2);
            key.number(digits);
        }
    }
    key.mark(0);
    match rest.chars().next() {
        Some(letter @ 'a'..='z') => {
            key.mark(u8::try_from(letter).unwrap_or(b'z'));
            // OpenSSH's `6.6.2p1`: not by the grammar, yet released.
            let (digits, behind) = take_digits(rest.split_at(1).1);
            key.number(digits);
            rest = behind;
        }
        _ => key.mark(0),
    }
    while let Some((mark, behind)) =
        SUFFIXES.iter().find_map(|(name, mark)| Some((*mark, rest.strip_prefix(name)?)))
    {
        let (digits, behind) = take_digits(behind);
        key.mark(mark);
        key.number(digits);
        rest = behind;
    }
    key.mark(END);
    if let Some(hash) = rest.strip_prefix('~') {
        let (hash, behind) = take(hash, |c| c.is_ascii_hexdigit());
        key.text(hash);
        rest = behind;
    } else {
        key.text("");
    }
    if let Some(revision) = rest.strip_prefix("-r") {
        let (digits, behind) = take_digits(revision);
        key.number(digits);
        rest = behind;
        if !rest.is_empty() {
            rest = "-";
        }
    } else {
        key.number("");
    }
    match rest {
        "" => key.mark(2),
        // Behind a dash nothing is compared.
        rest => {
            key.mark(1);
            key.text(rest.split('-').next().unwrap_or_default());
        }
    }
    Ok(key.done())
}
