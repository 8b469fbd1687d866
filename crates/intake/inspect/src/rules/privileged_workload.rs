//! A container with the machine's own rights is no container: whoever gets into it has the node, and from there the cluster.

use linkward_model::Code;

use crate::{Kind, Look, Report, Rule, Weight};

pub(crate) const RULE: Rule = Rule {
    code: Code::PrivilegedWorkload,
    weight: Weight::High,
    looks: &[Look::Of(&[Kind::Kubernetes, Kind::Pipeline], look)],
};

const SETTINGS: &[(&str, &str)] = &[
    ("privileged:true", "has every right on its node"),
    ("hostNetwork:true", "stands in its node's network"),
    ("hostPID:true", "sees and stops every process of its node"),
    ("hostIPC:true", "shares memory with every process of its node"),
    ("path:/var/run/docker.sock", "can start containers on its node"),
    ("path:/run/containerd/containerd.sock", "can start containers on its node"),
    ("SYS_ADMIN", "has a right that is as good as all"),
];

fn look(text: &str, report: &mut Report<'_>) {
    for (index, line) in text.lines().enumerate() {
        let line = line.split(" #").next().unwrap_or(line);
        let bare: String = line.chars().filter(|c| !c.is_whitespace() && !matches!(c, '"' | '\'')).collect();
        if bare.starts_with('#') {
            continue;
        }
        // YAML 1.1 has several words for it.
        let bare = bare
            .replace(":True", ":true")
            .replace(":TRUE", ":true")
            .replace(":yes", ":true")
            .replace(":on", ":true");
        for (setting, what) in SETTINGS {
            let whole =
                bare.split(['{', ',', '}', '[', ']']).any(|part| part.trim_start_matches('-') == *setting);
            if whole {
                report.add(index + 1, format!("`{setting}` {what}"));
            }
        }
    }
}
