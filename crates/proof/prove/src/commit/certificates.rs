//! Whose X.509 certificates count for commits: authorities in a PEM file, and identities in a list of their own.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use linkward_evidence::trusted_root::Validity;
use linkward_model::{Code, Digest, Instant};

use super::signers::{SignersLine, matches_list};
use crate::certificate::Certificate;
use crate::pattern::Pattern;
use crate::roots::AuthorityRoot;

const MAX_BYTES: usize = 4 << 20;
const MAX_LINES: usize = 20_000;
const MAX_FAULTS: usize = 100;

/// A file has faults: all of them, up to a hundred.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitListError {
    pub faults: Vec<SignersLine>,
    code: Code,
}

impl CommitListError {
    pub const fn code(&self) -> Code {
        self.code
    }
}

impl std::error::Error for CommitListError {}

impl fmt::Display for CommitListError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, fault) in self.faults.iter().enumerate() {
            let separator = if number == 0 { "" } else { "; " };
            write!(f, "{separator}line {}: {}", fault.line, fault.what)?;
        }
        Ok(())
    }
}

/// Certificate authorities whose S/MIME certificates sign commits.
#[derive(Clone, Debug)]
pub struct CommitAuthorities {
    roots: Vec<AuthorityRoot>,
    digest: Digest,
}

impl CommitAuthorities {
    /// Reads a PEM file of roots; text between the blocks is passed over, as openssl does.
    ///
    /// # Errors
    /// A block that is no certificate of an authority, or no block at all.
    pub fn parse(bytes: &[u8]) -> Result<Self, CommitListError> {
        let code = Code::CommitAuthoritiesMalformed;
        let text = readable(bytes, code)?;
        let (mut roots, mut faults) = (Vec::new(), Vec::new());
        let mut lines = text.lines().enumerate();
        while let Some((number, line)) = lines.next() {
            if line.trim_end() != "-----BEGIN CERTIFICATE-----" {
                continue;
            }
            let inside: Vec<&str> = lines
                .by_ref()
                .map(|(_, line)| line.trim())
                .take_while(|line| *line != "-----END CERTIFICATE-----")
                .collect();
            let parsed = STANDARD.decode(inside.concat()).ok().and_then(|der| Certificate::parse(&der));
            match parsed {
                Some(certificate) if certificate.is_authority() => {
                    let name = format!("authority {}", roots.len().saturating_add(1));
                    // The certificates' own validity says when they count.
                    roots.push(AuthorityRoot::new(name, vec![certificate], always()));
                }
                Some(_) => faults.push(fault(number, "this is no certificate authority's certificate")),
                None => faults.push(fault(number, "this certificate cannot be read")),
            }
        }
        if roots.is_empty() && faults.is_empty() {
            faults.push(fault(0, "there is no PEM certificate in this file"));
        }
        faults.truncate(MAX_FAULTS);
        if faults.is_empty() {
            Ok(Self { roots, digest: Digest::sha256(bytes) })
        } else {
            Err(CommitListError { faults, code })
        }
    }

    /// With their places in the file, counted from one.
    pub(super) fn roots(&self) -> impl Iterator<Item = (usize, &AuthorityRoot)> {
        self.roots.iter().enumerate().map(|(place, root)| (place.saturating_add(1), root))
    }

    pub(super) fn digest(&self) -> Digest {
        self.digest
    }
}

/// Names that Sigstore certificates carry, and the committers' addresses that each may sign for.
#[derive(Clone, Debug)]
pub struct CommitIdentities {
    identities: Vec<CommitIdentity>,
    digest: Digest,
}

#[derive(Clone, Debug)]
pub(super) struct CommitIdentity {
    line: usize,
    addresses: String,
    /// None where the certificate must name the committer's own address.
    subject: Option<Pattern>,
    issuer: Pattern,
}

impl CommitIdentities {
    /// Reads lines of `ADDRESSES NAME ISSUER`: patterns of committers' addresses as in allowed signers, a pattern of the
    /// certificate's name, or `=` where that must be the committer's address itself, and a pattern of the OIDC issuer.
    ///
    /// # Errors
    /// Every fault with its line.
    pub fn parse(bytes: &[u8]) -> Result<Self, CommitListError> {
        let code = Code::CommitIdentitiesMalformed;
        let text = readable(bytes, code)?;
        let (mut identities, mut faults) = (Vec::new(), Vec::new());
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            match CommitIdentity::parse(number, line) {
                Ok(identity) => identities.push(identity),
                Err(what) => faults.push(fault(number, &what)),
            }
        }
        faults.truncate(MAX_FAULTS);
        if faults.is_empty() {
            Ok(Self { identities, digest: Digest::sha256(bytes) })
        } else {
            Err(CommitListError { faults, code })
        }
    }

    /// The lines that name this certificate's subject and issuer.
    pub(super) fn of<'a>(
        &'a self,
        subject: &'a str,
        issuer: &'a str,
    ) -> impl Iterator<Item = &'a CommitIdentity> {
        self.identities.iter().filter(move |one| {
            one.issuer.matches(issuer)
                && match &one.subject {
                    Some(pattern) => pattern.matches(subject),
                    None => matches_list(&one.addresses, subject),
                }
        })
    }

    pub(super) fn digest(&self) -> Digest {
        self.digest
    }
}

impl CommitIdentity {
    fn parse(number: usize, line: &str) -> Result<Self, String> {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let [addresses, subject, issuer] = words.as_slice() else {
            return Err("it is not ADDRESSES NAME ISSUER".to_owned());
        };
        if addresses.split(',').all(str::is_empty) {
            return Err("it names no address".to_owned());
        }
        let pattern = |text: &str| Pattern::parse(text).map_err(|error| error.to_string());
        Ok(Self {
            line: number.saturating_add(1),
            addresses: (*addresses).to_owned(),
            subject: if *subject == "=" { None } else { Some(pattern(subject)?) },
            issuer: pattern(issuer)?,
        })
    }

    pub(super) fn line(&self) -> usize {
        self.line
    }

    /// Whether whoever has this name may sign for a committer's address.
    pub(super) fn allows(&self, subject: &str, address: &str) -> bool {
        matches_list(&self.addresses, address) && (self.subject.is_some() || subject == address)
    }
}

fn readable(bytes: &[u8], code: Code) -> Result<&str, CommitListError> {
    let whole = |what: &str| CommitListError { faults: vec![fault(0, what)], code };
    if bytes.len() > MAX_BYTES {
        return Err(whole("the file is larger than 4 MiB"));
    }
    let text = std::str::from_utf8(bytes).map_err(|_| whole("the file is not UTF-8"))?;
    if text.lines().count() > MAX_LINES {
        return Err(whole("the file has more than 20,000 lines"));
    }
    Ok(text)
}

fn fault(number: usize, what: &str) -> SignersLine {
    SignersLine { line: number.saturating_add(1), what: what.to_owned() }
}

fn always() -> Validity {
    Validity { start: Some(Instant::from_seconds(0)), end: None }
}
