//! Points of P-256 and P-384 (SP 800-186, 3.2.1), and tables of multiples of one point.
//!
//! A sum is held as X, Y, ZZ, ZZZ with x = X/ZZ, y = Y/ZZZ and ZZ^3 = ZZZ^2 ("xyzz" of the Explicit-Formulas Database):
//! adding a point of a table takes ten multiplications.

#![expect(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a table has a point for each place and digit"
)]

use std::marker::PhantomData;
use std::sync::OnceLock;

use super::inverse::inverse;
use super::residue::{Modulus, borrowing, carrying, from_bytes, less, reduced, sum};

/// Multiples of each power of 256: digits go from -127 to 128.
const DIGITS: usize = 128;

/// A curve y^2 = x^3 - 3x + b over the field of residues modulo its prime, all of whose points have the prime order.
pub(super) trait Curve<const N: usize>: Modulus<N> + Copy + 'static {
    /// Numbers modulo the order of the group.
    type Order: Modulus<N>;
    const ORDER: [u64; N] = Self::Order::MODULUS;
    const B: [u64; N];
    const GENERATOR: Affine<N>;

    /// The table of the generator, which all keys of the curve share.
    fn generator() -> &'static Table<Self, N>;
}

macro_rules! curve {
    ($name:ident, $order:ident, $limbs:literal, $wide:literal, [$($limb:literal)*], $values:expr, $shift:item) => {
        #[derive(Clone, Copy, Debug)]
        pub(super) struct $name;
        pub(super) struct $order;

        impl Modulus<$limbs> for $name {
            const MODULUS: [u64; $limbs] = $values[0];

            fn inverse(a: &[u64; $limbs]) -> [u64; $limbs] {
                inverse::<$limbs, $wide>(a, &Self::MODULUS)
            }

            /// As the default, which the compiler leaves a loop.
            #[inline(always)]
            fn mul(a: &[u64; $limbs], b: &[u64; $limbs]) -> [u64; $limbs] {
                let (mut out, mut over) = ([0; $limbs], 0);
                $(over = Self::row(&mut out, over, a, b[$limb]);)*
                reduced(&out, over != 0, &Self::MODULUS)
            }

            $shift
        }

        impl Modulus<$limbs> for $order {
            const MODULUS: [u64; $limbs] = $values[1];

            fn inverse(a: &[u64; $limbs]) -> [u64; $limbs] {
                inverse::<$limbs, $wide>(a, &Self::MODULUS)
            }
        }

        impl Curve<$limbs> for $name {
            type Order = $order;
            const B: [u64; $limbs] = $values[2];
            const GENERATOR: Affine<$limbs> = [$values[3], $values[4]];

            fn generator() -> &'static Table<Self, $limbs> {
                static TABLE: OnceLock<Table<$name, $limbs>> = OnceLock::new();
                TABLE.get_or_init(|| Table::new(Self::GENERATOR.each_ref().map(Self::enter)))
            }
        }
    };
}

curve!(
    P256,
    P256Order,
    4,
    5,
    [0 1 2 3],
    [
        [0xffff_ffff_ffff_ffff, 0x0000_0000_ffff_ffff, 0, 0xffff_ffff_0000_0001],
        [0xf3b9_cac2_fc63_2551, 0xbce6_faad_a717_9e84, 0xffff_ffff_ffff_ffff, 0xffff_ffff_0000_0000],
        [0x3bce_3c3e_27d2_604b, 0x651d_06b0_cc53_b0f6, 0xb3eb_bd55_7698_86bc, 0x5ac6_35d8_aa3a_93e7],
        [0xf4a1_3945_d898_c296, 0x7703_7d81_2deb_33a0, 0xf8bc_e6e5_63a4_40f2, 0x6b17_d1f2_e12c_4247],
        [0xcbb6_4068_37bf_51f5, 0x2bce_3357_6b31_5ece, 0x8ee7_eb4a_7c0f_9e16, 0x4fe3_42e2_fe1a_7f9b],
    ],
    /// p = 2^256 - 2^224 + 2^192 + 2^96 - 1 makes the factor the lowest limb itself, and its multiple one of shifts.
    #[inline(always)]
    fn shift(out: &mut [u64; 4], high: u64) -> u64 {
        let factor = out[0];
        let (third, borrow) = borrowing(factor, factor << 32, false);
        let (fourth, _) = borrowing(factor, factor >> 32, borrow);
        let (a, carry) = carrying(out[1], factor << 32, false);
        let (b, carry) = carrying(out[2], factor >> 32, carry);
        let (c, carry) = carrying(out[3], third, carry);
        let (d, carry) = carrying(high, fourth, carry);
        *out = [a, b, c, d];
        u64::from(carry)
    }
);

curve!(
    P384,
    P384Order,
    6,
    7,
    [0 1 2 3 4 5],
    [
        [0x0000_0000_ffff_ffff, 0xffff_ffff_0000_0000, 0xffff_ffff_ffff_fffe, u64::MAX, u64::MAX, u64::MAX],
        [0xecec_196a_ccc5_2973, 0x581a_0db2_48b0_a77a, 0xc763_4d81_f437_2ddf, u64::MAX, u64::MAX, u64::MAX,],
        [
            0x2a85_c8ed_d3ec_2aef,
            0xc656_398d_8a2e_d19d,
            0x0314_088f_5013_875a,
            0x181d_9c6e_fe81_4112,
            0x988e_056b_e3f8_2d19,
            0xb331_2fa7_e23e_e7e4,
        ],
        [
            0x3a54_5e38_7276_0ab7,
            0x5502_f25d_bf55_296c,
            0x59f7_41e0_8254_2a38,
            0x6e1d_3b62_8ba7_9b98,
            0x8eb1_c71e_f320_ad74,
            0xaa87_ca22_be8b_0537,
        ],
        [
            0x7a43_1d7c_90ea_0e5f,
            0x0a60_b1ce_1d7e_819d,
            0xe9da_3113_b5f0_b8c0,
            0xf8f4_1dbd_289a_147c,
            0x5d9e_98bf_9292_dc29,
            0x3617_de4a_9626_2c6f,
        ],
    ],
    /// p = 2^384 - (2^128 + 2^96 - 2^32 + 1): the multiple is one of shifts.
    #[inline(always)]
    fn shift(out: &mut [u64; 6], high: u64) -> u64 {
        let factor = out[0].wrapping_add(out[0] << 32);
        // What is taken away: its lowest limb is out[0], of the others the first may be negative.
        let (low, over) = (factor << 32, factor >> 32);
        let (first, borrow) = borrowing(low, over, factor < low);
        let (second, carry) = over.overflowing_add(factor);
        let (second, less) = borrowing(second, 0, borrow);
        let third = u64::from(carry) - u64::from(less);
        let (a, borrow) = borrowing(out[1], first, false);
        let (b, borrow) = borrowing(out[2], second, borrow);
        let (c, borrow) = borrowing(out[3], third, borrow);
        let (d, borrow) = borrowing(out[4], 0, borrow);
        let (e, borrow) = borrowing(out[5], 0, borrow);
        let (f, borrow) = borrowing(high, 0, borrow);
        let (f, carry) = f.overflowing_add(factor);
        *out = [a, b, c, d, e, f];
        u64::from(carry) - u64::from(borrow)
    }
);

/// x and y.
type Affine<const N: usize> = [[u64; N]; 2];

/// A point that is not at infinity.
#[derive(Clone, Copy)]
pub(super) struct Point<C, const N: usize> {
    x: [u64; N],
    y: [u64; N],
    zz: [u64; N],
    zzz: [u64; N],
    curve: PhantomData<C>,
}

impl<C: Curve<N>, const N: usize> Point<C, N> {
    /// From the stand-ins of both coordinates, as all that follows is.
    const fn of([x, y]: Affine<N>) -> Self {
        Self { x, y, zz: C::ONE, zzz: C::ONE, curve: PhantomData }
    }

    /// `None` is the point at infinity. No point of these curves has a y of zero, so doubling never leads there.
    #[inline(always)]
    fn add(&self, [x, y]: &Affine<N>) -> Option<Self> {
        let h = C::sub(&C::mul(x, &self.zz), &self.x);
        let slope = C::sub(&C::mul(y, &self.zzz), &self.y);
        if h == [0; N] {
            return (slope == [0; N]).then(|| self.double());
        }
        // Neighbours do not wait for each other, so that the processor works on two at a time.
        let (pp, slopes) = (C::square(&h), C::square(&slope));
        let (ppp, q) = (C::mul(&h, &pp), C::mul(&self.x, &pp));
        let (zz, zzz) = (C::mul(&self.zz, &pp), C::mul(&self.zzz, &ppp));
        let x = C::sub(&C::sub(&slopes, &ppp), &C::add(&q, &q));
        let (left, right) = (C::mul(&slope, &C::sub(&q, &x)), C::mul(&self.y, &ppp));
        Some(Self { x, y: C::sub(&left, &right), zz, zzz, curve: PhantomData })
    }

    fn double(&self) -> Self {
        let u = C::add(&self.y, &self.y);
        let v = C::square(&u);
        let w = C::mul(&u, &v);
        let s = C::mul(&self.x, &v);
        // 3 x^2 + a ZZ^2 with a = -3.
        let m = C::mul(&C::sub(&self.x, &self.zz), &C::add(&self.x, &self.zz));
        let m = C::add(&C::add(&m, &m), &m);
        let x = C::sub(&C::square(&m), &C::add(&s, &s));
        let y = C::sub(&C::mul(&m, &C::sub(&s, &x)), &C::mul(&w, &self.y));
        Self { x, y, zz: C::mul(&v, &self.zz), zzz: C::mul(&w, &self.zzz), curve: PhantomData }
    }

    /// Whether x, a number below the prime, is `r` modulo the order: without the division by ZZ.
    pub(super) fn has_x(&self, r: &[u64; N]) -> bool {
        let is = |x: &[u64; N]| C::mul(&C::enter(x), &self.zz) == self.x;
        let (next, over) = sum(r, &C::ORDER);
        is(r) || (!over && less(&next, &C::MODULUS) && is(&next))
    }
}

/// x and y of several points, by one inversion for all.
pub(super) fn affine<C: Curve<N>, const N: usize>(points: &[Point<C, N>]) -> Vec<Affine<N>> {
    let mut product = C::ONE;
    let before: Vec<[u64; N]> = points
        .iter()
        .map(|point| {
            let next = C::mul(&product, &point.zzz);
            std::mem::replace(&mut product, next)
        })
        .collect();
    let mut inverse = C::inverted(&product);
    let mut out: Vec<Affine<N>> = points
        .iter()
        .zip(before)
        .rev()
        .map(|(point, before)| {
            // 1/ZZZ; ZZ/ZZZ is 1/Z, its square 1/ZZ.
            let zzz = C::mul(&inverse, &before);
            inverse = C::mul(&inverse, &point.zzz);
            let z = C::mul(&zzz, &point.zz);
            [C::mul(&point.x, &C::square(&z)), C::mul(&point.y, &zzz)]
        })
        .collect();
    out.reverse();
    out
}

/// `d 256^i` times a point, for d from 1 to 128, and once the highest power of 256 for what is carried out.
pub(super) struct Table<C, const N: usize> {
    points: Box<[Affine<N>]>,
    curve: PhantomData<C>,
}

impl<C, const N: usize> std::fmt::Debug for Table<C, N> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "table of {} points", self.points.len())
    }
}

impl<C: Curve<N>, const N: usize> Table<C, N> {
    /// Of an uncompressed key (SEC 1, 2.3.3), where it is a point of the curve.
    pub(super) fn of_key(key: &[u8]) -> Option<Self> {
        let (4, coordinates) = key.split_first().map(|(first, rest)| (*first, rest))? else { return None };
        let (x, y) = coordinates.split_at_checked(N.checked_mul(8)?)?;
        let plain = [from_bytes(x)?, from_bytes(y)?];
        if !plain.iter().all(|number| less(number, &C::MODULUS)) {
            return None;
        }
        let [x, y] = plain.each_ref().map(C::enter);
        let three = C::add(&C::ONE, &C::add(&C::ONE, &C::ONE));
        let right = C::add(&C::mul(&C::sub(&C::square(&x), &three), &x), &C::enter(&C::B));
        (C::square(&y) == right).then(|| Self::new([x, y]))
    }

    fn new(point: Affine<N>) -> Self {
        let mut power = Point::<C, N>::of(point);
        let powers: Vec<Point<C, N>> = (0..=8 * N)
            .map(|_| {
                let this = power;
                (0..8).for_each(|_| power = power.double());
                this
            })
            .collect();
        let powers = affine(&powers);
        let mut points = Vec::with_capacity(8 * N * DIGITS + 1);
        for power in powers.iter().take(8 * N) {
            let mut multiple = Some(Point::of(*power));
            let multiples: Vec<Point<C, N>> = (0..DIGITS)
                .filter_map(|_| {
                    let next = multiple.and_then(|multiple| multiple.add(power));
                    std::mem::replace(&mut multiple, next)
                })
                .collect();
            points.extend(affine(&multiples));
        }
        points.extend(powers.last());
        Self { points: points.into(), curve: PhantomData }
    }

    /// `u1` times the generator and `u2` times the table's point; `None` is the point at infinity.
    pub(super) fn sum(&self, u1: &[u64; N], u2: &[u64; N]) -> Option<Point<C, N>> {
        let total = C::generator().add_multiples(None, u1);
        self.add_multiples(total, u2)
    }

    fn add_multiples(&self, mut total: Option<Point<C, N>>, factor: &[u64; N]) -> Option<Point<C, N>> {
        let mut carry = 0u8;
        for place in 0..=8 * N {
            let byte = factor.get(place / 8).map_or(0, |limb| (limb >> (8 * (place % 8))) as u8);
            let digit = u16::from(byte) + u16::from(carry);
            carry = u8::from(digit > DIGITS as u16);
            let (size, negative) =
                if carry == 0 { (usize::from(digit), false) } else { (256 - usize::from(digit), true) };
            let Some(index) = size.checked_sub(1) else { continue };
            let [x, y] = &self.points[place * DIGITS + index];
            let y = if negative { C::sub(&[0; N], y) } else { *y };
            total = match total {
                None => Some(Point::of([*x, y])),
                Some(total) => total.add(&[*x, y]),
            };
        }
        total
    }
}
