//! A build step, run and recorded: what went in, which command with which environment, what came out.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::process::Command;

use linkward_model::{Digest, Instant};
use serde::Serialize;

/// What is recorded of a step.
#[derive(Clone, Debug, Serialize)]
pub struct Step {
    pub name: String,
    pub command: Vec<String>,
    /// Relative to the project.
    pub directory: String,
    /// Only variables that were named; those that look like secrets are masked.
    pub environment: BTreeMap<String, String>,
    pub materials: Vec<(String, Digest)>,
    pub products: Vec<(String, Digest)>,
    /// Products that the command left as they were.
    pub unchanged: Vec<String>,
    pub exit_code: i64,
    pub invocation: String,
    pub started: Instant,
    pub finished: Instant,
}

/// Files by name and digest.
pub type Listing = Vec<(String, Digest)>;

/// What a step is, before it is run.
#[derive(Debug)]
pub struct Plan<'a> {
    pub name: &'a str,
    pub command: &'a [String],
    pub folder: &'a Path,
    pub directory: String,
    /// Variables to record.
    pub variables: &'a [String],
}

/// Why a step could not be run. That the command failed is a result, not an error.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    #[error("no command was given")]
    NoCommand,
    #[error("`{command}` could not be started")]
    Start { command: String, source: io::Error },
    #[error("files could not be listed")]
    List(#[source] io::Error),
}

/// Runs the command with this process's terminal and environment, and lists the products before and after.
///
/// # Errors
/// The command cannot be started, or the files cannot be listed.
pub fn run(
    plan: &Plan<'_>,
    materials: Listing,
    products: impl Fn() -> io::Result<Listing>,
    clock: impl Fn() -> Instant,
) -> Result<Step, StepError> {
    let (program, arguments) = plan.command.split_first().ok_or(StepError::NoCommand)?;
    let before = products().map_err(StepError::List)?;
    let started = clock();
    let status = Command::new(program)
        .args(arguments)
        .current_dir(plan.folder)
        .status()
        .map_err(|source| StepError::Start { command: program.clone(), source })?;
    let finished = clock();
    let after = products().map_err(StepError::List)?;
    let unchanged =
        after.iter().filter(|product| before.contains(product)).map(|(name, _)| name.clone()).collect();
    Ok(Step {
        name: plan.name.to_owned(),
        command: masked(plan.command, &secrets()),
        directory: plan.directory.clone(),
        environment: environment(plan.variables),
        materials,
        products: after,
        unchanged,
        exit_code: exit_code(status),
        invocation: format!("{}-{}", started.millis(), std::process::id()),
        started,
        finished,
    })
}

/// As a shell says it: 128 and the signal's number where a signal ended the command.
fn exit_code(status: std::process::ExitStatus) -> i64 {
    use std::os::unix::process::ExitStatusExt as _;
    status.code().map_or_else(|| 128 + i64::from(status.signal().unwrap_or(0)), i64::from)
}

/// Shortest value that is taken for a secret where it stands in a command.
const MIN_SECRET: usize = 6;

/// Values of this environment's secrets.
fn secrets() -> Vec<String> {
    let named = std::env::vars().filter(|(name, value)| looks_secret(name) && value.len() >= MIN_SECRET);
    named.map(|(_, value)| value).collect()
}

/// The words of a command, without the values of secrets: a shell may have put them there.
fn masked(command: &[String], secrets: &[String]) -> Vec<String> {
    let mask = |word: &String| {
        secrets.iter().fold(word.clone(), |word, secret| word.replace(secret.as_str(), "(masked)"))
    };
    command.iter().map(mask).collect()
}

fn environment(names: &[String]) -> BTreeMap<String, String> {
    names
        .iter()
        .filter_map(|name| {
            let value = std::env::var_os(name)?.to_string_lossy().into_owned();
            Some((name.clone(), if looks_secret(name) { "(masked)".to_owned() } else { value }))
        })
        .collect()
}

/// Names under which secrets are kept.
pub(crate) fn looks_secret(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    [
        "SECRET",
        "TOKEN",
        "PASSWORD",
        "PASSWD",
        "CREDENTIAL",
        "PRIVATE",
        "APIKEY",
        "API_KEY",
        "ACCESS_KEY",
        "AUTH",
    ]
    .iter()
    .any(|part| name.contains(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(command: &[&str]) -> Result<Step, StepError> {
        let folder = linkward_testkit::scratch();
        let command: Vec<String> = command.iter().map(|word| (*word).to_owned()).collect();
        let plan = Plan {
            name: "build",
            command: &command,
            folder: folder.path(),
            directory: ".".to_owned(),
            variables: &[],
        };
        std::fs::write(folder.path().join("old"), "old").unwrap();
        let products = || {
            let mut found = Vec::new();
            for name in ["new", "old"] {
                if let Ok(bytes) = std::fs::read(folder.path().join(name)) {
                    found.push((name.to_owned(), Digest::sha256(&bytes)));
                }
            }
            Ok(found)
        };
        run(&plan, Vec::new(), products, linkward_testkit::noon)
    }

    #[test]
    fn products_and_exit_codes_are_recorded() {
        let good = step(&["sh", "-c", "printf made > new"]).unwrap();
        assert_eq!(good.exit_code, 0);
        assert_eq!(good.products.len(), 2);
        assert_eq!(good.unchanged, ["old"]);
        assert_eq!(step(&["sh", "-c", "exit 7"]).unwrap().exit_code, 7);
        assert_eq!(step(&["sh", "-c", "kill -9 $$"]).unwrap().exit_code, 137);
        assert!(matches!(step(&["/no/such/program"]), Err(StepError::Start { .. })));
    }

    #[test]
    fn secrets_in_a_command_are_masked() {
        let words = ["curl".to_owned(), "-Hauth:hunter22".to_owned(), "hunter22hunter22".to_owned()];
        let masked = masked(&words, &["hunter22".to_owned()]);
        assert_eq!(masked, ["curl", "-Hauth:(masked)", "(masked)(masked)"]);
    }

    #[test]
    fn names_of_secrets_are_recognised() {
        for name in ["NPM_TOKEN", "aws_secret_access_key", "DB_PASSWORD"] {
            assert!(looks_secret(name), "{name}");
        }
        assert!(!looks_secret("PATH"));
    }
}
