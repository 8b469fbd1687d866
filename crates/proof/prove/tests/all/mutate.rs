//! A mutator that knows how a bundle is built: it changes values, bits, DER lengths, lines of checkpoints and members of
//! logged entries, and crosses good bundles with each other. Whatever it makes is refused, or proves what one of the
//! good bundles proves.

use std::collections::BTreeMap;

use linkward_model::{Digest, Outcome};
use linkward_prove::{Artifact, Attestation, Pattern, Proven, Signer, TrustRoots, bundle};
use serde_json::{Value, json};

use crate::hostile;
use crate::instance::*;

/// Good bundles of one instance and what they prove, and hostile ones that one check each refuses.
pub(crate) struct Corpus {
    starts: Vec<Value>,
    pointers: Vec<Vec<String>>,
    roots: TrustRoots,
    signer: [Pattern; 2],
    conclusions: Vec<String>,
}

/// What became of the mutations.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) tried: u64,
    /// Accepted, but with nothing proven that was not proven before: what was changed had no bearing.
    pub(crate) same: u64,
    /// Refusals by the check that failed.
    pub(crate) refused: BTreeMap<&'static str, u64>,
    /// Accepted with another conclusion: each is a defect.
    pub(crate) accepted: Vec<String>,
}

/// xorshift64*: the run is the same for the same seed.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, count: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let mixed = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(mixed).unwrap() % count.max(1)
    }
}

fn conclusion(proven: &Proven<Attestation>) -> String {
    let claim = proven.claim();
    let parts = (proven.signer(), proven.proven_at(), claim.subjects(), claim.statement(), claim.logged());
    format!("{parts:?}")
}

impl Corpus {
    /// # Panics
    /// A good bundle is refused, or a hostile one by another check than the one that it is meant for. With `unguarded`
    /// the latter is what is looked for.
    pub(crate) fn new(unguarded: bool) -> Self {
        let own = Instance::new();
        let mut good = Vec::new();
        for log in [Log::V1(SIGNED), Log::V2] {
            for make in [Instance::message, Instance::statement] {
                // Two signers each, so that crossing them has something to mix up.
                for _ in 0..2 {
                    let leaf = own.leaf_with_timestamp(signing(), &own.certificate_key);
                    let mut document = make(&own, &By::Leaf(&leaf), log);
                    own.stamp(&mut document, SIGNED);
                    good.push(document);
                }
            }
        }
        let signer = [SUBJECT, ISSUER].map(|text| Pattern::parse(text).unwrap());
        let roots = parsed(&hostile::root(&own));
        let mut corpus =
            Self { pointers: Vec::new(), roots, signer, conclusions: Vec::new(), starts: good.clone() };
        for hostile in hostile::bundles(&own) {
            let refused = corpus.verify(&hostile.bundle).map(|_| "none");
            assert!(unguarded || refused == Err(hostile.check), "{refused:?}, not {}", hostile.check);
            good.extend(hostile.good);
            corpus.starts.push(hostile.bundle);
        }
        for document in &good {
            let proven = corpus.verify(document).unwrap();
            // Without its promise an entry of Rekor v1 has its number in the tree.
            let without = conclusion(&proven).replace("index: 1001", "index: 1");
            corpus.conclusions.extend([conclusion(&proven), without]);
        }
        for document in &corpus.starts {
            let mut found = Vec::new();
            pointers(document, String::new(), &mut found);
            corpus.pointers.push(found);
        }
        corpus
    }

    fn verify(&self, document: &Value) -> Result<Proven<Attestation>, &'static str> {
        let digests = [Digest::sha256(ARTIFACT)];
        let [subject, issuer] = &self.signer;
        let signer = Signer::Certificate { subject, issuer };
        let bytes = document.to_string();
        bundle(bytes.as_bytes(), &self.roots, signer, Artifact::Digests(&digests), NOW).map_err(|refusal| {
            let failed = refusal.checks.iter().find(|check| matches!(check.outcome, Outcome::Failed { .. }));
            failed.map_or("none", |check| check.name)
        })
    }

    /// Makes one mutation and sees what becomes of it.
    pub(crate) fn step(&self, random: &mut Random, tally: &mut Tally) {
        let which = random.below(self.starts.len());
        let mut document = self.starts[which].clone();
        for _ in 0..random.below(4) {
            let places = &self.pointers[which];
            let place = &places[random.below(places.len())];
            let other = &self.starts[random.below(self.starts.len())];
            change(&mut document, place, other, random);
        }
        tally.tried += 1;
        match self.verify(&document) {
            Err(check) => *tally.refused.entry(check).or_default() += 1,
            Ok(proven) if self.conclusions.contains(&conclusion(&proven)) => tally.same += 1,
            Ok(proven) => tally.accepted.push(format!("{}\n{document}", conclusion(&proven))),
        }
    }
}

pub(crate) fn pointers(value: &Value, at: String, found: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            map.iter().for_each(|(name, value)| pointers(value, format!("{at}/{name}"), found))
        }
        Value::Array(list) => {
            let numbered = list.iter().enumerate();
            numbered.for_each(|(index, value)| pointers(value, format!("{at}/{index}"), found));
        }
        _ => {}
    }
    if !at.is_empty() {
        found.push(at);
    }
}

pub(crate) fn change(document: &mut Value, place: &str, other: &Value, random: &mut Random) {
    match random.below(8) {
        0 | 1 => {
            if let (Some(here), Some(there)) = (document.pointer_mut(place), other.pointer(place)) {
                *here = there.clone();
            }
        }
        2 => {
            let (parent, name) = place.rsplit_once('/').unwrap();
            match document.pointer_mut(parent) {
                Some(Value::Object(map)) => drop(map.remove(name)),
                Some(Value::Array(list)) => {
                    if random.below(2) == 0 {
                        list.clear();
                    } else if let Some(first) = list.first().cloned() {
                        list.push(first);
                    }
                }
                _ => {}
            }
        }
        3 => {
            let strange =
                [json!(null), json!([]), json!({}), json!(-1), json!(""), json!(u64::MAX), json!("AAAA")];
            if let Some(here) = document.pointer_mut(place) {
                *here = strange[random.below(strange.len())].clone();
            }
        }
        _ => {
            if let Some(Value::String(text)) = document.pointer_mut(place) {
                *text = changed_text(text, random);
            }
        }
    }
}

fn changed_text(text: &str, random: &mut Random) -> String {
    if let Ok(number) = text.parse::<i64>() {
        let steps = [1, -1, 1 << 31, -number, 7];
        return number.wrapping_add(steps[random.below(steps.len())]).to_string();
    }
    // A checkpoint: its lines, their order, their signs.
    if text.contains('\n') {
        let mut lines: Vec<&str> = text.split('\n').collect();
        let (one, two) = (random.below(lines.len()), random.below(lines.len()));
        match random.below(3) {
            0 => lines.swap(one, two),
            1 => drop(lines.remove(one)),
            _ => lines.insert(one, lines[two]),
        }
        return lines.join("\n");
    }
    match base64(text) {
        Some(bytes) if !bytes.is_empty() => b64(&changed_bytes(bytes, random)),
        _ => {
            let at = random.below(text.len() + 1);
            let (head, tail) = text.split_at_checked(at).unwrap_or((text, ""));
            format!("{head}x{tail}")
        }
    }
}

fn base64(text: &str) -> Option<Vec<u8>> {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.decode(text).ok()
}

fn changed_bytes(mut bytes: Vec<u8>, random: &mut Random) -> Vec<u8> {
    // Entries and statements are JSON: one of their values is changed, so that the rest still reads.
    if let Ok(mut inner) = serde_json::from_slice::<Value>(&bytes) {
        let mut places = Vec::new();
        pointers(&inner, String::new(), &mut places);
        if let Some(place) = places.get(random.below(places.len())) {
            match inner.pointer_mut(place) {
                Some(Value::String(text)) => *text = changed_text(text, random),
                Some(other) => *other = json!(null),
                None => {}
            }
            return inner.to_string().into_bytes();
        }
    }
    let at = random.below(bytes.len());
    match random.below(5) {
        0 => bytes.truncate(at),
        1 => bytes.insert(at, 0),
        // A tag or a length of DER, more often than chance would hit one.
        2 => {
            let tags: Vec<usize> =
                (0..bytes.len()).filter(|at| matches!(bytes[*at], 0x02..=0x06 | 0x30 | 0x31)).collect();
            if let Some(tag) = tags.get(random.below(tags.len())) {
                let place = (tag + random.below(2)).min(bytes.len() - 1);
                bytes[place] = u8::try_from(random.below(256)).unwrap();
            }
        }
        _ => bytes[at] ^= 1 << random.below(8),
    }
    bytes
}

/// Every check refuses something, so that one that were missing would have let it through to the next.
const REACHED: &[&str] = &[
    "bundle-shape",
    "log-entry",
    "log-promise",
    "log-inclusion",
    "checkpoint",
    "timestamp",
    "signing-time",
    "certificate-chain",
    "certificate-usage",
    "sct",
    "signature",
    "log-entry-matches",
    "subject",
    "identity",
];

/// The mutations that must have been tried before every check is expected to have refused one.
pub(crate) const ENOUGH: u64 = 3000;

impl Tally {
    /// Checks that refused nothing: the mutator would not notice if they were gone.
    pub(crate) fn unreached(&self) -> Vec<&'static str> {
        REACHED.iter().copied().filter(|check| !self.refused.contains_key(check)).collect()
    }
}

#[test]
fn nothing_that_is_mutated_is_accepted() {
    let corpus = Corpus::new(false);
    let (mut random, mut tally) = (Random(0x9e37_79b9_7f4a_7c15), Tally::default());
    for _ in 0..ENOUGH {
        corpus.step(&mut random, &mut tally);
    }
    assert!(tally.accepted.is_empty(), "{}", tally.accepted.join("\n\n"));
    assert_eq!(tally.unreached(), [""; 0], "{tally:?}");
}
