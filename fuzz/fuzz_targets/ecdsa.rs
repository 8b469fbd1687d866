//! A signature made by aws-lc and damaged, or any bytes as one: the key's table answers as aws-lc does.
#![no_main]

use std::sync::OnceLock;

use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm,
    KeyPair as _,
};
use libfuzzer_sys::fuzz_target;
use linkward_prove::PublicKey;

struct Signer {
    pair: EcdsaKeyPair,
    plain: PublicKey,
    known: PublicKey,
}

fn signer(algorithm: &'static EcdsaSigningAlgorithm) -> Signer {
    let pair = EcdsaKeyPair::generate(algorithm).expect("a key");
    let spki: PublicKeyX509Der<'_> = pair.public_key().as_der().expect("a public key");
    let plain = PublicKey::from_spki(spki.as_ref()).expect("a key of a known curve");
    Signer { known: plain.clone().with_table(), plain, pair }
}

static SIGNERS: OnceLock<[Signer; 2]> = OnceLock::new();

fuzz_target!(|bytes: &[u8]| {
    let signers = SIGNERS
        .get_or_init(|| [signer(&ECDSA_P256_SHA256_ASN1_SIGNING), signer(&ECDSA_P384_SHA384_ASN1_SIGNING)]);
    let Some((choice, rest)) = bytes.split_first() else { return };
    let signer = &signers[usize::from(choice & 1)];
    let (message, signature) = if choice & 2 == 0 {
        (&b"message"[..], rest.to_vec())
    } else {
        let (damage, message) = rest.split_at(rest.len().min(4));
        let signed = signer.pair.sign(&SystemRandom::new(), message).expect("a signature");
        let mut signature = signed.as_ref().to_vec();
        for pair in damage.chunks_exact(2) {
            let place = usize::from(pair[0]) % signature.len();
            signature[place] ^= pair[1];
        }
        if choice & 4 != 0 {
            signature.truncate(usize::from(*choice));
        }
        assert!(
            damage.iter().any(|byte| *byte != 0)
                || choice & 4 != 0
                || signer.known.signed(message, signed.as_ref())
        );
        (message, signature)
    };
    assert_eq!(
        signer.known.signed(message, &signature),
        signer.plain.signed(message, &signature),
        "{signature:02x?}"
    );
});
