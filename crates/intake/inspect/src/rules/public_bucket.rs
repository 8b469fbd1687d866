//! Storage that anybody can read has given away more records than any break-in; storage that anybody can write serves what an
//! attacker puts there.

use linkward_model::Code;

use crate::{Kind, Look, Report, Rule, Weight};

pub(crate) const RULE: Rule = Rule {
    code: Code::PublicBucket,
    weight: Weight::High,
    looks: &[Look::Of(&[Kind::Terraform, Kind::CloudFormation], look)],
};

fn look(text: &str, report: &mut Report<'_>) {
    for (index, line) in text.lines().enumerate() {
        let bare: String = line
            .split('#')
            .next()
            .unwrap_or(line)
            .chars()
            .filter(|c| !c.is_whitespace() && !matches!(c, '"' | '\''))
            .collect();
        let lower = bare.to_ascii_lowercase();
        let public = [
            "acl=public-read",
            "accesscontrol:publicread",
            "member=allusers",
            "members=[allusers",
            "container_access_type=blob",
            "container_access_type=container",
        ]
        .iter()
        .any(|end| lower.starts_with(end));
        let unblocked = [
            "block_public_acls=false",
            "block_public_policy=false",
            "restrict_public_buckets=false",
            "ignore_public_acls=false",
            "blockpublicacls:false",
            "blockpublicpolicy:false",
            "restrictpublicbuckets:false",
            "ignorepublicacls:false",
        ]
        .iter()
        .any(|setting| lower.starts_with(setting));
        if public || unblocked {
            report.add(index + 1, format!("opens storage to everybody: `{}`", line.trim()));
        }
    }
}
