#![allow(clippy::arithmetic_side_effects, reason = "tests")]

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P384_SHA384_ASN1, UnparsedPublicKey, VerificationAlgorithm,
};
use aws_lc_rs::{digest, rand};
use proptest::prelude::*;

use super::point::{Curve, P256, P384, Table, affine};
use super::residue::{self, Modulus};
use super::{Known, TABLES, USES};
use crate::der;

/// A curve as the verifier knows it that all answers are compared with.
trait Compared<const N: usize>: Curve<N> {
    const OTHER: &'static dyn VerificationAlgorithm;
    const HASH: &'static digest::Algorithm;
}

impl Compared<4> for P256 {
    const OTHER: &'static dyn VerificationAlgorithm = &ECDSA_P256_SHA256_ASN1;
    const HASH: &'static digest::Algorithm = &digest::SHA256;
}

impl Compared<6> for P384 {
    const OTHER: &'static dyn VerificationAlgorithm = &ECDSA_P384_SHA384_ASN1;
    const HASH: &'static digest::Algorithm = &digest::SHA384;
}

/// A key with its table.
struct Both<C, const N: usize> {
    key: Vec<u8>,
    table: Table<C, N>,
}

impl<C: Compared<N>, const N: usize> Both<C, N> {
    fn new(plain: &[[u64; N]; 2]) -> Self {
        let key = [vec![4], bytes(&plain[0]), bytes(&plain[1])].concat();
        Self { table: Table::of_key(&key).unwrap(), key }
    }

    /// The answer, which has to be the other verifier's too.
    fn verify(&self, digest: &[u8], signature: &[u8]) -> bool {
        let ours = self.table.verify(digest, signature);
        let digest = digest::Digest::import_less_safe(digest, C::HASH).unwrap();
        let other = UnparsedPublicKey::new(C::OTHER, &self.key).verify_digest(&digest, signature).is_ok();
        assert_eq!(ours, other, "key {:02x?}, {digest:?}, signature {signature:02x?}", self.key);
        ours
    }
}

fn bytes<const N: usize>(number: &[u64; N]) -> Vec<u8> {
    number.iter().rev().flat_map(|limb| limb.to_be_bytes()).collect()
}

fn small<const N: usize>(value: u64) -> [u64; N] {
    std::array::from_fn(|limb| if limb == 0 { value } else { 0 })
}

fn minus<const N: usize>(a: &[u64; N], b: &[u64; N]) -> [u64; N] {
    residue::difference(a, b).0
}

fn random<C: Curve<N>, const N: usize>() -> [u64; N] {
    loop {
        let mut bytes = vec![0; 8 * N];
        rand::fill(&mut bytes).unwrap();
        let number = residue::from_bytes(&bytes).unwrap();
        if residue::less(&number, &C::ORDER) {
            return number;
        }
    }
}

fn signature<const N: usize>(r: &[u64; N], s: &[u64; N]) -> Vec<u8> {
    der::element(der::SEQUENCE, &[der::integer(&bytes(r)), der::integer(&bytes(s))].concat())
}

/// The product of two plain numbers modulo the order.
fn product<C: Curve<N>, const N: usize>(a: &[u64; N], b: &[u64; N]) -> [u64; N] {
    C::Order::mul(&C::Order::enter(a), b)
}

/// x and y of a multiple of the generator, plain.
fn multiple<C: Curve<N>, const N: usize>(factor: &[u64; N]) -> [[u64; N]; 2] {
    let point = C::generator().sum(factor, &small(0)).unwrap();
    affine(&[point])[0].each_ref().map(|stand_in| C::mul(stand_in, &small(1)))
}

/// For the private key one, whose public key is the generator: digest and signature that lead to `u1` and `u2`, which are
/// not the negative of each other.
fn crafted<C: Curve<N>, const N: usize>(u1: &[u64; N], u2: &[u64; N]) -> (Vec<u8>, Vec<u8>) {
    let total = C::Order::add(u1, u2);
    let [x, _] = multiple::<C, N>(&total);
    let r = if residue::less(&x, &C::ORDER) { x } else { minus(&x, &C::ORDER) };
    let s = product::<C, N>(&r, &C::Order::inverse(u2));
    (bytes(&product::<C, N>(&s, u1)), signature(&r, &s))
}

fn arithmetic<M: Modulus<N>, const N: usize>() {
    let top = minus(&M::MODULUS, &small(1));
    let edges = [small(1), small(2), minus(&top, &small(1)), top];
    for number in edges.iter().chain(&std::array::from_fn::<_, 50, _>(|_| {
        let mut bytes = vec![0; 8 * N - 1];
        rand::fill(&mut bytes).unwrap();
        residue::from_bytes(&bytes).unwrap()
    })) {
        let inverse = M::inverse(number);
        assert!(residue::less(&inverse, &M::MODULUS));
        assert_eq!(M::mul(&M::enter(number), &inverse), small(1), "{number:x?}");
        let stand_in = M::enter(number);
        assert_eq!(M::mul(&stand_in, &M::inverted(&stand_in)), M::ONE, "{number:x?}");
        for other in &edges {
            let both = M::add(number, other);
            assert!(residue::less(&both, &M::MODULUS));
            assert_eq!(M::sub(&both, other), *number);
            let square = M::sub(&M::square(number), &M::square(other));
            assert_eq!(square, M::mul(&both, &M::sub(number, other)), "{number:x?} {other:x?}");
        }
    }
    assert_eq!(M::square(&M::enter(&top)), M::ONE);
}

#[test]
fn arithmetic_of_all_four_primes() {
    arithmetic::<P256, 4>();
    arithmetic::<<P256 as Curve<4>>::Order, 4>();
    arithmetic::<P384, 6>();
    arithmetic::<<P384 as Curve<6>>::Order, 6>();
}

fn signatures<C: Compared<N>, const N: usize>() {
    let secret = random::<C, N>();
    let key = Both::<C, N>::new(&multiple::<C, N>(&secret));
    let stranger = Both::<C, N>::new(&multiple::<C, N>(&random::<C, N>()));
    let zero = bytes(&small::<N>(0));
    let ones = vec![0xff; 8 * N];
    let order = bytes(&C::ORDER);
    let digests: Vec<Vec<u8>> = (0..20).map(|_| bytes(&random::<C, N>())).collect();
    for digest in digests.iter().chain([&zero, &ones, &order]) {
        let e = residue::from_bytes(digest).unwrap();
        let nonce = random::<C, N>();
        let [r, _] = multiple::<C, N>(&nonce);
        let sum = C::Order::add(&product::<C, N>(&e, &small(1)), &product::<C, N>(&r, &secret));
        let s = product::<C, N>(&sum, &C::Order::inverse(&nonce));
        assert!(key.verify(digest, &signature(&r, &s)), "{digest:02x?}");
        // A signature's other half is as good.
        assert!(key.verify(digest, &signature(&r, &minus(&C::ORDER, &s))));
        assert!(!stranger.verify(digest, &signature(&r, &s)));
        assert!(!key.verify(digest, &signature(&s, &r)));
        let mut other = digest.clone();
        other[0] ^= 0x80;
        assert!(!key.verify(&other, &signature(&r, &s)));
    }
}

#[test]
fn signatures_as_aws_lc_answers() {
    signatures::<P256, 4>();
    signatures::<P384, 6>();
}

/// Sums that meet a doubling, a point and its negative, digits at both ends of their range.
fn sums<C: Compared<N>, const N: usize>() {
    let key = Both::<C, N>::new(&C::GENERATOR);
    let edge = |byte: u8| residue::from_bytes(&vec![byte; 8 * N - 1]).unwrap();
    let numbers = [
        small(1),
        small(5),
        small(127),
        small(128),
        small(129),
        small(255),
        small(256),
        small(0x8080),
        edge(0x7f),
        edge(0x80),
        edge(0x81),
        edge(0xff),
        minus(&C::ORDER, &small(1)),
        minus(&C::ORDER, &small(2)),
        random::<C, N>(),
    ];
    for u1 in numbers.iter().chain([&small(0)]) {
        for u2 in &numbers {
            if C::Order::add(u1, u2) == small(0) {
                // The sum is the point at infinity, which has no x.
                let s = random::<C, N>();
                let (r, e) = (product::<C, N>(&s, u2), product::<C, N>(&s, u1));
                assert!(!key.verify(&bytes(&e), &signature(&r, &s)));
            } else {
                let (digest, signature) = crafted::<C, N>(u1, u2);
                assert!(key.verify(&digest, &signature), "{u1:x?} {u2:x?}");
            }
        }
    }
}

#[test]
fn sums_of_every_kind() {
    sums::<P256, 4>();
    sums::<P384, 6>();
}

fn power<C: Curve<N>, const N: usize>(base: &[u64; N], exponent: &[u64; N]) -> [u64; N] {
    (0..64 * N).rev().fold(C::ONE, |value, bit| {
        let value = C::square(&value);
        if exponent[bit / 64] >> (bit % 64) & 1 == 1 { C::mul(&value, base) } else { value }
    })
}

/// x of the sum is above the order: r is what is left of it, and must be found all the same.
fn wrapped<C: Compared<N>, const N: usize>() {
    let three = C::enter(&small(3));
    // (p + 1) / 4, for a prime that is 3 modulo 4.
    let mut quarter = residue::sum(&C::MODULUS, &small(1)).0;
    for _ in 0..2 {
        for limb in 0..N {
            let above = quarter.get(limb + 1).map_or(0, |next| next << 63);
            quarter[limb] = quarter[limb] >> 1 | above;
        }
    }
    let mut tried = 0;
    for r in 1..40 {
        let r = small(r);
        let plain = residue::sum(&r, &C::ORDER).0;
        let x = C::enter(&plain);
        let right = C::add(&C::mul(&C::sub(&C::square(&x), &three), &x), &C::enter(&C::B));
        let y = power::<C, N>(&right, &quarter);
        if C::square(&y) != right {
            continue;
        }
        // With u2 = 1 the key is that point itself, less u1 times the generator: none, for a digest of zero.
        let key = Both::<C, N>::new(&[plain, C::mul(&y, &small(1))]);
        let zero = bytes(&small::<N>(0));
        assert!(key.verify(&zero, &signature(&r, &r)));
        assert!(!key.verify(&zero, &signature(&residue::sum(&r, &small(1)).0, &r)));
        // x itself is no r: it is not below the order.
        assert!(!key.verify(&zero, &signature(&plain, &r)));
        tried += 1;
    }
    assert!(tried > 5, "{tried}");
}

#[test]
fn x_above_the_order() {
    wrapped::<P256, 4>();
    wrapped::<P384, 6>();
}

/// Signatures that spell no two numbers in range, and one that does.
fn spellings<C: Compared<N>, const N: usize>() {
    let key = Both::<C, N>::new(&C::GENERATOR);
    let (digest, good) = crafted::<C, N>(&small(3), &small(4));
    assert!(key.verify(&digest, &good));
    let content = good.get(2..).unwrap();
    let length = usize::from(content[1]);
    let (r, s) = content.split_at(length + 2);
    let wrap = |parts: &[&[u8]]| der::element(der::SEQUENCE, &parts.concat());
    let zero = der::integer(&[0]);
    let order = der::integer(&bytes(&C::ORDER));
    let above = der::integer(&vec![0xff; 8 * N]);
    let long = der::integer(&vec![1; 8 * N + 1]);
    let padded = |integer: &[u8]| {
        let mut padded = integer.to_vec();
        padded.insert(2, 0);
        padded[1] += 1;
        padded
    };
    let negative = der::element(der::INTEGER, &[0x80, 1]);
    let long_form = [&[0x30, 0x81, good[1]], content].concat();
    let indefinite = [&[0x30, 0x80], content, &[0, 0]].concat();
    let refused: Vec<Vec<u8>> = vec![
        vec![],
        vec![0x30, 0],
        wrap(&[r]),
        wrap(&[r, s, s]),
        wrap(&[&zero, s]),
        wrap(&[r, &zero]),
        wrap(&[&order, s]),
        wrap(&[r, &order]),
        wrap(&[&above, s]),
        wrap(&[r, &above]),
        wrap(&[&long, s]),
        wrap(&[&negative, s]),
        wrap(&[&padded(r), s]),
        wrap(&[r, &padded(s)]),
        wrap(&[&[2, 0], s]),
        [&good[..], &[0]].concat(),
        [&good[..], &good[..]].concat(),
        long_form,
        indefinite,
    ];
    for signature in &refused {
        assert!(!key.verify(&digest, signature), "{signature:02x?}");
    }
    for end in 0..good.len() {
        assert!(!key.verify(&digest, &good[..end]));
    }
}

#[test]
fn spellings_of_a_signature() {
    spellings::<P256, 4>();
    spellings::<P384, 6>();
}

#[test]
fn keys_that_are_no_point() {
    let good = Both::<P256, 4>::new(&P256::GENERATOR).key;
    let table = |key: &[u8]| Table::<P256, 4>::of_key(key).is_some();
    assert!(table(&good));
    let mut off = good.clone();
    off[64] ^= 1;
    let mut compressed = good[..33].to_vec();
    compressed[0] = 3;
    let mut hybrid = good.clone();
    hybrid[0] = 7;
    let above = [vec![4], bytes(&P256::MODULUS), good[33..].to_vec()].concat();
    for key in [off, compressed, hybrid, above, vec![], vec![4], vec![0], vec![4; 64]] {
        assert!(!table(&key), "{key:02x?}");
    }
    assert!(Table::<P384, 6>::of_key(&good).is_none());
}

/// A key's first signatures are left to the other verifier, and no more than so many keys have tables at once.
#[test]
fn tables_are_made_late_and_few() {
    let key = Both::<P256, 4>::new(&P256::GENERATOR).key;
    let known = Known::new();
    let made = (0..=USES).filter(|_| known.table(&key).is_some()).count();
    assert_eq!(made, 1);
    let nowhere = Known::at_once();
    assert!(nowhere.table(&[4; 65]).is_none(), "a key that is no point of the curve");
    let many: Vec<Known> = (0..TABLES).map(|_| Known::at_once()).collect();
    let made = many.iter().filter(|known| known.table(&key).is_some()).count();
    assert_eq!(made, TABLES as usize - 1);
    drop(known);
    let next = Known::at_once();
    assert!(next.table(&key).is_some(), "one was free again");
}

fn damaged<C: Compared<N>, const N: usize>(
    key: &Both<C, N>,
    place: prop::sample::Index,
    mask: u8,
    u1: u64,
    u2: u64,
) {
    let (digest, mut signature) = crafted::<C, N>(&small(u1), &small(u2.max(1)));
    assert!(key.verify(&digest, &signature));
    let place = place.index(signature.len());
    signature[place] ^= mask;
    let _ = key.verify(&digest, &signature);
}

thread_local! {
    static KEYS: (Both<P256, 4>, Both<P384, 6>) =
        (Both::new(&P256::GENERATOR), Both::new(&P384::GENERATOR));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    /// Any byte changed: both verifiers still agree.
    #[test]
    fn signatures_with_a_byte_changed(
        place in any::<prop::sample::Index>(), mask in 1u8.., u1 in any::<u64>(), u2 in any::<u64>(),
    ) {
        KEYS.with(|(short, long)| {
            damaged(short, place, mask, u1, u2);
            damaged(long, place, mask, u1, u2);
        });
    }
}
