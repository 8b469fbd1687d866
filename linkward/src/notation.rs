//! `linkward verify --notation`: Notary Project signatures, with the trust that the command line names.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use clap::Args;
use linkward_evidence::rekor::from_pem;
use linkward_model::{Code, Digest, Instant};
use linkward_prove::{NotationSignature, NotationTrust, Proven, Refusal, TrustedSubject, notation};

use crate::wire::Failure;

#[derive(Debug, Args)]
pub(crate) struct NotationArgs {
    /// A Notary Project signature, JWS or COSE, instead of bundles
    #[arg(long, value_name = "FILE", requires = "subjects", conflicts_with_all = ["bundles", "layout", "identities", "keys", "key_list", "signers", "trusted_root", "trust"])]
    pub(crate) notation: Option<PathBuf>,
    /// Trust store `ca`: a certificate, PEM; may be repeated
    #[arg(long = "notation-ca", value_name = "PEM", requires = "notation")]
    authorities: Vec<PathBuf>,
    /// Trust store `signingAuthority`: a certificate, PEM; may be repeated
    #[arg(long = "notation-signing-authority", value_name = "PEM", requires = "notation")]
    signing_authorities: Vec<PathBuf>,
    /// Trust store `tsa`: a timestamp authority's certificate, PEM; may be repeated
    #[arg(long = "notation-tsa", value_name = "PEM", requires = "notation")]
    timestamp_authorities: Vec<PathBuf>,
    /// Who must have signed: `x509.subject: C=US, ST=WA, O=example.com`, or `*`; may be repeated
    #[arg(long = "notation-identity", value_name = "IDENTITY", requires = "notation")]
    subjects: Vec<TrustedSubject>,
}

pub(crate) fn prove(
    args: &NotationArgs,
    path: &Path,
    artifact: &[Digest],
    now: Instant,
) -> Result<Result<Proven<NotationSignature>, Box<Refusal>>> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let store = |paths: &[PathBuf]| paths.iter().map(|path| certificate(path)).collect::<Result<Vec<_>>>();
    let trust = NotationTrust {
        authorities: store(&args.authorities)?,
        signing_authorities: store(&args.signing_authorities)?,
        timestamp_authorities: store(&args.timestamp_authorities)?,
        subjects: args.subjects.clone(),
    };
    Ok(notation(&bytes, &trust, artifact, now))
}

fn certificate(path: &Path) -> Result<Vec<u8>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    from_pem(&text).ok_or_else(|| {
        let what = format!("{}: not a PEM certificate", path.display());
        Failure::new(Code::TrustRootMalformed, what).into()
    })
}
