//! `verify`, `verify-bundle` and `log verify`: proofs that need no home, or only read one.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use linkward_model::{
    Algorithm, Blame, Check, Code, Digest, Exit, Identity, Instant, Outcome as CheckOutcome,
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
struct Verified {
    version: u32,
    verified: bool,
    code: Option<Code>,
    message: String,
    artifact: String,
    trust_roots: Option<Digest>,
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
    trusted_root: Option<&'a Path>,
    artifact: &'a str,
}

pub(crate) fn verify(args: &cli::Verify, format: Format) -> Result<Exit> {
    let question = Question {
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
    let result = answer(&question)?;
    match format {
        Format::Json => print_json(&result)?,
        Format::Table => print(&text(&result, Style::of_stdout()))?,
    }
    Ok(exit_of(&result))
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
        _ => Exit::Denied,
    }
}

fn public_key(path: &Path) -> Result<PublicKey> {
    let pem = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    PublicKey::from_pem(&pem)
        .map_err(|error| Failure::new(Code::KeyMalformed, format!("{}: {error}", path.display())).into())
}

fn answer(question: &Question<'_>) -> Result<Verified> {
    let now = Instant::now();
    let roots = match question.trusted_root {
        Some(path) => {
            let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
            TrustRoots::parse(&bytes).map_err(|error| {
                Failure::new(Code::TrustRootMalformed, format!("{}: {error}", path.display()))
            })?
        }
        None => {
            crate::home::production_roots(now, crate::config::Config::default().builtin_root_max_age_days)?
        }
    };
    let path = Path::new(question.artifact);
    let content;
    let digests;
    let artifact = if path.exists() {
        content = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        digests = [Algorithm::Sha256, Algorithm::Sha384, Algorithm::Sha512]
            .map(|algorithm| Digest::of(algorithm, &content))
            .to_vec();
        Artifact::Bytes(&content)
    } else {
        digests = vec![crate::commands::resolve(question.artifact)?.1];
        Artifact::Digests(&digests)
    };
    let signer = match question.accepted.as_slice() {
        [AcceptedSigner::Certificate { subject, issuer }] => Signer::Certificate { subject, issuer },
        [AcceptedSigner::Key(key)] => Signer::Key(key),
        several => Signer::AnyOf(several),
    };
    let mut proofs = Vec::new();
    let mut bundles = Vec::new();
    for path in question.bundles {
        let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        for (name, document) in parts(path, bytes)? {
            let outcome = linkward_prove::bundle(&document, &roots, signer, artifact, now)
                .and_then(|proven| question.requirements.check(proven));
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

fn one(bundle: String, outcome: &Result<Proven<Attestation>, Box<Refusal>>) -> One {
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
    let result = linkward_record::verify(home.path(), &trust.logs, &mut show);
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
