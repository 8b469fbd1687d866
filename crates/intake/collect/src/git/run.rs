//! Runs git over a checkout that may be hostile: its configuration, attributes, references and missing objects can all
//! name programs to run, or put other bytes in the place of the ones asked for.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use linkward_model::Code;

use super::SourceUnknown;

/// Most that is read of any answer.
const MAX_OUTPUT: u64 = 4 << 20;
/// Most that is read of the index, to find the repositories within.
const MAX_INDEX: u64 = 128 << 20;
/// Repositories within repositories that are looked at for programs.
const MAX_WITHIN: usize = 256;
const PATIENCE: Duration = Duration::from_secs(10);

/// What the environment may say about another repository than the folder's: a hook that starts Linkward has these set.
const FOREIGN: &[&str] = &[
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_DIR",
    "GIT_GRAFT_FILE",
    "GIT_INDEX_FILE",
    "GIT_NAMESPACE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_REPLACE_REF_BASE",
    "GIT_SHALLOW_FILE",
    "GIT_WORK_TREE",
];

/// Why git gave no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Failed {
    NotInstalled,
    Late(String),
    Large(String, u64),
    Status(String, Option<i32>),
}

impl From<Failed> for SourceUnknown {
    fn from(failed: Failed) -> Self {
        unknown(match failed {
            Failed::NotInstalled => "git is not installed".to_owned(),
            Failed::Late(what) => format!("git {what} did not answer within {} s", PATIENCE.as_secs()),
            Failed::Large(what, limit) => format!("git {what} answered with more than {limit} bytes"),
            Failed::Status(what, _) => format!("git {what} failed"),
        })
    }
}

pub(super) fn unknown(why: impl Into<String>) -> SourceUnknown {
    SourceUnknown { code: Code::SourceUnknown, why: why.into() }
}

/// git over one folder.
#[derive(Debug)]
pub(super) struct Git {
    folder: PathBuf,
    /// Settings that take the place of what the checkout names.
    settings: Vec<(String, &'static str)>,
}

impl Git {
    pub(super) fn new(folder: &Path) -> Self {
        Self { folder: folder.to_path_buf(), settings: Vec::new() }
    }

    /// Takes the place of every filter that the checkout's own configuration names, those of the repositories within
    /// too: to compare a changed file, git would run them. Filters of the user (LFS) stay.
    pub(super) fn without_filters(mut self) -> Result<Self, SourceUnknown> {
        let mut folders = vec![self.folder.clone()];
        let mut at = 0;
        while let Some(folder) = folders.get(at).cloned() {
            at += 1;
            let inner = Self::new(&folder);
            for name in inner.own_filters()? {
                for what in ["clean", "smudge", "process"] {
                    self.settings.push((format!("filter.{name}.{what}"), ""));
                }
                self.settings.push((format!("filter.{name}.required"), "false"));
            }
            folders.extend(inner.within()?);
            if folders.len() > MAX_WITHIN {
                return Err(unknown(format!("more than {MAX_WITHIN} repositories lie within")));
            }
        }
        Ok(self)
    }

    /// Names of the filters that neither the machine's nor the user's configuration sets.
    fn own_filters(&self) -> Result<BTreeSet<String>, SourceUnknown> {
        let question = ["config", "--null", "--show-scope", "--name-only", "--get-regexp", "^filter\\."];
        let listed = match self.bytes(&question) {
            Ok(listed) => String::from_utf8(listed).map_err(|_| unknown("a filter's name is not UTF-8"))?,
            // None is set.
            Err(Failed::Status(_, Some(1))) => String::new(),
            Err(failed) => return Err(failed.into()),
        };
        let mut fields = listed.split('\0');
        let mut names = BTreeSet::new();
        while let (Some(scope), Some(key)) = (fields.next(), fields.next()) {
            let name = key.strip_prefix("filter.").and_then(|rest| rest.rsplit_once('.'));
            if let Some((name, _)) = name
                && !matches!(scope, "system" | "global" | "command")
            {
                names.insert(name.to_owned());
            }
        }
        Ok(names)
    }

    /// Folders of the repositories that the index names within this one and that are checked out.
    fn within(&self) -> Result<Vec<PathBuf>, SourceUnknown> {
        let listed = self.run(&["ls-files", "--stage", "-z"], &[], MAX_INDEX)?;
        let mut found = Vec::new();
        for entry in listed.split(|byte| *byte == 0).filter(|entry| entry.starts_with(b"160000 ")) {
            let entry = std::str::from_utf8(entry).map_err(|_| unknown("a submodule's path is not UTF-8"))?;
            let path = entry.split_once('\t').map(|(_, path)| self.folder.join(path));
            found.extend(path.filter(|path| path.join(".git").exists()));
        }
        Ok(found)
    }

    /// The answer as text, without the last line's end.
    pub(super) fn text(&self, arguments: &[&str]) -> Result<String, Failed> {
        Ok(String::from_utf8_lossy(&self.bytes(arguments)?).trim_end().to_owned())
    }

    pub(super) fn bytes(&self, arguments: &[&str]) -> Result<Vec<u8>, Failed> {
        self.run(arguments, &[], MAX_OUTPUT)
    }

    /// The answer to what is given on standard input.
    pub(super) fn answer(&self, arguments: &[&str], input: &[u8]) -> Result<String, Failed> {
        Ok(String::from_utf8_lossy(&self.run(arguments, input, MAX_OUTPUT)?).trim_end().to_owned())
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("git");
        command.args(["--no-optional-locks", "--no-pager", "--no-replace-objects"]);
        for setting in
            ["core.fsmonitor=false", "core.hooksPath=/dev/null", "diff.external=", "core.sshCommand=false"]
        {
            command.args(["-c", setting]);
        }
        command.arg("-C").arg(&self.folder).args(arguments);
        // Through the environment, since `-c` ends a name at its first `=`, and a filter can be called `a=b`.
        let given =
            std::env::var("GIT_CONFIG_COUNT").ok().and_then(|count| count.parse().ok()).unwrap_or(0_usize);
        for (number, (name, value)) in self.settings.iter().enumerate() {
            command.env(format!("GIT_CONFIG_KEY_{}", given + number), name);
            command.env(format!("GIT_CONFIG_VALUE_{}", given + number), value);
        }
        command.env("GIT_CONFIG_COUNT", (given + self.settings.len()).to_string());
        // No object is fetched that is missing: the place to fetch it from can be a program. The variable stands above
        // every `protocol.*.allow` of the checkout, and an empty list allows none.
        command.env("GIT_ALLOW_PROTOCOL", "").env("GIT_NO_LAZY_FETCH", "1");
        command.env("GIT_TERMINAL_PROMPT", "0").env("LC_ALL", "C");
        for name in FOREIGN {
            command.env_remove(name);
        }
        command
    }

    fn run(&self, arguments: &[&str], input: &[u8], limit: u64) -> Result<Vec<u8>, Failed> {
        let what = || arguments.first().copied().unwrap_or_default().to_owned();
        let mut command = self.command(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().map_err(|_| Failed::NotInstalled)?;
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        let input = input.to_vec();
        let writer = std::thread::spawn(move || {
            // git may end before it has read everything; its exit status tells.
            let _ = stdin.map(|mut stdin| stdin.write_all(&input));
        });
        let reader = std::thread::spawn(move || {
            let mut bytes = Vec::new();
            if let Some(stdout) = stdout {
                let _ = stdout.take(limit.saturating_add(1)).read_to_end(&mut bytes);
            }
            bytes
        });
        let start = Instant::now();
        let status = loop {
            match child.try_wait() {
                Ok(Some(status)) => break status,
                Ok(None) if start.elapsed() < PATIENCE => std::thread::sleep(Duration::from_millis(1)),
                _ => {
                    let _ = child.kill();
                    let _ = child.wait();
                    return Err(Failed::Late(what()));
                }
            }
        };
        let _ = writer.join();
        let bytes = reader.join().unwrap_or_default();
        // Half an answer is none: a commit that is cut off would be another commit.
        if bytes.len() as u64 > limit {
            return Err(Failed::Large(what(), limit));
        }
        if status.success() { Ok(bytes) } else { Err(Failed::Status(what(), status.code())) }
    }
}
