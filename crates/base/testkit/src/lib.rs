//! For tests only: where conformance data lies, scratch folders, fixed times.

pub mod image;

use std::path::PathBuf;

use linkward_model::Instant;

/// The folder of conformance data, named by `LINKWARD_VECTORS`; says visibly that a test is skipped where it is unset.
pub fn vectors() -> Option<PathBuf> {
    let found = std::env::var_os("LINKWARD_VECTORS").map(PathBuf::from).filter(|path| path.is_dir());
    if found.is_none() {
        skipped("LINKWARD_VECTORS is not set");
    }
    found
}

/// Says on standard error that the current test is skipped, and why: the test command counts these lines.
#[allow(clippy::print_stderr, reason = "the test command reads this line")]
pub fn skipped(why: &str) {
    let thread = std::thread::current();
    let name = thread.name().unwrap_or("test");
    eprintln!("skipped: {name}: {why}");
    if let Some(path) = std::env::var_os("LINKWARD_SKIPPED") {
        use std::io::Write as _;
        let file = std::fs::OpenOptions::new().append(true).create(true).open(path);
        // The list is a courtesy of the test command; a test must not fail for it.
        let _ = file.and_then(|mut file| writeln!(file, "{name}: {why}"));
    }
}

/// A fixed point in time for tests: 2026-01-01T00:00:00Z.
pub const fn noon() -> Instant {
    Instant::from_seconds(1_767_225_600)
}

/// A scratch folder in memory where there is one, for tests that would otherwise wait for a disk thousands of times;
/// only for tests that do not need its syncs to mean anything.
pub fn scratch_in_memory() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").unwrap_or_else(|_| scratch())
}

/// A scratch folder that goes away with the value.
///
/// # Panics
/// No folder can be made.
pub fn scratch() -> tempfile::TempDir {
    match tempfile::tempdir() {
        Ok(folder) => folder,
        Err(error) => panic!("a scratch folder is needed: {error}"),
    }
}
