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
use crate::priority::Priorities;
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
    priorities: Priorities,
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

    /// What says which findings to mend first.
    pub fn prioritise(&mut self, priorities: Priorities) {
        self.priorities = priorities;
    }

    /// The file's bytes. `covers` narrows what the file claims to speak for; none means every ecosystem that it holds.
    pub fn finish(mut self, covers: &[String]) -> Vec<u8> {
        self.sources.sort_by(|a, b| (&a.name, &a.digest).cmp(&(&b.name, &b.digest)));
        let mut meta = Meta {
            made_by: format!("linkward {}", env!("CARGO_PKG_VERSION")),
            sources: self.sources,
            priorities: std::mem::take(&mut self.priorities.sources),
            withdrawn: self.advisories.values().filter(|advisory| advisory.withdrawn).count(),
            ..Meta::default()
        };
        let kept: Vec<&Advisory> = self
            .advisories
            .values()
            .filter(|advisory| !advisory.withdrawn && !advisory.affected.is_empty())
            .collect();
        let mut entries = Vec::new();
        for advisory in kept {
            let severity = if advisory.is_malicious() { Severity::Malicious } else { advisory.severity };
            let mut named = BTreeSet::new();
            let mut rows = Vec::new();
            for affected in &advisory.affected {
                let name = ecosystem::normal(&affected.ecosystem, &affected.name);
                rows.push((affected.ecosystem.clone(), name, row(severity, affected)));
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
            let ids = std::iter::once(&advisory.id).chain(&advisory.aliases).cloned().collect();
            let detail = described(advisory, &self.priorities).to_string().into_bytes();
            entries.push(Entry { ids, detail, rows });
        }
        if !covers.is_empty() {
            for (ecosystem, coverage) in &mut meta.coverage {
                if !covers.iter().any(|name| name == ecosystem || name == ecosystem::base(ecosystem)) {
                    *coverage = Coverage { as_of: None, advisories: 0, ..coverage.clone() };
                }
            }
        }
        let packages: BTreeSet<(&str, &str)> = entries
            .iter()
            .flat_map(|entry| &entry.rows)
            .map(|(ecosystem, name, _)| (ecosystem.as_str(), name.as_str()))
            .collect();
        for (ecosystem, _) in &packages {
            if let Some(coverage) = meta.coverage.get_mut(*ecosystem) {
                coverage.packages += 1;
            }
        }
        let ecosystems: BTreeSet<&str> = packages.iter().map(|(ecosystem, _)| *ecosystem).collect();
        meta.ecosystems = ecosystems.into_iter().map(str::to_owned).collect();
        // Some eight entries a bucket.
        meta.bucket_bits = (packages.len() / 8).max(1).ilog2();
        write(&entries, meta)
    }
}

/// One advisory as the file holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Its id, then its aliases.
    ids: Vec<String>,
    pub(crate) detail: Vec<u8>,
    /// Ecosystem, package, and what is said of it.
    pub(crate) rows: Vec<(String, String, Vec<u8>)>,
}

impl Entry {
    /// `None` where the detail names no advisory.
    pub(crate) fn new(detail: Vec<u8>, mut rows: Vec<(String, String, Vec<u8>)>) -> Option<Self> {
        let value: Value = serde_json::from_slice(&detail).ok()?;
        let aliases = value.get("aliases").and_then(Value::as_array).into_iter().flatten();
        let ids = aliases.filter_map(Value::as_str).map(str::to_owned);
        let ids = std::iter::once(value.get("id")?.as_str()?.to_owned()).chain(ids).collect();
        // Of one package the order stays as it is: it is the order in the record.
        rows.sort_by(|a, b| (&a.0, &a.1).cmp(&(&b.0, &b.1)));
        Some(Self { ids, detail, rows })
    }

    pub(crate) fn id(&self) -> &str {
        self.ids.first().map_or("", String::as_str)
    }
}

/// The file of advisories in the order of their ids, and of what it says of itself.
pub(crate) fn write(entries: &[Entry], meta: Meta) -> Vec<u8> {
    /// Number of the advisory, and what it says.
    type Said<'a> = (usize, &'a [u8]);
    let mut packages: BTreeMap<(&str, &str), Vec<Said<'_>>> = BTreeMap::new();
    let mut details = Details::default();
    let mut ids: BTreeSet<(u64, u32)> = BTreeSet::new();
    for (index, entry) in entries.iter().enumerate() {
        ids.extend(entry.ids.iter().map(|id| (hash(&[id.to_uppercase().as_str()]), index as u32)));
        details.add(&entry.detail);
        for (ecosystem, name, row) in &entry.rows {
            packages.entry((ecosystem, name)).or_default().push((index, row));
        }
    }
    let mut keys: Vec<(u64, u32)> = Vec::new();
    let mut rows = Vec::new();
    for ((ecosystem, name), of_package) in &packages {
        keys.push((hash(&[ecosystem, name]), rows.len() as u32));
        let number = meta.ecosystems.binary_search_by(|known| known.as_str().cmp(ecosystem));
        put_number(&mut rows, number.unwrap_or(usize::MAX) as u64);
        put_bytes(&mut rows, name.as_bytes());
        put_number(&mut rows, of_package.len() as u64);
        for (index, row) in of_package {
            put_number(&mut rows, *index as u64);
            rows.extend(*row);
        }
    }
    keys.sort_unstable();
    // A description may come from elsewhere; more buckets than a hash has bits there cannot be.
    let buckets = buckets(&keys, meta.bucket_bits.min(24));
    let (advisories, blocks, details) = details.done();
    let sections: [Vec<u8>; SECTIONS] = [
        serde_json::to_vec(&meta).unwrap_or_default(),
        buckets,
        entries_of(keys.iter().copied()),
        rows,
        entries_of(ids.into_iter()),
        advisories,
        blocks,
        details,
    ];
    assemble(&sections)
}

/// The digest that names a file, out of its bytes.
pub(crate) fn digest_of(file: &[u8]) -> Option<Digest> {
    Digest::from_bytes(linkward_model::Algorithm::Sha256, file.get(HEADER - DIGEST..HEADER)?)
}

/// What the file says of one package for one advisory, without the number of that one.
fn row(severity: Severity, affected: &Affected) -> Vec<u8> {
    let out = &mut Vec::new();
    let scheme = ecosystem::scheme(&affected.ecosystem);
    let Flat { intervals, versions, open_question } = flatten(affected, scheme);
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
    std::mem::take(out)
}

fn described(advisory: &Advisory, priorities: &Priorities) -> Value {
    let (exploited, epss) = priorities.of(std::iter::once(&advisory.id).chain(&advisory.aliases));
    let mut detail = json!({
        "id": advisory.id, "aliases": advisory.aliases, "summary": advisory.summary,
        "severity": if advisory.is_malicious() { Severity::Malicious } else { advisory.severity },
        "published": advisory.published, "modified": advisory.modified, "references": advisory.references,
        "affected": advisory.affected.iter().map(Affected::describe).collect::<Vec<_>>(),
    });
    if let Some(object) = detail.as_object_mut() {
        object.extend(exploited.map(|since| ("exploited".to_owned(), json!(since))));
        object.extend(epss.map(|score| ("epss".to_owned(), json!(score))));
    }
    detail
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
    fn add(&mut self, detail: &[u8]) {
        self.advisories.extend(self.count.to_le_bytes());
        self.advisories.extend((self.open.len() as u32).to_le_bytes());
        put_bytes(&mut self.open, detail);
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

fn entries_of(all: impl Iterator<Item = (u64, u32)>) -> Vec<u8> {
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
