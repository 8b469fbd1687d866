//! The clients that sign against the private Sigstore: others' as they come, and ours.

use std::path::{Path, PathBuf};
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use linkward_tests::{Project, root};
use serde_json::Value;

use super::{SUBJECT, instance, token};

/// A client that signs and verifies.
pub(super) trait Client {
    fn name(&self) -> &'static str;
    /// Whether it compares a statement's subjects with the artifact; who does not can only be asked about blobs.
    fn looks_at_the_artifact(&self) -> bool {
        true
    }
    fn sign(&self, home: &Home<'_>, kind: &str, bundle: &Path) -> Result<(), String>;
    /// Whether it can verify at all: `None` where this version is known not to.
    fn verify(&self, home: &Home<'_>, kind: &str, bundle: &Path) -> Option<Result<(), String>>;
}

pub(super) struct Home<'a> {
    pub(super) project: &'a Project,
    pub(super) url: String,
    pub(super) issuer: String,
}

impl Home<'_> {
    pub(super) fn file(&self, kind: &str) -> PathBuf {
        self.project.path().join(if kind == "dsse" { "statement.json" } else { "a.txt" })
    }

    fn config(&self) -> PathBuf {
        self.project.path().join(".linkward/sigstore/client_trust_config.json")
    }
}

pub(super) fn finished(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|error| error.to_string())?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() { Ok(()) } else { Err(text(&output.stdout) + &text(&output.stderr)) }
}

pub(super) struct Python(pub(super) PathBuf);

impl Client for Python {
    fn name(&self) -> &'static str {
        "sigstore-python"
    }

    fn sign(&self, home: &Home<'_>, kind: &str, bundle: &Path) -> Result<(), String> {
        let token = token(home.project, &[]);
        let mut command = Command::new(&self.0);
        command.arg("--trust-config").arg(home.config());
        if kind == "dsse" {
            command.arg("attest").args(["--predicate-type", "https://slsa.dev/provenance/v1"]);
            command.arg("--predicate").arg(home.project.path().join("provenance.json"));
        } else {
            command.arg("sign");
        }
        command.args(["--identity-token", &token]).arg("--bundle").arg(bundle);
        finished(command.arg(home.project.path().join("a.txt")))
    }

    fn verify(&self, home: &Home<'_>, _: &str, bundle: &Path) -> Option<Result<(), String>> {
        let mut command = Command::new(&self.0);
        command.arg("--trust-config").arg(home.config()).args(["verify", "identity"]);
        command.arg("--bundle").arg(bundle).args(["--cert-identity", SUBJECT]);
        command.args(["--cert-oidc-issuer", &home.issuer]).arg(home.project.path().join("a.txt"));
        Some(finished(&mut command))
    }
}

/// sigstore-js of a major version, in a folder of its own, and the Node to run it.
pub(super) struct Js {
    name: &'static str,
    node: PathBuf,
    modules: PathBuf,
}

impl Js {
    pub(super) fn find(name: &'static str, version: &str) -> Option<Self> {
        let folder = root().join("target/clients");
        let (node, modules) = (folder.join("js-5/node_modules/.bin/node"), folder.join(version));
        let there = node.exists() && modules.join("node_modules/@sigstore/sign").exists();
        there.then_some(Self { name, node, modules })
    }

    pub(super) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.node);
        command.arg(root().join("tests/testdata/clients/sigstore.mjs")).arg(&self.modules).args(arguments);
        command
    }
}

impl Client for Js {
    fn name(&self) -> &'static str {
        self.name
    }

    fn looks_at_the_artifact(&self) -> bool {
        false
    }

    fn sign(&self, home: &Home<'_>, kind: &str, bundle: &Path) -> Result<(), String> {
        let token = token(home.project, &[]);
        let mut command = self.command(&["sign", kind, &home.url, &token]);
        finished(command.arg(bundle).arg(home.file(kind)))
    }

    fn verify(&self, home: &Home<'_>, kind: &str, bundle: &Path) -> Option<Result<(), String>> {
        if !self.modules.join("node_modules/@sigstore/verify").exists() {
            return None;
        }
        let mut command = self.command(&["verify", kind]);
        command.arg(home.project.path().join(".linkward/trusted_root.json")).arg(bundle);
        Some(finished(command.arg(home.file(kind))))
    }
}

pub(super) struct Own;

impl Client for Own {
    fn name(&self) -> &'static str {
        "linkward"
    }

    fn sign(&self, home: &Home<'_>, kind: &str, bundle: &Path) -> Result<(), String> {
        let token = token(home.project, &[]);
        let mut command = home.project.command(&["sign-bundle", "--identity-token", &token]);
        if kind == "dsse" {
            command.arg("--in-toto");
        }
        command.arg("--bundle").arg(bundle).args(instance(home.project));
        finished(command.arg(home.file(kind)))
    }

    fn verify(&self, home: &Home<'_>, _: &str, bundle: &Path) -> Option<Result<(), String>> {
        let mut command = home.project.command(&["verify", "--identity", SUBJECT, "--issuer", &home.issuer]);
        command.arg("--trusted-root").arg(home.project.path().join(".linkward/trusted_root.json"));
        Some(finished(command.arg("--bundle").arg(bundle).arg(home.project.path().join("a.txt"))))
    }
}

/// cosign, built with Go outside of the repository.
pub(super) struct Cosign(PathBuf);

impl Cosign {
    pub(super) fn find() -> Option<Self> {
        let paths = std::env::var_os("PATH").unwrap_or_default();
        let folders = std::iter::once(root().join("target/clients")).chain(std::env::split_paths(&paths));
        folders.map(|folder| folder.join("cosign")).find(|path| path.is_file()).map(Self)
    }

    fn command(&self, home: &Home<'_>, verb: &str) -> Command {
        let mut command = Command::new(&self.0);
        command.arg(verb).current_dir(home.project.path()).env("HOME", home.project.beside());
        command.arg("--trusted-root").arg(home.project.path().join(".linkward/trusted_root.json"));
        command
    }
}

impl Client for Cosign {
    fn name(&self) -> &'static str {
        "cosign"
    }

    fn sign(&self, home: &Home<'_>, kind: &str, bundle: &Path) -> Result<(), String> {
        let mut command = self.command(home, if kind == "dsse" { "attest-blob" } else { "sign-blob" });
        // It takes a token that is not by RSA for the name of a file that holds one.
        let file = home.project.beside().join("token");
        std::fs::write(&file, token(home.project, &[])).map_err(|error| error.to_string())?;
        command.arg("--yes").arg("--identity-token").arg(file);
        command.arg("--signing-config");
        command.arg(home.project.path().join(".linkward/sigstore/signing_config.v0.2.json"));
        if kind == "dsse" {
            command.arg("--statement").arg(home.file(kind));
        }
        command.arg("--bundle").arg(bundle);
        if kind != "dsse" {
            command.arg(home.file(kind));
        }
        finished(&mut command)
    }

    fn verify(&self, home: &Home<'_>, kind: &str, bundle: &Path) -> Option<Result<(), String>> {
        let dsse = kind == "dsse";
        let mut command = self.command(home, if dsse { "verify-blob-attestation" } else { "verify-blob" });
        if dsse {
            let text = std::fs::read(bundle).ok()?;
            let bundle: Value = serde_json::from_slice(&text).ok()?;
            let payload = STANDARD.decode(bundle.pointer("/dsseEnvelope/payload")?.as_str()?).ok()?;
            let statement: Value = serde_json::from_slice(&payload).ok()?;
            command.args(["--type", statement["predicateType"].as_str()?]);
        }
        command.arg("--bundle").arg(bundle).args(["--certificate-identity", SUBJECT]);
        command.args(["--certificate-oidc-issuer", &home.issuer]).arg(home.project.path().join("a.txt"));
        Some(finished(&mut command))
    }
}
