//! Cosignatures, witness policies, the answers of a witness, and proofs that travel.

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _, ML_DSA_44_SIGNING, PqdsaKeyPair};
use linkward_ledger::Checkpoint;
use linkward_ledger::cosigner::{CosignerKey, Scheme};
use linkward_ledger::key::NoteKey;
use linkward_ledger::log_proof::{LogProof, LogProofError};
use linkward_ledger::merkle::{Frontier, Hash, leaf_hash, node_hash};
use linkward_ledger::note::{Note, signature_line};
use linkward_ledger::quorum::WitnessPolicy;
use linkward_ledger::witness::{AddCheckpoint, Answer, TellError, Told, Witnessed};

const ORIGIN: &str = "log.example";

fn pair(seed: u8) -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap()
}

fn log_key(seed: u8) -> NoteKey {
    NoteKey::new(ORIGIN, pair(seed).public_key().as_ref().try_into().unwrap()).unwrap()
}

fn witness(name: &str, seed: u8) -> CosignerKey {
    CosignerKey::new(name, Scheme::Ed25519, pair(seed).public_key().as_ref()).unwrap()
}

/// A checkpoint over leaves that are single bytes, signed by the log's key of this seed.
fn checkpoint(leaves: &[u8], seed: u8) -> String {
    let mut tree = Frontier::new();
    leaves.iter().for_each(|leaf| tree.push(leaf_hash(&[*leaf])));
    let text = Checkpoint {
        origin: ORIGIN.to_owned(),
        size: tree.size(),
        root: tree.root(),
        extensions: Vec::new(),
    }
    .text();
    let line = signature_line(&log_key(seed), pair(seed).sign(text.as_bytes()).as_ref());
    format!("{text}\n{line}")
}

fn cosign(note: &str, key: &CosignerKey, seed: u8, time: u64) -> String {
    let parsed = Note::parse(note.as_bytes()).unwrap();
    let signature = pair(seed).sign(&key.message(parsed.text(), time).unwrap());
    format!("{note}{}", key.line(time, signature.as_ref()))
}

#[test]
fn a_cosignature_counts_for_its_own_key_text_and_time() {
    let key = witness("w.example/one", 2);
    assert_eq!(key.to_string().parse::<CosignerKey>().unwrap(), key);
    let note = checkpoint(&[1, 2, 3], 1);
    let signed = cosign(&note, &key, 2, 1_700_000_000);
    let parsed = Note::parse(signed.as_bytes()).unwrap();
    assert!(parsed.signed_by(&log_key(1)));
    assert_eq!(key.cosigned(&parsed), Some(1_700_000_000));
    let refused = |note: &str, key: &CosignerKey| {
        assert_eq!(key.cosigned(&Note::parse(note.as_bytes()).unwrap()), None, "{note}");
    };
    refused(&note, &key);
    refused(&signed, &witness("w.example/two", 2));
    refused(&signed, &witness("w.example/one", 3));
    refused(&signed.replace("\n3\n", "\n4\n"), &key);
    refused(&cosign(&note, &key, 3, 1_700_000_000), &key);
    // Zero says nothing about the largest tree; a time beyond the specification's is none.
    refused(&cosign(&note, &key, 2, 0), &key);
    refused(&cosign(&note, &key, 2, 1 << 63), &key);
    // The log's own signature, replayed as a cosignature by a witness with the same key.
    refused(&note, &witness(ORIGIN, 1));
}

#[test]
fn post_quantum_cosignatures() {
    let pair = PqdsaKeyPair::generate(&ML_DSA_44_SIGNING).unwrap();
    let public = pair.public_key().as_ref().to_vec();
    let key = CosignerKey::new("w.example/pq", Scheme::MlDsa44, &public).unwrap();
    assert_eq!(key.to_string().parse::<CosignerKey>().unwrap(), key);
    let note = checkpoint(&[1, 2, 3], 1);
    let text = Note::parse(note.as_bytes()).unwrap().text().to_owned();
    let mut signature = vec![0; ML_DSA_44_SIGNING.signature_len()];
    let length = pair.sign(&key.message(&text, 1_700_000_000).unwrap(), &mut signature).unwrap();
    assert_eq!(length, 2420);
    let signed = format!("{note}{}", key.line(1_700_000_000, &signature));
    assert_eq!(key.cosigned(&Note::parse(signed.as_bytes()).unwrap()), Some(1_700_000_000));
    // The message commits to the name, unlike that of Ed25519: the key under another name is another witness.
    let renamed = CosignerKey::new("w.example/other", Scheme::MlDsa44, &public).unwrap();
    let signed = format!("{note}{}", renamed.line(1_700_000_000, &signature));
    assert_eq!(renamed.cosigned(&Note::parse(signed.as_bytes()).unwrap()), None);
    assert!(CosignerKey::new("w.example/pq", Scheme::MlDsa44, &public[1..]).is_err());
}

#[test]
fn a_policy_counts_keys_and_not_names() {
    let (one, two) = (witness("w.example/one", 2), witness("w.example/two", 3));
    let alias = witness("w.example/alias", 2);
    let note = cosign(&checkpoint(&[1], 1), &one, 2, 5);
    let both = cosign(&note, &two, 3, 5);
    let parse = |note: &str| Note::parse(note.as_bytes()).unwrap();
    let policy = WitnessPolicy::new(vec![one.clone(), two.clone()], 2).unwrap();
    assert!(policy.met(&parse(&note)).is_err());
    assert_eq!(policy.met(&parse(&both)).unwrap().len(), 2);
    assert!(WitnessPolicy::new(vec![one.clone(), alias], 2).is_err(), "one key is one witness");
    // The same line twice is still one.
    assert!(policy.met(&parse(&cosign(&note, &one, 2, 6))).is_err());
    assert!(WitnessPolicy::new(vec![one], 1).unwrap().met(&parse(&note)).is_ok());
}

#[test]
fn every_answer_of_a_witness() {
    let keys = [log_key(1)];
    let (one, three) = (checkpoint(&[1], 1), checkpoint(&[1, 2, 3], 1));
    let leaf = |byte: u8| leaf_hash(&[byte]);
    let proof = vec![leaf(2), leaf(3)];
    let seen = Some(Witnessed { size: 1, root: leaf(1) });
    let ask = |old, proof: &[Hash], note: &str| {
        let body =
            AddCheckpoint { old, proof: proof.to_vec(), checkpoint: note.as_bytes().to_vec() }.encode();
        AddCheckpoint::parse(&body).unwrap()
    };
    let status = |ask: &AddCheckpoint, seen| ask.answer(&keys, seen).status();
    assert!(matches!(ask(0, &[], &one).answer(&keys, None), Answer::Cosign(_)));
    assert!(matches!(ask(1, &proof, &three).answer(&keys, seen), Answer::Cosign(_)));
    assert!(matches!(ask(1, &[], &one).answer(&keys, seen), Answer::Cosign(_)));
    assert_eq!(status(&ask(4, &[], &three), seen), 400);
    assert_eq!(status(&ask(1, &proof, "no checkpoint"), seen), 400);
    assert_eq!(status(&ask(0, &[], &checkpoint(&[1], 9)), None), 403);
    assert_eq!(ask(0, &[], &one).answer(&[], None).status(), 404);
    assert_eq!(ask(0, &[], &three).answer(&keys, seen), Answer::Conflict { size: 1 });
    assert_eq!(ask(1, &[], &three).answer(&keys, None), Answer::Conflict { size: 0 });
    // A second tree of the size that was cosigned, and a larger one that does not extend it.
    assert!(matches!(ask(1, &[], &checkpoint(&[7], 1)).answer(&keys, seen), Answer::SplitView { .. }));
    let forked = ask(1, &proof, &checkpoint(&[7, 2, 3], 1));
    assert!(matches!(forked.answer(&keys, seen), Answer::Unproven { .. }));
    assert_eq!(status(&ask(1, &[], &three), seen), 422);
    assert_eq!(status(&ask(0, &proof, &three), None), 422);
    assert_eq!(status(&ask(1, &proof, &one), seen), 422);
    for bad in ["", "old 1\n", "old 01\n\n", "old -1\n\nx", "new 1\n\nx", "old 1\nAAAA\n\nx"] {
        assert_eq!(AddCheckpoint::parse(bad), None, "{bad:?}");
    }
    let many = format!("old 1\n{}\n{one}", format!("{}\n", "A".repeat(43) + "=").repeat(64));
    assert_eq!(AddCheckpoint::parse(&many), None, "64 lines of proof");
}

#[test]
fn what_a_client_makes_of_an_answer() {
    let (one, two) = (witness("w.example/one", 2), witness("w.example/two", 3));
    let note = checkpoint(&[1, 2, 3], 1);
    let asked = AddCheckpoint { old: 1, proof: Vec::new(), checkpoint: note.clone().into_bytes() };
    let line = |key: &CosignerKey, seed: u8, note: &str| cosign(note, key, seed, 7)[note.len()..].to_owned();
    let read = |status: u16, body: &str| Told::read(status, body.as_bytes(), &asked, &one);
    let own = line(&one, 2, &note);
    assert_eq!(read(200, &own), Ok(Told::Cosigned(own.clone())));
    // A witness with several keys signs with each; what is not asked for is dropped.
    assert_eq!(read(200, &format!("{}{own}", line(&two, 3, &note))), Ok(Told::Cosigned(own.clone())));
    let other = line(&one, 2, &checkpoint(&[1, 2], 1));
    for bad in ["", "\n", "thank you\n", own.trim_end(), &line(&two, 3, &note), &line(&one, 3, &note), &other]
    {
        assert!(matches!(read(200, bad), Err(TellError::Signature(_))), "{bad}");
    }
    // The log's own signature, sent back, is no cosignature.
    let echo = note.lines().last().map(|line| format!("{line}\n")).unwrap();
    assert!(read(200, &echo).is_err());
    assert_eq!(read(409, "3\n"), Ok(Told::Conflict { size: 3 }));
    assert_eq!(read(409, "1\n"), Err(TellError::Forked), "of the size that was named it has another tree");
    for bad in ["", "-1", "1e3", "99999999999999999999", "three"] {
        assert_eq!(read(409, bad), Err(TellError::Malformed), "{bad}");
    }
    for status in [301, 400, 403, 404, 422, 500] {
        assert_eq!(read(status, &own), Err(TellError::Status(status)));
    }
    assert_eq!(Told::read(200, &[0xff], &asked, &one), Err(TellError::Malformed));
}

#[test]
fn a_proof_that_travels() {
    let key = witness("w.example/one", 2);
    let policy = WitnessPolicy::new(vec![key.clone()], 1).unwrap();
    let note = cosign(&checkpoint(&[1, 2, 3], 1), &key, 2, 5);
    let leaf = |byte: u8| leaf_hash(&[byte]);
    let proof = LogProof {
        extra: Some(vec![3]),
        index: 2,
        hashes: vec![node_hash(&leaf(1), &leaf(2))],
        checkpoint: note.clone().into_bytes(),
    };
    let text = proof.encode();
    assert_eq!(LogProof::parse(&text).unwrap(), proof);
    let logged = proof.verify(&leaf(3), &log_key(1), &policy).unwrap();
    assert_eq!((logged.index, logged.witnesses), (2, vec![("w.example/one".to_owned(), 5)]));
    let fails = |proof: &LogProof, leaf: Hash, log: NoteKey| proof.verify(&leaf, &log, &policy).unwrap_err();
    assert!(matches!(fails(&proof, leaf(2), log_key(1)), LogProofError::Inclusion { .. }));
    assert!(matches!(fails(&proof, leaf(3), log_key(9)), LogProofError::Checkpoint(_)));
    let elsewhere = LogProof { index: 1, ..proof.clone() };
    assert!(matches!(fails(&elsewhere, leaf(3), log_key(1)), LogProofError::Inclusion { .. }));
    let alone = LogProof { checkpoint: checkpoint(&[1, 2, 3], 1).into_bytes(), ..proof };
    assert!(matches!(fails(&alone, leaf(3), log_key(1)), LogProofError::Witnesses(_)));
    for bad in [
        text.replace("@v1", "@v2"),
        text.replace("index 2", "index 02"),
        text.replace("index 2", "index +2"),
        text.replace("extra ", "extra !"),
        text.replace("\n\n", "\n"),
        text.replacen("index 2\n", "index 2\nAAAA\n", 1),
    ] {
        assert!(LogProof::parse(&bad).is_err(), "{bad}");
    }
}
