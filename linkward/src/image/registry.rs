//! A registry (OCI distribution specification 1.1): manifests and blobs by GET, with the dance for a token that registries
//! ask for (RFC 6750's challenge, Docker's token service).

use std::io::Read;

use anyhow::{Context as _, Result, bail};
use linkward_evidence::Fault;
use linkward_inventory::Inventory;
use linkward_inventory::image::{Blobs, Descriptor, MAX_DOCUMENT, Platform};
use linkward_model::{Code, Digest};
use serde_json::Value;

use super::{contents, credentials, resolve};
use crate::client::Url;
use crate::fetch::{Answer, Fetcher};
use crate::progress::Progress;
use crate::wire::Failure;

const TYPES: &str = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, \
    application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.docker.distribution.manifest.v2+json";

/// `HOST[:PORT]/NAME[:TAG][@DIGEST]`; a host has to be named, as no registry is meant by default.
#[derive(Debug, PartialEq, Eq)]
struct Reference {
    host: String,
    name: String,
    tag: String,
    digest: Option<Digest>,
}

impl Reference {
    fn parse(text: &str) -> Result<Self> {
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest.parse().with_context(|| format!("`{digest}`"))?)),
            None => (text, None),
        };
        let Some((host, path)) =
            rest.split_once('/').filter(|(host, _)| host.contains(['.', ':']) || *host == "localhost")
        else {
            bail!("`{text}` names no registry; write it as docker://registry.example/name:tag")
        };
        let (name, tag) = match path.rsplit_once(':') {
            Some((name, tag)) => (name, tag),
            None => (path, "latest"),
        };
        let fits = |text: &str, more: &str| {
            !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(c))
        };
        if !fits(name, "/._-")
            || name.split('/').any(|part| part.is_empty() || part.starts_with('.'))
            || !fits(tag, "._-")
        {
            bail!("`{text}` is no reference to an image; write it as docker://registry.example/name:tag");
        }
        Ok(Self { host: host.to_owned(), name: name.to_owned(), tag: tag.to_owned(), digest })
    }

    /// Plain HTTP is for registries on this machine alone.
    fn url(&self, rest: &str) -> Result<Url> {
        let bare = self.host.rsplit_once(':').map_or(self.host.as_str(), |(host, _)| host);
        let local = bare == "localhost"
            || bare.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
        Url::with_query(&format!(
            "{}://{}/v2/{}/{rest}",
            if local { "http" } else { "https" },
            self.host,
            self.name
        ))
    }
}

pub(super) struct Registry {
    fetcher: Fetcher,
    reference: Reference,
    /// What a token is asked for.
    scope: &'static str,
    authorization: Option<String>,
}

pub(super) fn read(
    reference: &str,
    platform: Option<&Platform>,
    progress: &Progress,
) -> Result<Result<Inventory, Fault>> {
    let parsed = Reference::parse(reference)?;
    let mut registry =
        Registry { fetcher: Fetcher::new()?, reference: parsed, scope: "pull", authorization: None };
    progress.say("asking the registry");
    Ok(registry.image(reference, platform, progress))
}

impl Registry {
    fn image(
        &mut self,
        name: &str,
        platform: Option<&Platform>,
        progress: &Progress,
    ) -> Result<Inventory, Fault> {
        let wanted = self.reference.digest;
        let named = wanted.as_ref().map_or_else(|| self.reference.tag.clone(), Digest::to_string);
        let bytes = self.get(&format!("manifests/{named}"))?.bytes(MAX_DOCUMENT);
        let bytes = bytes.map_err(|error| unreachable(&named, &error))?;
        if let Some(wanted) = &wanted
            && Digest::of(wanted.algorithm(), &bytes) != *wanted
        {
            let found = Digest::of(wanted.algorithm(), &bytes);
            return Err(Fault::new(
                Code::BlobMismatch,
                wanted.to_string(),
                format!("the bytes are those of {found}"),
            ));
        }
        let image = resolve(self, &bytes, wanted, platform)?;
        contents(name, &image, self, progress)
    }

    fn place(&self) -> String {
        format!("{}/{}", self.reference.host, self.reference.name)
    }

    /// Asks, and where the registry wants to know who asks, asks again with what it accepts.
    fn ask(&mut self, method: &str, url: &Url, media: Option<&str>, body: &[u8]) -> Result<Answer, Fault> {
        let place = self.place();
        let of =
            |error: &anyhow::Error| Fault::new(Code::ImageUnreachable, place.clone(), format!("{error:#}"));
        let own = self.reference.url("").map_err(|error| of(&error))?;
        let ask = |registry: &Self| {
            let mut headers = vec![("Accept", TYPES.to_owned())];
            headers.extend(media.map(|media| ("Content-Type", media.to_owned())));
            // Where a registry has uploads go to another server, that one gets no credentials of it.
            let authorization = registry.authorization.clone().filter(|_| url.is_same_server(&own));
            headers.extend(authorization.map(|value| ("Authorization", value)));
            match method {
                "GET" => registry.fetcher.get(url, &headers),
                method => registry.fetcher.send(method, url, &headers, body),
            }
        };
        let mut answer = ask(self).map_err(|error| of(&error))?;
        // Tokens last for minutes, and images for longer: who was let in before asks again.
        if answer.status == 401 {
            let challenge = answer.header("www-authenticate").unwrap_or_default().to_owned();
            self.authorization = Some(self.authorize(&challenge, &place)?);
            answer = ask(self).map_err(|error| of(&error))?;
        }
        Ok(answer)
    }

    fn get(&mut self, rest: &str) -> Result<Answer, Fault> {
        let place = self.place();
        let url = self.reference.url(rest);
        let url =
            url.map_err(|error| Fault::new(Code::ImageUnreachable, place.clone(), format!("{error:#}")))?;
        let answer = self.ask("GET", &url, None, &[])?;
        self.good(answer, rest, &[200])
    }

    fn good(&self, answer: Answer, rest: &str, expected: &[u16]) -> Result<Answer, Fault> {
        let place = self.place();
        match answer.status {
            status if expected.contains(&status) => Ok(answer),
            401 | 403 => Err(Fault::new(
                Code::RegistryRefused,
                place,
                format!(
                    "the registry answers {}; log in, or name credentials with REGISTRY_AUTH_FILE",
                    answer.status
                ),
            )),
            404 => Err(Fault::new(Code::ImageUnreachable, place, format!("the registry has no {rest}"))),
            other => Err(Fault::new(Code::ImageUnreachable, place, format!("the registry answers {other}"))),
        }
    }

    fn authorize(&self, challenge: &str, place: &str) -> Result<String, Fault> {
        let credentials = credentials::find(&self.reference.host)?;
        let refused = |what: String| Fault::new(Code::RegistryRefused, place, what);
        let (scheme, parameters) = challenge.split_once(' ').unwrap_or((challenge, ""));
        if scheme.eq_ignore_ascii_case("basic") {
            let found =
                credentials.ok_or_else(|| refused("wants a login, and nobody is logged in".to_owned()))?;
            return Ok(found.basic());
        }
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(refused(format!("wants to be asked in a way that is not known, `{scheme}`")));
        }
        let realm =
            parameter(parameters, "realm").ok_or_else(|| refused("names no token service".to_owned()))?;
        let service = parameter(parameters, "service").unwrap_or_default();
        let scope = format!("repository:{}:{}", self.reference.name, self.scope);
        let separator = if realm.contains('?') { '&' } else { '?' };
        let asked = format!("{realm}{separator}service={}&scope={}", escaped(&service), escaped(&scope));
        let unreachable =
            |error: anyhow::Error| Fault::new(Code::ImageUnreachable, realm.clone(), format!("{error:#}"));
        let url = Url::with_query(&asked).map_err(unreachable)?;
        // The service speaks for the registry: it gets what the registry itself would, and nothing else.
        let headers: Vec<_> = credentials.iter().map(|found| ("Authorization", found.basic())).collect();
        let answer = self.fetcher.get(&url, &headers).map_err(unreachable)?;
        if answer.status != 200 {
            return Err(refused(format!("the token service answers {}", answer.status)));
        }
        let bytes = answer.bytes(MAX_DOCUMENT).map_err(|error| unreachable(error.into()))?;
        let document: Value =
            serde_json::from_slice(&bytes).map_err(|error| refused(format!("no token: {error}")))?;
        let token = document.get("token").or_else(|| document.get("access_token")).and_then(Value::as_str);
        let token =
            token.filter(|token| !token.is_empty()).ok_or_else(|| refused("gives no token".to_owned()))?;
        Ok(format!("Bearer {token}"))
    }
}

/// What attaching needs beyond reading.
impl Registry {
    pub(super) fn open(reference: &str, scope: &'static str) -> Result<Self> {
        let reference = Reference::parse(reference.strip_prefix(super::REGISTRY).unwrap_or(reference))?;
        Ok(Self { fetcher: Fetcher::new()?, reference, scope, authorization: None })
    }

    /// The image's manifest or index: digest, media type, bytes.
    pub(super) fn manifest(&mut self) -> Result<(Digest, String, Vec<u8>)> {
        let wanted = self.reference.digest;
        let named = wanted.as_ref().map_or_else(|| self.reference.tag.clone(), Digest::to_string);
        let answer = self.get(&format!("manifests/{named}")).map_err(failed)?;
        let media = answer.header("content-type").unwrap_or_default().to_owned();
        let bytes = answer.bytes(MAX_DOCUMENT).map_err(|error| failed(unreachable(&named, &error)))?;
        let digest = Digest::sha256(&bytes);
        if let Some(wanted) = wanted.filter(|wanted| Digest::of(wanted.algorithm(), &bytes) != *wanted) {
            let what = format!("{wanted}: the bytes are those of {digest}");
            return Err(Failure::new(Code::BlobMismatch, what).into());
        }
        let says = serde_json::from_slice::<Value>(&bytes).ok();
        let says = says.as_ref().and_then(|value| value.get("mediaType")?.as_str());
        Ok((digest, says.map_or(media, str::to_owned), bytes))
    }

    /// What is there; `None` where the registry says that it is not. Any other answer is an error.
    pub(super) fn find(&mut self, rest: &str) -> Result<Option<Vec<u8>>> {
        let url = self.reference.url(rest)?;
        let answer = self.ask("GET", &url, None, &[]).map_err(failed)?;
        if answer.status == 404 {
            return Ok(None);
        }
        let answer = self.good(answer, rest, &[200]).map_err(failed)?;
        let bytes = answer.bytes(super::attach::MAX_ANSWER);
        Ok(Some(bytes.map_err(|error| failed(unreachable(rest, &error)))?))
    }

    /// A blob, in one piece.
    pub(super) fn upload(&mut self, digest: &Digest, bytes: &[u8]) -> Result<()> {
        let url = self.reference.url("blobs/uploads/")?;
        let answer = self.ask("POST", &url, None, &[]).map_err(failed)?;
        let answer = self.good(answer, "blobs/uploads/", &[202]).map_err(failed)?;
        let place = answer.header("location").context("the registry names no place for an upload")?;
        let separator = if place.contains('?') { '&' } else { '?' };
        let place = url.join(&format!("{place}{separator}digest={}", escaped(&digest.to_string())))?;
        let answer = self.ask("PUT", &place, Some("application/octet-stream"), bytes).map_err(failed)?;
        self.good(answer, "blobs/uploads/", &[201]).map_err(failed)?;
        Ok(())
    }

    /// A manifest under a tag or digest; whether the registry lists it by its subject.
    pub(super) fn put_manifest(&mut self, reference: &str, media: &str, bytes: &[u8]) -> Result<bool> {
        let rest = format!("manifests/{reference}");
        let url = self.reference.url(&rest)?;
        let answer = self.ask("PUT", &url, Some(media), bytes).map_err(failed)?;
        let answer = self.good(answer, &rest, &[201]).map_err(failed)?;
        Ok(answer.header("oci-subject").is_some())
    }
}

fn failed(fault: Fault) -> Failure {
    Failure::new(fault.code, fault.to_string())
}

impl Blobs for Registry {
    fn open<'a>(&'a mut self, blob: &Descriptor) -> Result<Box<dyn Read + 'a>, Fault> {
        let manifest = blob.media_type.contains("manifest") || blob.media_type.contains("index");
        let kind = if manifest { "manifests" } else { "blobs" };
        Ok(Box::new(self.get(&format!("{kind}/{}", blob.digest))?.body))
    }
}

fn unreachable(place: &str, error: &std::io::Error) -> Fault {
    Fault::new(Code::ImageUnreachable, place, error.to_string())
}

/// `name="value"` of a challenge.
fn parameter(parameters: &str, name: &str) -> Option<String> {
    let mut rest = parameters;
    while let Some((key, after)) = rest.split_once('=') {
        let key = key.trim_matches([',', ' ']);
        let (value, behind) = match after.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"')?,
            None => after.split_once(',').unwrap_or((after, "")),
        };
        if key.eq_ignore_ascii_case(name) {
            return Some(value.to_owned());
        }
        rest = behind;
    }
    None
}

fn escaped(text: &str) -> String {
    let keep = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~/:".contains(byte);
    text.bytes()
        .map(|byte| if keep(&byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_name_their_registry() {
        let of = |text: &str| Reference::parse(text).unwrap();
        assert_eq!(
            (of("registry.example/a/b").name.as_str(), of("registry.example/a").tag.as_str()),
            ("a/b", "latest")
        );
        assert_eq!(
            (of("localhost:5000/a:1").host.as_str(), of("localhost:5000/a:1").tag.as_str()),
            ("localhost:5000", "1")
        );
        let digest = format!("registry.example/a:1@{}", Digest::sha256(b""));
        assert_eq!(of(&digest).digest, Some(Digest::sha256(b"")));
        for bad in [
            "alpine",
            "library/alpine:3",
            "registry.example/",
            "registry.example/a@sha256:1",
            "registry.example/a/../b",
            "registry.example/a:b c",
        ] {
            assert!(Reference::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn challenges_are_taken_apart() {
        let challenge =
            r#"realm="https://auth.example/token",service="registry.example",scope="repository:a:pull,push""#;
        assert_eq!(parameter(challenge, "service").as_deref(), Some("registry.example"));
        assert_eq!(parameter(challenge, "scope").as_deref(), Some("repository:a:pull,push"));
        assert_eq!(parameter(challenge, "error"), None);
        assert_eq!(parameter("realm=\"x", "realm"), None);
    }
}
