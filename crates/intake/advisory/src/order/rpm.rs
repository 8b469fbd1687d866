//! RPM: `[epoch:]version[-release]`, each compared in runs of digits and letters; everything else only separates.

use super::Unreadable;
use super::key::{Key, is_number, take, take_digits};

pub(super) fn encode(text: &str) -> Result<Vec<u8>, Unreadable> {
    let text = text.trim();
    if text.is_empty() {
        return Err(Unreadable);
    }
    let (epoch, rest) = match text.split_once(':') {
        Some((epoch, rest)) if is_number(epoch) => (epoch, rest),
        // A colon behind anything but digits is a separator like others.
        _ => ("", text),
    };
    let (version, release) = match rest.rsplit_once('-') {
        Some((version, release)) => (version, Some(release)),
        None => (rest, None),
    };
    let mut key = Key::default();
    key.number(epoch);
    runs(&mut key, version);
    match release {
        None => key.mark(0),
        Some(release) => {
            key.mark(1);
            runs(&mut key, release);
        }
    }
    Ok(key.done())
}

/// `~` < end < `^` < letters < digits.
fn runs(key: &mut Key, text: &str) {
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        match first {
            '0'..='9' => {
                let (digits, behind) = take_digits(rest);
                key.mark(5);
                key.number(digits);
                rest = behind;
            }
            'A'..='Z' | 'a'..='z' => {
                let (word, behind) = take(rest, |c| c.is_ascii_alphabetic());
                key.mark(4);
                key.text(word);
                rest = behind;
            }
            _ => {
                match first {
                    '~' => key.mark(1),
                    '^' => key.mark(3),
                    _ => {}
                }
                rest = rest.split_at(first.len_utf8()).1;
            }
        }
    }
    key.mark(2);
}
