//! Inverses modulo an odd number by divsteps (D. J. Bernstein and B.-Y. Yang, "Fast constant-time gcd computation and
//! modular inversion", 2019), in its variable-time form: 62 steps at a time on the lowest words, then once on all limbs.

#![expect(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "limbs are addressed by the loop that counts them, and 62 bits a limb leave room for every sum"
)]

/// Bits a limb.
const BITS: u32 = 62;
const MASK: u64 = u64::MAX >> 2;

/// What 62 steps do to a pair of numbers, times 2^62.
struct Steps {
    u: i64,
    v: i64,
    q: i64,
    r: i64,
}

/// The inverse of `a`, which is below the odd prime `modulus` and not zero. `L` limbs of 62 bits hold a sign besides.
pub(crate) fn inverse<const N: usize, const L: usize>(a: &[u64; N], modulus: &[u64; N]) -> [u64; N] {
    let modulus = split::<N, L>(modulus);
    // 1 / modulus modulo 2^62.
    let inverse = super::residue::negative_inverse(modulus[0] as u64).wrapping_neg() & MASK;
    let (mut f, mut g) = (modulus, split::<N, L>(a));
    let (mut d, mut e) = ([0i64; L], [0i64; L]);
    e[0] = 1;
    let mut eta = -1i64;
    // Numbers of 384 bits take at most 1,110 steps, theorem 11.2 of the paper.
    for _ in 0..20 {
        if g == [0; L] {
            break;
        }
        let steps = steps(&mut eta, f[0] as u64, g[0] as u64);
        update_inverse(&mut d, &mut e, &steps, &modulus, inverse);
        update(&mut f, &mut g, &steps);
    }
    // f is now 1 or -1, and d the inverse of f times a.
    settle(&mut d, f[L - 1] < 0, &modulus);
    join(&d)
}

/// Sixty-two divsteps on the lowest words, several at a time where zeros allow.
fn steps(eta: &mut i64, mut f: u64, mut g: u64) -> Steps {
    let (mut u, mut v, mut q, mut r) = (1u64, 0u64, 0u64, 1u64);
    let mut left = BITS;
    loop {
        let zeros = (g | (u64::MAX << left)).trailing_zeros();
        g >>= zeros;
        u <<= zeros;
        v <<= zeros;
        *eta -= i64::from(zeros);
        left -= zeros;
        if left == 0 {
            break;
        }
        let factor = if *eta < 0 {
            *eta = -*eta;
            (f, g) = (g, f.wrapping_neg());
            (u, q) = (q, u.wrapping_neg());
            (v, r) = (r, v.wrapping_neg());
            // f (f f - 2) is -1/f modulo 2^6.
            let factor = f.wrapping_mul(g).wrapping_mul(f.wrapping_mul(f).wrapping_sub(2));
            factor & low(*eta, left) & 63
        } else {
            // -1/f modulo 2^4.
            let factor = f.wrapping_add((f.wrapping_add(1) & 4) << 1);
            factor.wrapping_neg().wrapping_mul(g) & low(*eta, left) & 15
        };
        g = g.wrapping_add(f.wrapping_mul(factor));
        q = q.wrapping_add(u.wrapping_mul(factor));
        r = r.wrapping_add(v.wrapping_mul(factor));
    }
    Steps { u: u as i64, v: v as i64, q: q as i64, r: r as i64 }
}

/// As many low bits as may be cancelled before `eta` turns negative or the steps are over; at least one.
fn low(eta: i64, left: u32) -> u64 {
    let limit = u32::try_from(eta.saturating_add(1)).unwrap_or(u32::MAX).min(left);
    u64::MAX >> (64 - limit)
}

/// `f` and `g` after the steps: both are divisible by 2^62 then.
fn update<const L: usize>(f: &mut [i64; L], g: &mut [i64; L], steps: &Steps) {
    let (mut cf, mut cg) = (0i128, 0i128);
    for i in 0..L {
        let (fi, gi) = (i128::from(f[i]), i128::from(g[i]));
        cf += i128::from(steps.u) * fi + i128::from(steps.v) * gi;
        cg += i128::from(steps.q) * fi + i128::from(steps.r) * gi;
        if i > 0 {
            f[i - 1] = (cf as u64 & MASK) as i64;
            g[i - 1] = (cg as u64 & MASK) as i64;
        }
        cf >>= BITS;
        cg >>= BITS;
    }
    f[L - 1] = cf as i64;
    g[L - 1] = cg as i64;
}

/// `d` and `e` after the steps, modulo the modulus: as many of it are added as make them divisible by 2^62. Both stay
/// between minus two and one times it.
fn update_inverse<const L: usize>(
    d: &mut [i64; L],
    e: &mut [i64; L],
    steps: &Steps,
    modulus: &[i64; L],
    inverse: u64,
) {
    let (ds, es) = (d[L - 1] >> 63, e[L - 1] >> 63);
    let mut md = (steps.u & ds) + (steps.v & es);
    let mut me = (steps.q & ds) + (steps.r & es);
    let (mut cd, mut ce) = (0i128, 0i128);
    for i in 0..L {
        let (di, ei) = (i128::from(d[i]), i128::from(e[i]));
        cd += i128::from(steps.u) * di + i128::from(steps.v) * ei;
        ce += i128::from(steps.q) * di + i128::from(steps.r) * ei;
        if i == 0 {
            md -= (inverse.wrapping_mul(cd as u64).wrapping_add(md as u64) & MASK) as i64;
            me -= (inverse.wrapping_mul(ce as u64).wrapping_add(me as u64) & MASK) as i64;
        }
        cd += i128::from(modulus[i]) * i128::from(md);
        ce += i128::from(modulus[i]) * i128::from(me);
        if i > 0 {
            d[i - 1] = (cd as u64 & MASK) as i64;
            e[i - 1] = (ce as u64 & MASK) as i64;
        }
        cd >>= BITS;
        ce >>= BITS;
    }
    d[L - 1] = cd as i64;
    e[L - 1] = ce as i64;
}

/// Brings `d`, or minus `d`, from between minus two and one times the modulus to between zero and one times it.
fn settle<const L: usize>(d: &mut [i64; L], negated: bool, modulus: &[i64; L]) {
    let add = |d: &mut [i64; L]| d.iter_mut().zip(modulus).for_each(|(d, m)| *d += m);
    if d[L - 1] < 0 {
        add(d);
    }
    if negated {
        d.iter_mut().for_each(|limb| *limb = -*limb);
    }
    carry(d);
    if d[L - 1] < 0 {
        add(d);
        carry(d);
    }
}

fn carry<const L: usize>(d: &mut [i64; L]) {
    for i in 1..L {
        d[i] += d[i - 1] >> BITS;
        d[i - 1] &= MASK as i64;
    }
}

/// The same number in limbs of 62 bits.
fn split<const N: usize, const L: usize>(a: &[u64; N]) -> [i64; L] {
    std::array::from_fn(|i| {
        let (word, bit) = (i * 62 / 64, i * 62 % 64);
        let low = a.get(word).copied().unwrap_or(0) >> bit;
        let high = if bit > 2 { a.get(word + 1).copied().unwrap_or(0) << (64 - bit) } else { 0 };
        ((low | high) & MASK) as i64
    })
}

/// The same number in limbs of 64 bits.
fn join<const N: usize, const L: usize>(a: &[i64; L]) -> [u64; N] {
    std::array::from_fn(|i| {
        let (limb, bit) = (i * 64 / 62, i * 64 % 62);
        let at = |limb: usize| a.get(limb).map_or(0, |&limb| limb as u64);
        at(limb) >> bit | at(limb + 1) << (62 - bit)
    })
}
