//! `verify`, `verify-bundle` and `log verify`: proofs that need no home, or only read one.

use std::path::Path;

use anyhow::{Context as _, Result};
use linkward_model::{Check, Code, Digest, Exit, Identity, Instant, Outcome as CheckOutcome};
use linkward_prove::{Artifact, Pattern, PublicKey, Signer, TrustRoots};
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
    signer: Option<Identity>,
    proven_at: Option<Instant>,
    trust_roots: Option<Digest>,
    checks: Vec<Check>,
}

/// What is asked, whichever command asks it.
struct Question<'a> {
    bundle: &'a Path,
    signer: Who,
    trusted_root: Option<&'a Path>,
    artifact: &'a str,
}

enum Who {
    Certificate(Pattern, Pattern),
    Key(PublicKey),
}

pub(crate) fn verify(args: &cli::Verify, format: Format) -> Result<Exit> {
    let signer = match (&args.identity, &args.issuer, &args.key) {
        (Some(identity), Some(issuer), None) => Who::Certificate(
            Pattern::parse(identity).context("--identity is not a pattern")?,
            Pattern::parse(issuer).context("--issuer is not a pattern")?,
        ),
        (None, None, Some(key)) => Who::Key(public_key(key)?),
        _ => {
            let failure = Failure::new(
                Code::IdentityMissing,
                "who must have signed? name --identity and --issuer, or --key",
            );
            return Err(failure.into());
        }
    };
    let question = Question {
        bundle: &args.bundle,
        signer,
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
        (_, _, Some(key)) => Who::Key(public_key(key)?),
        (Some(identity), Some(issuer), None) => {
            Who::Certificate(Pattern::exact(identity), Pattern::exact(issuer))
        }
        _ => return Err(Failure::new(Code::IdentityMissing, "no signer was named").into()),
    };
    let question = Question {
        bundle: &args.bundle,
        signer,
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
        Some(code) if code.blame() == linkward_model::Blame::Missing => Exit::Unknown,
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
    let bytes = std::fs::read(question.bundle)
        .with_context(|| format!("cannot read {}", question.bundle.display()))?;
    let path = Path::new(question.artifact);
    let content;
    let digests;
    let artifact = if path.exists() {
        content = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        Artifact::Bytes(&content)
    } else {
        digests = [crate::commands::resolve(question.artifact)?.1];
        Artifact::Digests(&digests)
    };
    let signer = match &question.signer {
        Who::Certificate(subject, issuer) => Signer::Certificate { subject, issuer },
        Who::Key(key) => Signer::Key(key),
    };
    Ok(match linkward_prove::bundle(&bytes, &roots, signer, artifact, now) {
        Ok(proven) => Verified {
            version: VERSION,
            verified: true,
            code: None,
            message: "every check passed".to_owned(),
            artifact: question.artifact.to_owned(),
            signer: Some(proven.signer().clone()),
            proven_at: proven.proven_at(),
            trust_roots: Some(proven.roots()),
            checks: proven.checks().to_vec(),
        },
        Err(refusal) => Verified {
            version: VERSION,
            verified: false,
            code: Some(refusal.code),
            message: refusal.message.clone(),
            artifact: question.artifact.to_owned(),
            signer: None,
            proven_at: None,
            trust_roots: Some(roots.digest()),
            checks: refusal.checks,
        },
    })
}

fn text(result: &Verified, style: Style) -> String {
    use std::fmt::Write as _;
    let mut out = String::new();
    let state = if result.verified { "verified" } else { "NOT VERIFIED" };
    let _ = writeln!(out, "{} {}", style.strong(state), table::visible(&result.artifact));
    if let Some(signer) = &result.signer {
        let _ = writeln!(out, "  signer  {}", table::visible(&signer.to_string()));
    }
    if let Some(time) = result.proven_at {
        let _ = writeln!(out, "  signed  {time}");
    }
    let rows: Vec<_> = result
        .checks
        .iter()
        .map(|check| {
            let (mark, detail) = match &check.outcome {
                CheckOutcome::Passed => ("+ passed".to_owned(), check.detail.clone()),
                CheckOutcome::Failed { code } => ("x failed".to_owned(), format!("{code}: {}", check.detail)),
                CheckOutcome::Skipped { why } => ("- skipped".to_owned(), why.clone()),
            };
            ["  ".to_owned() + &mark, check.name.to_owned(), table::visible(&detail)]
        })
        .collect();
    out.push_str(&table::grid(&rows));
    if let Some(code) = result.code {
        let _ = writeln!(out, "\n{code}: {}\n  next: {}", table::visible(&result.message), code.fix());
    }
    out
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
