//! A real API server with its etcd, on loopback: what `cargo xtask kubernetes` runs the admission tests against.
//!
//! There are no controllers, no scheduler and no nodes: pods stay pending, and a deployment has the status that the test gives it.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use serde_json::Value;

use crate::Project;

/// Who may do everything. It opens a door on loopback for the length of one test.
pub const TOKEN: &str = "tests-and-nobody-else";

/// An answer of the API server.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub body: Value,
    /// What stands in its `Warning` headers.
    pub warnings: Vec<String>,
}

impl Reply {
    /// The message of a refusal.
    pub fn message(&self) -> &str {
        self.body.get("message").and_then(Value::as_str).unwrap_or("")
    }
}

/// Stopped when it is dropped.
#[derive(Debug)]
pub struct Cluster {
    etcd: Child,
    server: Child,
    port: u16,
    tls: Arc<rustls::ClientConfig>,
    /// The authority of its certificate, PEM.
    pub authority: PathBuf,
    folder: tempfile::TempDir,
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for child in [&mut self.server, &mut self.etcd] {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Where the programs are.
fn programs() -> Option<(PathBuf, PathBuf)> {
    let program = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_file());
    program("LINKWARD_KUBE_APISERVER").zip(program("LINKWARD_ETCD"))
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    let Ok(address) = listener else { panic!("{listener:?}") };
    address.port()
}

impl Cluster {
    /// Whether this is the job that has the programs; where it is not, that is said.
    pub fn is_there() -> bool {
        let there = programs().is_some();
        if !there {
            linkward_testkit::skipped("needs a real API server; `cargo xtask kubernetes` runs it");
        }
        there
    }

    /// Starts etcd and an API server whose certificate is by the project's own authority. `further` are flags for the server.
    ///
    /// # Panics
    /// They are there and do not start.
    pub fn start(project: &Project, further: &[String]) -> Option<Self> {
        let (server, etcd) = programs()?;
        let folder = linkward_testkit::scratch();
        let at = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
        let (exit, text) =
            project.run(&["admit", "certificate", "--name", "127.0.0.1", "--days", "1", "--out", &at("tls")]);
        assert_eq!(exit, 0, "{text}");
        let written = std::fs::write(at("tokens"), format!("{TOKEN},tests,tests,\"system:masters\"\n"));
        assert!(written.is_ok(), "{written:?}");
        let (client, peer, port) = (free_port(), free_port(), free_port());
        let (client, peer) = (format!("http://127.0.0.1:{client}"), format!("http://127.0.0.1:{peer}"));
        let etcd = spawn(
            &etcd,
            Path::new(&at("etcd.log")),
            &[
                format!("--data-dir={}", at("etcd")),
                format!("--listen-client-urls={client}"),
                format!("--advertise-client-urls={client}"),
                format!("--listen-peer-urls={peer}"),
                format!("--initial-advertise-peer-urls={peer}"),
                format!("--initial-cluster=default={peer}"),
            ],
        );
        let mut flags = vec![
            format!("--etcd-servers={client}"),
            format!("--secure-port={port}"),
            "--bind-address=127.0.0.1".to_owned(),
            format!("--tls-cert-file={}", at("tls/tls.crt")),
            format!("--tls-private-key-file={}", at("tls/tls.key")),
            format!("--service-account-key-file={}", at("tls/tls.crt")),
            format!("--service-account-signing-key-file={}", at("tls/tls.key")),
            "--service-account-issuer=https://cluster.example".to_owned(),
            "--authorization-mode=RBAC".to_owned(),
            format!("--token-auth-file={}", at("tokens")),
            "--service-cluster-ip-range=10.0.0.0/24".to_owned(),
            "--disable-admission-plugins=ServiceAccount".to_owned(),
            format!("--cert-dir={}", at("certs")),
        ];
        flags.extend_from_slice(further);
        let server = spawn(&server, Path::new(&at("server.log")), &flags);
        let pem = std::fs::read(at("tls/ca.crt")).unwrap_or_default();
        let mut roots = rustls::RootCertStore::empty();
        let added = CertificateDer::from_pem_slice(&pem).map(|certificate| roots.add(certificate));
        assert!(matches!(added, Ok(Ok(()))), "{added:?}");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map(|builder| builder.with_root_certificates(roots).with_no_client_auth());
        let Ok(tls) = tls else { panic!("{tls:?}") };
        let cluster = Self {
            etcd,
            server,
            port,
            tls: Arc::new(tls),
            authority: PathBuf::from(at("tls/ca.crt")),
            folder,
        };
        cluster.ready();
        Some(cluster)
    }

    fn ready(&self) {
        let start = Instant::now();
        loop {
            if self.exchange("GET", "/readyz", "", "").is_ok_and(|reply| reply.status == 200) {
                return;
            }
            let log = || std::fs::read_to_string(self.folder.path().join("server.log")).unwrap_or_default();
            let late = start.elapsed() > Duration::from_secs(120);
            assert!(!late && !log().contains("command failed"), "the API server is not ready: {}", log());
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// `https://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("https://127.0.0.1:{}", self.port)
    }

    /// What the API server wrote.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("server.log")).unwrap_or_default()
    }

    /// A file beside the API server's own.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Sends JSON.
    ///
    /// # Panics
    /// There is no answer.
    pub fn send(&self, method: &str, path: &str, body: &Value) -> Reply {
        let kind = if method == "PATCH" { "application/merge-patch+json" } else { "application/json" };
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.ask(method, path, kind, &body)
    }

    /// # Panics
    /// There is no answer.
    pub fn ask(&self, method: &str, path: &str, kind: &str, body: &str) -> Reply {
        let reply = self.exchange(method, path, kind, body);
        let Ok(reply) = reply else { panic!("{method} {path}: {reply:?}") };
        reply
    }

    /// Applies one YAML document as it is, strictly: what the API server does not know is an error.
    ///
    /// # Panics
    /// The document names no resource that this knows.
    pub fn apply(&self, document: &str, query: &str) -> Reply {
        let line = |name: &str| {
            let found = document.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
            found.unwrap_or("").trim().to_owned()
        };
        let below = |name: &str| {
            let mut inside = false;
            document.lines().find_map(|line| {
                if !line.starts_with(' ') {
                    inside = line == "metadata:";
                }
                line.strip_prefix("  ").filter(|_| inside)?.strip_prefix(name)?.strip_prefix(": ")
            })
        };
        let (version, kind) = (line("apiVersion"), line("kind"));
        let resource = match kind.as_str() {
            "NetworkPolicy" => "networkpolicies".to_owned(),
            other => format!("{}s", other.to_lowercase()),
        };
        let root = if version.contains('/') { "apis" } else { "api" };
        let namespace = below("namespace").map_or(String::new(), |name| format!("/namespaces/{name}"));
        let Some(name) = below("name") else { panic!("no name in\n{document}") };
        let path = format!(
            "/{root}/{version}{namespace}/{resource}/{name}?fieldManager=tests&force=true&fieldValidation=Strict{query}"
        );
        self.ask("PATCH", &path, "application/apply-patch+yaml", document)
    }

    fn exchange(&self, method: &str, path: &str, kind: &str, body: &str) -> std::io::Result<Reply> {
        let wrong = |what: &str| std::io::Error::other(what.to_owned());
        let name = ServerName::try_from("127.0.0.1").map_err(|_| wrong("name"))?;
        let connection =
            rustls::ClientConnection::new(Arc::clone(&self.tls), name).map_err(|_| wrong("tls"))?;
        let stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        let mut stream = rustls::StreamOwned::new(connection, stream);
        write!(
            stream,
            "{method} {path} HTTP/1.0\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {TOKEN}\r\nContent-Type: {kind}\r\n\
             Accept: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        )?;
        let mut answer = Vec::new();
        // An end without a farewell is the end of an HTTP/1.0 answer all the same.
        let read = stream.read_to_end(&mut answer);
        if answer.is_empty() {
            read?;
        }
        let text = String::from_utf8_lossy(&answer);
        let (head, body) = text.split_once("\r\n\r\n").ok_or_else(|| wrong("no end of headers"))?;
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        let warnings = head
            .lines()
            .filter_map(|line| line.split_once(": ").filter(|(name, _)| name.eq_ignore_ascii_case("warning")))
            .map(|(_, value)| value.to_owned())
            .collect();
        Ok(Reply {
            status: status.ok_or_else(|| wrong("no status"))?,
            body: serde_json::from_str(body).unwrap_or_else(|_| body.into()),
            warnings,
        })
    }
}

fn spawn(program: &Path, log: &Path, flags: &[String]) -> Child {
    let out = std::fs::File::create(log).map(Stdio::from);
    let Ok(out) = out else { panic!("{out:?}") };
    let child =
        Command::new(program).args(flags).stdin(Stdio::null()).stdout(Stdio::null()).stderr(out).spawn();
    let Ok(child) = child else { panic!("{}: {child:?}", program.display()) };
    child
}
