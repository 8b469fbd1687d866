//! Ed25519ph: Ed25519 over the SHA-512 of a message (RFC 8032, 5.1), which clients use where only a digest is logged.
//! aws-lc-rs verifies Ed25519 alone. Every input is public: no step is made to take the same time.

#![expect(clippy::indexing_slicing, reason = "limbs are addressed by the loop that counts them")]

use aws_lc_rs::digest::{Context, SHA512};

use crate::ecdsa::inverse::inverse;
use crate::ecdsa::residue::{Modulus, from_bytes, less};

type Number = [u64; 4];

/// Numbers modulo 2^255 - 19.
struct Field;
/// Numbers modulo the order of the base point.
struct Order;

impl Modulus<4> for Field {
    const MODULUS: Number = [0xffff_ffff_ffff_ffed, u64::MAX, u64::MAX, 0x7fff_ffff_ffff_ffff];

    fn inverse(a: &Number) -> Number {
        inverse::<4, 5>(a, &Self::MODULUS)
    }
}

impl Modulus<4> for Order {
    const MODULUS: Number = [0x5812_631a_5cf5_d3ed, 0x14de_f9de_a2f7_9cd6, 0, 0x1000_0000_0000_0000];

    fn inverse(a: &Number) -> Number {
        inverse::<4, 5>(a, &Self::MODULUS)
    }
}

/// -121665/121666, of the curve -x^2 + y^2 = 1 + d x^2 y^2.
const D: Number =
    [0x75eb_4dca_1359_78a3, 0x0070_0a4d_4141_d8ab, 0x8cc7_4079_7779_e898, 0x5203_6cee_2b6f_fe73];
/// A square root of -1.
const ROOT: Number =
    [0xc4ee_1b27_4a0e_a0b0, 0x2f43_1806_ad2f_e478, 0x2b4d_0099_3dfb_d7a7, 0x2b83_2480_4fc1_df0b];
/// (p - 5) / 8.
const EXPONENT: Number = [0xffff_ffff_ffff_fffd, u64::MAX, u64::MAX, 0x0fff_ffff_ffff_ffff];
/// The base point, as RFC 8032 encodes it: y = 4/5, x is even.
const BASE: [u8; 32] = {
    let mut bytes = [0x66; 32];
    bytes[0] = 0x58;
    bytes
};
const ONE: Number = [1, 0, 0, 0];

/// Whether the signature over a message with this SHA-512 is by the key.
pub(crate) fn verify_prehashed(key: &[u8], digest: &[u8], signature: &[u8]) -> bool {
    // dom2(1, ""): the flag, and the length of no context.
    verify(b"SigEd25519 no Ed25519 collisions\x01\x00", key, digest, signature)
}

/// RFC 8032, 5.1.7, without the cofactor, as aws-lc and Go do.
fn verify(domain: &[u8], key: &[u8], message: &[u8], signature: &[u8]) -> bool {
    let check = || {
        let (r, s) = signature.split_at_checked(32)?;
        let s = number(s)?;
        let (public, base) = (Point::decode(key)?, Point::decode(&BASE)?);
        if !less(&s, &Order::MODULUS) {
            return None;
        }
        let mut hash = Context::new(&SHA512);
        for part in [domain, r, key, message] {
            hash.update(part);
        }
        let hash = hash.finish();
        let (low, high) = hash.as_ref().split_at_checked(32)?;
        let low = Order::mul(&Order::enter(&number(low)?), &ONE);
        let k = Order::add(&low, &Order::enter(&number(high)?));
        Some(base.times_and(&s, &public.negative(), &k).encode() == r)
    };
    check().unwrap_or(false)
}

/// The number that 32 little-endian bytes spell.
fn number(bytes: &[u8]) -> Option<Number> {
    let bytes: &[u8; 32] = bytes.try_into().ok()?;
    let mut reversed = *bytes;
    reversed.reverse();
    from_bytes(&reversed)
}

fn negated(a: &Number) -> Number {
    Field::sub(&[0; 4], a)
}

/// x = X/Z, y = Y/Z, x y = T/Z (Hisil, Wong, Carter, Dawson, 2008), as the field's stand-ins.
#[derive(Clone, Copy)]
struct Point {
    x: Number,
    y: Number,
    z: Number,
    t: Number,
}

impl Point {
    const NEUTRAL: Self = Self { x: [0; 4], y: Field::ONE, z: Field::ONE, t: [0; 4] };

    /// RFC 8032, 5.1.3: nothing but the one spelling of a point.
    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut y = number(bytes)?;
        let odd = y[3] >> 63 == 1;
        y[3] &= u64::MAX >> 1;
        if !less(&y, &Field::MODULUS) {
            return None;
        }
        let y = Field::enter(&y);
        let square = Field::square(&y);
        let u = Field::sub(&square, &Field::ONE);
        let v = Field::add(&Field::mul(&Field::enter(&D), &square), &Field::ONE);
        // x = u v^3 (u v^7)^((p - 5) / 8), or that times the root of -1.
        let cube = Field::mul(&Field::square(&v), &v);
        let seventh = Field::mul(&Field::square(&cube), &v);
        let mut x = Field::mul(&Field::mul(&u, &cube), &power(&Field::mul(&u, &seventh)));
        let found = Field::mul(&v, &Field::square(&x));
        if found == negated(&u) {
            x = Field::mul(&x, &Field::enter(&ROOT));
        } else if found != u {
            return None;
        }
        if x == [0; 4] && odd {
            return None;
        }
        if is_odd(&x) != odd {
            x = negated(&x);
        }
        Some(Self { x, y, z: Field::ONE, t: Field::mul(&x, &y) })
    }

    fn encode(&self) -> [u8; 32] {
        let inverse = Field::inverted(&self.z);
        let (x, y) = (Field::mul(&self.x, &inverse), Field::mul(&self.y, &inverse));
        let mut plain = Field::mul(&y, &ONE);
        plain[3] |= u64::from(is_odd(&x)) << 63;
        let mut bytes = [0; 32];
        for (chunk, limb) in bytes.chunks_exact_mut(8).zip(plain) {
            chunk.copy_from_slice(&limb.to_le_bytes());
        }
        bytes
    }

    fn negative(&self) -> Self {
        Self { x: negated(&self.x), t: negated(&self.t), ..*self }
    }

    /// Complete: it also doubles, and adds what is neutral.
    fn add(&self, other: &Self) -> Self {
        let a = Field::mul(&Field::sub(&self.y, &self.x), &Field::sub(&other.y, &other.x));
        let b = Field::mul(&Field::add(&self.y, &self.x), &Field::add(&other.y, &other.x));
        let d = Field::enter(&D);
        let c = Field::mul(&Field::mul(&self.t, &Field::add(&d, &d)), &other.t);
        let zz = Field::mul(&self.z, &other.z);
        let d = Field::add(&zz, &zz);
        let (e, f) = (Field::sub(&b, &a), Field::sub(&d, &c));
        let (g, h) = (Field::add(&d, &c), Field::add(&b, &a));
        Self { x: Field::mul(&e, &f), y: Field::mul(&g, &h), z: Field::mul(&f, &g), t: Field::mul(&e, &h) }
    }

    /// `own` times this and `factor` times the other.
    fn times_and(&self, own: &Number, other: &Self, factor: &Number) -> Self {
        let is_set = |number: &Number, bit: usize| number[bit / 64] >> (bit % 64) & 1 == 1;
        (0..256).rev().fold(Self::NEUTRAL, |mut sum, bit| {
            sum = sum.add(&sum);
            if is_set(own, bit) {
                sum = sum.add(self);
            }
            if is_set(factor, bit) {
                sum = sum.add(other);
            }
            sum
        })
    }
}

fn is_odd(stand_in: &Number) -> bool {
    Field::mul(stand_in, &ONE)[0] & 1 == 1
}

/// To (p - 5) / 8.
fn power(base: &Number) -> Number {
    (0..256).rev().fold(Field::ONE, |value, bit| {
        let value = Field::square(&value);
        if EXPONENT[bit / 64] >> (bit % 64) & 1 == 1 { Field::mul(&value, base) } else { value }
    })
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};

    use super::*;

    /// Without a domain it is Ed25519, for which there is another verifier to compare with.
    fn both(key: &[u8], message: &[u8], signature: &[u8]) -> bool {
        let ours = verify(b"", key, message, signature);
        let other = UnparsedPublicKey::new(&ED25519, key).verify(message, signature).is_ok();
        assert_eq!(ours, other, "{key:02x?} {message:02x?} {signature:02x?}");
        ours
    }

    #[test]
    fn without_a_domain_it_answers_as_aws_lc() {
        for seed in 0..20u8 {
            let pair = Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap();
            let key = pair.public_key().as_ref();
            let message = vec![seed; usize::from(seed)];
            let good = pair.sign(&message).as_ref().to_vec();
            assert!(both(key, &message, &good));
            assert!(!both(key, b"other", &good));
            for place in [0, 31, 32, 40, 62, 63] {
                let mut bad = good.clone();
                bad[place] ^= 1 << (seed % 8);
                assert!(!both(key, &message, &bad), "{place}");
            }
            let mut other = key.to_vec();
            other[usize::from(seed)] ^= 1;
            assert!(!both(&other, &message, &good));
            // The same number with the order added to it.
            let mut above = good.clone();
            let mut carry = 0u16;
            let order = Order::MODULUS.iter().flat_map(|limb| limb.to_le_bytes());
            for (byte, more) in above[32..].iter_mut().zip(order) {
                let sum = u16::from(*byte) + u16::from(more) + carry;
                (*byte, carry) = (sum as u8, sum >> 8);
            }
            assert!(!both(key, &message, &above));
            assert!(!both(key, &message, &good[..63]) && !both(&key[..31], &message, &good));
        }
    }

    #[test]
    fn spellings_of_no_point() {
        // y of the prime and above it; x of zero with a sign; a y without an x.
        let prime: Vec<u8> = Field::MODULUS.iter().flat_map(|limb| limb.to_le_bytes()).collect();
        let mut signed_zero = [0; 32];
        (signed_zero[0], signed_zero[31]) = (1, 0x80);
        let mut no_point = [0; 32];
        no_point[0] = 2;
        for bytes in [&prime[..], &[0xff; 32], &signed_zero, &no_point, &[], &[0; 31]] {
            assert!(Point::decode(bytes).is_none(), "{bytes:02x?}");
        }
        assert_eq!(Point::decode(&BASE).unwrap().encode(), BASE);
    }

    /// Made by Go's crypto/ed25519 with `Options{Hash: crypto.SHA512}`, from the seed 1, 2, ... 32, of "artifact\n".
    #[test]
    fn what_go_signed_over_a_digest() {
        let hex = |text: &str| -> Vec<u8> {
            (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
        };
        let key = hex("79b5562e8fe654f94078b112e8a98ba7901f853ae695bed7e0e3910bad049664");
        let signature = hex(concat!(
            "6f56400327985d49745117ec59e4e384f71c0b5eb7d179941f8194224f6aa582",
            "e19a8989a89e62c52450e51b829a2205dccad00cd13f902fc3d975606cb5970d"
        ));
        let digest = aws_lc_rs::digest::digest(&SHA512, b"artifact\n");
        assert!(verify_prehashed(&key, digest.as_ref(), &signature));
        let other = aws_lc_rs::digest::digest(&SHA512, b"artifact");
        assert!(!verify_prehashed(&key, other.as_ref(), &signature));
        // One kind of signature never passes for the other.
        assert!(!both(&key, digest.as_ref(), &signature) && !both(&key, b"artifact\n", &signature));
        let pair =
            Ed25519KeyPair::from_seed_unchecked(&std::array::from_fn::<u8, 32, _>(|i| i as u8 + 1)).unwrap();
        assert!(!verify_prehashed(&key, digest.as_ref(), pair.sign(digest.as_ref()).as_ref()));
    }
}
