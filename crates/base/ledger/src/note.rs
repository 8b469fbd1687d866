//! Signed notes, C2SP signed-note v1.0: text, an empty line, signature lines.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::key::NoteKey;

/// Longest note that is read; checkpoints are far below.
const MAX_NOTE: usize = 1 << 20;
/// Most signatures on a note.
const MAX_SIGNATURES: usize = 100;

/// A parsed note. Parsing proves nothing: ask [`Note::signed_by`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    text: String,
    signatures: Vec<Signature>,
}

/// One signature line: name, four bytes of key hash, signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    pub name: String,
    pub hint: [u8; 4],
    pub bytes: Vec<u8>,
}

/// Why bytes are not a signed note.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    #[error("note is larger than {MAX_NOTE} bytes")]
    TooLarge,
    #[error("note is not UTF-8 text without control characters")]
    Text,
    #[error("note has no empty line between text and signatures")]
    NoSeparator,
    #[error("note has more than {MAX_SIGNATURES} signatures")]
    TooMany,
    #[error("line {0} of the signatures is not `— name base64`")]
    Line(usize),
}

impl Note {
    /// # Errors
    /// Anything but the form of the specification.
    pub fn parse(bytes: &[u8]) -> Result<Self, NoteError> {
        if bytes.len() > MAX_NOTE {
            return Err(NoteError::TooLarge);
        }
        let text = std::str::from_utf8(bytes).map_err(|_| NoteError::Text)?;
        if text.chars().any(|c| c.is_control() && c != '\n') {
            return Err(NoteError::Text);
        }
        let split = text.rfind("\n\n").ok_or(NoteError::NoSeparator)?;
        let (body, lines) = (text.get(..=split), text.get(split + 2..));
        let (Some(body), Some(lines)) = (body, lines) else { return Err(NoteError::NoSeparator) };
        let lines = lines.strip_suffix('\n').ok_or(NoteError::Line(0))?;
        let signatures = lines
            .split('\n')
            .enumerate()
            .map(|(number, line)| Signature::parse(line).ok_or(NoteError::Line(number + 1)))
            .collect::<Result<Vec<_>, _>>()?;
        if signatures.len() > MAX_SIGNATURES {
            return Err(NoteError::TooMany);
        }
        Ok(Self { text: body.to_owned(), signatures })
    }

    /// The signed text, with its last line feed.
    pub fn text(&self) -> &str {
        &self.text
    }

    pub fn signatures(&self) -> &[Signature] {
        &self.signatures
    }

    /// Whether one of the signatures under this key's name and hint is by this key.
    pub fn signed_by(&self, key: &NoteKey) -> bool {
        self.signatures
            .iter()
            .filter(|signature| signature.name == key.name() && signature.hint == key.hint())
            .any(|signature| key.verifies(self.text.as_bytes(), &signature.bytes))
    }
}

impl Signature {
    fn parse(line: &str) -> Option<Self> {
        let (name, encoded) = line.strip_prefix("— ")?.split_once(' ')?;
        if name.is_empty() || name.contains('+') {
            return None;
        }
        let bytes = STANDARD.decode(encoded).ok()?;
        let (hint, bytes) = bytes.split_at_checked(4)?;
        Some(Self { name: name.to_owned(), hint: hint.try_into().ok()?, bytes: bytes.to_vec() })
    }
}

/// The signature line of a note, with its line feed.
pub fn signature_line(key: &NoteKey, signature: &[u8]) -> String {
    let mut bytes = key.hint().to_vec();
    bytes.extend_from_slice(signature);
    format!("— {} {}\n", key.name(), STANDARD.encode(bytes))
}
