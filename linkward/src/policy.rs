//! `policy`: check it, test it, compare two versions, start from a template or from Kubernetes.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::Subcommand;
use linkward_decide::{Case, Coverage, Policy, TEMPLATES};
use linkward_model::{Code, Exit};
use serde_json::json;

use crate::access::Access;
use crate::cli::Format;
use crate::commands::{nearest, print, print_json};
use crate::table;
use crate::wire::{Changed, Failure, PolicyChange, PolicyRollout, PolicyTrial, Request, VERSION};

#[derive(Debug, Subcommand)]
pub(crate) enum PolicyCommand {
    /// Report every fault of a policy file with line and column
    Check {
        #[arg(value_name = "FILE")]
        file: Option<PathBuf>,
    },
    /// Print the policy in force
    Show,
    /// Try a policy on cases: DIR/policy.yaml on every DIR/cases/*.yaml; exit code 1 where one comes out otherwise
    Test {
        #[arg(value_name = "DIR")]
        folder: PathBuf,
        /// Another policy on the same cases
        #[arg(long, value_name = "FILE")]
        policy: Option<PathBuf>,
        /// Fail too where the cases do not reach all of the policy
        #[arg(long)]
        complete: bool,
    },
    /// Who would be decided otherwise: two policies over the recorded evidence; exit code 1 where anything is newly refused, 3 where nothing was ever asked
    Diff {
        #[arg(value_name = "OLD")]
        old: PathBuf,
        #[arg(value_name = "NEW")]
        new: PathBuf,
    },
    /// Try a policy beside the one in force: both decide, nothing obeys the one on trial
    Trial {
        #[command(subcommand)]
        command: TrialCommand,
    },
    /// How policies came into force: what each change decided otherwise
    Rollouts,
    /// Print a policy for a case that many have; lists them where none is named
    Template {
        #[arg(value_name = "NAME")]
        name: Option<String>,
    },
    /// Turn a Kubernetes ClusterImagePolicy into a policy; what could not be carried over is named, with exit code 3
    Import {
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum TrialCommand {
    /// Begin, with this policy in the place of any other on trial
    Start {
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// What would be decided otherwise; exit code 1 where anything would newly be refused
    Show,
    /// Let the policy on trial come into force
    Promote,
    /// End the trial; nothing changes
    Stop,
}

pub(crate) fn run(command: &PolicyCommand, home: Option<&Path>, format: Format) -> Result<Exit> {
    match command {
        PolicyCommand::Show => {
            let text: String = Access::open(&nearest(home)?)?.ask(Request::Policy)?;
            print(&text)?;
            Ok(Exit::Allowed)
        }
        PolicyCommand::Check { file } => {
            let path = match file {
                Some(file) => file.clone(),
                None => nearest(home)?.policy_path(),
            };
            check(&path, format)
        }
        PolicyCommand::Test { folder, policy, complete } => {
            test(folder, policy.as_deref(), *complete, format)
        }
        PolicyCommand::Diff { old, new } => diff(old, new, home, format),
        PolicyCommand::Trial { command } => trial(command, home, format),
        PolicyCommand::Rollouts => rollouts(home, format),
        PolicyCommand::Template { name } => template(name.as_deref(), format),
        PolicyCommand::Import { file } => import(file),
    }
}

fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

fn check(path: &Path, format: Format) -> Result<Exit> {
    match Policy::parse(read(path)?.as_bytes()) {
        Ok(policy) => {
            let digest = policy.digest();
            match format {
                Format::Json => print_json(&json!({ "version": VERSION, "policy": digest, "faults": [] }))?,
                Format::Table => print(&format!("{}: no faults, {}\n", path.display(), digest.short()))?,
            }
            Ok(Exit::Allowed)
        }
        Err(faults) => {
            let lines: Vec<String> =
                faults.iter().map(|fault| format!("{}: {fault}", path.display())).collect();
            match format {
                Format::Json => print_json(&json!({ "version": VERSION, "faults": lines }))?,
                Format::Table => print(&format!("{}\n", lines.join("\n")))?,
            }
            Ok(Exit::Error)
        }
    }
}

fn valid(path: &Path) -> Result<Policy> {
    Policy::parse(read(path)?.as_bytes()).map_err(|faults| {
        let lines: Vec<String> = faults.iter().map(ToString::to_string).collect();
        Failure::new(Code::PolicyMalformed, format!("{}: {}", path.display(), lines.join("; "))).into()
    })
}

fn test(folder: &Path, policy: Option<&Path>, complete: bool, format: Format) -> Result<Exit> {
    let policy = valid(policy.unwrap_or(&folder.join("policy.yaml")))?;
    let cases = folder.join("cases");
    let entries = std::fs::read_dir(&cases).with_context(|| format!("cannot read {}", cases.display()))?;
    let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<PathBuf>>>()?;
    paths.retain(|path| path.extension().is_some_and(|end| end == "yaml" || end == "yml"));
    paths.sort();
    if paths.is_empty() {
        bail!("{} holds no cases: a test of nothing would always pass", cases.display());
    }
    let mut coverage = Coverage::default();
    let mut tried = Vec::new();
    for path in &paths {
        let fault =
            |message: String| Failure::new(Code::MalformedField, format!("{}: {message}", path.display()));
        let case = Case::parse(&read(path)?).map_err(fault)?;
        let result = case.try_on(&policy, &mut coverage).map_err(fault)?;
        let name = path.file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        tried.push((name, result));
    }
    let points = coverage.points(&policy);
    let missed: Vec<&str> =
        points.iter().filter(|(_, reached)| !reached).map(|(point, _)| point.as_str()).collect();
    let failed = tried.iter().filter(|(_, result)| !result.differences.is_empty()).count();
    let reached = points.len() - missed.len();
    match format {
        Format::Json => {
            let cases: Vec<_> = tried
                .iter()
                .map(|(name, result)| {
                    json!({ "case": name, "passed": result.differences.is_empty(), "differences": result.differences,
                            "outcome": result.judgement.outcome(), "reasons": result.judgement.reasons() })
                })
                .collect();
            print_json(&json!({ "version": VERSION, "cases": cases, "failed": failed,
                "coverage": { "reached": reached, "of": points.len(), "missed": missed } }))?;
        }
        Format::Table => {
            let mut out = String::new();
            for (name, result) in &tried {
                let word = if result.differences.is_empty() { "passed" } else { "failed" };
                out.push_str(&format!("{word} {}\n", table::visible(name)));
                for difference in &result.differences {
                    out.push_str(&format!("  {}\n", table::visible(difference)));
                }
                if !result.differences.is_empty() {
                    for reason in result.judgement.reasons() {
                        out.push_str(&format!("  {}: {}\n", reason.code, table::visible(&reason.detail)));
                    }
                }
            }
            for point in &missed {
                out.push_str(&format!("not reached: {}\n", table::visible(point)));
            }
            out.push_str(&format!(
                "{} cases, {failed} failed; {reached} of {} points of the policy reached\n",
                tried.len(),
                points.len()
            ));
            print(&out)?;
        }
    }
    Ok(if failed > 0 || (complete && !missed.is_empty()) { Exit::Denied } else { Exit::Allowed })
}

fn diff(old: &Path, new: &Path, home: Option<&Path>, format: Format) -> Result<Exit> {
    let request = Request::PolicyDiff { old: read(old)?, new: read(new)? };
    let change: PolicyChange = Access::open(&nearest(home)?)?.ask(request)?;
    let refused = change.changed.iter().filter(|changed| changed.refused).count();
    match format {
        Format::Json => print_json(&change)?,
        Format::Table => {
            let mut out = String::new();
            out.extend(change.changed.iter().map(line));
            out.push_str(&format!(
                "{} of {} recorded questions are decided otherwise, {refused} would newly be refused\n",
                change.changed.len(),
                change.asked
            ));
            if change.asked == 0 {
                let fix = "linkward check, up, or a gate asks";
                out.push_str(&format!(
                    "{}: nothing was asked for yet, so nobody knows; {fix}\n",
                    Code::NoEvidence
                ));
            }
            print(&out)?;
        }
    }
    Ok(match (refused, change.asked) {
        (_, 0) => Exit::Unknown,
        (0, _) => Exit::Allowed,
        _ => Exit::Denied,
    })
}

/// One question that is decided otherwise.
fn line(changed: &Changed) -> String {
    let word = match (changed.refused, changed.allowed) {
        (true, _) => "refused: ",
        (_, true) => "allowed: ",
        _ => "",
    };
    format!(
        "{word}{} {} in {}: {} ({}) -> {} ({})\n{}",
        table::visible(&changed.name),
        changed.digest.short(),
        changed.environment,
        changed.old.outcome.as_str(),
        changed.old.mode,
        changed.new.outcome.as_str(),
        changed.new.mode,
        table::reasons(&changed.new.reasons)
    )
}

fn trial(command: &TrialCommand, home: Option<&Path>, format: Format) -> Result<Exit> {
    let home = nearest(home)?;
    let path = home.trial_path();
    match command {
        TrialCommand::Start { file } => {
            valid(file)?;
            // Whole or not at all: the daemon may read it at any moment.
            let draft = path.with_extension("new");
            std::fs::copy(file, &draft).with_context(|| format!("cannot write {}", draft.display()))?;
            std::fs::rename(&draft, &path)?;
        }
        TrialCommand::Show => {}
        TrialCommand::Promote => {
            let policy = valid(&path)?;
            std::fs::rename(&path, home.policy_path())
                .with_context(|| format!("cannot write {}", home.policy_path().display()))?;
            // Asking for it brings it into force.
            let _: String = Access::open(&home)?.ask(Request::Policy)?;
            print(&format!(
                "{} is in force; linkward policy rollouts says what it changed\n",
                policy.digest().short()
            ))?;
            return Ok(Exit::Allowed);
        }
        TrialCommand::Stop => {
            std::fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
            let _: Option<PolicyTrial> = Access::open(&home)?.ask(Request::PolicyTrial)?;
            print("the trial is over; nothing has changed\n")?;
            return Ok(Exit::Allowed);
        }
    }
    let trial: Option<PolicyTrial> = Access::open(&home)?.ask(Request::PolicyTrial)?;
    let Some(trial) = trial else {
        let what = "no policy is on trial: linkward policy trial start FILE begins one".to_owned();
        bail!(Failure::new(Code::PolicyTrialMissing, what));
    };
    match format {
        Format::Json => print_json(&trial)?,
        Format::Table => {
            let mut out: String = trial.changed.iter().map(line).collect();
            if trial.more > 0 {
                out.push_str(&format!("and {} more\n", trial.more));
            }
            out.push_str(&format!(
                "{} on trial beside {}: {} of {} would be decided otherwise, {} would newly be refused\n",
                trial.policy.short(),
                trial.beside.short(),
                trial.changed.len() + trial.more,
                table::counted(trial.asked, "verdict"),
                trial.newly_refused
            ));
            print(&out)?;
        }
    }
    Ok(if trial.newly_refused > 0 { Exit::Denied } else { Exit::Allowed })
}

fn rollouts(home: Option<&Path>, format: Format) -> Result<Exit> {
    let rollouts: Vec<PolicyRollout> = Access::open(&nearest(home)?)?.ask(Request::PolicyRollouts)?;
    match format {
        Format::Json => print_json(&rollouts)?,
        Format::Table if rollouts.is_empty() => print("no policy has changed a verdict yet\n")?,
        Format::Table => {
            let mut out = String::new();
            for rollout in &rollouts {
                out.push_str(&format!(
                    "record {}, {}: {} after {}: {} of {} decided otherwise, {} newly refused, {} newly allowed\n",
                    rollout.record,
                    rollout.at,
                    rollout.policy.short(),
                    rollout.former.short(),
                    rollout.changed,
                    rollout.asked,
                    rollout.newly_refused,
                    rollout.newly_allowed
                ));
                out.extend(rollout.first.iter().take(10).map(line));
            }
            print(&out)?;
        }
    }
    Ok(Exit::Allowed)
}

fn template(name: Option<&str>, format: Format) -> Result<Exit> {
    let Some(name) = name else {
        match format {
            Format::Json => {
                let all: Vec<_> =
                    TEMPLATES.iter().map(|it| json!({ "name": it.name, "about": it.about() })).collect();
                print_json(&json!({ "version": VERSION, "templates": all }))?;
            }
            Format::Table => {
                let lines: Vec<String> =
                    TEMPLATES.iter().map(|it| format!("{}\n  {}\n", it.name, it.about())).collect();
                print(&lines.concat())?;
            }
        }
        return Ok(Exit::Allowed);
    };
    let Some(found) = TEMPLATES.iter().find(|template| template.name == name) else {
        let names: Vec<&str> = TEMPLATES.iter().map(|template| template.name).collect();
        bail!("no template is named `{name}`: there are {}", names.join(", "));
    };
    print(found.text)?;
    Ok(Exit::Allowed)
}

fn import(file: &Path) -> Result<Exit> {
    let imported = linkward_decide::import(&read(file)?)
        .map_err(|message| Failure::new(Code::PolicyMalformed, format!("{}: {message}", file.display())))?;
    report(&imported.left_out);
    print(&imported.text)?;
    Ok(if imported.left_out.is_empty() { Exit::Allowed } else { Exit::Unknown })
}

#[expect(clippy::print_stderr, reason = "standard output is the policy")]
fn report(left_out: &[String]) {
    for what in left_out {
        eprintln!("not carried over: {}", table::visible(what));
    }
}
