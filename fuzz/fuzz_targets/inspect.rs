//! Any bytes as a file that rules look at, a package's archive, or a build's log.
#![no_main]

use libfuzzer_sys::fuzz_target;
use linkward_inspect::package::Package;

const PATHS: &[&str] = &[
    ".github/workflows/a.yml", ".gitlab-ci.yml", ".circleci/config.yml", "azure-pipelines.yml", "Jenkinsfile", "Dockerfile", "main.tf",
    "stack.yaml", "package.json", "a.js", "a.py", ".env",
];

fuzz_target!(|input: (u8, &[u8])| {
    let (choice, bytes) = input;
    let _ = linkward_inspect::inspect(PATHS[usize::from(choice) % PATHS.len()], bytes);
    if let Ok(package) = Package::archive(bytes) {
        assert!(package.gained(&package).iter().all(|finding| finding.code.as_str() == "manifest-confusion"));
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        let fetched = linkward_inspect::build_log::read(text);
        let _ = linkward_inspect::build_log::compare("log", &fetched, &[]);
    }
});
