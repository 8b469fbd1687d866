//! A gate without a record of its own: it follows another's feed, and knows how old its knowledge is.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use anyhow::{Context as _, Result};
use axum::Router;
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use clap::Args;
use linkward_deploy::{Floor, Gate, Message, Mode, Snapshot, Tail, Unknown};
use linkward_ledger::LogName;
use linkward_ledger::key::NoteKey;
use linkward_model::{Code, Exit, Instant};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::admit::replace;
use crate::client::{Client, Url};
use crate::commands::{complain, print};
use crate::config::Config;
use crate::home::Trust;
use crate::serve::{plain, read_review};

/// How long a poll may take; the record answers every half second.
const PATIENCE: Duration = Duration::from_secs(5);
const SNAPSHOT_PATIENCE: Duration = Duration::from_secs(30);

#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// Where the record serves its feed: https://HOST:PORT/gate
    #[arg(long, value_name = "URL")]
    feed: String,
    /// Folder with trust.json of the record, and linkward.toml
    #[arg(long, value_name = "DIR", default_value = crate::node::FOLDER)]
    gate: PathBuf,
    /// Folder for the snapshot and for what was seen [default: that of --gate]
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// Where the API server calls
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8443")]
    listen: SocketAddr,
    /// The certificate, PEM; read again when it changes
    #[arg(long, value_name = "FILE")]
    cert: PathBuf,
    /// Its key, PEM
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// The authority of the feed's certificate, PEM
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Fetch {
    /// Where the record serves its feed: https://HOST:PORT/gate
    #[arg(long, value_name = "URL")]
    feed: String,
    /// Folder with trust.json of the record; the snapshot goes here
    #[arg(long, value_name = "DIR", default_value = crate::node::FOLDER)]
    gate: PathBuf,
    /// The authority of the feed's certificate, PEM
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
}

/// What a gate has on its own disk.
#[derive(Debug)]
pub(crate) struct Local {
    config: Config,
    log: NoteKey,
    state: PathBuf,
}

impl Local {
    /// # Errors
    /// trust.json is missing or names no evidence log, or the settings have faults.
    pub(crate) fn open(folder: &Path, state: &Path) -> Result<Self> {
        let path = folder.join("trust.json");
        let bytes = std::fs::read(&path).with_context(|| {
            format!("cannot read {}: copy trust.json of the record there", path.display())
        })?;
        let trust: Trust =
            serde_json::from_slice(&bytes).with_context(|| format!("{} is malformed", path.display()))?;
        let log = trust.logs.iter().find(|log| log.name == LogName::Evidence);
        let log = log.context("trust.json names no evidence log")?.key.parse()?;
        let config = crate::home::settings(&folder.join("linkward.toml"))?;
        Ok(Self { config, log, state: state.to_path_buf() })
    }

    fn snapshot_path(&self) -> PathBuf {
        self.state.join("snapshot")
    }

    fn floor_path(&self) -> PathBuf {
        self.state.join("floor.json")
    }

    /// What was seen; a file that is there but cannot be read is not nothing.
    fn floor(&self) -> Result<Option<Floor>> {
        match std::fs::read(self.floor_path()) {
            Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes).context("floor.json is malformed")?)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).context("cannot read floor.json"),
        }
    }

    /// Raises the floor; it never falls.
    fn raise(&self, floor: &Floor) -> Result<()> {
        let known = self.floor()?;
        if known.as_ref().is_some_and(|known| known.epoch >= floor.epoch && known.record >= floor.record) {
            return Ok(());
        }
        let known = known.unwrap_or_default();
        let next = Floor {
            origin: floor.origin.clone(),
            epoch: floor.epoch.max(known.epoch),
            record: floor.record.max(known.record),
        };
        replace(&self.floor_path(), &serde_json::to_vec(&next)?, 0o644)
    }

    fn open_snapshot(&self, bytes: &[u8]) -> Result<Snapshot, (Code, String)> {
        let floor = self.floor().map_err(|error| (Code::SnapshotInvalid, format!("{error:#}")))?;
        Snapshot::open(bytes, &self.log, &self.config.environment, floor.as_ref())
            .map_err(|error| (error.code(), error.to_string()))
    }

    /// A gate that refuses until it has verdicts.
    fn empty(&self) -> Gate {
        let gate = Gate::new(self.config.gate_settings(Some(self.config.gates.lease_seconds * 1000)));
        gate.switch(Mode::Enforce);
        gate.blind(Some(Unknown::NoSnapshot(format!("no snapshot in {}", self.state.display()))));
        gate
    }

    /// The gate from the snapshot on disk; one that cannot be used leaves a gate that says why.
    pub(crate) fn gate(&self, now: Instant) -> Gate {
        let gate = self.empty();
        let Ok(bytes) = std::fs::read(self.snapshot_path()) else { return gate };
        match self.open_snapshot(&bytes) {
            Ok(snapshot) => {
                // A node's folder may be read-only: then the floor is whoever's who fetches.
                let _ = self.raise(snapshot.floor());
                gate.load(snapshot, now);
            }
            Err((code, why)) => gate.blind(Some(Unknown::BadSnapshot(code, why))),
        }
        gate
    }

    /// Verifies a snapshot and keeps it, the floor first.
    fn keep(&self, bytes: &[u8]) -> Result<Snapshot> {
        let snapshot =
            self.open_snapshot(bytes).map_err(|(code, why)| crate::wire::Failure::new(code, why))?;
        self.raise(snapshot.floor())?;
        replace(&self.snapshot_path(), bytes, 0o644)?;
        Ok(snapshot)
    }
}

fn client(feed: &str, ca: Option<&Path>) -> Result<Client> {
    let authority = ca.map(std::fs::read).transpose().context("cannot read --ca")?;
    Client::new(Url::parse(feed)?, authority.as_deref())
}

pub(crate) fn fetch(args: &Fetch) -> Result<Exit> {
    let local = Local::open(&args.gate, &args.gate)?;
    let bytes = client(&args.feed, args.ca.as_deref())?.get("/snapshot", SNAPSHOT_PATIENCE)?;
    let snapshot = local.keep(&bytes)?;
    print(&format!(
        "{}: {} verdicts, {} revocation records\n",
        local.snapshot_path().display(),
        snapshot.len(),
        snapshot.floor().epoch
    ))?;
    Ok(Exit::Allowed)
}

pub(crate) fn serve(args: &Serve) -> Result<Exit> {
    let state = args.state.clone().unwrap_or_else(|| args.gate.clone());
    let local = Local::open(&args.gate, &state)?;
    let client = client(&args.feed, args.ca.as_deref())?;
    let certificate = Arc::new(Certificate::open(&args.cert, &args.key)?);
    let gate = Arc::new(local.gate(Instant::now()));
    follow(local, client, Arc::clone(&gate))?;
    certificate.watch()?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(certificate);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let listener = std::net::TcpListener::bind(args.listen)
        .with_context(|| format!("cannot listen on {}", args.listen))?;
    print(&format!("serving https://{}/admit from {}\n", listener.local_addr()?, args.feed))?;
    let router = Router::new().fallback(webhook).with_state(gate);
    crate::serve::serve_tls(listener, router, Arc::new(config))?;
    Ok(Exit::Allowed)
}

/// Follows the feed for as long as the process runs.
fn follow(local: Local, client: Client, gate: Arc<Gate>) -> Result<()> {
    let work = move || {
        let mut tail: Option<Tail> = None;
        let mut said = String::new();
        loop {
            let result = match &mut tail {
                None => resync(&local, &client, &gate).map(|fresh| tail = fresh),
                Some(open) => poll(&local, &client, &gate, open),
            };
            let trouble = result.as_ref().err().map(|error| format!("{error:#}")).unwrap_or_default();
            if trouble != said {
                complain(if trouble.is_empty() { "the feed is heard again" } else { &trouble });
                said = trouble;
            }
            if let Err(error) = result {
                // A gap is caught up with at once; whoever does not answer is asked again soon.
                let gap = error.downcast_ref::<linkward_deploy::FeedError>().is_some_and(|e| e.is_gap());
                if gap {
                    tail = None;
                } else {
                    std::thread::sleep(Duration::from_millis(200));
                }
            }
        }
    };
    std::thread::Builder::new().name("feed".to_owned()).spawn(work)?;
    Ok(())
}

fn resync(local: &Local, client: &Client, gate: &Gate) -> Result<Option<Tail>> {
    let bytes = client.get("/snapshot", SNAPSHOT_PATIENCE)?;
    let snapshot = match local.keep(&bytes) {
        Ok(snapshot) => snapshot,
        Err(error) => {
            // Between the attempts, not in a tight loop.
            std::thread::sleep(Duration::from_secs(1));
            return Err(error);
        }
    };
    let position = snapshot.position();
    gate.load(snapshot, Instant::now());
    Ok(Tail::new(&local.log, position))
}

fn poll(local: &Local, client: &Client, gate: &Gate, tail: &mut Tail) -> Result<()> {
    let position = tail.position();
    let path = format!("/feed?session={}&after={}", position.session, position.sequence);
    let body = client.get(&path, PATIENCE)?;
    let text = String::from_utf8(body).context("the feed is not text")?;
    let before = gate.epoch();
    for line in text.lines() {
        let message: Message = serde_json::from_str(line).context("the feed is not made of messages")?;
        tail.take(&message, gate, Instant::now())?;
    }
    if gate.epoch() > before {
        // What was revoked must not come back with the snapshot on disk, so the floor is raised before the newer one is here.
        let floor = Floor { origin: local.log.name().to_owned(), epoch: gate.epoch(), ..Floor::default() };
        local.raise(&floor)?;
        local.keep(&client.get("/snapshot", SNAPSHOT_PATIENCE)?)?;
    }
    Ok(())
}

async fn webhook(State(gate): State<Arc<Gate>>, request: Request) -> Response {
    let path = request.uri().path().to_owned();
    match (request.method(), path.as_str()) {
        (&Method::GET, "/healthz") => return plain(StatusCode::OK, "ok\n"),
        (&Method::GET, "/readyz") => {
            return if gate.is_empty() {
                plain(StatusCode::SERVICE_UNAVAILABLE, "no verdicts yet\n")
            } else {
                plain(StatusCode::OK, "ok\n")
            };
        }
        _ => {}
    }
    let body = match read_review(request).await {
        Ok(body) => body,
        Err(response) => return response,
    };
    let answer = gate.review(&path, &body, Instant::now());
    let lines: Vec<u8> = answer
        .decisions
        .iter()
        .flat_map(|decision| decision.encode("replica").into_iter().chain([b'\n']))
        .collect();
    // A replica has no record: its decisions are on its output, for whoever collects logs.
    let _ = print(&String::from_utf8_lossy(&lines));
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, [(header::CONTENT_TYPE, "application/json")], answer.json).into_response()
}

/// The certificate in force, read again when its file changes.
#[derive(Debug)]
struct Certificate {
    files: (PathBuf, PathBuf),
    current: RwLock<Arc<rustls::sign::CertifiedKey>>,
}

impl Certificate {
    fn open(cert: &Path, key: &Path) -> Result<Self> {
        let current = RwLock::new(Self::read(cert, key)?);
        Ok(Self { files: (cert.to_path_buf(), key.to_path_buf()), current })
    }

    fn read(cert: &Path, key: &Path) -> Result<Arc<rustls::sign::CertifiedKey>> {
        let chain = CertificateDer::pem_file_iter(cert)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .with_context(|| format!("cannot read {}", cert.display()))?;
        let key =
            PrivateKeyDer::from_pem_file(key).with_context(|| format!("cannot read {}", key.display()))?;
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let certified = rustls::sign::CertifiedKey::from_der(chain, key, &provider)?;
        Ok(Arc::new(certified))
    }

    fn watch(self: &Arc<Self>) -> Result<()> {
        let certificate = Arc::clone(self);
        let stamp = |path: &Path| std::fs::metadata(path).and_then(|meta| meta.modified()).ok();
        let work = move || {
            let (cert, key) = &certificate.files;
            let mut seen = (stamp(cert), stamp(key));
            loop {
                std::thread::sleep(Duration::from_secs(2));
                let now = (stamp(cert), stamp(key));
                if now == seen {
                    continue;
                }
                match Self::read(cert, key) {
                    Ok(fresh) => {
                        *certificate.current.write().unwrap_or_else(PoisonError::into_inner) = fresh;
                        seen = now;
                        complain("the new certificate is in use");
                    }
                    // Half-written: the old one serves until both files fit.
                    Err(error) => complain(&format!("the new certificate is not used: {error:#}")),
                }
            }
        };
        std::thread::Builder::new().name("certificate".to_owned()).spawn(work)?;
        Ok(())
    }
}

impl rustls::server::ResolvesServerCert for Certificate {
    fn resolve(&self, _: rustls::server::ClientHello<'_>) -> Option<Arc<rustls::sign::CertifiedKey>> {
        Some(Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner)))
    }
}
