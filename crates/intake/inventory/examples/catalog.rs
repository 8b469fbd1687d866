//! A lockfile of 1,455 packages, as many folders of node_modules, and 772 Debian packages, each to the SBOM's bytes.
#![allow(clippy::print_stdout, reason = "an example that measures")]

use std::fmt::Write as _;
use std::time::Instant;

use linkward_inventory::{Inventory, installed, inventory};

const NPM: usize = 1455;
const DEBIAN: usize = 772;

fn main() {
    let mut lock = String::from("{\"lockfileVersion\":3,\"packages\":{\"\":{\"name\":\"shop\"}");
    let mut folders = Vec::new();
    for n in 0..NPM {
        // Writing to a String cannot fail.
        let _ = write!(
            lock,
            ",\"node_modules/package-{n}\":{{\"version\":\"1.{n}.0\",\"resolved\":\"https://registry.example/{n}\",\"integrity\":\"sha512-{}\",\"dependencies\":{{\"package-{}\":\"*\"}}}}",
            "A".repeat(86) + "==",
            (n * 7) % NPM
        );
        let manifest = format!(
            "{{\"name\":\"package-{n}\",\"version\":\"1.{n}.0\",\"description\":\"{}\"}}",
            "x".repeat(1500)
        );
        folders.push((format!("node_modules/package-{n}/package.json"), manifest.into_bytes()));
    }
    lock.push_str("}}");
    let mut status = String::new();
    for n in 0..DEBIAN {
        let _ = write!(
            status,
            "Package: lib{n}\nStatus: install ok installed\nArchitecture: amd64\nSource: source{}\nVersion: 1.{n}-1\nDescription: {}\n\n",
            n / 3,
            "x".repeat(800)
        );
    }
    let debian = vec![
        ("var/lib/dpkg/status".to_owned(), status.into_bytes()),
        ("etc/os-release".to_owned(), b"ID=debian\nVERSION_ID=12\n".to_vec()),
    ];
    let lock = vec![("package-lock.json".to_owned(), lock.into_bytes())];
    measure("inventory package-lock", NPM, || inventory("shop", &lock));
    measure("inventory node_modules", NPM, || installed("shop", &folders));
    measure("inventory dpkg", DEBIAN, || installed("root", &debian));
}

fn measure(what: &str, expected: usize, make: impl Fn() -> Inventory) {
    let mut best = f64::MAX;
    for _ in 0..5 {
        let start = Instant::now();
        let found = make();
        let bytes = linkward_evidence::cyclonedx::write(&found.sbom);
        best = best.min(start.elapsed().as_secs_f64() * 1000.0);
        assert_eq!(found.sbom.components.len(), expected, "{what}");
        assert!(!bytes.is_empty());
    }
    println!("{what}: {expected} components in {best:.1} ms");
}
