//! What folds the record into state that is kept for the next start, as one number: other code must not take up what this
//! code left half folded.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where the code lies that folds events and records, and what they are read with.
const FOLDS: &[&str] = &[
    "../crates/base/ledger/src",
    "../crates/base/model/src",
    "../crates/intake/evidence/src/event",
    "../crates/react/detect/src",
    "../crates/show/measure/src",
    "src/detect",
    "src/engine",
];

fn main() -> std::io::Result<()> {
    let mut files = Vec::new();
    for folder in FOLDS {
        println!("cargo::rerun-if-changed={folder}");
        list(Path::new(folder), &mut files)?;
    }
    files.sort();
    let mut hasher = DefaultHasher::new();
    for file in files {
        file.hash(&mut hasher);
        std::fs::read(&file)?.hash(&mut hasher);
    }
    // Some keys are hashes of the standard library's.
    let compiler = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    Command::new(compiler).arg("--version").output()?.stdout.hash(&mut hasher);
    println!("cargo::rustc-env=LINKWARD_FOLDS={:016x}", hasher.finish());
    Ok(())
}

fn list(folder: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            list(&entry.path(), files)?;
        } else {
            files.push(entry.path());
        }
    }
    Ok(())
}
