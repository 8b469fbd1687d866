//! Sigstore's own clients, and an OpenID provider, for the end-to-end tests, each in a folder of its own under `target/clients`.
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
const PYTHON: &str = "sigstore==4.5.1";

pub(crate) fn install(root: &Path) {
    let clients = root.join("target/clients");
    let python = clients.join("py");
    if !python.join("bin/sigstore").exists() {
        let made = run(Command::new("python3").args(["-m", "venv"]).arg(&python))
            && run(Command::new(python.join("bin/pip")).args(["install", "--quiet", PYTHON]));
        println!("client {PYTHON}: {}", if made { "installed" } else { "could not be installed" });
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
