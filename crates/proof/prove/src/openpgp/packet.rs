//! Packets (RFC 9580, section 4): kind and body, with whole lengths only.

/// Most packets of one file.
const MAX: usize = 200_000;

#[derive(Clone, Copy, Debug)]
pub(super) struct Packet<'a> {
    pub(super) kind: u8,
    pub(super) body: &'a [u8],
}

/// Every packet; `None` where the bytes are cut off, or a length is partial or indefinite, which keys and signatures
/// never have.
pub(super) fn packets(bytes: &[u8]) -> Option<Vec<Packet<'_>>> {
    let mut rest = Reader(bytes);
    let mut found = Vec::new();
    while !rest.0.is_empty() {
        if found.len() >= MAX {
            return None;
        }
        let head = rest.byte()?;
        let (kind, length) = match head {
            0xc0.. => (
                head & 0x3f,
                match rest.byte()? {
                    short @ 0..=191 => usize::from(short),
                    first @ 192..=223 => (usize::from(first).checked_sub(192)? << 8)
                        .checked_add(usize::from(rest.byte()?))?
                        .checked_add(192)?,
                    255 => usize::try_from(rest.u32()?).ok()?,
                    _ => return None,
                },
            ),
            0x80..0xc0 => (
                (head >> 2) & 0x0f,
                match head & 3 {
                    0 => usize::from(rest.byte()?),
                    1 => usize::from(rest.u16()?),
                    2 => usize::try_from(rest.u32()?).ok()?,
                    _ => return None,
                },
            ),
            _ => return None,
        };
        found.push(Packet { kind, body: rest.take(length)? });
    }
    Some(found)
}

/// Reads numbers and pieces; every one may be missing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, after) = self.0.split_at_checked(count)?;
        self.0 = after;
        Some(taken)
    }

    pub(super) fn byte(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    pub(super) fn u16(&mut self) -> Option<u16> {
        Some(u16::from_be_bytes(self.take(2)?.try_into().ok()?))
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        Some(u32::from_be_bytes(self.take(4)?.try_into().ok()?))
    }

    /// A number of any length, without leading zeros.
    pub(super) fn mpi(&mut self) -> Option<&'a [u8]> {
        let bits = usize::from(self.u16()?);
        self.take(bits.div_ceil(8))
    }
}
