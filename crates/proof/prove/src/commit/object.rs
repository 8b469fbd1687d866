//! Git's commit and tag objects: their ids, their headers, and the bytes that a signature in them covers.
//!
//! An attacker gains wherever two readers see different things in one object: another committer, another signature,
//! bytes that nobody signed. So only what git itself writes is read; a header that stands twice, or in another place,
//! is refused even where git would take one of the two.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest;
use linkward_model::Instant;

/// Headers of one object; a merge of a thousand parents stays below.
const MAX_HEADERS: usize = 10_000;
/// 9999-12-31T23:59:59Z: what is later cannot be written as a date.
const MAX_SECONDS: i64 = 253_402_300_799;
/// How each kind of signature begins in git: SSH, OpenPGP twice, X.509.
pub(super) const SSH: &[u8] = b"-----BEGIN SSH SIGNATURE-----";
pub(super) const OPENPGP: &[&[u8]] = &[b"-----BEGIN PGP SIGNATURE-----", b"-----BEGIN PGP MESSAGE-----"];
pub(super) const X509: &[u8] = b"-----BEGIN SIGNED MESSAGE-----";

/// The id of a git object: 40 lower-case hexadecimal digits (SHA-1) or 64 (SHA-256).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectId(String);

/// A text that is no object's id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a git object's id; write all 40 or 64 lower-case hexadecimal digits")]
pub struct ObjectIdError(String);

impl ObjectId {
    /// Hashes an object as git does. With SHA-1 the id is only as good as git's own detection of collisions, which
    /// this does not repeat.
    pub(super) fn of(format: Format, kind: &str, bytes: &[u8]) -> Self {
        let algorithm = match format {
            Format::Sha1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
            Format::Sha256 => &digest::SHA256,
        };
        let mut context = digest::Context::new(algorithm);
        context.update(format!("{kind} {}\0", bytes.len()).as_bytes());
        context.update(bytes);
        Self(context.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(super) fn format(&self) -> Format {
        if self.0.len() == 64 { Format::Sha256 } else { Format::Sha1 }
    }
}

impl FromStr for ObjectId {
    type Err = ObjectIdError;

    fn from_str(text: &str) -> Result<Self, ObjectIdError> {
        let hex = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if hex && matches!(text.len(), 40 | 64) {
            return Ok(Self(text.to_owned()));
        }
        Err(ObjectIdError(text.chars().take(80).collect()))
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A repository's hash function. It says which header holds a commit's signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Sha1,
    Sha256,
}

impl Format {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Sha1 => "sha1",
            Self::Sha256 => "sha256",
        }
    }

    /// Where a commit of this format keeps its own signature, and where the one of its twin in the other format.
    fn signature_headers(self) -> (&'static str, &'static str) {
        match self {
            Self::Sha1 => ("gpgsig", "gpgsig-sha256"),
            Self::Sha256 => ("gpgsig-sha256", "gpgsig"),
        }
    }
}

/// Why an object was not read: a sentence.
pub(super) type Malformed = String;

/// Who made the object and when, as they say themselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ident {
    pub(super) address: String,
    pub(super) time: Instant,
}

/// What a signature covers, and the signature.
#[derive(Debug)]
pub(super) struct Signed {
    pub(super) payload: Vec<u8>,
    pub(super) signature: Option<Vec<u8>>,
}

#[derive(Debug)]
pub(super) struct CommitObject {
    pub(super) tree: ObjectId,
    pub(super) parents: Vec<ObjectId>,
    pub(super) committer: Ident,
    pub(super) signed: Signed,
}

#[derive(Debug)]
pub(super) struct TagObject {
    pub(super) target: ObjectId,
    pub(super) kind: String,
    pub(super) name: String,
    pub(super) tagger: Ident,
    pub(super) signed: Signed,
}

struct Header<'a> {
    name: &'a str,
    /// Without the name and the last line's end; further lines keep the space that marks them.
    value: &'a [u8],
    raw: &'a [u8],
}

impl CommitObject {
    pub(super) fn parse(bytes: &[u8], format: Format) -> Result<Self, Malformed> {
        let (headers, body) = headers(bytes)?;
        let mut rest = headers.as_slice();
        let tree = id(required(&mut rest, "tree")?, format)?;
        let mut parents = Vec::new();
        while rest.first().is_some_and(|header| header.name == "parent") {
            parents.push(id(required(&mut rest, "parent")?, format)?);
        }
        required(&mut rest, "author")?;
        let committer = ident(required(&mut rest, "committer")?)?;
        only_once(rest, &["tree", "parent", "author", "committer"])?;
        let (own, twin) = format.signature_headers();
        let signature = match signatures(rest, own, twin)? {
            Some(header) => Some(unfold(header)?),
            None => None,
        };
        Ok(Self { tree, parents, committer, signed: Signed { payload: payload(&headers, body), signature } })
    }
}

impl TagObject {
    pub(super) fn parse(bytes: &[u8], format: Format) -> Result<Self, Malformed> {
        let (headers, body) = headers(bytes)?;
        let mut rest = headers.as_slice();
        let target = id(required(&mut rest, "object")?, format)?;
        let kind = text(required(&mut rest, "type")?)?.to_owned();
        if !matches!(kind.as_str(), "commit" | "tree" | "blob" | "tag") {
            return Err(format!("a tag of a `{}`, which is no kind of object", shown(&kind)));
        }
        let name = text(required(&mut rest, "tag")?)?.to_owned();
        let tagger = ident(required(&mut rest, "tagger")?)?;
        only_once(rest, &["object", "type", "tag", "tagger"])?;
        // A tag's own signature stands at its end; git leaves a header of that name out of what was signed.
        let (own, twin) = format.signature_headers();
        if signatures(rest, own, twin)?.is_some() {
            return Err(format!("a tag with a `{own}` header: its signature belongs at the end"));
        }
        let (message, signature) = split_at_signature(body);
        let payload = payload(&headers, message);
        Ok(Self { target, kind, name, tagger, signed: Signed { payload, signature } })
    }
}

/// The headers, and everything from the empty line on.
fn headers(bytes: &[u8]) -> Result<(Vec<Header<'_>>, &[u8]), Malformed> {
    let mut found: Vec<Header<'_>> = Vec::new();
    let mut rest = bytes;
    loop {
        if rest.first() == Some(&b'\n') {
            return Ok((found, rest));
        }
        if found.len() >= MAX_HEADERS {
            return Err(format!("more than {MAX_HEADERS} headers"));
        }
        let mut length = 0_usize;
        for (number, line) in rest.split_inclusive(|byte| *byte == b'\n').enumerate() {
            if number > 0 && line.first() != Some(&b' ') {
                break;
            }
            length = length.saturating_add(line.len());
        }
        let cut = "the headers end without an empty line: the object is cut off";
        let (raw, after) = rest.split_at_checked(length).ok_or(cut)?;
        let whole = raw.strip_suffix(b"\n").ok_or(cut)?;
        let space = whole.iter().position(|byte| *byte == b' ').ok_or("a header without a value")?;
        let (name, value) = whole.split_at_checked(space).ok_or(cut)?;
        let name =
            std::str::from_utf8(name).ok().filter(|name| is_name(name)).ok_or("a header without a name")?;
        if raw.contains(&0) {
            return Err(format!("header `{name}` holds a NUL, where some readers stop"));
        }
        found.push(Header { name, value: value.strip_prefix(b" ").unwrap_or(value), raw });
        rest = after;
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.len() <= 200 && name.bytes().all(|byte| byte.is_ascii_graphic())
}

/// The value of the next header, which must be this one and of a single line.
fn required<'a>(rest: &mut &[Header<'a>], name: &str) -> Result<&'a [u8], Malformed> {
    let (header, after) = rest.split_first().ok_or_else(|| format!("header `{name}` is missing"))?;
    if header.name != name {
        return Err(format!("header `{name}` is missing: `{}` stands in its place", shown(header.name)));
    }
    if header.value.contains(&b'\n') {
        return Err(format!("header `{name}` has more than one line"));
    }
    *rest = after;
    Ok(header.value)
}

fn only_once(rest: &[Header<'_>], names: &[&str]) -> Result<(), Malformed> {
    match rest.iter().find(|header| names.contains(&header.name)) {
        Some(header) => Err(format!("header `{}` stands twice, or not in its place", header.name)),
        None => Ok(()),
    }
}

/// The signature header of this format, if any. git leaves every header that begins like one out of what was signed, so
/// a name that is neither of the two would be unsigned content.
fn signatures<'a, 'h>(
    rest: &'h [Header<'a>],
    own: &str,
    twin: &str,
) -> Result<Option<&'h Header<'a>>, Malformed> {
    let named = |name: &str| rest.iter().filter(|header| header.name == name).count();
    for name in [own, twin] {
        if named(name) > 1 {
            return Err(format!("header `{name}` stands twice"));
        }
    }
    if let Some(other) = rest.iter().find(|h| is_signature(h) && h.name != own && h.name != twin) {
        return Err(format!("header `{}` is unknown, and git would leave it unsigned", shown(other.name)));
    }
    Ok(rest.iter().find(|header| header.name == own))
}

fn is_signature(header: &Header<'_>) -> bool {
    header.name.starts_with("gpgsig")
}

fn unfold(header: &Header<'_>) -> Result<Vec<u8>, Malformed> {
    let mut lines = header.value.split(|byte| *byte == b'\n');
    let mut unfolded = lines.next().unwrap_or_default().to_vec();
    for line in lines {
        let line = line.strip_prefix(b" ").ok_or("a line of the signature does not begin with a space")?;
        unfolded.push(b'\n');
        unfolded.extend_from_slice(line);
    }
    unfolded.push(b'\n');
    Ok(unfolded)
}

fn payload(headers: &[Header<'_>], body: &[u8]) -> Vec<u8> {
    let kept = headers.iter().filter(|header| !is_signature(header)).map(|header| header.raw);
    kept.chain([body]).collect::<Vec<_>>().concat()
}

/// Splits a tag's message where its signature begins: at the last line that begins like one, as git does.
fn split_at_signature(body: &[u8]) -> (&[u8], Option<Vec<u8>>) {
    let mut at = 0_usize;
    let mut found = None;
    for line in body.split_inclusive(|byte| *byte == b'\n') {
        let begins = [SSH, X509].iter().chain(OPENPGP).any(|begin| line.starts_with(begin));
        found = if begins { Some(at) } else { found };
        at = at.saturating_add(line.len());
    }
    match found.and_then(|at| body.split_at_checked(at)) {
        Some((message, signature)) => (message, Some(signature.to_vec())),
        None => (body, None),
    }
}

fn id(value: &[u8], format: Format) -> Result<ObjectId, Malformed> {
    let id: ObjectId = text(value)?.parse().map_err(|error: ObjectIdError| error.to_string())?;
    if id.format() != format {
        return Err(format!("it names {id}, which is no {} id", format.name()));
    }
    Ok(id)
}

/// `NAME <ADDRESS> SECONDS ZONE`. git repairs stray brackets by guessing; here there must be one pair.
fn ident(value: &[u8]) -> Result<Ident, Malformed> {
    let parse = || {
        let mut parts = value.split(|byte| matches!(byte, b'<' | b'>'));
        let (name, address, when) = (parts.next()?, parts.next()?, parts.next()?);
        let brackets = value.iter().filter(|byte| matches!(byte, b'<' | b'>'));
        if parts.next().is_some() || !brackets.eq(b"<>") || !(name.is_empty() || name.ends_with(b" ")) {
            return None;
        }
        let address = std::str::from_utf8(address).ok().filter(|address| is_address(address))?;
        let (seconds, zone) = std::str::from_utf8(when).ok()?.strip_prefix(' ')?.split_once(' ')?;
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let offset = zone.strip_prefix(['+', '-'])?;
        if !digits(seconds) || !digits(offset) || offset.len() != 4 {
            return None;
        }
        let seconds = seconds.parse().ok().filter(|seconds| *seconds <= MAX_SECONDS)?;
        Some(Ident { address: address.to_owned(), time: Instant::from_seconds(seconds) })
    };
    parse().ok_or_else(|| {
        let value: String = String::from_utf8_lossy(value).chars().take(200).collect();
        format!("`{}` is not NAME <ADDRESS> SECONDS ZONE", shown(&value))
    })
}

fn is_address(address: &str) -> bool {
    !address.is_empty() && address.len() <= 1000 && !address.chars().any(char::is_control)
}

fn text(value: &[u8]) -> Result<&str, Malformed> {
    let text = std::str::from_utf8(value).ok().filter(|text| !text.is_empty() && text.len() <= 1000);
    text.ok_or_else(|| "a header's value is empty, too long or not UTF-8".to_owned())
}

/// What an attacker wrote, fit for a terminal.
fn shown(text: &str) -> String {
    text.escape_debug().take(200).collect()
}
