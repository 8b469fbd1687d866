//! What happened, as a word; a word that is not in the table is kept.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

macro_rules! actions {
    ($($variant:ident = $name:literal, $what:literal;)*) => {
        /// What happened. The spelling never changes once released.
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Action {
            $(#[doc = $what] $variant,)*
            /// An action that has no name here yet, as the source spells it.
            Other(Box<str>),
        }

        impl Action {
            /// Every action with a name, in the order of the table.
            pub const NAMED: &[Self] = &[$(Self::$variant,)*];

            pub fn as_str(&self) -> &str {
                match self { $(Self::$variant => $name,)* Self::Other(name) => name }
            }

            /// One sentence: what it means.
            pub fn what(&self) -> &'static str {
                match self { $(Self::$variant => $what,)* Self::Other(_) => "Kept as the source spells it." }
            }

            /// Its place in the table; what has no name comes last.
            pub fn number(&self) -> usize {
                let mut at = 0;
                $(if *self == Self::$variant { return at; } at += 1;)*
                at
            }
        }

        impl From<&str> for Action {
            fn from(name: &str) -> Self {
                match name { $($name => Self::$variant,)* other => Self::Other(other.into()) }
            }
        }
    };
}

actions! {
    RefUpdated = "ref.updated", "A branch or tag points elsewhere.";
    RefCreated = "ref.created", "A branch or tag is new.";
    RefDeleted = "ref.deleted", "A branch or tag is gone.";
    CommitSeen = "commit.seen", "A commit reached a branch, with how its signature stands.";
    ProtectionChanged = "protection.changed", "A rule that protects a branch was changed or removed.";
    MemberChanged = "member.changed", "Somebody's access was given, changed or taken.";
    KeyEnrolled = "key.enrolled", "A signing key or signer was made known as good.";
    VisibilityChanged = "visibility.changed", "Something private became public.";
    WorkflowChanged = "workflow.changed", "The definition of a pipeline was changed.";
    RunStarted = "run.started", "A pipeline run began.";
    RunFinished = "run.finished", "A pipeline run ended.";
    StepFinished = "step.finished", "A step or job of a run ended.";
    RunnerRegistered = "runner.registered", "A machine offered itself to run pipelines.";
    CacheSaved = "cache.saved", "A run saved a cache entry.";
    CacheRestored = "cache.restored", "A run used a cache entry.";
    BuildResolved = "build.resolved", "A build log named the packages that it used.";
    SecretLeaked = "secret.leaked", "A secret stands where others can read it.";
    Egress = "egress", "A build spoke to a host.";
    Built = "artifact.built", "A run made an artifact.";
    Signed = "artifact.signed", "An artifact was signed.";
    Published = "package.published", "A version of a package or image was published.";
    Unpublished = "package.removed", "A version was removed.";
    Pulled = "package.pulled", "A version was fetched.";
    MaintainerChanged = "maintainer.changed", "Who may publish a package was changed.";
    DependencyAdded = "dependency.added", "A version depends on something new.";
    Compared = "artifact.compared", "Bytes were held against the bytes that they should be.";
    Rebuilt = "artifact.rebuilt", "An artifact was built again and compared.";
    Verified = "deploy.verified", "A deployment was checked.";
    CloudCalled = "cloud.called", "A cloud interface was called.";
    ClusterCalled = "cluster.called", "A cluster's interface was called.";
    SessionStarted = "session.started", "Somebody signed in.";
    VendorCalled = "vendor.called", "A vendor's agent or interface did something for us.";
    IssueDeleted = "issue.deleted", "A report or discussion was removed.";
    BootMeasured = "boot.measured", "A device reported what it booted.";
    LogOffered = "log.offered", "A log offered our witness a checkpoint that was refused.";
    CanaryTouched = "canary.touched", "A thing that nobody should touch was touched.";
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Action {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Action {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::from(&*std::borrow::Cow::<str>::deserialize(deserializer)?))
    }
}
