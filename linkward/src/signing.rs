//! The signing services over HTTP, at the paths that Sigstore's clients know: Rekor v2, Fulcio v2, RFC 3161.
//!
//! Bodies are bounded in size and time. A web page must not be able to use them through its reader's browser: what
//! comes with an `Origin` is refused, and the media types are none that a form can send.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Method, StatusCode, header, request::Parts};
use axum::response::{IntoResponse as _, Response};
use linkward_issue::sigstore::Refused;
use linkward_issue::sigstore::timestamp::Query;
use linkward_model::{Blame, Code};
use serde_json::{Value, json};

use crate::engine::{Denied, Engine};

const ENTRIES: &str = "/api/v2/log/entries";
const CERTIFICATES: &str = "/api/v2/signingCert";
const TIMESTAMP: &str = "/api/v1/timestamp";
/// Largest entry: an envelope of sigstore-js comes whole.
const MAX_ENTRY: usize = 32 << 20;
/// Largest request to the authorities.
const MAX_REQUEST: usize = 64 << 10;
/// How long a body may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Whether a request is a POST for one of the services.
pub(crate) fn takes(parts: &Parts) -> bool {
    parts.method == Method::POST && [ENTRIES, CERTIFICATES, TIMESTAMP].contains(&parts.uri.path())
}

/// Answers a POST for one of the services.
pub(crate) async fn post(engine: &Arc<Engine>, parts: &Parts, body: Body) -> Response {
    let path = parts.uri.path().to_owned();
    let service = match path.as_str() {
        ENTRIES => "log",
        CERTIFICATES => "certificate",
        _ => "timestamp",
    };
    let refuse = |status: StatusCode, code: Code, message: String| {
        engine.count_refusal(service, code, &message);
        problem(status, &Refused::new(code, message))
    };
    if parts.headers.contains_key(header::ORIGIN) {
        let message = "requests of web pages are not answered".to_owned();
        return refuse(StatusCode::FORBIDDEN, Code::MalformedField, message);
    }
    let kind = media_type(&parts.headers);
    let query = kind == "application/timestamp-query";
    if kind != "application/json" && !(query && path == TIMESTAMP) {
        let message = format!("Content-Type `{kind}` is not taken here");
        return refuse(StatusCode::UNSUPPORTED_MEDIA_TYPE, Code::UnsupportedFormat, message);
    }
    let limit = if path == ENTRIES { MAX_ENTRY } else { MAX_REQUEST };
    let bytes = match tokio::time::timeout(PATIENCE, to_bytes(body, limit)).await {
        Ok(Ok(bytes)) => bytes,
        Ok(Err(_)) => {
            let message = format!("the body is larger than {limit} bytes");
            return refuse(StatusCode::PAYLOAD_TOO_LARGE, Code::TooLarge, message);
        }
        Err(_) => {
            let message = "the body did not arrive within 10 s".to_owned();
            return refuse(StatusCode::REQUEST_TIMEOUT, Code::RequestSlow, message);
        }
    };
    let bearer = bearer(&parts.headers);
    let counted = Arc::clone(engine);
    let engine = Arc::clone(engine);
    let work = tokio::task::spawn_blocking(move || match path.as_str() {
        ENTRIES => engine.log_signature(&bytes).map(|entry| answer(StatusCode::CREATED, &entry)),
        CERTIFICATES => engine.certify(bearer.as_deref(), &bytes).map(|chain| answer(StatusCode::OK, &chain)),
        _ => {
            let parsed = if query { Query::parse(&bytes) } else { Query::parse_json(&bytes) };
            let stamp = parsed.map_err(Denied::from).and_then(|query| engine.stamp(&query));
            stamp.map(|der| {
                let kind = [(header::CONTENT_TYPE, "application/timestamp-reply")];
                (StatusCode::CREATED, kind, der).into_response()
            })
        }
    });
    match work.await {
        Ok(Ok(response)) => response,
        Ok(Err(denied)) => {
            match &denied {
                Denied::Refused(refused) => counted.count_refusal(service, refused.code, &refused.message),
                Denied::Later(_) => counted.count_refusal(service, Code::RateLimited, "too many requests"),
                Denied::Broken(_) => {}
            }
            denial(denied)
        }
        Err(_) => denial(Denied::Broken(anyhow::anyhow!("the request ended in a panic"))),
    }
}

/// Answers a GET, if it is for one of the services.
pub(crate) fn get(engine: &Engine, path: &str) -> Option<Response> {
    let document = match path {
        "/api/v2/trustBundle" => engine.trust_bundle(),
        "/api/v2/configuration" => engine.issuers(),
        "/api/v1/timestamp/certchain" => {
            return Some(match engine.timestamp_chain() {
                Ok(pem) => {
                    ([(header::CONTENT_TYPE, "application/pem-certificate-chain")], pem).into_response()
                }
                Err(denied) => denial(denied),
            });
        }
        _ => match engine.client_document(path.strip_prefix("/sigstore/")?) {
            Ok(document) => Ok(document?),
            Err(denied) => Err(denied),
        },
    };
    Some(match document {
        Ok(document) => answer(StatusCode::OK, &document),
        Err(denied) => denial(denied),
    })
}

/// The log that a Rekor v2 client reads tiles of, under Rekor's own paths.
pub(crate) fn rekor_tile(path: &str) -> Option<String> {
    let rest = path.strip_prefix("/api/v2/")?;
    (rest == "checkpoint" || rest.starts_with("tile/")).then(|| format!("signing/{rest}"))
}

fn media_type(headers: &HeaderMap) -> String {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    value.split(';').next().unwrap_or("").trim().to_ascii_lowercase()
}

fn bearer(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().to_owned())
}

fn answer(status: StatusCode, document: &Value) -> Response {
    let headers = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")];
    (status, headers, document.to_string()).into_response()
}

/// Google's error model, which all the clients print.
fn problem(status: StatusCode, refused: &Refused) -> Response {
    let body = json!({ "code": status.as_u16(), "reason": refused.code, "message": format!("{}: {}", refused.code, refused.message), "details": [] });
    answer(status, &body)
}

fn denial(denied: Denied) -> Response {
    match denied {
        Denied::Later(seconds) => {
            let message = format!("too many requests by this identity; come again in {seconds} s");
            let mut response =
                problem(StatusCode::TOO_MANY_REQUESTS, &Refused::new(Code::RateLimited, message));
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
            response
        }
        Denied::Refused(refused) => {
            let status = match (refused.code, refused.code.blame()) {
                (Code::TooLarge, _) => StatusCode::PAYLOAD_TOO_LARGE,
                (Code::TokenMissing | Code::TokenIssuer, _) => StatusCode::UNAUTHORIZED,
                (Code::SigstoreMissing, _) => StatusCode::NOT_FOUND,
                (code, Blame::Proof) if code.as_str().starts_with("token-") => StatusCode::UNAUTHORIZED,
                _ => StatusCode::BAD_REQUEST,
            };
            problem(status, &refused)
        }
        Denied::Broken(error) => {
            crate::commands::complain(&format!("signing service: {error:#}"));
            let body = json!({ "code": 503, "message": "the service cannot answer now", "details": [] });
            let mut response = answer(StatusCode::SERVICE_UNAVAILABLE, &body);
            response.headers_mut().insert(header::RETRY_AFTER, 1_u64.into());
            response
        }
    }
}
