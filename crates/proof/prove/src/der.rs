//! A reader of DER (X.690) that borrows and never panics. Only definite, minimal lengths are read.

use linkward_model::Instant;

pub(crate) const INTEGER: u8 = 0x02;
pub(crate) const BIT_STRING: u8 = 0x03;
pub(crate) const OCTET_STRING: u8 = 0x04;
pub(crate) const OID: u8 = 0x06;
pub(crate) const UTC_TIME: u8 = 0x17;
pub(crate) const GENERALIZED_TIME: u8 = 0x18;
pub(crate) const SEQUENCE: u8 = 0x30;
pub(crate) const SET: u8 = 0x31;

/// One element: its tag, its content, and all its bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Element<'a> {
    pub(crate) tag: u8,
    pub(crate) content: &'a [u8],
    pub(crate) raw: &'a [u8],
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(crate) fn any(&mut self) -> Option<Element<'a>> {
        let (&tag, after) = self.rest.split_first()?;
        // Tags of more than one byte do not occur in what we read.
        if tag & 0x1f == 0x1f {
            return None;
        }
        let (&first, after) = after.split_first()?;
        let (length, after) = if first < 0x80 {
            (usize::from(first), after)
        } else {
            let count = usize::from(first & 0x7f);
            if count == 0 || count > 4 {
                return None;
            }
            let (digits, after) = after.split_at_checked(count)?;
            let length = digits.iter().fold(0usize, |length, digit| (length << 8) | usize::from(*digit));
            if length < 0x80 || digits.first() == Some(&0) {
                return None;
            }
            (length, after)
        };
        let (content, after) = after.split_at_checked(length)?;
        let raw = self.rest.get(..self.rest.len().checked_sub(after.len())?)?;
        self.rest = after;
        Some(Element { tag, content, raw })
    }

    pub(crate) fn expect(&mut self, tag: u8) -> Option<Element<'a>> {
        self.any().filter(|element| element.tag == tag)
    }

    /// The next element if it has this tag; otherwise nothing is read.
    pub(crate) fn optional(&mut self, tag: u8) -> Option<Element<'a>> {
        let mut ahead = *self;
        let element = ahead.expect(tag)?;
        *self = ahead;
        Some(element)
    }
}

impl<'a> Element<'a> {
    pub(crate) fn reader(&self) -> Reader<'a> {
        Reader::new(self.content)
    }

    /// The bits of a BIT STRING without unused ones.
    pub(crate) fn bits(&self) -> Option<&'a [u8]> {
        match self.content.split_first() {
            Some((0, bits)) if self.tag == BIT_STRING => Some(bits),
            _ => None,
        }
    }

    /// UTCTime or GeneralizedTime in UTC, as RFC 5280 and RFC 3161 spell them; fractions are kept to milliseconds.
    pub(crate) fn time(&self) -> Option<Instant> {
        let text = std::str::from_utf8(self.content).ok()?.strip_suffix('Z')?;
        let (century, rest) = match self.tag {
            UTC_TIME => {
                let year: u32 = text.get(..2)?.parse().ok()?;
                (if year >= 50 { "19" } else { "20" }, text)
            }
            GENERALIZED_TIME => (text.get(..2)?, text.get(2..)?),
            _ => return None,
        };
        let part = |from: usize, to: usize| rest.get(from..to);
        let fraction = rest.get(10..)?;
        let spelled = format!(
            "{century}{}-{}-{}T{}:{}:{}{fraction}Z",
            part(0, 2)?,
            part(2, 4)?,
            part(4, 6)?,
            part(6, 8)?,
            part(8, 10)?,
            fraction.get(..2)?,
        );
        // The seconds stand at the front of the fraction: write them once.
        let spelled =
            spelled.replacen(&format!(":{}{fraction}Z", fraction.get(..2)?), &format!(":{fraction}Z"), 1);
        spelled.parse().ok()
    }
}

/// Deepest nesting that [`definite`] follows.
const MAX_DEPTH: u32 = 16;

/// BER with indefinite lengths (X.690, 8.1.3.6), as gpgsm writes it, with definite ones. Everything else must be DER.
pub(crate) fn definite(bytes: &[u8]) -> Option<Vec<u8>> {
    let (element, rest) = definite_element(bytes, 0)?;
    rest.is_empty().then_some(element)
}

fn definite_element(bytes: &[u8], depth: u32) -> Option<(Vec<u8>, &[u8])> {
    if depth > MAX_DEPTH {
        return None;
    }
    let below = depth.checked_add(1)?;
    match bytes {
        [tag, 0x80, after @ ..] if tag & 0x20 != 0 && tag & 0x1f != 0x1f => {
            let mut content = Vec::new();
            let mut rest = after;
            loop {
                if let [0, 0, after @ ..] = rest {
                    return Some((element(*tag, &content), after));
                }
                let (part, after) = definite_element(rest, below)?;
                content.extend(part);
                rest = after;
            }
        }
        _ => {
            let mut reader = Reader::new(bytes);
            let whole = reader.any()?;
            if whole.tag & 0x20 == 0 {
                return Some((whole.raw.to_vec(), reader.rest));
            }
            let mut content = Vec::new();
            let mut inside = whole.content;
            while !inside.is_empty() {
                let (part, after) = definite_element(inside, below)?;
                content.extend(part);
                inside = after;
            }
            Some((element(whole.tag, &content), reader.rest))
        }
    }
}

/// Wraps content as an element.
pub(crate) fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    let length = content.len();
    if length < 0x80 {
        out.push(u8::try_from(length).unwrap_or(0));
    } else {
        let digits: Vec<u8> = length.to_be_bytes().into_iter().skip_while(|digit| *digit == 0).collect();
        out.push(0x80 | u8::try_from(digits.len()).unwrap_or(0));
        out.extend(digits);
    }
    out.extend_from_slice(content);
    out
}

/// A non-negative INTEGER from its big-endian bytes.
pub(crate) fn integer(bytes: &[u8]) -> Vec<u8> {
    let start = bytes.iter().position(|byte| *byte != 0).unwrap_or(bytes.len());
    let bytes = bytes.get(start..).unwrap_or_default();
    let sign: &[u8] = if bytes.first().is_none_or(|byte| *byte >= 0x80) { &[0] } else { &[] };
    element(INTEGER, &[sign, bytes].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        let time = |tag, text: &str| Reader::new(&element(tag, text.as_bytes())).any().and_then(|e| e.time());
        let parse = |text: &str| text.parse::<Instant>().ok();
        assert_eq!(time(UTC_TIME, "231114221320Z"), parse("2023-11-14T22:13:20Z"));
        assert_eq!(time(GENERALIZED_TIME, "20231114221320.123Z"), parse("2023-11-14T22:13:20.123Z"));
        assert_eq!(time(UTC_TIME, "500101000000Z"), parse("1950-01-01T00:00:00Z"));
        for bad in ["", "Z", "2311142213Z", "231114221320", "xx1114221320Z"] {
            assert_eq!(time(UTC_TIME, bad), None, "{bad}");
        }
    }

    #[test]
    fn indefinite_lengths_become_definite() {
        let bytes = [0x30, 0x80, 0x02, 1, 5, 0xa0, 0x80, 0x04, 1, 7, 0, 0, 0x31, 2, 0x05, 0, 0, 0];
        let inner = element(0xa0, &element(OCTET_STRING, &[7]));
        let parts = [element(INTEGER, &[5]), inner, element(SET, &[0x05, 0])].concat();
        let expected = element(SEQUENCE, &parts);
        assert_eq!(definite(&bytes), Some(expected.clone()));
        assert_eq!(definite(&expected), Some(expected), "what is DER stays");
        for length in 0..bytes.len() {
            assert_eq!(definite(&bytes[..length]), None, "cut to {length}");
        }
        assert_eq!(definite(&[&bytes[..], &[0]].concat()), None);
        assert_eq!(definite(&[0x30, 0x80].repeat(100_000)), None, "bounded in depth");
    }

    #[test]
    fn lengths_must_be_minimal_and_whole() {
        for bad in [&[0x30][..], &[0x30, 0x80], &[0x30, 0x81, 0x01, 0], &[0x30, 2, 0], &[0x1f, 0x01, 0]] {
            assert!(Reader::new(bad).any().is_none(), "{bad:?}");
        }
        let long = element(OCTET_STRING, &[1; 300]);
        assert_eq!(Reader::new(&long).any().map(|e| e.content.len()), Some(300));
    }
}
