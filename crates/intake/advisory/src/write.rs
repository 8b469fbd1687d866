//! Makes the file: the same records give the same bytes, in whatever order they come.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write as _};
use std::path::Path;

use flate2::Compression;
use flate2::write::DeflateEncoder;
use linkward_model::{Digest, Instant};
use serde_json::{Value, json};

use crate::ecosystem;
use crate::layout::{
    BLOCK, DETAIL_BLOCK, DIGEST, HEADER, MAGIC, SECTIONS, VERSION, hash, put_bytes, put_number,
};
use crate::meta::{Coverage, Meta, Source};
use crate::order::Scheme;
use crate::range::{End, Flat, flatten};
use crate::record::{Advisory, Affected};
use crate::severity::Severity;

/// Records on their way into a file.
#[derive(Debug, Default)]
pub struct Builder {
    sources: Vec<Source>,
    /// By id: the newest record wins where several sources carry one.
    advisories: BTreeMap<String, Advisory>,
    fresh: BTreeMap<String, Instant>,
}

/// One source's records.
#[derive(Debug)]
pub struct Batch {
    pub source: Source,
    pub advisories: Vec<Advisory>,
}

impl Builder {
    pub fn add(&mut self, batch: Batch) {
        let as_of = batch.source.as_of;
        for advisory in batch.advisories {
            for affected in &advisory.affected {
                if let Some(as_of) = as_of {
                    let known = self.fresh.entry(affected.ecosystem.clone()).or_insert(as_of);
                    *known = as_of.max(*known);
                }
            }
            let newer =
                self.advisories.get(&advisory.id).is_none_or(|known| known.modified <= advisory.modified);
            if newer {
                self.advisories.insert(advisory.id.clone(), advisory);
            }
        }
        self.sources.push(batch.source);
    }

    /// The file's bytes. `covers` narrows what the file claims to speak for; none means every ecosystem that it holds.
    pub fn finish(mut self, covers: &[String]) -> Vec<u8> {
        self.sources.sort_by(|a, b| (&a.name, &a.digest).cmp(&(&b.name, &b.digest)));
        let mut meta = Meta {
            made_by: format!("linkward {}", env!("CARGO_PKG_VERSION")),
            sources: self.sources,
            withdrawn: self.advisories.values().filter(|advisory| advisory.withdrawn).count(),
            ..Meta::default()
        };
        let kept: Vec<&Advisory> = self
            .advisories
            .values()
            .filter(|advisory| !advisory.withdrawn && !advisory.affected.is_empty())
            .collect();
        let mut packages: BTreeMap<(String, String), Vec<(usize, &Affected)>> = BTreeMap::new();
        let mut details = Details::default();
        let mut ids: BTreeSet<(u64, u32)> = BTreeSet::new();
        for (index, advisory) in kept.iter().enumerate() {
            for id in std::iter::once(&advisory.id).chain(&advisory.aliases) {
                ids.insert((hash(&[id.to_uppercase().as_str()]), index as u32));
            }
            details.add(&described(advisory));
            let mut named = BTreeSet::new();
            for affected in &advisory.affected {
                let name = ecosystem::normal(&affected.ecosystem, &affected.name);
                packages.entry((affected.ecosystem.clone(), name)).or_default().push((index, affected));
                if named.insert(&affected.ecosystem) {
                    let coverage = meta.coverage.entry(affected.ecosystem.clone()).or_default();
                    let count = if advisory.is_malicious() {
                        &mut coverage.malicious
                    } else {
                        &mut coverage.advisories
                    };
                    *count += 1;
                    coverage.as_of = self.fresh.get(&affected.ecosystem).copied();
                }
            }
        }
        if !covers.is_empty() {
            for (ecosystem, coverage) in &mut meta.coverage {
                if !covers.iter().any(|name| name == ecosystem || name == ecosystem::base(ecosystem)) {
                    *coverage = Coverage { as_of: None, advisories: 0, ..coverage.clone() };
                }
            }
        }
        meta.ecosystems = packages
            .keys()
            .map(|(ecosystem, _)| ecosystem.clone())
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect();
        for (ecosystem, _) in packages.keys() {
            if let Some(coverage) = meta.coverage.get_mut(ecosystem) {
                coverage.packages += 1;
            }
        }
        let mut keys: Vec<(u64, u32)> = Vec::new();
        let mut rows = Vec::new();
        for ((ecosystem, name), affected) in &packages {
            keys.push((hash(&[ecosystem, name]), rows.len() as u32));
            let number = meta.ecosystems.binary_search(ecosystem).unwrap_or(usize::MAX);
            put_number(&mut rows, number as u64);
            put_bytes(&mut rows, name.as_bytes());
            put_number(&mut rows, affected.len() as u64);
            for (index, affected) in affected {
                let severity = kept.get(*index).map_or(Severity::Unrated, |advisory| {
                    if advisory.is_malicious() { Severity::Malicious } else { advisory.severity }
                });
                row(&mut rows, *index, severity, affected);
            }
        }
        keys.sort_unstable();
        // Some eight entries a bucket.
        meta.bucket_bits = (keys.len() / 8).max(1).ilog2();
        let buckets = buckets(&keys, meta.bucket_bits);
        let (advisories, blocks, details) = details.done();
        let sections: [Vec<u8>; SECTIONS] = [
            serde_json::to_vec(&meta).unwrap_or_default(),
            buckets,
            entries(keys.iter().copied()),
            rows,
            entries(ids.into_iter()),
            advisories,
            blocks,
            details,
        ];
        assemble(&sections)
    }
}

fn row(out: &mut Vec<u8>, index: usize, severity: Severity, affected: &Affected) {
    let scheme = ecosystem::scheme(&affected.ecosystem);
    let Flat { intervals, versions, open_question } = flatten(affected, scheme);
    put_number(out, index as u64);
    out.push(severity as u8);
    // Without rules of its own an ecosystem can still carry SEMVER ranges.
    let scheme = scheme.unwrap_or(Scheme::SemVer);
    out.push(u8::try_from(Scheme::all().position(|other| other == scheme).unwrap_or(0)).unwrap_or(0));
    out.push(u8::from(open_question));
    put_number(out, intervals.len() as u64);
    for interval in &intervals {
        put_bytes(out, interval.from.as_ref().map_or(&[], |from| from.as_bytes()));
        match &interval.to {
            End::Open => out.push(0),
            End::Before(to, text) => {
                out.push(1);
                put_bytes(out, to.as_bytes());
                put_bytes(out, text.as_bytes());
            }
            End::UpTo(to) => {
                out.push(2);
                put_bytes(out, to.as_bytes());
            }
        }
    }
    put_number(out, versions.len() as u64);
    for version in &versions {
        put_bytes(out, version.as_bytes());
    }
}

fn described(advisory: &Advisory) -> Value {
    json!({
        "id": advisory.id, "aliases": advisory.aliases, "summary": advisory.summary,
        "severity": if advisory.is_malicious() { Severity::Malicious } else { advisory.severity },
        "published": advisory.published, "modified": advisory.modified, "references": advisory.references,
        "affected": advisory.affected.iter().map(Affected::describe).collect::<Vec<_>>(),
    })
}

#[derive(Default)]
struct Details {
    advisories: Vec<u8>,
    blocks: Vec<u8>,
    count: u32,
    open: Vec<u8>,
    done: Vec<u8>,
}

impl Details {
    fn add(&mut self, detail: &Value) {
        self.advisories.extend(self.count.to_le_bytes());
        self.advisories.extend((self.open.len() as u32).to_le_bytes());
        put_bytes(&mut self.open, detail.to_string().as_bytes());
        if self.open.len() >= DETAIL_BLOCK {
            self.close();
        }
    }

    fn close(&mut self) {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
        // Writing to memory cannot fail.
        let packed = encoder.write_all(&self.open).and_then(|()| encoder.finish()).unwrap_or_default();
        self.blocks.extend((self.done.len() as u32).to_le_bytes());
        self.blocks.extend((packed.len() as u32).to_le_bytes());
        self.done.extend(packed);
        self.open.clear();
        self.count += 1;
    }

    fn done(mut self) -> (Vec<u8>, Vec<u8>, Vec<u8>) {
        if !self.open.is_empty() {
            self.close();
        }
        (self.advisories, self.blocks, self.done)
    }
}

fn entries(all: impl Iterator<Item = (u64, u32)>) -> Vec<u8> {
    let mut out = Vec::new();
    for (hash, place) in all {
        out.extend(hash.to_le_bytes());
        out.extend(place.to_le_bytes());
    }
    out
}

/// For each value of the leading bits the number of keys below it, and one more for the end.
fn buckets(keys: &[(u64, u32)], bits: u32) -> Vec<u8> {
    let mut out = Vec::new();
    let mut below = 0usize;
    for bucket in 0..=1u64 << bits {
        while keys.get(below).is_some_and(|(hash, _)| crate::file::bucket(*hash, bits) < bucket) {
            below += 1;
        }
        out.extend((below as u32).to_le_bytes());
    }
    out
}

fn assemble(sections: &[Vec<u8>; SECTIONS]) -> Vec<u8> {
    let data: Vec<u8> = sections.concat();
    let digests: Vec<u8> =
        data.chunks(BLOCK).flat_map(|block| Digest::sha256(block).as_bytes().to_vec()).collect();
    let mut out = Vec::with_capacity(HEADER + digests.len() + data.len());
    out.extend(MAGIC);
    out.extend(VERSION.to_le_bytes());
    out.extend((BLOCK as u32).to_le_bytes());
    out.extend((data.len() as u64).to_le_bytes());
    out.extend(Digest::sha256(&digests).as_bytes());
    let mut start = 0u64;
    for section in sections {
        out.extend(start.to_le_bytes());
        out.extend((section.len() as u64).to_le_bytes());
        start += section.len() as u64;
    }
    let own = Digest::sha256(&out);
    out.extend(own.as_bytes());
    debug_assert_eq!(out.len(), HEADER);
    debug_assert_eq!(own.as_bytes().len(), DIGEST);
    out.extend(digests);
    out.extend(data);
    out
}

/// Puts a file in place of another in one step: a reader sees the old one or the new one, never a part.
///
/// # Errors
/// The folder cannot be written.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let beside = Path::new(&name);
    let written = std::fs::File::create(beside)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
        .and_then(|()| std::fs::rename(beside, path));
    if written.is_err() {
        // Nothing is lost by leaving it where even this fails.
        let _ = std::fs::remove_file(beside);
    }
    written
}
