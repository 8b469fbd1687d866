//! The listeners: console, API, tiles and metrics over HTTP on loopback; the admission webhook over TLS.
//!
//! Async ends here: every handler calls into the synchronous core on a blocking thread, except the webhook, whose
//! answer is a look-up in memory.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use anyhow::{Context as _, Result};
use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_core::Stream;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use linkward_ledger::LogName;
use linkward_model::Instant;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{Semaphore, watch};
use tokio_rustls::TlsAcceptor;

use crate::config::Listen;
use crate::engine::Engine;

/// Largest admission review; the API server itself stops at 3 MiB.
const MAX_REVIEW: usize = 4 << 20;
/// Largest delivery of a webhook; GitHub stops at 25 MiB.
const MAX_DELIVERY: usize = 25 << 20;
/// Largest form of the console.
const MAX_FORM: usize = 16 << 10;
/// Longest wait for a digest whose evidence is being looked at; the API server waits five seconds.
const MAX_WAIT: Duration = Duration::from_millis(1500);
/// How long a poll of the feed waits for news.
const HEARTBEAT: Duration = Duration::from_millis(500);
/// Connections at once on each listener; more wait in the kernel's queue.
const MAX_CONNECTIONS: usize = 1024;

/// Listeners that are bound but not serving yet, so that their addresses can be printed first.
#[derive(Debug)]
pub(crate) struct Bound {
    console: std::net::TcpListener,
    admission: std::net::TcpListener,
    runtime: Runtime,
    stop: Stop,
}

impl Bound {
    /// # Errors
    /// An address that was chosen explicitly is taken.
    pub(crate) fn bind(console: Listen, admission: Listen) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .max_blocking_threads(32)
            .thread_name("http")
            .enable_all()
            .build()?;
        let stop = Stop::listen(&runtime)?;
        Ok(Self {
            console: bind("console", console)?,
            admission: bind("admission", admission)?,
            runtime,
            stop,
        })
    }

    pub(crate) fn console(&self) -> Result<SocketAddr> {
        Ok(self.console.local_addr()?)
    }

    pub(crate) fn admission(&self) -> Result<SocketAddr> {
        Ok(self.admission.local_addr()?)
    }

    /// Serves until the process is asked to stop; then lets what is under way finish, for at most five seconds.
    pub(crate) fn run(self, engine: Arc<Engine>) -> Result<()> {
        let tls = engine.admission_tls()?;
        let console_tls = engine.console_tls()?.map(TlsAcceptor::from);
        let Self { console, admission, runtime, stop: asked } = self;
        runtime.block_on(async move {
            let (stop, stopped) = watch::channel(());
            let console = listener(console)?;
            let admission = listener(admission)?;
            let pages = Router::new().fallback(page).with_state(Arc::clone(&engine));
            let webhook = Router::new().fallback(review).with_state(Arc::clone(&engine));
            let console = tokio::spawn(accept(console, pages, console_tls, stopped.clone()));
            let admission = tokio::spawn(accept(admission, webhook, Some(TlsAcceptor::from(tls)), stopped));
            asked.asked().await;
            drop(stop);
            let _ = tokio::time::timeout(Duration::from_secs(5), async {
                let _ = console.await;
                let _ = admission.await;
            })
            .await;
            Ok(())
        })
    }
}

/// Serves one router over TLS until the process is asked to stop.
pub(crate) fn serve_tls(
    listener: std::net::TcpListener,
    router: Router,
    tls: Arc<rustls::ServerConfig>,
) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let asked = Stop::listen(&runtime)?;
    runtime.block_on(async move {
        let (stop, stopped) = watch::channel(());
        let listener = self::listener(listener)?;
        let serving = tokio::spawn(accept(listener, router, Some(TlsAcceptor::from(tls)), stopped));
        asked.asked().await;
        drop(stop);
        let _ = tokio::time::timeout(Duration::from_secs(5), serving).await;
        Ok(())
    })
}

fn bind(what: &str, listen: Listen) -> Result<std::net::TcpListener> {
    match std::net::TcpListener::bind(listen.address) {
        Ok(listener) => Ok(listener),
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse && !listen.explicit => {
            let mut free = listen.address;
            free.set_port(0);
            std::net::TcpListener::bind(free).with_context(|| format!("no free port for the {what} listener"))
        }
        Err(error) => Err(error).with_context(|| {
            format!("cannot listen on {}; change [{what}] listen in linkward.toml", listen.address)
        }),
    }
}

fn listener(socket: std::net::TcpListener) -> Result<TcpListener> {
    socket.set_nonblocking(true)?;
    Ok(TcpListener::from_std(socket)?)
}

/// Ctrl-C and SIGTERM, listened for before any address is printed: whoever reads the address may already stop us.
#[derive(Debug)]
struct Stop {
    interrupt: Signal,
    terminate: Signal,
}

impl Stop {
    fn listen(runtime: &Runtime) -> Result<Self> {
        let _inside = runtime.enter();
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn asked(mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// Who is at the other end of a connection.
#[derive(Clone, Copy, Debug)]
struct Peer(std::net::IpAddr);

async fn accept(
    listener: TcpListener,
    router: Router,
    tls: Option<TlsAcceptor>,
    mut stopped: watch::Receiver<()>,
) {
    let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let Ok(slot) = Arc::clone(&slots).acquire_owned().await else { return };
        let (stream, peer) = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => (stream, peer),
                // Out of descriptors: those in use will come back.
                Err(_) => { tokio::time::sleep(Duration::from_millis(50)).await; continue }
            },
            _ = stopped.changed() => break,
        };
        let _ = stream.set_nodelay(true);
        let router = router.clone().layer(axum::Extension(Peer(peer.ip())));
        let (tls, stopped) = (tls.clone(), stopped.clone());
        connections.spawn(async move {
            let _slot = slot;
            match tls {
                None => connection(TokioIo::new(stream), router, stopped).await,
                Some(tls) => {
                    let handshake = tokio::time::timeout(Duration::from_secs(10), tls.accept(stream)).await;
                    if let Ok(Ok(stream)) = handshake {
                        connection(TokioIo::new(stream), router, stopped).await;
                    }
                }
            }
        });
        while connections.try_join_next().is_some() {}
    }
    while connections.join_next().await.is_some() {}
}

async fn connection<I>(io: I, router: Router, mut stopped: watch::Receiver<()>)
where
    I: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
{
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(Duration::from_secs(15));
    builder.http2().timer(TokioTimer::new()).max_concurrent_streams(256);
    let connection = builder.serve_connection(io, TowerToHyperService::new(router));
    tokio::pin!(connection);
    tokio::select! {
        _ = connection.as_mut() => {}
        _ = stopped.changed() => {
            connection.as_mut().graceful_shutdown();
            let _ = connection.await;
        }
    }
}

async fn page(State(engine): State<Arc<Engine>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    // A page of another site that resolves its own name to 127.0.0.1 must not read this one (DNS rebinding).
    if !engine.answers_to(host(&parts.headers, parts.uri.host())) {
        return plain(StatusCode::MISDIRECTED_REQUEST, "this server does not answer to that Host name\n");
    }
    if let Some(secret) = canary(&parts.headers) {
        let (engine, path) = (Arc::clone(&engine), parts.uri.path().to_owned());
        let text = |name: HeaderName| {
            parts.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
        };
        let (agent, from) = (text(header::USER_AGENT), text(HeaderName::from_static("x-forwarded-for")));
        // Whoever shows it is answered like everybody else, and learns nothing.
        tokio::task::spawn_blocking(move || {
            if let Err(error) = engine.canary_shown(&secret, &path, agent.as_deref(), from.as_deref()) {
                crate::commands::complain(&format!(
                    "a canary was shown, and could not be recorded: {error:#}"
                ));
            }
        });
    }
    let peer = parts.extensions.get::<Peer>().map(|peer| peer.0);
    let (parts, who) = match who_is_there(&engine, parts, peer).await {
        Ok(passed) => passed,
        Err(response) => return response,
    };
    if parts.method == Method::POST
        && let Some(source) = parts.uri.path().strip_prefix("/webhooks/")
    {
        return webhook(engine, source.to_owned(), parts.headers, body).await;
    }
    let body = match crate::witness::post(&engine, &parts, body).await {
        Ok(response) => return response,
        Err(body) => body,
    };
    if crate::signing::takes(&parts) {
        return crate::signing::post(&engine, &parts, body).await;
    }
    if parts.method != Method::GET && parts.method != Method::HEAD {
        return form(engine, parts, body, who, peer).await;
    }
    let path = parts.uri.path().to_owned();
    let query = parts.uri.query().unwrap_or("").to_owned();
    if matches!(path.as_str(), "/gate/feed" | "/gate/snapshot") {
        return feed(engine, &path, &query).await;
    }
    if path == "/events/stream" {
        return stream(engine);
    }
    let work = tokio::task::spawn_blocking(move || {
        crate::login::answer(&engine, &parts, &[], who.as_ref(), peer)
            .unwrap_or_else(|| route(&engine, &path, &query, who.as_ref()))
    });
    // A panic ends this request alone.
    work.await.unwrap_or_else(|_| {
        plain(StatusCode::INTERNAL_SERVER_ERROR, "internal error; the other pages still work\n")
    })
}

/// Lets the request pass, with who it is of; otherwise the answer to whoever may not.
async fn who_is_there(
    engine: &Arc<Engine>,
    parts: Parts,
    peer: Option<std::net::IpAddr>,
) -> Result<(Parts, Option<crate::login::Who>), Response> {
    if !engine.config().login {
        return Ok((parts, None));
    }
    let engine = Arc::clone(engine);
    let work = tokio::task::spawn_blocking(move || {
        let path = parts.uri.path();
        match crate::login::pass(&engine, &parts.method, path, &parts.headers, peer, Instant::now()) {
            Ok(who) => Ok((parts, who)),
            Err(refusal) => Err(crate::login::refused(&engine, &parts, None, refusal)),
        }
    });
    work.await.unwrap_or_else(|_| Err(plain(StatusCode::INTERNAL_SERVER_ERROR, "internal error\n")))
}

/// A form of one of the console's own pages.
async fn form(
    engine: Arc<Engine>,
    parts: Parts,
    body: Body,
    who: Option<crate::login::Who>,
    peer: Option<std::net::IpAddr>,
) -> Response {
    let not_here = || {
        let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD are answered here\n");
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
        response
    };
    if parts.method != Method::POST {
        return not_here();
    }
    let read = tokio::time::timeout(Duration::from_secs(5), to_bytes(body, MAX_FORM)).await;
    let Ok(Ok(body)) = read else {
        return plain(StatusCode::PAYLOAD_TOO_LARGE, "a form is at most 16 KiB, and arrives within 5 s\n");
    };
    let work = tokio::task::spawn_blocking(move || {
        crate::login::answer(&engine, &parts, &body, who.as_ref(), peer).unwrap_or_else(not_here)
    });
    work.await.unwrap_or_else(|_| plain(StatusCode::INTERNAL_SERVER_ERROR, "internal error\n"))
}

/// A planted credential among what the request brings.
fn canary(headers: &HeaderMap) -> Option<String> {
    const SHOWN: &[&str] = &["authorization", "private-token", "x-api-key", "x-gitlab-token", "cookie"];
    SHOWN.iter().find_map(|name| {
        let text = headers.get(*name)?.to_str().ok()?;
        let basic = text.strip_prefix("Basic ").and_then(|text| {
            use base64::Engine as _;
            String::from_utf8(base64::engine::general_purpose::STANDARD.decode(text).ok()?).ok()
        });
        let text = basic.as_deref().unwrap_or(text);
        let start = text.find(crate::engine::CANARY)?;
        let inside = |c: &char| c.is_ascii_alphanumeric() || *c == '_';
        Some(text.get(start..)?.chars().take_while(inside).take(80).collect())
    })
}

/// Events from outside: taken only with proof that the sender knows the source's secret.
async fn webhook(engine: Arc<Engine>, source: String, headers: HeaderMap, body: Body) -> Response {
    if linkward_evidence::event::feed(&source).is_none() {
        return plain(StatusCode::NOT_FOUND, "no such source of events; see docs/events.md\n");
    }
    let read = tokio::time::timeout(Duration::from_secs(10), to_bytes(body, MAX_DELIVERY)).await;
    let body = match read {
        Ok(Ok(body)) => body,
        Ok(Err(_)) => return plain(StatusCode::PAYLOAD_TOO_LARGE, "delivery is larger than 25 MiB\n"),
        Err(_) => return plain(StatusCode::REQUEST_TIMEOUT, "delivery did not arrive within 10 s\n"),
    };
    let work = tokio::task::spawn_blocking(move || deliver(&engine, &source, &headers, &body));
    work.await.unwrap_or_else(|_| plain(StatusCode::INTERNAL_SERVER_ERROR, "internal error\n"))
}

fn deliver(engine: &Engine, source: &str, headers: &HeaderMap, body: &[u8]) -> Response {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let answer = |status: StatusCode, code: Option<linkward_model::Code>, message: String| {
        let body = serde_json::json!({ "code": code, "message": message }).to_string();
        (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
    };
    let secret = match engine.webhook_secret(source) {
        Ok(secret) => secret,
        Err(error) => return answer(StatusCode::SERVICE_UNAVAILABLE, None, format!("{error:#}")),
    };
    let accepted = match crate::detect::check_webhook(source, secret.as_deref(), header, body) {
        Ok(accepted) => accepted,
        Err(refusal) => return answer(StatusCode::UNAUTHORIZED, Some(refusal.code), refusal.message),
    };
    let now = Instant::now();
    let delivery = linkward_evidence::event::Delivery {
        topic: accepted.topic.as_deref(),
        id: accepted.id.as_deref(),
        received: Some(now),
    };
    match engine.take_events(Some(source), body, &delivery, true, now) {
        Ok(taken) => answer(StatusCode::ACCEPTED, None, format!("{} events", taken["events"])),
        Err(error) => {
            let failure = crate::wire::Failure::from(error);
            // What cannot be read will not be readable when it is sent again.
            let status = if failure.code.is_some() {
                StatusCode::UNPROCESSABLE_ENTITY
            } else {
                StatusCode::SERVICE_UNAVAILABLE
            };
            answer(status, failure.code, failure.message)
        }
    }
}

fn host<'a>(headers: &'a HeaderMap, authority: Option<&'a str>) -> &'a str {
    let host = headers.get(header::HOST).and_then(|value| value.to_str().ok()).or(authority).unwrap_or("");
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    }
}

fn route(engine: &Engine, path: &str, query: &str, who: Option<&crate::login::Who>) -> Response {
    match path {
        "/healthz" | "/readyz" => return plain(StatusCode::OK, "ok\n"),
        _ => {}
    }
    if let Some(rest) = path.strip_prefix("/tlog/") {
        return tile(engine, rest).unwrap_or_else(|| plain(StatusCode::NOT_FOUND, "no such tile\n"));
    }
    if let Some(rest) = path.strip_prefix("/tuf/") {
        return metadata(engine, rest);
    }
    if let Some(response) = crate::signing::get(engine, path) {
        return response;
    }
    if let Some(rest) = crate::signing::rekor_tile(path) {
        return tile(engine, &rest).unwrap_or_else(|| plain(StatusCode::NOT_FOUND, "no such tile\n"));
    }
    if path == "/api/v1/lookup" {
        let (status, body) = crate::lookup::api(engine, query);
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")];
        return (status, headers, body).into_response();
    }
    sent(engine.page(path, query, who.map(crate::login::shown)))
}

/// An answer of the console, on its way.
pub(crate) fn sent(answer: linkward_console::Response) -> Response {
    let mut response = Response::new(Body::from(answer.body));
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let named = answer.headers.into_iter().map(|(name, value)| (name.to_string(), value.to_string()));
    for (name, value) in named.chain([("content-type".to_owned(), answer.content_type.to_string())]) {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

/// A file of the TUF repository: all but the timestamp have a version or digest in their name.
fn metadata(engine: &Engine, path: &str) -> Response {
    let Some(bytes) = engine.repository_file(path) else {
        return plain(StatusCode::NOT_FOUND, "no such metadata or target\n");
    };
    let cache = if path == "timestamp.json" { "no-cache" } else { "public, max-age=31536000, immutable" };
    let headers = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, cache)];
    (headers, bytes).into_response()
}

/// `evidence/checkpoint`, `evidence/tile/0/000.p/5`: static files of C2SP tlog-tiles with their cache rules.
fn tile(engine: &Engine, rest: &str) -> Option<Response> {
    let (name, path) = rest.split_once('/')?;
    let log = [LogName::Evidence, LogName::Signing, LogName::Certificates]
        .into_iter()
        .find(|log| log.as_str() == name)?;
    let checkpoint = path == "checkpoint";
    let well_formed = path.starts_with("tile/")
        && path.split('/').all(|part| !part.is_empty() && !part.starts_with('.'))
        && path.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'.'));
    if !checkpoint && !well_formed {
        return None;
    }
    let bytes = engine.log_file(log, path)?;
    let (kind, cache) = if checkpoint {
        ("text/plain; charset=utf-8", "no-cache")
    } else {
        ("application/octet-stream", "public, max-age=31536000, immutable")
    };
    let headers = [(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, cache)];
    Some((headers, bytes).into_response())
}

async fn review(State(engine): State<Arc<Engine>>, request: Request) -> Response {
    let path = request.uri().path().to_owned();
    match (request.method(), path.as_str()) {
        (&Method::GET, "/healthz" | "/readyz") => return plain(StatusCode::OK, "ok\n"),
        (&Method::GET, "/gate/feed" | "/gate/snapshot") if engine.config().gates.feed => {
            return feed(engine, &path, request.uri().query().unwrap_or("")).await;
        }
        (_, path) if path.starts_with("/v1/verdict/") => {
            let path = path.to_owned();
            return crate::progressive::verdict(engine, &path, request).await;
        }
        _ => {}
    }
    // Logs on other machines reach this witness over TLS.
    let (parts, body) = request.into_parts();
    let body = match crate::witness::post(&engine, &parts, body).await {
        Ok(response) => return response,
        Err(body) => body,
    };
    let request = Request::from_parts(parts, body);
    let body = match read_review(request).await {
        Ok(body) => body,
        Err(response) => return response,
    };
    let start = tokio::time::Instant::now();
    let mut answer = engine.review(&path, &body, Instant::now());
    // Its evidence is being looked at: a short wait saves the controller's next attempt, a long one would wedge the API server.
    while answer.pending && start.elapsed() < MAX_WAIT {
        tokio::time::sleep(Duration::from_millis(15)).await;
        answer = engine.review(&path, &body, Instant::now());
    }
    if answer.pending {
        answer = engine.write_down(answer, "admission");
    }
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, [(header::CONTENT_TYPE, "application/json")], answer.json).into_response()
}

/// The body of a review posted to the webhook, or the answer to what is none.
pub(crate) async fn read_review(request: Request) -> Result<Bytes, Response> {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path();
    let known = path == "/admit"
        || path.strip_prefix("/admit/").is_some_and(|mode| matches!(mode, "enforce" | "warn" | "audit"));
    if !known {
        return Err(plain(StatusCode::NOT_FOUND, "the webhook is at /admit\n"));
    }
    if parts.method != Method::POST {
        return Err(plain(StatusCode::METHOD_NOT_ALLOWED, "POST an AdmissionReview\n"));
    }
    read_body(body).await
}

pub(crate) async fn read_body(body: Body) -> Result<Bytes, Response> {
    let read = tokio::time::timeout(Duration::from_secs(5), to_bytes(body, MAX_REVIEW)).await;
    match read {
        Ok(Ok(body)) => Ok(body),
        Ok(Err(_)) => Err(plain(StatusCode::PAYLOAD_TOO_LARGE, "larger than 4 MiB\n")),
        Err(_) => Err(plain(StatusCode::REQUEST_TIMEOUT, "did not arrive within 5 s\n")),
    }
}

/// The feed for gates elsewhere: news at once, a heartbeat where there is none.
async fn feed(engine: Arc<Engine>, path: &str, query: &str) -> Response {
    let number = |name: &str| {
        let found = query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
        found.and_then(|value| value.parse::<u64>().ok()).unwrap_or(0)
    };
    let (session, after) = (number("session"), number("after"));
    let snapshot = path == "/gate/snapshot";
    if !snapshot {
        let mut changes = engine.changes();
        let news = async {
            while !engine.has_news(session, after) {
                if changes.changed().await.is_err() {
                    return;
                }
            }
        };
        let _ = tokio::time::timeout(HEARTBEAT, news).await;
    }
    let work = tokio::task::spawn_blocking(move || {
        if snapshot {
            engine.snapshot().map(|file| Bytes::from(file.as_slice().to_vec()))
        } else {
            engine.poll(session, after).map(Bytes::from)
        }
    });
    match work.await {
        Ok(Ok(body)) => ([(header::CACHE_CONTROL, "no-store")], body).into_response(),
        _ => plain(StatusCode::SERVICE_UNAVAILABLE, "the feed cannot be signed now\n"),
    }
}

/// Server-sent events: one whenever the record has grown, at most one a second, and a comment now and then so that both
/// ends notice when the other is gone.
fn stream(engine: Arc<Engine>) -> Response {
    struct Growth {
        engine: Arc<Engine>,
        size: Option<u64>,
        pause: tokio::time::Interval,
        quiet: u32,
    }
    impl Stream for Growth {
        type Item = Result<Bytes, std::convert::Infallible>;

        fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
            loop {
                if self.pause.poll_tick(context).is_pending() {
                    return Poll::Pending;
                }
                let size = self.engine.log_size();
                let grown = self.size.is_some_and(|known| known != size);
                let first = self.size.is_none();
                self.size = Some(size);
                self.quiet += 1;
                if grown {
                    self.quiet = 0;
                    let text = format!("event: grown\ndata: {{\"size\":{size}}}\n\n");
                    return Poll::Ready(Some(Ok(Bytes::from(text))));
                }
                if first || self.quiet >= 15 {
                    self.quiet = 0;
                    return Poll::Ready(Some(Ok(Bytes::from_static(b": here\n\n"))));
                }
            }
        }
    }
    // Not more often than people look.
    let mut pause = tokio::time::interval(Duration::from_secs(1));
    pause.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let body = Body::from_stream(Growth { engine, size: None, pause, quiet: 0 });
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, body).into_response()
}

pub(crate) fn plain(status: StatusCode, text: &'static str) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/plain; charset=utf-8"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (status, headers, text).into_response()
}
