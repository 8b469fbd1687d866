//! `/v1/verdict/...`: answers for Argo Rollouts and Flagger on the admission listener.

use std::sync::Arc;

use axum::extract::Request;
use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use linkward_deploy::{
    ArgoQuestion, Decision, Event, FlaggerQuestion, argo, flagger_gate, flagger_rollback, word,
};
use linkward_model::Instant;

use crate::engine::Engine;
use crate::serve::{plain, read_body};

/// Reads the question and answers on a blocking thread: the ledger is read from the disk.
pub(crate) async fn verdict(engine: Arc<Engine>, path: &str, request: Request) -> Response {
    if request.method() != Method::POST {
        return plain(StatusCode::METHOD_NOT_ALLOWED, "POST what the controller's documentation says\n");
    }
    let body = match read_body(request.into_body()).await {
        Ok(body) => body,
        Err(response) => return response,
    };
    let path = path.to_owned();
    let work = tokio::task::spawn_blocking(move || answer(&engine, &path, &body, Instant::now()));
    // No answer of ours: Argo counts an error, Flagger a failed check, and neither rolls back.
    work.await.unwrap_or_else(|_| plain(StatusCode::INTERNAL_SERVER_ERROR, "internal error\n"))
}

fn answer(engine: &Engine, path: &str, body: &[u8], now: Instant) -> Response {
    let what = path.strip_prefix("/v1/verdict/").unwrap_or("");
    match what {
        "argo" | "plain" => {
            let Ok(question) = serde_json::from_slice::<ArgoQuestion>(body) else {
                return plain(StatusCode::BAD_REQUEST, "expected namespace, workload and image\n");
            };
            let decision = engine.decide_image(&question.image, &question.namespace, now);
            if what == "plain" {
                return text(200, format!("{}\n", word(&decision)));
            }
            let workload = format!("{}/Rollout/{}", question.namespace, question.workload);
            let good = engine.plan(&workload, now).ok().and_then(|plan| plan.target);
            let good = good.map(|target| target.images.join(" ")).or(question
                .stable
                .filter(|stable| word(&engine.decide_image(stable, &question.namespace, now)) == "pass"));
            let body = argo(&decision, good.as_deref()).to_string();
            ([(header::CONTENT_TYPE, "application/json")], body).into_response()
        }
        "flagger/gate" | "flagger/rollback" | "flagger/event" => {
            let Ok(question) = serde_json::from_slice::<FlaggerQuestion>(body) else {
                return plain(StatusCode::BAD_REQUEST, "expected what Flagger posts to a webhook\n");
            };
            flagger(engine, what, &question, now)
        }
        _ => plain(
            StatusCode::NOT_FOUND,
            "there are argo, plain, flagger/gate, flagger/rollback, flagger/event\n",
        ),
    }
}

fn flagger(engine: &Engine, what: &str, question: &FlaggerQuestion, now: Instant) -> Response {
    let workload = format!("{}/Deployment/{}", question.namespace, question.name);
    if what == "flagger/event" {
        let happened = match question.phase.as_str() {
            "Succeeded" => Event::Ready,
            "Failed" => Event::Failed { why: question.message().to_owned() },
            _ => return plain(StatusCode::OK, "nothing to record\n"),
        };
        return match engine.record_event(&workload, happened) {
            Ok(true) => plain(StatusCode::OK, "recorded\n"),
            Ok(false) => plain(StatusCode::OK, "nothing is recorded of this workload\n"),
            Err(_) => plain(StatusCode::SERVICE_UNAVAILABLE, "could not be recorded\n"),
        };
    }
    let images = match question.image() {
        Some(image) => vec![image.to_owned()],
        // Flagger sends no image: what the webhook saw roll out is what the canary runs.
        None => match engine.plan(&workload, now) {
            Ok(plan) => plan.current.map(|current| current.images).unwrap_or_default(),
            Err(_) => return plain(StatusCode::SERVICE_UNAVAILABLE, "the ledger cannot be read\n"),
        },
    };
    let decisions: Vec<Decision> =
        images.iter().map(|image| engine.decide_image(image, &question.namespace, now)).collect();
    let (status, body) =
        if what == "flagger/gate" { flagger_gate(&decisions) } else { flagger_rollback(&decisions) };
    text(status, body)
}

fn text(status: u16, body: String) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, [(header::CONTENT_TYPE, "text/plain; charset=utf-8")], body).into_response()
}
