//! Sigstore's own clients, an OpenID provider and engines that read Parquet, for the end-to-end tests, each in a folder of its own under `target/clients`.
//!
//! What cannot be installed here is no failure: the tests say that they skip it.

use std::path::Path;
use std::process::{Command, Stdio};

/// Folder, and the packages in it. Pinned: the protocol moves.
const NPM: &[(&str, &[&str])] = &[
    ("js-5", &["node@24", "@sigstore/sign@5.1.0", "@sigstore/verify@4.1.3"]),
    ("js-4", &["@sigstore/sign@4.1.1"]),
    ("oidc", &["oidc-provider@8.8.1"]),
];
/// Folder, the packages in it, and a file by which they are known to be there.
const PYTHON: &[(&str, &[&str], &str)] = &[
    ("py", &["sigstore==4.5.1"], "bin/sigstore"),
    // Engines that read what is exported.
    ("data", &["duckdb==2.0.1", "pyarrow==26.0.1"], "installed"),
];

pub(crate) fn install(root: &Path) {
    let clients = root.join("target/clients");
    for (name, packages, known) in PYTHON {
        let python = clients.join(name);
        if python.join(known).exists() {
            continue;
        }
        let made = run(Command::new("python3").args(["-m", "venv"]).arg(&python))
            && run(Command::new(python.join("bin/pip")).args(["install", "--quiet"]).args(*packages))
            && (*known != "installed" || std::fs::write(python.join(known), packages.join(" ")).is_ok());
        let state = if made { "installed" } else { "could not be installed" };
        println!("client {}: {state}", packages.join(" "));
    }
    for (name, packages) in NPM {
        let folder = clients.join(name);
        let there = ["@sigstore/sign", "oidc-provider"];
        if there.iter().any(|name| folder.join("node_modules").join(name).exists()) {
            continue;
        }
        let made = std::fs::create_dir_all(&folder).is_ok()
            && std::fs::write(folder.join("package.json"), "{\"private\":true}\n").is_ok()
            && run(Command::new("npm").args(["install", "--silent"]).args(*packages).current_dir(&folder));
        let state = if made { "installed" } else { "could not be installed" };
        println!("client {}: {state}", packages.join(" "));
    }
}

fn run(command: &mut Command) -> bool {
    command.stdin(Stdio::null()).status().is_ok_and(|status| status.success())
}
