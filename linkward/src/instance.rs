//! Signing against a Sigstore instance, our own or another: how requests travel, and the proof before a bundle is kept.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use linkward_issue::client::{self, Chosen, Post, SigningConfig, Subject, Transport, UNLOGGED, Unlogged};
use linkward_issue::pkcs11::{Pkcs11Key, Pkcs11Uri, UriError};
use linkward_issue::sigstore::Refused;
use linkward_issue::{LocalKey, SigningKey};
use linkward_model::{Code, Exit, Instant};
use linkward_prove::{Artifact, PublicKey, Signer, TrustRoots};

use crate::cli;
use crate::client::{Client, Url};
use crate::commands::{nearest, print};
use crate::home::{Home, production_roots};
use crate::wire::Failure;

/// How long a service may take for one answer.
const PATIENCE: Duration = Duration::from_secs(15);
/// Waits between attempts where a service is away or overwhelmed.
const WAITS: [Duration; 2] = [Duration::from_millis(200), Duration::from_millis(1000)];
/// Longest statement: an SBOM of a hundred thousand components.
const MAX_STATEMENT: u64 = 128 << 20;

/// Requests over HTTP, to whom the system or a named file trusts.
struct Http {
    authorities: Option<Vec<u8>>,
}

impl Transport for Http {
    fn post(&self, request: &Post<'_>) -> Result<(u16, Vec<u8>), Refused> {
        let config = |error: anyhow::Error| {
            Refused::new(Code::SigningConfigMalformed, format!("{}: {error:#}", request.url))
        };
        let url = Url::parse(request.url).map_err(config)?;
        let client = Client::new(url, self.authorities.as_deref()).map_err(config)?;
        let bearer = request.bearer.map(|token| format!("Bearer {token}"));
        let mut headers = vec![("Content-Type", request.media.to_owned()), ("Accept", "*/*".to_owned())];
        headers.extend(bearer.map(|bearer| ("Authorization", bearer)));
        let mut waits = WAITS.iter();
        loop {
            let answer = client.send("POST", "", &headers, request.body, PATIENCE);
            let again = match &answer {
                Ok((status, _)) => matches!(status, 429 | 502..=504),
                Err(_) => true,
            };
            match (again.then(|| waits.next()).flatten(), answer) {
                (Some(wait), _) => std::thread::sleep(*wait),
                (None, Ok(answer)) => return Ok(answer),
                (None, Err(error)) => {
                    let message = format!("{}: {error:#}", request.url);
                    return Err(Refused::new(Code::SigningServiceUnreachable, message));
                }
            }
        }
    }
}

/// What came of it.
pub(crate) enum Outcome {
    /// A bundle that the trust root proves.
    Logged(String),
    /// A signature that no log holds yet, in the form that waits for one.
    Waiting { form: String, why: Failure },
}

/// Signs with what the options say: an identity token, or a key of one's own.
pub(crate) fn sign(subject: &Subject<'_>, args: &cli::Instance, home: Option<&Path>) -> Result<Outcome> {
    let home = nearest(home).ok();
    let config = config(args, home.as_ref())?;
    let http = Http { authorities: authorities(args.ca.as_deref())? };
    let now = Instant::now();
    let mut keyring = Vec::new();
    let unlogged = match (&args.identity_token, &args.key) {
        (Some(token), None) => {
            let chosen = config.choose(now, true)?;
            client::keyless(subject, &token_of(token)?, &chosen, &http)?
        }
        (None, Some(path)) => {
            let key = key(path)?;
            keyring.push(PublicKey::from_spki(key.public())?);
            client::keyed(subject, key.as_ref(), &config.choose(now, false)?, &http)?
        }
        _ => bail!("name either --identity-token or --key"),
    };
    match client::log(&unlogged, &http) {
        Ok(bundle) => {
            prove(&bundle, subject, &roots(args, home.as_ref())?, &keyring)?;
            Ok(Outcome::Logged(bundle))
        }
        Err(refused) if refused.code == Code::SigningServiceUnreachable => {
            Ok(Outcome::Waiting { form: unlogged.to_json(), why: refused.into() })
        }
        Err(refused) => Err(refused.into()),
    }
}

/// A key in a file, or in a token where a PKCS#11 URI names it.
fn key(named: &Path) -> Result<Box<dyn SigningKey>> {
    let Some(text) = named.to_str().filter(|text| text.starts_with("pkcs11:")) else {
        return Ok(Box::new(LocalKey::read(named)?));
    };
    let uri: Pkcs11Uri =
        text.parse().map_err(|error: UriError| Failure::new(Code::Pkcs11Uri, error.to_string()))?;
    let own = std::env::current_exe().context("this program's own path")?;
    let key = Pkcs11Key::open(&uri, &own, &["pkcs11-holder"])
        .map_err(|error| Failure::new(error.code, error.message))?;
    Ok(Box::new(key))
}

/// Has a waiting signature logged where its form says, or where the options do.
pub(crate) fn complete(unlogged: Unlogged, args: &cli::Instance, home: Option<&Path>) -> Result<String> {
    let home = nearest(home).ok();
    let http = Http { authorities: authorities(args.ca.as_deref())? };
    let unlogged = match &args.signing_config {
        Some(_) => {
            let Chosen { logs, .. } = config(args, home.as_ref())?.choose(Instant::now(), false)?;
            unlogged.with_logs(logs)
        }
        None => unlogged,
    };
    let bundle = client::log(&unlogged, &http)?;
    let roots = roots(args, home.as_ref())?;
    let signer = Signer::LeftToPolicy { keyring: &keyring(args)? };
    linkward_prove::bundle(bundle.as_bytes(), &roots, signer, Artifact::AnySubject, Instant::now())
        .map_err(|refusal| Failure::new(refusal.code, refusal.message))?;
    Ok(bundle)
}

/// Authorities of a file, or those that this system trusts.
pub(crate) fn authorities(named: Option<&Path>) -> Result<Option<Vec<u8>>> {
    match named {
        Some(path) => {
            let pem = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
            Ok(Some(pem))
        }
        None => Ok(crate::client::system_authorities()),
    }
}

/// A form that waits, or nothing where the file is something else.
pub(crate) fn waiting(bytes: &[u8]) -> Option<Result<Unlogged, Refused>> {
    let text = std::str::from_utf8(bytes).ok()?;
    text.contains(UNLOGGED).then(|| Unlogged::parse(bytes))
}

fn config(args: &cli::Instance, home: Option<&Home>) -> Result<SigningConfig> {
    let path = match (&args.signing_config, home) {
        (Some(path), _) => path.clone(),
        (None, Some(home)) => home.path().join("sigstore/signing_config.v0.2.json"),
        (None, None) => {
            let message = "no instance to sign with: name --signing-config, or run this below a home";
            return Err(Failure::new(Code::SigningServiceMissing, message).into());
        }
    };
    let bytes = std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
    SigningConfig::parse(&bytes).map_err(|refused| {
        Failure::new(refused.code, format!("{}: {}", path.display(), refused.message)).into()
    })
}

fn roots(args: &cli::Instance, home: Option<&Home>) -> Result<TrustRoots> {
    let path: PathBuf = match (&args.trusted_root, &args.signing_config, home) {
        (Some(path), _, _) => path.clone(),
        (None, None, Some(home)) => home.path().join("trusted_root.json"),
        _ => {
            let age = crate::config::Config::default().builtin_root_max_age_days;
            return production_roots(Instant::now(), age);
        }
    };
    let bytes = std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
    TrustRoots::parse(&bytes).map_err(|error| {
        Failure::new(Code::TrustRootMalformed, format!("{}: {error}", path.display())).into()
    })
}

fn keyring(args: &cli::Instance) -> Result<Vec<PublicKey>> {
    let Some(path) = &args.key else { return Ok(Vec::new()) };
    Ok(vec![PublicKey::from_spki(key(path)?.public())?])
}

/// What the services answered is a claim like anybody's until it is proven.
fn prove(bundle: &str, subject: &Subject<'_>, roots: &TrustRoots, keyring: &[PublicKey]) -> Result<()> {
    let signer = Signer::LeftToPolicy { keyring };
    let digests;
    let artifact = match subject {
        Subject::Artifact(digest) => {
            digests = [*digest];
            Artifact::Digests(&digests)
        }
        Subject::Statement(_) => Artifact::AnySubject,
    };
    let proven = linkward_prove::bundle(bundle.as_bytes(), roots, signer, artifact, Instant::now());
    proven.map(drop).map_err(|refusal| {
        let message = format!("what the instance answered does not hold: {}", refusal.message);
        Failure::new(refusal.code, message).into()
    })
}

/// A token, or the file that holds it: a command line is seen by every process of the machine.
fn token_of(given: &str) -> Result<String> {
    match given.strip_prefix('@') {
        None => Ok(given.trim().to_owned()),
        Some(path) => {
            let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {path}"))?;
            Ok(text.trim().to_owned())
        }
    }
}

/// The sigstore-conformance protocol: signs, or exits with something else than 0.
pub(crate) fn conformance(args: &cli::SignBundle, home: Option<&Path>) -> Result<Exit> {
    if args.staging {
        let message = "the staging instance is not built in; name its --signing-config and --trusted-root";
        return Err(Failure::new(Code::SigningServiceMissing, message).into());
    }
    let instance = cli::Instance {
        identity_token: Some(args.identity_token.clone()),
        key: None,
        signing_config: args.signing_config.clone(),
        trusted_root: args.trusted_root.clone(),
        ca: None,
    };
    let statement;
    let subject = if args.in_toto {
        statement = read_statement(&args.file)?;
        Subject::Statement(&statement)
    } else {
        Subject::Artifact(crate::commands::hash(&args.file)?)
    };
    match sign(&subject, &instance, home)? {
        Outcome::Logged(bundle) => {
            std::fs::write(&args.bundle, bundle)
                .with_context(|| format!("cannot write {}", args.bundle.display()))?;
            print("signed\n")?;
            Ok(Exit::Allowed)
        }
        Outcome::Waiting { why, .. } => Err(why.into()),
    }
}

/// A statement's bytes, which are signed as they are.
fn read_statement(path: &Path) -> Result<Vec<u8>> {
    let size = std::fs::metadata(path).with_context(|| format!("cannot read {}", path.display()))?.len();
    if size > MAX_STATEMENT {
        let message = format!("{} is larger than {MAX_STATEMENT} bytes", path.display());
        return Err(Failure::new(Code::TooLarge, message).into());
    }
    let bytes = std::fs::read(path)?;
    linkward_evidence::statement::Statement::parse(&bytes)
        .map_err(|fault| Failure::new(fault.code, format!("{}: {fault}", path.display())))?;
    Ok(bytes)
}
