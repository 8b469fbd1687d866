//! ECDSA by keys that come again and again: the trust roots' logs and authorities sign every bundle, so a table of
//! multiples of such a key makes its verifications several times cheaper (docs/decisions/0007-tables-for-known-keys.md).
//!
//! It verifies and nothing else: every input is public, no step is made to take the same time. SEC 1, 4.1.4; FIPS 186-5,
//! 6.4.2. A signature is read as strictly as aws-lc reads it, which verifies for all other keys.

pub(crate) mod inverse;
mod point;
pub(crate) mod residue;
#[cfg(test)]
mod tests;

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use self::point::{Curve, P256, P384, Table};
use self::residue::Modulus as _;
use crate::der::{self, Reader};

/// After so many signatures a table has earned what it costs to make.
const USES: u32 = 64;
/// Tables alive at once in this process, of 270 KB (P-256) or 600 KB (P-384) each. Further keys go on without.
const TABLES: u32 = 32;

static ALIVE: AtomicU32 = AtomicU32::new(0);

/// What is remembered of one key. Clones of the key share it.
#[derive(Debug)]
pub(crate) struct Known {
    uses: AtomicU32,
    after: u32,
    table: OnceLock<Option<KeyTable>>,
}

#[derive(Debug)]
pub(crate) struct KeyTable(ByCurve);

#[derive(Debug)]
enum ByCurve {
    P256(Table<P256, 4>),
    P384(Table<P384, 6>),
}

impl Drop for KeyTable {
    fn drop(&mut self) {
        ALIVE.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Known {
    pub(crate) const fn new() -> Self {
        Self { uses: AtomicU32::new(0), after: USES, table: OnceLock::new() }
    }

    /// As [`new`](Self::new), with a table from the first signature on.
    pub(crate) const fn at_once() -> Self {
        Self { uses: AtomicU32::new(0), after: 0, table: OnceLock::new() }
    }

    /// The key's table, once it is worth making one.
    pub(crate) fn table(&self, key: &[u8]) -> Option<&KeyTable> {
        match self.table.get() {
            Some(table) => table.as_ref(),
            None if self.uses.fetch_add(1, Ordering::Relaxed) < self.after => None,
            None => self.table.get_or_init(|| KeyTable::new(key)).as_ref(),
        }
    }
}

impl KeyTable {
    fn new(key: &[u8]) -> Option<Self> {
        let free = |alive: u32| (alive < TABLES).then(|| alive.saturating_add(1));
        ALIVE.fetch_update(Ordering::Relaxed, Ordering::Relaxed, free).ok()?;
        let made = match key.len() {
            65 => Table::of_key(key).map(ByCurve::P256),
            97 => Table::of_key(key).map(ByCurve::P384),
            _ => None,
        };
        if made.is_none() {
            ALIVE.fetch_sub(1, Ordering::Relaxed);
        }
        made.map(Self)
    }

    /// Whether the signature over a message with this digest is by the key.
    pub(crate) fn verify(&self, digest: &[u8], signature: &[u8]) -> bool {
        match &self.0 {
            ByCurve::P256(table) => table.verify(digest, signature),
            ByCurve::P384(table) => table.verify(digest, signature),
        }
    }
}

/// Both numbers of a signature, each from 1 to below the order (SEC 1, C.8: a SEQUENCE of two INTEGERs, in DER).
fn numbers<C: Curve<N>, const N: usize>(signature: &[u8]) -> Option<[[u64; N]; 2]> {
    let mut outer = Reader::new(signature);
    let mut list = outer.expect(der::SEQUENCE)?.reader();
    let r = list.expect(der::INTEGER)?.content;
    let s = list.expect(der::INTEGER)?.content;
    if !outer.is_empty() || !list.is_empty() {
        return None;
    }
    Some([number::<C, N>(r)?, number::<C, N>(s)?])
}

fn number<C: Curve<N>, const N: usize>(content: &[u8]) -> Option<[u64; N]> {
    let digits = match content {
        // A leading zero stands only where the next bit would make the number negative.
        [0, next, ..] if *next >= 0x80 => content.get(1..)?,
        [first, ..] if (1..0x80).contains(first) => content,
        _ => return None,
    };
    let value = residue::from_bytes(digits)?;
    residue::less(&value, &C::ORDER).then_some(value)
}

impl<C: Curve<N>, const N: usize> Table<C, N> {
    fn verify(&self, digest: &[u8], signature: &[u8]) -> bool {
        let Some([r, s]) = numbers::<C, N>(signature) else { return false };
        // The leftmost bits of the digest, as many as the order has.
        let leftmost = digest.get(..digest.len().min(N.saturating_mul(8)));
        let Some(e) = leftmost.and_then(residue::from_bytes) else { return false };
        let inverse = C::Order::enter(&C::Order::inverse(&s));
        let (u1, u2) = (C::Order::mul(&e, &inverse), C::Order::mul(&r, &inverse));
        self.sum(&u1, &u2).is_some_and(|point| point.has_x(&r))
    }
}
