//! Reason codes: one stable name for every refusal and finding that a person can meet.
//!
//! The table is the index of the pages under `docs/codes` and of the console's help; a test walks it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Whose move it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Blame {
    /// The input is broken: whoever made it has to mend it.
    Input,
    /// A proof failed: treat as an attack until explained.
    Proof,
    /// Something needed is missing, stale, unsupported or out of reach: no verdict is possible yet.
    Missing,
    /// Policy says no to something that is proven.
    Policy,
    /// The operator's setting is at fault.
    Operator,
    /// The record itself is damaged.
    Record,
}

macro_rules! codes {
    ($($variant:ident = $name:literal, $blame:ident, $summary:literal, $fix:literal;)*) => {
        /// A stable reason code. The spelling never changes once released.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code { $(#[doc = $summary] $variant,)* }

        impl Code {
            /// Every code, in the order of the table.
            pub const ALL: &[Code] = &[$(Code::$variant,)*];

            /// The stable spelling, in kebab-case.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            pub const fn blame(self) -> Blame {
                match self { $(Self::$variant => Blame::$blame,)* }
            }

            /// One sentence: what it means.
            pub const fn summary(self) -> &'static str {
                match self { $(Self::$variant => $summary,)* }
            }

            /// One sentence: what to do next.
            pub const fn fix(self) -> &'static str {
                match self { $(Self::$variant => $fix,)* }
            }
        }
    };
}

codes! {
    // Input: the bytes are not what they say they are.
    MalformedJson = "malformed-json", Input, "The document is not valid JSON.", "Fetch the file again; it may be truncated.";
    MalformedField = "malformed-field", Input, "A field is missing or has the wrong shape.", "The message names the field; ask the producer for a valid document.";
    MalformedXml = "malformed-xml", Input, "The document is not well-formed XML, or holds a document type, which is refused.", "The message names line and column; ask the producer for a valid document.";
    MalformedBase64 = "malformed-base64", Input, "A field that must be base64 is not.", "Ask the producer for a valid document.";
    UnsupportedFormat = "unsupported-format", Missing, "The document is of no format that Linkward reads.", "See `docs/formats.md` for the formats that are read.";
    UnsupportedVersion = "unsupported-version", Missing, "The document's version is not one that Linkward reads.", "Update Linkward, or ask for an older version of the format.";
    TooLarge = "too-large", Input, "The document is beyond a limit on size, depth or count.", "The message names the limit.";
    BundleNoMaterial = "bundle-no-material", Input, "The bundle names neither a certificate nor a key.", "Sign again with a client that writes complete bundles.";
    BundleNoSignature = "bundle-no-signature", Input, "The bundle holds no signature.", "Sign again.";
    BundleManySignatures = "bundle-many-signatures", Input, "A bundle's envelope must hold exactly one signature.", "Sign again; several signers need several bundles.";
    BundleRootCertificate = "bundle-root-certificate", Proof, "The bundle brings its own root certificate.", "Roots come from the trust root alone; sign again with a current client.";
    BundleRepeats = "bundle-repeats", Input, "A log entry or timestamp stands in the bundle twice.", "Sign again; what stands twice counts once, and no honest client writes it twice.";
    BundleNoLogEntry = "bundle-no-log-entry", Missing, "The bundle holds no transparency log entry.", "Sign again with a transparency log.";
    BundleUnlogged = "bundle-unlogged", Missing, "The signature waits to be logged: it is in no transparency log yet.", "Complete it with `linkward spool flush`; until then nobody may rely on it.";
    BundleNoTime = "bundle-no-time", Missing, "Nothing in the bundle proves when it was signed.", "Sign again with a timestamp authority or a log that promises a time.";
    HclMalformed = "hcl-malformed", Input, "A file of Terraform's could not be read.", "The message names the line; `terraform validate` says more.";
    LockfileMalformed = "lockfile-malformed", Input, "A lockfile could not be read.", "The message names file and line; regenerate the lockfile.";

    // Proof: a check was made and failed.
    SignatureMismatch = "signature-mismatch", Proof, "The signature does not match the signed bytes.", "Do not use the artifact; get it and its bundle again from the source.";
    DigestMismatch = "digest-mismatch", Proof, "The artifact is not the one that was signed.", "Compare where the artifact and the bundle came from; fetch both again.";
    SubjectMissing = "subject-missing", Proof, "The attestation speaks of other artifacts.", "Find the attestation of this artifact.";
    CertificateUntrusted = "certificate-untrusted", Proof, "The signing certificate does not chain to a trusted authority.", "Check which instance signed it, and name its trust root with --trusted-root.";
    CertificateExpired = "certificate-expired", Proof, "The certificate was not valid when the signature was made.", "Sign again.";
    CertificateUsage = "certificate-usage", Proof, "The certificate is not made for signing code.", "Sign with a code-signing certificate.";
    CertificateMalformed = "certificate-malformed", Input, "A certificate could not be read.", "Sign again.";
    KeyMismatch = "key-mismatch", Proof, "The signature was made with another key.", "Check that --key is the signer's public key.";
    KeyExpired = "key-expired", Proof, "The key is not listed for the time at which the signature was made.", "Ask for a signature by a current key; compare with the list's validity.";
    KeyMalformed = "key-malformed", Input, "A key could not be read.", "Give a PEM public key (SubjectPublicKeyInfo).";
    KeyUnsupported = "key-unsupported", Missing, "The key's type is not supported.", "Use P-256, P-384, P-521, Ed25519 or RSA.";
    KeyMissing = "key-missing", Missing, "The bundle was signed with a key that was not given.", "Give the signer's public key with --key.";
    IdentityMismatch = "identity-mismatch", Proof, "The certificate belongs to another signer.", "Compare --identity and --issuer with the names in the message.";
    IdentityMissing = "identity-missing", Operator, "No expected signer was named.", "Say who must have signed with --identity and --issuer, or --key.";
    ExtensionMismatch = "extension-mismatch", Proof, "The certificate says something else of the build than was asked for.", "Compare --extension with what the message names.";
    ExtensionMissing = "extension-missing", Proof, "The certificate does not say what was asked for.", "Sign with a CI system whose certificates say it, or do not ask for it.";
    SctMissing = "sct-missing", Proof, "The certificate carries no signed certificate timestamp.", "Sign again with an authority that logs its certificates.";
    SctInvalid = "sct-invalid", Proof, "The certificate's signed timestamp does not verify with a trusted certificate log.", "Check which instance signed it, and name its trust root.";
    LogUnknown = "log-unknown", Proof, "The log entry is from a log that the trust root does not name.", "Check which instance logged it, and name its trust root.";
    LogPromiseInvalid = "log-promise-invalid", Proof, "The log's signed entry timestamp does not verify.", "Fetch the bundle again; treat as tampered until explained.";
    LogProofMissing = "log-proof-missing", Missing, "The log entry comes without an inclusion proof.", "Get the bundle again from a client that stores the proof.";
    LogProofInvalid = "log-proof-invalid", Proof, "The inclusion proof does not lead to the signed root.", "Fetch the bundle again; treat as tampered until explained.";
    CheckpointMissing = "checkpoint-missing", Missing, "The inclusion proof comes without a checkpoint.", "Get the bundle again from a client that stores the checkpoint.";
    CheckpointMalformed = "checkpoint-malformed", Input, "The checkpoint is not a signed note of the right form.", "Fetch the bundle again.";
    CheckpointInvalid = "checkpoint-invalid", Proof, "No signature on the checkpoint is by the log's key.", "Fetch the bundle again; treat as tampered until explained.";
    CheckpointMismatch = "checkpoint-mismatch", Proof, "The checkpoint is of another tree than the inclusion proof.", "Fetch the bundle again; treat as tampered until explained.";
    LogEntryMismatch = "log-entry-mismatch", Proof, "The log entry speaks of another signature, key or artifact.", "Fetch the bundle again; treat as tampered until explained.";
    LogEntryUnsupported = "log-entry-unsupported", Missing, "The log entry is of a kind that is not supported.", "Update Linkward.";
    LogTimeInFuture = "log-time-in-future", Proof, "The log entry claims a time that has not come.", "Check this machine's clock.";
    TimestampInvalid = "timestamp-invalid", Proof, "The RFC 3161 timestamp does not verify.", "Fetch the bundle again; treat as tampered until explained.";
    TimestampMismatch = "timestamp-mismatch", Proof, "The timestamp was made for another signature.", "Fetch the bundle again; treat as tampered until explained.";
    TimestampUntrusted = "timestamp-untrusted", Proof, "The timestamp is by an authority that the trust root does not name, or not for that time.", "Check which authority made it, and name its trust root.";
    CommitMalformed = "commit-malformed", Input, "The commit or tag is not an object as git writes it.", "Run `git fsck`; fetch the repository again from its source.";
    CommitIdMismatch = "commit-id-mismatch", Proof, "The bytes of the commit or tag do not have the id that it was asked for by.", "Run `git fsck`; treat the repository as tampered until explained.";
    CommitSignatureInvalid = "commit-signature-invalid", Proof, "The signature of the commit or tag is not whole, or was not made over this content.", "Fetch the repository again from its source; treat as tampered until explained.";
    CommitSignatureWeak = "commit-signature-weak", Proof, "The commit or tag is signed with SHA-1, DSA or an RSA key of less than 2048 bits.", "Sign with Ed25519: ssh-keygen -t ed25519.";
    CommitSignatureUnsupported = "commit-signature-unsupported", Missing, "The commit or tag is signed in a way that Linkward does not check: a rare SSH, OpenPGP or X.509 key.", "Sign with an SSH key: git config gpg.format ssh.";
    CommitSignerUnknown = "commit-signer-unknown", Proof, "The signature is by a key, name or authority that none of the lists in [trust] names.", "Find out whose key it is before adding it to the allowed signers.";
    CommitSignerMismatch = "commit-signer-mismatch", Proof, "The key is listed, but not for the committer's address, or not for git.", "Compare the committer's address with the principals in the allowed signers.";
    CommitSignerExpired = "commit-signer-expired", Proof, "The key was not valid at the time that the commit or tag claims.", "Compare the time with valid-after and valid-before in the allowed signers.";
    CommitSignerCertificate = "commit-signer-certificate", Missing, "The key is vouched for by an SSH certificate authority, which Linkward does not check.", "List the signer's own key in the allowed signers.";
    CommitAuthoritiesMalformed = "commit-authorities-malformed", Operator, "The file of certificate authorities for commits cannot be read.", "Mend the lines that the message names: it holds PEM certificates of authorities.";
    CommitIdentitiesMalformed = "commit-identities-malformed", Operator, "The file of commit identities cannot be read.", "Mend the lines that the message names: each is ADDRESSES NAME ISSUER.";
    CommitUnlogged = "commit-unlogged", Missing, "The certificate lived for minutes, and neither a log's entry nor a timestamp stands beside the signature.", "Have signers set `git config gitsign.rekorMode offline`: the entry then travels with the commit.";
    CommitTimeInFuture = "commit-time-in-future", Proof, "The commit or tag claims a time that has not come.", "Check this machine's clock, then the committer's.";
    LayoutMalformed = "layout-malformed", Input, "The in-toto layout is not valid.", "The message names the field; ask the project's owner for a valid layout.";
    LayoutSignatureInvalid = "layout-signature-invalid", Proof, "A layout key that was named did not sign the layout as it stands.", "Check --layout-key; otherwise treat the layout as tampered with.";
    LayoutExpired = "layout-expired", Proof, "The layout's time is over.", "Ask the project's owner for a current layout.";
    LayoutParameterMissing = "layout-parameter-missing", Operator, "The layout has a parameter that was given no value.", "Give it with --parameter NAME=VALUE.";
    LayoutThreshold = "layout-threshold", Proof, "A step was vouched for by fewer different keys than the layout demands.", "Ask for links by further functionaries; one key under two ids is one functionary.";
    LayoutLinkMissing = "layout-link-missing", Missing, "A step has fewer links than the layout demands.", "Add the files that the message names to --link-dir.";
    LayoutLinksDisagree = "layout-links-disagree", Proof, "Functionaries report different materials or products of one step.", "Find out which of them is wrong; treat as an attack until explained.";
    LayoutRuleDisallow = "layout-rule-disallow", Proof, "A step used or made something that the layout does not allow.", "Compare the artifacts that the message names with the layout's rules; treat as tampered with until explained.";
    LayoutRuleRequire = "layout-rule-require", Proof, "A step did not use or make something that the layout requires.", "Compare the artifact that the message names with the layout's rules.";
    LinkMalformed = "link-malformed", Input, "An in-toto link is not valid.", "The message names file and field; ask the functionary for a valid link.";
    LinkSignatureInvalid = "link-signature-invalid", Proof, "A link is not signed by the functionary whose name it carries.", "Treat the link as tampered with until explained.";
    LinkStepMismatch = "link-step-mismatch", Proof, "A link reports another step than it was put forward for.", "Treat as an attack: a true link of one step does not vouch for another.";
    InspectionNotRun = "inspection-not-run", Missing, "The layout demands that the verifier runs commands, which was not asked for.", "Read the commands; then --run-inspections DIR runs them, or --skip-inspections accepts the result without.";
    InspectionFailed = "inspection-failed", Proof, "A command that the layout demands failed.", "Run it by hand in a folder of its own and look at what it says.";
    NotationMalformed = "notation-malformed", Input, "The Notary Project signature is not valid.", "The message names the field; sign again with a current client.";
    NotationCritical = "notation-critical", Missing, "The signature demands that something is understood which Linkward does not know, such as a plugin.", "Verify it with the plugin, or sign without.";
    NotationAlgorithm = "notation-algorithm", Proof, "The signature's algorithm does not go with its key.", "Sign again with a current client.";
    NotationExpired = "notation-expired", Proof, "The signature's own time is over.", "Sign again, or without an expiry.";
    KeyringMalformed = "keyring-malformed", Operator, "A file of OpenPGP keys cannot be read.", "Write it with `gpg --export --armor KEY...`: public keys alone.";
    OpenpgpMalformed = "openpgp-malformed", Input, "The OpenPGP signature, or the document around it, is not valid.", "Fetch it again from its source.";
    OpenpgpMismatch = "openpgp-mismatch", Proof, "The OpenPGP signature was not made over this content.", "Fetch both again from their source; treat as tampered until explained.";
    OpenpgpWeak = "openpgp-weak", Proof, "The OpenPGP signature rests on SHA-1, DSA or an RSA key of less than 2048 bits.", "Ask for a signature with SHA-256 or better by a current key.";
    OpenpgpUnsupported = "openpgp-unsupported", Missing, "The OpenPGP signature is of a kind that Linkward does not check.", "Ask for a signature of version 4 or 6 by an RSA, ECDSA or Ed25519 key.";
    OpenpgpKeyUnknown = "openpgp-key-unknown", Proof, "The OpenPGP signature is by a key that the keyring does not hold.", "Find out whose key it is before adding it to the keyring.";
    OpenpgpKeyNotValid = "openpgp-key-not-valid", Proof, "The OpenPGP key was expired or revoked, or may not sign.", "Get the key again from its owner; compare with the time that the message names.";
    ReleaseExpired = "release-expired", Missing, "The archive's Release file is older than it allows itself.", "The mirror may hold a newer one back: get it from another.";
    ReleaseNotYet = "release-not-yet", Proof, "The archive's Release file is of a time that has not come.", "Check this machine's clock, then the archive.";
    RpmMalformed = "rpm-malformed", Input, "The RPM package is not valid, or holds what its signature does not cover.", "Fetch the package again from its source; treat as tampered until explained.";
    RpmUnsigned = "rpm-unsigned", Missing, "The RPM package carries no signature over its header.", "Ask its maker for a signed package.";
    RpmPayloadUnproven = "rpm-payload-unproven", Missing, "The RPM package's signed header does not name its payload by SHA-256.", "Ask for a package that rpm 4.14 or newer built.";
    ApkMalformed = "apk-malformed", Input, "The Alpine package is not valid.", "Fetch the package again from its source.";
    ApkUnsigned = "apk-unsigned", Missing, "The Alpine package carries no signature.", "Ask its maker for a signed package.";
    ApkWeak = "apk-weak", Proof, "The Alpine package is signed with SHA-1 alone.", "Ask its maker for a package with a .SIGN.RSA256 signature.";
    ApkDataUnproven = "apk-data-unproven", Missing, "The Alpine package's signed part does not name its data by SHA-256.", "Ask for a package that a current abuild or melange built.";
    WebhookSignatureMismatch = "webhook-signature-mismatch", Proof, "The delivery is not signed with the secret that this source shares with us.", "Compare the secret with the sender's setting; treat as forged until explained.";
    WebhookUnsigned = "webhook-unsigned", Proof, "The delivery carries no signature or token.", "Set the secret in the sender's webhook.";
    TrustRootMalformed = "trust-root-malformed", Operator, "The trust root could not be read.", "Get trusted_root.json again from the instance.";
    TrustRootStale = "trust-root-stale", Missing, "The trust root was last confirmed longer ago than the setting allows.", "Run `linkward trust update`, update Linkward, or name a current one with --trusted-root.";
    TrustUnknown = "trust-unknown", Operator, "No trust of this name was added.", "See `linkward trust show`; add it with `linkward trust add`.";
    TrustMetadataMalformed = "trust-metadata-malformed", Input, "A document of the trust repository (TUF) is not valid.", "The message names document and field; tell the repository's operator.";
    TrustMetadataSignatures = "trust-metadata-signatures", Proof, "A document of the trust repository is signed by fewer of its role's keys than needed.", "Treat as an attack until explained; the pinned root stays as it is.";
    TrustMetadataExpired = "trust-metadata-expired", Missing, "The newest document that the trust repository shows has expired.", "Somebody may hold newer ones back: ask over another line, and tell the repository's operator.";
    TrustMetadataRollback = "trust-metadata-rollback", Proof, "The trust repository shows an older state than it showed before.", "Treat as an attack until explained: newer keys may have been taken back.";
    TrustMetadataMixed = "trust-metadata-mixed", Proof, "The trust repository shows documents of different states together.", "Try again once, as it may be in the middle of a change; then treat as an attack.";
    TrustMetadataDigest = "trust-metadata-digest", Proof, "A file of the trust repository is not the one that its documents list.", "Try again over another line; treat as tampered with until explained.";
    TrustRootChain = "trust-root-chain", Proof, "A root of the trust repository does not follow the one that is trusted.", "Get the roots in between; a root that nobody vouches for needs `linkward trust rotate` and a second look.";
    TrustTargetMissing = "trust-target-missing", Missing, "The trust repository lists no file of this name.", "See which target the repository keeps its trusted_root.json under: --target.";
    TrustTargetDelegated = "trust-target-delegated", Missing, "The file may stand under a delegated role of the trust repository, which Linkward does not follow.", "Name the file itself with --trusted-root.";
    TrustUnreachable = "trust-unreachable", Missing, "The trust repository could not be asked.", "Check address and line; what was confirmed before stays usable for as long as the setting allows.";
    TrustPinMismatch = "trust-pin-mismatch", Policy, "The trust repository now means another file than the one that is pinned.", "Compare both; then `linkward trust pin NAME DIGEST` accepts the newer one.";

    // The private Sigstore refuses to issue or to log.
    TokenMissing = "token-missing", Input, "A certificate was asked for without an identity token.", "Send the OIDC token as `Authorization: Bearer`, or in credentials.oidcIdentityToken.";
    TokenMalformed = "token-malformed", Input, "The identity token cannot be read.", "Ask the issuer for a new token.";
    TokenAlgorithm = "token-algorithm", Proof, "The identity token is signed with an algorithm that is refused, or that does not go with the issuer's key.", "Treat as an attack: no honest issuer signs so.";
    TokenSignature = "token-signature", Proof, "No key of the issuer signed the identity token.", "Check that the issuer's `jwks` file is current; otherwise treat as an attack.";
    TokenIssuer = "token-issuer", Operator, "The identity token is by an issuer that is not configured.", "Add an [[issuer]] to linkward.toml, if it is to be trusted.";
    TokenAudience = "token-audience", Proof, "The identity token was made for somebody else.", "Ask the issuer for a token with the audience that the message names.";
    TokenExpired = "token-expired", Proof, "The identity token is not valid at this time.", "Ask the issuer for a new token; check the clocks.";
    TokenReplayed = "token-replayed", Proof, "The identity token was used before, with another key.", "Ask the issuer for a new token for each signer; treat as theft until explained.";
    TokenClaims = "token-claims", Input, "The identity token lacks a claim that the certificate needs.", "Check that the issuer's `kind` in linkward.toml is the right one.";
    PossessionUnproven = "possession-unproven", Proof, "The request does not prove that its sender holds the key.", "Sign the token's subject, or the signing request, with the key that is to be certified.";
    RateLimited = "rate-limited", Policy, "Too many requests by one identity.", "Wait for as long as Retry-After says.";
    RequestSlow = "request-slow", Input, "The request did not arrive in time.", "Send it again over a better connection.";
    SigstoreMissing = "sigstore-missing", Missing, "This home has no private Sigstore.", "Make one with `linkward sigstore init`.";

    // Signing as a client of an instance.
    SigningConfigMalformed = "signing-config-malformed", Operator, "The signing configuration could not be read.", "Get signing_config.v0.2.json again from the instance.";
    SigningServiceMissing = "signing-service-missing", Missing, "The signing configuration names too few services that are valid now and speak a version that Linkward does.", "Get a current signing_config.v0.2.json; logs must speak Rekor v2.";
    SigningServiceUnreachable = "signing-service-unreachable", Missing, "A signing service did not answer.", "Check the address and the network, and sign again; what waits for a log is completed by `linkward spool flush`.";
    SigningServiceRefused = "signing-service-refused", Operator, "A signing service refused, or answered with something else than it should.", "The message holds the service's answer.";
    Pkcs11Uri = "pkcs11-uri", Input, "The PKCS#11 URI does not name a key.", "Write pkcs11:token=NAME;object=LABEL?module-path=/path/to/module.so (RFC 7512).";
    Pkcs11Module = "pkcs11-module", Operator, "The PKCS#11 module cannot be loaded, crashed, or answered with an error.", "Try the module with its vendor's own tool; it runs in a process of its own, nothing else was harmed.";
    Pkcs11Timeout = "pkcs11-timeout", Missing, "The PKCS#11 module did not answer in time, and its process was ended.", "See whether the token is reachable; then sign again.";
    Pkcs11TokenMissing = "pkcs11-token-missing", Operator, "No token, or more than one, fits the PKCS#11 URI.", "Compare token=, serial= and slot-id= with the tokens that the message lists.";
    Pkcs11KeyMissing = "pkcs11-key-missing", Operator, "The token has no such private key, or no public half beside it.", "Compare object= and id= with what is in the token; import the public key with the same id.";
    Pkcs11KeyAmbiguous = "pkcs11-key-ambiguous", Operator, "Several private keys fit the PKCS#11 URI.", "Say which with object= or id=.";
    Pkcs11Pin = "pkcs11-pin", Operator, "The token's PIN is missing, wrong, or locked. A wrong one is tried once.", "Name it with pin-source=FILE, or in LINKWARD_PKCS11_PIN; tokens lock after a few wrong ones.";
    Pkcs11Unsupported = "pkcs11-unsupported", Missing, "The token's key is of a type that signs no digests here.", "Use an EC key on P-256 or an RSA key of 2048, 3072 or 4096 bits.";
    SigningKeyFailed = "signing-key-failed", Operator, "The signing key could not sign.", "Check the key, or the service that holds it.";

    // Missing: no verdict is possible yet.
    NoProvenance = "no-provenance", Missing, "Nothing proves how this artifact was built.", "Build it with `linkward run -- CMD`, or submit its provenance.";
    NoSignature = "no-signature", Missing, "No signature by an accepted signer is recorded.", "Submit the artifact's bundle.";
    SignersTooFew = "signers-too-few", Missing, "Fewer of the accepted signers have signed than are needed.", "Add the bundles of further signers.";
    LookupIncomplete = "lookup-incomplete", Proof, "The answer to a look-up does not prove that nothing was left out.", "Ask again; if it stays so, trust nothing that this index answers, and run `linkward log verify` on the home.";
    LookupBehind = "lookup-behind", Missing, "The look-up index is too far behind the log to answer.", "Let `linkward up` run until it has caught up.";
    LookupDamaged = "lookup-damaged", Record, "The look-up index is not the one that the log commits to.", "Remove the folder `lookup` of the home, which is made again from the log; `linkward log verify` says whether that is whole.";
    LogForked = "log-forked", Proof, "The log does not extend what it showed before: it was forked or rolled back.", "Trust nothing new from this log; show both checkpoints to its operator and to others who follow it.";
    LogUnreadable = "log-unreadable", Missing, "The log, or a part of it, could not be read.", "Check the address and the network, and run it again; what was seen before is kept.";
    WitnessesTooFew = "witnesses-too-few", Missing, "The checkpoint was cosigned by fewer witnesses than are required.", "Get a newer proof from the log, or find out which witness refused and why.";
    LogsTooFew = "logs-too-few", Missing, "The signature is in fewer logs than are needed.", "Sign again with further logs.";
    TimestampsTooFew = "timestamps-too-few", Missing, "Fewer timestamp authorities vouch for the time than are needed.", "Sign again with further timestamp authorities.";
    NoSbom = "no-sbom", Missing, "No SBOM of this artifact is recorded.", "Run `linkward up` in the project that builds it.";
    SbomIncomplete = "sbom-incomplete", Missing, "The SBOM leaves out what policy asks for.", "Mend what `linkward explain` lists, or use a lockfile.";
    VexNotAbout = "vex-not-about", Missing, "No statement speaks of this vulnerability in this component of this product.", "A statement about the vulnerability alone does not count; ask the product's maker for one that names product and component.";
    NotLogged = "not-logged", Missing, "The evidence is not in an accepted transparency log.", "Log it: sign with a log.";
    DeletedByRetention = "deleted-by-retention", Missing, "A document of the record is gone: a retention rule deleted it, and a tombstone in the log says so.", "What was decided by it stands but cannot be replayed; submit the document again to decide by it anew.";
    NoEvidence = "no-evidence", Missing, "Nothing at all is recorded of this digest.", "Submit its evidence, or check that the digest is right.";
    NoPolicy = "no-policy", Missing, "No policy rule covers this artifact.", "Add a rule for it to policy.yaml.";
    NotDigest = "not-digest", Missing, "The image is named by a tag alone; a tag can be moved.", "Name the image by digest.";
    ImageMalformed = "image-malformed", Input, "The image reference is outside the grammar.", "Write it as registry/repository@sha256:HEX, in lower-case ASCII.";
    ReviewMalformed = "review-malformed", Input, "The admission review could not be read, so nothing in it was decided.", "Send an AdmissionReview v1 with the whole object.";
    KindUnknown = "kind-unknown", Missing, "Where this kind of object holds its images is not configured.", "Add its path to `images` in [admission] of linkward.toml.";
    VerificationPending = "verification-pending", Missing, "The digest's evidence is being verified right now.", "Nothing: controllers try again by themselves.";
    FeedStale = "feed-stale", Missing, "This gate has not heard from the record for longer than its lease: what was revoked since is unknown.", "Restore the connection to the feed; `on_stale` says what happens until then.";
    SnapshotMissing = "snapshot-missing", Missing, "This gate has no snapshot of verdicts to decide from.", "Bring it one with `linkward admit snapshot --out FILE`.";
    SnapshotInvalid = "snapshot-invalid", Proof, "The snapshot is not proven to be in the log of the home that the gate trusts.", "Fetch it again; treat as tampered until explained.";
    SnapshotRolledBack = "snapshot-rolled-back", Proof, "The snapshot is older than what this gate has seen: it could bring back what was revoked.", "Fetch the newest snapshot.";
    FeedInvalid = "feed-invalid", Proof, "A message of the revocation feed is not signed by the record, or goes back in time.", "Check the feed's address; treat as tampered until explained.";
    ImageDigestMismatch = "image-digest-mismatch", Proof, "The image's name holds another digest than the one that was resolved.", "Pull it again; treat the registry as tampered until explained.";
    BreakGlassInvalid = "break-glass-invalid", Operator, "The break-glass is malformed, expired, too long or not signed by enough people.", "Have it signed by people whose keys stand in `break_glass_keys` of linkward.toml.";
    BreakGlassApplied = "break-glass-applied", Policy, "A break-glass lets this image pass.", "It ends by itself; see its reason and signers in the record.";
    DigestRevoked = "digest-revoked", Policy, "The digest is revoked.", "Do not use it; `linkward rollback` names the last known good artifact.";
    IdentityRevoked = "identity-revoked", Policy, "Its signer is revoked, and nobody else who is accepted signed it.", "Have it built and signed again by a signer in good standing.";
    KeyRevoked = "key-revoked", Policy, "Its signing key is revoked, and no other evidence suffices.", "Sign it again with the new key, after checking the artifact.";
    IssuerRevoked = "issuer-revoked", Policy, "The issuer of its signer's identity is revoked.", "Have it signed under an issuer in good standing.";
    BuilderRevoked = "builder-revoked", Policy, "Its builder is revoked.", "Build it again with a builder in good standing.";
    PackageRevoked = "package-revoked", Policy, "It contains a package that is revoked.", "Rebuild it without that version; `linkward why PKG` shows where it comes from.";
    PolicyRevoked = "policy-revoked", Policy, "The policy that it was decided by is revoked.", "Put a policy in good standing into policy.yaml.";
    RevocationPending = "revocation-pending", Missing, "The revocation waits for a further person: nothing is refused by it yet.", "Have it confirmed: linkward revoke confirm RECORD --author NAME --key FILE.";
    RevocationUnsigned = "revocation-unsigned", Operator, "Revoking, and taking back, takes several people here, and this is not signed by one of them.", "Sign with --key; whose keys count stands in `keys` of [revoke] in linkward.toml.";
    NoRollbackTarget = "no-rollback-target", Missing, "No earlier revision of the workload is safe to go back to.", "See what disqualifies each candidate; rebuild, or revoke less.";
    RollbackHeld = "rollback-held", Policy, "A rollback was not made by itself: not here, too many in an hour, or nobody said to be there.", "Make it by hand with `linkward rollback WORKLOAD --apply`, or say `linkward rollback --present`.";
    RollbackUnclear = "rollback-unclear", Missing, "It cannot be told which recorded image belongs to which container of the workload.", "Put the images back by hand; the plan names them.";
    RollbackNotReady = "rollback-not-ready", Missing, "The workload was put back but has not become ready in time.", "Look at its pods; the plan names the next candidate.";
    ClusterUnreachable = "cluster-unreachable", Missing, "The API server cannot be reached, or does not let this account.", "Check [cluster] in linkward.toml and the roles of `linkward admit manifest --roles`.";
    DigestMalformed = "digest-malformed", Input, "The image's digest is not a digest.", "Name the image as repository@sha256:HEX.";
    CommitUnsigned = "commit-unsigned", Missing, "The commit carries no signature.", "Sign commits: git config commit.gpgsign true.";
    CommitUnproven = "commit-unproven", Missing, "The commit's signature could not be checked.", "List the signers in a file and name it in linkward.toml: [trust] allowed_signers.";
    TreeDirty = "tree-dirty", Missing, "The working tree differs from the commit.", "Commit or stash the changes.";
    SourceUnknown = "source-unknown", Missing, "The source revision could not be read.", "Run inside a git checkout, with git installed.";

    // Policy says no.
    SignerRefused = "signer-refused", Policy, "Signed, but by none of the signers that policy accepts.", "Compare the signer with policy.yaml.";
    BuilderRefused = "builder-refused", Policy, "Built by a builder that policy does not accept.", "Compare the builder with policy.yaml.";
    SourceRefused = "source-refused", Policy, "Built from a source that policy does not accept.", "Compare the source with policy.yaml.";
    StepFailed = "step-failed", Policy, "The recorded build step did not succeed.", "Look at the step's exit code and build again.";
    DigestDenied = "digest-denied", Policy, "The digest is on policy's denied list.", "Do not use it; see the reason in policy.yaml.";
    TooOld = "too-old", Policy, "The artifact is older than policy allows.", "Rebuild it.";
    LevelTooLow = "level-too-low", Policy, "Its provenance reaches a lower SLSA build level than policy asks for.", "Build it with a builder that reaches the level, or compare the builder with policy.yaml.";
    AttestationDowngrade = "attestation-downgrade", Policy, "Earlier artifacts of this name carried better provenance.", "Treat as an attack until the maintainers explain it; an exception can let it through by digest.";
    RegoDenied = "rego-denied", Policy, "The policy's Rego module denies it.", "See the message; the module stands in policy.yaml.";
    RegoUndecided = "rego-undecided", Missing, "The policy's Rego module neither allows nor denies it.", "See the message for what is missing; try the module with `linkward policy test`.";
    RegoFailed = "rego-failed", Missing, "The policy's Rego module could not be evaluated in time, or failed.", "See the message; try the module with `linkward policy test`.";
    EvidenceRefused = "evidence-refused", Policy, "Evidence of this artifact failed its proof.", "See `linkward explain` for the check that failed.";
    ExceptionApplied = "exception-applied", Policy, "An exception in policy.yaml decides here.", "It ends by itself; see its owner and reason.";

    // Scan: what is known to be bad, and what could not be said.
    Vulnerable = "vulnerable", Policy, "An advisory says that this version is vulnerable.", "Update to the version that the report names, or ignore the finding with an owner, a reason and an end date.";
    MaliciousPackage = "malicious-package", Policy, "The package is known to be malicious.", "Remove it, and treat every machine that installed it as compromised.";
    AdvisoryNotice = "advisory-notice", Policy, "An advisory says that the package is unmaintained, unsound or otherwise worth a look.", "Plan a replacement; the report names the advisory.";
    AdvisoryMissing = "advisory-missing", Missing, "There is no advisory database to compare with.", "Run linkward advisory update, or make one: linkward advisory build SOURCE... -o FILE.";
    AdvisoryNoData = "advisory-no-data", Missing, "The advisory database does not cover this ecosystem.", "Add a source that does: linkward advisory status lists what is covered.";
    AdvisoryStale = "advisory-stale", Missing, "The advisory data is older than allowed: newer advisories are not in it.", "Run linkward advisory update, or build from newer sources.";
    AdvisoryUnordered = "advisory-unordered", Missing, "An advisory names this package, but its ranges cannot be evaluated for this version.", "Read the advisory: linkward advisory show ID.";
    AdvisoryMalformed = "advisory-malformed", Input, "An advisory record could not be read.", "The message names the record; report it to its source.";
    AdvisoryDamaged = "advisory-damaged", Record, "The advisory database is truncated or altered.", "Build or fetch it again; find out who changed it.";
    AdvisoryFormat = "advisory-format", Missing, "The file is no advisory database of a version that Linkward reads.", "Build it again with this version.";
    AdvisoryUnsigned = "advisory-unsigned", Proof, "The mirror's list of advisory files is not signed by the key that the settings name.", "Compare `mirror_key` under [advisory] with the key that the mirror's owner publishes.";
    AdvisoryRollback = "advisory-rollback", Proof, "The mirror offers an older state of the advisories than was accepted before.", "Ask the mirror's owner; whoever replays an old list hides what is known since.";
    AdvisoryFork = "advisory-fork", Proof, "The mirror signed two different lists of one number.", "Ask the mirror's owner; somebody shows different advisories to different people.";
    AdvisorySequence = "advisory-sequence", Proof, "The mirror's list does not count on by one.", "Ask the mirror's owner to publish again.";
    AdvisoryGap = "advisory-gap", Missing, "A file between the advisories that are here and those that the mirror offers is missing.", "Carry over all files that the list names, or have the mirror publish a new base.";
    AdvisoryTruncated = "advisory-truncated", Input, "A file of the mirror is shorter than its signed list says.", "Copy the mirror's files again.";
    AdvisoryUnreachable = "advisory-unreachable", Missing, "A source of advisories could not be fetched.", "The message says which and why; what was fetched is kept, and the older database stays in use until it is too old.";
    VersionUnreadable = "version-unreadable", Missing, "The version is not one that its ecosystem orders.", "Pin a released version.";
    VersionMissing = "version-missing", Missing, "The component has no version.", "Use a lockfile, or an SBOM with versions.";
    PackageUnidentified = "package-unidentified", Missing, "The component has no purl, so that no advisory can be found for it.", "Use an SBOM with purls.";
    DistributionUnknown = "distribution-unknown", Missing, "The package does not say of which release of its distribution it is.", "Scan the whole root file system, or an SBOM whose purls carry `distro`.";
    NothingFound = "nothing-found", Missing, "Nothing in the target is of a kind that is read.", "See docs/formats.md for what is read.";
    ArchiveMalformed = "archive-malformed", Input, "An archive is cut off, encrypted or not of its format.", "The message names the place; fetch the archive again.";
    ArchiveEscape = "archive-escape", Input, "An entry of an archive names a place outside of it.", "Treat the archive as hostile until explained; nothing was written there.";
    ArchiveDevice = "archive-device", Input, "An entry of an archive is a device or a pipe, which was not looked into.", "Find out why the image brings it; runtimes make their own.";
    ImageUnreadable = "image-unreadable", Input, "An image's index, manifest, configuration or a layer could not be read.", "The message names the place; build or fetch the image again.";
    ImageUnreachable = "image-unreachable", Missing, "A part of the image could not be had.", "The message says which and why; try again where the registry or the file can be reached.";
    BlobMismatch = "blob-mismatch", Proof, "A part of the image is not what its digest says.", "Do not use the image; find out who changed it.";
    PlatformMissing = "platform-missing", Missing, "Which image is meant cannot be told, or there is none for the platform.", "Name one with --platform, or by its digest.";
    RegistryRefused = "registry-refused", Missing, "The registry does not give the image to this user.", "Log in: the message says where credentials were looked for.";
    CredentialsUnsupported = "credentials-unsupported", Operator, "The registry's credentials are kept by a helper program, which is not run.", "Log in with the credentials in ~/.docker/config.json, or scan an archive of the image.";
    ProgramMalformed = "program-malformed", Input, "A compiled program, or what it says of its parts, could not be read.", "The message names the place; fetch the program again.";
    PackagesMalformed = "packages-malformed", Input, "A database of installed packages is damaged, or of a kind that is not read.", "The message names the place; rebuild the database, or scan the image again.";
    WorkflowMalformed = "workflow-malformed", Input, "A CI workflow could not be read.", "Mend it: the message names the place.";
    UnpinnedAction = "unpinned-action", Policy, "A CI step uses an action or image that can be moved to other code.", "Pin it to a full commit or digest, with the version in a comment.";
    UntrustedCheckout = "untrusted-checkout", Policy, "A CI job with secrets checks out what strangers propose.", "Use the trigger `pull_request`, or check out nothing of the proposal.";
    ScriptInjection = "script-injection", Policy, "Text that strangers write becomes part of a CI script.", "Pass it through `env` and quote the variable.";
    BroadPermissions = "broad-permissions", Policy, "A CI job's token may do more than it needs.", "Name `permissions` for the workflow, `contents: read` at first.";
    PipedShell = "piped-shell", Policy, "A CI script runs what a server sends, unseen.", "Download, compare a digest, then run.";
    InstallScript = "install-script", Policy, "The package runs code when it is installed.", "Read the script; install with --ignore-scripts where it is not needed.";
    HiddenUnicode = "hidden-unicode", Policy, "The text holds characters that no reader sees.", "Look at the line with an editor that shows them; treat it as an attack until explained.";
    EncodedPayload = "encoded-payload", Policy, "Long encoded text stands beside a call that runs text.", "Decode it without running it; treat the package as hostile until explained.";
    SecretExposed = "secret-exposed", Policy, "A file or log holds a key or token.", "Revoke it, then remove it; rewriting history does not make it secret again.";
    SecretLogged = "secret-logged", Policy, "A CI step prints what its name calls a secret.", "Do not print it; pass it by file or standard input.";
    UnpinnedImage = "unpinned-image", Policy, "A container image is named by a tag, which can be moved.", "Pin it to a digest, with the tag in a comment.";
    UnpinnedInclude = "unpinned-include", Policy, "Configuration or a module is included from elsewhere by a name that can be moved.", "Name a full commit or an exact version.";
    SelfHostedExposed = "self-hosted-exposed", Policy, "Strangers can start jobs on a runner of one's own.", "Use hosted runners for what strangers propose, or ask for approval first.";
    CacheShared = "cache-shared", Policy, "A cache is shared between jobs of different trust.", "Build releases without caches.";
    PrivilegedWorkload = "privileged-workload", Policy, "A container has rights of its node.", "Take the setting away; name single capabilities where one is needed.";
    OpenPort = "open-port", Policy, "A port is open to every address.", "Name the addresses that need it.";
    PublicBucket = "public-bucket", Policy, "Storage is open to everybody.", "Make it private, and serve what is public through something that is meant for it.";
    CapabilityGained = "capability-gained", Policy, "A release can do what the one before could not.", "Read the change at the named place before the update is taken.";
    ManifestConfusion = "manifest-confusion", Policy, "A package says two things about itself, to different readers.", "Treat it as an attack until explained.";
    NameSquat = "name-squat", Policy, "A package's name is made to be taken for another.", "Compare with the name that was meant.";
    DependencyConfusion = "dependency-confusion", Policy, "A name that is reserved may have come from outside.", "Name the registry that it comes from; claim the name outside too.";
    VersionSuspicious = "version-suspicious", Policy, "A version's number is so high that it wins against every real release.", "Find out who published it, and pin the release that was meant.";
    VersionYoung = "version-young", Policy, "A version was published so lately that nobody may have looked at it yet.", "Wait until it is a week old, or read the change; pin the version before.";
    PublisherChanged = "publisher-changed", Policy, "A version was published by somebody who published none before it.", "Ask the maintainers whether they know the publisher.";
    RegistrySilent = "registry-silent", Missing, "The registry's document does not say what a package is to be held against.", "Ask the registry for its whole document of the package.";
    BuildUnlisted = "build-unlisted", Policy, "A build fetched what no lockfile names.", "Find out which step did, and lock it or take it away.";
    BuildUnfetched = "build-unfetched", Policy, "A lockfile names what the build did not fetch.", "It may come from a cache; build once without one to know.";
    DependencyReplaced = "dependency-replaced", Proof, "The same version of a dependency has other bytes than before.", "Find out who replaced it before anybody installs it.";
    DependencyUnpinned = "dependency-unpinned", Policy, "A dependency lost the digest that pinned it.", "Regenerate the lockfile with digests.";
    IgnoreMalformed = "ignore-malformed", Operator, "The file of ignore rules has faults.", "Mend what is listed; each rule needs id, owner, reason and until.";
    IgnoreExpired = "ignore-expired", Operator, "An ignore rule is past its end date and no longer applies.", "Decide again: fix the finding, or set a new end date.";

    // Who may see and do what.
    LoginNeeded = "login-needed", Missing, "This is shown only to those who are logged in.", "Log in at /login, or send `Authorization: Bearer TOKEN` with a token of `linkward token add`.";
    LoginFailed = "login-failed", Proof, "The token or login is not known here, was taken back, or is over.", "Log in again, or ask for a new token.";
    LoginRejected = "login-rejected", Proof, "The identity provider's answer does not prove who is there.", "Begin again at /login; if it stays, the message says which check failed.";
    LoginUnreachable = "login-unreachable", Missing, "The identity provider cannot be reached, or does not say what is needed.", "The message says why; a token of `linkward token add` still opens the console.";
    LoginWithoutRole = "login-without-role", Policy, "You are known, but no rule of [login] roles gives you a role.", "Ask whoever runs this home for a rule that names you.";
    RoleTooLow = "role-too-low", Policy, "Your role does not allow this.", "Ask somebody with the role that the message names.";
    FormForeign = "form-foreign", Proof, "The form was not sent from a page of this console, or from one of another login.", "Load the page again and send it from there.";

    // The operator's settings.
    RebuildMissing = "rebuild-missing", Input, "No rebuild is recorded under that number.", "Begin one: linkward rebuild start package|digest VALUE.";
    RebuildNoTrigger = "rebuild-no-trigger", Operator, "No trigger in rebuild.toml fits the artifact.", "Add a [[trigger]] whose names fit, or build it by hand: the result counts all the same.";
    RebuildPending = "rebuild-pending", Missing, "The build was asked for, and no result has come.", "Look at the build where it runs; its provenance has to reach this record.";
    RebuildSettingsMalformed = "rebuild-settings-malformed", Operator, "rebuild.toml has faults.", "Mend what the message names.";
    RebuildTriggerFailed = "rebuild-trigger-failed", Missing, "The build could not be started.", "See what the trigger said; it is tried again, or build it by hand.";
    SigmaMalformed = "sigma-malformed", Operator, "A Sigma rule cannot be read, or uses what is not evaluated here.", "Mend or remove what `linkward detect sigma FOLDER` lists; `sigma_partial = true` in detect.toml goes on without them.";
    PlanMalformed = "plan-malformed", Input, "The file is not a Terraform plan in JSON.", "Write it with `terraform show -json PLANFILE`.";
    PlanIncomplete = "plan-incomplete", Missing, "The Terraform plan does not hold everything that would change.", "Plan again, without errors and without deferred changes.";
    PlanDiffers = "plan-differs", Policy, "What is about to be applied is not what was approved.", "Have the new plan approved, or apply the approved one.";
    PlanDrift = "plan-drift", Policy, "A resource was changed outside of Terraform since it was applied.", "Find out who changed it and how; then bring it back, or into the configuration.";
    PlanUnpinned = "plan-unpinned", Policy, "A module of the plan can be other code tomorrow.", "Name an exact version, a commit in ?ref=, or a checksum.";
    PolicyTrialMissing = "policy-trial-missing", Input, "No policy is on trial.", "Begin one: linkward policy trial start FILE.";
    PolicyMalformed = "policy-malformed", Operator, "policy.yaml has faults.", "Mend what is listed by line and column.";
    ConfigMalformed = "config-malformed", Operator, "linkward.toml has faults.", "Mend what is listed by line and column.";
    EstateMalformed = "estate-malformed", Operator, "detect.toml has faults.", "Mend what is listed by line and column.";
    WebhookSecretMissing = "webhook-secret-missing", Operator, "No secret is set for this source of events, so nothing that claims to come from it is taken.", "Set its secret in the environment or in a file named in detect.toml.";
    AllowedSignersMalformed = "allowed-signers-malformed", Operator, "The allowed signers file has faults.", "Mend what is listed by line; `man ssh-keygen` describes the file.";
    HomeLocked = "home-locked", Operator, "Another process writes this home and cannot be reached.", "Stop it, or use its socket.";
    HomeFormat = "home-format", Operator, "The home is of a format that this version does not know.", "Use the version that wrote it, or a newer one.";
    StepNotPlanned = "step-not-planned", Operator, "The layout does not plan this step, or not by this home's key.", "Compare --step with the layout, and have its owner list this home's step key as a functionary.";
    StepCommandMismatch = "step-command-mismatch", Operator, "The layout expects another command for this step.", "Run the command that the layout names, or have its owner change it.";
    KeyLocked = "key-locked", Operator, "A private key is encrypted, and no passphrase opens it.", "Set LINKWARD_KEY_PASSPHRASE_FILE, or LINKWARD_KEY_PASSPHRASE, or run at a terminal.";
    KeyPermissions = "key-permissions", Operator, "A private key can be read by others.", "chmod 600 the key.";

    // The record.
    StillFolding = "still-folding", Missing, "The record is still being taken up after a start: this is not known yet.", "Ask again in a moment; nothing is lost, and what is recorded meanwhile is taken up too.";
    RecordRolledBack = "record-rolled-back", Record, "The log is smaller than, or differs from, what was seen before.", "Do not trust this home; restore the newest copy, or find out who replaced it.";
    RecordDamaged = "record-damaged", Record, "A file of the record is missing, truncated or changed.", "Restore the named file from a backup; `linkward log verify` says when it is whole.";
    ReplayDiffers = "replay-differs", Record, "Replaying the verdict gives another result than was recorded.", "Treat the record as tampered until explained.";
    DeletionUnfounded = "deletion-unfounded", Record, "A document was deleted that a retention rule or a legal hold kept.", "Treat it as destroyed evidence: get the document from a backup, and look who deleted it.";
    IndexStale = "index-stale", Record, "The index does not match the log.", "Run `linkward record rebuild`.";
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that is no code.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a reason code")]
pub struct UnknownCode(String);

impl FromStr for Code {
    type Err = UnknownCode;

    fn from_str(text: &str) -> Result<Self, UnknownCode> {
        Self::ALL
            .iter()
            .copied()
            .find(|code| code.as_str() == text)
            .ok_or_else(|| UnknownCode(text.to_owned()))
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Code {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_distinct_kebab_case_and_explained() {
        let mut seen = std::collections::BTreeSet::new();
        for code in Code::ALL {
            let name = code.as_str();
            assert!(seen.insert(name), "{name} stands twice");
            assert!(name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'), "{name}");
            assert!(code.summary().ends_with('.') && code.fix().ends_with('.'), "{name}");
            assert_eq!(name.parse(), Ok(*code));
        }
    }
}
