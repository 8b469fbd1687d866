//! OSV's exports, one archive an ecosystem: asked for with what is known of the last one, so that only what changed is fetched;
//! a download that was cut off goes on where it ended.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use linkward_model::{Code, Digest, Instant};
use serde::{Deserialize, Serialize};

use crate::client::Url;
use crate::fetch::{Answer, Fetcher};
use crate::progress::Progress;
use crate::wire::Failure;

/// Where OSV publishes them.
pub(crate) const PUBLIC: &str = "https://osv-vulnerabilities.storage.googleapis.com";
/// What is fetched where nothing is named: packages of languages. Distributions are large, and named where they are used.
const USUAL: &[&str] = &[
    "crates.io",
    "npm",
    "PyPI",
    "Go",
    "Maven",
    "NuGet",
    "RubyGems",
    "Packagist",
    "Pub",
    "Hex",
    "GitHub Actions",
];
const MAX_EXPORT: u64 = 8 << 30;

/// What is known of a file that was fetched.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Known {
    url: String,
    etag: Option<String>,
    last_modified: Option<String>,
    /// Of the whole file; none where it is a part.
    digest: Option<Digest>,
    bytes: u64,
}

/// One file that is here now.
#[derive(Debug)]
pub(super) struct Fetched {
    pub(super) name: String,
    pub(super) path: PathBuf,
    pub(super) digest: Digest,
    pub(super) changed: bool,
    /// When its source wrote it, as it says; that it was asked today does not make it newer.
    pub(super) as_of: Option<Instant>,
}

/// A folder of fetched files and what is known of each.
pub(super) struct Exports {
    folder: PathBuf,
    known: BTreeMap<String, Known>,
    fetcher: Fetcher,
}

pub(super) fn usual() -> Vec<String> {
    USUAL.iter().map(|name| (*name).to_owned()).collect()
}

/// `BASE/ECOSYSTEM/all.zip`.
pub(super) fn url(base: &str, ecosystem: &str) -> String {
    format!("{}/{}/all.zip", base.trim_end_matches('/'), ecosystem.replace(' ', "%20"))
}

impl Exports {
    /// # Errors
    /// The folder cannot be made. A list that cannot be read is one of files that are fetched anew.
    pub(super) fn open(folder: &Path) -> Result<Self> {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let known = std::fs::read(folder.join("list.json")).ok();
        let known = known.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
        Ok(Self { folder: folder.to_path_buf(), known, fetcher: Fetcher::new()? })
    }

    /// The newest version of a file.
    ///
    /// # Errors
    /// It cannot be had. What came of it is kept for the next time.
    pub(super) fn get(&mut self, name: &str, url: &str, progress: &Progress) -> Result<Fetched> {
        progress.say(&format!("asking for {name}"));
        let file: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
        let (whole, part) = (self.folder.join(&file), self.folder.join(format!("{file}.part")));
        let place = Url::with_query(url)?;
        let known = self.known.get(name).filter(|known| known.url == url).cloned();
        // What was altered since is not what the server would say is unchanged.
        let known = known.filter(|known| match known.digest {
            Some(digest) => linkward_collect::hash_file(&whole).is_ok_and(|(found, _)| found == digest),
            None => std::fs::metadata(&part).is_ok_and(|kind| kind.len() > 0),
        });
        let unreachable = |why: String| Failure::new(Code::AdvisoryUnreachable, format!("{name}: {why}"));
        let headers = known.as_ref().map(|known| asked(known, &part)).unwrap_or_default();
        let answer = self.fetcher.get(&place, &headers).map_err(|error| unreachable(format!("{error:#}")))?;
        match (answer.status, known) {
            (304, Some(known)) if known.digest.is_some() => Ok(Self::fetched(name, whole, &known, false)),
            (status @ (200 | 206), known) => {
                let go_on = status == 206 && known.as_ref().is_some_and(|known| known.digest.is_none());
                if status == 206 && !go_on {
                    return Err(
                        unreachable("the server sends a part that nobody asked for".to_owned()).into()
                    );
                }
                let mut fresh = Known {
                    url: url.to_owned(),
                    etag: answer.header("etag").map(str::to_owned),
                    last_modified: answer.header("last-modified").map(str::to_owned),
                    digest: None,
                    bytes: 0,
                };
                self.known.insert(name.to_owned(), fresh.clone());
                self.save()?;
                progress.say(&format!("fetching {name}"));
                store(answer, &part, go_on).map_err(|error| unreachable(format!("{error:#}")))?;
                let (digest, bytes) = linkward_collect::hash_file(&part)?;
                std::fs::rename(&part, &whole)?;
                (fresh.digest, fresh.bytes) = (Some(digest), bytes);
                self.known.insert(name.to_owned(), fresh.clone());
                self.save()?;
                Ok(Self::fetched(name, whole, &fresh, true))
            }
            // The part that is here does not fit any more: next time it is fetched from its beginning.
            (416, Some(_)) => {
                self.known.remove(name);
                self.save()?;
                Err(unreachable("changed while it was fetched; run the command again".to_owned()).into())
            }
            (status, _) => Err(unreachable(format!("{} answers {status}", place.host())).into()),
        }
    }

    /// What is here of a file is wrong: the next time it is fetched from its beginning.
    pub(super) fn forget(&mut self, name: &str) -> Result<()> {
        self.known.remove(name);
        self.save()
    }

    /// Nothing of it is needed any more.
    pub(super) fn clear(&mut self) -> Result<()> {
        self.known.clear();
        std::fs::remove_dir_all(&self.folder)
            .with_context(|| format!("cannot empty {}", self.folder.display()))
    }

    fn fetched(name: &str, path: PathBuf, known: &Known, changed: bool) -> Fetched {
        let as_of = known.last_modified.as_deref().and_then(http_date);
        let digest = known.digest.unwrap_or_else(|| Digest::sha256(b""));
        Fetched { name: name.to_owned(), path, digest, changed, as_of }
    }

    fn save(&self) -> Result<()> {
        let bytes = serde_json::to_vec_pretty(&self.known)?;
        Ok(linkward_advisory::replace(&self.folder.join("list.json"), &bytes)?)
    }
}

fn asked(known: &Known, part: &Path) -> Vec<(&'static str, String)> {
    let mut headers = Vec::new();
    match (known.digest, known.etag.as_ref().or(known.last_modified.as_ref())) {
        (None, Some(version)) => {
            let have = std::fs::metadata(part).map(|kind| kind.len()).unwrap_or_default();
            headers.push(("Range", format!("bytes={have}-")));
            headers.push(("If-Range", version.clone()));
        }
        (None, None) => {}
        (Some(_), _) => {
            headers.extend(known.etag.clone().map(|etag| ("If-None-Match", etag)));
            headers.extend(known.last_modified.clone().map(|date| ("If-Modified-Since", date)));
        }
    }
    headers
}

fn store(answer: Answer, part: &Path, go_on: bool) -> Result<()> {
    let mut file: File =
        OpenOptions::new().create(true).write(true).append(go_on).truncate(!go_on).open(part)?;
    let mut body = answer.body.take(MAX_EXPORT);
    std::io::copy(&mut body, &mut file)?;
    file.flush()?;
    file.sync_all()?;
    if file.metadata()?.len() >= MAX_EXPORT {
        anyhow::bail!("is larger than {MAX_EXPORT} bytes");
    }
    Ok(())
}

/// `Wed, 25 Nov 2026 22:41:29 GMT`.
fn http_date(text: &str) -> Option<Instant> {
    let parsed = jiff::fmt::rfc2822::parse(text).ok()?;
    Some(Instant::from_seconds(parsed.timestamp().as_second()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_dates() {
        assert_eq!(url("https://x.example/", "GitHub Actions"), "https://x.example/GitHub%20Actions/all.zip");
        assert_eq!(http_date("Thu, 01 Jan 2026 00:00:00 GMT"), Some(Instant::from_seconds(1_767_225_600)));
        assert_eq!(http_date("yesterday"), None);
    }
}
