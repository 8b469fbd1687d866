//! `check --terraform-plan`: what is about to be applied, against what was approved.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use clap::Args;
use linkward_deploy::{PlanIssue, TerraformPlan};
use linkward_model::{Digest, Exit};
use serde_json::json;

use crate::cli::Format;
use crate::commands::{print, print_json};
use crate::table::{counted, visible};
use crate::wire::{Failure, VERSION};

/// Largest plan: those of whole estates have tens of megabytes.
const MAX_PLAN: u64 = 256 << 20;

#[derive(Debug, Args)]
pub(crate) struct PlanArgs {
    /// A Terraform plan that is about to be applied, as `terraform show -json` writes it
    #[arg(long, value_name = "FILE", conflicts_with = "targets")]
    pub(crate) terraform_plan: Option<PathBuf>,
    /// The plan that was approved, written the same way: nothing else may change
    #[arg(long, value_name = "FILE", requires = "terraform_plan")]
    approved: Option<PathBuf>,
}

pub(crate) fn check(args: &PlanArgs, path: &Path, format: Format) -> Result<Exit> {
    let (plan, digest) = read(path)?;
    let mut issues = plan.issues();
    if let Some(path) = &args.approved {
        issues.extend(plan.against(&read(path)?.0));
    }
    match format {
        Format::Json => {
            print_json(&json!({
                "version": VERSION, "plan": digest, "changes": plan.len(), "compared": args.approved.is_some(), "issues": issues,
            }))?;
        }
        Format::Table => print(&described(&plan, &digest, &issues, args.approved.is_some()))?,
    }
    Ok(if issues.is_empty() { Exit::Allowed } else { Exit::Denied })
}

fn described(plan: &TerraformPlan, digest: &Digest, issues: &[PlanIssue], compared: bool) -> String {
    let mut out = String::new();
    for issue in issues {
        out.push_str(&format!("x {}: {}: {}\n", issue.code, visible(&issue.address), visible(&issue.what)));
    }
    let mut codes: Vec<_> = issues.iter().map(|issue| issue.code).collect();
    codes.sort();
    codes.dedup();
    for code in codes {
        out.push_str(&format!("  {code}: {}\n", code.fix()));
    }
    let compared =
        if compared { "compared with what was approved" } else { "not compared: name --approved FILE" };
    out.push_str(&format!(
        "{} {}, {compared}: {}\n",
        digest.short(),
        counted(plan.len(), "change"),
        counted(issues.len(), "objection")
    ));
    out
}

fn read(path: &Path) -> Result<(TerraformPlan, Digest)> {
    let unreadable = || format!("cannot read {}", path.display());
    let size = std::fs::metadata(path).with_context(unreadable)?.len();
    if size > MAX_PLAN {
        let what = format!("{} is larger than {MAX_PLAN} bytes", path.display());
        return Err(Failure::new(linkward_model::Code::TooLarge, what).into());
    }
    let bytes = std::fs::read(path).with_context(unreadable)?;
    let plan = TerraformPlan::parse(&bytes)
        .map_err(|(code, what)| Failure::new(code, format!("{}: {what}", path.display())))?;
    Ok((plan, Digest::sha256(&bytes)))
}
