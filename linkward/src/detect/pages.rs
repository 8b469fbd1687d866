//! The rules' pages, made from the rules themselves.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::Result;
use linkward_detect::{About, CaseFile, RULES, Tier, cases_of};
use linkward_model::Exit;

/// Path and text of every page.
pub(crate) fn reference() -> Result<BTreeMap<String, String>> {
    let mut pages = BTreeMap::new();
    for rule in RULES {
        let about = rule.about();
        pages.insert(format!("docs/detections/{}.md", about.id), page(about)?);
    }
    pages.insert("docs/detections/README.md".to_owned(), index());
    Ok(pages)
}

pub(crate) fn print_reference() -> Result<Exit> {
    crate::commands::print_json(&reference()?)?;
    Ok(Exit::Allowed)
}

fn page(about: &About) -> Result<String> {
    let mut out = format!("# {}\n\n{}.\n\n{}\n\n", about.id, about.title, about.why);
    let sources: Vec<_> = about.sources.iter().map(|source| source.as_str()).collect();
    let alert = match about.tier {
        Tier::Invariant => "page, once it is confirmed; maintenance never mutes it",
        Tier::FirstSight => "ticket",
        Tier::Weight => "none by itself; it counts together with others",
    };
    let _ = writeln!(out, "- Tier: {}", about.tier.as_str());
    let _ = writeln!(out, "- Alert: {alert}");
    let _ = writeln!(out, "- Sources: {}", sources.join(", "));
    let _ = writeln!(out, "- Covers: {}", about.covers.join(", "));
    if !about.fields.is_empty() {
        let _ = writeln!(out, "- Fields that decide: {}", about.fields.join(", "));
    }
    let _ = write!(
        out,
        "\n## What would make it benign\n\n{}\n\n## What to do\n\n{}\n\n## Cases\n\n",
        about.benign, about.response
    );
    let cases = cases_of(about.id).map(CaseFile::parse).transpose()?;
    for case in cases.map(|file| file.cases()).transpose()?.unwrap_or_default() {
        let _ = writeln!(out, "- {}: {}", if case.fires { "fires" } else { "does not fire" }, case.name);
    }
    Ok(out)
}

fn index() -> String {
    let mut out = String::from(
        "# Detections\n\nMade from the rules; do not edit. `linkward detect coverage` says which of them see something in your home.\n\n\
         | rule | tier | finds | covers |\n|---|---|---|---|\n",
    );
    for rule in RULES {
        let about = rule.about();
        let _ = writeln!(
            out,
            "| [{0}]({0}.md) | {1} | {2} | {3} |",
            about.id,
            about.tier.as_str(),
            about.title,
            about.covers.join(", ")
        );
    }
    let mut codes: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for about in RULES.iter().map(|rule| rule.about()) {
        for code in about.covers {
            codes.entry(code).or_default().push(about.id);
        }
    }
    out.push_str("\n## By code\n\n| code | rules |\n|---|---|\n");
    for (code, rules) in codes {
        let _ = writeln!(out, "| {code} | {} |", rules.join(", "));
    }
    out
}

#[cfg(test)]
mod tests {
    #[test]
    fn there_is_a_page_for_every_rule_and_it_is_whole() {
        let pages = super::reference().unwrap();
        assert_eq!(pages.len(), linkward_detect::RULES.len() + 1);
        for (path, text) in pages {
            assert!(text.len() > 200, "{path}");
        }
    }
}
