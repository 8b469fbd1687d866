//! What the signer remembers of the checkpoints that it signed: kept beside its keys, and no secret.

use std::io;
use std::path::{Path, PathBuf};

use linkward_ledger::LogName;

/// Where the signer remembers the last checkpoint of a log.
pub(crate) fn memory(keys: &Path, log: LogName) -> PathBuf {
    keys.join(format!("{}.signed", log.as_str()))
}

/// The text of the checkpoint that was last signed for a log; `None` where none was.
///
/// A log that stopped between signing and publishing asks for it: the signer will sign no other text of that size.
///
/// # Errors
/// The memory is there and cannot be read.
pub fn last_signed(keys: &Path, log: LogName) -> io::Result<Option<String>> {
    match std::fs::read_to_string(memory(keys, log)) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
