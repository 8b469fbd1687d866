//! `verify`, `verify-bundle` and `log verify`: proofs that need no home, or only read one.

use std::io::{Read as _, Seek as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use linkward_model::{
    Blame, Check, Code, Digest, DigestsStream, Exit, Identity, Instant, Outcome as CheckOutcome,
};
use linkward_prove::{
    AcceptedSigner, Artifact, AtLeast, Attestation, Pattern, Proven, PublicKey, Refusal, Requirements,
    Signer, TrustRoots, quorum,
};
use serde::Serialize;

use crate::cli::{self, Format};
use crate::commands::{print, print_json};
use crate::home::Home;
use crate::progress::Progress;
use crate::table::{self, Style};
use crate::wire::{Failure, VERSION};

/// The itemised result, printed as it is by `--format json`.
#[derive(Debug, Serialize)]
pub(crate) struct Verified {
    version: u32,
    verified: bool,
    code: Option<Code>,
    message: String,
    artifact: String,
    trust_roots: Option<Digest>,
    /// By which versions of its repository the trust root is known, where it has one.
    trust: Option<serde_json::Value>,
    /// Who signed, each once.
    signers: Vec<Identity>,
    /// The first bundle's.
    signer: Option<Identity>,
    proven_at: Option<Instant>,
    checks: Vec<Check>,
    bundles: Vec<One>,
}

/// How one bundle came out.
#[derive(Clone, Debug, Serialize)]
struct One {
    bundle: String,
    verified: bool,
    code: Option<Code>,
    message: String,
    signer: Option<Identity>,
    proven_at: Option<Instant>,
    checks: Vec<Check>,
}

/// What is asked, whichever command asks it.
struct Question<'a> {
    bundles: &'a [PathBuf],
    accepted: Vec<AcceptedSigner>,
    /// Without a number every bundle must hold.
    signers: Option<AtLeast>,
    requirements: Requirements,
    /// A root that a repository keeps current, and which it is.
    trust: Option<(TrustRoots, serde_json::Value)>,
    trusted_root: Option<&'a Path>,
    artifact: &'a str,
}

pub(crate) fn verify(args: &cli::Verify, home: Option<&Path>, format: Format) -> Result<Exit> {
    if let Some(layout) = &args.layout.layout {
        let digests = digests(&args.artifact)?;
        let outcome = crate::layout::prove(&args.layout, layout, &digests, Instant::now())?;
        return show(&Verified::of_one(&args.artifact, &layout.display().to_string(), &outcome), format);
    }
    if let Some(path) = &args.notation.notation {
        let digests = digests(&args.artifact)?;
        let outcome = crate::notation::prove(&args.notation, path, &digests, Instant::now())?;
        return show(&Verified::of_one(&args.artifact, &path.display().to_string(), &outcome), format);
    }
    if let Some(path) = &args.release.in_release {
        let digests = digests(&args.artifact)?;
        let outcome = crate::release::prove(&args.release, path, &digests, Instant::now())?;
        return show(&Verified::of_one(&args.artifact, &path.display().to_string(), &outcome), format);
    }
    if let Some(keys) = &args.rpm.rpm_keyring {
        let outcome = crate::rpm::prove(keys, Path::new(&args.artifact), Instant::now())?;
        return show(&Verified::of_one(&args.artifact, &args.artifact, &outcome), format);
    }
    if !args.apk.apk_keys.is_empty() {
        let outcome = crate::apk::prove(&args.apk.apk_keys, Path::new(&args.artifact), Instant::now())?;
        return show(&Verified::of_one(&args.artifact, &args.artifact, &outcome), format);
    }
    let trust = match &args.trust {
        Some(name) => {
            let home = crate::commands::nearest(home)?;
            let added = crate::trust::load(&home, name)?;
            Some((added.roots(Instant::now(), home.config()?.trust_max_age_days)?, added.says()))
        }
        None => None,
    };
    let question = Question {
        trust,
        bundles: &args.bundles,
        accepted: accepted(args)?,
        signers: args.signers,
        requirements: Requirements {
            logs: args.logs.unwrap_or_default(),
            timestamps: args.timestamps.unwrap_or_default(),
            extensions: args.extensions.clone(),
        },
        trusted_root: args.trusted_root.as_deref(),
        artifact: &args.artifact,
    };
    show(&answer(&question)?, format)
}

pub(crate) fn show(result: &Verified, format: Format) -> Result<Exit> {
    match format {
        Format::Json => print_json(result)?,
        Format::Table => print(&text(result, Style::of_stdout()))?,
    }
    Ok(exit_of(result))
}

impl Verified {
    /// The result of one document that is proven by itself.
    pub(crate) fn of_one<T>(
        artifact: &str,
        document: &str,
        outcome: &Result<Proven<T>, Box<Refusal>>,
    ) -> Self {
        let one = one(document.to_owned(), outcome);
        Self {
            version: VERSION,
            verified: one.verified,
            code: one.code,
            message: one.message.clone(),
            artifact: artifact.to_owned(),
            trust_roots: outcome.as_ref().ok().map(Proven::roots),
            trust: None,
            signers: one.signer.iter().cloned().collect(),
            signer: one.signer.clone(),
            proven_at: one.proven_at,
            checks: one.checks.clone(),
            bundles: vec![one],
        }
    }
}

/// The digests of a file, whatever its size, or the one digest that was named.
pub(crate) fn digests(artifact: &str) -> Result<Vec<Digest>> {
    let path = Path::new(artifact);
    if !path.exists() {
        return Ok(vec![crate::commands::resolve(artifact)?.1]);
    }
    let mut stream = DigestsStream::new();
    crate::commands::pieces(path, |piece| stream.update(piece))?;
    Ok(stream.finish().to_vec())
}

fn accepted(args: &cli::Verify) -> Result<Vec<AcceptedSigner>> {
    if args.identities.is_empty() && args.keys.is_empty() && args.key_list.is_none() {
        let what = "who must have signed? name --identity and --issuer, or --key";
        return Err(Failure::new(Code::IdentityMissing, what).into());
    }
    if args.issuers.len() > 1 && args.issuers.len() != args.identities.len() {
        let what = format!(
            "{} identities and {} issuers: name one --issuer for all, or one for each --identity",
            args.identities.len(),
            args.issuers.len()
        );
        return Err(Failure::new(Code::IdentityMissing, what).into());
    }
    let issuers = args.issuers.iter().cycle();
    let mut accepted = Vec::new();
    for (identity, issuer) in args.identities.iter().zip(issuers) {
        accepted.push(AcceptedSigner::Certificate {
            subject: Pattern::parse(identity).context("--identity is not a pattern")?,
            issuer: Pattern::parse(issuer).context("--issuer is not a pattern")?,
        });
    }
    for key in &args.keys {
        accepted.push(AcceptedSigner::Key(public_key(key)?));
    }
    if let Some(path) = &args.key_list {
        accepted.extend(listed(path)?);
    }
    Ok(accepted)
}

/// The keys of a list that are for attestations, or of no stated use.
fn listed(path: &Path) -> Result<Vec<AcceptedSigner>> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let wrong = |what: String| Failure::new(Code::KeyMalformed, format!("{}: {what}", path.display()));
    let keys = linkward_evidence::key_list::parse(&bytes).map_err(|fault| wrong(fault.to_string()))?;
    let attests =
        |usage: &Option<String>| usage.as_ref().is_none_or(|usage| usage.ends_with(":attestations"));
    keys.into_iter()
        .filter(|listed| attests(&listed.usage))
        .map(|listed| {
            let key = PublicKey::from_spki(&listed.spki).map_err(|error| wrong(error.to_string()))?;
            Ok(AcceptedSigner::DatedKey { key, valid: listed.valid })
        })
        .collect()
}

/// The sigstore-conformance protocol: exit 0 is acceptance, anything else a refusal.
pub(crate) fn conformance(args: &cli::VerifyBundle) -> Result<Exit> {
    if args.staging {
        let failure = Failure::new(
            Code::TrustRootStale,
            "the staging instance is not built in; name its --trusted-root",
        );
        return Err(failure.into());
    }
    let signer = match (&args.certificate_identity, &args.certificate_oidc_issuer, &args.key) {
        (_, _, Some(key)) => AcceptedSigner::Key(public_key(key)?),
        (Some(identity), Some(issuer), None) => {
            AcceptedSigner::Certificate { subject: Pattern::exact(identity), issuer: Pattern::exact(issuer) }
        }
        _ => return Err(Failure::new(Code::IdentityMissing, "no signer was named").into()),
    };
    let question = Question {
        trust: None,
        bundles: std::slice::from_ref(&args.bundle),
        accepted: vec![signer],
        signers: None,
        requirements: Requirements::default(),
        trusted_root: args.trusted_root.as_deref(),
        artifact: &args.artifact,
    };
    let result = answer(&question)?;
    print(&text(&result, Style { colour: false }))?;
    Ok(exit_of(&result))
}

fn exit_of(result: &Verified) -> Exit {
    match result.code {
        None if result.verified => Exit::Allowed,
        Some(code) if code.blame() == Blame::Missing => Exit::Unknown,
        Some(code) if code.blame() == Blame::Operator => Exit::Error,
        _ => Exit::Denied,
    }
}

pub(crate) fn public_key(path: &Path) -> Result<PublicKey> {
    let pem = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    PublicKey::from_pem(&pem)
        .map_err(|error| Failure::new(Code::KeyMalformed, format!("{}: {error}", path.display())).into())
}

fn answer(question: &Question<'_>) -> Result<Verified> {
    let now = Instant::now();
    let roots = match (&question.trust, question.trusted_root) {
        (Some((roots, _)), _) => roots.clone(),
        (None, Some(path)) => {
            let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
            TrustRoots::parse(&bytes).map_err(|error| {
                Failure::new(Code::TrustRootMalformed, format!("{}: {error}", path.display()))
            })?
        }
        (None, None) => {
            crate::home::production_roots(now, crate::config::Config::default().builtin_root_max_age_days)?
        }
    };
    let digests = digests(question.artifact)?;
    let signer = match question.accepted.as_slice() {
        [AcceptedSigner::Certificate { subject, issuer }] => Signer::Certificate { subject, issuer },
        [AcceptedSigner::Key(key)] => Signer::Key(key),
        several => Signer::AnyOf(several),
    };
    let mut proofs = Vec::new();
    let mut bundles = Vec::new();
    for path in question.bundles {
        let cannot = || format!("cannot read {}", path.display());
        let mut file = std::fs::File::open(path).with_context(cannot)?;
        let length = file.metadata().with_context(cannot)?.len();
        if length >= linkward_evidence::large::FROM {
            let artifact = Artifact::Digests(&digests);
            let outcome = linkward_prove::large_bundle(&mut file, &roots, signer, artifact, now);
            // Collections, and what must be held to be read, are read whole as long as they may be.
            let whole = matches!(&outcome, Err(refusal) if refusal.code == Code::TooLarge);
            if !whole || length > linkward_evidence::MAX_DOCUMENT as u64 {
                let outcome = outcome.and_then(|proven| question.requirements.check(proven));
                bundles.push(one(path.display().to_string(), &outcome));
                proofs.extend(outcome);
                continue;
            }
            file.rewind().with_context(cannot)?;
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).with_context(cannot)?;
        for (name, document) in parts(path, bytes)? {
            let mut outcome =
                linkward_prove::bundle(&document, &roots, signer, Artifact::Digests(&digests), now);
            let whole = matches!(&outcome, Err(refusal) if refusal.code == Code::KeyUnsupported);
            if whole && Path::new(question.artifact).exists() {
                // Some keys sign the artifact itself, so that it is needed whole.
                let content = std::fs::read(question.artifact)
                    .with_context(|| format!("cannot read {}", question.artifact))?;
                outcome = linkward_prove::bundle(&document, &roots, signer, Artifact::Bytes(&content), now);
            }
            let outcome = outcome.and_then(|proven| question.requirements.check(proven));
            bundles.push(one(name, &outcome));
            proofs.extend(outcome);
        }
    }
    let outcome = conclusion(question, &proofs, &bundles, &digests);
    let first = bundles.first().context("no bundle was named")?.clone();
    let (code, message, signers) = match outcome {
        Ok(signers) => (None, "every check passed".to_owned(), signers),
        Err((code, message)) => (Some(code), message, Vec::new()),
    };
    Ok(Verified {
        version: VERSION,
        verified: code.is_none(),
        code,
        message,
        artifact: question.artifact.to_owned(),
        trust_roots: Some(roots.digest()),
        trust: question.trust.as_ref().map(|(_, says)| says.clone()),
        signers,
        signer: first.signer,
        proven_at: first.proven_at,
        checks: first.checks,
        bundles,
    })
}

/// The document itself, or each attestation of a collection, by name and number.
fn parts(path: &Path, bytes: Vec<u8>) -> Result<Vec<(String, Vec<u8>)>> {
    let name = path.display().to_string();
    let split = linkward_evidence::collection::split(&bytes)
        .map_err(|fault| Failure::new(fault.code, format!("{name}: {fault}")))?;
    Ok(match split {
        None => vec![(name, bytes)],
        Some(parts) => {
            let numbered = parts.into_iter().zip(1u32..);
            numbered.map(|(part, number)| (format!("{name}, {number}"), part.into_bytes())).collect()
        }
    })
}

fn one<T>(bundle: String, outcome: &Result<Proven<T>, Box<Refusal>>) -> One {
    match outcome {
        Ok(proven) => One {
            bundle,
            verified: true,
            code: None,
            message: "every check passed".to_owned(),
            signer: Some(proven.signer().clone()),
            proven_at: proven.proven_at(),
            checks: proven.checks().to_vec(),
        },
        Err(refusal) => One {
            bundle,
            verified: false,
            code: Some(refusal.code),
            message: refusal.message.clone(),
            signer: None,
            proven_at: None,
            checks: refusal.checks.clone(),
        },
    }
}

/// Who signed, or why that is not enough. A bundle that is refused outweighs one that is missing.
fn conclusion(
    question: &Question<'_>,
    proofs: &[Proven<Attestation>],
    bundles: &[One],
    digests: &[Digest],
) -> Result<Vec<Identity>, (Code, String)> {
    let refused = bundles.iter().find_map(|one| Some((one.code?, one.message.clone())));
    let Some(need) = question.signers else {
        let mut signers: Vec<Identity> = proofs.iter().map(|proven| proven.signer().clone()).collect();
        signers.sort();
        signers.dedup();
        return refused.map_or(Ok(signers), Err);
    };
    quorum(proofs, digests, &question.accepted, need).map(|quorum| quorum.signers().to_vec()).map_err(|few| {
        match refused {
            Some((code, message)) => (code, format!("{}: {message}", few.message)),
            None => (few.code, few.message),
        }
    })
}

fn text(result: &Verified, style: Style) -> String {
    use std::fmt::Write as _;
    let mut out = String::new();
    let state = if result.verified { "verified" } else { "NOT VERIFIED" };
    let _ = writeln!(out, "{} {}", style.strong(state), table::visible(&result.artifact));
    for one in &result.bundles {
        if result.bundles.len() > 1 {
            let state = if one.verified { "holds" } else { "does not hold" };
            let _ = writeln!(out, "\n{} {state}", table::visible(&one.bundle));
        }
        if let Some(signer) = &one.signer {
            let _ = writeln!(out, "  signer  {}", table::visible(&signer.to_string()));
        }
        if let Some(time) = one.proven_at {
            let _ = writeln!(out, "  signed  {time}");
        }
        let rows: Vec<_> = one.checks.iter().map(row).collect();
        out.push_str(&table::grid(&rows));
    }
    if let Some(code) = result.code {
        let _ = writeln!(out, "\n{code}: {}\n  next: {}", table::visible(&result.message), code.fix());
    }
    out
}

fn row(check: &Check) -> [String; 3] {
    let (mark, detail) = match &check.outcome {
        CheckOutcome::Passed => ("+ passed".to_owned(), check.detail.clone()),
        CheckOutcome::Failed { code } => ("x failed".to_owned(), format!("{code}: {}", check.detail)),
        CheckOutcome::Skipped { why } => ("- skipped".to_owned(), why.clone()),
    };
    ["  ".to_owned() + &mark, check.name.to_owned(), table::visible(&detail)]
}

/// Reads the whole record and names the first thing that is wrong.
pub(crate) fn log(home: &Home, format: Format) -> Result<Exit> {
    let trust = home.trust()?;
    let progress = Progress::start();
    let mut show = |step: linkward_record::Progress| progress.say(&format!("verifying {step}"));
    let result = linkward_record::verify_with(home.path(), &trust.logs, &crate::lookup::terms_of, &mut show);
    drop(progress);
    match result {
        Ok(verified) => {
            match format {
                Format::Json => print_json(
                    &serde_json::json!({ "version": VERSION, "whole": true, "verified": verified.to_string() }),
                )?,
                Format::Table => print(&format!("whole: {verified}\n"))?,
            }
            Ok(Exit::Allowed)
        }
        Err(damage) => {
            match format {
                Format::Json => print_json(&serde_json::json!({
                    "version": VERSION, "whole": false, "code": damage.code, "file": damage.file, "what": damage.what,
                }))?,
                Format::Table => print(&format!(
                    "DAMAGED {}: {}\n  {}: {}\n  next: {}\n",
                    damage.file.display(),
                    damage.what,
                    damage.code,
                    damage.code.summary(),
                    damage.code.fix()
                ))?,
            }
            Ok(Exit::Denied)
        }
    }
}
