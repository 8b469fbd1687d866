//! What a witness does with a checkpoint that it is offered, C2SP tlog-witness v1.0: a pure function from the request
//! and what was cosigned before to an answer with its status; and what the client makes of that answer.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::cosigner::CosignerKey;
use crate::key::NoteKey;
use crate::merkle::{Hash, verify_consistency};
use crate::note::Note;
use crate::{Checkpoint, VerifiedCheckpoint};

/// The specification allows no more.
const MOST: usize = 63;

/// What was last cosigned of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Witnessed {
    pub size: u64,
    pub root: Hash,
}

/// The answer to `add-checkpoint`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Cosign this, once it is remembered durably.
    Cosign(VerifiedCheckpoint),
    /// The request is malformed, or claims an old size beyond the checkpoint.
    Malformed,
    /// None of the log's keys signed it.
    Forbidden,
    /// A log that this witness does not watch.
    UnknownLog,
    /// The old size is not the one that was cosigned last, which is this one.
    Conflict { size: u64 },
    /// Signed by the log, and not an extension of what was cosigned: a split view.
    SplitView { offered: VerifiedCheckpoint, seen: Witnessed },
    /// Signed by the log, with a proof that does not hold: a split view, or a broken client.
    Unproven { offered: VerifiedCheckpoint },
}

impl Answer {
    /// The media type of a conflict's body, which is the size that was cosigned last.
    pub const SIZE_TYPE: &str = "text/x.tlog.size";

    /// The HTTP status of the specification.
    pub const fn status(&self) -> u16 {
        match self {
            Self::Cosign(_) => 200,
            Self::Malformed => 400,
            Self::Forbidden => 403,
            Self::UnknownLog => 404,
            Self::Conflict { .. } | Self::SplitView { .. } => 409,
            Self::Unproven { .. } => 422,
        }
    }
}

/// A request: the size that the client believes was cosigned, a consistency proof from there, a signed checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddCheckpoint {
    pub old: u64,
    pub proof: Vec<Hash>,
    pub checkpoint: Vec<u8>,
}

impl AddCheckpoint {
    /// `None` where the body is anything but the form of the specification.
    pub fn parse(body: &str) -> Option<Self> {
        let (head, checkpoint) = body.split_once("\n\n")?;
        let mut lines = head.split('\n');
        let digits = lines.next()?.strip_prefix("old ")?;
        let canonical = digits == "0" || !digits.starts_with('0');
        let old = digits.parse().ok().filter(|_| canonical && digits.bytes().all(|b| b.is_ascii_digit()))?;
        let hash = |line| Hash::from_slice(&STANDARD.decode(line).ok()?);
        let proof = lines.map(hash).collect::<Option<Vec<_>>>().filter(|proof| proof.len() <= MOST)?;
        Some(Self { old, proof, checkpoint: checkpoint.as_bytes().to_vec() })
    }

    /// The request's body.
    pub fn encode(&self) -> String {
        let mut text = format!("old {}\n", self.old);
        for hash in &self.proof {
            text.push_str(&STANDARD.encode(hash.0));
            text.push('\n');
        }
        text.push('\n');
        text.push_str(&String::from_utf8_lossy(&self.checkpoint));
        text
    }

    /// The origin that the checkpoint names, unproven; what to look the log up by.
    pub fn origin(&self) -> Option<String> {
        Some(Checkpoint::parse(Note::parse(&self.checkpoint).ok()?.text()).ok()?.origin)
    }

    /// The answer, given the keys of the log (none where it is not watched) and what was cosigned of it.
    ///
    /// Contract: the caller holds a lock from reading `seen` until what it cosigns is durable, or two requests at
    /// once could roll the log back.
    pub fn answer(&self, keys: &[NoteKey], seen: Option<Witnessed>) -> Answer {
        let parsed = Note::parse(&self.checkpoint).ok();
        let checkpoint = parsed.and_then(|note| Checkpoint::parse(note.text()).ok());
        let Some(checkpoint) = checkpoint else { return Answer::Malformed };
        let mut own = keys.iter().filter(|key| key.name() == checkpoint.origin).peekable();
        if own.peek().is_none() {
            return Answer::UnknownLog;
        }
        let opened = own.find_map(|key| VerifiedCheckpoint::open(&self.checkpoint, key).ok());
        let Some(offered) = opened else { return Answer::Forbidden };
        if self.old > offered.size() {
            return Answer::Malformed;
        }
        let size = seen.map_or(0, |seen| seen.size);
        if self.old != size {
            return Answer::Conflict { size };
        }
        match seen.filter(|seen| seen.size > 0) {
            // Every log extends the empty one, with nothing to prove.
            None if self.proof.is_empty() => Answer::Cosign(offered),
            None => Answer::Unproven { offered },
            Some(seen) if seen.size == offered.size() => match (seen.root == offered.root(), &self.proof[..])
            {
                (true, []) => Answer::Cosign(offered),
                (true, _) => Answer::Unproven { offered },
                (false, _) => Answer::SplitView { offered, seen },
            },
            Some(seen) => {
                let holds =
                    verify_consistency(seen.size, offered.size(), &seen.root, &offered.root(), &self.proof);
                if holds.is_ok() { Answer::Cosign(offered) } else { Answer::Unproven { offered } }
            }
        }
    }
}

/// What a witness told the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// It cosigned: the signature line by the key that is expected, with its line feed.
    Cosigned(String),
    /// The size that it cosigned last is another than the client believed.
    Conflict { size: u64 },
}

/// An answer that is no cosignature.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TellError {
    #[error("it refused with status {0}")]
    Status(u16),
    #[error("it saw another tree of this size: the log was forked, or the witness lies")]
    Forked,
    #[error("its answer is not of the form of the specification")]
    Malformed,
    #[error("its answer holds no cosignature by the key {0}")]
    Signature(String),
}

impl Told {
    /// Reads the answer to [`AddCheckpoint`] over a note; what is not by this key is dropped.
    ///
    /// # Errors
    /// A refusal, or nothing that the key signed.
    pub fn read(
        status: u16,
        body: &[u8],
        asked: &AddCheckpoint,
        key: &CosignerKey,
    ) -> Result<Self, TellError> {
        let text = std::str::from_utf8(body).map_err(|_| TellError::Malformed)?;
        match status {
            200 => {}
            409 => {
                let digits = text.strip_suffix('\n').unwrap_or(text);
                let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
                let size = digits.parse().ok().filter(|_| plain).ok_or(TellError::Malformed)?;
                // The same size again is no news about the size: the roots differ.
                return if size == asked.old { Err(TellError::Forked) } else { Ok(Self::Conflict { size }) };
            }
            other => return Err(TellError::Status(other)),
        }
        for line in text.split_inclusive('\n').filter(|line| line.ends_with('\n')) {
            let mut note = asked.checkpoint.clone();
            note.extend_from_slice(line.as_bytes());
            let Ok(note) = Note::parse(&note) else { continue };
            if note.signatures().last().is_some_and(|last| last.hint == key.hint())
                && key.cosigned(&note).is_some()
            {
                return Ok(Self::Cosigned(line.to_owned()));
            }
        }
        Err(TellError::Signature(key.name().to_owned()))
    }
}
