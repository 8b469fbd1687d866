//! `sigstore`: the private Sigstore of a home, made, shown, and handed to clients.

use std::path::Path;

use anyhow::{Context as _, Result};
use linkward_issue::Role;
use linkward_model::{Exit, Instant};
use serde_json::Value;

use crate::access::Access;
use crate::cli::{self, Format, SigstoreCommand, SigstoreDocument};
use crate::commands::{nearest, print, print_json};
use crate::table;
use crate::wire::Request;

pub(crate) fn run(command: &SigstoreCommand, home: Option<&Path>, format: Format) -> Result<Exit> {
    let home = nearest(home)?;
    match command {
        SigstoreCommand::Init => {
            if home.instance()?.is_some() {
                print("this home has a private Sigstore; see `linkward sigstore show`\n")?;
                return Ok(Exit::Allowed);
            }
            home.add_sigstore(Instant::now())?;
            print("made the private Sigstore; `linkward up` serves it\n")?;
        }
        SigstoreCommand::Show => {
            let shown: Value = Access::open(&home)?.ask(Request::Sigstore)?;
            match format {
                Format::Json => print_json(&shown)?,
                Format::Table => print(&text(&shown))?,
            }
        }
        SigstoreCommand::Print { what } => {
            let name = match what {
                SigstoreDocument::TrustedRoot => "trusted_root.json",
                SigstoreDocument::SigningConfig => "signing_config.v0.2.json",
                SigstoreDocument::TrustConfig => "client_trust_config.json",
            };
            let path = match what {
                SigstoreDocument::TrustedRoot => home.path().join(name),
                _ => home.path().join("sigstore").join(name),
            };
            let text = std::fs::read_to_string(&path)
                .with_context(|| format!("cannot read {}; `linkward up` writes it", path.display()))?;
            print(&text)?;
        }
        SigstoreCommand::Token { subject, audience, lifetime } => {
            let request = Request::TestToken {
                subject: subject.clone(),
                audience: audience.clone(),
                lifetime: *lifetime,
            };
            let token: String = Access::open(&home)?.ask(request)?;
            print(&format!("{token}\n"))?;
        }
    }
    Ok(Exit::Allowed)
}

pub(crate) fn rotate(args: &cli::Rotate, home: Option<&Path>, format: Format) -> Result<Exit> {
    let home = nearest(home)?;
    let overlap = i64::from(args.overlap).saturating_mul(3_600_000);
    let now = Instant::now();
    let made = match args.what {
        cli::Rotated::Ca => home.rotate(Role::Authority, overlap, now),
        cli::Rotated::Ct => home.rotate(Role::CertificateLog, overlap, now),
        cli::Rotated::Tsa => home.rotate(Role::Timestamp, overlap, now),
        cli::Rotated::Log => home.rotate_log(overlap, now),
        cli::Rotated::SigningKey => home.rotate_signing_key(overlap, now),
        cli::Rotated::TufRoot => home.rotate_repository(now),
    }?;
    // Clients that ask the repository learn of it now, not at the next start of the daemon.
    if home.repository().exists() {
        let () = Access::open(&home)?.ask(Request::PublishRepository)?;
    }
    match format {
        Format::Json => print_json(&serde_json::json!({
            "version": crate::wire::VERSION, "name": made.name, "generation": made.generation, "start": made.start,
        }))?,
        Format::Table => print(&format!(
            "{} signs from now on; the one before is trusted for {} h more, and for what it signed\nnext: give clients the \
             new {}\n",
            table::visible(&made.name),
            args.overlap,
            home.path().join("trusted_root.json").display()
        ))?,
    }
    Ok(Exit::Allowed)
}

fn text(shown: &Value) -> String {
    let field = |pointer: &str| match shown.pointer(pointer) {
        Some(Value::String(text)) => table::visible(text),
        Some(Value::Null) | None => "none".to_owned(),
        Some(other) => other.to_string(),
    };
    let serving = if shown.get("serving") == Some(&Value::Bool(true)) { "" } else { " (not serving)" };
    let mut rows = vec![
        ["  url".to_owned(), format!("{}{serving}", field("/url"))],
        [
            "  signing log".to_owned(),
            format!("{}, {} entries", field("/signing_log/origin"), field("/signing_log/size")),
        ],
        [
            "  certificate log".to_owned(),
            format!("{}, {} entries", field("/certificate_log/origin"), field("/certificate_log/size")),
        ],
        ["  authority".to_owned(), field("/authority")],
        ["  timestamps".to_owned(), field("/timestamp_authority")],
        ["  test issuer".to_owned(), field("/test_issuer")],
        ["  trust config".to_owned(), field("/trust_config")],
    ];
    for issuer in shown.get("issuers").and_then(Value::as_array).into_iter().flatten() {
        let of = |name: &str| issuer.get(name).and_then(Value::as_str).unwrap_or("");
        let what = format!("{} ({}, audience {})", of("url"), of("kind"), of("audience"));
        rows.push(["  issuer".to_owned(), table::visible(&what)]);
    }
    table::grid(&rows)
}
