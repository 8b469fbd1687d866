//! Bundles whose payload is too large to hold, such as the SBOM of an operating system: read from a file a piece at a
//! time. What is signed is hashed on its way past; of the statement everything is read but its predicate.

use std::cell::Cell;
use std::fmt;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::rc::Rc;

use base64::engine::general_purpose::STANDARD;
use base64::read::DecoderReader;
use linkward_model::{Algorithm, Code, Digest, DigestsStream, Sha256Stream};
use serde::de::{Deserializer as _, Error as _, IgnoredAny, MapAccess, Visitor};
use serde_json::{Map, Value};

use crate::bundle::{Bundle, Content};
use crate::field::Field;
use crate::statement::Statement;
use crate::strict::Strict;
use crate::{Fault, MAX_DOCUMENT, dsse};

/// From this size on a bundle is better read here.
pub const FROM: u64 = 8 << 20;
/// A string of the bundle that is longer than this must be the payload.
const LONG: usize = 1 << 20;
/// Most bytes of a bundle beside its payload, and of a statement beside its predicate.
const REST: usize = 4 << 20;
/// Deepest nesting of the statement, as in documents that are read whole.
const DEPTH: u32 = 128;

/// A signed payload of which only the digests are at hand.
#[derive(Clone, Debug)]
pub struct Payload {
    pub payload_type: String,
    pub signature: Vec<u8>,
    /// Of the payload: SHA-256, SHA-384, SHA-512.
    digests: [Digest; 3],
    /// Of its pre-authentication encoding, which is what is signed.
    pae: [Digest; 3],
    /// The predicate was not read, and is null.
    pub statement: Statement,
}

impl Payload {
    pub fn digest(&self, algorithm: Algorithm) -> Digest {
        of(&self.digests, algorithm)
    }

    pub fn pae(&self, algorithm: Algorithm) -> Digest {
        of(&self.pae, algorithm)
    }
}

fn of([sha256, sha384, sha512]: &[Digest; 3], algorithm: Algorithm) -> Digest {
    match algorithm {
        Algorithm::Sha256 => *sha256,
        Algorithm::Sha384 => *sha384,
        Algorithm::Sha512 => *sha512,
    }
}

/// A bundle without its long string, and where that was.
struct Outline {
    head: Vec<u8>,
    tail: Vec<u8>,
    /// First byte of the long string, and how many there are.
    long: Option<(u64, u64)>,
    digest: Digest,
}

/// Reads a bundle, and the digest of its document.
///
/// # Errors
/// It cannot be read, is larger than [`MAX_DOCUMENT`] twice over, or is no bundle with one long DSSE payload.
pub fn read(source: &mut (impl Read + Seek)) -> Result<(Bundle, Digest), Fault> {
    let outline = outline(source)?;
    // Nobody can write a document that holds its own digest, so that this stands for the string that was left out alone.
    let mark = format!("({})", outline.digest);
    let reduced = [&outline.head, mark.as_bytes(), &outline.tail].concat();
    let Some((start, length)) = outline.long else {
        let reduced = [outline.head, outline.tail].concat();
        return Ok((Bundle::parse(&reduced)?, outline.digest));
    };
    let mut document = crate::json(&reduced)?;
    let held = document.pointer_mut("/dsseEnvelope/payload").filter(|held| **held == mark);
    let Some(held) = held else {
        let what = format!("a string of {length} bytes that is no `dsseEnvelope.payload`");
        return Err(Fault::new(Code::TooLarge, "$", what));
    };
    *held = Value::String(String::new());
    let mut bundle = Bundle::read(&Field::root(&document))?;
    let Content::Envelope(envelope) = &bundle.content else {
        return Err(Fault::new(Code::UnsupportedFormat, "$", "holds no DSSE envelope"));
    };
    if envelope.payload_type != "application/vnd.in-toto+json" {
        let what = format!("a payload of {length} bytes is read as an in-toto statement alone");
        return Err(Fault::new(Code::TooLarge, "$.dsseEnvelope.payloadType", what));
    }
    let signature = envelope.signatures.first().map(|one| one.sig.clone()).unwrap_or_default();
    let payload = payload(source, start, length, &envelope.payload_type, signature)?;
    bundle.content = Content::Large(Box::new(payload));
    Ok((bundle, outline.digest))
}

fn unread(error: &io::Error) -> Fault {
    Fault::new(Code::MalformedJson, "$", error.to_string())
}

fn outline(source: &mut (impl Read + Seek)) -> Result<Outline, Fault> {
    source.seek(SeekFrom::Start(0)).map_err(|error| unread(&error))?;
    let mut reader = BufReader::with_capacity(64 << 10, source);
    let mut digest = Sha256Stream::new();
    let (mut head, mut tail) = (Vec::new(), Vec::new());
    let mut long: Option<(u64, u64)> = None;
    // Where the string begins that the reader is in, and whether the last byte was a backslash.
    let (mut string, mut escaped): (Option<u64>, bool) = (None, false);
    let mut at = 0u64;
    loop {
        let piece = reader.fill_buf().map_err(|error| unread(&error))?;
        if piece.is_empty() {
            break;
        }
        digest.update(piece);
        for byte in piece {
            let inside = string.map(|start| at.saturating_sub(start));
            let ends = *byte == b'"' && !escaped;
            match (inside, ends) {
                (None, true) => string = Some(at.saturating_add(1)),
                (Some(length), true) => {
                    if length > LONG as u64 {
                        long = string.map(|start| (start, length));
                    }
                    string = None;
                }
                _ => {}
            }
            escaped = *byte == b'\\' && !escaped && inside.is_some();
            let skipped = !ends && inside.is_some_and(|length| length >= LONG as u64);
            if skipped && (long.is_some() || *byte == b'\\') {
                let what =
                    format!("byte {at}: a second string of more than {LONG} bytes, or an escape in one");
                return Err(Fault::new(Code::TooLarge, "$", what));
            }
            let kept = if long.is_some() { &mut tail } else { &mut head };
            if !skipped {
                kept.push(*byte);
            }
            if kept.len() > REST {
                let what = format!("more than {REST} bytes beside the payload");
                return Err(Fault::new(Code::TooLarge, "$", what));
            }
            at = at.saturating_add(1);
        }
        let length = piece.len();
        reader.consume(length);
        if at > 2 * MAX_DOCUMENT as u64 {
            let what = format!("document is larger than {} bytes", 2 * MAX_DOCUMENT);
            return Err(Fault::new(Code::TooLarge, "$", what));
        }
    }
    if long.is_some() {
        // The head holds the string's beginning, and the quotation mark that ends it stands in the tail.
        head.truncate(head.len().saturating_sub(LONG));
    }
    Ok(Outline { head, tail, long, digest: digest.finish() })
}

fn payload(
    source: &mut (impl Read + Seek),
    start: u64,
    length: u64,
    payload_type: &str,
    signature: Vec<u8>,
) -> Result<Payload, Fault> {
    let place = "$.dsseEnvelope.payload";
    if !length.is_multiple_of(4) {
        let what = format!("is not base64: {length} characters are not padded to a multiple of four");
        return Err(Fault::new(Code::MalformedBase64, place, what));
    }
    let end = |source: &mut dyn Read| {
        let mut last = [0; 2];
        source.read_exact(&mut last).map(|()| last.iter().filter(|byte| **byte == b'=').count() as u64)
    };
    source
        .seek(SeekFrom::Start(start.saturating_add(length).saturating_sub(2)))
        .map_err(|error| unread(&error))?;
    let padding = end(source).map_err(|error| unread(&error))?;
    let decoded = (length / 4 * 3).saturating_sub(padding);
    source.seek(SeekFrom::Start(start)).map_err(|error| unread(&error))?;
    let text = BufReader::with_capacity(64 << 10, source).take(length);
    let bytes = DecoderReader::new(text, &STANDARD);
    let mut pae = DigestsStream::new();
    pae.update(dsse::head(payload_type, decoded).as_bytes());
    let (budget, failed) = (Rc::new(Cell::new(None)), Rc::new(Cell::new(None)));
    let tee = Tee {
        bytes,
        payload: DigestsStream::new(),
        pae,
        length: 0,
        nesting: Nesting::default(),
        budget: Rc::clone(&budget),
        failed: Rc::clone(&failed),
    };
    let mut reader = BufReader::with_capacity(64 << 10, tee);
    let mut json = serde_json::Deserializer::from_reader(&mut reader);
    let read = json.deserialize_map(Statements { budget }).and_then(|document| json.end().map(|()| document));
    let document = read
        .map_err(|error| Fault::new(failed.get().unwrap_or(Code::MalformedJson), place, error.to_string()))?;
    drop(json);
    // What the parser did not need must have been hashed too.
    io::copy(&mut reader, &mut io::sink()).map_err(|error| unread(&error))?;
    let tee = reader.into_inner();
    if tee.length != decoded {
        return Err(Fault::new(Code::MalformedBase64, place, "is not base64 of the length that it has"));
    }
    Ok(Payload {
        payload_type: payload_type.to_owned(),
        signature,
        digests: tee.payload.finish(),
        pae: tee.pae.finish(),
        statement: Statement::read(&Field::at("$.payload", &document))?,
    })
}

/// Hashes what is read through it, and stops what would fill memory: deep nesting, and large parts that are kept.
struct Tee<R> {
    bytes: R,
    payload: DigestsStream,
    pae: DigestsStream,
    length: u64,
    nesting: Nesting,
    /// Bytes that the part which is being kept may still take.
    budget: Rc<Cell<Option<usize>>>,
    /// Why reading ended, where it was not the JSON's fault.
    failed: Rc<Cell<Option<Code>>>,
}

impl<R> Tee<R> {
    fn fails(&self, code: Code, message: String) -> io::Error {
        self.failed.set(Some(code));
        io::Error::other(message)
    }
}

impl<R: Read> Read for Tee<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self
            .bytes
            .read(into)
            .map_err(|error| self.fails(Code::MalformedBase64, format!("is not base64: {error}")))?;
        let piece = into.get(..count).unwrap_or_default();
        self.payload.update(piece);
        self.pae.update(piece);
        self.length = self.length.saturating_add(count as u64);
        if let Some(left) = self.budget.get() {
            let left = left.checked_sub(count).ok_or_else(|| {
                self.fails(Code::TooLarge, format!("more than {REST} bytes beside the predicate"))
            })?;
            self.budget.set(Some(left));
        }
        if !self.nesting.take(piece) {
            return Err(self.fails(Code::TooLarge, format!("nested deeper than {DEPTH}")));
        }
        Ok(count)
    }
}

/// How deep JSON is nested, outside of its strings.
#[derive(Debug, Default)]
struct Nesting {
    depth: u32,
    string: bool,
    escaped: bool,
}

impl Nesting {
    /// Whether it is no deeper than [`DEPTH`] after these bytes.
    fn take(&mut self, bytes: &[u8]) -> bool {
        for byte in bytes {
            match (byte, self.string) {
                (b'"', true) if !self.escaped => self.string = false,
                (b'"', false) => self.string = true,
                (b'{' | b'[', false) => self.depth = self.depth.saturating_add(1),
                (b'}' | b']', false) => self.depth = self.depth.saturating_sub(1),
                _ => {}
            }
            self.escaped = self.string && *byte == b'\\' && !self.escaped;
            if self.depth > DEPTH {
                return false;
            }
        }
        true
    }
}

/// A statement without its predicate, no name twice.
struct Statements {
    budget: Rc<Cell<Option<usize>>>,
}

impl<'de> Visitor<'de> for Statements {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an in-toto statement")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        self.budget.set(Some(REST));
        while let Some(name) = members.next_key::<String>()? {
            if map.contains_key(&name) {
                return Err(A::Error::custom(format!("`{name}` stands twice in one object")));
            }
            let value = if name == "predicate" {
                let left = self.budget.replace(None);
                members.next_value::<IgnoredAny>()?;
                self.budget.set(left);
                Value::Null
            } else {
                members.next_value::<Strict>()?.0
            };
            map.insert(name, value);
        }
        self.budget.set(None);
        map.remove("predicate");
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests;
