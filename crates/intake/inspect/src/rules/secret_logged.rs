//! What a build prints many can read, and it stays: masks of CI systems miss what is encoded, cut or printed by a tool.

use linkward_model::Code;

use crate::{Kind, Look, Report, Rule, Weight};

pub(crate) const RULE: Rule = Rule {
    code: Code::SecretLogged,
    weight: Weight::Medium,
    looks: &[Look::Of(&[Kind::Workflow, Kind::Pipeline, Kind::Dockerfile], look)],
};

const NAMES: &[&str] =
    &["TOKEN", "SECRET", "PASSWORD", "PASSWD", "API_KEY", "APIKEY", "PRIVATE_KEY", "ACCESS_KEY"];

fn look(text: &str, report: &mut Report<'_>) {
    for (index, line) in text.lines().enumerate() {
        let command =
            line.trim().trim_start_matches("- ").trim_start_matches("run:").trim_start_matches("RUN ").trim();
        let first = command.split_whitespace().next().unwrap_or_default();
        if command.starts_with('#') {
            continue;
        }
        // The whole environment.
        if matches!(command, "env" | "printenv" | "set" | "export -p" | "Get-ChildItem Env:")
            || command.starts_with("env |")
            || command.starts_with("printenv |")
        {
            report.add(index + 1, format!("`{command}` prints every variable, secrets too"));
            continue;
        }
        let prints = matches!(first, "echo" | "printf" | "print" | "Write-Host" | "cat");
        // What goes into a file or another program is not printed.
        let kept = command.contains('>') || command.contains('|');
        if prints && !kept {
            let of_store = command.contains("${{ secrets.") || command.contains("${{secrets.");
            let upper = command.to_ascii_uppercase();
            let named = upper.contains('$')
                && NAMES.iter().any(|name| {
                    upper.split('$').skip(1).any(|part| {
                        part.split(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '{')))
                            .next()
                            .is_some_and(|word| word.contains(name))
                    })
                });
            if of_store || named {
                let shown: String = command.chars().take(80).collect();
                report.add(index + 1, format!("prints what its name calls a secret: `{shown}`"));
            }
        }
    }
}
