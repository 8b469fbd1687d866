//! Byte keys whose order is the order of versions, so that matching compares bytes and parses nothing.

/// A key under construction. Marks say what stands next; their order decides between things of different kind.
#[derive(Debug, Default)]
pub(crate) struct Key(Vec<u8>);

impl Key {
    pub(crate) fn mark(&mut self, mark: u8) {
        self.0.push(mark);
    }

    /// A whole number of any length, written in decimal digits; nothing counts as zero.
    ///
    /// The length stands first, so that more digits are more. Components of 30 digits are published: no integer holds them.
    pub(crate) fn number(&mut self, digits: &str) {
        let digits = digits.trim_start_matches('0');
        match digits.parse::<u64>() {
            Ok(value) => {
                let bytes = value.to_be_bytes();
                let skip = (value.leading_zeros() / 8) as usize;
                self.0.push(u8::try_from(8 - skip).unwrap_or(8));
                self.0.extend(bytes.iter().skip(skip));
            }
            Err(_) if digits.is_empty() => self.0.push(0),
            Err(_) => {
                self.0.push(9);
                self.0.extend(u16::try_from(digits.len()).unwrap_or(u16::MAX).to_be_bytes());
                self.0.extend(digits.as_bytes());
            }
        }
    }

    /// Text in the order of its bytes; a prefix comes first. Zero bytes cannot stand in a version.
    pub(crate) fn text(&mut self, text: &str) {
        self.0.extend(text.bytes().filter(|byte| *byte != 0));
        self.0.push(0);
    }

    pub(crate) fn done(self) -> Vec<u8> {
        self.0
    }
}

/// Whether a text is one or more decimal digits.
pub(crate) fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The longest head whose characters all fit, and the rest.
pub(crate) fn take(text: &str, fits: impl Fn(char) -> bool) -> (&str, &str) {
    let end = text.find(|c| !fits(c)).unwrap_or(text.len());
    text.split_at(end)
}

pub(crate) fn take_digits(text: &str) -> (&str, &str) {
    take(text, |c| c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(digits: &str) -> Vec<u8> {
        let mut key = Key::default();
        key.number(digits);
        key.done()
    }

    #[test]
    fn numbers_of_any_length_keep_their_order() {
        let long = "9".repeat(30);
        let longer = format!("1{}", "0".repeat(30));
        let rising =
            ["", "1", "9", "10", "255", "256", "65536", "18446744073709551615", "18446744073709551616"];
        let all: Vec<&str> = rising.into_iter().chain([long.as_str(), longer.as_str()]).collect();
        for pair in all.windows(2) {
            let [a, b] = pair else { continue };
            assert!(of(a) < of(b), "{a} {b}");
        }
        assert_eq!(of("007"), of("7"));
        assert_eq!(of("0"), of(""));
    }
}
