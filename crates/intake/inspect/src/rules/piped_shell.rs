//! What a server sends today may differ tomorrow, and for you alone: piped into a shell nothing is kept to compare. In 2021
//! an uploader that thousands of pipelines fetched this way stole their environment for two months.

use linkward_model::Code;

use crate::{Kind, Look, Report, Rule, Weight, line};
use linkward_evidence::workflow::Workflow;

pub(crate) const RULE: Rule = Rule {
    code: Code::PipedShell,
    weight: Weight::Medium,
    looks: &[Look::Workflow(look), Look::Of(&[Kind::Pipeline, Kind::Dockerfile], lines)],
};

const SHELLS: &[&str] =
    &["sh", "bash", "zsh", "dash", "ksh", "python", "python3", "node", "perl", "ruby", "iex"];

fn look(workflow: &Workflow<'_>, report: &mut Report<'_>) {
    for step in workflow.steps() {
        let Some(run) = step.run else { continue };
        for command in run.replace("\\\n", " ").lines().filter(|line| is_piped(line)) {
            let shown: String = command.trim().chars().take(80).collect();
            let first = command.split_whitespace().take(2).collect::<Vec<_>>().join(" ");
            let at = line::find(workflow.text, &first, step.line.saturating_sub(1));
            report.add(
                at,
                format!("runs what a server sends, unseen: `{shown}`; download, compare a digest, then run"),
            );
        }
    }
}

/// Scripts of other systems stand in their files line by line; a backslash continues one.
fn lines(text: &str, report: &mut Report<'_>) {
    let mut whole = String::new();
    for (index, line) in text.lines().enumerate() {
        let command = line.trim().trim_start_matches("- ").trim_start_matches("RUN ");
        whole.push_str(command.strip_suffix('\\').unwrap_or(command));
        if command.ends_with('\\') {
            whole.push(' ');
            continue;
        }
        if is_piped(&whole) {
            let shown: String = whole.trim().chars().take(80).collect();
            report.add(
                index + 1,
                format!("runs what a server sends, unseen: `{shown}`; download, compare a digest, then run"),
            );
        }
        whole.clear();
    }
}

fn is_piped(line: &str) -> bool {
    let line = line.trim();
    if line.starts_with('#') {
        return false;
    }
    let mut fetched = false;
    for part in line.split('|') {
        let mut words = part.split_whitespace().map(|word| word.trim_matches(['"', '\'', '(', ')']));
        let mut first = words.next().unwrap_or_default();
        // `sudo -E bash -`, `env X=1 sh`.
        while matches!(first, "sudo" | "env" | "exec") || first.starts_with('-') || first.contains('=') {
            match words.next() {
                Some(next) => first = next,
                None => break,
            }
        }
        let name = first.rsplit('/').next().unwrap_or(first);
        if fetched && SHELLS.contains(&name) {
            return true;
        }
        fetched |= part.split([' ', ';', '&', '(', '$']).any(|word| {
            matches!(word.rsplit('/').next().unwrap_or(word), "curl" | "wget" | "iwr" | "Invoke-WebRequest")
        });
    }
    // `bash <(curl ...)` and `sh -c "$(curl ...)"`.
    let shell = line.split_whitespace().any(|word| SHELLS.contains(&word.rsplit('/').next().unwrap_or(word)));
    shell && ["<(curl", "<(wget", "$(curl", "$(wget"].iter().any(|call| line.contains(call))
}
