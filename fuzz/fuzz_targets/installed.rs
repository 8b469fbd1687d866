//! Any bytes as a database of packages, a program or an archive of classes: components, a fault, or a doubt; never a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use linkward_inventory::installed;

const PATHS: &[&str] = &[
    "var/lib/dpkg/status",
    "lib/apk/db/installed",
    "var/lib/rpm/rpmdb.sqlite",
    "usr/lib/sysimage/rpm/Packages.db",
    "var/lib/rpm/Packages",
    "x.dist-info/METADATA",
    "node_modules/a/package.json",
    "a.deps.json",
    "vendor/composer/installed.json",
    "specifications/a.gemspec",
    "a.jar",
    "usr/bin/program",
];

fuzz_target!(|input: (u8, &[u8])| {
    let (choice, bytes) = input;
    let path = PATHS[usize::from(choice) % PATHS.len()];
    let found = installed("fuzz", &[(path.to_owned(), bytes.to_vec())]);
    // What could not be read is a fault and a gap, never silence.
    assert!(found.faults.is_empty() || !found.sbom.gaps.is_empty());
});
