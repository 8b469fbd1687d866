//! One C2SP tlog-tiles log: the growing tree in memory, its tiles and checkpoint on disk.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use linkward_ledger::key::{NoteKey, NoteKeyError};
use linkward_ledger::merkle::{
    Frontier, Hash, Nodes, consistency_proof, leaf_hash, node_hash, verify_consistency,
};
use linkward_ledger::note::signature_line;
use linkward_ledger::tile::{Tile, WIDTH, entries_path, subtree, width_at};
use linkward_ledger::{Checkpoint, CheckpointError, LogId, VerifiedCheckpoint};

use crate::Files;
use crate::witnesses::Witnesses;

/// Signs checkpoints. Implemented over the signer process; the key is not in this process.
pub trait CheckpointSigner: Send {
    /// The 64-byte Ed25519 signature over the text of a checkpoint.
    ///
    /// # Errors
    /// The signer is gone or refuses.
    fn sign(&mut self, log: &LogId, text: &str) -> Result<Vec<u8>, SignError>;

    /// The text that was last signed for this log; `None` where nothing was, or where the signer keeps no memory.
    ///
    /// Contract: a signer with a memory signs the text that it last signed again, and none that is not newer.
    ///
    /// # Errors
    /// The memory cannot be read.
    fn last(&mut self, _log: &LogId) -> Result<Option<String>, SignError> {
        Ok(None)
    }
}

/// The signer did not sign.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the signer did not sign: {0}")]
pub struct SignError(String);

impl SignError {
    pub fn new(why: impl Into<String>) -> Self {
        Self(why.into())
    }
}

/// Why a log could not be opened, read or extended.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    #[error("{path}")]
    Io { path: PathBuf, source: io::Error },
    #[error("{path}: {what}")]
    Damaged { path: PathBuf, what: String },
    #[error("log key is malformed")]
    Key(#[from] NoteKeyError),
    #[error("checkpoint of {path} was refused")]
    Checkpoint { path: PathBuf, source: CheckpointError },
    #[error(transparent)]
    Sign(#[from] SignError),
    #[error("an entry has {0} bytes; the most is 65535")]
    EntryTooLarge(usize),
}

/// The right edge of a tree as tiles: for each level the hashes of its last, not yet full tile.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tree {
    size: u64,
    levels: Vec<Vec<Hash>>,
    /// The last, not yet full entry bundle.
    entries: Vec<u8>,
}

/// Where the files of a growing tree go: to the disk, or into a comparison with it.
pub(crate) trait Sink {
    type Error;

    fn tile(&mut self, tile: Tile, hashes: &[Hash]) -> Result<(), Self::Error>;
    fn entries(&mut self, index: u64, width: u16, bundle: &[u8]) -> Result<(), Self::Error>;
}

impl Tree {
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    pub(crate) fn root(&self) -> Hash {
        let mut peaks = Vec::new();
        for hashes in self.levels.iter().rev() {
            let mut at = 0;
            while at < hashes.len() {
                let height = (hashes.len() - at).ilog2() as u8;
                peaks.extend(subtree(hashes, height, at >> height));
                at += 1 << height;
            }
        }
        Frontier::from_peaks(self.size, peaks).map_or_else(linkward_ledger::merkle::empty_root, |f| f.root())
    }

    /// Adds a leaf; full tiles go to the sink at once.
    pub(crate) fn push<S: Sink>(&mut self, leaf: &[u8], sink: &mut S) -> Result<Hash, S::Error> {
        let hash = leaf_hash(leaf);
        // Leaves are bounded by the caller; see `LogError::EntryTooLarge`.
        let length = u16::try_from(leaf.len()).unwrap_or(u16::MAX);
        self.entries.extend(length.to_be_bytes());
        self.entries.extend_from_slice(leaf);
        let bundle = self.size / WIDTH;
        self.size += 1;
        if self.size.is_multiple_of(WIDTH) {
            sink.entries(bundle, WIDTH as u16, &self.entries)?;
            self.entries.clear();
        }
        let mut carry = hash;
        for level in 0u8.. {
            let at = usize::from(level);
            if self.levels.len() <= at {
                self.levels.push(Vec::new());
            }
            let Some(hashes) = self.levels.get_mut(at) else { break };
            hashes.push(carry);
            if (hashes.len() as u64) < WIDTH {
                break;
            }
            let index = (self.size >> (8 * (u32::from(level) + 1))).saturating_sub(1);
            sink.tile(Tile { level, index, width: WIDTH as u16 }, hashes)?;
            carry = subtree(hashes, 8, 0).unwrap_or(carry);
            hashes.clear();
        }
        Ok(hash)
    }

    /// Gives the sink what is not full yet: the files that a checkpoint of this size needs besides the full ones.
    pub(crate) fn flush<S: Sink>(&self, sink: &mut S) -> Result<(), S::Error> {
        for (level, hashes) in self.levels.iter().enumerate() {
            if !hashes.is_empty() {
                let level = level as u8;
                let index = self.size >> (8 * (u32::from(level) + 1));
                sink.tile(Tile { level, index, width: hashes.len() as u16 }, hashes)?;
            }
        }
        let width = (self.size % WIDTH) as u16;
        if width > 0 {
            sink.entries(self.size / WIDTH, width, &self.entries)?;
        }
        Ok(())
    }
}

/// An open log.
#[derive(Debug)]
pub(crate) struct Log {
    pub(crate) id: LogId,
    pub(crate) key: NoteKey,
    folder: PathBuf,
    tree: Tree,
    checkpoint: VerifiedCheckpoint,
    /// Tiles written by the last batch, for the proofs of its leaves.
    recent: BTreeMap<(u8, u64), Vec<Hash>>,
    /// A signed checkpoint of `tree` that waits for its witnesses. Nobody was told of its leaves.
    pending: Option<Vec<u8>>,
    /// Whether the published checkpoint lacks a witness that is asked.
    lacking: bool,
}

/// Files of a batch, in the order in which they are written. A file that the checkpoint of size `old` needs is never
/// written again, not even with the same content: a stop in between would leave it torn.
struct Batch {
    old: u64,
    files: Vec<(String, Vec<u8>)>,
    tiles: BTreeMap<(u8, u64), Vec<Hash>>,
}

impl Sink for Batch {
    type Error = std::convert::Infallible;

    fn tile(&mut self, tile: Tile, hashes: &[Hash]) -> Result<(), Self::Error> {
        if width_at(tile.level, tile.index, self.old) != tile.width {
            self.files.push((tile.path(), hashes.iter().flat_map(|hash| hash.0).collect()));
        }
        self.tiles.insert((tile.level, tile.index), hashes.to_vec());
        Ok(())
    }

    fn entries(&mut self, index: u64, width: u16, bundle: &[u8]) -> Result<(), Self::Error> {
        if width_at(0, index, self.old) != width {
            self.files.push((entries_path(index, width), bundle.to_vec()));
        }
        Ok(())
    }
}

impl Log {
    /// Opens a log, or starts one of size 0 with a signed checkpoint. Where witnesses are required (`hold`), what was
    /// signed before a stop waits for them.
    pub(crate) fn open(
        folder: PathBuf,
        id: LogId,
        files: &dyn Files,
        signer: &mut dyn CheckpointSigner,
        hold: bool,
    ) -> Result<Self, LogError> {
        let key: NoteKey = id.key.parse()?;
        let path = folder.join("checkpoint");
        files.create_dir_all(&folder).map_err(|source| LogError::Io { path: folder.clone(), source })?;
        let present = files.length(&path).map_err(|source| LogError::Io { path: path.clone(), source })?;
        let tree = Tree::default();
        if present.is_none() {
            let tiles = files.list(&folder.join("tile")).unwrap_or_default();
            if !tiles.is_empty() {
                let what = "is missing, but there are tiles".to_owned();
                return Err(LogError::Damaged { path, what });
            }
            let note = sign(&id, &key, &tree, signer)?;
            let checkpoint = VerifiedCheckpoint::open(&note, &key)
                .map_err(|source| LogError::Checkpoint { path: path.clone(), source })?;
            publish(&folder, &note, files)?;
            return Ok(Self::at(id, key, folder, tree, checkpoint));
        }
        let note = files.read(&path).map_err(|source| LogError::Io { path: path.clone(), source })?;
        let checkpoint = VerifiedCheckpoint::open(&note, &key)
            .map_err(|source| LogError::Checkpoint { path: path.clone(), source })?;
        let tree = load(&folder, checkpoint.size(), files)?;
        if tree.root() != checkpoint.root() {
            let what =
                format!("tiles lead to root {}, the checkpoint says {}", tree.root(), checkpoint.root());
            return Err(LogError::Damaged { path, what });
        }
        let mut log = Self::at(id, key, folder, tree, checkpoint);
        if let Some(text) = signer.last(&log.id)? {
            log.roll_forward(&text, files, signer, hold)?;
        }
        Ok(log)
    }

    fn at(id: LogId, key: NoteKey, folder: PathBuf, tree: Tree, checkpoint: VerifiedCheckpoint) -> Self {
        // Whom it lacks is found out at the first look.
        Self { id, key, folder, tree, checkpoint, recent: BTreeMap::new(), pending: None, lacking: true }
    }

    /// Publishes a checkpoint that was signed before a stop and never published: the signer will sign no other of its
    /// size, and its tiles were durable before it was signed. Nobody was told of its leaves, nobody can be misled.
    fn roll_forward(
        &mut self,
        text: &str,
        files: &dyn Files,
        signer: &mut dyn CheckpointSigner,
        hold: bool,
    ) -> Result<(), LogError> {
        let path = self.folder.join("checkpoint");
        let signed = Checkpoint::parse(text)
            .map_err(|source| LogError::Checkpoint { path: PathBuf::from("the signer's memory"), source })?;
        let old = self.checkpoint.size();
        if signed.origin != self.id.origin || signed.size <= old {
            return Ok(());
        }
        let lost = |what: String| LogError::Damaged {
            path: path.clone(),
            what: format!("has {old} entries, but {} were signed, and {what}", signed.size),
        };
        let tree = load(&self.folder, signed.size, files).map_err(|error| lost(error.to_string()))?;
        if tree.root() != signed.root {
            return Err(lost(format!("the tiles lead to root {}", tree.root())));
        }
        let nodes = TileReader::new(&self.folder, signed.size, files, None);
        if old > 0 {
            let proof =
                consistency_proof(&nodes, old, signed.size).map_err(|error| lost(error.to_string()))?;
            verify_consistency(old, signed.size, &self.checkpoint.root(), &signed.root, &proof)
                .map_err(|error| lost(error.to_string()))?;
        }
        for (index, leaf) in (old..).zip(leaves(&self.folder, old, signed.size, signed.size, files)?) {
            if nodes.node(0, index)? != leaf_hash(&leaf) {
                return Err(lost(format!("entry {index} is not the one that was signed")));
            }
        }
        let note = sign(&self.id, &self.key, &tree, signer)?;
        let checkpoint = VerifiedCheckpoint::open(&note, &self.key)
            .map_err(|source| LogError::Checkpoint { path: path.clone(), source })?;
        self.tree = tree;
        if hold {
            self.pending = Some(note);
            return Ok(());
        }
        publish(&self.folder, &note, files)?;
        self.checkpoint = checkpoint;
        Ok(())
    }

    /// Signs the tree of a checkpoint in another log's name and publishes that in its place.
    pub(crate) fn rename(
        folder: &Path,
        id: &LogId,
        before: &VerifiedCheckpoint,
        files: &dyn Files,
        signer: &mut dyn CheckpointSigner,
    ) -> Result<(), LogError> {
        let tree = load(folder, before.size(), files)?;
        if tree.root() != before.root() {
            let what = format!("tiles lead to root {}, the checkpoint says {}", tree.root(), before.root());
            return Err(LogError::Damaged { path: folder.join("checkpoint"), what });
        }
        let note = sign(id, &id.key.parse()?, &tree, signer)?;
        publish(folder, &note, files)
    }

    pub(crate) fn checkpoint(&self) -> &VerifiedCheckpoint {
        &self.checkpoint
    }

    /// Appends leaves and makes them durable: tiles, their folders, then the checkpoint and its folder.
    ///
    /// On error nothing was published, unless the error is [`AppendError::Uncertain`]: then only a reopened log knows.
    /// After [`AppendError::Unwitnessed`] the leaves wait, and nothing else is taken before [`Log::complete`].
    pub(crate) fn append(
        &mut self,
        leaves: &[Vec<u8>],
        files: &dyn Files,
        signer: &mut dyn CheckpointSigner,
        witnesses: Option<&mut Witnesses>,
    ) -> Result<(), AppendError> {
        let before = self.tree.clone();
        let result = self.try_append(leaves, files, signer, witnesses);
        if result.is_err() && self.pending.is_none() {
            self.tree = before;
        }
        result
    }

    /// Whether leaves wait for their witnesses.
    pub(crate) const fn is_pending(&self) -> bool {
        self.pending.is_some()
    }

    pub(crate) const fn is_lacking(&self) -> bool {
        self.lacking
    }

    /// Asks for what a checkpoint that waits still lacks, and publishes it.
    pub(crate) fn complete(
        &mut self,
        files: &dyn Files,
        witnesses: &mut Witnesses,
    ) -> Result<(), AppendError> {
        match self.pending.clone() {
            Some(note) => self.witnessed(note, files, Some(witnesses)),
            None => Ok(()),
        }
    }

    /// Asks again the witnesses whose cosignatures the published checkpoint lacks; publishes it with what came.
    pub(crate) fn cosign_again(
        &mut self,
        files: &dyn Files,
        witnesses: &mut Witnesses,
    ) -> Result<(), AppendError> {
        let size = self.checkpoint.size();
        let note = self.checkpoint.note().to_vec();
        if size == 0 || witnesses.all_cosigned(&note) {
            self.lacking = size == 0;
            return Ok(());
        }
        let cosigned = {
            let nodes = self.nodes(files);
            witnesses.cosign(self.id.name, &note, size, &|from| consistency_proof(&nodes, from, size))
        };
        if cosigned.note.len() > note.len() {
            let checkpoint = self.opened(&cosigned.note)?;
            publish(&self.folder, &cosigned.note, files).map_err(AppendError::Uncertain)?;
            self.checkpoint = checkpoint;
        }
        self.lacking = !cosigned.whole;
        Ok(())
    }

    fn opened(&self, note: &[u8]) -> Result<VerifiedCheckpoint, LogError> {
        VerifiedCheckpoint::open(note, &self.key)
            .map_err(|source| LogError::Checkpoint { path: self.folder.join("checkpoint"), source })
    }

    /// Publishes a signed checkpoint of the present tree once it has its witnesses.
    fn witnessed(
        &mut self,
        note: Vec<u8>,
        files: &dyn Files,
        witnesses: Option<&mut Witnesses>,
    ) -> Result<(), AppendError> {
        let (old, size) = (self.checkpoint.size(), self.tree.size());
        let note = match witnesses {
            None => note,
            Some(witnesses) => {
                let cosigned = {
                    let nodes = TileReader::new(&self.folder, size, files, Some(&self.recent));
                    witnesses.cosign(self.id.name, &note, size, &|from| consistency_proof(&nodes, from, size))
                };
                self.lacking = !cosigned.whole;
                if let Some(why) = cosigned.too_few {
                    self.pending = Some(cosigned.note);
                    return Err(AppendError::Unwitnessed(why));
                }
                cosigned.note
            }
        };
        let checkpoint = self.opened(&note)?;
        publish(&self.folder, &note, files).map_err(AppendError::Uncertain)?;
        self.pending = None;
        self.checkpoint = checkpoint;
        self.tidy(old, files);
        Ok(())
    }

    fn try_append(
        &mut self,
        leaves: &[Vec<u8>],
        files: &dyn Files,
        signer: &mut dyn CheckpointSigner,
        witnesses: Option<&mut Witnesses>,
    ) -> Result<(), AppendError> {
        let old = self.tree.size();
        let mut batch = Batch { old, files: Vec::new(), tiles: BTreeMap::new() };
        for leaf in leaves {
            if leaf.len() > usize::from(u16::MAX) {
                return Err(LogError::EntryTooLarge(leaf.len()).into());
            }
            let Ok(_) = self.tree.push(leaf, &mut batch);
        }
        let Ok(()) = self.tree.flush(&mut batch);
        let (mut paths, mut folders) = (Vec::with_capacity(batch.files.len()), BTreeSet::new());
        for (name, bytes) in &batch.files {
            let path = self.folder.join(name);
            let io = |source| LogError::Io { path: path.clone(), source };
            if let Some(folder) = path.parent() {
                files.create_dir_all(folder).map_err(io)?;
                folders.insert(folder.to_path_buf());
            }
            files.create(&path, bytes).map_err(io)?;
            paths.push(path);
        }
        let folders: Vec<PathBuf> = folders.into_iter().collect();
        files
            .sync_all(&paths, &folders)
            .map_err(|source| LogError::Io { path: self.folder.clone(), source })?;
        let note = match sign(&self.id, &self.key, &self.tree, signer) {
            Ok(note) => note,
            // A signer that signed will sign no other text of this size: the same leaves must be published.
            Err(error) if self.may_have_signed(old, signer) => {
                return Err(AppendError::Uncertain(error.into()));
            }
            Err(error) => return Err(error.into()),
        };
        self.recent = batch.tiles;
        self.witnessed(note, files, witnesses)
    }

    fn may_have_signed(&self, old: u64, signer: &mut dyn CheckpointSigner) -> bool {
        match signer.last(&self.id) {
            Ok(None) => false,
            Ok(Some(text)) => Checkpoint::parse(&text).map_or(true, |signed| signed.size > old),
            Err(_) => true,
        }
    }

    /// Removes partial tiles that both this and the previous checkpoint can do without. Failing costs only space.
    fn tidy(&self, old: u64, files: &dyn Files) {
        let size = self.tree.size();
        for level in 0..8u8 {
            let index = (old >> (8 * u32::from(level))) / WIDTH;
            let (was, is) = (width_at(level, index, old), width_at(level, index, size));
            if was == 0 || u64::from(was) == WIDTH || was == is {
                continue;
            }
            if u64::from(is) == WIDTH {
                self.remove_partial(&Tile { level, index, width: 1 }.path(), files);
                if level == 0 {
                    self.remove_partial(&entries_path(index, 1), files);
                }
            }
        }
    }

    /// Removes partial tiles that are wider than the tree: written before a stop, vouched for by no checkpoint. Other
    /// leaves may now take their places, and what is left of the old ones would look like damage. For the one that writes:
    /// a reader does not know what was signed, and would take the tiles of a checkpoint that is yet to be published.
    pub(crate) fn sweep(&self, files: &dyn Files) {
        let size = self.tree.size();
        for level in 0..8u8 {
            let first = size.checked_shr(8 * u32::from(level)).unwrap_or(0) / WIDTH;
            for index in first.. {
                let is = usize::from(width_at(level, index, size));
                let mut paths = vec![Tile { level, index, width: 1 }.path()];
                paths.extend((level == 0).then(|| entries_path(index, 1)));
                let mut any = false;
                for folder in
                    paths.iter().filter_map(|path| self.folder.join(path).parent().map(Path::to_path_buf))
                {
                    for name in files.list(&folder).unwrap_or_default() {
                        any = true;
                        if name.parse::<usize>().is_ok_and(|width| width > is) {
                            let _ = files.remove(&folder.join(name));
                        }
                    }
                }
                if !any {
                    break;
                }
            }
        }
    }

    /// Removes every file of the `.p` folder that this path lies in.
    fn remove_partial(&self, path: &str, files: &dyn Files) {
        let Some(folder) = self.folder.join(path).parent().map(Path::to_path_buf) else { return };
        for name in files.list(&folder).unwrap_or_default() {
            let _ = files.remove(&folder.join(name));
        }
    }

    /// The leaf's bytes.
    pub(crate) fn leaf(&self, index: u64, files: &dyn Files) -> Result<Vec<u8>, LogError> {
        leaf(&self.folder, index, self.checkpoint.size(), files)
    }

    /// The bytes of the leaves `from..until`, each bundle read once.
    pub(crate) fn leaves(&self, from: u64, until: u64, files: &dyn Files) -> Result<Vec<Vec<u8>>, LogError> {
        leaves(&self.folder, from, until, self.checkpoint.size(), files)
    }

    /// Hashes of this log at its present size.
    pub(crate) fn nodes<'a>(&'a self, files: &'a dyn Files) -> TileReader<'a> {
        TileReader::new(&self.folder, self.checkpoint.size(), files, Some(&self.recent))
    }
}

/// Why an append failed, and whether it may have happened all the same.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AppendError {
    #[error(transparent)]
    NotDone(#[from] LogError),
    /// The checkpoint was being replaced: the disk may hold either.
    #[error("{0}")]
    Uncertain(LogError),
    /// The leaves are durable and signed, and wait for witnesses.
    #[error("{0}")]
    Unwitnessed(String),
}

impl From<SignError> for AppendError {
    fn from(error: SignError) -> Self {
        Self::NotDone(error.into())
    }
}

fn sign(
    id: &LogId,
    key: &NoteKey,
    tree: &Tree,
    signer: &mut dyn CheckpointSigner,
) -> Result<Vec<u8>, SignError> {
    let checkpoint = Checkpoint {
        origin: id.origin.clone(),
        size: tree.size(),
        root: tree.root(),
        extensions: Vec::new(),
    };
    let text = checkpoint.text();
    let signature = signer.sign(id, &text)?;
    Ok(format!("{text}\n{}", signature_line(key, &signature)).into_bytes())
}

fn publish(folder: &Path, note: &[u8], files: &dyn Files) -> Result<(), LogError> {
    let (draft, path) = (folder.join("checkpoint.new"), folder.join("checkpoint"));
    let io = |source| LogError::Io { path: path.clone(), source };
    files.create(&draft, note).map_err(io)?;
    files.sync(&draft).map_err(io)?;
    files.rename(&draft, &path).map_err(io)?;
    files.sync_dir(folder).map_err(io)
}

fn load(folder: &Path, size: u64, files: &dyn Files) -> Result<Tree, LogError> {
    let mut tree = Tree { size, levels: Vec::new(), entries: Vec::new() };
    for level in 0..8u8 {
        let hashes = size >> (8 * u32::from(level));
        if hashes == 0 {
            break;
        }
        let width = (hashes % WIDTH) as u16;
        let row = if width == 0 {
            Vec::new()
        } else {
            read_tile(folder, Tile { level, index: hashes / WIDTH, width }, files)?
        };
        tree.levels.push(row);
    }
    let width = (size % WIDTH) as u16;
    if width > 0 {
        let path = folder.join(entries_path(size / WIDTH, width));
        tree.entries = files.read(&path).map_err(|source| LogError::Io { path, source })?;
    }
    Ok(tree)
}

/// The hashes of a tile; a wider file serves as well where the exact one was superseded.
pub(crate) fn read_tile(folder: &Path, tile: Tile, files: &dyn Files) -> Result<Vec<Hash>, LogError> {
    let path = folder.join(tile.path());
    let full = Tile { width: WIDTH as u16, ..tile };
    let bytes = match files.read(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound && !tile.is_full() => {
            files.read(&folder.join(full.path()))
        }
        result => result,
    };
    let bytes = bytes.map_err(|source| LogError::Io { path: path.clone(), source })?;
    let wanted = usize::from(tile.width) * 32;
    let exact = bytes.len() == wanted || bytes.len() as u64 == WIDTH * 32;
    match bytes.get(..wanted) {
        Some(prefix) if exact => Ok(prefix.chunks_exact(32).filter_map(Hash::from_slice).collect()),
        _ => {
            let what = format!("has {} bytes, a tile of {} hashes has {wanted}", bytes.len(), tile.width);
            Err(LogError::Damaged { path, what })
        }
    }
}

/// One leaf out of its entry bundle.
fn leaf(folder: &Path, index: u64, size: u64, files: &dyn Files) -> Result<Vec<u8>, LogError> {
    let (path, bytes) = read_bundle(folder, index / WIDTH, size, files)?;
    split_entries(&bytes)
        .nth((index % WIDTH) as usize)
        .flatten()
        .map(<[u8]>::to_vec)
        .ok_or_else(|| LogError::Damaged { path, what: format!("has no whole entry for leaf {index}") })
}

/// The leaves `from..until` of a log of this size.
fn leaves(
    folder: &Path,
    from: u64,
    until: u64,
    size: u64,
    files: &dyn Files,
) -> Result<Vec<Vec<u8>>, LogError> {
    let mut found = Vec::with_capacity((until - from) as usize);
    let mut at = from;
    while at < until {
        let (path, bytes) = read_bundle(folder, at / WIDTH, size, files)?;
        let end = until.min((at / WIDTH + 1) * WIDTH);
        let mut entries = split_entries(&bytes).skip((at % WIDTH) as usize);
        for index in at..end {
            let entry = entries.next().flatten().ok_or_else(|| LogError::Damaged {
                path: path.clone(),
                what: format!("has no whole entry for leaf {index}"),
            })?;
            found.push(entry.to_vec());
        }
        at = end;
    }
    Ok(found)
}

pub(crate) fn read_bundle(
    folder: &Path,
    bundle: u64,
    size: u64,
    files: &dyn Files,
) -> Result<(PathBuf, Vec<u8>), LogError> {
    let path = folder.join(entries_path(bundle, width_at(0, bundle, size)));
    let bytes = match files.read(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            files.read(&folder.join(entries_path(bundle, WIDTH as u16)))
        }
        result => result,
    };
    match bytes {
        Ok(bytes) => Ok((path, bytes)),
        Err(source) => Err(LogError::Io { path, source }),
    }
}

/// The entries of a bundle; `None` marks a torn end.
pub(crate) fn split_entries(bundle: &[u8]) -> impl Iterator<Item = Option<&[u8]>> {
    let mut rest = bundle;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let split = rest.split_at_checked(2).and_then(|(length, after)| {
            let length = u16::from_be_bytes(length.try_into().ok()?);
            after.split_at_checked(usize::from(length))
        });
        match split {
            Some((entry, after)) => {
                rest = after;
                Some(Some(entry))
            }
            None => {
                rest = &[];
                Some(None)
            }
        }
    })
}

/// Reads nodes from tiles, those of the last batch from memory.
pub(crate) struct TileReader<'a> {
    folder: &'a Path,
    size: u64,
    files: &'a dyn Files,
    recent: Option<&'a BTreeMap<(u8, u64), Vec<Hash>>>,
    /// Every complete subtree of a tile, hashed once: proofs of a whole group ask for the same ones again and again.
    cache: std::cell::RefCell<BTreeMap<(u8, u64), Rows>>,
}

impl<'a> TileReader<'a> {
    fn new(
        folder: &'a Path,
        size: u64,
        files: &'a dyn Files,
        recent: Option<&'a BTreeMap<(u8, u64), Vec<Hash>>>,
    ) -> Self {
        Self { folder, size, files, recent, cache: std::cell::RefCell::default() }
    }
}

/// The complete subtrees over a tile's hashes, a row for each height.
type Rows = Vec<Vec<Hash>>;

fn rows(hashes: &[Hash]) -> Rows {
    let mut rows = vec![hashes.to_vec()];
    while let Some(row) = rows.last().filter(|row| row.len() > 1) {
        let above = row.chunks_exact(2).filter_map(|pair| match pair {
            [left, right] => Some(node_hash(left, right)),
            _ => None,
        });
        rows.push(above.collect());
    }
    rows
}

impl Nodes for TileReader<'_> {
    type Error = LogError;

    fn node(&self, level: u8, index: u64) -> Result<Hash, LogError> {
        let (row, height) = (level / 8, level % 8);
        let first = index << height;
        let at = (row, first / WIDTH);
        let inside = ((first % WIDTH) >> height) as usize;
        let mut cache = self.cache.borrow_mut();
        let tile = match cache.entry(at) {
            std::collections::btree_map::Entry::Occupied(tile) => tile.into_mut(),
            std::collections::btree_map::Entry::Vacant(place) => {
                let tile = Tile { level: row, index: at.1, width: width_at(row, at.1, self.size) };
                let hashes = match self.recent.and_then(|recent| recent.get(&at)) {
                    Some(hashes) => hashes.clone(),
                    None => read_tile(self.folder, tile, self.files)?,
                };
                place.insert(rows(&hashes))
            }
        };
        let node = tile.get(usize::from(height)).and_then(|row| row.get(inside)).copied();
        node.ok_or_else(|| LogError::Damaged {
            path: self.folder.join(Tile { level: row, index: at.1, width: WIDTH as u16 }.path()),
            what: format!("has no node {index} of height {level}"),
        })
    }
}
