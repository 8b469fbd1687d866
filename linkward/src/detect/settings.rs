//! `detect.toml` in the home: what is ours, and where webhook secrets lie.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use linkward_detect::notice::{Routed, Routes, Service};
use linkward_detect::{Estate, Pack, Refused, load_sigma};
use serde::Deserialize;

use super::alert::{Channel, Line};
use crate::wire::Failure;

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct DetectFile {
    pub(crate) estate: Estate,
    /// By source, the file that holds its secret.
    pub(crate) webhooks: BTreeMap<String, PathBuf>,
    /// What alerts are grouped by, beside the deployment.
    pub(crate) cluster: String,
    service: Vec<Service>,
    channel: Vec<Channel>,
    route: Vec<Routed>,
    pub(crate) repository: Vec<Repository>,
    /// A folder of Sigma rules, judged beside the shipped ones.
    sigma: Option<PathBuf>,
    /// Go on without Sigma rules that are not evaluated here.
    sigma_partial: bool,
}

/// Most files of a folder of Sigma rules.
const MAX_SIGMA: usize = 20_000;

/// Every rule of a folder, and what was refused of it.
pub(crate) fn sigma_rules(folder: &Path) -> Result<(Pack, Vec<Refused>)> {
    let mut paths = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries =
            std::fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))?;
        for entry in entries {
            let entry = entry.with_context(|| format!("cannot read {}", folder.display()))?;
            let path = entry.path();
            // A link could lead in circles.
            if entry.file_type()?.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "yml" || end == "yaml") {
                paths.push(path);
            }
            anyhow::ensure!(
                paths.len() <= MAX_SIGMA,
                "{} holds more than {MAX_SIGMA} rules",
                folder.display()
            );
        }
    }
    paths.sort();
    let mut files = Vec::new();
    for path in paths {
        let text =
            std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        files.push((path.display().to_string(), text));
    }
    Ok(load_sigma(&files))
}

/// A repository on this machine whose references are watched: a clone, or a mirror that somebody keeps current.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Repository {
    /// As the forge calls it: `owner/name`.
    pub(crate) name: String,
    pub(crate) path: PathBuf,
    /// Seconds between looks.
    #[serde(default = "half_a_minute")]
    pub(crate) every: u64,
}

fn half_a_minute() -> u64 {
    30
}

impl DetectFile {
    /// Reads the file of a home; a home without one has the defaults.
    pub(crate) fn of_home(home: &Path) -> Result<Self> {
        let path = home.join("detect.toml");
        if !path.exists() {
            return Ok(Self::default());
        }
        let mut file = Self::read(&path)?;
        // Relative to the home, as everything in it.
        file.sigma = file.sigma.map(|folder| home.join(folder));
        Ok(file)
    }

    pub(crate) fn read(path: &Path) -> Result<Self> {
        let text =
            std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        toml::from_str(&text)
            .map_err(|error| Failure::new(Estate::FAULT, format!("{}: {error}", path.display())).into())
    }

    /// The Sigma rules that are judged beside the shipped ones.
    ///
    /// # Errors
    /// A rule is not evaluated here, and nobody said to go on without it.
    pub(crate) fn pack(&self) -> Result<Pack> {
        let Some(folder) = &self.sigma else { return Ok(Pack::default()) };
        let (pack, refused) = sigma_rules(folder)?;
        match refused.first() {
            Some(first) if !self.sigma_partial => {
                let what = format!(
                    "{} of {} is refused: {}, {}: {}",
                    crate::table::counted(refused.len(), "rule"),
                    folder.display(),
                    first.file,
                    first.place,
                    first.why
                );
                Err(Failure::new(linkward_model::Code::SigmaMalformed, what).into())
            }
            _ => Ok(pack),
        }
    }

    /// Services, routes and open lines.
    ///
    /// # Errors
    /// A channel lacks something, or a route leads nowhere.
    pub(crate) fn alerting(&self) -> Result<(Routes, Vec<Line>)> {
        let fault = |text: String| Failure::new(Estate::FAULT, format!("detect.toml: {text}"));
        let mut lines: Vec<Line> = Vec::new();
        for channel in &self.channel {
            if lines.iter().any(|line| line.name == channel.name) {
                return Err(fault(format!("channel `{}` stands twice", channel.name)).into());
            }
            lines.push(Line::open(channel).map_err(|error| fault(format!("{error:#}")))?);
        }
        let names = lines.iter().map(|line| line.name.clone()).collect();
        let routes = Routes::new(self.service.clone(), self.route.clone(), names);
        Ok((routes.map_err(|error| fault(error.to_string()))?, lines))
    }

    /// A source's secret: from `LINKWARD_WEBHOOK_SOURCE_SECRET`, or from its file.
    pub(crate) fn secret(&self, source: &str) -> Option<Vec<u8>> {
        let name = format!("LINKWARD_WEBHOOK_{}_SECRET", source.to_uppercase().replace('-', "_"));
        let secret = std::env::var(name).ok().map(String::into_bytes).or_else(|| {
            let text = std::fs::read(self.webhooks.get(source)?).ok()?;
            Some(text.trim_ascii_end().to_vec())
        });
        // An empty secret would accept everybody.
        secret.filter(|secret| !secret.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_names_its_line_and_strangers_are_refused() {
        let folder = tempfile();
        let path = folder.join("detect.toml");
        std::fs::write(
            &path,
            "[estate]\nsigners = [\"a\"]\n[estate.lag]\nci = 5\n[webhooks]\ngithub = \"x\"\n",
        )
        .unwrap();
        let file = DetectFile::read(&path).unwrap();
        assert_eq!(file.estate.signers, ["a"]);
        assert_eq!(file.secret("github"), None, "the file is not there");
        std::fs::write(&path, "[estate]\nsignerz = []\n").unwrap();
        let error = format!("{:#}", DetectFile::read(&path).unwrap_err());
        assert!(error.contains("line 2") && error.contains("signerz"), "{error}");
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn an_empty_secret_is_none() {
        let folder = tempfile();
        let secret = folder.join("secret");
        let file = DetectFile {
            webhooks: BTreeMap::from([("oci".to_owned(), secret.clone())]),
            ..DetectFile::default()
        };
        std::fs::write(&secret, "\n").unwrap();
        assert_eq!(file.secret("oci"), None);
        std::fs::write(&secret, "hush\n").unwrap();
        assert_eq!(file.secret("oci"), Some(b"hush".to_vec()));
        std::fs::remove_dir_all(folder).unwrap();
    }

    fn tempfile() -> PathBuf {
        use std::sync::atomic::{AtomicU32, Ordering};
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name =
            format!("linkward-detect-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::SeqCst));
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        folder
    }
}
