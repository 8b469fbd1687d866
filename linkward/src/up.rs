//! `up` and `run`: the main job, and the step that turns observed into proven.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant as Clock;

use anyhow::{Context as _, Result, bail};
use linkward_model::{Code, Digest, Exit, Instant};
use serde_json::json;

use crate::access::Access;
use crate::cli::{self, Format};
use crate::commands::{print, print_json, worst};
use crate::home::Home;
use crate::planned::Planned;
use crate::progress::Progress;
use crate::serve::Bound;
use crate::table::{self, Style};
use crate::wire::{Chain, Outcome, Request, Signed};
use crate::{project, socket, telemetry};

pub(crate) fn up(args: &cli::Up, home: Option<&Path>, format: Format) -> Result<Exit> {
    let start = Clock::now();
    let path = std::path::absolute(&args.path)?;
    if !path.is_dir() {
        bail!("{} is no folder; name the project's folder", args.path.display());
    }
    let home = Home::of_project(home, &path)?;
    let quiet = format == Format::Json;
    if !home.exists() {
        let created = home.create(Instant::now())?;
        if !quiet {
            print(&format!("made {}\n", home.path().display()))?;
            for (name, what) in &created.files {
                print(&format!("  {name:<15} {what}\n"))?;
            }
            print("\n")?;
        }
    }
    let progress = Progress::start();
    progress.say("opening the record");
    let access = Access::open(&home)?;
    let ingest =
        project::look(&path, &home.config()?.exclude, &args.artifacts, args.environment.clone(), &|what| {
            progress.say(what)
        })?;
    progress.say("proving and deciding");
    let chain: Chain = access.ask(Request::Ingest(Box::new(ingest)))?;
    drop(progress);
    let exit =
        worst(chain.lines.iter().map(|line| line.verdict).filter(|verdict| *verdict != Outcome::Noted));
    if quiet {
        print_json(&chain)?;
    } else {
        print(&table::chain(&chain, Style::of_stdout()))?;
        if !chain.lines.iter().any(|line| line.kind == "artifact") {
            print(
                "no artifact was found; build one with `linkward run -- CMD`, or name it with --artifact\n",
            )?;
        }
        print(&format!("\n{} ms\n", start.elapsed().as_millis()))?;
    }
    if args.no_serve {
        if let Access::Direct(engine) = &access {
            engine.close();
        }
        return Ok(exit);
    }
    match access {
        Access::Direct(engine) => serve(engine, &home, quiet),
        Access::Daemon(_) => {
            if !quiet {
                print("a daemon already serves this home\n")?;
            }
            Ok(exit)
        }
    }
}

fn serve(engine: Arc<crate::engine::Engine>, home: &Home, quiet: bool) -> Result<Exit> {
    let config = engine.config();
    let bound = Bound::bind(config.listen, config.admission)?;
    let (console, admission) = (bound.console()?, bound.admission()?);
    engine.serving_at(console, admission);
    engine.write_client_documents()?;
    engine.publish_repository(Instant::now())?;
    engine.keep_house();
    engine.keep_lookups();
    engine.keep_warm();
    engine.keep_detecting()?;
    engine.keep_telling()?;
    engine.keep_watching()?;
    engine.watch_cluster()?;
    engine.roll_back_by_itself()?;
    engine.keep_rebuilding()?;
    let shared = Arc::clone(&engine);
    socket::listen(home.path(), move |request| shared.handle(request))?;
    let base = format!("{}://{console}", if config.console_tls.on { "https" } else { "http" });
    let mut rows = vec![
        ("console", format!("{base}/")),
        ("API", format!("{base}/api/v1")),
        ("sigstore", format!("{base}/sigstore/client_trust_config.json")),
        ("TUF", format!("{base}/tuf")),
        ("log tiles", format!("{base}/tlog/evidence/checkpoint")),
        ("metrics", format!("{base}/metrics")),
        ("admission", format!("https://{admission}/admit ({})", engine.mode())),
    ];
    if engine.is_witness() {
        rows.insert(4, ("witness", format!("{base}/witness")));
    }
    if quiet {
        print_json(
            &json!({ "version": crate::wire::VERSION, "serving": rows.iter().map(|(k, v)| json!({ *k: v })).collect::<Vec<_>>() }),
        )?;
    } else {
        print("\nserving until Ctrl-C\n")?;
        for (name, address) in &rows {
            print(&format!("  {name:<10} {address}\n"))?;
        }
    }
    bound.run(Arc::clone(&engine))?;
    engine.close();
    Ok(Exit::Allowed)
}

/// Runs a build step, then has its provenance and SBOM signed, logged and proven.
pub(crate) fn run(args: &cli::Run, home: Option<&Path>, format: Format) -> Result<Exit> {
    let from = std::env::current_dir()?;
    let home = match Home::find(home, &from) {
        Ok(home) => home,
        Err(_) => {
            let home = Home::of_project(home, &from)?;
            home.create(Instant::now())?;
            home
        }
    };
    // A home that cannot be used is better known before the build than after it.
    drop(Access::open(&home)?);
    let trust = home.trust()?;
    let planned = args.layout.as_deref();
    let planned =
        planned.map(|path| Planned::find(path, &args.step, &args.command, &trust.step_key)).transpose()?;
    let step = project::run_step(args, &home, &trust.builder, &from, planned.as_ref())?;
    let exit_code = step.exit_code;
    telemetry::tell(&home.config()?.telemetry, &step.record, std::env::var("TRACEPARENT").ok().as_deref());
    let request = Request::Step { step: step.record, statements: step.statements, environment: None };
    let signed: Signed =
        Access::open(&home)?.ask(request).context("the step ran, but could not be recorded")?;
    if format == Format::Json {
        print_json(&json!({
            "version": crate::wire::VERSION, "exit_code": exit_code, "products": step.products, "records": signed.records,
            "unlogged": signed.unlogged,
        }))?;
    } else {
        print(&summary(&step.products, &signed, exit_code))?;
    }
    let bundles = home.path().join("bundles");
    std::fs::create_dir_all(&bundles)?;
    for bundle in &signed.bundles {
        let name = Digest::sha256(bundle.as_bytes());
        let kind = if signed.unlogged.is_some() { "unlogged" } else { "sigstore" };
        std::fs::write(bundles.join(format!("{}.{kind}.json", name.hex())), bundle)?;
    }
    if let Some((planned, envelope)) = planned.zip(signed.bundles.last().and_then(|bundle| envelope(bundle)))
    {
        // As in-toto looks for it: beside the layout's other links, under the functionary's name.
        let id: String = planned.functionary.chars().take(8).collect();
        let path = from.join(format!("{}.{id}.link", args.step));
        crate::spool::keep(&path, envelope.as_bytes())?;
    }
    Ok(match (exit_code, &signed.unlogged) {
        (0, Some(_)) if !args.allow_spool => Exit::Unknown,
        (0, _) => Exit::Allowed,
        _ => Exit::Denied,
    })
}

/// The signed link within a bundle, or within one that waits for the log.
fn envelope(bundle: &str) -> Option<String> {
    let value: serde_json::Value = serde_json::from_str(bundle).ok()?;
    let found = value.get("dsseEnvelope").or_else(|| value.pointer("/bundle/dsseEnvelope"))?;
    Some(found.to_string())
}

fn summary(products: &[(String, Digest)], signed: &Signed, exit_code: i64) -> String {
    let mut out = match &signed.unlogged {
        None => {
            let records: Vec<_> = signed.records.iter().map(|record| format!("#{record}")).collect();
            format!("\nlinkward: step recorded (exit code {exit_code}), records {}\n", records.join(" "))
        }
        Some(why) => format!(
            "\nlinkward: step ran (exit code {exit_code}) and is signed, but not logged: {}\n  {code}: {}\n  next: linkward \
             spool flush\n",
            table::visible(why),
            Code::BundleUnlogged.summary(),
            code = Code::BundleUnlogged
        ),
    };
    if products.is_empty() {
        out.push_str("  no products were found; name where they appear with --product GLOB\n");
    }
    for (name, digest) in products {
        out.push_str(&format!("  {} {}\n", digest.short(), table::visible(name)));
    }
    if let Some((name, _)) = products.first() {
        out.push_str(&format!("next: linkward check {}\n", table::visible(name)));
    }
    out
}
