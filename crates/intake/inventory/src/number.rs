//! Numbers of either byte order in bytes that may end anywhere.

/// `size` bytes at `at` as a number; `None` beyond the end.
pub(crate) fn sized(bytes: &[u8], at: usize, size: usize, big: bool) -> Option<u64> {
    let field = bytes.get(at..at.checked_add(size)?)?;
    let fold = |value: u64, byte: &u8| value << 8 | u64::from(*byte);
    Some(if big { field.iter().fold(0, fold) } else { field.iter().rev().fold(0, fold) })
}
