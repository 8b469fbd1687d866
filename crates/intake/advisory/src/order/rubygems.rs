//! RubyGems: segments of digits and letters; letters make a pre-release, and zeros at the end of a run do not count.

use super::Unreadable;
use super::key::{Key, is_number, take, take_digits};

pub(super) fn encode(text: &str) -> Result<Vec<u8>, Unreadable> {
    // A dash is how RubyGems spells `.pre.`.
    let text = text.trim().replace('-', ".pre.");
    if !text.starts_with(|c: char| c.is_ascii_digit()) {
        return Err(Unreadable);
    }
    let mut segments: Vec<&str> = Vec::new();
    for part in text.split('.') {
        let mut rest = part;
        while let Some(first) = rest.chars().next() {
            let (segment, behind) =
                if first.is_ascii_digit() { take_digits(rest) } else { take(rest, |c| !c.is_ascii_digit()) };
            if !segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
                return Err(Unreadable);
            }
            segments.push(segment);
            rest = behind;
        }
    }
    let words = segments.iter().position(|segment| !is_number(segment)).unwrap_or(segments.len());
    let mut key = Key::default();
    let (numbers, tail) = segments.split_at(words);
    for run in [numbers, tail] {
        let zeros = run.iter().rev().take_while(|segment| segment.bytes().all(|byte| byte == b'0')).count();
        for segment in run.iter().take(run.len() - zeros) {
            if is_number(segment) {
                key.mark(3);
                key.number(segment);
            } else {
                key.mark(1);
                key.text(segment);
            }
        }
    }
    key.mark(2);
    Ok(key.done())
}
