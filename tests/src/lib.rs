//! What the end-to-end tests share: the built binary, and what cargo built on the way.

mod api_server;
mod browser;
mod cluster;
mod daemon;
mod receiver;

pub use api_server::ApiServer;
pub use browser::Browser;
pub use cluster::{Cluster, Reply, TOKEN};
pub use daemon::{Daemon, get};
pub use receiver::{Heard, Receiver, closed_port};

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use serde_json::Value;

/// What cargo built: the binary, and each library of ours by crate name.
#[derive(Debug, Default)]
pub struct Built {
    pub binary: PathBuf,
    pub libraries: BTreeMap<String, PathBuf>,
}

/// Builds the binary once, and learns from cargo where everything is.
///
/// # Panics
/// The build fails.
pub fn built() -> &'static Built {
    static BUILT: OnceLock<Built> = OnceLock::new();
    BUILT.get_or_init(|| {
        let output = Command::new(env!("CARGO"))
            .args(["build", "--quiet", "--package", "linkward", "--message-format", "json"])
            .current_dir(root())
            .output();
        let output = match output {
            Ok(output) if output.status.success() => output,
            other => panic!("the binary could not be built: {other:?}"),
        };
        let mut built = Built::default();
        for line in String::from_utf8_lossy(&output.stdout).lines() {
            let Ok(message) = serde_json::from_str::<Value>(line) else { continue };
            let name =
                message.pointer("/target/name").and_then(Value::as_str).unwrap_or("").replace('-', "_");
            if let Some(binary) = message.get("executable").and_then(Value::as_str) {
                built.binary = PathBuf::from(binary);
            }
            for file in message.get("filenames").and_then(Value::as_array).into_iter().flatten() {
                if let Some(path) = file.as_str().filter(|path| path.ends_with(".rlib")) {
                    built.libraries.insert(name.clone(), PathBuf::from(path));
                }
            }
        }
        built
    })
}

/// The repository's root.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(Path::to_path_buf).unwrap_or_default()
}

/// A project in a scratch folder, with a memory of its own for what was seen.
#[derive(Debug)]
pub struct Project {
    folder: tempfile::TempDir,
}

impl Default for Project {
    fn default() -> Self {
        Self::new()
    }
}

impl Project {
    /// An empty project.
    ///
    /// # Panics
    /// No folder can be made.
    pub fn new() -> Self {
        let folder = linkward_testkit::scratch();
        let made = std::fs::create_dir(folder.path().join("project"));
        assert!(made.is_ok(), "{made:?}");
        Self { folder }
    }

    pub fn path(&self) -> PathBuf {
        self.folder.path().join("project")
    }

    /// Folder beside the project, for what does not belong to it.
    pub fn beside(&self) -> &Path {
        self.folder.path()
    }

    /// A command of linkward in this project.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&built().binary);
        command
            .args(args)
            .current_dir(self.path())
            .env("XDG_STATE_HOME", self.folder.path().join("state"))
            .env_remove("LINKWARD_HOME");
        command
    }

    /// Runs linkward to its end: exit code and what it printed.
    ///
    /// # Panics
    /// It cannot be started.
    pub fn run(&self, args: &[&str]) -> (i32, String) {
        match self.command(args).output() {
            Ok(Output { status, stdout, stderr }) => {
                let text = String::from_utf8_lossy(&stdout).into_owned() + &String::from_utf8_lossy(&stderr);
                (status.code().unwrap_or(-1), text)
            }
            Err(error) => panic!("linkward could not be started: {error}"),
        }
    }

    /// # Panics
    /// The file cannot be written.
    pub fn write(&self, name: &str, text: &str) {
        let path = self.path().join(name);
        let folder = path.parent().map(std::fs::create_dir_all);
        let written = std::fs::write(&path, text);
        assert!(written.is_ok(), "{name}: {folder:?} {written:?}");
    }
}
