//! Events: what happened, in one shape, whatever source told it.
//!
//! Each source is one file and one line in [`FEEDS`]. What a source says beyond the fields below stays in `raw`; an
//! action that no one has heard of is kept by its own name. Nothing here decides whether an event is good or bad.

mod action;
mod azure;
mod ci;
mod ci_log;
mod cloudevents;
mod cloudtrail;
mod gcp;
mod github;
mod github_audit;
mod gitlab;
mod kubernetes;
mod native;
mod npm;
mod oci;
mod okta;
mod pick;
mod pypi;
mod tells;
#[cfg(test)]
mod tests;

use linkward_model::{Code, Digest, Instant};
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use action::Action;
pub use tells::{TELLS, Tell, can_tell};

use crate::Fault;

/// Most events of one document.
const MAX_EVENTS: usize = 1_000_000;
/// How far ahead of its arrival an event may claim to be: beyond that the claim is not believed.
const MAX_AHEAD: i64 = 5 * 60 * 1000;

/// Where an event comes from: sources lag, and fall silent, each in its own way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// A code host: webhooks and audit log.
    Forge,
    /// A watched repository.
    Git,
    /// Runs and steps.
    Ci,
    /// Package and image registries.
    Registry,
    /// Our own gateway for packages.
    Gateway,
    Kubernetes,
    /// A cloud provider's audit trail.
    Cloud,
    /// Identity providers, vendors and their agents.
    Vendor,
    /// Devices: boot measurements.
    Device,
    /// What Linkward itself found: verdicts, rebuilds, comparisons.
    Linkward,
}

impl Source {
    pub const ALL: &[Self] = &[
        Self::Forge,
        Self::Git,
        Self::Ci,
        Self::Registry,
        Self::Gateway,
        Self::Kubernetes,
        Self::Cloud,
        Self::Vendor,
        Self::Device,
        Self::Linkward,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Forge => "forge",
            Self::Git => "git",
            Self::Ci => "ci",
            Self::Registry => "registry",
            Self::Gateway => "gateway",
            Self::Kubernetes => "kubernetes",
            Self::Cloud => "cloud",
            Self::Vendor => "vendor",
            Self::Device => "device",
            Self::Linkward => "linkward",
        }
    }
}

macro_rules! event {
    (texts { $($(#[doc = $text_doc:literal])* $text:ident = $text_name:literal,)* } flags { $($(#[doc = $flag_doc:literal])* $flag:ident,)* }) => {
        /// One event. Absent means that the source did not say, never no.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        pub struct Event {
            /// The source's own id, or the digest of what it said: an event that is delivered twice is one event.
            pub id: Box<str>,
            pub source: Source,
            pub action: Action,
            /// When it happened, as the source says.
            pub time: Instant,
            /// When it reached us; absent in a replay.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub received: Option<Instant>,
            $($(#[doc = $text_doc])* #[serde(default, rename = $text_name, skip_serializing_if = "Option::is_none")] pub $text: Option<Box<str>>,)*
            $($(#[doc = $flag_doc])* #[serde(default, skip_serializing_if = "Option::is_none")] pub $flag: Option<bool>,)*
            /// When the run began.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub started: Option<Instant>,
            /// Names that the event lists: resolved packages, steps, maintainers.
            #[serde(default, skip_serializing_if = "Vec::is_empty")]
            pub names: Vec<Box<str>>,
            /// What the names are held against: a lockfile's packages.
            #[serde(default, skip_serializing_if = "Vec::is_empty")]
            pub expected: Vec<Box<str>>,
            /// What the source said, whole.
            #[serde(default, skip_serializing_if = "Value::is_null")]
            pub raw: Value,
        }

        impl Event {
            /// An event that says nothing yet but what, where and when.
            pub fn new(source: Source, action: Action, time: Instant) -> Self {
                Self {
                    id: Box::from(""), source, action, time, received: None,
                    $($text: None,)* $($flag: None,)*
                    started: None, names: Vec::new(), expected: Vec::new(), raw: Value::Null,
                }
            }

            /// The optional fields that it says something in.
            pub fn fields(&self) -> Vec<&'static str> {
                let mut said = Vec::new();
                $(said.extend(self.$text.is_some().then_some($text_name));)*
                $(said.extend(self.$flag.is_some().then_some(stringify!($flag)));)*
                said.extend(self.started.is_some().then_some("started"));
                said.extend((!self.names.is_empty()).then_some("names"));
                said.extend((!self.expected.is_empty()).then_some("expected"));
                said
            }

            /// Every optional field by its spelling in JSON.
            pub const FIELDS: &[&str] = &[$($text_name,)* $(stringify!($flag),)* "started", "names", "expected"];
        }
    };
}

event! {
    texts {
        /// Who did it: a login, a role, a service account.
        actor = "actor",
        /// `human`, `bot`, `app` or `token`.
        actor_kind = "actor_kind",
        /// A hash or id of the credential, never the credential.
        token = "token",
        /// The address it came from.
        network = "network",
        /// The autonomous system of the address.
        asn = "asn",
        region = "region",
        agent = "agent",
        /// `owner/name`, or the repository part of an image.
        repository = "repository",
        /// `refs/heads/main`, `refs/tags/v1`; of an image its tag.
        reference = "ref",
        /// Commit or digest before the event.
        before = "before",
        /// Commit or digest after the event.
        after = "after",
        commit = "commit",
        /// How a signature stands: `good`, `bad`, `unsigned`, `unknown`.
        signature = "signature",
        /// Fingerprint or identity of the signing key.
        key = "key",
        /// Id of a pipeline run.
        run = "run",
        /// Path or name of the pipeline's definition.
        workflow = "workflow",
        step = "step",
        /// `success`, `failure`, `cancelled`, `skipped`.
        conclusion = "conclusion",
        /// How far a run may be trusted: `protected`, `branch`, `fork`.
        trust = "trust",
        runner = "runner",
        /// Key of a cache entry.
        cache = "cache",
        /// purl without version.
        package = "package",
        version = "version",
        /// `sha256:HEX` of what was made, published or found.
        digest = "digest",
        /// Proof that a version came with: `staged`, `trusted`, `provenance`, `none`.
        assurance = "assurance",
        /// A cloud role or service account that was used.
        role = "role",
        /// What was called: `iam:CreateUser`.
        call = "call",
        /// A host that was spoken to.
        host = "host",
        /// Where it runs: `production`.
        environment = "environment",
        /// What an alert or finding of the source is about.
        subject = "subject",
    }
    flags {
        forced,
        /// The new commit has the old one among its ancestors.
        descends,
        /// The commit can be reached from a branch.
        reachable,
        /// The source says that the ref is protected.
        protected,
        /// A version runs code when it is installed.
        install_script,
        /// An SBOM came with it.
        sbom,
        /// The check or comparison held.
        matches,
    }
}

impl Event {
    /// The time to order by: what the source says, unless it claims a time that had not come when it arrived.
    pub fn at(&self) -> Instant {
        match self.received {
            Some(received) if self.time.since(received) > MAX_AHEAD => received,
            _ => self.time,
        }
    }

    /// The event for detectors: without what the source said.
    #[must_use]
    pub fn without_raw(mut self) -> Self {
        self.raw = Value::Null;
        self
    }
}

/// What is known of a document beside its text.
#[derive(Clone, Copy, Debug, Default)]
pub struct Delivery<'a> {
    /// The event's name where it stands in a header: `X-GitHub-Event`.
    pub topic: Option<&'a str>,
    /// The delivery's id where it stands in a header.
    pub id: Option<&'a str>,
    pub received: Option<Instant>,
}

/// One source's way to tell events.
///
/// Contract: `read` never panics, keeps what it does not know, and gives at least one event or a fault.
pub trait Feed: Sync {
    fn name(&self) -> &'static str;

    /// Whether a document of this shape is from this source.
    fn recognise(&self, document: &Value) -> bool;

    /// # Errors
    /// The document is not of this source, or says nowhere when it happened.
    fn read(&self, document: &Value, delivery: &Delivery<'_>) -> Result<Vec<Event>, Fault>;
}

/// Every source that is read, the most specific first.
pub const FEEDS: &[&dyn Feed] = &[
    &native::Feed,
    &cloudevents::Feed,
    &cloudtrail::Feed,
    &gcp::Feed,
    &azure::Feed,
    &kubernetes::Feed,
    &oci::Feed,
    &npm::Feed,
    &pypi::Feed,
    &okta::Feed,
    &github_audit::Feed,
    &gitlab::Feed,
    &ci_log::Feed,
    &ci::Feed,
    &github::Feed,
];

/// The feed of that name.
pub fn feed(name: &str) -> Option<&'static dyn Feed> {
    FEEDS.iter().copied().find(|feed| feed.name() == name)
}

/// Reads a document, a list of documents, or one document a line; each from the source that it looks like.
///
/// # Errors
/// Not JSON, or of no source that is known; the fault says where.
pub fn read_all(text: &[u8], feed: Option<&dyn Feed>, delivery: &Delivery<'_>) -> Result<Vec<Event>, Fault> {
    if let Ok(document) = crate::json(text) {
        return read_one(&document, feed, delivery);
    }
    let mut events = Vec::new();
    for (number, line) in text.split(|byte| *byte == b'\n').enumerate() {
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let place = |fault: Fault| Fault { place: format!("line {}: {}", number + 1, fault.place), ..fault };
        let document = crate::json(line).map_err(place)?;
        events.extend(read_one(&document, feed, delivery).map_err(place)?);
        if events.len() > MAX_EVENTS {
            return Err(Fault::new(Code::TooLarge, "$", format!("more than {MAX_EVENTS} events")));
        }
    }
    if events.is_empty() {
        return Err(Fault::new(Code::MalformedJson, "$", "there is nothing in it"));
    }
    Ok(events)
}

/// Reads one parsed document, or each of a list.
///
/// # Errors
/// As [`read_all`].
pub fn read_one(
    document: &Value,
    given: Option<&dyn Feed>,
    delivery: &Delivery<'_>,
) -> Result<Vec<Event>, Fault> {
    let known = given.or_else(|| FEEDS.iter().copied().find(|feed| feed.recognise(document)));
    let mut events = match (known, document) {
        (Some(feed), document) if given.is_none() || feed.recognise(document) || !document.is_array() => {
            feed.read(document, delivery)?
        }
        (_, Value::Array(items)) => {
            let mut events = Vec::new();
            for (index, item) in items.iter().enumerate() {
                let place = |fault: Fault| Fault {
                    place: format!("[{index}]{}", fault.place.trim_start_matches('$')),
                    ..fault
                };
                events.extend(read_one(item, given, delivery).map_err(place)?);
            }
            events
        }
        _ => {
            let names: Vec<_> = FEEDS.iter().map(|feed| feed.name()).collect();
            return Err(Fault::new(
                Code::UnsupportedFormat,
                "$",
                format!("looks like no source of {}; name it with --feed", names.join(", ")),
            ));
        }
    };
    for (index, event) in events.iter_mut().enumerate() {
        event.received = event.received.or(delivery.received);
        if event.id.is_empty() {
            event.id = identify(event, delivery.id, index).into();
        }
    }
    Ok(events)
}

/// The delivery's id, or the digest of everything that the event says; never of when it came.
fn identify(event: &Event, delivery: Option<&str>, index: usize) -> String {
    if let Some(delivery) = delivery {
        return format!("{delivery}/{index}");
    }
    let mut bare = event.clone();
    bare.received = None;
    let text = serde_json::to_vec(&bare).unwrap_or_default();
    Digest::sha256(&text).hex().get(..32).unwrap_or_default().to_owned()
}
