//! The one binary: arguments, configuration, wiring. It decides nothing.

mod access;
mod admit;
mod advisory;
mod affected;
mod apk;
mod backup;
mod cli;
mod client;
mod cluster;
mod commands;
mod config;
mod deploy;
mod detect;
mod diff;
mod engine;
mod fetch;
mod forms;
mod home;
mod image;
mod inspect;
mod instance;
mod issuers;
mod keys;
mod later;
mod layout;
mod log_proof;
mod login;
mod lookup;
mod measures;
mod monitor;
mod node;
mod notation;
mod plan;
mod planned;
mod policy;
mod progress;
mod progressive;
mod project;
mod rebuild;
mod records;
mod release;
mod replica;
mod retention;
mod revoke;
mod rollback;
mod rotation;
mod rpm;
mod sandbox;
mod sbom;
mod scan;
mod serve;
mod sign;
mod signing;
mod sigstore;
mod socket;
mod spool;
mod table;
mod telemetry;
mod token;
mod trust;
mod up;
mod verify;
mod vex;
mod wire;
mod witness;

use std::process::ExitCode;

use clap::Parser as _;
use linkward_model::Exit;

use crate::cli::{Cli, Format};

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
    linkward_issue::passphrases_from(keys::passphrase);
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
    let code = wire::code_of(error);
    match code.map(linkward_model::Code::blame) {
        Some(linkward_model::Blame::Missing) => Exit::Unknown,
        _ => Exit::Error,
    }
}

#[expect(clippy::print_stderr, reason = "errors are for the person at the terminal")]
fn report(error: &anyhow::Error, format: Format) {
    let code = wire::code_of(error);
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
