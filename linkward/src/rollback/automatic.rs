//! Going back by itself: every workload that runs what is revoked, as far as the operator allows.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant as Clock};

use anyhow::{Context as _, Result};
use linkward_model::{Code, Exit};
use serde_json::{Value, json};

use super::{Target, apply};
use crate::access::Access;
use crate::cli::Format;
use crate::cluster::Api;
use crate::config::Config;
use crate::revoke::show;
use crate::wire::{Deploy, Failure, Request, VERSION};

/// Workloads that are taken back at the same time.
const AT_ONCE: usize = 8;

/// What one pass did.
pub(crate) struct Passed {
    lines: Vec<Value>,
    failed: usize,
    seconds: f64,
}

/// Takes back what can be; nothing where nothing runs what is revoked.
pub(crate) fn pass(access: &Access, config: &Config, wait: Duration) -> Result<Option<Passed>> {
    let critical: Value = access.ask(Request::Deploy { ask: Deploy::Critical })?;
    let workloads: Vec<Value> =
        critical.get("workloads").and_then(Value::as_array).cloned().unwrap_or_default();
    if workloads.is_empty() {
        return Ok(None);
    }
    if let Some(held) = critical.get("held").and_then(Value::as_str) {
        let message =
            format!("{} run what is revoked; {held}", crate::table::counted(workloads.len(), "workload"));
        return Err(Failure::new(Code::RollbackHeld, message).into());
    }
    let cluster = config.cluster.as_ref().context("name the API server in [cluster] of linkward.toml")?;
    let api = Api::open(cluster)?;
    let begin = Clock::now();
    let (next, lines) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE.min(workloads.len()) {
            scope.spawn(|| {
                while let Some(item) = workloads.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let line = one(access, &api, item, wait);
                    lines.lock().unwrap_or_else(PoisonError::into_inner).push(line);
                }
            });
        }
    });
    let lines = lines.into_inner().unwrap_or_else(PoisonError::into_inner);
    let failed = lines.iter().filter(|line| line.get("error").is_some()).count();
    Ok(Some(Passed { lines, failed, seconds: begin.elapsed().as_secs_f64() }))
}

fn one(access: &Access, api: &Api, item: &Value, wait: Duration) -> Value {
    let workload = item.get("workload").and_then(Value::as_str).unwrap_or("");
    let why = item.get("why").and_then(Value::as_str).unwrap_or("");
    let take = || -> Result<Value> {
        let target = item.get("plan").and_then(|plan| Target::of(workload, plan));
        let target = target
            .ok_or_else(|| Failure::new(Code::NoRollbackTarget, "no earlier revision is safe".to_owned()))?;
        let draft = apply::draft(api, &target)?;
        draft.apply(access, api, &apply::Decided { automatic: true, author: "linkward", reason: why }, wait)
    };
    match take() {
        Ok(done) => json!({ "workload": workload, "seconds": done.get("seconds"), "pins": done.get("pins") }),
        Err(error) => {
            let failure = Failure::from(error);
            json!({ "workload": workload, "error": failure.message, "code": failure.code })
        }
    }
}

impl Passed {
    pub(crate) fn text(&self) -> String {
        let mut text = format!(
            "{} of {} taken back in {:.1} s\n",
            self.lines.len() - self.failed,
            crate::table::counted(self.lines.len(), "workload"),
            self.seconds
        );
        for line in self.lines.iter().filter(|line| line.get("error").is_some()) {
            let field = |name: &str| line.get(name).and_then(Value::as_str).unwrap_or("");
            text.push_str(&format!("  {}: {} {}\n", field("workload"), field("code"), field("error")));
        }
        text
    }
}

pub(super) fn command(access: &Access, config: &Config, wait: Duration, format: Format) -> Result<Exit> {
    let passed = match pass(access, config, wait) {
        Err(error) if error.downcast_ref::<Failure>().is_some_and(|f| f.code == Some(Code::RollbackHeld)) => {
            let code = Code::RollbackHeld;
            let text = format!("{code}: {error}\n  fix: {}\n", code.fix());
            show(
                &json!({ "version": VERSION, "code": code, "held": error.to_string(), "text": text }),
                format,
            )?;
            return Ok(Exit::Denied);
        }
        other => other?,
    };
    let Some(passed) = passed else {
        let text = "no workload of the ledger runs what is revoked\n";
        show(&json!({ "version": VERSION, "workloads": [], "text": text }), format)?;
        return Ok(Exit::Allowed);
    };
    let answer = json!({
        "version": VERSION, "workloads": passed.lines, "failed": passed.failed, "seconds": passed.seconds,
        "text": passed.text(),
    });
    show(&answer, format)?;
    Ok(if passed.failed == 0 { Exit::Allowed } else { Exit::Unknown })
}
