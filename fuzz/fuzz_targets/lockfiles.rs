//! Any bytes as each kind of lockfile: components, or a fault with its place.
#![no_main]

use libfuzzer_sys::fuzz_target;
use linkward_inventory::inventory;

const NAMES: &[&str] = &[
    "Cargo.lock", "package-lock.json", "pnpm-lock.yaml", "yarn.lock", "requirements.txt", "poetry.lock", "uv.lock", "go.sum",
    "go.mod", "bun.lock", "pdm.lock", "Pipfile.lock", "Gemfile.lock", "composer.lock", "packages.lock.json", "gradle.lockfile",
    ".terraform.lock.hcl", "pom.xml", ".terraform/modules/modules.json", "main.tf", ".github/workflows/ci.yml", "Dockerfile", "Chart.yaml",
    "Chart.lock",
];

fuzz_target!(|input: (u8, &[u8])| {
    let (choice, bytes) = input;
    let name = NAMES[usize::from(choice) % NAMES.len()];
    let found = inventory("fuzz", &[(name.to_owned(), bytes.to_vec())]);
    // What could not be read is a fault with its place and a gap; what was found says where.
    assert!(found.faults.iter().all(|fault| !fault.place.is_empty() && !fault.message.is_empty()));
    assert!(found.faults.is_empty() || !found.sbom.gaps.is_empty());
    assert!(found.sbom.components.is_empty() || !found.lockfiles.is_empty());
});
