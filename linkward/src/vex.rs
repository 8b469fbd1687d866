//! `vex`: what an exploitability statement says of a vulnerability in a component of a product.

use anyhow::{Context as _, Result};
use clap::Args;
use linkward_evidence::vex::{Status, Thing, Vex as Statements, cyclonedx};
use linkward_evidence::{Claim, parse};
use linkward_model::{Code, Exit, Purl};
use serde_json::json;

use crate::cli::Format;
use crate::commands::{print, print_json};
use crate::table;
use crate::wire::{Failure, VERSION};

#[derive(Debug, Args)]
pub(crate) struct Vex {
    /// OpenVEX, CSAF VEX, or CycloneDX JSON with analysed vulnerabilities
    #[arg(value_name = "FILE")]
    file: std::path::PathBuf,
    /// The vulnerability, by any of its ids
    #[arg(long, value_name = "ID")]
    vulnerability: String,
    /// The product's purl
    #[arg(long, value_name = "PURL")]
    product: Purl,
    /// The component's purl [default: the product itself]
    #[arg(long, value_name = "PURL")]
    component: Option<Purl>,
}

pub(crate) fn run(args: &Vex, format: Format) -> Result<Exit> {
    let bytes =
        std::fs::read(&args.file).with_context(|| format!("{} cannot be read", args.file.display()))?;
    let statements = statements(&bytes).map_err(|fault| {
        let message = format!("{}: {fault}", args.file.display());
        Failure::new(fault.code, message)
    })?;
    let product = Thing { purl: Some(&args.product), digests: &[] };
    let component = Thing { purl: Some(args.component.as_ref().unwrap_or(&args.product)), digests: &[] };
    let found = statements.as_ref().and_then(|vex| vex.about(&args.vulnerability, &product, &component));
    let exit = match found.map(|statement| statement.status) {
        Some(Status::NotAffected | Status::Fixed) => Exit::Allowed,
        Some(Status::Affected) => Exit::Denied,
        Some(Status::UnderInvestigation) | None => Exit::Unknown,
    };
    let code = found.is_none().then_some(Code::VexNotAbout);
    if format == Format::Json {
        print_json(&json!({
            "version": VERSION,
            "status": found.map(|statement| statement.status),
            "code": code,
            "justification": found.and_then(|statement| statement.justification.as_deref()),
            "impact": found.and_then(|statement| statement.impact.as_deref()),
            "action": found.and_then(|statement| statement.action.as_deref()),
            "author": statements.as_ref().and_then(|vex| vex.author.as_deref()),
            "proven": false,
        }))?;
        return Ok(exit);
    }
    let text = match found {
        None => format!("{}: {}\n", Code::VexNotAbout, Code::VexNotAbout.summary()),
        Some(statement) => {
            let why = [&statement.justification, &statement.impact, &statement.action];
            let why: Vec<&str> = why.into_iter().filter_map(Option::as_deref).collect();
            let author = statements.as_ref().and_then(|vex| vex.author.as_deref()).unwrap_or("nobody named");
            format!(
                "{} (claimed by {}, not proven) {}\n",
                status(statement.status),
                table::visible(author),
                table::visible(&why.join("; "))
            )
        }
    };
    print(&text)?;
    Ok(exit)
}

pub(crate) fn statements(bytes: &[u8]) -> Result<Option<Statements>, linkward_evidence::Fault> {
    match parse(bytes)? {
        Claim::Vex(vex) => Ok(Some(vex)),
        Claim::Sbom(_) => match serde_json::from_slice(bytes) {
            Ok(document) => cyclonedx::read(&document),
            Err(_) => {
                let message = "statements are read of CycloneDX JSON, not of this form";
                Err(linkward_evidence::Fault::new(Code::UnsupportedFormat, "$", message))
            }
        },
        _ => Err(linkward_evidence::Fault::new(Code::UnsupportedFormat, "$", "is no VEX document")),
    }
}

const fn status(status: Status) -> &'static str {
    match status {
        Status::NotAffected => "not affected",
        Status::Fixed => "fixed",
        Status::UnderInvestigation => "under investigation",
        Status::Affected => "affected",
    }
}
