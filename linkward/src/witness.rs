//! Witnessing: the `add-checkpoint` of C2SP tlog-witness over HTTP, and `linkward witness`.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderValue, Method, StatusCode, header, request::Parts};
use axum::response::{IntoResponse as _, Response};
use linkward_model::Exit;
use serde_json::Value;

use crate::access::Access;
use crate::cli::Format;
use crate::commands::{complain, nearest, print, print_json};
use crate::engine::Engine;
use crate::serve::plain;
use crate::table::visible;
use crate::wire::Request;

/// Where requests to this witness go, below its address.
const ADD_CHECKPOINT: &str = "/witness/add-checkpoint";
/// Largest request: 63 lines of proof and a note with a hundred signatures stay below.
const MAX_REQUEST: usize = 64 << 10;
const PATIENCE: Duration = Duration::from_secs(10);

/// Answers a request, if it is for the witness.
pub(crate) async fn post(engine: &Arc<Engine>, parts: &Parts, body: Body) -> Result<Response, Body> {
    if parts.method != Method::POST || parts.uri.path() != ADD_CHECKPOINT || !engine.is_witness() {
        return Err(body);
    }
    // A page that somebody reads must not speak for a log.
    if parts.headers.contains_key(header::ORIGIN) {
        return Ok(plain(StatusCode::FORBIDDEN, "requests of web pages are not answered\n"));
    }
    let bytes = match tokio::time::timeout(PATIENCE, to_bytes(body, MAX_REQUEST)).await {
        Ok(Ok(bytes)) => bytes,
        Ok(Err(_)) => return Ok(plain(StatusCode::PAYLOAD_TOO_LARGE, "larger than 64 KiB\n")),
        Err(_) => return Ok(plain(StatusCode::REQUEST_TIMEOUT, "did not arrive within 10 s\n")),
    };
    let Ok(text) = String::from_utf8(bytes.to_vec()) else {
        return Ok(plain(StatusCode::BAD_REQUEST, "the request is not text\n"));
    };
    let engine = Arc::clone(engine);
    let work = tokio::task::spawn_blocking(move || engine.add_checkpoint(&text));
    Ok(match work.await {
        Ok(Ok((status, kind, body))) => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            let headers = [
                (header::CONTENT_TYPE, HeaderValue::from_static(kind)),
                (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
            ];
            (status, headers, body).into_response()
        }
        Ok(Err(error)) => {
            complain(&format!("witness: {error:#}"));
            plain(StatusCode::SERVICE_UNAVAILABLE, "nothing can be cosigned now\n")
        }
        Err(_) => plain(StatusCode::INTERNAL_SERVER_ERROR, "internal error\n"),
    })
}

/// `linkward witness`.
pub(crate) fn show(home: Option<&Path>, format: Format) -> Result<Exit> {
    let shown: Value = Access::open(&nearest(home)?)?.ask(Request::Witness)?;
    let text = |value: &Value| visible(value.as_str().unwrap_or("-"));
    let list = |name: &str| shown[name].as_array().cloned().unwrap_or_default();
    let troubled = list("asked").iter().any(|witness| !witness["trouble"].is_null());
    if format == Format::Json {
        print_json(&shown)?;
    } else {
        let mut out = format!("this home as a witness: {}\n", text(&shown["name"]));
        let url = shown["url"].as_str().unwrap_or("URL");
        for key in list("keys") {
            out.push_str(&format!("  key       {} {url}\n", text(&key)));
        }
        for (origin, size) in shown["witnessed"].as_object().into_iter().flatten() {
            out.push_str(&format!("  witnesses {}, cosigned at {size} entries\n", visible(origin)));
        }
        out.push_str("\nthis home's logs, for the `logs` setting of their witnesses\n");
        for key in list("own_logs") {
            out.push_str(&format!("  {}\n", text(&key)));
        }
        let asked = list("asked");
        if asked.is_empty() {
            out.push_str(
                "\nthis home asks no witness: that its logs show everybody one tree rests on its own word\n",
            );
        } else {
            out.push_str(&format!("\nwitnesses that are asked, {} required\n", shown["at_least"]));
        }
        for witness in asked {
            let sizes: Vec<String> = witness["cosigned"]
                .as_object()
                .into_iter()
                .flatten()
                .map(|(log, size)| format!("{log} {size}"))
                .collect();
            let state = match witness["trouble"].as_str() {
                Some(why) => format!("LACKING: {}", visible(why)),
                None if sizes.is_empty() => "not asked yet".to_owned(),
                None => format!("cosigned {}", sizes.join(", ")),
            };
            out.push_str(&format!("  {}: {state}\n", text(&witness["name"])));
        }
        print(&out)?;
    }
    Ok(if troubled { Exit::Unknown } else { Exit::Allowed })
}
