//! `up` and `run`: the main job, and the step that turns observed into proven.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant as Clock;

use anyhow::{Context as _, Result, bail};
use linkward_model::{Digest, Exit, Instant};
use serde_json::json;

use crate::access::Access;
use crate::cli::{self, Format};
use crate::commands::{print, print_json, worst};
use crate::home::Home;
use crate::progress::Progress;
use crate::serve::Bound;
use crate::table::{self, Style};
use crate::wire::{Chain, Outcome, Request, Signed};
use crate::{project, socket};

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
    engine.keep_house();
    engine.keep_warm();
    let shared = Arc::clone(&engine);
    socket::listen(home.path(), move |request| shared.handle(request))?;
    let rows = [
        ("console", format!("http://{console}/")),
        ("API", format!("http://{console}/api/v1")),
        ("sigstore", format!("http://{console}/sigstore/client_trust_config.json")),
        ("log tiles", format!("http://{console}/tlog/evidence/checkpoint")),
        ("metrics", format!("http://{console}/metrics")),
        ("admission", format!("https://{admission}/admit ({})", engine.mode())),
    ];
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
    let step = project::run_step(args, &home, &trust.builder, &from)?;
    let exit_code = step.exit_code;
    let request = Request::Step { step: step.record, statements: step.statements, environment: None };
    let signed: Signed =
        Access::open(&home)?.ask(request).context("the step ran, but could not be recorded")?;
    if format == Format::Json {
        print_json(&json!({
            "version": crate::wire::VERSION, "exit_code": exit_code, "products": step.products, "records": signed.records,
        }))?;
    } else {
        print(&summary(&step.products, &signed, exit_code))?;
    }
    let bundles = home.path().join("bundles");
    std::fs::create_dir_all(&bundles)?;
    for bundle in &signed.bundles {
        let name = Digest::sha256(bundle.as_bytes());
        std::fs::write(bundles.join(format!("{}.sigstore.json", name.hex())), bundle)?;
    }
    if exit_code == 0 { Ok(Exit::Allowed) } else { Ok(Exit::Denied) }
}

fn summary(products: &[(String, Digest)], signed: &Signed, exit_code: i64) -> String {
    let mut out = format!("\nlinkward: step recorded (exit code {exit_code}), records ");
    let records: Vec<_> = signed.records.iter().map(|record| format!("#{record}")).collect();
    out.push_str(&records.join(" "));
    out.push('\n');
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
