//! Records out of a folder, a zip export or a single file, each by the name that it has there.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use linkward_evidence::Fault;
use linkward_evidence::archive::zip::{self, ZipError};
use linkward_model::{Code, Instant, Sha256Stream};

use crate::meta::Source;
use crate::osv;
use crate::record::Advisory;
use crate::rustsec;
use crate::write::Batch;

const MAX_FILES: usize = 2_000_000;
const MAX_DEPTH: usize = 32;
/// Largest record.
const MAX_MEMBER: u64 = 16 << 20;
const MAX_ARCHIVE: u64 = 8 << 30;

#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    #[error("cannot read {path}: {source}")]
    Read { path: String, source: io::Error },
    #[error("{path} {source}")]
    Zip { path: String, source: ZipError },
    #[error("{path} holds no advisory records")]
    Empty { path: String },
    #[error("{path} is beyond a limit: {what}")]
    TooLarge { path: String, what: String },
}

/// Reads every record of a source. Records that cannot be read are counted, and told one by one through `complain`.
///
/// # Errors
/// The source cannot be read at all, or holds no record.
pub fn gather(
    path: &Path,
    name: &str,
    as_of: Option<Instant>,
    mut complain: impl FnMut(&str, &Fault),
) -> Result<Batch, SourceError> {
    let mut reader =
        Reader { digest: Sha256Stream::new(), advisories: Vec::new(), records: 0, unreadable: 0 };
    let shown = || path.display().to_string();
    let kind = fs::metadata(path).map_err(|source| SourceError::Read { path: shown(), source })?;
    if kind.is_dir() {
        let mut files = Vec::new();
        list(path, path, 0, &mut files)?;
        files.sort();
        for (name, file) in files {
            let bytes = read_bounded(&file, MAX_MEMBER)?;
            reader.record(&name, &bytes, &mut complain);
        }
    } else {
        let bytes = read_bounded(path, MAX_ARCHIVE)?;
        if bytes.starts_with(b"PK") {
            zip::each(
                &bytes,
                MAX_MEMBER,
                |name| format(name).is_some(),
                |name, bytes| reader.record(name, bytes, &mut complain),
            )
            .map_err(|source| SourceError::Zip { path: shown(), source })?;
        } else {
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            reader.record(&name, &bytes, &mut complain);
        }
    }
    if reader.advisories.is_empty() {
        return Err(SourceError::Empty { path: shown() });
    }
    let newest = reader.advisories.iter().filter_map(|advisory| advisory.modified).max();
    Ok(Batch {
        source: Source {
            name: name.to_owned(),
            digest: reader.digest.finish(),
            records: reader.records,
            as_of: as_of.or(newest),
            unreadable: reader.unreadable,
        },
        advisories: reader.advisories,
    })
}

struct Reader {
    digest: Sha256Stream,
    advisories: Vec<Advisory>,
    records: usize,
    unreadable: usize,
}

type Format = fn(&[u8]) -> Result<Advisory, Fault>;

/// How a file of this name is read; `None` where it is no record.
fn format(name: &str) -> Option<Format> {
    fn text(bytes: &[u8]) -> Result<&str, Fault> {
        std::str::from_utf8(bytes).map_err(|_| Fault::new(Code::AdvisoryMalformed, "$", "is not UTF-8 text"))
    }
    let file = name.rsplit('/').next().unwrap_or(name);
    if file.starts_with('.') {
        return None;
    }
    match file.rsplit_once('.')?.1 {
        "json" => Some(osv::json),
        "yaml" | "yml" => Some(|bytes| osv::yaml(text(bytes)?)),
        "md" if file.starts_with("RUSTSEC-") => Some(|bytes| rustsec::markdown(text(bytes)?)),
        _ => None,
    }
}

impl Reader {
    fn record(&mut self, name: &str, bytes: &[u8], complain: &mut impl FnMut(&str, &Fault)) {
        let Some(read) = format(name) else { return };
        self.records += 1;
        self.digest.update(name.as_bytes());
        self.digest.update(&(bytes.len() as u64).to_le_bytes());
        self.digest.update(bytes);
        match read(bytes) {
            Ok(advisory) => self.advisories.push(advisory),
            Err(fault) => {
                self.unreadable += 1;
                complain(name, &fault);
            }
        }
    }
}

fn list(root: &Path, at: &Path, depth: usize, found: &mut Vec<(String, PathBuf)>) -> Result<(), SourceError> {
    let wrong = |source| SourceError::Read { path: at.display().to_string(), source };
    if depth > MAX_DEPTH {
        let what = format!("deeper than {MAX_DEPTH} folders");
        return Err(SourceError::TooLarge { path: at.display().to_string(), what });
    }
    for entry in fs::read_dir(at).map_err(wrong)? {
        let entry = entry.map_err(wrong)?;
        let kind = entry.file_type().map_err(wrong)?;
        let path = entry.path();
        let hidden = entry.file_name().to_string_lossy().starts_with('.');
        if kind.is_dir() && !hidden {
            list(root, &path, depth + 1, found)?;
        } else if kind.is_file() {
            let name = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().replace('\\', "/");
            if format(&name).is_some() {
                found.push((name, path));
            }
            if found.len() > MAX_FILES {
                let what = format!("more than {MAX_FILES} records");
                return Err(SourceError::TooLarge { path: root.display().to_string(), what });
            }
        }
    }
    Ok(())
}

fn read_bounded(path: &Path, limit: u64) -> Result<Vec<u8>, SourceError> {
    let shown = || path.display().to_string();
    let mut bytes = Vec::new();
    let read = fs::File::open(path).and_then(|file| file.take(limit + 1).read_to_end(&mut bytes));
    read.map_err(|source| SourceError::Read { path: shown(), source })?;
    if bytes.len() as u64 > limit {
        return Err(SourceError::TooLarge { path: shown(), what: format!("more than {limit} bytes") });
    }
    Ok(bytes)
}
