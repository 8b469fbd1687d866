//! `linkward log lookup` and `log verify-lookup`: what carries a digest, a signer, a repository or a package, with the
//! proof that nothing was left out, and its verification by those who have no home.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::{Args, ValueEnum};
use linkward_evidence::rekor;
use linkward_ledger::key::NoteKey;
use linkward_ledger::lookup::{Answer, Complete, LookupError};
use linkward_ledger::{Envelope, LogName, Term, TermKind};
use linkward_model::{Code, Digest, Exit};
use linkward_prove::{Named, named};
use serde_json::{Value, json};

use crate::access::Access;
use crate::cli::Format;
use crate::commands::{print, print_json};
use crate::home::Home;
use crate::table::{self, visible};
use crate::wire::{Failure, Request, VERSION};

/// Most entries of a page.
pub(crate) const PAGE: usize = 100;
/// Largest answer that is read.
const MAX_ANSWER: u64 = 64 << 20;

/// What entries are looked up by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum By {
    /// An artifact or document, sha256:HEX
    Digest,
    /// A signer: the subject of a certificate, or a key's id
    Identity,
    /// Who vouched for signers
    Issuer,
    /// A source repository, as certificates name it
    Repository,
    /// A package URL
    Package,
}

impl By {
    /// Issuers and signers stand in one list, as in the index.
    pub(crate) const fn kind(self) -> TermKind {
        match self {
            Self::Digest => TermKind::Digest,
            Self::Identity | Self::Issuer => TermKind::Identity,
            Self::Repository => TermKind::Repository,
            Self::Package => TermKind::Package,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct Lookup {
    #[arg(value_enum)]
    by: By,
    #[arg(value_name = "VALUE")]
    value: String,
    /// Which log: evidence or signing
    #[arg(long, default_value = "evidence", value_parser = crate::log_proof::log_name)]
    log: LogName,
    /// Only entries below this number, as the page before says
    #[arg(long, value_name = "N")]
    before: Option<u64>,
    /// Where to write the answer, for `log verify-lookup`
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct VerifyLookup {
    /// The answer
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The verifier key of the log, name+hash+base64; for other logs than evidence the evidence log's key too
    #[arg(long = "key", value_name = "VKEY", required = true)]
    keys: Vec<NoteKey>,
}

/// The terms of an entry of the signing log; `None` where it cannot be read.
///
/// Contract: logs commit to an index of these; the same entry must always give the same terms.
pub(crate) fn terms_of(leaf: &[u8]) -> Option<Vec<Term>> {
    let value: Value = serde_json::from_slice(leaf).ok()?;
    let text = |name: &str| value.get(name).and_then(Value::as_str);
    let entry = rekor::Entry::parse(text("kind")?, text("apiVersion")?, leaf).ok()?;
    let mut terms = vec![Term::digest(&entry.digest)];
    terms.extend(entry.envelope.as_ref().map(Term::digest));
    for signature in &entry.signatures {
        let holder = named(&signature.verifier)
            .unwrap_or_else(|| Named { key: signature.verifier.clone(), ..Named::default() });
        terms.push(Term::new(TermKind::Identity, Digest::sha256(&holder.key).to_string()));
        terms.extend(holder.names.iter().map(|name| Term::new(TermKind::Identity, name)));
        terms.extend(holder.issuer.iter().map(|issuer| Term::new(TermKind::Identity, issuer)));
        let repository = |name: &str| matches!(name, "source-repository-uri" | "github-workflow-repository");
        let extensions = holder.extensions.iter().filter(|(name, _)| repository(name.as_str()));
        terms.extend(extensions.map(|(_, value)| Term::new(TermKind::Repository, value)));
    }
    terms.sort();
    terms.dedup();
    Some(terms)
}

pub(crate) fn lookup(args: &Lookup, home: &Home, format: Format) -> Result<Exit> {
    let term = Term::new(args.by.kind(), &args.value);
    let request = Request::Lookup { log: args.log, term, before: args.before, limit: PAGE };
    let answer: Answer = Access::open(home)?.ask(request)?;
    if let Some(path) = &args.out {
        std::fs::write(path, serde_json::to_vec_pretty(&answer)?)
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    let keys: Vec<NoteKey> =
        home.trust()?.logs.iter().map(|log| log.key.parse()).collect::<Result<_, _>>()?;
    show(&answer, &keys, format)
}

pub(crate) fn verify(args: &VerifyLookup, format: Format) -> Result<Exit> {
    let size = std::fs::metadata(&args.file).map_or(0, |meta| meta.len());
    if size > MAX_ANSWER {
        let message = format!("{} has {size} bytes, an answer at most {MAX_ANSWER}", args.file.display());
        return Err(Failure::new(Code::TooLarge, message).into());
    }
    let text = std::fs::read(&args.file).with_context(|| format!("cannot read {}", args.file.display()))?;
    let answer = Answer::parse(&text)
        .map_err(|error| Failure::new(Code::MalformedField, format!("{}: {error}", args.file.display())))?;
    show(&answer, &args.keys, format)
}

fn show(answer: &Answer, keys: &[NoteKey], format: Format) -> Result<Exit> {
    let complete = match answer.verify(keys, &terms_of) {
        Ok(complete) => complete,
        Err(error) => return refused(&error, format),
    };
    if format == Format::Json {
        print_json(&json!({
            "version": VERSION, "complete": true, "log": complete.checkpoint.origin(),
            "size": complete.checkpoint.size(), "from": complete.from, "until": complete.until,
            "entries": complete.indexes, "last": complete.is_last(),
        }))?;
    } else {
        print(&text(answer, &complete))?;
    }
    Ok(Exit::Allowed)
}

fn text(answer: &Answer, complete: &Complete) -> String {
    let mut out = String::new();
    if !answer.entries.is_empty() {
        let head = ["ENTRY", "KIND", "TIME"].map(str::to_owned);
        let rows = answer.entries.iter().map(|entry| {
            let envelope = Envelope::decode(entry.leaf.as_bytes()).ok();
            let of = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
            [
                entry.index.to_string(),
                of(envelope.as_ref().map(|envelope| envelope.kind.to_string())),
                of(envelope.map(|envelope| envelope.times.event.to_string())),
            ]
        });
        out.push_str(&table::grid(&std::iter::once(head).chain(rows).collect::<Vec<_>>()));
    }
    let origin = visible(complete.checkpoint.origin());
    out.push_str(&format!(
        "proven: {} found in entries {} to {} of {origin} ({} as it was signed), and no other there\n",
        complete.indexes.len(),
        complete.from,
        complete.until,
        complete.checkpoint.size()
    ));
    if !complete.is_last() {
        out.push_str(&format!("older ones: --before {}\n", complete.from));
    }
    out
}

fn refused(error: &LookupError, format: Format) -> Result<Exit> {
    let (code, exit) = match error {
        LookupError::Key(_) => (Code::KeyMissing, Exit::Unknown),
        LookupError::Version(_) => (Code::UnsupportedVersion, Exit::Unknown),
        LookupError::Unreadable(_) => (Code::LookupIncomplete, Exit::Unknown),
        _ => (Code::LookupIncomplete, Exit::Denied),
    };
    if format == Format::Json {
        let body =
            json!({ "version": VERSION, "complete": false, "code": code, "message": error.to_string() });
        print_json(&body)?;
    } else {
        print(&format!("not proven: {code}: {}\n  fix: {}\n", visible(&error.to_string()), code.fix()))?;
    }
    Ok(exit)
}

/// The answer for the API: `?by=digest&value=sha256:...&log=signing&before=7`.
pub(crate) fn api(engine: &crate::engine::Engine, query: &str) -> (u16, String) {
    let parameter = |name: &str| linkward_console::Request { path: "/api/v1/lookup", query }.parameter(name);
    let by = parameter("by").and_then(|by| By::from_str(&by, false).ok());
    let log = crate::log_proof::log_name(&parameter("log").unwrap_or_else(|| "evidence".to_owned()));
    let before = parameter("before").map(|text| text.parse::<u64>()).transpose();
    let (Some(by), Some(value), Ok(log), Ok(before)) = (by, parameter("value"), log, before) else {
        let body = json!({ "code": Code::MalformedField, "message": "name `by` (digest, identity, issuer, repository, package) and `value`; `log` and `before` where needed" });
        return (400, body.to_string());
    };
    match engine.lookup(log, Term::new(by.kind(), value), before, PAGE) {
        Ok(answer) => (200, serde_json::to_string(&answer).unwrap_or_default()),
        Err(error) => {
            let failure = Failure::from(error);
            (503, json!({ "code": failure.code, "message": failure.message }).to_string())
        }
    }
}

/// What a look-up failure is called.
pub(crate) fn failure(error: linkward_record::LookupFailure) -> anyhow::Error {
    use linkward_record::LookupFailure;
    let code = match &error {
        LookupFailure::Behind(_) => Code::LookupBehind,
        LookupFailure::Differs { .. } | LookupFailure::Commitment(_) => Code::LookupDamaged,
        _ => return error.into(),
    };
    Failure::new(code, error.to_string()).into()
}
