//! Any bytes as each kind of lockfile: components, or a fault with its place.
#![no_main]

use libfuzzer_sys::fuzz_target;
use linkward_inventory::inventory;

const NAMES: &[&str] = &[
    "Cargo.lock", "package-lock.json", "pnpm-lock.yaml", "yarn.lock", "requirements.txt", "poetry.lock", "uv.lock", "go.sum",
];

fuzz_target!(|input: (u8, &[u8])| {
    let (choice, bytes) = input;
    let name = NAMES[usize::from(choice) % NAMES.len()];
    let found = inventory("fuzz", &[(name.to_owned(), bytes.to_vec())]);
    // What could not be read is a fault and a gap, never silence.
    assert!(!found.lockfiles.is_empty() || !found.faults.is_empty());
});
