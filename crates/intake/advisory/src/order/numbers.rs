//! Hackage and CRAN: whole numbers and nothing else; more numbers come after fewer.

use super::Unreadable;
use super::key::{Key, is_number};

pub(super) fn hackage(text: &str) -> Result<Vec<u8>, Unreadable> {
    numbers(text.split('.'))
}

pub(super) fn cran(text: &str) -> Result<Vec<u8>, Unreadable> {
    numbers(text.split(['.', '-']))
}

fn numbers<'a>(parts: impl Iterator<Item = &'a str>) -> Result<Vec<u8>, Unreadable> {
    let mut key = Key::default();
    for part in parts {
        if !is_number(part) {
            return Err(Unreadable);
        }
        key.mark(1);
        key.number(part);
    }
    key.mark(0);
    Ok(key.done())
}
