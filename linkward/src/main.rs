//! The one binary: arguments, configuration, wiring. It decides nothing.

mod access;
mod admit;
mod advisory;
mod affected;
mod cli;
mod client;
mod commands;
mod config;
mod deploy;
mod detect;
mod diff;
mod engine;
mod home;
mod inspect;
mod issuers;
mod log_proof;
mod measures;
mod monitor;
mod node;
mod policy;
mod progress;
mod progressive;
mod project;
mod records;
mod replica;
mod revoke;
mod sbom;
mod scan;
mod serve;
mod sign;
mod signing;
mod sigstore;
mod socket;
mod table;
mod up;
mod verify;
mod vex;
mod wire;

use std::process::ExitCode;

use clap::Parser as _;
use linkward_model::Exit;

use crate::cli::{Cli, Format};
use crate::wire::Failure;

fn main() -> ExitCode {
    let mut args: Vec<std::ffi::OsString> = std::env::args_os().collect();
    if node::is_protocol(&args) {
        args.splice(1..1, ["admit".into(), "image-verifier".into()]);
    }
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            // Help and version are answers; everything else is a usage error.
            return ExitCode::from(if error.use_stderr() {
                Exit::Error.code()
            } else {
                Exit::Allowed.code()
            });
        }
    };
    let format = cli.format;
    match commands::run(cli) {
        Ok(exit) => ExitCode::from(exit.code()),
        Err(error) => {
            report(&error, format);
            ExitCode::from(exit_of(&error).code())
        }
    }
}

/// An error is 2, unless it says that something needed is missing: then nothing was decided.
fn exit_of(error: &anyhow::Error) -> Exit {
    let code = error.downcast_ref::<Failure>().and_then(|failure| failure.code);
    match code.map(linkward_model::Code::blame) {
        Some(linkward_model::Blame::Missing) => Exit::Unknown,
        _ => Exit::Error,
    }
}

#[expect(clippy::print_stderr, reason = "errors are for the person at the terminal")]
fn report(error: &anyhow::Error, format: Format) {
    let code = error.downcast_ref::<Failure>().and_then(|failure| failure.code);
    if format == Format::Json {
        let body = serde_json::json!({ "version": wire::VERSION, "error": { "code": code, "message": format!("{error:#}") } });
        eprintln!("{body}");
        return;
    }
    match code {
        Some(code) => eprintln!("linkward: {code}: {error:#}\n  fix: {}", code.fix()),
        None => eprintln!("linkward: {error:#}"),
    }
}
