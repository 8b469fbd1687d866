//! What code can do, by the calls that it names: the network, other programs, secrets, running text. One word proves nothing;
//! what a release gained that the last one did not have is where takeovers show.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use aho_corasick::AhoCorasick;
use serde::Serialize;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Capability {
    /// Sends or fetches.
    Network,
    /// Starts other programs.
    Process,
    /// Reads where keys and tokens are kept.
    Secrets,
    /// Runs when the package is installed, or when an interpreter starts.
    InstallTime,
    /// Runs text as code, or is written so that nobody can read it.
    Obfuscation,
    /// Brings compiled code.
    Binary,
}

impl Capability {
    pub const fn gained(self) -> &'static str {
        match self {
            Self::Network => "can use the network",
            Self::Process => "can start other programs",
            Self::Secrets => "reads where secrets are kept",
            Self::InstallTime => "runs code when it is installed",
            Self::Obfuscation => "runs text as code, or cannot be read by people",
            Self::Binary => "brings compiled code",
        }
    }
}

/// Where a capability shows first in a file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Sight {
    pub path: String,
    pub line: usize,
    pub what: String,
}

use Capability::{Network, Obfuscation, Process, Secrets};

/// Words by what they tell. Languages share the table: a word of one is rare in another.
const WORDS: &[(Capability, &str)] = &[
    (Network, "require('http')"),
    (Network, "require(\"http\")"),
    (Network, "require('https')"),
    (Network, "require(\"https\")"),
    (Network, "require('net')"),
    (Network, "require(\"net\")"),
    (Network, "require('dns')"),
    (Network, "require(\"dns\")"),
    (Network, "node:http"),
    (Network, "node:net"),
    (Network, "node:dns"),
    (Network, "from 'http'"),
    (Network, "from \"http\""),
    (Network, "from 'https'"),
    (Network, "from \"https\""),
    (Network, "fetch("),
    (Network, "XMLHttpRequest"),
    (Network, "new WebSocket("),
    (Network, "sendBeacon("),
    (Network, "axios."),
    (Network, "urllib.request"),
    (Network, "import requests"),
    (Network, "requests.post("),
    (Network, "requests.get("),
    (Network, "http.client"),
    (Network, "httpx."),
    (Network, "aiohttp"),
    (Network, "socket.socket("),
    (Network, "import socket"),
    (Network, "std::net::"),
    (Network, "TcpStream"),
    (Network, "reqwest::"),
    (Network, "ureq::"),
    (Network, "Net::HTTP"),
    (Network, "net/http"),
    (Network, "curl_exec("),
    (Network, "Invoke-WebRequest"),
    (Process, "child_process"),
    (Process, "execSync("),
    (Process, "spawnSync("),
    (Process, "subprocess."),
    (Process, "import subprocess"),
    (Process, "os.system("),
    (Process, "os.popen("),
    (Process, "os.exec"),
    (Process, "pty.spawn("),
    (Process, "std::process::Command"),
    (Process, "Command::new("),
    (Process, "os/exec"),
    (Process, "shell_exec("),
    (Process, "proc_open("),
    (Process, "Runtime.getRuntime().exec"),
    (Process, "Start-Process"),
    (Secrets, ".ssh/"),
    (Secrets, "id_rsa"),
    (Secrets, "id_ed25519"),
    (Secrets, ".aws/credentials"),
    (Secrets, ".npmrc"),
    (Secrets, ".pypirc"),
    (Secrets, ".netrc"),
    (Secrets, ".git-credentials"),
    (Secrets, ".docker/config.json"),
    (Secrets, ".kube/config"),
    (Secrets, "GITHUB_TOKEN"),
    (Secrets, "NPM_TOKEN"),
    (Secrets, "AWS_SECRET_ACCESS_KEY"),
    (Secrets, "wallet.dat"),
    (Secrets, "Login Data"),
    (Secrets, "169.254.169.254"),
    (Secrets, "JSON.stringify(process.env"),
    (Secrets, "dict(os.environ"),
    (Obfuscation, "eval("),
    (Obfuscation, "new Function("),
    (Obfuscation, "vm.runIn"),
    (Obfuscation, "exec(base64"),
    (Obfuscation, "exec(compile("),
    (Obfuscation, "exec(__import__"),
    (Obfuscation, "marshal.loads("),
    (Obfuscation, "fromCharCode("),
    (Obfuscation, "_0x"),
    (Obfuscation, "pyarmor"),
    (Obfuscation, "FromBase64String"),
];

static FINDER: LazyLock<Option<AhoCorasick>> =
    LazyLock::new(|| AhoCorasick::new(WORDS.iter().map(|(_, word)| word)).ok());

/// The capabilities of one file of a package, each with where it shows first.
pub fn of_file(path: &str, bytes: &[u8]) -> BTreeMap<Capability, Sight> {
    let mut found = BTreeMap::new();
    let mut add = |capability, line: usize, what: &str| {
        let sight = || Sight { path: path.to_owned(), line, what: what.to_owned() };
        found.entry(capability).or_insert_with(sight);
    };
    let name = path.rsplit('/').next().unwrap_or(path);
    if is_binary(bytes) {
        add(Capability::Binary, 1, "compiled code");
        return found;
    }
    // Texts for people name everything and do nothing.
    let lower = name.to_ascii_lowercase();
    if [".md", ".rst", ".txt", ".html", ".css", ".map", ".d.ts"].iter().any(|end| lower.ends_with(end)) {
        return found;
    }
    let text = String::from_utf8_lossy(bytes);
    match name {
        "package.json" => install_scripts(&text, &mut add),
        "setup.py" | "build.rs" | "extconf.rb" | "binding.gyp" => {
            add(Capability::InstallTime, 1, &format!("{name} runs when it is built or installed"));
        }
        _ if name.ends_with(".pth") => {
            if let Some(index) = text.lines().position(|line| line.starts_with("import ")) {
                add(Capability::InstallTime, index + 1, "runs whenever Python starts");
            }
        }
        _ => {}
    }
    if let Some(finder) = FINDER.as_ref() {
        for hit in finder.find_iter(text.as_ref()) {
            let Some((capability, word)) = WORDS.get(hit.pattern().as_usize()) else { continue };
            // `_0x` alone may stand in a checksum: names that a machine made come by the dozen.
            if *word == "_0x" && text.matches("_0x").count() < 20 {
                continue;
            }
            let line = || text.get(..hit.start()).unwrap_or_default().matches('\n').count() + 1;
            found.entry(*capability).or_insert_with(|| Sight {
                path: path.to_owned(),
                line: line(),
                what: (*word).to_owned(),
            });
        }
    }
    found
}

fn install_scripts(text: &str, add: &mut dyn FnMut(Capability, usize, &str)) {
    let Ok(manifest) = serde_json::from_str::<serde_json::Value>(text) else { return };
    for name in ["preinstall", "install", "postinstall", "prepare"] {
        let script =
            manifest.get("scripts").and_then(|scripts| scripts.get(name)).and_then(|script| script.as_str());
        if let Some(script) = script {
            let shown: String = script.chars().take(80).collect();
            add(Capability::InstallTime, crate::line::find(text, &format!("\"{name}\""), 0), &shown);
        }
    }
}

/// ELF, PE, Mach-O, WebAssembly, or a class file.
fn is_binary(bytes: &[u8]) -> bool {
    bytes.starts_with(b"\x7fELF")
        || bytes.starts_with(b"\0asm")
        || (bytes.starts_with(b"MZ") && bytes.get(2..64).is_some_and(|head| head.contains(&0)))
        || matches!(bytes.get(..4), Some([0xcf | 0xce, 0xfa, 0xed, 0xfe] | [0xca, 0xfe, 0xba, 0xbe]))
}
