//! os-release: which distribution, and which release of it.

/// A distribution's release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    pub id: String,
    pub version: Option<String>,
}

pub(crate) fn is_release(path: &str) -> bool {
    matches!(path, "etc/os-release" | "usr/lib/os-release")
}

impl Release {
    /// `None` where the file names no distribution.
    pub fn read(text: &str) -> Option<Self> {
        let value = |wanted: &str| {
            let found =
                text.lines().filter_map(|line| line.split_once('=')).find(|(name, _)| name.trim() == wanted);
            found
                .map(|(_, value)| value.trim().trim_matches(['"', '\'']).to_owned())
                .filter(|value| !value.is_empty())
        };
        Some(Self { id: value("ID")?, version: value("VERSION_ID") })
    }

    /// The `distro` qualifier of purls: `debian-12`.
    pub(crate) fn qualifier(&self) -> String {
        match &self.version {
            Some(version) => format!("{}-{version}", self.id),
            None => self.id.clone(),
        }
    }
}
