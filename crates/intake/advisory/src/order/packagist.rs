//! Packagist: PHP's `version_compare`. Its order is not transitive (`#` equals both a number and the end), so
//! no byte key can carry it: versions are compared as text.

use std::cmp::Ordering;

use super::key::is_number;

pub(super) fn compare(a: &str, b: &str) -> Ordering {
    let (a, b) = (parts(a), parts(b));
    let mut left = a.iter().map(String::as_str);
    let mut right = b.iter().map(String::as_str);
    loop {
        let order = match (left.next(), right.next()) {
            (None, None) => return Ordering::Equal,
            (Some(more), None) => return behind_the_end(more, left.next()),
            (None, Some(more)) => return behind_the_end(more, right.next()).reverse(),
            (Some(a), Some(b)) => part(a, b),
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}

/// Parts at every separator and between digits and other characters.
fn parts(text: &str) -> Vec<String> {
    let lower = text.trim();
    let lower = lower.strip_prefix(['v', 'V']).unwrap_or(lower);
    let mut found = Vec::new();
    let mut part = String::new();
    for c in lower.chars() {
        let separates = matches!(c, '.' | '-' | '_' | '+');
        let turns = part.chars().last().is_some_and(|last| last.is_ascii_digit() != c.is_ascii_digit());
        if (separates || turns) && !part.is_empty() {
            found.push(std::mem::take(&mut part));
        }
        if !separates {
            part.push(c);
        }
    }
    if !part.is_empty() {
        found.push(part);
    }
    found
}

/// A version that goes on where the other ends: a number is more, a word is compared with `#`.
fn behind_the_end(more: &str, then: Option<&str>) -> Ordering {
    match (more, then) {
        (more, _) if is_number(more) => Ordering::Greater,
        ("#", None) => Ordering::Equal,
        ("#", Some(then)) => behind_the_end(then, None),
        (word, _) => rank(word).cmp(&rank("#")),
    }
}

fn part(a: &str, b: &str) -> Ordering {
    match (is_number(a), is_number(b)) {
        (true, true) => {
            let (a, b) = (a.trim_start_matches('0'), b.trim_start_matches('0'));
            a.len().cmp(&b.len()).then_with(|| a.cmp(b))
        }
        (false, false) => rank(a).cmp(&rank(b)),
        (true, false) => rank("#").cmp(&rank(b)),
        (false, true) => rank(a).cmp(&rank("#")),
    }
}

fn rank(word: &str) -> u8 {
    let known = [("dev", 1), ("a", 2), ("b", 3), ("RC", 4), ("rc", 4), ("#", 5), ("p", 6)];
    known.iter().find(|(start, _)| word.starts_with(start)).map_or(0, |(_, rank)| *rank)
}
