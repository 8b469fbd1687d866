//! What Fulcio writes into a certificate besides the signer's name: repository, workflow, ref, trigger, runner.
//!
//! A subject alone is often too coarse: every workflow of a repository may sign under it, on a fork's trigger or on a
//! runner that somebody else owns.

use std::fmt;
use std::str::FromStr;

use crate::pattern::{Pattern, PatternError};

macro_rules! extensions {
    ($($variant:ident = $number:literal, $name:literal;)*) => {
        /// An extension of Fulcio's arc, 1.3.6.1.4.1.57264.1 (fulcio, docs/oid-info.md). The issuer is not among them: it
        /// is part of the identity.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum FulcioExtension { $(#[doc = $name] $variant,)* }

        impl FulcioExtension {
            pub const ALL: &[FulcioExtension] = &[$(FulcioExtension::$variant,)*];

            /// The last arc of its object identifier.
            pub const fn number(self) -> u8 {
                match self { $(Self::$variant => $number,)* }
            }

            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
        }
    };
}

extensions! {
    GithubWorkflowTrigger = 2, "github-workflow-trigger";
    GithubWorkflowSha = 3, "github-workflow-sha";
    GithubWorkflowName = 4, "github-workflow-name";
    GithubWorkflowRepository = 5, "github-workflow-repository";
    GithubWorkflowRef = 6, "github-workflow-ref";
    BuildSignerUri = 9, "build-signer-uri";
    BuildSignerDigest = 10, "build-signer-digest";
    RunnerEnvironment = 11, "runner-environment";
    SourceRepositoryUri = 12, "source-repository-uri";
    SourceRepositoryDigest = 13, "source-repository-digest";
    SourceRepositoryRef = 14, "source-repository-ref";
    SourceRepositoryIdentifier = 15, "source-repository-identifier";
    SourceRepositoryOwnerUri = 16, "source-repository-owner-uri";
    SourceRepositoryOwnerIdentifier = 17, "source-repository-owner-identifier";
    BuildConfigUri = 18, "build-config-uri";
    BuildConfigDigest = 19, "build-config-digest";
    BuildTrigger = 20, "build-trigger";
    RunInvocationUri = 21, "run-invocation-uri";
    SourceRepositoryVisibility = 22, "source-repository-visibility-at-signing";
    DeploymentEnvironment = 23, "deployment-environment";
}

impl fmt::Display for FulcioExtension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why an expectation on an extension was not read.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ExtensionError {
    #[error("`{0}` is no extension that Fulcio writes; expected one of {names}", names = names())]
    Unknown(String),
    #[error("`{0}` is not NAME=PATTERN")]
    Form(String),
    #[error(transparent)]
    Pattern(#[from] PatternError),
}

fn names() -> String {
    FulcioExtension::ALL.iter().map(|extension| extension.as_str()).collect::<Vec<_>>().join(", ")
}

impl FromStr for FulcioExtension {
    type Err = ExtensionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.iter().find(|extension| extension.as_str() == text);
        found.copied().ok_or_else(|| ExtensionError::Unknown(text.to_owned()))
    }
}

/// An extension and what it must say: `source-repository-uri=https://github.com/org/*`.
#[derive(Clone, Debug)]
pub struct Expected {
    pub extension: FulcioExtension,
    pub value: Pattern,
}

impl FromStr for Expected {
    type Err = ExtensionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, value) = text.split_once('=').ok_or_else(|| ExtensionError::Form(text.to_owned()))?;
        Ok(Self { extension: name.parse()?, value: Pattern::parse(value)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_stand_once() {
        for (place, one) in FulcioExtension::ALL.iter().enumerate() {
            assert_eq!(one.as_str().parse::<FulcioExtension>().unwrap(), *one);
            for other in &FulcioExtension::ALL[place + 1..] {
                assert!(one.number() != other.number() && one.as_str() != other.as_str(), "{one} {other}");
            }
        }
    }

    #[test]
    fn expectations_are_read_whole() {
        let expected: Expected = "build-trigger=push".parse().unwrap();
        assert_eq!(
            (expected.extension, expected.value.matches("push")),
            (FulcioExtension::BuildTrigger, true)
        );
        // The value may hold further signs of equality.
        let expected: Expected = "build-config-uri=https://ci.example/?a=b".parse().unwrap();
        assert!(expected.value.matches("https://ci.example/?a=b"));
        assert!(matches!("build-triger=push".parse::<Expected>(), Err(ExtensionError::Unknown(_))));
        assert!(matches!("build-trigger".parse::<Expected>(), Err(ExtensionError::Form(_))));
        assert!(matches!("build-trigger=regex:(".parse::<Expected>(), Err(ExtensionError::Pattern(_))));
    }
}
