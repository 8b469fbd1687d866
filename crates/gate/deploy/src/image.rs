//! Image references, by the grammar of distribution/reference: registry, repository, tag, digest.

use std::fmt;

use linkward_model::{Algorithm, Digest};

/// A reference that was read. Registry and repository are written out: `nginx` is `docker.io/library/nginx`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageRef {
    pub registry: String,
    pub repository: String,
    pub tag: Option<String>,
    pub digest: Option<Digest>,
}

/// Why a text is no image reference. The API server takes such texts without a word; a gate must not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImageError {
    #[error("reference is empty or longer than 4096 bytes")]
    Length,
    #[error("digest is not sha256: and 64 lower-case hexadecimal digits")]
    Digest,
    #[error("tag `{0}` is malformed")]
    Tag(String),
    #[error("repository `{0}` is malformed: lower-case letters, digits and separators only")]
    Repository(String),
    #[error("registry `{0}` is malformed")]
    Registry(String),
}

impl ImageRef {
    /// # Errors
    /// Anything outside the grammar, Unicode look-alikes included.
    pub fn parse(text: &str) -> Result<Self, ImageError> {
        if text.is_empty() || text.len() > 4096 {
            return Err(ImageError::Length);
        }
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => {
                let digest: Digest = digest.parse().map_err(|_| ImageError::Digest)?;
                if digest.algorithm() != Algorithm::Sha256 {
                    return Err(ImageError::Digest);
                }
                (rest, Some(digest))
            }
            None => (text, None),
        };
        let (name, tag) = match rest.rsplit_once(':') {
            // A colon before a slash belongs to the registry's port.
            Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
            _ => (rest, None),
        };
        if let Some(tag) = tag.filter(|tag| !is_tag(tag)) {
            return Err(ImageError::Tag(tag.to_owned()));
        }
        let (registry, repository) = match name.split_once('/') {
            Some((first, rest)) if first.contains(['.', ':']) || first == "localhost" || has_upper(first) => {
                (first.to_owned(), rest.to_owned())
            }
            Some(_) => ("docker.io".to_owned(), name.to_owned()),
            None => ("docker.io".to_owned(), format!("library/{name}")),
        };
        if !is_registry(&registry) {
            return Err(ImageError::Registry(registry));
        }
        if repository.is_empty() || !repository.split('/').all(is_component) {
            return Err(ImageError::Repository(repository));
        }
        // Host names do not differ by case; index.docker.io is docker.io by another name.
        let registry = match registry.to_ascii_lowercase().as_str() {
            "index.docker.io" | "registry-1.docker.io" => "docker.io".to_owned(),
            other => other.to_owned(),
        };
        Ok(Self { registry, repository, tag: tag.map(str::to_owned), digest })
    }
}

impl fmt::Display for ImageRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

fn has_upper(text: &str) -> bool {
    text.bytes().any(|b| b.is_ascii_uppercase())
}

fn is_tag(tag: &str) -> bool {
    (1..=128).contains(&tag.len())
        && tag.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'))
        && !tag.starts_with(['.', '-'])
}

/// Lower-case letters and digits with single separators between: `.`, `_`, `__` or any number of `-`.
fn is_component(component: &str) -> bool {
    let plain = component
        .bytes()
        .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'_' | b'-'));
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    let doubled =
        ["..", "._", "_.", "-.", ".-", "-_", "_-", "___"].iter().any(|pair| component.contains(pair));
    plain && edge(component.chars().next()) && edge(component.chars().last()) && !doubled
}

fn is_registry(registry: &str) -> bool {
    let (host, port) = match registry.rsplit_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (registry, None),
    };
    let label = |label: &str| {
        !label.is_empty()
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    host.split('.').all(label)
        && port.is_none_or(|port| (1..=5).contains(&port.len()) && port.bytes().all(|b| b.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evasions() {
        let digest = format!("sha256:{}", "a".repeat(64));
        let with = |text: &str| text.replace('#', &digest);
        for (text, canonical) in [
            ("nginx", "docker.io/library/nginx"),
            ("nginx:1", "docker.io/library/nginx:1"),
            ("org/app", "docker.io/org/app"),
            ("docker.io/library/nginx", "docker.io/library/nginx"),
            ("index.docker.io/library/nginx", "docker.io/library/nginx"),
            ("localhost/app", "localhost/app"),
            ("localhost:5000/app:v1", "localhost:5000/app:v1"),
            ("REG.example/app", "reg.example/app"),
            ("reg.example:5000/a/b/c@#", "reg.example:5000/a/b/c@#"),
            ("app:v1@#", "docker.io/library/app:v1@#"),
            ("a--b/c__d.e", "docker.io/a--b/c__d.e"),
        ] {
            let found = ImageRef::parse(&with(text)).map(|image| image.to_string());
            assert_eq!(found, Ok(with(canonical)), "{text}");
        }
        for text in [
            "",
            " ",
            "nginx ",
            "nginx\n",
            "Nginx",
            "org/App",
            "nginx:",
            "nginx:-a",
            "nginx:a b",
            "nginx@",
            "nginx@sha256:",
            "nginx@sha256:aa",
            "nginx@md5:aa",
            "nginx@#x",
            "nginx@SHA256:aa",
            "@#",
            "reg.example/",
            "reg.example//app",
            "reg.example/app/",
            "reg.example/../app",
            "-reg.example/app",
            "reg..example/app",
            "reg.example:/app",
            "reg.example:999999/app",
            "ngіnx",
            "reg.exаmple/app",
            "nginx\u{200b}",
            "app:v1:v2",
            "app@#@#",
            "https://reg.example/app",
            "a___b",
            "_a",
            "a_",
            "a..b",
            "auto@",
            "app:v1@sha512:aa",
        ] {
            assert!(ImageRef::parse(&with(text)).is_err(), "{text:?}");
        }
        let upper = format!("nginx@sha256:{}", "A".repeat(64));
        assert_eq!(ImageRef::parse(&upper), Err(ImageError::Digest));
    }
}
