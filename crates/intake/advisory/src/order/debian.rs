//! Debian policy, 5.6.12: epoch, upstream version, revision; `~` comes before the end, letters before other characters.

use super::Unreadable;
use super::key::{Key, is_number, take, take_digits};

const END: u8 = 2;

pub(super) fn encode(text: &str) -> Result<Vec<u8>, Unreadable> {
    let text = text.trim();
    let (epoch, rest) = match text.split_once(':') {
        Some((epoch, rest)) if is_number(epoch) => (epoch, rest),
        Some(_) => return Err(Unreadable),
        None => ("", text),
    };
    let (upstream, revision) = rest.rsplit_once('-').unwrap_or((rest, ""));
    if upstream.is_empty() || text.contains(char::is_whitespace) {
        return Err(Unreadable);
    }
    let mut key = Key::default();
    key.number(epoch);
    part(&mut key, upstream);
    part(&mut key, revision);
    Ok(key.done())
}

/// Runs of other characters and runs of digits by turns; a missing number is zero, so that `1` and `1a` compare like `1` and `1a0`.
fn part(key: &mut Key, text: &str) {
    let mut rest = text;
    loop {
        let (word, behind) = take(rest, |c| !c.is_ascii_digit());
        for c in word.chars() {
            match c {
                '~' => key.mark(1),
                'A'..='Z' | 'a'..='z' => key.mark(u8::try_from(c).unwrap_or(b'z')),
                // Behind the letters, in their own order; characters that Debian forbids come last.
                other => {
                    key.mark(u8::try_from(u32::from(other)).map_or(u8::MAX, |byte| byte.saturating_add(128)))
                }
            }
        }
        key.mark(END);
        let (digits, behind) = take_digits(behind);
        key.number(digits);
        rest = behind;
        if rest.is_empty() {
            return key.mark(END);
        }
    }
}
