//! A person's own key, for signed notes: made once, kept by the person, outside every home.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use linkward_ledger::key::NoteKey;

use crate::keys::{KeyError, pem};

fn note_key(pair: &Ed25519KeyPair, name: &str, path: &Path) -> Result<NoteKey, KeyError> {
    let malformed = || KeyError::Malformed(path.to_path_buf());
    let public = pair.public_key().as_ref().try_into().map_err(|_| malformed())?;
    NoteKey::new(name, public).map_err(|_| malformed())
}

/// Makes an Ed25519 key in a new file, mode 0600; the verifier key, in the spelling of signed notes.
///
/// # Errors
/// The file exists or cannot be written, or the name does not fit a note.
pub fn create(path: &Path, name: &str) -> Result<NoteKey, KeyError> {
    let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).map_err(|_| KeyError::Random)?;
    let pair = Ed25519KeyPair::from_pkcs8(document.as_ref()).map_err(|_| KeyError::Random)?;
    let key = note_key(&pair, name, path)?;
    let io = |source| KeyError::Io { path: PathBuf::from(path), source };
    let mut options = std::fs::OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(0o600).open(path).map_err(io)?;
    file.write_all(pem("PRIVATE KEY", document.as_ref()).as_bytes())
        .and_then(|()| file.sync_all())
        .map_err(io)?;
    Ok(key)
}

/// Signs a note's text with a person's key.
///
/// # Errors
/// The key cannot be read, can be read by others, or is none.
pub fn sign(path: &Path, name: &str, text: &[u8]) -> Result<(NoteKey, Vec<u8>), KeyError> {
    let der = crate::keys::read_file(path)?;
    let pair = Ed25519KeyPair::from_pkcs8(&der).map_err(|_| KeyError::Malformed(path.to_path_buf()))?;
    let key = note_key(&pair, name, path)?;
    Ok((key, pair.sign(text).as_ref().to_vec()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_persons_key_is_private_and_signs_under_the_name() {
        let folder = linkward_testkit::scratch();
        let path = folder.path().join("person.key");
        let key = create(&path, "ops.example").unwrap();
        assert!(create(&path, "ops.example").is_err(), "never written over");
        assert!(create(&folder.path().join("x"), "two words").is_err());
        let (again, signature) = sign(&path, "ops.example", b"text\n").unwrap();
        assert_eq!(again, key);
        assert!(key.verifies(b"text\n", &signature) && !key.verifies(b"other\n", &signature));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(sign(&path, "ops.example", b"x"), Err(KeyError::Permissions { .. })));
    }
}
