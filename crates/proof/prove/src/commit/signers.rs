//! The allowed signers file (ssh-keygen(1), ALLOWED SIGNERS): which keys may sign for which addresses, and when.
//!
//! Whoever can change this file decides who may commit: it comes from the caller, never from the repository that is
//! looked at. ssh-keygen skips or stops at a line that it cannot read, depending on its version; here every fault is
//! reported and nothing is proven until they are mended.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use linkward_model::{Code, Digest, Instant};

use super::certificates::{CommitAuthorities, CommitIdentities};
use super::ssh_key::{KeyFault, SshKey};
use crate::openpgp::Keyring;
use crate::roots::TrustRoots;

const MAX_BYTES: usize = 4 << 20;
const MAX_LINES: usize = 20_000;
const MAX_FAULTS: usize = 100;
const HOUR: i64 = 3_600_000;

/// An allowed signers file that was read whole.
#[derive(Clone, Debug)]
pub struct AllowedSigners {
    entries: Vec<Entry>,
    ignored: Vec<SignersLine>,
    digest: Digest,
    /// Whose OpenPGP signatures count, beside those listed here.
    keyring: Option<Keyring>,
    /// Whose X.509 signatures count.
    authorities: Option<CommitAuthorities>,
    identities: Option<(CommitIdentities, TrustRoots)>,
}

/// A line of the file, counted from one, and what is the matter with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignersLine {
    pub line: usize,
    pub what: String,
}

/// The file has faults: all of them, up to a hundred.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllowedSignersError {
    pub faults: Vec<SignersLine>,
}

impl AllowedSignersError {
    pub const fn code(&self) -> Code {
        Code::AllowedSignersMalformed
    }

    fn whole(what: String) -> Self {
        Self { faults: vec![SignersLine { line: 1, what }] }
    }
}

impl std::error::Error for AllowedSignersError {}

impl fmt::Display for AllowedSignersError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("allowed signers: ")?;
        for (number, fault) in self.faults.iter().enumerate() {
            let separator = if number == 0 { "" } else { "; " };
            write!(f, "{separator}line {}: {}", fault.line, fault.what)?;
        }
        Ok(())
    }
}

/// One key and what it is allowed.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) line: usize,
    pub(super) principals: String,
    namespaces: Option<String>,
    after: Option<Limit>,
    before: Option<Limit>,
    authority: bool,
    key: SshKey,
}

/// A point in time as the file writes it. ssh-keygen reads one without `Z` in the zone of whatever machine it runs on.
#[derive(Clone, Debug)]
struct Limit {
    text: String,
    time: Instant,
    utc: bool,
}

/// What the file says of a key.
#[derive(Debug)]
pub(super) enum Listed<'a> {
    Allowed(&'a Entry),
    Unknown,
    /// It stands there as an authority alone: to sign certificates, not commits.
    Authority,
    /// Not for this address, or not for this namespace: the lines where it stands.
    Mismatch(Vec<usize>),
    /// Not at that time: a sentence.
    Expired(String),
}

impl AllowedSigners {
    /// Reads a file, the whole of it.
    ///
    /// # Errors
    /// Every fault with its line.
    pub fn parse(bytes: &[u8]) -> Result<Self, AllowedSignersError> {
        if bytes.len() > MAX_BYTES {
            return Err(AllowedSignersError::whole(format!("the file is larger than {MAX_BYTES} bytes")));
        }
        let mut signers = Self {
            entries: Vec::new(),
            ignored: Vec::new(),
            digest: Digest::sha256(bytes),
            keyring: None,
            authorities: None,
            identities: None,
        };
        let mut faults = Vec::new();
        for (line, text) in (1..).zip(bytes.split(|byte| *byte == b'\n')) {
            if line > MAX_LINES {
                return Err(AllowedSignersError::whole(format!("the file has more than {MAX_LINES} lines")));
            }
            match parse_line(line, text) {
                Ok(Some(Line::Entry(entry))) => signers.entries.push(entry),
                Ok(Some(Line::Ignored(what))) => signers.ignored.push(SignersLine { line, what }),
                Ok(None) => (),
                Err(what) if faults.len() < MAX_FAULTS => faults.push(SignersLine { line, what }),
                Err(_) => (),
            }
        }
        if faults.is_empty() { Ok(signers) } else { Err(AllowedSignersError { faults }) }
    }

    /// Lines that are well formed but allow nobody: keys too weak or of a type that is not supported, and authorities.
    pub fn ignored(&self) -> impl Iterator<Item = SignersLine> {
        let authorities = self.entries.iter().filter(|entry| entry.authority);
        let what = "cert-authority is not supported; list the signers' own keys";
        let authorities = authorities.map(|entry| SignersLine { line: entry.line, what: what.to_owned() });
        let mut lines: Vec<_> = self.ignored.iter().cloned().chain(authorities).collect();
        lines.sort_by_key(|line| line.line);
        lines.into_iter()
    }

    /// OpenPGP keys too, for the addresses that each vouches for with its names.
    #[must_use]
    pub fn with_keyring(mut self, keyring: Keyring) -> Self {
        self.keyring = Some(keyring);
        self
    }

    pub(super) fn keyring(&self) -> Option<&Keyring> {
        self.keyring.as_ref()
    }

    /// S/MIME certificates too, for the addresses that these authorities vouch for.
    #[must_use]
    pub fn with_authorities(mut self, authorities: CommitAuthorities) -> Self {
        self.authorities = Some(authorities);
        self
    }

    /// gitsign's certificates too, of these names, proven by these trust roots.
    #[must_use]
    pub fn with_identities(mut self, identities: CommitIdentities, roots: TrustRoots) -> Self {
        self.identities = Some((identities, roots));
        self
    }

    pub(super) fn authorities(&self) -> Option<&CommitAuthorities> {
        self.authorities.as_ref()
    }

    pub(super) fn identities(&self) -> Option<&(CommitIdentities, TrustRoots)> {
        self.identities.as_ref()
    }

    /// SHA-256 of the file, or of its digest and those of the further lists, one a line.
    pub fn digest(&self) -> Digest {
        let keyring = self.keyring.as_ref().map(Keyring::digest);
        let authorities = self.authorities.as_ref().map(CommitAuthorities::digest);
        let identities = self.identities.iter().flat_map(|(list, roots)| [list.digest(), roots.digest()]);
        let further: Vec<Digest> = keyring.into_iter().chain(authorities).chain(identities).collect();
        if further.is_empty() {
            return self.digest;
        }
        let lines: String =
            std::iter::once(self.digest).chain(further).map(|digest| format!("{digest}\n")).collect();
        Digest::sha256(lines.as_bytes())
    }

    /// Whether a key may sign for an address in a namespace at a time. Any one line that allows it is enough,
    /// wherever it stands.
    pub(super) fn look_up(&self, key: &SshKey, address: &str, namespace: &str, at: Instant) -> Listed<'_> {
        let same: Vec<&Entry> = self.entries.iter().filter(|entry| entry.key.blob() == key.blob()).collect();
        let own: Vec<&Entry> = same.iter().copied().filter(|entry| !entry.authority).collect();
        let fits = |entry: &&Entry| {
            matches_list(&entry.principals, address)
                && entry.namespaces.as_deref().is_none_or(|list| matches_list(list, namespace))
        };
        let fitting: Vec<&Entry> = own.iter().copied().filter(fits).collect();
        match fitting.iter().find(|entry| entry.refuses(at).is_none()) {
            Some(entry) => Listed::Allowed(entry),
            None if same.is_empty() => Listed::Unknown,
            None if own.is_empty() => Listed::Authority,
            None => match fitting.iter().find_map(|entry| entry.refuses(at)) {
                Some(why) => Listed::Expired(why),
                None => Listed::Mismatch(own.iter().map(|entry| entry.line).collect()),
            },
        }
    }
}

impl Entry {
    /// Why the key is not valid at that time. A limit without a zone is read in whichever zone allows less.
    fn refuses(&self, at: Instant) -> Option<String> {
        let zone = |limit: &Limit| match limit.utc {
            true => "",
            false => " (in every time zone: write it with Z)",
        };
        if let Some(limit) = &self.after
            && at < limit.shifted(HOUR.saturating_mul(12))
        {
            let (line, text) = (self.line, &limit.text);
            return Some(format!(
                "line {line}: the key is valid after {text}{}, not yet at {at}",
                zone(limit)
            ));
        }
        if let Some(limit) = &self.before
            && at > limit.shifted(HOUR.saturating_mul(-14))
        {
            let (line, text) = (self.line, &limit.text);
            return Some(format!(
                "line {line}: the key is valid before {text}{}, no longer at {at}",
                zone(limit)
            ));
        }
        None
    }
}

impl Limit {
    /// `20260131`, `202601311200` or `20260131120000`, each with or without `Z`.
    fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_suffix(['Z', 'z']);
        let utc = digits.is_some();
        let digits = digits.unwrap_or(text);
        if !digits.bytes().all(|byte| byte.is_ascii_digit()) || !matches!(digits.len(), 8 | 12 | 14) {
            return None;
        }
        let full = format!("{digits:0<14}");
        let part = |from: usize, to: usize| full.get(from..to).unwrap_or("");
        let date = format!("{}-{}-{}", part(0, 4), part(4, 6), part(6, 8));
        let clock = format!("{}:{}:{}", part(8, 10), part(10, 12), part(12, 14));
        let time = format!("{date}T{clock}Z").parse().ok()?;
        Some(Self { text: text.to_owned(), time, utc })
    }

    /// The instant; where no zone is named, moved to what it is at the end of the world that allows less.
    fn shifted(&self, millis: i64) -> Instant {
        if self.utc { self.time } else { self.time.plus_millis(millis) }
    }
}

enum Line {
    Entry(Entry),
    Ignored(String),
}

fn parse_line(line: usize, text: &[u8]) -> Result<Option<Line>, String> {
    let text = std::str::from_utf8(text).map_err(|_| "it is not UTF-8".to_owned())?;
    let text = text.trim_matches([' ', '\t', '\r']);
    if text.is_empty() || text.starts_with('#') {
        return Ok(None);
    }
    if text.contains(|character: char| character.is_control() && character != '\t') {
        return Err("it holds a control character".to_owned());
    }
    let (principals, rest) = principals(text)?;
    let (first, _) = word(rest);
    let (options, rest) = if is_key_type(first) { ("", rest) } else { options_end(rest)? };
    let options = Options::parse(options)?;
    let (kind, rest) = word(rest);
    let (encoded, _comment) = word(rest);
    if !is_key_type(kind) {
        return Err("it is not PRINCIPALS [OPTIONS] TYPE KEY".to_owned());
    }
    let blob = STANDARD.decode(encoded).map_err(|_| "the key is not base64".to_owned())?;
    let key = match SshKey::parse(&blob) {
        Ok(key) if key.kind() == kind => key,
        Ok(key) => return Err(format!("the line says {kind}, the key itself {}", key.kind())),
        Err(KeyFault::Malformed(why)) => return Err(why.to_owned()),
        Err(KeyFault::Weak(why)) => return Ok(Some(Line::Ignored(why))),
        Err(KeyFault::Unsupported(kind)) => {
            return Ok(Some(Line::Ignored(format!("keys of type {kind} are not supported"))));
        }
        Err(KeyFault::Certificate(_)) => {
            return Ok(Some(Line::Ignored("a certificate; list the signer's own key".to_owned())));
        }
    };
    let Options { authority, namespaces, after, before } = options;
    Ok(Some(Line::Entry(Entry { line, principals, namespaces, after, before, authority, key })))
}

/// The first field, which may stand in quotes.
fn principals(text: &str) -> Result<(String, &str), String> {
    let (list, rest) = match text.strip_prefix('"') {
        Some(quoted) => quoted.split_once('"').ok_or("a quote is not closed")?,
        None => word(text),
    };
    if list.split(',').all(str::is_empty) {
        return Err("it names no principal".to_owned());
    }
    if list.contains('"') || !(rest.is_empty() || rest.starts_with([' ', '\t'])) {
        return Err("a quote stands inside the principals".to_owned());
    }
    Ok((list.to_owned(), rest))
}

/// The next word, and what follows it.
fn word(text: &str) -> (&str, &str) {
    let text = text.trim_start_matches([' ', '\t']);
    let end = text.find([' ', '\t']).unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or((text, ""))
}

/// Splits at the first white space that is not in quotes.
fn options_end(text: &str) -> Result<(&str, &str), String> {
    let text = text.trim_start_matches([' ', '\t']);
    let mut quoted = false;
    for (at, character) in text.char_indices() {
        match character {
            '"' => quoted = !quoted,
            '\\' => return Err("options with a backslash are not supported".to_owned()),
            ' ' | '\t' if !quoted => return Ok(text.split_at_checked(at).unwrap_or((text, ""))),
            _ => (),
        }
    }
    Err(if quoted { "a quote is not closed" } else { "it is not PRINCIPALS [OPTIONS] TYPE KEY" }.to_owned())
}

fn is_key_type(word: &str) -> bool {
    ["ssh-", "ecdsa-sha2-", "sk-ssh-", "sk-ecdsa-sha2-"].iter().any(|begin| word.starts_with(begin))
}

#[derive(Default)]
struct Options {
    authority: bool,
    namespaces: Option<String>,
    after: Option<Limit>,
    before: Option<Limit>,
}

impl Options {
    fn parse(text: &str) -> Result<Self, String> {
        let mut options = Self::default();
        if text.is_empty() {
            return Ok(options);
        }
        for option in split_options(text) {
            let (name, value) = option.split_once('=').map_or((option, None), |(n, v)| (n, Some(v)));
            let name = name.to_ascii_lowercase();
            let quoted = || {
                let inner = value.and_then(|value| value.strip_prefix('"')?.strip_suffix('"'));
                inner
                    .filter(|inner| !inner.contains('"'))
                    .ok_or_else(|| format!("write {name}=\"...\", in quotes"))
            };
            let limit = || {
                let text = quoted()?;
                Limit::parse(text).ok_or_else(|| {
                    format!("{name}=\"{}\" is no time; write it as 20260131Z", text.escape_debug())
                })
            };
            let repeated = match name.as_str() {
                "cert-authority" if value.is_none() => std::mem::replace(&mut options.authority, true),
                "namespaces" => options.namespaces.replace(quoted()?.to_owned()).is_some(),
                "valid-after" => options.after.replace(limit()?).is_some(),
                "valid-before" => options.before.replace(limit()?).is_some(),
                _ => {
                    return Err(format!(
                        "unknown option `{}`",
                        option.escape_debug().take(80).collect::<String>()
                    ));
                }
            };
            if repeated {
                return Err(format!("option {name} stands twice"));
            }
        }
        if let (Some(after), Some(before)) = (&options.after, &options.before)
            && before.time <= after.time
        {
            return Err("valid-before comes before valid-after".to_owned());
        }
        Ok(options)
    }
}

/// At the commas that are not in quotes.
fn split_options(text: &str) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    text.split(move |character| {
        quoted ^= character == '"';
        character == ',' && !quoted
    })
}

/// OpenSSH's pattern list: one pattern must match, and none that begins with `!`.
pub(super) fn matches_list(list: &str, text: &str) -> bool {
    let mut found = false;
    for pattern in list.split(',').filter(|pattern| !pattern.is_empty()) {
        match pattern.strip_prefix('!') {
            Some(pattern) if matches(pattern.as_bytes(), text.as_bytes()) => return false,
            Some(_) => (),
            None => found |= matches(pattern.as_bytes(), text.as_bytes()),
        }
    }
    found
}

/// `*` for any run of bytes, `?` for one; the whole text must match, in this very case.
fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut left, mut rest) = (pattern, text);
    // Where to go on if the shortest run for the last star was too short.
    let mut again: Option<(&[u8], &[u8])> = None;
    loop {
        (left, rest) = match (left, rest) {
            ([], []) => return true,
            ([b'*', after @ ..], _) => {
                again = Some((after, rest));
                (after, rest)
            }
            ([b'?', after @ ..], [_, rest @ ..]) => (after, rest),
            ([wanted, after @ ..], [found, rest @ ..]) if wanted == found => (after, rest),
            _ => match again {
                Some((after, [_, rest @ ..])) => {
                    again = Some((after, rest));
                    (after, rest)
                }
                _ => return false,
            },
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8g";

    fn faults(text: &str) -> Vec<(usize, String)> {
        let error = AllowedSigners::parse(text.as_bytes()).err();
        error.into_iter().flat_map(|e| e.faults).map(|fault| (fault.line, fault.what)).collect()
    }

    #[test]
    fn patterns_are_of_the_whole_address_and_a_negation_wins() {
        for (list, address, expected) in [
            ("a@example.com", "a@example.com", true),
            ("a@example.com", "A@example.com", false),
            ("*@example.com", "a@example.com", true),
            ("*@example.com", "a@example.com.evil", false),
            ("*@example.com", "a@evil.example.com", false),
            ("?@example.com", "ab@example.com", false),
            ("b@x,*@example.com", "a@example.com", true),
            ("*@example.com,!a@*", "a@example.com", false),
            ("!a@*,*@example.com", "b@example.com", true),
            ("!a@example.com", "b@example.com", false),
            ("*a*b*c", "xxaxxbxxbc", true),
            ("*a*b*c", "xxaxxbxxbd", false),
            (",", "", false),
        ] {
            assert_eq!(matches_list(list, address), expected, "{list} {address}");
        }
    }

    #[test]
    fn every_fault_is_reported_with_its_line() {
        let text = format!(
            "# comment\n\n*@example.com\na@b {KEY}\na@b valid-after=20260101 {KEY}\na@b frob {KEY}\n\
             a@b namespaces=\"git\",namespaces=\"file\" {KEY}\na@b valid-after=\"2026\" {KEY}\n\
             a@b valid-before=\"20250101Z\",valid-after=\"20260101Z\" {KEY}\na@b ssh-ed25519 AAAA=\n\
             a@b ssh-rsa {}\n\"a@b {KEY}\na@b namespaces=\"git {KEY}\n, {KEY}\na@b valid-after=\"20260230Z\" {KEY}",
            KEY.split(' ').nth(1).unwrap_or("")
        );
        let lines: Vec<usize> = faults(&text).into_iter().map(|(line, _)| line).collect();
        assert_eq!(lines, [3, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]);
    }

    #[test]
    fn what_allows_nobody_is_shown_not_hidden() {
        let text = format!(
            "*@b cert-authority {KEY}\na@b ssh-dss AAAAB3NzaC1kc3MAAAAB\na@b ssh-ed448 AAAACXNzaC1lZDQ0OA=="
        );
        let signers = AllowedSigners::parse(text.as_bytes()).unwrap();
        let lines: Vec<usize> = signers.ignored().map(|line| line.line).collect();
        assert_eq!(lines, [1, 2, 3]);
    }

    #[test]
    fn a_limit_without_a_zone_allows_less_wherever_one_is() {
        let text = format!("a@b valid-after=\"20260101\",valid-before=\"202602010000\" {KEY}");
        let signers = AllowedSigners::parse(text.as_bytes()).unwrap();
        let key = signers.entries.first().map(|entry| entry.key.clone()).unwrap();
        for (time, expected) in [
            ("2026-01-01T11:59:59Z", false),
            ("2026-01-01T12:00:00Z", true),
            ("2026-01-31T10:00:00Z", true),
            ("2026-01-31T10:00:01Z", false),
        ] {
            let listed = signers.look_up(&key, "a@b", "git", time.parse().unwrap());
            assert_eq!(matches!(listed, Listed::Allowed(_)), expected, "{time}: {listed:?}");
        }
    }
}
