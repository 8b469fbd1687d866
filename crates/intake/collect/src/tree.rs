//! A walk over a project: lockfiles and artifacts by convention. Links are not followed, devices are not opened,
//! and what cannot be read is listed.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use linkward_model::{Digest, Sha256Stream};

/// Folders that hold no source of this project.
const SKIPPED: &[&str] = &[".git", "target", "node_modules", ".linkward", "vendor", ".venv", "__pycache__"];
const MAX_ENTRIES: usize = 1_000_000;
const MAX_DEPTH: usize = 64;
/// Largest lockfile or evidence file that is read.
const MAX_FILE: u64 = 64 << 20;

/// A file that looks like a build's result: observed, not attested.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Artifact {
    /// Relative to the project, with `/`.
    pub name: String,
    pub path: PathBuf,
    pub digest: Digest,
    pub size: u64,
}

/// Something that was not read, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    pub path: String,
    pub why: String,
}

/// What a walk found, each list in order of names.
#[derive(Clone, Debug, Default)]
pub struct Walk {
    /// Files that the caller asked for, with their bytes.
    pub files: Vec<(String, Vec<u8>)>,
    pub artifacts: Vec<Artifact>,
    pub skipped: Vec<Skipped>,
}

/// Walks a project. `wanted` says which relative paths to read whole; `named` are artifacts beyond the conventional.
///
/// # Errors
/// The project's folder itself cannot be listed, or a named artifact cannot be read.
pub fn walk(project: &Path, wanted: &dyn Fn(&str) -> bool, named: &[PathBuf]) -> io::Result<Walk> {
    let mut walk = gathered(project, SKIPPED, wanted)?;
    let mut candidates = Vec::new();
    conventional(project, &mut candidates);
    for path in named {
        let absolute = std::path::absolute(path)?;
        if !absolute.is_file() {
            let message = format!("{} is no file", path.display());
            return Err(io::Error::new(io::ErrorKind::NotFound, message));
        }
        candidates.push(absolute);
    }
    candidates.sort();
    candidates.dedup();
    for path in candidates {
        let name = relative(project, &path);
        match hash_file(&path) {
            Ok((digest, size)) => walk.artifacts.push(Artifact { name, path, digest, size }),
            Err(error) => walk.skipped.push(Skipped { path: name, why: error.to_string() }),
        }
    }
    walk.files.sort();
    Ok(walk)
}

/// Walks every folder, those too that hold what others made: for what is installed rather than developed.
///
/// # Errors
/// The folder itself cannot be listed.
pub fn walk_whole(root: &Path, wanted: &dyn Fn(&str) -> bool) -> io::Result<Walk> {
    let mut walk = gathered(root, &[], wanted)?;
    walk.files.sort();
    Ok(walk)
}

/// Visits every file below a folder without reading it; what cannot be listed, or whose visit fails, is returned.
///
/// # Errors
/// The folder itself cannot be listed.
pub fn each_file(
    root: &Path,
    visit: &mut dyn FnMut(&str, &Path) -> io::Result<()>,
) -> io::Result<Vec<Skipped>> {
    let mut steps = Steps { root, passed_over: &[], visit, skipped: Vec::new(), entries: 0 };
    steps.folder(root, 0)?;
    let mut skipped = steps.skipped;
    skipped.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(skipped)
}

fn gathered(root: &Path, passed_over: &[&str], wanted: &dyn Fn(&str) -> bool) -> io::Result<Walk> {
    let mut files = Vec::new();
    let mut visit = |name: &str, path: &Path| {
        if wanted(name) {
            files.push((name.to_owned(), read_bounded(path)?));
        }
        Ok(())
    };
    let mut steps = Steps { root, passed_over, visit: &mut visit, skipped: Vec::new(), entries: 0 };
    steps.folder(root, 0)?;
    let skipped = steps.skipped;
    Ok(Walk { files, artifacts: Vec::new(), skipped })
}

/// A walk under way.
struct Steps<'a> {
    root: &'a Path,
    passed_over: &'a [&'a str],
    visit: &'a mut dyn FnMut(&str, &Path) -> io::Result<()>,
    skipped: Vec<Skipped>,
    entries: usize,
}

impl Steps<'_> {
    fn folder(&mut self, at: &Path, depth: usize) -> io::Result<()> {
        for entry in fs::read_dir(at)? {
            let entry = entry?;
            let path = entry.path();
            let name = relative(self.root, &path);
            self.entries += 1;
            if self.entries > MAX_ENTRIES || depth > MAX_DEPTH {
                let why = format!("beyond the limit of {MAX_ENTRIES} entries or {MAX_DEPTH} levels");
                self.skipped.push(Skipped { path: name, why });
                return Ok(());
            }
            let kind = entry.file_type()?;
            let done = if kind.is_dir() {
                let skip = entry.file_name().to_str().is_some_and(|name| self.passed_over.contains(&name));
                if skip { Ok(()) } else { self.folder(&path, depth + 1) }
            } else if kind.is_file() {
                (self.visit)(&name, &path)
            } else {
                Ok(())
            };
            if let Err(error) = done {
                self.skipped.push(Skipped { path: name, why: error.to_string() });
            }
        }
        Ok(())
    }
}

fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    fs::File::open(path)?.take(MAX_FILE + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(io::Error::other(format!("is larger than {MAX_FILE} bytes")));
    }
    Ok(bytes)
}

/// Where builds leave their results: executables of cargo, wheels and source archives, npm packages.
fn conventional(project: &Path, found: &mut Vec<PathBuf>) {
    let mut list = |folder: &str, fits: &dyn Fn(&Path) -> bool| {
        let Ok(entries) = fs::read_dir(project.join(folder)) else { return };
        for entry in entries.flatten() {
            let path = entry.path();
            if entry.file_type().is_ok_and(|kind| kind.is_file()) && fits(&path) {
                found.push(path);
            }
        }
    };
    let named = |path: &Path, ends: &[&str]| {
        path.file_name()
            .and_then(|name| name.to_str())
            .is_some_and(|name| ends.iter().any(|end| name.ends_with(end)))
    };
    list("target/release", &|path| {
        path.extension().is_none_or(|e| e == "so" || e == "exe") && is_executable(path)
    });
    list("dist", &|path| named(path, &[".whl", ".tar.gz", ".tgz", ".zip"]));
    list(".", &|path| named(path, &[".tgz"]));
}

/// ELF, Mach-O or PE by the first bytes.
fn is_executable(path: &Path) -> bool {
    let mut magic = [0; 4];
    let read = fs::File::open(path).and_then(|mut file| file.read_exact(&mut magic));
    read.is_ok()
        && (magic == *b"\x7fELF"
            || matches!(magic, [0xcf | 0xce, 0xfa, 0xed, 0xfe] | [0xca, 0xfe, 0xba, 0xbe])
            || magic.starts_with(b"MZ"))
}

fn relative(project: &Path, path: &Path) -> String {
    let path = path.strip_prefix(project).unwrap_or(path);
    path.components().map(|part| part.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/")
}

/// Digest and size of a file, read in pieces.
///
/// # Errors
/// The file cannot be read, or is no regular file.
pub fn hash_file(path: &Path) -> io::Result<(Digest, u64)> {
    let mut file = fs::File::open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("is no regular file"));
    }
    let mut stream = Sha256Stream::new();
    let mut buffer = vec![0; 256 << 10];
    loop {
        let count = file.read(&mut buffer)?;
        match buffer.get(..count) {
            Some(piece) if count > 0 => stream.update(piece),
            _ => break,
        }
    }
    let size = stream.length();
    Ok((stream.finish(), size))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_not_followed_and_artifacts_are_found_by_convention() {
        let folder = linkward_testkit::scratch();
        let root = folder.path();
        for name in ["src", "dist", "target/release", "node_modules/x"] {
            fs::create_dir_all(root.join(name)).unwrap();
        }
        fs::write(root.join("Cargo.lock"), "lock").unwrap();
        fs::write(root.join("node_modules/x/Cargo.lock"), "not ours").unwrap();
        fs::write(root.join("dist/a-1.0.whl"), "wheel").unwrap();
        fs::write(root.join("target/release/app"), b"\x7fELF rest").unwrap();
        fs::write(root.join("target/release/app.d"), "deps").unwrap();
        fs::write(root.join("target/release/script"), "#!/bin/sh").unwrap();
        std::os::unix::fs::symlink("/etc", root.join("src/link")).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", root.join("dist/evil.whl")).unwrap();
        let walk = walk(root, &|name| name.ends_with(".lock"), &[]).unwrap();
        assert_eq!(walk.files, [("Cargo.lock".to_owned(), b"lock".to_vec())]);
        let names: Vec<_> = walk.artifacts.iter().map(|artifact| artifact.name.as_str()).collect();
        assert_eq!(names, ["dist/a-1.0.whl", "target/release/app"]);
        assert_eq!(walk.artifacts.first().unwrap().digest, Digest::sha256(b"wheel"));
    }
}
