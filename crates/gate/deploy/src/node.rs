//! containerd's image verifier protocol (`io.containerd.image-verifier.v1.bindir`).
//!
//! containerd runs each file of its folder as `FILE -name REFERENCE -digest DIGEST -stdin-media-type TYPE`, with the
//! image's descriptor on standard input. Exit code 0 lets the pull go on, anything else stops it; what is printed is the
//! reason, of which containerd keeps 16 KiB.

use linkward_decide::Outcome;
use linkward_model::{Digest, Instant};
use serde::Deserialize;

use crate::decision::Decision;
use crate::gate::Gate;

/// The only media type of standard input that there is.
const DESCRIPTOR: &str = "application/vnd.oci.descriptor.v1+json";
/// A descriptor is some hundred bytes; with annotations and data at most this.
pub const MAX_DESCRIPTOR: u64 = 1 << 20;

/// What containerd asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeQuestion {
    pub name: String,
    pub digest: Digest,
    /// Whether a descriptor follows on standard input.
    pub descriptor: bool,
}

/// Why an invocation is not the protocol.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NodeError {
    #[error("{0} is missing; containerd passes -name, -digest and -stdin-media-type")]
    Missing(&'static str),
    #[error("-digest `{0}` is not sha256: and 64 lower-case hexadecimal digits")]
    Digest(String),
    #[error("flag `{0}` is not part of the protocol, or stands twice")]
    Flag(String),
    #[error("standard input is of type `{0}`, expected {DESCRIPTOR}")]
    MediaType(String),
    #[error("the descriptor on standard input is malformed")]
    Descriptor,
    #[error("the descriptor on standard input is of {0}, -digest names another")]
    Mismatch(String),
}

impl NodeQuestion {
    /// Reads the flags in any of the spellings of Go's flag package.
    ///
    /// # Errors
    /// A flag is missing, unknown or twice there, or the digest is none.
    pub fn parse(args: &[String]) -> Result<Self, NodeError> {
        let (mut name, mut digest, mut media) = (None, None, None);
        let mut rest = args.iter();
        while let Some(arg) = rest.next() {
            let flag = arg.strip_prefix("--").or_else(|| arg.strip_prefix('-'));
            let flag = flag.ok_or_else(|| NodeError::Flag(arg.clone()))?;
            let (flag, value) = match flag.split_once('=') {
                Some((flag, value)) => (flag, Some(value.to_owned())),
                None => (flag, None),
            };
            let (slot, title) = match flag {
                "name" => (&mut name, "-name"),
                "digest" => (&mut digest, "-digest"),
                "stdin-media-type" => (&mut media, "-stdin-media-type"),
                _ => return Err(NodeError::Flag(arg.clone())),
            };
            let value = value.or_else(|| rest.next().cloned()).ok_or(NodeError::Missing(title))?;
            if slot.replace(value).is_some() {
                return Err(NodeError::Flag(arg.clone()));
            }
        }
        let digest = digest.ok_or(NodeError::Missing("-digest"))?;
        let descriptor = match media.as_deref() {
            None | Some("") => false,
            Some(DESCRIPTOR) => true,
            Some(other) => return Err(NodeError::MediaType(other.to_owned())),
        };
        Ok(Self {
            name: name.ok_or(NodeError::Missing("-name"))?,
            digest: digest.parse().map_err(|_| NodeError::Digest(digest))?,
            descriptor,
        })
    }

    /// Compares the descriptor with the flags: a runtime that says two things gets no yes.
    ///
    /// # Errors
    /// Malformed, or of another digest.
    pub fn check_descriptor(&self, bytes: &[u8]) -> Result<(), NodeError> {
        #[derive(Deserialize)]
        struct Descriptor {
            digest: String,
        }
        let descriptor: Descriptor = serde_json::from_slice(bytes).map_err(|_| NodeError::Descriptor)?;
        if descriptor.digest == self.digest.to_string() {
            Ok(())
        } else {
            Err(NodeError::Mismatch(descriptor.digest))
        }
    }
}

impl Gate {
    /// Whether a node may pull: the decision, and whether it stops the pull.
    pub fn verify_node(&self, question: &NodeQuestion, now: Instant) -> (Decision, bool) {
        let decision = self.decide_resolved(&question.name, &question.digest, now);
        let refused = self.mode() == crate::gate::Mode::Enforce
            && self.refuses(&decision, linkward_decide::Mode::Enforce);
        (decision, refused)
    }
}

/// The line for containerd's log and the pod's events.
pub fn node_reason(decision: &Decision, refused: bool) -> String {
    let lead = match (decision.outcome(), refused) {
        (_, true) => "refused",
        (Outcome::Allow, false) => "allowed",
        (_, false) => "allowed, would be refused",
    };
    format!("linkward: {lead}: {}\n", decision.message())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_in_every_spelling_of_go_and_no_other() {
        let digest = Digest::sha256(b"x").to_string();
        let parse = |args: &[&str]| {
            NodeQuestion::parse(&args.iter().map(|arg| (*arg).to_owned()).collect::<Vec<_>>())
        };
        let expected = NodeQuestion {
            name: "docker.io/library/nginx:1".to_owned(),
            digest: Digest::sha256(b"x"),
            descriptor: true,
        };
        let name = "docker.io/library/nginx:1";
        assert_eq!(
            parse(&["-name", name, "-digest", &digest, "-stdin-media-type", DESCRIPTOR]),
            Ok(expected.clone())
        );
        let joined = [
            format!("--name={name}"),
            format!("-digest={digest}"),
            format!("--stdin-media-type={DESCRIPTOR}"),
        ];
        assert_eq!(NodeQuestion::parse(&joined), Ok(expected.clone()));
        for bad in [
            vec!["-name", name],
            vec!["-digest", digest.as_str()],
            vec!["-name", name, "-digest", "sha256:aa"],
            vec!["-name", name, "-digest", &digest, "-digest", &digest],
            vec!["-name", name, "-digest", &digest, "-force"],
            vec!["-name", name, "-digest", &digest, "-stdin-media-type", "text/plain"],
            vec!["name", name],
            vec!["-name"],
            vec![],
        ] {
            assert!(parse(&bad).is_err(), "{bad:?}");
        }
        let with = |digest: &str| format!("{{\"digest\":\"{digest}\",\"size\":1}}");
        assert_eq!(expected.check_descriptor(with(&digest).as_bytes()), Ok(()));
        assert!(expected.check_descriptor(with(&Digest::sha256(b"y").to_string()).as_bytes()).is_err());
        assert_eq!(expected.check_descriptor(b"{}"), Err(NodeError::Descriptor));
    }
}
