//! Witnesses on both sides: what is cosigned is durable first, and what is published has its quorum.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use linkward_ledger::cosigner::{CosignerKey, Scheme};
use linkward_ledger::key::NoteKey;
use linkward_ledger::merkle::{Frontier, leaf_hash};
use linkward_ledger::note::{Note as SignedNote, signature_line};
use linkward_ledger::witness::{AddCheckpoint, Answer};
use linkward_ledger::{Checkpoint, LogName, VerifiedCheckpoint};
use linkward_record::fault::{Fault, FaultyFiles, Survives};
use linkward_record::fixture::{self, FixedSigner, RememberingSigner};
use linkward_record::{
    Asked, Filter, RealFiles, Store, StoreError, Witness, WitnessClient, WitnessError, Witnesses,
};
use linkward_testkit::{noon, scratch};

use crate::record::Note;

/// How a witness behaves.
const UP: u8 = 0;
const AWAY: u8 = 1;
const LYING: u8 = 2;
const CLAIMING: u8 = 3;

/// A witness in this process: the real state behind a client that can be switched.
#[derive(Clone, Debug)]
struct Local {
    seed: u8,
    witness: Arc<Mutex<Witness>>,
    mode: Arc<AtomicU8>,
}

impl Local {
    fn new(folder: &Path, seed: u8) -> Self {
        let keys = fixture::logs().iter().map(|log| log.key.parse().unwrap()).collect();
        let witness = Witness::new(folder.join(format!("witness-{seed}")), Arc::new(RealFiles), keys);
        Self { seed, witness: Arc::new(Mutex::new(witness)), mode: Arc::default() }
    }

    /// As a process that is started again: nothing is left but the disk.
    fn restart(&self, folder: &Path) {
        *self.witness.lock().unwrap() =
            Arc::try_unwrap(Self::new(folder, self.seed).witness).unwrap().into_inner().unwrap();
    }

    fn behave(&self, mode: u8) {
        self.mode.store(mode, Ordering::SeqCst);
    }

    fn key(&self) -> CosignerKey {
        CosignerKey::new(
            &format!("w.example/{}", self.seed),
            Scheme::Ed25519,
            pair(self.seed).public_key().as_ref(),
        )
        .unwrap()
    }
}

fn pair(seed: u8) -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap()
}

fn line(key: &CosignerKey, seed: u8, offered: &VerifiedCheckpoint) -> String {
    let note = SignedNote::parse(offered.note()).unwrap();
    key.line(9, pair(seed).sign(&key.message(note.text(), 9).unwrap()).as_ref())
}

impl WitnessClient for Local {
    fn add_checkpoint(&mut self, request: &str) -> Result<(u16, Vec<u8>), String> {
        let mode = self.mode.load(Ordering::SeqCst);
        match mode {
            AWAY => return Err("connection refused".to_owned()),
            CLAIMING => return Ok((409, b"1000000\n".to_vec())),
            _ => {}
        }
        // Who lies signs with a key that is not the witness's.
        let signs = if mode == LYING { self.seed + 100 } else { self.seed };
        let heard = self
            .witness
            .lock()
            .unwrap()
            .add(request, |offered| Ok(line(&self.key(), signs, offered)))
            .map_err(|error| error.to_string())?;
        let body = match heard.answer {
            Answer::Conflict { size } => format!("{size}\n"),
            Answer::SplitView { seen, .. } => format!("{}\n", seen.size),
            _ => heard.lines,
        };
        Ok((heard.answer.status(), body.into_bytes()))
    }
}

fn witnesses(locals: &[Local], at_least: usize) -> Witnesses {
    let asked =
        locals.iter().map(|local| Asked { key: local.key(), client: Box::new(local.clone()) }).collect();
    let logs = BTreeSet::from([LogName::Evidence, LogName::Signing]);
    Witnesses::new(asked, at_least, Duration::from_secs(5), logs).unwrap()
}

fn open(root: &Path, signer: &RememberingSigner, witnesses: Witnesses) -> Store {
    fixture::open_witnessed(root, Arc::new(RealFiles), Box::new(signer.clone()), Some(witnesses)).unwrap()
}

fn cosigned(store: &Store, locals: &[Local]) -> usize {
    let checkpoint = store.checkpoint(LogName::Evidence).unwrap();
    let note = SignedNote::parse(checkpoint.note()).unwrap();
    locals.iter().filter(|local| local.key().cosigned(&note).is_some()).count()
}

#[test]
fn what_is_published_has_its_quorum() {
    let folder = scratch();
    let locals: Vec<_> = (1..=3).map(|seed| Local::new(folder.path(), seed)).collect();
    let signer = RememberingSigner::default();
    let store = open(folder.path(), &signer, witnesses(&locals, 2));
    store.append(Note::new("one"), Vec::new(), noon()).unwrap();
    assert!(cosigned(&store, &locals) >= 2);
    // One is away, another lies: there is no quorum, and nobody is told yes.
    locals[0].behave(AWAY);
    locals[1].behave(LYING);
    let published = std::fs::read(folder.path().join("logs/evidence/checkpoint")).unwrap();
    let refused = store.append(Note::new("two"), Vec::new(), noon()).unwrap_err();
    assert!(
        matches!(&refused, StoreError::Unwitnessed(why) if why.contains("w.example/1: connection refused")
        && why.contains("w.example/2: its answer holds no cosignature")),
        "{refused}"
    );
    assert_eq!(store.checkpoint(LogName::Evidence).unwrap().size(), 1);
    let again = store.append(Note::new("three"), Vec::new(), noon());
    assert!(matches!(again, Err(StoreError::Unwitnessed(_))), "what waits is never more than one group");
    let now = std::fs::read(folder.path().join("logs/evidence/checkpoint")).unwrap();
    let text = |note: &[u8]| SignedNote::parse(note).unwrap().text().to_owned();
    assert_eq!(text(&now), text(&published), "nothing else is published");
    // One comes back: what waited is published first, then what follows; nothing is lost or forked.
    locals[0].behave(UP);
    let recorded = store.append(Note::new("four"), Vec::new(), noon()).unwrap();
    assert_eq!(recorded.index(), 2);
    assert!(cosigned(&store, &locals) >= 2);
    let all = Filter { limit: 10, ..Filter::default() };
    assert_eq!(store.rows(&all).unwrap().len(), 3, "what waited is indexed");
    drop(store);
    let verified = linkward_record::verify(folder.path(), &fixture::logs(), &mut |_| {}).unwrap();
    assert_eq!(verified.records, 3);
}

#[test]
fn what_waits_for_its_witnesses_survives_a_restart() {
    let folder = scratch();
    let locals: Vec<_> = (1..=3).map(|seed| Local::new(folder.path(), seed)).collect();
    let signer = RememberingSigner::default();
    let store = open(folder.path(), &signer, witnesses(&locals, 3));
    store.append_entry(LogName::Signing, b"one".to_vec()).unwrap();
    locals[2].behave(AWAY);
    let refused = store.append_entry(LogName::Signing, b"two".to_vec());
    assert!(matches!(refused, Err(StoreError::Unwitnessed(_))));
    drop(store);
    let store = open(folder.path(), &signer, witnesses(&locals, 3));
    assert_eq!(store.checkpoint(LogName::Signing).unwrap().size(), 1, "a restart publishes nothing alone");
    locals.iter().for_each(|local| local.restart(folder.path()));
    locals[2].behave(UP);
    let again = store.append_entry(LogName::Signing, b"two".to_vec()).unwrap();
    assert_eq!((again.index, again.size), (1, 2), "the same entry has its first index");
    let note = SignedNote::parse(&again.checkpoint).unwrap();
    assert!(locals.iter().all(|local| local.key().cosigned(&note).is_some()));
}

#[test]
fn without_a_quorum_to_keep_the_lack_is_shown_and_made_good() {
    let folder = scratch();
    let locals: Vec<_> = (1..=2).map(|seed| Local::new(folder.path(), seed)).collect();
    locals[0].behave(CLAIMING);
    let store = open(folder.path(), &RememberingSigner::default(), witnesses(&locals, 0));
    store.append(Note::new("one"), Vec::new(), noon()).unwrap();
    assert_eq!(cosigned(&store, &locals), 1);
    let standing = store.witnesses().unwrap();
    assert!(
        standing[0].trouble.as_ref().is_some_and(|why| why.contains("rolled back, or the witness lies")),
        "{standing:?}"
    );
    assert_eq!((standing[1].trouble.clone(), standing[1].sizes.get(&LogName::Evidence)), (None, Some(&1)));
    locals[0].behave(UP);
    let mut rounds = 0;
    while cosigned(&store, &locals) < 2 {
        std::thread::sleep(Duration::from_millis(50));
        rounds += 1;
        assert!(rounds < 400, "an idle log asks again: {:?}", store.witnesses());
    }
    assert_eq!(store.witnesses().unwrap()[0].trouble, None);
}

#[test]
fn a_policy_that_nothing_can_meet_is_refused() {
    let folder = scratch();
    let local = Local::new(folder.path(), 1);
    let asked = |count: usize| {
        (0..count).map(|_| Asked { key: local.key(), client: Box::new(local.clone()) }).collect::<Vec<_>>()
    };
    let make = |asked, at_least| Witnesses::new(asked, at_least, Duration::from_secs(1), BTreeSet::new());
    assert!(make(asked(1), 2).is_err());
    assert!(make(asked(2), 1).is_err(), "one key is one witness");
    assert!(make(asked(1), 1).is_ok());
}

const ORIGIN: &str = "00000000.signing.linkward.internal";

/// A request to extend a log of `from` single-byte leaves to `to`, or to a fork of it.
fn request(from: u8, to: u8, fork: bool) -> String {
    let mut tree = Frontier::new();
    (0..to).for_each(|leaf| tree.push(leaf_hash(&[if fork { leaf + 100 } else { leaf }])));
    let text = Checkpoint {
        origin: ORIGIN.to_owned(),
        size: u64::from(to),
        root: tree.root(),
        extensions: Vec::new(),
    }
    .text();
    let key = NoteKey::new(ORIGIN, FixedSigner::default().public()).unwrap();
    let signature = pair(7).sign(text.as_bytes());
    // From one leaf to two, and from none, the proofs are short enough to write down.
    let proof = if from == 1 && to == 2 { vec![leaf_hash(&[1])] } else { Vec::new() };
    AddCheckpoint {
        old: u64::from(from),
        proof,
        checkpoint: format!("{text}\n{}", signature_line(&key, signature.as_ref())).into_bytes(),
    }
    .encode()
}

fn keys() -> Vec<NoteKey> {
    vec![NoteKey::new(ORIGIN, FixedSigner::default().public()).unwrap()]
}

#[test]
fn a_split_view_comes_with_both_notes() {
    let folder = scratch();
    let witness = Witness::new(folder.path().join("witness"), Arc::new(RealFiles), keys());
    let add = |text: &str| witness.add(text, |_| Ok("line\n".to_owned())).unwrap();
    assert!(matches!(add(&request(0, 2, false)).answer, Answer::Cosign(_)));
    let heard = add(&request(2, 2, true));
    assert!(matches!(heard.answer, Answer::SplitView { .. }), "{heard:?}");
    assert!(heard.lines.is_empty());
    let before = SignedNote::parse(&heard.before.unwrap()).unwrap();
    assert_eq!(Checkpoint::parse(before.text()).unwrap().size, 2);
    assert_eq!(witness.sizes().unwrap().get(ORIGIN), Some(&2));
    // Damage is not never seen.
    let path = folder.path().join("witness").join(linkward_model::Digest::sha256(ORIGIN.as_bytes()).hex());
    std::fs::write(&path, "nonsense").unwrap();
    let witness = Witness::new(folder.path().join("witness"), Arc::new(RealFiles), keys());
    let result = witness.add(&request(0, 2, true), |_| Ok(String::new()));
    assert!(matches!(result, Err(WitnessError::Damaged(_))));
}

/// Whatever the machine does, no two trees of one size are ever cosigned, and no older one after a newer.
#[test]
fn nothing_is_cosigned_before_it_is_durable() {
    let mut points = 0;
    for fault in [Fault::Stop, Fault::Torn, Fault::Error, Fault::Full] {
        for survives in [Survives::Nothing, Survives::Everything, Survives::Contents, Survives::Names] {
            for at in 1..=12 {
                let files = FaultyFiles::default();
                let folder = Path::new("/home/witness");
                let open = || Witness::new(folder.to_path_buf(), Arc::new(files.clone()), keys());
                files.fail_at(at, fault);
                let mut cosigned = Vec::new();
                let mut ask = |witness: &Witness, text: &str| {
                    let _ = witness.add(text, |offered| {
                        cosigned.push((offered.size(), offered.root()));
                        Ok("line\n".to_owned())
                    });
                };
                let witness = open();
                ask(&witness, &request(0, 1, false));
                ask(&witness, &request(1, 2, false));
                files.restart(survives);
                let witness = open();
                // The log forks, and tries from every size.
                for from in 0..=2 {
                    ask(&witness, &request(from, 1, true));
                    ask(&witness, &request(from, 2, true));
                }
                let mut by_size = std::collections::BTreeMap::new();
                for (size, root) in cosigned {
                    let other = by_size.insert(size, root).filter(|other| *other != root);
                    assert_eq!(other, None, "{fault:?} at {at}, {survives:?}: two trees of {size}");
                }
                points += 1;
            }
        }
    }
    assert!(points > 100);
}
