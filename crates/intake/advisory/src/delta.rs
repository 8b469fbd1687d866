//! What changed from one file to the next, by advisory: applied to the one it gives the other, byte for byte, or nothing.
//!
//! magic | version | digest of the file that it starts from | digest of the file that it leads to | deflated: description of the new
//! file, ids that are gone, advisories that are new or changed with their rows.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read as _, Write as _};

use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use linkward_model::{Algorithm, Code, Digest};

use crate::file::{Database, DatabaseError};
use crate::layout::{Cursor, DIGEST, put_bytes, put_number};
use crate::meta::Meta;
use crate::write::{Entry, digest_of, write};

const MAGIC: &[u8; 8] = b"LWADELTA";
const VERSION: u32 = 1;
const HEAD: usize = 8 + 4 + 2 * DIGEST;
/// Largest delta, unpacked.
const MAX_BODY: u64 = 1 << 30;

#[derive(Debug, thiserror::Error)]
pub enum DeltaError {
    #[error(transparent)]
    Database(#[from] DatabaseError),
    #[error("the delta starts from another database than this one")]
    Start,
    #[error("the delta {0}")]
    Malformed(&'static str),
    #[error("the delta does not lead to the database that it names")]
    End,
}

impl DeltaError {
    pub fn code(&self) -> Code {
        match self {
            Self::Database(error) => error.code(),
            Self::Start => Code::AdvisoryGap,
            Self::Malformed(_) | Self::End => Code::AdvisoryDamaged,
        }
    }
}

/// Where a delta starts and where it leads, as it says itself.
///
/// # Errors
/// No delta, or of another version.
pub fn ends(delta: &[u8]) -> Result<(Digest, Digest), DeltaError> {
    let head = delta.get(..HEAD).ok_or(DeltaError::Malformed("is cut off"))?;
    let (magic, rest) = head.split_at(MAGIC.len());
    let (version, digests) = rest.split_at(4);
    if magic != MAGIC || version != VERSION.to_le_bytes() {
        return Err(DeltaError::Malformed("is none, or of another version"));
    }
    let (from, to) = digests.split_at(DIGEST);
    let digest = |bytes: &[u8]| Digest::from_bytes(Algorithm::Sha256, bytes);
    digest(from).zip(digest(to)).ok_or(DeltaError::Malformed("names no digests"))
}

/// What leads from one file to another.
///
/// # Errors
/// One of them is damaged.
pub fn diff(old: &Database, new: &Database) -> Result<Vec<u8>, DeltaError> {
    let known: BTreeMap<String, Entry> =
        old.entries()?.into_iter().map(|entry| (entry.id().to_owned(), entry)).collect();
    let wanted = new.entries()?;
    let ids: BTreeSet<&str> = wanted.iter().map(Entry::id).collect();
    let gone: Vec<&String> = known.keys().filter(|id| !ids.contains(id.as_str())).collect();
    let changed: Vec<&Entry> = wanted.iter().filter(|entry| known.get(entry.id()) != Some(entry)).collect();
    let mut body = Vec::new();
    put_bytes(&mut body, &serde_json::to_vec(new.meta()).unwrap_or_default());
    put_number(&mut body, gone.len() as u64);
    gone.iter().for_each(|id| put_bytes(&mut body, id.as_bytes()));
    put_number(&mut body, changed.len() as u64);
    for entry in changed {
        put_bytes(&mut body, &entry.detail);
        put_number(&mut body, entry.rows.len() as u64);
        for (ecosystem, name, row) in &entry.rows {
            put_bytes(&mut body, ecosystem.as_bytes());
            put_bytes(&mut body, name.as_bytes());
            put_bytes(&mut body, row);
        }
    }
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
    // Writing to memory cannot fail.
    let packed = encoder.write_all(&body).and_then(|()| encoder.finish()).unwrap_or_default();
    let mut out = MAGIC.to_vec();
    out.extend(VERSION.to_le_bytes());
    out.extend(old.digest().as_bytes());
    out.extend(new.digest().as_bytes());
    out.extend(packed);
    Ok(out)
}

/// The file that a delta leads to.
///
/// # Errors
/// The delta starts elsewhere, is malformed, or leads to something else than it says.
pub fn apply(old: &Database, delta: &[u8]) -> Result<Vec<u8>, DeltaError> {
    let (from, to) = ends(delta)?;
    if from != old.digest() {
        return Err(DeltaError::Start);
    }
    let mut body = Vec::new();
    DeflateDecoder::new(delta.get(HEAD..).unwrap_or_default())
        .take(MAX_BODY + 1)
        .read_to_end(&mut body)
        .map_err(|_| DeltaError::Malformed("cannot be unpacked"))?;
    if body.len() as u64 > MAX_BODY {
        return Err(DeltaError::Malformed("is beyond the limit"));
    }
    let changes = read(&body).ok_or(DeltaError::Malformed("is cut off or nonsense"))?;
    let mut entries: BTreeMap<String, Entry> =
        old.entries()?.into_iter().map(|entry| (entry.id().to_owned(), entry)).collect();
    for id in &changes.gone {
        entries.remove(id);
    }
    for entry in changes.entries {
        entries.insert(entry.id().to_owned(), entry);
    }
    let entries: Vec<Entry> = entries.into_values().collect();
    let bytes = write(&entries, changes.meta);
    if digest_of(&bytes) != Some(to) {
        return Err(DeltaError::End);
    }
    Ok(bytes)
}

struct Changes {
    meta: Meta,
    gone: Vec<String>,
    entries: Vec<Entry>,
}

fn read(body: &[u8]) -> Option<Changes> {
    let mut at = Cursor(body);
    let meta: Meta = serde_json::from_slice(at.bytes()?).ok()?;
    let mut gone = Vec::new();
    for _ in 0..at.number()? {
        gone.push(at.text()?.to_owned());
    }
    let mut entries = Vec::new();
    for _ in 0..at.number()? {
        let detail = at.bytes()?.to_vec();
        let mut rows = Vec::new();
        for _ in 0..at.number()? {
            rows.push((at.text()?.to_owned(), at.text()?.to_owned(), at.bytes()?.to_vec()));
        }
        entries.push(Entry::new(detail, rows)?);
    }
    at.0.is_empty().then_some(Changes { meta, gone, entries })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Batch, Builder, Source};

    /// A database of advisories by number; each names two packages and fixes a version of its own.
    fn database(folder: &std::path::Path, of: &[(u32, u32)]) -> Database {
        let advisories = of.iter().map(|(number, fixed)| {
            let text = format!(
                r#"{{"id":"A-{number}","aliases":["CVE-{number}"],"modified":"2026-01-0{}T00:00:00Z","summary":"s{fixed}","affected":[
                {{"package":{{"ecosystem":"npm","name":"p{}"}},"ranges":[{{"type":"SEMVER","events":[{{"introduced":"0"}},{{"fixed":"{fixed}.0.0"}}]}}]}},
                {{"package":{{"ecosystem":"crates.io","name":"q{}"}},"versions":["1.0.{fixed}"]}}]}}"#,
                1 + fixed % 9, number % 7, number % 3
            );
            crate::json(text.as_bytes()).unwrap()
        });
        let advisories: Vec<_> = advisories.collect();
        let source = Source {
            name: "test".to_owned(),
            digest: Digest::sha256(format!("{of:?}").as_bytes()),
            records: advisories.len(),
            as_of: Some(linkward_model::Instant::from_seconds(1_700_000_000)),
            unreadable: 0,
        };
        let mut builder = Builder::default();
        builder.add(Batch { source, advisories });
        let path = folder.join(format!("{}.lwa", Digest::sha256(format!("{of:?}").as_bytes()).hex()));
        std::fs::write(&path, builder.finish(&[])).unwrap();
        Database::open(&path).unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

        /// Whatever changed, the delta gives the other file byte for byte; a bent one gives none.
        #[test]
        fn deltas_lead_where_they_say(
            old in proptest::collection::btree_map(0u32..40, 1u32..9, 1..30),
            new in proptest::collection::btree_map(0u32..40, 1u32..9, 1..30),
            at in any::<prop::sample::Index>(),
            flip in 1u8..,
        ) {
            let folder = linkward_testkit::scratch();
            let (old, new): (Vec<_>, Vec<_>) = (old.into_iter().collect(), new.into_iter().collect());
            let (before, after) = (database(folder.path(), &old), database(folder.path(), &new));
            let delta = diff(&before, &after).unwrap();
            prop_assert_eq!(digest_of(&apply(&before, &delta).unwrap()), Some(after.digest()));
            prop_assert_eq!(ends(&delta).unwrap(), (before.digest(), after.digest()));
            if before.digest() != after.digest() {
                prop_assert!(matches!(apply(&after, &delta), Err(DeltaError::Start)));
            }
            let mut bent = delta.clone();
            let place = at.index(bent.len());
            bent[place] ^= flip;
            // Deflate may pass over a bit or two; what comes out is the same file then, or nothing.
            if let Ok(bytes) = apply(&before, &bent) {
                prop_assert_eq!(digest_of(&bytes), Some(after.digest()));
            }
            for cut in [0, 7, HEAD - 1, HEAD, delta.len() - 1] {
                prop_assert!(apply(&before, &delta[..cut]).is_err());
            }
        }
    }

    #[test]
    fn a_delta_is_as_large_as_what_changed() {
        let folder = linkward_testkit::scratch();
        let all: Vec<(u32, u32)> = (0..2000).map(|number| (number, 1 + number % 8)).collect();
        let before = database(folder.path(), &all);
        let mut more = all.clone();
        more[1000].1 = 9;
        more.push((5000, 3));
        let after = database(folder.path(), &more);
        let delta = diff(&before, &after).unwrap();
        assert!(delta.len() < 3000, "{}", delta.len());
    }
}
