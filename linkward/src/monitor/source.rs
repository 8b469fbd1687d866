//! Where a followed log is read from: a folder, or static files over HTTP.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use linkward_ledger::merkle::Hash;
use linkward_ledger::tile::{Tile, WIDTH, entries_path, subtree, width_at};
use linkward_model::Code;

use crate::client::{Client, Url, system_authorities};
use crate::wire::Failure;

const PATIENCE: Duration = Duration::from_secs(30);
pub(super) enum Source {
    Folder(PathBuf),
    Http(Client),
}

impl Source {
    pub(super) fn open(place: &str, ca: Option<&Path>) -> Result<Self> {
        if !place.contains("://") {
            return Ok(Self::Folder(PathBuf::from(place)));
        }
        let url = Url::parse(place)?;
        let pem = match ca {
            Some(path) => {
                Some(std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?)
            }
            None => system_authorities(),
        };
        Ok(Self::Http(Client::new(url, pem.as_deref())?))
    }

    /// # Errors
    /// The file cannot be had; that is never taken for its absence.
    pub(super) fn read(&self, path: &str) -> Result<Vec<u8>> {
        let read = match self {
            Self::Folder(folder) => std::fs::read(folder.join(path)).map_err(anyhow::Error::from),
            Self::Http(client) => client.get(&format!("/{path}"), PATIENCE),
        };
        read.map_err(|error| Failure::new(Code::LogUnreadable, format!("{path}: {error:#}")).into())
    }

    /// A partial file, or the full one that superseded it.
    fn wider(&self, partial: &str, full: &str) -> Result<Vec<u8>> {
        self.read(partial)
            .or_else(|error| if partial == full { Err(error) } else { self.read(full).map_err(|_| error) })
    }

    /// The entries of one bundle of a log of this size.
    pub(super) fn bundle(&self, bundle: u64, size: u64) -> Result<Vec<Vec<u8>>> {
        let width = width_at(0, bundle, size);
        let bytes = self.wider(&entries_path(bundle, width), &entries_path(bundle, WIDTH as u16))?;
        let mut entries = Vec::with_capacity(usize::from(width));
        let mut rest = bytes.as_slice();
        while entries.len() < usize::from(width) {
            let entry = rest
                .split_first_chunk::<2>()
                .and_then(|(length, after)| after.split_at_checked(usize::from(u16::from_be_bytes(*length))));
            let Some((entry, after)) = entry else {
                let what = format!("{} ends within entry {}", entries_path(bundle, width), entries.len());
                return Err(Failure::new(Code::LogUnreadable, what).into());
            };
            entries.push(entry.to_vec());
            rest = after;
        }
        Ok(entries)
    }

    /// The roots of the complete subtrees of a log of this size, largest first. What they are worth, its root says.
    pub(super) fn peaks(&self, size: u64) -> Result<Vec<Hash>> {
        let mut peaks = Vec::new();
        let mut at = 0;
        for level in (0..64u8).rev().filter(|level| (size >> level) & 1 == 1) {
            let (row, height) = (level / 8, level % 8);
            let first = at >> (8 * u32::from(row));
            let tile = Tile { level: row, index: first / WIDTH, width: width_at(row, first / WIDTH, size) };
            let full = Tile { width: WIDTH as u16, ..tile };
            let bytes = self.wider(&tile.path(), &full.path())?;
            let hashes: Vec<Hash> = bytes.chunks_exact(32).filter_map(Hash::from_slice).collect();
            let inside = ((first % WIDTH) >> height) as usize;
            let peak = subtree(&hashes, height, inside);
            peaks.push(
                peak.with_context(|| {
                    Failure::new(Code::LogUnreadable, format!("{} is cut off", tile.path()))
                })?,
            );
            at += 1 << level;
        }
        Ok(peaks)
    }
}
