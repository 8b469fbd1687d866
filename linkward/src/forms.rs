//! Evidence in other forms than the bundle: whom linkward.toml trusts for it, and what lies beside a layout.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use linkward_model::Code;
use linkward_prove::{Folder, FormTrust};

use crate::wire::{Document, Failure};

/// Keys of [trust] that name a file each.
pub(crate) const KEYS: &[&str] = &[
    "notation_authorities",
    "notation_identities",
    "notation_signing_authorities",
    "notation_timestamp_authorities",
    "layout_keys",
    "layout_parameters",
    "archive_keyring",
];
/// Largest such file.
const MAX_FILE: u64 = 4 << 20;
/// Most links of one layout, and how deep layouts lie within each other.
const MAX_LINKS: usize = 10_000;
const MAX_DEPTH: usize = 8;
/// Largest sum of a layout's links.
const MAX_LINK_BYTES: u64 = 64 << 20;

/// The files that [trust] names, by the key.
#[derive(Debug, Clone, Default)]
pub(crate) struct Files(BTreeMap<String, PathBuf>);

impl Files {
    pub(crate) fn set(&mut self, key: &str, path: Option<&str>) {
        self.0.remove(key);
        self.0.extend(path.map(|path| (key.to_owned(), PathBuf::from(path))));
    }

    /// What they say now. Paths are the home's.
    pub(crate) fn read(&self, home: &Path) -> Result<FormTrust> {
        let text = |key: &str| {
            String::from_utf8(self.bytes(home, key)?).map_err(|_| malformed(key, "it is not UTF-8 text"))
        };
        Ok(FormTrust {
            notation_authorities: text("notation_authorities")?,
            notation_identities: text("notation_identities")?,
            notation_signing_authorities: text("notation_signing_authorities")?,
            notation_timestamp_authorities: text("notation_timestamp_authorities")?,
            layout_keys: text("layout_keys")?,
            layout_parameters: text("layout_parameters")?,
            archive_keyring: self.bytes(home, "archive_keyring")?,
        })
    }

    fn bytes(&self, home: &Path, key: &str) -> Result<Vec<u8>> {
        let Some(path) = self.0.get(key) else { return Ok(Vec::new()) };
        let path = home.join(path);
        let what = |error: std::io::Error| malformed(key, &format!("{}: {error}", path.display()));
        if std::fs::metadata(&path).map_err(what)?.len() > MAX_FILE {
            return Err(malformed(key, &format!("{} is larger than {MAX_FILE} bytes", path.display())));
        }
        std::fs::read(&path).map_err(what)
    }
}

fn malformed(key: &str, what: &str) -> anyhow::Error {
    Failure::new(Code::TrustRootMalformed, format!("[trust] {key}: {what}")).into()
}

/// The links that lie in a folder and the folders within it, as a layout names them: `STEP.KEYID.link`,
/// `STEP.KEYID/...`.
pub(crate) fn links(folder: &Path) -> Result<Vec<Document>> {
    let (mut found, mut bytes) = (Vec::new(), 0);
    gather(folder, "", 0, &mut found, &mut bytes)?;
    Ok(found)
}

fn gather(
    folder: &Path,
    within: &str,
    depth: usize,
    found: &mut Vec<Document>,
    bytes: &mut u64,
) -> Result<()> {
    let cannot = || format!("cannot read {}", folder.display());
    for entry in std::fs::read_dir(folder).with_context(cannot)? {
        let entry = entry.with_context(cannot)?;
        let kind = entry.file_type().with_context(cannot)?;
        let Some(name) = entry.file_name().to_str().map(|name| format!("{within}{name}")) else { continue };
        if kind.is_dir() && depth < MAX_DEPTH && within_layout(&name) {
            gather(&entry.path(), &format!("{name}/"), depth + 1, found, bytes)?;
        }
        if !kind.is_file() || !name.ends_with(".link") {
            continue;
        }
        *bytes += entry.metadata().with_context(cannot)?.len();
        if found.len() >= MAX_LINKS || *bytes > MAX_LINK_BYTES {
            bail!(
                "{} holds more than {MAX_LINKS} links, or {MAX_LINK_BYTES} bytes of them",
                folder.display()
            );
        }
        found.push(Document { name, ..crate::commands::read_document(&entry.path())? });
    }
    Ok(())
}

/// `STEP.KEYID`, where the links of a layout within lie: eight digits of a key's id at the end.
fn within_layout(name: &str) -> bool {
    name.rsplit_once('.')
        .is_some_and(|(_, id)| id.len() == 8 && id.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// Documents that came with another.
pub(crate) struct Beside<'a>(pub(crate) &'a [Document]);

impl Folder for Beside<'_> {
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, String> {
        self.0.iter().find(|document| document.name == path).map(Document::bytes).transpose()
    }
}
