//! The sigstore-conformance protocol as its suite calls it: every case by path and by digest through `verify-bundle`,
//! whose exit code is the answer and whose output names the reason.

use std::path::Path;

use linkward_tests::Project;

const IDENTITY: &str = "https://github.com/sigstore-conformance/extremely-dangerous-public-oidc-beacon/.github/workflows/extremely-dangerous-oidc-beacon.yml@refs/heads/main";
const ISSUER: &str = "https://token.actions.githubusercontent.com";

/// The arguments in the order in which the suite gives them.
fn arguments(folder: &Path, case: &Path) -> Vec<String> {
    let text = |name: &str| std::fs::read_to_string(case.join(name)).ok().map(|text| text.trim().to_owned());
    let path = |name: &str| case.join(name).display().to_string();
    let mut args = vec!["verify-bundle".to_owned(), "--bundle".to_owned(), path("bundle.sigstore.json")];
    if case.join("key.pub").exists() {
        args.extend(["--key".to_owned(), path("key.pub")]);
    } else {
        let identity = text("identity").unwrap_or_else(|| IDENTITY.to_owned());
        let issuer = text("issuer").unwrap_or_else(|| ISSUER.to_owned());
        args.extend(["--certificate-identity".to_owned(), identity]);
        args.extend(["--certificate-oidc-issuer".to_owned(), issuer]);
    }
    if case.join("trusted_root.json").exists() {
        args.extend(["--trusted-root".to_owned(), path("trusted_root.json")]);
    }
    let artifact = if case.join("artifact").exists() {
        path("artifact")
    } else {
        folder.join("a.txt").display().to_string()
    };
    args.push(artifact);
    args
}

#[test]
fn all_140_cases_through_the_command() {
    let Some(vectors) = linkward_testkit::vectors() else { return };
    let folder = vectors.join("sigstore-conformance/bundle-verify");
    let project = Project::new();
    let mut cases: Vec<_> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .collect();
    cases.sort();
    let mut wrong = Vec::new();
    for case in &cases {
        let refused = case.display().to_string().ends_with("_fail");
        let mut args = arguments(&folder, case);
        let content = std::fs::read(args.last().unwrap()).unwrap();
        let digest = linkward_model::Digest::sha256(&content).to_string();
        for artifact in [args.last().unwrap().clone(), digest] {
            *args.last_mut().unwrap() = artifact;
            let (exit, text) = project.run(&args.iter().map(String::as_str).collect::<Vec<_>>());
            // A refusal says why and what next; a crash does neither.
            let explained = text.contains("next: ") || text.contains("fix: ");
            if (exit != 0) != refused || (refused && !explained) || !matches!(exit, 0..=3) {
                wrong.push(format!("{}: exit {exit}: {text}", args.join(" ")));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(cases.len(), 70);
}
