//! A reader of CBOR (RFC 8949) as COSE needs it: definite lengths, no floating point, every name once.

/// Deepest nesting.
const MAX_DEPTH: usize = 16;
/// Most items of one array or map.
const MAX_ITEMS: u64 = 10_000;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Cbor<'a> {
    Integer(i128),
    Bytes(&'a [u8]),
    Text(&'a str),
    Array(Vec<Cbor<'a>>),
    Map(Vec<(Cbor<'a>, Cbor<'a>)>),
    Tag(u64, Box<Cbor<'a>>),
    Bool(bool),
    Null,
}

impl<'a> Cbor<'a> {
    /// The one item that the bytes are.
    pub(crate) fn parse(bytes: &'a [u8]) -> Option<Self> {
        let mut rest = bytes;
        let item = read(&mut rest, 0)?;
        rest.is_empty().then_some(item)
    }

    pub(crate) fn bytes(&self) -> Option<&'a [u8]> {
        match self {
            Self::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }

    pub(crate) fn text(&self) -> Option<&'a str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }
}

fn read<'a>(rest: &mut &'a [u8], depth: usize) -> Option<Cbor<'a>> {
    if depth > MAX_DEPTH {
        return None;
    }
    let (&first, after) = rest.split_first()?;
    *rest = after;
    let argument = match first & 0x1f {
        small @ 0..=23 => u64::from(small),
        24 => u64::from(*take(rest, 1)?.first()?),
        25 => number(take(rest, 2)?),
        26 => number(take(rest, 4)?),
        27 => number(take(rest, 8)?),
        // Indefinite lengths and reserved values.
        _ => return None,
    };
    Some(match first >> 5 {
        0 => Cbor::Integer(i128::from(argument)),
        1 => Cbor::Integer(-1 - i128::from(argument)),
        2 => Cbor::Bytes(take(rest, usize::try_from(argument).ok()?)?),
        3 => Cbor::Text(std::str::from_utf8(take(rest, usize::try_from(argument).ok()?)?).ok()?),
        4 if argument <= MAX_ITEMS => {
            let mut items = Vec::new();
            for _ in 0..argument {
                items.push(read(rest, depth + 1)?);
            }
            Cbor::Array(items)
        }
        5 if argument <= MAX_ITEMS => {
            let mut members: Vec<(Cbor<'a>, Cbor<'a>)> = Vec::new();
            for _ in 0..argument {
                let name = read(rest, depth + 1)?;
                // Of two members of one name, one reader takes the first and another the last.
                if members.len() > 256 || members.iter().any(|(known, _)| *known == name) {
                    return None;
                }
                members.push((name, read(rest, depth + 1)?));
            }
            Cbor::Map(members)
        }
        6 => Cbor::Tag(argument, Box::new(read(rest, depth + 1)?)),
        7 => match first & 0x1f {
            20 => Cbor::Bool(false),
            21 => Cbor::Bool(true),
            22 => Cbor::Null,
            _ => return None,
        },
        _ => return None,
    })
}

fn take<'a>(rest: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (taken, after) = rest.split_at_checked(count)?;
    *rest = after;
    Some(taken)
}

fn number(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |number, byte| (number << 8) | u64::from(*byte))
}

/// Head and bytes of a byte string, or of text (major type 3).
pub(crate) fn string(major: u8, bytes: &[u8]) -> Vec<u8> {
    let length = bytes.len() as u64;
    let mut out = match length {
        0..24 => vec![(major << 5) | length as u8],
        24..0x100 => vec![(major << 5) | 24, length as u8],
        0x100..0x1_0000 => [&[(major << 5) | 25][..], &(length as u16).to_be_bytes()].concat(),
        0x1_0000..0x1_0000_0000 => [&[(major << 5) | 26][..], &(length as u32).to_be_bytes()].concat(),
        _ => [&[(major << 5) | 27][..], &length.to_be_bytes()].concat(),
    };
    out.extend_from_slice(bytes);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items() {
        let read = |bytes| Cbor::parse(bytes);
        assert_eq!(read(&[0x18, 0x64]), Some(Cbor::Integer(100)));
        assert_eq!(read(&[0x38, 0x24]), Some(Cbor::Integer(-37)));
        assert_eq!(read(&[0x43, 1, 2, 3]), Some(Cbor::Bytes(&[1, 2, 3])));
        assert_eq!(read(&[0x62, b'h', b'i']), Some(Cbor::Text("hi")));
        assert_eq!(read(&[0x82, 0xf5, 0xf6]), Some(Cbor::Array(vec![Cbor::Bool(true), Cbor::Null])));
        assert_eq!(read(&[0xc1, 0x01]), Some(Cbor::Tag(1, Box::new(Cbor::Integer(1)))));
        let mut deep = vec![0x81; 40];
        deep.push(0);
        for bad in [
            &[][..],
            &[0x18],
            &[0x43, 1],
            &[0x5f, 0xff],
            &[0x01, 0x01],
            &[0xf9, 0, 0],
            &[0x9a, 0xff, 0xff, 0xff, 0xff],
            &[0xa2, 1, 2, 1, 3],
            &[0x62, 0xff, 0xff],
            &deep,
        ] {
            assert_eq!(read(bad), None, "{bad:?}");
        }
        for length in [0, 23, 24, 255, 256, 70_000] {
            let bytes = vec![7; length];
            assert_eq!(Cbor::parse(&string(2, &bytes)), Some(Cbor::Bytes(&bytes)), "{length}");
        }
    }
}
