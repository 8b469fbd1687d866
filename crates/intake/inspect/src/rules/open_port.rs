//! A port that is open to every address is found by scanners within minutes, and whatever listens behind it is tried.

use linkward_model::Code;

use crate::{Kind, Look, Report, Rule, Weight};

pub(crate) const RULE: Rule = Rule {
    code: Code::OpenPort,
    weight: Weight::Medium,
    looks: &[Look::Of(&[Kind::Terraform], terraform), Look::Of(&[Kind::CloudFormation], cloud_formation)],
};

const EVERYBODY: &[&str] = &["0.0.0.0/0", "::/0"];

fn terraform(text: &str, report: &mut Report<'_>) {
    // Rules of traffic that leaves are no doors.
    let (mut depth, mut inside) = (0usize, None);
    for (index, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or(line).trim();
        let opens = (line.starts_with("ingress") && line.contains('{'))
            || (line.starts_with("resource")
                && (line.contains("_ingress_rule\"")
                    || line.contains("google_compute_firewall\"")
                    || line.contains("azurerm_network_security_rule\"")
                    || line.contains("aws_security_group_rule\"")));
        if opens && inside.is_none() {
            inside = Some(depth);
        }
        let open = EVERYBODY.iter().any(|all| line.contains(all))
            || (line.contains("source_address_prefix") && line.contains("\"*\""));
        if inside.is_some() && open {
            report.add(index + 1, "lets every address in".to_owned());
        }
        if inside.is_some() && line.starts_with("type") && line.contains("\"egress\"") {
            inside = None;
        }
        depth = depth.saturating_add(line.matches('{').count()).saturating_sub(line.matches('}').count());
        if inside.is_some_and(|at| depth <= at) && line.contains('}') {
            inside = None;
        }
    }
}

fn cloud_formation(text: &str, report: &mut Report<'_>) {
    let mut leaves = false;
    for (index, line) in text.lines().enumerate() {
        if line.contains("SecurityGroupEgress") {
            leaves = true;
        } else if line.contains("SecurityGroupIngress") || line.contains("Type:") || line.contains("\"Type\"")
        {
            leaves = false;
        }
        let address = line.contains("CidrIp");
        if address && !leaves && EVERYBODY.iter().any(|all| line.contains(all)) {
            report.add(index + 1, "lets every address in".to_owned());
        }
    }
}
