//! Every shipped policy is without faults, its cases come out as they say, and they reach all of it.

use std::path::{Path, PathBuf};

use linkward_decide::{Case, Coverage, Policy, TEMPLATES};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../policies")
}

#[test]
fn every_folder_is_a_template() {
    let mut folders: Vec<String> = std::fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    folders.sort();
    let names: Vec<&str> = TEMPLATES.iter().map(|template| template.name).collect();
    assert_eq!(folders, names);
}

#[test]
fn cases_come_out_as_they_say_and_reach_everything() {
    let mut wrong = Vec::new();
    for template in TEMPLATES {
        let policy = Policy::parse(template.text.as_bytes())
            .unwrap_or_else(|faults| panic!("{}: {faults:?}", template.name));
        assert!(!template.about().is_empty(), "{}", template.name);
        let mut coverage = Coverage::default();
        let mut outcomes = std::collections::BTreeSet::new();
        for entry in std::fs::read_dir(folder().join(template.name).join("cases")).unwrap() {
            let path = entry.unwrap().path();
            let case = Case::parse(&std::fs::read_to_string(&path).unwrap());
            let case = case.unwrap_or_else(|message| panic!("{}: {message}", path.display()));
            let tried = case.try_on(&policy, &mut coverage).unwrap();
            outcomes.insert(tried.judgement.outcome().as_str());
            let reasons: Vec<&str> =
                tried.judgement.reasons().iter().map(|reason| reason.detail.as_str()).collect();
            wrong.extend(tried.differences.iter().map(|it| format!("{}: {it} {reasons:?}", path.display())));
        }
        if !outcomes.contains("allow") || outcomes.len() < 2 {
            wrong.push(format!("{}: only {outcomes:?}", template.name));
        }
        let missed = coverage.points(&policy).into_iter().filter(|(_, reached)| !reached);
        wrong.extend(missed.map(|(point, _)| format!("{}: not reached: {point}", template.name)));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
