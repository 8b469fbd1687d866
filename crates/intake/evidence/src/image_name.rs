//! Names of images as Dockerfiles, workflows and manifests write them: `[HOST[:PORT]/]PATH[:TAG][@DIGEST]` (the grammar of the
//! distribution project). Where no host is named, Docker's own registry is meant.

use linkward_model::{Digest, Purl};

/// What is meant where no registry is named.
const USUAL: &str = "docker.io";

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageName {
    pub host: Option<String>,
    pub path: String,
    pub tag: Option<String>,
    pub digest: Option<Digest>,
}

impl ImageName {
    /// `None` where the text is no name of an image.
    pub fn parse(text: &str) -> Option<Self> {
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest.parse().ok()?)),
            None => (text, None),
        };
        let (host, rest) = match rest.split_once('/') {
            Some((host, rest)) if host.contains(['.', ':']) || host == "localhost" => {
                (Some(host.to_owned()), rest)
            }
            _ => (None, rest),
        };
        let (path, tag) = match rest.rsplit_once(':') {
            Some((path, tag)) => (path, Some(tag.to_owned())),
            None => (rest, None),
        };
        let fits = |text: &str, more: &str| {
            !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(c))
        };
        let whole =
            fits(path, "/._-") && !path.split('/').any(|part| part.is_empty() || part.starts_with('.'));
        let tagged = tag.as_ref().is_none_or(|tag| fits(tag, "._-"));
        (whole && tagged).then(|| Self { host, path: path.to_owned(), tag, digest })
    }

    /// Where it lies, without tag and digest: `docker.io/library/debian`.
    pub fn repository(&self) -> String {
        let host = self.host.as_deref().unwrap_or(USUAL);
        // Docker's own images lie in a folder that nobody writes.
        let folder = if host == USUAL && !self.path.contains('/') { "library/" } else { "" };
        format!("{host}/{folder}{}", self.path)
    }

    /// By digest where it has one: a tag says what was meant, not what it was.
    pub fn purl(&self) -> Option<Purl> {
        let name = self.path.rsplit('/').next().unwrap_or(&self.path);
        let digest = self.digest.as_ref().map(Digest::to_string);
        let purl = Purl::new("oci", name, digest.as_deref()).ok()?;
        let purl = purl.with_qualifier("repository_url", &self.repository());
        Some(match &self.tag {
            Some(tag) => purl.with_qualifier("tag", tag),
            None => purl,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_their_parts() {
        let digest = format!("sha256:{}", "ab".repeat(32));
        for (text, repository, tag) in [
            ("debian", "docker.io/library/debian", None),
            ("debian:12", "docker.io/library/debian", Some("12")),
            ("team/shop", "docker.io/team/shop", None),
            ("registry.example/shop/app:1.2", "registry.example/shop/app", Some("1.2")),
            ("localhost:5000/app", "localhost:5000/app", None),
        ] {
            let name = ImageName::parse(text).unwrap();
            assert_eq!((name.repository().as_str(), name.tag.as_deref()), (repository, tag), "{text}");
            let pinned = ImageName::parse(&format!("{text}@{digest}")).unwrap();
            assert_eq!(pinned.digest.unwrap().to_string(), digest);
        }
        for bad in ["", "a b", "a:", "a@sha256:1", "/a", "a//b", "a/../b", "a:b:c", "<x>"] {
            assert!(ImageName::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn purls_are_by_digest() {
        let name = format!("registry.example/shop/app:1@sha256:{}", "ab".repeat(32));
        let purl = ImageName::parse(&name).unwrap().purl().unwrap().to_string();
        assert!(purl.starts_with("pkg:oci/app@sha256"), "{purl}");
        assert!(
            purl.ends_with("?repository_url=registry.example%2Fshop%2Fapp&tag=1")
                || purl.ends_with("?repository_url=registry.example/shop/app&tag=1"),
            "{purl}"
        );
    }
}
