//! `admit`: the gate's mode, its files for clusters and nodes, break-glass, and reviews for those who want to know.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::{Args, Subcommand};
use linkward_deploy::GlassRequest;
use linkward_ledger::note::{Note, signature_line};
use linkward_model::{Code, Digest, Exit, Instant};
use serde_json::{Value, json};

use crate::access::Access;
use crate::cli::Format;
use crate::commands::{nearest, print, print_json};
use crate::revoke::show;
use crate::wire::{Admit, Failure, ManifestOptions, Request};

#[derive(Debug, Subcommand)]
pub(crate) enum AdmitCommand {
    /// Print what to apply: the webhook, and the gate's replicas where it is to run inside the cluster
    Manifest(Manifest),
    /// Refuse what is not allowed; refuses itself until what was seen is covered
    Enforce,
    /// Allow everything, with warnings
    Observe,
    /// The mode, what was seen, and what enforcing would break
    Status,
    /// Answer an AdmissionReview as the webhook would
    Review {
        /// The review, JSON
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// The webhook's path, which may end in a mode
        #[arg(long, default_value = "/admit")]
        path: String,
    },
    /// Decide about images as the webhook would: exit code 0, 1 or 3
    Image {
        #[arg(required = true, value_name = "REFERENCE")]
        images: Vec<String>,
        #[arg(long, default_value = "default")]
        namespace: String,
    },
    /// A signed, scoped, expiring permission for one image to pass
    #[command(subcommand)]
    BreakGlass(GlassCommand),
    /// Write the verdicts into a file for gates elsewhere
    Snapshot {
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Make a certificate for a gate elsewhere, by the authority that the webhook configuration names
    Certificate(Certificate),
    /// Serve the webhook from another record's feed, with no record of its own
    Serve(crate::replica::Serve),
    /// Fetch a snapshot for a node from a record's feed
    Fetch(crate::replica::Fetch),
    /// Answer containerd's image verifier protocol from a snapshot
    ImageVerifier(crate::node::ImageVerifier),
}

#[derive(Debug, Args)]
pub(crate) struct Manifest {
    /// The URL that the API server calls [default: the address of the running daemon]
    #[arg(long)]
    url: Option<String>,
    /// Run the gate inside the cluster, from this image, by digest
    #[arg(long, value_name = "REFERENCE", requires = "feed")]
    image: Option<String>,
    /// Where the gates inside find the record's feed: https://HOST:PORT/gate
    #[arg(long, value_name = "URL", requires = "image")]
    feed: Option<String>,
    #[arg(long, default_value_t = 2)]
    replicas: u32,
    /// Write one file a resource and a kustomization into this folder instead
    #[arg(long, value_name = "DIR")]
    kustomize: Option<PathBuf>,
    /// Write the webhook as files of the API server's own into this folder: in force from its start, deleted by nobody through the API
    #[arg(long = "static", value_name = "DIR", conflicts_with_all = ["image", "kustomize"])]
    static_folder: Option<PathBuf>,
    /// Where that folder will be on the control plane's machine [default: the same]
    #[arg(long, value_name = "PATH", requires = "static_folder")]
    static_path: Option<PathBuf>,
    /// Print the account for [cluster] in linkward.toml instead: one that may see workloads, or take them back too
    #[arg(long, value_enum, conflicts_with_all = ["url", "image", "kustomize", "static_folder"])]
    roles: Option<Roles>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Roles {
    Watch,
    Rollback,
}

#[derive(Debug, Args)]
pub(crate) struct Certificate {
    /// A name that the gate is called by; may be repeated [default: the service inside the cluster]
    #[arg(long = "name", value_name = "NAME", default_value = "linkward.linkward.svc")]
    names: Vec<String>,
    #[arg(long, default_value_t = 90)]
    days: i64,
    /// Write tls.crt, tls.key and ca.crt into this folder
    #[arg(long, value_name = "DIR", required_unless_present = "secret")]
    out: Option<PathBuf>,
    /// Print the Kubernetes Secret to apply
    #[arg(long, conflicts_with = "out")]
    secret: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum GlassCommand {
    /// Make a person's key; prints the line for `break_glass_keys` in linkward.toml
    Key {
        /// The person's name, as the record will show it
        name: String,
        /// Where the private key goes
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Ask for a digest to pass in a namespace, and sign
    Sign(SignGlass),
    /// Add a second person's signature
    Cosign {
        #[arg(value_name = "FILE")]
        file: PathBuf,
        #[command(flatten)]
        by: Signer,
    },
    /// Have it verified, recorded and obeyed
    Use {
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Signer {
    /// The person's name
    #[arg(long)]
    name: String,
    /// The person's private key
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct SignGlass {
    #[arg(long)]
    digest: Digest,
    #[arg(long)]
    namespace: String,
    /// For how long, at most a day
    #[arg(long, value_name = "MINUTES", default_value_t = 60)]
    minutes: i64,
    #[arg(long)]
    reason: String,
    #[command(flatten)]
    by: Signer,
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

pub(crate) fn admit(command: AdmitCommand, home: Option<&Path>, format: Format) -> Result<Exit> {
    let ask = match command {
        AdmitCommand::Serve(args) => return crate::replica::serve(&args),
        AdmitCommand::Fetch(args) => return crate::replica::fetch(&args),
        AdmitCommand::ImageVerifier(args) => return crate::node::verify(&args),
        AdmitCommand::BreakGlass(command) => return glass(command, home, format),
        AdmitCommand::Manifest(args) => return manifest(args, home),
        AdmitCommand::Certificate(args) => return certificate(&args, home),
        AdmitCommand::Snapshot { out } => return snapshot(&out, home, format),
        AdmitCommand::Image { images, namespace } => return decide(&images, &namespace, home, format),
        AdmitCommand::Review { file, path } => return review(&file, path, home, format),
        AdmitCommand::Enforce => Admit::Enforce,
        AdmitCommand::Observe => Admit::Observe,
        AdmitCommand::Status => Admit::Status,
    };
    let answer = asked(home, ask)?;
    show(&answer, format)?;
    let refused = answer.get("refused").and_then(Value::as_bool).unwrap_or(false);
    Ok(if refused { Exit::Denied } else { Exit::Allowed })
}

fn asked(home: Option<&Path>, ask: Admit) -> Result<Value> {
    Access::open(&nearest(home)?)?.ask(Request::Admit { ask })
}

fn text<'a>(answer: &'a Value, name: &str) -> &'a str {
    answer.get(name).and_then(Value::as_str).unwrap_or("")
}

fn manifest(args: Manifest, home: Option<&Path>) -> Result<Exit> {
    if let Some(roles) = args.roles {
        print(&linkward_deploy::roles(roles == Roles::Rollback))?;
        return Ok(Exit::Allowed);
    }
    if let Some(image) = &args.image {
        let parsed = linkward_deploy::ImageRef::parse(image)?;
        anyhow::ensure!(parsed.digest.is_some(), "name the gate's own image by digest: `{image}` has none");
    }
    if let Some(feed) = &args.feed {
        crate::client::Url::parse(feed)?;
    }
    let static_place = match (&args.static_folder, args.static_path) {
        (Some(_), Some(place)) => {
            anyhow::ensure!(
                place.is_absolute(),
                "--static-path is where the folder will be: an absolute path"
            );
            Some(place.join("static"))
        }
        (Some(folder), None) => Some(std::path::absolute(folder)?.join("static")),
        (None, _) => None,
    };
    let options =
        ManifestOptions { image: args.image, feed: args.feed, replicas: args.replicas.max(1), static_place };
    let answer = asked(home, Admit::Manifest { url: args.url, options })?;
    let Some(folder) = args.kustomize.or(args.static_folder) else {
        print(text(&answer, "manifest"))?;
        return Ok(Exit::Allowed);
    };
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    for file in answer.get("files").and_then(Value::as_array).into_iter().flatten() {
        let path = folder.join(text(file, "name"));
        std::fs::create_dir_all(path.parent().unwrap_or(&folder))?;
        std::fs::write(&path, text(file, "text"))
            .with_context(|| format!("cannot write {}", path.display()))?;
        print(&format!("{}\n", path.display()))?;
    }
    Ok(Exit::Allowed)
}

fn certificate(args: &Certificate, home: Option<&Path>) -> Result<Exit> {
    anyhow::ensure!((1..=825).contains(&args.days), "a certificate is good for 1 to 825 days");
    let answer = asked(home, Admit::Certificate { names: args.names.clone(), days: args.days })?;
    let (certificate, key) = (text(&answer, "certificate"), text(&answer, "key"));
    let authority = text(&answer, "authority");
    match &args.out {
        None => print(&linkward_deploy::secret(certificate, key, authority))?,
        Some(folder) => {
            std::fs::create_dir_all(folder)?;
            for (name, content, mode) in
                [("tls.crt", certificate, 0o644), ("tls.key", key, 0o600), ("ca.crt", authority, 0o644)]
            {
                replace(&folder.join(name), content.as_bytes(), mode)?;
            }
            print(&format!(
                "{}: tls.crt, tls.key and ca.crt for {}, good for {} days\n",
                folder.display(),
                args.names.join(", "),
                args.days
            ))?;
        }
    }
    Ok(Exit::Allowed)
}

/// Writes a file beside its place and moves it there: a reader sees the old one or the new one.
pub(crate) fn replace(path: &Path, bytes: &[u8], mode: u32) -> Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let draft = path.with_extension(format!("new-{}", std::process::id()));
    let _ = std::fs::remove_file(&draft);
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&draft)
        .with_context(|| format!("cannot write {}", draft.display()))?;
    file.write_all(bytes).and_then(|()| file.sync_all())?;
    std::fs::rename(&draft, path).with_context(|| format!("cannot write {}", path.display()))
}

fn snapshot(out: &Path, home: Option<&Path>, format: Format) -> Result<Exit> {
    use base64::Engine as _;
    let answer = asked(home, Admit::Snapshot)?;
    let bytes = base64::engine::general_purpose::STANDARD.decode(text(&answer, "snapshot"))?;
    replace(out, &bytes, 0o644)?;
    let count = |name: &str| answer.get(name).and_then(Value::as_u64).unwrap_or(0);
    let said =
        format!("{}: {} verdicts, {} revocation records\n", out.display(), count("verdicts"), count("epoch"));
    let answer = json!({ "version": crate::wire::VERSION, "file": out, "verdicts": count("verdicts"),
                         "epoch": count("epoch"), "bytes": bytes.len(), "text": said });
    show(&answer, format)?;
    Ok(Exit::Allowed)
}

fn exit_of(outcome: &str) -> Exit {
    match outcome {
        "allow" => Exit::Allowed,
        "deny" => Exit::Denied,
        _ => Exit::Unknown,
    }
}

/// Denied before unknown before allowed.
fn worse(one: Exit, two: Exit) -> Exit {
    match (one, two) {
        (Exit::Denied, _) | (_, Exit::Denied) => Exit::Denied,
        (one, two) => one.max(two),
    }
}

fn decide(images: &[String], namespace: &str, home: Option<&Path>, format: Format) -> Result<Exit> {
    let access = Access::open(&nearest(home)?)?;
    let mut exit = Exit::Allowed;
    let mut answers = Vec::new();
    for image in images {
        let ask = Admit::Image { image: image.clone(), namespace: namespace.to_owned(), resolved: None };
        let answer: Value = access.ask(Request::Admit { ask })?;
        exit = worse(exit, exit_of(text(&answer, "outcome")));
        if format == Format::Table {
            print(&format!(
                "{} {}\n",
                text(&answer, "outcome"),
                crate::table::visible(text(&answer, "message"))
            ))?;
        }
        answers.push(answer);
    }
    if format == Format::Json {
        print_json(&answers)?;
    }
    Ok(exit)
}

fn review(file: &Path, path: String, home: Option<&Path>, format: Format) -> Result<Exit> {
    let body = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let answer = asked(home, Admit::Review { body, path })?;
    match format {
        Format::Json => print_json(&answer)?,
        Format::Table => print(&format!("{}\n", text(&answer, "answer")))?,
    }
    Ok(exit_of(text(&answer, "outcome")))
}

fn glass(command: GlassCommand, home: Option<&Path>, format: Format) -> Result<Exit> {
    match command {
        GlassCommand::Key { name, out } => {
            let key = linkward_issue::person::create(&out, &name)?;
            print(&format!("{}\n", key))?;
        }
        GlassCommand::Sign(args) => {
            anyhow::ensure!((1..=1440).contains(&args.minutes), "a break-glass runs for 1 to 1440 minutes");
            let request = GlassRequest {
                digest: args.digest,
                namespace: args.namespace,
                until: Instant::from_seconds(Instant::now().seconds()).plus_millis(args.minutes * 60_000),
                reason: args.reason,
            };
            let text = request.text();
            // What does not read back as it was meant must not be signed.
            GlassRequest::parse(&text).context("namespace and reason are one line each")?;
            let note = format!("{text}\n{}", signature(&args.by, &text)?);
            replace(&args.out, note.as_bytes(), 0o644)?;
            print(&format!(
                "{}\nsigned by {}; next: linkward admit break-glass use {}\n",
                text.trim_end(),
                args.by.name,
                args.out.display()
            ))?;
        }
        GlassCommand::Cosign { file, by } => {
            let bytes = std::fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
            let note = Note::parse(&bytes)
                .map_err(|error| Failure::new(Code::BreakGlassInvalid, error.to_string()))?;
            GlassRequest::parse(note.text())
                .map_err(|error| Failure::new(Code::BreakGlassInvalid, error.to_string()))?;
            let mut text = String::from_utf8(bytes).context("the note is not text")?;
            text.push_str(&signature(&by, note.text())?);
            replace(&file, text.as_bytes(), 0o644)?;
            print(&format!("{}\nsigned by {} too\n", note.text().trim_end(), by.name))?;
        }
        GlassCommand::Use { file } => {
            let note =
                std::fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
            show(&asked(home, Admit::BreakGlass { note })?, format)?;
        }
    }
    Ok(Exit::Allowed)
}

fn signature(by: &Signer, text: &str) -> Result<String> {
    if by.name.is_empty() {
        bail!("a signature needs a name");
    }
    let (key, signature) = linkward_issue::person::sign(&by.key, &by.name, text.as_bytes())?;
    Ok(signature_line(&key, &signature))
}
