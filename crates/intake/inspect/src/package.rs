//! One release of a package against the one before: what did it gain. Archives are read in memory; nothing of them is run or unpacked.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;

use linkward_evidence::Fault;
use linkward_evidence::archive::packed::unpacked;
use linkward_evidence::archive::tar::{Kind, Tar};
use linkward_evidence::archive::{inside, zip};
use linkward_model::Code;

use crate::capability::{Capability, Sight, of_file};
use crate::{Finding, Weight};

/// Largest file of a package that is read, most files, and most bytes of all together.
const MAX_FILE: u64 = 32 << 20;
const MAX_FILES: usize = 100_000;
const MAX_TOTAL: u64 = 512 << 20;

/// What one release can do, and what it calls itself.
#[derive(Debug, Default)]
pub struct Package {
    capabilities: BTreeMap<Capability, BTreeMap<String, Sight>>,
    name: Option<String>,
    files: BTreeSet<String>,
    /// What is wrong with the release whatever it was before.
    findings: Vec<Finding>,
    total: u64,
}

impl Package {
    /// Adds a file; the path is that within the package.
    ///
    /// # Errors
    /// Beyond a limit.
    pub fn add(&mut self, path: &str, bytes: &[u8]) -> Result<(), Fault> {
        self.total += bytes.len() as u64;
        if self.files.len() >= MAX_FILES || self.total > MAX_TOTAL {
            let what = format!("has more than {MAX_FILES} files or {MAX_TOTAL} bytes");
            return Err(Fault::new(Code::TooLarge, path, what));
        }
        if !self.files.insert(path.to_owned()) {
            // Readers disagree on which of the two counts: one is shown, the other runs.
            self.findings.push(Finding {
                path: path.to_owned(),
                line: 1,
                code: Code::ManifestConfusion,
                weight: Weight::High,
                message: "stands in the archive twice: which one counts depends on the reader".to_owned(),
            });
        }
        if path == "package.json" {
            let manifest = serde_json::from_slice::<serde_json::Value>(bytes).ok();
            let name =
                manifest.as_ref().and_then(|manifest| manifest.get("name")).and_then(|name| name.as_str());
            self.name = name.map(str::to_owned);
        } else if path.eq_ignore_ascii_case("package.json") {
            self.findings.push(Finding {
                path: path.to_owned(),
                line: 1,
                code: Code::ManifestConfusion,
                weight: Weight::High,
                message: "is a manifest where case does not count, and none where it does".to_owned(),
            });
        }
        for (capability, sight) in of_file(path, bytes) {
            self.capabilities.entry(capability).or_default().insert(path.to_owned(), sight);
        }
        Ok(())
    }

    /// Reads a package's archive: tar packed by gzip or not (npm, crates, sdists), or zip (wheels, jars, NuGet).
    ///
    /// # Errors
    /// No such archive, cut off, hostile, or beyond a limit.
    pub fn archive(bytes: &[u8]) -> Result<Self, Fault> {
        let mut package = Self::default();
        files(bytes)?.iter().try_for_each(|(path, bytes)| package.add(path, bytes))?;
        Ok(package)
    }
    /// What this release has and the one before has not.
    pub fn gained(&self, before: &Self) -> Vec<Finding> {
        let mut found = self.findings.clone();
        for (capability, sights) in &self.capabilities {
            let known = before.capabilities.get(capability);
            let new: Vec<&Sight> = sights
                .iter()
                .filter(|(path, _)| known.is_none_or(|known| !known.contains_key(*path)))
                .map(|(_, sight)| sight)
                .collect();
            let Some(first) = new.first() else { continue };
            // A capability that the package never had weighs more than one more file with it.
            let weight = match (known.is_none(), capability) {
                (true, Capability::Network | Capability::Binary | Capability::Process) => Weight::Medium,
                (true, _) => Weight::High,
                (false, Capability::InstallTime) => Weight::Medium,
                (false, _) => Weight::Low,
            };
            let more =
                if new.len() > 1 { format!(", and {} more files", new.len() - 1) } else { String::new() };
            let how = if known.is_none() { "now" } else { "in a further file" };
            found.push(Finding {
                path: first.path.clone(),
                line: first.line,
                code: Code::CapabilityGained,
                weight,
                message: format!("{how} {}: `{}`{more}", capability.gained(), first.what),
            });
        }
        if let (Some(old), Some(new)) = (&before.name, &self.name)
            && old != new
        {
            found.push(Finding {
                path: "package.json".to_owned(),
                line: 1,
                code: Code::ManifestConfusion,
                weight: Weight::High,
                message: format!("was `{old}`, calls itself `{new}`"),
            });
        }
        found.sort();
        found
    }

    pub fn files(&self) -> usize {
        self.files.len()
    }
}

/// The files of an archive in its order, without the one folder that may hold them all.
///
/// # Errors
/// No such archive, cut off, hostile, or beyond a limit.
pub fn files(bytes: &[u8]) -> Result<Vec<(String, Vec<u8>)>, Fault> {
    let mut files: Vec<(String, Vec<u8>)> = Vec::new();
    let malformed = |what: String| Fault::new(Code::ArchiveMalformed, "$", what);
    if bytes.starts_with(b"PK") {
        let mut escaped = None;
        zip::each(
            bytes,
            MAX_FILE,
            |_| true,
            |name, member| match inside(name.as_bytes()) {
                Some(path) if files.len() < MAX_FILES => files.push((path, member.to_vec())),
                Some(_) => {}
                None => escaped = Some(name.to_owned()),
            },
        )
        .map_err(|error| malformed(error.to_string()))?;
        if let Some(name) = escaped {
            return Err(Fault::new(Code::ArchiveEscape, name, "leads out of the archive"));
        }
    } else {
        let stream = unpacked(bytes).map_err(|error| malformed(error.to_string()))?;
        let mut tar = Tar::new(stream.take(MAX_TOTAL));
        while let Some(entry) = tar.entry().map_err(|error| malformed(error.to_string()))? {
            let shown = String::from_utf8_lossy(&entry.path).into_owned();
            let path = inside(&entry.path)
                .ok_or_else(|| Fault::new(Code::ArchiveEscape, shown.clone(), "leads out of the archive"))?;
            match entry.kind {
                Kind::File => {
                    let bytes = tar.bytes(MAX_FILE).map_err(|error| malformed(error.to_string()))?;
                    files.push((path, bytes));
                }
                Kind::Device | Kind::Fifo => {
                    return Err(Fault::new(Code::ArchiveDevice, shown, "is a device or pipe"));
                }
                _ => {}
            }
            if files.len() > MAX_FILES {
                return Err(Fault::new(Code::TooLarge, "$", format!("has more than {MAX_FILES} files")));
            }
        }
    }
    if files.is_empty() {
        return Err(malformed("holds no file".to_owned()));
    }
    // npm, crates and sdists put everything into one folder, whose name may hold the version.
    let first =
        files.first().and_then(|(path, _)| path.split_once('/')).map(|(folder, _)| format!("{folder}/"));
    let common = first.filter(|folder| files.iter().all(|(path, _)| path.starts_with(folder.as_str())));
    if let Some(folder) = common {
        for (path, _) in &mut files {
            path.drain(..folder.len());
        }
    }
    Ok(files)
}
