//! Reads the file: the header at once, every block when it is first touched, and nothing unchecked.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::Path;
use std::rc::Rc;

use flate2::read::DeflateDecoder;
use linkward_model::{Code, Digest};
use serde_json::Value;

use crate::layout::{
    BLOCK, Cursor, DETAIL_BLOCK, DIGEST, ENTRY, HEADER, MAGIC, SECTIONS, Section, VERSION, hash,
};
use crate::meta::Meta;
use crate::write::Entry;

/// Largest file that is opened, and largest record in it.
const MAX_FILE: u64 = 2 << 30;
const MAX_DETAIL: u64 = 64 << 20;

/// Why a file cannot answer.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    #[error("cannot read the advisory database: {0}")]
    Read(#[from] io::Error),
    #[error("{0}")]
    Format(String),
    #[error("the advisory database is damaged: {0}")]
    Damaged(String),
}

impl DatabaseError {
    /// The reason code; `None` where the file could not be read at all.
    pub fn code(&self) -> Code {
        match self {
            Self::Read(_) => Code::AdvisoryMissing,
            Self::Format(_) => Code::AdvisoryFormat,
            Self::Damaged(_) => Code::AdvisoryDamaged,
        }
    }
}

/// An open advisory file.
#[derive(Debug)]
pub struct Database {
    blocks: RefCell<Blocks>,
    sections: [(u64, u64); SECTIONS],
    digest: Digest,
    meta: Meta,
    /// Blocks of details that were unpacked: what one component's findings share is unpacked once.
    unpacked: RefCell<BTreeMap<u32, Rc<Vec<u8>>>>,
}

/// Blocks that were read and checked.
#[derive(Debug)]
struct Blocks {
    file: File,
    start: u64,
    length: u64,
    digests: Vec<u8>,
    read: Vec<Option<Box<[u8]>>>,
}

impl Database {
    /// # Errors
    /// The file cannot be read, is of another kind or version, or is not whole.
    pub fn open(path: &Path) -> Result<Self, DatabaseError> {
        let mut file = File::open(path)?;
        let size = file.metadata()?.len();
        let mut header = vec![0; HEADER];
        let short =
            |_| DatabaseError::Format(format!("{} is no advisory database: it is too short", path.display()));
        file.read_exact(&mut header).map_err(short)?;
        let mut at = Slices(&header);
        if at.take(8) != MAGIC {
            return Err(DatabaseError::Format(format!("{} is no advisory database", path.display())));
        }
        let version = at.u32();
        if version != VERSION {
            let message = format!("{} is of version {version}, this is version {VERSION}", path.display());
            return Err(DatabaseError::Format(message));
        }
        let signed = header.split_at(HEADER - DIGEST);
        let digest = Digest::sha256(signed.0);
        if digest.as_bytes() != signed.1 {
            return Err(DatabaseError::Damaged(
                "its header does not have the digest that it names".to_owned(),
            ));
        }
        let block = at.u32();
        let length = at.u64();
        let listed = at.take(DIGEST).to_vec();
        let mut sections = [(0, 0); SECTIONS];
        for section in &mut sections {
            *section = (at.u64(), at.u64());
        }
        let count = length.div_ceil(BLOCK as u64);
        let start = HEADER as u64 + count.saturating_mul(DIGEST as u64);
        if block as usize != BLOCK || length > MAX_FILE || start.saturating_add(length) != size {
            return Err(DatabaseError::Damaged(format!("it has {size} bytes, not what its header says")));
        }
        let mut digests = vec![0; usize::try_from(count).unwrap_or(usize::MAX).saturating_mul(DIGEST)];
        file.read_exact(&mut digests)?;
        if Digest::sha256(&digests).as_bytes() != listed {
            return Err(DatabaseError::Damaged("the digests of its blocks were changed".to_owned()));
        }
        let read = vec![None; usize::try_from(count).unwrap_or(0)];
        let blocks = RefCell::new(Blocks { file, start, length, digests, read });
        let mut database =
            Self { blocks, sections, digest, meta: Meta::default(), unpacked: RefCell::default() };
        let meta = database.section(Section::Meta)?;
        database.meta =
            serde_json::from_slice(&meta).map_err(|_| broken("its description cannot be read"))?;
        if database.meta.bucket_bits > 32 {
            return Err(broken("its index is out of bounds"));
        }
        Ok(database)
    }

    /// Names this file and all that it holds.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    pub fn meta(&self) -> &Meta {
        &self.meta
    }

    /// Reads and checks every block.
    ///
    /// # Errors
    /// The first block that is not what the header says.
    pub fn verify(&self) -> Result<(), DatabaseError> {
        let mut blocks = self.blocks.borrow_mut();
        (0..blocks.read.len()).try_for_each(|index| blocks.block(index).map(|_| ()))
    }

    /// The rows of a package, to be read by [`crate::rows`]; `None` where no advisory names it.
    pub(crate) fn package(&self, ecosystem: &str, name: &str) -> Result<Option<Vec<u8>>, DatabaseError> {
        let Ok(number) = self.meta.ecosystems.binary_search_by(|known| known.as_str().cmp(ecosystem)) else {
            return Ok(None);
        };
        for place in self.places(Section::Keys, hash(&[ecosystem, name]), true)? {
            let rows = self.read_from(Section::Packages, u64::from(place))?;
            let mut at = Cursor(&rows);
            if at.number() == Some(number as u64) && at.text() == Some(name) {
                return Ok(Some(at.0.to_vec()));
            }
        }
        Ok(None)
    }

    /// Advisories of an id or alias, in any case of letters.
    ///
    /// # Errors
    /// The file is damaged.
    pub fn find(&self, id: &str) -> Result<Vec<Value>, DatabaseError> {
        let id = id.to_uppercase();
        let mut found = Vec::new();
        for index in self.places(Section::Ids, hash(&[&id]), false)? {
            let detail = self.detail(u64::from(index))?;
            let named = |value: &Value| value.as_str().is_some_and(|text| text.to_uppercase() == id);
            let aliases = detail.get("aliases").and_then(Value::as_array).into_iter().flatten();
            if aliases.chain(detail.get("id")).any(named) {
                found.push(detail);
            }
        }
        Ok(found)
    }

    /// Everything, by advisory.
    pub(crate) fn entries(&self) -> Result<Vec<Entry>, DatabaseError> {
        let count = self.place(Section::Advisories).1 / 8;
        let mut rows: Vec<Vec<(String, String, Vec<u8>)>> = Vec::new();
        rows.resize_with(usize::try_from(count).unwrap_or(0), Vec::new);
        let packages = self.section(Section::Packages)?;
        let mut at = Cursor(&packages);
        let nonsense = || broken("a package's rows cannot be read");
        while !at.0.is_empty() {
            let number = at.number().and_then(|number| usize::try_from(number).ok());
            let ecosystem =
                number.and_then(|number| self.meta.ecosystems.get(number)).ok_or_else(nonsense)?;
            let name = at.text().ok_or_else(nonsense)?;
            for (advisory, row) in crate::rows::slices(&mut at).ok_or_else(nonsense)? {
                let of = usize::try_from(advisory).ok().and_then(|index| rows.get_mut(index));
                of.ok_or_else(nonsense)?.push((ecosystem.clone(), name.to_owned(), row.to_vec()));
            }
        }
        let mut entries = Vec::with_capacity(rows.len());
        for (index, rows) in rows.into_iter().enumerate() {
            let detail = self.detail_bytes(index as u64)?;
            entries.push(Entry::new(detail, rows).ok_or_else(|| broken("a detail names no advisory"))?);
        }
        Ok(entries)
    }

    /// What is kept of an advisory for people.
    pub(crate) fn detail(&self, index: u64) -> Result<Value, DatabaseError> {
        serde_json::from_slice(&self.detail_bytes(index)?).map_err(|_| broken("a detail is not JSON"))
    }

    fn detail_bytes(&self, index: u64) -> Result<Vec<u8>, DatabaseError> {
        let place = self.range(Section::Advisories, index.saturating_mul(8), 8)?;
        let (block, offset) = (Slices(&place).u32(), Slices(place.get(4..).unwrap_or(&[])).u32());
        let text = self.unpack(block)?;
        let rest = text.get(offset as usize..).unwrap_or(&[]);
        let bytes = Cursor(rest).bytes().ok_or_else(|| broken("a detail is out of bounds"))?;
        Ok(bytes.to_vec())
    }

    fn unpack(&self, block: u32) -> Result<Rc<Vec<u8>>, DatabaseError> {
        const KEPT: usize = 512;
        if let Some(known) = self.unpacked.borrow().get(&block) {
            return Ok(Rc::clone(known));
        }
        let place = self.range(Section::Blocks, u64::from(block).saturating_mul(8), 8)?;
        let (start, length) = (Slices(&place).u32(), Slices(place.get(4..).unwrap_or(&[])).u32());
        let packed = self.range(Section::Details, u64::from(start), u64::from(length))?;
        let mut text = Vec::with_capacity(2 * DETAIL_BLOCK);
        DeflateDecoder::new(packed.as_slice())
            .take(MAX_DETAIL)
            .read_to_end(&mut text)
            .map_err(|_| broken("a block of details cannot be unpacked"))?;
        let text = Rc::new(text);
        let mut unpacked = self.unpacked.borrow_mut();
        if unpacked.len() >= KEPT {
            unpacked.clear();
        }
        unpacked.insert(block, Rc::clone(&text));
        Ok(text)
    }

    /// What stands under a hash.
    fn places(&self, section: Section, wanted: u64, bucketed: bool) -> Result<Vec<u32>, DatabaseError> {
        const WIDTH: u64 = ENTRY as u64;
        let count = self.place(section).1 / WIDTH;
        let (mut low, mut high) = (0, count);
        if bucketed {
            let place = bucket(wanted, self.meta.bucket_bits).saturating_mul(4);
            let bounds = self.range(Section::Buckets, place, 8)?;
            let mut at = Slices(&bounds);
            (low, high) = (u64::from(at.u32()), u64::from(at.u32()).min(count));
        }
        // Down to a few entries, which are read at once; equal hashes may reach over the end by a few more.
        while high.saturating_sub(low) > 64 {
            let middle = low.midpoint(high);
            let bytes = self.range(section, middle * WIDTH, WIDTH)?;
            if Slices(&bytes).u64() < wanted { low = middle } else { high = middle + 1 }
        }
        let mut found = Vec::new();
        loop {
            let bytes = self.range(section, low * WIDTH, high.saturating_sub(low) * WIDTH)?;
            let entries = bytes.chunks_exact(ENTRY).map(|entry| {
                let mut at = Slices(entry);
                (at.u64(), at.u32())
            });
            let mut last = None;
            for (hash, place) in entries {
                last = Some(hash);
                if hash == wanted {
                    found.push(place);
                }
            }
            // Equal hashes may go on behind the few that were read.
            if bucketed || last.is_none_or(|last| last > wanted) || high >= count {
                return Ok(found);
            }
            (low, high) = (high, high.saturating_add(64).min(count));
        }
    }

    fn place(&self, section: Section) -> (u64, u64) {
        self.sections.get(section as usize).copied().unwrap_or_default()
    }

    fn section(&self, section: Section) -> Result<Vec<u8>, DatabaseError> {
        self.range(section, 0, self.place(section).1)
    }

    fn range(&self, section: Section, offset: u64, length: u64) -> Result<Vec<u8>, DatabaseError> {
        let (start, size) = self.place(section);
        if offset.checked_add(length).is_none_or(|end| end > size) {
            return Err(broken("an entry points out of its section"));
        }
        self.blocks.borrow_mut().bytes(start.saturating_add(offset), length)
    }

    /// A package's rows, which end where they end: read on until they are whole.
    fn read_from(&self, section: Section, offset: u64) -> Result<Vec<u8>, DatabaseError> {
        let (_, size) = self.place(section);
        let mut length = 192;
        loop {
            let left = size.saturating_sub(offset);
            let bytes = self.range(section, offset, length.min(left))?;
            if crate::rows::is_whole(&bytes) {
                return Ok(bytes);
            }
            if length >= left {
                return Err(broken("a package's rows are cut off"));
            }
            length = length.saturating_mul(8);
        }
    }
}

/// The leading bits of a hash.
pub(crate) fn bucket(hash: u64, bits: u32) -> u64 {
    hash.checked_shr(64 - bits).unwrap_or(0)
}

fn broken(message: &str) -> DatabaseError {
    DatabaseError::Damaged(message.to_owned())
}

impl Blocks {
    fn block(&mut self, index: usize) -> Result<&[u8], DatabaseError> {
        let missing = || broken("an entry points behind the end");
        let slot = self.read.get_mut(index).ok_or_else(missing)?;
        if slot.is_none() {
            let offset = (index as u64).saturating_mul(BLOCK as u64);
            let length = usize::try_from(self.length.saturating_sub(offset)).unwrap_or(BLOCK).min(BLOCK);
            let mut bytes = vec![0; length].into_boxed_slice();
            self.file.seek(SeekFrom::Start(self.start.saturating_add(offset)))?;
            self.file.read_exact(&mut bytes)?;
            let expected = self.digests.get(index * DIGEST..(index + 1) * DIGEST);
            if expected != Some(Digest::sha256(&bytes).as_bytes()) {
                return Err(DatabaseError::Damaged(format!("block {index} does not have its digest")));
            }
            *slot = Some(bytes);
        }
        slot.as_deref().ok_or_else(missing)
    }

    fn bytes(&mut self, start: u64, length: u64) -> Result<Vec<u8>, DatabaseError> {
        let mut out = Vec::with_capacity(usize::try_from(length).unwrap_or(0).min(1 << 20));
        let end = start.saturating_add(length);
        let mut at = start;
        while at < end {
            let index = usize::try_from(at / BLOCK as u64).unwrap_or(usize::MAX);
            let inside = usize::try_from(at % BLOCK as u64).unwrap_or(0);
            let block = self.block(index)?;
            let until = usize::try_from(end - at).unwrap_or(BLOCK).saturating_add(inside).min(block.len());
            let piece = block.get(inside..until).filter(|piece| !piece.is_empty());
            let piece = piece.ok_or_else(|| broken("an entry points behind the end"))?;
            out.extend_from_slice(piece);
            at = at.saturating_add(piece.len() as u64);
        }
        Ok(out)
    }
}

/// Fixed-width numbers one behind the other; short input reads as zero, which no check lets through.
struct Slices<'a>(&'a [u8]);

impl<'a> Slices<'a> {
    fn take(&mut self, count: usize) -> &'a [u8] {
        let (head, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        head
    }

    fn u32(&mut self) -> u32 {
        self.take(4).try_into().map_or(0, u32::from_le_bytes)
    }

    fn u64(&mut self) -> u64 {
        self.take(8).try_into().map_or(0, u64::from_le_bytes)
    }
}
