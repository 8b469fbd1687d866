//! The files under `integrations/`: they parse, they fail closed, and nothing of a workflow's input gets into a script.

use std::path::{Path, PathBuf};

use saphyr::{LoadableYamlNode as _, Yaml};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../integrations")
}

fn text(name: &str) -> String {
    std::fs::read_to_string(folder().join(name)).unwrap()
}

#[test]
fn every_file_is_what_its_reader_expects() {
    let mut count = 0;
    for stage in std::fs::read_dir(folder()).unwrap() {
        for file in std::fs::read_dir(stage.unwrap().path()).unwrap() {
            let path = file.unwrap().path();
            let text = std::fs::read_to_string(&path).unwrap();
            if path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml") {
                assert_eq!(Yaml::load_from_str(&text).unwrap().len(), 1, "{}", path.display());
                count += 1;
            }
        }
    }
    assert_eq!(count, 7);
}

#[test]
fn a_pipeline_without_an_artifact_or_with_an_undecided_one_stops() {
    let action = text("github/action.yml");
    let documents = Yaml::load_from_str(&action).unwrap();
    let step = &documents[0]["runs"]["steps"][0];
    let script = step["run"].as_str().unwrap();
    // Script injection: an expression in a script is code that a file's name can write.
    assert!(!script.contains("${{"), "{script}");
    assert!(step["env"]["ARTIFACTS"].as_str().unwrap().contains("inputs.artifacts"));
    let gitlab = text("gitlab/linkward.yml");
    let documents = Yaml::load_from_str(&gitlab).unwrap();
    let job = &documents[0][".linkward-check"];
    assert_eq!(job["allow_failure"].as_bool(), Some(false));
    let runs = |script: &str, name: &str, value: &str, stub: &str| {
        let output = std::process::Command::new("bash")
            .args(["-c", &format!("linkward() {{ printf '%s|' \"$@\"; return {stub}; }}\n{script}")])
            .env(name, value)
            .env("ENVIRONMENT", "production")
            .env("LINKWARD_ENVIRONMENT", "production")
            .output()
            .unwrap();
        (output.status.code().unwrap(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    for (script, name) in [(script, "ARTIFACTS"), (job["script"][0].as_str().unwrap(), "LINKWARD_ARTIFACTS")]
    {
        assert_eq!(runs(script, name, "", "0").0, 2, "{name}");
        for code in ["1", "3"] {
            assert_eq!(runs(script, name, "dist/app", code).0.to_string(), code, "{name}");
        }
        let (exit, said) = runs(script, name, "dist/app", "0");
        assert_eq!((exit, said.as_str()), (0, "check|--environment|production|--|dist/app|"), "{name}");
        let (_, said) = runs(script, name, "$(touch${IFS}/nowhere)", "0");
        assert!(said.contains("$(touch"), "{name}: the text stays text: {said}");
    }
    let jenkins = text("jenkins/Jenkinsfile");
    let (_, rest) = jenkins.split_once("sh '''").unwrap();
    let (shell, _) = rest.split_once("'''").unwrap();
    assert_eq!(runs(shell, "LINKWARD_ARTIFACTS", "", "0").0, 2);
    for code in ["1", "3"] {
        assert_eq!(runs(shell, "LINKWARD_ARTIFACTS", "dist/app", code).0.to_string(), code, "jenkins");
    }
    let (_, said) = runs(shell, "LINKWARD_ARTIFACTS", "a b\n*\n$(id)", "0");
    assert_eq!(said, "check|--environment|production|--|a b|*|$(id)|");
    let (_, said) = runs(script, "ARTIFACTS", "a b\n\nc;d\n", "0");
    assert_eq!(said, "check|--environment|production|--|a b|c;d|");
}

#[test]
fn a_synchronisation_waits_for_the_gate() {
    let hook = text("argo-cd/presync.yaml");
    let documents = Yaml::load_from_str(&hook).unwrap();
    let job = &documents[0];
    assert_eq!(job["metadata"]["annotations"]["argocd.argoproj.io/hook"].as_str(), Some("PreSync"));
    assert_eq!(job["spec"]["backoffLimit"].as_integer(), Some(0), "a no is not asked again");
    let pod = &job["spec"]["template"]["spec"];
    assert_eq!(pod["restartPolicy"].as_str(), Some("Never"));
    assert_eq!(pod["automountServiceAccountToken"].as_bool(), Some(false));
    assert_eq!(pod["containers"][0]["args"][1].as_str(), Some("image-verifier"));
    let gate = text("flux/kustomization.yaml");
    let gate = &Yaml::load_from_str(&gate).unwrap()[0];
    let application = text("flux/application.yaml");
    let application = &Yaml::load_from_str(&application).unwrap()[0];
    assert_eq!(gate["spec"]["wait"].as_bool(), Some(true), "ready without waiting is no gate");
    assert_eq!(application["spec"]["dependsOn"][0]["name"].as_str(), gate["metadata"]["name"].as_str());
}

#[test]
fn controllers_are_asked_where_the_gate_answers() {
    let analysis = text("argo-rollouts/analysistemplate.yaml");
    let documents = Yaml::load_from_str(&analysis).unwrap();
    let metric = &documents[0]["spec"]["metrics"][0];
    assert_eq!(metric["successCondition"].as_str(), Some("result.verdict == \"pass\""));
    assert_eq!(metric["failureCondition"].as_str(), Some("result.verdict == \"fail\""));
    assert_eq!(metric["provider"]["web"]["jsonPath"].as_str(), Some("{$.data}"));
    assert!(metric["provider"]["web"]["url"].as_str().unwrap().ends_with("/v1/verdict/argo"));
    let canary = text("flagger/canary.yaml");
    let documents = Yaml::load_from_str(&canary).unwrap();
    for hook in documents[0]["spec"]["analysis"]["webhooks"].as_vec().unwrap() {
        let (kind, url) = (hook["type"].as_str().unwrap(), hook["url"].as_str().unwrap());
        let end = match kind {
            "rollback" => "/rollback",
            "event" => "/event",
            _ => "/gate",
        };
        assert!(url.ends_with(&format!("/v1/verdict/flagger{end}")), "{kind} {url}");
        assert!(!kind.starts_with("confirm"), "a confirm hook that says no waits for ever");
    }
}
