//! The API server of a cluster, as far as the record needs it: lists, watches, one object, one patch.

use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use linkward_deploy::{ClusterKind, Observed, Page, observed};
use linkward_model::Code;
use serde_json::Value;

use crate::client::{Ask, Body, Client, Url};
use crate::wire::Failure;

/// Where a pod finds its account.
const ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
const PATIENCE: Duration = Duration::from_secs(30);
/// Largest page or object.
const MAX_ANSWER: u64 = 64 << 20;
/// Objects a page: memory is bounded by it, however large the cluster is.
const PAGE: usize = 500;
/// How long one watch runs before it is asked for again.
const WATCH_SECONDS: u64 = 240;

/// Where the API server is and who we are there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cluster {
    /// A URL, or `in-cluster`.
    pub(crate) server: String,
    pub(crate) ca: Option<PathBuf>,
    pub(crate) token: Option<PathBuf>,
    pub(crate) certificate: Option<PathBuf>,
    pub(crate) key: Option<PathBuf>,
}

#[derive(Clone, Debug)]
pub(crate) struct Api {
    client: Client,
    /// Read again for each request: tokens of accounts are renewed on the disk.
    token: Option<PathBuf>,
}

/// What the API server says instead of an answer.
#[derive(Debug, thiserror::Error)]
#[error("{method} {path}: {status}{}{message}", if message.is_empty() { "" } else { " " })]
pub(crate) struct Refused {
    method: String,
    path: String,
    pub(crate) status: u16,
    message: String,
}

fn file(path: Option<&Path>) -> Result<Option<Vec<u8>>> {
    path.map(|path| std::fs::read(path).with_context(|| format!("cannot read {}", path.display())))
        .transpose()
}

impl Api {
    /// # Errors
    /// The settings name no API server, or files that cannot be read.
    pub(crate) fn open(cluster: &Cluster) -> Result<Self> {
        let mut cluster = cluster.clone();
        if cluster.server == "in-cluster" {
            let variable = |name: &str| {
                std::env::var(name).with_context(|| format!("{name} is not set: this is no pod"))
            };
            let host = variable("KUBERNETES_SERVICE_HOST")?;
            let host = if host.contains(':') { format!("[{host}]") } else { host };
            cluster.server = format!("https://{host}:{}", variable("KUBERNETES_SERVICE_PORT")?);
            cluster.ca.get_or_insert_with(|| Path::new(ACCOUNT).join("ca.crt"));
            cluster.token.get_or_insert_with(|| Path::new(ACCOUNT).join("token"));
        }
        let own = file(cluster.certificate.as_deref())?.zip(file(cluster.key.as_deref())?);
        let authority = file(cluster.ca.as_deref())?;
        let url = Url::parse(&cluster.server)?;
        let own = own.as_ref().map(|(chain, key)| (chain.as_slice(), key.as_slice()));
        let client =
            Client::with_certificate(url, authority.as_deref(), own).context("[cluster] in linkward.toml")?;
        Ok(Self { client, token: cluster.token })
    }

    fn open_answer(
        &self,
        method: &str,
        path: &str,
        kind: &str,
        body: &[u8],
        patience: Duration,
    ) -> Result<Body> {
        let token =
            file(self.token.as_deref())?.map(|token| String::from_utf8_lossy(&token).trim().to_owned());
        let bearer = token.map(|token| format!("Bearer {token}"));
        let mut headers = vec![("Accept", "application/json")];
        headers.extend(bearer.as_deref().map(|bearer| ("Authorization", bearer)));
        if !body.is_empty() {
            headers.push(("Content-Type", kind));
        }
        let ask = Ask { method, path, headers: &headers, body };
        let (head, body) = self.client.open(&ask, patience)?;
        if (200..300).contains(&head.status) {
            return Ok(body);
        }
        let text = body.whole(64 << 10).unwrap_or_default();
        let message = serde_json::from_slice::<Value>(&text)
            .ok()
            .and_then(|status| status.get("message").and_then(Value::as_str).map(str::to_owned));
        let path = path.split('?').next().unwrap_or("").to_owned();
        let message = message.unwrap_or_default();
        Err(Refused { method: method.to_owned(), path, status: head.status, message }.into())
    }

    fn answer(&self, method: &str, path: &str, kind: &str, body: &[u8]) -> Result<Vec<u8>> {
        self.open_answer(method, path, kind, body, PATIENCE)?.whole(MAX_ANSWER)
    }

    /// One page of all objects of a kind.
    pub(crate) fn list(&self, kind: ClusterKind, next: Option<&str>) -> Result<Page> {
        let mut path = format!("{}?limit={PAGE}", kind.list_path());
        if let Some(next) = next {
            path.push_str(&format!("&continue={}", escaped(next)));
        }
        Ok(Page::read(kind, &self.answer("GET", &path, "", &[])?)?)
    }

    /// The changes since a version, one line each, until the API server ends it.
    pub(crate) fn watch(&self, kind: ClusterKind, version: &str) -> Result<BufReader<Body>> {
        let path = format!(
            "{}?watch=1&allowWatchBookmarks=true&timeoutSeconds={WATCH_SECONDS}&resourceVersion={}",
            kind.list_path(),
            escaped(version)
        );
        let patience = Duration::from_secs(WATCH_SECONDS + 30);
        Ok(BufReader::new(self.open_answer("GET", &path, "", &[], patience)?))
    }

    /// A workload as it is now.
    pub(crate) fn workload(&self, workload: &str) -> Result<(Observed, Value)> {
        let (kind, path) = place(workload)?;
        let body = self.answer("GET", &path, "", &[]).map_err(unreachable)?;
        let text = String::from_utf8(body).context("the API server's answer is not text")?;
        Ok((observed(kind, &text)?, serde_json::from_str(&text)?))
    }

    /// Patches a workload; a conflict means that somebody else changed it meanwhile.
    pub(crate) fn patch(&self, workload: &str, patch: &Value) -> Result<()> {
        let (_, path) = place(workload)?;
        let path = format!("{path}?fieldManager=linkward");
        self.answer("PATCH", &path, "application/json-patch+json", patch.to_string().as_bytes())?;
        Ok(())
    }
}

/// Kind and path of `namespace/Kind/name`.
fn place(workload: &str) -> Result<(ClusterKind, String)> {
    let parts: Vec<&str> = workload.split('/').collect();
    let [namespace, kind, name] = parts.as_slice() else {
        bail!("`{workload}` is not NAMESPACE/KIND/NAME");
    };
    let known = ClusterKind::named(kind).filter(|kind| kind.keeps_revisions());
    let kind = known.with_context(|| format!("a {kind} is not rolled out revision by revision"))?;
    let plain = |part: &str| part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.'));
    anyhow::ensure!(plain(namespace) && plain(name), "`{workload}` is not a name of the API server's");
    Ok((kind, kind.path(namespace, name)))
}

/// Out of reach, or not let in: nothing can be said of the workload.
fn unreachable(error: anyhow::Error) -> anyhow::Error {
    match error.downcast_ref::<Refused>() {
        Some(refused) if !matches!(refused.status, 401 | 403 | 500..) => error,
        _ => Failure::new(Code::ClusterUnreachable, format!("{error:#}")).into(),
    }
}

fn escaped(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~');
    text.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}
