//! Numbers of 64-bit limbs, the lowest first, and Montgomery multiplication (P. L. Montgomery, 1985) by moduli that are
//! known when this is compiled.

#![expect(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "limbs are addressed by the loop that counts them, and carries are taken along"
)]

/// The number that these big-endian bytes spell, where it has room.
pub(crate) fn from_bytes<const N: usize>(bytes: &[u8]) -> Option<[u64; N]> {
    let mut limbs = [0u64; N];
    let mut chunks = bytes.rchunks(8);
    for limb in &mut limbs {
        *limb = chunks.next().unwrap_or(&[]).iter().fold(0, |value, &byte| value << 8 | u64::from(byte));
    }
    chunks.next().is_none().then_some(limbs)
}

pub(crate) fn less<const N: usize>(a: &[u64; N], b: &[u64; N]) -> bool {
    a.iter().rev().lt(b.iter().rev())
}

pub(super) const fn carrying(a: u64, b: u64, carry: bool) -> (u64, bool) {
    let (sum, one) = a.overflowing_add(b);
    let (sum, two) = sum.overflowing_add(carry as u64);
    (sum, one | two)
}

pub(super) const fn borrowing(a: u64, b: u64, borrow: bool) -> (u64, bool) {
    let (rest, one) = a.overflowing_sub(b);
    let (rest, two) = rest.overflowing_sub(borrow as u64);
    (rest, one | two)
}

/// `a + b`, and whether it had no room.
pub(super) const fn sum<const N: usize>(a: &[u64; N], b: &[u64; N]) -> ([u64; N], bool) {
    let (mut out, mut carry, mut i) = ([0; N], false, 0);
    while i < N {
        (out[i], carry) = carrying(a[i], b[i], carry);
        i += 1;
    }
    (out, carry)
}

/// `a - b`, and whether that was below nothing.
pub(super) const fn difference<const N: usize>(a: &[u64; N], b: &[u64; N]) -> ([u64; N], bool) {
    let (mut out, mut borrow, mut i) = ([0; N], false, 0);
    while i < N {
        (out[i], borrow) = borrowing(a[i], b[i], borrow);
        i += 1;
    }
    (out, borrow)
}

/// `a` of up to twice the modulus, whose highest bit may stand in `over`, brought below it.
pub(super) const fn reduced<const N: usize>(a: &[u64; N], over: bool, modulus: &[u64; N]) -> [u64; N] {
    let (less, below) = difference(a, modulus);
    // Without a branch, which would be guessed wrong every other time.
    let keep = ((below & !over) as u64).wrapping_neg();
    let (mut out, mut i) = ([0; N], 0);
    while i < N {
        out[i] = (a[i] & keep) | (less[i] & !keep);
        i += 1;
    }
    out
}

/// `2^exponent` modulo the modulus.
const fn power_of_two<const N: usize>(exponent: usize, modulus: &[u64; N]) -> [u64; N] {
    let mut value = [0; N];
    value[0] = 1;
    let mut done = 0;
    while done < exponent {
        let (twice, over) = sum(&value, &value);
        value = reduced(&twice, over, modulus);
        done += 1;
    }
    value
}

/// `-1 / odd` modulo 2^64, by Newton's iteration: each step doubles the bits that are right.
pub(super) const fn negative_inverse(odd: u64) -> u64 {
    let (mut value, mut step) = (1u64, 0);
    while step < 6 {
        value = value.wrapping_mul(2u64.wrapping_sub(odd.wrapping_mul(value)));
        step += 1;
    }
    value.wrapping_neg()
}

/// An odd prime of not more than `64 N` bits. Residues are below it; `mul` divides by 2^(64 N) besides.
pub(crate) trait Modulus<const N: usize> {
    const MODULUS: [u64; N];
    const NEGATIVE_INVERSE: u64 = negative_inverse(Self::MODULUS[0]);
    /// What stands for one: 2^(64 N).
    const ONE: [u64; N] = power_of_two(64 * N, &Self::MODULUS);
    /// What makes a number's stand-in of it, by `mul`.
    const SQUARE: [u64; N] = power_of_two(128 * N, &Self::MODULUS);

    /// The plain inverse of a plain number that is not zero.
    fn inverse(a: &[u64; N]) -> [u64; N];

    #[inline(always)]
    fn add(a: &[u64; N], b: &[u64; N]) -> [u64; N] {
        let (value, over) = sum(a, b);
        reduced(&value, over, &Self::MODULUS)
    }

    #[inline(always)]
    fn sub(a: &[u64; N], b: &[u64; N]) -> [u64; N] {
        let (value, below) = difference(a, b);
        let keep = u64::from(below).wrapping_neg();
        let (mut modulus, mut i) = (Self::MODULUS, 0);
        while i < N {
            modulus[i] &= keep;
            i += 1;
        }
        sum(&value, &modulus).0
    }

    /// `a b / 2^(64 N)`, below the modulus where one of both is: a limb of the product at a time.
    #[inline(always)]
    fn mul(a: &[u64; N], b: &[u64; N]) -> [u64; N] {
        let (mut out, mut over) = ([0u64; N], 0u64);
        for &limb in b {
            over = Self::row(&mut out, over, a, limb);
        }
        reduced(&out, over != 0, &Self::MODULUS)
    }

    /// Adds a limb's share of the product, then [shifts](Self::shift).
    #[inline(always)]
    fn row(out: &mut [u64; N], over: u64, a: &[u64; N], limb: u64) -> u64 {
        let mut carry = 0;
        for (out, &a) in out.iter_mut().zip(a) {
            (*out, carry) = step(*out, a, limb, carry);
        }
        let (high, more) = over.overflowing_add(carry);
        u64::from(more) + Self::shift(out, high)
    }

    /// Adds as many of the modulus to a number of one limb more as makes its lowest limb zero, and takes that away. What
    /// has no room then is returned.
    #[inline(always)]
    fn shift(out: &mut [u64; N], high: u64) -> u64 {
        let factor = out[0].wrapping_mul(Self::NEGATIVE_INVERSE);
        let (_, mut carry) = step(out[0], factor, Self::MODULUS[0], 0);
        let mut i = 1;
        while i < N {
            (out[i - 1], carry) = step(out[i], factor, Self::MODULUS[i], carry);
            i += 1;
        }
        let (high, more) = high.overflowing_add(carry);
        out[N - 1] = high;
        u64::from(more)
    }

    #[inline(always)]
    fn square(a: &[u64; N]) -> [u64; N] {
        Self::mul(a, a)
    }

    fn enter(plain: &[u64; N]) -> [u64; N] {
        Self::mul(plain, &Self::SQUARE)
    }

    /// The stand-in of the inverse of what `a` stands for.
    fn inverted(a: &[u64; N]) -> [u64; N] {
        // The plain inverse of a stand-in lacks the factor twice.
        Self::enter(&Self::enter(&Self::inverse(a)))
    }
}

/// `sum + a b + carry` as a low and a high limb, which always suffice.
#[inline(always)]
fn step(sum: u64, a: u64, b: u64, carry: u64) -> (u64, u64) {
    let whole = u128::from(sum) + u128::from(a) * u128::from(b) + u128::from(carry);
    (whole as u64, (whole >> 64) as u64)
}
