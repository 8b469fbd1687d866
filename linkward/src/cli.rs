//! The command line: names, options and their help. What each command does stands in its own file.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use linkward_model::Environment;
use linkward_prove::{AtLeast, Expected};

use crate::later::Later;

/// Keeps every link of a software supply chain verified, from commit to running process.
#[derive(Debug, Parser)]
#[command(name = "linkward", version, max_term_width = 100, after_help = EXITS)]
pub(crate) struct Cli {
    /// The home folder [default: .linkward in the project, or in the nearest folder above]
    #[arg(long, global = true, env = "LINKWARD_HOME", value_name = "DIR", hide_env_values = true)]
    pub(crate) home: Option<PathBuf>,
    /// How results are printed
    #[arg(long, global = true, value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXITS: &str = "Exit codes: 0 allowed or clean; 1 denied; 2 usage, configuration or internal error;\n\
                     3 could not be decided (something needed is missing, unsupported or stale).";

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    Table,
    /// Versioned JSON on standard output
    Json,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Take a project through the chain, show the verdicts, then serve console, API, log and admission webhook
    Up(Later<Up>),
    /// Run a build step, record it, and sign its provenance
    Run(Later<Run>),
    /// Say whether an artifact may be used: exit code 0, 1 or 3
    Check(Later<Check>),
    /// Sign an artifact, log the signature, write the bundle: with this home's artifact key, an identity, or a key
    Sign(Later<Sign>),
    /// Sign a statement about an artifact, log the signature, write the bundle
    Attest(Later<Attest>),
    /// Attach bundles and SBOMs to an image in a registry, as its referrers
    Attach(Later<Attach>),
    /// List what is attached to an image, and fetch it: exit code 3 where nothing is
    Attached(Later<Attached>),
    /// Signatures that wait for a log
    #[command(subcommand)]
    Spool(Later<SpoolCommand>),
    /// The private Sigstore of this home
    #[command(subcommand)]
    Sigstore(Later<SigstoreCommand>),
    /// Replace a key of the private Sigstore; what it signed stays proven
    Rotate(Later<Rotate>),
    /// Verify Sigstore bundles, in-toto layouts, Notary Project signatures, Debian archives, RPM and Alpine packages offline
    Verify(Later<Verify>),
    /// Put private keys under a passphrase, or take them out
    #[command(subcommand)]
    Key(Later<KeyCommand>),
    /// Trust roots that a repository keeps current
    #[command(subcommand)]
    Trust(Later<crate::trust::TrustCommand>),
    /// Replay a verdict from the log alone and show its chain of evidence
    Explain(Later<Explain>),
    /// Record evidence that somebody else made: bundles, attestations, SBOMs
    #[command(subcommand)]
    Evidence(Later<EvidenceCommand>),
    /// The transparency log
    #[command(subcommand)]
    Log(Later<LogCommand>),
    /// Follow a tlog-tiles or Rekor v2 log: is it one and the same, and who signs in it
    Monitor(Later<crate::monitor::Monitor>),
    /// This home as a witness of other logs, and the witnesses that its own logs ask
    Witness,
    /// Copy the home into a folder, also while a daemon uses it
    Backup(Later<crate::backup::Backup>),
    /// Make a home from a backup; it goes on under new logs, which name the old ones
    Restore(Later<crate::backup::Restore>),
    /// The record as a whole
    #[command(subcommand)]
    Record(Later<RecordCommand>),
    /// Documents that are deleted when their time has come
    #[command(subcommand)]
    Retention(Later<crate::retention::RetentionCommand>),
    /// Legal holds: documents that stay whatever their age
    #[command(subcommand)]
    Hold(Later<crate::retention::HoldCommand>),
    /// The Kubernetes admission gate
    #[command(subcommand)]
    Admit(Later<crate::admit::AdmitCommand>),
    /// Revoke what passed once, or take a revocation back
    #[command(subcommand)]
    Revoke(Later<crate::revoke::RevokeCommand>),
    /// The deployment ledger
    #[command(subcommand)]
    Deploy(Later<crate::deploy::DeployCommand>),
    /// The newest revision of a workload that is safe to go back to, by what is true today
    Rollback(Later<crate::rollback::Rollback>),
    /// Build again everything that something bad went into, in order, and prove every result
    #[command(subcommand)]
    Rebuild(Later<crate::rebuild::RebuildCommand>),
    /// Whether a canary may go on: its integrity first, then its errors
    Canary(Later<crate::deploy::Canary>),
    /// The policy
    #[command(subcommand)]
    Policy(Later<crate::policy::PolicyCommand>),
    /// Notice attacks: events in, findings out
    #[command(subcommand)]
    Detect(Later<crate::detect::DetectCommand>),
    /// Tokens that open the console and its API
    #[command(subcommand)]
    Token(Later<crate::token::TokenCommand>),
    /// The ten measures against their targets, counted from the record
    Measures(Later<crate::measures::Measures>),
    /// The checklists and the maturity ladder, answered from the record
    Assess,
    /// Print the SBOM of a project's lockfiles, CycloneDX 1.6 JSON
    Sbom(Later<crate::sbom::Sbom>),
    /// What a VEX document says of a vulnerability in a component of a product
    Vex(Later<crate::vex::Vex>),
    /// Which recorded projects and artifacts contain a package
    Why(Later<Why>),
    /// Say of every component whether advisories know it to be bad
    Scan(Later<crate::scan::Args>),
    /// What was ever recorded of an advisory or a range of versions: exit code 1 where something is affected
    Affected(Later<crate::affected::Args>),
    /// What changed between two lockfiles, SBOMs or folders, and whether it may be trusted
    Diff(Later<crate::diff::Args>),
    /// Look at CI workflows, package manifests and text for what attackers use
    Inspect(Later<crate::inspect::Args>),
    /// The advisory database that `scan` compares with
    #[command(subcommand)]
    Advisory(Later<crate::advisory::Command>),
    /// What a reason code means and what to do
    Code(Later<CodeArgs>),
    /// Verify by the sigstore-conformance protocol
    #[command(hide = true)]
    VerifyBundle(Later<VerifyBundle>),
    /// Sign by the sigstore-conformance protocol
    #[command(hide = true)]
    SignBundle(Later<SignBundle>),
    /// The process that holds the keys; started by the others
    #[command(hide = true)]
    Signer(Later<SignerArgs>),
    /// The process that loads a PKCS#11 module; started by the one that signs
    #[command(hide = true)]
    Pkcs11Holder,
    /// The process that records what another one scans; started by that one
    #[command(hide = true)]
    ScanKeeper,
    /// Prints the command reference as Markdown
    #[command(hide = true)]
    CliReference,
}

#[derive(Debug, Args)]
pub(crate) struct Up {
    /// The project
    #[arg(default_value = ".", value_name = "PATH")]
    pub(crate) path: PathBuf,
    /// Stop after the table, with the verdict's exit code
    #[arg(long)]
    pub(crate) no_serve: bool,
    /// A further artifact to observe; may be repeated
    #[arg(long = "artifact", value_name = "FILE")]
    pub(crate) artifacts: Vec<PathBuf>,
    /// The environment whose policy decides
    #[arg(long, value_name = "NAME")]
    pub(crate) environment: Option<Environment>,
}

#[derive(Debug, Args)]
pub(crate) struct Run {
    /// Where products appear: a glob below the project; may be repeated [default: by convention]
    #[arg(long = "product", value_name = "GLOB")]
    pub(crate) products: Vec<String>,
    /// The step's name
    #[arg(long, default_value = "build")]
    pub(crate) step: String,
    /// An environment variable to record; may be repeated
    #[arg(long = "env", value_name = "NAME")]
    pub(crate) variables: Vec<String>,
    /// An in-toto layout that must plan this step: its name, command, materials, and this home's step key
    #[arg(long, value_name = "FILE")]
    pub(crate) layout: Option<PathBuf>,
    /// Succeed where the log is away: the signatures wait for it, and prove nothing until then
    #[arg(long)]
    pub(crate) allow_spool: bool,
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "CMD")]
    pub(crate) command: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Check {
    /// Files, or digests as sha256:HEX
    #[arg(required_unless_present = "terraform_plan", value_name = "FILE|DIGEST")]
    pub(crate) targets: Vec<String>,
    /// The environment whose policy decides
    #[arg(long, value_name = "NAME")]
    pub(crate) environment: Option<Environment>,
    #[command(flatten)]
    pub(crate) plan: crate::plan::PlanArgs,
}

/// A Sigstore instance, and whom to sign as: without a token or key, this home's artifact key signs.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Instance {
    /// Sign as whom this OIDC token names, with a key that lives for this signature; @FILE reads it from a file
    #[arg(long, value_name = "TOKEN", conflicts_with = "key", hide_env_values = true)]
    pub(crate) identity_token: Option<String>,
    /// Sign with a private key of your own: P-256 in a PEM file, or in a token: 'pkcs11:token=T;object=O?module-path=M'
    #[arg(long, value_name = "PEM|PKCS11-URI")]
    pub(crate) key: Option<PathBuf>,
    /// signing_config.v0.2.json of the instance [default: this home's own]
    #[arg(long, value_name = "FILE")]
    pub(crate) signing_config: Option<PathBuf>,
    /// trusted_root.json that the result must prove by [default: this home's own, or the public-good instance]
    #[arg(long, value_name = "FILE")]
    pub(crate) trusted_root: Option<PathBuf>,
    /// The authority of the services' TLS certificates, PEM [default: the system's]
    #[arg(long, value_name = "PEM")]
    pub(crate) ca: Option<PathBuf>,
}

impl Instance {
    /// Whether somebody else than the home's artifact key signs.
    pub(crate) fn named(&self) -> bool {
        self.identity_token.is_some() || self.key.is_some()
    }
}

#[derive(Debug, Args)]
pub(crate) struct SignBundle {
    #[arg(long)]
    pub(crate) staging: bool,
    #[arg(long)]
    pub(crate) in_toto: bool,
    #[arg(long)]
    pub(crate) identity_token: String,
    #[arg(long)]
    pub(crate) bundle: PathBuf,
    #[arg(long)]
    pub(crate) trusted_root: Option<PathBuf>,
    #[arg(long)]
    pub(crate) signing_config: Option<PathBuf>,
    pub(crate) file: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Attach {
    /// The image: REGISTRY/NAME[:TAG][@DIGEST]
    #[arg(value_name = "IMAGE")]
    pub(crate) image: String,
    /// Sigstore bundles about the image, or SBOMs
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Attached {
    /// The image: REGISTRY/NAME[:TAG][@DIGEST]
    #[arg(value_name = "IMAGE")]
    pub(crate) image: String,
    /// Write what is attached into this folder, named by digest
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    /// Encrypt keys: PKCS#8 with scrypt; passphrase by LINKWARD_KEY_PASSPHRASE, LINKWARD_KEY_PASSPHRASE_FILE or terminal
    Encrypt {
        /// Key files, PEM [default: all of this home]
        #[arg(value_name = "FILE")]
        files: Vec<PathBuf>,
    },
    /// Write keys in the clear again
    Decrypt {
        /// Key files, PEM [default: all of this home]
        #[arg(value_name = "FILE")]
        files: Vec<PathBuf>,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum SpoolCommand {
    /// Show what waits in this home: exit code 3 where something does
    List,
    /// Have what waits logged: everything in this home, or the named files
    Flush {
        /// Files that hold unlogged signatures; each is replaced by its bundle
        #[arg(value_name = "FILE")]
        files: Vec<PathBuf>,
        #[command(flatten)]
        instance: Instance,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Sign {
    /// Where the bundle goes [default: FILE.sigstore.json]
    #[arg(long, value_name = "OUT")]
    pub(crate) bundle: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) instance: Instance,
    /// Succeed where the log is away: the signature waits for it, and proves nothing until then
    #[arg(long)]
    pub(crate) allow_spool: bool,
    /// The artifact: a file, or a digest as sha256:HEX
    #[arg(value_name = "FILE|DIGEST")]
    pub(crate) file: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Attest {
    /// The predicate, JSON
    #[arg(long, value_name = "F")]
    pub(crate) predicate: PathBuf,
    /// The predicate's type: a URI, or cyclonedx, spdx, openvex, slsa-provenance, vuln
    #[arg(long = "type", value_name = "T")]
    pub(crate) kind: String,
    /// Where the bundle goes [default: FILE.TYPE.sigstore.json]
    #[arg(long, value_name = "OUT")]
    pub(crate) bundle: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) instance: Instance,
    /// Succeed where the log is away: the signature waits for it, and proves nothing until then
    #[arg(long)]
    pub(crate) allow_spool: bool,
    /// The artifact: a file, or a digest as sha256:HEX
    #[arg(value_name = "FILE|DIGEST")]
    pub(crate) file: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Rotate {
    #[arg(value_enum)]
    pub(crate) what: Rotated,
    /// For how long the older key is still trusted for new signatures
    #[arg(long, default_value_t = 24, value_name = "HOURS")]
    pub(crate) overlap: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Rotated {
    /// The certificate authority, with a new root
    Ca,
    /// The certificate log's key
    Ct,
    /// The timestamp authority, with a new root
    Tsa,
    /// The signing log's key; the log stays the same
    Log,
    /// The key of what people ask to be signed
    SigningKey,
    /// The TUF repository's root key, and with it the keys of the other roles
    TufRoot,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SigstoreCommand {
    /// Make the private Sigstore of a home that has none
    Init,
    /// Where it is reached, its logs, authorities and issuers
    Show,
    /// Print the trust root, signing configuration, or both as sigstore-python's trust config
    Print {
        #[arg(value_enum)]
        what: SigstoreDocument,
    },
    /// An identity token of this home's test issuer, if the settings allow it
    Token {
        /// The subject: a URI or an e-mail address
        #[arg(long, value_name = "SUB")]
        subject: String,
        #[arg(long, default_value = "sigstore", value_name = "AUD")]
        audience: String,
        /// How long it holds
        #[arg(long, default_value_t = 300, value_name = "SECONDS", allow_negative_numbers = true)]
        lifetime: i64,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum SigstoreDocument {
    TrustedRoot,
    SigningConfig,
    TrustConfig,
}

#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// The bundle, JSON; may be repeated, each must hold
    #[arg(long = "bundle", value_name = "FILE", required_unless_present_any = ["layout", "notation", "in_release", "rpm_keyring", "apk_keys"])]
    pub(crate) bundles: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) layout: crate::layout::LayoutArgs,
    #[command(flatten)]
    pub(crate) notation: crate::notation::NotationArgs,
    #[command(flatten)]
    pub(crate) release: crate::release::ReleaseArgs,
    #[command(flatten)]
    pub(crate) rpm: crate::rpm::RpmArgs,
    #[command(flatten)]
    pub(crate) apk: crate::apk::ApkArgs,
    /// Who must have signed: exact, a glob with * and **, or regex:... (anchored); may be repeated
    #[arg(long = "identity", value_name = "PATTERN", requires = "issuers")]
    pub(crate) identities: Vec<String>,
    /// The OIDC issuer that vouched for the signer: one for all identities, or one for each
    #[arg(long = "issuer", value_name = "PATTERN", requires = "identities")]
    pub(crate) issuers: Vec<String>,
    /// The signer's public key, PEM; may be repeated
    #[arg(long = "key", value_name = "PEM")]
    pub(crate) keys: Vec<PathBuf>,
    /// A list of keys with their validity, as npm and Sigstore publish it; each is a signer that may count
    #[arg(long, value_name = "FILE")]
    pub(crate) key_list: Option<PathBuf>,
    /// How many of the identities and keys must have signed, each by a bundle of its own; then bundles beyond may fail
    #[arg(long, value_name = "COUNT")]
    pub(crate) signers: Option<AtLeast>,
    /// How many different transparency logs must hold each signature
    #[arg(long, value_name = "COUNT")]
    pub(crate) logs: Option<AtLeast>,
    /// How many different timestamp authorities must vouch for the time of each signature
    #[arg(long, value_name = "COUNT")]
    pub(crate) timestamps: Option<AtLeast>,
    /// What the certificate must say of the build, as source-repository-ref=refs/heads/main; may be repeated
    #[arg(long = "extension", value_name = "NAME=PATTERN")]
    pub(crate) extensions: Vec<Expected>,
    /// trusted_root.json of the instance that signed [default: the public-good instance, built in]
    #[arg(long, value_name = "FILE")]
    pub(crate) trusted_root: Option<PathBuf>,
    /// The trust root that `linkward trust` keeps under this name
    #[arg(long, value_name = "NAME", conflicts_with = "trusted_root")]
    pub(crate) trust: Option<String>,
    /// The artifact: a file, or a digest as sha256:HEX
    #[arg(value_name = "ARTIFACT|DIGEST")]
    pub(crate) artifact: String,
}

#[derive(Debug, Args)]
pub(crate) struct VerifyBundle {
    #[arg(long)]
    pub(crate) staging: bool,
    #[arg(long)]
    pub(crate) bundle: PathBuf,
    #[arg(long)]
    pub(crate) certificate_identity: Option<String>,
    #[arg(long)]
    pub(crate) certificate_oidc_issuer: Option<String>,
    #[arg(long)]
    pub(crate) key: Option<PathBuf>,
    #[arg(long)]
    pub(crate) trusted_root: Option<PathBuf>,
    pub(crate) artifact: String,
}

#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// A record's number, or an artifact's digest
    #[arg(value_name = "ID")]
    pub(crate) id: String,
}

#[derive(Debug, Subcommand)]
pub(crate) enum EvidenceCommand {
    /// Check a document and record it with its proof or its refusal
    Add {
        /// Bundles, SBOMs, VEX, statements; Notation signatures, in-toto layouts, InRelease files by whom `[trust]` names
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// Where the links of layouts lie, as STEP.KEYID.link [default: each layout's folder]
        #[arg(long, value_name = "DIR")]
        link_dir: Option<PathBuf>,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum LogCommand {
    /// Read every tile, entry and blob, and name the first thing that is wrong
    Verify,
    /// Print the signed checkpoint
    Checkpoint,
    /// List records, newest first
    List {
        /// Only records of this kind
        #[arg(long)]
        kind: Option<String>,
        #[arg(long, default_value_t = 20)]
        limit: usize,
    },
    /// Show one record with its inclusion proof
    Show { index: u64 },
    /// Print a proof of an entry that anybody can verify offline, as c2sp.org/tlog-proof@v1
    Proof(crate::log_proof::Proof),
    /// Entries by digest, signer, issuer, repository or package, with the proof that none is left out
    Lookup(crate::lookup::Lookup),
    /// Verify such an answer: that its entries are in the log, and that no other carries what was asked for
    VerifyLookup(crate::lookup::VerifyLookup),
    /// Verify such a proof: signature of the log, place of the entry, witnesses
    VerifyProof(crate::log_proof::VerifyProof),
}

#[derive(Debug, Subcommand)]
pub(crate) enum RecordCommand {
    /// Make the index again from logs and blobs, in another folder
    Rebuild {
        #[arg(long, value_name = "DIR")]
        to: PathBuf,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Why {
    /// A purl, or the start of one: pkg:cargo/serde
    #[arg(value_name = "PKG")]
    pub(crate) package: String,
}

#[derive(Debug, Args)]
pub(crate) struct CodeArgs {
    /// The code; all of them where none is named
    pub(crate) code: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct SignerArgs {
    #[arg(long)]
    pub(crate) keys: PathBuf,
}

/// The command reference as Markdown, made from the same definitions as `--help`.
pub(crate) fn reference() -> String {
    use clap::CommandFactory as _;
    let mut out = String::from("# Command reference\n\nMade by `linkward cli-reference`; do not edit.\n");
    let mut root = Cli::command();
    root.build();
    describe(&root, &mut out);
    out
}

fn describe(command: &clap::Command, out: &mut String) {
    let mut command = command.clone().term_width(100);
    let name = command.get_bin_name().unwrap_or_else(|| command.get_name()).to_owned();
    let help = command.render_long_help().to_string();
    let trimmed: Vec<&str> = help.lines().map(str::trim_end).collect();
    out.push_str(&format!("\n## {name}\n\n```text\n{}\n```\n", trimmed.join("\n").trim_end()));
    let children: Vec<_> =
        command.get_subcommands().filter(|c| !c.is_hide_set() && c.get_name() != "help").cloned().collect();
    for child in &children {
        describe(child, out);
    }
}
